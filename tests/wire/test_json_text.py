"""One policy for JSON, and what can be saved of data that are not JSON throughout."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold.model.anomalies import AnomalyCode as A
from deltafold.model.errors import LimitExceeded, WireError
from deltafold.wire.json_text import (
    CACHE_UP_TO,
    MOST_JOINTS,
    MOST_VALUES,
    NotJSON,
    RepeatedResponseReader,
    check_depth,
    escape_surrogates,
    is_strict_json,
    join_halves,
    join_surrogates,
    read_object,
    read_payloads,
    replace_lone_surrogates,
)
from runs import count_calls, strings_in

FRAGMENTS = frozenset({("delta",)})


def read(text: str, *, depth: int = 64, strict: bool = False) -> tuple[list[Any], list[A]]:
    """The payloads, and the codes of what was reported."""
    codes: list[A] = []
    values = read_payloads(text, depth, FRAGMENTS, lambda code, message: codes.append(code), strict=strict)
    return [value.text if isinstance(value, NotJSON) else value for value in values], codes


# ------------------------------------------------------------------------------------------------ the policy


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": 1},
        {"a": {"b": [1, 2.5, -0.0, 1e300, True, None, "x"]}},
        {"é日🙂": "\u2028"},
        {"": ""},
        {"a": 2**64, "b": -(2**63), "c": 10**4000},
        {"a": '\\ " / \b \f \n \r \t \u0000'},
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("strict", [True, False])
def test_an_object_is_read_as_it_is(value: Any, ascii_only: bool, strict: bool) -> None:
    """A payload of plain JSON is read whole, silently, with whitespace around it."""
    for text in (json.dumps(value, ensure_ascii=ascii_only), f" \t\r\n{json.dumps(value, indent=2)}\r\n "):
        assert read(text, strict=strict) == ([value], [])


def nested(depth: int, kind: str = "[]") -> str:
    """Arrays or objects inside one another."""
    return ("[" * depth + "]" * depth) if kind == "[]" else '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize("kind", ["[]", "{}"])
@pytest.mark.parametrize("depth", [1, 2, 64])
def test_depth_is_exact(kind: str, depth: int) -> None:
    """Nesting of exactly the limit is read, one more raises, before anything is parsed."""
    values, codes = read(nested(depth, kind), depth=depth)
    assert (len(values), codes) == (1, [])
    with pytest.raises(LimitExceeded) as fault:
        read(nested(depth + 1, kind), depth=depth)
    assert (fault.value.limit, fault.value.value) == ("json_depth", depth)


@pytest.mark.parametrize("strict", [True, False])
def test_the_depth_of_an_object(strict: bool) -> None:
    """So it is where one object is all there is."""
    assert read_object(nested(8, "{}"), 8, strict=strict) == json.loads(nested(8, "{}"))
    with pytest.raises(LimitExceeded) as fault:
        read_object(nested(9, "{}"), 8, strict=strict)
    assert (fault.value.limit, fault.value.value) == ("json_depth", 8)


@pytest.mark.parametrize("text", ["[" * 100_000, nested(100_000), nested(100_000, "{}"), '{"a":' * 100_000])
def test_depth_of_any_size(text: str) -> None:
    """Nesting far beyond what the interpreter can recurse is refused in the same way."""
    with pytest.raises(LimitExceeded):
        read(text)


def test_depth_is_not_width() -> None:
    """Many brackets beside one another, and brackets in strings, are not deep."""
    wide = {"a": [[]] * 500, "b": "[[[[{{{{" * 100, 'c"[': '\\"[' * 100}
    assert read(json.dumps(wide)) == ([wide], [])


def test_depth_beyond_a_lowered_recursion_limit() -> None:
    """Where the application has lowered the recursion limit, deep nesting is no JSON instead of a crash."""
    text = nested(200_000)  # more than the C code of any version reads
    before = sys.getrecursionlimit()
    values, codes = read(text, depth=1_000_000)
    assert values == [text]
    assert codes == [A.MALFORMED_JSON]
    assert sys.getrecursionlimit() == before


@pytest.mark.parametrize(
    "token",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "1" * 4301,
        "-" + "9" * 5000,
        "1e99999",
        "123456789e400",
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_numbers_that_no_double_holds_are_null(token: str, strict: bool) -> None:
    """What JSON or a double cannot hold is read as null, said once, and the rest of the payload is kept."""
    values, codes = read(f'{{"a": [{token}, 1.5, 7], "b": {token}, "c": "x"}}', strict=strict)
    assert values == [{"a": [None, 1.5, 7], "b": None, "c": "x"}]
    assert codes == [A.UNREPRESENTABLE_NUMBER]


def test_digits_are_exact() -> None:
    """Integers of as many digits as Python reads are kept to the last one."""
    digits = "7" * sys.get_int_max_str_digits()
    assert read(f'{{"a": {digits}}}')[1] == []
    assert read(f'{{"a": {digits}7}}')[0] == [{"a": None}]


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', '{"b":{"a":1,"a":2}}', '{"a":1,"\\u0061":2}'])
def test_duplicate_keys(text: str) -> None:
    """Of the same key twice the last one wins; strict mode hears of it."""
    assert read(text)[1] == []
    values, codes = read(text, strict=True)
    assert values == read(text)[0]
    assert codes == [A.DUPLICATE_KEY]


def test_duplicate_keys_and_a_number_at_once() -> None:
    """An object may be out of order in two ways."""
    values, codes = read('{"a":1,"a":NaN}', strict=True)
    assert values == [{"a": None}]
    assert A.UNREPRESENTABLE_NUMBER in codes
    values, codes = read('[{"a":1,"a":2},NaN]', strict=True)
    assert values == read('[{"a":1,"a":2},NaN]')[0] == [[{"a": 2}, None]]
    assert codes == [A.DUPLICATE_KEY, A.UNREPRESENTABLE_NUMBER]


def test_a_report_may_raise() -> None:
    """In strict mode the report raises, and nothing stands in its way."""
    fault = WireError("no", code="x")

    def refuse(code: A, message: str) -> None:
        raise fault

    for text in (
        "{} {}",
        "{",
        "nope",
        '{"a":1,"a":2}',
        '{"a":NaN}',
        ": c",
        "data: {}",
        '{"a\ndata: {}',
        '{"a":"\\ud800"}',
    ):
        with pytest.raises(WireError) as again:
            read_payloads(text, 64, FRAGMENTS, refuse, strict=True)
        assert again.value is fault


# ---------------------------------------------------------------------------------------------- surrogates


@pytest.mark.parametrize(
    ("text", "value", "codes"),
    [
        # a pair is a character
        (r'{"a":"\ud83d\ude42"}', {"a": "🙂"}, []),
        (r'{"a":"\uD83D\uDE42"}', {"a": "🙂"}, []),
        (r'{"delta":"\ud83d\ude42"}', {"delta": "🙂"}, []),
        # half a pair is none
        (r'{"a":"\ud83d"}', {"a": "\ufffd"}, [A.LONE_SURROGATE]),
        (r'{"a":"x\ude42y"}', {"a": "x\ufffdy"}, [A.LONE_SURROGATE]),
        (r'{"a":"\ude42\ud83d"}', {"a": "\ufffd\ufffd"}, [A.LONE_SURROGATE]),
        (r'{"a":["\ud83d",{"b":"\ude42"}]}', {"a": ["\ufffd", {"b": "\ufffd"}]}, [A.LONE_SURROGATE] * 2),
        (r'{"\ud83d":1}', {"\ufffd": 1}, [A.LONE_SURROGATE]),
        (r'{"a":"\uD83D"}', {"a": "\ufffd"}, [A.LONE_SURROGATE]),
        # at the edge of a fragment it waits for its other half
        (r'{"delta":"x\ud83d"}', {"delta": "x\ud83d"}, []),
        (r'{"delta":"\ude42x"}', {"delta": "\ude42x"}, []),
        (r'{"delta":"\ude42\ud83d"}', {"delta": "\ude42\ud83d"}, []),
        (r'{"delta":"\ude42"}', {"delta": "\ude42"}, []),
        (r'{"delta":""}', {"delta": ""}, []),
        (r'{"delta":"\ud83d\ud83d"}', {"delta": "\ufffd\ud83d"}, [A.LONE_SURROGATE]),
        (r'{"delta":"x\ud83dy"}', {"delta": "x\ufffdy"}, [A.LONE_SURROGATE]),
        (r'{"delta":["\ud83d"]}', {"delta": ["\ud83d"]}, []),
        (r'{"delta":{"a":"\ud83d"}}', {"delta": {"a": "\ufffd"}}, [A.LONE_SURROGATE]),
        # what only looks like one
        (r'{"a":"\\ud83d"}', {"a": "\\ud83d"}, []),
        (r'{"a":"\ud7ff"}', {"a": "\ud7ff"}, []),
    ],
)
def test_surrogates(text: str, value: Any, codes: list[A]) -> None:
    """Half a pair becomes U+FFFD, except at the edge of a fragment, where its other half may follow."""
    assert read(text) == ([value], codes)


def test_join_surrogates() -> None:
    """Halves that meet become the character, others U+FFFD."""
    assert join_surrogates("a\ud83d\ude42b") == "a🙂b"
    assert join_surrogates("\ud83dx\ude42") == "\ufffdx\ufffd"
    assert join_surrogates("plain é日🙂") == "plain é日🙂"


@pytest.mark.parametrize(
    ("pieces", "joined", "reports"),
    [
        (["a\ud83d", "\ude42b"], ["a", "🙂b"], 0),
        (["\ud83d", "\ude42"], ["", "🙂"], 0),
        (["\ud800", "\udc00x"], ["", "\U00010000x"], 0),
        (["x\udbff", "\udfff"], ["x", "\U0010ffff"], 0),
        (["\udc00y"], ["\ufffdy"], 1),
        (["\udfffz"], ["\ufffdz"], 1),
        (["\udc00", "a"], ["\ufffd", "a"], 1),
        (["\udbff", "\udc00"], ["", "\U0010fc00"], 0),
        (["\ud7ff", "\ue000"], ["\ud7ff", "\ue000"], 0),
        (["\ud83d", "x"], ["", "\ufffdx"], 1),
        (["\ud83d", ""], ["", "\ufffd"], 1),
        (["\ude42x"], ["\ufffdx"], 1),
        (["\ud83d", "\ud83d", "\ude42"], ["", "\ufffd", "🙂"], 1),
        (["\ud83d", "x\ud83d", "\ude42\ud83d", "\ude42"], ["", "\ufffdx", "🙂", "🙂"], 1),
    ],
)
def test_join_halves(pieces: list[str], joined: list[str], reports: int) -> None:
    """Halves of a pair in two fragments meet, whatever stood there before; a half alone is told."""
    waiting: dict[Any, int] = {}
    codes: list[A] = []
    made = [join_halves(waiting, "here", piece, lambda code, message: codes.append(code)) for piece in pieces]
    assert made == joined
    assert codes == [A.LONE_SURROGATE] * reports
    assert waiting == {}


def test_escape_surrogates() -> None:
    """A text that was decoded elsewhere gets a UTF-8 form that means the same in JSON."""
    text = escape_surrogates('{"a":"\ud83d","b":"🙂"}')
    text.encode()
    assert json.loads(text) == {"a": "\ud83d", "b": "🙂"}


def test_mend_leaves_the_rest_alone() -> None:
    """Values without surrogates are given as they are, of any type."""
    for value in (None, True, 5, 1.5, "x", ["x", 1], {"a": ["x"]}):
        assert replace_lone_surrogates(value, lambda code, message: pytest.fail(message), FRAGMENTS) == value


@pytest.mark.parametrize(
    ("text", "strict"),
    [
        ("{}", True),
        (" [1, 2] ", True),
        ("null", True),
        ('"x"', True),
        ("1e5", True),
        (nested(500), True),
        ("", False),
        ("{", False),
        ("{} {}", False),
        ("NaN", False),
        ("[Infinity]", False),
        ("'x'", False),
        ("[1,]", False),
        ("01", False),
        ('"\n"', False),
        ("1" * 5000, False),
        (nested(100_000), False),
        ("\ufeff{}", False),
    ],
)
def test_is_strict_json(text: str, strict: bool) -> None:
    """Strict JSON is one value of RFC 8259 and nothing around it; nothing that is not makes it raise."""
    assert is_strict_json(text) is strict


# ------------------------------------------------------------------------------------------------ the rescue


@pytest.mark.parametrize(
    ("text", "values", "codes"),
    [
        # several
        ('{"a":1}{"a":2}', [{"a": 1}, {"a": 2}], [A.SEVERAL_PAYLOADS]),
        ('{"a":1}\n{"a":2} {"a":3}\n', [{"a": 1}, {"a": 2}, {"a": 3}], [A.SEVERAL_PAYLOADS]),
        ('{"a":1} 2', [{"a": 1}, 2], [A.SEVERAL_PAYLOADS]),
        # the sentinel, which is no JSON
        ("[DONE]", ["[DONE]"], []),
        (" [DONE]\n", ["[DONE]"], []),
        ("[DONE] later", ["[DONE]", "later"], [A.MALFORMED_JSON]),
        ("[done]", ["[done]"], [A.MALFORMED_JSON]),
        # other JSON
        ("null", [None], []),
        ("5", [5], []),
        ("[1]", [[1]], []),
        ('"x"', ["x"], []),
        # a comment that a gateway sent on
        (": ping", [": ping"], [A.COMMENT_AS_DATA]),
        (":", [":"], [A.COMMENT_AS_DATA]),
        (' : {"a":1}', [': {"a":1}'], [A.COMMENT_AS_DATA]),
        # a second prefix
        ('data: {"a":1}', [{"a": 1}], [A.DOUBLED_PREFIX]),
        ('data:{"a":1}', [{"a": 1}], [A.DOUBLED_PREFIX]),
        ('data: data:  {"a":1} ', [{"a": 1}], [A.DOUBLED_PREFIX]),
        ('data: {"a":1}data: {"a":2}', [{"a": 1}, {"a": 2}], [A.DOUBLED_PREFIX, A.SEVERAL_PAYLOADS]),
        ("data: [DONE]", ["[DONE]"], [A.DOUBLED_PREFIX]),
        ("data: : c", [": c"], [A.DOUBLED_PREFIX, A.COMMENT_AS_DATA]),
        ("data: nope", ["nope"], [A.DOUBLED_PREFIX, A.MALFORMED_JSON]),
        ("data:", [], [A.DOUBLED_PREFIX]),
        # glued
        ('{"a":"xdata: {"b":2}', ['{"a":"x', {"b": 2}], [A.GLUED_FRAME]),
        ('{"a":"xdata:{"b":2}', ['{"a":"x', {"b": 2}], [A.GLUED_FRAME]),
        ('{"a":"x\n{"b":2}', ['{"a":"x', {"b": 2}], [A.GLUED_FRAME]),
        ('{"a":1}{"b":\n{"c":3}', [{"a": 1}, '{"b":', {"c": 3}], [A.GLUED_FRAME]),
        ('nope\n{"b":2}{"c":3}', ["nope", {"b": 2}, {"c": 3}], [A.GLUED_FRAME]),
        ('{"a":\n{"b":\n{"c":3}', ['{"a":\n{"b":', {"c": 3}], [A.GLUED_FRAME]),
        ('nope\n{"b":2} nope', ['nope\n{"b":2} nope'], [A.MALFORMED_JSON]),
        # broken
        ("{", ["{"], [A.MALFORMED_JSON]),
        ('{"a":1', ['{"a":1'], [A.MALFORMED_JSON]),
        ('{"a":1} x', [{"a": 1}, "x"], [A.MALFORMED_JSON]),
        ("<html>", ["<html>"], [A.MALFORMED_JSON]),
        ("\ufeff{}", ["\ufeff{}"], [A.MALFORMED_JSON]),
        ("{'a':1}", ["{'a':1}"], [A.MALFORMED_JSON]),
        ('{"a":"\n"}', [{"a": "\n"}], [A.CONTROL_CHARACTER]),
        (
            '{"a":"\x1b","b":1e999}',
            [{"a": "\x1b", "b": None}],
            [A.UNREPRESENTABLE_NUMBER, A.CONTROL_CHARACTER],
        ),
        ('{\n"a":1e999}', [{"a": None}], [A.UNREPRESENTABLE_NUMBER]),
        ('{"a":1}\n[DONE]', [{"a": 1}, "[DONE]"], [A.SEVERAL_PAYLOADS]),
        ('{"a":1}[DONE]{"b":1}', [{"a": 1}, "[DONE]", {"b": 1}], [A.SEVERAL_PAYLOADS]),
        ('{"a":1}data: {"b":1}', [{"a": 1}, {"b": 1}], [A.DOUBLED_PREFIX, A.SEVERAL_PAYLOADS]),
        ('{"a":"\\x"}', ['{"a":"\\x"}'], [A.MALFORMED_JSON]),
    ],
)
def test_rescue(text: str, values: list[Any], codes: list[A]) -> None:
    """What can be read is read, what cannot comes as text in its place, and what was wrong is said."""
    assert read(text) == (values, codes)


def test_a_payload_made_of_joints() -> None:
    """A frame is looked for at the last few joints only, so that a payload made of joints costs no square."""
    assert read("x" + '\n{"b":' * MOST_JOINTS + "1}")[1] == [A.GLUED_FRAME]
    assert read('\n{"a":2}x' * MOST_JOINTS + '\n{"b":1}')[0][-1] == {"b": 1}

    def work(count: int) -> int:
        return sum(count_calls(lambda: read("x" + "\n{x}" * count)).values())

    assert work(4000) <= 2 * work(2000)


json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
).map(json.dumps)
scraps = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        '"',
        "\\",
        "\\ud83d",
        ":",
        ",",
        "data: ",
        "data:",
        "\n",
        " ",
        "[DONE]",
        "NaN",
        "1e400",
        "\x00",
        "é",
    ]
)
damaged = st.lists(json_texts | scraps | st.text(max_size=3), max_size=6).map("".join)


@given(damaged, st.booleans())
def test_only_the_limit_is_raised(text: str, strict: bool) -> None:
    """Of any text, in either mode, only `LimitExceeded` comes, or what the report itself raises."""
    for raises in (False, True):
        fault = WireError("no", code="x")

        def report(code: A, message: str, raises: bool = raises, fault: WireError = fault) -> None:
            assert isinstance(code, A)
            if raises:
                raise fault

        try:
            values = read_payloads(text, 8, FRAGMENTS, report, strict=strict)
        except LimitExceeded:
            continue
        except WireError as found:
            assert found is fault  # noqa: PT017
            continue
        assert isinstance(values, list)


@given(
    st.lists(st.dictionaries(st.sampled_from("bc"), st.text("xyz", max_size=3), max_size=2), max_size=4),
    st.data(),
)
def test_nothing_is_dropped(objects: list[Any], data: st.DataObject) -> None:
    """Every letter of a broken payload comes out, in a value or as text."""
    text = "".join(json.dumps(value) + data.draw(st.sampled_from(["", " ", "\n"])) for value in objects)
    cut = data.draw(st.integers(0, len(text)))
    broken = text[:cut] + data.draw(st.sampled_from(["", "@", "\n", "@data: "])) + text[cut:]
    values, _ = read(broken)
    letters = [letter for letter in broken if letter in "bcxyz@"]
    found = "".join(piece if isinstance(piece, str) else json.dumps(piece) for piece in values)
    assert sorted(letter for letter in found if letter in "bcxyz@") == sorted(letters)


@given(damaged)
def test_what_comes_out_has_a_utf8_form(text: str) -> None:
    """Strings that are no fragments can be encoded, whatever the escapes were."""
    text = text.encode("utf-8", "replace").decode()
    try:
        values, _ = read(text)
    except LimitExceeded:
        return
    for value in values:
        if not isinstance(value, str):
            for found in strings_in(value):
                found.encode()


@given(damaged)
def test_lenient_reads_what_strict_reads(text: str) -> None:
    """Where strict mode has nothing to report, both read the same."""
    try:
        strict_values, strict_codes = read(text, strict=True)
    except LimitExceeded:
        return
    if not strict_codes:
        assert repr(read(text)) == repr((strict_values, strict_codes))


@pytest.mark.parametrize("half", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_mend_knows_every_half(half: int) -> None:
    """The first and the last of the surrogates are halves too: kept at the right edge of a fragment only."""
    codes: list[A] = []
    edge, leads = chr(half), half < 0xDC00
    fragment = {"delta": f"a{edge}" if leads else f"{edge}a"}
    assert replace_lone_surrogates(fragment, lambda code, message: codes.append(code), FRAGMENTS) == fragment
    assert codes == []
    wrong = {"delta": f"{edge}a" if leads else f"a{edge}", "other": edge}
    mended = {"delta": "\ufffda" if leads else "a\ufffd", "other": "\ufffd"}
    assert replace_lone_surrogates(wrong, lambda code, message: codes.append(code), FRAGMENTS) == mended
    assert codes == [A.LONE_SURROGATE] * 2


def test_only_four_characters_are_space() -> None:
    """Beside values stand spaces, tabs and line ends, as JSON has it, and nothing else."""
    assert read(" \t\r\n{} \t\r\n") == ([{}], [])
    assert read(" \t\r\n") == ([], [])
    for other in "X\v\f\xa0\ufeff":
        assert read(other) == ([other], [A.MALFORMED_JSON])
        assert read("{}" + other) == ([{}, other], [A.MALFORMED_JSON])


@pytest.mark.parametrize("plain", ["\ud7ff", "\ue000", "\uffff"])
def test_neighbours_of_surrogates_are_letters(plain: str) -> None:
    """What stands before and behind the surrogates is left as it is, at every edge."""
    codes: list[A] = []
    value = {"delta": f"{plain}a{plain}", plain: [plain]}
    assert replace_lone_surrogates(value, lambda code, message: codes.append(code), FRAGMENTS) == value
    assert codes == []


def test_depth_is_exact_beside_other_brackets() -> None:
    """Exactly the limit passes, however many arrays and objects stand beside one another."""
    assert read("[[[1]],[{}],[[2]]]", depth=3)[0] == [[[[1]], [{}], [[2]]]]
    with pytest.raises(LimitExceeded):
        read("[[[1]],[{}],[[[2]]]]", depth=3)


TREES = st.recursive(
    st.none() | st.integers(0, 9) | st.sampled_from(["", "{[", "}]", '"{']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab{["), inner, max_size=3),
    max_leaves=25,
)


@pytest.mark.parametrize("padding", [0, CACHE_UP_TO])
@given(tree=st.dictionaries(st.sampled_from("abc"), TREES, max_size=3), depth=st.integers(1, 8))
def test_the_depth_of_an_object_is_that_of_its_text(padding: int, tree: Any, depth: int) -> None:
    """An object is refused where its text would be, whatever its strings hold, and however long it is."""
    value = {**tree, "padding": " " * padding}
    text = json.dumps(value)
    try:
        check_depth(text, depth)
    except LimitExceeded:
        with pytest.raises(LimitExceeded) as fault:
            read_object(text, depth, strict=False)
        assert (fault.value.limit, fault.value.value) == ("json_depth", depth)
    else:
        assert read_object(text, depth, strict=False) == value


# -------------------------------------------------------------------------------------- announcements


RESPONSES = st.sampled_from(
    ["{}", "5", '{"a":{"b":[1]}}', '{"id":"r","tools":[{"response":1}]}', "{", '"\\ud83d"']
)
MEMBERS = st.sampled_from(
    [
        '"type":"a"',
        '"type":"b","sequence_number":1',
        '"x":",\\"response\\":5"',
        '"response":1',
        '"x":{"y":1',
        '"a":[[1]]',
        "",
        "5",
    ]
)
ENDS = st.sampled_from(["}", "} ", ',"type":"c"}', ',"response":2}', "}}", "", ',"x":1}'])


@given(
    st.lists(st.tuples(MEMBERS, RESPONSES, ENDS), min_size=1, max_size=5), st.booleans(), st.integers(1, 4)
)
def test_what_was_announced_is_read_as_if_it_had_not_been(
    told: list[tuple[str, str, str]], strict: bool, depth: int
) -> None:
    """A response that comes again in the same words is read like any other, whatever stands around it."""

    def outcome(read_one: Any, text: str) -> Any:
        try:
            value = read_one(text, depth, strict=strict)
            if value is None:
                check_depth(text, depth)  # as `read_payloads()` does, which comes next
        except LimitExceeded as fault:
            return fault.limit
        return value

    announcement = RepeatedResponseReader()
    for before, response, end in told:
        text = f'{{{before},"response":{response}{end}'
        found, wanted = outcome(announcement.read, text), outcome(read_object, text)
        assert found == wanted
        assert type(found) is type(wanted)
        assert not isinstance(found, dict) or list(found) == list(wanted)


def test_the_second_announcement_is_the_same_object() -> None:
    """What was told again in the same words is not parsed again; what is long is not kept."""
    announcement = RepeatedResponseReader()
    first = announcement.read('{"type":"a","response":{"id":"r"}}', 64, strict=True)
    second = announcement.read('{"type":"b","response":{"id":"r"}}', 64, strict=True)
    assert first is not None
    assert second == {"type": "b", "response": {"id": "r"}}
    assert second["response"] is first["response"]
    long = '{"type":"b","response":"' + "x" * CACHE_UP_TO + '"}'
    once, twice = (announcement.read(long, 64, strict=False) for _ in range(2))
    assert once == twice == json.loads(long)
    assert once["response"] is not twice["response"]


@pytest.mark.parametrize("count", [1, 2, MOST_VALUES - 1, MOST_VALUES, MOST_VALUES + 1, 2 * MOST_VALUES + 1])
@pytest.mark.parametrize(("rest", "glued"), [("", []), (" ?", ["?"])])
def test_however_many_values_there_are(count: int, rest: str, glued: list[str]) -> None:
    """All of them come, and it is said once that they are several."""
    values, codes = read("5 " * (count - 1) + "5" + rest)
    assert values == [*[5] * count, *glued]
    several = [A.SEVERAL_PAYLOADS] if count > 1 and (count >= MOST_VALUES or not rest) else []
    assert codes == [*several, *([A.MALFORMED_JSON] if rest else [])]


@pytest.mark.parametrize("count", [1, 2, MOST_VALUES - 1, MOST_VALUES, MOST_VALUES + 1])
def test_however_many_values_are_glued_on(count: int) -> None:
    """They are read, whatever stands before them."""
    values, codes = read("{broken" + "data: " + "{} " * count)
    assert values == ["{broken", *[{}] * count]
    assert codes == [A.GLUED_FRAME]
