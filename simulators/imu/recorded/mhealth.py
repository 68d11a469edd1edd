"""MHEALTH: Shimmer2 units at 50 Hz, at the chest, the left ankle and the right lower arm.

Banos et al., IWAAL 2014; UCI archive 319. `mHealth_subject1.log` to `10`: 24 columns, separated by blanks: chest
accelerometer, two ECG leads, accelerometer, gyroscope and magnetometer of the ankle, then of the arm, label. The
archive's read-me tells the units: m/s^2, deg/s, mV, and "local" for the magnetic field.

Checked: the read-me, and two rows of a real file. In these a person stands and both gyroscopes keep to 1.1, which may
be an offset in deg/s and is no turn in rad/s. Doubtful all the same: from memory, values seldom pass a few units even
in running, which is little for deg/s. They are taken as the read-me says. As "local" cannot be made uT, the six
magnetometer channels are left out. The read-me says right wrist in its text and right lower arm in its columns:
`forearm` here, as in the profile.
"""

from functools import partial
from pathlib import Path

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.common import Channel, Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import labels_of, numbers, triads

COLUMNS, RATE_HZ = 24, 50.0
LABELS = dict(enumerate((
    "unlabelled", "standing", "sitting", "lying", "walking", "climbing_stairs", "waist_bends_forward",
    "frontal_elevation_arms", "knees_bending", "cycling", "jogging", "running", "jump_front_back",
)))  # fmt: skip
CHANNELS = (
    *triads(0, "chest", "middle", "accelerometer"),
    *(Channel(quantity="ecg", axis=lead, placement="chest", side="middle") for lead in "xy"),
    *triads(1, "ankle", "left", "accelerometer", "gyroscope"),
    *triads(2, "forearm", "right", "accelerometer", "gyroscope"),
)
"""The ECG's leads 1 and 2 are x and y."""
KEPT = (*range(11), *range(14, 20))
"""Columns of CHANNELS; 11 to 13 and 20 to 22 are the magnetometers."""


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return any(folder.glob("mHealth_subject*.log"))


def read(folder: Path) -> list[Reader]:
    """A reader for each subject's file."""
    return [partial(_one, path) for path in sorted(folder.glob("mHealth_subject*.log"))]


def _one(path: Path) -> Recording:
    number = path.stem.removeprefix("mHealth_subject")
    if not number.isdecimal():
        raise InputError(f"a file of MHEALTH must be named mHealth_subject and a number; it is '{path.name}'")
    table = numbers(path, COLUMNS)
    factors = [np.pi / 180 if channel.quantity == "gyroscope" else 1.0 for channel in CHANNELS]
    return Recording(
        name=path.name,
        channels=CHANNELS,
        signals=table[list(KEPT)] * np.array(factors)[:, None],
        rate_hz=RATE_HZ,
        labels=labels_of(path, table[23], LABELS),
        subject=int(number),
    )
