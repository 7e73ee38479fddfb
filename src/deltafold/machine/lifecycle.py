"""The life cycles of a response, its items and their parts, as tables.

The rules of this file:

1. Everything that says which event may follow which is here, and nothing else is.
2. This file does not know which provider spoke, nor in which dialect.
3. The tables are data: state, then event class, then the next state. They are total over the states, and an
   event class that a row does not name is impossible there. The dialects keep to that, whatever the wire
   brings; the fold takes every event through these tables before it hands it out.
4. What no table can say stands below them, each rule once.

An embedder may rely on them as on a grammar: no fragment without its item, no item before the response, one
end, and nothing after it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from deltafold.model import events as e
from deltafold.model.errors import DeltafoldError
from deltafold.model.response import Outcome

__all__ = [
    "ITEM_TRANSITIONS",
    "PART_TRANSITIONS",
    "RESPONSE_TRANSITIONS",
    "IllegalEvent",
    "ItemState",
    "PartState",
    "ResponseState",
    "next_state",
]


class ResponseState(StrEnum):
    """Where a response is in its life."""

    __hash__ = str.__hash__  # that of Enum is written in Python

    IDLE = "idle"
    """Nothing of the response has come."""
    IN_PROGRESS = "in_progress"
    FAILING = "failing"
    """The provider reported a failure. Its fuller cause, or the response as far as it got, may still come."""
    FINISHED = "finished"


class ItemState(StrEnum):
    """Where an item is in its life."""

    __hash__ = str.__hash__  # that of Enum is written in Python

    ABSENT = "absent"
    OPEN = "open"
    DONE = "done"
    """The item was sent whole. The end of the response may still add to it or correct it."""


class PartState(StrEnum):
    """Where a part is in its life."""

    __hash__ = str.__hash__  # that of Enum is written in Python

    ABSENT = "absent"
    OPEN = "open"
    DONE = "done"
    """The part was sent whole. The end of the item or response may still add to it or correct it."""


class IllegalEvent(DeltafoldError):
    """A dialect made an event that its life cycle does not allow: a bug of this library."""


IDLE: Final = ResponseState.IDLE
IN_PROGRESS: Final = ResponseState.IN_PROGRESS
FAILING: Final = ResponseState.FAILING
FINISHED: Final = ResponseState.FINISHED
COMPLETED: Final = Outcome.COMPLETED
INCOMPLETE: Final = Outcome.INCOMPLETE
FAILED: Final = Outcome.FAILED
CANCELLED: Final = Outcome.CANCELLED
TRUNCATED: Final = Outcome.TRUNCATED
ITEM_ABSENT: Final = ItemState.ABSENT
ITEM_OPEN: Final = ItemState.OPEN
ITEM_DONE: Final = ItemState.DONE
PART_ABSENT: Final = PartState.ABSENT
PART_OPEN: Final = PartState.OPEN
PART_DONE: Final = PartState.DONE

STREAM_EVENTS: Final = (e.Heartbeat, e.Notice, e.UnknownEvent, e.RateLimitsReported)
"""Events that belong to the stream, not to the response."""

ITEM_VALUES: Final = (
    e.ArgumentsDelta,
    e.LiftedDelta,
    e.CodeDelta,
    e.DiffDelta,
    e.CommandDelta,
    e.CommandOutputDelta,
    e.OutputDelta,
)
PART_VALUES: Final = (e.TextDelta, e.RefusalDelta, e.ReasoningDelta)
VALUE_EVENTS: Final = (e.ValueReplaced, e.ValueFinished)
BOUNDARY_EVENTS: Final = (
    e.ItemStarted,
    e.ItemUpdated,
    e.ItemProgress,
    e.ItemFinished,
    e.PartStarted,
    e.PartFinished,
)
"""What becomes of an item or part as a whole."""
GROWTH: Final = (
    e.ItemUpdated,
    e.ItemProgress,
    e.PartStarted,
    e.PartFinished,
    *ITEM_VALUES,
    *PART_VALUES,
    *VALUE_EVENTS,
    e.AnnotationAdded,
    e.PartialImage,
)
"""What may come for an item that has begun, be it done: its parts, its values, and what corrects them."""
ITEM_EVENTS: Final = (e.ItemStarted, e.ItemFinished, *GROWTH)
RESPONSE_EVENTS: Final = (e.StatusChanged, e.ChoiceUpdated, e.UsageReported, e.AudioDelta, e.TranscriptDelta)

RESPONSE_TRANSITIONS: Final[dict[ResponseState, dict[type, ResponseState]]] = {
    IDLE: {
        **dict.fromkeys(STREAM_EVENTS, IDLE),
        e.ResponseStarted: IN_PROGRESS,
        e.ErrorReported: FAILING,
        e.ResponseFinished: FINISHED,
    },
    IN_PROGRESS: {
        **dict.fromkeys(STREAM_EVENTS + RESPONSE_EVENTS + ITEM_EVENTS, IN_PROGRESS),
        e.ErrorReported: FAILING,
        e.ResponseFinished: FINISHED,
    },
    FAILING: {
        **dict.fromkeys(STREAM_EVENTS + RESPONSE_EVENTS + ITEM_EVENTS, FAILING),
        e.ResponseStarted: FAILING,
        e.ErrorReported: FAILING,
        e.ResponseFinished: FINISHED,
    },
    FINISHED: {},
}

ITEM_TRANSITIONS: Final[dict[ItemState, dict[type, ItemState]]] = {
    ITEM_ABSENT: {e.ItemStarted: ITEM_OPEN},
    ITEM_OPEN: {
        **dict.fromkeys(GROWTH, ITEM_OPEN),
        e.ItemFinished: ITEM_DONE,
    },
    ITEM_DONE: dict.fromkeys(GROWTH, ITEM_DONE),
}

PART_TRANSITIONS: Final[dict[PartState, dict[type, PartState]]] = {
    PART_ABSENT: {e.PartStarted: PART_OPEN},
    PART_OPEN: {
        **dict.fromkeys((*PART_VALUES, *VALUE_EVENTS, e.AnnotationAdded), PART_OPEN),
        e.PartFinished: PART_DONE,
    },
    PART_DONE: dict.fromkeys((*PART_VALUES, *VALUE_EVENTS, e.AnnotationAdded), PART_DONE),
}


def next_state(table: dict[Any, dict[type, Any]], state: Any, event: type) -> Any:
    """The state after an event. Raises `IllegalEvent`, here and nowhere else."""
    try:
        return table[state][event]
    except KeyError:
        raise IllegalEvent(f"{event.__name__} cannot come while {type(state).__name__} is {state}") from None


# When the server sent the end, items that are still open end with it, and so do their values. When the
# transport or the caller ended the stream, or the response failed, they stay as they were.
ITEM_STATUS_AT_END: Final[dict[Outcome, str | None]] = {
    COMPLETED: "completed",
    INCOMPLETE: "incomplete",
    FAILED: None,
    CANCELLED: None,
    TRUNCATED: None,
}
