"""Rollovers in a single word: codings, jumps, steps, and a word followed by its speed.

Source: our own, from the codings alone; the reflected binary code is F. Gray's (US patent 2,632,058, 1953).
"""

import numpy as np
from numba import int16, int32, int64, njit, uint16

from baselines.scene.profile import swapped, ungray

PLAIN, SWAPPED, GRAY, GRAY_SWAPPED = range(4)
"""How a word is read: as sent, its bytes swapped, its Gray code undone, both."""
LEAST_MODULUS = 900
"""Least modulus of a low half that is believed."""
ALL = np.empty(0, bool)
"""Stands for "all words came"."""


def modulus_of(words: np.ndarray) -> int:
    """The modulus that words suggest: just above the highest, or 65,536 where that is close."""
    top = int(words.max(initial=0)) + 1
    return 65536 if top > 60000 else top


def threshold(words: np.ndarray) -> int:
    """Step beyond which words have rolled over: half their modulus."""
    return max(modulus_of(words) // 2, 2)


def is_low(words: np.ndarray) -> bool:
    """Whether words reach down near zero, and not only small numbers: what a low half that rolls over does."""
    modulus = modulus_of(words)
    return bool(words.size) and modulus >= LEAST_MODULUS and 16 * int(words.min()) < modulus


@njit(cache=True)
def decode(words: np.ndarray, coding: int) -> np.ndarray:
    """Words with their bytes swapped, or their Gray code undone, or first the one and then the other."""
    out = np.empty(words.size, np.uint16)
    for i in range(words.size):
        word = words[i]
        if coding in (SWAPPED, GRAY_SWAPPED):
            word = swapped(word)
        if coding in (GRAY, GRAY_SWAPPED):
            word = ungray(word)
        out[i] = word
    return out


@njit(cache=True)
def find_jumps(words: np.ndarray, threshold: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rollovers as (samples, signs): steps by more than the threshold. Nothing if there are more than `most`."""
    room = 0
    for i in range(1, words.size):
        room += abs(int32(words[i]) - int32(words[i - 1])) > threshold
    room = room if room <= most else 0
    samples, signs = np.empty(room, np.int64), np.empty(room, np.int64)
    count = 0
    if room:
        for i in range(1, words.size):
            difference = int64(words[i]) - int64(words[i - 1])
            if abs(difference) > threshold:
                samples[count] = i
                signs[count] = -1 if difference > 0 else 1
                count += 1
    return samples, signs


@njit(cache=True)
def find_steps(words: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Changes as (samples, wrapped steps). Nothing if there are more than `most`."""
    room = 0
    for i in range(1, words.size):
        room += words[i] != words[i - 1]
    room = room if room <= most else 0
    samples, sizes = np.empty(room, np.int64), np.empty(room, np.int64)
    count = 0
    if room:
        for i in range(1, words.size):
            if words[i] != words[i - 1]:
                samples[count] = i
                sizes[count] = int64(int16(uint16(words[i] - words[i - 1])))
                count += 1
    return samples, sizes


@njit(cache=True)
def travelled(words: np.ndarray, out: np.ndarray) -> None:
    """Sum of wrapped steps so far."""
    total = int64(0)
    for i in range(words.size):
        if i:
            total += int64(int16(uint16(words[i] - words[i - 1])))
        out[i] = total


@njit(cache=True, error_model="numpy")
def held_steps(low_times: np.ndarray, high: np.ndarray, high_times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Net wrapped steps of a high half between reads of a low half: (samples of the low half, sizes)."""
    n = low_times.size
    samples, sizes = np.empty(n, np.int64), np.empty(n, np.int64)
    count = at = 0
    if n == 0 or high.size == 0:
        return samples[:0], sizes[:0]
    last = high[0]
    for i in range(n):
        while at + 1 < high_times.size and high_times[at + 1] <= low_times[i]:
            at += 1
        step = int64(int16(uint16(high[at] - last)))
        last = high[at]
        if step and i:
            samples[count], sizes[count] = i, step
            count += 1
    return samples[:count], sizes[:count]


@njit(cache=True, error_model="numpy")
def turns(
    number: np.ndarray,
    times: np.ndarray,
    step_times: np.ndarray,
    before: int,
    after: int,
) -> tuple[np.ndarray, int]:
    """For each step of a high half, the sample at which the Gray-decoded low half turns nearest to an end."""
    out = np.empty(step_times.size, np.int64)
    count, last = 0, 0
    for k in range(step_times.size):
        i = max(np.searchsorted(times, step_times[k] - after), last + 1, 1)
        found, least = -1, int64(1 << 20)
        while i < number.size and times[i] <= step_times[k] + before:
            a, b = int64(number[i - 1]), int64(number[i])
            off = min(a + b, 131070 - a - b)
            if off < least:
                found, least = i, off
            i += 1
        out[k] = found
        if found >= 0:
            last = found
            count += 1
    return out, count


@njit(cache=True, error_model="numpy")
def track(words: np.ndarray, came: np.ndarray, modulus: int, place: np.ndarray) -> float:
    """Follow a word by its speed: way since the first sample into `place`, in counts; returns the smooth share.

    The next value is the one nearest to the last plus the last step, so that values may move by more than half a
    modulus a sample as long as the step changes slowly. Where it changes by more than an eighth of the modulus, the
    shorter way round is taken. The speed is right up to a constant multiple of the modulus. `came`: which words came;
    may be empty, for all.
    """
    n, half = words.size, modulus // 2
    smooth, used, last = 0, 0, 0
    step = int64(0)
    if n:
        place[0] = 0
    for i in range(1, n):
        if came.size and not came[i]:
            place[i] = place[i - 1] + step
            continue
        gap = i - last
        change = int64(words[i]) - int64(words[last])
        bend = (change - step * gap + half) % modulus - half
        if abs(bend) * 8 < modulus:
            smooth += 1
            move = step * gap + bend
        else:
            move = (change + half) % modulus - half
        used += 1
        place[i] = place[last] + move
        step = move // gap
        last = i
    return smooth / max(used, 1)


@njit(cache=True)
def crossings(
    first: int,
    place: np.ndarray,
    came: np.ndarray,
    modulus: int,
    laps: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Samples and signs at which first + place + laps * modulus * sample passes a multiple of the modulus."""
    n = place.size
    samples, signs = np.empty(n, np.int64), np.empty(n, np.int64)
    count, last = 0, int64(0)
    for i in range(1, n):
        if came.size and not came[i]:
            continue
        now = (int64(first) + place[i]) // modulus + laps * i
        if now != last:
            samples[count], signs[count] = i, 1 if now > last else -1
            count += 1
        last = now
    return samples[:count], signs[:count]


def laps_of(place: np.ndarray, modulus: int) -> int:
    """Whole moduli a sample that the speed of a tracked word seems to leave out.

    A value that turns has no speed on the whole; of the others, one that moves down by more than an eighth of its
    modulus a sample is taken to move up instead, as fast counters do.
    """
    if place.size < 3:
        return 0
    steps = np.diff(place)
    low, high, mean = np.percentile(steps, [5, 95, 50]) / modulus
    if low < 0 < high:
        return -round(float(steps.mean()) / modulus)
    return int(np.ceil(-mean)) if mean < -0.125 else -int(mean // 1)
