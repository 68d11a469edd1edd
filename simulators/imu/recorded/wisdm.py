"""WISDM of 2019: a phone in the pocket and a watch at the wrist, 18 activities of three minutes each.

Weiss, Yoneda and Hayajneh, IEEE Access 7, 2019; UCI archive 507. `raw/phone/accel/data_1600_accel_phone.txt` and on, in
the folder or its `wisdm-dataset`: rows of subject, letter of the activity, time in ns, x, y, z; m/s^2 and rad/s, a `;`
at the end. Phone and watch count from their own start and nothing ties them together: each is a recording of its own,
cut where the activity changes or its clock pauses. Its two sensors come to one clock of 20 Hz, the archive's nominal
rate, by `simulators.resample`. A stretch in which one of them is silent has the other alone.

Checked by public readers: folders, columns, letters. Not at hand: a file. The archive says that the phone was in the
right pocket and the watch on the dominant hand; the hand's side is not told.
"""

from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.clocks import (
    Log,
    Stretch,
    check_steps,
    concurrent,
    joined,
    lines_of,
    recording_of,
    stretches_of,
)
from simulators.imu.recorded.common import Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import floats, label_of, split, triads

RATE_HZ = 20.0
SLOWEST_HZ, FASTEST_HZ = 5.0, 250.0
PLACES = {"phone": ("pocket", "right"), "watch": ("wrist", "unknown")}
KINDS = {"accel": "accelerometer", "gyro": "gyroscope"}
HEAD = "subject,activity,time,x,y,z"
LABELS = {
    "A": "walking", "B": "jogging", "C": "stairs", "D": "sitting", "E": "standing", "F": "typing",
    "G": "brushing_teeth", "H": "eating_soup", "I": "eating_chips", "J": "eating_pasta", "K": "drinking",
    "L": "eating_sandwich", "M": "kicking", "O": "playing_catch", "P": "dribbling", "Q": "writing", "R": "clapping",
    "S": "folding_clothes",
}  # fmt: skip


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return any((_home(folder) / "raw").glob("*/accel/data_*_accel_*.txt"))


def read(folder: Path) -> list[Reader]:
    """A reader for each subject, device, activity and stretch of time."""
    paths = sorted((_home(folder) / "raw").glob("*/*/data_*_*_*.txt"))
    found = [own for path in paths for own in stretches_of(path, partial(key_of, path.parents[1].name))]
    return [partial(_one, own, session) for session, own in enumerate(concurrent(found))]


def key_of(device: str, cells: list[bytes]) -> tuple[tuple[str, ...], float]:
    """(subject, device, letter) and time in s of a row."""
    return (str(int(cells[0])), device, cells[1].decode().strip()), int(cells[2]) * 1e-9


def _home(folder: Path) -> Path:
    inner = folder / "wisdm-dataset"
    return _home(inner) if inner.is_dir() else folder


def _one(stretches: list[Stretch], session: int) -> Recording:
    subject, device, _ = stretches[0].key
    if device not in PLACES:
        raise InputError(f"a device of WISDM must be one of {', '.join(PLACES)}; it is '{device}'")
    name = f"{'/'.join(stretches[0].key)}#{session}"
    by_sensor = groupby(sorted(stretches, key=_sensor), key=_sensor)
    logs = {sensor: joined(name, [_log(own) for own in parts]) for sensor, parts in by_sensor}
    for log in logs.values():
        check_steps(name, log.times_s, SLOWEST_HZ, FASTEST_HZ)
    channels = triads(0, *PLACES[device], *(KINDS[sensor] for sensor in logs))
    return recording_of(name, list(logs.values()), channels, RATE_HZ, int(subject), session)


def _sensor(stretch: Stretch) -> str:
    return stretch.path.parent.name


def _log(stretch: Stretch) -> Log:
    path = stretch.path
    rows = [line.strip().removesuffix(";") for line in lines_of(stretch)]
    table = split(path, HEAD, rows, HEAD.split(","))
    values = floats(path, table, ("time", "x", "y", "z"))
    label = label_of(path, stretch.key[2], LABELS)
    return Log(times_s=values[0] * 1e-9, signals=values[1:], labels=np.full(values.shape[1], label))
