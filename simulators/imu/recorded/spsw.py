"""SPSW, of GeoTec: a phone in a front pocket and a watch at the wrist, in timed walks from a chair and back.

Matey-Sanz, Casteleyn and Granell, Data in Brief 2023, 109809; github.com/GeoTecINIT/sp-sw-har-dataset, CC BY 4.0.
`DATA/s01/s01_01_sp.csv` (phone) and `_sw.csv` (watch), subject and execution in the name: columns x_acc to z_acc in
m/s^2, x_gyro to z_gyro in rad/s, timestamp (UNIX, ms), label. Both devices of an execution form one recording.

Stamps come in batches while the sensors run steadily, the phone at about 102.5 Hz and the watch at 104.4: sample k of a
device lies on the straight line through its stamps. Both then come to one clock of 100 Hz by `simulators.resample`,
over the time that both cover. Where their labels differ there is none.

Checked in real files of both: columns, units, rates, the labels SEATED, STANDING_UP and SITTING_DOWN; the other two are
of the archive's own plots. Not told: the side of pocket and watch, and how well the two devices' clocks agree. How the
phone lay in the pocket (`executions_info.csv`) is not read.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.clocks import Log, together
from simulators.imu.recorded.common import Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import cells, check_rate, floats, label_of, triads

RATE_HZ = 100.0
TOLERANCE = 0.1
"""Of a device's rate about RATE_HZ."""
MOST_ASTRAY_S = 0.5
"""A stamp may lie so far from the straight line."""
PLACES = {"sp": "pocket", "sw": "wrist"}
SIGNALS = ("x_acc", "y_acc", "z_acc", "x_gyro", "y_gyro", "z_gyro")
LABELS = {
    "SEATED": "sitting", "STANDING_UP": "sit_to_stand", "WALKING": "walking", "TURNING": "turning",
    "SITTING_DOWN": "stand_to_sit",
}  # fmt: skip
NAME = re.compile(r"s(\d+)_(\d+)_(sp|sw)")


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return any((folder / "DATA").glob("s[0-9]*/s*_s[pw].csv"))


def read(folder: Path) -> list[Reader]:
    """A reader for each execution."""
    executions: dict[tuple[int, int], list[Path]] = {}
    for path in sorted((folder / "DATA").glob("s[0-9]*/s*_s[pw].csv")):
        if match := NAME.fullmatch(path.stem):
            executions.setdefault((int(match[1]), int(match[2])), []).append(path)
    return [partial(_one, paths, *key) for key, paths in executions.items()]


def _one(paths: list[Path], subject: int, execution: int) -> Recording:
    signals, labels, _ = together(paths, [_log(path) for path in paths], RATE_HZ)
    places = [PLACES[path.stem[-2:]] for path in paths]
    return Recording(
        name=paths[0].stem[:-3],
        channels=tuple(
            channel
            for unit, place in enumerate(places)
            for channel in triads(unit, place, "unknown", "accelerometer", "gyroscope")
        ),
        signals=signals,
        rate_hz=RATE_HZ,
        labels=labels,
        subject=subject,
        session=execution,
    )


def _log(path: Path) -> Log:
    table = cells(path, (*SIGNALS, "timestamp", "label"))
    stamps = floats(path, table, ("timestamp",))[0] * 1e-3
    check_rate(path, stamps, RATE_HZ, TOLERANCE)
    labels = np.array([label_of(path, told.strip(), LABELS) for told in table["label"]])
    return Log(times_s=steady(path, stamps), signals=floats(path, table, SIGNALS), labels=labels)


def steady(path: Path, stamps_s: np.ndarray) -> np.ndarray:
    """Times (n,) of a steady clock: the straight line through stamps (n,), s, by least squares.

    Raises InputError where a stamp is far from it, so that the clock was not steady.
    """
    k = np.arange(stamps_s.size) - (stamps_s.size - 1) / 2
    line = stamps_s.mean() + k * (k @ (stamps_s - stamps_s.mean()) / (k @ k))
    astray = float(np.abs(stamps_s - line).max())
    if astray > MOST_ASTRAY_S:
        raise InputError(f"times of recording '{path}' must keep to one rate within {MOST_ASTRAY_S} s; "
                         f"one is {astray:.3g} s astray")  # fmt: skip
    return line
