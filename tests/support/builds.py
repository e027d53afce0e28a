"""Both builds of the hot modules in one process.

The interpreted twin of a compiled process is loaded from the same sources, as a package of its
own; so its classes are not those of `aiohttp_rawws`, and what comes out is compared as values.
"""

import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp_rawws

FOLDER = Path(aiohttp_rawws.__file__).parent
#: The modules that know no I/O, each behind those that it imports.
WIRE = (
    "allocator",
    "native",
    "names",
    "introspection",
    "pieces",
    "arguments",
    "close",
    "frames",
    "errors",
    "stops",
    "queue",
    "partial",
    "explanations",
    "rules",
    "parser",
)


class Build:
    """The modules of `wire`, of one build, as attributes."""

    native: Any
    names: Any
    frames: Any
    errors: Any
    parser: Any

    def __init__(self, name: str, modules: "dict[str, ModuleType]") -> None:
        self.name = name
        vars(self).update(modules)

    def __repr__(self) -> str:
        return self.name


def load(name: str, loader: Any) -> ModuleType:
    """Import a module under another name than its own."""
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def from_source(package: str) -> Build:
    """Load the interpreted modules as a package of that name, whatever else is loaded."""
    sys.modules[package] = ModuleType(package)
    modules = {}
    for name in WIRE:
        source = str(FOLDER / "wire" / f"{name}.py")
        full = f"{package}.{name}"
        modules[name] = load(full, importlib.machinery.SourceFileLoader(full, source))
    return Build("interpreted", modules)


def load_source(name: str) -> Any:
    """Return a new copy of an interpreted module of `wire`. What it imports is no copy."""
    full = f"aiohttp_rawws.wire.{name}_copy"
    source = str(FOLDER / "wire" / f"{name}.py")
    return load(full, importlib.machinery.SourceFileLoader(full, source))


def built(name: str) -> "Path | None":
    """Return the path of a hot module's extension for this Python, or None if it was not built."""
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = FOLDER / f"{name}{suffix}"
        if path.exists():
            return path
    return None


RUNNING = Build(
    "compiled" if aiohttp_rawws.COMPILED else "interpreted",
    {name: importlib.import_module(f"aiohttp_rawws.wire.{name}") for name in WIRE},
)
INTERPRETED = from_source("rawws_from_source") if aiohttp_rawws.COMPILED else RUNNING


def compiled_native() -> Any:
    """Return the compiled `native`, in an interpreted process too, or None if it was not built."""
    path = built("wire/native")
    if aiohttp_rawws.COMPILED or path is None:
        return RUNNING.native if aiohttp_rawws.COMPILED else None
    name = "rawws_compiled.native"
    return load(name, importlib.machinery.ExtensionFileLoader(name, str(path)))


COMPILED = compiled_native()
TWINS = {"interpreted": INTERPRETED.native} | ({"compiled": COMPILED} if COMPILED else {})
