"""Writes Gemini's streamGenerateContent: what `StreamEncoder("gemini")` says.

Chunks with parts of candidates. A call is one part, with its arguments as an object; the finish reason comes
once, in the last chunk of its candidate, and usage with it. There is no `[DONE]`, and there are no comments:
Google's client takes a line that is no data for a piece of JSON.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.diagnosis.error_payloads import is_error_payload
from deltafold.dialects.base import ends_complete
from deltafold.dialects.gemini.table import FINISH_WORDS, members_of, stop_of, usage_metadata
from deltafold.dialects.writing import Options, Writer
from deltafold.dialects.written_errors import error_of
from deltafold.dialects.written_items import WrittenItem, WrittenPart
from deltafold.dialects.written_json import dumps, json_object, object_in, quoted
from deltafold.machine.lifecycle import COMPLETED, FAILED, ITEM_DONE, TRUNCATED
from deltafold.model import events as e
from deltafold.model.errors import ErrorKind, ResponseError
from deltafold.model.items import CustomToolCall, FunctionCall, OtherItem, OtherPart, Reasoning, is_whole
from deltafold.model.losses import LossCode
from deltafold.model.response import Outcome, Response
from deltafold.wire.json_text import has_surrogates, replace_lone_surrogates

__all__ = ["WRITER", "GeminiWriter"]

JSON: TypeAlias = dict[str, Any]

STATUSES: Final[dict[ErrorKind, tuple[int, str]]] = {
    ErrorKind.RATE_LIMITED: (429, "RESOURCE_EXHAUSTED"),
    ErrorKind.QUOTA_EXCEEDED: (429, "RESOURCE_EXHAUSTED"),
    ErrorKind.USAGE_LIMIT_REACHED: (429, "RESOURCE_EXHAUSTED"),
    ErrorKind.OVERLOADED: (503, "UNAVAILABLE"),
    ErrorKind.AUTHENTICATION: (401, "UNAUTHENTICATED"),
    ErrorKind.PERMISSION: (403, "PERMISSION_DENIED"),
    ErrorKind.NOT_FOUND: (404, "NOT_FOUND"),
    ErrorKind.INVALID_REQUEST: (400, "INVALID_ARGUMENT"),
    ErrorKind.CONTEXT_WINDOW_EXCEEDED: (400, "INVALID_ARGUMENT"),
    ErrorKind.CONTENT_POLICY: (400, "INVALID_ARGUMENT"),
    ErrorKind.TIMEOUT: (504, "DEADLINE_EXCEEDED"),
    ErrorKind.SERVER_ERROR: (500, "INTERNAL"),
    ErrorKind.UNKNOWN: (500, "INTERNAL"),
}
BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
NOT_OF_CHUNKS: Final = frozenset(
    {"object", "status", "error", "incomplete_details", "usage", "id", "model", "members", "created_at"}
    | {"output", "audio", "background"}
)
"""Members of `Response.data` that a chunk has none of, or under another name."""


class GeminiWriter(Writer):
    """Events in, chunks out."""

    name = "gemini"
    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        *Writer.SNAPSHOT_FIELDS,
        "tail",
        "prefixes",
        "open_calls",
        "grown",
        "unsaid",
        "candidates",
        "broken",
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.tail = ""
        """All of a chunk behind its candidates."""
        self.prefixes: dict[tuple[int, bool], tuple[str, str]] = {}
        """All of a chunk before and behind a text, by candidate and whether it is a thought."""
        self.open_calls: dict[int, None] = {}
        """Calls that are not written yet, by their output indexes."""
        self.grown: dict[int, None] = {}
        """Those to which something came since they were looked at."""
        self.unsaid: list[tuple[int, str, int]] = []
        """Parts with members of their own whose text has not come: item, group and index."""
        self.candidates: set[int] = set()
        """The candidates that were written."""
        self.broken: set[int] = set()
        """Those with a call that was written and is not whole: their end takes back all calls."""

    # ------------------------------------------------------------------------------------------- chunks

    def begin(self) -> None:
        """From now on every chunk has the same id and model."""
        if self.begun:
            return
        self.begun = True
        self.tail = (
            f',"modelVersion":{quoted(self.model_name())},"responseId":{quoted(self.ident("resp_0"))}}}\n\n'
        )
        if self.own():
            self.members(self.data)

    def members(self, data: JSON) -> None:
        """Members that a chunk has beside its candidates."""
        sent = {key: value for key, value in data.items() if key not in NOT_OF_CHUNKS}
        clashing = data.get("members")
        if isinstance(clashing, dict):
            sent |= clashing
        for name in ("candidates", "modelVersion", "responseId", "usageMetadata"):
            sent.pop(name, None)
        sent = self.without_error(sent)
        if sent:
            if "response" in sent or self.is_foreign(sent) or is_error_payload(sent):
                sent = {"candidates": [], **sent}  # alone they would be something else
            self.out.append(f"data: {{{dumps(sent)[1:-1]}{self.tail}")

    def part(self, choice: int, part: str) -> None:
        """A chunk with one part, which is JSON."""
        if not self.begun:
            self.begin()
        self.candidates.add(choice)
        content = f'{{"parts":[{part}],"role":"model"}}'
        self.out.append(f'data: {{"candidates":[{{"content":{content},"index":{choice}}}]{self.tail}')

    def say(self, choice: int, text: str, *, thought: bool) -> None:
        """A fragment of text, or of thought."""
        frame = self.prefixes.get((choice, thought))
        if frame is None:
            self.begin()
            self.candidates.add(choice)
            mark = ',"thought":true' if thought else ""
            rest = f'{mark}}}],"role":"model"}},"index":{choice}}}]{self.tail}'
            frame = self.prefixes[choice, thought] = (
                'data: {"candidates":[{"content":{"parts":[{"text":',
                rest,
            )
        self.out.append(f"{frame[0]}{quoted(text)}{frame[1]}")

    # ---------------------------------------------------------------------------------------- the response

    def status(self, event: e.StatusChanged) -> None:
        if not self.begun:
            self.learn(event.data)
        elif self.own():
            self.members(event.data)

    def as_sent(self, event: Any) -> None:
        payload = event.payload
        known = event.type in ("functionCall", "part", "partialArgs")
        if type(payload) is not dict or not payload or known or self.is_foreign(payload):
            self.lose(LossCode.EVENT_UNWRITABLE)
            return
        self.out.append(f"data: {dumps(payload)}\n\n")

    def heartbeat(self) -> None:
        """Nothing: Google's client takes a comment for a piece of JSON."""

    def choice_updated(self, event: e.ChoiceUpdated) -> None:
        if not self.own() or not event.data:
            super().choice_updated(event)
            return
        self.flush()
        sent = self.without_error(
            {key: value for key, value in event.data.items() if key not in ("index", "finishReason")}
        )
        beside = sent.get("content")
        if isinstance(beside, dict):
            sent["content"] = {"parts": [], "role": "model", **beside}
        self.begin()
        self.candidates.add(event.choice_index)
        index = event.choice_index
        self.out.append(f'data: {{"candidates":[{{{dumps(sent)[1:-1]},"index":{index}}}]{self.tail}')

    # -------------------------------------------------------------------------------------------- items

    def item_started(self, item: WrittenItem) -> None:
        sent = item.item
        if self.unsaid:
            self.flush()
        if not self.own() and self.grown:
            self.write_whole_calls()
        if isinstance(sent, (FunctionCall, CustomToolCall)):
            self.open_calls[item.index] = None
        elif isinstance(sent, OtherItem) and not self.own() and sent.type != "image_generation_call":
            self.skip_type(item)

    def write_whole_calls(self) -> None:
        """Calls whose arguments are an object go out before what comes after them."""
        grown, self.grown = self.grown, {}
        for index in grown:
            item = self.items[index]
            sent = item.item
            if index not in self.open_calls or not isinstance(sent, FunctionCall):
                continue
            if not sent.name or not sent.call_id or not item.is_whole_object():
                continue
            if json_object("".join(item.pieces)) is None:
                item.scan.whole, item.scan.other = False, True  # whatever follows makes it no object
            else:
                del self.open_calls[index]
                self.write_call(item, sent)

    def part_started(self, item: WrittenItem, part: WrittenPart, event: e.PartStarted) -> None:
        self.flush()
        if isinstance(event.part, OtherPart):
            self.lose_part(item, event.part)
            return
        if self.own():
            part.data = members_of(event.part.data, ("text",))
            if "thought" in part.data:  # kept where it is neither true nor false
                thought = part.data.pop("thought")
                self.lose(LossCode.VALUE_CHANGED, item.index, f"thought is {thought!r:.40}, and is left out")
            if part.data:
                self.unsaid.append((item.index, event.group, event.part_index))

    def flush(self) -> None:
        """Parts whose text never came are written without."""
        unsaid, self.unsaid = self.unsaid, []
        for index, group, at in unsaid:
            item = self.items[index]
            self.part(item.choice, self.text_part(item, item.parts[group, at], ""))

    @staticmethod
    def text_part(item: WrittenItem, part: WrittenPart, text: str) -> str:
        """A part of text with its own members."""
        sent: JSON = {"text": text}
        if isinstance(item.item, Reasoning):
            sent["thought"] = True
        return dumps({**sent, **part.data})

    def fragment(self, item: WrittenItem, part: WrittenPart, text: str, *, thought: bool) -> None:
        """A fragment of text or thought, with the members of its part if it is the first."""
        if self.unsaid:
            sent = [
                entry for entry in self.unsaid if item.parts.get(entry[1:]) is part and entry[0] == item.index
            ]
            if sent:
                self.unsaid = [entry for entry in self.unsaid if entry not in sent]
                self.part(item.choice, self.text_part(item, part, text))
                return
        if text:
            self.say(item.choice, text, thought=thought)

    def text(self, item: WrittenItem, part: WrittenPart, event: e.TextDelta) -> None:
        if event.logprobs:
            self.lose(LossCode.LOGPROBS_UNSUPPORTED, item.index)
        self.fragment(item, part, event.text, thought=False)
        self.heat_text(item, part, event, event.content_index, thought=False)

    def heat_text(self, item: WrittenItem, part: WrittenPart, event: Any, at: int, *, thought: bool) -> None:
        """The next fragment can go the short way, unless parts wait."""
        frame = self.prefixes.get((item.choice, thought))
        if frame is not None and not self.unsaid and not part.data:
            self.heat(event, at, frame[0], frame[1])

    def refusal(self, item: WrittenItem, part: WrittenPart, event: e.RefusalDelta) -> None:
        self.lose(LossCode.REFUSAL_AS_TEXT, item.index)
        self.fragment(item, part, event.text, thought=False)

    def reasoning(self, item: WrittenItem, part: WrittenPart, event: e.ReasoningDelta) -> None:
        text = self.thought(item, event, item.index)
        if text is None:
            return
        self.fragment(item, part, text, thought=True)
        self.heat_text(item, part, event, event.part_index, thought=True)

    def annotation(self, item: WrittenItem, part: WrittenPart, event: e.AnnotationAdded) -> None:
        self.lose(LossCode.ANNOTATION_UNSUPPORTED, item.index)

    def arguments(self, item: WrittenItem, text: str) -> None:
        if item.over:
            if text.strip():
                self.lose(LossCode.ARGUMENTS_AFTER_END, item.index)
            return
        item.unscanned.append(text)
        if item.index not in self.grown:
            self.grown[item.index] = None

    def heat_arguments(self, item: WrittenItem, event: e.ArgumentsDelta) -> None:
        if not item.over:
            self.heat(event, 0, "", "", item.pieces, item.unscanned)  # nothing is written of it yet

    def call_changed(self, item: WrittenItem) -> None:
        sent = item.item
        corrected = self.own() and item.written is not None and json_object("".join(item.pieces)) is not None
        if corrected and isinstance(sent, FunctionCall) and sent.complete:
            self.write_call(item, sent)  # under its id, as its server did
        else:
            super().call_changed(item)

    def readable(self, item: WrittenItem) -> str | None:
        return object_in(item.written_text()) if item.begun else None

    def hosted(self, item: WrittenItem, event: Any) -> None:
        if isinstance(event, e.PartialImage):
            self.lose(LossCode.IMAGE_UNSUPPORTED, item.index)

    def item_finished(self, item: WrittenItem) -> None:
        sent = item.item
        self.flush()
        if isinstance(sent, (FunctionCall, CustomToolCall)):
            if item.index in self.open_calls:
                del self.open_calls[item.index]
                self.write_call(item, sent)
            else:
                self.call_changed(item)
        elif isinstance(sent, OtherItem):
            if self.own():
                self.part(item.choice, dumps(members_of(sent.data)))
            else:
                self.image(item, sent)
        elif isinstance(sent, Reasoning) and sent.encrypted_content and not self.own():
            if self.options.foreign_signatures:
                signed = {"text": "", "thought": True, "thoughtSignature": sent.encrypted_content}
                self.part(item.choice, dumps(signed))
            else:
                self.lose(LossCode.REASONING_ENCRYPTED, item.index)

    def image(self, item: WrittenItem, sent: OtherItem) -> None:
        """An image that was made."""
        result = sent.data.get("result")
        if not isinstance(result, str) or not BASE64.fullmatch(result):
            self.lose(LossCode.ITEM_UNSUPPORTED, item.index, "an image without its data is left out")
            return
        form = sent.data.get("output_format")
        kind = f"image/{form}" if isinstance(form, str) and form.isalnum() else "image/png"
        self.part(item.choice, dumps({"inlineData": {"mimeType": kind, "data": result}}))

    def write_call(self, item: WrittenItem, sent: FunctionCall | CustomToolCall) -> None:
        """A call, as one part."""
        item.over = True
        if not sent.name:
            self.lose(LossCode.CALL_NAME_MISSING, item.index)
            return
        text = "".join(item.pieces)
        args: JSON | None
        if isinstance(sent, CustomToolCall):
            self.lose(LossCode.CUSTOM_TOOL_AS_FUNCTION, item.index)
            args = {"input": text or sent.input}
        else:
            text = text or sent.arguments
            args = json_object(text) if text.strip() else {}
        if args is None:
            self.cut_call(item, LossCode.ARGUMENTS_NO_OBJECT)
            return
        if item.state is ITEM_DONE and not is_whole(sent):
            self.cut_call(item, LossCode.CALL_NOT_WHOLE, "a call that is not whole is left out")
            return
        if has_surrogates(text):
            # In the text of arguments half a pair may be escaped; no string of a chunk may hold one.
            whole: JSON = replace_lone_surrogates(args, lambda code, message: None, frozenset())
            if whole != args:
                args = whole
                self.lose(LossCode.VALUE_CHANGED, item.index, "half a surrogate pair in arguments is U+FFFD")
        item.begun = True
        item.written = None
        members: JSON = {}
        inside: Any = None
        if self.own():
            members = members_of(sent.data)
            inside = members.pop("functionCall", None)
        call: JSON = {"id": self.called(item)[0], "name": sent.name, "args": args}
        if isinstance(inside, dict):
            call |= inside
        self.part(item.choice, dumps({"functionCall": call, **members}))

    # ------------------------------------------------------------------------------------------- the ends

    def word(self, choice: int, raw: str | None, response: Response, outcome: Outcome) -> str | None:
        """The finish reason of a candidate. `raw` is that of its server."""
        word = self.sent_word(choice, raw, response, outcome)
        if choice in self.broken and keeps_calls(word):
            return self.nearest(word, "MALFORMED_FUNCTION_CALL")
        if choice in self.cut and ends_complete(None if word is None else stop_of(word)):
            return self.nearest(word, "MAX_TOKENS")
        return word

    def sent_word(self, choice: int, raw: str | None, response: Response, outcome: Outcome) -> str | None:
        """The finish reason of a candidate that is what was sent."""
        if self.own():
            return raw
        reason, outcome = self.reason_of(choice, raw, response, outcome)
        word: str | None = FINISH_WORDS.get(reason or "")
        return word or self.nearest(reason, "STOP" if outcome is COMPLETED else "MAX_TOKENS")

    def end_items(self, response: Response, outcome: Outcome) -> None:
        self.begin()
        self.flush()
        self.finish_items(outcome)
        self.untrue = {index for index in self.untrue if self.is_misread(self.items[index])}
        others = [item for index, item in self.items.items() if index not in self.untrue]
        runnable = {item.choice for item in others if item.begun and is_whole(item.item)}
        words = {known.index: known.finish_reason for known in response.choices} if self.own() else {}
        for index in [*self.untrue]:
            choice = self.items[index].choice
            if choice not in runnable or not keeps_calls(words.get(choice)):
                self.broken.add(choice)
                self.untrue.discard(index)
                self.lose(LossCode.CALL_NOT_WHOLE, index)

    def ended(self, response: Response, outcome: Outcome) -> None:
        usage = self.counted(response)
        counted = ""
        if usage is not None:
            sent = usage.to_dict() if self.own() else usage_metadata(usage)
            for key, count in sent.items():
                if isinstance(count, str) and count.isdecimal() and len(count) < 20:
                    sent[key] = int(count)
            if type(sent.get("promptTokenCount")) is not int:
                sent["promptTokenCount"] = 0
            counted = f',"usageMetadata":{dumps(sent)}'
        candidates = sorted(self.candidates | {known.index for known in response.choices})
        if not self.own() and not candidates:
            candidates = [0]
        words = {known.index: known.finish_reason for known in response.choices}
        told_ends = []
        for choice in candidates:
            word = self.word(choice, words.get(choice), response, outcome)
            if word is not None:
                told_ends.append(f'{{"finishReason":{quoted(word)},"index":{choice}}}')
        if told_ends:
            self.out.append(f'data: {{"candidates":[{",".join(told_ends)}]{counted}{self.tail}')
        elif counted:
            self.out.append(f"data: {{{counted[1:]}{self.tail}")

    def failed(self, response: Response, outcome: Outcome, error: ResponseError | None) -> None:
        if self.unsaid:
            self.flush()
        _, message = error_of(outcome, error)
        code, status = (500, "INTERNAL") if outcome is TRUNCATED else (499, "CANCELLED")
        if outcome is FAILED:
            code, status = STATUSES[error.kind] if error is not None else (500, "INTERNAL")
        sent = {"code": code, "message": message, "status": status}
        self.out.append(f'data: {{"error":{dumps(sent)}}}\n\n')


def keeps_calls(word: str | None) -> bool:
    """Whether the calls of a candidate with this finish reason may be run."""
    stop = None if word is None else stop_of(word)
    return stop is None or stop.keeps_calls


WRITER: Final = GeminiWriter
"""What the registry finds here."""
