"""What the truth says of an event's own channel, and that half of the bench's events show only across channels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.errors import InputError
from scenarios.schema import Arrays, check
from scenarios.spec import load, parse
from simulators.run import key_of
from simulators.scene import SCHEMA, SceneSpec, inject, simulate_arrays
from simulators.scene.detectability import detectability, extremeness
from simulators.scene.kernels.windows import features
from simulators.scene.spec import ACROSS_KINDS, ANOMALY_KINDS, ON_REQUEST, Anomalies


def test_features_of_a_window_by_hand() -> None:
    words = np.array([9, 65534, 65535, 1, 1], np.uint16)  # from the second: steps of 1, 2 and 0 modulo 2^16
    found = np.empty((1, 6))
    features(words, np.array([1]), 4, np.uint16(0x8000), found)
    level, spread, leap, pace, roughness, changes = found[0]
    assert (level, spread, leap, pace, roughness) == (-0.25, 3.0, 2.0, 1.0, 1.5)
    assert changes == (1 + 15 + 0) / 3


@given(st.lists(st.integers(0, 65535), min_size=3, max_size=40), st.booleans())
def test_features_are_those_of_numpy(words: list[int], signed: bool) -> None:
    window = np.array(words, np.uint16)
    number = (window.view(np.int16) if signed else window).astype(float)
    step = np.diff(window).view(np.int16)
    flips = np.bitwise_count(window[1:] ^ window[:-1])
    wanted = [number.mean(), np.ptp(number), np.abs(step.astype(int)).max(), np.abs(step.astype(int)).mean(),
              np.abs(np.diff(step).astype(int)).mean(), flips.mean()]  # fmt: skip
    found = np.empty((1, 6))
    features(window, np.array([0]), window.size, np.uint16(0x8000 * signed), found)
    np.testing.assert_array_equal(found[0], wanted)


def test_extremeness_uses_the_median_deviation_then_the_standard_one_then_one() -> None:
    clean = np.array([[0.0, 0, 7], [1, 0, 7], [2, 0, 7], [3, 0, 7], [4, 5, 7]])
    assert extremeness(np.array([[5.0, 0, 7]]), clean) == pytest.approx(3 / 1.4826)
    assert extremeness(np.array([[2.0, 4, 7]]), clean) == pytest.approx(2.0)
    assert extremeness(np.array([[2.0, 0, 10]]), clean) == pytest.approx(3.0)


def test_it_is_uniform_where_nothing_happens_and_1_where_the_event_is_obvious() -> None:
    rng = np.random.default_rng(3)
    clean = (3e4 + rng.normal(0, 30, 12_000)).astype(np.uint16)
    at = rng.integers(1, 11_000, 300)
    nothing = [detectability(clean, clean, int(a), int(a) + int(rng.integers(1, 400))) for a in at]
    assert np.mean(nothing) == pytest.approx(0.5, abs=0.05)
    assert np.mean(np.array(nothing) > 0.9) == pytest.approx(0.1, abs=0.05)
    for end in (501, 502, 560, 3000):
        wrong = clean.copy()
        wrong[500:end] += 1000
        assert detectability(wrong, clean, 500, end) == 1.0


def test_a_still_channel_is_undecided_and_a_short_one_is_scored() -> None:
    still = np.full(900, 7, np.uint16)
    assert detectability(still, still, 10, 50) == 0.5
    for start, end in ((1, 2), (1, 9), (8, 9)):
        assert 0 <= detectability(still[:9], still[:9], start, end) <= 1


def test_signed_words_near_zero_are_no_leaps() -> None:
    rng = np.random.default_rng(0)
    clean = rng.normal(0, 30, 4000).astype(np.int16).view(np.uint16)
    wrong = clean.copy()
    wrong[100:200] += 40
    assert detectability(wrong, clean, 100, 200, signed=True) == 1.0


def _events(name: str, scenes: int, per_recording: float) -> tuple[np.ndarray, np.ndarray]:
    """(whether the event shows only across channels, largest detectability of its rows) of many events."""
    table = load("scene", name)[1]
    table["anomalies"]["per_recording"] = per_recording
    spec = parse(SceneSpec, name, table)
    across, alone = [], []
    codes = [ANOMALY_KINDS.index(kind) for kind in ACROSS_KINDS]
    for index in range(scenes):
        arrays = simulate_arrays(spec, key_of("scene", name, spec, "validation", index))
        check(arrays, SCHEMA)
        for group in np.unique(arrays["truth/anomaly_group"]):
            rows = arrays["truth/anomaly_group"] == group
            across.append(int(arrays["truth/anomaly_kind"][rows][0]) in codes)
            alone.append(float(arrays["truth/anomaly_detectability"][rows].max()))
    return np.array(across), np.array(alone)


@pytest.mark.parametrize("name", ["anomaly_bench", "other_world_anomalies"])
def test_half_of_the_benchs_events_do_not_show_in_their_own_channel(name: str) -> None:
    across, alone = _events(name, 60, 4.0)
    assert across.size > 180
    assert across.mean() == pytest.approx(0.5, abs=0.1)
    assert alone[across].mean() < 0.75
    assert np.mean(alone[across] > 0.95) < 0.3
    assert np.mean(alone[~across] > 0.95) > 0.65
    assert (alone[~across] < 0.9).any()


def test_anomalies_without_detectability_are_refused() -> None:
    arrays: Arrays = {
        "inputs/r100/words": np.arange(3000, dtype=np.uint16).reshape(1, 3000),
        "inputs/r100/channel_id": np.zeros(1, np.int32),
        "inputs/r100/n_samples": np.full(1, 3000, np.int32),
    }
    level = Anomalies(kinds={"level_shift": 1})
    once = inject(arrays, level, np.random.default_rng(0), count=1)
    twice = inject(once, level, np.random.default_rng(1), count=1)
    assert twice["truth/anomaly_detectability"].size == twice["truth/anomaly_channel"].size == 2
    del once["truth/anomaly_detectability"]
    with pytest.raises(InputError, match="must have 'truth/anomaly_detectability' of each; it is absent"):
        inject(once, level, np.random.default_rng(1), count=1)


def test_a_share_across_needs_kinds_of_both_sorts() -> None:
    assert not set(ON_REQUEST) & set(Anomalies().kinds)
    with pytest.raises(ValueError, match="kinds must have a weight above 0 among twin_replay"):
        Anomalies(across=0.5, kinds={"spike": 1})
    with pytest.raises(ValueError, match="kinds must have a weight above 0 beside twin_replay"):
        Anomalies(across=0.5, kinds={"lag": 1})
    assert Anomalies(across=1.0, kinds={"lag": 1}).across == 1.0
