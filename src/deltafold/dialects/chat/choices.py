"""A choice: its delta, or its message whole, and what the server says of it beside that.

Reasoning, message and each tool call of a choice become items. Members of a delta that no other file reads
belong to the message, and are handed out as they come.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from deltafold.dialects.base import Dialect
from deltafold.dialects.chat.audio import SpokenOutput, end_transcript
from deltafold.dialects.chat.call_arguments import emit_held
from deltafold.dialects.chat.calls import (
    end_calls,
    read_calls,
    read_legacy_call,
    read_whole_calls,
    read_whole_legacy_call,
)
from deltafold.dialects.chat.content import Pieces, content_pieces, read_annotations, read_images
from deltafold.dialects.chat.ending import new_finish_reason
from deltafold.dialects.chat.reasoning import end_reasoning, read_reasoning, read_signature
from deltafold.dialects.chat.state import OpenChoice
from deltafold.dialects.chat.table import OF_CHOICE, OF_DELTA, SIGNATURES, stop_of
from deltafold.dialects.chat.texts import (
    add_other_part,
    emit_fragment,
    emit_whole_text,
    end_think_tags,
    read_text,
    read_whole_text,
)
from deltafold.dialects.emitter import Emitter
from deltafold.machine import make
from deltafold.machine.lifecycle import CANCELLED, INCOMPLETE, ITEM_STATUS_AT_END
from deltafold.machine.records import empty
from deltafold.model import events as e
from deltafold.model.json_values import copied
from deltafold.model.response import Outcome

__all__ = ["end_choice", "read_choice"]

JSON: TypeAlias = dict[str, Any]


def read_choice(dialect: Dialect, audio: SpokenOutput, choice: OpenChoice, sent: JSON) -> None:
    """What a chunk brings of a choice."""
    delta = sent.get("delta")
    logprobs = sent.get("logprobs")
    if isinstance(delta, dict):
        read_delta(dialect, audio, choice, delta, logprobs if isinstance(logprobs, dict) else {})
    elif delta is not None:
        dialect.report_invalid("delta", delta)
    message = sent.get("message")
    if isinstance(message, dict):
        read_message(dialect, audio, choice, message)
    if isinstance(sent.get("text"), str) and delta is None and message is None:
        read_text(dialect, choice, sent["text"])
    read_members(dialect, choice, sent)


# -------------------------------------------------------------------------------------------- delta, message


def read_role(choice: OpenChoice, sent: JSON) -> None:
    """The last role that is sent before the message begins is that of the message."""
    role = sent.get("role")
    if isinstance(role, str) and role and choice.message is None:
        choice.role = role


def read_delta(
    dialect: Dialect, audio: SpokenOutput, choice: OpenChoice, delta: JSON, logprobs: JSON
) -> None:
    """`delta`: fragments of a message."""
    read_role(choice, delta)
    for text in read_reasoning(dialect, choice, delta):
        emit_fragment(dialect, choice, "reasoning", text)
    content = delta.get("content")
    if isinstance(content, str):
        read_text(dialect, choice, content, logprobs.get("content"))
    elif content is not None:
        for kind, piece in content_pieces(dialect, choice, content):
            if kind == "text":
                read_text(dialect, choice, piece)
            elif kind is not None:
                emit_fragment(dialect, choice, kind, piece)
            else:
                add_other_part(dialect, choice, piece)
    refusal = delta.get("refusal")
    if isinstance(refusal, str):
        emit_fragment(dialect, choice, "refusal", refusal)
    elif refusal is not None:
        dialect.report_invalid("refusal", refusal)
    read_calls(dialect, choice.calls, delta.get("tool_calls"))
    legacy = delta.get("function_call")
    if isinstance(legacy, dict) and any(legacy.values()):
        read_legacy_call(dialect, choice.calls, legacy)
    read_annotations(dialect, choice, delta.get("annotations"))
    read_images(dialect, choice, delta.get("images"))
    if not OF_DELTA.issuperset(delta):
        read_other_fields(dialect, audio, choice, delta)


def read_message(dialect: Dialect, audio: SpokenOutput, choice: OpenChoice, message: JSON) -> None:
    """`message` in place of `delta` is the choice whole: what had come is not sent again."""
    read_role(choice, message)
    if message.get("reasoning_details"):
        choice.reasoning_details = None
    had_parts = choice.next_part > len(choice.parts)
    reasoning = "".join(read_reasoning(dialect, choice, message))
    content, refusal = message.get("content"), message.get("refusal")
    pieces: Pieces = []
    if content is not None and not isinstance(content, str):
        pieces = content_pieces(dialect, choice, content)
        reasoning += text_of("reasoning", pieces)
        refusal = text_of("refusal", pieces) or refusal
        content = text_of("text", pieces)
    emit_whole_text(dialect, choice, "reasoning", reasoning)
    if isinstance(content, str):
        read_whole_text(dialect, choice, content)
    if not had_parts:
        for kind, part in pieces:
            if kind is None:
                add_other_part(dialect, choice, part)
        read_images(dialect, choice, message.get("images"))
    if isinstance(refusal, str):
        emit_whole_text(dialect, choice, "refusal", refusal)
    read_whole_calls(dialect, choice.calls, message.get("tool_calls"))
    legacy = message.get("function_call")
    if isinstance(legacy, dict) and any(legacy.values()):
        read_whole_legacy_call(dialect, choice.calls, legacy)
    read_annotations(dialect, choice, message.get("annotations"))
    read_other_fields(dialect, audio, choice, message, spoken=bool(dialect.fold.audio))


def text_of(kind: e.ValueKind, pieces: Pieces) -> str:
    """The texts of a kind, joined."""
    return "".join([piece for found, piece in pieces if found == kind])


def read_other_fields(
    emitter: Emitter, audio: SpokenOutput, choice: OpenChoice, sent: JSON, *, spoken: bool = False
) -> None:
    """Fields that are none of ours belong to the message. `spoken`: audio is not sent again."""
    fields: JSON = {}
    for key, value in sent.items():
        if key in OF_DELTA or empty(value):
            continue
        if key == "audio" and isinstance(value, dict):
            audio.read(emitter, choice.index, value, again=spoken)
            continue
        if key in SIGNATURES and isinstance(value, str):
            read_signature(emitter, choice, value)
        fields[key] = value
    new = merge_fields(choice.fields, fields)
    if new:
        emitter.out.append(make.choice_updated(choice.index, choice.finish_reason, {"message": new}))


def merge_fields(known: JSON, sent: JSON) -> JSON:
    """Lays fields that this library does not model over those known: the last wins, member by member.

    Gives what is new of them.
    """
    news: JSON = {}
    for key, value in sent.items():
        before = known.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            inner = merge_fields(before, value)
            if inner:
                news[key] = inner
        elif key not in known or before != value:
            known[key] = copied(value)
            news[key] = copied(value)
    return news


# --------------------------------------------------------------------------------------------- beside them


def read_members(emitter: Emitter, choice: OpenChoice, sent: JSON) -> None:
    """What is said of a choice beside its delta: its finish reason, logprobs, and what is not known."""
    reason = new_finish_reason(emitter, choice, sent)
    new: JSON = {}
    for key, value in sent.items():
        if key not in OF_CHOICE and not empty(value) and choice.sent_fields.get(key) != value:
            new[key] = copied(value)
    logprobs = sent.get("logprobs")
    rest = new_logprobs(choice, sent, logprobs) if isinstance(logprobs, dict) else None
    if rest:
        new["logprobs"] = copied(rest)
    if reason is not None:
        choice.finish_reason = reason
    elif not new:
        return
    choice.sent_fields.update({key: value for key, value in new.items() if key != "logprobs"})
    emitter.out.append(make.choice_updated(choice.index, choice.finish_reason, new))


def new_logprobs(choice: OpenChoice, sent: JSON, logprobs: JSON) -> JSON:
    """The log probabilities that went with no text, and that no message repeats."""
    seen = choice.seen_logprobs
    if seen is None:
        seen = choice.seen_logprobs = set()
    rest: JSON = {}
    for key, value in logprobs.items():
        if empty(value):
            continue
        again = key in seen and "message" in sent
        seen.add(key)
        if not again and (key != "content" or not has_text(sent)):
            rest[key] = value
    return rest


def has_text(sent: JSON) -> bool:
    """Whether a choice has a delta with text, with which its log probabilities went."""
    delta = sent.get("delta")
    return isinstance(delta, dict) and isinstance(delta.get("content"), str) and delta["content"] != ""


# --------------------------------------------------------------------------------------------------- its end


def end_choice(emitter: Emitter, choice: OpenChoice, outcome: Outcome) -> None:
    """What was cut off is the last thing that began; all before it is whole."""
    legacy = end_calls(emitter, choice.calls, cancelled=outcome is CANCELLED)
    end_reasoning(choice)
    end_think_tags(emitter, choice)
    more: JSON = {"finish_reason": ""} if choice.sent_fields.get("finish_reason") == "" else {}
    field = choice.reasoning_field
    if more or field is not None or legacy is not None or choice.finish_reason is None:
        emitter.out.append(make.choice_updated(choice.index, choice.finish_reason, more, field, legacy))
    end_transcript(emitter, choice.index)
    called = {call.index: call for call in choice.calls.calls if call.index is not None}
    started = [index for index in (choice.reasoning, choice.message) if index is not None]
    started += called
    started.sort()
    status = ITEM_STATUS_AT_END[outcome]
    stop = None if choice.finish_reason is None else stop_of(choice.finish_reason)
    cut = stop is not None and stop.outcome is INCOMPLETE
    for index in started:
        call = called.get(index)
        is_whole = call is None or emit_held(emitter, call)
        if status is not None:
            last = index == started[len(started) - 1]
            status = "completed" if is_whole and not (cut and last) else "incomplete"
        late = choice.late_reasoning if index == choice.reasoning else choice.calls.late.get(index)
        emitter.finish_item(index, status, late)
