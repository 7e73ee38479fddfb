"""A server that answers every request with a recorded stream, for a try without a key.

    python replay.py fixtures/responses/showcase.sse

It listens at http://127.0.0.1:8001, and takes a tenth of a second for each event.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route


def make_app(capture: bytes, pause: float = 0.1) -> Starlette:
    """A server of that capture."""
    events = re.findall(rb".+?\n\r?\n|.+\Z", capture, re.DOTALL)

    async def answer(request: Request) -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            for event in events:
                yield event
                await asyncio.sleep(pause)

        return StreamingResponse(body(), media_type="text/event-stream")

    return Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(make_app(Path(sys.argv[1]).read_bytes()), port=8001, log_level="warning")
