"""Noise of many channels at an even rate, and their conversion to counts, at the memory's pace.

White noise, bias instability and rate random walk as `simulators.sensor` defines them: instability is a sum of
stationary Gauss-Markov processes, one a decade of time constants. A process whose time constant is long beside the
step is made on a coarse grid, exactly, and joined by straight lines; each line is widened so that the variance,
averaged over the grid, is the process' own.
"""

import numpy as np
from numba import njit

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit
from simulators.noise import normals

PER_TAU = 16
"""Coarse points to a time constant, at least: a straight line between them misses 1 % of the variance."""
_ROUND = 6755399441055744.0
"""1.5 * 2^52: adding and taking it away rounds to the nearest whole number, half to even."""


@njit(cache=True, error_model="numpy")
def white(table, sd, k0, k1, scratch, out):
    """Add white noise of one channel to out (n,)."""
    normals(table, 0, out.size, k0, k1, scratch)
    for i in range(out.size):
        out[i] += sd * scratch[i]


@njit(cache=True, error_model="numpy")
def gauss_markov(table, sd, tau, step, k0, k1, scratch, out):
    """Add a stationary Gauss-Markov process, sd and time constant tau in s, to out (n,) at an even step in s."""
    every = 1
    while 2 * every * step * PER_TAU <= tau:
        every *= 2
    points = (out.size - 1) // every + 2
    normals(table, 0, points, k0, k1, scratch)
    keep = np.exp(-every * step / tau)
    drive = np.sqrt(1 - keep * keep)
    # of a straight line between neighbours of correlation `keep` the mean variance is 1 - (1 - keep) (1 - 1/every^2) / 3
    gain = sd / np.sqrt(1 - (1 - keep) * (1 - 1.0 / (every * every)) / 3)
    state = gain * scratch[0]
    for p in range(points - 1):
        after = keep * state + drive * gain * scratch[p + 1]
        slope = (after - state) / every
        i0 = p * every
        for i in range(i0, min(i0 + every, out.size)):
            out[i] += state + slope * (i - i0)
        state = after


@njit(cache=True, error_model="numpy")
def random_walk(table, sd, step, every, k0, k1, scratch, out):
    """Add a random walk that is 0 at first and has sd * sqrt(t) after t s; straight for `every` samples at a time."""
    points = (out.size - 1) // every + 2
    normals(table, 0, points, k0, k1, scratch)
    jump = sd * np.sqrt(every * step)
    state = 0.0
    for p in range(points - 1):
        after = state + jump * scratch[p]
        slope = (after - state) / every
        i0 = p * every
        for i in range(i0, min(i0 + every, out.size)):
            out[i] += state + slope * (i - i0)
        state = after


@njit(cache=True, error_model="numpy")
def quantise_into(values, inverse, low, high, counts, clipped):
    """Nearest count, half to even, between the rails: values (channels, n) times `inverse`, 1 / lsb."""
    for c in range(values.shape[0]):
        for i in range(values.shape[1]):
            x = (values[c, i] * inverse + _ROUND) - _ROUND
            clipped[c, i] = (x < low) | (x > high)
            counts[c, i] = int(min(max(x, low), high))
