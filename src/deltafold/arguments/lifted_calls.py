"""What the dialects do with declared lifts: one `Lifter` for each call, whatever tells its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deltafold.arguments.lift import Lift
from deltafold.machine.fold import Emitted
from deltafold.machine.records import StreamedValue
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.events import LiftedDelta
from deltafold.model.json_values import joined
from deltafold.wire.json_text import ReportAnomaly

if TYPE_CHECKING:
    from deltafold.arguments.lifter import Lifted

__all__ = ["CallLifts"]


class LiftedCall:
    """The arguments of one call as they came, and as they are handed on."""

    __slots__ = ("closed", "kept", "lifted", "lifter", "lifts", "raw", "refused")

    def __init__(self, lifts: list[Lift]) -> None:
        from deltafold.arguments.lifter import Lifter

        self.lifts = lifts
        self.lifter = Lifter(lifts)
        self.raw = StreamedValue("arguments", [])
        self.kept: list[str] = []
        self.lifted: list[list[str]] = [[] for _ in lifts]
        """What was handed out for each lift."""
        self.closed = False
        self.refused = 0

    def so_far(self) -> str:
        """The arguments as they came."""
        return self.raw.text

    def handed_on(self) -> str:
        """The arguments as they were handed on."""
        return joined(self.kept)

    def note(self, kept: str, lifted: Lifted) -> None:
        """What the lifter made of a piece."""
        self.kept.append(kept)
        for lift, text in lifted:
            self.lifted[self.lifts.index(lift)].append(text)


class CallLifts:
    """Lifts declared strings out of the arguments of all calls of a stream."""

    __slots__ = ("_calls", "_report", "declared", "declared_lifts")

    def __init__(self, lifts: tuple[Lift, ...], report: ReportAnomaly) -> None:
        self.declared_lifts = lifts
        self._report = report
        self._calls: dict[int, LiftedCall] | None = None
        self.declared = bool(lifts)
        """Whether there is anything to lift."""

    def fragment(self, index: int, tool: str, text: str, out: list[Emitted]) -> str:
        """A fragment of arguments came: what of it is handed on. What is lifted goes to `out`."""
        call = self._call(index, tool)
        if call is None or call.closed:
            return text
        call.raw.add(text)
        return self._take(index, call, call.lifter.feed(text), out)

    def close(self, index: int, out: list[Emitted]) -> str:
        """The arguments have ended: what had been held back."""
        call = self._known(index)
        if call is None or call.closed:
            return ""
        call.closed = True
        return self._take(index, call, call.lifter.close(), out)

    def whole_text(self, index: int, tool: str, text: str, out: list[Emitted], *, whole: bool) -> str:
        """The arguments were sent as a whole: what is handed on instead. What is new goes to `out`."""
        call = self._call(index, tool)
        if call is None:
            return text
        so_far = call.so_far()
        if text == so_far or (text.startswith(so_far) and not call.closed):
            self.fragment(index, tool, text[len(so_far) :], out)
            if whole:
                self.close(index, out)
            return call.handed_on()
        return self._start_again(index, call, text, out)

    def raw(self, index: int) -> StreamedValue | None:
        """The arguments as they came; None where nothing is lifted out of them."""
        call = self._known(index)
        return None if call is None else call.raw

    def _known(self, index: int) -> LiftedCall | None:
        return None if self._calls is None else self._calls.get(index)

    def _call(self, index: int, tool: str) -> LiftedCall | None:
        call = self._known(index)
        if call is None:
            lifts = [lift for lift in self.declared_lifts if lift.applies_to(tool)]
            if not lifts:
                return None
            call = self._begin(index, lifts)
        return call

    def _begin(self, index: int, lifts: list[Lift]) -> LiftedCall:
        if self._calls is None:
            self._calls = {}
        call = self._calls[index] = LiftedCall(lifts)
        return call

    def _take(self, index: int, call: LiftedCall, result: tuple[str, Lifted], out: list[Emitted]) -> str:
        kept, lifted = result
        call.note(kept, lifted)
        out += [LiftedDelta(index, lift.path, lift.into, text) for lift, text in lifted]
        for lift in call.lifter.refused[call.refused :]:
            self._report(AnomalyCode.LIFT_REFUSED, f"{list(lift.path)!r:.60} of item {index} is no string")
        call.refused = len(call.lifter.refused)
        return kept

    def _start_again(self, index: int, call: LiftedCall, text: str, out: list[Emitted]) -> str:
        """Other arguments were sent than had come. Lifted text that was handed out stays handed out."""
        new = self._begin(index, call.lifts)
        new.raw.add(text)
        new.closed = True
        new.note(*new.lifter.feed(text))
        new.note(*new.lifter.close())
        for lift, before, after in zip(new.lifts, call.lifted, new.lifted, strict=True):
            so_far, sent = "".join(before), "".join(after)
            if sent.startswith(so_far):
                if len(sent) > len(so_far):
                    out.append(LiftedDelta(index, lift.path, lift.into, sent[len(so_far) :]))
            else:
                self._report(
                    AnomalyCode.VALUE_CONTRADICTED, "text that was lifted is sent otherwise at the end"
                )
        return new.handed_on()

    # -------------------------------------------------------------------------------------- snapshot

    def getstate(self) -> list[Any]:
        """All that is known of the calls, as JSON values."""
        return [
            [
                index,
                [self.declared_lifts.index(lift) for lift in call.lifts],
                call.lifter.getstate(),
                call.so_far(),
                call.handed_on(),
                ["".join(pieces) for pieces in call.lifted],
                call.closed,
                call.refused,
            ]
            for index, call in (self._calls or {}).items()
        ]

    def setstate(self, state: list[Any]) -> None:
        """Goes on where another one stood."""
        from deltafold.arguments.lifter import Lifter

        for index, lifts, lifter, raw, kept, lifted, closed, refused in state:
            call = self._begin(index, [self.declared_lifts[position] for position in lifts])
            call.lifter = Lifter.resume(lifter, call.lifts)
            call.raw, call.kept = StreamedValue("arguments", [raw]), [kept]
            call.lifted = [[text] for text in lifted]
            call.closed, call.refused = closed, refused
