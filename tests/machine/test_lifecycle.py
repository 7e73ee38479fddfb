"""The life cycles: every state with every event, and every situation with every type the wire has."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest

from deltafold import DeltafoldError, Event, Outcome, ResponseParser, ResponseState
from deltafold.dialects.responses.reader import HANDLERS
from deltafold.dialects.responses.table import HEARTBEATS, NOTICES, PROGRESS
from deltafold.machine.lifecycle import (
    ITEM_STATUS_AT_END,
    ITEM_TRANSITIONS,
    PART_TRANSITIONS,
    RESPONSE_TRANSITIONS,
    IllegalEvent,
    ItemState,
    PartState,
    next_state,
)
from deltafold.model import events as e
from deltafold.testing import Stream
from deltafold.testing.payloads import completed, created, response
from runs import Run, check_laws, play

CLASSES: tuple[type, ...] = get_args(Event)
TABLES = [(RESPONSE_TRANSITIONS, ResponseState), (ITEM_TRANSITIONS, ItemState), (PART_TRANSITIONS, PartState)]

# ---------------------------------------------------------------------------------------------- the tables


@pytest.mark.parametrize(("table", "states"), TABLES)
def test_tables_are_total(table: Any, states: Any) -> None:
    """Each table has a row for each of its states, in their order, and leads nowhere else."""
    assert list(table) == list(states)
    for row in table.values():
        assert set(row) <= set(CLASSES)
        assert set(row.values()) <= set(states)


@pytest.mark.parametrize(("table", "states"), TABLES)
@pytest.mark.parametrize("event", CLASSES, ids=lambda kind: kind.__name__)
def test_every_state_with_every_event(table: Any, states: Any, event: type) -> None:
    """Every pair leads to a state, or is an `IllegalEvent` that names both, and nothing else happens."""
    for state in states:
        if event in table[state]:
            assert next_state(table, state, event) is table[state][event]
        else:
            with pytest.raises(IllegalEvent, match=f"{event.__name__} cannot come while .* is {state}"):
                next_state(table, state, event)


def test_an_illegal_event_is_one_of_ours() -> None:
    """Even a bug of ours comes under our own name."""
    assert issubclass(IllegalEvent, DeltafoldError)


def test_every_event_class_has_its_place() -> None:
    """Each class of event is possible somewhere in the life of a response, and is in the public union."""
    assert {kind for row in RESPONSE_TRANSITIONS.values() for kind in row} == set(CLASSES)
    assert {kind.__name__ for kind in CLASSES} == set(e.__all__) - {"Event", "event_from_dict"}


def test_the_end_is_the_end() -> None:
    """Nothing follows the end of a response, and the end can come at any time before."""
    assert RESPONSE_TRANSITIONS[ResponseState.FINISHED] == {}
    for state in ResponseState:
        if state is not ResponseState.FINISHED:
            assert RESPONSE_TRANSITIONS[state][e.ResponseFinished] is ResponseState.FINISHED


@pytest.mark.parametrize(
    ("table", "started"), [(ITEM_TRANSITIONS, e.ItemStarted), (PART_TRANSITIONS, e.PartStarted)]
)
def test_nothing_before_the_beginning(table: Any, started: type) -> None:
    """An item or part begins once, and nothing comes for it before that."""
    absent, *others = table
    assert list(table[absent]) == [started]
    for state in others:
        assert started not in table[state]


def test_all_states_can_be_reached() -> None:
    """No state is there for nothing."""
    for table, states in TABLES:
        reached = {next(iter(states))}
        for _ in states:
            reached |= {state for known in reached for state in table[known].values()}
        assert reached == set(states)


def test_every_outcome_says_what_becomes_of_open_items() -> None:
    """The rule for open items at the end is total over the outcomes."""
    assert list(ITEM_STATUS_AT_END) == list(Outcome)


STREAM_EVENTS = {e.Heartbeat, e.Notice, e.UnknownEvent, e.RateLimitsReported}
RESPONSE_EVENTS = {e.StatusChanged, e.ChoiceUpdated, e.UsageReported, e.AudioDelta, e.TranscriptDelta}
OF_PARTS = {
    *(e.TextDelta, e.RefusalDelta, e.ReasoningDelta, e.ValueReplaced, e.ValueFinished, e.AnnotationAdded),
}
ITEM_EVENTS = {
    *(e.ItemUpdated, e.ItemProgress, e.PartStarted, e.PartFinished, e.PartialImage),
    *(e.ArgumentsDelta, e.LiftedDelta, e.CodeDelta, e.DiffDelta),
    *(e.CommandDelta, e.CommandOutputDelta, e.OutputDelta),
    *OF_PARTS,
}


def test_the_grammar_of_a_response() -> None:
    """The table of the response once more, in words: what may come, and where it leads."""
    idle, going, failing, finished = ResponseState
    more = STREAM_EVENTS | RESPONSE_EVENTS | ITEM_EVENTS | {e.ItemStarted, e.ItemFinished}
    end = {e.ErrorReported: failing, e.ResponseFinished: finished}
    grammar = {
        idle: {**dict.fromkeys(STREAM_EVENTS, idle), e.ResponseStarted: going, **end},
        going: {**dict.fromkeys(more, going), **end},
        failing: {**dict.fromkeys(more | {e.ResponseStarted}, failing), **end},
        finished: {},
    }
    assert grammar == RESPONSE_TRANSITIONS


def test_the_grammar_of_items_and_parts() -> None:
    """The tables of items and parts once more, in words."""
    absent, opened, done = ItemState
    items = {
        absent: {e.ItemStarted: opened},
        opened: {**dict.fromkeys(ITEM_EVENTS, opened), e.ItemFinished: done},
        done: dict.fromkeys(ITEM_EVENTS, done),
    }
    nothing, begun, told = PartState
    parts = {
        nothing: {e.PartStarted: begun},
        begun: {**dict.fromkeys(OF_PARTS, begun), e.PartFinished: told},
        told: dict.fromkeys(OF_PARTS, told),
    }
    assert (items, parts) == (ITEM_TRANSITIONS, PART_TRANSITIONS)


def test_the_words_of_the_states() -> None:
    """States are words that callers may write down: they are part of the interface, and of snapshots."""
    assert [str(state) for state in ResponseState] == ["idle", "in_progress", "failing", "finished"]
    assert [str(state) for state in ItemState] == ["absent", "open", "done"]
    assert [str(state) for state in PartState] == ["absent", "open", "done"]


def test_what_becomes_of_open_items() -> None:
    """Items end with a response whose end the server told, and stay as they are with any other."""
    ends = {outcome: status for outcome, status in ITEM_STATUS_AT_END.items() if status is not None}
    assert ends == {Outcome.COMPLETED: "completed", Outcome.INCOMPLETE: "incomplete"}


# ----------------------------------------------------------------------------------------------- the wire

OPEN_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
TEXT_PART = {"type": "output_text", "text": "", "annotations": []}
AT = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
CALL = {
    "id": "fc_1",
    "type": "function_call",
    "call_id": "call_1",
    "name": "n",
    "arguments": "",
    "status": "in_progress",
}
WHOLE_PART = {**TEXT_PART, "text": "Hello"}
WHOLE_MESSAGE = {**OPEN_MESSAGE, "status": "completed", "content": [WHOLE_PART]}

CREATED = created()
ADDED = {"type": "response.output_item.added", "output_index": 0, "item": OPEN_MESSAGE}
PART_ADDED = {"type": "response.content_part.added", **AT, "part": TEXT_PART}
DELTA = {"type": "response.output_text.delta", **AT, "delta": "Hel"}
TEXT_DONE = {"type": "response.output_text.done", **AT, "text": "Hello"}
PART_DONE = {"type": "response.content_part.done", **AT, "part": WHOLE_PART}
DONE = {"type": "response.output_item.done", "output_index": 0, "item": WHOLE_MESSAGE}
CALL_ADDED = {"type": "response.output_item.added", "output_index": 1, "item": CALL}
CALL_DELTA = {
    "type": "response.function_call_arguments.delta",
    "item_id": "fc_1",
    "output_index": 1,
    "delta": "{",
}
ERROR = {"type": "error", "error": {"code": "server_error", "message": "no luck"}}
FAILED = completed(type="response.failed", error=ERROR["error"])
COMPLETED = completed(WHOLE_MESSAGE)

SITUATIONS: dict[str, list[dict[str, Any]]] = {
    "idle": [],
    "in progress": [CREATED],
    "item open": [CREATED, ADDED],
    "part open": [CREATED, ADDED, PART_ADDED],
    "value open": [CREATED, ADDED, PART_ADDED, DELTA],
    "value whole": [CREATED, ADDED, PART_ADDED, DELTA, TEXT_DONE],
    "part done": [CREATED, ADDED, PART_ADDED, DELTA, TEXT_DONE, PART_DONE],
    "item done": [CREATED, ADDED, PART_ADDED, DELTA, TEXT_DONE, PART_DONE, DONE],
    "never announced": [DELTA],
    "call open": [CREATED, ADDED, PART_ADDED, DELTA, CALL_ADDED],
    "arguments open": [CREATED, ADDED, PART_ADDED, DELTA, CALL_ADDED, CALL_DELTA],
    "error told": [CREATED, ADDED, PART_ADDED, DELTA, ERROR],
    "failed": [CREATED, ADDED, PART_ADDED, DELTA, FAILED],
    "failed and told": [CREATED, ADDED, FAILED, ERROR],
    "finished": [CREATED, ADDED, PART_ADDED, DELTA, TEXT_DONE, PART_DONE, DONE, COMPLETED],
}

TYPES = sorted({*HANDLERS, *PROGRESS, *HEARTBEATS, *NOTICES, "acme:note", "response.hologram.glowing", ""})

# One object with every field that any type has, so that each type finds its own.
EVERYTHING: dict[str, Any] = {
    **AT,
    "summary_index": 0,
    "command_index": 0,
    "annotation_index": 0,
    "partial_image_index": 0,
    "partial_image_b64": "aQ==",
    "delta": "lo",
    "text": "Hello",
    "refusal": "no",
    "arguments": "{}",
    "input": "x",
    "code": "1 + 1",
    "diff": "+x",
    "command": "ls",
    "output": [{"stdout": "out", "stderr": "err"}],
    "annotation": {"type": "url_citation", "url": "https://a.test"},
    "item": WHOLE_MESSAGE,
    "part": WHOLE_PART,
    "response": response("completed", output=[WHOLE_MESSAGE]),
    "error": {"code": "rate_limit_exceeded", "message": "slow down"},
    "message": "no luck",
}


def variants(kind: str) -> dict[str, dict[str, Any]]:
    """A type as it should come, and as it should not."""
    fitting = {"type": kind, **EVERYTHING}
    if "shell_call_output" in kind and kind.endswith("delta"):
        fitting["delta"] = {"stdout": "out", "stderr": "err"}
    if kind == "response.mcp_call_output.done":
        fitting["output"] = "lo"
    return {
        "fitting": fitting,
        "bare": {"type": kind},
        "without index": {k: v for k, v in fitting.items() if not k.endswith(("_index", "_id"))},
        "for another item": {**fitting, "item_id": "other_9", "output_index": 9, "content_index": 4},
        "for the call": {
            **fitting,
            "item_id": "fc_1",
            "output_index": 1,
            "item": {**CALL, "arguments": "{}"},
        },
        "of other text": {**fitting, "text": "Bye", "part": {**WHOLE_PART, "text": "Bye"}},
        "of nulls": {k: v if k == "type" else None for k, v in fitting.items()},
        "of numbers": {k: v if k == "type" else 7 for k, v in fitting.items()},
    }


VARIANTS = [
    pytest.param(name, marks=() if name in ("fitting", "bare", "of nulls") else pytest.mark.long)
    for name in variants("")
]


def body(payloads: list[dict[str, Any]]) -> bytes:
    """The payloads as a stream."""
    return Stream("responses", tuple(payloads), named=False).body


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_situation_with_every_type(situation: str, variant: str) -> None:
    """Whatever comes whenever: documented outcomes, one end, the laws; strict equals lenient or raises."""
    for kind in TYPES:
        payloads = [*SITUATIONS[situation], variants(kind)[variant]]
        stream = body(payloads)
        try:
            lenient = play(stream)
            check_laws(lenient)
            strict = play(stream, strict=True)
            check_laws(strict, strict=True)
            assert agree(strict, lenient)
            check_laws(play(stream + body([TEXT_DONE, COMPLETED])))
        except Exception as error:
            error.add_note(f"{kind!r} {variant} while {situation}")
            raise


def agree(strict: Run, lenient: Run) -> bool:
    """Strict mode raised, after events that lenient mode gave as well; or it said the same."""
    if strict.fault is not None:
        return strict.events == lenient.events[: len(strict.events)]
    return strict.everything == lenient.everything


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_situation_can_end_in_every_way(situation: str) -> None:
    """From every situation the stream can be closed or cancelled, and ends once and for all."""
    for stop, outcome in (
        (ResponseParser.close, Outcome.TRUNCATED),
        (ResponseParser.cancel, Outcome.CANCELLED),
    ):
        parser = ResponseParser()
        parser.feed(body(SITUATIONS[situation]))
        events = list(parser.events())
        was = parser.state
        stop(parser)
        stop(parser)
        events += parser.events()
        check_laws(Run(events, parser))
        assert parser.state is ResponseState.FINISHED
        assert not parser.needs_input
        if was is ResponseState.FAILING:
            outcome = Outcome.FAILED
        elif was is ResponseState.FINISHED:
            outcome = parser.response.outcome
        assert parser.response.outcome is outcome


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_state_is_that_of_the_situation(situation: str) -> None:
    """The parser's state follows the events handed out."""
    parser = ResponseParser()
    parser.feed(body(SITUATIONS[situation]))
    assert parser.state is ResponseState.IDLE
    for event in parser.events():
        assert type(event) in CLASSES
    want = {
        "idle": ResponseState.IDLE,
        "error told": ResponseState.FAILING,
        "failed": ResponseState.FAILING,
        "failed and told": ResponseState.FINISHED,
        "finished": ResponseState.FINISHED,
    }.get(situation, ResponseState.IN_PROGRESS)
    assert parser.state is want


def test_every_pair_of_types() -> None:
    """Every two types, one after the other in the midst of a stream, keep the laws."""
    start = [CREATED, ADDED, PART_ADDED, DELTA]
    fitting = {kind: variants(kind)["fitting"] for kind in HANDLERS}
    for one, other in itertools.product(fitting, repeat=2):
        try:
            check_laws(play(body([*start, fitting[one], fitting[other], COMPLETED])))
        except Exception as error:
            error.add_note(f"{one!r}, then {other!r}")
            raise
