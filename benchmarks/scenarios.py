"""The streams that are measured: the same bytes on every run, with all fields that the real servers send.

A scenario makes a stream of any size. `Told` is what the stream says, for what a client made of it to be
compared with: one that is fast and wrong is not fast.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, TypeAlias

import attrs

JSON: TypeAlias = dict[str, Any]
Chunking: TypeAlias = Callable[[bytes], list[bytes]]

LETTERS = string.ascii_letters + string.digits
PROSE = """
a about after again all also an and answer any are as at be because been before but by call can case
change could data did do each error even every field file find first for from get give good has have
here how if in into is it its just know last less like line list long look made make many may model
more most must name new next no not now number of on one only or other our out over part place point
question read result right same say see set should show so some still stream such table take test
text than that the their them then there these they this time to token two type under up use value
very was way we well were what when where which while who will with without word work would write
year you your
"""
WORDS = PROSE.split()
RARE = (".\n\n", ' "', "'s", ",", ":", "\n- ", " café", " naïve", " 東京", " —", " 🙂", "\\", "\t")
IDLE = b": keep-alive\n\n"


# ------------------------------------------------------------------------------------------------- streams


@attrs.frozen
class Told:
    """What a stream says."""

    text: str = ""
    reasoning: tuple[str, ...] = ()
    """The parts of the summary."""
    arguments: tuple[str, ...] = ()
    """Of each call, in the order in which the calls began."""


@attrs.frozen(eq=False, slots=False)
class Stream:
    """The body of one response, block by block."""

    dialect: str
    blocks: tuple[bytes, ...]
    told: Told

    @cached_property
    def body(self) -> bytes:
        """All bytes of it."""
        return b"".join(self.blocks)

    @cached_property
    def payloads(self) -> list[str]:
        """The JSON texts in it."""
        texts = [block.partition(b"data: ")[2].rstrip().decode() for block in self.blocks]
        return [text for text in texts if text.startswith("{")]


def dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def key(dice: random.Random, prefix: str, length: int = 50) -> str:
    """An id as the servers make them."""
    return prefix + "".join(dice.choices("0123456789abcdef", k=length))


def padding(dice: random.Random, delta: str) -> str:
    """What hides the length of a fragment: it fills up to a multiple of 16."""
    return "".join(dice.choices(LETTERS, k=16 - len(delta) % 16))


def tokens(dice: random.Random, count: int) -> list[str]:
    """So many fragments of prose, about four characters each; one in twenty is no plain word."""
    return [dice.choice(RARE) if dice.random() < 0.05 else " " + dice.choice(WORDS) for _ in range(count)]


def cut(dice: random.Random, text: str, least: int, most: int) -> Iterator[str]:
    """A text in pieces of so many characters."""
    at = 0
    while at < len(text):
        size = dice.randint(least, most)
        yield text[at : at + size]
        at += size


def tool_arguments(characters: int) -> str:
    """About so many characters of arguments of a tool that edits files: two fifths are one long string, the
    rest a list of small objects. The same on every run."""
    dice = random.Random(characters)

    def prose(size: int) -> str:
        text = ""
        while len(text) < size:
            text += dice.choice(WORDS) + dice.choice([" ", " ", " ", ", ", "\n    ", '"'])
        return text

    edits: list[JSON] = []
    size = 0
    while size < characters * 0.6:
        edits.append(
            {"path": prose(12), "line": dice.randrange(9999), "replace": dice.random() < 0.5}
            | {"old": prose(dice.randrange(60)), "score": round(dice.random(), 4), "tags": ["a", None]}
        )
        size += len(json.dumps(edits[-1])) + 2
    half = len(edits) // 2
    return json.dumps({"edits": edits[:half], "content": prose(int(characters * 0.4)), "more": edits[half:]})


def network(body: bytes) -> list[bytes]:
    """Chunks of 200 to 1500 bytes, as they come off a network."""
    dice, chunks, at = random.Random(len(body)), [], 0
    while at < len(body):
        size = dice.randint(200, 1500)
        chunks.append(body[at : at + size])
        at += size
    return chunks


def every(size: int) -> Chunking:
    """Chunks of just so many bytes."""
    return lambda body: [body[at : at + size] for at in range(0, len(body), size)]


# ------------------------------------------------------------------------------------------- Responses API


class Responses:
    """Writes a stream of the Responses API."""

    def __init__(self, seed: int, tools: int = 0) -> None:
        self.dice = random.Random(seed)
        self.blocks: list[bytes] = []
        self.output: list[JSON] = []
        self.number = 0
        self.id = key(self.dice, "resp_")
        self.tools = [tool(number) for number in range(tools)]
        self.event("response.created", response=self.response("in_progress", []))
        self.event("response.in_progress", response=self.response("in_progress", []))

    def event(self, kind: str, **fields: Any) -> None:
        """One event, in the wire's own order of keys."""
        payload = dumps({"type": kind, "sequence_number": self.number, **fields})
        self.blocks.append(f"event: {kind}\ndata: {payload}\n\n".encode())
        self.number += 1

    def response(self, status: str, output: list[JSON], usage: JSON | None = None) -> JSON:
        """The response object, all of it."""
        done = status == "completed"
        return {
            "id": self.id,
            "object": "response",
            "created_at": 1763640000,
            "status": status,
            "background": False,
            "billing": {"payer": "developer"},
            "completed_at": 1763640012 if done else None,
            "error": None,
            "frequency_penalty": 0.0,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": None,
            "max_tool_calls": None,
            "model": "gpt-5.1-2025-11-13",
            "output": output,
            "parallel_tool_calls": True,
            "presence_penalty": 0.0,
            "previous_response_id": None,
            "prompt_cache_key": None,
            "prompt_cache_retention": None,
            "reasoning": {"effort": "medium", "summary": "detailed"},
            "safety_identifier": None,
            "service_tier": "default" if done else "auto",
            "store": True,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": "auto",
            "tools": self.tools,
            "top_logprobs": 0,
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": usage,
            "user": None,
            "metadata": {},
        }

    def added(self, item: JSON) -> int:
        """An item begins. Its `output_index`."""
        self.output.append(item)
        self.event("response.output_item.added", output_index=len(self.output) - 1, item=item)
        return len(self.output) - 1

    def finished(self, index: int, item: JSON) -> None:
        """An item is whole."""
        self.output[index] = item
        self.event("response.output_item.done", output_index=index, item=item)

    def message(self, deltas: Iterable[str]) -> str:
        """A message of one text part. Its text."""
        deltas = list(deltas)
        text = "".join(deltas)
        item = {"id": key(self.dice, "msg_"), "type": "message", "status": "in_progress", "content": []}
        item["role"] = "assistant"
        index = self.added(item)
        place: JSON = {"item_id": item["id"], "output_index": index, "content_index": 0}
        part: JSON = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        self.event("response.content_part.added", **place, part=part)
        for delta in deltas:
            rest = {"logprobs": [], "obfuscation": padding(self.dice, delta)}
            self.event("response.output_text.delta", **place, delta=delta, **rest)
        part = part | {"text": text}
        self.event("response.output_text.done", **place, text=text, logprobs=[])
        self.event("response.content_part.done", **place, part=part)
        self.finished(index, item | {"status": "completed", "content": [part]})
        return text

    def reasoning(self, parts: list[list[str]]) -> tuple[str, ...]:
        """A reasoning item whose summary has these parts. Their texts."""
        item: JSON = {"id": key(self.dice, "rs_"), "type": "reasoning", "summary": []}
        index = self.added(item)
        whole = []
        for number, deltas in enumerate(parts):
            text = "".join(deltas)
            place = {"item_id": item["id"], "output_index": index, "summary_index": number}
            part = {"type": "summary_text", "text": ""}
            self.event("response.reasoning_summary_part.added", **place, part=part)
            for delta in deltas:
                rest = {"obfuscation": padding(self.dice, delta)}
                self.event("response.reasoning_summary_text.delta", **place, delta=delta, **rest)
            self.event("response.reasoning_summary_text.done", **place, text=text)
            whole.append(part | {"text": text})
            self.event("response.reasoning_summary_part.done", **place, part=whole[-1])
        self.finished(index, item | {"summary": whole})
        return tuple(part["text"] for part in whole)

    def calls(self, arguments: list[str]) -> tuple[str, ...]:
        """Calls that run side by side: their fragments take turns."""
        items, rows = [], []
        for number, text in enumerate(arguments):
            call_id = "call_" + "".join(self.dice.choices(LETTERS, k=24))
            item = {"id": key(self.dice, "fc_"), "type": "function_call", "status": "in_progress"}
            items.append(item | {"arguments": "", "call_id": call_id, "name": f"edit_file_{number}"})
            rows.append(list(cut(self.dice, text, 3, 7)))
        places = [{"item_id": item["id"], "output_index": self.added(item)} for item in items]
        for turn in range(max(map(len, rows))):
            for place, row in zip(places, rows, strict=True):
                if turn < len(row):
                    rest = {"delta": row[turn], "obfuscation": padding(self.dice, row[turn])}
                    self.event("response.function_call_arguments.delta", **place, **rest)
        for item, place, text in zip(items, places, arguments, strict=True):
            self.event("response.function_call_arguments.done", **place, arguments=text)
            self.finished(int(place["output_index"]), item | {"status": "completed", "arguments": text})
        return tuple(arguments)

    def stream(self, told: Told) -> Stream:
        """The end, and the whole of it."""
        usage = {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": self.number,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.number + 100,
        }
        self.event("response.completed", response=self.response("completed", self.output, usage))
        return Stream("responses", tuple(self.blocks), told)


def tool(number: int) -> JSON:
    """The definition of a tool, which the server sends back three times."""
    properties = {
        name: {"type": "string", "description": f"The {name} of the edit, as the file has it."}
        for name in ("path", "line", "replace", "old", "score", "tags")
    }
    return {
        "type": "function",
        "description": "Edits one file. Each edit names a line and says what is to stand there. " * 2,
        "name": f"edit_file_{number}",
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
        "strict": True,
    }


def text(deltas: int) -> Stream:
    writer = Responses(1)
    return writer.stream(Told(writer.message(tokens(writer.dice, deltas))))


def calls(characters: int) -> Stream:
    writer = Responses(2, tools=8)
    return writer.stream(Told(arguments=writer.calls([tool_arguments(characters + n) for n in range(8)])))


def reasoning(deltas: int) -> Stream:
    writer = Responses(3)
    parts = [tokens(writer.dice, 50) for _ in range(max(deltas * 2 // 3 // 50, 1))]
    summary = writer.reasoning(parts)
    return writer.stream(Told(writer.message(tokens(writer.dice, max(deltas // 3, 1))), summary))


def image(characters: int) -> Stream:
    """One event holds nearly all of it: the preview of an image. The image itself is small, so that the
    stream has no second large event."""
    writer = Responses(4)
    item: JSON = {"id": key(writer.dice, "ig_"), "type": "image_generation_call", "status": "in_progress"}
    place = {"item_id": item["id"], "output_index": writer.added(item)}
    writer.event("response.image_generation_call.in_progress", **place)
    writer.event("response.image_generation_call.generating", **place)
    # base64 of a PNG's magic bytes and of what is random after them.
    preview = "iVBORw0KGgoAAAANSUhEUgAA" + "".join(writer.dice.choices(LETTERS + "+/", k=characters // 4 * 4))
    form = {"size": "1024x1024", "quality": "medium", "background": "opaque", "output_format": "png"}
    number = {"partial_image_index": 0, "partial_image_b64": preview}
    writer.event("response.image_generation_call.partial_image", **place, **number, **form)
    result = {"status": "completed", "result": preview[:64], "revised_prompt": None}
    writer.finished(0, item | form | result)
    return writer.stream(Told(writer.message([" Here", " it", " is", "."])))


# ----------------------------------------------------------------------------------------- Chat Completions


class Chat:
    """Writes a stream of Chat Completions."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.id = "chatcmpl-" + "".join(self.dice.choices(LETTERS, k=29))
        self.blocks: list[bytes] = []

    def chunk(self, delta: JSON | None, finish: str | None = None, usage: JSON | None = None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        payload = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": 1763640000,
            "model": "gpt-5.1-2025-11-13",
            "service_tier": "default",
            "system_fingerprint": None,
            "choices": [] if delta is None else [choice],
            "usage": usage,
            "obfuscation": padding(self.dice, dumps(delta)),
        }
        self.blocks.append(f"data: {dumps(payload)}\n\n".encode())

    def stream(self, finish: str, told: Told) -> Stream:
        """The end, and the whole of it."""
        self.chunk({}, finish)
        count = len(self.blocks)
        prompt = {"cached_tokens": 0, "audio_tokens": 0}
        completion = {"reasoning_tokens": 0, "audio_tokens": 0}
        completion |= {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
        usage: JSON = {"prompt_tokens": 10, "completion_tokens": count, "total_tokens": count + 10}
        usage |= {"prompt_tokens_details": prompt, "completion_tokens_details": completion}
        self.chunk(None, usage=usage)
        self.blocks.append(b"data: [DONE]\n\n")
        return Stream("chat", tuple(self.blocks), told)


def chat_text(deltas: int) -> Stream:
    writer = Chat(5)
    writer.chunk({"role": "assistant", "content": "", "refusal": None})
    said = tokens(writer.dice, deltas)
    for delta in said:
        writer.chunk({"content": delta})
    return writer.stream("stop", Told("".join(said)))


def chat_calls(characters: int) -> Stream:
    """Eight calls, one after another, as this wire has them."""
    writer = Chat(6)
    writer.chunk({"role": "assistant", "content": None, "refusal": None})
    arguments = [tool_arguments(characters + number) for number in range(8)]
    for number, whole in enumerate(arguments):
        call: JSON = {"index": number, "id": "call_" + "".join(writer.dice.choices(LETTERS, k=24))}
        call |= {"type": "function", "function": {"name": f"edit_file_{number}", "arguments": ""}}
        writer.chunk({"tool_calls": [call]})
        for piece in cut(writer.dice, whole, 3, 7):
            writer.chunk({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
    return writer.stream("tool_calls", Told(arguments=tuple(arguments)))


# ---------------------------------------------------------------------------------------- Anthropic Messages


class Anthropic:
    """Writes a stream of Anthropic Messages, with a ping behind the first block's beginning."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.blocks: list[bytes] = []
        self.index = 0
        usage: JSON = {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        usage |= {"output_tokens": 1, "service_tier": "standard"}
        message: JSON = {"id": self.ident("msg_01"), "type": "message", "role": "assistant"}
        message |= {"model": "claude-sonnet-4-5-20250929", "content": [], "stop_reason": None}
        self.event("message_start", message={**message, "stop_sequence": None, "usage": usage})

    def ident(self, prefix: str) -> str:
        return prefix + "".join(self.dice.choices(LETTERS, k=22))

    def event(self, kind: str, **fields: Any) -> None:
        payload = {"type": kind, **fields}
        self.blocks.append(f"event: {kind}\ndata: {dumps(payload)}\n\n".encode())

    def block(self, start: JSON, deltas: list[JSON]) -> None:
        """A block from its beginning to its end."""
        self.event("content_block_start", index=self.index, content_block=start)
        if self.index == 0:
            self.event("ping")
        for delta in deltas:
            self.event("content_block_delta", index=self.index, delta=delta)
        self.event("content_block_stop", index=self.index)
        self.index += 1

    def stream(self, reason: str, told: Told) -> Stream:
        """The end, and the whole of it."""
        delta = {"stop_reason": reason, "stop_sequence": None}
        self.event("message_delta", delta=delta, usage={"output_tokens": len(self.blocks)})
        self.event("message_stop")
        return Stream("anthropic", tuple(self.blocks), told)


def anthropic_text(deltas: int) -> Stream:
    writer = Anthropic(12)
    said = tokens(writer.dice, deltas)
    writer.block({"type": "text", "text": ""}, [{"type": "text_delta", "text": delta} for delta in said])
    return writer.stream("end_turn", Told("".join(said)))


def anthropic_calls(characters: int) -> Stream:
    """Eight calls, one after another; the first fragment of each is empty, as on the wire."""
    writer = Anthropic(13)
    arguments = [tool_arguments(characters + number) for number in range(8)]
    for number, whole in enumerate(arguments):
        start: JSON = {"type": "tool_use", "id": writer.ident("toolu_01"), "name": f"edit_file_{number}"}
        pieces = ["", *cut(writer.dice, whole, 3, 7)]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        writer.block({**start, "input": {}}, deltas)
    return writer.stream("tool_use", Told(arguments=tuple(arguments)))


# -------------------------------------------------------------------------------------------------- Gemini


class Gemini:
    """Writes a stream of Gemini, where every chunk tells the model, the id and the tokens so far."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.id = "".join(self.dice.choices(LETTERS, k=22))
        self.blocks: list[bytes] = []

    def chunk(self, *parts: JSON, **fields: Any) -> None:
        count = len(self.blocks) + 1
        usage: JSON = {"promptTokenCount": 10, "candidatesTokenCount": count, "totalTokenCount": count + 10}
        usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": 10}]
        payload = {
            "candidates": [{"content": {"parts": list(parts), "role": "model"}, "index": 0, **fields}],
            "usageMetadata": usage,
            "modelVersion": "gemini-3-pro-preview",
            "responseId": self.id,
        }
        self.blocks.append(f"data: {dumps(payload)}\n\n".encode())

    def stream(self, told: Told) -> Stream:
        """The end, and the whole of it."""
        signature = "".join(self.dice.choices(LETTERS, k=300))
        self.chunk({"text": "", "thoughtSignature": signature}, finishReason="STOP")
        return Stream("gemini", tuple(self.blocks), told)


def gemini_text(deltas: int) -> Stream:
    writer = Gemini(10)
    said = tokens(writer.dice, deltas)
    for delta in said:
        writer.chunk({"text": delta})
    return writer.stream(Told("".join(said)))


def gemini_calls(characters: int) -> Stream:
    """Eight calls, one after another, whose arguments are streamed leaf by leaf, long strings in pieces."""
    writer = Gemini(11)
    arguments = []
    for number in range(8):
        whole = json.loads(tool_arguments(characters + number))
        arguments.append(dumps(whole))
        writer.chunk({"functionCall": {"name": f"edit_file_{number}", "willContinue": True}})
        for piece in leaves(writer.dice, whole, "$"):
            writer.chunk({"functionCall": {"partialArgs": [piece], "willContinue": True}})
        writer.chunk({"functionCall": {}})
    return writer.stream(Told(arguments=tuple(arguments)))


def leaves(dice: random.Random, value: Any, path: str) -> Iterator[JSON]:
    """The leaves of a value with their paths."""
    if isinstance(value, dict):
        for key_, member in value.items():
            yield from leaves(dice, member, f"{path}.{key_}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from leaves(dice, member, f"{path}[{index}]")
        if not value:
            yield {"jsonPath": f"{path}[]"}
    elif isinstance(value, str):
        for piece in cut(dice, value, 20, 40):
            yield {"jsonPath": path, "stringValue": piece, "willContinue": True}
        yield {"jsonPath": path, "stringValue": ""}
    elif value is None:
        yield {"jsonPath": path, "nullValue": "NULL_VALUE"}
    else:
        yield {"jsonPath": path, "boolValue" if isinstance(value, bool) else "numberValue": value}


# ------------------------------------------------------------------------------------------- hostile shapes


def heartbeats(count: int) -> Stream:
    """A server that is long silent: comments, and keepalive events among them."""
    writer = Responses(7)
    for number in range(count):
        if number % 4:
            writer.blocks.append(IDLE)
        else:
            writer.event("keepalive")
    return writer.stream(Told(writer.message([" Done", "."])))


def characters(count: int) -> Stream:
    """Fragments of one character, many of which JSON has to escape."""
    writer = Responses(8)
    return writer.stream(Told(writer.message(writer.dice.choices('abc "\\\n\té日🙂', k=count))))


def unknown(count: int) -> Stream:
    """Small events that nobody knows, without end."""
    writer = Responses(9)
    for number in range(count):
        writer.blocks.append(b'data: {"type":"acme.tick.%d","n":%d}\n\n' % (number, number))
    return writer.stream(Told(writer.message([" Done", "."])))


def deep(count: int) -> Stream:
    """Payloads nested nearly as deep as the limit allows."""
    writer = Responses(10)
    nested: Any = 0
    for level in range(60):
        nested = [nested] if level % 2 else {"a": nested}
    for _ in range(count):
        writer.event("acme.nested", value=nested)
    return writer.stream(Told(writer.message([" Done", "."])))


def escapes(count: int) -> Stream:
    """One fragment of so many characters, each of which has to be unescaped; then told whole four times."""
    writer = Responses(11)
    said = "".join(writer.dice.choices('"\\\n\t\b\f\x01\x1f', k=count))
    return writer.stream(Told(writer.message([said])))


# ------------------------------------------------------------------------------------------------ the table


@attrs.frozen
class Scenario:
    """A stream that can be made in any size, and how it arrives."""

    name: str
    make: Callable[[int], Stream]
    size: int
    """Of the stream: deltas, events, or characters, as `make` has it."""
    chunks: Chunking = network
    scales: bool = True
    """Whether it is still itself in another size."""
    grows: bool = True
    """Whether it is to be measured in several sizes, to see how the time grows."""

    def scaled(self, factor: float) -> Stream:
        """The stream, so much larger or smaller."""
        return self.make(max(round(self.size * factor), 8) if self.scales else self.size)


KB, MB = 1_000, 1_000_000
USUAL = (
    Scenario("text, 1k deltas", text, 1_000, grows=False),
    Scenario("text, 10k deltas", text, 10_000),
    Scenario("text, 100k deltas", text, 100_000, grows=False),
    Scenario("8 calls side by side", calls, 2 * KB),
    Scenario("reasoning and text", reasoning, 1_000),
    Scenario("short stream, 29 events", text, 21, scales=False, grows=False),
    Scenario("one event of 2 MB", image, 2 * MB),
    Scenario("chat: text, 10k deltas", chat_text, 10_000),
    Scenario("chat: 8 calls", chat_calls, 2 * KB),
    Scenario("chat: short stream, 29 events", chat_text, 25, scales=False, grows=False),
    Scenario("text, one byte at a time", text, 300, every(1)),
    Scenario("text, chunks of 16 KB", text, 10_000, every(16_384)),
)
HOSTILE = (
    Scenario("idle: comments, keepalives", heartbeats, 10_000),
    Scenario("deltas of one character", characters, 10_000),
    Scenario("small unknown events", unknown, 10_000),
    Scenario("nested 60 deep", deep, 1_000),
    Scenario("one string of 200k escapes", escapes, 200 * KB),
)
SCENARIOS = USUAL + HOSTILE
"""Those of the table in the docs."""
OTHERS = (
    Scenario("anthropic: text, 10k deltas", anthropic_text, 10_000),
    Scenario("anthropic: 8 calls", anthropic_calls, 2 * KB),
    Scenario("anthropic: short stream, 29 events", anthropic_text, 23, scales=False, grows=False),
    Scenario("gemini: text, 10k deltas", gemini_text, 10_000),
    Scenario("gemini: 8 calls", gemini_calls, 2 * KB, scales=False, grows=False),
    Scenario("gemini: short stream, 29 events", gemini_text, 28, scales=False, grows=False),
)
"""Those that are measured where they are asked for by name."""
