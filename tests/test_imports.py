"""What `import deltafold` brings with it, and what comes only once it is needed."""

from __future__ import annotations

import importlib
import subprocess
import sys
import typing
from typing import Any

import attrs
import pytest

import deltafold
from deltafold.testing import StreamBuilder

DEFERRED = {
    *(f"deltafold.{module}" for module in deltafold._LATER.values()),
    *(f"deltafold.{module}" for module in ("arguments.lifter", "parsing.replay", "parsing.snapshot")),
    "deltafold.dialects.chat.reader",
}
"""The modules that a plain stream does without."""

READING = """
registry
model: anomalies errors events faults frozen items json_form json_values limits rate_limits response verdict
wire: blocks body_kind frame_decoder json_text sse value_end
machine: build evidence fold lifecycle make records usage values
diagnosis: error_payloads
arguments: lift lifted_calls
views: liveness
dialects: base claims emitter
parsing: bodies connections fast_path frames loop parser payload_values reader reporter state templates
"""
"""What a reader needs. A module more costs everybody who imports the package."""

LIBRARIES = {"base64", "binascii", "json", "math", "struct", "weakref", "zlib"}
"""What it needs of the standard library beside `re`, `enum`, `typing` and what these need."""


def modules_after(script: str, body: bytes = b"") -> set[str]:
    """The modules of this library that another interpreter has imported after a script, given a body."""
    report = "print(*(name for name in sys.modules if name.startswith('deltafold')))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{script}\n{report}"], input=body, capture_output=True, check=True
    )
    return set(done.stdout.decode().split())


def modules_of(listed: str) -> set[str]:
    """The modules of a list by folders, and the folders."""
    found = {"deltafold"}
    for line in listed.split("\n"):
        folder, _, names = line.partition(":")
        if folder:
            found |= {f"deltafold.{folder}", *(f"deltafold.{folder}.{name}" for name in names.split())}
    return found


def test_what_a_reader_needs() -> None:
    """To import the parser brings just what is listed, and of other packages nothing, not even attrs."""
    ours = modules_after("from deltafold import ResponseParser")
    compiled = {"deltafold._speedups", *(name for name in ours if name.endswith("__mypyc"))}
    assert ours - compiled == modules_of(READING)
    script = (
        "import sys, contextlib, enum, functools, re, typing\n"
        "before = {*sys.modules}\nfrom deltafold import ResponseParser\n"
        "print(*{name.partition('.')[0] for name in {*sys.modules} - before})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    brought = {name for name in done.stdout.split() if not name.startswith(("_", "deltafold"))}
    assert brought <= LIBRARIES | {"importlib"}  # which compiled modules bring


def test_a_plain_stream_needs_no_attrs() -> None:
    """Reading does not import attrs, which takes longer than all that is listed."""
    body = StreamBuilder("responses").text("Hel", "lo").completed().body
    modules_after(
        "import deltafold\nassert deltafold.parse(sys.stdin.buffer.read()).output_text == 'Hello'\n"
        "assert 'attrs' not in sys.modules",
        body,
    )


@pytest.mark.parametrize(
    ("dialect", "more"), [("responses", set()), ("chat", {"deltafold.dialects.chat.reader"})]
)
def test_a_plain_stream_needs_no_more(dialect: str, more: set[str]) -> None:
    """The package leaves out what is deferred, and a stream of text brings at most its own dialect."""
    assert not modules_after("import deltafold") & DEFERRED
    read = f"deltafold.parse(sys.stdin.buffer.read(), {dialect!r})"
    script = f"import deltafold\nassert {read}.output_text == 'Hello'"
    body = StreamBuilder(dialect).text("Hel", "lo").completed().body
    assert modules_after(script, body) & DEFERRED == more


@pytest.mark.parametrize("name", deltafold._LATER)
def test_what_is_deferred_can_be_had(name: str) -> None:
    """The package gives a deferred name as the very object that it is in its module."""
    module = f"deltafold.{deltafold._LATER[name]}"
    assert module in modules_after(f"from deltafold import {name}")
    found = importlib.import_module(module)
    assert name in found.__all__
    assert getattr(deltafold, name) is getattr(found, name)


def test_a_star_brings_everything() -> None:
    """`from deltafold import *` gives every public name, and `dir()` lists it, imported or not."""
    modules_after(
        "import deltafold\nlisted = dir(deltafold)\n"
        "assert {*deltafold.__all__, *deltafold._LATER} <= set(listed)\n"
        "assert listed == sorted(set(listed))\n"
        "from deltafold import *\n"
        "assert set(deltafold.__all__) <= set(globals())"
    )


def test_a_name_that_nothing_has() -> None:
    """An unknown name is an `AttributeError` as of any module, and an `ImportError` where it is imported."""
    with pytest.raises(AttributeError, match="'deltafold' has no attribute 'nothing'"):
        deltafold.nothing  # noqa: B018
    with pytest.raises(ImportError, match="nothing"):
        from deltafold import nothing  # noqa: F401


@pytest.mark.parametrize("name", deltafold.__all__)
def test_fields_say_their_types(name: str) -> None:
    """The types of all fields can be resolved at run time, as serializers of attrs classes do."""
    found: Any = getattr(deltafold, name)
    if attrs.has(found):
        assert set(typing.get_type_hints(found)) == {field.name for field in attrs.fields(found)}


def test_parameters_say_their_types() -> None:
    """So can those of the parser's parameters."""
    hints = typing.get_type_hints(deltafold.ResponseParser.__init__)
    assert typing.get_args(hints["lifts"]) == (deltafold.Lift,)
