"""The timeline as SVG: a strip for each lane, all over the same axis, drawn without a script.

Positions are percentages of a strip's width, so that strips are as wide as there is room, and nothing in them
is distorted.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from itertools import pairwise

import attrs

from deltafold.inspector.playing import Moment
from deltafold.inspector.tape import Flag, Lane, Tape

__all__ = [
    "Axis",
    "axis_strip",
    "backdrop",
    "flag_strip",
    "harmless",
    "lane_strip",
    "seconds",
    "size",
    "stream_strip",
]

PAUSE = 1.0
"""Seconds without anything that are shaded."""
NEAR = 0.18
"""Per cent of the width below which two marks would be one."""
FLAGS_NEAR = 1.6
LABEL = 21.0
"""Per cent of the width that a flag's text needs."""
MIDDLE = 23
"""Where the lane is, in pixels from the top of its strip."""
SHOWN = (
    *(code for code in range(0x20) if code not in b"\n\t"),
    *range(0x7F, 0xA0),
    *(0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF, 0xFFFE, 0xFFFF),
)
CONTROLS = {
    **{code: f"\u27e8U+{code:04X}\u27e9" for code in SHOWN},
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}
"""Characters that an XML document cannot hold, that a terminal could take for a command, or that turn the
direction of what stands around them: they are shown."""


def harmless(text: object) -> str:
    """Text of a stream for an element or an attribute."""
    return escape(str(text).translate(CONTROLS))


@attrs.frozen
class Axis:
    """From times, or where there are none from bytes, to places on a strip."""

    timed: bool
    longest: float

    def value(self, moment: Moment) -> float:
        """Seconds or bytes."""
        return (moment.time or 0.0) if self.timed else float(moment.offset)

    def at(self, value: float) -> float:
        """Per cent of the width; a mark at the very edge would be cut."""
        return round(0.5 + 99 * min(max(value / self.longest, 0), 1), 2)

    def place(self, moment: Moment) -> float:
        """Per cent of the width."""
        return self.at(self.value(moment))

    def said(self, value: float) -> str:
        """A value with its unit."""
        return seconds(value) if self.timed else size(value)

    def steps(self) -> list[float]:
        """Round values, four to eight of them."""
        step = 1e-6 if self.timed else 1.0
        factors = (2, 2.5, 2)
        count = 0
        while self.longest / step > 8:
            step *= factors[count % 3]
            count += 1
        return [number * step for number in range(int(self.longest / step) + 1)]

    @classmethod
    def of(cls, tape: Tape) -> Axis:
        """Time where all moments have one that means something, else bytes."""
        times = [moment.time for moment in tape.moments if moment.time is not None]
        timed = bool(times) and len(times) == len(tape.moments) and max(times) > 0
        return cls(timed, max(times) if timed else float(max(tape.ended.size, 1)))


def seconds(value: float) -> str:
    """A duration, as exact as it is of use."""
    if value and value < 0.0995:
        return f"{value * 1000:.3g} ms"
    return f"{value:.2f}".rstrip("0").rstrip(".") + " s" if value < 100 else f"{value:,.0f} s"


def size(value: float) -> str:
    """A number of bytes."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{value:.0f} B"


def gaps(tape: Tape, axis: Axis) -> list[tuple[float, float]]:
    """Where nothing came for long; none where the axis tells no time."""
    if not axis.timed:
        return []
    times = [0.0, *(moment.time or 0.0 for moment in tape.moments)]
    return [(a, b) for a, b in pairwise(times) if b - a >= PAUSE]


def backdrop(tape: Tape, axis: Axis) -> str:
    """What runs through all strips: the grid, gaps, reconnections, the end in its outcome's colour."""
    outcome = tape.response.outcome or "none"
    marks = [
        f'<rect class="gap" x="{axis.at(a)}%" width="{axis.at(b) - axis.at(a):.2f}%" height="100%"/>'
        for a, b in gaps(tape, axis)
    ]
    marks += [line("grid", axis.at(value)) for value in axis.steps()]
    marks += [line("again", axis.place(moment)) for moment in tape.reconnections]
    if tape.moments:
        marks.append(line(f"finish {outcome}", axis.place(tape.moments[-1])))
    return f'<g id="backdrop">{"".join(marks)}</g>'


def line(name: str, place: float) -> str:
    """A line from the top of a strip to its bottom."""
    return f'<line class="{name}" x1="{place}%" x2="{place}%" y1="0" y2="100%"/>'


def strip(label: str, marks: Iterable[str], role: str = "img") -> str:
    """A strip with the backdrop."""
    return f'<svg role="{role}" aria-label="{harmless(label)}"><use href="#backdrop"/>{"".join(marks)}</svg>'


def axis_strip(tape: Tape, axis: Axis) -> str:
    """The values along the axis, and how long the gaps are."""
    marks = []
    for value in axis.steps():
        place = axis.at(value)
        anchor = "start" if place < 3 else "end" if place > 96 else "middle"
        marks.append(f'<text x="{place}%" y="15" text-anchor="{anchor}">{axis.said(value)}</text>')
    return f'<svg aria-hidden="true"><defs>{backdrop(tape, axis)}</defs>{"".join(marks)}</svg>'


def thinned(places: Iterable[float], near: float) -> list[float]:
    """Places of which no two are so near that they would be one mark."""
    kept: list[float] = []
    for place in places:
        if not kept or place - kept[-1] >= near:
            kept.append(place)
    return kept


def stream_strip(tape: Tape, axis: Axis) -> str:
    """The stream as a whole: from its first event to its end, with the heartbeats in it."""
    if not tape.moments:
        return strip("no events", ())
    start, end = axis.place(tape.moments[0]), axis.place(tape.moments[-1])
    marks = [
        f'<rect class="whole" x="{start}%" width="{end - start:.2f}%" y="{MIDDLE - 3}" height="6" rx="3"/>'
    ]
    marks += [
        f'<circle class="beat" cx="{place}%" cy="{MIDDLE}" r="3.5"/>'
        for place in thinned(map(axis.place, tape.beats), 0.9)
    ]
    for a, b in gaps(tape, axis):
        if axis.at(b) - axis.at(a) > 9:
            middle = (axis.at(a) + axis.at(b)) / 2
            marks.append(
                f'<text x="{middle:.2f}%" y="13" text-anchor="middle">{seconds(b - a)} of silence</text>'
            )
    sent = [f"{axis.said(axis.value(moment))}" for moment in (tape.moments[0], tape.moments[-1])]
    return strip(f"The stream, from {sent[0]} to {sent[1]}, {len(tape.beats)} heartbeats", marks)


def lane_strip(lane: Lane, axis: Axis, label: str) -> str:
    """An item: a bar from its start to its finish, with a tick for each delta."""
    start, end = axis.place(lane.start), axis.place(lane.end)
    width = max(end - start, 0.6)
    name = "bar" if lane.finished else "bar open"
    marks = [f'<rect class="{name}" x="{start}%" width="{width:.2f}%" y="{MIDDLE - 10}" height="20" rx="3"/>']
    marks += [
        f'<rect class="tick" x="{place}%" width="1.25" y="{MIDDLE - 6}" height="12"/>'
        for place in thinned(map(axis.place, lane.deltas), NEAR)
    ]
    return strip(label, marks)


def flag_strip(tape: Tape, axis: Axis) -> str:
    """The anomalies as flags, each a link to what is said of it; flags on one spot are one."""
    groups: list[tuple[float, list[int]]] = []
    for number, flag in enumerate(tape.flags):
        place = axis.place(flag.moment)
        if groups and place - groups[-1][0] < FLAGS_NEAR:
            groups[-1][1].append(number)
        else:
            groups.append((place, [number]))
    marks = []
    for at, (place, numbers) in enumerate(groups):
        after = groups[at + 1][0] if at + 1 < len(groups) else 200.0
        before = groups[at - 1][0] if at else -100.0
        marks.append(one_flag(tape.flags, place, numbers, after - place > LABEL, place - before > LABEL))
    return strip(f"{len(tape.flags)} anomalies", marks, "group")


def one_flag(flags: list[Flag], place: float, numbers: list[int], room: bool, room_before: bool) -> str:
    """A flag, its pole at its place; its text stands on the side on which there is room."""
    first = flags[numbers[0]].anomaly
    more = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
    at = "" if first.offset is None else f" at byte {first.offset:,}"
    text = ""
    if place < 100 - LABEL and room:
        text = f'<text x="15" y="19">{first.code}{more}</text>'
    elif place >= 100 - LABEL and room_before:
        text = f'<text x="-6" y="19" text-anchor="end">{first.code}{more}</text>'
    return (
        f'<svg x="{place}%" overflow="visible" width="1" height="46">'
        f'<a class="flag" href="#anomaly-{numbers[0] + 1}" aria-label="{first.code}{at}{more}">'
        f"<title>{first.code}{at}{more}</title>"
        f'<path d="M-.75 8H.75V38H-.75ZM.75 8H12L9 14.5 12 21H.75Z"/>{text}</a></svg>'
    )
