"""Runs of entries on tracks: results, failures, resumption, validity."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import plugins
import pytest

from benchmarks import entries as declared_entries
from benchmarks import run
from benchmarks.board import read_result
from benchmarks.evaluate import evaluate
from benchmarks.sets import Made, find, name_of, pins
from benchmarks.track import Declared, Result, SetOf, Track
from benchmarks.tracks import TRACKS, small, track_of
from scenarios.errors import InputError

ROOT = Path(__file__).parents[2]
TRACK = "scene/node-type"


class Plain:
    """Calls every word plain."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        self.seen = sum(recording.truth["truth/node_type"].size for recording in train)

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        ids = np.concatenate([a for name, a in inputs.items() if name.endswith("/channel_id")])
        return self.answer(inputs, ids)

    def answer(self, inputs: Any, ids: np.ndarray) -> dict[str, np.ndarray]:
        return {"channel_id": ids, "node_type": np.zeros(ids.size, np.int64)}


class Short(Plain):
    def answer(self, inputs: Any, ids: np.ndarray) -> dict[str, np.ndarray]:
        return {"channel_id": ids, "node_type": np.zeros(ids.size - 1, np.int64)}


class NotANumber(Plain):
    def answer(self, inputs: Any, ids: np.ndarray) -> dict[str, np.ndarray]:
        return {"channel_id": ids, "node_type": np.full(ids.size, np.nan)}


class AsksForTruth(Plain):
    def answer(self, inputs: Any, ids: np.ndarray) -> dict[str, np.ndarray]:
        return {"channel_id": ids, "node_type": inputs["truth/node_type"]}


class OpensTruth(Plain):
    def answer(self, inputs: Any, ids: np.ndarray) -> dict[str, np.ndarray]:
        Path("sets/scene/tiny/1-1.zarr/test/truth/node_type/c/0").read_bytes()
        return super().answer(inputs, ids)


class Swallows(OpensTruth):
    def answer(self, inputs: Any, ids: np.ndarray) -> dict[str, np.ndarray]:
        try:
            return super().answer(inputs, ids)
        except InputError:
            return Plain.answer(self, inputs, ids)


class OpensTruthEarly(Plain):
    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        super().fit(train, validation, rng)
        Path("sets/scene/tiny/1-1.zarr/test/truth/node_type/c/0").read_bytes()


class MakesTheSet(Plain):
    """Makes the test again from its declaration."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        find(small(TRACKS[TRACK]).tests[0].sets[0])


class AsksTheSet(Plain):
    """Has a source from before the run."""

    source = find(small(TRACKS[TRACK]).tests[0].sets[0])

    def answer(self, inputs: Any, ids: np.ndarray) -> dict[str, np.ndarray]:
        return {"channel_id": ids, "node_type": self.source.truth("test", 0)["truth/node_type"][ids]}


class Scribbles(Plain):
    def answer(self, inputs: Any, ids: np.ndarray) -> dict[str, np.ndarray]:
        next(a for name, a in inputs.items() if name.endswith("/words"))[:] = 0
        return super().answer(inputs, ids)


class Leaves(Plain):
    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        raise SystemExit(3)


class Draws(Plain):
    """Its answers depend on its generator and on a parameter."""

    def __init__(self, plain: float = 1.0) -> None:
        self.plain = plain

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        self.key = int(rng.integers(2**31))

    def answer(self, inputs: Any, ids: np.ndarray) -> dict[str, np.ndarray]:
        drawn = np.random.default_rng(self.key).random(ids.size)
        return {"channel_id": ids, "node_type": np.where(drawn < self.plain, 0, 1)}


@pytest.fixture
def track() -> Track:
    return small(TRACKS[TRACK])


def with_entries(monkeypatch: pytest.MonkeyPatch, **made: Declared | type) -> None:
    own = {name: m if isinstance(m, Declared) else Declared(make=m) for name, m in made.items()}
    monkeypatch.setitem(declared_entries.ENTRIES, TRACK, own)


def test_a_result_tells_scores_costs_and_what_it_rests_on(monkeypatch: pytest.MonkeyPatch, track: Track) -> None:
    with_entries(monkeypatch, plain=Plain)
    result, rows = evaluate(track, "plain", 0)
    assert (result.status, result.reason) == ("ok", "")
    score = result.scores["matched"]["macro_f1"]
    assert 0 < score["value"] < 0.5
    assert set(score["kinds"]) == {row["kind"] for row in rows} == {s.kind for s in track.tests[0].sets}
    assert result.cost["samples"] > 0
    assert result.cost["peak_bytes"] > 1e7
    assert set(result.digests) == {name_of(s) for s in track.sets}
    assert run.stale(result, track) == ""
    total = sum(row[name] for row in rows for name in row if name.startswith("c"))
    assert total == 74 * len(rows)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Short, "'node_type' must have shape (74); it has (73,)"),
        (NotANumber, "'node_type' must be integers; it is float64"),
        (AsksForTruth, "KeyError: 'truth/node_type'"),
        (OpensTruth, "an entry must not open files of sets; it opened 'sets/scene/"),
        (Swallows, "an entry must not open files of sets; it opened 'sets/scene/"),
        (OpensTruthEarly, "an entry must not open files of sets; it opened 'sets/scene/"),
        (MakesTheSet, "an entry must not ask for a set"),
        (AsksTheSet, "an entry must not ask for truth"),
        (Scribbles, "ValueError: assignment destination is read-only"),
        (Leaves, "SystemExit: 3"),
    ],
)
def test_what_goes_wrong_is_one_line_in_the_result(
    monkeypatch: pytest.MonkeyPatch, track: Track, entry: type, reason: str
) -> None:
    with_entries(monkeypatch, wrong=entry)
    result, rows = evaluate(track, "wrong", 0)
    assert result.status == "failed"
    assert result.reason.startswith(reason)
    assert "\n" not in result.reason
    assert rows == []


def test_what_an_entry_is_given_leads_to_no_source(track: Track) -> None:
    from benchmarks.evaluate import split_of

    split = split_of(track, {of: find(of) for of in track.sets}, "train")
    assert not [n for n in dir(split) if n.startswith(("of", "source"))]
    assert len(list(split)) == len(split) == 4
    assert len(list(split)) == 4  # any number of times


def test_a_task_says_what_the_context_holds(monkeypatch: pytest.MonkeyPatch, track: Track) -> None:
    told = []

    class Listens(Plain):
        def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
            told.append(dict(context))
            return super().predict(inputs, context)

    def calibration(of: SetOf, split: str, index: int) -> tuple[str, str, int]:
        return (of.kind, split, index)

    task = dataclasses.replace(track.task, context={"calibration": calibration})
    with_entries(monkeypatch, listens=Listens, oracle=Declared(make=Listens, oracle=True))
    result, _ = evaluate(dataclasses.replace(track, task=task), "listens", 0)
    assert result.reason == ""
    assert told == [{"calibration": (of.kind, "test", 0)} for of in track.tests[0].sets]
    told.clear()
    evaluate(dataclasses.replace(track, task=task), "oracle", 0)
    assert set(told[0]) == {"calibration", "truth", "spec", "key"}


def test_a_track_without_labels_trains_without_truth(monkeypatch: pytest.MonkeyPatch, track: Track) -> None:
    class Looks(Plain):
        def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
            assert [dict(r.truth) for r in train] + [dict(r.truth) for r in validation] == [{}] * 6

    with_entries(monkeypatch, looks=Looks)
    assert evaluate(dataclasses.replace(track, labels=False), "looks", 0)[0].reason == ""


def test_a_grid_is_searched_on_the_validation_split(monkeypatch: pytest.MonkeyPatch, track: Track) -> None:
    with_entries(monkeypatch, drawn=Declared(make=Draws, deterministic=False, grid={"plain": (0.0, 1.0, 0.5)}))
    result, _ = evaluate(track, "drawn", 0)
    assert result.chosen["plain"] in (0.5, 1.0)  # there are more plain words than high halves
    other, _ = evaluate(track, "drawn", 1)
    same, _ = evaluate(track, "drawn", 0)
    assert same.scores == result.scores
    assert other.scores != result.scores


def test_a_result_is_stale_when_what_it_rests_on_changes(monkeypatch: pytest.MonkeyPatch, track: Track) -> None:
    with_entries(monkeypatch, plain=Plain)
    result, _ = evaluate(track, "plain", 0)
    assert "version 1" in run.stale(result, dataclasses.replace(track, version=2))
    name = next(iter(result.digests))
    monkeypatch.setattr("benchmarks.sets.pins", lambda: {name: "0" * 64})
    assert f"set '{name}' had digest" in run.stale(result, track)
    monkeypatch.undo()
    with_entries(monkeypatch, plain=Declared(make=Plain, version="2"))
    assert "has changed" in run.stale(result, track)
    with_entries(monkeypatch, other=Plain)
    assert run.stale(result, track) == "no longer declared"


def test_an_entry_that_nothing_can_find_the_source_of_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, track: Track
) -> None:
    lost = type("Lost", (Plain,), {"__module__": "__main__"})
    with_entries(monkeypatch, lost=lost)
    assert evaluate(track, "lost", 0)[0].reason == ""


def test_a_deterministic_entry_has_one_run(monkeypatch: pytest.MonkeyPatch, track: Track) -> None:
    with_entries(monkeypatch, plain=Plain)
    result, _ = evaluate(track, "plain", 0)
    second = dataclasses.replace(result, seed=1)
    assert run.stale(second, track) == "declared deterministic: seed 0 is its only run"


def test_a_result_is_stale_where_real_recordings_have_come(monkeypatch: pytest.MonkeyPatch, track: Track) -> None:
    with_entries(monkeypatch, plain=Plain)
    result, _ = evaluate(track, "plain", 0)
    real = TRACKS[TRACK].test("real")
    grown = dataclasses.replace(track, tests=(*track.tests, real))
    monkeypatch.setattr("benchmarks.sets.at_hand", lambda of: not of.scenario.startswith("recorded/"))
    assert "has changed" in run.stale(result, grown)
    monkeypatch.setattr("benchmarks.sets.at_hand", lambda of: True)
    assert run.stale(result, grown) == f"made without set '{name_of(real.sets[0])}', which is there now"


def test_a_set_of_another_digest_is_refused(monkeypatch: pytest.MonkeyPatch, track: Track) -> None:
    of = track.train[0]
    monkeypatch.setattr("benchmarks.sets.pins", lambda: {name_of(of): "f" * 64})
    with pytest.raises(InputError, match="must have the pinned digest ffffffffffff; it has"):
        find(of)
    with_entries(monkeypatch, plain=Plain)
    result, _ = evaluate(track, "plain", 0)
    assert result.status == "failed"
    assert "pinned digest" in result.reason


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(InputError, match="track 'scene/pairin' not found; did you mean 'scene/pairing'"):
        track_of("scene/pairin")
    with pytest.raises(InputError, match="entry 'orcale' of track 'scene/pairing' not found; did you mean 'oracle'"):
        declared_entries.entry_of(TRACKS["scene/pairing"], "orcale")


def test_made_and_stored_sets_hold_the_same_recordings(track: Track, tmp_path: Path) -> None:
    of = dataclasses.replace(track.train[0], recordings=(1, 0, 1))
    made, stored = find(of, pinned=False), find(dataclasses.replace(of, made=False), tmp_path, pinned=False)
    assert isinstance(made, Made)
    for (_, one), (_, other) in zip(made.inputs("test"), stored.inputs("test"), strict=True):
        assert set(one) == set(other)
        for name, array in one.items():
            np.testing.assert_array_equal(array, other[name], err_msg=name)
    # as it was made last, and made again
    for one, other in ((made.truth("test", 0), stored.truth("test", 0)), (find(of).truth("test", 0),) * 2):
        assert set(one) == set(other)
        for name, array in one.items():
            np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_every_set_is_pinned() -> None:
    real = {name_of(s) for t in TRACKS.values() for s in t.sets if s.scenario.startswith("recorded/")}
    missing = {name_of(s) for t in TRACKS.values() for s in t.sets} - set(pins()) - real
    assert not missing, f"python -m benchmarks.run --all --pin; not pinned: {sorted(missing)}"


def _how(folder: Path) -> dict[str, Any]:
    environment = os.environ | {"PYTHONPATH": str(folder), "PROVINGGROUND_SETS": str(folder / "sets")}
    return {"text": True, "cwd": ROOT, "env": environment}


def _command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "benchmarks.run", *arguments], capture_output=True, check=False,
                          **_how(folder))  # fmt: skip


def _started(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", "benchmarks.run", *arguments], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, **_how(folder))  # fmt: skip


def test_entries_of_other_packages_run_and_fail_alone(tmp_path: Path) -> None:
    plugins.install_example(tmp_path)
    plugins.install(tmp_path, "mischief", "mischief", plugins.MISCHIEF, "mischief:ENTRIES")
    plugins.install(tmp_path, "torn", "torn", "raise RuntimeError('torn\\nin two')", "torn:ENTRIES")
    results = tmp_path / "results"
    names = ("all-plain", "raises", "dies", "slips", "hangs", "torn")
    wanted = [a for name in names for a in ("--entry", name)]
    common = ("--track", TRACK, "--small", "--seeds", "1", "--results", str(results), "--workers", "2")
    done = _command(tmp_path, *common, *wanted, "--timeout", "40")
    assert done.returncode == 0, done.stderr
    assert "5 of 6 entries left a failure" in done.stderr
    found = {name: read_result(run.path_of(results, TRACK, name, 0)) for name in names}
    assert {name: result.status for name, result in found.items()} == {
        "all-plain": "ok", "raises": "failed", "dies": "failed", "slips": "failed", "hangs": "timeout", "torn": "failed"
    }  # fmt: skip
    assert found["all-plain"].package == "provingground-example"
    assert found["all-plain"].entry_version == "0.3"
    assert found["raises"].reason == "ValueError: no idea"
    assert found["dies"].reason == "its process ended with status 7 and no result"
    assert found["slips"].reason == "its process ended with status 0 and no result"
    assert found["hangs"].reason == "it ran longer than 40 s"
    assert found["torn"].reason == "RuntimeError: torn in two"
    again = _command(tmp_path, *common, "--entry", "all-plain")
    assert "1 of 1 entries have valid results" in again.stderr
    path = run.path_of(results, TRACK, "all-plain", 0)
    path.write_text(path.read_text()[:100])  # cut off: it is made again
    again = _command(tmp_path, *common, "--entry", "all-plain")
    assert again.stdout.startswith("[1/1] scene/node-type  all-plain  macro_f1 0.")
    assert read_result(path).status == "ok"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--track", "scene/pairin"), "error: track 'scene/pairin' not found; did you mean 'scene/pairing'?"),
        (("--track", "scene/pairing", "--entry", "tolerent"),
         "error: entry 'tolerent' of track 'scene/pairing' not found; did you mean 'tolerant'?"),
        (("--all", "--domain", "hands"), "error: --domain must be one of"),
        (("--seeds", "2"), "error: give --track NAME, or --all"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_line(arguments: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(arguments) == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith(line)
    assert "\n" not in told


def test_results_are_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, track: Track) -> None:
    with_entries(monkeypatch, plain=Plain)
    result, rows = evaluate(track, "plain", 0)
    run.write(tmp_path, result, rows)
    path = run.path_of(tmp_path, track.id, "plain", 0)
    assert read_result(path) == Result(**json.loads(json.dumps(json.loads(path.read_text()))))
    import pyarrow.parquet as parquet

    table = parquet.read_table(path.with_suffix(".parquet")).to_pylist()
    assert len(table) == len(rows)
    assert table[0] == rows[0]
    assert not list(tmp_path.rglob("*.part"))
    path.write_text("{}")
    with pytest.raises(InputError, match="is not a result"):
        read_result(path)


@pytest.mark.parametrize(
    ("edited", "stale"),
    [
        ("benchmarks/metrics.py", {"plain", "tolerant", "oracle"}),
        ("benchmarks/scene_tasks.py", {"plain", "tolerant", "oracle"}),
        ("benchmarks/evaluate.py", {"plain", "tolerant", "oracle"}),
        ("baselines/evt.py", {"plain", "tolerant", "oracle"}),  # the task's thresholds
        ("benchmarks/ceilings.py", {"oracle"}),
        ("baselines/scene/carry.py", {"tolerant"}),
        ("tests/benchmarks/test_runs.py", {"plain"}),
        ("baselines/scene/pair_gbm.py", set()),
        ("simulators/scene/generate.py", set()),
        ("simulators/scene/kernels/words.py", set()),
        *((f"benchmarks/{name}.py", set()) for name in ("run", "board", "pages", "entries", "tracks", "track")),
    ],
)
def test_an_edit_makes_stale_what_rests_on_it(monkeypatch: pytest.MonkeyPatch, edited: str, stale: set[str]) -> None:
    from benchmarks import depends

    track = TRACKS["scene/pairing"]
    known = declared_entries.entries_of(track)
    entries = {"plain": Declared(make=Plain), "tolerant": known["tolerant"], "oracle": known["oracle"]}
    assert (ROOT / edited).is_file()
    before = {name: depends.depends(track, declared) for name, declared in entries.items()}
    monkeypatch.setattr(depends, "_bytes", lambda p: b"changed" if p == ROOT / edited else p.read_bytes())
    assert {name for name, told in before.items() if depends.depends(track, entries[name]) != told} == stale


def test_another_version_of_a_simulator_makes_all_stale(monkeypatch: pytest.MonkeyPatch, track: Track) -> None:
    from benchmarks import depends

    before = depends.depends(track, Declared(make=Plain))
    monkeypatch.setattr(depends, "_version", lambda domain: "another")
    assert depends.depends(track, Declared(make=Plain)) != before


def test_what_an_entry_does_not_tell_is_not_zero(monkeypatch: pytest.MonkeyPatch, track: Track) -> None:
    class Counts(Plain):
        parameters = 0

    with_entries(monkeypatch, plain=Plain, counts=Counts)
    assert evaluate(track, "plain", 0)[0].cost["parameters"] is None
    assert evaluate(track, "counts", 0)[0].cost["parameters"] == 0


def test_thresholds_are_kept_with_their_intervals() -> None:
    track = small(TRACKS["scene/anomaly"])
    found = evaluate(track, "difference", 0)[0].calibration
    told = evaluate(track, "all-positive", 0)[0]
    assert set(found) == {"threshold", "rare", "tails"}
    assert set(found["tails"]["rare"]) == {"low", "high", "theta", "fallback"}
    assert told.calibration["tails"]["threshold"]["fallback"]
    assert json.loads(json.dumps(told.calibration, allow_nan=False)) == told.calibration
    assert told.scores["matched"]["recall"]["value"] == 1


SLOW = """
import time
import numpy as np


class Slow:
    def fit(self, train, validation, rng):
        time.sleep(3)

    def predict(self, inputs, context):
        ids = np.concatenate([a for name, a in inputs.items() if name.endswith("/channel_id")])
        return {"channel_id": ids, "node_type": np.zeros(ids.size, int)}


ENTRIES = {"scene/node-type": {f"slow-{i}": Slow for i in range(3)}}
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path: Path, how: signal.Signals) -> None:
    plugins.install(tmp_path, "slow", "slow", SLOW, "slow:ENTRIES")
    results = tmp_path / "results"
    paths = [run.path_of(results, TRACK, f"slow-{i}", 0) for i in range(3)]
    arguments = ("--track", TRACK, "--small", "--seeds", "1", "--results", str(results), "--workers", "1",
                 *(a for i in range(3) for a in ("--entry", f"slow-{i}")))  # fmt: skip
    with _started(tmp_path, *arguments) as runner:
        until = time.monotonic() + 120
        while not paths[0].exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)  # the next entry is at work
        runner.send_signal(how)
        assert runner.wait(30) != 0
    time.sleep(4)  # an entry that outlived its runner would be done by now
    assert [path.exists() for path in paths] == [True, False, False]
    assert not list(results.rglob("*.part"))
    before = paths[0].read_bytes()
    again = _command(tmp_path, *arguments)
    assert "1 of 3 entries have valid results" in again.stderr
    assert "minutes in all" in again.stderr
    assert [line.split()[2] for line in again.stdout.splitlines()] == ["slow-1", "slow-2"]
    assert paths[0].read_bytes() == before
    assert {read_result(path).status for path in paths} == {"ok"}
