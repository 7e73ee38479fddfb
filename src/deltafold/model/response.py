"""The final response, or what is known of it so far. Data only."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from deltafold.model.anomalies import Anomaly
from deltafold.model.errors import DeltafoldError, ResponseError
from deltafold.model.frozen import field, frozen
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Item,
    Message,
    OutputText,
    Reasoning,
    is_whole,
    shorten,
)
from deltafold.model.json_values import copied, string
from deltafold.model.verdict import ORDER, Verdict, VisibleKind, is_hosted, is_runnable, visible_of
from deltafold.registry import part_of

__all__ = [
    "Choice",
    "EstimatedUsage",
    "LiftedText",
    "Outcome",
    "Response",
    "ResponseFailed",
    "Usage",
    "verdict_of",
]


class Outcome(StrEnum):
    """How a response ended."""

    COMPLETED = "completed"
    """The server sent the end, and the response is whole."""
    INCOMPLETE = "incomplete"
    """The server stopped before the model had finished; `Response.incomplete_reason` says why."""
    FAILED = "failed"
    """The provider failed; `Response.error` says why."""
    CANCELLED = "cancelled"
    """By the caller or by the server."""
    TRUNCATED = "truncated"
    """The transport ended before the server sent an end."""


@frozen
class Usage:
    """Tokens. None means that the server did not tell, which is not 0."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    """Part of the input that was read from the prompt cache."""
    cache_write_tokens: int | None = None
    """Part of the input that was written to the prompt cache."""
    reasoning_tokens: int | None = None
    """Part of the output that was reasoning."""
    data: dict[str, Any] = field(factory=dict, repr=False, hash=False)
    """The usage as the server sent it. Not to be changed."""

    def to_dict(self) -> dict[str, Any]:
        """A copy of `data`."""
        return dict(copied(self.data))


# The Responses API's reasons in the words of Chat Completions. Others stay as they are.
FINISH_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}


@frozen
class Choice:
    """What Chat Completions sent of a choice beside its items."""

    index: int
    finish_reason: str | None
    """The server's own word."""
    data: dict[str, Any] = field(repr=False, hash=False)
    """Its other fields as the server sent them, the unknown fields of its message under `message`."""
    reasoning_field: str | None = field(default=None, repr=False)
    """The member of a delta in which the reasoning came."""
    legacy_call_id: str | None = field(default=None, repr=False)
    """The id of the call that came as `function_call`."""


@frozen
class LiftedText:
    """A string that was lifted out of the arguments of a call."""

    output_index: int
    path: tuple[str | int, ...]
    into: str
    """`text` or `reasoning`."""
    text: str = field(repr=shorten)


@frozen
class EstimatedUsage:
    """Tokens as the caller's own counter counts them. Never mixed with what a server reports."""

    input_tokens: int | None
    output_tokens: int
    reasoning_tokens: int
    """Part of the output."""


@frozen
class Response:
    """The response folded from the events handed out so far."""

    id: str | None
    """What a later request may refer to."""
    model: str | None
    """The model that answered."""
    status: str | None
    """The server's own word."""
    outcome: Outcome | None
    """How it ended; None while it has not."""
    output: tuple[Item, ...]
    """The items, in the order in which the end of the response sent them, else in that of `output_index`."""
    usage: Usage | None
    """Tokens, as the server sent them; None where it did not."""
    error: ResponseError | None
    """Why it failed; None where it did not."""
    incomplete_reason: str | None
    """Why an incomplete response is so, in the server's own word."""
    finish_reason: str | None
    """`stop`, `length`, `tool_calls`, `content_filter`, `error`, `cancelled`, or the server's own word; None
    while it is not known. `tool_calls` also where complete calls came with a mere `stop`."""
    data: dict[str, Any] = field(repr=False, hash=False)
    """The response as JSON, without its output. Not to be changed."""
    choices: tuple[Choice, ...] = ()
    """What Chat Completions sent of each choice beside its items, in the order of the indexes."""
    lifted: tuple[LiftedText, ...] = ()
    """Strings that were lifted out of the arguments of calls, in the order of their appearance."""
    had_whole_call: bool = field(default=False, repr=False)
    """Whether a call that can be run was handed out, even if the end of the response sent it otherwise."""
    had_fragments: bool = field(default=False, repr=False)
    """Whether a fragment of an item was handed out, whatever became of that item."""
    ended_by_server: bool = field(default=False, repr=False)
    """Whether the server sent the end as that of the response: an error of the stream is no such end."""
    dialect: str | None = field(default=None, repr=False, eq=False)
    """The wire that sent it: `responses`, `chat`, `anthropic`, `gemini`. None where no parser made it."""
    anomalies: tuple[Anomaly, ...] = field(default=(), repr=False, eq=False)
    """What was out of order in how it was sent, as far as it has been read; at most `Limits.anomalies`. The
    same answer may be sent with and without: two responses that differ in nothing else are equal."""

    @property
    def output_text(self) -> str:
        """The text of all messages, joined."""
        return "".join(
            part.text
            for item in self.output
            if isinstance(item, Message)
            for part in item.content
            if isinstance(part, OutputText)
        )

    @property
    def reasoning_text(self) -> str:
        """What the model thought: the raw reasoning of all items, joined, or else their summaries."""
        items = [item for item in self.output if isinstance(item, Reasoning)]
        if any(item.content for item in items):
            return "".join(item.text for item in items if item.content)
        return "\n\n".join(item.text for item in items if item.text)

    @property
    def tool_calls(self) -> tuple[FunctionCall | CustomToolCall, ...]:
        """The calls that may be run, and no other: of functions those that are `complete`, of custom tools,
        whose input may be any text, those that are `whole`. Others stand in `output` alone."""
        return tuple(
            item
            for item in self.output
            if isinstance(item, (FunctionCall, CustomToolCall)) and is_whole(item)
        )

    @property
    def requires_action(self) -> tuple[Item, ...]:
        """What waits for approval: calls that need it, and MCP approval requests without an answer."""
        answered = {
            string(item.data, "approval_request_id")
            for item in self.output
            if item.type == "mcp_approval_response"
        }
        return tuple(
            item
            for item in self.output
            if getattr(item, "needs_approval", False)
            or (item.type == "mcp_approval_request" and item.id not in answered)
        )

    @property
    def hidden_reasoning(self) -> bool:
        """Whether the model reasoned and the server shows nothing of it: encrypted, or only counted."""
        if self.reasoning_text:
            return False
        counted = self.usage is not None and (self.usage.reasoning_tokens or 0) > 0
        return counted or any(isinstance(item, Reasoning) for item in self.output)

    def estimated_usage(
        self, count: Callable[[str], int], *, input_text: str | None = None
    ) -> EstimatedUsage | None:
        """Usage by the caller's own counter of tokens; None where the server reported its own."""
        if self.usage is not None:
            return None
        reasoning = count(self.reasoning_text)
        calls = [item for item in self.output if isinstance(item, (FunctionCall, CustomToolCall))]
        texts = [self.output_text, *map(self._called, calls)]
        return EstimatedUsage(
            None if input_text is None else count(input_text), reasoning + sum(map(count, texts)), reasoning
        )

    @staticmethod
    def _called(call: FunctionCall | CustomToolCall) -> str:
        return call.name + (call.arguments if isinstance(call, FunctionCall) else call.input)

    def to_dict(self) -> dict[str, Any]:
        """The response in the Responses API's own JSON shape, with all that the server sent."""
        return {**copied(self.data), "output": [item.to_dict() for item in self.output]}

    def to_chat_completion(self) -> dict[str, Any]:
        """The response as an unstreamed Chat Completion, with the server's own finish reasons."""
        document: dict[str, Any] = part_of("chat", "document").chat_completion(self)
        return document

    def to_anthropic_message(self) -> dict[str, Any]:
        """The response as an unstreamed message of the Anthropic Messages API.

        Where Anthropic sent it, with the server's own words and blocks. A response of another API is
        converted.
        """
        document: dict[str, Any] = part_of("anthropic", "document").anthropic_message(self)
        return document

    def to_gemini_response(self) -> dict[str, Any]:
        """The response as an unstreamed GenerateContentResponse.

        Where Gemini sent it, with all that it sent and nothing else but roles and indexes: words, signatures,
        ratings, grounding. A response of another API is converted.
        """
        document: dict[str, Any] = part_of("gemini", "document").gemini_response(self)
        return document

    @property
    def verdict(self) -> Verdict:
        """What bears on a retry: what was handed out, what may have been done, when to ask again."""
        return verdict_of(self)

    def raise_for_error(self) -> Response:
        """Raises `ResponseFailed` where the outcome is `failed`; else gives the response itself."""
        if self.outcome is Outcome.FAILED:
            raise ResponseFailed(self)
        return self

    def __str__(self) -> str:
        return f"<Response {self.id} {self.outcome or self.status}: {shorten(self.output_text)}>"


class ResponseFailed(DeltafoldError):
    """Raised by `Response.raise_for_error()`, and nowhere else."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.error = response.error
        said = response.error.message if response.error is not None else None
        super().__init__(f"the response {response.outcome}" + (f": {said}" if said else ""))


def verdict_of(response: Response) -> Verdict:
    """The verdict on a response as it stands."""
    outcome, error = response.outcome, response.error
    kinds: set[VisibleKind] = set()
    called, hosted = response.had_whole_call, False
    for lifted in response.lifted:
        kinds.add("text" if lifted.into == "text" else "reasoning")
    for item in response.output:
        kinds |= visible_of(item)
        called = called or is_runnable(item)
        hosted = hosted or is_hosted(item)
    if response.data.get("audio"):
        kinds.add("audio")
    if any(choice.data.get("message") for choice in response.choices):
        kinds.add("other")  # fields of a message that this library does not know
    if response.had_fragments and not kinds:
        kinds.add("other")  # what was shown of an item is not to be seen in what that item became
    retryable = outcome == "truncated" or (outcome == "failed" and error is not None and error.retryable)
    ended = outcome is None or response.ended_by_server
    goes_on = response.data.get("background") is True and not ended
    return Verdict(
        tuple(sorted(kinds, key=ORDER.index)),
        called,
        hosted,
        goes_on,
        retryable,
        error.retry_after if retryable and error is not None else None,
    )
