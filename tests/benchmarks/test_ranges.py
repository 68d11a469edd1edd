"""Range scores: equal to implementations that share no code with ours, and what must hold of any of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.range_cases import case, checksum

from benchmarks import ranges
from scenarios.errors import InputError

TABLE = json.loads((Path(__file__).parent / "oracles" / "range_scores.json").read_text())["cases"]
BY_SEED = {row["seed"]: row for row in TABLE}


def own_scores(seed: int) -> dict[str, float]:
    labels, scores, alarms, buffer = case(seed)
    precision, recall_half, f = ranges.range_scores(labels, alarms)
    _, recall, _ = ranges.range_scores(labels, alarms, existence=0.0)
    affiliation = ranges.affiliation(labels, alarms)
    return {
        "vus_pr": ranges.vus_pr(labels, scores, buffer),
        "vus_roc": ranges.vus_roc(labels, scores, buffer),
        "aeon_vus_pr": ranges.vus_pr(labels, scores, buffer, "aeon"),
        "aeon_vus_roc": ranges.vus_roc(labels, scores, buffer, "aeon"),
        # aeon answers 0 where nothing is told; ours is NaN
        "range_precision": precision if alarms.any() else 0.0,
        "range_recall": recall,
        "range_recall_half": recall_half,
        "range_f": f,
        "affiliation_precision": affiliation[0],
        "affiliation_recall": affiliation[1],
    }


@pytest.mark.parametrize("seed", BY_SEED)
def test_equal_to_aeon_and_vus(seed: int) -> None:
    row = {name: np.nan if value is None else value for name, value in BY_SEED[seed].items()}
    assert row.pop("checksum") == checksum(row.pop("seed")), "the case is not that of the stored scores"
    own = own_scores(seed)
    assert own.keys() == row.keys()
    np.testing.assert_allclose([own[name] for name in row], list(row.values()), rtol=0, atol=1e-9)


def plain_vus_pr(labels: np.ndarray, scores: np.ndarray, buffer: int) -> float:
    """The default definition, written out with no thought of speed."""
    n, areas = labels.size, []
    at = np.flatnonzero(labels)
    starts, lasts = at[np.diff(at, prepend=-2) > 1], at[np.diff(at, append=n + 1) > 1]
    thresholds = np.sort(scores)[::-1][np.linspace(0, n - 1, 250).astype(int)]
    for w in range(buffer + 1):
        h = w // 2
        weight = labels.astype(float)
        zones: list[list[int]] = []
        for start, last in zip(starts, lasts, strict=True):
            for i in range(max(start - h, 0), min(last + h, n - 1) + 1):
                if not labels[i] and (start - h <= i < start or last < i <= last + h):
                    weight[i] += np.sqrt(1 - (start - i if i < start else i - last) / w)
            if zones and start - h <= zones[-1][1]:
                zones[-1][1] = last + h
            else:
                zones.append([max(start - h, 0), last + h])
        weight = np.minimum(weight, 1)
        was, area = 0.0, 0.0
        for threshold in thresholds:
            told = scores >= threshold
            tp = weight[told].sum()
            p = labels.sum() + weight[told & ~labels].sum() / 2
            hit = np.mean([told[a : b + 1].any() for a, b in zones])
            recall = min(tp / p, 1) * hit
            area += (recall - was) * tp / told.sum()
            was = recall
        areas.append(area)
    return float(np.mean(areas))


@st.composite
def recordings(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels with at least one positive and one negative, and scores with ties."""
    n = draw(st.integers(2, 60))
    labels = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    labels[draw(st.integers(0, n - 1))] = True
    if labels.all():
        labels[draw(st.integers(0, n - 1))] = False
    scores = np.array(draw(st.lists(st.integers(-8, 8), min_size=n, max_size=n)), float)
    return labels, scores


@given(recordings(), st.integers(0, 12))
def test_vus_is_the_plain_sum(recording: tuple[np.ndarray, np.ndarray], buffer: int) -> None:
    labels, scores = recording
    assert ranges.vus_pr(labels, scores, buffer) == pytest.approx(plain_vus_pr(labels, scores, buffer), abs=1e-12)


@given(recordings(), st.integers(0, 12), st.sampled_from(["vus", "aeon"]))
def test_vus_is_bounded_and_of_order_alone(
    recording: tuple[np.ndarray, np.ndarray], buffer: int, definition: ranges.Definition
) -> None:
    labels, scores = recording
    found = ranges.vus(labels, scores, buffer, definition)
    assert all(-1e-12 <= value <= 1 + 1e-12 for value in found)
    assert ranges.vus(labels, np.exp(scores) - 3, buffer, definition) == found


@given(recordings(), st.integers(0, 12))
def test_vus_reads_the_same_backwards(recording: tuple[np.ndarray, np.ndarray], buffer: int) -> None:
    labels, scores = recording
    forwards = ranges.vus(labels, scores, buffer)
    assert ranges.vus(labels[::-1], scores[::-1], buffer) == pytest.approx(forwards, abs=1e-12)


@given(recordings(), st.integers(0, 12))
def test_labels_as_scores_are_perfect(recording: tuple[np.ndarray, np.ndarray], buffer: int) -> None:
    labels, _ = recording
    assert ranges.vus(labels, labels, buffer) == pytest.approx((1, 1), abs=1e-12)
    assert ranges.affiliation(labels, labels) == pytest.approx((1, 1), abs=1e-12)
    assert ranges.range_scores(labels, labels) == pytest.approx((1, 1, 1), abs=1e-12)


@given(recordings())
def test_alarm_scores_are_bounded(recording: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = recording
    alarms = scores > 2
    for value in (*ranges.affiliation(labels, alarms), *ranges.range_scores(labels, alarms)):
        assert -1e-12 <= value <= 1 + 1e-12 or np.isnan(value)
    precision, recall, _ = ranges.range_scores(labels, alarms, existence=0.0)
    if alarms.any():
        assert ranges.range_scores(alarms, labels, existence=0.0)[:2] == pytest.approx((recall, precision))


def test_one_sure_sample_is_worth_little() -> None:
    labels = np.zeros(2000, bool)
    labels[500:540] = labels[1500:1560] = True
    sure = np.zeros(2000)
    sure[510] = 1.0
    assert ranges.vus_pr(labels, sure, 20) < 0.1
    assert ranges.vus_pr(labels, sure, 20, "aeon") > 0.5


def test_near_misses_are_worth_more_with_a_longer_buffer() -> None:
    labels = np.zeros(400, bool)
    labels[100:110] = True
    late = np.roll(labels, 12).astype(float)
    found = [ranges.vus_pr(labels, late, buffer) for buffer in (0, 10, 40, 80)]
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_alarms_nearer_an_event_are_more_precise() -> None:
    labels = np.zeros(1000, bool)
    labels[480:520] = True
    found = []
    for at in (900, 700, 530, 500):
        alarms = np.zeros(1000, bool)
        alarms[at : at + 10] = True
        found.append(ranges.affiliation(labels, alarms))
    assert found == sorted(found)
    assert found[-1][0] == 1


def test_without_a_positive_label_there_is_no_score() -> None:
    none, scores = np.zeros(50, bool), np.arange(50.0)
    assert np.isnan(ranges.vus(none, scores, 5)).all()
    assert np.isnan(ranges.affiliation(none, scores > 5)).all()
    assert np.isnan(ranges.range_scores(none, scores > 5)).all()
    assert np.isnan(ranges.vus(np.zeros(0, bool), np.zeros(0), 5)).all()


def test_all_labelled_has_no_roc() -> None:
    every, scores = np.ones(50, bool), np.arange(50.0)
    pr, roc = ranges.vus(every, scores, 5)
    assert pr == pytest.approx(1)
    assert np.isnan(roc)


def test_no_alarms_and_alarms_everywhere() -> None:
    labels = np.zeros(100, bool)
    labels[40:50] = True
    quiet, loud = np.zeros(100, bool), np.ones(100, bool)
    precision, recall = ranges.affiliation(labels, quiet)
    assert np.isnan(precision)
    assert recall == 0
    precision, recall, f = ranges.range_scores(labels, quiet)
    assert np.isnan(precision)
    assert (recall, f) == (0, 0)
    assert ranges.range_scores(labels, loud)[:2] == pytest.approx((0.1, 1))
    assert ranges.affiliation(labels, loud)[1] == 1


def test_bad_input_is_named() -> None:
    labels = np.array([True, False])
    with pytest.raises(InputError, match=r"scores must have the shape of labels, \(2,\); they have \(3,\)"):
        ranges.vus_pr(labels, np.zeros(3), 1)
    with pytest.raises(InputError, match="buffer must be at least 0; it is -1"):
        ranges.vus_pr(labels, np.zeros(2), -1)
    with pytest.raises(InputError, match="NaN"):
        ranges.vus_pr(labels, np.array([0.0, np.nan]), 1)
