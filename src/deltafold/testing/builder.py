"""Whole streams, as a server sends them, in a few lines of a test.

    stream = (
        StreamBuilder("responses")
        .reasoning("They ask for the weather.")
        .text("Let me ", "look.")
        .call("get_weather", '{"city":', '"Paris"}')
        .completed()
    )

Ids, indexes, sequence numbers and the events around each value are filled in. `stream.body` is what a
transport would bring, and `stream.text`, `stream.calls`… are what a client must make of it. The same lines
with `"chat"` make a stream of Chat Completions, with `"anthropic"` one of Anthropic Messages, with `"gemini"`
one of Gemini.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import attrs

from deltafold.dialects.made_items import (
    custom_call,
    function_call,
    message,
    reasoning,
    refusal_part,
    text_part,
    thought_part,
)
from deltafold.encoding.encoder import SHAPES, StreamEncoder, events_of_item
from deltafold.model import events as e
from deltafold.model.errors import ErrorKind, ResponseError, UsageError
from deltafold.model.items import Item, Message, OtherItem, Reasoning, Refusal
from deltafold.model.response import Choice, Outcome, Response, Usage
from deltafold.registry import DIALECTS
from deltafold.testing import gemini as g
from deltafold.testing.payloads import JSON

__all__ = ["Stream", "StreamBuilder", "ToolCall", "json_bytes"]

Payload: TypeAlias = Mapping[str, Any] | bytes
"""A JSON object, or data as they stand."""

USAGE = (12, 5)
HEADS = {
    "responses": ("resp_1", "gpt-5.1-2025-11-13"),
    "chat": ("chatcmpl-1", "gpt-5.1"),
    "anthropic": ("msg_01Hq", "claude-sonnet-4-5-20250929"),
    "gemini": ("r7QoacSCMdLr", "gemini-3.5-flash"),
}
"""The id of the response and the model."""
REASONS: dict[str, dict[str, str]] = {
    "responses": {},
    "chat": {"max_output_tokens": "length"},
    "anthropic": {"max_output_tokens": "max_tokens", "content_filter": "refusal"},
    "gemini": {"max_output_tokens": "MAX_TOKENS", "content_filter": "SAFETY"},
}
"""Reasons of the Responses API that the others have under another name."""
COUNTS = {
    "responses": ("input_tokens", "output_tokens"),
    "chat": ("prompt_tokens", "completion_tokens"),
    "anthropic": ("input_tokens", "output_tokens"),
}
"""What tokens of the input and of the output are called."""
NAMES = {"anthropic": "Anthropic", "gemini": "Gemini"}
"""APIs that have neither refusals nor custom tools."""
WORDLESS = frozenset({"parallel_tool_calls", "tool_choice", "tools"})
"""Members of a response that say nothing of the answer."""


def json_bytes(value: Any) -> bytes:
    """JSON as servers write it: plain UTF-8, with escapes only where there is half a surrogate pair."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def joined(fragments: Iterable[str]) -> str:
    """Fragments as one text. Halves of a surrogate pair become the character; one that is alone, U+FFFD.

    (It is not the parser's own way to do it, which this is to test.)
    """
    raw = "".join(fragments).encode("utf-16-le", "surrogatepass")
    return raw.decode("utf-16-le", "replace")


# ------------------------------------------------------------------------------------------------- the stream


class ToolCall(NamedTuple):
    """A call that the caller is asked to run."""

    call_id: str
    name: str
    arguments: str
    """JSON text; of a custom tool, its input."""


@attrs.frozen
class Stream:
    """What a server says, how it frames that, and what a client must make of it where it arrives whole."""

    dialect: str
    """`responses`, `chat`, `anthropic` or `gemini`."""
    payloads: tuple[Payload, ...]
    """The events in order, without `[DONE]`. `bytes` stand in their event as they are."""
    outcome: Outcome = attrs.field(default=Outcome.COMPLETED, kw_only=True)
    """How the response ends."""
    text: str = attrs.field(default="", kw_only=True)
    """All text: `Response.output_text`."""
    reasoning: str = attrs.field(default="", kw_only=True)
    """All reasoning: `Response.reasoning_text`."""
    refusal: str = attrs.field(default="", kw_only=True)
    """All refusals, joined."""
    calls: tuple[ToolCall, ...] = attrs.field(default=(), kw_only=True)
    """The calls: those of `Response.tool_calls`. On Chat Completions, where no call is sent whole by itself,
    they are `complete` only where the response is."""
    document: JSON | None = attrs.field(default=None, kw_only=True, repr=False)
    """What the server would send unstreamed: `Response.to_dict()`, on Chat Completions
    `Response.to_chat_completion()`, of the others `Response.to_anthropic_message()` and
    `Response.to_gemini_response()`. None where it would send no response."""
    newline: bytes = attrs.field(default=b"\n", kw_only=True)
    """How lines end: with LF, CR or both."""
    space: bytes = attrs.field(default=b" ", kw_only=True)
    """What stands behind the colon of a field: a space or nothing."""
    named: bool = attrs.field(default=True, kw_only=True)
    """Whether each event has its type as the SSE event name too."""
    done: bool = attrs.field(default=False, kw_only=True)
    """Whether `[DONE]` stands at the end."""

    def frame(self, payload: Payload) -> bytes:
        """One event as bytes."""
        head = b""
        if self.named and isinstance(payload, Mapping) and isinstance(payload.get("type"), str):
            head = b"event:" + self.space + payload["type"].encode("utf-8", "replace") + self.newline
        data = payload if isinstance(payload, bytes) else json_bytes(payload)
        return head + b"data:" + self.space + data + self.newline * 2

    def frames(self) -> list[bytes]:
        """All events as bytes, `[DONE]` included."""
        made = [self.frame(payload) for payload in self.payloads]
        return [*made, self.frame(b"[DONE]")] if self.done else made

    @property
    def body(self) -> bytes:
        """The whole stream as bytes."""
        return b"".join(self.frames())

    def chunks(self, size: int = 1) -> list[bytes]:
        """The body in chunks of so many bytes, the last of which may be shorter."""
        body = self.body
        return [body[at : at + size] for at in range(0, len(body), size)]

    def saying(self, payloads: Iterable[Payload]) -> Stream:
        """Other payloads, framed in the same way. What a client must make of it stays what it was."""
        return attrs.evolve(self, payloads=tuple(payloads))


# ----------------------------------------------------------------------------------------------- what is said


@attrs.frozen
class Part:
    """A value inside an item."""

    kind: Literal["text", "refusal", "summary", "reasoning"]
    fragments: tuple[str, ...]
    annotations: tuple[JSON, ...] = ()


@attrs.define
class Said:
    """An item as the caller of the builder described it, in no dialect yet."""

    kind: Literal["message", "reasoning", "call", "item", "event"]
    choice: int = 0
    parts: list[Part] = attrs.field(factory=list)
    name: str = ""
    call_id: str = ""
    custom: bool = False
    fragments: tuple[str, ...] = ()
    encrypted: str | None = None
    whole: JSON = attrs.field(factory=dict)
    """An item of another type as it is sent whole, or an event as it stands."""
    events: tuple[JSON, ...] = ()


class StreamBuilder:
    """Describes one response, item by item, and gives the stream that tells it.

    Every method that adds something gives the builder again. The methods that end the response give the
    `Stream`; the builder is as it was before, and may go on or end in another way.
    """

    def __init__(
        self,
        dialect: str = "responses",
        *,
        order: Iterable[int] = (),
        terse: bool = False,
        named: bool | None = None,
        done: bool | None = None,
        newline: bytes = b"\n",
        space: bytes = b" ",
    ) -> None:
        """
        :param dialect: `"responses"`, `"chat"`, `"anthropic"` or `"gemini"`.
        :param order: which item speaks next, counted among those that have not ended; a number beyond them
            starts again from the first. Where this ends, and by default, one item follows the other, as on
            Anthropic Messages they always do.
        :param terse: leave out what makes the bytes many and the meaning no richer.
        :param named: whether events have SSE event names too. By default those of the Responses API and of
            Anthropic Messages do.
        :param done: whether `[DONE]` stands at the end. By default that of Chat Completions does.
        :param newline: how lines end.
        :param space: what stands behind the colon of a field.

        Raises `UsageError` for another dialect.
        """
        if dialect not in DIALECTS:
            raise UsageError(
                f"there is no dialect {dialect!r} to build: use {' or '.join(map(repr, DIALECTS))}"
            )
        self._dialect = dialect
        self._order = tuple(order)
        self._terse = terse
        self._named = dialect in ("responses", "anthropic") if named is None else named
        self._done = dialect == "chat" if done is None else done
        self._newline = newline
        self._space = space
        self._said: list[Said] = []

    # ------------------------------------------------------------------------------------------ what is said

    def text(
        self,
        *fragments: str,
        annotations: Iterable[Mapping[str, Any]] = (),
        more: bool = False,
        choice: int = 0,
    ) -> StreamBuilder:
        """A message.

        :param fragments: the text, cut as the deltas bring it; between halves of a surrogate pair as well.
        :param annotations: what belongs to the text: citations, file paths.
        :param more: another part of the message before it, not a message of its own.
        :param choice: the index of the choice that it belongs to, on Chat Completions.

        Raises `UsageError` for another choice than 0 on the Responses API and Anthropic Messages, or where
        there is no message before it to add to.
        """
        part = Part("text", fragments, tuple(map(dict, annotations)))
        return self._add("message", part, more=more, choice=choice)

    def refusal(self, *fragments: str, more: bool = False, choice: int = 0) -> StreamBuilder:
        """A message that refuses. Parameters and what is raised are as in `text()`.

        Raises `UsageError` for Anthropic and Gemini, which have no refusals.
        """
        if self._dialect in NAMES:
            raise UsageError(f"{NAMES[self._dialect]} has no refusals")
        return self._add("message", Part("refusal", fragments), more=more, choice=choice)

    def reasoning(
        self,
        *fragments: str,
        raw: bool = False,
        encrypted: str | None = None,
        more: bool = False,
        choice: int = 0,
    ) -> StreamBuilder:
        """Reasoning. Without fragments it has no text, as where the server shows none.

        :param fragments: the text, as in `text()`.
        :param raw: on the Responses API, raw reasoning, not a summary.
        :param encrypted: on the Responses API, the reasoning as ciphertext; on Anthropic Messages, the
            signature.
        :param more: another part of the reasoning before it, not an item of its own.
        :param choice: as in `text()`, which also says what is raised.
        """
        part = Part("reasoning" if raw or self._dialect != "responses" else "summary", fragments)
        self._add("reasoning", part if fragments else None, more=more, choice=choice)
        if encrypted is not None:
            self._said[-1].encrypted = encrypted
        return self

    def call(
        self,
        name: str,
        *fragments: str,
        call_id: str | None = None,
        custom: bool = False,
        choice: int = 0,
    ) -> StreamBuilder:
        """A call of a function, or of a custom tool.

        :param fragments: the JSON text of the arguments, of a custom tool its input, as in `text()`.
        :param call_id: by default `call_` and the number of the item.
        :param custom: whether it is a custom tool, whose input is any text.
        :param choice: as in `text()`, which also says what is raised.
        """
        self._add("call", None, choice=choice)
        said = self._said[-1]
        if self._dialect in NAMES and custom:
            raise UsageError(f"{NAMES[self._dialect]} has no custom tools")
        said.name, said.fragments, said.custom = name, fragments, custom
        said.call_id = f"call_{len(self._said) - 1}" if call_id is None else call_id
        return self

    def item(self, whole: Mapping[str, Any], *events: Mapping[str, Any]) -> StreamBuilder:
        """An item of any other type of the Responses API: of a hosted tool, or of one that nobody knows yet.
        For Anthropic, a block of another type; for Gemini, a part of another kind.

        :param whole: the item as it is sent whole. It needs a `type`; an `id` is made where it has none. For
            Gemini, the part, for Anthropic, the block.
        :param events: what comes between its beginning and its end. `item_id` and `output_index` are filled
            in. For Anthropic these are its deltas; where there are any, the block begins with an empty
            `input`. Gemini has no such events.

        Raises `UsageError` on Chat Completions, which has no such items.
        """
        if self._dialect == "chat":
            raise UsageError("Chat Completions has no items of other types")
        if self._dialect == "gemini" and events:
            raise UsageError("Gemini tells a part at once")
        self._said.append(Said("item", whole=dict(whole), events=tuple(map(dict, events))))
        return self

    def event(self, payload: Mapping[str, Any]) -> StreamBuilder:
        """An event that belongs to no item, as it stands: one that nobody knows yet, a keepalive."""
        self._said.append(Said("event", whole=dict(payload)))
        return self

    def _add(
        self,
        kind: Literal["message", "reasoning", "call"],
        part: Part | None,
        *,
        more: bool = False,
        choice: int,
    ) -> StreamBuilder:
        if choice and self._dialect in ("responses", "anthropic"):
            raise UsageError(
                f"a response of {NAMES.get(self._dialect, 'the Responses API')} has but one choice"
            )
        if more and not (self._said and (self._said[-1].kind, self._said[-1].choice) == (kind, choice)):
            raise UsageError(f"there is no {kind} just before this for it to be more of")
        if not more:
            self._said.append(Said(kind, choice))
        if part is not None:
            self._said[-1].parts.append(part)
        return self

    # -------------------------------------------------------------------------------------------- how it ends

    def completed(self, *, usage: tuple[int, int] | None = USAGE) -> Stream:
        """The response is whole.

        :param usage: tokens of the input and of the output; None where the server does not tell them.
        """
        return self._stream(Outcome.COMPLETED, usage)

    def incomplete(
        self, reason: str = "max_output_tokens", *, usage: tuple[int, int] | None = USAGE
    ) -> Stream:
        """The server stopped before the model had finished.

        :param reason: why, in the words of the Responses API: `max_output_tokens` or `content_filter`.
        :param usage: as in `completed()`.
        """
        return self._stream(Outcome.INCOMPLETE, usage, reason)

    def failed(
        self, code: str = "server_error", message: str = "The model failed.", *, bare: bool = False
    ) -> Stream:
        """The provider failed.

        :param code: the error's code, which says what kind of failure it was.
        :param message: the error's message.
        :param bare: on the Responses API, an `error` event in place of `response.failed`.
        """
        return self._stream(Outcome.FAILED, None, error={"code": code, "message": message}, bare=bare)

    def truncated(self) -> Stream:
        """The transport ends behind the last item, before the server has sent an end."""
        return self._stream(Outcome.TRUNCATED, None)

    def _stream(
        self,
        outcome: Outcome,
        usage: tuple[int, int] | None,
        reason: str | None = None,
        error: JSON | None = None,
        bare: bool = False,
    ) -> Stream:
        teller = Teller(self._dialect, self._said, self._order, self._terse)
        response = teller.response(outcome, usage, reason, error)
        payloads = teller.payloads(response, error if bare else None)
        parts = [part for item in response.output if isinstance(item, Message) for part in item.content]
        document: JSON | None = None
        if self._dialect == "responses":
            document = payloads[-1].get("response") if outcome is not Outcome.TRUNCATED else None
        elif outcome in (Outcome.COMPLETED, Outcome.INCOMPLETE):
            document = getattr(response, SHAPES[self._dialect])()
        return Stream(
            self._dialect,
            tuple(payloads),
            outcome=outcome,
            text=response.output_text,
            reasoning=response.reasoning_text,
            refusal="".join(part.refusal for part in parts if isinstance(part, Refusal)),
            calls=tuple(
                ToolCall(one.call_id, one.name, arguments_of(one, self._dialect))
                for one in self._said
                if one.kind == "call"
            ),
            document=document,
            newline=self._newline,
            space=self._space,
            named=self._named,
            done=self._done and outcome is not Outcome.TRUNCATED,
        )


# ----------------------------------------------------------------------------------------- how it is written

Row = TypeVar("Row")


def woven(rows: Iterable[Sequence[Row]], order: Sequence[int]) -> Iterator[Row]:
    """The events of several items, each row in its own order.

    With an `order`, all begin before any goes on.
    """
    left = [list(row) for row in rows if row]
    if order:
        yield from (row.pop(0) for row in left)
        left = [row for row in left if row]
    for number in order:
        if not left:
            return
        row = left[number % len(left)]
        yield row.pop(0)
        if not row:
            left.remove(row)
    for row in left:
        yield from row


def arguments_of(said: Said, dialect: str) -> str:
    """What a client sees of the text of a call."""
    text = joined(said.fragments)
    if said.custom:
        return text
    if dialect == "gemini":  # where they came as a value
        return json.dumps(json.loads(text or "{}"), ensure_ascii=False, separators=(",", ":"))
    return text or "{}"


Step: TypeAlias = "e.Event | JSON"
"""An event that is written, or a payload as it stands."""


class Teller:
    """Tells a response in the words of a dialect: events for the encoder, and the response that they make."""

    def __init__(self, dialect: str, said: Sequence[Said], order: Sequence[int], terse: bool) -> None:
        self.dialect = dialect
        self.terse = terse
        self.items: list[Item] = []
        """As they are sent whole, by their output indexes."""
        self.cuts: dict[int, tuple[str, ...]] = {}
        """The fragments of calls."""
        self.deltas: dict[int, tuple[JSON, ...]] = {}
        """Deltas of Anthropic's that stand in their block as they are."""
        shared = dialect == "gemini" or (dialect == "chat" and order)
        rows: dict[object, list[list[Step]]] = {}
        for number, one in enumerate(said):
            # Text of a choice is one value on Chat, and so is its reasoning; Gemini's candidates are woven.
            key: object = number
            if shared and (dialect == "gemini" or one.kind in ("message", "reasoning")):
                key = one.choice if dialect == "gemini" else (one.kind, one.choice)
            rows.setdefault(key, []).extend(self.turns(self.steps_of(one)))
        turns = woven(rows.values(), () if dialect == "anthropic" else order)
        self.steps = [step for turn in turns for step in turn]
        self.choices = sorted({one.choice for one in said if one.kind != "event"} | {0})
        if dialect == "chat":
            self.choices = list(range(self.choices[-1] + 1))  # they begin in this order, without gaps

    def turns(self, steps: list[Step]) -> Iterator[list[Step]]:
        """The steps of an item, those together of which only the last is sent."""
        turn: list[Step] = []
        for step in steps:
            turn.append(step)
            if self.dialect == "responses" or not isinstance(step, (e.ItemStarted, e.PartStarted)):
                yield turn
                turn = []

    # ----------------------------------------------------------------------------------------- the items

    def steps_of(self, said: Said) -> list[Step]:
        """The events of an item, or of the blocks that it is on Anthropic Messages."""
        if said.kind == "event":
            return [said.whole]
        if said.kind == "item":
            return self.other_item(said)
        own = self.dialect == "responses"
        index = len(self.items)
        if said.kind == "call":
            make = custom_call if said.custom else function_call
            self.cuts[index] = said.fragments
            text, choice = arguments_of(said, self.dialect), self.choice_of(said)
            ident = f"{'ctc' if said.custom else 'fc'}_{index}" if own else None
            call = make(said.name, said.call_id, text, whole=True, choice=choice, ident=ident)
            return self.item(call, [said.fragments or (text,)])
        parts = said.parts
        if self.dialect != "anthropic":
            return self.spoken_item(said, parts, f"{'msg' if said.kind == 'message' else 'rs'}_{index}")
        blocks = parts or [Part("reasoning", ())]
        return [
            step for part in blocks for step in self.spoken_item(said, [part], "", last=part is blocks[-1])
        ]

    def item(self, item: Item, cuts: Sequence[Sequence[str]] = ()) -> list[Step]:
        """The events of an item."""
        self.items.append(item)
        return list(events_of_item(len(self.items) - 1, item, fragments=cuts))

    def choice_of(self, said: Said) -> int | None:
        """The choice of an item, where the API has several."""
        return said.choice if self.dialect in ("chat", "gemini") else None

    def spoken_item(self, said: Said, parts: Sequence[Part], ident: str, *, last: bool = True) -> list[Step]:
        """A message, or reasoning."""
        choice, name = self.choice_of(said), ident if self.dialect == "responses" else None
        ordered = sorted(parts, key=lambda part: part.kind != "summary")  # a summary stands first
        cuts = [part.fragments for part in ordered]
        if said.kind == "message":
            content = tuple(
                refusal_part(joined(part.fragments))
                if part.kind == "refusal"
                else text_part(joined(part.fragments), part.annotations)
                for part in parts
            )
            return self.item(message(content, whole=True, choice=choice, ident=name), cuts)
        summary, thoughts = (
            tuple(
                thought_part(joined(part.fragments), summary=is_summary)
                for part in ordered
                if (part.kind == "summary") is is_summary
            )
            for is_summary in (True, False)
        )
        secret = said.encrypted if last and self.dialect in ("responses", "anthropic") else None
        return self.item(reasoning(summary, thoughts, encrypted=secret, choice=choice, ident=name), cuts)

    def other_item(self, said: Said) -> list[Step]:
        """An item of another type, a block of Anthropic's, or a part of Gemini's."""
        index, whole = len(self.items), said.whole
        if self.dialect == "gemini":
            kind = next(iter(whole), "part")
            item = OtherItem(kind, None, None, self.choice_of(said), {"type": kind, "part": whole})
            return self.item(item)
        if self.dialect == "anthropic":
            self.deltas[index] = said.events
            start = {**whole, "input": {}} if said.events and "input" in whole else whole
        else:
            whole = {"id": f"item_{index}", **whole}
            start = {key: whole[key] for key in ("id", "type", "name", "server_label") if key in whole}
            if "status" in whole:
                start["status"] = "in_progress"
        kind, ident, status = str(whole.get("type")), whole.get("id"), whole.get("status")
        began, ended = self.item(OtherItem(kind, ident, status, None, whole))
        assert isinstance(began, e.ItemStarted)
        began = attrs.evolve(began, item=attrs.evolve(began.item, data=start))
        events: list[JSON] = []
        for event in said.events if self.dialect == "responses" else ():
            # The wire has no `item_id` in the events of a shell command.
            named = {} if "shell_call_command" in str(event.get("type")) else {"item_id": ident}
            events.append({**event, **named, "output_index": index})
        return [began, *events, ended]

    # -------------------------------------------------------------------------------------- the response

    def response(
        self, outcome: Outcome, usage: tuple[int, int] | None, reason: str | None, error: JSON | None
    ) -> Response:
        """The response that a client has at the end."""
        dialect = self.dialect
        ident, model = ("r", "m") if self.terse else HEADS[dialect]
        data: JSON = {"id": ident, "model": model}
        if dialect in ("responses", "chat"):
            data["created_at"] = 1767100000
        if not self.terse and dialect == "responses":
            data["metadata"] = {}
        elif not self.terse and dialect == "chat":
            data["system_fingerprint"] = "fp_7c1f2a90de"
        output = self.items if dialect in ("responses", "anthropic") else self.merged()
        called = {item.choice_index or 0 for item in output if hasattr(item, "call_id")}
        word = None if reason is None else REASONS[dialect].get(reason, reason)
        choices: tuple[Choice, ...] = ()
        if dialect in ("chat", "gemini"):
            good = {index: "tool_calls" if index in called else "stop" for index in self.choices}
            choices = tuple(
                Choice(index, word or (good[index] if dialect == "chat" else "STOP"), {})
                for index in self.choices
            )
        elif dialect == "anthropic":
            data["stop_reason"] = word or ("tool_use" if called else "end_turn")
        failure: ResponseError | None = None
        if error is not None:
            kind = None if dialect == "anthropic" else error["code"]
            failure = ResponseError(ErrorKind.SERVER_ERROR, error["message"], error["code"], kind)
        counted = self.usage(usage)
        return Response(
            ident,
            model,
            str(outcome),
            outcome,
            tuple(output),
            counted,
            failure,
            word,
            word,
            data,
            choices,
            dialect=dialect,
        )

    def usage(self, sent: tuple[int, int] | None) -> Usage | None:
        """Usage, under the names that an API has for input and output."""
        if sent is None and self.dialect != "anthropic":
            return None
        asked, answered = (0, 0) if sent is None else sent
        if self.dialect == "gemini":
            return Usage(asked, answered, asked + answered, data=g.usage(asked, answered))
        inputs, outputs = COUNTS[self.dialect]
        counts: JSON = {inputs: asked, outputs: answered}
        if self.dialect != "anthropic":
            counts["total_tokens"] = asked + answered
            if not self.terse:
                counts[f"{inputs}_details"] = {"cached_tokens": 0}
                counts[f"{outputs}_details"] = {"reasoning_tokens": 0}
        return Usage(asked, answered, asked + answered, data=counts)

    def merged(self) -> list[Item]:
        """The items of a client: on Chat a message for each choice, of Gemini one for each run of texts."""
        chat = self.dialect == "chat"
        found: list[Item | Run] = []
        going_on: dict[tuple[int, str], Run] = {}
        for event in self.steps:
            if not isinstance(event, (e.ItemStarted, e.ItemFinished, *SPOKEN)):
                continue
            item = self.items[event.output_index]
            choice = item.choice_index or 0
            if not isinstance(event, SPOKEN):
                # A call begins on Chat with its name; Gemini tells a part whole.
                if isinstance(event, e.ItemStarted if chat else e.ItemFinished) and not isinstance(
                    item, (Message, Reasoning)
                ):
                    found.append(item)
                    going_on = {key: run for key, run in going_on.items() if chat or key[0] != choice}
                continue
            if not getattr(event, "text", True):
                continue
            key = choice, item.type
            if not chat:
                going_on.pop((choice, "reasoning" if item.type == "message" else "message"), None)
            if key not in going_on:
                going_on[key] = Run(choice, item.type)
                found.append(going_on[key])
            going_on[key].take(event)
        return [one.item() if isinstance(one, Run) else one for one in found]

    # -------------------------------------------------------------------------------------- the payloads

    def payloads(self, response: Response, bare: JSON | None) -> list[JSON]:
        """All that is sent of a response; its end is an `error` event where that is given as `bare`."""
        encoder = StreamEncoder(self.dialect)
        made = encoder.payloads(e.ResponseStarted(response.id, response.model, response.data, self.dialect))
        if self.dialect == "responses" and not self.terse:
            made += encoder.payloads(e.StatusChanged("in_progress", response.data))
        for step in self.steps:
            if isinstance(step, dict):
                made.append(step)
                continue
            sent = encoder.payloads(step)
            if isinstance(step, e.ItemFinished):
                sent = self.detailed(step, sent)
            made += sent
        if bare is not None and self.dialect == "responses":
            made.append({"type": "error", **bare, "param": None})
        elif response.outcome is not None and response.outcome is not Outcome.TRUNCATED:
            made += encoder.payloads(e.ResponseFinished(response.outcome, response))
        if self.dialect == "responses":
            made = [self.numbered(payload, number) for number, payload in enumerate(made)]
        return made

    def numbered(self, payload: JSON, number: int) -> JSON:
        """An event of the Responses API with its number, or without what makes it long."""
        if not self.terse:
            return {**payload, "sequence_number": number}
        sent = {
            key: value
            for key, value in payload.items()
            if key != "sequence_number" and (key, value) != ("logprobs", [])
        }
        if isinstance(sent.get("response"), dict):
            sent["response"] = {k: v for k, v in sent["response"].items() if k not in WORDLESS}
        return sent

    def detailed(self, event: e.ItemFinished, sent: list[JSON]) -> list[JSON]:
        """The end of an item, with what the encoder says at once and servers in pieces."""
        deltas = self.deltas.get(event.output_index)
        if deltas:
            at = sent[-1]["index"]
            pieces = [{"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas]
            return [*sent[:-1], *pieces, sent[-1]]
        if self.dialect == "gemini" and len(self.cuts.get(event.output_index, ())) > 1:
            return [piece for payload in sent for piece in streamed_call(payload)]
        return sent


SPOKEN = (e.TextDelta, e.RefusalDelta, e.ReasoningDelta, e.AnnotationAdded)


class Run:
    """Texts that a client joins."""

    def __init__(self, choice: int, kind: str) -> None:
        self.choice = choice
        self.kind = kind
        self.texts: list[str] = []
        self.refusals: list[str] = []
        self.annotations: list[JSON] = []

    def take(self, event: Any) -> None:
        """One more of its events."""
        if isinstance(event, e.AnnotationAdded):
            self.annotations.append(event.annotation)
        elif isinstance(event, e.RefusalDelta):
            self.refusals.append(event.text)
        else:
            self.texts.append(event.text)

    def item(self) -> Item:
        """The item that it makes."""
        text = joined(self.texts)
        if self.kind == "reasoning":
            return reasoning((), (thought_part(text),), choice=self.choice)
        content = (text_part(text, tuple(self.annotations)),) if text or self.annotations else ()
        refused = (refusal_part(joined(self.refusals)),) if self.refusals else ()
        return message((*content, *refused), whole=True, choice=self.choice)


def streamed_call(payload: JSON) -> list[JSON]:
    """A chunk with a call, as Vertex streams it: its name, its arguments leaf by leaf, its end."""
    (candidate,) = payload["candidates"]
    (part,) = candidate["content"]["parts"]
    call = dict(part["functionCall"])
    args = call.pop("args")
    if not args:
        return [payload]
    pieces = [{"partialArgs": [piece], "willContinue": True} for piece in g.pieces_of(args)]
    return [
        {
            **payload,
            "candidates": [{**candidate, "content": {"parts": [{"functionCall": sent}], "role": "model"}}],
        }
        for sent in ({**call, "willContinue": True}, *pieces, {})
    ]
