"""The verdict: what the owner of the request needs in order to decide on a retry."""

from __future__ import annotations

from typing import Literal, TypeAlias

from deltafold.model.frozen import frozen
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Item,
    Message,
    OtherItem,
    OutputText,
    Reasoning,
    Refusal,
    is_whole,
)

__all__ = ["ORDER", "Verdict", "VisibleKind", "is_hosted", "is_runnable", "visible_of"]

VisibleKind: TypeAlias = Literal["text", "refusal", "reasoning", "tool_call", "hosted_tool", "audio", "other"]
"""What a caller may have shown, or acted on.

`tool_call`: a call that the caller is asked to run or to approve, be it begun. `hosted_tool`: an item of a
tool that the server runs, or of a type that this library does not know. `other`: a part of a message that is
no text, an image, a field that is not known, or fragments that are no part of what their item became.
"""

# Items of the Responses API that ask the caller to act, beside function and custom tool calls. (A shell call
# may be either: its environment says so.)
CLIENT_CALLS = frozenset({"apply_patch_call", "computer_call", "local_shell_call", "shell_call"})
CALLER_ACTS_ON = CLIENT_CALLS | {"mcp_approval_request"}
# Items that have done nothing: what the model was sent or asked, and what the server only noted.
HARMLESS_TYPES = frozenset(
    {
        "additional_tools",
        "compaction",
        "compaction_summary",
        "fallback",  # Anthropic: another model goes on
        "functionResponse",  # Gemini
        "ghost_snapshot",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_list_tools",
        "mcp_tool_listing",  # Anthropic
        "thoughtSignature",  # Gemini: a signature by itself
    }
)
# Parts of Gemini's that are content as text is: something to be seen, and nothing that was done.
CONTENT = frozenset({"audioTranscription", "fileData", "inlineData"})


@frozen
class Verdict:
    """What is known of a response that bears on a retry.

    It rests on what was handed out and on nothing else: what the server did and did not tell nobody knows.
    """

    visible: tuple[VisibleKind, ...]
    """What was handed out of the answer, each kind once: streamed text, citations, items that began. Empty
    parts and encrypted reasoning do not count, nor do ids, status, usage and heartbeats."""
    tool_call_completed: bool
    """Whether a call was handed out that the caller may have run: a function call that was `complete`, a
    custom tool call that was `whole` (even if the end sent them otherwise), a computer, shell or patch call
    that is not marked as unfinished."""
    hosted_tool_ran: bool
    """Whether a tool began that the server runs by itself (`mcp_call`, `code_interpreter_call`, searches, a
    shell call that is not said to be local…), or an item of an unknown type: what it did is done."""
    goes_on: bool
    """Whether the server may still be at work without us: the response runs in the `background`, and no end
    of it was sent: an error of the connection is none. Then connect to it again instead of asking anew."""
    retryable: bool
    """Whether the response failed in a way in which the same request may succeed: it was `truncated`, or it
    `failed` with an error that is `retryable`. One that is complete, incomplete, cancelled or not at its end
    has not failed."""
    retry_after: float | None
    """Seconds to wait before that, from the error; None where the server did not say, or nothing is
    retryable."""

    @property
    def safe_to_replay(self) -> bool:
        """Whether the request may be sent again without doing or showing anything twice.

        That is so where a retry makes sense, nothing was visible, no call was completed, no hosted tool ran,
        and the server does not go on without us.
        """
        done = self.visible or self.tool_call_completed or self.hosted_tool_ran
        return self.retryable and not done and not self.goes_on


ORDER: tuple[VisibleKind, ...] = (
    "text",
    "refusal",
    "reasoning",
    "tool_call",
    "hosted_tool",
    "audio",
    "other",
)


def visible_of(item: Item) -> set[VisibleKind]:
    """The kinds of what is to be seen of an item."""
    if isinstance(item, Message):
        kinds: set[VisibleKind] = set()
        for part in item.content:
            if isinstance(part, OutputText):
                kinds |= {"text"} if part.text or part.annotations else set()
            elif isinstance(part, Refusal):
                kinds |= {"refusal"} if part.refusal else set()
            else:
                kinds.add("other")
        sent = item.data.get("content")
        if sent and (not isinstance(sent, list) or len(item.content) < len(sent)):
            kinds.add("other")  # content that this library cannot read
        return kinds
    if isinstance(item, Reasoning):
        return {"reasoning"} if item.text else set()
    if isinstance(item, (FunctionCall, CustomToolCall)) or item.type in CALLER_ACTS_ON:
        return {"tool_call"}
    if item.type in CONTENT:
        return {"other"}
    return {"hosted_tool"} if is_hosted(item) else set()


def is_runnable(item: Item) -> bool:
    """Whether an item is a call that a caller may have run."""
    unfinished = item.status in ("in_progress", "incomplete")
    return is_whole(item) or (item.type in CLIENT_CALLS and not unfinished)


def is_hosted(item: Item) -> bool:
    """Whether an item is of a tool that the server runs, or may be."""
    if item.type == "shell_call":
        environment = item.data.get("environment")
        return not (isinstance(environment, dict) and environment.get("type") == "local")
    if not isinstance(item, OtherItem) or item.type in CONTENT:
        return False
    return item.type not in CLIENT_CALLS and item.type not in HARMLESS_TYPES
