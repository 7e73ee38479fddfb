"""The incremental reader of tool arguments, against `json` and against the letter of RFC 8259."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold.arguments.reader import (
    ArgumentsError,
    ArgumentsReader,
    JSONKind,
    JSONValueFinished,
    JSONValueStarted,
    PathEvent,
    StringDelta,
)
from deltafold.model.errors import UsageError


def mended(value: Any) -> Any:
    """The value with every unpaired surrogate as U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [mended(element) for element in value]
    if isinstance(value, dict):
        return {mended(key): mended(element) for key, element in value.items()}
    return value


# A Python integer is a JSON number of any size; a float must survive repr.
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(
    [
        "\ud83d",
        "\ude00",
        "a\ud83d\ude00b",
        "\ud83d\ud83d\ude00",
        '"}',
        "\\u0041",
        "line\nfeed",
        "\u2028",
        "\x00",
    ]
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects whose keys stay different when surrogates are mended: no prefix law holds otherwise."""
    members = st.lists(st.tuples(TEXTS, inner), max_size=4, unique_by=lambda member: mended(member[0]))
    return members.map(dict)


VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | objects(inner),
    max_leaves=12,
)
LAYOUTS = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"separators": (" ,\n", " :\t")},
        {"indent": 2},
        {"ensure_ascii": False},
    ]
)
DOCUMENTS = st.builds(lambda value, layout: json.dumps(value, **layout), VALUES, LAYOUTS)


def strict(text: str) -> tuple[bool, Any]:
    """Whether `json` accepts the text without its extensions, and the value."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        return True, mended(json.loads(text, parse_constant=refuse))
    except ValueError:
        return False, None


def read(*fragments: str, close: bool = True, **options: Any) -> ArgumentsReader:
    reader = ArgumentsReader(**options)
    for fragment in fragments:
        reader.feed(fragment)
    if close:
        reader.close()
    return reader


def same(one: Any, other: Any) -> bool:
    """Equality that tells 1 from True and from 1.0, and sees the order of keys."""
    return json.dumps(one) == json.dumps(other)


@st.composite
def cut(draw: st.DrawFn, documents: st.SearchStrategy[str]) -> tuple[str, list[str]]:
    """A document and its fragments, some of them empty."""
    text = draw(documents)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return text, [text[i:j] for i, j in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def mutated(draw: st.DrawFn, documents: st.SearchStrategy[str]) -> str:
    """A document with one character taken out, put in, or everything from there on cut off."""
    text = draw(documents)
    at = draw(st.integers(0, len(text)))
    put = draw(st.sampled_from(list('{}[]",:\\ue+-.019 tfn\x00\ud83d\ude00')))
    return draw(
        st.sampled_from([text[:at], text[:at] + text[at + 1 :], text[:at] + put + text[at:], text + put])
    )


def told(events: list[PathEvent]) -> list[PathEvent]:
    """The events with neighbouring deltas of a string joined."""
    joined: list[PathEvent] = []
    for event in events:
        if isinstance(event, StringDelta) and joined and isinstance(joined[-1], StringDelta):
            joined[-1] = StringDelta(event.path, joined[-1].text + event.text)
        else:
            joined.append(event)
    return joined


# ---------------------------------------------------------------------------------------- properties


@given(cut(DOCUMENTS))
def test_any_cut_gives_the_value_of_the_whole(case: tuple[str, list[str]]) -> None:
    """However a document is cut, the reader ends complete with the value that `json` reads."""
    text, fragments = case
    reader = read(*fragments)
    assert reader.error is None
    assert reader.complete
    assert same(reader.value(), strict(text)[1])


@given(cut(DOCUMENTS | mutated(DOCUMENTS)))
def test_any_cut_gives_the_same_events(case: tuple[str, list[str]]) -> None:
    """Path events, error and value depend on the text, not on how it is cut."""
    text, fragments = case
    whole, pieces = read(text, events=True), read(*fragments, events=True)
    assert told(pieces.take_events()) == told(whole.take_events())
    assert pieces.error == whole.error
    assert pieces.complete == whole.complete
    assert same(pieces.value(), whole.value())


@given(cut(DOCUMENTS))
def test_events_rebuild_the_value(case: tuple[str, list[str]]) -> None:
    """Every value is started and finished once, and what the events tell is what stands in the value."""
    text, fragments = case
    reader = read(*fragments, events=True)
    events = told(reader.take_events())
    open_paths: list[Any] = []
    texts: dict[Any, str] = {}
    for event in events:
        if isinstance(event, JSONValueStarted):
            open_paths.append((event.path, event.kind))
            texts[event.path] = ""
        elif isinstance(event, StringDelta):
            texts[event.path] += event.text
        else:
            assert open_paths.pop() == (event.path, event.kind)
            value = reader.value()
            for step in event.path:
                value = value[step]
            if event.kind not in (JSONKind.OBJECT, JSONKind.ARRAY):
                assert same(event.value, value)
            if event.kind is JSONKind.STRING:
                assert texts[event.path] == value
    assert open_paths == []
    first, last = events[0], events[-1]
    assert isinstance(first, JSONValueStarted)
    assert isinstance(last, JSONValueFinished)
    assert (first.path, last.path) == ((), ())
    assert same(strict(text[first.position : last.position])[1], reader.value())


def is_prefix(part: Any, whole: Any) -> bool:
    """Whether `whole` is `part` or goes on from it: all that stands but the last is final."""
    if isinstance(part, str):
        return isinstance(whole, str) and whole.startswith(part)
    if isinstance(part, list) and part:
        return same(part[:-1], whole[: len(part) - 1]) and is_prefix(part[-1], whole[len(part) - 1])
    if isinstance(part, dict) and part:
        *done, last = part
        return (
            list(part) == list(whole)[: len(part)]
            and all(same(part[key], whole[key]) for key in done)
            and is_prefix(part[last], whole[last])
        )
    return same(part, whole) or (part in ([], {}) and isinstance(whole, type(part)))


@given(DOCUMENTS)
def test_every_prefix_is_a_prefix(text: str) -> None:
    """After each character the value is a prefix of the next one and of the whole, and not complete early."""
    whole = strict(text)[1]
    reader, last = ArgumentsReader(), None
    for count, char in enumerate(text, 1):
        reader.feed(char)
        part = reader.value()
        assert part is None or is_prefix(part, whole)
        assert last is None or is_prefix(last, part)
        assert reader.error is None
        assert not reader.complete or count == len(text)
        last = json.loads(json.dumps(part))


@given(cut(mutated(DOCUMENTS)))
def test_accepts_exactly_what_strict_json_accepts(case: tuple[str, list[str]]) -> None:
    """A document with a fault is refused if and only if `json` refuses it, with a position inside of it."""
    text, fragments = case
    good, value = strict(text)
    reader = read(*fragments)
    assert reader.complete is good
    assert (reader.error is None) is good
    if good:
        assert same(reader.value(), value)
    else:
        assert reader.error is not None
        assert 0 <= reader.error.position <= len(text)


@given(
    st.lists(
        st.sampled_from(
            [*'{}[]",:\\-1.eE x', "\\u", "d83d", "de00", "\ud83d", "\ude00", "true", "nul", "\x00"]
        )
    )
)
def test_nothing_escapes(fragments: list[str]) -> None:
    """Whatever is fed, nothing is raised and the value is JSON at every step."""
    reader = ArgumentsReader()
    for fragment in fragments:
        reader.feed(fragment)
        json.dumps(reader.value()).encode()
    reader.close()
    assert reader.complete is strict("".join(fragments))[0]


@given(DOCUMENTS | mutated(DOCUMENTS))
def test_goes_on_from_its_state_at_every_position(text: str) -> None:
    """A reader that goes through `json` before each character, untaken events too, ends as the whole does."""
    whole = read(text, events=True)
    reader = ArgumentsReader(events=True)
    for char in text:
        reader = ArgumentsReader.resume(json.loads(json.dumps(reader.getstate())))
        reader.feed(char)
    reader.close()
    reader = ArgumentsReader.resume(json.loads(json.dumps(reader.getstate())))
    assert (reader.complete, reader.error) == (whole.complete, whole.error)
    assert same(reader.value(), whole.value())
    assert told(reader.take_events()) == told(whole.take_events())


@given(st.lists(st.tuples(st.sampled_from("ab"), VALUES), max_size=5))
def test_of_duplicate_keys_the_last_wins(members: list[tuple[str, Any]]) -> None:
    """An object with the same key again and again is read as `json` reads it, order of keys included."""
    text = "{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in members) + "}"
    assert same(read(*text).value(), strict(text)[1])


# ------------------------------------------------------------------------------------------- grammar

ACCEPTED = [
    # literals
    "true", "false", "null", " true ", "[true,false,null]",
    # numbers
    "0", "-0", "7", "-7", "10", "1234567890", "0.0", "-0.0", "1.5", "0.001", "1e5", "1E5", "1e+5",
    "1E-05", "1.5e3",
    "0e0", "-0E-0", "1e-400", "5e-324", "1.7976931348623157e308", "1e400", "-1e400", "9007199254740993",
    "18446744073709551616", "123456789012345678901234567890", "0.1000000000000000055511151231257827",
    "[0,-1,2.5]", "9" * 4300, "0." + "1" * 5000, "1" * 4300 + "e0", "[1 ,2\t]",
    # strings
    '""', '"a"', '" "', '"\\""', '"\\\\"', '"\\/"', '"\\b\\f\\n\\r\\t"', '"/"', '"\\u0041"',
    '"\\u00e9\\u00E9"',
    '"\\uD83D\\uDE00"', '"\\ud83d\\ude00"', '"\\u0000"', '"\x7f"', '"\u2028\u2029"', '"\ufeff"',
    '"é日🙂"', '"\U0010ffff"',
    '"\\ud83d"', '"\\ude00"', '"\\ud83dx"', '"\\ud83d\\n"', '"\\ud83d\\u0041"',
    '"\\ud83d\\ud83d\\ude00"', '"\ud83d"',
    '"\ude00"', '"\ud83d\ude00"', '"\ud83d\\ude00"', '"\\ud83d\ude00"', '"\\ude00\\ud83d"',
    '"\\uDBFF\\uDFFF"',
    '"a\\ud83d\\udb00b"', '"\\ud83d\\ue000"', '"\\ud83d\\u1234"',
    # arrays
    "[]", "[ ]", "[1]", "[[]]", "[[],[]]", '["a",{},[1]]', "[\n1\r,\t2 ]",
    # objects
    "{}", "{ }", '{"a":1}', '{"":0}', '{"a":{}}', '{"a":{"b":[{"c":null}]}}',
    ' {\t"a"\n:\r1 , "b" : [ ] } ',
    '{"a":1,"a":2}', '{"a":1,"b":2,"a":3}', '{"a\\u0062":1}', '{"\\ud83d\\ude00":1}',
    '{"\\ud83d":1}', '{"\ud83d":1}',
    # whitespace around
    "\n{}\n", "\t\r\n []  ",
]  # fmt: skip


@pytest.mark.parametrize("text", ACCEPTED, ids=lambda text: ascii(text)[:30])
def test_accepts(text: str) -> None:
    """Each production of RFC 8259 is accepted, whole and by single characters, with the value of `json`."""
    for fragments in ([text], list(text)):
        reader = read(*fragments)
        assert reader.error is None
        assert reader.complete
        assert same(reader.value(), strict(text)[1])


REFUSED = [
    # (text, characters before the one at fault)
    ("", 0), ("   ", 3),
    # literals
    ("nul", 3), ("nuL", 2), ("nulll", 4), ("tru", 3), ("trux", 3), ("True", 0), ("falze", 3),
    ("truefalse", 4),
    ("NaN", 0), ("Infinity", 0), ("-Infinity", 1), ("None", 0), ("undefined", 0), ("[nuxx]", 3),
    ("[n", 2), ("[tr,", 3),
    # numbers
    ("-", 1), ("+1", 0), ("--1", 1), ("00", 1), ("01", 1), ("-01", 2), ("[01]", 2), ("1.", 2),
    ("1.]", 2), (".5", 0),
    ("1.e5", 2), ("1e", 2), ("1e+", 3), ("[1e+]", 4), ("1e5.5", 3), ("1.5.5", 3), ("1-1", 1),
    ("1e--1", 3), ("0x10", 1),
    ("1 2", 2), ("1,", 1), ("[1", 2), ("[1,2", 4), ("1_000", 1), ("\u0661", 0), ("1\u0661", 1),
    ("9" * 4301, 0),
    ("[-" + "9" * 4301 + "]", 1),
    # strings
    ('"', 1), ('"a', 2), ("'a'", 0), ('"a"b', 3), ('"\t"', 1), ('"\n"', 1), ('"a\x00"', 2),
    ('"\x1f"', 1), ('"\\', 2),
    ('"\\"', 3), ('"\\x41"', 2), ('"\\u12"', 5), ('"\\u12G4"', 5), ('"\\U0041"', 2), ('"\\u', 3),
    ("\"\\'\"", 2),
    ('"\\ud83d\\x"', 8), ('"\\ud83d\\ud8"', 11), ('"\\ud83d', 7), ('"\ud83d', 2),
    ('"\\ud83d\\ude0', 12), ("\ud83d", 0),
    ('"\\u 041"', 3),
    # arrays
    ("[", 1), ("]", 0), ("[,1]", 1), ("[1,]", 3), ("[1,,2]", 3), ("[1 2]", 3), ("[1}", 2),
    ("[1]]", 3), ("[]]", 2), ("[1:2]", 2),
    ('["a"', 4), ("[}", 1), ("[true true]", 6),
    # objects
    ("{", 1), ("}", 0), ('{"a"}', 4), ('{"a":}', 5), ('{"a":1,}', 7), ('{,"a":1}', 1),
    ('{"a" 1}', 5), ("{a:1}", 1), ("{1:2}", 1),
    ('{"a":1 "b":2}', 7), ('{"a":1}{"b":2}', 7), ('{"a":1]', 6), ('{"a"', 4), ('{"a":', 5),
    ('{"a', 3), ("{]", 1), ('{"a"::1}', 5),
    ('{"a":1,,"b":2}', 7), ('{"a\n":1}', 3), ("{'a':1}", 1), ("{null:1}", 1), ('{"a","b"}', 4),
    ('{"a":1;"b":2}', 6),
    # around
    ("\ufeff{}", 0), ("\x0b{}", 0), ("\u00a0{}", 0), ("{} x", 3), ("{},", 2), ("[] []", 3),
    ("//x\n1", 0), ("[1,/*x*/2]", 3),
    ("{}\x00", 2), ("{}\x0c", 2), (":", 0), (",", 0), ("abc", 0), ("`{}`", 0), ('""""', 2),
]  # fmt: skip


@pytest.mark.parametrize(("text", "position"), REFUSED, ids=lambda case: ascii(case)[:30])
def test_refuses(text: str, position: int) -> None:
    """Each breach of RFC 8259 is refused at the right character, whole and by single characters."""
    assert not strict(text)[0]
    for fragments in ([text], list(text)):
        reader = read(*fragments)
        assert not reader.complete
        assert reader.error is not None
        assert reader.error.position == position


PARTIAL = [
    ("", None), (" ", None), ("tru", None), ("12", None), ("-", None), ('"', ""), ('"a', "a"),
    ("{", {}), ("[", []),
    ('{"a', {}), ('{"a"', {}), ('{"a":', {}), ('{"a":1', {}), ('{"a":1,', {"a": 1}),
    ('{"a":tru', {}), ('{"a":true', {"a": True}),
    ('{"a":"', {"a": ""}), ('{"a":"b', {"a": "b"}), ('{"a":"b\\', {"a": "b"}),
    ('{"a":"b\\n', {"a": "b\n"}),
    ('{"a":"b\\u00e', {"a": "b"}), ('{"a":"b\\u00e9', {"a": "bé"}), ('{"a":[', {"a": []}),
    ('{"a":[1', {"a": []}),
    ('{"a":[1,', {"a": [1]}), ('{"a":[1,2.', {"a": [1]}), ('{"a":[1,"x', {"a": [1, "x"]}),
    ('{"a":{"b":{', {"a": {"b": {}}}),
    ('["\\ud83d', [""]), ('["\\ud83d\\', [""]), ('["\\ud83d\\u', [""]), ('["\\ud83d\\ud', [""]),
    ('["\\ud83d\\ude', [""]),
    ('["\\ud83d\\ude0', [""]), ('["\\ud83d\\ude00', ["😀"]), ('["\ud83d', [""]),
    ('["\ud83d\ude00', ["😀"]), ('["\\ud83dx', ["\ufffdx"]),
    ('["\\ud83d\\u0', ["\ufffd"]), ('["\\ud83d\\n', ["\ufffd\n"]), ('["\\ude00', ["\ufffd"]),
    ('{"a":1,"a', {"a": 1}), ('{"a":1,"a":2', {"a": 1}), ('{"a":1,"a":"', {"a": ""}),
    ('{"a":1,"a":[', {"a": []}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), PARTIAL, ids=lambda case: ascii(case)[:30])
def test_partial_value(text: str, value: Any) -> None:
    """Open values stand as far as they are known, and nothing stands that could still change."""
    for fragments in ([text], list(text)):
        assert same(read(*fragments, close=False).value(), value)
    closed = read(text)
    assert same(closed.value(), 12 if text == "12" else value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":[1,"x\n', {"a": [1, "x"]}),
        ('{"a":1,,"b":2}', {"a": 1}),
        ('{"a":1} x', {"a": 1}),
        ('{"a":"\\x', {"a": ""}),
    ],
)
def test_what_was_read_before_an_error_stands(text: str, value: Any) -> None:
    """After an error the value stays, later fragments change nothing, and the error stays the first one."""
    reader = read(text, close=False)
    error = reader.error
    assert isinstance(error, ArgumentsError)
    reader.feed('"}]}')
    reader.close()
    assert reader.value() == value
    assert reader.error is error
    assert not reader.complete


# -------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text holds no value"),
        (" \n", "the text holds no value"),
        ("t", "the text ends before the value does"),
        (" nul", "the text ends before the value does"),
        ('"', "the text ends before the value does"),
        ('"\\', "the text ends before the value does"),
        ("[", "the text ends before the value does"),
        ('{"a":', "the text ends before the value does"),
    ],
)
def test_an_end_that_comes_too_early(text: str, message: str) -> None:
    """What has begun was cut off; where nothing has begun there is no value. The fault is at the end."""
    assert read(text).error == ArgumentsError(message, len(text))


def test_number_on_its_own_is_complete_only_after_close() -> None:
    """A bare number may go on until `close()`; with a blank after it, it is known but not yet complete."""
    reader = read("12", close=False)
    assert (reader.value(), reader.complete) == (None, False)
    reader.feed(" ")
    assert (reader.value(), reader.complete) == (12, False)
    reader.close()
    assert (reader.value(), reader.complete) == (12, True)
    assert read("true", close=False).complete
    assert read('""', close=False).complete


def test_numbers_keep_their_type_and_sign() -> None:
    """Integers stay exact, the rest are doubles, minus zero keeps its sign, what is too large is infinite."""
    value = read("[1,1.0,1e0,-0.0,-0,1e400,-1e400,1e-400,9007199254740993]").value()
    assert repr(value) == "[1, 1.0, 1.0, -0.0, 0, inf, -inf, 0.0, 9007199254740993]"


def test_infinite_number_goes_through_a_state() -> None:
    """A state is strict JSON even where the value, and an untaken event, holds an infinite number."""
    reader = read("[1e400,", close=False, events=True)
    state = json.dumps(reader.getstate(), allow_nan=False)
    resumed = ArgumentsReader.resume(json.loads(state))
    assert resumed.value() == [float("inf")]
    events = resumed.take_events()
    assert events == reader.take_events()
    assert isinstance(events[0], JSONValueStarted)
    assert events[0].kind is JSONKind.ARRAY


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_limit(opening: str, closing: str) -> None:
    """The limit itself passes, one deeper is an error at its bracket; `json.dumps` takes what passed."""
    for limit in (512, 3):
        reader = read(opening * limit + "1" + closing * limit, max_depth=limit)
        assert reader.complete
        json.dumps(reader.value())
        deeper = read(opening * limit + opening, max_depth=limit)
        assert deeper.error == ArgumentsError(
            f"more than {limit} arrays and objects inside one another", len(opening) * limit
        )
        json.dumps(deeper.value())
    assert read("1", max_depth=0).complete


def test_very_deep_text_is_an_error_and_no_more() -> None:
    """A hundred thousand brackets neither recurse nor raise."""
    reader = read("[" * 100_000, '{"a":' * 100_000)
    assert reader.error is not None
    assert not reader.complete
    assert json.dumps(reader.value()) == "[" * 512 + "]" * 512


def test_work_grows_with_the_text_and_no_faster() -> None:
    """Asking for the value after each fragment of a string costs the same at ten times the length."""

    def cost(count: int) -> float:
        best = float("inf")
        for _ in range(3):
            reader = read('{"a":"', close=False)
            start = time.process_time()
            for _ in range(count):
                reader.feed("12345")
                reader.value()
            best = min(best, time.process_time() - start)
        return best / count

    # Copying the string each time would make it ten times as much.
    assert cost(40_000) < 4 * cost(4_000)


# ----------------------------------------------------------------------------------------------- use


def test_path_events() -> None:
    """Events name each value by keys and positions, with its kind, its text as it came, where it stands."""
    reader = ArgumentsReader(events=True)
    reader.feed('{"a":["x')
    assert reader.take_events() == [
        JSONValueStarted((), JSONKind.OBJECT, 0),
        JSONValueStarted(("a",), JSONKind.ARRAY, 5),
        JSONValueStarted(("a", 0), JSONKind.STRING, 6),
        StringDelta(("a", 0), "x"),
    ]
    reader.value()
    reader.feed("\\n")
    reader.feed("y\\u00e9z")
    reader.feed('", 1')
    reader.feed("5,null]}")
    assert reader.take_events() == [
        StringDelta(("a", 0), "\n"),
        StringDelta(("a", 0), "yéz"),
        JSONValueFinished(("a", 0), JSONKind.STRING, "x\nyéz", 19),
        JSONValueStarted(("a", 1), JSONKind.NUMBER, 21),
        JSONValueFinished(("a", 1), JSONKind.NUMBER, 15, 23),
        JSONValueStarted(("a", 2), JSONKind.NULL, 24),
        JSONValueFinished(("a", 2), JSONKind.NULL, None, 28),
        JSONValueFinished(("a",), JSONKind.ARRAY, None, 29),
        JSONValueFinished((), JSONKind.OBJECT, None, 30),
    ]
    assert reader.take_events() == []


def test_path_events_that_wait_are_in_the_state() -> None:
    """Those of every class come out of the reader that goes on."""
    reader = read('{"a":[1,"x', close=False, events=True)
    resumed = ArgumentsReader.resume(json.loads(json.dumps(reader.getstate())))
    events = resumed.take_events()
    assert events == reader.take_events()
    assert {type(event) for event in events} == {JSONValueStarted, JSONValueFinished, StringDelta}


def test_path_says_which_value_is_being_read() -> None:
    """`path` is known from a member's key on and from an element's first character on, and None between."""
    steps = [
        ("", None), ("{", None), ('"a', None), ('"', ("a",)), (":", ("a",)), (" ", ("a",)),
        ("[", None), ("1", ("a", 0)), (",", None),
        ('"x', ("a", 1)), ("y", ("a", 1)), ('"', None), (",tru", None), ("e", None), ("]", None),
        ("}", None),
    ]  # fmt: skip
    reader = ArgumentsReader()
    for fragment, path in steps:
        reader.feed(fragment)
        reader.value()
        assert reader.path == path
    top = ArgumentsReader()
    top.feed('"')
    assert top.path == ()


def test_value_grows_in_place() -> None:
    """The containers that `value()` returns are the same objects at each call, and grow."""
    reader = read('{"a":["x', close=False)
    value = reader.value()
    reader.feed("y")
    assert reader.value() is value
    assert value == {"a": ["xy"]}
    reader.feed('z","w')
    reader.value()
    assert value == {"a": ["xyz", "w"]}


def test_state_does_not_change_any_more() -> None:
    """What is fed after `getstate()` shows in the reader, not in the state."""
    reader = read('{"a":["x', close=False)
    state = reader.getstate()
    before = json.dumps(state)
    reader.feed('y"]}')
    assert json.dumps(state) == before
    resumed = ArgumentsReader.resume(state)
    resumed.feed('z"]}')
    assert resumed.value() == {"a": ["xz"]}


@pytest.mark.parametrize(
    "damage",
    [
        {"state": "nowhere"},
        {"keys": ["b"]},
        {"keys": [0, 1]},
        {"value": "{"},
        {"held": 1},
        {"error": 1},
        {"events": '[["X", [], 1]]'},
    ],
)
def test_damaged_state_is_refused(damage: dict[str, Any]) -> None:
    """A state that no reader can have been in raises `UsageError`, and so does one that lacks something."""
    state = read('{"a":["x', close=False, events=True).getstate()
    with pytest.raises(UsageError, match="state"):
        ArgumentsReader.resume({**state, **damage})
    with pytest.raises(UsageError, match="state"):
        ArgumentsReader.resume({})


def test_misuse_is_told() -> None:
    """Wrong types, feeding after `close()`, and events that were not asked for are the caller's mistakes."""
    reader = ArgumentsReader()
    with pytest.raises(TypeError, match="bytes"):
        reader.feed(b"{}")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="events=True"):
        reader.take_events()
    reader.feed("{}")
    reader.close()
    reader.close()
    with pytest.raises(UsageError, match="close"):
        reader.feed("")
    assert reader.complete


# -------------------------------------------------------- where parsers that repair by guessing broke


@pytest.mark.parametrize(
    ("text", "partial"),
    [
        ('{"a":"x\\\\n', {"a": "x\\n"}),  # an escaped backslash before an n
        ('{"a":"x\\n","b":', {"a": "x\n"}),  # a finished string inside an unfinished object
        ('{"a":"c\\\\","b":1', {"a": "c\\"}),  # an even number of backslashes before the quote
        ('{"a":"c\\\\\\\\"', {"a": "c\\\\"}),
        ("[1e5", []),  # an exponent that could go on
        ("[1e5]", [1e5]),
        ('{"a":t', {}),  # not yet true
        ('{"a":" x \n', {"a": " x "}),  # blanks inside a string stay
        ("-", None),
        ("nu", None),
    ],
)
def test_partial_strings_are_decoded_as_whole_ones_are(text: str, partial: Any) -> None:
    """A partial value is decoded by the same rules as a whole one, and is never guessed."""
    assert same(read(*text, close=False).value(), partial)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a"',
        "[1,]",
        '{"a":1}garbage',
        "[1 2]",
        "{1:2}",
        '"a\nb"',
        '{"a":,"b":2}',
        '{"a":t,"b":1',
        "abc",
        "NaN",
        "[}",
    ],
)
def test_nothing_is_repaired_or_printed(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no JSON is an error with its position, raises nothing, prints nothing, is never complete."""
    reader = read(text)
    assert reader.error is not None
    assert not reader.complete
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("text", ['{"a":1.}', '{"a": [0, -x]}', '{"ab": "\\u12x"}', '{"a":1e+,"b":2}'])
def test_a_fault_is_told_at_the_same_place_after_a_resume(text: str) -> None:
    """Wherever the state was kept, in the middle of a number too."""
    whole = ArgumentsReader()
    whole.feed(text)
    assert whole.error is not None
    for size in range(1, len(text)):
        reader = ArgumentsReader()
        reader.feed(text[:size])
        reader = ArgumentsReader.resume(reader.getstate())
        reader.feed(text[size:])
        assert reader.error == whole.error


@pytest.mark.parametrize("depth", range(5))
def test_events_of_values_that_are_not_too_deep(depth: int) -> None:
    """All of them are those that come without a bound, but for the ones whose path is longer."""
    text = '{"a":[[1,"x",{}],{"b":null,"c":["y"]},[]],"d":"z"}'
    found = []
    for options in ({}, {"events_depth": depth}):
        reader = ArgumentsReader(events=True, **options)
        for character in text:
            reader.feed(character)
        reader.close()
        found.append(reader.take_events())
    assert found[1] == [event for event in found[0] if len(event.path) <= depth]
