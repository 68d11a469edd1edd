"""Fields of a bit word by the magnitude of flip rates: a field grows calmer towards its high bits.

M. Marchetti, D. Stabili, "READ: Reverse engineering of automotive data frames", IEEE TIFS 14 (2019): the magnitude of
a bit is the rounded-up logarithm of its flip rate, and a field ends, towards its low bits, where the magnitude drops.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.scene.profile import profile

STILL = -1000.0
WEIGHTS = (1 << np.arange(16)).astype(np.uint16)


def answer(ids: np.ndarray, active: np.ndarray, cuts: np.ndarray) -> dict[str, np.ndarray]:
    """The answer about fields from booleans of shape (channels, 16): bits in use, bits at which a field starts."""
    cuts = cuts.copy()
    cuts[:, 0] = False
    return {
        "channel_id": np.asarray(ids, np.int64),
        "mask": (active * WEIGHTS).sum(axis=1).astype(np.uint16),
        "cuts": (cuts * WEIGHTS).sum(axis=1).astype(np.uint16),
    }


@dataclass
class MagnitudeCuts:
    """READ's cuts. The mask is the bits that flip; those above a field that never do are no part of it."""

    base: float = 10.0
    """Base of the logarithm; READ takes 10."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Mask and cuts of every channel of a recording."""
        p = profile(inputs)
        active = p.flips > 0
        magnitude = np.where(active, np.ceil(np.log(np.where(active, p.flips, 1.0)) / np.log(self.base) - 1e-9), STILL)
        cuts = np.zeros_like(active)
        cuts[:, 1:] = (magnitude[:, 1:] > magnitude[:, :-1]) | (active[:, :-1] & ~active[:, 1:])
        return answer(p.ids, active, cuts)
