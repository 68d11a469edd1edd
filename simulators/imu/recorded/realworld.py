"""RealWorld 2016: phones at chest, forearm, head, shin, thigh and waist and one at the upper arm, 8 activities.

Sztyler and Stuckenschmidt, PerCom 2016. `proband1/data/acc_walking_csv.zip` and on, or unpacked: in it a file for each
place, `acc_walking_chest.csv`, `Gyroscope_walking_chest.csv`, `MagneticField_walking_chest.csv`, of columns id,
attr_time (UNIX, ms), attr_x to attr_z in m/s^2, rad/s, uT. An activity that was done in parts has a zip for each in the
zip, `acc_climbingup_1_csv.zip`. Each phone in each part is a recording: how well the phones' clocks agree is not told.
Its sensors come to 50 Hz, the nominal rate, by `simulators.resample`; where one has no file the others are alone.

Checked by public readers: folders, names, parts, columns. Not at hand: a file, and the unit of the magnetometer. The
sides are not told.
"""

import re
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.clocks import Log, check_steps, joined, recording_of
from simulators.imu.recorded.common import Recording
from simulators.imu.recorded.generic import Reader
from simulators.imu.recorded.tables import floats, label_of, split, triads

RATE_HZ = 50.0
SLOWEST_HZ, FASTEST_HZ = 20.0, 250.0
COLUMNS = ("attr_time", "attr_x", "attr_y", "attr_z")
KINDS = {"acc": "accelerometer", "gyroscope": "gyroscope", "gyr": "gyroscope", "magneticfield": "magnetometer",
         "mag": "magnetometer"}  # fmt: skip
PLACES = {
    "chest": ("chest", "middle"), "forearm": ("forearm", "unknown"), "head": ("head", "middle"),
    "shin": ("shank", "unknown"), "thigh": ("thigh", "unknown"), "upperarm": ("upper_arm", "unknown"),
    "waist": ("waist", "middle"),
}  # fmt: skip
LABELS = {
    "climbingdown": "stairs_down", "climbingup": "stairs_up", "jumping": "jumping", "lying": "lying",
    "running": "running", "sitting": "sitting", "standing": "standing", "walking": "walking",
}  # fmt: skip
NAME = re.compile(r"([a-z]+)_([a-z]+?)(?:_(\d+))?_([a-z]+)\.csv")
PART = re.compile(r"_(\d+)_csv\.zip")


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file on disk, or in a zip, or in a zip in a zip: the names on the way in."""

    path: Path
    inside: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The names, one after the other."""
        return "!".join([str(self.path), *self.inside])


def detect(folder: Path) -> bool:
    """Whether a folder is that archive."""
    return bool(_probands(folder))


def read(folder: Path) -> list[Reader]:
    """A reader for each person, activity, part and place."""
    found: dict[tuple[int, str, int, str], dict[str, Member]] = {}
    for home in _probands(folder):
        for member in _members(home / "data"):
            match = NAME.fullmatch(PurePosixPath((member.inside or (member.path.name,))[-1]).name.lower())
            if match and match[1] in KINDS:
                key = (int(home.name.removeprefix("proband")), match[2], part_of(member, match[3]), match[4])
                found.setdefault(key, {})[KINDS[match[1]]] = member
    return [partial(_one, *key, found[key]) for key in sorted(found)]


def _probands(folder: Path) -> list[Path]:
    homes = (folder, folder / "realworld2016_dataset")
    return [path.parent for home in homes for path in sorted(home.glob("proband[0-9]*/data"))]


def part_of(member: Member, told: str | None) -> int:
    """The part of an activity: the number in the file's name, else in that of the zip around it, else 1."""
    around = [PART.search(name.lower()) for name in (member.path.name, *member.inside)]
    return int(told or next((match[1] for match in around if match), 1))


def _members(folder: Path) -> list[Member]:
    """All tables below a folder."""
    zips = [own for path in sorted(folder.rglob("*.zip")) for own in _unzipped(Member(path=path), path.read_bytes())]
    return [Member(path=path) for path in sorted(folder.rglob("*.csv"))] + zips


def _unzipped(member: Member, data: bytes) -> list[Member]:
    try:
        with ZipFile(BytesIO(data)) as file:
            found = []
            for name in sorted(file.namelist()):
                own = Member(path=member.path, inside=(*member.inside, name))
                if name.endswith(".csv") and "__MACOSX" not in name:
                    found.append(own)
                elif name.endswith(".zip"):
                    found += _unzipped(own, file.read(name))
            return found
    except BadZipFile as error:
        raise InputError(f"'{member}' must be a zip file; {error}") from error


def text_of(member: Member) -> str:
    """What a file holds."""
    data = member.path.read_bytes()
    for name in member.inside:
        with ZipFile(BytesIO(data)) as file:
            data = file.read(name)
    return data.decode("utf-8-sig", "replace")


def _one(person: int, activity: str, part: int, place: str, members: dict[str, Member]) -> Recording:
    name = f"proband{person}/{activity}/{part}/{place}"
    if place not in PLACES:
        raise InputError(f"a place of RealWorld must be one of {', '.join(PLACES)}; of '{name}' it is '{place}'")
    kinds = [kind for kind in dict.fromkeys(KINDS.values()) if kind in members]
    label = label_of(Path(name), activity, LABELS)
    logs = [_log(members[kind], label) for kind in kinds]
    return recording_of(name, logs, triads(0, *PLACES[place], *kinds), RATE_HZ, person, part)


def _log(member: Member, label: str) -> Log:
    lines = text_of(member).splitlines()
    path = Path(str(member))
    values = floats(path, split(path, lines[0] if lines else "", lines[1:], COLUMNS), COLUMNS)
    log = joined(member, [Log(times_s=values[0] * 1e-3, signals=values[1:], labels=np.full(values.shape[1], label))])
    check_steps(member, log.times_s, SLOWEST_HZ, FASTEST_HZ)
    return log
