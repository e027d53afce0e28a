"""Build the extensions and the readme. Everything else is in pyproject.toml.

A module with a `.pxd` file beside it is compiled: its `.pyx` twin if it has one, else its own
Python source. Without a C compiler the package installs without the extensions.
"""

import os
import re
import sys
from pathlib import Path
from threading import Lock

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

#: Of all modules that do not say otherwise. Only public functions need the signatures of `binding`.
DIRECTIVES = {
    "annotation_typing": False,
    "auto_pickle": False,
    "binding": False,
    "language_level": 3,
}

#: The modules with names that users know, who call them by keyword and read their docstrings.
PUBLIC = {
    "aiohttp_rawws.layers.messages",
    "aiohttp_rawws.session.awaiting",
    "aiohttp_rawws.wire.frames",
}

#: Where -O3 makes a message cheaper. Elsewhere it makes the wheel bigger, by 50 kB, and no more.
HOT = {"aiohttp_rawws.wire.native", "aiohttp_rawws.wire.parser"}

HOME = "https://github.com/aiohttp-rawws/aiohttp_rawws"

# The core uses CPython's own structures. The variable asks for a build in pure Python.
WANTED = sys.implementation.name == "cpython" and not os.environ.get("AIOHTTP_RAWWS_NO_EXTENSIONS")


def extensions() -> list[Extension]:
    found = []
    for types in sorted(Path("aiohttp_rawws").rglob("*.pxd")):
        twin = types.with_suffix(".pyx")
        source = twin if twin.exists() else types.with_suffix(".py")
        name = ".".join(types.with_suffix("").parts)
        found.append(Extension(name, [source.as_posix()], optional=True))
    return found


class BuildExtensions(build_ext):
    """Compile several extensions at a time, without debug information unless asked for."""

    cython = Lock()

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()
        # setuptools takes it back while it builds.
        self.in_checkout = bool(self.inplace)

    def build_extensions(self) -> None:
        super().build_extensions()
        # They call each other: all of them or none.
        built = [Path(self.get_ext_fullpath(ext.name)) for ext in self.extensions]
        if not all(path.exists() for path in built):
            for path in built:
                path.unlink(missing_ok=True)

    def build_extension(self, ext: Extension) -> None:
        # Cython is not safe to run in two threads. The C compiler is a process of its own.
        with self.cython:
            Options.docstrings = ext.name in PUBLIC
            ext.sources = cythonize(
                ext,
                force=self.force,
                compiler_directives={**DIRECTIVES, "always_allow_keywords": ext.name in PUBLIC},
            )[0].sources
        # MSVC has another flag for this, and does not set it by default.
        if self.compiler.compiler_type == "unix" and not self.debug:
            ext.extra_compile_args.extend(["-g0", "-O3" if ext.name in HOT else "-O2"])
            if sys.platform == "linux" and not (self.in_checkout or self.editable_mode):
                # A checkout keeps what profilers and debuggers read.
                ext.extra_compile_args.append("-fno-asynchronous-unwind-tables")
                ext.extra_link_args.append("-Wl,--strip-all")
        super().build_extension(ext)


def readme() -> str:
    """Return the README with absolute links, as PyPI needs them."""
    text = Path("README.md").read_text(encoding="utf-8")
    text = re.sub(r"(!\[[^]]*\]\()(?!https?:)", rf"\1{HOME}/raw/HEAD/", text)
    return re.sub(r"((?<!!)\[[^]]*\]\()(?!https?:|#)", rf"\1{HOME}/blob/HEAD/", text)


setup(
    ext_modules=extensions() if WANTED else [],
    cmdclass={"build_ext": BuildExtensions},
    long_description=readme(),
    long_description_content_type="text/markdown",
)
