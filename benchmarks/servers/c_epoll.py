"""The limit: echo.c, an echo server in C that does nothing else."""

from ..build import built
from . import listen, parse, run_program

if __name__ == "__main__":
    if parse().tls:
        raise SystemExit("echo.c has no TLS")
    with built("echo.c") as program, listen() as listener:
        descriptor = listener.fileno()
        port = listener.getsockname()[1]
        run_program([str(program), str(descriptor)], port, "C on epoll", descriptor)
