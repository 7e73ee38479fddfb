"""The servers of the documentation, as they stand there: they speak, pass on, and read along."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import test_docs
from deltafold import Event, Outcome, ResponseFinished, ResponseParser, TextDelta, parse
from world.said import TEXT, cut, request, stream
from world.server import Answer, Server, Stage, serving_wsgi

httpx, *_ = [pytest.importorskip(package) for package in ("httpx", "starlette", "uvicorn")]

WORDS = [TEXT[at : at + 9] for at in range(0, len(TEXT), 9)]
frameworks = pytest.mark.parametrize("framework", ["starlette.applications", "fastapi"])


def app_of(framework: str, endpoint: Any) -> Any:
    """An application of a framework that has that endpoint."""
    module = pytest.importorskip(framework)
    app = (module.FastAPI if framework == "fastapi" else module.Starlette)()
    app.router.add_route("/answer", endpoint, methods=["POST"])
    return app


def answer_from(url: str, **options: Any) -> Any:
    return httpx.post(
        url + "/answer", json=request("chat"), timeout=20, trust_env=False, verify=False, **options
    )


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def wait_for_the_end(seen: list[Event]) -> Outcome:
    """The outcome that was seen, which may come a little after the client has gone."""
    for _ in range(300):
        if seen and isinstance(seen[-1], ResponseFinished):
            return seen[-1].outcome
        time.sleep(0.01)
    raise AssertionError("no end was seen")


# ---------------------------------------------------------------------------------------------- speaking


@frameworks
def test_a_server_that_speaks(framework: str, play: Stage) -> None:
    """What a client reads is what the server says."""

    async def words(asked: Any) -> AsyncIterator[str]:
        for word in WORDS:
            yield word

    with play.playing(app_of(framework, test_docs.example("speaking")(words))) as url:
        response = parse(answer_from(url).content, "chat", strict=True)
    assert (response.output_text, response.model, response.outcome) == (TEXT, "model-1", "completed")


def test_a_wsgi_server_that_speaks() -> None:
    """The same, without asyncio."""
    with serving_wsgi(test_docs.example("wsgi_app")(lambda asked: iter(WORDS))) as url:
        response = parse(answer_from(url).content, "anthropic", strict=True)
    assert (response.output_text, response.model, response.outcome) == (TEXT, "model-1", "completed")


def test_a_wsgi_client_that_vanishes() -> None:
    """The words stop, once the client is gone."""
    said: list[str] = []
    stopped: list[bool] = []

    def words(asked: Any) -> Iterator[str]:
        try:
            for word in WORDS * 10_000:
                said.append(word)
                yield word
        finally:
            stopped.append(True)

    def errors_are_no_news(app: Any) -> Any:
        """wsgiref prints the broken pipe: these tests do not."""

        def quiet(environ: dict[str, Any], start_response: Any) -> Any:
            environ["wsgi.errors"] = importlib.import_module("io").StringIO()
            return app(environ, start_response)

        return quiet

    app = errors_are_no_news(test_docs.example("wsgi_app")(words))
    with serving_wsgi(app) as url, httpx.stream("POST", url, json=request("chat"), trust_env=False) as answer:
        next(answer.iter_raw())
        answer.close()
        for _ in range(300):
            if stopped:
                break
            time.sleep(0.01)
    assert stopped
    assert len(said) < len(WORDS) * 10_000


# -------------------------------------------------------------------------------------------- passing on


@contextlib.contextmanager
def relay(
    framework: str, play: Stage, server: Server, seen: list[Event], silence: float = 20.0
) -> Iterator[str]:
    """The address of a relay in front of the server."""
    client = httpx.AsyncClient(timeout=silence, trust_env=False, verify=False)
    endpoint = test_docs.example("relaying")(client, server.url, seen.append)
    with play.playing(app_of(framework, endpoint)) as url:
        yield url
    play.run(client.aclose())


@frameworks
def test_a_relay(framework: str, server: Server, play: Stage) -> None:
    """The client gets what the server sent, to the byte, and the reader along sees every event."""
    for wire in ("chat", "anthropic"):
        seen: list[Event] = []
        server.answer = lambda asked, wire=wire: Answer(stream(wire), seed=3)
        with relay(framework, play, server, seen) as url:
            assert answer_from(url, headers={"authorization": "Bearer mine"}).content == stream(wire)
        parser = ResponseParser(wire)
        parser.feed(stream(wire))
        parser.close()
        assert seen == list(parser.events())
        assert server.asked[-1].headers["authorization"] == "Bearer mine"
        assert server.asked[-1].json == request("chat")


def test_a_relay_of_an_error(server: Server, play: Stage) -> None:
    """A request that was refused is passed on as well, and is no stream."""
    body = b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}'
    server.answer = lambda asked: Answer(body, 429, {"content-type": "application/json"})
    seen: list[Event] = []
    with relay("starlette.applications", play, server, seen) as url:
        answer = answer_from(url)
    assert (answer.status_code, answer.content) == (429, body)
    assert not seen


@pytest.mark.parametrize("end", ["lost", "reset", "stall"])
def test_a_relay_whose_upstream_breaks(end: str, server: Server, play: Stage) -> None:
    """The client gets what had come and sees that it is not whole; so does who reads along."""
    server.answer = lambda asked: Answer(cut("anthropic"), end=end)
    seen: list[Event] = []
    with relay("starlette.applications", play, server, seen, silence=0.4 if end == "stall" else 20.0) as url:
        with httpx.stream("POST", url + "/answer", json={}, trust_env=False) as answer:
            got = until_it_breaks(answer.iter_bytes())
        assert got == cut("anthropic")
        assert wait_for_the_end(seen) is Outcome.TRUNCATED
    assert len(text_of(seen)) >= 20


def until_it_breaks(chunks: Iterator[bytes]) -> bytes:
    """What comes of a body before its connection breaks."""
    got: list[bytes] = []
    with pytest.raises(httpx.RemoteProtocolError):
        got.extend(chunks)
    return b"".join(got)


@frameworks
def test_a_relay_whose_client_vanishes(framework: str, server: Server, play: Stage) -> None:
    """The upstream's connection is closed, and the response was cancelled."""
    answer = Answer(cut("anthropic"), end="stall")
    server.answer = lambda asked: answer
    seen: list[Event] = []
    with relay(framework, play, server, seen) as url:
        with httpx.stream("POST", url + "/answer", json={}, trust_env=False) as got:
            next(got.iter_raw())
        assert answer.gone.wait(5)
        assert wait_for_the_end(seen) is Outcome.CANCELLED


# ------------------------------------------------------------------------------------------- reading along


class Broken(Exception):
    """What a transport raises."""


def observe(
    chunks: list[Any], parser: ResponseParser, *, waits: bool, most: int = 1000
) -> tuple[bytes, list[Event]]:
    """What goes through, and what is seen."""
    seen: list[Event] = []
    through = b""

    def told() -> Iterator[bytes]:
        for chunk in chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def told_slowly() -> AsyncIterator[bytes]:
        for chunk in told():
            yield chunk

    async def main() -> None:
        nonlocal through
        async with contextlib.aclosing(
            test_docs.example("observed")(told_slowly(), parser, seen.append)
        ) as all_of:
            async for number, chunk in aenumerate(all_of):
                through += chunk
                if number == most:
                    break

    with contextlib.suppress(Broken):
        if waits:
            asyncio.run(main())
        else:
            with contextlib.closing(
                test_docs.example("observed_body")(told(), parser, seen.append)
            ) as all_of:
                for number, chunk in enumerate(all_of, 1):
                    through += chunk
                    if number == most:
                        break
    return through, seen


async def aenumerate(items: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    number = 0
    async for item in items:
        number += 1
        yield number, item


@pytest.mark.parametrize("waits", [False, True], ids=["observed_body", "observed"])
def test_who_reads_along_changes_nothing(waits: bool) -> None:
    """Each end is seen for what it is, and no fault of the reading touches what is read."""
    body = stream("chat")
    chunks = [body[at : at + 50] for at in range(0, len(body), 50)]
    through, seen = observe(chunks, ResponseParser("chat"), waits=waits)
    assert through == body
    assert text_of(seen) == TEXT
    assert seen[-1].outcome is Outcome.COMPLETED  # type: ignore[union-attr]
    _, seen = observe([*chunks[:9], Broken()], ResponseParser("chat"), waits=waits)
    assert seen[-1].outcome is Outcome.TRUNCATED  # type: ignore[union-attr]
    through, seen = observe(chunks, ResponseParser("chat"), waits=waits, most=9)
    assert through == body[:450]
    assert seen[-1].outcome is Outcome.CANCELLED  # type: ignore[union-attr]
    garbage = [b"data: {{{{\n\n", *chunks]
    through, seen = observe(garbage, ResponseParser("chat", strict=True), waits=waits)
    assert through == b"".join(garbage)
    assert not seen
