"""Reading a block (channels, time) at other places in time, as physics has it; and the splines that such curves are.

Every sum has a fixed order and no operation is fused, so a sample has the same bits in any batch; sums that may lose
digits are float64. Nothing is checked.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import float32, int64, njit
from numba.extending import intrinsic

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit

TAPS, BEFORE = 8, 3
POLYNOMIALS = np.array([
    (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0),
    (-0.01787748, 0.137428924, -0.67011261, -0.187463298, 0.987195134, -0.324620515, 0.0885945112, -0.0131446868),
    (0.0107706683, -0.111487202, 0.861125231, -1.54633534, 0.929689348, -0.175350964, 0.0350160263, -0.00342771388),
    (0.0189464185, -0.10071785, -0.0365332589, 0.642255783, -1.00842738, 0.654450893, -0.198386669, 0.0284120068),
    (-0.0118396059, 0.0747761279, -0.154479399, 0.0915428847, 0.0915428847, -0.154479399, 0.0747761279, -0.0118396059),
], np.float32)  # fmt: skip
"""The weight of each of TAPS samples, BEFORE of them before the one that a place lies behind: a polynomial of the
place's broken part, coefficients in ascending order. Exact at samples and for constants; the least squares fit to
waves below 0.4 of the Nyquist frequency, where the error is below 2e-4 (a test makes the design again). Source of the
structure: Farrow, "A continuously variable digital delay element", ISCAS 1988."""

_P0, _P1, _P2, _P3, _P4 = POLYNOMIALS


class Room(NamedTuple):
    """Arrays to work in."""

    curve: np.ndarray
    pace: np.ndarray
    at: np.ndarray
    rest: np.ndarray
    weights: np.ndarray
    padded: np.ndarray
    sums: np.ndarray
    slow: np.ndarray
    gravity: np.ndarray


@njit(cache=True)
def room(time):
    """Arrays for blocks of so many samples."""
    return Room(np.empty(time), np.empty(time, np.float32), np.empty(time, np.int64), np.empty(time, np.float32),
                np.empty(time * TAPS, np.float32), np.empty(time + TAPS, np.float32), np.empty((3, time + 1)),
                np.empty((3, time + 1)), np.empty(time, np.float32))  # fmt: skip


def intervals_of(knots: int, time: int) -> np.ndarray:
    """The interval between knots that each sample is in, (time,) int64; the last sample is in the last one."""
    return np.minimum(np.arange(time) * knots // (time - 1), knots - 1)


def splines(knots: int, time: int) -> tuple[np.ndarray, np.ndarray]:
    """The four cubic B-splines at each sample, and their derivatives by sample, (4, time) each."""
    step = knots / (time - 1)
    f = np.arange(time) * step - intervals_of(knots, time)
    g = 1 - f
    basis = np.array([g**3, 3 * f**3 - 6 * f**2 + 4, 3 * g**3 - 6 * g**2 + 4, f**3]) / 6
    slopes = np.array([-(g**2), 3 * f**2 - 4 * f, 4 * g - 3 * g**2, f**2]) * (step / 2)
    return basis, slopes


@njit(cache=True)
def move(source, start, target, to, count):
    """Copies `count` numbers."""
    source, target = source[start : start + count], target[to : to + count]
    for t in range(count):
        target[t] = source[t]


@njit(cache=True, error_model="numpy")
def spline(points, basis, out):
    """out[t] = the B-spline of these control points, or its derivative."""
    time, knots = out.size, points.size - 3
    start = 0
    for j in range(knots):
        stop = time if j == knots - 1 else -((j + 1) * (1 - time) // knots)  # as `intervals_of` has it
        a, b, c, d = points[j], points[j + 1], points[j + 2], points[j + 3]
        p, q, r, s, o = (basis[0][start:stop], basis[1][start:stop], basis[2][start:stop], basis[3][start:stop],
                         out[start:stop])  # fmt: skip
        for t in range(o.size):
            o[t] = ((a * p[t] + b * q[t]) + c * r[t]) + d * s[t]
        start = stop


@njit(cache=True)
def known(row):
    """The first number that is one, else 0."""
    for t in range(row.size):
        if row[t] == row[t]:
            return row[t]
    return np.float32(0)


@njit(cache=True, error_model="numpy")
def low_pass(x, y, z, half, sums, out):
    """Two passes of a centred moving mean of 2 half + 1 samples, of those that there are at the edges.

    out, sums (3, time + 1) float64, the last of out twice. Zero phase; a constant stays one. For nan stands the number
    before it, at the start the one behind it.
    """
    time = x.size
    u, v, w = known(x), known(y), known(z)
    inner = max(half, time - half)
    share = 1.0 / (2 * half + 1)
    sums[:, 0] = 0.0
    for again in range(2):
        a, b, c = 0.0, 0.0, 0.0
        for t in range(time):
            if again:
                a, b, c = a + out[0, t], b + out[1, t], c + out[2, t]
            else:
                u, v, w = x[t] if x[t] == x[t] else u, y[t] if y[t] == y[t] else v, z[t] if z[t] == z[t] else w
                a, b, c = a + u, b + v, c + w
            sums[0, t + 1], sums[1, t + 1], sums[2, t + 1] = a, b, c
        for i in range(3):
            total, mean = sums[i], out[i]
            before, behind = total, total[2 * half + 1 :]
            for t in range(half, inner):
                mean[t] = (behind[t - half] - before[t - half]) * share
            for t in range(min(half, time)):
                high = min(time, t + half + 1)
                mean[t] = (total[high] - total[0]) / high
            for t in range(inner, time):
                low = t - half
                mean[t] = (total[time] - total[low]) / (time - low)
            mean[time] = mean[time - 1]


@njit(cache=True, error_model="numpy")
def places(curve, at, rest, weights):
    """Whole and broken part of each place in time, and the weights of its taps, (time * TAPS,) float32."""
    last = float(at.size - 1)
    for t in range(at.size):
        u = min(max(curve[t], 0.0), last)
        at[t] = int(u)
        rest[t] = np.float32(u - at[t])
    for t in range(at.size):
        f = rest[t]
        for k in range(TAPS):
            weights[t * TAPS + k] = (((_P4[k] * f + _P3[k]) * f + _P2[k]) * f + _P1[k]) * f + _P0[k]


@intrinsic
def dot8(typing_context, a, i, b, j):
    """a[i : i + 8] . b[j : j + 8], float32, by halves: ((0+4)+(2+6)) + ((1+5)+(3+7))."""

    def build(context, builder, signature, arguments):
        word, eight = ir.IntType(32), ir.VectorType(ir.FloatType(), 8)

        def load(kind, array, index):
            data = context.make_array(kind)(context, builder, array).data
            return builder.load(builder.bitcast(builder.gep(data, [index]), eight.as_pointer()), align=4)

        total = builder.fmul(load(a, *arguments[:2]), load(b, *arguments[2:]))
        for n in (4, 2, 1):
            low, high = (ir.Constant(ir.VectorType(word, n), list(range(m, m + n))) for m in (0, n))
            none = ir.Constant(total.type, ir.Undefined)
            halves = [builder.shuffle_vector(total, none, half) for half in (low, high)]
            total = builder.fadd(*halves)
        return builder.extract_element(total, ir.Constant(word, 0))

    return float32(a, int64, b, int64), build


@njit(cache=True, error_model="numpy")
def interpolate(row, at, weights, padded):
    """The row at other places of time; the first and last sample stand for what lies beyond."""
    time = row.size
    padded[:BEFORE], padded[time + BEFORE : time + TAPS] = row[0], row[time - 1]
    move(row, 0, padded, BEFORE, time)
    for t in range(time):
        row[t] = dot8(padded, at[t], weights, t * TAPS)


@njit(cache=True, error_model="numpy")
def between(low, at, rest, out):
    """A slow signal (time + 1,) at other places of time, on straight lines."""
    for t in range(out.size):
        out[t] = low[at[t]] + (low[at[t] + 1] - low[at[t]]) * rest[t]


@njit(cache=True, error_model="numpy")
def accelerate(row, gravity, pace):
    """What is not gravity, times the square of the pace."""
    for t in range(row.size):
        row[t] = gravity[t] + pace[t] * pace[t] * (row[t] - gravity[t])


@njit(cache=True, error_model="numpy")
def warp(block, groups, group, powers, accelerometers, half, r):
    """Reads a group's channels at the places r.curve; r.pace is how many times faster time runs there."""
    places(r.curve, r.at, r.rest, r.weights)
    for c in range(block.shape[0]):
        if groups[c] == group and powers[c] >= 0:
            row = block[c]
            interpolate(row, r.at, r.weights, r.padded)
            for _ in range(powers[c]):
                for t in range(row.size):
                    row[t] *= r.pace[t]
    for i in range(accelerometers.shape[0]):
        a = accelerometers[i]
        if groups[a[0]] == group:
            if a[3] < 0:
                low_pass(block[a[0]], block[a[1]], block[a[2]], half, r.sums, r.slow)
            for j in range(3):
                interpolate(block[a[j]], r.at, r.weights, r.padded)
                if a[3] < 0:
                    between(r.slow[j], r.at, r.rest, r.gravity)
                    accelerate(block[a[j]], r.gravity, r.pace)
                else:
                    accelerate(block[a[j]], block[a[3 + j]], r.pace)  # gravity's own channels have been read


@njit(cache=True)
def hold(block, groups, group, curve, padded):
    """Reads a group's words at the nearest samples to the places in time."""
    for c in range(block.shape[0]):
        if groups[c] == group:
            row, last = block[c], block.shape[1] - 1
            move(row, 0, padded, 0, row.size)
            for t in range(row.size):
                row[t] = padded[min(max(int(curve[t] + 0.500001), 0), last)]


@njit(cache=True, error_model="numpy")
def warp_all(block, curves, paces, program):
    """Warps each sample of float32 blocks (samples, channels, time) along its curve."""
    r, groups = room(block.shape[2]), np.zeros(block.shape[1], np.int64)
    for b in range(block.shape[0]):
        move(curves[b], 0, r.curve, 0, block.shape[2])
        move(paces[b], 0, r.pace, 0, block.shape[2])
        warp(block[b], groups, 0, program.powers, program.accelerometers, program.half, r)


@njit(cache=True)
def hold_all(block, curves):
    """Warps words."""
    groups, padded = np.zeros(block.shape[1], np.int64), np.empty(block.shape[2], np.uint16)
    for b in range(block.shape[0]):
        hold(block[b], groups, 0, curves[b], padded)
