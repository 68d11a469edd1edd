import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scenarios.errors import InputError
from simulators.resample import (
    BRIDGE,
    PASS,
    REJECTION_DB,
    STOP,
    Stream,
    hold,
    hold_uniform,
    reach,
    resample,
    resample_windows,
    uniform,
)
from simulators.resampling import irregular, rows
from simulators.resampling.filters import Stage, plan_of

DOWN = [(100, 50), (100, 31.25), (2000, 50), (100, 98), (48, 7), (1000, 1), (204.8, 100)]
UP = [(100, 150), (50, 100), (31.25, 100), (50, 2000), (98.5, 99)]
RATES = [*DOWN, *UP]
SEEDS = st.integers(0, 2**32)
SMALL_RATES = [(100, 50), (100, 31.25), (100, 150), (50, 400), (400, 50), (99, 98)]
"""Rates whose filters reach less far."""


def waves(samples: int, rows: int = 2, seed: int = 0) -> np.ndarray:
    """Walks on top of 9.81, some of it fast."""
    rng = np.random.default_rng(seed)
    return 9.81 + 0.1 * rng.standard_normal((rows, samples)).cumsum(axis=1) + 0.1 * rng.standard_normal((rows, samples))


def ratio_of(rate: float, new_rate: float) -> Fraction:
    return (Fraction(new_rate) / Fraction(rate)).limit_denominator(10**6)


def tones(frequencies: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(2, frequencies, times): the cosine and the sine of each frequency."""
    angle = 2 * np.pi * frequencies[:, None] * times
    return np.stack([np.cos(angle), np.sin(angle)])


def inner(samples: int, rate: float, new_rate: float, strict: bool = False) -> slice:
    """The outputs out of reach of both edges."""
    ratio, far = ratio_of(rate, new_rate), reach(rate, new_rate, strict=strict)
    return slice(math.ceil(far * ratio), math.floor((samples - far - 1) * ratio))


def plainly(stage: Stage, x: np.ndarray) -> np.ndarray:
    """One stage's outputs, each a sum by itself."""
    at = np.arange(math.ceil(x.shape[1] * stage.up / stage.down)) * stage.down / stage.up
    weights = stage.kernel(at - np.arange(-math.ceil(stage.half), x.shape[1] + math.ceil(stage.half))[:, None])
    beside = [(0, 0), (math.ceil(stage.half), math.ceil(stage.half))]
    return np.pad(x, beside, mode="edge") @ (weights / weights.sum(axis=0))


@given(
    rates=st.sampled_from(RATES),
    samples=st.integers(1, 400),
    value=st.floats(-1e6, 1e6, width=32),
    strict=st.booleans(),
    kind=st.sampled_from([np.float32, np.float64]),
)
def test_a_constant_comes_out_as_it_went_in_to_the_edge(rates, samples, value, strict, kind):
    x = np.full((2, samples), value, kind)
    y = resample(x, *rates, strict=strict)
    assert y.dtype == kind
    np.testing.assert_array_equal(y, np.full((2, math.ceil(samples * ratio_of(*rates))), value, kind))


@given(rates=st.sampled_from(SMALL_RATES), samples=st.integers(1, 400), seed=SEEDS, strict=st.booleans())
def test_it_is_linear(rates, samples, seed, strict):
    x, y = waves(samples, seed=seed)
    a, b = np.random.default_rng(seed).normal(size=2)
    together = resample(a * x + b * y, *rates, strict=strict)
    apart = a * resample(x, *rates, strict=strict) + b * resample(y, *rates, strict=strict)
    np.testing.assert_allclose(together, apart, rtol=0, atol=1e-11)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("rate", "new_rate"), RATES)
def test_tones_in_the_band_pass_and_those_that_would_fold_are_rejected(rate, new_rate, strict):
    nyquist, far = min(rate, new_rate) / 2, reach(rate, new_rate, strict=strict)
    samples = 2 * far + math.ceil(20 * max(1, rate / new_rate)) + 20
    times = np.arange(samples) / rate
    kept = inner(samples, rate, new_rate, strict)
    stays = np.array([0.0, 0.01, 0.2, 0.5, 0.7, 0.8, 0.85, 0.88, PASS]) * nyquist
    y = resample(tones(stays, times), rate, new_rate, strict=strict)
    np.testing.assert_allclose(
        y[..., kept], tones(stays, np.arange(y.shape[-1]) / new_rate)[..., kept], rtol=0, atol=1e-5
    )
    if new_rate * STOP[strict] < rate:
        folds = np.linspace(STOP[strict] * nyquist, rate / 2, 60, endpoint=False)
        gain = np.abs(resample(tones(folds, times), rate, new_rate, strict=strict)[..., kept]).max()
        assert 20 * math.log10(gain) < -REJECTION_DB[strict]
        still = resample(tones(np.array([0.97 * nyquist]), times), rate, new_rate, strict=strict)[..., kept]
        assert np.abs(still).max() > 1e-4  # the transition is between


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("rate", "new_rate"), [(100, 50), (2000, 50), (100, 31.25)])
def test_float32_keeps_the_rejection_beside_gravity_and_without(rate, new_rate, strict):
    samples = 2 * reach(rate, new_rate, strict=strict) + 4000
    folds = np.linspace(STOP[strict] * new_rate / 2, rate / 2, 20, endpoint=False)
    for base, most in (0, 10 ** (-REJECTION_DB[strict] / 20)), (9.81, 3e-6 if strict else 1e-5):
        x = (base + tones(folds, np.arange(samples) / rate)).astype(np.float32)
        y = resample(x, rate, new_rate, strict=strict)[..., inner(samples, rate, new_rate, strict)]
        assert y.dtype == np.float32
        assert np.abs(y - np.float32(base)).max() < most


def test_float32_is_worked_on_in_float32(monkeypatch):
    kinds, plain = set(), rows.outputs_of
    monkeypatch.setattr(
        rows, "outputs_of", lambda stage, z, *a, **k: kinds.add(z.dtype.name) or plain(stage, z, *a, **k)
    )
    resample(waves(500).astype(np.float32), 2000, 50)
    resample(np.where(np.arange(500) == 250, np.nan, waves(500)).astype(np.float32), 100, 50)
    resample(np.arange(500, dtype=np.int16), 100, 150)
    assert kinds == {"float32"}


@given(rates=st.sampled_from(SMALL_RATES), steps=st.integers(1, 30), seed=SEEDS, strict=st.booleans())
def test_the_phase_is_zero_since_reversal_commutes(rates, steps, seed, strict):
    ratio = ratio_of(*rates)
    x = waves(steps * ratio.denominator + 1, seed=seed)  # the last sample is at an output
    count = steps * ratio.numerator + 1
    there, back = (resample(z, *rates, strict=strict)[:, :count] for z in (x, x[:, ::-1]))
    np.testing.assert_allclose(back, there[:, ::-1], rtol=0, atol=1e-11)


@given(rates=st.sampled_from(UP[:4]), seed=SEEDS, strict=st.booleans())
def test_up_then_down_returns_a_band_limited_signal(rates, seed, strict):
    rng, samples = np.random.default_rng(seed), 600
    frequencies = rng.uniform(0, PASS * rates[0] / 2, 12)
    x = rng.dirichlet(np.ones(24)) @ tones(frequencies, np.arange(samples) / rates[0]).reshape(24, -1)
    back = resample(resample(x, *rates, strict=strict), rates[1], rates[0], strict=strict)[:samples]
    far = 2 * reach(*rates, strict=strict) + 2
    np.testing.assert_allclose(back[far:-far], x[far:-far], rtol=0, atol=1e-5)


@settings(max_examples=10)
@pytest.mark.parametrize("rates", [(100, 50), (100, 31.25), (100, 150), (400, 50), (50, 200), (50, 123)])
@given(samples=st.integers(1, 300), count=st.integers(1, 60), seed=SEEDS, strict=st.booleans())
def test_blocks_of_all_stages_give_what_plain_sums_give(rates, samples, count, seed, strict):
    plan, x = plan_of(*rates, strict), waves(samples, count, seed)
    far = math.ceil(plan.leads[0] / plan.ratio.denominator) * plan.ratio.denominator
    z = np.pad(x, ((0, 0), (far, far)), mode="edge")
    for stage in plan.stages:
        z = plainly(stage, z)
    y = resample(x, *rates, strict=strict)
    assert y.shape == (count, math.ceil(samples * plan.ratio))
    np.testing.assert_allclose(y, z[:, int(far * plan.ratio) :][:, : y.shape[1]], rtol=0, atol=1e-11)


@given(
    rates=st.sampled_from(RATES),
    cuts=st.lists(st.integers(0, 3000), max_size=8),
    seed=SEEDS,
    strict=st.booleans(),
    kind=st.sampled_from([np.float32, np.float64]),
)
def test_a_stream_is_the_same_however_it_is_cut_and_what_the_whole_gives(rates, cuts, seed, strict, kind):
    x = waves(3000, 3, seed).astype(kind)
    found = []
    for at in ([], sorted(cuts)):
        stream = Stream(*rates, 3, strict=strict, dtype=kind)
        found.append(np.concatenate([*map(stream.push, np.split(x, at, axis=1)), stream.flush()], axis=1))
    np.testing.assert_array_equal(*found)
    whole = resample(x, *rates, strict=strict)
    assert found[0].dtype == whole.dtype
    np.testing.assert_allclose(found[0], whole, rtol=0, atol=(2e-6 if kind is np.float32 else 1e-12) * np.abs(x).max())


def test_a_stream_tells_what_it_can_and_no_more():
    stream = Stream(100, 50, 1)
    x = waves(1000, 1)
    given_ = sum(stream.push(x[:, i : i + 1]).shape[1] for i in range(1000))
    assert 0 <= (1000 - reach(100, 50)) // 2 - given_ <= 16
    assert stream.flush().shape[1] == 500 - given_
    assert stream.flush().shape == (1, 0)
    with pytest.raises(InputError, match="flushed"):
        stream.push(x)
    assert Stream(100, 50, 2).flush().shape == (2, 0)


@given(
    rates=st.sampled_from(RATES),
    start=st.integers(0, 40),
    length=st.integers(1, 300),
    more=st.integers(0, 9),
    strict=st.booleans(),
)
@example(rates=(31.25, 100), start=0, length=1, more=0, strict=False)  # the last output is nearly at the next sample
def test_windows_with_a_halo_are_the_whole_recording_s(rates, start, length, more, strict):
    ratio, halo = ratio_of(*rates), reach(*rates, strict=strict) + more
    begin = (start + math.ceil(halo / ratio.denominator)) * ratio.denominator  # at an output
    x = waves(begin + length + halo + 50, 3)[:, None]
    whole = resample(x, *rates, strict=strict)[..., int(begin * ratio) :]
    window = x[..., begin - halo : begin + length + halo]
    found = resample_windows(window, *rates, halo, strict=strict)
    assert found.shape == (3, 1, math.ceil(length * ratio))
    np.testing.assert_allclose(found, whole[..., : found.shape[-1]], rtol=0, atol=1e-11)
    alone = resample_windows(window, *rates, strict=strict)
    np.testing.assert_array_equal(alone, resample(window, *rates, strict=strict))


@given(rates=st.sampled_from(SMALL_RATES), seed=SEEDS, axis=st.integers(-3, 2), count=st.integers(1, 120))
def test_rows_do_not_mix_whatever_their_order_and_their_axis(rates, seed, axis, count):
    rng = np.random.default_rng(seed)
    x = waves(256, 2 * count, seed).reshape(2, count, 256)
    order = rng.permutation(count)
    y = resample(x, *rates)
    np.testing.assert_allclose(resample(x[:, order], *rates), y[:, order], rtol=0, atol=1e-12)
    np.testing.assert_allclose(resample(x[1, order[0]], *rates), y[1, order[0]], rtol=0, atol=1e-12)
    moved = resample(np.moveaxis(x, -1, axis), *rates, axis=axis)
    np.testing.assert_allclose(np.moveaxis(moved, axis, -1), y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rates", [(100, 50), (100, 31.25), (50, 400), (400, 50)])
def test_the_pieces_that_fit_the_caches_leave_no_seam(rates, monkeypatch):
    x = waves(5000, 7)
    whole = resample(x, *rates)
    monkeypatch.setattr(rows, "_SEGMENT", 100)
    monkeypatch.setattr(rows, "_CHUNK", 3000)
    np.testing.assert_allclose(resample(x, *rates), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.float16, np.int32, np.int64, np.uint64])
def test_counts_come_out_as_floats(kind):
    x = np.arange(100).astype(kind)
    y = resample(x, 100, 50)
    assert y.dtype == (np.float32 if x.itemsize < 4 else np.float64)
    np.testing.assert_array_equal(y, resample(x.astype(y.dtype), 100, 50))


def test_the_same_rate_gives_the_same_samples():
    x = waves(10)
    for y in (resample(x, 50, 50), resample_windows(x, 50, 50, 0), Stream(50, 50, 2).push(x), uniform(range(10), x, 1)):
        np.testing.assert_array_equal(y, x)
        assert not np.shares_memory(y, x)
    np.testing.assert_array_equal(resample_windows(x, 50, 50, 2), x[:, 2:-2])


def test_no_rows_give_no_rows():
    assert resample(np.empty((0, 6, 256)), 100, 50).shape == (0, 6, 128)


def test_a_glitch_costs_no_precision_elsewhere():
    x = waves(6000, 1).astype(np.float32)
    y, x[0, 0] = resample(x, 100, 50), 1e8
    np.testing.assert_allclose(resample(x, 100, 50)[:, 100:], y[:, 100:], rtol=1e-6)


@given(rates=st.sampled_from(SMALL_RATES), seed=SEEDS, strict=st.booleans(), data=st.data())
def test_outputs_are_nan_if_and_only_if_beside_a_gap_and_nothing_leaks(rates, seed, strict, data):
    ratio, samples = ratio_of(*rates), 900
    x = waves(samples, 4, seed)
    whole = resample(x, *rates, strict=strict)
    gone = np.zeros(samples, bool)
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, samples - 1))
        gone[begin : begin + data.draw(st.integers(1, 60))] = True
    x[1:3, gone] = np.nan
    x[3] = np.nan
    y = resample(x, *rates, strict=strict)
    at = [Fraction(n) / ratio for n in range(y.shape[1])]
    beside = [bool(gone[math.floor(t)] or gone[min(math.ceil(t), samples - 1)]) for t in at]
    np.testing.assert_array_equal(np.isnan(y[1:3]), [beside, beside])
    assert np.isnan(y[3]).all()
    np.testing.assert_allclose(y[0], whole[0], rtol=0, atol=1e-12)
    places = np.flatnonzero(gone)
    near = np.abs(np.array(at, float)[:, None] - places).min(axis=1) <= reach(*rates, strict=strict) + 1
    np.testing.assert_allclose(y[1:3, ~near], whole[1:3, ~near], rtol=0, atol=1e-11)
    held = np.abs(y[1:3] - x[1:3][:, [math.floor(t) for t in at]])  # and no ringing beside it
    assert np.nanmax(held) < 3


@pytest.mark.parametrize(("gap", "error"), [(1, 2e-4), (2, 1e-3), (BRIDGE, 1e-2), (30, 0.4)])
def test_beside_a_gap_a_slow_wave_goes_on(gap, error):
    x = np.sin(2 * np.pi * 2 * np.arange(1200) / 100)
    whole = resample(x, 100, 50)
    x[612 : 612 + gap] = np.nan  # at a crest
    y = resample(x, 100, 50)
    assert np.isnan(y).any()
    assert np.nanmax(np.abs(y - whole)) < error


@pytest.mark.parametrize("gap", [1, BRIDGE, BRIDGE + 1, 50])
def test_short_gaps_are_bridged_by_a_curve_and_long_ones_by_a_line(gap):
    x = np.arange(200.0) ** 2
    gone = np.zeros(200, bool)
    gone[100 : 100 + gap] = True
    found = rows._bridged(np.where(gone, np.nan, x)[None], gone)[0]
    line = np.interp(np.arange(200), [99, 100 + gap], x[[99, 100 + gap]])
    np.testing.assert_allclose(found[gone], (x if gap <= BRIDGE else line)[gone], rtol=0, atol=1e-3)


@given(
    kind=st.sampled_from([np.uint16, np.int64, np.bool_, "U3"]),
    rates=st.tuples(st.floats(1, 500), st.floats(1, 500)) | st.sampled_from(RATES),
    samples=st.integers(1, 60),
    seed=SEEDS,
)
def test_words_and_labels_are_held(kind, rates, samples, seed):
    x = np.random.default_rng(seed).integers(0, 2**16, (2, samples)).astype(kind)
    y = hold(x, *rates)
    ratio = plain = Fraction(rates[1]) / Fraction(rates[0])
    assert y.dtype == x.dtype
    assert abs(y.shape[1] - samples * plain) <= 1
    for n in range(y.shape[1]):
        at = n / ratio
        if abs(at - round(at)) > 1e-6 or at == round(at):
            np.testing.assert_array_equal(y[:, n], x[:, math.floor(at)])
    np.testing.assert_array_equal(hold(x.T, *rates, axis=0), y.T)


@given(seed=SEEDS, samples=st.integers(2, 80), rate=st.floats(0.5, 300))
def test_words_at_irregular_times_are_held_beside_the_signal(seed, samples, rate):
    rng = np.random.default_rng(seed)
    times = 1e6 + rng.exponential(0.01, samples).cumsum()
    words = rng.integers(0, 2**16, samples).astype(np.uint16)
    y, beside = hold_uniform(times, words, rate), uniform(times, words.astype(float), rate)
    assert y.dtype == words.dtype
    assert y.shape == beside.shape
    for n, word in enumerate(y):
        assert word in words[max(0, np.searchsorted(times, times[0] + (n - 1e-5) / rate, "right") - 1) :][:2]


@pytest.mark.parametrize("rate", [31.25, 50, 73.1, 98.3, 100, 107.77, 200])
@given(jitter=st.floats(0, 0.3), seed=SEEDS)
def test_jittered_times_give_back_the_band_limited_signal(rate, jitter, seed):
    rng, samples = np.random.default_rng(seed), 900
    times = 5 + (np.arange(samples) + rng.uniform(-jitter, jitter, samples)) / 100
    frequencies = rng.uniform(0, 0.85 * min(rate, 100) / 2, 8)
    mix = rng.dirichlet(np.ones(16))
    y = uniform(times, mix @ tones(frequencies, times).reshape(16, -1), rate)
    at = times[0] + np.arange(y.size) / rate
    assert times[-1] - 1 / rate < at[-1] + 1e-6 / rate <= times[-1] + 2e-6 / rate
    known = mix @ tones(frequencies, at).reshape(16, -1)
    far = math.ceil(1.5 * rate)
    np.testing.assert_allclose(y[far:-far], known[far:-far], rtol=0, atol=2e-5)


@pytest.mark.parametrize("strict", [False, True])
def test_jittered_times_are_anti_aliased(strict):
    rng = np.random.default_rng(1)
    times = (np.arange(3000) + rng.uniform(-0.2, 0.2, 3000)) / 100
    y = uniform(times, tones(np.linspace(STOP[strict] * 25, 42, 9), times), 50, strict=strict)
    assert np.abs(y[..., 200:-200]).max() < 10 ** (-(80 if strict else 90) / 20)


@given(value=st.floats(-1e4, 1e4), seed=SEEDS, rate=st.floats(1, 400))
def test_a_constant_at_irregular_times_stays_one(value, seed, rate):
    times = np.random.default_rng(seed).exponential(0.01, 50).cumsum()
    y = uniform(times, np.full((2, 50), value), rate, longest_gap_s=1e9)
    np.testing.assert_allclose(y, np.full(y.shape, value), rtol=1e-9, atol=0)


def test_times_that_are_regular_are_resampled_and_nothing_else():
    x, times = waves(700), 3 + np.arange(700) / 100
    np.testing.assert_allclose(uniform(times, x, 50), resample(x, 100, 50)[:, :350], rtol=0, atol=1e-12)


@settings(max_examples=10)
@given(seed=SEEDS, data=st.data(), jitter=st.floats(0, 0.2))
def test_gaps_in_irregular_times_stay_gaps_and_nothing_leaks(seed, data, jitter):
    rng = np.random.default_rng(seed)
    times = (np.arange(1200) + rng.uniform(-jitter, jitter, 1200)) / 100
    x = 9.81 + np.sin(2 * np.pi * np.array([[0.7], [2.0]]) * times)
    keep = np.ones(1200, bool)
    begin, length = data.draw(st.integers(300, 700)), data.draw(st.integers(10, 200))
    keep[begin : begin + length] = False
    keep[[200, 250, 251]] = False  # bridged
    y = uniform(times[keep], x[:, keep], 50)
    at = times[0] + np.arange(y.shape[1]) / 50
    inside = (at > times[begin - 1]) & (at < times[begin + length])
    clear = np.abs(at[:, None] - times).min(axis=1) > 1e-6  # of times that are as good as equal
    np.testing.assert_array_equal(np.isnan(y)[:, clear], [inside[clear]] * 2)
    known = 9.81 + np.sin(2 * np.pi * np.array([[0.7], [2.0]]) * at)
    assert np.nanmax(np.abs(y - known)[:, 5:-5]) < 0.4
    near = np.abs(at[:, None] - times[~keep]).min(axis=1) < 1.5
    np.testing.assert_allclose(y[:, ~near][:, 80:-80], known[:, ~near][:, 80:-80], rtol=0, atol=1e-4)
    x[0, ~keep] = np.nan  # the same said by NaN, for one row
    both = uniform(times, x, 50)
    np.testing.assert_allclose(both[0], y[0], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(np.isnan(both[1]), False)


def test_long_gaps_in_irregular_times_are_crossed_by_a_line():
    rng = np.random.default_rng(3)
    at = np.arange(1200) + rng.uniform(-0.2, 0.2, 1200)
    at[0], at = 0.0, np.delete(at, np.arange(500, 700))
    x = rng.standard_normal((1, 1000))
    fit = irregular._fit(at, x, np.diff(at) > 5)
    line = np.interp(np.arange(505, 695), at, x[0])
    np.testing.assert_allclose(fit[0, 505:695], line, rtol=0, atol=1e-3)


def test_a_regular_clock_that_lost_samples_is_seen_as_one():
    rng, times = np.random.default_rng(4), np.arange(3000) / 100
    keep = rng.random(3000) > 0.03
    keep[0] = True
    y = uniform(times[keep], np.sin(2 * np.pi * 1.5 * times[keep]), 31.25)
    known = np.sin(2 * np.pi * 1.5 * np.arange(y.size) / 31.25)
    np.testing.assert_allclose(y[60:-60], known[60:-60], rtol=0, atol=5e-5)


def test_long_recordings_are_fitted_in_pieces_without_a_seam(monkeypatch):
    rng = np.random.default_rng(2)
    times = (np.arange(2000) + rng.uniform(-0.2, 0.2, 2000)) / 100
    x = waves(2000)
    whole = uniform(times, x, 50)
    monkeypatch.setattr(irregular, "_PIECE", 300)
    np.testing.assert_allclose(uniform(times, x, 50), whole, rtol=0, atol=1e-6)


def test_nothing_known_is_nothing_told():
    x = np.full((3, 50), np.nan)
    x[1, 7], x[2, 20:30] = 1.0, 5.0
    y = uniform(np.arange(50) / 100, x, 100)
    assert np.isnan(y[:2]).all()
    np.testing.assert_array_equal(np.isnan(y[2]), [not 20 <= i < 30 for i in range(50)])


@given(rate=st.floats(1, 1000), new_rate=st.floats(1, 1000))
def test_a_ratio_without_a_small_filter_is_refused_and_the_near_one_is_not(rate, new_rate):
    try:
        plan = plan_of(rate, new_rate, False)
    except InputError as error:
        near = float(str(error).split("a near one: ")[1].split(" Hz")[0])
        assert abs(near / new_rate - 1) < 2e-3
        plan = plan_of(rate, near, False)
    assert abs(math.prod(Fraction(s.up, s.down) for s in plan.stages) - plan.ratio) == 0
    assert max([max(s.up, s.down) for s in plan.stages], default=1) <= 2048


def test_a_filter_that_does_not_do_what_it_says_is_not_made():
    stage = Stage(1, 2, 0.2, 0.3, 100.0, 104.0)
    stage.__dict__["half"] = 0.8 * stage.half
    with pytest.raises(AssertionError):
        stage.matrix.sum()


X = np.zeros((2, 100))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: resample(X, 0, 50), "rate must be a number of Hz above 0; it is 0"),
        (lambda: resample(X, 100, -1), "new_rate must be a number of Hz above 0; it is -1"),
        (lambda: resample(X, math.nan, 50), "rate must be"),
        (lambda: resample(X, math.inf, 50), "rate must be"),
        (lambda: resample(X, "fast", 50), "rate must be"),
        (lambda: resample(X, 100, 59.94123), "a near one: 59.9"),
        (lambda: resample(X, 1e9, 0.3), "1e-9th"),
        (lambda: resample(X[:, :0], 100, 50), "a sample or more"),
        (lambda: resample(5.0, 100, 50), "axis of x"),
        (lambda: resample(X, 100, 50, axis=2), "axis of x must be one of its 2; it is 2"),
        (lambda: resample(X > 0, 100, 50), "for labels there is hold"),
        (lambda: resample(X + 0j, 100, 50), "must hold real numbers"),
        (lambda: resample([["a", "b"]], 100, 50), "must hold real numbers"),
        (lambda: resample(np.where(np.arange(100) == 7, np.inf, X), 100, 50), "x must hold finite numbers, or NaN"),
        (lambda: resample_windows(np.zeros(999), 100, 50, 68), "halo must be 69 samples or more from 100 to 50 Hz"),
        (lambda: resample_windows(X, 100, 50, 50), "halo must be"),
        (lambda: resample_windows(np.zeros(999), 100, 50, 70.5), "halo must be"),
        (lambda: reach(100, 0), "new_rate must be"),
        (lambda: Stream(100, 50, 2).push(X * np.nan), "x of push must be finite; 200 numbers are not"),
        (lambda: Stream(100, 50, 3).push(X), r"must have the shape \(3, samples\); it has \(2, 100\)"),
        (lambda: Stream(100, 50, 2, dtype=np.int16), "dtype must be"),
        (lambda: hold(X, 100, 0), "new_rate must be"),
        (lambda: hold(X[:, :0], 100, 50), "a sample or more"),
        (lambda: uniform([0, 1, 1, 2], X[:, :4], 50), "times_s must ascend; after 1.0 comes 1.0 at sample 2"),
        (lambda: uniform([0, 1, math.nan, 2], X[:, :4], 50), "times_s must ascend; after 1.0 comes nan"),
        (lambda: uniform([0, 1, math.inf], X[:, :3], 50), "times_s must ascend"),
        (lambda: uniform([0.0], X[:, :1], 50), "one time for each of 2 samples"),
        (lambda: uniform(range(5), X, 50), "one time for each of 100 samples"),
        (lambda: uniform(range(100), X, -3), "rate must be"),
        (lambda: uniform(range(100), X - np.inf, 3), "x must hold finite numbers"),
        (lambda: uniform(range(100), X, 3, longest_gap_s=0), "longest_gap_s must be above 0; it is 0"),
        (lambda: hold_uniform([1, 0], X[:, :2], 50), "times_s must ascend"),
        (lambda: hold_uniform([0, 1], X[:, :2], math.nan), "rate must be"),
    ],
)
def test_bad_input_gets_one_line(call, text):
    with pytest.raises(InputError, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)


@given(st.floats(15, 120), st.integers(0, 1000))
@example(100.96, 0)
def test_any_mean_rate_of_irregular_samples_finds_knots(rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum((1 + 0.02 * rng.standard_normal(400)) / rate)
    out = uniform(times, np.full(400, 9.81), 50.0)
    np.testing.assert_allclose(out, 9.81, atol=1e-6)
