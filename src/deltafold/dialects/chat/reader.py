"""Chat Completions, in the accents of OpenAI, Azure, DeepSeek, Mistral, Groq, OpenRouter, Gemini's compatible
endpoint, Ollama, vLLM, llama.cpp and LM Studio.

The wire has chunks with choices; what comes out are the events of the Responses API. Reasoning, message and
each tool call of a choice become items, numbered in the order of their appearance. The end is held open until
`[DONE]` or the end of the transport: usage, arguments and a second finish reason may follow the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.diagnosis.error_payloads import error_from_payload, error_in, is_error_payload, says_error
from deltafold.dialects.base import ErrorTerminatedDialect, error_field_of, usage_from
from deltafold.dialects.chat.calls import OPENING, CallReader, OpenCall, OpenCalls, first, number_in
from deltafold.dialects.chat.merging import Details, merge_fields, merge_usage
from deltafold.dialects.chat.table import (
    CHUNK,
    FINISH_REASONS,
    HEARTBEATS,
    KEEP_FIRST,
    KNOWN_CHUNK,
    NATIVE_REASONS,
    OF_CHOICE,
    OF_CHUNK,
    OF_DELTA,
    OTHER,
    REASONING,
    REASONING_PARTS,
    SIGNATURES,
    TEXTS,
    Stop,
    stop_of,
)
from deltafold.dialects.chat.think_tags import ThinkTags
from deltafold.dialects.claims import dialect_of, is_strange
from deltafold.machine.fold import Emitted, Fold, PendingFinish
from deltafold.machine.lifecycle import (
    CANCELLED,
    COMPLETED,
    FAILED,
    INCOMPLETE,
    ITEM_STATUS_AT_END,
    TRUNCATED,
)
from deltafold.machine.records import empty
from deltafold.machine.values import ValuePath
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, LimitExceeded, ResponseError
from deltafold.model.json_values import copied, has_more_members, integer, objects, weight
from deltafold.model.response import Outcome
from deltafold.wire.json_text import Paths, ReportAnomaly, join_halves

__all__ = ["ChatDialect"]

JSON: TypeAlias = dict[str, Any]


class OpenChoice:
    """What is known of one choice."""

    SNAPSHOT_FIELDS: Final = (
        "index",
        "role",
        "message",
        "reasoning",
        "parts",
        "next_part",
        "calls",
        "finish_reason",
        "native",
        "sent_fields",
        "fields",
        "reasoning_field",
        "annotations",
        "cited",
        "images",
        "open_tags",
        "reasoning_details",
        "seen_logprobs",
        "named",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, index: int) -> None:
        self.index = index
        self.role = "assistant"
        self.message: int | None = None
        self.reasoning: int | None = None
        self.parts: dict[str, int] = {}
        """Where text and refusal stand in the message."""
        self.next_part = 0
        self.calls = OpenCalls(index)
        self.finish_reason: str | None = None
        """The server's own word."""
        self.native: str | None = None
        """That of the server behind a gateway, where it says worse than the gateway's."""
        self.sent_fields: JSON = {}
        """What was handed on of its other fields."""
        self.fields: JSON = {}
        """What was handed on of its message's other fields."""
        self.reasoning_field: str | None = None
        """The member in which reasoning came first."""
        self.named: str | None = None
        """The member that came for it, empty, before any reasoning did."""
        self.annotations = 0
        self.cited: set[str] | None = None
        """The annotations that were handed on."""
        self.images: dict[int, JSON] | None = None
        """The images that were handed on and have an index."""
        self.open_tags: ThinkTags | None = None
        self.reasoning_details: Details | None = None
        self.seen_logprobs: set[str] | None = None
        """The members of `logprobs` that came."""


class ChatDialect(ErrorTerminatedDialect):
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
            ("delta", "content", "reasoning"),
            ("delta", "content", "summary"),
            ("delta", "refusal"),
            *(("delta", name) for name in REASONING),
            *(("delta", name, inner) for name in REASONING for inner in TEXTS),
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

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        *ErrorTerminatedDialect.SNAPSHOT_FIELDS,
        "done",
        "sent_fields",
        "usage",
        "usage_waits",
        "choices",
        "audio",
        "late_fields",
    )
    state_classes: ClassVar[tuple[tuple[type, int], ...]] = (
        (Details, 0),
        (OpenCall, 1),
        (OpenCalls, 1),
        (OpenChoice, 1),
        (ThinkTags, 0),
    )
    __slots__ = SNAPSHOT_FIELDS[len(ErrorTerminatedDialect.SNAPSHOT_FIELDS) :]

    def __init__(
        self, fold: Fold, report: ReportAnomaly, lifts: CallLifts, *, think_tags: bool = False
    ) -> None:
        super().__init__(fold, report, lifts, think_tags=think_tags)
        self.done = False
        self.sent_fields: JSON = {}
        """What was handed on of the chunks' own fields."""
        self.usage: JSON = {}
        self.usage_waits = False
        """Whether more of the usage is known than was reported."""
        self.choices: dict[int, OpenChoice] = {}
        self.audio: JSON = {}
        """What was told of spoken output beside its pieces."""
        self.late_fields: dict[int, JSON] = {}
        """Fields of items that became known too late for their announcement."""

    @property
    def calls(self) -> CallReader:
        """What reads tool calls. It refers to the dialect, so the dialect does not keep it."""
        return CallReader(self, self.late_fields)

    # ---------------------------------------------------------------------------------------- the parser

    def translate(self, payload: JSON, name: str) -> list[Emitted]:
        """The events of one payload. `name` is the SSE event name, "" where there is none."""
        self.begin_payload()
        kind = payload.get("type")
        if self.ended:
            if not isinstance(kind, str) or kind not in HEARTBEATS:
                self._after_end()
        elif isinstance(kind, str) and kind in HEARTBEATS:
            self.out.append(e.Heartbeat(kind))
        elif "choices" not in payload and (other := dialect_of(payload, name)) not in (None, self.name):
            self._wrong_dialect(payload, kind if isinstance(kind, str) else name, str(other))
        else:
            self._chunk(payload, name)
        return self.out

    def _after_end(self) -> None:
        self.report_once(AnomalyCode.EVENT_AFTER_END, None, "a chunk came after the end")

    def text_path(
        self, payload: JSON, event: Any
    ) -> tuple[tuple[str | int, ...], tuple[str, Callable[[str], bool]] | None] | None:
        """Where the text of an event stands in the payload that made it.

        Only if payloads that differ in nothing else make events that differ in nothing else; with what
        knows the texts of which that may be untrue, where there are any.
        """
        choices = payload.get("choices")
        if self.pending_surrogates or not isinstance(choices, list) or len(choices) != 1:
            return None
        delta = choices[0].get("delta")
        if not isinstance(delta, dict) or "message" in choices[0]:
            return None
        record = self.fold.items[event.output_index]
        choice = self.choices[record.choice_index or 0]
        if not empty(delta.get("role")) and choice.message is None:
            return None  # the last role that is sent is that of the message
        if sum(not empty(value) for key, value in delta.items() if key != "role") != 1:
            return None
        if isinstance(event, e.ArgumentsDelta):
            if self.lifts.declared:
                return None
            calls = delta.get("tool_calls")
            sent = calls[0] if isinstance(calls, list) and len(calls) == 1 else None
            if sent != {"index": integer(sent or {}, "index"), "function": {"arguments": event.text}}:
                return None
            call = choice.calls.of_item(event.output_index)
            self.begin_payload()  # what this payload said has been handed out, and is in the fold
            path = ("choices", 0, "delta", "tool_calls", 0, "function", "arguments")
            return path, (OPENING, partial(self.calls.may_repeat, call))
        if self.think_tags:
            return None
        names = ("content",) if isinstance(event, e.TextDelta) else REASONING
        spoken = [name for name in names if isinstance(delta.get(name), str)]
        if len(spoken) != 1 or delta[spoken[0]] != event.text:
            return None
        return ("choices", 0, "delta", spoken[0]), None

    def handle_done(self) -> list[Emitted]:
        """`[DONE]` came."""
        self.begin_payload()
        if not self.ended and (self.choices or self.failing is not None):
            self.done = True
            self._end(TRUNCATED)
        elif not self.ended:
            self.report_once(AnomalyCode.DONE_BEFORE_TERMINAL, None, "[DONE] came before anything else")
        return self.out

    def translate_body(self, payload: JSON) -> list[Emitted]:
        """A whole body that is one JSON object."""
        self.begin_payload()
        if self.ended:
            self._after_end()
        elif "choices" not in payload and (other := dialect_of(payload)) not in (None, self.name):
            self._wrong_dialect(payload, "a response", str(other))
        else:
            self._chunk(payload, "")
            self.done = bool(self.choices)
            bodies = objects(payload, "choices")
            if len(bodies) == len(self.choices):
                for sent, choice in zip(bodies, self.choices.values(), strict=True):
                    if sent.get("finish_reason") == "":
                        choice.sent_fields["finish_reason"] = ""
        return self.out

    def can_begin(self, payload: JSON, name: str) -> bool | None:
        """Whether a response may begin with a payload; None where that belongs to no response."""
        return True if payload.keys() & KNOWN_CHUNK or payload.get("object") == CHUNK else None

    # ------------------------------------------------------------------------------------------- a chunk

    def _chunk(self, payload: JSON, name: str) -> None:
        failed = is_error_payload(payload) or (name == "error" and "choices" not in payload)
        error = error_in(payload) if failed else None
        named = failed or payload.get("object") == CHUNK
        if not named and (not payload.keys() & KNOWN_CHUNK or is_strange(payload)):
            kind = payload.get("type")
            self.out.append(e.UnknownEvent(kind if isinstance(kind, str) else name, payload))
            return
        if not failed or payload.keys() & KNOWN_CHUNK:
            self._metadata(payload)
        choices = payload.get("choices")
        if isinstance(choices, list):
            for position, choice in enumerate(choices):
                if isinstance(choice, dict):
                    self._choice(choice, position)
                    if error is None:
                        error = choice_error(choice)
                else:
                    self.report_once(AnomalyCode.INVALID_FIELD, "choice", f"a choice is {choice!r:.40}")
        elif choices is not None:
            self.report_once(AnomalyCode.INVALID_FIELD, "choices", f"choices is {choices!r:.40}")
        groq = payload.get("x_groq")
        self._usage(groq.get("usage") if isinstance(groq, dict) else None)
        self._usage(payload.get("usage"))
        if failed or error is not None:
            self._error(payload, error)

    def _metadata(self, payload: JSON) -> None:
        """The chunk's own fields. An id names nothing: some servers give each chunk another one."""
        new: JSON = {}
        for key in KEEP_FIRST:
            value = payload.get(key)
            if not empty(value) and value != 0 and key not in self.sent_fields:
                new[key] = value
        for key, value in payload.items():
            if key not in OF_CHUNK and not empty(value) and self.sent_fields.get(key) != value:
                new[key] = value
        if self.started and not new:
            return
        self.sent_fields.update(new)
        data = {"created_at" if key == "created" else key: copied(value) for key, value in new.items()}
        if self.started:
            self.out.append(e.StatusChanged(None, data))
            return
        self.started = True
        self.announce({"object": "response", "status": "in_progress", **data})

    def _usage(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        more = merge_usage(self.usage, usage)
        if more is None:
            return
        # Each report tells all counts. What has more of them than any server counts is sent a few times, and
        # at the end.
        if has_more_members(self.usage, MOST_COUNTS):
            self.usage_waits = True
            self.hold_text(more)
        else:
            self.out.append(e.UsageReported(usage_from(copied(self.usage))))

    def _error(self, payload: JSON, sent: Any) -> None:
        """A payload tells of an error, which is `sent` where that stands under a name of its own."""
        error = error_from_payload(payload, sent)
        if self.failing is not None:
            self.report(AnomalyCode.ERROR_AFTER_FAILURE, "an error came after the response had failed")
            if error.kind is ErrorKind.UNKNOWN:
                return
        self.failing = error_field_of(payload, error)
        self.out.append(e.ErrorReported(error))

    def _wrong_dialect(self, payload: JSON, kind: str, dialect: str) -> None:
        what = kind[:60] or "a payload of another API"
        message = f"{what} came where Chat Completions were expected: use dialect={dialect!r}"
        self.refuse_dialect(payload, message)
        self.failing = {"code": "wrong_dialect", "message": message}
        self._end(TRUNCATED)

    # ------------------------------------------------------------------------------------------ a choice

    def _choice(self, sent: JSON, position: int) -> None:
        index = self.index(sent, "index", "the index of a choice")
        if index is None:
            number = number_in(sent.get("index"))
            index = self.check_index_limit(position if number is None else number)
        choice = self.choices.get(index)
        if choice is None:
            if len(self.choices) >= self.fold.limits.items:
                raise LimitExceeded("items", self.fold.limits.items)
            choice = self.choices[index] = OpenChoice(index)
        delta = sent.get("delta")
        logprobs = sent.get("logprobs")
        if isinstance(delta, dict):
            self._delta(choice, delta, logprobs if isinstance(logprobs, dict) else {})
        elif delta is not None:
            self.report_once(AnomalyCode.INVALID_FIELD, "delta", f"delta is {delta!r:.40}")
        message = sent.get("message")
        if isinstance(message, dict):
            self._message(choice, message)
        if isinstance(sent.get("text"), str) and delta is None and message is None:
            self._text(choice, sent["text"])
        self._rest_of_choice(choice, sent)
        self._usage(sent.get("usage"))

    def _rest_of_choice(self, choice: OpenChoice, sent: JSON) -> None:
        reason = self._finish_reason(choice, sent)
        new: JSON = {}
        for key, value in sent.items():
            if key not in OF_CHOICE and not empty(value) and choice.sent_fields.get(key) != value:
                new[key] = copied(value)
        logprobs = sent.get("logprobs")
        if isinstance(logprobs, dict):
            weighed = choice.seen_logprobs
            if weighed is None:
                weighed = choice.seen_logprobs = set()
            rest = {}
            for key, value in logprobs.items():
                if empty(value):
                    continue
                again = key in weighed and "message" in sent
                weighed.add(key)
                if not again and (key != "content" or not self._logprobs_go_with_text(sent)):
                    rest[key] = value
            if rest:
                new["logprobs"] = copied(rest)
        if reason is not None:
            choice.finish_reason = reason
        elif not new:
            return
        choice.sent_fields.update({key: value for key, value in new.items() if key != "logprobs"})
        self.out.append(e.ChoiceUpdated(choice.index, choice.finish_reason, new))

    def _finish_reason(self, choice: OpenChoice, sent: JSON) -> str | None:
        """The finish reason that a choice tells, if it is another one, and not a lesser one."""
        for name in NATIVE_REASONS:
            native = sent.get(name)
            if isinstance(native, str) and (found := stop_of(native)) is not None and found.weight:
                choice.native = native
        reason: Any = first(sent, *FINISH_REASONS)
        if reason is None and isinstance(details := sent.get("finish_details"), dict):
            reason = details.get("type")  # OpenAI, while vision was in preview
        if isinstance(reason, dict):  # SGLang's own endpoint, through gateways
            reason = reason.get("type")
        if not isinstance(reason, str):
            if reason is not None:
                self.report_once(
                    AnomalyCode.INVALID_FIELD, "finish_reason", f"finish_reason is {reason!r:.40}"
                )
            return None
        if reason == choice.finish_reason or (stop := stop_of(reason)) is None:
            return None
        if stop is OTHER:
            self.report_once(
                AnomalyCode.FINISH_REASON_UNKNOWN, choice.index, f"finish_reason is {reason[:60]!r}"
            )
        before = None if choice.finish_reason is None else stop_of(choice.finish_reason)
        return None if before is not None and before.weight > stop.weight else reason

    @staticmethod
    def _logprobs_go_with_text(sent: JSON) -> bool:
        """Whether the log probabilities went with a text."""
        delta = sent.get("delta")
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
        elif content is not None:
            for kind, piece in self._content(choice, content):
                if kind == "text":
                    self._text(choice, piece)
                elif kind is not None:
                    self._fragment(choice, kind, piece)
                else:
                    self._other_part(choice, piece)
        refusal = delta.get("refusal")
        if isinstance(refusal, str):
            self._fragment(choice, "refusal", refusal)
        elif refusal is not None:
            self.report_once(AnomalyCode.INVALID_FIELD, "refusal", f"refusal is {refusal!r:.40}")
        self._calls(choice, delta.get("tool_calls"))
        legacy = delta.get("function_call")
        if isinstance(legacy, dict) and any(legacy.values()):
            self.calls.read_legacy(choice.calls, legacy)
        self._annotations(choice, delta.get("annotations"))
        self._images(choice, delta.get("images"))
        if delta.keys() - OF_DELTA:
            self._rest_of_message(choice, delta)

    def _rest_of_message(self, choice: OpenChoice, sent: JSON, *, spoken: bool = False) -> None:
        """Fields that are none of ours belong to the message. `spoken`: audio is not sent again."""
        fields: JSON = {}
        for key, value in sent.items():
            if key in OF_DELTA or empty(value):
                continue
            if key == "audio" and isinstance(value, dict):
                self._audio(choice, value, spoken)
                continue
            if key in SIGNATURES and isinstance(value, str):
                self._signature(choice, value)
            fields[key] = value
        new = merge_fields(choice.fields, fields)
        if new:
            self.out.append(e.ChoiceUpdated(choice.index, choice.finish_reason, {"message": new}))

    def _audio(self, choice: OpenChoice, audio: JSON, spoken: bool) -> None:
        """Hands out the pieces of spoken output, and what else is told of it."""
        key = (-1 - choice.index, TRANSCRIPT)
        if not spoken and isinstance(audio.get("data"), str) and audio["data"]:
            self.out.append(e.AudioDelta(audio["data"]))
        if not spoken and isinstance(audio.get("transcript"), str):
            text = join_halves(self.pending_surrogates, key, audio["transcript"], self.report)
            if text:
                self.out.append(e.TranscriptDelta(text))
        news = False
        for name, value in audio.items():
            if name not in AUDIO_FRAGMENTS and not empty(value) and self.audio.get(name) != value:
                if has_more_members(self.audio, MOST_COUNTS):
                    self.hold_text(len(name) + weight(value) - weight(self.audio.get(name)))
                self.audio[name] = copied(value)
                news = True
        if news and not has_more_members(self.audio, MOST_COUNTS):
            self.out.append(e.StatusChanged(None, {"audio": copied(self.audio)}))

    # ---------------------------------------------------------------------------- text, refusal, reasoning

    def _text(self, choice: OpenChoice, text: str, logprobs: Any = None) -> None:
        sent = logprobs if isinstance(logprobs, list) else ()
        if not self.think_tags:
            self._fragment(choice, "text", text, sent)
            return
        tags = choice.open_tags
        if tags is None:
            tags = choice.open_tags = ThinkTags()
        for kind, piece in tags.feed(text):
            self._fragment(choice, kind, piece, sent if piece == text else ())

    def _fragment(self, choice: OpenChoice, kind: e.ValueKind, text: str, logprobs: Any = ()) -> None:
        if text:
            index, key = self._place(choice, kind)
            self.emit_text(index, kind, key, text, logprobs)

    def _place(self, choice: OpenChoice, kind: e.ValueKind) -> tuple[int, ValuePath]:
        """Where a text stands; its item and part begin with it."""
        if kind == "reasoning":
            reasoning = choice.reasoning
            if reasoning is None:
                sent: JSON = {"type": "reasoning", "summary": [], "content": []}
                reasoning = choice.reasoning = self.begin_item(
                    sent, choice_index=choice.index, member=choice.reasoning_field or choice.named
                )
                self.begin_part(reasoning, "content", 0, {"type": "reasoning_text", "text": ""})
            return reasoning, REASONING_KEY
        message = choice.message
        if message is None:
            sent = {"type": "message", "role": choice.role, "status": "in_progress", "content": []}
            message = choice.message = self.begin_item(sent, choice_index=choice.index)
        at = choice.parts.get(kind)
        if at is None:
            part: JSON = {"type": "refusal", "refusal": ""}
            if kind == "text":
                part = {"type": "output_text", "text": "", "annotations": []}
            at = choice.parts[kind] = self._add_part(choice, message, part)
        return message, ("content", at, kind)

    def _add_part(self, choice: OpenChoice, message: int, part: JSON) -> int:
        at = choice.next_part
        self.begin_part(message, "content", at, part)
        choice.next_part = at + 1
        return at

    def _other_part(self, choice: OpenChoice, part: JSON) -> None:
        message = choice.message
        if message is None:
            message, _ = self._place(choice, "text")
        self._add_part(choice, message, copied(part))

    def _reasoning(self, choice: OpenChoice, sent: JSON) -> list[str]:
        """The pieces of reasoning in a delta or message."""
        texts: list[str] = []
        for key in REASONING:
            value = sent.get(key)
            if value is None or value == "":
                continue
            text = value if isinstance(value, str) else reasoning_text(value, 0)
            if text:
                if text not in texts:
                    # vLLM was renaming the field and sent both.
                    texts.append(text)
                    if choice.reasoning_field is None:
                        choice.reasoning_field = key
            elif not empty(value):
                self.report_once(AnomalyCode.INVALID_FIELD, key, f"{key} is {value!r:.40}")
        details = objects(sent, "reasoning_details")
        if details:
            limits = self.fold.limits
            kept = choice.reasoning_details
            if kept is None:
                kept = choice.reasoning_details = Details()
            for detail in details:
                self.hold_text(kept.add(detail))
                if len(kept.entries) > limits.parts:
                    raise LimitExceeded("parts", limits.parts)
            if choice.reasoning_field is None and choice.named is None:
                choice.named = next((name for name in REASONING if name in sent), None)
            self._place(choice, "reasoning")
        if not texts and not isinstance(sent.get("reasoning"), str):
            for detail in details:
                piece = detail.get("text") or detail.get("summary")
                if isinstance(piece, str):
                    texts.append(piece)
        if not texts and not isinstance(sent.get("reasoning"), str):
            # LiteLLM passes Anthropic's blocks on, beside their text.
            for block in objects(sent, "thinking_blocks"):
                piece = block.get("thinking")
                if isinstance(piece, str) and piece:
                    texts.append(piece)
        for block in objects(sent, "thinking_blocks"):
            self._signature(choice, first(block, "signature", "data"))
        return texts

    def _signature(self, choice: OpenChoice, signature: Any) -> None:
        """What proves the reasoning, or holds all of it encrypted. A later one replaces."""
        if isinstance(signature, str) and signature:
            index, _ = self._place(choice, "reasoning")
            late = self.late_fields.get(index)
            if late is None:
                late = self.late_fields[index] = {}
            late["encrypted_content"] = signature

    def _content(self, choice: OpenChoice, content: Any) -> list[tuple[e.ValueKind | None, Any]]:
        """Content that is no text: Mistral's and others' in parts, or another JSON value.

        Gives texts with their kind, and other parts.
        """
        if isinstance(content, dict):
            if "type" not in content and text_in(content) is None:
                self._no_text(content)
                return [("text", json_text_of(content))]
            content = [content]
        elif not isinstance(content, list):
            self._no_text(content)
            return [("text", json_text_of(content))]
        pieces: list[tuple[e.ValueKind | None, Any]] = []
        for part in content:
            if isinstance(part, dict):
                self._content_part(choice, part, pieces)
            elif part is not None:
                self._no_text(part)
                pieces.append(("text", part if isinstance(part, str) else json_text_of(part)))
        return pieces

    def _no_text(self, content: Any) -> None:
        self.report_once(AnomalyCode.CONTENT_NOT_TEXT, None, f"the content is {content!r:.40}")

    def _content_part(
        self, choice: OpenChoice, part: JSON, pieces: list[tuple[e.ValueKind | None, Any]]
    ) -> None:
        kind = part.get("type")
        text = text_in(part)
        thought = part.get("thinking")
        if (isinstance(kind, str) and kind in REASONING_PARTS) or (text is None and thought is not None):
            found = reasoning_text(part, 0)
            if found:
                pieces.append(("reasoning", found))
            signed = first(part, *SIGNATURES) if found else first(part, *SIGNATURES, "data")
            self._signature(choice, signed)
            if not found and signed is None:
                pieces.append((None, part))
        elif kind == "refusal" and isinstance(part.get("refusal"), str):
            pieces.append(("refusal", part["refusal"]))
        elif text is not None:
            pieces.append(("text", text))
            self._annotations(choice, part.get("annotations"))
        elif part:
            pieces.append((None, part))

    def _annotations(self, choice: OpenChoice, annotations: Any) -> None:
        """Citations. Some servers tell all of them again with each chunk, or at the end."""
        found = [a for a in annotations if isinstance(a, dict)] if isinstance(annotations, list) else []
        cited = choice.cited
        if found and cited is None:
            cited = choice.cited = set()
        for annotation in found:
            said = json_text_of(annotation)
            if cited is None or said in cited:
                continue
            cited.add(said)
            index, key = self._place(choice, "text")
            at = self.check_index_limit(choice.annotations)
            self.out.append(e.AnnotationAdded(index, int(key[1]), at, annotation))
            choice.annotations += 1

    def _images(self, choice: OpenChoice, images: Any) -> None:
        """Images become parts of the message."""
        if images is None:
            return
        for image in (
            [images] if isinstance(images, dict) else images if isinstance(images, list) else [images]
        ):
            if not isinstance(image, dict):
                self.report_once(AnomalyCode.INVALID_FIELD, "images", f"an image is {image!r:.40}")
                continue
            index = integer(image, "index")
            if index is not None:
                known = choice.images
                if known is None:
                    known = choice.images = {}
                if known.get(index) == image:
                    continue
                known[index] = image
            self._other_part(choice, image)

    # ------------------------------------------------------------------------------------------ tool calls

    def _calls(self, choice: OpenChoice, calls: Any) -> None:
        if isinstance(calls, dict):
            calls = [calls]
        if calls is not None and not isinstance(calls, list):
            self.report_once(AnomalyCode.INVALID_FIELD, "tool_calls", f"tool_calls is {calls!r:.40}")
            return
        reader = self.calls
        for sent in calls or ():
            if isinstance(sent, dict):
                reader.read(choice.calls, sent)
            else:
                self.report_once(AnomalyCode.INVALID_FIELD, "tool call", f"a tool call is {sent!r:.40}")

    # ------------------------------------------------------------------------------------ whole messages

    def _message(self, choice: OpenChoice, message: JSON) -> None:
        """`message` in place of `delta` tells the choice whole: what had come is not sent again."""
        role = message.get("role")
        if isinstance(role, str) and role and choice.message is None:
            choice.role = role
        if message.get("reasoning_details"):
            choice.reasoning_details = None
        had_parts = choice.next_part > len(choice.parts)
        reasoning = "".join(self._reasoning(choice, message))
        content, refusal, others = message.get("content"), message.get("refusal"), []
        if content is not None and not isinstance(content, str):
            pieces = self._content(choice, content)
            reasoning += "".join(piece for kind, piece in pieces if kind == "reasoning")
            refused = "".join(piece for kind, piece in pieces if kind == "refusal")
            refusal = refused or refusal
            others = [piece for kind, piece in pieces if kind is None]
            content = "".join(piece for kind, piece in pieces if kind == "text")
        self._emit_whole_text(choice, "reasoning", reasoning)
        if isinstance(content, str):
            self._tell_content(choice, content)
        if not had_parts:
            for part in others:
                self._other_part(choice, part)
            self._images(choice, message.get("images"))
        if isinstance(refusal, str):
            self._emit_whole_text(choice, "refusal", refusal)
        calls = message.get("tool_calls")
        for position, sent in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(sent, dict):
                self.calls.tell(choice.calls, position, sent)
        legacy = message.get("function_call")
        if isinstance(legacy, dict) and any(legacy.values()):
            self.calls.tell_legacy(choice.calls, legacy)
        self._annotations(choice, message.get("annotations"))
        self._rest_of_message(choice, message, spoken=bool(self.fold.audio))

    def _emit_whole_text(self, choice: OpenChoice, kind: e.ValueKind, text: str) -> None:
        if text:
            index, key = self._place(choice, kind)
            self.tell_value(index, kind, key, text, whole=False)

    def _tell_content(self, choice: OpenChoice, content: str) -> None:
        if not self.think_tags:
            self._emit_whole_text(choice, "text", content)
            return
        tags = ThinkTags()
        pieces = [*tags.feed(content), *tags.close()]
        choice.open_tags = None
        for kind in THINK_KINDS:
            self._emit_whole_text(choice, kind, "".join(piece for found, piece in pieces if found == kind))

    # ------------------------------------------------------------------------------------------- the end

    def _end(self, outcome: Outcome) -> None:
        """Nothing more will come, or `[DONE]` came."""
        outcome, reason = self._outcome(outcome)
        for choice in self.choices.values():
            self._end_choice(choice, outcome)
        if self.usage_waits:
            self.usage_waits = False
            self.out.append(e.UsageReported(usage_from(copied(self.usage))))
        if has_more_members(self.audio, MOST_COUNTS):
            self.out.append(e.StatusChanged(None, {"audio": copied(self.audio)}))
        data: JSON = {}
        if outcome is not TRUNCATED:
            data["status"] = str(outcome)
        if outcome is INCOMPLETE and reason is not None:
            data["incomplete_details"] = {"reason": reason}
        if self.failing is not None:
            data["error"] = self.failing
        self.ended = True
        word = self.choices[min(self.choices)].finish_reason if self.choices else None
        stop = None if word is None else stop_of(word)
        self.out.append(PendingFinish(outcome, data, None, word if stop is None else stop.reason or word))

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

    def _end_choice(self, choice: OpenChoice, outcome: Outcome) -> None:
        """What was cut off is the last thing that began; all before it is whole."""
        calls = self.calls
        legacy = calls.end(choice.calls, cancelled=outcome is CANCELLED)
        if choice.reasoning is not None and choice.reasoning_details is not None:
            details = choice.reasoning_details.joined()
            self.late_fields.setdefault(choice.reasoning, {})["reasoning_details"] = details
        for kind, piece in () if choice.open_tags is None else choice.open_tags.close():
            self._fragment(choice, kind, piece)
        more: JSON = {"finish_reason": ""} if choice.sent_fields.get("finish_reason") == "" else {}
        field = choice.reasoning_field
        if more or field is not None or legacy is not None or choice.finish_reason is None:
            self.out.append(e.ChoiceUpdated(choice.index, choice.finish_reason, more, field, legacy))
        if self.pending_surrogates.pop((-1 - choice.index, TRANSCRIPT), None) is not None:
            self.report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a transcript")
            self.out.append(e.TranscriptDelta("\ufffd"))
        called = {call.index: call for call in choice.calls.calls if call.index is not None}
        started = [index for index in (choice.reasoning, choice.message) if index is not None]
        started += called
        started.sort()
        status = ITEM_STATUS_AT_END[outcome]
        stop = None if choice.finish_reason is None else stop_of(choice.finish_reason)
        cut = stop is not None and stop.outcome is INCOMPLETE
        for index in started:
            call = called.get(index)
            if call is not None:
                calls.flush(call)
            if status is not None:
                status = "incomplete" if cut and index == started[len(started) - 1] else "completed"
            self.finish_item(index, status, self.late_fields.get(index))


AUDIO_FRAGMENTS: Final = ("data", "transcript")
TRANSCRIPT: Final[ValuePath] = ("transcript",)
REASONING_KEY: Final[ValuePath] = ("content", 0, "text")
THINK_KINDS: Final[tuple[e.ValueKind, e.ValueKind]] = ("reasoning", "text")
DEEPEST_REASONING: Final = 3
"""How deep the texts of reasoning stand in objects and lists."""
MOST_COUNTS: Final = 64
"""Members of a usage, or of audio, that is reported as often as it changes. Servers have about twenty."""


def text_in(part: JSON) -> str | None:
    """The text of a part."""
    text = part.get("text")
    if isinstance(text, dict):
        text = text.get("value")
    return text if isinstance(text, str) else None


def reasoning_text(value: Any, depth: int) -> str:
    """The reasoning in an object or a list: its texts, joined."""
    if isinstance(value, str):
        return value
    if depth >= DEEPEST_REASONING:
        return ""
    if isinstance(value, list):
        return "".join([reasoning_text(entry, depth + 1) for entry in value])
    if isinstance(value, dict):
        for name in TEXTS:
            found = value.get(name)
            text = "" if found is None else reasoning_text(found, depth + 1)
            if text:
                return text
    return ""


def json_text_of(value: Any) -> str:
    """A JSON value as text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def choice_error(sent: JSON) -> Any:
    """The error that stands inside a choice, its delta or message; None where there is none."""
    for where in (sent, sent.get("delta"), sent.get("message")):
        if isinstance(where, dict):
            found = where.get("error")
            if found and says_error(found):
                return found
            message = where.get("error_message")
            if isinstance(message, str) and message:
                return {"message": message, "code": where.get("error_code")}
    return None


DIALECT: Final = ChatDialect
"""What the registry finds here."""
