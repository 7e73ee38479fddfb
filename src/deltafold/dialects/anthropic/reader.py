"""Anthropic Messages: api.anthropic.com, Bedrock, Vertex AI, MiniMax, DeepSeek, Kimi, and who imitates them.

A message is a list of content blocks, each of which is one item, in the order in which they begin. A message
ends with `message_stop`; its stop reason comes before that, in `message_delta`.

This file reads the events of the message. Blocks are read in `blocks` and `deltas`, with `calls` and
`citations`; counts in `usage`; and `ending` decides how the message ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.diagnosis.error_payloads import error_from_payload, is_error_payload
from deltafold.dialects.anthropic.blocks import read_whole_blocks, start_block, stop_block
from deltafold.dialects.anthropic.deltas import read_delta
from deltafold.dialects.anthropic.ending import end_by_stop_reason, end_message, end_without_stop
from deltafold.dialects.anthropic.state import Block, OpenMessage
from deltafold.dialects.anthropic.table import EVENTS, OF_DOCUMENT, OF_MESSAGE, UNTYPED, is_lesser, stop_word
from deltafold.dialects.anthropic.usage import UsageTotals
from deltafold.dialects.base import ErrorTerminatedDialect, error_beside
from deltafold.dialects.claims import dialect_of, is_strange
from deltafold.machine import make
from deltafold.machine.fold import Emitted, Fold
from deltafold.machine.lifecycle import FAILED, TRUNCATED
from deltafold.machine.records import empty
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.json_values import copied, string
from deltafold.model.response import Outcome
from deltafold.wire.json_text import Paths, ReportAnomaly

__all__ = ["AnthropicDialect"]

JSON: TypeAlias = dict[str, Any]


class AnthropicDialect(ErrorTerminatedDialect):
    """Translates the payloads of one stream."""

    name = "anthropic"
    fragments: ClassVar[Paths] = frozenset(
        {("delta", "text"), ("delta", "thinking"), ("delta", "partial_json")}
    )
    """Where pieces of a longer text stand."""
    state_classes: ClassVar[tuple[tuple[type, int], ...]] = ((Block, 2), (OpenMessage, 0), (UsageTotals, 0))

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (*ErrorTerminatedDialect.SNAPSHOT_FIELDS, "message")
    __slots__ = SNAPSHOT_FIELDS[len(ErrorTerminatedDialect.SNAPSHOT_FIELDS) :]

    def __init__(self, fold: Fold, report: ReportAnomaly, lifts: CallLifts) -> None:
        super().__init__(fold, report, lifts)
        self.message = OpenMessage()

    # ---------------------------------------------------------------------------------------- the parser

    def translate(self, payload: JSON, name: str) -> list[Emitted]:
        """The events of one payload. `name` is the SSE event name, "" where there is none."""
        self.begin_payload()
        kind = self._kind(payload, name)
        if self.ended:
            # "any place, also after message_stop": a ping there is not even an anomaly.
            if kind == "error" and self.failing is not None:
                # A proxy that lost its server sends an error of its own behind that one: the first counts.
                self.report_once(
                    AnomalyCode.ERROR_AFTER_FAILURE, None, "an error came after the response had failed"
                )
            elif kind not in self.heartbeats:
                known = kind if kind in EVENTS else None
                self.report_once(AnomalyCode.EVENT_AFTER_END, known, f"{kind[:60]} came after the end")
        else:
            failed = kind in EVENTS and kind != "error" and says_failure(payload)
            if not failed or kind != "message_stop":
                HANDLERS.get(kind, AnthropicDialect._other)(self, payload, kind)
            if failed and not self.ended:
                self._error(payload, kind)
        return self.out

    def text_path(
        self, payload: JSON, event: Any
    ) -> tuple[tuple[str | int, ...], tuple[str, Callable[[str], bool]] | None] | None:
        """Where the text of an event stands in the payload that made it."""
        delta, place = payload.get("delta"), payload.get("index")
        if (
            self.pending_surrogates
            or not isinstance(delta, dict)
            or len(delta) != 2
            or type(place) is not int
        ):
            return None
        block = self.message.blocks.get(place)
        if block is None or not block.open or block.index != event.output_index:
            return None
        if isinstance(event, e.ArgumentsDelta):
            if self.lifts.declared or delta.get("partial_json") != event.text:
                return None
            return ("delta", "partial_json"), None
        member = "text" if isinstance(event, e.TextDelta) else "thinking"
        return (("delta", member), None) if delta.get(member) == event.text else None

    def translate_body(self, payload: JSON) -> list[Emitted]:
        """A whole body that is one JSON object."""
        return self.translate(payload, "")

    def can_begin(self, payload: JSON, name: str) -> bool | None:
        """Whether a response may begin with a payload; None where that belongs to no response."""
        kind = string(payload, "type") or name
        if kind in ("message_start", "message"):
            return True
        return False if kind in EVENTS and kind != "error" else None

    def response_of(self, payload: JSON) -> JSON | None:
        """The message that `message_start` announces."""
        sent = payload.get("message")
        return sent if isinstance(sent, dict) else None

    # ----------------------------------------------------------------------------------------- one event

    def _kind(self, payload: JSON, name: str) -> str:
        kind = payload.get("type")
        if isinstance(kind, str) and kind:
            if name and name != kind:
                self.report_once(
                    AnomalyCode.EVENT_NAME_DIFFERS, None, f"event {name[:40]!r} has type {kind[:40]!r}"
                )
            return kind
        if is_error_payload(payload):
            return "error"
        if name:
            self.report_once(AnomalyCode.TYPE_ONLY_IN_EVENT_NAME, None, f"no type in event {name[:40]!r}")
            return name
        for kind, members in UNTYPED.items():
            if members <= payload.keys() and not is_strange(payload):
                self.report_once(AnomalyCode.TYPE_MISSING, None, f"no type, but what a {kind} has")
                return kind
        return name

    def _other(self, payload: JSON, kind: str) -> None:
        """Events that are no part of a message."""
        found = dialect_of(payload, kind)
        if kind in self.heartbeats:
            self.out.append(e.Heartbeat(kind))
        elif found is not None and found != self.name:
            self._wrong_dialect(payload, found)
        elif is_error_payload(payload):
            self._error(payload, kind)
        else:
            if not kind:
                self.report_once(AnomalyCode.TYPE_MISSING, None, f"no type among {', '.join(payload)[:80]}")
            self.out.append(e.UnknownEvent(kind, payload))

    def _wrong_dialect(self, payload: JSON, found: str) -> None:
        message = f"a payload of another wire came where Anthropic's were expected: use dialect={found!r}"
        self.refuse_dialect(payload, message)
        end_message(self, self.message, FAILED, None)

    def _error(self, payload: JSON, kind: str) -> None:
        """An error "ends the stream at any place": nothing that follows it changes anything."""
        message = payload.get("message")
        inside = None
        if kind != "error" and isinstance(message, dict) and error_beside(payload) is None:
            inside = error_beside(message)
        self.fail(payload, error_from_payload(payload, inside))
        end_message(self, self.message, FAILED, None)

    def _end(self, outcome: Outcome) -> None:
        """Nothing more will come."""
        end_without_stop(self, self.message, outcome)

    # ---------------------------------------------------------------------------------------- the message

    def _message_start(self, payload: JSON, kind: str) -> None:
        known, sent = self.message, payload.get("message")
        if not isinstance(sent, dict):
            self.report_invalid("message", sent)
            sent = {}
        if not self.started:
            known.announced = True
            self._begin_message(sent)
            read_whole_blocks(self, known, sent.get("content"))
            return
        ident = string(sent, "id")
        if ident is not None and known.id is not None and ident != known.id:
            # A retrying proxy spliced another generation in: what is signed in the two cannot be mixed.
            self.report(AnomalyCode.RESPONSE_ID_CHANGED, f"{known.id[:40]!r} became {ident[:40]!r}")
            end_message(self, known, TRUNCATED, None)
        elif known.announced:
            self.report_once(AnomalyCode.ANNOUNCED_TWICE, None, "message_start came again")
        else:
            # Blocks had come before it; what it says of the message is news all the same.
            known.announced = True
            known.id = ident
            self.out.append(make.status_changed(None, self._document_of(sent)))
            known.usage.read(self, sent.get("usage"))
            read_whole_blocks(self, known, sent.get("content"))

    def _whole_message(self, payload: JSON, kind: str) -> None:
        """A message in place of a stream: the body of a request that did not stream."""
        if self.started:
            self.report_once(AnomalyCode.ANNOUNCED_TWICE, None, "a whole message came in a stream")
            return
        self.message.announced = True
        self._begin_message(payload)
        read_whole_blocks(self, self.message, payload.get("content"))
        if error_beside(payload) is None:
            end_by_stop_reason(self, self.message)

    def _need_message(self) -> None:
        """The message begins with whatever comes first."""
        if not self.started:
            self._begin_message({}, announced=False)

    def _begin_message(self, sent: JSON, *, announced: bool = True) -> None:
        self.message.id = string(sent, "id")
        data: JSON = {"object": "response", "status": "in_progress"}
        self.begin_response({**data, **self._document_of(sent)}, announced=announced)
        self.message.usage.read(self, sent.get("usage"))

    def _document_of(self, sent: JSON) -> JSON:
        """What a message says of itself, as the response has it."""
        data: JSON = {}
        for key in ("id", "model"):
            value = sent.get(key)
            if isinstance(value, str):
                data[key] = value
            elif value is not None:
                self.report_invalid(key, value)
        return {**data, **self._new_members(sent)}

    def _new_members(self, sent: JSON) -> JSON:
        """What is new among the members of a message that this library does not model."""
        known = self.message.known
        new: JSON = {}
        clashing: JSON = {}
        for key, value in sent.items():
            if key in OF_MESSAGE or (key in known and (value is None or known[key] == value)):
                continue
            known[key] = value
            if key in OF_DOCUMENT:
                clashing[key] = copied(value)
            else:
                new[key] = copied(value)
        reason = sent.get("stop_reason")
        word = stop_word(reason)
        if word is not None and is_lesser(word, self.message.stop_reason):
            new.pop("stop_reason", None)
        elif word is not None:
            self.message.stop_reason = word
        elif reason is not None and not isinstance(reason, str):
            self.report_invalid("stop_reason", reason)
        if clashing:
            new["message"] = clashing
        return new

    def _message_delta(self, payload: JSON, kind: str) -> None:
        """All values are totals; null erases nothing."""
        self._need_message()
        delta = payload.get("delta")
        if delta is not None and not isinstance(delta, dict):
            self.report_invalid("delta", delta)
        sent = dict(delta) if isinstance(delta, dict) else {}
        for key, value in payload.items():
            if key not in ("delta", "index", "message"):
                sent[key] = value
        known = self.message.known
        new = self._new_members(
            {key: value for key, value in sent.items() if not empty(value) or empty(known.get(key))}
        )
        if new:
            self.out.append(make.status_changed(None, new))
        if stop_word(sent.get("stop_reason")) is not None:
            self.message.only_stop_is_missing = True
        if "usage" not in payload:
            self.report_once(AnomalyCode.USAGE_MISSING, None, "a message_delta tells no usage")
        self.message.usage.read(self, payload.get("usage"))

    def _message_stop(self, payload: JSON, kind: str) -> None:
        self._need_message()
        usage = self.message.usage
        usage.read(self, payload.get("usage"))  # LiteLLM sends it here
        usage.read_metrics(self, payload.get("amazon-bedrock-invocationMetrics"))
        new = self._new_members({key: value for key, value in payload.items() if key != "message"})
        if new:
            self.out.append(make.status_changed(None, new))
        end_by_stop_reason(self, self.message)

    # ----------------------------------------------------------------------------------------- its blocks

    def _block_start(self, payload: JSON, kind: str) -> None:
        self._need_message()
        start_block(self, self.message, payload)

    def _block_delta(self, payload: JSON, kind: str) -> None:
        self._need_message()
        read_delta(self, self.message, payload)

    def _block_stop(self, payload: JSON, kind: str) -> None:
        self._need_message()
        stop_block(self, self.message, payload)


def says_failure(payload: JSON) -> bool:
    """Whether an error stands beside a piece of the answer, or in the message that it is of."""
    message = payload.get("message")
    return error_beside(payload) is not None or (
        isinstance(message, dict) and error_beside(message) is not None
    )


Handler: TypeAlias = Callable[[AnthropicDialect, JSON, str], None]
HANDLERS: Final[dict[str, Handler]] = {
    "message_start": AnthropicDialect._message_start,
    "content_block_start": AnthropicDialect._block_start,
    "content_block_delta": AnthropicDialect._block_delta,
    "content_block_stop": AnthropicDialect._block_stop,
    "message_delta": AnthropicDialect._message_delta,
    "message_stop": AnthropicDialect._message_stop,
    "message": AnthropicDialect._whole_message,
    "error": AnthropicDialect._error,
}

DIALECT: Final = AnthropicDialect
"""What the registry finds here."""
