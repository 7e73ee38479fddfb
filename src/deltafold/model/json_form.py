"""Data as JSON, and back, without loss: the form in which events are handed to a queue, a browser, a file.

Each object is a dict of all its fields, with the name of its class under `class`; tuples are arrays. It is a
form of this library and no wire's: `to_dict()` of items and responses gives those.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from deltafold.model.errors import UsageError
from deltafold.model.frozen import fields_of, is_frozen
from deltafold.model.json_values import copied

__all__ = ["CLASS", "form_of", "object_of"]

CLASS: Final = "class"
"""The member that names the class. No field can have that name in Python."""


def form_of(value: Any) -> Any:
    """An object, or what stands in one of its fields, as JSON. It shares nothing with it that can change."""
    kind: Any = type(value)
    if isinstance(value, str):
        return str(value)  # an enumeration's word
    if kind is tuple:
        return [form_of(entry) for entry in value]
    if is_frozen(kind):
        members = {field.name: form_of(getattr(value, field.name)) for field in fields_of(kind)}
        return {CLASS: kind.__name__, **members}
    if isinstance(value, Mapping):
        # Either all its members are objects of this library, or it is JSON, however deep.
        if any(is_frozen(type(member)) for member in value.values()):
            return {key: form_of(member) for key, member in value.items()}
        return copied(dict(value))
    return copied(value)


def object_of(kind: Any, sent: Mapping[str, Any], where: str) -> Any:
    """An object of that class out of its form, of which `where` says what it is.

    Raises `UsageError` where a member is missing, of the wrong type, or none of the class.
    """
    fields = types_of(kind)
    unknown = [name for name in sent if name not in fields and name != CLASS]
    if unknown:
        raise UsageError(f"{where} has no field {unknown[0]!r:.60}")
    values = {}
    for name, (hint, needed) in fields.items():
        if name in sent:
            values[name] = value_of(hint, sent[name], f"{where}.{name}")
        elif needed:
            raise UsageError(f"{where}.{name} is missing")
    return kind(**values)


@cache
def types_of(kind: Any) -> dict[str, tuple[Any, bool]]:
    """The fields of a class: the type of each, and whether it has no default."""
    hints = get_type_hints(kind)
    return {field.name: (hints[field.name], field.is_required) for field in fields_of(kind)}


@cache
def choices_of(hint: Any) -> tuple[Any, ...]:
    """The types of which a value may be."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def value_of(hint: Any, sent: Any, where: str) -> Any:
    """A field's value of that type out of its form. Raises `UsageError`."""
    for choice in choices_of(hint):
        origin = get_origin(choice)
        if origin is tuple:
            if isinstance(sent, (list, tuple)):
                entry_hint = get_args(choice)[0]
                return tuple([value_of(entry_hint, entry, f"{where}[{at}]") for at, entry in enumerate(sent)])
        elif origin is Literal:
            if isinstance(sent, str) and sent in get_args(choice):
                return sent
        elif origin in (dict, Mapping):
            if isinstance(sent, Mapping):
                return members_of(get_args(choice)[1], sent, where)
        elif choice is Any:
            return copied(sent)
        elif is_frozen(choice):
            if isinstance(sent, Mapping) and sent.get(CLASS) == choice.__name__:
                return object_of(choice, sent, where)
        elif issubclass(choice, StrEnum):
            if isinstance(sent, str) and sent in tuple(choice):
                return choice(sent)
        elif type(sent) is choice or (choice is float and type(sent) is int):
            return sent
    raise UsageError(f"{where} cannot be {sent!r:.60}")


def members_of(hint: Any, sent: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A mapping out of its form: of JSON, or of objects."""
    if hint is Any:
        return dict(copied(dict(sent)))
    return {key: value_of(hint, member, f"{where}[{key!r:.60}]") for key, member in sent.items()}
