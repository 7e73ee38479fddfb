"""Writes Anthropic Messages: what `StreamEncoder("anthropic")` says.

Blocks are numbered from 0 without gaps, and one is open at a time. Text and thinking can be split: when
another block is due they are closed, and go on in a new one. A call cannot: while its arguments are no whole
object, what comes for other blocks waits, and is written as soon as the call ends.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, TypeAlias

from deltafold.dialects.anthropic.table import (
    EVENTS,
    STOP_REASONS,
    block_from,
    members_of,
    rest_of,
    stop_of,
    stop_word,
    usage_of_anthropic,
)
from deltafold.dialects.base import ends_complete
from deltafold.dialects.writing import Options, Writer
from deltafold.dialects.written_errors import error_of
from deltafold.dialects.written_items import WrittenItem, WrittenPart
from deltafold.dialects.written_json import (
    LEFT_OPEN,
    ObjectScan,
    custom_as_function,
    dumps,
    json_object,
    object_in,
    quoted,
)
from deltafold.machine.build import NO_ARGUMENTS
from deltafold.machine.lifecycle import COMPLETED, FAILED, ITEM_DONE
from deltafold.model import events as e
from deltafold.model.errors import ErrorKind, ResponseError
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Message,
    OtherItem,
    OtherPart,
    Reasoning,
    is_whole,
)
from deltafold.model.losses import LossCode
from deltafold.model.response import Outcome, Response
from deltafold.wire.json_text import is_strict_json

__all__ = ["WRITER", "AnthropicWriter"]

JSON: TypeAlias = dict[str, Any]

ERROR_TYPES: Final[dict[ErrorKind, str]] = {
    ErrorKind.RATE_LIMITED: "rate_limit_error",
    ErrorKind.QUOTA_EXCEEDED: "rate_limit_error",
    ErrorKind.USAGE_LIMIT_REACHED: "rate_limit_error",
    ErrorKind.OVERLOADED: "overloaded_error",
    ErrorKind.AUTHENTICATION: "authentication_error",
    ErrorKind.PERMISSION: "permission_error",
    ErrorKind.NOT_FOUND: "not_found_error",
    ErrorKind.INVALID_REQUEST: "invalid_request_error",
    ErrorKind.CONTEXT_WINDOW_EXCEEDED: "invalid_request_error",
    ErrorKind.CONTENT_POLICY: "invalid_request_error",
    ErrorKind.TIMEOUT: "timeout_error",
    ErrorKind.SERVER_ERROR: "api_error",
    ErrorKind.UNKNOWN: "api_error",
}
DELTAS: Final = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "json": ("input_json_delta", "partial_json"),
    "signature": ("signature_delta", "signature"),
}
"""What a fragment is, by its kind: the type of its delta, and the member that holds it."""
TAIL: Final = "}}\n\n"
"""What ends the frame of a delta."""
ELSEWHERE: Final = ("input", "citations")
"""Members of a block that come in events of their own."""


class AnthropicWriter(Writer):
    """Events in, frames of Anthropic Messages out."""

    name = "anthropic"
    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        *Writer.SNAPSHOT_FIELDS,
        "blocks",
        "current",
        "kind",
        "prefixes",
        "waiting",
        "late",
        "runnable",
        "unsent",
        "left_open",
        "closed_early",
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.blocks = 0
        """How many blocks have begun."""
        self.current: int | None = None
        """The output index of the item whose block is open."""
        self.kind = ""
        """What the open block holds: `text`, `thinking`, `json`, `other`."""
        self.prefixes: dict[str, str] = {}
        """All of a delta's frame in the open block before its text, by its kind."""
        self.waiting: dict[int, list[tuple[str, str]]] = {}
        """Fragments of items that wait for a call to end: kinds and texts, in the order of the items."""
        self.late: JSON = {}
        """Members of the message that became known after it began."""
        self.runnable = False
        """Whether a call is written that can be run."""
        self.unsent = ""
        """The open block of a call while none of its arguments came: it is sent with the first of them."""
        self.left_open: set[int] = set()
        """Calls that are not whole, and whose blocks stay open so that nobody takes them for whole."""
        self.closed_early: list[int] = []
        """Calls that are not whole, and were closed because something else came behind their object."""

    # ------------------------------------------------------------------------------------------- frames

    def say(self, kind: str, members: str = "") -> None:
        """One event: its type, and its members as JSON without braces."""
        rest = "," + members if members else ""
        self.out.append(f'event: {kind}\ndata: {{"type":"{kind}"{rest}}}\n\n')

    def begin(self) -> None:
        """The message begins, with what is known of it by now."""
        if self.begun:
            return
        self.begun = True
        message: JSON = {
            "id": self.ident("msg_0"),
            "type": "message",
            "role": "assistant",
            "model": self.model_name(),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }
        if self.own():
            for key, value in self.without_error(members_of(self.data)).items():
                if key not in ("stop_reason", "stop_sequence"):
                    message[key] = value
                elif value is not None:
                    self.late[key] = value
        message["usage"] = {"input_tokens": 0, "output_tokens": 0}
        self.say("message_start", f'"message":{dumps(message)}')

    def response_started(self) -> None:
        if self.is_named():
            self.begin()

    def status(self, event: e.StatusChanged) -> None:
        if not self.begun:
            self.learn(event.data)
        elif self.own():
            self.late.update(members_of(event.data))

    def heartbeat(self) -> None:
        if self.begun:
            self.say("ping")
        else:
            super().heartbeat()

    def as_sent(self, event: Any) -> None:
        found = self.payload_of(event)
        if found is None:
            return
        sent, kind = found
        if kind in EVENTS:
            self.lose(LossCode.EVENT_UNWRITABLE, None, "an event has no place")
            return
        self.begin()
        self.out.append(f"event: {kind}\ndata: {dumps(sent)}\n\n")

    # ------------------------------------------------------------------------------------------- blocks

    def blocked(self, index: int) -> bool:
        """Whether a call is open that cannot be closed yet for what is due for another item."""
        current = self.current
        if current is None or current == index or self.kind in ("text", "thinking"):
            return False
        item = self.items[current]
        return item.state is not ITEM_DONE and not item.is_whole_object()

    def write_piece(self, item: WrittenItem, kind: str, text: str) -> None:
        """A fragment goes to its block, or waits for its turn."""
        index = item.index
        if self.current == index and kind in self.prefixes and kind != "citation" and not self.unsent:
            self.out.append(f"{self.prefixes[kind]}{quoted(text)}}}}}\n\n")
            if self.waiting and self.kind == "json" and item.is_whole_object():
                self.close()
                self.drain()
            return
        if index in self.waiting or self.blocked(index):
            self.hot.clear()  # a fragment may end what the others wait for
            self.waiting.setdefault(index, []).append((kind, text))
            return
        self.put(item, kind, text)

    def put(self, item: WrittenItem, kind: str, text: str) -> None:
        """A fragment goes to the block of its item, which begins if it is not open."""
        index = item.index
        if kind == "whole":  # a block that comes whole
            self.close()
            self.start(item, "other", text)
            self.close()
            return
        if self.current != index or kind not in self.prefixes:
            if kind == "json" and item.over:
                self.spare(item, text)
                return
            self.close()
            if kind == "json":
                self.start(item, "json", self.call_block(item))
            elif kind == "start":
                self.start(item, "json", text)
                return
            else:
                block = "text" if kind in ("text", "citation") else "thinking"
                self.start(item, block, block_json(block, item.item, own=self.own()))
        if self.unsent and text:
            self.send_block()
        if kind == "citation":
            delta = f'"delta":{{"type":"citations_delta","citation":{text}}}'
            self.say("content_block_delta", f'"index":{self.blocks - 1},{delta}')
        elif text or kind == "signature":
            self.out.append(f"{self.prefixes[kind]}{quoted(text)}}}}}\n\n")

    def spare(self, item: WrittenItem, text: str) -> None:
        """Arguments that came after their block was closed."""
        if text.strip():
            self.lose(LossCode.ARGUMENTS_AFTER_END, item.index)

    def start(self, item: WrittenItem, kind: str, block: str) -> None:
        """A block begins."""
        self.begin()
        at = self.blocks
        item.begun = True
        self.hot.clear()
        self.current = item.index
        self.kind = kind
        self.unsent = block
        if not isinstance(item.item, FunctionCall):
            self.send_block()
        kinds = {"text": ("text", "citation"), "thinking": ("thinking", "signature"), "json": ("json",)}
        self.prefixes = {}
        for name in kinds.get(kind, ()):
            if name in DELTAS:
                delta, member = DELTAS[name]
                self.prefixes[name] = (
                    f'event: content_block_delta\ndata: {{"type":"content_block_delta","index":{at},'
                    f'"delta":{{"type":"{delta}","{member}":'
                )
            else:
                self.prefixes[name] = ""

    def send_block(self) -> None:
        """The open block is sent."""
        block, self.unsent = self.unsent, ""
        assert self.current is not None
        self.items[self.current].place = self.blocks
        self.say("content_block_start", f'"index":{self.blocks},"content_block":{block}')
        self.blocks += 1

    def close(self) -> None:
        """The open block ends."""
        index = self.current
        if index is None:
            return
        item = self.items[index]
        item.over = item.over or self.kind == "json"
        left_open = index in self.left_open
        if left_open and not self.is_written(item):
            left_open = False
            self.put(item, "json", LEFT_OPEN)
        if not self.unsent:
            self.say("content_block_stop", f'"index":{self.blocks - 1}')
        self.hot.clear()
        self.current = None
        self.kind = self.unsent = ""
        self.prefixes = {}
        if left_open:
            self.end_early(item)

    def drain(self) -> None:
        """What waited is written, item after item, until a call is open again that is not whole."""
        while self.waiting:
            index = next(iter(self.waiting))
            item = self.items[index]
            if self.blocked(index):
                return
            pieces = self.waiting.pop(index)
            for kind, text in pieces:
                self.put(item, kind, text)
            if item.state is ITEM_DONE and self.current == index:
                if index not in self.left_open:
                    self.close()
                elif self.unsent:
                    self.send_block()

    def call_block(self, item: WrittenItem) -> str:
        """The block with which a call begins."""
        sent = item.item
        assert isinstance(sent, (FunctionCall, CustomToolCall))
        rest = ""
        if self.own():
            more = rest_of(sent.data, ELSEWHERE)
            for name in ("type", "id", "name"):  # those that came wrong stand there too
                more.pop(name, None)
            rest = f",{dumps(more)[1:-1]}" if more else ""
        ident, name = map(quoted, self.called(item))
        return f'{{"type":"tool_use","id":{ident},"name":{name},"input":{{}}{rest}}}'

    # --------------------------------------------------------------------------------------------- items

    def item_started(self, item: WrittenItem) -> None:
        sent = item.item
        if item.choice > 0:
            self.skip(item, LossCode.FURTHER_CHOICE, f"choice {item.choice} is left out")
        elif isinstance(sent, OtherItem):
            if not self.own() or not sent.type:
                self.skip_type(item)
            elif sent.type.endswith("tool_use"):
                self.write_piece(item, "start", dumps(block_from(sent.data)))
        elif isinstance(sent, FunctionCall):
            self.item_updated(item)

    def item_updated(self, item: WrittenItem) -> None:
        sent = item.item
        if isinstance(sent, FunctionCall) and not item.ident and sent.name and sent.call_id:
            self.begin_call(item, sent.call_id)

    def begin_call(self, item: WrittenItem, ident: str) -> None:
        """From now on a call can be written."""
        item.ident = ident
        self.write_piece(item, "json", "")
        self.replay(item)

    def part_started(self, item: WrittenItem, part: WrittenPart, event: e.PartStarted) -> None:
        if isinstance(event.part, OtherPart):
            self.lose_part(item, event.part)

    def text(self, item: WrittenItem, part: WrittenPart, event: e.TextDelta) -> None:
        if event.logprobs:
            self.lose(LossCode.LOGPROBS_UNSUPPORTED, item.index)
        if event.text:
            self.write_piece(item, "text", event.text)
            if self.current == item.index:
                self.heat(event, event.content_index, self.prefixes["text"], TAIL)

    def refusal(self, item: WrittenItem, part: WrittenPart, event: e.RefusalDelta) -> None:
        self.lose(LossCode.REFUSAL_AS_TEXT, item.index)
        if event.text:
            self.write_piece(item, "text", event.text)

    def reasoning(self, item: WrittenItem, part: WrittenPart, event: e.ReasoningDelta) -> None:
        text = self.thought(item, event, item.index) if event.text else None
        if text is None:
            return
        self.write_piece(item, "thinking", text)
        if self.current == item.index:
            self.heat(event, event.part_index, self.prefixes["thinking"], TAIL)

    def annotation(self, item: WrittenItem, part: WrittenPart, event: e.AnnotationAdded) -> None:
        if not self.own():
            self.lose(LossCode.ANNOTATION_UNSUPPORTED, item.index)
            return
        if item.state is ITEM_DONE:
            self.lose(LossCode.LATE_FRAGMENT, item.index, "a citation came after its block")
            return
        self.write_piece(item, "citation", dumps(event.annotation))

    def arguments(self, item: WrittenItem, text: str) -> None:
        if isinstance(item.item, CustomToolCall):
            return  # sent whole, when it is
        if isinstance(item.item, FunctionCall):
            if not item.ident:
                return
            if item.over:
                self.spare(item, text)
                return
            was_whole, had_begun = item.scan.whole, item.scan.begun
            item.unscanned.append(text)
            if not had_begun or item.scan.other or was_whole:
                item.is_whole_object()
            if not self.own():
                if item.scan.other or not item.scan.begun:
                    return  # what clients read there has to be an object
                if was_whole:
                    self.spare(item, text)
                    return
                if not had_begun:
                    text = "".join(item.pieces)
        elif not item.begun and item.index not in self.waiting:
            self.write_piece(item, "start", dumps(block_from(item.item.data)))
        self.write_piece(item, "json", text)

    def heat_arguments(self, item: WrittenItem, event: e.ArgumentsDelta) -> None:
        scan = item.scan
        if not isinstance(item.item, FunctionCall) or self.waiting or item.over or scan.other or scan.whole:
            return
        if item.written is not None:
            return
        if scan.begun and self.current == item.index:
            self.heat(event, 0, self.prefixes["json"], TAIL, item.pieces, item.unscanned)

    def item_finished(self, item: WrittenItem) -> None:
        sent = item.item
        if isinstance(sent, CustomToolCall):
            self.finish_custom(item, sent)
        elif isinstance(sent, FunctionCall):
            self.finish_call(item, sent)
        elif isinstance(sent, Reasoning):
            self.finish_reasoning(item, sent)
        elif isinstance(sent, OtherItem):
            if not item.begun and item.index not in self.waiting:
                self.write_piece(item, "whole", dumps(block_from(sent.data)))
        elif isinstance(sent, Message) and self.own() and not item.begun and item.index not in self.waiting:
            self.write_piece(item, "text", "")
        if self.current == item.index and item.index not in self.left_open:
            self.close()
        if self.waiting:
            self.drain()

    def finish_custom(self, item: WrittenItem, sent: CustomToolCall) -> None:
        if not sent.name:
            self.lose(LossCode.CALL_NAME_MISSING, item.index)
            return
        self.lose(LossCode.CUSTOM_TOOL_AS_FUNCTION, item.index)
        self.runnable = self.runnable or sent.whole
        if not sent.whole:
            self.cut_call(item, LossCode.CALL_NOT_WHOLE)
        text = custom_as_function("".join(item.pieces) or sent.input, whole=sent.whole)
        item.written = None
        self.write_piece(item, "json", text)

    def finish_call(self, item: WrittenItem, sent: FunctionCall) -> None:
        if not item.ident:
            if not sent.name:
                self.skip(item, LossCode.CALL_NAME_MISSING)
                return
            self.begin_call(item, self.call_id(item))
        self.tell_whole(item, sent.arguments)
        self.runnable = self.runnable or sent.complete
        if item.called is not None:
            self.called(item)
        self.end_arguments(item, sent)

    def end_arguments(self, item: WrittenItem, sent: FunctionCall) -> None:
        """What is written of a call's arguments is all of it: of a whole call or of one that is none."""
        text = "".join(item.pieces)
        if item.over:
            self.end_early(item)
        elif self.is_written(item):
            if sent.complete and text == sent.arguments and item.written is None:
                return
            if self.is_misread(item):
                self.leave_open(item)
            elif not self.own() and self.readable(item) is None:
                self.cut_call(item, LossCode.ARGUMENTS_NO_OBJECT)  # some clients read as much as they can
        elif sent.complete and json_object(text) is not None:
            item.scan, item.written = ObjectScan(), None
            item.scan.feed(text)
            self.write_piece(item, "json", text)
        elif text.strip():
            self.cut_call(item, LossCode.ARGUMENTS_NO_OBJECT)
        else:
            self.leave_open(item)

    def end_early(self, item: WrittenItem) -> None:
        """A call ends whose block was closed because something else came behind its object."""
        if item.written is None and is_strict_json("".join(item.pieces)):
            if not is_whole(item.item):
                self.closed_early.append(item.index)
        elif not self.own() and self.readable(item) is None:
            self.cut_call(item, LossCode.ARGUMENTS_NO_OBJECT)
        else:
            self.call_changed(item)

    def is_written(self, item: WrittenItem) -> bool:
        """Whether anything of the arguments is written, or waits for its turn."""
        return bool(item.pieces) if self.own() else item.scan.begun and not item.scan.other

    def leave_open(self, item: WrittenItem) -> None:
        """The block of a call does not end, as where a limit cuts it: nobody may take the call for whole."""
        self.left_open.add(item.index)
        self.cut.add(item.choice)
        if not self.own():
            self.lose(LossCode.CALL_NOT_WHOLE, item.index)
        if self.unsent and self.current == item.index:
            self.send_block()

    def call_changed(self, item: WrittenItem) -> None:
        if item.index in self.waiting:
            self.leave_open(item)
        elif item.index != self.current and item.place >= 0 and self.is_misread(item):
            self.untrue.add(item.index)

    def readable(self, item: WrittenItem) -> str | None:
        if isinstance(item.item, CustomToolCall) or (self.own() and not item.over):
            return super().readable(item)
        text = object_in(item.written_text()) or NO_ARGUMENTS
        return None if json_object(text) is None else text

    def finish_reasoning(self, item: WrittenItem, sent: Reasoning) -> None:
        secret = sent.encrypted_content
        if secret is None:
            if self.own() and not item.begun and item.index not in self.waiting and sent.content:
                self.write_piece(item, "thinking", "")
            return
        if not self.own() and not self.options.foreign_signatures:
            self.lose(LossCode.REASONING_ENCRYPTED, item.index)
            return
        if item.begun or item.index in self.waiting or (self.own() and item.parts):
            if secret:
                self.write_piece(item, "signature", secret)
        else:
            more = rest_of(sent.data, ELSEWHERE) if self.own() else {}
            self.write_piece(item, "whole", dumps({"type": "redacted_thinking", "data": secret, **more}))

    # ------------------------------------------------------------------------------------------- the ends

    def release(self) -> None:
        """What waits is written, in the order of the output indexes, whatever of it is whole."""
        for index in sorted(self.waiting):
            self.close()
            item = self.items[index]
            for kind, text in self.waiting.pop(index):
                self.put(item, kind, text)

    def end_items(self, response: Response, outcome: Outcome) -> None:
        self.begin()
        self.finish_items(outcome)
        self.release()
        if self.current is None or self.current not in self.left_open:
            self.close()
        elif not self.unsent and not self.is_written(self.items[self.current]):  # a limit takes it back
            self.say("content_block_stop", f'"index":{self.blocks - 1}')
        self.untrue = {index for index in self.untrue if self.is_misread(self.items[index])}
        for index in self.closed_early:
            if outcome is COMPLETED:
                self.untrue.add(index)
            else:
                self.lose(LossCode.CALL_NOT_WHOLE, index)

    def ended(self, response: Response, outcome: Outcome) -> None:
        self.lose_choices(response, 1)
        delta = {"stop_reason": self.stop_reason(response, outcome), "stop_sequence": None}
        if self.own():
            delta |= {**self.late, "stop_reason": delta["stop_reason"]}
        usage = self.counted(response)
        sent: JSON = {}
        if usage is not None:
            sent = usage.to_dict() if self.own() else usage_of_anthropic(usage)
        if type(sent.get("output_tokens")) is not int:
            sent["output_tokens"] = 0
        self.say("message_delta", f'"delta":{dumps(delta)},"usage":{dumps(sent)}')
        self.say("message_stop")

    def stop_reason(self, response: Response, outcome: Outcome) -> str:
        """The stop reason of the message."""
        word = self.sent_reason(response, outcome)
        if self.cut and ends_complete(stop_of(word)):
            for index in sorted(self.left_open):
                self.lose(LossCode.CALL_NOT_WHOLE, index)
            return self.nearest(word, "max_tokens")
        return word

    def sent_reason(self, response: Response, outcome: Outcome) -> str:
        """The stop reason of a message that is what was sent."""
        if self.own():
            word = stop_word(response.data.get("stop_reason")) or stop_word(self.late.get("stop_reason"))
            if word is not None:
                return word
        reason = response.finish_reason
        if reason == "stop" and self.runnable:
            return "tool_use"
        known = STOP_REASONS.get(reason or "")
        if known is not None and (outcome is COMPLETED or reason != "pause_turn"):
            return known
        if outcome is COMPLETED:
            nearest = "tool_use" if any(is_whole(item.item) for item in self.items.values()) else "end_turn"
        else:
            nearest = "max_tokens"
        return self.nearest(reason, nearest)

    def failed(self, response: Response, outcome: Outcome, error: ResponseError | None) -> None:
        if self.waiting:
            self.release()
        if self.unsent and self.own():
            self.send_block()
        _, message = error_of(outcome, error)
        kind = "api_error"
        if outcome is FAILED and error is not None:
            kind = ERROR_TYPES.get(error.kind, "api_error")
            if self.own() and error.type:
                kind = error.type
        self.say("error", f'"error":{dumps({"type": kind, "message": message})}')


def block_json(kind: str, item: Any, *, own: bool) -> str:
    """The block with which text or thinking begins."""
    block: JSON = {"type": kind, kind: ""}
    if kind == "thinking":
        block["signature"] = ""
    if own:
        block |= rest_of(item.data, ELSEWHERE)
    return dumps(block)


WRITER: Final = AnthropicWriter
"""What the registry finds here."""
