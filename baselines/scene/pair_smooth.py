"""Smoothness: high * 65,536 + low has smaller second differences than the low half alone and the high half alone.

A rollover tears the low half by 65,536; with its own high half beside it the value goes on as if nothing were. Fast
values are found too, whose carries nobody can count, but only where both halves are read at the same instants.

Second differences are summed where either half does something: the high half's differ from 0 or the low half's exceed
half a word. The score is the share by which the sum falls. Only pairs whose second differences are correlated as those
of a pair must be are looked at: one product of matrices a rate tells.

Source: the usual check of a recombined register, made a score.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import int16, njit, uint16

from baselines.scene.carry import FULL, Rows, rows_of
from baselines.scene.pair_tolerant import told_pairs

BLOCK = 8192
LEAST_CORRELATION = 0.15
"""Of second differences of high and low half, with the sign of a carry; a third of torn carries leaves two thirds."""


@dataclass
class Smooth:
    """Pairs of one rate by the second differences of the recombined value, in plain words."""

    threshold: float = 0.3

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Pairs of one recording."""
        rows = rows_of(inputs, lost=True)
        return told_pairs(rows, smooth_scores(rows), self.threshold)


def smooth_scores(rows: Rows, modulus: np.ndarray | None = None) -> np.ndarray:
    """Smoothness score of each pair of one rate, row = high half, column = low half, shape (n, n), 0 to 1.

    modulus: where each channel would roll over as a low half, shape (n,); 65,536 where it is not given.
    """
    n = len(rows)
    scores = np.zeros((n, n))
    for rate in np.unique(rows.rates_hz):
        mine = np.flatnonzero(rows.rates_hz == rate)
        size = int(np.diff(rows.start)[mine].min())
        cross, highs, lows = second_products(rows, mine, size)
        alike = -cross > LEAST_CORRELATION * np.sqrt(np.outer(highs, lows))
        for a, b in np.argwhere(alike & ~np.eye(mine.size, dtype=bool)):
            high, low = rows.row(mine[a]), rows.row(mine[b])
            scores[mine[a], mine[b]] = _fall(high[:size], low[:size], FULL if modulus is None else modulus[mine[b]])
    return scores


def second_products(rows: Rows, mine: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Products of second differences over the first `size` samples of rows of one rate.

    Returns high . low (k, k), |high|^2 (k,) and |low|^2 (k,): high halves modulo 2^16, low halves as they are.
    """
    k = mine.size
    cross, highs, lows = np.zeros((k, k)), np.zeros(k), np.zeros(k)
    high, low = np.empty((k, BLOCK)), np.empty((k, BLOCK))
    for s in range(0, size - 2, BLOCK):
        m = min(BLOCK, size - 2 - s)
        _second(rows.words, rows.start[mine] + s, m, high, low)
        h, x = high[:, :m], low[:, :m]
        cross += h @ x.T
        highs += np.einsum("ij,ij->i", h, h)
        lows += np.einsum("ij,ij->i", x, x)
    return cross, highs, lows


@njit(cache=True, error_model="numpy")
def _fall(high: np.ndarray, low: np.ndarray, modulus: int) -> float:
    """1 - the absolute second differences of the joint value over the lesser of those of each half alone, or 0."""
    joint = low_alone = high_alone = 0.0
    for k in range(low.size - 2):
        h = int(int16(uint16(high[k + 2] - high[k + 1]))) - int(int16(uint16(high[k + 1] - high[k])))
        x = int(low[k + 2]) - 2 * int(low[k + 1]) + int(low[k])
        if h != 0 or 2 * abs(x) > modulus:
            joint += abs(modulus * h + x)
            high_alone += abs(modulus * h)
            low_alone += abs(x)
    alone = min(high_alone, low_alone)
    return max(0.0, 1 - joint / alone) if alone > 0 else 0.0


@njit(cache=True)
def _second(words: np.ndarray, start: np.ndarray, m: int, high: np.ndarray, low: np.ndarray) -> None:
    for c in range(start.size):
        row = words[start[c] : start[c] + m + 2]
        for k in range(m):
            low[c, k] = float(int(row[k + 2]) - 2 * int(row[k + 1]) + int(row[k]))
            one = int16(uint16(row[k + 1] - row[k]))
            high[c, k] = float(int(int16(uint16(row[k + 2] - row[k + 1]))) - int(one))
