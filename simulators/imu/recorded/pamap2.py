"""PAMAP2: three Colibri units at 100 Hz, at the wrist of the dominant arm, the chest and the ankle of the same side.

Reiss and Stricker, ISWC 2012; UCI archive 231. `Protocol/subject101.dat` to `109`, and perhaps `Optional/`: 54 columns,
separated by blanks: time in s, activity, heart rate, then 17 for each unit: temperature, accelerometer of 16 g and of
6 g in m/s^2, gyroscope in rad/s, magnetometer in uT, orientation. The heart rate comes about nine times a second; the
rows between are NaN, as is what was lost over the radio.

Its read-me, in a public copy, tells the ranges 16 g and 6 g, and none of gyroscope and magnetometer. A reading there or
beyond is clipped, and none is refused: from memory, readings are calibrated, so that a converter ends near these
numbers and not at them.

The archive calls its orientation invalid; it is read all the same, as the profile counts its channels. From memory, not
checked here: that all subjects but 108 are right-handed. Driving a car is `transport_sit`.
"""

from functools import partial
from pathlib import Path

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.common import Channel, Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import labels_of, numbers, triads
from simulators.sensor import STANDARD_GRAVITY

COLUMNS, RATE_HZ = 54, 100.0
FOLDERS = ("Protocol", "Optional")
LEFT_HANDED = (108,)
LABELS = {
    0: "unlabelled", 1: "lying", 2: "sitting", 3: "standing", 4: "walking", 5: "running", 6: "cycling",
    7: "nordic_walking", 9: "watching_tv", 10: "using_computer", 11: "transport_sit", 12: "ascending_stairs",
    13: "descending_stairs", 16: "vacuum_cleaning", 17: "ironing", 18: "folding_clothes", 19: "house_cleaning",
    20: "soccer", 24: "rope_jumping",
}  # fmt: skip
RANGES = (16 * STANDARD_GRAVITY, 6 * STANDARD_GRAVITY, np.inf, np.inf)
"""Of KINDS, in SI."""
KINDS = ("accelerometer", "accelerometer", "gyroscope", "magnetometer")


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return any((folder / FOLDERS[0]).glob("subject1*.dat"))


def read(folder: Path) -> list[Reader]:
    """A reader for each subject's file; those of `Optional` are the second session."""
    return [
        partial(_one, path, session)
        for session, name in enumerate(FOLDERS)
        for path in sorted((folder / name).glob("subject*.dat"))
    ]


def channels_of(subject: int) -> tuple[Channel, ...]:
    """Of columns 4 to 54, then the heart rate."""
    side = "left" if subject in LEFT_HANDED else "right"
    units = [
        _unit(number, *place) for number, place in enumerate([("hand", side), ("chest", "middle"), ("ankle", side)])
    ]
    heart = Channel(quantity="heart_rate", axis="x", placement="chest", side="middle", sensor=3)
    return (*(channel for unit in units for channel in unit), heart)


def _unit(number: int, placement: str, side: str) -> tuple[Channel, ...]:
    one = partial(Channel, placement=placement, side=side, sensor=number)
    return (
        one(quantity="temperature", axis="x"),
        *triads(number, placement, side, *KINDS),
        *(one(quantity="orientation", axis=axis) for axis in "wxyz"),
    )


def ranges() -> np.ndarray:
    """(52,) the ends of the channels, in SI; infinite where they are not told."""
    unit = [np.inf, *np.repeat(RANGES, 3), *[np.inf] * 4]
    return np.array([*unit * 3, np.inf])


def _one(path: Path, session: int) -> Recording:
    table = numbers(path, COLUMNS)
    if not np.isfinite(table[0]).all():
        raise InputError(f"times of recording '{path}' must be there for each sample; some are not")
    if not path.stem.removeprefix("subject").isdecimal():
        raise InputError(f"a file of PAMAP2 must be named subject and a number; it is '{path.name}'")
    subject = int(path.stem.removeprefix("subject"))
    signals = np.concatenate([table[3:], table[2:3]])
    return Recording(
        name=f"{path.parent.name}/{path.name}",
        channels=channels_of(subject),
        signals=signals,
        rate_hz=RATE_HZ,
        labels=labels_of(path, table[1], LABELS),
        subject=subject,
        session=session,
        times_ns=np.rint(table[0] * 1e9).astype(np.int64),
        clipped=np.abs(signals) >= ranges()[:, None],
    )
