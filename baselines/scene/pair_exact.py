"""Exact carry test: a high half steps, with the right sign, at the very tick at which its low half rolls over.

score = 2 * matches / all events. Ticks are those of the recording's fastest clock. It needs halves that are read at
once: with phases, latencies or different rates the events fall on different ticks.

Source: follows from the coding; the naive test that tolerant ones are measured against.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from baselines.scene.carry import AS_SENT, FULL, Events, Rows, high_steps, low_carries, rows_of
from baselines.scene.pair_tolerant import told_pairs


@dataclass
class ExactCarry:
    """Pairs by carries at the same tick, in plain words that roll over at 65,536."""

    threshold: float = 0.5

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Pairs of one recording."""
        rows = rows_of(inputs, lost=True)
        lows, modulus = low_carries(rows, AS_SENT)
        return told_pairs(rows, exact_scores(rows, high_steps(rows)[0], lows, modulus), self.threshold)


def exact_scores(rows: Rows, highs: Events, lows: Events, modulus: np.ndarray) -> np.ndarray:
    """Exact score of each pair, row = high half, column = low half, shape (n, n), 0 to 1."""
    n = len(rows)
    scores = np.zeros((n, n))
    if n == 0:
        return scores
    wanted = ~np.eye(n, dtype=bool) & (modulus >= 0.9 * FULL)
    first, tick_ns = rows.times_ns[rows.start[:-1]].min(), rows.period_ns.min()
    ticks, low_ticks = (np.floor((e.time_ns - first) / tick_ns + 1e-3).astype(np.int64) for e in (highs, lows))
    _exact(highs.start, ticks, highs.step, lows.start, low_ticks, lows.step, wanted, scores)
    return scores


@njit(cache=True, error_model="numpy")
def _exact(
    start: np.ndarray,
    tick: np.ndarray,
    step: np.ndarray,
    low_start: np.ndarray,
    low_tick: np.ndarray,
    carry: np.ndarray,
    wanted: np.ndarray,
    scores: np.ndarray,
) -> None:
    for i in range(scores.shape[0]):
        count = start[i + 1] - start[i]
        for j in range(scores.shape[0]):
            low_count = low_start[j + 1] - low_start[j]
            # even if all of the fewer events match, the score is at most 2 * fewer / all
            if not wanted[i, j] or 5 * min(count, low_count) < max(count, low_count):
                continue
            a, b, matched = start[i], low_start[j], 0
            while a < start[i + 1] and b < low_start[j + 1]:
                if tick[a] == low_tick[b]:
                    matched += (step[a] > 0) == (carry[b] > 0)
                    a += 1
                    b += 1
                elif tick[a] < low_tick[b]:
                    a += 1
                else:
                    b += 1
            if count:
                scores[i, j] = 2 * matched / (count + low_count)
