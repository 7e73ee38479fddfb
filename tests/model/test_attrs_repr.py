"""How objects are shown and compared: as attrs would do it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

import deltafold
from deltafold import Limits, Notice
from deltafold.model.attrs_repr import Shown

KINDS = [
    kind
    for name in deltafold.__all__
    if isinstance(kind := getattr(deltafold, name), type) and issubclass(kind, Shown)
]


@pytest.mark.parametrize("kind", KINDS)
def test_as_attrs_would_show_it(kind: Any) -> None:
    """Each class is shown just as a class of the same fields whose `__repr__` attrs has written."""
    fields = attrs.fields(kind)
    twin: Any = attrs.make_class(
        kind.__name__, {field.name: attrs.field(repr=field.repr, kw_only=True) for field in fields}
    )
    told: dict[str, Any] = {field.name: f"the {field.name} " * 20 for field in fields}
    if kind is Limits:
        told = {field.name: 7 for field in fields}
    assert repr(kind(**told)) == repr(twin(**told))


@pytest.mark.parametrize("kind", KINDS)
def test_as_attrs_would_compare_it(kind: Any) -> None:
    """Each class is compared and hashed by the same fields as a class whose methods attrs has written."""
    fields = attrs.fields(kind)
    assert not {"__eq__", "__hash__"} & vars(kind).keys()
    twin: Any = attrs.make_class(
        kind.__name__,
        {field.name: attrs.field(eq=field.eq, hash=field.hash, kw_only=True) for field in fields},
        frozen=True,
    )
    sent: dict[str, Any] = {field.name: number for number, field in enumerate(fields, 1)}
    assert kind(**sent) == kind(**sent)
    assert hash(kind(**sent)) == hash(kind(**sent))
    assert kind(**sent) != twin(**sent)
    assert kind(**sent).__eq__(None) is NotImplemented
    for field in fields:
        other = {**sent, field.name: 99}
        assert (kind(**sent) == kind(**other)) is (twin(**sent) == twin(**other))
        assert (hash(kind(**sent)) == hash(kind(**other))) is (hash(twin(**sent)) == hash(twin(**other)))
        if kind is Limits:
            continue  # which takes nothing but numbers
        unhashable = {**sent, field.name: []}
        for made in (kind, twin):
            if field.eq if field.hash is None else field.hash:
                with pytest.raises(TypeError, match="unhashable"):
                    hash(made(**unhashable))
            else:
                hash(made(**unhashable))


def test_objects_without_fields() -> None:
    """They are equal."""

    @attrs.frozen(repr=False, eq=False)
    class Nothing(Shown):
        pass

    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())


def test_what_holds_itself() -> None:
    """An object inside of itself is shown as dots."""
    notice = Notice("ping", {})
    notice.payload["again"] = notice
    assert repr(notice) == "Notice(type='ping', payload={'again': ...})"
