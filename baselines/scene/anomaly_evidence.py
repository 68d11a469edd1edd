"""How rare a robust score is on normal recordings: what makes scores of unlike features and channels comparable.

Test buses are not the training buses, so nothing is learned about a channel; learned is only, for each feature, how
often a channel of any bus strays so far from its own usual values. Labelled bins of the training set are left out.

Source: our own; the tail beyond the data as in B. Hill, Annals of Statistics 3 (1975) 1163.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numba import njit

from baselines.scene.binned import Binned, binned
from baselines.scene.channels import BIN_S

PER_OCTAVE, OCTAVES = 8, 48
HEAVIEST = 0.5
"""Most that a twofold score may be rarer beyond the data, in powers of ten: some buses are unlike all others."""
ENOUGH = 50.0
"""Scores beyond a level below which its rarity is extrapolated."""

Score = Callable[[Binned], np.ndarray]
"""Sizes of deviations of a recording, (features, rows, bins), 0 or more; rows are channels or pairs of them."""


def normal_bins(b: Binned, truth: Mapping[str, np.ndarray]) -> np.ndarray:
    """Where no anomaly is labelled, with a bin of margin, (channels, bins) bool."""
    out = b.filled.copy()
    if "truth/anomaly_channel" not in truth:
        return out
    row = {channel: i for i, channel in enumerate(b.ids.tolist())}
    table = (truth[f"truth/anomaly_{name}"].tolist() for name in ("channel", "start", "end"))
    for channel, start, end in zip(*table, strict=True):
        if (i := row.get(channel)) is not None:
            rate = b.rate_hz[i] * BIN_S
            out[i, max(0, int(start / rate) - 1) : math.ceil(end / rate) + 2] = False
    return out


def quiet(b: Binned, truth: Mapping[str, np.ndarray]) -> np.ndarray:
    """Bins in which no channel has a labelled anomaly, (bins,) bool."""
    return (normal_bins(b, truth) | ~b.filled).all(axis=0)


def of_split(split: Any) -> Iterator[tuple[Binned, np.ndarray]]:
    """Recordings of a split, each binned, with its bins in which nothing is labelled."""
    for recording in split:
        b = binned(recording.inputs)
        yield b, quiet(b, recording.truth)


class Rarity:
    """-log10 of the share of normal scores beyond a score, one curve a feature; beyond the data a power law goes on."""

    def __init__(self, features: int, steepest: float = HEAVIEST) -> None:
        """Curves of that many features, log2(1 + score) until something was counted.

        Beyond the data a twofold score is at most `steepest` powers of ten rarer.
        """
        self.steepest = steepest
        self.counts = np.zeros((features, PER_OCTAVE * OCTAVES))
        self.curve = np.tile(np.arange(PER_OCTAVE * OCTAVES) / PER_OCTAVE, (features, 1))

    @property
    def parameters(self) -> int:
        """Numbers fitted."""
        return self.curve.size

    def add(self, scores: np.ndarray, mask: np.ndarray) -> None:
        """Count normal scores (features, rows, bins) where mask (bins,) holds."""
        _count(np.ascontiguousarray(scores), mask, self.counts)

    def close(self) -> None:
        """Make the curves from what was counted; features that nothing was counted of keep log2(1 + score)."""
        for counts, curve in zip(self.counts, self.curve, strict=True):
            beyond = np.cumsum(counts[::-1])[::-1]
            if beyond[0] < ENOUGH:
                continue
            known = int(np.flatnonzero(beyond >= ENOUGH)[-1])
            curve[: known + 1] = -np.log10(beyond[: known + 1] / beyond[0])
            # the mean log excess of the scores beyond a level that a hundred times as many pass (Hill 1975)
            base = int(np.flatnonzero(beyond >= min(100 * ENOUGH, 0.2 * beyond[0]))[-1])
            base = min(base, known)
            octaves = float((counts[base:] * np.arange(counts.size - base)).sum()) / PER_OCTAVE / beyond[base]
            slope = math.log10(math.e) / max(octaves, 0.05) / PER_OCTAVE
            curve[known:] = curve[known] + min(slope, self.steepest / PER_OCTAVE) * np.arange(counts.size - known)

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """The greatest rarity of any feature, (rows, bins), of scores (features, rows, bins)."""
        return _rarity(np.ascontiguousarray(scores), self.curve)


@njit(cache=True)
def _count(scores: np.ndarray, mask: np.ndarray, counts: np.ndarray) -> None:
    top = counts.shape[1] - 1
    for f in range(scores.shape[0]):
        for r in range(scores.shape[1]):
            for b in range(scores.shape[2]):
                if mask[b]:
                    counts[f, min(int(math.log2(1 + scores[f, r, b]) * 8), top)] += 1


@njit(cache=True)
def _rarity(scores: np.ndarray, curve: np.ndarray) -> np.ndarray:
    out = np.zeros(scores.shape[1:])
    top = curve.shape[1] - 2
    for f in range(scores.shape[0]):
        for r in range(scores.shape[1]):
            for b in range(scores.shape[2]):
                x = math.log2(1 + scores[f, r, b]) * 8
                i = min(int(x), top)
                out[r, b] = max(out[r, b], curve[f, i] + (curve[f, i + 1] - curve[f, i]) * min(x - i, 1.0))
    return out


def fitted(score: Score, split: Any, features: int) -> Rarity:
    """Rarity of the scores of a split's recordings."""
    rarity = Rarity(features)
    for b, normal in of_split(split):
        rarity.add(score(b), normal)
    rarity.close()
    return rarity


def answer(b: Binned, rows: np.ndarray) -> dict[str, np.ndarray]:
    """A prediction from scores by channel, (channels, bins): the greatest of a bin."""
    return {"score": rows.max(axis=0, initial=rows.min(initial=0.0)), "channel_id": b.ids, "channel_score": rows}
