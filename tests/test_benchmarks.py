"""The benchmark measures what it says: right streams, right results, and shapes that stay linear."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

import clients
import docs
import gateway
import instructions
import live
import measure
import node_peers
import page
import peers
import run
import scenarios
import tables
from deltafold import ResponseParser
from deltafold.registry import DIALECTS
from runs import count_calls, play
from scenarios import HOSTILE, OTHERS, SCENARIOS, Scenario, Stream, Told

TINY = 0.005

every_scenario = pytest.mark.parametrize("scenario", SCENARIOS + OTHERS, ids=lambda scenario: scenario.name)


# ----------------------------------------------------------------------------------------------- the streams


@every_scenario
def test_a_stream_is_as_a_server_sends_it(scenario: Scenario) -> None:
    """Nothing is out of order in a scenario's stream, so that what is measured is the usual way, and strict
    mode takes it as well."""
    stream = scenario.scaled(TINY)
    parser = play(stream.body, stream.dialect, strict=True).parser
    assert parser.anomalies == ()
    assert parser.response.outcome == "completed"


@every_scenario
def test_a_stream_is_the_same_on_every_run(scenario: Scenario) -> None:
    """A stream and its chunks never vary, and the chunks are the stream."""
    stream = scenario.scaled(TINY)
    chunks = scenario.chunks(stream.body)
    assert scenario.scaled(TINY).body == stream.body
    assert scenario.chunks(stream.body) == chunks
    assert b"".join(chunks) == stream.body


@every_scenario
def test_a_stream_has_the_size_that_is_asked_for(scenario: Scenario) -> None:
    """A stream that scales grows with its size; the others are what their names say."""
    small, large = scenario.scaled(0.02), scenario.scaled(0.2)
    if scenario.scales:
        assert len(large.body) > 1.2 * len(small.body)
    else:
        assert len(large.blocks) == len(small.blocks)
        assert len(small.blocks) == 29 or "29 events" not in scenario.name


MADE = (
    scenarios.text,
    scenarios.calls,
    scenarios.reasoning,
    scenarios.chat_text,
    scenarios.chat_calls,
    scenarios.anthropic_text,
    scenarios.anthropic_calls,
    scenarios.gemini_text,
    scenarios.gemini_calls,
)
"""What writes streams with text, calls and reasoning, of all wires."""


def test_chunks_of_a_network() -> None:
    """Chunks are of 200 to 1500 bytes, but for the last."""
    chunks = scenarios.network(bytes(100_000))
    assert all(200 <= len(chunk) <= 1500 for chunk in chunks[:-1])
    assert len({len(chunk) for chunk in chunks}) > 20


# ----------------------------------------------------------------------------------------------- the clients


@every_scenario
@pytest.mark.parametrize("client", clients.OWN, ids=lambda client: client.name)
def test_what_is_measured_is_right(client: clients.Client, scenario: Scenario) -> None:
    """A, B and deltafold read each stream to what it says."""
    stream = scenario.scaled(TINY)
    client.prepare(stream, scenario.chunks(stream.body)).check()


@pytest.mark.parametrize("client", clients.OWN, ids=lambda client: client.name)
def test_a_wrong_result_is_found(client: clients.Client) -> None:
    """A client that puts together what was not sent does not pass for a fast one."""
    sent, other = scenarios.text(8), scenarios.text(9)
    reading = client.prepare(sent, scenarios.network(sent.body))
    wrong = client.prepare(other, scenarios.network(other.body)).expected
    with pytest.raises(clients.Unfinished):
        attrs.evolve(reading, expected=wrong).check()


def test_a_half_stream_is_found() -> None:
    """A client that stops early is found out by the value that is missing, whichever it is."""
    for make in MADE:
        stream = make(60)
        reading = clients.deltafold(stream, [stream.body[: len(stream.body) // 2]])
        with pytest.raises(clients.Unfinished):
            reading.check()


@pytest.mark.parametrize(
    "make", [scenarios.text, scenarios.calls, scenarios.reasoning, scenarios.chat_text, scenarios.chat_calls]
)
def test_payloads_are_put_together_by_hand(make: Any) -> None:
    """What callers of raw events do is right too, for the figures of those peers rest on it."""
    stream: Stream = make(60)
    assert clients.take_payloads([*stream.payloads, "[DONE]"]).told() == stream.told


def test_leaves_of_gemini_are_put_together_by_hand() -> None:
    """What callers of Google's SDK do with streamed arguments gives the arguments."""
    stream = scenarios.gemini_calls(400)
    taken: list[dict[str, Any]] = []
    for payload in map(json.loads, stream.payloads):
        for part in payload["candidates"][0]["content"]["parts"]:
            if "functionCall" in part:
                call = part["functionCall"]
                pieces = [
                    SimpleNamespace(
                        json_path=piece["jsonPath"],
                        string_value=piece.get("stringValue"),
                        number_value=piece.get("numberValue"),
                        bool_value=piece.get("boolValue"),
                    )
                    for piece in call.get("partialArgs", ())
                ]
                found = SimpleNamespace(name=call.get("name"), args=call.get("args"), partial_args=pieces)
                peers.take_call(taken, found)
    assert taken == [json.loads(arguments) for arguments in stream.told.arguments]


def test_equal_values_are_the_same_arguments() -> None:
    """Spaces, the order of members and 1.0 for 1 make no other arguments; what is no JSON is kept."""

    def said(*arguments: str) -> Told:
        return clients.as_values(Told("text", ("reason",), arguments))

    assert said('{"b": 1, "a": []}') == said('{"a":[],"b":1.0}')
    assert said('{"a":1}') != said('{"a":2}')
    assert said('{"a"').arguments == ('{"a"',)
    assert said().text == "text"


def test_a_kept_event_is_an_event() -> None:
    """The memory of kept events is that of the events which a parser hands out."""
    stream = scenarios.text(20)
    kept = clients.deltafold(stream, [stream.body]).events
    assert kept is not None
    assert kept() == play(stream.body).events


# ------------------------------------------------------------------------------------------------ the method


def test_slope() -> None:
    """The exponent of linear time is 1, that of the square 2."""
    assert measure.slope(10, 1000, {10: 0.1, 1000: 10.0}) == pytest.approx(1)
    assert measure.slope(10, 1000, {10: 0.1, 1000: 1000.0}) == pytest.approx(2)


def test_ratios_are_to_the_first() -> None:
    """All take turns, the slow ones as often as their budget allows, and ratios are to the first."""
    ran = {"a": 0, "b": 0}

    def count(name: str) -> Any:
        def work() -> None:
            ran[name] += 1
            sum(range(200_000 if name == "a" else 2_000_000))

        return work

    figures = measure.interleaved({name: count(name) for name in ran}, 4, 1e-9)
    assert figures["a"].ratio == 1
    assert figures["a"].repetitions == 4
    assert figures["b"].repetitions == 1
    assert ran["a"] > ran["b"] >= 2


def test_patience_ends() -> None:
    """A client that takes for ever is given up, also where it catches every `Exception`."""

    def endless() -> None:
        while True:
            try:
                while True:
                    pass
            except Exception:
                continue

    with pytest.raises(measure.GaveUp), measure.patience(0.02):
        endless()


def test_memory_is_counted() -> None:
    """A peak is what was held at once; an entry's bytes are what its list keeps alive."""
    assert 1_000_000 <= measure.peak_memory(lambda: len(bytes(1_000_000))) < 1_100_000
    assert 1_000 <= measure.kept_memory(lambda: [bytes(1_000) for _ in range(100)]) < 1_200


def test_a_rise_in_instructions_shows() -> None:
    """A rise of deltafold's count is told, against earlier counts of the same scenario."""
    before = {"text": {"A": 100.0, "B": 70.0, "deltafold": 100.0}}
    now = {"text": {"A": 100.0, "B": 70.0, "deltafold": 105.0}, "other": before["text"]}
    assert instructions.changes(now, before) == {"text": pytest.approx(0.05)}
    assert "+5.0%" in instructions.table(now, before)
    assert "1.05" in instructions.table(now)


def test_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """More instructions or bytes than were recorded fail; fewer, another build, or no valgrind pass, and are
    said."""
    path = tmp_path / "instructions.json"
    events, imported, begun = 100.0, 1_000, 9_000.0
    monkeypatch.setattr(instructions.shutil, "which", lambda name: name)
    monkeypatch.setattr(
        instructions, "count", lambda names, scale: {name: {"deltafold": events} for name in names}
    )
    monkeypatch.setattr(instructions, "count_import", lambda: imported)
    monkeypatch.setattr(
        instructions, "open_streams", lambda: {"chat": measure.Held(idle=3_000, begun=begun, delta=9.7)}
    )
    instructions.record(path)
    assert instructions.gate(path) == 0
    events = 102.5
    assert instructions.gate(path) == 1
    assert "more than 2% up: text, 10k deltas" in capsys.readouterr().out
    events, imported = 90.0, 1_030
    assert instructions.gate(path) == 1
    printed = capsys.readouterr().out
    assert "up: import" in printed
    assert "record that" in printed
    known = json.loads(path.read_text())
    path.write_text(json.dumps({**known, "python": "2.7"}))
    assert instructions.gate(path) == 0
    assert "2.7" in capsys.readouterr().out
    monkeypatch.setattr(instructions.shutil, "which", lambda name: None)
    assert instructions.gate(path) == 0
    path.write_text(json.dumps(known))
    assert instructions.gate(path) == 0
    assert "not installed" in capsys.readouterr().out
    begun = 9_200.0
    assert instructions.gate(path) == 1
    assert "up: bytes, chat: begun" in capsys.readouterr().out


def test_the_recorded_counts_are_of_what_there_is() -> None:
    """Each scenario that is to have a count has one."""
    known = json.loads(instructions.BASELINE.read_text())
    assert list(known["counts"]) == instructions.gated()
    assert known["import"] > 0
    assert list(known["memory"]) == [
        f"{stream(1).dialect}: {name}"
        for stream, _ in instructions.OPEN
        for name in ("idle", "begun", "per delta")
    ]


@pytest.mark.long
def test_an_open_stream_holds_little_more_than_its_text() -> None:
    """In every dialect an idle parser holds at most 4 KB, one that has begun 10 KB, and a delta of four
    characters adds at most 20 bytes. (Objects are as large as the version of Python makes them.)"""
    room = 1.0 if sys.version_info[:2] == (3, 11) else 1.3
    found = instructions.open_streams(1_000)
    assert set(found) == set(DIALECTS)
    for held in found.values():
        assert held.idle <= 4_000 * room
        assert held.idle < held.begun <= 10_000 * room
        assert 4 < held.delta <= 20
    assert all(dialect in instructions.memory_table(found) for dialect in found)


# --------------------------------------------------------------------------------------------------- the run


@pytest.mark.long
def test_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints a table with a row for each scenario, growth and memory, and keeps its figures."""
    kept = tmp_path / "results.json"
    names = ["short", "side by side", "idle", "growth", "memory"]
    options = ["--scale", "0.002", "--repetitions", "1", "--json", str(kept)]
    results = run.main([*options, "--only", *names])
    printed = capsys.readouterr().out
    assert [row.scenario for row in results.rows] == [
        scenario.name for scenario in SCENARIOS + OTHERS if any(name in scenario.name for name in names)
    ]
    for row in results.rows:
        assert f"| {row.scenario} " in printed
        figure = row.cells["deltafold"]
        assert isinstance(figure, measure.Figure)
        assert figure.ratio > 0
    assert "Growth: " in printed
    assert "Memory, " in printed
    assert json.loads(kept.read_text())["rows"][0]["cells"]["A"]["ratio"] == 1


def test_a_run_of_nothing() -> None:
    """A name that no scenario has is told, in place of an empty table."""
    with pytest.raises(SystemExit, match="there is no nonsense"):
        run.main(["--only", "nonsense"])


def test_a_peer_that_is_wrong_has_a_mark(tmp_path: Path) -> None:
    """A peer that gets it wrong is marked, one that is absent is named, and one that fails has no figure."""
    stream = scenarios.text(8)

    def reads(told: Told) -> Any:
        return lambda stream, chunks: clients.Reading(lambda: told, lambda value: value, stream.told)

    def fails(stream: Stream, chunks: list[bytes]) -> Any:
        raise RuntimeError("broken")

    peers = [
        clients.Client("right", reads(stream.told)),
        clients.Client("wrong", reads(Told("?"))),
        clients.Client("broken", fails),
    ]
    assert run.installed([clients.Client("absent", fails, "no-such-package")]) == (
        [],
        ["no-such-package is not installed"],
    )
    row = run.measured(Scenario("text", scenarios.text, 8), [*clients.OWN, *peers], 1, 1)
    assert row.wrong == ("wrong",)
    assert row.cell("wrong").endswith("✗")
    assert not row.cell("right").endswith("✗")
    assert row.cell("broken") == "fails"


def test_a_readme_gets_the_table(tmp_path: Path) -> None:
    """The table takes the place of the one before, and nothing else changes."""
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- measured: speed -->\nstale\n<!-- end: speed -->\nafter\n")
    results = run.Results(["A", "deltafold"], ["a machine"])
    run.write_readme(results, path)
    text = path.read_text()
    assert text.startswith("before\n<!-- measured: speed -->\n")
    assert text.endswith("<!-- end: speed -->\nafter\n")
    assert results.table() in text
    assert "stale" not in text
    path.write_text("no place")
    with pytest.raises(SystemExit, match="no place"):
        run.write_readme(results, path)


def test_the_readme_has_all_scenarios() -> None:
    """The table of the docs has a row for each scenario, and its chart is there; else run with `--readme`."""
    table = docs.SPEED.read_text(encoding="utf-8").partition("<!-- measured: speed -->")[2]
    table = table.partition("<!-- end: speed -->")[0]
    assert re.findall(r"^\| ([^|]*?) *\| +[0-9]", table, re.MULTILINE) == [s.name for s in SCENARIOS]
    for scenario in SCENARIOS:
        assert scenario.name in run.CHART.read_text(encoding="utf-8")


def test_a_chart(tmp_path: Path) -> None:
    """The chart has each scenario and client of the table, and is the same each time."""
    pytest.importorskip("matplotlib")
    import chart

    figure = measure.Figure(1.0, 1.0, 0.0, 1)
    cells = {"A": figure, "deltafold": attrs.evolve(figure, ratio=0.5), "peer": "fails"}
    results = run.Results(["A", "deltafold", "peer"], [], [run.Row("one scenario", 8, 1.0, cells)])
    paths = [tmp_path / "1.svg", tmp_path / "2.svg"]
    for path in paths:
        chart.draw(json.loads(results.dump()), path)
    assert "one scenario" in paths[0].read_text()
    assert paths[0].read_bytes() == paths[1].read_bytes()


# ------------------------------------------------------------------------------------------- clients of Node

STAND_IN = """
import json, sys

said = {"text": "", "reasoning": [], "arguments": []}
for line in sys.stdin:
    question = json.loads(line)
    if "load" in question:
        said["text"] = f"{question['load']['dialect']} {len(question['load']['chunks'])}"
        found = {}
    elif question.get("read") == "ends":
        break
    elif question.get("read") == "sleeps":
        import time; time.sleep(60)
    elif question.get("read") == "fails":
        found = {"error": "TypeError: no"}
    elif "read" in question:
        said["arguments"] = [{"a": 1}, '{"b": 2}']
        found = said
    else:
        found = {"seconds": question["seconds"] * 2}
    print(json.dumps(found), flush=True)
"""


@pytest.fixture
def worker() -> Iterator[node_peers.Worker]:
    """A process that answers as that of Node does."""
    found = node_peers.Worker([sys.executable, "-c", STAND_IN])
    yield found
    found.close()


def test_a_client_in_another_process(worker: node_peers.Worker) -> None:
    """It gets the stream once, says what it read, and its own time is its figure."""
    stream = attrs.evolve(scenarios.chat_text(8), told=Told("chat 2", (), ('{"a":1.0}', '{"b":2}')))
    reading = node_peers.peer(worker, "AI SDK").prepare(stream, [b"data: {}", b"\n\n"])
    reading.check()
    assert measure.spent(reading.run) == 2 * node_peers.LEAST
    process = worker.process
    other = node_peers.peer(worker, "eventsource-parser").prepare(stream, [b""])
    other.check()  # the chunks are still those that it was given
    assert worker.process is process
    worker.close()
    assert worker.process is None
    reading.check()
    worker.close()
    worker.close()


def test_a_process_that_fails_is_started_again(worker: node_peers.Worker) -> None:
    """An error is told, one that ended or is too slow is not waited for, and the next asks a new one."""
    with pytest.raises(node_peers.WorkerError, match="TypeError: no"):
        worker.ask({"read": "fails"})
    assert worker.process is not None
    with pytest.raises(node_peers.WorkerError, match="ended"):
        worker.ask({"read": "ends"})
    assert worker.process is None
    worker.patience = 0.05
    with pytest.raises(measure.GaveUp):
        worker.ask({"read": "sleeps"})
    worker.patience = 60
    worker.load(scenarios.text(8), [b""])
    assert worker.ask({"read": "any"})["text"] == "responses 1"


def test_a_client_of_node_that_fails_has_no_figure(worker: node_peers.Worker) -> None:
    """The others have theirs, and wires that it does not read are left out."""
    failing = clients.Client("fails", node_peers.peer(worker, "AI SDK").prepare, reads=("chat",))
    worker.command[-1] = "raise SystemExit"
    row = run.measured(Scenario("chat: text", scenarios.chat_text, 8), [*clients.OWN, failing], 1, 1)
    assert row.cell("fails") == "fails"
    row = run.measured(Scenario("text", scenarios.text, 8), [*clients.OWN, failing], 1, 1)
    assert row.cell("fails") == "-"


def test_without_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where Node or its packages are missing, a line says so, and what to do; the table has the others."""
    packages = node_peers.FOLDER / "package.json"
    (tmp_path / "package.json").write_bytes(packages.read_bytes())
    monkeypatch.setattr(node_peers.shutil, "which", lambda name: name)
    monkeypatch.setattr(node_peers, "node_version", lambda node="": "20.1.0")
    found, notes = node_peers.installed(tmp_path)
    assert found == []
    assert "openai" in notes[0]
    assert notes[0].endswith("not installed (npm install --prefix benchmarks/node)")
    for name in node_peers.versions(tmp_path):
        folder = tmp_path / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"version": "1.2.3"}')
    found, notes = node_peers.installed(tmp_path)
    assert [client.name for client in found] == list(node_peers.PEERS)
    assert notes[0].startswith("Node 20.1.0 with ")
    assert "openai 1.2.3" in notes[0]
    monkeypatch.setattr(node_peers, "node_version", lambda node="": "18.20.4")
    assert "node 18.20.4 is older than 20" in str(node_peers.missing(tmp_path))
    monkeypatch.setattr(node_peers.shutil, "which", lambda name: None)
    results = run.main(["--node", "--scale", "0.002", "--repetitions", "1", "--only", "chat: short"])
    assert results.clients == ["A", "B", "deltafold"]
    assert "the peers of Node are left out: node is not installed" in capsys.readouterr().out
    assert len(results.rows) == 1


def test_the_packages_of_node_are_pinned() -> None:
    """Each to a major version; the worker has each client, and the page says how to install them."""
    asked = json.loads((node_peers.FOLDER / "package.json").read_text())
    assert all(re.fullmatch(r"\^\d+", version) for version in asked["dependencies"].values())
    assert asked["engines"]["node"] == f">={node_peers.OLDEST}"
    script = (node_peers.FOLDER / "worker.mjs").read_text(encoding="utf-8")
    known = script.partition("const CLIENTS = {")[2].partition("};")[0]
    assert re.findall(r'^  "(.*)":', known, re.MULTILINE) == list(node_peers.PEERS)
    assert node_peers.INSTALL in docs.SPEED.read_text(encoding="utf-8")
    with docs.ROOT.joinpath(".gitignore").open() as lines:
        assert "node_modules/\n" in lines


def test_what_clients_of_node_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are installed, each reads the text and the calls of the streams of its wires."""
    reason = node_peers.missing()
    if reason is not None:
        pytest.skip(reason)
    monkeypatch.setattr(node_peers, "HOT", 1e-6)
    found, _ = node_peers.installed()
    for make in (*MADE, scenarios.image):
        stream = make(60)
        for client in found:
            if stream.dialect in client.reads:
                client.prepare(stream, scenarios.network(stream.body)).check()
    worker = found[0].prepare(scenarios.text(8), [b""]).run.worker
    worker.close()


def test_the_tables_of_node(tmp_path: Path) -> None:
    """A table for the wires that the same clients read, without what is in the table of Python."""
    figure = measure.Figure(1.0, 1.0, 0.0, 1)
    own = {"A": figure, "B": figure, "deltafold": figure}
    results = run.Results(
        ["A", "B", "deltafold", "openai raw", "google-genai", "AI SDK", "@google/genai"],
        ["a machine"],
        [
            run.Row(
                "text, 10k deltas", 8, 1.0, {**own, "openai raw": figure, "AI SDK": figure}, (), "responses"
            ),
            run.Row(
                "gemini: text", 8, 1.0, {**own, "google-genai": figure, "@google/genai": figure}, (), "gemini"
            ),
        ],
    )
    path = tmp_path / "page.md"
    path.write_text(
        "<!-- measured: speed -->\n<!-- end: speed -->\n<!-- measured: node -->\n<!-- end: node -->\n"
    )
    run.write_node(results, path)
    heads = [line.split() for line in path.read_text().splitlines() if line.startswith("| x A")]
    assert [" ".join(head[9:]) for head in heads] == [
        "B | deltafold | AI SDK |",
        "B | deltafold | google-genai | @google/genai |",
    ]
    run.write_readme(results, path)
    table = path.read_text().partition("<!-- end: speed -->")[0]
    assert "openai raw" in table
    assert "AI SDK" not in table
    assert "gemini" not in table


# -------------------------------------------------------------------------------------------- many streams


@pytest.mark.long
def test_many_streams_in_turn(capsys: pytest.CaptureFixture[str]) -> None:
    """Each stream is read right, in turn and one after another; the table has a row for each dialect."""
    found = live.main(["--streams", "3", "--deltas", "8", "--repetitions", "1"])
    assert found in capsys.readouterr().out
    assert re.findall(r"^\| (\w+) +\| +[0-9]", found, re.MULTILINE) == list(DIALECTS) == list(live.WRITERS)
    streams = live.bodies("chat", 8, 3)
    assert len({stream.body for stream, _ in streams}) == 3
    idle, half, end = live.held(streams)
    assert 0 < idle < half
    assert end > idle
    wrong = attrs.evolve(live.read(streams[0]), stream=streams[1][0])
    with pytest.raises(AssertionError, match="not read right"):
        live.check([wrong])


# ----------------------------------------------------------------------------------------------- the page


def test_one_command_measures_the_page() -> None:
    """Each table of the page has a command, whose options there are."""
    places = re.findall("<!-- measured: (.*) -->", docs.SPEED.read_text(encoding="utf-8"))
    assert sorted(places) == sorted([*page.TABLES, "node"])
    for command in page.commands(list(page.TABLES), 3, "other-python"):
        python, script, *options = command
        assert (python == "other-python") == ("--litellm" in options)
        text = Path(script).read_text(encoding="utf-8")
        assert all(f'"{option}"' in text for option in options if option.startswith("--"))
        assert options[-1] == "--readme"
        assert ("--repetitions" in options) == ("--count" not in options and "instructions" not in script)


# ----------------------------------------------------------------------------------------------- linear work


@pytest.mark.parametrize("scenario", HOSTILE, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("size", [1, 700])
def test_hostile_shapes_cost_linear_work(scenario: Scenario, size: int) -> None:
    """Twice as much of a hostile shape takes at most twice the calls, at any chunking."""

    def work(count: int) -> int:
        body = scenario.make(count).body
        return sum(
            count_calls(lambda: play(body[at : at + size] for at in range(0, len(body), size))).values()
        )

    count = 2_000 if scenario.name.startswith("one string") else 40
    assert work(2 * count) <= 2.1 * work(count)


@pytest.mark.long
@pytest.mark.parametrize("scenario", HOSTILE, ids=lambda scenario: scenario.name)
def test_hostile_shapes_hold_linear_memory(scenario: Scenario) -> None:
    """Twice as much of a hostile shape is held in at most twice the memory."""

    def held(count: int) -> int:
        stream = scenario.make(count)
        chunks = scenarios.network(stream.body)

        def read() -> None:
            parser = ResponseParser(stream.dialect)
            for chunk in chunks:
                parser.feed(chunk)
                for _ in parser.events():
                    pass

        return measure.peak_memory(read)

    count = 100_000 if scenario.name.startswith("one string") else 200
    assert held(2 * count) <= 2.1 * held(count)


# ------------------------------------------------------------------------------------------------- gateways


@pytest.mark.long
@pytest.mark.parametrize("name", gateway.NAMES)
def test_a_gateway_writes_what_came_in(name: str) -> None:
    """Each stream goes to each wire, and what is read there is what was said."""
    scenario = next(one for one in SCENARIOS + OTHERS if one.name == name)
    row = gateway.measured(scenario, TINY, 1, bridges=False)
    assert set(row.cells) == {"A", *gateway.DIALECTS}
    assert not any("✗" in cell for cell in row.cells.values())


def test_the_table_of_gateways(tmp_path: Path) -> None:
    """The table has a column for each wire, and is put into its place in a page."""
    rows = [gateway.Row("text", dict.fromkeys(gateway.DIALECTS, "0.50"))]
    text = gateway.table(rows, bridges=True)
    assert text.splitlines()[0].count("to ") == len(gateway.DIALECTS)
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured: gateway -->\nold\n<!-- end: gateway -->\nafter\n")
    tables.put(page, "gateway", text)
    assert page.read_text() == f"before\n<!-- measured: gateway -->\n\n{text}\n<!-- end: gateway -->\nafter\n"
    with pytest.raises(SystemExit, match="no place"):
        tables.put(page, "other", text)
    for mark in ("gateway", "gateway-instructions", "instructions"):
        assert gateway.PAGE.read_text().count(f"<!-- measured: {mark} -->") == 1
