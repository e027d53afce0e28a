"""The gateway of docs/proxy.md as a process: `gateway.py FILE HANDLER PORT LOOP`.

FILE has the examples of the page. The first one is run as it stands, on a port and a loop of the
test's choice. Another handler gets the route that the page names.
"""

import runpy
import sys

from aiohttp import web

from tests.support.loops import LOOPS

ROUTES = {"mounted": "/apps/{name:[a-z]+}{path:(/.*)?}", "renamed": "/{path:.*}"}


def main(file: str, handler: str, port: str, loop: str) -> None:
    names = runpy.run_path(file)
    app = names["app"]
    if handler in ROUTES:
        app = web.Application()
        names["aiohttp_rawws"].setup(app)
        app.cleanup_ctx.append(names["upstream"])
        app.router.add_route("*", ROUTES[handler], names[handler])
    web.run_app(app, host="127.0.0.1", port=int(port), loop=LOOPS[loop](), print=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
