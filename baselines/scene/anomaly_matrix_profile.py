"""Matrix profile: a window that resembles no other window of its channel is anomalous. On a capped copy.

C.-C. M. Yeh et al., "Matrix profile I", ICDM 2016, as in stumpy (S. Law, JOSS 4 (2019) 1504).
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.scene.anomaly_evidence import answer
from baselines.scene.binned import Binned, binned, robust_z
from scenarios.errors import InputError


@dataclass
class MatrixProfile:
    """Distance of a window to its nearest neighbour in the same channel, of bin means; the channel farthest from it.

    It sees at most `channels` channels, those that move most often, and of each at most `samples` bins.
    """

    channels: int = 16
    samples: int = 12_000
    window: int = 10
    """Bins."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learns nothing."""
        if self.window < 3:
            raise InputError(f"window must be at least 3 bins; it is {self.window}")

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Scores of bins; those beyond the cap have 0."""
        from stumpy import stump

        b = binned(inputs)
        rows = np.zeros(b.count.shape)
        series = np.ascontiguousarray(b["mean"][:, : self.samples])
        if series.shape[1] < 3 * self.window:
            return answer(b, rows)
        for row in _busiest(b, self.channels).tolist():
            with warnings.catch_warnings():  # it warns of windows that are alike, which ramps and flags are
                warnings.simplefilter("ignore")
                profile = np.asarray(stump(series[row], self.window)[:, 0], float)
            own = np.zeros(series.shape[1])
            for k in range(self.window):  # a bin has the mean of the windows that hold it
                own[k : k + profile.size] += np.where(np.isfinite(profile), profile, 0.0) / self.window
            rows[row, : own.size] = own
        return answer(b, np.maximum(robust_z(rows, b.filled, 0.05), 0.0))


def _busiest(b: Binned, count: int) -> np.ndarray:
    """Rows of the channels whose bin means change most often, ascending; constants are left out."""
    moves = (np.diff(b["mean"], axis=1) != 0).mean(axis=1)
    order = np.argsort(-moves, kind="stable")[:count]
    return np.sort(order[moves[order] > 0])
