"""UniMiB-SHAR: the accelerometer of a phone in a trouser pocket, 9 daily activities and 8 kinds of falls.

Micucci, Mobilio and Napoletano, Applied Sciences 7, 2017. `data/full_data.mat`: a cell for each of 30 people whose
first column is a structure of activities, each a cell of trials, each of six rows: x, y, z in m/s^2, two times, norm.
Where that file is not there, `data/acc_data.mat` and `acc_labels.mat`: windows of 151 samples, x, then y, then z, with
activity (1 to 17), subject and trial; each window is then a recording, as nothing tells how they lie in time.
50 Hz, nominal; the trials' own times are not read. Readers differ on the unit, g or m/s^2: the median norm decides.

Checked by public readers: names, shapes, the rows of a trial, the order of activities. Not at hand: a file. Each trial
was done with the phone in the left or the right pocket; which one is not told.
"""

import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.common import Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import label_of, triads, whole
from simulators.sensor import STANDARD_GRAVITY

RATE_HZ, WINDOW, ROWS = 50.0, 151, 6
MOST_G = 3.0
"""Median norm of an archive in g, at most."""
CHANNELS = triads(0, "pocket", "unknown", "accelerometer")
LABELS = {
    "StandingUpFS": "standing_up_from_sitting", "StandingUpFL": "standing_up_from_laying", "Walking": "walking",
    "Running": "running", "GoingUpS": "going_up_stairs", "Jumping": "jumping", "GoingDownS": "going_down_stairs",
    "LyingDownFS": "lying_down_from_standing", "SittingDown": "sitting_down", "FallingForw": "falling_forward",
    "FallingRight": "falling_right", "FallingBack": "falling_backward", "HittingObstacle": "falling_hitting_obstacle",
    "FallingWithPS": "falling_with_protection", "FallingBackSC": "falling_backward_sitting", "Syncope": "syncope",
    "FallingLeft": "falling_left",
}  # fmt: skip
NUMBERED = dict(enumerate(LABELS.values(), start=1))


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return _home(folder) is not None


def read(folder: Path) -> list[Reader]:
    """A reader for each trial, or where there are windows alone, for each of them."""
    home = _home(folder)
    if home is None:
        return []
    return trials(home / "full_data.mat") if (home / "full_data.mat").is_file() else windows(home)


def _home(folder: Path) -> Path | None:
    homes = (folder / "data", folder, folder / "UniMiB-SHAR" / "data")
    files = ("full_data.mat", "acc_data.mat")
    return next((home for home in homes if any((home / name).is_file() for name in files)), None)


def trials(path: Path) -> list[Reader]:
    """A reader for each trial of `full_data.mat`."""
    found: list[tuple[str, np.ndarray, str, int, int]] = []
    for subject, row in enumerate(np.atleast_2d(_mat(path, "full_data")), start=1):
        for activity in getattr(row[0], "_fieldnames", ()):
            label = label_of(path, activity, LABELS)
            held = getattr(row[0], activity)
            for trial, part in enumerate(held if held.dtype == object else [held], start=1):
                table = np.asarray(part, float)
                if table.ndim != 2 or len(table) != ROWS:
                    raise InputError(f"trials of '{path}' must have {ROWS} rows; one of {activity} is {table.shape}")
                found.append((f"{subject}/{activity}/{trial}", table[:3], label, subject, trial))
    unit = unit_of([own[1] for own in found])
    return [partial(_recording, unit, *own) for own in found]


def windows(home: Path) -> list[Reader]:
    """A reader for each window of `acc_data.mat`."""
    data, told = _mat(home / "acc_data.mat", "acc_data"), np.atleast_2d(_mat(home / "acc_labels.mat", "acc_labels"))
    data = np.atleast_2d(data)
    if data.shape[1] != 3 * WINDOW or told.shape != (len(data), 3):
        raise InputError(
            f"'{home}' must hold windows of {3 * WINDOW} numbers and three labels each; they are {data.shape} and "
            f"{told.shape}"
        )
    path, parts = home / "acc_labels.mat", data.reshape(-1, 3, WINDOW)
    told = whole(path, np.asarray(told, float))
    unit = unit_of(list(parts))
    return [
        partial(_recording, unit, f"window {i}", part, label_of(path, int(what), NUMBERED), int(who), int(trial))
        for i, (part, (what, who, trial)) in enumerate(zip(parts, told, strict=True))
    ]


def unit_of(parts: list[np.ndarray]) -> float:
    """m/s^2 in a unit of signals, each (3, n): 1, or a g where the median norm of all is below 3.

    >>> unit_of([np.full((3, 4), 5.7)]), unit_of([np.full((3, 4), 0.6), np.full((3, 2), 5.0)])
    (1.0, 9.80665)
    """
    norms = np.concatenate([np.linalg.norm(part, axis=0) for part in parts] or [np.ones(1)])
    norms = norms[np.isfinite(norms)]
    return 1.0 if norms.size and float(np.median(norms)) >= MOST_G else STANDARD_GRAVITY


def _recording(unit: float, name: str, signals: np.ndarray, label: str, subject: int, trial: int) -> Recording:
    return Recording(
        name=name,
        channels=CHANNELS,
        signals=unit * signals,
        rate_hz=RATE_HZ,
        labels=np.full(signals.shape[1], label),
        subject=subject,
        session=trial,
    )


def _mat(path: Path, name: str) -> Any:
    """A variable of a MATLAB file. Raises InputError where it is not there."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        return loadmat(path, struct_as_record=False, squeeze_me=True)[name]
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, MatReadError, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"'{path}' must be a MATLAB file that holds '{name}'; {reason}") from error
