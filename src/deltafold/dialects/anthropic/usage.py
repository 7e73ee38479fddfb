"""Usage: totals, member by member, that come with several events of a message.

What the members mean, and the counts of Bedrock's metrics, is in the table.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.anthropic.table import COUNTS, NUMBERS, metered, usage_from
from deltafold.dialects.base import MOST_COUNTS
from deltafold.dialects.emitter import Emitter
from deltafold.machine import make
from deltafold.model.json_values import copied, weight, whole_number

__all__ = ["UsageTotals"]

JSON: TypeAlias = dict[str, Any]


class UsageTotals:
    """The usage of one message."""

    SNAPSHOT_FIELDS: Final = ("known",)
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self) -> None:
        self.known: JSON = {}

    def read(self, emitter: Emitter, sent: Any) -> None:
        """The last count that is not null takes the place of the one before."""
        if sent is None:
            return
        if not isinstance(sent, dict):
            emitter.report_invalid("usage", sent)
            return
        known, changed = self.known, False
        for key, value in sent.items():
            if key in NUMBERS and value is not None and whole_number(value) is None:
                emitter.report_invalid(key, value)
                continue
            if key not in known or (value is not None and known[key] != value):
                if len(known) > MOST_COUNTS:
                    emitter.hold_text(len(key) + weight(value) - weight(known.get(key)))
                known[key] = copied(value)
                changed = True
        if changed:
            self._report(emitter, whole=len(known) <= MOST_COUNTS)

    def read_metrics(self, emitter: Emitter, metrics: Any) -> None:
        """Bedrock's metrics, which repeat the totals: they count where nothing else does."""
        if not self.known and isinstance(metrics, dict):
            self.read(emitter, metered(metrics))

    def end(self, emitter: Emitter) -> None:
        """The message ends: what was not handed out of very many members is."""
        if len(self.known) > MOST_COUNTS:
            self._report(emitter, whole=True)

    def _report(self, emitter: Emitter, *, whole: bool) -> None:
        """Hands out all that is known of the usage; of very many members the known ones, until the end."""
        known = self.known
        sent: JSON = dict(known) if whole else {key: known[key] for key in COUNTS if key in known}
        emitter.out.append(make.usage_reported(usage_from(sent)))
