"""Features of windows of a channel's words, in whole numbers: the same bits as by numpy's means."""

import numpy as np
from numba import njit

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit


@njit(inline="always", cache=True)
def ones(word):
    """Bits that are set in 16. Source: Warren, Hacker's Delight, 2nd ed., section 5-1."""
    word = word - ((word >> np.uint32(1)) & np.uint32(0x5555))
    word = (word & np.uint32(0x3333)) + ((word >> np.uint32(2)) & np.uint32(0x3333))
    word = (word + (word >> np.uint32(4))) & np.uint32(0x0F0F)
    return (word + (word >> np.uint32(8))) & np.uint32(0x1F)


@njit(cache=True, error_model="numpy")
def features(words, starts, length, flip, out):
    """Level, range, leap, pace, roughness and changes of the windows of `length` >= 3 words from each of `starts`.

    words (samples,) uint16; flip: 0x8000 where they are two's complement, else 0; out (windows, 6) float64 receives.
    """
    bias = np.int64(flip)
    for k in range(starts.size):
        window = words[starts[k] : starts[k] + length]
        low, high, total = np.int32(65535), np.int32(0), np.int64(0)
        for i in range(length):
            number = np.int32(window[i] ^ flip)
            low, high = min(low, number), max(high, number)
            total += number
        leap, pace, changes = np.int32(0), np.int64(0), np.int64(0)
        for i in range(length - 1):
            step = np.int32(np.int16(np.uint16(window[i + 1] - window[i])))
            size = abs(step)
            leap = max(leap, size)
            pace += size
            changes += np.int64(ones(np.uint32(window[i + 1] ^ window[i])))
        rough = np.int64(0)
        for i in range(length - 2):
            twice = np.uint16(np.uint16(window[i + 2] - window[i + 1]) - np.uint16(window[i + 1] - window[i]))
            rough += abs(np.int32(np.int16(twice)))
        out[k, 0] = (total - bias * length) / length
        out[k, 1] = high - low
        out[k, 2] = leap
        out[k, 3] = pace / (length - 1)
        out[k, 4] = rough / (length - 2)
        out[k, 5] = changes / (length - 1)
