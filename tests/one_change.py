"""JSON with one member changed, for all members in turn, and in words what comes of each change."""

from __future__ import annotations

import copy
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import attrs

Path: TypeAlias = tuple[str | int, ...]
ABSENT = object()
"""In place of a value: the member is not there."""
DECIDING = frozenset(
    ["type", "role", "status", "mode", "phase", "finish_reason", "stop_reason", "finishReason"]
)
"""Members whose word says how the rest of an object is read."""
MANY = 6
"""How many other words stand in place of such a one."""
LONGEST = 40
"""Characters of what counts as a word."""
SHOWN = 3
"""How many differences are told of one outcome; all of them are in its digest."""


@attrs.frozen
class Outcome:
    """What came of an input: what a reader of the snapshot has to know, and all of it."""

    codes: Sequence[str]
    document: Any
    everything: Any
    error: str = ""

    places: dict[str, str] = attrs.field(init=False)

    @places.default
    def _(self) -> dict[str, str]:
        return flat(self.document)

    @property
    def digest(self) -> str:
        """Another one for any other outcome."""
        return digest_of((self.codes, self.document, self.everything, self.error))


def digest_of(value: Any) -> str:
    """A number for all that a value says of itself."""
    return hashlib.blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def paths_in(value: Any, here: Path = ()) -> Iterator[Path]:
    """The places of all members and entries inside a value."""
    entries: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for key, member in entries:
        yield (*here, key)
        yield from paths_in(member, (*here, key))


def at(value: Any, path: Path) -> Any:
    """What stands at a place."""
    for key in path:
        value = value[key]
    return value


def changed(value: Any, path: Path, new: Any) -> Any:
    """The value with something else at a place, or with nothing there."""
    value = copy.deepcopy(value)
    holder = at(value, path[:-1])
    if new is ABSENT:
        del holder[path[-1]]
    else:
        holder[path[-1]] = new
    return value


def name_of(path: Path, entry: str = "[{}]") -> str:
    """A place in words. `entry`: how an entry of a list is told; as "[]", all are one."""
    return "".join(entry.format(key) if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


class Words:
    """What the members of each name are, so that one can be told in place of another."""

    def __init__(self, documents: Iterable[Any]) -> None:
        found: dict[str, set[str]] = {}
        for document in documents:
            for path in paths_in(document):
                value = at(document, path)
                if isinstance(value, str) and isinstance(path[-1], str) and len(value) < LONGEST:
                    found.setdefault(path[-1], set()).add(value)
        self.found = {key: sorted(values) for key, values in found.items()}

    def others(self, path: Path, value: Any) -> Sequence[str]:
        """The words behind this one, more of them where it says what an object is."""
        words = self.found.get(str(path[-1]), [])
        if value not in words:
            return ()
        behind = words.index(value) + 1
        return (words[behind:] + words)[: MANY if path[-1] in DECIDING and len(path) > 1 else 1]


def changes_of(value: Any, others: Sequence[str] = ()) -> dict[str, Any]:
    """What stands in place of a value, by name. `others`: words that are told elsewhere."""
    made: dict[str, Any] = {"absent": ABSENT, "null": None}
    match value:
        case str():
            made |= {"a number": 7, "empty": "", "longer": value + "~"}
        case bool():
            made |= {"a string": "x", "the other": not value}
        case int() | float():
            made |= {"a string": "x", "zero": 0, "one more": value + 1}
        case list():
            made |= {"an object": {"x": "y"}, "empty": [], "twice": value * 2, "more": [*value, None, "x"]}
        case dict():
            made |= {"a string": "x", "empty": {}, "more": value | {"novel": "x"}}
        case _:
            made |= {"a string": "x", "an object": {"x": "y"}}
    made |= {f"as {word!r}": word for word in others}
    return {name: new for name, new in made.items() if new is ABSENT or repr(new) != repr(value)}


def flat(value: Any, here: str = "") -> dict[str, str]:
    """The values of a document by place."""
    if isinstance(value, dict) and value:
        pairs = [(f"{here}.{key}".removeprefix("."), member) for key, member in value.items()]
    elif isinstance(value, list) and value:
        pairs = [(f"{here}[{number}]", member) for number, member in enumerate(value)]
    else:
        return {here: json.dumps(value)}
    return {place: said for key, member in pairs for place, said in flat(member, key).items()}


def told(before: Outcome, after: Outcome) -> str:
    """What differs between two outcomes, in words."""
    if after.error:
        return f"refused: {after.error}"
    had, has = Counter(before.codes), Counter(after.codes)
    words = [*(f"-{code}" for code in sorted(had - has)), *(f"+{code}" for code in sorted(has - had))]
    old, new = before.places, after.places
    places = [place for place in {**old, **new} if old.get(place) != new.get(place)]
    differing = [f"{place} = {new.get(place, 'nothing')[:60]}" for place in places]
    shown = [*few(words, " "), *few(differing, "; ")]
    return "; ".join(shown) or "the same"


def few(words: list[str], between: str) -> list[str]:
    """The first of some words as one text, and how many more there are; nothing where there are none."""
    more = [f"{len(words) - SHOWN} more"] * (len(words) > SHOWN)
    return [between.join(words[:SHOWN] + more)] * bool(words)


@attrs.define
class Report:
    """What comes of changes: the place, and then by outcome the changes that have it."""

    found: dict[str, dict[str, list[str]]] = attrs.Factory(dict)

    def add(self, place: str, change: str, before: Outcome, after: Outcome) -> None:
        """What came of one change."""
        said = f"{told(before, after)} ({after.digest})"
        self.found.setdefault(place, {}).setdefault(said, []).append(change)

    def __str__(self) -> str:
        """All of it."""
        lines = []
        for place, outcomes in self.found.items():
            lines += [place, *(f"  {', '.join(names)}: {said}" for said, names in outcomes.items())]
        return "\n".join(lines)


def report(document: Any, run: Callable[[Any], Outcome]) -> str:
    """What comes of every change of a document. `run`: what comes of a document."""
    before, words, found = run(document), Words([document]), Report()
    for path in paths_in(document):
        value = at(document, path)
        for change, new in changes_of(value, words.others(path, value)).items():
            found.add(name_of(path), change, before, run(changed(document, path, new)))
    return str(found)
