"""Tolerant carry test: a high half steps when its low half rolls over, give or take when each of them is read.

The shared clock of the exact test is given up for a slack. Two scores, of which the better counts:

- groups: both event lists are merged and split at gaps above w = longer sample period + slack. A group speaks for the
  pair where both sides occur and the high half's net step equals the net carry.
- band: for fast values, whose groups all melt into one: the share of steps whose cumulative start and end both lie
  within the range of the cumulative carry within +-w.

Source: the rule follows from the coding alone; compare the word-order and byte-order search of CAN-D (Verma et al.,
IEEE TVT 70(10), 2021, arXiv 2006.05993).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from baselines.scene.assign import assign
from baselines.scene.carry import AS_SENT, FULL, Events, Rows, high_steps, low_carries, rows_of, variety

RARE = 500
"""Channels with more events are not tried with wider slack: they would meet by chance."""
SURE = 6.0
"""Log likelihood ratio from which agreement counts in full."""


@dataclass
class TolerantCarry:
    """Pairs by carries that match in time, in plain words that roll over at 65,536."""

    threshold: float = 0.6
    slack_s: float = 0.003

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Pairs of one recording."""
        rows = rows_of(inputs)
        highs, _ = high_steps(rows)
        lows, modulus = low_carries(rows, AS_SENT)
        scores = tolerant_scores(rows, highs, lows, self.slack_s)
        scores[:, modulus < 0.9 * FULL] = 0.0
        return told_pairs(rows, scores, self.threshold)


def tolerant_scores(
    rows: Rows, highs: Events, lows: Events, slack_s: float, wanted: np.ndarray | None = None, periods: float = 1.0
) -> np.ndarray:
    """Tolerant score of each pair, row = high half, column = low half, shape (n, n), 0 to 1.

    The slack w is `slack_s` and so many of the longer sample periods; with more than one, only groups are tried, of
    channels with at most RARE events. `wanted` (n, n) tells which pairs to score.
    """
    n = len(rows)
    scores = np.zeros((n, n))
    if wanted is None:
        wanted = ~np.eye(n, dtype=bool)
    _tolerant(
        highs.start, highs.time_ns, highs.step, lows.start, lows.time_ns, lows.step,
        periods * rows.period_ns, periods <= 1, slack_s * 1e9, max(rows.span_ns, 1.0), wanted, scores,
    )  # fmt: skip
    return scores


def told_pairs(rows: Rows, scores: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
    """A prediction from the scores of plain pairs: u32 or, where the high half passes zero, i32."""
    high, low = assign(scores, threshold, 0.05 * variety(rows))
    return prediction(rows, high, low, np.zeros(high.size, np.int64), scores[high, low])


def prediction(
    rows: Rows, high: np.ndarray, low: np.ndarray, view: np.ndarray, score: np.ndarray
) -> dict[str, np.ndarray]:
    """A prediction from pairs of rows and the views in which they were found."""
    msb, lsb = rows.ids[high], rows.ids[low]
    swap = (view & 1).astype(np.int64)
    order = np.where(msb < lsb, 2 * swap, 1 + 2 * swap)
    formats = [coding(rows.row(int(h)), int(v)) for h, v in zip(high, view, strict=True)]
    return {"msb": msb, "lsb": lsb, "order": order, "format": np.array(formats, np.int64), "score": score.astype(float)}


def coding(words: np.ndarray, view: int) -> int:
    """Format (0 u32, 1 i32, 2 float32, 3 Gray) that a high half's words suggest in a view.

    As a float32, numbers of magnitude 1 to 1e10 have high halves 0x3F80 to 0x5015, whatever the sign; integers that
    large are rare. Negative integers begin with ones.
    """
    if view & 2:
        return 3
    seen = words.byteswap() if view & 1 else words
    size = seen & np.uint16(0x7FFF)
    zero = seen == 0
    if ((zero | ((size >= 0x3F80) & (size <= 0x5015))).mean() > 0.99) and not zero.all():
        return 2
    return int((seen >= 0x8000).any())


@njit(cache=True, error_model="numpy")
def groups(t: np.ndarray, d: np.ndarray, u: np.ndarray, c: np.ndarray, w: float, span: float) -> float:
    """Groups of steps d at t and carries c at u, split at gaps above w: share of those that agree, chance corrected.

    Groups in which nothing happens on balance, on one side alone, do not count. Where the groups cover most of the
    time, agreement tells little; and few that agree by chance one time in three tell less than many.
    """
    i = j = 0
    matched = total = highs = lows = 0
    net_d = net_c = n_d = n_c = 0
    began = last = min(t[0], u[0])
    covered = agreed = 0.0
    while True:
        over = i >= t.size and j >= u.size
        high = not over and (j >= u.size or (i < t.size and t[i] <= u[j]))
        now = last if over else (t[i] if high else u[j])
        if over or now - last > w:
            if (n_d and n_c) or net_d != net_c:
                long = last - began + 2 * w
                total += 1
                covered += long
                highs += n_d > 0
                lows += n_c > 0
                if n_d and n_c and net_d == net_c:
                    matched += 1
                    agreed += long
            net_d = net_c = n_d = n_c = 0
            began = now
            if over or (total >= 32 and 4 * matched < total):
                break
        if total < 4 and i + j > 2048:  # they have melted
            break
        last = now
        if high:
            net_d += d[i]
            n_d += 1
            i += 1
        else:
            net_c += c[j]
            n_c += 1
            j += 1
    chance = min(1.0, covered / span)
    if matched == 0 or chance > 0.98 or not over:
        return 0.0
    kappa = (matched / (total + chance) - chance) / (1.0 - chance) * (1.0 + chance / total)
    met = 1 - np.exp(-min(highs, lows) * agreed / (matched * span))  # that a group meets one of the other side at all
    return max(0.0, kappa) * min(1.0, -matched * np.log(0.4 * met) / SURE)


@njit(cache=True, error_model="numpy")
def band(t: np.ndarray, d: np.ndarray, u: np.ndarray, c: np.ndarray, w: float, most: int) -> float:
    """Share of steps d at t whose cumulative start and end lie in the range of the cumulative carry within +-w."""
    a = b = 0  # carries a .. b - 1 lie in the window
    before = np.int64(0)  # cumulative carry before the window
    high = np.int64(0)
    off = np.int64(0)
    good = fails = 0
    least = highest = np.int64(0)
    n = min(t.size, most)
    for e in range(n):
        while b < u.size and u[b] <= t[e] + w:
            b += 1
        while a < b and u[a] < t[e] - w:
            before += c[a]
            a += 1
        low, top, sum_ = before, before, before
        for k in range(a, b):
            sum_ += c[k]
            low, top = min(low, sum_), max(top, sum_)
        start, end = high + off, high + d[e] + off
        if low <= min(start, end) and max(start, end) <= top:
            good += 1
            fails = 0
        else:
            fails += 1
            if fails >= 8:  # a rollover was missed: go on from here
                off = sum_ - high - d[e]
                fails = 0
        high += d[e]
        least, highest = min(least, high), max(highest, high)
        if e == 64 and good < 24:
            return 0.0
    return good / n if highest - least > 2 else 0.0  # what only flips to and fro meets anything that does


@njit(cache=True, error_model="numpy")
def _tolerant(
    start: np.ndarray,
    time: np.ndarray,
    step: np.ndarray,
    low_start: np.ndarray,
    low_time: np.ndarray,
    carry: np.ndarray,
    period: np.ndarray,
    bands: bool,
    slack: float,
    span: float,
    wanted: np.ndarray,
    scores: np.ndarray,
) -> None:
    n = period.size
    travel, low_travel = np.zeros(n), np.zeros(n)
    for i in range(n):
        for e in range(start[i], start[i + 1]):
            travel[i] += abs(step[e])
        low_travel[i] = low_start[i + 1] - low_start[i]
    for i in range(n):
        t, d = time[start[i] : start[i + 1]], step[start[i] : start[i + 1]]
        if t.size == 0:
            continue
        for j in range(n):
            u, c = low_time[low_start[j] : low_start[j + 1]], carry[low_start[j] : low_start[j + 1]]
            if u.size == 0 or not wanted[i, j] or (not bands and max(t.size, u.size) > RARE):
                continue
            w = max(period[i], period[j]) + slack
            score = groups(t, d, u, c, w, span)
            ratio = min(travel[i], low_travel[j]) / max(travel[i], low_travel[j])
            if bands and t.size >= 8 and ratio > 0.25:
                score = max(score, band(t, d, u, c, w, 4000) * min(1.0, 1.25 * ratio))
            scores[i, j] = score
