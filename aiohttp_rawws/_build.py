"""Which build runs: the compiled hot modules, or their source.

Imported before any of them. With AIOHTTP_RAWWS_NO_EXTENSIONS in the environment the package's
folders are searched for sources alone, as if no extension had been built.
"""

import os
import sys
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, PathFinder, SourceFileLoader

__all__ = ("COMPILED",)

_folder = os.path.dirname(__file__)

if os.environ.get("AIOHTTP_RAWWS_NO_EXTENSIONS"):
    for _each in (_folder, os.path.join(_folder, "layers")):
        sys.path_importer_cache[_each] = FileFinder(_each, (SourceFileLoader, SOURCE_SUFFIXES))

_hot = PathFinder.find_spec("codec", [_folder])

#: Whether the compiled build runs.
COMPILED: bool = _hot is not None and not isinstance(_hot.loader, SourceFileLoader)
