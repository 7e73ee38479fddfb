"""What fuzzing found (`tests/fuzz/run.py`), each in its smallest form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltafold import LimitExceeded, Limits, ResponseParser, SSEDecoder
from fuzz.targets import TARGETS
from runs import Run, check_laws, count_calls, drain, frames, play, resumed

LINES = [
    *(
        b"data: x",
        b"data:",
        b"data",
        b"event: \xc3\xa9",
        b"id: 5",
        b"retry: 10",
        b"retry: \xb2",
        b"error: {}",
    ),
    *(
        b": c",
        b"",
        b"",
        b"\xef\xbb\xbf",
        b"\xa0data: x",
        b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}',
    ),
]


@pytest.mark.parametrize("target", sorted(TARGETS))
@given(
    head=st.binary(min_size=8, max_size=8),
    body=st.lists(st.sampled_from(LINES) | st.binary(max_size=9), max_size=12),
    end=st.sampled_from([b"\n", b"\r", b"\r\n"]),
)
@example(head=b"", body=[b"[DONE]"], end=b"")
@example(head=b"", body=[b"no JSON"], end=b"")
def test_the_targets(target: str, head: bytes, body: list[Any], end: bytes) -> None:
    """What is fuzzed at length holds for any bytes."""
    TARGETS[target](head + end.join(body))


def test_a_type_in_the_event_name_decides_the_dialect() -> None:
    """An event that begins a response decides the dialect, also where only the event name tells its type."""
    run = play(b'event: response.output_item.added\ndata: {}\n\ndata: {"choices":[]}\n\n', "auto")
    check_laws(run)


def test_a_decided_dialect_is_the_same_after_a_snapshot() -> None:
    """A payload of the other dialect is read in the same way before and after a snapshot."""
    bodies = b'data: {"type":"response."}\n\n', b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n'
    whole = play(bodies, "auto")
    parser = ResponseParser("auto")
    parser.feed(bodies[0])
    events = list(parser.events())
    parser = resumed(parser)
    parser.feed(bodies[1])
    parser.close()
    fault = drain(parser, events)
    assert Run(events, parser, fault).everything == whole.everything


def test_a_response_object_decides_the_dialect() -> None:
    """What begins a response decides the dialect, also where it is a response object without a type."""
    run = play(b'data: {"object":"response","status":"in_progress"}\n\ndata: {"choices":[]}\n\n', "auto")
    check_laws(run)


def test_half_a_pair_where_no_fragment_is() -> None:
    """Half a pair in a response's own field becomes U+FFFD, whatever the field is called."""
    run = play(b'{"object":"response","delta":"\\ud83d"}')
    check_laws(run)


def test_half_a_pair_in_an_unknown_event() -> None:
    """The same holds for events that nobody knows, and for the first chunk of a dialect still to be told."""
    check_laws(play(b'data: {"type":"acme:x","delta":"\\ud83d"}\n\n'))
    check_laws(play(b'data: {"choices":[],"delta":"\\ud83d"}\n\n', "auto"))
    check_laws(play(b'{"choices":[],"delta":"\\ud83d"}', "auto"))


def test_a_response_that_began_decides_the_dialect() -> None:
    """Whatever began the response, no chunk that comes later makes it one of the other dialect."""
    begun = b'data: {"status":"in_progress","output":"x"}\n\n'
    check_laws(play(begun + b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n', "auto"))


def test_an_announcement_with_a_type_that_is_no_word() -> None:
    """A late announcement whose type is no string leaves the item what it is."""
    delta = b'data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"."}\n\n'
    late = b'data: {"type":"response.output_item.added","output_index":0,"item":{"id":"m","type":0}}\n\n'
    run = play(delta + late)
    check_laws(run)
    assert run.parser.response.output_text == "."


def test_a_detail_of_reasoning_that_is_no_text() -> None:
    """A list where a detail of reasoning has text comes back as it came."""
    detail = b'{"type":"reasoning.encrypted","data":[{}]}'
    body = (
        b'data: {"choices":[{"index":0,"delta":{"reasoning":"r","reasoning_details":[' + detail + b"]}}]}\n\n"
    )
    run = play(body, "chat")
    check_laws(run)
    assert run.parser.response.to_dict()["output"][0]["reasoning_details"] == [
        {"type": "reasoning.encrypted", "data": [{}]}
    ]


def test_two_details_of_reasoning_that_are_no_text() -> None:
    """They stay two, each as it came."""
    details = b'[{"data":[{}]},{"data":["a",5]}]'
    run = play(b'data: {"choices":[{"index":0,"delta":{"reasoning_details":' + details + b"}}]}\n\n", "chat")
    assert run.parser.response.to_dict()["output"][0]["reasoning_details"] == [
        {"data": [{}]},
        {"data": ["a", 5]},
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("limit", [0, 1, 2, 3])
def test_a_byte_order_mark_is_of_no_line(limit: int, size: int) -> None:
    """A mark that comes in pieces does not count against the limit of the first line, however small it is."""
    body = b"\xef\xbb\xbf" + b"x" * limit + b"\n" + b"x" * limit + b"\n\n"
    decoder = SSEDecoder(limits=Limits(line_bytes=limit))
    for at in range(0, len(body), size):
        decoder.feed(body[at : at + size])
        assert decoder.next_frame() is None
    assert decoder.offset == len(body)
    decoder.feed(b"x" * (limit + 1))
    with pytest.raises(LimitExceeded, match="line_bytes"):
        decoder.next_frame()


@pytest.mark.parametrize("line", [b"data\n", b"data:\n"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_lines_without_a_value(line: bytes, size: int) -> None:
    """Empty data lines count one by one, for the text, for both limits, and in few steps."""

    def fed(body: bytes, limits: Limits) -> SSEDecoder:
        decoder = SSEDecoder(limits=limits)
        for at in range(0, len(body), size):
            decoder.feed(body[at : at + size])
        return decoder

    for before, count in (
        (b"", 1),
        (b"", 2),
        (b"data: x\n", 1),
        (b"data: x\n", 5),
        (b"data: x\ndata: y\n", 3),
    ):
        frame = fed(before + line * count + b"\n", Limits(event_bytes=20)).next_frame()
        assert frame is not None
        text = before.replace(b"data: ", b"").decode()
        assert frame.data == text + "\n" * (count - 1)
    frame = fed(line * 21 + b"\n", Limits(event_bytes=20)).next_frame()
    assert frame is not None
    for body, limits in (
        (line * 22, Limits(event_bytes=20)),
        (b"data\n" + line, Limits(line_bytes=len(line) - 2)),
    ):
        with pytest.raises(LimitExceeded):
            fed(body, limits).next_frame()
    long = fed(line * 100_000, Limits())
    assert sum(count_calls(long.next_frame).values()) < (100 if size > 7 else 10_000_000)


def test_a_limit_of_a_body_that_turns_out_to_be_a_stream() -> None:
    """A value that stands before events counts against the limit of a body, at any chunking."""
    for filler, fits in ((10, True), (400, False)):
        body = b'{"id":"' + b"x" * filler + b'"}\n\ndata: {}\n\n'
        for limit in (100,):
            options = {"dialect": "chat", "limits": Limits(body_bytes=limit)}
            whole = play(body, **options)
            assert (whole.fault is None) is fits
            for size in (1, 2, 7, 30, 99, 150):
                chunks = [body[at : at + size] for at in range(0, len(body), size)]
                assert play(chunks, **options).everything == whole.everything


PIECES = {"jsonPath": "$.a", "stringValue": "x"}


@pytest.mark.parametrize(
    ("told", "arguments"),
    [
        ([{"partialArgs": [PIECES]}], '{"a":"x"}'),
        ([{"partialArgs": [{**PIECES, "stringValue": "y"}]}], '{"a":"y"}'),
        ([{"partialArgs": [PIECES], "willContinue": True}, {"args": {"b": 1}}], '{"a":"x","b":1}'),
        ([{"partialArgs": [{**PIECES, "stringValue": "y"}], "willContinue": True}], '{"a":"x"}'),
    ],
)
def test_a_call_that_is_told_again_in_pieces(told: list[Any], arguments: str) -> None:
    """Gemini: pieces for a call that had ended, by its id, tell it anew; until they are whole it stands."""
    calls = [{"id": "c", "name": "f", "partialArgs": [PIECES]}, *({"id": "c", **more} for more in told)]
    payloads = [{"candidates": [{"content": {"parts": [{"functionCall": call}]}}]} for call in calls]
    run = play(frames(*payloads, {"candidates": [{"finishReason": "STOP"}]}), "gemini")
    check_laws(run)
    assert [(call.arguments, call.complete) for call in run.response.tool_calls] == [(arguments, True)]


def test_a_piece_of_a_call_told_again_that_is_lost() -> None:
    """Gemini: a call that is told again, and not whole, is not to be run."""
    calls = [{"id": "c", "name": "f", "args": {}}, {"id": "c", "partialArgs": [{"jsonPath": ".."}]}]
    payloads = [{"candidates": [{"content": {"parts": [{"functionCall": call}]}}]} for call in calls]
    run = play(frames(*payloads, {"candidates": [{"finishReason": "STOP"}]}), "gemini")
    check_laws(run)
    assert run.response.tool_calls == ()


def test_a_part_with_a_refusal_and_no_type() -> None:
    """Chat: what a part of another kind has of text is handed out."""
    run = play(frames({"choices": [{"delta": {"content": [{"kind": "x", "refusal": "No."}]}}]}), "chat")
    check_laws(run)


@pytest.mark.parametrize(
    "kind", ["message", "reasoning", "function_call", "custom_tool_call", "mcp_call", "code_interpreter_call"]
)
def test_a_block_that_is_called_like_an_item(kind: str) -> None:
    """What another wire calls like an item of the Responses API is none: it is no call, and says no text."""
    block = {"type": kind, "name": "rm", "call_id": "c", "arguments": "{}", "input": "x", "code": "y"}
    block["content"] = [{"type": "text", "text": "a"}]
    message = {"id": "m", "role": "assistant", "content": [block], "stop_reason": "end_turn", "usage": {}}
    run = play(frames({"type": "message_start", "message": message}, {"type": "message_stop"}), "anthropic")
    check_laws(run)
    assert run.response.tool_calls == ()
    assert run.response.to_anthropic_message()["content"] == [block]
    if kind == "function_call":
        return  # which is what the proto of Gemini calls its own
    part = {kind: {"name": "rm", "arguments": "{}"}}
    run = play(frames({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}), "gemini")
    check_laws(run)
    assert run.response.tool_calls == ()
    assert run.response.to_gemini_response()["candidates"][0]["content"]["parts"] == [part]
