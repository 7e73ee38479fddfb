"""Laws of the gateway, without sockets: whatever the upstream sends, the client gets no false success."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold import LimitExceeded, Outcome, Response, parse
from deltafold.testing.strategies import chunkings, damaged_bodies, streams
from world.examples import load
from world.said import WIRES, request

httpx, *_ = [pytest.importorskip(package) for package in ("httpx", "starlette", "uvicorn")]

gateway = load("gateway")
PATHS = {
    "responses": "/v1/responses",
    "chat": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/model-1:streamGenerateContent?alt=sse",
}
ANSWERS = (Outcome.COMPLETED, Outcome.INCOMPLETE)


def through(front: str, behind: str, chunks: list[bytes], *, streamed: bool) -> Any:
    """The answer of a gateway whose upstream sends that."""

    async def said(asked: Any) -> Any:
        async def body() -> Any:
            for chunk in chunks:
                yield chunk

        return httpx.Response(200, content=body())

    async def main() -> Any:
        client = httpx.AsyncClient(transport=httpx.MockTransport(said))
        settings = gateway.Settings(upstream_wire=behind, upstream_url="http://upstream/v1", resumptions=0)
        app = gateway.make_app(settings, client)
        path = PATHS[front] if streamed else PATHS[front].replace("streamGenerate", "generate")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as asking:
            asked = request(front) if front == "gemini" else request(front, stream=streamed)
            return await asking.post(path, json=asked)

    return asyncio.run(main())


@given(damaged_bodies() | streams().map(lambda stream: (stream.dialect, stream.body)), st.data())
def test_no_false_success(came: tuple[str, bytes], data: st.DataObject) -> None:
    """An end that looks like success is one; every other end is an error of the client's own API."""
    behind, body = came
    if behind not in WIRES:
        behind = "chat"
    try:
        told = parse(body, behind)
    except LimitExceeded:
        told = Response(None, None, None, Outcome.TRUNCATED, (), None, None, None, None, {})
    front, streamed = data.draw(st.sampled_from(WIRES)), data.draw(st.booleans())
    answer = through(front, behind, data.draw(chunkings(body)), streamed=streamed)
    got = parse(answer.content, front)
    assert (got.outcome in ANSWERS) == (told.outcome in ANSWERS)
    if answer.status_code != 200:
        assert got.outcome is Outcome.FAILED
        kind = told.error.kind if told.error else None
        ours = kind is None or told.error.code in ("nothing_understood", "wrong_dialect")
        assert answer.status_code in ({500, 502} if ours else {gateway.STATUS[kind], 529})
    assert got.outcome in ANSWERS or got.error is not None
