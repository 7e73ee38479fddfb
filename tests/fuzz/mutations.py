"""Inputs for what is fuzzed: the first ones, and changes of them that still look like streams."""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path
from typing import Any

from deltafold.registry import DIALECTS as WIRES
from encoding.test_hostile_turns import WHOLE as RESPONSES
from encoding.test_whole_requests import WHOLE as REQUESTS
from fuzz.targets import BY_VALUE, DIALECTS
from one_change import at, paths_in

FIXTURES = Path(__file__).parents[2] / "fixtures"
LONGEST = {
    "sse": 96,
    "payload": 128,
    "parser": 1536,
    "framing": 256,
    "writing": 1536,
    "request": 4096,
    "turn": 4096,
    "templates": 512,
}
"""Bytes of an input: short ones are fast, and say as much."""
# ----------------------------------------------------------------------------------------------------- seeds


def seeds(target: str) -> dict[str, bytes]:
    """The first inputs: fixtures, cut to what an input may have."""
    made = {}
    if target in BY_VALUE:
        for source, value in (REQUESTS if target == "request" else RESPONSES).items():
            for number in range(len(WIRES)):
                head = bytes([WIRES.index(source) | number << 2])
                made[f"{source}-{number}"] = head + json.dumps(value).encode()
        return made
    for path in sorted(FIXTURES.rglob("*.*")):
        body = path.read_bytes()
        name = f"{path.parent.name}-{path.name}"
        if target == "parser":
            head = bytes([DIALECTS.index(path.parent.name) if path.parent.name in DIALECTS else 2])
            made[name] = (head + bytes([0, 1, 7, 64, 200]) + body)[: LONGEST[target]]
        elif target == "writing":
            if path.parent.name in WIRES:
                for number in range(len(WIRES)):
                    head = bytes([WIRES.index(path.parent.name) | number << 2, 3, 7])
                    made[f"{name}-{number}"] = (head + body)[: LONGEST[target]]
        elif target == "framing":
            for number in range(3):
                made[f"{name}-{number}"] = (bytes([number + 64, 0, 1, 7, 50]) + body)[: LONGEST[target]]
        elif target == "sse":
            made[name] = (bytes([0, 0, 5, 50]) + body)[: LONGEST[target]]
        elif target == "templates":
            for number, line in enumerate(re.findall(rb"^data: ?(.{,240})", body, re.MULTILINE)):
                shape = re.sub(rb'(":\s*")[^"\\]+"', b'\\1\x00"', line, count=1)
                made[f"{name}-{number}"] = re.sub(rb"(?<=:)[0-9]+\b", b"\x04", shape) + b"\n" + line + b"\n"
        else:
            for number, line in enumerate(re.findall(rb"^data: ?(.*)", body, re.MULTILINE)):
                made[f"{name}-{number}"] = line[: LONGEST[target]]
    return made


def words_of_the_wire() -> list[str]:
    """Keys, types, what frames and JSON are made of."""
    text = b"\n".join(path.read_bytes() for path in FIXTURES.rglob("*.sse")).decode("utf-8", "replace")
    words = set(re.findall(r'"[a-z_.]{2,60}"', text))
    words |= {f'"{name}":' for name in re.findall(r'"([a-z_]{2,30})":', text)}
    words |= {"data: ", "data:", "event: ", "id: ", "retry: ", "error: ", ": ", "[DONE]", "\n\n", "\r\n\r\n"}
    words |= {
        "\\ud83d",
        "\\ude42",
        "\ufeff",
        "null",
        "true",
        "1e999",
        "NaN",
        "<think>",
        "</think>",
        "{}",
        "[]",
    }
    return sorted(words)


def dictionary() -> str:
    """Words of the wire, for the fuzzer to put anywhere."""
    return "".join(
        '"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"\n' for word in words_of_the_wire()
    )


# -------------------------------------------------------------------------------------------------- mutation


def mutated_stream(blocks: list[bytes], others: list[bytes], dice: random.Random) -> list[bytes]:
    """The events of a stream with one dropped, doubled, moved, taken from another stream, or changed."""
    at = dice.randrange(len(blocks))
    match dice.randrange(8):
        case 0:
            del blocks[at]
        case 1:
            blocks.insert(dice.randrange(len(blocks) + 1), blocks[at])
        case 2:
            blocks.insert(dice.randrange(len(blocks) + 1), blocks.pop(at))
        case 3 | 4:
            blocks.insert(at, dice.choice(others))
        case _:
            blocks[at] = mutated_block(blocks[at], dice)
    return blocks


WRONG: tuple[Any, ...] = (None, True, 0, -1, 1.5, 65535, 1 << 63, float("nan"), "", "x", "\ud83d", "failed")
WRONG += (
    "response.completed",
    "in_progress",
    [],
    {},
    ["x"],
    [None],
    [{}],
    {"type": "function_call"},
    {"a": 1},
)
"""JSON values that do not belong where they are put."""


def mutated_block(block: bytes, dice: random.Random) -> bytes:
    """An event with another value somewhere in its payload, or without it."""
    head, prefix, data = block.partition(b"data: ")
    made = mutated_json(data, dice)
    return block if made is None else head + prefix + made


def mutated_json(data: bytes, dice: random.Random) -> bytes | None:
    """JSON with another value somewhere, or without it; None where there is none to change."""
    try:
        value = json.loads(data)
        places = [(), *paths_in(value)]
    except (ValueError, RecursionError):
        return None
    path, other = dice.choice(places), dice.choice(places)
    if not path:
        return None
    holder, key = at(value, path[:-1]), path[-1]
    old = holder[key]
    match dice.randrange(4):
        case 0:
            holder[key] = dice.choice(WRONG)
        case 1:
            del holder[key]
        case 2:
            holder[key] = copy.deepcopy(at(value, other))
        case _ if type(old) is int:
            holder[key] = old + dice.choice((-1, 1))
        case _ if isinstance(old, str):
            cut = dice.randint(0, len(old))
            holder[key] = dice.choice((old[:cut], old[cut:], old + old, old + "x"))
    return json.dumps(value, separators=(",", ":")).encode()


def mutated_bytes(data: bytes, others: list[bytes], words: list[bytes], dice: random.Random) -> bytes:
    """Some bytes changed, taken out, told twice, or of another input."""
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        at = dice.randint(0, len(data))
        end = min(len(data), at + dice.choice((0, 0, 1, 1, 2, 5, 30)))
        match dice.randrange(6):
            case 0:
                put = dice.randbytes(end - at)
            case 1:
                put = dice.choice(words)
            case 2:
                put = data[at:end] * 2
            case 3:
                other = dice.choice(others)
                begin = dice.randint(0, len(other))
                put = other[begin : begin + dice.choice((1, 4, 40, 400))]
            case 4:
                put = bytes([dice.choice(b'\r\n:,"{}[]\\ \xff\xef\x00')])
            case _:
                put = b""
        data = data[:at] + put + data[end:]
    return data
