"""How values are said on one line of a terminal: nothing in them can command it, and long ones are cut."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import attrs

from deltafold.inspector.redaction import length_of, redacted
from deltafold.model.anomalies import ANOMALIES, Anomaly
from deltafold.model.errors import ResponseError, WireError
from deltafold.model.events import Event
from deltafold.model.items import CustomToolCall, FunctionCall, Item, Message, Reasoning
from deltafold.model.response import Response, Usage

__all__ = ["NAME", "WORD", "Words", "columns", "fitted", "safe"]

SHOWN = 100
"""Characters of one value on a line."""
NAME = 18
"""Columns for the name of an event."""
LONG = frozenset({"text", "image", "data"})
"""Fields that hold streamed text; other strings are words."""
WORD = re.compile(r"[\w.:/@+ -]{1,80}")
"""What a name, id or status of a server looks like: all else may be private text."""


def safe(text: str) -> str:
    """Text as it is, unless it holds what a terminal could take for a command."""
    return text if text.isprintable() else repr(text)


def dumped(value: Any, indent: int | None = None) -> str:
    """JSON in printable ASCII."""
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) + sum(
        unicodedata.east_asian_width(letter) in "WF" for letter in text if letter > "\u10ff"
    )


def fitted(text: str, width: int | None, mark: str = "…") -> str:
    """A text cut to so many columns; the mark says that it was."""
    if width is None or columns(text) <= width:
        return text
    text = text[: max(width - len(mark), 0)]
    while text and columns(text) > width - len(mark):
        text = text[:-1]
    return text + mark[: max(width, 0)]


class Words:
    """Says values; with `redact`, lengths stand in place of what may be private."""

    def __init__(self, *, redact: bool = False) -> None:
        self.redact = redact

    def quoted(self, text: str) -> str:
        """Text as a Python literal, which has no control characters in it, cut where it is long."""
        return self.cut(text, len(text))

    def cut(self, text: str, length: int) -> str:
        """The same of a text of that length, of which the beginning is known."""
        if self.redact:
            return length_of(length)
        rest = f"... ({length} characters)" if length > SHOWN else ""
        return f"{text[:SHOWN]!r}{rest}"

    def word(self, text: str) -> str:
        """A name, id or status."""
        if self.redact and not WORD.fullmatch(text):
            return length_of(len(text))
        return safe(text) if len(text) <= SHOWN else self.quoted(text)

    def words(self, *texts: str | None) -> str:
        """Those that are known, on one line."""
        return " ".join(self.word(str(text)) for text in texts if text)

    def json(self, value: Any, indent: int | None = None) -> str:
        """JSON in printable ASCII."""
        return dumped(redacted(value) if self.redact else value, indent)

    def usage(self, usage: Usage) -> str:
        """What the server said of the tokens."""
        sent = attrs.asdict(usage, filter=lambda field, count: field.name != "data" and count is not None)
        return (
            ", ".join(f"{name.removesuffix('_tokens')} {count}" for name, count in sent.items()) or "not sent"
        )

    def error(self, error: ResponseError) -> str:
        """What failed, and whether to try again."""
        after = "" if error.retry_after is None else f" after {error.retry_after:g} s"
        again = f"retryable{after}" if error.retryable else "not retryable"
        return f"{error.kind}: {self.quoted(error.message or '')} ({again})"

    def anomaly(self, anomaly: Anomaly) -> str:
        """What was met; where texts are not to be shown, what the table says of it."""
        return ANOMALIES[anomaly.code].meaning if self.redact else safe(anomaly.message)

    def fault(self, fault: WireError) -> str:
        """What ended the reading."""
        if not self.redact:
            return f"{type(fault).__name__}: {safe(str(fault))}"
        at = "" if fault.offset is None else f" at byte {fault.offset}"
        return f"{type(fault).__name__}: {fault.code}{at}"

    def value(self, value: Any) -> str:
        """A value of an event in short."""
        if isinstance(value, Usage):
            return self.usage(value)
        if isinstance(value, ResponseError):
            return self.error(value)
        if attrs.has(type(value)):  # an item or part
            return self.words(*(getattr(value, name, None) for name in ("type", "name", "call_id", "id")))
        text = self.json(value)
        return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"

    def event(self, event: Event, count: int = 1, text: tuple[str, int] | None = None) -> tuple[str, str]:
        """The name of an event, and where it belongs, what it is about, what it holds.

        Of several of a kind, `count` is their number, and `text` what they say together, from its beginning,
        and its length.
        """
        place: list[str] = []
        names: list[str] = []
        values: list[str] = []
        for field in attrs.fields(type(event)):
            value = getattr(event, field.name)
            if field.name in LONG and text is not None:
                values.append(self.cut(*text))
            elif field.repr is False or value in (None, "") or isinstance(value, Response):
                continue
            elif field.name.endswith("_index"):
                place.append(str(value))
            elif not isinstance(value, str):
                values.append(self.value(value))
            elif field.name in LONG:
                values.append(self.quoted(value))
            else:
                names.append(self.word(str(value)))
        name = type(event).__name__ + (f" ×{count}" if count > 1 else "")
        return name, f"{'.'.join(place):<5} {' '.join(names + values)}".rstrip()

    def item(self, item: Item) -> str:
        """An item of the final response, and the beginning of what it says."""
        said, state = said_by(item)
        more = (self.value(item), self.words(item.status, state), self.quoted(said) if said else "")
        return " ".join(filter(None, more))


def said_by(item: Item) -> tuple[str, str]:
    """The text of an item, and whether it is whole."""
    match item:
        case FunctionCall():
            return item.arguments, "" if item.complete else "not complete"
        case CustomToolCall():
            return item.input, "" if item.whole else "not complete"
        case Message():
            return "".join(map(part_text, item.content)), ""
        case Reasoning():
            return "".join(map(part_text, item.summary + item.content)), ""
        case _:
            return "", ""


def part_text(part: Any) -> str:
    """The text of a part, or the refusal."""
    return str(getattr(part, "text", getattr(part, "refusal", "")))
