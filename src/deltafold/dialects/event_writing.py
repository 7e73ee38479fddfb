"""Takes an event to a writer: checks that the life cycles allow it, keeps what it tells, and has it written.

A call whose name may still grow is held until something else comes. What was lifted out of arguments is
written, if asked for, as events of an item that no wire sent, with an index below 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from deltafold.dialects.hot_delta import HOT
from deltafold.dialects.made_items import message, reasoning, text_part, thought_part
from deltafold.dialects.writing import Writer
from deltafold.dialects.written_items import MISPLACED, WrittenItem, WrittenPart, can_have, part_key
from deltafold.machine.build import NO_ARGUMENTS
from deltafold.machine.lifecycle import (
    COMPLETED,
    FAILED,
    INCOMPLETE,
    ITEM_ABSENT,
    ITEM_DONE,
    ITEM_OPEN,
    ITEM_TRANSITIONS,
    PART_ABSENT,
    PART_TRANSITIONS,
    RESPONSE_TRANSITIONS,
    PartState,
    ResponseState,
)
from deltafold.model import events as e
from deltafold.model.errors import ErrorKind, ResponseError, UsageError
from deltafold.model.frozen import evolve
from deltafold.model.items import CustomToolCall, FunctionCall, Item, OtherItem, is_whole
from deltafold.model.losses import LossCode

__all__ = ["begin_text", "take", "write_event"]

# The kinds of events that are asked for by themselves.
STARTED: Final = e.ResponseStarted
FINISHED: Final = e.ResponseFinished
ITEM_UPDATED: Final = e.ItemUpdated
ITEM_FINISHED: Final = e.ItemFinished
LIFTED: Final = e.LiftedDelta
ITEM_EVENTS: Final = frozenset(
    kind
    for kinds in (ITEM_TRANSITIONS[ITEM_ABSENT], ITEM_TRANSITIONS[ITEM_OPEN], ITEM_TRANSITIONS[ITEM_DONE])
    for kind in kinds
)


def write_event(writer: Writer, event: Any) -> list[str]:
    """The frames of one event. Raises `UsageError` where no life cycle allows it."""
    writer.out = []
    kind = type(event)
    if writer.hot and kind not in HOT:
        writer.hot.clear()
    if kind in ITEM_EVENTS and event.output_index < 0:
        raise UsageError(f"output_index is {event.output_index}")
    if kind is LIFTED and writer.options.lifted and writer.state in RESPONSE_TRANSITIONS:
        write_lifted(writer, event)
    else:
        take(writer, event)
        if writer.lifts and kind is ITEM_FINISHED:
            end_lifted(writer, event.output_index)
    return writer.out


def take(writer: Writer, event: Any) -> None:
    """Writes an event of the stream, or one that was made for the wire."""
    kind = type(event)
    row = RESPONSE_TRANSITIONS[writer.state]
    after = row.get(kind)
    if after is None:
        known = (
            kind.__name__
            if kind in RESPONSE_TRANSITIONS[ResponseState.IN_PROGRESS] or kind is STARTED
            else None
        )
        if known is None:
            raise UsageError(f"{kind.__name__!r} is no event")
        raise UsageError(f"{known} cannot come while the response is {writer.state}")
    if kind is STARTED and writer.announced:
        raise UsageError("the response begins twice")
    item = checked_item(writer, event, kind)
    if writer.unended is not None and kind in ITEM_EVENTS:
        end_call(writer, event)
    if kind is FINISHED:
        finish_response(writer, event)
        writer.state = after
        return
    writer.state = after
    of_response = OF_RESPONSE.get(kind)
    if of_response is not None:
        of_response(writer, event)
    elif item is None:
        if writer.held is not None:
            release_call(writer)
        start_item(writer, event)
    elif writer.held == event.output_index and kind is ITEM_UPDATED:
        item.item = event.item
    else:
        if writer.held is not None:
            if kind is ITEM_FINISHED and writer.held == event.output_index:
                take_last_call_id(item, event.item)
            release_call(writer)
        if item.unwritten is not None:
            wait(writer, item, event)
        else:
            OF_ITEM.get(kind, hosted)(writer, item, event)


def release_call(writer: Writer) -> None:
    """The call that began last is sent, for its name is whole now."""
    held, writer.held = writer.held, None
    if held is not None:
        writer.hot.clear()
        writer.item_started(writer.items[held])


def take_last_call_id(item: WrittenItem, whole: Item) -> None:
    """What ends at once begins with the call id that it ends with: clients of the Responses API know it by
    that."""
    if isinstance(item.item, OtherItem):
        known = item.item.data
        item.item = evolve(item.item, data=known | {"call_id": whole.data.get("call_id", known["call_id"])})


def is_doubtful(writer: Writer, call: Item) -> bool:
    """Whether a call that has ended may still be taken back: Anthropic does so where a limit was reached
    behind a call of which no arguments came."""
    return (
        writer.source == "anthropic"
        and isinstance(call, FunctionCall)
        and call.complete
        and call.arguments == NO_ARGUMENTS
    )


def end_call(writer: Writer, event: Any = None) -> None:
    """The end of a call is written that was held back, unless an event may take it back."""
    ended = writer.unended
    if ended is None or (type(event) is ITEM_UPDATED and event.output_index == ended):
        return
    writer.unended = None
    writer.hot.clear()
    writer.item_finished(writer.items[ended])


def drop_held_call(writer: Writer) -> None:
    """A call that was cut off before its arguments is left out: it would look like one without any."""
    held, writer.held = writer.held, None
    if held is not None:
        writer.skip(writer.items[held], LossCode.CALL_NOT_WHOLE, "a call was cut off before its arguments")


def checked_item(writer: Writer, event: Any, kind: type) -> WrittenItem | None:
    """The item that an event is about, if its life cycle and that of its part allow the event."""
    if kind not in ITEM_EVENTS:
        return None
    index = event.output_index
    item = writer.items.get(index)
    state = ITEM_ABSENT if item is None else item.state
    if kind not in ITEM_TRANSITIONS[state]:
        raise UsageError(f"{kind.__name__} cannot come while item {index} is {state}")
    key = part_key(event)
    if key is not None:
        assert item is not None  # a part begins in an item
        part = item.parts.get(key)
        part_state = PART_ABSENT if part is None else part.state
        if kind not in PART_TRANSITIONS[part_state]:
            raise UsageError(
                f"{kind.__name__} cannot come while part {key[1]} of item {index} is {part_state}"
            )
    return item


# ------------------------------------------------------------------------------ about the response as a whole


def start_response(writer: Writer, event: e.ResponseStarted) -> None:
    """The response is announced; what came before it follows, now that its source is known."""
    writer.announced = True
    writer.source = event.dialect
    writer.data = dict(event.data)
    writer.response_id = event.response_id
    writer.model = event.model
    writer.response_started()
    early, writer.early = writer.early, []
    for known in early:
        if writer.source == writer.name:
            writer.as_sent(known)


def take_error(writer: Writer, event: e.ErrorReported) -> None:
    """Of several errors the one counts that says what it is."""
    if (
        writer.error is None
        or writer.error.kind is ErrorKind.UNKNOWN
        or event.error.kind is not ErrorKind.UNKNOWN
    ):
        writer.error = event.error


def take_usage(writer: Writer, event: e.UsageReported) -> None:
    """The last usage is written at the end."""
    writer.usage = event.usage


def heartbeat(writer: Writer, event: e.Heartbeat) -> None:
    """A sign of life."""
    writer.heartbeat()


def pass_on(writer: Writer, event: Any) -> None:
    """What only its own wire knows, which may come before anybody knows which that is."""
    if not writer.announced:
        writer.early.append(event)
    elif writer.source == writer.name:
        writer.as_sent(event)


def status(writer: Writer, event: e.StatusChanged) -> None:
    """More is known of the response."""
    writer.status(event)


def choice_updated(writer: Writer, event: e.ChoiceUpdated) -> None:
    """More is known of a choice."""
    writer.choice_updated(event)


def audio(writer: Writer, event: Any) -> None:
    """A fragment of speech, or of what is said in it."""
    writer.audio(event)


OF_RESPONSE: Final[dict[type, Callable[[Writer, Any], None]]] = {
    e.ResponseStarted: start_response,
    e.ErrorReported: take_error,
    e.Heartbeat: heartbeat,
    e.Notice: pass_on,
    e.UnknownEvent: pass_on,
    e.RateLimitsReported: pass_on,
    e.UsageReported: take_usage,
    e.StatusChanged: status,
    e.ChoiceUpdated: choice_updated,
    e.AudioDelta: audio,
    e.TranscriptDelta: audio,
}


# ---------------------------------------------------------- about an item
#
# What is left out of the wire is kept up to date all the same.


def start_item(writer: Writer, event: e.ItemStarted) -> None:
    """An item begins."""
    item = writer.items[event.output_index] = WrittenItem(event.output_index, event.item)
    item.member = event.member
    if (writer.source == "chat" or writer.name == "anthropic") and isinstance(
        event.item, (FunctionCall, CustomToolCall)
    ):
        writer.held = event.output_index  # there a name may come in pieces
    elif isinstance(event.item, OtherItem) and event.item.data.get("call_id") is not None:
        writer.held = event.output_index  # its server may send it whole at once, with another id
    elif not event.item.type and writer.name != "responses":
        item.skipped, item.unwritten = True, []  # its type decides whether it has a place on the wire
    else:
        writer.item_started(item)


def text(writer: Writer, item: WrittenItem, event: e.TextDelta) -> None:
    part = item.parts["content", event.content_index]
    if not item.skipped and part.kind != MISPLACED:
        writer.text(item, part, event)


def arguments(writer: Writer, item: WrittenItem, event: e.ArgumentsDelta) -> None:
    item.pieces.append(event.text)
    if item.written is not None:
        item.written.append(event.text)
    if not item.skipped:
        writer.arguments(item, event.text)
        writer.heat_arguments(item, event)


def thought(writer: Writer, item: WrittenItem, event: e.ReasoningDelta) -> None:
    part = item.parts["summary" if event.kind == "summary" else "content", event.part_index]
    if not item.skipped and part.kind != MISPLACED:
        writer.reasoning(item, part, event)


def refusal(writer: Writer, item: WrittenItem, event: e.RefusalDelta) -> None:
    part = item.parts["content", event.content_index]
    if not item.skipped and part.kind != MISPLACED:
        writer.refusal(item, part, event)


def update_item(writer: Writer, item: WrittenItem, event: e.ItemUpdated) -> None:
    # Its own wire tells that by the finish reason; but for Anthropic's calls without any arguments.
    told_so = writer.own() and writer.name != "anthropic"
    call = isinstance(event.item, (FunctionCall, CustomToolCall))
    taken_back = call and item.state is ITEM_DONE and not is_whole(event.item)
    if taken_back and not told_so:
        writer.lose(LossCode.CALL_NOT_WHOLE, item.index)
    item.item = event.item
    if not item.skipped:
        writer.item_updated(item)
        if item.called is not None and item.state is ITEM_DONE:
            writer.called(item)
        if taken_back and writer.unended != item.index:
            writer.call_changed(item)


def start_part(writer: Writer, item: WrittenItem, event: e.PartStarted) -> None:
    part = item.parts[event.group, event.part_index] = WrittenPart(-1, "")
    part.state = PartState.OPEN
    if item.skipped:
        return
    if can_have(item.item, event.group):
        writer.part_started(item, part, event)
        return
    part.kind = MISPLACED
    if not writer.own():  # its own wire has it as a member of the item
        writer.lose_part(item, event.part)


def finish_part(writer: Writer, item: WrittenItem, event: e.PartFinished) -> None:
    part = item.parts[event.group, event.part_index]
    part.state = PartState.DONE
    if not item.skipped:
        writer.part_finished(item, part, event)


def finish_value(writer: Writer, item: WrittenItem, event: e.ValueFinished) -> None:
    if not item.skipped:
        writer.value_finished(item, event)


def replace_value(writer: Writer, item: WrittenItem, event: e.ValueReplaced) -> None:
    writer.lose(LossCode.VALUE_REPLACED, item.index, f"{event.kind} was corrected after it was written")
    key = part_key(event)
    if key is not None:
        item.parts[key].pieces = [event.text]
    elif event.kind == "arguments":
        if item.written is None:
            item.written = item.pieces
        item.pieces = [event.text]
        if item.state is ITEM_DONE and not item.skipped:
            writer.call_changed(item)


def annotation(writer: Writer, item: WrittenItem, event: e.AnnotationAdded) -> None:
    if not item.skipped:
        writer.annotation(item, item.parts["content", event.content_index], event)


def finish_item(writer: Writer, item: WrittenItem, event: e.ItemFinished) -> None:
    item.item = event.item
    item.state = ITEM_DONE
    if item.skipped:
        return
    if writer.name != "gemini" and is_doubtful(writer, item.item):
        writer.unended = item.index
    else:
        writer.item_finished(item)


def lifted(writer: Writer, item: WrittenItem, event: e.LiftedDelta) -> None:
    writer.lose(LossCode.LIFTED_TEXT, event.output_index)


def command(writer: Writer, item: WrittenItem, event: e.CommandDelta) -> None:
    if not item.skipped:
        item.values.setdefault(("command", event.command_index), []).append(event.text)
    hosted(writer, item, event)


def hosted(writer: Writer, item: WrittenItem, event: Any) -> None:
    if not item.skipped:
        writer.hosted(item, event)


OF_ITEM: Final[dict[type, Callable[[Writer, WrittenItem, Any], None]]] = {
    e.TextDelta: text,
    e.ArgumentsDelta: arguments,
    e.ReasoningDelta: thought,
    e.RefusalDelta: refusal,
    e.ItemUpdated: update_item,
    e.PartStarted: start_part,
    e.PartFinished: finish_part,
    e.ValueFinished: finish_value,
    e.ValueReplaced: replace_value,
    e.AnnotationAdded: annotation,
    e.ItemFinished: finish_item,
    e.LiftedDelta: lifted,
    e.CommandDelta: command,
}


def wait(writer: Writer, item: WrittenItem, event: Any) -> None:
    """Something came of an item without a type: that is kept until its type is known, or it ends."""
    assert item.unwritten is not None
    OF_ITEM.get(type(event), hosted)(writer, item, event)
    if type(event) is not ITEM_UPDATED:
        item.unwritten.append(event)
    if item.item.type or item.state is ITEM_DONE:
        write_waiting(writer, item)


def write_waiting(writer: Writer, item: WrittenItem) -> None:
    """Writes an item that waited for its type, with what came of it."""
    waiting, item.unwritten, item.skipped = item.unwritten, None, False
    item.state, item.parts, item.pieces, item.written = ITEM_OPEN, {}, [], None
    writer.item_started(item)
    for event in waiting or ():
        OF_ITEM.get(type(event), hosted)(writer, item, event)


def finish_response(writer: Writer, event: e.ResponseFinished) -> None:
    """The response ends, and before it what is still held or was made for the wire."""
    response = event.response
    if not writer.announced:
        writer.source = response.dialect
        writer.response_id, writer.model = response.id, response.model
    for (_, into), made in writer.lifts.items():
        end_made(writer, made, into)
    if writer.name == "anthropic":
        drop_held_call(writer)
    release_call(writer)
    end_call(writer)
    for item in list(writer.items.values()):
        if item.unwritten is not None:
            write_waiting(writer, item)
    outcome = event.outcome
    error: ResponseError | None
    if outcome is COMPLETED or outcome is INCOMPLETE:
        writer.end_items(response, outcome)
        if writer.takes_back or not writer.untrue:
            writer.ended(response, outcome)
            return
        for index in sorted(writer.untrue):
            writer.lose(LossCode.CALL_NOT_WHOLE, index, "a call was written that is not what it became")
        message = "a call was sent as whole, and it is not what was sent"
        outcome, error = FAILED, ResponseError(ErrorKind.SERVER_ERROR, message, "call_not_whole")
    else:
        error = response.error if response.error is not None else writer.error
    writer.failed(response, outcome, error if outcome is FAILED else None)


# ------------------------------------------------------------------ what was lifted out of arguments


def write_lifted(writer: Writer, event: e.LiftedDelta) -> None:
    """A piece of what was lifted, in a message or reasoning that begins with the first one."""
    owner = checked_item(writer, event, e.LiftedDelta)
    assert owner is not None
    index = writer.lifts.get((event.output_index, event.into))
    if index is None:
        index = writer.lifts[event.output_index, event.into] = -1 - len(writer.lifts)
        choice = owner.item.choice_index
        if event.into == "text":
            begin_text(writer, index, choice)
        else:
            take(writer, e.ItemStarted(index, reasoning((), (), choice=choice)))
            take(writer, e.PartStarted(index, 0, "content", thought_part()))
    writer.items[index].pieces.append(event.text)
    if event.into == "text":
        take(writer, e.TextDelta(index, 0, event.text))
    else:
        take(writer, e.ReasoningDelta(index, 0, event.text, "text"))


def begin_text(writer: Writer, index: int, choice: int | None) -> None:
    """A message begins that no wire sent."""
    take(writer, e.ItemStarted(index, message((), whole=False, choice=choice)))
    take(writer, e.PartStarted(index, 0, "content", text_part()))


def end_lifted(writer: Writer, owner: int) -> None:
    """The call ends, and with it what was lifted out of it."""
    for into in ("reasoning", "text"):
        made = writer.lifts.get((owner, into))
        if made is not None:
            end_made(writer, made, into)


def end_made(writer: Writer, made: int, into: str) -> None:
    """An item that no wire sent is whole."""
    item = writer.items[made]
    if item.state is ITEM_OPEN:
        text = "".join(item.pieces)
        choice = item.item.choice_index
        whole: Item
        if into == "text":
            whole = message((text_part(text),), whole=True, choice=choice)
        else:
            whole = reasoning((), (thought_part(text),), choice=choice)
        take(writer, e.ItemFinished(made, whole))
