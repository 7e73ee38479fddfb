"""Streams in logs: lines with time stamps, lines of a WebSocket client, records with a time in JSON."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from deltafold.inspector.capture import Piece, member

__all__ = ["Log", "is_log_line", "is_record", "lines_of", "record_pieces"]

STAMP = r"""
    [\[(]?
    (?:
        (?P<date> \d{4}-\d\d-\d\d [T\ ] \d\d:\d\d:\d\d (?:[.,]\d+)? (?:\ ?Z|\ ?[+-]\d\d:?\d\d)? )
      | (?P<clock> \d\d:\d\d:\d\d (?:[.,]\d+)? )
      | (?P<seconds> \+?\d{1,12}\.\d{1,12} ) s?
      | (?P<millis> \d{13} )
      | \+(?P<since> \d{1,12} ) \ ?ms
    )
    [\])]? (?:[:|,;\t ]|$) [\t ]*
"""
ARROW = r"(?P<arrow> <<?-? | >>?|->?>? | [←↓⇐→↑⇒] | recv | received | receive | sent | send )"
LITERAL = re.compile(r"""b'(?:[^'\\]|\\.)*'|b"(?:[^"\\]|\\.)*\"""")
BEGINNING = re.compile(
    r"""(?<![\w"'.:/])
    (?: (?P<literal> b['"]) | (?P<field> (?:data|event|id|retry):) | \{\s*["}] | \[\s*[{\]] )""",
    re.VERBOSE,
)
"""What a payload may begin with in the middle of a line."""
MOST_BEGINNINGS = 20
STAMPED = re.compile(STAMP, re.VERBOSE)
ARROWED = re.compile(
    rf"{ARROW} [:\ ]? [\ ]* (?:TEXT\ )? (?= [{{\['\[] | data:|event: )", re.VERBOSE | re.IGNORECASE
)
SENT = re.compile(r"(?:^|\s)(?:>>?|--?>|[→↑⇒]|send|sent|out|outgoing)(?:[\s:]|$)", re.IGNORECASE)
DAY = 86_400.0
MOST_TIME = 1e15
"""Beyond it a number is no time, neither in seconds nor in milliseconds."""
MOST_LINES = 100
"""Lines of one event's data that are looked at for their end."""

TIMES = ("time", "ts", "timestamp", "t", "elapsed", "at")
PAYLOADS = ("data", "payload", "message", "chunk", "body", "text", "raw", "line")
WAYS = ("direction", "dir", "type", "way", "from", "opcode")
RECEIVED = {"receive", "received", "recv", "in", "incoming", "inbound", "server", "message", "<", "down"}
SENDING = {"send", "sent", "out", "outgoing", "outbound", "client", "request", ">", "up"}


class Log:
    """Takes the stream out of the lines of a log, one line after the other."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.last = 0.0
        self.day = 0.0
        self.data: list[str] = []
        self.messages: bool | None = None
        self.passed_over = 0
        self.sent = 0

    def piece(self, line: str) -> Piece | None:
        """What a line holds of the stream; None where that is nothing."""
        stamp = STAMPED.match(line)
        time = self.time_of(stamp) if stamp else (None if self.first is None else self.last)
        rest = line[stamp.end() :] if stamp else line
        if not rest.strip():
            self.data = []
            return Piece(b"\n", time)
        arrow = ARROWED.match(rest)
        if arrow:
            if SENT.search(arrow["arrow"]):
                self.sent += 1
                return None
            rest = rest[arrow.end() :]
        kind, text, before = payload_in(rest)
        if arrow and not kind and rest.startswith(("{", "[")):  # broken as it is, it is a message
            kind, text = "json", rest
        if not kind:
            self.passed_over += 1
            return None
        if kind == "literal":
            return self.literal(text, time)
        if kind == "json":
            if not arrow and SENT.search(before):
                self.sent += 1
                return None
            if self.messages is None:
                self.messages = arrow is not None
            return Piece(text if self.messages else self.framed(f"data: {text}"), time)
        if self.messages:
            return Piece(text.removeprefix("data:"), time)
        return Piece(self.framed(text), time)

    def literal(self, text: str, time: float | None) -> Piece:
        """Bytes as Python prints them: a chunk, as it came."""
        try:
            return Piece(bytes(ast.literal_eval(text)), time)
        except (ValueError, SyntaxError):
            return Piece(text.encode(), time)

    def framed(self, field: str) -> bytes:
        """A field as a line, with the end of its event, which many logs leave out.

        It is put behind data that are whole, and before what can only be another event.
        """
        name, _, value = field.partition(":")
        value = value.removeprefix(" ")
        ended = ""
        if self.data and (name != "data" or (value.startswith("{") and is_whole(value))):
            ended, self.data = "\n", []
        if name == "data":
            self.data.append(value)
            if len(self.data) <= MOST_LINES and is_whole("\n".join(self.data)):
                self.data = []
                field += "\n"
        return f"{ended}{field}\n".encode()

    def time_of(self, stamp: re.Match[str]) -> float:
        """Seconds since the first line."""
        if stamp["date"]:
            seconds = date_of(stamp["date"])
        elif stamp["clock"]:
            hours, minutes, rest = stamp["clock"].replace(",", ".").split(":")
            seconds = int(hours) * 3600 + int(minutes) * 60 + float(rest) + self.day
            if self.first is not None and seconds + DAY / 2 < self.first + self.last:  # midnight
                self.day += DAY
                seconds += DAY
        elif stamp["seconds"]:
            seconds = float(stamp["seconds"])
        else:
            seconds = int(stamp["millis"] or stamp["since"]) / 1000
        if self.first is None:
            self.first = seconds
        self.last = max(self.last, seconds - self.first)
        return self.last

    def notes(self) -> list[str]:
        """What was not taken."""
        sent = [(self.passed_over, "no part of the stream"), (self.sent, "sent by the client")]
        return [f"{why}: {count} line{'s' * (count > 1)}" for count, why in sent if count]


def payload_in(line: str) -> tuple[str, str, str]:
    """What a line holds of a stream: the kind of it, its text, and what stands before.

    The kind is `literal`, `field` or `json`; empty where there is nothing.
    """
    if line.startswith(":") and line[1:2] in ("", " "):
        return "field", line, ""
    end = line.rstrip(" \t,)")
    at = 0
    for _ in range(MOST_BEGINNINGS):
        found = BEGINNING.search(line, at)
        if found is None:
            break
        at = found.end()
        before = line[: found.start()]
        if found["field"]:
            return "field", line[found.start() :], before
        text = end[found.start() :]
        if found["literal"]:
            if LITERAL.fullmatch(text):
                return "literal", text, before
        elif text.endswith(("}", "]")):
            return "json", text, before
    return "", "", ""


def date_of(text: str) -> float:
    """A date with a time as seconds since the epoch; what tells no zone counts as UTC."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text.replace(",", "."))
    text = re.sub(r" (?=Z|[+-])", "", text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def is_whole(text: str) -> bool:
    """Whether this is a whole payload."""
    if text.strip() == "[DONE]":
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_log_line(line: str) -> bool:
    """Whether a line is one of a log that holds a stream: a stamp or an arrow, then something of it."""
    stamp = STAMPED.match(line)
    rest = line[stamp.end() :] if stamp else line
    kind, _, before = payload_in(rest)
    if stamp is not None:
        return bool(kind)
    return ARROWED.match(rest) is not None or (kind == "literal" and not before)


def lines_of(pieces: Iterable[Piece]) -> Iterator[tuple[str, float | None]]:
    """The lines of a text, each as soon as it is whole, with the time at which it was."""
    held: list[bytes] = []
    time = None
    for piece in pieces:
        data, time = piece.raw, piece.time
        if b"\n" not in data:
            held.append(data)
            continue
        first, *more = (b"".join(held) + data).split(b"\n")
        held = [more.pop()]
        for line in (first, *more):
            yield line.rstrip(b"\r").decode("utf-8", "replace"), time
    if any(held):
        yield b"".join(held).rstrip(b"\r").decode("utf-8", "replace"), time


# ----------------------------------------------------------------------------------------------- records


def is_record(value: Any) -> bool:
    """Whether a JSON object is a record of what came: it has a payload, and a time or a direction."""
    if not isinstance(value, dict) or payload_of(value) is None:
        return False
    timed = any(isinstance(value.get(name), (int, float, str)) for name in TIMES)
    said = payload_of(value)
    # A time stands beside the message of an error as well.
    streamed = isinstance(said, dict) or said.startswith(("{", "[", "data:", "event:", "id:", ":"))
    return way_of(value) is not None or (timed and streamed)


def payload_of(record: dict[str, Any]) -> Any:
    """What a record says that came: text, or a JSON object."""
    return next((record[name] for name in PAYLOADS if isinstance(record.get(name), (str, dict))), None)


def way_of(record: dict[str, Any]) -> bool | None:
    """Whether the record came from the server; None where it does not tell."""
    for name in WAYS:
        word = record.get(name)
        if isinstance(word, str) and word.lower() in RECEIVED | SENDING:
            return word.lower() in RECEIVED
    return None


def record_pieces(records: Iterable[Any], notes: list[str]) -> Iterator[Piece]:
    """What records hold of a stream: messages and payloads, or chunks of server-sent events."""
    clock, sent, odd = Clock(), 0, 0
    for record in records:
        said = payload_of(record) if isinstance(record, dict) else None
        if said is None:
            odd += 1
            continue
        if way_of(record) is False:
            sent += 1
            continue
        time = clock.since(next((record[name] for name in TIMES if name in record), None))
        if member(record, "opcode") in (None, 1) and (isinstance(said, dict) or is_whole(said)):
            yield Piece(said if isinstance(said, str) else json.dumps(said), time)
        elif isinstance(said, str):
            yield Piece(said.encode("utf-8", "surrogatepass"), time)
    passed = [(sent, "sent by the client"), (odd, "without a payload")]
    notes += [f"{why}: {count} record{'s' * (count > 1)}" for count, why in passed if count]


class Clock:
    """Times of records as seconds since the first of them."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.last = 0.0

    def since(self, time: Any) -> float | None:
        """Seconds since the first record. A number beyond 10 to the 11 is in milliseconds."""
        if isinstance(time, str):
            seconds = date_of(time)
        elif isinstance(time, (int, float)) and not isinstance(time, bool) and abs(time) < MOST_TIME:
            seconds = time / 1000 if time > 1e11 else float(time)
        else:
            return None if self.first is None else self.last
        if self.first is None:
            self.first = seconds
        self.last = max(self.last, seconds - self.first)
        return self.last
