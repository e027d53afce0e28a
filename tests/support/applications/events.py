"""A page that shows server-sent events. What is posted to it is an event: `events.py PORT`."""
# mypy: ignore-errors

import asyncio
import sys

import uvicorn
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

PAGE = """<!DOCTYPE html>
<title>Events</title>
<link rel="icon" href="data:,">
<ul></ul>
<script>
window.source = new EventSource("events");
source.onmessage = (event) => {
    const item = document.createElement("li");
    item.textContent = event.data;
    document.querySelector("ul").append(item);
};
</script>
"""

listeners = set()


async def page(request):
    return HTMLResponse(PAGE)


async def events(request):
    async def of(queue):
        listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            listeners.discard(queue)

    return EventSourceResponse(of(asyncio.Queue()))


async def say(request):
    text = (await request.body()).decode()
    for queue in listeners:
        queue.put_nowait(text)
    return Response(str(len(listeners)))


routes = [Route("/", page), Route("/events", events), Route("/events", say, methods=["POST"])]
uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(sys.argv[1]))
