"""JSON in: one policy for every payload, and what can be saved from a broken one.

RFC 8259 leaves the edges to the implementation, and libraries differ on them. Here they are settled once:
nesting is bounded, NaN, infinities and numbers beyond a double or beyond Python's digit limit are read as
null, of duplicate keys the last wins, half a surrogate pair becomes U+FFFD. Each is reported.
"""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NoReturn

from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import LimitExceeded

__all__ = [
    "Paths",
    "ReportAnomaly",
    "is_strict_json",
    "join_surrogates",
    "read_payloads",
    "replace_lone_surrogates",
]

ReportAnomaly = Callable[[AnomalyCode, str], None]
"""Called with what was out of order, and in which words."""
Scan = Callable[[str, int], tuple[Any, int]]
Paths = frozenset[tuple[str, ...]]

EVERYWHERE: Final[tuple[str, ...]] = ("*",)
"""Among paths it stands for all of them: while it is not known whose payloads these are."""
DONE: Final = "[DONE]"
WHITESPACE: Final = " \t\n\r"
STRINGS: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
# One match for each bracket, and no copy of the text without its strings, whose pieces take many times that.
UP_TO_BRACKET: Final = re.compile(rf'(?:[^"\[\]{{}}]++|{STRINGS.pattern})*+[\[\]{{}}]', re.DOTALL)
# What is longer is not kept for the sake of a second one like it.
CACHE_UP_TO: Final = 65_536
RESPONSE: Final = ',"response":'
# So far into a payload the response is looked for, which is near its beginning or not there.
RESPONSE_KEY_WITHIN: Final = 200
CONTROLS: Final = re.compile(r"[\x00-\x1f]")
SURROGATES: Final = re.compile(r"[\ud800-\udfff]")
# The first halves of surrogate pairs are those from HIGH on, the second ones those from LOW to LAST.
HIGH: Final = chr(0xD800)
LOW: Final = chr(0xDC00)
LAST: Final = chr(0xDFFF)
DOUBLED_PREFIX: Final = re.compile(r"(?:data:[ \t\r\n]*+)++")
# Where a new frame may be glued onto one that a broken server or proxy had not finished.
GLUE_POINT: Final = re.compile(r"(?:data: ?|\n)(?=\{)")
# A joint costs one attempt to read what follows, so a payload made of joints must not get one for each.
MOST_JOINTS: Final = 8
MOST_VALUES: Final = 1024
"""So many values of one event are held at once."""


class NotJSON:
    """Data that are no JSON: `[DONE]`, a comment, or what could not be read."""

    SNAPSHOT_FIELDS: Final = ("text",)
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, text: str) -> None:
        self.text = text


class Unrepresentable(ValueError):
    """A number that JSON or a double cannot hold."""


class DuplicateKey(ValueError):
    """An object that has one key twice."""


def refuse_constant(word: str) -> NoReturn:
    raise Unrepresentable(word)


def finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Unrepresentable(digits[:20])
    return number


def finite_or_none(digits: str) -> float | None:
    number = float(digits)
    return None if math.isinf(number) else number


def integer_or_none(digits: str) -> int | None:
    try:
        return int(digits)
    except ValueError:  # more than sys.get_int_max_str_digits(), CVE-2020-10735
        return None


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DuplicateKey
    return found


def scanner(**hooks: Any) -> Scan:
    """Reads one value at a position of a text and gives it with its end; C code, as json.loads() uses it.

    Raises `StopIteration` where no value begins.
    """
    decoder: Any = json.JSONDecoder(**hooks)
    scan_once: Scan = decoder.scan_once
    return scan_once


scan: Final = scanner(parse_float=finite, parse_constant=refuse_constant)
scan_any_number: Final = scanner(parse_constant=refuse_constant)
scan_distinct: Final = scanner(parse_float=finite, parse_constant=refuse_constant, object_pairs_hook=distinct)
scan_controls: Final = scanner(parse_float=finite, parse_constant=refuse_constant, strict=False)
scan_leniently: Final = scanner(
    parse_float=finite_or_none, parse_int=integer_or_none, parse_constant=lambda word: None, strict=False
)


try:
    from deltafold._speedups import read_plain_object as read_in_c
except ImportError:  # a package that is not compiled
    read_in_c = None  # type: ignore[assignment]

read_plain_object: Final = read_in_c
"""In C: `read_object()` where nothing is out of the ordinary, else None. It is None where there is no C."""


def is_strict_json(text: str) -> bool:
    """Whether a text is one value of RFC 8259, nothing more and nothing less."""
    try:
        end = scan_any_number(text, skip_whitespace(text, 0))[1]
    except (StopIteration, ValueError, RecursionError):
        return False
    return skip_whitespace(text, end) == len(text)


def join_surrogates(text: str) -> str:
    """Halves of a pair that meet become the character, and a half alone becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def join_halves(waiting: dict[Any, int], place: Any, text: str, report: ReportAnomaly) -> str:
    """A fragment in whole characters. A high surrogate at its end waits for the next one of its place."""
    if place in waiting:
        half = chr(waiting.pop(place))
        if LOW <= text[:1] <= LAST:
            text = join_surrogates(half + text[:1]) + text[1:]
        else:
            report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a fragment")
            text = "\ufffd" + text
    if HIGH <= text[-1:] < LOW:
        waiting[place] = ord(text[-1])
        text = text[:-1]
    if HIGH <= text[:1] <= LAST:
        report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair begins a fragment")
        text = "\ufffd" + text[1:]
    return text


def escape_surrogates(text: str) -> str:
    """Halves of pairs as JSON escapes, so that the text has a UTF-8 form."""
    return SURROGATES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def replace_lone_surrogates(
    value: Any, report: ReportAnomaly, fragments: Paths, path: tuple[str, ...] = ()
) -> Any:
    """A JSON value without lone surrogates.

    What stands at `fragments` (paths of keys; lists count for nothing) are pieces of a longer text. Half a
    pair at their edge may meet its other half in the next piece, so it is left to those who join them.
    """
    if isinstance(value, str):
        start, stop = 0, len(value)
        if path in fragments or EVERYWHERE in fragments:
            start = int(LOW <= value[:1] <= LAST)
            stop -= int(HIGH <= value[-1:] < LOW)
        inner = value[start:stop]
        if SURROGATES.search(inner) is None:
            return value
        report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair stands alone")
        return value[:start] + join_surrogates(inner) + value[stop:]
    if isinstance(value, list):
        return [replace_lone_surrogates(entry, report, fragments, path) for entry in value]
    if isinstance(value, dict):
        none: Paths = frozenset()
        return {
            replace_lone_surrogates(key, report, none): replace_lone_surrogates(
                member, report, fragments, (*path, key)
            )
            for key, member in value.items()
        }
    return value


def check_depth(text: str, depth: int) -> None:
    """Raises `LimitExceeded` where arrays and objects are nested deeper than `depth`."""
    nested = at = 0
    while (found := UP_TO_BRACKET.match(text, at)) is not None:
        at = found.end()
        nested = nested + 1 if text[at - 1] in "[{" else max(nested - 1, 0)
        if nested > depth:
            raise LimitExceeded("json_depth", depth)


def read_object(text: str, depth: int, *, strict: bool) -> dict[str, Any] | None:
    """The object that the data of nearly every event are.

    None where they are anything else, or there may be something wrong with it: `read_payloads()` knows more.
    Raises `LimitExceeded`.
    """
    if "\\" in text and has_surrogates(text):
        return None
    if read_plain_object is not None:
        found = read_plain_object(text, depth, strict)
        if found is not None:
            return found
    try:
        value, end = (scan_distinct if strict else scan)(text, 0)
    except (StopIteration, ValueError, RecursionError):
        return None
    if end != len(text) or type(value) is not dict:
        return None
    # The brackets of the whole text bound its depth, and few payloads have more of them than the limit.
    if has_many(text, depth) and is_deeper(value, depth):
        raise LimitExceeded("json_depth", depth)
    return value


def has_many(text: str, depth: int) -> bool:
    """Whether a text has more opening brackets than `depth`, or is long: else none in it is nested deeper."""
    return len(text) > CACHE_UP_TO or text.count("{") + text.count("[") > depth


class RepeatedResponseReader:
    """What a payload sent of the response.

    A stream begins with `response.created` and `response.in_progress`, which tell the same in the same words.
    Of the second one only what stands before the response is parsed, and the response is the same object,
    which is forgotten once something else comes.
    """

    __slots__ = ("_response", "_rest")

    def __init__(self) -> None:
        self._rest = ""
        self._response: Any = None

    def read(self, text: str, depth: int, *, strict: bool) -> dict[str, Any] | None:
        """`read_object()`."""
        # In the text of an object this is a key, for quotes inside of strings are escaped.
        at = text.find(RESPONSE, 0, RESPONSE_KEY_WITHIN)
        if at > 1 and len(text) <= CACHE_UP_TO:
            # If it is a key of the outermost object and its last, then what stands before it and what begins
            # with it are objects too, but for a brace.
            payload = read_object(text[:at] + "}", depth, strict=strict)
            if payload and "response" not in payload:
                rest = text[at:]
                if rest != self._rest:
                    sent = read_object("{" + rest[1:], depth, strict=strict)
                    if sent is None or len(sent) > 1:
                        return read_object(text, depth, strict=strict)
                    self._rest, self._response = rest, sent["response"]
                payload["response"] = self._response
                return payload
        self._rest, self._response = "", None
        return read_object(text, depth, strict=strict)


def is_deeper(value: Any, depth: int) -> bool:
    """Whether arrays and objects are nested deeper than `depth`."""
    level = [value]
    for _ in range(depth):
        level = [
            member
            for container in level
            for member in (container.values() if type(container) is dict else container)
            if type(member) is dict or type(member) is list
        ]
        if not level:
            return False
    return True


def has_surrogates(text: str) -> bool:
    """Whether half a surrogate pair may be among the escapes of a JSON text."""
    return "\\ud" in text or "\\uD" in text


def read_payloads(
    text: str, depth: int, fragments: Paths, report: ReportAnomaly, *, strict: bool
) -> list[Any]:
    """All payloads of one event. Raises `LimitExceeded`."""
    values, end = next_payloads(text, 0, depth, fragments, report, strict=strict)
    while end < len(text):
        more, end = next_payloads(text, end, depth, fragments, report, strict=strict)
        values += more
    return values


def next_payloads(
    text: str, start: int, depth: int, fragments: Paths, report: ReportAnomaly, *, strict: bool
) -> tuple[list[Any], int]:
    """The payloads of one event from a position on, whatever its data are, and where the next ones begin.

    No more than `MOST_VALUES`, for small values take many times the memory of their text. What is no JSON
    comes as `NotJSON`, JSON that is no object as the value it is: nothing is ever dropped. Raises
    `LimitExceeded`.
    """
    if not start:
        if text == DONE:
            return [NotJSON(DONE)], len(text)
        check_depth(text, depth)
    values, end = scan_all(text, start, report, strict)
    if not values and not text.strip(WHITESPACE):
        return [], len(text)
    following = end
    if end < len(text) and len(values) < MOST_VALUES:
        values, following = recover(text, start, values, end, depth, report, strict)
    elif not start and len(values) > 1:
        sent = f"{len(values)}{' or more' if end < len(text) else ''} JSON values in one event"
        report(AnomalyCode.SEVERAL_PAYLOADS, sent)
    if has_surrogates(text[start:end]):
        values = [replace_lone_surrogates(value, report, fragments) for value in values]
    return values, following


def whole_objects(text: str) -> int:
    """How much of the data of an event that never ended is whole: JSON objects, and `[DONE]`."""
    position = end = skip_whitespace(text, 0)
    while position < len(text):
        try:
            if text.startswith(DONE, position):
                position += len(DONE)
            elif text[position] == "{":
                position = scan_leniently(text, position)[1]
            else:
                break
        except (StopIteration, ValueError, RecursionError):
            break
        position = end = skip_whitespace(text, position)
    return end


def scan_all(text: str, position: int, report: ReportAnomaly, strict: bool) -> tuple[list[Any], int]:
    """The values that follow one another from a position, `MOST_VALUES` at most, and where that ends."""
    values: list[Any] = []
    position = skip_whitespace(text, position)
    prefixed = False
    while position < len(text) and len(values) < MOST_VALUES:
        try:
            value, position = scan_value(text, position, report, strict)
        except ValueError:
            if text.startswith(DONE, position):
                value, position = NotJSON(DONE), position + len(DONE)
            elif prefix := DOUBLED_PREFIX.match(text, position):
                if not prefixed:
                    report(AnomalyCode.DOUBLED_PREFIX, "the data hold another `data:`")
                prefixed = True
                position = prefix.end()
                continue
            else:
                break
        values.append(value)
        position = skip_whitespace(text, position)
    return values, position


def skip_whitespace(text: str, position: int) -> int:
    while position < len(text) and text[position] in WHITESPACE:
        position += 1
    return position


def scan_value(text: str, position: int, report: ReportAnomaly, strict: bool) -> tuple[Any, int]:
    """One JSON value and its end. Raises `ValueError` where there is none."""
    try:
        try:
            return (scan_distinct if strict else scan)(text, position)
        except DuplicateKey:
            report(AnomalyCode.DUPLICATE_KEY, "one object has the same key twice")
            return scan_value(text, position, report, strict=False)
        except ValueError:
            return scan_flawed(text, position, report)
    except (StopIteration, RecursionError) as error:
        # RecursionError: the application has lowered the interpreter's limit below `Limits.json_depth`.
        raise ValueError("no JSON value") from error


def scan_flawed(text: str, position: int, report: ReportAnomaly) -> tuple[Any, int]:
    """One value that is JSON but for its numbers, or for control characters in its strings.

    RFC 8259, 7: "All Unicode characters may be placed within the quotation marks, except for the characters
    that MUST be escaped: quotation mark, reverse solidus, and the control characters".
    """
    found = scan_leniently(text, position)
    try:
        scan_controls(text, position)
    except ValueError:
        report(AnomalyCode.UNREPRESENTABLE_NUMBER, "a number that JSON or a double cannot hold")
        if not has_control(text, position, found[1]):
            return found
    report(AnomalyCode.CONTROL_CHARACTER, "a control character stands in a string as it is")
    return found


def has_control(text: str, position: int, end: int) -> bool:
    """Whether a string in this part of a JSON text holds a control character."""
    return any(CONTROLS.search(found[0]) is not None for found in STRINGS.finditer(text, position, end))


def recover(
    text: str, start: int, values: list[Any], end: int, depth: int, report: ReportAnomaly, strict: bool
) -> tuple[list[Any], int]:
    """What can be read of data that are not JSON throughout. What cannot comes as text, in its place."""
    rest = text[end:]
    if not start and not values and rest.startswith(":"):
        report(AnomalyCode.COMMENT_AS_DATA, "the data are a comment")
        return [NotJSON(rest)], len(text)
    joints: deque[tuple[int, int]] = deque(maxlen=MOST_JOINTS)
    for joint in GLUE_POINT.finditer(rest):
        joints.append(joint.span())
    for before, stop in joints:
        check_depth(rest[stop:], depth)  # for what stands before may have hidden it
        last, found = stop, True
        while found and last < len(rest):
            more, last = scan_all(rest, last, unheard, strict)
            found = len(more) == MOST_VALUES
        if last == len(rest):
            report(AnomalyCode.GLUED_FRAME, "a whole payload is glued onto a broken one")
            return [*values, NotJSON(rest[:before])], end + stop
    report(AnomalyCode.MALFORMED_JSON, "the data are not JSON")
    return [*values, NotJSON(rest)], len(text)


def unheard(code: AnomalyCode, message: str) -> None:
    """Hears of what is out of order in data that are read only to see whether they can be."""
