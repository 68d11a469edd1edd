"""Floors of the structure tasks: what chance, the commonest answer, a blanket answer and one line of code reach.

Chance is drawn from the content of each channel (a hash of its words, clock and start, with a seed from `fit`), so
that neither the order of channels nor their ids matter. Channels alike in all that are told apart by their ids.

Source: floors as R. Wu and E. Keogh ask for (arXiv 2009.13807); the one-liners are our own.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baselines.scene.channels import Channel, channels
from baselines.scene.mask_read import answer
from baselines.scene.overflow_events import find_jumps, find_steps
from baselines.scene.overflow_jump import HALF, events
from baselines.scene.profile import NAMES, profile
from baselines.scene.type_profile import labelled

TYPES = 4


def content(channel: Channel, seed: int) -> np.random.Generator:
    """A generator that depends on what a channel sent, and on a seed; not on its id or its place."""
    words = np.ascontiguousarray(channel.words)
    digest = hashlib.blake2b(words.data, digest_size=16, key=seed.to_bytes(8, "little"))
    start = int(channel.times_ns[0]) if channel.times_ns.size else 0
    digest.update(repr((channel.rate_hz, start)).encode())
    return np.random.default_rng(int.from_bytes(digest.digest(), "little"))


def _ids(found: Sequence[Channel]) -> np.ndarray:
    return np.array([channel.id for channel in found], np.int64)


class _Fitless:
    """What entries that learn nothing share."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Nothing to learn."""


@dataclass
class _Seeded:
    """What random entries share: a seed that is drawn when they are fitted."""

    _seed: int = field(default=0, repr=False)

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Keep a seed, and the shares of the training split."""
        self._seed = int(rng.integers(2**62))
        self._learn(train)

    def _learn(self, train: Any) -> None:
        raise NotImplementedError


# ---- node type


def _types(train: Any) -> np.ndarray:
    """Channels of each type in a split, shape (4,)."""
    counts = np.zeros(TYPES)
    for recording in train:
        counts += np.bincount(np.asarray(recording.truth["truth/node_type"], np.int64), minlength=TYPES)
    return counts


@dataclass
class ChanceType(_Seeded):
    """Types drawn with the shares of the training split."""

    _shares: np.ndarray = field(default_factory=lambda: np.full(TYPES, 1 / TYPES), repr=False)

    def _learn(self, train: Any) -> None:
        counts = _types(train)
        self._shares = counts / counts.sum() if counts.sum() else np.full(TYPES, 1 / TYPES)

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Type of every channel of a recording."""
        found = channels(inputs)
        types = [int(content(channel, self._seed).choice(TYPES, p=self._shares)) for channel in found]
        return {"channel_id": _ids(found), "node_type": np.array(types, np.int64)}


@dataclass
class MajorityType:
    """The commonest type of the training split for every channel."""

    _type: int = field(default=0, repr=False)

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Count the types of the training split."""
        self._type = int(_types(train).argmax())

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Type of every channel of a recording."""
        ids = _ids(channels(inputs))
        return {"channel_id": ids, "node_type": np.full(ids.size, self._type, np.int64)}


@dataclass
class OneFeatureType:
    """One statistic, cut at no more than three places: the best such line of code on the training split."""

    feature: str = ""
    """Name of the statistic (see `profile.NAMES`); empty: the best."""
    _column: int = field(default=0, repr=False)
    _tree: Any = field(default=None, repr=False)

    @property
    def parameters(self) -> int:
        """Numbers that were fitted: three thresholds, four types."""
        return 7

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Choose the statistic and its thresholds."""
        from sklearn.metrics import f1_score
        from sklearn.tree import DecisionTreeClassifier

        x, y = labelled(train, lambda inputs: ((p := profile(inputs)).statistics, p.ids))
        best = -1.0
        for column in [NAMES.index(self.feature)] if self.feature else range(len(NAMES)):
            tree = DecisionTreeClassifier(max_leaf_nodes=4, class_weight="balanced", random_state=0)
            tree.fit(x[:, [column]], y)
            score = f1_score(y, tree.predict(x[:, [column]]), average="macro", zero_division=0.0)
            if score > best:
                best, self._column, self._tree = score, column, tree

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Type of every channel of a recording."""
        p = profile(inputs)
        types = np.zeros(p.ids.size, np.int64)
        if types.size:
            types = np.asarray(self._tree.predict(p.statistics[:, [self._column]]), np.int64)
        return {"channel_id": p.ids, "node_type": types}


# ---- bit masks


def _bit_shares(train: Any) -> tuple[np.ndarray, np.ndarray]:
    """Share of the bit words of a split in which a bit is used, and in which a field starts there, shape (16,) each."""
    used, starts, words = np.zeros(16), np.zeros(16), 0
    for recording in train:
        truth = recording.truth
        rows = np.asarray(truth["truth/node_type"]) == 3
        used += (np.asarray(truth["truth/mask"])[rows][:, None] >> np.arange(16) & 1).sum(axis=0)
        bits = np.asarray(truth["truth/field_start"])[rows[truth["truth/field_channel"]]]
        starts += np.bincount(bits.astype(np.int64), minlength=16)
        words += int(rows.sum())
    return used / max(words, 1), np.minimum(starts / max(words, 1), 1)


@dataclass
class ChanceMask(_Seeded):
    """Each bit is used, and starts a field, with its share among the bit words of the training split."""

    _shares: tuple[np.ndarray, np.ndarray] = field(default=(np.full(16, 0.5), np.full(16, 0.5)), repr=False)

    def _learn(self, train: Any) -> None:
        self._shares = _bit_shares(train)

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Mask and cuts of every channel of a recording."""
        found = channels(inputs)
        drawn = np.array([content(channel, self._seed).random((2, 16)) for channel in found]).reshape(-1, 2, 16)
        return answer(_ids(found), drawn[:, 0] < self._shares[0], drawn[:, 1] < self._shares[1])


@dataclass
class MajorityMask:
    """Each bit as in most bit words of the training split."""

    _bits: np.ndarray = field(default_factory=lambda: np.zeros((2, 16), bool), repr=False)

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        """Count the bits of the training split."""
        self._bits = np.array(_bit_shares(train)) >= 0.5

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Mask and cuts of every channel of a recording."""
        ids = _ids(channels(inputs))
        return answer(ids, *(np.broadcast_to(bits, (ids.size, 16)) for bits in self._bits))


@dataclass
class AllCuts(_Fitless):
    """All bits are used, and each is a field of its own."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Mask and cuts of every channel of a recording."""
        ids = _ids(channels(inputs))
        every = np.ones((ids.size, 16), bool)
        return answer(ids, every, every)


@dataclass
class OneField(_Fitless):
    """The bits that ever change, as one field."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Mask and cuts of every channel of a recording."""
        p = profile(inputs)
        return answer(p.ids, p.flips > 0, np.zeros(p.flips.shape, bool))


@dataclass
class RisingFlips(_Fitless):
    """The bits that ever change, cut where a bit flips oftener than the one below, or not at all: one line of code."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Mask and cuts of every channel of a recording."""
        p = profile(inputs)
        below = np.roll(p.flips, 1, axis=1)
        return answer(p.ids, p.flips > 0, (p.flips > below) | ((p.flips == 0) & (below > 0)))


# ---- overflow


def _jumps(channel: Channel) -> tuple[np.ndarray, np.ndarray]:
    return find_jumps(np.ascontiguousarray(channel.words), HALF, channel.words.size)


@dataclass
class ChanceOverflow(_Seeded):
    """Events at random samples of all channels, at the mean rate and with the shares of signs of the training split."""

    _rate: float = field(default=0.0, repr=False)
    _up: float = field(default=0.5, repr=False)

    def _learn(self, train: Any) -> None:
        events, up, samples = 0, 0, 0
        for recording in train:
            wraps = np.asarray(recording.truth["truth/overflow_wraps"])
            events, up = events + wraps.size, up + int((wraps > 0).sum())
            samples += sum(channel.words.size for channel in channels(recording.inputs))
        self._rate, self._up = events / max(samples, 1), up / events if events else 0.5

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Rollover events of one recording."""
        found = []
        for channel in channels(inputs):
            rng = content(channel, self._seed)
            n = int(rng.binomial(channel.words.size, self._rate)) if channel.words.size else 0
            samples = np.sort(rng.integers(channel.words.size, size=n)) if n else np.empty(0, np.int64)
            samples = np.unique(samples)
            found.append((channel.id, samples, np.where(rng.random(samples.size) < self._up, 1, -1)))
        return events(found)


@dataclass
class NoOverflow(_Fitless):
    """The commonest answer about a sample: no event."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Rollover events of one recording: none."""
        return events([])


@dataclass
class EveryDecrease(_Fitless):
    """Whenever a word gets less, it has rolled over upwards."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Rollover events of one recording."""
        found = []
        for channel in channels(inputs):
            samples = np.flatnonzero(channel.words[1:] < channel.words[:-1]) + 1
            found.append((channel.id, samples, np.ones(samples.size, np.int64)))
        return events(found)


@dataclass
class EveryJump(_Fitless):
    """Every step by more than 32,768, on every channel: one line of code."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Rollover events of one recording."""
        return events([(channel.id, *_jumps(channel)) for channel in channels(inputs)])


# ---- pairing


def pairs(found: Sequence[tuple[int, int]], swap: bool = False, fmt: int = 0) -> dict[str, np.ndarray]:
    """The answer about pairs from (high, low) ids: order by channel number, one format for all."""
    two = np.array(list(found), np.int64).reshape(-1, 2)
    ascending = two[:, 0] < two[:, 1]
    return {
        "msb": two[:, 0],
        "lsb": two[:, 1],
        "order": np.where(ascending, 2 * swap, 1 + 2 * swap).astype(np.int64),
        "format": np.full(len(two), fmt, np.int64),
    }


@dataclass
class ChancePairs(_Seeded):
    """Channels at random, as many pairs as the training split has for its channels; most common format and bytes."""

    _share: float = field(default=0.5, repr=False)
    _format: int = field(default=0, repr=False)
    _swap: bool = field(default=False, repr=False)

    def _learn(self, train: Any) -> None:
        count, n, formats, swapped = 0, 0, np.zeros(4), 0
        for recording in train:
            truth = recording.truth
            count, n = count + truth["truth/pair_msb"].size, n + truth["truth/node_type"].size
            formats += np.bincount(np.asarray(truth["truth/pair_format"], np.int64), minlength=4)
            swapped += int((np.asarray(truth["truth/pair_order"]) >= 2).sum())
        self._share, self._format, self._swap = count / max(n, 1), int(formats.argmax()), 2 * swapped > count

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Pairs of one recording."""
        found = channels(inputs)
        drawn = sorted(found, key=lambda channel: (content(channel, self._seed).random(), channel.id))
        k = min(round(self._share * len(found)), len(found) // 2)
        ids = [channel.id for channel in drawn]
        return pairs(list(zip(ids[:k], ids[k : 2 * k], strict=True)), self._swap, self._format)


@dataclass
class NoPairs(_Fitless):
    """The commonest answer about two channels: no pair."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Pairs of one recording: none."""
        return pairs([])


@dataclass
class AllPairs(_Fitless):
    """Every channel is in a pair: the busier half are low halves, each with the calm channel of its own rank."""

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Pairs of one recording."""
        p = profile(inputs)
        order = np.lexsort((p.ids, p["mean"], p["step"], p["changed"]))
        k = order.size // 2
        calm, busy = order[:k], order[order.size - k :]
        return pairs(list(zip(p.ids[calm].tolist(), p.ids[busy].tolist(), strict=True)))


@dataclass
class SameCounts(_Fitless):
    """A low half jumps by more than 32,768 as often, up and down, as its high half changes: one line of code.

    Of several such high halves the first free one is taken, by rate and by mean value.
    """

    def predict(self, inputs: Mapping[str, np.ndarray], context: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Pairs of one recording."""
        found = sorted(channels(inputs), key=lambda c: (c.rate_hz, float(c.words.mean()) if c.words.size else 0.0))
        high: dict[tuple[int, int], list[int]] = {}
        for channel in found:
            _, sizes = find_steps(np.ascontiguousarray(channel.words), channel.words.size)
            if sizes.size:
                high.setdefault((int((sizes > 0).sum()), int((sizes < 0).sum())), []).append(channel.id)
        taken: set[int] = set()
        two = []
        for channel in found:
            _, signs = _jumps(channel)
            key = (int((signs > 0).sum()), int((signs < 0).sum()))
            free = [i for i in high.get(key, []) if i not in taken and i != channel.id]
            if signs.size and free and channel.id not in taken:
                two.append((free[0], channel.id))
                taken |= {free[0], channel.id}
        return pairs(two)
