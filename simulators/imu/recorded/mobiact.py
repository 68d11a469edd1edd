"""MobiAct, version 2: a phone loose in a trouser pocket, daily activities and four kinds of falls.

Vavoulas et al., ICT4AWE 2016; Chatzaki et al., 2017. `Annotated Data/WAL/WAL_1_1_annotated.csv` and on, activity,
subject and trial in the name: columns timestamp (ns), rel_time, acc_x to acc_z (m/s^2), gyro_x to gyro_z (rad/s),
azimuth, pitch, roll, label. Stamps are uneven, at 87 to 200 Hz; all come to 100 Hz by `simulators.resample`.

Checked by the archive's read-me: activities, units, what the codes mean; by public readers: folders, names, the columns
`rel_time` and `label`. From memory: the other columns' names. FKL falls forward on the knees; it has the name that the
vocabulary gives it, `fall_backward_knees`. The side of the pocket was free, and is not told.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from simulators.imu.recorded.clocks import Log, check_steps, joined, recording_of
from simulators.imu.recorded.common import Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import cells, floats, label_of, triads

RATE_HZ = 100.0
SLOWEST_HZ, FASTEST_HZ = 40.0, 400.0
SIGNALS = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
LABELS = {
    "STD": "standing", "WAL": "walking", "JOG": "jogging", "JUM": "jumping", "STU": "stairs_up", "STN": "stairs_down",
    "SCH": "stand_to_sit", "SIT": "sitting_chair", "CHU": "sit_to_stand", "CSI": "car_step_in", "CSO": "car_step_out",
    "LYI": "lying", "FOL": "fall_forward", "FKL": "fall_backward_knees", "BSC": "fall_backward_sitting",
    "SDL": "fall_sideways",
}  # fmt: skip
NAME = re.compile(r"([A-Z]{3})_(\d+)_(\d+)_annotated")


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return bool(_files(folder))


def read(folder: Path) -> list[Reader]:
    """A reader for each file."""
    found = ((NAME.fullmatch(path.stem), path) for path in _files(folder))
    return [partial(_one, path, int(match[2]), int(match[3])) for match, path in found if match]


def _files(folder: Path) -> list[Path]:
    levels = (sorted(folder.glob(f"{below}*/*_annotated.csv")) for below in ("Annotated Data/", "*/Annotated Data/"))
    return next((found for found in levels if found), [])


def _one(path: Path, subject: int, trial: int) -> Recording:
    table = cells(path, ("timestamp", *SIGNALS, "label"))
    values = floats(path, table, ("timestamp", *SIGNALS))
    labels = np.array([label_of(path, told.strip(), LABELS) for told in table["label"]])
    log = joined(path, [Log(times_s=values[0] * 1e-9, signals=values[1:], labels=labels)])
    check_steps(path, log.times_s, SLOWEST_HZ, FASTEST_HZ)
    channels = triads(0, "pocket", "unknown", "accelerometer", "gyroscope")
    return recording_of(path.name, [log], channels, RATE_HZ, subject, trial)
