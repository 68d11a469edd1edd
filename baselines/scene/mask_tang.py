"""Fields of a bit word by its transition aggregate: how often each bit flips, as a share of the busiest bit.

B. Stone, S. Graham, B. Mullins, C. Schubert Kabban, "Enabling Auditing and Intrusion Detection of Proprietary
Controller Area Networks" (AFIT, 2018): transition aggregation n-grams (TANG), cut by clustering.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.scene.mask_read import answer
from baselines.scene.profile import profile


@dataclass
class AggregateCuts:
    """Neighbouring bits are merged while the aggregate falls, or rises by less than a bound, towards high bits.

    The bound of a word lies in the widest gap between its sorted differences of neighbours, so that large rises form a
    cluster of their own; rises below `least` never cut, falls cut if they exceed `fall`.
    """

    least: float = 0.02
    fall: float = 0.6

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Mask and cuts of every channel of a recording."""
        p = profile(inputs)
        tang = p.flips / np.maximum(p.flips.max(axis=1, keepdims=True), 1e-300)
        rises = np.diff(tang, axis=1)  # (channels, 15): bit b minus bit b - 1
        sizes = np.sort(rises, axis=1)
        gaps = np.where(sizes[:, 1:] > self.least, np.diff(sizes, axis=1), -1.0)
        widest = gaps.argmax(axis=1)[:, None]
        middle = (np.take_along_axis(sizes, widest, 1) + np.take_along_axis(sizes, widest + 1, 1)) / 2
        bound = np.maximum(middle, self.least)
        cuts = np.zeros(p.flips.shape, bool)
        cuts[:, 1:] = (rises > bound) | (-rises > self.fall)
        active = p.flips > 0
        cuts[:, 1:] |= active[:, 1:] != active[:, :-1]
        return answer(p.ids, active, cuts)
