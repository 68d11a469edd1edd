"""SELFBACK: an Axivity AX3 accelerometer, nominally at 100 Hz and +-8 g, at the thigh or the wrist.

Sani et al., KSEM 2017 and ICCBR 2017; github.com/rgu-selfback/Datasets. `raw/9_class/thigh34/walk_fast/026.csv` and on,
the person in the file's name: columns time (date and time, to the ms), x, y, z in g, class. The device's own clock runs
at 97 to 102 Hz: signals come to 100 Hz by `simulators.resample`, and stretches without samples are NaN. A sample is
clipped where the nearest reading stood at -8 g or at 8 g less the device's step of 1/64 g. `9_class` is read where it
is there, else every folder of a placement below `raw`. UCI archive 521 has the same files in `t` and `w`.

Checked in real files of `thigh34`: columns, units, times, range and step. By a public reader: the folders' names and
the layout of UCI. Not at hand: a file of the wrist, and whether a number is the same person in all. The side is not
told.
"""

from functools import partial
from pathlib import Path

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.common import Recording, at_rail
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import cells, check_rate, floats, label_of, triads
from simulators.resample import uniform
from simulators.sensor import STANDARD_GRAVITY

RATE_HZ = 100.0
RANGE, STEP = 8 * STANDARD_GRAVITY, STANDARD_GRAVITY / 64
"""m/s^2"""
PLACES = {"thigh": "thigh", "wrist": "wrist", "t": "thigh", "w": "wrist"}
"""A folder's name without its digits, to where its sensor sat."""
LABELS = {
    "lying": "lying", "sitting": "sitting", "standing": "standing", "walk_slow": "walking_slow", "walk_mod": "walking",
    "walking": "walking", "walk_fast": "walking_fast", "jogging": "running", "upstairs": "walking_upstairs",
    "downstairs": "walking_downstairs",
}  # fmt: skip


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return bool(_folders(folder))


def read(folder: Path) -> list[Reader]:
    """A reader for each person, placement and activity."""
    return [partial(_one, path) for home in _folders(folder) for path in sorted(home.glob("*/*.csv"))]


def _folders(folder: Path) -> list[Path]:
    """`thigh34` and the like, of the first place that has any."""
    names = ("thigh[0-9]*", "wrist[0-9]*", "t", "w")
    levels = (
        [path for name in names for path in sorted(folder.glob(below + name)) if any(path.glob("*/*.csv"))]
        for below in ("raw/9_class/", "raw/", "raw/*/", "")
    )
    return next((found for found in levels if found), [])


def _one(path: Path) -> Recording:
    home = path.parents[1].name
    if not path.stem.isdecimal():
        raise InputError(f"a file of SELFBACK must be named by the number of its person; it is '{path.name}'")
    label = label_of(path, path.parent.name, LABELS)
    table = cells(path, ("time", "x", "y", "z"))
    times = seconds_of(path, table["time"])
    check_rate(path, times, RATE_HZ)
    distinct = np.r_[True, np.diff(times) > 0]
    times, readings = times[distinct], STANDARD_GRAVITY * floats(path, table, "xyz")[:, distinct]
    place = PLACES[home.rstrip("0123456789")]
    device = triads(0, place, "unknown", "accelerometer", ranges=[RANGE], steps=[STEP])
    signals = uniform(times, readings, RATE_HZ)
    return Recording(
        name=f"{home}/{path.parent.name}/{path.name}",
        channels=device,
        signals=signals,
        rate_hz=RATE_HZ,
        labels=np.full(signals.shape[1], label),
        subject=int(path.stem),
        clipped=at_rail(path, device, readings, np.full(3, STEP))[:, nearest(times, signals.shape[1])],
    )


def nearest(times_s: np.ndarray, outputs: int) -> np.ndarray:
    """Which of times (n,), s, ascending, is nearest to each of `outputs` at RATE_HZ from the first on, (outputs,).

    >>> nearest(np.array([0.0, 0.012, 0.019, 0.033]), 4).tolist()
    [0, 1, 2, 3]
    """
    at = times_s[0] + np.arange(outputs) / RATE_HZ
    after = np.clip(np.searchsorted(times_s, at), 1, len(times_s) - 1)
    return after - (at - times_s[after - 1] <= times_s[after] - at)


def seconds_of(path: Path, told: list[str]) -> np.ndarray:
    """Dates and times as s from the first, (n,). Raises InputError for one that is none."""
    try:
        stamps = np.array([text.strip().replace(" ", "T") for text in told], "datetime64[us]")
    except ValueError as error:
        raise InputError(f"times of recording '{path}' must be dates and times; {error}") from error
    return (stamps - stamps[0]) / np.timedelta64(1, "s")
