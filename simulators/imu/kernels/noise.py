"""Noise of many channels at an even rate, and their conversion to counts, at the memory's pace.

White noise, bias instability, drift and random walk as `simulators.sensor` defines them; bias instability is a sum of
stationary Gauss-Markov processes, one a decade of time constants. A process that is slow beside the step is made,
exactly, on a coarse grid of every 2^level-th sample, and joined by straight lines. The grids are nested, so the lines
are drawn by halving: from the coarsest level down each point between two becomes their mean, and what lives on the
finer grid is added. All slow processes of a channel together then cost about as much as a single fast one.
"""

import numpy as np
from numba import njit

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit
from simulators.noise import normals

PER_TAU = 32
"""Grid points to a time constant, at least: straight lines between them miss at most 1 % of the variance."""
WALK_S = 0.01
"""A random walk goes straight for so long, at most: its Allan deviation at 0.1 s falls short by less than 0.5 %."""
_BLOCK = 512
"""Even."""
_ROUND = 6755399441055744.0
"""1.5 * 2^52: adding and taking it away rounds to the nearest whole number, half to even."""


@njit(cache=True, error_model="numpy")
def level_of(longest, step):
    """Greatest level of 0 to 40 whose grid of 2^level steps is at most `longest` s apart."""
    level = 0
    while level < 40 and step * 2.0 ** (level + 1) <= longest:
        level += 1
    return level


@njit(cache=True, error_model="numpy")
def process_of(tau, sd, step):
    """(level, keep, drive, first) of a stationary Gauss-Markov process on its grid.

    x_p = keep x_(p-1) + drive e_p, and x_0 = first e_0. Between grid points of correlation `keep` the mean variance of
    a straight line is 1 - (1 - keep) (1 - 1/every^2) / 3 of the points'; all are enlarged by as much.
    """
    level = level_of(tau / PER_TAU, step)
    every = 2.0**level
    keep = np.exp(-every * step / tau)
    first = sd / np.sqrt(1 - (1 - keep) * (1 - 1 / (every * every)) / 3)
    return level, keep, first * np.sqrt(1 - keep * keep), first


@njit(cache=True, error_model="numpy")
def _add(gain, values, total):
    for i in range(total.size):
        total[i] += gain * values[i]


@njit(cache=True, error_model="numpy")
def _chain(keep, drive, carry, e, total, x, y):
    """Add a block of x_p = keep x_(p-1) + drive e_p to `total`, `carry` going into its first; the last x.

    Unrolled to x_p = keep^16 x_(p-16) + what the last 16 drives left, gathered in two rounds of four: a processor does
    16 of these at once, where each step of the plain recursion waits for the one before. x, y: scratch, zero in front.
    """
    m = total.size
    k2, k4 = keep * keep, keep * keep * (keep * keep)
    k3, k8 = k2 * keep, k4 * k4
    k12, k16 = k8 * k4, k8 * k8
    for j in range(m):
        x[j + 16] = drive * e[j]
    x[16] += carry
    for j in range(m):
        y[j + 16] = (x[j + 16] + keep * x[j + 15]) + (k2 * x[j + 14] + k3 * x[j + 13])
    for j in range(m):
        x[j + 16] = (y[j + 16] + k4 * y[j + 12]) + (k8 * y[j + 8] + k12 * y[j + 4]) + k16 * x[j]
    for j in range(m):
        total[j] += x[j + 16]
    return x[m + 15]


@njit(cache=True, error_model="numpy")
def _halve(coarse, first, total):
    """Points first, first + 1 .. (first even) of the grid twice as fine as that of `coarse`, into `total`."""
    part, m = coarse[first // 2 :], total.size
    for k in range(m // 2):
        total[2 * k] = part[k]
        total[2 * k + 1] = 0.5 * (part[k] + part[k + 1])
    if m % 2:
        total[m - 1] = part[m // 2]


@njit(cache=True, error_model="numpy")
def bulk_noise(table, step, white, walk, tau, sd, keys, out):
    """Add noise to out (channels, n), float32 or float64, sampled every `step` s.

    white, walk: (channels,), sd of a sample and K in unit/sqrt(s), the walk being 0 at sample 0; tau, sd: (channels,
    processes) of stationary Gauss-Markov processes, tau in s; keys: (channels, 2 + processes, 2) uint32, of white
    noise, walk and processes. What has sd 0 is left out. Sample i is a pure function of its channel's figures, keys
    and i: neither n nor the other channels matter.
    """
    channels, n = out.shape
    processes = tau.shape[1] + 1
    level, keep = np.empty(processes, np.int64), np.empty(processes)
    drive, first, state = np.empty(processes), np.empty(processes), np.empty(processes)
    fine, coarse = np.empty(n // 2 + 3), np.empty(n // 2 + 3)
    normal, sums = np.empty(_BLOCK, np.float32), np.empty(_BLOCK)
    x, y = np.zeros(16 + _BLOCK), np.zeros(16 + _BLOCK)
    for c in range(channels if n else 0):
        top = 0
        for j in range(processes):
            if j == 0:
                drive[j] = walk[c]
                if walk[c] > 0:
                    level[j], keep[j], first[j] = level_of(WALK_S, step), 1.0, 0.0
                    drive[j] = walk[c] * np.sqrt(step * 2.0 ** level[j])
            elif sd[c, j - 1] > 0:
                level[j], keep[j], drive[j], first[j] = process_of(tau[c, j - 1], sd[c, j - 1], step)
            else:
                drive[j] = 0.0
            if drive[j] > 0:
                top = max(top, level[j])
        for at in range(top, -1, -1):
            points = ((n - 1) >> at) + 2 if at else n
            for p in range(0, points, _BLOCK):
                m = min(_BLOCK, points - p)
                e, total = normal[:m], sums[:m]
                if at == top:
                    total[:] = 0.0
                else:
                    _halve(coarse, p, total)
                if at == 0 and white[c] > 0:
                    normals(table, p, m, keys[c, 0, 0], keys[c, 0, 1], e)
                    _add(white[c], e, total)
                for j in range(processes):
                    if drive[j] > 0 and level[j] == at:
                        normals(table, p, m, keys[c, 1 + j, 0], keys[c, 1 + j, 1], e)
                        carry = keep[j] * state[j] if p else (first[j] - drive[j]) * e[0]
                        state[j] = _chain(keep[j], drive[j], carry, e, total, x, y)
                if at:
                    fine[p : p + m] = total
                else:
                    _add(1.0, total, out[c, p : p + m])
            fine, coarse = coarse, fine


@njit(cache=True, error_model="numpy")
def quantise_into(values, inverse, low, high, counts, clipped):
    """Nearest count, half to even, between the rails: values (channels, n) times `inverse`, 1 / lsb, into counts.

    counts: int32; clipped: bool, the nearest count is off the rails. Values must be numbers; infinite ones are clipped.
    """
    for c in range(values.shape[0]):
        for i in range(values.shape[1]):
            x = (values[c, i] * inverse + _ROUND) - _ROUND
            clipped[c, i] = (x < low) | (x > high)
            counts[c, i] = int(min(max(x, low), high))
