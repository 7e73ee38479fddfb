"""Signs of life: what an event says of whether the server is still at work.

This library reads no clock. Whoever owns one may start it anew at each event of the kind it trusts.
"""

from __future__ import annotations

from enum import StrEnum

from deltafold.machine import lifecycle as state
from deltafold.model import events as e

__all__ = ["Sign", "sign_of"]


class Sign(StrEnum):
    """What an event is a sign of. Each kind says more than the one before it."""

    LIFE = "life"
    """Somebody holds the connection open, be it a proxy: heartbeats, notices, events that nobody knows."""
    PROGRESS = "progress"
    """The server is at work on the response: its status, items and parts that begin and end, usage."""
    CONTENT = "content"
    """A piece of the answer itself has come, or its end."""


CONTENT = (
    *state.PART_VALUES,
    *state.ITEM_VALUES,
    e.ValueReplaced,
    e.AnnotationAdded,
    e.PartialImage,
    e.AudioDelta,
    e.TranscriptDelta,
    e.ErrorReported,
    e.ResponseFinished,
)
PROGRESS = (
    e.ResponseStarted,
    e.StatusChanged,
    e.ChoiceUpdated,
    e.UsageReported,
    *state.BOUNDARY_EVENTS,
    e.ValueFinished,
)
STREAM_EVENTS: dict[type, Sign] = {
    **dict.fromkeys(state.STREAM_EVENTS, Sign.LIFE),
    **dict.fromkeys(PROGRESS, Sign.PROGRESS),
    **dict.fromkeys(CONTENT, Sign.CONTENT),
}


def sign_of(event: e.Event) -> Sign:
    """What an event is a sign of. It depends on the event's class alone."""
    return STREAM_EVENTS[type(event)]
