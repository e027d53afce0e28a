"""Our server with a `WebSocketSession`, as in the demo."""

from demo.conforming import make_app

from . import serve_application

if __name__ == "__main__":
    serve_application(make_app())
