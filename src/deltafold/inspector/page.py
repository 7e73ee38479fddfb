"""The page: one response as one HTML file, without scripts, to look at and to attach to a report.

It holds what servers and models said, so it is written as if all of that were hostile: everything is escaped,
and a content security policy allows this sheet of style and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from base64 import b64encode
from typing import TextIO

import deltafold
from deltafold.inspector.drawing import (
    Axis,
    axis_strip,
    flag_strip,
    harmless,
    lane_strip,
    seconds,
    size,
    stream_strip,
)
from deltafold.inspector.page_style import STYLE
from deltafold.inspector.playing import Ending
from deltafold.inspector.redaction import length_of
from deltafold.inspector.tape import Flag, Lane, Tape
from deltafold.inspector.words import WORD, Words, safe
from deltafold.model.anomalies import ANOMALIES
from deltafold.model.items import CustomToolCall, FunctionCall, Message, Reasoning

__all__ = ["Drawing", "page"]

LONGEST = 100_000
"""Characters of one value that are shown."""
LONGEST_NAME = 120
SCROLLED = 1200
"""Characters from which on a value may be too long for its box."""
MOST_FLAGS = 200
"""Anomalies that are described one by one."""
NAMES = {"message": "Message", "reasoning": "Reasoning"}
POLICY = "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"


class Drawing(Tape):
    """Writes the page when the response has ended."""

    def __init__(self, file: TextIO, words: Words, name: str) -> None:
        """`name`: what is said to have been written; nothing where it is empty."""
        super().__init__()
        self.file = file
        self.words = words
        self.name = name

    def end(self, ending: Ending) -> None:
        super().end(ending)
        self.file.write(page(self, self.words))
        self.file.flush()
        if self.name:
            anomalies = f"{ending.anomalies} anomal{'y' if ending.anomalies == 1 else 'ies'}"
            print(f"{safe(self.name)}: {ending.response.outcome or 'no end'}, {anomalies}")


def page(tape: Tape, words: Words) -> str:
    """The page of a response that has been read to its end. `words` says whether texts are shown."""
    axis = Axis.of(tape)
    digest = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    refused = tape.captures[0].is_refused
    title = f"{heading(tape, words)}: {tape.response.outcome or 'no end'}"
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY.format(digest)}"/>',
            '<meta name="viewport" content="width=device-width,initial-scale=1"/>',
            '<meta name="referrer" content="no-referrer"/>',
            f"<title>{harmless(title)}</title><style>{STYLE}</style></head>\n<body>",
            "" if refused else '<a class="skip" href="#said">Skip to what was said</a>\n',
            "<header>",
            *(head(tape, words), facts(tape, axis), fault(tape, words), notes(tape)),
            "</header>\n<main>",
            *((body(tape, words),) if refused else (timeline(tape, axis, words), said(tape, axis, words))),
            findings(tape, axis, words),
            "</main>\n<footer>Drawn by deltafold ",
            f"{harmless(deltafold.__version__)}. One file, no scripts.</footer></body></html>\n",
        )
    )


# ---------------------------------------------------------------------------------------------- header


def name_of(text: str, words: Words) -> str:
    """A name, id or model as it is, unless it is long, or may be private text."""
    if words.redact and not WORD.fullmatch(text):
        return length_of(len(text))
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…"


def heading(tape: Tape, words: Words) -> str:
    """What answered."""
    if tape.captures[0].is_refused:
        return "A refused request"
    return name_of(tape.response.model or "A response", words)


def head(tape: Tape, words: Words) -> str:
    """What answered, how it ended, and where it was kept."""
    response, capture = tape.response, tape.captures[0]
    outcome = str(response.outcome or "no end")
    if response.incomplete_reason:
        outcome += f" ({name_of(response.incomplete_reason, words)})"
    above = [f'<span class="outcome {response.outcome or "none"}">{harmless(outcome)}</span>']
    if response.dialect:
        above.append(f"<span>{harmless(response.dialect)}</span>")
    if capture.status is not None:
        above.append(f"<span>HTTP {capture.status}</span>")
    # The folders of a user's machine are nothing to attach to a report.
    above.append(f'<span class="mono">{harmless(os.path.basename(capture.name))}</span>')
    if capture.form:
        above.append(f"<span>{harmless(capture.form)}</span>")
    below = " · ".join(
        f'<span class="mono">{harmless(name_of(text, words))}</span>'
        for text in (response.id, capture.request)
        if text
    )
    return f'<p class="over">{" ".join(above)}</p><h1>{harmless(heading(tape, words))}</h1>' + (
        f'<p class="id">{below}</p>' if below else ""
    )


def notes(tape: Tape) -> str:
    """What the capture tells of its time, and what was passed over in it."""
    ending = tape.ended
    capture = tape.captures[0]
    sent = [text for text in (capture.timing, *ending.notes) if text]
    rows = "".join(f"<li>{harmless(text[:1].upper() + text[1:])}.</li>" for text in sent)
    return f'<ul class="notes" aria-label="Notes on the capture">{rows}</ul>' if rows else ""


def body(tape: Tape, words: Words) -> str:
    """What came with a refusal."""
    raw = bytes(tape.raw[0])
    if words.redact or not raw:
        return f'<p class="none">The body has {len(raw):,} bytes.</p>'
    text = harmless(raw[:LONGEST].decode("utf-8", "replace"))
    return (
        '<section aria-labelledby="body"><h2 id="body">The body</h2>'
        f'<pre class="said" tabindex="0" role="group" aria-labelledby="body">{text}</pre></section>\n'
    )


def facts(tape: Tape, axis: Axis) -> str:
    """The figures."""
    ending = tape.ended
    usage, speed = tape.response.usage, tape.speed
    sent: list[tuple[str, ...]] = []
    if axis.timed and speed.last is not None:
        gap = f"longest gap {seconds(speed.longest)}"
        sent.append(("Duration", seconds(speed.last), gap))
        if speed.first_text is not None:
            sent.append(
                ("First text", seconds(speed.first_text), f"first event {seconds(speed.first or 0.0)}")
            )
    if usage is not None:
        if usage.input_tokens is not None:
            cached = f"{usage.cached_tokens:,} cached" if usage.cached_tokens else ""
            sent.append(("Input", f"{usage.input_tokens:,} tokens", cached))
        if usage.output_tokens is not None:
            more = [f"{usage.reasoning_tokens:,} reasoning"] if usage.reasoning_tokens else []
            more += [text for name, text in speed.rows(ending) if axis.timed and name == "speed"]
            sent.append(("Output", f"{usage.output_tokens:,} tokens", *more))
    sent.append(("Size", size(ending.size), f"{tape.events.total():,} events"))
    if not tape.captures[0].is_refused:
        sent.append(("Anomalies", f"{ending.anomalies:,}" if ending.anomalies else "none"))
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{value}{''.join(f'<small>{one}</small>' for one in more if one)}</dd></div>"
        for name, value, *more in sent
    )
    return f'<dl class="facts">{cells}</dl>'


def fault(tape: Tape, words: Words) -> str:
    """What failed."""
    ending = tape.ended
    rows = []
    error = ending.response.error
    if error is not None:
        message = length_of(len(error.message or "")) if words.redact else error.message or ""
        again = "May be tried again" if error.retryable else "Not to be tried again as it is"
        after = "" if error.retry_after is None else f", after {error.retry_after:g} s"
        rows.append((f"<b>{error.kind}</b> {harmless(message)}", f"{again}{after}."))
    if ending.fault is not None:
        rows.append((f"<b>The reading stopped</b> {harmless(words.fault(ending.fault))}", ""))
    return "".join(
        f'<div class="fault" role="note"><p>{first}</p>{f"<p>{second}</p>" if second else ""}</div>'
        for first, second in rows
    )


# -------------------------------------------------------------------------------------------- timeline


def timeline(tape: Tape, axis: Axis, words: Words) -> str:
    """A lane for the stream, for each item, and for the anomalies."""
    unit = "seconds" if axis.timed else "bytes"
    beats = f"{len(tape.beats)} heartbeat{'' if len(tape.beats) == 1 else 's'}" if tape.beats else ""
    again = f"{len(tape.reconnections) + 1} connections" if tape.reconnections else ""
    about = ", ".join(filter(None, (f"{tape.events.total():,} events", beats, again)))
    rows = [
        row("axis", f"<small>{unit}</small>", axis_strip(tape, axis)),
        row("", f"<b>Stream</b><small>{about}</small>", stream_strip(tape, axis)),
    ]
    for lane in tape.lanes.values():
        name, about = title_of(lane, words), measures(lane, axis)
        label = f'<b><a href="#item-{lane.index}">{harmless(name)}</a></b><small>{about}</small>'
        rows.append(row(kind_of(lane), label, lane_strip(lane, axis, f"{name}: {about}")))
    if tape.flags:
        flags = f"{len(tape.flags):,} flag{'' if len(tape.flags) == 1 else 's'}"
        label = f'<b><a href="#anomalies">Anomalies</a></b><small>{flags}</small>'
        rows.append(row("", label, flag_strip(tape, axis)))
    return (
        '<section aria-labelledby="timeline"><h2 id="timeline">Timeline</h2>'
        f'<ol class="lanes">{"".join(rows)}</ol>{key(tape, axis)}</section>\n'
    )


def row(name: str, label: str, strip: str) -> str:
    """A lane."""
    hidden = ' aria-hidden="true"' if name == "axis" else ""
    return f'<li class="lane {name}"{hidden}><div class="label">{label}</div>{strip}</li>\n'


def key(tape: Tape, axis: Axis) -> str:
    """What the marks mean: those that are there."""
    marks = []
    if any(lane.deltas for lane in tape.lanes.values()):
        marks.append(('<rect class="tick other" x="6" y="1" width="1.5" height="12"/>', "a delta"))
    if any(not lane.finished for lane in tape.lanes.values()):
        marks.append(
            ('<rect class="bar open other" x=".5" y="2.5" width="13" height="9" rx="2"/>', "never finished")
        )
    if tape.beats:
        marks.append(('<circle class="beat" cx="7" cy="7" r="3.5"/>', "a heartbeat"))
    if axis.timed and tape.speed.longest >= 1:
        marks.append(('<rect class="gap" width="14" height="14"/>', "silence of a second and more"))
    if tape.reconnections:
        marks.append(('<line class="again" x1="7" x2="7" y1="0" y2="14"/>', "another connection"))
    outcome = tape.response.outcome
    if outcome is not None and tape.moments:
        marks.append(
            (f'<line class="finish {outcome}" x1="7" x2="7" y1="0" y2="14"/>', f"the end: {outcome}")
        )
    sent = "".join(
        f'<li><svg aria-hidden="true" viewBox="0 0 14 14">{mark}</svg>{text}</li>' for mark, text in marks
    )
    return f'<ul class="key" aria-label="Key">{sent}</ul>' if sent else ""


def kind_of(lane: Lane) -> str:
    """The name of an item's colour."""
    match lane.item:
        case Message():
            return "message"
        case Reasoning():
            return "reasoning"
        case FunctionCall() | CustomToolCall():
            return "call"
        case None:
            return "other"
        case _:
            return "tool"


def title_of(lane: Lane, words: Words) -> str:
    """What an item is, in words."""
    kind = kind_of(lane)
    if isinstance(lane.item, (FunctionCall, CustomToolCall)):
        return f"Call of {name_of(lane.item.name or 'a tool', words)}"
    if lane.item is None:
        return "Spoken output" if lane.index < 0 else "An item of no kind"
    return NAMES.get(kind) or name_of(lane.item.type.replace("_", " ").capitalize(), words)


def measures(lane: Lane, axis: Axis) -> str:
    """From when to when, and how much."""
    start, end = axis.value(lane.start), axis.value(lane.end)
    begun, ended = axis.said(start), axis.said(end)
    sent = [f"{begun} to {ended}" if begun != ended else f"at {begun}"]
    if lane.deltas:
        sent.append(f"{len(lane.deltas):,} delta{'' if len(lane.deltas) == 1 else 's'}")
    return ", ".join(sent)


# ------------------------------------------------------------------------------------------------ items


def said(tape: Tape, axis: Axis, words: Words) -> str:
    """What each item said."""
    sent = "".join(article(lane, axis, words) for lane in tape.lanes.values())
    none = '<p class="none">Nothing.</p>'
    return f'<section aria-labelledby="said"><h2 id="said">What was said</h2>{sent or none}</section>\n'


def article(lane: Lane, axis: Axis, words: Words) -> str:
    """One item."""
    name = title_of(lane, words)
    item = lane.item
    about = (
        []
        if item is None
        else [name_of(text, words) for text in (getattr(item, "call_id", None), item.id, item.status) if text]
    )
    if isinstance(item, FunctionCall) and not item.complete:
        about.append("not complete")
    elif not lane.finished:
        about.append("never finished")
    about.append(measures(lane, axis))
    values = lane.said()
    if not values and item is not None and kind_of(lane) == "tool":
        values = [("item", words.json(item.to_dict(), indent=2))]
        shown = [block(name, "item", values[0][1], whole=True)]
    else:
        shown = [
            block(name, kind, length_of(len(text)) if words.redact else text, titled=len(values) > 1)
            for kind, text in values
        ]
    return (
        f'<article class="item {kind_of(lane)}" id="item-{lane.index}" tabindex="-1">'
        f"<h3>{harmless(name)}</h3>"
        f'<p class="about">{" · ".join(harmless(text) for text in about)}</p>{"".join(shown)}</article>\n'
    )


def block(name: str, kind: str, text: str, *, titled: bool = False, whole: bool = False) -> str:
    """One value of an item."""
    rest = f"\n… {len(text) - LONGEST:,} characters more" if len(text) > LONGEST and not whole else ""
    tag = "p" if kind in ("text", "refusal", "summary", "reasoning", "transcript") else "pre"
    above = f'<span class="kind">{kind}</span>' if titled else ""
    if kind == "arguments":
        text = indented(text)
    # What may have to be scrolled can be reached by the keyboard.
    scrolled = (
        f' tabindex="0" role="group" aria-label="{harmless(name)}, {kind}"' if len(text) > SCROLLED else ""
    )
    return f'{above}<{tag} class="said" dir="auto"{scrolled}>{harmless(text[:LONGEST])}{rest}</{tag}>'


def indented(text: str) -> str:
    """Arguments on several lines, where they are JSON that does not fit on one."""
    if len(text) <= 72 or len(text) > LONGEST:
        return text
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


# --------------------------------------------------------------------------------------------- anomalies


def findings(tape: Tape, axis: Axis, words: Words) -> str:
    """What was out of order."""
    ending = tape.ended
    if not ending.anomalies:
        return ""
    sent = "".join(
        finding(number, flag, axis, words) for number, flag in enumerate(tape.flags[:MOST_FLAGS], 1)
    )
    rest = ending.anomalies - min(len(tape.flags), MOST_FLAGS)
    more = f'<p class="none">And {rest:,} more.</p>' if rest else ""
    return (
        '<section aria-labelledby="anomalies"><h2 id="anomalies">Anomalies</h2>'
        f'<ol class="findings">{sent}</ol>{more}</section>\n'
    )


def finding(number: int, flag: Flag, axis: Axis, words: Words) -> str:
    """One anomaly, with the raw frame behind it."""
    anomaly = flag.anomaly
    rule = ANOMALIES[anomaly.code]
    place = [axis.said(axis.value(flag.moment))] if axis.timed else []
    if anomaly.event_index is not None:
        place.append(f"event {anomaly.event_index}")
    if anomaly.offset is not None:
        place.append(f"byte {anomaly.offset:,}")
    frame = flag.frame or anomaly.excerpt.encode("utf-8", "replace")
    if not frame:
        raw = ""
    elif words.redact:
        raw = f'<p class="about">The frame has {len(frame):,} bytes.</p>'
    else:
        text = harmless(frame.decode("utf-8", "replace"))
        raw = (
            f'<details><summary>Raw frame</summary><pre class="raw" tabindex="0" role="group" '
            f'aria-label="Raw frame of anomaly {number}">{text}</pre></details>'
        )
    here = "" if words.redact else f" {harmless(anomaly.message[:1].upper() + anomaly.message[1:])}"
    here = here if not here or here.endswith((".", "!", "?")) else f"{here}."
    return (
        f'<li class="found" id="anomaly-{number}" tabindex="-1"><h3><code>{anomaly.code}</code></h3>'
        f'<p class="about">{" · ".join(place)}</p><p>{with_code(rule.meaning)}{here}</p>'
        f'<p class="about">{"Strict readers stop here. " if rule.strict else ""}{with_code(rule.lenient)}</p>'
        f"{raw}</li>\n"
    )


def with_code(text: str) -> str:
    """A sentence of the table, with what stands in backticks as code."""
    return re.sub("`(.+?)`", r"<code>\1</code>", harmless(text))
