"""The public API as embedders use it. Never run: mypy and pyright say whether its types hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, assert_never, assert_type

from deltafold import (
    ANOMALIES,
    AnnotationAdded,
    Anomaly,
    AnomalyCode,
    ArgumentsDelta,
    ArgumentsError,
    ArgumentsReader,
    AudioDelta,
    ChoiceUpdated,
    CodeDelta,
    CommandDelta,
    CommandOutputDelta,
    CustomToolCall,
    DeltafoldError,
    DiffDelta,
    ErrorKind,
    ErrorReported,
    Event,
    Frame,
    FunctionCall,
    Heartbeat,
    Item,
    ItemFinished,
    ItemProgress,
    ItemStarted,
    ItemUpdated,
    Lift,
    LiftedDelta,
    LimitExceeded,
    Limits,
    Message,
    Notice,
    OtherItem,
    OtherPart,
    Outcome,
    OutputDelta,
    OutputText,
    Part,
    PartFinished,
    PartialImage,
    PartStarted,
    RateLimits,
    RateLimitsReported,
    Reasoning,
    ReasoningDelta,
    ReasoningText,
    Refusal,
    RefusalDelta,
    Response,
    ResponseError,
    ResponseFailed,
    ResponseFinished,
    ResponseParser,
    ResponseStarted,
    ResponseState,
    Sign,
    SSEDecoder,
    StatusChanged,
    SummaryText,
    TextDelta,
    TranscriptDelta,
    UnknownEvent,
    Usage,
    UsageError,
    UsageReported,
    ValueFinished,
    ValueReplaced,
    Verdict,
    VisibleKind,
    WireError,
    classify_http_error,
    encode_frame,
    parse,
    rate_limits_from_event,
    rate_limits_from_headers,
    sign_of,
)

# ----------------------------------------------------------------------------------------- the parser


def the_loop(body: Iterable[bytes]) -> Response:
    """The loop of the README."""
    parser = ResponseParser(dialect="responses")
    for chunk in body:
        parser.feed(chunk)
        for event in parser.events():
            assert_type(event, Event)
    parser.close()
    for event in parser.events():
        handle(event)
    return parser.response


def every_option() -> ResponseParser:
    """Options are keywords."""
    return ResponseParser(
        "auto",
        strict=True,
        limits=Limits(items=10, text_size=1_000_000),
        lifts=LIFTS,
        approval_required={"delete_file"},
    )


def every_member(parser: ResponseParser, data: bytearray, view: memoryview) -> None:
    """What can be asked of a parser."""
    parser.feed(data)
    parser.feed(view)
    parser.feed_payload('{"type": "ping"}')
    parser.feed_payload(b'{"type": "ping"}')
    parser.feed_payload({"type": "ping"})
    assert_type(parser.next_event(), Event | None)
    assert_type(parser.events(), Iterator[Event])
    assert_type(parser.response, Response)
    assert_type(parser.state, ResponseState)
    assert_type(parser.anomalies, tuple[Anomaly, ...])
    assert_type(parser.anomaly_count, int)
    assert_type(parser.needs_input, bool)
    assert_type(parser.last_sequence_number, int | None)
    assert_type(parser.partial_arguments(0), Any)
    parser.cancel()


def pulled(parser: ResponseParser) -> None:
    """The primitive by itself."""
    while (event := parser.next_event()) is not None:
        handle(event)
    while not parser.needs_input and (event := parser.next_event()):
        assert_type(event, Event)


async def events_of(chunks: AsyncIterable[bytes]) -> AsyncIterator[Event]:
    """An asynchronous driver, with the caller's own way to give up."""
    parser = ResponseParser("chat")
    try:
        async for chunk in chunks:
            parser.feed(chunk)
            for event in parser.events():
                yield event
        parser.close()
    except asyncio.CancelledError:
        parser.cancel()
    for event in parser.events():
        yield event


def moved(parser: ResponseParser) -> ResponseParser:
    """A snapshot is a dict for `json`."""
    snapshot = parser.snapshot()
    assert_type(snapshot, dict[str, Any])
    return ResponseParser.resume(snapshot)


def stored(body: bytes) -> Response:
    """A stored body in one call."""
    parse(memoryview(body), "responses", strict=True)
    return parse(body)


# ----------------------------------------------------------------------------------------- the events


def handle(event: Event) -> str | None:
    """Every event there is; a checker says where one is missing."""
    match event:
        case TextDelta(text=text) | RefusalDelta(text=text) | ReasoningDelta(text=text):
            return text
        case ArgumentsDelta(output_index=index, text=text):
            assert_type(index, int)
            return text
        case (
            CodeDelta(text=text) | DiffDelta(text=text) | OutputDelta(text=text) | TranscriptDelta(text=text)
        ):
            return text
        case LiftedDelta(path=path, into=into, text=text):
            assert_type(path, tuple[str | int, ...])
            return f"{into} {text}"
        case CommandDelta(command_index=index, text=text):
            return f"{index} {text}"
        case CommandOutputDelta(stream="stdout" | "stderr", text=text):
            return text
        case CommandOutputDelta():
            return None
        case AudioDelta(data=data):
            return data
        case ValueReplaced(kind=kind, text=text) | ValueFinished(kind=kind, text=text):
            return f"{kind} {text}"
        case ItemStarted(item=item) | ItemUpdated(item=item) | ItemFinished(item=item):
            return described(item)
        case ItemProgress(status=status):
            return status
        case PartStarted(group=group, part=part) | PartFinished(group=group, part=part):
            return f"{group} {said(part)}"
        case AnnotationAdded(annotation=annotation):
            assert_type(annotation, dict[str, Any])
            return None
        case PartialImage(image=image):
            return image
        case ResponseStarted(response_id=ident, model=model):
            assert_type(ident, str | None)
            return model
        case StatusChanged(status=status):
            return status
        case ChoiceUpdated(finish_reason=reason):
            return reason
        case UsageReported(usage=usage):
            assert_type(usage, Usage)
            return str(usage.total_tokens)
        case RateLimitsReported(payload=payload) | Notice(payload=payload):
            assert_type(rate_limits_from_event(payload), RateLimits | None)
            return None
        case ErrorReported(error=error):
            assert_type(error, ResponseError)
            return error.message
        case Heartbeat(source=source):
            return source
        case UnknownEvent(type=kind, payload=payload):
            return f"{kind} {payload}"
        case ResponseFinished(outcome=outcome, response=response):
            assert_type(outcome, Outcome)
            return response.output_text
        case _:
            assert_never(event)


def described(item: Item) -> str:
    """Every item there is."""
    match item:
        case Message(content=content):
            return "".join(map(said, content))
        case Reasoning(summary=summary, content=content, encrypted_content=encrypted):
            assert_type(encrypted, str | None)
            return "".join(map(said, summary + content))
        case FunctionCall(name=name, arguments=arguments, complete=complete):
            assert_type(complete, bool)
            return f"{name}({arguments})"
        case CustomToolCall(name=name, input=text, call_id=call_id, needs_approval=asks):
            assert_type(call_id, str | None)
            assert_type(asks, bool)
            return f"{name}({text})"
        case OtherItem(type=kind):
            return kind
        case _:
            assert_never(item)


def said(part: Part) -> str:
    """Every part there is."""
    match part:
        case OutputText(text=text) | ReasoningText(text=text) | SummaryText(text=text):
            return text
        case Refusal(refusal=text):
            return text
        case OtherPart(type=kind):
            return kind
        case _:
            assert_never(part)


# --------------------------------------------------------------------------------------- the response


def answered(response: Response) -> str:
    """What is read of a response."""
    assert_type(response.output, tuple[Item, ...])
    assert_type(response.usage, Usage | None)
    assert_type(response.error, ResponseError | None)
    assert_type(response.outcome, Outcome | None)
    assert_type(response.finish_reason, str | None)
    assert_type(response.to_dict(), dict[str, Any])
    assert_type(response.to_chat_completion(), dict[str, Any])
    assert_type(response.tool_calls, tuple[FunctionCall | CustomToolCall, ...])
    for item in response.output:
        assert_type(item.to_dict(), dict[str, Any])
        assert_type(item.id, str | None)
        assert_type(item.type, str)
    if response.outcome in (Outcome.COMPLETED, Outcome.INCOMPLETE):
        return response.output_text + response.reasoning_text
    return response.raise_for_error().output_text


def refused(status: int, headers: Mapping[str, str], body: bytes) -> float:
    """A request that was refused."""
    error = classify_http_error(status, headers, body)
    assert_type(error.retry_after, float | None)
    assert_type(rate_limits_from_headers(headers), RateLimits | None)
    if error.kind is ErrorKind.RATE_LIMITED and error.retryable:
        return error.retry_after or 1.0
    raise RuntimeError(error.message)


def careful(parser: ResponseParser, data: bytes) -> None:
    """Every exception there is."""
    try:
        parser.feed(data)
        parser.next_event()
        parser.response.raise_for_error()
    except LimitExceeded as error:
        assert_type(error.limit, str)
    except WireError as error:
        assert_type(error.code, str)
        assert_type(error.offset, int | None)
        assert_type(error.event_index, int | None)
        assert_type(error.excerpt, str)
    except ResponseFailed as error:
        assert_type(error.response, Response)
        assert_type(error.error, ResponseError | None)
    except UsageError:
        raise
    except DeltafoldError as error:
        print(error)


def retry(response: Response) -> float | None:
    """What bears on a retry."""
    verdict = response.verdict
    assert_type(verdict, Verdict)
    assert_type(verdict.visible, tuple[VisibleKind, ...])
    assert_type(verdict.retry_after, float | None)
    return verdict.retry_after if verdict.safe_to_replay else None


def again(parser: ResponseParser, event: Event) -> bool:
    """Another connection, and what the clock's owner needs."""
    parser.reconnect()
    assert_type(parser.last_event_id, str)
    assert_type(parser.reconnection_time, int | None)
    assert_type(parser.bytes_fed + parser.bytes_pending, int)
    assert_type(sign_of(event), Sign)
    return sign_of(event) is Sign.CONTENT


def odd(parser: ResponseParser) -> list[str]:
    """Anomalies, and what they mean."""
    counted = [one.code for one in parser.anomalies if one.code is not AnomalyCode.SEQUENCE_GAP]
    return [ANOMALIES[code].meaning for code in counted]


# -------------------------------------------------------------------------------------- usable alone


def frames(chunks: Iterable[bytes]) -> Iterator[Frame]:
    """The event stream format by itself."""
    decoder = SSEDecoder(limits=Limits(line_bytes=1000))
    for chunk in chunks:
        decoder.feed(chunk)
        yield from decoder.frames()
    decoder.close()
    assert_type(decoder.next_frame(), Frame | None)


def sent(frame: Frame) -> bytes:
    """A frame on the wire."""
    return encode_frame(frame) + encode_frame("{}", event="ping", id="1", retry=3000)


def arguments(fragments: Iterable[str]) -> Any:
    """Tool arguments as they stream."""
    reader = ArgumentsReader()
    for fragment in fragments:
        reader.feed(fragment)
    reader.close()
    assert_type(reader.complete, bool)
    assert_type(reader.error, ArgumentsError | None)
    return reader.value()


LIFTS = [Lift(("thinking",), "reasoning", remove=True), Lift(("items", 0, "text"), into="text", tool="send")]
