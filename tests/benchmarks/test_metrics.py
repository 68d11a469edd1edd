"""Scores against scikit-learn and scipy, against counting by hand, and what must hold of any answer."""

import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from sklearn import metrics as sk

from benchmarks import metrics as m

SEEDS = range(6)
Words = st.lists(st.tuples(*[st.integers(0, 0xFFFF)] * 3), min_size=0, max_size=6)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# ---- counts and ratios


@given(*[st.integers(0, 50)] * 3)
def test_f1_is_the_harmonic_mean_and_symmetric(tp: int, fp: int, fn: int) -> None:
    counts = [np.array(x) for x in (tp, fp, fn)]
    p, r, f = m.precision(counts[0], counts[1]), m.recall(counts[0], counts[2]), m.f1(*counts)
    assert np.isnan(f) == (tp + fp + fn == 0)
    assert np.isnan(p) == (tp + fp == 0)
    assert np.isnan(r) == (tp + fn == 0)
    if tp:
        assert f == pytest.approx(2 * p * r / (p + r))
    np.testing.assert_equal(f, m.f1(counts[0], counts[2], counts[1]))
    assert np.isnan(f) or 0 <= f <= 1


def test_ratios_keep_the_shape_of_sums() -> None:
    sums = rng_of(0).integers(0, 3, (7, 5, 3))
    found = m.f1(sums[..., 0], sums[..., 1], sums[..., 2])
    assert found.shape == (7, 5)
    np.testing.assert_array_equal(np.isnan(found), sums.sum(-1) == 0)


# ---- classes


@pytest.mark.parametrize("classes", [4, 3, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_macro_f1_is_that_of_scikit_learn(seed: int, classes: int) -> None:
    rng = rng_of(seed)
    truth, told = rng.integers(0, rng.integers(1, classes + 1), 12), rng.integers(0, classes, 12)
    conf = m.confusion(truth, told, classes)
    np.testing.assert_array_equal(conf, sk.confusion_matrix(truth, told, labels=range(classes)))
    assert m.macro_f1(conf) == pytest.approx(sk.f1_score(truth, told, average="macro", zero_division=0), abs=1e-12)


def test_macro_f1_of_many_and_of_none() -> None:
    conf = rng_of(1).integers(0, 4, (5, 6, 4, 4))
    conf[2, 3] = 0
    found = m.macro_f1(conf)
    assert np.isnan(found[2, 3])
    for at in np.ndindex(5, 6):
        np.testing.assert_equal(found[at], m.macro_f1(conf[at]))
    assert m.macro_f1(np.diag([3, 0, 2, 0])) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_merged_confusion_is_that_of_merged_classes(seed: int) -> None:
    rng = rng_of(seed)
    groups = np.array([0, 1, 1, 2])
    truth, told = rng.integers(0, 4, (2, 40))
    merged = m.merge(m.confusion(truth, told, 4), (0, 1, 1, 2))
    np.testing.assert_array_equal(merged, m.confusion(groups[truth], groups[told], 3))
    stacked = np.stack([m.confusion(truth, told, 4) * 0.5] * 3)
    np.testing.assert_array_equal(m.merge(stacked, (0, 1, 1, 2)), np.stack([merged * 0.5] * 3))


# ---- pairs


def pairs(*rows: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(rows, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


TRUE = pairs((0, 1), (2, 3), (4, 5), (6, 7))
SEEN = np.array([True, True, False, False])


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        ([], (0, 0, 4, 0, 0, 2)),
        ([(0, 1), (2, 3), (4, 5), (6, 7)], (4, 0, 0, 2, 0, 0)),
        ([(1, 0)], (0, 1, 4, 0, 1, 2)),  # the halves swapped are another pair
        ([(4, 7)], (0, 1, 4, 0, 0, 2)),  # both ends in invisible pairs, though not of one
        ([(5, 4)], (0, 1, 4, 0, 0, 2)),
        ([(0, 5)], (0, 1, 4, 0, 1, 2)),  # one end in a visible pair
        ([(4, 9)], (0, 1, 4, 0, 1, 2)),  # one end in no pair
        ([(8, 9), (2, 3)], (1, 1, 3, 1, 1, 1)),
    ],
)
def test_pairs_counted_by_hand(told: list, counts: tuple) -> None:
    c = m.pair_counts(*TRUE, SEEN, *pairs(*told))
    assert (c.tp, c.fp, c.fn, c.visible_tp, c.visible_fp, c.visible_fn) == counts
    assert c.matched[0].size == c.matched[1].size == c.tp


TWINS = pairs((0, 1), (2, 3), (4, 5))  # (2, 3) is a copy of (0, 1)
CLASS = {0: 0, 2: 0, 1: 1, 3: 1}


@pytest.mark.parametrize(
    ("told", "right", "matched"),
    [
        ([(0, 1), (2, 3)], 2, [(0, 0), (1, 1)]),
        ([(2, 3), (0, 1)], 2, [(0, 1), (1, 0)]),  # the very channels first
        ([(0, 3), (2, 1)], 2, [(0, 0), (1, 1)]),  # crosswise is as good
        ([(0, 3), (2, 3)], 2, [(0, 0), (1, 1)]),
        ([(0, 3), (2, 1), (0, 1)], 2, None),  # a third of two is wrong
        ([(0, 2)], 0, []),
    ],
)
@pytest.mark.parametrize("as_array", [False, True])
def test_twins_are_one_class(told: list, right: int, matched: list | None, as_array: bool) -> None:
    twins = np.array([0, 1, 0, 1, 4, 5]) if as_array else CLASS
    c = m.pair_counts(*TWINS, np.ones(3, bool), *pairs(*told), twins)
    assert (c.tp, c.fp, c.fn) == (right, len(told) - right, 3 - right)
    assert (c.visible_tp, c.visible_fp, c.visible_fn) == (c.tp, c.fp, c.fn)
    if matched is not None:
        assert [*zip(*(x.tolist() for x in c.matched), strict=True)] == matched


def test_a_copy_of_an_invisible_half_is_as_invisible() -> None:
    c = m.pair_counts(*pairs((0, 1), (2, 3)), np.array([True, False]), *pairs((2, 9)), {3: 3, 9: 3})
    assert (c.tp, c.fp) == (1, 0)
    assert (c.visible_tp, c.visible_fp, c.visible_fn) == (0, 0, 1)


def test_classes_are_not_channel_numbers() -> None:
    c = m.pair_counts(*pairs((0, 1)), np.ones(1, bool), *pairs((0, 7)), {5: 7, 6: 7, 1: 7})
    assert c.tp == 0


@given(st.integers(0, 2**32 - 1))
def test_pair_counts_do_not_hang_on_order_or_numbers(seed: int) -> None:
    rng = rng_of(seed)
    count = int(rng.integers(0, 6))
    ids = rng.permutation(2 * count + 4)
    true_msb, true_lsb = ids[: 2 * count].reshape(2, count)
    visible = rng.random(count) < 0.6
    classes = {int(c): int(rng.integers(3)) for c in ids[::3]}
    told = rng.permutation(ids)[: 2 * int(rng.integers(0, count + 2))].reshape(2, -1)
    first = m.pair_counts(true_msb, true_lsb, visible, *told, classes)
    wanted = Counter(zip(*(m._classes(x, classes) for x in (true_msb, true_lsb)), strict=True))
    said = Counter(zip(*(m._classes(x, classes) for x in told), strict=True))
    assert first.tp == sum((wanted & said).values())
    assert first.fp + first.tp == told.shape[1]
    assert first.visible_tp + first.visible_fn == visible.sum()
    shuffle, again = rng.permutation(count), rng.permutation(told.shape[1])
    other = m.pair_counts(
        10 * true_msb[shuffle] + 3, 10 * true_lsb[shuffle] + 3, visible[shuffle], *(10 * told[:, again] + 3),
        {10 * c + 3: name for c, name in classes.items()},
    )  # fmt: skip
    for name in ("tp", "fp", "fn", "visible_tp", "visible_fp", "visible_fn"):
        assert getattr(other, name) == getattr(first, name)


# ---- events


Events = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([-1, 1])), max_size=12)


def columns(events: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(events, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@given(Events, Events, st.integers(0, 5))
def test_events_are_matched_as_often_as_can_be(true: list, told: list, tolerance: int) -> None:
    tp, fp, fn = m.event_counts(*columns(true), *columns(told), tolerance)
    assert (tp + fp, tp + fn) == (len(told), len(true))
    fits = np.array([[a[1] == b[1] and abs(a[0] - b[0]) <= tolerance for b in told] for a in true], bool)
    best = 0
    if fits.size:
        best = int((maximum_bipartite_matching(csr_array(fits), perm_type="column") >= 0).sum())
    assert tp == best
    assert m.event_counts(*columns(told), *columns(true), tolerance) == (tp, fn, fp)


# ---- bits


@given(Words)
def test_bits_counted_one_by_one(words: list) -> None:
    true, told, scorable = np.array(words, np.uint16).reshape(-1, 3).T
    t, p, s = ((x[:, None] >> np.arange(16, dtype=np.uint16) & 1).astype(bool) for x in (true, told, scorable))
    assert m.mask_iou(true, told) == ((t & p).sum(), (t | p).sum())
    t, p, s = t[:, 1:], p[:, 1:], s[:, 1:]
    assert m.cut_counts(true, told, scorable) == ((t & p & s).sum(), (p & ~t & s).sum(), (t & ~p & s).sum())


# ---- frames and stretches


@pytest.mark.parametrize("levels", [2, 6, 10**9])
@pytest.mark.parametrize("seed", SEEDS)
def test_frame_scores_are_those_of_scikit_learn(seed: int, levels: int) -> None:
    rng = rng_of(seed)
    labels = rng.random(200) < 0.15
    scores = rng.integers(0, levels, 200) / levels + 0.3 * labels * (levels > 2)
    assert m.auroc(labels, scores) == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)
    assert m.average_precision(labels, scores) == pytest.approx(sk.average_precision_score(labels, scores), abs=1e-12)
    tp, fp, fn = m.frame_counts(labels, scores > 0.8)
    (_, wrong), (missed, right) = sk.confusion_matrix(labels, scores > 0.8, labels=[False, True])
    assert (tp, fp, fn) == (right, wrong, missed)


Frames = st.lists(st.tuples(st.booleans(), st.integers(-5, 5)), min_size=1, max_size=30)


@given(Frames)
def test_frame_scores_are_bounded_and_of_order_alone(frames: list) -> None:
    labels, scores = np.array([f[0] for f in frames]), np.array([f[1] for f in frames], float)
    auroc, ap = m.auroc(labels, scores), m.average_precision(labels, scores)
    assert np.isnan(auroc) == (labels.all() or not labels.any())
    assert np.isnan(ap) == (not labels.any())
    np.testing.assert_equal((m.auroc(labels, np.exp(scores)), m.average_precision(labels, scores**3)), (auroc, ap))
    np.testing.assert_allclose(m.auroc(labels, -scores), 1 - auroc, atol=1e-12)
    assert np.isnan(auroc) or 0 <= auroc <= 1
    assert np.isnan(ap) or 0 < ap <= 1
    if not np.isnan(auroc):
        assert (m.auroc(labels, labels), m.average_precision(labels, labels)) == (1, 1)


def test_no_frames_have_no_score() -> None:
    none = np.zeros(0, bool)
    assert np.isnan([m.auroc(none, none), m.average_precision(none, none)]).all()
    assert m.frame_counts(none, none) == (0, 0, 0)


@given(st.lists(st.booleans(), max_size=40))
def test_segments_make_the_flags_again(flags: list[bool]) -> None:
    segments = m.segments_of(np.array(flags, bool))
    made = np.zeros(len(flags), bool)
    for first, end in segments:
        assert first < end
        made[first:end] = True
    np.testing.assert_array_equal(made, np.array(flags, bool))
    assert (segments[1:, 0] > segments[:-1, 1]).all()


def test_event_iou_by_hand() -> None:
    true = np.array([[10, 20], [40, 44], [80, 90]])
    alarms = np.array([[15, 25], [16, 18], [40, 44]])
    assert m.event_iou(true, alarms) == pytest.approx((5 / 15 + 1 + 0) / 3)
    assert m.event_iou(true, true) == 1
    assert m.event_iou(true, true[:0]) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(m.event_iou(true[:0], alarms))
