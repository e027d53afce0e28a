"""Signatures and docstrings that Python and Cython would leave out."""

import ast
import sys
from inspect import Signature, isfunction, signature
from pathlib import Path
from typing import Any

__all__ = ("ConstructorSignature", "describe_fields")


class ConstructorSignature:
    """The signature of an extension class, to be assigned to its `__signature__`.

    An extension class does not tell the parameters of its constructor, so they are read from the
    source file beside the extension. In the interpreted build, and in a subclass with a
    constructor of its own, the constructor is a Python function: the attribute is missing there,
    and `inspect.signature` asks that function.
    """

    def __get__(self, instance: object, owner: type) -> Signature:
        kind = constructor_owner(owner)
        if instance is not None or vars(kind).get("__signature__") is not self:
            raise AttributeError("__signature__")
        try:
            return source_signature(kind)
        except OSError as error:
            raise AttributeError("__signature__: the source file is missing") from error


def constructor_owner(owner: type) -> type:
    """Return the first class of the MRO whose constructor tells its parameters, or could."""
    for kind in owner.__mro__:
        members = vars(kind)
        if any(isfunction(members.get(name)) for name in ("__init__", "__new__")):
            return object
        if "__signature__" in members:
            return kind
    return object


def source_signature(kind: type) -> Signature:
    """Return the signature of a class by the `__init__` in the source file of its module.

    OSError if there is no such file.
    """
    module: Any = sys.modules[kind.__module__]
    path = Path(module.__file__).with_name(f"{kind.__module__.rpartition('.')[2]}.py")
    constructor = constructor_of(ast.parse(path.read_text(encoding="utf-8")), kind.__name__)
    constructor.body = [ast.Pass()]
    ast.fix_missing_locations(constructor)
    future = ast.parse("from __future__ import annotations").body
    names: dict[str, Any] = {}
    code = ast.Module(body=[*future, constructor], type_ignores=[])
    exec(compile(code, str(path), "exec"), vars(module).copy(), names)
    whole = signature(names["__init__"])
    _, *parameters = whole.parameters.values()
    return whole.replace(parameters=parameters)


def constructor_of(module: ast.Module, name: str) -> ast.FunctionDef:
    """Return the `__init__` of the class `name` in a module's source."""
    for kind in module.body:
        if isinstance(kind, ast.ClassDef) and kind.name == name:
            for method in kind.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    return method
    raise LookupError(f"{name} has no __init__")


def describe_fields(kind: Any, **docstrings: str) -> None:
    """Set the docstrings of a NamedTuple's fields."""
    for name, docstring in docstrings.items():
        getattr(kind, name).__doc__ = docstring
