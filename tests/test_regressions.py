"""Faults that were found once, each in its smallest form."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode as C
from deltafold.model.errors import ErrorKind, LimitExceeded, ResponseError, UsageError
from deltafold.model.limits import Limits
from deltafold.model.response import Outcome, Response
from deltafold.parsing.parser import ResponseParser
from deltafold.wire.sse import SSEDecoder
from runs import (
    JSON,
    Run,
    added,
    arguments,
    call,
    check_laws,
    completed,
    count_calls,
    created,
    done,
    drain,
    in_progress,
    message,
    needs_python_code,
    output_text,
    part_added,
    part_done,
    play,
    reasoning,
    refusal,
    resumed,
    run,
    streamed_message,
    summary_text,
    text,
    text_done,
    value,
)

OPEN = message(status="in_progress")


def j(*payloads: Any) -> bytes:
    """Payloads as an event stream."""
    return b"".join(b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads)


def lawful(*payloads: Any, **options: Any) -> Run:
    """Payloads, played at once and frame by frame: the same comes of both, and the laws hold."""
    found = play(j(*payloads), **options)
    check_laws(found)
    singly = play([j(payload) for payload in payloads], **options)
    check_laws(singly)
    assert singly.everything == found.everything
    return found


def codes(found: Run) -> list[C]:
    return [anomaly.code for anomaly in found.parser.anomalies]


def deltas(found: Run, kind: type) -> list[str]:
    return [event.text for event in found.events if isinstance(event, kind)]


# ------------------------------------------------------------------------------------------------ payloads


@pytest.mark.parametrize("depth", [100, 900])
@pytest.mark.parametrize("front", ["", "closing"])
@pytest.mark.parametrize("joint", ["\ndata: ", "data: "])
def test_depth_behind_an_unfinished_string(depth: int, front: str, joint: str) -> None:
    """The depth of a glued frame counts, whatever string or brackets before it seem to hide it."""
    deep = '{"a":' * depth + "1" + "}" * depth
    shut = "]" * 900 if front else ""
    found = play(f'data: {shut}{{"delta":"abc{joint}{deep}\n\n'.encode())
    assert isinstance(found.fault, LimitExceeded)
    assert found.fault.limit == "json_depth"


def test_a_sentinel_in_quotes_is_none() -> None:
    """A JSON string that reads like the sentinel is a payload that is no object."""
    found = lawful(created(), "[DONE]", completed())
    assert codes(found) == [C.PAYLOAD_IS_NO_OBJECT]
    assert e.UnknownEvent("", "[DONE]") in found.events


def test_half_a_pair_before_ordinary_text() -> None:
    """A high surrogate that ordinary text follows is reported as alone."""
    found = lawful(created(), added(0, OPEN), text(0, "a\ud83d"), text(0, "b"), completed())
    assert C.LONE_SURROGATE in codes(found)
    assert found.parser.response.output_text == "a\ufffdb"


def test_a_mapping_of_any_kind() -> None:
    """A payload may be any mapping."""
    parser = ResponseParser()
    parser.feed_payload(MappingProxyType(created()))
    assert [type(event) for event in parser.events()] == [e.ResponseStarted]


# ---------------------------------------------------------------------------------------------- the decoder


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b""])
def test_a_limit_passed_after_the_end(line_end: bytes) -> None:
    """A line that is too long raises nothing once the response has ended, and nothing after it is read."""
    parser = ResponseParser(limits=Limits(line_bytes=500))
    chunks = [j(payload) for payload in (created(), added(0, OPEN), *[text(0, "a")] * 9, completed())]
    events: list[Any] = []
    for chunk in [*chunks, b"x" * 501, line_end, j(text(0, "b"))]:
        parser.feed(chunk)
        assert drain(parser, events) is None
    parser.close()
    assert drain(parser, events) is None
    found = Run(events, parser)
    check_laws(found)
    assert parser.response.output_text == "a" * 9


def test_a_limit_passed_before_the_end() -> None:
    """A line that is too long is raised again and again on the short cut too, and nothing can be fed."""
    parser = ResponseParser(limits=Limits(line_bytes=500))
    events: list[Any] = []
    for chunk in [j(created()), j(added(0, OPEN)), *[j(text(0, "a"))] * 9]:
        parser.feed(chunk)
        assert drain(parser, events) is None
    parser.feed(b"x" * 501)
    parser.feed(b"\n")
    fault = drain(parser, events)
    assert isinstance(fault, LimitExceeded)
    assert fault.limit == "line_bytes"
    with pytest.raises(UsageError):
        parser.feed(j(completed()))


@pytest.mark.parametrize("rest", [b"data: a\ndata: b", b"data:b", b"event: x\ndata: a\n", b"", b": c\n"])
def test_pending_changes_nothing(rest: bytes) -> None:
    """What is pending can be asked for twice, and reading goes on as if nobody had asked."""
    decoder, silent = SSEDecoder(), SSEDecoder()
    for one in (decoder, silent):
        one.feed(b"data: 1\n\n" + rest)
        assert next(one.frames()).data == "1"
        assert one.next_frame() is None
    before = decoder.getstate()
    assert decoder.pending == decoder.pending
    assert decoder.getstate() == before
    for one in (decoder, silent):
        one.feed(b"2\n\n")
    assert list(decoder.frames()) == list(silent.frames())


def test_pending_raises_no_limit() -> None:
    """What is pending is shown where its last line would pass the limit of an event, at every call."""
    decoder = SSEDecoder(limits=Limits(event_bytes=5))
    decoder.feed(b"data: abcd\ndata: efgh")
    assert decoder.next_frame() is None
    for _ in range(2):
        assert decoder.pending is not None
        assert decoder.pending.data == "abcd\nefgh"


def test_a_mark_and_half_a_line_are_a_truncated_stream() -> None:
    """A byte order mark before a field that is no data does not make a text of a stream."""
    found = play(b"\xef\xbb\xbfid: 5")
    check_laws(found)
    assert found.parser.response.outcome is Outcome.TRUNCATED
    assert codes(found) == [C.MISSING_TERMINAL]


def test_the_place_of_an_anomaly_survives_a_snapshot() -> None:
    """Anomalies of two payloads in one frame have the frame's offset, wherever the stream is suspended."""
    frame = b"".join(
        json.dumps(payload).encode() for payload in (added(0, OPEN), added(1, None), {"type": 5})
    )
    body = j(created()) + b"data: " + frame + b"\n\n" + j(added(0, 7), completed())
    whole = play(body)
    assert len(whole.parser.anomalies) >= 4
    parser = ResponseParser()
    parser.feed(body)
    while parser.next_event() is not None:
        parser = resumed(parser)
    assert parser.anomalies == whole.parser.anomalies


# ---------------------------------------------------------------------------------------------- the evidence


def test_an_announcement_again_with_text() -> None:
    """Text that a second announcement tells is handed out once, though fragments had begun it."""
    again = added(0, message("Hello", status="in_progress"))
    for end in (completed(), completed(message("Hello"))):
        start = [created(), added(0, OPEN), part_added(0, output_text()), text(0, "Hel"), again]
        for more in ([], [text(0, "lo")], [text_done(0, "Hello")]):
            found = lawful(*start, *more, end)
            if more or end["response"]["output"]:
                assert found.parser.response.output_text == "Hello"
                assert "".join(deltas(found, e.TextDelta)) == "Hello"


SHELL = {"id": "sh_1", "type": "shell_call", "call_id": "call_1", "status": "in_progress"}


def command(index: int, delta: str) -> JSON:
    return value("shell_call_command.delta", 0, command_index=index, delta=delta)


def command_done(index: int, told: str) -> JSON:
    return value("shell_call_command.done", 0, command_index=index, command=told)


def test_a_command_told_whole_after_its_item() -> None:
    """A command that is told after its item, which lacked it, is handed out once."""
    found = lawful(
        created(),
        added(0, SHELL),
        command(0, "ls"),
        done(0, {**SHELL, "status": "completed"}),
        command_done(0, "ls -l"),
        completed(),
    )
    assert deltas(found, e.CommandDelta) == ["ls", " -l"]
    assert found.parser.response.to_dict()["output"][0]["action"] == {"commands": ["ls -l"]}


def test_a_fragment_of_a_command_after_its_item() -> None:
    """A fragment of a command that comes after its item changes nothing."""
    for whole in ({**SHELL, "status": "completed"}, {**SHELL, "action": {"commands": ["ls"]}}):
        found = lawful(
            created(), added(0, SHELL), command(0, "ls"), done(0, whole), command(0, "!"), completed()
        )
        assert deltas(found, e.CommandDelta) == ["ls"]
        assert C.DELTA_AFTER_DONE in codes(found)


@pytest.mark.parametrize("delta", ["ab", "b", "x", "abc"])
def test_an_item_without_type_that_has_input(delta: str) -> None:
    """Input that an item told before its type was known is handed out with what follows it."""
    found = lawful(
        created(),
        added(0, {"id": "x", "input": "ab"}),
        value("custom_tool_call_input.delta", 0, item_id="x", delta=delta),
        completed(),
    )
    assert found.parser.response.to_dict()["output"][0]["type"] == "custom_tool_call"


def test_output_of_two_kinds() -> None:
    """Output of a shell that names an MCP call stands in an item of its own."""
    call = {"id": "mcp_1", "type": "mcp_call", "name": "n", "arguments": "{}", "status": "in_progress"}
    found = lawful(
        created(),
        added(0, call),
        value("mcp_call_output.delta", 0, item_id="mcp_1", delta="result"),
        value("shell_call_output_content.delta", 0, item_id="mcp_1", delta={"stdout": "out"}),
        value("shell_call_output_content.done", 0, item_id="mcp_1", output=[{"stdout": "out", "stderr": ""}]),
        completed(),
    )
    first, second = found.parser.response.to_dict()["output"]
    assert first["output"] == "result"
    assert second["type"] == "shell_call_output"
    assert second["output"] == [{"stdout": "out"}]


@pytest.mark.parametrize("wrong", [5, None, [], {}, [["x"]], {"a": 1}])
def test_text_of_a_wrong_type_erases_nothing(wrong: Any) -> None:
    """What an item tells in place of its parts or their text, and is none, leaves what was streamed."""
    start = [created(), added(0, OPEN), part_added(0, output_text()), text(0, "Hi")]
    for content in (wrong, [wrong], [{"type": "output_text", "text": wrong}]):
        found = lawful(*start, done(0, {**message(), "content": content}), completed())
        assert found.parser.response.output_text == "Hi"
    found = lawful(*start, part_done(0, {"type": "output_text", "text": wrong}), completed())
    assert found.parser.response.output_text == "Hi"


@pytest.mark.parametrize("wrong", [5, None, "", [], {}])
def test_a_type_of_a_wrong_type(wrong: Any) -> None:
    """An item that is told whole with no type that is one keeps its own."""
    for told in ({**message("Hi"), "type": wrong}, {k: v for k, v in message("Hi").items() if k != "type"}):
        found = lawful(created(), added(0, OPEN), text(0, "Hi"), done(0, told), completed())
        assert found.parser.response.output_text == "Hi"


def test_a_refusal_continues_no_text() -> None:
    """A fragment of a refusal at an index that was not announced begins a part of its own."""
    found = lawful(
        created(),
        added(0, OPEN),
        part_added(0, output_text()),
        text(0, "Well"),
        value("refusal.delta", 0, content_index=1, delta="No."),
        completed(),
    )
    content = found.parser.response.to_dict()["output"][0]["content"]
    assert content == [output_text("Well"), refusal("No.")]


# ------------------------------------------------------------------------------------------ values and limits


@pytest.mark.parametrize("pieces", [["a", "b", "c"], ["ab", "c"], ["abc"], ["a", "bc"]])
@pytest.mark.parametrize("kind", ["text", "arguments", "at the end"])
def test_the_response_at_the_limit_of_its_size(pieces: list[str], kind: str) -> None:
    """Where the size of the values passes its limit, the response holds just what was handed out."""
    call = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "n", "arguments": ""}
    payloads = {
        "text": [added(0, OPEN), *(text(0, piece) for piece in pieces)],
        "arguments": [added(0, call), *(arguments(0, piece) for piece in pieces)],
        "at the end": [added(0, message(*pieces))],
    }[kind]
    found = play(j(created(), *payloads, completed()), limits=Limits(text_size=2))
    assert isinstance(found.fault, LimitExceeded)
    check_laws(found)
    handed = "".join(deltas(found, e.TextDelta) + deltas(found, e.ArgumentsDelta))
    output = found.parser.response.to_dict()["output"][0]
    told = output["arguments"] if kind == "arguments" else found.parser.response.output_text
    assert told == handed
    assert len(told) <= 2


def test_errors_have_a_hash() -> None:
    """An error can be put into a set whatever its raw form is, and so can what holds it."""
    error = ResponseError(ErrorKind.SERVER_ERROR, "m", raw={"a": [1]})
    same = ResponseError(ErrorKind.SERVER_ERROR, "m", raw={"a": [1]})
    assert hash(error) == hash(same)
    assert hash(e.ErrorReported(error)) == hash(e.ErrorReported(same))
    failed = Response(
        None, None, "failed", Outcome.FAILED, (), None, error, None, "error", {"error": {"code": "x"}}
    )
    assert len({failed, failed, e.ResponseFinished(Outcome.FAILED, failed)}) == 2


@pytest.mark.parametrize("payload", ["x" * 100_000, {"a": "x" * 100_000}, ["x"] * 100_000])
def test_the_repr_of_an_unknown_event_is_short(payload: Any) -> None:
    """An event that carries a large payload verbatim does not flood a log."""
    assert len(repr(e.UnknownEvent("acme:note", payload))) < 1000


# --------------------------------------------------------------------------------------------------- costs


def effort(body: bytes) -> int:
    """How many calls it takes to read a stream."""
    return sum(count_calls(lambda: play(body)).values())


def with_logprobs(count: int) -> list[JSON]:
    entries = [[{"token": "a", "logprob": -number}] for number in range(count)]
    return [added(0, OPEN), *(text(0, "a", logprobs=entry) for entry in entries), completed()]


def annotation(number: int, at: int | None = None) -> JSON:
    told = {"type": "url_citation", "url": f"https://a.test/{number}"}
    place = {} if at is None else {"annotation_index": at}
    return value("output_text.annotation.added", 0, content_index=0, annotation=told, **place)


def annotated(count: int) -> list[JSON]:
    start = [added(0, OPEN), part_added(0, output_text()), text(0, "a")]
    return [*start, *(annotation(number, number) for number in range(count)), completed()]


def annotated_without_index(count: int) -> list[JSON]:
    start = [added(0, OPEN), part_added(0, output_text()), text(0, "a")]
    return [*start, *(annotation(number) for number in range(count)), completed()]


def renamed_and_turned_at_the_end(count: int) -> list[JSON]:
    told = [added(n, message(id=f"a{n}", status="in_progress")) for n in range(count)]
    whole = [done(n, message(f"text {n}", id=f"a{n}")) for n in range(count)]
    return [*told, *whole, completed(*(message(f"text {n}", id=f"b{n}") for n in reversed(range(count))))]


def short_snapshots(count: int) -> list[JSON]:
    items = [message(f"text {n}", id=f"a{n}", status="in_progress") for n in range(count)]
    told = [added(n, message(id=item["id"], status="in_progress")) for n, item in enumerate(items)]
    return [*told, *(in_progress(output=[item]) for item in items), completed()]


def parts_left_out(count: int) -> list[JSON]:
    announced = [part_added(0, output_text(), n) for n in range(count)]
    told = [text(0, f"{n}.", n) for n in range(count)]
    return [added(0, OPEN), *announced, *told, done(0, message("0.")), completed()]


def summaries_left_out(count: int) -> list[JSON]:
    key = "reasoning_summary_text.delta"
    parts = [value(key, 0, summary_index=n, delta=f"{n}.") for n in range(count)]
    whole = {**reasoning(), "summary": [summary_text("0.")]}
    return [added(0, reasoning()), *parts, done(0, whole), completed()]


def without_index(count: int) -> list[JSON]:
    items = [added(n, message(id=f"a{n}", status="in_progress")) for n in range(count)]
    return [*items, *(text(None, "a") for _ in range(count)), completed()]


@pytest.mark.parametrize(
    "stream",
    [
        with_logprobs,
        annotated,
        annotated_without_index,
        renamed_and_turned_at_the_end,
        short_snapshots,
        parts_left_out,
        summaries_left_out,
        without_index,
    ],
)
def test_twice_as_much_costs_twice_as_much(stream: Callable[[int], list[JSON]]) -> None:
    """A stream of twice the length takes about twice the work."""
    few, many = (effort(j(created(), *stream(count))) for count in (100, 200))
    assert many < 2.3 * few, (few, many)


def steps(*payloads: JSON) -> int:
    """How many instructions of Python it takes to read the last of some payloads."""
    needs_python_code()
    parser = ResponseParser()
    for payload in payloads[:-1]:
        parser.feed_payload(payload)
    list(parser.events())
    parser.feed_payload(payloads[-1])
    count = 0

    def trace(frame: Any, kind: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        count += kind == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        list(parser.events())
    finally:
        sys.settrace(before)
    return count


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="opcodes are counted as CPython 3.11 traces them")
@pytest.mark.parametrize(
    ("stream", "last", "linear"),
    [
        (with_logprobs, text(0, "a", logprobs=[{"token": "a"}]), False),
        (annotated, annotation(1000, 1000), False),
        (annotated_without_index, annotation(1000), False),
        (without_index, text(None, "b"), False),
        (parts_left_out, done(0, message("0.")), True),
        (summaries_left_out, done(0, {**reasoning(), "summary": [summary_text("0.")]}), True),
        (renamed_and_turned_at_the_end, None, True),
    ],
)
def test_one_more_costs_no_more(stream: Callable[[int], list[JSON]], last: JSON | None, linear: bool) -> None:
    """One more event costs the same however many came before, or as much as what it is about has grown."""
    costs = []
    for count in (200, 400):
        told = stream(count)
        if last is not None:
            told = [one for one in told[:-1] if one != last] + [last]
        costs.append(steps(created(), *told))
    few, many = costs
    assert many < (2.3 if linear else 1.1) * few, (few, many)


def test_what_comes_piece_by_piece_is_not_copied() -> None:
    """Log probabilities and annotations are gathered in one container, not in a longer copy each time."""
    parser = ResponseParser()
    parser.feed(j(created(), *with_logprobs(50)[:-1], *(annotation(n, n) for n in range(50))))
    held: dict[str, set[int]] = {"logprobs": set(), "annotations": set(), "data": set()}
    for event in parser.events():
        if isinstance(event, (e.TextDelta, e.AnnotationAdded)):
            part = parser._reader.fold.items[0].parts("content")[0]
            for name, containers in held.items():
                if getattr(part, name) is not None:
                    containers.add(id(getattr(part, name)))
    assert [len(containers) for containers in held.values()] == [1, 1, 1]
    content = parser.response.to_dict()["output"][0]["content"][0]
    assert [len(content["logprobs"]), len(content["annotations"])] == [50, 50]


def test_commands_far_apart() -> None:
    """A fragment of the last command that the limits allow does not build the list of all before it."""
    most = Limits().index
    calls = [
        count_calls(
            lambda count=count: play(
                j(created(), added(0, SHELL), *[command(most, "a")] * count, completed())
            )
        )["place"]
        for count in (20, 200)
    ]
    assert calls[0] == calls[1] <= 10
    found = play(j(created(), added(0, SHELL), command(most, "a"), completed()))
    assert len(found.parser.response.to_dict()["output"][0]["action"]["commands"]) == most + 1
    beyond = play(j(created(), added(0, SHELL), command(most + 1, "a")))
    assert isinstance(beyond.fault, LimitExceeded)


def test_annotations_far_apart() -> None:
    """The last annotation that the limits allow stands alone, and none comes beyond it."""
    most = Limits().index
    start = [created(), *streamed_message(0, "a")[:4]]
    found = lawful(*start, annotation(0, most), completed())
    assert len(found.parser.response.to_dict()["output"][0]["content"][0]["annotations"]) == 1
    assert isinstance(play(j(*start, annotation(0, most + 1))).fault, LimitExceeded)


def test_a_fragment_that_came_before_its_end_by_number_is_no_new_text() -> None:
    """A delta sent again after the whole text, with the number it had, adds nothing to it."""
    whole_message = message("09", id="msg_0")
    payloads = [
        created(),
        added(0, message(id="msg_0", status="in_progress")),
        text(0, "0", item_id="msg_0"),
        text(0, "9", item_id="msg_0"),
        text_done(0, "09", item_id="msg_0"),
    ]
    numbered = [{**payload, "sequence_number": number} for number, payload in enumerate(payloads)]
    end = [done(0, whole_message), completed(whole_message)]
    numbered += [numbered[3], *({**payload, "sequence_number": 5 + at} for at, payload in enumerate(end))]
    found = run(*numbered)
    assert found.response.output_text == "09"
    assert found.codes[1:] == [C.SEQUENCE_NOT_RISING, C.DELTA_AFTER_DONE]


def test_empty_arguments_that_came_twice_are_empty() -> None:
    """A fragment `{}` sent twice is no fuller than the `{}` of the end."""
    made = call("{}", id="fc_0")
    begun = [created(), added(0, call("", id="fc_0", status="in_progress"))]
    twice = [arguments(0, "{}", item_id="fc_0")] * 2
    found = run(*begun, *twice, done(0, made), completed(made))
    assert found.output()[0]["arguments"] == "{}"
    assert C.VALUE_CONTRADICTED in found.codes
