"""Fields of a bit word by what neighbouring bits do together.

Bits of one number flip together: when a bit flips, a carry has passed the bit below it, which then falls as the bit
rises. Bits of an enumeration flip at the same samples. Bits of separate fields flip independently. The bits of a seal
(parity, CRC, checksum) and the noisy low bits of a signal flip at about half of the samples at which the word changes.

Source: our own; the boosting on it as in `type_boosting`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit, uint16

from baselines.scene.mask_read import answer
from baselines.scene.profile import Profile, came, profile
from scenarios.errors import InputError

BITS_WORD = 3


@njit(cache=True, error_model="numpy")
def neighbours(words: np.ndarray, both: np.ndarray, opposite: np.ndarray) -> None:
    """Share of steps at which bit b and bit b - 1 both flip, and at which they then differ, into arrays of 16."""
    n = words.size
    if n < 2:
        return
    for first in range(1, n, 4096):
        end = min(first + 4096, n)
        after, before = words[first:end], words[first - 1 : end - 1]
        either = uint16(0)
        for i in range(after.size):
            either |= uint16(after[i] ^ before[i])
        if uint16(either & uint16(either << uint16(1))) == 0:
            continue
        for bit in range(1, 16):
            shift = uint16(bit)
            count, unlike = uint16(0), uint16(0)
            for i in range(after.size):
                flip = uint16(after[i] ^ before[i])
                pair = uint16(flip & uint16(flip << uint16(1)))
                count = uint16(count + uint16(uint16(pair >> shift) & uint16(1)))
                pair &= uint16(after[i] ^ uint16(after[i] << uint16(1)))
                unlike = uint16(unlike + uint16(uint16(pair >> shift) & uint16(1)))
            both[bit] += count
            opposite[bit] += unlike
    for bit in range(16):
        both[bit] /= n - 1
        opposite[bit] /= n - 1


def boundary_features(p: Profile) -> np.ndarray:
    """What neighbouring bits b - 1 and b do, shape (channels, 15, 13) for b = 1 to 15."""
    n = len(p.channels)
    both, opposite = np.zeros((n, 16)), np.zeros((n, 16))
    for row, channel in enumerate(p.channels):
        neighbours(came(channel), both[row], opposite[row])
    low, high = p.flips[:, :-1], p.flips[:, 1:]
    both, opposite = both[:, 1:], opposite[:, 1:]
    changed = np.maximum(p["changed"], 1e-12)[:, None]
    far = np.zeros((n, 17))
    far[:, :16] = p.flips

    def over(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(b > 0, a / np.where(b > 0, b, 1), -1.0)

    given_high, given_low = over(both, high), over(both, low)
    parts = [
        np.log10(low + 1e-6), np.log10(high + 1e-6), over(high, low), given_high, given_low,
        given_high - low, given_low - high, over(opposite, both), low / changed, high / changed,
        np.log10(far[:, 2:17] + 1e-6), np.log10(np.concatenate([np.zeros((n, 1)), p.flips[:, :-2]], axis=1) + 1e-6),
        np.broadcast_to(np.arange(1, 16.0), (n, 15)),
    ]  # fmt: skip
    return np.stack(parts, axis=2)


@dataclass
class JointFlips:
    """A cut where flips of neighbouring bits are independent, or the upper one is the busier by more than chance.

    Two bits that both flip at about half of the samples are left together: noisy low bits of one signal.
    """

    lift: float = 0.25
    """A bit that flips must make flips of the bit below likelier by this share of what there is to gain."""
    rise: float = 1.5
    """Ratio of the flip rate of a bit to that of the bit below it, above which a new field starts."""
    noise: float = 0.35
    """Flip rate above which bits are noise."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Mask and cuts of every channel of a recording."""
        p = profile(inputs)
        x = boundary_features(p)
        low, high, gain = p.flips[:, :-1], p.flips[:, 1:], x[:, :, 5]
        # Below a bit that flips always, nothing is to gain.
        lift = np.where(low > 0.999, 1.0, gain / np.maximum(1 - low, 1e-3))
        noisy = (low > self.noise) & (high > self.noise) & (low < 1 - self.noise)
        active = p.flips > 0
        cuts = np.zeros_like(active)
        cuts[:, 1:] = (active[:, 1:] != active[:, :-1]) | ((lift < self.lift) & ~noisy) | (high > self.rise * low)
        cuts[:, 1:] &= active[:, 1:] | active[:, :-1]
        return answer(p.ids, active, cuts)


@dataclass
class CutBoosting:
    """Gradient boosting on the joint flips of neighbouring bits: which boundaries are cuts."""

    iterations: int = 80
    learning_rate: float = 0.1
    leaves: int = 15
    _model: Any = field(default=None, repr=False)

    @property
    def parameters(self) -> int:
        """Numbers that were fitted: a threshold or a value for each node of the trees."""
        if self._model is None or isinstance(self._model, bool):
            return 0
        return sum(tree.nodes.size for stage in self._model._predictors for tree in stage)

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Fit on the bit words of the training split, on boundaries beside a bit that flips."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        xs, ys = [np.empty((0, 13))], [np.empty(0, bool)]
        for recording in train:
            p = profile(recording.inputs)
            rows = np.asarray(recording.truth["truth/node_type"])[p.ids] == BITS_WORD
            scorable = rows[:, None] & _beside(p)
            xs.append(boundary_features(p)[scorable])
            ys.append(_edges(recording.truth)[p.ids][:, 1:][scorable])
        x, y = np.concatenate(xs), np.concatenate(ys)
        if not y.size:
            raise InputError("training split must have bit words that change; it has none")
        order = np.lexsort((y, *x.T[::-1]))
        if np.unique(y).size < 2:
            self._model = bool(y[0])
            return
        self._model = HistGradientBoostingClassifier(
            max_iter=self.iterations,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            early_stopping=False,
            random_state=0,
        ).fit(x[order], y[order])

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Mask and cuts of every channel of a recording."""
        p = profile(inputs)
        active = p.flips > 0
        cuts = np.zeros_like(active)
        beside = _beside(p)
        if isinstance(self._model, bool):
            cuts[:, 1:] = beside & self._model
        elif beside.any():
            cuts[:, 1:][beside] = self._model.predict(boundary_features(p)[beside])
        return answer(p.ids, active, cuts)


def _beside(p: Profile) -> np.ndarray:
    """Boundaries with a bit that flips on either side, shape (channels, 15)."""
    return (p.flips[:, 1:] > 0) | (p.flips[:, :-1] > 0)


def _edges(truth: Mapping[str, np.ndarray]) -> np.ndarray:
    """Bits at which a field starts, or that follow its end, shape (channels, 16)."""
    found = np.zeros((len(truth["truth/node_type"]), 17), bool)
    channel, start = truth["truth/field_channel"], np.asarray(truth["truth/field_start"], np.int64)
    found[channel, start] = True
    found[channel, start + truth["truth/field_width"]] = True
    return found[:, :16]
