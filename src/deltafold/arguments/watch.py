"""Arguments that somebody asks about while they come."""

from __future__ import annotations

from typing import Any

from deltafold.arguments.reader import ArgumentsReader
from deltafold.machine.fold import Fold
from deltafold.machine.records import StreamedValue, arguments_key

__all__ = ["ArgumentsWatch", "PartialArguments"]


class PartialArguments:
    """Arguments in JSON: how far they have been read."""

    __slots__ = ("_before", "_joins", "_packed", "_reader", "_size", "value")

    def __init__(self, value: StreamedValue) -> None:
        self.value = value
        self._reader = ArgumentsReader()
        self._joins = value.join_count
        # Fragments that are joined stay as they are; so many had been then, with so many characters.
        self._packed = 0
        self._before = 0
        self._size = 0

    def read(self) -> Any:
        """Reads what has come since, and gives the best present value."""
        value = self.value
        if value.join_count != self._joins:
            self._joins = value.join_count
            self._packed = self._before = 0
        at = self._before
        for text in value.fragments[self._packed :]:
            known = self._size - at
            at += len(text)
            if known < len(text):
                self._reader.feed(text[known:] if known else text)
                self._size = at
        for text in value.fragments[self._packed : value.packed_count]:
            self._before += len(text)
        self._packed = value.packed_count
        return self._reader.value()


class ArgumentsWatch:
    """The present value of each call's arguments. It may be thrown away at any time: it only saves work."""

    __slots__ = ("_watched",)

    def __init__(self) -> None:
        self._watched: dict[int, PartialArguments] = {}

    def read(self, fold: Fold, output_index: int) -> Any:
        """The arguments of a call as far as they are known; None where there are none."""
        record = fold.items.get(output_index)
        if record is None:
            return None
        key = arguments_key(record)
        value = record.values.get(key)
        if value is None:
            return None
        if key != ("arguments",):
            return value.text  # of a custom tool, which takes any text
        watched = self._watched.get(output_index)
        if watched is None or watched.value is not value:
            watched = self._watched[output_index] = PartialArguments(value)
        return watched.read()
