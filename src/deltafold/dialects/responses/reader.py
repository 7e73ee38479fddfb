"""The Responses API: api.openai.com, Azure, the ChatGPT backend, and whoever follows Open Responses.

The types are those of the API reference ("Streaming events") and of the Open Responses specification, and
what servers were seen to send beside them. Nothing is required of an event beyond its type.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias, cast

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.diagnosis.error_payloads import error_from_payload, is_error_payload
from deltafold.dialects.base import Dialect, error_field_of, usage_from
from deltafold.dialects.claims import TYPES, dialect_of
from deltafold.machine.evidence import (
    as_part,
    close_item,
    is_refusal,
    reconcile_as_streamed,
    reconcile_item,
    reconcile_no_arguments,
    reconcile_part,
    reconcile_value,
)
from deltafold.machine.fold import Fold, PendingFinish
from deltafold.machine.lifecycle import (
    CANCELLED,
    COMPLETED,
    FAILED,
    INCOMPLETE,
    ITEM_DONE,
    ITEM_OPEN,
    ITEM_STATUS_AT_END,
    PART_OPEN,
    TRUNCATED,
)
from deltafold.machine.records import ItemRecord, StreamedValue, arguments_key, empty, merge_fields
from deltafold.machine.values import GROUPS, ITEM_VALUES, ValuePath, delta_of, find
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, LimitExceeded, ResponseError
from deltafold.model.json_values import copied, string, weight
from deltafold.model.response import Outcome
from deltafold.wire.json_text import (
    Paths,
    ReportAnomaly,
    join_halves,
    join_surrogates,
    replace_lone_surrogates,
)

__all__ = ["ResponsesDialect"]

JSON: TypeAlias = dict[str, Any]


class ValueWire:
    """How the wire streams one kind of value."""

    __slots__ = ("index", "item_type", "key", "kind", "told")

    def __init__(self, kind: e.ValueKind, item_type: str, told: str, key: ValuePath, index: str = "") -> None:
        self.kind: e.ValueKind = kind
        self.item_type = item_type
        """The type of the item, where it was not announced."""
        self.told = told
        """The member of the `done` event that holds the whole value."""
        self.key: ValuePath = key
        """Where it stands in its item. A -1 is the part's or command's index."""
        self.index = index
        """The member that holds that index."""


TEXT: Final = ValueWire("text", "message", "text", ("content", -1, "text"), "content_index")
REFUSAL: Final = ValueWire("refusal", "message", "refusal", ("content", -1, "refusal"), "content_index")
SUMMARY: Final = ValueWire("summary", "reasoning", "text", ("summary", -1, "text"), "summary_index")
REASONING: Final = ValueWire("reasoning", "reasoning", "text", ("content", -1, "text"), "content_index")
COMMAND: Final = ValueWire("command", "shell_call", "command", ("action", "commands", -1), "command_index")

STREAMED: Final = {
    "response.output_text": TEXT,
    "response.refusal": REFUSAL,
    "response.reasoning_summary_text": SUMMARY,
    "response.reasoning_summary": SUMMARY,
    "response.reasoning_text": REASONING,
    "response.reasoning": REASONING,  # Open Responses, schema/events.tsp
    "response.content_part": TEXT,  # only its delta: {"type": "text_delta", "text"}, ChatGPT backend
    "response.function_call_arguments": ValueWire("arguments", "function_call", "arguments", ("arguments",)),
    "response.mcp_call_arguments": ValueWire("arguments", "mcp_call", "arguments", ("arguments",)),
    "response.custom_tool_call_input": ValueWire("arguments", "custom_tool_call", "input", ("input",)),
    "response.code_interpreter_call_code": ValueWire("code", "code_interpreter_call", "code", ("code",)),
    "response.apply_patch_call_operation_diff": ValueWire(
        "diff", "apply_patch_call", "diff", ("operation", "diff")
    ),
    "response.shell_call_command": COMMAND,
    "response.mcp_call_output": ValueWire("output", "mcp_call", "output", ("output",)),  # xAI
}

PROGRESS: Final = {
    f"response.{tool}.{status}": (tool, status)
    for tool, statuses in {
        "web_search_call": "in_progress searching completed failed",
        "file_search_call": "in_progress searching completed failed",
        "image_generation_call": "in_progress generating completed failed",
        "code_interpreter_call": "in_progress interpreting executing completed failed",
        "mcp_call": "in_progress executing completed failed",
        "mcp_list_tools": "in_progress completed failed",
        "computer_call": "in_progress completed",
        "shell_call": "in_progress completed",
        "x_search_call": "in_progress searching completed",  # xAI
        "code_execution_call": "in_progress executing completed",  # xAI
        "compaction": "compacting",
    }.items()
    for status in statuses.split()
}
"""Types that tell nothing but how far a hosted tool is, with its item type and that status."""

HEARTBEATS: Final = ("keepalive", "ping", "response.keep_alive", "response.keepalive")
NOTICES: Final = (
    "response.metadata",
    "codex.response.metadata",
    "responsesapi.websocket_timing",
    "response.steer.accepted",
    "response.steer.pending",
    "response.steer.failed",
)

TERMINALS: Final = {
    "response.completed": COMPLETED,
    "response.done": COMPLETED,  # ChatGPT backend and xAI, in place of response.completed
    "response.incomplete": INCOMPLETE,
    "response.failed": FAILED,
    "response.cancelled": CANCELLED,
}
ERRORS: Final = ("error", "response.error")
CONNECTION_EVENTS: Final = {*ERRORS, "codex.rate_limits"}
NOT_RISING: Final = AnomalyCode.SEQUENCE_NOT_RISING
DELTAS: Final = {
    *(f"{kind}.delta" for kind in STREAMED),
    "response.shell_call_output_content.delta",
    "response.audio.delta",
    "response.audio.transcript.delta",
}
"""Types of which the `delta` is a piece of something longer."""
MANY_ANNOUNCEMENTS: Final = 32
ALLOWED_AFTER_FAILURE: Final = {"error", "response.failed", *HEARTBEATS}
"""What may follow a failure: its true cause, and signs of life."""
LIFE_CYCLE: Final = {"response.created", "response.queued", "response.in_progress", *TERMINALS}


class ResponsesDialect(Dialect):
    """Translates the payloads of one stream."""

    name = "responses"
    fragments: ClassVar[Paths] = frozenset({("delta",), ("delta", "stdout"), ("delta", "stderr")})
    """Where pieces of a longer text stand."""
    heartbeats: ClassVar[frozenset[str]] = frozenset(HEARTBEATS)
    resets: ClassVar[frozenset[str]] = frozenset({"response.in_progress", "response.queued"})

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        *Dialect.SNAPSHOT_FIELDS,
        "ending",
        "told_by_error",
        "failed_for_good",
        "index_by_wire_index",
        "index_by_id",
        "indexes",
        "top",
        "latest_by_type",
        "implicit_items",
        "unannounced_parts",
        "announced_text",
        "again",
        "announcements",
    )
    __slots__ = ("new_records", "listed", *SNAPSHOT_FIELDS[len(Dialect.SNAPSHOT_FIELDS) :])

    def __init__(
        self, fold: Fold, report: ReportAnomaly, lifts: CallLifts, *, think_tags: bool = False
    ) -> None:
        super().__init__(fold, report, lifts, think_tags=think_tags)
        self.ending: PendingFinish | None = None
        """The end of a failed response, held back for one event: its true cause may follow."""
        self.told_by_error = False
        self.failed_for_good = False
        """Whether nothing can follow the failure: neither a terminal event nor its cause."""

        # Identity: `output_index` is the key, ids are aliases.
        self.index_by_wire_index: dict[int, int] = {}
        """The wire's index, and ours. They differ only where a server uses one index for two items."""
        self.index_by_id: dict[str, int] = {}
        """Item ids and call ids, and whose they are."""
        self.indexes: set[int] = set()
        self.top = -1
        """The greatest of them."""
        self.latest_by_type: dict[str, list[int]] = {}
        """For each type that was looked for what `_latest()` knows of its items."""
        self.implicit_items: set[int] = set()
        self.unannounced_parts: set[tuple[int, str, int]] = set()
        self.announced_text: dict[tuple[int, ValuePath], str] = {}
        """Text that came with an announcement. Deltas tell it again, or continue it."""
        self.again: dict[tuple[int, ValuePath], int] = {}
        """How much of a value came again after it had been told whole, `WENT_ON` where it went on."""

        self.listed: dict[tuple[int, int], tuple[list[Any], set[str]]] = {}
        """The annotations that parts were told with, as text: made anew where they are not here."""
        self.announcements: dict[int, int] = {}
        """How often items were announced again with new fields."""
        self.new_records: dict[int, ItemRecord] = {}
        """The records of items that begin with the present payload."""

    # ---------------------------------------------------------------------------------------- the parser

    def translate(self, payload: JSON, name: str) -> list[Any]:
        """The events of one payload. `name` is the SSE event name, "" where there is none."""
        self.out = []
        if self.new_records:
            self.new_records = {}
        kind = name if name and payload.get("type") == name else self._type(payload, name)
        last = self.last_sequence_number
        number = payload.get("sequence_number")
        if last is not None and type(number) is int and number == last + 1:
            self.last_sequence_number = number
        elif number is not None:
            if self.last_number_before_reconnect is not None and self._was_told(number, kind):
                return self.out
            self._sequence(number)
        self._handle(payload, kind)
        return self.out

    def _handle(self, payload: JSON, kind: str) -> None:
        """Nothing follows the end, and little a failure."""
        if self.ended:
            self._after_end(kind)
            return
        if self.ending is not None and kind not in ALLOWED_AFTER_FAILURE:
            self._finish()
            self._after_end(kind)
            return
        if "delta" in payload and kind not in DELTAS:
            # No fragment, so that no other half of a pair can follow.
            payload = {
                **payload,
                "delta": replace_lone_surrogates(payload["delta"], self.report, frozenset()),
            }
        HANDLERS.get(kind, ResponsesDialect._other)(self, payload, kind)

    def text_path(self, payload: JSON, event: Any) -> tuple[tuple[str], None] | None:
        """Where the text of an event stands in the payload that made it.

        Only if payloads that differ in nothing else make events that differ in nothing else.
        """
        if self.pending_surrogates or payload.get("delta") != event.text:
            return None
        if self.lifts.declared and isinstance(event, e.ArgumentsDelta):
            return None
        # What names the item has to name it for good: what nobody is called by may yet be another item's.
        place = payload.get("output_index")
        owners = (
            [] if place is None else [self.index_by_wire_index.get(place) if type(place) is int else None]
        )
        owners += [self.index_by_id.get(ident) for ident in ids_of(payload)]
        return (("delta",), None) if owners and owners == [event.output_index] * len(owners) else None

    def handle_done(self) -> list[Any]:
        """`[DONE]` came."""
        self._clear()
        if self.ending is not None:
            self._finish()
        elif not self.ended:
            self.report_once(
                AnomalyCode.DONE_BEFORE_TERMINAL, None, "[DONE] came, and the response has no end"
            )
        return self.out

    @property
    def is_failing(self) -> bool:
        """Whether the response has failed, its end was not told yet, and nothing can follow but the end."""
        return self.ending is not None and self.failed_for_good

    def end(self, outcome: Outcome) -> list[Any]:
        """The transport ended, or the caller gave up. Nothing where the end had been told."""
        self._clear()
        if self.ending is not None:
            self._finish()
        elif not self.ended:
            if outcome is TRUNCATED:
                self.report(AnomalyCode.MISSING_TERMINAL, "the transport ended before the response did")
            self._close(PendingFinish(outcome))
        return self.out

    def reject_body(self, error: ResponseError) -> list[Any]:
        """The stream is none of this dialect."""
        self._clear()
        if self.ending is not None:
            self._finish()
        elif not self.ended:
            self.out.append(e.ErrorReported(error))
            self._close(PendingFinish(FAILED, {"status": "failed"}))
        return self.out

    def translate_body(self, payload: JSON) -> list[Any]:
        """A whole body that is one JSON object."""
        self._clear()
        kind = self._type(payload, "")
        self.reported.add((AnomalyCode.TYPE_MISSING, None))
        self._handle(payload, kind)
        return self.out

    def was_seen(self, payload: JSON, name: str) -> bool | None:
        """Whether a payload that comes over another connection had come before, by its number.

        None where numbers do not tell: there is none, or those before did not rise. The end of a response is
        never old, whatever its number: whoever had seen it would not have asked again.
        """
        number, last = payload.get("sequence_number"), self.last_sequence_number
        if last is None or (NOT_RISING, None) in self.reported:
            return None
        kind = string(payload, "type") or name
        if self.ending is None and (kind in TERMINALS or kind in ERRORS):
            return False
        if type(number) is not int and kind in ERRORS:
            return self.fold.error is not None and self.fold.error.raw == payload
        if type(number) is not int or (number == last == 0):  # a server may number all its events 0
            return None
        return number <= last

    def number_of(self, payload: JSON) -> Any:
        """What a payload says is its number in the stream."""
        return payload.get("sequence_number")

    def response_of(self, payload: JSON) -> JSON | None:
        """The response object of a life cycle event."""
        told = payload.get("response")
        return told if isinstance(told, dict) else None

    def has_begun(self) -> bool:
        """Whether anything of the response has come, be it its failure."""
        return self.started or self.ended or self.ending is not None

    def _was_told(self, number: Any, kind: str) -> bool:
        """Whether a connection that had come to new events goes back to old ones."""
        old = (
            type(number) is int
            and self.last_number_before_reconnect is not None
            and number <= self.last_number_before_reconnect
        )
        return old and kind not in TERMINALS and kind not in ERRORS

    def can_begin(self, payload: JSON, name: str) -> bool | None:
        """Whether a response may begin with a payload; None where that belongs to no response."""
        kind = string(payload, "type") or name
        if kind in LIFE_CYCLE or (not kind and payload.get("object") == "response"):
            return True
        return False if (kind in HANDLERS or kind in PROGRESS) and kind not in CONNECTION_EVENTS else None

    # ----------------------------------------------------------------------------------------- one event

    def _clear(self) -> None:
        self.out = []
        self.new_records = {}

    def _type(self, payload: JSON, name: str) -> str:
        kind = payload.get("type")
        if isinstance(kind, str) and kind:
            if name and name != kind:
                self.report_once(
                    AnomalyCode.EVENT_NAME_DIFFERS, None, f"event {name[:40]!r} has type {kind[:40]!r}"
                )
            if payload.get("object") == "error":
                return "error"  # vLLM: the type is that of the error
            return kind
        if name:
            self.report_once(AnomalyCode.TYPE_ONLY_IN_EVENT_NAME, None, f"no type in event {name[:40]!r}")
            return name
        if is_error_payload(payload):
            return "error"
        if payload.get("object") == "response" or (payload.get("output") and payload.get("status")):
            return WHOLE_RESPONSE
        if "choices" in payload or payload.get("object") == "chat.completion.chunk":
            return CHAT_CHUNK
        self.report_once(AnomalyCode.TYPE_MISSING, None, f"no type among {', '.join(payload)[:80]}")
        return ""

    def _sequence(self, number: Any) -> None:
        """A sequence number that is not just the next one."""
        if not isinstance(number, int) or isinstance(number, bool):
            return
        last = self.last_sequence_number
        if last is not None and number <= last:
            self.report_once(NOT_RISING, None, f"{number} came after {last}")
            return
        if number > (0 if last is None else last + 1):
            if last is not None:
                missing = f"{last + 1}" if number == last + 2 else f"{last + 1} to {number - 1}"
                self.report(AnomalyCode.SEQUENCE_GAP, f"{last} is followed by {number}; missing: {missing}")
            elif number > 1:
                told = f"the stream begins with {number}: all before it is missing"
                self.report(AnomalyCode.SEQUENCE_GAP, told)
        self.last_sequence_number = number

    def _after_end(self, kind: str) -> None:
        if kind in TERMINALS or kind == WHOLE_RESPONSE:
            self.report(AnomalyCode.TERMINAL_REPEATED, f"{kind.removeprefix(NO_TYPE)} came after the end")
        elif kind not in HEARTBEATS:
            # What is remembered of them is bounded: after the end no limit counts what comes.
            known = kind if kind in HANDLERS or kind in PROGRESS else None
            what = kind.removeprefix(NO_TYPE)[:60]
            self.report_once(AnomalyCode.EVENT_AFTER_END, known, f"{what} came after the end")

    def _other(self, payload: JSON, kind: str) -> None:
        """Types without a handler of their own."""
        if kind in PROGRESS:
            item_type, status = PROGRESS[kind]
            record = self._find_or_begin(payload, item_type)
            if record.state is not ITEM_DONE:
                self.out.append(e.ItemProgress(record.index, status))
        elif kind in HEARTBEATS:
            self.out.append(e.Heartbeat(kind))
        elif kind in NOTICES:
            self.out.append(e.Notice(kind, payload))
        elif (not kind or kind in TYPES or kind == "message") and dialect_of(payload, kind) is not None:
            self._wrong_dialect(payload, kind)
        else:
            self.out.append(e.UnknownEvent(kind, payload))

    # -------------------------------------------------------------------------------------- the response

    def _snapshot(self, payload: JSON, kind: str) -> JSON:
        """The response object of a life cycle event."""
        response = payload.get("response")
        if isinstance(response, dict):
            return response
        if payload.get("object") == "response" or "output" in payload or "usage" in payload:
            # `event: response.completed` with the response itself as data: proxies of the SAP AI core kind.
            if kind != WHOLE_RESPONSE:
                self.report_once(AnomalyCode.RESPONSE_NOT_NESTED, None, f"{kind} holds the response itself")
            return {k: v for k, v in payload.items() if k not in ("type", "sequence_number")}
        if response is not None:
            self.report_once(AnomalyCode.INVALID_FIELD, "response", "response is no object")
        return {}

    def _start(self, data: JSON | None = None, *, announced: bool = False) -> None:
        """The response begins, whatever began it."""
        if self.started:
            return
        self.started = True
        if not announced:
            self.report(AnomalyCode.RESPONSE_NOT_ANNOUNCED, "the response began without response.created")
        self.announce(without_output(data or {}))

    def _announce(self, payload: JSON, kind: str) -> None:
        """response.created, response.queued, response.in_progress."""
        response = self._snapshot(payload, kind)
        self._check_response_id(response)
        if not self.started:
            self._start(response, announced=kind == "response.created")
        elif kind == "response.created":
            self.report_once(AnomalyCode.ANNOUNCED_TWICE, None, "response.created came again")
        if kind != "response.created" or self.out == []:
            status = response.get("status", kind.removeprefix("response."))
            data = without_output(response)
            self.out.append(e.StatusChanged(status if isinstance(status, str) else None, data))
        self._usage(response)
        output = response.get("output")
        if isinstance(output, list) and output:
            # A stream that is taken up again may begin with a fuller snapshot.
            self._settle_output(output, whole=False)

    def _check_response_id(self, response: JSON) -> None:
        known, told = self.fold.data.get("id"), response.get("id")
        if isinstance(known, str) and isinstance(told, str) and known != told:
            self.report_once(AnomalyCode.RESPONSE_ID_CHANGED, None, f"{known[:40]} became {told[:40]}")

    def _usage(self, response: JSON) -> None:
        usage = response.get("usage")
        if isinstance(usage, dict) and usage:
            self.out.append(e.UsageReported(usage_from(usage)))

    def _whole_response(self, payload: JSON, kind: str) -> None:
        """A response object that is no event: the body of a request that did not stream."""
        status = payload.get("status")
        if status in ("queued", "in_progress"):
            self._start(payload, announced=True)
            self._settle_output(payload.get("output"), whole=False)
        else:
            self._terminal(payload, kind)

    def _terminal(self, payload: JSON, kind: str) -> None:
        response = self._snapshot(payload, kind)
        outcome = self._outcome(response, kind)
        self._check_response_id(response)
        self._start(response, announced=kind == WHOLE_RESPONSE)
        order = self._settle_output(response.get("output"), whole=True)
        self._usage(response)
        data = without_output(response)
        data.setdefault("status", str(outcome))
        if outcome is FAILED:
            self._failed(response, data, order)
        else:
            self._close(PendingFinish(outcome, data, order, by_server=True))

    def _outcome(self, response: JSON, kind: str) -> Outcome:
        outcome = TERMINALS.get(kind, COMPLETED)
        status = response.get("status")
        told = OUTCOMES.get(status) if isinstance(status, str) else None
        if told is None or told is outcome:
            return outcome
        if kind not in ("response.done", WHOLE_RESPONSE):
            self.report(AnomalyCode.STATUS_CONTRADICTED, f"{kind} has status {status}")
        return told if outcome is COMPLETED else outcome

    def _failed(self, response: JSON, data: JSON, order: list[int] | None) -> None:
        """The end of a failed response is held back for one event: some servers tell the cause after it."""
        error = error_from_payload(response)
        if not self.told_by_error or (
            self.fold.error is not None and self.fold.error.kind is ErrorKind.UNKNOWN
        ):
            self.out.append(e.ErrorReported(error))
        elif self.ending is not None and empty(data.get("error")):
            data["error"] = self.ending.data.get("error")
        self.ending = PendingFinish(FAILED, data, order, by_server=True)
        self.failed_for_good = self.told_by_error or not empty(response.get("error"))

    def _error(self, payload: JSON, kind: str) -> None:
        error = error_from_payload(payload)
        if self.ending is None:
            self.told_by_error = True
            # An error in the form of a WebSocket has a status beside it. It stands for the response, and so
            # does one that comes before any response; else `response.failed` follows it.
            beside = payload.get("status"), payload.get("status_code")
            self.failed_for_good = not self.started or beside != (None, None)
            self.out.append(e.ErrorReported(error))
            self.ending = PendingFinish(FAILED, {"status": "failed", "error": error_field_of(payload, error)})
            return
        self.report(AnomalyCode.ERROR_AFTER_FAILURE, "an error came after the response had failed")
        if error.kind is not ErrorKind.UNKNOWN:
            self.out.append(e.ErrorReported(error))
        self._finish()

    def _wrong_dialect(self, payload: JSON, kind: str) -> None:
        found = dialect_of(payload, kind.removeprefix(NO_TYPE)) or "chat"
        what = "a Chat Completions chunk" if found == "chat" else kind[:60] or "a payload of another API"
        message = f"{what} came where a Responses stream was expected: use dialect={found!r}"
        self.refuse_dialect(payload, message)
        self._close(PendingFinish(FAILED, {"status": "failed"}))

    def _finish(self) -> None:
        assert self.ending is not None
        ending, self.ending = self.ending, None
        self._close(ending)

    def _close(self, ending: PendingFinish) -> None:
        """What ends with the response, and its end."""
        if self.pending_surrogates.pop(TRANSCRIPT, None) is not None:
            self.report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a transcript")
            self.out.append(e.TranscriptDelta("\ufffd"))
        status = ITEM_STATUS_AT_END[ending.outcome]
        opened = [record for record in self.fold.items.values() if record.state is ITEM_OPEN]
        if opened:
            told = {event.output_index for event in self.out if isinstance(event, e.ItemFinished)}
            for record in opened:
                if record.index not in told:
                    self._close_item(record, status)
        self.ended = True
        self.out.append(ending)

    def _close_item(self, record: ItemRecord, status: str | None) -> None:
        """An item that was never told whole, with the text that was held back for it."""
        more = {}
        for key, value in record.values.items():
            if not value.is_complete:
                announced = self.announced_text.pop((record.index, key), "")
                more[key] = announced if not value.text else ""
                if self.lifts.declared and key == ("arguments",) and record.type in LIFTABLE:
                    held = self.lifts.fragment(record.index, tool_of(record), more[key], self.out)
                    more[key] = held + self.lifts.close(record.index, self.out)
                if (record.index, key) in self.pending_surrogates and status is not None:
                    self.report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a value")
                    more[key] += "\ufffd"
        late = self.waiting.pop(record.index, {})
        self.out += close_item(self.fold, record, status, more, late, self.report)

    # --------------------------------------------------------------------------------------------- items

    def _wire_and_own_index(self, payload: JSON) -> tuple[int | None, int | None]:
        """The wire's index of an item, and ours where there is an item."""
        place = self.index(payload, "output_index")
        return place, None if place is None else self.index_by_wire_index.get(place)

    def _record(self, index: int) -> ItemRecord:
        return self.fold.items[index] if index in self.fold.items else self.new_records[index]

    def _index_of_id(self, told: JSON) -> int | None:
        """Whose id or call id this is."""
        for ident in ids_of(told):
            if ident in self.index_by_id:
                return self.index_by_id[ident]
        return None

    def _learn_ids(self, index: int, told: JSON) -> None:
        for ident in ids_of(told):
            self.index_by_id.setdefault(ident, index)

    def _free_index(self, wanted: int | None) -> int:
        if wanted is not None and wanted not in self.indexes:
            return wanted
        return self.top + 1

    def _begin(self, place: int | None, told: JSON, *, whole: bool = False) -> int:
        """An item begins, whatever told of it first. Gives its index."""
        self._check_parts(told)
        if len(self.indexes) >= self.fold.limits.items:
            raise LimitExceeded("items", self.fold.limits.items)
        self._start()
        index = self._free_index(place)
        self.indexes.add(index)
        self.top = max(self.top, index)
        if place is not None:
            self.index_by_wire_index[place] = index
        self._learn_ids(index, told)
        record = ItemRecord(index, string(told, "type") or "", None)
        field = ITEM_VALUES.get(record.type, "")
        blank: JSON = {group: [] for group in GROUPS if isinstance(told.get(group), list) and told[group]}
        if isinstance(told.get(field), str) and told[field]:
            blank[field] = ""
        bare = {**told, **blank} if blank else told
        record.merge(bare)
        self.new_records[index] = record
        self.out.append(e.ItemStarted(index, self.fold.item(record, bare, whole=False)))
        if not blank and not whole:
            self.fold.announced_records[index] = record
            return index
        if whole:
            told = self._lifted_item(record, told, whole=True)
        else:
            told = self._hold_text(record, told)
        merged, events = reconcile_item(record, told, self.report, whole=whole)
        self.out += events
        if whole:
            self.out += reconcile_no_arguments(record, merged)
            self.out.append(e.ItemFinished(index, self.fold.item(record, merged, whole=True)))
        else:
            record.merge(merged)
        return index

    def _hold_text(self, record: ItemRecord, told: JSON) -> JSON:
        """An announcement without its text, which is kept until it is known whether deltas tell it again."""
        blank: JSON = copied(told)
        for group in GROUPS:
            entries = blank.get(group)
            for position, entry in enumerate(entries if isinstance(entries, list) else ()):
                self._hold_part_text(record, group, position, entry)
        self._hold_value(record, blank)
        return blank

    def _hold_value(self, record: ItemRecord, told: JSON) -> None:
        field = ITEM_VALUES.get(record.type, "")
        if text := string(told, field):
            self.announced_text[record.index, (field,)] = text
            told[field] = ""

    def _hold_part_text(self, record: ItemRecord, group: e.Group, index: int, part: Any) -> None:
        for field, _ in record.part_values(group, part):
            if part[field]:
                self.announced_text[record.index, (group, index, field)] = part[field]
                part[field] = ""

    def _find_or_begin(self, payload: JSON, wanted: str) -> ItemRecord:
        """The item that an event is about; it begins where it was not announced.

        `output_index` is the key. `item_id` and `call_id` are aliases: they decide where the index is
        missing, or leads to an item that cannot be meant, or where they are another item's for certain.
        """
        record = self._find_exact(payload, payload.get("item_id"), wanted)
        if record is not None:
            return record
        self._start()
        place, here = self._wire_and_own_index(payload)
        owner = self._index_of_id(payload)
        if owner is not None and not self._can_hold(owner, wanted, by_name=True):
            owner = None
        if here is not None and owner in (None, here) and self._can_hold(here, wanted, by_name=True):
            self._check_item_id(here, payload)
            return self._set_missing_type(here, wanted)
        if owner is not None:
            if place is None:
                self.report_once(AnomalyCode.INDEX_MISSING, owner, f"no output_index for item {owner}")
            else:
                self.report_once(
                    AnomalyCode.INDEX_CHANGED, owner, f"item {owner} came as output_index {place}"
                )
            return self._set_missing_type(owner, wanted)
        if place is None or here is not None:
            code = AnomalyCode.INDEX_MISSING if place is None else AnomalyCode.INDEX_CHANGED
            found = self._latest(wanted)
            if found is not None:
                self.report_once(code, found, f"a fragment of item {found} has output_index {place}")
                return self._record(found)
        self.report_once(AnomalyCode.ITEM_NOT_ANNOUNCED, place, f"a {wanted} was not announced")
        told: JSON = {"type": wanted}
        if isinstance(payload.get("item_id"), str):
            told = {"id": payload["item_id"], **told}
        if wanted == "message":
            told |= {"role": "assistant", "status": "in_progress", "content": []}
        elif wanted == "reasoning":
            told |= {"summary": []}
        else:
            told |= {"status": "in_progress"}
            if isinstance(payload.get("call_id"), str):
                told["call_id"] = payload["call_id"]
        index = self._begin(place, told)
        self.implicit_items.add(index)
        return self._record(index)

    def _latest(self, wanted: str) -> int | None:
        """The last item of a type: the last that is open, if there is one."""
        items = self.fold.items
        found = self.latest_by_type.get(wanted)
        if found is None:
            found = self.latest_by_type[wanted] = [0, -1]
        # The first entry is the number of items at the last time, the second one the last item of that type.
        # The others are those that may be open: none is ever opened again.
        new: list[int] = []
        for index, record in reversed(items.items()):
            if len(new) == len(items) - found[0]:
                break
            new.append(index if record.type == wanted else -1)
        found[0] = len(items)
        for index in reversed(new):
            if index >= 0:
                found[1] = index
                found.append(index)
        while len(found) > 2:
            record = items[found[-1]]
            if record.state is ITEM_OPEN and record.type == wanted:
                break
            found.pop()
        return found[-1] if found[-1] >= 0 else None

    def _find_exact(self, payload: JSON, ident: Any, wanted: Any) -> ItemRecord | None:
        """The item that an index leads to, where its id and type are just what they should be."""
        place = payload.get("output_index")
        if type(place) is int and (index := self.index_by_wire_index.get(place)) is not None:
            record = self.fold.items.get(index)
            if record is not None and record.type == wanted and record.data.get("id") == ident:
                return record
        return None

    def _can_hold(self, index: int, wanted: str, *, by_name: bool) -> bool:
        """Whether an item can hold what an event brings. `by_name`: nothing but the index says otherwise."""
        record = self._record(index)
        if record.type in ("", wanted):
            return True
        if wanted == "message":
            # vLLM streams reasoning under the names of output text.
            return by_name and record.type == "reasoning" and record.state is ITEM_OPEN
        # An item of a type that is not known may hold anything.
        return record.type not in KNOWN_TYPES or (record.type in CALLS and wanted in CALLS)

    def _set_missing_type(self, index: int, wanted: str) -> ItemRecord:
        """An item that was announced without a type gets that of what comes for it."""
        record = self._record(index)
        if record.type == "":
            data = self._with_type(record, wanted)
            self.out.append(e.ItemUpdated(index, self.fold.item(record, data, whole=False)))
        return record

    def _with_type(self, record: ItemRecord, kind: str) -> JSON:
        """An item as JSON. Where its type becomes known only now, the text that it came with is held back."""
        data = record.to_dict()
        if record.type or not kind:
            return data
        record.type = kind
        self.latest_by_type.pop(kind, None)
        return self._hold_text(record, {**data, "type": kind})

    def _check_item_id(self, index: int, ids: JSON, name: str = "item_id") -> None:
        told, known = ids.get(name), self._record(index).data.get("id")
        if (
            isinstance(told, str)
            and isinstance(known, str)
            and told != known
            and self.index_by_id.get(told) != index
        ):
            self.report_once(AnomalyCode.ITEM_ID_CHANGED, index, f"{known[:40]} became {told[:40]}")

    def _item_added(self, payload: JSON, kind: str) -> None:
        self._start()
        item = payload.get("item")
        if not isinstance(item, dict):
            self.report(AnomalyCode.INVALID_FIELD, f"{kind} has no item")
            return
        place, here = self._wire_and_own_index(payload)
        if place is None:
            here = self._index_of_id(item)
            self.report_once(AnomalyCode.INDEX_MISSING, None, "an item was announced without output_index")
        if here is None:
            self._begin(place, item)
            return
        record = self.fold.items[here]
        same_type = (string(item, "type") or "") in ("", record.type) or not record.type
        named = isinstance(item.get("id"), str) or isinstance(item.get("call_id"), str)
        if same_type and (
            here in self.implicit_items
            or self._index_of_id(item) == here
            or (not named and record.state is ITEM_OPEN)
        ):
            if here not in self.implicit_items:
                self.report_once(AnomalyCode.ANNOUNCED_TWICE, here, f"item {here} was announced again")
            self._check_parts(item)
            if record.state is ITEM_OPEN:
                self._learn_ids(here, item)
                self._check_item_id(here, item, "id")
                if self._waits(record, item):
                    return
                waiting = self.waiting.pop(here, None)
                item = item if waiting is None else merge_fields(waiting, item)
                typed = record.type != ""
                known = self._with_type(record, string(item, "type") or "")
                told = self._hold_text(record, item)
                if adds(record.data, told):
                    merged = merge_fields(known, told)
                    if not typed:
                        merged = {**known, **merged}  # with the places of what is held back
                    if record.type and not isinstance(item.get("type"), str):
                        merged["type"] = record.type
                    if merged != record.to_dict():
                        self.out.append(e.ItemUpdated(here, self.fold.item(record, merged)))
            self.implicit_items.discard(here)
        else:
            self.report(AnomalyCode.INDEX_REUSED, f"output_index {place} announces another item")
            self._begin(place, item)

    def _waits(self, record: ItemRecord, told: JSON) -> bool:
        """Whether what an announcement adds to an item is to be handed out with a later one.

        An update holds the whole item. So that a thousand announcements of it do not cost a square, those
        behind the first ones are handed out when their number has doubled, or with the item's end.
        """
        if not record.type or any(told.get(name) for name in (*GROUPS, ITEM_VALUES.get(record.type, ""))):
            return False
        count = self.announcements[record.index] = self.announcements.get(record.index, 0) + 1
        if count < MANY_ANNOUNCEMENTS or count & (count - 1) == 0:
            return False
        waiting = self.waiting.setdefault(record.index, {})
        for name, value in told.items():
            if not empty(value) or empty(waiting.get(name)):
                self.hold_text(len(name) + weight(value) - weight(waiting.get(name)))
                waiting[name] = value
        return True

    def _item_done(self, payload: JSON, kind: str) -> None:
        self._start()
        item = payload.get("item")
        if not isinstance(item, dict):
            self.report(AnomalyCode.INVALID_FIELD, f"{kind} has no item")
            return
        record = self._find_exact(payload, item.get("id"), item.get("type"))
        if record is not None and record.state is ITEM_OPEN:
            self._finalize(record, item)
            return
        place, here = self._wire_and_own_index(payload)
        owner = self._index_of_id(item)
        if owner is not None and not self._same_type(owner, item):
            owner = None
        if here is not None and not self._same_type(here, item):
            here = None if owner is None else owner
        elif here is not None and owner is not None and owner != here:
            self.report_once(
                AnomalyCode.INDEX_CHANGED, owner, f"item {owner} was told whole as output_index {place}"
            )
            here = owner
        elif here is not None and owner is None and self.fold.items[here].state is ITEM_DONE:
            if isinstance(item.get("id"), str) and item != self.fold.items[here].to_dict():
                here = None
        elif here is None and owner is not None:
            code = AnomalyCode.INDEX_MISSING if place is None else AnomalyCode.INDEX_CHANGED
            self.report_once(code, owner, f"item {owner} was told whole as output_index {place}")
            here = owner
        elif place is None:
            self.report_once(AnomalyCode.INDEX_MISSING, None, "an item was told whole without output_index")
            same = [
                i for i, r in self.fold.items.items() if r.state is ITEM_OPEN and r.type == item.get("type")
            ]
            here = same[0] if same else None
        if here is not None:
            self._finalize(self.fold.items[here], item)
            return
        if place in self.index_by_wire_index:
            self.report(AnomalyCode.INDEX_REUSED, f"output_index {place} tells another item")
        else:
            self.report(AnomalyCode.ITEM_NOT_ANNOUNCED, "an item was told whole and never announced")
        self._begin(place, item, whole=True)

    def _lifted_item(self, record: ItemRecord, told: JSON, *, whole: bool) -> JSON:
        """An item as it was told, its arguments as they are handed on."""
        text = told.get("arguments")
        if not self.lifts.declared or record.type not in LIFTABLE or not isinstance(text, str) or not text:
            return told
        tool = string(told, "name") or tool_of(record)
        return {**told, "arguments": self.lifts.told(record.index, tool, text, self.out, whole=whole)}

    def _same_type(self, index: int, item: JSON) -> bool:
        told, known = string(item, "type") or "", self.fold.items[index].type
        return not told or not known or told == known

    def _check_parts(self, told: JSON) -> None:
        """Raises `LimitExceeded` where an item was told with more parts than one may have."""
        for group in GROUPS:
            entries = told.get(group)
            if isinstance(entries, list) and len(entries) > self.fold.limits.parts:
                raise LimitExceeded("parts", self.fold.limits.parts)

    def _finalize(self, record: ItemRecord, told: JSON) -> None:
        """A known item was told whole."""
        self._check_parts(told)
        waiting = self.waiting.pop(record.index, None)
        if waiting is not None:
            told = merge_fields(waiting, told)
        told = self._lifted_item(record, told, whole=True)
        if record.finished is not None and record.finished.data == told:
            return
        if record.state is ITEM_OPEN and (events := reconcile_as_streamed(record, told)) is not None:
            self.out += events
            self.out.append(e.ItemFinished(record.index, self.fold.item(record, told, whole=True)))
            return
        self._check_item_id(record.index, told, "id")
        self._learn_ids(record.index, told)
        if record.type in ("function_call", "custom_tool_call"):
            for name, code in (("call_id", AnomalyCode.CALL_ID_CHANGED), ("name", AnomalyCode.NAME_CHANGED)):
                if (
                    not empty(told.get(name))
                    and not empty(record.data.get(name))
                    and told[name] != record.data[name]
                ):
                    self.report_once(code, record.index, f"the {name} of item {record.index} changed")
        merged, events = reconcile_item(record, told, self.report, whole=True)
        self.out += events
        if record.state is not ITEM_DONE:
            self.out += reconcile_no_arguments(record, merged)
            self.out.append(e.ItemFinished(record.index, self.fold.item(record, merged, whole=True)))
        elif merged != record.to_dict():
            self.out.append(e.ItemUpdated(record.index, self.fold.item(record, merged, whole=True)))

    # -------------------------------------------------------------------------------------- whole output

    def _settle_output(self, output: Any, *, whole: bool) -> list[int] | None:
        """A list of items was told. Gives the order of the items where it is not that of their indexes."""
        if isinstance(output, list) and len(output) > self.fold.limits.items:
            raise LimitExceeded("items", self.fold.limits.items)
        told = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
        if (isinstance(output, list) and len(told) < len(output)) or not isinstance(
            output, (list, type(None))
        ):
            self.report_once(AnomalyCode.INVALID_FIELD, "output", "output holds something that is no item")
        if not told:
            if whole and self.fold.items:
                self.report(AnomalyCode.OUTPUT_EMPTY_AT_END, "the output is empty at the end")
            return None
        items = self.fold.items
        if len(told) == len(items) and told == [
            record.finished and record.finished.data for _, record in sorted(items.items())
        ]:
            return None  # the usual end: just what had been told item by item
        order = []
        matches = self._matches(told)
        for position, (item, index) in enumerate(zip(told, matches, strict=True)):
            if index is None:
                place = position if position not in self.index_by_wire_index else None
                order.append(self._begin(place, item, whole=whole))
            else:
                record = self.fold.items[index]
                if whole:
                    self._finalize(record, item)
                elif record.state is ITEM_OPEN:
                    item = self._lifted_item(record, item, whole=False)
                    merged, events = reconcile_item(record, item, self.report, whole=False)
                    self.out += events
                    if merged != record.to_dict():
                        self.out.append(e.ItemUpdated(index, self.fold.item(record, merged)))
                order.append(index)
        if not whole:
            return None
        missing = sorted(self.fold.items.keys() - set(order))
        if not missing:
            return order if order != sorted(order) else None
        self.report(AnomalyCode.ITEM_MISSING_AT_END, f"items {missing!s:.40} are not in the final output")
        whole_order: list[int] = []
        for index in order:
            while missing and missing[0] < index:
                whole_order.append(missing.pop(0))
            whole_order.append(index)
        whole_order += missing
        return whole_order if whole_order != sorted(whole_order) else None

    def _matches(self, told: list[JSON]) -> list[int | None]:
        """Which item each of a told list is.

        Ids first; then what they say; then the order among items of one type: some servers give every item
        a new id at the end, and some leave items out, so that positions shift.
        """
        matches: list[int | None] = [None] * len(told)
        taken: set[int] = set()
        for position, item in enumerate(told):
            owner = self._index_of_id(item)
            if owner is not None and owner not in taken and self._same_type(owner, item):
                matches[position] = owner
                taken.add(owner)
        if None not in matches:
            return matches
        free = {index: record for index, record in sorted(self.fold.items.items()) if index not in taken}
        for likeness in (substance, type_of):
            if None in matches and free:
                alike: dict[str, deque[int]] = {}
                for index, record in free.items():
                    alike.setdefault(likeness(record.to_dict()), deque()).append(index)
                for position, item in enumerate(told):
                    same = alike.get(likeness(item)) if matches[position] is None else None
                    if same:
                        matches[position] = index = same.popleft()
                        del free[index]
        return matches

    # --------------------------------------------------------------------------------------------- parts

    def _part_index(
        self, payload: JSON, record: ItemRecord, group: e.Group, field: str, *, ends: bool
    ) -> int:
        """The part that an event is about, whose value is its `field`.

        `ends`: the event tells an end, not a fragment.
        """
        name = "summary_index" if group == "summary" else "content_index"
        told = self.index(payload, name)
        if told is not None and told in record.parts[group]:
            return told
        if told is None:
            self.report_once(
                AnomalyCode.INDEX_MISSING, f"{record.index} {group}", f"no {name} for item {record.index}"
            )
        for index in reversed(record.keys(group)):
            value = record.values.get((group, index, field))
            if (
                value is not None
                and (ends or not value.is_complete)
                and record.parts[group][index].state is PART_OPEN
            ):
                if told is not None:
                    self.report_once(
                        AnomalyCode.PART_INDEX_CHANGED, record.index, f"{name} {told} continues part {index}"
                    )
                return index
        return (record.keys(group) or [0])[-1] if told is None else told

    def _begin_part(self, record: ItemRecord, group: e.Group, index: int, kind: e.ValueKind) -> None:
        """A part begins that was not announced."""
        if group == "summary" or record.type == "message":
            # Raw reasoning is streamed without announcing its parts.
            self.report_once(AnomalyCode.PART_NOT_ANNOUNCED, record.index, f"a part of item {record.index}")
        part = dict(BLANK_PARTS[kind])
        self.out.append(e.PartStarted(record.index, index, group, as_part(record, group, part)))
        self.unannounced_parts.add((record.index, group, index))

    def _part_added(self, payload: JSON, kind: str) -> None:
        part = payload.get("part")
        if not isinstance(part, dict):
            self.report(AnomalyCode.INVALID_FIELD, f"{kind} has no part")
            return
        group, name = part_place(kind)
        record = self._find_or_begin(payload, item_type_of_part(group, part))
        told = self.index(payload, name)
        if told is None:
            told = (record.keys(group) or [-1])[-1] + 1
            self.report_once(
                AnomalyCode.INDEX_MISSING, f"{record.index} {group}", f"no {name} for item {record.index}"
            )
        if told in record.parts[group]:
            if (record.index, group, told) in self.unannounced_parts:
                self.unannounced_parts.discard((record.index, group, told))
            else:
                self.report_once(
                    AnomalyCode.ANNOUNCED_TWICE, record.index, f"part {told} of item {record.index}"
                )
            return
        if part.get("text") or part.get("refusal"):
            part = dict(part)
            self._hold_part_text(record, group, told, part)
        self.out.append(e.PartStarted(record.index, told, group, as_part(record, group, part)))

    def _part_done(self, payload: JSON, kind: str) -> None:
        part = payload.get("part")
        if not isinstance(part, dict):
            self.report(AnomalyCode.INVALID_FIELD, f"{kind} has no part")
            return
        group, _ = part_place(kind)
        record = self._find_or_begin(payload, item_type_of_part(group, part))
        field = "refusal" if part.get("type") == "refusal" else "text"
        index = self._part_index(payload, record, group, field, ends=True)
        known = record.parts[group].get(index)
        merged, events = reconcile_part(record, group, index, part, self.report, whole=True)
        self.out += events
        if known is None or known.state is PART_OPEN:
            self.out.append(e.PartFinished(record.index, index, group, as_part(record, group, merged)))

    # -------------------------------------------------------------------------------------------- values

    def _value(
        self, payload: JSON, streamed: ValueWire, *, ends: bool = False
    ) -> tuple[ItemRecord, e.ValueKind, ValuePath]:
        """Which value an event is about."""
        record = self._find_exact(payload, payload.get("item_id"), streamed.item_type)
        if record is None:
            record = self._find_or_begin(payload, streamed.item_type)
        kind, key = streamed.kind, streamed.key
        if key[0] in GROUPS:
            group: e.Group = "summary" if key[0] == "summary" else "content"
            if kind != "refusal":
                kind = record.text_kind(group) or kind
            field = "refusal" if kind == "refusal" else "text"
            index = self._part_index(payload, record, group, field, ends=ends)
            if index not in record.parts[group]:
                self._begin_part(record, group, index, kind)
            key = (group, index, key[2])
        elif kind == "arguments":
            key = arguments_key(record)
        elif streamed.index:
            key = (*key[:2], self.index(payload, streamed.index) or 0)
        return record, kind, key

    def _delta(self, payload: JSON, kind: str) -> None:
        streamed = STREAMED[kind.removesuffix(".delta")]
        text = payload.get("delta")
        if isinstance(text, dict):
            text = text.get("text")  # {"type": "text_delta", "text": …}, ChatGPT backend
        if not isinstance(text, str):
            if text is not None:  # Bifrost sends null for nothing
                self.report_once(AnomalyCode.INVALID_FIELD, "delta", f"delta is {text!r:.40}")
            return
        record, value_kind, key = self._value(payload, streamed)
        logprobs = payload.get("logprobs")
        number = payload.get("sequence_number")
        self._fragment(record, value_kind, key, text, logprobs if isinstance(logprobs, list) else (), number)

    def _fragment(
        self,
        record: ItemRecord,
        kind: e.ValueKind,
        key: ValuePath,
        text: str,
        logprobs: Any = (),
        number: Any = None,
    ) -> None:
        value = record.values.get(key)
        told = record.state is ITEM_DONE and value is None and find(record.data, key)
        if told or (value is not None and value.is_complete):
            self.report_once(
                AnomalyCode.DELTA_AFTER_DONE, record.index, f"{kind} of item {record.index}: {text!r:.60}"
            )
            last = self.last_sequence_number
            if type(number) is int and last is not None and number < last:
                return  # an event that was sent before its value was told whole
            text = self._late(record.index, key, kind, value, text)
            if not text:
                return
        place = record.index, key
        if place in self.announced_text:
            held = self.announced_text.pop(place)
            again = kind == "arguments" or held.startswith(text) or text.startswith(held)
            if not again and (value is None or not value.text):
                self.out.append(delta_of(record.index, kind, key, held))
        text = join_halves(self.pending_surrogates, place, text, self.report)
        if self.lifts.declared and kind == "arguments" and record.type in LIFTABLE:
            text = self.lifts.fragment(record.index, tool_of(record), text, self.out)
        if text:
            if kind == "text" and is_refusal(record.parts["content"].get(cast(int, key[1]))):
                self.report_once(
                    AnomalyCode.TEXT_IN_REFUSAL, record.index, f"{text!r:.60} came for a refusal"
                )
            self.out.append(delta_of(record.index, kind, key, text, logprobs))

    def _late(
        self, index: int, key: ValuePath, kind: e.ValueKind, value: StreamedValue | None, text: str
    ) -> str:
        """What of a fragment is new that came after its value had been told whole.

        Some servers tell a text whole too early and go on with it (decolua/9router#3234). Others stream it
        again from its beginning: as long as it may be that, it is held back.
        """
        if value is None or kind not in PROSE:
            return ""
        place = index, key
        again = self.again.get(place, 0)
        if again < 0 or again == value.told > 0:
            return text  # it goes on, after all of it had come again if need be
        if value.told - again >= len(text) and value.text.startswith(text, again):
            self.again[place] = again + len(text)
            return ""
        self.again[place] = WENT_ON
        return value.text[:again] + text

    def _done(self, payload: JSON, kind: str) -> None:
        streamed = STREAMED[kind.removesuffix(".done")]
        text = payload.get(streamed.told)
        if not isinstance(text, str):
            if text is not None:
                self.report_once(AnomalyCode.INVALID_FIELD, streamed.told, f"{streamed.told} is {text!r:.40}")
            return
        record, value_kind, key = self._value(payload, streamed, ends=True)
        self._tell(record, value_kind, key, text)

    def _tell(self, record: ItemRecord, kind: e.ValueKind, key: ValuePath, text: str) -> None:
        if text:
            if self.announced_text or self.pending_surrogates:
                self.announced_text.pop((record.index, key), None)
                self.pending_surrogates.pop((record.index, key), None)
            if self.lifts.declared and kind == "arguments" and record.type in LIFTABLE:
                text = self.lifts.told(record.index, tool_of(record), text, self.out, whole=True)
        value = record.values.get(key)
        self.out += reconcile_value(record.index, kind, key, value, text, self.report, whole=True)

    def _command_added(self, payload: JSON, kind: str) -> None:
        record, _, key = self._value(payload, COMMAND)
        text = payload.get("command")
        if isinstance(text, str) and text:
            self.announced_text[record.index, key] = text

    def _command_output_delta(self, payload: JSON, kind: str) -> None:
        record = self._find_or_begin(payload, "shell_call_output")
        index = self.index(payload, "command_index") or 0
        pieces = payload.get("delta")
        for stream in STREAMS:
            text = pieces.get(stream) if isinstance(pieces, dict) else None
            if isinstance(text, str) and text:
                self._fragment(record, stream, ("output", index, stream), text)

    def _command_output_done(self, payload: JSON, kind: str) -> None:
        record = self._find_or_begin(payload, "shell_call_output")
        first = self.index(payload, "command_index") or 0
        output = payload.get("output")
        for index, entry in enumerate(output if isinstance(output, list) else (), first):
            for stream in STREAMS:
                if isinstance(entry, dict) and isinstance(entry.get(stream), str) and entry[stream]:
                    self._tell(record, stream, ("output", index, stream), entry[stream])

    def _annotation_added(self, payload: JSON, kind: str) -> None:
        annotation = payload.get("annotation")
        if not isinstance(annotation, dict):
            self.report_once(AnomalyCode.INVALID_FIELD, "annotation", "annotation is no object")
            return
        record = self._find_or_begin(payload, "message")
        index = self._part_index(payload, record, "content", "text", ends=True)
        known: Any = None
        came: dict[int, JSON] = {}
        if index not in record.parts["content"]:
            self._begin_part(record, "content", index, "text")
        else:
            part = record.parts["content"][index]
            came = part.annotations
            known = part.data.get("annotations") if isinstance(part.data, dict) else None
        known = known if isinstance(known, list) else []
        at = self.index(payload, "annotation_index")
        if at is None:
            at = next(reversed(came), len(known) - 1) + 1
            while at in came:
                at += 1
            self.check_index_limit(at)
        if came.get(at) != annotation and not self._is_listed(annotation, known, (record.index, index)):
            self.out.append(e.AnnotationAdded(record.index, index, at, annotation))

    def _is_listed(self, annotation: JSON, known: list[Any], of: tuple[int, int]) -> bool:
        """Whether an annotation is among those that its part was told with."""
        if not known:
            return False
        listed = self.listed.get(of)
        if listed is None or listed[0] is not known:
            listed = self.listed[of] = known, {json.dumps(entry, sort_keys=True) for entry in known}
        return json.dumps(annotation, sort_keys=True) in listed[1]

    # ----------------------------------------------------------------------------------- everything else

    def _partial_image(self, payload: JSON, kind: str) -> None:
        image = payload.get("partial_image_b64")
        if not isinstance(image, str):
            self.report_once(AnomalyCode.INVALID_FIELD, "partial_image_b64", "partial_image_b64 is no text")
            return
        index = self._find_or_begin(payload, "image_generation_call").index
        number = self.index(payload, "partial_image_index")
        left_out = ("type", "partial_image_b64", "sequence_number", "output_index", "item_id")
        data = {k: v for k, v in payload.items() if k not in left_out}
        self.out.append(e.PartialImage(index, number or 0, image, data))

    def _audio(self, payload: JSON, kind: str) -> None:
        self._start()
        text = payload.get("delta")
        if isinstance(text, str):
            if kind == "response.audio.delta":
                self.out.append(e.AudioDelta(join_surrogates(text)))
            elif text := join_halves(self.pending_surrogates, TRANSCRIPT, text, self.report):
                self.out.append(e.TranscriptDelta(text))

    def _audio_done(self, payload: JSON, kind: str) -> None:
        self._start()
        self.out.append(e.Notice(kind, payload))

    def _rate_limits(self, payload: JSON, kind: str) -> None:
        from deltafold.diagnosis.rate_limits import rate_limits_from_event

        self.out.append(e.RateLimitsReported(rate_limits_from_event(payload), payload))


CALLS: Final = ("function_call", "mcp_call", "custom_tool_call")
"""Items that stream arguments."""
KNOWN_TYPES: Final = {
    "message",
    "reasoning",
    "shell_call_output",
    *(streamed.item_type for streamed in STREAMED.values()),
    *(tool for tool, _ in PROGRESS.values()),
}
COMPARED_FIELDS: Final = ("type", "name", "arguments", "input", "content", "summary", "encrypted_content")
LIFTABLE: Final = ("function_call", "mcp_call")
"""Items whose arguments are JSON."""
# Types of payloads that have none. No payload can claim them: where one was read, half a pair never is alone.
NO_TYPE: Final = chr(0xD800)
WHOLE_RESPONSE: Final = NO_TYPE + "a whole response"
CHAT_CHUNK: Final = NO_TYPE + "a chat completion chunk"
OUTCOMES: Final = {str(outcome): outcome for outcome in Outcome if outcome is not TRUNCATED}
PROSE: Final = ("text", "refusal", "summary", "reasoning")
"""Values to which more may be added after they were told whole: they are read, not run."""
WENT_ON: Final = -1
STREAMS: Final[tuple[e.ValueKind, e.ValueKind]] = ("stdout", "stderr")
TRANSCRIPT: Final[tuple[int, ValuePath]] = (-1, ("transcript",))
"""Where half a character of a transcript waits: it belongs to no item."""


BLANK_PARTS: Final[dict[e.ValueKind, JSON]] = {
    "text": {"type": "output_text", "text": ""},
    "refusal": {"type": "refusal", "refusal": ""},
    "summary": {"type": "summary_text", "text": ""},
    "reasoning": {"type": "reasoning_text", "text": ""},
}


def ids_of(told: JSON) -> list[str]:
    """The ids by which an item is called."""
    idents = [string(told, name) for name in ("call_id", "item_id", "id")]
    return [ident for ident in idents if ident]


def tool_of(record: ItemRecord) -> str:
    return string(record.data, "name") or ""


def adds(known: JSON, told: JSON) -> bool:
    """Whether there may be something new in what was told of an item."""
    return any(
        name not in known or (not empty(value) and known[name] != value) for name, value in told.items()
    )


def without_output(response: JSON) -> JSON:
    data = dict(response)
    data.pop("output", None)
    return data


def substance(item: JSON) -> str:
    """What tells an item from others, its ids aside."""
    return json.dumps([item.get(name) for name in COMPARED_FIELDS])


def type_of(item: JSON) -> str:
    return string(item, "type") or ""


def part_place(kind: str) -> tuple[e.Group, str]:
    return ("summary", "summary_index") if "summary" in kind else ("content", "content_index")


def item_type_of_part(group: e.Group, part: JSON) -> str:
    """The type of the item that a part belongs to."""
    return "reasoning" if group == "summary" or part.get("type") == "reasoning_text" else "message"


Handler: TypeAlias = Callable[[ResponsesDialect, JSON, str], None]
HANDLERS: Final[dict[str, Handler]] = {
    "response.created": ResponsesDialect._announce,
    "response.queued": ResponsesDialect._announce,
    "response.in_progress": ResponsesDialect._announce,
    **dict.fromkeys(TERMINALS, ResponsesDialect._terminal),
    WHOLE_RESPONSE: ResponsesDialect._whole_response,
    CHAT_CHUNK: ResponsesDialect._wrong_dialect,
    "error": ResponsesDialect._error,
    "response.error": ResponsesDialect._error,
    "response.output_item.added": ResponsesDialect._item_added,
    "response.output_item.done": ResponsesDialect._item_done,
    "response.content_part.added": ResponsesDialect._part_added,
    "response.content_part.done": ResponsesDialect._part_done,
    "response.reasoning_part.added": ResponsesDialect._part_added,
    "response.reasoning_part.done": ResponsesDialect._part_done,
    "response.reasoning_summary_part.added": ResponsesDialect._part_added,
    "response.reasoning_summary_part.done": ResponsesDialect._part_done,
    **{f"{kind}.delta": ResponsesDialect._delta for kind in STREAMED},
    **{f"{kind}.done": ResponsesDialect._done for kind in STREAMED if kind != "response.content_part"},
    "response.shell_call_command.added": ResponsesDialect._command_added,
    "response.shell_call_output_content.delta": ResponsesDialect._command_output_delta,
    "response.shell_call_output_content.done": ResponsesDialect._command_output_done,
    "response.output_text.annotation.added": ResponsesDialect._annotation_added,
    "response.image_generation_call.partial_image": ResponsesDialect._partial_image,
    "image_generation.partial_image": ResponsesDialect._partial_image,
    "response.audio.delta": ResponsesDialect._audio,
    "response.audio.transcript.delta": ResponsesDialect._audio,
    "response.audio.done": ResponsesDialect._audio_done,
    "response.audio.transcript.done": ResponsesDialect._audio_done,
    "codex.rate_limits": ResponsesDialect._rate_limits,
}


DIALECT: Final = ResponsesDialect
"""What the registry finds here."""
