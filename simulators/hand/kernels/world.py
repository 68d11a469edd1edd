"""Unit quaternions of rotations, pose by pose. Nothing is checked here."""

import numpy as np
from numba import njit

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit


@njit(cache=True, error_model="numpy")
def quaternions(r, out):
    """w, x, y, z with w >= 0 into out (4, poses) from rotations r (3, 3, poses).

    The largest of the four comes from the diagonal, the others by division. Source: Shepperd, J. Guidance 1(3), 1978.
    """
    for k in range(out.shape[1]):
        xx, yy, zz = r[0, 0, k], r[1, 1, k], r[2, 2, k]
        trace = xx + yy + zz
        a, b, c = r[2, 1, k] - r[1, 2, k], r[0, 2, k] - r[2, 0, k], r[1, 0, k] - r[0, 1, k]
        d, e, f = r[0, 1, k] + r[1, 0, k], r[0, 2, k] + r[2, 0, k], r[1, 2, k] + r[2, 1, k]
        if trace >= max(xx, yy, zz):
            w, x, y, z = 1.0 + trace, a, b, c
        elif xx >= yy and xx >= zz:
            w, x, y, z = a, 1.0 + 2.0 * xx - trace, d, e
        elif yy >= zz:
            w, x, y, z = b, d, 1.0 + 2.0 * yy - trace, f
        else:
            w, x, y, z = c, e, f, 1.0 + 2.0 * zz - trace
        scale = 1.0 / np.sqrt(w * w + x * x + y * y + z * z)
        if w < 0.0:
            scale = -scale
        out[0, k], out[1, k], out[2, k], out[3, k] = scale * w, scale * x, scale * y, scale * z
