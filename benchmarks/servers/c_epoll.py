"""The limit: echo.c, an echo server in C that does nothing else."""

from ..build import built
from . import listen, run_program

if __name__ == "__main__":
    with built("echo.c") as program, listen() as listener:
        descriptor = listener.fileno()
        port = listener.getsockname()[1]
        run_program([str(program), str(descriptor)], port, "C on epoll", descriptor)
