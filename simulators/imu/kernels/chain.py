"""Rigid-body kinematics along the chain, in the segments' own frames: what ideal sensors at sites read.

With E the rotation from child to parent, l the joint in the parent's frame and w the child's rate relative to it:
omega_c = E' omega + w; alpha_c = E' alpha + w' + (E' omega) x w; a_c = E' (a + alpha x l + omega x (omega x l)).
At a site r: a + alpha x r + omega x (omega x r), and gravity along up. Source: Featherstone, "Rigid Body Dynamics
Algorithms", 2008, chapters 2 and 5. No difference quotient occurs.
"""

import numpy as np
from numba import njit

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit
from simulators.imu.kernels.motion import sin_cos

BLOCK = 64
GRAVITY = 9.80665
"""m/s^2; standard gravity."""
OMEGA, ALPHA, ACCELERATION, UP, FORWARD = range(5)
"""Vectors that a segment has, in its own axes: rate, its derivative, acceleration, and directions of the world."""


@njit(inline="always", cache=True, error_model="numpy")
def _turn(v, i, j, c, s, m):
    """Turn rows i, j of v (3, m) by the rotation's transpose: e_i' = c e_i + s e_j, e_j' = c e_j - s e_i."""
    for k in range(m):
        a, b = v[i, k], v[j, k]
        v[i, k] = c[k] * a + s[k] * b
        v[j, k] = c[k] * b - s[k] * a


@njit(inline="always", cache=True, error_model="numpy")
def _angle(q, coordinate, sign, at, m, c, s, d1, d2):
    """cos, sin, rate and acceleration of an angle over a block."""
    for k in range(m):
        s[k], c[k] = sin_cos(sign * q[0, coordinate, at + k])
        d1[k] = sign * q[1, coordinate, at + k]
        d2[k] = sign * q[2, coordinate, at + k]


@njit(inline="always", cache=True, error_model="numpy")
def _carry(v, place, a, m):
    """a = acceleration + alpha x r + omega x (omega x r) of the vectors v (5, 3, m) at a place r (3,)."""
    x, y, z = place[0], place[1], place[2]
    w, al, ac = v[OMEGA], v[ALPHA], v[ACCELERATION]
    for k in range(m):
        wx, wy, wz = w[0, k], w[1, k], w[2, k]
        dot = wx * x + wy * y + wz * z
        square = wx * wx + wy * wy + wz * wz
        a[0, k] = ac[0, k] + al[1, k] * z - al[2, k] * y + wx * dot - x * square
        a[1, k] = ac[1, k] + al[2, k] * x - al[0, k] * z + wy * dot - y * square
        a[2, k] = ac[2, k] + al[0, k] * y - al[1, k] * x + wz * dot - z * square


@njit(cache=True, error_model="numpy")
def _relative(v, three, angle, m):
    """Add the relative rate to omega and alpha, which are in the child's axes already; angle (3, 4, m) of y, x, z."""
    w, al = v[OMEGA], v[ALPHA]
    if not three:
        for k in range(m):
            f1 = angle[0, 2, k]
            al[0, k] -= w[2, k] * f1
            al[1, k] += angle[0, 3, k]
            al[2, k] += w[0, k] * f1
            w[1, k] += f1
        return
    for k in range(m):
        ca, sa, a1, a2 = angle[1, 0, k], angle[1, 1, k], angle[1, 2, k], angle[1, 3, k]
        cr, sr, r1, r2 = angle[2, 0, k], angle[2, 1, k], angle[2, 2, k], angle[2, 3, k]
        f1, f2 = angle[0, 2, k], angle[0, 3, k]
        x, y, z = a1 * cr + f1 * sr * ca, -a1 * sr + f1 * cr * ca, r1 - f1 * sa
        dx = a2 * cr + f2 * sr * ca - a1 * r1 * sr + f1 * (r1 * cr * ca - a1 * sr * sa)
        dy = -a2 * sr + f2 * cr * ca - a1 * r1 * cr - f1 * (r1 * sr * ca + a1 * cr * sa)
        dz = r2 - f2 * sa - f1 * a1 * ca
        wx, wy, wz = w[0, k], w[1, k], w[2, k]
        al[0, k] += dx + wy * z - wz * y
        al[1, k] += dy + wz * x - wx * z
        al[2, k] += dz + wx * y - wy * x
        w[0, k] = wx + x
        w[1, k] = wy + y
        w[2, k] = wz + z


@njit(cache=True, error_model="numpy")
def _root(q, at, m, v):
    """Vectors of the heading's frame: it turns about the vertical, and carries the pelvis."""
    for k in range(m):
        i = at + k
        r1, r2 = q[1, 4, i], q[2, 4, i]
        x, y = q[0, 0, i], q[0, 1, i]
        for j in range(5):
            v[j, 0, k] = v[j, 1, k] = v[j, 2, k] = 0.0
        v[OMEGA, 2, k], v[ALPHA, 2, k], v[UP, 2, k], v[FORWARD, 0, k] = r1, r2, 1.0, 1.0
        v[ACCELERATION, 0, k] = q[2, 0, i] + q[1, 3, i] - 2 * r1 * q[1, 1, i] - r2 * y - r1 * r1 * x
        v[ACCELERATION, 1, k] = q[2, 1, i] + q[0, 3, i] * r1 + 2 * r1 * q[1, 0, i] + r2 * x - r1 * r1 * y
        v[ACCELERATION, 2, k] = q[2, 2, i]


@njit(cache=True, error_model="numpy")
def sense(q, needed, parent, coordinate, sign, offset, segment, place, mount, shock, force, rate, axes):
    """Ideal readings of devices on a body.

    q (3, coordinates, n): motion; needed: segments in order, parents first; parent (segments,), coordinate and sign
    (segments, 3), offset (segments, 3) m: the chain; segment, place, mount (sites, ...): segment, place (3,) m in it
    and device-to-segment rotation (3, 3) of each site; shock (sites, 2, n): extra acceleration along up and forward.
    Into force, rate (sites, 3, n): specific force m/s^2 and angular rate rad/s in device axes; axes (sites, 2, 3, n):
    the world's up and the heading's forward, in device axes.
    """
    n, sites = q.shape[2], segment.size
    state = np.empty((parent.size, 5, 3, BLOCK))
    root, at_site = np.empty((5, 3, BLOCK)), np.empty((3, BLOCK))
    angle, zero = np.empty((3, 4, BLOCK)), np.zeros(3)
    for at in range(0, n, BLOCK):
        m = min(BLOCK, n - at)
        _root(q, at, m, root)
        for t in range(needed.size):
            b = needed[t]
            v = state[b]
            above = root if parent[b] < 0 else state[parent[b]]
            _carry(above, offset[b] if parent[b] >= 0 else zero, v[ACCELERATION], m)
            for j in (OMEGA, ALPHA, UP, FORWARD):
                for i in range(3):
                    for k in range(m):
                        v[j, i, k] = above[j, i, k]
            three = coordinate[b, 1] >= 0 or coordinate[b, 2] >= 0
            for i in range(3 if three else 1):
                if coordinate[b, i] >= 0:
                    _angle(q, coordinate[b, i], sign[b, i], at, m, angle[i, 0], angle[i, 1], angle[i, 2], angle[i, 3])
                else:
                    angle[i, 0, :m] = 1.0
                    angle[i, 1:, :m] = 0.0
            for j in range(5):
                _turn(v[j], 2, 0, angle[0, 0], angle[0, 1], m)
                if three and coordinate[b, 1] >= 0:
                    _turn(v[j], 1, 2, angle[1, 0], angle[1, 1], m)
                if three and coordinate[b, 2] >= 0:
                    _turn(v[j], 0, 1, angle[2, 0], angle[2, 1], m)
            _relative(v, three, angle, m)
        for s in range(sites):
            v, r = state[segment[s]], mount[s]
            _carry(v, place[s], at_site, m)
            up, forward = v[UP], v[FORWARD]
            for i in range(3):
                j, h = (i + 1) % 3, (i + 2) % 3
                for k in range(m):
                    left = up[j, k] * forward[h, k] - up[h, k] * forward[j, k]
                    at_site[i, k] += (
                        (GRAVITY + shock[s, 0, at + k]) * up[i, k]
                        + shock[s, 1, at + k] * forward[i, k]
                        + shock[s, 2, at + k] * left
                    )
            w = v[OMEGA]
            for i in range(3):
                a, b0, c = r[0, i], r[1, i], r[2, i]
                for k in range(m):
                    force[s, i, at + k] = a * at_site[0, k] + b0 * at_site[1, k] + c * at_site[2, k]
                    rate[s, i, at + k] = a * w[0, k] + b0 * w[1, k] + c * w[2, k]
                    axes[s, 0, i, at + k] = a * up[0, k] + b0 * up[1, k] + c * up[2, k]
                    axes[s, 1, i, at + k] = a * forward[0, k] + b0 * forward[1, k] + c * forward[2, k]
