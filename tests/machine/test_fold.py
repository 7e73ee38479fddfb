"""Edges of the fold and of the dialects that whole streams seldom reach, one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deltafold.arguments.lift import Lift
from deltafold.arguments.lifted_calls import CallLifts
from deltafold.dialects.chat.think_tags import ThinkTags
from deltafold.machine.build import item_from, part_from
from deltafold.machine.evidence import close_item, reconcile_item, reconcile_value
from deltafold.machine.fold import Fold
from deltafold.machine.lifecycle import IllegalEvent, ItemState, ResponseState
from deltafold.machine.records import PartRecord, key_of, merge_fields
from deltafold.machine.values import delta_of
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode as C
from deltafold.model.errors import LimitExceeded
from deltafold.model.items import OtherPart, OutputText, ReasoningText, Refusal, SummaryText
from deltafold.model.limits import Limits
from deltafold.parsing.parser import ResponseParser
from deltafold.wire.blocks import BlockScanner, Signal
from machine.records import record_of
from runs import (
    JSON,
    Run,
    added,
    arguments,
    calls_of,
    completed,
    count_calls,
    created,
    done,
    message,
    output_text,
    part_added,
    part_done,
    refusal,
    run,
    text,
    value,
)


def unheard(code: C, words: str) -> None:
    """A report where nothing is out of order."""
    pytest.fail(f"{code}: {words}")


# ---------------------------------------------------------------------------------------- parts and items


def test_a_part_has_no_more_than_came() -> None:
    """Log probabilities and annotations join what the part had, and add nothing where none came."""
    prob, link = {"token": "a"}, {"url": "u"}
    told = {"type": "output_text"}
    assert PartRecord(told).to_dict() is told
    assert PartRecord(told, logprobs=[prob]).to_dict() == {**told, "logprobs": [prob]}
    assert PartRecord(told, annotations={0: link}).to_dict() == {**told, "annotations": [link]}
    known = {"logprobs": [1], "annotations": [2]}
    assert PartRecord(known, logprobs=[prob]).to_dict() == {"logprobs": [1, prob], "annotations": [2]}
    assert PartRecord(known, annotations={1: link}).to_dict() == {"logprobs": [1], "annotations": [2, link]}
    assert PartRecord(None, annotations={1: link}).to_dict() == {"annotations": [link]}


def test_parts_that_are_no_objects() -> None:
    """A part may be anything: it is kept as it is, and becomes an object once a value streams into it."""
    record = record_of({"type": "message", "content": [None, "text", 5]})
    assert record.to_dict()["content"] == [None, "text", 5]
    record.values["content", 1, "text"] = value_of("text", "streamed")
    assert record.to_dict()["content"] == [None, {"text": "streamed"}, 5]


def value_of(kind: e.ValueKind, *fragments: str) -> Any:
    """A streamed value."""
    fold = Fold(Limits())
    fold._grow(record := record_of({"type": "message"}), ("here",), kind, "")
    found = record.values["here",]
    found.fragments[:] = fragments
    return found


def test_what_was_streamed_of_an_item_that_was_told() -> None:
    """Of an item that was told whole, values outside of its parts go on; those of a part are in the part."""
    record = record_of({"type": "message", "content": [{"text": "a"}]})
    record.values["custom",] = value_of("output", "b")
    told = {"type": "hologram", "content": [{"text": "a"}], "custom": "bc"}
    record.set_complete(item_from(told))
    assert {key: known.text for key, known in record.values.items()} == {("custom",): "bc"}
    assert record.to_dict() == told


@pytest.mark.parametrize("kind", ["summary", "text"])
def test_reasoning_is_kept_under_its_own_name(kind: str) -> None:
    """A value that streams without its end is told whole, by its kind, when its item is."""
    group, name = ("summary", "summary") if kind == "summary" else ("content", "reasoning")
    event = "reasoning_summary_text.delta" if kind == "summary" else "reasoning_text.delta"
    at = {f"{group}_index": 0}
    item: JSON = {"id": "rs", "type": "reasoning", "summary": []}
    whole = {**item, group: [{"type": f"{name}_text", "text": "ab"}]}
    found = run(created(), added(0, item), value(event, 0, delta="ab", item_id="rs", **at), done(0, whole))
    ended = [event for event in found.events if isinstance(event, e.ValueFinished)]
    assert ended == [e.ValueFinished(0, name, "ab", part_index=0)]  # type: ignore[arg-type]
    assert found.response.output[0].to_dict() == whole


def test_raw_reasoning_has_parts_of_its_own_class() -> None:
    """A part of a reasoning item's content is reasoning, also where nothing announced it."""
    delta = value("reasoning_text.delta", 0, delta="a", content_index=0, item_id="rs")
    item = {"id": "rs", "type": "reasoning", "summary": []}
    starts = [
        event for event in run(created(), added(0, item), delta).events if isinstance(event, e.PartStarted)
    ]
    assert [type(event.part) for event in starts] == [ReasoningText]
    starts = [event for event in run(created(), text(0, "a")).events if isinstance(event, e.PartStarted)]
    assert [type(event.part) for event in starts] == [OutputText]


def test_an_event_that_cannot_come_changes_nothing() -> None:
    """An illegal event raises, and the state stays."""
    fold = Fold(Limits())
    for _ in range(2):
        with pytest.raises(IllegalEvent):
            fold.apply(e.StatusChanged("x", {}))
        assert fold.state is ResponseState.IDLE


NOTE = {"type": "x"}
OF_ITEMS: list[Any] = [
    e.ItemUpdated(0, item_from({"type": "message"})),
    e.ItemProgress(0, "searching"),
    e.ItemFinished(0, item_from({"type": "message"})),
    e.PartStarted(0, 0, "content", part_from({"type": "output_text", "text": ""})),
    e.ArgumentsDelta(0, "a"),
    e.LiftedDelta(0, ("x",), "text", "a"),
    e.CodeDelta(0, "a"),
    e.DiffDelta(0, "a"),
    e.CommandDelta(0, 0, "a"),
    e.CommandOutputDelta(0, 0, "stdout", "a"),
    e.OutputDelta(0, "a"),
]
OF_PARTS: list[Any] = [
    e.PartFinished(0, 0, "content", part_from({"type": "output_text", "text": ""})),
    e.TextDelta(0, 0, "a"),
    e.RefusalDelta(0, 0, "a"),
    e.ReasoningDelta(0, 0, "a", "summary"),
    e.ReasoningDelta(0, 0, "a", "text"),
    e.ValueReplaced(0, "text", "a", 0),
    e.ValueFinished(0, "text", "a", 0),
    e.AnnotationAdded(0, 0, 0, NOTE),
]


@pytest.mark.parametrize("event", OF_ITEMS + OF_PARTS, ids=lambda event: type(event).__name__)
def test_nothing_comes_for_an_item_that_has_not_begun(event: Any) -> None:
    """It is illegal, and nothing is kept of it."""
    fold = Fold(Limits())
    fold.apply(e.ResponseStarted("r", "m", {}))
    with pytest.raises(IllegalEvent):
        fold.apply(event)
    assert (fold.items, fold.size, fold.lifted) == ({}, 0, None)


@pytest.mark.parametrize("event", OF_PARTS, ids=lambda event: type(event).__name__)
def test_nothing_comes_for_a_part_that_has_not_begun(event: Any) -> None:
    """It is illegal, and nothing is kept of it."""
    fold = Fold(Limits())
    fold.apply(e.ResponseStarted("r", "m", {}))
    fold.apply(e.ItemStarted(0, item_from({"type": "message"})))
    with pytest.raises(IllegalEvent):
        fold.apply(event)
    assert (fold.items[0].to_dict(), fold.size) == ({"type": "message"}, 0)


@pytest.mark.parametrize("event", OF_ITEMS[4:], ids=lambda event: type(event).__name__)
def test_what_comes_for_an_item_that_was_whole_is_in_it(event: Any) -> None:
    """What was built of the item before is not handed out again."""
    fold = Fold(Limits())
    fold.apply(e.ResponseStarted("r", "m", {}))
    fold.apply(e.ItemStarted(0, item_from({"type": "function_call"})))
    fold.apply(e.ItemFinished(0, item_from({"type": "function_call"})))
    assert fold.items[0].finished is not None
    fold.apply(event)
    assert fold.items[0].finished is None
    assert fold.size == 1


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"type": "output_text", "text": "a"}, OutputText),
        ({"type": "output_text", "text": "a", "refusal": "b"}, OutputText),
        ({"type": "output_text", "refusal": "b"}, OtherPart),
        ({"type": "refusal", "refusal": "b"}, Refusal),
        ({"type": "refusal", "refusal": "b", "text": "a"}, Refusal),
        ({"type": "refusal", "refusal": ""}, Refusal),
        ({"type": "refusal", "refusal": None, "text": "a"}, OutputText),
        ({"type": "refusal"}, OtherPart),
        ({"type": "brand", "text": "a"}, OutputText),
        ({"text": ""}, OutputText),
        ({"text": 5}, OtherPart),
        ({}, OtherPart),
    ],
)
def test_what_a_part_is(data: JSON, expected: type) -> None:
    """That follows from its type and from what it has."""
    part = part_from(data)
    assert type(part) is expected
    assert part.data is data
    assert type(part_from({**data, "text": "a"}, reasoning=True)) is ReasoningText
    assert type(part_from({**data, "text": "a"}, summary=True)) is SummaryText


def test_a_response_that_was_asked_for_stays_as_it_was() -> None:
    """What comes of its choices later does not show in it."""
    for members in (
        {"citationMetadata": {"citationSources": [{"uri": "a"}]}},
        {"logprobsResult": {"chosenCandidates": [{"token": "a"}]}},
        {"groundingMetadata": {"webSearchQueries": ["a"]}},
        {"content": {"x": ["a"], "parts": [{"text": "a"}]}},
    ):
        parser = ResponseParser("gemini")
        first: JSON = {"index": 0, **members}
        parser.feed_payload({"candidates": [first]})
        list(parser.events())
        before = parser.response.choices[0].data
        kept = json.loads(json.dumps(before))
        name = next(iter(members))
        more = {key: [*value, *value] for key, value in first[name].items() if key != "parts"}
        parser.feed_payload({"candidates": [{"index": 0, name: {**more, "y": 1}}]})
        list(parser.events())
        assert before == kept
        assert parser.response.choices[0].data != kept
    parser = ResponseParser("chat")
    for number in (1, 2):
        delta = {"content": "a", "own": {"n": {str(number): 1}}, str(number): 1}
        logprobs = {"refusal": [{"token": str(number)}], str(number): 1}
        parser.feed_payload({"choices": [{"index": 0, "delta": delta, "logprobs": logprobs}]})
        list(parser.events())
        if number == 1:
            before = parser.response.choices[0].data
            kept = json.loads(json.dumps(before))
    assert before == kept
    assert parser.response.choices[0].data != kept


# ------------------------------------------------------------------------------------- keys and evidence


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("command", ("action", "commands", 0)),
        ("stdout", ("output", 0, "stdout")),
        ("summary", ("summary", 0, "text")),
        ("reasoning", ("content", 0, "text")),
        ("diff", ("operation", "diff")),
        ("output", ("output",)),
    ],
)
def test_a_value_without_an_index_is_the_first(kind: e.ValueKind, key: Any) -> None:
    """An event about a value that names no part is about the first one."""
    record = record_of({"type": "hologram"})
    assert key_of(record, e.ValueReplaced(0, kind, "x")) == key
    assert key_of(record, e.ValueFinished(0, kind, "x", part_index=0)) == key


def test_log_probabilities_that_are_no_objects() -> None:
    """Of log probabilities only the objects are handed out."""
    made = delta_of(0, "text", ("content", 0, "text"), "a", [{"token": "a"}, None, 5])
    assert made == e.TextDelta(0, 0, "a", ({"token": "a"},))


def test_what_is_told_wins_but_for_what_is_empty() -> None:
    """Empty members erase nothing, and are not kept where they are not told again."""
    known = {"a": None, "b": 1, "c": "", "d": 1, "e": [], "f": {}}
    assert merge_fields(known, {"b": 2, "d": None, "g": None}) == {"b": 2, "d": 1, "g": None}
    assert list(merge_fields({"a": 1, "b": 2}, {"b": 3, "c": 4})) == ["b", "c", "a"]


def settled(known: JSON, told: JSON, report: Any = unheard) -> JSON:
    """An item as it is after it was told again."""
    return reconcile_item(record_of(known), told, report, whole=False)[0]


def test_an_item_that_never_had_a_type_gets_none() -> None:
    """The type of an item is kept where it is not told again, and not made up."""
    assert settled({"id": "a"}, {"x": 1}) == {"id": "a", "x": 1}
    assert settled({"type": "hologram"}, {"x": 1}) == {"type": "hologram", "x": 1}
    assert settled({"type": "hologram"}, {"type": None})["type"] == "hologram"


def test_content_of_another_kind() -> None:
    """Content that is no list of parts is kept as it is, unless parts had come."""
    assert settled({"type": "hologram"}, {"content": "words"})["content"] == "words"
    heard: list[C] = []
    known = {"type": "message", "content": [{"type": "output_text", "text": "a"}]}
    assert settled(known, {"content": "words"}, lambda code, words: heard.append(code)) == known
    assert heard == [C.INVALID_FIELD]


def test_no_content_erases_no_part() -> None:
    """An empty list of parts leaves those that came, also those that hold nothing yet."""
    known = {"type": "message", "content": [{"type": "output_text", "text": ""}]}
    assert settled(known, {"content": []}) == known


def test_a_value_deep_in_an_item_is_not_lost() -> None:
    """A streamed value stays where the item, told whole, has its place but not the value."""
    kind = "apply_patch_call_operation_diff.delta"
    item = {"id": "p", "type": "apply_patch_call", "operation": {"type": "update_file"}}
    found = run(created(), added(0, item), value(kind, 0, delta="+a", item_id="p"), done(0, item))
    assert found.response.output[0].to_dict()["operation"] == {"type": "update_file", "diff": "+a"}
    assert [event.text for event in found.events if isinstance(event, e.DiffDelta)] == ["+a"]


def test_a_part_that_ends_without_its_text() -> None:
    """A part that was announced empty may be told whole without a text."""
    bare = {"type": "output_text"}
    found = run(created(), added(0, message()), part_added(0, output_text()), part_done(0, bare), completed())
    assert [event.part.to_dict() for event in found.events if isinstance(event, e.PartFinished)] == [bare]


def test_an_empty_telling_ends_nothing_that_holds_text() -> None:
    """A value told as nothing neither erases nor ends what was streamed; told again it ends once."""
    key = ("content", 0, "text")
    streamed = value_of("text", "a")
    assert reconcile_value(0, "text", key, streamed, "", unheard, whole=True) == []
    assert reconcile_value(0, "text", key, None, "", unheard, whole=True) == [
        e.ValueFinished(0, "text", "", content_index=0)
    ]
    streamed.is_complete = True
    assert reconcile_value(0, "text", key, streamed, "a", unheard, whole=True) == []


def test_an_item_left_open_keeps_its_status() -> None:
    """Where no end was told an item stays as it was, and only what came late is told of it."""
    fold = Fold(Limits())
    record = record_of({"type": "function_call", "name": "f", "arguments": "", "status": "in_progress"})
    assert close_item(fold, record, None, {}, {}, unheard) == []
    (event,) = close_item(fold, record, None, {}, {"call_id": "c"}, unheard)
    assert isinstance(event, e.ItemUpdated)
    assert event.item.to_dict() == {**record.to_dict(), "call_id": "c"}
    assert record.state is ItemState.OPEN


# ------------------------------------------------------------------------------------------------ dialects


def test_each_index_that_is_none_is_told() -> None:
    """Two members of one event that should be indexes are two anomalies, each told once."""
    wrong = {"output_index": "x", "content_index": "y"}
    found = run(created(), added(0, message()), *[{**text(0, "a"), **wrong}] * 2)
    words = [anomaly.message for anomaly in found.parser.anomalies if anomaly.code is C.INVALID_FIELD]
    assert words == ["output_index is 'x'", "content_index is 'y'"]


TEXT = Lift(("message",), "text", remove=True)
PLAIN = Lift(("message",), "text")


def lifts(lift: Lift = TEXT, heard: list[C] | None = None) -> CallLifts:
    """One lift, for every call."""
    codes = [] if heard is None else heard
    return CallLifts((lift,), lambda code, words: codes.append(code))


def test_what_was_held_back_comes_at_the_end() -> None:
    """Arguments that are told whole and break off are handed on to their last character."""
    broken = '{"a":1, "mess'
    out: list[Any] = []
    assert lifts().whole_text(0, "f", broken, out, whole=True) == broken
    again = lifts()
    assert again.whole_text(0, "f", '{"b":2}', out, whole=True) == '{"b":2}'
    assert again.whole_text(0, "f", broken, out, whole=True) == broken
    raw = again.raw(0)
    assert raw is not None
    assert raw.text == broken
    assert out == []


def test_a_call_that_was_closed_stays_closed() -> None:
    """What comes after the end of the arguments is handed on as it is, and the end comes once."""
    calls, out = lifts(), []  # type: tuple[CallLifts, list[Any]]
    assert calls.fragment(0, "f", '{"message":"a","b"', out) == '{"b"'
    assert calls.close(0, out) == ""
    assert calls.close(0, out) == ""
    assert calls.fragment(0, "f", ":1}", out) == ":1}"
    raw = calls.raw(0)
    assert raw is not None
    assert raw.text == '{"message":"a","b"'
    assert out == [e.LiftedDelta(0, ("message",), "text", "a")]
    assert calls.close(7, out) == ""
    assert calls.raw(7) is None


def test_lifted_text_that_is_told_again_is_not_handed_out_again() -> None:
    """Arguments that are told otherwise, with the same lifted text or more of it, give what is new alone."""
    for resumed in (False, True):
        heard: list[C] = []
        calls, out = lifts(heard=heard), []  # type: tuple[CallLifts, list[Any]]
        for piece in ('{"a":1,"message":"x', "y", 'z"}'):
            calls.fragment(0, "f", piece, out)
        if resumed:
            state = json.loads(json.dumps(calls.getstate()))
            calls = lifts(heard=heard)
            calls.setstate(state)
        out.clear()
        assert calls.whole_text(0, "f", '{"a":2,"message":"xyz"}', out, whole=True) == '{"a":2}'
        assert out == []
        assert calls.whole_text(0, "f", '{"a":3,"message":"xyz!"}', out, whole=True) == '{"a":3}'
        assert out == [e.LiftedDelta(0, ("message",), "text", "!")]
        assert heard == []
        calls.whole_text(0, "f", '{"a":3,"message":"other"}', out, whole=True)
        assert heard == [C.VALUE_CONTRADICTED]
        assert len(out) == 1


def test_lifted_text_in_two_pieces() -> None:
    """Text of which the end shows only when the arguments end is one text."""
    calls, out = lifts(PLAIN), []  # type: tuple[CallLifts, list[Any]]
    calls.whole_text(0, "f", "{}", out, whole=True)
    calls.whole_text(0, "f", '{"message":"ab\\ud83d', out, whole=True)
    assert "".join(event.text for event in out) in ("ab", "ab\ufffd")
    state = calls.getstate()
    assert state[0][5] == ["".join(event.text for event in out)]


def test_nothing_is_held_back_but_what_may_be_a_tag() -> None:
    """Text comes at once, but for the beginning of a tag at its end, be it one character."""
    tags = ThinkTags()
    assert tags.feed("abc def") == [("text", "abc def")]
    assert tags.feed("a<") == [("text", "a")]
    assert tags.held == "<"
    assert tags.feed("think>b") == [("reasoning", "b")]
    assert tags.feed("c</") == [("reasoning", "c")]
    assert tags.feed("x") == [("reasoning", "</x")]
    assert tags.feed("</think") == []
    assert tags.feed(">d") == [("text", "d")]
    assert tags.feed("<thin") == []
    assert tags.close() == [("text", "<thin")]
    assert (tags.close(), tags.held) == ([], "")
    assert tags.feed("e") == [("text", "e")]


# ------------------------------------------------------------------------------------- Chat Completions


def chat(*deltas: JSON, **options: Any) -> Run:
    """A chat stream of one choice with these deltas, ended by the server."""
    chunks = [{"id": "c", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    end = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return run(*chunks, end, "[DONE]", dialect="chat", **options)


def call(arguments: str | None = None, index: int = 0, **fields: Any) -> JSON:
    """A fragment of a function call; the first one has its name."""
    function = {"name": fields.pop("name")} if "name" in fields else {}
    return {"index": index, "function": {**function, "arguments": arguments}, **fields}


def calls(*fragments: JSON) -> JSON:
    """A delta that brings fragments of calls."""
    return {"tool_calls": list(fragments)}


def test_half_a_pair_ends_the_input_of_a_custom_tool() -> None:
    """What is held back of the input of a custom tool's call comes with its end."""
    custom = {"index": 0, "id": "x", "custom": {"name": "n", "input": "a\ud83d"}}
    found = chat(calls(custom))
    assert [(c.name, c.input) for c in calls_of(found.response)] == [("n", "a\ufffd")]
    assert C.LONE_SURROGATE in found.codes


def test_log_probabilities_go_with_the_text_that_they_are_of() -> None:
    """Where tags split a text, its log probabilities are those of no piece alone."""
    probs = {"content": [{"token": "a"}]}
    chunk = {"choices": [{"index": 0, "delta": {"content": "<think>a</think>b"}, "logprobs": probs}]}
    plain = {"choices": [{"index": 0, "delta": {"content": "c"}, "logprobs": probs}]}
    found = run(chunk, plain, dialect="chat", think_tags=True)
    assert found.all(e.TextDelta) == [e.TextDelta(1, 0, "b"), e.TextDelta(1, 0, "c", ({"token": "a"},))]


def test_another_part_begins_no_text() -> None:
    """A part that is neither text nor reasoning joins the message that there is."""
    image = {"type": "image_url", "image_url": {"url": "u"}}
    found = chat({"refusal": "no"}, {"content": [image]})
    assert found.output()[0]["content"] == [{"type": "refusal", "refusal": "no"}, image]


def test_the_same_field_of_a_call_is_told_once() -> None:
    """A field that comes with every fragment updates its item when it is new, and then no more."""
    found = chat(
        calls(call("", name="f", id="x", extra="a")),
        *[calls(call("1", extra="b"))] * 3,
        calls(call(extra="c")),
    )
    updates = [event.item.to_dict()["extra"] for event in found.all(e.ItemUpdated)]
    assert updates == ["b", "c"]
    assert found.output()[0]["extra"] == "c"


def test_fields_of_a_call_in_a_payload_that_brings_text() -> None:
    """A new field updates its item at once, unless the same payload has already brought fragments of it."""
    begin = calls(call("", name="f", id="x"), call("", 1, name="g", id="y"))
    beside = chat(begin, calls(call("{", 0), call(None, 1, extra="a")))
    assert beside.names()[3:6] == ["ArgumentsDelta", "ItemUpdated", "ChoiceUpdated"]
    behind = chat(begin, calls(call("{", 1), call(None, 1, extra="a")))
    assert "ItemUpdated" not in behind.names()[: behind.names().index("ChoiceUpdated")]
    for found in (beside, behind):
        assert [item.get("extra") for item in found.output()] == [None, "a"]


def test_arguments_that_begin_alike_are_kept() -> None:
    """A fragment that begins as the arguments did and goes on otherwise is a fragment like any other."""
    pieces = ['{"a":', "1,", '{"a":2,"b":3']
    found = chat(calls(call(pieces[0], name="f", id="x")), *[calls(call(piece)) for piece in pieces[1:]])
    assert found.texts(e.ArgumentsDelta) == pieces
    assert C.ARGUMENTS_REPEATED not in found.codes


@pytest.mark.parametrize("looked", [False, True])
def test_cumulative_arguments_with_a_lift(looked: bool) -> None:
    """Arguments told again with each fragment are seen as such by what came, not by what was handed on.

    Looking at the response in between changes nothing.
    """
    first = '{"message":"x","b":1'
    reader = ResponseParser("chat", lifts=[TEXT])
    for fragment in (call(first, name="f", id="x"), call(first + "2"), call(first + "23}")):
        reader.feed_payload({"choices": [{"index": 0, "delta": calls(fragment)}]})
        list(reader.events())
        assert not looked or reader.response.output
    assert [c.arguments for c in calls_of(reader.response)] == ['{"b":123}']
    assert [anomaly.code for anomaly in reader.anomalies] == [C.ARGUMENTS_REPEATED]


def test_a_wrong_content_is_told_once() -> None:
    """Content of a wrong type is one anomaly, whether a delta or a message brings it."""
    message = {"choices": [{"index": 0, "message": {"content": 5}}]}
    found = run({"choices": [{"index": 0, "delta": {"content": 5}}]}, message, dialect="chat")
    assert found.codes.count(C.CONTENT_NOT_TEXT) == 1


# --------------------------------------------------------------------------------------- Responses: identity


def test_a_plain_delta_is_told_from_others() -> None:
    """The short cut is for a delta that is the payload's own text, while no half of a pair waits."""
    dialect = ResponseParser()._reader.dialect
    dialect.index_by_wire_index[0] = 0
    payload = {"output_index": 0, "delta": "a"}
    assert dialect.text_path(payload, e.TextDelta(0, 0, "a")) == (("delta",), None)
    assert dialect.text_path(payload, e.TextDelta(0, 0, "b")) is None
    dialect.pending_surrogates[0, ("content", 0, "text")] = 0xD83D
    assert dialect.text_path(payload, e.TextDelta(0, 0, "a")) is None


@pytest.mark.parametrize(
    ("named", "plain"),
    [
        ({"output_index": 5}, True),
        ({"item_id": "a"}, True),
        ({"call_id": "b", "item_id": "a", "output_index": 5}, True),
        ({"id": "b", "item_id": "", "call_id": None}, True),
        ({}, False),
        ({"item_id": ""}, False),
        ({"output_index": 6}, False),
        ({"output_index": True, "item_id": "a"}, False),
        ({"output_index": 5, "item_id": "nobody's"}, False),
        ({"output_index": 5, "call_id": "another's"}, False),
        ({"item_id": "a", "id": "another's"}, False),
    ],
)
def test_a_plain_delta_names_its_item_for_good(named: dict[str, Any], plain: bool) -> None:
    """The short cut is for deltas all of whose names are those of the item that they went to."""
    dialect = ResponseParser()._reader.dialect
    dialect.index_by_wire_index.update({5: 2, 6: 3})
    dialect.index_by_id.update({"a": 2, "b": 2, "another's": 3})
    found = dialect.text_path({"delta": "x", **named}, e.TextDelta(2, 0, "x"))
    assert (found is not None) is plain


def test_a_role_in_every_chunk_is_no_hindrance() -> None:
    """Text with a role beside it takes the short cut once the message has begun."""
    body = b"".join(
        b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"%d"}}]}\n\n' % n
        for n in range(50)
    )
    reader = ResponseParser("chat")
    reader.feed(body)
    work = count_calls(lambda: list(reader.events()))
    assert work["read_payloads"] + work["read_object"] < 10
    assert reader.response.output_text == "".join(map(str, range(50)))


def test_an_item_announced_again_without_its_type() -> None:
    """An announcement that repeats an id announces no other item, with or without a type."""
    found = run(created(), added(0, message()), added(0, {"id": "msg_1"}), text(0, "a"), completed())
    assert found.codes.count(C.ANNOUNCED_TWICE) == 1
    assert C.INDEX_REUSED not in found.codes
    assert len(found.output()) == 1


@pytest.mark.parametrize("name", ["id", "call_id"])
def test_an_index_that_announces_another_item(name: str) -> None:
    """Another id or call id under an index that is taken is another item."""
    one, other = ({"type": "function_call", "name": "f", name: ident} for ident in "ab")
    found = run(created(), added(0, one), added(0, other))
    assert C.INDEX_REUSED in found.codes
    assert [item.get(name) for item in found.output()] == ["a", "b"]


def test_an_announcement_that_says_nothing_new() -> None:
    """An item announced again as it stands is not updated."""
    item = message("", status="in_progress")
    found = run(created(), added(0, item), added(0, item), end="none")
    assert found.names() == ["ResponseStarted", "ItemStarted", "PartStarted"]
    assert found.codes == [C.ANNOUNCED_TWICE]


def test_an_item_told_whole_without_its_arguments() -> None:
    """Arguments told as nothing do not take the place of those that came, with a lift either."""
    item = {"id": "fc", "type": "function_call", "call_id": "x", "name": "f"}
    pieces = [arguments(0, piece, item_id="fc") for piece in ('{"message":"x",', '"b":1}')]
    found = run(created(), added(0, item), *pieces, done(0, {**item, "arguments": ""}), lifts=[TEXT])
    assert [c.arguments for c in calls_of(found.response)] == ['{"b":1}']
    assert found.codes == [C.MISSING_TERMINAL]


def test_an_item_that_is_told_again_with_another_status() -> None:
    """An item ends once; a status that the end of the response tells is an update."""
    early = done(0, message("a", status="in_progress"))
    found = run(created(), added(0, message()), text(0, "a"), early, completed(message("a")))
    assert found.names(of=0)[-2:] == ["ItemFinished", "ItemUpdated"]
    assert found.output()[0]["status"] == "completed"


def test_the_order_at_the_end_with_an_item_missing() -> None:
    """The order is that of the final output; what it leaves out stands before what has a higher index."""
    items = [message(word, id=word) for word in "abc"]
    told = [done(index, item) for index, item in enumerate(items)]
    found = run(created(), *told, completed(items[2], items[0]))
    assert [item["id"] for item in found.output()] == ["b", "c", "a"]
    assert C.ITEM_MISSING_AT_END in found.codes


def test_an_item_is_matched_once() -> None:
    """Two items of one text, one with a new id at the end, are two items."""
    told = [done(0, message("x", id="a")), done(1, message("x", id="b"))]
    found = run(created(), *told, completed(message("x", id="a"), message("x", id="new")))
    assert [item["id"] for item in found.output()] == ["a", "new"]
    assert C.ITEM_MISSING_AT_END not in found.codes


def test_a_refusal_without_an_index() -> None:
    """A refusal goes on in the part that refuses, and ends it, while a part of text is open behind it."""
    parts = [part_added(0, refusal(), 0), part_added(0, output_text(), 1)]
    say = [value("refusal.delta", 0, content_index=0, delta="n"), text(0, "t", 1)]
    more = value("refusal.delta", 0, delta="o")
    found = run(
        created(), added(0, message()), *parts, *say, more, part_done(0, refusal("no"), None), end="none"
    )
    assert found.output()[0]["content"] == [refusal("no"), output_text("t")]
    assert [event.part_index for event in found.all(e.PartFinished)] == [0]
    assert found.codes == [C.INDEX_MISSING]


def test_a_value_under_the_name_of_another_call_s() -> None:
    """The input of a custom tool's call may come as arguments: it is the same value, and goes on as such."""
    item = {"id": "ctc", "type": "custom_tool_call", "call_id": "x", "name": "f", "input": ""}
    ended = value("function_call_arguments.done", 0, arguments="ab")
    found = run(created(), added(0, item), arguments(0, "ab"), ended, arguments(0, "c"), end="none")
    assert [c.input for c in calls_of(found.response)] == ["abc"]
    assert C.DELTA_AFTER_DONE in found.codes


def test_an_annotation_without_an_index_comes_next() -> None:
    """An annotation without an index stands behind those that the part began with, and those that came."""
    link = {"type": "url_citation", "url": "u"}

    def annotation(number: int, **at: Any) -> JSON:
        return value("output_text.annotation.added", 0, content_index=0, annotation={"n": number}, **at)

    began = [added(0, message()), part_added(0, {**output_text(), "annotations": [link]})]
    found = run(created(), *began, annotation(1), annotation(2), end="none")
    assert [event.annotation_index for event in found.all(e.AnnotationAdded)] == [1, 2]
    assert found.output()[0]["content"][0]["annotations"] == [link, {"n": 1}, {"n": 2}]
    began = [added(0, message()), part_added(0, output_text())]
    came = [annotation(1, annotation_index=1), annotation(0, annotation_index=0)]
    found = run(created(), *began, *came, annotation(2), end="none")
    assert [event.annotation_index for event in found.all(e.AnnotationAdded)] == [1, 0, 2]
    assert found.output()[0]["content"][0]["annotations"] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_an_announcement_that_says_one_new_thing() -> None:
    """An item announced again with nothing but another status is updated; with an empty one it is not."""
    item = message(status="in_progress")
    for status, updates in (("searching", 1), ("in_progress", 0), ("", 0)):
        found = run(created(), added(0, item), added(0, {"status": status}), end="none")
        assert len(found.all(e.ItemUpdated)) == updates
        assert found.output()[0]["status"] == (status or "in_progress")


@pytest.mark.parametrize(
    ("name", "part", "owner"),
    [
        ("content_part", {"type": "reasoning_text", "text": ""}, "reasoning"),
        ("content_part", output_text(), "message"),
        ("reasoning_summary_part", {"type": "summary_text", "text": ""}, "reasoning"),
        ("reasoning_summary_part", {"text": ""}, "reasoning"),
    ],
)
def test_whose_a_part_is(name: str, part: JSON, owner: str) -> None:
    """A part of an item that was not announced says what that item is."""
    found = run(created(), value(f"{name}.added", 0, part=part, content_index=0, summary_index=0), end="none")
    assert [item["type"] for item in found.output()] == [owner]


@pytest.mark.parametrize(
    ("item", "kind"),
    [({"arguments": "a"}, "function_call"), ({"content": [output_text("a")]}, "message")],
)
def test_a_type_that_an_announcement_brings_late(item: JSON, kind: str) -> None:
    """What an item without a type holds is handed out once a later announcement tells its type."""
    found = run(created(), added(0, {"id": "x", **item}), added(0, {"id": "x", "type": kind}))
    assert [event.text for event in found.all(e.ArgumentsDelta, e.TextDelta)] == ["a"]


# ------------------------------------------------------------------------------------- the way of the bytes


@pytest.mark.parametrize("chunks", [[501], [300, 250], [1] * 501, [499, 2]])
@pytest.mark.parametrize("begun", [b"", b"\n", b"data: "])
def test_a_line_that_is_too_long_needs_no_end_to_show(chunks: list[int], begun: bytes) -> None:
    """More bytes than a line may have are a fault at once, whether or not the line ever ends."""
    reader = ResponseParser(limits=Limits(line_bytes=500))
    reader.feed(b'data: {"type":"acme:x"}\n\n' + begun)
    assert [type(event) for event in reader.events()] == [e.UnknownEvent]
    *before, last = chunks
    for size in before:
        reader.feed(b"x" * size)
        if begun != b"data: ":
            assert list(reader.events()) == []
    reader.feed(b"x" * last)
    with pytest.raises(LimitExceeded, match="line_bytes"):
        list(reader.events())


def test_a_comment_is_a_line_like_any_other() -> None:
    """Comments are read in every spelling, and may be as long as a line, wherever they stand."""
    decoder = BlockScanner(limits=Limits(line_bytes=12))
    decoder.push(
        b"data: a\n\n:b\n\n: c\n\n:  d\n\n:\n\n: " + b"x" * 10 + b"\n\ndata: e\n\n: " + b"y" * 11 + b"\n\n"
    )
    for told in ("a", "b", "c", " d", "", "x" * 10, "e"):
        signal = decoder.advance()
        assert (decoder.data if signal is Signal.EVENT else decoder.text) == told
    with pytest.raises(LimitExceeded, match="line_bytes"):
        decoder.advance()


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("brackets", [(b'{"a":', b"}"), (b"[", b"]")])
@pytest.mark.parametrize("padding", [0, 20_000])
@pytest.mark.parametrize("limit", [63, 64])
def test_the_depth_of_an_event_is_exact(
    strict: bool, brackets: tuple[bytes, bytes], padding: int, limit: int
) -> None:
    """Exactly the limit passes, beside other brackets as well; one more is a fault, however long the text."""
    opening, closing = brackets
    head = b'{"type":"acme:x","p":"' + b"p" * padding + b'","b":[[],[],{}],"a":'
    for depth, fits in ((limit, True), (limit + 1, False)):
        deep = head + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"
        reader = ResponseParser(strict=strict, limits=Limits(json_depth=limit))
        reader.feed(b"data: " + deep + b"\n\n")
        if fits:
            assert [type(event) for event in reader.events()] == [e.UnknownEvent]
        else:
            with pytest.raises(LimitExceeded, match="json_depth"):
                list(reader.events())


def test_what_was_spoken_and_lifted_is_joined_once() -> None:
    """Whoever looks at the response after each fragment does not pay for all fragments each time."""
    fold = Fold(Limits())
    fold.apply(e.ResponseStarted("r", "m"))
    fold.apply(e.ItemStarted(0, item_from({"type": "function_call"})))
    for piece in "abc":
        fold.apply(e.AudioDelta(piece))
        fold.apply(e.TranscriptDelta(piece))
        fold.apply(e.LiftedDelta(0, ("a",), "text", piece))
        response = fold.response()
    assert response.to_dict()["audio"] == {"data": "abc", "transcript": "abc"}
    assert [lifted.text for lifted in response.lifted] == ["abc"]
    assert [*fold.audio.values(), *fold.lifted.values()] == [["abc"], ["abc"], ["abc"]]


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (output_text("Hello"), []),
        (output_text(""), []),
        (output_text("Hello!"), []),
        ({**output_text(), "text": None}, []),
        ({**output_text(), "text": []}, []),
        ({**output_text(), "text": 5}, [C.INVALID_FIELD]),
        ({**output_text(), "text": ["Hello"]}, [C.INVALID_FIELD]),
        ({**output_text("Hello"), "refusal": 5}, []),
    ],
)
def test_a_part_that_is_sent_whole_once_more(part: JSON, found: list[C]) -> None:
    """What is no text where a text had come is reported; a text that goes on is none."""
    again = run(
        created(),
        added(0, message()),
        part_added(0, output_text()),
        text(0, "Hello"),
        part_done(0, output_text("Hello")),
        part_done(0, part),
    )
    assert [
        anomaly.code for anomaly in again.parser.anomalies if anomaly.code is not C.MISSING_TERMINAL
    ] == found
