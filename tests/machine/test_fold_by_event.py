"""What each event adds to the response, and what bounds that."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold.machine.build import item_from, part_from
from deltafold.machine.fold import Fold, PendingFinish, item_of, replay_key
from deltafold.machine.lifecycle import IllegalEvent, ItemState, PartState, ResponseState
from deltafold.machine.records import ItemRecord
from deltafold.model import events as e
from deltafold.model.errors import ErrorKind, LimitExceeded, ResponseError
from deltafold.model.items import Message
from deltafold.model.limits import Limits
from deltafold.model.response import Outcome, Usage
from runs import JSON

ERROR = ResponseError(ErrorKind.SERVER_ERROR, "no luck", None)


def folded(*events: e.Event, limit: int | None = None, parts: int | None = None) -> Fold:
    """A response in progress that these events came for."""
    given = {name: value for name, value in (("text_size", limit), ("parts", parts)) if value is not None}
    fold = Fold(Limits(**given))
    fold.apply(e.ResponseStarted("r", "m", {}))
    for event in events:
        fold.apply(event)
    return fold


def started(item: JSON, index: int = 0) -> e.ItemStarted:
    """An item begins."""
    return e.ItemStarted(index, item_from(item))


def finished(item: JSON, index: int = 0) -> e.ItemFinished:
    """An item is whole."""
    return e.ItemFinished(index, item_from(item, whole=True))


def part(index: int, group: Any = "content", **members: Any) -> e.PartStarted:
    """A part begins."""
    return e.PartStarted(0, index, group, part_from({"type": "output_text", "text": "", **members}))


MESSAGE = started({"type": "message"})
CALL: JSON = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"}


# ------------------------------------------------------------------------------------------- the response


def test_what_a_response_that_says_nothing_has() -> None:
    """The members that every response has, and no other."""
    fold = Fold(Limits())
    blank = {
        "id": None,
        "object": "response",
        "model": None,
        "status": None,
        "error": None,
        "incomplete_details": None,
        "usage": None,
        "output": [],
    }
    response = fold.response()
    assert response.to_dict() == blank
    assert (response.id, response.model, response.status, response.outcome) == (None, None, None, None)
    assert (response.usage, response.error, response.finish_reason) == (None, None, None)
    assert (response.had_whole_call, response.had_fragments, response.ended_by_server) == (
        False,
        False,
        False,
    )
    assert (response.output, response.choices, response.lifted, response.anomalies) == ((), (), (), ())


def test_how_a_response_begins() -> None:
    """With what its server said of it, also behind an error; later only what says something counts."""
    fold = Fold(Limits())
    sent = {"id": "r", "model": "m", "own": {"a": 1}}
    fold.apply(e.ResponseStarted("r", "m", sent))
    assert fold.data == sent
    fold.apply(e.StatusChanged("queued", {"status": "queued", "model": None, "own": {}, "new": None}))
    assert fold.data == {**sent, "status": "queued", "new": None}
    fold.apply(e.StatusChanged("x", {"status": "x", "new": 1, "zero": 0}))
    assert fold.data == {**sent, "status": "x", "new": 1, "zero": 0}
    assert sent == {"id": "r", "model": "m", "own": {"a": 1}}
    failing = Fold(Limits())
    failing.apply(e.ErrorReported(ERROR))
    failing.apply(e.ResponseStarted("r", None, {"id": "r", "a": 1}))
    failing.apply(e.ResponseStarted("s", None, {"id": "s", "b": 2}))
    assert failing.data == {"id": "s", "a": 1, "b": 2}
    response = fold.response()
    assert (response.id, response.model, response.status) == ("r", "m", "x")
    assert response.to_dict() == {**Fold(Limits()).response().to_dict(), **fold.data}
    assert failing.state is ResponseState.FAILING


@pytest.mark.parametrize(
    ("outcome", "own", "details", "calls", "reason"),
    [
        (Outcome.COMPLETED, None, None, False, "stop"),
        (Outcome.COMPLETED, None, None, True, "tool_calls"),
        (Outcome.COMPLETED, "stop", None, True, "tool_calls"),
        (Outcome.COMPLETED, "stop", None, False, "stop"),
        (Outcome.COMPLETED, "brand", None, True, "brand"),
        (Outcome.COMPLETED, None, {"reason": "max_output_tokens"}, False, "stop"),
        (Outcome.INCOMPLETE, None, {"reason": "max_output_tokens"}, True, "length"),
        (Outcome.INCOMPLETE, None, {"reason": "content_filter"}, False, "content_filter"),
        (Outcome.INCOMPLETE, None, {"reason": "brand"}, False, "brand"),
        (Outcome.INCOMPLETE, "length", {"reason": "brand"}, False, "length"),
        (Outcome.INCOMPLETE, None, {"reason": 5}, False, None),
        (Outcome.INCOMPLETE, None, "words", False, None),
        (Outcome.INCOMPLETE, None, None, True, None),
        (Outcome.FAILED, "stop", None, True, "error"),
        (Outcome.CANCELLED, "stop", None, True, "cancelled"),
        (Outcome.TRUNCATED, None, None, True, None),
        (Outcome.TRUNCATED, "stop", None, True, "tool_calls"),
    ],
)
def test_why_a_response_ended(
    outcome: Outcome, own: str | None, details: Any, calls: bool, reason: str | None
) -> None:
    """The server's own word where it has one; a whole call makes of a plain stop one for tools."""
    fold = folded(started({"type": "message"}))
    if calls:
        fold.apply(started({**CALL, "arguments": ""}, 1))
        fold.apply(finished(CALL, 1))
    ended = fold.end(PendingFinish(outcome, {"incomplete_details": details}, None, own, True))
    assert (ended.outcome, ended.response.outcome) == (outcome, outcome)
    assert ended.response.finish_reason == reason
    told = details.get("reason") if isinstance(details, dict) else None
    assert ended.response.incomplete_reason == (told if isinstance(told, str) else None)
    assert (ended.response.had_whole_call, ended.response.ended_by_server) == (calls, True)
    assert fold.state is ResponseState.FINISHED


def test_the_order_of_items() -> None:
    """That of their indexes, or the one that the end of the response had."""
    events = [started({"type": kind}, index) for kind, index in (("c", 2), ("a", 0), ("b", 1))]
    fold = folded(*events)
    assert [item.type for item in fold.response().output] == ["a", "b", "c"]
    ended = fold.end(PendingFinish(Outcome.COMPLETED, None, [2, 0, 1]))
    assert [item.type for item in ended.response.output] == ["c", "a", "b"]
    assert ended.response.ended_by_server is False


@pytest.mark.parametrize("sent", [False, True])
def test_the_count_of_a_response(sent: bool) -> None:
    """The latest; its JSON has it in the words of the Responses API, unless the server said one itself."""
    fold = folded(
        e.UsageReported(Usage(1, 1, 2, None, None, None)), e.UsageReported(Usage(3, 4, 7, 1, None, 2))
    )
    if sent:
        fold.apply(e.StatusChanged("x", {"usage": None}))
    assert fold.response().usage == Usage(3, 4, 7, 1, None, 2)
    told = fold.response().to_dict()["usage"]
    if sent:
        assert told is None
    else:
        assert (told["input_tokens"], told["output_tokens"], told["total_tokens"]) == (3, 4, 7)


@pytest.mark.parametrize("known", [None, "x", {"id": "a", "data": "old"}])
def test_what_was_spoken(known: Any) -> None:
    """Sound and transcript grow side by side, and join what the server said of them."""
    fold = folded(e.StatusChanged("x", {"audio": known, "id": "r"}))
    assert fold.response().to_dict()["audio"] == known
    for piece in ("ab", "c"):
        fold.apply(e.AudioDelta(piece))
    assert fold.size == 3
    told = {"id": "a"} if isinstance(known, dict) else {}
    assert fold.response().to_dict()["audio"] == {**told, "data": "abc"}
    fold.apply(e.TranscriptDelta("d"))
    assert fold.response().to_dict()["audio"] == {**told, "data": "abc", "transcript": "d"}
    assert fold.size == 4


def test_what_was_lifted() -> None:
    """By the item, the place and what it is."""
    fold = folded(started({"type": "function_call"}), started({"type": "function_call"}, 1))
    pieces = [(0, ("a",), "text", "x"), (1, ("a",), "text", "y"), (0, ("b", 0), "text", "z")]
    for piece in [*pieces, (0, ("a",), "reasoning", "r"), (0, ("a",), "text", "xx")]:
        fold.apply(e.LiftedDelta(*piece))  # type: ignore[arg-type]
    assert [(told.output_index, told.path, told.into, told.text) for told in fold.response().lifted] == [
        (0, ("a",), "text", "xxx"),
        (1, ("a",), "text", "y"),
        (0, ("b", 0), "text", "z"),
        (0, ("a",), "reasoning", "r"),
    ]
    assert fold.size == 6
    assert fold.response().had_fragments


# ------------------------------------------------------------------------------------------- its items


def test_an_item_that_a_dialect_announced() -> None:
    """Its record is taken once, and only for the item of its index."""
    fold = folded()
    records = {index: ItemRecord(index, "message", None) for index in (0, 1)}
    for record in records.values():
        fold.announce(record)
    fold.apply(started({"type": "message", "id": "own"}, 2))
    assert fold.items[2].data == {"type": "message", "id": "own"}
    fold.apply(started({"type": "message"}, 1))
    assert fold.announced_records == {0: records[0]}
    fold.apply(started({"type": "message"}, 0))
    assert fold.announced_records is None
    assert (fold.items[0], fold.items[1]) == (records[0], records[1])
    assert {record.state for record in fold.items.values()} == {ItemState.OPEN}


def test_the_life_of_an_item() -> None:
    """It begins, changes, is whole, and is built anew once something came behind that."""
    choice = e.ItemStarted(0, Message(None, (), "assistant", None, None, 3, {"type": "message"}))
    fold = folded(choice)
    assert (fold.items[0].state, fold.items[0].type, fold.items[0].choice_index) == (
        ItemState.OPEN,
        "message",
        3,
    )
    fold.apply(e.ItemProgress(0, "searching"))
    assert fold.items[0].data == {"type": "message", "status": "searching"}
    fold.apply(e.ItemUpdated(0, item_from({"type": "message", "id": "x"})))
    assert fold.items[0].data == {"type": "message", "id": "x"}
    told = finished({"type": "message", "id": "x", "content": []})
    fold.apply(told)
    assert fold.items[0].state is ItemState.DONE
    assert fold.response().output[0] is told.item
    fold.apply(e.ItemUpdated(0, item_from({"type": "message", "id": "y"})))
    assert fold.items[0].state is ItemState.DONE
    assert fold.response().output[0].to_dict() == {"type": "message", "id": "y"}
    with pytest.raises(IllegalEvent):
        fold.apply(finished({"type": "message"}))


@pytest.mark.parametrize("event", [finished(CALL), e.ItemUpdated(0, item_from(CALL, whole=True))])
def test_whether_a_whole_call_was_handed_out(event: Any) -> None:
    """At its end or behind it, and that is never forgotten."""
    fold = folded(started({**CALL, "arguments": ""}))
    assert not fold.response().had_whole_call
    fold.apply(e.ItemUpdated(0, item_from(CALL)))
    assert not fold.had_whole_call
    fold.apply(event)
    assert fold.had_whole_call
    fold.apply(e.ItemUpdated(0, item_from({**CALL, "arguments": "{"})))
    assert fold.response().had_whole_call
    fold.apply(started({"type": "message"}, 1))
    fold.apply(finished({"type": "message"}, 1))
    assert fold.response().had_whole_call


@pytest.mark.parametrize("ends", ["nothing", "value", "item"])
def test_when_a_call_is_complete(ends: str) -> None:
    """Once its arguments were sent whole, or the call itself."""
    fold = folded(started({**CALL, "arguments": ""}), e.ArgumentsDelta(0, "{}"))
    if ends == "value":
        fold.apply(e.ValueFinished(0, "arguments", "{}"))
    elif ends == "item":
        fold.apply(finished(CALL))
    [call] = fold.response().output
    assert getattr(call, "complete", None) is (ends != "nothing")
    record = fold.items[0]
    assert [getattr(fold.item(record, whole=whole), "complete", None) for whole in (True, False)] == [
        True,
        False,
    ]
    assert getattr(fold.item(record, {**CALL, "arguments": "{"}, whole=True), "complete", None) is False


def test_which_calls_want_approval() -> None:
    """Those whose name was given."""
    fold = Fold(Limits(), frozenset({"f"}))
    fold.apply(e.ResponseStarted("r", "m", {}))
    fold.apply(started(CALL))
    fold.apply(started({**CALL, "name": "g"}, 1))
    assert [getattr(item, "needs_approval", None) for item in fold.response().output] == [True, False]


# ------------------------------------------------------------------------------------------- its parts


@pytest.mark.parametrize(
    ("event", "group", "kind", "name"),
    [
        (e.TextDelta(0, 1, "ab"), "content", "text", "text"),
        (e.RefusalDelta(0, 1, "ab"), "content", "refusal", "refusal"),
        (e.ReasoningDelta(0, 1, "ab", "text"), "content", "reasoning", "text"),
        (e.ReasoningDelta(0, 1, "ab", "summary"), "summary", "summary", "text"),
    ],
)
@pytest.mark.parametrize("done", [False, True])
def test_fragments_go_into_their_part(event: Any, group: Any, kind: str, name: str, done: bool) -> None:
    """Of the group of their kind; a part that was whole stays so."""
    other = "summary" if group == "content" else "content"
    fold = folded(started({"type": "brand"}), part(1, group))
    with pytest.raises(IllegalEvent):
        folded(started({"type": "brand"}), part(1, other)).apply(event)
    if done:
        fold.apply(e.PartFinished(0, 1, group, part_from({"type": "output_text"})))
    fold.apply(event)
    record = fold.items[0]
    assert record.parts(group)[1].state is (PartState.DONE if done else PartState.OPEN)
    value = record.values[group, 1, name]
    assert (value.kind, value.text) == (kind, "ab")
    assert fold.value(event) is value if not isinstance(event, e.RefusalDelta) else True
    assert (fold.size, fold.response().had_fragments) == (2, True)


def test_parts_are_begun_once() -> None:
    """Each index of a group has one."""
    fold = folded(MESSAGE, part(0), part(0, "summary"))
    for group in ("content", "summary"):
        with pytest.raises(IllegalEvent):
            fold.apply(part(0, group))


def test_a_part_that_is_whole() -> None:
    """Is what was sent of it; its values are whole."""
    fold = folded(MESSAGE, part(0, logprobs=[]), e.TextDelta(0, 0, "a"))
    fold.apply(e.PartFinished(0, 0, "content", part_from({"type": "output_text", "text": "ab", "x": 1})))
    [told] = fold.response().output[0].to_dict()["content"]
    assert told == {"type": "output_text", "text": "ab", "x": 1}
    assert fold.items[0].values["content", 0, "text"].is_complete
    with pytest.raises(IllegalEvent):
        fold.apply(e.PartFinished(0, 0, "content", part_from({"type": "output_text"})))


def test_log_probabilities_grow_with_their_text() -> None:
    """In the order of the fragments; a fragment without any adds none."""
    one, two, three = ({"token": word} for word in "abc")
    fold = folded(MESSAGE, part(0))
    for logprobs in ((one, two), (), (three,)):
        fold.apply(e.TextDelta(0, 0, "a", logprobs))
    assert fold.items[0].to_dict()["content"][0]["logprobs"] == [one, two, three]
    assert fold.size == 3 + 3 * 64


@pytest.mark.parametrize("kind", ["text", "refusal", "summary", "reasoning", "arguments", "code", "output"])
@pytest.mark.parametrize("event", [e.ValueReplaced, e.ValueFinished])
@pytest.mark.parametrize("known", ["abc", None])
def test_a_value_that_was_sent_whole(event: Any, kind: Any, known: str | None) -> None:
    """Its end leaves it as it came; where nothing had come, or it is replaced, it is what was sent."""
    fold = folded(started({"type": "brand"}), part(0, text=None), part(0, "summary", text=None))
    record = fold.items[0]
    deltas: JSON = {
        "text": e.TextDelta(0, 0, "abc"),
        "refusal": e.RefusalDelta(0, 0, "abc"),
        "summary": e.ReasoningDelta(0, 0, "abc", "summary"),
        "reasoning": e.ReasoningDelta(0, 0, "abc", "text"),
        "arguments": e.ArgumentsDelta(0, "abc"),
        "code": e.CodeDelta(0, "abc"),
        "output": e.OutputDelta(0, "abc"),
    }
    if known is not None:
        fold.apply(deltas[kind])
    sent = "abc" if event is e.ValueFinished else "x"
    fold.apply(event(0, kind, sent, part_index=0))
    [value] = record.values.values()
    assert value.kind == kind
    assert (value.text, value.is_complete, value.ended_size) == (sent, True, len(sent))
    assert fold.size == len(sent)


# ------------------------------------------------------------------------------------------- its bounds


@pytest.mark.parametrize(
    ("event", "size"),
    [
        (e.TextDelta(0, 0, "ab"), 2),
        (e.TextDelta(0, 0, "ab", ({"token": "a"},)), 66),
        (e.TextDelta(0, 0, "ab", ({"token": "a"}, {"token": "b"})), 130),
        (e.RefusalDelta(0, 0, "ab"), 2),
        (e.ReasoningDelta(0, 0, "ab", "text"), 2),
        (e.ReasoningDelta(0, 0, "ab", "summary"), 2),
        (e.ArgumentsDelta(0, "ab"), 2),
        (e.OutputDelta(0, "ab"), 2),
        (e.CommandOutputDelta(0, 0, "stderr", "ab"), 2),
        (e.LiftedDelta(0, ("a",), "text", "ab"), 2),
        (e.AudioDelta("ab"), 2),
        (e.TranscriptDelta("ab"), 2),
        (e.ValueFinished(0, "output", "ab"), 2),
        (e.ValueReplaced(0, "output", "ab"), 2),
    ],
)
def test_streamed_values_are_bounded(event: Any, size: int) -> None:
    """All of them together, to the character."""
    begun = (MESSAGE, part(0), part(0, "summary"), e.CodeDelta(0, "xyz"))
    fold = folded(*begun, event, limit=3 + size)
    assert fold.size == 3 + size
    with pytest.raises(LimitExceeded, match="text_size"):
        fold.apply(e.CodeDelta(0, "x"))
    with pytest.raises(LimitExceeded, match="text_size"):
        folded(*begun, event, limit=2 + size)
    fold = folded(limit=3)
    fold.hold(3)
    with pytest.raises(LimitExceeded, match="text_size"):
        fold.hold(4)


def test_what_is_replaced_is_given_back() -> None:
    """A value takes what it has now."""
    fold = folded(started({"type": "brand"}), e.OutputDelta(0, "abcd"), limit=4)
    fold.apply(e.ValueReplaced(0, "output", "xy"))
    assert fold.size == 2
    fold.apply(e.OutputDelta(0, "ab"))
    with pytest.raises(LimitExceeded):
        fold.apply(e.ValueReplaced(0, "output", "xyzab"))


def test_the_parts_of_an_item_are_bounded() -> None:
    """Those of each group."""
    fold = folded(MESSAGE, part(0), part(7), part(0, "summary"), part(1, "summary"), parts=2)
    for group in ("content", "summary"):
        with pytest.raises(LimitExceeded, match="parts"):
            fold.apply(part(9, group))


@pytest.mark.parametrize("kind", ["status", "choice", "item"])
def test_what_is_sent_beside_values_is_bounded(kind: str) -> None:
    """Of the response, its choices and its items; what takes the place of something counts in its place."""

    members: JSON = {}

    def more(name: str, text: str) -> e.Event:
        members[name] = text
        if kind == "status":
            return e.StatusChanged("x", {name: text})
        if kind == "choice":
            return e.ChoiceUpdated(0, None, {name: text})
        return e.ItemUpdated(0, item_from({"type": "brand", **members}))

    fold = folded(started({"type": "brand"}), limit=5000)
    for number in range(5 if kind == "choice" else 50):
        fold.apply(more("a", f"{number:0500}"))
    fold.apply(more("b", "x" * 2000))
    with pytest.raises(LimitExceeded, match="text_size"):
        fold.apply(more("c", "x" * 4000))
    assert fold.size == 0


# ------------------------------------------------------------------------------------------- replays


def test_under_what_events_are_counted() -> None:
    """Their class, and their item where they are about one."""
    note = {"type": "x"}
    keys: list[tuple[Any, str, int | None]] = [
        (e.ItemUpdated(3, item_from(note)), "ItemUpdated 3", 3),
        (e.ItemProgress(0, "x"), "ItemProgress 0", 0),
        (e.AnnotationAdded(1, 0, 0, note), "AnnotationAdded 1", 1),
        (e.StatusChanged("x", {}), "StatusChanged", None),
        (e.ChoiceUpdated(2, None, {}), "ChoiceUpdated", None),
        (e.ErrorReported(ERROR), "ErrorReported", None),
        (e.TextDelta(4, 0, "x"), "TextDelta 4", 4),
    ]
    for event, key, index in keys:
        assert (replay_key(event), item_of(event)) == (key, index)


def test_events_are_counted_that_add_up_to_nothing() -> None:
    """Each class, for each item, and no other."""
    note = {"type": "x"}
    fold = folded(MESSAGE, part(0), e.TextDelta(0, 0, "a"))
    assert fold.replay_counts is None
    for _ in range(2):
        fold.apply(e.StatusChanged("x", {"a": 1}))
        fold.apply(e.ItemProgress(0, "x"))
        fold.apply(e.AnnotationAdded(0, 0, 0, note))
    fold.apply(e.ChoiceUpdated(1, "stop", {"b": 1}))
    fold.apply(e.ErrorReported(ERROR))
    assert fold.replay_counts == {
        "StatusChanged": 2,
        "ItemProgress 0": 2,
        "AnnotationAdded 0": 2,
        "ChoiceUpdated": 1,
        "ErrorReported": 1,
    }
    response = fold.response()
    assert response.error == ERROR
    assert [(choice.index, choice.finish_reason, choice.data) for choice in response.choices] == [
        (1, "stop", {"b": 1})
    ]
    assert response.output[0].to_dict()["content"][0]["annotations"] == [note]


def test_choices_are_in_order() -> None:
    """That of their indexes."""
    fold = folded(*[e.ChoiceUpdated(index, None, {"n": index}) for index in (2, 0, 1, 2)])
    assert [choice.data for choice in fold.response().choices] == [{"n": 0}, {"n": 1}, {"n": 2}]
