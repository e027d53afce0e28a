"""Our server with the layers, as in the demo."""

from benchmarks.servers import run_application
from demo.conforming import make_app

from . import about

if __name__ == "__main__":
    run_application(make_app(), about("ours"))
