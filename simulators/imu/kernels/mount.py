"""What lies between a body and a converter: flesh and strap as a damped mass, and the device's own low-pass filter.

Input at a fine, even step; output at every `every`-th of its samples. One channel after another, so that its state
stays in registers.
"""

import numpy as np
from numba import njit

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit


@njit(cache=True, error_model="numpy")
def shake(force, step, a, b, wobble, lever, rate):
    """Let a mass on a spring carry the device: force and rate (3, n) at a step in s are changed in place.

    The mass, at x relative to the segment, obeys x'' = -b x' - a x - f; the device feels a x + b x', negative, which
    is f itself where f is constant. It rocks as it moves: by `wobble` rad for each metre about each of two axes, of
    which `lever` (3,) is the normal; rates get the derivative. Exact for forces that are straight lines in a step.
    """
    n = force.shape[1]
    # x(t + h) from x(t), v(t) and a line of force from f0 to f1, by the solution of the damped oscillator
    w = np.sqrt(max(a - 0.25 * b * b, 1e-12))
    e, c, s = np.exp(-0.5 * b * step), np.cos(w * step), np.sin(w * step)
    xx, xv = e * (c + 0.5 * b / w * s), e * s / w
    vx, vv = -a * xv, e * (c - 0.5 * b / w * s)
    velocity = np.empty((3, n))
    for i in range(3):
        f0 = force[i, 0]
        x, v = -f0 / a, 0.0
        for k in range(n):
            f1 = force[i, k]
            g = (f1 - f0) / step
            # a particular solution for -(f0 + g t) is p + q t
            q = -g / a
            p = -(f0 + b * q) / a
            dx, dv = x - p, v - q
            if k > 0:
                x = p + q * step + xx * dx + xv * dv
                v = q + vx * dx + vv * dv
            velocity[i, k] = v
            force[i, k] = -(a * x + b * v)
            f0 = f1
    for k in range(n):
        x, y, z = velocity[0, k], velocity[1, k], velocity[2, k]
        rate[0, k] += wobble * (lever[1] * z - lever[2] * y)
        rate[1, k] += wobble * (lever[2] * x - lever[0] * z)
        rate[2, k] += wobble * (lever[0] * y - lever[1] * x)


@njit(cache=True, error_model="numpy")
def smooth(signal, b0, b1, b2, a1, a2, every, out):
    """A biquad over signal (channels, n), begun in its steady state; out (channels, n / every) gets each every-th."""
    gain = (b0 + b1 + b2) / (1 + a1 + a2)
    for c in range(signal.shape[0]):
        first = signal[c, 0]
        y0 = gain * first
        z1, z2 = y0 - b0 * first, b2 * first - a2 * y0
        for j in range(out.shape[1]):
            at = j * every
            for k in range(at, min(at + every, signal.shape[1])):
                x = signal[c, k]
                y = b0 * x + z1
                z1 = b1 * x - a1 * y + z2
                z2 = b2 * x - a2 * y
                if k == at:
                    out[c, j] = y
