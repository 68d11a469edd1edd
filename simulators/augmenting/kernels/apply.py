"""What an operation does to one sample: a block (channels, time) that stays in the cache through all operations.

Blocks are float32, or uint16 for words where a function says so. Rows of parameters are those of `draws`, without
column 0. Nothing is checked. Every sum has a fixed order and no operation is fused: a sample has the same bits in any
batch.
"""

from typing import NamedTuple

import numpy as np
from numba import njit, uint32, uint64

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit
from simulators.augmenting.kernels.warp import hold, move, room, spline, warp
from simulators.noise import normals

JITTER, SCALE, ROTATE, WARP, MODULATE, DRIFT, SEGMENTS, INTERVALS, PATCHES, FLIP, RESAMPLE = range(11)
"""Operations; the last one is not for kernels."""

ZERO, HOLD, NAN = range(3)
"""What fills a gap."""

M1, M2, M3 = 0x21F0AAAD, 0x735A2D97, 0x05EBCA6B
BULK = np.uint32(0xA511E9B3)
"""Multipliers of the random order of bits, and what tells the keys of bulk draws from those of parameters."""


class Program(NamedTuple):
    """A pipeline for the kernels. Row i of each array but the last four is operation i's."""

    codes: np.ndarray
    """(operations,) int64"""
    offsets: np.ndarray
    """(operations + 1,) int64: first column of its parameters"""
    groups: np.ndarray
    """(operations, channels) int64: each channel's group"""
    levels: np.ndarray
    """(operations, channels) float32: sd by channel"""
    options: np.ndarray
    """(operations, 4) int64: knots, span, count or width; fill or size; lowest bit; bits"""
    basis: np.ndarray
    """(operations, 4, time) float64: cubic B-splines"""
    slopes: np.ndarray
    """(operations, 4, time) float64: their derivatives by sample"""
    triads: np.ndarray
    """(vectors, 4) int64: group, x, y, z"""
    accelerometers: np.ndarray
    """(accelerometers, 6) int64: x, y, z; x, y, z of gravity or -1"""
    powers: np.ndarray
    """(channels,) int64: of the pace of time that a warp multiplies by; -1 of an accelerometer"""
    half: int
    """of the moving mean that finds gravity, samples"""


@njit(cache=True, error_model="numpy")
def jitter(block, sd, table, k0, k1, scratch):
    """Adds white noise."""
    time = block.shape[1]
    normals(table, 0, block.size, k0, k1, scratch)
    for c in range(block.shape[0]):
        row, z, s = block[c], scratch[c * time : (c + 1) * time], sd[c]
        for t in range(time):
            row[t] += s * z[t]


@njit(cache=True)
def scale(block, groups, q):
    """Multiplies each channel by its group's factor."""
    for c in range(block.shape[0]):
        row, factor = block[c], np.float32(q[groups[c]])
        for t in range(row.size):
            row[t] *= factor


@njit(cache=True)
def rotate(block, triads, q):
    """Turns vectors by their group's matrix."""
    m = np.empty(9, np.float32)
    for i in range(triads.shape[0]):
        move(q, 9 * triads[i, 0], m, 0, 9)
        x, y, z = block[triads[i, 1]], block[triads[i, 2]], block[triads[i, 3]]
        a, b, c, d, e, f, g, h, k = m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8]
        for t in range(x.size):
            u, v, w = x[t], y[t], z[t]
            x[t], y[t], z[t] = (a * u + b * v) + c * w, (d * u + e * v) + f * w, (g * u + h * v) + k * w


@njit(cache=True, error_model="numpy")
def modulate(block, groups, width, q, basis, levels, added, curve, factor):
    """Multiplies each channel by its group's curve, or adds the curve times the channel's level."""
    known = -1
    for c in range(block.shape[0]):
        row, g, level = block[c], groups[c], levels[c]
        if g != known:
            spline(q[width * g : width * g + width], basis, curve)
            move(curve, 0, factor, 0, row.size)
            known = g
        if added:
            for t in range(row.size):
                row[t] += level * factor[t]
        else:
            for t in range(row.size):
                row[t] *= factor[t]


@njit(cache=True)
def reorder(block, groups, width, q, padded):
    """Puts the segments of each channel in its group's order."""
    for c in range(block.shape[0]):
        row, parts = block[c], q[width * groups[c] : width * groups[c] + width]
        move(row, 0, padded, 0, row.size)
        to = 0
        for i in range(int(parts[0])):
            count = int(parts[2 + 2 * i])
            move(padded, int(parts[1 + 2 * i]), row, to, count)
            to += count


@njit(cache=True)
def blank(row, start, stop, fill):
    """Fills a gap with zero, with the sample before it (at the start: behind it), or with nan."""
    if fill == NAN:
        row[start:stop] = row[start] * np.nan
    elif fill == HOLD and start > 0:
        row[start:stop] = row[start - 1]
    elif fill == HOLD and stop < row.size:
        row[start:stop] = row[stop]
    else:
        row[start:stop] = 0


@njit(cache=True)
def gaps(block, groups, q, fill):
    """Fills each channel's interval."""
    for c in range(block.shape[0]):
        start, stop = int(q[2 * groups[c]]), int(q[2 * groups[c] + 1])
        if stop > start:
            blank(block[c], start, stop, fill)


@njit(cache=True)
def patches(block, groups, q, span, fill):
    """Fills each channel's chosen patches, neighbours as one gap."""
    time = block.shape[1]
    n = (time + span - 1) // span
    for c in range(block.shape[0]):
        chosen, i = q[n * groups[c] : n * groups[c] + n], 0
        while i < n:
            start = i
            while i < n and chosen[i] > 0:
                i += 1
            if i > start:
                blank(block[c], start * span, min(i * span, time), fill)
            i += 1


@njit(cache=True)
def shuffled(i, n, bits, k0, k1):
    """The place of i in a random order of 0 .. n - 1, n <= 2^bits: steps that are one-to-one on `bits` bits, until
    they end below n. Source: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002 (cycle walking).
    """
    mask, s = (uint64(1) << uint64(bits)) - uint64(1), uint64((bits + 1) // 2)
    x = uint64(i)
    while True:
        x = ((x ^ uint64(k0)) * uint64(M1)) & mask
        x = ((x ^ (x >> s)) * uint64(M2) + uint64(k1)) & mask
        x = ((x ^ (x >> s)) * uint64(M3)) & mask
        x = ((x ^ (x >> s)) * uint64(M1) + uint64(k0 >> uint32(16))) & mask
        x ^= x >> s
        if x < uint64(n):
            return int(x)


@njit(cache=True)
def flip(block, count, lowest, bits, size, k0, k1):
    """Flips `count` of the block's bits, of `bits` bits a word from `lowest` on; 2^size is enough for all."""
    time = block.shape[1]
    for i in range(count):
        j = shuffled(i, block.size * bits, size, k0, k1)
        word = j // bits
        block[word // time, word % time] ^= np.uint16(1 << (lowest + j % bits))


@njit(cache=True)
def moved(code, block, groups, q, options, padded):
    """Operations that only move or blank values, of whatever type."""
    if code == SEGMENTS:
        reorder(block, groups, options[0], q, padded)
    elif code == INTERVALS:
        gaps(block, groups, q, options[1])
    elif code == PATCHES:
        patches(block, groups, q, options[0], options[1])


@njit(cache=True, error_model="numpy", nogil=True)
def run(x, out, keys, parameters, program, first, stop, table):
    """Operations first to stop - 1 on float32 samples (samples, channels, time); keys (operations, samples, 2)."""
    time = x.shape[2]
    r, noise = room(time), np.empty(x.shape[1] * time, np.float32)
    for b in range(x.shape[0]):
        block = out[b]
        for c in range(x.shape[1]):
            move(x[b, c], 0, block[c], 0, time)
        for i in range(first, stop):
            row = parameters[b, program.offsets[i] : program.offsets[i + 1]]
            if row[0] == 0:
                continue
            code, q, groups, options = program.codes[i], row[1:], program.groups[i], program.options[i]
            if code == JITTER:
                jitter(block, program.levels[i], table, keys[i, b, 0] ^ BULK, keys[i, b, 1], noise)
            elif code == SCALE:
                scale(block, groups, q)
            elif code == ROTATE:
                rotate(block, program.triads, q)
            elif code == WARP:
                n = options[0] + 3
                for g in range(q.size // n):
                    spline(q[n * g : n * g + n], program.slopes[i], r.curve)
                    move(r.curve, 0, r.pace, 0, time)
                    spline(q[n * g : n * g + n], program.basis[i], r.curve)
                    warp(block, groups, g, program.powers, program.accelerometers, program.half, r)
            elif code in (MODULATE, DRIFT):
                added, width = code == DRIFT, options[0] + 3
                modulate(block, groups, width, q, program.basis[i], program.levels[i], added, r.curve, r.pace)
            else:
                moved(code, block, groups, q, options, r.padded)


@njit(cache=True, error_model="numpy", nogil=True)
def run_words(x, out, keys, parameters, program, first, stop):
    """The same on uint16 samples."""
    time = x.shape[2]
    curve, padded = np.empty(time), np.empty(time, np.uint16)
    for b in range(x.shape[0]):
        block = out[b]
        for c in range(x.shape[1]):
            move(x[b, c], 0, block[c], 0, time)
        for i in range(first, stop):
            row = parameters[b, program.offsets[i] : program.offsets[i + 1]]
            if row[0] == 0:
                continue
            code, q, groups, options = program.codes[i], row[1:], program.groups[i], program.options[i]
            if code == FLIP:
                flip(block, options[0], options[2], options[3], options[1], keys[i, b, 0] ^ BULK, keys[i, b, 1])
            elif code == WARP:
                n = options[0] + 3
                for g in range(q.size // n):
                    spline(q[n * g : n * g + n], program.basis[i], curve)
                    hold(block, groups, g, curve, padded)
            else:
                moved(code, block, groups, q, options, padded)
