"""What surrounds the hand: Earth's field, the device's motion, and the iron that the device carries.

Directions of the world are east, north, up. A rotation takes the device's axes to the world's; one motion turns the
Earth's field and drives accelerometer and gyroscope. Samples are the last axis; fields in uT, positions in mm.
"""

import math
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from scenarios.errors import InputError
from simulators.rng import Key, stream
from simulators.sensor import STANDARD_GRAVITY, mix

KINDS = ("still", "tilt", "free")
YEARS = (2010.0, 2030.0)
"""Five World Magnetic Models, 2010 to 2025, each for five years."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where and when. Longitude is east; altitude is above the WGS 84 ellipsoid; year is decimal."""

    latitude_deg: float
    longitude_deg: float
    year: float
    altitude_m: float = 0.0


EDINBURGH = Place(latitude_deg=55.953, longitude_deg=-3.188, year=2025.0)
"""Place and year of the recorded set."""


@cache
def _model(epoch: int) -> Any:
    from pygeomag import GeoMag

    return GeoMag(base_year=epoch)


def earth_field(place: Place) -> np.ndarray:
    """Earth's main field at a place, (3,) east, north, up in uT, by the World Magnetic Model of its year.

    Source: NOAA/NCEI and BGS, WMM 2010 to 2025, through pygeomag. The crust's field, of some 0.1 uT, is not in it.
    Raises InputError where no model holds.
    """
    for name, low, high in (
        ("latitude_deg", -90.0, 90.0),
        ("longitude_deg", -180.0, 360.0),
        ("altitude_m", -1000.0, 850_000.0),
    ):
        if not low <= (value := getattr(place, name)) <= high:
            raise InputError(f"{name} of a place must be {low:g} to {high:g} for the field model; it is {value}")
    if not YEARS[0] <= place.year < YEARS[1]:
        raise InputError(f"year of a place must be {YEARS[0]:g} to {YEARS[1]:g}, short of it; it is {place.year}")
    told = _model(int(place.year) // 5 * 5).calculate(
        glat=place.latitude_deg, glon=place.longitude_deg, alt=place.altitude_m / 1000, time=place.year
    )
    return np.array([told.y, told.x, -told.z]) / 1000


def field_from_angles(total_ut: float, inclination_deg: float, declination_deg: float) -> np.ndarray:
    """A given field as (3,) east, north, up in uT: inclination down from the horizon, declination east of north."""
    down, east = math.radians(inclination_deg), math.radians(declination_deg)
    level = math.cos(down)
    return total_ut * np.array([level * math.sin(east), level * math.cos(east), -math.sin(down)])


RECORDED_EARTH = field_from_angles(50.5, 71.5, -1.5)
"""What the recorded set says of its place, and its origin subtracts; the model of Edinburgh differs by 1.5 uT."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Samples of a moving device."""

    rotation: np.ndarray
    """(3, 3, samples), device to world"""
    rate: np.ndarray
    """(3, samples), rad/s about the device's axes: d rotation / dt = rotation @ [rate]x"""
    position_mm: np.ndarray
    """(3, samples), world"""
    acceleration: np.ndarray
    """(3, samples), m/s^2, world: the second derivative of the position"""

    def to_device(self, vector: np.ndarray) -> np.ndarray:
        """A world vector, (3,) or (3, samples), as the device sees it: (3, samples)."""
        r = self.rotation
        out: np.ndarray = r[0] * vector[0] + r[1] * vector[1] + r[2] * vector[2]
        return out

    def specific_force(self) -> np.ndarray:
        """What an ideal accelerometer reads at the origin, (3, samples) m/s^2: at rest, gravity's size along up."""
        return self.to_device(self.acceleration + np.array([[0.0], [0.0], [STANDARD_GRAVITY]]))


@dataclass(frozen=True, kw_only=True)
class Turning:
    """How a device moves. Raises InputError where a number cannot be.

    still: level, one heading; tilt: the heading within +-limit_deg of its own, and the device's z never farther from
    up than that; free: every orientation is as likely.
    """

    kind: str = "tilt"
    limit_deg: float = 25.0
    turn_deg_s: float = 60.0
    """free: rms rate of each of roll, pitch and yaw"""
    knot_s: float = 0.5
    """spacing of the splines' control points: nothing is faster"""
    sway_mm: float = 0.0
    """rms of the position on each axis"""

    def __post_init__(self) -> None:
        """Check what must hold."""
        if self.kind not in KINDS:
            raise InputError(f"kind of a turning must be one of {', '.join(KINDS)}; it is {self.kind!r}")
        for name, most in (("limit_deg", 90.0), ("turn_deg_s", 1e4), ("knot_s", 1e6), ("sway_mm", 1e6)):
            value = getattr(self, name)
            if not 0 <= value <= most or (value == 0 and name == "knot_s"):
                raise InputError(f"{name} of a turning must be 0 to {most:g}, knot_s not 0; it is {value}")


def _spline(control: np.ndarray, knot_s: float, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A uniform cubic B-spline with control points (points, k) at times t in s: value, first and second derivative.

    Each (k, samples). It never leaves the convex hull of its control points.
    """
    at = np.floor(t / knot_s).astype(np.int64)
    x = t / knot_s - at
    weights = (
        np.array([(1 - x) ** 3, (3 * x - 6) * x * x + 4, ((3 - 3 * x) * x + 3) * x + 1, x**3]) / 6,
        np.array([-((1 - x) ** 2), (3 * x - 4) * x, (2 - 3 * x) * x + 1, x * x]) / (2 * knot_s),
        np.array([1 - x, 3 * x - 2, 1 - 3 * x, x]) / knot_s**2,
    )
    near = [control[at + j].T for j in range(4)]
    value, first, second = (sum((w[j] * near[j] for j in range(1, 4)), w[0] * near[0]) for w in weights)
    return value, first, second


def _euler(angles: np.ndarray) -> np.ndarray:
    """Rz(yaw) Ry(pitch) Rx(roll), (3, 3, samples), of roll, pitch and yaw (3, samples)."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(angles), np.sin(angles)
    return np.array([
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ])  # fmt: skip


def _uniform(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Uniform rotations (3, 3, samples), from normal quaternions."""
    q = rng.standard_normal((samples, 4)).T
    w, x, y, z = q / np.sqrt((q * q).sum(0))
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def _within(limit: float, rng: np.random.Generator, samples: int) -> np.ndarray:
    """Roll and pitch in a disc, yaw in an interval of that radius, (samples, 3)."""
    u = rng.random((samples, 3)).T
    radius, turn = limit * np.sqrt(u[0]), 2 * np.pi * u[1]
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), limit * (2 * u[2] - 1)], axis=1)


def trajectory(turning: Turning, times_ns: np.ndarray, key: Key) -> Motion:
    """A smooth random motion at any times_ns (samples,) int64 >= 0: one key and turning tell one motion at all times.

    Roll, pitch and yaw are cubic B-splines of random control points, after a first rotation: a heading or, for free
    turning, any. The rate is the exact derivative. Raises InputError where a time is below 0.
    """
    if times_ns.size and times_ns.min() < 0:
        raise InputError(f"times of a motion must be at least 0 ns; the first is {times_ns.min()}")
    t = times_ns * 1e-9
    points = int(t.max(initial=0.0) / turning.knot_s) + 5
    start, rng = stream(key, "motion/start"), stream(key, "motion/turning")
    if turning.kind == "free":  # 11/20: the mean square of the spline's rate over that of its steps'
        step = math.radians(turning.turn_deg_s) * turning.knot_s / math.sqrt(11 / 20)
        first, control = _uniform(start, 1)[..., 0], step * np.cumsum(rng.standard_normal((points, 3)), axis=0)
    else:
        first = _euler(np.array([[0.0], [0.0], [2 * np.pi * start.random()]]))[..., 0]
        limit = math.radians(turning.limit_deg) if turning.kind == "tilt" else 0.0
        control = _within(limit, rng, points)
    angles, speed, _ = _spline(control, turning.knot_s, t)
    (cr, cp, _), (sr, sp, _) = np.cos(angles), np.sin(angles)
    roll, pitch, yaw = speed
    rate = np.array([roll - yaw * sp, pitch * cr + yaw * cp * sr, yaw * cp * cr - pitch * sr])
    rotation = mix(first, _euler(angles).reshape(3, -1)).reshape(3, 3, -1)
    path = np.zeros((points, 3))
    if turning.sway_mm:  # 151/315: the mean square of the spline over that of its control points
        path = turning.sway_mm / math.sqrt(151 / 315) * stream(key, "motion/sway").standard_normal((points, 3))
    position, _, acceleration = _spline(path, turning.knot_s, t)
    return Motion(rotation, rate, position, acceleration * 1e-3)


def scatter(turning: Turning, samples: int, key: Key) -> Motion:
    """Independent orientations at rest, for readings that have no time between them; yaw is uniform."""
    rng = stream(key, "motion/scatter")
    if turning.kind == "free":
        rotation = _uniform(rng, samples)
    else:
        angles = _within(math.radians(turning.limit_deg) if turning.kind == "tilt" else 0.0, rng, samples)
        angles[:, 2] = 2 * np.pi * rng.random(samples)
        rotation = _euler(angles.T)
    rest = np.zeros((3, samples))
    return Motion(rotation, rest, rest, rest)


@dataclass(frozen=True, eq=False)
class Iron:
    """The device's own iron: it reads soft @ field + hard. Raises InputError where soft has no inverse."""

    hard: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """(3,), uT, device axes"""
    soft: np.ndarray = field(default_factory=lambda: np.eye(3))
    """(3, 3)"""

    def __post_init__(self) -> None:
        """Check what must hold."""
        if self.hard.shape != (3,) or self.soft.shape != (3, 3):
            raise InputError(
                f"hard and soft iron must have shapes (3,) and (3, 3), not {self.hard.shape} and {self.soft.shape}"
            )
        if not np.isfinite([*self.hard, *self.soft.flat]).all() or np.linalg.cond(self.soft) > 1e6:
            raise InputError(f"iron must be finite, and soft iron must have an inverse; it is {self.soft.tolist()}")

    def apply(self, outside: np.ndarray) -> np.ndarray:
        """The field at the sensor, (3, samples), of the field outside, (3, samples)."""
        return mix(self.soft, outside) + self.hard[:, None]

    def remove(self, inside: np.ndarray) -> np.ndarray:
        """The inverse of `apply`."""
        return np.linalg.solve(self.soft, inside - self.hard[:, None])


HARD_MEAN_UT, HARD_SD_UT = (15.6, -8.9, -5.9), (24.7, 27.2, 48.3)
"""Hard iron by axis over 22 recordings of the origin's device: simcap mag-calibration-analysis-2025-12-30.md."""


def draw_iron(
    key: Key,
    hard_mean_ut: tuple[float, float, float] = HARD_MEAN_UT,
    hard_sd_ut: tuple[float, float, float] = HARD_SD_UT,
    soft_sd: float = 0.03,
) -> Iron:
    """One device's iron: a normal draw for every number; the sd of soft iron is assumed."""
    e = stream(key, "iron").standard_normal(12)
    return Iron(np.array(hard_mean_ut) + np.array(hard_sd_ut) * e[:3], np.eye(3) + soft_sd * e[3:].reshape(3, 3))
