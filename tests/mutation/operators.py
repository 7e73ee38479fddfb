"""What a mutant is: one small change of one file that a test should notice.

The operators are the usual ones: another comparison, `and` for `or`, a condition that is always or never
true, another arithmetic operator, another constant, a return of nothing, a statement left out. Not changed
are docstrings, annotations, `__all__` and `__slots__`, assertions, and the words of messages (prose is no
behaviour: what a message is about is told by its code).
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.Pow: ast.Mult,
}
UNTOUCHED = ("__all__", "__slots__")
MESSAGES = ("report", "_report")
"""Functions whose text arguments are messages. So is any text of three words and more."""

Path = tuple[tuple[str, int | None], ...]


@attrs.frozen
class Mutant:
    """One change: the node at a path of the tree becomes another."""

    module: str
    function: str
    """The qualified name of the outermost function it is in, "" outside of functions."""
    first_line: int
    """That of this function, its decorators included."""
    lines: tuple[int, int]
    """First and last line of what is changed."""
    path: Path
    replacement: ast.AST | None = attrs.field(eq=False, repr=False)
    """None: the statement is left out."""
    text: str
    """What it was and what it becomes."""
    number: int = 1
    """Which one of those that read alike in this function."""

    @property
    def name(self) -> str:
        """Says what it is, and does not change when lines move."""
        where = f"{self.module}.{self.function}" if self.function else self.module
        return f"{where}: {self.text}" + (f" #{self.number}" if self.number > 1 else "")

    def apply(self, tree: ast.Module) -> ast.Module:
        """Changes a tree of the file in place."""
        *before, (field, at) = self.path
        holder: Any = tree
        for name, position in before:
            holder = getattr(holder, name)
            holder = holder if position is None else holder[position]
        node = getattr(holder, field) if at is None else getattr(holder, field)[at]
        new = copy.deepcopy(self.replacement) if self.replacement is not None else ast.Pass()
        for child in ast.walk(new):
            if isinstance(child, (ast.expr, ast.stmt)) and not hasattr(child, "lineno"):
                ast.copy_location(child, node)
        if at is None:
            setattr(holder, field, new)
        else:
            getattr(holder, field)[at] = new
        return ast.fix_missing_locations(tree)


def mutants_of(module: str, source: str) -> list[Mutant]:
    """All mutants of a file, in the order of its text."""
    seen: Counter[tuple[str, str]] = Counter()
    made = []
    for mutant in Walk(module, source).file():
        seen[mutant.function, mutant.text] += 1
        made.append(attrs.evolve(mutant, number=seen[mutant.function, mutant.text]))
    return made


class Walk:
    """Goes through a file and finds what can be changed."""

    def __init__(self, module: str, source: str) -> None:
        self.module = module
        self.tree = ast.parse(source)
        self.function = ""
        self.first_line = 0
        self.scope: list[str] = []

    def file(self) -> Iterator[Mutant]:
        """All mutants."""
        yield from self.body(self.tree, ())

    def made(self, node: Any, path: Path, new: ast.AST | None, before: str = "") -> Mutant:
        """A mutant of a node."""
        after = "(left out)" if new is None else ast.unparse(new)
        text = f"{clipped(before or ast.unparse(node))} -> {clipped(after)}"
        lines = node.lineno, node.end_lineno or node.lineno
        return Mutant(self.module, self.function, self.first_line, lines, path, new, text)

    def body(self, holder: Any, path: Path) -> Iterator[Mutant]:
        """The statements of a block."""
        for field in ("body", "orelse", "finalbody"):
            for at, statement in enumerate(getattr(holder, field, ())):
                yield from self.statement(statement, (*path, (field, at)))
        for at, handler in enumerate(getattr(holder, "handlers", ())):
            yield from self.body(handler, (*path, ("handlers", at)))
        for at, case in enumerate(getattr(holder, "cases", ())):
            here = (*path, ("cases", at))
            yield from self.pattern(case.pattern, (*here, ("pattern", None)))
            if case.guard is not None:
                yield from self.condition(case.guard, (*here, ("guard", None)))
            yield from self.body(case, here)

    def pattern(self, node: Any, path: Path) -> Iterator[Mutant]:
        """The values of a `case`."""
        if isinstance(node, ast.MatchValue):
            yield from self.expression(node.value, (*path, ("value", None)))
        for at, inner in enumerate(getattr(node, "patterns", ())):
            yield from self.pattern(inner, (*path, ("patterns", at)))

    def statement(self, node: Any, path: Path) -> Iterator[Mutant]:
        """One statement, with what is in it."""
        match node:
            case ast.FunctionDef():
                outer = self.function, self.first_line
                self.scope.append(node.name)
                if not self.function:
                    self.function = ".".join(self.scope)
                    self.first_line = min([node.lineno, *(entry.lineno for entry in node.decorator_list)])
                yield from self.body(node, path)
                self.scope.pop()
                self.function, self.first_line = outer
                yield from self.defaults(node.args, (*path, ("args", None)))
            case ast.ClassDef():
                self.scope.append(node.name)
                yield from self.body(node, path)
                self.scope.pop()
            case ast.If() | ast.While():
                if not is_type_checking(node.test):
                    yield from self.condition(
                        node.test, (*path, ("test", None)), loop=isinstance(node, ast.While)
                    )
                    yield from self.body(node, path)
            case ast.For() | ast.With() | ast.Try() | ast.Match():
                if isinstance(node, ast.For):
                    yield from self.expression(node.iter, (*path, ("iter", None)))
                if isinstance(node, ast.Match):
                    yield from self.expression(node.subject, (*path, ("subject", None)))
                yield from self.body(node, path)
            case ast.Return() if node.value is not None:
                # No type checker takes None where a bool is returned.
                value = node.value.value if isinstance(node.value, ast.Constant) else ...
                if value is not None and value is not False:  # 0 equals False, and is another value
                    new = ast.Return(ast.Constant(None))
                    yield self.made(node, path, new)
                yield from self.expression(node.value, (*path, ("value", None)))
            case ast.Expr():
                if not isinstance(node.value, ast.Constant):
                    yield self.made(node, path, None)
                    yield from self.expression(node.value, (*path, ("value", None)))
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                yield from self.assignment(node, path)
            case ast.Break():
                yield self.made(node, path, ast.Continue())
            case ast.Continue():
                yield self.made(node, path, ast.Break())
            case ast.Delete():
                yield self.made(node, path, None)
            case ast.Raise():
                yield self.made(node, path, None)
                if node.exc is not None:
                    yield from self.expression(node.exc, (*path, ("exc", None)), message=True)

    def assignment(self, node: Any, path: Path) -> Iterator[Mutant]:
        """`=`, `+=` and the like."""
        if node.value is None:
            return
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id in UNTOUCHED for target in targets):
            return
        if isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation):
            return
        # A local name that is not set is a NameError, which proves nothing; so are names of a file.
        if not all(isinstance(target, (ast.Name, ast.Tuple)) for target in targets) or isinstance(
            node, ast.AugAssign
        ):
            yield self.made(node, path, None)
        if isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
            new = copy.copy(node)
            new.op = ARITHMETIC[type(node.op)]()
            yield self.made(node, path, new)
        yield from self.expression(node.value, (*path, ("value", None)))

    def defaults(self, arguments: ast.arguments, path: Path) -> Iterator[Mutant]:
        """The default values of parameters; they are set when the file is read."""
        for field in ("defaults", "kw_defaults"):
            for at, default in enumerate(getattr(arguments, field)):
                if default is not None:
                    yield from self.expression(default, (*path, (field, at)))

    def condition(self, node: Any, path: Path, *, loop: bool = False) -> Iterator[Mutant]:
        """What decides: always, never, and what is in it."""
        if not isinstance(node, ast.Constant):
            before = "if " + ast.unparse(node)
            if not loop:  # for ever is no behaviour
                yield self.made(node, path, ast.Constant(True), before)
            yield self.made(node, path, ast.Constant(False), before)
            yield from self.expression(node, path, decides=True)

    def expression(
        self, node: Any, path: Path, *, message: bool = False, decides: bool = False
    ) -> Iterator[Mutant]:
        """An expression, with what is in it."""
        match node:
            case ast.Constant():
                yield from self.constant(node, path, message=message)
                return
            case ast.Compare():
                for at, operator in enumerate(node.ops):
                    others = COMPARISONS[type(operator)]
                    if decides and len(others) == 1:
                        continue  # always true and always false say as much
                    for other in others:
                        new: Any = copy.copy(node)
                        new.ops = [*node.ops[:at], other(), *node.ops[at + 1 :]]
                        yield self.made(node, path, new)
            case ast.BoolOp():
                new = copy.copy(node)
                new.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
                yield self.made(node, path, new)
                for at in range(len(node.values)):
                    rest = [*node.values[:at], *node.values[at + 1 :]]
                    new = copy.copy(node)
                    new.values = rest
                    yield self.made(node, path, new if len(rest) > 1 else rest[0])
            case ast.UnaryOp(op=ast.Not()):
                yield self.made(node, path, node.operand)
            case ast.UnaryOp(op=ast.USub()):
                yield self.made(node, path, node.operand)
                return
            case ast.BinOp():
                if type(node.op) in ARITHMETIC:
                    new = copy.copy(node)
                    new.op = ARITHMETIC[type(node.op)]()
                    yield self.made(node, path, new)
            case ast.IfExp():
                yield self.made(
                    node.test, (*path, ("test", None)), ast.Constant(True), "if " + ast.unparse(node.test)
                )
                yield self.made(
                    node.test, (*path, ("test", None)), ast.Constant(False), "if " + ast.unparse(node.test)
                )
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                for at, generator in enumerate(node.generators):
                    for number, test in enumerate(generator.ifs):
                        here = (*path, ("generators", at), ("ifs", number))
                        yield self.made(test, here, ast.Constant(True), "if " + ast.unparse(test))
            case ast.Dict() if not self.function:
                for at in range(len(node.keys)):
                    new = ast.Dict(
                        node.keys[:at] + node.keys[at + 1 :], node.values[:at] + node.values[at + 1 :]
                    )
                    key = node.keys[at]
                    before = ast.unparse(node.values[at]) if key is None else ast.unparse(key)
                    yield attrs.evolve(
                        self.made(node, path, new),
                        text=f"entry {clipped(before)} -> (left out)",
                        lines=(node.values[at].lineno, node.values[at].end_lineno or 0),
                    )
            case ast.Tuple() | ast.Set() | ast.List() if not self.function and len(node.elts) > 1:
                for at in range(len(node.elts)):
                    new = copy.copy(node)
                    new.elts = node.elts[:at] + node.elts[at + 1 :]
                    yield attrs.evolve(
                        self.made(node, path, new),
                        text=f"entry {clipped(ast.unparse(node.elts[at]))} -> (left out)",
                    )
            case ast.Subscript() if not self.function:
                return  # a type
            case ast.JoinedStr() | ast.Lambda(args=ast.arguments(defaults=[_, *_])):
                return
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in MESSAGES:
                message = True
        yield from self.inside(node, path, message=message)

    def inside(self, node: Any, path: Path, *, message: bool) -> Iterator[Mutant]:
        """The expressions of which one is made."""
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "ctx", "keywords"):
                continue
            if isinstance(value, ast.expr):
                yield from self.expression(value, (*path, (field, None)), message=message)
            elif isinstance(value, list):
                for at, entry in enumerate(value):
                    if isinstance(entry, ast.expr):
                        yield from self.expression(entry, (*path, (field, at)), message=message)
                    elif isinstance(entry, ast.comprehension):
                        yield from self.inside(entry, (*path, (field, at)), message=message)
        for at, keyword in enumerate(getattr(node, "keywords", ())):
            yield from self.expression(
                keyword.value, (*path, ("keywords", at), ("value", None)), message=message
            )

    def constant(self, node: ast.Constant, path: Path, *, message: bool) -> Iterator[Mutant]:
        """A literal."""
        match node.value:
            case bool():
                yield self.made(node, path, ast.Constant(not node.value))
            case int():
                yield self.made(node, path, ast.Constant(node.value + 1))
            case float():
                yield self.made(node, path, ast.Constant(node.value + 1.0))
            case str():
                if node.value.count(" ") < (1 if message else 2):
                    yield self.made(node, path, ast.Constant("XX" if not node.value else f"XX{node.value}"))
            case bytes():
                yield self.made(node, path, ast.Constant(b"XX" + node.value))


def is_type_checking(node: ast.AST) -> bool:
    """Whether this is what only type checkers read."""
    return isinstance(node, ast.Name) and node.id == "TYPE_CHECKING"


def clipped(text: str) -> str:
    """A text on one line, shortened in its middle."""
    line = " ".join(text.split())
    return line if len(line) <= 110 else f"{line[:60]} ... {line[-45:]}"
