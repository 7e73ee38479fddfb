"""Strings inside tool arguments that are really text or reasoning, handed out as they stream.

A model that speaks through a tool puts its words into an argument: the `message` of `send_message`, the
`thinking` of every tool. A `Lift` names such a string, and a `Lifter` reads the arguments of one call once:
what belongs to the string comes decoded and at once, and the arguments are handed on, with `remove` without
that member.

Removing takes out the member, one comma and the whitespace between the two: the comma before the member or,
where no member that stays comes before it, the comma after it. Everything else stays byte for byte. What is
held back meanwhile is never more than one comma and one key, with the whitespace around them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from deltafold.arguments.lift import Lift
from deltafold.arguments.reader import (
    ArgumentsError,
    ArgumentsReader,
    JSONKind,
    JSONValueFinished,
    JSONValueStarted,
    Path,
    PathEvent,
    StringDelta,
)
from deltafold.model.errors import UsageError

__all__ = ["Lift", "Lifted", "Lifter"]

Lifted: TypeAlias = list[tuple[Lift, str]]
"""Decoded text with the lift that it belongs to, in order."""

_CONTAINERS = (JSONKind.OBJECT, JSONKind.ARRAY)
_WHITESPACE = " \t\n\r"


class Lifter:
    """Lifts strings out of the arguments of one call, whatever tool `lifts` are for.

    The same fragments in any cuts give the same kept text and the same lifted text.

    - A key that never comes leaves the arguments as they are.
    - A value that is no string stays in the arguments, and its lifts are noted in `refused`.
    - Of duplicate keys only the first string is lifted: it has been handed out when the second one comes,
      and text that was handed out cannot be taken back. The others stay in the arguments and are noted in
      `refused`, so that nothing is lost.
    - Where the arguments stop being JSON, everything from there on is kept as it came, with what was held
      back; nothing is lifted any more.
    """

    def __init__(self, lifts: Iterable[Lift], *, max_depth: int = 512) -> None:
        self._lifts = tuple(lifts)
        self._at: dict[Path, tuple[Lift, ...]] = {}
        for lift in self._lifts:
            self._at[lift.path] = (*self._at.get(lift.path, ()), lift)
        self._removable = {lift.path for lift in self._lifts if lift.remove}
        # Where such a member may stand. Only directly inside of these is anything ever held back.
        self._watched = {path[:-1] for path in self._removable}
        # What lies deeper than any lift has no part in it: a path for each value there would cost its depth.
        deepest = max([len(lift.path) for lift in self._lifts], default=0)
        self._reader = ArgumentsReader(max_depth=max_depth, events=True, events_depth=deepest)
        self._lifted: set[Path] = set()
        self._open: tuple[Lift, ...] = ()  # the lifts of the string that is open
        self._removing = False  # whether that string is taken out
        self._between = False  # whether what comes stands between two values of a watched container
        self._stays: list[bool] = []  # for each open watched container, whether a member has stayed in it
        self._held: list[str] = []  # the fragments that are not decided upon
        self._decided = 0  # characters before those
        self.refused: list[Lift] = []
        """The lifts whose value was no string or came a second time, each once."""

    @property
    def complete(self) -> bool:
        """Whether the arguments, as they came, are one whole JSON value: then those kept are as well."""
        return self._reader.complete

    @property
    def error(self) -> ArgumentsError | None:
        """What is wrong with the arguments, as they came, or None."""
        return self._reader.error

    def feed(self, fragment: str) -> tuple[str, Lifted]:
        """Read the next fragment of the arguments: the text to keep, and what was lifted.

        Raises `UsageError` after `close()`, and `TypeError` if `fragment` is not a `str`.
        """
        self._reader.feed(fragment)
        return self._advance(fragment)

    def close(self) -> tuple[str, Lifted]:
        """Say that the arguments are whole: the text that was held back, as it came. Idempotent."""
        self._reader.close()
        return self._advance("")

    def getstate(self) -> dict[str, Any]:
        """All that `resume()` needs to go on from here but the lifts themselves, as a JSON-safe dict."""
        return {
            "reader": self._reader.getstate(),
            "lifted": [list(path) for path in self._at if path in self._lifted],
            "open": list(self._open[0].path) if self._open else None,
            "removing": self._removing,
            "between": self._between,
            "stays": list(self._stays),
            "held": json.dumps("".join(self._held)),  # may hold half of a surrogate pair, which is no JSON
            "decided": self._decided,
            "refused": [self._lifts.index(lift) for lift in self.refused],
        }

    @classmethod
    def resume(cls, state: Mapping[str, Any], lifts: Iterable[Lift]) -> Lifter:
        """The lifter that goes on where `getstate()` was called, given the same lifts.

        Raises `UsageError` on a damaged state.
        """
        lifter = cls(lifts)
        try:
            lifter._reader = ArgumentsReader.resume(state["reader"])
            lifter._lifted = {tuple(path) for path in state["lifted"]}
            lifter._open = () if state["open"] is None else lifter._at[tuple(state["open"])]
            lifter._removing = state["removing"]
            lifter._between = state["between"]
            lifter._stays = list(state["stays"])
            held = json.loads(state["held"])
            lifter._held = [held] if held else []
            lifter._decided = state["decided"]
            lifter.refused = [lifter._lifts[index] for index in state["refused"]]
        except (IndexError, KeyError, TypeError, ValueError) as exc:
            raise UsageError(f"not a state of Lifter: {exc!r}") from exc
        return lifter

    def _advance(self, fragment: str) -> tuple[str, Lifted]:
        """Decide upon what is held and `fragment`, as far as the reader has come."""
        reader = self._reader
        events = reader.take_events()
        lifted: Lifted = []
        if not self._watched:
            for event in events:
                self._lift(event, lifted)
            return fragment, lifted
        held = self._held
        # What is held grows without being joined, until there is something to decide.
        if held and not events and reader.error is None and not self._member_stays():
            held.append(fragment)
            return "", lifted
        held.append(fragment)
        text, base = "".join(held), self._decided
        held.clear()
        kept: list[str] = []
        at = 0  # how much of `text` is decided upon
        for event in events:
            removed = self._removing
            self._lift(event, lifted)
            if isinstance(event, StringDelta):
                continue
            here = event.position - base
            watched = event.kind in _CONTAINERS and event.path in self._watched
            if isinstance(event, JSONValueStarted):
                if self._between:
                    kept.append(self._gap(text[at:here], removed=self._removing))
                    at = here
                if watched:
                    self._stays.append(False)
                    kept.append(text[at : here + 1])
                    at = here + 1
                self._between = watched
            else:
                if not removed:
                    kept.append(text[at:here])
                at = here
                if watched:
                    self._stays.pop()
                self._between = bool(event.path) and event.path[:-1] in self._watched
        rest = text[at:]
        if self._between and self._member_stays():
            rest = self._gap(rest, removed=False)
            self._between = False
        error = reader.error
        if error is not None:
            if self._removing:
                rest = text[error.position - base :]
            kept.append(rest)
            self._open, self._removing, self._between = (), False, False
        elif self._between:
            waits = rest.lstrip(_WHITESPACE)
            kept.append(rest[: len(rest) - len(waits)])
            if waits:
                held.append(waits)
        elif not self._removing:
            kept.append(rest)
        self._decided = base + len(text) - sum(map(len, held))
        return "".join(kept), lifted

    def _lift(self, event: PathEvent, lifted: Lifted) -> None:
        """Follow which string is open, and note what was lifted out of it."""
        if isinstance(event, StringDelta):
            for lift in self._open:
                lifted.append((lift, event.text))
        elif isinstance(event, JSONValueFinished):
            self._open, self._removing = (), False
        elif event.path in self._at:
            lifts = self._at[event.path]
            if event.kind is JSONKind.STRING and event.path not in self._lifted:
                self._lifted.add(event.path)
                self._open, self._removing = lifts, event.path in self._removable
            else:
                self.refused += [lift for lift in lifts if lift not in self.refused]

    def _member_stays(self) -> bool:
        """Whether the key that has just been read says that its member will stay."""
        path = self._reader.path
        return path is not None and (path not in self._removable or path in self._lifted)

    def _gap(self, gap: str, *, removed: bool) -> str:
        """What to keep of the text between two values, the second of which is removed or stays."""
        start = gap.lstrip(_WHITESPACE)
        before_comma = gap[: len(gap) - len(start)]
        if removed:
            return before_comma
        first, self._stays[-1] = not self._stays[-1], True
        if first and start.startswith(","):
            # Those before it were removed, and this comma is the one that goes with the last of them.
            return before_comma + start[1:].lstrip(_WHITESPACE)
        return gap
