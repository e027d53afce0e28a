"""Both builds of the hot modules in one process, and a reader that uses a parser as a session does.

The interpreted twin of a compiled process is loaded from the same sources, as a package of its
own; so its classes are not those of `aiohttp_rawws`, and what comes out is compared as values.
"""

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp_rawws
from aiohttp_rawws.wire import errors, frames, native, parser

FOLDER = Path(aiohttp_rawws.__file__).parent
#: The modules that know no I/O, each behind those that it imports.
WIRE = (
    "native",
    "names",
    "introspection",
    "pieces",
    "arguments",
    "close",
    "frames",
    "errors",
    "parser",
)


@dataclass(frozen=True)
class Build:
    """The modules that know no I/O, of one build."""

    name: str
    native: Any
    frames: Any
    errors: Any
    parser: Any

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
    """The interpreted build, whatever else is loaded, as a package of that name."""
    sys.modules[package] = ModuleType(package)
    modules = {}
    for name in WIRE:
        source = str(FOLDER / "wire" / f"{name}.py")
        full = f"{package}.{name}"
        modules[name] = load(full, importlib.machinery.SourceFileLoader(full, source))
    return build_of("interpreted", modules)


def build_of(name: str, modules: "dict[str, ModuleType]") -> Build:
    return Build(name, modules["native"], modules["frames"], modules["errors"], modules["parser"])


def built(name: str) -> "Path | None":
    """The extension of a hot module that fits this Python, None where it was not built."""
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = FOLDER / f"{name}{suffix}"
        if path.exists():
            return path
    return None


RUNNING = Build(
    "compiled" if aiohttp_rawws.COMPILED else "interpreted", native, frames, errors, parser
)
INTERPRETED = from_source("rawws_from_source") if aiohttp_rawws.COMPILED else RUNNING


def compiled_native() -> Any:
    """The compiled `native`, in an interpreted process too; None where it was not built."""
    path = built("wire/native")
    if aiohttp_rawws.COMPILED or path is None:
        return native if aiohttp_rawws.COMPILED else None
    name = "rawws_compiled.native"
    return load(name, importlib.machinery.ExtensionFileLoader(name, str(path)))


Values = tuple[Any, ...]


def values(item: Any) -> Values:
    """A frame or a piece of any build: everything that can be seen of it."""
    flags = (item.opcode, item.fin, item.rsv1, item.rsv2, item.rsv3)
    rest = (item.payload, item.mask, item.violations.value)
    if isinstance(item, tuple):
        return (*flags, *rest, item.length, item.offset, item.last)  # type: ignore[attr-defined]
    return (*flags, *rest)


def error_values(error: "Exception | None") -> "Values | None":
    """A protocol error of any build, everything that can be seen of it."""
    if error is None:
        return None
    seen = (type(error).__name__, error.violation.value, error.close_code)  # type: ignore[attr-defined]
    return (*seen, str(error), *error.args[1:])


class Reader:
    """Takes from a parser what a session would, and notes it as `items`.

    `read` is what the transport does; `take` and `rest` are what `receive` and `pieces` do.
    """

    def __init__(self, build: Build = RUNNING, **options: Any) -> None:
        self.build = build
        options["reject"] = build.frames.Violation(int(options.pop("reject", 2047)))
        self.parser = build.parser.Parser(build.parser.ReadBuffer(), **options)
        self.items: list[Values] = []

    def read(self, data: bytes) -> None:
        """Bytes from the network, in as few reads as the parser has room for."""
        while data:
            view = self.parser.writable()
            count = min(len(view), len(data))
            view[:count] = data[:count]
            self.parser.written(count)
            data = data[count:]

    def take(self, pieces: bool = False) -> bool:
        """Take one frame or piece; whether there was one."""
        item = self._piece() if pieces else self._frame()
        if item is None:
            return False
        self.items.append(values(item))
        return True

    def rest(self, pieces: bool = False) -> None:
        """Take all there is."""
        parser = self.parser
        while True:
            while self.take(pieces):
                pass
            if parser.error is not None or not parser.stalled:
                return
            parser.resume()
            assert parser.ready or not parser.stalled, "bytes wait, but nothing can be taken"

    def _frame(self) -> Any:
        parser = self.parser
        if parser.pieces:
            if self.half_read:
                return self._piece()
            parser.whole()
        if parser.next is None:
            parser.settle()
        return None if parser.next is None else parser.take()

    def _piece(self) -> Any:
        parser = self.parser
        if not parser.pieces:
            parser.pieces = True
            parser.resume()
        if parser.next is None:
            parser.settle()
        return parser.cut() if parser.next is None else parser.take()

    @property
    def half_read(self) -> bool:
        """Whether a frame was given away in part."""
        parser = self.parser
        return bool(parser.cutting or isinstance(parser.next, self.build.frames.Piece))

    @property
    def state(self) -> Values:
        """Everything else that can be seen of the parser."""
        parser = self.parser
        names = "weight pieces fragmented after_close closed stalled full partial ready cutting"
        return (
            *(getattr(parser, name) for name in names.split()),
            [values(item) for item in parser.waiting],
            error_values(parser.error),
            error_values(parser.oversized),
        )

    @property
    def outcome(self) -> "tuple[list[Values], Values | None]":
        """The frames that came out, pieces put together, and the error behind them."""
        return list(joined(self.items)), error_values(self.parser.error)


def joined(items: Iterable[Values]) -> Iterator[Values]:
    """Put pieces together again to frames; an incomplete one at the end is left out."""
    payload = b""
    for item in items:
        payload += item[5]
        if len(item) == 8 or item[10]:
            yield (*item[:5], payload, *item[6:8])
            payload = b""
