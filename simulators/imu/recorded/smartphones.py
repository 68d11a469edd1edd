"""Official archives of recordings made with smartphones: UCI-HAR, HAPT, MotionSense.

UCI-HAR and HAPT: Reyes-Ortiz et al., Neurocomputing 171, 2016, a Samsung Galaxy S II at the waist; MotionSense:
Malekzadeh et al., IoTDI 2019, an iPhone 6s in the front pocket. Layouts as the archives' own read-me files tell them;
HAPT's was checked with real files. The side on which a phone was worn is not told there.

HAPT is the raw recordings behind UCI-HAR, whose windows were filtered; MotionSense's rates are nominal.
"""

from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.common import Channel, Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import cells, floats, label_of, numbers, triads, whole
from simulators.sensor import STANDARD_GRAVITY

UCI_LABELS = dict(
    enumerate(("walking", "walking_upstairs", "walking_downstairs", "sitting", "standing", "laying"), start=1)
)
HAPT_LABELS = dict(
    enumerate(
        ("walking", "walking_upstairs", "walking_downstairs", "sitting", "standing", "lying", "stand_to_sit",
         "sit_to_stand", "sit_to_lie", "lie_to_sit", "stand_to_lie", "lie_to_stand"),
        start=1,
    )
)  # fmt: skip
MOTION_SENSE = {
    "dws": "walking_downstairs", "ups": "walking_upstairs", "sit": "sitting", "std": "standing", "wlk": "walking",
    "jog": "jogging",
}  # fmt: skip
RATE_HZ = 50.0
WINDOW, HOP = 128, 64
UCI_KINDS = {"body_acc": STANDARD_GRAVITY, "total_acc": STANDARD_GRAVITY, "body_gyro": 1.0}
"""SI in one unit of the archive."""


def six(placement: str) -> tuple[Channel, ...]:
    """Accelerometer and gyroscope of a phone."""
    return triads(0, placement, "unknown", "accelerometer", "gyroscope")


def uci_har(folder: Path) -> list[Reader]:
    """UCI HAR Dataset: windows of 128 samples that overlap by half, stitched where one begins as the last ended.

    A stretch of one subject and label is a recording. Raises InputError where labels or subjects are not one a window.
    """
    found: list[Reader] = []
    for split in ("train", "test"):
        root = folder / split
        if root.is_dir():
            told = [root / f"{kind}_{split}.txt" for kind in ("subject", "y")]
            subjects, labels = (whole(path, numbers(path, 1)[0]) for path in told)
            first = _windows(root / "Inertial Signals" / f"total_acc_x_{split}.txt")
            if not len(first) == len(subjects) == len(labels):
                raise InputError(
                    f"'{root}' must have a label and a subject for each of {len(first)} windows; it has not"
                )
            joined = np.r_[False, np.isclose(first[:-1, HOP:], first[1:, :HOP], atol=1e-9).all(1)]
            joined &= np.r_[False, (subjects[1:] == subjects[:-1]) & (labels[1:] == labels[:-1])]
            starts = np.flatnonzero(~joined)
            for a, b in zip(starts, [*starts[1:], len(first)], strict=True):
                found.append(partial(_uci_stretch, root, int(a), int(b), int(subjects[a]), int(labels[a])))
    return found


@lru_cache(maxsize=9)  # the stretches of a split come one after the other, each of nine files
def _windows(path: Path) -> np.ndarray:
    """(windows, 128)"""
    return numbers(path, WINDOW).T


def _uci_stretch(root: Path, a: int, b: int, subject: int, label: int) -> Recording:
    paths = {kind: [root / "Inertial Signals" / f"{kind}_{axis}_{root.name}.txt" for axis in "xyz"]
             for kind in UCI_KINDS}  # fmt: skip
    for path in (path for own in paths.values() for path in own):
        if len(_windows(path)) < b:
            raise InputError(f"'{path}' must have the windows of the other files, {b} or more; it has fewer")
    signals = np.array(
        [factor * stitched(_windows(path)[a:b]) for kind, factor in UCI_KINDS.items() for path in paths[kind]]
    )
    return Recording(
        name=f"{root.name}/{a}",
        channels=triads(0, "waist", "unknown", "body_acceleration", "accelerometer", "gyroscope"),
        signals=signals,
        rate_hz=RATE_HZ,
        labels=np.full(signals.shape[1], label_of(root / f"y_{root.name}.txt", label, UCI_LABELS)),
        subject=subject,
    )


def stitched(windows: np.ndarray) -> np.ndarray:
    """The signal (n,) that windows (some, 128), each half over the last, were cut from.

    >>> bool((stitched(np.array([np.arange(128), np.arange(64, 192)])) == np.arange(192)).all())
    True
    """
    return np.concatenate([windows[0], *windows[1:, HOP:]])


def hapt(folder: Path) -> list[Reader]:
    """HAPT: RawData/acc_expXX_userYY.txt and gyro_..., labelled by RawData/labels.txt; one recording an experiment."""
    raw = folder / "RawData"
    spans = whole(raw / "labels.txt", numbers(raw / "labels.txt", 5).T)
    for label in np.unique(spans[:, 2]):
        label_of(raw / "labels.txt", int(label), HAPT_LABELS)
    return [partial(_hapt_one, path, spans) for path in sorted(raw.glob("acc_exp*_user*.txt"))]


def _hapt_one(path: Path, spans: np.ndarray) -> Recording:
    number, _, user = path.stem.removeprefix("acc_exp").partition("_user")
    if not number.isdecimal() or not user.isdecimal():
        raise InputError(f"a file of HAPT must be named acc_expXX_userYY.txt; it is '{path.name}'")
    force = STANDARD_GRAVITY * numbers(path, 3)
    turn = numbers(path.with_name(path.name.replace("acc_", "gyro_")), 3)
    if force.shape != turn.shape:
        raise InputError(f"'{path}' and its gyroscope's file must have equal lines; they have {force.shape[1]} and "
                         f"{turn.shape[1]}")  # fmt: skip
    labels = np.full(force.shape[1], "unlabelled", object)
    for _, _, label, first, last in spans[(spans[:, 0] == int(number)) & (spans[:, 1] == int(user))]:
        if not 1 <= first <= last <= labels.size:
            raise InputError(f"labels of '{path}' must be of its lines 1 to {labels.size}; one is of {first} to {last}")
        labels[first - 1 : last] = HAPT_LABELS[int(label)]
    return Recording(
        name=path.name,
        channels=six("waist"),
        signals=np.concatenate([force, turn]),
        rate_hz=RATE_HZ,
        labels=labels,
        subject=int(user),
        session=int(number),
    )


def motion_sense(folder: Path) -> list[Reader]:
    """MotionSense: A_DeviceMotion_data/<activity>_<trial>/sub_<n>.csv; gravity and user acceleration in g are added."""
    found = sorted((folder / "A_DeviceMotion_data").glob("*_*/sub_*.csv"))
    return [partial(_motion_one, path) for path in found]


def _motion_one(path: Path) -> Recording:
    name, _, trial = path.parent.name.partition("_")
    label, subject = label_of(path, name, MOTION_SENSE), path.stem.removeprefix("sub_")
    if not trial.isdecimal() or not subject.isdecimal():
        raise InputError(f"a file of MotionSense must be named activity_trial/sub_n.csv; it is '{path}'")
    columns = [f"{kind}.{axis}" for kind in ("gravity", "userAcceleration", "rotationRate") for axis in "xyz"]
    values = floats(path, cells(path, columns), columns)
    # the system reports gravity and acceleration with the sign of motion: at rest its sum points down
    force = -STANDARD_GRAVITY * (values[:3] + values[3:6])
    return Recording(
        name=f"{path.parent.name}/{path.name}",
        channels=six("pocket"),
        signals=np.concatenate([force, values[6:]]),
        rate_hz=RATE_HZ,
        labels=np.full(values.shape[1], label),
        subject=int(subject),
        session=int(trial),
    )
