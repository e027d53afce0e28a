"""The limit: echo.c, an echo server in C that does nothing else."""

from ..build import built
from . import listen, parse, run_program

if __name__ == "__main__":
    spin = ["--spin"] if parse().spin else []
    with built("echo.c") as program, listen() as listener:
        descriptor = listener.fileno()
        command = [str(program), str(descriptor), *spin]
        run_program(command, listener.getsockname()[1], "C on epoll", descriptor)
