"""Scores of alarms on stretches of time: volume under the surface, affiliation, range-based precision and recall.

All work on one recording: `labels` (n,) bool is the truth, `scores` (n,) any ordered numbers, `alarms` (n,) bool.
Without a positive label there is nothing to score, and the answer is NaN.
"""

from typing import Literal

import numpy as np
from numba import njit

from benchmarks.metrics import segments_of
from scenarios.errors import InputError

THRESHOLDS = 250
"""Thresholds of a surface, at evenly spaced ranks of the scores: the number that the reference uses."""
Definition = Literal["vus", "aeon"]


def vus(labels: np.ndarray, scores: np.ndarray, buffer: int, definition: Definition = "vus") -> tuple[float, float]:
    """(VUS-PR, VUS-ROC): areas under precision-recall and ROC curves, mean over tolerances of 0 to `buffer` samples.

    With tolerance w a labelled stretch has slopes on both sides, sqrt(1 - d / w) at distance d, d <= w // 2; recall is
    multiplied by the share of stretches that are hit at all (Paparrizos et al., VLDB 2022). Only the order of the
    scores counts. Two definitions of this are in use, which differ by several hundredths:

    "vus", the authors' own of today (package vus 0.0.6, `RangeAUC_volume_opt`, as in TSB-AD, NeurIPS 2024): slopes
        alike on both sides; what recall can reach counts, of the slopes, only what is alarmed; the area under
        precision-recall is a sum of steps. It is the default, as alarms equal to the labels score 1 by it.
    "aeon", the first release (aeon 1.6, `range_pr_vus_score`): the slope behind is a sample shorter than the one in
        front; recall counts whole slopes, so alarms equal to the labels score below 1; the area is one of trapezia,
        so one sure sample and a constant elsewhere score near a half. Scores all alike get 0.

    Both take 250 thresholds at ranks linspace(0, n - 1), however many ties there are. VUS-ROC is NaN where all is
    labelled.
    """
    labels = np.ascontiguousarray(labels, bool)
    scores = np.asarray(scores)
    n = labels.size
    if scores.shape != (n,):
        raise InputError(f"scores must have the shape of labels, ({n},); they have {scores.shape}")
    if buffer < 0:
        raise InputError(f"buffer must be at least 0; it is {buffer}")
    if not labels.any():
        return np.nan, np.nan
    ascending = np.sort(scores)
    if np.isnan(ascending[-1]):
        raise InputError("scores must be numbers; there are NaN among them")
    if definition == "aeon" and ascending[0] == ascending[-1]:
        return 0.0, 0.0
    thresholds = ascending[n - 1 - np.linspace(0, n - 1, THRESHOLDS).astype(int)][::-1]
    # a sample is alarmed first at the greatest threshold that it reaches
    first = THRESHOLDS - np.searchsorted(thresholds, scores, side="right")
    pr, roc = _volumes(labels, first, segments_of(labels), buffer, THRESHOLDS, definition == "aeon")
    return pr, np.nan if labels.all() else roc


def vus_pr(labels: np.ndarray, scores: np.ndarray, buffer: int, definition: Definition = "vus") -> float:
    """Volume under the precision-recall surface; see `vus`."""
    return vus(labels, scores, buffer, definition)[0]


def vus_roc(labels: np.ndarray, scores: np.ndarray, buffer: int, definition: Definition = "vus") -> float:
    """Volume under the ROC surface; see `vus`."""
    return vus(labels, scores, buffer, definition)[1]


def affiliation(labels: np.ndarray, alarms: np.ndarray) -> tuple[float, float]:
    """(precision, recall) of affiliation (Huet et al., KDD 2022), on samples taken as intervals [i, i + 1).

    Each labelled stretch owns the time nearer to it than to any other. There, precision is the mean over alarmed time
    of the chance that time drawn at random is farther from the stretch, recall the mean over the stretch of the chance
    that it is farther than the nearest alarm. Both are means over stretches: precision over those with alarms in their
    zone (NaN without any alarm), recall over all. Alarms everywhere have precision near a half: it is no F1 of frames.
    """
    spans = segments_of(labels)
    if not spans.size:
        return np.nan, np.nan
    return _affiliation(spans.astype(float), segments_of(alarms).astype(float), float(len(labels)))


def range_scores(labels: np.ndarray, alarms: np.ndarray, existence: float = 0.5) -> tuple[float, float, float]:
    """(precision, recall, F1) of ranges (Tatbul et al., NeurIPS 2018): flat bias, reciprocal cardinality.

    A stretch scores the share of it that stretches of the other kind cover, divided by their number; recall gives
    `existence` of its weight to being hit at all. 0.5 is the default of aeon's `range_f_score` (its `range_recall`
    alone has 0). Without alarms precision is NaN, recall and F1 are 0. Unlike aeon, which answers 0 then, alarms
    everywhere are scored as any others.
    """
    spans = segments_of(labels)
    if not spans.size:
        return np.nan, np.nan, np.nan
    alarmed = segments_of(alarms)
    precision = _covered(alarmed, spans, 0.0)
    recall = _covered(spans, alarmed, existence)
    if not alarmed.size or precision + recall == 0:
        return precision, recall, 0.0
    return precision, recall, 2 * precision * recall / (precision + recall)


@njit(cache=True, error_model="numpy")
def _volumes(
    labels: np.ndarray, first: np.ndarray, spans: np.ndarray, buffer: int, thresholds: int, aeon: bool
) -> tuple[float, float]:
    """Mean areas over tolerances. A sample is alarmed at thresholds number `first` and all after.

    True positives are running sums over thresholds of label weight by `first`: the labelled part once, the slopes for
    each tolerance, at a cost of stretches x tolerance squared in all.
    """
    n, k = labels.size, spans.shape[0]
    alarmed = np.zeros(thresholds)
    core = np.zeros(thresholds)
    for i in range(n):
        alarmed[first[i]] += 1
        if labels[i]:
            core[first[i]] += 1
    alarmed = np.cumsum(alarmed)
    core = np.cumsum(core)
    positive = core[-1]
    earliest = np.empty(k, np.int64)  # number of the first threshold that hits the stretch with its slopes
    for e in range(k):
        earliest[e] = first[spans[e, 0] : spans[e, 1]].min()
    weight = np.zeros(n)
    sum_pr, sum_roc = 0.0, 0.0
    for w in range(buffer + 1):
        before = w // 2
        after = max(before - 1, 0) if aeon else before
        decay = np.sqrt(1 - np.arange(before + 1) / max(w, 1))
        slope = np.zeros(thresholds)
        total = 0.0
        for e in range(k):
            start, last = spans[e, 0], spans[e, 1] - 1
            for d in range(1, min(after, n - 1 - last) + 1):
                weight[last + d] += decay[d]
            for d in range(1, min(before, start) + 1):
                weight[start - d] += decay[d]
            # nearer samples were seen at shorter tolerances
            earliest[e] = min(earliest[e], first[min(last + after, n - 1)], first[max(start - before, 0)])
        for e in range(k):
            start, end = spans[e, 0], spans[e, 1]
            for i in range(max(start - before, 0), min(end + after, n)):
                if weight[i] > 0 and not labels[i]:
                    slope[first[i]] += min(weight[i], 1.0)
                    total += min(weight[i], 1.0)
                weight[i] = 0.0  # slopes that overlap count once
        hits = np.zeros(thresholds)
        stretches = 0
        soonest = thresholds
        for e in range(k):
            soonest = min(soonest, earliest[e])
            gap = 1 if aeon else 0  # stretches that touch are one to aeon; to vus those that overlap
            if e == k - 1 or spans[e, 1] - 1 + after + gap < spans[e + 1, 0] - before:
                hits[soonest] += 1
                stretches += 1
                soonest = thresholds
        gained, hit = 0.0, 0.0
        recall_was, precision_was, fpr_was = 0.0, 1.0, 0.0
        for t in range(thresholds):
            gained += slope[t]
            hit += hits[t]
            tp = core[t] + gained
            p = positive + (total if aeon else gained) / 2
            recall = min(tp / p, 1.0) * hit / stretches
            precision = tp / alarmed[t]
            fpr = min((alarmed[t] - tp) / (n - p), 1.0)
            sum_pr += (recall - recall_was) * ((precision + precision_was) / 2 if aeon else precision)
            sum_roc += (fpr - fpr_was) * (recall + recall_was) / 2
            recall_was, precision_was, fpr_was = recall, precision, fpr
        sum_roc += (1 - fpr_was) * (1 + recall_was) / 2
    return sum_pr / (buffer + 1), sum_roc / (buffer + 1)


@njit(cache=True, inline="always")
def _farther(d: float, low: float, high: float, length: float) -> float:
    """Chance that time drawn from a zone is farther than d: it reaches `low` and `high` to the two sides."""
    return 1 - (min(d, low) + min(d, high)) / length


@njit(cache=True)
def _mean_precision(a: float, b: float, near: float, far: float, zone: float) -> float:
    """Integral of the chance of being farther over distances a to b from a stretch, with margins to the zone's ends.

    The chance is linear but for a kink at the near margin, so trapezia are exact; b is at most the far margin.
    """
    inside = zone - near - far
    kink = min(max(near, a), b)
    total = 0.0
    for left, right in ((a, kink), (kink, b)):
        ends = _farther(left, near, far, zone) + _farther(right, near, far, zone) - 2 * inside / zone
        total += (right - left) * ends / 2
    return total


@njit(cache=True)
def _mean_recall(a: float, b: float, pivot: float, low: float, high: float) -> float:
    """Integral of the chance of being farther than the pivot over times a to b on one side of it, zone low to high.

    Kinks lie where the zone's ends are as near as the pivot, so trapezia between them are exact.
    """
    left = min(max((low + pivot) / 2, a), b)
    right = min(max((high + pivot) / 2, a), b)
    total = 0.0
    for x, y in ((a, left), (left, right), (right, b)):
        fx = _farther(abs(x - pivot), x - low, high - x, high - low)
        fy = _farther(abs(y - pivot), y - low, high - y, high - low)
        total += (y - x) * (fx + fy) / 2
    return total


@njit(cache=True)
def _affiliation(spans: np.ndarray, alarmed: np.ndarray, n: float) -> tuple[float, float]:
    """Precision and recall from stretches, shapes (k, 2) and (m, 2), in 0 to n."""
    k = spans.shape[0]
    inside = np.empty_like(alarmed)
    sum_precision, with_alarms, sum_recall = 0.0, 0, 0.0
    behind = 0  # alarms that ended before the zone
    for j in range(k):
        start, end = spans[j, 0], spans[j, 1]
        low = (spans[j - 1, 1] + start) / 2 if j else 0.0
        high = (end + spans[j + 1, 0]) / 2 if j < k - 1 else n
        while behind < len(alarmed) and alarmed[behind, 1] <= low:
            behind += 1
        m = 0
        for i in range(behind, len(alarmed)):
            if alarmed[i, 0] >= high:
                break
            inside[m, 0] = max(alarmed[i, 0], low)
            inside[m, 1] = min(alarmed[i, 1], high)
            m += 1
        if not m:
            continue
        near, far = min(start - low, high - end), max(start - low, high - end)
        nearness, length = 0.0, 0.0
        for i in range(m):
            a, b = inside[i, 0], inside[i, 1]
            length += b - a
            nearness += max(min(b, end) - max(a, start), 0.0)
            if a < start:
                nearness += _mean_precision(start - min(b, start), start - a, near, far, high - low)
            if b > end:
                nearness += _mean_precision(max(a, end) - end, b - end, near, far, high - low)
        sum_precision += nearness / length
        with_alarms += 1
        reached = 0.0
        for i in range(m):  # the part of the stretch that this alarm is nearest to
            a, b = inside[i, 0], inside[i, 1]
            x = max(start, (inside[i - 1, 1] + a) / 2) if i else start
            y = min(end, (b + inside[i + 1, 0]) / 2) if i < m - 1 else end
            if y <= x:
                continue
            reached += max(min(b, y) - max(a, x), 0.0)
            if x < a:
                reached += _mean_recall(x, min(y, a), a, low, high)
            if y > b:
                reached += _mean_recall(max(x, b), y, b, low, high)
        sum_recall += reached / (end - start)
    return (sum_precision / with_alarms if with_alarms else np.nan), sum_recall / k


@njit(cache=True)
def _covered(ours: np.ndarray, theirs: np.ndarray, existence: float) -> float:
    """Mean over our stretches of the share that theirs cover, over their number; NaN if we have none."""
    if not len(ours):
        return np.nan
    total = 0.0
    behind = 0
    for e in range(len(ours)):
        start, end = ours[e, 0], ours[e, 1]
        while behind < len(theirs) and theirs[behind, 1] <= start:
            behind += 1
        covered, count = 0, 0
        for i in range(behind, len(theirs)):
            if theirs[i, 0] >= end:
                break
            covered += min(end, theirs[i, 1]) - max(start, theirs[i, 0])
            count += 1
        if count:
            total += existence + (1 - existence) * covered / (end - start) / count
    return total / len(ours)
