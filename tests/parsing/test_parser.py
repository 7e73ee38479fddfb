"""The parser itself: ways in, bodies of every kind, the end, and what cannot be done when."""

from __future__ import annotations

import collections
import gzip
import json
import zlib
from typing import Any

import pytest

import deltafold
import runs
from deltafold.machine.lifecycle import ResponseState
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode as C
from deltafold.model.errors import ErrorKind, LimitExceeded, UsageError, WireError
from deltafold.model.limits import Limits
from deltafold.model.response import Outcome
from deltafold.parsing.parser import ResponseParser, is_longer, parse
from deltafold.testing import StreamBuilder
from runs import (
    FIXTURES,
    Run,
    added,
    arguments,
    arguments_done,
    call,
    calls_of,
    check_laws,
    completed,
    count_calls,
    created,
    frames,
    message,
    play,
    response,
    run,
    streamed_message,
    text,
)


def names(found: Run) -> list[str]:
    return [type(event).__name__ for event in found.events]


def codes(found: Run) -> list[C]:
    return [anomaly.code for anomaly in found.parser.anomalies]


def lawful(body: bytes, dialect: str = "responses", **options: Any) -> Run:
    """A body at once and byte by byte: the same comes of both, and the laws hold."""
    found = play(body, dialect, **options)
    check_laws(found)
    singly = play([body[at : at + 1] for at in range(len(body))], dialect, **options)
    assert singly.everything == found.everything
    return found


# ------------------------------------------------------------------------------------------------ ways in


def test_there_are_three_dialects() -> None:
    """Any other is refused by name."""
    with pytest.raises(UsageError, match="'klingon'"):
        ResponseParser("klingon")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"limits": {}}, "limits must be Limits"),
        ({"limits": 5}, "limits must be Limits"),
        ({"lifts": ["a"]}, "lifts must hold Lift"),
        ({"lifts": 5}, "not iterable"),
        ({"approval_required": "rm"}, "an iterable of names, not one name"),
        ({"approval_required": [None]}, "must hold names of tools, not None"),
        ({"strict": "no"}, "strict must be a bool, not 'no'"),
        ({"think_tags": None}, "think_tags must be a bool, not None"),
    ],
)
def test_options_are_checked(options: dict[str, Any], why: str) -> None:
    """An option of the wrong type is refused where it is given."""
    with pytest.raises(TypeError, match=why):
        ResponseParser(**options)


def test_bytes_of_every_kind() -> None:
    """Whatever is like bytes can be fed, and nothing else."""
    body = frames(created(), added(0, message(status="in_progress")), text(0, "a"), completed())
    for made in (bytes, bytearray, memoryview):
        parser = ResponseParser()
        events: list[Any] = []
        for at in range(len(body)):
            parser.feed(made(body[at : at + 1]))
            events += parser.events()
        assert len(events) == 7
    with pytest.raises(TypeError, match="'str'"):
        ResponseParser().feed(body.decode())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "made", [json.dumps, lambda told: json.dumps(told).encode(), dict, collections.ChainMap]
)
def test_payloads_of_every_kind(made: Any) -> None:
    """A payload can be text, bytes, or any mapping."""
    parser = ResponseParser()
    for payload in (created(), *streamed_message(0, "a"), completed()):
        parser.feed_payload(made(payload))
    events = list(parser.events())
    check_laws(Run(events, parser))
    assert parser.response.output_text == "a"


@pytest.mark.parametrize("letter", ["x", "é", "🙂"])
def test_the_size_of_a_payload(letter: str) -> None:
    """It is counted in bytes of UTF-8: one of exactly the limit passes, and one byte more does not."""
    payload = json.dumps({"type": "keepalive", "note": letter * 100}, ensure_ascii=False)
    size = len(payload.encode())
    parser = ResponseParser(limits=Limits(event_bytes=size))
    parser.feed_payload(payload)
    assert parser.next_event() == e.Heartbeat("keepalive")
    parser.feed_payload(payload + " ")
    with pytest.raises(LimitExceeded) as fault:
        parser.next_event()
    assert (fault.value.limit, fault.value.value) == ("event_bytes", size)


def test_payloads_that_are_no_json() -> None:
    """A mapping that is no JSON object is refused at once, and one that is too deep in its turn."""
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    for wrong in ({"a": object()}, {"a": {1, 2}}, {(1, 2): 3}, loop):
        with pytest.raises(TypeError):
            ResponseParser().feed_payload(wrong)
    with pytest.raises(TypeError):
        ResponseParser().feed_payload(5)  # type: ignore[arg-type]
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    parser = ResponseParser()
    parser.feed_payload(deep)
    with pytest.raises(LimitExceeded):
        parser.next_event()
    while deep:
        deep = deep["a"]  # or its end would go deep as well


def test_one_way_of_feeding_excludes_the_other() -> None:
    """Bytes and payloads cannot be mixed, and nothing can be fed after the end or a fault."""
    parser = ResponseParser()
    parser.feed_payload(created())
    with pytest.raises(UsageError, match="beside the other way"):
        parser.feed(b"data: x")
    for begun in (b"d", b"data: x\n\n"):
        parser = ResponseParser()
        parser.feed(begun)
        parser.next_event()
        with pytest.raises(UsageError, match="beside the other way"):
            parser.feed_payload(created())
    for stop, why in ((ResponseParser.close, "close"), (ResponseParser.cancel, "cancel")):
        parser = ResponseParser()
        stop(parser)
        with pytest.raises(UsageError, match=f"after {why}"):
            parser.feed(b"")
        with pytest.raises(UsageError, match=f"after {why}"):
            parser.feed_payload({})
    parser = ResponseParser(strict=True)
    parser.feed(frames(text(0, "a")))
    with pytest.raises(WireError):
        parser.next_event()
    assert not parser.needs_input
    for call_ in (lambda: parser.feed(b""), lambda: parser.feed_payload({}), parser.snapshot):
        with pytest.raises(UsageError, match="after a failed parse"):
            call_()


def test_when_input_is_needed() -> None:
    """Input is needed where nothing is waiting and nothing has ended."""
    parser = ResponseParser()
    assert parser.needs_input
    parser.feed(frames(created())[:-1])
    assert parser.needs_input
    parser.feed(b"\n")
    assert not parser.needs_input
    assert isinstance(parser.next_event(), e.ResponseStarted)
    assert parser.needs_input
    parser.feed(b"")
    parser.feed(b": half a comment")
    assert parser.needs_input
    parser.close()
    assert not parser.needs_input
    assert parser.state is ResponseState.IN_PROGRESS


# --------------------------------------------------------------------------------------- frames and payloads


def test_a_long_line_hides_nothing() -> None:
    """Whole blocks come, though a line that is not whole follows them."""
    parser = ResponseParser()
    parser.feed(b": c1\n\n: c2\n\n: c3\n\n")
    assert parser.next_event() == e.Heartbeat("comment", "c1")
    parser.feed(b"x" * 70_000)
    assert not parser.needs_input
    assert [event.text for event in parser.events()] == ["c2", "c3"]
    assert parser.needs_input


def test_signs_of_life() -> None:
    """Comments, blocks without data and empty data are heartbeats, in their place."""
    found = lawful(
        b": hi\n\n" + frames(created()) + b"event: ping\n\ndata:\n\nevent: x\ndata: \n\ndata: : c\n\n"
    )
    beats = [event for event in found.events if isinstance(event, e.Heartbeat)]
    assert beats == [
        e.Heartbeat("comment", "hi"),
        e.Heartbeat("ping"),
        e.Heartbeat("empty"),
        e.Heartbeat("x"),
        e.Heartbeat("comment", "c"),
    ]
    assert codes(found) == [C.COMMENT_AS_DATA, C.MISSING_TERMINAL]


def test_nothing_follows_the_end() -> None:
    """Signs of life and unreadable data after the end are dropped."""
    rest = (
        b": hi\n\nevent: ping\n\ndata: \n\ndata: : c\n\ndata: 5\n\ndata: oops\n\ndata: [DONE]\n\nerror: x\n\n"
    )
    found = lawful(frames(created(), completed()) + rest)
    assert names(found)[-1] == "ResponseFinished"


def test_data_that_are_no_objects() -> None:
    """JSON that is no object, and what is no JSON, come through verbatim."""
    found = lawful(
        frames(created()) + b"data: 5\n\nevent: n\ndata: null\n\ndata: oops\n\n" + frames(completed())
    )
    unknown = [event for event in found.events if isinstance(event, e.UnknownEvent)]
    assert unknown == [e.UnknownEvent("", 5), e.UnknownEvent("n", None), e.UnknownEvent("", "oops")]
    assert codes(found) == [C.PAYLOAD_IS_NO_OBJECT, C.PAYLOAD_IS_NO_OBJECT, C.MALFORMED_JSON]


def test_several_payloads_in_one_frame() -> None:
    """Each payload of a frame is taken in its turn; the name of the frame is that of the first."""
    one, two = (json.dumps(payload).encode() for payload in (created(), completed()))
    found = lawful(b"event: response.created\ndata: " + one + two + b"\n\n")
    assert names(found) == ["ResponseStarted", "ResponseFinished"]
    assert codes(found) == [C.SEVERAL_PAYLOADS]


def test_bytes_that_are_no_text() -> None:
    """Bytes that are no UTF-8 are replaced, and reported with their place."""
    body = frames(created(), added(0, message(status="in_progress")), text(0, "a?b"), completed())
    found = lawful(body.replace(b"a?b", b"a\xffb"))
    assert found.parser.response.output_text == "a\ufffdb"
    assert C.INVALID_UTF8 in codes(found)


def test_errors_as_a_field() -> None:
    """An error that comes as an SSE field is one, whatever follows it."""
    told = b'error: {"code": 500, "message": "no luck"}\n'
    for rest in (b"\n", b"\nBad Gateway\n", b""):
        found = lawful(told + rest)
        assert names(found) == ["ErrorReported", "ResponseFinished"]
        assert found.parser.response.error is not None
        assert found.parser.response.error.message == "no luck"
        assert C.ERROR_FIELD in codes(found)


def test_errors_as_one_field() -> None:
    """Each of them is read."""
    found = lawful(b'error: {"code": 500, "message": "no luck"} {"code": 503, "message": "nor now"}\n\n')
    assert [event.error.message for event in found.all(e.ErrorReported)] == ["no luck", "nor now"]
    assert codes(found) == [C.ERROR_FIELD, C.SEVERAL_PAYLOADS, C.ERROR_AFTER_FAILURE]
    parser = ResponseParser("chat")
    parser.feed(b"error: " + b'{"message": "no luck"}' * 2000 + b"\n\n")
    assert sum(1 for _ in parser.events()) == 1
    assert parser.anomaly_count > 2000


def test_an_error_as_a_field_that_is_no_json() -> None:
    """What an SSE field says of an error is its message, be it no JSON."""
    found = lawful(b"error: no luck\n\n")
    assert found.parser.response.error is not None
    assert found.parser.response.error.message == "no luck"
    assert found.parser.snapshot()


def test_anomalies_are_counted_beyond_their_limit() -> None:
    """As many anomalies are kept as the limit says, and all are counted."""
    found = lawful(frames(created(), *[{"type": ""}] * 2, 5, 6) + b"data: x\n\n", limits=Limits(anomalies=2))
    assert len(found.parser.anomalies) == 2
    assert found.parser.anomaly_count > 3


# ---------------------------------------------------------------------------------------- bodies and the end


@pytest.mark.parametrize("dialect", ["responses", "auto"])
@pytest.mark.parametrize(
    ("body", "outcome", "code"),
    [
        (
            json.dumps(response("completed", output=[message("Hi")])).encode(),
            Outcome.COMPLETED,
            C.BODY_IS_JSON,
        ),
        (b'{"error": {"message": "no", "code": "server_error"}}', Outcome.FAILED, C.BODY_IS_JSON),
        (b"[ERROR] no upstream", Outcome.FAILED, C.BODY_IS_TEXT),
        (b"[2026-11-28 03:00] no upstream", Outcome.FAILED, C.BODY_IS_TEXT),
        (b"[1, [ERROR]]", Outcome.FAILED, C.BODY_IS_TEXT),
        (b"[5]", Outcome.FAILED, C.NOTHING_UNDERSTOOD),
        (b"{", Outcome.TRUNCATED, C.BODY_IS_JSON),
        (b'{"a":1}{"b":2}', Outcome.FAILED, C.NOTHING_UNDERSTOOD),
        (b"<html>" + b"x" * 300, Outcome.FAILED, C.BODY_IS_HTML),
        (b"Bad Gateway", Outcome.FAILED, C.BODY_IS_TEXT),
        (gzip.compress(b"data: x\n\n", mtime=0), Outcome.FAILED, C.BODY_IS_COMPRESSED),
        (zlib.compress(bytes(range(256)), wbits=-15), Outcome.FAILED, C.BODY_IS_COMPRESSED),
        ("Fehler: Zugriff verweigert, bitte spät".encode("latin-1"), Outcome.FAILED, C.BODY_IS_TEXT),
        (b"", Outcome.TRUNCATED, C.MISSING_TERMINAL),
    ],
)
def test_bodies(dialect: str, body: bytes, outcome: Outcome, code: C) -> None:
    """A body of any kind leads to one outcome, and says what it is."""
    found = lawful(body, dialect)
    assert found.parser.response.outcome is outcome
    assert code in codes(found)
    if outcome is not Outcome.TRUNCATED:
        assert parse(body, dialect) == found.parser.response


def test_a_chat_body_decides_the_dialect() -> None:
    """A whole chat completion is read as one where the dialect is open, and so is a stream of chunks."""
    told = {"role": "assistant", "content": "Hi"}
    choice = {"index": 0, "message": told, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}
    assert parse(json.dumps(body).encode(), "auto").output_text == "Hi"
    chunk = {"id": "c", "object": "chat.completion.chunk", "model": "m"}
    stream = frames(
        {**chunk, "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]},
        {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    )
    assert parse(b": hi\n\n" + stream + b"data: [DONE]\n\n", "auto").output_text == "Hi"
    assert parse(frames(created(), *streamed_message(0, "Hi"), completed()), "auto").output_text == "Hi"


@pytest.mark.parametrize("start", [b"<html>", b"\x1f\x8b"])
def test_a_large_body_of_no_use(start: bytes) -> None:
    """Of a body that cannot be read no more is held than is told of it."""
    parser = ResponseParser()
    parser.feed(start + b"x" * 10)
    assert parser.next_event() is None
    for _ in range(5):
        parser.feed(b"x" * 30_000)
        assert parser.next_event() is None
    assert len(json.dumps(parser.snapshot())) < 200_000
    parser.close()
    events = list(parser.events())
    check_laws(Run(events, parser))
    assert parser.response.error is not None
    assert parser.response.error.kind in (ErrorKind.SERVER_ERROR, ErrorKind.INVALID_REQUEST)


def test_a_document_beyond_its_limit() -> None:
    """A JSON document may be as large as the limit says."""
    body = json.dumps(response("completed")).encode()
    assert play(body, limits=Limits(body_bytes=len(body))).fault is None
    fault = play(body, limits=Limits(body_bytes=len(body) - 1)).fault
    assert isinstance(fault, LimitExceeded)
    assert fault.limit == "body_bytes"


@pytest.mark.parametrize("stop", [ResponseParser.close, ResponseParser.cancel])
@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (b"data: " + json.dumps(completed()).encode(), C.UNTERMINATED_FINAL_EVENT),
        (b"event: response.completed\ndata: " + json.dumps(completed()).encode(), C.UNTERMINATED_FINAL_EVENT),
        (b"data: [DONE]", C.UNTERMINATED_FINAL_EVENT),
        (b'data: {"type": "resp', C.UNFINISHED_FINAL_EVENT),
        (b"data:", None),
        (b"event: x", None),
    ],
)
def test_the_last_event_is_not_finished(stop: Any, rest: bytes, code: C | None) -> None:
    """An event that lacks but its blank line is read; that it does is told, unless the caller gave up."""
    parser = ResponseParser()
    parser.feed(frames(created()) + rest)
    events = list(parser.events())
    assert names(Run(events, parser)) == ["ResponseStarted"]
    stop(parser)
    events += parser.events()
    found = Run(events, parser)
    check_laws(found)
    given_up = stop is ResponseParser.cancel
    assert (code in codes(found)) is (code is not None and not given_up)
    read = b"completed" in rest
    given_up = Outcome.CANCELLED if stop is ResponseParser.cancel else Outcome.TRUNCATED
    assert parser.response.outcome is (Outcome.COMPLETED if read else given_up)


# ---------------------------------------------------------------------------------------------- arguments


def test_partial_arguments() -> None:
    """The arguments of a call stand parsed as far as they came, also once their text has been read."""
    parser = ResponseParser()
    assert parser.partial_arguments(0) is None
    seen = []
    for payload in (
        created(),
        added(0, call(status="in_progress")),
        arguments(0, '{"a": [1, "x'),
        arguments(0, 'y"'),
        arguments(0, "]}"),
        arguments_done(0, '{"a": [1, "xy"]}'),
    ):
        parser.feed_payload(payload)
        list(parser.events())
        seen.append(json.dumps(parser.partial_arguments(0)))
        assert parser.response is parser.response  # which joins the fragments
    whole = '{"a": [1, "xy"]}'
    assert seen == ["null", "null", '{"a": [1, "x"]}', whole, whole, whole]


def test_arguments_that_were_replaced_are_read_again() -> None:
    """Arguments that were told otherwise at the end are those of the end."""
    parser = ResponseParser()
    for payload in (
        created(),
        added(0, call(status="in_progress")),
        arguments(0, '{"a": 1'),
    ):
        parser.feed_payload(payload)
    list(parser.events())
    assert parser.partial_arguments(0) == {"a": 1} or parser.partial_arguments(0) == {}
    parser.feed_payload(arguments_done(0, '{"b": 2}'))
    list(parser.events())
    assert parser.partial_arguments(0) == {"b": 2}


def test_asking_for_arguments_costs_what_came_since() -> None:
    """Asking after each fragment costs about twice as much for twice as many of them."""

    def cost(count: int) -> int:
        parser = ResponseParser()
        parser.feed_payload(created())
        parser.feed_payload(added(0, call(status="in_progress")))
        list(parser.events())

        def ask() -> None:
            for _ in range(count):
                parser.feed_payload(arguments(0, '["a",'))
                list(parser.events())
                parser.partial_arguments(0)

        return sum(count_calls(ask).values())

    few, many = cost(20), cost(40)
    assert many < 2.3 * few


# ------------------------------------------------------------------------------------------------- the rest


def test_the_usage_that_nobody_told() -> None:
    """The caller's own counter counts text, reasoning and calls; what the server told is left alone."""
    found = run(created(), completed(message("four"), call("{}", name="xyz")), end="none").response
    counted = found.estimated_usage(len, input_text="ab")
    assert counted is not None
    assert (counted.input_tokens, counted.output_tokens, counted.reasoning_tokens) == (2, 9, 0)
    unknown = found.estimated_usage(len)
    assert unknown is not None
    assert unknown.input_tokens is None
    told = run(created(), completed(message("four"), usage={"output_tokens": 1}), end="none").response
    assert told.estimated_usage(len) is None


def test_what_waits_for_approval() -> None:
    """Calls of the named tools and requests without an answer wait; what was answered does not."""
    requests = [
        {"id": f"mcpr_{n}", "type": "mcp_approval_request", "name": "n", "arguments": "{}"} for n in (1, 2)
    ]
    answer = {"id": "mcpa_1", "type": "mcp_approval_response", "approval_request_id": "mcpr_1"}
    calls = [call("{}", name="rm"), call("{}", name="ls", id="fc_2", call_id="call_2")]
    parser = ResponseParser(approval_required=["rm"])
    parser.feed(frames(created(), completed(*requests, answer, *calls, message("Hi"))))
    check_laws(Run(list(parser.events()), parser))
    assert [item.id for item in parser.response.requires_action] == ["mcpr_2", "fc_1"]


def test_the_name_of_the_version() -> None:
    """The package tells its version, and no other name that it does not have."""
    assert deltafold.__version__
    with pytest.raises(AttributeError, match="'nothing'"):
        deltafold.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("responses", b"<html><bo"),
        ("responses", b"hello"),
        ("responses", b"\x1f\x8b\x08\x00rest"),
        ("responses", b'{"id":"resp_1","obje'),
        ("responses", b'[{"error":{"code":42'),
        ("chat", b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1"}]}}]}\n\n'),
        (
            "chat",
            b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"name":"n"}}]}}]}\n\n',
        ),
        ("chat", b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}'),
    ],
)
def test_what_a_cancelled_stream_lacks_is_no_fault(dialect: str, body: bytes) -> None:
    """Who gives up is not told of what might have come."""
    parser = ResponseParser(dialect, strict=True)
    parser.feed(body)
    parser.cancel()
    list(parser.events())
    assert parser.response.outcome is Outcome.CANCELLED
    assert parser.anomalies == ()


def test_a_whole_body_is_read_though_it_was_cancelled() -> None:
    parser = ResponseParser("auto")
    parser.feed(b'{"object":"chat.completion","choices":[{"index":0,"message":{"content":"hi"}}]}')
    parser.cancel()
    list(parser.events())
    assert parser.response.output_text == "hi"


@pytest.mark.parametrize("rest", [b'{"choices":[]}', b'{"choices":[],"usage":{"total_tokens":1}}'])
@pytest.mark.parametrize("done", [b"", b"data: [DONE]\n\n"])
def test_a_bare_error_is_the_end_whatever_follows(rest: bytes, done: bytes) -> None:
    """A parser that has not made out its dialect forgets no failure when it does."""
    parser = ResponseParser("auto")
    parser.feed(b'data: {"error":{"message":"x"}}\n\n' + done + b"data: " + rest + b"\n\ndata: [DONE]\n\n")
    parser.close()
    events = list(parser.events())
    assert [type(event) for event in events] == [e.ErrorReported, e.ResponseFinished]
    assert parser.response.outcome is Outcome.FAILED


def test_a_parser_that_resumes_before_its_dialect_is_known() -> None:
    """It joins what is cut as if it had not been interrupted."""
    parser = ResponseParser("auto")
    parser = ResponseParser.resume(parser.snapshot())
    for half in (rb"\ud83d", rb"\ude00"):
        parser.feed(b'data: {"choices":[{"index":0,"delta":{"content":"' + half + b'"}}]}\n\n')
    parser.close()
    list(parser.events())
    assert parser.response.output_text == "😀"


def test_reading_the_response_changes_nothing() -> None:
    """Whether arguments came again is no matter of how their pieces are kept."""
    outcomes = []
    for reads in (False, True):
        parser = ResponseParser("chat")
        for piece in ('{"a":1}', " ", '{"a":1}'):
            call = {"index": 0, "id": "c", "function": {"name": "n", "arguments": piece}}
            chunk = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
            parser.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            for _ in parser.events():
                assert not reads or parser.response.outcome is None
        parser.cancel()
        list(parser.events())
        outcomes.append(parser.response)
    assert outcomes[0] == outcomes[1]
    assert calls_of(outcomes[0])[0].data["arguments"] == '{"a":1} '


@pytest.mark.parametrize("dialect", ["chat", "gemini"])
def test_a_stored_body_with_a_byte_order_mark(dialect: str) -> None:
    """The mark is no part of the JSON, also where the caller gave up behind it."""
    body = (FIXTURES / dialect / "body-text.json").read_bytes()
    plain = parse(body, dialect)
    assert plain.output_text
    marked = b"\xef\xbb\xbf" + body
    assert parse(marked, dialect) == plain
    parser = ResponseParser(dialect)
    parser.feed(marked)
    parser.cancel()
    list(parser.events())
    assert parser.response.output_text == plain.output_text


def test_payloads_that_are_wrapped_in_any_framing() -> None:
    """A gateway's `data` is taken off in JSON lines and arrays too."""
    wrapped = [{"code": 0, "data": runs.chunk(runs.choice({"content": text}))} for text in "ab"]
    for body in ("\n".join(map(json.dumps, wrapped)), json.dumps(wrapped)):
        assert parse(body.encode(), "chat").output_text == "ab"


@pytest.mark.parametrize("dialect", ["responses", "chat", "anthropic", "gemini"])
def test_not_to_name_the_dialect_costs_little(dialect: str) -> None:
    """`"auto"` takes two hundredths more than the name: the first payload is read as all others are."""
    chunks = StreamBuilder(dialect).text(*["word "] * 20).completed().chunks(size=500)

    def play(name: str) -> int:
        return sum(runs.count_calls(lambda: [*ResponseParser(name).read(chunks)]).values())

    assert play("auto") > 0  # what is imported at first use is no work of the stream's
    assert play("auto") <= 1.02 * play(dialect)


def test_a_member_data_that_wraps_nothing() -> None:
    """A payload is not taken for wrapped because it has such a member, nor where its code says of a fault."""
    inner = runs.chunk(runs.choice({"content": "A"}, "stop"))
    for sent in ({**inner, "data": {}}, {**inner, "data": inner}):
        found = run(sent, "[DONE]", dialect="chat")
        assert found.codes == []
        assert found.response.output_text == "A"
    for code in ("fault_7", 7):
        found = run({"code": code, "data": inner}, dialect="chat")
        assert found.response.output_text == ""
        assert found.response.outcome is Outcome.FAILED
    found = run({"code": 0, "data": inner}, "[DONE]", dialect="chat")
    assert found.codes == [C.PAYLOAD_WRAPPED]
    assert found.response.output_text == "A"


@pytest.mark.parametrize("chunks", [1023, 1024, 1025, 2048, 2049, 3000])
@pytest.mark.parametrize("before", [b"", b"\n", b"\n\n"])
def test_what_can_be_had_does_not_depend_on_how_many_chunks_brought_it(chunks: int, before: bytes) -> None:
    """However many of them were held before anybody looked what kind of body it is."""
    start = b": a sign of life\n\n"
    body = start + b":" + b"x" * (chunks - len(start) - 3) + b"\n\n"
    parser = ResponseParser("responses")
    parser.feed(before)
    assert list(parser.events()) == []
    for at in range(len(body)):
        parser.feed(body[at : at + 1])
    assert len(list(parser.events())) == 2


@pytest.mark.parametrize(
    ("framing", "rest"),
    [("sse", b"data: " + b"x" * 3000), ("ndjson", b"{" + b"x" * 3000 + b"\n")],
)
def test_what_passes_a_limit_behind_the_end_is_the_last_that_is_kept(framing: Any, rest: bytes) -> None:
    """The response is over: neither is that an error, nor is anything held that is fed later."""
    payloads = [created(), *streamed_message(0, "Hi"), completed(message("Hi", id="msg_1"))]
    lines = b"".join(json.dumps(payload).encode() + b"\n" for payload in payloads)
    body = lines if framing == "ndjson" else frames(*payloads)
    parser = ResponseParser(framing=framing, limits=Limits(line_bytes=2000, event_bytes=2000))
    parser.feed(body)
    assert isinstance([*parser.events()][-1], e.ResponseFinished)
    parser.feed(rest)
    assert [*parser.events()] == []
    held, kept = (parser.bytes_fed, parser.bytes_pending), parser.snapshot()
    for more in (b"x" * 1500, b"\n\n", body):
        parser.feed(more)
        assert [*parser.events()] == []
        assert not parser.needs_input
    assert (parser.bytes_fed, parser.bytes_pending) == held
    assert parser.snapshot() == kept
    assert parser.response.output_text == "Hi"


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        ({}, 2),
        ({"a": 1}, 8),
        ({"a": None}, 8),
        ({1: 2}, 8),
        ({"ab": "cde"}, 13),
        ({"a": []}, 9),
        ({"a": [1, "b"]}, 13),
        ({"a": {}}, 9),
        ({"a": {"b": "c"}}, 17),
        ({"a": (1, 2)}, 11),
        ({"a": [[], [1]]}, 14),
    ],
)
def test_the_least_size_of_a_payload(payload: dict[Any, Any], size: int) -> None:
    """What is counted of a payload before its text is made is never more than that text has."""
    assert is_longer(payload, size - 1, 9) is True
    assert is_longer(payload, size, 9) is False
    assert len(json.dumps(payload)) >= size


def test_what_is_too_deep_is_not_counted() -> None:
    """It has a limit of its own, and may never end."""
    endless: list[Any] = []
    endless.append(endless)
    assert is_longer({"a": endless}, 100, 5) is False
    assert is_longer({"a": endless}, 100, 500) is True


def test_the_name_of_an_event_whose_data_begin_a_body() -> None:
    """A JSON value in front of the events has none."""
    body = b'{"x":1}\n\ndata: {"type":"y"}\n\n'
    found = play(body, "responses")
    unknown = [(event.type, event.payload) for event in found.events if isinstance(event, e.UnknownEvent)]
    assert unknown == [("", {"x": 1}), ("y", {"type": "y"})]


def test_a_body_is_in_the_framing_that_was_named() -> None:
    """A document in front of what looks like events is none of those where messages were asked for."""
    body = b'{"x":1}\n\ndata: {"type":"y"}\n\n'
    found = play(body, "responses", framing="aws_eventstream")
    assert C.BODY_IS_JSON in codes(found)
    assert C.VALUE_BEFORE_EVENTS not in codes(found)


def test_the_cursor_between_two_payloads_of_one_event() -> None:
    """It moves once all of an event has been handed out."""
    payloads = [{"type": f"x{number}", "sequence_number": number} for number in range(4)]
    parser = ResponseParser("responses")
    parser.feed(b"data: %s\n\n" % json.dumps(payloads[0]).encode())
    parser.feed(b"data: %s\n\n" % json.dumps(payloads[1:3]).encode())
    parser.feed(b"data: %s%s\n\n" % tuple(json.dumps(payload).encode() for payload in payloads[2:]))
    assert [parser.last_sequence_number for _ in parser.events()] == [0, 0, 2, 2, 3]


@pytest.mark.parametrize("dialect", ["responses", "chat", "anthropic", "gemini"])
@pytest.mark.parametrize("name", ["error", "other"])
def test_words_under_the_name_of_an_error(dialect: str, name: str) -> None:
    """They are the error, and at once; under another name they are data that nobody knows."""
    body = b'event: %s\ndata: Over loaded\n\ndata: {"brand":1}\n\n' % name.encode()
    found = play(body, dialect, close=False)
    errors = [event.error.message for event in found.events if isinstance(event, e.ErrorReported)]
    unknown = [event.payload for event in found.events if isinstance(event, e.UnknownEvent)]
    assert errors[:1] == (["Over loaded"] if name == "error" else [])
    assert ("Over loaded" in unknown) is (name != "error")


def test_a_dialect_that_is_none_is_told_with_those_that_there_are() -> None:
    """All of them."""
    words = "there is no dialect 'morse': use 'responses', 'chat', 'anthropic', 'gemini' or 'auto'"
    with pytest.raises(UsageError, match=words):
        ResponseParser("morse")
    words = "there is no framing 'morse': use one of 'auto', 'sse', 'json_array', 'ndjson', 'aws_eventstream'"
    with pytest.raises(UsageError, match=words):
        ResponseParser(framing="morse")
