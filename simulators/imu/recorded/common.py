"""One real recording in SI, checked, and its arrays in the simulator's schema.

Nothing is converted silently: a recording whose norm at rest is far from gravity, whose gyroscope turns faster than a
person can, or whose times contradict its rate is refused.
"""

from dataclasses import dataclass

import numpy as np

from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators.imu.labels import GROUPS_43, GROUPS_44, LABELS, PLACEMENTS, SIDES, code_of, group_of
from simulators.imu.spec import AXES, QUANTITIES

REST_NORM = (7.0, 13.0)
"""m/s^2 that the quietest second of an accelerometer may read."""
QUIET = 0.2
"""A second is at rest where the spread of its axes, summed, is below this share of its mean's norm."""
MOST_TURN = 40.0
"""rad/s rms that no worn gyroscope reads."""
RATE_TOLERANCE = 0.05
FULL_SCALE = {"accelerometer": 320.0, "body_acceleration": 320.0, "gyroscope": 70.0, "magnetometer": 5000.0}
"""Where the resolution is not known, a count is 2^-30 of twice this, in SI or uT; of other quantities of 1000."""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """What a row of a recording is; lsb 0: its resolution is not known."""

    quantity: str
    axis: str
    placement: str
    side: str = "unknown"
    sensor: int = 0
    lsb: float = 0.0


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


def arrays_of(recording: Recording) -> Arrays:
    """The arrays of a recording. Raises InputError naming what is wrong with it."""
    check(recording)
    x, n = recording.signals, recording.signals.shape[1]
    rate = float(f"{recording.rate_hz:.4g}")
    group = f"inputs/r{rate:g}"
    lsb = np.array([c.lsb or 2 * FULL_SCALE.get(c.quantity, 1000.0) / 2**30 for c in recording.channels])
    valid = np.isfinite(x)
    counts = np.rint(np.where(valid, x, 0.0) / lsb[:, None])
    if np.abs(counts).max(initial=0) >= 2**31:
        raise InputError(f"recording '{recording.name}' must fit 32 bits in counts of its resolution; it does not")
    ticks = recording.times_ns
    if ticks is None:
        ticks = np.rint(np.arange(n) * (1e9 / recording.rate_hz)).astype(np.int64)
    codes = np.array([code_of(str(label)) for label in recording.labels], np.int16)
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
        f"{group}/clipped": np.zeros(x.shape, bool),
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


def runs_of(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and one after the last sample of each run of a label; code 0 is none.

    >>> [part.tolist() for part in runs_of(np.array([0, 3, 3, 0, 5]))]
    [[1, 4], [3, 5]]
    """
    edges = np.flatnonzero(np.diff(codes, prepend=-1, append=-1))
    keep = codes[edges[:-1]] != 0
    return edges[:-1][keep], edges[1:][keep]


def check(recording: Recording) -> None:
    """Refuse a recording that cannot be right. Raises InputError."""
    x, name, n = recording.signals, recording.name, recording.signals.shape[1]
    if len(x) != len(recording.channels) or n < 2 or len(recording.labels) != n:
        raise InputError(
            f"recording '{name}' must have a row for each of {len(recording.channels)} channels and a label for each "
            f"sample; it has {len(x)} rows, {n} samples and {len(recording.labels)} labels"
        )
    for c in recording.channels:
        if c.quantity not in QUANTITIES or c.placement not in PLACEMENTS or c.side not in SIDES or c.axis not in AXES:
            raise InputError(f"a channel of recording '{name}' must have a known quantity, axis and place; it is {c}")
    if recording.times_ns is not None:
        _check_times(recording)
    for sensor in sorted({c.sensor for c in recording.channels}):
        _check_units(recording, sensor)


def _check_times(recording: Recording) -> None:
    times, name = recording.times_ns, recording.name
    assert times is not None
    if times.shape != (recording.signals.shape[1],) or (np.diff(times) < 0).any():
        raise InputError(f"times of recording '{name}' must ascend, one for each sample; they do not")
    found = (times.size - 1) / max(1e-9, float(times[-1] - times[0]) * 1e-9)
    if abs(found / recording.rate_hz - 1) > RATE_TOLERANCE:
        raise InputError(
            f"times of recording '{name}' must be of its rate, {recording.rate_hz:g} Hz; they say {found:.4g}"
        )


def _check_units(recording: Recording, sensor: int) -> None:
    rows = {
        quantity: [i for i, c in enumerate(recording.channels) if (c.sensor, c.quantity) == (sensor, quantity)][:3]
        for quantity in ("accelerometer", "gyroscope")
    }
    name, size = recording.name, max(2, int(recording.rate_hz))
    if len(rows["accelerometer"]) == 3:
        x = recording.signals[rows["accelerometer"]]
        x = x[:, np.isfinite(x).all(0)]
        if x.shape[1] >= size:
            parts = x[:, : x.shape[1] // size * size].reshape(3, -1, size)
            spread = parts.std(2).sum(0) / np.linalg.norm(parts.mean(2), axis=0)
            quiet = int(spread.argmin())
            rest = float(np.linalg.norm(parts[:, quiet].mean(1)))
            if spread[quiet] < QUIET and not REST_NORM[0] <= rest <= REST_NORM[1]:
                raise InputError(
                    f"the accelerometer of recording '{name}' must read about 9.81 m/s^2 where it is quiet, gravity "
                    f"included; it reads {rest:.3g}: is it in g, or without gravity?"
                )
    if rows["gyroscope"]:
        turn = float(np.sqrt(np.nanmean(recording.signals[rows["gyroscope"]] ** 2)))
        if turn > MOST_TURN:
            raise InputError(
                f"the gyroscope of recording '{name}' must be in rad/s; its rms is {turn:.3g}: is it in deg/s?"
            )
