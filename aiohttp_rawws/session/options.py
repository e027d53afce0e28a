"""The options of raw WebSocket endpoints and the names of subprotocols, checked at the call.

An option stands in `Options` with its default, and in `RouteOptions` for type checkers.
"""

import dataclasses
import difflib
import inspect
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from ..wire.handshake import HandshakeRule, OriginRule
from ..wire.names import Violation

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    from typing_extensions import Unpack
else:

    class Unpack:
        """Stands in for `typing.Unpack`, which Python 3.10 does not have."""

        def __class_getitem__(cls, options: type) -> Any:
            return Any


__all__ = (
    "DEFAULTS",
    "OPTION_NAMES",
    "TOKEN",
    "Options",
    "RouteOptions",
    "Unpack",
    "cannot_take",
    "check_option_names",
    "check_size",
    "protocol_names",
)

# RFC 6455 section 4.1: a subprotocol is a token of RFC 2616 section 2.2.
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class RouteOptions(TypedDict, total=False):
    """The options of `setup` that a route, `accept` or `proxy` may set otherwise."""

    max_frame_size: int
    receive_limit: int
    reject: Violation
    origins: Collection[OriginRule] | None
    extensions: Callable[[str], str | None] | None
    linger: float
    reject_handshake: HandshakeRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one endpoint; `setup` says what each means.

    Raise TypeError for a value of a wrong type, ValueError for one out of range.
    """

    max_frame_size: int = 16 * 2**20
    receive_limit: int = 256 * 2**10
    reject: Violation = Violation.ALL
    origins: Collection[OriginRule] | None = None
    extensions: Callable[[str], str | None] | None = None
    linger: float = 1.0
    reject_handshake: HandshakeRule = HandshakeRule.ALL

    def __post_init__(self) -> None:
        check_size("max_frame_size", self.max_frame_size)
        check_size("receive_limit", self.receive_limit)
        if not isinstance(self.reject, Violation):
            raise TypeError(f"reject must be a Violation, got {self.reject!r}")
        if self.origins is not None:
            object.__setattr__(self, "origins", origin_rules(self.origins))
        check_extensions(self.extensions)
        check_linger(self.linger)
        if not isinstance(self.reject_handshake, HandshakeRule):
            raise TypeError(
                f"reject_handshake must be a HandshakeRule, got {self.reject_handshake!r}"
            )

    def replace(self, **overrides: Unpack[RouteOptions]) -> "Options":
        """Return the same options but for `overrides`.

        Raise TypeError for a name that is no option.
        """
        check_option_names(overrides)
        return dataclasses.replace(self, **overrides)


OPTION_NAMES = tuple(field.name for field in dataclasses.fields(Options))


def check_option_names(names: Iterable[str]) -> None:
    """Raise TypeError for names that are no options, with the nearest that is one."""
    unknown = [name for name in names if name not in OPTION_NAMES]
    if not unknown:
        return
    message = f"no such option: {', '.join(unknown)}; there are {', '.join(OPTION_NAMES)}"
    near = [match for name in unknown for match in difflib.get_close_matches(name, OPTION_NAMES, 1)]
    if near:
        message += f"; did you mean {' and '.join(dict.fromkeys(near))}?"
    raise TypeError(message)


def protocol_names(protocol: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the subprotocols that `protocol` names, none for None (RFC 6455 section 4.1).

    Raise ValueError for a name that is no token, a name given twice, or an empty sequence (None
    asks for no subprotocol). Raise TypeError for anything but names.
    """
    if protocol is None:
        return ()
    names = (protocol,) if isinstance(protocol, str) else protocol
    if not isinstance(names, Sequence):
        raise TypeError(f"protocol must be a str or a sequence of them, got {protocol!r}")
    if not names:
        raise ValueError("protocol names nothing; pass None to ask for no subprotocol")
    for name in names:
        check_protocol(name)
    if len(set(names)) < len(names):
        raise ValueError(f"protocol names something twice: {', '.join(names)}")
    return tuple(names)


def check_protocol(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"a subprotocol must be a str, got {name!r}")
    if not TOKEN.fullmatch(name):
        raise ValueError(
            f"a subprotocol is ASCII letters, digits and !#$%&'*+-.^_`|~, got {name!r}"
        )


def check_size(name: str, size: object) -> None:
    if not isinstance(size, int) or isinstance(size, bool):
        raise TypeError(f"{name} must be a number of bytes (int), got {size!r}")
    if size <= 0:
        raise ValueError(f"{name} must be at least 1 byte, got {size}")


def check_linger(linger: object) -> None:
    if not isinstance(linger, (int, float)) or isinstance(linger, bool):
        raise TypeError(f"linger must be a number of seconds, got {linger!r}")
    if not (math.isfinite(linger) and linger >= 0):
        raise ValueError(f"linger must be finite and not negative, got {linger}")


def check_extensions(extensions: object) -> None:
    if extensions is None:
        return
    wanted = (
        "extensions must be None or a plain function from the client's offer to the value for "
        f"the 101 (a str) or None, got {extensions!r}"
    )
    if isinstance(extensions, type):
        accept = getattr(extensions, "accept", None)
        hint = f"write {extensions.__name__}.accept" if accept else "a class is none"
        raise TypeError(f"{wanted}: {hint}")
    if not callable(extensions) or inspect.iscoroutinefunction(extensions):
        raise TypeError(wanted)
    if reason := cannot_take(extensions, "the offer"):
        raise TypeError(f"{wanted}: {reason}")


def cannot_take(function: Callable[..., object], argument: object) -> str:
    """Return why a function cannot be called with one positional argument, "" if it can."""
    try:
        inspect.signature(function).bind(argument)
    except TypeError as error:
        return str(error)
    except ValueError:
        # Some builtins have no signature.
        return ""
    return ""


def origin_rules(origins: Collection[object]) -> tuple[OriginRule, ...]:
    """Check the rules of `origins` and sort them, so that equal sets make equal options."""
    if isinstance(origins, (str, bytes)) or not isinstance(origins, Collection):
        raise TypeError(
            "origins must be a list of str, compiled patterns or None; "
            f"pass a list, not {origins!r}"
        )
    return tuple(sorted((origin_rule(rule) for rule in origins), key=repr))


def origin_rule(rule: object) -> OriginRule:
    if isinstance(rule, re.Pattern) and isinstance(rule.pattern, str):
        return rule
    if rule is None or isinstance(rule, str):
        return rule
    raise TypeError(f"an origin must be a str, a compiled str pattern, or None, got {rule!r}")


DEFAULTS = Options()
