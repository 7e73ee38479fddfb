"""What is printed: a line for each event or run of deltas and a summary; JSON; the text alone; one line."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import attrs

from deltafold.inspector.capture import Capture
from deltafold.inspector.playing import Ending, Moment
from deltafold.inspector.words import NAME, Words, fitted, safe
from deltafold.model.anomalies import Anomaly
from deltafold.model.events import (
    ArgumentsDelta,
    AudioDelta,
    CodeDelta,
    CommandDelta,
    CommandOutputDelta,
    DiffDelta,
    ErrorReported,
    Event,
    Heartbeat,
    OutputDelta,
    PartialImage,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TranscriptDelta,
    ValueReplaced,
)
from deltafold.model.response import Outcome

__all__ = ["DELTAS", "Brief", "Final", "Lines", "Quiet", "Records", "Speed", "Text", "numbered"]

DIM, RED, GREEN, YELLOW = "2", "31", "32", "33"
DELTAS: dict[type, str] = {
    **dict.fromkeys((TextDelta, RefusalDelta, ReasoningDelta, ArgumentsDelta, CodeDelta), "text"),
    **dict.fromkeys((DiffDelta, CommandDelta, CommandOutputDelta, OutputDelta, TranscriptDelta), "text"),
    AudioDelta: "data",
    PartialImage: "image",
}
"""Events that come in runs, and the field that holds what they say."""
KEPT = 200
"""Characters that are kept of a run."""


class Quiet:
    """A view that shows nothing, for others to be made from."""

    def begin(self, capture: Capture) -> None:
        pass

    def arrived(self, data: bytes, moment: Moment) -> None:
        pass

    def reconnected(self, moment: Moment) -> None:
        pass

    def event(self, event: Event, moment: Moment) -> None:
        pass

    def anomaly(self, anomaly: Anomaly, moment: Moment) -> None:
        pass

    def pause(self) -> None:
        pass

    def end(self, ending: Ending) -> None:
        pass


@attrs.define
class Run:
    """Deltas that follow one another and belong to the same value."""

    event: Event
    moment: Moment
    count: int = 0
    text: str = ""
    length: int = 0
    last: Moment | None = None

    def add(self, said: str, moment: Moment) -> None:
        """One more."""
        self.count += 1
        self.length += len(said)
        if len(self.text) < KEPT:
            self.text += said[:KEPT]
        self.last = moment


class Speed:
    """When what came, and how fast: tokens a second count from the first delta to the last event."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.first_delta: float | None = None
        self.first_text: float | None = None
        self.last: float | None = None
        self.longest = 0.0

    def add(self, event: Event, moment: Moment) -> None:
        """One more event."""
        time = moment.time
        if time is None:
            return
        if self.first is None:
            self.first = time
        self.longest = max(self.longest, time - (self.last or 0.0))
        self.last = time
        if self.first_delta is None and type(event) in DELTAS:
            self.first_delta = time
        if self.first_text is None and isinstance(event, (TextDelta, RefusalDelta)):
            self.first_text = time

    def rows(self, ending: Ending) -> list[tuple[str, str]]:
        """The times, and tokens a second from the first text to the last event."""
        if self.first is None or self.last is None:
            return [("time", "not known: nobody noted when the bytes came")]
        sent = [f"first event {self.first:.3f} s"]
        if self.first_text is not None:
            sent.append(f"first text {self.first_text:.3f} s")
        sent += [f"longest gap {self.longest:.3f} s", f"in all {self.last:.3f} s"]
        rows = [("time", ", ".join(sent))]
        usage = ending.response.usage
        if (
            usage is not None
            and usage.output_tokens
            and self.first_delta is not None
            and self.last > self.first_delta
        ):
            rows.append(("speed", f"{usage.output_tokens / (self.last - self.first_delta):.1f} tokens/s"))
        return rows


def counted(total: int, counts: Counter[str]) -> str:
    """A sum, and what it is made of."""
    parts = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return f"{total} ({parts})" if parts else f"{total}"


class Lines(Quiet):
    """One line for each event, run of deltas and anomaly, and a summary."""

    def __init__(
        self,
        words: Words,
        *,
        colour: bool = False,
        width: int | None = None,
        every: bool = False,
        times: bool = False,
        live: bool = False,
    ) -> None:
        """`every`: runs are not folded. `live`: on a terminal, a run is shown while it goes on."""
        self.words = words
        self.colour = colour
        self.width = width
        self.every = every
        self.times = times
        self.live = live
        self.events: Counter[str] = Counter()
        self.anomalies: Counter[str] = Counter()
        self.runs: dict[tuple[Any, ...], Run] = {}
        self.before: float | None = None
        self.unfinished = False
        self.speed = Speed()
        self.capture = Capture("", ())

    # ------------------------------------------------------------------------------------ what is met

    def begin(self, capture: Capture) -> None:
        self.capture = capture
        sent = []
        if capture.request:
            sent.append(self.words.word(capture.request))
        if capture.status is not None:
            sent.append(f"HTTP {capture.status}")
        if sent:
            self.put("", " -> ".join(sent))

    def reconnected(self, moment: Moment) -> None:
        self.settle()
        self.put(YELLOW, "~ another connection", moment=moment)

    def event(self, event: Event, moment: Moment) -> None:
        self.events[type(event).__name__] += 1
        self.speed.add(event, moment)
        field = DELTAS.get(type(event), "")
        if self.every or not (field or isinstance(event, Heartbeat)):
            self.settle()
            self.line(event, moment)
            return
        said = getattr(event, field, "")
        unkeyed = NO_KEYS if field else ()
        key = (
            type(event),
            *(getattr(event, one.name) for one in attrs.fields(type(event)) if one.name not in unkeyed),
        )
        run = self.runs.get(key)
        if run is None:
            run = self.runs[key] = Run(event, moment)
        run.add(said, moment)

    def anomaly(self, anomaly: Anomaly, moment: Moment) -> None:
        self.settle()
        self.anomalies[anomaly.code] += 1
        at = "" if anomaly.offset is None else f" (byte {anomaly.offset})"
        self.put(YELLOW, f"! {anomaly.code}: {self.words.anomaly(anomaly)}{at}", moment=moment)

    def pause(self) -> None:
        if self.live and self.runs:
            run = list(self.runs.values())[-1]
            self.line(run.event, run.moment, run, end="")
            self.unfinished = True
        sys.stdout.flush()

    def end(self, ending: Ending) -> None:
        self.settle()
        print()
        for name, text in self.summary(ending):
            self.row(name, text)
        sys.stdout.flush()

    # --------------------------------------------------------------------------------- what is printed

    def settle(self) -> None:
        """The runs have ended."""
        if self.unfinished:
            sys.stdout.write("\r\x1b[K")
            self.unfinished = False
        for run in self.runs.values():
            self.line(run.event, run.moment, run)
        self.runs.clear()

    def line(self, event: Event, moment: Moment, run: Run | None = None, end: str = "\n") -> None:
        """An event, or a run."""
        if run is None or run.count == 1:
            name, rest = self.words.event(event)
        else:
            text = (run.text, run.length) if type(event) in DELTAS else None
            name, rest = self.words.event(event, run.count, text)
            if self.times and run.last is not None and run.last.time is not None and moment.time is not None:
                rest += f" in {run.last.time - moment.time:.3f} s"
        colour = RED if isinstance(event, ErrorReported) else DIM
        self.put(
            colour, f"{encodable(name):<{NAME}}", f" {rest}", moment, run.last if run else moment, "  ", end
        )

    def put(
        self,
        colour: str,
        head: str,
        rest: str = "",
        moment: Moment | None = None,
        last: Moment | None = None,
        indent: str = "",
        end: str = "\n",
    ) -> None:
        """A line, cut at the width of the terminal, its head in a colour."""
        before = self.clock(moment) + indent
        if end and moment is not None:
            self.before = (last or moment).time
        whole = fitted((before + head + rest).rstrip(), self.width, encodable("…"))
        start = "\r" if end == "" or self.unfinished else ""
        head = whole[len(before) : len(before) + len(head)]
        line = whole[: len(before)] + self.paint(colour, head) + whole[len(before) + len(head) :]
        print(f"{start}{line}" + ("\x1b[K" if start else ""), end=end)

    def clock(self, moment: Moment | None) -> str:
        """Seconds since the start, and since the line before."""
        if not self.times or moment is None or moment.time is None:
            return ""
        gap = moment.time - (self.before or 0.0)
        return f"{moment.time:9.3f} {f'+{gap:.3f}' if gap >= 0.0005 else '':>8} "

    def paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code and text else text

    def row(self, name: str, text: str) -> None:
        """A row of the summary."""
        text = fitted(text, None if self.width is None else self.width - 11, encodable("…"))
        colour = {"fault": RED, "outcome": GREEN if text == Outcome.COMPLETED else RED}.get(name, "")
        print(f"{name:<10} {self.paint(colour, text)}")

    def summary(self, ending: Ending) -> list[tuple[str, str]]:
        """What came of it, row by row."""
        response, words = ending.response, self.words
        rows: list[tuple[str, str]] = []
        if ending.fault is not None:
            rows.append(("fault", words.fault(ending.fault)))
        rows.append(("outcome", words.words(response.outcome or "none", response.incomplete_reason)))
        if response.error is not None:
            rows.append(("error", words.error(response.error)))
        rows.append(("response", words.words(response.id, response.model) or "unnamed"))
        rows += [("item", words.item(item)) for item in response.output]
        if response.usage is not None:
            rows.append(("usage", words.usage(response.usage)))
        if self.times:
            rows += self.speed.rows(ending)
        if self.capture.timing:
            rows.append(("timing", self.capture.timing))
        if self.capture.form:
            rows.append(("form", self.capture.form))
        rows += [("note", safe(note)) for note in ending.notes]
        rows.append(("bytes", str(ending.size)))
        rows.append(("events", counted(self.events.total(), self.events)))
        rows.append(("anomalies", counted(ending.anomalies, self.anomalies)))
        return rows


NO_KEYS = frozenset({"text", "data", "image", "logprobs", "partial_image_index"})
"""Fields in which the deltas of one run differ."""


def encodable(text: str) -> str:
    """Marks that are no ASCII, in ASCII where standard output has no other letters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return text.replace("×", "x").replace("…", "...")
    return text


class Records(Quiet):
    """One JSON object on each line; its first member says whether it is an event, an anomaly or a fault.

    An event is what its `to_dict()` tells, of which `event_from_dict()` makes it again.
    """

    def __init__(self, words: Words, *, times: bool = False) -> None:
        self.words = words
        self.times = times

    def event(self, event: Event, moment: Moment) -> None:
        self.put(event.to_dict(), moment)

    def anomaly(self, anomaly: Anomaly, moment: Moment) -> None:
        sent = attrs.asdict(anomaly)
        self.put({"anomaly": sent.pop("code"), **sent}, moment)

    def put(self, sent: dict[str, Any], moment: Moment) -> None:
        """A record, with its time where that is asked for."""
        if self.times and moment.time is not None:
            sent["time"] = round(moment.time, 6)
        print(self.words.json(sent))

    def pause(self) -> None:
        sys.stdout.flush()

    def end(self, ending: Ending) -> None:
        fault = ending.fault
        if fault is not None:
            sent = {name: getattr(fault, name) for name in ("message", "offset", "event_index", "excerpt")}
            print(self.words.json({"fault": fault.code, **sent, "response": ending.response.to_dict()}))


class Final(Quiet):
    """The final response, or what there is of it, as JSON."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def end(self, ending: Ending) -> None:
        print(self.words.json(ending.response.to_dict(), indent=2))
        if ending.fault is not None:
            print(f"deltafold: {self.words.fault(ending.fault)}", file=sys.stderr)


class Text(Quiet):
    """What the model says, as it comes, and nothing else."""

    def __init__(self, *, terminal: bool) -> None:
        """`terminal`: control characters are shown, and never sent."""
        self.terminal = terminal
        self.place: tuple[int, int] | None = None
        self.last = "\n"

    def event(self, event: Event, moment: Moment) -> None:
        if isinstance(event, (TextDelta, RefusalDelta)):
            if self.place not in (None, (event.output_index, event.content_index)) and self.last != "\n":
                self.put("\n\n")
            self.place = event.output_index, event.content_index
            self.put(event.text)
        elif isinstance(event, ValueReplaced) and event.kind in ("text", "refusal"):
            print("deltafold: the server replaced what it had said", file=sys.stderr)
            self.put(f"\n{event.text}")

    def put(self, text: str) -> None:
        """Text, harmless on a terminal."""
        self.last = text[-1:] or self.last
        sys.stdout.write("".join(map(harmless, text)) if self.terminal else text)

    def pause(self) -> None:
        sys.stdout.flush()

    def end(self, ending: Ending) -> None:
        if self.last != "\n":
            print()
        response = ending.response
        if ending.fault is not None:
            print(f"deltafold: {Words().fault(ending.fault)}", file=sys.stderr)
        elif response.outcome is not Outcome.COMPLETED:
            why = (
                Words().error(response.error) if response.error else Words().words(response.incomplete_reason)
            )
            print(f"deltafold: {response.outcome} {why}".rstrip(), file=sys.stderr)


def harmless(letter: str) -> str:
    """A letter that a terminal shows."""
    return letter if letter.isprintable() or letter in "\n\t" else repr(letter)[1:-1]


def numbered(number: int, name: str) -> str:
    """A number of things."""
    return f"{number} {name}{'' if number == 1 else 's'}"


class Brief(Quiet):
    """One line for each of several captures."""

    HEAD = f"{'outcome':<10}  {'wire':<9}  {'events':>7}  {'bytes':>9}  {'anomalies':>9}  capture"

    def __init__(self, words: Words, *, colour: bool = False, width: int | None = None) -> None:
        self.words = words
        self.colour = colour
        self.width = width
        self.outcomes: Counter[str] = Counter()
        self.count = 0
        self.name = self.request = ""

    def begin(self, capture: Capture) -> None:
        if not self.outcomes:
            print(fitted(self.HEAD, self.width, encodable("…")))
        self.name = capture.name
        self.request = f"  {self.words.word(capture.request)}" if capture.request else ""
        self.count = 0

    def event(self, event: Event, moment: Moment) -> None:
        self.count += 1

    def end(self, ending: Ending) -> None:
        response = ending.response
        outcome = str(response.outcome or "none")
        self.outcomes[outcome] += 1
        why = "" if response.error is None else f"  {response.error.kind}"
        line = (
            f"{outcome:<10}  {response.dialect or '-':<9}  {self.count:>7}  {ending.size:>9}  "
            f"{ending.anomalies:>9}  {safe(self.name)}{why}{self.request}"
        )
        line = fitted(line, self.width, encodable("…"))
        if self.colour:
            code = GREEN if response.outcome is Outcome.COMPLETED else RED
            line = f"\x1b[{code}m{line[: len(outcome)]}\x1b[0m{line[len(outcome) :]}"
        print(line)
        sys.stdout.flush()

    def total(self, passed_over: int) -> None:
        """The last line."""
        found = self.outcomes.total()
        sent = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.most_common())
        rest = f"; {numbered(passed_over, 'other exchange')} passed over" if passed_over else ""
        print(f"\n{numbered(found, 'capture')}: {sent}{rest}")
