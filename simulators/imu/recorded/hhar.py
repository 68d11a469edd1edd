"""HHAR: eight phones in a pouch at the waist and four watches at the wrists, all with clocks of their own.

Stisen et al., SenSys 2015; UCI archive 344. `Phones_accelerometer.csv`, `Phones_gyroscope.csv` and the same of `Watch`,
in the folder or its `Activity recognition exp`: columns Index, Arrival_Time (ms), Creation_Time (ns), x, y, z (m/s^2,
rad/s), User (a to i), Model, Device, gt (null: none). The files are walked once, a minute for all 34 million rows; a
whole import takes some forty.

Each specimen with each user is recorded apart, cut where its clock pauses: nothing ties the devices together. Its two
sensors come to one clock of 50 Hz, the slowest phone's rate, by `simulators.resample`. Times are Creation_Time, moved
so that its median lag behind Arrival_Time is none; where it does not ascend or runs at another pace than Arrival_Time,
that serves.

Checked by public readers: names, columns, labels. From memory: that rows of a specimen stand together, and that the
pouch was at the waist. Not at hand: a file. Not told: which watches were on which arm.
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
from simulators.imu.recorded.common import RATE_TOLERANCE, Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import floats, label_of, split, triads

RATE_HZ = 50.0
SLOWEST_HZ, FASTEST_HZ = 20.0, 400.0
COLUMNS = ("Index", "Arrival_Time", "Creation_Time", "x", "y", "z", "User", "Model", "Device", "gt")
HEAD = ",".join(COLUMNS)
PLACES = {"Phones": ("waist", "middle"), "Watch": ("wrist", "unknown")}
KINDS = ("accelerometer", "gyroscope")
LABELS = {
    "bike": "cycling", "sit": "sitting", "stand": "standing", "walk": "walking", "stairsup": "walking_upstairs",
    "stairsdown": "walking_downstairs", "null": "unlabelled", "": "unlabelled",
}  # fmt: skip


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return bool(_files(folder))


def read(folder: Path) -> list[Reader]:
    """A reader for each user, specimen and stretch of time."""
    found: list[Stretch] = []
    for path in _files(folder):
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            head = file.readline().strip()
        if head != HEAD:
            raise InputError(f"the columns of '{path}' must be {HEAD}; they are '{head}'")
        found += stretches_of(path, partial(key_of, path.stem.partition("_")[0]), skip=1)
    return [partial(_one, own, session) for session, own in enumerate(concurrent(found))]


def key_of(kind: str, cells: list[bytes]) -> tuple[tuple[str, ...], float]:
    """(user, Phones or Watch, device) and the time of arrival in s of a row."""
    return (cells[6].decode(), kind, cells[8].decode()), int(cells[1]) * 1e-3


def _files(folder: Path) -> list[Path]:
    levels = (
        [path for kind in PLACES for name in KINDS if (path := folder / below / f"{kind}_{name}.csv").is_file()]
        for below in ("", "Activity recognition exp")
    )
    return next((found for found in levels if found), [])


def _one(stretches: list[Stretch], session: int) -> Recording:
    user, kind, _ = stretches[0].key
    if len(user) != 1 or not user.islower():
        raise InputError(f"a user of '{stretches[0].path}' must be a letter, a to i; it is '{user}'")
    name = f"{'/'.join(stretches[0].key)}#{session}"
    by_sensor = groupby(sorted(stretches, key=_sensor), key=_sensor)
    logs = {sensor: joined(name, [_log(own) for own in parts]) for sensor, parts in by_sensor}
    for log in logs.values():
        check_steps(name, log.times_s, SLOWEST_HZ, FASTEST_HZ)
    channels = triads(0, *PLACES[kind], *logs)
    return recording_of(name, list(logs.values()), channels, RATE_HZ, ord(user) - ord("a") + 1, session)


def _sensor(stretch: Stretch) -> str:
    return stretch.path.stem.partition("_")[2]


def _log(stretch: Stretch) -> Log:
    path = stretch.path
    table = split(path, HEAD, lines_of(stretch), COLUMNS)
    values = floats(path, table, ("Arrival_Time", "Creation_Time", "x", "y", "z"))
    return Log(
        times_s=times_of(values[0] * 1e-3, values[1] * 1e-9),
        signals=values[2:],
        labels=np.array([label_of(path, told, LABELS) for told in table["gt"]]),
    )


def times_of(arrival_s: np.ndarray, creation_s: np.ndarray) -> np.ndarray:
    """Times (n,) in s of samples by when they arrived and were made, both (n,).

    >>> times_of(np.array([10.0, 10.01, 10.03]), np.array([3.0, 3.01, 3.02])).round(3).tolist()
    [10.0, 10.01, 10.03]
    >>> times_of(np.array([10.0, 10.01, 10.02, 10.03]), np.array([3.0, 3.012, 3.02, 3.03])).round(3).tolist()
    [10.0, 10.012, 10.02, 10.03]
    """
    came, made = (float(times[-1] - times[0]) for times in (arrival_s, creation_s))
    if not (np.diff(creation_s) > 0).all() or abs(made / max(came, 1e-9) - 1) > RATE_TOLERANCE:
        return arrival_s
    return creation_s - np.median(creation_s - arrival_s)
