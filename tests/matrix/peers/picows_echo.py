"""What the server and the client of picows share: a listener as its README has it."""

from collections.abc import Callable

from picows import WSFrame, WSListener, WSMsgType, WSTransport


class Echo(WSListener):
    """Sends each frame back."""

    def __init__(self, over: Callable[[str], None]) -> None:
        self.over = over
        self.end = "closed 1006"

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            code = frame.get_close_code()
            self.end = f"closed {getattr(code, 'value', code)}"
            transport.send_close(code, frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type != WSMsgType.PONG:
            transport.send(frame.msg_type, frame.get_payload_as_bytes(), frame.fin)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.over(self.end)
