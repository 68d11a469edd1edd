"""Node types by histogram gradient boosting on what a channel's words tell, and on how its rollovers are carried.

Word features alone cannot tell a counter by itself from a low half, or a slow value from a high half: what tells is
another channel's steps. Boosting: J. Friedman, Annals of Statistics 29 (2001), as scikit-learn has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baselines.scene.overflow_evidence import carries
from baselines.scene.profile import NAMES, Profile, profile
from baselines.scene.type_profile import labelled


def word_features(p: Profile) -> np.ndarray:
    """Flip rates, shares of ones and statistics; what grows with the word's size is given as its logarithm."""
    statistics = p.statistics.copy()
    for name in ("sd", "distinct", "step", "raw_step", "bend", "swapped_step", "gray_step"):
        statistics[:, NAMES.index(name)] = np.log10(statistics[:, NAMES.index(name)] + 1e-3)
    share = p["distinct"] / np.maximum(p.samples, 1)
    return np.column_stack([p.flips, p.ones, statistics, p["most"] - p["least"], share])


def carry_features(p: Profile) -> np.ndarray:
    """Best agreement as a low half and as a high half, shape (channels, 2).

    In whatever coding it was found: so what is learned of plain words holds of swapped and Gray-coded ones.
    """
    best = carries(p.channels, lag=3.0).scores.max(axis=0)
    return np.column_stack([best.max(axis=1, initial=0), best.max(axis=0, initial=0)])


@dataclass
class WordBoosting:
    """Gradient boosting on word features, and on carry features if asked."""

    scene: bool = True
    """Whether features of the whole scene are used: how well rollovers agree with another channel's steps."""
    iterations: int = 80
    learning_rate: float = 0.1
    leaves: int = 15
    least: int = 10
    """Least training channels in a leaf."""
    _model: Any = field(default=None, repr=False)

    @property
    def parameters(self) -> int:
        """Numbers that were fitted: a threshold or a value for each node of the trees."""
        if self._model is None or isinstance(self._model, int):
            return 0
        return sum(tree.nodes.size for stage in self._model._predictors for tree in stage)

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Fit on the channels of the training split."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        x, y = labelled(train, lambda inputs: self._features(profile(inputs)))
        if np.unique(y).size < 2:
            self._model = int(y[0])
            return
        self._model = HistGradientBoostingClassifier(
            max_iter=self.iterations,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.least,
            early_stopping=False,
            random_state=0,
        ).fit(x, y)

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Type of every channel of a recording."""
        x, ids = self._features(profile(inputs))
        types = np.zeros(ids.size, np.int64)
        if isinstance(self._model, int):
            types[:] = self._model
        elif ids.size:
            types = np.asarray(self._model.predict(x), np.int64)
        return {"channel_id": ids, "node_type": types}

    def _features(self, p: Profile) -> tuple[np.ndarray, np.ndarray]:
        words = word_features(p)
        return (np.column_stack([words, carry_features(p)]) if self.scene else words), p.ids
