"""Floors of anomaly and drift: chance, a constant, and an alarm that is always on.

Thresholds come from an entry's own scores on validation recordings, and only what is above them is an alarm: a constant
never is, however high. What alarms all the time therefore tells its alarms beside its scores. Its F1s are what any
method must beat: on rare events they are above those of methods that miss most.
"""

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baselines.scene.channels import bins, groups


@dataclass
class Chance:
    """Random scores of bins, or of samples of a stream. The draw hangs on the seed and on the words, not on ids."""

    seed: int = field(default=0, repr=False)

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Keep a seed."""
        self.seed = int(rng.integers(2**31))

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Uniform scores."""
        size, content = _size(inputs), _content(inputs)
        return {"score": np.random.default_rng([self.seed, content]).random(size)}


@dataclass
class Constant:
    """The same score everywhere: every bin ranks alike, and none is an alarm."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Learns nothing."""

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Zeros."""
        return {"score": np.zeros(_size(inputs))}


@dataclass
class AlwaysAlarm(Constant):
    """An alarm in every bin, whatever the threshold; all rank alike."""

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        """Zeros, and alarms."""
        return {"score": np.zeros(_size(inputs)), "alarm": np.ones(_size(inputs), bool)}


def _size(inputs: Any) -> int:
    return int(inputs["inputs/score"].size) if "inputs/score" in inputs else bins(inputs)


def _content(inputs: Any) -> int:
    """A number from the first words of all channels, whatever their order."""
    if "inputs/score" in inputs:
        return zlib.crc32(np.ascontiguousarray(inputs["inputs/score"][:16], np.float64).tobytes())
    total = 0
    for group in groups(inputs):
        words, sizes = inputs[f"inputs/{group}/words"], inputs[f"inputs/{group}/n_samples"]
        total += sum(zlib.crc32(words[i, : min(int(sizes[i]), 8)].tobytes()) for i in range(len(sizes)))
    return total
