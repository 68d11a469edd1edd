"""VTT-ConIoT: units in working clothes at 100 Hz, at the hip, the back and the upper arm; 16 tasks of a building site.

Mäkelä et al., Sustainability 14, 2022; Zenodo 4683703. `activity_1_user_1_combined.csv` and on, in the folder or one
or two below it: columns `trousers_`, `back_` and `hand_` with `Ax_g`, `Gx_dps`, `Mx_uT` and so on; others are not read.
A file is a recording, labelled as a whole; the profile reads the hip alone.

No file of it was at hand. The columns' names say g, one public reader says that they hold twice as many units: the
median norm of all accelerometers decides, above 1.41 for half g. Another counts 6000 rows for each minute. The side of
the arm is not told.

Tasks are numbered as in github.com/litchi7777/harbench, which tells them in detail. The profile's source numbers other
names and has some that the archive lacks (carrying, climbing_ladder, lifting, sitting, standing_work); in the archive
it is vacuum cleaning and picking up. Our words do not tell all tasks apart: hands up high and low are raising_hands,
floor work crouched and kneeling is kneeling_work, three steps up and down and stairs for half a minute are stairs.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from simulators.imu.recorded.common import Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import cells, floats, label_of, triads
from simulators.sensor import STANDARD_GRAVITY

RATE_HZ = 100.0
PLACES = {"trousers": ("hip", "unknown"), "back": ("back", "middle"), "hand": ("upper_arm", "unknown")}
NAMES = tuple(
    f"{place}_{letter}{axis}_{unit}"
    for place in PLACES
    for letter, unit in (("A", "g"), ("G", "dps"), ("M", "uT"))
    for axis in "xyz"
)
CHANNELS = tuple(
    channel
    for unit, place in enumerate(PLACES.values())
    for channel in triads(unit, *place, "accelerometer", "gyroscope", "magnetometer")
)
LABELS = dict(enumerate((
    "roll_painting", "spraying_paint", "leveling_paint", "vacuum_cleaning", "picking_up", "stairs", "jumping_down",
    "laying_back", "raising_hands", "raising_hands", "kneeling_work", "kneeling_work", "walking_straight",
    "walking_winding", "pushing_cart", "stairs",
), start=1))  # fmt: skip
NAME = re.compile(r"activity_(\d+)_user_(\d+)_combined")


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return bool(_files(folder))


def read(folder: Path) -> list[Reader]:
    """A reader for each file."""
    found = ((NAME.fullmatch(path.stem), path) for path in _files(folder))
    return [partial(_one, path, *map(int, match.groups())) for match, path in found if match]


def _files(folder: Path) -> list[Path]:
    """The files of the first level that has any."""
    levels = (sorted(folder.glob(f"{below}activity_*_user_*_combined.csv")) for below in ("", "*/", "*/*/"))
    return next((found for found in levels if found), [])


def unit_of(force: np.ndarray) -> float:
    """m/s^2 in one unit of force (sensors, 3, n): a g, or half of one where the median norm is nearer to 2 than to 1.

    >>> unit_of(np.full((1, 3, 2), 1.16)) / unit_of(np.full((1, 3, 2), 0.58))
    0.5
    """
    norms = np.linalg.norm(force, axis=1)
    norms = norms[np.isfinite(norms)]
    return STANDARD_GRAVITY / 2 if norms.size and np.median(norms) > np.sqrt(2) else STANDARD_GRAVITY


def _one(path: Path, activity: int, user: int) -> Recording:
    units = floats(path, cells(path, NAMES), NAMES).reshape(len(PLACES), 3, 3, -1)
    factors = np.array([unit_of(units[:, 0]), np.pi / 180, 1.0])
    signals = (units * factors[:, None, None]).reshape(len(NAMES), -1)
    return Recording(
        name=path.name,
        channels=CHANNELS,
        signals=signals,
        rate_hz=RATE_HZ,
        labels=np.full(signals.shape[1], label_of(path, activity, LABELS)),
        subject=user,
        session=activity,
    )
