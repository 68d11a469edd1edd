"""Exact field of axially magnetised cylinders: closed form near, series far.

Closed form: Derby and Olbert, "Cylindrical magnets and ideal solenoids", Am. J. Phys. 78, 229 (2010). Each end needs
two complete elliptic integrals of Bulirsch's form cel(k, p, c, s) (Numer. Math. 13, 305, 1969): cel(k, 1, 1, -1) and
cel(k, g^2, 1, g). One sequence of arithmetic-geometric means serves both. The second runs beside it; the first is a
sum of squared differences of means, because

    cel(k, 1, 1, -1) = K - 2 (K - E) / m = -K / m sum over n >= 1 of 2^n c_n^2,   m = 1 - k^2, c_n = (a - b) / 2,

which loses no digits as m goes to 0 (DLMF 19.8.6). The number of steps is fixed, so that poses go in vectors.

Far away the closed form is a small difference of large numbers, and loses as many digits as r^3 / (a^2 h) has. There
the multipole series is the more exact one and the faster: from FAR times the radius of the sphere round the cylinder
the series to l = 2 TERMS - 1 serves, which leaves out less than 1e-14 of the field.

Shapes and units as in `fields`. Inside the cylinder it is B (not H) that comes out; within 1e-7 radii of an edge the
steps are too few.
"""

import numpy as np
from numba import njit

from simulators.hand.kernels.fields import BLOCK, reached, rows, target

FAR = 4.0
TERMS = 13
STEPS = 7
SCALE = 0.5 / 2.0**STEPS


@njit(inline="always", cache=True)
def end(z, rho, p, s):
    """Radial part over rho and axial part of one end, a disc of radius 1 at height -z."""
    up, gap = 1.0 + rho, 1.0 - rho
    f = 1.0 / np.sqrt(z * z + up * up)
    m = 4.0 * rho * f * f
    b = np.sqrt(z * z + gap * gap) * f
    a, c, total, weight = 1.0, 1.0, 0.0, 2.0
    e = 0.5 / (1.0 + b)  # c_1 / m
    for n in range(STEPS):
        g = a * b
        i = 1.0 / p
        q = g * i
        d = 0.5 * (a - b)
        total += 0.0 if n == 0 else weight * d * d
        weight *= 2.0
        c, s, p = c + s * i, s + c * q, 0.5 * (p + q)
        a, b = 0.5 * (a + b), np.sqrt(g)
    m = max(m, 1e-18)  # so near the axis only e counts
    return (2.0 * e * e + total / (m * m)) * f * f * f / a, z * f * (s + c * a) / (a * (a + p))


@njit(inline="always", cache=True)
def closed_form(rho, z, length):
    """B_rho / rho and B_z at (rho, z) from the centre of a cylinder of radius 1, half length `length`, Br 1."""
    i = 1.0 / (1.0 + rho)
    p = max(abs(1.0 - rho) * i, 1e-15)  # straight above the edge: the limit, in which both sides agree
    s = 1.0 if rho <= 1.0 else -1.0
    lower, below = end(z + length, rho, p, s)
    upper, above = end(z - length, rho, p, s)
    return 2.0 * (upper - lower), SCALE * i * (below - above)


@njit(cache=True, error_model="numpy")
def _add_near(x, y, z, ux, uy, uz, b, a, h, limit2, px, py, pz, bx, by, bz):
    i_a = 1.0 / a
    length = h * i_a
    for i in range(x.size):
        dx, dy, dz = px - x[i], py - y[i], pz - z[i]
        t = ux[i] * dx + uy[i] * dy + uz[i] * dz
        vx, vy, vz = dx - t * ux[i], dy - t * uy[i], dz - t * uz[i]
        k, f = closed_form(np.sqrt(vx * vx + vy * vy + vz * vz) * i_a, t * i_a, length)
        scale = b if dx * dx + dy * dy + dz * dz < limit2 else 0.0
        k, f = scale * k * i_a, scale * f
        bx[i] += k * vx + f * ux[i]
        by[i] += k * vy + f * uy[i]
        bz[i] += k * vz + f * uz[i]


@njit(inline="always", cache=True)
def more(n, c, w, a, low, high, power, k, h):
    """Add the multipole l = 2 n + 1: P'_l and P'_(l+1) from those before them (DLMF 18.9.1)."""
    low = (2.0 + 1.0 / (2 * n)) * c * high - (1.0 + 1.0 / (2 * n)) * low
    high = (2.0 + 1.0 / (2 * n + 1)) * c * low - (1.0 + 1.0 / (2 * n + 1)) * high
    power *= w
    return low, high, power, k + a * power * high, h + a * power * low


@njit(cache=True, error_model="numpy")
def _add_far(x, y, z, ux, uy, uz, series, limit2, px, py, pz, bx, by, bz):
    for i in range(x.size):
        dx, dy, dz = px - x[i], py - y[i], pz - z[i]
        true2 = dx * dx + dy * dy + dz * dz
        r2 = max(true2, limit2)
        r = np.sqrt(r2)
        q = 1.0 / (r2 * r)
        w, e = q * r, q * r2
        c = (ux[i] * dx + uy[i] * dy + uz[i] * dz) * e
        low, high, power, k, h = 1.0, 3.0 * c, 1.0, 3.0 * c, 1.0
        for n in range(1, 5):  # short enough to be unrolled, so that poses go in vectors
            low, high, power, k, h = more(n, c, w, series[n], low, high, power, k, h)
        for n in range(5, 9):
            low, high, power, k, h = more(n, c, w, series[n], low, high, power, k, h)
        for n in range(9, TERMS):
            low, high, power, k, h = more(n, c, w, series[n], low, high, power, k, h)
        q = q * series[0] if true2 >= limit2 else 0.0
        k, h = k * e * q, h * q
        bx[i] += k * dx - h * ux[i]
        by[i] += k * dy - h * uy[i]
        bz[i] += k * dz - h * uz[i]


@njit(cache=True, error_model="numpy")
def cylinder(positions, axes, bodies, series, points, out):
    """Fields of cylinders. bodies (magnets, 3): Br in uT with the sign of the polarity, radius and half length in mm.

    series (magnets, TERMS): A_1 in uT mm3, then A_3/A_1, A_5/A_1, ... in mm^(l-1).
    """
    poses = positions.shape[2]
    for lo in range(0, poses, BLOCK):
        hi = min(lo + BLOCK, poses)
        for s in range(points.shape[0]):
            px, py, pz = points[s, 0], points[s, 1], points[s, 2]
            for m in range(positions.shape[0]):
                x, y, z = rows(positions, m, lo, hi)
                ux, uy, uz = rows(axes, m, lo, hi)
                bx, by, bz = target(out, s, m, lo, hi)
                b, a, h = bodies[m, 0], bodies[m, 1], bodies[m, 2]
                limit2 = FAR * FAR * (a * a + h * h)
                nearest, farthest = reached(x, y, z, px, py, pz)
                if nearest < limit2:
                    _add_near(x, y, z, ux, uy, uz, b, a, h, limit2, px, py, pz, bx, by, bz)
                if farthest >= limit2:
                    _add_far(x, y, z, ux, uy, uz, series[m], limit2, px, py, pz, bx, by, bz)
