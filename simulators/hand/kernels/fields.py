"""Dipole and axisymmetric multipole fields of many magnets, and their Jacobians.

Shapes: positions and axes (magnets, 3, poses); points (points, 3); fields (points, 1, 3, poses) for the sum over the
magnets or (points, magnets, 3, poses) for each; Jacobians (points, magnets, 3, 3, poses). Arrays are C-contiguous
float64. Lengths in mm, moments in A m2, fields in uT. Axes are unit vectors. Nothing is checked and nothing allocated;
a point at a magnet's centre gives nan.

With d from magnet to point, r = |d|, u the axis, t = u.d, w = 1/r^2 and c = t^2 w, a magnet whose odd multipoles have
the coefficients A_1, A_3, A_5, A_7 makes

    B = sum over l of A_l r^-(l+2) [P'_(l+1)(t/r) d/r - P'_l(t/r) u] = r^-3 [t w G d - H u],

where G and H are polynomials in w whose coefficients are polynomials in c, and P' derivatives of Legendre polynomials
(Jackson, Classical Electrodynamics, 3rd ed., section 3.3). A dipole has G = 3 A_1, H = A_1 = 1e8 m. B has neither
curl nor divergence, so its gradient is symmetric and traceless, and dG/dw and dH/dw are never needed.

Poses are innermost, in blocks whose sums stay in the cache and that are long enough for the memory's prefetcher: one
square root and one division a field. No libm, no sums in another order, and fused operations only where written: a
pose has the same bits in any company and on any machine.
"""

import numpy as np
from numba import float64, njit
from numba.extending import intrinsic

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit

BLOCK = 8192
UNIT = 1e8
"""A_1 in uT mm3 of a moment of 1 A m2: mu0 / 4 pi in these units."""


@njit(inline="always", cache=True)
def rows(array, k, lo, hi):
    """x, y and z of entry k of an array (entries, 3, poses), poses lo to hi."""
    return array[k, 0][lo:hi], array[k, 1][lo:hi], array[k, 2][lo:hi]


@intrinsic
def fma(typing_context, x, y, z):
    """x y + z, rounded once: the same bits with and without such an instruction."""

    def build(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return float64(float64, float64, float64), build


@njit(inline="always", cache=True)
def dipole_at(x, y, z, ux, uy, uz, a1):
    """Field of a dipole at (x, y, z) from it."""
    r2 = fma(x, x, fma(y, y, z * z))
    w = 1.0 / r2  # beside the root, not behind it
    t = fma(ux, x, fma(uy, y, uz * z))
    q, s = w * (w * np.sqrt(r2)), t * w
    k, h = (3.0 * a1) * (s * q), a1 * q
    return fma(k, x, -h * ux), fma(k, y, -h * uy), fma(k, z, -h * uz)


@njit(inline="always", cache=True)
def parts(c, w, a1, a3, a5, a7):
    """G and H."""
    g7 = fma(fma(fma(402.1875 * a7, c, -563.0625 * a7), c, 216.5625 * a7), c, -19.6875 * a7)
    h7 = fma(fma(fma(187.6875 * a7, c, -216.5625 * a7), c, 59.0625 * a7), c, -2.1875 * a7)
    g5 = fma(fma(86.625 * a5, c, -78.75 * a5), c, 13.125 * a5)
    h5 = fma(fma(39.375 * a5, c, -26.25 * a5), c, 1.875 * a5)
    g3, h3 = fma(17.5 * a3, c, -7.5 * a3), fma(7.5 * a3, c, -1.5 * a3)
    return fma(fma(fma(g7, w, g5), w, g3), w, 3.0 * a1), fma(fma(fma(h7, w, h5), w, h3), w, a1)


@njit(inline="always", cache=True)
def multipole_at(x, y, z, ux, uy, uz, a1, a3, a5, a7):
    """Field of an axisymmetric magnet at (x, y, z) from it."""
    r2 = fma(x, x, fma(y, y, z * z))
    w = 1.0 / r2  # beside the root, not behind it
    t = fma(ux, x, fma(uy, y, uz * z))
    q, s = w * (w * np.sqrt(r2)), t * w
    g, h = parts(t * s, w, a1, a3, a5, a7)
    k, h = g * (s * q), h * q
    return fma(k, x, -h * ux), fma(k, y, -h * uy), fma(k, z, -h * uz)


@njit(inline="always", cache=True)
def gradient_at(x, y, z, ux, uy, uz, a1, a3, a5, a7):
    """(t, k, h, k1, k2, k3) of an axisymmetric magnet at d = (x, y, z) from it.

    B = k d - h u, its gradient dB/dd = k I + k1 d d' + k2 (d u' + u d') + k3 u u', and its derivative by the axis,
    where the magnet's strength grows with the axis' length, (k2 d + k3 u)(d - t u)' + k d u' - h I.
    """
    r2 = fma(x, x, fma(y, y, z * z))
    w = 1.0 / r2  # beside the root, not behind it
    t = fma(ux, x, fma(uy, y, uz * z))
    q, s = w * (w * np.sqrt(r2)), t * w
    c = t * s
    g, h = parts(c, w, a1, a3, a5, a7)
    g_c7 = fma(fma(1206.5625 * a7, c, -1126.125 * a7), c, 216.5625 * a7)
    h_c7 = fma(fma(563.0625 * a7, c, -433.125 * a7), c, 59.0625 * a7)
    g_c5, h_c5 = fma(173.25 * a5, c, -78.75 * a5), fma(78.75 * a5, c, -26.25 * a5)
    g_c = fma(fma(g_c7, w, g_c5), w, 17.5 * a3) * w
    h_c = fma(fma(h_c7, w, h_c5), w, 7.5 * a3) * w
    k = g * (s * q)
    k2 = fma(2.0 * c, g_c, g) * (q * w)
    k3 = -2.0 * s * q * h_c
    k1 = -(3.0 * k + 2.0 * t * k2 + k3) * w
    return t, k, h * q, k1, k2, k3


@njit(cache=True, error_model="numpy")
def _add_dipole(x, y, z, ux, uy, uz, a, px, py, pz, bx, by, bz):
    for i in range(x.size):
        fx, fy, fz = dipole_at(px - x[i], py - y[i], pz - z[i], ux[i], uy[i], uz[i], a[0])
        bx[i] += fx
        by[i] += fy
        bz[i] += fz


@njit(cache=True, error_model="numpy")
def _add_multipole(x, y, z, ux, uy, uz, a, px, py, pz, bx, by, bz):
    a1, a3, a5, a7 = a[0], a[1], a[2], a[3]
    for i in range(x.size):
        fx, fy, fz = multipole_at(px - x[i], py - y[i], pz - z[i], ux[i], uy[i], uz[i], a1, a3, a5, a7)
        bx[i] += fx
        by[i] += fy
        bz[i] += fz


@njit(cache=True, error_model="numpy")
def _add_two_dipoles(x, y, z, ux, uy, uz, a, x2, y2, z2, ux2, uy2, uz2, a2, px, py, pz, bx, by, bz):
    for i in range(x.size):
        fx, fy, fz = dipole_at(px - x[i], py - y[i], pz - z[i], ux[i], uy[i], uz[i], a[0])
        gx, gy, gz = dipole_at(px - x2[i], py - y2[i], pz - z2[i], ux2[i], uy2[i], uz2[i], a2[0])
        bx[i] = bx[i] + fx + gx
        by[i] = by[i] + fy + gy
        bz[i] = bz[i] + fz + gz


@njit(cache=True, error_model="numpy")
def _add_two_multipoles(x, y, z, ux, uy, uz, a, x2, y2, z2, ux2, uy2, uz2, a2, px, py, pz, bx, by, bz):
    a1, a3, a5, a7 = a[0], a[1], a[2], a[3]
    b1, b3, b5, b7 = a2[0], a2[1], a2[2], a2[3]
    for i in range(x.size):
        fx, fy, fz = multipole_at(px - x[i], py - y[i], pz - z[i], ux[i], uy[i], uz[i], a1, a3, a5, a7)
        gx, gy, gz = multipole_at(px - x2[i], py - y2[i], pz - z2[i], ux2[i], uy2[i], uz2[i], b1, b3, b5, b7)
        bx[i] = bx[i] + fx + gx
        by[i] = by[i] + fy + gy
        bz[i] = bz[i] + fz + gz


@njit(inline="always", cache=True)
def target(out, s, m, lo, hi):
    """The rows of a field that magnet m adds to, set to zero if it is their first."""
    each = m if out.shape[1] > 1 else 0
    bx, by, bz = out[s, each, 0][lo:hi], out[s, each, 1][lo:hi], out[s, each, 2][lo:hi]
    if m == each:
        bx[:] = 0.0
        by[:] = 0.0
        bz[:] = 0.0
    return bx, by, bz


@njit(cache=True, error_model="numpy")
def multipoles(positions, axes, coefficients, points, out):
    """Fields of axisymmetric magnets. coefficients (magnets, 4): A_1, A_3, A_5, A_7 in uT mm^(l+2).

    A magnet whose A_3, A_5 and A_7 are all 0 goes as a dipole, with the same bits. Where magnets are added up they
    go in pairs, so that the sum is read and written half as often.
    """
    count, poses = positions.shape[0], positions.shape[2]
    step = 1 if out.shape[1] > 1 else 2
    for lo in range(0, poses, BLOCK):
        hi = min(lo + BLOCK, poses)
        for s in range(points.shape[0]):
            px, py, pz = points[s, 0], points[s, 1], points[s, 2]
            for m in range(0, count, step):
                x, y, z = rows(positions, m, lo, hi)
                ux, uy, uz = rows(axes, m, lo, hi)
                bx, by, bz = target(out, s, m, lo, hi)
                a = coefficients[m]
                simple = a[1] == 0.0 and a[2] == 0.0 and a[3] == 0.0
                if step == 2 and m + 1 < count:
                    x2, y2, z2 = rows(positions, m + 1, lo, hi)
                    ux2, uy2, uz2 = rows(axes, m + 1, lo, hi)
                    b = coefficients[m + 1]
                    if simple and b[1] == 0.0 and b[2] == 0.0 and b[3] == 0.0:
                        _add_two_dipoles(x, y, z, ux, uy, uz, a, x2, y2, z2, ux2, uy2, uz2, b, px, py, pz, bx, by, bz)
                    else:
                        _add_two_multipoles(
                            x, y, z, ux, uy, uz, a, x2, y2, z2, ux2, uy2, uz2, b, px, py, pz, bx, by, bz
                        )
                elif simple:
                    _add_dipole(x, y, z, ux, uy, uz, a, px, py, pz, bx, by, bz)
                else:
                    _add_multipole(x, y, z, ux, uy, uz, a, px, py, pz, bx, by, bz)


@njit(cache=True, error_model="numpy")
def jacobian(positions, axes, coefficients, points, by_position, by_axis):
    """Derivatives of each magnet's field by its position (uT/mm) and by its axis (uT).

    The magnet's strength grows with the axis' length, so `by_axis` / moment is dB/d(moment vector), and `by_axis`
    times a small turn of the axis is the change of field. A dipole is a magnet whose A_3, A_5, A_7 are 0.
    """
    for s in range(points.shape[0]):
        px, py, pz = points[s, 0], points[s, 1], points[s, 2]
        for m in range(positions.shape[0]):
            p, a = positions[m], axes[m]
            j, v = by_position[s, m], by_axis[s, m]
            a1, a3, a5, a7 = coefficients[m, 0], coefficients[m, 1], coefficients[m, 2], coefficients[m, 3]
            for i in range(positions.shape[2]):
                x, y, z = px - p[0, i], py - p[1, i], pz - p[2, i]
                ux, uy, uz = a[0, i], a[1, i], a[2, i]
                t, k, h, k1, k2, k3 = gradient_at(x, y, z, ux, uy, uz, a1, a3, a5, a7)
                ex, ey, ez = k1 * x + k2 * ux, k1 * y + k2 * uy, k1 * z + k2 * uz  # the part of d'
                fx, fy, fz = k2 * x + k3 * ux, k2 * y + k3 * uy, k2 * z + k3 * uz  # the part of u'
                j[0, 0, i] = -(k + ex * x + fx * ux)
                j[1, 1, i] = -(k + ey * y + fy * uy)
                j[2, 2, i] = -(k + ez * z + fz * uz)
                j[0, 1, i] = j[1, 0, i] = -(ex * y + fx * uy)
                j[0, 2, i] = j[2, 0, i] = -(ex * z + fx * uz)
                j[1, 2, i] = j[2, 1, i] = -(ey * z + fy * uz)
                nx, ny, nz = x - t * ux, y - t * uy, z - t * uz
                v[0, 0, i] = fx * nx + k * x * ux - h
                v[0, 1, i] = fx * ny + k * x * uy
                v[0, 2, i] = fx * nz + k * x * uz
                v[1, 0, i] = fy * nx + k * y * ux
                v[1, 1, i] = fy * ny + k * y * uy - h
                v[1, 2, i] = fy * nz + k * y * uz
                v[2, 0, i] = fz * nx + k * z * ux
                v[2, 1, i] = fz * ny + k * z * uy
                v[2, 2, i] = fz * nz + k * z * uz - h


@njit(cache=True, error_model="numpy")
def reached(x, y, z, px, py, pz):
    """Least and greatest squared distance; nan where a position is.

    The bits of floats >= 0 sort as the floats do, and those of nan lie beyond all others. So integers, whose least
    and greatest are found in vectors, do the work.
    """
    near, far = np.int64(0x7FF0000000000000), np.int64(0)  # inf and 0
    for i in range(x.size):
        dx, dy, dz = px - x[i], py - y[i], pz - z[i]
        bits = np.float64(abs(dx * dx + dy * dy + dz * dz)).view(np.int64)
        near, far = min(near, bits), max(far, bits)
    return np.int64(near).view(np.float64), np.int64(far).view(np.float64)


@njit(cache=True, error_model="numpy")
def _skew(ux, uy, uz):
    most = np.int64(0)
    for i in range(ux.size):
        bits = np.float64(abs(ux[i] * ux[i] + uy[i] * uy[i] + uz[i] * uz[i] - 1.0)).view(np.int64)
        most = max(most, bits)
    return np.int64(most).view(np.float64)


@njit(inline="always", cache=True)
def greater(a, b):
    """The greater one, or nan."""
    return b if b > a or b != b else a


@njit(cache=True, error_model="numpy")
def survey(positions, axes, points, reach, skew):
    """Squared distances: reach (magnets, 2), least and greatest. Axes: skew (magnets,), greatest of | |u|^2 - 1 |.

    nan anywhere makes the greatest nan.
    """
    poses = positions.shape[2]
    for m in range(positions.shape[0]):
        reach[m, 0], reach[m, 1], skew[m] = np.inf, 0.0, 0.0
        for lo in range(0, poses, BLOCK):
            hi = min(lo + BLOCK, poses)
            ux, uy, uz = rows(axes, m, lo, hi)
            skew[m] = greater(skew[m], _skew(ux, uy, uz))
            x, y, z = rows(positions, m, lo, hi)
            for s in range(points.shape[0]):
                near, far = reached(x, y, z, points[s, 0], points[s, 1], points[s, 2])
                reach[m, 0] = min(reach[m, 0], near)
                reach[m, 1] = greater(reach[m, 1], far)
