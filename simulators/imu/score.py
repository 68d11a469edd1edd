"""A motion written down: for every generalised coordinate what it is as a function of time, with its derivatives.

Times in s, coordinates in rad and m (see `simulators.imu.body`). A score is a sum: key tracks (quintic Hermite
polynomials through given values, rates and accelerations: between rests they are minimum-jerk paths, in flight the
parabola), cycles (Fourier series of a phase, with a size), splines, and shocks of single segments.
Source of the minimum-jerk path: Flash and Hogan, J. Neuroscience 5, 1985.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulators.imu.body import COORDINATES, JOINTS, PARENTS, SEGMENTS, Body
from simulators.imu.kernels import chain, motion

CHUNK = 4096
PARENT = PARENTS.astype(np.int64)
COORDINATE = np.array([joint.coordinates for joint in JOINTS], np.int64)
SIGN = np.array([joint.signs for joint in JOINTS], float)
INDEX = {name: i for i, name in enumerate(COORDINATES)}


@dataclass(frozen=True, eq=False)
class Track:
    """Quintic pieces: start (pieces,) s, power (pieces, 6) of the time since then."""

    start: np.ndarray
    power: np.ndarray


def track_of(knots: Sequence[tuple[float, float, float, float]] | np.ndarray) -> Track:
    """The track through knots (time, value, rate, acceleration) with ascending times; it rests after the last.

    >>> track_of([(0.0, 1.0, 0.0, 0.0), (2.0, 3.0, 0.0, 0.0)]).power.round(6).tolist()[1]
    [3.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    knots = np.asarray(knots, float)
    t, p, v, a = knots.T
    h = np.diff(t)
    power = np.zeros((t.size, 6))
    power[:, 0] = p
    power[:-1, 1], power[:-1, 2] = v[:-1], a[:-1] / 2
    d = p[1:] - p[:-1] - v[:-1] * h - a[:-1] / 2 * h * h
    e = (v[1:] - v[:-1] - a[:-1] * h) * h
    f = (a[1:] - a[:-1]) * h * h
    power[:-1, 3] = (10 * d - 4 * e + f / 2) / h**3
    power[:-1, 4] = (-15 * d + 7 * e - f) / h**4
    power[:-1, 5] = (6 * d - 3 * e + f / 2) / h**5
    return Track(t, power)


def wave_of(points: Sequence[float] | np.ndarray) -> tuple[float, np.ndarray]:
    """(mean, (harmonics, 2) of cos and sin) of the trigonometric interpolation of one cycle at even steps."""
    c = np.fft.rfft(points) / len(points)
    wave = 2 * np.stack([c.real, -c.imag], -1)[1:]
    if len(points) % 2 == 0:
        wave[-1] /= 2
        wave[-1, 1] = 0.0
    return float(c[0].real), wave


def shifted(wave: np.ndarray, phase: float) -> np.ndarray:
    """A wave (harmonics, 2) that comes later by a phase in cycles."""
    turn = np.exp(-2j * np.pi * phase * np.arange(1, len(wave) + 1))
    c = (wave[:, 0] - 1j * wave[:, 1]) * turn
    return np.stack([c.real, -c.imag], -1)


@dataclass(frozen=True, eq=False)
class Cycle:
    """A Fourier series of a phase, in some coordinates, from begin to end."""

    begin: float
    end: float
    phase: Track
    """in cycles"""
    size: Track
    which: np.ndarray
    """(k,) coordinates"""
    wave: np.ndarray
    """(k, harmonics, 2)"""


@dataclass(frozen=True, eq=False)
class Spline:
    """Uniform cubic B-splines of some coordinates: control (k, points); point j is centred at begin + (j - 1) step.

    It counts from begin to begin + (points - 3) step: three points of 0 at an end let it begin or end without a jump.
    """

    begin: float
    step: float
    which: np.ndarray
    control: np.ndarray


@dataclass(frozen=True, eq=False)
class Shocks:
    """Shocks at segments: time s, time constant s, peaks along up and forward in m/s^2, share passed at a joint."""

    at: np.ndarray
    tau: np.ndarray
    up: np.ndarray
    forward: np.ndarray
    segment: np.ndarray
    passes: np.ndarray


_NONE = np.zeros(0)
NO_SHOCKS = Shocks(_NONE, _NONE, _NONE, _NONE, np.zeros(0, np.int64), _NONE)


@dataclass(frozen=True, eq=False)
class Score:
    """A whole motion."""

    tracks: Mapping[int, Track]
    """By coordinate."""
    cycles: tuple[Cycle, ...] = ()
    splines: tuple[Spline, ...] = ()
    shocks: Shocks = NO_SHOCKS


def lineage(segments: Iterable[int]) -> np.ndarray:
    """Segments and all that they hang from, parents first.

    >>> [SEGMENTS[i] for i in lineage([SEGMENTS.index("shank_l")])]
    ['pelvis', 'thigh_l', 'shank_l']
    """
    found: set[int] = set()
    for segment in segments:
        while segment >= 0:
            found.add(segment)
            segment = int(PARENT[segment])
    return np.array(sorted(found), np.int64)  # a parent's number is below its children's


def coordinates_of(
    score: Score, times: np.ndarray, needed: Iterable[int] = range(len(COORDINATES)), spare: np.ndarray | None = None
) -> np.ndarray:
    """(3, coordinates, n): values, rates and accelerations at ascending times (n,) s; those not needed may be 0.

    `spare`: an array of that shape to write to.
    """
    wanted = np.zeros(len(COORDINATES), bool)
    wanted[list(needed)] = True
    out = np.empty((3, len(COORDINATES), times.size)) if spare is None else spare
    out[:] = 0.0
    for c, own in score.tracks.items():
        if wanted[c]:
            motion.track(times, own.start, own.power, out[:, c])
    for cycle in score.cycles:
        a, b = np.searchsorted(times, (cycle.begin, cycle.end))
        keep = wanted[cycle.which]
        if a < b and keep.any():
            motion.cycles(
                times[a:b], cycle.phase.start, cycle.phase.power, cycle.size.start, cycle.size.power,
                cycle.which[keep], np.ascontiguousarray(cycle.wave[keep]), out[:, :, a:b],
            )  # fmt: skip
    for spline in score.splines:
        a = np.searchsorted(times, spline.begin)
        b = np.searchsorted(times, spline.begin + spline.step * (spline.control.shape[1] - 3), side="right")
        keep = wanted[spline.which]
        if a < b and keep.any():
            motion.spline(
                times[a:b], spline.begin, spline.step, np.ascontiguousarray(spline.control[keep]),
                spline.which[keep], out[:, :, a:b],
            )  # fmt: skip
    return out


def distance(a: int, b: int) -> int:
    """Joints between two segments."""
    up_a, up_b = list(_ancestors(a)), list(_ancestors(b))
    common = next(s for s in up_a if s in up_b)
    return up_a.index(common) + up_b.index(common)


def _ancestors(segment: int) -> Iterable[int]:
    while segment >= 0:
        yield segment
        segment = int(PARENT[segment])


DISTANCES = np.array([[distance(a, b) for b in range(len(SEGMENTS))] for a in range(len(SEGMENTS))])
"""(segments, segments) joints between two segments."""


def shock_of(shocks: Shocks, segment: int, times: np.ndarray) -> np.ndarray:
    """(2, 3, n): displacement of a segment by shocks along up and forward, with its derivatives."""
    out = np.zeros((2, 3, times.size))
    if shocks.at.size and times.size:
        inside = np.flatnonzero((shocks.at < times[-1]) & (shocks.at + 18 * shocks.tau > times[0]))
        gain = shocks.passes[inside] ** DISTANCES[segment, shocks.segment[inside]]
        motion.shocks(
            times, shocks.at[inside], shocks.tau[inside], gain * shocks.up[inside], gain * shocks.forward[inside], out
        )
    return out


def _felt(shock: np.ndarray, turning: np.ndarray) -> np.ndarray:
    """(3, n) acceleration along up, forward and left of a displacement (2, 3, n) in a heading that turns (2, n)."""
    up, forward = shock
    rate, change = turning
    return np.stack([up[2], forward[2] - rate**2 * forward[0], 2 * rate * forward[1] + change * forward[0]])


@dataclass(frozen=True, eq=False)
class Sites:
    """Where ideal sensors sit: segment (s,), place (s, 3) m in it, mount (s, 3, 3) device to segment."""

    segment: np.ndarray
    place: np.ndarray
    mount: np.ndarray


@dataclass(frozen=True, eq=False)
class Ideal:
    """What ideal sensors read: force m/s^2, rate rad/s (sites, 3, n); axes (sites, 2, 3, n): up and the heading."""

    force: np.ndarray
    rate: np.ndarray
    axes: np.ndarray
    heading: np.ndarray
    """(n,) rad: where `forward` points to."""


def sense(score: Score, body: Body, sites: Sites, times: np.ndarray) -> Ideal:
    """Ideal readings at sites of a body that follows a score, at ascending times (n,) s."""
    n, count = times.size, sites.segment.size
    force, rate, axes = np.empty((count, 3, n)), np.empty((count, 3, n)), np.empty((count, 2, 3, n))
    heading = np.empty(n)
    needed = lineage(int(s) for s in sites.segment)
    wanted = sorted({*range(8), *(int(c) for c in COORDINATE[needed].ravel() if c >= 0)})
    buffer = np.empty(3 * len(COORDINATES) * min(CHUNK, n))
    for at in range(0, n, CHUNK):
        part = slice(at, min(at + CHUNK, n))
        spare = buffer[: 3 * len(COORDINATES) * (part.stop - at)].reshape(3, len(COORDINATES), -1)
        q = coordinates_of(score, times[part], wanted, spare)
        heading[part] = q[0, INDEX["yaw"]]
        shock = np.zeros((count, 3, q.shape[2]))
        if score.shocks.at.size:
            turning = q[1:, INDEX["yaw"]]
            for s in range(count):
                shock[s] = _felt(shock_of(score.shocks, int(sites.segment[s]), times[part]), turning)
        chain.sense(
            q, needed, PARENT, COORDINATE, SIGN, body.offsets, sites.segment, sites.place, sites.mount, shock,
            force[:, :, part], rate[:, :, part], axes[:, :, :, part],
        )  # fmt: skip
    return Ideal(force, rate, axes, heading)


def about(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotations (n, 3, 3) about an axis."""
    i, j = ((1, 2), (2, 0), (0, 1))[axis]
    out = np.zeros((angle.size, 3, 3))
    out[:, axis, axis] = 1.0
    out[:, i, i] = out[:, j, j] = np.cos(angle)
    out[:, j, i] = np.sin(angle)
    out[:, i, j] = -out[:, j, i]
    return out


def path_of(score: Score, times: np.ndarray) -> np.ndarray:
    """(n, 2) east-north place of the heading frame's origin: the integral of speed along the heading, to 1e-8 m.

    By Gauss-Legendre quadrature with three points between neighbouring times and no step above 20 ms.
    """
    steps = np.maximum(1, np.ceil(np.diff(times) / 0.02).astype(int))
    fine = np.concatenate([
        *(np.linspace(a, b, k, endpoint=False) for a, b, k in zip(times[:-1], times[1:], steps, strict=True)),
        times[-1:],
    ])  # fmt: skip
    node, weight = np.polynomial.legendre.leggauss(3)
    half = np.diff(fine) / 2
    at = (fine[:-1] + half)[:, None] + half[:, None] * node
    q = coordinates_of(score, at.ravel(), (INDEX["speed"], INDEX["yaw"]))[0]
    speed, yaw = (q[INDEX[name]].reshape(at.shape) for name in ("speed", "yaw"))
    moved = half[:, None] * np.stack([(speed * np.cos(yaw)) @ weight, (speed * np.sin(yaw)) @ weight], -1)
    whole = np.concatenate([np.zeros((1, 2)), np.cumsum(moved, 0)])
    return np.asarray(whole[np.concatenate([[0], np.cumsum(steps)])])


def frames_of(score: Score, body: Body, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rotation (segments, n, 3, 3) segment to world, origin (segments, n, 3) m) at ascending times (n,) s.

    By rotation matrices, from the root outwards: a second way to what `sense` finds in the segments' own axes.
    """
    q = coordinates_of(score, times)[0]
    heading = about(2, q[INDEX["yaw"]])
    local = np.stack([q[INDEX[name]] for name in ("forward", "left", "up")], -1)
    path = np.concatenate([path_of(score, times), np.zeros((times.size, 1))], 1)
    rotation, origin = np.empty((len(SEGMENTS), times.size, 3, 3)), np.empty((len(SEGMENTS), times.size, 3))
    for i, joint in enumerate(JOINTS):
        above = heading if joint.parent < 0 else rotation[joint.parent]
        own = above
        for axis, c, sign in zip((1, 0, 2), joint.coordinates, joint.signs, strict=True):
            if c >= 0:
                own = own @ about(axis, sign * q[c])
        rotation[i] = own
        if joint.parent < 0:
            origin[i] = path + np.einsum("nij,nj->ni", heading, local)
        else:
            origin[i] = origin[joint.parent] + above @ body.offsets[i]
    return rotation, origin


def places_of(score: Score, body: Body, sites: Sites, times: np.ndarray) -> np.ndarray:
    """Places (sites, n, 3) m of devices in the world, shocks included."""
    rotation, origin = frames_of(score, body, times)
    found = np.stack([
        origin[s] + rotation[s] @ place for s, place in zip(sites.segment, sites.place, strict=True)
    ])  # fmt: skip
    yaw = coordinates_of(score, times, (INDEX["yaw"],))[0, INDEX["yaw"]]
    for i, s in enumerate(sites.segment):
        up, forward = shock_of(score.shocks, int(s), times)[:, 0]
        found[i] += np.stack([forward * np.cos(yaw), forward * np.sin(yaw), up], -1)
    return found
