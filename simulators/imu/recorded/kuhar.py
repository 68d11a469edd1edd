"""KU-HAR: a phone in a bag at the waist, 18 activities.

Sikder and Nahid, Pattern Recognition Letters 146, 2021; Mendeley Data 45f952y38r. `1.Raw_time_domian_data/5.Lay/
1052_F_1.csv` and on, subject and number of the trial in the name: no header, eight columns: time and x, y, z of the
accelerometer (m/s^2), time and x, y, z of the gyroscope (rad/s). The page tells times in ms, readers in s; their step
decides. Both sensors come to one clock of 100 Hz, the nominal rate, by `simulators.resample`.

Checked by the archive's page: columns, units, activities; by public readers: folders, names, and that the phone took
gravity out (github.com/alxdofficial/tsfm). Not at hand: a file. So the mean of a file decides whether gravity is in it;
where it is not, the channels are body acceleration. Table tennis is `playing_sports`, a walk in a circle `walking`;
standing up and sitting down in turn, and up from lying, have the name of the first.
"""

from functools import partial
from pathlib import Path

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.clocks import Log, check_steps, joined, recording_of
from simulators.imu.recorded.common import Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import label_of, numbers, triads

FOLDER, COLUMNS, RATE_HZ = "1.Raw_time_domian_data", 8, 100.0
SLOWEST_HZ, FASTEST_HZ = 50.0, 400.0
LEAST_MEAN, MOST_MEAN = 3.0, 0.7
"""m/s^2, norm of the mean acceleration of a file that gravity is in, and of one that it is not in."""
LABELS = {
    "Stand": "standing", "Sit": "sitting", "Talk-sit": "talking_sitting", "Talk-stand": "talking_standing",
    "Stand-sit": "standing_up_from_sitting", "Lay": "lying", "Lay-stand": "standing_up_from_laying",
    "Pick": "picking_up", "Jump": "jumping", "Push-up": "push_up", "Sit-up": "sit_up", "Walk": "walking",
    "Walk-backward": "walking_backwards", "Walk-backwards": "walking_backwards", "Walk-circle": "walking",
    "Run": "running", "Stair-up": "walking_upstairs", "Stair-down": "walking_downstairs",
    "Table-tennis": "playing_sports",
}  # fmt: skip


def detect(folder: Path) -> bool:
    """Whether a folder is that archive, or its first part."""
    return bool(_files(folder))


def read(folder: Path) -> list[Reader]:
    """A reader for each file."""
    return [partial(_one, path) for path in _files(folder)]


def _files(folder: Path) -> list[Path]:
    homes = (folder / FOLDER / FOLDER, folder / FOLDER, folder)
    levels = (sorted(home.glob("[0-9]*.[A-Z]*/[0-9]*_*_*.csv")) for home in homes)
    return next((found for found in levels if found), [])


def _one(path: Path) -> Recording:
    label = label_of(path, path.parent.name.partition(".")[2], LABELS)
    subject, _, trial = path.stem.split("_")[:3]
    if not subject.isdecimal() or not trial.isdecimal():
        raise InputError(f"a file of KU-HAR must be named subject, letter and trial; it is '{path.name}'")
    table = numbers(path, COLUMNS, ",")
    logs = [_log(path, table[:4], label), _log(path, table[4:], label)]
    quantity = quantity_of(path, logs[0].signals)
    return recording_of(
        f"{path.parent.name}/{path.name}", logs, triads(0, "waist", "middle", quantity, "gyroscope"), RATE_HZ,
        int(subject), int(trial),
    )  # fmt: skip


def _log(path: Path, table: np.ndarray, label: str) -> Log:
    """A sensor's log of its time and three axes (4, n)."""
    table = table[:, np.isfinite(table[0])]
    unit = 1e-3 if table.shape[1] > 1 and np.median(np.diff(table[0])) > 0.5 else 1.0
    log = joined(path, [Log(times_s=unit * table[0], signals=table[1:], labels=np.full(table.shape[1], label))])
    check_steps(path, log.times_s, SLOWEST_HZ, FASTEST_HZ)
    return log


def quantity_of(path: Path, force: np.ndarray) -> str:
    """What an accelerometer (3, n), m/s^2, measured: with gravity or without. Raises InputError where it is neither.

    >>> quantity_of(Path(), np.array([[0.1, -0.1], [9.7, 9.9], [0.0, 0.2]]))
    'accelerometer'
    >>> quantity_of(Path(), np.array([[1.0, -0.8]] * 3))
    'body_acceleration'
    """
    mean = float(np.linalg.norm(np.nanmean(force, axis=1)))
    if MOST_MEAN <= mean <= LEAST_MEAN:
        raise InputError(
            f"the accelerometer of '{path}' must have a mean of about 9.81 m/s^2, or of 0 without gravity; it has "
            f"{mean:.3g}: is it in g?"
        )
    return "accelerometer" if mean > LEAST_MEAN else "body_acceleration"
