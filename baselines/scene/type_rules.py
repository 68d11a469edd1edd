"""Node types by rules of thumb on the range, spread, autocorrelation and entropy of a word.

Source: conditions and thresholds of the rule classifier of github.com/rsk0305/AIbemyEYE (2025), from which this project
started; that a half which changes at most samples is the low one is our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.scene.profile import profile

PLAIN, MSB, LSB, BITS = range(4)


@dataclass
class RuleClassifier:
    """Three classes, each by three conditions: the class with most conditions met wins, first of bits, half, plain.

    Bits: few distinct words. Half of a value: wide and smooth. Plain: narrow, smooth, of high entropy. A half is a
    low one if it changes at most samples, else a high one.
    """

    unique_share: float = 0.05
    entropy_bits: float = 2.0
    unique: int = 20
    span: float = 30_000.0
    sd: float = 5_000.0
    half_autocorrelation: float = 0.7
    plain_autocorrelation: float = 0.6
    busy: float = 0.5
    """Share of samples that change a low half."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Type of every channel of a recording."""
        p = profile(inputs)
        span, smooth = p["most"] - p["least"], p["autocorrelation"]
        share = p["distinct"] / np.maximum(p.samples, 1)
        bits = [share < self.unique_share, p["entropy"] < self.entropy_bits, p["distinct"] < self.unique]
        half = [span > self.span, p["sd"] > self.sd, smooth > self.half_autocorrelation]
        plain = [span <= self.span, smooth > self.plain_autocorrelation, p["entropy"] > self.entropy_bits]
        met = np.array([np.sum(conditions, axis=0) for conditions in (bits, half, plain)]).reshape(3, -1)
        low = p["changed"] > self.busy
        types = np.choose(
            met.argmax(axis=0), [np.full(low.size, BITS), np.where(low, LSB, MSB), np.full(low.size, PLAIN)]
        )
        return {"channel_id": p.ids, "node_type": types.astype(np.int64)}
