"""The next turn: what a request appends to its conversation after a response.

What the model said goes back in its order, in the shape that the API wants it back, and then what answers it:
each call once, in the order of the calls. What may go back of a response that did not end well is said in
`takes_back()`, once for all APIs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from deltafold.dialects.conversion import Losses, object_at
from deltafold.encoding.requests import request_part
from deltafold.model.errors import UsageError
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Item,
    Message,
    OtherItem,
    OutputText,
    Reasoning,
    Refusal,
)
from deltafold.model.json_values import copied, string
from deltafold.model.losses import LossCode
from deltafold.model.requests import Approval, Block, InputMessage, ToolResult, Turn
from deltafold.model.response import Response
from deltafold.registry import part_of

__all__ = ["next_turn"]

JSON = dict[str, Any]
Call = FunctionCall | CustomToolCall

HOSTED: Final = {
    "computer_call": "computer_call_output",
    "local_shell_call": "local_shell_call_output",
    "shell_call": "shell_call_output",
    "apply_patch_call": "apply_patch_call_output",
}
"""Hosted calls that the caller runs, and the type of their output."""
REFUSED: Final = "The user did not allow this call."


def next_turn(
    response: Response,
    dialect: str,
    results: Iterable[ToolResult] = (),
    approvals: Iterable[Approval] = (),
    *,
    choice: int = 0,
    answers_only: bool = False,
    placeholder_signatures: bool = False,
) -> Turn:
    """What the next request of the API `dialect` appends to its conversation after `response`.

    First what the model said, with its reasoning where the API takes that back, then the results of its
    calls, in their order. A call that had not come whole is left out and wants no result; every other one
    wants exactly one. Of a response that failed nothing goes back but answers. `answers_only` leaves out what
    the model said: for a request with `previous_response_id`. `placeholder_signatures` gives a call that
    another API's model made the placeholder that Google's documents name, where it goes to Gemini: its newer
    models refuse calls without a thought signature.

    Raises `UsageError` with the id of a call that has no result or two, of a result or an approval that no
    call asked for, and of an approval that is missing.
    """
    writer = request_part(dialect)
    items = [(i, item) for i, item in enumerate(response.output) if (item.choice_index or 0) == choice]
    runnable = {id(call) for call in response.tool_calls}
    calls = [(i, item) for i, item in items if isinstance(item, Call) and id(item) in runnable]
    failed = response.outcome == "failed"
    answers = Answers(response, calls, hosted_calls(items), list(results), list(approvals), failed)
    losses = Losses(writer.API)
    for index, item in items:
        if isinstance(item, Call) and id(item) not in runnable:
            why = "the call had not come whole"
            losses.lose(LossCode.CALL_NOT_WHOLE, f"output[{index}] ({item.call_id})", why)
    said: list[JSON] = []
    own = response.dialect == dialect
    if not (answers_only or failed):
        if own:
            said = writer.response_turn(response, choice, frozenset(i for i, _ in calls), losses)
        else:
            said = writer.write_turn(said_of(items, runnable), losses)
            if placeholder_signatures and dialect == "gemini":
                writer.sign_calls(said)
    return Turn((*said, *answers.written(dialect, writer, losses)), tuple(losses.found))


def hosted_calls(items: list[tuple[int, Item]]) -> list[tuple[int, OtherItem]]:
    """The hosted calls that the caller has to run: those whose output is not there."""
    sent = {(item.type, string(item.data, "call_id")) for _, item in items}
    return [
        (index, item)
        for index, item in items
        if isinstance(item, OtherItem)
        and item.type in HOSTED
        and item.status != "in_progress"
        and (HOSTED[item.type], string(item.data, "call_id")) not in sent
    ]


class Answers:
    """The results and approvals, checked against the calls that they are for."""

    __slots__ = ("approvals", "calls", "hosted", "requests", "response", "results")

    def __init__(
        self,
        response: Response,
        calls: list[tuple[int, Call]],
        hosted: list[tuple[int, OtherItem]],
        results: list[ToolResult],
        approvals: list[Approval],
        failed: bool,
    ) -> None:
        self.response = response
        self.calls = calls
        self.hosted = hosted
        answered = {
            string(item.data, "approval_request_id")
            for item in response.output
            if item.type == "mcp_approval_response"
        }
        asked = (item.id for item in response.output if item.type == "mcp_approval_request")
        self.requests = dict.fromkeys(ident for ident in asked if ident is not None and ident not in answered)
        ids: dict[str, None] = {}
        made = [call.call_id or "" for _, call in calls] + [hosted_id(item) for _, item in hosted]
        for ident in made:
            if ident in ids and not failed:
                raise UsageError(f"the call {ident!r} was made twice: a result cannot name one of the two")
            ids[ident] = None
        self.approvals = self.take_approvals(approvals, ids)
        self.results = self.take_results(results, ids)
        self.refuse()
        if failed:
            return
        for ident in ids:
            if ident not in self.results:
                raise UsageError(f"the call {ident!r} has no result")
        for request in self.requests:
            if request not in self.approvals:
                raise UsageError(f"the approval request {request!r} has no approval")

    def take_approvals(self, approvals: list[Approval], ids: dict[str, None]) -> dict[str, Approval]:
        taken: dict[str, Approval] = {}
        for approval in approvals:
            ident = approval.approval_request_id
            if ident not in self.requests and ident not in ids:
                raise UsageError(f"nothing asked for the approval {ident!r}")
            if ident in taken:
                raise UsageError(f"there are two approvals {ident!r}")
            taken[ident] = approval
        return taken

    def take_results(self, results: list[ToolResult], ids: dict[str, None]) -> dict[str, ToolResult]:
        taken: dict[str, ToolResult] = {}
        for result in results:
            if result.call_id not in ids:
                raise UsageError(f"a result for {result.call_id!r}: {self.why_none(result.call_id)}")
            if result.call_id in taken:
                raise UsageError(f"the call {result.call_id!r} has two results")
            taken[result.call_id] = result
        return taken

    def why_none(self, ident: str) -> str:
        """Why a call takes no result."""
        for item in self.response.output:
            if isinstance(item, Call) and item.call_id == ident:
                runnable = any(item is call for call in self.response.tool_calls)
                return "that call is of another choice" if runnable else "that call had not come whole"
            if isinstance(item, OtherItem) and item.type in HOSTED and hosted_id(item) == ident:
                return "that call has its output, or has not come whole"
        return "no call has that id"

    def refuse(self) -> None:
        """A call that was refused and has no result gets one that says so."""
        for ident, approval in self.approvals.items():
            if not approval.approve and ident not in self.requests and ident not in self.results:
                self.results[ident] = ToolResult(ident, approval.reason or REFUSED, True)

    def written(self, dialect: str, writer: Any, losses: Losses) -> list[JSON]:
        """All of it in the words of an API."""
        blocks = []
        legacy: list[JSON] = []
        own = self.response.dialect
        legacy_ids = {choice.legacy_call_id for choice in self.response.choices} - {None}
        for index, call in self.calls:
            result = self.results.get(call.call_id or "")
            if result is None:
                continue
            block = result_block(result, index, call, dialect)
            if dialect == own == "gemini" and part_of(dialect, "document").is_made_id(call.call_id, index):
                block.id = ""
            if dialect == "chat" and call.call_id in legacy_ids:
                legacy.append(writer.result_of_legacy_call(block, losses))
            else:
                blocks.append(block)
        message = InputMessage("tool", blocks, "results")
        made: list[JSON] = [*legacy, *writer.write_turn([message], losses)]
        for _, item in self.hosted:
            result = self.results.get(hosted_id(item))
            if result is not None:
                made += hosted_output(item, result, dialect, losses)
        for ident in self.requests:
            approval = self.approvals.get(ident)
            if approval is None:
                continue
            if dialect != "responses":
                path = f"approvals ({ident})"
                losses.lose(LossCode.CONTENT_NOT_SUPPORTED, path, f"the {writer.API} has no MCP approvals")
                continue
            said: JSON = {
                "type": "mcp_approval_response",
                "approval_request_id": ident,
                "approve": approval.approve,
            }
            made.append(said if approval.reason is None else {**said, "reason": approval.reason})
        return made


def hosted_id(item: OtherItem) -> str:
    """What the output of a hosted call has to name."""
    return string(item.data, "call_id") or item.id or ""


def hosted_output(item: OtherItem, result: ToolResult, dialect: str, losses: Losses) -> list[JSON]:
    ident = hosted_id(item)
    kind = HOSTED[item.type]
    if dialect != "responses":
        losses.lose(LossCode.CONTENT_NOT_SUPPORTED, f"results ({ident})", f"the {losses.api} has no {kind}")
        return []
    output = result.output
    if not isinstance(output, dict) or output.get("type", kind) != kind:
        raise UsageError(f"the result of {ident!r} has to be an object of the type {kind}")
    name = "id" if kind == "local_shell_call_output" else "call_id"
    return [{"type": kind, name: ident, **copied(output)}]


def result_block(result: ToolResult, index: int, call: Call, dialect: str) -> Block:
    """A result in the neutral form."""
    path = f"results ({result.call_id})"
    output = copied(result.output)
    if isinstance(output, dict) or not isinstance(output, (str, list, tuple)):
        raise UsageError(f"the result of {result.call_id!r} has to be a text or a list of parts")
    content = []
    for number, part in enumerate([output] if isinstance(output, str) else output):
        where = f"{path}.output[{number}]"
        if isinstance(part, str):
            content.append(Block("text", where, part))
            continue
        block = part_of("responses", "request").read_part(object_at(part, where), where)
        if dialect == "gemini" and part.keys() == {"text"} and isinstance(part["text"], str):
            block = Block("text", where, part["text"])
        if block.kind == "other" or (part.get("type") == "text" and len(part) > 2):
            block = Block("other", where, type=block.type, dialect=dialect, own=part)
        content.append(block)
    return Block(
        "result",
        path,
        id=call.call_id or "",
        name=call.name,
        custom=isinstance(call, CustomToolCall),
        content=content,
        is_error=result.is_error,
        is_empty_list=output == [] or output == (),
    )


def said_of(items: list[tuple[int, Item]], runnable: set[int]) -> list[InputMessage]:
    """What the model said, in the neutral form."""
    blocks: list[Block] = []
    for index, item in items:
        path = f"output[{index}]"
        if isinstance(item, Message):
            for part in item.content:
                if isinstance(part, OutputText):
                    blocks.append(Block("text", path, part.text))
                elif isinstance(part, Refusal):
                    blocks.append(Block("refusal", path, part.refusal))
                else:
                    blocks.append(Block("other", path, type=part.type))
        elif isinstance(item, Call):
            if id(item) in runnable:
                custom = isinstance(item, CustomToolCall)
                text = item.input if isinstance(item, CustomToolCall) else item.arguments or "{}"
                ident = item.call_id or ""
                blocks.append(Block("call", path, text, ident, path, item.name, custom))
        else:
            kind = "reasoning" if isinstance(item, Reasoning) else "other"
            blocks.append(Block(kind, path, type=item.type))
    return [InputMessage("assistant", blocks, "output")]
