"""Events that are fed one by one: where the end is told, and what counts as an event."""

from __future__ import annotations

import json
from typing import Any

import pytest

import runs
from deltafold import (
    AnomalyCode,
    LimitExceeded,
    Limits,
    Outcome,
    ResponseParser,
    TextDelta,
    parse,
)
from deltafold.testing import StreamBuilder
from runs import completed, created, streamed_message, text

GONE = {"code": "previous_response_not_found", "message": "Gone.", "param": "previous_response_id"}
OVERLOADED = {"type": "overloaded_error", "message": "Later."}
CHUNK = {
    "id": "c",
    "object": "chat.completion.chunk",
    "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}],
}
STARTED = {
    "type": "message_start",
    "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []},
}
PIECE = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "index": 0}]}
WHOLE = streamed_message(0, "Hi")
BEGUN = [created(), *WHOLE[:3]]
AT_ONCE: list[tuple[str, list[Any]]] = [
    ("responses", [{"type": "error", "error": GONE}]),
    ("responses", [{"type": "error", "status": 400, "error": GONE}]),
    ("responses", [*BEGUN, {"type": "error", "status": 400, "error": GONE}]),
    ("responses", [*BEGUN, {"type": "error", "status_code": 429, "error": GONE}]),
    ("responses", [*BEGUN, {"type": "error", "error": GONE}, completed(type="response.failed")]),
    ("responses", [created(), completed(type="response.failed", error={"code": "server_error"})]),
    ("responses", [{"type": "keepalive"}, {"type": "error", "error": GONE}]),
    ("chat", [{"error": OVERLOADED}]),
    ("chat", [CHUNK, {"error": OVERLOADED}]),
    ("chat", [{**CHUNK, "error": OVERLOADED}]),
    ("anthropic", [{"type": "error", "error": OVERLOADED}]),
    ("anthropic", [STARTED, {"type": "error", "error": OVERLOADED}]),
    ("gemini", [{"error": {"code": 503, "message": "Later.", "status": "UNAVAILABLE"}}]),
    ("gemini", [PIECE, {"error": {"code": 503, "message": "Later.", "status": "UNAVAILABLE"}}]),
]
LATER: list[tuple[str, list[Any]]] = [
    ("responses", [*BEGUN, {"type": "error", "error": GONE}]),
    ("responses", [created(), completed(type="response.failed")]),
]


def fed(dialect: str, payloads: list[Any]) -> tuple[ResponseParser, list[str]]:
    """A parser that was fed payloads and not closed, and the events that came."""
    parser = ResponseParser(dialect)
    names = []
    for payload in payloads:
        parser.feed_payload(payload)
        names += [type(event).__name__ for event in parser.events()]
    return parser, names


@pytest.mark.parametrize(("dialect", "payloads"), AT_ONCE)
@pytest.mark.parametrize("as_auto", [False, True])
def test_an_error_is_the_end(dialect: str, payloads: list[Any], as_auto: bool) -> None:
    """Where nothing can follow an error, the end comes with it: nobody would say that a socket is through."""
    parser, names = fed("auto" if as_auto else dialect, payloads)
    assert names[-1] == "ResponseFinished"
    assert names.count("ErrorReported") == names.count("ResponseFinished") == 1
    assert parser.response.outcome is Outcome.FAILED
    assert not parser.needs_input
    parser.close()
    assert parser.next_event() is None
    assert {anomaly.code for anomaly in parser.anomalies} <= {AnomalyCode.OUTPUT_EMPTY_AT_END}


@pytest.mark.parametrize(("dialect", "payloads"), LATER)
def test_an_error_that_something_may_follow(dialect: str, payloads: list[Any]) -> None:
    """Where the end of the response, or the cause of its failure, may follow, the end waits for it."""
    parser, names = fed(dialect, payloads)
    assert names[-1] == "ErrorReported"
    parser.close()
    assert [type(event).__name__ for event in parser.events()] == ["ResponseFinished"]
    assert parser.response.outcome is Outcome.FAILED


@pytest.mark.parametrize(("dialect", "payloads"), AT_ONCE + LATER)
def test_it_is_the_end_of_a_body_too(dialect: str, payloads: list[Any]) -> None:
    """The same payloads inside of a body give the same events and the same response."""
    parser, names = fed(dialect, payloads)
    parser.close()
    names += [type(event).__name__ for event in parser.events()]
    reading = runs.play(runs.frames(*payloads), dialect=dialect)
    assert names == [type(event).__name__ for event in reading.events]
    assert parser.response == reading.response


def test_several_errors_in_one_payload() -> None:
    """All that one message holds is read before the end."""
    parser, names = fed("chat", [json.dumps(CHUNK) + json.dumps({"error": OVERLOADED}) + json.dumps(CHUNK)])
    assert names[-1] == "ResponseFinished"
    assert parser.response.output_text == "HiHi"


def test_an_error_over_another_connection() -> None:
    """So it is where the response is told again, and fails then."""
    for payloads, again, said in (
        ([*BEGUN], [*BEGUN, {"type": "error", "status": 500, "error": GONE}], "Hi"),
        ([*BEGUN, {"type": "new"}], [*BEGUN, {"type": "error", "status": 500, "error": GONE}], "Hi"),
        ([CHUNK], [CHUNK, {"error": OVERLOADED}], "Hi"),
        ([CHUNK, CHUNK], [CHUNK, {"error": OVERLOADED}], "HiHi"),
    ):
        parser, _ = fed("auto", payloads)
        assert parser.response.output_text == said
        parser.reconnect()
        names = []
        for payload in again:
            parser.feed_payload(payload)
            names += [type(event).__name__ for event in parser.events()]
        assert [name for name in names if name != "ChoiceUpdated"] == ["ErrorReported", "ResponseFinished"]
        assert parser.response.output_text == said
        assert parser.response.outcome is Outcome.FAILED


def test_a_snapshot_before_the_end() -> None:
    """The end that is due comes also of a snapshot."""
    parser = ResponseParser("responses")
    for payload in (*BEGUN, {"type": "error", "status": 500, "error": GONE}):
        parser.feed_payload(payload)
    while type(parser.next_event()).__name__ != "ErrorReported":
        pass
    parser = runs.resumed(parser)
    assert [type(event).__name__ for event in parser.events()] == ["ResponseFinished"]


# ------------------------------------------------------------------------------------------- what is an event


class ToDict:
    """An object of an SDK."""

    def __init__(self, told: Any) -> None:
        self.told = told

    def to_dict(self) -> Any:
        """The event as it was told."""
        return self.told


class ModelDump:
    """An object of an SDK made by Pydantic: what was not told has defaults."""

    def __init__(self, told: Any) -> None:
        self.told = told

    def model_dump(self, *, mode: str, by_alias: bool, exclude_unset: bool) -> Any:
        """The event as it was told, if it is asked for that."""
        assert (mode, by_alias, exclude_unset) == ("json", True, True)
        return self.told


@pytest.mark.parametrize("made", [ToDict, ModelDump])
def test_objects_of_an_sdk(made: Any) -> None:
    """An object that can tell itself as a dict is that dict."""
    payloads = [*BEGUN, completed()]
    parser, names = fed("auto", [made(payload) for payload in payloads])
    other, expected = fed("auto", payloads)
    assert names == expected
    assert parser.response == other.response


@pytest.mark.parametrize(
    ("module", "adapter", "dialect"),
    [
        ("openai.types.responses", "ResponseStreamEvent", "responses"),
        ("openai.types.chat", "ChatCompletionChunk", "chat"),
    ],
)
def test_objects_of_the_sdk_itself(module: str, adapter: str, dialect: str) -> None:
    """Objects of the OpenAI SDK give what their payloads give."""
    types, models = pytest.importorskip(module), pytest.importorskip("openai._models")
    kind = getattr(types, adapter)
    stream = StreamBuilder(dialect).text("Hel", "lo").call("f", '{"a":1}').completed()
    payloads = [payload for payload in stream.payloads if isinstance(payload, dict)]
    parser, names = fed(dialect, [models.construct_type(type_=kind, value=payload) for payload in payloads])
    other, expected = fed(dialect, payloads)
    assert names == expected
    assert parser.response == other.response


@pytest.mark.parametrize("wrong", [5, None, [1], ToDict, ToDict([1]), ModelDump("x"), {1, 2}, object()])
def test_what_is_no_event(wrong: Any) -> None:
    """Anything else is refused, with what to give instead."""
    with pytest.raises(TypeError, match=r"a mapping, or an object with to_dict\(\) or model_dump"):
        ResponseParser().feed_payload(wrong)


def test_events_of_this_library() -> None:
    """What came out of a parser does not go into one again."""
    with pytest.raises(TypeError, match="event_from_dict"):
        ResponseParser().feed_payload(TextDelta(0, 0, "x"))


# -------------------------------------------------------------------------------------- one default for both


@pytest.mark.parametrize("dialect", ["responses", "chat", "gemini"])
def test_the_first_payload_decides(dialect: str) -> None:
    """Without a dialect a parser reads any, as `parse()` does."""
    body = StreamBuilder(dialect).text("Hel", "lo").completed().body
    reading = runs.play(body, "auto")
    assert reading.response == parse(body)
    assert reading.response.dialect == parse(body).dialect == dialect
    assert reading.response.output_text == "Hello"


def test_a_response_tells_its_anomalies() -> None:
    """What was out of order stands in the response, also where there is no parser to ask."""
    body = runs.frames(created(), *WHOLE, completed(WHOLE[-1]["item"]))
    clean, odd = parse(body), parse(b"data: {bad\n\n" + body)
    assert clean == odd
    assert [anomaly.code for anomaly in odd.anomalies] == ["malformed_json"]
    assert clean.anomalies == ()
    reading = runs.play(b"data: {bad\n\n" + body + runs.frames(text(0, "late")), "auto")
    assert reading.response.anomalies == reading.anomalies
    assert [anomaly.code for anomaly in reading.anomalies] == ["malformed_json", "event_after_end"]
    finished = reading.events[-1]
    assert [anomaly.code for anomaly in finished.response.anomalies] == ["malformed_json"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "fields", [{"text": "a" * 300}, {"numbers": [1] * 300}, {"a" * 300: 1}, {"rows": [["a" * 100]] * 3}]
)
def test_the_size_of_a_payload_is_limited(fields: Any) -> None:
    """Objects have no bytes: what they would be at least as JSON counts, whatever they are made of."""
    parser = ResponseParser("chat", limits=Limits(event_bytes=250))
    parser.feed_payload(fields)
    with pytest.raises(LimitExceeded):
        list(parser.events())
    parser = ResponseParser("chat", limits=Limits(event_bytes=1000))
    parser.feed_payload(fields)
    assert list(parser.events())


def test_asking_before_anything_was_fed_changes_nothing() -> None:
    """Payloads may be fed after that, as bytes may."""
    for feed in (
        lambda parser: parser.feed_payload({"candidates": []}),
        lambda parser: parser.feed(b'data: {"candidates":[]}\n\n'),
    ):
        parser = ResponseParser("gemini")
        assert list(parser.events()) == []
        assert parser.next_event() is None
        assert parser.bytes_pending == 0
        feed(parser)
        assert len(list(parser.events())) == 1
