"""Which build runs: the compiled hot modules, or their source.

Imported before any of them. With AIOHTTP_RAWWS_NO_EXTENSIONS in the environment the package's
folders are searched for sources alone, as if no extension had been built. Where the extensions
are missing though nobody asked for that, a warning is logged.
"""

import logging
import os
import sys
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, PathFinder, SourceFileLoader

__all__ = ("COMPILED",)

_folder = os.path.dirname(__file__)
_asked = bool(os.environ.get("AIOHTTP_RAWWS_NO_EXTENSIONS"))

if _asked:
    for _each, _, _ in os.walk(_folder):
        sys.path_importer_cache[_each] = FileFinder(_each, (SourceFileLoader, SOURCE_SUFFIXES))

_hot = PathFinder.find_spec("parser", [os.path.join(_folder, "wire")])

#: Whether the compiled build runs.
COMPILED: bool = _hot is not None and not isinstance(_hot.loader, SourceFileLoader)

# Other implementations cannot have the extensions. On Windows compilers are rare, and the gain is
# smaller: nothing is written past the transport there.
if not (COMPILED or _asked) and sys.implementation.name == "cpython" and os.name == "posix":
    logging.getLogger("aiohttp_rawws").warning(
        "aiohttp_rawws runs without its compiled extensions, at a fraction of its speed: none were "
        "built for this Python. Install a C compiler, then reinstall with "
        "'pip install --force-reinstall --no-deps --no-cache-dir aiohttp_rawws', or in a checkout "
        "with 'pip install -e .'. To keep it as it is, set AIOHTTP_RAWWS_NO_EXTENSIONS=1, which "
        "also stops this message."
    )
