"""A one-liner: the range of the words in a rolling window, against what the channel does elsewhere.

One of the single lines that solve benchmarks in R. Wu and E. Keogh, arXiv 2009.13807.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.scene.anomaly_evidence import answer
from baselines.scene.binned import binned, robust_z, widest


@dataclass
class RollingRange:
    """Greatest minus least word within `reach` bins to both sides, in robust sd of the channel; too little counts."""

    reach: int = 2

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learns nothing."""

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Scores of bins."""
        b = binned(inputs)
        spread = widest(b["most"], self.reach) + widest(-b["least"], self.reach)
        return answer(b, np.abs(robust_z(spread, b.filled, 1.0)))
