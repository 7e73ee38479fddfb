"""Chat Completions, in the accents of OpenAI, Azure, DeepSeek, Mistral, Groq, OpenRouter, Gemini's compatible
endpoint, Ollama, vLLM, llama.cpp and LM Studio.

The wire has chunks with choices; what comes out are the events of the Responses API. Reasoning, message and
each tool call of a choice become items, numbered in the order of their appearance. The end is held open until
`[DONE]` or the end of the transport: usage, arguments and a second finish reason may follow the first.

This file reads a chunk. Each choice is read in `choices`: its texts in `texts`, `reasoning` and `content`,
its tool calls in `calls` and `call_arguments`. Counts are read in `usage`, spoken output in `audio`, and
`ending` decides how the response ended.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.diagnosis.error_payloads import error_from_payload, error_in, is_error_payload, says_error
from deltafold.dialects.base import ErrorTerminatedDialect
from deltafold.dialects.chat.audio import SpokenOutput
from deltafold.dialects.chat.call_arguments import OPENING, may_repeat
from deltafold.dialects.chat.choices import end_choice, read_choice
from deltafold.dialects.chat.ending import outcome_of
from deltafold.dialects.chat.reasoning_details import Details
from deltafold.dialects.chat.state import OpenCall, OpenCalls, OpenChoice
from deltafold.dialects.chat.table import (
    CHUNK,
    HEARTBEATS,
    KEEP_FIRST,
    KNOWN_CHUNK,
    OF_CHOICE,
    OF_CHUNK,
    REASONING,
    TEXTS,
    stop_of,
)
from deltafold.dialects.chat.think_tags import ThinkTags
from deltafold.dialects.chat.usage import MergedUsage
from deltafold.dialects.claims import dialect_of, is_strange
from deltafold.machine import make
from deltafold.machine.fold import Emitted, Fold
from deltafold.machine.lifecycle import TRUNCATED
from deltafold.machine.records import empty
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import LimitExceeded
from deltafold.model.json_values import copied, integer, objects
from deltafold.model.response import Outcome
from deltafold.wire.json_text import Paths, ReportAnomaly

__all__ = ["ChatDialect"]

JSON: TypeAlias = dict[str, Any]


ERROR_NAMES: Final = frozenset({"error", "error_message"})
"""Under which an error stands inside a choice."""


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
        "choices",
        "audio",
    )
    state_classes: ClassVar[tuple[tuple[type, int], ...]] = (
        (Details, 0),
        (MergedUsage, 0),
        (OpenCall, 4),
        (OpenCalls, 1),
        (OpenChoice, 1),
        (SpokenOutput, 0),
        (ThinkTags, 0),
    )
    __slots__ = SNAPSHOT_FIELDS[len(ErrorTerminatedDialect.SNAPSHOT_FIELDS) :]

    def __init__(self, fold: Fold, report: ReportAnomaly, lifts: CallLifts) -> None:
        super().__init__(fold, report, lifts)
        self.done = False
        self.sent_fields: JSON = {}
        """What was handed on of the chunks' own fields."""
        self.usage = MergedUsage()
        self.choices: dict[int, OpenChoice] = {}
        self.audio = SpokenOutput()

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
            return path, (OPENING, partial(may_repeat, self, call))
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
        if isinstance(choices, dict) and not OF_CHOICE.isdisjoint(choices):
            self.report_invalid("choices", choices)
            choices = [choices]
        if isinstance(choices, list):
            for position, sent in enumerate(choices):
                if isinstance(sent, dict):
                    read_choice(self, self.audio, self._choice(sent, position), sent)
                    self.usage.read(self, sent.get("usage"))
                    if error is None:
                        error = choice_error(sent)
                else:
                    self.report_invalid("a choice", sent)
        elif choices is not None:
            self.report_invalid("choices", choices)
        groq = payload.get("x_groq")
        self.usage.read(self, groq.get("usage") if isinstance(groq, dict) else None)
        self.usage.read(self, payload.get("usage"))
        if failed or error is not None:
            self._error(payload, error)

    def _choice(self, sent: JSON, position: int) -> OpenChoice:
        """The choice that is sent at a position of the list."""
        index = self.index(sent, "index", "the index of a choice")
        if index is None:
            index = self.check_index_limit(position)
        choice = self.choices.get(index)
        if choice is None:
            if len(self.choices) >= self.fold.limits.items:
                raise LimitExceeded("items", self.fold.limits.items)
            choice = self.choices[index] = OpenChoice(index)
        return choice

    def _metadata(self, payload: JSON) -> None:
        """The chunk's own fields. An id names nothing: some servers give each chunk another one."""
        new: JSON = {}
        sent = self.sent_fields
        for key in KEEP_FIRST:
            if key not in sent and key in payload:
                value = payload[key]
                if not empty(value) and value != 0:
                    new[key] = value
        for key, value in payload.items():
            if key not in OF_CHUNK and not empty(value) and sent.get(key) != value:
                new[key] = value
        if self.started and not new:
            return
        sent.update(new)
        data = {"created_at" if key == "created" else key: copied(value) for key, value in new.items()}
        if self.started:
            self.out.append(make.status_changed(None, data))
            return
        self.begin_response({"object": "response", "status": "in_progress", **data})

    # ------------------------------------------------------------------------------------------- the end

    def _error(self, payload: JSON, sent: Any) -> None:
        """A payload has an error, which is `sent` where that stands under a name of its own."""
        error = error_from_payload(payload, sent)
        if self.failing is not None:
            self.report(AnomalyCode.ERROR_AFTER_FAILURE, "an error came after the response had failed")
            if not self.is_fuller(error):
                return
        self.fail(payload, error)

    def _wrong_dialect(self, payload: JSON, kind: str, dialect: str) -> None:
        what = kind[:60] or "a payload of another API"
        message = f"{what} came where Chat Completions were expected: use dialect={dialect!r}"
        self.refuse_dialect(payload, message)
        self._end(TRUNCATED)

    def _end(self, outcome: Outcome) -> None:
        """Nothing more will come, or `[DONE]` came."""
        outcome, decided = outcome_of(self, self.choices, outcome, done=self.done)
        for choice in self.choices.values():
            end_choice(self, choice, outcome)
        self.usage.end(self)
        self.audio.end(self)
        self.ended = True
        word = self.choices[min(self.choices)].gravest_word() if self.choices else None
        stop = None if word is None else stop_of(word)
        reason = word if stop is None else stop.reason or word
        self.out.append(self.ending(outcome, decided, reason))


def choice_error(sent: JSON) -> Any:
    """The error that stands inside a choice, its delta or message; None where there is none."""
    for where in (sent, sent.get("delta"), sent.get("message")):
        if isinstance(where, dict) and not ERROR_NAMES.isdisjoint(where):
            found = where.get("error")
            if found and says_error(found):
                return found
            message = where.get("error_message")
            if isinstance(message, str) and message:
                return {"message": message, "code": where.get("error_code")}
    return None


DIALECT: Final = ChatDialect
"""What the registry finds here."""
