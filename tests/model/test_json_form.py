"""Events as JSON, and back: nothing is lost, and nothing but such a dict is taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given

import runs
from deltafold import (
    Event,
    Heartbeat,
    ItemFinished,
    LiftedDelta,
    RateLimitsReported,
    ReasoningDelta,
    ResponseError,
    ResponseFinished,
    ResponseParser,
    TextDelta,
    UsageError,
    event_from_dict,
    rate_limits_from_headers,
)
from deltafold.model.json_form import CLASS
from deltafold.testing import Stream
from deltafold.testing.strategies import streams
from runs import FIXTURES

PATHS = sorted(FIXTURES.glob("*/*.sse"))


def events_of(body: bytes) -> Iterator[Event]:
    """The events of a body, whatever its wire."""
    parser = ResponseParser()
    parser.feed(body)
    parser.close()
    yield from parser.events()


def check(event: Event) -> None:
    """An event comes back from JSON as it was, down to the fields that do not count when it is compared."""
    told = event.to_dict()
    again = event_from_dict(json.loads(json.dumps(told, allow_nan=False)))
    assert again == event
    assert hash(again) == hash(event)
    assert again.to_dict() == told
    if isinstance(event, ResponseFinished):
        assert isinstance(again, ResponseFinished)
        assert again.response.dialect == event.response.dialect
        assert again.response.anomalies == event.response.anomalies
        assert again.response.to_dict() == event.response.to_dict()
        assert again.response.verdict == event.response.verdict
        assert type(again.outcome) is type(event.outcome)
    if isinstance(event, ItemFinished):
        assert isinstance(again, ItemFinished)
        assert again.item.to_dict() == event.item.to_dict()


@pytest.mark.parametrize("path", PATHS, ids=[f"{path.parent.name}-{path.stem}" for path in PATHS])
def test_every_fixture_comes_back(path: Any) -> None:
    """Every event of every fixture comes back."""
    for event in events_of(path.read_bytes()):
        check(event)


@given(streams())
def test_every_stream_comes_back(stream: Stream) -> None:
    """Every event of streams that are made up comes back."""
    reading = runs.play(stream.body, "auto")
    for event in reading.events:
        check(event)


def test_every_class_is_tried() -> None:
    """The fixtures hold every class of event but one, which only a parser with `lifts` gives."""
    seen = {type(event) for path in PATHS for event in events_of(path.read_bytes())}
    assert set(get_args(Event)) - seen == {LiftedDelta}
    check(LiftedDelta(0, ("a", 1, "b"), "text", "x"))


def test_the_form_of_an_event() -> None:
    """The form is public: a name, a version, and the fields."""
    assert TextDelta(1, 0, "Hi").to_dict() == {
        "event": "TextDelta",
        "deltafold": 1,
        "output_index": 1,
        "content_index": 0,
        "text": "Hi",
        "logprobs": [],
    }


def test_nothing_is_shared() -> None:
    """What is made may be changed: the event does not change with it, nor the dict with what came of it."""
    event = Heartbeat("ping")
    usage = next(e for e in events_of(PATHS[0].read_bytes()) if isinstance(e, ResponseFinished))
    told = usage.to_dict()
    again = event_from_dict(told)
    told["response"]["data"]["metadata"] = "changed"
    told["response"]["output"].clear()
    assert again == usage
    assert event.to_dict() is not event.to_dict()


def test_objects_in_mappings_come_back() -> None:
    """Rate limits by name, which are objects in a mapping."""
    headers = {"x-ratelimit-limit-input-images": "5", "x-ratelimit-remaining-requests": "1"}
    limits = rate_limits_from_headers(headers)
    assert limits is not None
    assert limits.others
    event = RateLimitsReported(limits, {})
    check(event)
    again = event_from_dict(event.to_dict())
    assert isinstance(again, RateLimitsReported)
    assert again.limits == limits
    assert hash(limits) == hash(again.limits)


def test_left_out_members_have_their_defaults() -> None:
    """A member that has a default need not be there."""
    told = {"event": "TextDelta", "deltafold": 1, "output_index": 0, "content_index": 0, "text": "x"}
    assert event_from_dict(told) == TextDelta(0, 0, "x")


GOOD = ReasoningDelta(0, 0, "x", "text").to_dict()
ERROR = {
    "event": "ErrorReported",
    "deltafold": 1,
    "error": {CLASS: "ResponseError", "kind": "timeout", "retry_after": 5},
}
BAD: list[tuple[Any, str]] = [
    ({}, "it has no version"),
    ({"type": "response.created"}, "it has no version"),
    ({**GOOD, "deltafold": True}, "it has no version"),
    ({**GOOD, "deltafold": 2}, "in version 2 of the form; this library reads version 1"),
    ({**GOOD, "event": "Event"}, "there is no event 'Event'"),
    ({**GOOD, "event": ["TextDelta"]}, "there is no event"),
    ({**GOOD, "more": 1}, "ReasoningDelta has no field 'more'"),
    ({key: value for key, value in GOOD.items() if key != "kind"}, "ReasoningDelta.kind is missing"),
    ({**GOOD, "output_index": "0"}, "ReasoningDelta.output_index cannot be '0'"),
    ({**GOOD, "output_index": True}, "ReasoningDelta.output_index cannot be True"),
    ({**GOOD, "text": None}, "ReasoningDelta.text cannot be None"),
    ({**GOOD, "kind": "both"}, "ReasoningDelta.kind cannot be 'both'"),
    ({**ERROR, "error": {"kind": "timeout"}}, "ErrorReported.error cannot be"),
    ({**ERROR, "error": {**ERROR["error"], "kind": "odd"}}, "ErrorReported.error.kind cannot be 'odd'"),
    (
        {"event": "LiftedDelta", "deltafold": 1, "output_index": 0, "path": "a", "into": "text", "text": ""},
        "LiftedDelta.path cannot be 'a'",
    ),
    ({"event": "Notice", "deltafold": 1, "type": "x", "payload": []}, "Notice.payload cannot be []"),
    (
        {"event": "LiftedDelta", "deltafold": 1, "output_index": 0, "path": ["a", 1.5], "into": "text"},
        "LiftedDelta.path[1] cannot be 1.5",
    ),
]


@pytest.mark.parametrize(("told", "why"), BAD, ids=[why for _, why in BAD])
def test_what_is_no_such_dict(told: Any, why: str) -> None:
    """Whatever is not as `to_dict()` tells it is refused, and the message says where."""
    with pytest.raises(UsageError) as caught:
        event_from_dict(told)
    assert why in str(caught.value)


def test_what_is_no_mapping() -> None:
    """What is no mapping is the wrong type."""
    for wrong in (None, "x", [GOOD], TextDelta(0, 0, "x")):
        with pytest.raises(TypeError, match="a mapping"):
            event_from_dict(wrong)  # type: ignore[arg-type]


def test_whole_numbers_may_stand_for_others() -> None:
    """JSON of other languages has no 5.0."""
    event = event_from_dict(ERROR)
    assert event.error == ResponseError(event.error.kind, retry_after=5.0)  # type: ignore[union-attr]


def test_the_name_of_the_class_is_no_field() -> None:
    """No class of an event, or inside of one, has a field that its form uses for itself."""
    for kind in get_args(Event):
        assert not {field.name for field in attrs.fields(kind)} & {CLASS, "event", "deltafold"}
