"""Format search: carry tests under several codings at once, and one assignment over the best of each pair.

Each channel is seen as sent, with its bytes swapped, Gray-decoded, and both. A high half is tried only in the views in
which it steps least: a wrong byte order makes steps of 256 out of steps of one. A low half rolls over at one above the
greatest word seen. Four tests speak for a pair, and the strongest counts:

- the tolerant carry test (`pair_tolerant`), for values that cross a boundary now and then; with more slack once more,
  for torn reads;
- smoothness (`pair_smooth`), for halves that are read at once;
- `touches`, for Gray code: the low word alone is a triangle wave, which turns at an end whenever the high half steps;
- `guided`, for fast values, whose low half may roll over several times a sample: the high half's own speed says how
  often, and what is left must keep the two halves together.

Source: trying all byte and word orders is common advice for Modbus maps, and part of CAN-D (Verma et al., IEEE TVT
70(10), 2021, arXiv 2006.05993); the order of a float32's bits, as of integers, is from IEEE 754.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit

from baselines.scene.assign import assign
from baselines.scene.carry import (
    FULL,
    VIEWS,
    Events,
    Rows,
    find,
    high_steps,
    low_carries,
    number,
    rows_of,
    variety,
    views_kept,
    wrapped,
)
from baselines.scene.pair_smooth import smooth_scores
from baselines.scene.pair_tolerant import prediction, tolerant_scores

TORN, LESS = 3, 0.9
"""A torn high half lags by so many reads at most; scores with that much more slack count for less."""
GRAY_TRUST = 0.75
"""Scores of `touches` count for less: what flips to and fro meets the end of many a wave."""
BLOCKS, BLOCK = 12, 256
"""The guided test reads this many stretches of so many samples of the low half."""


@dataclass
class FormatSearch:
    """Pairs by carries under byte swap, any modulus, Gray code and fast motion."""

    threshold: float = 0.45
    slack_s: float = 0.003

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Pairs of one recording."""
        rows = rows_of(inputs)
        scores, views = format_scores(rows, rows_of(inputs, lost=True), self.slack_s)
        high, low = assign(scores, self.threshold, preference(rows, views))
        return prediction(rows, high, low, views[high, low], scores[high, low])


def format_scores(rows: Rows, held: Rows, slack_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Best score of each pair over all views, and that view; row = high half, column = low half, shape (n, n).

    held: the same channels with words held in the place of lost ones, so that sample numbers are times.
    """
    n = len(rows)
    highs, steps = high_steps(rows)
    lows = [low_carries(rows, view) for view in (0, 1)]
    kept = views_kept(rows)
    best, views = np.zeros((n, n)), np.zeros((n, n), np.int64)
    for view in range(VIEWS):
        carries, modulus = lows[view & 1]
        modulus = np.full(n, FULL) if view & 2 else modulus
        wanted = np.repeat(kept[view][:, None], n, axis=1)
        scores = np.zeros((n, n))
        if view & 2:
            _touches(rows.words, rows.times_ns, rows.start, highs.start, highs.sample, steps[view], view,
                     rows.period_ns, slack_s * 1e9, wanted, scores)  # fmt: skip
            scores *= GRAY_TRUST
        else:
            step = Events(highs.start, highs.sample, highs.time_ns, steps[view])
            scores = tolerant_scores(rows, step, carries, slack_s, wanted)
            torn = tolerant_scores(rows, step, carries, slack_s, wanted & (scores < 0.8), 1 + TORN)
            scores = np.maximum(scores, LESS * torn)
            scores = np.maximum(scores, wanted * _smooth(rows, held, modulus, view))
        fast = np.zeros((n, n))
        _guided(
            rows.words, rows.times_ns, rows.start, view, modulus, rows.period_ns, wanted & (scores < 0.9), fast
        )  # fmt: skip
        scores = np.maximum(scores, fast)
        views = np.where(scores > best, view, views)
        best = np.maximum(best, scores)
    np.fill_diagonal(best, 0.0)
    return best, views


def _smooth(rows: Rows, held: Rows, modulus: np.ndarray, view: int) -> np.ndarray:
    """Smoothness scores of the rows in a view, scaled so that the thresholds of both methods agree, shape (n, n)."""
    if held.ids.size != rows.ids.size:
        return np.zeros((len(rows), len(rows)))
    seen = replace(held, words=held.words.byteswap()) if view & 1 else held
    return np.minimum(1.0, smooth_scores(seen, modulus) * 5 / 3)


def preference(rows: Rows, views: np.ndarray) -> np.ndarray:
    """What decides between pairs of like scores, shape (n, n).

    Halves of one rate; high words of small numbers, since few values fill 32 bits; low words of many numbers.
    """
    size = np.zeros((VIEWS, len(rows)))
    _mean_size(rows.words, rows.start, size)
    small = 1 - np.log2(1 + size) / 16
    same = np.isclose(rows.rates_hz[:, None], rows.rates_hz[None, :])
    return 0.03 * same + 0.03 * small[views, np.arange(len(rows))[:, None]] + 0.05 * variety(rows)


@njit(cache=True, error_model="numpy")
def _mean_size(words: np.ndarray, start: np.ndarray, size: np.ndarray) -> None:
    """Mean magnitude of a channel's words as signed numbers, in each view."""
    for c in range(size.shape[1]):
        stride = max(1, (start[c + 1] - start[c]) // 64)
        count = 0
        for k in range(start[c], start[c + 1], stride):
            count += 1
            for view in range(size.shape[0]):
                size[view, c] += abs(wrapped(number(words[k], view), 0))
        size[:, c] /= max(count, 1)


@njit(cache=True, error_model="numpy")
def _near_end(row: np.ndarray, t: np.ndarray, view: int, since: float, until: float, end: int) -> int:
    """Whether a triangle wave turns at an end, 0 or 65535, in a window of time: 1 or 0, or -1 where nobody knows.

    It comes as near as it moves from one sample to the next.
    """
    a = find(t, np.int64(since))
    nearest, jump, last = 65535, 0, -1
    while a < t.size and t[a] <= until:
        x = number(row[a], view)
        nearest = min(nearest, abs(x - end))
        jump = max(jump, abs(x - last)) if last >= 0 else 0
        last = x
        a += 1
    if last < 0:
        return -1
    if a < t.size:
        jump = max(jump, abs(number(row[a], view) - last))
    return 1 if nearest <= jump + 200 else 0


@njit(cache=True, error_model="numpy")
def _touches(
    words: np.ndarray,
    times: np.ndarray,
    start: np.ndarray,
    e_start: np.ndarray,
    e_sample: np.ndarray,
    step: np.ndarray,
    view: int,
    period: np.ndarray,
    slack: float,
    wanted: np.ndarray,
    scores: np.ndarray,
) -> None:
    n = period.size
    at_any = np.empty((n, n, 2))
    at_any[:] = -1.0
    for i in range(n):
        count = e_start[i + 1] - e_start[i]
        stride = max(1, count // 128)
        for j in range(n):
            if j == i or not wanted[i, j] or count == 0:
                continue
            row, t = words[start[j] : start[j + 1]], times[start[j] : start[j + 1]]
            w = max(period[i], period[j]) + slack
            tried = 0
            matched = expected = likelihood = 0.0
            for e in range(e_start[i], e_start[i + 1], stride):
                if abs(step[e]) != 1:
                    continue
                k = start[i] + e_sample[e]
                old, new = number(words[k - 1], view), number(words[k], view)
                odd = max(old, new) & 1 if abs(new - old) == 1 else 0
                found = _near_end(row, t, view, times[k] - w, times[k] + slack, 65535 * odd)
                if found < 0:
                    continue
                if at_any[i, j, odd] < 0:  # how often it does so at any time
                    hits = seen = 0
                    for q in range(48):
                        at = t[0] + (t[-1] - t[0]) * (2 * q + 1) // 96
                        control = _near_end(row, t, view, at - w, at + slack, 65535 * odd)
                        hits += control == 1
                        seen += control >= 0
                    at_any[i, j, odd] = (hits + 0.5) / (seen + 1)
                chance = at_any[i, j, odd]
                matched += found
                expected += chance
                likelihood -= found * np.log(chance)
                tried += 1
                if tried == 12 and matched - expected < 0.3 * (tried - expected):
                    break
            if tried > 0 and expected < 0.8 * tried:
                kappa = (matched - expected) / (tried - expected)
                rare = min(1.0, 1.5 * (1 - expected / tried))
                scores[i, j] = max(0.0, 1.5 * kappa - 0.5) * rare * min(1.0, likelihood / 14)


@njit(cache=True, error_model="numpy")
def _guided(
    words: np.ndarray,
    times: np.ndarray,
    start: np.ndarray,
    view: int,
    modulus: np.ndarray,
    period: np.ndarray,
    wanted: np.ndarray,
    scores: np.ndarray,
) -> None:
    n = period.size
    speed, straight = np.zeros(n), np.zeros(n)
    full = np.zeros(n, np.bool_)  # a fast low half is anywhere in its range, equally often
    for i in range(n):
        size = start[i + 1] - start[i]
        total = net = 0.0
        tried = 0
        for s in range(start[i], start[i + 1] - 65, max(65, size // 64)):
            run = 0
            for k in range(s, s + 64):
                step = wrapped(number(words[k + 1], view), number(words[k], view))
                total += abs(step)
                run += step
                if (k - s) % 8 == 7:
                    net += abs(run)
                    run = 0
            tried += 64
        speed[i] = total / (max(tried, 1) * period[i])
        straight[i] = net / max(total, 1.0)
        bins = np.zeros(16, np.int64)
        for k in range(start[i], start[i + 1], max(1, size // 2048)):
            bins[min(15, 16 * number(words[k], view) // modulus[i])] += 1
        full[i] = bins.min() > 0.3 * bins.sum() / 16 and bins.max() < 3 * bins.sum() / 16
    for i in range(n):
        if straight[i] < 0.4:
            continue
        for j in range(n):
            cycles = speed[i] * period[j]
            if i == j or not wanted[i, j] or not full[j] or cycles < 0.1 or period[j] < 0.5 * period[i]:
                continue
            scores[i, j] = guided(
                words[start[i] : start[i + 1]], times[start[i] : start[i + 1]],
                words[start[j] : start[j + 1]], times[start[j] : start[j + 1]], view, modulus[j], BLOCKS, BLOCK,
            )  # fmt: skip


@njit(cache=True, error_model="numpy")
def guided(
    high: np.ndarray, t: np.ndarray, low: np.ndarray, u: np.ndarray, view: int, modulus: int, blocks: int, length: int
) -> float:
    """How well the low half, unwrapped along the high half's speed, keeps to the high half: 0 to 1.

    In each stretch the high half, read between its samples, tells how many rollovers the low half makes from sample
    to sample; rounding that to the low half's own change gives the value, whose whole part must be the high half.
    """
    m = min(length, u.size - 1)
    count = max(1, min(blocks, u.size // (m + 1)))
    h, x = np.empty(m + 1), np.empty(m + 1)
    told, total = 0.0, 0
    for block in range(count):
        k0 = (u.size - m - 1) * block // max(1, count - 1) if count > 1 else 0
        a = find(t, u[k0] + 1) - 1
        a = max(a, 0)
        base = 0.0
        quarter = np.zeros(4, np.int64)
        for k in range(m + 1):
            now = u[k0 + k]
            while a + 1 < t.size and t[a + 1] <= now:
                d = wrapped(number(high[a + 1], view), number(high[a], view))
                base += d
                a += 1
            share = 0.0
            ahead = 0.0
            if a + 1 < t.size and now > t[a]:
                ahead = wrapped(number(high[a + 1], view), number(high[a], view))
                share = (now - t[a]) / (t[a + 1] - t[a])
            h[k] = base + share * ahead
            f = (number(low[k0 + k], view) + 0.5) / modulus
            if view & 2:
                near = a + 1 if share > 0.5 else a
                if number(high[near], view) & 1:
                    f = 1.0 - f
            x[k] = f
            quarter[int(4 * f) & 3] += 1
        if h.max() - h.min() < 3:
            continue
        total += 1
        if quarter.min() < 0.08 * m:  # it does not roll over
            continue
        value = x[0]
        before = x[0]
        mean = square = 0.0
        for k in range(m + 1):
            if k > 0:
                q = min(4, k - 1, m - k)
                expected = (h[k + q] - h[k - 1 - q]) / (2 * q + 1)
                left = x[k] - before - expected
                value += expected + left - np.rint(left)
                before = x[k]
            away = h[k] - value
            mean += away
            square += away * away
        mean /= m + 1
        rms = np.sqrt(max(0.0, square / (m + 1) - mean * mean))
        told += min(1.0, max(0.0, (0.9 - rms) / 0.4))
        if total == 3 and told < 0.5:
            return 0.0
    return told / total if total >= 2 else 0.0
