"""Rollovers that another channel confirms: a low half is what some channel's steps agree with, in any coding.

Source: our own; it follows from the coding, as the tolerant carry test of pairing does (`pair_tolerant`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.scene import overflow_events as low
from baselines.scene import overflow_evidence as pair
from baselines.scene.channels import Channel, channels
from baselines.scene.overflow_jump import events


@dataclass
class CarryConfirmed:
    """A channel is a low half if the steps of another agree with its rollovers; see `overflow_evidence`."""

    agree: float = 0.45
    """Least agreement of rollovers and steps."""
    lag: float = 3.0
    """Reads by which a high half may be late: a torn one lags up to three."""
    codings: tuple[str, ...] = pair.CODINGS
    """What is tried."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Rollover events of one recording."""
        found = channels(inputs)
        if len(found) < 2:
            return events([])
        scores = pair.carries(found, self.lag).scores
        scores[[name not in self.codings for name in pair.CODINGS]] = 0
        best = scores.max(axis=2)  # (codings, low)
        coding = best.argmax(axis=0)
        rows = []
        for i in np.flatnonzero(best.max(axis=0) >= self.agree).tolist():
            high = int(scores[coding[i], i].argmax())
            rows.append((found[i].id, *self._events(found[i], found[high], int(coding[i]))))
        return events(rows)

    def _events(self, channel: Channel, high: Channel, coding: int) -> tuple[np.ndarray, np.ndarray]:
        """Samples and signs of a low half's rollovers, by its own jumps or by the high half's steps."""
        words, steps = np.ascontiguousarray(channel.words), np.ascontiguousarray(high.words)
        own, other = np.ascontiguousarray(channel.times_ns), np.ascontiguousarray(high.times_ns)
        if coding in (low.SWAPPED, low.GRAY, low.GRAY_SWAPPED):
            words, steps = low.decode(words, coding), low.decode(steps, coding)
        elif coding in (pair.HELD_SWAPPED, pair.TRACKED_SWAPPED):
            words, steps = low.decode(words, low.SWAPPED), low.decode(steps, low.SWAPPED)
        if coding in (low.PLAIN, low.SWAPPED):
            return low.find_jumps(words, low.threshold(words), words.size)
        if coding in (pair.HELD_GRAY, pair.HELD_GRAY_SWAPPED):
            return low.held_steps(own, low.decode(steps, coding - pair.HELD_GRAY + low.GRAY), other)
        if coding in (pair.HELD, pair.HELD_SWAPPED):
            return low.held_steps(own, steps, other)
        if coding in (pair.TRACKED, pair.TRACKED_SWAPPED):
            came = low.ALL if channel.valid is None else np.ascontiguousarray(channel.valid)
            place, modulus = np.empty(words.size, np.int64), low.modulus_of(words)
            low.track(words, came, modulus, place)
            laps = pair.laps_by(channel, high, words, steps, place)
            return low.crossings(int(words[0]), place, came, modulus, laps)
        samples, sizes = low.find_steps(steps, steps.size)
        before = round(1e9 / channel.rate_hz) + pair.SLACK_NS
        after = round(1e9 / high.rate_hz) + pair.SLACK_NS
        at, _ = low.turns(words, own, other[samples], before, after)
        return at[at >= 0], sizes[at >= 0]
