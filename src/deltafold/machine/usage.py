"""Usage in the words of the Responses API, whichever API sent it."""

from __future__ import annotations

from typing import Any, Final

from deltafold.model.response import Usage

__all__ = ["counted_usage", "usage_of_responses"]

RENAMED: Final = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}
OWN_COUNTS: Final = {"cache_creation_input_tokens", "cache_read_input_tokens", "thinking_tokens"}
"""Members that the usage of Anthropic has: it counts what the cache had a part in beside its input."""


def usage_of_responses(usage: Usage) -> dict[str, Any] | None:
    """Usage in the words of the Responses API, whichever API sent it; None where it says nothing."""
    sent = {RENAMED.get(key, key): value for key, value in usage.to_dict().items()}
    details = sent.get("output_tokens_details")
    foreign = not OWN_COUNTS.isdisjoint(sent) or (isinstance(details, dict) and "thinking_tokens" in details)
    foreign = foreign or (usage.total_tokens is not None and "total_tokens" not in sent)
    words = (sent.get("input_tokens"), sent.get("output_tokens"))
    if words == (usage.input_tokens, usage.output_tokens) and sent and not foreign:
        return sent
    return counted_usage(usage) or None


def counted_usage(usage: Usage) -> dict[str, Any]:
    """The counts of a usage in the words of the Responses API."""
    counted: dict[str, Any] = {}
    for name in ("input_tokens", "output_tokens", "total_tokens"):
        if getattr(usage, name) is not None:
            counted[name] = getattr(usage, name)
    inputs = {
        name: getattr(usage, name)
        for name in ("cached_tokens", "cache_write_tokens")
        if getattr(usage, name) is not None
    }
    if inputs:
        counted["input_tokens_details"] = inputs
    if usage.reasoning_tokens is not None:
        counted["output_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return counted
