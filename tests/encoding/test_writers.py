"""What each writer does with events that its wire has no place for, or not there: told once, and named."""

from __future__ import annotations

import json
import pickle
from typing import Any

import attrs
import pytest

import deltafold as df
from deltafold import Event, LossCode, Outcome, StreamEncoder, UsageError, encode_response, parse
from deltafold.dialects import made_items as made
from deltafold.dialects.written_json import ObjectScan, dumps
from deltafold.encoding.encoder import events_of_item
from deltafold.parsing.snapshot import wrap
from deltafold.registry import DIALECTS, part_of
from runs import (
    DELTAS,
    added,
    completed,
    created,
    done,
    message,
    output_text,
    part_added,
    part_done,
    play,
    reasoning_text,
    refusal,
    run,
    summary_text,
    value,
)
from written import check_written

JSON = dict[str, Any]
every_target = pytest.mark.parametrize("target", DIALECTS)


class Spoken:
    """What an encoder made of events."""

    def __init__(
        self, target: str, *events: Event, source: str | None = None, data: JSON | None = None, **options: Any
    ) -> None:
        self.target = target
        self.encoder = StreamEncoder(target, **options)
        self.payloads: list[JSON] = []
        self.say(df.ResponseStarted("r", "m", {} if data is None else data, source), *events)

    def say(self, *events: Event) -> Spoken:
        """More events."""
        for event in events:
            self.payloads += self.encoder.payloads(event)
        return self

    @property
    def losses(self) -> list[LossCode]:
        """What was lost, in order."""
        return [loss.code for loss in self.encoder.losses]

    @property
    def text(self) -> str:
        """All payloads, as JSON."""
        return json.dumps(self.payloads)

    def end(
        self,
        outcome: Outcome = Outcome.COMPLETED,
        reason: str | None = "stop",
        *,
        strict: bool = True,
        **fields: Any,
    ) -> df.Response:
        """The end, and what a reader makes of all of it."""
        response = df.Response("r", "m", None, outcome, (), None, None, None, reason, {})
        self.say(df.ResponseFinished(outcome, attrs.evolve(response, **fields)))
        named = self.target in ("responses", "anthropic")
        body = "".join(
            (f"event: {payload['type']}\n" if named else "") + f"data: {json.dumps(payload)}\n\n"
            for payload in self.payloads
        )
        parser = df.ResponseParser(self.target, strict=strict)
        list(parser.read([body.encode()]))
        return parser.response


def call(index: int, name: str = "f", call_id: str | None = "", choice: int | None = None) -> df.ItemStarted:
    """A call begins."""
    ident = f"call_{index}" if call_id == "" else call_id
    return df.ItemStarted(index, made.function_call(name, ident, "", whole=False, choice=choice))


def called(index: int, text: str, name: str = "f", *, whole: bool = True) -> df.ItemFinished:
    """A call is finished."""
    return df.ItemFinished(index, made.function_call(name, f"call_{index}", text, whole=whole))


def spoken(index: int, text: str = "Hi", choice: int | None = None) -> list[Event]:
    """A message, whole."""
    return events_of_item(index, made.message((made.text_part(text),), whole=True, choice=choice))


def began(index: int, *, thought: bool = False, choice: int | None = None) -> list[Event]:
    """A message or reasoning begins."""
    item = made.reasoning((), (), choice=choice) if thought else made.message((), whole=False, choice=choice)
    part = made.thought_part() if thought else made.text_part()
    return [df.ItemStarted(index, item), df.PartStarted(index, 0, "content", part)]


def written_again(
    source: str, *payloads: JSON, target: str | None = None
) -> tuple[list[JSON], list[LossCode]]:
    """What is written of a stream, and what of it is lost, where the laws of writing hold."""
    found = run(*payloads, dialect=source)
    encoder = StreamEncoder(target or source)
    pieces = [encoder.encode(event) for event in found.events]
    check_written(found.events, found.response, target or source, pieces, encoder.losses)
    frames = b"".join(pieces).decode().split("\n\n")
    sent = [frame.rpartition("data: ")[2] for frame in frames if "data: {" in frame]
    return [json.loads(payload) for payload in sent], [loss.code for loss in encoder.losses]


def hosted(index: int, kind: str, **data: Any) -> list[Event]:
    """An item of a hosted tool, whole."""
    return events_of_item(index, df.OtherItem(kind, data.get("id"), None, None, {"type": kind, **data}))


# ------------------------------------------------------------------------------------------- every wire


@every_target
def test_calls_without_a_name_are_left_out(target: str) -> None:
    """Nobody could answer them."""
    for custom in (False, True):
        make = made.custom_call if custom else made.function_call
        unnamed = make("", None, "{}", whole=True)
        told = Spoken(target, *events_of_item(0, unnamed))
        assert told.losses[0] is LossCode.CALL_NAME_MISSING
        assert told.end().output == ()


@every_target
def test_a_call_whose_id_nobody_told(target: str) -> None:
    """It gets one by its place."""
    whole = made.function_call("f", None, "{}", whole=True)
    told = Spoken(target, call(0, call_id=None), df.ArgumentsDelta(0, "{}"), df.ItemFinished(0, whole))
    assert [known.call_id for known in told.end().tool_calls] == ["call_0"]


@every_target
def test_a_call_that_looks_whole_and_is_not(target: str) -> None:
    """A call that was cut is told so where the wire can, else it is a loss."""
    cut = made.function_call("f", "c", "{}", whole=False)
    told = Spoken(target, df.ItemStarted(0, attrs.evolve(cut, arguments="")), df.ArgumentsDelta(0, "{}"))
    told.say(df.ItemFinished(0, cut))
    response = told.end(Outcome.INCOMPLETE, "length")
    if target == "responses":
        assert told.losses == []
        assert response.tool_calls == ()
    else:
        assert told.losses == [LossCode.CALL_NOT_WHOLE]


@every_target
def test_a_call_that_ends_with_its_response(target: str) -> None:
    """Items that are open when the response ends, end with it."""
    told = Spoken(target, call(0), df.ArgumentsDelta(0, '{"a":1}'), *began(1), df.TextDelta(1, 0, "Hi"))
    response = told.end(reason="tool_calls")
    assert response.output_text == "Hi"
    assert "call_0" in told.text


@every_target
def test_a_call_of_no_object(target: str) -> None:
    """Arguments that are no object have no place where objects alone are read."""
    told = Spoken(target, *events_of_item(0, made.function_call("f", "c", "[1]", whole=True)))
    response = told.end(reason="tool_calls")
    if target in ("responses", "chat"):
        assert told.losses == []
        assert [getattr(known, "arguments", "") for known in response.tool_calls] == ["[1]"]
    else:  # it is left out, and the response ends as if a limit had cut it: no client may take it for all
        assert told.losses == [LossCode.ARGUMENTS_NO_OBJECT, LossCode.FINISH_REASON]
        assert response.output == ()
        assert response.finish_reason == "length"


@every_target
def test_a_call_that_changes_its_name(target: str) -> None:
    """What was written stands, and is a loss."""
    told = Spoken(target, call(0), df.ArgumentsDelta(0, "{}"), *began(1))
    told.say(called(0, "{}", "other"))
    if target == "gemini":
        assert told.losses == []
    else:
        assert told.losses == [LossCode.VALUE_REPLACED]
    assert [item.name for item in told.end(reason="tool_calls").tool_calls] == ["f"]


@every_target
def test_arguments_that_come_with_the_end_alone(target: str) -> None:
    """Where no fragment came, arguments are told when the call is whole."""
    told = Spoken(target, call(0), called(0, '{"a":1}'))
    (found,) = told.end(reason="tool_calls").tool_calls
    assert json.loads(getattr(found, "arguments", "")) == {"a": 1}
    assert told.losses == []


@every_target
def test_white_space_behind_the_arguments(target: str) -> None:
    """It says nothing, and is no loss."""
    told = Spoken(target, call(0), df.ArgumentsDelta(0, '{"a":1}'), df.ArgumentsDelta(0, " "))
    told.say(called(0, '{"a":1} '))
    (found,) = told.end(reason="tool_calls").tool_calls
    assert json.loads(getattr(found, "arguments", "")) == {"a": 1}
    assert told.losses == []


AGAIN: dict[str, list[str]] = {
    "all so far": ['{"a": "b', '{"a": "b'],
    "all so far, in two": ['{"a"', ': "b', '{"a": "b'],
    "all so far and more": ['{"a":', '{"a":1}'],
    "one brace": ["{", '{"a":1}'],
    "the brace alone": ["{", "{"],
    "braces": ["{", "{{{{{{{{{x"],
    "behind each other": ["{", '{"a', '{{"a', '{{"a{{"a'],
    "what overlaps": ["{u{", "{u{u{{u{u"],
    "brackets": ["[", "[[1]]]]"],
    "not all so far": ['{"a":"', '{"a', '{"b"'],
}
"""Fragments that begin with all that came before them, or nearly so, and that make no JSON."""


@every_target
@pytest.mark.parametrize("case", AGAIN)
@pytest.mark.parametrize("resumed", [False, True], ids=["at once", "resumed"])
def test_fragments_that_repeat_the_arguments_so_far(target: str, case: str, resumed: bool) -> None:
    """No reader takes them for told again: a call that is not whole would look as if it were."""
    pieces = AGAIN[case]
    told = Spoken(target, call(0))
    for piece in pieces:
        if resumed:
            told.encoder = StreamEncoder.resume(told.encoder.snapshot())
        told.say(df.ArgumentsDelta(0, piece))
    told.say(called(0, "".join(pieces), whole=False))
    response = told.end(Outcome.INCOMPLETE, "length")
    assert all(not item.complete for item in response.output if isinstance(item, df.FunctionCall))
    if target in ("chat", "responses"):
        (found,) = response.output
        assert isinstance(found, df.FunctionCall)
        assert found.arguments == "".join(pieces)


def test_fragments_that_repeat_the_arguments_are_cut_seldom() -> None:
    """What is written doubles each time: no fragment becomes many."""
    told = Spoken("chat", call(0), df.ArgumentsDelta(0, "{"), df.ArgumentsDelta(0, "{" * 4096))
    assert len(told.payloads) < 32


@every_target
def test_arguments_that_come_too_late(target: str) -> None:
    """What follows a whole call is left out, and is a loss unless it is white space."""
    told = Spoken(target, call(0), df.ArgumentsDelta(0, '{"a":1}'), called(0, '{"a":1}'))
    told.say(df.ArgumentsDelta(0, " "))
    late = {"responses": [LossCode.LATE_FRAGMENT], "chat": []}.get(target, [])
    assert told.losses == late
    told.say(df.ArgumentsDelta(0, "{}"))
    assert told.losses == (late or ([] if target == "chat" else [LossCode.ARGUMENTS_AFTER_END]))


@every_target
def test_a_value_that_was_replaced(target: str) -> None:
    """What was written stands; where the wire tells whole values, the right one stands there."""
    told = Spoken(target, *began(0), df.TextDelta(0, 0, "Hullo"))
    told.say(df.ValueReplaced(0, "text", "Hello", content_index=0))
    told.say(df.ItemFinished(0, made.message((made.text_part("Hello"),), whole=True)))
    assert told.losses == [LossCode.VALUE_REPLACED]
    assert ("Hello" in told.text) is (target == "responses")
    code = df.OtherItem("code_interpreter_call", "ci", None, None, {"type": "code_interpreter_call"})
    told = Spoken("responses", df.ItemStarted(0, code), df.CodeDelta(0, "1"))
    told.say(df.ValueReplaced(0, "code", "2"), df.ValueFinished(0, "code", "2"))
    assert told.losses == [LossCode.VALUE_REPLACED]
    assert '"code": "2"' in told.text


@every_target
def test_empty_fragments_say_nothing(target: str) -> None:
    """They open no block and no part of their own."""
    told = Spoken(target, *began(0), df.TextDelta(0, 0, ""))
    told.say(df.PartStarted(0, 1, "content", made.refusal_part()), df.RefusalDelta(0, 1, ""))
    told.say(*began(1, thought=True), df.ReasoningDelta(1, 0, "", "text"))
    assert "content_block_start" not in told.text
    assert "candidates" not in told.text
    told.say(df.TextDelta(0, 0, "a"), df.TextDelta(0, 0, ""), df.TextDelta(0, 0, "b"))
    assert told.end().output_text == "ab"


@every_target
def test_fragments_with_probabilities(target: str) -> None:
    """Log probabilities go with their fragment where the wire has them."""
    entry = {"token": "b", "logprob": -0.5, "bytes": [98], "top_logprobs": []}
    told = Spoken(target, *began(0), df.TextDelta(0, 0, "a"), df.TextDelta(0, 0, "b", (entry,)))
    assert ("-0.5" in told.text) is (target in ("responses", "chat"))
    assert told.losses == ([] if target in ("responses", "chat") else [LossCode.LOGPROBS_UNSUPPORTED])
    assert told.end().output_text == "ab"


@every_target
def test_two_parts_side_by_side(target: str) -> None:
    """A fragment of another part of an item goes its own way."""
    told = Spoken(target, *began(0), df.PartStarted(0, 1, "content", made.text_part()))
    told.say(df.TextDelta(0, 0, "a"), df.TextDelta(0, 1, "b"), df.TextDelta(0, 0, "c"))
    text = told.end().output_text
    assert text == ("acb" if target == "responses" else "abc")
    told = Spoken(target, df.ItemStarted(0, made.reasoning((), ())))
    told.say(*[df.PartStarted(0, at, "summary", made.thought_part(summary=True)) for at in (0, 1)])
    told.say(
        *[df.ReasoningDelta(0, at, text, "summary") for at, text in ((0, "a"), (0, "b"), (1, "c"), (1, "d"))]
    )
    assert told.end().reasoning_text == "ab\n\ncd"


@every_target
def test_a_summary_beside_reasoning(target: str) -> None:
    """A wire with one text for both has the reasoning, and of a summary what came before it."""
    told = Spoken(target, df.ItemStarted(0, made.reasoning((), ())))
    told.say(df.PartStarted(0, 0, "summary", made.thought_part(summary=True)))
    told.say(df.PartStarted(0, 0, "content", made.thought_part()))
    told.say(df.ReasoningDelta(0, 0, "s", "summary"), df.ReasoningDelta(0, 0, "t", "text"))
    told.say(df.ReasoningDelta(0, 0, "u", "text"), df.ReasoningDelta(0, 0, "x", "summary"))
    assert told.losses == ([] if target == "responses" else [LossCode.REASONING_SUMMARY])
    assert told.end().reasoning_text == ("tu" if target == "responses" else "s\n\ntu")


@every_target
def test_encrypted_reasoning(target: str) -> None:
    """It travels only where it is asked for, or on its own wire."""
    sealed = made.reasoning((), (made.thought_part("t"),), encrypted="c2VjcmV0")
    told = Spoken(target, *events_of_item(0, sealed), source="other")
    assert told.losses == [LossCode.REASONING_ENCRYPTED]
    assert "c2VjcmV0" not in told.text
    told = Spoken(target, *events_of_item(0, sealed), source="other", foreign_signatures=True)
    assert ("c2VjcmV0" in told.text) is (target != "chat")
    blank = made.reasoning((), (made.thought_part("t"),), encrypted="")
    assert "t" in Spoken(target, *events_of_item(0, blank), source=target).text


@every_target
def test_parts_that_nobody_knows(target: str) -> None:
    """They have a place on their own wire alone."""
    part = df.OtherPart("hologram", {"type": "hologram", "cells": [1]})
    for source in ("other", target):
        told = Spoken(target, *began(0), df.PartStarted(0, 1, "content", part), source=source)
        kept = source == target and target in ("responses", "chat")
        assert ("hologram" in told.text) is kept
        assert told.losses == ([] if kept else [LossCode.PART_UNSUPPORTED])
        ends = (df.Choice(0, "STOP" if target == "gemini" else "stop", {}),)
        assert told.say(df.TextDelta(0, 0, "Hi")).end(choices=ends).output_text == "Hi"


@every_target
def test_items_that_nobody_knows(target: str) -> None:
    """They have a place on their own wire, and made by hand on that of the Responses API."""
    for source in (None, "other"):
        told = Spoken(target, *hosted(0, "hologram", cells=[1]), source=source)
        kept = target == "responses" and source is None
        assert ("cells" in told.text) is kept
        assert (LossCode.ITEM_UNSUPPORTED in told.losses) is (
            not kept and (target != "responses" or source == "chat")
        )


@every_target
def test_images(target: str) -> None:
    """An image that was made is a part of Gemini's, if it is one."""
    image = {"result": "aW1hZ2U=", "output_format": "webp"}
    told = Spoken(target, *hosted(0, "image_generation_call", **image), source="responses")
    if target == "gemini":
        assert told.losses == []
        assert '{"mimeType": "image/webp", "data": "aW1hZ2U="}' in told.text
        for broken in ({}, {"result": "no base64!"}, {"result": None}):
            told = Spoken(target, *hosted(0, "image_generation_call", **broken), source="responses")
            assert told.losses == [LossCode.ITEM_UNSUPPORTED]
        odd = {"result": "aW1hZ2U=", "output_format": "a/b"}
        assert '"image/png"' in Spoken(target, *hosted(0, "image_generation_call", **odd)).text
    first, last = hosted(0, "image_generation_call", **image)
    told = Spoken(target, first, df.PartialImage(0, 0, "aQ==", {"size": "1x1", "partial_image_index": 0}))
    assert ("aQ==" in told.text) is (target == "responses")
    assert told.losses == {"responses": [], "gemini": [LossCode.IMAGE_UNSUPPORTED]}.get(
        target, [LossCode.ITEM_UNSUPPORTED]
    )
    told.say(df.ItemProgress(0, "generating"), last)


@every_target
def test_spoken_output(target: str) -> None:
    """Audio and its transcript go where the wire has them."""
    told = Spoken(target, df.AudioDelta("UklGRg=="), df.TranscriptDelta("Hi"))
    assert ("UklGRg==" in told.text) is (target in ("responses", "chat"))
    assert told.losses == ([] if target in ("responses", "chat") else [LossCode.AUDIO_UNSUPPORTED])


@every_target
def test_further_choices(target: str) -> None:
    """They have their own index, or are left out; none begins before a hundred others."""
    told = Spoken(target, *spoken(0, "a", 0), *spoken(1, "b", 1), source="chat")
    one = target in ("responses", "anthropic")
    assert told.losses == ([LossCode.FURTHER_CHOICE] if one else [])
    assert told.end().output_text == ("a" if one else "ab")
    told = Spoken(
        target, *spoken(0, "far", 100_000), df.ChoiceUpdated(200_000, None, {"x": 1}), source="chat"
    )
    assert ("far" in told.text) is (target == "gemini")
    assert LossCode.CHOICE_DATA in told.losses or target == "responses"


@every_target
def test_further_choices_without_an_item(target: str) -> None:
    """They are told by their reason, or are lost; once, where an item of theirs was lost before."""
    ends = [{"index": 0, "finish_reason": "stop"}, {"index": 1, "finish_reason": "length"}]
    _, losses = written_again("chat", {"choices": ends}, target=target)
    assert (LossCode.FURTHER_CHOICE in losses) is (target in ("responses", "anthropic"))
    choices = (df.Choice(0, "stop", {}), df.Choice(1, "stop", {}))
    told = Spoken(target, *spoken(0, "a", 0), *spoken(1, "b", 1), source="chat")
    told.end(choices=choices)
    assert told.losses == ([LossCode.FURTHER_CHOICE] if target in ("responses", "anthropic") else [])


def test_candidates_without_a_part_are_choices() -> None:
    """A client that asked for two answers sees why the second one is none."""
    candidates = [
        {"index": 0, "content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"},
        {"index": 1, "finishReason": "SAFETY"},
    ]
    payloads, losses = written_again("gemini", {"candidates": candidates}, target="chat")
    words = [(one["index"], one["finish_reason"]) for sent in payloads for one in sent["choices"]]
    assert words[-1] == (1, "content_filter")
    assert losses == []


@every_target
def test_reasons_of_further_choices(target: str) -> None:
    """Each choice has its own reason, in the words of the wire."""
    choices = tuple(df.Choice(at, word, {}) for at, word in enumerate(["stop", "length", "made_up"]))
    told = Spoken(target, *[e for at in range(3) for e in spoken(at, "x", at)], source="chat")
    told.end(choices=choices)
    if target == "chat":
        assert [p["choices"][0]["finish_reason"] for p in told.payloads if p["choices"]][-3:] == [
            "stop",
            "length",
            "made_up",
        ]
    if target == "gemini":
        words = [one["finishReason"] for one in told.payloads[-1]["candidates"]]
        assert words == ["STOP", "MAX_TOKENS", "STOP"]
        assert LossCode.FINISH_REASON in told.losses


@every_target
def test_reasons_without_a_word(target: str) -> None:
    """The nearest word with the same outcome stands in, and is a loss; no reason at all is none."""
    for outcome, reason in (
        (Outcome.COMPLETED, "pause_turn"),
        (Outcome.COMPLETED, "odd"),
        (Outcome.INCOMPLETE, "odd"),
    ):
        told = Spoken(target, *spoken(0))
        response = told.end(outcome, reason)
        assert response.outcome is outcome
        known = target == "anthropic" and reason == "pause_turn"
        assert told.losses == ([] if known else [LossCode.FINISH_REASON])
    told = Spoken(target, *spoken(0))
    assert told.end(reason=None).outcome is Outcome.COMPLETED
    assert told.losses == []


@every_target
def test_failures_that_say_little(target: str) -> None:
    """A failure without a message or an error is one all the same, at any moment."""
    for before in ([], [df.ErrorReported(df.ResponseError(df.ErrorKind.UNKNOWN))]):
        told = Spoken(target, *before)
        response = told.end(Outcome.FAILED, "error")
        assert response.outcome is Outcome.FAILED
        assert response.error is not None
        assert response.error.message
    encoder = StreamEncoder(target)
    failed = df.Response(None, None, None, Outcome.FAILED, (), None, None, None, "error", {})
    body = encoder.encode(df.ResponseFinished(Outcome.FAILED, failed))
    assert parse(body, target).outcome is Outcome.FAILED


@every_target
def test_the_fuller_cause_counts(target: str) -> None:
    """Of several errors the one that says what it was is told."""
    kinds = [df.ErrorKind.UNKNOWN, df.ErrorKind.RATE_LIMITED, df.ErrorKind.UNKNOWN]
    told = Spoken(
        target, *[df.ErrorReported(df.ResponseError(kind, f"m{at}")) for at, kind in enumerate(kinds)]
    )
    response = told.end(Outcome.FAILED, "error")
    assert response.error is not None
    assert response.error.message == "m1"


@every_target
def test_text_lifted_out_of_arguments(target: str) -> None:
    """Reasoning that was lifted out is reasoning, and ends with its call or with the response."""
    lifts = [
        df.LiftedDelta(0, ("why",), "reasoning", "Be"),
        df.LiftedDelta(0, ("why",), "reasoning", "cause"),
    ]
    told = Spoken(target, call(0), *lifts, df.ArgumentsDelta(0, "{}"), lifted=True)
    told.say(df.LiftedDelta(0, ("say",), "text", "Hi"))
    response = told.end(reason="tool_calls")
    assert (response.reasoning_text, response.output_text) == ("Because", "Hi")
    assert len(response.tool_calls) == 1
    with pytest.raises(UsageError, match="item 5 is absent"):
        Spoken(target, df.LiftedDelta(5, ("a",), "text", "x"), lifted=True)


@every_target
def test_the_response_begins_once(target: str) -> None:
    """Also after a failure has been reported, when it may still begin."""
    encoder = StreamEncoder(target)
    encoder.encode(df.ErrorReported(df.ResponseError(df.ErrorKind.OVERLOADED, "busy")))
    encoder.encode(df.ResponseStarted("r", "m"))
    with pytest.raises(UsageError, match="twice"):
        encoder.encode(df.ResponseStarted("r", "m"))


@every_target
def test_an_encoder_is_copied_by_its_snapshot(target: str) -> None:
    """A pickled encoder goes on where it stood."""
    encoder = StreamEncoder(target)
    for event in (df.ResponseStarted("r", "m"), *began(0)):
        encoder.encode(event)
    other = pickle.loads(pickle.dumps(encoder))
    assert other.encode(df.TextDelta(0, 0, "a")) == encoder.encode(df.TextDelta(0, 0, "a"))


@every_target
def test_the_short_way_is_the_long_one(target: str) -> None:
    """Fragments of several items and parts in turn are written alike, framed or not."""
    events: list[Event] = [df.ResponseStarted("r", "m"), *began(0), *began(1, thought=True)]
    events += [df.PartStarted(0, 1, "content", made.text_part()), call(2), call(3)]
    events.append(df.PartStarted(1, 0, "summary", made.thought_part(summary=True)))
    for _ in range(3):
        for at in (0, 0, 1):
            events += [df.TextDelta(0, at, "a"), df.TextDelta(0, at, ""), df.TextDelta(0, at, "é")]
        events += [df.ReasoningDelta(1, 0, "s", "summary"), df.ReasoningDelta(1, 0, "t", "text")]
        events += [df.ReasoningDelta(1, 0, "t", "text"), df.TextDelta(0, 0, "p", ({"token": "p"},))]
        events += [df.ArgumentsDelta(2, " "), df.ArgumentsDelta(3, " "), df.ArgumentsDelta(2, "")]
    framed, plain = StreamEncoder(target), StreamEncoder(target)
    for event in events:
        lines = framed.encode(event).decode().split("\n")
        told = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        assert told == plain.payloads(event)
    assert framed.losses == plain.losses


@pytest.mark.parametrize("target", ["responses", "anthropic"])
def test_nothing_more_of_an_item_that_is_left_out(target: str) -> None:
    """Whatever comes of an item of another choice, nothing is written, and the loss is told once."""
    told = Spoken(
        target, *began(0, choice=1), *began(1, thought=True, choice=1), call(2, choice=1), source="chat"
    )
    before = len(told.payloads)
    told.say(df.TextDelta(0, 0, "a"), df.RefusalDelta(0, 0, "a"), df.ReasoningDelta(1, 0, "a", "text"))
    told.say(df.ArgumentsDelta(2, "{}"), df.ValueFinished(0, "text", "a", content_index=0))
    told.say(
        df.AnnotationAdded(0, 0, 0, {"type": "x"}),
        df.ItemProgress(0, "x"),
        df.ItemUpdated(0, began(0)[0].item),
    )  # type: ignore[union-attr]
    told.say(
        df.PartFinished(0, 0, "content", made.text_part("a")),
        df.ItemFinished(0, made.message((), whole=True)),
    )
    assert len(told.payloads) == before
    assert set(told.losses) == {LossCode.FURTHER_CHOICE}
    told.say(df.ValueReplaced(1, "reasoning", "b", part_index=0))
    assert len(told.payloads) == before
    told = Spoken(
        target, call(0, choice=1), df.LiftedDelta(0, ("a",), "text", "x"), source="chat", lifted=True
    )
    assert "x" not in told.text
    assert {loss.output_index for loss in told.encoder.losses} == {0, None}


# ------------------------------------------------------------------------------------------- Anthropic


def test_what_waits_for_a_call_is_written_at_the_end() -> None:
    """Fragments behind an unfinished call are not lost when the stream breaks off or ends."""
    for outcome in (Outcome.TRUNCATED, Outcome.COMPLETED):
        told = Spoken(
            "anthropic", call(0), df.ArgumentsDelta(0, '{"a":'), call(1), df.ArgumentsDelta(1, '{"b":2}')
        )
        told.say(
            *began(2),
            df.TextDelta(2, 0, "Hi"),
            *began(3, thought=True),
            df.ReasoningDelta(3, 0, "Hm", "text"),
        )
        assert "Hi" not in told.text
        response = told.end(outcome)
        assert response.output_text == "Hi"
        assert response.reasoning_text == "Hm"
        assert [item.arguments for item in response.output if isinstance(item, df.FunctionCall)] == [
            '{"a":',
            '{"b":2}',
        ]


def test_a_call_that_ends_while_it_waits() -> None:
    """It is written whole as soon as its turn comes."""
    told = Spoken(
        "anthropic", call(0), df.ArgumentsDelta(0, '{"a":'), call(1), df.ArgumentsDelta(1, '{"b":2}')
    )
    told.say(called(1, '{"b":2}'))
    assert "call_1" not in told.text
    told.say(df.ArgumentsDelta(0, "1}"))
    assert "call_1" in told.text
    told.say(called(0, '{"a":1}'))
    assert len(told.end(reason="tool_calls").tool_calls) == 2
    cut = made.function_call("f", "c", "{}", whole=False)
    assert Spoken("anthropic", *events_of_item(0, cut), source="anthropic").losses == []


def test_fragments_that_take_turns() -> None:
    """What waits is written as soon as the call is whole, fragment by fragment in its order."""
    told = Spoken("anthropic", call(0), df.ArgumentsDelta(0, '{"a":'), *began(1), df.TextDelta(1, 0, "H"))
    told.say(df.ArgumentsDelta(0, "1"), df.TextDelta(1, 0, "i"))
    assert "text_delta" not in told.text
    told.say(df.ArgumentsDelta(0, "}"))
    assert [p["delta"]["text"] for p in told.payloads if p.get("delta", {}).get("type") == "text_delta"] == [
        "H",
        "i",
    ]
    told.say(called(0, '{"a":1}'))
    assert told.end().finish_reason == "tool_calls"


def test_tools_of_the_server_on_their_own_wire() -> None:
    """Their blocks go back whole; what of their input comes behind the end is lost."""
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    item = df.OtherItem("server_tool_use", "s", None, None, block)
    told = Spoken("anthropic", df.ItemStarted(0, item), df.ArgumentsDelta(0, '{"q":1}'), source="anthropic")
    told.say(df.ItemFinished(0, item), df.ArgumentsDelta(0, " "))
    assert told.losses == []
    told.say(df.ArgumentsDelta(0, "x"))
    assert told.losses == [LossCode.ARGUMENTS_AFTER_END]
    late = df.OtherItem("web_fetch", None, None, None, {"type": "web_fetch"})
    told = Spoken("anthropic", df.ItemStarted(0, late), df.ArgumentsDelta(0, "{}"), source="anthropic")
    assert '"partial_json": "{}"' in told.text


def test_an_event_that_has_no_place() -> None:
    """Events of the message itself come from the encoder alone; heartbeats before it are comments."""
    encoder = StreamEncoder("anthropic")
    assert encoder.encode(df.Heartbeat("comment")) == b": keepalive\n\n"
    told = Spoken("anthropic", df.UnknownEvent("message_stop", {"type": "message_stop"}), source="anthropic")
    told.say(df.UnknownEvent("", {"type": "bad name\n"}), df.UnknownEvent("acme", {"type": "acme"}))
    assert told.losses == [LossCode.EVENT_UNWRITABLE]
    assert told.payloads[-1] == {"type": "acme"}


@pytest.mark.parametrize("target", ["chat", "gemini"])
def test_an_event_that_says_nothing(target: str) -> None:
    """An empty payload would begin a chunk of its own."""
    told = Spoken(target, df.UnknownEvent("acme", {}), df.UnknownEvent("acme", {"acme": 1}), source=target)
    assert told.losses == [LossCode.EVENT_UNWRITABLE]
    assert told.payloads[-1] == {"acme": 1}


def test_a_message_whose_reason_nobody_told() -> None:
    """The stop reason follows from what was said."""
    told = Spoken(
        "anthropic", *events_of_item(0, made.function_call("f", "c", "{}", whole=True)), source="anthropic"
    )
    assert told.end(reason="stop", data={"stop_reason": ""}).finish_reason == "tool_calls"


def test_citations_that_come_late() -> None:
    """They belong to a block that is closed."""
    note = {"type": "char_location", "cited_text": "x"}
    told = Spoken("anthropic", *spoken(0), source="anthropic")
    told.say(df.AnnotationAdded(0, 0, 0, note))
    assert told.losses == [LossCode.LATE_FRAGMENT]


# ---------------------------------------------------------------------------------------------- Gemini


def test_parts_with_members_of_their_own() -> None:
    """They stand in the chunk of the first fragment, or in one of their own where none comes."""

    def part(ident: str) -> Any:
        return attrs.evolve(
            made.text_part(), data={"type": "output_text", "text": "", "partMetadata": {"id": ident}}
        )

    told = Spoken("gemini", source="gemini")
    told.say(df.ItemStarted(0, made.message((), whole=False)), df.PartStarted(0, 0, "content", part("a")))
    told.say(df.TextDelta(0, 0, "Hi"), df.PartStarted(0, 1, "content", part("b")))
    told.say(*began(1, choice=1), df.TextDelta(1, 0, "x"), df.PartStarted(1, 1, "content", part("c")))
    told.say(df.TextDelta(0, 0, "y"))
    parts = [c["content"]["parts"][0] for p in told.payloads for c in p["candidates"]]
    assert [p.get("partMetadata", {}).get("id") for p in parts] == ["a", "b", None, None]
    assert told.say(df.ItemStarted(2, made.reasoning((), ()))).text.count('"c"') == 1
    told = Spoken("gemini", source="gemini")
    told.say(df.ItemStarted(0, made.message((), whole=False)), df.PartStarted(0, 0, "content", part("a")))
    told.end(Outcome.TRUNCATED)
    assert '"a"' in told.text


def test_a_thought_that_is_neither_true_nor_false() -> None:
    """A part goes on without what its wire does not take there."""
    part = {"text": "odd", "thought": "yes", "partMetadata": {"id": "a"}}
    payloads, losses = written_again("gemini", {"candidates": [{"content": {"parts": [part]}}]})
    parts = [
        part for sent in payloads for one in sent.get("candidates", ()) for part in one["content"]["parts"]
    ]
    assert parts == [{"text": "odd", "partMetadata": {"id": "a"}}]
    assert losses == [LossCode.VALUE_CHANGED]


@pytest.mark.parametrize(
    "members",
    [
        {"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]},
        {"type": "message_start"},
        {"code": 500, "message": "internal"},
        {"response": {"id": "r"}},
        {"promptFeedback": {"x": 1}},
    ],
)
def test_members_that_alone_would_be_something_else(members: JSON) -> None:
    """What stood beside candidates makes no payload of another wire, and no failure."""
    candidate = {"content": {"parts": [{"text": "Hi"}], "role": "model"}, "finishReason": "STOP"}
    payloads, losses = written_again("gemini", {"candidates": [candidate], **members})
    (sent,) = [sent for sent in payloads if members.items() <= sent.items()]
    assert ("candidates" in sent) is ("promptFeedback" not in members)
    assert losses == []


def test_calls_go_out_before_what_follows() -> None:
    """A call whose arguments are whole is told when another item begins, and not again."""
    told = Spoken("gemini", call(0), df.ArgumentsDelta(0, '{"a":1}'), call(1), df.ArgumentsDelta(1, '{"b":'))
    told.say(call(2, call_id=None), df.ArgumentsDelta(2, "{}"), *began(3))
    assert [p["candidates"][0]["content"]["parts"][0]["functionCall"]["name"] for p in told.payloads] == ["f"]
    told.say(df.ArgumentsDelta(0, " "), called(0, '{"a":1}'), called(1, '{"b":', whole=False))
    assert told.losses == [LossCode.ARGUMENTS_NO_OBJECT]
    told.say(df.ItemFinished(2, made.function_call("f", "call_2", "{}", whole=True)))
    told.say(call(4), df.ItemFinished(4, made.function_call("f", "call_4", "", whole=False)))
    assert told.losses == [LossCode.ARGUMENTS_NO_OBJECT, LossCode.CALL_NOT_WHOLE]
    assert len(told.end(reason="tool_calls").tool_calls) == 2


def test_candidates_without_a_reason() -> None:
    """On its own wire nothing is made up: usage comes alone."""
    told = Spoken("gemini", *spoken(0), source="gemini", data={"id": "r"})
    told.say(df.ChoiceUpdated(0, None, {"avgLogprobs": -0.5}), df.ChoiceUpdated(0, "STOP", {}))
    encoder = told.encoder
    usage = df.Usage(1, 2, 3, data={"promptTokenCount": "1", "totalTokenCount": 3})
    response = df.Response(
        "r", "m", None, Outcome.COMPLETED, (), usage, None, None, None, {}, (df.Choice(0, None, {}),)
    )
    (last,) = encoder.payloads(df.ResponseFinished(Outcome.COMPLETED, response))
    assert last["usageMetadata"] == {"promptTokenCount": 1, "totalTokenCount": 3}
    assert "candidates" not in last


# ------------------------------------------------------------------------------------------------ Chat


def test_a_field_that_another_api_has_too() -> None:
    """A chunk's own `created_at` is no time of creation."""
    body = (
        b'data: {"id":"c","object":"chat.completion.chunk","created":0,"created_at":"1970","model":"m",'
        b'"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}\n\n'
        b"data: [DONE]\n\n"
    )
    events = list(df.ResponseParser("chat").read([body]))
    encoder = StreamEncoder("chat")
    again = parse(b"".join(map(encoder.encode, events)), "chat").to_chat_completion()
    assert (again["created"], again["created_at"]) == (None, "1970")


def test_a_response_that_says_nothing_twice() -> None:
    """The head is told once, whatever asks for it."""
    told = Spoken("chat", df.AudioDelta("a"), df.AudioDelta("b"))
    assert told.text.count('"role"') == 1
    told = Spoken("chat", df.StatusChanged(None, {"model": "other", "id": "late"}))
    told.say(df.StatusChanged(None, {"x": 1}), *spoken(0))
    assert {(p["id"], p["model"]) for p in told.payloads} == {("r", "m")}


def test_citations_of_another_shape() -> None:
    """Those of URLs go over both ways, in one chunk on Chat; others have no place."""
    flat = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
    nested = {"type": "url_citation", "url_citation": {k: v for k, v in flat.items() if k != "type"}}
    notes = [df.AnnotationAdded(0, 0, at, flat) for at in range(2)]
    told = Spoken("chat", *began(0), df.TextDelta(0, 0, "a"), *notes, source="responses")
    told.end()
    assert [p["choices"][0]["delta"]["annotations"] for p in told.payloads if "annotations" in str(p)] == [
        [nested] * 2
    ]
    told = Spoken("responses", *began(0), df.AnnotationAdded(0, 0, 0, nested), source="chat")
    assert told.payloads[-1]["annotation"] == flat
    for target, source, wrong in (
        ("chat", "responses", {"type": "file_citation"}),
        ("chat", "responses", {**flat, "title": None}),
        ("responses", "chat", {"type": "url_citation"}),
        ("responses", "chat", {"type": "url_citation", "url_citation": {"url": 1}}),
        ("anthropic", "chat", nested),
        ("gemini", "chat", nested),
    ):
        told = Spoken(target, *began(0), df.AnnotationAdded(0, 0, 0, wrong), source=source)
        assert told.losses == [LossCode.ANNOTATION_UNSUPPORTED]


# ------------------------------------------------------------------------------------------- Responses


def test_ids_that_come_twice() -> None:
    """Each item has an id of its own; one that is made avoids those that were told."""
    told = Spoken("responses", source="responses")
    for index, ident in enumerate(["msg_1", "msg_1", "msg_2_", "msg_2_", "x" * 5000, None]):
        told.say(*events_of_item(index, made.message((), whole=True, ident=ident)))
    idents = [p["item"]["id"] for p in told.payloads if p["type"] == "response.output_item.added"]
    assert len(set(idents)) == 6
    assert max(map(len, idents)) < 1025
    taken = Spoken(
        "responses",
        *[
            e
            for at, ident in enumerate(["msg_1", None])
            for e in events_of_item(at, made.message((), whole=True, ident=ident))
        ],
    )
    assert [p["item"]["id"] for p in taken.payloads if "added" in p["type"]] == ["msg_1", "msg_1_"]


def test_items_without_an_id() -> None:
    """An item that nobody knows, and that has no id, gets none."""
    told = Spoken("responses", *hosted(0, "hologram", cells=[1]))
    assert "item_id" not in told.text
    item = df.OtherItem("hologram", None, None, None, {"type": "hologram", "cells": [1]})
    own = Spoken("responses", *events_of_item(0, item), source="responses")
    assert own.end(output=(item,)).output == (item,)
    response = told.end(output=(item,))
    assert response.output[0].to_dict() == {"type": "hologram", "cells": [1]}


def test_parts_of_items_of_an_unknown_type() -> None:
    """They stand in their item alone: in an event they would be those of a message."""
    part = {"type": "output_text", "text": "Hi"}
    for kind in ("hologram", "web_search_call"):
        item = {"id": "x_1", "type": kind, "role": "assistant", "content": [part], "summary": [part]}
        whole = {"type": "response.output_item.done", "output_index": 0, "item": item}
        payloads, losses = written_again("responses", created(), whole)
        assert [sent["item"]["content"] for sent in payloads if "item" in sent] == [[], [part]]
        assert not any(sent["type"].startswith("response.content_part") for sent in payloads)
        assert losses == []


def test_reasoning_in_items_of_an_unknown_type() -> None:
    """It is told with the text that it came with."""
    part = {"type": "reasoning_text", "text": "Hm"}
    whole = {"id": "x_1", "type": "hologram", "content": [part]}
    payloads, _ = written_again(
        "responses", created(), {"type": "response.output_item.done", "output_index": 0, "item": whole}
    )
    assert [sent["part"] for sent in payloads if "part" in sent] == [part, part]


def test_items_without_a_type() -> None:
    """None is made up, and their parts are told once they have one."""
    part = {"type": "foo", "text": "ab"}
    begun = added(0, {"id": "x_1", "content": [part]})
    payloads, _ = written_again("responses", created(), begun)
    assert all("type" not in sent["item"] for sent in payloads if "item" in sent)
    assert not any("part" in sent for sent in payloads)
    whole = {"type": "response.output_item.done", "output_index": 0, "item": {"id": "x_1", "content": [part]}}
    payloads, _ = written_again("responses", created(), begun, whole)
    assert [sent["item"] for sent in payloads if "item" in sent][-1] == {"id": "x_1", "content": [part]}
    text = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "ab"}
    payloads, _ = written_again("responses", created(), begun, text)
    kinds = [sent["type"] for sent in payloads]
    assert kinds.index("response.content_part.added") < kinds.index("response.output_text.delta")


def test_an_item_without_a_type_under_a_taken_index() -> None:
    """Its members tell its type, as they do elsewhere."""
    one, two = {"id": "a", "role": "assistant"}, {"id": "b", "content": [], "role": "assistant"}
    payloads, _ = written_again("responses", created(), added(0, one), added(0, two))
    assert [sent["item"].get("type") for sent in payloads if "item" in sent] == [None, "message"]


def test_what_comes_behind_the_end_of_an_item() -> None:
    """Text gets an item of its own, where it is another wire's; all else is a loss."""
    told = Spoken("responses", *spoken(0, "Hi"), source="chat")
    told.say(df.TextDelta(0, 0, " you"), df.TextDelta(0, 0, " there"))
    assert told.losses == []
    assert told.end().output_text == "Hi you there"
    told = Spoken("responses", *spoken(0), source="responses")
    told.say(
        df.TextDelta(0, 0, "x"), df.PartStarted(0, 1, "content", made.text_part()), df.TextDelta(0, 1, "y")
    )
    told.say(
        df.AnnotationAdded(0, 0, 0, {"type": "file_path"}), df.ValueFinished(0, "text", "Hi", content_index=0)
    )
    told.say(df.PartFinished(0, 1, "content", made.text_part()))
    assert told.losses == [LossCode.LATE_FRAGMENT]
    thought = df.PartStarted(5, 0, "content", made.thought_part())
    told.say(*events_of_item(5, made.reasoning((), ())), thought, df.ReasoningDelta(5, 0, "z", "text"))
    assert told.losses == [LossCode.LATE_FRAGMENT] * 2
    told.say(*hosted(1, "mcp_call"), df.ItemProgress(1, "completed"), df.ValueFinished(1, "output", "x"))
    told.say(df.OutputDelta(1, "x"), df.ArgumentsDelta(1, "{}"))
    assert "mcp_call_output" not in told.text
    assert told.losses == [LossCode.LATE_FRAGMENT] * 3


def test_names_that_are_none_of_the_apis() -> None:
    """Types and statuses from outside become no names of events unless they are safe."""
    first, last = hosted(0, "web search\n", id="w")
    told = Spoken("responses", first, df.ItemProgress(0, "searching"), last)
    first, last = hosted(1, "web_search_call", id="v")
    told.say(first, df.ItemProgress(1, "a b"), df.ItemProgress(1, "searching"), last)
    types = [p["type"] for p in told.payloads]
    assert types.count("response.web_search_call.searching") == 1
    assert not any(" " in kind for kind in types)


def test_events_about_items() -> None:
    """An unknown event about an item names it as it is named here, while it is open."""
    item = made.message((), whole=False, ident="x" * 2000)
    told = Spoken("responses", df.ItemStarted(0, item), source="responses")
    told.say(df.UnknownEvent("acme.tick", {"type": "acme.tick", "output_index": 0, "item_id": "x" * 2000}))
    told.say(df.UnknownEvent("acme.tock", {"type": "acme.tock", "output_index": 0, "sequence_number": 77}))
    told.say(df.UnknownEvent("acme.tuck", {"type": "acme.tuck", "output_index": 7}))
    assert [p["type"] for p in told.payloads[-2:]] == ["acme.tick", "acme.tock"]
    assert told.payloads[-2]["item_id"] == told.payloads[-3]["item"]["id"] == "msg_0"
    assert told.payloads[-1]["sequence_number"] == 2
    assert told.losses == [LossCode.EVENT_UNWRITABLE]


def test_arguments_of_items_that_nobody_knows() -> None:
    """On their own wire they stream as those of MCP calls; elsewhere nobody could read them."""
    first, last = hosted(0, "hologram", id="h")
    told = Spoken("responses", first, df.ArgumentsDelta(0, "{}"), source="responses")
    assert told.payloads[-1]["type"] == "response.mcp_call_arguments.delta"
    told = Spoken("responses", first, df.ArgumentsDelta(0, "{}"), last)
    assert "arguments" not in told.text


def test_text_in_what_was_announced_as_a_refusal() -> None:
    """Some servers do so; it is text."""
    odd = attrs.evolve(made.text_part(), data={"type": "refusal", "refusal": ""})
    told = Spoken("responses", df.ItemStarted(0, made.message((), whole=False)), source="responses")
    told.say(df.PartStarted(0, 0, "content", odd), df.TextDelta(0, 0, "Hi"))
    whole = attrs.evolve(made.text_part("Hi"), data={"type": "refusal", "refusal": "", "text": "Hi"})
    told.say(df.PartFinished(0, 0, "content", whole))
    final = made.message((whole,), whole=True)
    told.say(df.ItemFinished(0, final))
    response = told.end(output=(final,))
    assert response.output_text == "Hi"
    assert "refusal" not in told.text


def test_the_end_tells_all_items() -> None:
    """Those that the server's own end left out stand there too, those that were never told do not."""
    told = Spoken("responses", source="responses")
    for index, text in enumerate("ab"):
        told.say(*events_of_item(index, made.message((made.text_part(text),), whole=True, ident=text)))
    told.say(*began(2), df.TextDelta(2, 0, "c"))
    other = made.reasoning((), ())
    cut = told.end(
        Outcome.FAILED, "error", output=(made.message((made.text_part("b"),), whole=True, ident="b"), other)
    )
    assert sorted(cut.output_text) == ["a", "b", "c"]
    assert [item.status for item in cut.output if isinstance(item, df.Message)].count("incomplete") == 1
    assert not any(isinstance(item, df.Reasoning) for item in cut.output)


def test_items_that_got_another_id_at_the_end() -> None:
    """They are known by their type and their place, and keep the id that was written."""
    told = Spoken("responses", source="responses")
    items = [made.message((made.text_part(text),), whole=True, ident=text) for text in "ab"]
    for index, item in enumerate(items):
        told.say(*events_of_item(index, item))
    first = made.message((made.text_part("b"),), whole=True, ident="new")
    response = told.end(output=(items[0], first))
    assert [item.id for item in response.output] == ["a", "b"]


def test_parts_that_have_other_places() -> None:
    """Where a part was left out before another, the places of the wire count."""
    whole = made.message((made.text_part("a"), made.text_part("b")), whole=True)
    told = Spoken("responses", df.ItemStarted(0, made.message((), whole=False)), source="responses")
    told.say(
        df.PartStarted(0, 1, "content", made.text_part()), df.TextDelta(0, 1, "b"), df.ItemFinished(0, whole)
    )
    assert told.end(output=(whole,)).output_text == "b"


def test_a_status_that_is_none() -> None:
    """Only what a response can be in the middle of its life is told."""
    told = Spoken(
        "responses",
        df.StatusChanged("queued", {"x": 1}),
        df.StatusChanged(None, {"tools": None}),
        source="responses",
    )
    told.say(df.StatusChanged("odd", {"y": 2}))
    assert [p["type"] for p in told.payloads] == ["response.created", "response.queued"]
    told.end(data={"tools": None, "tool_choice": None})
    assert told.payloads[-1]["response"]["tools"] == []
    assert told.payloads[-1]["response"]["y"] == 2


def test_custom_calls_have_a_status_where_they_were_told_one() -> None:
    """The API's custom calls have none of their own."""
    for status in (None, "completed"):
        item = attrs.evolve(made.custom_call("f", "c", "x", whole=True), status=status)
        told = Spoken("responses", *events_of_item(0, item))
        assert ("status" in told.payloads[-1]["item"]) is (status is not None)


# ------------------------------------------------------------------------------------------- what is shared


def test_values_that_are_too_deep() -> None:
    """They are the caller's mistake, not a crash."""
    deep: Any = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(UsageError, match="too deeply"):
        dumps({"a": deep})
    while deep:  # taken apart, so that its end does not recurse either
        deep = deep[0]


def test_escapes_at_the_end_of_a_piece() -> None:
    """A backslash that ends a piece escapes what the next one begins with."""
    scan = ObjectScan()
    for piece in ('{"a\\', '"}', "", '\\\\"', ":1", "}"):
        assert scan.feed(piece) == ""
    assert scan.whole
    assert scan.feed(" x") == " x"  # which stands behind it


@pytest.mark.parametrize("before", ["", " ", "\t", "\r", "\n", "X", "\xa0", "[", '"'])
def test_where_an_object_begins(before: str) -> None:
    """Behind the white space of JSON, and nothing else."""
    scan = ObjectScan()
    scan.feed(f"{before}{{}}")
    assert scan.whole is (not before.strip(" \t\r\n"))


def test_damaged_snapshots() -> None:
    """A snapshot that lacks something is refused."""
    whole = StreamEncoder("chat").snapshot()
    content = {key: value for key, value in whole.items() if key not in ("deltafold", "crc32")}
    for wrong in (
        {**content, "state": {}},
        {"encoder": "chat"},
        {**content, "state": {**content["state"], "items": {"$": "X"}}},
    ):
        with pytest.raises(UsageError, match="damaged"):
            StreamEncoder.resume(wrap(wrong))


@every_target
def test_a_server_goes_on_with_what_it_began(target: str) -> None:
    """A second fragment of a kind begins nothing new."""
    writer = df.ResponseWriter(target)
    body = (
        writer.refusal("I ") + writer.refusal("won't.") + writer.reasoning("Be") + writer.reasoning("cause")
    )
    response = parse(body + writer.finish(), target)
    assert response.reasoning_text == "Because"
    assert "I won't." in str(response.to_dict())


@every_target
def test_bodies_of_a_response_in_progress(target: str) -> None:
    """What has no end yet is cut off."""
    response = df.Response("r", "m", "in_progress", None, (), None, None, None, None, {})
    assert "ended before" in json.dumps(encode_response(response, target))


# ------------------------------------------------------------------------------- calls that are not whole


def cut(index: int, text: str, **more: Any) -> list[Event]:
    """A call that is not whole, whose arguments look as if it were."""
    item = attrs.evolve(made.function_call("f", f"call_{index}", text, whole=False), **more)
    pieces = [df.ArgumentsDelta(index, text)] if text else []
    return [df.ItemStarted(index, attrs.evolve(item, arguments="")), *pieces, df.ItemFinished(index, item)]


def whole(index: int, text: str = "{}") -> list[Event]:
    """A call that is whole."""
    return events_of_item(index, made.function_call("f", f"call_{index}", text, whole=True))


@every_target
def test_a_completed_response_with_a_call_that_is_not_whole(target: str) -> None:
    """It ends as if a limit had cut it, but where the call itself says that it is not whole."""
    told = Spoken(target, *spoken(0), *cut(1, '{"a":1}'))
    response = told.end(reason="tool_calls")
    assert response.output_text == "Hi"
    assert response.tool_calls == ()
    if target == "responses":
        assert response.outcome is Outcome.COMPLETED
        assert told.losses == []
    else:
        assert response.finish_reason == "length"
        assert told.losses == [LossCode.CALL_NOT_WHOLE, LossCode.FINISH_REASON]
    body = encode_response(
        df.Response("r", "m", None, Outcome.COMPLETED, (cut(0, '{"a":1}')[-1].item,), *END), target
    )
    again = parse(json.dumps(body).encode(), target)
    assert again.tool_calls == ()
    assert again.finish_reason == ("stop" if target == "responses" else "length")


END: Any = (None, None, None, "tool_calls", {})
"""The rest of a response that completes."""


@every_target
def test_a_call_that_something_follows(target: str) -> None:
    """It was left open, and then the wire went on: what stands there as whole ends in an error."""
    told = Spoken(target, *cut(0, '{"a":1}'), *spoken(1), *whole(2))
    response = told.end(reason="tool_calls")
    if target in ("responses", "gemini"):
        assert [known.call_id for known in response.tool_calls] == ["call_2"]
    else:
        assert response.outcome is Outcome.FAILED
        assert response.error is not None
        assert response.error.message == "a call was sent as whole, and it is not what was sent"
        assert LossCode.CALL_NOT_WHOLE in told.losses


@every_target
def test_a_call_that_was_cut_before_its_arguments(target: str) -> None:
    """It would look like a call without any: where something follows, some are begun and left open."""
    told = Spoken(target, *cut(0, ""))
    assert told.end(Outcome.INCOMPLETE, "length").tool_calls == ()
    assert ("call_0" in told.text) is (target != "gemini")
    told = Spoken(target, *cut(0, ""), *spoken(1))
    response = told.end(reason="tool_calls")
    cuts = target in ("anthropic", "gemini")
    assert response.outcome is (Outcome.INCOMPLETE if cuts else Outcome.COMPLETED)
    assert response.tool_calls == ()
    assert ("call_0" in told.text) is (target != "gemini")


@every_target
def test_a_call_that_is_taken_back_at_the_end(target: str) -> None:
    """It had been finished. Only a wire that says everything anew at its end can say so."""
    back = df.ItemUpdated(0, made.function_call("f", "call_0", "{}", whole=False))
    for rest, outcomes in (
        ([], {"chat": Outcome.INCOMPLETE, "gemini": Outcome.INCOMPLETE, "anthropic": Outcome.FAILED}),
        (whole(1), {"chat": Outcome.FAILED, "gemini": Outcome.FAILED, "anthropic": Outcome.FAILED}),
    ):
        told = Spoken(target, *whole(0), *rest, back)
        response = told.end(reason="tool_calls")
        assert response.outcome is outcomes.get(target, Outcome.COMPLETED)
        assert LossCode.CALL_NOT_WHOLE in told.losses
        if response.outcome is not Outcome.FAILED:
            assert [known.call_id for known in response.tool_calls] == ["call_1" for _ in rest][:1]
    if target == "gemini":
        assert "MALFORMED_FUNCTION_CALL" not in told.text


@every_target
def test_a_call_of_anthropics_that_is_taken_back(target: str) -> None:
    """It ended without arguments, and then a limit was reached: it is not whole, and was not written so."""
    back = df.ItemUpdated(0, made.function_call("f", "call_0", "{}", whole=False))
    told = Spoken(target, *whole(0), df.UsageReported(df.Usage(1, 2, 3)), back, source="anthropic")
    response = told.end(Outcome.INCOMPLETE, "length")
    assert response.outcome is Outcome.INCOMPLETE
    assert response.tool_calls == ()
    told = Spoken(target, *whole(0), *spoken(1), source="anthropic")
    assert len(told.end(reason="tool_calls").tool_calls) == 1


@every_target
def test_arguments_that_are_corrected(target: str) -> None:
    """Where others were written, and could be run, no client may run them."""
    first, last = '{"a":1}', '{"a":2}'
    replaced = df.ValueReplaced(0, "arguments", last)
    told = Spoken(target, call(0), df.ArgumentsDelta(0, first), replaced, called(0, last))
    response = told.end(reason="tool_calls", strict=False)
    values = [json.loads(getattr(known, "arguments", "")) for known in response.tool_calls]
    assert values == ([{"a": 2}] if target in ("responses", "gemini") else [])
    told = Spoken(target, *whole(0, first), replaced, df.ItemUpdated(0, called(0, last).item), *spoken(1))
    response = told.end(reason="tool_calls", strict=False)
    if target == "responses":
        assert [getattr(known, "arguments", "") for known in response.tool_calls] == [last]
    elif target == "gemini":
        assert response.tool_calls == ()
        assert response.outcome is Outcome.INCOMPLETE
    else:
        assert response.outcome is Outcome.FAILED
    told = Spoken(target, *whole(0, first), replaced, df.ValueReplaced(0, "arguments", '{"a": 1}'))
    told.say(df.ItemUpdated(0, called(0, '{"a": 1}').item), *spoken(1))
    assert (
        len(told.end(reason="tool_calls", strict=False).tool_calls) == 1
    )  # it is what was written after all


@every_target
def test_arguments_that_are_corrected_before_they_are_whole(target: str) -> None:
    """What no client could run is corrected where that can be, and is cut where it cannot."""
    last = '{"a":2}'
    replaced = df.ValueReplaced(0, "arguments", last)
    for first in ("gAAA", '{"a":'):
        told = Spoken(target, call(0), df.ArgumentsDelta(0, first), replaced)
        told.say(df.ArgumentsDelta(0, " "), called(0, last + " "))
        response = told.end(reason="tool_calls", strict=False)
        able = target in ("responses", "gemini") or (target == "anthropic" and first == "gAAA")
        assert len(response.tool_calls) == able
        assert LossCode.VALUE_REPLACED in told.losses


@every_target
@pytest.mark.parametrize("tools", ["custom", "function"])
def test_a_custom_tool_whose_input_is_cut(target: str, tools: str) -> None:
    """No client may take what came for all of it; it stands there where the wire can say so."""
    item = made.custom_call("g", "c", "some te", whole=False)
    for outcome, reason in ((Outcome.COMPLETED, "tool_calls"), (Outcome.INCOMPLETE, "length")):
        told = Spoken(target, *events_of_item(0, item), custom_tools=tools)
        response = told.end(outcome, reason)
        assert response.tool_calls == ()
        assert response.outcome is (outcome if target == "responses" else Outcome.INCOMPLETE)
        assert ("some te" in told.text) is (target != "gemini")
    told = Spoken(target, *events_of_item(0, attrs.evolve(item, whole=True)), custom_tools=tools)
    told.say(df.ItemUpdated(0, item), *spoken(1))
    response = told.end(reason="tool_calls")
    assert response.tool_calls == () or response.outcome is Outcome.FAILED


@pytest.mark.parametrize("target", ["chat", "anthropic", "gemini"])
def test_an_item_that_turns_out_to_be_a_call(target: str) -> None:
    """It had no type when it began, and so no place on the wire."""
    unknown = df.OtherItem("", None, None, None, {})
    for later in ([df.ItemUpdated(0, call(0).item)], []):
        told = Spoken(target, df.ItemStarted(0, unknown), *later, source="responses")
        told.say(df.ArgumentsDelta(0, '{"a":1}'), called(0, '{"a":1}'))
        assert len(told.end(reason="tool_calls").tool_calls) == 1


@pytest.mark.parametrize("target", ["chat", "anthropic", "gemini"])
@pytest.mark.parametrize("at", [0, 1, 2, None])
@pytest.mark.parametrize("thought", [False, True])
def test_an_item_that_turns_out_to_be_text(target: str, at: int | None, thought: bool) -> None:
    """It had no type when it began. What had come of it before is written then, too."""
    begin, part = began(0, thought=thought)
    later = [part, df.ReasoningDelta(0, 0, "Hi", "text") if thought else df.TextDelta(0, 0, "Hi")]
    if at is not None:
        later.insert(at, df.ItemUpdated(0, begin.item))
    whole = (
        made.reasoning((), (made.thought_part("Hi"),))
        if thought
        else made.message((made.text_part("Hi"),), whole=True)
    )
    unknown = df.ItemStarted(0, df.OtherItem("", None, None, None, {}))
    told = Spoken(target, unknown, *later, df.ItemFinished(0, whole), source="responses")
    (found,) = told.end().output
    assert [part.text for part in found.content] == ["Hi"]


@pytest.mark.parametrize("target", ["chat", "anthropic", "gemini"])
def test_an_item_whose_type_never_comes(target: str) -> None:
    """That it is left out is known when it ends, or with its response."""
    item = df.OtherItem("", None, None, None, {})
    for last in ([df.ItemFinished(0, item)], []):
        told = Spoken(target, df.ItemStarted(0, item), source="responses")
        told.say(df.PartStarted(0, 0, "content", made.text_part()), df.TextDelta(0, 0, "Hi"))
        assert told.losses == []
        told.say(*last)
        assert told.end().output_text == ""
        assert told.losses == [LossCode.ITEM_UNSUPPORTED]


@every_target
def test_a_limit_that_no_word_says(target: str) -> None:
    """A response that a limit cut does not end well, whatever the word."""
    assert Spoken(target, *spoken(0)).end(Outcome.INCOMPLETE, "pause_turn").outcome is Outcome.INCOMPLETE
    response = df.Response("r", "m", None, Outcome.INCOMPLETE, (), None, None, None, "pause_turn", {})
    assert response.to_anthropic_message()["stop_reason"] == "max_tokens"


def test_a_whole_call_before_a_limit() -> None:
    """A reader of Chat Completions takes it for cut off, which is a loss."""
    told = Spoken("chat", *whole(0))
    assert told.end(Outcome.INCOMPLETE, "length").tool_calls == ()
    assert told.losses == [LossCode.CALL_NOT_WHOLE]
    told = Spoken("chat", *whole(0), *spoken(1))
    assert len(told.end(Outcome.INCOMPLETE, "length").tool_calls) == 1
    assert told.losses == []


def test_what_comes_last_in_a_choice() -> None:
    """A limit cuts what began last: text, reasoning, an image, log probabilities, a citation, or a call."""
    note = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
    image = df.OtherPart("image_url", {"type": "image_url"})
    weighed = df.TextDelta(1, 0, "Hi", ({"token": "Hi"},))
    thought = df.ReasoningDelta(1, 0, "Hm", "text")
    for rest in (
        [*began(1), df.TextDelta(1, 0, "Hi")],
        [*began(1), weighed],
        [*began(1, thought=True), thought],
        [*began(1), df.AnnotationAdded(1, 0, 0, note)],
        [*began(1), df.PartStarted(1, 1, "content", image)],
    ):
        told = Spoken("chat", *cut(0, "{}"), *rest, source="chat")
        assert told.end(reason="tool_calls").outcome is Outcome.FAILED
    told = Spoken("chat", *cut(0, "{}"), *began(1), df.TextDelta(1, 0, ""), source="chat")
    assert told.end(reason="tool_calls").outcome is Outcome.INCOMPLETE
    told = Spoken("chat", *cut(0, "{}"), source="chat")
    assert told.end(Outcome.INCOMPLETE, "length").tool_calls == ()
    assert told.losses == []  # its own wire says no more of it


@pytest.mark.parametrize(
    "pieces",
    [
        ['{"a":1}', "{"],
        ['{"a":1}', '{"a":1}', "x"],
        ['{"a":1}', "{}"],
        ["{}", '{"a":1}'],
        ['{"a":1}', "[]"],
        ['{"a":1}', '{"a": 1}'],
    ],
)
def test_arguments_that_a_reader_takes_for_repeated(pieces: list[str]) -> None:
    """Readers of Chat Completions pass over arguments that come again: what is left may look whole."""
    item = made.function_call("f", "call_0", "".join(pieces), whole=True)
    assert not item.complete
    told = Spoken(
        "chat", call(0), *(df.ArgumentsDelta(0, piece) for piece in pieces), df.ItemFinished(0, item)
    )
    response = told.end(reason="tool_calls", strict=False)
    assert response.tool_calls == ()
    assert response.finish_reason == "length"


def test_arguments_that_are_corrected_before_their_call_is_known() -> None:
    """What is written is what had come when its name did."""
    named = made.function_call("f", "call_0", '{"a":1}', whole=True)
    for target in ("chat", "anthropic"):
        told = Spoken(target, call(0, "", None), df.ArgumentsDelta(0, "x"))
        told.say(df.ValueReplaced(0, "arguments", '{"a":1}'), df.ItemUpdated(0, named))
        told.say(df.ValueReplaced(0, "arguments", '{"a":2}'), called(0, '{"a":2}'), *spoken(1))
        assert told.end(reason="tool_calls").outcome is Outcome.FAILED


@every_target
def test_two_calls_with_one_id(target: str) -> None:
    """Readers would take them for one: the second gets an id of its own, and no call is lost."""
    again = attrs.evolve(called(1, '{"b":2}').item, call_id="call_0")
    told = Spoken(target, *whole(0, '{"a":1}'), *events_of_item(1, again))
    found = told.end(reason="tool_calls").tool_calls
    assert [json.loads(getattr(known, "arguments", "")) for known in found] == [{"a": 1}, {"b": 2}]
    assert len({known.call_id for known in found}) == 2
    assert told.losses == [LossCode.VALUE_REPLACED]


def test_a_call_that_was_closed_early() -> None:
    """Its object was whole when something else came, so that a limit cannot have cut it."""
    events = [call(0), df.ArgumentsDelta(0, '{"a":1}'), *spoken(1)]
    told = Spoken("anthropic", *events, called(0, '{"a":1}', whole=False))
    assert len(told.end(Outcome.INCOMPLETE, "length").tool_calls) == 1
    assert told.losses == [LossCode.CALL_NOT_WHOLE]
    told = Spoken("anthropic", *events, called(0, '{"a":1}', whole=False))
    assert told.end(reason="tool_calls").outcome is Outcome.FAILED
    told = Spoken("anthropic", call(0), df.ArgumentsDelta(0, '{"a":"b{"c""}'), *spoken(1))
    told.say(df.ValueReplaced(0, "arguments", '{"a":"b"}'), called(0, '{"a":"b"}'))
    assert told.end(reason="tool_calls").finish_reason == "length"  # some clients read a part of it
    told = Spoken("anthropic", *events, df.ArgumentsDelta(0, "{"), called(0, '{"a":1}{', whole=False))
    assert told.end(Outcome.INCOMPLETE, "length").outcome is Outcome.FAILED


def test_a_call_that_waits_and_is_taken_back() -> None:
    """It waits for another call to end, and is not written yet."""
    told = Spoken("anthropic", call(0), df.ArgumentsDelta(0, '{"a":'), *whole(1, '{"b":1}'))
    told.say(df.ItemUpdated(1, made.function_call("f", "call_1", '{"b":1}', whole=False)))
    told.say(df.ArgumentsDelta(0, "1}"), called(0, '{"a":1}'))
    response = told.end(reason="tool_calls")
    assert [known.call_id for known in response.tool_calls] == ["call_0"]
    assert response.finish_reason == "length"


def test_a_limit_in_a_choice_that_is_not_written() -> None:
    """The response does not complete for that."""
    told = Spoken("chat", *spoken(0), source="chat")
    choices = (df.Choice(0, "stop", {}), df.Choice(7, "length", {}))
    assert told.end(Outcome.INCOMPLETE, "stop", choices=choices).outcome is Outcome.INCOMPLETE
    assert told.losses == [LossCode.FURTHER_CHOICE, LossCode.FINISH_REASON]


def test_a_word_of_anthropics_that_says_nothing() -> None:
    """It is none, and the outcome stands for it."""
    told = Spoken("anthropic", *spoken(0), source="anthropic")
    response = told.end(Outcome.INCOMPLETE, "content_filter", data={"stop_reason": "null"})
    assert response.finish_reason == "content_filter"


@every_target
def test_a_name_that_changes_after_the_call(target: str) -> None:
    """What was written stands on every wire, and is a loss."""
    told = Spoken(target, *whole(0), df.ItemUpdated(0, called(0, "{}", "other").item))
    assert [known.name for known in told.end(reason="tool_calls").tool_calls] == ["f"]
    assert told.losses == [LossCode.VALUE_REPLACED]


def test_a_call_without_arguments_that_waits() -> None:
    """It comes when its turn does, and ends as one that a limit cut."""
    told = Spoken("anthropic", call(0), df.ArgumentsDelta(0, '{"a":'), *cut(1, ""))
    assert "call_1" not in told.text
    told.say(df.ArgumentsDelta(0, "1}"), called(0, '{"a":1}'))
    assert "call_1" in told.text
    assert [known.call_id for known in told.end(Outcome.INCOMPLETE, "length").tool_calls] == ["call_0"]


def test_anthropics_own_arguments() -> None:
    """They go back as they came, whatever they are; a call that breaks off is there without any."""
    for text in ("code", "[1]", '{"a":'):
        item = made.function_call("f", "call_0", text, whole=True)
        told = Spoken("anthropic", *events_of_item(0, item), source="anthropic")
        assert told.end(data={"stop_reason": "tool_use"}).finish_reason == "tool_calls"
        assert told.losses == []
    told = Spoken("anthropic", call(0), df.ArgumentsDelta(0, "{}"), *spoken(1), source="anthropic")
    told.say(df.ArgumentsDelta(0, "x"), called(0, "{}x", whole=False))
    assert told.end(data={"stop_reason": "tool_use"}).outcome is Outcome.FAILED
    told = Spoken("anthropic", call(0), source="anthropic")
    told.say(df.UsageReported(df.Usage(1, 2, 3)), *began(1))
    assert "call_0" not in told.text
    assert "call_0" in told.end(Outcome.TRUNCATED).output[0].data.values()


def test_geminis_own_correction() -> None:
    """A call that its server sent again, with other arguments, is sent again."""
    replaced = df.ValueReplaced(0, "arguments", '{"a":2}')
    later = df.ItemUpdated(0, called(0, '{"a":2}').item)
    told = Spoken("gemini", *whole(0, '{"a":1}'), replaced, later, source="gemini")
    told.say(df.ChoiceUpdated(0, "STOP", {}))
    response = df.Response("r", "m", None, Outcome.COMPLETED, (), None, None, None, "tool_calls", {})
    told.say(df.ResponseFinished(Outcome.COMPLETED, response))
    sent = [p["candidates"][0]["content"]["parts"][0]["functionCall"] for p in told.payloads]
    assert [found["args"] for found in sent] == [{"a": 1}, {"a": 2}]


def test_geminis_own_word_takes_back() -> None:
    """Where its server says that calls are malformed, that is said again, and nothing else."""
    back = df.ItemUpdated(0, made.function_call("f", "call_0", "{}", whole=False))
    told = Spoken("gemini", *whole(0), *whole(1), back, source="gemini")
    choices = (df.Choice(0, "UNEXPECTED_TOOL_CALL", {}),)
    response = told.end(Outcome.INCOMPLETE, None, choices=choices)
    assert response.incomplete_reason == "UNEXPECTED_TOOL_CALL"
    assert response.tool_calls == ()


def test_documents_of_calls_that_are_not_whole() -> None:
    """The message ends as if a limit had cut it; Gemini's calls say that more would come."""
    cuts = (cut(0, '{"a":1}')[-1].item, made.custom_call("g", "c", "x", whole=False))
    for number, found in enumerate(cuts):
        response = df.Response("r", "m", None, Outcome.COMPLETED, (found,), *END)
        assert response.to_anthropic_message()["stop_reason"] == "max_tokens"
        assert response.to_chat_completion()["choices"][0]["finish_reason"] == "length"
        (part,) = response.to_gemini_response()["candidates"][0]["content"]["parts"]
        assert part["functionCall"]["willContinue"] is True
        limited = attrs.evolve(response, outcome=Outcome.INCOMPLETE, finish_reason="content_filter")
        assert limited.to_anthropic_message()["stop_reason"] == "refusal"
        assert limited.to_chat_completion()["choices"][0]["finish_reason"] == "content_filter"
        own = attrs.evolve(response, dialect="gemini")
        (part,) = own.to_gemini_response()["candidates"][0]["content"]["parts"]
        assert number or part["functionCall"]["willContinue"] is True
    odd = df.Response("r", "m", None, Outcome.COMPLETED, (called(0, "[]").item,), *END)
    assert odd.to_anthropic_message()["stop_reason"] == "max_tokens"
    assert odd.to_gemini_response()["candidates"][0]["content"]["parts"][0]["functionCall"]["willContinue"]
    (part,) = attrs.evolve(odd, dialect="gemini").to_gemini_response()["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["args"] == []


def test_a_status_that_its_own_wire_did_not_send() -> None:
    """The end of a response may send a call as whole of which nothing that can be read came."""
    item = attrs.evolve(
        cut(0, "")[-1].item, data={"type": "function_call", "status": "completed", "arguments": 5}
    )
    told = Spoken("responses", *cut(0, ""), source="responses")
    response = told.end(reason="tool_calls", output=(item,))
    assert response.tool_calls == ()
    assert response.output[0].status == "incomplete"


def test_an_item_of_its_wire_begins_with_the_id_it_ends_with() -> None:
    """api.openai.com gave the call of a tool search another `call_id` at its end, which clients refuse."""
    sent: dict[str, Any] = {"id": "tsc_1", "type": "tool_search_call", "status": "in_progress"}
    whole = {**sent, "status": "completed", "arguments": {"goal": "x"}, "call_id": "call_2"}
    ended = {"id": "resp_1", "status": "completed", "output": [whole]}
    parser, encoder = df.ResponseParser("responses"), StreamEncoder("responses")
    payloads: list[tuple[str, dict[str, Any]]] = [
        ("created", {"response": {"id": "resp_1", "model": "m", "output": []}}),
        ("output_item.added", {"output_index": 0, "item": {**sent, "call_id": "call_1"}}),
        ("output_item.done", {"output_index": 0, "item": whole}),
        ("completed", {"response": ended}),
    ]
    for kind, more in payloads:
        parser.feed_payload({"type": f"response.{kind}", **more})
    written = [found for event in parser.events() for found in encoder.payloads(event)]
    items = [payload["item"] for payload in written if "item" in payload]
    assert items == [{**sent, "call_id": "call_2"}, whole]
    assert not encoder.losses


@every_target
def test_a_writer_keeps_each_thing_under_its_own_name(target: str) -> None:
    """No name of what a writer keeps is one that all writers have for something else."""
    fields = part_of(target, "writer").WRITER.SNAPSHOT_FIELDS
    assert len(set(fields)) == len(fields)


@every_target
def test_a_notice_without_a_response_that_begins(target: str) -> None:
    """What came before the response, by hand and never announced, is nothing that the end could mistake."""
    body = b'{"id":"r","object":"response","status":"completed","model":"m","output":[]}'
    response = parse(body, "responses")
    encoder = StreamEncoder(target)
    encoder.encode(df.Notice("ping", {"type": "ping"}))
    encoder.encode(df.ResponseFinished(Outcome.COMPLETED, response))
    assert not encoder.losses


def test_what_is_lifted_ends_with_its_call() -> None:
    """A reader has it whole as soon as the call is, and not with the response alone."""
    told = Spoken("responses", call(0), df.LiftedDelta(0, ("say",), "text", "Hi"), lifted=True)
    told.say(df.ArgumentsDelta(0, "{}"), called(0, "{}"))
    whole = [one["item"]["type"] for one in told.payloads if one["type"] == "response.output_item.done"]
    assert sorted(whole) == ["function_call", "message"]


def test_encrypted_reasoning_alone_is_redacted_thinking() -> None:
    """Anthropic's word for reasoning that only the server reads; the text of it stands under `data`."""
    sealed = made.reasoning((), (), encrypted="c2VjcmV0")
    told = Spoken("anthropic", *events_of_item(0, sealed), source="other", foreign_signatures=True)
    blocks = [payload["content_block"] for payload in told.payloads if "content_block" in payload]
    assert blocks == [{"type": "redacted_thinking", "data": "c2VjcmV0"}]


def test_words_of_further_choices_are_those_of_their_server() -> None:
    """A choice that a filter cut says so on the next wire, whatever word its server has for a filter."""
    ends = (df.Choice(0, "stop", {}), df.Choice(1, "guardrail_intervened", {}))
    told = Spoken("gemini", *spoken(0), *spoken(1, choice=1), source="chat")
    told.say(*(df.ChoiceUpdated(one.index, one.finish_reason, {}) for one in ends))
    told.end(choices=ends)
    words = {
        candidate["index"]: candidate["finishReason"]
        for payload in told.payloads
        for candidate in payload["candidates"]
        if "finishReason" in candidate
    }
    assert words == {0: "STOP", 1: "SAFETY"}


def test_space_before_an_object_is_no_rest() -> None:
    """Scanning begins with the brace, in whatever pieces what stands before it comes."""
    scan = ObjectScan()
    assert scan.feed(" \n") == ""
    assert scan.feed('{"a":1}') == ""
    assert (scan.begun, scan.whole, scan.other) == (True, True, False)


def test_an_empty_piece_between_a_backslash_and_what_it_escapes() -> None:
    """The quotation mark is still escaped."""
    scan = ObjectScan()
    for piece in ('{"a":"\\', "", '"}'):
        assert scan.feed(piece) == ""
    assert not scan.whole
    assert scan.feed('"} x') == " x"


def test_a_total_that_nobody_counted() -> None:
    """The Responses API requires one: it is the sum."""
    told = Spoken("responses")
    told.end(usage=df.Usage(3, 4, None))
    assert told.payloads[-1]["response"]["usage"]["total_tokens"] == 7


def test_several_reasonings_become_one_of_chat() -> None:
    """Its texts follow one another."""
    thoughts = tuple(made.reasoning((made.thought_part(text, summary=True),), ()) for text in "xy")
    response = Spoken("responses").end(output=thoughts)
    message = attrs.evolve(response, output=thoughts).to_chat_completion()["choices"][0]["message"]
    assert message["reasoning_content"] == "xy"


def test_a_citation_of_a_file_is_none_of_the_web() -> None:
    """Chat Completions has those of web pages alone, whatever members another one has."""
    place = {"start_index": 0, "end_index": 2}
    note = {"type": "file_citation", "url": "https://a.test", "title": "A", **place}
    part = made.text_part("Hi", (note,))
    told = Spoken("chat", *events_of_item(0, made.message((part,), whole=True)), source="responses")
    assert told.losses == [LossCode.ANNOTATION_UNSUPPORTED]
    assert "a.test" not in told.text


@every_target
@pytest.mark.parametrize("outcome", [Outcome.TRUNCATED, Outcome.CANCELLED])
@pytest.mark.parametrize("own", [False, True])
def test_an_error_that_is_not_how_it_ended(target: str, outcome: Outcome, own: bool) -> None:
    """A response that breaks off or is given up behind an error says that it was so, and no more."""
    known = df.ResponseError(df.ErrorKind.RATE_LIMITED, "busy", "slow_down", type="odd_error", param="model")
    ends = []
    for events in ([], [df.ErrorReported(known)]):
        told = Spoken(target, *events, source=target if own else None)
        told.end(outcome, None, strict=False)
        ends.append(told.payloads)
    assert ends[0] == ends[1]


@pytest.mark.parametrize("source", ["responses", "anthropic"])
def test_a_message_without_any_text(source: str) -> None:
    """It is a block of Anthropic's where it was one; of another API's there would be nothing to see."""
    item = made.message((), whole=False)
    told = Spoken("anthropic", df.ItemStarted(0, item), source=source)
    told.say(df.ItemFinished(0, made.message((), whole=True)))
    assert len(told.end().output) == (1 if source == "anthropic" else 0)
    assert told.losses == []


@pytest.mark.parametrize("thought", [False, True])
def test_what_waits_goes_into_no_other_block(thought: bool) -> None:
    """Fragments that wait for a call keep waiting while something else is written behind that."""

    def say(index: int, text: str) -> Event:
        return df.ReasoningDelta(index, 0, text, "text") if thought else df.TextDelta(index, 0, text)

    events = [df.ResponseStarted("r", "m"), call(0), *began(1, thought=thought), say(1, "a")]
    events += [df.ArgumentsDelta(0, "{}"), *began(2, thought=thought), say(2, "x")]
    events += [*(say(1, text) for text in "bcd"), say(2, "y"), called(0, "{}")]
    response = df.Response("r", "m", None, Outcome.COMPLETED, (), None, None, None, "tool_calls", {})
    encoder = StreamEncoder("anthropic")
    body = b"".join(map(encoder.encode, [*events, df.ResponseFinished(Outcome.COMPLETED, response)]))
    found = parse(body, "anthropic")
    text = found.reasoning_text if thought else found.output_text
    assert "abcd" in text
    assert sorted(text.replace("\n", "")) == sorted("abcdxy")


@every_target
def test_arguments_that_go_on_after_they_were_corrected(target: str) -> None:
    """What is written is what came first, and all that came then: the reader has what no one may run."""
    told = Spoken(target, call(0), df.ArgumentsDelta(0, '{"a"'), df.ValueReplaced(0, "arguments", '{"b"'))
    told.say(df.ArgumentsDelta(0, ":1"), df.ArgumentsDelta(0, "}"), called(0, '{"b":1}'))
    response = told.end(reason="tool_calls", strict=False)
    able = target in ("responses", "gemini")
    assert [known.arguments for known in response.tool_calls] == (['{"b":1}'] if able else [])
    assert LossCode.VALUE_REPLACED in told.losses


@pytest.mark.parametrize("probable", [False, True])
@pytest.mark.parametrize(
    ("delta", "kind", "member"),
    [
        (df.TextDelta(0, 0, "Hi"), "output_text", "text"),
        (df.RefusalDelta(0, 0, "Hi"), "refusal", "refusal"),
        (df.ReasoningDelta(0, 0, "Hi", "text"), "reasoning_text", "text"),
    ],
)
def test_a_part_that_nobody_knows_and_what_streams_in_it(
    delta: Any, kind: str, member: str, probable: bool
) -> None:
    """Each fragment is an event, as in the parts that are known, and none comes behind the end."""
    part = df.OtherPart("hologram", {"type": "hologram"})
    item = made.reasoning((), ()) if kind == "reasoning_text" else made.message((), whole=False)
    told = Spoken("responses", df.ItemStarted(0, item), source="responses")
    told.say(df.PartStarted(0, 0, "content", part))
    if probable and kind == "output_text":
        delta = attrs.evolve(delta, logprobs=({"token": "Hi"},))
    told.say(delta, delta)
    sent = [payload for payload in told.payloads if payload["type"] == f"response.{kind}.delta"]
    assert [(payload["delta"], payload["content_index"]) for payload in sent] == [("Hi", 0)] * 2
    told.say(df.PartFinished(0, 0, "content", df.OtherPart("hologram", {"type": "hologram", member: "HiHi"})))
    assert told.payloads[-1]["part"].items() >= {"type": "hologram", member: "HiHi"}.items()
    assert told.losses == []
    before = len(told.payloads)
    told.say(delta)
    assert told.losses == [LossCode.LATE_FRAGMENT]
    assert len(told.payloads) == before


ANNOUNCED = [output_text(), refusal(), reasoning_text(), summary_text(), {"type": "hologram"}]
STREAMED = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}


@pytest.mark.parametrize("kind", STREAMED)
@pytest.mark.parametrize("part", ANNOUNCED, ids=lambda part: part["type"])
@pytest.mark.parametrize("ends", [False, True])
def test_parts_that_were_announced_as_something_else(part: JSON, kind: str, ends: bool) -> None:
    """On their own wire each has what streamed in it: no refusal becomes text, and no text a refusal."""
    item = {"type": "reasoning", "id": "r_1", "summary": []} if kind == "reasoning_text" else message()
    events = [added(0, {**item, "status": "in_progress"}), part_added(0, part)]
    events += [value(f"{kind}.delta", 0, content_index=0, delta=text) for text in ("a", "b", "c")]
    if ends:
        events.append(value(f"{kind}.done", 0, content_index=0, **{STREAMED[kind]: "abc"}))
        events.append(part_done(0, {**part, STREAMED[kind]: "abc"}))
    first = run(created(), *events, dialect="responses", end="none")
    encoder = StreamEncoder("responses")
    body = b"".join(map(encoder.encode, first.events))
    again = play(body, "responses", close=False)
    assert encoder.losses == ()
    for one in (first, again):
        texts = {type(event).__name__: [] for event in one.all(*DELTAS)}
        for event in one.all(*DELTAS):
            texts[type(event).__name__].append(event.text)
        assert list(texts.values()) == [["a", "b", "c"]]
    assert [type(event) for event in again.all(*DELTAS)] == [type(event) for event in first.all(*DELTAS)]


def test_a_refusal_behind_text_in_one_part() -> None:
    """The part is text, and that a refusal is written so is told."""
    told = Spoken("responses", *began(0), df.TextDelta(0, 0, "a"), df.RefusalDelta(0, 0, "b"))
    assert told.losses == [LossCode.REFUSAL_AS_TEXT]


def test_a_part_that_nobody_knows_and_that_has_ended() -> None:
    """Nothing can be added to it."""
    part = df.OtherPart("hologram", {"type": "hologram"})
    told = Spoken("responses", *began(0), df.PartStarted(0, 1, "content", part), source="responses")
    told.say(df.PartFinished(0, 1, "content", part))
    before = len(told.payloads)
    told.say(df.RefusalDelta(0, 1, "Hi"))
    assert len(told.payloads) == before
    assert told.losses == [LossCode.LATE_FRAGMENT]


@pytest.mark.parametrize("source", [None, "chat", "responses"])
def test_items_as_they_are_announced(source: str | None) -> None:
    """Without what streams in them, and with no list that their server did not send."""
    told = Spoken("responses", df.ItemStarted(0, made.reasoning((), (), ident="r_1")), source=source)
    assert told.payloads[-1]["item"] == {"type": "reasoning", "id": "r_1", "summary": []}
    thought = made.reasoning((), (made.thought_part("t"),), ident="r_2")
    told.say(df.ItemStarted(1, thought))
    known = {"content": []} if source == "responses" else {}
    assert told.payloads[-1]["item"] == {"type": "reasoning", "id": "r_2", "summary": [], **known}
    told.say(df.ItemStarted(2, made.message((), whole=False, ident="m_1")))
    assert told.payloads[-1]["item"] == {
        "type": "message",
        "id": "m_1",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }


def test_parts_that_are_left_out_are_in_no_item() -> None:
    """The item that ends has the parts that were written."""
    part = df.OtherPart("hologram", {"type": "hologram", "cells": [1]})
    told = Spoken("responses", *began(0), df.PartStarted(0, 1, "content", part), source="chat")
    whole_item = made.message((made.text_part("Hi"), part), whole=True)
    told.say(df.TextDelta(0, 0, "Hi"), df.ItemFinished(0, whole_item))
    assert told.losses == [LossCode.PART_UNSUPPORTED]
    assert [part["type"] for part in told.payloads[-1]["item"]["content"]] == ["output_text"]


@every_target
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("source", [None, *DIALECTS])
def test_an_encoder_that_moves_goes_on_in_the_same_words(
    target: str, source: str | None, fails: bool
) -> None:
    """Wherever in a response of all kinds of things it is copied, what it writes then is the same."""
    note = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
    odd = df.UnknownEvent("odd", {"type": "odd", "n": 1})
    events: list[Event] = [odd, df.ResponseStarted(None, "m", {"created_at": 5, "k": 1}, source), odd]
    events += [df.StatusChanged(None, {"id": "r", "late": 1}), df.ItemStarted(0, made.reasoning((), ()))]
    for at in range(3):
        events.append(df.PartStarted(0, at, "summary", made.thought_part(summary=True)))
        events += [df.ReasoningDelta(0, at, text, "summary") for text in ("a", "b")]
    events += [*began(1), df.TextDelta(1, 0, "Hi"), df.TextDelta(1, 0, "!", ({"token": "!"},))]
    events += [df.AnnotationAdded(1, 0, at, note) for at in range(2)]
    for at in (2, 3):
        events.append(df.PartStarted(1, at, "content", df.OtherPart("odd", {"type": "odd"})))
    events += [call(2, call_id="same"), call(3, call_id="same"), df.LiftedDelta(2, ("why",), "text", "Be")]
    events += [df.ArgumentsDelta(2, "{"), df.ArgumentsDelta(3, "{}"), df.TextDelta(1, 0, "?")]
    events += [df.LiftedDelta(2, ("why",), "text", "cause"), df.ArgumentsDelta(2, "}")]
    events += [called(2, "{}"), called(3, "{}"), df.ValueReplaced(3, "arguments", '{"a":1}'), *spoken(4)]
    events += [call(5), df.ArgumentsDelta(5, '{"a":'), called(5, '{"a":', whole=False), *spoken(6)]
    events += [call(7), called(7, "{}"), df.UsageReported(df.Usage(1, 2, 3, data={"input_tokens": 1}))]
    if fails:
        events.append(df.ErrorReported(df.ResponseError(df.ErrorKind.RATE_LIMITED, "busy", "slow_down")))
    outcome, reason = (Outcome.FAILED, "error") if fails else (Outcome.COMPLETED, "tool_calls")
    response = df.Response("r", "m", None, outcome, (), None, None, None, reason, {})
    events.append(df.ResponseFinished(outcome, response))
    options = {"created": 7, "lifted": True}
    whole_way, moving = StreamEncoder(target, **options), StreamEncoder(target, **options)
    for event in events:
        moving = pickle.loads(pickle.dumps(moving))
        assert moving.encode(event) == whole_way.encode(event)
    assert pickle.loads(pickle.dumps(moving)).losses == whole_way.losses
    assert whole_way.losses


@every_target
@pytest.mark.parametrize("source", DIALECTS)
def test_a_call_without_arguments_ends_once(target: str, source: str) -> None:
    """Whatever follows it, and though its end is written only then."""
    told = Spoken(target, call(0), called(0, "{}"), *spoken(1), *spoken(2), source=source)
    told.say(df.ItemUpdated(2, made.message((made.text_part("Hi"),), whole=True)), *spoken(3))
    response = told.end(reason="tool_calls", strict=False)
    assert [known.call_id for known in response.tool_calls] == ["call_0"]
    if (target, source) != ("gemini", "gemini"):  # whose own word for the end was not sent
        assert response.anomalies == ()
    ends = [payload for payload in told.payloads if payload.get("type") == "response.output_item.done"]
    assert len(ends) == (4 if target == "responses" else 0)


# ------------------------------------------------------------------------------------------- what is kept

NOTE = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
TOLD: dict[str, list[Event]] = {
    "citations": [*began(0), df.TextDelta(0, 0, "Hi"), df.AnnotationAdded(0, 0, 0, NOTE), *spoken(1)],
    "text, thoughts and text": [
        *[
            *began(0),
            df.TextDelta(0, 0, "Hi"),
            *began(1, thought=True),
            df.ReasoningDelta(1, 0, "Hm", "text"),
        ],
        *[df.TextDelta(0, 0, "!"), df.TextDelta(0, 0, "?"), df.ReasoningDelta(1, 0, "m", "text")],
    ],
    "calls in turn": [
        *[call(0), df.ArgumentsDelta(0, '{"a":'), call(1), df.ArgumentsDelta(1, "{}"), *spoken(2)],
        *[df.ArgumentsDelta(0, "1}"), called(1, "{}"), called(0, '{"a":1}')],
    ],
    "a call that was corrected": [
        *[call(0), df.ArgumentsDelta(0, '{"a":1}'), df.ValueReplaced(0, "arguments", '{"a":2}')],
        called(0, '{"a":2}'),
    ],
    "a call that is taken back": [
        *events_of_item(0, made.function_call("f", "call_0", "{}", whole=True)),
        df.ItemUpdated(0, made.function_call("f", "call_0", "{}", whole=False)),
        *spoken(1),
    ],
    "further choices": [
        *spoken(0, "a", 0),
        *[call(1, choice=1), df.ArgumentsDelta(1, "{}")],
        df.ItemFinished(1, made.function_call("f", "call_1", "{}", whole=True, choice=1)),
        df.ChoiceUpdated(1, None, {"x": 1, "error": {"code": 500, "message": "Oh."}}),
        df.ChoiceUpdated(0, None, {"y": 1}),
    ],
    "an error": [
        *[*began(0), df.TextDelta(0, 0, "Hi"), df.StatusChanged(None, {"error_message": "Oh.", "z": 1})],
        df.ErrorReported(df.ResponseError(df.ErrorKind.OVERLOADED, "busy")),
    ],
    "a part with members of its own": [
        df.ItemStarted(0, made.message((), whole=False)),
        df.PartStarted(0, 0, "content", attrs.evolve(made.text_part(), data={"text": "", "k": 1})),
        *[df.TextDelta(0, 0, "Hi"), df.UsageReported(df.Usage(1, 2, 3))],
    ],
}


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.INCOMPLETE, Outcome.FAILED])
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("told", TOLD)
@every_target
def test_all_that_is_kept_is_in_a_snapshot(target: str, told: str, own: bool, outcome: Outcome) -> None:
    """An encoder that moves after each event writes the same, to its end, as one that never does."""
    source = target if own else "chat" if target != "chat" else "gemini"
    started = df.ResponseStarted("r", "m", {"metadata": {"k": "v"}, "error_code": 5}, source)
    choices = (df.Choice(0, "STOP", {}), df.Choice(1, "STOP", {}))
    response = df.Response("r", "m", None, outcome, (), None, None, None, None, {}, choices)
    moving = staying = StreamEncoder(target)
    for event in [started, *TOLD[told], df.ResponseFinished(outcome, response)]:
        moving = StreamEncoder.resume(json.loads(json.dumps(moving.snapshot())))
        assert moving.encode(event) == staying.encode(event)
    assert moving.losses == staying.losses


def test_no_member_of_a_chunk_comes_twice() -> None:
    """What a choice of Chat Completions has of its own is not said again beside it."""
    data = {"index": 5, "delta": {"x": 1}, "finish_reason": "", "message": {"a": 1}, "other": 1}
    encoder = StreamEncoder("chat")
    encoder.encode(df.ResponseStarted("r", "m", {}, "chat"))
    body = encoder.encode(df.ChoiceUpdated(0, None, data)).decode()
    line = body.strip().split("\n\n")[-1].removeprefix("data: ")

    def once(pairs: list[tuple[str, Any]]) -> JSON:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    (choice,) = json.loads(line, object_pairs_hook=once)["choices"]
    assert choice == {"index": 0, "delta": {"a": 1}, "other": 1, "finish_reason": None}


def test_which_choice_calls() -> None:
    """Each choice of another wire ends with a word of its own: the one with a call asks for it."""
    called = events_of_item(1, made.function_call("f", "c", "{}", whole=True, choice=1))
    told = Spoken("chat", *spoken(0, "a", 0), *called, *spoken(2, "b", 2), source="gemini")
    told.end(choices=tuple(df.Choice(at, "STOP", {}) for at in range(3)))
    words = [payload["choices"][0]["finish_reason"] for payload in told.payloads if payload["choices"]]
    assert words[-3:] == ["stop", "tool_calls", "stop"]


@every_target
def test_fragments_behind_a_correction(target: str) -> None:
    """What streams on after arguments were replaced belongs to both: what was written, and what is so."""
    events = [call(0), df.ArgumentsDelta(0, '{"a":1'), df.ValueReplaced(0, "arguments", '{"a":2')]
    events += [df.ArgumentsDelta(0, text) for text in (',"b"', ":3", ',"c":4', "}")]
    events.append(called(0, '{"a":2,"b":3,"c":4}'))
    response = df.Response("r", "m", None, Outcome.COMPLETED, (), None, None, None, "tool_calls", {})
    encoder = StreamEncoder(target)
    written = [encoder.encode(event) for event in (df.ResponseStarted("r", "m"), *events)]
    written.append(encoder.encode(df.ResponseFinished(Outcome.COMPLETED, response)))
    read = parse(b"".join(written), target)
    for found in read.tool_calls:
        assert json.loads(found.arguments) == {"a": 2, "b": 3, "c": 4}
    assert read.tool_calls or read.outcome is not Outcome.COMPLETED


@pytest.mark.parametrize("kind", ["web_search_call", "made_up"])
@every_target
def test_the_type_of_an_item_that_is_left_out(target: str, kind: str) -> None:
    """The loss names it, once, whatever comes of it."""
    told = Spoken(target, *hosted(0, kind), source="other")
    losses = [loss.message for loss in told.encoder.losses if loss.code is LossCode.ITEM_UNSUPPORTED]
    assert losses == ([] if target == "responses" else [f"a {kind} is left out"])


def test_a_call_of_geminis_own_that_is_left_out_is_lost_once() -> None:
    """What comes of it later does not make it another loss."""
    replaced = df.ValueReplaced(0, "arguments", '{"a":2}')
    told = Spoken("gemini", *cut(0, '{"a":1'), replaced, source="gemini")
    told.end(choices=(df.Choice(0, "STOP", {}),), strict=False)
    lost = [LossCode.ARGUMENTS_NO_OBJECT, LossCode.VALUE_REPLACED, LossCode.FINISH_REASON]
    assert told.losses == lost


def test_a_call_that_is_whole_holds_nothing_up() -> None:
    """However short the pieces of its arguments were: what follows is written at once."""
    encoder = StreamEncoder("anthropic")
    for event in (
        df.ResponseStarted("r", "m"),
        call(0),
        *(df.ArgumentsDelta(0, piece) for piece in '{"a":[1]}'),
    ):
        encoder.encode(event)
    for event in began(1):
        encoder.encode(event)
    assert b'"Hi"' in encoder.encode(df.TextDelta(1, 0, "Hi"))


@pytest.mark.parametrize(
    ("role", "written"), [(None, "assistant"), ("assistant", "assistant"), ("tool", "tool")]
)
def test_the_role_of_a_message(role: str | None, written: str) -> None:
    """It is its own; where nobody told one it is the assistant."""
    item = attrs.evolve(made.message((), whole=True), role=role)
    told = Spoken("responses", df.ItemStarted(0, item), df.ItemFinished(0, item))
    sent = [payload["item"]["role"] for payload in told.payloads if "item" in payload]
    assert sent == [written] * 2


@pytest.mark.parametrize(
    ("source", "reason", "own", "written"),
    [
        ("chat", "length", None, "max_output_tokens"),
        ("chat", "content_filter", None, "content_filter"),
        ("chat", "odd", "odder", "odd"),
        ("chat", None, None, "max_output_tokens"),
        ("responses", "length", "odd", "odd"),
        ("responses", "length", None, "max_output_tokens"),
        ("responses", None, None, "max_output_tokens"),
    ],
)
def test_why_a_response_is_incomplete(source: str, reason: str | None, own: str | None, written: str) -> None:
    """In the word of its server where that speaks this wire; else in the nearest one of this wire."""
    told = Spoken("responses", *spoken(0), source=source)
    told.end(Outcome.INCOMPLETE, reason, incomplete_reason=own, strict=False)
    assert told.payloads[-1]["response"]["incomplete_details"] == {"reason": written}
    lost = source == "chat" and reason not in ("length", "content_filter")
    assert told.losses == ([LossCode.FINISH_REASON] if lost else [])


@pytest.mark.parametrize("source", [None, "anthropic", "responses"])
@pytest.mark.parametrize("reason", ["stop", "tool_calls", None, "pause_turn", "compaction"])
def test_a_good_end_that_has_no_word_here(source: str | None, reason: str | None) -> None:
    """That it was one stands; which of another wire's it was is lost."""
    told = Spoken("responses", *spoken(0), source=source)
    told.end(Outcome.COMPLETED, reason)
    last = told.payloads[-1]
    assert (last["type"], last["response"]["status"]) == ("response.completed", "completed")
    lost = source != "responses" and reason in ("pause_turn", "compaction")
    assert told.losses == ([LossCode.FINISH_REASON] if lost else [])


@pytest.mark.parametrize("source", ["chat", "responses"])
@pytest.mark.parametrize("sent", [{"reason": "odd", "k": 1}, {"reason": 5}, {}, "odd", None])
def test_what_a_server_says_of_an_incomplete_response(source: str, sent: Any) -> None:
    """Its own words stand on its own wire, where they have a reason; they are nothing on another."""
    told = Spoken("responses", *spoken(0), source=source)
    told.end(Outcome.INCOMPLETE, "length", strict=False, data={"incomplete_details": sent})
    kept = source == "responses" and isinstance(sent, dict) and sent.get("reason") == "odd"
    written = told.payloads[-1]["response"]["incomplete_details"]
    assert written == (sent if kept else {"reason": "max_output_tokens"})


@every_target
@pytest.mark.parametrize(
    "event",
    [
        df.TextDelta(0, 1, "a"),
        df.RefusalDelta(0, 1, "a"),
        df.ReasoningDelta(0, 1, "a", "text"),
        df.ReasoningDelta(0, 0, "a", "summary"),
        df.AnnotationAdded(0, 1, 0, {}),
        df.ValueFinished(0, "text", "a", content_index=1),
        df.ValueFinished(0, "summary", "a", part_index=0),
        df.ValueReplaced(0, "reasoning", "a", part_index=1),
        df.PartFinished(0, 1, "content", made.text_part("a")),
    ],
)
def test_events_about_a_part_that_has_not_begun(target: str, event: Any) -> None:
    """They are refused, and say which part is meant."""
    told = Spoken(target, *began(0))
    with pytest.raises(UsageError, match=r"part [01] of item 0 is absent"):
        told.say(event)


@every_target
@pytest.mark.parametrize("group", ["content", "summary"])
def test_a_part_begins_and_ends_once(target: str, group: Any) -> None:
    """Parts are told apart by their group and their place in it."""
    made_part = made.thought_part(summary=group == "summary")
    starts = [df.PartStarted(0, at, group, made_part) for at in range(2)]
    ends = [df.PartFinished(0, at, group, made_part) for at in range(2)]
    other = df.PartStarted(0, 0, "summary" if group == "content" else "content", made_part)
    told = Spoken(target, df.ItemStarted(0, made.reasoning((), ())), starts[0], other)
    with pytest.raises(UsageError, match=r"^PartStarted cannot come while part 0 of item 0 is open$"):
        told.say(starts[0])
    told = Spoken(target, df.ItemStarted(0, made.reasoning((), ())), *starts, ends[1])
    with pytest.raises(UsageError, match=r"^PartFinished cannot come while part 1 of item 0 is done$"):
        told.say(ends[1])
    with pytest.raises(UsageError, match=r"^PartStarted cannot come while part 1 of item 0 is done$"):
        Spoken(target, df.ItemStarted(0, made.reasoning((), ())), *starts, ends[1], starts[1])
    Spoken(target, df.ItemStarted(0, made.reasoning((), ())), *starts, ends[1], ends[0])


@every_target
@pytest.mark.parametrize("size", [1, 64, 1023, 1024, 1025, 1026, 5000])
def test_how_long_the_names_of_a_response_may_be(target: str, size: int) -> None:
    """They stand in every frame: of 1024 characters they may be, a longer id is a digest, a model is cut."""
    encoder = StreamEncoder(target, response_id="r" * size, model="m" * size)
    payloads = [
        p for event in (df.ResponseStarted("x", "y", {}, None), *spoken(0)) for p in encoder.payloads(event)
    ]
    told = json.dumps(payloads)
    ident, model = "r" * size, "m" * min(size, 1024)
    assert f'"{model}"' in told
    assert (f'"{ident}"' in told) == (size <= 1024)
    assert "r" * 1025 not in told


@pytest.mark.parametrize("source", ["responses", "chat", None])
@pytest.mark.parametrize("size", [63, 64, 65, 1023, 1024, 1025])
def test_how_long_the_id_of_an_item_may_be(source: str | None, size: int) -> None:
    """It stands in each of its frames: the wire's own may be of 1024 characters, another of 64."""
    ident = "i" * size
    told = Spoken("responses", *events_of_item(0, made.message((), whole=True, ident=ident)), source=source)
    (written,) = [p["item"]["id"] for p in told.payloads if p["type"] == "response.output_item.added"]
    assert written == (ident if size <= (1024 if source == "responses" else 64) else "msg_0")


@pytest.mark.parametrize("target", ["responses", "anthropic"])
@pytest.mark.parametrize("source", DIALECTS)
def test_what_comes_before_its_response(target: str, source: str) -> None:
    """It is written behind the beginning on its own wire, in its order; on another it has no place."""
    encoder = StreamEncoder(target)
    for at in range(2):
        odd = df.UnknownEvent("odd", {"type": "odd", "at": at})
        assert encoder.payloads(odd) == []
    sent = encoder.payloads(df.ResponseStarted("r", "m", {}, source))
    told = [payload["at"] for payload in sent if payload["type"] == "odd"]
    assert told == ([0, 1] if source == target else [])
    assert sent[0]["type"] != "odd"
    odd = df.UnknownEvent("odd", {"type": "odd", "at": 2})
    assert [payload["at"] for payload in encoder.payloads(odd)] == ([2] if source == target else [])
    assert encoder.losses == ()


@pytest.mark.parametrize("source", [None, "chat", "responses"])
@pytest.mark.parametrize(
    ("part", "group", "announced"),
    [
        (
            made.text_part("a"),
            "content",
            {"type": "output_text", "text": "", "annotations": [], "logprobs": []},
        ),
        (made.refusal_part("a"), "content", {"type": "refusal", "refusal": ""}),
        (made.thought_part("a"), "content", {"type": "reasoning_text", "text": ""}),
        (made.thought_part("a", summary=True), "summary", {"type": "summary_text", "text": ""}),
    ],
)
def test_parts_as_they_are_announced(part: Any, group: Any, announced: JSON, source: str | None) -> None:
    """Without what streams in them, and of the type that they are of."""
    thought = announced["type"] in ("reasoning_text", "summary_text")
    item = made.reasoning((), ()) if thought else made.message((), whole=False)
    told = Spoken("responses", df.ItemStarted(0, item), df.PartStarted(0, 0, group, part), source=source)
    assert told.payloads[-1]["part"] == announced


def test_what_every_response_has_is_the_servers_where_it_told_it() -> None:
    """From its beginning to its end; where it told nothing there is what a request has by itself."""
    sent = {"parallel_tool_calls": False, "tool_choice": "none", "tools": [{"type": "odd"}]}
    for data, expected in (
        (sent, sent),
        (dict.fromkeys(sent), {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}),
    ):
        told = Spoken("responses", *spoken(0), source="responses", data=data)
        told.end(data=data)
        for payload in (told.payloads[0], told.payloads[-1]):
            assert payload["response"].items() >= expected.items()


@every_target
def test_an_id_and_a_model_that_come_late(target: str) -> None:
    """The first that are text are those of the response, where nothing of it was written by then."""
    encoder = StreamEncoder(target)
    events: list[Event] = [df.ResponseStarted(None, None, {}, "other")]
    for known in ({"id": 5, "model": 5}, {"id": "late", "model": "big"}, {"id": "not_it", "model": "not_it"}):
        events.append(df.StatusChanged(None, known))
    body = b"".join(map(encoder.encode, [*events, *spoken(0)])).decode()
    assert '"late"' in body
    assert '"big"' in body
    more = [df.StatusChanged(None, {"id": "not_it", "model": "not_it"}), *spoken(1)]
    assert "not_it" not in body + b"".join(map(encoder.encode, more)).decode()


@pytest.mark.parametrize("whole_call", [True, False])
def test_a_custom_call_in_the_response_that_ends(whole_call: bool) -> None:
    """One that is not whole says so, though its input has no form that would tell; one that is does not."""
    item = made.custom_call("f", "c", "ls", whole=whole_call)
    told = Spoken("responses", *events_of_item(0, item), source="responses")
    told.end(output=(item,), strict=False)
    (sent,) = told.payloads[-1]["response"]["output"]
    assert (sent["status"] == "completed") is whole_call
    assert sent["input"] == "ls"


@pytest.mark.parametrize(
    "kind",
    [
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop", "message", "error"),
    ],
)
def test_events_of_a_message_come_from_the_encoder_alone(kind: str) -> None:
    """One that came as nobody knows it would be another beginning, or end, of the message that is written."""
    told = Spoken("anthropic", df.UnknownEvent(kind, {"type": kind, "index": 0}), source="anthropic")
    assert told.losses == [LossCode.EVENT_UNWRITABLE]
    assert kind not in [payload["type"] for payload in told.payloads[1:]]
    others = Spoken("anthropic", df.UnknownEvent(f"{kind}_2", {"type": f"{kind}_2"}), source="anthropic")
    assert (others.losses, others.payloads[-1]) == ([], {"type": f"{kind}_2"})


def test_a_block_that_waits_whole_is_closed_before_an_error() -> None:
    """What waits behind a call is written, each block with its end, when the response fails."""
    sealed = made.reasoning((), (), encrypted="secret")
    for thoughts in (1, 2):
        told = Spoken("anthropic", call(0), df.ArgumentsDelta(0, '{"a":'), source="anthropic")
        for index in range(1, 1 + thoughts):
            told.say(*events_of_item(index, sealed))
        assert "secret" not in told.text
        told.end(Outcome.FAILED, None, strict=False)
        kinds = [payload["type"] for payload in told.payloads]
        block = ["content_block_start", "content_block_stop"]
        assert kinds[-1 - 2 * thoughts :] == [*block * thoughts, "error"]
        data = [p["content_block"].get("data") for p in told.payloads if p["type"] == block[0]]
        assert data == [None, *["secret"] * thoughts]


@pytest.mark.parametrize(("choice", "written"), [(0, True), (128, True), (129, False)])
def test_how_many_choices_begin_at_once(choice: int, written: bool) -> None:
    """One event begins no more than 128 before its own, be it an item or what is said of a choice."""
    told = Spoken("chat", *spoken(0, "Hi", choice=choice), source="chat")
    assert (told.losses == []) is written
    assert [loss.message for loss in told.encoder.losses] == (
        [] if written else ["choice 129 begins before all others"]
    )
    assert ("Hi" in told.text) is written
    told = Spoken("chat", df.ChoiceUpdated(choice, None, {"note": "x"}), source="chat")
    assert told.losses == ([] if written else [LossCode.CHOICE_DATA])
    assert ('"note": "x"' in told.text) is written
    begun = {one["index"] for payload in told.payloads for one in payload["choices"]}
    assert begun == (set(range(choice + 1)) if written else set())


@pytest.mark.parametrize(
    ("data", "delta", "beside"),
    [
        ({"index": 0, "finish_reason": "stop", "delta": {"a": 1}}, None, None),
        ({"message": {"note": 1}}, {"note": 1}, {}),
        ({"note": 1}, {}, {"note": 1}),
        ({"note": 1, "message": {"x": 2}, "index": 0}, {"x": 2}, {"note": 1}),
        ({"note": 1, "message": 5}, {}, {"note": 1}),
        (
            {"message": {"thinking_blocks": [{"type": "thinking"}]}},
            {"reasoning": "", "thinking_blocks": [{"type": "thinking"}]},
            {},
        ),
        ({"error": {"code": 1}}, None, None),
        ({"error_message": "x", "note": 1}, {}, {"note": 1}),
        ({"error_code": 1}, None, None),
    ],
)
def test_what_is_said_of_a_choice_of_chat(data: JSON, delta: JSON | None, beside: JSON | None) -> None:
    """Members of its message go into a delta, others beside it; errors come with the end alone."""
    told = Spoken("chat", df.ChoiceUpdated(0, None, data), source="chat")
    sent = [one for payload in told.payloads for one in payload["choices"]]
    expected = (
        [] if delta is None else [{"index": 0, "delta": delta, **(beside or {}), "finish_reason": None}]
    )
    assert sent[1:] == expected
    assert told.losses == []


def test_texts_that_a_piece_cuts_anywhere_are_scanned_alike() -> None:
    """Where an object ends does not depend on how its text comes."""
    texts = [
        '{"a":"\\\\","b":"\\"}","c":[{"d":{}}]} rest',
        '{"\\u007d":"\\\\\\"{"}tail',
        ' \n{"a":["}"],"b":"\\\\"}',
        '{"a":[1,2],"b":{"c":"\\n"}}{}',
        '[{"a":1}]',
        '"{}"',
        "   ",
        '{"a":"x',
        '{"a":["x"]',
        "{}",
    ]
    for text in texts:
        one = ObjectScan()
        rest = one.feed(text)
        state = [getattr(one, name) for name in ObjectScan.SNAPSHOT_FIELDS]
        assert one.whole is (text.lstrip()[:1] == "{" and text not in ('{"a":"x', '{"a":["x"]'))
        assert one.other is (text.strip()[:1] not in ("", "{"))
        if one.whole:
            json.loads(text[: len(text) - len(rest)])
        for first in range(len(text) + 1):
            for second in range(first, len(text) + 1):
                scan, behind = ObjectScan(), ""
                for piece in (text[:first], text[first:second], text[second:]):
                    behind += scan.feed(piece)
                assert (behind, [getattr(scan, name) for name in ObjectScan.SNAPSHOT_FIELDS]) == (rest, state)


def test_a_choice_that_only_ends_is_written() -> None:
    """Its finish reason is all that its server says of it; one that nobody spoke of is not made up."""

    def written(*ends: tuple[int, str]) -> list[tuple[int, str | None]]:
        payloads = [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]
        payloads += [{"index": index, "delta": {}, "finish_reason": reason} for index, reason in ends]
        parser = df.ResponseParser("chat")
        for payload in payloads:
            parser.feed_payload({"object": "chat.completion.chunk", "choices": [payload]})
        parser.feed_payload("[DONE]")
        encoder = StreamEncoder("chat")
        body = b"".join(encoder.encode(event) for event in parser.events())
        return [(known.index, known.finish_reason) for known in df.parse(body, "chat").choices]

    assert written((0, "stop")) == [(0, "stop")]
    assert written((0, "stop"), (1, "length")) == [(0, "stop"), (1, "length")]
    assert written((2, "stop"), (1, "length"), (0, "stop")) == [(0, "stop"), (1, "length"), (2, "stop")]
    assert written((0, "stop"), (2, "stop")) == [(0, "stop")]


def test_members_of_the_response_are_written_once() -> None:
    """What is known of it when it begins comes before all choices, and not with each of them."""
    told = Spoken("chat", *spoken(0), *spoken(1, choice=2), source="chat", data={"system_fingerprint": "fp"})
    told.end()
    assert [payload for payload in told.payloads if "system_fingerprint" in payload] == told.payloads[:1]
    assert told.payloads[0]["choices"] == []
    heads = {(payload["id"], payload["created"], payload["model"]) for payload in told.payloads}
    assert len(heads) == 1


def test_blanks_before_the_arguments_are_written_with_them() -> None:
    """Nobody knows before whether an object follows; and what is empty is no delta of a block."""
    pieces = [df.ArgumentsDelta(0, text) for text in (" ", "\n", '{"a":', "1}")]
    told = Spoken("anthropic", call(0), *pieces, called(0, ' \n{"a":1}'), source="chat")
    deltas = [payload["delta"] for payload in told.payloads if payload["type"] == "content_block_delta"]
    assert [delta["partial_json"] for delta in deltas] == [' \n{"a":', "1}"]
    empty = Spoken("anthropic", *spoken(0, ""), source="anthropic")
    kinds = [payload["type"] for payload in empty.payloads]
    assert kinds == ["message_start", "content_block_start", "content_block_stop"]


@pytest.mark.parametrize("name", ["index", "function", "custom"])
def test_members_inside_of_a_function_that_its_call_has_as_well(name: str) -> None:
    """They have no place: an object has no key twice. That is told, and the call is as it was."""
    function = {"name": "w", "arguments": "{}", name: {"a": 1}}
    call = {"index": 0, "id": "call_1", "type": "function", "function": function}
    choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
    sent = {"id": "c", "object": "chat.completion.chunk", "choices": [choice]}
    body = f"data: {json.dumps(sent)}\n\ndata: [DONE]\n\n".encode()
    run = play(body, "chat")
    encoder = df.StreamEncoder("chat")
    written = b"".join(encoder.encode(event) for event in run.events)
    assert [loss.code for loss in encoder.losses] == [LossCode.EVENT_UNWRITABLE]
    again = play(written, "chat", strict=True)
    assert again.fault is None
    assert [(c.name, c.arguments) for c in again.response.tool_calls] == [("w", "{}")]
    document = run.response.to_chat_completion()["choices"][0]["message"]["tool_calls"][0]
    assert document["function"] == {"name": "w", "arguments": "{}"}


@every_target
@pytest.mark.parametrize("group", ["content", "summary"])
@pytest.mark.parametrize("kind", ["message", "reasoning", "function_call", "custom_tool_call", "hologram"])
def test_parts_of_all_kinds_in_items_of_all_kinds(kind: str, group: str, target: str) -> None:
    """Whatever parts a server puts into an item: no reader takes them for another item."""
    parts: list[JSON] = [reasoning_text("a"), summary_text("b"), {"type": "odd", "text": "c"}]
    parts += [output_text("d"), refusal("e")]
    known: JSON = {"id": "i", "type": kind}
    known |= {
        "message": {"role": "assistant", "status": "in_progress", "content": []},
        "reasoning": {"summary": []},
        "function_call": {"call_id": "c", "name": "f", "arguments": "{}"},
        "custom_tool_call": {"call_id": "c", "name": "f", "input": "x"},
    }.get(kind, {})
    whole = {**known, "status": "completed", group: parts}
    payloads, _ = written_again(
        "responses", created(), added(0, known), done(0, whole), completed(), target=target
    )
    if target == "responses":
        (sent,) = run(*payloads).output()
        told = [part for part in sent[group] if part["type"] == "odd"]
        assert told == [parts[2]] or kind == "message"


def test_text_in_what_is_called_reasoning() -> None:
    """In a message it is text: clients would take the part for another item."""
    told = Spoken("responses", df.ItemStarted(0, made.message((), whole=False)), source="responses")
    odd = attrs.evolve(made.text_part(), data={"type": "reasoning_text"})
    told.say(df.PartStarted(0, 0, "content", odd), df.TextDelta(0, 0, "Hi"))
    whole = attrs.evolve(made.text_part("Hi"), data={"type": "reasoning_text", "text": "Hi"})
    final = made.message((whole,), whole=True)
    told.say(df.PartFinished(0, 0, "content", whole), df.ItemFinished(0, final))
    assert told.end(output=(final,)).output_text == "Hi"
    assert "reasoning" not in told.text


@every_target
def test_parts_that_no_item_of_their_kind_has(target: str) -> None:
    """It has no place there, and neither has any part in a call. That is told."""
    for begin in (began(0), [call(0)]):
        summary = df.PartStarted(0, 0, "summary", made.thought_part(summary=True))
        told = Spoken(target, *begin, summary, df.ReasoningDelta(0, 0, "Hm", "summary"))
        assert told.losses == [LossCode.PART_UNSUPPORTED]
        told.end()
        assert "Hm" not in told.text
    for part, delta in (
        (made.refusal_part(), df.RefusalDelta(0, 0, "No")),
        (made.text_part(), df.TextDelta(0, 0, "No")),
    ):
        told = Spoken(target, call(0), df.PartStarted(0, 0, "content", part), delta)
        assert told.losses == [LossCode.PART_UNSUPPORTED]
        assert "No" not in told.text


@pytest.mark.parametrize("of_message", [True, False])
def test_parts_out_of_their_order_in_a_response_that_is_cut(of_message: bool) -> None:
    """The end tells them in the places that they were given, and the item as incomplete."""
    item = message(content=[]) if of_message else {"id": "rs", "type": "reasoning", "status": "in_progress"}
    kind, part = ("output_text", output_text) if of_message else ("reasoning_text", reasoning_text)
    payloads, _ = written_again(
        "responses",
        created(),
        added(0, {**item, "status": "in_progress"}),
        *(part_added(0, part(""), 1), value(f"{kind}.delta", 0, delta="b", content_index=1)),
        *(part_added(0, part(""), 0), value(f"{kind}.delta", 0, delta="a", content_index=0)),
    )
    (sent,) = payloads[-1]["response"]["output"]
    assert [part["text"] for part in sent["content"]] == ["b", "a"]
    assert sent["status"] == "incomplete"


@pytest.mark.parametrize(
    "name",
    [
        *("object", "status", "error", "incomplete_details", "usage", "id", "model", "members", "created_at"),
        *("output", "audio", "background"),
    ],
)
def test_members_of_a_response_that_chunks_of_gemini_have_none_of(name: str) -> None:
    """They are of the form that all responses have here; what a server sends beside them goes out."""
    told = Spoken("gemini", *spoken(0), source="gemini", data={name: "x", "promptFeedback": {}})
    assert not any(name in payload for payload in told.payloads)
    assert sum("promptFeedback" in payload for payload in told.payloads) == 1


def test_a_call_that_was_left_out_beside_one_of_its_id() -> None:
    """The end tells the one that was written, as it was written."""
    left_out = {"id": "fc_1", "type": "function_call", "arguments": '{"a":1}'}
    called = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "status": "completed"}
    payloads, losses = written_again(
        "responses",
        created(),
        added(0, {**left_out, "arguments": ""}),
        added(1, {**called, "arguments": "", "status": "in_progress"}),
        done(1, {**called, "arguments": "{}"}),
        done(0, left_out),
        completed(left_out, {**called, "arguments": "{}"}),
    )
    assert losses == [LossCode.CALL_NAME_MISSING]
    (sent,) = run(*payloads).output()
    assert (sent["name"], sent["arguments"]) == ("f", "{}")


@every_target
def test_what_would_be_read_as_something_else_is_not_passed_on(target: str) -> None:
    """A payload that only its own wire knows, with members of another wire or around a payload of any."""
    chunk = {"object": "chat.completion.chunk", "choices": []}
    message = {"type": "message_start", "message": {}}
    odd = {"type": "hologram", "n": 1}
    foreign = message if target == "chat" else {**odd, "object": "chat.completion.chunk"}
    around = {**odd, "code": 0, "data": chunk}
    for sent, passed_on in ((odd, True), (foreign, False), (around, False)):
        told = Spoken(target, df.UnknownEvent("hologram", sent), source=target)
        assert told.losses == ([] if passed_on else [LossCode.EVENT_UNWRITABLE])
        assert any(sent.items() <= payload.items() for payload in told.payloads) is passed_on


@pytest.mark.parametrize("member", ["error", "x_error", "base_resp"])
@pytest.mark.parametrize("target", ["chat", "anthropic", "gemini"])
def test_an_error_among_members_is_told_once(target: str, member: str) -> None:
    """Readers would take it for the error of the response, and that at the end for one behind it."""
    sent = {"code": 5, "message": "No"}
    error = {member: {"status_code": 5} if member == "base_resp" else sent, "k": 1}
    data = {} if target == "chat" else {"members" if target == "gemini" else "message": error}
    told = Spoken(target, *spoken(0), source=target, data=data)
    if target == "chat":
        told.say(df.ChoiceUpdated(0, None, {"message": error}), df.ChoiceUpdated(0, None, error))
    elif target == "gemini":
        told.say(df.ChoiceUpdated(0, None, {**error, "j": 2}))
        assert sum(payload.get("candidates", [{}])[0].get("j") == 2 for payload in told.payloads) == 1
    assert told.losses == [LossCode.EVENT_UNWRITABLE]
    assert member not in told.text
    assert '"k": 1' in told.text
    told.say(df.ErrorReported(df.ResponseError(df.ErrorKind.UNKNOWN, "No", 5)))
    response = told.end(Outcome.FAILED, None)
    assert response.outcome is Outcome.FAILED


@pytest.mark.parametrize("fails", [False, True])
def test_arguments_that_came_twice(fails: bool) -> None:
    """No call on Chat Completions looks whole that was not: that is lost where the response is good."""
    twice = '{"a":1}{"a":1}'
    told = Spoken("chat", call(0), *[df.ArgumentsDelta(0, text) for text in (twice[:7], twice[7:])])
    told.say(called(0, twice, whole=False))
    outcome = Outcome.FAILED if fails else Outcome.COMPLETED
    response = told.end(outcome, None if fails else "tool_calls", strict=False)
    assert response.tool_calls == ()
    assert (response.outcome is Outcome.FAILED) is fails
    assert (LossCode.CALL_NOT_WHOLE in told.losses) is not fails


def test_a_call_that_got_another_id_before_the_response_broke_off() -> None:
    """The end tells it as it was written, and that is a loss."""
    called = {"id": "fc_1", "type": "function_call", "name": "f", "arguments": "", "status": "in_progress"}
    begun = [added(0, {**called, "call_id": ident}) for ident in ("a", "b")]
    _, losses = written_again("responses", created(), *begun)
    assert losses == [LossCode.VALUE_REPLACED]


def test_half_a_pair_in_arguments_that_become_an_object() -> None:
    """In the text of arguments it may stand; on Gemini it becomes U+FFFD, which is told. A pair stays one."""
    for text, args, losses in (
        ('{"a":"\\ud83c"}', {"a": "\ufffd"}, [LossCode.VALUE_CHANGED]),
        ('{"a":"\\ud83c\\udf0a"}', {"a": "\U0001f30a"}, []),
    ):
        told = Spoken("gemini", call(0), df.ArgumentsDelta(0, text), called(0, text))
        assert told.losses == losses
        (sent,) = told.end(reason="tool_calls").tool_calls
        assert json.loads(sent.arguments) == args


def test_items_of_one_id_that_began_out_of_their_order() -> None:
    """The end tells each as it was written."""
    first, second = ({**message(content=[]), "id": "m", "status": "in_progress"} for _ in range(2))
    written_again(
        "responses",
        created(),
        *(added(1, first), part_added(1, output_text(""), 0), value("output_text.delta", 1, delta="b")),
        *(added(0, second), part_added(0, output_text(""), 0), value("output_text.delta", 0, delta="a")),
    )
