"""next_turn(): what goes back after a response, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deltafold import Approval, Response, ResponseParser, ToolResult, UsageError, next_turn, parse

DIALECTS = ("responses", "chat", "anthropic", "gemini")


def responses(*output: dict[str, Any], **more: Any) -> Response:
    body = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [*output]}
    return parse(json.dumps({**body, **more}).encode(), "responses")


def call(
    ident: str = "call_1", name: str = "wave", arguments: str = '{"x":1}', **more: Any
) -> dict[str, Any]:
    told = {"type": "function_call", "id": "fc_" + ident, "call_id": ident, "name": name}
    return {**told, "arguments": arguments, "status": "completed", **more}


def said(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "E"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_results_follow_in_the_order_of_the_calls(dialect: str) -> None:
    """Whatever the order in which they are given."""
    response = responses(said("Hi"), call("call_1"), call("call_2", "look"))
    results = [ToolResult("call_2", "second"), ToolResult("call_1", "first")]
    text = json.dumps(next_turn(response, dialect, results).items)
    assert text.index("first") < text.index("second")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nothing_is_shared_with_the_response(dialect: str) -> None:
    """What is given back can be changed."""
    response = responses(said("Hi"), call())
    before = response.to_dict()
    result = ToolResult("call_1", [{"type": "input_text", "text": "ok"}])
    for item in next_turn(response, dialect, [result]).items:
        item.clear()
    assert response.to_dict() == before
    assert result.output == [{"type": "input_text", "text": "ok"}]


@pytest.mark.parametrize(
    ("results", "approvals", "named"),
    [
        ([], [], "call_1"),
        ([ToolResult("call_1", "a"), ToolResult("call_1", "b")], [], "call_1"),
        ([ToolResult("call_1", "a"), ToolResult("call_7", "b")], [], "call_7"),
        ([ToolResult("call_1", "a")], [Approval("x", True)], "x"),
        ([ToolResult("call_1", "a")], [Approval("call_1", True), Approval("call_1", True)], "call_1"),
        ([ToolResult("call_1", {"a": 1})], [], "call_1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(results: Any, approvals: Any, named: str) -> None:
    """A missing, double or unknown result or approval."""
    with pytest.raises(UsageError, match=named):
        next_turn(responses(call()), "responses", results, approvals)


def test_an_unknown_dialect_is_refused() -> None:
    """By its name."""
    with pytest.raises(UsageError, match="smoke"):
        next_turn(responses(), "smoke")


def test_a_call_made_twice_is_refused() -> None:
    """No result could name one of the two."""
    with pytest.raises(UsageError, match="call_1"):
        next_turn(responses(call(), call(id="fc_2")), "responses", [ToolResult("call_1", "a")])


def test_half_a_call_is_left_out_and_wants_no_result() -> None:
    """And what thought of it goes with it."""
    response = responses(THOUGHT, call(arguments='{"x":'), status="incomplete")
    turn = next_turn(response, "responses")
    assert turn.items == ()
    assert [loss.code for loss in turn.losses] == ["call_not_whole", "reasoning_not_supported"]
    with pytest.raises(UsageError, match="not come whole"):
        next_turn(response, "responses", [ToolResult("call_1", "a")])


def test_reasoning_that_nothing_knows_is_left_out_with_the_ids_behind_it() -> None:
    """Where nothing is stored, reasoning has to come encrypted."""
    bare = {key: value for key, value in THOUGHT.items() if key != "encrypted_content"}
    items = next_turn(responses(bare, said("Hi"), store=False), "responses").items
    assert [item["type"] for item in items] == ["message"]
    assert "id" not in items[0]
    kept = next_turn(responses(bare, said("Hi"), store=True), "responses").items
    assert [item["id"] for item in kept] == ["rs_1", "msg_1"]


def test_answers_alone() -> None:
    """For a request with `previous_response_id`."""
    turn = next_turn(
        responses(said("Hi"), call()), "responses", [ToolResult("call_1", "a")], answers_only=True
    )
    assert [item["type"] for item in turn.items] == ["function_call_output"]


def test_of_a_failed_response_nothing_goes_back() -> None:
    """But answers, where there are some."""
    failed = responses(said("Hi"), call(), status="failed", error={"code": "server_error", "message": "x"})
    assert next_turn(failed, "responses").items == ()


def test_a_refused_call_gets_a_result_that_says_so() -> None:
    """With the reason."""
    parser = ResponseParser("responses", approval_required={"wave"})
    body = {"id": "r", "object": "response", "status": "completed", "model": "m", "output": [call()]}
    parser.feed_payload({"type": "response.completed", "response": body})
    parser.close()
    list(parser.events())
    turn = next_turn(parser.response, "anthropic", approvals=[Approval("call_1", False, "Too late.")])
    result = turn.items[1]["content"][0]
    assert (result["content"], result["is_error"]) == ("Too late.", True)


def test_approvals_of_mcp() -> None:
    """They go back on the Responses API, and nowhere else."""
    asked = {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "name": "rm",
        "server_label": "s",
        "arguments": "{}",
    }
    turn = next_turn(responses(asked), "responses", approvals=[Approval("mcpr_1", False, "No")])
    assert turn.items[1] == {
        "type": "mcp_approval_response",
        "approval_request_id": "mcpr_1",
        "approve": False,
        "reason": "No",
    }
    losses = next_turn(responses(asked), "chat", approvals=[Approval("mcpr_1", True)]).losses
    assert any("mcpr_1" in loss.message for loss in losses)


def test_hosted_calls_that_the_caller_runs() -> None:
    """Their output is an object of a type of its own."""
    asked = {
        "type": "computer_call",
        "id": "cu_1",
        "call_id": "call_5",
        "status": "completed",
        "pending_safety_checks": [],
        "action": {"type": "wait"},
    }
    output = {
        "type": "computer_call_output",
        "output": {"type": "computer_screenshot", "image_url": "data:,"},
    }
    turn = next_turn(responses(asked), "responses", [ToolResult("call_5", output)])
    assert turn.items[1] == {"call_id": "call_5", **output}
    with pytest.raises(UsageError, match="computer_call_output"):
        next_turn(responses(asked), "responses", [ToolResult("call_5", "a text")])
    assert next_turn(responses(asked), "chat", [ToolResult("call_5", output)]).items == ()


def test_legacy_function_calls_of_chat() -> None:
    """Answered as functions are."""
    message = {"role": "assistant", "content": None, "function_call": {"name": "wave", "arguments": "{}"}}
    choice = {"index": 0, "message": message, "finish_reason": "function_call"}
    response = parse(json.dumps({"object": "chat.completion", "choices": [choice]}).encode(), "chat")
    result = ToolResult(response.tool_calls[0].call_id or "", "ok")
    items = next_turn(response, "chat", [result]).items
    assert items[0]["function_call"] == {"name": "wave", "arguments": "{}"}
    assert items[1] == {"role": "function", "name": "wave", "content": "ok"}


def test_images_in_results() -> None:
    """Each API that takes them has them in its own words; Chat has them not, and a loss says so."""
    url = "data:image/png;base64,iVBORw0KGgo="
    given = [ToolResult("call_1", [{"type": "input_image", "image_url": url}])]
    for dialect in ("responses", "anthropic", "gemini"):
        turn = next_turn(responses(call()), dialect, given)
        assert "iVBORw0KGgo=" in json.dumps(turn.items)
        assert turn.losses == ()
    assert "image" in next_turn(responses(call()), "chat", given).losses[0].message


def test_thinking_goes_back_signed_or_not_at_all() -> None:
    """On Anthropic."""
    content = [
        {"type": "thinking", "thinking": "a", "signature": ""},
        {"type": "thinking", "thinking": "b", "signature": "S"},
        {"type": "text", "text": "  "},
        {"type": "text", "text": "Hi"},
    ]
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content}
    response = parse(json.dumps({**body, "stop_reason": "end_turn", "usage": {}}).encode(), "anthropic")
    turn = next_turn(response, "anthropic")
    assert turn.items == ({"role": "assistant", "content": [content[1], content[3]]},)
    assert len(turn.losses) == 1
