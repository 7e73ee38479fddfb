"""How objects are shown: as attrs would show them."""

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


def test_what_holds_itself() -> None:
    """An object inside of itself is shown as dots."""
    notice = Notice("ping", {})
    notice.payload["again"] = notice
    assert repr(notice) == "Notice(type='ping', payload={'again': ...})"
