"""README.md and docs: what is made from the code is fresh, and the examples run."""

from __future__ import annotations

import asyncio
import json
import linecache
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import docs
from deltafold import Heartbeat, ResponseFinished, ResponseParser, TextDelta, parse
from deltafold.__main__ import main

TEXT = "\n".join(page.read_text(encoding="utf-8") for page in docs.PAGES)
BODY = docs.code_blocks(TEXT, "sse")[0].encode()
SHOWCASE = Path(__file__).parent.parent / "fixtures" / "responses" / "showcase.sse"


def example_with(name: str) -> dict[str, Any]:
    """All that the README's example says which has a function of that name."""
    block = next(code for code in docs.code_blocks(TEXT, "python") if f"def {name}(" in code)
    namespace: dict[str, Any] = {}
    # Under a name of its own: whoever looks up its source must not read other lines of a page.
    source = f"<the example of {name}>"
    linecache.cache[source] = len(block), None, block.splitlines(keepends=True), source
    exec(compile(block, source, "exec"), namespace)
    return namespace


def example(name: str) -> Any:
    """The function of that name in the README's examples."""
    return example_with(name)[name]


# ------------------------------------------------------------------------------------------- sections


@pytest.mark.parametrize("name", docs.SECTIONS)
def test_sections_are_fresh(name: str) -> None:
    """A generated section is what the code says now; else run `python tests/docs.py`."""
    found = [match for match in docs.SECTION.finditer(TEXT) if match[2] == name]
    assert len(found) == 1
    assert found[0][0] == docs.render(found[0][0])


def test_the_renderer_knows_every_section() -> None:
    """There is no section in the README that nothing writes."""
    assert set(re.findall(r"<!-- generated: (.*?) -->", TEXT)) == set(docs.SECTIONS)


def test_rendering_is_stable() -> None:
    """What was rendered renders to itself."""
    once = docs.render(TEXT)
    assert docs.render(once) == once


# ------------------------------------------------------------------------------------------- examples


@pytest.mark.parametrize("size", [1, 2, 100, 10_000])
def test_the_loop_prints_what_it_is_said_to(size: int) -> None:
    """The main loop, on the bytes above it and at any chunking, prints what stands below it."""
    printed = docs.run_loop(TEXT, size)
    assert f"```text\n{printed}```" in TEXT
    assert printed.endswith("<Response resp_1 completed: 'Café Brasileira'>\n")


def test_the_stream_has_the_anomaly_that_the_text_speaks_of() -> None:
    """The stream is in order but for its empty output."""
    parser = ResponseParser("responses", strict=True)
    parser.feed(BODY)
    assert sum(isinstance(event, ResponseFinished) for event in parser.events()) == 1
    assert [str(anomaly.code) for anomaly in parser.anomalies] == ["output_empty_at_end"]
    assert parse(BODY).output_text == "Café Brasileira"


def test_every_python_block_compiles() -> None:
    """No example has gone stale so far that it is no Python."""
    blocks = docs.code_blocks(TEXT, "python")
    assert len(blocks) >= 6
    for block in blocks:
        compile(block, "README.md", "exec")


class Http:
    """An httpx client and its response, as far as the example uses them."""

    def __init__(self, status_code: int, body: bytes) -> None:
        self.status_code = status_code
        self.body = body
        self.headers = {"retry-after": "7"}
        self.asked: Any = None

    def stream(self, method: str, url: str, *, json: Any) -> Http:
        self.asked = (method, url, json)
        return self

    def __enter__(self) -> Http:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self) -> bytes:
        return self.body

    def iter_bytes(self) -> Iterator[bytes]:
        return iter([self.body[:100], self.body[100:]])


def test_the_httpx_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The example prints the text as it comes, gives the response, and says why a request was refused."""
    ask = example("ask")
    http = Http(200, BODY)
    assert ask(http, "https://example.org", {"model": "gpt-5"}).output_text == "Café Brasileira"
    assert capsys.readouterr().out == "Café Brasileira"
    assert http.asked == ("POST", "https://example.org", {"model": "gpt-5", "stream": True})
    refused = Http(429, b'{"error": {"code": "rate_limit_exceeded", "message": "slow down"}}')
    with pytest.raises(RuntimeError, match="rate_limited: slow down, retryable: True"):
        ask(refused, "https://example.org", {})


def test_the_asyncio_example() -> None:
    """The example is an asynchronous iterator over the same events."""

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(BODY), 50):
            yield BODY[at : at + 50]

    async def collect() -> list[Any]:
        return [event async for event in events_of(chunks(), ResponseParser("responses"))]

    events_of = example("events_of")
    events = asyncio.run(collect())
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Café Brasileira"
    assert isinstance(events[-1], ResponseFinished)


def test_the_websocket_example() -> None:
    """The example reads messages as text or dict, to the end of the response or of the connection."""
    converse = example("converse")
    messages = [json.loads(frame) for frame in re.findall(r"(\{.*?\})\n\n", payloads(), re.DOTALL)]
    assert converse(messages).output_text == "Café Brasileira"
    assert converse(map(json.dumps, messages)).outcome == "completed"
    assert converse(messages[:-1]).outcome == "truncated"


def payloads() -> str:
    """The data of the README's stream, a blank line after each."""
    return BODY.decode().replace("\ndata: ", "\n").replace(": keep-alive\n\n", "")


def test_the_match_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The example shows text, summaries, whole calls, errors and the outcome."""
    show = example("show")
    for event in events_of_stream():
        show(event)
    out = capsys.readouterr().out
    assert "(Let me see)" in out
    assert 'run get_time with {"zone":"UTC"}\n' in out
    assert "server_error, retry after None s\n" in out
    assert out.endswith("failed\n")


def events_of_stream() -> Iterator[Any]:
    """Events of a response that reasons, calls a tool, and fails."""
    parser = ResponseParser("responses")
    reasoning = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Let me see"}],
    }
    call = {"type": "function_call", "call_id": "call_1", "name": "get_time", "arguments": '{"zone":"UTC"}'}
    parser.feed_payload({"type": "response.created", "response": {"id": "resp_1"}})
    parser.feed_payload({"type": "response.output_item.done", "output_index": 0, "item": reasoning})
    parser.feed_payload({"type": "response.output_item.done", "output_index": 1, "item": call})
    error = {"code": "server_error", "message": "down"}
    parser.feed_payload({"type": "response.failed", "response": {"id": "resp_1", "error": error}})
    parser.close()
    return parser.events()


def test_the_example_of_lifts() -> None:
    """The example takes the thinking out of the arguments and reads the message as text."""
    parser, spoken = example("speaking_parser")(), example("spoken")
    arguments = '{"thinking":"Be kind.","to":"Ana","message":"Olá"}'
    call = {"type": "function_call", "call_id": "call_1", "name": "send_message", "arguments": arguments}
    parser.feed_payload({"type": "response.created", "response": {"id": "resp_1"}})
    parser.feed_payload({"type": "response.output_item.done", "output_index": 0, "item": call})
    resumed = ResponseParser.resume(parser.snapshot())
    assert spoken(parser, "reasoning") == "Be kind."
    assert spoken(resumed, "text") == "Olá"
    assert parser.response.tool_calls[0].arguments == '{"to":"Ana","message":"Olá"}'


def test_the_example_of_an_interface() -> None:
    """The updates of the example, put together, are what the table beside it says."""
    updates = list(example("updates_of")([BODY[:300], BODY[300:]]))
    assert "".join(update.text for update in updates if update.index == 0) == "Café Brasileira"


def test_the_example_of_a_preview() -> None:
    """The example shows what is known of arguments after each fragment."""
    known = [json.dumps(value) for value in example("preview")(['{"a":', '["b', '",2]}'])]
    assert known == ["{}", '{"a": ["b"]}', '{"a": ["b", 2]}']


def test_the_snapshot_example() -> None:
    """A parser that was put away in the middle goes on to the same response."""
    put_away, take_up = example("put_away"), example("take_up")
    for at in range(0, len(BODY), 37):
        parser = ResponseParser("responses")
        parser.feed(BODY[:at])
        for _ in parser.events():
            pass
        parser = take_up(put_away(parser))
        parser.feed(BODY[at:])
        parser.close()
        for _ in parser.events():
            pass
        assert parser.response.output_text == "Café Brasileira"


def test_the_reconnection_example() -> None:
    """The example follows a response over connections that break anywhere, with and without numbers."""
    follow = example("follow")
    for body in (BODY, SHOWCASE.read_bytes()):
        whole = [event for event in example_events(body) if not isinstance(event, Heartbeat)]
        for at in range(0, len(body), 97):
            asked: list[int | None] = []

            def connect(after: int | None, body: bytes = body, at: int = at, asked: Any = asked) -> Any:
                asked.append(after)
                yield body if len(asked) > 1 else body[:at]
                raise ConnectionError

            assert [event for event in follow(connect) if not isinstance(event, Heartbeat)] == whole
            assert len(asked) == 2
    assert list(follow(lambda after: iter([])))[-1].outcome == "truncated"


def example_events(body: bytes) -> list[Any]:
    """The events of a body."""
    parser = ResponseParser("responses")
    parser.feed(body)
    parser.close()
    return list(parser.events())


def test_the_retry_example() -> None:
    """The example says how long to wait, and nothing where asking again would not be safe."""
    may_ask_again = example("may_ask_again")
    assert may_ask_again(parse(BODY)) is None
    assert may_ask_again(parse(BODY[:200], "responses")) == 0.0
    limited = b'{"error":{"code":"rate_limit_exceeded","message":"Please try again in 6.5s."}}'
    assert may_ask_again(parse(limited, "responses")) == 6.5


def test_the_timeout_example() -> None:
    """The example is patient while the server thinks, and gives up when it is gone or thinks too long."""

    class Line:
        """A line over which bytes come at certain times, and a clock that goes with it."""

        def __init__(self, *chunks: tuple[float, bytes]) -> None:
            self.chunks = list(chunks)
            self.time = 0.0

        def receive(self, seconds: float) -> bytes | None:
            if not self.chunks or self.chunks[0][0] > self.time + seconds:
                self.time += seconds
                return None
            self.time, chunk = self.chunks.pop(0)
            return chunk

    watched = example("watched")
    beats = [(number * 20.0, b": ping\n\n") for number in range(1, 14)]
    line = Line(*beats, (270, BODY), (280, b""))
    events = list(watched(line.receive, lambda: line.time))
    assert (events[-1].outcome, line.time) == ("completed", 280)
    line = Line((10, BODY[:300]))
    events = list(watched(line.receive, lambda: line.time))
    assert (events[-1].outcome, line.time) == ("truncated", 40)
    line = Line(*beats, *((number * 20.0, b": ping\n\n") for number in range(14, 30)))
    events = list(watched(line.receive, lambda: line.time))
    assert (events[-1].outcome, line.time) == ("truncated", 300)


def test_the_example_of_a_test() -> None:
    """The tests of the example pass, and fail where its function takes half an answer for a whole one."""
    said = example_with("answer")
    tests = {name: test for name, test in said.items() if name.startswith("test_")}
    assert len(tests) == 4
    for test in tests.values():
        test()
    answer = said["answer"]
    said["answer"] = lambda chunks, dialect: (answer(chunks, dialect)[0], True)
    with pytest.raises(AssertionError):
        tests["test_one_answer"]()


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The README's command shows how its capture ended."""
    assert "python -m deltafold fixtures/responses/showcase.sse" in TEXT
    assert main([str(SHOWCASE)]) == 0
    assert "\noutcome    completed\n" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["responses", "chat", "anthropic", "gemini"])
@pytest.mark.parametrize("size", [7, 10_000])
def test_the_gateways_turn_any_wire_into_any_other(target: str, size: int) -> None:
    """The examples of writing, whole: what a client of the other wire reads is what was said."""
    chunks = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    written = b"".join(example("gateway")(chunks, "responses", target))
    assert parse(written, target).output_text == "Café Brasileira"
    sent: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def send(data: bytes) -> None:
        sent.append(data)

    asyncio.run(example("relay")(body(), "responses", target, send))
    assert b"".join(sent) == written


@pytest.mark.parametrize("client", ["responses", "chat", "anthropic", "gemini"])
@pytest.mark.parametrize("status", [200, 429])
def test_the_whole_gateway(client: str, status: int) -> None:
    """A request of any API is asked of another one, and its answer or its refusal comes back on the first."""
    request = {
        "responses": {"input": "Where?", "top_logprobs": 3},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": "Where?"}]}]},
    }.get(client, {"messages": [{"role": "user", "content": "Where?"}], "max_tokens": 9, "seed": 4})
    refusal = b'{"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded"}}'
    chunks = [BODY] if status == 200 else [refusal[:20], refusal[20:]]
    asked: list[Any] = []
    logged: list[str] = []

    def ask(converted: Any) -> Any:
        asked.append(converted)
        return status, {"retry-after": "7"}, chunks

    async def ask_later(converted: Any) -> Any:
        async def body() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        return status, {"retry-after": "7"}, body()

    async def collected() -> bytes:
        stream = example("serve_async")(request, client, "responses", ask_later, logged.append)
        return b"".join([chunk async for chunk in stream])

    written = b"".join(example("serve")(request, client, "responses", ask, logged.append))
    assert asyncio.run(collected()) == written
    assert asked[0]["input"]
    response = parse(written, client)
    if status == 200:
        assert response.output_text == "Café Brasileira"
    else:
        assert response.error is not None
        assert (response.error.kind, response.error.message) == ("rate_limited", "Slow down.")
    assert bool(logged) is (client in ("chat", "anthropic"))
    assert logged[: len(logged) // 2] == logged[len(logged) // 2 :]


@pytest.mark.parametrize("target", ["responses", "chat", "anthropic", "gemini"])
def test_a_server_that_speaks_for_itself(target: str) -> None:
    """The example of a server's own voice says what it says."""
    response = parse(b"".join(example("by_hand")(target)), target)
    assert response.output_text == "Let me look."
    assert [call.name for call in response.tool_calls] == ["search"]
