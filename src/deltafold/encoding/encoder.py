"""The encoder: events in, the bytes of one wire out.

It is as pure as the parser: no clock, no chance, no I/O. What a wire cannot say is in `losses`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from deltafold.dialects.event_writing import write_event
from deltafold.dialects.writing import Options, Writer
from deltafold.dialects.written_items import WrittenItem, WrittenPart
from deltafold.dialects.written_json import ObjectScan
from deltafold.model import events as e
from deltafold.model.errors import UsageError
from deltafold.model.events import Event, Group
from deltafold.model.frozen import evolve
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Item,
    Message,
    OtherPart,
    OutputText,
    Part,
    Reasoning,
    Refusal,
)
from deltafold.model.losses import Loss, LossCode
from deltafold.model.response import Outcome, Response
from deltafold.parsing.parser import ResponseParser
from deltafold.parsing.snapshot import CLASSES, STATE_CLASSES, from_json, to_json, unwrap, wrap
from deltafold.registry import DIALECTS, part_of

__all__ = ["StreamEncoder", "encode_response"]

STATE_CLASSES.update({ObjectScan: 0, WrittenItem: 2, WrittenPart: 2, Options: 8})
CLASSES.update(
    {found.__name__: found for found in (ObjectScan, WrittenItem, WrittenPart, Options, Loss, LossCode)}
)

DATA: Final = "data: "


class StreamEncoder:
    """Writes the events of one response as one of the four wires.

    ```python
    encoder = StreamEncoder("chat")
    for event in parser.events():
        send(encoder.encode(event))
    ```

    Args:
        dialect: The wire that is written: `responses`, `chat`, `anthropic` or `gemini`.
        response_id: The id of the response.
        model: The model.
        created: When the response began, in seconds since the epoch, where the events do not tell. 0 if None.
        include_usage: Whether Chat's chunk with the usage is written.
        reasoning_field: The member of a delta that holds reasoning on Chat. The source's own, or else
            `reasoning_content`, if None.
        custom_tools: `custom`, or `function`: calls of custom tools are written as those of functions with
            one argument, `input`.
        foreign_signatures: Whether encrypted reasoning of another API travels as a signature.
        lifted: Whether `LiftedDelta` is written as text or reasoning.

    Raises:
        UsageError: The dialect is none of the four, or an option has no such value.
    """

    __slots__ = ("_dialect", "_framed", "_writer")

    def __init__(
        self,
        dialect: str,
        *,
        response_id: str | None = None,
        model: str | None = None,
        created: int | None = None,
        include_usage: bool = True,
        reasoning_field: str | None = None,
        custom_tools: str = "custom",
        foreign_signatures: bool = False,
        lifted: bool = False,
    ) -> None:
        if dialect not in DIALECTS:
            raise UsageError(f"dialect must be one of {', '.join(DIALECTS)}, not {dialect!r:.60}")
        if custom_tools not in ("custom", "function"):
            raise UsageError(f"custom_tools must be 'custom' or 'function', not {custom_tools!r:.60}")
        options = Options(
            response_id,
            model,
            created,
            include_usage,
            reasoning_field,
            custom_tools,
            foreign_signatures,
            lifted,
        )
        self._dialect = dialect
        self._writer: Writer = part_of(dialect, "writer").WRITER(options)
        self._framed: bool | None = None

    @property
    def dialect(self) -> str:
        """The wire that is written."""
        return self._dialect

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What the wire could not say so far. `LOSSES` says what each code means."""
        return tuple(self._writer.losses)

    def encode(self, event: Event) -> bytes:
        """The frames that an event is on the wire; b"" where it is nothing there.

        After `ResponseFinished` the stream is whole, with `[DONE]` where the wire has it.

        Raises:
            UsageError: No life cycle allows the event here, it is none, or `payloads()` was used before.
        """
        writer = self._writer
        if self._framed is not True:
            self._drive(framed=True)
        frame = writer.quick(event)
        if frame is not None:
            return frame.encode()
        return "".join(write_event(writer, event)).encode()

    def payloads(self, event: Event) -> list[dict[str, Any]]:
        """The same without frames, as decoded JSON: for a WebSocket, or the types of an SDK.

        Raises:
            UsageError: As for `encode()`.
        """
        if self._framed is not False:
            self._drive(framed=False)
        found = []
        for frame in write_event(self._writer, event):
            at = frame.find(DATA)
            if at >= 0 and not frame.startswith("[DONE]", at + len(DATA)) and not frame.startswith(":"):
                found.append(json.loads(frame[at + len(DATA) :]))
        return found

    def _drive(self, *, framed: bool) -> None:
        if self._framed is not None:
            raise UsageError("an encoder is driven by encode() or by payloads(), not by both")
        self._framed = framed

    def snapshot(self) -> dict[str, Any]:
        """The whole state as a JSON-safe dict, with a version and a checksum."""
        writer = self._writer
        state = {name: to_json(getattr(writer, name)) for name in writer.SNAPSHOT_FIELDS}
        return wrap({"encoder": self._dialect, "framed": self._framed, "state": state})

    @classmethod
    def resume(cls, snapshot: Mapping[str, Any]) -> StreamEncoder:
        """The encoder that goes on where another one stood when `snapshot()` was taken.

        Raises:
            UsageError: This is no snapshot of an encoder, one of another version, or it is damaged.
        """
        content = unwrap(snapshot)
        dialect = content.get("encoder")
        if dialect not in DIALECTS:
            raise UsageError("this is no snapshot of a StreamEncoder")
        encoder = cls(dialect)
        try:
            encoder._framed = content["framed"]
            for name in encoder._writer.SNAPSHOT_FIELDS:
                setattr(encoder._writer, name, from_json(content["state"][name]))
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"the snapshot is damaged: {error!r}") from error
        return encoder

    def __reduce__(self) -> tuple[Any, ...]:
        return StreamEncoder.resume, (self.snapshot(),)


def encode_response(response: Response, dialect: str) -> dict[str, Any]:
    """The body that an API would have sent for a response, unstreamed, and valid for its clients.

    It is what a client would have put together from the stream: with made ids where the API requires ids, and
    with what it requires and nobody sent. For failed, cut off and cancelled responses it is the body of an
    error of that API.

    Raises:
        UsageError: The dialect is none of the four.
    """
    encoder = StreamEncoder(dialect)
    payloads = [sent for event in events_of(response) for sent in encoder.payloads(event)]
    parser = ResponseParser(dialect)
    for payload in payloads:
        parser.feed_payload(payload)
    parser.close()
    for _ in parser.events():
        pass
    if parser.response.outcome not in ("completed", "incomplete"):
        last: dict[str, Any] = payloads[-1]
        return dict(last["response"]) if dialect == "responses" else last
    body: dict[str, Any] = getattr(parser.response, SHAPES[dialect])()
    if dialect in ("chat", "anthropic") and body.get("model") is None:
        body["model"] = ""  # which counts as no model
    if dialect == "chat" and body.get("created") is None:
        body["created"] = 0
    elif dialect == "anthropic":
        pairs = list(zip(body["content"], parser.response.output, strict=False))
        body["content"] = [block for block, item in pairs if not is_unrunnable(block, item)]
        if len(body["content"]) < len(pairs) and parser.response.outcome is Outcome.COMPLETED:
            body["stop_reason"] = "max_tokens"
        for block, item in pairs:
            if block.get("type") == "thinking":
                block.setdefault("signature", "")
            elif block.get("type") == "tool_use" and "id" not in block:
                block["id"] = getattr(item, "call_id", None)
    elif dialect == "gemini" and response.dialect != "gemini":
        calls = iter([item for item in parser.response.output if isinstance(item, FunctionCall)])
        for candidate in body.get("candidates") or ():
            for part in (candidate.get("content") or {}).get("parts") or ():
                if "functionCall" in part:
                    part["functionCall"].setdefault("id", next(calls).call_id)
    return body


def is_unrunnable(block: dict[str, Any], item: Item) -> bool:
    """Whether a block is a call that is not whole: a body would tell nobody so."""
    return isinstance(item, FunctionCall) and not (item.complete and isinstance(block.get("input"), dict))


SHAPES: Final = {
    "responses": "to_dict",
    "chat": "to_chat_completion",
    "anthropic": "to_anthropic_message",
    "gemini": "to_gemini_response",
}


def events_of(response: Response) -> list[Event]:
    """The events that a response could have come from."""
    events: list[Event] = [e.ResponseStarted(response.id, response.model, response.data, response.dialect)]
    members = {choice.index: choice.reasoning_field for choice in response.choices}
    legacy = {choice.legacy_call_id for choice in response.choices if choice.legacy_call_id is not None}
    for index, item in enumerate(response.output):
        member = None
        if isinstance(item, Reasoning):
            member = members.get(item.choice_index or 0)
        elif isinstance(item, FunctionCall) and item.call_id in legacy:
            member = "function_call"
        events += events_of_item(index, item, member)
    events += [e.ChoiceUpdated(known.index, known.finish_reason, known.data) for known in response.choices]
    if response.usage is not None:
        events.append(e.UsageReported(response.usage))
    if response.error is not None:
        events.append(e.ErrorReported(response.error))
    outcome = Outcome.TRUNCATED if response.outcome is None else response.outcome
    events.append(e.ResponseFinished(outcome, response))
    return events


def events_of_item(
    index: int, item: Item, member: str | None = None, fragments: Sequence[Sequence[str]] = ()
) -> list[Event]:
    """The events that an item could have come from.

    Args:
        index: Its output index.
        item: As it is whole.
        member: The member of a delta that it came in, on Chat Completions.
        fragments: How the text of each part is cut, first of a summary, or that of the arguments. What is
            missing here comes as one.
    """
    cuts = iter(fragments)
    events: list[Event] = [e.ItemStarted(index, blank(item), member)]
    groups: tuple[tuple[Group, tuple[Part, ...]], ...] = ()
    if isinstance(item, Message):
        groups = (("content", item.content),)
    elif isinstance(item, Reasoning):
        groups = (("summary", item.summary), ("content", item.content))
    elif isinstance(item, (FunctionCall, CustomToolCall)):
        text = item.arguments if isinstance(item, FunctionCall) else item.input
        events += [e.ArgumentsDelta(index, piece) for piece in next(cuts, (text,) if text else ())]
    for group, parts in groups:
        for at, part in enumerate(parts):
            events.append(e.PartStarted(index, at, group, blank_part_of(part)))
            text = text_of(part)
            cut = next(cuts, (text,) if text else ())
            if isinstance(part, Refusal):
                events += [e.RefusalDelta(index, at, piece) for piece in cut]
            elif isinstance(part, OutputText):
                if part.logprobs:
                    events.append(e.TextDelta(index, at, text, part.logprobs))
                else:
                    events += [e.TextDelta(index, at, piece) for piece in cut]
                for number, note in enumerate(part.annotations):
                    events.append(e.AnnotationAdded(index, at, number, note))
            elif isinstance(item, Reasoning):
                kind: Literal["summary", "text"] = "summary" if group == "summary" else "text"
                events += [e.ReasoningDelta(index, at, piece, kind) for piece in cut]
    events.append(e.ItemFinished(index, item))
    return events


def text_of(part: Part) -> str:
    """The text of a part, if it has any."""
    if isinstance(part, Refusal):
        return part.refusal
    return "" if isinstance(part, OtherPart) else part.text


def blank(item: Item) -> Item:
    """An item as it begins."""
    if isinstance(item, Message):
        return evolve(item, content=())
    if isinstance(item, Reasoning):
        return evolve(item, summary=(), content=())
    if isinstance(item, FunctionCall):
        return evolve(item, arguments="")
    if isinstance(item, CustomToolCall):
        return evolve(item, input="")
    return item


def blank_part_of(part: Part) -> Part:
    """A part as it begins."""
    if isinstance(part, (OtherPart, Refusal)):
        return part if isinstance(part, OtherPart) else evolve(part, refusal="")
    if isinstance(part, OutputText):
        return evolve(part, text="", annotations=(), logprobs=())
    return evolve(part, text="")
