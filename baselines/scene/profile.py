"""What one pass over the words of a channel tells: flip rates of its bits, and statistics of it as a number.

Bit-flip rates: M. Marchetti, D. Stabili, "READ: Reverse engineering of automotive data frames", IEEE TIFS 14 (2019).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import int16, int64, njit, uint16

from baselines.scene.channels import Channel, channels

BITS = 16
NAMES = (
    "mean", "sd", "least", "most", "autocorrelation", "distinct", "entropy", "changed", "step", "raw_step", "bend",
    "steady", "ones", "jumps_up", "jumps_down", "trend", "swapped_step", "gray_step",
)  # fmt: skip
"""Statistics of a channel: mean, standard deviation, least and most of the word; autocorrelation at one sample;
distinct words; entropy of the words in bits; share of steps that change the word; mean size of a step, wrapped
(-32,768 to 32,767) and raw; mean size of the second difference, wrapped; share of steps equal to the one before; share
of the changes that are by one; shares of the steps that fall, rise by more than 32,768 (a rollover upwards, downwards);
sum of wrapped steps over the sum of their sizes; mean size of a wrapped step with bytes swapped, with Gray code
undone."""
SAMPLES = ("least", "most", "distinct")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """All channels of a recording, each row one channel."""

    channels: tuple[Channel, ...]
    samples: np.ndarray
    """Words that came, shape (channels,) int64."""
    flips: np.ndarray
    """Share of the steps at which a bit flips, shape (channels, 16), bit 0 first; 0 where there is no step."""
    ones: np.ndarray
    """Share of the words in which a bit is set, shape (channels, 16); 0 where there is no word."""
    statistics: np.ndarray
    """Shape (channels, len(NAMES)); 0 where there are too few words to tell."""

    def __getitem__(self, name: str) -> np.ndarray:
        """One statistic of all channels, by its name."""
        return self.statistics[:, NAMES.index(name)]

    @property
    def ids(self) -> np.ndarray:
        """Channel ids, ascending, shape (channels,) int64."""
        return np.array([channel.id for channel in self.channels], np.int64)


def came(channel: Channel) -> np.ndarray:
    """The words of a channel that came, without those that are held for a lost one."""
    return np.ascontiguousarray(channel.words if channel.valid is None else channel.words[channel.valid])


def profile(inputs: Mapping[str, np.ndarray]) -> Profile:
    """Profile of every channel of a recording."""
    found = tuple(channels(inputs))
    n = len(found)
    samples = np.zeros(n, np.int64)
    flips, ones = np.zeros((n, BITS)), np.zeros((n, BITS))
    statistics, table = np.zeros((n, len(NAMES))), np.zeros(65536, np.int32)
    for row, channel in enumerate(found):
        words = came(channel)
        samples[row] = words.size
        _flips(words, flips[row], ones[row])
        _statistics(words, table, statistics[row])
    return Profile(channels=found, samples=samples, flips=flips, ones=ones, statistics=statistics)


@njit(inline="always", cache=True)
def swapped(word: np.uint16) -> np.uint16:
    """A word with its two bytes swapped."""
    return uint16(uint16(word << uint16(8)) | uint16(word >> uint16(8)))


@njit(inline="always", cache=True)
def ungray(word: np.uint16) -> np.uint16:
    """The number whose reflected binary (Gray) code a word is."""
    word = uint16(word ^ uint16(word >> uint16(8)))
    word = uint16(word ^ uint16(word >> uint16(4)))
    word = uint16(word ^ uint16(word >> uint16(2)))
    return uint16(word ^ uint16(word >> uint16(1)))


@njit(cache=True, error_model="numpy")
def _flips(words: np.ndarray, flips: np.ndarray, ones: np.ndarray) -> None:
    """Shares of flips and of ones of each bit, into the last two arguments."""
    n = words.size
    block = 4096  # stays in the first cache while every bit is counted
    for first in range(0, n, block):
        part = words[first : first + block]
        before = words[max(first - 1, 0) : first + block - 1] if first else part[:-1]
        after = part if first else part[1:]
        either = uint16(0)
        for i in range(after.size):
            either |= uint16(after[i] ^ before[i])
        for bit in range(BITS):
            shift = uint16(bit)
            count = uint16(0)
            for i in range(part.size):
                count = uint16(count + uint16(uint16(part[i] >> shift) & uint16(1)))
            ones[bit] += count
            if uint16(either >> shift) & uint16(1):
                count = uint16(0)
                for i in range(after.size):
                    flip = uint16(after[i] ^ before[i])
                    count = uint16(count + uint16(uint16(flip >> shift) & uint16(1)))
                flips[bit] += count
    for bit in range(BITS):
        ones[bit] /= max(n, 1)
        flips[bit] /= max(n - 1, 1)


@njit(cache=True, error_model="numpy")
def _statistics(words: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """Statistics of one channel, in the order of NAMES; the table of 65,536 counts comes and goes all 0."""
    n = words.size
    if n == 0:
        return
    least = most = int64(words[0])
    total = square = product = int64(0)
    changed = steady = ones = up = down = net = size = raw = bend = turned = undone = int64(0)
    last, last_step = words[0], int16(0)
    last_turned, last_undone = swapped(last), ungray(last)
    for i in range(n):
        word = words[i]
        x = int64(word)
        table[x] += 1
        total += x
        square += x * x
        product += x * int64(last)
        least, most = min(least, x), max(most, x)
        if i > 0:
            difference = x - int64(last)
            step = int16(uint16(word - last))
            net += step
            size += abs(int64(step))
            raw += abs(difference)
            changed += difference != 0
            ones += step == 1 or step == -1
            up += difference < -32768
            down += difference > 32768
            if i > 1:
                bend += abs(int64(int16(uint16(uint16(step) - uint16(last_step)))))
                steady += step == last_step
            last_step = step
            now = swapped(word)
            turned += abs(int64(int16(uint16(now - last_turned))))
            last_turned = now
            now = ungray(word)
            undone += abs(int64(int16(uint16(now - last_undone))))
            last_undone = now
        last = word
    distinct, entropy = 0, 0.0
    for x in range(least, most + 1):
        count = table[x]
        if count:
            distinct += 1
            entropy -= count / n * np.log2(count / n)
            table[x] = 0
    mean = total / n
    variance = max(0.0, square / n - mean * mean)
    steps = max(n - 1, 1)
    first, end = float(words[0]), float(words[n - 1])
    lag = (product - first * first) / steps  # sum over pairs of neighbours
    head, tail = (total - end) / steps, (total - first) / steps
    out[0], out[1], out[2], out[3] = mean, np.sqrt(variance), least, most
    out[4] = (lag - head * tail) / variance if variance > 1e-9 and n > 2 else 0.0
    out[5], out[6] = distinct, entropy
    out[7], out[8], out[9] = changed / steps, size / steps, raw / steps
    out[10], out[11] = bend / max(n - 2, 1), steady / max(n - 2, 1)
    out[12] = ones / max(changed, 1)
    out[13], out[14] = up / steps, down / steps
    out[15] = net / max(size, 1)
    out[16], out[17] = turned / steps, undone / steps
