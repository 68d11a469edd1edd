"""Rollovers where a word jumps by more than half its range, on channels that look like low halves by themselves.

Source: the usual way to unwrap a counter or a phase (K. Itoh, Applied Optics 21 (1982) 2470); which channels are low
halves is told by rules of our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.scene.overflow_events import find_jumps
from baselines.scene.profile import profile

HALF = 32768


def events(found: list[tuple[int, np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """The answer about rollovers from (channel id, samples, signs) of each channel."""
    samples = [np.asarray(s, np.int64) for _, s, _ in found]
    return {
        "channel_id": np.repeat(np.array([c for c, _, _ in found], np.int64), [s.size for s in samples]),
        "sample": np.concatenate([np.empty(0, np.int64), *samples]),
        "sign": np.concatenate([np.empty(0, np.int64), *(np.sign(np.asarray(s, np.int64)) for _, _, s in found)]),
    }


@dataclass
class JumpDetector:
    """A channel is a low half if it jumps, is busy, visits all parts of its range, and does not jump too often."""

    changed: float = 0.1
    """Least share of samples that differ from the one before."""
    jumps: float = 0.25
    """Greatest share of steps that are jumps: more are noise, or a fast tone."""
    cover: float = 0.9
    """Least share of 64 equal parts of the range that are visited: a signed word around zero visits its ends alone."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Rollover events of one recording."""
        p = profile(inputs)
        share = p["jumps_up"] + p["jumps_down"]
        likely = (share > 0) & (share <= self.jumps) & (p["changed"] >= self.changed)
        found = []
        for row in np.flatnonzero(likely).tolist():
            words = p.channels[row].words
            if np.bincount(words >> 10, minlength=64).astype(bool).mean() >= self.cover:
                found.append((p.channels[row].id, *find_jumps(np.ascontiguousarray(words), HALF, words.size)))
        return events(found)
