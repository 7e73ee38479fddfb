"""Mutation testing of the core: does a test fail for every small change of the code?

    pip install -e '.[test]'
    python tests/mutation/run.py                        # 25 mutants of each module
    python tests/mutation/run.py --sample 100           # and 75 more of each
    python tests/mutation/run.py --all --module wire    # all of a folder, or of one module
    python tests/mutation/run.py --all --report         # runs nothing: the figures, and who survived

It can be stopped at any time, and goes on where it was. It takes as many mutants of one module as of another,
so what has run when it is stopped is a sample of all.

First it learns which tests reach which line (`reach.py`). Then each mutant gets a process of its own, forked
with everything imported and collected, in which the changed function takes the place of the old one, and the
tests that reach it run, the likeliest and fastest first, until one fails or the budget is spent. Values that
are set when a file is imported are put in place too (`values.py`) where nothing was made from them yet;
otherwise the changed file is imported into a process in which the library is not imported yet. A mutant that
no test can tell from the original has survived; `survivors.toml` says of each one why. Exits with 1 where one
has no reason there.
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
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import attrs
import pytest

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent.parent / "src")]

from mutation.operators import Mutant, mutants_of  # noqa: E402
from mutation.reach import (  # noqa: E402
    FOLDERS,
    MODULES,
    ROOT,
    Measuring,
    Reach,
    Texts,
    fails,
    nearness,
    source_of,
    test_files,
    words_of,
)
from mutation.values import can_be_set, is_called_at_import, line_of_function, set_value  # noqa: E402

SURVIVORS = Path(__file__).with_name("survivors.toml")
KILLED, SURVIVED, TIMEOUT = "killed", "survived", "timeout"
MEMORY = 4 << 30
PATIENCE = 3
"""Seconds that a test may take beyond ten times what it takes without a mutant."""
PYTEST = [
    "-q",
    "-m",
    "",
    "-p",
    "no:cacheprovider",
    "--hypothesis-profile=mutants",
    "--assert=plain",
    "--tb=no",
    "--no-header",
    "--capture=no",
]


def of_module(module: str) -> list[Mutant]:
    """All mutants of a module, in an order that is the same each time and has nothing to do with the text."""
    found = mutants_of(module, source_of(module).read_text())
    return sorted(found, key=lambda mutant: hashlib.sha256(mutant.name.encode()).digest())


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
            max_examples=40,  # as in the default run of the tests
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )


def warm_up() -> None:
    """Has Hypothesis load what it needs once, and not in each process again."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    @settings(max_examples=5, database=None)
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        for strategy in (st.text(), st.binary(), st.floats(), st.recursive(st.integers(), st.lists)):
            data.draw(strategy)

    draw()


def in_fork(work: Any) -> tuple[int, list[str]]:
    """Runs something in a process of its own: its wait status, and the words it has written."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 2
        try:
            os.close(reading)
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            status = work(writing)
        except BaseException as error:
            os.write(writing, f"error {error!r}\n".encode())
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read().splitlines()
    return os.waitpid(child, 0)[1], said


def outcome_of(status: int, said: list[str]) -> tuple[str, str]:
    """What became of a mutant, and the test that was the last to run."""
    last = said[-1] if said else ""
    if os.WIFSIGNALED(status):
        return TIMEOUT, last
    return (SURVIVED if os.WEXITSTATUS(status) == 0 else KILLED), last


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


@attrs.define
class Some:
    """A pytest plugin that runs some of the collected tests, and those that only the mutant has."""

    reach: Reach
    words: Sequence[str]
    texts: Texts
    end: float
    writing: int
    failed: bool = False

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of the tests."""

        def place(item: pytest.Item) -> tuple[bool, float]:
            return not self.texts.say(item, self.words), self.reach.seconds.get(item.nodeid, 0)

        for item in sorted(session.items, key=place):
            seconds = self.reach.seconds.get(item.nodeid, 0)
            if item.nodeid in self.reach.failing:
                continue
            if time.process_time() > self.end:
                break
            os.write(self.writing, f"{item.nodeid}\n".encode())
            signal.setitimer(signal.ITIMER_PROF, PATIENCE + 10 * seconds)
            if fails(item):
                self.failed = True
                break
        return True


def serve(folder: Path) -> int:
    """A process that has not imported the library: reads mutants, and answers with what became of them."""
    import hypothesis  # noqa: F401 - no strategy may be drawn from before pytest has loaded its plugin

    reach = Reach(folder)
    reach.load()
    gc.collect()
    gc.freeze()
    mutants: dict[str, dict[str, Mutant]] = {}
    files_for: dict[str, list[str]] = {}
    texts = Texts()
    inside = {file: (ROOT / file).read_text() for file in test_files()}
    for line in sys.stdin:
        module, name, budget = json.loads(line)
        if module not in mutants:
            mutants[module] = {mutant.name: mutant for mutant in of_module(module)}
            files_for[module] = reach.files_for(module)
        mutant, files, words = mutants[module][name], files_for[module], words_of(name)

        def work(
            writing: int,
            mutant: Mutant = mutant,
            files: Any = files,
            words: Any = words,
            budget: float = budget,
        ) -> int:
            sys.meta_path.insert(0, Mutated(mutant))
            signal.setitimer(signal.ITIMER_PROF, 10)
            importlib.import_module(f"deltafold.{mutant.module}")
            end = time.process_time() + budget
            # Those that say the word come first, and otherwise stay in order.
            for file in sorted(files, key=lambda file: not any(word in inside[file] for word in words)):
                signal.setitimer(signal.ITIMER_PROF, 60)
                some = Some(reach, words, texts, end, writing)
                code = pytest.main([*PYTEST, file], plugins=[Profile(), some])
                if some.failed:
                    return 1
                if code in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):  # not even imported
                    os.write(writing, f"{file}: import\n".encode())
                    return 1
                if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                    os.write(writing, f"{code!r}\n".encode())  # pytest's fault, which kills no mutant
                    return 0
                if time.process_time() > end:
                    os.write(writing, b"out_of_budget\n")
                    return 0
            os.write(writing, b"all_tests\n")
            return 0

        outcome, killer = outcome_of(*in_fork(work))
        file = killer.partition("::")[0]
        if outcome == KILLED and file in files:
            files.remove(file)
            files.insert(0, file)  # likely to kill the next one as well
        print(json.dumps([outcome, killer]), flush=True)
    return 0


# ----------------------------------------------------------------------------------- what runs in functions


@attrs.define
class Runner:
    """A pytest plugin that runs mutants in place of the tests."""

    mutants: list[Mutant]
    budget: float
    results: Results
    reach: Reach
    items: dict[str, pytest.Item] = attrs.field(factory=dict)
    functions: dict[tuple[str, str, int], list[FunctionType]] = attrs.field(factory=dict)
    at_line: dict[tuple[str, int], list[FunctionType]] = attrs.field(factory=dict)
    near: dict[str, Counter[str]] = attrs.field(factory=lambda: defaultdict(Counter))
    """What killed other mutants of a function, and of a module."""
    texts: Texts = attrs.field(factory=Texts)
    server: subprocess.Popen[str] | None = None

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of the tests."""
        self.items = {item.nodeid: item for item in session.items}
        self.reach.load()
        for module in MODULES:
            importlib.import_module(f"deltafold.{module}")
        for told in self.results.found.values():
            if told["outcome"] == KILLED:
                self.remember(told["mutant"].partition(": ")[0], told["killer"])
        gc.unfreeze()  # or the functions are not among the objects: the tests freeze what was imported
        for function in gc.get_objects():
            if isinstance(function, FunctionType):
                code = function.__code__
                key = (code.co_filename, code.co_qualname, code.co_firstlineno)
                self.functions.setdefault(key, []).append(function)
                self.at_line.setdefault((code.co_filename, code.co_firstlineno), []).append(function)
        warm_up()
        gc.collect()
        gc.freeze()
        for mutant in self.mutants:
            begin = time.monotonic()
            outcome, killer = self.run(mutant)
            if outcome == KILLED:
                self.remember(where(mutant), killer)
            self.results.add(mutant, outcome, killer, time.monotonic() - begin)
        if self.server is not None and self.server.stdin is not None:
            self.server.stdin.close()
            self.server.wait()
        return True

    def remember(self, place: str, killer: str) -> None:
        """Whoever kills one mutant is likely to kill its neighbours."""
        self.near[place][killer] += 1
        self.near[f"{module_of(place)}:"][killer] += 1

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that reach a mutant: first what killed its neighbours, then what says the same word.

        All files get a share of the time, larger ones those that are named like the module, and their
        fastest tests come first. Of tests with many cases, the first cases come before the further ones.
        """
        lines = self.reach.lines.get(mutant.module, {})
        if mutant.function:
            wanted: Any = range(mutant.lines[0], mutant.lines[1] + 1)
        else:
            wanted = list(lines)
        found = {test for line in wanted for test in lines.get(line, ()) if test in self.items}
        if not mutant.function and not found:
            found = {
                test
                for file in self.reach.files_for(mutant.module)
                for test in self.items
                if test.startswith(f"{file}::") and test not in self.reach.failing
            }
        close, wider = self.near[where(mutant)], self.near[f"{mutant.module}:"]
        words = words_of(mutant.text)
        spent: dict[str, float] = defaultdict(float)
        turn = {}
        for test in sorted(
            found, key=lambda test: self.reach.seconds[test] * 2 ** min(self.reach.rank[test], 8)
        ):
            file = test.partition("::")[0]
            spent[file] += self.reach.seconds[test] / nearness(mutant.module, file)
            turn[test] = spent[file]

        def place(test: str) -> tuple[int, bool, int, float, str]:
            says_nothing = bool(words) and not self.texts.say(self.items[test], words)
            return -close[test], says_nothing, -min(wider[test], 1), turn[test], test

        return sorted(found, key=place)

    # ------------------------------------------------------------------------------------------ one mutant

    def run(self, mutant: Mutant) -> tuple[str, str]:
        """What becomes of a mutant, and which test killed it."""
        if not mutant.function and not can_be_set(mutant):
            return self.ask(mutant)
        tests = self.tests_of(mutant)
        if not tests:
            return self.ask(mutant)

        held = self.held(mutant)

        def work(writing: int) -> int:
            if mutant.function:
                swap(mutant, held)
            else:
                set_value(mutant, held)
            end = time.process_time() + self.budget
            for test in tests:
                seconds = self.reach.seconds[test]
                if time.process_time() > end:
                    os.write(writing, b"out_of_budget\n")
                    return 0
                os.write(writing, f"{test}\n".encode())
                signal.setitimer(signal.ITIMER_PROF, PATIENCE + 10 * seconds)
                if fails(self.items[test]):
                    return 1
            os.write(writing, b"all_tests\n")
            return 0

        outcome, killer = outcome_of(*in_fork(work))
        if outcome == SURVIVED and is_called_at_import(mutant):
            return self.ask(mutant)
        return outcome, killer

    def ask(self, mutant: Mutant) -> tuple[str, str]:
        """The same, where the changed file has to be imported."""
        if self.server is None:
            command = [sys.executable, __file__, "--serve", "--folder", str(self.results.folder)]
            self.server = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps([mutant.module, mutant.name, self.budget]) + "\n")
        self.server.stdin.flush()
        outcome, killer = json.loads(self.server.stdout.readline())
        return outcome, killer

    def held(self, mutant: Mutant) -> list[FunctionType]:
        """The functions, as they are held anywhere, of which a mutant changes the code or the defaults."""
        path = str(source_of(mutant.module))
        if mutant.function:
            return self.functions[path, mutant.function, mutant.first_line]
        line = line_of_function(mutant)
        return self.at_line[path, line] if line else []


def swap(mutant: Mutant, held: list[FunctionType]) -> None:
    """Puts the changed function in the place of the old one, wherever that is held."""
    new = next(
        code
        for code in codes(compiled(mutant))
        if (code.co_qualname, code.co_firstlineno) == (mutant.function, mutant.first_line)
    )
    for function in held:
        function.__code__ = new


def module_of(place: str) -> str:
    """The module of a function, or of itself; "" where there is none."""
    return max((name for name in MODULES if f"{place}.".startswith(f"{name}.")), key=len, default="")


def where(mutant: Mutant) -> str:
    """The function of a mutant, or its module."""
    return mutant.name.partition(": ")[0]


def codes(code: CodeType) -> Iterator[CodeType]:
    """The code of all functions in a file."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            yield from codes(inner)


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

    def report(self, mutants: list[Mutant], reasons: dict[str, str]) -> int:
        """The score of each module and folder, and the survivors that nobody has explained."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        unexplained = []
        for mutant in mutants:
            reason = reasons.get(mutant.name, "")
            told = self.found.get(mutant.name)
            found = Counter({"all": 1})
            if told is not None:
                survived = told["outcome"] == SURVIVED
                found[told["outcome"]] += 1
                found["explained"] += survived and bool(reason)
                found["equivalent"] += survived and reason.startswith("equivalent")
                if survived and not reason:
                    unexplained.append((mutant, told["killer"]))
            for name in (mutant.module, f"{mutant.module.partition('.')[0]}/", "all"):
                counts[name] += found
        for name in sorted(counts, key=lambda name: (name == "all", name.endswith("/"), name)):
            print(score(name, counts[name]))
        for mutant, killer in unexplained:
            print(f"not explained ({killer}): {mutant.name} (line {mutant.lines[0]})")
        names = {mutant.name for mutant in mutants}
        modules = {mutant.module for mutant in mutants}
        for name in reasons:
            if name not in names and module_of(name.partition(": ")[0]) in modules:
                print(f"explained, but there is no such mutant any more: {name}")
        return 1 if unexplained else 0


def score(name: str, count: Counter[str]) -> str:
    """One line of figures."""
    killed, lost = count[KILLED] + count[TIMEOUT], count[SURVIVED]
    every = killed + lost
    if not every:
        return f"{name}: 0 of {count['all']} run"
    return (
        f"{name}: {every} of {count['all']} run, {killed} killed ({count[TIMEOUT]} by time), {lost} survived "
        f"({count['equivalent']} equivalent, {lost - count['explained']} not explained): "
        f"{100 * killed / every:.1f} %, {100 * killed / max(every - count['equivalent'], 1):.1f} % of those "
        f"that differ"
    )


def chosen(names: Sequence[str]) -> list[str]:
    """The modules that names of folders, modules and packages stand for."""
    found = [
        module
        for module in MODULES
        if not names or any(module == name or module.startswith(f"{name}.") for name in names)
    ]
    if not found:
        sys.exit(f"no module is named so; the folders are {', '.join(FOLDERS)}")
    return found


def main() -> int:
    """Runs what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--module", action="append", default=[], help="only this module or folder; may be repeated"
    )
    parser.add_argument("--sample", type=int, default=25, help="mutants of each module")
    parser.add_argument("--all", action="store_true", help="all mutants")
    parser.add_argument("--budget", type=float, default=10, help="seconds of tests for one mutant")
    parser.add_argument(
        "--folder", type=Path, default=Path(".mutation"), help="for what a later run goes on from"
    )
    parser.add_argument("--again", action="store_true", help="run those again that survived without a reason")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--learn", action="store_true", help="only learn which tests reach what")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)
    reach = Reach(folder)
    if given.serve:
        return serve(folder)
    if given.learn:
        missing = reach.missing()
        return int(pytest.main([*PYTEST, *missing], plugins=[Profile(), Measuring(reach)])) if missing else 0
    results = Results(folder)
    results.load()
    every = {module: of_module(module) for module in chosen(given.module)}
    mutants = [
        mutant for found in every.values() for mutant in (found if given.all else found[: given.sample])
    ]
    if given.report:
        return report(results, every, given)
    place = {mutant.name: at for found in every.values() for at, mutant in enumerate(found)}
    reasons = tomllib.loads(SURVIVORS.read_text())
    due = [mutant for mutant in mutants if mutant.name not in results.found]
    if given.again:
        lived = [m for m in mutants if results.found.get(m.name, {}).get("outcome") == SURVIVED]
        due = [m for m in lived if m.name not in reasons] + due
    due.sort(key=lambda mutant: place[mutant.name] // 5)  # of each module five, then of each five more
    if due:
        # The process that forks has run no test, so that nothing is kept in it from the code as it is.
        subprocess.run([sys.executable, __file__, "--learn", "--folder", str(folder)], check=True)
        runner = Runner(due, given.budget, results, reach)
        pytest.main([*PYTEST, *test_files()], plugins=[Profile(), runner])
    return report(results, every, given)


def report(results: Results, every: dict[str, list[Mutant]], given: argparse.Namespace) -> int:
    """The figures of what has run."""
    mutants = [mutant for found in every.values() for mutant in found]
    return results.report(mutants, tomllib.loads(SURVIVORS.read_text()))


if __name__ == "__main__":
    sys.exit(main())
