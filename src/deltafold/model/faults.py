"""A fault that is kept, and raised at every call."""

from __future__ import annotations

import weakref

from deltafold.model.errors import DeltafoldError, WireError, made_again

__all__ = ["StickyFault"]


class StickyFault:
    """A fault that is raised at every call, as the same exception while anybody holds that one.

    A raised exception refers to the frames that it went through, and with them to whatever these hold. Kept,
    it would keep all that alive, and would grow with each raise. So it is kept as it was made, and the raised
    one by a weak reference alone.
    """

    __slots__ = ("_fault", "_raised")

    def __init__(self, fault: WireError) -> None:
        self._fault = made_again(*fault.__reduce__()[1])
        self._raised: weakref.ref[DeltafoldError] | None = None

    def exception(self) -> DeltafoldError:
        """The exception to raise."""
        raised = None if self._raised is None else self._raised()
        if raised is None:
            raised = made_again(*self._fault.__reduce__()[1])
            self._raised = weakref.ref(raised)
        return raised.with_traceback(None)
