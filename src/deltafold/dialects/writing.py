"""The base of all writers: the state of a response on the wire, what was lost, and what several wires share.

A writer turns events into frames of one wire, and holds what that wire needs to know: which items have begun
there, under which index and id, and what still waits for its turn. It is driven by one event after the other
(`event_writing`), and writes nothing that depends on a clock or on chance. The last section has the methods
that a wire's own writer overrides.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.diagnosis.error_payloads import error_in
from deltafold.dialects.claims import dialect_of, unwrapped
from deltafold.dialects.hot_delta import ARGUMENTS, REASONING, TEXT, HotDelta
from deltafold.dialects.written_items import WrittenItem, WrittenPart
from deltafold.dialects.written_json import quoted
from deltafold.dialects.written_names import LONGEST_REPEATED, SAFE_NAME, digest, fitting_call_id
from deltafold.machine.lifecycle import COMPLETED, ITEM_DONE, ResponseState
from deltafold.model import events as e
from deltafold.model.errors import ResponseError
from deltafold.model.frozen import evolve
from deltafold.model.items import CustomToolCall, FunctionCall, is_whole
from deltafold.model.json_values import is_same_json
from deltafold.model.losses import Loss, LossCode
from deltafold.model.response import Outcome, Response
from deltafold.registry import part_of
from deltafold.wire.json_text import is_strict_json

__all__ = ["Options", "Writer"]

JSON: TypeAlias = dict[str, Any]

MESSAGES: Final[dict[LossCode, str]] = {
    LossCode.LATE_FRAGMENT: "a fragment came after its value was whole",
    LossCode.ANNOTATION_UNSUPPORTED: "a citation of another shape is left out",
    LossCode.LOGPROBS_UNSUPPORTED: "log probabilities are left out",
    LossCode.AUDIO_UNSUPPORTED: "spoken output is left out",
    LossCode.IMAGE_UNSUPPORTED: "previews of images are left out",
    LossCode.REASONING_ENCRYPTED: "encrypted reasoning of another API is left out",
    LossCode.REASONING_SUMMARY: "a summary beside reasoning is left out",
    LossCode.REFUSAL_AS_TEXT: "a refusal is written as text",
    LossCode.CUSTOM_TOOL_AS_FUNCTION: "a custom tool is written as a function",
    LossCode.CALL_NAME_MISSING: "a call without a name is left out",
    LossCode.CALL_NOT_WHOLE: "a call that is not whole looks as if it were",
    LossCode.ARGUMENTS_NO_OBJECT: "the arguments of a call are no object",
    LossCode.ARGUMENTS_AFTER_END: "arguments came after their object was closed",
    LossCode.LIFTED_TEXT: "text was lifted out of the arguments of a call",
    LossCode.EVENT_UNWRITABLE: "an event has no form that could be written safely",
}
"""What is said of a loss where there is nothing more to say of it."""


class Options:
    """What the caller of an encoder asked for."""

    SNAPSHOT_FIELDS: Final = (
        "response_id",
        "model",
        "created",
        "include_usage",
        "reasoning_field",
        "custom_tools",
        "foreign_signatures",
        "lifted",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(
        self,
        response_id: str | None,
        model: str | None,
        created: int | None,
        include_usage: bool,
        reasoning_field: str | None,
        custom_tools: str,
        foreign_signatures: bool,
        lifted: bool,
    ) -> None:
        self.response_id = response_id
        self.model = model
        self.created = created
        self.include_usage = include_usage
        self.reasoning_field = reasoning_field
        self.custom_tools = custom_tools
        self.foreign_signatures = foreign_signatures
        self.lifted = lifted


class Writer:
    """Events in, frames out."""

    name: ClassVar[str] = ""
    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        "options",
        "state",
        "items",
        "losses",
        "lost",
        "source",
        "data",
        "response_id",
        "model",
        "error",
        "begun",
        "early",
        "usage",
        "lifts",
        "announced",
        "held",
        "number",
        "spoke",
        "cut",
        "untrue",
        "unended",
        "call_ids",
    )
    takes_back: ClassVar[bool] = False
    """Whether the end of a response says anew what each of its calls is."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.out: list[str] = []
        """The frames of the present event."""
        self.state: ResponseState = ResponseState.IDLE
        self.items: dict[int, WrittenItem] = {}
        self.losses: list[Loss] = []
        self.lost: set[tuple[str, int | None]] = set()
        """What was lost already: each kind is sent once for each item."""
        self.source: str | None = None
        """The dialect that the events come from; None where nobody knows, or they were made by hand."""
        self.data: JSON = {}
        """What was sent of the response and is not written yet."""
        self.response_id: str | None = None
        self.model: str | None = None
        self.error: ResponseError | None = None
        self.begun = False
        """Whether anything of the response is written."""
        self.early: list[Any] = []
        """Events of the stream that came before the response, and so before its source was known."""
        self.usage: Any = None
        self.number = 0
        """The number of the next event, on a wire that counts them."""
        self.hot: dict[int, HotDelta] = {}
        """Items whose next delta costs little, if it goes on with the one before.

        They stay until something else than a delta comes, or the wire turns to another item. In no snapshot.
        """
        self.announced = False
        self.held: int | None = None
        """The call that began last, while nothing but its name came."""
        self.lifts: dict[tuple[int, str], int] = {}
        """Items that hold what was lifted out of arguments, by call and kind."""
        self.spoke: dict[int, str] = {}
        """The item and part of the reasoning that was written last, by the text that it is added to."""
        self.cut: set[int] = set()
        """Choices with a call that is left out or left open: they end as if a limit had cut them."""
        self.untrue: set[int] = set()
        """Calls that stand on the wire as whole, and are not whole or are others."""
        self.call_ids: set[tuple[int, str]] = set()
        """The ids of the calls that are written, by choice: readers take two with one id for one."""
        self.unended: int | None = None
        """A call without arguments whose end is not written yet: its server may still say that it was cut."""

    # --------------------------------------------------- a delta like the one before

    def quick(self, event: Any) -> str | None:
        """The frame of a delta that goes on with the one before of its item; None for any other event.

        The life cycles allow it, for nothing came in between that could have ended the item or its part.
        """
        kind = type(event)
        if kind is not TEXT and kind is not ARGUMENTS and kind is not REASONING:
            return None
        hot = self.hot.get(event.output_index)
        if hot is None or kind is not hot.delta:
            return None
        if kind is TEXT:
            if event.content_index != hot.at or event.logprobs:
                return None
        elif kind is REASONING and (event.part_index != hot.at or event.kind != hot.kind):
            return None
        text: str = event.text
        if not text or text[0] in hot.special:
            return None
        if hot.pieces is not None:
            hot.pieces.append(text)
            if hot.unscanned is not None:
                hot.unscanned.append(text)
        if not hot.prefix:
            return ""
        if hot.suffix:
            return hot.prefix + quoted(text) + hot.suffix
        number = self.number
        self.number = number + 1
        return f'{hot.prefix}{quoted(text)},"sequence_number":{number}}}\n\n'

    def heat(
        self,
        event: Any,
        at: int,
        prefix: str,
        suffix: str,
        pieces: list[str] | None = None,
        unscanned: list[str] | None = None,
        special: str = "",
    ) -> None:
        """The next delta like this one is written by `quick()`. No suffix: they are numbered."""
        kind = event.kind if type(event) is REASONING else ""
        self.hot[event.output_index] = HotDelta(
            type(event), at, kind, prefix, suffix, pieces, unscanned, special
        )

    # ------------------------------------------------------------------------------------------- what is lost

    def lose(self, code: LossCode, index: int | None = None, message: str = "") -> None:
        """Something cannot be said. Reported once for each item."""
        if index is not None and index < 0:
            index = None
        if (code, index) not in self.lost:
            self.lost.add((code, index))
            self.losses.append(Loss(code, message or MESSAGES[code], index))

    def skip(self, item: WrittenItem, code: LossCode, message: str = "") -> None:
        """An item is left out, now and whatever more comes of it."""
        item.skipped = True
        self.lose(code, item.index, message)

    def skip_type(self, item: WrittenItem) -> None:
        """An item of a type that the wire does not have is left out."""
        what = f"a {item.item.type[:60]}" if item.item.type else "an item without a type"
        self.skip(item, LossCode.ITEM_UNSUPPORTED, f"{what} is left out")

    def cut_call(self, item: WrittenItem, code: LossCode, message: str = "") -> None:
        """A call is left out or left open, and so the response is not complete."""
        self.cut.add(item.choice)
        self.lose(code, item.index, message)

    def call_changed(self, item: WrittenItem) -> None:
        """A call became another one, or is not whole after all, when it had been written.

        Whether readers take it for what it is not is asked at the end: it may change again.
        """
        self.untrue.add(item.index)

    def is_misread(self, item: WrittenItem) -> bool:
        """Whether a reader takes what is written of a call for a whole one that it is not."""
        whole = is_whole(item.item)
        if whole and item.written is None:
            return False
        text = self.readable(item)
        if text is None or not whole:
            return text is not None
        final = "".join(item.pieces)
        return text != final if isinstance(item.item, CustomToolCall) else not is_same_json(text, final)

    def readable(self, item: WrittenItem) -> str | None:
        """What a reader takes for the whole arguments of a call; None where it takes nothing for that."""
        text = item.written_text()
        if isinstance(item.item, CustomToolCall):
            return text
        return text if is_strict_json(text or "{}") else None

    def lose_choices(self, response: Response, count: int) -> None:
        """Choices that are not written, where `count` are: of those without an item nothing said so yet."""
        told = {item.choice for item in self.items.values()}
        for known in response.choices:
            if known.index >= count and known.index not in told:
                self.lose(LossCode.FURTHER_CHOICE, None, f"choice {known.index} is left out")

    def lose_part(self, item: WrittenItem, part: Any) -> None:
        """A part of a type that the wire does not have is left out."""
        self.lose(LossCode.PART_UNSUPPORTED, item.index, f"a part of type {part.type[:40]} is left out")

    def without_error(self, sent: JSON) -> JSON:
        """Members of a response or choice without the error in them, which is told at the end, once."""
        if error_in(sent) is None:
            return sent
        self.lose(LossCode.EVENT_UNWRITABLE, None, "an error beside other members is told at the end")
        return {key: value for key, value in sent.items() if error_in({key: value}) is None}

    # --------------------------------------------------------------------------------------- what is known

    def own(self) -> bool:
        """Whether the events come from the wire that is written."""
        return self.source == self.name

    def ident(self, made: str) -> str:
        """The id of the response. It stands in every frame: one without measure becomes a digest."""
        ident = self.options.response_id or self.response_id or made
        return ident if len(ident) <= LONGEST_REPEATED else digest(made.partition("_")[0], ident)

    def model_name(self) -> str:
        """The model, "" where nobody sent it."""
        return (self.options.model or self.model or "")[:LONGEST_REPEATED]

    def created(self) -> int:
        """When the response began, in seconds since the epoch."""
        sent = self.data.get("created_at")
        if type(sent) is int or type(sent) is float:
            return int(sent) if math.isfinite(sent) else 0
        return self.options.created or 0

    def learn(self, data: JSON) -> None:
        """More is known of a response of which nothing is written."""
        self.data.update(data)
        if self.response_id is None and isinstance(data.get("id"), str):
            self.response_id = data["id"]
        if self.model is None and isinstance(data.get("model"), str):
            self.model = data["model"]

    def call_id(self, item: WrittenItem) -> str:
        """The id of a call, as this wire takes it."""
        ident = getattr(item.item, "call_id", None)
        if not ident:
            return f"call_{item.index if item.index >= 0 else 1000 - item.index}"
        return str(ident) if self.own() else fitting_call_id(self.name, ident)

    def called(self, item: WrittenItem) -> tuple[str, str]:
        """The id and the name of a call: those with which it was written first, whatever was sent since."""
        ident, name = self.call_id(item), str(getattr(item.item, "name", ""))
        sent = ident, name
        if item.called is None:
            if (item.choice, ident) in self.call_ids and not self.own():
                ident = digest("call", f"{item.index} {ident}")
                self.lose(LossCode.VALUE_REPLACED, item.index, "the id is that of a call before it")
            self.call_ids.add((item.choice, ident))
            item.called = ident, name
        elif item.called != sent:
            self.lose(LossCode.VALUE_REPLACED, item.index, "a call got another id or name after it had begun")
        return item.called

    def is_named(self) -> bool:
        """Whether both the id and the model of the response are known."""
        known = self.response_id is not None or self.options.response_id
        return bool(known and (self.model is not None or self.options.model))

    def counted(self, response: Response) -> Any:
        """The usage of a response; None where nobody sent it."""
        return self.usage if response.usage is None else response.usage

    def reason_of(
        self, choice: int, raw: str | None, response: Response, outcome: Outcome
    ) -> tuple[str | None, Outcome]:
        """The finish reason and the outcome of a choice. `raw` is the word of its server.

        Those of a response are those of its first choice.
        """
        if choice <= 0 or not raw or self.source is None:
            return response.finish_reason, outcome
        stop = part_of(self.source, "table").stop_of(raw)
        return (raw, outcome) if stop is None else (stop.reason or raw, stop.outcome)

    def nearest(self, reason: str | None, word: str) -> str:
        """A finish reason that the wire has no word for becomes another one."""
        if reason is not None:
            self.lose(LossCode.FINISH_REASON, None, f"{reason[:60]!r} is written as {word}")
        return word

    # ------------------------------------------------------------------------------ what several wires share

    def replay(self, item: WrittenItem) -> None:
        """The arguments that were held back are written."""
        pieces, item.pieces, item.written = item.pieces, [], None
        for piece in pieces:
            item.pieces.append(piece)
            self.arguments(item, piece)

    def tell_whole(self, item: WrittenItem, text: str) -> None:
        """Arguments of which no fragment came are written at once."""
        if text and not item.pieces:
            item.pieces.append(text)
            self.arguments(item, text)

    def thought(self, item: WrittenItem, event: e.ReasoningDelta, key: int) -> str | None:
        """The text of a fragment of reasoning, on a wire that has one text for reasoning and its summary.

        An empty line parts what is about something else. None: it is left out. `key` is the text that it is
        added to.
        """
        text, kind = event.text, event.kind
        place = f"{item.index} {event.part_index if kind == 'summary' else kind}"
        before = self.spoke.get(key)
        if kind == "summary":
            if "text" in item.kinds:
                self.lose(LossCode.REASONING_SUMMARY, item.index)
                return None
            apart = before is not None and before != place
        else:
            apart = item.kinds == "summary"
        if kind not in item.kinds:
            item.kinds += kind
        if before != place:
            self.hot.clear()  # what another item or part goes on with is to be told apart
            self.spoke[key] = place
        return "\n\n" + text if apart else text

    def finish_items(self, outcome: Outcome) -> None:
        """What is still open ends with its response; a call that ends so is as whole as its arguments are."""
        for item in list(self.items.values()):
            if item.state is not ITEM_DONE and not item.skipped:
                item.state = ITEM_DONE
                sent = item.item
                if isinstance(sent, FunctionCall) and outcome is COMPLETED and not sent.complete:
                    text = "".join(item.pieces) or sent.arguments or "{}"
                    item.item = evolve(sent, complete=is_strict_json(text))
                self.item_finished(item)

    def payload_of(self, event: Any) -> tuple[JSON, str] | None:
        """A payload of the wire as it was sent, and its type. None where it has no form to be written in."""
        payload = event.payload
        if type(payload) is dict:
            kind = payload.get("type") or getattr(event, "type", None)
            if type(kind) is str and SAFE_NAME.fullmatch(kind) and not self.is_foreign(payload, kind):
                sent = {"type": kind, **{key: value for key, value in payload.items() if key != "type"}}
                return sent, kind
        self.lose(LossCode.EVENT_UNWRITABLE)
        return None

    def is_foreign(self, payload: JSON, kind: str = "") -> bool:
        """Whether readers take a payload for one of another wire, or for one around it."""
        return dialect_of(payload, kind) not in (None, self.name) or unwrapped(payload) is not payload

    # ----------------------------------------------------------------------------- what each wire has its own

    def response_started(self) -> None:
        """The response was announced."""

    def status(self, event: e.StatusChanged) -> None:
        """More is known of the response."""

    def choice_updated(self, event: e.ChoiceUpdated) -> None:
        """More is known of a choice. (The wire's own choices have a place on it.)"""
        if event.data and self.source is not None:
            self.lose(LossCode.CHOICE_DATA, None, f"{', '.join(event.data)[:80]} of a choice")

    def audio(self, event: e.AudioDelta | e.TranscriptDelta) -> None:
        """A piece of spoken output."""
        self.lose(LossCode.AUDIO_UNSUPPORTED)

    def heartbeat(self) -> None:
        """A sign of life."""
        self.out.append(": keepalive\n\n")

    def as_sent(self, event: Any) -> None:
        """An event of the wire itself, back onto it."""

    def item_started(self, item: WrittenItem) -> None:
        """An item begins."""

    def item_updated(self, item: WrittenItem) -> None:
        """More is known of an item."""

    def part_started(self, item: WrittenItem, part: WrittenPart, event: e.PartStarted) -> None:
        """A part begins."""

    def part_finished(self, item: WrittenItem, part: WrittenPart, event: e.PartFinished) -> None:
        """A part is whole."""

    def text(self, item: WrittenItem, part: WrittenPart, event: e.TextDelta) -> None:
        """A fragment of text."""

    def refusal(self, item: WrittenItem, part: WrittenPart, event: e.RefusalDelta) -> None:
        """A fragment of a refusal."""

    def reasoning(self, item: WrittenItem, part: WrittenPart, event: e.ReasoningDelta) -> None:
        """A fragment of reasoning."""

    def arguments(self, item: WrittenItem, text: str) -> None:
        """A fragment of arguments."""

    def heat_arguments(self, item: WrittenItem, event: e.ArgumentsDelta) -> None:
        """The next fragment can go the short way, if it can."""

    def hosted(self, item: WrittenItem, event: Any) -> None:
        """What hosted tools stream, and how far they are."""

    def value_finished(self, item: WrittenItem, event: e.ValueFinished) -> None:
        """A value is whole."""

    def annotation(self, item: WrittenItem, part: WrittenPart, event: e.AnnotationAdded) -> None:
        """A part of a message gets an annotation."""

    def item_finished(self, item: WrittenItem) -> None:
        """An item is whole."""

    def end_items(self, response: Response, outcome: Outcome) -> None:
        """The response is complete, or as complete as it will be, and so are its items."""

    def ended(self, response: Response, outcome: Outcome) -> None:
        """Its end, behind all items."""

    def failed(self, response: Response, outcome: Outcome, error: ResponseError | None) -> None:
        """The response failed, was cut off or given up: no client may take it for a success."""
