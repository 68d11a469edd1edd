"""What one channel says of another: values that follow each other, and high halves that step as low halves roll over.

Pairs are found in the recording itself. Values: least squares of a channel's level on another's level and its change
(for clocks that differ in phase), refitted without what is far out. Halves: the count of the low half's rollovers less
the steps of the high half, which stays the same in a sound pair but for the time between two reads. Beside both stands
what each channel does by itself, and all are made comparable by their rarity on normal recordings. Our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit

from baselines.scene import anomaly_zscore
from baselines.scene.anomaly_evidence import Rarity, answer, quiet
from baselines.scene.binned import Binned, binned, robust_z
from baselines.scene.channels import BIN_S, groups

LAGS = (1, 4, 16)
"""Bins over which changes of two channels are compared: what is slow shows only over many."""
RELATED = 0.8
"""Correlation of changes from which two channels are taken to follow each other."""
LEAST_STEPS, AGREED = 3, 0.6
"""Rollovers that a pair must have had, and the share of time for which its count must be the usual one."""
CLASSES = 3
"""Relations by tightness: residuals below a hundredth, a tenth of the level's own changes, and others."""


def follows(b: Binned) -> np.ndarray:
    """Pairs of rows that follow each other, (pairs, 2): of each channel with those two it follows most closely."""
    level = b["mean"]
    moving = np.flatnonzero((np.diff(level, axis=1) != 0).sum(axis=1) >= 10)
    if moving.size < 2 or level.shape[1] < 4 * LAGS[-1]:
        return np.empty((0, 2), np.int64)
    best = np.zeros((moving.size, moving.size))
    for lag in LAGS:
        change = level[moving, lag:] - level[moving, :-lag]
        scale = 1.4826 * np.median(np.abs(change), axis=1, keepdims=True)
        limit = np.maximum(4 * scale, 0.5 * np.quantile(np.abs(change), 0.99, axis=1, keepdims=True))
        change = np.clip(change, -limit, limit)
        change -= change.mean(axis=1, keepdims=True)
        norm = np.sqrt((change**2).sum(axis=1, keepdims=True))
        change /= np.maximum(norm, 1e-9)
        best = np.maximum(best, np.abs(change @ change.T))
    np.fill_diagonal(best, 0.0)
    found = set()
    for i, row in enumerate(best):
        for j in np.argsort(-row, kind="stable")[:2].tolist():
            if row[j] >= RELATED:
                found.add((min(moving[i], moving[j]), max(moving[i], moving[j])))
    return np.array(sorted(found), np.int64).reshape(-1, 2)


def value_residuals(b: Binned, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|z| of the residuals of pairs, and of their mean over 5 bins, (2, pairs, bins); class of each pair, (pairs,)."""
    out, tightness = np.zeros((2, len(pairs), b.count.shape[1])), np.zeros(len(pairs), np.int64)
    if not len(pairs):
        return out, tightness
    level, filled = b["mean"], b.filled
    left = np.empty((len(pairs), level.shape[1]))
    for k, (i, j) in enumerate(pairs.tolist()):
        both = filled[i] & filled[j]
        # the rougher channel is explained by the other
        x, y = (level[i], level[j]) if np.abs(np.diff(level[i])).sum() < np.abs(np.diff(level[j])).sum() else (
            level[j], level[i])  # fmt: skip
        design = np.stack([np.ones(x.size), x - x.mean(), np.gradient(x)], axis=1)
        use = both
        for _ in range(3):
            own = design[use]
            fit = np.linalg.lstsq(own.T @ own, own.T @ y[use], rcond=None)[0]
            residual = y - design @ fit
            size = np.abs(residual[both])
            use = both & (np.abs(residual) <= max(4.4478 * float(np.median(size)), 1e-9))
        left[k] = residual
        ratio = np.median(size) / max(float(np.median(np.abs(y[both] - np.median(y[both])))), 1.0)
        tightness[k] = 0 if ratio < 0.01 else 1 if ratio < 0.1 else 2
    both = filled[pairs[:, 0]] & filled[pairs[:, 1]]
    padded = np.pad(left, ((0, 0), (2, 2)), mode="edge")
    smooth = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=1).mean(axis=-1)
    out[0], out[1] = np.abs(robust_z(left, both, 0.5)), np.abs(robust_z(smooth, both, 0.5))
    return out, tightness


def halves(b: Binned) -> list[tuple[int, int, bool]]:
    """Rows of high and low halves whose steps agree with rollovers, and whether their bytes are swapped."""
    found: list[tuple[int, int, bool]] = []
    if not b.count.size:
        return found
    for swapped in (False, True):
        suffix = "_swapped" if swapped else ""
        rolls, net = b["rolls" + suffix], b["net" + suffix]
        lows = np.flatnonzero(np.abs(rolls).sum(axis=1) >= LEAST_STEPS)
        highs = np.flatnonzero((np.abs(net).sum(axis=1) >= LEAST_STEPS) & (np.abs(net).max(axis=1, initial=0) < 4096))
        total = np.cumsum(net, axis=1)
        usual_high = _at_median(total[highs]).mean(axis=1)
        for low in lows.tolist():
            count = np.cumsum(rolls[low])
            agreed = _at_median(total[highs] - count).mean(axis=1)
            still = np.maximum(usual_high, _at_median(count).mean())
            fits = (agreed >= AGREED) & (agreed > still + 0.5 * (1 - still)) & (highs != low)
            found += [(high, low, swapped) for high in highs[fits].tolist()]
    return found


def _at_median(x: np.ndarray) -> np.ndarray:
    """Where x (..., bins) of whole numbers equals its own lower median."""
    middle = (x.shape[-1] - 1) // 2
    return x == np.partition(x, middle, axis=-1)[..., middle, None]


def carry_gaps(inputs: Mapping[str, np.ndarray], b: Binned, pairs: list[tuple[int, int, bool]]) -> np.ndarray:
    """Length of the stretch in which a high half is at odds with its low half, in periods of both; (1, pairs, bins)."""
    out = np.zeros((1, len(pairs), b.count.shape[1]))
    rows = {}
    for group in groups(inputs):
        base = f"inputs/{group}"
        for i, channel in enumerate(np.asarray(inputs[f"{base}/channel_id"]).tolist()):
            n = int(inputs[f"{base}/n_samples"][i])
            rows[channel] = (inputs[f"{base}/words"][i, :n], float(inputs[f"{base}/start_ns"][i]) * 1e-9)
    for k, (high, low, swapped) in enumerate(pairs):
        (upper, upper_s), (lower, lower_s) = rows[int(b.ids[high])], rows[int(b.ids[low])]
        if swapped:
            upper, lower = upper.byteswap(), lower.byteswap()
        _gaps(upper, upper_s, b.rate_hz[high], lower, lower_s, b.rate_hz[low], BIN_S, out[0, k])
    return out


@njit(cache=True)
def _gaps(
    upper: np.ndarray, upper_s: float, upper_hz: float, lower: np.ndarray, lower_s: float, lower_hz: float,
    bin_s: float, out: np.ndarray,
) -> None:  # fmt: skip
    """Merge steps of the high half and rollovers of the low half by time; stretches where their balance is unusual."""
    n = upper.size + lower.size
    times, balance = np.empty(n), np.empty(n, np.int64)
    i, j, m, now = 1, 1, 0, 0
    while i < upper.size or j < lower.size:
        of_upper = upper_s + i / upper_hz if i < upper.size else np.inf
        of_lower = lower_s + j / lower_hz if j < lower.size else np.inf
        step = 0
        if of_upper <= of_lower:
            step = int(np.int16(np.int32(upper[i]) - np.int32(upper[i - 1])))
            i += 1
        else:
            raw = np.int32(lower[j]) - np.int32(lower[j - 1])
            step = -int((np.int32(np.int16(raw)) - raw) >> 16)
            j += 1
        if step != 0:
            times[m], balance[m] = min(of_upper, of_lower), now + step
            now += step
            m += 1
    if m == 0:
        return
    # the usual balance: that which holds longest, among small ones
    held = np.zeros(129)
    for k in range(m):
        if abs(balance[k]) <= 64:
            held[balance[k] + 64] += (times[k + 1] if k + 1 < m else times[m - 1]) - times[k]
    held[64] += times[0] - min(upper_s, lower_s)
    usual = held.argmax() - 64
    period = 1 / upper_hz + 1 / lower_hz
    k = 0
    while k < m:
        if balance[k] == usual:
            k += 1
            continue
        start = k
        while k < m and balance[k] != usual:
            k += 1
        end = times[k] if k < m else max(times[m - 1], upper_s + upper.size / upper_hz)
        length = (end - times[start]) / period
        first, last = int((times[start] - upper_s) / bin_s), int((end - upper_s) / bin_s)
        for b in range(max(first, 0), min(last + 1, out.size)):
            out[b] = max(out[b], length)


def alone(b: Binned) -> np.ndarray:
    """Deviations of channels by themselves: (10, channels, bins)."""
    more = (
        (np.log1p(b["most_bend"]), 0.05), (np.log1p(b["bend"]), 0.05), (b["toggles"], 0.02),
        (np.log1p(b["still"]), 0.2),
    )  # fmt: skip
    own = [np.abs(robust_z(x, b.filled, floor))[None] for x, floor in more]
    return np.concatenate([anomaly_zscore.deviations(b), *own, rare_bits(b)[None]])


def rare_bits(b: Binned) -> np.ndarray:
    """How surprising it is which bits flip in a bin, (channels, bins): of those that seldom do, or seldom do not."""
    flips = (b.flipped[:, :, None] >> np.arange(16, dtype=np.uint16)) & 1
    size = max(flips.shape[1], 1)
    share = (flips.sum(axis=1, keepdims=True) + 0.5) / (size + 1)
    surprise = np.where(flips == 1, -np.log(share), -np.log1p(-share))
    odd = np.where((share < 0.05) | (share > 0.95), surprise, 0.0)
    return np.where(b.filled, odd.max(axis=2, initial=0.0), 0.0)


@dataclass
class Relations:
    """Rarity of a bin by what channels say of each other, and by what each does alone."""

    with_alone: bool = True
    """Whether what a channel does by itself counts too."""
    curves: dict[str, Rarity] = field(default_factory=dict, repr=False)

    @property
    def parameters(self) -> int:
        """Numbers fitted."""
        return sum(c.parameters for c in self.curves.values())

    def _parts(self, inputs: Any, b: Binned) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """Name, deviations (features, rows, bins), and the two channels of each row (rows, 2)."""
        pairs = follows(b)
        left, tightness = value_residuals(b, pairs)
        parts = [(f"values {c}", left[:, tightness == c], pairs[tightness == c]) for c in range(CLASSES)]
        found = halves(b)
        both = np.array([pair[:2] for pair in found], np.int64).reshape(-1, 2)
        parts.append(("carry", carry_gaps(inputs, b, found), both))
        each = np.repeat(np.arange(b.ids.size)[:, None], 2, axis=1)
        if self.with_alone:
            parts.append(("alone", alone(b), each))
        return parts

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learn how rare each deviation is on normal recordings."""
        self.curves = {}
        for recording in train:
            b = binned(recording.inputs)
            normal = quiet(b, recording.truth)
            for name, scores, _ in self._parts(recording.inputs, b):
                self.curves.setdefault(name, Rarity(scores.shape[0])).add(scores, normal)
        for curve in self.curves.values():
            curve.close()

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Rarity of the rarest deviation in a bin; both channels of a pair are told."""
        b = binned(inputs)
        rows = np.full(b.count.shape, -9.0)
        for name, scores, pairs in self._parts(inputs, b):
            rarity = self.curves.get(name, Rarity(scores.shape[0]))(scores)
            # the more is looked at, the rarer the rarest is by chance (Bonferroni)
            rarity = rarity - np.log10(max(1, scores.shape[0] * scores.shape[1]))
            for end in range(2):
                np.maximum.at(rows, pairs[:, end], rarity)
        return answer(b, rows)
