"""Anthropic Messages: api.anthropic.com, Bedrock, Vertex AI, MiniMax, DeepSeek, Kimi, and who imitates them.

A message is a list of content blocks, each of which is one item, in the order in which they begin. The wire's
`index` is a key to open blocks, not a position: gaps and reuse happen. A message ends with `message_stop`;
its stop reason comes before that, in `message_delta`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.diagnosis.error_payloads import error_from_payload, is_error_payload
from deltafold.dialects.anthropic.table import (
    COUNTS,
    DELTAS,
    EVENTS,
    ITEM_TYPES,
    MADE_ID,
    NUMBERS,
    OF_BLOCK,
    OF_DOCUMENT,
    OF_ITEM,
    OF_MESSAGE,
    is_call,
    metered,
    stop_of,
    stop_word,
    usage_from,
    value_of,
)
from deltafold.dialects.base import ErrorTerminatedDialect, error_beside, error_field_of
from deltafold.dialects.claims import dialect_of, is_strange
from deltafold.machine.build import NO_ARGUMENTS
from deltafold.machine.fold import Emitted, Fold, PendingFinish
from deltafold.machine.lifecycle import CANCELLED, COMPLETED, FAILED, INCOMPLETE, TRUNCATED
from deltafold.machine.records import empty
from deltafold.machine.values import GROUPS, MODELLED, ValuePath
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, LimitExceeded, ResponseError
from deltafold.model.json_values import copied, joined, string, weight
from deltafold.model.response import Outcome
from deltafold.wire.json_text import Paths, ReportAnomaly

__all__ = ["AnthropicDialect"]

JSON: TypeAlias = dict[str, Any]

MOST_COUNTS: Final = 64
"""How many members of the usage are handed out each time that one of them changes."""
TEXT: Final[ValuePath] = ("content", 0, "text")
ARGUMENTS: Final[ValuePath] = ("arguments",)


class Block:
    """One content block."""

    SNAPSHOT_FIELDS: Final = ("index", "kind", "start", "open", "citations", "late", "without_arguments")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, index: int, kind: str) -> None:
        self.index = index
        """Its output index."""
        self.kind = kind
        self.start: Any = None
        """The input with which a call began; it counts where nothing is streamed."""
        self.open = True
        self.citations = 0
        self.late: JSON = {}
        """Fields that became known since it began."""
        self.without_arguments = False
        """Whether it ended as a call into which nothing had been streamed."""


class AnthropicDialect(ErrorTerminatedDialect):
    """Translates the payloads of one stream."""

    name = "anthropic"
    fragments: ClassVar[Paths] = frozenset(
        {("delta", "text"), ("delta", "thinking"), ("delta", "partial_json")}
    )
    """Where pieces of a longer text stand."""
    state_classes: ClassVar[tuple[tuple[type, int], ...]] = ((Block, 2),)

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        *ErrorTerminatedDialect.SNAPSHOT_FIELDS,
        "message_id",
        "usage",
        "known",
        "stop_reason",
        "blocks",
        "strays",
        "newest",
        "announced",
        "begun_blocks",
        "whole_blocks",
        "call_ids",
        "final",
    )
    __slots__ = SNAPSHOT_FIELDS[len(ErrorTerminatedDialect.SNAPSHOT_FIELDS) :]

    def __init__(
        self, fold: Fold, report: ReportAnomaly, lifts: CallLifts, *, think_tags: bool = False
    ) -> None:
        super().__init__(fold, report, lifts, think_tags=think_tags)
        self.message_id: str | None = None
        self.usage: JSON = {}
        self.known: JSON = {}
        """What was handed on of the message's own members."""
        self.stop_reason: str | None = None
        self.blocks: dict[int, Block] = {}
        """The last block that began under each index of the wire."""
        self.strays: dict[tuple[int, str], Block] = {}
        """Blocks that began with a delta which fitted no other, by the wire's index and their type."""
        self.newest: int | None = None
        """The wire's index of the block that began last."""
        self.announced = False
        """Whether a `message_start` came."""
        self.begun_blocks = 0
        """How many blocks were streamed."""
        self.whole_blocks = 0
        """How many came whole in the message that begins the stream."""
        self.call_ids: set[str] = set()
        self.final = False
        """Whether the last thing told was a stop reason, so that nothing but `message_stop` is missing."""

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
        block = self.blocks.get(place)
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
        self.failing = {"code": "wrong_dialect", "message": message}
        self._end_with(FAILED, None)

    def _invalid(self, what: str, value: Any) -> None:
        self.report_once(AnomalyCode.INVALID_FIELD, what, f"{what} is {value!r:.40}")

    def _error(self, payload: JSON, kind: str) -> None:
        """An error "ends the stream at any place": nothing that follows it changes anything."""
        message = payload.get("message")
        inside = None
        if kind != "error" and isinstance(message, dict) and error_beside(payload) is None:
            inside = error_beside(message)
        error = error_from_payload(payload, inside)
        self.failing = error_field_of(payload, error)
        self.out.append(e.ErrorReported(error))
        self._end_with(FAILED, None)

    # ---------------------------------------------------------------------------------------- the message

    def _message_start(self, payload: JSON, kind: str) -> None:
        message = payload.get("message")
        if not isinstance(message, dict):
            self._invalid("message", message)
            message = {}
        if not self.started:
            self.announced = True
            self._begin_message(message)
            self._content(message)
            return
        ident = string(message, "id")
        if ident is not None and self.message_id is not None and ident != self.message_id:
            # A retrying proxy spliced another generation in: what is signed in the two cannot be mixed.
            self.report(AnomalyCode.RESPONSE_ID_CHANGED, f"{self.message_id[:40]!r} became {ident[:40]!r}")
            self._end_with(TRUNCATED, None)
        elif self.announced:
            self.report_once(AnomalyCode.ANNOUNCED_TWICE, None, "message_start came again")
        else:
            # Blocks had come before it; what it says of the message is news all the same.
            self.announced = True
            self.message_id = ident
            self.out.append(e.StatusChanged(None, self._document_of(message)))
            self._usage(message.get("usage"))
            self._content(message)

    def _begin_message(self, message: JSON, *, announced: bool = True) -> None:
        self.message_id = string(message, "id")
        data: JSON = {"object": "response", "status": "in_progress"}
        self.begin_response({**data, **self._document_of(message)}, announced=announced)
        self._usage(message.get("usage"))

    def _document_of(self, message: JSON) -> JSON:
        """What a message says of itself, as the response has it."""
        data: JSON = {}
        for key in ("id", "model"):
            sent = message.get(key)
            if isinstance(sent, str):
                data[key] = sent
            elif sent is not None:
                self._invalid(key, sent)
        return {**data, **self._new_members(message)}

    def _content(self, message: JSON) -> None:
        """Blocks that come whole in a message stand before all that are streamed."""
        content = message.get("content")
        if content is not None and not isinstance(content, list):
            self._invalid("content", content)
            return
        if content and len(content) > self.fold.limits.items:
            raise LimitExceeded("items", self.fold.limits.items)
        for sent in content or ():
            if isinstance(sent, dict):
                self.whole_blocks += 1
                self._finish(self._begin(sent), whole=True)
            else:
                self._invalid("content block", sent)

    def _whole_message(self, payload: JSON, kind: str) -> None:
        """A message in place of a stream: the body of a request that did not stream."""
        if self.started:
            self.report_once(AnomalyCode.ANNOUNCED_TWICE, None, "a whole message came in a stream")
            return
        self.announced = True
        self._begin_message(payload)
        self._content(payload)
        if error_beside(payload) is None:
            self._stop_of_message()

    def _need_message(self) -> None:
        """The message begins with whatever comes first."""
        if not self.started:
            self._begin_message({}, announced=False)

    def _new_members(self, sent: JSON) -> JSON:
        """What is new among the members of a message that this library does not model."""
        new: JSON = {}
        clashing: JSON = {}
        for key, value in sent.items():
            if key in OF_MESSAGE or (value is None and key in self.known) or self.known.get(key, "") == value:
                continue
            self.known[key] = value
            if key in OF_DOCUMENT:
                clashing[key] = copied(value)
            else:
                new[key] = copied(value)
        said = sent.get("stop_reason")
        word = stop_word(said)
        if word is not None:
            self.stop_reason = word
        elif said is not None and not isinstance(said, str):
            self._invalid("stop_reason", said)
        if clashing:
            new["message"] = clashing
        return new

    def _message_delta(self, payload: JSON, kind: str) -> None:
        """All values are totals; null erases nothing."""
        self._need_message()
        delta = payload.get("delta")
        if delta is not None and not isinstance(delta, dict):
            self._invalid("delta", delta)
        sent = dict(delta) if isinstance(delta, dict) else {}
        for key, value in payload.items():
            if key not in ("type", "delta", "usage", "index", "message"):
                sent[key] = value
        new = self._new_members({key: value for key, value in sent.items() if not self._erases(key, value)})
        if new:
            self.out.append(e.StatusChanged(None, new))
        if stop_word(sent.get("stop_reason")) is not None:
            self.final = True
        if "usage" not in payload:
            self.report_once(AnomalyCode.USAGE_MISSING, None, "a message_delta tells no usage")
        self._usage(payload.get("usage"))

    def _erases(self, key: str, value: Any) -> bool:
        return empty(value) and not empty(self.known.get(key))

    def _message_stop(self, payload: JSON, kind: str) -> None:
        self._need_message()
        self._usage(payload.get("usage"))  # LiteLLM tells it here
        metrics = payload.get("amazon-bedrock-invocationMetrics")
        if not self.usage and isinstance(metrics, dict):
            self._usage(metered(metrics))  # which repeats the totals, wherever there are such
        new = self._new_members({k: v for k, v in payload.items() if k not in ("type", "usage", "message")})
        if new:
            self.out.append(e.StatusChanged(None, new))
        self._stop_of_message()

    def _stop_of_message(self) -> None:
        if self.stop_reason is None:
            self.report(AnomalyCode.FINISH_REASON_MISSING, "the message stopped without a stop reason")
            self._end_with(TRUNCATED, None)
        else:
            self._end_by_word()

    def _usage(self, sent: Any) -> None:
        """The last count that is not null takes the place of the one before."""
        if sent is None:
            return
        if not isinstance(sent, dict):
            self._invalid("usage", sent)
            return
        changed = False
        for key, value in sent.items():
            if key in NUMBERS and value is not None and type(value) is not int:
                self._invalid(key, value)
                continue
            if (value is not None or key not in self.usage) and self.usage.get(key, "") != value:
                if len(self.usage) > MOST_COUNTS:
                    self.hold_text(len(key) + weight(value) - weight(self.usage.get(key)))
                self.usage[key] = copied(value)
                changed = True
        if changed:
            self._report_usage(whole=len(self.usage) <= MOST_COUNTS)

    def _report_usage(self, *, whole: bool) -> None:
        """Hands out all that is known of the usage; of very many members the known ones, until the end."""
        known: JSON = dict(self.usage) if whole else {}
        if not whole:
            for key in COUNTS:
                if key in self.usage:
                    known[key] = self.usage[key]
        self.out.append(e.UsageReported(usage_from(known)))

    # ----------------------------------------------------------------------------------------- the blocks

    def _block_start(self, payload: JSON, kind: str) -> None:
        self._need_message()
        sent = payload.get("content_block")
        if not isinstance(sent, dict):
            self._invalid("content_block", sent)
            return
        place = self._place(payload)
        known = self.blocks.get(place)
        before = None if self.newest is None else self.blocks[self.newest]
        if known is not None and known.open:
            self.report_once(AnomalyCode.INDEX_REUSED, place, f"block {place} begins again while it is open")
            self._finish(known, whole=True)
        elif before is not None and before.open:
            self.report_once(
                AnomalyCode.BLOCK_OUT_OF_ORDER, None, f"block {place} begins while another one is open"
            )
        elif place not in (self.begun_blocks, self.begun_blocks + self.whole_blocks) or self.final:
            self.report_once(AnomalyCode.BLOCK_OUT_OF_ORDER, None, f"block {place} begins where none is due")
        self._finish_strays(place)
        self.begun_blocks += 1
        self.final = False
        self.blocks[place] = self._begin(sent)
        self.newest = place

    def _place(self, payload: JSON) -> int:
        """The wire's index of a block; where there is none, that of the block that began last."""
        place = self.index(payload, "index")
        if place is not None:
            return place
        self.report_once(AnomalyCode.INDEX_MISSING, None, "an event of a block has no index")
        if payload.get("content_block") is None:
            return 0 if self.newest is None else self.newest
        return 0 if self.newest is None else self.newest + 1

    def _begin(self, sent: JSON) -> Block:
        """A block begins, with whatever it has already."""
        for group in GROUPS:
            entries = sent.get(group)
            if isinstance(entries, list) and len(entries) > self.fold.limits.parts:
                raise LimitExceeded("parts", self.fold.limits.parts)
        kind = sent.get("type")
        if not isinstance(kind, str) or not kind:
            self._invalid("the type of a block", kind)
            kind = ""
        item = self._item(sent, kind)
        block = Block(self.begin_item(item), kind)
        if kind == "text":
            self.begin_part(block.index, "content", 0, {"type": "output_text", "text": "", "annotations": []})
            for citation in self._citations(sent.get("citations")):
                self._cite(block, citation)
            self._say(block, "text", sent.get("text"))
        elif kind == "thinking":
            self.begin_part(block.index, "content", 0, {"type": "reasoning_text", "text": ""})
            self._say(block, "reasoning", sent.get("thinking"))
        elif kind == "tool_use":
            block.start = copied(sent.get("input"))
            if block.start is not None and not isinstance(block.start, dict):
                self._invalid("input", block.start)
        elif kind == "fallback":
            to = sent.get("to")
            model = to.get("model") if isinstance(to, dict) else None
            if isinstance(model, str):
                self.out.append(e.StatusChanged(None, {"model": model}))
        return block

    def _item(self, sent: JSON, kind: str) -> JSON:
        """A block as an item, without its text."""
        if kind not in ITEM_TYPES:
            return self._other_item(sent, kind)
        item: JSON = {"type": ITEM_TYPES[kind], "status": "in_progress"}
        rest = {key: copied(value) for key, value in sent.items() if key not in OF_BLOCK[kind]}
        if kind == "text":
            item |= {"role": "assistant", "content": []}
            if rest.get("citations"):
                del rest["citations"]
        elif kind == "tool_use":
            self._identify(item, rest, sent)
            if empty(rest.get("input")):
                rest.pop("input", None)
        else:
            item |= {"summary": [], "content": []} if kind == "thinking" else {"summary": []}
            name = "signature" if kind == "thinking" else "data"
            secret = sent.get(name)
            if isinstance(secret, str):
                if secret or kind == "redacted_thinking":
                    item["encrypted_content"] = secret
            elif secret is not None:
                self._invalid(name, secret)
        clashing = {key: rest.pop(key) for key in [*rest] if key in OF_ITEM}
        return {**item, **rest, **({"block": clashing} if clashing else {})}

    def _identify(self, item: JSON, rest: JSON, sent: JSON) -> None:
        """The id and the name of a call. What cannot be either stays a member of the block."""
        ident, name = sent.get("id"), sent.get("name")
        if not isinstance(name, str) or not name:
            self.report(AnomalyCode.CALL_NAME_MISSING, "a tool call has no name")
            if "name" in sent and name != "":
                rest["name"] = copied(name)
            name = ""
        if not isinstance(ident, str) or not ident:
            self.report(AnomalyCode.CALL_ID_MISSING, f"the call of {name[:40]!r} has no id")
        elif ident in self.call_ids:
            self.report_once(
                AnomalyCode.CALL_ID_REPEATED, ident[:40], f"two calls have the id {ident[:40]!r}"
            )
        else:
            self.call_ids.add(ident)
            item |= {"call_id": ident, "name": name, "arguments": ""}
            return
        if "id" in sent:
            rest["id"] = copied(ident)
        item |= {"call_id": MADE_ID.format(self.free_index()), "name": name, "arguments": ""}

    def _other_item(self, sent: JSON, kind: str) -> JSON:
        """A block of any other type keeps its members. A call of the server's has its arguments beside."""
        item: JSON = {"type": kind, **copied(sent)}
        clashing: JSON = {}
        calls = is_call(sent)
        if kind in MODELLED or (kind == "" and "type" in sent):
            clashing["type"] = item["type"]
            item["type"] = ""
        if isinstance(item.get("summary"), list):
            clashing["summary"] = item.pop("summary")  # which would be parts with texts of their own
        content = item.get("content")
        if isinstance(content, list):
            for entry in content:
                if isinstance(entry, dict) and isinstance(entry.get("refusal"), str):
                    clashing["content"] = item.pop("content")
                    break
        if calls and "arguments" in item:
            clashing["arguments"] = item.pop("arguments")
        if clashing and "block" in item:
            clashing["block"] = item.pop("block")
        if clashing:
            item["block"] = clashing
        return {**item, "arguments": ""} if calls else item

    def _say(self, block: Block, kind: e.ValueKind, text: Any) -> None:
        """A piece of the text of a block. A null says nothing."""
        if isinstance(text, str):
            if text:
                self.final = False
                self.emit_text(block.index, kind, TEXT, text)
        elif text is not None:
            self._invalid(kind, text)

    def _citations(self, sent: Any) -> list[JSON]:
        if sent is not None and not isinstance(sent, list):
            self._invalid("citations", sent)
            return []
        found: list[JSON] = []
        for entry in sent or ():
            if isinstance(entry, dict):
                found.append(entry)
            else:
                self._invalid("citation", entry)
        return found

    def _cite(self, block: Block, citation: JSON) -> None:
        at = self.check_index_limit(block.citations)
        block.citations += 1
        self.annotate(block.index, 0, at, copied(citation))

    def _delta(self, payload: JSON, kind: str) -> None:
        self._need_message()
        delta = payload.get("delta")
        if not isinstance(delta, dict):
            self._invalid("delta", delta)
            return
        place = self._place(payload)
        block = self.blocks.get(place)
        what = string(delta, "type") or ""
        if not what:
            for name, member in UNTYPED_DELTAS.items():
                if member in delta:
                    self.report_once(
                        AnomalyCode.TYPE_MISSING, "delta", f"a delta has no type, but what a {name} has"
                    )
                    what = name
                    break
        if what in DELTAS:
            fits, member = DELTAS[what]
            self._text(place, block, fits, delta.get(member))
            if len(delta) > 2:
                # Thinking that is not shown counts its tokens here, for progress only.
                self.out.append(e.Notice(what, delta))
        elif what == "input_json_delta":
            self._input(place, block, delta.get("partial_json"), payload)
        elif block is None:
            self._misfit(place, f"a {what[:40]} for block {place}, which never began")
            self.out.append(e.UnknownEvent(kind, payload))
        elif what == "signature_delta":
            self._signature(place, block, delta.get("signature"))
        elif what == "citations_delta" and block.kind == "text":
            citation = delta.get("citation")
            if isinstance(citation, dict):
                self._cite(block, citation)
            else:
                self._invalid("citation", citation)
        elif what == "compaction_delta" and block.kind == "compaction":
            # "the final value, null = compaction failed"; a null beside a value erases nothing.
            known = self.record(block.index).data
            for key, value in delta.items():
                if key != "type" and (value is not None or (key not in block.late and key not in known)):
                    self.hold_text(len(key) + weight(value) - weight(block.late.get(key)))
                    block.late[key] = copied(value)
        else:
            if what in ("citations_delta", "compaction_delta"):
                self._misfit(place, f"a {what} for a block of type {block.kind[:40]}")
            self.out.append(e.UnknownEvent(kind, payload))

    def _misfit(self, place: int, message: str) -> None:
        self.report_once(AnomalyCode.DELTA_MISFITS, place, message)

    def _text(self, place: int, block: Block | None, fits: str, text: Any) -> None:
        """Text and thinking go to a block of the right kind at that place, which begins if need be."""
        if block is None or block.kind != fits:
            if not isinstance(text, str) or not text:
                if text is not None and not isinstance(text, str):
                    self._invalid("delta", text)
                return
            known = "which never began" if block is None else f"of type {block.kind[:40]}"
            self._misfit(place, f"{fits} for block {place}, {known}")
            if block is None:
                block = self.blocks[place] = self._begin({"type": fits})
                self.newest = place
            else:
                stray = self.strays.get((place, fits))
                if stray is None:
                    stray = self.strays[place, fits] = self._begin({"type": fits})
                block = stray
        elif not block.open and isinstance(text, str) and text:
            self.report_once(
                AnomalyCode.DELTA_AFTER_DONE, block.index, f"{fits} for block {place}, which had ended"
            )
        self._say(block, "text" if fits == "text" else "reasoning", text)

    def _input(self, place: int, block: Block | None, text: Any, payload: JSON) -> None:
        """Fragments of JSON go only to a call that exists: no call is altered."""
        if not isinstance(text, str):
            if text is not None:
                self._invalid("partial_json", text)
            return
        if not text:
            return
        if block is None or not block.open or not self._calls(block):
            self._misfit(place, f"input for block {place}, which is no open call")
            self.out.append(e.UnknownEvent("content_block_delta", payload))
            return
        self.final = False
        self.emit_text(block.index, "arguments", ARGUMENTS, text)

    def _calls(self, block: Block) -> bool:
        """Whether a block has arguments."""
        if block.kind in ITEM_TYPES:
            return block.kind == "tool_use"
        return "arguments" in self.record(block.index).data and is_call(self.record(block.index).data)

    def _signature(self, place: int, block: Block, signature: Any) -> None:
        """ "signature := …": a second one takes the place of the first."""
        if not isinstance(signature, str):
            self._invalid("signature", signature)
        elif block.kind == "thinking":
            if signature:
                block.late["encrypted_content"] = signature
                if not block.open:
                    self.update_item(block.index, block.late)
        else:
            self._misfit(place, f"a signature for a block of type {block.kind[:40]}")
            if block.kind in ITEM_TYPES:
                block.late["signature"] = signature

    def _block_stop(self, payload: JSON, kind: str) -> None:
        self._need_message()
        place = self._place(payload)
        had_strays = self._finish_strays(place)
        block = self.blocks.get(place)
        if block is None:
            self._misfit(place, f"block {place} ends, and never began")
        elif block.open:
            self._finish(block, whole=True)
        elif not had_strays:
            self.report_once(AnomalyCode.ANNOUNCED_TWICE, place, f"block {place} ended again")

    def _finish_strays(self, place: int) -> bool:
        """What came under the index of a block and did not fit it ends with that block."""
        found = False
        if self.strays:
            for fits in ("text", "thinking"):
                stray = self.strays.pop((place, fits), None)
                if stray is not None:
                    found = True
                    self._finish(stray, whole=True)
        return found

    def _finish(self, block: Block, *, whole: bool, status: str | None = "completed") -> None:
        """A block ends: `whole` where the server said so, or its message did."""
        block.open = False
        index = block.index
        if block.kind in ITEM_TYPES:
            if block.kind == "tool_use" and whole and not self._has_arguments(index):
                block.without_arguments = empty(block.start)
                self.emit_text(index, "arguments", ARGUMENTS, written(block.start) or NO_ARGUMENTS)
            self.finish_item(index, status, block.late)
            return
        if not whole:
            self.finish_item(index, None, block.late)
            return
        if self.pending_surrogates.pop((index, ARGUMENTS), None) is not None:
            self.report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a value")
            self.emit_text(index, "arguments", ARGUMENTS, "\ufffd")
        data = {**self.present(index).to_dict(), **block.late}
        if self._calls(block):
            text = self.so_far(index, ARGUMENTS)
            value = value_of(text)
            if not text:
                del data["arguments"]
            elif value is not None:
                data["input"] = value
        self.out.append(e.ItemFinished(index, self.fold.item(self.record(index), data, whole=True)))
        self.ended_items.add(index)

    def _has_arguments(self, index: int) -> bool:
        """Whether anything was streamed into a call."""
        if (index, ARGUMENTS) in self.pending_surrogates or self.so_far(index, ARGUMENTS):
            return True
        raw = self.lifts.raw(index) if self.lifts.declared else None
        return raw is not None and joined(raw) != ""

    # ------------------------------------------------------------------------------------------- the end

    def _end(self, outcome: Outcome) -> None:
        """Nothing more will come."""
        if outcome is TRUNCATED and self.final:
            self.report(AnomalyCode.MISSING_TERMINAL, "the transport ended before message_stop")
            self._end_by_word()
        else:
            if outcome is TRUNCATED:
                self.report(AnomalyCode.MISSING_TERMINAL, "the transport ended before the message did")
            self._end_with(outcome, None)

    def _end_by_word(self) -> None:
        """The message ends as its stop reason says."""
        word = self.stop_reason or ""
        stop = stop_of(word)
        if stop is None:
            self.report(AnomalyCode.FINISH_REASON_UNKNOWN, f"nobody knows the stop reason {word[:40]!r}")
            self._end_with(COMPLETED, word)
            return
        if stop.outcome is INCOMPLETE:
            self._take_back()
        if stop.outcome is FAILED:
            error = ResponseError(
                ErrorKind.SERVER_ERROR, None, word, retryable=True, raw={"stop_reason": word}
            )
            self.failing = {"code": word, "message": None}
            self.out.append(e.ErrorReported(error))
        self._end_with(stop.outcome, stop.reason or word)

    def _take_back(self) -> None:
        """A limit cut the message behind a call of which nothing had come: it may have had arguments."""
        block = None if self.newest is None else self.blocks[self.newest]
        if block is not None and block.without_arguments:
            record = self.record(block.index)
            data = {**record.to_dict(), "status": "incomplete"}
            self.out.append(e.ItemUpdated(block.index, self.fold.item(record, data, whole=True)))

    def _end_with(self, outcome: Outcome, reason: str | None) -> None:
        by_server = outcome is COMPLETED or outcome is INCOMPLETE
        if len(self.usage) > MOST_COUNTS:
            self._report_usage(whole=True)
        opened = [block for block in (*self.blocks.values(), *self.strays.values()) if block.open]
        opened.sort(key=index_of)
        if opened and outcome is COMPLETED:
            self.report(AnomalyCode.BLOCK_NOT_ENDED, f"{len(opened)} blocks did not end before their message")
        for block in opened:
            # A limit cuts what is open; a turn that ends closes it.
            status = "completed" if outcome is COMPLETED else "incomplete" if outcome is INCOMPLETE else None
            self._finish(block, whole=outcome is COMPLETED, status=status)
        data: JSON = {}
        if outcome is not TRUNCATED:
            data["status"] = str(outcome)
        if outcome is INCOMPLETE:
            data["incomplete_details"] = {"reason": self.stop_reason}
        if self.failing is not None:
            data["error"] = self.failing
        self.end_response(PendingFinish(outcome, data, None, reason, by_server or outcome is CANCELLED))


def says_failure(payload: JSON) -> bool:
    """Whether an error stands beside a piece of the answer, or in the message that it is of."""
    message = payload.get("message")
    return error_beside(payload) is not None or (
        isinstance(message, dict) and error_beside(message) is not None
    )


def index_of(block: Block) -> int:
    """The output index of a block."""
    return block.index


def written(value: Any) -> str:
    """The JSON of an input, as arguments have it; "" where there is none."""
    if isinstance(value, str):
        return value
    if empty(value):
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


UNTYPED: Final[dict[str, frozenset[str]]] = {
    "message_start": frozenset({"message"}),
    "content_block_start": frozenset({"content_block"}),
    "content_block_delta": frozenset({"delta", "index"}),
    "message_delta": frozenset({"delta", "usage"}),
    "message": frozenset({"role", "content", "model"}),
}
"""What an event without a type and a name is, by the members that it has."""
UNTYPED_DELTAS: Final[dict[str, str]] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
    "signature_delta": "signature",
    "citations_delta": "citation",
}
"""What a delta without a type is, by the member that it has."""
Handler: TypeAlias = Callable[[AnthropicDialect, JSON, str], None]
HANDLERS: Final[dict[str, Handler]] = {
    "message_start": AnthropicDialect._message_start,
    "content_block_start": AnthropicDialect._block_start,
    "content_block_delta": AnthropicDialect._delta,
    "content_block_stop": AnthropicDialect._block_stop,
    "message_delta": AnthropicDialect._message_delta,
    "message_stop": AnthropicDialect._message_stop,
    "message": AnthropicDialect._whole_message,
    "error": AnthropicDialect._error,
}


DIALECT: Final = AnthropicDialect
"""What the registry finds here."""
