"""The C function by which the interpreted build masks: aiohttp's, where that was built.

`wire` knows no aiohttp, so the function is given to it here. aiohttp has no public name for it.
"""

import contextlib
from types import FunctionType

from ._build import COMPILED

__all__ = ()

if not COMPILED:
    from .wire import native

    with contextlib.suppress(ImportError):
        from aiohttp._websocket.helpers import websocket_mask

        # aiohttp's own fallback in Python is slower than ours.
        if not isinstance(websocket_mask, FunctionType):
            native.use_mask(websocket_mask)
