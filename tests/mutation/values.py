"""Mutants of values that are set when a file is imported: which of them can be put in place afterwards.

Most are entries of tables and defaults of parameters. Where nothing else was made from such a value during
the import, giving it its changed form later comes to the same as importing the changed file, and takes no
interpreter of its own.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from types import FunctionType
from typing import Any

from mutation.operators import Mutant
from mutation.reach import SOURCE, TESTS, source_of


def used_at_import(tree: ast.AST) -> Iterator[str]:
    """Names that a file reads while it is imported. The bodies of functions run later."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            continue
        if isinstance(child, (ast.FunctionDef, ast.Lambda)):
            yield from used_at_import(child.args)
            for decorator in getattr(child, "decorator_list", ()):
                yield from used_at_import(ast.Expression(decorator))
            continue
        if isinstance(child, ast.arg):
            continue  # annotations are not evaluated
        if isinstance(child, ast.AnnAssign):
            if child.value is not None:
                yield from used_at_import(ast.Expression(child.value))
            continue
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load):
            yield child.id
        if isinstance(child, ast.Attribute):
            yield child.attr
        yield from used_at_import(child)


@cache
def fixed() -> tuple[frozenset[str], frozenset[str]]:
    """All names that any file of the library reads during its import, and all that the tests name."""
    names: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        names.update(used_at_import(tree))
        # A name that is imported under another one, and read under that.
        names.update(
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if alias.asname and alias.asname in names
        )
    named: set[str] = set()
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                    named.add(name)
    return frozenset(names), frozenset(named)


def statement_of(mutant: Mutant, tree: ast.AST) -> tuple[Any, int]:
    """The outermost assignment or function that a mutant is in, and how far down its path that is."""
    node: Any = tree
    for depth, (field, at) in enumerate(mutant.path, 1):
        node = getattr(node, field) if at is None else getattr(node, field)[at]
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.FunctionDef)):
            return node, depth
    return None, 0


def line_of_function(mutant: Mutant) -> int:
    """The first line of the function of which a mutant changes a default; 0 where it changes none."""
    node = statement_of(mutant, ast.parse(source_of(mutant.module).read_text()))[0]
    return first_line(node) if isinstance(node, ast.FunctionDef) else 0


def first_line(node: ast.FunctionDef) -> int:
    """That of a function, its decorators included."""
    return min([node.lineno, *(entry.lineno for entry in node.decorator_list)])


def can_be_set(mutant: Mutant) -> bool:
    """Whether the changed value can be put in the place of the old one when everything is imported."""
    node, depth = statement_of(mutant, ast.parse(source_of(mutant.module).read_text()))
    if isinstance(node, ast.FunctionDef):
        return mutant.path[depth][0] == "args"
    name = name_set(node)
    if name is None or depth != 1:
        return False
    names, named = fixed()
    return name not in names and name not in named


def is_called_at_import(mutant: Mutant) -> bool:
    """Whether a function may have done its work during the import: it, or its class, is named there."""
    return mutant.function.partition(".")[0] in fixed()[0]


def name_set(node: ast.AST) -> str | None:
    """The one name that a statement sets."""
    targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None


def set_value(mutant: Mutant, functions: list[FunctionType]) -> None:
    """Puts it there, in all modules that have imported it too, or as the default of these functions."""
    path = str(source_of(mutant.module))
    node = statement_of(mutant, mutant.apply(ast.parse(source_of(mutant.module).read_text())))[0]
    held = vars(sys.modules[f"deltafold.{mutant.module}"])
    if isinstance(node, ast.FunctionDef):

        def value(of: ast.expr) -> Any:
            return eval(compile(ast.Expression(of), path, "eval"), dict(held))

        defaults = tuple(value(default) for default in node.args.defaults)
        keywords = {
            argument.arg: value(default)
            for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if default is not None
        }
        for function in functions:
            function.__defaults__ = defaults or None
            function.__kwdefaults__ = keywords or None
        return
    name = name_set(node)
    assert name is not None
    made = dict(held)
    exec(compile(ast.Module([node], []), path, "exec"), made)
    old, new = held[name], made[name]
    held[name] = new
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("deltafold"):
            names = vars(module)
            for other in aliases(module.__name__, mutant.module, name):
                if names.get(other) is old:
                    names[other] = new


@cache
def imports() -> dict[tuple[str, str, str], list[str]]:
    """By the importing module, the module and the name there: the names under which it is imported."""
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for path in SOURCE.rglob("*.py"):
        importing = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        importing = importing.removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    key = (importing, node.module.removeprefix("deltafold."), alias.name)
                    found[key].append(alias.asname or alias.name)
    return dict(found)


def aliases(importing: str, module: str, name: str) -> list[str]:
    """The names under which a module holds the value of another one."""
    return imports().get((importing, module, name), [])
