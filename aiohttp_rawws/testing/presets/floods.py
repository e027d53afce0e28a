"""Much of what costs the receiver more than the sender."""

from ...wire.frames import Frame
from ...wire.names import Opcode
from ..preset import Preset
from .parts import Behave, Flood, begun, by_role

__all__ = ("PRESETS",)

PRESETS = (
    Preset(
        "ping-flood",
        "Sends 5000 pings of 125 octets as fast as they go, reads the pongs, and sends a text "
        "behind. After the first message.",
        "",
        by_role(
            lambda: (
                begun()
                .add(Flood(Frame.ping(bytes(125)), 5000))
                .send(Frame.text("behind the flood"))
                .add(Behave())
            )
        ),
    ),
    Preset(
        "empty-fragment-flood",
        "Sends a text of 50 000 empty fragments as fast as they go, and then ends it. After the "
        "first message.",
        "",
        by_role(
            lambda: (
                begun()
                .send(Frame.text("", fin=False))
                .add(Flood(Frame(Opcode.CONTINUATION, b"", fin=False), 50_000, at_once=1000))
                .send(Frame(Opcode.CONTINUATION, b""))
                .add(Behave())
            )
        ),
    ),
)
