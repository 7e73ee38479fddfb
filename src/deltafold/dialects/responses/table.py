"""The words of the Responses API's streaming events, and where each streamed value stands.

The types are those of the API reference ("Streaming events") and of the Open Responses specification, and
what servers were seen to send beside them.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.machine.lifecycle import CANCELLED, COMPLETED, FAILED, INCOMPLETE, TRUNCATED
from deltafold.machine.values import ValuePath
from deltafold.model import events as e
from deltafold.model.response import Outcome

__all__ = [
    "ALLOWED_AFTER_FAILURE",
    "BARE_PARTS",
    "BLANK_PARTS",
    "CALLS",
    "CHAT_CHUNK",
    "COMMAND",
    "COMPARED_FIELDS",
    "CONNECTION_EVENTS",
    "DELTAS",
    "ERRORS",
    "HEARTBEATS",
    "KNOWN_TYPES",
    "LIFE_CYCLE",
    "LIFTABLE",
    "NOTICES",
    "NO_TYPE",
    "OUTCOMES",
    "PROGRESS",
    "PROSE",
    "REASONING",
    "REFUSAL",
    "STREAMED",
    "STREAMS",
    "SUMMARY",
    "TERMINALS",
    "TEXT",
    "WHOLE_RESPONSE",
    "ValueWire",
    "item_type_of_part",
    "part_place",
]

JSON: TypeAlias = dict[str, Any]


class ValueWire:
    """How the wire streams one kind of value."""

    __slots__ = ("done_field", "index", "item_type", "key", "kind")

    def __init__(
        self, kind: e.ValueKind, item_type: str, done_field: str, key: ValuePath, index: str = ""
    ) -> None:
        self.kind: e.ValueKind = kind
        self.item_type = item_type
        """The type of the item, where it was not announced."""
        self.done_field = done_field
        """The member of the `done` event that holds the whole value."""
        self.key: ValuePath = key
        """Where it stands in its item. A -1 is the part's or command's index."""
        self.index = index
        """The member that holds that index."""


TEXT: Final = ValueWire("text", "message", "text", ("content", -1, "text"), "content_index")


REFUSAL: Final = ValueWire("refusal", "message", "refusal", ("content", -1, "refusal"), "content_index")


SUMMARY: Final = ValueWire("summary", "reasoning", "text", ("summary", -1, "text"), "summary_index")


REASONING: Final = ValueWire("reasoning", "reasoning", "text", ("content", -1, "text"), "content_index")


COMMAND: Final = ValueWire("command", "shell_call", "command", ("action", "commands", -1), "command_index")


STREAMED: Final = {
    "response.output_text": TEXT,
    "response.refusal": REFUSAL,
    "response.reasoning_summary_text": SUMMARY,
    "response.reasoning_summary": SUMMARY,
    "response.reasoning_text": REASONING,
    "response.reasoning": REASONING,  # Open Responses, schema/events.tsp
    "response.content_part": TEXT,  # only its delta: {"type": "text_delta", "text"}, ChatGPT backend
    "response.function_call_arguments": ValueWire("arguments", "function_call", "arguments", ("arguments",)),
    "response.mcp_call_arguments": ValueWire("arguments", "mcp_call", "arguments", ("arguments",)),
    "response.custom_tool_call_input": ValueWire("arguments", "custom_tool_call", "input", ("input",)),
    "response.code_interpreter_call_code": ValueWire("code", "code_interpreter_call", "code", ("code",)),
    "response.apply_patch_call_operation_diff": ValueWire(
        "diff", "apply_patch_call", "diff", ("operation", "diff")
    ),
    "response.shell_call_command": COMMAND,
    "response.mcp_call_output": ValueWire("output", "mcp_call", "output", ("output",)),  # xAI
}


PROGRESS: Final = {
    f"response.{tool}.{status}": (tool, status)
    for tool, statuses in {
        "web_search_call": "in_progress searching completed failed",
        "file_search_call": "in_progress searching completed failed",
        "image_generation_call": "in_progress generating completed failed",
        "code_interpreter_call": "in_progress interpreting executing completed failed",
        "mcp_call": "in_progress executing completed failed",
        "mcp_list_tools": "in_progress completed failed",
        "computer_call": "in_progress completed",
        "shell_call": "in_progress completed",
        "x_search_call": "in_progress searching completed",  # xAI
        "code_execution_call": "in_progress executing completed",  # xAI
        "compaction": "compacting",
    }.items()
    for status in statuses.split()
}
"""Types that tell nothing but how far a hosted tool is, with its item type and that status."""


HEARTBEATS: Final = ("keepalive", "ping", "response.keep_alive", "response.keepalive")


NOTICES: Final = (
    "response.metadata",
    "codex.response.metadata",
    "responsesapi.websocket_timing",
    "response.steer.accepted",
    "response.steer.pending",
    "response.steer.failed",
)


TERMINALS: Final = {
    "response.completed": COMPLETED,
    "response.done": COMPLETED,  # ChatGPT backend and xAI, in place of response.completed
    "response.incomplete": INCOMPLETE,
    "response.failed": FAILED,
    "response.cancelled": CANCELLED,
}


ERRORS: Final = ("error", "response.error")


CONNECTION_EVENTS: Final = {*ERRORS, "codex.rate_limits"}


DELTAS: Final = {
    *(f"{kind}.delta" for kind in STREAMED),
    "response.shell_call_output_content.delta",
    "response.audio.delta",
    "response.audio.transcript.delta",
}
"""Types of which the `delta` is a piece of something longer."""


ALLOWED_AFTER_FAILURE: Final = {"error", "response.failed", *HEARTBEATS}
"""What may follow a failure: its true cause, and signs of life."""


LIFE_CYCLE: Final = {"response.created", "response.queued", "response.in_progress", *TERMINALS}


CALLS: Final = ("function_call", "mcp_call", "custom_tool_call")
"""Items that stream arguments."""


KNOWN_TYPES: Final = {
    "message",
    "reasoning",
    "shell_call_output",
    *(streamed.item_type for streamed in STREAMED.values()),
    *(tool for tool, _ in PROGRESS.values()),
}


COMPARED_FIELDS: Final = ("type", "name", "arguments", "input", "content", "summary", "encrypted_content")


BARE_PARTS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("message", "content"): {"type": "output_text", "annotations": []},
    ("message", "summary"): {"type": "summary_text"},
    ("reasoning", "content"): {"type": "reasoning_text"},
    ("reasoning", "summary"): {"type": "summary_text"},
}
"""What a part is that came as mere text, by the type of its item and its group."""
LIFTABLE: Final = ("function_call", "mcp_call")
"""Items whose arguments are JSON."""


# Types of payloads that have none. No payload can claim them: where one was read, half a pair never is alone.
NO_TYPE: Final = chr(0xD800)


WHOLE_RESPONSE: Final = NO_TYPE + "a whole response"


CHAT_CHUNK: Final = NO_TYPE + "a chat completion chunk"


OUTCOMES: Final = {str(outcome): outcome for outcome in Outcome if outcome is not TRUNCATED}


PROSE: Final = ("text", "refusal", "summary", "reasoning")
"""Values to which more may be added after they were sent whole: they are read, not run."""


STREAMS: Final[tuple[e.ValueKind, e.ValueKind]] = ("stdout", "stderr")


BLANK_PARTS: Final[dict[e.ValueKind, JSON]] = {
    "text": {"type": "output_text", "text": ""},
    "refusal": {"type": "refusal", "refusal": ""},
    "summary": {"type": "summary_text", "text": ""},
    "reasoning": {"type": "reasoning_text", "text": ""},
}


def part_place(kind: str) -> tuple[e.Group, str]:
    """The group that an event of this type is about, and the member with the index of its part."""
    return ("summary", "summary_index") if "summary" in kind else ("content", "content_index")


def item_type_of_part(group: e.Group, part: JSON) -> str:
    """The type of the item that a part belongs to."""
    return "reasoning" if group == "summary" or part.get("type") == "reasoning_text" else "message"
