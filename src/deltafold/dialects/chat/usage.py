"""Usage: counts that come with a chunk, a choice or at the end, and are merged member by member."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.base import MOST_COUNTS, usage_from
from deltafold.dialects.emitter import Emitter
from deltafold.machine import make
from deltafold.model.json_values import copied, has_more_members, weight

__all__ = ["MergedUsage"]

JSON: TypeAlias = dict[str, Any]


class MergedUsage:
    """The usage of one response."""

    SNAPSHOT_FIELDS: Final = ("known", "waits")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self) -> None:
        self.known: JSON = {}
        self.waits = False
        """Whether more is known than was reported."""

    def read(self, emitter: Emitter, sent: Any) -> None:
        """Each report has all counts. What has more of them than any server counts is reported a few times,
        and at the end."""
        if not isinstance(sent, dict):
            return
        more = merge_usage(self.known, sent)
        if more is None:
            return
        if has_more_members(self.known, MOST_COUNTS):
            self.waits = True
            emitter.hold_text(more)
        else:
            emitter.out.append(make.usage_reported(usage_from(copied(self.known))))

    def end(self, emitter: Emitter) -> None:
        """The response ends: what waits is reported."""
        if self.waits:
            emitter.out.append(make.usage_reported(usage_from(copied(self.known))))


def merge_usage(known: JSON, sent: JSON) -> int | None:
    """Lays counts over those known: the last that is sent wins, field by field.

    Gives by how many characters more is known; None where nothing is new.
    """
    more: int | None = None
    for key, value in sent.items():
        before = known.get(key)
        grown: int | None = None
        if isinstance(before, dict) and isinstance(value, dict):
            grown = merge_usage(before, value)
        elif (value is not None or key not in known) and (before != value or key not in known):
            grown = weight(value) - weight(before) if key in known else weight(value) + len(key)
            known[key] = copied(value)
        if grown is not None:
            more = grown + (more or 0)
    return more
