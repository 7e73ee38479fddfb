"""What the classes of data have in common: how they are shown, and how they are made."""

from __future__ import annotations

from collections.abc import Callable
from reprlib import recursive_repr
from typing import Any, ParamSpec, TypeVar, cast

import attrs

__all__ = ["Shown", "maker"]

Fields = ParamSpec("Fields")
Made = TypeVar("Made")


class Shown:
    """An object of an attrs class, shown as attrs itself would show it.

    attrs writes a `__repr__` for each class anew and compiles it, which for all classes of this library takes
    a tenth of the time that it takes to import it. With this one as their base they say `repr=False`. (Those
    deltas that `hot` makes out of drafts have none, for it has to be that of the drafts as well.)
    """

    __slots__ = ("__weakref__",)

    @recursive_repr()
    def __repr__(self) -> str:
        kind: Any = type(self)
        shown = ", ".join(
            f"{field.name}={(repr if field.repr is True else field.repr)(getattr(self, field.name))}"
            for field in attrs.fields(kind)
            if field.repr
        )
        return f"{kind.__name__}({shown})"


def maker(kind: Callable[Fields, Made]) -> Callable[Fields, Made]:
    """What makes objects of a frozen attrs class, as the class itself does, but in less time.

    Most of the time of making one goes into setting its fields, each through `object.__setattr__()`, for its
    own refuses. Here an object of a class that is like it but for this is filled, and then becomes one of it.
    """
    frozen: Any = kind

    def become(made: Any) -> None:
        made.__class__ = frozen

    fields = {
        field.name: attrs.field(default=field.default, kw_only=field.kw_only)
        for field in attrs.fields(frozen)
    }
    like = type(frozen.__name__, frozen.__bases__, {"__attrs_post_init__": become})
    return cast("Callable[Fields, Made]", attrs.define(like, these=fields, eq=False, repr=False))
