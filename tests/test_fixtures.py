"""Every recorded stream of `fixtures/`, run in every way, and held to the laws."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest
from syrupy.assertion import SnapshotAssertion

import wire
from deltafold.dialects.responses.reader import (
    CHAT_CHUNK,
    HANDLERS,
    HEARTBEATS,
    NOTICES,
    PROGRESS,
    WHOLE_RESPONSE,
)
from deltafold.machine.fold import Fold
from deltafold.machine.lifecycle import ResponseState
from deltafold.model import events as e
from deltafold.model.anomalies import ANOMALIES, AnomalyCode
from deltafold.model.errors import UsageError, WireError
from deltafold.model.limits import Limits
from deltafold.parsing.parser import ResponseParser, parse
from deltafold.wire.sse import SSEDecoder
from wire import FIXTURES, Ledger, Reading, check_laws, check_response, cut, resumed, same

DIALECT = "responses"
"""Whose parsers the driver makes; the tests of other dialects put theirs in its place."""

C = AnomalyCode
PATHS = sorted((FIXTURES / "responses").glob("*.sse"))
NAMES = [path.stem for path in PATHS]
every_fixture = pytest.mark.parametrize("path", PATHS, ids=NAMES)

STRICT_ONLY = {C.DUPLICATE_KEY}
"""Codes that no lenient run reports: looking for them costs time, and changes nothing in what is read."""
CHAT_EVENTS = {e.ChoiceUpdated, e.LiftedDelta}
"""Classes that no Responses stream brings."""
CHAT_CODES = {
    C.ARGUMENTS_NOT_TEXT,
    C.ARGUMENTS_REPEATED,
    C.CALL_ID_MISSING,
    C.CALL_INDEX_CHANGED,
    C.CALL_INDEX_REUSED,
    C.CALL_NAME_MISSING,
    C.CONTENT_NOT_TEXT,
    C.CONTROL_TOKEN_IN_NAME,
    C.FINISH_REASON_MISSING,
    C.LIFT_REFUSED,
}
"""Codes that no Responses stream brings."""
GEMINI_CODES = {
    C.CALL_NOT_ENDED,
    C.CALL_NOT_OPEN,
    C.DONE_OF_ANOTHER_WIRE,
    C.FINISH_REASON_UNKNOWN,
    C.PARTIAL_ARGUMENT_LOST,
}
"""Codes of which the fixtures of Gemini tell."""
FRAMING_CODES = {C.ARRAY_MALFORMED, C.ARRAY_NOT_CLOSED, C.FRAME_DAMAGED, C.VALUE_BEFORE_EVENTS}
"""Codes of which no server-sent events tell: tests/test_framings.py shows them."""
RECONNECTION_CODES = {C.REPLAY_REFUSED}
"""Codes of which one body cannot tell: tests/test_replay.py shows them."""
ANTHROPIC_CODES = {
    C.BLOCK_NOT_ENDED,
    C.BLOCK_OUT_OF_ORDER,
    C.CALL_ID_REPEATED,
    C.DELTA_MISFITS,
    C.USAGE_MISSING,
}
OTHER_CODES = RECONNECTION_CODES | GEMINI_CODES | ANTHROPIC_CODES | FRAMING_CODES
FRAMING = {
    C.PAYLOAD_IN_NO_FIELD,
    C.TEXT_AT_END,
    C.INVALID_UTF8,
    C.UNTERMINATED_FINAL_EVENT,
    C.UNFINISHED_FINAL_EVENT,
    C.ERROR_FIELD,
    C.TYPE_ONLY_IN_EVENT_NAME,
}
"""Codes that depend on the frame, so that the bare payloads cannot tell the same."""

FULLER_THAN_THE_END = {"content-empty-at-end"}
"""Streams without an anomaly that told more than their last response does."""

ITEM_TYPES = {
    "message",
    "file_search_call",
    "function_call",
    "function_call_output",
    "web_search_call",
    "computer_call",
    "computer_call_output",
    "reasoning",
    "program",
    "program_output",
    "tool_search_call",
    "tool_search_output",
    "additional_tools",
    "compaction",
    "image_generation_call",
    "code_interpreter_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "custom_tool_call",
    "custom_tool_call_output",
    "ghost_snapshot",
    "compaction_summary",
    "x_search_call",
    "code_execution_call",
    "view_image_call",
    "view_x_video_call",
    "acme:search_result",
}
"""The union of the API reference, then those that single servers send, and one of the `slug:name` kind."""
PART_TYPES = {
    "output_text",
    "refusal",
    "reasoning_text",
    "summary_text",
    "text",
    "input_text",
    "input_image",
    "input_file",
    "output_smell",
}
ANNOTATIONS = {"file_citation", "url_citation", "container_file_citation", "file_path"}


def read(chunks: list[bytes], **options: Any) -> Reading:
    """Reads them as the Responses API, whatever they are: one fixture is another wire's."""
    return wire.read(chunks, dialect="responses", **options)


@cache
def lenient(path: Path) -> Reading:
    """The reading to which all others are compared: the whole body at once."""
    return read([path.read_bytes()])


# --------------------------------------------------------------------------------------------- the one test


@every_fixture
def test_fixture(path: Path, snapshot: SnapshotAssertion) -> None:
    """A fixture gives the same however it is fed, keeps every law, and says what it always said."""
    body = path.read_bytes()
    dice = random.Random(path.stem)
    reading = lenient(path)

    check_laws(reading.events, reading.response)
    same(reading, read([body[i : i + 1] for i in range(len(body))]))
    for pieces in (2, 3, 7, 20):
        same(reading, read(cut(body, [dice.randint(0, len(body)) for _ in range(pieces)])))
    assert parse(body, "responses") == reading.response

    check_every_step(body, reading)
    check_more_after_the_end(body, reading)
    check_strict(body, reading)
    check_resuming(body, reading, dice)
    check_payloads(body, reading)
    check_terminal(path, body, reading)

    assert told(reading) == snapshot


def check_every_step(body: bytes, reading: Reading) -> None:
    """The state moves only as events are handed out, and is their fold, whatever lies waiting."""
    ahead, behind = ResponseParser(DIALECT), ResponseParser(DIALECT)
    ahead.feed(body)
    ahead.close()
    chunks = [body[i : i + 64] for i in range(0, len(body), 64)][::-1]
    fold, ledger = Fold(Limits()), Ledger()
    for expected in reading.events:
        event = ahead.next_event()
        assert event == expected
        while (late := behind.next_event()) is None and chunks:
            behind.feed(chunks.pop())
        if late is None:
            behind.close()
            late = behind.next_event()
        assert late == expected
        assert ahead.state is behind.state
        assert ahead.response == behind.response
        check_response(ahead.response)
        ledger.add(expected)
        ledger.check(ahead.response)
        if isinstance(expected, e.ResponseFinished):
            assert expected.response == ahead.response
        else:
            fold.apply(expected)
            assert fold.response() == ahead.response
    assert ahead.next_event() is None
    assert ahead.state is ResponseState.FINISHED
    assert not ahead.needs_input


def check_more_after_the_end(body: bytes, reading: Reading) -> None:
    """What comes after the end changes nothing but the anomalies."""
    parser = ResponseParser(DIALECT)
    parser.feed(body)
    events = list(parser.events())
    if parser.state is not ResponseState.FINISHED or not body.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")):
        return
    assert not parser.needs_input
    for more in (
        b": ping\n\n",
        b"data: [DONE]\n\n",
        b'data: {"type":"response.output_text.delta"}\n\n',
        b"{" * 80,
    ):
        parser.feed(more)
        assert list(parser.events()) == []
    parser.close()
    parser.close()
    assert list(parser.events()) == []
    assert events == reading.events
    assert parser.response == reading.response
    assert parser.anomalies[: len(reading.anomalies)] == reading.anomalies


def check_strict(body: bytes, reading: Reading) -> None:
    """Strict mode gives the same, or all events before the first fault, and then the fault for good."""
    parser = ResponseParser(DIALECT, strict=True)
    parser.feed(body)
    parser.close()
    events: list[e.Event] = []
    fault: WireError | None = None
    while fault is None:
        try:
            event = parser.next_event()
        except WireError as error:
            fault = error
        else:
            if event is None:
                break
            events.append(event)
    first = next((anomaly for anomaly in reading.anomalies if ANOMALIES[anomaly.code].strict), None)
    if fault is None:
        assert first is None or ResponseState.FINISHED is parser.state
        assert events == reading.events
        assert parser.response == reading.response
        return
    assert events == reading.events[: len(events)]
    check_laws(events, parser.response, ended=False)
    with pytest.raises(WireError) as again:
        parser.next_event()
    assert again.value is fault
    with pytest.raises(UsageError):
        parser.feed(b"more")
    with pytest.raises(UsageError):
        parser.snapshot()
    assert fault.code in str(fault)
    assert fault.offset is not None
    assert 0 <= fault.offset <= len(body)
    assert fault.event_index is not None
    if fault.code in STRICT_ONLY:
        return
    assert first is not None
    assert (fault.code, fault.offset, fault.event_index) == (first.code, first.offset, first.event_index)
    assert (fault.message, fault.excerpt) == (first.message, first.excerpt)


def check_resuming(body: bytes, reading: Reading, dice: random.Random) -> None:
    """A parser taken up again from its snapshot goes on as if nothing had been."""
    places = sorted({0, len(body), *(dice.randint(0, len(body)) for _ in range(12))})
    for place in places:
        first = ResponseParser(DIALECT)
        first.feed(body[:place])
        events = []
        for _ in range(dice.choice((0, 3, 1000))):
            if (event := first.next_event()) is None:
                break
            events.append(event)
        again = resumed(first)
        assert again.response == first.response
        assert again.last_sequence_number == first.last_sequence_number
        again.feed(body[place:])
        again.close()
        again = resumed(again)
        events += again.events()
        again = resumed(again)
        assert list(again.events()) == []
        same(reading, Reading(events, again.anomalies, again.response, again))


def check_payloads(body: bytes, reading: Reading) -> None:
    """Payloads out of their frames give the same as in them, where the framing is clean."""
    decoder = SSEDecoder()
    decoder.feed(body)
    data = [frame.data for frame in decoder.frames()]
    if reading.codes & FRAMING or not data or decoder.pending is not None:
        return
    data = [text for text in data if text.strip()]
    differs = {C.EVENT_NAME_DIFFERS}
    for payloads in (data, [text.encode() for text in data], [as_object(text) for text in data]):
        parser = ResponseParser(DIALECT)
        for payload in payloads:
            parser.feed_payload(payload)
        parser.close()
        assert without_frames(parser.events()) == without_frames(reading.events)
        assert parser.response == reading.response
        codes = [anomaly.code for anomaly in parser.anomalies]
        told = [anomaly.code for anomaly in reading.anomalies if anomaly.code not in differs]
        if not any(isinstance(payload, dict) for payload in payloads):
            assert codes == told
        assert set(codes) <= set(told)


def without_frames(events: Iterable[e.Event]) -> list[e.Event]:
    """Events without what only frames tell: signs of life, and the type of what could not be read."""
    kept = [event for event in events if not isinstance(event, e.Heartbeat)]
    return [attrs.evolve(event, type="") if isinstance(event, e.UnknownEvent) else event for event in kept]


def as_object(text: str) -> str | dict[str, Any]:
    """A payload as an SDK would give it, where it is an object."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def check_terminal(path: Path, body: bytes, reading: Reading) -> None:
    """The final response is the server's own, where nothing was out of order."""
    if reading.anomalies:
        return
    decoder = SSEDecoder()
    decoder.feed(body)
    payloads = [as_object(frame.data) for frame in decoder.frames()]
    snapshots = [payload.get("response") for payload in payloads if isinstance(payload, dict)]
    terminal = next((snapshot for snapshot in reversed(snapshots) if snapshot), None)
    if terminal and terminal["output"] and path.stem not in FULLER_THAN_THE_END:
        final = reading.response.to_dict()
        assert {key: final[key] for key in terminal} == terminal


def told(reading: Reading) -> str:
    """A reading as text. The last event holds the response, which stands below it."""
    *events, end = reading.events
    assert isinstance(end, e.ResponseFinished)
    final = reading.response
    return "\n".join(
        [
            *(repr(event) for event in events),
            f"ResponseFinished(outcome={end.outcome!r}) finish_reason={final.finish_reason!r}",
            "",
            *(f"{found.code} at {found.offset}: {found.message}" for found in reading.anomalies),
            "",
            json.dumps(final.to_dict(), indent=1, sort_keys=True),
        ]
    )


# ------------------------------------------------------------------------------------------- what there is


def payloads_of(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The events of a fixture as they stand on the wire, with their types."""
    decoder = SSEDecoder()
    decoder.feed(path.read_bytes())
    found = []
    for frame in decoder.frames():
        payload = as_object(frame.data)
        if isinstance(payload, dict):
            found.append((payload.get("type", frame.event), payload))
    return found


def test_every_event_class_occurs() -> None:
    """Each class of event comes out of at least one fixture."""
    seen = {type(event) for path in PATHS for event in lenient(path).events}
    assert set(get_args(e.Event)) - seen == CHAT_EVENTS


def test_every_type_occurs() -> None:
    """Each wire type that the dialect knows stands in at least one fixture."""
    seen = {kind for path in PATHS for kind, _ in payloads_of(path)}
    made_up = {WHOLE_RESPONSE, CHAT_CHUNK}  # what the dialect calls payloads that have no type
    assert {*HANDLERS, *PROGRESS, *HEARTBEATS, *NOTICES} - made_up <= seen


def test_every_item_part_and_annotation_occurs() -> None:
    """Each type of item, part and annotation is among the final responses."""
    items = [item for path in PATHS for item in lenient(path).response.to_dict()["output"]]
    assert {item["type"] for item in items} >= ITEM_TYPES
    parts = [part for item in items for group in ("content", "summary") for part in item.get(group) or []]
    assert {part["type"] for part in parts} >= PART_TYPES
    assert {note["type"] for part in parts for note in part.get("annotations") or []} >= ANNOTATIONS


def test_every_anomaly_occurs() -> None:
    """Each code is reported of at least one fixture."""
    seen = {code for path in PATHS for code in lenient(path).codes}
    assert set(AnomalyCode) - seen == STRICT_ONLY | CHAT_CODES | OTHER_CODES
    for path in PATHS:
        try:
            parse(path.read_bytes(), "responses", strict=True)
        except WireError as error:
            seen.add(C(error.code))
    assert set(AnomalyCode) - seen == CHAT_CODES | OTHER_CODES


def test_every_stop_occurs() -> None:
    """Each outcome, and each reason to stop, is among the fixtures."""
    assert {str(lenient(path).response.outcome) for path in PATHS} == {
        "completed",
        "incomplete",
        "failed",
        "cancelled",
        "truncated",
    }
    assert {lenient(path).response.finish_reason for path in PATHS} >= {
        "stop",
        "length",
        "tool_calls",
        "content_filter",
        "error",
        "cancelled",
        None,
    }


def test_fixtures_stay_small() -> None:
    """A fixture shows one thing, and can be read."""
    assert all(path.stat().st_size < 60_000 for path in PATHS)
