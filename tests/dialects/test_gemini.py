"""The Gemini dialect, payload by payload."""

from __future__ import annotations

import json
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
from deltafold.arguments.lifted_calls import CallLifts
from deltafold.dialects.gemini import table
from deltafold.dialects.gemini.reader import GeminiDialect
from deltafold.machine.fold import Fold
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, ResponseError
from deltafold.testing import StreamBuilder
from deltafold.testing import gemini as g
from deltafold.testing.strategies import streams
from runs import Run, calls_of, play, read, resumed
from runs import frames as framed
from runs import run as run_any

C = AnomalyCode
STOP = {"finishReason": "STOP"}
END = g.chunk(**STOP)
SIGNATURE = "EqoBCqcB"


def run(*payloads: Any, **options: Any) -> Run:
    """Feeds payloads of Gemini."""
    return run_any(*payloads, dialect="gemini", **options)


def run_sse(*payloads: Any, **options: Any) -> Run:
    """The same inside of frames, where the transport has an end of its own."""
    return Run(*read("gemini", framed(*payloads), **options))


def calls(found: Run) -> list[tuple[str | None, str, str, bool]]:
    """The function calls of a run."""
    items = [item for item in found.response.output if isinstance(item, FunctionCall)]
    return [(item.call_id, item.name, item.arguments, item.complete) for item in items]


def parts(found: Run, index: int = 0) -> Any:
    """The parts of a candidate in the document."""
    return found.response.to_gemini_response()["candidates"][index]["content"]["parts"]


# --------------------------------------------------------------------------------------------- parts, items


def test_consecutive_texts_are_one_message() -> None:
    """Chunks of text are deltas of one part; thoughts are reasoning."""
    found = run(
        g.chunk(g.thought("Hm")), g.chunk(g.thought("m."), g.text("Yes")), g.chunk(g.text("."), **STOP)
    )
    assert found.texts(e.ReasoningDelta) == ["Hm", "m."]
    assert found.texts(e.TextDelta) == ["Yes", "."]
    reasoning, message = found.response.output
    assert isinstance(reasoning, Reasoning)
    assert isinstance(message, Message)
    assert (reasoning.text, found.response.output_text) == ("Hmm.", "Yes.")
    assert message.choice_index == 0
    assert found.codes == []


def test_an_item_ends_when_another_begins() -> None:
    """What follows a thought ends it, though the response goes on."""
    found = run(g.chunk(g.thought("Hm")), g.chunk(g.text("Y")), end="none")
    assert found.names(of=0)[-1] == "ItemFinished"
    assert "ItemFinished" not in found.names(of=1)


def test_empty_text_leaves_no_trace() -> None:
    """An empty part without a signature neither begins an item nor parts two texts."""
    found = run(g.chunk(g.text("")), g.chunk(g.text("a")), g.chunk(g.text("")), g.chunk(g.text("b"), **STOP))
    assert found.texts(e.TextDelta) == ["a", "b"]
    assert parts(found) == [{"text": "ab"}]
    assert run(g.chunk(g.text("")), END).output() == []


@pytest.mark.parametrize("thought", [False, True])
def test_a_signed_part_is_joined_to_none(thought: bool) -> None:
    """A signature stays with the part that it came with, whose text counts as any other."""
    tell = g.thought if thought else g.text
    said = [
        tell("a"),
        tell("b", thoughtSignature=SIGNATURE),
        tell("c"),
        tell("", thoughtSignature="s2"),
        tell("d"),
    ]
    found = run(*(g.chunk(part) for part in said), END)
    assert (found.response.reasoning_text if thought else found.response.output_text) == "abcd"
    assert len(found.response.output) == 1
    assert parts(found) == said
    found = run(g.chunk(*said), END)
    assert parts(found) == said


def test_an_empty_signature_is_none() -> None:
    """It could not be sent back."""
    found = run(g.chunk(g.text("a", thoughtSignature="")), g.chunk({"thoughtSignature": ""}), g.chunk(**STOP))
    assert parts(found) == [{"text": "a"}]


def test_what_is_no_text_stands_by_itself() -> None:
    """Each part of another kind is an item, whole as it comes, with all its fields."""
    part = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": SIGNATURE, "type": "x"}
    found = run(g.chunk(g.text("a"), part, g.text("b"), **STOP))
    assert [item.type for item in found.response.output] == ["message", "executableCode", "message"]
    assert found.response.output[1].status == "completed"
    assert parts(found) == [{"text": "a"}, part, {"text": "b"}]
    assert found.response.verdict.hosted_tool_ran


def test_media_are_seen_and_did_nothing() -> None:
    """An image is content; a signature by itself is neither seen nor done."""
    found = run(g.chunk({"inlineData": {"mimeType": "image/png", "data": "iVBO"}}), END)
    assert found.response.verdict.visible == ("other",)
    assert not found.response.verdict.hosted_tool_ran
    found = run(g.chunk({"thoughtSignature": SIGNATURE}), END)
    assert found.response.verdict.visible == ()
    assert not found.response.verdict.hosted_tool_ran


def test_parts_of_wrong_types() -> None:
    """They come as they are, and nothing is made of them."""
    found = run(g.chunk({"text": 5}), g.chunk({"functionCall": []}), g.chunk(5), END)
    assert [event.payload for event in found.all(e.UnknownEvent)] == [{"text": 5}, {"functionCall": []}]
    assert found.output() == []
    assert set(found.codes) == {C.INVALID_FIELD}


# ------------------------------------------------------------------------------------------------- calls


def test_a_whole_call() -> None:
    """Arguments are the compact text of the value, told as a delta."""
    found = run(g.chunk(g.call("f", SIGNATURE, id="c1", args={"é": [1, {"b": None}]})), END)
    assert found.texts(e.ArgumentsDelta) == ['{"é":[1,{"b":null}]}']
    assert calls(found) == [("c1", "f", '{"é":[1,{"b":null}]}', True)]
    assert found.response.finish_reason == "tool_calls"
    assert parts(found) == [g.call("f", SIGNATURE, id="c1", args={"é": [1, {"b": None}]})]


def test_ids_are_made_and_not_told() -> None:
    """A call without an id gets one from its output index, which the document does not show."""
    found = run(g.chunk(g.text("x"), g.call("f", args={}), g.call("f")), END)
    assert [call[0] for call in calls(found)] == ["call_1_synthesized", "call_2_synthesized"]
    assert found.codes == []
    assert parts(found)[1:] == [g.call("f", args={}), g.call("f", args={})]


def test_a_call_told_again() -> None:
    """The same id is the same call: the later telling counts."""
    found = run(g.chunk(g.call("f", id="c", args={"a": 1})), g.chunk(g.call("f", id="c", args={"a": 2})), END)
    assert calls(found) == [("c", "f", '{"a":2}', True)]
    assert found.codes == [C.VALUE_CONTRADICTED]
    assert [event.text for event in found.all(e.ValueReplaced)] == ['{"a":2}']


def streamed(*pieces: Any, ends: bool = True, **fields: Any) -> list[Any]:
    """A call whose arguments are streamed, a piece in each chunk."""
    chunks = [g.chunk(g.call(None, partialArgs=[piece], willContinue=True)) for piece in pieces]
    start = g.chunk(g.call("f", willContinue=True, **fields))
    return [start, *chunks, *([g.chunk(g.call(None))] if ends else [])]


def test_a_streamed_call() -> None:
    """Its fragments join to the compact text; an empty piece makes none."""
    begun = [g.piece("$.a", "x", more=True), g.piece("$.a", "", more=True)]
    found = run(*streamed(*begun, g.piece("$.a", "y"), g.piece("$.b", 2.0)), END)
    assert found.texts(e.ArgumentsDelta) == ['{"a":"x', 'y"', ',"b":2', "}"]
    assert calls(found) == [("call_0_synthesized", "f", '{"a":"xy","b":2}', True)]
    assert parts(found) == [g.call("f", args={"a": "xy", "b": 2})]


@pytest.mark.parametrize("end", ["close", "cancel"])
def test_a_cut_call_keeps_its_open_text(end: str) -> None:
    """It is not complete, and may not be run."""
    found = run(*streamed(g.piece("$.a", "x", more=True), ends=False), end=end)
    assert calls(found) == [("call_0_synthesized", "f", '{"a":"x', False)]
    assert found.response.tool_calls == ()
    assert parts(found) == [g.call("f", args={"a": "x"}, willContinue=True)]


def test_a_call_that_goes_on_for_ever() -> None:
    """Where the server stops without having ended it, it is not whole."""
    found = run(*streamed(g.piece("$.a", 1), ends=False), END)
    assert calls(found) == [("call_0_synthesized", "f", '{"a":1', False)]
    assert (found.response.outcome, found.response.finish_reason) == (Outcome.COMPLETED, "stop")
    assert found.codes == [C.CALL_NOT_ENDED]


def test_a_path_that_comes_again() -> None:
    """The text cannot go on: the whole is told at the end of the call."""
    pieces = (
        g.piece("$.a", "x"),
        g.piece("$.b", 1),
        g.piece("$.a", "y"),
        g.piece("$.b", 2),
        g.piece("$.c", True),
    )
    found = run(*streamed(*pieces), END)
    assert calls(found) == [("call_0_synthesized", "f", '{"a":"xy","b":2,"c":true}', True)]
    assert len(found.all(e.ValueReplaced)) == 1


@pytest.mark.parametrize(
    "piece",
    [
        {"jsonPath": "$..a", "stringValue": "x"},
        {"jsonPath": 5, "stringValue": "x"},
        {"stringValue": "x"},
        {"jsonPath": "$.a", "stringValue": 5},
        {"jsonPath": "$.a", "boolValue": "true"},
        {"jsonPath": "$.a", "numberValue": "1"},
        {"jsonPath": "$.a[]", "numberValue": 1},
        {"jsonPath": "$", "numberValue": 1},
        {"jsonPath": "$[0]", "numberValue": 1},
        {"jsonPath": "$.a[1000]", "numberValue": 1},
        5,
    ],
    ids=repr,
)
def test_a_piece_that_cannot_be_read(piece: Any) -> None:
    """It comes as it is, and the call without it is not complete."""
    found = run(*streamed(g.piece("$.ok", 1), piece), END)
    assert calls(found) == [("call_0_synthesized", "f", '{"ok":1}', False)]
    assert [event.payload for event in found.all(e.UnknownEvent)] == [piece]
    assert found.codes == [C.PARTIAL_ARGUMENT_LOST]


def test_lists_of_pieces_of_a_wrong_type() -> None:
    """So does a list of them that is none."""
    found = run(g.chunk(g.call("f", partialArgs="x")), END)
    assert calls(found) == [("call_0_synthesized", "f", "{}", False)]


def test_calls_in_turn() -> None:
    """A name begins a call; one that had not ended is cut."""
    first = streamed(g.piece("$.a", 1), ends=False)
    found = run(*first, *streamed(g.piece("$.b", 2)), END)
    assert [call[2:] for call in calls(found)] == [('{"a":1', False), ('{"b":2}', True)]


def test_pieces_of_no_call() -> None:
    """They are unknown, and said to be so; the empty end of a call that had ended says nothing."""
    found = run(g.chunk(g.call(None, args={"a": 1})), END)
    assert [event.payload for event in found.all(e.UnknownEvent)] == [g.call(None, args={"a": 1})]
    assert found.codes == [C.CALL_NOT_OPEN]
    found = run(g.chunk(g.call("f", partialArgs=[g.piece("$.a", 1)])), g.chunk(g.call(None)), END)
    assert found.codes == []


def test_approvals_and_partial_arguments() -> None:
    """A call may need approval; its arguments are there as far as they came."""
    parser = ResponseParser("gemini", approval_required={"f"})
    for payload in streamed(g.piece("$.a", "x", more=True), ends=False):
        parser.feed_payload(payload)
    assert list(parser.events())
    (call,) = parser.response.output
    assert isinstance(call, FunctionCall)
    assert call.needs_approval
    assert parser.partial_arguments(0) == {"a": "x"}


@pytest.mark.parametrize("remove", [False, True])
def test_lifts(remove: bool) -> None:
    """A declared string is lifted out of streamed arguments, whole ones, and such as are told anew."""
    lifts = [Lift(("say",), "text", tool="f", remove=remove)]
    kept = '{"n":1}' if remove else '{"say":"hello","n":1}'
    pieces = g.piece("$.say", "hel", more=True), g.piece("$.say", "lo"), g.piece("$.n", 1)
    found = run(*streamed(*pieces), END, lifts=lifts)
    assert found.texts(e.LiftedDelta) == ["hel", "lo"]
    assert calls(found)[0][2] == kept
    found = run(g.chunk(g.call("f", args={"say": "hello", "n": 1})), END, lifts=lifts)
    assert "".join(found.texts(e.LiftedDelta)) == "hello"
    assert calls(found)[0][2] == kept
    again = g.piece("$.say", "hello"), g.piece("$.n", 0), g.piece("$.n", 1)
    found = run(*streamed(*again), END, lifts=lifts)
    assert "".join(found.texts(e.LiftedDelta)) == "hello"
    assert calls(found)[0][2:] == (kept, True)


def test_halves_of_pairs_meet() -> None:
    """Pieces of a text or a string may part a surrogate pair."""
    body = framed(
        g.chunk(g.text("a\ud83d")),
        g.chunk(g.text("\ude42")),
        *streamed(g.piece("$.a", "\ud83d", more=True), g.piece("$.a", "\ude42")),
        END,
    )
    found = play(body, "gemini")
    assert found.parser.response.output_text == "a🙂"
    (call,) = found.parser.response.tool_calls
    assert isinstance(call, FunctionCall)
    assert call.arguments == '{"a":"🙂"}'
    assert found.parser.anomalies == ()


# --------------------------------------------------------------------------------------- candidates, ends


@pytest.mark.parametrize("word", [*table.STOPS])
def test_every_finish_reason(word: str) -> None:
    """Each word ends as its table says, in any case of letters, and is kept as it came."""
    stop = table.STOPS[word]
    for told in (word, word.lower()):
        found = run(g.chunk(g.text("x")), g.chunk(finishReason=told))
        assert found.response.outcome is stop.outcome
        reasons = {"failed": "error", "cancelled": "cancelled"}
        assert found.response.finish_reason == reasons.get(stop.outcome, stop.reason or told)
        if stop.outcome is Outcome.INCOMPLETE:
            assert found.response.incomplete_reason == told
        assert found.response.to_gemini_response()["candidates"][0]["finishReason"] == told
        assert C.FINISH_REASON_UNKNOWN not in found.codes


@pytest.mark.parametrize(("number", "word"), [*enumerate(table.FINISH_NUMBERS)])
def test_every_finish_number(number: int, word: str) -> None:
    """A number of the enumeration is its word."""
    assert table.finish_word(number) == (word or None)


@pytest.mark.parametrize("told", ["", "null", None, 0, "FINISH_REASON_UNSPECIFIED", [], {}, True, "None"])
def test_no_finish_reason(told: Any) -> None:
    """What says nothing ends nothing."""
    found = run(g.chunk(g.text("x"), finishReason=told))
    assert found.response.outcome is Outcome.TRUNCATED
    assert found.response.finish_reason is None


def test_unknown_finish_reasons() -> None:
    """They complete, with an anomaly that strict mode lets pass."""
    for told in ("WEATHER_HOLD", 77):
        found = run(g.chunk(g.text("x"), finishReason=told), strict=True)
        assert (found.response.outcome, found.response.finish_reason) == (Outcome.COMPLETED, str(told))
        assert found.codes == [C.FINISH_REASON_UNKNOWN]


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
def test_calls_that_the_server_refuses(word: str) -> None:
    """A call that had been told whole is not to be run any more."""
    found = run(g.chunk(g.call("f", args={})), g.chunk(finishReason=word))
    assert calls(found) == [("call_0_synthesized", "f", "{}", False)]
    assert found.response.tool_calls == ()
    assert found.response.finish_reason == word


def test_counts_that_say_nothing() -> None:
    """A usage of nulls or zeros erases none that counts."""
    for nothing in (None, 0):
        last = {"usageMetadata": dict.fromkeys(table.COUNTS, nothing)}
        counts = {"usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 2}}
        found = run(g.chunk(g.text("x")), counts, last, END)
        assert found.response.usage is not None
        assert (found.response.usage.input_tokens, found.response.usage.output_tokens) == (8, 2)


def test_a_block_that_comes_after_ratings() -> None:
    """The first promptFeedback counts, unless a later one says that the prompt was refused."""
    ratings = {"promptFeedback": {"safetyRatings": [{"category": "X"}]}}
    found = run(
        ratings, {"promptFeedback": {"blockReason": "SAFETY"}}, {"promptFeedback": {"blockReason": "OTHER"}}
    )
    assert (found.response.outcome, found.response.incomplete_reason) == (Outcome.INCOMPLETE, "SAFETY")


@pytest.mark.parametrize(
    "sent",
    [
        {"candidates": {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}},
        {"candidates": [{"content": {"parts": {"text": "a"}}, "finishReason": "STOP"}]},
        {"candidates": [{"content": [{"text": "a"}], "finishReason": "STOP"}]},
    ],
)
def test_what_is_in_no_array(sent: Any) -> None:
    """An only candidate or part that comes bare is read."""
    found = run(sent)
    assert (found.response.outcome, found.response.output_text) == (Outcome.COMPLETED, "a")
    assert found.codes == [C.INVALID_FIELD]


@pytest.mark.parametrize("name", ["arguments", "input", "parameters"])
def test_arguments_under_the_name_of_another_wire(name: str) -> None:
    """A relay's call is not one without arguments."""
    assert calls(run(g.chunk({"functionCall": {"name": "f", name: {"a": 1}}}), END)) == [
        ("call_0_synthesized", "f", '{"a":1}', True)
    ]


def test_what_is_true_however_it_is_written() -> None:
    """ "true" and 1 are true, "yes" is nothing that is known."""
    pieces = {"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}]}}
    for true in ("true", 1):
        found = run(g.chunk({"functionCall": {"name": "f", "willContinue": true}}), g.chunk(pieces), END)
        assert calls(found) == [("call_0_synthesized", "f", '{"a":"x"}', True)]
        assert run(g.chunk(g.text("a", thought=true)), END).response.reasoning_text == "a"


def test_arguments_that_come_astray() -> None:
    """A call that had been told without any is not whole then; one that has some stays as it is."""
    pieces = {"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}]}}
    found = run(g.chunk(g.call("f")), g.chunk(pieces), END)
    assert calls(found) == [("call_0_synthesized", "f", "{}", False)]
    assert run(g.chunk(g.call("f", args={"b": 1})), g.chunk(pieces), END).response.tool_calls
    assert C.CALL_NOT_OPEN in found.codes


@pytest.mark.parametrize(
    "odd",
    [
        g.chunk({"functionCall": 5}),
        g.chunk(5),
        {"candidates": [{"content": 5}]},
        {"candidates": [{"content": {"parts": 5}}]},
    ],
)
def test_what_cannot_be_read_while_a_call_is_open(odd: dict[str, Any]) -> None:
    """It may have been a piece of it: the call is not whole."""
    first = g.chunk(g.call("f", willContinue=True, partialArgs=[g.piece("$.a", "x")]))
    last = g.chunk(g.call(None, partialArgs=[g.piece("$.b", "y")]))
    found = run(first, odd, last, END)
    assert [(text, whole) for _, _, text, whole in calls(found)] == [('{"a":"x","b":"y"}', False)]
    assert C.INVALID_FIELD in found.codes
    assert run(first, last, odd, g.chunk(g.call("g", args={"b": 1})), END).response.tool_calls


def test_pieces_before_and_behind_a_call() -> None:
    """Those of a call that comes in pieces may be the ones that it lacks."""
    pieces = g.chunk(g.call(None, partialArgs=[g.piece("$.a", "x")]))
    streamed = (g.chunk(g.call("f", willContinue=True)), g.chunk(g.call(None)))
    for sent in ((pieces, *streamed), (*streamed, pieces)):
        found = run(*sent, END)
        assert [(text, whole) for _, _, text, whole in calls(found)] == [("{}", False)]


def test_a_signature_with_the_end_of_a_call() -> None:
    """It is kept with the call, though the call ends with it."""
    found = run(
        g.chunk({"functionCall": {"name": "f", "willContinue": True}}),
        g.chunk({"functionCall": {}, "thoughtSignature": "S"}),
        END,
    )
    assert parts(found)[0]["thoughtSignature"] == "S"


def test_what_is_cut_short_is_incomplete() -> None:
    """The item at the end of a response that met a limit."""
    found = run(g.chunk(g.thought("a"), g.text("b"), finishReason="MAX_TOKENS"))
    assert [item.status for item in found.response.output] == [None, "incomplete"]


def test_candidates_are_apart() -> None:
    """Each has its own items, end and index; an absent index is 0."""
    found = run(
        g.candidates(g.candidate(g.text("a"), index=None), g.candidate(g.text("b"), index=1)),
        g.candidates(g.candidate(g.text("d"), index=1, **STOP), g.candidate(g.text("c"), index=None, **STOP)),
    )
    assert [(item.choice_index, item.data["content"][0]["text"]) for item in found.response.output] == [
        (0, "ac"),
        (1, "bd"),
    ]
    assert found.response.outcome is Outcome.COMPLETED


def test_one_candidate_without_an_end() -> None:
    """The response is complete when every candidate is."""
    found = run(g.candidates(g.candidate(g.text("a"), **STOP), g.candidate(g.text("b"), index=1)))
    assert found.response.outcome is Outcome.TRUNCATED
    assert found.response.finish_reason is None


def test_several_candidates_without_indexes() -> None:
    """Then their order decides."""
    found = run(
        g.candidates(
            g.candidate(g.text("a"), index=None, **STOP), g.candidate(g.text("b"), index=None, **STOP)
        )
    )
    assert [item.choice_index for item in found.response.output] == [0, 1]


def test_the_worst_end_counts() -> None:
    """The first candidate that did not end well decides."""
    found = run(g.candidates(g.candidate(**STOP), g.candidate(index=1, finishReason="SAFETY")))
    assert (found.response.outcome, found.response.finish_reason) == (Outcome.INCOMPLETE, "content_filter")
    found = run(g.candidates(g.candidate(finishReason="SAFETY"), g.candidate(index=1, finishReason="ERROR")))
    assert found.response.outcome is Outcome.FAILED


def test_cancelling() -> None:
    """A finish reason is no end: who gives up before that has cancelled."""
    assert run(g.chunk(g.text("x"), **STOP), end="cancel").response.outcome is Outcome.CANCELLED


def test_blocked_prompts() -> None:
    """A block reason without candidates is an end; ratings are none."""
    found = run({"promptFeedback": {"blockReason": "OTHER"}, "usageMetadata": g.usage(9, 0)})
    assert (found.response.outcome, found.response.finish_reason) == (Outcome.INCOMPLETE, "content_filter")
    assert found.response.incomplete_reason == "OTHER"
    assert run({"promptFeedback": {"safetyRatings": [{}]}}).response.outcome is Outcome.TRUNCATED
    assert (
        run({"promptFeedback": {"blockReason": "BLOCKED_REASON_UNSPECIFIED"}}).response.outcome
        is Outcome.TRUNCATED
    )


# ------------------------------------------------------------------------------------------------ metadata


def test_usage() -> None:
    """Results of tools are input, thoughts are output; the last that counts replaces all."""
    found = run(
        g.chunk(g.text("a"), index=0) | {"usageMetadata": g.usage(20, 21)},
        END | {"usageMetadata": g.usage(87, 0, 78, toolUsePromptTokenCount=5, cachedContentTokenCount=40)},
    )
    usage = found.response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (92, 78, 165)
    assert (usage.cached_tokens, usage.reasoning_tokens) == (40, 78)
    assert found.response.to_dict()["usage"] == {
        "input_tokens": 92,
        "output_tokens": 78,
        "total_tokens": 165,
        "input_tokens_details": {"cached_tokens": 40},
        "output_tokens_details": {"reasoning_tokens": 78},
    }


def test_usage_that_counts_nothing() -> None:
    """It adds its members and erases none."""
    found = run(
        g.chunk(g.text("a")) | {"usageMetadata": {"trafficType": "x"}}, END | {"usageMetadata": {"z": 1}}
    )
    assert found.response.usage is not None
    assert found.response.usage.input_tokens is None
    assert found.response.to_gemini_response()["usageMetadata"] == {"trafficType": "x", "z": 1}
    found = run(g.chunk(g.text("a")) | {"usageMetadata": g.usage(1, 2)}, END | {"usageMetadata": {"z": 1}})
    assert found.response.to_gemini_response()["usageMetadata"] == {**g.usage(1, 2), "z": 1}


def test_metadata() -> None:
    """The first id and prompt feedback, the last of all else; what is empty erases nothing."""
    found = run(
        {**g.chunk(g.text("a")), "promptFeedback": {"x": 1}, "modelVersion": "m1", "status": "odd"},
        {
            **g.chunk(g.text("b")),
            "promptFeedback": {"x": 2},
            "modelVersion": "m2",
            "responseId": "other",
            "zz": [],
        },
        {**END, "modelVersion": "", "promptFeedback": {}},
    )
    document = found.response.to_gemini_response()
    assert (document["responseId"], document["modelVersion"]) == (END["responseId"], "m2")
    assert document["promptFeedback"] == {"x": 1}
    assert document["status"] == "odd"
    assert found.codes == [C.RESPONSE_ID_CHANGED]


def test_pieces_of_metadata() -> None:
    """Lists of log probabilities and citations go on; grounding is merged member by member."""
    a, b = {"startIndex": 0, "uri": "a"}, {"startIndex": 1, "uri": "b"}
    found = run(
        g.chunk(
            g.text("a"),
            citationMetadata={"citationSources": [a]},
            logprobsResult={"chosenCandidates": [1]},
            groundingMetadata={"webSearchQueries": ["q"], "x": {}},
        ),
        g.chunk(
            g.text("b"),
            citationMetadata={"citationSources": [a, b]},
            logprobsResult={"chosenCandidates": [2]},
            groundingMetadata={},
        ),
        g.chunk(groundingMetadata={"groundingChunks": [3], "webSearchQueries": []}, **STOP),
    )
    candidate = found.response.to_gemini_response()["candidates"][0]
    assert candidate["citationMetadata"] == {"citationSources": [a, b]}
    assert candidate["logprobsResult"] == {"chosenCandidates": [1, 2]}
    assert candidate["groundingMetadata"] == {"webSearchQueries": ["q"], "x": {}, "groundingChunks": [3]}


def test_wrappings() -> None:
    """Code Assist wraps each chunk; what stands outside is kept, and is never the id."""
    found = run({"response": g.chunk(g.text("x")), "traceId": "t"}, {"response": END, "traceId": "t"})
    assert (found.response.output_text, found.response.outcome) == ("x", Outcome.COMPLETED)
    assert found.response.id == g.chunk()["responseId"]
    assert found.response.to_gemini_response()["traceId"] == "t"


def test_names_of_the_proto() -> None:
    """Snake case is read as camel case; what is the application's own stays as it is."""
    told = {"candidates": [{"content": {"parts": [{"function_call": {"name": "f", "args": {"a_b": 1}}}]}}]}
    found = run(told, {"candidates": [{"finish_reason": 1}], "usage_metadata": {"prompt_token_count": 3}})
    assert calls(found)[0][2] == '{"a_b":1}'
    assert found.response.outcome is Outcome.COMPLETED
    assert found.response.usage is not None
    assert found.response.usage.input_tokens == 3
    found = run({**g.chunk(g.text("x", z_z=1), **STOP), "x_y": 1})
    assert found.response.to_gemini_response()["x_y"] == 1
    assert parts(found) == [{"text": "x", "z_z": 1}]
    for part in ({"inline_data": {"mime_type": "m"}}, {"thought_signature": "s", "text": ""}):
        assert "_" not in json.dumps(parts(run(g.chunk(part), END)))
    for snake, name in (("a_b", "aB"), ("_a", "_a"), ("a_2", "a_2"), ("ab", "ab"), ("a__b", "a_B"), ("", "")):
        assert table.camel(snake) == name


# -------------------------------------------------------------------------------------- errors, other wires


def test_an_error_ends_a_stream_of_payloads() -> None:
    """Fed as a payload it is the end at once; inside of frames the end is that of the transport."""
    found = run(g.chunk(g.text("x")), g.error(), end="none")
    assert found.names()[-2:] == ["ErrorReported", "ResponseFinished"]
    assert found.response.output_text == "x"
    assert found.response.error is not None
    assert (found.response.error.kind, found.response.error.status) == ("overloaded", 503)
    found = run_sse(g.chunk(g.text("x")), g.error(500, "INTERNAL", "Oh."), g.chunk(g.text("y")), g.error())
    assert (found.response.outcome, found.response.output_text) == (Outcome.FAILED, "xy")
    assert found.response.error is not None
    assert found.response.error.kind == "overloaded"  # which says more
    assert found.codes == [C.ERROR_AFTER_FAILURE]
    found = run_sse(g.chunk(g.text("x")), g.error(), g.error(500, "INTERNAL", "Oh."))
    assert found.response.error is not None
    assert found.response.error.kind == "overloaded"
    assert found.codes == [C.ERROR_AFTER_FAILURE]


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        ({"object": "chat.completion.chunk", "choices": []}, "chat"),
        ({"type": "response.created", "response": {"id": "r"}}, "responses"),
        ({"type": "message_start", "message": {}}, "anthropic"),
    ],
)
def test_payloads_of_other_wires(payload: Any, name: str) -> None:
    """The response fails, and the message says what to do."""
    found = run(payload)
    assert found.response.outcome is Outcome.FAILED
    assert found.response.error is not None
    assert found.response.error.code == "wrong_dialect"
    assert f"dialect='{name}'" in (found.response.error.message or "")
    assert found.codes == [C.WRONG_DIALECT]


def test_a_body_that_is_none() -> None:
    """A page in place of a stream fails, also after something had come."""
    parser = ResponseParser("gemini")
    parser.feed(b"<html><body>502 Bad Gateway</body></html>")
    parser.close()
    assert [type(event).__name__ for event in parser.events()] == ["ErrorReported", "ResponseFinished"]
    assert parser.response.outcome is Outcome.FAILED
    assert parse(b"data: [DONE]\n\n", "gemini").outcome is Outcome.TRUNCATED


def test_errors_without_words_say_nothing_more() -> None:
    """A second error of no known kind does not take the place of the first."""
    found = run_sse(g.chunk(g.text("x")), g.error(), {"error": {"message": "?"}})
    assert found.response.error is not None
    assert found.response.error.status == 503


def test_arguments_of_wrong_types() -> None:
    """Of a streamed call they are passed over; of a whole one they are written as they are."""
    found = run(g.chunk(g.call("f", args=5, willContinue=True)), g.chunk(g.call(None)), END)
    assert calls(found)[0][2:] == ("{}", True)
    assert found.codes == [C.INVALID_FIELD]
    found = run(
        g.chunk(g.call("f", args="{}")), g.chunk(g.call("g", args=[1])), g.chunk(g.call("h", args="")), END
    )
    assert [call[2] for call in calls(found)] == ["{}", "[1]", "{}"]


def test_members_beside_streamed_pieces() -> None:
    """Members may come as values too, before the pieces and among them. A piece behind the end fits none."""
    found = run(
        g.chunk(g.call("f", id="c", args={"a": 1}, willContinue=True)),
        g.chunk(
            g.call(None, args={"b": [2]}, partialArgs=[g.piece("$.c", "x", more=True)], willContinue=True)
        ),
        g.chunk(g.call(None, args={"d": {}}, willContinue=True)),
        g.chunk(g.call("f", id="c", args={"a": 3})),
        g.chunk(g.call(None, partialArgs=[g.piece("$.z", 1)])),
        END,
    )
    assert calls(found) == [("c", "f", '{"a":3,"b":[2],"c":"x","d":{}}', False)]
    assert found.codes == [C.VALUE_CONTRADICTED, C.VALUE_CONTRADICTED, C.CALL_NOT_OPEN]


@pytest.mark.parametrize("more", [False, True])
def test_paths_without_values(more: bool) -> None:
    """They end what is open, begin what is empty, and say nothing of what is there."""
    pieces = [
        g.piece("$.s", "x", more=True),
        g.piece("$.s"),
        g.piece("$.s"),
        g.piece("$.o.p", 1),
        g.piece("$.o"),
        g.piece("$.o"),
        g.piece("$.l[0]", 1),
        g.piece("$.l[]"),
        g.piece("$"),
        g.piece("$.w", more=True),
        *([g.piece("$.s", "y"), g.piece("$.e"), g.piece("$.k[]"), g.piece("$.e")] if more else []),
    ]
    found = run(*streamed(*pieces), END)
    wanted = '{"s":"x","o":{"p":1},"l":[1]}'
    assert calls(found)[0][2:] == (
        wanted if not more else wanted.replace("x", "xy")[:-1] + ',"e":{},"k":[]}',
        True,
    )


def test_what_comes_after_the_end() -> None:
    """It changes nothing: signs of life are none, all else is an anomaly."""
    chat = {"object": "chat.completion.chunk", "choices": []}
    found = run(chat, {"type": "ping"}, g.chunk(g.text("x")))
    assert found.response.outcome is Outcome.FAILED
    assert found.codes == [C.WRONG_DIALECT, C.EVENT_AFTER_END]
    dialect = GeminiDialect(
        Fold(Limits()), lambda code, message: None, CallLifts((), lambda code, message: None)
    )
    assert dialect.translate(chat, "")
    assert dialect.reject_body(ResponseError(ErrorKind.UNKNOWN, None)) == []
    assert dialect.end(Outcome.TRUNCATED) == []


def test_members_of_another_wire() -> None:
    """A payload with a member of ours is another's where it says so and has no candidates."""
    assert run({"choices": [], "responseId": "x"}).codes == [C.WRONG_DIALECT]
    assert run({"choices": [], **g.chunk(g.text("x"), **STOP)}).codes == []


def test_odd_members() -> None:
    """What is beside text is kept, whatever it is; metadata that say nothing new make no event."""
    found = run(
        g.chunk(g.text("a", thought="yes"), g.text("b", thought=0, k=1), g.text("c", thought=False)), END
    )
    assert parts(found) == [
        {"text": "a", "thought": "yes"},
        {"text": "b", "thought": 0, "k": 1},
        {"text": "c"},
    ]
    call = {"functionCall": {"name": "f", "args": {}}, "thought": False}
    assert parts(run(g.chunk(call), END)) == [g.call("f", args={})]
    same = {"citationMetadata": {"citationSources": [{"uri": "a"}]}, "groundingMetadata": {"q": [1]}}
    found = run(g.chunk(g.text("a"), **same), g.chunk(g.text("b"), **same), END)
    assert len(found.all(e.ChoiceUpdated)) == 2
    found = run(
        g.chunk(g.call("f", willContinue=True)),
        g.chunk(g.call(None, args={"a": 1})),
        g.chunk(finishReason="MALFORMED_FUNCTION_CALL"),
    )
    assert calls(found)[0][2:] == ('{"a":1}', False)
    found = run(*streamed(ends=False), g.chunk(finishReason="MALFORMED_FUNCTION_CALL"))
    assert calls(found)[0][3] is False
    told = {
        "usage_metadata": {"x": 1},
        "usageMetadata": g.usage(),
        "candidates": [5, {"content": {"parts": [5]}}],
    }
    assert run(told, END).response.usage is not None
    assert parts(run(g.chunk(g.text("", thoughtSignature="")), END)) == []
    assert calls(
        run(g.chunk(finish_reason="STOP"), g.chunk(g.call("f", willContinue=True)), g.chunk(g.call(None)))
    ) == [("call_0_synthesized", "f", "{}", True)]
    nested = g.piece("$.a.b", "x"), g.piece("$.a.c", "y"), g.piece("$.a.b", "z")
    found = run(*streamed(*nested, ends=False), g.chunk(g.call(None, args={"a": 1})), END)
    assert calls(found)[0][2:] == ('{"a":{"b":"xz","c":"y"}}', False)
    assert [event.payload for event in found.all(e.UnknownEvent)] == [{"a": 1}]
    assert run({"candidates": [{"content": {"parts": [5]}}, 5]}, END).codes == [C.INVALID_FIELD] * 2


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_an_error_without_a_frame(newline: bytes) -> None:
    """Google prints an error behind events as JSON in several lines, be the end of it missing."""
    printed = json.dumps(g.error(), indent=2).encode().replace(b"\n", newline)
    start = framed(g.chunk(g.text("x")))
    for body in (start + printed + newline, start + printed, start + b"[" + printed + b"]" + newline):
        found = play([body[at : at + 1] for at in range(len(body))], "gemini").parser
        assert found.response.outcome is Outcome.FAILED
        assert found.response.error is not None
        assert (found.response.error.status, found.response.output_text) == (503, "x")
    cut = play(start + printed[:60], "gemini").parser.response
    assert cut.outcome is Outcome.FAILED
    # What an event follows was no value; what is larger than an event may be is none either.
    found = play(start + b'{\n "error": {\n' + framed(END), "gemini").parser
    assert found.response.outcome is Outcome.COMPLETED
    small = Limits(event_bytes=len(start))
    body = start + b'{\n "error": {\n' + b'  "k": "0123456789",\n' * 50 + b"}}\n" + framed(END)
    assert play(body, "gemini", limits=small).parser.response.outcome is Outcome.COMPLETED


def test_done_ends_nothing() -> None:
    """`[DONE]` is of another wire; strict mode goes on."""
    parser = ResponseParser("gemini", strict=True)
    parser.feed(framed(g.chunk(g.text("x"))) + b"data: [DONE]\n\n" + framed(END))
    parser.close()
    assert [type(event).__name__ for event in parser.events()][-1] == "ResponseFinished"
    assert [anomaly.code for anomaly in parser.anomalies] == [C.DONE_OF_ANOTHER_WIRE]
    assert parser.response.outcome is Outcome.COMPLETED


def test_strict() -> None:
    """A stream that ends without its end is a fault."""
    with pytest.raises(WireError, match="missing_terminal"):
        run(g.chunk(g.text("x")), strict=True)


@pytest.mark.parametrize(
    ("limits", "payloads"),
    [
        ({"items": 2}, [g.chunk(g.call("a"), g.call("b"), g.call("c"))]),
        ({"parts": 2}, [g.chunk(*[g.text("a", thoughtSignature="s")] * 3)]),
        ({"index": 2}, [g.chunk(g.text("a"), index=3)]),
        ({"items": 2}, [g.candidates(*[g.candidate(index=index) for index in range(3)])]),
        ({"text_size": 5}, [g.chunk(g.text("abcdef"))]),
        ({"text_size": 200}, [g.chunk(**{f"k{index}": "x" * 20}) for index in range(20)]),
        ({"text_size": 200}, [g.chunk() | {f"k{index}": "x" * 20} for index in range(20)]),
        ({"json_depth": 12}, streamed(g.piece("$" + ".a" * 12, 1))),
    ],
)
def test_limits(limits: dict[str, int], payloads: list[Any]) -> None:
    """Whatever adds up is bounded."""
    with pytest.raises(LimitExceeded, match=next(iter(limits))):
        run(*payloads, limits=Limits(**limits))


# ---------------------------------------------------------------------------------------------- documents


def test_other_responses_in_the_words_of_gemini() -> None:
    """Text, thoughts, calls, usage and the end are converted."""
    stream = (
        StreamBuilder("responses")
        .reasoning("Hm.")
        .text("Yes.")
        .refusal("No.", more=True)
        .call("f", '{"a":1}', call_id="c1")
        .call("g", "ls", call_id="c2", custom=True)
        .item({"type": "web_search_call", "status": "completed"})
    )
    document = parse(stream.completed().body).to_gemini_response()
    assert document["candidates"] == [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Hm.", "thought": True},
                    {"text": "Yes."},
                    {"text": "No."},
                    {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}},
                    {"functionCall": {"id": "c2", "name": "g", "args": {"input": "ls"}}},
                ],
            },
            "finishReason": "STOP",
            "index": 0,
        }
    ]
    assert document["usageMetadata"]["totalTokenCount"] == 17
    assert document["responseId"] == "resp_1"
    ends = {
        "MAX_TOKENS": stream.incomplete(),
        "SAFETY": stream.incomplete("content_filter"),
        None: stream.truncated(),
    }
    for word, told in ends.items():
        assert parse(told.body).to_gemini_response()["candidates"][0].get("finishReason") == word
    assert parse(b'data: {"type":"response.created","response":{}}\n\n').to_gemini_response()["candidates"]


def test_gemini_as_a_chat_completion() -> None:
    """Finish reasons become Chat's, choice by choice, and what Chat does not have stays out."""
    found = run(
        g.candidates(
            g.candidate(g.thought("Hm."), g.text("a"), g.call("f", id="c", args={}), **STOP),
            g.candidate(g.text("b"), index=1, avgLogprobs=-1, **STOP),
            g.candidate(g.text("c"), index=2, finishReason="MAX_TOKENS"),
            g.candidate(index=3, finishReason="OTHER"),
            g.candidate(index=4, finishReason="SAFETY"),
            createTime="x",
        )
    )
    completion = found.response.to_chat_completion()
    reasons = [choice["finish_reason"] for choice in completion["choices"]]
    assert reasons == ["tool_calls", "stop", "length", "length", "content_filter"]
    message = completion["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("a", "Hm.")
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert "createTime" not in completion
    assert "avgLogprobs" not in completion["choices"][1]
    assert run(g.chunk(g.text("a"))).response.to_chat_completion()["choices"][0]["finish_reason"] is None
    for broken in ("failed", "aborted"):  # words that Chat has none for
        both = g.candidate(g.text("a"), finishReason=broken), g.candidate(g.text("b"), index=1, **STOP)
        choices = run(g.candidates(*both)).response.to_chat_completion()["choices"]
        assert [choice["finish_reason"] for choice in choices] == [None, "stop"]


def test_usage_in_the_words_of_gemini() -> None:
    """Only what another API told is told."""
    assert table.usage_metadata(table.Usage()) == {}
    assert table.usage_metadata(table.Usage(5, 3, None, 2, None, 1)) == {
        "promptTokenCount": 5,
        "candidatesTokenCount": 2,
        "thoughtsTokenCount": 1,
        "cachedContentTokenCount": 2,
        "totalTokenCount": 8,
    }
    assert table.usage_metadata(table.Usage(output_tokens=3, reasoning_tokens=5)) == {
        "candidatesTokenCount": 0,
        "thoughtsTokenCount": 5,
    }
    assert table.usage_metadata(table.Usage(total_tokens=3)) == {"totalTokenCount": 3}


# ----------------------------------------------------------------------------------- snapshots, replays, law


@given(streams("gemini"), st.data())
def test_a_snapshot_at_any_payload(stream: Any, data: st.DataObject) -> None:
    """A parser taken up again goes on as if nothing had been, streamed calls included."""
    whole = run_sse(*stream.payloads)
    parser = ResponseParser("gemini")
    at = data.draw(st.integers(0, len(stream.payloads)))
    parser.feed(framed(*stream.payloads[:at]))
    events = list(parser.events())
    parser = resumed(parser)
    parser.feed(framed(*stream.payloads[at:]))
    parser.close()
    assert [*events, *parser.events()] == whole.events
    assert parser.response.to_gemini_response() == whole.response.to_gemini_response()


@given(streams("gemini", outcome=Outcome.COMPLETED, min_items=1), st.data())
def test_a_reconnection_tells_the_rest(stream: Any, data: st.DataObject) -> None:
    """A connection that tells the response from its beginning tells nothing twice."""
    parser = ResponseParser("gemini")
    at = data.draw(st.integers(1, len(stream.payloads)))
    parser.feed(framed(*stream.payloads[:at]))
    parser.reconnect()
    parser.feed(framed(*stream.payloads))
    parser.close()
    events = list(parser.events())
    text = "".join(event.text for event in events if isinstance(event, e.TextDelta))
    assert text == parser.response.output_text == run_sse(*stream.payloads).response.output_text
    assert parser.response.outcome is Outcome.COMPLETED
    assert [anomaly.code for anomaly in parser.anomalies] == []


@given(streams("gemini", outcome=Outcome.COMPLETED))
def test_wrapped_or_not(stream: Any) -> None:
    """What Code Assist wraps is what it wraps."""
    plain = run_sse(*stream.payloads)
    wrapped = run_sse(
        *({"response": payload} if "candidates" in payload else payload for payload in stream.payloads)
    )
    assert wrapped.events == plain.events


def test_usage_waits_for_more_than_text() -> None:
    """Chunks of text that count tokens do not each report them; what is folded is the last count."""
    counted = [g.chunk(g.text("a")) | {"usageMetadata": g.usage(9, at)} for at in range(1, 40)]
    found = run_sse(*counted, END)
    assert [event.usage.output_tokens for event in found.all(e.UsageReported)] == [1, 39]
    found = run_sse(*counted)
    assert found.response.outcome is Outcome.TRUNCATED
    assert found.response.usage is not None
    assert found.response.usage.output_tokens == 39
    parser = ResponseParser("gemini")
    parser.feed(framed(*counted))
    assert list(parser.events())
    parser = resumed(parser)
    parser.close()
    assert list(parser.events())
    assert parser.response.usage == found.response.usage


def test_hot_deltas_are_hot() -> None:
    """Long runs of like chunks give the same by the short cut, with a signature and usage among them."""
    chunks = [g.chunk(g.text(f"t{number} ")) for number in range(50)]
    chunks[20] = g.chunk(g.text("t20 ", thoughtSignature="s"))
    chunks[30] = g.chunk(g.text('t30 "é🙂" '))
    chunks[40] = chunks[40] | {"usageMetadata": g.usage(1, 40)}
    thoughts = [g.chunk(g.thought(f"t{number} ")) for number in range(50)]
    counted = [chunk | {"usageMetadata": g.usage(9, 3 * at % 100)} for at, chunk in enumerate(chunks)]
    odd = [
        chunk | {"usageMetadata": {"promptTokenCount": 9, "k": at // 9}} for at, chunk in enumerate(chunks)
    ]
    for payloads in (
        [*chunks, END],
        [*thoughts, END],
        [{"response": chunk} for chunk in [*chunks, END]],
        [*counted, END],
        counted,
        [*counted, *chunks, *counted[::-1], *odd, END | {"usageMetadata": {"trafficType": "x"}}],
        [{"response": chunk} for chunk in [*counted, END]],
        [{"usageMetadata": chunk.pop("usageMetadata"), **chunk} for chunk in map(dict, counted)],
        [g.chunk(g.text(f"t{number} "), g.text("")) for number in range(9)],
        [g.candidates(g.candidate(g.text(f"t{number} ")), g.candidate(index=1)) for number in range(9)],
        [g.chunk(g.text(f"t{number} ", thought=None)) for number in range(9)],
    ):
        hot = run_sse(*payloads)
        cold = ResponseParser("gemini")
        for payload in payloads:
            cold.feed(b": c\n\n" + framed(payload))
        cold.close()
        assert [event for event in cold.events() if not isinstance(event, e.Heartbeat)] == hot.events
        assert json.dumps(cold.response.to_gemini_response()) == json.dumps(hot.response.to_gemini_response())


def test_a_call_that_is_told_again_without_its_arguments() -> None:
    """What is left out says nothing: the arguments stay. So does a null beside another spelling."""
    call = {"id": "c", "name": "f", "args": {"a": 1}}
    part = {"function_call": call, "thought_signature": "s", "thoughtSignature": None}
    again = {"functionCall": {"id": "c", "name": "f"}}
    found = run(
        *({"candidates": [{"content": {"parts": [told]}}]} for told in (part, again)),
        {"candidates": [{"finishReason": "STOP"}]},
    )
    assert calls(found) == [("c", "f", '{"a":1}', True)]
    assert found.output()[0]["thoughtSignature"] == "s"


@pytest.mark.parametrize("content", ["Hi", 5])
def test_a_content_of_a_wrong_type(content: Any) -> None:
    """It is reported, and what follows it is read."""
    found = run({"candidates": [{"content": content}]}, g.chunk(g.text("Ho")), END)
    assert found.response.output_text == "Ho"
    assert found.codes == [C.INVALID_FIELD]


def test_a_piece_without_its_array() -> None:
    """A bare piece of arguments is the only one."""
    bare = g.chunk(g.call(None, partialArgs=g.piece("$.a", "x"), willContinue=True))
    found = run(g.chunk(g.call("f", willContinue=True)), bare, g.chunk(g.call(None)), END)
    assert calls(found)[0][2:] == ('{"a":"x"}', True)
    assert found.codes == [C.INVALID_FIELD]


def test_a_thought_beside_a_call_is_no_answer() -> None:
    """A part that holds text and a call, and is marked as a thought: its text is reasoning."""
    sent = {"text": "Hm", "thought": True, "functionCall": {"name": "f", "args": {}}}
    found = run(g.chunk(sent, **STOP))
    assert [item.type for item in found.response.output] == ["reasoning", "function_call"]
    found = run(g.chunk({**sent, "thought": False}, **STOP))
    assert [item.type for item in found.response.output] == ["message", "function_call"]


@pytest.mark.parametrize("kind", ["ping", "keepalive"])
def test_a_sign_of_life_behind_the_end(kind: str) -> None:
    """It is no chunk that comes too late."""
    assert run_sse(g.chunk(g.text("x"), **STOP), {"type": kind}).codes == []


def test_a_word_that_fails_is_the_error() -> None:
    """The error holds the word as the server said it, and may be tried again."""
    found = run(g.chunk(g.text("x"), finishReason="ERROR"))
    error = found.response.error
    assert error is not None
    assert (error.kind, error.raw, error.retryable) == (ErrorKind.UNKNOWN, {"finishReason": "ERROR"}, True)


@pytest.mark.parametrize(
    "name",
    [
        *("partMetadata", "videoMetadata", "mediaResolution", "mediaProcessing", "speechMetadata"),
        *("documentMetadata", "spreadsheetMetadata", "audioMetadata"),
    ],
)
def test_members_beside_the_data_of_a_part(name: str) -> None:
    """They go with the part they stand on, be it text or data, and come back with it."""
    for part in (
        {"text": "Hi", name: {"a": 1}},
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}, name: {"a": 1}},
    ):
        found = run(g.chunk(part), END)
        assert found.codes == []
        assert parts(found)[0] == part
    found = run(g.chunk({name: {"a": 1}, "hologram": {"b": 2}}), END)
    assert [item.type for item in found.response.output] == ["hologram"]


# ----------------------------------------------------------------------------------- each word, each rule

SNAKE = {
    "response": {
        "model_version": "modelVersion",
        "response_id": "responseId",
        "usage_metadata": "usageMetadata",
        "prompt_feedback": "promptFeedback",
        "create_time": "createTime",
        "model_status": "modelStatus",
    },
    "candidate": {
        "finish_message": "finishMessage",
        "safety_ratings": "safetyRatings",
        "citation_metadata": "citationMetadata",
        "grounding_metadata": "groundingMetadata",
        "url_context_metadata": "urlContextMetadata",
        "logprobs_result": "logprobsResult",
        "avg_logprobs": "avgLogprobs",
        "token_count": "tokenCount",
        "continuation_token": "continuationToken",
    },
    "part": {
        "thought_signature": "thoughtSignature",
        "inline_data": "inlineData",
        "file_data": "fileData",
        "executable_code": "executableCode",
        "code_execution_result": "codeExecutionResult",
        "function_response": "functionResponse",
        "tool_call": "toolCall",
        "tool_response": "toolResponse",
        "audio_transcription": "audioTranscription",
        "part_metadata": "partMetadata",
        "video_metadata": "videoMetadata",
    },
}


@pytest.mark.parametrize(
    ("where", "snake", "camel"),
    [(where, *names) for where, found in SNAKE.items() for names in found.items()],
)
def test_each_name_of_the_proto_alone(where: str, snake: str, camel: str) -> None:
    """One of them is enough to know that a chunk has the names of the proto."""
    value: Any = "x" if snake in ("model_version", "response_id", "thought_signature") else {"a": 1}
    part, candidate, response = ({snake: value} if where == place else {} for place in reversed(SNAKE))
    sent = {"content": {"parts": [{"text": "a"} | part]}, **candidate}
    found = run({"candidates": [sent], **response}, {"candidates": [{"finish_reason": "STOP"}]})
    document = found.response.to_gemini_response()
    places = {"response": [document], "candidate": document["candidates"], "part": parts(found)}[where]
    assert [place[camel] for place in places if camel in place] == [value]
    assert not any(snake in place for place in places)
    assert found.response.outcome is Outcome.COMPLETED


@pytest.mark.parametrize("name", ["args", "response", "partMetadata", "data", "parsed"])
def test_what_is_the_applications_keeps_its_names(name: str) -> None:
    """Names in it are no names of the proto."""
    told = {"function_call": {"name": "f", "x_y": {name: {"a_b": {"c_d": 1}}, "e_f": {"g_h": 1}}}}
    found = run(g.chunk(told), END)
    inside = parts(found)[0]["functionCall"]
    assert inside["xY"] == {name: {"a_b": {"c_d": 1}}, "eF": {"gH": 1}}


@pytest.mark.parametrize(
    "names",
    [
        [],
        *(["id"], ["object"], ["model"], ["status"], ["incomplete_details"], ["usage"], ["output"]),
        *(["created_at"], ["background"], ["audio"], ["members"], ["id", "model", "members"]),
    ],
)
def test_a_document_is_what_was_sent(names: list[str]) -> None:
    """Members that the Responses API has as well come back under their names, and nothing is added."""
    sent = g.chunk(g.text("x"), **STOP) | {"usageMetadata": g.usage(1, 2), "createTime": "t"}
    sent |= dict.fromkeys(names, "odd")
    found = run(sent)
    assert found.response.to_gemini_response() == sent
    assert "odd" not in found.response.to_dict().values()
    assert (found.response.id, found.response.model) == (sent["responseId"], sent["modelVersion"])


@pytest.mark.parametrize("before", [g.chunk(g.call("f", args={"a": 1})), g.chunk(g.text("x"))])
def test_an_empty_call_that_ends_nothing(before: Any) -> None:
    """It is said to be out of order: no call was open, and none that came in pieces had ended."""
    found = run(before, g.chunk(g.call(None)), END)
    assert found.codes == [C.CALL_NOT_OPEN]
    assert all(call[3] for call in calls(found))


def test_all_calls_are_taken_back_whatever_stands_between() -> None:
    """Those of the candidate whose word says so, and of no other."""
    found = run(
        g.candidates(
            g.candidate(g.text("x"), g.call("f", args={}), g.text("y"), g.call("g", args={})),
            g.candidate(g.call("h", args={}), index=1, **STOP),
        ),
        g.chunk(finishReason="MALFORMED_FUNCTION_CALL"),
    )
    assert [(name, whole) for _, name, _, whole in calls(found)] == [("f", False), ("g", False), ("h", True)]


def test_a_whole_call_that_is_sent_again_in_pieces() -> None:
    """It stays whole where they say the same."""
    sent = {"id": "c", "partialArgs": [g.piece("$.a", "x")]}
    found = run(g.chunk(g.call("f", id="c", args={"a": "x"})), g.chunk({"functionCall": sent}), END)
    assert (calls(found), found.codes) == ([("c", "f", '{"a":"x"}', True)], [])


@pytest.mark.parametrize("ident", ["c1", None])
def test_two_calls_whose_pieces_come_in_turn(ident: str | None) -> None:
    """Those with ids go on side by side; one without any ends where the next begins."""
    named = {} if ident is None else {"id": ident}
    pieces = [g.piece("$.a", 1)]
    found = run(
        g.chunk(g.call("f", **named, partialArgs=pieces, willContinue=True)),
        g.chunk(g.call("g", id="c2", willContinue=True)),
        g.chunk({"functionCall": {"id": "c2", "partialArgs": pieces}}),
        g.chunk({"functionCall": named}),
        END,
    )
    one = (ident or "call_0_synthesized", "f", *(('{"a":1}', True) if ident else ('{"a":1', False)))
    assert calls(found) == [one, ("c2", "g", '{"a":1}', True)]
    names = [(type(event).__name__, getattr(event, "output_index", None)) for event in found.events]
    assert (names.index(("ItemFinished", 0)) < names.index(("ItemStarted", 1))) is (ident is None)


def test_an_event_that_is_named_an_error() -> None:
    """Whatever stands in it; a payload that is an error needs no name, and another name says nothing."""
    for name, payload, outcome in (
        ("error", {"n": 1}, Outcome.FAILED),
        ("error", g.error(), Outcome.FAILED),
        ("", g.error(), Outcome.FAILED),
        ("stats", {"n": 1}, Outcome.COMPLETED),
    ):
        body = f"event: {name}\ndata: {json.dumps(payload)}\n\n" if name else framed(payload).decode()
        found = play(framed(g.chunk(g.text("a"))) + body.encode() + framed(END), "gemini")
        assert found.response.outcome is outcome


@pytest.mark.parametrize("payload", [{"type": "ping"}, {"type": "other"}, {"type": 5}, {}])
def test_what_a_payload_behind_the_end_is(payload: Any) -> None:
    """A sign of life by its type, else an event after the end."""
    found = run({"choices": [], "object": "chat.completion.chunk"}, payload)
    expected = [] if payload == {"type": "ping"} else [C.EVENT_AFTER_END]
    assert found.codes == [C.WRONG_DIALECT, *expected]


def test_a_usage_that_says_the_same_costs_nothing() -> None:
    """Vertex sends the type of traffic with each chunk: it is held once."""
    same = {"usageMetadata": {"trafficType": "ON_DEMAND"}}
    found = run(*[g.chunk(g.text("a")) | same] * 60, END, limits=Limits(text_size=200))
    assert found.response.to_gemini_response()["usageMetadata"] == {"trafficType": "ON_DEMAND"}


@pytest.mark.parametrize(("count", "early"), [(64, True), (65, False)])
def test_when_a_usage_is_reported(count: int, early: bool) -> None:
    """With what it came with; one with more members than any server's waits for the end. So does the rest."""
    usage = {"promptTokenCount": 1, **{f"k{number}": number for number in range(count - 1)}}
    found = run(g.chunk(g.call("f", args={})) | {"usageMetadata": usage}, END | {"usageMetadata": {"z": 1}})
    reported = [event.usage.to_dict() for event in found.all(e.UsageReported)]
    assert reported == ([usage] if early else []) + [usage | {"z": 1}]


def test_a_large_usage_that_more_is_said_of() -> None:
    """Whichever way it came: what is said later is in the usage at the end, and not in what was reported."""
    usage = {"promptTokenCount": 1, **{f"k{number}": number for number in range(80)}}
    payloads = [
        g.chunk(g.text("a")) | {"usageMetadata": usage | {"promptTokenCount": n}} for n in range(1, 9)
    ]
    payloads.append(g.chunk(g.call("f", args={})))
    payloads.append(g.chunk(g.call("h", args={})) | {"usageMetadata": {"trafficType": "X"}})
    parser = ResponseParser("gemini")
    reported: list[Any] = []
    for payload in [*payloads, END]:
        parser.feed(framed(payload))
        for event in parser.events():
            if isinstance(event, e.UsageReported):
                reported.append((event.usage, event.usage.to_dict()))
    parser.close()
    reported += [(event.usage, {}) for event in parser.events() if isinstance(event, e.UsageReported)]
    reported[-1] = (reported[-1][0], reported[-1][0].to_dict())
    assert [found.to_dict() for found, _ in reported] == [told for _, told in reported]
    assert reported[-1][1] == usage | {"promptTokenCount": 8, "trafficType": "X"}
    assert parser.response.usage == reported[-1][0]


def test_words_of_choices_in_a_document() -> None:
    """Each candidate ends with the nearest to what its own word means, in whatever words its server has."""
    words = {
        "length": "MAX_TOKENS",
        "eos": "STOP",
        "tool_calls": "STOP",
        "max_new_tokens": "MAX_TOKENS",
        "sensitive": "SAFETY",
        "repetition": "MAX_TOKENS",
        "made_up": "MAX_TOKENS",
    }
    choices = [{"index": at, "delta": {"content": "a"}, "finish_reason": w} for at, w in enumerate(words)]
    found = run_any({"object": "chat.completion.chunk", "choices": choices}, dialect="chat")
    document = found.response.to_gemini_response()
    assert [candidate["finishReason"] for candidate in document["candidates"]] == [*words.values()]
    assert [candidate["index"] for candidate in document["candidates"]] == [*range(len(words))]


def test_the_items_that_parts_become() -> None:
    """A thought is reasoning, a text a message; members that they have beside stay with the part."""
    found = run(g.chunk(g.thought("Hm", k=1), g.text("A", k=2), g.call("f", id="c", args={})), END)
    thought = {"type": "reasoning_text", "text": "Hm", "k": 1}
    said = {"type": "output_text", "text": "A", "annotations": [], "k": 2}
    called = {"call_id": "c", "name": "f", "arguments": "{}", "status": "completed"}
    assert found.output() == [
        {"type": "reasoning", "summary": [], "content": [thought]},
        {"type": "message", "role": "assistant", "status": "completed", "content": [said]},
        {"type": "function_call", **called},
    ]


def test_a_document_of_several_candidates() -> None:
    """Each has what was sent of it, in the order of their indexes."""
    sent = [
        g.candidate(
            g.text(text), g.call("f", id=text, args={"a": text}), index=index, **STOP, avgLogprobs=index
        )
        for index, text in enumerate("abc", 1)
    ]
    document = run(g.candidates(*sent[::-1])).response.to_gemini_response()
    assert document["candidates"] == sent


@pytest.mark.parametrize(
    ("piece", "arguments"),
    [
        ({"stringValue": "x"}, '{"a":"x"}'),
        ({"boolValue": False}, '{"a":false}'),
        ({"boolValue": True, "stringValue": None}, '{"a":true}'),
        ({"numberValue": 50.0}, '{"a":50}'),
        ({"numberValue": 0}, '{"a":0}'),
        ({"numberValue": -0.5}, '{"a":-0.5}'),
        ({"nullValue": "NULL_VALUE"}, '{"a":null}'),
        ({"nullValue": 0}, '{"a":null}'),
        ({"nullValue": None}, '{"a":null}'),
        ({"nullValue": "NULL_VALUE", "numberValue": None}, '{"a":null}'),
        *(
            ({"nullValue": None, name: None}, '{"a":{}}')
            for name in ("stringValue", "numberValue", "boolValue")
        ),
    ],
)
def test_each_value_of_a_piece(piece: Any, arguments: str) -> None:
    """A null is one where it stands alone; beside others it is what an SDK writes for a member left out.

    A path without a value is an empty object.
    """
    found = run(*streamed({"jsonPath": "$.a", **piece}), END)
    assert (calls(found)[0][2:], found.codes) == ((arguments, True), [])


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("odd", [5, [1], True, "x"])
def test_arguments_that_are_no_object(odd: Any, more: bool) -> None:
    """They are told of, whether or not the call goes on."""
    found = run(g.chunk(g.call("f", args=odd, **({"willContinue": True} if more else {}))), END)
    assert C.INVALID_FIELD in found.codes
    assert calls(found)[0][2] == ("" if more else odd if isinstance(odd, str) else json.dumps(odd))


# ------------------------------------------------------------------------------------ which call goes on


def opened(path: str | None = None, **fields: Any) -> dict[str, Any]:
    """A call begins that goes on, with a string that goes on at a path."""
    pieces = {} if path is None else {"partialArgs": [g.piece(path, "x", more=True)]}
    return g.chunk(g.call("f", willContinue=True, **pieces, **fields))


@pytest.mark.parametrize(
    ("start", "again", "one"),
    [
        (opened(), g.call("f", partialArgs=[g.piece("$.a", "y")]), True),
        (opened("$.a"), g.call("f", partialArgs=[g.piece("$.a", "y")]), True),
        (opened("$.a"), g.call("f", partialArgs=[g.piece("$.b", "y")]), False),
        (opened("$.a"), g.call("g", partialArgs=[g.piece("$.a", "y")]), False),
        (opened("$.a"), g.call("f", id="i", partialArgs=[g.piece("$.a", "y")]), False),
        (opened("$.a"), g.call("f", args={"b": 1}), False),
        (opened("$.a"), g.call("f", partialArgs=[{"stringValue": "y"}]), False),
        (opened("$.a"), g.call("f", partialArgs=[]), False),
        (g.chunk(g.call("f", args={"a": "x"})), g.call("f", partialArgs=[g.piece("$.a", "y")]), False),
    ],
)
def test_a_piece_with_the_name_of_the_open_call(start: Any, again: Any, one: bool) -> None:
    """It goes on with it where nothing came yet, or where it goes on with the string that is open."""
    found = run(start, g.chunk(again), END)
    assert len(calls(found)) == (1 if one else 2)
    if one:
        assert calls(found)[0][2:] == ('{"a":"xy"}' if "partialArgs" in str(start) else '{"a":"y"}', True)


def test_a_piece_with_the_name_of_a_call_that_is_a_value_by_now() -> None:
    """No string of it is open, so that another call begins."""
    again = [g.piece("$.a", "x"), g.piece("$.b", "y"), g.piece("$.a", "z", more=True)]
    found = run(
        opened(),
        g.chunk(g.call(None, partialArgs=again, willContinue=True)),
        g.chunk(g.call("f", partialArgs=[g.piece("$.a", "w")])),
        END,
    )
    assert [text for _, _, text, _ in calls(found)][1:] == ['{"a":"w"}']


def test_an_id_that_comes_with_a_later_piece() -> None:
    """From then on pieces find their call by it, also while another one with an id is open."""
    found = run(
        opened("$.a"),
        g.chunk(g.call(None, id="one", willContinue=True)),
        opened("$.b", id="two"),
        g.chunk(g.call(None, id="one", partialArgs=[g.piece("$.a", "y")])),
        g.chunk(g.call(None, id="two", partialArgs=[g.piece("$.b", "z")])),
        END,
    )
    assert calls(found) == [("one", "f", '{"a":"xy"}', True), ("two", "f", '{"b":"xz"}', True)]
    assert found.codes == []


def test_what_becomes_known_of_a_call() -> None:
    """An id, a name and a signature are told once; another id or name is a fault of the server."""
    found = run(
        opened(id="one"),
        g.chunk(g.call(None, id="one", signature="s", willContinue=True)),
        g.chunk(g.call(None, id="one", signature="s", willContinue=True)),
        g.chunk(g.call("g", id="one", willContinue=True)),
        g.chunk(g.call("g", id="one", args={"a": 1})),
        END,
    )
    (item,) = found.output()
    assert (item["call_id"], item["name"], item["thoughtSignature"]) == ("one", "g", "s")
    assert item["arguments"] == '{"a":1}'
    assert len(found.all(e.ItemUpdated)) == 2
    assert [(told.code, told.message) for told in found.anomalies] == [(C.NAME_CHANGED, "'f' became 'g'")]


def test_how_arguments_begin_without_a_leaf() -> None:
    """A string that is announced without a piece of it makes the arguments begin."""
    bare = {"jsonPath": "$.a", "willContinue": True}
    first = g.chunk(g.call("f", partialArgs=[bare], willContinue=True))
    found = run(first, end="none")
    assert found.texts(e.ArgumentsDelta) == ["{"]
    found = run(first, g.chunk(g.call(None, partialArgs=[g.piece("$.a", "x")])), END)
    assert found.texts(e.ArgumentsDelta) == ["{", '"a":"x"', "}"]
    assert calls(found)[0][2:] == ('{"a":"x"}', True)


@pytest.mark.parametrize(
    ("pieces", "lost", "codes"),
    [
        (g.piece("$.a", 1), [], [("invalid_field", "partialArgs is")]),
        ([g.piece("$.a", 1)], [], []),
        ([g.piece("$.a", 1), 5], [5], [("partial_argument_lost", "a piece of")]),
        ([g.piece("$.a", 1), None], [None], [("partial_argument_lost", "a piece of")]),
        ([g.piece("$.a", 1), "x", "y"], ["x", "y"], [("partial_argument_lost", "a piece of")]),
    ],
)
def test_what_pieces_of_arguments_come_in(pieces: Any, lost: list[Any], codes: list[tuple[str, str]]) -> None:
    """One that stands in no array is read all the same; what is no piece is told once, and comes as it is."""
    found = run(g.chunk(g.call("f", partialArgs=pieces)), END)
    assert calls(found) == [("call_0_synthesized", "f", '{"a":1}', not lost)]
    assert [event.payload for event in found.all(e.UnknownEvent)] == lost
    assert [event.type for event in found.all(e.UnknownEvent)] == ["partialArgs"] * len(lost)
    assert [
        (told.code.value, " ".join(told.message.split()[: 2 + (told.code.value != "invalid_field")]))
        for told in found.anomalies
    ] == codes


# ------------------------------------------------------------------------------------ names of other wires


@pytest.mark.parametrize(
    "name",
    [
        *("type", "id", "status", "role", "content", "summary", "call_id", "name", "arguments", "input"),
        *("annotations", "logprobs", "refusal", "encrypted_content", "part"),
    ],
)
def test_members_of_parts_that_items_have_of_their_own(name: str) -> None:
    """They stand under `part` there, and come back under their names."""
    for beside in ({}, {"also": 1}):
        for part in ({"hologram": {"a": 1}}, {"text": "Hi"}, {"text": "Hm", "thought": True}):
            sent = {**part, name: {"b": 2}, **beside}
            found = run(g.chunk(sent), END)
            assert parts(found) == [sent]
    item = run(g.chunk({"hologram": {"a": 1}, name: 7, "also": 2}), END).output()[0]
    assert item["part"] == {name: 7}
    assert item["also"] == 2


@pytest.mark.parametrize(
    ("content", "summary", "texts"),
    [
        (["a", "b"], ["s"], ["a", "b"]),
        ([], ["s", "t"], ["s", "t"]),
        (["a"], [], ["a"]),
        (["", "a"], ["s"], ["a"]),
        ([""], ["", "s"], ["s"]),
    ],
)
def test_reasoning_of_another_api_in_parts(content: list[str], summary: list[str], texts: list[str]) -> None:
    """Its own text is that of its thoughts; the summary stands for it where there is none."""
    item = {
        "type": "reasoning",
        "id": "r",
        "summary": [{"type": "summary_text", "text": text} for text in summary],
        "content": [{"type": "reasoning_text", "text": text} for text in content],
    }
    body = {"object": "response", "id": "r", "status": "completed", "output": [item]}
    sent = parse(json.dumps(body).encode()).to_gemini_response()
    assert sent["candidates"][0]["content"]["parts"] == [{"text": text, "thought": True} for text in texts]


@pytest.mark.parametrize(("odd", "whole"), [([], True), ([5], False)])
def test_a_whole_call_that_is_sent_again_and_damaged(odd: list[Any], whole: bool) -> None:
    """It is whole no longer where a piece of it could not be read."""
    again = g.call(None, id="one", partialArgs=[g.piece("$.a", 1), *odd])
    found = run(g.chunk(g.call("f", id="one", args={"a": 1})), g.chunk(again), END)
    assert calls(found) == [("one", "f", '{"a":1}', whole)]
    assert len(found.response.tool_calls) == whole


def test_an_id_of_a_call_that_is_empty() -> None:
    """It is none: one is made."""
    found = run(g.chunk(g.call("f", id="", args={"a": 1})), g.chunk(g.call("f", id="", args={"b": 1})), END)
    assert [ident for ident, _, _, _ in calls(found)] == ["call_0_synthesized", "call_1_synthesized"]


BEGINNINGS: dict[str, Any] = {
    "candidates": [g.candidate(g.text("a"))],
    "usageMetadata": {"promptTokenCount": 3},
    "promptFeedback": {"blockReason": "SAFETY"},
    "responseId": "r1",
    "modelVersion": "m1",
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_each_member_alone_begins_a_response(name: str) -> None:
    """A payload with any member of a response is one, and says what it says."""
    found = run({name: BEGINNINGS[name]})
    (started,) = found.all(e.ResponseStarted)
    assert not found.all(e.UnknownEvent)
    assert found.response.to_gemini_response().get(name) is not None
    assert started.response_id == ("r1" if name == "responseId" else None)
    assert started.model == ("m1" if name == "modelVersion" else None)


@pytest.mark.parametrize("name", ["createTime", "modelStatus", "content", "status", "candidate"])
def test_other_members_alone_begin_none(name: str) -> None:
    """They may be of anything."""
    found = run({name: "x"})
    assert [event.payload for event in found.all(e.UnknownEvent)] == [{name: "x"}]
    assert not found.all(e.ResponseStarted)


def test_a_response_of_which_hardly_anything_is_known_as_gemini_s() -> None:
    """What another server did not say stands in no member."""
    chunk: dict[str, Any] = {"object": "chat.completion.chunk"}
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}
    document = run_any({**chunk, "choices": [choice]}, dialect="chat").response.to_gemini_response()
    said = {"role": "model", "parts": [{"text": "a"}]}
    assert document == {"candidates": [{"content": said, "finishReason": "STOP", "index": 0}]}
    named = {**chunk, "id": "c1", "model": "m1", "choices": [choice]}
    document = run_any(named, dialect="chat").response.to_gemini_response()
    assert {**document, "candidates": []} == {"candidates": [], "modelVersion": "m1", "responseId": "c1"}


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        (["stop", None], ["STOP", "STOP"]),
        (["length", None], ["MAX_TOKENS", "MAX_TOKENS"]),
        (["stop", "length"], ["STOP", "MAX_TOKENS"]),
        (["length", "stop"], ["MAX_TOKENS", "STOP"]),
        (["stop", "made_up"], ["STOP", "STOP"]),
        (["made_up", "stop"], ["STOP", "STOP"]),
        (["content_filter", "stop"], ["SAFETY", "STOP"]),
        (["error", "stop"], [None, None]),
    ],
)
def test_how_the_choices_of_another_server_end(words: list[str | None], ends: list[str | None]) -> None:
    """Each by its own word; one without a word as the response does; none where the response failed."""
    choices = [
        {"index": at, "delta": {"content": "a"}, "finish_reason": word} for at, word in enumerate(words)
    ]
    found = run_any(
        {"object": "chat.completion.chunk", "choices": choices}, "[DONE]", dialect="chat"
    ).response
    document = found.to_gemini_response()
    assert [candidate.get("finishReason") for candidate in document["candidates"]] == ends
    assert [candidate["index"] for candidate in document["candidates"]] == [0, 1]


def test_what_becomes_known_of_a_call_is_told_less_and_less_often() -> None:
    """The first sixteen times at once, then where the number has doubled: an event holds the whole item."""
    parser = ResponseParser("gemini")
    told = []
    for number in range(70):
        going_on = {"partialArgs": [{"jsonPath": "$.a", "stringValue": "a", "willContinue": True}]}
        call = {"willContinue": True, **(going_on if number else {"name": "f"})}
        parser.feed_payload(g.chunk({"functionCall": call, "x": number}))
        updates = [event for event in parser.events() if isinstance(event, e.ItemUpdated)]
        told += [number for update in updates if update.item.to_dict()["x"] == number]
    assert told == [*range(1, 17), 32, 64]


@pytest.mark.parametrize("odd", [None, 5, "x", "xy", {"a": 1}, [], [5]])
def test_pieces_that_are_none_in_a_call_that_goes_on(odd: Any) -> None:
    """They are told, and the call goes on, but is not whole."""
    goes_on = [
        g.chunk(g.call(None, partialArgs=[g.piece("$.a", one, more=True)], willContinue=True))
        for one in "xyz"
    ]
    odd_one = g.chunk({"functionCall": {"partialArgs": odd, "willContinue": True}})
    first = g.chunk(g.call("f", willContinue=True, partialArgs=[g.piece("$.a", "w", more=True)]))
    found = run(
        first, goes_on[0], odd_one, *goes_on[1:], g.chunk(g.call(None, partialArgs=[g.piece("$.a", "")])), END
    )
    (call,) = calls_of(found.response)
    assert json.loads(call.arguments) == {"a": "wxyz"}
    assert call.complete is (not found.codes) is (odd in (None, []))
