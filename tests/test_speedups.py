"""What is written in C gives what its twins in Python give, refuses all else, and keeps nothing.

Where the package is not compiled, the C is compiled here, so that it is tested wherever there is a compiler.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import shlex
import shutil
import subprocess
import sys
import sysconfig
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import deltafold
from deltafold.model import frozen as frozen_classes
from deltafold.model.errors import LimitExceeded
from deltafold.model.frozen import field, fields_of, frozen, is_frozen, maker_of
from deltafold.parsing.templates import COUNT, PADDING, TALLY, TEXT, match_block_in_python
from deltafold.wire import json_text

SOURCE = Path(__file__).parents[1] / "src" / "deltafold" / "_speedups.c"


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module in C, that of the package or one that is made of its source."""
    if deltafold.COMPILED:
        return importlib.import_module("deltafold._speedups")
    command = shlex.split(sysconfig.get_config_var("LDSHARED") or "")
    include = sysconfig.get_path("include")
    if not command or not shutil.which(command[0]) or not Path(include, "Python.h").is_file():
        pytest.skip(
            "the package is not compiled, and there is no C compiler, or there are no headers of Python"
        )
    made = tmp_path_factory.mktemp("in_c") / f"_speedups{sysconfig.get_config_var('EXT_SUFFIX')}"
    subprocess.run([*command, "-fPIC", "-O1", f"-I{include}", str(SOURCE), "-o", str(made)], check=True)
    spec = importlib.util.spec_from_file_location("deltafold._speedups", made)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["python", "c"])
def match_block(request: pytest.FixtureRequest) -> Any:
    """Each of the two."""
    return match_block_in_python if request.param == "python" else request.getfixturevalue("in_c").match_block


# ------------------------------------------------------------------------------------------------ plain JSON

PLAIN_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text("ab_", max_size=60)
PLAIN_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18) + 1, 10**18 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | PLAIN_TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN_TEXTS, inner, max_size=4),
    max_leaves=12,
)
PLAIN_OBJECTS = st.dictionaries(PLAIN_TEXTS, PLAIN_VALUES, max_size=5)
FRAGMENTS = [
    *'{}[]":,\\ \n\t\r\x00\x1f\x7f\x0b\xa0é€🙂\ud800١',
    *(
        '{"',
        '":',
        '",',
        '"}',
        '"a":',
        '{"a":{"b":',
        "[[",
        "]]",
        "}}",
        "true",
        "false",
        "null",
        "nul",
        "NaN",
        "Infinity",
    ),
    *(
        "0",
        "-",
        "-0",
        "01",
        "12",
        "1.",
        ".5",
        "1.5",
        "e",
        "E+",
        "e-7",
        "1e999",
        "-1.0",
        "9" * 18,
        "9" * 19,
        "1" * 41,
    ),
    *("\\n", "\\/", '\\"', "\\x", "\\u0041", "\\u00e9", "\\u20aC", "\\ud83d", "\\uDe42", "\\u12", "\\u0000"),
]
TEXTS = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join)


def in_python(text: str, strict: bool) -> Any:
    """What the standard library reads under our rules: all there is, if that is an object; else None."""
    try:
        value, end = (json_text.scan_distinct if strict else json_text.scan)(text, 0)
    except (StopIteration, ValueError, RecursionError):
        return None
    return value if end == len(text) and type(value) is dict else None


@given(value=PLAIN_OBJECTS, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]), strict=st.booleans())
def test_plain_objects_are_read(in_c: Any, value: Any, ascii_only: bool, indent: Any, strict: bool) -> None:
    """They are what they were, in the order of their members; all but escaped surrogates is plain."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    found = in_c.read_plain_object(text, 64, strict)
    if json_text.has_surrogates(text):
        assert found is None or repr(found) == repr(value)  # two backslashes before it
    else:
        assert repr(found) == repr(value)


@given(text=TEXTS, inside=st.booleans(), depth=st.integers(0, 4), strict=st.booleans())
@example(text='{"a":1,"a":2}', inside=False, depth=1, strict=False)
@example(text='{"a":1,"a":2}', inside=False, depth=1, strict=True)
def test_what_is_read_is_what_python_reads(
    in_c: Any, text: str, inside: bool, depth: int, strict: bool
) -> None:
    """Of any text C reads what Python reads, or leaves it to Python."""
    text = '{"x":' + text + "}" if inside else text
    for given_text in (text, text + "é", text[:-1], text.encode("ascii", "ignore").decode()):
        found = in_c.read_plain_object(given_text, depth, strict)
        if found is not None:
            assert repr(found) == repr(in_python(given_text, strict))
            assert not json_text.is_deeper(found, depth)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "}",
            "[]",
            "1",
            '"a"',
            " {}",
            "{} ",
            "{}{}",
            '{"a":1,}',
            '{"a":[1,]}',
            "{,}",
            '{"a"}',
            '{"a":}',
        ),
        *(
            '{"a":1',
            '{"a',
            '{"a\\',
            '{"a":"\\',
            '{"a":"\\u',
            '{"a":"\\u00',
            '{"a":"\\u00"}',
            '{"a":"\\u00g0"}',
        ),
        *(
            '{"a":"\\ud83d\\ude42"}',
            '{"a":"\\uDFFF"}',
            '{"a":"\n"}',
            '{"a":"\\\n"}',
            '{"\x00":1}',
            '{"a":"\\x"}',
        ),
        *(
            '{"a":tru}',
            '{"a":nulll}',
            '{"a":NaN}',
            '{"a":-Infinity}',
            '{"a":01}',
            '{"a":-}',
            '{"a":1.}',
            '{"a":1e}',
        ),
        *(
            '{"a":+1}',
            '{"a":.5}',
            '{"a":1e999}',
            '{"a":1e+}',
            '{"a":١}',
            '{"a":1٢}',
            '{"a":\xa01}',
            "{'a':1}",
        ),
        *(
            '{"a":1 2}',
            '{"a":1]',
            '{"a":[1}',
            '{"a":' + "9" * 19 + "}",
            '{"a":0.' + "1" * 39 + "}",
            '{"a":[[1]]}',
        ),
    ],
)
def test_what_is_left_to_python(in_c: Any, text: str) -> None:
    """What is no plain object is not guessed: not read here, and no error."""
    assert in_c.read_plain_object(text, 2, True) is None


@pytest.mark.parametrize("strict", [True, False])
def test_python_reads_the_rest(in_c: Any, strict: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With C before it `read_object()` gives and refuses the same."""
    monkeypatch.setattr(json_text, "read_plain_object", in_c.read_plain_object)
    assert json_text.read_object('{"a":[1]}', 2, strict=strict) == {"a": [1]}
    assert json_text.read_object(f'{{"a":{10**30}}}', 1, strict=strict) == {"a": 10**30}
    assert json_text.read_object('{"a":1', 1, strict=strict) is None
    with pytest.raises(LimitExceeded):
        json_text.read_object('{"a":[1]}', 1, strict=strict)


def test_deep_nesting_is_left_to_python(in_c: Any) -> None:
    """Beyond what the interpreter recurses C gives up, and no exception is left behind."""
    text = '{"a":' * 100_000
    assert in_c.read_plain_object(text, 1_000_000, False) is None


def test_names_are_not_kept_for_ever(in_c: Any) -> None:
    """The table of names has a bound, and no text is interned, for which some versions keep it for ever."""
    for name in ("~!", "~a name", "~" * 48, "~" * 49):
        for one in in_c.read_plain_object(f'{{"{name}":"{name}."}}', 1, True).popitem():
            other = "".join([*one])
            assert sys.intern(other) is other, "the text was interned before"
    before = sys.getallocatedblocks()
    for number in range(20_000):
        in_c.read_plain_object(f'{{"name {number}":1}}', 1, True)
    assert sys.getallocatedblocks() - before < 1000


# ------------------------------------------------------------------------------------- blocks by template

LITERALS = st.sampled_from(["", '"', '",', '"}', ",", ":", "a", "}\n\n", "é", '"é', "1", "€"])
PIECES = [
    *(
        b"a",
        b"abc",
        b"A9z",
        b"0",
        b"1",
        b"12",
        b"9" * 15,
        b"9" * 16,
        b"01",
        b'"',
        b"\\",
        b"\n",
        b"\x00",
        b"\x1f",
    ),
    *(
        b" ",
        b",",
        b"\x7f",
        b"\xc3",
        b"\xa9",
        b"\xc3\xa9",
        b"\xe2\x82\xac",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x99\x82",
        b"\xc0\x80",
    ),
    *(
        b"\xff",
        b"\xc2\x85",
        b'\\"',
        b"\\n",
        b"\\/",
        b"\\x",
        b"\\u0041",
        b"\\u00e9",
        b"\\u20aC",
        b"\\ud83d\\ude42",
        b"\\uDFFF",
    ),
    *(b"\\u0000", b"\\u12", b"\\u12g4"),
]
OCTETS = st.lists(st.sampled_from(PIECES), max_size=5).map(b"".join)
NUMBERS = st.sampled_from([-1, 0, 7, 10, 10**15 - 1, 2**63 - 1])


BEHIND = {COUNT: "", PADDING: '"', TALLY: ",", TEXT: '"'}
"""What stands behind a field, whatever comes then."""


@st.composite
def searches(draw: st.DrawFn) -> tuple[Any, ...]:
    """The arguments of a search: patterns, and a block that may match one of them."""
    groups, known = [], []
    for _ in range(draw(st.integers(0, 2))):
        before, alike = draw(st.sampled_from(["", "", "a", '{"n":'])), []
        for _ in range(draw(st.integers(0, 3))):
            kinds = draw(st.lists(st.sampled_from([COUNT, PADDING, TALLY]), max_size=3))
            if draw(st.booleans()):
                kinds.insert(draw(st.integers(0, len(kinds))), TEXT)
            fields = [(kind, BEHIND[kind] + draw(LITERALS)) for kind in kinds]
            fields[-1:] = [(kind, same + "\n\n") for kind, same in fields[-1:]]
            alike.append((draw(LITERALS), tuple(fields)))
            known.append((before, alike[-1]))
        groups.append((before, tuple(alike)))
    number, prefix, block = draw(NUMBERS), draw(OCTETS), b""
    if known:
        before, (start, fields) = draw(st.sampled_from(known))
        written = str(number) if number >= 0 else "1"
        block = f"{before}{written if before else ''}{start}".encode("latin-1", "replace")
        for kind, same in fields:
            block += (
                written.encode() if kind == COUNT else draw(OCTETS | st.sampled_from([b"a1", b"17", b"0"]))
            )
            block += same.encode("latin-1", "replace")
    block = prefix + block[: draw(st.sampled_from([None, None, -1, 3]))] + draw(st.just(b"") | OCTETS)
    position = draw(st.sampled_from([len(prefix), len(prefix), len(prefix), 0, len(block), len(block) + 1]))
    return block.decode("latin-1"), position, tuple(groups), number


@given(search=searches())
def test_blocks_match_as_in_python(in_c: Any, search: tuple[Any, ...]) -> None:
    """Whatever the patterns and the octets, C and Python find the same."""
    assert repr(in_c.match_block(*search)) == repr(match_block_in_python(*search))


@given(before=OCTETS, octets=st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map(b"".join))
def test_texts_match_as_in_python(in_c: Any, before: bytes, octets: bytes) -> None:
    """So it is for any text, wherever it stands and whatever is wrong with it."""
    latin1 = (before + octets + b'"\n\n').decode("latin-1")
    search = latin1, len(before), (("", (("", ((TEXT, '"'),)),)),), -1
    assert repr(in_c.match_block(*search)) == repr(match_block_in_python(*search))


BLOCK = '{"n":7,"t":"%s","p":"%s","u":%s,"v":%s}\n\n'
PATTERNS = (
    ("", (("no", ()), ('{"n":8', ((TEXT, '"'),)))),
    (
        '{"n":',
        (
            ('x"', ()),
            (',"t":"', ((TEXT, '","p":"'), (PADDING, '","u":'), (TALLY, ',"v":'), (TALLY, "}\n\n"))),
        ),
    ),
)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (("a", "", "1", "2"), ("a", '1,"v":2')),
        (("\\u0041\\n\\/ \\\\", "aZ09", "0", "2"), ("A\n/ \\", '0,"v":2')),
        (("\xc3\xa9\\u20ac\x7f", "a", "1", "9" * 15), ("é€\x7f", '1,"v":' + "9" * 15)),
        (("", "a", "1", "2"), None),
        (("a", "a b", "1", "2"), None),
        (("a", "é", "1", "2"), None),
        (("a", "a", "0", "0"), None),
        (("a", "a", "01", "2"), None),
        (("a", "a", "", "2"), None),
        (("a", "a", "1", "9" * 16), None),
        (("\xc3", "a", "1", "2"), None),
        (("\xc3\\n", "a", "1", "2"), None),
        (("a\x1f", "a", "1", "2"), None),
        (("\\x", "a", "1", "2"), None),
        (("\\u00", "a", "1", "2"), None),
        (("\\ud83d\\ude42", "a", "1", "2"), None),
        (("a\\", "a", "1", "2"), None),
        (("a" * 400, "a", "1", "2"), ("a" * 400, '1,"v":2')),
        (('\\"' * 250, "a", "1", "2"), ('"' * 250, '1,"v":2')),
        (("a\\n" * 200, "b" * 400, "1", "2"), ("a\n" * 200, '1,"v":2')),
        (("a" * 350 + '\\","p":"', "a", "1", "2"), None),
        (("a" * 400 + "\n", "a", "1", "2"), None),
        *[(("a" * size, "a", "1", "2"), ("a" * size, '1,"v":2')) for size in range(340, 384)],
        (("a", "b" * 400 + "-", "1", "2"), None),
        (("a", "a", "1" * 400, "2"), None),
    ],
)
def test_fields_of_a_block(match_block: Any, fields: tuple[str, ...], found: tuple[str, str] | None) -> None:
    """What stands in each field, or that the long way is to be gone."""
    block = "\n" + BLOCK % fields
    wanted = None if found is None else (3, len(block), *found)
    assert match_block(block + "data:", 1, PATTERNS, 7) == wanted
    assert match_block(block, 0, PATTERNS, 7) is None
    assert match_block(block, len(block), PATTERNS, 7) is None
    assert match_block(block, 1, PATTERNS, 8) is None
    assert match_block(block, 1, PATTERNS, -1) is None
    for end in range(len(block)):
        assert match_block(block[:end], 1, PATTERNS, 7) is None


def test_numbers_within_a_block(match_block: Any) -> None:
    """A number that comes later is the one that is due, and without one no such block matches."""
    patterns = (("", (("a", ((COUNT, "b"),)),)),)
    assert match_block("a12b", 0, patterns, 12) == (0, 4, "", "")
    assert match_block("a12b", 0, patterns, 1) is None
    assert match_block("a1", 0, patterns, 12) is None
    assert match_block("ab", 0, patterns, -1) is None


def test_what_matches_no_pattern_at_all(match_block: Any) -> None:
    """No patterns, an empty one, and texts and padding without an end."""
    assert match_block("a", 0, (), 1) is None
    assert match_block("a", 1, (("", (("", ()),)),), 1) == (0, 1, "", "")
    for field_kind in (TEXT, PADDING):
        assert match_block("ab", 0, (("", (("", ((field_kind, '"'),)),)),), -1) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("read_plain_object", "{}"),
        ("read_plain_object", b"{}", 1, True),
        ("read_plain_object", "{}", "1", True),
        ("read_plain_object", "{}", 2**200, True),
        ("match_block", "a", 0, ()),
        ("match_block", b"a", 0, (), 1),
        ("match_block", "a", 0, [], 1),
        ("match_block", "a", None, (), 1),
        ("match_block", "a", 0, (), 2**63),
        ("match_block", "a", 0, ("x",), 1),
        ("match_block", "a", 0, (("", ["x"]),), 1),
        ("match_block", "a", 0, (("", ("x",)),), 1),
        ("match_block", "a", 0, (("", (("a", ("xy",)),)),), 1),
        ("match_block", "a", 0, (("", (("a", (("x", ""),)),)),), 1),
    ],
)
def test_other_arguments_are_refused(in_c: Any, arguments: tuple[Any, ...]) -> None:
    """What is of another type is an error, and none that ends the process."""
    name, *given_values = arguments
    with pytest.raises((TypeError, OverflowError)):
        getattr(in_c, name)(*given_values)


# ------------------------------------------------------------------------------------------- objects made


def positive(made: Any, one: Any, value: int) -> None:
    """A validator."""
    if value < 0:
        raise ValueError(value)


@frozen
class Order:
    """Every kind of field."""

    number: int = field(converter=int, validator=positive)
    buyer: Any = None
    lines: Any = field(factory=list)
    total: Any = field(kw_only=True)
    paid: Any = field(kw_only=True, default=False)


@frozen(weakref_slot=False)
class Nothing:
    """No field at all."""


KINDS = [Order, Nothing, *[kind for name in deltafold.__all__ if is_frozen(kind := getattr(deltafold, name))]]


def outcome(make: Any, values: list[Any], named: dict[str, Any]) -> Any:
    """What is made, or the exception that is raised."""
    try:
        made = make(*values, **named)
    except Exception as fault:
        return type(fault)
    return type(made), [getattr(made, one.name) for one in fields_of(type(made))]


@given(data=st.data())
def test_objects_are_those_that_their_class_makes(in_c: Any, data: st.DataObject) -> None:
    """By position, by name, by default, and refused with the same exception."""
    kind = data.draw(st.sampled_from([Order, *KINDS]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frozen_classes, "Maker", in_c.Maker)
        make = maker_of(kind)
    assert type(make) is in_c.Maker
    names = [one.name for one in fields_of(kind)]
    values = data.draw(st.lists(st.integers(-1, 9), max_size=len(names) + 1))
    rest = names[data.draw(st.sampled_from([0, len(values)])) :]
    chosen = data.draw(
        st.lists(st.sampled_from([*rest, "nothing", "é"]), unique=True, max_size=2) | st.just(rest)
    )
    named = {"".join([*name]): number for number, name in enumerate(chosen)}
    assert outcome(make, values, named) == outcome(kind, values, named)


class Bare:
    """Has a dictionary."""


class Slots:
    """Has slots alone."""

    __slots__ = ("__weakref__", "a", "b", "maker")


class Odd(Slots):
    """Makes its objects itself, and lends a slot of another class."""

    __slots__ = ()
    lent = Order.__dict__["buyer"]

    def __new__(cls) -> Odd:
        """Not by allocation alone."""
        return super().__new__(cls)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (int, (), (), 0, None),
        (type, (), (), 0, None),
        (Exception, (), (), 0, None),
        (Bare, (), (), 0, None),
        (Odd, ("a",), ((),), 1, None),
        (Slots, ("c",), ((),), 1, None),
        (Slots, ("__class__",), ((),), 1, None),
        (Slots, ("a", "a"), ((), ()), 2, None),
        (Slots, ("a",), (), 1, None),
        (Slots, ("a",), (None,), 1, None),
        (Slots, ("a",), ((),), 2, None),
        (Slots, ("a",), ((),), -1, None),
        (Slots, (1,), ((),), 1, None),
        (Slots, ["a"], ((),), 1, None),
        (Slots, ("a",) * 33, ((),) * 33, 1, None),
        (type("Lent", (), {"__slots__": (), "lent": Order.__dict__["buyer"]}), ("lent",), ((),), 1, None),
    ],
)
def test_other_classes_have_no_maker(in_c: Any, arguments: tuple[Any, ...]) -> None:
    """Memory is written where a slot of that class is, and nowhere else."""
    with pytest.raises((TypeError, AttributeError)):
        in_c.Maker(*arguments)
    with pytest.raises(TypeError):
        in_c.Maker(Slots, ("a",), ((),), 1, None, more=1)


def test_makers_are_collected(in_c: Any) -> None:
    """A class and its maker that hold each other go together."""

    class Held:
        __slots__ = ("__weakref__", "a")

    Held.maker = in_c.Maker(Held, ("a",), (([Held],),), 1, None)  # type: ignore[attr-defined]
    gone = weakref.ref(Held)
    del Held
    gc.collect()
    assert gone() is None


def test_nothing_is_kept(in_c: Any) -> None:
    """Whether it ends well or not, each call lets go of all that it held."""
    value = object()
    make = in_c.Maker(Slots, ("a", "b"), ((), (None, lambda: 1 // 0)), 1, None)
    refused = in_c.Maker(Slots, ("a", "b"), ((), (value,)), 2, lambda made: 1 // 0)
    patterns = (("", (("a", ((TEXT, '"'),)),)),)

    def calls() -> None:
        for keywords in ({}, {"a": value}, {"b": value}, {"c": value}, {"b": value, "c": value}):
            for values in ((), (value,), (value, value)):
                for maker in (make, refused):
                    with suppress(TypeError, ZeroDivisionError):
                        maker(*values, **keywords)
        with suppress(TypeError):
            in_c.Maker(Slots, ("a", "a"), ((), ()), 1, None)
        for text in ('{"abc":["x\\n",1.5,{}],"d":', '{"abc":["x\\n",1.5,{}]}', '{"a":{"bc":"\\ud800"}}'):
            in_c.read_plain_object(text, 9, True)
        for block in ('ab\\n"', 'a\xff"', 'a\\ud800"', 'a\\x"'):
            in_c.match_block(block, 0, patterns, -1)

    calls()
    gc.collect()
    held, blocks = sys.getrefcount(value), sys.getallocatedblocks()
    for _ in range(200):
        calls()
    gc.collect()
    assert sys.getrefcount(value) == held
    assert sys.getallocatedblocks() - blocks < 100
