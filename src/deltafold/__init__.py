"""A sans-I/O state machine for LLM response streams: bytes in, events and one final response out."""

from __future__ import annotations

from typing import Any

from deltafold.arguments import ArgumentsError, ArgumentsReader
from deltafold.classify import classify_http_error
from deltafold.display import DisplayKind, DisplayMessage, DisplayUpdate, DisplayView
from deltafold.errors import (
    ANOMALIES,
    Anomaly,
    AnomalyCode,
    DeltafoldError,
    ErrorKind,
    LimitExceeded,
    ResponseError,
    ResponseFailed,
    UsageError,
    WireError,
)
from deltafold.events import (
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
)
from deltafold.items import (
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
from deltafold.lifting import Lift
from deltafold.limits import Limits
from deltafold.parser import ResponseParser, parse
from deltafold.rates import RateLimits, rate_limits_from_event, rate_limits_from_headers
from deltafold.response import Choice, EstimatedUsage, LiftedText, Outcome, Response, Usage
from deltafold.signs import Sign, sign_of
from deltafold.sse import Frame, SSEDecoder, encode_frame
from deltafold.state import ResponseState
from deltafold.verdict import Verdict, VisibleKind

__all__ = [
    "ANOMALIES",
    "AnnotationAdded",
    "Anomaly",
    "AnomalyCode",
    "ArgumentsDelta",
    "ArgumentsError",
    "ArgumentsReader",
    "AudioDelta",
    "Choice",
    "ChoiceUpdated",
    "CodeDelta",
    "CommandDelta",
    "CommandOutputDelta",
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
    "Lift",
    "LiftedDelta",
    "LiftedText",
    "LimitExceeded",
    "Limits",
    "Message",
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
    "SSEDecoder",
    "Sign",
    "StatusChanged",
    "SummaryText",
    "TextDelta",
    "TranscriptDelta",
    "UnknownEvent",
    "Usage",
    "UsageError",
    "UsageReported",
    "ValueFinished",
    "ValueReplaced",
    "Verdict",
    "VisibleKind",
    "WireError",
    "classify_http_error",
    "encode_frame",
    "parse",
    "rate_limits_from_event",
    "rate_limits_from_headers",
    "sign_of",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("deltafold")
    raise AttributeError(f"module 'deltafold' has no attribute {name!r}")
