"""Classes of data: each does as a class of the same fields that attrs has made."""

from __future__ import annotations

import copy
import inspect
import pickle
import weakref
from typing import Any

import attrs
import pytest

import deltafold
from deltafold import ArgumentsDelta, Lift, Limits, Notice, OutputText, TextDelta, UsageError
from deltafold.model.frozen import field, fields_of, frozen, is_frozen, maker_of

KINDS = [
    kind
    for name in deltafold.__all__
    if isinstance(kind := getattr(deltafold, name), type) and is_frozen(kind)
]
every_kind = pytest.mark.parametrize("kind", KINDS)


def twin_of(kind: Any) -> Any:
    """A class of the same fields that attrs makes."""
    described = {
        one.name: attrs.field(
            default=one.default, repr=one.repr, eq=one.eq, hash=one.hash, kw_only=one.kw_only
        )
        for one in attrs.fields(kind)
    }
    return attrs.make_class(kind.__name__, described, frozen=True)


def values_of(kind: Any) -> dict[str, Any]:
    """A value for each field, in the order of the fields."""
    if kind is Limits:
        return {one.name: number for number, one in enumerate(fields_of(kind), 1)}
    if kind is Lift:
        return {"path": ("a",), "into": "text", "tool": "t", "remove": True}
    return {one.name: f"the {one.name} " * 20 for one in fields_of(kind)}


@every_kind
def test_fields_are_those_of_attrs(kind: Any) -> None:
    """attrs knows the fields and their types, and what it makes of an object."""
    assert attrs.has(kind)
    fields, twin, values = attrs.fields(kind), twin_of(kind), values_of(kind)
    assert attrs.fields(kind) is fields
    assert [one.name for one in fields] == list(kind.__annotations__)
    assert [one.type for one in fields] == list(kind.__annotations__.values())
    assert kind.__match_args__ == twin.__match_args__
    assert attrs.asdict(kind(**values)) == attrs.asdict(twin(**values)) == values
    assert attrs.evolve(kind(**values)) == kind(**values)


@every_kind
def test_parameters_are_those_of_attrs(kind: Any) -> None:
    """What makes an object has the same parameters, whether or not one has been made before."""
    ours, theirs = (inspect.signature(made).parameters.values() for made in (kind, twin_of(kind)))
    assert [(one.name, one.kind) for one in ours] == [(one.name, one.kind) for one in theirs]
    assert [one.default is one.empty for one in ours] == [one.default is one.empty for one in theirs]
    assert [one.annotation for one in ours] == list(kind.__annotations__.values())


@every_kind
def test_made_as_by_attrs(kind: Any) -> None:
    """Values are given by position or by name, and what is left out has its default."""
    fields, twin, values = attrs.fields(kind), twin_of(kind), values_of(kind)
    positional = [one.name for one in fields if not one.kw_only]
    by_name = {name: value for name, value in values.items() if name not in positional}
    for count in range(len(positional) + 1):
        given = [values[name] for name in positional[:count]]
        named = {name: values[name] for name in positional[count:]}
        assert attrs.asdict(kind(*given, **named, **by_name)) == values
        try:
            wanted = attrs.asdict(twin(*given), recurse=False)
        except TypeError:
            with pytest.raises(TypeError, match="missing"):
                kind(*given)
        else:
            assert attrs.asdict(kind(*given), recurse=False) == wanted
    with pytest.raises(TypeError, match="positional argument"):
        kind(*[values[name] for name in positional], None)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nothing'"):
        kind(**values, nothing=1)
    if positional:
        with pytest.raises(TypeError, match=f"multiple values for argument {positional[0]!r}"):
            kind(values[positional[0]], **values)


@every_kind
def test_made_of_a_draft(kind: Any) -> None:
    """What is made of a draft is what the class makes, down to its defaults, and cannot be changed either."""
    values, make = values_of(kind), maker_of(kind)
    needed = {one.name: values[one.name] for one in fields_of(kind) if one.is_required}
    for given in (values, needed):
        made = make(**given)
        assert type(made) is kind
        assert made == kind(**given)
        assert [getattr(made, one.name) for one in fields_of(kind)] == [
            getattr(kind(**given), one.name) for one in fields_of(kind)
        ]
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(made, fields_of(kind)[0].name, 1)


@every_kind
def test_shown_as_by_attrs(kind: Any) -> None:
    """Each class is shown just as a class of the same fields whose `__repr__` attrs has written."""
    values = values_of(kind)
    assert repr(kind(**values)) == repr(twin_of(kind)(**values))


@every_kind
def test_compared_as_by_attrs(kind: Any) -> None:
    """Each class is compared and hashed by the same fields as a class whose methods attrs has written."""
    twin, sent = twin_of(kind), values_of(kind)
    assert kind(**sent) == kind(**sent)
    assert hash(kind(**sent)) == hash(kind(**sent))
    assert kind(**sent) != twin(**sent)
    assert kind(**sent).__eq__(None) is NotImplemented
    others = {"path": ("b",), "into": "reasoning", "tool": None, "remove": False} if kind is Lift else {}
    for one in attrs.fields(kind):
        other = {**sent, one.name: others.get(one.name, 99)}
        assert (kind(**sent) == kind(**other)) is (twin(**sent) == twin(**other))
        assert (hash(kind(**sent)) == hash(kind(**other))) is (hash(twin(**sent)) == hash(twin(**other)))
        if kind in (Limits, Lift):
            continue  # which do not take just anything
        unhashable = {**sent, one.name: []}
        for made in (kind, twin):
            if one.eq if one.hash is None else one.hash:
                with pytest.raises(TypeError, match="unhashable"):
                    hash(made(**unhashable))
            else:
                hash(made(**unhashable))


@every_kind
def test_cannot_be_changed(kind: Any) -> None:
    """Nothing can be set, deleted or added; copies and what comes out of a pickle are equal."""
    made = kind(**values_of(kind))
    for name in (*values_of(kind), "nothing"):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(made, name, 1)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            delattr(made, name)
    assert not hasattr(made, "__dict__")
    for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made)), made.__replace__()):
        assert type(again) is kind
        assert again is not made
        assert again == made


def test_objects_without_fields() -> None:
    """They are equal."""

    @frozen
    class Nothing:
        pass

    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())
    assert repr(Nothing()) == "Nothing()"


def test_what_holds_itself() -> None:
    """An object inside of itself is shown as dots."""
    notice = Notice("ping", {})
    notice.payload["again"] = notice
    assert repr(notice) == "Notice(type='ping', payload={'again': ...})"


def test_defaults_are_made_anew() -> None:
    """What a factory makes belongs to one object alone, also where other values are left out after it."""

    @frozen
    class Made:
        first: list[int] = field(factory=list)
        second: int = 2

    assert Made() == Made([], 2)
    assert Made().first is not Made().first
    assert Made([1]) == Made([1], second=2)


def test_a_class_of_its_own_ways() -> None:
    """What a class has itself is left to it, and a subclass has all that it has."""

    @frozen
    class Own:
        value: int

        def __repr__(self) -> str:
            return "mine"

    class More(Own):
        def __init__(self, value: int) -> None:
            super().__init__(value)

    assert repr(Own(1)) == "mine"
    assert More(1) == More(value=1) != Own(1)
    assert Own(1) != More(1)
    assert [one.name for one in attrs.fields(More)] == ["value"]


def test_attrs_goes_on() -> None:
    """A class that attrs makes out of one of ours has its fields."""

    @attrs.frozen
    class Mine(TextDelta):
        more: int = 0

    made = Mine(0, 1, "Hi", (), 7)
    assert (made.output_index, made.content_index, made.text, made.logprobs, made.more) == (0, 1, "Hi", (), 7)


def test_weak_references() -> None:
    """Objects can be referred to weakly, but for the deltas of which there are most."""
    part = OutputText("Hi", (), (), {})
    assert weakref.ref(part)() is part
    with pytest.raises(TypeError, match="weak reference"):
        weakref.ref(ArgumentsDelta(0, "x"))


def test_values_are_checked() -> None:
    """Where a field converts or checks its value, what does not pass makes no object."""
    path: Any = ["a", 0]
    assert Lift(path, "text").path == ("a", 0)
    with pytest.raises(UsageError, match="into"):
        Lift(("a",), "speech")  # type: ignore[arg-type]


def test_fields_are_checked_one_by_one() -> None:
    """Beside one that has no check."""

    def no_number(_made: Any, one: Any, value: Any) -> None:
        if isinstance(value, int):
            raise UsageError(one.name)

    @frozen
    class Checked:
        plain: Any
        checked: Any = field(validator=no_number)

    assert Checked(5, "x") == Checked(5, "x")
    with pytest.raises(UsageError, match="checked"):
        Checked("x", 5)


def test_drafts_are_checked() -> None:
    """What is made of a draft is converted and validated as what the class makes."""

    def check(made: Any, one: Any, value: int) -> None:
        if value < 0:
            raise ValueError(value)

    @frozen
    class Count:
        value: int = field(converter=int, validator=check)

    make = maker_of(Count)
    assert make(7.0).value == 7
    with pytest.raises(ValueError, match="-1"):
        make(-1)
