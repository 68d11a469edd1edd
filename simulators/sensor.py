"""What a sensor does to a signal, for every domain: errors of one specimen, noise, clip, quantise, hold, and the clock.

In order: misalignment and scale, constant offset, warmth, sensitivity to another quantity, null offset after an
overload, noise; then rounding to counts, the rail, death of a channel, sample and hold, loss. float64 until the
rounding. Every effect draws from a stream of its own, named by the sensor, so one more effect shifts no other.

Noise follows IEEE Std 952 and 1554: white noise has an Allan deviation N / sqrt(tau), bias instability (flicker) a
floor of B sqrt(2 ln 2 / pi), a random walk K sqrt(tau / 3). A data sheet's one-sided noise density is sqrt(2) N.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, cast

import numpy as np
from numba import njit

from scenarios.errors import InputError
from simulators.noise import normal_table, normals
from simulators.rng import Key, stream

CLIPPED, LOST, DEAD, SHIFTED = 1, 2, 4, 8
"""Bits of a flag: beyond the rail; never arrived; the channel is stuck; the null offset was moved by an overload."""

FLICKER_TAU_S = tuple(10.0**k for k in range(-2, 5))
"""Time constants of the processes that make flicker, one a decade: Allan deviation within 3 % from 0.1 to 1000 s."""

STANDARD_GRAVITY = 9.80665
"""m/s^2."""


@dataclass(frozen=True, kw_only=True)
class SensorModel:
    """A kind of sensor, in `unit` of what it measures; the sd are those of a normal draw for each specimen or reading.

    Raises InputError where a number cannot be.
    """

    name: str
    unit: str
    lsb: float
    """unit per count"""
    bits: int = 16
    """two's complement; counts are int16 up to 16 bits, int32 above"""
    rail: int | None = None
    """largest count on either side, where it is less than the word allows"""
    white_sd: float = 0.0
    """white noise of a reading"""
    noise_density: float = 0.0
    """one-sided, unit/sqrt(Hz): a reading gets density * sqrt(rate / 2), rate = 1 / median interval of readings"""
    flicker: float = 0.0
    """bias instability B, unit; stationary from the first reading on"""
    random_walk: float = 0.0
    """K, unit/sqrt(s): 0 at the first reading, sd K sqrt(t) after t"""
    drift_sd: float = 0.0
    """slow drift of the offset (Gauss-Markov), stationary from the first reading on"""
    drift_tau_s: float = 600.0
    offset_sd: float = 0.0
    scale_sd: float = 0.0
    misalignment_sd: float = 0.0
    """each off-diagonal element, rad"""
    per_kelvin_sd: float = 0.0
    """unit/K"""
    cross_sd: float = 0.0
    """unit per unit of another quantity: a gyro's g-sensitivity"""
    overload: float = math.inf
    """norm over the channels above which the null offset is drawn anew, each channel uniform in +-jump"""
    jump: float = 0.0
    hold: tuple[int, int] = (1, 1)
    """a reading stands for so many samples: least, most"""
    dead: float = 0.0
    """probability that a channel gets stuck at some reading"""

    def __post_init__(self) -> None:
        """Check what must hold."""
        numbers = {f.name: getattr(self, f.name) for f in fields(self) if f.type is float}
        for name, value in numbers.items():
            most = 1.0 if name == "dead" else math.inf
            if not 0 <= value <= most or (math.isinf(value) and name != "overload"):
                raise InputError(f"{name} of sensor {self.name} must be a number from 0 to {most:g}; it is {value}")
            if value == 0 and name in ("lsb", "drift_tau_s", "overload"):
                raise InputError(f"{name} of sensor {self.name} must be above 0; it is {value}")
        if not 2 <= self.bits <= 32:
            raise InputError(f"bits of sensor {self.name} must be 2 to 32; they are {self.bits}")
        if self.rail is not None and not 0 < self.rail < 2 ** (self.bits - 1):
            raise InputError(
                f"rail of sensor {self.name} must be 1 to {2 ** (self.bits - 1) - 1} counts; it is {self.rail}"
            )
        if not 1 <= self.hold[0] <= self.hold[1]:
            raise InputError(f"hold of sensor {self.name} must be two counts, 1 <= a <= b; it is {self.hold}")

    @property
    def rails(self) -> tuple[int, int]:
        """Least and largest count."""
        full = 1 << (self.bits - 1)
        return (-full, full - 1) if self.rail is None else (-self.rail, self.rail)


@dataclass(frozen=True, eq=False)
class Specimen:
    """The constant errors of one sensor: matrix @ signal + offset + per_kelvin * warmth + cross @ other.

    matrix, cross: (channels, channels); offset, per_kelvin: (channels,).
    """

    matrix: np.ndarray
    offset: np.ndarray
    per_kelvin: np.ndarray
    cross: np.ndarray


class Reading(NamedTuple):
    """What the logger gets."""

    counts: np.ndarray
    """(channels, samples) int16 or int32; 0 where lost"""
    flags: np.ndarray
    """(channels, samples) uint8, bits CLIPPED, LOST, DEAD, SHIFTED"""
    held: np.ndarray
    """(samples,) bool: repeats the reading before"""


def mix(matrix: np.ndarray, signal: np.ndarray) -> np.ndarray:
    """matrix (i, j) @ signal (j, samples), added up in the order of j: the same bits on every BLAS."""
    out: np.ndarray = matrix[:, 0, None] * signal[0]
    for j in range(1, len(signal)):
        out += matrix[:, j, None] * signal[j]
    return out


def specimen(model: SensorModel, channels: int, key: Key, name: str = "") -> Specimen:
    """Draw one sensor of a kind. Give the key of a device, not of a recording, to keep it over recordings."""
    rng = stream(key, f"sensor/{name or model.name}/specimen")
    offset, scale, per_kelvin = rng.standard_normal((3, channels))
    matrix, cross = rng.standard_normal((2, channels, channels))
    matrix *= model.misalignment_sd
    np.fill_diagonal(matrix, 1 + model.scale_sd * scale)
    return Specimen(matrix, model.offset_sd * offset, model.per_kelvin_sd * per_kelvin, model.cross_sd * cross)


@njit(cache=True, error_model="numpy")
def _wander(gaps_s: np.ndarray, tau_s: np.ndarray, sd: np.ndarray, e: np.ndarray, out: np.ndarray) -> None:
    """Add Gauss-Markov processes and, last, a random walk to out (samples,), from normals e (processes, samples)."""
    last = tau_s.size - 1
    state, keep, drive = np.zeros(last + 1), np.ones(last + 1), sd.copy()
    drive[last] = 0.0
    gap = -1.0
    for i in range(out.size):
        if i > 0 and gaps_s[i - 1] != gap:
            gap = gaps_s[i - 1]
            drive[last] = sd[last] * np.sqrt(gap)
            for j in range(last):
                keep[j] = np.exp(-gap / tau_s[j])
                drive[j] = sd[j] * np.sqrt(-np.expm1(-2.0 * gap / tau_s[j]))
        total = 0.0
        for j in range(last + 1):
            state[j] = keep[j] * state[j] + drive[j] * e[j, i]
            total += state[j]
        out[i] += total


def noise_of(model: SensorModel, times_ns: np.ndarray, channels: int, key: Key, name: str = "") -> np.ndarray:
    """Noise of the readings at times_ns (readings,), in the model's unit; shape (channels, readings) float64.

    A noise density needs two readings to know the rate: InputError.
    """
    n, effect = times_ns.size, f"sensor/{name or model.name}"
    gaps_s = np.diff(times_ns) * 1e-9
    out, table = np.zeros((channels, n)), normal_table()
    white = model.white_sd
    if model.noise_density:
        if n < 2:
            raise InputError(f"sensor {model.name} has a noise density, so it needs at least 2 readings; there are {n}")
        white = math.hypot(white, model.noise_density * math.sqrt(0.5 / float(np.median(gaps_s))))
    if white:
        e = np.empty(n, np.float32)
        keys = stream(key, f"{effect}/white").integers(0, 2**32, (channels, 2), np.uint32)
        for c in range(channels):
            normals(table, 0, n, keys[c, 0], keys[c, 1], e)
            np.multiply(e, white, out=out[c])
    processes = [(0, model.drift_tau_s, model.drift_sd)] if model.drift_sd else []
    if model.flicker:  # what is faster than the readings would only come back as white noise
        least = float(np.median(gaps_s)) if n > 1 else 0.0
        sd = model.flicker * math.sqrt(math.log(10) / math.pi)
        processes += [(2 + i, tau, sd) for i, tau in enumerate(FLICKER_TAU_S) if tau >= least]
    if processes or model.random_walk:
        keys = stream(key, f"{effect}/wander").integers(0, 2**32, (channels, 2 + len(FLICKER_TAU_S), 2), np.uint32)
        rows, tau_s, sds = (np.array(column) for column in zip(*processes, (1, 0.0, model.random_walk), strict=True))
        waves = np.empty((rows.size, n), np.float32)
        for c in range(channels):
            for wave, row in zip(waves, rows, strict=True):
                normals(table, 0, n, keys[c, row, 0], keys[c, row, 1], wave)
            _wander(gaps_s, tau_s, sds, waves, out[c])
    return out


def quantise(model: SensorModel, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(counts, clipped) of values in the model's unit: nearest count, half to even; clipped: it is off the rails."""
    low, high = model.rails
    counts = np.rint(values / model.lsb)
    clipped = (counts < low) | (counts > high)
    return np.clip(counts, low, high, out=counts).astype(np.int16 if model.bits <= 16 else np.int32), clipped


def measure(
    model: SensorModel,
    signal: np.ndarray,
    times_ns: np.ndarray,
    key: Key,
    *,
    name: str = "",
    device: Specimen | None = None,
    warmth_k: np.ndarray | None = None,
    other: np.ndarray | None = None,
    lost: np.ndarray | None = None,
) -> Reading:
    """What a sensor makes of a true signal.

    signal: (channels, samples), in the model's unit; times_ns: (samples,) int64, true, ascending; name: tells sensors
    of one kind apart; device: its constant errors, drawn from the key where not given; warmth_k: (samples,), K above
    calibration; other: (channels, samples), what the cross sensitivity sees; lost: (samples,) bool.

    Raises InputError where the signal is not finite or a time does not ascend.
    """
    channels, n = signal.shape
    if not np.isfinite(signal).all():
        raise InputError(f"the signal of sensor {model.name} must be finite; at least one of its values is not")
    if times_ns.shape != (n,) or (np.diff(times_ns) <= 0).any():
        raise InputError(f"the times of sensor {model.name} must ascend, one for each of {n} samples; they do not")
    effect = f"sensor/{name or model.name}"
    reading, fresh, held = np.empty(0, np.int64), cast(Any, slice(None)), np.zeros(n, bool)
    if model.hold[1] > 1:
        lengths = stream(key, f"{effect}/hold").integers(model.hold[0], model.hold[1] + 1, n // model.hold[0] + 1)
        reading = np.repeat(np.arange(lengths.size), lengths)[:n]
        held = np.diff(reading, prepend=-1) == 0
        fresh = np.flatnonzero(~held)
    device = device or specimen(model, channels, key, name)
    values = mix(device.matrix, signal[:, fresh])
    values += device.offset[:, None]
    if warmth_k is not None:
        values += device.per_kelvin[:, None] * warmth_k[fresh]
    if other is not None:
        values += mix(device.cross, other[:, fresh])
    episode = _episodes(model, signal)
    if episode.any():
        u = stream(key, f"{effect}/jump").random((int(episode[-1]), channels))
        moved = np.vstack([np.zeros(channels), model.jump * (2 * u - 1)])
        values += moved[episode[fresh]].T
    values += noise_of(model, times_ns[fresh], channels, key, name)
    counts, clipped = quantise(model, values)
    flags = clipped * np.uint8(CLIPPED) + (episode[fresh] > 0) * np.uint8(SHIFTED)
    if model.dead:
        u = stream(key, f"{effect}/dead").random((channels, 2))
        for c in np.flatnonzero(u[:, 0] < model.dead):
            at = int(u[c, 1] * counts.shape[1])
            counts[c, at:], flags[c, at:] = counts[c, at], flags[c, at] | DEAD
    if reading.size:
        counts, flags = counts[:, reading], flags[:, reading]
    if lost is not None:
        counts[:, lost] = 0
        flags[:, lost] |= LOST
    return Reading(counts, flags, held)


def _episodes(model: SensorModel, signal: np.ndarray) -> np.ndarray:
    """How many overloads have begun at each sample, shape (samples,)."""
    if not model.jump or math.isinf(model.overload):
        return np.zeros(signal.shape[1], np.int64)
    over = (signal * signal).sum(0) > model.overload**2
    return np.cumsum(over & ~np.concatenate([[False], over[:-1]]))


@dataclass(frozen=True, kw_only=True)
class Clock:
    """When a device samples, and what it says about it. Raises InputError where a number cannot be."""

    rate_hz: float
    """mean, by the device's own timer"""
    gaps_s: tuple[float, float] | None = None
    """irregular: every gap lies in this range, by the device's own timer"""
    skew_sd: float = 0.0
    """relative error of the timer's rate"""
    jitter_s: float = 0.0
    """a stamp comes late by up to this, uniform"""
    tick_ns: int = 1
    """stamps are whole ticks, rounded down"""
    batch: int = 1
    """so many samples travel together, and bear the stamp of the last"""
    loss: float = 0.0
    """probability that a batch never arrives"""

    def __post_init__(self) -> None:
        """Check what must hold."""
        if not 0 < self.rate_hz <= 1e8:
            raise InputError(f"rate_hz of a clock must be above 0 and at most 1e8; it is {self.rate_hz}")
        if self.gaps_s is not None and not 1e-8 <= self.gaps_s[0] < 1 / self.rate_hz < self.gaps_s[1] < math.inf:
            raise InputError(f"gaps_s of a clock must lie on both sides of 1 / rate_hz; they are {self.gaps_s}")
        for name, most in (("skew_sd", 0.01), ("jitter_s", 3600.0), ("loss", 1.0)):
            if not 0 <= (value := getattr(self, name)) <= most:
                raise InputError(f"{name} of a clock must be 0 to {most:g}; it is {value}")
        if min(self.tick_ns, self.batch) < 1:
            raise InputError(f"tick_ns and batch of a clock must be above 0; they are {self.tick_ns} and {self.batch}")


class Ticks(NamedTuple):
    """Times of the samples, each (samples,)."""

    true_ns: np.ndarray
    """int64, strictly ascending from 0"""
    stamp_ns: np.ndarray
    """int64, never descending: what the logger is told"""
    lost: np.ndarray
    """bool"""


def ticks(clock: Clock, samples: int, key: Key, name: str = "") -> Ticks:
    """Sample a clock. The law of irregular gaps is assumed: a beta law of concentration 9 over the range."""
    effect = f"clock/{name}"
    if clock.gaps_s is None:
        own = np.rint(np.arange(samples) * (1e9 / clock.rate_hz)).astype(np.int64)
    else:
        low, high = clock.gaps_s
        share = (1 / clock.rate_hz - low) / (high - low)
        gaps = low + (high - low) * stream(key, f"{effect}/gaps").beta(9 * share, 9 * (1 - share), max(0, samples - 1))
        least, most = math.ceil(low * 1e9 - 1e-3), math.floor(high * 1e9 + 1e-3)
        own = np.concatenate([[0], np.cumsum(np.clip(np.rint(gaps * 1e9).astype(np.int64), least, most))])[:samples]
    skew = float(stream(key, f"{effect}/skew").standard_normal()) * clock.skew_sd if clock.skew_sd else 0.0
    true = own + np.rint(own * skew).astype(np.int64)
    group = np.arange(samples) // clock.batch
    stamp = own[np.minimum((group + 1) * clock.batch, samples) - 1]
    batches = -(-samples // clock.batch)
    if clock.jitter_s:
        late = stream(key, f"{effect}/jitter").random(batches) * (clock.jitter_s * 1e9)
        stamp = np.maximum.accumulate(stamp + late.astype(np.int64)[group])
    lost = stream(key, f"{effect}/loss").random(batches)[group] < clock.loss if clock.loss else np.zeros(samples, bool)
    return Ticks(true, stamp // clock.tick_ns * clock.tick_ns, lost)


# Figures without a source behind them are assumed.

MMC5603NJ = SensorModel(
    name="MMC5603NJ",
    unit="uT",
    lsb=1 / 10.24,  # 1024 LSB/G; nominal +-30 G, but the word clips at 32,767: simcap sensor_model.py, recordings
    white_sd=0.6,  # measured in a recording without magnets: 0.42, 0.50, 0.76 by axis
    drift_sd=1.0,  # assumed
    overload=3200.0,  # 32 G; null offset up to +-100 uT thereafter, degauss only at boot: simcap GAMBIT README
    jump=100.0,
    hold=(4, 5),  # samples at 26 Hz: measured in a recording
)
"""The magnetometer of the origin's device (Puck.js v2) as it is used there, 16 bits of its 20."""

AK09916 = SensorModel(
    name="AK09916",
    unit="uT",
    lsb=0.15,
    rail=32746,  # +-4,912 uT; the device tells it by HOFL: ICM-20948 data sheet
    white_sd=0.4,  # assumed
    offset_sd=100.0,  # data sheet: within +-300 uT; a third of it assumed as sd
    drift_sd=1.0,  # assumed
)
"""The magnetometer of the ICM-20948."""

FLUXGATE = SensorModel(name="fluxgate", unit="uT", lsb=2e-4, bits=24, noise_density=2e-5, offset_sd=5e-3)
"""A reference of the grade of a laboratory fluxgate, +-1,678 uT; all figures assumed."""

LSM6DS3_ACCELEROMETER = SensorModel(
    name="LSM6DS3 accelerometer",
    unit="m/s^2",
    lsb=STANDARD_GRAVITY / 8192,  # int16 spans +-4 g: simcap sensor_model.py
    noise_density=90e-6 * STANDARD_GRAVITY,  # 90 ug/sqrt(Hz), data sheet of the LSM6DS33; assumed of this one
    flicker=5e-4,  # assumed
    random_walk=1e-4,  # assumed
    offset_sd=0.2,  # with the scale: the norm at rest is off by 2 to 5 % in real recordings
    scale_sd=0.01,
    misalignment_sd=0.005,  # assumed
)
"""The accelerometer of the origin's device."""

LSM6DS3_GYROSCOPE = SensorModel(
    name="LSM6DS3 gyroscope",
    unit="rad/s",
    lsb=math.radians(1 / 114.28),  # nominal +-245 dps, int16 spans +-286.7: simcap sensor_model.py
    noise_density=math.radians(0.005),  # data sheet of the MPU-6050; assumed of this one
    flicker=5e-5,  # assumed
    random_walk=1e-5,  # assumed
    offset_sd=0.02,  # real boards at rest: 0.005 to 0.08 in norm
    scale_sd=0.01,  # assumed
    misalignment_sd=0.005,  # assumed
    cross_sd=1e-4,  # rad/s per m/s^2; assumed
)
"""The gyroscope of the origin's device; its cross sensitivity is to specific force."""

PUCK_CLOCK = Clock(rate_hz=26.1, gaps_s=(0.019, 0.099), tick_ns=1_000_000)
"""Mode NORMAL of the origin's device: mean rate and range of gaps measured in a recording, stamps in ms."""
