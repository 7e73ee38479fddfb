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
import importlib
import json
import random
import time
from collections.abc import Callable

from deltafold.arguments import ArgumentsReader
from deltafold.lifting import Lift, Lifter

WORDS = ["def", "return", "self", "the", "value", "of", "path", "import", "for", "in", "if", "else", "None"]


def arguments(characters: int) -> str:
    """About so many characters of arguments, the same on every run."""
    random_ = random.Random(characters)

    def words(size: int) -> str:
        text = ""
        while len(text) < size:
            text += random_.choice(WORDS) + random_.choice([" ", " ", " ", ", ", "\n    ", '"'])
        return text

    edits: list[dict[str, object]] = []
    while len(json.dumps(edits)) < characters * 0.6:
        edits.append(
            {"path": words(12), "line": random_.randrange(9999), "replace": random_.random() < 0.5}
            | {"old": words(random_.randrange(60)), "score": round(random_.random(), 4), "tags": ["a", None]}
        )
    half = len(edits) // 2
    return json.dumps({"edits": edits[:half], "content": words(int(characters * 0.4)), "more": edits[half:]})


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


def peers() -> dict[str, Callable[[list[str]], None]]:
    """Those that are installed; the others are named on a line of their own."""
    found: dict[str, Callable[[list[str]], None]] = {}
    for name in ("jiter", "pydantic_core", "partial_json_parser"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            print(f"skipped: {name} is not installed")
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
    return found


def microseconds(run: Callable[[list[str]], None], fragments: list[str], repeat: int) -> float:
    """The best of so many runs, per fragment, in CPU time."""
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        run(fragments)
        best = min(best, time.process_time() - start)
    return best / len(fragments) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 20, 200], help="kilobytes of arguments")
    parser.add_argument("--fragment", type=int, default=5, help="characters of a fragment")
    parser.add_argument("--repeat", type=int, default=5, help="runs, of which the best counts")
    parser.add_argument("--all", action="store_true", help="the quadratic ones at every size")
    options = parser.parse_args()
    own = {
        "feed": feed_alone,
        "feed + value()": feed_and_value,
        "feed, events": feed_and_events,
        "lift": lift,
        "lift, removed": lift_removed,
        "json.loads once": loads_once,
    }
    others = peers()
    print(f"{'us per fragment':<22}" + "".join(f"{size:>9} KB" for size in options.sizes))
    for name, run in {**own, **others}.items():
        row = f"{name:<22}"
        for size in options.sizes:
            text = arguments(size * 1000)
            fragments = [text[at : at + options.fragment] for at in range(0, len(text), options.fragment)]
            if name in others and size > 20 and not options.all:
                row += f"{'-':>12}"
                continue
            # Small sizes are run more often, so that the best of each rests on about as many fragments.
            repeat = options.repeat * (max(options.sizes) // size) if name in own else 1
            row += f"{microseconds(run, fragments, repeat):>12.2f}"
        print(row)


if __name__ == "__main__":
    main()
