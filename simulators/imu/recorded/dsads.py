"""DSADS, daily and sports activities: five Xsens MTx units at 25 Hz, at the torso, both arms and both legs.

Altun, Barshan and Tuncel, Pattern Recognition 43, 2010; UCI archive 256. `a01` to `a19` / `p1` to `p8` / `s01.txt` to
`s60.txt`: 125 rows of 45 numbers with commas, units T, RA, LA, RL, LL, each accelerometer in m/s^2, gyroscope in rad/s,
magnetometer; in the folder or in its `data`. The 5 s segments of a subject and an activity form one recording; one that
is missing is NaN.

Checked by a public reader: columns, units of the accelerometer, names of the activities but for the order of the two
exercise bikes, of which the horizontal comes first here. From memory: that, and that segments follow each other
without a gap; that the arms' units sat at the wrists and the legs' beside the knee (`thigh` here); that an MTx tells
the magnetic field as a share of the local one, taken as the 47 uT of Ankara.
"""

from functools import partial
from pathlib import Path

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.common import Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import label_of, numbers, triads

COLUMNS, ROWS, RATE_HZ = 45, 125, 25.0
FIELD_UT = 47.0
LABELS = dict(enumerate((
    "sitting", "standing", "lying_back", "lying_side", "stairs_up", "stairs_down", "standing_elevator",
    "moving_elevator", "walking_parking", "walking_treadmill_flat", "walking_treadmill_incline", "running_treadmill",
    "exercising_stepper", "exercising_cross_trainer", "cycling_horizontal", "cycling_vertical", "rowing", "jumping",
    "playing_basketball",
), start=1))  # fmt: skip
PLACES = (("chest", "middle"), ("wrist", "right"), ("wrist", "left"), ("thigh", "right"), ("thigh", "left"))
CHANNELS = tuple(
    channel
    for unit, place in enumerate(PLACES)
    for channel in triads(unit, *place, "accelerometer", "gyroscope", "magnetometer")
)


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return bool(_homes(folder))


def read(folder: Path) -> list[Reader]:
    """A reader for each subject and activity."""
    return [partial(_one, home) for home in _homes(folder)]


def _homes(folder: Path) -> list[Path]:
    """`a01/p1` and on, in the folder or its `data`."""
    levels = (
        [home for home in sorted(folder.glob(f"{below}a[0-9][0-9]/p[0-9]")) if any(home.glob("s[0-9][0-9].txt"))]
        for below in ("", "data/")
    )
    return next((found for found in levels if found), [])


def _one(home: Path) -> Recording:
    activity = int(home.parent.name[1:])
    label = label_of(home, activity, LABELS)
    signals = joined({int(path.stem[1:]): _segment(path) for path in home.glob("s[0-9][0-9].txt")})
    factors = [FIELD_UT if channel.quantity == "magnetometer" else 1.0 for channel in CHANNELS]
    return Recording(
        name=f"{home.parent.name}/{home.name}",
        channels=CHANNELS,
        signals=signals * np.array(factors)[:, None],
        rate_hz=RATE_HZ,
        labels=np.full(signals.shape[1], label),
        subject=int(home.name[1:]),
        session=activity,
    )


def joined(segments: dict[int, np.ndarray]) -> np.ndarray:
    """Segments by their number, each (channels, rows), one after the other; NaN where a number between is missing.

    >>> joined({4: np.ones((1, 2)), 2: np.zeros((1, 2))}).tolist()
    [[0.0, 0.0, nan, nan, 1.0, 1.0]]
    """
    first, last = min(segments), max(segments)
    lost = np.full_like(segments[first], np.nan)
    return np.concatenate([segments.get(number, lost) for number in range(first, last + 1)], axis=1)


def _segment(path: Path) -> np.ndarray:
    """(channels, ROWS) of a file."""
    table = numbers(path, COLUMNS, ",")
    if table.shape[1] != ROWS:
        raise InputError(
            f"recording '{path}' must have {ROWS} rows, 5 s at {RATE_HZ:g} Hz; it has {table.shape[1]}, of another rate"
        )
    return table
