"""The rule of evidence, value by value: what was streamed, what is sent again, and what that leads to."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold.machine.build import item_from, part_from
from deltafold.machine.evidence import (
    close_item,
    reconcile_as_streamed,
    reconcile_item,
    reconcile_part,
    reconcile_part_again,
    reconcile_value,
)
from deltafold.machine.fold import Fold
from deltafold.machine.records import ItemRecord, PartRecord, StreamedValue
from deltafold.machine.values import ValuePath
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode as C
from deltafold.model.limits import Limits
from machine.records import record_of
from runs import JSON, output_text

TEXT: ValuePath = ("content", 0, "text")
ARGUMENTS: ValuePath = ("arguments",)
SOME = '{"a":1}'


class Heard:
    """What was reported."""

    def __init__(self) -> None:
        self.found: list[tuple[C, str]] = []

    def __call__(self, code: C, words: str) -> None:
        self.found.append((code, words))

    @property
    def codes(self) -> list[C]:
        """Without their words."""
        return [code for code, _ in self.found]


def value_of(kind: e.ValueKind, pieces: str, ended: int | None = None) -> StreamedValue:
    """A value that came character by character, and was sent whole when it had so many."""
    if ended is None:
        return StreamedValue(kind, list(pieces))
    value = StreamedValue(kind, list(pieces[:ended]), True)
    for piece in pieces[ended:]:
        value.add(piece)
    return value


# ------------------------------------------------------------------------------------------------ one value

GOES_ON, ENDS, REPLACED = "goes on", "ends", "replaced"


@pytest.mark.parametrize(
    ("known", "ended", "sent", "steps"),
    [
        # nothing had come
        (None, None, "", [ENDS]),
        (None, None, "ab", [GOES_ON, ENDS]),
        # it had come as it is sent, in part, or more of it
        ("ab", None, "ab", [ENDS]),
        ("ab", None, "abc", [GOES_ON, ENDS]),
        ("ab", None, "", []),
        ("", None, "", [ENDS]),
        # a shorter one contradicts what came, unless it is what was sent whole before that went on
        ("ab", None, "a", [REPLACED]),
        ("ab", 2, "a", [REPLACED]),
        ("abc", 2, "ab", []),
        ("abc", 2, "abc", []),
        ("abc", 2, "a", [REPLACED]),
        ("abc", 2, "ac", [REPLACED]),
        ("abc", 2, "abcd", [GOES_ON, ENDS]),
        ("ab", 2, "ab", []),
        ("ab", 2, "", []),
        ("ab", None, "x", [REPLACED]),
        ("ab", None, "xbc", [REPLACED]),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("kind", ["text", "refusal", "summary", "reasoning", "code", "output"])
def test_a_text_that_is_sent_again(
    kind: Any, known: str | None, ended: int | None, sent: str, steps: list[str], whole: bool
) -> None:
    """What is new comes as a delta, the end once, and a contradiction is replaced and reported."""
    key: ValuePath = {"summary": ("summary", 0, "text"), "code": ("code",), "output": ("output",)}.get(
        kind, ("content", 0, "refusal" if kind == "refusal" else "text")
    )
    value = None if known is None else value_of(kind, known, ended)
    heard = Heard()
    events = reconcile_value(3, kind, key, value, sent, heard, whole=whole)
    at: JSON = {"text": {"content_index": 0}, "refusal": {"content_index": 0}}.get(
        kind, {"part_index": 0} if kind in ("summary", "reasoning") else {}
    )
    more = sent[len(known or "") :]
    deltas: dict[str, Any] = {
        "text": lambda: e.TextDelta(3, 0, more),
        "refusal": lambda: e.RefusalDelta(3, 0, more),
        "summary": lambda: e.ReasoningDelta(3, 0, more, "summary"),
        "reasoning": lambda: e.ReasoningDelta(3, 0, more, "text"),
        "code": lambda: e.CodeDelta(3, more),
        "output": lambda: e.OutputDelta(3, more),
    }
    made = {
        GOES_ON: deltas[kind],
        ENDS: lambda: e.ValueFinished(3, kind, sent, **at),
        REPLACED: lambda: e.ValueReplaced(3, kind, sent, **at),
    }
    assert events == [made[step]() for step in steps if whole or step != ENDS]
    words = f"{kind} was streamed as {known!r}, then sent as {sent!r}"
    assert heard.found == ([(C.VALUE_CONTRADICTED, words)] if REPLACED in steps else [])


@pytest.mark.parametrize(
    ("known", "sent", "steps"),
    [
        # nothing is no evidence: the end of the call says whether it has none
        (None, "", []),
        ("", "", []),
        (SOME, "", []),
        (None, "{}", [GOES_ON, ENDS]),
        (None, SOME, [GOES_ON, ENDS]),
        # an empty object erases nothing that says something, and goes on with its own beginning
        (SOME, "{}", []),
        (SOME, " [] ", []),
        (SOME, "{ }", [REPLACED]),
        ("{", "{}", [GOES_ON, ENDS]),
        ("[", "[]", [GOES_ON, ENDS]),
        ("[", "{}", []),
        ('"', "{}", []),
        ("{}", "{}", [ENDS]),
        ("", "{}", [GOES_ON, ENDS]),
        # several empty ones say no more than one
        ("{}{}", "{}", [REPLACED]),
        ("{} []", "{}", [REPLACED]),
        ("[]", "{}", [REPLACED]),
        ("  ", "{}", [REPLACED]),
        ("{}", SOME, [REPLACED]),
        (SOME, SOME, [ENDS]),
        ('{"a"', SOME, [GOES_ON, ENDS]),
        (SOME, '{"b":2}', [REPLACED]),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_arguments_that_are_sent_again(known: str | None, sent: str, steps: list[str], whole: bool) -> None:
    """Empty ones erase nothing; all else is as with a text."""
    value = None if known is None else value_of("arguments", known)
    heard = Heard()
    events = reconcile_value(0, "arguments", ARGUMENTS, value, sent, heard, whole=whole)
    made: dict[str, e.Event] = {
        GOES_ON: e.ArgumentsDelta(0, sent[len(known or "") :]),
        ENDS: e.ValueFinished(0, "arguments", sent),
        REPLACED: e.ValueReplaced(0, "arguments", sent),
    }
    assert events == [made[step] for step in steps if whole or step != ENDS]
    assert heard.codes == ([C.VALUE_CONTRADICTED] if REPLACED in steps else [])


@pytest.mark.parametrize(
    ("size", "shown"),
    [(40, "x" * 40), (41, "x" * 20 + "…" + "x" * 20), (0, ""), (99, "x" * 20 + "…" + "x" * 20)],
)
def test_a_contradiction_tells_both_in_short(size: int, shown: str) -> None:
    """Of a long text its beginning and its end."""
    heard = Heard()
    reconcile_value(0, "text", TEXT, value_of("text", "ab"), "x" * size, heard, whole=True)
    words = f"text was streamed as 'ab', then sent as {shown!r}"
    assert heard.found == ([(C.VALUE_CONTRADICTED, words)] if size else [])
    sides = Heard()
    long = "a" * 20 + "m" + "z" * 20
    reconcile_value(0, "text", TEXT, value_of("text", long), "b", sides, whole=True)
    assert sides.found[0][1] == f"text was streamed as '{'a' * 20}…{'z' * 20}', then sent as 'b'"


# ------------------------------------------------------------------------------------------------- an item


def item_with_values() -> ItemRecord:
    """A message with a part whose text is open, one that is whole, and a call's arguments that are none."""
    record = record_of({"type": "message", "status": "in_progress", "content": [{"type": "output_text"}] * 3})
    record.values["content", 0, "text"] = value_of("text", "ab")
    record.values["content", 1, "text"] = value_of("text", "cd", 2)
    record.values["content", 2, "text"] = value_of("text", "")
    record.values["arguments",] = value_of("arguments", "")
    return record


def test_an_item_that_ends_as_it_was_streamed() -> None:
    """Its values that are open end, an empty one of arguments excepted; its status alone is another."""
    record = item_with_values()
    told = {**record.to_dict(), "status": "completed"}
    ends = [e.ValueFinished(0, "text", "ab", 0), e.ValueFinished(0, "text", "", 2)]
    assert reconcile_as_streamed(record, told) == ends
    assert reconcile_as_streamed(record, record.to_dict()) == ends
    bare = {key: member for key, member in told.items() if key != "status"}
    assert reconcile_as_streamed(record, {**bare, "status": None}) == ends
    for other in ({**told, "more": 1}, {**told, "content": []}, bare, {**told, "type": "x"}):
        assert reconcile_as_streamed(record, other) is None


@pytest.mark.parametrize(
    ("item", "arguments", "events"),
    [
        ({"type": "function_call"}, None, [e.ArgumentsDelta(0, "{}")]),
        ({"type": "function_call"}, "", [e.ArgumentsDelta(0, "{}")]),
        ({"type": "function_call"}, "{", [e.ValueFinished(0, "arguments", "{")]),
        ({"type": "function_call", "status": "incomplete"}, "", []),
        ({"type": "mcp_call"}, "", []),
    ],
)
def test_a_call_that_ends_without_arguments(item: JSON, arguments: str | None, events: list[e.Event]) -> None:
    """A function that was called without any gets an empty object."""
    record = record_of(item)
    if arguments is not None:
        record.values["arguments",] = value_of("arguments", arguments)
    assert reconcile_as_streamed(record, {**record.to_dict(), "status": item.get("status")}) == events


@pytest.mark.parametrize("name", ["encrypted_content", "status"])
@pytest.mark.parametrize("known", ["before", None])
@pytest.mark.parametrize(
    ("sent", "whole", "done", "kept"),
    [
        ({}, True, False, "left out"),
        ({"": None}, True, False, None),
        ({"": ""}, True, False, ""),
        ({"": "after"}, True, False, "after"),
        ({}, False, False, "before"),
        ({"": None}, False, False, "before"),
        ({"": "after"}, False, False, "after"),
        ({}, True, True, "before"),
        ({"": None}, True, True, "before"),
        ({"": "after"}, True, True, "after"),
    ],
)
def test_what_an_announcement_says_provisionally(
    name: str, known: str | None, sent: JSON, whole: bool, done: bool, kept: str | None
) -> None:
    """Its status and its ciphertext hold until the item is sent whole for the first time."""
    record = record_of({"type": "reasoning", "id": "rs"} | ({name: known} if known else {}), done=done)
    told = {"type": "reasoning"} | ({name: sent[""]} if sent else {})
    merged, events = reconcile_item(record, told, Heard(), whole=whole)
    want = {"type": "reasoning", "id": "rs", name: kept}
    if known is None and kept in ("before", "left out"):
        want[name] = sent.get("", "left out")
    if want[name] == "left out":
        del want[name]
    assert (merged, events) == (want, [])


@pytest.mark.parametrize(
    ("known", "sent", "merged"),
    [
        ("", {"type": "message"}, "message"),
        ("", {"type": 5}, 5),
        ("", {}, None),
        ("message", {}, "message"),
        ("message", {"type": None}, "message"),
        ("message", {"type": 5}, "message"),
        ("message", {"type": "brand"}, "brand"),
    ],
)
def test_the_type_of_an_item_that_is_sent_again(known: str, sent: JSON, merged: Any) -> None:
    """It stays what it was where it is not sent, and is learned where it was not known."""
    record = record_of({}, kind=known)
    record.type = known
    settled, _ = reconcile_item(record, sent, Heard(), whole=True)
    assert settled.get("type") == merged
    assert record.type == (known or (merged if isinstance(merged, str) else ""))


@pytest.mark.parametrize("group", ["content", "summary"])
@pytest.mark.parametrize(("entries", "wrong"), [("words", True), (5, True), ({"a": 1}, True), ("", False)])
def test_parts_that_are_sent_as_something_else(group: str, entries: Any, wrong: bool) -> None:
    """What is no list takes the place of no part; where no part had come it is kept as it is."""
    part = {"type": "brand", "x": 1}
    known = {"type": "brand", group: [part]}
    heard = Heard()
    merged, events = reconcile_item(record_of(known), {"type": "brand", group: entries}, heard, whole=True)
    assert (merged, events) == (known, [])
    assert heard.found == ([(C.INVALID_FIELD, f"{group} is {entries!r}")] if wrong else [])
    heard = Heard()
    merged, _ = reconcile_item(record_of({"type": "brand"}), {group: entries}, heard, whole=True)
    assert merged == {"type": "brand", group: entries}
    assert heard.found == []
    long = Heard()
    reconcile_item(record_of(known), {group: "w" * 99}, long, whole=True)
    assert long.found == [(C.INVALID_FIELD, f"{group} is '" + "w" * 39)]


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("function_call", "arguments", "arguments"),
        ("mcp_call", "arguments", "arguments"),
        ("custom_tool_call", "input", "arguments"),
        ("code_interpreter_call", "code", "code"),
    ],
)
@pytest.mark.parametrize("known", [None, "1"])
def test_the_value_of_an_item_is_read_from_it(kind: str, name: str, told: Any, known: str | None) -> None:
    """What is sent of it beyond what had come is handed out under its own kind."""
    record = record_of({"type": kind} | ({} if known is None else {name: known}))
    merged, events = reconcile_item(record, {"type": kind, name: "12"}, Heard(), whole=True)
    delta = e.CodeDelta if told == "code" else e.ArgumentsDelta
    assert events == [delta(0, "12"[len(known or "") :]), e.ValueFinished(0, told, "12")]
    assert merged == {"type": kind, name: "12"}
    for other in ({"type": kind}, {"type": kind, name: None}, {"type": kind, name: 5}):
        record = record_of({"type": kind} | ({} if known is None else {name: known}))
        merged, events = reconcile_item(record, other, Heard(), whole=True)
        assert events == []
        assert merged.get(name) == (other.get(name) if known is None else known)


def test_what_an_item_keeps_of_its_values() -> None:
    """One that the item, sent again, has as nothing stays where it stands; another stands as it is sent."""
    record = record_of({"type": "function_call", "operation": {"type": "x"}, "name": "f"})
    record.values["operation", "diff"] = value_of("diff", "+a")
    record.values["arguments",] = value_of("arguments", SOME)
    merged, events = reconcile_item(record, {"arguments": "{}", "operation": {}}, Heard(), whole=True)
    assert merged["operation"] == {"type": "x", "diff": "+a"}
    assert merged["arguments"] == SOME
    assert events == []
    merged, events = reconcile_item(record, {"operation": {"diff": "+ab"}}, Heard(), whole=True)
    assert merged["operation"] == {"diff": "+ab"}
    assert events == [e.DiffDelta(0, "b"), e.ValueFinished(0, "diff", "+ab")]


# ------------------------------------------------------------------------------------------------ the parts


def message_of(*texts: str) -> ItemRecord:
    """A message with parts of text, each of which came in fragments."""
    parts = [{"type": "output_text", "annotations": []} for _ in texts]
    record = record_of({"type": "message", "content": parts})
    for index, text in enumerate(texts):
        record.values["content", index, "text"] = value_of("text", text)
    return record


def test_parts_that_the_item_does_not_have_when_it_is_sent() -> None:
    """Those that hold text stay in their place; one that holds nothing goes."""
    record = message_of("a", "", "c")
    merged, events = reconcile_item(record, {"content": [output_text("a")]}, Heard(), whole=True)
    assert merged["content"] == [output_text("a"), output_text("c")]
    assert events == [e.ValueFinished(0, "text", "a", 0)]
    merged, events = reconcile_item(message_of("a", "", "c"), {"content": []}, Heard(), whole=True)
    assert [part["text"] for part in merged["content"]] == ["a", "", "c"]
    record = record_of({"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}]})
    record.values["content", 0, "text"] = value_of("reasoning", "t")
    record.add_part("content", 0, PartRecord({"type": "reasoning_text"}))
    merged, _ = reconcile_item(
        record, {"summary": [{"type": "summary_text", "text": "s"}]}, Heard(), whole=True
    )
    assert merged["summary"] == [{"type": "summary_text", "text": "s"}]
    assert merged["content"] == [{"type": "reasoning_text", "text": "t"}]


def test_parts_that_are_counted_from_one() -> None:
    """A list has its entries in the order of the parts that came, and more behind those."""
    record = record_of({"type": "message"})
    for index, text in ((1, "a"), (4, "b")):
        record.add_part("content", index, PartRecord({"type": "output_text"}))
        record.values["content", index, "text"] = value_of("text", text)
    entries = [{"type": "output_text", "text": text} for text in ("a", "b", "c")]
    merged, events = reconcile_item(record, {"content": entries}, Heard(), whole=True)
    assert merged["content"] == entries
    assert events == [
        e.ValueFinished(0, "text", "a", 1),
        e.ValueFinished(0, "text", "b", 4),
        e.PartStarted(0, 5, "content", part_from({"type": "output_text", "text": ""})),
        e.TextDelta(0, 5, "c"),
        e.ValueFinished(0, "text", "c", 5),
    ]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("kind", "group", "entry", "begun", "values"),
    [
        ("message", "content", {"type": "output_text", "text": "a"}, {"text": ""}, [("text", "a")]),
        ("message", "content", {"type": "refusal", "refusal": "a"}, {"refusal": ""}, [("refusal", "a")]),
        (
            "message",
            "content",
            {"type": "x", "text": "a", "refusal": "b"},
            {"text": "", "refusal": ""},
            [("text", "a"), ("refusal", "b")],
        ),
        ("message", "content", {"type": "refusal", "text": "a"}, {"text": ""}, [("text", "a")]),
        ("message", "content", {"type": "output_text", "text": ""}, {}, [("text", "")]),
        ("message", "content", {"type": "output_text", "text": 5}, {}, []),
        ("message", "content", {"type": "x", "refusal": None}, {}, []),
        ("reasoning", "content", {"type": "reasoning_text", "text": "a"}, {"text": ""}, [("reasoning", "a")]),
        ("reasoning", "summary", {"type": "summary_text", "text": "a"}, {"text": ""}, [("summary", "a")]),
        ("brand", "summary", {"text": "a", "refusal": "b"}, {"text": ""}, [("summary", "a")]),
        ("brand", "content", {"text": "a", "refusal": "b"}, {"refusal": ""}, [("refusal", "b")]),
        ("message", "content", "words", None, []),
        ("message", "content", None, None, []),
    ],
)
def test_a_part_that_nothing_announced(
    kind: str, group: Any, entry: Any, begun: JSON | None, values: list[Any], whole: bool
) -> None:
    """It begins blank, and all that streams in such a part comes after that."""
    record, heard = record_of({"type": kind}), Heard()
    merged, events = reconcile_part(record, group, 2, entry, heard, whole=whole)
    assert (merged, heard.found) == (entry, [])
    started = [event for event in events if isinstance(event, e.PartStarted)]
    if begun is None:
        assert events == []
        return
    thought = {"reasoning": kind == "reasoning", "summary": group == "summary"}
    assert started == [e.PartStarted(0, 2, group, part_from({**entry, **begun}, **thought))]
    assert [event.part.data for event in started] == [{**entry, **begun}]
    named = {"summary": "part_index", "reasoning": "part_index"}
    ends = [e.ValueFinished(0, told, text, **{named.get(told, "content_index"): 2}) for told, text in values]
    assert [event for event in events if isinstance(event, e.ValueFinished)] == (ends if whole else [])
    deltas: list[Any] = [event for event in events if not isinstance(event, (e.PartStarted, e.ValueFinished))]
    assert [delta.text for delta in deltas] == [text for _, text in values if text]


@pytest.mark.parametrize(
    ("entry", "merged", "codes"),
    [
        (output_text("ab"), output_text("ab"), []),
        (output_text("abc"), output_text("abc"), []),
        ({**output_text("ab"), "x": 1}, {**output_text("ab"), "x": 1}, []),
        (output_text(""), output_text("ab"), []),
        (output_text(None), output_text("ab"), []),
        ({"type": "output_text"}, {"type": "output_text", "text": "ab"}, []),
        (output_text(5), output_text("ab"), [C.INVALID_FIELD]),
        (output_text("x"), output_text("x"), [C.VALUE_CONTRADICTED]),
        ("words", output_text("ab"), [C.INVALID_FIELD]),
        (None, output_text("ab"), [C.INVALID_FIELD]),
        (
            {**output_text("ab"), "type": "refusal"},
            {**output_text("ab"), "type": "refusal"},
            [C.TEXT_IN_REFUSAL],
        ),
    ],
)
@pytest.mark.parametrize("ended", [None, 2])
def test_a_part_that_is_sent_again(entry: Any, merged: Any, codes: list[C], ended: int | None) -> None:
    """It stays what it was where nothing is sent, and what is no text takes the place of none."""
    record = message_of("ab")
    record.values[TEXT] = value_of("text", "ab", ended)
    heard = Heard()
    settled, events = reconcile_part(record, "content", 0, entry, heard, whole=True)
    assert (settled, heard.codes) == (merged, codes)
    text = merged["text"]
    want: list[e.Event] = [e.ValueFinished(0, "text", text, 0)] if ended is None or text == "abc" else []
    if text == "abc":
        want.insert(0, e.TextDelta(0, 0, "c"))
    if text == "x":
        want = [e.ValueReplaced(0, "text", "x", 0)]
    assert events == want


def test_a_wrong_part_is_told_in_short() -> None:
    """With its beginning."""
    for entry, words in (
        ("w" * 99, "a part is '" + "w" * 39),
        (output_text(["w" * 99]), "text is ['" + "w" * 38),
    ):
        heard = Heard()
        reconcile_part(message_of("ab"), "content", 0, entry, heard, whole=True)
        assert heard.found == [(C.INVALID_FIELD, words)]


def test_a_text_that_went_on_after_its_end_stays() -> None:
    """Where the part is sent with what it had by then, and only there."""
    record = message_of("abc")
    record.values[TEXT] = value_of("text", "abc", 2)
    for text, kept in (("ab", "abc"), ("abc", "abc"), ("ac", "ac")):
        merged, _ = reconcile_part(record, "content", 0, output_text(text), Heard(), whole=True)
        assert merged == output_text(kept)


@pytest.mark.parametrize("known", [None, "words", 5])
def test_a_part_that_was_no_object(known: Any) -> None:
    """It is what is sent of it now."""
    record = record_of({"type": "message", "content": [known]})
    merged, events = reconcile_part(record, "content", 0, output_text("a"), Heard(), whole=True)
    assert merged == output_text("a")
    assert events == [e.TextDelta(0, 0, "a"), e.ValueFinished(0, "text", "a", 0)]


REFUSAL = {"type": "refusal", "refusal": "", "text": "a"}


@pytest.mark.parametrize(
    ("known", "group", "sent", "told"),
    [
        ({"type": "output_text"}, "content", REFUSAL, True),
        ({"type": "output_text"}, "content", {**REFUSAL, "text": ""}, False),
        ({"type": "output_text"}, "content", {**REFUSAL, "type": "output_text"}, False),
        ({"type": "refusal"}, "content", REFUSAL, False),
        ("words", "content", REFUSAL, True),
        ({"type": "summary_text"}, "summary", REFUSAL, False),
    ],
)
def test_a_text_in_what_becomes_a_refusal(known: Any, group: Any, sent: JSON, told: bool) -> None:
    """It is reported where the part was handed out as something else, at its first end and at others."""
    words = [(C.TEXT_IN_REFUSAL, "'a' stands in a refusal")] if told else []
    first, again = Heard(), Heard()
    reconcile_part(record_of({"type": "message", group: [known]}), group, 0, sent, first, whole=True)
    reconcile_part_again(record_of({"type": "message", group: [known]}), group, 0, sent, again)
    assert (first.found, again.found) == (words, words)


@pytest.mark.parametrize(
    ("sent", "events", "wrong"),
    [
        (output_text("ab"), [], None),
        (output_text(""), [], None),
        (output_text(None), [], None),
        (output_text([]), [], None),
        ({}, [], None),
        (output_text("abc"), [e.TextDelta(0, 0, "c"), e.ValueFinished(0, "text", "abc", 0)], None),
        (
            output_text("x"),
            [e.ValueReplaced(0, "text", "x", 0)],
            "text was streamed as 'ab', then sent as 'x'",
        ),
        (output_text(5), [], "text is 5"),
        (output_text(["w" * 99]), [], "text is ['" + "w" * 38),
        ({"refusal": 5}, [], None),
        ({"refusal": "r"}, [e.RefusalDelta(0, 0, "r"), e.ValueFinished(0, "refusal", "r", 0)], None),
    ],
)
def test_a_part_that_was_whole_is_sent_again(sent: JSON, events: list[e.Event], wrong: str | None) -> None:
    """What is new of its values comes, and what is no text is reported where one had come."""
    record = message_of("ab")
    record.values[TEXT] = value_of("text", "ab", 2)
    heard = Heard()
    assert reconcile_part_again(record, "content", 0, sent, heard) == events
    assert [words for _, words in heard.found] == ([] if wrong is None else [wrong])


# ---------------------------------------------------------------------------- an item that nobody sent whole

CALL: JSON = {"type": "function_call", "name": "f", "status": "in_progress"}


@pytest.mark.parametrize(
    ("status", "arguments", "more", "late", "events", "item"),
    [
        (
            "completed",
            "{",
            "}",
            {},
            [e.ArgumentsDelta(0, "}"), e.ValueFinished(0, "arguments", "{}")],
            {"arguments": "{}"},
        ),
        ("completed", "{}", "", {}, [e.ValueFinished(0, "arguments", "{}")], {"arguments": "{}"}),
        ("completed", "", "", {}, [e.ArgumentsDelta(0, "{}")], {"arguments": "{}"}),
        (
            "completed",
            "{}",
            "",
            {"call_id": "c"},
            [e.ValueFinished(0, "arguments", "{}")],
            {"arguments": "{}", "call_id": "c"},
        ),
        (
            "completed",
            "{}",
            "",
            {"status": "searching"},
            [e.ValueFinished(0, "arguments", "{}")],
            {"arguments": "{}", "status": "searching"},
        ),
        ("incomplete", "", "", {}, [], {"arguments": ""}),
        ("incomplete", "{", "", {}, [e.ValueFinished(0, "arguments", "{")], {"arguments": "{"}),
        (None, "{", "", {}, [], None),
        (None, "{", "}", {}, [e.ArgumentsDelta(0, "}")], None),
        (None, "", "", {}, [], None),
        (None, "{", "", {"call_id": "c"}, [], {"arguments": "{", "call_id": "c", "status": "in_progress"}),
    ],
)
def test_an_item_that_ends_with_its_response(
    status: str | None, arguments: str, more: str, late: JSON, events: list[e.Event], item: JSON | None
) -> None:
    """What was held back and what came late is told; as finished where the server told the end."""
    record = record_of({**CALL, "arguments": ""})
    record.values["arguments",] = value_of("arguments", arguments)
    held = {ARGUMENTS: more} if more else {}
    made = close_item(Fold(Limits()), record, status, held, late, Heard())
    if item is not None:
        told = item_from({**CALL, "status": status, **item}, whole=status == "completed")
        last = e.ItemUpdated(0, told) if status is None else e.ItemFinished(0, told)
        assert made[-1] == last
        assert made[-1].to_dict() == last.to_dict()
        made = made[:-1]
    assert made == events


@pytest.mark.parametrize(("status", "arguments"), [("completed", ["{}"]), ("incomplete", [])])
def test_a_call_that_told_no_status(status: str, arguments: list[str]) -> None:
    """It had no arguments where its response is complete, and may have lost them where that is not."""
    record = record_of({"type": "function_call", "name": "f"})
    made: list[Any] = close_item(Fold(Limits()), record, status, {}, {}, Heard())
    assert [event.text for event in made[:-1]] == arguments
    assert made[-1].item.to_dict().get("arguments") == (arguments[0] if arguments else None)


@pytest.mark.parametrize("status", ["completed", "incomplete", None])
def test_all_values_of_an_item_end_with_it(status: str | None) -> None:
    """Those that are open, an empty one of arguments excepted; and its status is that of the end."""
    made = close_item(Fold(Limits()), item_with_values(), status, {}, {}, Heard())
    if status is None:
        assert made == []
        return
    assert made[:-1] == [e.ValueFinished(0, "text", "ab", 0), e.ValueFinished(0, "text", "", 2)]
    finished = made[-1]
    assert isinstance(finished, e.ItemFinished)
    assert finished.item.to_dict()["status"] == status
