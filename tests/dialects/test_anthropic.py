"""The Anthropic dialect, payload by payload."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold import (
    FunctionCall,
    Lift,
    LimitExceeded,
    Limits,
    Message,
    Outcome,
    Reasoning,
    ResponseParser,
    WireError,
    parse,
)
from deltafold.dialects.anthropic import table
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.testing import StreamBuilder
from deltafold.testing import anthropic as a
from deltafold.testing.strategies import streams
from runs import Run, play, read, resumed
from runs import frames as framed
from runs import run as run_any

C = AnomalyCode
START = a.message_start()
END = (a.message_delta(), a.message_stop())
TEXT = a.block(a.text(), a.said("High "), a.said("water."))


def run(*payloads: Any, **options: Any) -> Run:
    """Feeds payloads of Anthropic; lists of them are taken apart."""
    return run_any(*flat(payloads), dialect="anthropic", **options)


def flat(payloads: Iterable[Any]) -> list[Any]:
    """Payloads, those in lists among them."""
    return [one for some in payloads for one in (some if isinstance(some, list) else [some])]


def whole(*payloads: Any, stop: str | None = "end_turn", **options: Any) -> Run:
    """A message with these events between its beginning and its end."""
    return run(START, *payloads, a.message_delta(stop), a.message_stop(), **options)


def call(*pieces: str, index: int = 0, **fields: Any) -> list[Any]:
    """A whole call with its input in pieces."""
    return a.block(a.tool_use(**fields), *(a.fragment(piece) for piece in pieces), index=index)


def calls(found: Run) -> list[tuple[str | None, str, str, bool]]:
    """The function calls of a run."""
    items = [item for item in found.response.output if isinstance(item, FunctionCall)]
    return [(item.call_id, item.name, item.arguments, item.complete) for item in items]


def of(found: Run, kind: type) -> list[Any]:
    """The events of a class."""
    return [event for event in found.events if isinstance(event, kind)]


def blocks(found: Run) -> Any:
    """The blocks of the message that was told."""
    return found.response.to_anthropic_message()["content"]


# ---------------------------------------------------------------------------------------------- the blocks


def test_each_block_is_one_item() -> None:
    """In the order in which they begin, with nothing joined and nothing trimmed."""
    found = whole(
        a.block(a.thinking(), a.thought(" Hm"), a.thought("m. "), a.signature("one")),
        a.block(a.thinking(), a.signature("two"), index=1),
        a.block(a.text(), a.said("Yes"), a.said(". "), index=2),
        a.block(a.text(), index=3),
        a.block(a.redacted_thinking("sealed"), index=4),
        call('{"a":', "1}", index=5),
        stop="tool_use",
    )
    assert found.codes == []
    assert found.texts(e.ReasoningDelta) == [" Hm", "m. "]
    assert found.texts(e.TextDelta) == ["Yes", ". "]
    kinds = ["reasoning", "reasoning", "message", "message", "reasoning", "function_call"]
    assert [item.type for item in found.response.output] == kinds
    secrets = [item.encrypted_content for item in found.response.output if isinstance(item, Reasoning)]
    assert secrets == ["one", "two", "sealed"]
    assert blocks(found) == [
        {"type": "thinking", "thinking": " Hmm. ", "signature": "one"},
        {"type": "thinking", "thinking": "", "signature": "two"},
        {"type": "text", "text": "Yes. "},
        {"type": "text", "text": ""},
        {"type": "redacted_thinking", "data": "sealed"},
        {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {"a": 1}},
    ]
    assert found.response.finish_reason == "tool_calls"


def test_what_a_block_begins_with_counts() -> None:
    """Its text is handed out, its signature kept, and told again that is not doubled."""
    found = whole(
        a.block(a.thinking("Hm", signature="s"), a.thought("m"), a.signature("s")),
        a.block(a.text("So", citations=[{"type": "x"}]), a.said("."), index=1),
    )
    assert (found.response.reasoning_text, found.response.output_text) == ("Hmm", "So.")
    assert blocks(found)[0]["signature"] == "s"
    assert blocks(found)[1]["citations"] == [{"type": "x"}]


def test_a_later_signature_replaces() -> None:
    """The last one is that of the whole block, be it that it comes behind its end."""
    found = whole(a.block(a.thinking(), a.signature("a"), a.signature("b")), a.signature("c"))
    assert blocks(found) == [{"type": "thinking", "thinking": "", "signature": "c"}]
    assert blocks(whole(a.block(a.thinking(signature="a"), a.signature("")))) == [
        {"type": "thinking", "thinking": "", "signature": "a"}
    ]


def test_thinking_that_is_cut_is_not_finished() -> None:
    """Its signature is there, and its item says that it is not whole."""
    found = run(START, a.begin(a.thinking()), a.thought("I will"), a.signature("s"))
    (item,) = found.response.output
    assert isinstance(item, Reasoning)
    assert (item.status, item.encrypted_content) == ("in_progress", "s")
    assert found.response.outcome is Outcome.TRUNCATED


def test_blocks_of_other_types_stay_whole() -> None:
    """Results come as they are, and so does what nobody knows yet; its deltas are events of their own."""
    result = {"type": "web_search_tool_result", "tool_use_id": "x", "content": [{"type": "r", "url": "u"}]}
    scan = {"type": "scan", "status": "odd", "role": 1, "summary": [{"text": "s"}], "block": {"summary": 1}}
    found = whole(a.block(result), a.block(scan, a.delta("scan_delta", points=[1]), index=1))
    assert blocks(found) == [result, scan]
    assert [item.type for item in found.response.output] == ["web_search_tool_result", "scan"]
    assert [event.type for event in of(found, e.UnknownEvent)] == ["content_block_delta"]
    assert found.codes == []


@pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use", "new_tool_use"])
def test_calls_of_the_server(kind: str) -> None:
    """What is streamed into them is handed out as it comes, and their input is the value of it."""
    told = {"type": kind, "id": "srvtoolu_1", "name": "f", "input": {}, "arguments": 7}
    found = whole(a.block(told, a.fragment(""), a.fragment('{"q":'), a.fragment('"x"}')))
    assert found.texts(e.ArgumentsDelta) == ['{"q":', '"x"}']
    assert blocks(found) == [{**told, "input": {"q": "x"}}]
    (item,) = found.response.output
    assert (item.data["input"], item.data["arguments"]) == ({"q": "x"}, '{"q":"x"}')
    cut = run(START, a.begin(told), a.fragment('{"q":'))
    assert blocks(cut) == [told]
    assert cut.response.output[0].data["arguments"] == '{"q":'
    given = whole(a.block({**told, "input": {"q": 1}}))
    assert blocks(given) == [{**told, "input": {"q": 1}}]
    assert given.response.verdict.hosted_tool_ran


@pytest.mark.parametrize(
    "text", ['{"q":', "[" * 5000, '{"a":NaN}', "1" * 5000, '{"a":1e999}', "[" * 70 + "]" * 70, '{"a":1} x']
)
def test_an_input_that_is_no_value_stays_text(text: str) -> None:
    """It may be cut, invalid, too deep, or beyond what JSON can hold: what the block began with stands."""
    found = whole(a.block(a.server_tool_use(), a.fragment(text)), call(text, index=1))
    assert [block["input"] for block in blocks(found)] == [{}, {}]
    assert found.response.output[0].data["arguments"] == text
    assert calls(found)[0][2] == text
    json.dumps(found.response.to_anthropic_message(), allow_nan=False)


def test_half_a_pair_in_an_input() -> None:
    """The text stays as it came; the value has a UTF-8 form."""
    found = whole(call('{"a":"\\ud83c"}'))
    assert calls(found)[0][2:] == ('{"a":"\\ud83c"}', True)
    assert blocks(found)[0]["input"] == {"a": "\ufffd"}


def test_citations() -> None:
    """Before, between and behind the text, and behind the end of the block."""
    found = whole(
        a.block(a.text(), a.citation(file_id="1"), a.said("a"), a.citation(file_id="2")),
        a.citation(file_id="3"),
    )
    (item,) = found.response.output
    assert isinstance(item, Message)
    part: Any = item.content[0]
    assert [entry["file_id"] for entry in part.annotations] == ["1", "2", "3"]
    assert blocks(found)[0]["citations"] == list(part.annotations)
    assert [event.annotation_index for event in of(found, e.AnnotationAdded)] == [0, 1, 2]


def test_compaction() -> None:
    """The last value counts; a null beside one erases nothing, and by itself it says that it failed."""
    pieces = [
        a.delta("compaction_delta", content="a", encrypted_content="e"),
        a.delta("compaction_delta", content="ab", encrypted_content=None),
    ]
    found = whole(a.block({"type": "compaction", "content": None}, *pieces))
    assert blocks(found) == [{"type": "compaction", "content": "ab", "encrypted_content": "e"}]
    assert found.response.output_text == ""
    failed = a.block({"type": "compaction", "content": None}, a.delta("compaction_delta", content=None))
    assert blocks(whole(failed)) == [{"type": "compaction", "content": None}]
    told = a.block({"type": "compaction", "content": "x"}, a.delta("compaction_delta", content=None))
    assert blocks(whole(told)) == [{"type": "compaction", "content": "x"}]


def test_a_fallback_names_the_model() -> None:
    """What goes on is another model's; an odd block changes nothing."""
    block = {"type": "fallback", "from": {"model": "m"}, "to": {"model": "claude-haiku"}}
    found = whole(a.block(block), a.block({"type": "fallback", "to": 5}, index=1))
    assert found.response.model == found.response.to_anthropic_message()["model"] == "claude-haiku"
    assert not found.response.verdict.hosted_tool_ran


def test_hidden_thinking_counts_tokens() -> None:
    """That is progress to be shown, and no text."""
    found = whole(a.block(a.thinking(), a.thought("", estimated_tokens=64), a.signature()))
    assert [event.payload["estimated_tokens"] for event in of(found, e.Notice)] == [64]
    assert of(found, e.ReasoningDelta) == []


# ----------------------------------------------------------------------------------------------- the calls


@pytest.mark.parametrize("start", [{}, None, "missing", "", []])
@pytest.mark.parametrize("pieces", [(), ("",)])
def test_a_call_without_arguments(start: Any, pieces: tuple[str, ...]) -> None:
    """It has none, so they are `{}`, which is told when the call ends."""
    told = a.tool_use(input=start)
    if start == "missing":
        del told["input"]
    found = whole(a.block(told, *map(a.fragment, pieces)), stop="tool_use")
    assert calls(found) == [("toolu_01", "get_weather", "{}", True)]
    assert found.texts(e.ArgumentsDelta) == ["{}"]
    cut = run(START, a.begin(told), *map(a.fragment, pieces))
    assert calls(cut) == [("toolu_01", "get_weather", "", False)]


def test_an_input_at_the_start() -> None:
    """It counts where nothing is streamed, and only there."""
    found = whole(
        call(input={"a": "ø", "b": [1]}),
        call('{"c"', ":2}", index=1, ident="t2", input={"a": 1}),
        stop="tool_use",
    )
    assert [arguments for _, _, arguments, _ in calls(found)] == ['{"a":"ø","b":[1]}', '{"c":2}']
    assert all(complete for *_, complete in calls(found))


def test_a_limit_cuts_a_call() -> None:
    """Behind its arguments or before them: a call that was cut is not to be run."""
    for payloads in (
        [a.begin(a.tool_use()), a.fragment('{"a":1}')],
        [a.begin(a.tool_use())],
        call(),
        call(""),
    ):
        found = run(START, payloads, a.message_delta("max_tokens"), a.message_stop())
        assert found.response.outcome is Outcome.INCOMPLETE
        assert found.response.tool_calls == ()
        assert found.response.finish_reason == "length"
    kept = run(
        START, call('{"a":1}'), a.block(a.text(), index=1), a.message_delta("max_tokens"), a.message_stop()
    )
    assert len(kept.response.tool_calls) == 1


def test_a_message_that_ends_closes_its_blocks() -> None:
    """A call whose JSON is whole is complete then."""
    found = whole(a.begin(a.tool_use()), a.fragment('{"a":1}'), stop="tool_use")
    assert calls(found)[0][3] is True
    assert C.BLOCK_NOT_ENDED in found.codes


def test_ids_are_made_and_not_told() -> None:
    """A missing, an odd and a second id: each call can be answered, and the message says what was told."""
    found = whole(
        call("{}", ident=""),
        call("{}", ident=5, index=1),
        call("{}", ident="x", index=2),
        call("{}", ident="x", index=3),
        stop="tool_use",
    )
    made = [ident for ident, *_ in calls(found)]
    assert made == ["call_0_synthesized", "call_1_synthesized", "x", "call_3_synthesized"]
    assert [block["id"] for block in blocks(found)] == ["", 5, "x", "x"]
    assert set(found.codes) == {C.CALL_ID_MISSING, C.CALL_ID_REPEATED}


def test_deltas_of_no_type() -> None:
    """What they hold tells what they are; else they come as they stand."""
    bare = {"type": "content_block_delta", "index": 0, "delta": {"glow": 1}}
    found = whole(a.block(a.text()), bare)
    assert of(found, e.UnknownEvent) == [e.UnknownEvent("content_block_delta", bare)]
    strays = whole(TEXT, a.thought("Hm"), a.end())
    assert strays.response.reasoning_text == "Hm"
    assert strays.codes == [C.DELTA_MISFITS]


def test_a_nameless_call() -> None:
    """It is a call all the same."""
    found = whole(call("{}", name=None), stop="tool_use")
    assert calls(found) == [("toolu_01", "", "{}", True)]
    assert C.CALL_NAME_MISSING in found.codes
    assert blocks(found)[0]["name"] is None


def test_approvals_and_partial_arguments() -> None:
    """A call that needs approval says so, and what is known of its arguments can be read while it grows."""
    found = run(
        START, a.begin(a.tool_use("rm")), a.fragment('{"path":"a'), end="none", approval_required={"rm"}
    )
    item: Any = found.response.output[0]
    assert item.needs_approval
    assert not item.complete
    assert found.response.requires_action == (item,)


@pytest.mark.parametrize("remove", [False, True])
def test_lifts(remove: bool) -> None:
    """A declared string comes as text; a call of which all is taken out has an empty object."""
    lift = Lift(("say",), "text", "get_weather", remove=remove)
    found = whole(call('{"s', 'ay":"H', 'i"}'), call(input={"say": "Ho"}, ident="t2", index=1), lifts=[lift])
    assert [lifted.text for lifted in found.response.lifted] == ["Hi", "Ho"]
    kept = ["{}", "{}"] if remove else ['{"say":"Hi"}', '{"say":"Ho"}']
    assert [arguments for _, _, arguments, _ in calls(found)] == kept
    assert all(complete for *_, complete in calls(found))


def test_halves_of_pairs_meet() -> None:
    """In text, thinking and input; one that stays alone becomes U+FFFD."""
    found = whole(
        a.block(a.text(), a.said("a\ud83c"), a.said("\udf0a"), a.said("\ud83c")),
        a.block(a.thinking(), a.thought("\ud83c"), a.thought("\udf0a"), index=1),
        call('{"a":"\ud83c', '\udf0a"}', index=2),
        a.block(a.server_tool_use(), a.fragment("\ud83c"), index=3),
    )
    assert found.response.output_text == "a🌊\ufffd"
    assert found.response.reasoning_text == "🌊"
    assert calls(found)[0][2:] == ('{"a":"🌊"}', True)
    assert found.response.output[3].data["arguments"] == "\ufffd"


# --------------------------------------------------------------------------------------- order of the blocks


def test_content_of_the_message_comes_first() -> None:
    """Blocks that it begins with are items, and its stop reason counts where it stops."""
    found = run(
        a.message_start(a.text("a"), a.tool_use(input={"n": 6}), stop_reason="tool_use"), a.message_stop()
    )
    assert found.response.output_text == "a"
    assert calls(found) == [("toolu_01", "get_weather", '{"n":6}', True)]
    assert (found.response.outcome, found.response.finish_reason) == (Outcome.COMPLETED, "tool_calls")
    for index in (0, 1):
        more = run(a.message_start(a.text("a")), a.block(a.text(), a.said("b"), index=index), *END)
        assert (more.response.output_text, more.codes) == ("ab", [])


def test_blocks_that_are_open_at_once() -> None:
    """Their indexes tell them apart."""
    found = whole(
        a.begin(a.text(), 0), a.begin(a.text(), 1), a.said("b", 1), a.said("a", 0), a.end(0), a.end(1)
    )
    assert [block["text"] for block in blocks(found)] == ["a", "b"]
    assert found.codes == [C.BLOCK_OUT_OF_ORDER]


def test_an_index_that_is_used_again() -> None:
    """The block that is open ends, and so does what had not fitted it."""
    found = whole(a.begin(a.text()), a.thought("Hm"), a.said("a"), a.begin(a.text()), a.said("b"), a.end())
    assert [block.get("text") for block in blocks(found)] == ["a", None, "b"]
    assert found.response.reasoning_text == "Hm"
    assert C.INDEX_REUSED in found.codes
    assert C.BLOCK_NOT_ENDED not in found.codes


@pytest.mark.parametrize("index", [None, -1, "first", True])
def test_events_without_an_index(index: Any) -> None:
    """They are about the block that began last."""
    found = whole(
        a.begin(a.text(), index),
        a.said("a", index),
        a.end(index),
        a.begin(a.text(), index),
        a.said("b", index),
    )
    assert [block["text"] for block in blocks(found)] == ["a", "b"]
    assert C.INDEX_MISSING in found.codes


@pytest.mark.parametrize("first", ["0", 0.0])
def test_indexes_however_they_are_written(first: Any) -> None:
    """ "1" and 1.0 are the index 1: blocks that are open at once are told apart."""
    second = type(first)(1)
    found = whole(
        a.begin(a.tool_use(id="x"), first),
        a.begin(a.tool_use(id="y"), second),
        a.fragment('{"n":1}', first),
        a.fragment('{"n":2}', second),
        stop="tool_use",
    )
    assert [call.arguments for call in found.response.tool_calls] == ['{"n":1}', '{"n":2}']
    assert C.INVALID_FIELD in found.codes


@pytest.mark.parametrize("piece", [{"a": 1}, [1], 7, True])
def test_input_that_is_no_text(piece: Any) -> None:
    """An object or array is written as text; of a call that got anything else nothing is made up."""
    delta = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "input_json_delta", "partial_json": piece},
    }
    found = whole(a.begin(a.tool_use()), delta, a.end(), stop="tool_use")
    if isinstance(piece, (dict, list)):
        assert [call.arguments for call in found.response.tool_calls] == [json.dumps(piece).replace(" ", "")]
        assert found.codes == [C.ARGUMENTS_NOT_TEXT]
    else:
        assert found.response.tool_calls == ()
        assert found.response.outcome is Outcome.COMPLETED
        assert found.codes == [C.INVALID_FIELD]


def test_input_that_has_no_place() -> None:
    """A call into which nothing was streamed is not told to be without arguments where some came astray."""
    astray = a.fragment('{"a":1}', 7)
    for ending in ([a.end()], []):
        found = whole(a.begin(a.tool_use()), astray, *ending, stop="tool_use")
        assert found.response.tool_calls == ()
        assert C.DELTA_MISFITS in found.codes
    late = whole(a.begin(a.tool_use()), a.end(), a.fragment('{"a":1}'), a.fragment("x"), stop="tool_use")
    assert late.response.tool_calls == ()
    assert late.names().count("ItemUpdated") == 1
    for sure in (
        [a.begin(a.tool_use()), a.fragment("{}"), astray, a.end()],
        [*a.block(a.tool_use()), astray],
    ):
        assert len(whole(*sure, stop="tool_use").response.tool_calls) == 1
    given = whole(a.begin(a.tool_use(input={"b": 1})), astray, a.end(), stop="tool_use")
    assert [call.arguments for call in given.response.tool_calls] == ['{"b":1}']


def test_input_before_its_block() -> None:
    """What begins afterwards and gets none is not known to be without arguments."""
    early = a.fragment('{"a":1}', 1)
    found = whole(early, *call(index=0, id="toolu_0"), *call(index=1), *call("{}", index=2, id="toolu_2"))
    assert [call.call_id for call in found.response.tool_calls] == ["toolu_2"]
    assert [status for _, _, _, status in calls(found)] == [False, False, True]


@pytest.mark.parametrize("block", [a.tool_use(), a.server_tool_use()])
def test_a_call_that_is_announced_twice(block: dict[str, Any]) -> None:
    """It is one call, by its id; another id under the same index is another call."""
    again = whole(
        a.begin(block), a.begin(block), a.fragment('{"a":'), a.begin(block), a.fragment("1}"), a.end()
    )
    assert again.codes == [C.ANNOUNCED_TWICE]
    assert [item["arguments"] for item in again.output()] == ['{"a":1}']
    other = whole(a.begin(block), a.begin({**block, "id": "other"}), a.fragment("{}"), a.end())
    assert other.codes == [C.INDEX_REUSED]
    assert len(other.output()) == 2


def test_blocks_without_a_type() -> None:
    """What they have says what they are."""
    found = whole(
        *a.block({"text": "Hi"}),
        *a.block({"thinking": "Hm"}, index=1),
        *a.block({"id": "x", "name": "f", "input": {}}, index=2),
        *a.block({"other": 1}, index=3),
    )
    assert [item.type for item in found.response.output] == ["message", "reasoning", "function_call", ""]
    assert (found.response.output_text, found.response.reasoning_text) == ("Hi", "Hm")


def test_content_that_is_a_text() -> None:
    """The content of a whole message may be its text."""
    message = {"type": "message", "role": "assistant", "content": "Hi", "stop_reason": "end_turn"}
    found = run(message)
    assert found.response.output_text == "Hi"
    assert found.codes == [C.INVALID_FIELD]


def test_the_gravest_stop_reason_counts() -> None:
    """A limit that was told is not undone by a good end behind it."""
    for first, second, reason in (
        ("max_tokens", "end_turn", "length"),
        ("end_turn", "max_tokens", "length"),
        ("refusal", "max_tokens", "length"),
        ("max_tokens", "zzz", "length"),
    ):
        found = run(START, TEXT, a.message_delta(first), a.message_delta(second), a.message_stop())
        assert found.response.outcome is Outcome.INCOMPLETE
        assert found.response.finish_reason == reason
        assert found.response.to_anthropic_message()["stop_reason"] == found.response.incomplete_reason


def test_deltas_that_do_not_fit() -> None:
    """Text stays text, thinking stays thinking, and no call is altered."""
    found = whole(
        a.begin(a.tool_use()),
        a.said("Aye"),
        a.thought("Hm"),
        a.fragment("{}"),
        a.citation(),
        a.signature(),
        a.said("."),
        a.end(),
        stop="tool_use",
    )
    assert calls(found) == [("toolu_01", "get_weather", "{}", True)]
    assert (found.response.output_text, found.response.reasoning_text) == ("Aye.", "Hm")
    assert C.DELTA_MISFITS in found.codes
    assert len(of(found, e.UnknownEvent)) == 1


@pytest.mark.parametrize("told", [a.text(), a.thinking(), a.redacted_thinking(), {"type": "scan"}, None])
def test_an_input_that_belongs_to_no_call(told: Any) -> None:
    """It is an event that comes as it stands."""
    found = whole(
        *([] if told is None else [a.begin(told)]), a.fragment('{"a":1}'), *([a.end()] if told else [])
    )
    assert of(found, e.ArgumentsDelta) == []
    assert of(found, e.UnknownEvent) == [e.UnknownEvent("content_block_delta", a.fragment('{"a":1}'))]
    assert C.DELTA_MISFITS in found.codes


def test_what_comes_behind_the_end_of_its_block() -> None:
    """Text goes on, an input does not."""
    found = whole(TEXT, a.said("!"), call("{}", index=1), a.fragment("x", 1), stop="tool_use")
    assert found.response.output_text == "High water.!"
    assert calls(found)[0][2:] == ("{}", True)
    assert found.codes == [C.DELTA_AFTER_DONE, C.DELTA_MISFITS]


def test_blocks_that_never_began() -> None:
    """Text begins one; an end and a signature do not."""
    found = run(a.said("Aye", 4), a.said(".", 4), a.end(4), a.end(7), a.signature(index=9), *END)
    assert found.response.output_text == "Aye."
    assert len(found.response.output) == 1
    assert {C.RESPONSE_NOT_ANNOUNCED, C.DELTA_MISFITS} == set(found.codes)


# --------------------------------------------------------------------------------------------- the message


def test_the_message_is_told_again() -> None:
    """What it says anew is of no account: neither its usage nor its fields."""
    found = run(START, START, TEXT, a.message_start(usage=a.usage(99), k=1), *END)
    assert found.response.output_text == "High water."
    assert found.response.usage is not None
    assert found.response.usage.input_tokens == 12
    assert found.codes == [C.ANNOUNCED_TWICE]


def test_a_message_that_begins_late() -> None:
    """Blocks came before it, and what it says of itself is news."""
    found = run(TEXT, a.message_start(a.text("b"), id="msg_late"), *END)
    assert (found.response.id, found.response.output_text) == ("msg_late", "High water.b")
    assert found.response.usage is not None
    assert found.response.usage.input_tokens == 12


def test_a_second_generation() -> None:
    """Two answers are never mixed: the first one ends where the second one begins."""
    found = run(
        a.message_start(id="a"), a.begin(a.tool_use()), a.fragment("{"), a.message_start(id="b"), TEXT, *END
    )
    assert (found.response.id, found.response.outcome) == ("a", Outcome.TRUNCATED)
    assert found.response.tool_calls == ()
    assert C.RESPONSE_ID_CHANGED in found.codes


def test_members_of_the_message() -> None:
    """Those that nobody knows are in the message, whatever a response calls so; null erases nothing."""
    found = run(
        a.message_start(status="odd", k=None, container={"id": "c"}, service_tier="standard"),
        {
            **a.message_delta(container=None, stop_details={"type": "refusal"}),
            "context_management": {"e": []},
        },
        a.message_stop(k=2),
    )
    message = found.response.to_anthropic_message()
    assert message["status"] == "odd"
    assert (message["k"], message["container"], message["service_tier"]) == (2, {"id": "c"}, "standard")
    assert message["context_management"] == {"e": []}
    assert message["stop_details"] == {"type": "refusal"}
    assert found.response.status == "completed"


def test_usage() -> None:
    """Totals replace totals, also downwards; null and absent ones erase nothing. The prompt is all of it."""
    start = {"input_tokens": 9, "cache_read_input_tokens": 1500, "cache_creation_input_tokens": 100}
    delta = a.message_delta(None)
    found = run(
        a.message_start(usage={**start, "output_tokens": 1, "service_tier": "standard"}),
        {**delta, "usage": {"output_tokens": 7, "cache_read_input_tokens": None}},
        {**delta, "usage": None},
        {
            **a.message_delta(),
            "usage": {"cache_creation_input_tokens": 10, "output_tokens_details": {"thinking_tokens": 4}},
        },
        a.message_stop(),
    )
    usage = found.response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1519, 7, 1526)
    assert (usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (1500, 10, 4)
    assert found.response.to_anthropic_message()["usage"]["service_tier"] == "standard"
    assert found.response.to_dict()["usage"] == {
        "input_tokens": 1519,
        "output_tokens": 7,
        "total_tokens": 1526,
        "input_tokens_details": {"cached_tokens": 1500, "cache_write_tokens": 10},
        "output_tokens_details": {"reasoning_tokens": 4},
    }
    assert found.response.to_chat_completion()["usage"] == {
        "prompt_tokens": 1519,
        "completion_tokens": 7,
        "total_tokens": 1526,
        "prompt_tokens_details": {"cached_tokens": 1500, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    assert found.codes == []


def test_usage_of_bedrock() -> None:
    """Its metrics repeat the totals: they count where nothing else does."""
    metrics = {"inputTokenCount": 412, "outputTokenCount": 37, "invocationLatency": 901}
    stop = a.message_stop(**{"amazon-bedrock-invocationMetrics": metrics})
    told = run(START, a.message_delta(), stop).response.usage
    assert told is not None
    assert (told.input_tokens, told.output_tokens) == (12, 5)
    alone = run(a.message_start(usage=None), {**a.message_delta(), "usage": None}, stop).response
    assert alone.usage is not None
    assert (alone.usage.input_tokens, alone.usage.output_tokens) == (412, 37)
    assert alone.to_anthropic_message()["amazon-bedrock-invocationMetrics"] == metrics
    odd = a.message_stop(**{"amazon-bedrock-invocationMetrics": {"inputTokenCount": "one"}})
    assert run(a.message_start(usage=None), odd).response.usage is None


def test_usage_with_very_many_members() -> None:
    """All of them are there in the end, and none costs as much as all."""
    more = [{**a.message_delta(None), "usage": {f"k{i}": i, "output_tokens": i}} for i in range(100)]
    found = run(START, *more, *END)
    told = found.response.to_anthropic_message()["usage"]
    assert (told["k99"], told["output_tokens"], told["input_tokens"]) == (99, 5, 12)
    reports = of(found, e.UsageReported)
    assert max(len(report.usage.data) for report in reports[:-1]) <= 64
    assert reports[-2].usage.output_tokens == 5


def test_a_message_delta_without_usage() -> None:
    """What had been told stands; strict mode wants it, be it null."""
    found = run(START, TEXT, a.message_delta(output=None), a.message_stop())
    assert found.codes == [C.USAGE_MISSING]
    assert found.response.usage is not None
    assert found.response.usage.output_tokens == 1


# -------------------------------------------------------------------------------------------------- the end


@pytest.mark.parametrize("word", table.STOPS)
def test_every_stop_reason(word: str) -> None:
    """Each word of the table means what it says, in any case and spelling."""
    stop = table.STOPS[word]
    for told in (word, word.upper(), word.replace("_", "-")):
        found = whole(TEXT, stop=told)
        assert found.response.outcome is stop.outcome
        assert found.response.finish_reason == stop.reason
        assert found.response.to_anthropic_message()["stop_reason"] == told
        assert found.codes == []
        assert (found.response.error is not None) is (stop.outcome is Outcome.FAILED)
        if stop.outcome is Outcome.INCOMPLETE:
            assert found.response.incomplete_reason == told


def test_an_unknown_stop_reason() -> None:
    """It is the finish reason as it came, and never a silent good end."""
    found = whole(TEXT, stop="tide_turned", strict=True)
    assert (found.response.outcome, found.response.finish_reason) == (Outcome.COMPLETED, "tide_turned")
    assert found.codes == [C.FINISH_REASON_UNKNOWN]


def test_a_stop_with_a_call() -> None:
    """A whole call is to be run, whatever the word; a word alone makes no call."""
    assert whole(call("{}"), stop="end_turn").response.finish_reason == "tool_calls"
    found = whole(TEXT, stop="tool_use").response
    assert (found.finish_reason, found.tool_calls) == ("tool_calls", ())


@pytest.mark.parametrize("word", [None, "", "null", 5, {}])
def test_no_stop_reason(word: Any) -> None:
    """Nobody said that the message is whole."""
    found = whole(TEXT, stop=word)
    assert found.response.outcome is Outcome.TRUNCATED
    assert found.response.finish_reason is None
    assert C.FINISH_REASON_MISSING in found.codes


def test_null_never_erases_a_stop_reason() -> None:
    """A later event without one says nothing."""
    found = run(START, TEXT, a.message_delta("end_turn"), a.message_delta(None, 9), a.message_stop())
    assert (found.response.outcome, found.codes) == (Outcome.COMPLETED, [])


def sse(*payloads: Any, **options: Any) -> Run:
    """The same inside of frames, where the transport has an end of its own."""
    return Run(*read("anthropic", framed(*flat(payloads)), **options))


def test_a_transport_that_ends_early() -> None:
    """A stop reason is an end if nothing came behind it; without one the message is cut."""
    found = sse(START, TEXT, a.message_delta())
    assert (found.response.outcome, found.codes) == (Outcome.COMPLETED, [C.MISSING_TERMINAL])
    for payloads in (
        [START, *TEXT],
        [START, *TEXT, a.message_delta(), a.begin(a.text(), 1)],
        [START, *TEXT, a.message_delta(), a.said("more")],
        [a.message_start(stop_reason="end_turn"), *TEXT],
        [START, a.begin(a.tool_use()), a.message_delta(), a.fragment("{")],
    ):
        cut = sse(payloads)
        assert cut.response.outcome is Outcome.TRUNCATED
        assert C.MISSING_TERMINAL in cut.codes
    with pytest.raises(WireError):
        sse(START, TEXT, a.message_delta(), strict=True)


def test_nothing_follows_the_end() -> None:
    """Neither deltas, nor another message; a ping there is not even an anomaly."""
    found = sse(START, call('{"a":1}'), a.message_delta("tool_use"), a.message_stop(), a.ping(cost="1"))
    assert found.codes == []
    more = sse(START, call('{"a":1}'), *END, a.fragment("x"), a.message_start(id="b"), TEXT, *END)
    assert calls(more) == [("toolu_01", "get_weather", '{"a":1}', True)]
    assert set(more.codes) == {C.EVENT_AFTER_END}


@pytest.mark.parametrize("feed", [run, sse])
def test_an_error_ends_the_message(feed: Any) -> None:
    """At any place, at once; what came before stays, and the first error counts."""
    second = a.error("api_error", "the stream ended")
    found = feed(START, a.begin(a.text()), a.said("So"), a.error(), second, a.said("more"), a.message_stop())
    assert (found.response.outcome, found.response.output_text) == (Outcome.FAILED, "So")
    error = found.response.error
    assert error is not None
    assert (error.kind, error.type, error.message) == ("overloaded", "overloaded_error", "Overloaded")
    assert error.retryable
    assert C.ERROR_AFTER_FAILURE in found.codes
    first = feed(a.error())
    assert (first.response.outcome, first.codes) == (Outcome.FAILED, [])
    untyped = feed(START, {"error": {"message": "upstream connect error", "code": 503}})
    assert untyped.response.error is not None


def test_cancelling() -> None:
    """What had arrived stays, and no call is whole."""
    found = run(START, a.begin(a.tool_use()), a.fragment("{}"), end="cancel")
    assert (found.response.outcome, found.response.finish_reason) == (Outcome.CANCELLED, "cancelled")
    assert found.response.tool_calls == ()


def test_done_ends_nothing() -> None:
    """Only proxies send it here."""
    parser = ResponseParser("anthropic", strict=True)
    parser.feed(framed(START, *TEXT) + b"data: [DONE]\n\ndata: [DONE]\n\n" + framed(*END))
    parser.close()
    assert [*parser.events()][-1] == e.ResponseFinished(Outcome.COMPLETED, parser.response)
    assert [anomaly.code for anomaly in parser.anomalies] == [C.DONE_OF_ANOTHER_WIRE]


# -------------------------------------------------------------------------------------- types and bodies


def test_event_names() -> None:
    """None is needed, another one is an anomaly, and one alone is the type."""
    body = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in (START, *TEXT, *END))
    assert parse(body, "anthropic").output_text == "High water."
    parser = ResponseParser("anthropic")
    parser.feed(b"event: content_block_start\n" + body)
    parser.feed(b"event: ping\ndata: {}\n\n")
    parser.close()
    list(parser.events())
    assert [anomaly.code for anomaly in parser.anomalies] == [C.EVENT_NAME_DIFFERS, C.TYPE_ONLY_IN_EVENT_NAME]


def test_events_without_a_type() -> None:
    """Their members tell what they are; a delta without a type is told by its text."""

    def untyped(told: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in told.items() if key != "type"}

    found = run(
        untyped(START),
        untyped(a.begin(a.text())),
        {"index": 0, "delta": {"text": "a"}},
        untyped(a.message_delta()),
        {"k": 1},
        a.message_stop(),
    )
    assert (found.response.output_text, found.response.outcome) == ("a", Outcome.COMPLETED)
    assert set(found.codes) == {C.TYPE_MISSING, C.BLOCK_NOT_ENDED}
    assert of(found, e.UnknownEvent) == [e.UnknownEvent("", {"k": 1})]
    body = untyped(a.message(a.text("a"), stop_reason="end_turn"))
    assert parse(json.dumps(body).encode(), "anthropic").output_text == "a"


def test_events_that_nobody_knows() -> None:
    """They come as they are, those of Vertex's gateways included, and count nothing."""
    vertex = {"type": "vertex_event", "usage": {"input_tokens": 99, "output_tokens": 99}}
    found = whole(vertex, TEXT)
    assert of(found, e.UnknownEvent) == [e.UnknownEvent("vertex_event", vertex)]
    assert found.response.usage is not None
    assert found.response.usage.input_tokens == 12
    assert found.codes == []


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        ({"object": "chat.completion.chunk", "choices": []}, "chat"),
        ({"type": "response.created", "response": {}}, "responses"),
        ({"candidates": []}, "gemini"),
    ],
)
def test_payloads_of_other_wires(payload: Any, name: str) -> None:
    """The response fails with an error that names the right dialect."""
    for payloads in ([payload], [START, payload]):
        error = run(*payloads).response.error
        assert error is not None
        assert error.code == "wrong_dialect"
        assert f"dialect={name!r}" in (error.message or "")


def test_bodies_that_are_no_message() -> None:
    """An HTML page and a bare error fail; so does an error under a type that nobody knows."""
    parser = ResponseParser("anthropic")
    parser.feed(b"<html>Bad gateway</html>")
    parser.close()
    assert [*parser.events()][-1] == e.ResponseFinished(Outcome.FAILED, parser.response)
    found = run({"type": "oops", "error": {"message": "no", "code": 500}})
    assert found.response.outcome is Outcome.FAILED


def test_lifted_arguments_go_the_long_way() -> None:
    """The short cut knows nothing of lifts."""
    lift = Lift(("say",), "text")
    parser = ResponseParser("anthropic", lifts=[lift])
    parser.feed(framed(START, a.begin(a.tool_use()), *[a.fragment("1")] * 3))
    list(parser.events())
    assert not parser._reader.hot.templates


def test_a_replay_by_another_message() -> None:
    """What another connection tells of another message changes nothing."""
    parser = ResponseParser("anthropic")
    parser.feed(framed(a.message_start(id="a"), a.begin(a.text()), a.said("x")))
    events = list(parser.events())
    parser.reconnect()
    parser.feed(framed(a.ping(), a.message_start(id="b"), a.begin(a.text()), a.said("y")))
    parser.close()
    events += parser.events()
    assert parser.response.output_text == "x"
    assert C.REPLAY_REFUSED in [anomaly.code for anomaly in parser.anomalies]


def test_a_replay_by_a_body() -> None:
    """A message that is told whole over another connection is no news to the stream that it began with."""
    parser = ResponseParser("anthropic")
    parser.feed(framed(a.message_start(), a.begin(a.text()), a.said("x")))
    events = list(parser.events())
    parser.reconnect()
    parser.feed(json.dumps(a.message(a.text("xy"), stop_reason="end_turn")).encode())
    parser.close()
    events += parser.events()
    assert parser.response.output_text == "x"
    assert parser.response.outcome is Outcome.TRUNCATED
    assert C.ANNOUNCED_TWICE in [anomaly.code for anomaly in parser.anomalies]


def test_whole_messages() -> None:
    """A message in place of a stream, by `parse()` or as the one payload; in a stream it is of no account."""
    message = a.message(a.thinking("Hm", signature="s"), a.text("a"), a.tool_use(), stop_reason="tool_use")
    for response in (parse(json.dumps(message).encode()), run(message).response):
        assert response.to_anthropic_message() == message
        assert (response.outcome, response.finish_reason) == (Outcome.COMPLETED, "tool_calls")
    found = run(START, message, *END)
    assert found.response.output == ()
    assert C.ANNOUNCED_TWICE in found.codes


def test_values_of_wrong_types() -> None:
    """Each counts as not told, and says so."""
    for payload in (
        {"type": "message_start", "message": 5},
        a.message_start(id=5),
        a.message_start(model=[]),
        a.message_start(content={}),
        a.message_start(5),
        a.message_start(usage=[]),
        {"type": "content_block_start", "index": 0, "content_block": []},
        a.begin({"type": 5}),
        a.begin(a.text(5)),
        a.begin(a.text(citations=5)),
        a.begin(a.text(citations=[5])),
        a.begin(a.thinking(signature=5)),
        a.begin(a.tool_use(input=5)),
        {"type": "content_block_delta", "index": 0, "delta": []},
        a.said(5),
        {"type": "message_delta", "delta": [], "usage": {}},
        a.message_delta(5),  # type: ignore[arg-type]
    ):
        assert C.INVALID_FIELD in run(payload).codes
    for told, delta in (
        (a.text(), a.said(5)),
        (a.thinking(), a.signature(5)),
        (a.tool_use(), a.fragment(5)),
        (a.text(), a.delta("citations_delta", citation=5)),
    ):
        assert C.INVALID_FIELD in whole(a.block(told, delta)).codes
        assert whole(a.block(told, a.said(None), a.fragment(None))).response.output


@pytest.mark.parametrize(
    "payloads",
    [
        [*TEXT, *END],
        [START, START, *END],
        [START, a.said("a"), *END],
        [START, *a.block(a.text(), index=1), *END],
        [START, a.begin(a.text()), *END],
        [START, *TEXT, a.message_delta(), *a.block(a.text(), index=1), a.message_stop()],
        [START, a.begin(a.text()), a.fragment("{}"), a.end(), *END],
        [START, *TEXT, a.message_stop()],
        [START, *TEXT, a.message_delta(output=None), a.message_stop()],
        [START, *TEXT],
    ],
)
def test_strict_refuses(payloads: list[Any]) -> None:
    """What is out of order, by the anomaly that lenient mode reports first."""
    found = sse(payloads)
    with pytest.raises(WireError) as caught:
        sse(payloads, strict=True)
    assert caught.value.code == found.codes[0]


@pytest.mark.parametrize(
    ("limits", "payloads"),
    [
        ({"items": 2}, [START, *(one for i in range(3) for one in a.block(a.text(), index=i))]),
        ({"items": 2}, [a.message_start(*[a.text()] * 3)]),
        ({"index": 4}, [START, a.begin(a.text(), 5)]),
        ({"index": 4}, [START, a.begin(a.text()), *[a.citation()] * 6]),
        ({"text_size": 3}, [START, a.begin(a.text()), a.said("abcd")]),
        ({"parts": 2}, [START, a.begin({"type": "x", "content": [{}] * 3})]),
        ({"text_size": 300}, [START, *(a.message_delta(None, **{f"k{i}": "x" * 50}) for i in range(20))]),
    ],
)
def test_limits(limits: dict[str, int], payloads: list[Any]) -> None:
    """Each one refuses before the work is done, and names itself."""
    with pytest.raises(LimitExceeded, match=next(iter(limits))):
        run(*payloads, limits=Limits(**limits))


# ------------------------------------------------------------------------------------------------- documents


def test_other_responses_as_a_message() -> None:
    """What another API told, in Anthropic's words; what it has no block for stays out."""
    stream = (
        StreamBuilder()
        .reasoning("Hm.")
        .text("Yes.")
        .refusal("No.")
        .call("f", '{"a":1}')
        .call("g", "ls", custom=True)
        .item({"type": "web_search_call", "status": "completed"})
        .completed()
    )
    message = parse(stream.body, "responses").to_anthropic_message()
    assert message["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        {"type": "text", "text": "Yes."},
        {"type": "text", "text": "No."},
        {"type": "tool_use", "id": "call_3", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "call_4", "name": "g", "input": {"input": "ls"}},
    ]
    assert (message["stop_reason"], message["type"], message["role"]) == ("tool_use", "message", "assistant")
    assert message["usage"].items() >= {"input_tokens": 12, "output_tokens": 5}.items()
    two = StreamBuilder("chat").text("a").text("b", choice=1).incomplete()
    chat = parse(two.body, "chat").to_anthropic_message()
    assert chat["content"] == [{"type": "text", "text": "a"}]
    assert chat["stop_reason"] == "max_tokens"
    failed = parse(StreamBuilder("chat").text("a").failed().body, "chat").to_anthropic_message()
    assert failed["stop_reason"] is None


def test_usage_in_the_words_of_anthropic() -> None:
    """Its input is what the cache had no part in."""
    usage = table.usage_from({"input_tokens": 9, "cache_read_input_tokens": 5, "output_tokens": 2})
    assert table.usage_of_anthropic(usage) == {
        "input_tokens": 9,
        "output_tokens": 2,
        "cache_read_input_tokens": 5,
    }
    told = {
        "input_tokens": 9,
        "output_tokens": 2,
        "cache_creation_input_tokens": 1,
        "output_tokens_details": {"thinking_tokens": 1},
    }
    assert table.usage_of_anthropic(table.usage_from(told)) == told


def test_anthropic_as_a_chat_completion() -> None:
    """Text, thinking and calls are where Chat has them."""
    found = whole(
        a.block(a.thinking(), a.thought("Hm"), a.signature()),
        a.block(a.text(), a.said("Yes"), index=1),
        call('{"a":1}', index=2),
        stop="tool_use",
    )
    completion = found.response.to_chat_completion()
    assert completion["choices"][0]["finish_reason"] == "tool_calls"
    message = completion["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Yes", "Hm")
    assert message["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": '{"a":1}'}


# ------------------------------------------------------------------------------------------------------ laws


@given(streams("anthropic"), st.data())
def test_a_snapshot_at_any_payload(stream: Any, data: st.DataObject) -> None:
    """A parser that goes on from a snapshot tells the same."""
    parser, events = ResponseParser("anthropic"), []
    at = data.draw(st.integers(0, len(stream.payloads)))
    for place, frame in enumerate(stream.frames()):
        if place == at:
            parser = resumed(parser)
        parser.feed(frame)
        events += parser.events()
    parser.close()
    events += parser.events()
    assert events == play(stream.body, "anthropic").events


@given(streams("anthropic", min_items=1), st.data())
def test_a_reconnection_tells_the_rest(stream: Any, data: st.DataObject) -> None:
    """What another connection tells again is known by its content, and not handed out twice."""
    frames = stream.frames()
    parser = ResponseParser("anthropic")
    parser.feed(b"".join(frames[: data.draw(st.integers(1, len(frames) - 1))]))
    events = list(parser.events())
    parser.reconnect()
    parser.feed(stream.body)
    parser.close()
    events += parser.events()
    plain = play(stream.body, "anthropic").parser.response
    assert parser.response.output_text == plain.output_text
    assert parser.response.to_anthropic_message() == plain.to_anthropic_message()
    assert parser.response.outcome is plain.outcome


@given(streams("anthropic", outcome=Outcome.COMPLETED))
def test_a_message_comes_out_of_itself(stream: Any) -> None:
    """The message made of a stream, parsed as a body, is the message again."""
    response = play(stream.body, "anthropic").parser.response
    again = parse(json.dumps(response.to_anthropic_message()).encode())
    assert again.to_anthropic_message() == response.to_anthropic_message()
    assert again.output_text == response.output_text
    assert [call.arguments for call in again.tool_calls] or not response.tool_calls


@pytest.mark.parametrize("kind", ["text", "thinking", "tool_use", "server_tool_use"])
def test_hot_deltas_are_hot(kind: str) -> None:
    """Deltas that differ in nothing but their text go by the short cut, and say the same."""
    told, tell = {
        "text": (a.text(), a.said),
        "thinking": (a.thinking(), a.thought),
        "tool_use": (a.tool_use(), a.fragment),
        "server_tool_use": (a.server_tool_use(), a.fragment),
    }[kind]
    parser = ResponseParser("anthropic")
    parser.feed(framed(START, a.begin(told), *[tell("7"), tell("8")] * 20))
    events = list(parser.events())
    assert parser._reader.hot.templates
    assert "".join(event.text for event in events[-40:]) == "78" * 20
    parser.feed(framed(tell("9"), a.end(), *END))
    events += parser.events()
    assert events[-1].outcome is Outcome.COMPLETED


def test_counts_that_are_no_numbers() -> None:
    """They are reported, and count nothing; the others are counted."""
    usage = {"input_tokens": "x", "output_tokens": 3}
    found = run(a.message_start(usage=usage), *END)
    assert found.response.usage is not None
    assert found.response.usage.input_tokens is None
    assert C.INVALID_FIELD in found.codes


@pytest.mark.parametrize("text", [" ", "{", '{"te'])
def test_an_input_that_lifting_held_back(text: str) -> None:
    """It is what was streamed, so that the input with which the call began counts no more."""
    lifts = [Lift(("text",), "text", tool="f", remove=True)]
    found = run(START, *call(text, input={"a": 1}), *END, lifts=lifts)
    assert [arguments for _, _, arguments, _ in calls(found)] == [text]


def test_a_count_that_is_no_number_hides_no_other() -> None:
    """The counts beside it are read."""
    usage = {"input_tokens": "many", "cache_read_input_tokens": 3, "output_tokens": 5}
    found = run(START, TEXT, {**a.message_delta(), "usage": usage}, a.message_stop())
    assert found.codes == [C.INVALID_FIELD]
    assert found.response.usage is not None
    assert found.response.usage.output_tokens == 5
    assert found.response.usage.cached_tokens == 3


@pytest.mark.parametrize("kind", ["citations_delta", "compaction_delta"])
def test_a_delta_for_a_block_of_another_type(kind: str) -> None:
    """It is told, and fits nowhere: an anomaly, as for the deltas of text."""
    delta = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": kind, "citation": {}, "content": "x"},
    }
    found = whole(a.block(a.tool_use(), delta, a.fragment("{}")), stop="tool_use")
    assert found.codes == [C.DELTA_MISFITS]
    assert [event.payload for event in of(found, e.UnknownEvent)] == [delta]


def test_a_word_that_fails_is_the_error() -> None:
    """The error holds the word as the server said it."""
    error = whole(TEXT, stop="network_error").response.error
    assert error is not None
    assert (error.code, error.raw) == ("network_error", {"stop_reason": "network_error"})


def test_a_call_that_has_no_name_at_all() -> None:
    """No member is made up for it."""
    found = whole(a.block({"type": "tool_use", "id": "toolu_1", "input": {}}), stop="tool_use")
    assert found.codes == [C.CALL_NAME_MISSING]
    (item,) = found.output()
    assert item == {
        "type": "function_call",
        "call_id": "toolu_1",
        "name": "",
        "arguments": "{}",
        "status": "completed",
    }


def test_a_response_has_no_more_than_was_sent() -> None:
    """Members of the message and of its blocks that have another place in a response stand there alone."""
    found = whole(
        a.block(a.text(citations=None), a.said("Hi")),
        a.block(a.text("Yes", citations=[{"type": "page_location", "cited_text": "y"}]), index=1),
        a.block(a.thinking(), a.thought("Hm"), index=2),
        a.block(a.redacted_thinking("sealed"), index=3),
        call('{"a":1}', index=4),
        a.block(a.server_tool_use(), a.fragment('{"b":2}'), index=5),
    )
    assert found.codes == []
    assert found.response.to_dict() == {
        "object": "response",
        "status": "completed",
        "id": "msg_01Hq",
        "model": "claude-sonnet-4-5-20250929",
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "error": None,
        "incomplete_details": None,
        "usage": {"input_tokens": 12, "output_tokens": 5, "total_tokens": 17},
        "output": [
            {
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
                "citations": None,
            },
            {
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [
                    {
                        "type": "output_text",
                        "text": "Yes",
                        "annotations": [{"type": "page_location", "cited_text": "y"}],
                    }
                ],
            },
            {
                "type": "reasoning",
                "status": "completed",
                "summary": [],
                "content": [{"type": "reasoning_text", "text": "Hm"}],
            },
            {"type": "reasoning", "status": "completed", "summary": [], "encrypted_content": "sealed"},
            {
                "type": "function_call",
                "status": "completed",
                "call_id": "toolu_01",
                "name": "get_weather",
                "arguments": '{"a":1}',
            },
            {
                "type": "server_tool_use",
                "id": "srvtoolu_01",
                "name": "web_search",
                "input": {"b": 2},
                "arguments": '{"b":2}',
            },
        ],
    }


@pytest.mark.parametrize(
    "name",
    [
        "id",
        "status",
        "role",
        "content",
        "summary",
        "call_id",
        "name",
        "arguments",
        "block",
        "encrypted_content",
    ],
)
@pytest.mark.parametrize("sent", [a.text("a"), a.thinking("b"), a.redacted_thinking("c"), a.tool_use()])
def test_members_of_a_block_that_its_item_has_too(sent: dict[str, Any], name: str) -> None:
    """They mean something else: they stand under `block`, and the message has them where they came."""
    plain, odd = {key: value for key, value in sent.items() if value != ""}, {name: ["odd"]}
    if name in plain:
        return
    found = whole(a.block({**plain, **odd}))
    (item,) = found.output()
    assert item == {**whole(a.block(plain)).output()[0], "block": odd}
    assert blocks(found) == [{**plain, **odd}]


@pytest.mark.parametrize(
    "name",
    ["object", "status", "error", "incomplete_details", "output", "created_at", "background", "audio"],
)
def test_members_of_a_message_that_a_response_has_too(name: str) -> None:
    """They mean something else: they stand under `message`, and the message has them where they came."""
    found = run(a.message_start(**{name: 0}), TEXT, *END)
    plain = run(START, TEXT, *END).response
    assert found.response.to_dict() == {**plain.to_dict(), "message": {name: 0}}
    assert found.response.to_anthropic_message() == {**plain.to_anthropic_message(), name: 0}


def test_members_that_are_empty() -> None:
    """An empty text is one all the same; none of them takes the place of anything."""
    found = run(a.message_start(k="", usage=a.usage(tier="")), a.message_delta(k=None), a.message_stop())
    message = found.response.to_anthropic_message()
    assert (message["k"], message["usage"]["tier"]) == ("", "")
    again = run(
        a.message_start(k="x", usage=a.usage(tier="x", more=None)),
        {**a.message_delta(k=""), "usage": {"tier": None, "more": None}},
        a.message_stop(),
    )
    message = again.response.to_anthropic_message()
    assert (message["k"], message["usage"]["tier"], message["usage"]["more"]) == ("x", "x", None)


@pytest.mark.parametrize("sent", ["", None, 5, ["a"]])
@pytest.mark.parametrize("say", [a.said, a.thought])
@pytest.mark.parametrize("block", [None, a.tool_use()])
def test_a_delta_without_a_text_begins_nothing(sent: Any, say: Any, block: Any) -> None:
    """Where its block never began, or is of another kind, it has nothing to fit."""
    found = whole(say(sent)) if block is None else whole(a.block(block, say(sent), a.fragment("{}")))
    assert found.codes == ([C.INVALID_FIELD] if sent else [])
    assert len(found.output()) == (0 if block is None else 1)
    assert of(found, e.UnknownEvent) == []


@pytest.mark.parametrize("say", [a.said, a.thought])
def test_an_empty_delta_behind_its_block(say: Any) -> None:
    """It adds nothing to what had ended, and says nothing of it."""
    assert whole(TEXT, say("")).codes == []


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        ([*END], "completed"),
        ([a.message_delta("max_tokens"), a.message_stop()], "incomplete"),
        ([a.message_delta("refusal"), a.message_stop()], "incomplete"),
        ([], "in_progress"),
        ([a.error()], "in_progress"),
    ],
)
@pytest.mark.parametrize("sent", [a.text("a"), a.thinking("b"), a.redacted_thinking("c"), a.tool_use()])
def test_a_block_that_is_open_at_the_end(sent: dict[str, Any], ends: list[Any], status: str) -> None:
    """A limit cuts it, a turn that ends closes it; where the message has no end it has none either."""
    found = run(START, a.begin(sent), ends)
    assert [item["status"] for item in found.output()] == [status]
    assert len(of(found, e.ItemFinished)) == (0 if status == "in_progress" else 1)
    assert (C.BLOCK_NOT_ENDED in found.codes) is (status == "completed")


@pytest.mark.parametrize("word", ["end_turn", "max_tokens"])
def test_a_call_of_the_server_that_is_open_at_the_end(word: str) -> None:
    """Its input is a value where the turn ended, and what was streamed where a limit cut it."""
    found = whole(a.begin(a.server_tool_use()), a.fragment('{"a":1}'), stop=word)
    (item,) = found.output()
    assert item["arguments"] == '{"a":1}'
    assert item["input"] == ({"a": 1} if word == "end_turn" else {})
    assert len(of(found, e.ItemFinished)) == 1


@pytest.mark.parametrize("word", [None, 5, "refusal", "model_context_window_exceeded", "end_turn", "made_up"])
def test_the_stop_reason_of_a_message_with_a_cut_call(word: Any) -> None:
    """One that says that all came would have the call look whole; where there is none, none is made up."""
    cut = [START, a.begin(a.tool_use()), a.fragment('{"a":')]
    found = run(*cut, a.message_delta(word), a.message_stop())
    told = found.response.to_anthropic_message()["stop_reason"]
    assert told == ("max_tokens" if word in ("end_turn", "made_up") else word)
    assert run(*cut).response.to_anthropic_message()["stop_reason"] is None


def test_an_error_as_the_first_sign_of_a_new_connection() -> None:
    """It may come of anything, so it is read, and no replay that does not begin as a response does."""
    parser = ResponseParser("anthropic")
    parser.feed(framed(START, a.begin(a.text()), a.said("x")))
    events = list(parser.events())
    parser.reconnect()
    parser.feed(framed(a.error()))
    events += parser.events()
    assert C.REPLAY_REFUSED not in [anomaly.code for anomaly in parser.anomalies]
    assert [type(event).__name__ for event in events][-2:] == ["ErrorReported", "ResponseFinished"]
    assert parser.response.error is not None
    assert parser.response.error.type == "overloaded_error"


def test_a_few_counts_take_no_room() -> None:
    """They are not text: a limit that all of the text stays in is not passed by them."""
    sent = a.usage(service_tier="standard" * 10)
    found = run(a.message_start(usage=sent), TEXT, *END, limits=Limits(text_size=90))
    assert found.response.usage is not None
    assert found.response.to_anthropic_message()["usage"]["service_tier"] == "standard" * 10


@pytest.mark.parametrize(
    ("payload", "refused"),
    [
        (a.begin(a.text()), True),
        (a.said("y"), True),
        (a.end(), True),
        (a.message_delta(), True),
        (a.message_stop(), True),
        (a.message_start(), False),
        (a.ping(), False),
        ({"type": "odd"}, False),
    ],
)
def test_what_a_new_connection_may_begin_with(payload: Any, refused: bool) -> None:
    """What only comes in the middle of a message tells no reader where it belongs."""
    parser = ResponseParser("anthropic")
    parser.feed(framed(START, a.begin(a.text()), a.said("x")))
    list(parser.events())
    parser.reconnect()
    parser.feed(framed(payload))
    list(parser.events())
    assert (C.REPLAY_REFUSED in [anomaly.code for anomaly in parser.anomalies]) is refused
    assert parser.response.output_text == "x"


@pytest.mark.parametrize("say", [a.said, a.thought])
def test_an_empty_delta_behind_the_stop_reason(say: Any) -> None:
    """The message is as complete as it was: only its end is missing. Behind one with a text it is not."""
    block = a.text("x") if say is a.said else a.thinking("x")
    for sent, outcome in (("", Outcome.COMPLETED), (None, Outcome.COMPLETED), ("y", Outcome.TRUNCATED)):
        found = run(START, a.begin(block), a.message_delta(), say(sent))
        assert found.response.outcome is outcome
        assert C.MISSING_TERMINAL in found.codes


def test_a_compaction_of_nulls() -> None:
    """A null is told where nothing else was; it takes the place of nothing."""
    first = a.delta("compaction_delta", content=None, k=None, n=1)
    found = whole(a.block({"type": "compaction", "m": 1}, first, a.delta("compaction_delta", n=None, m=None)))
    assert blocks(found) == [{"type": "compaction", "m": 1, "content": None, "k": None, "n": 1}]


@pytest.mark.parametrize(("block", "say"), [(a.text(), a.thought), (a.thinking(), a.said)])
def test_what_does_not_fit_a_block_stays_together(block: Any, say: Any) -> None:
    """It becomes one item beside that block, and that ends with it."""
    found = whole(a.block(block, say("a"), say("b"), say("c")))
    kinds = (e.TextDelta, e.ReasoningDelta)
    assert [event.text for event in found.events if isinstance(event, kinds)] == ["a", "b", "c"]
    assert len(found.output()) == 2
    assert [item["status"] for item in found.output()] == ["completed", "completed"]
    assert found.codes == [C.DELTA_MISFITS]


def test_an_object_of_no_type() -> None:
    """It is told as it came, with an anomaly, once."""
    found = run(START, {"glow": 1}, {"glow": 2}, TEXT, *END)
    assert found.codes == [C.TYPE_MISSING]
    assert [event.payload for event in of(found, e.UnknownEvent)] == [{"glow": 1}, {"glow": 2}]


@pytest.mark.parametrize("sent", [{"role": "odd", "stop_reason": "refusal"}, "text", 5])
def test_a_message_beside_an_event(sent: Any) -> None:
    """What stands there may be an error; it is no member of the message."""
    plain = run(START, TEXT, *END).response.to_dict()
    delta, stop = {**a.message_delta(), "message": sent}, a.message_stop(message=sent)
    assert run(START, TEXT, delta, stop).response.to_dict() == plain


@pytest.mark.parametrize("kind", ["", None, 5])
def test_a_block_whose_type_is_none(kind: Any) -> None:
    """Its members tell what it is."""
    for sent in (a.text("a"), {"thinking": "b"}, a.tool_use()):
        found = whole(a.block({**sent, "type": kind}))
        assert found.codes == [C.INVALID_FIELD]
        expected = "text" if "text" in sent else "thinking" if "thinking" in sent else "tool_use"
        assert [block["type"] for block in blocks(found)] == [expected]


def test_a_call_that_has_no_id_at_all() -> None:
    """One is made up, and no member beside it."""
    found = whole(a.block({"type": "tool_use", "name": "f", "input": {}}), stop="tool_use")
    assert found.codes == [C.CALL_ID_MISSING]
    (item,) = found.output()
    assert (item["call_id"], "id" in item, "block" in item) == ("call_0_synthesized", False, False)
    assert blocks(found) == [{"type": "tool_use", "name": "f", "input": {}}]


@pytest.mark.parametrize(
    ("sent", "arguments"),
    [
        ('{"a":1}', '{"a":1}'),
        ("", "{}"),
        (None, "{}"),
        ({"a": 1}, '{"a":1}'),
        ([1], "[1]"),
        (5, "5"),
    ],
)
def test_the_input_that_a_call_begins_with(sent: Any, arguments: str) -> None:
    """Where nothing is streamed it is what the arguments are, as they came or as JSON."""
    found = whole(a.block(a.tool_use(input=sent)), stop="tool_use")
    assert [call[2] for call in calls(found)] == [arguments]
    assert (C.INVALID_FIELD in found.codes) is (not isinstance(sent, (dict, type(None))))


def test_events_behind_the_end_are_told_once_for_each_kind() -> None:
    """All that nobody knows are one kind, and signs of life are none."""
    late = [a.ping(), a.said("x"), a.said("y"), a.end(), a.end(), {"type": "odd"}, {"type": "odder"}]
    found = run(START, TEXT, *END, *late)
    assert found.codes == [C.EVENT_AFTER_END] * 3


# ----------------------------------------------------------------------------------- deltas, by their member


@pytest.mark.parametrize(
    ("block", "member", "piece", "typed"),
    [
        (a.text(), "text", "Hi", "text_delta"),
        (a.thinking(), "thinking", "Hm", "thinking_delta"),
        (a.tool_use(), "partial_json", '{"a":1}', "input_json_delta"),
        (a.thinking("Hm"), "signature", "c2ln", "signature_delta"),
        (a.text("Hi"), "citation", {"type": "char_location", "cited_text": "x"}, "citations_delta"),
    ],
)
def test_what_a_delta_without_a_type_is(block: Any, member: str, piece: Any, typed: str) -> None:
    """Its member tells: it does what one with that type does, and that is told once."""
    bare = {"type": "content_block_delta", "index": 0, "delta": {member: piece}}
    named = {**bare, "delta": {"type": typed, member: piece}}
    found, expected = whole(a.block(block, bare)), whole(a.block(block, named))
    assert blocks(found) == blocks(expected) != blocks(whole(a.block(block)))
    assert found.events == expected.events
    assert [(told.code, told.message) for told in found.anomalies] == [
        (C.TYPE_MISSING, f"a delta has no type, but what a {typed} has")
    ]
    assert expected.codes == []


def test_a_delta_that_has_no_member_either() -> None:
    """Nobody knows what it is: it comes as it is."""
    bare = {"type": "content_block_delta", "index": 0, "delta": {"odd": 1}}
    found = whole(a.block(a.text(), bare))
    assert [event.payload for event in of(found, e.UnknownEvent)] == [bare]
    assert found.codes == []


@pytest.mark.parametrize("kind", ["text", "thinking", "tool_use", "redacted_thinking", "compaction", "odd"])
@pytest.mark.parametrize(
    ("delta", "fits", "misfits"),
    [
        ({"type": "signature_delta", "signature": "s"}, {"thinking"}, True),
        ({"type": "citations_delta", "citation": {"type": "x"}}, {"text"}, True),
        ({"type": "compaction_delta", "content": "x"}, {"compaction"}, True),
        ({"type": "odd_delta", "content": "x"}, set(), False),
    ],
)
def test_which_block_a_delta_fits(kind: str, delta: Any, fits: set[str], misfits: bool) -> None:
    """What fits none of that type is told, and is no part of it."""
    sent = {"type": kind, "id": "i", "name": "n", "text": "", "thinking": "", "data": ""}
    found = whole(a.block(sent, {"type": "content_block_delta", "index": 0, "delta": delta}))
    assert (C.DELTA_MISFITS in found.codes) is (misfits and kind not in fits)
    unknown = kind not in fits and delta["type"] != "signature_delta"
    assert len(of(found, e.UnknownEvent)) == unknown
    never = run(START, {"type": "content_block_delta", "index": 0, "delta": delta}, *END)
    assert never.codes == [C.DELTA_MISFITS]
    assert len(of(never, e.UnknownEvent)) == 1


# ------------------------------------------------------------------------------- what a stop reason leads to


@pytest.mark.parametrize("word", ["max_turns", "repetition", "other", "no_image"])
def test_a_limit_that_has_no_word_of_ours(word: str) -> None:
    """The finish reason is the server's, and so is why the response is incomplete."""
    found = whole(TEXT, stop=word)
    assert (found.response.outcome, found.response.finish_reason) == (Outcome.INCOMPLETE, word)
    assert found.response.incomplete_reason == word
    assert found.codes == []


@pytest.mark.parametrize("word", ["error", "network_error", "overloaded"])
def test_a_stop_reason_that_is_a_failure(word: str) -> None:
    """It is the error, which may be tried again."""
    found = whole(TEXT, stop=word)
    assert (found.response.outcome, found.response.finish_reason) == (Outcome.FAILED, "error")
    error = found.response.error
    assert error is not None
    assert (error.kind, error.message, error.code, error.retryable) == ("server_error", None, word, True)
    assert error.raw == {"stop_reason": word}
    assert found.response.data["error"] == {"code": word, "message": None}


@pytest.mark.parametrize("word", ["cancelled", "abort"])
def test_a_stop_reason_of_a_caller_that_gave_up(word: str) -> None:
    """The server says so itself: that is no fault of anybody."""
    found = whole(TEXT, stop=word)
    assert (found.response.outcome, found.response.finish_reason) == (Outcome.CANCELLED, "cancelled")
    assert found.response.error is None


@pytest.mark.parametrize(
    ("stop", "status", "codes"),
    [
        ("end_turn", "completed", [C.BLOCK_NOT_ENDED]),
        ("max_tokens", "incomplete", []),
        ("refusal", "incomplete", []),
        ("tide_turned", "completed", [C.FINISH_REASON_UNKNOWN, C.BLOCK_NOT_ENDED]),
        (None, "in_progress", [C.FINISH_REASON_MISSING]),
    ],
)
def test_blocks_that_are_open_when_their_message_ends(
    stop: Any, status: str, codes: list[AnomalyCode]
) -> None:
    """A good end closes them, and tells how many; a limit cuts them."""
    found = whole(a.begin(a.text()), a.said("Hi"), a.begin(a.text(), 1), a.said("Ho", 1), stop=stop)
    assert [item["status"] for item in found.output()] == [status, status]
    assert found.codes == [C.BLOCK_OUT_OF_ORDER, *codes]
    told = [anomaly.message for anomaly in found.anomalies if anomaly.code is C.BLOCK_NOT_ENDED]
    assert told == ["2 blocks did not end before their message"][: len(told)]


def test_a_transport_that_ends_behind_the_stop_reason() -> None:
    """Nothing but `message_stop` is missing: the message ended as its stop reason says."""
    only = sse(START, TEXT, a.message_delta())
    assert (only.response.outcome, only.response.finish_reason) == (Outcome.COMPLETED, "stop")
    assert [anomaly.message for anomaly in only.anomalies] == ["the transport ended before message_stop"]
    early = sse(START, TEXT)
    assert (early.response.outcome, early.response.finish_reason) == (Outcome.TRUNCATED, None)
    assert [anomaly.message for anomaly in early.anomalies] == ["the transport ended before the message did"]
    gone = run(START, TEXT, a.message_delta(), end="cancel")
    assert (gone.response.outcome, gone.codes) == (Outcome.CANCELLED, [])


@pytest.mark.parametrize("behind", [0, 1])
def test_a_limit_behind_a_call_without_arguments(behind: int) -> None:
    """It may have had some: it is taken back, unless another block came behind it."""
    more = [a.block(a.text(), a.said("Hi"), index=1)][:behind]
    found = whole(a.block(a.tool_use()), *more, stop="max_tokens")
    assert [whole_call for _, _, _, whole_call in calls(found)] == [bool(behind)]
    assert len(of(found, e.ItemUpdated)) == 1 - behind
    assert [done for _, _, _, done in calls(whole(call("{}"), stop="max_tokens"))] == [True]


# -------------------------------------------------------------------------------- what only looks like a call


def test_arguments_of_a_block_that_is_no_call() -> None:
    """They are a member like others: no input goes there, and none is made of them."""
    sent = {"type": "note", "arguments": "x"}
    found = whole(a.block(sent, a.fragment('{"a":1}')))
    assert blocks(found) == [sent]
    assert found.codes == [C.DELTA_MISFITS]
    assert of(found, e.ArgumentsDelta) == []


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ({"text": "A"}, "message"),
        ({"thinking": "A"}, "reasoning"),
        ({"id": "i", "name": "n", "input": {}}, "function_call"),
        ({"name": "n", "input": {}}, ""),
        ({"id": "i", "input": {}}, ""),
        ({"id": "i", "name": "n"}, ""),
        ({"odd": 1}, ""),
    ],
)
def test_what_a_block_without_a_type_is(sent: Any, kind: str) -> None:
    """Its members tell, where all of them are there."""
    found = whole(a.block(sent))
    assert [item["type"] for item in found.output()] == [kind]
    assert C.INVALID_FIELD in found.codes


def test_what_a_compaction_holds_is_counted() -> None:
    """It may not grow beyond what a text may; what takes the place of another value is counted alone."""

    def compacted(*contents: Any, limit: int) -> None:
        pieces = [a.delta("compaction_delta", content=content) for content in contents]
        begun = a.begin({"type": "compaction", "content": None})
        run(START, begun, *pieces, end="none", limits=Limits(text_size=limit))

    compacted("x" * 1000, limit=1500)
    compacted("x" * 1000, "y" * 1000, limit=1500)
    for contents in (["x" * 2000], ["x" * 1000, "x" * 2000]):
        with pytest.raises(LimitExceeded):
            compacted(*contents, limit=1500)


def test_what_waits_of_a_block_that_has_ended_is_counted() -> None:
    """A few signatures behind its end are handed out at once, and one that waits is text that is held."""
    few = [a.signature(f"{number}") for number in range(16)]
    begun = [START, *a.block(a.thinking(), a.thought("Hm"))]
    limits = Limits(text_size=1500)
    run(*begun, *few, a.signature("x" * 1000), end="none", limits=limits)
    with pytest.raises(LimitExceeded) as fault:
        run(*begun, *few, a.signature("x" * 2000), end="none", limits=limits)
    assert fault.value.limit == "text_size"
