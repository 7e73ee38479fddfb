"""Every stream of `fixtures/`, run in every way, and held to the laws of reading."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable

import attrs
import pytest
from syrupy.assertion import SnapshotAssertion

import fixtures
from deltafold.machine.fold import Fold
from deltafold.machine.lifecycle import ResponseState
from deltafold.model import events as e
from deltafold.model.anomalies import ANOMALIES
from deltafold.model.anomalies import AnomalyCode as C
from deltafold.model.errors import UsageError, WireError
from deltafold.model.limits import Limits
from deltafold.model.response import Outcome, Response
from deltafold.parsing.parser import ResponseParser, parse
from deltafold.wire.sse import SSEDecoder
from fixtures import STRICT_ONLY, Fixture, as_object, lenient, payloads_of
from runs import (
    JSON,
    Ledger,
    Run,
    calls_of,
    check_events,
    check_laws,
    check_response,
    cut,
    play,
    resumed,
    same,
)

GOOD = (Outcome.COMPLETED, Outcome.INCOMPLETE)
DOCUMENTS = {
    "responses": Response.to_dict,
    "chat": Response.to_chat_completion,
    "anthropic": Response.to_anthropic_message,
    "gemini": Response.to_gemini_response,
}
"""The unstreamed form of each wire."""
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
UNDECIDED = {
    "chat": {
        "body-detail-fastapi",
        "body-error",
        "body-error-list-google",
        "error-first",
        "error-object-vllm",
        "only-a-comment",
        "only-done",
    },
    "anthropic": {"body-error", "error-first", "error-prompt-too-long", "nothing"},
    "gemini": {"body-error", "body-error-list", "error-first", "nothing"},
}
"""Streams with nothing in them that tells whose they are."""
UNTYPED = {"anthropic": {"body-without-type", "types-missing"}}
"""Streams of which the first payload has no type, so that one has to know whose they are."""
STORED_OTHERWISE = {"done-without-finish-reason"}
"""A whole stream whose document does not come out of itself: it cannot say that a reason is missing."""
CALLS_CUT = {"streamed-call-never-ended", "streamed-calls-in-turn", "streamed-call-unreadable-paths"}
"""Streams with calls that are not whole, of which a body cannot tell."""
ENDS_AS_CUT = {"input-of-no-block", "tool-arguments-no-json-vllm"}
"""Streams of Anthropic's with such calls, whose message ends in `max_tokens`: nobody may run them."""


# --------------------------------------------------------------------------------------------- the one test


@fixtures.each
def test_fixture(fixture: Fixture, snapshot: SnapshotAssertion) -> None:
    """A fixture gives the same however it is fed, keeps every law, and says what it always said."""
    body, dialect = fixture.body, fixture.dialect
    dice = random.Random(fixture.name)
    run = lenient(fixture)

    check_laws(run)
    same(run, play([body[i : i + 1] for i in range(len(body))], dialect))
    for pieces in (2, 3, 7, 20):
        same(run, play(cut(body, [dice.randint(0, len(body)) for _ in range(pieces)]), dialect))
    assert parse(body, dialect) == run.response

    check_every_step(fixture, run)
    check_more_after_the_end(fixture, run)
    check_strict(fixture, run)
    check_resuming(fixture, run, dice)
    if C.ERROR_AFTER_FAILURE not in run.codes:  # fed as a payload, an error ends the response at once
        check_payloads(fixture, run)
    if dialect == "responses":
        check_terminal(fixture, run)

    assert as_text(fixture, run) == snapshot


def check_every_step(fixture: Fixture, run: Run) -> None:
    """The state moves only as events are handed out, and is their fold, whatever lies waiting."""
    body = fixture.body
    ahead, behind = ResponseParser(fixture.dialect), ResponseParser(fixture.dialect)
    ahead.feed(body)
    ahead.close()
    chunks = [body[i : i + 64] for i in range(0, len(body), 64)][::-1]
    fold, ledger = Fold(Limits()), Ledger()
    for expected in run.events:
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


def check_more_after_the_end(fixture: Fixture, run: Run) -> None:
    """What comes after the end changes nothing but the anomalies."""
    body = fixture.body
    parser = ResponseParser(fixture.dialect)
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
    assert events == run.events
    assert parser.response == run.response
    assert parser.anomalies[: len(run.anomalies)] == run.anomalies


def check_strict(fixture: Fixture, run: Run) -> None:
    """Strict mode gives the same, or all events before the first fault, and then the fault for good."""
    body = fixture.body
    parser = ResponseParser(fixture.dialect, strict=True)
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
    first = next((anomaly for anomaly in run.anomalies if ANOMALIES[anomaly.code].strict), None)
    if fault is None:
        assert first is None or ResponseState.FINISHED is parser.state
        assert events == run.events
        assert parser.response == run.response
        return
    assert events == run.events[: len(events)]
    check_events(events, parser.response, ended=False)
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


def check_resuming(fixture: Fixture, run: Run, dice: random.Random) -> None:
    """A parser taken up again from its snapshot goes on as if nothing had been."""
    body = fixture.body
    places = sorted({0, len(body), *(dice.randint(0, len(body)) for _ in range(12))})
    for place in places:
        first = ResponseParser(fixture.dialect)
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
        same(run, Run(events, again))


def check_payloads(fixture: Fixture, run: Run) -> None:
    """Payloads out of their frames give the same as in them, where the framing is clean."""
    body = fixture.body
    decoder = SSEDecoder()
    decoder.feed(body)
    data = [frame.data for frame in decoder.frames()]
    if FRAMING & {*run.codes} or not data or decoder.pending is not None:
        return
    data = [text for text in data if text.strip()]
    differs = {C.EVENT_NAME_DIFFERS}
    for payloads in (data, [text.encode() for text in data], [as_object(text) for text in data]):
        parser = ResponseParser(fixture.dialect)
        for payload in payloads:
            parser.feed_payload(payload)
        parser.close()
        assert without_frames(parser.events()) == without_frames(run.events)
        assert parser.response == run.response
        codes = [anomaly.code for anomaly in parser.anomalies]
        told = [anomaly.code for anomaly in run.anomalies if anomaly.code not in differs]
        if not any(isinstance(payload, dict) for payload in payloads):
            assert codes == told
        assert set(codes) <= set(told)


def without_frames(events: Iterable[e.Event]) -> list[e.Event]:
    """Events without what only frames tell: signs of life, and the type of what could not be read."""
    kept = [event for event in events if not isinstance(event, e.Heartbeat)]
    return [attrs.evolve(event, type="") if isinstance(event, e.UnknownEvent) else event for event in kept]


def check_terminal(fixture: Fixture, run: Run) -> None:
    """The final response is the server's own, where nothing was out of order."""
    if run.anomalies:
        return
    snapshots = [payload.get("response") for _, payload in payloads_of(fixture)]
    terminal = next((snapshot for snapshot in reversed(snapshots) if snapshot), None)
    if terminal and terminal["output"] and fixture.name not in FULLER_THAN_THE_END:
        final = run.response.to_dict()
        assert {key: final[key] for key in terminal} == terminal


def as_text(fixture: Fixture, run: Run) -> str:
    """A run as text. The last event holds the response, which stands below it, and its document."""
    *events, end = run.events
    assert isinstance(end, e.ResponseFinished)
    final = run.response
    text = "\n".join(
        [
            *(repr(event) for event in events),
            f"ResponseFinished(outcome={end.outcome!r}) finish_reason={final.finish_reason!r}",
            "",
            *(f"{found.code} at {found.offset}: {found.message}" for found in run.anomalies),
            "",
            json.dumps(final.to_dict(), indent=1, sort_keys=True),
        ]
    )
    if fixture.dialect == "responses":
        return text
    return f"{text}\n\n{json.dumps(DOCUMENTS[fixture.dialect](final), indent=1, sort_keys=True)}"


# ----------------------------------------------------------------------------------------- whose stream it is


@fixtures.each
def test_auto_tells_the_dialect(fixture: Fixture) -> None:
    """The first payload with anything in it tells the dialect."""
    found, run = play(fixture.body, "auto"), lenient(fixture)
    if fixture.name in UNDECIDED.get(fixture.dialect, ()):
        assert found.response.outcome is run.response.outcome
        assert found.response.error == run.response.error
    elif fixture.name in UNTYPED.get(fixture.dialect, ()):
        assert found.events != run.events
    elif found.response.dialect == fixture.dialect:
        same(run, found)
    else:
        assert C.WRONG_DIALECT in run.codes


# ------------------------------------------------------------------------------------------------- documents


@pytest.mark.parametrize(
    "fixture", [one for one in fixtures.ALL if one.is_stored], ids=lambda one: f"{one.dialect}-{one.name}"
)
def test_a_stored_body_comes_out_as_it_was(fixture: Fixture) -> None:
    """The document made of a stored body has all that is in the body, but for what is null in Chat's."""
    body = json.loads(fixture.body)
    if not isinstance(body, dict) or "error" in body:
        return
    document = DOCUMENTS[fixture.dialect](lenient(fixture).response)
    match fixture.dialect:
        case "chat":
            if body.get("choices"):
                check_completion(body, document)
        case "anthropic":
            assert document == {"type": "message", **body}
        case _:
            assert document == {"candidates": [], **body}


def check_completion(body: JSON, completion: JSON) -> None:
    """A completion says all that is in the body."""
    for before, found in zip(body.pop("choices"), completion["choices"], strict=True):
        message = {key: value for key, value in before.pop("message").items() if value != []}
        assert {key: found["message"][key] for key in message} == message
        logprobs = before.pop("logprobs")
        if logprobs:
            logprobs = {key: value for key, value in logprobs.items() if value is not None}
        assert found["logprobs"] == logprobs
        assert {key: found[key] for key in before} == before
    assert {key: completion[key] for key in body} == body


@fixtures.each
def test_a_document_comes_out_of_itself(fixture: Fixture) -> None:
    """The document made of a whole stream, stored and parsed, gives the same document again."""
    response = lenient(fixture).response
    if response.outcome not in GOOD or fixture.name in STORED_OTHERWISE:
        return
    to_document = DOCUMENTS[fixture.dialect]
    document = to_document(response)
    again = parse(json.dumps(document).encode(), fixture.dialect)
    assert to_document(again) == document
    cut = fixture.name in ENDS_AS_CUT
    assert again.outcome is (Outcome.INCOMPLETE if cut else response.outcome)
    # The choices of a stream may begin in any order.
    assert sorted(again.output_text) == sorted(response.output_text)
    assert again.reasoning_text == response.reasoning_text
    assert again.finish_reason == response.finish_reason or cut or fixture.name in CALLS_CUT
    if fixture.dialect != "anthropic":  # whose documents say less of the counts than its streams
        assert again.usage == response.usage
    assert len(calls_of(again)) == len(calls_of(response))


@fixtures.each
def test_usage_means_the_same_in_every_document(fixture: Fixture) -> None:
    """Input is the whole prompt, in the words of the API whose document it is."""
    usage = lenient(fixture).response.usage
    if usage is None or usage.input_tokens is None:
        return
    counts = lenient(fixture).response.to_dict()["usage"]
    assert counts["input_tokens"] == usage.input_tokens
    assert counts.get("input_tokens_details", {}).get("cached_tokens") == usage.cached_tokens
    completion = lenient(fixture).response.to_chat_completion()["usage"]
    assert completion["prompt_tokens"] == usage.input_tokens
    assert completion.get("total_tokens") == usage.total_tokens
