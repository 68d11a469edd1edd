"""SisFall: a board at the waist at 200 Hz; 19 daily activities and 15 falls, of young and of elderly people.

Sucerquia, Lopez and Vargas-Bonilla, Sensors 17, 2017. `SA01/D01_SA01_R01.txt` and on, activity, subject and repetition
in the name: rows of nine counts with commas, `;` at the end: ADXL345 (13 bits, +-16 g), ITG3200 (16 bits, +-2000
deg/s), MMA8451Q (14 bits, +-8 g), each x, y, z. Counts stay as they are; a count's value is its device's range over its
bits, and at its first and last count a reading is clipped. A trial is a recording, labelled as a whole, pauses and all.
Subjects SA are 1 and on, the elderly SE 101 and on.

Checked in real files: names, columns, and that the ADXL345 reads 10.0 m/s^2 at rest; its offsets differ by 0.5 m/s^2
between subjects. Of the archive's read-me, by a public copy: rate and meaning of the daily codes; falls keep theirs,
`fall_f01`. From memory: the ranges and bits.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.common import Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import label_of, numbers, triads
from simulators.sensor import STANDARD_GRAVITY

COLUMNS, RATE_HZ = 9, 200.0
BITS = (13, 16, 14)
LSB = (32 * STANDARD_GRAVITY / 2**13, 4000 * np.pi / 180 / 2**16, 16 * STANDARD_GRAVITY / 2**14)
"""m/s^2, rad/s, m/s^2 a count."""
CHANNELS = triads(
    0, "waist", "middle", "accelerometer", "gyroscope", "accelerometer", lsb=LSB,
    ranges=[lsb * 2 ** (bits - 1) for lsb, bits in zip(LSB, BITS, strict=True)],
)  # fmt: skip
DAILY = (
    "walking_slow", "walking_fast", "running_slow", "running_fast", "stairs_slow", "stairs_fast", "sit_stand_half_slow",
    "sit_stand_half_fast", "sit_stand_low_slow", "sit_stand_low_fast", "sit_try_up_collapse", "sit_lie_sit_slow",
    "sit_lie_sit_fast", "lie_roll_lateral", "bend_knees", "bend_waist", "car_in_out", "stumble_walking", "jump_reach",
)  # fmt: skip
LABELS = {f"D{number:02}": label for number, label in enumerate(DAILY, start=1)}
LABELS |= {f"F{number:02}": f"fall_f{number:02}" for number in range(1, 16)}
FIRST_SUBJECT = {"SA": 0, "SE": 100}
NAME = re.compile(r"([DF]\d\d)_(SA|SE)(\d\d)_R(\d\d)")


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return any(folder.glob("S[AE][0-9][0-9]/[DF][0-9][0-9]_S*_R*.txt"))


def read(folder: Path) -> list[Reader]:
    """A reader for each trial."""
    found = ((NAME.fullmatch(path.stem), path) for path in sorted(folder.glob("S[AE][0-9][0-9]/*.txt")))
    return [partial(_one, path, *match.groups()) for match, path in found if match]


def _one(path: Path, code: str, kind: str, number: str, repetition: str) -> Recording:
    counts = numbers(path, COLUMNS, ",")
    if not (counts == np.rint(counts)).all():
        raise InputError(f"recording '{path}' must hold whole counts of its converters; it holds other numbers")
    return Recording(
        name=path.name,
        channels=CHANNELS,
        signals=counts * np.repeat(LSB, 3)[:, None],
        rate_hz=RATE_HZ,
        labels=np.full(counts.shape[1], label_of(path, code, LABELS)),
        subject=FIRST_SUBJECT[kind] + int(number),
        session=int(repetition),
    )
