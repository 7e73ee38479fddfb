"""Chat Completions, in the accents of OpenAI, Azure, DeepSeek, Mistral, Groq, OpenRouter, Gemini's compatible
endpoint, Ollama, vLLM, llama.cpp and LM Studio.

The wire has chunks with choices; what comes out are the events of the Responses API. Reasoning, message and
each tool call of a choice become items, numbered in the order of their appearance. The end is held open until
`[DONE]` or the end of the transport: usage, arguments and a second finish reason may follow the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.diagnosis.error_payloads import error_from_payload, error_in, is_error_payload, says_error
from deltafold.dialects.base import Dialect, cause_of, usage_from
from deltafold.dialects.chat.table import OTHER, Stop, stop_of
from deltafold.dialects.chat.think_tags import ThinkTags
from deltafold.machine.build import item_from, part_from
from deltafold.machine.evidence import close_item, settle_value
from deltafold.machine.fold import Ending, Fold
from deltafold.machine.lifecycle import (
    CANCELLED,
    COMPLETED,
    FAILED,
    INCOMPLETE,
    ITEM_STATUS_AT_END,
    TRUNCATED,
)
from deltafold.machine.records import ItemRecord, PartRecord, Value, empty
from deltafold.machine.values import ValueKey, delta_of
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, LimitExceeded, ResponseError
from deltafold.model.json_values import copied, integer
from deltafold.model.response import Outcome
from deltafold.wire.json_text import Paths, Report, is_strict_json, join_halves, join_surrogates

__all__ = ["ChatDialect"]

JSON: TypeAlias = dict[str, Any]

FIRST_WINS: Final = ("id", "model", "created")
OF_CHUNK: Final = {"choices", "usage", "obfuscation", "object", "error", *FIRST_WINS}
OF_CHOICE: Final = {"index", "delta", "message", "text", "finish_reason", "finishReason", "usage", "logprobs"}
OF_ITEM: Final = {"type", "status", "call_id", "name", "arguments", "input"}
"""Members that the item of a call has from its own telling, whatever stands under that name elsewhere."""
OF_DELTA: Final = {
    "role",
    "content",
    "refusal",
    "tool_calls",
    "function_call",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "annotations",
}
OF_CALL: Final = {
    "index",
    "id",
    "type",
    "function",
    "custom",
    "name",
    "function_name",
    "tool_name",
    "arguments",
    "input",
}
OF_FUNCTION: Final = {"name", "arguments", "input"}
FINISH_REASONS: Final = ("finish_reason", "finishReason")
NATIVE_REASONS: Final = ("native_finish_reason", "nativeFinishReason")
"""What OpenRouter tells beside its own word: that of the server behind it."""
HEARTBEATS: Final = ("keepalive", "ping")
CHUNK: Final = "chat.completion.chunk"
KNOWN_CHUNK: Final = {
    "choices",
    "usage",
    "model",
    "created",
    "x_groq",
    "prompt_filter_results",
    "prompt_annotations",
}
# Whether arguments that begin again tell the same call again is seen by parsing what came so far. Text full
# of braces must not make that quadratic.
MOST_CHECKS: Final = 16
OPENING: Final = "{["


class OpenCall:
    """One tool call, found among the fragments of its choice."""

    MEMORY: Final = (
        "place",
        "id",
        "name",
        "custom",
        "index",
        "pieces",
        "held",
        "more",
        "cumulative",
        "checks",
        "checked",
    )
    __slots__ = MEMORY

    def __init__(self, place: int | None) -> None:
        self.place = place
        """The wire's index."""
        self.id: str | None = None
        self.name = ""
        self.custom = False
        self.index: int | None = None
        """The output index, once the name is known and the item has begun."""
        self.pieces: list[str] = []
        """The arguments so far, until the item has begun."""
        self.held = ""
        """A leading `{}`, which some servers send before the arguments."""
        self.more: JSON = {}
        """Fields that this library does not know."""
        self.cumulative = False
        """Each fragment tells the arguments so far again."""
        self.checks = 0
        self.checked = 0

    @property
    def key(self) -> ValueKey:
        """Where the arguments stand in the item."""
        return ("input",) if self.custom else ("arguments",)


class OpenChoice:
    """What is known of one choice."""

    MEMORY: Final = (
        "index",
        "role",
        "message",
        "reasoning",
        "parts",
        "calls",
        "finish_reason",
        "native",
        "told",
        "annotations",
        "tags",
        "details",
        "weighed",
    )
    __slots__ = MEMORY

    def __init__(self, index: int) -> None:
        self.index = index
        self.role = "assistant"
        self.message: int | None = None
        self.reasoning: int | None = None
        self.parts: dict[str, int] = {}
        """Where text and refusal stand in the message."""
        self.calls: list[OpenCall] = []
        self.finish_reason: str | None = None
        """The server's own word."""
        self.native: str | None = None
        """That of the server behind a gateway, where it says worse than the gateway's."""
        self.told: JSON = {}
        """What was handed on of its other fields."""
        self.annotations = 0
        self.tags = ThinkTags()
        self.details: list[JSON] = []
        """OpenRouter's `reasoning_details`, merged."""
        self.weighed: set[str] = set()
        """The members of `logprobs` that came."""


class ChatDialect(Dialect):
    """Translates the payloads of one stream."""

    name = "chat"
    fragments: ClassVar[Paths] = frozenset(
        ("choices", *path)
        for path in (
            ("text",),
            ("delta", "content"),
            ("delta", "content", "text"),
            ("delta", "content", "thinking"),
            ("delta", "content", "thinking", "text"),
            ("delta", "refusal"),
            ("delta", "reasoning_content"),
            ("delta", "reasoning"),
            ("delta", "reasoning", "content"),
            ("delta", "reasoning", "text"),
            ("delta", "reasoning_details", "text"),
            ("delta", "reasoning_details", "summary"),
            ("delta", "tool_calls", "function", "arguments"),
            ("delta", "tool_calls", "custom", "input"),
            ("delta", "tool_calls", "arguments"),
            ("delta", "tool_calls", "input"),
            ("delta", "function_call", "arguments"),
            ("delta", "audio", "transcript"),
        )
    )
    """Where pieces of a longer text stand."""

    MEMORY: ClassVar[tuple[str, ...]] = (
        *Dialect.MEMORY,
        "failing",
        "done",
        "told",
        "usage",
        "choices",
        "next_index",
        "late",
    )
    state_classes: ClassVar[tuple[tuple[type, int], ...]] = ((OpenCall, 1), (OpenChoice, 1), (ThinkTags, 0))
    __slots__ = ("said", *MEMORY[len(Dialect.MEMORY) :])

    def __init__(self, fold: Fold, report: Report, lifts: CallLifts, *, think_tags: bool = False) -> None:
        super().__init__(fold, report, lifts, think_tags=think_tags)
        self.failing: JSON | None = None
        """The error that was reported, as it came."""
        self.done = False
        self.told: JSON = {}
        """What was handed on of the chunks' own fields."""
        self.usage: JSON = {}
        self.choices: dict[int, OpenChoice] = {}
        self.next_index = 0
        self.late: dict[int, JSON] = {}
        """Fields of items that became known too late for their announcement."""

        self.said: dict[tuple[int, ValueKey], str] = {}
        """What the present payload adds to the values, beside what the fold holds."""

    # ---------------------------------------------------------------------------------------- the parser

    def translate(self, payload: JSON, name: str) -> list[Any]:
        """The events of one payload. `name` is the SSE event name, "" where there is none."""
        self._clear()
        kind = payload.get("type")
        if self.ended:
            if kind not in HEARTBEATS:
                self._after_end()
        elif isinstance(kind, str) and kind.startswith("response."):
            self._wrong_dialect(payload, kind)
        elif kind in HEARTBEATS:
            self.out.append(e.Heartbeat(str(kind)))
        else:
            self._chunk(payload, name)
        return self.out

    def _after_end(self) -> None:
        self.once(AnomalyCode.EVENT_AFTER_END, None, "a chunk came after the end")

    def plain_text(
        self, payload: JSON, event: Any
    ) -> tuple[tuple[str | int, ...], tuple[str, Callable[[str], bool]] | None] | None:
        """Where the text of an event stands in the payload that made it.

        Only if payloads that differ in nothing else make events that differ in nothing else; with what
        knows the texts of which that may be untrue, where there are any.
        """
        choices = payload.get("choices")
        if self.halves or not isinstance(choices, list) or len(choices) != 1:
            return None
        delta = choices[0].get("delta")
        if not isinstance(delta, dict) or "message" in choices[0]:
            return None
        if not empty(delta.get("role")) and any(known.message is None for known in self.choices.values()):
            return None  # the last role that is told is that of the message
        if sum(not empty(value) for key, value in delta.items() if key != "role") != 1:
            return None
        if isinstance(event, e.ArgumentsDelta):
            if self.lifts.declared:
                return None
            calls = delta.get("tool_calls")
            told = calls[0] if isinstance(calls, list) and len(calls) == 1 else None
            if told != {"index": integer(told or {}, "index"), "function": {"arguments": event.text}}:
                return None
            every = (call for choice in self.choices.values() for call in choice.calls)
            (call,) = [call for call in every if call.index == event.output_index]
            self.said = {}  # what this payload said has been handed out, and is in the fold
            path = ("choices", 0, "delta", "tool_calls", 0, "function", "arguments")
            return path, (OPENING, partial(self._may_repeat, call))
        if self.think_tags:
            return None
        names = ("content",) if isinstance(event, e.TextDelta) else ("reasoning_content", "reasoning")
        spoken = [name for name in names if isinstance(delta.get(name), str)]
        if len(spoken) != 1 or delta[spoken[0]] != event.text:
            return None
        return ("choices", 0, "delta", spoken[0]), None

    def done_sentinel(self) -> list[Any]:
        """`[DONE]` came."""
        self._clear()
        if not self.ended and (self.choices or self.failing is not None):
            self.done = True
            self._end(TRUNCATED)
        elif not self.ended:
            self.once(AnomalyCode.DONE_BEFORE_TERMINAL, None, "[DONE] came before anything else")
        return self.out

    def end(self, outcome: Outcome) -> list[Any]:
        """The transport ended, or the caller gave up. Nothing where the end had been told."""
        self._clear()
        if not self.ended:
            self._end(outcome)
        return self.out

    def fail(self, error: ResponseError) -> list[Any]:
        """The stream is none of this dialect."""
        self._clear()
        if not self.ended:
            self.out.append(e.ErrorReported(error))
            self.failing = {}
            self._end(TRUNCATED)
        return self.out

    def body(self, payload: JSON) -> list[Any]:
        """A whole body that is one JSON object."""
        self._clear()
        if self.ended:
            self._after_end()
        elif payload.get("object") == "response":
            self._wrong_dialect(payload, "a response")
        else:
            self._chunk(payload, "")
            self.done = bool(self.choices)
            for choice, told in zip(self.choices.values(), payload.get("choices") or (), strict=False):
                if isinstance(told, dict) and told.get("finish_reason") == "":
                    choice.told["finish_reason"] = ""
        return self.out

    def begins(self, payload: JSON, name: str) -> bool | None:
        """Whether a response may begin with a payload; None where that belongs to no response."""
        return True if KNOWN_CHUNK & payload.keys() or payload.get("object") == CHUNK else None

    def _clear(self) -> None:
        self.out = []
        self.said = {}

    # ------------------------------------------------------------------------------------------- a chunk

    def _chunk(self, payload: JSON, name: str) -> None:
        failed = is_error_payload(payload) or (name == "error" and "choices" not in payload)
        error = error_in(payload) if failed else None
        if not failed and not KNOWN_CHUNK & payload.keys() and payload.get("object") != CHUNK:
            kind = payload.get("type")
            self.out.append(e.UnknownEvent(kind if isinstance(kind, str) else name, payload))
            return
        if not failed or KNOWN_CHUNK & payload.keys():
            self._metadata(payload)
        choices = payload.get("choices")
        if isinstance(choices, list):
            for position, choice in enumerate(choices):
                if isinstance(choice, dict):
                    self._choice(choice, position)
                    if error is None:
                        error = choice_error(choice)
                else:
                    self.once(AnomalyCode.INVALID_FIELD, "choice", f"a choice is {choice!r:.40}")
        elif choices is not None:
            self.once(AnomalyCode.INVALID_FIELD, "choices", f"choices is {choices!r:.40}")
        groq = payload.get("x_groq")
        self._usage(groq.get("usage") if isinstance(groq, dict) else None)
        self._usage(payload.get("usage"))
        if failed or error is not None:
            self._error(payload, error)

    def _metadata(self, payload: JSON) -> None:
        """The chunk's own fields. An id names nothing: some servers give each chunk another one."""
        new: JSON = {}
        for key in FIRST_WINS:
            value = payload.get(key)
            if not empty(value) and value != 0 and key not in self.told:
                new[key] = value
        for key, value in payload.items():
            if key not in OF_CHUNK and not empty(value) and self.told.get(key) != value:
                new[key] = value
        if self.started and not new:
            return
        self.told.update(new)
        data = {"created_at" if key == "created" else key: copied(value) for key, value in new.items()}
        if self.started:
            self.out.append(e.StatusChanged(None, data))
            return
        self.started = True
        self.announce({"object": "response", "status": "in_progress", **data})

    def _usage(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        merged = merge_usage(self.usage, usage)
        if merged != self.usage:
            self.usage = merged
            self.out.append(e.UsageReported(usage_from(copied(merged))))

    def _error(self, payload: JSON, told: Any) -> None:
        """A payload tells of an error, which is `told` where that stands under a name of its own."""
        error = error_from_payload(payload, told)
        if self.failing is not None:
            self.report(AnomalyCode.ERROR_AFTER_FAILURE, "an error came after the response had failed")
            if error.kind is ErrorKind.UNKNOWN:
                return
        self.failing = cause_of(payload, error)
        self.out.append(e.ErrorReported(error))

    def _wrong_dialect(self, payload: JSON, kind: str) -> None:
        message = f"{kind[:60]} came where Chat Completions were expected: use dialect='responses'"
        self.refuse_dialect(payload, message)
        self.failing = {"code": "wrong_dialect", "message": message}
        self._end(TRUNCATED)

    # ------------------------------------------------------------------------------------------ a choice

    def _choice(self, told: JSON, position: int) -> None:
        index = self.index(told, "index", "the index of a choice")
        if index is None:
            index = self.bounded(position)
        choice = self.choices.get(index)
        if choice is None:
            if len(self.choices) >= self.fold.limits.items:
                raise LimitExceeded("items", self.fold.limits.items)
            choice = self.choices[index] = OpenChoice(index)
        delta = told.get("delta")
        logprobs = told.get("logprobs")
        if isinstance(delta, dict):
            self._delta(choice, delta, logprobs if isinstance(logprobs, dict) else {})
        elif delta is not None:
            self.once(AnomalyCode.INVALID_FIELD, "delta", f"delta is {delta!r:.40}")
        message = told.get("message")
        if isinstance(message, dict):
            self._message(choice, message)
        if isinstance(told.get("text"), str) and delta is None and message is None:
            self._text(choice, told["text"])
        self._rest_of_choice(choice, told)
        self._usage(told.get("usage"))

    def _rest_of_choice(self, choice: OpenChoice, told: JSON) -> None:
        reason = self._finish_reason(choice, told)
        new: JSON = {}
        for key, value in told.items():
            if key not in OF_CHOICE and not empty(value) and choice.told.get(key) != value:
                new[key] = copied(value)
        logprobs = told.get("logprobs")
        if isinstance(logprobs, dict):
            rest = {
                k: v
                for k, v in logprobs.items()
                if not empty(v)
                and (k != "content" or not self._spoke(told))
                and (k not in choice.weighed or "message" not in told)
            }
            choice.weighed.update(k for k, v in logprobs.items() if not empty(v))
            if rest:
                new["logprobs"] = copied(rest)
        if reason is not None:
            choice.finish_reason = reason
        elif not new:
            return
        choice.told.update({key: value for key, value in new.items() if key != "logprobs"})
        self.out.append(e.ChoiceUpdated(choice.index, choice.finish_reason, new))

    def _finish_reason(self, choice: OpenChoice, told: JSON) -> str | None:
        """The finish reason that a choice tells, if it is another one, and not a lesser one."""
        for name in NATIVE_REASONS:
            native = told.get(name)
            if isinstance(native, str) and (found := stop_of(native)) is not None and found.weight:
                choice.native = native
        reason: Any = first(told, *FINISH_REASONS)
        if reason is None and isinstance(details := told.get("finish_details"), dict):
            reason = details.get("type")  # OpenAI, while vision was in preview
        if isinstance(reason, dict):  # SGLang's own endpoint, through gateways
            reason = reason.get("type")
        if not isinstance(reason, str):
            if reason is not None:
                self.once(AnomalyCode.INVALID_FIELD, "finish_reason", f"finish_reason is {reason!r:.40}")
            return None
        if reason == choice.finish_reason or (stop := stop_of(reason)) is None:
            return None
        if stop is OTHER:
            self.once(AnomalyCode.FINISH_REASON_UNKNOWN, choice.index, f"finish_reason is {reason[:60]!r}")
        before = None if choice.finish_reason is None else stop_of(choice.finish_reason)
        return None if before is not None and before.weight > stop.weight else reason

    @staticmethod
    def _spoke(told: JSON) -> bool:
        """Whether the log probabilities went with a text."""
        delta = told.get("delta")
        return isinstance(delta, dict) and isinstance(delta.get("content"), str) and delta["content"] != ""

    def _delta(self, choice: OpenChoice, delta: JSON, logprobs: JSON) -> None:
        role = delta.get("role")
        if isinstance(role, str) and role and choice.message is None:
            choice.role = role
        for text in self._reasoning(choice, delta):
            self._fragment(choice, "reasoning", text)
        content = delta.get("content")
        if isinstance(content, str):
            self._text(choice, content, logprobs.get("content"))
        elif isinstance(content, list):
            for kind, piece in self._content_list(content):
                if kind == "text":
                    self._text(choice, piece)
                elif kind is not None:
                    self._fragment(choice, kind, piece)
                else:
                    self._other_part(choice, piece)
        elif content is not None:
            self.once(AnomalyCode.INVALID_FIELD, "content", f"content is {content!r:.40}")
        refusal = delta.get("refusal")
        if isinstance(refusal, str):
            self._fragment(choice, "refusal", refusal)
        elif refusal is not None:
            self.once(AnomalyCode.INVALID_FIELD, "refusal", f"refusal is {refusal!r:.40}")
        self._calls(choice, delta.get("tool_calls"))
        legacy = delta.get("function_call")
        if isinstance(legacy, dict) and any(legacy.values()):
            self._call(choice, {"index": LEGACY, "type": "function", "function": legacy})
        self._annotations(choice, delta.get("annotations"))
        rest = {key: value for key, value in delta.items() if key not in OF_DELTA and not empty(value)}
        if rest:
            self._rest_of_message(choice, rest)

    def _audio(self, choice: OpenChoice, audio: JSON) -> JSON:
        """Hands out the pieces of spoken output; gives what else is told of it."""
        if isinstance(audio.get("data"), str) and audio["data"]:
            self.out.append(e.AudioDelta(audio["data"]))
        if isinstance(audio.get("transcript"), str):
            text = join_halves(self.halves, (-1 - choice.index, TRANSCRIPT), audio["transcript"], self.report)
            if text:
                self.out.append(e.TranscriptDelta(text))
        return {key: value for key, value in audio.items() if key not in SPOKEN}

    def _rest_of_message(self, choice: OpenChoice, rest: JSON) -> None:
        """Fields of a delta that are none of ours belong to the message."""
        if isinstance(rest.get("audio"), dict):
            rest["audio"] = self._audio(choice, rest["audio"])
        known = choice.told.get("message", {})
        merged = {**known, **{key: merge_field(known.get(key), value) for key, value in rest.items()}}
        if merged != known:
            choice.told["message"] = merged
            self.out.append(e.ChoiceUpdated(choice.index, choice.finish_reason, {"message": copied(merged)}))

    # ---------------------------------------------------------------------------- text, refusal, reasoning

    def _text(self, choice: OpenChoice, text: str, logprobs: Any = None) -> None:
        told = logprobs if isinstance(logprobs, list) else ()
        if not self.think_tags:
            self._fragment(choice, "text", text, told)
            return
        for kind, piece in choice.tags.feed(text):
            self._fragment(choice, kind, piece, told if piece == text else ())

    def _fragment(self, choice: OpenChoice, kind: e.ValueKind, text: str, logprobs: Any = ()) -> None:
        if not text:
            return
        index, key = self._place(choice, kind)
        text = join_halves(self.halves, (index, key), text, self.report)
        if text:
            self._say(index, key, text, delta_of(index, kind, key, text, logprobs))

    def _say(self, index: int, key: ValueKey, text: str, event: e.Event) -> None:
        self.said[index, key] = self.said.get((index, key), "") + text
        self.out.append(event)

    def _place(self, choice: OpenChoice, kind: e.ValueKind) -> tuple[int, ValueKey]:
        """Where a text stands; its item and part begin with it."""
        if kind == "reasoning":
            if choice.reasoning is None:
                told = {"type": "reasoning", "summary": [], "content": []}
                choice.reasoning = self._begin(choice, told)
                part: JSON = {"type": "reasoning_text", "text": ""}
                self.out.append(
                    e.PartStarted(choice.reasoning, 0, "content", part_from(part, reasoning=True))
                )
            return choice.reasoning, ("content", 0, "text")
        if choice.message is None:
            told = {"type": "message", "role": choice.role, "status": "in_progress", "content": []}
            choice.message = self._begin(choice, told)
        if kind not in choice.parts:
            part = {"type": "refusal", "refusal": ""}
            if kind == "text":
                part = {"type": "output_text", "text": "", "annotations": []}
            choice.parts[kind] = self._add_part(choice, part)
        return choice.message, ("content", choice.parts[kind], kind)

    def _add_part(self, choice: OpenChoice, part: JSON) -> int:
        assert choice.message is not None
        at = max(choice.parts.values(), default=-1) + 1
        self.out.append(e.PartStarted(choice.message, at, "content", part_from(part)))
        return at

    def _begin(self, choice: OpenChoice, told: JSON) -> int:
        index = self.next_index
        self.next_index += 1
        item = item_from(told, choice_index=choice.index, approval_required=self.fold.approval_required)
        self.out.append(e.ItemStarted(index, item))
        return index

    def _reasoning(self, choice: OpenChoice, told: JSON) -> list[str]:
        """The pieces of reasoning in a delta or message."""
        texts: list[str] = []
        for key in ("reasoning_content", "reasoning"):
            text = told.get(key)
            if isinstance(text, dict):
                text = first(text, "content", "text")
            if isinstance(text, str):
                if text and text not in texts:
                    # vLLM was renaming the field and sent both.
                    texts.append(text)
                    choice.told.setdefault("reasoning_field", key)
            elif not empty(told.get(key)):
                self.once(AnomalyCode.INVALID_FIELD, key, f"{key} is {told[key]!r:.40}")
        entries = told.get("reasoning_details")
        details = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        for detail in details:
            merge_detail(choice.details, detail)
        if details:
            self._place(choice, "reasoning")
        if not texts and not isinstance(told.get("reasoning"), str):
            found = [detail.get("text") or detail.get("summary") for detail in details]
            texts = [text for text in found if isinstance(text, str)]
        return texts

    def _content_list(self, content: list[Any]) -> list[tuple[e.ValueKind | None, Any]]:
        """Content in parts, Mistral's with thinking among them: texts with their kind, and other parts."""
        pieces: list[tuple[e.ValueKind | None, Any]] = []
        for part in content:
            if not isinstance(part, dict):
                self.once(AnomalyCode.INVALID_FIELD, "content", f"a part of the content is {part!r:.40}")
            elif isinstance(part.get("text"), str):
                pieces.append(("text", part["text"]))
            elif isinstance(thinking := part.get("thinking"), (str, list)):
                for piece in [thinking] if isinstance(thinking, str) else thinking:
                    text = piece.get("text") if isinstance(piece, dict) else piece
                    if isinstance(text, str):
                        pieces.append(("reasoning", text))
            elif part:
                pieces.append((None, part))
        return pieces

    def _other_part(self, choice: OpenChoice, part: JSON) -> None:
        if choice.message is None:
            self._place(choice, "text")
        at = self._add_part(choice, copied(part))
        choice.parts[f"part {at}"] = at

    def _annotations(self, choice: OpenChoice, annotations: Any) -> None:
        found = [a for a in annotations if isinstance(a, dict)] if isinstance(annotations, list) else []
        for annotation in found:
            index, key = self._place(choice, "text")
            self.out.append(e.AnnotationAdded(index, int(key[1]), choice.annotations, annotation))
            choice.annotations += 1

    # ------------------------------------------------------------------------------------------ tool calls

    def _calls(self, choice: OpenChoice, calls: Any) -> None:
        if isinstance(calls, dict):
            calls = [calls]
        if calls is not None and not isinstance(calls, list):
            self.once(AnomalyCode.INVALID_FIELD, "tool_calls", f"tool_calls is {calls!r:.40}")
            return
        for told in calls or ():
            if isinstance(told, dict):
                self._call(choice, told)
            else:
                self.once(AnomalyCode.INVALID_FIELD, "tool call", f"a tool call is {told!r:.40}")

    def _call(self, choice: OpenChoice, told: JSON) -> None:
        """A fragment of a call."""
        function = function_of(told)
        place, ident = integer(told, "index"), call_id(told)
        name = call_name(told, function)
        call = self._find_call(choice, place, ident, name)
        if call is None:
            call = OpenCall(place)
            call.custom = is_custom(told)
            choice.calls.append(call)
        self._learn(choice, call, ident, name, told, function)
        self._arguments(choice, call, told, function)

    def _find_call(
        self, choice: OpenChoice, place: int | None, ident: str | None, name: str
    ) -> OpenCall | None:
        """Which call a fragment belongs to; None where it begins one. This is the whole rule.

        An id that is known decides. Else the index does, unless another id together with a name says that a
        new call began under an index already taken (Gemini's endpoint gives every call index 0). Without a
        name a fragment never begins a call while one is open, whatever its id (LM Studio gives each fragment
        a new one). Without an index the fragment goes on the last call, unless it has a name.
        """
        if ident is not None:
            for call in choice.calls:
                if call.id == ident and (place is None or call.place in (None, place)):
                    return call
        if place is None:
            last = choice.calls[-1] if choice.calls else None
        else:
            last = next((call for call in reversed(choice.calls) if call.place == place), None)
        if last is None or not name:
            return last
        if ident is not None and last.id is not None:
            begins = True  # another id, and a name
        elif not last.name:
            begins = False  # the name comes late
        elif name == last.name:
            begins = self._is_whole(last)  # the name comes with every fragment
        else:
            begins = self._has_arguments(last)  # the name comes in pieces
        if not begins:
            return last
        if place is not None:
            self.once(
                AnomalyCode.CALL_INDEX_REUSED, choice.index, f"tool call index {place} has another call"
            )
        return None

    def _learn(
        self, choice: OpenChoice, call: OpenCall, ident: str | None, name: str, told: JSON, function: JSON
    ) -> None:
        new: JSON = {}
        if ident is not None and call.id is None:
            call.id = new["call_id"] = ident
        elif ident is not None and ident != call.id:
            self.once(AnomalyCode.CALL_ID_CHANGED, call.index, f"{call.id!r:.40} became {ident[:40]!r}")
        if name and name != call.name:
            if not call.name or name.startswith(call.name):
                call.name = new["name"] = name
            elif not self._has_arguments(call) and not call.name.endswith(name):
                call.name = new["name"] = call.name + name
            elif self._has_arguments(call):
                self.once(AnomalyCode.NAME_CHANGED, call.index, f"{call.name[:40]!r} became {name[:40]!r}")
        for source, known in ((told, OF_CALL), (function, OF_FUNCTION)):
            for key, value in source.items():
                if key in known or empty(value) or call.more.get(key) == value:
                    continue
                if key in OF_ITEM:
                    self.once(AnomalyCode.INVALID_FIELD, f"call {key}", f"a call has {key} {value!r:.40}")
                else:
                    call.more[key] = new[key] = copied(value)
        if call.index is None and call.name:
            self._start_call(choice, call)
        elif call.index is not None and new:
            self._update(choice, call.index, new)

    def _start_call(self, choice: OpenChoice, call: OpenCall) -> int:
        """A call becomes an item once its name is known. Gives its index."""
        field = "input" if call.custom else "arguments"
        told = {
            "type": "custom_tool_call" if call.custom else "function_call",
            "status": "in_progress",
            "call_id": call.id,
            "name": call.name,
            field: "",
            **call.more,
        }
        index = call.index = self._begin(choice, told)
        pieces, call.pieces = call.pieces, []
        self._say_arguments(call, *pieces)
        return index

    def _say_arguments(self, call: OpenCall, *pieces: str) -> None:
        if call.index is None:
            call.pieces += pieces
            return
        text = self._characters(call.index, call.key, pieces)
        if self.lifts.declared and not call.custom:
            text = self.lifts.fragment(call.index, call.name, text, self.out)
        if text:
            self._say(call.index, call.key, text, e.ArgumentsDelta(call.index, text))

    def _characters(self, index: int, key: ValueKey, pieces: Iterable[str]) -> str:
        return "".join([join_halves(self.halves, (index, key), piece, self.report) for piece in pieces])

    def _so_far_of(self, call: OpenCall) -> str:
        raw = self._raw(call)
        return (
            self._so_far(call.index, call.key)
            if raw is None and call.index is not None
            else "".join(raw or ())
        )

    def _raw(self, call: OpenCall) -> list[str] | None:
        """The pieces of the arguments as they came, where the fold does not hold them."""
        return call.pieces if call.index is None else self.lifts.raw(call.index)

    def _has_arguments(self, call: OpenCall) -> bool:
        return call.held != "" or any(self._pieces_back(call))

    def _pieces_back(self, call: OpenCall) -> Iterator[str]:
        """The pieces of the arguments so far, the last one first, without joining them."""
        raw = self._raw(call)
        if raw is None and call.index is not None:
            yield self.said.get((call.index, call.key), "")
            record = self.fold.items.get(call.index)
            value = None if record is None else record.values.get(call.key)
            raw = [] if value is None else value.fragments
        yield from reversed(raw or [])

    def _ends_as_json(self, call: OpenCall) -> bool:
        """Whether the arguments so far may be whole by their last character, wherever they were cut."""
        end = next((piece for piece in self._pieces_back(call) if not piece.isspace() and piece), "")
        return end.rstrip().endswith(("}", "]"))

    def _is_whole(self, call: OpenCall) -> bool:
        """Whether the arguments so far are a whole object or array."""
        if call.held:
            return True
        if not self._ends_as_json(call):
            return False
        so_far = self._so_far_of(call)
        if call.checks >= MOST_CHECKS and len(so_far) < 2 * call.checked:
            return False
        call.checks += 1
        call.checked = len(so_far)
        return is_strict_json(so_far)

    def _arguments(self, choice: OpenChoice, call: OpenCall, told: JSON, function: JSON) -> None:
        text = first(function, "arguments", "input")
        if text is None:
            text = first(told, "arguments", "input")
        if isinstance(text, (dict, list)):
            self.once(
                AnomalyCode.ARGUMENTS_NOT_TEXT, call.index, f"the arguments are a {type(text).__name__}"
            )
            text = json.dumps(text, ensure_ascii=False, separators=(",", ":"))
        elif text is not None and not isinstance(text, str):
            self.once(AnomalyCode.INVALID_FIELD, "arguments", f"arguments is {text!r:.40}")
            return
        if not text:
            return
        if not call.custom:
            if not self._has_arguments(call) and text.strip() == "{}":
                call.held = text
                return
            if call.held:
                held, call.held = call.held, ""
                if text.lstrip().startswith("{"):
                    self.once(AnomalyCode.ARGUMENTS_REPEATED, call.index, "`{}` came before the arguments")
                else:
                    self._say_arguments(call, held)
            text = self._new_arguments(call, text)
        if text:
            self._say_arguments(call, text)

    def _new_arguments(self, call: OpenCall, text: str) -> str:
        """What of a fragment is new: some servers send the arguments so far again, or all of them."""
        if text[0] not in OPENING or not self._has_arguments(call) or not self._may_repeat(call, text):
            return text
        if call.cumulative or self._is_whole(call):
            so_far = self._so_far_of(call)
            if text.startswith(so_far) or text == so_far[: len(text)]:
                self.once(AnomalyCode.ARGUMENTS_REPEATED, call.index, "the arguments came again")
                return text[len(so_far) :]
        elif self._first_piece_begins(call, text):
            so_far = self._so_far_of(call)
            if text.startswith(so_far) and not is_json_prefix(so_far + text):
                self.once(AnomalyCode.ARGUMENTS_REPEATED, call.index, "the arguments so far came again")
                call.cumulative = True
                return text[len(so_far) :]
        return text

    def _may_repeat(self, call: OpenCall, text: str) -> bool:
        """Whether a fragment that opens something may hold what has come before: cheap tests before the dear
        ones."""
        return (
            call.held != ""
            or call.cumulative
            or self._ends_as_json(call)
            or self._first_piece_begins(call, text)
        )

    def _first_piece_begins(self, call: OpenCall, text: str) -> bool:
        """Whether a fragment begins as the arguments did, and not just with the same bracket."""
        if len(text) == 1:
            return False
        pieces = self._raw(call)
        if pieces is None and call.index is not None:
            record = self.fold.items.get(call.index)
            value = None if record is None else record.values.get(call.key)
            said = self.said.get((call.index, call.key), "")
            pieces = [said] if value is None else value.fragments
        return text.startswith(next(filter(None, pieces or ()), ""))

    def _update(self, choice: OpenChoice, index: int, more: JSON) -> None:
        """More is known of an item that had begun."""
        record = self.fold.items.get(index)
        if record is None or any(place[0] == index for place in self.said):
            self.late.setdefault(index, {}).update(more)
            return
        data = {**record.to_dict(), **more}
        self.out.append(e.ItemUpdated(index, self.fold.item(record, data, whole=False)))

    # ------------------------------------------------------------------------------------ whole messages

    def _message(self, choice: OpenChoice, message: JSON) -> None:
        """`message` in place of `delta` tells the choice whole: what had come is not told again."""
        role = message.get("role")
        if isinstance(role, str) and role and choice.message is None:
            choice.role = role
        if message.get("reasoning_details"):
            choice.details = []
        reasoning = "".join(self._reasoning(choice, message))
        content, others = message.get("content"), []
        if isinstance(content, list):
            pieces = self._content_list(content)
            reasoning += "".join(piece for kind, piece in pieces if kind == "reasoning")
            others = [piece for kind, piece in pieces if kind is None]
            content = "".join(piece for kind, piece in pieces if kind == "text")
        self._tell(choice, "reasoning", reasoning)
        if isinstance(content, str):
            self._tell_content(choice, content)
        elif content is not None:
            self.once(AnomalyCode.INVALID_FIELD, "content", f"content is {content!r:.40}")
        if not any(name.startswith("part ") for name in choice.parts):
            for part in others:
                self._other_part(choice, part)
        if isinstance(message.get("refusal"), str):
            self._tell(choice, "refusal", message["refusal"])
        calls = message.get("tool_calls")
        for position, told in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(told, dict):
                self._tell_call(choice, position, told)
        legacy = message.get("function_call")
        if isinstance(legacy, dict) and any(legacy.values()):
            self._tell_call(choice, LEGACY, {"type": "function", "function": legacy})
        if choice.annotations == 0:
            self._annotations(choice, message.get("annotations"))
        rest = {key: value for key, value in message.items() if key not in OF_DELTA and not empty(value)}
        spoke = isinstance(choice.told.get("message", {}).get("audio"), dict)
        if spoke and isinstance(audio := rest.get("audio"), dict):
            rest["audio"] = {key: value for key, value in audio.items() if key not in SPOKEN}
        if rest:
            self._rest_of_message(choice, rest)

    def _so_far(self, index: int, key: ValueKey) -> str:
        record = self.fold.items.get(index)
        value = None if record is None else record.values.get(key)
        return ("" if value is None else value.text) + self.said.get((index, key), "")

    def _tell(self, choice: OpenChoice, kind: e.ValueKind, text: str) -> None:
        if not text:
            return
        index, key = self._place(choice, kind)
        self.halves.pop((index, key), None)  # the other half is told with it
        value = Value(kind, [self._so_far(index, key)])
        self.out += settle_value(index, kind, key, value, text, self.report, whole=False)
        self.said[index, key] = ""

    def _tell_content(self, choice: OpenChoice, content: str) -> None:
        if not self.think_tags:
            self._tell(choice, "text", content)
            return
        tags = ThinkTags()
        pieces = [*tags.feed(content), *tags.close()]
        choice.tags = ThinkTags()
        for kind in ("reasoning", "text"):
            self._tell(choice, kind, "".join(piece for found, piece in pieces if found == kind))

    def _tell_call(self, choice: OpenChoice, position: int, told: JSON) -> None:
        function, ident = function_of(told), call_id(told)
        known = next((call for call in choice.calls if ident is not None and call.id == ident), None)
        if position == LEGACY:
            known = next((call for call in choice.calls if call.place == LEGACY), None)
        elif known is None and position < len(choice.calls):
            candidate = choice.calls[position]
            if ident is None or candidate.id is None:
                known = candidate
        if known is None:
            self._call(choice, {**told, "index": len(choice.calls) if position != LEGACY else LEGACY})
            return
        self._learn(choice, known, ident, call_name(told, function), told, function)
        text = first(function, "arguments", "input")
        so_far = self._so_far_of(known) + known.held
        if isinstance(text, str) and text and text != so_far:
            if known.index is not None:
                self.halves.pop((known.index, known.key), None)  # the other half is told with it
            if text.startswith(so_far):
                self._say_arguments(known, text[len(so_far) - len(known.held) :])
                known.held = ""
            elif known.index is not None:
                known.held = ""
                self.report(
                    AnomalyCode.VALUE_CONTRADICTED, "the message tells other arguments than were streamed"
                )
                if self.lifts.declared and not known.custom:
                    text = self.lifts.told(known.index, known.name, text, self.out, whole=True)
                self.out.append(e.ValueReplaced(known.index, "arguments", text))

    # ------------------------------------------------------------------------------------------- the end

    def _end(self, outcome: Outcome) -> None:
        """Nothing more will come, or `[DONE]` came."""
        outcome, reason = self._outcome(outcome)
        closes = ITEM_STATUS_AT_END[outcome]
        for choice in self.choices.values():
            self._end_choice(choice, closes, self._end_calls(choice, outcome))
        data: JSON = {}
        if outcome is not TRUNCATED:
            data["status"] = str(outcome)
        if outcome is INCOMPLETE and reason is not None:
            data["incomplete_details"] = {"reason": reason}
        if self.failing is not None:
            data["error"] = self.failing
        self.ended = True
        choices = sorted(self.choices)
        word = self.choices[choices[0]].finish_reason if choices else None
        stop = None if word is None else stop_of(word)
        self.out.append(Ending(outcome, data, None, word if stop is None else stop.reason or word))

    def _outcome(self, outcome: Outcome) -> tuple[Outcome, str | None]:
        """The outcome, and the server's word that decided it. The gravest word of all choices counts."""
        if self.failing is not None:
            return FAILED, None
        unfinished = not self.choices
        gravest, word = None, None
        for choice in self.choices.values():
            unfinished = unfinished or choice.finish_reason is None
            for reason in (choice.finish_reason, choice.native):
                stop = None if reason is None else stop_of(reason)
                if stop is not None and (gravest is None or stop.weight > gravest.weight):
                    gravest, word = stop, reason
        if gravest is not None and word is not None and gravest.kind is not None:
            self._fault(gravest, word)
            return FAILED, None
        if unfinished:
            if not self.done:
                if outcome is TRUNCATED:
                    self.report(AnomalyCode.MISSING_TERMINAL, "the transport ended before the response did")
                return outcome, None
            self.report(AnomalyCode.FINISH_REASON_MISSING, "[DONE] came, and a choice has no finish reason")
        return (COMPLETED, None) if gravest is None else (gravest.outcome, word)

    def _fault(self, stop: Stop, word: str) -> None:
        """The finish reason says that the server failed, and nothing else told of an error."""
        assert stop.kind is not None
        code = None if word == "error" else word
        message = (
            None if code is None else f"the server ended the answer with the finish reason {code[:60]!r}"
        )
        self.failing = {"code": code, "message": message}
        error = ResponseError(stop.kind, message, code, retryable=True, raw={"finish_reason": word})
        self.out.append(e.ErrorReported(error))

    def _end_calls(self, choice: OpenChoice, outcome: Outcome) -> dict[tuple[int, ValueKey], str]:
        """What was held back of the calls: text that has not been handed out."""
        cancelled = outcome is CANCELLED  # then what is missing might have come
        rest: dict[tuple[int, ValueKey], str] = {}
        for call in choice.calls:
            unsaid, call.held = call.held, ""
            index = call.index
            if index is None:
                if not cancelled:
                    self.report(AnomalyCode.CALL_NAME_MISSING, "a tool call ended without a name")
                pieces, call.pieces = [piece for piece in (*call.pieces, unsaid) if piece], []
                index = self._start_call(choice, call)
                unsaid = self._characters(index, call.key, pieces)
            if self.lifts.declared and not call.custom:
                unsaid = self.lifts.fragment(index, call.name, unsaid, self.out)
                unsaid += self.lifts.close(index, self.out)
            if unsaid:
                rest[index, call.key] = unsaid
            if call.id is None:
                call.id = f"call_{index}_synthesized"
                self.late.setdefault(index, {})["call_id"] = call.id
                if call.place == LEGACY:
                    choice.told["legacy_call_id"] = call.id
                elif not cancelled:
                    self.report(AnomalyCode.CALL_ID_MISSING, f"the call of {call.name[:40]!r} has no id")
        return rest

    def _end_choice(
        self, choice: OpenChoice, closes: str | None, rest: dict[tuple[int, ValueKey], str]
    ) -> None:
        """What was cut off is the last thing that began; all before it is whole."""
        more: JSON = {key: choice.told[key] for key in SPELLINGS if key in choice.told}
        if choice.reasoning is not None and choice.details:
            details = joined_details(choice.details)
            self.late.setdefault(choice.reasoning, {})["reasoning_details"] = details
        if more or choice.finish_reason is None:
            self.out.append(e.ChoiceUpdated(choice.index, choice.finish_reason, more))
        for kind, piece in choice.tags.close():
            place = self._place(choice, kind)
            rest[place] = rest.get(place, "") + piece
        if self.halves.pop((-1 - choice.index, TRANSCRIPT), None) is not None:
            self.report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a transcript")
            self.out.append(e.TranscriptDelta("\ufffd"))
        indexes = [choice.reasoning, choice.message, *(call.index for call in choice.calls)]
        started = sorted(index for index in indexes if index is not None)
        for index in started:
            status = closes
            if closes is not None:
                cut = choice.finish_reason is not None and index == started[-1]
                cut = cut and (stop := stop_of(choice.finish_reason or "")) is not None
                cut = cut and stop is not None and stop.outcome is INCOMPLETE
                status = "incomplete" if cut else "completed"
                for item, key in self.halves:
                    if item == index:
                        self.report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a value")
                        rest[item, key] = rest.get((item, key), "") + "\ufffd"
            record = record_with(self.fold.items.get(index), self.out, index)
            texts = {key: text for (item, key), text in rest.items() if item == index}
            self.out += close_item(self.fold, record, status, texts, self.late.get(index, {}), self.report)


SPELLINGS: Final = ("reasoning_field", "legacy_call_id", "finish_reason")
"""How the server spells what the model of this library does not tell apart."""
SPOKEN: Final = ("data", "transcript")
TRANSCRIPT: Final[ValueKey] = ("transcript",)
LEGACY: Final = -1
"""The place of the one call that the old `function_call` field can hold."""


def choice_error(told: JSON) -> Any:
    """The error that stands inside a choice, its delta or message; None where there is none."""
    for where in (told, told.get("delta"), told.get("message")):
        if isinstance(where, dict):
            found = where.get("error")
            if found and says_error(found):
                return found
            message = where.get("error_message")
            if isinstance(message, str) and message:
                return {"message": message, "code": where.get("error_code")}
    return None


def first(table: JSON, *names: str) -> Any:
    return next((table[name] for name in names if table.get(name) is not None), None)


def function_of(told: JSON) -> JSON:
    """What a call says of its function or custom tool. Some servers send both, one of them blank."""
    found = [inner for key in ("function", "custom") if isinstance(inner := told.get(key), dict)]
    return next((inner for inner in found if any(inner.values())), found[0] if found else {})


def is_custom(told: JSON) -> bool:
    custom = told.get("custom")
    return told.get("type") == "custom" or (isinstance(custom, dict) and any(custom.values()))


def call_id(told: JSON) -> str | None:
    ident = told.get("id")
    return ident if isinstance(ident, str) and ident not in ("", "null") else None


def call_name(told: JSON, function: JSON) -> str:
    name = first(function, "name")
    if name is None:
        name = first(told, "name", "function_name", "tool_name")
    return name if isinstance(name, str) else ""


def is_json_prefix(text: str) -> bool:
    """Whether a text may go on to be JSON."""
    from deltafold.arguments.reader import ArgumentsReader

    reader = ArgumentsReader()
    reader.feed(text)
    return reader.error is None


def merge_usage(known: JSON, told: JSON) -> JSON:
    """The last count that is told wins, field by field."""
    merged = dict(known)
    for key, value in told.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = merge_usage(before, value)
        elif value is not None or key not in merged:
            merged[key] = copied(value)
    return merged


def merge_field(known: Any, told: Any) -> Any:
    """A field of a message that this library does not model: the last telling wins, member by member."""
    if isinstance(known, dict) and isinstance(told, dict):
        return {**known, **{key: merge_field(known.get(key), value) for key, value in told.items()}}
    return copied(told)


PIECES: Final = ("text", "summary", "data")


def merge_detail(details: list[JSON], told: JSON) -> None:
    """One of OpenRouter's `reasoning_details`: pieces of one type and index make one entry.

    An entry is its fields, and, until the end, the pieces of those that come in pieces.
    """
    kind, index = told.get("type"), told.get("index")
    known = next(
        (
            detail
            for detail in details
            if index is not None
            and (detail["fields"].get("type"), detail["fields"].get("index")) == (kind, index)
        ),
        None,
    )
    if known is None:
        known = {"fields": {}, "pieces": {}}
        details.append(known)
    fields, pieces = known["fields"], known["pieces"]
    for key, value in told.items():
        if key in PIECES and isinstance(value, str):
            pieces.setdefault(key, []).append(value)
            fields.setdefault(key, "")
        elif not empty(value) or key not in fields:
            fields[key] = copied(value)
            pieces.pop(key, None)


def joined_details(details: list[JSON]) -> list[JSON]:
    return [
        {
            key: join_surrogates("".join(detail["pieces"][key])) if key in detail["pieces"] else copied(value)
            for key, value in detail["fields"].items()
        }
        for detail in details
    ]


def record_with(record: ItemRecord | None, out: list[Any], index: int) -> ItemRecord:
    """The record of an item together with what the present payload began of it."""
    parts = [event for event in out if isinstance(event, e.PartStarted) and event.output_index == index]
    if record is not None and not parts:
        return record
    if record is None:
        item = next(
            event.item for event in out if isinstance(event, e.ItemStarted) and event.output_index == index
        )
        told, choice_index = item.data, item.choice_index
    else:
        told, choice_index = record.to_dict(), record.choice_index
    record = ItemRecord(index, told["type"], choice_index)
    record.load(told)
    for event in parts:
        fields = record.take_values(event.group, event.part_index, event.part.data, whole=False)
        record.parts[event.group][event.part_index] = PartRecord(fields)
    return record


DIALECT: Final = ChatDialect
"""What the registry finds here."""
