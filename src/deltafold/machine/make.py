"""Makers of what every stream hands out: each does what the class of its name does, in half the time."""

from __future__ import annotations

from typing import Final

from deltafold.model import events as e
from deltafold.model import items, response
from deltafold.model.frozen import maker_of

__all__ = [
    "arguments_delta",
    "choice",
    "choice_updated",
    "function_call",
    "item_finished",
    "item_started",
    "message",
    "output_text",
    "part_finished",
    "part_started",
    "reasoning",
    "reasoning_delta",
    "response_finished",
    "response_started",
    "status_changed",
    "summary_text",
    "text_delta",
    "usage",
    "usage_reported",
    "value_finished",
    "whole_response",
]

arguments_delta: Final = maker_of(e.ArgumentsDelta)
choice: Final = maker_of(response.Choice)
choice_updated: Final = maker_of(e.ChoiceUpdated)
function_call: Final = maker_of(items.FunctionCall)
item_finished: Final = maker_of(e.ItemFinished)
item_started: Final = maker_of(e.ItemStarted)
message: Final = maker_of(items.Message)
output_text: Final = maker_of(items.OutputText)
part_finished: Final = maker_of(e.PartFinished)
part_started: Final = maker_of(e.PartStarted)
reasoning: Final = maker_of(items.Reasoning)
reasoning_delta: Final = maker_of(e.ReasoningDelta)
response_finished: Final = maker_of(e.ResponseFinished)
response_started: Final = maker_of(e.ResponseStarted)
status_changed: Final = maker_of(e.StatusChanged)
summary_text: Final = maker_of(items.SummaryText)
text_delta: Final = maker_of(e.TextDelta)
usage: Final = maker_of(response.Usage)
usage_reported: Final = maker_of(e.UsageReported)
value_finished: Final = maker_of(e.ValueFinished)
whole_response: Final = maker_of(response.Response)
