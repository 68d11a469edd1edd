"""Official archives of recordings made with smartphones: UCI-HAR, HAPT, MotionSense.

UCI-HAR and HAPT: Reyes-Ortiz et al., Neurocomputing 171, 2016; MotionSense: Malekzadeh et al., IoTDI 2019. Layouts as
the archives' own read-me files tell them; the side on which a phone was worn is not told there.
"""

import csv
from functools import partial
from pathlib import Path

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.common import Channel, Recording
from simulators.imu.recorded.generic import Reader
from simulators.sensor import STANDARD_GRAVITY

UCI_LABELS = ("walking", "walking_upstairs", "walking_downstairs", "sitting", "standing", "laying")
HAPT_LABELS = (
    "walking", "walking_upstairs", "walking_downstairs", "sitting", "standing", "lying", "stand_to_sit", "sit_to_stand",
    "sit_to_lie", "lie_to_sit", "stand_to_lie", "lie_to_stand",
)  # fmt: skip
MOTION_SENSE = {
    "dws": "walking_downstairs", "ups": "walking_upstairs", "sit": "sitting", "std": "standing", "wlk": "walking",
    "jog": "jogging",
}  # fmt: skip
WINDOW, HOP = 128, 64


def _six(placement: str, body: bool = False) -> tuple[Channel, ...]:
    kinds = (["body_acceleration"] if body else []) + ["accelerometer", "gyroscope"]
    return tuple(Channel(quantity=kind, axis=axis, placement=placement) for kind in kinds for axis in "xyz")


def uci_har(folder: Path) -> list[Reader]:
    """UCI HAR Dataset: windows of 128 samples that overlap by half, stitched where one begins as the last ended."""
    found: list[Reader] = []
    for split in ("train", "test"):
        root = folder / split
        if root.is_dir():
            subjects = np.loadtxt(root / f"subject_{split}.txt", dtype=int, ndmin=1)
            labels = np.loadtxt(root / f"y_{split}.txt", dtype=int, ndmin=1)
            first = _windows(root, split, "total_acc_x")
            if not len(first) == len(subjects) == len(labels):
                raise InputError(
                    f"'{root}' must have a label and a subject for each of {len(first)} windows; it has not"
                )
            joined = np.r_[False, np.isclose(first[:-1, HOP:], first[1:, :HOP], atol=1e-9).all(1)]
            joined &= np.r_[False, (subjects[1:] == subjects[:-1]) & (labels[1:] == labels[:-1])]
            starts = np.flatnonzero(~joined)
            for a, b in zip(starts, [*starts[1:], len(first)], strict=True):
                found.append(partial(_uci_stretch, root, split, int(a), int(b), int(subjects[a]), int(labels[a])))
    return found


def _windows(root: Path, split: str, name: str) -> np.ndarray:
    path = root / "Inertial Signals" / f"{name}_{split}.txt"
    if not path.is_file():
        raise InputError(f"the archive must hold '{path}'; it does not")
    values = np.loadtxt(path, ndmin=2)
    if values.shape[1] != WINDOW:
        raise InputError(f"'{path}' must have {WINDOW} numbers a line; it has {values.shape[1]}")
    return np.asarray(values)


def _uci_stretch(root: Path, split: str, a: int, b: int, subject: int, label: int) -> Recording:
    rows = []
    for kind, factor in (("body_acc", STANDARD_GRAVITY), ("total_acc", STANDARD_GRAVITY), ("body_gyro", 1.0)):
        for axis in "xyz":
            own = _windows(root, split, f"{kind}_{axis}")[a:b]
            rows.append(factor * np.concatenate([own[0], *(w[HOP:] for w in own[1:])]))
    if not 1 <= label <= len(UCI_LABELS):
        raise InputError(f"a label of '{root}' must be 1 to {len(UCI_LABELS)}; it is {label}")
    return Recording(
        name=f"{split}/{a}", channels=_six("waist", body=True), signals=np.array(rows), rate_hz=50.0,
        labels=(UCI_LABELS[label - 1],) * rows[0].size, subject=subject,
    )  # fmt: skip


def hapt(folder: Path) -> list[Reader]:
    """HAPT: RawData/acc_expXX_userYY.txt and gyro_..., labelled by RawData/labels.txt; one recording an experiment."""
    raw = folder / "RawData"
    spans = np.loadtxt(raw / "labels.txt", dtype=int, ndmin=2)
    if spans.shape[1] != 5 or spans[:, 2].min() < 1 or spans[:, 2].max() > len(HAPT_LABELS):
        raise InputError(f"'{raw / 'labels.txt'}' must have lines of experiment, user, label 1 to 12, start, end")
    return [partial(_hapt_one, path, spans) for path in sorted(raw.glob("acc_exp*_user*.txt"))]


def _hapt_one(path: Path, spans: np.ndarray) -> Recording:
    number, user = (int(part) for part in path.stem.replace("acc_exp", "").split("_user"))
    force = STANDARD_GRAVITY * np.loadtxt(path, ndmin=2)
    rate = np.loadtxt(path.with_name(path.name.replace("acc_", "gyro_")), ndmin=2)
    if force.shape != rate.shape or force.shape[1] != 3:
        raise InputError(f"'{path}' and its gyroscope's file must have three columns and equal lines; they have not")
    labels = np.full(len(force), "unlabelled", object)
    for _, _, label, first, last in spans[(spans[:, 0] == number) & (spans[:, 1] == user)]:
        labels[first - 1 : last] = HAPT_LABELS[label - 1]
    return Recording(
        name=path.name, channels=_six("waist"), signals=np.concatenate([force.T, rate.T]), rate_hz=50.0, labels=labels,
        subject=user, session=number,
    )  # fmt: skip


def motion_sense(folder: Path) -> list[Reader]:
    """MotionSense: A_DeviceMotion_data/<activity>_<trial>/sub_<n>.csv; gravity and user acceleration in g are added."""
    found = sorted((folder / "A_DeviceMotion_data").glob("*_*/sub_*.csv"))
    return [partial(_motion_one, path) for path in found]


def _motion_one(path: Path) -> Recording:
    name, _, trial = path.parent.name.partition("_")
    if name not in MOTION_SENSE:
        raise InputError(f"a folder of MotionSense must be one of {', '.join(MOTION_SENSE)}; it is '{name}'")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = [f"{kind}.{axis}" for kind in ("gravity", "userAcceleration", "rotationRate") for axis in "xyz"]
    if missing := [c for c in columns if not rows or c not in rows[0]]:
        raise InputError(f"recording '{path}' must have a column '{missing[0]}'; it has none")
    values = np.array([[float(row[c]) for row in rows] for c in columns])
    # the system reports gravity and acceleration with the sign of motion: at rest its sum points down
    force = -STANDARD_GRAVITY * (values[:3] + values[3:6])
    return Recording(
        name=f"{path.parent.name}/{path.name}", channels=_six("pocket"), signals=np.concatenate([force, values[6:]]),
        rate_hz=50.0, labels=(MOTION_SENSE[name],) * len(rows), subject=int(path.stem.partition("_")[2]),
        session=int(trial),
    )  # fmt: skip
