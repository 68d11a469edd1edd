"""RecGym: boards at 20 Hz at wrist, pocket and leg, in eleven exercises of a gym.

Bian et al., UCI archive 1128. One file, `RecGym.csv`, of 4.4 million rows: columns `Subject` (or `Object`), `Position`,
`Session`, `A_x` to `G_z`, `C_1`, `Workout`. Rows of one subject, position and session stand together and form one
recording; the file is walked once for where they begin, and each is read when it is asked for. Body capacitance is not
read. `Null`, or nothing, is the time between exercises.

No file of it was at hand, and no source tells the units: g and deg/s are taken, and what does not read 1 g at rest is
refused. So is a table whose signals run from 0 to 1: a public reader (github.com/alxdofficial/tsfm, accel_units.py)
says that each axis of the published one is scaled so, which leaves no way back to SI. `leg` is taken as the shank.
Positions of one session are recordings of their own: nothing tells that their rows are of the same moments.
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.common import Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import floats, header_of, label_of, split, triads
from simulators.sensor import STANDARD_GRAVITY

FILE, RATE_HZ = "RecGym.csv", 20.0
SUBJECTS = ("Subject", "Object")
"""What the column of subjects is called, by source."""
SIGNALS = ("A_x", "A_y", "A_z", "G_x", "G_y", "G_z")
PLACES = {"wrist": "wrist", "pocket": "pocket", "leg": "shank", "calf": "shank"}
LABELS = {
    "Adductor": "adductor_machine", "ArmCurl": "arm_curl", "BenchPress": "bench_press", "LegCurl": "leg_curl",
    "LegPress": "leg_press", "Riding": "cycling", "RopeSkipping": "rope_skipping", "Running": "running",
    "Squat": "squat", "StairsClimber": "stairclimber", "StairClimber": "stairclimber", "Walking": "walking",
    "Null": "unlabelled", "": "unlabelled",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Rows of one subject, position and session: their bytes in the file."""

    subject: int
    place: str
    session: int
    first: int
    end: int


def detect(path: Path) -> bool:
    """Whether a path is that file or its folder."""
    return path.name == FILE or (path / FILE).is_file()


def read(path: Path) -> list[Reader]:
    """A reader for each subject, position and session. Raises InputError where their rows stand apart."""
    path = path / FILE if path.is_dir() else path
    head, stretches = index_of(path)
    return [partial(_one, path, head, stretch) for stretch in stretches]


def index_of(path: Path) -> tuple[str, list[Stretch]]:
    """The header, and where each recording lies. Raises InputError for a row that is short or stands apart."""
    with path.open("rb") as file:
        head = file.readline().decode("utf-8-sig", "replace").strip()
        subject = next((name for name in SUBJECTS if name in head.split(",")), SUBJECTS[0])
        names = (subject, "Position", "Session")
        header = header_of(path, head, (*names, *SIGNALS, "Workout"))
        places = [header.index(name) for name in names]
        keys: list[tuple[bytes, ...]] = []
        firsts, at = [], file.tell()
        for line in file:
            key = key_of(path, line, places)
            if key and (not keys or key != keys[-1]):
                keys.append(key)
                firsts.append(at)
            at += len(line)
    stretches = [_stretch(path, key, *span) for key, span in zip(keys, pairwise([*firsts, at]), strict=True)]
    if len({(s.subject, s.place, s.session) for s in stretches}) < len(stretches):
        raise InputError(f"rows of a subject, position and session of '{path}' must stand together; they do not")
    return head, stretches


def key_of(path: Path, line: bytes, places: list[int]) -> tuple[bytes, ...]:
    """Subject, position and session of a row; of a blank one nothing. Raises InputError for one that is too short."""
    cells = line.strip().split(b",", max(places) + 1)
    if cells == [b""]:
        return ()
    if len(cells) <= max(places):
        raise InputError(f"rows of '{path}' must name subject, position and session; one has {len(cells)} columns")
    return tuple(cells[place] for place in places)


def _stretch(path: Path, key: tuple[bytes, ...], first: int, end: int) -> Stretch:
    subject, place, session = (cell.decode("utf-8", "replace").strip() for cell in key)
    if place.lower() not in PLACES:
        raise InputError(f"a position of '{path}' must be one of {', '.join(PLACES)}; it is '{place}'")
    try:
        person, number = int(float(subject)), int(float(session))
    except (ValueError, OverflowError) as error:
        raise InputError(f"subjects and sessions of '{path}' must be numbers; one is '{subject}, {session}'") from error
    return Stretch(subject=person, place=PLACES[place.lower()], session=number, first=first, end=end)


def _one(path: Path, head: str, stretch: Stretch) -> Recording:
    with path.open("rb") as file:
        file.seek(stretch.first)
        lines = file.read(stretch.end - stretch.first).decode("utf-8", "replace").splitlines()
    table = split(path, head, lines, (*SIGNALS, "Workout"))
    values = floats(path, table, SIGNALS)
    if np.nanmin(values, initial=np.inf) >= 0 and np.nanmax(values, initial=0.0) <= 1:
        raise InputError(
            f"signals of '{path}' must be in g and deg/s; all of them lie from 0 to 1, as in the published table, "
            "whose axes were scaled: ask for it from before that, or undo it by each axis' least and greatest value"
        )
    return Recording(
        name=f"{FILE}#{stretch.subject}/{stretch.place}/{stretch.session}",
        channels=triads(0, stretch.place, "unknown", "accelerometer", "gyroscope"),
        signals=values * np.repeat([STANDARD_GRAVITY, np.pi / 180], 3)[:, None],
        rate_hz=RATE_HZ,
        labels=np.array([label_of(path, told.strip(), LABELS) for told in table["Workout"]]),
        subject=stretch.subject,
        session=stretch.session,
    )
