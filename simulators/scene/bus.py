"""A bus to inject anomalies into: rows of words by channel, with what is known about them."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators.scene.spec import NODE_TYPES, WORD_KINDS

Stretch = tuple[int, int, int]
"""Channel, first sample, sample after the last."""


class Patch(NamedTuple):
    """New words for a channel from sample `start` on; the label ends at `end`, or where the words do."""

    channel: int
    start: int
    words: np.ndarray
    end: int | None = None


@dataclass
class Bus:
    """Rows of words by channel number, with what is known about them."""

    rows: dict[int, np.ndarray]
    rates: dict[int, float]
    truth: dict[str, np.ndarray]
    kept: dict[int, np.ndarray] = field(default_factory=dict)
    """Where samples can be lost or stale: which came fresh. The others show the word before."""
    taken: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    strength: tuple[float, float] = (1.0, 1.0)
    """Factor on the size of a change that has a size, drawn log-uniform."""
    clean: dict[int, np.ndarray] = field(default_factory=dict)
    """Rows that were changed, as they were before."""

    @classmethod
    def of(cls, arrays: Arrays) -> "Bus":
        """The bus of a recording. Without truth every channel counts as a plain unsigned value."""
        rows, rates, kept = {}, {}, {}
        for name, ids in arrays.items():
            if name.startswith("inputs/") and name.endswith("/channel_id"):
                group = name.split("/")[1]
                block, samples = arrays[f"inputs/{group}/words"], arrays[f"inputs/{group}/n_samples"]
                valid, stale = arrays.get(f"inputs/{group}/valid"), arrays.get(f"truth/{group}/held")
                for i, channel in enumerate(ids.tolist()):
                    rows[channel], rates[channel] = block[i, : samples[i]], float(group[1:])
                    if valid is not None or stale is not None:
                        came = np.ones(samples[i], bool) if valid is None else valid[i, : samples[i]]
                        kept[channel] = came if stale is None else came & ~stale[i, : samples[i]]
        if not rows:
            raise InputError("recording must hold 'inputs/r<rate>/words' with 'channel_id' beside it; it holds neither")
        return cls(
            rows, rates, {k.removeprefix("truth/"): v for k, v in arrays.items() if k.startswith("truth/")}, kept
        )

    def change(self, channel: int, start: int, words: np.ndarray) -> None:
        """Put new words into a row, and keep what it was at first."""
        if channel not in self.clean:
            self.clean[channel] = self.rows[channel].copy()
        self.rows[channel][start : start + words.size] = words

    def of_type(self, code: int) -> list[int]:
        """Channels of a node type that are long enough to hold anything."""
        known = self.truth.get("node_type")
        channels = self.rows if known is not None else (self.rows if code == 0 else ())
        return [c for c in channels if (known is None or known[c] == code) and self.rows[c].size > 8]

    def signed(self, channel: int) -> bool:
        """Whether a plain word is two's complement."""
        kinds = self.truth.get("word_kind")
        return kinds is not None and kinds[channel] == WORD_KINDS.index("i16")

    def of_bits(self, channel: int) -> bool:
        """Whether a channel's words are no numbers."""
        known = self.truth.get("node_type")
        return known is not None and NODE_TYPES[known[channel]] == "bits"

    def as_numbers(self, channel: int, words: np.ndarray) -> np.ndarray:
        """Words of a channel as float64 numbers."""
        return (words.view(np.int16) if self.signed(channel) else words).astype(float)

    def numbers(self, channel: int, start: int, end: int) -> np.ndarray:
        """The words of a stretch as float64 numbers."""
        return self.as_numbers(channel, self.rows[channel][start:end])

    def quiet(self, channel: int, start: int, end: int) -> float:
        """Noise sd of the words around a stretch, from second differences (their median: steps do not count)."""
        margin = max(256 - (end - start), 0) // 2
        around = self.numbers(channel, max(0, start - margin), end + margin)[:4096]
        return float(np.median(np.abs(np.diff(around, 2)))) / (0.6745 * 6**0.5) if around.size > 2 else 0.0

    def numbered(self, channel: int, start: int, numbers: np.ndarray) -> list[Patch]:
        """A patch of numbers as words, on the channel's own steps, saturating as a converter does."""
        step = max(1, int(np.gcd.reduce(self.rows[channel][:1024])))
        low, high = (-32768, 32767) if self.signed(channel) else (0, 65535)
        clipped = np.clip(np.rint(numbers / step), -(-low // step), high // step).astype(np.int64) * step
        return [Patch(channel, start, (clipped & 0xFFFF).astype(np.uint16))]

    def held(self, patch: Patch) -> tuple[np.ndarray, int]:
        """A patch's words as they show: what is lost or stale repeats the word before, also just after the patch.

        Returns them with the sample at which they end.
        """
        channel, start, end = patch.channel, patch.start, patch.start + patch.words.size
        kept = self.kept.get(channel)
        if kept is None:
            return patch.words, end
        row = self.rows[channel]
        fresh = np.flatnonzero(kept[end:])
        until = end + int(fresh[0]) if fresh.size else row.size
        shown = row[start - 1 : until].copy()
        shown[1 : end - start + 1] = patch.words
        source = np.where(kept[start - 1 : until], np.arange(shown.size), 0)
        source[0] = 0
        return shown[np.maximum.accumulate(source)][1:], until

    def stretch(self, channel: int, rng: np.random.Generator, seconds: float, least: int = 2) -> Stretch | None:
        """A free stretch of about `seconds` at a uniform position; sample 0 is left alone."""
        n = self.rows[channel].size
        length = max(least, min(int(seconds * self.rates[channel]), n // 4))
        if length + 1 >= n:
            return None
        start = int(rng.integers(1, n - length))
        return (channel, start, start + length) if self.free(channel, start, start + length) else None

    def free(self, channel: int, start: int, end: int) -> bool:
        """Whether nothing else lies on these samples."""
        return all(end <= a or b <= start for a, b in self.taken.get(channel, ()))
