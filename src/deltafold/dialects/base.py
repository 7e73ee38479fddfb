"""What the dialects have in common: their memory, and the faults that every wire can have."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

import attrs

from deltafold import events as e
from deltafold.dialects.lifts import CallLifts
from deltafold.errors import AnomalyCode, ErrorKind, LimitExceeded, ResponseError
from deltafold.fold import Fold, ValueKey
from deltafold.items import copied, string
from deltafold.payload import Report

__all__ = ["Dialect"]

JSON: TypeAlias = dict[str, Any]


@attrs.define
class Dialect:
    """Translates the payloads of one stream."""

    passing: ClassVar[frozenset[str]] = frozenset({"fold", "report", "lifts", "out"})
    """Fields that are the parser's, or of no use after the present payload: no part of the memory."""

    fold: Fold
    report: Report
    lifts: CallLifts

    started: bool = False
    ended: bool = False
    last_sequence_number: int | None = None
    told_before: int | None = None
    """The last one that came over an earlier connection."""
    reported: set[tuple[str, str | int | None]] = attrs.field(factory=set)
    halves: dict[tuple[int, ValueKey], int] = attrs.field(factory=dict)
    """High surrogates at the end of a fragment, which wait for their other half: code points."""

    out: list[Any] = attrs.field(factory=list)
    """The events that the present payload makes."""

    def getstate(self) -> dict[str, Any]:
        """All that the translator remembers, by name."""
        names = (field.name for field in attrs.fields(type(self)) if field.name not in self.passing)
        return {"lifts": self.lifts.getstate(), **{name: getattr(self, name) for name in names}}

    def setstate(self, state: dict[str, Any]) -> None:
        """Makes a new translator remember what another one did."""
        for field in attrs.fields(type(self)):
            if field.name not in self.passing:
                setattr(self, field.name, state[field.name])
        self.lifts.setstate(state["lifts"])

    def _once(self, code: AnomalyCode, key: str | int | None, message: str) -> None:
        """Reports what would otherwise come with every fragment."""
        if (code, key) not in self.reported:
            self.reported.add((code, key))
            self.report(code, message)

    def _bounded(self, index: int) -> int:
        """An index. Raises `LimitExceeded`."""
        if index > self.fold.limits.index:
            raise LimitExceeded("index", self.fold.limits.index)
        return index

    def _index(self, told: JSON, name: str, called: str = "") -> int | None:
        """An index that the wire tells. Raises `LimitExceeded`."""
        index = told.get(name)
        if type(index) is int and index >= 0:
            return self._bounded(index)
        if index is not None:
            called = called or name
            self._once(AnomalyCode.INVALID_FIELD, called, f"{called} is {index!r:.40}")
        return None

    def _response_started(self, data: JSON) -> None:
        self.out.append(e.ResponseStarted(string(data, "id"), string(data, "model"), data))

    def _refuse_dialect(self, payload: JSON, message: str) -> None:
        self.report(AnomalyCode.WRONG_DIALECT, message)
        error = ResponseError(ErrorKind.INVALID_REQUEST, message, "wrong_dialect", raw=payload)
        self.out.append(e.ErrorReported(error))


def cause_of(payload: JSON, error: ResponseError) -> JSON:
    """What the response's own `error` is, once an event has told of one."""
    told = payload.get("error")
    return dict(copied(told)) if isinstance(told, dict) else {"code": error.code, "message": error.message}
