"""Node types by the bit-flip profile alone: the types of the channels with the most similar one.

Bit-flip rates as a fingerprint of a signal: M. Marchetti, D. Stabili, IEEE TIFS 14 (2019).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baselines.scene.profile import Profile, profile
from scenarios.errors import InputError


def labelled(train: Any, features: Any) -> tuple[np.ndarray, np.ndarray]:
    """Features and types of all channels of a split, rows in an order that the recordings' order does not change."""
    xs, ys = [], []
    for recording in train:
        x, ids = features(recording.inputs)
        xs.append(x)
        ys.append(np.asarray(recording.truth["truth/node_type"], np.int64)[ids])
    if not xs or not sum(x.shape[0] for x in xs):
        raise InputError("training split must have channels; it has none")
    x, y = np.concatenate(xs), np.concatenate(ys)
    order = np.lexsort((y, *x.T[::-1]))
    return x[order], y[order]


@dataclass
class FlipProfile:
    """Weighted vote of the nearest profiles, in decades of the flip rate."""

    neighbours: int = 5
    floor: float = 1e-4
    """Flip rate below which bits count as still."""
    _x: np.ndarray = field(default_factory=lambda: np.empty((0, 16)), repr=False)
    _y: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64), repr=False)

    @property
    def parameters(self) -> int:
        """Numbers that were fitted: the profiles that are kept."""
        return self._x.size

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Keep the profiles of the training channels."""
        self._x, self._y = labelled(train, lambda inputs: self._features(profile(inputs)))

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Type of every channel of a recording."""
        x, ids = self._features(profile(inputs))
        types = np.zeros(ids.size, np.int64)
        k = min(self.neighbours, self._y.size)
        for i, row in enumerate(x):
            distance = np.sqrt(((self._x - row) ** 2).sum(axis=1))
            near = distance <= np.partition(distance, k - 1)[k - 1]  # ties all vote
            types[i] = np.bincount(self._y[near], 1 / (0.01 + distance[near]), 4).argmax()
        return {"channel_id": ids, "node_type": types}

    def _features(self, p: Profile) -> tuple[np.ndarray, np.ndarray]:
        return np.log10(np.maximum(p.flips, self.floor)), p.ids
