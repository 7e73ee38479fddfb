"""How the classes of data are shown and compared: one `__repr__`, `__eq__` and `__hash__` for all of them."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, Final, TypeAlias

import attrs

__all__ = ["Shown"]


Values: TypeAlias = Callable[[object], tuple[Any, ...]]
"""What gives the values of some fields of an object."""

COMPARED: Final[dict[type, Values]] = {}
HASHED: Final[dict[type, Values]] = {}
"""By class, for those of which an object was compared or hashed."""


class Shown:
    """An object of an attrs class, shown and compared as attrs itself would do it.

    attrs writes these methods for each class anew and compiles them, which for all classes of this library
    takes a fifth of the time that it takes to import it. With this one as their base they say `repr=False,
    eq=False`; what is not frozen is compared by attrs. (Those deltas that the short cut makes out of drafts
    have no base, for it has to be that of the drafts as well.)
    """

    __slots__ = ()

    @recursive_repr()
    def __repr__(self) -> str:
        kind: Any = type(self)
        shown = ", ".join(
            f"{field.name}={(repr if field.repr is True else field.repr)(getattr(self, field.name))}"
            for field in attrs.fields(kind)
            if field.repr
        )
        return f"{kind.__name__}({shown})"

    def __eq__(self, other: object) -> bool:
        kind = type(self)
        if type(other) is not kind:
            return NotImplemented
        values = COMPARED.get(kind)
        if values is None:
            fields = attrs.fields(kind)  # type: ignore[arg-type]
            values = COMPARED[kind] = values_of([field.name for field in fields if field.eq])
        return values(self) == values(other)

    def __hash__(self) -> int:
        kind = type(self)
        values = HASHED.get(kind)
        if values is None:
            fields = attrs.fields(kind)  # type: ignore[arg-type]
            names = [field.name for field in fields if (field.eq if field.hash is None else field.hash)]
            values = HASHED[kind] = values_of(names)
        return hash((kind, *values(self)))


def values_of(names: list[str]) -> Values:
    """What gives the values of these fields as a tuple."""
    if not names:
        return lambda value: ()
    # Of one name alone it would give the value itself.
    return attrgetter(*names, names[0])
