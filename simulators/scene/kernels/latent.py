"""Latent processes: what a sensor measures, before it is cut into words.

A driver is a function of an integer tick k (the refresh of the device's register):

    number(k) = floor(spline(k) + tone_1(k) + envelope(k) tone_2(k) + noise sd * z(k))

The spline is a uniform quadratic B-spline over knots 2^shift ticks apart: it carries everything slow (walks, ramps,
set points, drift). It is C1 and reproduces straight lines exactly, so an integer ramp stays an integer ramp. Tones are
phase accumulators of 32 bits; noise is counter-based. So number(k) can be made alone, for any k, and every operation
is one IEEE operation without libm: the same bits everywhere. Source for the spline: de Boor, "A practical guide to
splines", 1978, chapter IX.

Knots are float64 in counts; the part within a segment is float32 relative to the segment's integer start.
"""

import numpy as np
from numba import float32, int32, int64, njit, uint32

from simulators.noise import normal_at, normals, uniform_at

DRIVER = np.dtype(
    [
        ("knot", "i8"), ("shift", "i8"), ("tick_ns", "i8"), ("env", "i8"), ("k0", "u4"), ("k1", "u4"), ("noise", "f4"),
        ("amp1", "f4"), ("inc1", "u4"), ("phase1", "u4"), ("amp2", "f4"), ("inc2", "u4"), ("phase2", "u4"),
    ],
    align=True,
)  # fmt: skip
"""A driver: offset of its knots and of its envelope (-1: none), log2 of the ticks between knots, tick in ns (0: it is
refreshed by the read itself), noise key and sd, and two tones (amplitude, phase increment per tick and phase, both in
turns / 2^32).
"""

PROCESS = np.dtype(
    [
        ("kind", "i8"), ("knot", "i8"), ("count", "i8"), ("inside", "i8"), ("env", "i8"), ("spacing_s", "f8"),
        ("a", "f8"), ("b", "f8"),
        ("place", "i8"), ("modulus", "i8"), ("page", "i8"), ("u", "f8"), ("span", "f8"), ("centre", "f8"),
        ("margin", "f8"), ("k0", "u4"), ("k1", "u4"), ("drift", "i8"), ("d0", "i8"), ("d1", "i8"), ("size", "f8"),
    ],
    align=True,
)  # fmt: skip
"""How a driver's knots are laid: kind and its two parameters, then how the values are placed in their range; `inside`
is the number of knots that begin within the recording."""

WALK, TONES, RAMP, COUNTER, SETPOINT, DUTY, THERMAL, CLOCK, ENCODER, SIGNED = range(1, 11)
SPAN, VISIBLE, HIDDEN, ASIS = range(4)
NO_DRIFT, DRIFT_MEAN, DRIFT_GAIN = range(3)

_HALF_TURN = float32(2.0**-31)
_S0, _S1 = float32(3.14159027), float32(-5.16740673)
_S2, _S3 = float32(2.54401052), float32(-0.55946246)


@njit(inline="always", cache=True)
def sine(phase):
    """sin of a uint32 phase (turns / 2^32), float32, to 2e-6."""
    f = float32(float32(int32(phase)) * _HALF_TURN)
    a = abs(f)
    a = min(a, float32(float32(1.0) - a))
    s = float32(a * a)
    y = float32(a * float32(_S0 + s * float32(_S1 + s * float32(_S2 + s * _S3))))
    return y if f >= float32(0.0) else float32(-y)


@njit(inline="always", cache=True)
def segment(knots, p, scale):
    """The spline from knot p on: integer start (int64), fraction, slope and curvature per tick (float32).

    scale: 1 / ticks between knots.
    """
    p0, p1, p2 = knots[p], knots[p + 1], knots[p + 2]
    start = 0.5 * (p0 + p1)
    whole = np.floor(start)
    return (
        int64(whole),
        float32(start - whole),
        float32((p1 - p0) * scale),
        float32(0.5 * (p0 - 2.0 * p1 + p2) * scale * scale),
    )


@njit(inline="always", cache=True)
def _envelope(driver, envelopes, k):
    j = driver.env + (k >> driver.shift)
    t = float32(float32(k & ((1 << driver.shift) - 1)) / float32(1 << driver.shift))
    return float32(envelopes[j] + float32(envelopes[j + 1] - envelopes[j]) * t)


@njit(cache=True)
def _tone(amp, inc, phase, out):
    """Add a tone whose phase is `phase` at out[0]."""
    for i in range(out.size):
        out[i] = float32(out[i] + amp * sine(phase))
        phase = uint32(phase + inc)


@njit(cache=True, error_model="numpy")
def _bursts(driver, envelopes, first, amp, inc, phase, out):
    """Add a tone under an envelope that is linear between knots; where it is 0 there is nothing to add."""
    i, step = 0, 1 << driver.shift
    while i < out.size:
        k = first + i
        j, f0 = driver.env + (k >> driver.shift), k & (step - 1)
        part = out[i : i + min(step - f0, out.size - i)]
        low, rise = envelopes[j], float32(envelopes[j + 1] - envelopes[j])
        if low != float32(0.0) or rise != float32(0.0):
            at, p = uint32(f0), uint32(phase + uint32(uint32(i) * inc))
            for t in range(part.size):
                gain = float32(low + rise * float32(float32(int32(at)) / float32(step)))
                part[t] = float32(part[t] + float32(amp * gain) * sine(p))
                at, p = uint32(at + uint32(1)), uint32(p + inc)
        i += part.size


@njit(cache=True, error_model="numpy")
def extras_at(driver, envelopes, table, ticks, n, out):
    """Tones and noise at any ticks[:n] into out[:n], float32."""
    out[:n] = float32(0.0)
    if driver.amp1 != 0:
        amp, inc, phase = driver.amp1, driver.inc1, driver.phase1
        for i in range(n):
            out[i] = float32(out[i] + amp * sine(uint32(phase + uint32(uint32(ticks[i]) * inc))))
    if driver.amp2 != 0:
        amp, inc, phase = driver.amp2, driver.inc2, driver.phase2
        for i in range(n):
            gain = _envelope(driver, envelopes, ticks[i]) if driver.env >= 0 else float32(1.0)
            out[i] = float32(out[i] + float32(amp * gain) * sine(uint32(phase + uint32(uint32(ticks[i]) * inc))))
    if driver.noise != 0:
        sd, k0, k1 = driver.noise, driver.k0, driver.k1
        for i in range(n):
            out[i] = float32(out[i] + sd * normal_at(table, ticks[i], k0, k1))


@njit(cache=True, error_model="numpy")
def extras(driver, envelopes, table, first, n, z, out):
    """Tones and noise at ticks first .. first + n - 1 into out[:n], float32; z is scratch of n."""
    out[:n] = float32(0.0)
    if driver.amp1 != 0:
        _tone(driver.amp1, driver.inc1, uint32(driver.phase1 + uint32(uint32(first) * driver.inc1)), out[:n])
    if driver.amp2 != 0:
        amp, inc, phase = driver.amp2, driver.inc2, uint32(driver.phase2 + uint32(uint32(first) * driver.inc2))
        if driver.env < 0:
            _tone(amp, inc, phase, out[:n])
        else:
            _bursts(driver, envelopes, first, amp, inc, phase, out[:n])
    if driver.noise != 0:
        normals(table, first, n, driver.k0, driver.k1, z)
        sd = driver.noise
        for i in range(n):
            out[i] = float32(out[i] + sd * z[i])


@njit(cache=True, error_model="numpy")
def numbers_at(driver, knots, envelopes, table, ticks, n, e, out):
    """The driver's numbers at any ticks[:n], modulo 2^32, into out[:n] (uint32); e is scratch of n."""
    extras_at(driver, envelopes, table, ticks, n, e)
    shift, knot = driver.shift, driver.knot
    scale, last = 1.0 / (1 << shift), (1 << shift) - 1
    for i in range(n):
        k = ticks[i]
        whole, frac, slope, curve = segment(knots, knot + (k >> shift), scale)
        f = float32(int32(k & last))
        d = float32(float32(frac + f * float32(slope + f * curve)) + e[i])
        out[i] = uint32(uint32(whole) + uint32(int32(np.floor(d))))


@njit(cache=True, error_model="numpy")
def values_at(driver, knots, envelopes, table, ticks, n, out):
    """The driver's values at any ticks[:n] before rounding, into out[:n] (float32): for values of at most a word."""
    extras_at(driver, envelopes, table, ticks, n, out)
    shift, knot = driver.shift, driver.knot
    scale, last = 1.0 / (1 << shift), (1 << shift) - 1
    for i in range(n):
        k = ticks[i]
        whole, frac, slope, curve = segment(knots, knot + (k >> shift), scale)
        f = float32(int32(k & last))
        a = float32(float32(whole) + frac)
        out[i] = float32(float32(a + f * float32(slope + f * curve)) + out[i])


@njit(cache=True, error_model="numpy")
def numbers(driver, knots, envelopes, table, first, n, z, e, out):
    """The driver's numbers at ticks first .. first + n - 1, modulo 2^32, into out[:n] (uint32)."""
    extras(driver, envelopes, table, first, n, z, e)
    i, step = 0, 1 << driver.shift
    while i < n:
        k = first + i
        f0 = k & (step - 1)
        m = min(step - f0, n - i)
        whole, frac, slope, curve = segment(knots, driver.knot + (k >> driver.shift), 1.0 / step)
        low, at = uint32(whole), uint32(f0)
        part, extra = out[i : i + m], e[i : i + m]  # plain indices, else the loop is not vectorised
        for j in range(m):
            f = float32(int32(at))
            at = uint32(at + uint32(1))
            d = float32(float32(frac + f * float32(slope + f * curve)) + extra[j])
            part[j] = uint32(low + uint32(int32(np.floor(d))))
        i += m


@njit(cache=True, error_model="numpy")
def values(driver, knots, envelopes, table, first, n, z, out):
    """The driver's values at ticks first .. first + n - 1 before rounding into out[:n] (float32)."""
    extras(driver, envelopes, table, first, n, z, out)
    i, step = 0, 1 << driver.shift
    while i < n:
        k = first + i
        f0 = k & (step - 1)
        m = min(step - f0, n - i)
        whole, frac, slope, curve = segment(knots, driver.knot + (k >> driver.shift), 1.0 / step)
        a, at = float32(float32(whole) + frac), uint32(f0)
        part = out[i : i + m]  # plain indices, else the loop is not vectorised
        for j in range(m):
            f = float32(int32(at))
            at = uint32(at + uint32(1))
            part[j] = float32(float32(a + f * float32(slope + f * curve)) + part[j])
        i += m


@njit(cache=True, error_model="numpy")
def _sine64(turns):
    t = turns - np.floor(turns)
    f = 2.0 * t - 1.0
    a = min(abs(f), 1.0 - abs(f))
    s = a * a
    y = a * (3.141592653589793 + s * (-5.16771278004997 + s * (2.550164039877345 + s * (
        -0.5992645293207921 + s * (0.08214588661112823 + s * -0.00737043094571435)))))  # fmt: skip
    return -y if f >= 0 else y


@njit(cache=True, error_model="numpy")
def exact_step(step):
    """`step` counts a knot, to 17 bits: then every number of a clock comes out exact, and it never steps back.

    A segment adds fractions of 1 / 2^shift of the step, up to 31 of them, in the 24 bits of float32.
    """
    scale = 1.0
    while 0.0 < step * scale < 65536.0:
        scale *= 2.0
    while step * scale >= 131072.0:
        scale *= 0.5
    return np.rint(step * scale) / scale


@njit(cache=True, error_model="numpy")
def _lay(process, x, table):
    """The shape of a process over its knots x, in its own units, starting near 0."""
    kind, a, b, dt = process.kind, process.a, process.b, process.spacing_s
    k0, k1 = process.k0, process.k1
    level, state = 0.0, 0.0
    wait = 0.0
    for j in range(x.size):
        if kind in (CLOCK, RAMP):
            x[j] = (exact_step(a * dt) if kind == CLOCK else a * dt) * j
            continue
        if kind == ENCODER:
            x[j] = a * _sine64(b * dt * j + uniform_at(0, k0, k1))
            continue
        if kind in (WALK, TONES):
            state += a * np.sqrt(dt) * normal_at(table, j, k0, k1) + (b * dt if kind == TONES else 0.0)
        elif kind == SIGNED:
            state += -0.5 * dt * state + a * np.sqrt(dt) * normal_at(table, j, k0, k1)
        elif kind == COUNTER:
            level += (0.3 * normal_at(table, j, k0, k1) - 0.5 * level) * min(1.0, dt)
            state += a * dt * min(2.0, max(0.0, 1.0 + level))
            x[j] = np.rint(state)
            continue
        else:  # held levels: set points with a lag, duty cycles, heating and cooling
            if wait <= 0.0:
                u = uniform_at(2 * j, k0, k1)
                level = u if kind == SETPOINT else 1.0 - np.floor(level + 0.5)
                share = 1.0 if kind == SETPOINT else (b if level > 0.5 else 1.0 - b) * 2.0
                wait = a * share * (0.5 + uniform_at(2 * j + 1, k0, k1))
            wait -= dt
            lag = 1.0 if kind == DUTY else min(1.0, dt / b if kind == SETPOINT else dt / (2.0 * a))
            state += (level - state) * lag
        x[j] = state


@njit(cache=True, error_model="numpy")
def _place(process, x):
    """Scale and shift the knots x into their range; in pairs, over a page boundary or away from one."""
    low, high = np.inf, -np.inf
    for j in range(min(process.inside, x.size - 1)):
        v = 0.5 * (x[j] + x[j + 1])
        low, high = min(low, v), max(high, v)
    spread = high - low
    scale, shift = 1.0, 0.0
    page = float(process.modulus * process.page)
    if process.place == SPAN:
        scale = process.span / spread if spread > 0 else 1.0
        shift = process.centre - scale * 0.5 * (low + high)
    elif process.place == VISIBLE:
        if spread > process.modulus:  # it crosses wherever it lies
            shift = np.floor(page - low + process.u * process.modulus)
        else:  # the boundary lies between 10 and 90 % of what it covers
            shift = np.floor(page - low - (0.1 + 0.8 * process.u) * spread)
    elif process.place == HIDDEN:  # the spline stays within the hull of its knots
        low, high = np.inf, -np.inf
        for j in range(x.size):
            low, high = min(low, x[j]), max(high, x[j])
        spread = high - low
        room = process.modulus - 2.0 * process.margin
        if spread > 0.8 * room:
            scale = 0.8 * room / spread
        shift = np.floor(page + process.margin - scale * low + process.u * (room - scale * spread))
    counts = scale != 1.0 and process.kind in (CLOCK, COUNTER)
    for j in range(x.size):
        x[j] = (np.rint(x[j] * scale) if counts else x[j] * scale) + shift


@njit(cache=True, error_model="numpy")
def _drift(process, x):
    """A lasting change between knots d0 and d1: of the mean by `size` counts, or of the gain about it by `size`."""
    mean = 0.0
    for j in range(x.size):
        mean += x[j] / x.size
    for j in range(process.d0, x.size):
        share = min(1.0, (j - process.d0) / max(1, process.d1 - process.d0))
        if process.drift == DRIFT_MEAN:
            x[j] += share * process.size
        else:
            x[j] = mean + (x[j] - mean) * (1.0 + share * (process.size - 1.0))


@njit(cache=True, error_model="numpy")
def lay_knots(processes, table, knots, envelopes):
    """Lay the knots and the resonance envelopes of all processes of a scene, in place."""
    for i in range(processes.size):
        process = processes[i]
        x = knots[process.knot : process.knot + process.count]
        _lay(process, x, table)
        _place(process, x)
        if process.drift != NO_DRIFT:
            _drift(process, x)
        if process.env >= 0:  # bursts: bumps 16 to 64 knots wide
            j = process.env
            end = process.env + process.count
            b = 0
            while j < end:
                gap = int64(20.0 + 400.0 * uniform_at(3 * b, process.k1, process.k0))
                width = int64(16.0 + 48.0 * uniform_at(3 * b + 1, process.k1, process.k0))
                height = 0.5 + uniform_at(3 * b + 2, process.k1, process.k0)
                for t in range(gap):
                    if j + t < end:
                        envelopes[j + t] = float32(0.0)
                for t in range(width):
                    if j + gap + t < end:
                        rise = 1.0 - abs(2.0 * t / width - 1.0)
                        envelopes[j + gap + t] = float32(height * rise * rise * (3.0 - 2.0 * rise))
                j += gap + width
                b += 1
