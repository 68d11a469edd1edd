"""Robust z-score of the level and the roughness of each channel against the recording itself.

Median and median deviation as in B. Iglewicz, D. Hoaglin, "How to detect and handle outliers" (1993).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baselines.scene.anomaly_evidence import Rarity, answer, fitted
from baselines.scene.binned import Binned, binned, differences, robust_z


def deviations(b: Binned) -> np.ndarray:
    """|z| of mean, change of the mean, mean step, greatest step and share of changes: (5, channels, bins)."""
    filled = b.filled
    return np.abs(
        np.stack(
            [
                robust_z(b["mean"], filled, 1.0),
                robust_z(differences(b["mean"]), filled, 1.0),
                robust_z(np.log1p(b["step"]), filled, 0.05),
                robust_z(np.log1p(b["most_step"]), filled, 0.05),
                robust_z(b["changes"], filled, 0.02),
            ]
        )
    )


@dataclass
class RobustZ:
    """Rarity of the greatest robust z of a channel."""

    rarity: Rarity = field(default_factory=lambda: Rarity(5), repr=False)

    @property
    def parameters(self) -> int:
        """Numbers fitted."""
        return self.rarity.parameters

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learn how rare a z is on normal recordings."""
        self.rarity = fitted(deviations, train, 5)

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Rarity of the rarest deviation of any channel in a bin."""
        b = binned(inputs)
        return answer(b, self.rarity(deviations(b)))
