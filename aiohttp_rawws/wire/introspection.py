"""Signatures and docstrings that Python and Cython would leave out."""

import ast
import sys
from inspect import Signature, isfunction, signature
from pathlib import Path
from typing import Any

__all__ = ("ConstructorSignature", "describe_fields")


class ConstructorSignature:
    """The signature of a class by its `__init__`, to be assigned to its `__signature__`.

    It is for classes that do not tell it themselves: extension classes, and those with a
    `__new__` that takes anything. A subclass with a constructor of its own has no such attribute,
    so that `inspect.signature` asks that constructor.
    """

    def __get__(self, instance: object, owner: type) -> Signature:
        kind = constructor_owner(owner)
        if instance is not None or vars(kind).get("__signature__") is not self:
            raise AttributeError("__signature__")
        try:
            constructor = constructor_function(kind)
        except OSError as error:
            raise AttributeError("__signature__: the source file is missing") from error
        whole = signature(constructor)
        _, *parameters = whole.parameters.values()
        return whole.replace(parameters=parameters)


def constructor_owner(owner: type) -> type:
    """Return the first class of the MRO with a `__signature__`, or `object`.

    `object` it is, too, if a class before it has a constructor in Python.
    """
    for kind in owner.__mro__:
        members = vars(kind)
        if "__signature__" in members:
            return kind
        made_by = members.get("__init__"), getattr(members.get("__new__"), "__func__", None)
        if any(map(isfunction, made_by)):
            return object
    return object


def constructor_function(kind: type) -> Any:
    """Return the `__init__` of a class as a function, for its parameters.

    Cython keeps none. There it is made, without its body, of the source file beside the
    extension. OSError if there is no such file.
    """
    constructor = vars(kind)["__init__"]
    if isfunction(constructor):
        return constructor
    module: Any = sys.modules[kind.__module__]
    path = Path(module.__file__).with_name(f"{kind.__module__.rpartition('.')[2]}.py")
    definition = constructor_of(ast.parse(path.read_text(encoding="utf-8")), kind.__name__)
    definition.body = [ast.Pass()]
    ast.fix_missing_locations(definition)
    future = ast.parse("from __future__ import annotations").body
    names: dict[str, Any] = {}
    code = ast.Module(body=[*future, definition], type_ignores=[])
    exec(compile(code, str(path), "exec"), vars(module).copy(), names)
    return names["__init__"]


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
