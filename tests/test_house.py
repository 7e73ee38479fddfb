"""The house rules: who may import whom, what the core may not touch, and that nothing is left unsaid."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import attrs
import pytest

import deltafold
from deltafold import AnomalyCode

ROOT = Path(deltafold.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
TREES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text()) for path in FILES
}

CORE = [module for module in TREES if module != "__main__" and not module.startswith("inspector.")]
"""All but the inspector, the one part that does input and output."""

# Each folder imports only from those in lines above its own, or from itself; the files of a folder in the
# order in which they stand behind it.
ORDER = """
registry
model: frozen json_values errors json_form faults anomalies limits items rate_limits verdict
model: response events losses requests
wire: value_end body_kind json_text blocks sse frame_decoder json_array ndjson aws_eventstream
machine: lifecycle make usage values build records fold evidence
diagnosis: rate_limits error_words error_wordings error_bodies error_fields google_details error_evidence
diagnosis: error_delays classify error_payloads
arguments: reader lift lifter lifted_calls watch
views: display liveness reasoning
dialects: claims emitter base conversion made_items
dialects: hot_delta written_names written_json written_errors written_items writing event_writing
dialects: chat.table chat.think_tags chat.reasoning_details chat.usage chat.audio chat.state
dialects: chat.call_arguments chat.calls chat.texts chat.reasoning chat.content chat.ending
dialects: chat.choices chat.reader chat.document chat.writer chat.request
dialects: responses.table responses.identity responses.items responses.values responses.reader
dialects: responses.writer responses.request
dialects: anthropic.table anthropic.usage anthropic.state anthropic.citations anthropic.calls
dialects: anthropic.blocks anthropic.deltas anthropic.ending anthropic.reader
dialects: anthropic.writer anthropic.document anthropic.request
dialects: gemini.table gemini.argument_text gemini.state gemini.usage gemini.hot_pieces
dialects: gemini.partial_arguments gemini.calls
dialects: gemini.parts gemini.candidates gemini.ending gemini.reader
dialects: gemini.writer gemini.document gemini.request
parsing: reporter templates fast_path replay snapshot state payload_values frames bodies connections reader
parsing: loop parser
encoding: encoder response_writer requests turns
bridges: sdk openai anthropic google
__init__
testing: payloads anthropic gemini builder damage __init__ strategies
inspector: capture looks compression http_text log_lines archives inputs
inspector: redaction words playing listing checking writing tape drawing page_style page progress command
__main__
"""


def floors() -> dict[str, int]:
    """The files in their order, from the ground up."""
    order = []
    for line in ORDER.strip().splitlines():
        folder, _, files = line.partition(":")
        order += [f"{folder}.{file}" for file in files.split()] or [folder]
    return {module: number for number, module in enumerate(order)}


FLOOR = floors()

FORBIDDEN = {
    *("socket", "ssl", "select", "selectors", "http", "urllib", "asyncio", "threading", "multiprocessing"),
    *(
        "concurrent",
        "queue",
        "subprocess",
        "signal",
        "time",
        "random",
        "secrets",
        "uuid",
        "logging",
        "os",
        "io",
    ),
    *("sys", "pathlib", "tempfile", "pickle", "warnings"),
}
"""The world outside: the core has no part in it."""


def imports(tree: ast.AST) -> set[str]:
    """The modules that a file imports, anywhere in it: when it runs, or for its types alone."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            found.add(node.module)
            if node.module == "deltafold" or f"{node.module.removeprefix('deltafold.')}.__init__" in TREES:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
        found |= imports(node)
    return found


def ours(tree: ast.AST) -> set[str]:
    """The files of this package that a file imports."""
    names = {name.removeprefix("deltafold.") for name in imports(tree) if name.startswith("deltafold.")}
    return {name for name in names if name in TREES}


@pytest.mark.parametrize("module", TREES)
def test_imports_go_upwards(module: str) -> None:
    """Each file imports only from those above it in the house's order, in which every file has its place."""
    if module.endswith(".__init__") and module not in FLOOR:
        assert not ours(TREES[module]), f"{module} is a folder's first page, which imports nothing"
        return
    assert module in FLOOR, f"{module} has no place in the order"
    for name in ours(TREES[module]):
        assert FLOOR[name] < FLOOR[module], f"{module} imports {name}, which stands below it"


@pytest.mark.parametrize("module", CORE)
def test_the_core_does_no_io(module: str) -> None:
    """No file but the inspector imports what opens, waits, threads, tells the time, rolls dice, or logs; and
    none runs text as code but that which writes constructors of classes of data, as attrs does."""
    roots = {name.split(".")[0] for name in imports(TREES[module])}
    assert not roots & FORBIDDEN
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input", "eval", "breakpoint"}
            assert node.func.id != "exec" or module == "model.frozen"


@pytest.mark.parametrize("module", CORE)
def test_nothing_waits_and_nothing_is_global(module: str) -> None:
    """Nothing is `async` but the loop over a body, and no function changes a global: state is
    in objects, for a snapshot to take."""
    for node in ast.walk(TREES[module]):
        assert not isinstance(node, (ast.Await, ast.Global))
        assert module == "parsing.loop" or not isinstance(node, ast.AsyncFunctionDef)


def test_only_attrs_is_needed() -> None:
    """Beside the standard library only attrs is imported at run time, and for the strategies Hypothesis. A
    bridge imports its SDK, and none but inside its functions and for types."""
    bridges = {"bridges.openai": "openai", "bridges.anthropic": "anthropic", "bridges.google": "google"}
    for module, sdk in bridges.items():
        assert {name.split(".")[0] for name in imports(TREES[module])} <= {
            *sys.stdlib_module_names,
            "deltafold",
            sdk,
        }
        top = [node for node in TREES[module].body if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert sdk not in {name.split(".")[0] for node in top for name in imports(ast.Module([node], []))}
    core = [tree for module, tree in TREES.items() if module not in {"testing.strategies", *bridges}]
    roots = {name.split(".")[0] for tree in core for name in imports(tree)}
    assert roots - set(sys.stdlib_module_names) <= {"attrs", "deltafold"}
    drawn = {name.split(".")[0] for name in imports(TREES["testing.strategies"])}
    assert drawn - set(sys.stdlib_module_names) == {"deltafold", "hypothesis"}


def test_all_is_sorted_and_can_be_imported() -> None:
    """`__all__` of the package is sorted, has nothing twice, and every name in it is there."""
    names = deltafold.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))  # constants come first
    assert len(names) == len(set(names))
    for name in names:
        assert getattr(deltafold, name) is not None


def test_all_is_complete() -> None:
    """What the package imports for its users is in `__all__`, and nothing public is beside it."""
    assert {name for name in dir(deltafold) if not name.startswith("_")} == set(deltafold.__all__)


def test_every_event_and_item_is_public() -> None:
    """Every class that can come out of a parser can be imported from the package."""
    for name in ("anomalies", "errors", "events", "items", "response"):
        found = importlib.import_module(f"deltafold.model.{name}")
        for public in found.__all__:
            if isinstance(getattr(found, public), type):
                assert public in deltafold.__all__


@pytest.mark.parametrize("module", [name for name in TREES if not name.endswith(("__init__", "__main__"))])
def test_each_file_says_what_is_public(module: str) -> None:
    """Each file says what is public in it, each name once, and has it."""
    found = importlib.import_module(f"deltafold.{module}")
    assert len(found.__all__) == len(set(found.__all__))
    for name in found.__all__:
        assert hasattr(found, name)


def test_version() -> None:
    """The version is that of the installed package, and no other name is made up."""
    assert deltafold.__version__.split(".")
    with pytest.raises(AttributeError, match="nothing"):
        deltafold.nothing  # noqa: B018


def test_no_anomaly_is_named_for_nothing() -> None:
    """Every code is reported somewhere in the source, beside its row in the table."""
    used = {
        node.attr
        for module, tree in TREES.items()
        if module != "model.anomalies"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
    }
    assert {code.name for code in AnomalyCode} <= used


@pytest.mark.parametrize("module", TREES)
def test_everything_public_is_described(module: str) -> None:
    """Every file, public class and public function has a docstring."""
    tree = TREES[module]
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
            public = node.name in getattr(importlib.import_module(module_name(module)), "__all__", ())
            assert ast.get_docstring(node) or not public, f"{node.name} has no docstring"
            for member in (
                node.body if isinstance(node, ast.ClassDef) and node.name in deltafold.__all__ else ()
            ):
                if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                    assert ast.get_docstring(member), f"{node.name}.{member.name} has no docstring"


def module_name(module: str) -> str:
    """The name under which a file is imported."""
    return f"deltafold.{module}".removesuffix(".__init__")


def test_events_are_frozen_and_slotted() -> None:
    """Events, items and the response cannot be changed, and have no room for more."""
    for name in ("events", "items", "response"):
        for kind in vars(importlib.import_module(f"deltafold.model.{name}")).values():
            if isinstance(kind, type) and attrs.has(kind):
                assert kind.__setattr__ is not object.__setattr__
                assert "__dict__" not in dir(kind)
                assert len(kind.__match_args__) or not attrs.fields(kind)


def compiled() -> list[str]:
    """The modules that the build compiles, in its order."""
    tree = ast.parse((Path(__file__).parents[1] / "hatch_build.py").read_text())
    (names,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMPILED"
    ]
    return [name.replace("/", ".") for name in names]


PURE = {
    *("registry", "arguments.reader", "arguments.lift", "arguments.lifter", "dialects.chat.document"),
    *("parsing.replay", "parsing.snapshot", "parsing.parser", "dialects.made_items"),
    *("wire.frame_decoder", "wire.json_array", "wire.ndjson", "wire.aws_eventstream"),
}
"""What readers and writers need and what is not compiled, beside data and diagnosis: what is rare."""
COMPILED_DATA = {"model.json_values", "diagnosis.error_payloads"}
"""Of data and diagnosis, what every payload goes through."""


def test_the_whole_machine_is_compiled() -> None:
    """What reads and writes is compiled, in the order of the house, but for data and for what is rare."""
    needed: set[str] = set()
    waiting = {
        "parsing.reader",
        "encoding.encoder",
        *(name for name in TREES if name.startswith("dialects.") and name.endswith((".reader", ".writer"))),
    }
    while waiting:
        module = waiting.pop()
        needed.add(module)
        waiting |= {
            name
            for name in ours(TREES[module]) - needed - PURE
            if name in COMPILED_DATA or not name.startswith(("model.", "diagnosis."))
        }
    assert set(compiled()) == needed
    assert [FLOOR[module] for module in compiled()] == sorted(FLOOR[module] for module in compiled())


def test_the_package_knows_whether_it_is_compiled() -> None:
    """`COMPILED` asks a function of a module that the build compiles."""
    assert deltafold._compiled_function.__module__.removeprefix("deltafold.") in compiled()


@pytest.mark.parametrize("module", compiled())
def test_what_is_compiled_has_constants(module: str) -> None:
    """Names of a compiled module are `Final`, or each use of them would cost what it costs in Python."""
    for node in TREES[module].body:
        assert not isinstance(node, ast.AugAssign)
        if isinstance(node, ast.Assign):
            assert ast.unparse(node.targets[0]) in {"__all__", "ReportAnomaly", "Scan", "Paths"}
        if isinstance(node, ast.AnnAssign):
            assert ast.unparse(node.annotation).startswith(("Final", "TypeAlias"))
