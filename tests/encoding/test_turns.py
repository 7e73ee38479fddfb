"""next_turn(): what goes back after a response, and what is refused."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import attrs
import pytest

from deltafold import (
    Approval,
    FunctionCall,
    Outcome,
    Response,
    ResponseParser,
    ToolResult,
    UsageError,
    next_turn,
    parse,
)

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
    elsewhere = next_turn(responses(asked), "chat", [ToolResult("call_5", output)])
    assert elsewhere.items == ()
    assert [loss.path for loss in elsewhere.losses] == ["output[0]", "results (call_5)"]
    assert "computer_call_output" in elsewhere.losses[1].message


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


# ------------------------------------------------------------------------------------------- what is refused


def test_what_a_result_was_meant_for_is_said() -> None:
    """Why a call takes no result."""
    shell = {"type": "shell_call", "id": "sh_1", "call_id": "call_9", "status": "completed", "action": {}}
    done = {"type": "shell_call_output", "call_id": "call_9", "output": []}
    for output, said in (
        ((call(arguments='{"x":'),), "'call_1': that call had not come whole"),
        ((shell, done), "'call_9': that call has its output"),
        (({**shell, "status": "in_progress"},), "'call_9': that call has its output, or has not come whole"),
        ((), "'call_1': no call has that id"),
    ):
        ident = said[1:7]
        with pytest.raises(UsageError, match=said):
            next_turn(responses(*output, status="incomplete"), "responses", [ToolResult(ident, "x")])


def chat(*messages: dict[str, Any], model: str = "m") -> Response:
    choices = [
        {"index": index, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
        for index, message in enumerate(messages)
    ]
    return parse(
        json.dumps({"object": "chat.completion", "model": model, "choices": choices}).encode(), "chat"
    )


def test_a_result_for_another_choice() -> None:
    """One choice goes on; the calls of the others want nothing."""
    made = {"id": "call_1", "type": "function", "function": {"name": "w", "arguments": "{}"}}
    response = chat({"content": "one"}, {"content": "two", "tool_calls": [made]})
    with pytest.raises(UsageError, match="'call_1': that call is of another choice"):
        next_turn(response, "chat", [ToolResult("call_1", "x")])
    for dialect in DIALECTS:
        turn = next_turn(response, dialect, [ToolResult("call_1", "x")], choice=1)
        assert "two" in json.dumps(turn.items)
        assert "one" not in json.dumps(turn.items)
        assert next_turn(response, dialect, choice=7).items == ()


def test_approvals_that_are_missing_or_double() -> None:
    """They are named."""
    asked = {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "name": "rm",
        "server_label": "s",
        "arguments": "{}",
    }
    for approvals, said in (
        ([], "the approval request 'mcpr_1' has no approval"),
        ([Approval("mcpr_1", True)] * 2, "there are two approvals 'mcpr_1'"),
        ([Approval("mcpr_2", True)], "nothing asked for the approval 'mcpr_2'"),
    ):
        with pytest.raises(UsageError, match=said):
            next_turn(responses(asked), "responses", approvals=approvals)
    failed = responses(asked, status="failed", error={"code": "server_error", "message": "x"})
    assert next_turn(failed, "responses").items == ()


@pytest.mark.parametrize("output", [5, None, {"a": 1}, [5]])
def test_outputs_that_are_none(output: Any) -> None:
    """A text or a list of parts; each part an object or a text."""
    with pytest.raises(UsageError, match="call_1"):
        next_turn(responses(call()), "chat", [ToolResult("call_1", output)])


# --------------------------------------------------------------------------------------------- what goes back


def test_results_in_parts_of_the_target() -> None:
    """They are taken as they are; texts may stand among them."""
    image = {"type": "image", "source": {"type": "url", "url": "https://e.example/a.png"}}
    cached = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}
    result = ToolResult("call_1", ["a", cached, image])  # type: ignore[list-item]
    turn = next_turn(responses(call()), "anthropic", [result])
    assert turn.items[1]["content"][0]["content"] == [{"type": "text", "text": "a"}, cached, image]
    data = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    google = next_turn(responses(call()), "gemini", [ToolResult("call_1", [{"text": "a"}, data])])
    answer = google.items[1]["parts"][0]["functionResponse"]
    assert (answer["response"], answer["parts"]) == ({"output": "a"}, [data])
    assert (turn.losses, google.losses) == ((), ())


@pytest.mark.parametrize(
    ("dialect", "output", "told"),
    [
        ("responses", "", ""),
        ("responses", [], []),
        ("responses", "[]", "[]"),
        ("chat", "", ""),
        ("chat", [], ""),
        ("anthropic", "", ""),
        ("anthropic", [], []),
        ("gemini", "", {"output": ""}),
        ("gemini", [], {"output": ""}),
        ("gemini", "[]", {"output": "[]"}),
    ],
)
def test_empty_results(dialect: str, output: Any, told: Any) -> None:
    """What the caller gave, as far as the API has it."""
    text = json.dumps(next_turn(responses(call()), dialect, [ToolResult("call_1", output)]).items[-1])
    key = {"responses": "output", "chat": "content", "anthropic": "content", "gemini": "response"}[dialect]
    assert f'"{key}": {json.dumps(told)}' in text


def test_hosted_calls_without_a_result() -> None:
    """After a failure nothing is missed."""
    asked = {"type": "local_shell_call", "id": "lsh_1", "status": "completed", "action": {}}
    turn = next_turn(responses(asked), "responses", [ToolResult("lsh_1", {"output": "ok"})])
    assert turn.items[1] == {"type": "local_shell_call_output", "id": "lsh_1", "output": "ok"}
    failed = responses(asked, status="failed", error={"code": "server_error", "message": "x"})
    assert next_turn(failed, "responses").items == ()


def test_items_of_the_responses_api_as_input() -> None:
    """What only an output has is left out, and what only an input needs is there."""
    odd = {
        "type": "message",
        "id": "msg_1",
        "status": "queued",
        "content": [{"type": "output_text", "text": "a"}],
    }
    search = {
        "type": "code_interpreter_call",
        "id": "ci_1",
        "status": "completed",
        "code": "1",
        "container_id": "c",
    }
    unfinished = {**said("Hi"), "status": "in_progress"}
    items = next_turn(responses(odd, search, unfinished), "responses").items
    text = {"type": "output_text", "text": "a", "annotations": []}
    assert items[0] == {"type": "message", "id": "msg_1", "role": "assistant", "content": [text]}
    assert items[1]["outputs"] is None
    assert items[2]["status"] == "incomplete"
    assert "logprobs" not in items[2]["content"][0]


def test_reasoning_of_a_call_that_is_left_out() -> None:
    """It goes with it, unless something else followed it."""
    half = call("call_2", arguments='{"x":')
    other = {**THOUGHT, "id": "rs_2"}
    items = next_turn(responses(THOUGHT, half, other, said("Hi"), status="incomplete"), "responses").items
    assert [item["id"] for item in items] == ["rs_2", "msg_1"]
    items = next_turn(responses(THOUGHT, half, said("Hi"), status="incomplete"), "responses").items
    assert [item["id"] for item in items] == ["rs_1", "msg_1"]


def test_ids_come_back_behind_reasoning_that_can_go() -> None:
    """What other reasoning led to keeps its id; what is told in full goes back in full."""
    bare = {key: value for key, value in THOUGHT.items() if key != "encrypted_content"}
    told = {**THOUGHT, "id": "rs_2", "content": [{"type": "reasoning_text", "text": "Hm."}]}
    refused = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    response = responses(bare, said("Hi"), told, {**refused, "id": "msg_2"}, store=False)
    items = next_turn(response, "responses").items
    assert [item.get("id") for item in items] == [None, "rs_2", "msg_2"]
    assert items[1] == told
    assert items[2]["content"] == refused["content"]
    assert next_turn(response, "responses", choice=1).items == ()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_half_a_call_goes_to_no_api(dialect: str) -> None:
    """The text beside it does."""
    turn = next_turn(responses(said("Hi"), call(arguments='{"x":'), status="incomplete"), dialect)
    assert "Hi" in json.dumps(turn.items)
    assert "call_1" not in json.dumps(turn.items)


def test_an_item_whose_type_is_no_text() -> None:
    """No server could read it."""
    turn = next_turn(responses({"type": ["message"], "id": "x"}, said("Hi")), "responses")
    assert [item["id"] for item in turn.items] == ["msg_1"]
    assert [(loss.code, loss.path) for loss in turn.losses] == [("content_not_supported", "output[0]")]


THINKING_PART = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}


@pytest.mark.parametrize(
    ("message", "kept", "paths"),
    [
        ({"content": "Hi", "reasoning": "Hm."}, {"content": "Hi", "reasoning": "Hm."}, []),
        ({"content": "Hi", "thinking": "Hm."}, {"content": "Hi", "thinking": "Hm."}, []),
        ({"content": [THINKING_PART, {"type": "text", "text": "Hi"}]}, {"content": "Hi"}, ["output[0]"]),
        (
            {"content": "Hi", "reasoning_content": "Hm.", "reasoning_opaque": "E"},
            {"content": "Hi", "reasoning_content": "Hm."},
            ["output[0].encrypted_content"],
        ),
        (
            {"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hi"}]},
            {"content": "Hi"},
            [],
        ),
        (
            {"content": [{"type": "hologram", "x": 1}, {"type": "text", "text": "Hi"}]},
            {"content": [{"type": "text", "text": "Hi"}, {"type": "hologram", "x": 1}]},
            [],
        ),
        (
            {"content": "Hi", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
            {"content": "Hi", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
            [],
        ),
        ({"content": None, "refusal": "No."}, {"content": None, "refusal": "No."}, []),
        ({"content": None, "reasoning_content": "Hm."}, {"content": "", "reasoning_content": "Hm."}, []),
        (
            {"content": "Hi", "images": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
            {"content": "Hi"},
            ["images"],
        ),
        (
            {"content": None, "audio": {"id": "a", "data": "", "expires_at": 1, "transcript": "Hi"}},
            {"content": None, "audio": {"id": "a"}},
            [],
        ),
    ],
)
def test_messages_of_chat_as_they_go_back(message: Any, kept: Any, paths: list[str]) -> None:
    """Reasoning under the name that it came with, and under no other."""
    turn = next_turn(chat(message), "chat")
    assert turn.items == ({"role": "assistant", **kept},)
    assert [loss.path for loss in turn.losses] == paths


def test_an_empty_message_of_chat_does_not_go_back() -> None:
    """There is nothing to say."""
    assert next_turn(chat({"content": ""}), "chat").items == ()


def anthropic(*content: dict[str, Any], stop_reason: str | None = "end_turn") -> bytes:
    events: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"},
        }
    ]
    for index, block in enumerate(content):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_stop", "index": index})
    if stop_reason is not None:
        events.append({"type": "message_delta", "delta": {"stop_reason": stop_reason}})
        events.append({"type": "message_stop"})
    return b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)


def test_open_ends_of_an_answer_that_was_cut_off() -> None:
    """A server's tool without its result, and thinking that nothing follows."""
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "S"}
    text = {"type": "text", "text": "Hi"}
    used = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    redacted = {"type": "redacted_thinking", "data": ""}
    cut = parse(anthropic(thought, text, used, redacted, thought, stop_reason=None), "anthropic")
    assert cut.outcome == "truncated"
    turn = next_turn(cut, "anthropic")
    assert turn.items == ({"role": "assistant", "content": [thought, text]},)
    assert [loss.code for loss in turn.losses] == ["call_not_whole", "reasoning_not_supported"]
    whole = parse(anthropic(thought, text, used, stop_reason="pause_turn"), "anthropic")
    assert next_turn(whole, "anthropic").items[0]["content"] == [thought, text, used]


def test_half_a_call_of_anthropic() -> None:
    """It is left out."""
    body = anthropic({"type": "text", "text": "Hi"}, stop_reason=None)
    used = {"type": "tool_use", "id": "toolu_1", "name": "w", "input": {}}
    started = {"type": "content_block_start", "index": 1, "content_block": used}
    body += f"event: content_block_start\ndata: {json.dumps(started)}\n\n".encode()
    turn = next_turn(parse(body, "anthropic"), "anthropic")
    assert turn.items == ({"role": "assistant", "content": [{"type": "text", "text": "Hi"}]},)
    assert [loss.code for loss in turn.losses] == ["call_not_whole"]


def gemini(*parts: dict[str, Any], **more: Any) -> bytes:
    candidate = {"index": 0, "content": {"role": "model", "parts": [*parts]}, **more}
    return f"data: {json.dumps({'candidates': [candidate]})}\n\n".encode()


def test_thoughts_of_gemini() -> None:
    """Signatures stay on their parts; of an answer that was cut off thoughts without one are left out."""
    thought, signed = {"text": "Hm.", "thought": True}, {"text": "", "thoughtSignature": "U2ln"}
    whole = parse(gemini(thought, {"text": "Hi"}, signed, finishReason="STOP"), "gemini")
    parts = next_turn(whole, "gemini").items[0]["parts"]
    assert parts[0] == thought
    assert {"thoughtSignature": "U2ln"}.items() <= parts[-1].items()
    cut = next_turn(parse(gemini(thought, {"text": "Hi"}), "gemini"), "gemini")
    assert cut.items == ({"role": "model", "parts": [{"text": "Hi"}]},)
    assert [loss.code for loss in cut.losses] == ["reasoning_not_supported"]


def test_empty_parts_of_gemini_do_not_go_back() -> None:
    """Unless they are signed."""
    response = parse(gemini({"text": "", "brandNew": 1}, finishReason="STOP"), "gemini")
    assert next_turn(response, "gemini").items == ()


def test_calls_of_gemini_without_an_id() -> None:
    """Their responses have none either; half a call and an empty text say nothing."""
    half = {"functionCall": {"name": "w", "partialArgs": [{"jsonPath": "$.x", "stringValue": "a"}]}}
    half["functionCall"]["willContinue"] = True
    parts = ({"functionCall": {"name": "w", "args": {"x": 1}}}, {"text": ""}, half)
    response = parse(gemini(*parts), "gemini")
    [made] = response.tool_calls
    turn = next_turn(response, "gemini", [ToolResult(made.call_id or "", "ok")])
    assert turn.items[0]["parts"] == [parts[0]]
    answer = {"name": "w", "response": {"output": "ok"}}
    assert turn.items[1] == {"role": "user", "parts": [{"functionResponse": answer}]}
    assert [loss.code for loss in turn.losses] == ["call_not_whole"]


def test_placeholders_for_the_signatures_of_foreign_calls() -> None:
    """Where they are asked for, and never for a call of Gemini's own."""
    results = [ToolResult("call_1", "ok")]
    plain = next_turn(responses(call()), "gemini", results)
    signed = next_turn(responses(call()), "gemini", results, placeholder_signatures=True)
    assert "thoughtSignature" not in plain.items[0]["parts"][0]
    assert signed.items[0]["parts"][0]["thoughtSignature"] == "skip_thought_signature_validator"
    own = parse(
        gemini({"functionCall": {"id": "c1", "name": "w", "args": {}}}, finishReason="STOP"), "gemini"
    )
    turn = next_turn(own, "gemini", [ToolResult("c1", "ok")], placeholder_signatures=True)
    assert "thoughtSignature" not in json.dumps(turn.items)


@pytest.mark.parametrize("dialect", DIALECTS[1:])
def test_what_other_apis_have_no_words_for(dialect: str) -> None:
    """Hosted items and reasoning are left out, each with a loss; a refusal is told."""
    refused = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    odd = {"type": "message", "role": "assistant", "content": [{"type": "hologram", "x": 1}]}
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    turn = next_turn(responses(THOUGHT, search, refused, odd), dialect)
    assert "No." in json.dumps(turn.items)
    assert {loss.path for loss in turn.losses} >= {"output[0]", "output[1]", "output[3]"}


def test_ids_of_calls_that_anthropic_would_refuse() -> None:
    """A call of Anthropic's wire may have an id of another server; both sides get one that fits."""
    used = {"type": "tool_use", "id": "functions.wave:0", "name": "wave", "input": {}}
    response = parse(anthropic(used, stop_reason="tool_use"), "anthropic")
    items = next_turn(response, "anthropic", [ToolResult("functions.wave:0", "ok")]).items
    fitted = items[0]["content"][0]["id"]
    assert re.fullmatch("[A-Za-z0-9_-]+", fitted)
    assert items[1]["content"][0]["tool_use_id"] == fitted


def test_a_hosted_call_that_only_its_item_names() -> None:
    """Where it has no call id its output names the item, and where it has no id either, nothing."""
    asked = {"type": "computer_call", "id": "cu_1", "status": "completed", "action": {"type": "wait"}}
    output = {"type": "computer_call_output", "output": {"type": "computer_screenshot"}}
    turn = next_turn(responses(asked), "responses", [ToolResult("cu_1", output)])
    assert turn.items[-1]["call_id"] == "cu_1"
    with pytest.raises(UsageError):
        next_turn(responses({**asked, "id": None}), "responses", [ToolResult("cu_1", output)])


def test_approvals_that_the_response_holds_already() -> None:
    """A request with its answer in the same response wants none."""
    asked = {"type": "mcp_approval_request", "name": "rm", "server_label": "s", "arguments": "{}"}
    answer = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    response = responses({**asked, "id": "mcpr_1"}, answer, {**asked, "id": "mcpr_2"})
    turn = next_turn(response, "responses", approvals=[Approval("mcpr_2", True)])
    assert [item["approval_request_id"] for item in turn.items if item["type"] == answer["type"]] == [
        *("mcpr_1", "mcpr_2")
    ]
    with pytest.raises(UsageError):
        next_turn(response, "responses", approvals=[Approval("mcpr_1", True), Approval("mcpr_2", True)])


@pytest.mark.parametrize("source", ["responses", "gemini"])
def test_an_id_that_was_made_goes_back_to_others_than_gemini(source: str) -> None:
    """Where Gemini gave a call no id, its result has none; the ids of other APIs are theirs."""
    made = "call_0_synthesized"
    response = responses(call(made))
    if source == "gemini":
        body = gemini({"functionCall": {"name": "wave", "args": {"x": 1}}}, finishReason="STOP")
        response = parse(body, "gemini")
    assert [found.call_id for found in response.tool_calls] == [made]
    items = next_turn(response, "gemini", [ToolResult(made, "ok")]).items
    told = [part for item in items for part in item["parts"]]
    ids = [
        part[name].get("id") for part in told for name in ("functionCall", "functionResponse") if name in part
    ]
    assert ids == ([None, None] if source == "gemini" else [made, made])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("computer_call", "call_id"),
        ("local_shell_call", "id"),
        ("shell_call", "call_id"),
        ("apply_patch_call", "call_id"),
    ],
)
def test_a_hosted_call_that_nothing_names(kind: str, name: str) -> None:
    """Its id counts as an empty one."""
    response = responses({"type": kind, "status": "completed"})
    with pytest.raises(UsageError, match="the call '' has no result"):
        next_turn(response, "responses", [])
    last = next_turn(response, "responses", [ToolResult("", {"output": "x"})]).items[-1]
    assert last == {"type": f"{kind}_output", name: "", "output": "x"}


# ------------------------------------------------------------------------------------ the words, one by one

SHELL = {"type": "shell_call", "id": "sh_1", "call_id": "call_9", "status": "completed", "action": {}}
ASKED = {"type": "mcp_approval_request", "name": "rm", "server_label": "s", "arguments": "{}"}
NO_LUCK = {"status": "failed", "error": {"code": "server_error", "message": "x"}}
SERVICES = {
    "responses": "Responses API",
    "chat": "Chat Completions API",
    "anthropic": "Anthropic Messages API",
    "gemini": "Gemini API",
}
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@every_dialect
def test_calls_and_their_results_in_the_words_of_each_api(dialect: str) -> None:
    """The id, the name and the arguments of each call, and what came of it."""
    patch = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "patch", "input": "+a"}
    response = responses(call(), patch)
    results = [ToolResult("call_1", "one"), ToolResult("call_2", "two", is_error=True)]
    turn = next_turn(response, dialect, results)
    told: dict[str, list[Any]] = {
        "responses": [
            call(),
            patch,
            {"type": "function_call_output", "call_id": "call_1", "output": "one"},
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": "two"},
        ],
        "chat": [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "wave", "arguments": '{"x":1}'},
                    },
                    {"id": "call_2", "type": "custom", "custom": {"name": "patch", "input": "+a"}},
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "one"},
            {"role": "tool", "tool_call_id": "call_2", "content": "two"},
        ],
        "anthropic": [
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "call_1", "name": "wave", "input": {"x": 1}},
                    {"type": "tool_use", "id": "call_2", "name": "patch", "input": {"input": "+a"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "one"},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": "two", "is_error": True},
                ],
            },
        ],
        "gemini": [
            {
                "role": "model",
                "parts": [
                    {"functionCall": {"id": "call_1", "name": "wave", "args": {"x": 1}}},
                    {"functionCall": {"id": "call_2", "name": "patch", "args": {"input": "+a"}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {
                        "functionResponse": {
                            "id": "call_1",
                            "name": "wave",
                            "response": {"output": "one"},
                        }
                    },
                    {
                        "functionResponse": {
                            "id": "call_2",
                            "name": "patch",
                            "response": {"error": "two"},
                        }
                    },
                ],
            },
        ],
    }
    assert list(turn.items) == told[dialect]
    paths = [loss.path for loss in turn.losses if loss.code == "error_flag_not_supported"]
    assert paths == (["results (call_2).is_error"] if dialect in ("responses", "chat") else [])


@every_dialect
def test_a_call_without_an_id_and_its_result_get_the_same_one(dialect: str) -> None:
    """Its result names it by an empty one."""
    response = responses({**call(), "call_id": None})
    with pytest.raises(UsageError, match=r"^the call '' has no result$"):
        next_turn(response, dialect)
    said_so, answer = next_turn(response, dialect, [ToolResult("", "ok")]).items
    ident = {"chat": "tool_call_id", "anthropic": "tool_use_id", "responses": "call_id"}.get(dialect)
    if ident is None:
        assert '"id"' not in json.dumps([said_so, answer])
    else:
        [made] = re.findall(f'"{ident}": "([a-z0-9_]+)"', json.dumps(answer))
        assert re.fullmatch("(call|toolu)_[0-9a-f]{32}", made)
        assert dialect == "responses" or made in json.dumps(said_so)


@every_dialect
def test_a_call_that_somebody_made_without_arguments(dialect: str) -> None:
    """It goes as one of an empty object."""
    [made] = responses(call()).output
    assert isinstance(made, FunctionCall)
    made = attrs.evolve(made, arguments="")
    response = Response("r", "m", "completed", Outcome.COMPLETED, (made,), None, None, None, "tool_calls", {})
    told = json.dumps(next_turn(response, dialect, [ToolResult("call_1", "ok")]).items[0])
    empty = {"responses": '"arguments": "{}"', "chat": '"arguments": "{}"', "anthropic": '"input": {}'}
    assert empty.get(dialect, '"args": {}') in told


@every_dialect
def test_what_is_lost_of_a_call_that_had_not_come_whole(dialect: str) -> None:
    """It is named by its place and its id."""
    response = responses(said("Hi"), call(arguments='{"x":'), status="incomplete")
    [loss] = next_turn(response, dialect).losses
    words = "output[1] (call_1)", "output[1] (call_1): the call had not come whole"
    assert (loss.code, loss.path, loss.message) == ("call_not_whole", *words)
    assert next_turn(response, dialect, answers_only=True).items == ()


@every_dialect
def test_a_refusal_that_gives_no_reason(dialect: str) -> None:
    """A plain one is given; what the caller says came of the call goes before it."""
    refused = [Approval("call_1", False)]
    told = json.dumps(next_turn(responses(call()), dialect, approvals=refused).items[-1])
    assert '"The user did not allow this call."' in told
    done = [ToolResult("call_1", "done")]
    told = json.dumps(next_turn(responses(call()), dialect, done, refused).items[-1])
    assert '"done"' in told
    assert "allow" not in told
    with pytest.raises(UsageError, match=r"^the call 'call_1' has no result$"):
        next_turn(responses(call()), dialect, approvals=[Approval("call_1", True)])


@every_dialect
def test_approvals_in_the_words_of_each_api(dialect: str) -> None:
    """The Responses API has them, in the order of their requests; each of the others loses each."""
    response = responses({**ASKED, "id": "one"}, {**ASKED, "id": "two"}, ASKED)
    answers = [Approval("two", False), Approval("one", True, "Go.")]
    turn = next_turn(response, dialect, approvals=answers, answers_only=True)
    if dialect == "responses":
        assert turn.items == (
            {
                "type": "mcp_approval_response",
                "approval_request_id": "one",
                "approve": True,
                "reason": "Go.",
            },
            {"type": "mcp_approval_response", "approval_request_id": "two", "approve": False},
        )
        assert turn.losses == ()
    else:
        assert turn.items == ()
        assert [(loss.code, loss.path, loss.message) for loss in turn.losses] == [
            (
                "content_not_supported",
                f"approvals ({ident})",
                f"approvals ({ident}): the {SERVICES[dialect]} has no MCP approvals",
            )
            for ident in ("one", "two")
        ]


def test_the_answers_after_a_failure_are_those_that_were_given() -> None:
    """Calls and requests without one are passed over, wherever they stand."""
    response = responses(call("call_1"), call("call_2"), SHELL, {**SHELL, "call_id": "call_8"}, **NO_LUCK)
    results = [ToolResult("call_2", "two"), ToolResult("call_8", {"output": []})]
    assert next_turn(response, "responses", results).items == (
        {"type": "function_call_output", "call_id": "call_2", "output": "two"},
        {"type": "shell_call_output", "call_id": "call_8", "output": []},
    )
    response = responses({**ASKED, "id": "one"}, {**ASKED, "id": "two"}, call(), call(), **NO_LUCK)
    turn = next_turn(response, "responses", [ToolResult("call_1", "x")], [Approval("two", True)])
    assert turn.items[-1] == {
        "type": "mcp_approval_response",
        "approval_request_id": "two",
        "approve": True,
    }


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ([SHELL], ["call_9"]),
        ([SHELL, {"type": "shell_call_output", "call_id": "call_9", "output": []}], []),
        ([SHELL, {"type": "shell_call_output", "call_id": "call_8", "output": []}], ["call_9"]),
        ([SHELL, {"type": "apply_patch_call_output", "call_id": "call_9", "output": ""}], ["call_9"]),
        ([{**SHELL, "status": "in_progress"}], []),
        ([{**SHELL, "status": "incomplete"}], ["call_9"]),
        ([{**SHELL, "type": "web_search_call"}], []),
        ([SHELL, {**SHELL, "call_id": "call_8"}], ["call_9", "call_8"]),
    ],
)
def test_which_hosted_calls_want_an_output(output: list[Any], wanted: list[str]) -> None:
    """Those of the caller's that have come whole and whose own output is not there."""
    response = responses(*output)
    missing = list(wanted)
    given: list[ToolResult] = []
    while missing:
        with pytest.raises(UsageError, match=f"^the call '{missing[0]}' has no result$"):
            next_turn(response, "responses", given)
        given.append(ToolResult(missing.pop(0), {"output": []}))
    items = next_turn(response, "responses", given, answers_only=True).items
    assert [item["call_id"] for item in items] == wanted


@every_dialect
def test_the_outputs_of_hosted_calls(dialect: str) -> None:
    """An object with the type of the call's output, or without one; no other API has them."""
    output = {"type": "shell_call_output", "output": [{"outcome": {"type": "exit"}}]}
    for given in (output, {"output": output["output"]}):
        turn = next_turn(responses(SHELL), dialect, [ToolResult("call_9", given)], answers_only=True)
        if dialect == "responses":
            assert turn.items == ({**output, "call_id": "call_9"},)
            turn.items[0]["output"][0]["outcome"].clear()
            assert output["output"] == [{"outcome": {"type": "exit"}}]
        else:
            assert turn.items == ()
            [loss] = turn.losses
            words = f"results (call_9): the {SERVICES[dialect]} has no shell_call_output"
            assert (loss.path, loss.message) == ("results (call_9)", words)
            assert loss.code == "content_not_supported"


@pytest.mark.parametrize("output", ["text", [], None, {"type": "computer_call_output"}])
def test_outputs_that_are_none_of_a_hosted_call(output: Any) -> None:
    """A text, a list, or the output of another kind of call."""
    words = "^the result of 'call_9' has to be an object of the type shell_call_output$"
    with pytest.raises(UsageError, match=words):
        next_turn(responses(SHELL), "responses", [ToolResult("call_9", output)])


@pytest.mark.parametrize(
    ("output", "results", "approvals", "words"),
    [
        (
            [call(), call(id="fc_2")],
            [],
            [],
            "the call 'call_1' was made twice: a result cannot name one of the two",
        ),
        (
            [call("call_9"), SHELL],
            [],
            [],
            "the call 'call_9' was made twice: a result cannot name one of the two",
        ),
        ([call(), call("call_2")], [ToolResult("call_1", "a")], [], "the call 'call_2' has no result"),
        ([call()], [ToolResult("call_7", "a")], [], "a result for 'call_7': no call has that id"),
        ([call()], [ToolResult("call_1", "a")] * 2, [], "the call 'call_1' has two results"),
        ([call()], [], [Approval("x", True)], "nothing asked for the approval 'x'"),
        ([call()], [], [Approval("call_1", False)] * 2, "there are two approvals 'call_1'"),
        ([{**ASKED, "id": "one"}], [], [], "the approval request 'one' has no approval"),
        (
            [{**ASKED, "id": "one"}],
            [ToolResult("one", "a")],
            [],
            "a result for 'one': no call has that id",
        ),
        (
            [SHELL],
            [ToolResult("sh_1", "a")],
            [],
            "a result for 'sh_1': no call has that id",
        ),
        (
            [{**SHELL, "status": "in_progress"}, SHELL, SHELL],
            [],
            [],
            "the call 'call_9' was made twice: a result cannot name one of the two",
        ),
        (
            [{**SHELL, "status": "in_progress"}],
            [ToolResult("call_9", "a")],
            [],
            "a result for 'call_9': that call has its output, or has not come whole",
        ),
        (
            [{**SHELL, "type": "web_search_call"}],
            [ToolResult("call_9", "a")],
            [],
            "a result for 'call_9': no call has that id",
        ),
        (
            [call("call_0"), call(arguments="{")],
            [ToolResult("call_1", "a")],
            [],
            "a result for 'call_1': that call had not come whole",
        ),
        (
            [call()],
            [ToolResult("call_1", {})],
            [],
            "the result of 'call_1' has to be a text or a list of parts",
        ),
        (
            [call()],
            [ToolResult("call_1", 5)],
            [],
            "the result of 'call_1' has to be a text or a list of parts",
        ),
        (
            [call()],
            [ToolResult("call_1", ["a", 5])],
            [],
            "results (call_1).output[1]: an object is expected, not int",
        ),
    ],
)
def test_each_fault_in_the_answers_has_words_of_its_own(
    output: list[Any], results: list[Any], approvals: list[Any], words: str
) -> None:
    """They name the call or the approval."""
    with pytest.raises(UsageError, match=f"^{re.escape(words)}$"):
        next_turn(responses(*output), "responses", results, approvals)


PARTS = [
    {"type": "input_text", "text": ""},
    {"type": "input_text", "text": "a"},
    "",
    "b",
    {"type": "hologram", "x": 1},
    {"type": "text", "text": "c"},
    {"type": "text", "text": "d", "z": 1},
    {"text": "e"},
]
"""Parts as a caller may give them: empty, known, and known to nobody."""


@pytest.mark.parametrize(
    ("dialect", "told"),
    [
        (
            "responses",
            [
                *({"type": "input_text", "text": text} for text in "ab"),
                PARTS[4],
                {"type": "input_text", "text": "c"},
                *PARTS[6:],
            ],
        ),
        ("chat", [*({"type": "text", "text": text} for text in "ab"), *PARTS[4:]]),
        ("anthropic", [*({"type": "text", "text": text} for text in "ab"), *PARTS[4:]]),
        ("gemini", {"response": {"output": "abce"}, "parts": [PARTS[4], PARTS[6]]}),
    ],
)
def test_results_in_parts_of_every_kind(dialect: str, told: Any) -> None:
    """Empty texts are left out; a part that only its API can know goes as it was given, and is copied."""
    given: Any = copy.deepcopy(PARTS)
    answer = next_turn(responses(call()), dialect, [ToolResult("call_1", given)]).items[-1]
    if dialect == "gemini":
        [part] = answer["parts"]
        assert part["functionResponse"].items() >= told.items()
    else:
        sent = answer["content"][0] if dialect == "anthropic" else answer
        assert sent["output" if dialect == "responses" else "content"] == told
    assert given == PARTS


@pytest.mark.parametrize("output", [[], ()])
def test_a_list_of_no_parts_is_no_empty_text(output: Any) -> None:
    """Where the API tells the two apart."""
    for dialect, name in (("responses", "output"), ("anthropic", "content")):
        answer = next_turn(responses(call()), dialect, [ToolResult("call_1", output)]).items[-1]
        assert (answer if dialect == "responses" else answer["content"][0])[name] == []


@pytest.mark.parametrize("dialect", DIALECTS[1:])
def test_why_each_thing_that_the_model_said_does_not_go_back(dialect: str) -> None:
    """Reasoning goes to its own API alone, and what no other API knows to none."""
    odd = {"type": "message", "role": "assistant", "content": [{"type": "hologram", "x": 1}]}
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    turn = next_turn(responses(THOUGHT, search, odd), dialect)
    assert turn.items == ()
    why = "reasoning goes back only to the API that it came from"
    assert [(loss.code, loss.path, loss.message) for loss in turn.losses] == [
        ("reasoning_not_supported", "output[0]", f"output[0]: {why}"),
        (
            "content_not_supported",
            "output[1]",
            f"output[1]: the {SERVICES[dialect]} takes no web_search_call there",
        ),
        (
            "content_not_supported",
            "output[2]",
            f"output[2]: the {SERVICES[dialect]} takes no hologram there",
        ),
    ]


@every_dialect
def test_signatures_that_are_made_up_change_no_other_api(dialect: str) -> None:
    """Only Gemini wants them."""
    results = [ToolResult("call_1", "ok")]
    plain = next_turn(responses(call()), dialect, results)
    asked = next_turn(responses(call()), dialect, results, placeholder_signatures=True)
    assert (asked == plain) is (dialect != "gemini")


def test_a_part_of_gemini_whose_text_is_none() -> None:
    """It goes as it was given, as any part that nobody knows."""
    given: Any = [{"text": 5}, {"text": "a", "x": 1}]
    [part] = next_turn(responses(call()), "gemini", [ToolResult("call_1", given)]).items[-1]["parts"]
    assert part["functionResponse"]["parts"] == given


def test_a_request_that_was_refused_answers_no_call() -> None:
    """Not even one that has its id."""
    response = responses({**ASKED, "id": "call_1"}, call())
    with pytest.raises(UsageError, match=r"^the call 'call_1' has no result$"):
        next_turn(response, "responses", approvals=[Approval("call_1", False)])
