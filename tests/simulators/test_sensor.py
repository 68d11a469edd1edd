import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scenarios.errors import InputError
from simulators import sensor
from simulators.rng import Key
from simulators.sensor import CLIPPED, DEAD, LOST, SHIFTED, Clock, SensorModel, Specimen, measure, noise_of, ticks

IDEAL = SensorModel(name="ideal", unit="uT", lsb=0.1)
PRESETS = [
    sensor.MMC5603NJ,
    sensor.AK09916,
    sensor.FLUXGATE,
    sensor.LSM6DS3_ACCELEROMETER,
    sensor.LSM6DS3_GYROSCOPE,
]
SEEDS = st.integers(0, 2**32)


def key_of(seed: int = 0, index: int = 0) -> Key:
    return Key(simulator="test", scenario="sensor", scenario_version=1, seed=seed, split="train", index=index)


def regular(n: int, rate_hz: float = 100.0) -> np.ndarray:
    return np.rint(np.arange(n) * 1e9 / rate_hz).astype(np.int64)


def waves(n: int, amplitude: float, channels: int = 3) -> np.ndarray:
    return amplitude * np.sin(np.arange(channels)[:, None] + np.arange(n) / 7.3)


def allan(rows: np.ndarray, m: int) -> float:
    """Allan deviation of rows (channels, samples) at m samples, pooled over the channels."""
    n = rows.shape[1] // m
    means = rows[:, : n * m].reshape(len(rows), n, m).mean(2)
    return float(np.sqrt(0.5 * np.mean(np.diff(means, axis=1) ** 2)))


def slope(rows: np.ndarray, factors: list[int]) -> float:
    return float(np.polyfit(np.log(factors), np.log([allan(rows, m) for m in factors]), 1)[0])


@given(
    bits=st.integers(2, 24), lsb=st.floats(1e-4, 10), values=st.lists(st.floats(-1e9, 1e9), min_size=1), data=st.data()
)
def test_the_nearest_count_within_the_rails_and_a_flag_iff_beyond(bits, lsb, values, data):
    rail = data.draw(st.none() | st.integers(1, 2 ** (bits - 1) - 1))
    model = SensorModel(name="x", unit="1", lsb=lsb, bits=bits, rail=rail)
    low, high = model.rails
    values = np.array([*values, lsb * high, lsb * low, lsb * (high + 0.49), lsb * (high + 0.51), lsb * (low - 0.51)])
    counts, clipped = sensor.quantise(model, values)
    assert counts.dtype == (np.int16 if bits <= 16 else np.int32)
    np.testing.assert_array_equal(clipped[-5:], [False, False, False, True, True])
    np.testing.assert_array_equal(clipped, (np.rint(values / lsb) > high) | (np.rint(values / lsb) < low))
    np.testing.assert_array_equal(counts[clipped], np.where(values[clipped] > 0, high, low))
    assert (np.abs(counts[~clipped] - values[~clipped] / lsb) <= 0.5).all()


def test_the_error_of_the_quantiser_is_uniform():
    values = np.random.default_rng(3).uniform(-3000, 3000, 200_000)
    counts, _ = sensor.quantise(IDEAL, values)
    error = values / IDEAL.lsb - counts
    assert stats.kstest(error, stats.uniform(-0.5, 1).cdf).pvalue > 1e-3
    assert abs(error.mean()) < 4 / math.sqrt(12 * error.size)


def test_ties_go_to_even():
    counts, _ = sensor.quantise(replace(IDEAL, lsb=1.0), np.array([-1.5, -0.5, 0.5, 1.5, 2.5]))
    assert counts.tolist() == [-2, 0, 0, 2, 2]


@given(amplitude=st.floats(0, 1e4), n=st.integers(1, 60))
def test_an_ideal_sensor_gives_the_signal_to_half_a_count(amplitude, n):
    signal = waves(n, amplitude)
    before = signal.copy()
    counts, flags, held = measure(IDEAL, signal, regular(n), key_of())
    np.testing.assert_array_equal(signal, before)
    beyond = (np.rint(signal / IDEAL.lsb) > 32767) | (np.rint(signal / IDEAL.lsb) < -32768)
    np.testing.assert_array_equal(flags, beyond * CLIPPED)
    assert (counts.dtype, flags.dtype) == (np.int16, np.uint8)
    assert (np.abs(counts * IDEAL.lsb - signal)[~beyond] <= 0.5001 * IDEAL.lsb).all()
    assert not held.any()


@given(seed=SEEDS, low=st.integers(1, 6), more=st.integers(0, 4), n=st.integers(1, 200))
def test_held_samples_repeat_exactly_for_as_long_as_said(seed, low, more, n):
    model = replace(sensor.MMC5603NJ, hold=(low, low + more), white_sd=50.0)
    counts, flags, held = measure(model, waves(n, 3300), regular(n), key_of(seed))
    for rows in (counts, flags):
        np.testing.assert_array_equal(rows[:, 1:][:, held[1:]], rows[:, :-1][:, held[1:]])
    assert not held[0]
    lengths = np.diff(np.flatnonzero(np.append(~held, True)))
    assert lengths[-1] <= low + more
    assert set(lengths[:-1].tolist()) <= set(range(low, low + more + 1))
    assert (np.diff(counts.astype(int), axis=1)[:, ~held[1:]] != 0).any(0).all()


def test_every_declared_length_of_a_hold_occurs():
    held = measure(sensor.MMC5603NJ, waves(2000, 50), regular(2000), key_of()).held
    assert set(np.diff(np.flatnonzero(~held)).tolist()) == {4, 5}


@pytest.mark.parametrize("model", PRESETS, ids=lambda model: model.name)
def test_a_reading_is_a_function_of_key_and_name(model):
    signal, times = waves(400, 5 * model.lsb), regular(400)
    first, again = (measure(model, signal, times, key_of(1)) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    for other in (measure(model, signal, times, key_of(2)), measure(model, signal, times, key_of(1), name="second")):
        assert (first.counts != other.counts).mean() > 0.5
    part = measure(model, signal[:, :150], times[:150], key_of(1))
    np.testing.assert_array_equal(part.counts, first.counts[:, :150])


def test_one_more_effect_shifts_no_other():
    signal, times = waves(500, 100), regular(500)
    base = replace(IDEAL, white_sd=1.0, drift_sd=1.0, offset_sd=3.0)
    plain = noise_of(base, times, 3, key_of())
    walk = noise_of(SensorModel(name="ideal", unit="uT", lsb=0.1, random_walk=2.0), times, 3, key_of())
    np.testing.assert_allclose(noise_of(replace(base, random_walk=2.0), times, 3, key_of()), plain + walk, atol=1e-9)
    more = replace(base, overload=1e4, jump=5.0, cross_sd=1.0, per_kelvin_sd=1.0)
    np.testing.assert_array_equal(
        measure(more, signal, times, key_of()).counts, measure(base, signal, times, key_of()).counts
    )


def test_keys_names_and_channels_do_not_depend_on_each_other():
    n = 1 << 15
    model = replace(IDEAL, white_sd=1.0)
    rows = [noise_of(model, regular(n), 3, key_of(index=i), name) for i in range(4) for name in ("a", "b")]
    r = np.corrcoef(np.concatenate(rows))
    assert np.abs(r[~np.eye(len(r), dtype=bool)]).max() < 5 / math.sqrt(n)


N, RATE = 1 << 19, 100.0
FACTORS = [2**k for k in range(11)]


def test_white_noise_falls_with_slope_minus_one_half():
    density = 0.02
    rows = noise_of(replace(IDEAL, noise_density=density), regular(N, RATE), 3, key_of())
    assert slope(rows, FACTORS) == pytest.approx(-0.5, abs=0.02)
    assert allan(rows, 100) == pytest.approx(density / math.sqrt(2), rel=0.03)
    assert rows.std() == pytest.approx(density * math.sqrt(RATE / 2), rel=0.01)


def test_a_random_walk_rises_with_slope_one_half():
    rows = noise_of(replace(IDEAL, random_walk=0.3), regular(N, RATE), 6, key_of())
    assert not rows[:, 0].any()
    assert slope(rows, FACTORS[4:]) == pytest.approx(0.5, abs=0.03)
    assert allan(rows, 1000) == pytest.approx(0.3 * math.sqrt(10 / 3), rel=0.1)


def test_flicker_is_a_floor():
    rows = noise_of(replace(IDEAL, flicker=2.0), regular(N, RATE), 6, key_of())
    floor = 2.0 * math.sqrt(2 * math.log(2) / math.pi)
    for m in (10, 30, 100, 300, 1000, 3000):
        assert allan(rows, m) == pytest.approx(floor, rel=0.08)


@pytest.mark.parametrize("gaps", [[10.0], [0.1, 3.0, 6.9], [1e-3, 2000.0]])
def test_drift_is_stationary_from_the_first_reading(gaps):
    times = np.rint(np.cumsum([0.0, *gaps]) * 1e9).astype(np.int64)
    rows = noise_of(replace(IDEAL, drift_sd=0.7, drift_tau_s=20.0), times, 20_000, key_of())
    np.testing.assert_allclose(rows.std(0), 0.7, rtol=0.02)
    for i, gap in enumerate(gaps):
        assert np.corrcoef(rows[:, i], rows[:, i + 1])[0, 1] == pytest.approx(math.exp(-gap / 20), abs=0.03)


@given(seed=SEEDS, at=st.integers(1, 90), length=st.integers(1, 8))
def test_the_offset_moves_only_after_an_overload(seed, at, length):
    model = replace(IDEAL, overload=3200.0, jump=100.0, offset_sd=10.0)
    n, signal = 100, waves(100, 300.0)
    calm = measure(model, signal, regular(n), key_of(seed))
    assert not calm.flags.any()
    signal[0, at : at + length] = 3201.0
    counts, flags, _ = measure(model, signal, regular(n), key_of(seed))
    np.testing.assert_array_equal(counts[:, :at], calm.counts[:, :at])
    np.testing.assert_array_equal((flags & SHIFTED) > 0, np.broadcast_to(np.arange(n) >= at, (3, n)))
    after = (counts.astype(int) - calm.counts)[:, at + length :] * model.lsb
    assert (np.ptp(after, axis=1) <= 2.01 * model.lsb).all() if after.size else True
    assert (np.abs(after) <= 100 + 2 * model.lsb).all()


def test_every_overload_draws_a_new_offset_of_the_declared_spread():
    model = replace(IDEAL, overload=3200.0, jump=100.0)
    signal = np.zeros((3, 4000))
    signal[0, ::2] = 3250.0
    counts = measure(model, signal, regular(4000), key_of()).counts[:, 1::2] * model.lsb
    assert stats.kstest(counts.ravel(), stats.uniform(-100, 200).cdf).pvalue > 1e-3


def test_a_norm_counts_as_overload_though_no_channel_clips():
    signal = np.full((3, 10), 2000.0)
    flags = measure(sensor.MMC5603NJ, signal, regular(10), key_of()).flags
    assert (flags == SHIFTED).all()


def test_the_errors_of_a_specimen_add_up():
    rng = np.random.default_rng(5)
    device = Specimen(rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=3), rng.normal(size=(3, 3)))
    signal, other = rng.normal(size=(2, 3, 50))
    warmth = np.linspace(0, 20, 50)
    fine = replace(IDEAL, lsb=1e-3)
    counts = measure(fine, signal, regular(50), key_of(), device=device, warmth_k=warmth, other=other).counts
    want = device.matrix @ signal + device.offset[:, None] + device.per_kelvin[:, None] * warmth + device.cross @ other
    inside = np.abs(want) < 32.7
    np.testing.assert_allclose((counts * fine.lsb)[inside], want[inside], atol=0.51 * fine.lsb)


def test_specimens_spread_as_declared():
    model = replace(IDEAL, offset_sd=3.0, scale_sd=0.02, misalignment_sd=0.01, per_kelvin_sd=0.5, cross_sd=0.1)
    drawn = [sensor.specimen(model, 3, key_of(index=i)) for i in range(1000)]
    off = ~np.eye(3, dtype=bool)
    for found, mean, sd in (
        (np.array([d.offset for d in drawn]), 0, 3.0),
        (np.array([np.diag(d.matrix) for d in drawn]), 1, 0.02),
        (np.array([d.matrix[off] for d in drawn]), 0, 0.01),
        (np.array([d.per_kelvin for d in drawn]), 0, 0.5),
        (np.array([d.cross for d in drawn]), 0, 0.1),
    ):
        assert found.mean() == pytest.approx(mean, abs=4 * sd / math.sqrt(found.size))
        assert found.std() == pytest.approx(sd, rel=0.05)


def test_a_device_given_keeps_its_errors_over_recordings():
    model = replace(sensor.LSM6DS3_ACCELEROMETER, noise_density=0.0, flicker=0.0, random_walk=0.0)
    device = sensor.specimen(model, 3, key_of(7))
    signal, times = waves(50, 9.0), regular(50)
    a, b = (measure(model, signal, times, key_of(seed), device=device).counts for seed in (1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != measure(model, signal, times, key_of(1)).counts).any()


def test_a_dead_channel_sticks_and_says_so_in_the_truth():
    model = replace(IDEAL, dead=0.5, white_sd=1.0)
    times, died = regular(300), []
    for index in range(60):
        counts, flags, _ = measure(model, waves(300, 100), times, key_of(index=index))
        dead = (flags & DEAD) > 0
        assert (np.diff(dead.astype(int), axis=1) >= 0).all()
        died += dead.any(1).tolist()
        for row, gone in zip(counts, dead, strict=True):
            assert np.unique(row[gone]).size <= 1
    assert stats.binomtest(sum(died), len(died), 0.5).pvalue > 1e-3


def test_lost_samples_are_zero_and_flagged():
    lost = np.arange(100) % 7 == 3
    counts, flags, _ = measure(sensor.MMC5603NJ, waves(100, 50), regular(100), key_of(), lost=lost)
    whole = measure(sensor.MMC5603NJ, waves(100, 50), regular(100), key_of())
    np.testing.assert_array_equal((flags & LOST) > 0, np.broadcast_to(lost, (3, 100)))
    assert not counts[:, lost].any()
    np.testing.assert_array_equal(counts[:, ~lost], whole.counts[:, ~lost])


@given(
    seed=SEEDS,
    n=st.integers(0, 300),
    low=st.floats(1e-4, 0.02),
    mean=st.floats(1.05, 5),
    high=st.floats(1.05, 5),
    batch=st.integers(1, 9),
    tick=st.sampled_from([1, 1000, 1_000_000]),
    jitter=st.sampled_from([0.0, 0.01]),
)
def test_clocks_ascend_within_their_gaps(seed, n, low, mean, high, batch, tick, jitter):
    gaps = (low, low * mean * high)
    clock = Clock(rate_hz=1 / (low * mean), gaps_s=gaps, batch=batch, tick_ns=tick, jitter_s=jitter, loss=0.3)
    true, stamp, lost = ticks(clock, n, key_of(seed))
    assert true.shape == stamp.shape == lost.shape == (n,)
    between = np.diff(true) * 1e-9
    assert (np.diff(true) > 0).all()
    assert ((between >= gaps[0] - 1e-9) & (between <= gaps[1] + 1e-9)).all()
    assert (np.diff(stamp) >= 0).all()
    assert not (stamp % tick).any()
    for first in range(0, n, batch):
        part = slice(first, first + batch)
        assert np.unique(stamp[part]).size == np.unique(lost[part]).size == 1
        assert stamp[part][-1] > true[part][-1] - tick


def test_the_clock_of_the_recorded_device():
    true, stamp, lost = ticks(sensor.PUCK_CLOCK, 20_000, key_of())
    gaps = np.diff(true) * 1e-9
    assert 0.019 <= gaps.min() < 0.021
    assert 0.07 < gaps.max() <= 0.099
    assert gaps.mean() == pytest.approx(1 / 26.1, rel=0.01)
    np.testing.assert_array_equal(stamp, true // 1_000_000 * 1_000_000)
    assert not lost.any()


def test_a_regular_clock_is_off_by_its_skew_alone():
    clock = Clock(rate_hz=50.0)
    np.testing.assert_array_equal(ticks(clock, 100, key_of()).true_ns, np.arange(100) * 20_000_000)
    skews = []
    for index in range(300):
        true, stamp, _ = ticks(replace(clock, skew_sd=1e-4), 1001, key_of(index=index))
        np.testing.assert_array_equal(stamp, np.arange(1001) * 20_000_000)
        skews.append(true[-1] / stamp[-1] - 1)
    assert np.std(skews) == pytest.approx(1e-4, rel=0.2)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lsb": 0.0}, "lsb of sensor ideal must be above 0; it is 0.0"),
        ({"white_sd": -1.0}, "white_sd of sensor ideal must be a number from 0 to inf; it is -1.0"),
        ({"flicker": math.nan}, "flicker of sensor ideal must be a number from 0 to inf; it is nan"),
        ({"dead": 1.5}, "dead of sensor ideal must be a number from 0 to 1; it is 1.5"),
        ({"bits": 1}, "bits of sensor ideal must be 2 to 32; they are 1"),
        ({"rail": 32768}, "rail of sensor ideal must be 1 to 32767 counts; it is 32768"),
        ({"hold": (5, 4)}, "hold of sensor ideal must be two counts, 1 <= a <= b; it is (5, 4)"),
    ],
)
def test_a_sensor_that_cannot_be(change, text):
    with pytest.raises(InputError) as told:
        replace(IDEAL, **change)
    assert str(told.value) == text


@pytest.mark.parametrize(
    "change",
    [
        {"rate_hz": 0.0},
        {"gaps_s": (0.03, 0.099)},
        {"gaps_s": (0.019, 0.02)},
        {"skew_sd": 0.5},
        {"jitter_s": -1.0},
        {"loss": math.nan},
        {"batch": 0},
        {"tick_ns": 0},
    ],
)
def test_a_clock_that_cannot_be(change):
    with pytest.raises(
        InputError, match=f"{next(iter(change))} .*of a clock must|{next(iter(change))} of a clock must"
    ) as told:
        replace(Clock(rate_hz=50.0), **change)
    assert "\n" not in str(told.value)


def test_a_signal_that_cannot_be():
    signal = waves(10, 1.0)
    with pytest.raises(InputError, match="times of sensor ideal must ascend"):
        measure(IDEAL, signal, regular(10)[::-1], key_of())
    with pytest.raises(InputError, match="at least 2 readings; there are 1"):
        measure(sensor.LSM6DS3_GYROSCOPE, signal[:, :1], regular(1), key_of())
    signal[1, 3] = np.nan
    with pytest.raises(InputError, match="signal of sensor ideal must be finite"):
        measure(IDEAL, signal, regular(10), key_of())
