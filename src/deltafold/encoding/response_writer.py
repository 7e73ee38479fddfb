"""A server's own voice: a response that is written piece by piece, without a parser in front of it."""

from __future__ import annotations

from typing import Any, Final

from deltafold.dialects.made_items import (
    custom_call,
    function_call,
    message,
    reasoning,
    refusal_part,
    text_part,
    thought_part,
)
from deltafold.encoding.encoder import StreamEncoder
from deltafold.model import events as e
from deltafold.model.errors import ErrorKind, ResponseError, UsageError
from deltafold.model.items import CustomToolCall, FunctionCall, Item, Part, is_whole
from deltafold.model.losses import Loss
from deltafold.model.response import Outcome, Response, Usage

__all__ = ["ResponseWriter"]

LIMITS: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Reasons with which a response is incomplete, and the Responses API's words for them."""


class ResponseWriter:
    """Writes one response as a stream: text, reasoning and calls, each begun and ended where it has to be.

    Every method gives the bytes that are to be sent for it, which may be none.

    ```python
    writer = ResponseWriter("anthropic", response_id="msg_1", model="my-model")
    send(writer.text("Let me "))
    send(writer.text("look."))
    send(writer.call("search", '{"query": "cats"}', call_id="toolu_1"))
    send(writer.usage(12, 9))
    send(writer.finish())
    ```

    Args:
        dialect: The wire that is written: `responses`, `chat`, `anthropic` or `gemini`.
        response_id: The id of the response.
        model: The model.
        created: When the response began, in seconds since the epoch.
        options: As for `StreamEncoder`.

    Raises:
        UsageError: The dialect or an option is none; or, by any method, the response has ended.
    """

    __slots__ = (
        "_call",
        "_counted",
        "_encoder",
        "_ended",
        "_item",
        "_kind",
        "_model",
        "_output",
        "_pieces",
        "_response_id",
        "_started",
    )

    def __init__(
        self,
        dialect: str,
        *,
        response_id: str | None = None,
        model: str | None = None,
        created: int | None = None,
        **options: Any,
    ) -> None:
        self._encoder = StreamEncoder(
            dialect, response_id=response_id, model=model, created=created, **options
        )
        self._response_id = response_id
        self._model = model
        self._started = False
        self._ended = False
        self._output: list[Item] = []
        self._item: Item | None = None
        self._kind = ""
        self._pieces: list[str] = []
        self._call = 0
        self._counted: Usage | None = None

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What the wire could not say so far."""
        return self._encoder.losses

    # ------------------------------------------------------------------------------------------ the events

    def _send(self, event: e.Event) -> bytes:
        return self._encoder.encode(event)

    def begin(self) -> bytes:
        """The response begins; so it does by itself with whatever comes first."""
        if self._ended:
            raise UsageError("the response has ended")
        if self._started:
            return b""
        self._started = True
        return self._send(e.ResponseStarted(self._response_id, self._model))

    def _begin(self, kind: str, item: Item, part: Part | None) -> bytes:
        """An item begins; the one before it ends."""
        sent = self.begin() + self.end_item()
        self._kind, self._item, self._pieces = kind, item, []
        index = len(self._output)
        sent += self._send(e.ItemStarted(index, item))
        if part is not None:
            sent += self._send(e.PartStarted(index, 0, "summary" if kind == "summary" else "content", part))
        return sent

    def text(self, fragment: str) -> bytes:
        """A fragment of text."""
        sent = self.begin()
        if self._kind != "text":
            sent += self._begin("text", message((), whole=False), text_part())
        self._pieces.append(fragment)
        return sent + self._send(e.TextDelta(len(self._output), 0, fragment))

    def refusal(self, fragment: str) -> bytes:
        """A fragment of why the model will not answer."""
        sent = self.begin()
        if self._kind != "refusal":
            sent += self._begin("refusal", message((), whole=False), refusal_part())
        self._pieces.append(fragment)
        return sent + self._send(e.RefusalDelta(len(self._output), 0, fragment))

    def reasoning(self, fragment: str, *, summary: bool = False) -> bytes:
        """A fragment of reasoning, or of its summary."""
        sent = self.begin()
        kind = "summary" if summary else "reasoning"
        if self._kind != kind:
            sent += self._begin(kind, reasoning((), ()), thought_part(summary=summary))
        self._pieces.append(fragment)
        index = len(self._output)
        return sent + self._send(e.ReasoningDelta(index, 0, fragment, "summary" if summary else "text"))

    def call(self, name: str, arguments: str = "", *, call_id: str | None = None) -> bytes:
        """A call of a function begins, with as much of its arguments as there is. `arguments()` goes on."""
        sent = self._begin("call", function_call(name, self._call_id(call_id), "", whole=False), None)
        return sent + (self.arguments(arguments) if arguments else b"")

    def custom_call(self, name: str, text: str = "", *, call_id: str | None = None) -> bytes:
        """A call of a custom tool begins, with as much of its input as there is. `arguments()` goes on."""
        item = custom_call(name, self._call_id(call_id), "", whole=False)
        return self._begin("custom", item, None) + (self.arguments(text) if text else b"")

    def arguments(self, fragment: str) -> bytes:
        """A fragment of the arguments or input of the call that began last.

        Raises:
            UsageError: No call is open.
        """
        if self._kind not in ("call", "custom"):
            raise UsageError("no call is open: call() begins one")
        self._pieces.append(fragment)
        return self._send(e.ArgumentsDelta(len(self._output), fragment))

    def end_item(self) -> bytes:
        """What is open is whole; so it is by itself when something else comes."""
        item, kind, text = self._item, self._kind, "".join(self._pieces)
        if item is None:
            return b""
        whole: Item
        if kind in ("text", "refusal"):
            part = text_part(text) if kind == "text" else refusal_part(text)
            whole = message((part,), whole=True)
        elif kind in ("reasoning", "summary"):
            parts = (thought_part(text, summary=kind == "summary"),)
            whole = reasoning(parts, ()) if kind == "summary" else reasoning((), parts)
        elif isinstance(item, FunctionCall):
            whole = function_call(item.name, item.call_id, text or "{}", whole=True)
        else:
            assert isinstance(item, CustomToolCall)
            whole = custom_call(item.name, item.call_id, text, whole=True)
        return self._whole(whole)

    def _whole(self, item: Item) -> bytes:
        sent = self._send(e.ItemFinished(len(self._output), item))
        self._output.append(item)
        self._item, self._kind, self._pieces = None, "", []
        return sent

    def _call_id(self, sent: str | None) -> str:
        self._call += 1
        return sent or f"call_{self._call}"

    def usage(
        self,
        input_tokens: int,
        output_tokens: int,
        *,
        cached_tokens: int | None = None,
        reasoning_tokens: int | None = None,
    ) -> bytes:
        """How many tokens were used. It is written with the end."""
        total = input_tokens + output_tokens
        self._counted = Usage(input_tokens, output_tokens, total, cached_tokens, None, reasoning_tokens)
        return self.begin() + self._send(e.UsageReported(self._counted))

    def heartbeat(self) -> bytes:
        """A sign of life, where the wire has one that its clients pass over."""
        return self._send(e.Heartbeat("comment"))

    # --------------------------------------------------------------------------------------------- the ends

    def finish(self, reason: str | None = None) -> bytes:
        """The response is whole, or ends at a limit.

        Args:
            reason: `stop`, `tool_calls`, `length`, `content_filter`, or a word of your own. `tool_calls` if
                None and a call was made, else `stop`.
        """
        sent = self.begin() + self.end_item()
        if reason is None:
            reason = "tool_calls" if any(is_whole(item) for item in self._output) else "stop"
        outcome = Outcome.INCOMPLETE if reason in LIMITS else Outcome.COMPLETED
        return sent + self._end(outcome, reason, None, LIMITS.get(reason))

    def fail(
        self,
        message: str,
        *,
        kind: ErrorKind | str = ErrorKind.SERVER_ERROR,
        code: str | None = None,
        retryable: bool = False,
    ) -> bytes:
        """The response failed: an error in the wire's own form, and nothing after it.

        Raises:
            UsageError: `kind` is none of `ErrorKind`.
        """
        try:
            kind = ErrorKind(kind)
        except ValueError:
            raise UsageError(f"kind must be one of {', '.join(ErrorKind)}, not {kind!r:.60}") from None
        error = ResponseError(kind, message, code, retryable=retryable)
        if self._ended:
            raise UsageError("the response has ended")
        return self._send(e.ErrorReported(error)) + self._end(Outcome.FAILED, "error", error, None)

    def cancel(self) -> bytes:
        """The response was given up: no client may take it for whole."""
        return self.begin() + self._end(Outcome.CANCELLED, "cancelled", None, None)

    def _end(
        self, outcome: Outcome, reason: str, error: ResponseError | None, incomplete: str | None
    ) -> bytes:
        response = Response(
            self._response_id,
            self._model,
            str(outcome),
            outcome,
            tuple(self._output),
            self._counted,
            error,
            incomplete,
            reason,
            {},
        )
        sent = self._send(e.ResponseFinished(outcome, response))
        self._ended = True
        return sent
