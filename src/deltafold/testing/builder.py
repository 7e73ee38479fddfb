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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import attrs

from deltafold.model.errors import UsageError
from deltafold.model.response import Outcome
from deltafold.testing import anthropic as a
from deltafold.testing import gemini as g
from deltafold.testing import payloads as p
from deltafold.testing.payloads import JSON

__all__ = ["Stream", "StreamBuilder", "ToolCall", "json_bytes"]

Payload: TypeAlias = Mapping[str, Any] | bytes
"""A JSON object, or data as they stand."""

USAGE = (12, 5)
FINISH_REASONS = {"max_output_tokens": "length"}
"""Reasons of the Responses API that Chat Completions has under another name."""


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
    """The calls: those of `Response.tool_calls`. On Chat Completions, where no call is told whole by itself,
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

    @property
    def summary(self) -> str:
        """The text of a summary; of anything else, nothing."""
        return joined(self.fragments) if self.kind == "summary" else ""


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
    """An item of another type as it is told whole, or an event as it stands."""
    events: tuple[JSON, ...] = ()

    def joined(self, kind: str) -> str:
        """The values of a kind, as one."""
        return "".join(joined(part.fragments) for part in self.parts if part.kind == kind)


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
        if dialect not in TELLERS:
            raise UsageError(
                f"there is no dialect {dialect!r} to build: use {' or '.join(map(repr, TELLERS))}"
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

        :param whole: the item as it is told whole. It needs a `type`; an `id` is made where it has none. For
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
        """The transport ends behind the last item, before the server has told an end."""
        return self._stream(Outcome.TRUNCATED, None)

    def _stream(
        self,
        outcome: Outcome,
        usage: tuple[int, int] | None,
        reason: str | None = None,
        error: JSON | None = None,
        bare: bool = False,
    ) -> Stream:
        ending = Ending(outcome, usage, reason, error, bare)
        told = TELLERS[self._dialect](self._said, ending, self._order, self._terse)
        spoken = [one for choice in told.spoken for one in self._said if one.choice == choice]
        thought = [one for choice in told.thought for one in self._said if one.choice == choice]
        called = [one for one in self._said if one.kind == "call"]
        return Stream(
            self._dialect,
            tuple(told.payloads),
            outcome=outcome,
            text="".join(one.joined("text") for one in spoken) if told.text is None else told.text,
            reasoning=(
                "".join(one.joined("reasoning") for one in thought)
                if told.reasoning is None
                else told.reasoning
            )
            or "\n\n".join(text for one in thought for part in one.parts if (text := part.summary)),
            refusal="".join(one.joined("refusal") for one in spoken),
            calls=tuple(
                ToolCall(one.call_id, one.name, told.arguments(joined(one.fragments))) for one in called
            ),
            document=told.document,
            newline=self._newline,
            space=self._space,
            named=self._named,
            done=self._done and outcome is not Outcome.TRUNCATED,
        )


@attrs.frozen
class Ending:
    """How a response ends."""

    outcome: Outcome
    usage: tuple[int, int] | None
    reason: str | None
    error: JSON | None
    bare: bool


@attrs.frozen
class Told:
    """A response in the words of a dialect."""

    payloads: list[JSON]
    document: JSON | None
    spoken: Sequence[int] = (0,)
    """The choices, in the order in which their messages begin."""
    thought: Sequence[int] = (0,)
    """The choices, in the order in which their reasoning begins."""
    text: str | None = None
    """All text, where that does not follow from the order of the choices."""
    reasoning: str | None = None
    """All reasoning, where that does not follow from the order of the choices."""
    arguments: Callable[[str], str] = str
    """What a client sees of the JSON text of arguments."""


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


# --------------------------------------------------------------------------------------- the Responses API


def responses_stream(said: Sequence[Said], ending: Ending, order: Sequence[int], terse: bool) -> Told:
    """The response in the words of the Responses API."""
    rows: list[list[JSON]] = []
    items: list[JSON] = []
    for one in said:
        if one.kind == "event":
            rows.append([one.whole])
        else:
            start, events, whole = ITEMS[one.kind](one, len(items))
            rows.append([p.added(len(items), start), *events, p.done(len(items), whole)])
            items.append(whole)
    known: JSON = {"id": "resp_1", "error": None, "incomplete_details": None}
    if not terse:
        known |= {"parallel_tool_calls": True, "metadata": {}}
    made = [p.created(**known)]
    if not terse:
        made.append(p.in_progress(**known))
    made += woven(rows, order)
    document: JSON | None = None
    if ending.error is not None and ending.bare:
        made.append({"type": "error", **ending.error, "param": None})
    elif ending.outcome is not Outcome.TRUNCATED:
        told: JSON = {**known, "usage": usage_of(ending, terse, "input", "output")}
        if ending.error is not None:
            told["error"] = ending.error
        if ending.reason is not None:
            told["incomplete_details"] = {"reason": ending.reason}
        made.append(p.completed(*items, type=f"response.{ending.outcome}", **told))
        document = made[-1]["response"]
    if not terse:
        made = [{**payload, "sequence_number": number} for number, payload in enumerate(made)]
    return Told(made, document)


def usage_of(ending: Ending, terse: bool, inputs: str, outputs: str) -> JSON | None:
    """Usage, under the names that an API has for input and output."""
    if ending.usage is None:
        return None
    asked, answered = ending.usage
    usage: JSON = {f"{inputs}_tokens": asked, f"{outputs}_tokens": answered, "total_tokens": asked + answered}
    if not terse:
        usage[f"{inputs}_tokens_details"] = {"cached_tokens": 0}
        usage[f"{outputs}_tokens_details"] = {"reasoning_tokens": 0}
    return usage


def value_events(base: str, key: JSON, fragments: Iterable[str], told: str) -> list[JSON]:
    """The fragments of a value, and its end."""
    return [
        *({"type": f"response.{base}.delta", **key, "delta": fragment} for fragment in fragments),
        {"type": f"response.{base}.done", **key, told: joined(fragments)},
    ]


def message_item(said: Said, index: int) -> tuple[JSON, list[JSON], JSON]:
    """A message: as it is announced, its events, and as it is told whole. So for all items."""
    ident = f"msg_{index}"
    events: list[JSON] = []
    content: list[JSON] = []
    for at, part in enumerate(said.parts):
        key = {"item_id": ident, "output_index": index, "content_index": at}
        text = joined(part.fragments)
        if part.kind == "refusal":
            blank, whole = p.refusal(), p.refusal(text)
            values = value_events("refusal", key, part.fragments, "refusal")
        else:
            blank = p.output_text(logprobs=[])
            whole = p.output_text(text, annotations=list(part.annotations), logprobs=[])
            values = value_events("output_text", key, part.fragments, "text")
            values[-1:-1] = [
                {
                    "type": "response.output_text.annotation.added",
                    **key,
                    "annotation_index": number,
                    "annotation": annotation,
                }
                for number, annotation in enumerate(part.annotations)
            ]
        events.append({"type": "response.content_part.added", **key, "part": blank})
        events += values
        events.append({"type": "response.content_part.done", **key, "part": whole})
        content.append(whole)
    return p.message(id=ident, status="in_progress"), events, p.message(id=ident, content=content)


def reasoning_item(said: Said, index: int) -> tuple[JSON, list[JSON], JSON]:
    """A reasoning item."""
    ident = f"rs_{index}"
    events: list[JSON] = []
    whole = p.reasoning(id=ident)
    for part in said.parts:
        text = joined(part.fragments)
        key: JSON = {"item_id": ident, "output_index": index}
        if part.kind == "reasoning":
            content = whole.setdefault("content", [])
            key["content_index"] = len(content)
            content.append(p.reasoning_text(text))
            events += value_events("reasoning_text", key, part.fragments, "text")
        else:
            key["summary_index"] = len(whole["summary"])
            whole["summary"].append(p.summary_text(text))
            events += [
                {"type": "response.reasoning_summary_part.added", **key, "part": p.summary_text()},
                *value_events("reasoning_summary_text", key, part.fragments, "text"),
                {"type": "response.reasoning_summary_part.done", **key, "part": p.summary_text(text)},
            ]
    if said.encrypted is not None:
        whole["encrypted_content"] = said.encrypted
    return p.reasoning(id=ident), events, whole


def call_item(said: Said, index: int) -> tuple[JSON, list[JSON], JSON]:
    """A call of a function or of a custom tool."""
    text = joined(said.fragments)
    if said.custom:
        ident, base, field = f"ctc_{index}", "custom_tool_call_input", "input"
        whole = p.custom_call(text, id=ident, call_id=said.call_id, name=said.name, status="completed")
    else:
        ident, base, field = f"fc_{index}", "function_call_arguments", "arguments"
        whole = p.call(text, id=ident, call_id=said.call_id, name=said.name)
    key = {"item_id": ident, "output_index": index}
    start = {**whole, "status": "in_progress", field: ""}
    return start, value_events(base, key, said.fragments, field), whole


def other_item(said: Said, index: int) -> tuple[JSON, list[JSON], JSON]:
    """An item of another type."""
    whole: JSON = {"id": f"item_{index}", **said.whole}
    start: JSON = {key: whole[key] for key in ("id", "type", "name", "server_label") if key in whole}
    if "status" in whole:
        start["status"] = "in_progress"
    key = {"item_id": whole["id"], "output_index": index}
    # The wire has no `item_id` in the events of a shell command.
    events = [
        {**event, **({"output_index": index} if "shell_call_command" in str(event.get("type")) else key)}
        for event in said.events
    ]
    return start, events, whole


ITEMS = {"message": message_item, "reasoning": reasoning_item, "call": call_item, "item": other_item}


# ---------------------------------------------------------------------------------------- Chat Completions


def chat_stream(said: Sequence[Said], ending: Ending, order: Sequence[int], terse: bool) -> Told:
    """The response in the words of Chat Completions."""
    choices = sorted({one.choice for one in said if one.kind != "event"} | {0})
    calls = dict.fromkeys(choices, 0)
    rows: dict[object, list[tuple[JSON, str, int]]] = {}
    for number, one in enumerate(said):
        # The text of a choice is one value, and so is its reasoning: what is woven keeps their order.
        shared = order and one.kind in ("message", "reasoning")
        row = rows.setdefault((one.kind, one.choice) if shared else number, [])
        if one.kind == "event":
            row.append((one.whole, "", 0))
        for delta, kind in chat_deltas(one, calls[one.choice]):
            row.append((chat_chunk(terse, chat_choice(terse, delta, None, one.choice)), kind, one.choice))
        calls[one.choice] += one.kind == "call"
    start = {"role": "assistant", "content": ""}
    made = [chat_chunk(terse, chat_choice(terse, start, None, index)) for index in choices]
    body = list(woven(rows.values(), order))
    made += [payload for payload, _, _ in body]
    spoken, thought = (
        tuple(dict.fromkeys(choice for _, kind, choice in body if kind == begun))
        for begun in ("message", "reasoning")
    )
    if ending.error is not None:
        made.append({"error": {**ending.error, "type": ending.error["code"], "param": None}})
    if ending.error is not None or ending.outcome is Outcome.TRUNCATED:
        return Told(made, None, spoken, thought)
    reason = FINISH_REASONS.get(ending.reason or "", ending.reason)
    reasons = {index: reason or ("tool_calls" if calls[index] else "stop") for index in choices}
    made += [chat_chunk(terse, chat_choice(terse, {}, reasons[index], index)) for index in choices]
    usage = usage_of(ending, terse, "prompt", "completion")
    if usage is not None:
        made.append(chat_chunk(terse, usage=usage))
    document = {
        **chat_chunk(terse),
        "object": "chat.completion",
        "choices": [
            {
                "index": index,
                "message": chat_message([one for one in said if one.choice == index]),
                "logprobs": None,
                "finish_reason": reasons[index],
            }
            for index in choices
        ],
        "usage": usage,
    }
    return Told(made, document, spoken, thought)


def chat_chunk(terse: bool, *choices: JSON, **fields: Any) -> JSON:
    """A chunk with what stands in each."""
    return p.chunk(*choices, **({} if terse else {"system_fingerprint": "fp_7c1f2a90de"}), **fields)


def chat_choice(terse: bool, delta: JSON, reason: str | None, index: int) -> JSON:
    """A choice of a chunk."""
    return p.choice(delta, reason, index, **({} if terse else {"logprobs": None}))


def chat_deltas(said: Said, index: int) -> Iterator[tuple[JSON, str]]:
    """The deltas of an item, each with the kind of item that it begins or goes on, "" where it says nothing.

    `index` is that of the call among the calls of its choice.
    """
    for part in said.parts:
        field = {"text": "content", "refusal": "refusal"}.get(part.kind, "reasoning_content")
        yield from (({field: fragment}, said.kind if fragment else "") for fragment in part.fragments)
        if part.annotations:
            yield {"annotations": list(part.annotations)}, said.kind
    if said.kind == "call":
        kind, field = ("custom", "input") if said.custom else ("function", "arguments")
        head = {"index": index, "id": said.call_id, "type": kind, kind: {"name": said.name, field: ""}}
        yield {"tool_calls": [head]}, said.kind
        for fragment in said.fragments:
            yield {"tool_calls": [{"index": index, kind: {field: fragment}}]}, said.kind


def chat_message(said: Sequence[Said]) -> JSON:
    """The message of a choice, as it is told whole."""
    texts = {kind: "".join(one.joined(kind) for one in said) for kind in ("text", "refusal", "reasoning")}
    message: JSON = {
        "role": "assistant",
        "content": texts["text"] or None,
        "refusal": texts["refusal"] or None,
    }
    annotations = [annotation for one in said for part in one.parts for annotation in part.annotations]
    if annotations:
        message["annotations"] = annotations
    if texts["reasoning"]:
        message["reasoning_content"] = texts["reasoning"]
    for one in said:
        if one.kind == "call":
            kind, field = ("custom", "input") if one.custom else ("function", "arguments")
            function = {"name": one.name, field: joined(one.fragments)}
            message.setdefault("tool_calls", []).append({"id": one.call_id, "type": kind, kind: function})
    return message


# ---------------------------------------------------------------------------------------- Anthropic Messages

NAMES = {"anthropic": "Anthropic", "gemini": "Gemini"}
"""APIs that have neither refusals nor custom tools."""
STOP_REASONS = {"max_output_tokens": "max_tokens", "content_filter": "refusal"}
"""Reasons of the Responses API in Anthropic's words."""


def anthropic_stream(said: Sequence[Said], ending: Ending, order: Sequence[int], terse: bool) -> Told:
    """The response in the words of Anthropic Messages, which has one block open at a time."""
    usage: JSON = a.usage(0 if ending.usage is None else ending.usage[0])
    start: JSON = a.message_start(usage=usage) if not terse else {"type": "message_start", "message": TERSE}
    made = [start]
    content: list[JSON] = []
    for one in said:
        if one.kind == "event":
            made.append(one.whole)
            continue
        for told, deltas, whole in anthropic_blocks(one, cut=ending.reason is not None):
            made += a.block(told, *deltas, index=len(content))
            content.append(whole)
    document: JSON | None = None
    if ending.error is not None:
        made.append(a.error("api_error", ending.error["message"]))
    elif ending.outcome is not Outcome.TRUNCATED:
        calls = any(one.kind == "call" for one in said)
        word = STOP_REASONS.get(ending.reason or "", ending.reason or ("tool_use" if calls else "end_turn"))
        counted = None if ending.usage is None else {"output_tokens": ending.usage[1]}
        made += [{**a.message_delta(word, None), "usage": counted}, a.message_stop()]
        message: JSON = start["message"]
        document = {**message, "content": content, "stop_reason": word, "stop_sequence": None}
        if not terse or counted is not None:
            document["usage"] = {**(document.get("usage") or {}), **(counted or {})}
    return Told(made, document, arguments=lambda text: text or "{}")


TERSE: JSON = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": []}
"""A message with no more than it must have."""


def anthropic_blocks(said: Said, *, cut: bool) -> list[tuple[JSON, list[JSON], JSON]]:
    """The blocks of an item: as each begins, its deltas, and the whole of it.

    `cut` says that a limit ends the message: then even an empty input has to be told.
    """
    if said.kind == "item":
        start = {**said.whole, "input": {}} if said.events and "input" in said.whole else said.whole
        return [(start, [a.delta(**{"kind": one["type"], **rest(one)}) for one in said.events], said.whole)]
    if said.kind == "call":
        call = a.tool_use(said.name, said.call_id)
        fragments = said.fragments or (("{}",) if cut else ())
        given = json.loads(joined(fragments) or "{}") if is_json(joined(fragments)) else {}
        return [(call, [a.fragment(one) for one in fragments], {**call, "input": given})]
    blocks: list[tuple[JSON, list[JSON], JSON]] = []
    parts = said.parts or [Part("reasoning", ())]
    for at, part in enumerate(parts):
        whole = joined(part.fragments)
        if said.kind == "message":
            deltas = [a.said(piece) for piece in part.fragments]
            deltas += [a.delta("citations_delta", citation=one) for one in part.annotations]
            cited = {"citations": list(part.annotations)} if part.annotations else {}
            blocks.append((a.text(), deltas, {"type": "text", "text": whole, **cited}))
        else:
            deltas = [a.thought(piece) for piece in part.fragments]
            thinking: JSON = {"type": "thinking", "thinking": whole}
            if said.encrypted is not None and at == len(parts) - 1:
                deltas.append(a.signature(said.encrypted))
                thinking["signature"] = said.encrypted
            blocks.append((a.thinking(), deltas, thinking))
    return blocks


def rest(event: JSON) -> JSON:
    """A delta without its type."""
    return {key: value for key, value in event.items() if key != "type"}


def is_json(text: str) -> bool:
    """Whether a text is an object as JSON has it."""
    try:
        return isinstance(json.loads(text or "{}"), dict)
    except ValueError:
        return False


# -------------------------------------------------------------------------------------------------- Gemini

GEMINI_REASONS = {"max_output_tokens": "MAX_TOKENS", "content_filter": "SAFETY"}
"""Reasons of the Responses API in Gemini's words."""


def compact(arguments: str) -> str:
    """The JSON text of arguments that came as a value."""
    return json.dumps(json.loads(arguments), ensure_ascii=False, separators=(",", ":"))


def gemini_stream(said: Sequence[Said], ending: Ending, order: Sequence[int], terse: bool) -> Told:
    """The response in the words of Gemini. What is woven are its candidates."""
    indexes = sorted({one.choice for one in said if one.kind != "event"} | {0})
    rows: dict[int, list[tuple[int, JSON]]] = {}
    for one in said:
        row = rows.setdefault(one.choice, [])
        row += [(NO_CHOICE, one.whole)] if one.kind == "event" else gemini_parts(one)
    made: list[JSON] = []
    runs: list[tuple[int, str, list[str]]] = []
    documents: dict[int, list[JSON]] = {index: [] for index in indexes}
    last: dict[int, int] = {}
    for choice, part in woven(rows.values(), order):
        if choice == NO_CHOICE:
            made.append(part)  # an event as it stands
            continue
        made.append(gemini_chunk(terse, [g.candidate(part, index=choice)]))
        gemini_merge(documents[choice], part)
        if "text" in part:
            kind = "thought" if part.get("thought") else "text"
            if choice not in last or runs[last[choice]][1] != kind:
                last[choice] = len(runs)
                runs.append((choice, kind, []))
            runs[last[choice]][2].append(part["text"])
        else:
            last.pop(choice, None)
    if not made:
        made.append(gemini_chunk(terse, [{"content": {"role": "model"}, "index": 0}]))
    if ending.error is not None:
        made.append({"error": {"code": 500, "message": ending.error["message"], "status": "INTERNAL"}})
    texts = {
        kind: "".join(joined(pieces) for _, found, pieces in runs if found == kind)
        for kind in ("text", "thought")
    }
    document: JSON | None = None
    if ending.error is None and ending.outcome is not Outcome.TRUNCATED:
        word = GEMINI_REASONS.get(ending.reason or "", ending.reason or "STOP")
        usage = {} if ending.usage is None else {"usageMetadata": g.usage(*ending.usage)}
        ends = [g.candidate(index=index, finishReason=word) for index in indexes]
        made.append(gemini_chunk(terse, ends, **usage))
        whole: list[JSON] = []
        for index in indexes:
            parts = [
                {**part, "text": joined([part["text"]])} if "text" in part else part
                for part in documents[index]
            ]
            content = {"role": "model", "parts": parts}
            whole.append({"content": content, "finishReason": word, "index": index})
        document = gemini_chunk(terse, whole, **usage)
    return Told(made, document, text=texts["text"], reasoning=texts["thought"], arguments=compact)


def gemini_chunk(terse: bool, told: list[JSON], **fields: Any) -> JSON:
    """A chunk with what stands in each."""
    return {"candidates": told, **fields} if terse else g.candidates(*told, **fields)


def gemini_parts(said: Said) -> list[tuple[int, JSON]]:
    """The parts of an item, each in a chunk of its own. A call that is told in fragments is streamed."""
    if said.kind == "item":
        return [(said.choice, said.whole)]
    if said.kind != "call":
        tell = g.thought if said.kind == "reasoning" else g.text
        return [(said.choice, tell(fragment)) for part in said.parts for fragment in part.fragments]
    args = json.loads(joined(said.fragments) or "{}")
    if len(said.fragments) < 2 or not args:
        return [(said.choice, g.call(said.name, id=said.call_id, args=args))]
    pieces = [g.call(None, partialArgs=[piece], willContinue=True) for piece in g.pieces_of(args)]
    parts = [g.call(said.name, id=said.call_id, willContinue=True), *pieces, g.call(None)]
    return [(said.choice, {**part, ARGS: args} if at == 0 else part) for at, part in enumerate(parts)]


NO_CHOICE = -1
"""Stands for the candidate of what belongs to none."""
ARGS = ""
"""Under which key a streamed call keeps its arguments for the document. It is taken out before it is sent."""


def gemini_merge(parts: list[JSON], part: JSON) -> None:
    """Adds a part to those of an unstreamed response: text goes on with text, thought with thought."""
    args = part.pop(ARGS, None)
    call = part.get("functionCall")
    if call is not None:
        if "name" in call:
            told = {key: value for key, value in call.items() if key != "willContinue"}
            parts.append({**part, "functionCall": {**told, "args": call.get("args", args)}})
        return
    before = parts[-1] if parts else {}
    if "text" in part and "text" in before and before.get("thought") == part.get("thought"):
        parts[-1] = {**before, "text": before["text"] + part["text"]}
    else:
        parts.append(part)


TELLERS: dict[str, Callable[[Sequence[Said], Ending, Sequence[int], bool], Told]] = {
    "responses": responses_stream,
    "chat": chat_stream,
    "anthropic": anthropic_stream,
    "gemini": gemini_stream,
}
"""What tells a response in the words of each dialect."""
