"""Figures of fidelity: each is checked on words whose figure is known, and against scipy and scikit-learn."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from typer.testing import CliRunner

from benchmarks import fidelity
from benchmarks.fidelity_scene import (
    FEATURES,
    WINDOW,
    _folds,
    auc,
    distances,
    join,
    measure,
    measures,
    summary,
    two_sample,
    window_features,
)
from scenarios.schema import Arrays

sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="the two-sample test needs the extra 'baselines'")
windows = hnp.arrays(np.uint16, st.tuples(st.integers(1, 3), st.integers(3, 40)))
SCENARIO = """
purpose = "small bus"
version = 1
seed = 1
duration_s = 30
clocks = [{ rate_hz = 50, channels = 16 }]
pairs = { count = 3, visible_probability = 1.0 }
bits = { packed = 4 }
"""


def _feature(words: np.ndarray, name: str) -> float:
    return float(window_features(words[None])[0, FEATURES.index(name)])


def _recording(rng: np.random.Generator, step: int, n: int = 2 * WINDOW) -> Arrays:
    """Three channels at 10 Hz: a walk, and the two halves of a counter that rolls over."""
    count = np.arange(n, dtype=np.int64) * 1000 + int(rng.integers(0, 60_000))
    walk = 30_000 + np.cumsum(rng.integers(-step, step + 1, n))
    events = np.flatnonzero(np.diff(count >> 16)) + 1
    return {
        "inputs/r10/words": np.stack([walk, count >> 16, count]).astype(np.uint16),
        "inputs/r10/channel_id": np.array([2, 0, 1], np.int32),
        "inputs/r10/n_samples": np.full(3, n, np.int32),
        "truth/node_type": np.array([1, 2, 0], np.int8),
        "truth/pair_msb": np.array([0], np.int32),
        "truth/pair_lsb": np.array([1], np.int32),
        "truth/pair_visible": np.array([1], np.int8),
        "truth/overflow_pair": np.zeros(len(events), np.int32),
    }


def test_features_of_known_words() -> None:
    counter = np.arange(64, dtype=np.uint16)
    assert _feature(counter, "flip0") == 1
    assert _feature(counter, "flip1") == 31 / 63
    assert _feature(counter, "flip6") == 0
    assert _feature(counter, "entropy") == 6
    assert _feature(counter, "unique") == 1
    assert _feature(counter, "turns") == 0
    assert _feature(counter, "step_max") == 1
    assert _feature(counter, "lag1") == pytest.approx(1)
    still = np.full(64, 3, np.uint16)
    assert _feature(still, "still") == 1
    assert _feature(still, "entropy") == 0
    assert _feature(still, "ones") == 2 / 16
    assert _feature(still, "run_log10") == pytest.approx(np.log10(64))
    wrap = np.array([65535, 0] * 32, np.uint16)
    assert _feature(wrap, "step_max") == 1
    assert _feature(wrap, "jumps") == 0
    assert _feature(wrap, "turns") == 1
    assert _feature(np.array([0, 30000] * 32, np.uint16), "jumps") == 1


@given(windows, st.integers(0, 65535))
def test_inverting_bits_changes_no_flip_and_no_entropy(words: np.ndarray, mask: int) -> None:
    there, back = window_features(words), window_features(words ^ np.uint16(mask))
    same = [i for i, name in enumerate(FEATURES) if name.startswith("flip") or name in ("entropy", "unique", "still")]
    np.testing.assert_allclose(there[:, same], back[:, same], atol=1e-12)


@given(windows)
def test_entropy_and_flips_are_scipys_and_the_definition(words: np.ndarray) -> None:
    found = window_features(words)
    for row, features in zip(words, found, strict=True):
        expected = stats.entropy(np.unique(row, return_counts=True)[1], base=2)
        assert features[FEATURES.index("entropy")] == pytest.approx(expected, abs=1e-9)
        bits = (row[:, None] >> np.arange(16)) & 1
        np.testing.assert_allclose(features[:16], (np.diff(bits.astype(int), axis=0) != 0).mean(0))
    assert np.isfinite(found).all()


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_is_scikit_learns(rows: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows], int)
    if 0 < positive.sum() < len(positive):
        assert auc(scores, positive) == pytest.approx(sklearn_metrics.roc_auc_score(positive, scores))


@given(st.integers(2, 9), st.integers(0, 2**32))
def test_no_group_is_in_two_folds(folds: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    key = rng.integers(0, 20, 100)
    fold = _folds(key, folds, rng)
    assert all(len(set(fold[key == k])) == 1 for k in key)
    assert set(fold) <= set(range(folds))


def test_a_sample_counts_what_its_recordings_hold() -> None:
    rng = np.random.default_rng(0)
    sample = measure("x", [_recording(rng, 5) for _ in range(3)], devices=[0, 0, 1])
    figures = summary(sample)
    assert (figures["recordings"], figures["channels"], figures["pairs"]) == (3, 9, 3)
    assert figures["share_by_type"] == {"plain": 1 / 3, "msb": 1 / 3, "lsb": 1 / 3, "bits": 0}
    assert figures["visible_share"] == 1
    # 1000 counts a sample at 10 Hz: 600,000 a minute, of which 65,536 make a rollover
    np.testing.assert_allclose(sample.rollovers_per_min, 600_000 / 65_536, atol=60 / 25.6)
    assert set(np.bincount(sample.window_channel)) == {2}
    np.testing.assert_array_equal(sample.interval_ms, 100)
    both = join("y", [sample, sample])
    assert summary(both)["recordings"] == 6
    assert sorted(set(both.device)) == [0, 1, 2, 3]
    np.testing.assert_array_equal(measures(both)["entropy"], np.tile(measures(sample)["entropy"], 2))


def test_short_and_absent_channels_are_left_out_of_the_windows() -> None:
    arrays = _recording(np.random.default_rng(0), 5)
    arrays["inputs/r10/n_samples"] = np.array([0, WINDOW - 1, 2 * WINDOW], np.int32)
    sample = measure("x", [arrays])
    assert sample.by_channel()[0].tolist() == [1]
    assert summary(sample)["channels_with_windows"] == 1


def test_jitter_is_the_spread_of_the_arrivals() -> None:
    arrays = _recording(np.random.default_rng(0), 5)
    gaps = np.tile([90, 110], WINDOW)[: 2 * WINDOW] * 10**6
    arrays["inputs/r10/arrival_ns"] = np.tile(np.cumsum(gaps), (3, 1))
    sample = measure("x", [arrays])
    np.testing.assert_allclose(sample.jitter_ratio, 20 / 110, atol=0.03)


def test_distance_to_itself_is_none_and_to_another_is_kolmogorovs() -> None:
    rng = np.random.default_rng(0)
    a, b = (measure("x", [_recording(rng, step) for _ in range(3)]) for step in (2, 900))
    for found in distances(a, a).values():
        assert found == {"ks": 0, "wasserstein": 0} if isinstance(found, dict) else found == 0
    apart = distances(a, b)["entropy"]
    assert isinstance(apart, dict)
    expected = stats.ks_2samp(measures(a)["entropy"], measures(b)["entropy"]).statistic
    assert apart["ks"] == pytest.approx(expected)


@pytest.mark.parametrize("model", ["trees", "linear"])
def test_the_classifier_knows_what_differs_and_nothing_else(model: str) -> None:
    rng = np.random.default_rng(0)
    a, b, c = (measure("x", [_recording(rng, step) for _ in range(8)]) for step in (3, 3, 900))
    alike = two_sample(a, b, np.random.default_rng(0), model=model, draws=100)
    apart = two_sample(a, c, np.random.default_rng(0), model=model, draws=100)
    assert alike is not None
    assert apart is not None
    low, high = alike["interval"]
    assert low < 0.5 < high + 0.05
    assert apart["auc"] > alike["auc"] + 0.05
    again = two_sample(a, c, np.random.default_rng(0), model=model, draws=100)
    assert again == apart
    assert two_sample(a, measure("y", [_recording(rng, 3)]), rng) is None


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(fidelity.app, ["scene", *arguments])
    return result.exit_code, result.output


def test_bad_input_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROVINGGROUND_DATA", raising=False)
    for arguments, text in (
        ([], "PROVINGGROUND_DATA"),
        (["--data", str(tmp_path)], "none is there"),
        (["--out", "report.pdf"], ".json or .md"),
    ):
        code, output = _run(*arguments)
        assert code == 2
        assert output.startswith("error: ")
        assert text in output
        assert output.count("\n") == 1


def test_report_is_tables_and_json() -> None:
    rng = np.random.default_rng(0)
    a, b = (measure(name, [_recording(rng, step) for _ in range(3)]) for name, step in (("sim", 5), ("real words", 50)))
    report = {
        "window": WINDOW,
        "recordings": 3,
        "sets": {s.name: summary(s) for s in (a, b)},
        "distances": {"sim : real words": distances(a, b)},
        "two_sample": {"sim : real words": {"trees by recording": two_sample(a, b, rng, draws=20), "x": None}},
    }
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    for heads, lines in fidelity.rows(report).values():
        assert {len(line) for line in lines} == {len(heads)}


def test_real_logs_beside_a_preset(tmp_path: Path) -> None:
    root = os.environ.get("PROVINGGROUND_DATA")
    if not root or not (Path(root) / "scene").is_dir():
        pytest.skip("PROVINGGROUND_DATA names no folder with scene/ (real bus logs)")
    for module in ("cantools", "asammdf"):
        pytest.importorskip(module, reason="bus recordings need the extra 'bus'")
    scenario, out = tmp_path / "small.toml", tmp_path / "report.json"
    scenario.write_text(SCENARIO)
    code, output = _run("--preset", str(scenario), "--recordings", "2", "--out", str(out))
    assert code == 0, output
    report = json.loads(out.read_text())
    assert report["sets"]["css_canmod_gps signals"]["visible_share"] == pytest.approx(12 / 45)
    assert report["sets"]["comma2k19_rav4 signals"]["visible_share"] == 0
    for tried in report["two_sample"].values():
        assert 0 <= tried["trees by recording"]["auc"] <= 1
