"""Mutation testing of the core: does a test fail for every small change of the code?

    pip install -e '.[test]'
    python tests/mutation/run.py                       # a sample of 150 mutants of each module
    python tests/mutation/run.py --all --module sse    # all of one module

The tests run once under coverage, to know which of them reach which line. Then each mutant gets a process of
its own, forked with everything imported and collected, in which the changed function takes the place of the
old one, and the tests that reach it run, the fastest first, until one fails. A mutant of what runs when a
file is imported (tables, defaults) gets a fresh interpreter instead. A mutant that no test can tell from the
original has survived; `survivors.toml` says of each one why. Exits with 1 where one has no reason there.
"""

from __future__ import annotations

import argparse
import ast
import gc
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import time
import tomllib
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import attrs
import coverage
import pytest
from _pytest.runner import runtestprotocol

TESTS = Path(__file__).parent.parent
ROOT = TESTS.parent
sys.path[:0] = [str(TESTS)]

from mutation.operators import Mutant, mutants_of  # noqa: E402

MODULES = (
    "wire.blocks",
    "wire.json_text",
    "machine.lifecycle",
    "machine.values",
    "machine.records",
    "machine.fold",
    "machine.evidence",
    "arguments.lifted_calls",
    "dialects.base",
    "dialects.chat.think_tags",
    "dialects.chat.table",
    "dialects.chat.reasoning_details",
    "dialects.chat.usage",
    "dialects.chat.audio",
    "dialects.chat.state",
    "dialects.chat.call_arguments",
    "dialects.chat.calls",
    "dialects.chat.texts",
    "dialects.chat.reasoning",
    "dialects.chat.content",
    "dialects.chat.ending",
    "dialects.chat.choices",
    "dialects.chat.reader",
    "dialects.responses.identity",
    "dialects.responses.items",
    "dialects.responses.values",
    "dialects.responses.reader",
)
SURVIVORS = Path(__file__).with_name("survivors.toml")
OWN_TESTS = {
    "wire.blocks": ("wire/test_sse",),
    "wire.json_text": ("wire/test_json_text",),
    "machine.lifecycle": ("machine/test_lifecycle",),
    "machine.values": ("parsing/test_any_order",),
    "machine.records": (
        "dialects/test_responses",
        "dialects/test_chat",
        "test_regressions",
        "model/test_response",
    ),
    "machine.evidence": (
        "dialects/test_responses",
        "dialects/test_chat",
        "test_regressions",
        "model/test_response",
    ),
    "machine.fold": (
        "dialects/test_responses",
        "dialects/test_chat",
        "test_regressions",
        "model/test_response",
    ),
    "dialects.base": ("arguments/test_lifted_calls", "dialects/test_chat", "dialects/test_responses"),
    "arguments.lifted_calls": ("arguments/test_lifted_calls",),
    "dialects.chat.think_tags": ("dialects/test_think_tags",),
    **dict.fromkeys(
        [name for name in MODULES if name.startswith("dialects.chat.") and not name.endswith("think_tags")],
        ("dialects/test_chat", "dialects/test_chat_finish", "test_fixtures", "test_regressions"),
    ),
    **dict.fromkeys(
        [f"dialects.responses.{name}" for name in ("identity", "items", "values", "reader")],
        ("dialects/test_responses", "test_fixtures", "test_regressions"),
    ),
}
"""Tests that are tried first where a fresh interpreter is needed."""
KILLED, SURVIVED, TIMEOUT = "killed", "survived", "timeout"
MEMORY = 6 << 30
LONG = 60
"""Seconds that tests may take for one mutant, if all of them are to run in a fresh interpreter."""
PYTEST = [
    "-q",
    "-p",
    "no:cacheprovider",
    "--hypothesis-profile=mutants",
    "--assert=plain",
    "--tb=no",
    "--no-header",
]


TIMED = "tests/arguments/test_lifter.py::test_work_grows_with_the_text_and_no_faster"
"""A test that measures time, and fails now and then on a busy machine."""


def source_of(module: str) -> Path:
    """Where a module is written."""
    return ROOT / "src" / "deltafold" / (module.replace(".", "/") + ".py")


def chosen(modules: Sequence[str], sample: int) -> list[Mutant]:
    """The mutants to run: of each module so many, the same ones each time. 0 is all."""
    made = []
    for module in modules:
        found = mutants_of(module, source_of(module).read_text())
        if sample:
            found.sort(key=lambda mutant: hashlib.sha256(mutant.name.encode()).digest())
            found = sorted(found[:sample], key=lambda mutant: mutant.lines)
        made += found
    return made


def compiled(mutant: Mutant) -> CodeType:
    """The file with the mutant in it."""
    path = source_of(mutant.module)
    code: CodeType = compile(mutant.apply(ast.parse(path.read_text())), str(path), "exec")
    return code


class Profile:
    """A pytest plugin: Hypothesis gives the same examples each time, and makes none that failed smaller."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        """Before Hypothesis looks for the profile."""
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            "mutants",
            max_examples=60,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )


# ------------------------------------------------------------------------------------ what runs at import


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one file with a mutant in it."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.name = f"deltafold.{mutant.module}"

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Only for that one."""
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, source_of(self.mutant.module), loader=self)

    def exec_module(self, module: ModuleType) -> None:
        """Runs the changed file."""
        exec(compiled(self.mutant), vars(module))


def run_fresh(mutant: Mutant, budget: float) -> tuple[str, str]:
    """What becomes of a mutant in an interpreter of its own, and what killed it."""
    own = [f"tests/{name}.py" for name in OWN_TESTS[mutant.module]]
    rest = sorted(
        (str(path.relative_to(ROOT)) for path in TESTS.glob("test_*.py")),
        key=lambda name: (ROOT / name).stat().st_size,
    )
    seconds = 900  # of all tests, on a busy machine
    for files in (own, [name for name in rest if name not in own]):
        if files is not own and budget < LONG:
            return SURVIVED, "out_of_budget"
        child = subprocess.run(
            [sys.executable, __file__, "--fresh", mutant.name, *files],
            cwd=ROOT,
            capture_output=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5)),
            check=False,
        )
        if child.returncode < 0:
            return TIMEOUT, files[0]
        if child.returncode:
            failed = [
                line for line in child.stdout.decode().splitlines() if line.startswith(("FAILED", "ERROR"))
            ]
            return KILLED, failed[0][:150] if failed else "import"
    return SURVIVED, "all_tests"


def fresh(name: str, files: list[str]) -> int:
    """The child's side of it."""
    mutant = next(
        m for m in mutants_of(name_of(name), source_of(name_of(name)).read_text()) if m.name == name
    )
    sys.meta_path.insert(0, Mutated(mutant))
    return int(pytest.main([*PYTEST, "-x", "--deselect", TIMED, *files], plugins=[Profile()]))


def name_of(mutant: str) -> str:
    """The module of a mutant's name."""
    return max((module for module in MODULES if mutant.startswith(module)), key=len)


# ----------------------------------------------------------------------------------- what runs in functions


@attrs.define
class Runner:
    """A pytest plugin that runs mutants in place of the tests."""

    mutants: list[Mutant]
    budget: float
    results: Results
    items: list[pytest.Item] = attrs.field(factory=list)
    seconds: list[float] = attrs.field(factory=list)
    reached: dict[str, dict[int, list[int]]] = attrs.field(factory=dict)
    functions: dict[tuple[str, str, int], list[FunctionType]] = attrs.field(factory=dict)
    killers: dict[tuple[str, str], Counter[int]] = attrs.field(factory=lambda: defaultdict(Counter))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of the tests."""
        self.items = session.items
        self.learn()
        for function in gc.get_objects():
            if isinstance(function, FunctionType):
                code = function.__code__
                key = (code.co_filename, code.co_qualname, code.co_firstlineno)
                self.functions.setdefault(key, []).append(function)
        for mutant in self.mutants:
            begin = time.monotonic()
            outcome, killer = self.run(mutant)
            self.results.add(mutant, outcome, killer, time.monotonic() - begin)
        return True

    # ------------------------------------------------------------------------------------ what reaches what

    def learn(self) -> None:
        """Which tests reach which lines, and how long they take. Kept until a file that matters changes."""
        kept = self.results.folder / "reached.json"
        known = json.loads(kept.read_text()) if kept.exists() else {}
        common = [*(ROOT / "src").rglob("*.py"), *(ROOT / "fixtures").rglob("*.*")]
        common += [path for path in TESTS.glob("*.py") if not path.name.startswith("test_")]
        files: dict[Path, list[int]] = {}
        for number, item in enumerate(self.items):
            files.setdefault(item.path, []).append(number)
        self.seconds = [0.0] * len(self.items)
        for path, numbers in files.items():
            state = digest([*sorted(common), path])
            told = known.get(path.name)
            if told is None or told["state"] != state or len(told["seconds"]) != len(numbers):
                told = known[path.name] = {"state": state, **self.measured(numbers)}
                kept.write_text(json.dumps(known))
            for number, seconds in zip(numbers, told["seconds"], strict=True):
                self.seconds[number] = seconds
            for module, lines in told["reached"].items():
                for line, places in lines.items():
                    found = self.reached.setdefault(module, {}).setdefault(int(line), [])
                    found += [numbers[place] for place in places]

    def measured(self, numbers: list[int]) -> dict[str, Any]:
        """How long these tests take, and which of them, by their places, reach which lines."""
        files = {str(source_of(module)): module for module in MODULES}
        measure = coverage.Coverage(data_file=None, config_file=False, include=list(files))
        measure.start()
        seconds = []
        failing = set()
        for place, number in enumerate(numbers):
            item = self.items[number]
            measure.switch_context(str(place))
            begin = time.process_time()
            failed = fails(item)
            seconds.append(time.process_time() - begin)
            if failed:
                failing.add(place)
                print(
                    f"left out, for it fails without a mutant: {item.nodeid}", file=sys.__stderr__, flush=True
                )
        measure.stop()
        with warnings.catch_warnings(action="ignore"):  # some tests reach none of these files
            data = measure.get_data()
        reached = {
            module: {
                line: sorted({int(context) for context in contexts if context} - failing)
                for line, contexts in data.contexts_by_lineno(path).items()
            }
            for path, module in files.items()
        }
        return {"seconds": seconds, "reached": reached}

    def tests_of(self, mutant: Mutant) -> list[int]:
        """The tests that reach a mutant: what killed its neighbours first, then the fastest."""
        lines = self.reached[mutant.module]
        found = {test for line in range(mutant.lines[0], mutant.lines[1] + 1) for test in lines.get(line, ())}
        killers = self.killers[mutant.module, mutant.function]
        return sorted(found, key=lambda test: (-killers[test], self.seconds[test], test))

    # ------------------------------------------------------------------------------------------ one mutant

    def run(self, mutant: Mutant) -> tuple[str, str]:
        """What becomes of a mutant, and which test killed it."""
        tests = self.tests_of(mutant)
        if not mutant.function or not tests:
            return run_fresh(mutant, self.budget)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            self.child(mutant, tests, writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read().split()
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            return TIMEOUT, self.items[int(said[-1])].nodeid if said else ""
        if os.WEXITSTATUS(status) == 0:
            return SURVIVED, said[-1]
        if said and said[-1].isdigit():
            self.killers[mutant.module, mutant.function][int(said[-1])] += 1
            return KILLED, self.items[int(said[-1])].nodeid
        return KILLED, " ".join(said)

    def child(self, mutant: Mutant, tests: list[int], writing: int) -> None:
        """In a process of its own: swaps the function, and runs tests until one fails."""
        status = 2
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            self.swap(mutant)
            status = 0
            left = self.budget
            for test in tests:
                if left < 0:
                    os.write(writing, b"out_of_budget ")
                    break
                os.write(writing, f"{test} ".encode())
                left -= self.seconds[test]
                signal.setitimer(signal.ITIMER_PROF, 4 + 10 * self.seconds[test])
                if fails(self.items[test]):
                    status = 1
                    break
            else:
                os.write(writing, b"all_tests ")
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(status)

    def swap(self, mutant: Mutant) -> None:
        """Puts the changed function in the place of the old one, wherever that is held."""
        key = (str(source_of(mutant.module)), mutant.function, mutant.first_line)
        new = next(
            code
            for code in codes(compiled(mutant))
            if (code.co_qualname, code.co_firstlineno) == (mutant.function, mutant.first_line)
        )
        for function in self.functions[key]:
            function.__code__ = new


def codes(code: CodeType) -> Iterator[CodeType]:
    """The code of all functions in a file."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            yield from codes(inner)


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


# --------------------------------------------------------------------------------------------------- results


@attrs.define
class Results:
    """What became of the mutants, in a file that a later run goes on from."""

    folder: Path
    found: dict[str, dict[str, Any]] = attrs.field(factory=dict)

    @property
    def path(self) -> Path:
        """One line for each."""
        return self.folder / "results.jsonl"

    def load(self) -> None:
        """What an earlier run found."""
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                told = json.loads(line)
                self.found[told["mutant"]] = told

    def add(self, mutant: Mutant, outcome: str, killer: str, seconds: float) -> None:
        """One more."""
        told = {"mutant": mutant.name, "line": mutant.lines[0], "outcome": outcome, "killer": killer}
        told["seconds"] = round(seconds, 2)
        self.found[mutant.name] = told
        with self.path.open("a") as file:
            file.write(json.dumps(told, ensure_ascii=False) + "\n")
        if outcome == SURVIVED:
            print(
                f"survived ({killer}): {mutant.name} (line {mutant.lines[0]})",
                file=sys.__stderr__,
                flush=True,
            )

    def report(self, mutants: list[Mutant], reasons: dict[str, str]) -> int:
        """The score of each module, and the survivors that nobody has explained."""
        unexplained = []
        total: Counter[str] = Counter()
        for module in dict.fromkeys(mutant.module for mutant in mutants):
            count: Counter[str] = Counter()
            for mutant in mutants:
                if mutant.module != module or mutant.name not in self.found:
                    continue
                outcome = self.found[mutant.name]["outcome"]
                reason = reasons.get(mutant.name, "")
                count[outcome] += 1
                count["equivalent"] += outcome == SURVIVED and reason.startswith("equivalent")
                if outcome == SURVIVED and not reason:
                    unexplained.append(mutant)
            print(score(module, count))
            total += count
        print(score("all", total))
        for mutant in unexplained:
            print(f"not explained: {mutant.name} (line {mutant.lines[0]})")
        return 1 if unexplained else 0


def score(name: str, count: Counter[str]) -> str:
    """One line of figures."""
    killed, lost = count[KILLED] + count[TIMEOUT], count[SURVIVED]
    every = killed + lost
    if not every:
        return f"{name}: nothing run"
    real = every - count["equivalent"]
    return (
        f"{name}: {every} mutants, {killed} killed ({count[TIMEOUT]} by time), {lost} survived "
        f"({count['equivalent']} equivalent): {100 * killed / every:.1f} %, "
        f"{100 * killed / max(real, 1):.1f} % of those that differ"
    )


def main() -> int:
    """Runs what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--module", action="append", choices=MODULES, help="only this one; may be repeated")
    parser.add_argument("--sample", type=int, default=150, help="mutants of each module")
    parser.add_argument("--all", action="store_true", help="all mutants")
    parser.add_argument("--budget", type=float, default=120, help="seconds of tests for one mutant")
    parser.add_argument(
        "--folder", type=Path, default=Path(".mutation"), help="for what a later run goes on from"
    )
    parser.add_argument("--again", action="store_true", help="run those again that survived without a reason")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--fresh", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fresh:
        return fresh(given.fresh[0], given.fresh[1:])
    given.folder.mkdir(parents=True, exist_ok=True)
    results = Results(given.folder)
    results.load()
    mutants = chosen(given.module or MODULES, 0 if given.all else given.sample)
    reasons = tomllib.loads(SURVIVORS.read_text())
    due = [m for m in mutants if m.name not in results.found]
    if given.again:
        lived = [m for m in mutants if results.found.get(m.name, {}).get("outcome") == SURVIVED]
        due += [m for m in lived if m.name not in reasons]
    due.sort(key=lambda mutant: not mutant.function)  # those that need an interpreter of their own last
    if due and not given.report:
        os.chdir(ROOT)
        pytest.main(
            [*PYTEST, "--capture=no", "tests"], plugins=[Profile(), Runner(due, given.budget, results)]
        )
    return results.report(mutants, reasons)


if __name__ == "__main__":
    sys.exit(main())
