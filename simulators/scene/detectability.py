"""How far an event stands out in its own channel alone: the single-channel detectability that the truth tells.

The window of an event is its label and MARGIN samples on either side. Windows of the same length, at most REFERENCES
of them at equal distances, are taken from the channel's words as they were before anything was injected. Each window
has six features:

    level      mean of its numbers
    range      largest number less the smallest
    leap       largest |difference| of consecutive words, modulo 2^16
    pace       mean |difference|, modulo 2^16
    roughness  mean |second difference|, modulo 2^16
    changes    mean number of bits that change from one word to the next

The robust z of a feature is its distance from the median of the clean windows by their spread: 1.4826 times the median
absolute deviation or, where more than half of them agree, the standard deviation or, where all agree, 1. The
extremeness of a window is its largest |z|. The detectability is the share of clean windows that are less extreme than
the event's, those that are equally extreme counted by half: uniform, with mean 0.5, where the event looks like any
other part of its channel, and 1 where nothing in the channel is like it.

It is a figure of this yardstick, not a bound: a method that knows the channel's law (the pace of a clock, the seal of
a word) can do better on one channel, and with a few windows it is coarse.
"""

import numpy as np

from simulators.scene.kernels.windows import features

MARGIN = 2
REFERENCES = 200


def extremeness(found: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Largest robust |z| of each window, shape (windows,), from features (windows, f) beside clean ones (r, f)."""
    middle = np.median(clean, axis=0)
    spread = 1.4826 * np.median(np.abs(clean - middle), axis=0)
    spread = np.where(spread > 0, spread, clean.std(axis=0))
    return np.max(np.abs(found - middle) / np.where(spread > 0, spread, 1.0), axis=1)


def detectability(row: np.ndarray, clean: np.ndarray, start: int, end: int, signed: bool = False) -> float:
    """Share of a channel's clean windows that are less extreme than the event at samples start to end - 1, 0 to 1.

    row, clean: the channel's words with and without the event, shape (samples,) uint16, at least 3 of them; signed:
    whether they are numbers in two's complement.
    """
    first, last = max(0, start - MARGIN), min(row.size, end + MARGIN)
    first = max(0, min(first, last - 3))
    length = max(3, last - first)
    at = np.unique(np.linspace(0, row.size - length, REFERENCES).astype(np.int64))
    flip = np.uint16(0x8000 if signed else 0)
    told = np.empty((at.size + 1, 6))
    features(row, np.array([first]), length, flip, told[:1])
    features(clean, at, length, flip, told[1:])
    score = extremeness(told, told[1:])
    return float(np.mean(score[1:] < score[0]) + 0.5 * np.mean(score[1:] == score[0]))
