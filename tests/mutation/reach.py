"""Which modules are changed, and which tests reach which of their lines.

The tests run once under coverage, file by file, in a process of its own. What that finds is kept, and holds
until the code or that file of tests changes.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import coverage
import pytest
from _pytest.runner import runtestprotocol

TESTS = Path(__file__).parent.parent
ROOT = TESTS.parent
SOURCE = ROOT / "src" / "deltafold"

FOLDERS = ("arguments", "dialects", "encoding", "machine", "parsing", "wire")
"""Those whose modules are changed."""
LEFT_OUT = (
    "bridges",  # heavy imports, of SDKs
    "fuzz",
    "inspector",
    "mutation",
    "real_clients",
    "world",
    "test_benchmarks.py",
    "test_docs.py",
    "test_growth.py",  # counts the work of large inputs, for minutes
    "test_house.py",
    "test_imports.py",
    "test_packaging.py",
)
"""Tests that run other processes, or look at the text of the code: no mutant is tried on them."""
TIMED = ("::test_work_grows_with_the_text_and_no_faster", "/test_display.py::test_linear[")
"""Tests that measure time, and fail now and then on a busy machine."""


def module_names() -> tuple[str, ...]:
    """All modules of these folders, as dotted names below `deltafold`."""
    found = (path for folder in FOLDERS for path in sorted((SOURCE / folder).rglob("*.py")))
    return tuple(
        ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path in found
        if path.name != "__init__.py"
    )


MODULES = module_names()


def source_of(module: str) -> Path:
    """Where a module is written."""
    return SOURCE / (module.replace(".", "/") + ".py")


def test_files() -> list[str]:
    """The files of tests that mutants are tried on, as paths below the repository."""
    found = (path.relative_to(TESTS) for path in sorted(TESTS.rglob("test_*.py")))
    return [f"tests/{path}" for path in found if path.parts[0] not in LEFT_OUT]


def digest(paths: Sequence[Path]) -> str:
    """What tells one state of some files from others."""
    state = hashlib.sha256()
    for path in paths:
        state.update(path.read_bytes())
    return state.hexdigest()


def fails(item: pytest.Item) -> bool:
    """Whether a test fails."""
    if hasattr(item, "_initrequest"):
        item._initrequest()
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


@attrs.define
class Reach:
    """What is known of the tests, by their node ids."""

    folder: Path
    seconds: dict[str, float] = attrs.field(factory=dict)
    """How long each test takes."""
    failing: set[str] = attrs.field(factory=set)
    """Those that fail without a mutant."""
    lines: dict[str, dict[int, list[str]]] = attrs.field(factory=dict)
    """The tests that reach each line of each module."""
    weight: dict[str, dict[str, int]] = attrs.field(factory=dict)
    """How many tests of each file reach each module."""
    rank: dict[str, int] = attrs.field(factory=dict)
    """0 for the fastest case of a test, 1 for the next one, 2 for the next two, and so on."""

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return self.folder / "reached.json"

    def known(self) -> dict[str, Any]:
        """What is kept, by files of tests, of those that have not changed since."""
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        common = [*(ROOT / "src").rglob("*.py"), *(ROOT / "fixtures").rglob("*.*")]
        common += [path for path in TESTS.glob("*.py") if not path.name.startswith("test_")]
        base = digest(sorted(common))
        states = {name: base + digest([ROOT / name]) for name in test_files()}
        return {
            name: kept[name] if kept.get(name, {}).get("state") == state else {"state": state}
            for name, state in states.items()
        }

    def missing(self) -> list[str]:
        """The files of tests that have to be measured."""
        return [name for name, told in self.known().items() if "seconds" not in told]

    def load(self) -> None:
        """Reads what is kept."""
        reached: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        weight: dict[str, dict[str, int]] = defaultdict(dict)
        for name, told in self.known().items():
            tests = told["tests"]
            self.seconds |= zip(tests, told["seconds"], strict=True)
            self.failing |= {tests[place] for place in told["failing"]}
            for module, lines in told["reached"].items():
                weight[module][name] = len({place for places in lines.values() for place in places})
                for line, places in lines.items():
                    reached[module][int(line)] += [tests[place] for place in places]
        self.lines, self.weight = dict(reached), dict(weight)
        cases = defaultdict(list)
        for test in self.seconds:
            cases[test.partition("[")[0]].append(test)
        for tests in cases.values():
            tests.sort(key=self.seconds.__getitem__)
            self.rank |= {test: at.bit_length() for at, test in enumerate(tests)}

    def files_for(self, module: str) -> list[str]:
        """The files of tests that reach a module, the likeliest to notice a change of it first.

        Modules that have no functions are reached by what reaches the modules that import them.
        """
        weight = dict(self.weight.get(module, {}))
        for other in importers(module) if not weight else ():
            for name, count in self.weight.get(other, {}).items():
                weight[name] = weight.get(name, 0) + count
        cost: dict[str, float] = defaultdict(lambda: 0.5)
        for test, seconds in self.seconds.items():
            cost[test.partition("::")[0]] += seconds

        def worth(name: str) -> float:
            return weight[name] * nearness(module, name) / cost[name]

        return sorted(weight, key=worth, reverse=True)


@cache
def nearness(module: str, file: str) -> int:
    """How much a file of tests seems to be about a module, by their names."""
    near = {*module.split("."), *module.rpartition(".")[2].split("_")}
    return 1 + 4 * len(near & {*Path(file).parts[1:-1], *Path(file).stem.split("_")})


@cache
def importers(module: str) -> list[str]:
    """The modules that import from a module."""
    name = f"deltafold.{module}"
    found = []
    for other in MODULES:
        for node in ast.walk(ast.parse(source_of(other).read_text())):
            if isinstance(node, ast.ImportFrom) and (
                node.module == name or name in {f"{node.module}.{alias.name}" for alias in node.names}
            ):
                found.append(other)
                break
    return found


class Texts:
    """What the tests say: one that says a word is likelier to notice that the word has changed."""

    def __init__(self) -> None:
        self.sources: dict[Any, str] = {}
        self.fixtures = {
            f"{path.parent.name}-{path.stem}": path.read_text(errors="replace")
            for path in (ROOT / "fixtures").rglob("*.*")
        }

    def say(self, item: pytest.Item, words: Sequence[str]) -> bool:
        """Whether a test says one of some words: in its code, its parameters or its fixture."""
        function = getattr(item, "function", None)
        if function not in self.sources:
            self.sources[function] = inspect.getsource(function) if function else ""
        case = item.nodeid.partition("[")[2]
        texts = (self.sources[function], case, self.fixtures.get(case.removesuffix("]"), ""))
        return any(word in text for word in words for text in texts)


def words_of(change: str) -> list[str]:
    """The strings that a mutant changes or leaves out, and the members of enumerations."""
    before = change.partition(" -> ")[0]
    strings = [word for word in re.findall(r"'([^']+)'", before) if len(word) > 2]
    names = re.findall(r"\.([A-Z][A-Z_]{2,})", before)
    return [*strings, *names, *(name.lower() for name in names)]


class Measuring:
    """A pytest plugin that measures the tests in place of just running them."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measures file by file, and keeps each at once."""
        items: dict[str, list[pytest.Item]] = defaultdict(list)
        for item in session.items:
            items[item.nodeid.partition("::")[0]].append(item)
        known = self.reach.known()
        for name, those in sorted(items.items(), key=lambda entry: len(entry[1])):
            begin = time.process_time()
            known[name] |= measured(those)
            self.reach.path.write_text(json.dumps(known))
            took = time.process_time() - begin
            print(f"{name}: {len(those)} tests, {took:.0f} s", file=sys.__stderr__, flush=True)
        return True


def measured(items: list[pytest.Item]) -> dict[str, Any]:
    """How long these tests take, and which of them, by their places, reach which lines."""
    files = {str(source_of(module)): module for module in MODULES}
    measure = coverage.Coverage(data_file=None, config_file=False, include=list(files))
    tests, seconds, failing = [], [], set()
    measure.start()
    for place, item in enumerate(items):
        measure.switch_context(str(place))
        begin = time.process_time()
        if fails(item) or any(name in item.nodeid for name in TIMED):
            failing.add(place)
            print(f"left out: {item.nodeid}", file=sys.__stderr__, flush=True)
        tests.append(item.nodeid)
        seconds.append(round(time.process_time() - begin, 4))
    measure.stop()
    with warnings.catch_warnings(action="ignore"):  # some tests reach none of these files
        data = measure.get_data()
    reached = {}
    for path, module in files.items():
        lines = {
            line: sorted({int(context) for context in contexts if context} - failing)
            for line, contexts in data.contexts_by_lineno(path).items()
        }
        reached[module] = {line: places for line, places in lines.items() if places}
    return {
        "tests": tests,
        "failing": sorted(failing),
        "seconds": seconds,
        "reached": {module: lines for module, lines in reached.items() if lines},
    }
