"""What is to be lifted out of tool arguments. How that is done is in `lifting`."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from deltafold.model.errors import UsageError
from deltafold.model.frozen import field, frozen

__all__ = ["Lift"]

Path: TypeAlias = tuple[str | int, ...]


def _as_tuple(path: Path | list[str | int]) -> Path:
    return tuple(path) if isinstance(path, list) else path


def _check_path(_lift: Lift, _: object, path: Any) -> None:
    if not isinstance(path, tuple):
        raise UsageError(f"path must be a tuple of object keys and array positions, not {path!r}")
    for step in path:
        # True is an int to Python, but no array position to anybody.
        if not isinstance(step, str) and (type(step) is not int or step < 0):
            raise UsageError(f"path must hold object keys (str) and array positions (int >= 0), not {step!r}")


def _check_into(_lift: Lift, _: object, into: Any) -> None:
    if into not in ("text", "reasoning"):
        raise UsageError(f"into must be 'text' or 'reasoning', not {into!r}")


def _check_tool(_lift: Lift, _: object, tool: Any) -> None:
    if tool is not None and not isinstance(tool, str):
        raise UsageError(f"tool must be the name of a tool or None, not {tool!r}")


def _check_remove(lift: Lift, _: object, remove: Any) -> None:
    if not isinstance(remove, bool):
        raise UsageError(f"remove must be a bool, not {remove!r}")
    if remove and not lift.path:
        raise UsageError("the whole of the arguments cannot be removed from them")


@frozen
class Lift:
    """A string inside tool arguments that is really text or reasoning.

    Raises `UsageError` where a field is not what it should be.
    """

    path: Path = field(converter=_as_tuple, validator=_check_path)
    """Object keys (str) and array positions (int) from the top of the arguments; a list is taken as well."""
    into: Literal["text", "reasoning"] = field(validator=_check_into)
    """What the string is."""
    tool: str | None = field(default=None, validator=_check_tool)
    """The name of the tool; None for every tool."""
    remove: bool = field(default=False, validator=_check_remove)
    """Whether that member or element is taken out of the arguments that are handed on.

    Array positions are those of the arguments as they came.
    """

    def applies_to(self, tool: str | None) -> bool:
        """Whether this lift is for calls of the tool of that name."""
        return self.tool is None or self.tool == tool
