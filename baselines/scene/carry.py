"""Carry evidence, shared by the pairing rules: where low halves roll over and high halves step.

A pair sends value = high * m + low as two words. When the low half rolls over at m, the high half steps by one: the
low word jumps by more than half its range, down for a step up. Words that were lost are left out. Other codings are
tried by *views* of the words: as sent, bytes swapped, Gray-coded, and both.

Source: our own, from the codings alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import int16, int32, int64, njit, uint16

from baselines.scene.channels import channels

AS_SENT, SWAPPED, GRAY, GRAY_SWAPPED = range(4)
"""Views of a word: bit 0 swaps its bytes, bit 1 decodes Gray code."""
VIEWS = 4
FULL = 65536
MOST_EVENTS = 20_000
"""A channel with more changes or rollovers is too busy for tests of single events."""
LEAST_SAMPLES = 8
"""Channels with fewer words are in no pair."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The channels of a recording that can be halves, one behind the other in flat arrays."""

    ids: np.ndarray
    """Channel numbers, shape (n,), ascending."""
    rates_hz: np.ndarray
    period_ns: np.ndarray
    start: np.ndarray
    """Channel c holds samples start[c] to start[c + 1], shape (n + 1,)."""
    words: np.ndarray
    """Words that came, shape (samples,) uint16."""
    times_ns: np.ndarray
    """Their arrivals, shape (samples,) int64."""
    span_ns: float
    """From the first arrival of all to the last."""

    def __len__(self) -> int:
        """How many channels there are."""
        return self.ids.size

    def row(self, c: int) -> np.ndarray:
        """Words of channel c."""
        return self.words[self.start[c] : self.start[c + 1]]


class Events(NamedTuple):
    """Events of each channel in flat arrays: channel c holds start[c] to start[c + 1]."""

    start: np.ndarray
    sample: np.ndarray
    """First sample after the event, of the channel's own."""
    time_ns: np.ndarray
    step: np.ndarray
    """High halves: by how much they step; low halves: the carry, +1 or -1."""


def rows_of(inputs: Mapping[str, np.ndarray], *, lost: bool = False) -> Rows:
    """The channels that move at all and are long enough; `lost` keeps words held in the place of lost ones."""
    found = []
    for channel in channels(inputs):
        if channel.words.size < LEAST_SAMPLES or not moves(channel.words):
            continue
        came = None if lost or channel.valid is None else channel.valid
        words = channel.words if came is None else channel.words[came]
        if words.size >= LEAST_SAMPLES:
            times = channel.times_ns if came is None else channel.times_ns[came]
            found.append((channel.id, channel.rate_hz, words, times))
    ids, rates, words, times = zip(*found, strict=True) if found else ((), (), (), ())
    sizes = np.array([w.size for w in words], np.int64)
    return Rows(
        ids=np.array(ids, np.int64),
        rates_hz=np.array(rates, float),
        period_ns=1e9 / np.array(rates, float),
        start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        words=np.concatenate([np.empty(0, np.uint16), *words]),
        times_ns=np.concatenate([np.empty(0, np.int64), *times]),
        span_ns=float(max(t[-1] for t in times) - min(t[0] for t in times)) if found else 0.0,
    )


def high_steps(rows: Rows) -> tuple[Events, np.ndarray]:
    """Changes of each channel, and their steps in all views, shape (VIEWS, events) int32, modulo 2^16.

    Of a channel that changes more than MOST_EVENTS times no events are given: they would be of no use.
    """
    start, sample = _changes(rows.words, rows.start, MOST_EVENTS)
    after = np.repeat(rows.start[:-1], np.diff(start)) + sample
    steps = np.empty((VIEWS, sample.size), np.int32)
    _steps(rows.words, after, steps)
    return Events(start, sample, rows.times_ns[after], steps[AS_SENT]), steps


def low_carries(rows: Rows, view: int) -> tuple[Events, np.ndarray]:
    """Rollovers of each channel as a low half, and the modulus at which it seems to roll over, shape (n,).

    Of a channel with more than MOST_EVENTS rollovers no events are given.
    """
    modulus = np.empty(len(rows), np.int64)
    start, sample, step = _carries(rows.words, rows.start, view, MOST_EVENTS, modulus)
    after = np.repeat(rows.start[:-1], np.diff(start)) + sample
    return Events(start, sample, rows.times_ns[after], step), modulus


def views_kept(rows: Rows) -> np.ndarray:
    """Views in which a high half steps by about the least, shape (VIEWS, n) bool."""
    mean = np.zeros((VIEWS, len(rows)))
    _mean_steps(rows.words, rows.start, mean)
    return (mean <= 1.5 * mean.min(axis=0)) & (mean > 0)


def variety(rows: Rows) -> np.ndarray:
    """How many words each channel uses, in bits over 16, shape (n,): a low half uses many."""
    return np.log2(_distinct(rows.words, rows.start)) / 16


@njit(cache=True, error_model="numpy")
def _mean_steps(words: np.ndarray, start: np.ndarray, mean: np.ndarray) -> None:
    """Mean absolute step per change in each view: over about 8,192 samples, or all where changes are rare."""
    for c in range(mean.shape[1]):
        size = start[c + 1] - start[c]
        for stride in (max(1, size // 8192), 1):
            count = 0
            mean[:, c] = 0.0
            for s in range(start[c] + 1, start[c + 1], stride):
                if words[s] == words[s - 1]:
                    continue
                count += 1
                for view in range(mean.shape[0]):
                    mean[view, c] += abs(wrapped(number(words[s], view), number(words[s - 1], view)))
            if count >= 64:
                break
        mean[:, c] /= max(count, 1)


@njit(cache=True)
def _distinct(words: np.ndarray, start: np.ndarray) -> np.ndarray:
    count = np.zeros(start.size - 1)
    seen = np.zeros(65536, np.int32)
    for c in range(start.size - 1):
        size = start[c + 1] - start[c]
        for k in range(start[c], start[c + 1], max(1, size // 4096)):
            if seen[words[k]] != c + 1:
                seen[words[k]] = c + 1
                count[c] += 1
    return count


@njit(inline="always", cache=True)
def decoded(word: int, view: int) -> int:
    """A word in a view."""
    x = uint16(word)
    if view & 1:
        x = uint16(uint16(x << uint16(8)) | uint16(x >> uint16(8)))
    if view & 2:
        x ^= uint16(x >> uint16(1))
        x ^= uint16(x >> uint16(2))
        x ^= uint16(x >> uint16(4))
        x ^= uint16(x >> uint16(8))
    return uint16(x)


@njit(inline="always", cache=True)
def number(word: int, view: int) -> int:
    """A word in a view, wide enough to subtract."""
    return int64(decoded(word, view))


@njit(inline="always", cache=True)
def wrapped(a: int, b: int) -> int:
    """a - b modulo 2^16, as a signed number."""
    return ((a - b + 32768) & 65535) - 32768


@njit(cache=True)
def find(times: np.ndarray, when: int) -> int:
    """`np.searchsorted(times, when)` of nearly regular times: a guess, then doubling steps from there."""
    n = times.size
    if n == 0 or when <= times[0]:
        return 0
    if when > times[n - 1]:
        return n
    low = high = int((when - times[0]) / (times[n - 1] - times[0]) * (n - 1))
    step = 4
    while times[low] >= when:
        high = low
        low = max(0, low - step)
        step *= 2
    while times[high] < when:
        low = high
        high = min(n - 1, high + step)
        step *= 2
    while high - low > 1:
        middle = (low + high) // 2
        if times[middle] < when:
            low = middle
        else:
            high = middle
    return high


@njit(cache=True)
def moves(words: np.ndarray) -> bool:
    """Whether a row of words ever changes."""
    first = words[0]
    for s in range(0, words.size, 1024):
        moved = uint16(0)
        for word in words[s : s + 1024]:
            moved |= uint16(word ^ first)
        if moved:
            return True
    return False


@njit(cache=True)
def _changes(words: np.ndarray, start: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    n = start.size - 1
    first = np.zeros(n + 1, np.int64)
    for c in range(n):
        row = words[start[c] : start[c + 1]]
        count = 0
        for k in range(1, row.size):
            count += row[k] != row[k - 1]
        first[c + 1] = first[c] + (count if count <= most else 0)
    sample = np.empty(first[n], np.int64)
    at = 0
    for c in range(n):
        if first[c + 1] == first[c]:
            continue
        row = words[start[c] : start[c + 1]]
        for k in range(1, row.size):
            if row[k] != row[k - 1]:
                sample[at] = k
                at += 1
    return first, sample


@njit(cache=True)
def _steps(words: np.ndarray, after: np.ndarray, steps: np.ndarray) -> None:
    for e in range(after.size):
        a, b = words[after[e] - 1], words[after[e]]
        for view in range(steps.shape[0]):
            steps[view, e] = int32(int16(uint16(decoded(b, view) - decoded(a, view))))


@njit(cache=True)
def _carries(
    words: np.ndarray, start: np.ndarray, view: int, most: int, modulus: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = start.size - 1
    first = np.zeros(n + 1, np.int64)
    longest = 1
    for c in range(n):
        longest = max(longest, start[c + 1] - start[c])
    row = np.empty(longest, np.int32)
    for c in range(n):
        size = start[c + 1] - start[c]
        most = int32(0)
        for k in range(size):
            row[k] = int32(decoded(words[start[c] + k], view))
            most = max(most, row[k])
        modulus[c] = most + 1
        half = int32((most + 1) // 2)
        count = 0
        for k in range(1, size):
            count += abs(row[k] - row[k - 1]) > half
        first[c + 1] = first[c] + (count if count <= most else 0)
    sample, step = np.empty(first[n], np.int64), np.empty(first[n], np.int32)
    at = 0
    for c in range(n):
        if first[c + 1] == first[c]:
            continue
        half = (modulus[c]) // 2
        before = int32(decoded(words[start[c]], view))
        for k in range(1, start[c + 1] - start[c]):
            now = int32(decoded(words[start[c] + k], view))
            if abs(now - before) > half:
                sample[at], step[at] = k, (1 if now < before else -1)
                at += 1
            before = now
    return first, sample, step
