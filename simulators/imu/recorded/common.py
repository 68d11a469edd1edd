"""One real recording in SI, checked, and its arrays in the simulator's schema.

Nothing is converted silently: a recording whose accelerometer is far from gravity, at rest or on the whole, whose
acceleration without gravity has gravity, whose gyroscope turns faster than a person can, or whose times contradict its
rate is refused.

Counts keep the resolution of the data: that of the importer's `lsb`, else of the step that all values of a sensor are
multiples of, else 2^-29 of a wide range.

A reading is clipped where it stands at an end of its channel's `range`; where no range is known, none is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenarios.catalogue import nearest
from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators.imu.labels import GROUPS_43, GROUPS_44, LABELS, PLACEMENTS, SIDES, code_of, group_of, near
from simulators.imu.spec import AXES, QUANTITIES, UNITS

REST_NORM = (7.0, 13.0)
"""m/s^2 that the quietest second of an accelerometer may read."""
QUIET = 0.2
"""A second is at rest where the spread of its axes, summed, is below this share of its mean's norm."""
USUAL_NORM = (5.0, 30.0)
"""m/s^2 that the median norm of an accelerometer may be, whatever is done."""
MOST_WITHOUT_GRAVITY = 4.0
"""m/s^2 that the quietest second may read of an acceleration without gravity."""
MOST_TURN = 40.0
"""rad/s rms that no worn gyroscope reads."""
RATE_TOLERANCE = 0.05
FULL_SCALE = {"accelerometer": 320.0, "body_acceleration": 320.0, "gyroscope": 70.0, "magnetometer": 5000.0}
"""Where the resolution is not known, a count is 2^-30 of twice this, in SI or uT; of other quantities of 1000."""
MOST = 1e12
"""No reading is greater, in SI: what is, was a broken cell."""
LEAST_LEVELS = 16
"""Fewer different values than these tell no step."""
FINEST = 2.0**-26
"""Of the greatest value: a smaller difference is one of rounding."""
OFF_STEP = 0.01
"""Of a step, how far a value may be from a whole multiple."""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """What a row of a recording is; lsb 0: its resolution is not known."""

    quantity: str
    """One of `simulators.imu.spec.QUANTITIES`."""
    axis: str
    placement: str
    side: str = "unknown"
    sensor: int = 0
    """Number of the device; the axes of one device are one frame."""
    lsb: float = 0.0
    """Of the channel's unit."""
    range: float = 0.0
    """Of the channel's unit: readings go from -range to a step below range, as two's complement does; 0: not known."""
    step: float = 0.0
    """Of the converter, in the channel's unit, where counts are finer than it was; 0: a count."""
    column: str = ""
    """What the file calls it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """A recording in m/s^2, rad/s and uT; NaN is a sample that is missing."""

    name: str
    channels: tuple[Channel, ...]
    signals: np.ndarray
    """(channels, n)"""
    rate_hz: float
    labels: tuple[str, ...] | np.ndarray
    """(n,) a label for each sample"""
    subject: int = 0
    session: int = 0
    times_ns: np.ndarray | None = None
    """(n,) int64"""
    clipped: np.ndarray | None = None
    """(channels, n) bool, where an importer finds it out itself, as one that resamples must; None: by the ranges"""


def arrays_of(recording: Recording) -> Arrays:
    """The arrays of a recording. Raises InputError naming what is wrong with it."""
    check(recording)
    x, n = recording.signals, recording.signals.shape[1]
    rate = float(f"{recording.rate_hz:.4g}")
    group = f"inputs/r{rate:g}"
    lsb = np.array([c.lsb for c in recording.channels])
    for (_, quantity), rows in _rows(recording).items():
        unknown = [row for row in rows if not lsb[row]]
        if unknown:
            lsb[unknown] = step_of(x[unknown]) or 2 * FULL_SCALE.get(quantity, 1000.0) / 2**30
    valid = np.isfinite(x)
    clipped = at_rail(recording.name, recording.channels, x, lsb) if recording.clipped is None else recording.clipped
    counts = np.rint(np.where(valid, x, 0.0) / lsb[:, None])
    if np.abs(counts).max(initial=0) >= 2**31:
        raise InputError(f"recording '{recording.name}' must fit 32 bits in counts of its resolution; it does not")
    ticks = recording.times_ns
    if ticks is None:
        ticks = np.rint(np.arange(n) * (1e9 / recording.rate_hz)).astype(np.int64)
    codes = codes_of(recording)
    starts, ends = runs_of(codes)
    labels = [LABELS[codes[i]] for i in starts]
    channels = recording.channels
    return {
        f"{group}/counts": counts.astype(np.int32),
        f"{group}/channel_id": np.arange(len(channels), dtype=np.int32),
        f"{group}/n_samples": np.full(len(channels), n, np.int32),
        f"{group}/start_ns": np.full(len(channels), ticks[0], np.int64),
        f"{group}/lsb": lsb,
        f"{group}/quantity": np.array([QUANTITIES.index(c.quantity) for c in channels], np.int8),
        f"{group}/axis": np.array([AXES.index(c.axis) for c in channels], np.int8),
        f"{group}/sensor": np.array([c.sensor for c in channels], np.int32),
        f"{group}/placement": np.array([PLACEMENTS.index(c.placement) for c in channels], np.int8),
        f"{group}/side": np.array([SIDES.index(c.side) for c in channels], np.int8),
        f"{group}/valid": valid,
        f"{group}/clipped": clipped & valid,
        f"{group}/tick_ns": np.asarray(ticks, np.int64),
        f"truth/r{rate:g}/activity": codes,
        "truth/bout_start": starts.astype(np.int32),
        "truth/bout_end": ends.astype(np.int32),
        "truth/bout_activity": codes[starts],
        "truth/bout_group": np.array([GROUPS_44.index(group_of(label)) for label in labels], np.int8),
        "truth/bout_group_43": np.array([GROUPS_43.index(group_of(label, 43)) for label in labels], np.int8),
        "truth/subject": np.array(recording.subject, np.int32),
        "truth/session": np.array(recording.session, np.int32),
    }


def codes_of(recording: Recording) -> np.ndarray:
    """The code of each sample's label, (n,) int16. Raises InputError for a label that is not known."""
    words, place = np.unique(np.asarray(recording.labels, str), return_inverse=True)
    for word in words:
        if word not in LABELS:
            raise InputError(
                f"labels of recording '{recording.name}' must be of the {len(LABELS)} known ones, those of "
                f"simulators/imu/groups.toml; '{word}' is none" + near(str(word))
            )
    return np.array([code_of(str(word)) for word in words], np.int16)[place]


def runs_of(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and one after the last sample of each run of a label; code 0 is none.

    >>> [part.tolist() for part in runs_of(np.array([0, 3, 3, 0, 5]))]
    [[1, 4], [3, 5]]
    """
    edges = np.flatnonzero(np.diff(codes, prepend=-1, append=-1))
    keep = codes[edges[:-1]] != 0
    return edges[:-1][keep], edges[1:][keep]


def at_rail(name: object, channels: Sequence[Channel], x: np.ndarray, lsb: np.ndarray) -> np.ndarray:
    """Which readings of x (channels, n), SI, stand at an end of their channel's range, (channels, n) bool.

    lsb (channels,): a count, which is the converter's step where a channel tells no other. Raises InputError for a
    reading more than a step beyond the range: what a sensor cannot have read was of another unit or another sensor.

    >>> one = Channel(quantity="accelerometer", axis="x", placement="hip", range=8.0, step=0.5)
    >>> at_rail("a", [one], np.array([[-8.0, -7.5, 7.0, 7.5, np.nan]]), np.ones(1)).tolist()
    [[True, False, False, True, False]]
    """
    found = np.zeros(x.shape, bool)
    for c, row, count, own in zip(channels, x, lsb, found, strict=True):
        step = c.step or float(count)
        if c.range and (most := float(np.nanmax(np.abs(row), initial=0.0))) > c.range + 1.01 * step:
            raise InputError(
                f"the {c.quantity} {c.axis}{f', column {c.column!r},' if c.column else ''} of recording '{name}' must "
                f"stay within its range of {c.range:.6g} {UNITS[QUANTITIES.index(c.quantity)]}; one reading is "
                f"{most:.6g}: is its unit or its range another?"
            )
        if c.range:
            own[:] = (row < step / 2 - c.range) | (row > c.range - 1.5 * step)
    return found


def step_of(values: np.ndarray) -> float:
    """The step that all values (of any shape) are multiples of, that of a converter or of written digits; 0: none.

    NaN does not count. Every value is within OFF_STEP of a multiple, and in counts below 2^30.

    >>> step_of(0.0024 * np.arange(-40, 40)), step_of(np.sqrt(np.arange(40)))
    (0.0024, 0.0)
    """
    levels = np.unique(np.abs(values[np.isfinite(values)]))
    if levels.size < LEAST_LEVELS:
        return 0.0
    gaps = np.diff(levels, prepend=0.0)
    step = float(gaps[gaps > FINEST * levels[-1]].min())
    for reach in (30.0, 1e3, 3e4, 1e6, np.inf):  # what a few steps tell roughly, many tell sharply
        near = levels[levels <= reach * step]
        counts = np.rint(near / step)
        if counts.any():
            step = float(near @ counts / (counts @ counts))
    counts = levels / step
    whole = np.rint(counts)
    fits = whole[-1] < 2**30 and np.unique(whole).size >= LEAST_LEVELS and np.abs(counts - whole).max() < OFF_STEP
    return float(f"{step:.12g}") if fits else 0.0


def _rows(recording: Recording) -> dict[tuple[int, str], list[int]]:
    """The channels of each device and quantity."""
    found: dict[tuple[int, str], list[int]] = {}
    for i, c in enumerate(recording.channels):
        found.setdefault((c.sensor, c.quantity), []).append(i)
    return found


def check(recording: Recording) -> None:
    """Refuse a recording that cannot be right. Raises InputError."""
    x, name, n = recording.signals, recording.name, recording.signals.shape[1]
    if len(x) != len(recording.channels) or n < 2 or len(recording.labels) != n:
        raise InputError(
            f"recording '{name}' must have a row for each of {len(recording.channels)} channels and a label for each "
            f"sample; it has {len(x)} rows, {n} samples and {len(recording.labels)} labels"
        )
    for c in recording.channels:
        for what, own, known in (
            ("quantity", c.quantity, QUANTITIES), ("axis", c.axis, AXES), ("placement", c.placement, PLACEMENTS),
            ("side", c.side, SIDES),
        ):  # fmt: skip
            if own not in known:
                raise InputError(
                    f"the {what} of a channel of recording '{name}' must be one of {', '.join(known)}; it is '{own}'"
                    + nearest(own, known)
                )
    for what, number in (("subject", recording.subject), ("session", recording.session)):
        if not 0 <= number < 2**31:
            raise InputError(f"the {what} of recording '{name}' must be from 0 to 2^31 - 1; it is {number}")
    if not np.isfinite(x).any() or (np.abs(x) > MOST).any():
        came = f"one of {np.nanmax(np.abs(x)):g}" if np.isfinite(x).any() else "none"
        raise InputError(
            f"recording '{name}' must hold numbers of at most {MOST:g}, NaN where a sample is missing; it has {came}"
        )
    if recording.times_ns is not None:
        _check_times(recording)
    for (_, quantity), rows in sorted(_rows(recording).items()):
        triad = x[rows[:3]]
        triad = triad[:, np.isfinite(triad).all(0)]
        if triad.shape[1] and quantity == "gyroscope":
            _check_turn(name, triad)
        elif len(triad) == 3 and triad.shape[1] and quantity == "accelerometer":
            _check_gravity(name, triad, max(2, int(recording.rate_hz)))
        elif len(triad) == 3 and triad.shape[1] and quantity == "body_acceleration":
            _check_without_gravity(name, triad, max(2, int(recording.rate_hz)))


def _check_times(recording: Recording) -> None:
    times, name = recording.times_ns, recording.name
    assert times is not None
    if times.shape != (recording.signals.shape[1],) or (np.diff(times) < 0).any():
        raise InputError(f"times of recording '{name}' must ascend, one for each sample; they do not")
    found = (times.size - 1) / max(1e-9, float(times[-1] - times[0]) * 1e-9)
    if abs(found / recording.rate_hz - 1) > RATE_TOLERANCE:
        steps = np.diff(times) * 1e-9
        pauses = abs(float(np.median(steps)) * recording.rate_hz - 1) < RATE_TOLERANCE
        raise InputError(
            f"times of recording '{name}' must be of its rate, {recording.rate_hz:g} Hz; they say {found:.4g}"
            + (f", with a pause of {steps.max():.4g} s after sample {steps.argmax()}: cut it there" if pauses else "")
        )


def _seconds(x: np.ndarray, second: int) -> tuple[np.ndarray, np.ndarray]:
    """The norm of the mean of each `second` samples of x (3, n), and the spread of its axes, summed."""
    parts = x[:, : x.shape[1] // second * second].reshape(3, -1, second)
    return np.linalg.norm(parts.mean(2), axis=0), parts.std(2).sum(0)


def _check_gravity(name: str, x: np.ndarray, second: int) -> None:
    mean, spread = _seconds(x, second)
    quiet = int((spread / np.maximum(mean, 1e-9)).argmin()) if mean.size else -1
    if quiet >= 0 and spread[quiet] < QUIET * mean[quiet] and not REST_NORM[0] <= mean[quiet] <= REST_NORM[1]:
        raise InputError(
            f"the accelerometer of recording '{name}' must read about 9.81 m/s^2 where it is quiet, gravity included; "
            f"it reads {mean[quiet]:.3g}: is it in g, or without gravity?"
        )
    usual = float(np.median(np.linalg.norm(x, axis=0)))
    if not USUAL_NORM[0] <= usual <= USUAL_NORM[1]:
        raise InputError(
            f"the accelerometer of recording '{name}' must read about 9.81 m/s^2, gravity included; its median is "
            f"{usual:.3g}: is it in g, or without gravity?"
        )


def _check_without_gravity(name: str, x: np.ndarray, second: int) -> None:
    mean, spread = _seconds(x, second)
    if mean.size and mean[spread.argmin()] > MOST_WITHOUT_GRAVITY:
        raise InputError(
            f"the acceleration without gravity of recording '{name}' must read about 0 m/s^2 where it is quiet; it "
            f"reads {mean[spread.argmin()]:.3g}: is gravity in it?"
        )


def _check_turn(name: str, x: np.ndarray) -> None:
    turn = float(np.sqrt(np.mean(x**2)))
    if turn > MOST_TURN:
        raise InputError(
            f"the gyroscope of recording '{name}' must be in rad/s; its rms is {turn:.3g}: is it in deg/s?"
        )
