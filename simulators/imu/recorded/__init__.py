"""Real recordings of worn sensors in the simulator's schema: official archives, tables, segment files.

A path is an archive's folder as it was unpacked or the folder around it, a CSV file with a description, or an .npz file
of segments. Files are read when their recordings are asked for; an index may have to be read before.
"""

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scenarios.catalogue import nearest
from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators.imu.recorded import (
    dsads,
    generic,
    hhar,
    kuhar,
    mhealth,
    mobiact,
    pamap2,
    realworld,
    recgym,
    selfback,
    sisfall,
    smartphones,
    spsw,
    unimib_shar,
    utd_mhad,
    vtt_coniot,
    wisdm,
)
from simulators.imu.recorded.common import arrays_of
from simulators.imu.recorded.generic import Reader


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one archive lies on disk."""

    text: str
    """Its name, and which devices are where."""
    detect: Callable[[Path], bool]
    """Whether a path is one; opens nothing large."""
    read: Callable[[Path], list[Reader]]
    """Readers of its recordings."""
    conventions: str = ""
    """What a set of it says of units and labels, where that is not the text of the module that reads it."""


LAYOUTS = {
    "uci_har": Layout(
        text="UCI HAR Dataset: a phone at the waist",
        detect=lambda p: any((p / split / "Inertial Signals").is_dir() for split in ("train", "test")),
        read=smartphones.uci_har,
    ),
    "hapt": Layout(
        text="HAPT Data Set: a phone at the waist, raw",
        detect=lambda p: (p / "RawData" / "labels.txt").is_file(),
        read=smartphones.hapt,
    ),
    "motionsense": Layout(
        text="MotionSense: a phone in the front pocket",
        detect=lambda p: (p / "A_DeviceMotion_data").is_dir(),
        read=smartphones.motion_sense,
    ),
    "pamap2": Layout(text="PAMAP2: units at wrist, chest and ankle", detect=pamap2.detect, read=pamap2.read),
    "mhealth": Layout(text="MHEALTH: units at chest, ankle and lower arm", detect=mhealth.detect, read=mhealth.read),
    "dsads": Layout(
        text="Daily and sports activities: units at torso, arms and legs", detect=dsads.detect, read=dsads.read
    ),
    "recgym": Layout(text="RecGym: units at wrist, pocket and leg", detect=recgym.detect, read=recgym.read),
    "vtt_coniot": Layout(
        text="VTT-ConIoT: units at hip, back and upper arm", detect=vtt_coniot.detect, read=vtt_coniot.read
    ),
    "utd_mhad": Layout(text="UTD-MHAD: a unit at wrist or thigh", detect=utd_mhad.detect, read=utd_mhad.read),
    "sisfall": Layout(text="SisFall: a board at the waist, counts kept", detect=sisfall.detect, read=sisfall.read),
    "selfback": Layout(text="SELFBACK: an accelerometer at thigh or wrist", detect=selfback.detect, read=selfback.read),
    "spsw": Layout(text="SPSW: a phone in the pocket and a watch at the wrist", detect=spsw.detect, read=spsw.read),
    "wisdm": Layout(text="WISDM: a phone in the pocket, a watch at the wrist", detect=wisdm.detect, read=wisdm.read),
    "hhar": Layout(text="HHAR: phones at the waist, watches at the wrists", detect=hhar.detect, read=hhar.read),
    "unimib_shar": Layout(
        text="UniMiB-SHAR: an accelerometer in the pocket", detect=unimib_shar.detect, read=unimib_shar.read
    ),
    "kuhar": Layout(text="KU-HAR: a phone in a bag at the waist", detect=kuhar.detect, read=kuhar.read),
    "realworld": Layout(text="RealWorld: phones at seven places", detect=realworld.detect, read=realworld.read),
    "mobiact": Layout(text="MobiAct: a phone loose in the pocket", detect=mobiact.detect, read=mobiact.read),
    "segments": Layout(
        text="an .npz file of labelled segments",
        detect=generic.is_segments,
        read=generic.segments,
        conventions="Counts are those of the file; times are even, at each segment's own rate.",
    ),
    "table": Layout(
        text="a CSV or .npz file with a description",
        detect=generic.is_table,
        read=generic.table,
        conventions="Columns, units, places and labels are as the description beside the file says, turned into m/s^2, "
        "rad/s and uT; axes are those of the file, and an empty cell is a sample that is not valid.",
    ),
}
"""Layouts by name, in the order in which they are tried. Where an archive is from, its module says."""
TERMS = {
    "uci_har": "as is; commercial use prohibited; cite",
    "hapt": "as is; commercial use prohibited; cite",
    "hhar": "CC BY 4.0",
    "spsw": "CC BY 4.0",
    "selfback": "no licence stated; cite",
    "mobiact": "on request, for research; cite",
}
"""What archives say of their use, where it was seen. Of the others the user knows: nothing is copied from here."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Some files, understood; `recording(i)` makes the arrays of recording i."""

    readers: tuple[Reader, ...]
    attrs: dict[str, Any] = field(repr=False)

    def __len__(self) -> int:
        """Number of recordings."""
        return len(self.readers)

    def recording(self, index: int) -> Arrays:
        """The arrays of a recording, in the schema of the IMU simulator."""
        return arrays_of(self.readers[index]())


def scan(paths: Sequence[Path], *, name: str | None = None, layout: str | None = None) -> Source:
    """Find the recordings in folders or files; `layout` is a name of LAYOUTS, found out where it is not given.

    Raises InputError for a path that no layout fits, or one that holds nothing.
    """
    readers: list[Reader] = []
    entries, archives = [], {}
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"a recording must be there; '{path}' is not")
        kind, place = _layout_of(path, layout)
        own = LAYOUTS[kind].read(place)
        readers += own
        entries.append({"name": path.name, "sha256": _digest(place), "recordings": len(own)})
        archives[kind] = {
            "text": LAYOUTS[kind].text,
            "conventions": LAYOUTS[kind].conventions
            or " ".join((sys.modules[LAYOUTS[kind].read.__module__].__doc__ or "").split()),
            "terms": TERMS.get(kind, "as its source says"),
        }
    if not readers:
        raise InputError(f"recorded sets must have at least one recording; '{paths[0] if paths else ''}' holds none")
    first = Path(paths[0]).absolute()
    attrs = {
        "name": name or (first.stem if first.is_file() else first.name).replace(" ", "_"),
        "logs": entries,
        "archives": archives,
        "gravity": "in the signal: at rest an accelerometer reads 9.81 m/s^2 along up",
    }
    return Source(readers=tuple(readers), attrs=attrs)


def _layout_of(path: Path, layout: str | None) -> tuple[str, Path]:
    """The name of the layout of a path, and the path or the one folder in it that is laid out so."""
    if layout is not None and layout not in LAYOUTS:
        raise InputError(f"--layout must be one of {', '.join(LAYOUTS)}; it is '{layout}'{nearest(layout, LAYOUTS)}")
    if path.suffix == ".zip":
        raise InputError(f"'{path}' must be unpacked first; it is a zip file")
    tried = LAYOUTS if layout is None else {layout: LAYOUTS[layout]}
    within = sorted(inner for inner in path.iterdir() if inner.is_dir()) if path.is_dir() else []
    for place in (path, *within):
        for kind, own in tried.items():
            if own.detect(place):
                return kind, place
    if layout is not None:
        raise InputError(f"'{path}' must be laid out as '{layout}', {LAYOUTS[layout].text}; it is not")
    raise InputError(f"'{path}' must be laid out as one of {', '.join(LAYOUTS)}; it is as none of them")


def _digest(path: Path) -> str:
    """sha256 of a file; of a folder that of the list of its files' digests and names, hidden files left out."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    names = [name for name in files if not any(part.startswith(".") for part in name.split("/"))]
    return hashlib.sha256("".join(f"{_digest(path / name)} {name}\n" for name in names).encode()).hexdigest()
