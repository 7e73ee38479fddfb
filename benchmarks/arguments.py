"""What it costs to follow tool arguments while they stream, in microseconds per fragment.

    python benchmarks/arguments.py [--sizes 2 20 200] [--fragment 5] [--repeat 5]

The arguments are those of a tool that edits files: two fifths are one long string, the rest a list of small
objects. They come in fragments of five characters. Each row is one way to have the value so far:

- `feed`: the reader alone, the value asked for once at the end;
- `feed + value()`: the value asked for after each fragment;
- `feed, events`: path events taken after each fragment;
- `lift`, `lift, removed`: the long string handed out as text, and taken out of the arguments;
- json.loads once at the end: what it costs not to follow;
- the others parse everything that has come, again after each fragment. They are left out of the largest size
  unless `--all` is given, because they are quadratic.

Figures of one run compare with each other, not with those of another machine.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
from collections.abc import Callable, Sequence

from deltafold import ArgumentsReader, Lift
from deltafold.arguments.lifter import Lifter
from measure import spent
from scenarios import tool_arguments
from tables import markdown


def feed_alone(fragments: list[str]) -> None:
    reader = ArgumentsReader()
    for fragment in fragments:
        reader.feed(fragment)
    reader.value()


def feed_and_value(fragments: list[str]) -> None:
    reader = ArgumentsReader()
    for fragment in fragments:
        reader.feed(fragment)
        reader.value()


def feed_and_events(fragments: list[str]) -> None:
    reader = ArgumentsReader(events=True)
    for fragment in fragments:
        reader.feed(fragment)
        reader.take_events()


def lift(fragments: list[str], *, remove: bool = False) -> None:
    lifter = Lifter([Lift(("content",), "text", remove=remove)])
    for fragment in fragments:
        lifter.feed(fragment)


def lift_removed(fragments: list[str]) -> None:
    lift(fragments, remove=True)


def loads_once(fragments: list[str]) -> None:
    pieces: list[str] = []
    for fragment in fragments:
        pieces.append(fragment)
    json.loads("".join(pieces))


def parse_again(parse: Callable[[str], object]) -> Callable[[list[str]], None]:
    """Parse all that has come after each fragment."""

    def run(fragments: list[str]) -> None:
        text = ""
        for fragment in fragments:
            text += fragment
            parse(text)

    return run


OWN = {
    "feed": feed_alone,
    "feed + value()": feed_and_value,
    "feed, events": feed_and_events,
    "lift": lift,
    "lift, removed": lift_removed,
    "json.loads once": loads_once,
}


def peers() -> tuple[dict[str, Callable[[list[str]], None]], list[str]]:
    """Those that are installed, and the names of the others."""
    found: dict[str, Callable[[list[str]], None]] = {}
    missing = []
    for name in ("jiter", "pydantic_core", "partial_json_parser"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            missing.append(name)
            continue
        if name == "jiter":
            found[name] = parse_again(
                lambda text, m=module: m.from_json(text.encode(), partial_mode="trailing-strings")
            )
        elif name == "pydantic_core":
            found[name] = parse_again(
                lambda text, m=module: m.from_json(text, allow_partial="trailing-strings")
            )
        else:
            found[name] = parse_again(module.loads)
    return found, missing


def report(sizes: Sequence[int], fragment: int = 5, repeat: int = 5, *, everything: bool = False) -> str:
    """The table, for arguments of so many kilobytes."""
    others, missing = peers()
    gc.collect()
    gc.freeze()
    rows = []
    for name, run in {**OWN, **others}.items():
        row = [name]
        for size in sizes:
            text = tool_arguments(size * 1000)
            fragments = [text[at : at + fragment] for at in range(0, len(text), fragment)]
            if name in others and size > 20 and not everything:
                row.append("-")
                continue
            # Small sizes are run more often, so that each measurement rests on about as many fragments.
            times, rounds = (max(sizes) // size, repeat) if name in OWN else (1, 1)
            best = min(spent(lambda: run(fragments), times) for _ in range(rounds))  # noqa: B023
            row.append(f"{best / len(fragments) * 1e6:.2f}")
        rows.append(row)
    gc.unfreeze()
    table = markdown(["", *(f"{size} KB" for size in sizes)], rows)
    absent = f"\nNot installed: {', '.join(missing)}.\n" if missing else ""
    return f"Tool arguments in fragments of {fragment} characters, µs per fragment.\n\n{table}{absent}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 20, 200], help="kilobytes of arguments")
    parser.add_argument("--fragment", type=int, default=5, help="characters of a fragment")
    parser.add_argument("--repeat", type=int, default=5, help="measurements, of which the best counts")
    parser.add_argument("--all", action="store_true", help="the quadratic ones at every size")
    options = parser.parse_args()
    print(report(options.sizes, options.fragment, options.repeat, everything=options.all))


if __name__ == "__main__":
    main()
