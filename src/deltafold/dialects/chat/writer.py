"""Writes Chat Completions: what `StreamEncoder("chat")` says.

Each choice begins with its role, goes on in deltas of one kind each, and ends with its finish reason; usage
comes behind in a chunk of its own, then `[DONE]`. Calls are counted from 0 within a choice, without gaps.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, TypeAlias

from deltafold.diagnosis.error_payloads import is_error_payload
from deltafold.dialects.base import ends_complete
from deltafold.dialects.chat.call_arguments import OPENING
from deltafold.dialects.chat.table import (
    AROUND_CALL,
    IMAGE,
    OF_DOCUMENT,
    more_of_call,
    stop_of,
    usage_of_chat,
)
from deltafold.dialects.writing import Options, Writer
from deltafold.dialects.written_errors import chat_error
from deltafold.dialects.written_items import WrittenItem, WrittenPart
from deltafold.dialects.written_json import (
    LEFT_OPEN,
    custom_as_function,
    dumps,
    object_in,
    quoted,
)
from deltafold.machine.build import NO_ARGUMENTS
from deltafold.machine.lifecycle import COMPLETED, INCOMPLETE
from deltafold.model import events as e
from deltafold.model.errors import ResponseError
from deltafold.model.items import CustomToolCall, FunctionCall, OtherItem, OtherPart, Reasoning, is_whole
from deltafold.model.json_values import is_same_json
from deltafold.model.losses import LossCode
from deltafold.model.response import Outcome, Response, Usage
from deltafold.wire.json_text import is_strict_json

__all__ = ["WRITER", "ChatWriter"]

JSON: TypeAlias = dict[str, Any]

MOST_NEW_CHOICES: Final = 128
"""How many choices may begin with one event, where a wire begins them all in order."""
WORDS: Final = ("stop", "tool_calls", "length", "content_filter")
TAIL: Final = '},"finish_reason":null}]}\n\n'
"""What ends a chunk with a text in its delta."""
DONE: Final = "data: [DONE]\n\n"
CITATION: Final = (("url", str), ("title", str), ("start_index", int), ("end_index", int))
ERRORS: Final = ("error", "error_message", "error_code")
"""Members of a choice that tell of a failure."""


class ChatWriter(Writer):
    """Events in, chunks out."""

    name = "chat"
    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        *Writer.SNAPSHOT_FIELDS,
        "head",
        "choices",
        "calls",
        "prefixes",
        "notes",
        "faults",
        "failing",
        "newest",
        "texts",
        "doubtful",
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.head = ""
        """The members that every chunk has, as JSON."""
        self.choices = 0
        """How many choices have begun: 0, 1, 2…"""
        self.calls: dict[int, int] = {}
        """How many calls each choice has."""
        self.prefixes: dict[tuple[int, str], str] = {}
        """All of a chunk before a text, by choice and member."""
        self.notes: dict[int, list[JSON]] = {}
        """The citations of each choice."""
        self.failing: JSON = {}
        """Members at the top of a chunk that tell of a failure."""
        self.faults: dict[int, JSON] = {}
        """Errors that stood inside of choices."""
        self.newest: dict[int, int] = {}
        """The item that began last in each choice, -1 where it is no call: a limit cuts that, for readers."""
        self.texts: set[tuple[int, str]] = set()
        """The choices with a message, and those with reasoning."""
        self.doubtful: list[int] = []
        """Calls that are not what a reader takes them for, unless their choice ends as cut."""

    # ------------------------------------------------------------------------------------------- chunks

    def begin(self) -> None:
        """From now on every chunk has the same id, model and time."""
        if self.begun:
            return
        self.begun = True
        self.head = (
            f'"id":{quoted(self.ident("chatcmpl-0"))},"object":"chat.completion.chunk",'
            f'"created":{self.created()},"model":{quoted(self.model_name())}'
        )
        if self.own():
            self.members(self.data)

    def members(self, data: JSON) -> None:
        """Members of the response that the wire has at the top of a chunk."""
        sent = {key: value for key, value in data.items() if key not in OF_DOCUMENT}
        if isinstance(data.get("created_at"), str):
            sent["created_at"] = data["created_at"]  # a field of its own beside `created`
        if sent and is_error_payload(sent):
            self.failing.update(sent)  # sent with the end, once
        elif sent:
            self.out.append(f'data: {{{self.head},"choices":[],{dumps(sent)[1:-1]}}}\n\n')

    def chunk(self, choice: int, delta: str, *, finish: str = "null", more: str = "") -> None:
        """A chunk of one choice. `delta` is JSON."""
        self.out.append(
            f'data: {{{self.head},"choices":[{{"index":{choice},"delta":{delta}{more},'
            f'"finish_reason":{finish}}}]}}\n\n'
        )

    def role(self, choice: int, content: str = '""') -> None:
        """A choice begins, and all before it."""
        self.begin()
        while self.choices <= choice:
            said = content if self.choices == choice else '""'
            self.chunk(self.choices, f'{{"role":"assistant","content":{said}}}')
            self.choices += 1

    def text_begins(self, choice: int, member: str = "content") -> None:
        """Something comes of the message of a choice, or of its reasoning."""
        kind = "message" if member in ("content", "refusal") else "reasoning"
        if (choice, kind) not in self.texts:
            self.texts.add((choice, kind))
            self.newest[choice] = -1

    def say(self, choice: int, member: str, text: str) -> None:
        """A fragment of a text."""
        if text:
            self.text_begins(choice, member)
        prefix = self.prefixes.get((choice, member))
        if prefix is None:
            self.role(choice)
            prefix = f'data: {{{self.head},"choices":[{{"index":{choice},"delta":{{{quoted(member)}:'
            self.prefixes[choice, member] = prefix
        self.out.append(f"{prefix}{quoted(text)}{TAIL}")

    # ----------------------------------------------------------------------------------------- the response

    def status(self, event: e.StatusChanged) -> None:
        spoken = event.data.get("audio")
        if self.own() and type(spoken) is dict:
            self.role(0)
            self.chunk(0, f'{{"audio":{dumps(spoken)}}}')
        if not self.begun:
            self.learn(event.data)
        elif self.own():
            self.members(event.data)

    def as_sent(self, event: Any) -> None:
        payload = event.payload
        if type(payload) is not dict or not payload or self.is_foreign(payload):
            self.lose(LossCode.EVENT_UNWRITABLE)
            return
        self.out.append(f"data: {dumps(payload)}\n\n")

    def choice_updated(self, event: e.ChoiceUpdated) -> None:
        data = event.data
        if not self.own():
            super().choice_updated(event)
            return
        sent = {
            key: value
            for key, value in data.items()
            if key not in ("message", "finish_reason", "index", "delta")
        }
        errors = {key: sent.pop(key) for key in [*sent] if key in ERRORS}
        if errors:  # sent with the end, once
            self.faults[event.choice_index] = errors
        sent = self.without_error(sent)
        message = data.get("message")
        delta = self.without_error(message) if type(message) is dict else {}
        if "thinking_blocks" in delta:
            delta = {"reasoning": "", **delta}  # their text was sent
        if event.choice_index > self.choices + MOST_NEW_CHOICES:
            self.lose(LossCode.CHOICE_DATA, None, f"choice {event.choice_index} begins before all others")
        elif sent or delta:
            self.role(event.choice_index)
            more = f",{dumps(sent)[1:-1]}" if sent else ""
            self.chunk(event.choice_index, dumps(delta), more=more)

    def audio(self, event: e.AudioDelta | e.TranscriptDelta) -> None:
        self.role(0)
        if isinstance(event, e.AudioDelta):
            self.chunk(0, f'{{"audio":{{"data":{quoted(event.data)}}}}}')
        else:
            self.chunk(0, f'{{"audio":{{"transcript":{quoted(event.text)}}}}}')

    # --------------------------------------------------------------------------------------------- items

    def item_started(self, item: WrittenItem) -> None:
        sent = item.item
        if item.choice > self.choices + MOST_NEW_CHOICES:
            self.skip(item, LossCode.FURTHER_CHOICE, f"choice {item.choice} begins before all others")
        elif isinstance(sent, OtherItem):
            self.skip_type(item)
        elif isinstance(sent, (FunctionCall, CustomToolCall)):
            self.item_updated(item)
        elif isinstance(sent, Reasoning):
            field = self.options.reasoning_field or (item.member if self.own() else None)
            item.prefix = field or "reasoning_content"

    def item_updated(self, item: WrittenItem) -> None:
        sent = item.item
        if not item.begun and isinstance(sent, (FunctionCall, CustomToolCall)) and sent.name and sent.call_id:
            self.begin_call(item, sent)

    def begin_call(self, item: WrittenItem, sent: FunctionCall | CustomToolCall) -> None:
        """The first fragment of a call: its id and name, which come once."""
        item.begun = True
        choice = item.choice
        self.role(choice, "null")
        self.newest[choice] = item.index
        custom = isinstance(sent, CustomToolCall) and not self.as_function(item)
        call_id, called = self.called(item)
        name = quoted(called)
        start = f'data: {{{self.head},"choices":[{{"index":{choice},"delta":'
        if self.own() and item.member == "function_call":
            self.chunk(choice, f'{{"function_call":{{"name":{name},"arguments":""}}}}')
            item.prefix = f'{start}{{"function_call":{{"arguments":'
            item.ident = "}}"
        else:
            at = self.calls.get(choice, 0)
            self.calls[choice] = at + 1
            member, inner = ("custom", "input") if custom else ("function", "arguments")
            rest = ""
            if self.own():
                told_more = more_of_call(sent)
                if not AROUND_CALL.isdisjoint(sent.data):
                    message = "members of a function that its call has as well"
                    self.lose(LossCode.EVENT_UNWRITABLE, item.index, message)
                rest = f",{dumps(told_more)[1:-1]}" if told_more else ""
            ident = quoted(call_id)
            body = f'"index":{at},"id":{ident},"type":"{member}","{member}":{{"name":{name},"{inner}":""}}'
            self.chunk(choice, f'{{"tool_calls":[{{{body}{rest}}}]}}')
            item.prefix = f'{start}{{"tool_calls":[{{"index":{at},"{member}":{{"{inner}":'
            item.ident = "}}]}"
        self.replay(item)

    def as_function(self, item: WrittenItem) -> bool:
        """Whether a call of a custom tool is written as that of a function, with its arguments at the end."""
        return isinstance(item.item, CustomToolCall) and self.options.custom_tools == "function"

    def arguments(self, item: WrittenItem, text: str) -> None:
        if not item.begun or self.as_function(item):
            return
        if text[:1] in OPENING and isinstance(item.item, FunctionCall):
            for piece in apart(item.written_pieces()):
                self.fragment(item, piece)
        else:
            self.fragment(item, text)

    def fragment(self, item: WrittenItem, text: str) -> None:
        """A fragment of the arguments of a call."""
        self.out.append(f'{item.prefix}{quoted(text)}{item.ident},"finish_reason":null}}]}}\n\n')

    def heat_arguments(self, item: WrittenItem, event: e.ArgumentsDelta) -> None:
        if item.begun and item.written is None and not self.as_function(item):
            special = OPENING if isinstance(item.item, FunctionCall) else ""
            suffix = f'{item.ident},"finish_reason":null}}]}}\n\n'
            self.heat(event, 0, item.prefix, suffix, item.pieces, special=special)

    # --------------------------------------------------------------------------------------------- values

    def part_started(self, item: WrittenItem, part: WrittenPart, event: e.PartStarted) -> None:
        sent = event.part
        if not isinstance(sent, OtherPart):
            return
        if not self.own():
            self.lose_part(item, sent)
            return
        self.role(item.choice)
        self.text_begins(item.choice)
        member = "images" if sent.type == IMAGE else "content"
        self.chunk(item.choice, f'{{"{member}":{dumps([sent.data])}}}')

    def text(self, item: WrittenItem, part: WrittenPart, event: e.TextDelta) -> None:
        if event.logprobs:
            self.role(item.choice)
            self.text_begins(item.choice)
            more = f',"logprobs":{{"content":{dumps(list(event.logprobs))},"refusal":null}}'
            self.chunk(item.choice, f'{{"content":{quoted(event.text)}}}', more=more)
        else:
            self.say(item.choice, "content", event.text)
            self.heat(event, event.content_index, self.prefixes[item.choice, "content"], TAIL)

    def refusal(self, item: WrittenItem, part: WrittenPart, event: e.RefusalDelta) -> None:
        self.say(item.choice, "refusal", event.text)

    def reasoning(self, item: WrittenItem, part: WrittenPart, event: e.ReasoningDelta) -> None:
        text = self.thought(item, event, item.choice)
        if text is None:
            return
        self.say(item.choice, item.prefix, text)
        self.heat(event, event.part_index, self.prefixes[item.choice, item.prefix], TAIL)

    def annotation(self, item: WrittenItem, part: WrittenPart, event: e.AnnotationAdded) -> None:
        note: JSON | None = event.annotation if self.own() else nested(event.annotation)
        if note is None:
            self.lose(LossCode.ANNOTATION_UNSUPPORTED, item.index)
            return
        self.notes.setdefault(item.choice, []).append(note)

    def tell_notes(self) -> None:
        """The citations of each choice, in one chunk: openai-python cannot add some of them to others."""
        for choice, notes in self.notes.items():
            self.role(choice)
            self.text_begins(choice)
            self.chunk(choice, f'{{"annotations":{dumps(notes)}}}')

    def item_finished(self, item: WrittenItem) -> None:
        sent = item.item
        if isinstance(sent, (FunctionCall, CustomToolCall)):
            if not item.begun and sent.name:
                self.begin_call(item, sent)
            elif item.begun:
                self.called(item)
            if not item.begun:
                self.skip(item, LossCode.CALL_NAME_MISSING)
                return
            if isinstance(sent, CustomToolCall) and self.as_function(item):
                self.fragment(item, custom_as_function("".join(item.pieces) or sent.input, whole=sent.whole))
                item.written = None  # all that came is written now
                self.lose(LossCode.CUSTOM_TOOL_AS_FUNCTION, item.index)
                if not sent.whole:
                    self.cut_call(item, LossCode.CALL_NOT_WHOLE)
            else:
                self.tell_whole(item, sent.arguments if isinstance(sent, FunctionCall) else sent.input)
                self.call_changed(item)
        elif isinstance(sent, Reasoning):
            details = sent.data.get("reasoning_details")
            if self.own() and details:
                self.role(item.choice)
                self.chunk(item.choice, f'{{"reasoning":"","reasoning_details":{dumps(details)}}}')
            elif sent.encrypted_content and not self.own():
                self.lose(LossCode.REASONING_ENCRYPTED, item.index)

    def readable(self, item: WrittenItem) -> str | None:
        text = super().readable(item)
        if text is None and comes_again(item.written_text()):
            return item.written_text()
        return text

    def call_changed(self, item: WrittenItem) -> None:
        if item.begun and self.is_misread(item):
            self.doubtful.append(item.index)

    # ------------------------------------------------------------------------------------------- the ends

    def word(self, choice: int, raw: str | None, response: Response, outcome: Outcome) -> str:
        """The finish reason of a choice. `raw` is that of its server."""
        word = self.sent_word(choice, raw, response, outcome)
        if choice in self.cut and ends_complete(stop_of(word)):
            return self.nearest(word, "length")
        return word

    def sent_word(self, choice: int, raw: str | None, response: Response, outcome: Outcome) -> str:
        """The finish reason of a choice that is what was sent."""
        if self.own() and raw:
            return raw
        reason, outcome = self.reason_of(choice, raw, response, outcome)
        called = any(item.choice == choice and is_whole(item.item) for item in self.items.values())
        if reason == "stop" and called:
            return "tool_calls"
        if reason in WORDS:
            return str(reason)
        good = "tool_calls" if called else "stop"
        return self.nearest(reason, good if outcome is COMPLETED else "length")

    def end_items(self, response: Response, outcome: Outcome) -> None:
        self.role(0)
        self.finish_items(outcome)
        self.tell_notes()
        for index in self.doubtful:
            item = self.items[index]
            if not self.is_misread(item):
                continue  # it was corrected again
            if self.newest[item.choice] == index:
                if outcome is COMPLETED or not self.own():
                    self.cut_call(item, LossCode.CALL_NOT_WHOLE)
            elif isinstance(item.item, FunctionCall) and not item.written_text():
                self.fragment(item, LEFT_OPEN)
                self.lose(LossCode.CALL_NOT_WHOLE, index)
            else:
                self.untrue.add(index)

    def ended(self, response: Response, outcome: Outcome) -> None:
        indexes = [known.index for known in response.choices]
        count = 1 + max(indexes) if indexes else 0
        if 0 < count <= len(indexes):
            self.role(count - 1)
        self.lose_choices(response, self.choices)
        sent = {known.index: known.finish_reason for known in response.choices}
        words = [self.word(choice, sent.get(choice), response, outcome) for choice in range(self.choices)]
        stops = [stop_of(word) for word in words]
        if outcome is not COMPLETED and all(map(ends_complete, stops)):
            words[0] = self.nearest(words[0], "length")  # it was a choice that is not written that was cut
            stops[0] = stop_of("length")
        for choice, word in enumerate(words):
            self.chunk(choice, "{}", finish=quoted(word))
            stop = stops[choice]
            newest = self.items.get(self.newest.get(choice, -1))
            if (
                stop is not None
                and stop.outcome is INCOMPLETE
                and newest is not None
                and is_whole(newest.item)
            ):
                self.lose(LossCode.CALL_NOT_WHOLE, newest.index, "a call before a limit is taken for cut off")
        usage = self.counted(response)
        if usage is not None and self.options.include_usage:
            counts = whole_usage(usage, own=self.own())
            self.out.append(f'data: {{{self.head},"choices":[],"usage":{dumps(counts)}}}\n\n')
        self.out.append(DONE)

    def failed(self, response: Response, outcome: Outcome, error: ResponseError | None) -> None:
        self.tell_notes()
        sent = chat_error(outcome, error, own=self.own())
        choices = ""
        if self.own() and self.faults and self.begun:
            inner = [
                {"index": index, "delta": {}, "finish_reason": None, **errors}
                for index, errors in self.faults.items()
                if index < self.choices
            ]
            choices = f',{self.head},"choices":{dumps(inner)}'
        if self.own() and self.failing:
            choices += f",{dumps(self.failing)[1:-1]}"
        self.out.append(f'data: {{"error":{dumps(sent)}{choices}}}\n\n')
        self.out.append(DONE)


def apart(pieces: list[str]) -> list[str]:
    """The last fragment, so cut that no reader takes it for all the arguments so far and more.

    Some servers send them so. A part that is shorter than what came before is none of these.
    """
    text = pieces[-1]
    size = 0
    for at in range(len(pieces) - 1):
        # Ends with what the fragment has in common with what came: it costs no more than the fragment.
        if not text.startswith(pieces[at], size):
            return [text]
        size += len(pieces[at])
    known, parts = text[:size], []
    while size and len(text) > 1 and text.startswith(known):
        part = text[: max(1, size - 1)]
        parts.append(part)
        text = text[len(part) :]
        known += part
        size += len(part)
    return [*parts, text]


def comes_again(text: str) -> bool:
    """Whether a reader may take what a text goes on with for arguments that came again, as some servers send
    them."""
    text = text.strip()
    first = object_in(text)
    rest = text[len(first) :].lstrip()
    if not rest or not is_strict_json(first):
        return False
    again = first.startswith(rest) or rest.startswith(first) or is_same_json(first, rest)
    return again or first == NO_ARGUMENTS or rest in (NO_ARGUMENTS, "[]")


def nested(annotation: JSON) -> JSON | None:
    """A citation of the Responses API as one of Chat Completions; None where it is no such."""
    if annotation.get("type") != "url_citation":
        return None
    inner: JSON = {}
    for name, kind in CITATION:
        if type(annotation.get(name)) is not kind:
            return None
        inner[name] = annotation[name]
    return {"type": "url_citation", "url_citation": inner}


def whole_usage(usage: Usage, *, own: bool) -> JSON:
    """Usage with all counts that the API requires."""
    prompt, completion, total = usage.input_tokens or 0, usage.output_tokens or 0, usage.total_tokens
    counts = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion if total is None else total,
    }
    sent = usage_of_chat(usage, "chat") if own else counts | usage_of_chat(usage, "another")
    return sent | {key: count for key, count in counts.items() if type(sent.get(key)) is not int}


WRITER: Final = ChatWriter
"""What the registry finds here."""
