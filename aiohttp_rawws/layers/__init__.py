"""What RFC 6455 asks of an endpoint, in parts that a handler puts together.

Each takes frames and returns values. None sends or closes behind the handler's back; those that
wait send what their names say. This handler is a fully conforming endpoint:

    async def handler(session):
        messages = MessageAssembler(max_message_size=2**20)
        try:
            async with Heartbeat(session, interval=20, timeout=20) as heartbeat:
                async for frame in session:
                    heartbeat.feed(frame)
                    answer = reply(frame)
                    if answer is not None:
                        await session.send(answer)
                    message = messages.feed(frame)
                    if message is not None:
                        await session.send(Frame.text(f"got {message.data!r}"))
        except ProtocolError as error:
            await close_handshake(session, error.close_code)
        except TimeoutError:
            session.abort()

A handler that sends a Close of its own, `close_handshake(session)` included, and then goes on
receiving asks `session.close_sent is None` before it answers anything.
"""

from ..wire.frames import prepare
from .broadcast import broadcast
from .closing import close_handshake
from .deflate import PermessageDeflate
from .heartbeat import Heartbeat
from .message import Message
from .messages import MessageAssembler, fragment, reply

__all__ = (
    "Heartbeat",
    "Message",
    "MessageAssembler",
    "PermessageDeflate",
    "broadcast",
    "close_handshake",
    "fragment",
    "prepare",
    "reply",
)
