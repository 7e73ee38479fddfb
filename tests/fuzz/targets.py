"""What is fuzzed: each target takes any bytes, gives what came of them, and raises if that breaks a promise.

An input of `sse`, `framing` and `parser` begins with a few bytes that say how the rest is cut, and with which
options it is read, so that the fuzzer chooses these as well. An `AssertionError` is a law that is broken; any
other exception that comes through is one that is not documented.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from conversations import answers_to, check_taken
from deltafold import (
    AWSEventStreamDecoder,
    Event,
    JSONArrayDecoder,
    Lift,
    LimitExceeded,
    Limits,
    NDJSONDecoder,
    Outcome,
    ResponseFinished,
    ResponseParser,
    SSEDecoder,
    StreamEncoder,
    UsageError,
    WireError,
    chatgpt_request,
    convert_request,
    encode_frame,
    encode_response,
    estimated_usage,
    next_turn,
    parse,
)
from deltafold.machine.fold import Fold
from deltafold.model.anomalies import AnomalyCode
from deltafold.parsing.templates import (
    COUNT,
    PADDING,
    TALLY,
    TEXT,
    match_block,
    match_block_in_python,
)
from deltafold.registry import DIALECTS as WIRES
from deltafold.registry import part_of
from deltafold.wire.blocks import COMMENT, ERROR_FIELD, EVENT, STRAY_LINE, BlockScanner, text_of
from deltafold.wire.json_text import (
    DONE,
    NotJSON,
    join_halves,
    join_surrogates,
    read_object,
    read_payloads,
    replace_lone_surrogates,
)
from oracle import Oracle
from runs import Run, check_laws, drain, whole
from written import GOOD, check_written

JSON = dict[str, Any]

TIGHT = Limits(
    line_bytes=300,
    event_bytes=320,
    body_bytes=400,
    text_size=60,
    items=3,
    parts=2,
    index=4,
    json_depth=6,
    anomalies=3,
)
"""Limits that an input of a few hundred bytes can pass."""


MOST_SUSPENSIONS = 2


def cuts(body: bytes, sizes: bytes) -> Iterator[bytes]:
    """A body in chunks of the given sizes, over and over; b"" for each 0, but for not too many of them."""
    at = turn = suspensions = 0
    while at < len(body):
        size = sizes[turn % len(sizes)] if any(sizes) else len(body)
        turn += 1
        suspensions += not size
        if size or suspensions <= MOST_SUSPENSIONS:
            yield body[at : at + size]
        at += size


# --------------------------------------------------------------------------------------------- event streams

SSE_HEADER = 4


def sse(data: bytes) -> object:
    """The decoder: what the standard says, the same at any chunking and across snapshots."""
    head, body = data[:SSE_HEADER].ljust(SSE_HEADER, b"\x01"), data[SSE_HEADER:]
    limits = Limits(line_bytes=head[0] >> 1, event_bytes=head[1]) if head[0] & 1 else Limits()
    signals, fault, decoder = decode([body], limits)
    other = decode(cuts(body, head[2:]), limits, suspensions=head[0] >> 1 & 3)
    assert other[:2] == (signals, fault), "another chunking, another outcome"
    frames = [signal for signal in signals if isinstance(signal, tuple) and signal[0] is EVENT]
    oracle = Oracle().read(body)
    due = [(event.event, event.data, event.id, event.retry) for event in oracle.frames]
    mine = [signal[1:5] for signal in frames]
    assert mine == (due if fault is None else due[: len(mine)]), "not what the standard says"
    if fault is None:
        assert decoder.event_count == len(due)
        assert (decoder.last_event_id, decoder.reconnection_time) == (
            oracle.last_event_id,
            oracle.reconnection_time,
        )
    again = SSEDecoder()
    for event in oracle.frames:
        try:
            again.feed(encode_frame(event))
        except UsageError:
            continue  # it holds what the format cannot say, such as a NUL in its name
        frame = again.next_frame()
        assert frame is not None
        assert (frame.event, frame.data, frame.retry) == (event.event, event.data, event.retry)
        assert frame.id == event.id or not event.id
    return signals, fault


def decode(chunks: Any, limits: Limits, suspensions: int = 0) -> tuple[list[Any], Any, BlockScanner]:
    """All that a stream leads to, by its signals, and the exception in the end.

    The state is carried over to another decoder at each empty chunk, and after the first few signals.
    """
    decoder = BlockScanner(limits=limits)
    signals: list[Any] = []
    try:
        for chunk in chunks:
            if not chunk:
                decoder = carried_over(decoder, limits)
            decoder.push(chunk)
            while signal := decoder.advance():
                signals.append(told(signal, decoder))
                if len(signals) <= suspensions:
                    decoder = carried_over(decoder, limits)
        decoder.close()
        assert not decoder.advance(), "the end of a stream dispatches nothing"
    except LimitExceeded as fault:
        return signals, (str(fault), fault.limit, fault.offset, fault.event_index), decoder
    return [*signals, decoder.pending_data(), decoder.stray_line(), decoder.offset], None, decoder


def carried_over(decoder: BlockScanner, limits: Limits) -> BlockScanner:
    """Another decoder in the same state."""
    other = BlockScanner(limits=limits)
    other.setstate(json.loads(json.dumps(decoder.getstate())))
    return other


def told(signal: Any, decoder: BlockScanner) -> tuple[Any, ...]:
    """One signal with what it is about."""
    if signal is EVENT:
        event, data = text_of(decoder.event_name) or "message", text_of(decoder.data)
        return signal, event, data, decoder.last_event_id, decoder.retry, decoder.event_offset
    if signal is COMMENT or signal is STRAY_LINE:
        return signal, decoder.text
    if signal is ERROR_FIELD:
        return signal, decoder.text, decoder.event_offset
    return signal, decoder.event_name


# ------------------------------------------------------------------------------------------------- payloads

DEPTH = 8
FRAGMENTS: frozenset[tuple[str, ...]] = frozenset().union(
    *(part_of(name, "reader").DIALECT.fragments for name in WIRES)
)
EDGES = "".join(map(chr, range(0xD800, 0xE000)))


def payload(data: bytes) -> object:
    """The payload reader: what `json` reads where that reads it, nothing lost or unsaid where it does not."""
    text = data.decode("utf-8", "replace")
    lenient = read(text, strict=False)
    strict = read(text, strict=True)
    assert (lenient is None) == (strict is None), "a limit is one in both modes"
    try:
        plain = json.loads(text, parse_constant=not_json, parse_float=not_huge)
    except (ValueError, RecursionError):
        plain = text
    if plain is not text:
        assert (lenient is None) == (depth_of(plain) > DEPTH), "the limit of the depth is exact"
    if lenient is None or strict is None:
        return None
    check_object(text, False, lenient)
    check_object(text, True, strict)
    for values, codes in (lenient, strict):
        check_values(text, values, codes)
        if plain is not text:
            assert codes <= {AnomalyCode.LONE_SURROGATE, AnomalyCode.DUPLICATE_KEY}
            assert len(values) == 1
            assert AnomalyCode.LONE_SURROGATE in codes or repr(values[0]) == repr(plain)
        elif not codes:
            assert not values or said(values) == [DONE], "what is no JSON is told"
    assert repr(said(lenient[0])) == repr(said(strict[0])), "both modes read the same"
    assert strict[1] - lenient[1] <= {AnomalyCode.DUPLICATE_KEY, AnomalyCode.UNREPRESENTABLE_NUMBER}
    check_halves(data)
    return said(lenient[0]), sorted(lenient[1]), sorted(strict[1])


def read(text: str, *, strict: bool) -> tuple[list[Any], set[AnomalyCode]] | None:
    """The values and what was out of order; None where a limit was passed."""
    codes: set[AnomalyCode] = set()
    try:
        values = read_payloads(text, DEPTH, FRAGMENTS, lambda code, message: codes.add(code), strict=strict)
    except LimitExceeded as fault:
        assert (fault.limit, fault.value) == ("json_depth", DEPTH)  # noqa: PT017
        return None
    return values, codes


def check_object(text: str, strict: bool, reading: tuple[list[Any], set[AnomalyCode]]) -> None:
    """What is read as a plain object is read so as well by what knows of all else."""
    found = read_object(text, DEPTH, strict=strict)
    if found is not None:
        values, codes = reading
        assert not codes
        assert repr(values) == repr([found])


def said(values: list[Any]) -> list[Any]:
    """Values, with what could not be read as text."""
    return [value.text if isinstance(value, NotJSON) else value for value in values]


def not_json(word: str) -> Any:
    """NaN and infinity are no JSON."""
    raise ValueError(word)


def not_huge(digits: str) -> float:
    """Nor is what a double cannot hold, for us."""
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(digits)
    return number


def depth_of(value: Any) -> int:
    """How many arrays and objects are inside one another."""
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


def check_values(text: str, values: list[Any], codes: set[AnomalyCode]) -> None:
    """Values that JSON can say; text that could not be read stands in the data, in its order."""
    at = 0
    for value in values:
        json.dumps(said([value]), allow_nan=False)
        if isinstance(value, NotJSON):
            at = text.find(value.text, at)
            assert at >= 0, "unread text that never stood there"
            at += len(value.text)
        else:
            whole_characters(value, ())
    assert values or not text.strip(" \t\n\r") or codes, "lost without a word"


def whole_characters(value: Any, path: tuple[str, ...]) -> None:
    """No half of a surrogate pair but at the edge of a fragment."""
    if isinstance(value, str):
        (value.strip(EDGES) if path in FRAGMENTS else value).encode()
    elif isinstance(value, list):
        for entry in value:
            whole_characters(entry, path)
    elif isinstance(value, dict):
        for key, member in value.items():
            whole_characters(key, ("",))
            whole_characters(member, (*path, key))


def check_halves(data: bytes) -> None:
    """Fragments cut between the halves of a pair join to what the whole text is."""
    units = "".join(map(chr, memoryview(data[: len(data) & ~1]).cast("H")))
    waiting: JSON = {}
    size = 1 + len(data) % 3
    joined = [
        join_halves(waiting, "here", fragment(units[at : at + size]), silent)
        for at in range(0, len(units), size)
    ]
    made = "".join(joined) + ("\ufffd" if waiting else "")
    made.encode()
    assert made == join_surrogates(units)


def silent(code: AnomalyCode, message: str) -> None:
    """Hears of what is out of order, and does nothing."""


def fragment(text: str) -> str:
    """A fragment as the reader gives it: halves of pairs at its edges alone."""
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    mended: str = replace_lone_surrogates(text, silent, frozenset({()}))
    return mended


# --------------------------------------------------------------------------------------------------- parsers

Feed = Callable[[ResponseParser, bytes], None]
Stop = Callable[[ResponseParser], None]
PARSER_HEADER = 6
DIALECTS = (*WIRES, "auto")
LIFTS = (
    Lift(("a",), "text"),
    Lift(("message",), "text", remove=True),
    Lift(("thinking", 0, "x"), "reasoning", remove=True),
)
STRICT, THINK_TAGS, LIFTED, TIGHTLY, CANCELLED, BY_PAYLOAD, WATCHED = (1 << bit for bit in range(7))


def parser(data: bytes) -> object:
    """The whole parser: the laws, at any chunking, across snapshots, in both modes."""
    head, body = data[:PARSER_HEADER].ljust(PARSER_HEADER, b"\0"), data[PARSER_HEADER:]
    flags, sizes = head[1], head[2:]
    options: JSON = {"dialect": DIALECTS[head[0] % len(DIALECTS)], "strict": bool(flags & STRICT)}
    options["think_tags"] = bool(flags & THINK_TAGS)
    if flags & LIFTED:
        options |= {"lifts": LIFTS, "approval_required": ["f", "tool_0"]}
    if flags & TIGHTLY:
        options["limits"] = TIGHT
    stop: Stop = ResponseParser.cancel if flags & CANCELLED else ResponseParser.close
    feed: Feed = ResponseParser.feed
    pieces: list[bytes] = [body] if body else []
    if flags & BY_PAYLOAD:
        pieces = [block.split(b"data:", 1)[-1] or b" " for block in body.split(b"\n\n")]
        feed = ResponseParser.feed_payload
    run = play(pieces, feed, stop, options, watched=bool(flags & WATCHED))
    check_laws(run, strict=options["strict"])
    if flags & BY_PAYLOAD:
        other = play([piece for found in pieces for piece in (b"", found)], feed, stop, options)
    else:
        other = play(cuts(body, sizes), feed, stop, options)
    assert other.everything == run.everything, "another chunking, another outcome"
    if options["strict"]:
        lenient = play(pieces, feed, stop, options | {"strict": False})
        assert run.events == lenient.events[: len(run.events)], "strict mode reads something else"
        assert run.fault is not None or outcome(lenient) == outcome(run), "strict mode ends otherwise"
        if run.fault is None and not flags & TIGHTLY:
            assert anomalies(lenient) == anomalies(run), "strict mode hears something else"
    for call in (run.parser.feed, run.parser.feed_payload):
        try:
            call(b"{}")
        except UsageError:
            continue
        raise AssertionError("fed after the end")
    return run.everything


def outcome(run: Run) -> Any:
    """What came of a stream, its anomalies aside."""
    return [whole(event) for event in run.events], whole(run.parser.response)


def anomalies(run: Run) -> list[Any]:
    """What was out of order, but for keys that come twice: lenient mode does not look for them."""
    return [found for found in run.parser.anomalies if found.code is not AnomalyCode.DUPLICATE_KEY]


def play(pieces: Any, feed: Feed, stop: Stop, options: JSON, *, watched: bool = False) -> Run:
    """Reads a stream in pieces, payloads or chunks; at an empty one the parser moves to another process."""
    reader = ResponseParser(**options)
    events: list[Event] = []
    fold = Fold(options.get("limits") or Limits(), frozenset(options.get("approval_required", ())))
    take = (lambda: watch(reader, events, fold)) if watched else (lambda: drain(reader, events))
    for piece in pieces:
        if not piece:
            reader = ResponseParser.resume(json.loads(json.dumps(reader.snapshot(), allow_nan=False)))
            continue
        feed(reader, piece)
        if (fault := take()) is not None:
            break
    else:
        stop(reader)
        fault = take()
    return Run(events, reader, fault)


def watch(reader: ResponseParser, events: list[Event], fold: Fold) -> WireError | None:
    """Takes what can be had, and looks at everything between two events."""
    while True:
        try:
            waits = reader.needs_input
            event = reader.next_event()
        except WireError as fault:
            return fault
        if event is None:
            return None
        assert not waits, "it said that it needs input"
        events.append(event)
        response = reader.response
        json.dumps(response.to_dict(), ensure_ascii=False, allow_nan=False).encode()
        json.dumps(response.to_chat_completion(), ensure_ascii=False, allow_nan=False).encode()
        for index in range(2):
            json.dumps(reader.partial_arguments(index), ensure_ascii=False, allow_nan=False).encode()
        assert reader.last_sequence_number is None or type(reader.last_sequence_number) is int
        if not isinstance(event, ResponseFinished):
            fold.apply(event)
            assert fold.state is reader.state
            assert whole(fold.response()) == whole(response), "not the fold of the events handed out"


# -------------------------------------------------------------------------------------------- other framings

FRAMING_HEADER = 5
DECODERS: tuple[Any, ...] = (JSONArrayDecoder, NDJSONDecoder, AWSEventStreamDecoder)
FRAMED = ("json_array", "ndjson", "aws_eventstream")


def framing(data: bytes) -> object:
    """The decoders of other framings, alone and in the parser: the same at any chunking and across snapshots.

    Where a bit of the header says so, the checksums of messages are put right: no fuzzer guesses them.
    """
    head, body = data[:FRAMING_HEADER].ljust(FRAMING_HEADER, b"\1"), data[FRAMING_HEADER:]
    which, sizes = head[0] % 3, head[2:]
    limits = Limits(line_bytes=head[1] >> 1, event_bytes=head[1]) if head[0] & 128 else Limits()
    if which == 2 and head[0] & 64:
        body = b"".join(map(summed, body.split(b"\n")))
    whole = decode_frames(DECODERS[which], [body], limits)
    assert decode_frames(DECODERS[which], cuts(body, sizes), limits) == whole, (
        "another chunking, another outcome"
    )
    strict = bool(head[0] & 32)
    options: JSON = {"strict": strict, "limits": limits, "framing": FRAMED[which]}
    options["dialect"] = DIALECTS[head[0] // 3 % len(DIALECTS)]
    if head[0] & 16:
        options["framing"] = "auto"
    run = play([body] if body else [], ResponseParser.feed, ResponseParser.close, options)
    check_laws(run, strict=strict)
    other = play(cuts(body, sizes), ResponseParser.feed, ResponseParser.close, options)
    assert other.everything == run.everything, "another chunking, another outcome"
    return whole, run.everything


def summed(piece: bytes) -> bytes:
    """A message whose payload is a piece of the input, with the headers that may stand before a colon."""
    headers, _, payload = piece.rpartition(b"::")
    prelude = (16 + len(headers) + len(payload)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    message = prelude + zlib.crc32(prelude).to_bytes(4, "big") + headers + payload
    return message + zlib.crc32(message).to_bytes(4, "big")


def decode_frames(kind: Any, chunks: Any, limits: Limits) -> tuple[list[Any], Any]:
    """All that a decoder makes of a stream, over another decoder at each empty chunk, and how it ends."""
    decoder = kind(limits=limits)
    steps: list[Any] = []
    try:
        for chunk in chunks:
            if not chunk:
                other = kind(limits=limits)
                other.setstate(json.loads(json.dumps(decoder.getstate())))
                decoder = other
            decoder.feed(chunk)
            steps.extend(steps_of(decoder))
        decoder.close()
        steps.extend(steps_of(decoder))
    except LimitExceeded as fault:
        return steps, str(fault)
    return steps, (decoder.pending, decoder.unfinished(), decoder.bytes_fed, decoder.clean)


def steps_of(decoder: Any) -> Iterator[Any]:
    """What a decoder comes upon."""
    while step := decoder.advance():
        yield step, decoder.data, decoder.event_offset, decoder.event_index, step == 2 and decoder.flaw


# ------------------------------------------------------------------------------------------------- encoders

WRITING_HEADER = 3


def writing(data: bytes) -> object:
    """What any body says, on any wire: the laws of what is written, and the same across a snapshot."""
    head, body = data[:WRITING_HEADER].ljust(WRITING_HEADER, b"\0"), data[WRITING_HEADER:]
    source, target = WIRES[head[0] & 3], WIRES[head[0] >> 2 & 3]
    moves = head[1:]
    run = play([body] if body else [], ResponseParser.feed, ResponseParser.close, {"dialect": source})
    encoder = StreamEncoder(target)
    pieces = []
    for number, event in enumerate(run.events):
        if number in moves:
            encoder = StreamEncoder.resume(json.loads(json.dumps(encoder.snapshot())))
        pieces.append(encoder.encode(event))
    other = StreamEncoder(target)
    assert [other.encode(event) for event in run.events] == pieces, "another snapshot, other bytes"
    assert other.losses == encoder.losses, "another snapshot, other losses"
    written = b"".join(pieces)
    assert written.isascii(), "what is written is ASCII"
    assert b"\r" not in written, "lines end with LF alone"
    if run.fault is None:
        check_written(run.events, run.response, target, pieces, encoder.losses)
    return pieces


# ---------------------------------------------------------------------------------------- requests and turns

REQUEST_HEADER = TURN_HEADER = 1


def request(data: bytes) -> object:
    """A request on another wire: an error that names the place, or a request that this wire takes."""
    source, target, value = said_between(data)
    before = repr(value)
    told = [
        answer(convert_request, value, source, target),
        answer(estimated_usage, value, source, len),
        answer(chatgpt_request, value, "token", "account") if source in ("responses", "chat") else None,
    ]
    assert repr(value) == before, "a request was changed"
    made = told[0]
    if isinstance(made, str):
        # Gemini takes snake_case too; places are named as JSON has them.
        keys = [key.replace("_", "").lower() for key in (value if isinstance(value, dict) else ())]
        assert made.replace("_", "").lower().startswith(("request", *keys)), made
    else:
        json.dumps(made.request, allow_nan=False)
        assert all((loss.path or "" in value) and loss.message for loss in made.losses)
        again = answer(convert_request, made.request, target, source)
        assert not isinstance(again, str), f"{target} does not take it: {again}"
    return told


def turn(data: bytes) -> object:
    """A stored response on another wire, and the turn after it: no false success, and it is as it was."""
    source, target, value = said_between(data)
    try:
        response = parse(json.dumps(value).encode(), source)
    except LimitExceeded as fault:
        return str(fault)
    before = response.to_dict()
    form = encode_response(response, target)
    again = parse(json.dumps(form, allow_nan=False).encode(), target)
    if response.outcome not in GOOD:
        assert again.outcome is Outcome.FAILED, f"{response.outcome} is told as a success"
    next_one = answer(next_turn, response, target, *answers_to(response))
    if not isinstance(next_one, str):
        json.dumps(next_one.items, allow_nan=False)
        assert all(loss.path and loss.message for loss in next_one.losses)
        check_taken(next_one, response, source, target)
    assert response.to_dict() == before, "a response was changed"
    return form, next_one


def said_between(data: bytes) -> tuple[str, str, Any]:
    """Two wires, by the first byte, and the JSON behind it; a text where it is none."""
    head, text = data[:1] or b"\0", data[1:].decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    return WIRES[head[0] & 3], WIRES[head[0] >> 2 & 3], value


def answer(call: Callable[..., Any], *given: Any) -> Any:
    """What is returned, or the text of the error."""
    try:
        return call(*given)
    except UsageError as error:
        return str(error)


# -------------------------------------------------------------------------------------------------- templates

FIELDS = {"\x00": TEXT, "\x01": COUNT, "\x02": PADDING, "\x04": TALLY}
"""What stands for a field in the first line of an input."""
BEHIND = {TEXT: '"', COUNT: "", PADDING: '"', TALLY: ","}
"""What stands behind a field, whatever comes then."""


def templates(data: bytes) -> object:
    """Blocks by template: of what follows the first line, cut as that says. Python finds what is found."""
    shape, _, block = data.decode("latin-1").partition("\n")
    start, *rest = re.split("([\x00\x01\x02\x04])", shape)
    fields = [FIELDS[one] for one in rest[::2]]
    pairs = tuple([(field, BEHIND[field] + same) for field, same in zip(fields, rest[1::2], strict=True)])
    pairs = (*pairs[:-1], *[(field, same + "\n\n") for field, same in pairs[-1:]])
    if shape.count("\x00") > 1:
        return None  # no template has more than one text
    pattern = (start, pairs)
    found = [
        match(block, 0, patterns, number)
        for match in (match_block, match_block_in_python)
        for patterns in ((("", (pattern,)),), ((start, ((rest[1], pairs[1:]),)),) if pairs and start else ())
        for number in (-1, 7)
    ]
    assert found[: len(found) // 2] == found[len(found) // 2 :], "C and Python differ"
    return found


TARGETS: dict[str, Callable[[bytes], object]] = {
    "sse": sse,
    "payload": payload,
    "parser": parser,
    "framing": framing,
    "writing": writing,
    "request": request,
    "turn": turn,
    "templates": templates,
}

HEADERS = {
    "sse": SSE_HEADER,
    "parser": PARSER_HEADER,
    "framing": FRAMING_HEADER,
    "writing": WRITING_HEADER,
    "request": REQUEST_HEADER,
    "turn": TURN_HEADER,
}
"""Bytes before the body in an input; none for the other targets."""
BY_EVENT = ("parser", "writing")
"""Those whose inputs are changed event by event as well, and not only byte by byte."""
BY_VALUE = ("request", "turn")
"""Those whose inputs are one JSON value, in which members are changed."""
