"""The duties of an endpoint by RFC 6455, in parts that a handler puts together.

The parts take frames and return values. None sends or closes on its own, but for those whose name
says so. This handler is a fully conforming endpoint:

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

A handler that sends a Close of its own, and then goes on receiving, must look at
`session.close_sent` before it answers anything. That includes `close_handshake(session)`.
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
