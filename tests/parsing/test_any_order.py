"""The parser, driven in any order its methods can be called in, beside a simple model of what it must do.

The model knows the bytes that were fed, and what comes of the same bytes in one call. Of a sound stream it
also reads the payloads themselves, in a few lines that share nothing with the library.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from deltafold import (
    Anomaly,
    ArgumentsReader,
    CustomToolCall,
    Event,
    FunctionCall,
    ItemStarted,
    Limits,
    Outcome,
    ResponseFinished,
    ResponseParser,
    ResponseState,
    UsageError,
    WireError,
)
from deltafold.machine.fold import Fold
from deltafold.testing import Stream
from deltafold.testing.strategies import Body, damaged_bodies, gluings, streams
from runs import THOROUGH, Ledger, Run, calls_of, check_laws, drain, resumed, whole

Key = tuple[str, int, int | None]
"""What a value is, and where it stands: its kind, `output_index`, and the index of its part."""

# ------------------------------------------------------------------------------------------- the model

RESPONSES_VALUES = {
    "response.output_text.delta": ("text", "content_index"),
    "response.refusal.delta": ("refusal", "content_index"),
    "response.reasoning_text.delta": ("reasoning", "content_index"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index"),
    "response.function_call_arguments.delta": ("arguments", ""),
    "response.custom_tool_call_input.delta": ("arguments", ""),
    "response.mcp_call_arguments.delta": ("arguments", ""),
    "response.code_interpreter_call_code.delta": ("code", ""),
    "response.shell_call_command.delta": ("command", "command_index"),
}


ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


def whole_characters(raw: str) -> str:
    """A text without the half of a surrogate pair that it may end with."""
    return raw.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def responses_values(payloads: list[Any]) -> dict[Key, str]:
    """The values that some payloads of the Responses API stream."""
    values: dict[Key, str] = {}
    for payload in payloads:
        if payload["type"] in RESPONSES_VALUES:
            kind, index = RESPONSES_VALUES[payload["type"]]
            key = kind, payload["output_index"], payload.get(index)
            values[key] = values.get(key, "") + payload["delta"]
    return values


def chat_values(payloads: list[Any]) -> dict[Key, str]:
    """The values that some chunks of Chat Completions stream; items and parts are numbered as they appear."""
    values: dict[Key, str] = {}
    items: dict[Any, int] = {}
    parts: dict[Any, int] = {}

    def add(kind: str, item: Any, text: str, *, in_part: bool) -> None:
        index = items.setdefault(item, len(items))
        others = sum(one == item for one, _ in parts)
        at = parts.setdefault((item, kind), others) if in_part else None
        values[kind, index, at] = values.get((kind, index, at), "") + text

    for payload in payloads:
        for choice in payload.get("choices", ()):
            number, delta = choice["index"], choice["delta"]
            for field, kind, item in (
                ("reasoning_content", "reasoning", "reasoning"),
                ("content", "text", "message"),
                ("refusal", "refusal", "message"),
            ):
                if delta.get(field):
                    add(kind, (number, item), delta[field], in_part=True)
            if delta.get("annotations"):
                add("text", (number, "message"), "", in_part=True)
            for call in delta.get("tool_calls", ()):
                told = call.get("function") or call.get("custom")
                text = told.get("arguments") or told.get("input") or ""
                add("arguments", (number, call["index"]), text, in_part=False)
    return values


ANTHROPIC_VALUES = {
    "text_delta": ("text", "text", 0),
    "thinking_delta": ("reasoning", "thinking", 0),
    "input_json_delta": ("arguments", "partial_json", None),
}


def anthropic_values(payloads: list[Any]) -> dict[Key, str]:
    """The values that some payloads of Anthropic stream, one block after another."""
    values: dict[Key, str] = {}
    for payload in payloads:
        delta = payload.get("delta")
        if payload["type"] == "content_block_delta" and delta["type"] in ANTHROPIC_VALUES:
            kind, member, at = ANTHROPIC_VALUES[delta["type"]]
            key = kind, payload["index"], at
            values[key] = values.get(key, "") + delta[member]
    return values


VALUES = {"responses": responses_values, "chat": chat_values, "anthropic": anthropic_values}
"""What streams say, by the dialects of which there is a model."""


def decides(payload: Any) -> bool:
    """Whether an event tells how the response ends."""
    if payload.get("type") == "message_delta":
        return True
    if "choices" in payload:
        return any(choice["finish_reason"] for choice in payload["choices"])
    return "error" in payload or payload["type"] in ENDS


class Sound:
    """What a sound stream tells, payload by payload."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.ends = list(accumulate(map(len, stream.frames())))
        decisive = (number for number, payload in enumerate(stream.payloads) if decides(payload))
        self.decided_after = self.ends[max(decisive) - 1]
        """How many bytes there are before the event that tells the outcome."""
        self.numbered = "sequence_number" in stream.payloads[0]
        parser = ResponseParser(stream.dialect)
        self.event_counts: list[int] = []
        """How many events the payloads up to each one give."""
        for payload in stream.payloads:
            assert isinstance(payload, dict)
            parser.feed_payload(payload)
            before = self.event_counts[-1] if self.event_counts else 0
            self.event_counts.append(before + len(list(parser.events())))

    def payloads_in(self, fed: int) -> range:
        """How many payloads so many bytes hold. Where a line ends with CR LF, the CR alone may do."""
        sure = sum(end <= fed for end in self.ends)
        maybe = sum(end - len(self.stream.newline) < fed for end in self.ends)
        return range(min(sure, self.most), min(maybe, self.most) + 1)

    @property
    def most(self) -> int:
        """How many payloads there are."""
        return len(self.stream.payloads)

    def values(self, count: int) -> dict[Key, str]:
        """The values that the first payloads stream, without those that are empty."""
        raw = VALUES[self.stream.dialect](list(self.stream.payloads[:count]))
        return {key: text for key, value in raw.items() if (text := whole_characters(value))}

    def tells(self, count: int, values: dict[Key, str]) -> bool:
        """Whether the first payloads stream these values."""
        told = self.values(count)
        # Some chat servers send `{}` before the arguments, so that the parser may keep it back.
        chat = self.stream.dialect == "chat"
        return told == values | {
            key: text for key, text in told.items() if chat and text == "{}" and key not in values
        }


# ------------------------------------------------------------------------------------------- the machine


WHOLE = st.sampled_from([*VALUES]).flatmap(
    lambda dialect: streams(dialect, min_items=2, max_items=5, max_cuts=8)
)
GLUED = WHOLE.flatmap(gluings).map(lambda stream: Body(stream.dialect, stream.body))
SOURCES = st.sampled_from([WHOLE, WHOLE, GLUED, damaged_bodies()]).flatmap(lambda source: source)
SIZES = st.sampled_from([2000, 500, 100, 10, 1, 0])
MOST = st.sampled_from([0, 1, 3, 100])
"""How many events a caller asks for, where there are as many.

Most rules ask for some, because Hypothesis leaves a few rules out of each run.
"""


class Machine(RuleBasedStateMachine):
    """One parser, its caller, and the model."""

    @initialize(
        source=SOURCES, strict=st.booleans(), size=SIZES, curious=st.booleans(), patient=st.booleans()
    )
    def begin(self, source: Stream | Body, strict: bool, size: int, curious: bool, patient: bool) -> None:
        """A stream is on its way, or what was to be one; the first of its bytes are there.

        A curious caller looks at everything after each event; one who is patient stays to the end.
        """
        self.sound = Sound(source) if isinstance(source, Stream) else None
        self.body = source.body if isinstance(source, Stream) else source.data
        self.options: dict[str, Any] = {"dialect": source.dialect, "strict": strict}
        self.parser = ResponseParser(**self.options)
        self.full = self.at_once(len(self.body), None).events
        """What the whole body gives in one call, before its end is told."""
        self.fed = 0
        self.stopped: str | None = None
        self.handed: list[Event] = []
        self.ledger = Ledger()
        self.fold = Fold(Limits())
        self.fault: WireError | None = None
        self.looked = False
        """Whether the caller looked ahead: then the parser may know of a fault that it has not raised."""
        self.anomalies: tuple[Anomaly, ...] = ()
        self.curious, self.patient = curious, patient
        self.feed(size, 0)

    def at_once(self, fed: int, stopped: str | None) -> Run:
        """What comes of the first bytes in one call."""
        parser = ResponseParser(**self.options)
        parser.feed(self.body[:fed])
        if stopped:
            getattr(parser, stopped)()
        events: list[Event] = []
        return Run(events, parser, drain(parser, events))

    def take(self) -> Event | None:
        """Asks for one event, and checks it against the prefix that it belongs to. None also for a fault."""
        needs_input = self.parser.needs_input
        try:
            event = self.parser.next_event()
        except WireError as fault:
            self.failed(fault)
            event = None
        if self.fault is not None:
            assert event is None, "an event after a fault"
            assert not needs_input
            return None
        assert (event is None) or not needs_input
        if event is None:
            assert needs_input or self.stopped or self.parser.state is ResponseState.FINISHED
        else:
            self.note(event)
        return event

    def note(self, event: Event) -> None:
        """An event was handed out: the next one of those that the whole body gives."""
        if not self.stopped:
            assert event == self.full[len(self.handed)]
        self.handed.append(event)
        self.ledger.add(event)
        if not isinstance(event, ResponseFinished):
            self.fold.apply(event)
        if self.curious:
            self.look()
            self.ask_for_arguments()
            if self.sound is not None and not self.stopped:
                self.check_the_cursor(self.sound)

    def failed(self, fault: WireError) -> None:
        """An exception surfaced: the same object each time."""
        assert self.fault is None or self.fault is fault
        self.fault = fault

    # ----------------------------------------------------------------------------------------- input

    @rule(size=SIZES, most=MOST)
    def feed(self, size: int, most: int) -> None:
        """Some bytes come, none at times, and some of their events are asked for."""
        chunk = self.body[self.fed : self.fed + size]
        if self.stopped is None and self.fault is None:
            try:
                self.parser.feed(chunk)
            except UsageError:
                assert self.looked
                self.take_all()
                assert self.fault is not None
            else:
                self.fed += len(chunk)
        else:
            with pytest.raises(UsageError):
                self.parser.feed(chunk)
        self.take_some(most)

    @rule(most=MOST)
    def feed_the_rest(self, most: int) -> None:
        """All that is left comes at once."""
        self.feed(len(self.body) - self.fed, most)

    @rule(how=st.sampled_from(["close", "cancel"]), sure=st.integers(0, 2))
    def stop(self, how: str, sure: int = 2) -> None:
        """The transport ends or the caller gives up, now and then; only the first of them counts."""
        if sure < 2:
            return  # most runs are to go on; each ends with this anyway
        getattr(self.parser, how)()
        self.stopped = self.stopped or how

    # ---------------------------------------------------------------------------------------- output

    @rule(most=MOST)
    def take_some(self, most: int) -> None:
        """Some events are asked for."""
        self.looked = True
        for _ in range(most):
            if self.take() is None:
                break

    @rule()
    def abandon(self) -> None:
        """An iterator is given up after an event."""
        try:
            for event in self.parser.events():
                self.note(event)
                break
        except WireError as fault:
            self.failed(fault)

    @rule()
    def take_all(self) -> None:
        """All that can be had is asked for: it is what the same bytes give in one call."""
        self.looked = True
        while self.take() is not None:
            pass
        expected = self.at_once(self.fed, self.stopped)
        assert self.handed == expected.events
        assert (type(self.fault), str(self.fault)) == (type(expected.fault), str(expected.fault))
        if self.fault is None:
            assert self.parser.anomalies == expected.parser.anomalies
            assert self.parser.anomaly_count == expected.parser.anomaly_count
            assert self.parser.last_sequence_number == expected.parser.last_sequence_number
        if self.sound is not None:
            self.check_against_the_payloads(self.sound)

    def check_against_the_payloads(self, sound: Sound) -> None:
        """The values handed out are those that the payloads stream, neither more nor less."""
        assert self.fault is None or self.stopped, "a fault in a sound stream"
        values = {key: text for key, text in self.ledger.values.items() if text}
        counts = sound.payloads_in(self.fed)
        if self.stopped == "close" or self.fault is not None:
            # The end makes an unfinished event whole, or refuses it.
            counts = range(counts.start, min(counts.start + 1, sound.most) + 1)
        assert any(sound.tells(count, values) for count in counts)
        if sound.numbered:
            # Payloads are numbered from 0.
            assert self.parser.last_sequence_number in {count - 1 if count else None for count in counts}
        self.check_against_the_stream(sound)

    def check_against_the_stream(self, sound: Sound) -> None:
        """Where all of it came, the response is what the server meant. The outcome says whether it came."""
        response, stream = self.parser.response, sound.stream
        if self.fed == len(self.body):
            assert response.output_text == stream.text
            assert response.reasoning_text == stream.reasoning
            assert [call.call_id for call in calls_of(response)] == [call.call_id for call in stream.calls]
        given_up = {None: None, "close": Outcome.TRUNCATED, "cancel": Outcome.CANCELLED}[self.stopped]
        if self.fault is not None:
            assert response.outcome is None
        elif self.fed <= sound.decided_after:
            assert response.outcome is given_up
        elif self.fed == len(self.body) and self.stopped == "close":
            assert response.outcome is stream.outcome
        else:
            assert response.outcome in (given_up, stream.outcome)

    # -------------------------------------------------------------------------- looking, and moving house

    @rule(most=MOST)
    def suspend(self, most: int) -> None:
        """The parser moves to another process, unless it has met a fault, or will when it is asked again."""
        self.take_some(most)
        if self.fault is not None:
            with pytest.raises(UsageError):
                self.parser.snapshot()
            return
        before = whole(self.parser.response), self.parser.state, self.parser.last_sequence_number
        try:
            self.parser = resumed(self.parser)
        except UsageError:
            assert self.looked
            self.take_all()
            assert self.fault is not None
        else:
            after = whole(self.parser.response), self.parser.state, self.parser.last_sequence_number
            assert before == after

    @rule()
    def look(self) -> None:
        """Looking changes nothing, and the response is the fold of what was handed out."""
        assert self.parser.response is self.parser.response
        if not (self.handed and isinstance(self.handed[-1], ResponseFinished)):
            assert whole(self.parser.response) == whole(self.fold.response())
            assert self.parser.state is self.fold.state

    @rule(most=MOST)
    def look_ahead(self, most: int) -> None:
        """So does asking whether there is more."""
        self.take_some(most)
        self.looked = True
        assert self.parser.needs_input is self.parser.needs_input

    @rule()
    def ask_for_arguments(self) -> None:
        """Arguments so far are what a fresh reader makes of the deltas; other items have none."""
        for index in range(6):
            text = self.ledger.values.get(("arguments", index, None))
            value = self.parser.partial_arguments(index)
            if self.is_custom_call(index):
                assert (value or "") == (text or "")  # the input of a custom tool is text
            elif text is None:
                assert value is None
            elif value is not None or self.is_function_call(index):
                reader = ArgumentsReader()
                reader.feed(text)
                assert value == reader.value()

    def is_custom_call(self, index: int) -> bool:
        """Whether an item was announced as a call of a custom tool."""
        items = [e.item for e in self.handed if isinstance(e, ItemStarted) and e.output_index == index]
        return bool(items) and isinstance(items[0], CustomToolCall)

    def is_function_call(self, index: int) -> bool:
        """Whether an item was announced as a function call."""
        items = [e.item for e in self.handed if isinstance(e, ItemStarted) and e.output_index == index]
        return isinstance(items[0], FunctionCall)

    def check_the_cursor(self, sound: Sound) -> None:
        """All up to the last sequence number was handed out, and of what follows it nothing."""
        number, handed = self.parser.last_sequence_number, len(self.handed)
        if number is None:
            assert not sound.numbered or handed < max(sound.event_counts[0], 1)
        else:
            # The end of a failed response waits for its cause; a payload that is fed tells it
            # at once.
            waits = int(self.parser.state is ResponseState.FAILING)
            assert sound.event_counts[number] - waits <= handed
            assert all(count == handed or count > handed for count in sound.event_counts[number + 1 :])

    # ------------------------------------------------------------------------------------------ always

    @invariant()
    def anomalies_only_grow(self) -> None:
        """No anomaly is taken back."""
        if hasattr(self, "parser"):
            known, self.anomalies = self.anomalies, self.parser.anomalies
            assert self.anomalies[: len(known)] == known
            assert self.parser.anomaly_count >= len(self.anomalies)

    @invariant()
    def there_is_one_end(self) -> None:
        """The state says that it is over when the end has been handed out, and no sooner."""
        if hasattr(self, "parser"):
            ended = [isinstance(event, ResponseFinished) for event in self.handed]
            assert not any(ended[:-1])
            assert any(ended) is (self.parser.state is ResponseState.FINISHED)

    def teardown(self) -> None:
        """However it went, what is left of the stream may come, and it ends as it does in one call."""
        if not hasattr(self, "parser"):
            return
        while self.patient and self.stopped is None and self.fault is None and self.fed < len(self.body):
            self.feed(max(100, len(self.body) // 4), 100)
        self.stop("close")
        self.take_all()
        run = Run(self.handed, self.parser, self.fault)
        check_laws(run, strict=self.options["strict"])
        if self.fault is None:
            assert run.everything == self.at_once(self.fed, self.stopped).everything


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=5000 if THOROUGH else 100, stateful_step_count=50 if THOROUGH else 40
)
