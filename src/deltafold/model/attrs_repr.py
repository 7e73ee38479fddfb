"""How the classes of data are shown: one `__repr__` for all of them."""

from __future__ import annotations

from reprlib import recursive_repr
from typing import Any

import attrs

__all__ = ["Shown"]


class Shown:
    """An object of an attrs class, shown as attrs itself would show it.

    attrs writes a `__repr__` for each class anew and compiles it, which for all classes of this library takes
    a tenth of the time that it takes to import it. With this one as their base they say `repr=False`. (Those
    deltas that `hot` makes out of drafts have none, for it has to be that of the drafts as well.)
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
