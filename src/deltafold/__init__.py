"""A sans-I/O state machine for LLM response streams: bytes in, events and one final response out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deltafold.allowances import RateLimits
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
from deltafold.lift import Lift
from deltafold.limits import Limits
from deltafold.parser import ResponseParser, parse
from deltafold.response import Choice, EstimatedUsage, LiftedText, Outcome, Response, Usage
from deltafold.signs import Sign, sign_of
from deltafold.sse import Frame, SSEDecoder, encode_frame
from deltafold.state import ResponseState
from deltafold.verdict import Verdict, VisibleKind

if TYPE_CHECKING:
    from deltafold.arguments import ArgumentsError, ArgumentsReader
    from deltafold.classify import classify_http_error
    from deltafold.display import DisplayKind, DisplayMessage, DisplayUpdate, DisplayView
    from deltafold.rates import rate_limits_from_event, rate_limits_from_headers

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


# What a plain stream does without. Imported at once, these modules would take as long as half of the others;
# so each is imported when it, or a name that the package has from it, is asked for.
_LATER = {
    "arguments": ("ArgumentsError", "ArgumentsReader"),
    "classify": ("classify_http_error",),
    "display": ("DisplayKind", "DisplayMessage", "DisplayUpdate", "DisplayView"),
    "lifting": (),
    "rates": ("rate_limits_from_event", "rate_limits_from_headers"),
    "replay": (),
    "snapshot": (),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("deltafold")
    for module, names in _LATER.items():
        if name == module or name in names:
            found = import_module(f"deltafold.{module}")
            return found if name == module else getattr(found, name)
    raise AttributeError(f"module 'deltafold' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_LATER})
