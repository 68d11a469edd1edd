"""Rollovers of a word that is followed by its speed: also of fast values, which jumps cannot tell from slow ones.

Source: our own; unwrapping (K. Itoh, Applied Optics 21 (1982) 2470) of the second difference in place of the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.scene.overflow_events import crossings, is_low, laps_of, modulus_of, track
from baselines.scene.overflow_jump import events
from baselines.scene.profile import profile

ALL = np.empty(0, bool)


@dataclass
class SecondDifference:
    """A channel is a low half if, followed by its speed, it moves smoothly and passes through its whole range."""

    smooth: float = 0.9
    """Least share of samples within an eighth of the modulus of what speed foretells."""
    travel: float = 1.0
    """Least way from the lowest to the highest point that is reached, in moduli."""
    changed: float = 0.1
    """Least share of samples that differ from the one before."""
    least: int = 4096
    """Least modulus."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Rollover events of one recording."""
        p = profile(inputs)
        found = []
        for row in np.flatnonzero(p["changed"] >= self.changed).tolist():
            channel = p.channels[row]
            words = np.ascontiguousarray(channel.words)
            modulus = modulus_of(words)
            if modulus < self.least or not is_low(words):
                continue
            came = ALL if channel.valid is None else np.ascontiguousarray(channel.valid)
            place = np.empty(words.size, np.int64)
            smooth = track(words, came, modulus, place)
            laps = laps_of(place, modulus)
            travel = modulus * place.size if laps else int(np.ptp(place))
            if smooth >= self.smooth and travel >= self.travel * modulus:
                found.append((channel.id, *crossings(int(words[0]), place, came, modulus, laps)))
        return events(found)
