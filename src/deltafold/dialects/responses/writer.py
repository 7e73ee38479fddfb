"""Writes the Responses API: what `StreamEncoder("responses")` says.

Every item and part is announced, sent in fragments and sent whole; numbers go up by one; the last event holds
the whole response. What clients need of each event, and what breaks them, is in the API reference ("Streaming
events") and in the types of openai-python.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, TypeAlias

from deltafold.dialects.event_writing import begin_text, take
from deltafold.dialects.responses.table import KNOWN_TYPES, item_type_of_part
from deltafold.dialects.writing import Options, Writer
from deltafold.dialects.written_errors import error_of
from deltafold.dialects.written_items import WrittenItem, WrittenPart, is_misleading
from deltafold.dialects.written_json import dumps, quoted
from deltafold.dialects.written_names import LONGEST_REPEATED, SAFE_NAME
from deltafold.machine.lifecycle import COMPLETED, FAILED
from deltafold.machine.values import KINDS, kind_of
from deltafold.model import events as e
from deltafold.model.errors import ResponseError
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Item,
    Message,
    OtherItem,
    OutputText,
    Part,
    Reasoning,
    ReasoningText,
    Refusal,
)
from deltafold.model.json_values import copied
from deltafold.model.losses import LossCode
from deltafold.model.response import Outcome, Response, Usage

__all__ = ["WRITER", "ResponsesWriter"]

JSON: TypeAlias = dict[str, Any]

PREFIXES: Final = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
}
"""What made ids begin with, by the type of the item."""
STEMS: Final = {
    "text": "response.output_text",
    "refusal": "response.refusal",
    "reasoning": "response.reasoning_text",
    "summary": "response.reasoning_summary_text",
}
"""The types of the events about a value of a part, without their last word."""
WHOLE: Final = {"text": "text", "refusal": "refusal", "reasoning": "text", "summary": "text"}
"""The member of a `done` event that holds the value."""
ARGUMENTS: Final = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "mcp_call": ("response.mcp_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
}
"""How arguments are streamed, by the type of the item, and the member that holds them."""
HOSTED: Final = {
    "code": ("response.code_interpreter_call_code", "code"),
    "diff": ("response.apply_patch_call_operation_diff", "diff"),
    "output": ("response.mcp_call_output", "output"),
}
REASONS: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
REQUIRED: Final[JSON] = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
REQUIRED_JSON: Final = dumps(REQUIRED)[1:-1]
PARTIAL_IMAGE: Final = "response.image_generation_call.partial_image"


class ResponsesWriter(Writer):
    """Events in, frames of the Responses API out."""

    name = "responses"
    takes_back = True
    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (*Writer.SNAPSHOT_FIELDS, "order", "idents", "base")

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.order: list[int] = []
        """The output indexes of the items that were announced, in the order of the wire."""
        self.idents: set[str] = set()
        """The ids of those items."""
        self.base: JSON = {}
        """What every life cycle event tells of the response."""

    # ------------------------------------------------------------------------------------------- frames

    def say(self, kind: str, members: str) -> None:
        """One event: its type, and its members as JSON without braces."""
        number = self.number
        self.number = number + 1
        self.out.append(f'event: {kind}\ndata: {{"type":"{kind}",{members},"sequence_number":{number}}}\n\n')

    def begin(self) -> None:
        """The response begins, with what is known of it by now."""
        if self.begun:
            return
        self.begun = True
        base: JSON = {key: value for key, value in self.data.items() if key != "output"} if self.own() else {}
        base["id"] = self.ident("resp_0")
        base["object"] = "response"
        sent = self.data.get("created_at") if self.own() else None
        base["created_at"] = sent if type(sent) is float else self.created()
        base["model"] = self.model_name()
        status = base.get("status")
        base["status"] = status if status in ("queued", "in_progress") else "in_progress"
        for key, value in REQUIRED.items():
            if base.get(key) is None:
                base[key] = copied(value)
        for key in ("error", "incomplete_details", "usage"):
            base.setdefault(key, None)
        base["output"] = []
        self.base = base
        if self.own():
            self.say("response.created", f'"response":{dumps(base)}')
        else:
            announced = self.response_json(base["status"], "null", "null", "null", "")
            self.say("response.created", announced)
            self.say("response.in_progress", announced)

    def response_json(self, status: str, error: str, details: str, usage: str, output: str) -> str:
        """A response of another wire, of which no more is known than this. All but the status is JSON."""
        base = self.base
        head = f'"id":{quoted(base["id"])},"object":"response","created_at":{dumps(base["created_at"])}'
        head += f',"model":{quoted(base["model"])},"status":"{status}",{REQUIRED_JSON}'
        ending = f'"error":{error},"incomplete_details":{details},"usage":{usage},"output":[{output}]'
        return f'"response":{{{head},{ending}}}'

    def response_started(self) -> None:
        if self.is_named():
            self.begin()

    def status(self, event: e.StatusChanged) -> None:
        if not self.begun:
            self.learn(event.data)
            if self.source != "chat" and event.status is None:
                return
        if not self.own():
            return
        self.begin()
        for key, value in event.data.items():
            if key not in FIXED:
                self.base[key] = value
        if event.status in ("queued", "in_progress"):
            # What was not sent again is not written again: it may be long.
            sent = {key: copied(value) for key, value in REQUIRED.items()}
            sent |= {key: value for key, value in event.data.items() if value is not None}
            for key in ("id", "object", "created_at", "model", "output"):
                sent[key] = self.base[key]
            self.base["status"] = sent["status"] = event.status
            self.say(f"response.{event.status}", f'"response":{dumps(sent)}')

    def choice_updated(self, event: e.ChoiceUpdated) -> None:
        """The first choice is the response, and others are lost with their items."""

    def audio(self, event: e.AudioDelta | e.TranscriptDelta) -> None:
        self.begin()
        if isinstance(event, e.AudioDelta):
            self.say("response.audio.delta", f'"delta":{quoted(event.data)}')
        else:
            self.say("response.audio.transcript.delta", f'"delta":{quoted(event.text)}')

    def as_sent(self, event: Any) -> None:
        found = self.payload_of(event)
        if found is None:
            return
        sent, kind = found
        counted = sent.pop("sequence_number", None) is not None or kind.startswith("response.")
        index = sent.get("output_index")
        if "output_index" in sent:
            item = self.items.get(index) if type(index) is int else None
            if item is None or not item.begun or item.over:
                self.lose(LossCode.EVENT_UNWRITABLE, None, "an event is about an item that is not open")
                return
            sent["output_index"] = item.place
            if "item_id" in sent:
                sent["item_id"] = item.ident
        self.begin()
        if counted:
            sent["sequence_number"] = self.number
            self.number += 1
        self.out.append(f"event: {kind}\ndata: {dumps(sent)}\n\n")

    # -------------------------------------------------------------------------------------------- items

    def item_started(self, item: WrittenItem) -> None:
        self.begin()
        sent = item.item
        if item.choice > 0:
            self.skip(item, LossCode.FURTHER_CHOICE, f"choice {item.choice} is left out")
        elif isinstance(sent, OtherItem) and self.source in FOREIGN:
            self.skip_type(item)
        elif not isinstance(sent, (FunctionCall, CustomToolCall)) or (sent.name and sent.call_id):
            self.add(item)

    def item_updated(self, item: WrittenItem) -> None:
        sent = item.item
        if isinstance(sent, (Message, Reasoning)):
            if self.own() and not item.over:
                self.announce_parts(item, sent)
        elif (
            not item.begun and isinstance(sent, (FunctionCall, CustomToolCall)) and sent.name and sent.call_id
        ):
            self.add(item)

    def announce_parts(self, item: WrittenItem, sent: Message | Reasoning) -> None:
        """Parts that came before the type of their item was known."""
        for at, known in enumerate(sent.content):
            part = item.parts.get(("content", at))
            if part is not None and not part.kind:
                self.part_started(item, part, e.PartStarted(item.index, at, "content", known))

    def add(self, item: WrittenItem) -> None:
        """An item is announced, with what of it was held back."""
        sent = item.item
        item.begun = True
        item.place = len(self.order)
        self.order.append(item.index)
        ident: str | None = sent.id
        made = PREFIXES.get(sent.type)
        if (
            ident in self.idents
            or (ident is None and made)
            or (ident and len(ident) > (LONGEST_REPEATED if self.own() else 64))
        ):
            ident = f"{made or sent.type[:20]}_{item.place}"
            while ident in self.idents:
                ident += "_"
        if ident is not None:
            self.idents.add(ident)
        item.ident = ident
        self.say(
            "response.output_item.added", f'"output_index":{item.place},"item":{dumps(self.blank(item))}'
        )
        streamed = ARGUMENTS.get(sent.type)
        if streamed is not None:
            item.prefix = self.prefix(item, streamed[0])
        self.replay(item)

    def prefix(self, item: WrittenItem, stem: str, more: str = "") -> str:
        """All of a delta's frame before its text."""
        kind = stem + ".delta"
        ident = f'"item_id":{quoted(item.ident)},' if item.ident is not None else ""
        return f'event: {kind}\ndata: {{"type":"{kind}",{ident}"output_index":{item.place},{more}"delta":'

    def identified(self, item: WrittenItem) -> JSON:
        """The fields of an item that do not change, with its type and id."""
        data: JSON = copied(item.item.data) if self.kept(item) else {}
        if item.item.type:  # else it goes on as it came
            data["type"] = item.item.type
        if item.ident is not None:
            data["id"] = item.ident
        return data

    def blank(self, item: WrittenItem) -> JSON:
        """An item as it is announced."""
        sent = item.item
        data = self.identified(item)
        if isinstance(sent, Message):
            data |= {"role": sent.role or "assistant", "status": "in_progress", "content": []}
        elif isinstance(sent, Reasoning):
            data["summary"] = []
            if data.get("content"):
                data["content"] = []
        elif isinstance(sent, FunctionCall):
            call_id, name = self.called(item)
            data |= {"call_id": call_id, "name": name, "arguments": "", "status": "in_progress"}
        elif isinstance(sent, CustomToolCall):
            call_id, name = self.called(item)
            data |= {"call_id": call_id, "name": name, "input": ""}
        return data

    def kept(self, item: WrittenItem) -> bool:
        """Whether the fields of an item are of this wire."""
        return self.own() or (self.source is None and isinstance(item.item, OtherItem))

    # -------------------------------------------------------------------------------------------- parts

    def part_started(self, item: WrittenItem, part: WrittenPart, event: e.PartStarted) -> None:
        sent = event.part
        group = event.group
        data: JSON
        if self.own() and not holds_part(item.item, group, sent):
            return  # its item tells it
        if group == "summary":
            part.kind, data = "summary", {"type": "summary_text", "text": ""}
        elif self.own() and isinstance(item.item, OtherItem):
            data = {}
            part.kind = "other" if getattr(sent, "text", "") else "reasoning"  # what came with it is whole
        elif isinstance(sent, ReasoningText):
            part.kind, data = "reasoning", {"type": "reasoning_text", "text": ""}
        elif isinstance(sent, Refusal):
            part.kind, data = "refusal", {"type": "refusal", "refusal": ""}
        elif isinstance(sent, OutputText):
            part.kind, data = "text", {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        elif self.own():
            part.kind, data = "other", {}
        else:
            self.lose_part(item, sent)
            return
        if not item.begun or item.over:
            self.lose(LossCode.LATE_FRAGMENT, item.index, "a part began after its item was whole")
            part.kind = ""
            return
        if self.own():
            data = {**data, **copied(sent.data)}
            if part.kind in WHOLE:
                data[WHOLE[part.kind]] = ""
            if part.kind == "text":
                data |= {"annotations": [], "logprobs": []}
        if part.kind == "text":
            call_text(data)
        part.data = data
        place = part.place = item.counts.get(group, 0)
        item.counts[group] = place + 1
        name = "summary_index" if group == "summary" else "content_index"
        at = f'"{name}":{part.place},'
        kind = (
            "response.reasoning_summary_part.added" if group == "summary" else "response.content_part.added"
        )
        self.say(kind, f"{self.where(item)}{at}{self.part_json(data)}")
        if part.kind in STEMS:
            self.open_value(item, part, part.kind)

    def open_value(self, item: WrittenItem, part: WrittenPart, kind: str) -> None:
        """What streams in a part is known."""
        part.kind = kind
        name = "summary_index" if kind == "summary" else "content_index"
        more = '"logprobs":[],' if kind == "text" else ""
        part.prefix = self.prefix(item, STEMS[kind], f'"{name}":{part.place},{more}')

    def become(self, item: WrittenItem, part: WrittenPart, kind: str) -> None:
        """A part is of the kind that streams in it, whatever it was announced as."""
        if part.kind != kind and part.place >= 0 and not (part.pieces or part.closed or part.ended):
            self.open_value(item, part, kind)

    @staticmethod
    def part_json(data: JSON) -> str:
        return f'"part":{dumps(data)}'

    def where(self, item: WrittenItem) -> str:
        """The members that name an item."""
        ident = f'"item_id":{quoted(item.ident)},' if item.ident is not None else ""
        return f'{ident}"output_index":{item.place},'

    def fragment(self, item: WrittenItem, part: WrittenPart, text: str) -> None:
        """A fragment of a part's value."""
        if part.place < 0 or part.closed or part.ended or item.over:
            if part.kind:
                self.lose(LossCode.LATE_FRAGMENT, item.index)
            return
        number = self.number
        self.number = number + 1
        part.pieces.append(text)
        self.out.append(f'{part.prefix}{quoted(text)},"sequence_number":{number}}}\n\n')

    def text(self, item: WrittenItem, part: WrittenPart, event: e.TextDelta) -> None:
        self.become(item, part, "text")
        if (part.closed or part.ended or item.over) and not self.own():
            self.say_late(item, event.text)
            return
        if event.logprobs and part.place >= 0 and not (part.closed or part.ended or item.over):
            part.logprobs += event.logprobs
            weighed = [
                {k: v for k, v in entry.items() if k != "bytes" or self.own()} for entry in event.logprobs
            ]
            part.pieces.append(event.text)
            members = f'{self.where(item)}"content_index":{part.place},"logprobs":{dumps(weighed)}'
            self.say(f"{STEMS[part.kind]}.delta", f'{members},"delta":{quoted(event.text)}')
            return
        self.fragment(item, part, event.text)
        if part.place >= 0 and not (part.closed or part.ended or item.over):
            self.heat(event, event.content_index, part.prefix, "", part.pieces)

    def say_late(self, item: WrittenItem, text: str) -> None:
        """Text that comes after its item was sent whole goes into another one."""
        index = self.lifts.get((item.index, "text"))
        if index is None:
            index = self.lifts[item.index, "text"] = -1 - len(self.lifts)
            begin_text(self, index, item.item.choice_index)
        self.items[index].pieces.append(text)
        take(self, e.TextDelta(index, 0, text))

    def refusal(self, item: WrittenItem, part: WrittenPart, event: e.RefusalDelta) -> None:
        self.become(item, part, "refusal")
        if part.kind == "text":
            self.lose(LossCode.REFUSAL_AS_TEXT, item.index)
        self.fragment(item, part, event.text)

    def reasoning(self, item: WrittenItem, part: WrittenPart, event: e.ReasoningDelta) -> None:
        self.become(item, part, "summary" if event.kind == "summary" else "reasoning")
        self.fragment(item, part, event.text)
        if part.place >= 0 and not (part.closed or part.ended or item.over):
            self.heat(event, event.part_index, part.prefix, "", part.pieces)

    def annotation(self, item: WrittenItem, part: WrittenPart, event: e.AnnotationAdded) -> None:
        note: JSON | None = event.annotation if self.own() or self.source is None else flat(event.annotation)
        if note is None or part.kind != "text":
            self.lose(LossCode.ANNOTATION_UNSUPPORTED, item.index)
            return
        if part.ended or item.over:
            self.lose(LossCode.LATE_FRAGMENT, item.index, "a citation came after its part was whole")
            return
        members = f'{self.where(item)}"content_index":{part.place},"annotation_index":{len(part.notes)}'
        part.notes.append(note)
        self.say("response.output_text.annotation.added", f'{members},"annotation":{dumps(note)}')

    # ------------------------------------------------------------------------------------- values, whole

    def close_value(self, item: WrittenItem, part: WrittenPart) -> None:
        """The value of a part is sent whole."""
        if part.closed or part.place < 0 or part.kind not in STEMS or item.over:
            return
        part.closed = True
        name = "summary_index" if part.kind == "summary" else "content_index"
        more = ""
        if part.kind == "text":
            more = f'"logprobs":{dumps(part.logprobs)},'
        text = quoted("".join(part.pieces))
        members = f'{self.where(item)}"{name}":{part.place},{more}"{WHOLE[part.kind]}":{text}'
        self.say(f"{STEMS[part.kind]}.done", members)

    def close_part(self, item: WrittenItem, part: WrittenPart, sent: Any = None) -> None:
        """A part is sent whole."""
        if part.ended or part.place < 0 or item.over:
            return
        self.close_value(item, part)
        part.ended = True
        if sent is not None and self.own():
            part.data = copied(sent.data)
        data = part.data = self.whole_part(part)
        summary = part.kind == "summary"
        name = "summary_index" if summary else "content_index"
        kind = "response.reasoning_summary_part.done" if summary else "response.content_part.done"
        self.say(kind, f'{self.where(item)}"{name}":{part.place},{self.part_json(data)}')

    def whole_part(self, part: WrittenPart) -> JSON:
        """A part with all that was written of it."""
        data = {**part.data}
        if part.kind in WHOLE:
            data[WHOLE[part.kind]] = "".join(part.pieces)
        if part.kind == "refusal":
            data.pop("text", None)
        if part.kind == "text":
            call_text(data)
            data["annotations"] = list(part.notes) or data.get("annotations") or []
            if part.logprobs:
                data["logprobs"] = list(part.logprobs)
        return data

    def value_finished(self, item: WrittenItem, event: e.ValueFinished) -> None:
        kind = event.kind
        if kind in STEMS:
            group = "summary" if kind == "summary" else "content"
            at = event.content_index if KINDS[kind].field == "content_index" else event.part_index
            self.close_value(item, item.parts[group, at or 0])
        elif kind == "arguments":
            self.close_arguments(item)
        elif kind in HOSTED and item.begun and not item.over:
            stem, member = HOSTED[kind]
            self.say(f"{stem}.done", f'{self.where(item)}"{member}":{quoted(event.text)}')
        elif kind == "command" and item.begun and not item.over:
            at_ = f'"output_index":{item.place},"command_index":{event.part_index or 0}'
            self.say("response.shell_call_command.done", f'{at_},"command":{quoted(event.text)}')

    def part_finished(self, item: WrittenItem, part: WrittenPart, event: e.PartFinished) -> None:
        if part.place >= 0:
            self.close_part(item, part, event.part)

    # ------------------------------------------------------------------------------------------ arguments

    def arguments(self, item: WrittenItem, text: str) -> None:
        if not item.begun:
            return
        if item.over or item.scan.other:
            self.lose(LossCode.LATE_FRAGMENT, item.index)
            return
        prefix = item.prefix
        if not prefix:
            if not self.own():
                return
            kind = item.item.type if item.item.type in ARGUMENTS else "mcp_call"
            item.prefix = prefix = self.prefix(item, ARGUMENTS[kind][0])
        number = self.number
        self.number = number + 1
        self.out.append(f'{prefix}{quoted(text)},"sequence_number":{number}}}\n\n')

    def heat_arguments(self, item: WrittenItem, event: e.ArgumentsDelta) -> None:
        if item.begun and item.prefix and not item.over and not item.scan.other:
            self.heat(event, 0, item.prefix, "", item.pieces)

    def close_arguments(self, item: WrittenItem) -> None:
        streamed = ARGUMENTS.get(item.item.type)
        if streamed is None or item.scan.other or not item.begun or item.over:
            return
        item.scan.other = True  # sent whole
        stem, member = streamed
        text = quoted("".join(item.pieces))
        self.say(f"{stem}.done", f'{self.where(item)}"{member}":{text}')

    def hosted(self, item: WrittenItem, event: Any) -> None:
        if not item.begun or item.over:
            return
        if isinstance(event, e.ItemProgress):
            if SAFE_NAME.fullmatch(item.item.type) and SAFE_NAME.fullmatch(event.status):
                self.say(f"response.{item.item.type}.{event.status}", self.where(item)[:-1])
        elif isinstance(event, e.PartialImage):
            more = "".join(
                f",{quoted(key)}:{dumps(value)}"
                for key, value in event.data.items()
                if key != "partial_image_index"
            )
            members = f'{self.where(item)}"partial_image_index":{event.partial_image_index}'
            self.say(PARTIAL_IMAGE, f'{members},"partial_image_b64":{quoted(event.image)}{more}')
        elif isinstance(event, e.CommandDelta):
            at = f'"output_index":{item.place},"command_index":{event.command_index}'
            if len(item.values["command", event.command_index]) == 1:
                self.say("response.shell_call_command.added", f'{at},"command":""')
            self.say("response.shell_call_command.delta", f'{at},"delta":{quoted(event.text)}')
        elif isinstance(event, e.CommandOutputDelta):
            members = f'{self.where(item)}"command_index":{event.command_index}'
            sent = f'{{"{event.stream}":{quoted(event.text)}}}'
            self.say("response.shell_call_output_content.delta", f'{members},"delta":{sent}')
        else:
            stem, _ = HOSTED[kind_of(event)]
            self.say(f"{stem}.delta", f'{self.where(item)}"delta":{quoted(event.text)}')

    # ------------------------------------------------------------------------------------------ the ends

    def item_finished(self, item: WrittenItem) -> None:
        sent = item.item
        if not item.begun:
            if isinstance(sent, (FunctionCall, CustomToolCall)) and not sent.name:
                self.skip(item, LossCode.CALL_NAME_MISSING)
                return
            self.add(item)
        if isinstance(sent, (FunctionCall, CustomToolCall)):
            self.tell_whole(item, sent.arguments if isinstance(sent, FunctionCall) else sent.input)
        self.close_arguments(item)
        contents = getattr(sent, "content", None)
        for (group, at), part in item.parts.items():
            known: Any = None
            listed = contents if group == "content" else getattr(sent, "summary", ())
            if isinstance(listed, tuple) and at < len(listed):
                known = listed[at]
            self.close_part(item, part, known)
        item.over = True
        item.final = self.whole(item, "completed")
        self.say("response.output_item.done", f'"output_index":{item.place},"item":{dumps(item.final)}')

    def whole(self, item: WrittenItem, status: str) -> JSON:
        """An item as it is sent at its end, with what was written of it. `status` stands in for its own."""
        sent = item.item
        data = self.identified(item)
        own_status = getattr(sent, "status", None)
        status = status if status != "completed" or own_status in (None, "in_progress") else own_status
        groups: dict[str, list[JSON]] = {"content": [], "summary": []}
        for (group, _), part in item.parts.items():
            if part.place >= 0:
                groups[group].append(part.data if part.ended else self.whole_part(part))
        if isinstance(sent, Message):
            data |= {"role": sent.role or "assistant", "status": status, "content": groups["content"]}
        elif isinstance(sent, Reasoning):
            data["summary"] = groups["summary"]
            if groups["content"] or data.get("content"):
                data["content"] = groups["content"]
            if sent.encrypted_content is not None and not self.own():
                if self.options.foreign_signatures or self.source is None:
                    data["encrypted_content"] = sent.encrypted_content
                else:
                    self.lose(LossCode.REASONING_ENCRYPTED, item.index)
        elif isinstance(sent, FunctionCall):
            call_id, name = self.called(item)
            arguments = "".join(item.pieces)
            if not sent.complete and (not self.own() or is_misleading(sent)):
                status = "incomplete"  # else it would look whole
            data |= {"call_id": call_id, "name": name, "arguments": arguments, "status": status}
        elif isinstance(sent, CustomToolCall):
            call_id, name = self.called(item)
            data |= {"call_id": call_id, "name": name, "input": "".join(item.pieces)}
            if not sent.whole:
                status = "incomplete"
            if own_status is not None or status != "completed":
                data["status"] = status
        if status != "completed" and "status" in data:
            data["status"] = status
        return data

    def output(self, response: Response, *, cut: bool) -> list[JSON]:
        """The items as the end of the response tells them."""
        if not self.own():
            found = []
            for index in self.order:
                item = self.items[index]
                final = item.final
                if index in self.untrue:
                    final = self.whole(item, "completed")
                found.append(self.whole(item, "incomplete") if final is None else final)
            return found
        matches = self.matches(response)
        output: list[JSON] = []
        for at, sent in enumerate(response.output):
            match = matches.get(at)
            if match is None:
                continue
            if any(part.place >= 0 and part.place != at for (_, at), part in match.parts.items()):
                # Its parts have other places here.
                output.append(self.whole(match, "incomplete") if match.final is None else match.final)
                continue
            data = sent.to_dict()
            if match.ident is not None:
                data["id"] = match.ident
            if isinstance(sent, (FunctionCall, CustomToolCall)):
                data["call_id"], data["name"] = self.called(match)
            if is_misleading(sent):
                data["status"] = "incomplete"
            if isinstance(sent, FunctionCall) and type(data.get("arguments")) is not str:
                data["arguments"] = sent.arguments
            parts = data.get("content")
            for part in parts if isinstance(sent, Message) and isinstance(parts, list) else ():
                if isinstance(part, dict) and "text" in part:
                    call_text(part)
            if match.final is None and cut and "status" in data:
                data["status"] = "incomplete"
            output.append(data)
        taken = {match.index for match in matches.values()}
        for index in self.order:
            item = self.items[index]
            if index not in taken:
                output.append(self.whole(item, "incomplete") if item.final is None else item.final)
        return output

    def matches(self, response: Response) -> dict[int, WrittenItem]:
        """The items that were written, by their places in the response: those of the same ids first, then
        those of the same type, by their indexes."""
        found: dict[int, WrittenItem] = {}
        left = [self.items[index] for index in sorted(self.order, reverse=True)]
        for key_of in (identity, type_of):
            alike: dict[Any, list[WrittenItem]] = {}
            for item in left:
                alike.setdefault(key_of(item.item), []).append(item)
            for at, sent in enumerate(response.output):
                if at not in found and (same := alike.get(key_of(sent))):
                    found[at] = same.pop()
            taken = {item.index for item in found.values()}
            left = [item for item in left if item.index not in taken]
        return found

    def terminal(self, kind: str, response: Response, more: JSON, *, cut: bool) -> None:
        usage = self.counted(response)
        if not self.own():
            output = ",".join([dumps(item) for item in self.output(response, cut=cut)])
            counts = "null" if usage is None else dumps(whole_usage(usage, own=False))
            error, details = dumps(more["error"]), dumps(more["incomplete_details"])
            self.say(kind, self.response_json(more["status"], error, details, counts, output))
            return
        data = {**self.base, **copied(response.data), **more}
        for key in ("id", "object", "created_at", "model"):
            data[key] = self.base[key]
        for key, value in REQUIRED.items():
            if data.get(key) is None:
                data[key] = copied(value)
        data["usage"] = None if usage is None else whole_usage(usage, own=True)
        data["output"] = self.output(response, cut=cut)
        self.say(kind, f'"response":{dumps(data)}')

    def end_items(self, response: Response, outcome: Outcome) -> None:
        self.begin()
        self.finish_items(outcome)

    def ended(self, response: Response, outcome: Outcome) -> None:
        self.lose_choices(response, 1)
        more: JSON = {"status": str(outcome), "error": None, "incomplete_details": None}
        reason = response.finish_reason
        if outcome is COMPLETED:
            if reason not in ("stop", "tool_calls", None) and not self.own():
                self.nearest(reason, "completed")
        else:
            word = response.incomplete_reason if self.own() else None
            more["incomplete_details"] = {
                "reason": word or REASONS.get(reason or "", reason) or "max_output_tokens"
            }
            sent = response.data.get("incomplete_details") if self.own() else None
            if isinstance(sent, dict) and isinstance(sent.get("reason"), str):
                more["incomplete_details"] = copied(sent)
            elif reason not in REASONS and not self.own():
                self.lose(
                    LossCode.FINISH_REASON, None, f"{str(reason)[:60]!r} is none of this wire's reasons"
                )
        self.terminal(f"response.{outcome}", response, more, cut=False)

    def failed(self, response: Response, outcome: Outcome, error: ResponseError | None) -> None:
        code, message = error_of(outcome, error)
        if error is not None and isinstance(error.code, str) and error.code and self.own():
            code = error.code
        if not self.begun and not self.announced:
            sent: JSON = {"code": code, "message": message, "param": None if error is None else error.param}
            nested = dumps({"type": (error.type if error is not None else None) or "error", **sent})
            self.say("error", f'"error":{nested},{dumps(sent)[1:-1]}')
            return
        self.begin()
        details: JSON = {"code": code, "message": message}
        more: JSON = {"status": "failed", "error": details, "incomplete_details": None}
        if self.own() and outcome is FAILED:
            known = response.data.get("error")
            if isinstance(known, dict):
                details = {**copied(known), **details}
                more["error"] = details
        self.terminal("response.failed", response, more, cut=True)


FIXED: Final = ("id", "object", "created_at", "model", "output", "status")
FOREIGN: Final = ("chat", "anthropic", "gemini")


def identity(item: Any) -> tuple[str, str | None, str | None]:
    """What an item is told apart by."""
    return item.type, item.id, getattr(item, "call_id", None)


def type_of(item: Any) -> str:
    """The type of an item."""
    return str(item.type)


def holds_part(item: Item, group: e.Group, part: Part) -> bool:
    """Whether clients take a part for one of this item, where an event tells of it.

    In an item of a type that nobody knows they look for reasoning alone, and an event of a part makes a
    message of one without a type.
    """
    if not isinstance(item, OtherItem):
        return True
    known = not item.type or item.type in KNOWN_TYPES
    return not known and item_type_of_part(group, {"type": part.type}) == "reasoning"


def call_text(part: JSON) -> None:
    """A part of a message in which text came gets the type of text where it has one that clients take for
    something else: some servers stream text in what they announce as a refusal."""
    if part.get("type") in ("refusal", "reasoning_text"):
        part["type"] = "output_text"
        part.pop("refusal", None)


def flat(annotation: JSON) -> JSON | None:
    """A citation of Chat Completions as one of the Responses API; None where it is no such."""
    inner = annotation.get("url_citation")
    if annotation.get("type") != "url_citation" or type(inner) is not dict:
        return None
    note: JSON = {"type": "url_citation"}
    for name, kind in (("url", str), ("title", str), ("start_index", int), ("end_index", int)):
        if type(inner.get(name)) is not kind:
            return None
        note[name] = inner[name]
    return note


def whole_usage(usage: Usage, *, own: bool) -> JSON:
    """Usage with all counts that the API requires."""
    sent: JSON = usage.to_dict() if own else {}
    sent["input_tokens"] = usage.input_tokens or 0
    sent["output_tokens"] = usage.output_tokens or 0
    total = usage.total_tokens
    sent["total_tokens"] = (usage.input_tokens or 0) + (usage.output_tokens or 0) if total is None else total
    for name, counts in (
        (
            "input_tokens_details",
            {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens},
        ),
        ("output_tokens_details", {"reasoning_tokens": usage.reasoning_tokens}),
    ):
        details = sent.get(name)
        details = dict(details) if isinstance(details, dict) else {}
        for key, value in counts.items():
            if type(details.get(key)) is not int:
                details[key] = value or 0
        sent[name] = details
    return sent


WRITER: Final = ResponsesWriter
"""What the registry finds here."""
