"""The board on toy tracks and made-up results: what stands on it, what does not, and that it is always the same."""

import csv
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as hst

from benchmarks import board as bd
from benchmarks import leaderboard as lb
from benchmarks import pages, pictures
from benchmarks import statistics as st
from benchmarks.track import Metric, Result, SetOf, Task, Test, Track
from scenarios.errors import InputError

pa = pytest.importorskip("pyarrow", reason="results need the extra 'export'")
parquet = pytest.importorskip("pyarrow.parquet")


def _ratio(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


TASK = Task(
    name="toy",
    question="Which toy is it?",
    inputs="a picture",
    target="a toy",
    check=lambda inputs, prediction: None,
    columns=lambda inputs, truth, prediction, calibration: {},
    metrics=(
        Metric(name="right", meaning="share that is right", columns=("x", "x_n"), value=_ratio),
        Metric(name="alarms", meaning="false alarms an hour", columns=("alarms", "hours"), value=_ratio,
               higher_is_better=False, best=0.0),
        Metric(name="kept", meaning="alarms by the promised", columns=("alarms", "hours"), value=_ratio, honest=1.0),
    ),
    main="right",
)  # fmt: skip
SETS = tuple(SetOf(simulator="scene", scenario=kind, recordings=(2, 1, 6), kind=kind) for kind in ("easy", "hard"))
OTHER = SetOf(simulator="scene", scenario="other", recordings=(0, 0, 4), kind="other")
TRACK = Track(
    id="scene/toy",
    version=3,
    task=TASK,
    train=SETS,
    tests=(Test(name="matched", sets=SETS), Test(name="shifted", sets=(OTHER,))),
    floors=("chance", "one-liner"),
    ceiling="oracle",
    ceiling_how="An oracle that was told.",
    note="A toy.",
)
SECOND = replace(TRACK, id="scene/toy-shift")
TRACKS = {t.id: t for t in (TRACK, SECOND)}
LEVELS = {"chance": 0.1, "one-liner": 0.3, "weak": 0.4, "good": 0.6, "best": 0.7, "oracle": 0.9}
README = f"# Toys\n\n{lb.BEGIN}\nold\n{lb.END}\n\nThe rest.\n"
Rows = list[dict[str, Any]]


def _fresh(result: Result, track: Track) -> str:
    return ""


def _rows(level: float, seed: int = 0, n: int = 6) -> Rows:
    """Recordings of the matched and the shifted test around a level, with a spread that entries share."""
    rng = np.random.default_rng(5)
    rows: Rows = [
        {"test": "matched", "kind": kind, "index": i, "x": level + gain + rng.normal(0, 0.03) + 0.01 * seed, "x_n": 1.0,
         "alarms": float(i), "hours": 0.5}
        for kind, gain in (("hard", -0.05), ("easy", 0.05))
        for i in range(n)
    ]  # fmt: skip
    return rows + [
        {"test": "shifted", "kind": "other", "index": i, "x": level / 2, "x_n": 1.0, "alarms": 0.0, "hours": 0.0}
        for i in range(4)
    ]


def _result(track: Track, entry: str, seed: int = 0, **changed: Any) -> Result:
    cost = {"fit_s": 0.5, "predict_s": 2.0 + seed, "samples": 1e6, "samples_per_s": 5e5, "recordings": 16.0,
            "peak_bytes": 2e8, "parameters": 7.0}  # fmt: skip
    values: dict[str, Any] = {
        "schema": 1, "track": track.id, "track_version": track.version, "entry": entry, "entry_version": "1",
        "package": "provingground", "about": "A toy.", "capped": "", "oracle": entry == "oracle", "seed": seed,
        "deterministic": True, "status": "ok", "reason": "", "depends": "d", "chosen": {}, "scores": {}, "cost": cost,
        "digests": {"scene/easy 2/1/6": "e" * 64, "scene/hard 2/1/6": "f" * 64}, "record": {"at": "now"},
    }  # fmt: skip
    return Result(**(values | changed))


def _put(results: Path, result: Result, rows: Rows) -> Path:
    path = results / result.track / result.entry / f"{result.seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(result)))
    if rows:
        names = list(dict.fromkeys(name for row in rows for name in row))
        parquet.write_table(pa.table({n: [row[n] for row in rows] for n in names}), path.with_suffix(".parquet"))
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Six entries on two tracks."""
    folder = tmp_path / "results"
    for track in TRACKS.values():
        for entry, level in LEVELS.items():
            _put(folder, _result(track, entry), _rows(level))
    return folder


def _board(results: Path, tracks: Mapping[str, Track] = TRACKS, stale: bd.Stale = _fresh) -> bd.Board:
    return bd.board(results, tracks, stale)


def _first(results: Path, stale: bd.Stale = _fresh) -> bd.TrackBoard:
    return _board(results, stale=stale).tracks[TRACK.id]


def _left(results: Path, stale: bd.Stale = _fresh) -> dict[tuple[str, str], str]:
    return {(item.entry, item.seed): item.reason for item in _first(results, stale).left}


def test_order_ranks_and_roles(results: Path) -> None:
    found = _first(results)
    assert [s.name for s in found.standings] == ["oracle", "best", "good", "weak", "one-liner", "chance"]
    assert [s.role for s in found.standings] == ["ceiling", "entry", "entry", "entry", "floor", "floor"]
    assert [(s.name, s.rank.rank) for s in found.ranked if s.rank] == [("best", 1), ("good", 2), ("weak", 3)]
    best = found.ranked[0]
    assert best.rank
    assert (best.rank.low, best.rank.high) == (1, 1)
    assert best.main.value == pytest.approx(0.7, abs=0.03)
    assert best.main.low < best.main.value < best.main.high
    assert best.main.worst_kind == "hard"
    assert found.way(best.main.value) == pytest.approx((0.7 - 0.3) / (0.9 - 0.3))
    assert found.gain(best.main.value, found.first("floor")) == pytest.approx(0.4)
    assert found.left == ()


def test_other_oracles_are_not_ranked(results: Path) -> None:
    _put(results, _result(TRACK, "likelihood", oracle=True), _rows(0.95))
    found = _first(results)
    assert found.standings[0].role == "oracle"
    assert found.standings[0].rank is None
    assert "| likelihood (oracle) |" in pages.page(found)


def test_page(results: Path) -> None:
    text = pages.page(_first(results))
    head = next(line for line in text.splitlines() if line.startswith("| rank"))
    for name in ("right, test matched [95 %]", "rank 95 %", "worst kind [95 %]", "above floor", "below ceiling",
                 "shifted", "fit s", "predict s", "samples/s", "memory MB", "parameters", "version"):  # fmt: skip
        assert name in head
    best = next(line for line in text.splitlines() if line.startswith("| 1 | best"))
    assert len(best.split(" | ")) == len(head.split(" | "))
    assert "0.350 [0.350, 0.350]" in best
    assert "| 0.5 | 2 | 5e+05 | 200 | 7 | 1 |" in best
    assert "|  | chance (floor) |" in text
    assert "|  | oracle (ceiling) |" in text
    for title in (
        "# scene/toy\n",
        "Which toy is it?",
        "Version 3",
        "An oracle that was told.",
        "- A toy.",
        "## Other metrics",
        "alarms: false alarms an hour (lower is better)",
        "kept: alarms by the promised (nearest 1 is best)",
        "Given: a picture. Asked: a toy.",
        "Memory is the peak of the whole process",
        "Fit seconds hold the choice from an entry's grid",
        "right of that recording by itself",
        "## By kind, test `matched`",
        "## By kind, test `shifted`",
        "## Against the best, best",
        "## Critical difference",
        "`eeeeeeeeeeeeeeee`",
        "scene-toy-scores.svg",
        "scene-toy-cost.svg",
        "scene-toy-cd.svg",
        "over 12 recordings",
    ):
        assert title in text, title
    assert "## Left off" not in text
    assert "## Thresholds" not in text
    assert "| best | 0.750 [0.729, 0.776] | 0.646 [0.626, 0.665] |" in text.partition("By kind, test `matched`")[2]
    assert text.rstrip().endswith("from the results of `python -m benchmarks.run --track scene/toy --seeds 5`.")


def test_what_is_not_told_is_no_number(results: Path) -> None:
    costs = _result(TRACK, "quiet").cost
    for seed, parameters in enumerate((None, 4.0)):
        _put(results, _result(TRACK, "half-told", seed, cost=costs | {"parameters": parameters}), _rows(0.65))
    _put(results, _result(TRACK, "quiet", cost=costs | {"parameters": None}), _rows(0.65))
    text = pages.page(_first(results))
    assert "| 200 | - | 1 |" in next(line for line in text.splitlines() if "| quiet |" in line)
    assert "| 200 | 4 | 1 |" in next(line for line in text.splitlines() if "| half-told |" in line)


def test_thresholds_have_their_intervals(results: Path) -> None:
    tail = {"low": 1.5, "high": 2.5, "theta": 0.25, "fallback": False}
    gone = {"low": None, "high": None, "theta": None, "fallback": True}
    for entry, told in (
        ("best", {"threshold": 2.0, "rare": 3.0, "tails": {"threshold": tail, "rare": gone}}),
        ("good", {"threshold": None}),
    ):
        _put(results, _result(TRACK, entry, calibration=told), _rows(LEVELS[entry]))
    text = pages.page(_first(results))
    assert "| entry | seed | threshold | rare |" in text
    assert "| best | 0 | 2 [1.5, 2.5], index 0.25 | 3 (*maximum*) |" in text
    assert "| good | 0 | none | none |" in text
    json.dumps(pages.as_json(_board(results), "scene"), allow_nan=False)


def test_differences_to_the_best(results: Path) -> None:
    found = _first(results)
    gap = bd.difference(found.ranked[1], found.ranked[0])
    assert gap
    assert (gap.value, gap.low, gap.high) == pytest.approx((-0.1, -0.1, -0.1))  # the spread is shared, so it cancels
    assert gap.p < 0.01


def test_several_seeds(results: Path) -> None:
    for seed in range(3):
        _put(results, _result(TRACK, "drawn", seed, deterministic=False), _rows(0.65, seed))
    found = next(s for s in _first(results).ranked if s.name == "drawn")
    assert found.main.seeds == 3
    assert found.main.sd == pytest.approx(0.01)
    assert found.main.value == pytest.approx(found.by_seed[1]["matched"]["right"].value)
    assert found.cost["predict_s"] == pytest.approx(3)
    assert "| 3 | ± 0.010 |" in pages.page(_first(results))


def test_a_failed_seed_leaves_the_others(results: Path) -> None:
    _put(results, _result(TRACK, "drawn", 0), _rows(0.65))
    _put(results, _result(TRACK, "drawn", 1, status="failed", reason="ValueError: a | b <c>"), [])
    _put(results, _result(TRACK, "drawn", 2, status="timeout", reason="it ran longer than 5 s"), [])
    _put(results, _result(TRACK, "drawn", 3, status="timeout", reason="it ran longer than 5 s"), [])
    assert next(s for s in _first(results).ranked if s.name == "drawn").main.seeds == 1
    left = _left(results)
    assert left["drawn", "1"] == "failed: ValueError: a \\| b &lt;c>"
    text = pages.page(_first(results))
    assert "| drawn | 2, 3 | timeout: it ran longer than 5 s |" in text


def test_results_that_do_not_hold(results: Path) -> None:
    """Each kind of bad result has its line, and the others keep their places."""
    _put(results, _result(TRACK, "old", depends="then"), _rows(0.8))
    _put(results, _result(TRACK, "gone", status="failed", reason="no", depends="then"), [])
    _put(results, _result(TRACK, "rowless"), [])
    _put(results, _result(TRACK, "elsewhere"), [row for row in _rows(0.8) if row["test"] == "shifted"])
    _put(results, _result(TRACK, "lacking"), [{k: v for k, v in row.items() if k != "x_n"} for row in _rows(0.8)])
    _put(results, _result(TRACK, "fewer"), _rows(0.8, n=3))
    _put(results, _result(TRACK, "unscored"), [row | {"x": 0.0, "x_n": 0.0} for row in _rows(0.8)])
    _put(results, _result(TRACK, "text"), []).write_text("{")
    _put(results, _result(TRACK, "other"), []).write_text('{"a": 1}')
    _put(results, _result(TRACK, "damaged"), []).with_suffix(".parquet").write_bytes(b"PAR1")
    _put(results, _result(TRACK, "moved"), _rows(0.8)).rename(results / TRACK.id / "moved" / "7.json")
    left = _left(results, lambda result, track: "set 'easy' had digest a, not b" if result.depends == "then" else "")
    assert left["old", "0"] == "out of date: set 'easy' had digest a, not b"
    assert left["gone", "0"] == "failed: no (and out of date: set 'easy' had digest a, not b)"
    assert left["rowless", "0"] == "its rows '0.parquet' are not there"
    assert left["elsewhere", "0"] == "its rows have no recording of the test 'matched'"
    assert left["lacking", "0"] == "its rows lack what 'right' needs: x_n"
    assert "6 recordings of the test 'matched', 6 of them among the 12" in left["fewer", "0"]
    assert left["unscored", "0"] == "'right' cannot be scored on the test 'matched'"
    assert left["text", "0"].startswith("its file is not a result: ")
    assert left["other", "0"].startswith("its file is not a result: ")
    assert left["damaged", "0"].startswith("its rows '0.parquet' cannot be read: ")
    assert left["moved", "7"] == "its file says that it is scene/toy/moved/0"
    assert len(left) == 11
    assert all("\n" not in reason for reason in left.values())
    assert [s.name for s in _first(results, lambda result, track: "").ranked][:1] == ["old"]


def test_a_kind_that_cannot_be_scored_is_told(results: Path) -> None:
    rows = [row | ({"x": 0.0, "x_n": 0.0} if row["kind"] == "hard" else {}) for row in _rows(0.5)]
    _put(results, _result(TRACK, "half"), rows)
    found = next(s for s in _first(results).ranked if s.name == "half")
    assert found.main.unscored == ("hard",)
    assert found.main.value == pytest.approx(0.55, abs=0.03)
    text = pages.page(_first(results))
    assert "(1 of 2 kinds)" in next(line for line in text.splitlines() if "| half |" in line)
    assert "for some entry: hard 6." in text
    gap = bd.difference(found, next(s for s in _first(results).ranked if s.name == "best"))
    assert gap
    assert gap.value == pytest.approx(-0.2)  # on the kind that both can score


def test_an_entry_of_another_package(results: Path) -> None:
    _put(results, _result(TRACK, "plugged", package="their-package", entry_version="2.1"), _rows(0.75))
    found = _first(results)
    assert found.ranked[0].name == "plugged"
    assert "| 1 | plugged (from their-package) |" in pages.page(found)


def test_a_capped_entry_is_marked(results: Path) -> None:
    _put(results, _result(TRACK, "slow", capped="16 channels"), _rows(0.65))
    assert "| 2 | slow (capped: 16 channels) |" in pages.page(_first(results))


def test_no_interval_from_one_recording(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    for entry in ("weak", "best"):
        _put(folder, _result(TRACK, entry), _rows(LEVELS[entry], n=1))
    text = pages.page(_first(folder))
    assert "[-]" in text
    assert "Without a result: `chance`, `one-liner`, `oracle`." in text


def test_lower_is_better(results: Path) -> None:
    track = replace(TRACK, task=replace(TASK, main="alarms"))
    found = bd.track_board(results, track, _fresh)
    assert all(s.rank and s.rank.rank == 1 for s in found.ranked)  # all alike
    for entry, alarms in (("few", 0.1), ("many", 3.0)):
        _put(results, _result(TRACK, entry), [row | {"alarms": alarms} for row in _rows(0.5)])
    found = bd.track_board(results, track, _fresh)
    assert found.ranked[0].name == "few"
    assert found.ranked[-1].name == "many"
    assert found.gain(found.ranked[0].main.value, found.first("floor")) > 0
    assert np.isnan(found.way(1.0))  # floor and ceiling are alike


def _tracks(*tasks: str) -> dict[str, Track]:
    """Tracks that ask different questions, and a shift of the first."""
    made = [replace(TRACK, id=f"scene/{name}", task=replace(TASK, name=name)) for name in tasks]
    return {t.id: t for t in [*made, replace(made[0], id=f"{made[0].id}-shift")]}


def test_over_tracks(results: Path, tmp_path: Path) -> None:
    """A track and its shift count once, and what nothing could ever be told apart by is left out, in words."""
    assert _board(results).across == ()
    for count, vacuous in ((2, True), (3, False)):
        tracks = _tracks("toy", "second", "third")
        shown = dict(list(tracks.items())[:count]) | {"scene/toy-shift": tracks["scene/toy-shift"]}
        for track in shown.values():
            for entry, level in LEVELS.items():
                _put(results, _result(track, entry), _rows(level))
        board = _board(results, shown)
        ((names, found),) = board.across
        assert names == ("scene/toy", "scene/second", "scene/third")[:count]
        assert list(found.ranks) == ["best", "good", "weak"]
        assert found.vacuous == vacuous
        (tmp_path / "README.md").write_text(README)
        written = lb.write(board, tmp_path / "out", tmp_path / "README.md")
        assert ("across-1.svg" in {p.name for p in written}) == ("across-1.svg" in pages.index(board)) == (not vacuous)
    line = "which rank the same entries: over 2 tracks average ranks of 3 entries differ at 5 % from 2.34 on, and 2 is"
    board = _board(results, {name: t for name, t in shown.items() if name != "scene/third"})
    assert line in pages.index(board)
    lb.write(board, tmp_path / "out", tmp_path / "README.md")
    assert not (tmp_path / "out" / "across-1.svg").exists()  # of the last time


def test_only_entries_that_tracks_share_are_compared(results: Path) -> None:
    tracks = _tracks("toy", "second", "third")
    for track in tracks.values():
        for entry in ("weak", "good") if track.id == "scene/third" else LEVELS:
            _put(results, _result(track, entry), _rows(LEVELS[entry]))
    assert [names for names, _ in _board(results, tracks).across] == [("scene/toy", "scene/second")]


def test_a_track_of_few_units_has_no_diagram(results: Path, tmp_path: Path) -> None:
    for entry in LEVELS:
        _put(results, _result(TRACK, entry), _rows(LEVELS[entry], n=1))
    found = _first(results)
    assert found.comparison
    assert found.comparison.vacuous
    text = pages.page(found)
    assert "No critical-difference diagram: over 2 kinds average ranks of 3 entries differ" in text
    assert "cd.svg" not in text


def test_better_than_the_ceiling(results: Path) -> None:
    """A ceiling that is no bound is shown, with where and by how much."""
    line = "No entry or floor is better than the ceiling, in the mean or on a kind"
    assert line in pages.page(_first(results))
    gains = {"hard": 0.3, "easy": -0.1, "other": 0.0}
    _put(results, _result(TRACK, "bold"), [row | {"x": row["x"] + gains[row["kind"]]} for row in _rows(0.9)])
    found = _first(results)
    assert [(s.name, kind, round(gap.value, 6)) for s, kind, gap in bd.above_ceiling(found)] == [
        ("bold", "", 0.1), ("bold", "hard", 0.3)
    ]  # fmt: skip
    text = pages.page(found)
    assert line not in text
    assert "`bold` in the mean by 0.100 [0.100, 0.100], on hard by 0.300 [0.300, 0.300]." in text
    lower = replace(TRACK, task=replace(TASK, main="alarms"))
    assert bd.above_ceiling(bd.track_board(results, lower, _fresh)) == []
    _put(results, _result(TRACK, "few"), [row | {"alarms": row["alarms"] / 2} for row in _rows(0.5)])
    assert {s.name for s, _, _ in bd.above_ceiling(bd.track_board(results, lower, _fresh))} == {"few"}


def test_what_entries_are_and_what_made_them(results: Path) -> None:
    record = {"commit": "a" * 40, "dirty": False, "python": "3.11.9", "system": "Linux", "machine": "x86_64",
              "cpu": "Some CPU", "packages": {"numpy": "2.1.0", "scipy": "1.14.0"}}  # fmt: skip
    for entry in LEVELS:
        _put(results, _result(TRACK, entry, record=record), _rows(LEVELS[entry]))
    for seed in range(3):
        changed = record | {"commit": "b" * 40, "dirty": True, "packages": {"numpy": "2.2.0"}}
        told = _result(
            TRACK, "drawn", seed, about="Draws | lots.", chosen={"base": 2.0 if seed else 4.0}, record=changed
        )
        _put(results, told, _rows(0.65, seed))
    text = pages.page(_first(results))
    assert "| drawn | Draws \\| lots. | provingground | 1 | base 2.0 (2), 4.0 (1) |" in text
    assert "| best | A toy. | provingground | 1 | - |" in text
    line = next(line for line in text.splitlines() if line.startswith("9 results made with: "))
    assert f"commit {'a' * 12} (6), {'b' * 12} with changes (3); simulators scene " in line
    assert line.endswith("; Python 3.11.9; packages numpy 2.1.0 or 2.2.0, scipy 1.14.0; machine Linux x86_64 Some CPU.")


def test_how_far_intervals_can_be_trusted(results: Path, tmp_path: Path) -> None:
    text = pages.page(_first(results))
    assert "from 6 recordings a kind" in text
    told = [f"{100 * st.coverage(counts):.0f} % " for counts in ((6, 6), (6,))]
    assert f"hold the truth in {told[0]}of cases for the mean over 2 kinds and in {told[1]}for one kind of 6" in text
    _put(tmp_path / "one", _result(TRACK, "best"), _rows(0.5, n=1))
    assert "hold the truth" not in pages.page(_first(tmp_path / "one"))


def test_reasons_of_the_runner_are_told(results: Path) -> None:
    """A second seed of an entry that draws no more, and a result that lacks recordings which are there now."""
    for seed in range(2):
        _put(results, _result(TRACK, "drawn", seed), _rows(0.65, seed))
    _put(results, _result(TRACK, "early"), _rows(0.5))

    def stale(result: Result, track: Track) -> str:
        if result.deterministic and result.seed:
            return "declared deterministic: seed 0 is its only run"
        return "made without set 'real', which is there now" if result.entry == "early" else ""

    found = _first(results, stale)
    assert next(s for s in found.ranked if s.name == "drawn").main.seeds == 1
    text = pages.page(found)
    assert "| drawn | 1 | out of date: declared deterministic: seed 0 is its only run |" in text
    assert "| early | 0 | out of date: made without set 'real', which is there now |" in text


def test_no_results_at_all(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    found = _board(tmp_path / "results")
    assert "No entry has a result that holds." in pages.page(found.tracks[TRACK.id])
    (tmp_path / "README.md").write_text(README)
    lb.write(found, tmp_path / "out", tmp_path / "README.md")
    with pytest.raises(InputError, match="results must be a folder"):
        _board(tmp_path / "none")


def test_results_of_no_track(results: Path) -> None:
    _put(results, _result(replace(TRACK, id="scene/toi"), "best"), _rows(0.5))
    found = _board(results)
    assert found.strays == ("track 'scene/toi' not found; did you mean 'scene/toy'?",)
    assert "## Results of no track" in pages.index(found)
    assert not bd.board(results, {TRACK.id: TRACK}, _fresh, [*TRACKS, "scene/toi"]).strays


def test_a_track_that_was_superseded(results: Path) -> None:
    old = replace(TRACK, superseded_by=SECOND.id)
    found = _board(results, {old.id: old, SECOND.id: SECOND})
    assert "Superseded by `scene/toy-shift`." in pages.page(found.tracks[old.id])
    assert not any("scene-toy.md" in line for line in pages.summary(found, ""))
    assert "[scene/toy](scene-toy.md) by `scene/toy-shift`" in pages.index(found)
    assert found.across == ()


def test_files_are_the_same_each_time(results: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README)
    kept = []
    for _ in range(2):
        written = lb.write(_board(results), tmp_path / "docs" / "board", readme)
        kept.append({p.name: p.read_bytes() for p in [*written, readme]})
    again = tmp_path / "again"
    for path in sorted(results.rglob("*.*"), reverse=True):  # written in another order, at another time
        target = again / path.relative_to(results)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    written = lb.write(_board(again), tmp_path / "docs" / "board", readme)
    kept.append({p.name: p.read_bytes() for p in [*written, readme]})
    assert kept[0] == kept[1] == kept[2]
    assert set(kept[0]) == {
        "README.md", "scene.csv", "scene.parquet", "scene.json",
        *(f"scene-{name}{end}" for name in ("toy", "toy-shift")
          for end in (".md", "-scores.svg", "-cost.svg", "-cd.svg")),
    }  # fmt: skip
    assert max(len(data) for name, data in kept[0].items() if name.endswith(".svg")) < 40_000
    assert b"<dc:date>" not in b"".join(kept[0].values())


def test_readme(results: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README)
    lb.write(_board(results), tmp_path / "docs" / "board", readme)
    text = readme.read_text()
    assert text.startswith(f"# Toys\n\n{lb.BEGIN}\n\n| track |")
    assert text.endswith(f"\n\n{lb.END}\n\nThe rest.\n")
    assert "old" not in text
    row = next(line for line in text.splitlines() if line.startswith("| [scene/toy]"))
    assert row == (
        "| [scene/toy](docs/board/scene-toy.md) | right, matched | best | 0.698 [0.684, 0.714] | 1 to 1 of 3 | "
        "one-liner: 0.298 [0.284, 0.314] | 0.898 [0.884, 0.914] | shifted: 0.350 [0.350, 0.350] | "
        "hard: 0.646 [0.626, 0.665] |"
    )
    head = next(line for line in text.splitlines() if line.startswith("| track |"))
    assert head.count("|") == row.count("|")
    assert "Made by `python -m benchmarks.leaderboard`" in text
    for link in ("docs/board/scene-toy.md", "docs/board/README.md"):
        assert link in text
        assert (tmp_path / link).is_file()


@pytest.mark.parametrize("text", ["# None", lb.BEGIN, f"{lb.END}\n{lb.BEGIN}", f"{lb.BEGIN}{lb.BEGIN}{lb.END}"])
def test_readme_without_markers(results: Path, tmp_path: Path, text: str) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(InputError, match=r"must have one '<!-- leaderboard -->' and after it one") as raised:
        lb.write(_board(results), tmp_path / "docs", readme)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "docs").exists()
    assert readme.read_text() == text


def test_readme_of_a_shift(results: Path) -> None:
    """Where the shifted test ranks, the matched one stands in the other column."""
    track = replace(TRACK, main_test="shifted")
    row = next(line for line in pages.summary(_board(results, {track.id: track}), "") if "scene/toy" in line)
    assert "| right, shifted | best | 0.350 [0.350, 0.350] |" in row
    assert row.endswith("| matched: 0.698 [0.684, 0.714] | other: 0.350 [0.350, 0.350] |")


def test_tables(results: Path, tmp_path: Path) -> None:
    for seed in range(2):
        _put(results, _result(TRACK, "drawn", seed), _rows(0.65, seed))
    readme = tmp_path / "README.md"
    readme.write_text(README)
    out = tmp_path / "board"
    lb.write(_board(results), out, readme)
    table = parquet.read_table(out / "scene.parquet")
    assert table.column_names == list(pages.COLUMNS)
    rows = table.to_pylist()
    own = [r for r in rows if r["track"] == TRACK.id and r["entry"] == "drawn" and r["metric"] == "right"]
    assert [(r["seed"], r["test"], r["kind"]) for r in own] == [
        (seed, *place)
        for seed in (0, 1)
        for place in (("matched", ""), ("matched", "easy"), ("matched", "hard"), ("shifted", ""), ("shifted", "other"))
    ]
    assert own[0]["low"] < own[0]["value"] < own[0]["high"]
    assert not [r for r in rows if r["metric"] == "alarms" and r["test"] == "shifted"]  # nothing to score there
    with (out / "scene.csv").open(newline="") as file:
        means = list(csv.DictReader(file))
    texts = [{name: "" if x is None else str(x) for name, x in row.items()} for row in rows if not row["kind"]]
    assert means == texts
    assert len(means) < len(rows)
    assert "[scene.csv](scene.csv), only the means over kinds" in (out / "README.md").read_text()
    told = json.loads((out / "scene.json").read_text())[TRACK.id]
    assert told["rows"][0]["entry"] == "oracle"
    assert told["rows"][1]["rank"] == {"rank": 1, "low": 1, "high": 1}
    assert told["rows"][1]["way"] == pytest.approx(2 / 3)


def test_names_are_text(results: Path) -> None:
    _put(results, _result(TRACK, "$a_b$", about="x"), _rows(0.72))
    _put(results, _result(TRACK, "a|b<c>", about="x"), _rows(0.71))
    assert "a\\|b&lt;c>" in pages.page(_first(results))
    assert _first(results).ranked[0].name == "$a_b$"


@given(hst.lists(hst.floats(0, 1), min_size=1, max_size=9), hst.floats(0.01, 0.1))
def test_names_in_pictures_lie_apart(places: list[float], gap: float) -> None:
    found = pictures.spread(sorted(places, reverse=True), gap)
    assert all(a - b >= gap - 1e-9 for a, b in pairwise(found))
    assert found[-1] >= 0
    assert pictures.spread(found, gap / 2) == found  # what is apart is not moved


def _installed(monkeypatch: pytest.MonkeyPatch, reason: str = "") -> None:
    monkeypatch.setitem(sys.modules, "benchmarks.tracks", SimpleNamespace(TRACKS=TRACKS))
    monkeypatch.setitem(sys.modules, "benchmarks.run", SimpleNamespace(stale=lambda result, track: reason))


def test_command(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _installed(monkeypatch)
    readme = tmp_path / "README.md"
    readme.write_text(README)
    places = ["--results", str(results), "--out", str(tmp_path / "out"), "--readme", str(readme)]
    assert lb.main([*places, "--domain", "scene"]) == 0
    assert capsys.readouterr().out.startswith("2 tracks, 6 places, 0 results left off: 12 files in ")
    assert (tmp_path / "out" / "scene-toy.md").is_file()
    _installed(monkeypatch, "what it depends on has changed")
    assert lb.main(places) == 0
    assert capsys.readouterr().out.startswith("2 tracks, 0 places, 12 results left off")
    assert "out of date: what it depends on has changed" in (tmp_path / "out" / "scene-toy.md").read_text()


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (["--domain", "scenes"], "error: --domain must be one of scene; it is 'scenes'"),
        (["--results", "nowhere"], "error: results must be a folder that benchmarks.run filled; 'nowhere' is none"),
        (["--readme", "nowhere.md"], "error: readme 'nowhere.md' must be a file that can be read"),
        (["--result", "x"], "error: No such option"),
    ],
)
def test_bad_input(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    changed: list[str], line: str,
) -> None:  # fmt: skip
    _installed(monkeypatch)
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text(README)
    assert lb.main(changed) == 2
    told = capsys.readouterr().err
    assert told.startswith(line)
    assert told.count("\n") == 1
    assert not Path("docs").exists()


def test_a_folder_that_cannot_be_written(results: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"leaderboard .* must be writable"):
        lb.write(_board(results), tmp_path / "file" / "out", readme)
    assert readme.read_text() == README
