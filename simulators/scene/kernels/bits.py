"""Packed words: flags, enums, counters and small signals side by side in 16 bits, sealed by parity, CRC or checksum."""

import numpy as np
from numba import float32, int32, njit, uint16, uint32

from simulators.noise import negative_log, normals, uniform_at
from simulators.scene.kernels.latent import values, values_at

FLAG, ENUM, COUNTER, SIGNAL, PARITY, CRC, CHECKSUM, CONSTANT, RESERVED = range(9)
CRC_POLYNOMIAL = 0b10011
"""x^4 + x + 1, CRC-4-ITU (ITU-T G.704), here over the word with the field's own bits zero, initial value 0xF."""

FIELD = np.dtype(
    [
        ("kind", "i8"), ("start", "i8"), ("width", "i8"), ("value", "i8"), ("every", "i8"), ("driver", "i8"),
        ("dwell_s", "f8"), ("high_share", "f8"), ("noise", "f4"), ("k0", "u4"), ("k1", "u4"),
    ],
    align=True,
)  # fmt: skip
"""A field: kind, lowest bit, width; first value (counter, constant); samples per count; driver and noise
(signal); mean dwell time and share of time that a flag is set; key of its draws."""


def crc4(word: int) -> int:
    """CRC-4 of a 16-bit word, most significant bit first, bit by bit: what the kernel's parity masks come from.

    >>> crc4(0), crc4(0x1234)
    (13, 6)
    """
    remainder = 0xF
    for bit in range(15, -1, -1):
        top = remainder >> 3 ^ word >> bit & 1
        remainder = remainder << 1 & 0xF
        if top:
            remainder ^= CRC_POLYNOMIAL & 0xF
    return remainder


def _crc_masks() -> list[np.uint16]:
    """For each of the 4 CRC bits, the mask of word bits whose parity it is: a CRC is linear over GF(2)."""
    changes = [crc4(1 << b) ^ crc4(0) for b in range(16)]
    return [np.uint16(sum(1 << b for b in range(16) if changes[b] >> bit & 1)) for bit in range(4)]


_C0, _C1, _C2, _C3 = _crc_masks()
_CRC_INITIAL = np.uint16(crc4(0))


@njit(inline="always", cache=True)
def parity(x):
    """Parity of 16 bits, 0 or 1."""
    x = uint16(x ^ uint16(x >> uint16(8)))
    x = uint16(x ^ uint16(x >> uint16(4)))
    return uint16(uint16(0x6996) >> uint16(x & uint16(15))) & uint16(1)


@njit(inline="always", cache=True)
def seal_of(kind, rest):
    """The value of a PARITY (even), CRC or CHECKSUM field for the word without that field."""
    if kind == PARITY:
        return parity(rest)
    if kind == CRC:
        c = uint16(parity(uint16(rest & _C0)) | uint16(parity(uint16(rest & _C1)) << uint16(1)))
        c |= uint16(parity(uint16(rest & _C2)) << uint16(2)) | uint16(parity(uint16(rest & _C3)) << uint16(3))
        return uint16(c ^ _CRC_INITIAL)
    total = uint16(uint16(rest & uint16(15)) + uint16(uint16(rest >> uint16(4)) & uint16(15)))
    total = uint16(total + uint16(uint16(rest >> uint16(8)) & uint16(15)))
    total = uint16(total + uint16(rest >> uint16(12)))
    return uint16(uint16(15) - uint16(total & uint16(15)))


@njit(cache=True)
def seal(row, kind, start, width):
    """Set a PARITY, CRC or CHECKSUM field of every word to fit the rest, in place."""
    own = uint16(((1 << width) - 1) << start)
    shift = uint16(start)
    for i in range(row.size):
        rest = uint16(row[i] & uint16(~own))
        row[i] = uint16(rest | uint16(seal_of(kind, rest) << shift))


@njit(cache=True, error_model="numpy")
def _dwelling(field, n, period_s, row):
    """Flags and enums: exponential dwell times (at least one sample), a new state each time."""
    states = 1 << field.width
    shift = uint16(field.start)
    i, turn = 0, 0
    state = int(uniform_at(0, field.k1, field.k0) * states)
    while i < n:
        mean = field.dwell_s
        if field.kind == FLAG:
            mean *= 2.0 * (field.high_share if state else 1.0 - field.high_share)
        length = 1 + int(mean / period_s * negative_log(uniform_at(turn, field.k0, field.k1)))
        end = min(n, i + length)
        if state:
            value = uint16(uint16(state) << shift)
            for t in range(i, end):
                row[t] |= value
        i = end
        state = (state + 1 + int(uniform_at(turn, field.k1, field.k0 ^ uint32(1)) * (states - 1))) % states
        turn += 1


@njit(cache=True, error_model="numpy")
def _signal(job, field, drivers, knots, envelopes, table, reads, n, z, row):
    """A small signal: a driver scaled into the field's range, rounded and clipped."""
    driver = drivers[field.driver]
    most, shift = float32((1 << field.width) - 1), uint16(field.start)
    sd = field.noise
    v, ticks = np.empty(z.size, np.float32), np.empty(z.size, np.int64)
    for s in range(0, n, z.size):
        m = min(z.size, n - s)
        if job.stride == 1:
            values(driver, knots, envelopes, table, job.first + s, m, z, v)
        else:
            for i in range(m):
                t = reads[job.reads + s + i] if job.reads >= 0 else job.phase_ns + (s + i) * job.period_ps // 1000
                ticks[i] = t // driver.tick_ns
            values_at(driver, knots, envelopes, table, ticks, m, v)
        if sd != float32(0.0):
            normals(table, s, m, field.k0, field.k1, z)
        for i in range(m):
            y = float32(v[i] + float32(0.5))
            if sd != float32(0.0):
                y = float32(y + sd * z[i])
            y = min(max(y, float32(0.0)), most)
            row[s + i] |= uint16(uint16(int32(y)) << shift)


@njit(cache=True, error_model="numpy")
def pack(job, fields, drivers, knots, envelopes, table, reads, row, z):
    """Fill a channel's row with the job's fields; seals come last."""
    n = row.size
    row[:] = uint16(0)
    for f in range(job.field, job.field + job.fields):
        field = fields[f]
        if field.kind == FLAG or field.kind == ENUM:
            _dwelling(field, n, job.period_s, row)
        elif field.kind == COUNTER:
            mask, shift = uint32((1 << field.width) - 1), uint32(field.start)
            value, left = uint32(field.value), field.every
            for i in range(n):
                row[i] |= uint16(uint32(value & mask) << shift)
                left -= 1
                if left == 0:
                    value = uint32(value + uint32(1))
                    left = field.every
        elif field.kind == SIGNAL:
            _signal(job, field, drivers, knots, envelopes, table, reads, n, z, row)
        elif field.kind == CONSTANT:
            value = uint16(uint16(field.value) << uint16(field.start))
            for i in range(n):
                row[i] |= value
    for f in range(job.field, job.field + job.fields):
        field = fields[f]
        if PARITY <= field.kind <= CHECKSUM:
            seal(row, field.kind, field.start, field.width)
