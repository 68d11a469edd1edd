"""UTD-MHAD: one unit at 50 Hz, at the right wrist for actions 1 to 21 and at the right thigh for 22 to 27.

Chen, Jafari and Kehtarnavaz, ICIP 2015. `Inertial/a1_s1_t1_inertial.mat` and on: action, subject and trial in the name,
and in it `d_iner`, n rows of accelerometer in g and gyroscope in deg/s. A trial is a recording, labelled as a whole:
the stillness before and after the action counts.

Checked: real trials read 10 m/s^2 at rest in these units. Rate and places are of the project's facts and a public
list, which has the names of actions 1 to 10 as they are here; the others are from memory. So is the range, +-8 g and
+-1000 deg/s; real trials pile up at -8 g, and at 1000.55 deg/s either way, where 16 bits of 1/32.75 deg/s end.
"""

import re
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from scenarios.errors import InputError
from simulators.imu.recorded.common import Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import label_of, triads
from simulators.sensor import STANDARD_GRAVITY

RATE_HZ = 50.0
STEPS = (STANDARD_GRAVITY / 4096, np.pi / 180 / 32.75)
"""m/s^2, rad/s."""
RANGES = tuple(2**15 * step for step in STEPS)
AT_THE_THIGH = 22
"""From this action on."""
LABELS = dict(enumerate((
    "swipe_left", "swipe_right", "wave", "clap", "throw", "arm_cross", "basketball_shoot", "draw_x", "draw_circle_cw",
    "draw_circle_ccw", "draw_triangle", "bowling", "boxing", "baseball_swing", "tennis_swing", "arm_curl",
    "tennis_serve", "push", "knock", "catch", "pick_up_throw", "jog_in_place", "walk_in_place", "sit_to_stand",
    "stand_to_sit", "lunge", "squat",
), start=1))  # fmt: skip
NAME = re.compile(r"a(\d+)_s(\d+)_t(\d+)_inertial")


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return any((folder / "Inertial").glob("a*_s*_t*_inertial.mat"))


def read(folder: Path) -> list[Reader]:
    """A reader for each trial."""
    found = ((NAME.fullmatch(path.stem), path) for path in sorted((folder / "Inertial").glob("*_inertial.mat")))
    return [partial(_one, path, *map(int, match.groups())) for match, path in found if match]


def _one(path: Path, action: int, subject: int, trial: int) -> Recording:
    rows = _rows(path)
    factors = np.repeat([STANDARD_GRAVITY, np.pi / 180], 3)
    placement = "thigh" if action >= AT_THE_THIGH else "wrist"
    return Recording(
        name=path.name,
        channels=triads(0, placement, "right", "accelerometer", "gyroscope", ranges=RANGES, steps=STEPS),
        signals=(rows * factors).T,
        rate_hz=RATE_HZ,
        labels=np.full(len(rows), label_of(path, action, LABELS)),
        subject=subject,
        session=trial,
    )


def _rows(path: Path) -> np.ndarray:
    """(n, 6): what a file's `d_iner` holds."""
    try:
        found = loadmat(path).get("d_iner")
    except (OSError, ValueError, TypeError, NotImplementedError, MatReadError, zlib.error) as error:
        raise InputError(f"recording '{path}' must be a .mat file; {' '.join(str(error).split())}") from error
    rows = np.asarray(found, float) if found is not None else np.empty((0, 0))
    if rows.ndim != 2 or rows.shape[1] != 6:
        raise InputError(f"recording '{path}' must hold 'd_iner' of 6 columns; its shape is {rows.shape}")
    return rows
