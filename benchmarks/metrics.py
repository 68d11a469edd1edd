"""Scores of answers, as pure functions of arrays.

Counts are of one recording and add up over recordings; ratios take sums of counts of any shape, and are NaN where
there is nothing to score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

# ---- counts and ratios


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Quotient in float64, NaN where the divisor is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0, np.divide(top, bottom, dtype=np.float64), np.nan)


def precision(tp: np.ndarray, fp: np.ndarray) -> np.ndarray:
    """Share of what was told that is right; NaN where nothing was told."""
    return _ratio(tp, np.add(tp, fp))


def recall(tp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """Share of what is true that was told; NaN where nothing is true."""
    return _ratio(tp, np.add(tp, fn))


def f1(tp: np.ndarray | float, fp: np.ndarray | float, fn: np.ndarray | float) -> np.ndarray:
    """Harmonic mean of precision and recall, 2 tp / (2 tp + fp + fn); NaN where all three are 0."""
    twice = np.multiply(2, tp)
    return _ratio(twice, twice + fp + fn)


# ---- classes


def confusion(truth: np.ndarray, predicted: np.ndarray, n: int) -> np.ndarray:
    """Counts (n, n) by true and predicted class, both (k,) in 0 to n - 1."""
    cell = np.asarray(truth, np.int64) * n + np.asarray(predicted, np.int64)
    return np.bincount(cell, minlength=n * n).reshape(n, n)


def merge(conf: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """Confusion (..., k, k) of coarser classes from (..., n, n); groups (n,) has the coarse class of each fine one.

    (0, 1, 1, 2) makes plain, two-word (msb or lsb) and bits of the four node types.
    """
    member = np.eye(max(groups) + 1, dtype=np.asarray(conf).dtype)[list(groups)]  # (n, k)
    return member.T @ conf @ member


def macro_f1(conf: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that are true or predicted anywhere, from confusion (..., n, n).

    As scikit-learn's `f1_score(average="macro")`: a class that is predicted but never true scores 0, one that is
    neither is left out. NaN where all counts are 0.
    """
    conf = np.asarray(conf, np.float64)
    either = conf.sum(-1) + conf.sum(-2)
    present = either > 0
    each = np.divide(2 * np.diagonal(conf, axis1=-2, axis2=-1), either, out=np.zeros_like(either), where=present)
    return _ratio(each.sum(-1), present.sum(-1))


# ---- pairs


@dataclass(frozen=True, kw_only=True)
class PairCounts:
    """Ordered pairs of one recording, right, wrong and missed, among all and among visible ones."""

    tp: int
    fp: int
    fn: int
    visible_tp: int
    visible_fp: int
    visible_fn: int
    matched: tuple[np.ndarray, np.ndarray]
    """(rows of the prediction, rows of the truth), shapes (tp,), of the pairs that are right, among all."""


def pair_counts(
    true_msb: np.ndarray,
    true_lsb: np.ndarray,
    visible: np.ndarray,
    pred_msb: np.ndarray,
    pred_lsb: np.ndarray,
    twin_class: Mapping[int, int] | np.ndarray | None = None,
) -> PairCounts:
    """Compare ordered pairs: truth (t,), told (k,), channel ids; visible (t,) bool: the high half changes.

    Channels of one class in `twin_class` (a mapping, or an array by channel) are copies of one another: a pair is right
    if its classes are those of a true pair, as often as such pairs are true. One that it does not have is its own
    class. Against the visible pairs, what was told of two halves of invisible pairs, or copies of such, is neither
    right nor wrong.
    """
    true = [*zip(_classes(true_msb, twin_class), _classes(true_lsb, twin_class), strict=True)]
    told = [*zip(_classes(pred_msb, twin_class), _classes(pred_lsb, twin_class), strict=True)]
    exact_true = [*zip(np.asarray(true_msb).tolist(), np.asarray(true_lsb).tolist(), strict=True)]
    exact_told = [*zip(np.asarray(pred_msb).tolist(), np.asarray(pred_lsb).tolist(), strict=True)]
    shown = np.flatnonzero(visible).tolist()

    def match(rows: list[int]) -> dict[int, int]:
        """Row of the truth, among `rows`, by row of what was told; the very channels before copies of them."""
        found: dict[int, int] = {}
        for wanted, said in ((exact_true, exact_told), (true, told)):
            taken = set(found.values())
            free: dict[object, list[int]] = {}
            for row in reversed(rows):
                if row not in taken:
                    free.setdefault(wanted[row], []).append(row)
            for mine, pair in enumerate(said):
                if mine not in found and free.get(pair):
                    found[mine] = free[pair].pop()
        return found

    everywhere = match(list(range(len(true))))
    among_shown = match(shown)
    unseen = {half for row in np.flatnonzero(~np.asarray(visible, bool)) for half in true[row]}
    wrong = sum(1 for mine, (a, b) in enumerate(told) if mine not in among_shown and not (a in unseen and b in unseen))
    mine = sorted(everywhere)
    return PairCounts(
        tp=len(everywhere), fp=len(told) - len(everywhere), fn=len(true) - len(everywhere),
        visible_tp=len(among_shown), visible_fp=wrong, visible_fn=len(shown) - len(among_shown),
        matched=(np.array(mine, np.int64), np.array([everywhere[row] for row in mine], np.int64)),
    )  # fmt: skip


def _classes(ids: np.ndarray, twin_class: Mapping[int, int] | np.ndarray | None) -> list[tuple[bool, int]]:
    """Class of each channel; a channel without one can't be taken for a class of the same number."""
    ids = np.asarray(ids)
    if isinstance(twin_class, np.ndarray):
        return [(True, c) for c in twin_class[ids].tolist()] if ids.size else []
    known = twin_class or {}
    return [(i in known, int(known.get(i, i))) for i in ids.tolist()]


# ---- events


def event_counts(
    true_pos: np.ndarray, true_sign: np.ndarray, pred_pos: np.ndarray, pred_sign: np.ndarray, tolerance: int
) -> tuple[int, int, int]:
    """(tp, fp, fn) of events, by most one-to-one matches of one sign that lie within the tolerance (inclusive).

    Positions and signs are integers, shapes (t,) and (k,), in any order.
    """
    t_pos, t_sign = _by_sign(true_pos, true_sign)
    p_pos, p_sign = _by_sign(pred_pos, pred_sign)
    tp = int(_matches(t_pos, t_sign, p_pos, p_sign, tolerance))
    return tp, p_pos.size - tp, t_pos.size - tp


def _by_sign(position: np.ndarray, sign: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    position, sign = np.asarray(position, np.int64), np.asarray(sign, np.int64)
    order = np.lexsort((position, sign))
    return position[order], sign[order]


@njit(cache=True)
def _matches(
    true_pos: np.ndarray, true_sign: np.ndarray, pred_pos: np.ndarray, pred_sign: np.ndarray, tolerance: int
) -> int:
    """Most matches of events sorted by sign, then position: taking the first that fits is best for equal tolerances."""
    i, j, matched = 0, 0, 0
    while i < len(true_pos) and j < len(pred_pos):
        if true_sign[i] != pred_sign[j]:
            if true_sign[i] < pred_sign[j]:
                i += 1
            else:
                j += 1
        elif abs(true_pos[i] - pred_pos[j]) <= tolerance:
            matched += 1
            i += 1
            j += 1
        elif true_pos[i] < pred_pos[j]:
            i += 1
        else:
            j += 1
    return matched


# ---- bits


def mask_iou(true_mask: np.ndarray, pred_mask: np.ndarray) -> tuple[int, int]:
    """(bits in both, bits in either) of uint16 masks, summed over words, shape (n,)."""
    return _bits(true_mask & pred_mask), _bits(true_mask | pred_mask)


def cut_counts(true_cuts: np.ndarray, pred_cuts: np.ndarray, scorable: np.ndarray) -> tuple[int, int, int]:
    """(tp, fp, fn) of field boundaries, uint16 each, shape (n,): bit b (1 to 15) is the cut between bits b - 1 and b.

    Only scorable cuts count: not those between two bits that stay as they are. Bit 0 is no cut.
    """
    scorable = scorable & np.uint16(0xFFFE)
    true, told = true_cuts & scorable, pred_cuts & scorable
    return _bits(true & told), _bits(told & ~true), _bits(true & ~told)


def _bits(words: np.ndarray) -> int:
    return int(np.bitwise_count(words).sum(dtype=np.int64))


# ---- frames and stretches


def _curve(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(true positives, alarms) at each distinct score as threshold, from the highest down."""
    scores = np.asarray(scores)
    order = np.argsort(scores)[::-1]
    ranked = scores[order]
    last = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True]) if ranked.size else np.empty(0, np.int64)
    return np.cumsum(np.asarray(labels, bool)[order], dtype=np.int64)[last], last + 1


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Chance that a positive frame scores above a negative one, ties half; NaN unless there are both. Both (n,)."""
    tp, alarms = _curve(labels, scores)
    if not tp.size or not 0 < tp[-1] < alarms[-1]:
        return np.nan
    fp = alarms - tp
    area = np.sum(np.diff(fp, prepend=0) * (tp + np.r_[0, tp[:-1]]))  # twice, in whole numbers
    return float(area / (2 * tp[-1] * fp[-1]))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mean precision over gains in recall, one step for equal scores; NaN if nothing is positive. Both (n,)."""
    tp, alarms = _curve(labels, scores)
    if not tp.size or not tp[-1]:
        return np.nan
    return float(np.sum(np.diff(tp, prepend=0) / tp[-1] * (tp / alarms)))


def frame_counts(labels: np.ndarray, alarms: np.ndarray) -> tuple[int, int, int]:
    """(tp, fp, fn) of frames, (n,) bool each."""
    labels, alarms = np.asarray(labels, bool), np.asarray(alarms, bool)
    tp, told, true = (int(np.count_nonzero(x)) for x in (labels & alarms, alarms, labels))
    return tp, told - tp, true - tp


def segments_of(flags: np.ndarray) -> np.ndarray:
    """Stretches of True in flags (n,), shape (k, 2): first frame, one after the last."""
    return np.flatnonzero(np.diff(np.asarray(flags, bool), prepend=False, append=False)).reshape(-1, 2)


def event_iou(true: np.ndarray, alarms: np.ndarray) -> float:
    """Mean over true stretches (t, 2) of the best overlap over union with one alarm stretch (k, 2); NaN without any."""
    if not len(true):
        return np.nan
    if not len(alarms):
        return 0.0
    start, end = true[:, :1], true[:, 1:]  # (t, 1) against (k,)
    both = np.maximum(np.minimum(end, alarms[:, 1]) - np.maximum(start, alarms[:, 0]), 0)
    either = (end - start) + (alarms[:, 1] - alarms[:, 0]) - both
    return float((both / either).max(1).mean())
