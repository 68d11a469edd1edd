"""Drift detectors: causal, scale-free, found changes found, and quiet on autocorrelated streams without one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from baselines.scene.anomaly_evidence import Rarity
from baselines.scene.drift_detectors import ADWIN, KSWIN, MeanShift, PageHinkley, Prewhitened, likelihood_ratios
from baselines.scene.floors_anomaly import Chance, Constant
from scenarios.errors import InputError

DETECTORS = [ADWIN, PageHinkley, KSWIN, MeanShift, Prewhitened]
ON_RECORDINGS = [ADWIN, PageHinkley, MeanShift, Prewhitened]
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
    """Two noisy words, one of them drifting, the low half of a counter, a constant, and a rate without channels."""
    rng = np.random.default_rng(seed)
    n = round(seconds * 100)
    t = np.arange(n) / 100
    words = rng.normal(20_000, 60, (4, n))
    words[2], words[3] = (t * 1000) % 65536, 5
    if drift_at is not None:
        words[1] += 400 * np.clip((t - drift_at) / 3, 0, 1)
    words = words.astype(np.uint16)
    shape = {"n_samples": np.full(4, n, np.int32), "start_ns": np.zeros(4, np.int64), "lsb": np.ones(4)}
    out = {f"inputs/r100/{name}": value for name, value in shape.items()}
    none = {f"inputs/r7/{name}": value[:0] for name, value in shape.items()}
    return out | none | {
        "inputs/r100/words": words, "inputs/r100/channel_id": np.arange(4),
        "inputs/r7/words": np.empty((0, 280), np.uint16), "inputs/r7/channel_id": np.empty(0, np.int64),
    }  # fmt: skip


def cut(inputs: Inputs, seconds: float) -> Inputs:
    """The start of a stream or recording."""
    if "inputs/score" in inputs:
        return inputs | {"inputs/score": inputs["inputs/score"][: round(seconds * 10)]}
    out = dict(inputs)
    for name, array in inputs.items():
        keep = round(float(name.split("/")[1][1:]) * seconds)
        if name.endswith("/words"):
            out[name] = array[:, :keep]
        elif name.endswith("/n_samples"):
            out[name] = np.minimum(array, keep)
    return out


def fit(make: type, split: tuple[Recording, ...] = ()) -> Any:
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


@pytest.mark.parametrize("make", [*ON_RECORDINGS, Chance, Constant])
def test_recordings_are_scored_causally(make: type) -> None:
    inputs = recording(2, drift_at=25.0)
    entry = fit(make)
    score = entry.predict(inputs, {})["score"]
    assert score.shape == (400,)
    assert np.isfinite(score).all()
    np.testing.assert_allclose(entry.predict(cut(inputs, 30.0), {})["score"], score[:300], rtol=1e-9)


@pytest.mark.parametrize("make", DETECTORS)
def test_a_step_of_independent_scores_is_found(make: type) -> None:
    split = tuple(Recording(stream(seed, 0.0), {"truth/onset": np.array(-1)}) for seed in (20, 21))
    entry = fit(make, split)
    before = max(entry.predict(stream(seed, 0.0), {})["score"].max() for seed in range(3))
    changed = entry.predict(stream(9, 0.0, onset=2000, shift=1.5), {})["score"]
    assert changed[2000:2200].max() > before
    assert changed[:2000].max() <= 1.3 * before


@pytest.mark.parametrize("change", [{"shift": 4.0}, {"shift": -4.0}, {"scale": 2.0}])
def test_prewhitened_is_as_quiet_on_dependent_scores_and_finds_changes_of_both_kinds(change: dict[str, float]) -> None:
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


def test_a_drift_of_a_channel_is_found_and_a_rolling_half_is_none() -> None:
    split = tuple(Recording(recording(seed), {}) for seed in (30, 31))
    for make in (Prewhitened, MeanShift):
        entry = fit(make, split)
        before = max(entry.predict(recording(seed), {})["score"].max() for seed in range(3))
        assert entry.predict(recording(9, drift_at=25.0), {})["score"][260:].max() > before


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


@pytest.mark.parametrize("make", ON_RECORDINGS)
def test_recordings_without_channels_have_answers(make: type) -> None:
    none = {name: array for name, array in recording(0).items() if name.startswith("inputs/r7/")}
    assert fit(make).predict(none, {})["score"].shape == (0,)


def test_kswin_refuses_a_window_without_room() -> None:
    with pytest.raises(InputError, match="window"):
        KSWIN(window=50).fit((), (), np.random.default_rng(0))
