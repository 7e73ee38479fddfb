"""Strings lifted out of tool arguments, and the arguments that stay: against `json` and by construction."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold.arguments.lift import Lift
from deltafold.arguments.lifter import Lifter
from deltafold.model.errors import UsageError
from runs import count_calls

THINKING = Lift(("thinking",), "reasoning", remove=True)
MESSAGE = Lift(("message",), "text")


def run(fragments: list[str], *lifts: Lift, close: bool = True) -> tuple[str, dict[Lift, str], Lifter]:
    """Kept text, lifted text by lift, and the lifter."""
    lifter = Lifter(lifts)
    steps = [lifter.feed(fragment) for fragment in fragments]
    if close:
        steps.append(lifter.close())
    lifted: dict[Lift, str] = {}
    for _, pieces in steps:
        for lift, text in pieces:
            assert text
            lifted[lift] = lifted.get(lift, "") + text
    return "".join(kept for kept, _ in steps), lifted, lifter


def every_cut(text: str, *lifts: Lift) -> tuple[str, dict[Lift, str], list[Lift]]:
    """What comes of the text whole, cut in two anywhere, and by single characters, which is all the same."""
    kept, lifted, lifter = run([text], *lifts)
    for fragments in [list(text), *([text[:at], text[at:]] for at in range(len(text) + 1))]:
        again = run(fragments, *lifts)
        assert (again[0], again[1], again[2].refused) == (kept, lifted, lifter.refused)
    return kept, lifted, lifter.refused


# ------------------------------------------------------------------------------------------ removing


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        # first, middle, last, only
        ('{"thinking":"x","a":1,"b":2}', '{"a":1,"b":2}'),
        ('{"a":1,"thinking":"x","b":2}', '{"a":1,"b":2}'),
        ('{"a":1,"b":2,"thinking":"x"}', '{"a":1,"b":2}'),
        ('{"thinking":"x"}', "{}"),
        ('{"thinking":""}', "{}"),
        # absent
        ('{"a":1}', '{"a":1}'),
        ("{}", "{}"),
        (" { } ", " { } "),
        ("[]", "[]"),
        ('"thinking"', '"thinking"'),
        ("12", "12"),
        ('{"thoughts":"x","b":{"thinking":"y"}}', '{"thoughts":"x","b":{"thinking":"y"}}'),
        # whitespace
        ('{"thinking": "x", "a": 1}', '{"a": 1}'),
        ('{"a": 1, "thinking": "x"}', '{"a": 1}'),
        ('{"a": 1, "thinking": "x", "b": 2}', '{"a": 1, "b": 2}'),
        ('{\n  "thinking": "x",\n  "a": 1\n}', '{\n  "a": 1\n}'),
        ('{\n  "a": 1,\n  "thinking": "x"\n}', '{\n  "a": 1\n}'),
        ('{\n  "a": 1,\n  "thinking": "x",\n  "b": 2\n}', '{\n  "a": 1,\n  "b": 2\n}'),
        (' { "a" : 1 , "thinking" : "x" } ', ' { "a" : 1  } '),
        (' { "thinking" : "x" , "a" : 1 } ', ' {  "a" : 1 } '),
        # the key may be written with escapes, and the text hold what looks like structure
        ('{"\\u0074hinking":"x\\",\\"a\\":1}","a":2}', '{"a":2}'),
        # numbers, literals, arrays and objects around it
        ('{"a":true,"thinking":"x","b":12.5,"c":null}', '{"a":true,"b":12.5,"c":null}'),
        ('{"a":[1,"two",{"k":3}],"thinking":"x","b":{"k":["v"]}}', '{"a":[1,"two",{"k":3}],"b":{"k":["v"]}}'),
    ],
)
def test_removing_leaves_the_rest(text: str, kept: str) -> None:
    """A member is removed with one comma, wherever it stands; the rest stays byte for byte."""
    assert every_cut(text, THINKING)[0] == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"x":"1","y":"2"}', "{}"),
        ('{"x":"1","y":"2","a":0}', '{"a":0}'),
        ('{"x":"1","a":0,"y":"2"}', '{"a":0}'),
        ('{"a":0,"x":"1","y":"2"}', '{"a":0}'),
        ('{"a":0,"x":"1","y":"2","b":0}', '{"a":0,"b":0}'),
        ('{"y":"2","a":0,"x":"1","b":0}', '{"a":0,"b":0}'),
        ('{"l":["1","2"]}', '{"l":[]}'),
        ('{"l":["1", "2", 3]}', '{"l":[3]}'),
        ('{"l":["1",3]}', '{"l":[3]}'),
        ('{"l":[0,"1"]}', '{"l":[0]}'),
        ('{"l":[0,"1",2]}', '{"l":[0,2]}'),
        ('{"l":[0,{"z":"1"}]}', '{"l":[0,{"z":"1"}]}'),
        ('{"o":{"x":"1","z":{"x":"2","q":1}},"x":"3"}', '{"o":{"z":{"q":1}}}'),
        ('{"o":{"z":{"x":"2"},"x":"1"},"a":0}', '{"o":{"z":{}},"a":0}'),
        ('{"o":["x",{"x":"1"}],"l":{"x":"5"}}', '{"o":["x",{"x":"1"}],"l":{"x":"5"}}'),
    ],
)
def test_several_removed_members(text: str, kept: str) -> None:
    """Members and elements removed side by side, at any depth, leave valid JSON; positions do not shift."""
    paths = [("x",), ("y",), ("l", 0), ("l", 1), ("o", "x"), ("o", "z", "x")]
    assert every_cut(text, *(Lift(path, "text", remove=True) for path in paths))[0] == kept


@pytest.mark.parametrize(
    ("fed", "kept"),
    [
        ('{"a":1', '{"a":1'),
        ('{"a":1 ,', '{"a":1 '),
        ('{"a":1 , "thin', '{"a":1 '),
        ('{"a":1 , "thinking" : ', '{"a":1 '),
        ('{"a":1 , "thinking" : 5', '{"a":1 , "thinking" : 5'),
        ('{"a":1 , "thinking" : "x', '{"a":1 '),
        ('{"a":1 , "thinker"', '{"a":1 , "thinker"'),
        ('{"a":1,"thinking":"x",', '{"a":1'),
        ('{"thinking":"x" , "b"', '{ "b"'),
        ('{ "thinking"', "{ "),
        ('{"a":["x", "thin', '{"a":["x", "thin'),
        ('{"a":[1,', '{"a":[1,'),
    ],
)
def test_holds_back_no_more_than_a_comma_and_a_key(fed: str, kept: str) -> None:
    """Text is held only from a comma or key on, and only until it is known whether that member is removed."""
    assert run([fed], THINKING, close=False)[0] == kept
    assert run(list(fed), THINKING, close=False)[0] == kept


def test_nothing_is_held_where_nothing_is_removed() -> None:
    """Without `remove`, each fragment is handed on as it came and when it came."""
    lifter = Lifter([MESSAGE])
    for fragment in ['{"a"', ":1 ", ', "mess', 'age":', '"hi\\', "n", '"', "} x"]:
        assert lifter.feed(fragment)[0] == fragment


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1',
        '{"a":1,',
        '{"a":1, "thin',
        '{"a":1, "thinking"',
        '{"a":1, "thinking" :',
        '{"a":1,}',
        '{"a":1, x',
        '{"thin\x00"',
        "nope",
    ],
)
def test_what_was_held_is_never_lost(text: str) -> None:
    """Where the text ends early or stops being JSON, all that was held is handed on as it came."""
    assert every_cut(text, THINKING)[0] == text


@pytest.mark.parametrize(
    ("before", "fault", "kept"),
    [
        ('{"a":1,', " x", ", x"),
        ('{"a":1, "thin', "\x00", ', "thin\x00'),
        ('{"a":1, "thinking"', "]", ', "thinking"]'),
        ('{"thinking":"x",', "}", ",}"),
        ('{"', "\\x", '"\\x'),
    ],
)
def test_what_was_held_comes_with_the_fault(before: str, fault: str, kept: str) -> None:
    """At once: nothing is held back once the arguments are no JSON."""
    lifter = Lifter([THINKING])
    assert not lifter.feed(before)[0].endswith((",", '"'))
    assert lifter.feed("") == ("", [])
    assert lifter.feed(fault) == (kept, [])
    assert lifter.feed('"thinking":"y"') == ('"thinking":"y"', [])
    assert lifter.close() == ("", [])


def test_a_key_that_stays_comes_with_its_last_character() -> None:
    """It is held back as long as its member may be removed, and no longer."""
    lifter = Lifter([THINKING])
    steps = [
        ('{"think', "{"), ("ing", ""), ("s", ""), ('"', '"thinkings"'), (":", ":"), ('"x"', '"x"'),
        (" ", " "), (",", ""), (" ", ""), ('"thinking"', ""), (":", ""), ("5", ', "thinking":5'), ("}", "}"),
    ]  # fmt: skip
    for fragment, kept in steps:
        assert lifter.feed(fragment) == (kept, [])
    assert lifter.refused == [THINKING]


def test_the_state_of_a_lifter_in_words() -> None:
    """All that it knows in the midst of a key, of a string that is removed, and behind a refused value."""
    lifter = Lifter([THINKING, MESSAGE])
    lifter.feed('{"message":5, "thin')
    state = lifter.getstate()
    assert state.pop("reader")
    assert state == {
        "lifted": [],
        "open": None,
        "removing": False,
        "between": True,
        "stays": [True],
        "held": '", \\"thin"',
        "decided": 12,
        "refused": [1],
    }
    lifter.feed('king":"x')
    state = lifter.getstate()
    assert state.pop("reader")
    assert state == {
        "lifted": [["thinking"]],
        "open": ["thinking"],
        "removing": True,
        "between": False,
        "stays": [True],
        "held": '""',
        "decided": 27,
        "refused": [1],
    }


@pytest.mark.parametrize(
    ("text", "kept", "lifted"),
    [
        ('{"a":1,"thinking":"xy', '{"a":1', "xy"),
        ('{"a":1,"thinking":"x\\u00e', '{"a":1', "x"),
        ('{"a":1,"thinking":"x\\ud83d', '{"a":1', "x"),
        ('{"a":1,"thinking":"x\x00y","b":2}', '{"a":1\x00y","b":2}', "x"),
        ('{"a":1,"thinking":"x\\u0q"}', '{"a":1q"}', "x"),
        ('{"a":1,"thinking":"x\\ud83d\\x"}', '{"a":1x"}', "x\ufffd"),
        ('{"a":1,"thinking":"x"]"thinking":"y"', '{"a":1]"thinking":"y"', "x"),
        ('{"thinking":"x",}', "{,}", "x"),
        ('{"thinking":"x"} {"thinking":"y"}', '{} {"thinking":"y"}', "x"),
    ],
)
def test_broken_arguments(text: str, kept: str, lifted: str) -> None:
    """What was lifted before the fault stands, all from the fault on is kept, and no more is lifted."""
    assert every_cut(text, THINKING)[:2] == (kept, {THINKING: lifted})
    assert not run([text], THINKING)[2].complete
    assert run([text], THINKING)[2].error is not None


# ------------------------------------------------------------------------------------------- lifting


def test_lifted_text_comes_at_once() -> None:
    """Each character comes as it is fed; only an unfinished escape or half a surrogate pair waits."""
    lifter = Lifter([THINKING])
    steps = [
        ('{"thinking":"', ""), ("a", "a"), (" ", " "), ("\\", ""), ("n", "\n"), ("\\u00", ""),
        ("e9", "é"), ("\\ud83d", ""), ("\\u", ""),
        ("de00", "😀"), ("\\ud83d", ""), ("x", "\ufffdx"), ("🙂", "🙂"), ('"', ""), ("}", ""),
    ]  # fmt: skip
    for fragment, text in steps:
        assert "".join(piece for _, piece in lifter.feed(fragment)[1]) == text
    assert lifter.complete
    assert lifter.error is None


def test_several_lifts_of_one_string() -> None:
    """Each lift of a path gets its text, and the member goes if one of them removes it."""
    shown, hidden = Lift(("a",), "text"), Lift(("a",), "reasoning", remove=True)
    kept, lifted, _ = every_cut('{"a":"x","b":1}', shown, hidden)
    assert (kept, lifted) == ('{"b":1}', {shown: "x", hidden: "x"})


def test_the_whole_of_the_arguments_can_be_lifted() -> None:
    """The empty path is the top: arguments that are one string are lifted, and stay."""
    lift = Lift((), "text")
    assert every_cut('"hi\\n"', lift)[:2] == ('"hi\\n"', {lift: "hi\n"})


@pytest.mark.parametrize("value", ["1", "true", "null", "[]", '{"a":"x"}', '["x"]', "-1.5e3"])
def test_value_that_is_no_string_is_refused(value: str) -> None:
    """A value of another kind stays in the arguments, and its lift is named in `refused`, once."""
    for text in (f'{{"thinking":{value}}}', f'{{"a":1,"thinking":{value},"thinking":{value}}}'):
        assert every_cut(text, THINKING, MESSAGE) == (text, {}, [THINKING])


def test_refused_value_may_hold_another_lift() -> None:
    """Inside an object that was to be a string, other lifts still apply."""
    inner = Lift(("thinking", "text"), "text", remove=True)
    kept, lifted, refused = every_cut('{"thinking":{"text":"x","a":1}}', THINKING, inner)
    assert (kept, lifted, refused) == ('{"thinking":{"a":1}}', {inner: "x"}, [THINKING])


@pytest.mark.parametrize(
    ("text", "kept", "lifted", "refused"),
    [
        ('{"thinking":"x","thinking":"y"}', '{"thinking":"y"}', "x", [THINKING]),
        ('{"thinking":"x","a":1,"thinking":"y"}', '{"a":1,"thinking":"y"}', "x", [THINKING]),
        ('{"thinking":1,"thinking":"y"}', '{"thinking":1}', "y", [THINKING]),
        ('{"a":"1","a":"2","thinking":"x"}', '{"a":"1","a":"2"}', "x", []),
    ],
)
def test_duplicate_keys(text: str, kept: str, lifted: str, refused: list[Lift]) -> None:
    """The first string under a path is lifted; values of the same key are never joined, and none is lost."""
    assert every_cut(text, THINKING) == (kept, {THINKING: lifted}, refused)


# ---------------------------------------------------------------------------------------- properties

SPACES = st.sampled_from(["", "", "", " ", "\n  ", "\t", "\r\n"])
STRINGS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ['"', "\\", '","a":', "🙂", "\n", "é", "}", "a\ud83d", "\ude00b", "\ud83d\ude00"]
)
KEYS = ["a", "b", "c", "thinking"]
PATHS: list[tuple[str | int, ...]] = [
    ("a",),
    ("thinking",),
    ("b", "a"),
    ("b", 0),
    ("b", 1),
    ("c", "b", "a"),
    ("c", 0, "a"),
]
LIFTS = st.builds(Lift, st.sampled_from(PATHS), st.sampled_from(["text", "reasoning"]), remove=st.booleans())


@attrs.frozen
class Built:
    """A JSON text, what should be kept of it, and what should be lifted."""

    text: str
    kept: str
    lifted: dict[tuple[str | int, ...], str]


@st.composite
def built(draw: st.DrawFn, paths: set[Any], removed: set[Any], path: tuple[str | int, ...] = ()) -> Built:
    """A text written together with its own expectation, member by member, by the rule as it is documented."""
    kind = draw(
        st.sampled_from(
            ["object", "array", "string", "string", "other"] if len(path) < 4 else ["string", "other"]
        )
    )
    if not path and draw(st.integers(0, 9)):
        kind = "object"
    if kind == "string":
        value = draw(STRINGS)
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
        whole = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return Built(text, text, {path: whole} if path in paths else {})
    if kind == "other":
        text = draw(st.sampled_from(["0", "-1.5e3", "true", "null", "[]", "{ }"]))
        return Built(text, text, {})
    steps: list[str | int]
    if kind == "object":
        steps = list(draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=4)))
    else:
        steps = list(range(draw(st.integers(0, 4))))
    text, lifted = "{" if kind == "object" else "[", {}
    lead = draw(SPACES)
    text += lead
    kept = text
    stays = False
    for number, step in enumerate(steps):
        head = "" if kind == "array" else f"{json.dumps(step)}{draw(SPACES)}:{draw(SPACES)}"
        inner = draw(built(paths, removed, (*path, step)))
        lifted |= inner.lifted
        comma = "," + draw(SPACES) if number else ""
        tail = draw(SPACES)
        text += comma + head + inner.text + tail
        gone = (*path, step) in removed and (*path, step) in inner.lifted
        if gone:
            kept += tail
        else:
            kept += (comma if stays else "") + head + inner.kept + tail
            stays = True
    end = "}" if kind == "object" else "]"
    return Built(text + end, kept + end, lifted)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Built, list[Lift], list[str]]:
    lifts = draw(st.lists(LIFTS, min_size=1, max_size=4, unique=True))
    document = draw(built({lift.path for lift in lifts}, {lift.path for lift in lifts if lift.remove}))
    places = sorted(draw(st.lists(st.integers(0, len(document.text)), max_size=12)))
    ends = [*places, len(document.text)]
    return document, lifts, [document.text[i:j] for i, j in zip([0, *places], ends, strict=True)]


@given(cases())
def test_any_cut_keeps_and_lifts_the_same(case: tuple[Built, list[Lift], list[str]]) -> None:
    """For any lifts, document and cuts, what is kept and lifted is what the document was built to give."""
    document, lifts, fragments = case
    for pieces in (fragments, [document.text], list(document.text)):
        kept, lifted, lifter = run(pieces, *lifts)
        assert kept == document.kept
        assert lifted == {
            lift: document.lifted[lift.path] for lift in lifts if document.lifted.get(lift.path)
        }
        assert lifter.complete


def without(value: Any, removed: set[Any], path: tuple[str | int, ...] = ()) -> Any:
    """The value as `json` reads it, without the strings at the removed paths."""
    if isinstance(value, dict):
        items = [(step, without(inner, removed, (*path, step))) for step, inner in value.items()]
        return {s: v for s, v in items if not ((*path, s) in removed and isinstance(v, str))}
    if isinstance(value, list):
        elements = [without(inner, removed, (*path, number)) for number, inner in enumerate(value)]
        return [v for n, v in enumerate(elements) if not ((*path, n) in removed and isinstance(v, str))]
    return value


@given(cases())
def test_what_is_kept_is_valid_json_without_the_removed(case: tuple[Built, list[Lift], list[str]]) -> None:
    """`json` reads the kept text as the value of the whole without the removed strings."""
    document, lifts, fragments = case
    kept = run(fragments, *lifts)[0]
    removed = {lift.path for lift in lifts if lift.remove}
    assert json.dumps(json.loads(kept)) == json.dumps(without(json.loads(document.text), removed))


@given(cases(), st.data())
def test_any_cut_of_broken_text_is_the_same(
    case: tuple[Built, list[Lift], list[str]], data: st.DataObject
) -> None:
    """Where the text is cut short or damaged, what is kept and lifted still depends on the text alone."""
    document, lifts, _ = case
    at = data.draw(st.integers(0, len(document.text)))
    put = data.draw(st.sampled_from(["", "x", '"', "\\", "\\ud83d", "\x00", ",", "}", "]", "1"]))
    text = document.text[:at] + put + data.draw(st.sampled_from(["", document.text[at:]]))
    whole, pieces = run([text], *lifts), run(list(text), *lifts)
    assert whole[:2] == pieces[:2]
    assert (whole[2].error, whole[2].refused) == (pieces[2].error, pieces[2].refused)


@given(cases())
def test_goes_on_from_its_state_at_every_position(case: tuple[Built, list[Lift], list[str]]) -> None:
    """A lifter that goes through `json` before each character hands out what one that was left alone does."""
    document, lifts, _ = case
    plain, resumed = Lifter(lifts), Lifter(lifts)
    for char in document.text:
        resumed = Lifter.resume(json.loads(json.dumps(resumed.getstate())), lifts)
        assert resumed.feed(char) == plain.feed(char)
    resumed = Lifter.resume(json.loads(json.dumps(resumed.getstate())), lifts)
    assert resumed.close() == plain.close() == ("", [])
    assert resumed.refused == plain.refused


def test_work_grows_with_the_text_and_no_faster() -> None:
    """What is held back or removed is not read again: ten times the text costs about ten times as much."""

    def work(head: str, count: int) -> int:
        lifter = Lifter([THINKING])
        lifter.feed(head)
        return sum(count_calls(lambda: [lifter.feed("     ") for _ in range(count)]).values())

    for head in ('{"', '{"a":1,', '{"thinking"', '{"thinking":"', '{"a":"'):
        assert work(head, 2_000) <= 10.5 * work(head, 200)


# ----------------------------------------------------------------------------------------------- use


def test_lift_is_checked_when_it_is_made() -> None:
    """A list becomes a tuple; anything else that is wrong is the caller's mistake, told at once."""
    assert Lift(["a", 0], "text") == Lift(("a", 0), "text")
    wrong: list[dict[str, Any]] = [
        {"path": "thinking"}, {"path": None}, {"path": (1.5,)}, {"path": (True,)}, {"path": (-1,)},
        {"path": (b"a",)},
        {"into": "refusal"}, {"into": None}, {"tool": 1}, {"remove": 1}, {"remove": True, "path": ()},
    ]  # fmt: skip
    for fields in wrong:
        with pytest.raises(UsageError):
            Lift(**{"path": ("a",), "into": "text", **fields})
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Lift(("a",), "text").into = "reasoning"  # type: ignore[misc]


def test_lift_names_its_tool() -> None:
    """A lift is for the tool of its name, or for every tool, one without a name included."""
    one, every = Lift(("a",), "text", tool="send"), Lift(("a",), "text")
    assert [one.applies_to(name) for name in ("send", "other", None)] == [True, False, False]
    assert [every.applies_to(name) for name in ("send", "other", None)] == [True, True, True]


def test_misuse_is_told() -> None:
    """Wrong types and feeding after `close()` are the caller's mistakes; closing twice is none."""
    lifter = Lifter([THINKING])
    with pytest.raises(TypeError):
        lifter.feed(b"{}")  # type: ignore[arg-type]
    assert lifter.feed("") == ("", [])
    assert lifter.feed('{"thin') == ("{", [])
    assert lifter.close() == ('"thin', [])
    assert lifter.close() == ("", [])
    with pytest.raises(UsageError):
        lifter.feed("x")


def test_damaged_state_is_refused() -> None:
    """A state that lacks something, or that is of other lifts, raises `UsageError`."""
    lifter = Lifter([THINKING])
    lifter.feed('{"thinking":"x')
    for state, lifts in (
        ({}, [THINKING]),
        (lifter.getstate(), []),
        ({**lifter.getstate(), "refused": [7]}, [THINKING]),
    ):
        with pytest.raises(UsageError, match="state"):
            Lifter.resume(state, lifts)


def test_half_a_surrogate_pair_goes_through_a_state() -> None:
    """A key that is held back and cut inside a pair goes through UTF-8, and comes out as it came."""
    lifter = Lifter([THINKING])
    assert lifter.feed('{"\ud83d') == ("{", [])
    state = json.dumps(lifter.getstate(), ensure_ascii=False).encode()
    resumed = Lifter.resume(json.loads(state), [THINKING])
    assert resumed.feed('\ude00":1}') == ('"\ud83d\ude00":1}', [])


def test_depth_limit_reaches_the_reader() -> None:
    """`max_depth` is an error in the arguments, after which they are kept as they come."""
    lifter = Lifter([THINKING], max_depth=1)
    assert lifter.feed('{"thinking":"x","a":[1]}') == ('{"a":[1]}', [(THINKING, "x")])
    assert lifter.error is not None
    assert lifter.error.position == 20


# -------------------------------------------------------------------- where extraction by guessing broke


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        # the removed member last: a comma was left before the brace, or everything was held for ever
        ('{"message":"yo","thinking":"hi"}', '{"message":"yo"}'),
        ('{"thinking":"hi"}', "{}"),
        # numbers and literals before another key: the comma was lost, the key taken for a value
        ('{"thinking":"hi","a":true,"b":12.5,"c":null}', '{"a":true,"b":12.5,"c":null}'),
        ('{"request_heartbeat":true,"thinking":"hi"}', '{"request_heartbeat":true}'),
        # nested values: colons and commas were lost
        ('{"a":{"k":"v","k2":1},"thinking":"hi"}', '{"a":{"k":"v","k2":1}}'),
        ('{"a":[1,"two",{"k":3}],"thinking":"hi"}', '{"a":[1,"two",{"k":3}]}'),
        ('{"a":["p","q"],"thinking":"hi"}', '{"a":["p","q"]}'),
        # whitespace before the value became part of it
        ('{"thinking":   "hi","a":1}', '{"a":1}'),
        ('{"thinking":\n\t"hi" }', "{ }"),
        # the same key inside another object is not the one
        ('{"a":{"thinking":"no"},"thinking":"hi"}', '{"a":{"thinking":"no"}}'),
    ],
)
def test_thoughts_are_taken_out_whatever_stands_around_them(text: str, kept: str) -> None:
    """Any position, any neighbours, any nesting: the thoughts come whole and the rest is valid JSON."""
    assert every_cut(text, THINKING) == (kept, {THINKING: "hi"}, [])


def test_absent_thoughts_hold_nothing() -> None:
    """Arguments without the key are handed on unchanged, and are not held for ever."""
    assert every_cut('{"a": "x", "b": [1]}', THINKING) == ('{"a": "x", "b": [1]}', {}, [])


def test_thoughts_that_are_no_string_do_not_swallow_the_next_member() -> None:
    """A number under the key is neither lifted nor runs into what follows."""
    assert every_cut('{"thinking":123,"b":"x"}', THINKING) == ('{"thinking":123,"b":"x"}', {}, [THINKING])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"message":"a \\"quoted\\" b"}', 'a "quoted" b'),  # escapes were left as they came
        ('{"message":"caf\\u00e9\\n"}', "café\n"),
        ('{"message":"say \\"hi\\""}', 'say "hi"'),  # a fragment that ends with a quote ended the value
        ('{"message":"list [\\"a\\"] of"}', 'list ["a"] of'),  # as did a quote before a bracket
        ('{"message":"hello","b":"c"}', "hello"),  # another member leaked into the text
        ('{"a":"message: x","message":"yo"}', "yo"),  # the key's word inside an earlier value
        ('{"message": "hello"}', "hello"),  # a blank after the colon lost the value
        ('{"message" : "hello" }', "hello"),
        ('{"message":"trailing space "}', "trailing space "),
        # blanks at the end of fragments were eaten
        ('{"message":" "}', " "),
        ('{"message":"x\\n"}', "x\n"),
        ('{"message":"he said \\"hi\\"}]"}', 'he said "hi"}]'),
        # what looks like the end of the arguments
    ],
)
def test_message_is_the_text_itself(text: str, message: str) -> None:
    """The message comes decoded and exact, blanks and quotes included, at any cut of the fragments."""
    assert every_cut(text, MESSAGE) == (text, {MESSAGE: message}, [])


def test_message_that_is_no_string_or_empty() -> None:
    """An empty message lifts nothing, one that is no string is refused, and both stay."""
    assert every_cut('{"message":""}', MESSAGE) == ('{"message":""}', {}, [])
    assert every_cut('{"message":["hi"]}', MESSAGE) == ('{"message":["hi"]}', {}, [MESSAGE])


def test_what_lies_deeper_than_any_lift_costs_no_path() -> None:
    """Many values in a deep array: each would have a path of hundreds of steps, of which nobody asks."""
    deep = '{"b":' + "[" * 500 + ",".join(["1"] * 5_000)
    lifter = Lifter([Lift(("a",), "text")])
    tracemalloc.start()
    try:
        assert lifter.feed(deep) == (deep, [])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000  # 5,000 paths would take 20 MB
    assert lifter.feed("]" * 500 + ',"a":"x"}') == ("]" * 500 + ',"a":"x"}', [(Lift(("a",), "text"), "x")])
