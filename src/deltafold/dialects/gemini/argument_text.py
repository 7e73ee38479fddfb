"""Arguments that come piece by piece, each with its path, as the JSON text that they add up to.

Vertex streams the arguments of a call as `partialArgs`: leaves, each with a JSONPath (RFC 9535) from the top.
The text is made so that what is written stays: containers open on the way to a leaf, a string stays open
while it goes on, and all of that closes at the next path or at the end. Where a path comes again that is
closed already, no text could go on: from there on the arguments are kept as a value, and the text is sent
anew at the end of the call.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import Any, Final, TypeAlias

from deltafold.model.json_values import compact
from deltafold.wire.json_text import join_surrogates

__all__ = ["ArgumentText", "Container", "Path", "steps_of"]

Step: TypeAlias = str | int
Path: TypeAlias = tuple[Step, ...]

quoted: Final = encode_basestring
MOST_NULLS: Final = 64
"""How far an array index may lie beyond the last one: what lies between becomes null."""
MOST_DIGITS: Final = 9
"""The longest array index, in digits."""
ESCAPES: Final = {
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "/": "/",
    "\\": "\\",
    "'": "'",
    '"': '"',
}


def steps_of(path: str) -> tuple[Path, bool] | None:
    """The steps of a path, and whether it names the end of an array (`$.a[]`). None where it cannot be read.

    Of RFC 9535 these are the names and indexes from the root: `$.a`, `$['a b']`, `$["a"]`, `$[0]`.
    """
    if "'" in path or '"' in path:
        return quoted_steps_of(path)
    written = path.replace("[", ".[").split(".")
    if written[0] != "$":
        return None
    steps: list[Step] = []
    for at in range(1, len(written)):
        step = written[at]
        if step[:1] == "[":
            if step == "[]" and at == len(written) - 1:
                return tuple(steps), True
            if step[-1] != "]" or not is_index(step[1:-1]):
                return None
            steps.append(int(step[1:-1]))
        elif not step or step == "*" or "]" in step:
            return None
        else:
            steps.append(step)
    return tuple(steps), False


def is_index(digits: str) -> bool:
    """Whether an array index is written so."""
    return (
        digits.isascii()
        and digits.isdecimal()
        and len(digits) <= MOST_DIGITS
        and (digits[0] != "0" or len(digits) == 1)
    )


def quoted_steps_of(path: str) -> tuple[Path, bool] | None:
    """The same, of a path in which names may stand in quotes."""
    if path[:1] != "$":
        return None
    steps: list[Step] = []
    at, end = 1, len(path)
    while at < end:
        if path[at] == ".":
            stop = at + 1
            while stop < end and path[stop] not in ".[]":
                stop += 1
            name = path[at + 1 : stop]
            if not name or name == "*":
                return None
            steps.append(name)
            at = stop
        elif path[at] != "[":
            return None
        elif path[at + 1 : at + 2] in ("'", '"'):
            found = quoted_name(path, at + 1)
            if found is None or path[found[1] : found[1] + 1] != "]":
                return None
            steps.append(found[0])
            at = found[1] + 1
        else:
            stop = path.find("]", at)
            digits = path[at + 1 : stop]
            if stop < 0:
                return None
            if not digits and stop == end - 1:
                return tuple(steps), True
            if not is_index(digits):
                return None
            steps.append(int(digits))
            at = stop + 1
    return tuple(steps), False


def quoted_name(path: str, at: int) -> tuple[str, int] | None:
    """The name in quotes that begins at a position, and where it ends; None where it does not."""
    quote = path[at]
    pieces: list[str] = []
    at += 1
    while at < len(path):
        letter = path[at]
        if letter == quote:
            return join_surrogates("".join(pieces)), at + 1
        if letter == "\\":
            at += 1
            letter = path[at : at + 1]
            if letter == "u":
                digits = path[at + 1 : at + 5]
                if len(digits) < 4 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                    return None
                letter = chr(int(digits, 16))
                at += 4
            elif letter in ESCAPES:
                letter = ESCAPES[letter]
            else:
                return None
        pieces.append(letter)
        at += 1
    return None


class Container:
    """An object or array that is open."""

    SNAPSHOT_FIELDS: Final = ("is_array", "here", "keys", "count")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, is_array: bool, here: Step) -> None:
        self.is_array = is_array
        self.here = here
        """Under which step it stands in the one around it."""
        self.keys: set[str] = set()
        """The members of an object that have begun."""
        self.count = 0
        """How many members have begun."""

    def has(self, step: Step) -> bool:
        """Whether a member has begun."""
        return step < self.count if isinstance(step, int) else step in self.keys

    def fits(self, step: Step) -> bool:
        """Whether a step can lead into it."""
        return self.is_array == isinstance(step, int)


class ArgumentText:
    """The arguments of one call."""

    SNAPSHOT_FIELDS: Final = ("open", "leaf", "tree", "strings")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self) -> None:
        self.open: list[Container] = []
        """The containers that are open, from the outermost object inwards."""
        self.leaf: Step | None = None
        """Under which step the string stands that is open, in the innermost container."""
        self.tree: Any = None
        """The arguments as a value, once they can be sent as a whole only."""
        self.strings: dict[Path, list[str]] = {}
        """The pieces of strings in the tree."""

    # ------------------------------------------------------------------------------------------ as a text

    def begin(self) -> str:
        """The text begins: arguments are an object."""
        self.open.append(Container(is_array=False, here=""))
        return "{"

    def goes_on(self, steps: Path) -> bool:
        """Whether a path, which is not empty, is that of the string that is open."""
        return steps[-1] == self.leaf and self.is_at(steps[:-1])

    def is_at(self, steps: Path) -> bool:
        """Whether a path is that of the innermost container."""
        return len(steps) == len(self.open) - 1 and self.depth_of(steps) == len(steps)

    def depth_of(self, steps: Path) -> int:
        """How many steps of a path lead through containers that are open."""
        depth = 0
        while depth < len(steps) and depth + 1 < len(self.open) and self.open[depth + 1].here == steps[depth]:
            depth += 1
        return depth

    def more_text(self, text: str, *, more: bool) -> str:
        """The string that is open goes on, and ends if not `more`."""
        return self.more_written(quoted(text)[1:-1], more=more)

    def more_written(self, written: str, *, more: bool) -> str:
        """The same, with the text as it stands in JSON."""
        if more:
            return written
        self.leaf = None
        return written + '"'

    def close_to(self, depth: int) -> str:
        """Closes what is open beyond the container at a depth."""
        closed = ""
        if self.leaf is not None:
            self.leaf = None
            closed = '"'
        if len(self.open) > depth + 1:
            closers = ["]" if container.is_array else "}" for container in reversed(self.open[depth + 1 :])]
            del self.open[depth + 1 :]
            closed += "".join(closers)
        return closed

    def can_place(self, steps: Path) -> bool | None:
        """Whether a new member can be written at a path. None where the path contradicts what is written."""
        depth = self.depth_of(steps)
        if depth == len(steps):
            return False
        into = self.open[depth]
        if not into.fits(steps[depth]):
            return None
        if into.has(steps[depth]):
            return False
        first = steps[depth]
        gap = first - into.count if isinstance(first, int) else 0
        for step in steps[depth + 1 :]:
            gap += step if isinstance(step, int) else 0
        return None if gap > MOST_NULLS else True

    def place(self, steps: Path, written: str, *, more: bool) -> str:
        """A new member, at a path where it can be placed. `more`: a string, which goes on."""
        depth = self.depth_of(steps)
        pieces = [self.close_to(depth)]
        for at in range(depth, len(steps) - 1):
            pieces.append(self._begin_member(steps[at]))
            is_array = isinstance(steps[at + 1], int)
            pieces.append("[" if is_array else "{")
            self.open.append(Container(is_array, steps[at]))
        pieces.append(self.add(steps[-1], written, more=more))
        return "".join(pieces)

    def can_add(self, step: Step) -> bool:
        """Whether a new member of the innermost container can be written."""
        into = self.open[-1]
        if not into.fits(step) or into.has(step):
            return False
        return not isinstance(step, int) or step - into.count <= MOST_NULLS

    def add(self, step: Step, written: str, *, more: bool) -> str:
        """A new member of the innermost container. `more`: a string, which goes on."""
        closed = "" if self.leaf is None else '"'
        self.leaf = step if more else None
        return closed + self._begin_member(step) + (written[:-1] if more else written)

    def _begin_member(self, step: Step) -> str:
        """What stands before the value of a new member of the innermost container."""
        into = self.open[-1]
        comma = "," if into.count else ""
        if isinstance(step, int):
            comma += "null," * (step - into.count)
            into.count = step + 1
            return comma
        into.keys.add(step)
        into.count += 1
        return comma + quoted(step) + ":"

    # ----------------------------------------------------------------------------------------- as a value

    def become_tree(self, text: str) -> None:
        """From here on the arguments are kept as a value. `text` is what was written."""
        path = tuple([container.here for container in self.open[1:]])
        leaf = self.leaf
        self.tree = json.loads(text + self.close_to(-1))
        if leaf is not None:
            path = (*path, leaf)
            self.strings[path] = [self._take(path)]

    def put(self, steps: Path, value: Any, *, empty: bool) -> bool:
        """A leaf of the tree. A string goes on with the one that is there. False where it has no place."""
        if not steps:
            return False
        if isinstance(value, str) and not empty and steps in self.strings:
            self.strings[steps].append(value)
            return True
        at: Any = self.tree
        for depth, step in enumerate(steps):
            if (type(at) is list) != isinstance(step, int) or type(at) not in (list, dict):
                return False
            known = step < len(at) if isinstance(step, int) else step in at
            if isinstance(step, int) and not known:
                if step - len(at) > MOST_NULLS:
                    return False
                at.extend([None] * (step + 1 - len(at)))
            if depth + 1 < len(steps):
                following = steps[depth + 1]
                if not known or at[step] is None:
                    if isinstance(following, int) and following > MOST_NULLS:
                        return False
                    at[step] = [] if isinstance(following, int) else {}
                at = at[step]
            elif empty:
                if not known or at[step] is None:
                    at[step] = value
            elif known and type(at[step]) in (list, dict):
                return False
            elif isinstance(value, str):
                before = at[step] if known else None
                self.strings[steps] = [before, value] if isinstance(before, str) else [value]
                at[step] = ""
            else:
                self.strings.pop(steps, None)
                at[step] = value
        return True

    def whole(self) -> str:
        """The tree as text."""
        for steps, pieces in self.strings.items():
            at = self.tree
            for step in steps[:-1]:
                at = at[step]
            at[steps[-1]] = "".join(pieces)
        self.strings.clear()
        return compact(self.tree)

    def _take(self, steps: Path) -> str:
        at = self.tree
        for step in steps:
            at = at[step]
        return str(at)
