"""Bit-conditional information: which bits of a low half are set just before and after its high half changes.

Just before a step up the low half is near its end, just after it is near 0: whatever the byte order or the code, some
bits are then always set, or never. The score is the information, in bits, that a change gives about the four most
telling bits on either side, against how often each bit is set at any time (Kullback and Leibler, Annals of Mathematical
Statistics 22(1), 1951), less what chance would give. No format is assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from baselines.scene.assign import assign
from baselines.scene.carry import (
    AS_SENT,
    GRAY,
    GRAY_SWAPPED,
    SWAPPED,
    Events,
    Rows,
    find,
    high_steps,
    rows_of,
    views_kept,
)
from baselines.scene.pair_tolerant import prediction

CHANGES = 64
"""Changes of a high half that are looked at, evenly over all."""
TELLING = 4


@dataclass
class BitMutualInformation:
    """Pairs by what a change of the high half tells about single bits of the low half."""

    threshold: float = 0.3
    slack_s: float = 0.003

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Pairs of one recording."""
        rows = rows_of(inputs)
        scores, view = information_scores(rows, high_steps(rows)[0], self.slack_s)
        high, low = assign(scores, self.threshold)
        return prediction(rows, high, low, view[high, low], scores[high, low])


def information_scores(rows: Rows, highs: Events, slack_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Score of each pair, row = high half, column = low half, shape (n, n), 0 to 1; and its likely view.

    Bytes look swapped where the low byte of the word tells more than the high byte, by a bit; a value looks Gray-coded
    where its high half steps least when decoded so.
    """
    n = len(rows)
    usual = np.empty((n, 16))
    for c in range(n):
        row = rows.row(c)
        row = row[:: max(1, row.size // 8192)]
        usual[c] = [(row >> np.uint16(b) & np.uint16(1)).mean() for b in range(16)]
    scores, swapped = np.zeros((n, n)), np.zeros((n, n), np.int64)
    _information(
        rows.words, rows.times_ns, rows.start, rows.period_ns, highs.start, highs.time_ns, highs.step,
        usual, slack_s * 1e9, CHANGES, TELLING, scores, swapped,
    )  # fmt: skip
    kept = views_kept(rows)[:, :, None]
    gray = np.where(swapped, kept[GRAY_SWAPPED] & ~kept[SWAPPED], kept[GRAY] & ~kept[AS_SENT])
    return scores, np.where(swapped, SWAPPED, AS_SENT) | np.where(gray, GRAY, AS_SENT)


@njit(cache=True, error_model="numpy")
def _information(
    words: np.ndarray,
    times: np.ndarray,
    start: np.ndarray,
    period: np.ndarray,
    e_start: np.ndarray,
    e_time: np.ndarray,
    step: np.ndarray,
    usual: np.ndarray,
    slack: float,
    changes: int,
    telling: int,
    scores: np.ndarray,
    swapped: np.ndarray,
) -> None:
    n = period.size
    for i in range(n):
        count = e_start[i + 1] - e_start[i]
        if count == 0:
            continue
        stride = max(1, count // changes)
        for j in range(n):
            if i == j:
                continue
            row, t = words[start[j] : start[j + 1]], times[start[j] : start[j + 1]]
            is_set = np.zeros((2, 16))
            seen = 0
            for e in range(e_start[i], e_start[i + 1], stride):
                before = find(t, e_time[e] - np.int64(period[i] + slack)) - 1
                after = find(t, e_time[e] + np.int64(slack))
                if before < 0 or after >= t.size:
                    continue
                seen += 1
                up = step[e] > 0
                old, new = row[before if up else after], row[after if up else before]
                for b in range(16):
                    is_set[0, b] += (old >> b) & 1
                    is_set[1, b] += (new >> b) & 1
            if seen == 0:
                continue
            told = 0.0
            by_byte = np.zeros(2)
            for side in range(2):
                bits = np.zeros(16)
                for b in range(16):
                    q = min(1 - 1e-4, max(1e-4, usual[j, b]))
                    p = (is_set[side, b] + q) / (seen + 1)
                    gain = p * np.log2(p / q) + (1 - p) * np.log2((1 - p) / (1 - q))
                    bits[b] = min(1.0, max(0.0, gain - 0.72 / seen))
                    by_byte[b // 8] += bits[b]
                bits.sort()
                told += bits[16 - telling :].sum()
            scores[i, j] = told / (2 * telling)
            swapped[i, j] = by_byte[0] > by_byte[1] + 1
