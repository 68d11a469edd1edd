"""Words: every channel of a scene in one kernel call, from drivers to the 16-bit words that a bus carries.

A job fills one channel's row, or the two rows of a 32-bit value whose halves are read together. Rows lie one behind
the other in one flat array. Narrow types and blocks of 2,048 samples keep the work in the first cache.
"""

import numpy as np
from numba import float32, int16, int32, int64, njit, uint16, uint32

from simulators.noise import GAUSSIAN, fill, normals
from simulators.scene.kernels.bits import pack
from simulators.scene.kernels.latent import numbers, numbers_at, values, values_at

BLOCK = 2048
PLAIN, HALVES, HIGH, LOW, BITS = range(5)
U32, I32, FLOAT32, GRAY = range(4)
FULL = 65536

JOB = np.dtype(
    [
        ("op", "i8"), ("driver", "i8"), ("row", "i8"), ("low_row", "i8"), ("n", "i8"), ("pair", "i8"),
        ("first", "i8"), ("stride", "i8"), ("phase_ns", "i8"), ("period_ps", "i8"), ("reads", "i8"), ("lossy", "i8"),
        ("modulus", "i8"), ("format", "i8"), ("swap", "i8"), ("noise_kind", "i8"), ("k0", "u4"), ("k1", "u4"),
        ("gain", "f4"), ("offset", "f4"), ("noise", "f4"), ("least", "f4"), ("most", "f4"), ("step", "f4"),
        ("field", "i8"), ("fields", "i8"), ("period_s", "f8"), ("float_scale", "f4"),
    ],
    align=True,
)  # fmt: skip
"""A job: what to fill (`row`, and for HALVES the low half's `low_row`, offsets into the flat words), from which
driver, read when (`stride` > 0: at ticks first + stride * n; else at the times `reads`, or phase + n periods), and
coded how."""

EVENT = np.dtype([("pair", "i8"), ("sample", "i8"), ("time_ns", "i8"), ("wraps", "i8")], align=True)


@njit(inline="always", cache=True)
def read_time(job, reads, n):
    """True time of read n of a job's channel, in ns."""
    return reads[job.reads + n] if job.reads >= 0 else job.phase_ns + n * job.period_ps // 1000


@njit(inline="always", cache=True)
def tick(job, driver, reads, n):
    """The driver's tick that read n of a job's channel sees."""
    return job.first + job.stride * n if job.stride > 0 else read_time(job, reads, n) // driver.tick_ns


@njit(inline="always", cache=True)
def quotient(x, modulus):
    """floor(number / modulus) of a number modulo 2^32; for the full modulus itself modulo 2^16."""
    return int32(uint32(x) >> uint32(16)) if modulus == FULL else int32(uint32(x) // uint32(modulus))


@njit(inline="always", cache=True)
def wraps_between(new, old, modulus):
    """Signed rollovers between two quotients."""
    return int64(int16(int32(new - old))) if modulus == FULL else int64(new) - int64(old)


@njit(cache=True, error_model="numpy")
def encode(x, n, modulus, fmt, float_scale, high, low):
    """Numbers modulo 2^32 into their high and low 16-bit words, before any byte swap."""
    if modulus != FULL:
        m = uint32(modulus)
        for i in range(n):
            q = uint32(x[i] // m)
            high[i] = uint16(q)
            low[i] = uint16(uint32(x[i] - uint32(q * m)))
        return
    if fmt == GRAY:
        for i in range(n):
            x[i] = x[i] ^ uint32(x[i] >> uint32(1))
    elif fmt == FLOAT32:
        for i in range(n):
            x[i] = np.float32(float32(int32(x[i])) * float_scale).view(np.uint32)
    for i in range(n):
        high[i] = uint16(x[i] >> uint32(16))
        low[i] = uint16(x[i])


@njit(cache=True)
def swap_bytes(row):
    """Swap the two bytes of every word, in place."""
    for i in range(row.size):
        row[i] = uint16(uint16(row[i] << uint16(8)) | uint16(row[i] >> uint16(8)))


@njit(cache=True, error_model="numpy")
def ticks_of(job, driver, reads, s, m, out):
    """The driver's ticks that reads s .. s + m - 1 of a job's channel see, into out[:m]."""
    if job.stride > 0:
        for i in range(m):
            out[i] = job.first + job.stride * (s + i)
    elif job.reads >= 0:
        for i in range(m):
            out[i] = reads[job.reads + s + i] // driver.tick_ns
    else:
        for i in range(m):
            out[i] = (job.phase_ns + (s + i) * job.period_ps // 1000) // driver.tick_ns


@njit(cache=True, error_model="numpy")
def plain_row(job, drivers, knots, envelopes, table, reads, row):
    """A plain value: gain * driver + offset + noise, rounded to a multiple of the step, clipped, as 16 bits."""
    z, v = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    ticks = np.empty(BLOCK, np.int64)
    driver = drivers[job.driver]
    gain, offset, sd, step = job.gain, job.offset, job.noise, job.step
    inverse = float32(float32(1.0) / step)
    for s in range(0, job.n, BLOCK):
        m = min(BLOCK, job.n - s)
        if job.stride == 1:
            values(driver, knots, envelopes, table, job.first + s, m, z, v)
        else:
            ticks_of(job, driver, reads, s, m, ticks)
            values_at(driver, knots, envelopes, table, ticks, m, v)
        if sd == float32(0.0):
            z[:m] = float32(0.0)
        elif job.noise_kind == GAUSSIAN:
            normals(table, s, m, job.k0, job.k1, z)
        else:
            fill(job.noise_kind, table, s, m, job.k0, job.k1, z)
        out = row[s : s + m]
        for i in range(m):
            y = float32(float32(gain * v[i] + offset) + sd * z[i])
            y = float32(np.floor(float32(float32(y * inverse) + float32(0.5))) * step)
            y = min(max(y, job.least), job.most)
            out[i] = uint16(int32(y))


@njit(cache=True, error_model="numpy")
def half_rows(job, drivers, knots, envelopes, table, reads, high, low, quotients):
    """Both halves of a 32-bit value read at this job's times, and floor(number / modulus)."""
    z, e = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    x, ticks = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.int64)
    driver = drivers[job.driver]
    for s in range(0, job.n, BLOCK):
        m = min(BLOCK, job.n - s)
        if job.stride == 1:
            numbers(driver, knots, envelopes, table, job.first + s, m, z, e, x)
        else:
            ticks_of(job, driver, reads, s, m, ticks)
            numbers_at(driver, knots, envelopes, table, ticks, m, e, x)
        q = quotients[s : s + m]
        if job.modulus == FULL:
            for i in range(m):
                q[i] = int32(x[i] >> uint32(16))
        else:
            for i in range(m):
                q[i] = quotient(x[i], job.modulus)
        encode(x, m, job.modulus, job.format, job.float_scale, high[s : s + m], low[s : s + m])


@njit(cache=True)
def hold(row, kept):
    """Replace what was not kept by the last value that was, in place; the first sample always is."""
    for i in range(1, row.size):
        if not kept[i]:
            row[i] = row[i - 1]


@njit(cache=True, error_model="numpy")
def _since(job, driver, knots, envelopes, table, k, last, q, ticks, e, x):
    """The first tick of the run of ticks, back from k and after `last`, over which the quotient is q."""
    while k - 1 > last:
        m = min(k - 1 - last, ticks.size)
        for i in range(m):
            ticks[i] = k - 1 - i
        numbers_at(driver, knots, envelopes, table, ticks, m, e, x)
        for i in range(m):
            if quotient(x[i], job.modulus) != q:
                return k - i
        k -= m
    return k


@njit(cache=True, error_model="numpy")
def _events(job, drivers, knots, envelopes, table, reads, quotients, kept, events, count):
    """Append the rollovers of a low half to the events; returns how many there are (maybe more than fit)."""
    driver = drivers[job.driver]
    ticks, e, x = np.empty(16, np.int64), np.empty(16, np.float32), np.empty(16, np.uint32)
    last = 0
    for s in range(1, job.n, 64):
        end = min(s + 64, job.n)
        if not job.lossy:
            moved = 0
            for n in range(s, end):
                moved |= quotients[n] ^ quotients[n - 1]
            if moved == 0:
                continue
            last = s - 1
        for n in range(s, end):
            if job.lossy and not kept[job.low_row + n]:
                continue
            if quotients[n] != quotients[last]:
                if count < events.size:
                    k, before = tick(job, driver, reads, n), tick(job, driver, reads, last)
                    since = _since(job, driver, knots, envelopes, table, k, before, quotients[n], ticks, e, x)
                    event = events[count]
                    event.pair = job.pair
                    event.sample = n
                    event.wraps = wraps_between(quotients[n], quotients[last], job.modulus)
                    on_tick = driver.tick_ns > 0
                    event.time_ns = since * driver.tick_ns if on_tick else read_time(job, reads, n - (k - since))
                count += 1
            last = n
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def run_jobs(jobs, drivers, fields, knots, envelopes, table, reads, kept, words, events):
    """Fill all rows of a scene; returns the number of rollovers, of which the first `events.size` are stored.

    Jobs come in the order in which they are to run. `kept` is a flat boolean beside `words` (or empty, when no job is
    `lossy`): where it is False, the word before is held.
    """
    longest = 0
    for j in range(jobs.size):
        longest = max(longest, jobs[j].n)
    quotients = np.empty(longest, np.int32)
    spare = np.empty(longest, np.uint16)
    z = np.empty(BLOCK, np.float32)
    count = 0
    for j in range(jobs.size):
        job = jobs[j]
        n = job.n
        row = words[job.row : job.row + n]
        if job.op == PLAIN:
            plain_row(job, drivers, knots, envelopes, table, reads, row)
        elif job.op == BITS:
            pack(job, fields, drivers, knots, envelopes, table, reads, row, z)
        elif job.op == HALVES:
            half_rows(
                job, drivers, knots, envelopes, table, reads, row, words[job.low_row : job.low_row + n], quotients
            )
        elif job.op == HIGH:
            half_rows(job, drivers, knots, envelopes, table, reads, row, spare, quotients)
        elif job.op == LOW:
            half_rows(job, drivers, knots, envelopes, table, reads, spare, row, quotients)
        if job.swap:
            swap_bytes(row)
            if job.op == HALVES:
                swap_bytes(words[job.low_row : job.low_row + n])
        if job.lossy:
            hold(row, kept[job.row : job.row + n])
            if job.op == HALVES:
                hold(words[job.low_row : job.low_row + n], kept[job.low_row : job.low_row + n])
        if job.pair >= 0 and job.op != HIGH and job.format != FLOAT32:
            count = _events(job, drivers, knots, envelopes, table, reads, quotients, kept, events, count)
    return count


@njit(cache=True)
def changes(row):
    """Whether a row of words ever changes."""
    first = row[0]
    for s in range(0, row.size, 1024):
        part = row[s : s + 1024]
        moved = uint16(0)
        for i in range(part.size):
            moved = uint16(moved | uint16(part[i] ^ first))
        if moved:
            return True
    return False


@njit(cache=True)
def count_events(times, start, read, n, phase_ns, period_ps, row):
    """A counter of rollovers: at each read, `start` plus the events whose time has come; rolls over at 65,536.

    times: ascending, shape (e,) int64 ns; read: true read times, shape (n,), or empty for a regular clock.
    """
    seen = 0
    for i in range(n):
        t = read[i] if read.size else phase_ns + i * period_ps // 1000
        while seen < times.size and times[seen] <= t:
            seen += 1
        row[i] = uint16(start + seen)
