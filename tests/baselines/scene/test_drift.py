"""Drift detectors: causal, scale-free, found changes found, and quiet on autocorrelated streams without one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from river import drift
from scipy.signal import lfilter

from baselines.scene.anomaly_evidence import Rarity
from baselines.scene.binned import binned
from baselines.scene.drift_detectors import (
    ADWIN,
    KSWIN,
    LOOK_S,
    MeanShift,
    PageHinkley,
    Prewhitened,
    _ks_rarity,
    ks_steps,
    levels,
    likelihood_ratios,
    page_hinkley,
)
from baselines.scene.floors_anomaly import Chance, Constant
from benchmarks.sets import spec_of
from benchmarks.tracks import DRIFTS
from scenarios.errors import InputError
from simulators.run import key_of
from simulators.scene.generate import simulate_arrays
from simulators.scene.spec import SceneSpec

DETECTORS = [ADWIN, PageHinkley, KSWIN, MeanShift, Prewhitened]
RECORDINGS_OWN = [partial(ADWIN, rungs=(3, 4.5, 7, 10, 15, 23, 34, 51, 77, 115, 173, 260))]
Inputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Recording:
    inputs: Inputs
    truth: Mapping[str, np.ndarray]
    kind: str = "toy"
    index: int = 0


def stream(
    seed: int, phi: float = 0.9, n: int = 3000, onset: int = -1, shift: float = 0.0, scale: float = 1.0
) -> Inputs:
    """A Gaussian autoregression of unit variance whose mean or innovations change at the onset."""
    noise = np.random.default_rng(seed).standard_normal(n + 200) * np.sqrt(1 - phi**2)
    if onset >= 0:
        noise[200 + onset :] *= scale
    score = lfilter([1], [1, -phi], noise)[200:]
    if onset >= 0:
        score[onset:] += shift
    return {"inputs/score": score, "inputs/rate_hz": np.array(10.0)}


def recording(seed: int, seconds: float = 40.0, drift_at: float | None = None) -> Inputs:
    """Noisy words, one drifting, low halves that count and that cross 0, a constant, and a rate without channels."""
    rng = np.random.default_rng(seed)
    n = round(seconds * 100)
    t = np.arange(n) / 100
    words = rng.normal(20_000, 60, (5, n))
    words[2], words[3], words[4] = (t * 1000) % 65536, rng.normal(0, 60, n) % 65536, 5
    if drift_at is not None:
        words[1] += 400 * np.clip((t - drift_at) / 3, 0, 1)
    words = words.astype(np.uint16)
    shape: Inputs = {"n_samples": np.full(5, n, np.int32), "start_ns": np.zeros(5, np.int64), "lsb": np.ones(5)}
    out = {f"inputs/r100/{name}": value for name, value in shape.items()}
    none = {f"inputs/r7/{name}": value[:0] for name, value in shape.items()}
    return out | none | {
        "inputs/r100/words": words, "inputs/r100/channel_id": np.arange(5),
        "inputs/r7/words": np.empty((0, 280), np.uint16), "inputs/r7/channel_id": np.empty(0, np.int64),
    }  # fmt: skip


def cut(inputs: Inputs, seconds: float) -> Inputs:
    """The start of a stream or recording."""
    if "inputs/score" in inputs:
        return inputs | {"inputs/score": inputs["inputs/score"][: round(seconds * 10)]}
    out: Inputs = dict(inputs)
    for name, array in inputs.items():
        keep = round(float(name.split("/")[1][1:]) * seconds)
        if name.endswith("/words"):
            out[name] = array[:, :keep]
        elif name.endswith("/n_samples"):
            out[name] = np.minimum(array, keep)
    return out


def fit(make: Callable[[], Any], split: tuple[Recording, ...] = ()) -> Any:
    entry = make()
    entry.fit(split, (), np.random.default_rng(0))
    return entry


@pytest.mark.parametrize("make", [*DETECTORS, Chance, Constant])
def test_streams_are_scored_causally_and_without_units(make: type) -> None:
    inputs = stream(1, onset=1500, shift=2.0)
    entry = fit(make)
    score = entry.predict(inputs, {})["score"]
    assert score.shape == (3000,)
    assert np.isfinite(score).all()
    np.testing.assert_allclose(entry.predict(cut(inputs, 160.0), {})["score"], score[:1600], rtol=1e-9)
    if make is not Chance:
        other = inputs | {"inputs/score": 100 + 7 * inputs["inputs/score"]}
        np.testing.assert_allclose(entry.predict(other, {})["score"], score, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [*DETECTORS, Chance, Constant])
def test_recordings_are_scored_causally(make: type) -> None:
    inputs = recording(2, 70.0, drift_at=55.0)
    entry = fit(make)
    score = entry.predict(inputs, {})["score"]
    assert score.shape == (700,)
    assert np.isfinite(score).all()
    np.testing.assert_allclose(entry.predict(cut(inputs, 50.0), {})["score"], score[:500], rtol=1e-9)
    mixed = {n: a[::-1] if n.startswith("inputs/r100/") else a for n, a in inputs.items()}
    moved = mixed | {"inputs/r100/channel_id": mixed["inputs/r100/channel_id"] + 100}
    np.testing.assert_array_equal(entry.predict(moved, {})["score"], score)


@pytest.mark.parametrize("make", DETECTORS)
def test_a_step_of_independent_scores_is_found(make: type) -> None:
    split = tuple(Recording(stream(seed, 0.0), {"truth/onset": np.array(-1)}) for seed in (20, 21))
    entry = fit(make, split)
    before = max(entry.predict(stream(seed, 0.0), {})["score"].max() for seed in range(3))
    changed = entry.predict(stream(9, 0.0, onset=2000, shift=1.5), {})["score"]
    assert changed[2000:2200].max() > before
    assert changed[:2000].max() <= 1.3 * before


@pytest.mark.parametrize("change", [{"shift": 4.0}, {"shift": -4.0}, {"scale": 2.0}])
def test_prewhitened_is_as_quiet_on_dependent_scores_and_finds_changes_of_both_kinds(change: dict[str, Any]) -> None:
    entry = fit(Prewhitened)
    quiet = [max(entry.predict(stream(seed, phi), {})["score"].max() for seed in range(4)) for phi in (0.0, 0.95)]
    assert abs(quiet[0] - quiet[1]) < 0.25 * quiet[0]
    found = entry.predict(stream(8, 0.95, onset=2000, **change), {})["score"]
    assert found[2000:2200].max() > 1.1 * max(quiet)


def test_likelihood_ratio_of_a_step_is_that_of_plain_numpy() -> None:
    """On independent samples the largest ratio is that of two means, at the true change."""
    x = np.random.default_rng(4).standard_normal(600)
    x[500:] += 1.5
    of_mean = likelihood_ratios(x[None], 200, 150, 1e-9)[0, 0]
    w = 50
    expected = (x[500:550].mean() - x[:500].mean()) / np.sqrt(1 / w + 1 / 500)
    assert abs(of_mean[549] - expected) < 0.15 * expected
    assert (of_mean[:200] == 0).all()


@pytest.mark.parametrize("make", [*DETECTORS, *RECORDINGS_OWN])
def test_an_obvious_drift_of_a_channel_alarms_and_changeless_channels_do_not(make: Callable[[], Any]) -> None:
    """The ladders of calm buses, counters and rolling halves included, end far below what a change reaches."""
    split = tuple(Recording(recording(seed, 120.0), {}) for seed in (30, 31))
    entry = fit(make, split)
    calm = [entry.predict(recording(seed, 120.0), {})["score"].max() for seed in range(4)]
    changed = entry.predict(recording(9, 120.0, drift_at=80.0), {})["score"]
    assert changed[:800].max() <= 1.5 * max(calm)
    assert changed[800:1000].max() > 1.2 * max(calm)


@pytest.mark.parametrize("make", [PageHinkley, *RECORDINGS_OWN])
def test_ladders_do_not_saturate_on_changeless_benches(make: Callable[[], Any]) -> None:
    """At the start of real benches, which have counters, halves and flags, few reach half of what could be reached."""
    spec = spec_of(replace(DRIFTS, overrides=(*DRIFTS.overrides, ("drift.per_recording", "0"), ("duration_s", "80"))))
    entry = fit(make)
    assert isinstance(spec, SceneSpec)
    tops = []
    for index in range(6):
        arrays = simulate_arrays(spec, key_of("scene", "drift_bench", spec, "train", index), {})
        tops.append(entry.predict({n: a for n, a in arrays.items() if n.startswith("inputs/")}, {})["score"].max())
    highest = entry.rungs[-1] / entry.rungs[0]
    assert np.median(tops) > 0
    assert np.max(tops) < 0.5 * highest


def test_levels_of_halves_that_cross_zero_or_roll_are_unwrapped() -> None:
    """Where words roll over within a bin their mean lies anywhere; the level must not."""
    b = binned(recording(3), LOOK_S)
    level = levels(b)[np.argsort(b.ids)]
    assert np.ptp(level[3]) < 600
    np.testing.assert_allclose(np.diff(level[2]), 100, atol=60)
    assert np.ptp(level[:2]) < 300


def test_page_hinkley_and_kolmogorov_smirnov_are_those_of_river() -> None:
    row = stream(6, 0.7, 900, onset=500, shift=2.0)["inputs/score"]
    rungs = (10.0, 20.0, 40.0, 1e4)
    expected = np.zeros(row.size)
    for rung in rungs:
        detector = drift.PageHinkley(min_instances=30, delta=0.1, threshold=rung)
        for t, value in enumerate(row.tolist()):
            detector.update(value)
            expected[t] = rung if detector.drift_detected else expected[t]
    np.testing.assert_array_equal(page_hinkley(row, np.array(rungs), 0.1), expected)
    assert set(expected) >= {0.0, 10.0, 20.0, 40.0}

    entry = fit(KSWIN)
    rounded = row.round(1)  # ties
    for t in (250, 520, 545):
        before = rounded[t - 199 : t].tolist()
        theirs = drift.KSWIN(alpha=0.0, window_size=200, stat_size=50, seed=entry.seed + t, window=before)
        theirs.update(float(rounded[t]))
        drawn = np.array([entry._drawn(t)])
        steps = int(ks_steps(rounded, np.array([t]), drawn, 200)[0])
        np.testing.assert_allclose(_ks_rarity(50)[steps], -np.log10(theirs.p_value), rtol=1e-9)


def test_prewhitened_learns_only_from_what_is_before_a_change() -> None:
    inputs = stream(5, onset=1000, shift=30.0)
    learned, misled = fit(Prewhitened, (Recording(inputs, {"truth/onset": np.array(1000)}),)), fit(
        Prewhitened, (Recording(inputs, {"truth/onset": np.array(-1)}),))  # fmt: skip
    assert isinstance(learned.rarity, Rarity)
    assert learned.rarity.counts.sum() < misled.rarity.counts.sum()


@pytest.mark.parametrize("make", DETECTORS)
@pytest.mark.parametrize("n", [0, 1, 9, 250])
def test_short_and_constant_streams_have_answers(make: type, n: int) -> None:
    for score in (np.zeros(n), np.arange(float(n))):
        told = fit(make).predict({"inputs/score": score, "inputs/rate_hz": np.array(10.0)}, {})["score"]
        assert told.shape == (n,)
        assert np.isfinite(told).all()


@pytest.mark.parametrize("make", DETECTORS)
def test_recordings_without_channels_have_answers(make: type) -> None:
    none = {name: array for name, array in recording(0).items() if name.startswith("inputs/r7/")}
    assert fit(make).predict(none, {})["score"].shape == (0,)


def test_kswin_refuses_a_window_without_room() -> None:
    with pytest.raises(InputError, match="window"):
        KSWIN(window=50).fit((), (), np.random.default_rng(0))
