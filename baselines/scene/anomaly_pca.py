"""Principal components across channels, and of windows of one channel: what they cannot rebuild is anomalous.

PCA: M.-L. Shyu et al., "A novel anomaly detection scheme based on principal component classifier" (2003). Sub-PCA: the
same of sub-sequences, the best univariate method of Q. Liu, J. Paparrizos, "The elephant in the room: TSB-AD" (2024).
Both are fitted to the recording itself, with what is far out clipped.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baselines.scene.anomaly_evidence import Rarity, answer, fitted
from baselines.scene.binned import Binned, binned, differences, robust_z

CLIP = 4.0
"""Robust sd beyond which a value has no more weight in what components are fitted to."""
LEAST_VARIANCE = 1e-6


def _standard(b: Binned) -> np.ndarray:
    """Level, its change and its roughness, robustly standardised: (3, channels, bins)."""
    values = (b["mean"], differences(b["mean"]), np.log1p(b["step"]))
    return np.stack([robust_z(x, b.filled, floor) for x, floor in zip(values, (1.0, 1.0, 0.05), strict=True)])


def components(b: Binned) -> np.ndarray:
    """|z| of the projections on each principal component across channels: (3, components, bins).

    Major components show what is extreme, minor ones what breaks a correlation (Shyu et al.). Those of no variance at
    all are left out, as channels that say the same make them; the rest of the rows is 0.
    """
    x = _standard(b)
    out = np.zeros(x.shape)
    if x.shape[1] < 2 or x.shape[2] < 3:
        return np.abs(x)
    for rows, projected in zip(x, out, strict=True):
        clipped = np.clip(rows, -CLIP, CLIP)
        middle = clipped.mean(axis=1, keepdims=True)
        values, vectors = np.linalg.eigh(np.cov(clipped))
        real = values > LEAST_VARIANCE
        projected[real] = vectors[:, real].T @ (rows - middle)
    return np.abs(robust_z(out, np.asarray(b.filled.any(axis=0)), 0.02))


def _basis(covariance: np.ndarray, share: float) -> np.ndarray:
    """The fewest eigenvectors that hold `share` of the variance, (..., size, kept at most); the rest are zeros."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0.0)
    below = np.cumsum(values, axis=-1)  # ascending: what is dropped up to and with each
    kept = below > (1 - share) * below[..., -1:]
    return vectors * kept[..., None, :]


@dataclass
class PCA:
    """Rarity of the projections of all channels' levels, their change and roughness on their principal components."""

    rarity: Rarity = field(default_factory=lambda: Rarity(3), repr=False)

    @property
    def parameters(self) -> int:
        """Numbers fitted."""
        return self.rarity.parameters

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learn how rare a projection is on normal recordings."""
        self.rarity = fitted(components, train, 3)

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Rarity of the rarest projection in a bin; no channel is told."""
        return {"score": self.rarity(components(binned(inputs))).max(axis=0, initial=0.0)}


def window_residuals(b: Binned, length: int, share: float) -> np.ndarray:
    """Robust z of what components of windows of `length` bins leave over: (3, channels, bins).

    Windows lose their mean, as a wandering level would be all that the components hold. A bin has the mean of the
    windows whose centre is near it.
    """
    x = _standard(b)
    n = x.shape[2] - length + 1
    if n < 3 or not x.shape[1]:
        return np.zeros(x.shape)
    windows = np.lib.stride_tricks.sliding_window_view(x, length, axis=2)  # (3, channels, n, length)
    windows = windows - windows.mean(axis=-1, keepdims=True)
    clipped = np.clip(windows, -CLIP, CLIP)
    clipped -= clipped.mean(axis=-2, keepdims=True)
    basis = _basis(clipped.swapaxes(-1, -2) @ clipped, share)
    left = windows - (windows @ basis) @ basis.swapaxes(-1, -2)
    size = np.sqrt((left**2).mean(axis=-1))
    padded = np.pad(size, ((0, 0), (0, 0), (length - 1, length - 1)), mode="edge")
    held = np.lib.stride_tricks.sliding_window_view(padded, length, axis=2)
    near, middle = length // 4, length // 2
    return np.maximum(robust_z(held[..., middle - near : middle + near + 1].mean(axis=-1), b.filled, 0.02), 0.0)


@dataclass
class SubPCA:
    """Residual of windows of a channel's level, its change and roughness to their own principal components."""

    length: int = 10
    share: float = 0.9
    rarity: Rarity = field(default_factory=lambda: Rarity(3), repr=False)

    @property
    def parameters(self) -> int:
        """Numbers fitted."""
        return self.rarity.parameters

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learn how rare a residual is on normal recordings."""
        self.rarity = fitted(lambda b: window_residuals(b, self.length, self.share), train, 3)

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Rarity of the rarest residual of any channel in a bin."""
        b = binned(inputs)
        return answer(b, self.rarity(window_residuals(b, self.length, self.share)))
