"""Torn reads: the high half of a 32-bit value is read before the low half's rollover has reached it."""

import numpy as np
from numba import njit

from simulators.noise import hash32, uniform_at


@njit(cache=True)
def tear(flat, pair, time_ns, start, count, phase_ns, period_ps, reads, probability, k0, k1, rows):
    """With `probability`, hold a high half for 1 to 3 reads from the rollover on, in place.

    pair, time_ns, start, count, phase_ns, period_ps: shape (events,), sorted by pair and time: the rollover's pair and
    true time, and its high half's row (offset into `flat`, samples, phase, period). reads: true read times beside
    `flat`, or empty for regular clocks. rows: shape (events, 3), receives (pair, first stale sample, sample after the
    last); returns how many. A lag that would begin before the last one ended is left out.
    """
    found, free = 0, 0
    for e in range(pair.size):
        if e == 0 or pair[e] != pair[e - 1]:
            free = 1
        if uniform_at(e, k0, k1) >= probability:
            continue
        if reads.size:
            first, beyond = 0, count[e]
            while first < beyond:  # bisect the row's read times
                middle = (first + beyond) // 2
                if reads[start[e] + middle] < time_ns[e]:
                    first = middle + 1
                else:
                    beyond = middle
        else:
            first = -(-(time_ns[e] - phase_ns[e]) * 1000 // period_ps[e])
            while first > 0 and phase_ns[e] + (first - 1) * period_ps[e] // 1000 >= time_ns[e]:
                first -= 1
        if first < free or first >= count[e]:
            continue
        end = min(first + 1 + int(hash32(np.uint32(e), k1, k0) % 3), count[e])
        row = start[e]
        stale = flat[row + first - 1]
        if stale == flat[row + first]:
            continue
        for n in range(first, end):
            flat[row + n] = stale
        rows[found, 0], rows[found, 1], rows[found, 2] = pair[e], first, end
        free = end + 1
        found += 1
    return found
