import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scenarios.errors import InputError
from simulators import augment as a
from simulators.augmenting.kernels import apply, warp

G = 9.80665
IMU = a.Layout.of(("wrist", "acc", "gyro", "mag"), ("waist", "acc", "gyro", "mag"), rate_hz=50)
PLAIN = a.Layout.of(("wrist", "acc", "gyro"), rate_hz=50)
GIVEN = a.Layout.of(("wrist", "acc", "gyro", "gravity"), rate_hz=50)
WORDS = a.Layout.words(5, rate_hz=100)
TIME = 96

SIGNALS: tuple[a.Operation, ...] = (
    a.Jitter(), a.Scaling(), a.Scaling(each="sensor"), a.Scaling(low=0.3, high=3, each="sample"), a.Rotation(),
    a.Rotation(degrees=15), a.TimeWarp(), a.TimeWarp(change=0.8, knots=6, each="placement"), a.MagnitudeWarp(),
    a.MagnitudeWarp(sd=0.3, each="channel"), a.Drift(), a.Drift(each="sample"),
)  # fmt: skip
MOVES: tuple[a.Operation, ...] = (
    a.Permutation(), a.Permutation(each="sensor"), a.WindowReorder(span=16), a.WindowReorder(span=20, each="channel"),
    a.Cutout(), a.Cutout(fill="hold", share=0.3), a.Mask(span=8), a.Mask(span=7, share=0.4, fill="hold"),
    a.ChannelDropout(share=0.4), a.ChannelDropout(each="sensor", share=0.4),
)  # fmt: skip
BITS: tuple[a.Operation, ...] = (a.BitFlip(), a.BitFlip(share=0.2, lowest=3, bits=5), a.TimeWarp(change=0.5))
BACK = a.ResampleBack(rates_hz=(25.0, 20.0))
PRESERVERS = (*SIGNALS, BACK, *MOVES, a.Cutout(fill="nan"), a.Mask(fill="nan", span=4))
CASES = [(op, "float32") for op in (*SIGNALS, BACK, *MOVES)] + [(op, "uint16") for op in BITS + MOVES[:-1]]
IDS = [f"{dtype}-{i}-{op.name}" for i, (op, dtype) in enumerate(CASES)]
every_case = pytest.mark.parametrize(("operation", "dtype"), CASES, ids=IDS)
CHAIN = (a.Jitter(), a.Scaling(), a.Rotation(), a.TimeWarp(), a.MagnitudeWarp(), a.Permutation(), a.ChannelDropout())


def layout_of(dtype: str) -> a.Layout:
    return IMU if dtype == "float32" else WORDS


def batch(samples: int, dtype: str = "float32", time: int = TIME, seed: int = 0) -> np.ndarray:
    rng, layout = np.random.default_rng(seed), layout_of(dtype)
    shape = samples, layout.size, time
    if dtype == "uint16":
        return rng.integers(0, 65536, shape, np.uint16)
    return (rng.normal(size=shape).cumsum(axis=2) + rng.normal(size=shape)).astype(np.float32)


def waves(samples: int, channels: int, time: int, band: float, seed: int) -> np.ndarray:
    """Sums of waves below a part of the Nyquist frequency, float64."""
    rng = np.random.default_rng(seed)
    f = rng.uniform(0, band * np.pi, (samples, channels, 8, 1))
    phase = rng.uniform(0, 2 * np.pi, f.shape)
    return (rng.normal(size=f.shape) * np.sin(f * np.arange(time) + phase)).sum(axis=2)


def run(x: np.ndarray, *operations: a.Operation, layout: a.Layout | None = None, seed: int = 7, **more) -> np.ndarray:
    layout = layout_of(str(x.dtype)) if layout is None else layout
    return a.augment(x, layout, operations, seed=seed, **{"samples": np.arange(len(x)), **more})


# Keys


@every_case
def test_a_batch_of_one_equals_its_row_in_a_batch_of_1000(operation, dtype):
    x = batch(1000, dtype)
    whole = run(x, operation)
    assert (whole != x).any()
    for i in (0, 1, 500, 999):
        np.testing.assert_array_equal(run(x[i : i + 1], operation, samples=[i]), whole[i : i + 1])


@every_case
@settings(max_examples=5)
@given(order=st.permutations(range(12)), base=st.sampled_from([0, 10**6, 2**32 - 3, 2**62]))
def test_permuting_a_batch_permutes_its_result(operation, dtype, order, base):
    x, numbers = batch(12, dtype), np.arange(12) + base
    whole, order = run(x, operation, samples=numbers), np.array(order)
    np.testing.assert_array_equal(run(x[order], operation, samples=numbers[order]), whole[order])


def test_workers_and_slices_do_not_matter():
    x = batch(64)
    parts = [slice(i, i + 5) for i in range(0, 64, 5)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda part: run(x[part], *CHAIN, samples=np.arange(64)[part]), reversed(parts)))
    np.testing.assert_array_equal(np.concatenate(found[::-1]), run(x, *CHAIN))


@pytest.mark.parametrize(("first", "second"), list(itertools.pairwise((*CHAIN, a.Drift(), a.Mask(), a.Cutout()))))
def test_a_chain_is_its_operations_one_after_the_other(first, second):
    x = batch(8)
    np.testing.assert_array_equal(run(x, first, second), run(run(x, first), second))


@every_case
def test_draws_follow_seed_sample_operation_and_which_of_its_name(operation, dtype):
    x = np.repeat(batch(1, dtype), 40, axis=0)
    one = run(x, operation)
    assert len(np.unique(one, axis=0)) >= min(10, len(getattr(operation, "rates_hz", range(10))))  # samples differ
    for others in ({"seed": 8}, {"samples": np.arange(40) + 40}, {"samples": np.arange(40) + 2**32}):
        other = run(x, operation, **others)
        assert (one != other).reshape(40, -1).any(axis=1).mean() > 0.25
    twice = run(one, operation)
    assert (run(x, operation, operation) != twice).any()  # the second one of a name draws anew


@every_case
def test_the_share_of_samples_asked_for_is_treated_as_if_all_were(operation, dtype):
    x = batch(1000, dtype, time=64 if operation.name != "permutation" else TIME)
    whole, some, none = (run(x, replace(operation, p=p)) for p in (1.0, 0.3, 0.0))
    same = (some == x).reshape(1000, -1).all(axis=1)
    treated = ~same | (whole == x).reshape(1000, -1).all(axis=1)
    np.testing.assert_array_equal(some[~same], whole[~same])
    assert (
        stats.binomtest(int((~same).sum()), 1000, 0.3 * (whole != x).reshape(1000, -1).any(axis=1).mean()).pvalue > 1e-3
    )
    assert treated.sum() >= (~same).sum()
    np.testing.assert_array_equal(none, x)


@every_case
def test_the_batch_is_left_as_it_was_or_overwritten_on_request(operation, dtype):
    x = batch(6, dtype)
    kept = x.copy()
    y = run(x, operation)
    np.testing.assert_array_equal(x, kept)
    wide = np.repeat(x, 2, axis=2)[:, :, ::2]  # not in one piece
    np.testing.assert_array_equal(run(wide, operation), y)
    x.setflags(write=False)
    np.testing.assert_array_equal(run(x, operation), y)
    assert run(kept, operation, out=kept) is kept
    np.testing.assert_array_equal(kept, y)


def test_draws_stay_what_they_were():
    x = np.arange(5 * 64, dtype=np.uint16).reshape(1, 5, 64)
    y = run(x, a.Permutation(), a.BitFlip(share=0.01), a.WindowReorder(span=8), a.Mask(span=8), samples=[123456789])
    assert int((y.astype(np.uint64) * np.arange(1, y.size + 1, dtype=np.uint64).reshape(y.shape)).sum()) == GOLDEN


# What is preserved


def at_rest(samples: int, layout: a.Layout, time: int = TIME) -> np.ndarray:
    """Devices at rest: gravity and the magnetic field in any direction, no rate."""
    rng = np.random.default_rng(3)
    x = np.zeros((samples, layout.size, time), np.float32)
    for sensor in layout.sensors:
        v = rng.normal(size=(samples, 3))
        size = {"acc": G, "mag": 48.0}.get(sensor.kind, 0.0)
        x[:, sensor.channels] = (size * v / np.linalg.norm(v, axis=1, keepdims=True))[..., None]
    return x


def vectors(x: np.ndarray, layout: a.Layout, kind: str) -> np.ndarray:
    """(samples, placements, 3, time)"""
    return np.stack([x[:, s.channels] for s in layout.sensors if s.kind == kind], axis=1).astype(float)


def cosine(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (u * v).sum(axis=2) / (np.linalg.norm(u, axis=2) * np.linalg.norm(v, axis=2))


def angle(x: np.ndarray) -> np.ndarray:
    return cosine(vectors(x, IMU, "acc"), vectors(x, IMU, "mag"))


def found(operation: a.Operation) -> set[str]:
    """The properties beside the label that an operation has on devices at rest, on an event, on random numbers."""
    samples = 40
    x = at_rest(samples, IMU)
    y = run(x, operation)
    kept = set()
    if np.abs(np.linalg.norm(vectors(y, IMU, "acc"), axis=2) - G).max() < 1e-3:
        kept.add("gravity")
    if all((cosine(vectors(x, IMU, k), vectors(y, IMU, k)) > 1 - 1e-5).all() for k in ("acc", "mag")):
        kept.add("orientation")
    if (np.abs(angle(x) - angle(y)) < 1e-4).all():
        kept.add("angle")
    event = np.zeros_like(x) + 1000 * np.exp(-0.5 * ((np.arange(TIME) - 48) / 2.0) ** 2).astype(np.float32)
    size = np.nan_to_num(np.abs(run(event, operation)))
    at = np.ma.array(size.argmax(axis=2), mask=size.max(axis=2) < 20)
    if np.ma.ptp(at, axis=1).filled(0).max() <= 1:
        kept.add("synchrony")
    noise = batch(samples)
    if (np.sort(run(noise, operation), axis=2) == np.sort(noise, axis=2)).all():
        kept.add("values")
    return kept


@pytest.mark.parametrize("operation", PRESERVERS, ids=str)
def test_each_operation_preserves_what_it_declares_and_no_more(operation):
    assert operation.preserves - {"label"} == found(operation)
    assert ("label" in operation.preserves) == (not operation.breaks)
    assert operation.breaks <= set(a.LABEL_KINDS)


@pytest.mark.parametrize("operation", [op for op, dtype in CASES if dtype == "uint16"], ids=str)
def test_words_are_preserved_as_declared(operation):
    x = batch(30, "uint16")
    if "values" in operation.preserves:
        np.testing.assert_array_equal(np.sort(run(x, operation), axis=2), np.sort(x, axis=2))
    clock = np.repeat(np.arange(TIME, dtype=np.uint16)[None, None], 5, axis=1).repeat(30, axis=0) + np.uint16(1)
    if "synchrony" in operation.preserves and not isinstance(operation, a.BitFlip):
        y = run(clock, operation).astype(int)
        y = np.where(y == 0, y.max(axis=1, keepdims=True), y)  # blank channels
        assert (y == y[:, :1]).all()


LABELS = {"posture": ("upright", "lying"), "steady": ("walking", "running"), "change": ("falling", "jumping")}


def example(label: str, samples: int) -> np.ndarray:
    """Windows of 256 samples at 50 Hz of a wrist's accelerometer and gyro."""
    rng, t = np.random.default_rng(5), np.arange(256) / 50
    x = rng.normal(0, 0.05, (samples, 6, 256))
    x[:, 2 if label == "lying" else 0] += G
    if label in LABELS["change"]:  # weightless before the impact, or behind the push
        x[:, 0] -= G * np.isin(np.arange(256), np.arange(100, 125) if label == "falling" else np.arange(132, 157))
        x[:, 0] += 3 * G * np.isin(np.arange(256), np.arange(125, 132))
    if label in ("walking", "running"):
        f, size = (1.9, 3.0) if label == "walking" else (3.4, 12.0)
        phase = rng.uniform(0, 2 * np.pi, (samples, 1))
        x[:, 0] += size * np.sin(2 * np.pi * f * t + phase)
        x[:, 1] += size / 2 * np.sin(2 * np.pi * f * t + 1)
    return x.astype(np.float32)


def looks_like(x: np.ndarray, kind: str) -> np.ndarray:
    """Which of the kind's two labels a window looks like, 0 or 1, by what tells a human."""
    v = x[:, :3].astype(float)
    norm = np.linalg.norm(v, axis=1)
    if kind == "steady":
        return (norm.max(axis=1) > 17).astype(int)
    if kind == "change":
        smooth = np.array([np.convolve(row, np.ones(5) / 5, "same") for row in norm])[:, 4:-4]
        return (smooth.argmin(axis=1) > smooth.argmax(axis=1)).astype(int)
    return (np.abs(v[:, 2]).mean(axis=1) > np.abs(v[:, 0]).mean(axis=1)).astype(int)


@pytest.mark.parametrize(
    "operation",
    [
        *SIGNALS,
        BACK,
        a.Permutation(),
        a.WindowReorder(span=64),
        a.Cutout(fill="hold", share=0.3),
        a.Mask(fill="hold", share=0.3),
    ],
    ids=str,
)
def test_labels_stay_right_where_an_operation_does_not_say_that_it_breaks_them(operation):
    for kind, labels in LABELS.items():
        for number, label in enumerate(labels):
            x = example(label, 60)
            assert (looks_like(x, kind) == number).all()
            y = run(x, operation, layout=PLAIN, kinds=[kind] * 60)
            assert (looks_like(y, kind) == number).mean() > 0.97, (kind, label)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (a.Rotation(), "posture"),
        (a.Scaling(low=0.3, high=3, each="sample"), "steady"),
        (a.MagnitudeWarp(sd=1.0, each="sensor"), "steady"),
        (a.TimeWarp(change=0.9), "steady"),
        (a.Permutation(), "change"),
        (a.WindowReorder(span=64), "change"),
        (a.Cutout(share=0.9, fill="hold"), "change"),
        (a.Mask(share=0.9, fill="hold", span=64), "change"),
    ],
    ids=str,
)
def test_labels_that_an_operation_breaks_are_left_alone_on_request(operation, kind):
    assert kind in operation.breaks
    changed = 0.0
    for number, label in enumerate(LABELS[kind]):
        x = example(label, 60)
        np.testing.assert_array_equal(run(x, operation, layout=PLAIN, kinds=[kind] * 60), x)
        changed += (looks_like(run(x, operation, layout=PLAIN), kind) != number).mean()
    assert changed > 0.05


def test_kinds_of_labels_are_looked_at_sample_by_sample():
    x = batch(9)
    kinds = ["posture", "steady", "change"] * 3
    y = run(x, a.Rotation(), a.Permutation(), kinds=kinds)
    np.testing.assert_array_equal(y[::3], run(x, a.Permutation())[::3])
    np.testing.assert_array_equal(y[1::3], run(x, a.Rotation(), a.Permutation())[1::3])
    np.testing.assert_array_equal(y[2::3], run(x, a.Rotation())[2::3])


# Jitter, scaling, rotation


def test_jitter_has_the_sd_of_each_kind_and_is_white():
    x = np.zeros((200, 9, 500), np.float32)
    layout = a.Layout.of(("wrist", "acc", "gyro", "mag"), rate_hz=50)
    z = run(x, a.Jitter(acc=0.3, gyro=0.02, mag=2.0), layout=layout).astype(float)
    sd = np.repeat([0.3, 0.02, 2.0], 3)
    np.testing.assert_allclose(z.std(axis=(0, 2)), sd, rtol=0.01)
    z /= sd[:, None]
    assert stats.kstest(z[:, :, ::7].ravel(), "norm").pvalue > 1e-3
    flat = z.reshape(200, -1)
    for lag in (1, 2, 3, 10, 250, 499, 500, 501, 1000):  # in time and between channels
        assert abs((flat[:, :-lag] * flat[:, lag:]).mean()) < 4.5 / np.sqrt(flat.size)
    assert abs((flat[1:] * flat[:-1]).mean()) < 4.5 / np.sqrt(flat.size)  # between samples
    other = run(x, a.Jitter(acc=1, gyro=1, mag=1), layout=layout, seed=8).reshape(200, -1)
    assert abs((flat * other).mean()) < 4.5 / np.sqrt(flat.size)


@pytest.mark.parametrize(("each", "groups"), [("sample", 1), ("placement", 2), ("sensor", 6), ("channel", 18)])
def test_scaling_is_uniform_and_one_factor_a_group(each, groups):
    factors = run(np.ones((2000, 18, 2), np.float32), a.Scaling(low=0.5, high=2.5, each=each))
    np.testing.assert_array_equal(factors[..., 0], factors[..., 1])
    number = IMU.groups(each)
    assert number.max() + 1 == groups
    columns = []
    for g in range(groups):
        np.testing.assert_array_equal(np.ptp(factors[:, number == g, 0], axis=1), 0)
        columns.append(factors[:, number == g, 0][:, 0])
        assert stats.kstest(columns[-1], stats.uniform(0.5, 2).cdf).pvalue > 1e-3 / groups
    r = np.corrcoef(columns).reshape(groups, groups)[~np.eye(groups, dtype=bool)]
    assert (np.abs(r) < 4.5 / np.sqrt(2000)).all()


@given(seed=st.integers(0, 2**40), degrees=st.one_of(st.none(), st.floats(0, 180)), size=st.floats(1e-3, 1e3))
def test_rotation_commutes_with_the_norm_and_keeps_every_angle_of_a_placement(seed, degrees, size):
    x = (batch(20, time=8, seed=seed % 1000) * size).astype(np.float32)
    y = run(x, a.Rotation(degrees=degrees), seed=seed)
    u, v = (np.concatenate([vectors(z, IMU, k)[:, :, None] for k in ("acc", "gyro", "mag")], axis=2) for z in (x, y))
    size = np.linalg.norm(u, axis=3)
    np.testing.assert_allclose(np.linalg.norm(v, axis=3), size, rtol=1e-5)
    dots = [np.einsum("bpkct,bplct->bpklt", w, w) for w in (u, v)]
    scale = (size[:, :, :, None] * size[:, :, None]).max()
    np.testing.assert_allclose(dots[1] / scale, dots[0] / scale, atol=1e-5)
    handed = [np.einsum("bpct,bpct->bpt", np.cross(w[:, :, 0], w[:, :, 1], axis=2), w[:, :, 2]) for w in (u, v)]
    np.testing.assert_allclose(handed[1], handed[0], atol=1e-4 * size.max() ** 3)  # no mirror


def matrices(samples: int, operation: a.Operation) -> np.ndarray:
    """(samples, 3, 3)"""
    layout = a.Layout.of(("wrist", "acc", "gyro", "mag"), rate_hz=50)
    x = np.repeat(np.eye(3, dtype=np.float32).reshape(1, 9, 1), 2, axis=2).repeat(samples, axis=0)
    return run(x, operation, layout=layout)[..., 0].reshape(samples, 3, 3).transpose(0, 2, 1).astype(float)


def test_rotations_are_uniform_over_so3():
    m = matrices(20_000, a.Rotation())
    np.testing.assert_allclose(np.linalg.det(m), 1, atol=1e-5)
    for column in range(9):  # each axis is uniform on the sphere: so is its projection on any
        assert stats.kstest(m.reshape(-1, 9)[:, column], stats.uniform(-1, 2).cdf).pvalue > 1e-3
    turn = np.arccos(np.clip((np.trace(m, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert stats.kstest(turn, lambda w: (w - np.sin(w)) / np.pi).pvalue > 1e-3


def test_limited_rotations_stay_within_and_have_no_favourite_axis():
    m = matrices(5000, a.Rotation(degrees=30))
    turn = np.degrees(np.arccos(np.clip((np.trace(m, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert turn.max() < 30.01
    assert stats.kstest(turn, stats.uniform(0, 30).cdf).pvalue > 1e-3
    axis = np.stack([m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]], axis=1)[turn > 3]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    for i in range(3):
        assert stats.kstest(axis[:, i], stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_placements_turn_apart_and_other_channels_stay():
    sensors = (
        a.Sensor("other", "wrist", (0,)),
        a.Sensor("acc", "wrist", (3, 1, 2)),
        a.Sensor("acc", "waist", (4, 5, 6)),
    )
    layout = a.Layout(sensors, 50)
    x = np.ones((50, 7, 4), np.float32)
    y = run(x, a.Rotation(), layout=layout)
    np.testing.assert_array_equal(y[:, 0], x[:, 0])
    assert np.abs(y[:, [3, 1, 2]] - y[:, 4:7]).max() > 0.5
    same = run(x[:, [0, 3, 1, 2, 4, 5, 6]], a.Rotation(), layout=a.Layout(
        (a.Sensor("other", "wrist", (0,)), a.Sensor("acc", "wrist", (1, 2, 3)), a.Sensor("acc", "waist", (4, 5, 6))), 50
    ))  # fmt: skip
    np.testing.assert_array_equal(y[:, [0, 3, 1, 2, 4, 5, 6]], same)  # the order of channels is the layout's affair


# Time warp


def design() -> np.ndarray:
    """The least squares fit of tap weights, exact at samples and for constants, to waves below 0.4 of Nyquist."""
    f, w = np.linspace(0, 1, 65)[1:-1], np.linspace(0, 0.4 * np.pi, 65)
    importance = np.where(w == 0, 1e4, 1.0)
    inner = (f * (1 - f))[:, None] * f[:, None] ** np.arange(3)
    waves = np.exp(1j * np.outer(w, np.arange(8) - 3)) * importance[:, None]
    matrix = np.einsum("fp,wk->fwpk", inner, waves).reshape(f.size * w.size, -1)
    linear = (1 - f)[:, None] + f[:, None] * np.exp(1j * w)
    wanted = ((np.exp(1j * np.outer(f, w)) - linear) * importance).ravel()
    q = np.linalg.lstsq(*(np.concatenate([z.real, z.imag]) for z in (matrix, wanted)), rcond=None)[0].reshape(3, 8)
    out = np.zeros((5, 8))
    out[1:4] += q
    out[2:] -= q
    out[0, 3], out[1, 3], out[1, 4] = 1, out[1, 3] - 1, out[1, 4] + 1
    return out


def test_the_interpolation_is_the_least_squares_one_and_as_good_as_stated():
    np.testing.assert_allclose(warp.POLYNOMIALS, design(), atol=2e-7)
    f, w = np.linspace(0, 1, 201), np.linspace(0, 0.4 * np.pi, 200)
    weights = f[:, None] ** np.arange(5) @ warp.POLYNOMIALS
    error = np.abs(weights @ np.exp(1j * np.outer(np.arange(8) - 3, w)) - np.exp(1j * np.outer(f, w)))
    assert error.max() < 2e-4
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=3e-7)
    np.testing.assert_allclose(weights[[0, -1]], np.eye(8)[[3, 4]], atol=3e-7)


@st.composite
def curves(draw: st.DrawFn, time: int = 400) -> np.ndarray:
    """A smooth way through time, from the first sample to the last."""
    size, waves = draw(st.floats(0, 0.6)), draw(st.integers(1, 4))
    t = np.arange(time) / (time - 1)
    return (t - size * np.sin(2 * np.pi * waves * t) / (2 * np.pi * waves)) * (time - 1)


def inverse(places: np.ndarray) -> np.ndarray:
    t = np.arange(places.size)
    found = np.interp(t, places, t)
    for _ in range(3):  # Newton, on a cubic through the curve
        from scipy.interpolate import CubicSpline

        curve = CubicSpline(t, places)
        found = np.clip(found - (curve(found) - t) / curve(found, 1), 0, t[-1])
    return found


@given(places=curves(), seed=st.integers(0, 100))
@settings(max_examples=15)
def test_a_warp_and_its_inverse_leave_the_signal_inside_the_band(places, seed):
    slow = waves(4, 9, 400, 0.4 / 1.7, seed)  # of what may be read 1.6 times as fast
    slow[:, 6:] = np.repeat(waves(4, 1, 400, 0.02, seed), 3, axis=1)
    x = slow.astype(np.float32)
    back = a.time_warp(a.time_warp(x, GIVEN, places), GIVEN, inverse(places))
    inside = slice(12, -12)
    assert np.abs(back - x)[..., inside].max() < 4e-3 * np.abs(x).max()
    if np.ptp(places - np.arange(400)) > 10:
        assert np.abs(a.time_warp(x, GIVEN, places) - x).max() > 0.1 * np.abs(x).max()


@pytest.mark.parametrize("pace", [0.3, 0.5, 0.8])
def test_a_warp_gives_what_the_sensors_of_the_slower_motion_would_read(pace):
    t, rate, start = np.arange(600), 50.0, 60.0
    places = start + pace * t * 0.7
    pace *= 0.7

    def sensors(t: np.ndarray, s: float) -> tuple[np.ndarray, np.ndarray]:
        """Of a device that turns about z and moves along its own x, with time running s times faster."""
        w, v, seconds = 2 * np.pi * 0.23, 2 * np.pi * 1.7, t / rate
        turn = 0.3 * np.sin(w * seconds)
        gravity = G * np.stack([np.sin(turn), np.cos(turn), 0 * t])
        acc = gravity.copy()
        acc[0] -= s**2 * 0.05 * v**2 * np.sin(v * seconds)
        rates = np.zeros((3, t.size))
        rates[2] = s * 0.3 * w * np.cos(w * seconds)
        return np.concatenate([acc, rates]), gravity

    x, gravity = sensors(t, 1.0)
    wanted, _ = sensors(places, pace)
    given_ = a.time_warp(np.concatenate([x, gravity])[None].astype(np.float32), GIVEN, places)[0]
    np.testing.assert_allclose(given_[:6], wanted, atol=2e-3)
    told = a.time_warp(x[None].astype(np.float32), PLAIN, places)[0]
    np.testing.assert_allclose(told[3:], wanted[3:], atol=2e-3)
    apart = (told[:3] - wanted[:3])[:, 60:-60]
    assert apart.std() < 0.35 * (wanted[:3] - sensors(places, 1.0)[0][:3]).std()  # most of what a plain reading misses
    linear = a.Layout.of(("wrist", "linear"), rate_hz=rate)
    moved = a.time_warp((x[:3] - gravity)[None].astype(np.float32), linear, places)[0]
    np.testing.assert_allclose(moved, wanted[:3] - sensors(places, pace)[1], atol=2e-3)


@given(
    change=st.floats(0, 0.95),
    knots=st.integers(1, 20),
    seed=st.integers(0, 1000),
    each=st.sampled_from(["sample", "placement"]),
)
def test_time_never_folds_and_goes_from_end_to_end(change, knots, seed, each):
    operation = a.TimeWarp(change=change, knots=knots, each=each)
    _, q = a.draw(IMU, (operation,), 200, seed=seed, samples=range(20))
    points = q[:, 1:].reshape(-1, knots + 3)
    out, pace = np.empty((len(points), 200)), np.empty((len(points), 200))
    for i, p in enumerate(points):
        basis, slopes = warp.splines(knots, 200)
        warp.spline(p, basis, out[i])
        warp.spline(p, slopes, pace[i])
    np.testing.assert_allclose(out[:, [0, -1]], [[0, 199]] * len(out), atol=1e-9)
    least, most = (1 - change) / (1 + change), (1 + change) / (1 - change)
    assert (pace >= least - 1e-9).all()
    assert (pace <= most + 1e-9).all()
    np.testing.assert_allclose(np.gradient(out, axis=1)[:, 2:-2], pace[:, 2:-2], atol=0.01 * knots**2 / 4 * most + 1e-9)


@pytest.mark.parametrize("change", [0.1, 0.5, 0.9])
def test_time_runs_as_unevenly_as_asked(change):
    _, q = a.draw(PLAIN, (a.TimeWarp(change=change),), 200, seed=1, samples=range(3000))
    steps = np.diff(q[:, 1:], axis=1)
    ratios, most = steps.max(axis=1) / steps.min(axis=1), (1 + change) / (1 - change)
    assert 0.85 * most < ratios.max() <= most * (1 + 1e-9)


@given(seed=st.integers(0, 1000), change=st.floats(0, 0.9))
def test_a_warp_keeps_constants_and_the_turn_that_a_gyro_adds_up_to(seed, change):
    rest = at_rest(5, IMU)
    warped = run(rest, a.TimeWarp(change=change), seed=seed)
    np.testing.assert_allclose(warped, rest, rtol=2e-6, atol=1e-6)
    x = np.zeros((5, 6, 256), np.float32)
    x[:, 3:] = waves(5, 3, 256, 0.1, seed)
    y = run(x, a.TimeWarp(change=change), layout=PLAIN, seed=seed)
    turn, same = (np.trapezoid(z[:, 3:].astype(float), axis=2) for z in (x, y))
    np.testing.assert_allclose(same, turn, atol=0.02 * np.abs(x).max())


@given(time=st.integers(2, 80), half=st.integers(1, 30), gap=st.booleans())
def test_the_low_pass_is_two_moving_means(time, half, gap):
    x = np.random.default_rng(time).normal(size=(3, time)).astype(np.float32)
    holed = x.copy()
    if gap and time > 4:
        x[:, 0], x[:, 3] = x[:, 1], x[:, 2]
        holed[:, [0, 3]] = np.nan
    wanted = x.astype(float)
    for _ in range(2):
        wanted = np.array([[row[max(0, t - half) : t + half + 1].mean() for t in range(time)] for row in wanted])
    out = np.empty((3, time + 1))
    warp.low_pass(*holed, half, np.empty((3, time + 1)), out)
    np.testing.assert_allclose(out, wanted[:, [*range(time), -1]], atol=1e-12)


def test_gravity_is_what_is_slower_than_a_third_of_a_hertz():
    t = np.arange(3000) / 50
    gains = {}
    for f in (0.02, 0.32, 1.0, 2.0):
        x = np.repeat(np.sin(2 * np.pi * f * t)[None], 3, axis=0).astype(np.float32)
        out = np.empty((3, 3001))
        warp.low_pass(*x, 25, np.empty((3, 3001)), out)
        gains[f] = out[:, 200:-200].std() / x[:, 200:-200].std()
    assert gains[0.02] > 0.99
    assert 0.65 < gains[0.32] < 0.75
    assert max(gains[1.0], gains[2.0]) < 0.01


def test_words_are_read_at_the_nearest_sample():
    x = np.arange(40, dtype=np.uint16).reshape(1, 1, 40) + np.uint16(65530)
    places = np.linspace(0.2, 38.7, 40)
    y = a.time_warp(x, a.Layout.words(1, rate_hz=10), places)
    np.testing.assert_array_equal(y[0, 0], x[0, 0, np.round(places).astype(int)])


def test_nan_spreads_no_further_than_a_warp_reads():
    x = batch(3)
    x[:, :, 40] = np.nan
    gone = np.isnan(run(x, a.TimeWarp(change=0.1)))
    assert gone.any(axis=1).sum(axis=1).min() > 0
    assert gone.any(axis=1).sum(axis=1).max() <= 10
    for operation in (a.Jitter(), a.Scaling(), a.Drift(), a.MagnitudeWarp(), a.Rotation()):
        np.testing.assert_array_equal(np.isnan(run(x, operation)), np.isnan(x))


# Curves


def test_magnitude_warp_is_smooth_and_as_strong_as_asked():
    ones = np.ones((3000, 3, 200), np.float32)
    layout = a.Layout.of(("wrist", "acc"), rate_hz=50)
    y = run(ones, a.MagnitudeWarp(sd=0.1, knots=5, each="channel"), layout=layout).astype(float)
    at_knot = y[:, :, 0]  # a sixth of one point, two thirds of the next, a sixth of the third
    assert abs(at_knot.mean() - 1) < 4 * 0.1 / np.sqrt(at_knot.size)
    np.testing.assert_allclose(at_knot.std(), 0.1 * np.sqrt(2 / 36 + 16 / 36), rtol=0.03)
    assert np.abs(np.diff(y, 2, axis=2)).max() < 0.1 * 15 * (5 / 199) ** 2
    assert abs(np.corrcoef(y[:, 0, 100], y[:, 1, 100])[0, 1]) < 4.5 / np.sqrt(3000)
    shared = run(ones, a.MagnitudeWarp(sd=0.1, each="sensor"), layout=layout)
    np.testing.assert_array_equal(shared, shared[:, :1].repeat(3, axis=1))


@pytest.mark.parametrize("knots", [2, 4, 9])
def test_drift_starts_at_0_and_ends_with_the_sd_asked_for(knots):
    y = run(np.zeros((3000, 6, 50), np.float32), a.Drift(acc=0.5, gyro=0.1, knots=knots), layout=PLAIN)
    np.testing.assert_array_equal(y[..., 0], 0)
    np.testing.assert_allclose(y[..., -1].std(axis=0), np.repeat([0.5, 0.1], 3), rtol=0.06)
    assert (np.diff(y[:, 0].std(axis=0)) > -0.02).all()  # it spreads as it goes


@given(knots=st.integers(1, 30), time=st.integers(2, 200), seed=st.integers(0, 99))
def test_splines_are_those_of_scipy(knots, time, seed):
    from scipy.interpolate import BSpline

    points = np.random.default_rng(seed).normal(size=knots + 3)
    curve = BSpline(np.arange(-3, knots + 4), points, 3)
    u = np.linspace(0, knots, time)
    out = np.empty(time)
    basis, slopes = warp.splines(knots, time)
    warp.spline(points, basis, out)
    np.testing.assert_allclose(out, curve(u), atol=1e-10)
    warp.spline(points, slopes, out)
    np.testing.assert_allclose(out, curve(u, 1) * knots / (time - 1), atol=1e-10)


# What is blanked, and what is moved


@given(
    share=st.floats(0, 1), span=st.integers(1, 40), time=st.integers(2, 120), each=st.sampled_from(["sample", "sensor"])
)
def test_masks_cover_the_share_asked_for_in_every_sample(share, span, time, each):
    gone = np.isnan(run(np.ones((6, 18, time), np.float32), a.Mask(share=share, span=span, fill="nan", each=each)))
    patches = -(-time // span)
    starts = gone[..., ::span]
    assert (starts.sum(axis=2) == round(share * patches)).all()
    np.testing.assert_array_equal(gone, starts.repeat(span, axis=2)[..., :time])
    for g in range(IMU.groups(each).max() + 1):
        own = gone[:, IMU.groups(each) == g]
        assert (own == own[:, :1]).all()


def test_every_choice_of_patches_is_as_likely():
    gone = np.isnan(run(np.ones((6000, 18, 6), np.float32), a.Mask(share=0.5, span=1, fill="nan", each="placement")))
    for channel in (0, 9):
        codes = gone[:, channel] @ (1 << np.arange(6))
        _, counts = np.unique(codes, return_counts=True)
        assert len(counts) == 20
        assert stats.chisquare(counts).pvalue > 1e-3
    assert 0.01 < (gone[:, 0] == gone[:, 9]).all(axis=1).mean() < 0.1  # 1 in 20 by chance


@given(share=st.floats(0, 1), time=st.integers(2, 120))
def test_a_cutout_is_one_gap_of_the_share_asked_for(share, time):
    gone = np.isnan(run(np.ones((6, 18, time), np.float32), a.Cutout(share=share, fill="nan")))
    assert (gone.sum(axis=2) == round(share * time)).all()
    assert (np.abs(np.diff(np.pad(gone, ((0, 0), (0, 0), (1, 1))).astype(int), axis=2)).sum(axis=2) <= 2).all()


def test_cutouts_start_anywhere():
    gone = np.isnan(run(np.ones((4000, 18, 20), np.float32), a.Cutout(share=0.25, fill="nan")))
    counts = np.bincount(gone[:, 0].argmax(axis=1), minlength=16)
    assert len(counts) == 16
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    "operation",
    [a.Cutout(share=0.4, fill="hold"), a.Mask(share=0.6, span=5, fill="hold"), a.Mask(share=1, fill="hold")],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_what_is_held_was_there_and_what_is_hidden_is_not(operation, dtype):
    x = np.broadcast_to(np.arange(1, 61).astype(dtype), (50, layout_of(dtype).size, 60)).copy()
    ones = run(
        np.ones_like(x),
        type(operation)(share=operation.share, **({"span": operation.span} if hasattr(operation, "span") else {})),
    )
    y, gone = run(x, operation), ones == 0
    assert gone.any()
    np.testing.assert_array_equal(y[~gone], x[~gone])
    for row, lost, was in zip(y.reshape(-1, 60), gone.reshape(-1, 60), x.reshape(-1, 60), strict=True):
        assert set(row[lost]) <= set(was[~lost]) or (lost.all() and not row.any())
        for t in np.flatnonzero(lost):
            assert lost.all() or row[t] == (row[t - 1] if (~lost[:t]).any() else was[~lost][0])


@pytest.mark.parametrize(("each", "groups"), [("placement", 2), ("sensor", 6), ("channel", 18)])
def test_channels_drop_out_as_often_as_asked_and_never_all(each, groups):
    y = run(np.ones((4000, 18, 3), np.float32), a.ChannelDropout(share=0.2, each=each))
    number = IMU.groups(each)
    lost = np.stack([y[:, number == g, 0].max(axis=1) == 0 for g in range(groups)], axis=1)
    assert ((y == 0).all(axis=2) == lost[:, number]).all()
    assert not lost.all(axis=1).any()
    law = 0.2 - 0.2**groups / groups  # of those all lost, one comes back
    assert abs(lost.mean() - law) < 4.5 * np.sqrt(law / lost.size) + 1e-9
    assert not run(np.ones((50, 18, 3), np.float32), a.ChannelDropout(share=1, each=each)).all(axis=(1, 2)).any()


@given(
    least=st.integers(1, 4),
    more=st.integers(0, 4),
    shortest=st.integers(1, 9),
    each=st.sampled_from(["sample", "sensor", "channel"]),
    seed=st.integers(0, 999),
)
def test_permutation_moves_whole_segments_and_keeps_every_value(least, more, shortest, each, seed):
    most = least + more
    time = most * shortest + seed % 50 + 2
    clock = np.broadcast_to(np.arange(time, dtype=np.float32), (10, 18, time)).copy()
    y = run(clock, a.Permutation(least=least, most=most, shortest=shortest, each=each), seed=seed)
    np.testing.assert_array_equal(np.sort(y, axis=2), clock)
    for row in y.reshape(-1, time):
        cuts = np.flatnonzero(np.diff(row) != 1)
        assert len(cuts) < most
        assert np.diff(np.concatenate([[-1], cuts, [time - 1]])).min() >= shortest
    number = IMU.groups(each)
    np.testing.assert_array_equal(y, y[:, [np.flatnonzero(number == g)[0] for g in number]])


@given(span=st.integers(1, 30), time=st.integers(2, 100), seed=st.integers(0, 999))
def test_window_reorder_moves_whole_windows_and_keeps_every_value(span, time, seed):
    x = np.random.default_rng(seed).integers(0, 65536, (4, 5, time), np.uint16)
    y = run(x, a.WindowReorder(span=span), seed=seed)
    whole = time // span * span
    np.testing.assert_array_equal(y[..., whole:], x[..., whole:])
    rows, moved = (
        z[..., :whole].reshape(4, 5, -1, span).transpose(0, 2, 1, 3).reshape(4, -1, 5 * span) for z in (x, y)
    )
    for one, other in zip(rows, moved, strict=True):
        assert sorted(map(tuple, one)) == sorted(map(tuple, other))  # all channels together


@pytest.mark.parametrize("operation", [a.Permutation(least=4, most=4, shortest=4), a.WindowReorder(span=4)])
def test_every_order_is_as_likely(operation):
    clock = np.broadcast_to(np.arange(16, dtype=np.float32), (5000, 18, 16)).copy()
    orders = run(clock, operation)[:, 0, ::4] @ np.array([1, 100, 10_000, 1_000_000])
    _, counts = np.unique(orders, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


def test_segments_are_cut_anywhere():
    clock = np.broadcast_to(np.arange(12, dtype=np.float32), (6000, 18, 12)).copy()
    y = run(clock, a.Permutation(least=2, most=3, shortest=2))[:, 0]
    swapped = y[(y[:, 0] != 0) & (np.diff(y, axis=1) != 1).sum(axis=1).__eq__(1)]  # two segments in the other order
    counts = np.bincount(swapped[:, 0].astype(int), minlength=11)[2:11]
    assert counts.min() > 0


# Bits


@given(
    share=st.floats(0, 1),
    lowest=st.integers(0, 15),
    more=st.integers(0, 15),
    time=st.integers(2, 60),
    seed=st.integers(0, 999),
)
def test_bit_flip_flips_the_share_asked_for_and_undoes_itself(share, lowest, more, time, seed):
    bits = min(16 - lowest, 1 + more)
    operation, x = a.BitFlip(share=share, lowest=lowest, bits=bits), batch(4, "uint16", time)
    y = run(x, operation, seed=seed)
    flipped = x ^ y
    np.testing.assert_array_equal(np.bitwise_count(flipped).sum(axis=(1, 2)), round(share * bits * 5 * time))
    assert not (flipped & ~np.uint16(((1 << bits) - 1) << lowest)).any()
    np.testing.assert_array_equal(run(y, operation, seed=seed), x)


def test_every_bit_flips_as_often_as_any_other_alone_and_in_pairs():
    x = np.zeros((4000, 5, 6), np.uint16)
    bits = (
        np.unpackbits(run(x, a.BitFlip(share=0.1)).view(np.uint8), bitorder="little").reshape(4000, 480).astype(float)
    )
    assert stats.chisquare(bits.sum(axis=0)).pvalue > 1e-3
    bits -= bits.mean(axis=0)
    r = (bits.T @ bits / (4000 * 0.1 * 0.9))[~np.eye(480, dtype=bool)]
    assert np.abs(r).max() < 6 / np.sqrt(4000)
    assert abs(r.std() * np.sqrt(4000) - 1) < 0.05


@given(n=st.integers(1, 3000), k0=st.integers(0, 2**32 - 1), k1=st.integers(0, 2**32 - 1))
def test_shuffled_is_one_to_one(n, k0, k1):
    bits = max(2, (n - 1).bit_length())
    order = [apply.shuffled(i, n, bits, np.uint32(k0), np.uint32(k1)) for i in range(n)]
    assert sorted(order) == list(range(n))


# Resampling and back


def test_resample_and_back_leaves_what_the_slower_rate_can_hold():
    t = np.arange(500) / 50
    x = np.repeat((np.sin(2 * np.pi * 2 * t) + np.sin(2 * np.pi * 17 * t))[None, None], 6, axis=1).repeat(4, axis=0)
    x = x.astype(np.float32)
    y = run(x, BACK, layout=PLAIN)
    np.testing.assert_allclose(
        y[..., 60:-60], np.broadcast_to(np.sin(2 * np.pi * 2 * t), x.shape)[..., 60:-60], atol=0.02
    )
    for i in (0, 3):
        np.testing.assert_array_equal(run(x[i : i + 1], BACK, layout=PLAIN, samples=[i]), y[i : i + 1])
    np.testing.assert_array_equal(run(x, BACK, a.Jitter(), layout=PLAIN), run(y, a.Jitter(), layout=PLAIN))
    np.testing.assert_array_equal(
        run(x, a.Scaling(), BACK, layout=PLAIN), run(run(x, a.Scaling(), layout=PLAIN), BACK, layout=PLAIN)
    )
    np.testing.assert_array_equal(run(x, a.ResampleBack(rates_hz=(25.0,), p=0.0), layout=PLAIN), x)


# torch


def torch_run(x: np.ndarray, *operations: a.Operation, device: str = "cpu", **more) -> np.ndarray:
    torch = pytest.importorskip("torch")
    from models import augment_torch

    more = {"samples": np.arange(len(x)), "seed": 7, "layout": layout_of(str(x.dtype))} | more
    return augment_torch.augment(torch.from_numpy(x).to(device), operations=operations, **more).cpu().numpy()


@every_case
def test_torch_gives_the_same_result(operation, dtype):
    compare(operation, dtype, "cpu")


def compare(operation: a.Operation, dtype: str, device: str) -> None:
    x = batch(20, dtype)
    for kind in (operation, replace(operation, p=0.5)):
        ours, theirs = run(x, kind), torch_run(x, kind, device=device)
        assert theirs.dtype == ours.dtype
        if dtype == "uint16":
            np.testing.assert_array_equal(theirs, ours)
        else:
            np.testing.assert_allclose(theirs, ours, rtol=3e-6, atol=3e-6 * np.abs(ours).max())


def test_a_gpu_gives_the_same_results():
    if not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("no GPU here")
    for operation, dtype in CASES:
        compare(operation, dtype, "cuda")


def test_torch_gives_the_same_chain_gaps_and_kinds():
    x = batch(16)
    x[:, :, 30:33] = np.nan
    x[::2, 2, :] = np.nan
    kinds = ["posture", "steady", "change", "steady"] * 4
    more = {"kinds": kinds, "samples": np.arange(16) + 2**40}
    chain = (*CHAIN, a.Drift(), a.Mask(span=4, fill="nan"), a.Cutout(fill="hold"))
    ours, theirs = run(x, *chain, **more), torch_run(x, *chain, **more)
    np.testing.assert_array_equal(np.isnan(theirs), np.isnan(ours))
    np.testing.assert_allclose(theirs, ours, rtol=3e-6, atol=3e-6 * np.nanmax(np.abs(ours)))


def test_torch_has_the_same_hash_and_the_same_normals_to_the_tails():
    torch = pytest.importorskip("torch")
    from models import augment_torch
    from simulators import noise

    rng = np.random.default_rng(0)
    n, k = rng.integers(0, 2**32, 300), rng.integers(0, 2**32, (300, 2))
    found = augment_torch.hash32(*(torch.from_numpy(z.astype(np.int64)) for z in (n, k[:, 0], k[:, 1]))).tolist()
    assert found == [int(noise.hash32(*map(np.uint32, row))) for row in zip(n, k[:, 0], k[:, 1], strict=True)]
    keys = k[:4].astype(np.uint32)
    theirs = augment_torch.normals(200_001, torch.from_numpy(keys.astype(np.int64))).numpy()
    for key, row in zip(keys, theirs, strict=True):
        out = np.empty(200_001, np.float32)
        noise.normals(noise.normal_table(), 0, out.size, *key, out)
        np.testing.assert_allclose(row, out, rtol=2e-7)
        assert (np.abs(out) > 3.6).sum() > 20


def test_gradients_flow():
    torch = pytest.importorskip("torch")
    from models import augment_torch

    x = torch.from_numpy(batch(3)).requires_grad_()
    augment_torch.augment(x, IMU, CHAIN[:-1], seed=1, samples=[1, 2, 3]).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().min(dim=0).values.max() > 0


def test_augment_runs_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None; import simulators.augment as a; a.pipeline({'operation': 'jitter'})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Layouts, files, bad input


def test_groups_follow_placements_sensors_and_channels():
    layout = a.Layout.of(("wrist", "acc", "gyro"), ("waist", "acc"), rate_hz=50)
    assert layout.groups("sample").tolist() == [0] * 9
    assert layout.groups("placement").tolist() == [0] * 6 + [1] * 3
    assert layout.groups("sensor").tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert layout.groups("channel").tolist() == list(range(9))
    assert layout.kinds == ("acc",) * 3 + ("gyro",) * 3 + ("acc",) * 3


def test_a_pipeline_comes_from_tables():
    tables = ({"operation": name} for name in a.OPERATIONS)
    assert [type(operation) for operation in a.pipeline(*tables)] == list(a.OPERATIONS.values())
    assert a.pipeline({"operation": "resample_back", "rates_hz": [20, 25]}) == (a.ResampleBack(rates_hz=(20, 25)),)
    assert a.pipeline({"operation": "jitter", "acc": 1, "p": 0.5}) == (a.Jitter(acc=1, p=0.5),)


X = np.zeros((2, 6, 64), np.float32)
BAD = {
    "operation 'jiter' not found; did you mean 'jitter'?": lambda: a.pipeline({"operation": "jiter"}),
    "'acce' of operation jitter not found; did you mean 'acc'?": lambda: a.pipeline({"operation": "jitter", "acce": 1}),
    "operation 'rotation' not found; did you mean 'rotation'?": lambda: run(X, "rotation", layout=PLAIN),
    "a pipeline must be a tuple of operations; it is Jitter(": lambda: a.augment(
        X,
        PLAIN,
        a.Jitter(),
        seed=1,
        samples=[1, 2],  # type: ignore[arg-type]
    ),
    "kind of channels 'gyr' not found; did you mean 'gyro'?": lambda: a.Sensor("gyr", "wrist", (0, 1, 2)),
    "wrist acc must have 3 channel(s); it has 2": lambda: a.Sensor("acc", "wrist", (0, 1)),
    "a layout must give each channel from 0 on to one sensor": lambda: a.Layout((a.Sensor("acc", "w", (1, 2, 3)),), 50),
    "a placement must have one sensor of a kind; w acc": lambda: a.Layout.of(("w", "acc", "acc"), rate_hz=50),
    "rate_hz of a layout must be a number above 0; it is 0": lambda: a.Layout.of(("w", "acc"), rate_hz=0),
    "p of jitter must be 0 to 1; it is 1.5": lambda: a.Jitter(p=1.5),
    "p of mask must be 0 to 1; it is nan": lambda: a.Mask(p=float("nan")),
    "share of cutout must be 0 to 1; it is -0.1": lambda: a.Cutout(share=-0.1),
    "share of bit_flip must be 0 to 1; it is 2": lambda: a.BitFlip(share=2),
    "acc of jitter must be 0 to 1e+09; it is -1": lambda: a.Jitter(acc=-1),
    "acc of jitter must be 0 to 1e+09; it is 'much'": lambda: a.Jitter(acc="much"),  # type: ignore[arg-type]
    "knots of drift must be a whole number; it is 4.5": lambda: a.Drift(knots=4.5),  # type: ignore[arg-type]
    "change of time_warp must be 0 to 0.95, for a larger one folds time; it is 1.2": lambda: a.TimeWarp(change=1.2),
    "each of scaling: 'sensr' not found; did you mean 'sensor'?": lambda: a.Scaling(each="sensr"),
    "each of time_warp: 'channel' not found": lambda: a.TimeWarp(each="channel"),
    "fill of mask: 'held' not found; did you mean 'hold'?": lambda: a.Mask(fill="held"),
    "low of scaling must not be above high": lambda: a.Scaling(low=2, high=1),
    "least of permutation must not be above most": lambda: a.Permutation(least=6),
    "bits of bit_flip must end in a word of 16; they end at 20": lambda: a.BitFlip(lowest=4),
    "rates_hz of resample_back must be a tuple": lambda: a.ResampleBack(rates_hz=()),
    "permutation into 5 segments of 20 samples must have 100": lambda: run(X, a.Permutation(shortest=20), layout=PLAIN),
    "a batch must be (samples, 6 channels, 2 or more in time); it is (2, 6)": lambda: run(X[..., 0], layout=PLAIN),
    "a batch must be (samples, 18 channels": lambda: run(X),
    "a batch must be float32, or uint16 with every channel a word; it is float64": lambda: run(
        X.astype(float), layout=PLAIN
    ),
    "a batch must be float32, or uint16 with every channel a word; it is uint16": lambda: run(
        X.astype(np.uint16), layout=PLAIN
    ),
    "jitter must get float32; the batch is uint16": lambda: run(batch(2, "uint16"), a.Jitter()),
    "bit_flip must get uint16; the batch is float32": lambda: run(X, a.BitFlip(), layout=PLAIN),
    "fill of mask must not be nan for words": lambda: run(batch(2, "uint16"), a.Mask(fill="nan")),
    "samples must be whole numbers from 0 on": lambda: run(X, layout=PLAIN, samples=[-1, 2]),
    "samples must number each sample of the batch; there are 3 for 2": lambda: run(X, layout=PLAIN, samples=[1, 2, 3]),
    "seed must be a whole number; it is 'x'": lambda: run(X, layout=PLAIN, seed="x"),
    "kind of label 'postur' not found; did you mean 'posture'?": lambda: run(
        X, a.Jitter(), layout=PLAIN, kinds=["postur", "steady"]
    ),
    "kinds must name the kind of each sample's label; there are 1 for 2": lambda: run(
        X, a.Jitter(), layout=PLAIN, kinds=["posture"]
    ),
    "rotation must have no attitude in the layout": lambda: run(
        X, a.Rotation(), layout=a.Layout((a.Sensor("acc", "w", (0, 1, 2)), a.Sensor("attitude", "w", (3, 4, 5))), 50)
    ),
    "places of a time warp must rise from sample to sample, or time folds": lambda: a.time_warp(
        X, PLAIN, np.arange(64)[::-1]
    ),
    "places of a time warp must be 0 to 63; they are 1 to 64": lambda: a.time_warp(X, PLAIN, np.arange(1, 65)),
    "out must be as the batch": lambda: run(X, a.Jitter(), layout=PLAIN, out=np.zeros((2, 6, 63), np.float32)),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_gets_one_line(message):
    with pytest.raises(InputError) as error:
        BAD[message]()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


GOLDEN = 20925196
