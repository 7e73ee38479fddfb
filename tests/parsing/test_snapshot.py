"""State as JSON values and back: whole, or refused."""

from __future__ import annotations

import ast
import copy
import json
from collections import deque
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltafold
from deltafold import (
    Lift,
    Limits,
    Outcome,
    RateLimitsReported,
    ResponseParser,
    ResponseState,
    UsageError,
    rate_limits_from_event,
)
from deltafold.dialects.base import Dialect, ErrorTerminatedDialect
from deltafold.dialects.emitter import Emitter
from deltafold.dialects.gemini.usage import LatestUsage
from deltafold.dialects.responses.identity import ItemIdentity
from deltafold.dialects.responses.items import ItemReader
from deltafold.dialects.responses.reader import ResponsesDialect
from deltafold.dialects.responses.values import ValueReader
from deltafold.parsing import replay, reporter, snapshot
from deltafold.parsing.replay import Replay
from deltafold.parsing.reporter import Reporter
from deltafold.parsing.snapshot import (
    CLASSES,
    MARK,
    STATE_CLASSES,
    VERSION,
    from_json,
    learn,
    to_json,
    unwrap,
    wrap,
)
from deltafold.parsing.state import ReaderState
from deltafold.registry import DIALECTS
from deltafold.testing import Stream
from deltafold.testing.strategies import streams
from runs import drain

values = (
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=3)
        | st.sampled_from(list(Outcome))
        | st.sampled_from(list(ResponseState)),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.lists(inner, max_size=3).map(tuple)
            | st.lists(inner, max_size=3).map(deque)
            | st.dictionaries(st.text(max_size=2) | st.integers() | st.just(MARK), inner, max_size=3)
            | st.dictionaries(st.tuples(st.integers(), st.text(max_size=2)), inner, max_size=2)
        ),
        max_leaves=8,
    )
    | st.sets(st.integers())
    | st.frozensets(st.text(max_size=2))
)


def same(one: Any, other: Any) -> bool:
    """Equal, with the same types all the way down."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, dict):
        return all(same(a, b) for a, b in zip(one.items(), other.items(), strict=True))
    if isinstance(one, (list, tuple, deque)):
        return all(same(a, b) for a, b in zip(one, other, strict=True))
    return True


@given(values)
def test_thaw_is_the_inverse(value: Any) -> None:
    """What was frozen comes back with its types, through JSON."""
    assert same(from_json(json.loads(json.dumps(to_json(value)))), value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -5,
        2**70,
        1.5,
        "x",
        [],
        {},
        (),
        set(),
        frozenset(),
        deque(),
        {"$": 1},
        {1: 2},
        {(1, "a"): [()]},
    ],
)
def test_freeze_of_each_kind(value: Any) -> None:
    """Each kind of value that a state is made of survives."""
    assert same(from_json(json.loads(json.dumps(to_json(value)))), value)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": [1, None]}, {"a": [1, None]}),
        ((1, "a"), {"$": "tuple", "items": [1, "a"]}),
        ({1}, {"$": "set", "items": [1]}),
        (frozenset({"b", "a"}), {"$": "frozenset", "items": ["a", "b"]}),
        (deque([(1,)]), {"$": "deque", "items": [{"$": "tuple", "items": [1]}]}),
        ({1: 2}, {"$": "dict", "items": [[1, 2]]}),
        ({"$": 1}, {"$": "dict", "items": [["$", 1]]}),
        ({"a": 1, 2: 3}, {"$": "dict", "items": [["a", 1], [2, 3]]}),
        (Outcome.COMPLETED, {"$": "Outcome", "value": "completed"}),
        (
            Lift(("a", 0), "text", "tool", remove=True),
            {
                "$": "Lift",
                "path": {"$": "tuple", "items": ["a", 0]},
                "into": "text",
                "tool": "tool",
                "remove": True,
            },
        ),
    ],
)
def test_how_values_are_written(value: Any, written: Any) -> None:
    """Snapshots are stored, and read by other builds of one version: their format is not to change in it."""
    assert to_json(value) == written
    assert same(from_json(written), value)


def test_sets_freeze_in_one_order() -> None:
    """A set's order does not depend on how it was filled."""
    assert to_json({3, 1, 2}) == to_json({2, 3, 1})


CHECKED = {"Lift": Lift(("a", 0), "text", "tool", remove=True), "Limits": Limits(items=7)}


def example(kind: type) -> Any:
    """Some object of a class, with a text for each field where none of them checks."""
    return CHECKED.get(kind.__name__) or kind(
        **{field.alias: f"${field.name}" for field in attrs.fields(kind)}
    )


OF_PAYLOAD = ("added", "begun")
PASSING = {
    Emitter: {"fold", "lifts", "out", "report", *OF_PAYLOAD},
    Dialect: {"think_tags"},
    LatestUsage: {"tallied"},
    ErrorTerminatedDialect: set(),
    ItemIdentity: set(),
    ValueReader: {"listed"},
    ItemReader: set(),
    ResponsesDialect: set(),
}
"""What is the parser's, of no use after the present payload, or made anew where it is not there."""


for dialect in DIALECTS:
    learn(dialect)


@pytest.mark.parametrize("kind", [*STATE_CLASSES, *PASSING])
def test_every_memory_is_whole(kind: Any) -> None:
    """All that an object of the machine holds from payload to payload is part of its memory."""
    source = Path(deltafold.__file__).parent.joinpath(*kind.__module__.split(".")[1:]).with_suffix(".py")
    (told,) = [
        node
        for node in ast.parse(source.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    ]
    held = {
        node.attr
        for node in ast.walk(told)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }
    inherited = {name for base in kind.__mro__[1:] for name in getattr(base, "SNAPSHOT_FIELDS", ())}
    assert held | inherited == set(kind.SNAPSHOT_FIELDS) | PASSING.get(kind, set()) | (
        {"out"} & held  # every dialect empties it
    )


REMADE: dict[Any, tuple[tuple[str, ...], set[str]]] = {
    ReaderState: (
        ReaderState.SNAPSHOT_FIELDS,
        {
            *("depth", "framing", "lifts", "limits", "strict", "think_tags"),  # options
            *("decoder", "fold", "report", "own_dialect", "replay", "body_chunks"),  # beside the fields
            *("queued_connections", "later_size"),
            *("fault", "raised"),  # then there is no snapshot
            *("announcement", "last_response", "response_size", "hot"),  # what only saves work
            *("joined", "joins_at", "looked", "opening"),
            *("dialect", "fragments"),  # which follow from the dialect
        },
    ),
    Replay: (replay.SNAPSHOT_FIELDS, {"_held", "_replica", "_report", "live"}),
    Reporter: (reporter.SNAPSHOT_FIELDS, {"_decoder", "_fold", "_limit", "_strict", "framed"}),
}
"""The fields that a snapshot keeps, and those that are kept beside them or made anew."""


@pytest.mark.skipif(deltafold.COMPILED, reason="native classes have no `__slots__`")
@pytest.mark.parametrize("kind", REMADE)
def test_every_field_is_kept_or_made_anew(kind: Any) -> None:
    """A new field of what reads a stream is named as one or the other, or no snapshot would know of it."""
    kept, remade = REMADE[kind]
    assert set(kind.__slots__) == {*kept, *remade}
    assert not remade & set(kept)


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {kind.__name__ for kind in STATE_CLASSES}))
def test_every_class_of_the_state(name: str) -> None:
    """Every class that a state may hold comes back equal, field by field."""
    kind = CLASSES[name]
    if attrs.has(kind):
        examples = [example(kind)]
    else:
        examples = list(kind) if issubclass(kind, StrEnum) else [kind("x")]
    for value in examples:
        back = from_json(json.loads(json.dumps(to_json(value))))
        assert type(back) is kind
        assert back == value


def test_class_names_are_unambiguous() -> None:
    """A class is frozen under its own name, and no other class of any module hides behind that."""
    assert len({kind.__name__ for kind in STATE_CLASSES}) == len(STATE_CLASSES)
    modules = [module for module in vars(snapshot).values() if isinstance(module, ModuleType)]
    for module in modules:
        for kind in vars(module).values():
            if isinstance(kind, type) and kind in CLASSES.values():
                assert CLASSES[kind.__name__] is kind
            elif isinstance(kind, type) and attrs.has(kind):
                assert kind.__name__ not in CLASSES


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({MARK: "Nothing"}, KeyError),
        ({MARK: "tuple"}, KeyError),
        ({MARK: "Outcome", "value": "nowhere"}, ValueError),
        ({MARK: "Outcome"}, KeyError),
        ({MARK: "Usage"}, KeyError),
        ({MARK: ["list"]}, TypeError),
        ({MARK: "dict", "items": [[1]]}, ValueError),
        ({MARK: "set", "items": [[]]}, TypeError),
        ({MARK: "tuple", "items": 5}, TypeError),
    ],
)
def test_thaw_refuses_what_was_never_frozen(value: Any, error: type[Exception]) -> None:
    """What `to_json()` never gave raises what is said, and nothing is made up."""
    with pytest.raises(error):
        from_json(value)


# ------------------------------------------------------------------------------------------- the envelope


def test_seal_and_unseal() -> None:
    """The content comes back out of its envelope, through JSON."""
    content = {"a": [1, {"b": "é日🙂"}], "c": 1.5}
    sealed = json.loads(json.dumps(wrap(content)))
    assert sealed["deltafold"] == VERSION
    assert unwrap(sealed) == content


STREAM = Stream(
    "responses",
    (
        {"type": "response.created", "response": {"id": "r", "model": "m"}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "message", "id": "i", "content": []},
        },
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hel"},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "lo"},
        {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}},
    ),
)


def suspended(events: int = 4, **options: Any) -> dict[str, Any]:
    """The snapshot of a parser that has handed out a few events."""
    parser = ResponseParser(**options)
    parser.feed(STREAM.body)
    for _ in range(events):
        parser.next_event()
    return parser.snapshot()


@pytest.mark.parametrize(
    "wrong", [None, 5, "x", [], {}, {"deltafold": None}, {"crc32": 0}, [("deltafold", 1)]]
)
def test_what_is_no_snapshot(wrong: Any) -> None:
    """Anything that is no snapshot is refused."""
    with pytest.raises(UsageError):
        ResponseParser.resume(wrong)


@pytest.mark.parametrize("version", [0, VERSION + 1, "1", None, 99])
def test_another_version(version: Any) -> None:
    """A snapshot of another version is refused, with both versions named."""
    with pytest.raises(UsageError, match=f"version {version}.*version {VERSION}"):
        ResponseParser.resume({**suspended(), "deltafold": version})


def test_every_member_is_checked() -> None:
    """A snapshot with any member changed, missing or added is refused."""
    told = suspended()
    for name in told:
        changed = {**told, name: [told[name]]}
        missing = {key: value for key, value in told.items() if key != name}
        for damaged in (changed, missing):
            with pytest.raises(UsageError):
                ResponseParser.resume(damaged)
    with pytest.raises(UsageError, match="damaged"):
        ResponseParser.resume({**told, "added": 1})


@given(st.data())
def test_a_changed_letter_is_noticed(data: st.DataObject) -> None:
    """A snapshot that was damaged as text is refused, or is no JSON any more, or says what it said."""
    text = json.dumps(suspended())
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.sampled_from('0"{}[]:,x\\')) + text[at + 1 :]
    try:
        told = json.loads(damaged)
    except ValueError:
        return
    if told != json.loads(text):
        with pytest.raises(UsageError):
            ResponseParser.resume(told)


@pytest.mark.parametrize("wrong", [None, 5, "x", [], {}, [[]], {MARK: "nope"}, {MARK: "Usage"}])
def test_a_forged_snapshot(wrong: Any) -> None:
    """A snapshot with a right checksum and members that make no sense is refused as well."""
    told = suspended()
    content = {key: value for key, value in told.items() if key not in ("deltafold", "crc32")}
    for name in ("decoder", "fold", "dialect", "reader"):
        with pytest.raises(UsageError, match="damaged"):
            ResponseParser.resume(wrap({**content, name: wrong}))


def test_a_snapshot_of_a_dialect_that_there_is_not() -> None:
    """It is named."""
    told = {key: value for key, value in suspended().items() if key not in ("deltafold", "crc32")}
    with pytest.raises(UsageError, match="there is no dialect 'morse'"):
        ResponseParser.resume(wrap({**told, "dialect_name": "morse"}))


@pytest.mark.parametrize("wrong", [{"a": object()}, {"a": {1: 2, "b": 3}}, {"a": {1, 2}}])
def test_what_is_no_json(wrong: Any) -> None:
    """A snapshot that holds what JSON does not is refused."""
    with pytest.raises(UsageError, match="damaged"):
        unwrap({"deltafold": VERSION, "crc32": 0, **wrong})


def test_what_is_too_deep() -> None:
    """A snapshot that is nested beyond all measure is refused."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UsageError, match="damaged"):
        unwrap({"deltafold": VERSION, "crc32": 0, "a": deep})
    while deep:  # the interpreter would take it apart by recursion
        deep = deep[0]


# ---------------------------------------------------------------------------------------------- the parser


def test_a_snapshot_is_json_and_stays_as_it_is() -> None:
    """A snapshot is JSON, is not changed by what the parser does later, and can be taken up many times."""
    parser = ResponseParser()
    parser.feed(STREAM.body)
    for _ in range(4):
        parser.next_event()
    told = parser.snapshot()
    text = json.dumps(told, allow_nan=False)
    rest = list(parser.events())
    assert json.dumps(told) == text
    for _ in range(2):
        other = ResponseParser.resume(told)
        assert list(other.events()) == rest
        assert json.dumps(told) == text
        assert other.response == parser.response


def test_resume_keeps_the_options() -> None:
    """Strictness, limits and the tools that need approval are part of the state."""
    limits = Limits(items=3, line_bytes=500_000)
    options: dict[str, Any] = {"strict": True, "limits": limits, "approval_required": {"rm"}}
    told = suspended(2, **options)
    assert ResponseParser.resume(told).snapshot() == told
    for name in options:
        assert suspended(2, **{key: value for key, value in options.items() if key != name}) != told


def test_snapshot_after_a_fault() -> None:
    """Once an exception has surfaced there is nothing to go on from."""
    parser = ResponseParser(limits=Limits(line_bytes=5))
    parser.feed(b"data: x\n\n")
    assert drain(parser, []) is not None
    with pytest.raises(UsageError, match="failed"):
        parser.snapshot()


def test_snapshot_of_a_closed_parser() -> None:
    """That it was closed or cancelled is part of the state."""
    for stop, outcome in (
        (ResponseParser.close, Outcome.TRUNCATED),
        (ResponseParser.cancel, Outcome.CANCELLED),
    ):
        parser = ResponseParser()
        parser.feed(STREAM.frames()[0])
        stop(parser)
        other = ResponseParser.resume(json.loads(json.dumps(parser.snapshot())))
        with pytest.raises(UsageError):
            other.feed(b"x")
        assert [*other.events()][-1].outcome is outcome  # type: ignore[union-attr]


def test_rate_limits_that_wait() -> None:
    """Rate limits that have been read and not yet handed out are part of the state."""
    told = {"type": "codex.rate_limits", "rate_limits": {"primary": {"used_percent": 3}}, "credits": {}}
    parser = ResponseParser()
    parser.feed_payload(told)
    assert not parser.needs_input
    other = ResponseParser.resume(json.loads(json.dumps(parser.snapshot())))
    assert other.next_event() == parser.next_event() == RateLimitsReported(rate_limits_from_event(told), told)


@given(streams())
def test_snapshot_of_a_resumed_parser_is_the_same(stream: Stream) -> None:
    """Suspending and resuming changes nothing that a further snapshot would show."""
    parser = ResponseParser(stream.dialect)
    parser.feed(stream.body)
    for _ in range(len(stream.payloads) // 2):
        parser.next_event()
    told = json.loads(json.dumps(parser.snapshot()))
    assert json.loads(json.dumps(ResponseParser.resume(told).snapshot())) == told


def test_what_is_being_read_is_kept() -> None:
    """An anomaly that is met behind a snapshot quotes the event that it is in."""
    parser = ResponseParser("responses")
    parser.feed(b"data: 5 6\n\n")
    assert parser.next_event() is not None
    parser = ResponseParser.resume(parser.snapshot())
    assert parser.next_event() is not None
    assert [(anomaly.message, anomaly.excerpt) for anomaly in parser.anomalies] == [
        ("2 JSON values in one event", "5 6"),
        ("the payload is int, no object", "5 6"),
        ("the payload is int, no object", "5 6"),
    ]


def test_what_is_kept_of_a_parser_that_is_copied() -> None:
    """Its snapshot, and what its owner has put into it: nothing of its own beside these."""
    parser = ResponseParser("chat")
    assert copy.copy(parser).__reduce__()[2] is None
    made, (snapshot,), more = parser.__reduce__()
    assert repr(made(snapshot)) == repr(parser)
    assert more is None
    parser.note = "mine"  # type: ignore[attr-defined]
    parser.partial_arguments(0)
    assert parser.__reduce__()[2] == {"note": "mine"}
