"""The inspector: reads a capture from a file or standard input, and shows what the library makes of it.

    python -m deltafold capture.sse
    curl -N ... | python -m deltafold

This is the one place of the library that does input and output, and it uses only what every embedder can use.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import attrs

import deltafold
from deltafold import (
    COMPILED,
    Anomaly,
    CustomToolCall,
    ErrorReported,
    Event,
    FunctionCall,
    Item,
    Message,
    Outcome,
    Reasoning,
    Response,
    ResponseError,
    ResponseParser,
    Usage,
    UsageError,
    WireError,
)
from deltafold.registry import DIALECTS

BUILD = "compiled" if COMPILED else "pure Python"
CHUNK = 65_536
SHOWN = 100
"""Characters of one value on a line."""
LONG = frozenset({"text", "image", "data"})
"""Fields that hold streamed text; other strings are words."""
DIM, RED, GREEN, YELLOW = "2", "31", "32", "33"


# ------------------------------------------------------------------------------------------- one value


def quoted(text: str) -> str:
    """Text as a Python literal, which has no control characters in it, cut where it is long."""
    rest = f"... ({len(text)} characters)" if len(text) > SHOWN else ""
    return f"{text[:SHOWN]!r}{rest}"


def safe(text: str) -> str:
    """Text as it is, unless it holds what a terminal could take for a command."""
    return text if text.isprintable() else repr(text)


def word(text: str) -> str:
    """A name, id or status."""
    return safe(text) if len(text) <= SHOWN else quoted(text)


def words(*texts: str | None) -> str:
    """Those that are known, on one line."""
    return " ".join(word(str(text)) for text in texts if text)


def plain(value: Any) -> Any:
    """A value of an event as JSON values."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if attrs.has(type(value)):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, tuple):
        return [plain(entry) for entry in value]
    return value


def dumped(value: Any, indent: int | None = None) -> str:
    """JSON in printable ASCII."""
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")


def usage_line(usage: Usage) -> str:
    """What was told of the tokens."""
    told = attrs.asdict(usage, filter=lambda field, count: field.name != "data" and count is not None)
    return ", ".join(f"{name.removesuffix('_tokens')} {count}" for name, count in told.items()) or "not told"


def error_line(error: ResponseError) -> str:
    """What failed, and whether to try again."""
    after = "" if error.retry_after is None else f" after {error.retry_after:g} s"
    again = f"retryable{after}" if error.retryable else "not retryable"
    return f"{error.kind}: {quoted(error.message or '')} ({again})"


def described(value: Any) -> str:
    """A value of an event in short."""
    if isinstance(value, Usage):
        return usage_line(value)
    if isinstance(value, ResponseError):
        return error_line(value)
    if attrs.has(type(value)):  # an item or part
        return words(*(getattr(value, name, None) for name in ("type", "name", "call_id", "id")))
    text = dumped(plain(value))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


def event_line(event: Event) -> str:
    """Where it belongs, what it is about, what it holds."""
    place: list[str] = []
    names: list[str] = []
    values: list[str] = []
    for field in attrs.fields(type(event)):
        value = getattr(event, field.name)
        if field.repr is False or value in (None, "") or isinstance(value, Response):
            continue
        if field.name.endswith("_index"):
            place.append(str(value))
        elif not isinstance(value, str):
            values.append(described(value))
        elif field.name in LONG:
            values.append(quoted(value))
        else:
            names.append(word(str(value)))
    return f"{type(event).__name__:<18} {'.'.join(place):<5} {' '.join(names + values)}".rstrip()


def item_line(item: Item) -> str:
    """An item of the final response, and the beginning of what it says."""
    match item:
        case FunctionCall():
            said, state = item.arguments, "" if item.complete else "not complete"
        case CustomToolCall():
            said, state = item.input, "" if item.whole else "not complete"
        case Message():
            said, state = "".join(map(part_text, item.content)), ""
        case Reasoning():
            said, state = "".join(map(part_text, item.summary + item.content)), ""
        case _:
            said, state = "", ""
    return " ".join(filter(None, (described(item), words(item.status, state), quoted(said) if said else "")))


def part_text(part: Any) -> str:
    """The text of a part, or the refusal."""
    return str(getattr(part, "text", getattr(part, "refusal", "")))


# ----------------------------------------------------------------------------------- three ways to show


class View(Protocol):
    """What is shown of a stream, in the order in which it is met."""

    def event(self, event: Event) -> None: ...

    def anomaly(self, anomaly: Anomaly) -> None: ...

    def end(self, parser: ResponseParser, size: int, fault: WireError | None) -> None: ...


class Lines:
    """One line for each event and anomaly, and a summary."""

    def __init__(self, *, colour: bool) -> None:
        self.colour = colour
        self.events: Counter[str] = Counter()
        self.anomalies: Counter[str] = Counter()

    def paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def event(self, event: Event) -> None:
        self.events[type(event).__name__] += 1
        line = event_line(event)
        name, rest = line[:18], line[18:]
        print("  " + self.paint(RED if isinstance(event, ErrorReported) else DIM, name) + rest)

    def anomaly(self, anomaly: Anomaly) -> None:
        self.anomalies[anomaly.code] += 1
        at = "" if anomaly.offset is None else f" (byte {anomaly.offset})"
        print(self.paint(YELLOW, f"! {anomaly.code}: {safe(anomaly.message)}{at}"))

    def end(self, parser: ResponseParser, size: int, fault: WireError | None) -> None:
        response = parser.response
        rows: list[tuple[str, str]] = []
        if fault is not None:
            rows.append(("fault", self.paint(RED, f"{type(fault).__name__}: {safe(str(fault))}")))
        completed = response.outcome is Outcome.COMPLETED
        outcome = words(response.outcome or "none", response.incomplete_reason)
        rows.append(("outcome", self.paint(GREEN if completed else RED, outcome)))
        if response.error is not None:
            rows.append(("error", error_line(response.error)))
        rows.append(("response", words(response.id, response.model) or "unnamed"))
        rows += [("item", item_line(item)) for item in response.output]
        if response.usage is not None:
            rows.append(("usage", usage_line(response.usage)))
        rows.append(("bytes", str(size)))
        rows.append(("events", counted(self.events.total(), self.events)))
        rows.append(("anomalies", counted(parser.anomaly_count, self.anomalies)))
        print()
        for name, text in rows:
            print(f"{name:<10} {text}")


def counted(total: int, counts: Counter[str]) -> str:
    """A sum, and what it is made of."""
    parts = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return f"{total} ({parts})" if parts else f"{total}"


class Records:
    """One JSON object on each line; its first member says whether it is an event, an anomaly or a fault.

    An event is what its `to_dict()` tells, of which `event_from_dict()` makes it again.
    """

    def event(self, event: Event) -> None:
        print(dumped(event.to_dict()))

    def anomaly(self, anomaly: Anomaly) -> None:
        told = plain(anomaly)
        print(dumped({"anomaly": told.pop("code"), **told}))

    def end(self, parser: ResponseParser, size: int, fault: WireError | None) -> None:
        if fault is not None:
            told = {name: getattr(fault, name) for name in ("message", "offset", "event_index", "excerpt")}
            print(dumped({"fault": fault.code, **told, "response": parser.response.to_dict()}))


class Final:
    """The final response, or what there is of it, as JSON."""

    def event(self, event: Event) -> None:
        pass

    def anomaly(self, anomaly: Anomaly) -> None:
        pass

    def end(self, parser: ResponseParser, size: int, fault: WireError | None) -> None:
        print(dumped(parser.response.to_dict(), indent=2))
        if fault is not None:
            print(f"deltafold: {type(fault).__name__}: {safe(str(fault))}", file=sys.stderr)


# --------------------------------------------------------------------------------------------- reading


def inspect(read: Callable[[], bytes], parser: ResponseParser, view: View) -> bool:
    """Shows a stream as its bytes arrive. Whether it ended as it should."""
    size = 0
    fault = None
    shown = 0

    def show_anomalies() -> None:
        nonlocal shown
        if parser.anomaly_count > shown:
            for anomaly in parser.anomalies[shown:]:
                view.anomaly(anomaly)
            shown = parser.anomaly_count

    def show() -> None:
        for event in parser.events():
            show_anomalies()
            view.event(event)
        show_anomalies()
        sys.stdout.flush()

    try:
        try:
            while data := read():
                size += len(data)
                parser.feed(data)
                show()
            parser.close()
        except KeyboardInterrupt:
            parser.cancel()
        show()
    except WireError as error:
        show_anomalies()
        fault = error
    view.end(parser, size, fault)
    sys.stdout.flush()
    return parser.response.outcome is Outcome.COMPLETED


def reader(source: Any) -> Callable[[], bytes]:
    """Reads what is there, without waiting for more. A source that breaks has ended."""

    def read() -> bytes:
        try:
            return bytes(source.read1(CHUNK))
        except OSError as error:
            print(f"deltafold: {error}", file=sys.stderr)
            return b""

    return read


def wants_colour() -> bool:
    """On a terminal, unless the user said no: https://no-color.org."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the inspector: 0 for a response that completed, 1 for any other end; wrong usage exits with 2."""
    usage = argparse.ArgumentParser(
        prog="deltafold",
        description="Shows an LLM response stream event by event, then what came of it.",
        epilog="Exit status: 0 the response completed, 1 any other end, 2 wrong usage.",
    )
    usage.add_argument("file", nargs="?", metavar="FILE", help="a capture; standard input where absent or -")
    usage.add_argument(
        "--dialect",
        default="auto",
        help=f"{', '.join(DIALECTS)} or auto, the default: the stream itself tells",
    )
    usage.add_argument("--version", action="version", version=f"deltafold {deltafold.__version__}, {BUILD}")
    usage.add_argument("--strict", action="store_true", help="stop at the first deviation")
    shape = usage.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one JSON object per event, anomaly and fault")
    shape.add_argument("--final", action="store_true", help="only the final response, as JSON")
    options = usage.parse_args(argv)

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may know fewer letters than a model
    view: View
    if options.json:
        view = Records()
    elif options.final:
        view = Final()
    else:
        view = Lines(colour=wants_colour())
    try:
        parser = ResponseParser(options.dialect, strict=options.strict)
    except UsageError as error:
        usage.error(str(error))
    try:
        if options.file not in (None, "-"):
            try:
                source = open(options.file, "rb")  # noqa: SIM115 - closed below
            except OSError as error:
                usage.error(str(error))
            with source:
                completed = inspect(reader(source), parser, view)
        elif sys.stdin is None or (options.file is None and sys.stdin.isatty()):
            usage.error("nothing to read: name a FILE, or pipe a stream in")
        else:
            completed = inspect(reader(sys.stdin.buffer), parser, view)
    except (BrokenPipeError, KeyboardInterrupt):
        # Nobody reads on. What is still buffered would fail again when the interpreter flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0 if completed else 1


if __name__ == "__main__":
    sys.exit(main())
