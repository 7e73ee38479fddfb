"""A sans-I/O state machine for LLM response streams: bytes in, events and one final response out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deltafold.arguments.lift import Lift
from deltafold.machine.lifecycle import ResponseState
from deltafold.model.anomalies import ANOMALIES, Anomaly, AnomalyCode
from deltafold.model.errors import (
    DeltafoldError,
    ErrorKind,
    LimitExceeded,
    ResponseError,
    UsageError,
    WireError,
)
from deltafold.model.events import (
    AnnotationAdded,
    ArgumentsDelta,
    AudioDelta,
    ChoiceUpdated,
    CodeDelta,
    CommandDelta,
    CommandOutputDelta,
    DiffDelta,
    ErrorReported,
    Event,
    Heartbeat,
    ItemFinished,
    ItemProgress,
    ItemStarted,
    ItemUpdated,
    LiftedDelta,
    Notice,
    OutputDelta,
    PartFinished,
    PartialImage,
    PartStarted,
    RateLimitsReported,
    ReasoningDelta,
    RefusalDelta,
    ResponseFinished,
    ResponseStarted,
    StatusChanged,
    TextDelta,
    TranscriptDelta,
    UnknownEvent,
    UsageReported,
    ValueFinished,
    ValueReplaced,
    event_from_dict,
)
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Item,
    Message,
    OtherItem,
    OtherPart,
    OutputText,
    Part,
    Reasoning,
    ReasoningText,
    Refusal,
    SummaryText,
)
from deltafold.model.limits import Limits
from deltafold.model.rate_limits import RateLimits
from deltafold.model.response import (
    Choice,
    EstimatedUsage,
    LiftedText,
    Outcome,
    Response,
    ResponseFailed,
    Usage,
)
from deltafold.model.verdict import Verdict, VisibleKind
from deltafold.parsing.parser import ResponseParser, parse
from deltafold.views.liveness import Sign, sign_of
from deltafold.wire.blocks import text_of as _compiled_function
from deltafold.wire.sse import Frame, SSEDecoder, encode_frame

if TYPE_CHECKING:
    from deltafold.arguments.reader import ArgumentsError, ArgumentsReader
    from deltafold.diagnosis.classify import classify_http_error
    from deltafold.diagnosis.rate_limits import rate_limits_from_event, rate_limits_from_headers
    from deltafold.encoding.encoder import StreamEncoder, encode_response
    from deltafold.encoding.requests import chatgpt_request, convert_request, estimated_usage
    from deltafold.encoding.response_writer import ResponseWriter
    from deltafold.encoding.turns import next_turn
    from deltafold.model.losses import LOSSES, Loss, LossCode
    from deltafold.model.requests import Approval, ChatGPTRequest, Converted, ToolResult, Turn
    from deltafold.views.display import DisplayKind, DisplayMessage, DisplayUpdate, DisplayView
    from deltafold.views.reasoning import ReasoningPrinter
    from deltafold.wire.aws_eventstream import AWSEventStreamDecoder, AWSMessage
    from deltafold.wire.json_array import JSONArrayDecoder
    from deltafold.wire.ndjson import NDJSONDecoder

__all__ = [
    "ANOMALIES",
    "COMPILED",
    "LOSSES",
    "AWSEventStreamDecoder",
    "AWSMessage",
    "AnnotationAdded",
    "Anomaly",
    "AnomalyCode",
    "Approval",
    "ArgumentsDelta",
    "ArgumentsError",
    "ArgumentsReader",
    "AudioDelta",
    "ChatGPTRequest",
    "Choice",
    "ChoiceUpdated",
    "CodeDelta",
    "CommandDelta",
    "CommandOutputDelta",
    "Converted",
    "CustomToolCall",
    "DeltafoldError",
    "DiffDelta",
    "DisplayKind",
    "DisplayMessage",
    "DisplayUpdate",
    "DisplayView",
    "ErrorKind",
    "ErrorReported",
    "EstimatedUsage",
    "Event",
    "Frame",
    "FunctionCall",
    "Heartbeat",
    "Item",
    "ItemFinished",
    "ItemProgress",
    "ItemStarted",
    "ItemUpdated",
    "JSONArrayDecoder",
    "Lift",
    "LiftedDelta",
    "LiftedText",
    "LimitExceeded",
    "Limits",
    "Loss",
    "LossCode",
    "Message",
    "NDJSONDecoder",
    "Notice",
    "OtherItem",
    "OtherPart",
    "Outcome",
    "OutputDelta",
    "OutputText",
    "Part",
    "PartFinished",
    "PartStarted",
    "PartialImage",
    "RateLimits",
    "RateLimitsReported",
    "Reasoning",
    "ReasoningDelta",
    "ReasoningPrinter",
    "ReasoningText",
    "Refusal",
    "RefusalDelta",
    "Response",
    "ResponseError",
    "ResponseFailed",
    "ResponseFinished",
    "ResponseParser",
    "ResponseStarted",
    "ResponseState",
    "ResponseWriter",
    "SSEDecoder",
    "Sign",
    "StatusChanged",
    "StreamEncoder",
    "SummaryText",
    "TextDelta",
    "ToolResult",
    "TranscriptDelta",
    "Turn",
    "UnknownEvent",
    "Usage",
    "UsageError",
    "UsageReported",
    "ValueFinished",
    "ValueReplaced",
    "Verdict",
    "VisibleKind",
    "WireError",
    "chatgpt_request",
    "classify_http_error",
    "convert_request",
    "encode_frame",
    "encode_response",
    "estimated_usage",
    "event_from_dict",
    "next_turn",
    "parse",
    "rate_limits_from_event",
    "rate_limits_from_headers",
    "sign_of",
]

COMPILED: Final[bool] = not hasattr(_compiled_function, "__code__")
"""Whether the compiled modules run, whose functions have no Python code, or the same files as pure Python."""

# What a plain stream does without. Imported at once, these modules would take as long as half of the others;
# so each is imported when a name that the package has from it is asked for.
_LATER = {
    "AWSEventStreamDecoder": "wire.aws_eventstream",
    "AWSMessage": "wire.aws_eventstream",
    "Approval": "model.requests",
    "ChatGPTRequest": "model.requests",
    "Converted": "model.requests",
    "LOSSES": "model.losses",
    "Loss": "model.losses",
    "LossCode": "model.losses",
    "ResponseWriter": "encoding.response_writer",
    "StreamEncoder": "encoding.encoder",
    "ToolResult": "model.requests",
    "Turn": "model.requests",
    "chatgpt_request": "encoding.requests",
    "convert_request": "encoding.requests",
    "estimated_usage": "encoding.requests",
    "encode_response": "encoding.encoder",
    "next_turn": "encoding.turns",
    "ArgumentsError": "arguments.reader",
    "ArgumentsReader": "arguments.reader",
    "DisplayKind": "views.display",
    "DisplayMessage": "views.display",
    "DisplayUpdate": "views.display",
    "DisplayView": "views.display",
    "ReasoningPrinter": "views.reasoning",
    "JSONArrayDecoder": "wire.json_array",
    "NDJSONDecoder": "wire.ndjson",
    "classify_http_error": "diagnosis.classify",
    "rate_limits_from_event": "diagnosis.rate_limits",
    "rate_limits_from_headers": "diagnosis.rate_limits",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("deltafold")
    if name in _LATER:
        return getattr(import_module(f"deltafold.{_LATER[name]}"), name)
    raise AttributeError(f"module 'deltafold' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
