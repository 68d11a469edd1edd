"""Bulk noise against a plain rendering of its definition, and against the laws of Allan deviation.

Statistical tests draw from fixed keys: a tolerance is the law's own plus three sd of the estimate.
"""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter

from simulators.imu.kernels.noise import WALK_S, bulk_noise, level_of, process_of, quantise_into
from simulators.imu.noise import FLICKER_SD, figures_of, noise_into
from simulators.noise import normal_table, normals
from simulators.rng import Key
from simulators.sensor import FLICKER_TAU_S, SensorModel, noise_of, quantise

KEY = Key(simulator="imu", scenario="noise", scenario_version=1, seed=5, split="train", index=0)
RICH = SensorModel(
    name="rich", unit="1", lsb=1.0, white_sd=0.1, noise_density=0.02, flicker=1.0, random_walk=0.3, drift_sd=2.0,
    drift_tau_s=50.0,
)  # fmt: skip
steps = st.floats(1e-3, 2.0)
seeds = st.integers(0, 2**32 - 1)


def model(**figures: float) -> SensorModel:
    return SensorModel(name="test", unit="1", lsb=1.0, **figures)


def drawn(kind: SensorModel, channels: int, n: int, step: float, name: str = "a", dtype=np.float64) -> np.ndarray:
    out = np.zeros((channels, n), dtype)
    noise_into(out, [kind] * channels, step, KEY, name)
    return out


def allan(x: np.ndarray, step: float, tau: float) -> float:
    """Overlapping Allan deviation of x (channels, n), averaged over channels in the square."""
    m = round(tau / step)
    total = np.cumsum(np.pad(x, ((0, 0), (1, 0))), axis=1)
    second = total[:, 2 * m :] - 2 * total[:, m:-m] + total[:, : -2 * m]
    return float(np.sqrt(np.mean(second**2) / 2)) / m


def spread(x: np.ndarray, step: float, tau: float) -> float:
    """Relative sd of that deviation: a channel of length T has about T / tau - 1 independent differences."""
    return 1 / math.sqrt(2 * x.shape[0] * (x.shape[1] * step / tau - 1))


def unit_normals(n: int, key: np.ndarray) -> np.ndarray:
    out = np.empty(n, np.float32)
    normals(normal_table(), 0, n, key[0], key[1], out)
    return out.astype(np.float64)


def plain(n: int, step: float, white: float, walk: float, tau: np.ndarray, sd: np.ndarray, keys: np.ndarray):
    """One channel by definition: every process on its own grid by a recursive filter, joined by straight lines."""
    total = white * unit_normals(n, keys[0])
    at = np.arange(n)
    level = level_of(WALK_S, step)
    points = (n - 1 >> level) + 2
    e = unit_normals(points, keys[1])
    e[0] = 0.0
    total += np.interp(at, np.arange(points) * 2.0**level, walk * math.sqrt(step * 2**level) * np.cumsum(e))
    for t, s, key in zip(tau, sd, keys[2:], strict=True):
        level, keep, drive, first = process_of(t, s, step)
        points = (n - 1 >> level) + 2
        e = unit_normals(points, key) * drive
        e[0] *= first / drive
        total += np.interp(at, np.arange(points) * 2.0**level, lfilter([1.0], [1.0, -keep], e))
    return total


@given(seeds, st.integers(1, 3000), steps, st.lists(st.floats(1e-3, 1e4), max_size=4))
@example(0, 512, 0.01, [0.3, 0.31, 40.0])
@example(1, 513, 0.01, [0.3, 0.31, 40.0])
@example(2, 1025, 1e-3, [1e4])
@example(3, 1, 1.0, [1e-3])
def test_bulk_noise_is_its_plain_rendering(seed, n, step, taus):
    rng = np.random.default_rng(seed)
    channels, processes = 3, len(taus)
    keys = rng.integers(0, 2**32, (channels, 2 + processes, 2), np.uint32)
    white, walk = rng.random((2, channels))
    tau, sd = np.tile(np.array(taus, float), (channels, 1)), 0.1 + rng.random((channels, processes))
    before = rng.standard_normal((channels, n))
    out = before.copy()
    bulk_noise(normal_table(), step, white, walk, tau, sd, keys, out)
    for c in range(channels):
        expected = before[c] + plain(n, step, white[c], walk[c], tau[c], sd[c], keys[c])
        assert_allclose(out[c], expected, rtol=1e-9, atol=1e-9)


@given(st.floats(1e-6, 1e6), st.floats(1e-4, 10.0))
def test_a_level_is_the_coarsest_grid_allowed(longest, step):
    level = level_of(longest, step)
    assert level == 0 or step * 2.0**level <= longest
    assert level == 40 or step * 2.0 ** (level + 1) > longest


@given(st.integers(0, 1200), st.integers(0, 1200), steps)
def test_a_sample_does_not_depend_on_how_many_follow(a, b, step):
    short, long = sorted((a, b))
    assert_array_equal(drawn(RICH, 2, short, step), drawn(RICH, 2, long, step)[:, :short])


def test_a_channel_is_the_same_alone_among_others_and_under_another_name_not():
    loud = model(white_sd=3.0)
    together, alone = np.zeros((3, 700)), np.zeros((1, 700))
    noise_into(together, [RICH, loud, RICH], 0.01, KEY, "x")
    noise_into(alone, [RICH], 0.01, KEY, "x")
    assert_array_equal(alone[0], together[0])
    assert abs(np.corrcoef(together[0], together[2])[0, 1]) < 0.99
    assert not np.array_equal(drawn(RICH, 1, 700, 0.01, "x"), drawn(RICH, 1, 700, 0.01, "y"))


def test_it_adds_to_what_is_there_in_either_precision():
    noise = drawn(RICH, 2, 5000, 0.01)
    there = np.full((2, 5000), 7.0)
    noise_into(there, [RICH] * 2, 0.01, KEY, "a")
    assert_allclose(there, 7.0 + noise, rtol=0, atol=1e-14)
    assert_allclose(drawn(RICH, 2, 5000, 0.01, dtype=np.float32), noise, rtol=1e-6, atol=1e-6)


def test_a_silent_sensor_adds_nothing():
    assert not drawn(model(), 3, 100, 0.01).any()
    assert drawn(RICH, 3, 0, 0.01).shape == (3, 0)


def test_figures_are_those_of_the_sensor_model():
    white, walk, taus, sds = figures_of(RICH, 0.02)
    assert white == pytest.approx(math.hypot(0.1, 0.02 * math.sqrt(25)))
    assert walk == 0.3
    assert taus == [50.0, *FLICKER_TAU_S]
    assert sds[0] == 2.0
    assert sds[1:] == [0.0] + [FLICKER_SD] * 6  # 0.01 s is faster than the step


@pytest.mark.parametrize("step", [0.01, 0.02])
def test_white_noise_has_the_allan_deviation_of_its_density(step):
    x = drawn(model(noise_density=0.5), 16, 2**17, step)
    for tau in (0.1, 1.0, 10.0, 100.0):
        law = 0.5 / math.sqrt(2) / math.sqrt(tau)
        assert abs(allan(x, step, tau) / law - 1) < 3 * spread(x, step, tau) + 1e-3, tau


SERIES = (
    (0.001, 2**17, 24, (0.1, 0.3, 1.0)),
    (0.01, 2**17, 24, (0.1, 0.3, 1.0, 3.0, 10.0)),
    (0.2, 2**17, 64, (10.0, 30.0, 100.0, 300.0, 1000.0)),
)
"""Step, samples, channels, averaging times."""


@pytest.mark.parametrize(("step", "n", "channels", "taus"), SERIES)
def test_flicker_has_a_flat_allan_deviation(step, n, channels, taus):
    """The sum of processes is within 3 % of a true 1/f law from 0.1 to 1000 s by its definition."""
    x = drawn(model(flicker=2.0), channels, n, step)
    for tau in taus:
        law = 2.0 * math.sqrt(2 * math.log(2) / math.pi)
        assert abs(allan(x, step, tau) / law - 1) < 0.03 + 3 * spread(x, step, tau), tau


@pytest.mark.parametrize(("step", "n", "channels", "taus"), SERIES)
def test_a_random_walk_has_its_allan_deviation(step, n, channels, taus):
    """m samples of a walk that is sampled, not integrated, over a step have 1 + 1 / (2 m^2) of the law's variance."""
    x = drawn(model(random_walk=0.7), channels, n, step)
    for tau in taus:
        law = 0.7 * math.sqrt(tau / 3 * (1 + 0.5 * (step / tau) ** 2))
        assert abs(allan(x, step, tau) / law - 1) < 0.01 + 3 * spread(x, step, tau), tau


def test_all_three_together_follow_the_sum_of_the_laws():
    step, density, flicker, walk = 0.02, 0.1, 0.05, 0.01
    x = drawn(model(noise_density=density, flicker=flicker, random_walk=walk), 32, 2**17, step)
    for tau in (0.1, 1.0, 10.0, 100.0):
        law = math.hypot(
            density / math.sqrt(2 * tau), flicker * math.sqrt(2 * math.log(2) / math.pi), walk * math.sqrt(tau / 3)
        )
        assert abs(allan(x, step, tau) / law - 1) < 0.03 + 3 * spread(x, step, tau), tau


TOLERANCE = 0.02
"""Of an sd over 20,000 keys, whose own sd is 0.5 %; lines between grid points are off by at most 0.5 % of the sd."""


def over_keys(kind: SensorModel, step: float, n: int) -> np.ndarray:
    """Sd of each sample over 20,000 channels, (n,)."""
    square = np.zeros(n)
    for part in range(10):
        square += (drawn(kind, 2000, n, step, f"keys/{part}") ** 2).sum(0)
    return np.sqrt(square / 20_000)


def test_flicker_is_stationary_from_the_first_reading_on():
    sd = over_keys(model(flicker=1.0), 0.1, 1001)
    expected = FLICKER_SD * math.sqrt(sum(tau >= 0.1 for tau in FLICKER_TAU_S))
    assert_allclose(sd[[0, 1, 3, 10, 100, 1000]], expected, rtol=TOLERANCE)  # 0, 0.1, 0.3, 1, 10, 100 s
    assert np.sqrt(np.mean(sd**2)) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("tau", [0.5, 20.0, 600.0])
def test_drift_is_stationary_from_the_first_reading_on(tau):
    sd = over_keys(model(drift_sd=3.0, drift_tau_s=tau), 0.25, 401)
    assert_allclose(sd[[0, 4, 40, 400]], 3.0, rtol=TOLERANCE)  # 0, 1, 10, 100 s
    assert_allclose(sd, 3.0, rtol=0.025)


def test_a_walk_starts_at_zero_and_widens_as_the_root_of_time():
    sd = over_keys(model(random_walk=0.4), 0.1, 1001)
    assert sd[0] == 0.0
    assert_allclose(sd[[1, 10, 100, 1000]], 0.4 * np.sqrt([0.1, 1.0, 10.0, 100.0]), rtol=TOLERANCE)


@pytest.mark.parametrize("step", [0.01, 0.1])
def test_it_has_the_correlations_of_the_reference_path(step):
    """Two renderings of one model: increments over many lags have the same sd."""
    n, channels = 4096, 48
    fast = drawn(RICH, channels, n, step)
    slow = noise_of(RICH, (np.arange(n) * step * 1e9).astype(np.int64), channels, KEY)
    for lag in (1, 4, 16, 64, 256):
        a, b = (np.sqrt(np.mean((x[:, lag:] - x[:, :-lag]) ** 2)) for x in (fast, slow))
        assert a == pytest.approx(b, rel=0.01 + 4 * math.sqrt(lag / (n * channels))), lag


@given(seeds, st.floats(0.01, 50.0), st.sampled_from([8, 12, 16, 24]))
def test_counts_are_the_nearest_half_to_even_between_the_rails(seed, gain, bits):
    rng = np.random.default_rng(seed)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    values = 1.3 * high / gain * rng.uniform(-1, 1, (3, 400))
    values[0, :100] = (rng.integers(-300, 300, 100) + 0.5) / gain
    values[1, :2] = np.inf, -np.inf
    counts, clipped = np.empty(values.shape, np.int32), np.empty(values.shape, bool)
    quantise_into(values, gain, low, high, counts, clipped)
    rounded = np.rint(values * gain)
    assert_array_equal(counts, np.clip(rounded, low, high))
    assert_array_equal(clipped, (rounded < low) | (rounded > high))


@given(seeds, st.integers(-8, 4))
def test_counts_agree_with_the_sensor_model(seed, exponent):
    kind = SensorModel(name="test", unit="1", lsb=2.0**exponent, bits=12, rail=2000)
    values = 3000 * kind.lsb * np.random.default_rng(seed).standard_normal((2, 300))
    counts, clipped = np.empty(values.shape, np.int32), np.empty(values.shape, bool)
    quantise_into(values, 1 / kind.lsb, *kind.rails, counts, clipped)
    expected = quantise(kind, values)
    assert_array_equal(counts, expected[0])
    assert_array_equal(clipped, expected[1])
