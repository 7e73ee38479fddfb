"""The conformance report, for people who write servers: each deviation with its place and the rule."""

from __future__ import annotations

import sys

import attrs

from deltafold.inspector.capture import Capture
from deltafold.inspector.listing import Quiet, numbered
from deltafold.inspector.playing import Ending, Moment
from deltafold.inspector.words import Words, safe
from deltafold.model.anomalies import ANOMALIES, Anomaly
from deltafold.model.events import Event

__all__ = ["Check"]


@attrs.frozen
class Found:
    """A deviation, and the line of the capture at which it stands."""

    anomaly: Anomaly
    line: int | None


class Check(Quiet):
    """Says of a capture what in it is not as the wire has it."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.capture = Capture("", ())
        self.found: list[Found] = []
        self.events = 0
        self.ends: list[int] = []
        self.size = 0
        self.reports = 0
        self.sound = True
        """Whether nothing was found in any response so far."""

    def begin(self, capture: Capture) -> None:
        self.capture = capture
        self.ends = []  # places are those in a connection
        self.size = 0

    def arrived(self, data: bytes, moment: Moment) -> None:
        at = data.find(b"\n")
        while at >= 0:
            self.ends.append(self.size + at)
            at = data.find(b"\n", at + 1)
        self.size += len(data)

    def event(self, event: Event, moment: Moment) -> None:
        self.events += 1

    def anomaly(self, anomaly: Anomaly, moment: Moment) -> None:
        self.found.append(Found(anomaly, self.line_of(anomaly.offset)))

    def line_of(self, offset: int | None) -> int | None:
        """The number of the line in which a byte stands, from 1."""
        if offset is None or not self.ends:
            return None
        low, high = 0, len(self.ends)
        while low < high:
            middle = (low + high) // 2
            if self.ends[middle] < offset:
                low = middle + 1
            else:
                high = middle
        return low + 1

    def end(self, ending: Ending) -> None:
        response, words = ending.response, self.words
        if self.reports:
            print()
        self.reports += 1
        count = ending.anomalies + (ending.fault is not None)
        if self.capture.is_refused:
            sent = f"no stream to check: HTTP {self.capture.status}"
        elif count:
            sent = numbered(count, "deviation")
        else:
            sent = "conformant"
        self.sound = self.sound and not count and not self.capture.is_refused
        wire = response.dialect or "no wire known"
        print(f"{safe(self.capture.name)}: {sent} ({wire}, {self.events} events, {ending.size} bytes)")
        if response.error is not None:
            print(f"   {words.error(response.error)}")
        for number, found in enumerate(self.found, 1):
            self.one(number, found)
        if ending.anomalies > len(self.found):
            print(f"\n... and {ending.anomalies - len(self.found)} more, of which only the number is known")
        if ending.fault is not None:
            print(f"\n{words.fault(ending.fault)}")
        print(f"\noutcome {words.words(response.outcome or 'none', response.incomplete_reason)}")
        for note in ending.notes:
            print(f"note    {safe(note)}")
        sys.stdout.flush()
        self.found = []
        self.events = 0

    def one(self, number: int, found: Found) -> None:
        """One deviation."""
        anomaly = found.anomaly
        rule = ANOMALIES[anomaly.code]
        place = []
        if anomaly.event_index is not None:
            place.append(f"event {anomaly.event_index}")
        if anomaly.offset is not None:
            place.append(f"byte {anomaly.offset}")
        if found.line is not None and not self.capture.form:  # else it would be a line of no file
            place.append(f"line {found.line}")
        print(f"\n{number}. {anomaly.code}{': ' if place else ''}{', '.join(place)}")
        print(f"   rule     {rule.meaning}")
        if not self.words.redact:
            print(f"   here     {safe(anomaly.message)}")
        print(f"   lenient  {rule.lenient}")
        print(f"   strict   {'stops here' if rule.strict else 'goes on'}")
        if anomaly.excerpt and not self.words.redact:
            print(f"   excerpt  {anomaly.excerpt!r}")
