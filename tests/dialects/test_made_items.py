"""Items that no wire sent look like those of the Responses API."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold import Message, Reasoning
from deltafold.dialects import made_items as made


@pytest.mark.parametrize("ident", [None, "x_1"])
@pytest.mark.parametrize(("whole", "status"), [(True, "completed"), (False, "in_progress")])
def test_items(ident: str | None, whole: bool, status: str) -> None:
    """Both as objects and as JSON; an id is there where there is one."""
    named: dict[str, Any] = {} if ident is None else {"id": ident}
    parts = (made.text_part("A"), made.refusal_part("No"))
    message = made.message(parts, whole=whole, choice=2, ident=ident)
    assert message.to_dict() == {
        **named,
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [
            {"type": "output_text", "text": "A", "annotations": []},
            {"type": "refusal", "refusal": "No"},
        ],
    }
    assert (message.id, message.content, message.status, message.choice_index) == (ident, parts, status, 2)
    call = made.function_call("f", "call_1", "{}", whole=whole, choice=2, ident=ident)
    assert call.to_dict() == {
        **named,
        "type": "function_call",
        "call_id": "call_1",
        "name": "f",
        "arguments": "{}",
        "status": status,
    }
    assert (call.id, call.complete, call.status, call.choice_index) == (ident, whole, status, 2)
    custom = made.custom_call("f", "call_1", "ls", whole=whole, choice=2, ident=ident)
    assert custom.to_dict() == {
        **named,
        "type": "custom_tool_call",
        "call_id": "call_1",
        "name": "f",
        "input": "ls",
        "status": status,
    }
    assert (custom.id, custom.whole, custom.status, custom.choice_index) == (ident, whole, status, 2)


def test_a_call_whose_arguments_are_no_json_is_not_complete() -> None:
    """Be it whole."""
    assert not made.function_call("f", "call_1", '{"a":', whole=True).complete


def test_reasoning() -> None:
    """The summary is always there, content and what is encrypted where there is some."""
    assert made.reasoning((), ()).to_dict() == {"type": "reasoning", "summary": []}
    summary, content = (made.thought_part("S", summary=True),), (made.thought_part("T"),)
    item = made.reasoning(summary, content, encrypted="E", choice=2, ident="rs_1")
    assert item.to_dict() == {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "S"}],
        "content": [{"type": "reasoning_text", "text": "T"}],
        "encrypted_content": "E",
    }
    assert item == Reasoning("rs_1", summary, content, "E", None, 2, item.data)


def test_parts_that_begin_are_empty() -> None:
    """Their text comes in pieces."""
    assert made.text_part().to_dict() == {"type": "output_text", "text": "", "annotations": []}
    assert made.refusal_part().to_dict() == {"type": "refusal", "refusal": ""}
    assert made.thought_part().to_dict() == {"type": "reasoning_text", "text": ""}
    assert made.thought_part(summary=True).to_dict() == {"type": "summary_text", "text": ""}
    assert made.message((), whole=False) == Message(
        None, (), "assistant", "in_progress", None, None, made.message((), whole=False).data
    )
