"""From joint angles to where the magnets are and how they stand, with the analytic Jacobian.

Every digit is one chain of three links: a saddle joint with a flexion F and an abduction A, then two hinges G and H.

    rotation of link 0, 1, 2 = frame Rx(-F) Rz(-A), then Rx(-G), then Rx(-H)

The flexion axis is fixed in the palm, the abduction axis goes with the bone (Wu et al., ISB recommendation on joint
coordinate systems part II, 2005; for the thumb Hollister et al., 1992). The hinges share one axis, so behind the
saddle all lies in one plane and only the four angles F, A, G and G + H need a sine and a cosine. A link's own axes are
a (lateral), b (along the bone, distal) and c (dorsal).

Angles (digit, 4): fingers have (F, A, G, H); the thumb has (A, -F, G, H): anteposition, radial abduction. Angles of any
size below 1e5 rad do. Lengths in mm. Poses are innermost and go in blocks. No libm and no reordering of sums, so a
pose has the same bits in any company. Nothing is checked here and nothing allocated.
"""

import numpy as np
from numba import njit

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit

BLOCK = 256
ROWS = 20
"""Shape of the scratch: (ROWS, BLOCK)."""
THUMB = 0

_TURNS = 0.6366197723675814
_P1, _P2 = 1.5707963267341256, 6.077100506506192e-11
_S1, _S2, _S3 = -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04
_S4, _S5, _S6 = 2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10
_C1, _C2, _C3 = 4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05
_C4, _C5, _C6 = -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11


@njit(inline="always", cache=True)
def sincos(x):
    """Sine and cosine to 1e-15 without libm or branches. Coefficients: fdlibm, k_sin.c and k_cos.c."""
    k = np.floor(x * _TURNS + 0.5)
    r = (x - k * _P1) - k * _P2
    z = r * r
    s = r + r * z * (_S1 + z * (_S2 + z * (_S3 + z * (_S4 + z * (_S5 + z * _S6)))))
    c = 1.0 - (0.5 * z - z * z * (_C1 + z * (_C2 + z * (_C3 + z * (_C4 + z * (_C5 + z * _C6))))))
    half = np.floor(k * 0.5)
    odd = k - 2.0 * half
    sign = 1.0 - 2.0 * (half - 2.0 * np.floor(half * 0.5))
    even = 1.0 - odd
    return sign * (even * s + odd * c), sign * (even * c - odd * s)


@njit(cache=True, error_model="numpy")
def _turns(angles, digit, link, start, n, trig):
    """Sines and cosines of F, A and the hinge turns of a link for n poses from `start` into trig (8, BLOCK)."""
    g, h = 1.0 if link > 0 else 0.0, 1.0 if link > 1 else 0.0
    flip = -1.0 if digit == THUMB else 1.0
    flex, side = (1, 0) if digit == THUMB else (0, 1)
    x0, x1 = angles[digit, flex, start : start + n], angles[digit, side, start : start + n]
    x2, x3 = angles[digit, 2, start : start + n], angles[digit, 3, start : start + n]
    t0, t1, t2, t3 = trig[0], trig[1], trig[2], trig[3]
    t4, t5, t6, t7 = trig[4], trig[5], trig[6], trig[7]
    for i in range(n):
        t0[i], t1[i] = sincos(flip * x0[i])
        t2[i], t3[i] = sincos(x1[i])
        t4[i], t5[i] = sincos(g * x2[i])
        t6[i], t7[i] = sincos(g * x2[i] + h * x3[i])


@njit(cache=True, error_model="numpy")
def _lay(trig, n, u, y0, y1, v, w, o0, o1, o2, frame, px, py, pz):
    """A point (u, v, w) on a link whose foot lies y0 along link 0 and y1 along link 1, into px, py, pz."""
    sf, cf, sa, ca = trig[0], trig[1], trig[2], trig[3]
    sg, cg, st, ct = trig[4], trig[5], trig[6], trig[7]
    r00, r01, r02 = frame[0, 0], frame[0, 1], frame[0, 2]
    r10, r11, r12 = frame[1, 0], frame[1, 1], frame[1, 2]
    r20, r21, r22 = frame[2, 0], frame[2, 1], frame[2, 2]
    for i in range(n):
        y = y0 + y1 * cg[i] + v * ct[i] + w * st[i]
        z = w * ct[i] - v * st[i] - y1 * sg[i]
        p = u * ca[i] + y * sa[i]
        q = y * ca[i] - u * sa[i]
        b = q * cf[i] + z * sf[i]
        c = z * cf[i] - q * sf[i]
        px[i] = o0 + (r00 * p + r01 * b + r02 * c)
        py[i] = o1 + (r10 * p + r11 * b + r12 * c)
        pz[i] = o2 + (r20 * p + r21 * b + r22 * c)


@njit(cache=True, error_model="numpy")
def _slopes(trig, n, u, y0, y1, v, w, flip, g, h, work):
    """Derivatives of a point by the four angles, (p, b, c) for F, A, G and H, into work (12, BLOCK).

    flip: sign of F in the digit's angle; g, h: 1 where the hinge moves the link, else 0. y0, y1 as in `_lay`.
    """
    sf, cf, sa, ca = trig[0], trig[1], trig[2], trig[3]
    sg, cg, st, ct = trig[4], trig[5], trig[6], trig[7]
    w0, w1, w2, w3, w4, w5 = work[0], work[1], work[2], work[3], work[4], work[5]
    w6, w7, w8, w9, w10, w11 = work[6], work[7], work[8], work[9], work[10], work[11]
    for i in range(n):
        yh = v * ct[i] + w * st[i]
        zh = w * ct[i] - v * st[i]
        yg = y1 * cg[i] + yh
        z = zh - y1 * sg[i]
        y = y0 + yg
        p = u * ca[i] + y * sa[i]
        q = y * ca[i] - u * sa[i]
        w0[i] = 0.0
        w1[i] = flip * (z * cf[i] - q * sf[i])
        w2[i] = -flip * (q * cf[i] + z * sf[i])
        w3[i] = q
        w4[i] = -p * cf[i]
        w5[i] = p * sf[i]
        dy, dz = g * z, -g * yg
        w6[i] = dy * sa[i]
        w7[i] = dy * ca[i] * cf[i] + dz * sf[i]
        w8[i] = dz * cf[i] - dy * ca[i] * sf[i]
        dy, dz = h * zh, -h * yh
        w9[i] = dy * sa[i]
        w10[i] = dy * ca[i] * cf[i] + dz * sf[i]
        w11[i] = dz * cf[i] - dy * ca[i] * sf[i]


@njit(cache=True, error_model="numpy")
def _slope(work, first, frame, column, rows):
    """The derivative (p, b, c) in three rows of work, turned into the hand's axes, into rows[:, column]."""
    p, b, c = work[first], work[first + 1], work[first + 2]
    for axis in range(3):
        r0, r1, r2 = frame[axis, 0], frame[axis, 1], frame[axis, 2]
        out = rows[axis, column]
        for i in range(out.size):
            out[i] = r0 * p[i] + r1 * b[i] + r2 * c[i]


@njit(cache=True, error_model="numpy")
def place(angles, bones, bases, frames, digit, link, points, normals, work, positions, axes):
    """Positions and axes of sites on the links.

    angles (5, 4, poses) in rad; bones (5, 3), bases (5, 3), frames (5, 3, 3): a hand. digit, link (sites,): where each
    site is; points (sites, 3): place in the link's axes (a, b, c) from its proximal joint; normals (sites, 3): unit
    axis in the same. work (ROWS, BLOCK): scratch. positions, axes (sites, 3, poses) receive.
    """
    trig = work[:8]
    for start in range(0, angles.shape[2], BLOCK):
        n = min(BLOCK, angles.shape[2] - start)
        for m in range(digit.size):
            d, k = digit[m], link[m]
            if m == 0 or d != digit[m - 1] or k != link[m - 1]:
                _turns(angles, d, k, start, n, trig)
            y0, y1 = bones[d, 0] if k > 0 else 0.0, bones[d, 1] if k > 1 else 0.0
            p, a, o = points[m], normals[m], bases[d]
            x = positions[m, :, start : start + n]
            _lay(trig, n, p[0], y0, y1, p[1], p[2], o[0], o[1], o[2], frames[d], x[0], x[1], x[2])
            x = axes[m, :, start : start + n]
            _lay(trig, n, a[0], 0.0, 0.0, a[1], a[2], 0.0, 0.0, 0.0, frames[d], x[0], x[1], x[2])


@njit(cache=True, error_model="numpy")
def joints(angles, bones, tips, bases, frames, work, places):
    """The four ends of each digit's links into places (5, 4, 3, poses): base, two hinges, tip of the soft tissue.

    tips (5,): soft tissue beyond the last bone, in mm. The others as in `place`.
    """
    trig = work[:8]
    for start in range(0, angles.shape[2], BLOCK):
        n = min(BLOCK, angles.shape[2] - start)
        for d in range(5):
            o = bases[d]
            for axis in range(3):
                places[d, 0, axis, start : start + n] = o[axis]
            for k in range(3):
                _turns(angles, d, k, start, n, trig)
                y0, y1 = bones[d, 0] if k > 0 else 0.0, bones[d, 1] if k > 1 else 0.0
                v = bones[d, k] + (tips[d] if k == 2 else 0.0)
                x = places[d, k + 1, :, start : start + n]
                _lay(trig, n, 0.0, y0, y1, v, 0.0, o[0], o[1], o[2], frames[d], x[0], x[1], x[2])


@njit(cache=True, error_model="numpy")
def jacobian(angles, bones, frames, digit, link, points, normals, work, slopes):
    """Derivatives of positions (rows 0 to 2, mm/rad) and axes (rows 3 to 5, 1/rad) by the site's digit's four angles.

    slopes (sites, 6, 4, poses) receives. The others as in `place`.
    """
    trig, part_slopes = work[:8], work[8:]
    for start in range(0, angles.shape[2], BLOCK):
        n = min(BLOCK, angles.shape[2] - start)
        for m in range(digit.size):
            d, k = digit[m], link[m]
            _turns(angles, d, k, start, n, trig)
            flip, flex, side = (-1.0, 1, 0) if d == THUMB else (1.0, 0, 1)
            g, h = 1.0 if k > 0 else 0.0, 1.0 if k > 1 else 0.0
            y0, y1 = bones[d, 0] if k > 0 else 0.0, bones[d, 1] if k > 1 else 0.0
            for part in range(2):
                at = points[m] if part == 0 else normals[m]
                _slopes(trig, n, at[0], y0 * (1 - part), y1 * (1 - part), at[1], at[2], flip, g, h, part_slopes)
                rows = slopes[m, 3 * part : 3 * part + 3, :, start : start + n]
                _slope(part_slopes, 0, frames[d], flex, rows)
                _slope(part_slopes, 3, frames[d], side, rows)
                _slope(part_slopes, 6, frames[d], 2, rows)
                _slope(part_slopes, 9, frames[d], 3, rows)


@njit(cache=True, error_model="numpy")
def bend(curls, ends, deviations, low, high, softness, angles):
    """Angles (5, 4, poses) between two end postures, with deviations, kept within the joints' ranges.

    curls (5, poses): 0 extended, 1 fist. ends (2, 5, 4): the two postures, rad. deviations (5, 4, poses): added, rad.
    low, high (5, 4): ranges. At a range's end an angle turns back smoothly: hi - sqrt((hi - x)^2 + softness^2).
    """
    soft = softness * softness
    for d in range(5):
        for k in range(4):
            a, slope, lo, hi = ends[0, d, k], ends[1, d, k] - ends[0, d, k], low[d, k], high[d, k]
            c, e, out = curls[d], deviations[d, k], angles[d, k]
            for i in range(out.size):
                x = hi - (a + slope * c[i] + e[i])
                x = hi - np.sqrt(x * x + soft) - lo
                out[i] = min(lo + np.sqrt(x * x + soft), hi)
