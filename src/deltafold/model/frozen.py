"""Immutable classes of data, as `attrs.frozen` makes them, but made cheaply.

attrs writes the methods of each class as source text and compiles them. For the classes of this library, and
those that attrs itself has, that took two thirds of the time of `import deltafold`. Here a class gets slots,
and methods that all classes share; its constructor is written once an object of the class is made.

To everybody else they are classes of attrs. Type checkers take `frozen`, `field` and `evolve` for those of
attrs; `attrs.fields()`, `attrs.evolve()`, `attrs.asdict()` and whatever builds upon these work, for attrs is
asked once somebody asks for what it knows of a class. Only what is used here of attrs' parameters is there.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeAlias, TypeVar

__all__ = ["Field", "draft_of", "evolve", "field", "fields_of", "frozen", "is_frozen", "maker_of"]

try:
    from deltafold._speedups import Maker
except ImportError:  # a package that is not compiled
    Maker = None  # type: ignore[assignment, misc]

P = ParamSpec("P")
T = TypeVar("T")
Values: TypeAlias = Callable[[object], tuple[Any, ...]]
"""What gives the values of some fields of an object."""

FIELDS: Final = "__deltafold_fields__"
"""The attribute of a class that holds its fields."""

COMPARED: Final[dict[type, Values]] = {}
HASHED: Final[dict[type, Values]] = {}
"""By class, for those of which an object was compared or hashed."""


class Required:
    """Stands for the default of a field that has none."""


class Referable:
    """What weak references may point to. (A slot for that in each class would be in the way of drafts.)"""

    __slots__ = ("__weakref__",)


class Field:
    """A field of a class, as `attrs.field()` describes it."""

    __slots__ = ("converter", "default", "eq", "factory", "hash", "kw_only", "name", "repr", "validator")

    def __init__(
        self,
        *,
        default: Any = Required,
        factory: Callable[[], Any] | None = None,
        repr: bool | Callable[[Any], str] = True,
        eq: bool = True,
        hash: bool | None = None,
        kw_only: bool = False,
        converter: Callable[[Any], Any] | None = None,
        validator: Callable[[Any, Any, Any], object] | None = None,
    ) -> None:
        self.name = ""
        self.default = default
        self.factory = factory
        self.repr = repr
        self.eq = eq
        self.hash = eq if hash is None else hash
        self.kw_only = kw_only
        self.converter = converter
        self.validator = validator

    @property
    def is_required(self) -> bool:
        """Whether it has no default."""
        return self.default is Required and self.factory is None


class Late:
    """An attribute of a class that is made when it is first asked for."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self.make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, instance: object, owner: type) -> Any:
        made = self.make(self.owner)
        setattr(self.owner, self.name, made)
        return made if instance is None else made.__get__(instance, owner)


def frozen_class(cls: type | None = None, /, *, kw_only: bool = False, weakref_slot: bool = True) -> Any:
    """A decorator: the class with slots for its annotated fields, and with the methods of data."""
    if cls is None:
        return lambda cls: frozen_class(cls, kw_only=kw_only, weakref_slot=weakref_slot)
    namespace = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    fields = []
    for name in cls.__annotations__:
        value = namespace.pop(name, Required)
        one = value if isinstance(value, Field) else Field(default=value)
        one.name = name
        one.kw_only = one.kw_only or kw_only
        fields.append(one)
    names = tuple([one.name for one in fields])
    late = {"__init__": Late(constructor_of), "__attrs_attrs__": Late(known_to_attrs)}
    ours = {
        FIELDS: tuple(fields),
        "__slots__": names,
        "__match_args__": tuple([one.name for one in fields if not one.kw_only]),
        "__qualname__": cls.__qualname__,
    }
    bases = tuple([base for base in cls.__bases__ if base is not object])
    if weakref_slot:
        bases = (Referable, *bases)
    return type(cls)(cls.__name__, bases, METHODS | late | namespace | ours)


def constructor_of(cls: Any) -> Any:
    """The `__init__` of a class: as attrs does it, written out, for that is what is called most."""
    setters = {f"_set_{one.name}": vars(cls)[one.name].__set__ for one in fields_of(cls)}
    lines = [f" _set_{name}(self, {value})" for name, value in values_in_constructor(cls)]
    if needs_check(cls):
        lines.append(" _check(self)")
    made = written_function(cls, "__init__", ["self"], [*lines, " return"], setters)
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = {**cls.__annotations__, "return": None}
    return made


def draft_of(cls: Any) -> Any:
    """A class with the slots of a frozen one. Its objects can be changed, until they are given that class."""
    return type(cls)(f"{cls.__name__}Draft", cls.__bases__, {"__slots__": cls.__slots__})


def maker_of(kind: Callable[P, T]) -> Callable[P, T]:
    """What makes objects of a class as the class itself does, in half the time.

    In a compiled package that is C. Elsewhere it fills the slots of a draft, and then gives it its class.
    """
    cls: Any = kind
    made: Callable[P, T]
    if Maker is not None:
        fields = sorted(fields_of(cls), key=lambda one: one.kw_only)
        names, defaults = tuple([one.name for one in fields]), tuple([default_of(one) for one in fields])
        by_position = len(cls.__match_args__)
        in_c: Any = Maker(cls, names, defaults, by_position, check if needs_check(cls) else None)
        made = in_c
        return made
    lines = [f" made.{name} = {value}" for name, value in values_in_constructor(cls)]
    lines = [" made = _draft()", *lines, " made.__class__ = _kind"]
    if needs_check(cls):
        lines.append(" _check(made)")
    more = {"_draft": draft_of(cls), "_kind": cls}
    made = written_function(cls, f"make_{cls.__name__}", [], [*lines, " return made"], more)
    return made


def default_of(one: Field) -> tuple[Any, ...]:
    """The default of a field; behind None its factory; nothing where it is required."""
    if one.factory is not None:
        return None, one.factory
    return () if one.is_required else (one.default,)


def values_in_constructor(cls: Any) -> list[tuple[str, str]]:
    """The fields of a class, and what each is set to, as Python text."""
    found = []
    for one in fields_of(cls):
        made = f"_make_{one.name}() if {one.name} is _Required else {one.name}"
        found.append((one.name, made if one.factory else one.name))
    return found


def needs_check(cls: Any) -> bool:
    """Whether values of a class are converted or validated."""
    return any(one.validator or one.converter for one in fields_of(cls))


def written_function(cls: Any, name: str, first: list[str], lines: list[str], more: dict[str, Any]) -> Any:
    """A function that takes what the constructor of a class takes, behind what comes `first`."""
    known: dict[str, Any] = {"__name__": cls.__module__, "_Required": Required, "_check": check, **more}
    by_position, by_keyword = [*first], ["*"]
    for one in fields_of(cls):
        known |= {f"_make_{one.name}": one.factory, f"_{one.name}_default": one.default}
        parameter = one.name if one.is_required else f"{one.name}=_{one.name}_default"
        (by_keyword if one.kw_only else by_position).append(parameter)
    parameters = by_position + (by_keyword if len(by_keyword) > 1 else [])
    exec("\n".join([f"def {name}({', '.join(parameters)}):", *lines]), known)
    return known[name]


def check(made: Any) -> None:
    """Converts and validates the values of an object that has just been made."""
    for one in fields_of(type(made)):
        if one.converter is not None:
            set_anyway(made, one.name, one.converter(getattr(made, one.name)))
    for one in fields_of(type(made)):
        if one.validator is not None:
            one.validator(made, one, getattr(made, one.name))


def known_to_attrs(cls: Any) -> Any:
    """What attrs knows of a class, once the class has been described to it."""
    import attrs

    described = {}
    for one in fields_of(cls):
        default = attrs.Factory(one.factory) if one.factory is not None else one.default
        described[one.name] = attrs.field(
            default=attrs.NOTHING if one.is_required else default,
            repr=one.repr,
            eq=one.eq,
            hash=one.hash,
            kw_only=one.kw_only,
            converter=one.converter,
            validator=one.validator,
            type=cls.__annotations__[one.name],
        )
    twin: Any = attrs.make_class(cls.__name__, described)
    return twin.__attrs_attrs__


# ------------------------------------------------------------------------- the methods that all classes have


set_anyway: Final = object.__setattr__


@recursive_repr()
def shown(self: Any) -> str:
    kind = type(self)
    values = ", ".join(
        f"{one.name}={(repr if one.repr is True else one.repr)(getattr(self, one.name))}"
        for one in fields_of(kind)
        if one.repr
    )
    return f"{kind.__qualname__.rsplit('>.', 1)[-1]}({values})"


def equal(self: Any, other: object) -> Any:
    kind = type(self)
    if type(other) is not kind:
        return NotImplemented
    values = COMPARED.get(kind)
    if values is None:
        values = COMPARED[kind] = values_of([one.name for one in fields_of(kind) if one.eq])
    return values(self) == values(other)


def hashed(self: Any) -> int:
    kind = type(self)
    values = HASHED.get(kind)
    if values is None:
        values = HASHED[kind] = values_of([one.name for one in fields_of(kind) if one.hash])
    return hash((kind, *values(self)))


def values_of(names: list[str]) -> Values:
    """What gives the values of these fields as a tuple."""
    if not names:
        return lambda value: ()
    # Of one name alone it would give the value itself.
    return attrgetter(*names, names[0])


def refuse(self: Any, name: str, value: object = None) -> None:
    from attrs.exceptions import FrozenInstanceError

    raise FrozenInstanceError


def state_of(self: Any) -> dict[str, Any]:
    return {one.name: getattr(self, one.name) for one in fields_of(type(self))}


def set_state(self: Any, state: dict[str, Any]) -> None:
    for name, value in state.items():
        set_anyway(self, name, value)


def evolved(self: Any, /, **changes: Any) -> Any:
    """A copy of an object, with other values in some fields."""
    return type(self)(**{**state_of(self), **changes})


METHODS: Final[dict[str, Any]] = {
    "__repr__": shown,
    "__eq__": equal,
    "__hash__": hashed,
    "__setattr__": refuse,
    "__delattr__": refuse,
    "__getstate__": state_of,
    "__setstate__": set_state,
    "__replace__": evolved,
}


def is_frozen(kind: type) -> bool:
    """Whether it is such a class."""
    return hasattr(kind, FIELDS)


def fields_of(kind: type) -> tuple[Field, ...]:
    """The fields of such a class, in their order."""
    found: tuple[Field, ...] = getattr(kind, FIELDS)
    return found


if TYPE_CHECKING:
    from attrs import evolve, field, frozen
else:
    evolve, field, frozen = evolved, Field, frozen_class
