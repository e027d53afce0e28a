"""The errors for arguments that are not frames, not bytes, or not opcodes."""

from .names import Opcode, opcode_name
from .pieces import Piece

__all__ = ("not_a_frame", "not_a_text", "not_an_opcode", "not_octets", "shown")

#: A longer argument is shown in an error by the name of its type, in characters.
MAX_SHOWN = 64


def shown(value: object) -> str:
    """Return an argument as an error message shows it."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else type(value).__name__


def not_octets(data: object, name: str, hint: str = "") -> TypeError:
    """Return the error for the argument `name` that should be bytes-like."""
    if isinstance(data, str):
        frame = "Frame.text(text) makes a Text frame, " if name == "payload" else ""
        hint = f"; {frame}text.encode() makes bytes"
    return TypeError(f"{name} must be bytes-like, got {type(data).__name__}{hint}")


def not_an_opcode(opcode: object) -> TypeError:
    """Return the error for an opcode that is no number."""
    name = opcode.upper() if isinstance(opcode, str) else "BINARY"
    name = (name if name in Opcode.__members__ else "TEXT").lower()
    return TypeError(
        f"opcode must be an Opcode or an int from 0 to 15, got {shown(opcode)}; "
        f"Frame.{name}(...) makes a {name.title()} frame"
    )


def not_a_frame(function: str, item: object, *, pieces: bool = False) -> TypeError:
    """Return the error for an argument of `function` that should be a frame.

    `pieces` tells that `function` takes pieces, too.
    """
    hint = ""
    if isinstance(item, str):
        hint = "; Frame.text(text) makes a frame of it"
    elif isinstance(item, (bytes, bytearray, memoryview)):
        hint = "; Frame.binary(data) makes a frame of it"
    elif isinstance(item, Piece) and function == "send":
        hint = "; send_piece(piece) sends a Piece"
    wanted = "a Frame or a Piece" if pieces else "a Frame"
    return TypeError(f"{function} takes {wanted}, got {type(item).__name__}{hint}")


def not_a_text(opcode: int, reserved_bits: bool) -> Exception:
    """Return the error for a frame whose payload is no text, or only a part of one."""
    if opcode not in (Opcode.TEXT, Opcode.CONTINUATION):
        return TypeError(
            f"payload_text is the text of a Text frame, this one is {opcode_name(opcode)}; "
            "frame.payload has its bytes"
        )
    if reserved_bits:
        return ValueError(
            "the frame has a reserved bit set: the extension it belongs to must decode it first, "
            "as layers.PermessageDeflate does"
        )
    return ValueError(
        "the frame is a fragment, which may end within a character: "
        "layers.MessageAssembler joins fragments"
    )
