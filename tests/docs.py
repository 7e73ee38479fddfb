"""Renders the sections of the pages that are made from the code. `python tests/docs.py` writes them anew.

A section stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import itertools
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import attrs

import deltafold
from deltafold import (
    ANOMALIES,
    LOSSES,
    ErrorKind,
    Event,
    Item,
    Limits,
    Outcome,
    Response,
    ResponseError,
    ResponseParser,
    Sign,
    Verdict,
)
from deltafold.inspector.command import arguments, main
from deltafold.machine import lifecycle as state
from deltafold.views import liveness as signs

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
SPEED = ROOT / "docs" / "speed.md"
SECTION = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)
BAR = r"\|"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def code_blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return [code for name, code in BLOCK.findall(text) if name == language]


def run_loop(text: str, size: int) -> str:
    """What the README's first Python block prints of its first stream, in chunks of that size."""
    raw = code_blocks(text, "sse")[0].encode()
    body = [raw[at : at + size] for at in range(0, len(raw), size)]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code_blocks(text, "python")[0], str(README), "exec"), {"body": body})
    return out.getvalue()


# ------------------------------------------------------------------------------------ reading the code


def sentence(text: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((text or "").split("\n\n")[0].split())


def member_docs(cls: type) -> dict[str, str]:
    """The strings that stand under the members of a class."""
    source = Path(sys.modules[cls.__module__].__file__ or "").read_text(encoding="utf-8")
    body = next(
        node.body
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__
    )
    docs = {}
    for node, following in itertools.pairwise(body):
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            target = node.target if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [None])[0]
            if isinstance(target, ast.Name):
                docs[target.id] = sentence(str(following.value.value))
    return docs


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', BAR) for cell in line)} |\n" for line in lines)


def code(text: object) -> str:
    return f"`{text}`"


def fields(cls: type) -> str:
    return ", ".join(code(field.name) for field in attrs.fields(cls))


# ----------------------------------------------------------------------------------------- the sections


def loop_output() -> str:
    return f"```text\n{run_loop(README.read_text(encoding='utf-8'), 7)}```\n"


def events() -> str:
    return table(
        ("event", "fields", "meaning"),
        ((code(cls.__name__), fields(cls), sentence(cls.__doc__)) for cls in get_args(Event)),
    )


def items() -> str:
    return table(
        ("item", "fields", "meaning"),
        ((code(cls.__name__), fields(cls), sentence(cls.__doc__)) for cls in get_args(Item)),
    )


def outcomes() -> str:
    told = member_docs(Outcome)
    return table(("outcome", "meaning"), ((code(one), told.get(one.name, "")) for one in Outcome))


def error_fields() -> str:
    told = member_docs(ResponseError)
    told["kind"] = "One of " + ", ".join(map(code, ErrorKind)) + "."
    names = (field.name for field in attrs.fields(ResponseError))
    return table(("field", "meaning"), ((code(name), told.get(name, "")) for name in names))


def exceptions() -> str:
    names = ("DeltafoldError", "UsageError", "WireError", "LimitExceeded", "ResponseFailed")
    rows = []
    for name in names:
        cls = getattr(deltafold, name)
        rows.append((code(name), code(cls.__base__.__name__), sentence(cls.__doc__)))
    return table(("exception", "is a", "meaning"), rows)


def anomalies() -> str:
    return table(
        ("code", "what was met", "what is made of it", "strict"),
        (
            (code(one), rule.meaning, rule.lenient, "raises" if rule.strict else "goes on")
            for one, rule in ANOMALIES.items()
        ),
    )


def limits() -> str:
    told = member_docs(Limits)
    rows = []
    for name, value in attrs.asdict(Limits()).items():
        mib, rest = divmod(value, 1 << 20)
        rows.append((code(name), f"{mib} Mi" if mib and not rest else f"{value:,}", told[name]))
    return table(("limit", "default", "of"), rows)


def members(cls: type) -> list[tuple[str, str]]:
    """The properties and methods of a class, with what they say."""
    rows = []
    for name, member in vars(cls).items():
        if not name.startswith("_") and (callable(member) or isinstance(member, (property, classmethod))):
            called = "" if isinstance(member, property) else "()"
            rows.append((code(name + called), sentence(getattr(member, "__func__", member).__doc__)))
    return rows


def options() -> str:
    told = re.findall(r":param (\w+):(.*?)(?=:param|\Z)", ResponseParser.__init__.__doc__ or "", re.DOTALL)
    texts = {name: sentence(text[:2].upper() + text[2:]) for name, text in told}
    rows = []
    for name, parameter in inspect.signature(ResponseParser).parameters.items():
        rows.append((code(name), code(repr(parameter.default)), texts[name]))
    return table(("option", "default", "meaning"), rows)


def parser() -> str:
    return table(("member", "meaning"), members(ResponseParser))


def response() -> str:
    told = member_docs(Response)
    known = [(code(field.name), told.get(field.name, "")) for field in attrs.fields(Response)]
    return table(("member", "meaning"), known + members(Response))


def verdict() -> str:
    told = member_docs(Verdict)
    known = [(code(field.name), told[field.name]) for field in attrs.fields(Verdict)]
    return table(("member", "meaning"), known + members(Verdict))


def liveness() -> str:
    told = member_docs(Sign)
    rows = []
    for sign in Sign:
        names = ", ".join(code(kind.__name__) for kind, found in signs.STREAM_EVENTS.items() if found is sign)
        rows.append((code(f"Sign.{sign.name}"), told[sign.name], names))
    return table(("sign", "meaning", "events"), rows)


# ----------------------------------------------------------------------------------------- the diagrams

MORE_OF_THE_ITEM = set(state.ITEM_TRANSITIONS[state.ItemState.OPEN]) - {deltafold.ItemFinished}
MORE_OF_THE_PART = set(state.PART_TRANSITIONS[state.PartState.OPEN]) - {deltafold.PartFinished}
GROUPS: dict[str, tuple[type, ...]] = {
    "items": state.ITEM_EVENTS,
    "response": state.RESPONSE_EVENTS,
    "signs": state.STREAM_EVENTS,
    "more of the item": tuple(cls for cls in state.ITEM_EVENTS if cls in MORE_OF_THE_ITEM),
    "more of the part": tuple(cls for cls in state.ITEM_EVENTS if cls in MORE_OF_THE_PART),
}


def label(classes: list[type]) -> str:
    """Event classes as the label of an arrow, groups by their name."""
    names = []
    for name, members in GROUPS.items():
        if set(members) <= set(classes):
            names.append(name)
            classes = [cls for cls in classes if cls not in members]
    return ", ".join(names + [cls.__name__ for cls in classes])


def diagram(rows: dict[Any, dict[type, Any]]) -> str:
    """A table of state.py as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(rows))}"]
    for origin, row in rows.items():
        arrows: dict[Any, list[type]] = {}
        for cls, target in row.items():
            arrows.setdefault(target, []).append(cls)
        lines += [f"    {origin} --> {target}: {label(classes)}" for target, classes in arrows.items()]
        if not row:
            lines.append(f"    {origin} --> [*]")
    return "\n".join([*lines, "```", ""])


def legend(members: tuple[type, ...]) -> str:
    """What a group's name stands for: all but a few of the items' events, or its own list."""
    left_out = [cls for cls in state.ITEM_EVENTS if cls not in members]
    few = 0 < len(left_out) <= 3
    listed = ", ".join(code(cls.__name__) for cls in (left_out if few else members))
    return f"*items* but {listed}" if few else listed


def states() -> str:
    told = "".join(f"- *{name}*: {legend(members)}\n" for name, members in GROUPS.items())
    return (
        f"A response:\n\n{diagram(state.RESPONSE_TRANSITIONS)}\n"
        f"An item:\n\n{diagram(state.ITEM_TRANSITIONS)}\n"
        f"A part of an item:\n\n{diagram(state.PART_TRANSITIONS)}\n{told}"
    )


def floors() -> str:
    """The house as it stands: an arrow from each folder to those that it imports from, shortcuts left out."""
    source = Path(deltafold.__file__).parent
    arrows: set[tuple[str, str]] = set()
    for path in source.rglob("*.py"):
        here = room(path.relative_to(source).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("deltafold."):
                arrows.add((here, room(str(node.module).split(".")[1:])))
    above: dict[str, set[str]] = {}
    for here, there in arrows:
        if here != there and "deltafold" not in (here, there):
            above.setdefault(here, set()).add(there)
    drawn = [
        (here, there)
        for here in sorted(above)
        for there in sorted(above[here])
        if not any(there in above.get(other, ()) for other in above[here])
    ]
    return "\n".join(["```mermaid", "flowchart TD", *(f"    {a} --> {b}" for a, b in drawn), "```", ""])


def room(parts: Iterable[str]) -> str:
    """The folder of a file; the package itself for the files at its top."""
    first, *more = parts
    return (
        first if more or first == "registry" or (ROOT / "src" / "deltafold" / first).is_dir() else "deltafold"
    )


def losses() -> str:
    return table(
        ("code", "meaning", "what is written"),
        ((code(name), rule.meaning, rule.handling) for name, rule in LOSSES.items()),
    )


# ---------------------------------------------------------------------------------------- the inspector

COMMANDS = {
    "inspector-listing": "deltafold fixtures/captures/weather.log",
    "inspector-time": "deltafold --time fixtures/captures/weather.log",
    "inspector-refused": "deltafold fixtures/captures/refused.txt",
    "inspector-several": "deltafold fixtures/captures/*",
    "inspector-entry": "deltafold 'fixtures/captures/session.har#3'",
    "inspector-text": "deltafold --text fixtures/captures/weather.log",
    "inspector-redact": "deltafold --redact fixtures/captures/weather.log",
    "inspector-check": "deltafold --check fixtures/captures/weather.log",
    "inspector-encode": "deltafold --encode chat 'fixtures/captures/session.har#1'",
    "inspector-json": "deltafold --json 'fixtures/captures/session.har#1'",
    "inspector-join": "deltafold --join fixtures/captures/dropped.sse fixtures/captures/resumed.sse",
}
"""What is run in the pages, at the root of the checkout, by the name of its section."""
LONGEST = 100
"""Letters of a line, and behind them what a terminal of that width shows as well: that there is more."""


class Terminal(io.StringIO):
    """A terminal without colours."""

    def isatty(self) -> bool:
        return True


def shown_by(command: str) -> str:
    """A command and what it prints on a terminal, the beginnings of its lines."""
    given = []
    for word in shlex.split(command)[1:]:
        found = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(word)) if "*" in word else []
        given += found or [word]
    before = Path.cwd(), {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR")}
    out = Terminal()
    try:
        os.chdir(ROOT)
        os.environ.update(COLUMNS=str(LONGEST), NO_COLOR="1")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main(given)
    finally:
        os.chdir(before[0])
        for name, value in before[1].items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
    lines = (
        line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…" for line in out.getvalue().splitlines()
    )
    return "\n".join(["```console", f"$ {command}", *lines, "```", ""])


def inspector_options() -> str:
    rows = []
    for action in arguments()._actions:
        names = ", ".join(code(name) for name in action.option_strings) or code(action.metavar)
        value = (
            f" {code(action.metavar or action.dest.upper())}"
            if action.option_strings and action.nargs is None
            else ""
        )
        rows.append((names + value, str(action.help)))
    return table(("option", "meaning"), rows)


SECTIONS: dict[str, Callable[[], str]] = {
    "inspector-options": inspector_options,
    **{name: partial(shown_by, command) for name, command in COMMANDS.items()},
    "loop-output": loop_output,
    "floors": floors,
    "options": options,
    "parser": parser,
    "events": events,
    "response": response,
    "items": items,
    "outcomes": outcomes,
    "states": states,
    "verdict": verdict,
    "signs": liveness,
    "error-fields": error_fields,
    "exceptions": exceptions,
    "anomalies": anomalies,
    "limits": limits,
    "losses": losses,
}


def render(text: str) -> str:
    """A page with each generated section as the code has it now."""
    return SECTION.sub(lambda found: f"{found[1]}\n{SECTIONS[found[2]]()}\n{found[3]}", text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(render(page.read_text(encoding="utf-8")), encoding="utf-8")
