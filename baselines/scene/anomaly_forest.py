"""Isolation forest on what a channel does in a bin, standardised by the channel itself.

F. T. Liu, K. M. Ting, Z.-H. Zhou, "Isolation forest", ICDM 2008. One forest for all channels of all buses.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit

from baselines.scene.anomaly_evidence import answer, normal_bins
from baselines.scene.binned import Binned, binned, differences, robust_z
from scenarios.errors import InputError

CLIP = 50.0


def features(b: Binned) -> np.ndarray:
    """Signed robust z of eight features, by channel and bin: (8, channels, bins), float32."""
    rough = 0.05
    values = (
        (b["mean"], 1.0), (differences(b["mean"]), 1.0), (np.log1p(b["most"] - b["least"]), rough),
        (np.log1p(b["step"]), rough), (np.log1p(b["most_step"]), rough), (np.log1p(b["most_bend"]), rough),
        (b["changes"], 0.02), (b["toggles"], 0.05),
    )  # fmt: skip
    stacked = np.stack([robust_z(x, b.filled, floor) for x, floor in values])
    return np.clip(stacked, -CLIP, CLIP).astype(np.float32)


@dataclass
class IsolationForest:
    """How few cuts isolate a channel's bin; the channel that takes fewest."""

    trees: int = 32
    sample: int = 256
    most_rows: int = 200_000
    """Rows of training that are kept, drawn at random."""
    nodes: tuple[np.ndarray, ...] = field(default=(), repr=False)

    @property
    def parameters(self) -> int:
        """Numbers fitted."""
        return sum(x.size for x in self.nodes)

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Grow the forest on bins in which nothing is labelled. Raises InputError where there are none."""
        from sklearn.ensemble import IsolationForest as Forest

        rows = []
        share = max(1, self.most_rows // max(1, len(train)))
        for recording in train:
            b = binned(recording.inputs)
            own = features(b)[:, normal_bins(b, recording.truth)].T
            rows.append(own[rng.permutation(own.shape[0])[:share]])
        kept = np.concatenate(rows) if rows else np.empty((0, 8), np.float32)
        if not kept.shape[0]:
            raise InputError("an isolation forest needs bins with samples to grow on; the training split has none")
        seed = int(rng.integers(2**31))
        forest = Forest(n_estimators=self.trees, max_samples=min(self.sample, len(kept)), random_state=seed).fit(kept)
        trees = [e.tree_ for e in forest.estimators_]
        first = np.cumsum([0, *(t.node_count for t in trees)])
        start = np.repeat(first[:-1], np.diff(first))
        left, right = (np.concatenate([getattr(t, f"children_{side}") for t in trees]) for side in ("left", "right"))
        left, right = np.where(left < 0, -1, left + start), right + start
        depth = np.concatenate([_depths(t) for t in trees])
        self.nodes = (
            first[:-1].astype(np.int32), left.astype(np.int32), right.astype(np.int32),
            np.concatenate([t.feature for t in trees]).astype(np.int32),
            np.concatenate([t.threshold for t in trees]).astype(np.float32), depth.astype(np.float32),
        )  # fmt: skip

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Minus the mean depth of the least deep channel in a bin."""
        b = binned(inputs)
        depth = _mean_depth(features(b), *self.nodes)
        rows = np.where(b.filled, 32.0 - depth, 0.0)
        return answer(b, rows)


def _depths(tree: Any) -> np.ndarray:
    """Cuts above each node, and the mean depth of as many samples as a leaf holds below it (Liu et al., equation 1)."""
    depth = np.zeros(tree.node_count)
    for i in range(tree.node_count):  # children come after their parents
        for child in (tree.children_left[i], tree.children_right[i]):
            if child >= 0:
                depth[child] = depth[i] + 1
    n = tree.n_node_samples.astype(float)
    below = np.where(n > 2, 2 * (np.log(np.maximum(n - 1, 1)) + np.euler_gamma) - 2 * (n - 1) / n, n - 1)
    return depth + np.where(tree.children_left < 0, below, 0.0)


@njit(cache=True)
def _mean_depth(
    x: np.ndarray, first: np.ndarray, left: np.ndarray, right: np.ndarray, feature: np.ndarray, cut: np.ndarray,
    depth: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Mean depth of each row and bin of x (features, rows, bins) over the trees."""
    out = np.zeros(x.shape[1:])
    for r in range(x.shape[1]):
        for t in range(first.size):
            for b in range(x.shape[2]):
                at = first[t]
                while left[at] >= 0:
                    at = left[at] if x[feature[at], r, b] <= cut[at] else right[at]
                out[r, b] += depth[at]
    return out / max(first.size, 1)
