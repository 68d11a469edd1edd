"""Boosted trees over candidate pairs: re-ranks what some rule thinks possible, by 23 features.

Features of a candidate: the scores of four rules, their margins over the best rival of the same high half and of the
same low half, and how often either half has events, at what rate, of what sign and regularity, and over what range.
Candidates are the pairs that some rule scores above `candidate`; the trees learn from the training scenes which of
them are pairs.

Source: histogram gradient boosting as in LightGBM (Ke et al., NeurIPS 2017), from scikit-learn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baselines.scene.assign import assign
from baselines.scene.carry import AS_SENT, Events, Rows, high_steps, low_carries, rows_of
from baselines.scene.pair_exact import exact_scores
from baselines.scene.pair_mi import information_scores
from baselines.scene.pair_smooth import smooth_scores
from baselines.scene.pair_tolerant import prediction, tolerant_scores

FEATURES = (
    "exact", "tolerant", "smooth", "information",
    "exact_over_row", "tolerant_over_row", "smooth_over_row", "information_over_row",
    "exact_over_column", "tolerant_over_column", "smooth_over_column", "information_over_column",
    "high_events", "low_events", "high_rate_hz", "low_rate_hz", "rate_ratio",
    "high_sign", "low_sign", "high_period_s", "low_period_s", "high_range", "low_range",
)  # fmt: skip


@dataclass
class PairBoosting:
    """Pairs by gradient boosting on the scores of the rules."""

    threshold: float = 0.4
    candidate: float = 0.05
    slack_s: float = 0.003
    trees: int = 150
    leaves: int = 31
    learning_rate: float = 0.1
    model: Any = field(default=None, repr=False)

    @property
    def parameters(self) -> int:
        """Numbers that were fitted: a split or a value for each node of each tree."""
        if self.model is None:
            return 0
        return sum(tree.nodes.size for trees in self.model._predictors for tree in trees)

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learn from the pairs of the training recordings, visible or not."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        self.model = None
        rows_seen, told = [np.empty((0, len(FEATURES)))], [np.empty(0, bool)]
        for recording in train:
            rows, high, low, features, _ = self.candidates(recording.inputs)
            pairs = zip(recording.truth["truth/pair_msb"], recording.truth["truth/pair_lsb"], strict=True)
            true = {(int(a), int(b)) for a, b in pairs}
            found = zip(rows.ids[high].tolist(), rows.ids[low].tolist(), strict=True)
            rows_seen.append(features)
            told.append(np.array([pair in true for pair in found], bool))
        x, y = np.concatenate(rows_seen), np.concatenate(told)
        model = HistGradientBoostingClassifier(
            max_iter=self.trees, max_leaf_nodes=self.leaves, learning_rate=self.learning_rate, early_stopping=False,
            random_state=int(rng.integers(2**31)),
        )  # fmt: skip
        if y.any() and not y.all():
            self.model = model.fit(x, y)

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Pairs of one recording; none where the training recordings had none."""
        rows, high, low, features, views = self.candidates(inputs)
        scores = np.zeros((len(rows), len(rows)))
        if self.model is not None and high.size:
            scores[high, low] = self.model.predict_proba(features)[:, 1]
        high, low = assign(scores, self.threshold)
        return prediction(rows, high, low, views[high, low], scores[high, low])

    def candidates(
        self, inputs: Mapping[str, np.ndarray]
    ) -> tuple[Rows, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rows, candidate pairs (high, low) as row numbers, their features (k, 23), and views of all pairs (n, n)."""
        rows, held = rows_of(inputs), rows_of(inputs, lost=True)
        held = held if held.ids.size == rows.ids.size else rows
        highs, lows = high_steps(rows)[0], low_carries(rows, AS_SENT)[0]
        held_lows, modulus = low_carries(held, AS_SENT)
        information, views = information_scores(rows, highs, self.slack_s)
        scores = np.stack([
            exact_scores(held, high_steps(held)[0], held_lows, modulus),
            tolerant_scores(rows, highs, lows, self.slack_s), smooth_scores(held), information,
        ])  # fmt: skip
        high, low = np.nonzero(scores.max(axis=0) > self.candidate)
        views = np.where(scores[:3].max(axis=0) > 0.5, AS_SENT, views)
        return rows, high, low, pair_features(rows, highs, lows, scores, high, low), views


def pair_features(
    rows: Rows, highs: Events, lows: Events, scores: np.ndarray, high: np.ndarray, low: np.ndarray
) -> np.ndarray:
    """FEATURES of candidate pairs, shape (k, 23), from all scores (4, n, n)."""
    span = max(rows.span_ns * 1e-9, 1e-9)
    mine = scores[:, high, low]
    half = [_habits(events, span) for events in (highs, lows)]
    spread = np.array([np.ptp(rows.row(c).astype(float)) for c in range(len(rows))])
    rate = rows.rates_hz
    columns = [
        *mine, *(mine - best_rival(scores, 2)[:, high, low]), *(mine - best_rival(scores, 1)[:, high, low]),
        half[0][0][high], half[1][0][low], rate[high], rate[low], rate[high] / rate[low],
        half[0][1][high], half[1][1][low], half[0][2][high], half[1][2][low], spread[high], spread[low],
    ]  # fmt: skip
    return np.column_stack(columns) if high.size else np.empty((0, len(FEATURES)))


def best_rival(scores: np.ndarray, axis: int) -> np.ndarray:
    """The best other score along an axis of (4, n, n), for each element; 0 where there is no other."""
    if scores.shape[axis] < 2:
        return np.zeros_like(scores)
    top = np.sort(scores, axis=axis)
    first, second = (np.take(top, [k], axis=axis) for k in (-1, -2))
    return np.where(scores == first, second, first)


def _habits(events: Events, span_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each channel's events: how many a second, their mean sign, and the median time between them, s."""
    count = np.diff(events.start)
    ends = np.concatenate([[0], np.cumsum(np.sign(events.step))])
    sign = (ends[events.start[1:]] - ends[events.start[:-1]]) / np.maximum(count, 1)
    gap = np.full(count.size, span_s)
    for c in np.flatnonzero(count > 1):
        gap[c] = np.median(np.diff(events.time_ns[events.start[c] : events.start[c + 1]])) * 1e-9
    return count / span_s, sign, gap
