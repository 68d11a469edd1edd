"""A one-liner: the greatest difference of two words in a bin, against what the channel does elsewhere.

The floor of R. Wu and E. Keogh, "Current time series anomaly detection benchmarks are flawed", arXiv 2009.13807.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.scene.anomaly_evidence import answer
from baselines.scene.binned import binned, robust_z


@dataclass
class AbsDifference:
    """max |difference| by channel and bin, in robust sd of the channel; the greatest channel."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learns nothing."""

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Scores of bins."""
        b = binned(inputs)
        return answer(b, np.maximum(robust_z(b["most_step"], b.filled, 1.0), 0.0))
