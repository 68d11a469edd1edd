"""Generalised coordinates along time, with their first and second derivatives: every term is a formula, so are these.

`out` (3, coordinates, n): value, rate, acceleration; kernels add to it. Times (n,) s ascend. A track is a run of
polynomials of the fifth degree: piece p holds from start[p] to start[p + 1], in powers of t - start[p]; the first
serves earlier times, too.
"""

import math

import numpy as np
from numba import njit

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit

BLOCK = 128
TAU = 2 * math.pi


@njit(inline="always", cache=True)
def sin_cos(x):
    """(sin x, cos x) for |x| < 1e5 to 1e-15 of 1, from arithmetic alone: fdlibm's polynomials about the quadrants."""
    k = np.floor(x * 0.6366197723675814 + 0.5)
    r = (x - k * 1.5707963267341256) - k * 6.077100506506192e-11
    z = r * r
    s = r + r * z * (-1.66666666666666324348e-01 + z * (8.33333333332248946124e-03 + z * (
        -1.98412698298579493134e-04 + z * (2.75573137070700676789e-06 + z * (
        -2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))))  # fmt: skip
    c = 1.0 - 0.5 * z + z * z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03
        + z * (2.48015872894767294178e-05 + z * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09
        - z * 1.13596475577881948265e-11)))))  # fmt: skip
    q = int(k) & 3
    a = c if q & 1 else s
    b = s if q & 1 else c
    return (-a if q & 2 else a), (-b if (q + 1) & 2 else b)


@njit(cache=True, error_model="numpy")
def track(times, start, power, out):
    """Value and derivatives of one track at times (n,) into out (3, n); start (pieces,), power (pieces, 6)."""
    n, pieces = times.size, start.size
    i = p = 0
    while i < n:
        while p + 1 < pieces and times[i] >= start[p + 1]:
            p += 1
        j = n if p + 1 == pieces else np.searchsorted(times, start[p + 1])
        a, b, c, d, e, f = power[p, 0], power[p, 1], power[p, 2], power[p, 3], power[p, 4], power[p, 5]
        t0 = start[p]
        for k in range(i, j):
            t = times[k] - t0
            out[0, k] = a + t * (b + t * (c + t * (d + t * (e + t * f))))
            out[1, k] = b + t * (2 * c + t * (3 * d + t * (4 * e + t * 5 * f)))
            out[2, k] = 2 * c + t * (6 * d + t * (12 * e + t * 20 * f))
        i = j


@njit(cache=True, error_model="numpy")
def tracks(times, first, start, power, which, out):
    """Set coordinates `which` of out (3, coordinates, n) to their tracks, whose pieces are first[c] to first[c + 1]."""
    for i in range(which.size):
        c = which[i]
        a, b = first[c], first[c + 1]
        track(times, start[a:b], power[a:b], out[:, c])


@njit(cache=True, error_model="numpy")
def cycles(times, phase_start, phase_power, size_start, size_power, which, wave, out):
    """Add size(t) * F(phase(t)) to coordinates `which` (k,) of out.

    The phase is in cycles; wave (k, harmonics, 2): cos, sin.
    """
    n, harmonics = times.size, wave.shape[1]
    phase, size = np.empty((3, n)), np.empty((3, n))
    track(times, phase_start, phase_power, phase)
    track(times, size_start, size_power, size)
    c, s = np.empty((harmonics, BLOCK)), np.empty((harmonics, BLOCK))
    f0, f1, f2 = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    for i in range(0, n, BLOCK):
        m = min(BLOCK, n - i)
        for k in range(m):
            turn = phase[0, i + k]
            s[0, k], c[0, k] = sin_cos(TAU * (turn - np.floor(turn)))
        for h in range(1, harmonics):
            for k in range(m):
                c[h, k] = c[h - 1, k] * c[0, k] - s[h - 1, k] * s[0, k]
                s[h, k] = s[h - 1, k] * c[0, k] + c[h - 1, k] * s[0, k]
        for j in range(which.size):
            f0[:m] = 0.0
            f1[:m] = 0.0
            f2[:m] = 0.0
            for h in range(harmonics):
                a, b, w = wave[j, h, 0], wave[j, h, 1], TAU * (h + 1)
                if a == 0.0 and b == 0.0:
                    continue
                for k in range(m):
                    value = a * c[h, k] + b * s[h, k]
                    f0[k] += value
                    f1[k] += w * (b * c[h, k] - a * s[h, k])
                    f2[k] -= w * w * value
            q0, q1, q2 = out[0, which[j], i : i + m], out[1, which[j], i : i + m], out[2, which[j], i : i + m]
            for k in range(m):
                p1, p2 = phase[1, i + k], phase[2, i + k]
                a0, a1, a2 = size[0, i + k], size[1, i + k], size[2, i + k]
                q0[k] += a0 * f0[k]
                q1[k] += a1 * f0[k] + a0 * f1[k] * p1
                q2[k] += a2 * f0[k] + 2 * a1 * f1[k] * p1 + a0 * (f2[k] * p1 * p1 + f1[k] * p2)


@njit(cache=True, error_model="numpy")
def spline(times, begin, step, control, which, out):
    """Add uniform cubic B-splines: control (k, points), of which point j weighs on begin + (j - 3 .. j + 1) * step.

    Times outside the spline take its first or last stretch: there must be points for all.
    """
    n, points = times.size, control.shape[1]
    w = 1.0 / step
    i = 0
    while i < n:
        p = min(max(int(np.floor((times[i] - begin) * w)), 0), points - 4)
        end = begin + (p + 1) * step
        j = n if p == points - 4 else max(i + 1, np.searchsorted(times, end))
        for r in range(which.size):
            a, b, c, d = control[r, p], control[r, p + 1], control[r, p + 2], control[r, p + 3]
            k0, k1 = (a + 4 * b + c) / 6, (c - a) / 2
            k2, k3 = (a - 2 * b + c) / 2, (d - a + 3 * (b - c)) / 6
            q0, q1, q2 = out[0, which[r]], out[1, which[r]], out[2, which[r]]
            for k in range(i, j):
                t = (times[k] - begin) * w - p
                q0[k] += k0 + t * (k1 + t * (k2 + t * k3))
                q1[k] += w * (k1 + t * (2 * k2 + t * 3 * k3))
                q2[k] += w * w * (2 * k2 + t * 6 * k3)
        i = j


@njit(cache=True, error_model="numpy")
def shocks(times, at, tau, up, forward, out):
    """Add displacements of shocks in the world, and their derivatives, to out (2, 3, n): (up, forward), (0, 1, 2).

    Event e is peak[e] * u((t - at[e]) / tau[e]) with u'' = (6 x - 6 x^2 + x^3) e^-x scaled to a largest value of 1,
    u = x^3 e^-x: it begins without a jump and leaves no speed behind. up, forward (events,): peaks in m/s^2.
    """
    for e in range(at.size):
        i, w = np.searchsorted(times, at[e]), 1.0 / tau[e]
        last = at[e] + 18.0 * tau[e]
        while i < times.size and times[i] < last:
            x = (times[i] - at[e]) * w
            g = np.exp(-x) / PEAK
            u0 = x * x * x * g * tau[e] * tau[e]
            u1 = x * x * (3 - x) * g * tau[e]
            u2 = x * (6 + x * (x - 6)) * g
            out[0, 0, i] += up[e] * u0
            out[0, 1, i] += up[e] * u1
            out[0, 2, i] += up[e] * u2
            out[1, 0, i] += forward[e] * u0
            out[1, 1, i] += forward[e] * u1
            out[1, 2, i] += forward[e] * u2
            i += 1


_X = np.linspace(0, 3, 30001)
PEAK = float((_X * (6 + _X * (_X - 6)) * np.exp(-_X)).max())
"""Largest value of (6 x - 6 x^2 + x^3) e^-x."""
