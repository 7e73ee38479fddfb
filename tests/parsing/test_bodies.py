"""Bodies whose kind is not clear yet: in any chunks the same, looked at once, and nothing of them is lost."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from deltafold import Outcome, ResponseParser, parse
from deltafold.model.anomalies import AnomalyCode as C
from runs import completed, count_calls, created, frames, in_progress, play, response, same

MANY = 1024
"""Chunks after which those that are held become one."""
ENDED = response("completed")
CREATED = {**created(), "sequence_number": 0}
EVENT = {**completed(), "sequence_number": 1}


def one_by_one(body: bytes) -> list[bytes]:
    """A chunk for each byte."""
    return [body[at : at + 1] for at in range(len(body))]


@pytest.mark.parametrize("end", [*range(MANY - 3, MANY + 4), 2 * MANY - 1, 2 * MANY, 2 * MANY + 1])
@pytest.mark.parametrize("behind", ["", "data: {}\n\n", "\n" + json.dumps(EVENT) + "\n"])
def test_where_the_first_object_ends(end: int, behind: str) -> None:
    """Stored, before events or the first of JSON lines: that is seen wherever the chunks become one."""
    first = json.dumps(CREATED if behind else ENDED)
    body = (first[:-1] + " " * (end - len(first)) + "}" + behind).encode()
    assert body[end - 1 : end] == b"}"
    run = play(body)
    assert (run.response.outcome is Outcome.COMPLETED) is (not behind.startswith("data"))
    same(run, play(one_by_one(body)))
    undrained = ResponseParser("responses")
    for chunk in one_by_one(body):
        undrained.feed(chunk)
    undrained.close()
    assert list(undrained.events()) == run.events
    assert undrained.anomalies == run.anomalies


@pytest.mark.parametrize("head", ["", "[", " [", "\ufeff", "\ufeff["])
@pytest.mark.parametrize("framing", ["auto", "json_array"])
def test_blanks_are_looked_at_once(head: str, framing: Any) -> None:
    """However many come before it is clear what a body is."""

    def feed(blanks: int) -> None:
        parser = ResponseParser(framing=framing)
        for chunk in [head.encode(), *[b" "] * blanks]:
            parser.feed(chunk)
            assert parser.next_event() is None

    assert count_calls(lambda: feed(600))["sniff"] <= count_calls(lambda: feed(6))["sniff"] <= 4


def test_more_blanks_than_any_server_sends() -> None:
    """They end as nothing, and what stands behind them is read."""
    blanks = b" " * 100_000
    assert parse(blanks).outcome is Outcome.TRUNCATED
    assert parse(blanks + json.dumps(ENDED).encode()) == parse(json.dumps(ENDED).encode())
    assert play([blanks, json.dumps(ENDED).encode()]).response.outcome is Outcome.COMPLETED


@pytest.mark.parametrize("cuts", [[], [1], [5, 9], list(range(1, 40))])
def test_a_stored_response_before_another_connection(cuts: list[int]) -> None:
    """What came over the first one is whole, in however many chunks."""
    body = json.dumps(ENDED).encode()
    parser = ResponseParser()
    events = []
    for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True):
        parser.feed(body[start:stop])
        events += parser.events()
    parser.reconnect()
    events += parser.events()
    parser.close()
    events += parser.events()
    assert parser.response.outcome is Outcome.COMPLETED
    assert [found.code for found in parser.anomalies] == [C.BODY_IS_JSON]
    assert parser.response == parse(body)


@pytest.mark.parametrize("framing", ["auto", "json_array", "ndjson"])
def test_only_a_byte_order_mark(framing: Any) -> None:
    """It is as nothing: no byte of it is left over."""
    run, nothing = play(b"\xef\xbb\xbf", framing=framing), play(b"", framing=framing)
    assert run.response == nothing.response
    assert run.codes == nothing.codes


@pytest.mark.parametrize("more", [0, 1, 2])
def test_words_behind_payloads_are_why_it_failed_if_they_came_last(more: int) -> None:
    """Words are no payload. Where a payload comes behind them, they are not the last that was heard."""
    parser = ResponseParser()
    for payload in [json.dumps(CREATED), "upstream gave up", *['{"type":"response.in_progress"}'] * more]:
        parser.feed_payload(payload)
    parser.close()
    list(parser.events())
    assert parser.response.outcome is (Outcome.TRUNCATED if more else Outcome.FAILED)
    assert ("gave up" in repr(parser.response.error)) is (not more)


def test_json_that_an_event_breaks_off() -> None:
    """A value printed over lines ends where an event comes between; what follows is no part of it."""
    going_on = frames({**in_progress(), "sequence_number": 1})
    body = frames(CREATED) + b'{\n"error": {\n' + going_on + b'"message": "late"}}\n\n'
    run = play(body)
    assert run.response.error is not None
    assert run.response.error.message == '"message": "late"}}'


def test_a_body_over_many_lines_is_none_of_json_lines() -> None:
    """A second document behind one that is printed over lines is text behind a body."""
    body = json.dumps(ENDED, indent=1) + "\n" + json.dumps(EVENT) + "\n"
    run = play(body.encode())
    assert C.VALUE_BEFORE_EVENTS not in run.codes
    same(run, play(one_by_one(body.encode())))


@pytest.mark.parametrize("end", ["", 'data: {"type":"response.in_prog', "data: {}\n"])
def test_a_stream_that_is_cut_off_has_no_payload_to_show_for_it(end: str) -> None:
    """What is reported of the end is about no payload: neither the last one, nor what was left of one."""
    body = frames(CREATED) + end.encode()
    parser = ResponseParser()
    parser.feed(body)
    parser.close()
    list(parser.events())
    assert (parser.anomalies[-1].code, parser.anomalies[-1].excerpt) == (C.MISSING_TERMINAL, "")
    same(play(body), play(one_by_one(body)))
    assert parser.anomalies == play(body).anomalies


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("value", [json.dumps(CREATED), '{"choices":[{"delta":{"content":"x"}}]}'])
@pytest.mark.parametrize("behind", ["retry: 1 x\n\n\nevent: response.completed", "data: {}\n\n"])
def test_places_behind_a_byte_order_mark(mark: str, value: str, behind: str) -> None:
    """What is reported of a value before the events has its place, whatever the chunks."""
    body = f"{mark}{value}{behind}".encode()
    run = play(body)
    assert C.VALUE_BEFORE_EVENTS in run.codes
    same(run, play(one_by_one(body)))


def test_what_small_chunks_hold_until_the_kind_of_a_body_is_clear() -> None:
    """About as much as their bytes, and not what so many objects take."""
    count = 20_000
    parser = ResponseParser("responses")
    tracemalloc.start()
    try:
        parser.feed(b'{"a":"')
        for number in range(count):
            parser.feed(b"%02d" % (number % 100))
            assert parser.next_event() is None
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * 2 * count + 100_000
