"""All that is remembered of a stream while it is read: the dialect, the body, what waits, what ended it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from deltafold.arguments.lift import Lift
from deltafold.arguments.lifted_calls import CallLifts
from deltafold.dialects.base import Dialect, Translator
from deltafold.machine.fold import Emitted, Fold
from deltafold.machine.lifecycle import CANCELLED, FINISHED
from deltafold.model.errors import UsageError
from deltafold.model.events import Heartbeat
from deltafold.model.faults import StickyFault
from deltafold.model.limits import Limits
from deltafold.model.response import Outcome, Response
from deltafold.parsing.fast_path import FastPath
from deltafold.parsing.reporter import ReadingStage, Reporter
from deltafold.registry import DIALECTS, part_of
from deltafold.wire.blocks import BlockScanner
from deltafold.wire.body_kind import EVENT_STREAM, Body, Opening
from deltafold.wire.json_text import EVERYWHERE, Paths, RepeatedResponseReader, ReportAnomaly

if TYPE_CHECKING:
    from deltafold.parsing.replay import Replay

__all__ = ["MOST_PIECES", "ReaderState"]

MOST_PIECES: Final = 1024
"""So many chunks of a body are held as they are."""
UNKNOWN: Final[Paths] = frozenset({EVERYWHERE})
"""Where pieces of text stand while nobody knows the dialect."""


class ReaderState:
    """What the reader, and the functions that read for it, know of one stream.

    The functions stand in the files that follow this one in the order of the house; each takes the state.
    """

    SNAPSHOT_FIELDS: Final = (
        "body",
        "bytes_before",
        "closed",
        "cursor",
        "ignore_input",
        "foreign",
        "has_halves",
        "body_size",
        "name",
        "direct_to_decoder",
        "payloads",
        "pending",
        "rest",
        "rest_at",
        "stage",
        "stray",
        "stray_after",
        "dialect_unknown",
        "values",
    )
    """What a snapshot keeps of the reader itself."""
    __slots__ = (
        "announcement",
        "depth",
        "fault",
        "fragments",
        "framing",
        "body_chunks",
        "later_size",
        "queued_connections",
        "joined",
        "joins_at",
        "lifts",
        "limits",
        "looked",
        "opening",
        "own_dialect",
        "raised",
        "replay",
        "last_response",
        "response_size",
        "strict",
        "think_tags",
        "decoder",
        "dialect",
        "fold",
        "hot",
        "report",
        *SNAPSHOT_FIELDS,
    )

    def __init__(
        self,
        dialect: str,
        framing: str,
        strict: bool,
        limits: Limits,
        lifts: tuple[Lift, ...],
        approval_required: frozenset[str],
        think_tags: bool,
    ) -> None:
        self.framing = framing
        self.strict = strict
        self.limits = limits
        self.depth = limits.json_depth
        self.lifts = lifts
        self.think_tags = think_tags
        self.fold = Fold(limits, approval_required)
        self.decoder = BlockScanner(limits=limits)
        self.report = Reporter(self.decoder, self.fold, strict=strict, limit=limits.anomalies)
        self.dialect_unknown = dialect == "auto"
        # What kind of body this is, None while its first bytes do not tell, and those that were held for it.
        self.body: Body | None = None
        self.body_chunks: list[bytes] = []
        self.body_size = 0
        # The first pieces of it were joined already, and at so many the rest is.
        self.joined = 0
        self.joins_at = MOST_PIECES
        # What follows the first value of a body that begins with JSON, and how many pieces were looked at.
        self.opening: Opening | None = None
        self.looked = 0
        # Whether bytes go straight to the decoder: it is an event stream, and nothing has ended it.
        self.direct_to_decoder = False
        self.announcement = RepeatedResponseReader()
        # Payloads that were fed, once there are any: an empty deque takes as much as all else that is idle.
        self.payloads: deque[str] | None = None
        # Values read from the present frame, the next one last, with the name of its event, which is that of
        # the first one; the text of which more are to be read, and from where on; and events that are to be
        # handed out, the next one last.
        self.values: list[Any] | None = None
        self.name = ""
        self.rest, self.rest_at = "", 0
        # Whether the text may have halves of surrogate pairs that is read while nobody knows the dialect.
        self.has_halves = False
        self.pending: list[Emitted] = []
        self.hot = FastPath(self.decoder, self.fold, self.pending)
        # The last sequence number before the present step.
        self.cursor: int | None = None
        self.select_dialect(DIALECTS[0] if self.dialect_unknown else dialect)
        # The response as it was built last, and how much text it held.
        self.last_response: Response | None = None
        self.response_size = 0
        # What ended the reading, and whether the caller has seen it.
        self.fault: StickyFault | None = None
        self.raised = False
        self.closed: Outcome | None = None
        self.stage = ReadingStage.READING
        # What came over each later connection, while an earlier one is being read: bytes, or payloads. And
        # what tells old from new on the present one, where that is not the first.
        self.queued_connections: deque[list[Any]] | None = None
        # Bytes of all of them.
        self.later_size = 0
        self.replay: Replay | None = None
        # What the first event looks like that the dialect did not know, while it knows none; and the last
        # line of the stream that is no field, with the number of events before it.
        self.foreign = ""
        self.stray = ""
        self.stray_after = 0
        # Bytes of the connections before the present one.
        self.bytes_before = 0
        # No exception may follow `ResponseFinished`. If late input exceeds a limit, all further input is
        # ignored.
        self.ignore_input = False

    def dialect_of(self, name: str, fold: Fold, report: ReportAnomaly) -> Dialect:
        """A new dialect of a name, over a fold."""
        lifts = CallLifts(self.lifts, report)
        made: Dialect = part_of(name, "reader").DIALECT(fold, report, lifts)
        made.think_tags = self.think_tags
        return made

    def set_active_dialect(self, dialect: Any) -> None:
        """Payloads go to this dialect from here on, or to the replay that stands before it."""
        self.dialect: Translator = dialect
        self.hot.set_dialect(dialect if isinstance(dialect, Dialect) else None)

    def select_dialect(self, name: str) -> Dialect:
        """The stream is of this dialect. Gives it."""
        dialect = self.own_dialect = self.dialect_of(name, self.fold, self.report)
        self.set_active_dialect(dialect)
        self.fragments: Paths = UNKNOWN if self.dialect_unknown else dialect.fragments
        return dialect

    def refuse_input(self, call: str) -> None:
        """Raises `UsageError`: a call came when none was allowed."""
        if self.closed is not None:
            why = "after " + ("cancel()" if self.closed is CANCELLED else "close()")
        elif self.raised:
            why = "after a failed parse"
        elif self.fold.state is FINISHED and call == "reconnect()":
            why = "after the end of the response"
        else:
            why = "beside the other way of feeding"
        raise UsageError(f"{call} {why}")

    def bytes_of_connection(self) -> int:
        """Bytes of the present connection."""
        framed = self.report.framed
        if framed is not None:
            return framed.bytes_fed
        return self.decoder.bytes_fed if self.body is EVENT_STREAM else self.body_size

    def events_so_far(self) -> int:
        """On the present connection, whatever its framing."""
        report = self.report
        if report.payload_count is not None:
            return report.payload_count
        return self.decoder.event_count if report.framed is None else report.framed.event_count

    def emit_heartbeat(self, event: Heartbeat) -> None:
        """A sign of life, unless the response is over."""
        if not self.dialect.ended:
            self.pending.append(event)
