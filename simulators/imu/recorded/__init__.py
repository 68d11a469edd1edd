"""Real recordings of worn sensors in the simulator's schema: official archives, tables, segment files.

A path is an archive's folder as it was unpacked, a CSV file with a description, or an .npz file of segments.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scenarios.catalogue import did_you_mean
from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators.imu.recorded import (
    dsads,
    generic,
    mhealth,
    pamap2,
    recgym,
    selfback,
    sisfall,
    smartphones,
    spsw,
    utd_mhad,
    vtt_coniot,
)
from simulators.imu.recorded.common import arrays_of
from simulators.imu.recorded.generic import Reader


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one archive lies on disk."""

    text: str
    detect: Callable[[Path], bool]
    read: Callable[[Path], list[Reader]]


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
    "segments": Layout(
        text="an .npz file of labelled segments", detect=lambda p: p.suffix == ".npz", read=generic.segments
    ),
    "table": Layout(text="a CSV file with a description", detect=lambda p: p.suffix == ".csv", read=generic.table),
}
"""Layouts by name, in the order in which they are tried."""


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
    entries = []
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"a recording must be there; '{path}' is not")
        own = _layout_of(path, layout).read(path)
        readers += own
        entries.append({"name": path.name, "sha256": _digest(path), "samples": len(own)})
    if not readers:
        raise InputError(f"recorded sets must have at least one recording; '{paths[0] if paths else ''}' holds none")
    first = Path(paths[0]).absolute()
    attrs = {
        "name": name or (first.stem if first.is_file() else first.name).replace(" ", "_"),
        "logs": entries,
        "gravity": "in the signal: at rest an accelerometer reads 9.81 m/s^2 along up",
    }
    return Source(readers=tuple(readers), attrs=attrs)


def _layout_of(path: Path, layout: str | None) -> Layout:
    if layout is not None:
        if layout not in LAYOUTS:
            raise InputError(
                f"--layout must be one of {', '.join(LAYOUTS)}; it is '{layout}'{did_you_mean(layout, LAYOUTS)}"
            )
        return LAYOUTS[layout]
    found = next((own for own in LAYOUTS.values() if own.detect(path)), None)
    if found is None:
        raise InputError(f"'{path}' must be laid out as one of {', '.join(LAYOUTS)}; it is as none of them")
    return found


def _digest(path: Path) -> str:
    """sha256 of a file, or of the names and sizes of a folder's files and what the small ones hold."""
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        total.update(f"{file.name} {file.stat().st_size}\n".encode())
        if path.is_file() or file.stat().st_size < 1 << 20:
            total.update(file.read_bytes())
    return total.hexdigest()
