"""The Responses API: api.openai.com, Azure, the ChatGPT backend, and whoever follows Open Responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.diagnosis.error_payloads import error_from_payload, is_error_payload, says_error
from deltafold.dialects.base import error_field_of, usage_from
from deltafold.dialects.claims import TYPES, dialect_of
from deltafold.dialects.responses.identity import ids_of
from deltafold.dialects.responses.items import without_output
from deltafold.dialects.responses.table import (
    ALLOWED_AFTER_FAILURE,
    CHAT_CHUNK,
    CONNECTION_EVENTS,
    DELTAS,
    ERRORS,
    HEARTBEATS,
    LIFE_CYCLE,
    NO_TYPE,
    NOTICES,
    OUTCOMES,
    PROGRESS,
    STREAMED,
    TERMINALS,
    WHOLE_RESPONSE,
)
from deltafold.dialects.responses.values import TRANSCRIPT, ValueReader
from deltafold.machine import make
from deltafold.machine.fold import Emitted, Fold, PendingFinish
from deltafold.machine.lifecycle import (
    COMPLETED,
    FAILED,
    INCOMPLETE,
    ITEM_DONE,
    ITEM_OPEN,
    ITEM_STATUS_AT_END,
    TRUNCATED,
)
from deltafold.machine.records import empty
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, ResponseError
from deltafold.model.json_values import string
from deltafold.model.response import Outcome
from deltafold.wire.json_text import Paths, ReportAnomaly, replace_lone_surrogates

__all__ = ["ResponsesDialect"]

JSON: TypeAlias = dict[str, Any]

NOT_RISING: Final = AnomalyCode.SEQUENCE_NOT_RISING
OPEN_STATUSES: Final = ("queued", "in_progress")


class ResponsesDialect(ValueReader):
    """Translates the payloads of one stream. Nothing is required of an event beyond its type."""

    name = "responses"
    fragments: ClassVar[Paths] = frozenset({("delta",), ("delta", "stdout"), ("delta", "stderr")})
    """Where pieces of a longer text stand."""
    heartbeats: ClassVar[frozenset[str]] = frozenset(HEARTBEATS)
    resets: ClassVar[frozenset[str]] = frozenset({"response.in_progress", "response.queued"})

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        *ValueReader.SNAPSHOT_FIELDS,
        "ending",
        "failed_by_error",
        "failed_for_good",
    )
    __slots__ = SNAPSHOT_FIELDS[len(ValueReader.SNAPSHOT_FIELDS) :]

    def __init__(self, fold: Fold, report: ReportAnomaly, lifts: CallLifts) -> None:
        super().__init__(fold, report, lifts)
        self.ending: PendingFinish | None = None
        """The end of a failed response, held back for one event: its true cause may follow."""
        self.failed_by_error = False
        self.failed_for_good = False
        """Whether nothing can follow the failure: neither a terminal event nor its cause."""

    # ---------------------------------------------------------------------------------------- the parser

    def translate(self, payload: JSON, name: str) -> list[Emitted]:
        """The events of one payload. `name` is the SSE event name, "" where there is none."""
        self.begin_payload()
        kind = name if name and payload.get("type") == name else self._type(payload, name)
        last = self.last_sequence_number
        number = payload.get("sequence_number")
        if last is not None and type(number) is int and number == last + 1:
            self.last_sequence_number = number
        elif number is not None:
            if self.last_number_before_reconnect is not None and self._was_sent(number, kind):
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

    def handle_done(self) -> list[Emitted]:
        """`[DONE]` came."""
        self.begin_payload()
        if self.ending is not None:
            self._finish()
        elif not self.ended:
            self.report_once(
                AnomalyCode.DONE_BEFORE_TERMINAL, None, "[DONE] came, and the response has no end"
            )
        return self.out

    @property
    def is_failing(self) -> bool:
        """Whether the response has failed, its end was not sent yet, and nothing can follow but the end."""
        return self.ending is not None and self.failed_for_good

    def end(self, outcome: Outcome) -> list[Emitted]:
        """The transport ended, or the caller gave up. Nothing where the end had been sent."""
        self.begin_payload()
        if self.ending is not None:
            self._finish()
        elif not self.ended:
            if outcome is TRUNCATED:
                self.report(AnomalyCode.MISSING_TERMINAL, "the transport ended before the response did")
            self._close(PendingFinish(outcome))
        return self.out

    def reject_body(self, error: ResponseError) -> list[Emitted]:
        """The stream is none of this dialect."""
        self.begin_payload()
        if self.ending is not None:
            self._finish()
        elif not self.ended:
            self.out.append(e.ErrorReported(error))
            self._close(PendingFinish(FAILED, {"status": "failed"}))
        return self.out

    def translate_body(self, payload: JSON) -> list[Emitted]:
        """A whole body that is one JSON object."""
        self.begin_payload()
        kind = self._type(payload, "")
        self.reported[AnomalyCode.TYPE_MISSING, None] = True
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
        sent = payload.get("response")
        return sent if isinstance(sent, dict) else None

    def has_begun(self) -> bool:
        """Whether anything of the response has come, be it its failure."""
        return self.started or self.ended or self.ending is not None

    def _was_sent(self, number: Any, kind: str) -> bool:
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
                sent = f"the stream begins with {number}: all before it is missing"
                self.report(AnomalyCode.SEQUENCE_GAP, sent)
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

    def _announce(self, payload: JSON, kind: str) -> None:
        """response.created, response.queued, response.in_progress."""
        response = self._snapshot(payload, kind)
        status = response.get("status")
        if isinstance(status, str) and OUTCOMES.get(status, COMPLETED) is not COMPLETED:
            self._terminal(payload, kind)  # whatever the event is called
            return
        self._check_response_id(response)
        if not self.started:
            self._start(response, announced=kind == "response.created")
        elif kind == "response.created":
            self.report_once(AnomalyCode.ANNOUNCED_TWICE, None, "response.created came again")
        if kind != "response.created" or self.out == []:
            status = response.get("status", kind.removeprefix("response."))
            data = without_output(response)
            self.out.append(make.status_changed(status if isinstance(status, str) else None, data))
        self._usage(response)
        output = response.get("output")
        if isinstance(output, list) and output:
            # A stream that is taken up again may begin with a fuller snapshot.
            self._settle_output(output, whole=False)

    def _check_response_id(self, response: JSON) -> None:
        known, sent = self.fold.data.get("id"), response.get("id")
        if isinstance(known, str) and isinstance(sent, str) and known != sent:
            self.report_once(AnomalyCode.RESPONSE_ID_CHANGED, None, f"{known[:40]} became {sent[:40]}")

    def _usage(self, response: JSON) -> None:
        usage = response.get("usage")
        if isinstance(usage, dict) and usage:
            self.out.append(make.usage_reported(usage_from(usage)))

    def _whole_response(self, payload: JSON, kind: str) -> None:
        """A response object that is no event: the body of a request that did not stream."""
        status = payload.get("status")
        if status in OPEN_STATUSES:
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
        sent = OUTCOMES.get(status) if isinstance(status, str) else None
        if (outcome is COMPLETED or outcome is INCOMPLETE) and says_error(response.get("error")):
            sent = FAILED  # whatever word stands beside it
        details = response.get("incomplete_details")
        if sent is None and isinstance(status, str) and status and status not in OPEN_STATUSES:
            self.report(AnomalyCode.FINISH_REASON_UNKNOWN, f"the status is {status[:60]!r}")
        if (sent or outcome) is COMPLETED and isinstance(details, dict) and not empty(details.get("reason")):
            sent = INCOMPLETE
        if sent is None or sent is outcome:
            return outcome
        if kind not in ("response.done", WHOLE_RESPONSE):
            self.report(AnomalyCode.STATUS_CONTRADICTED, f"{kind} is {sent}, with status {status}")
        return sent if outcome is COMPLETED or sent is FAILED else outcome

    def _failed(self, response: JSON, data: JSON, order: list[int] | None) -> None:
        """The end of a failed response is held back for one event: some servers tell the cause after it."""
        error = error_from_payload(response)
        if not self.failed_by_error or (
            self.fold.error is not None and self.fold.error.kind is ErrorKind.UNKNOWN
        ):
            self.out.append(e.ErrorReported(error))
        elif self.ending is not None and empty(data.get("error")):
            data["error"] = self.ending.data.get("error")
        cause_came = self.ending is not None and self.ending.by_server
        self.ending = PendingFinish(FAILED, data, order, by_server=True)
        self.failed_for_good = self.failed_by_error or not empty(response.get("error"))
        if cause_came:
            self._finish()

    def _error(self, payload: JSON, kind: str) -> None:
        error = error_from_payload(payload)
        if self.ending is None:
            self.failed_by_error = True
            # An error in the form of a WebSocket has a status beside it. It stands for the response, and so
            # does one that comes before any response; else `response.failed` follows it.
            beside = payload.get("status"), payload.get("status_code")
            self.failed_for_good = not self.started or beside != (None, None)
            self.out.append(e.ErrorReported(error))
            self.ending = PendingFinish(FAILED, {"status": "failed", "error": error_field_of(payload, error)})
            return
        self.report(AnomalyCode.ERROR_AFTER_FAILURE, "an error came after the response had failed")
        if self.is_fuller(error):
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
        if self.resent or self.unmatched:
            self._settle_rest(status)
        opened = [record for record in self.fold.items.values() if record.state is ITEM_OPEN]
        if opened:
            sent = {event.output_index for event in self.out if isinstance(event, e.ItemFinished)}
            for record in opened:
                if record.index not in sent:
                    self._close_item(record, status)
        self.ended = True
        self.out.append(ending)

    def _rate_limits(self, payload: JSON, kind: str) -> None:
        from deltafold.diagnosis.rate_limits import rate_limits_from_event

        self.out.append(e.RateLimitsReported(rate_limits_from_event(payload), payload))


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
