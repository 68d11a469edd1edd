"""Tables and segment files: recordings that a small description, or the file itself, explains.

A CSV file needs `NAME.toml` beside it (or `imu.toml` in its folder): `rate_hz`, `placement`, optional `side`,
`subject`, `time = {column, unit}`, `label` (one for all) or `label_column`, `labels` (theirs to ours), and
`[channels]`: column = "accelerometer x g", in the order of the columns wanted. Units: m/s^2, g, rad/s, deg/s, uT.
A segment file is an .npz with `x_int16`, `scale`, `start`, `length`, `subject`, `activity`, `placement`, `trial`,
`rate_hz` and `channels`: each segment is a recording, its counts kept; the set has the median of the rates.
"""

import csv
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.catalogue import did_you_mean
from scenarios.errors import InputError
from simulators.imu.recorded.common import Channel, Recording
from simulators.sensor import STANDARD_GRAVITY

UNITS = {"m/s^2": 1.0, "g": STANDARD_GRAVITY, "rad/s": 1.0, "deg/s": float(np.pi / 180), "uT": 1.0, "1": 1.0}
TIME_UNITS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
QUANTITIES_OF_SEGMENTS = {"acc": "accelerometer", "gyr": "gyroscope", "mag": "magnetometer"}
Reader = Callable[[], Recording]


def segments(path: Path) -> list[Reader]:
    """A reader for each segment of an .npz file. Raises InputError for another kind of file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
        x, scale, names = held["x_int16"], held["scale"], [str(c) for c in held["channels"]]
        count = len(held["start"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"recordings '{path}' must be an .npz file of segments; it lacks {error}") from error
    kinds = [QUANTITIES_OF_SEGMENTS.get(name.partition("_")[0]) for name in names]
    if None in kinds:
        raise InputError(f"channels of '{path}' must be of acc, gyr and mag; one is '{names[kinds.index(None)]}'")
    nominal = float(f"{float(np.median(held['rate_hz'])):.4g}")  # one group serves the set; times tell each one's own
    people = {str(s): i for i, s in enumerate(dict.fromkeys(held["subject"].tolist()))}

    def reader(i: int) -> Reader:
        def read() -> Recording:
            first, length = int(held["start"][i]), int(held["length"][i])
            channels = tuple(
                Channel(
                    quantity=str(kind), axis=name[-1], placement=_place(str(held["placement"][i]), path), lsb=float(s)
                )
                for kind, name, s in zip(kinds, names, scale, strict=True)
            )
            return Recording(
                name=f"{path.name}#{i}",
                channels=channels,
                signals=x[first : first + length].T * scale[:, None].astype(float),
                rate_hz=nominal,
                times_ns=np.rint(np.arange(length) * (1e9 / float(held["rate_hz"][i]))).astype(np.int64),
                labels=(str(held["activity"][i]),) * length,
                subject=people[str(held["subject"][i])],
            )

        return read

    return [reader(i) for i in range(count) if int(held["length"][i]) >= 2]


def _place(name: str, path: Path) -> str:
    from simulators.imu.labels import PLACEMENTS

    if name not in PLACEMENTS:
        raise InputError(f"a placement of '{path}' must be one of {', '.join(PLACEMENTS)}; it is '{name}'")
    return name


def table(path: Path) -> list[Reader]:
    """A reader of a CSV file with its description. Raises InputError where that is missing or wrong."""
    beside = [path.with_suffix(".toml"), path.parent / "imu.toml"]
    found = next((p for p in beside if p.is_file()), None)
    if found is None:
        raise InputError(f"recording '{path}' must have a description, {beside[0].name} or imu.toml; there is none")
    try:
        told = tomllib.loads(found.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"description '{found}' must be TOML; {error}") from error
    for name in ("rate_hz", "placement", "channels"):
        if name not in told:
            raise InputError(f"description '{found}' must say '{name}'; it does not")
    return [lambda: _read_table(path, told)]


def _read_table(path: Path, told: dict[str, Any]) -> Recording:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    heads = list(rows[0]) if rows else []
    factors, channels = [], []
    for column, meaning in told["channels"].items():
        parts = str(meaning).split()
        if len(parts) != 3 or parts[2] not in UNITS:
            raise InputError(f"channel '{column}' of '{path}' must read 'quantity axis unit', unit one of "
                             f"{', '.join(UNITS)}; it is '{meaning}'")  # fmt: skip
        channels.append(
            Channel(quantity=parts[0], axis=parts[1], placement=told["placement"], side=told.get("side", "unknown"))
        )
        factors.append(UNITS[parts[2]])
    label_column, time = told.get("label_column"), told.get("time")
    wanted = [*told["channels"], *([label_column] if label_column else []), *([time["column"]] if time else [])]
    if missing := [column for column in wanted if column not in heads]:
        raise InputError(f"recording '{path}' must have a column '{missing[0]}'{did_you_mean(missing[0], heads)}")
    values = np.array([[_number(row[c], path) for row in rows] for c in told["channels"]])
    ours = told.get("labels", {})
    labels = [
        ours.get(row[label_column], row[label_column]) if label_column else told.get("label", "unlabelled")
        for row in rows
    ]
    times = None
    if time:
        raw = np.array([_number(row[time["column"]], path) for row in rows])
        times = np.rint((raw - raw[0]) * TIME_UNITS[time.get("unit", "s")]).astype(np.int64)
    return Recording(
        name=path.name, channels=tuple(channels), signals=values * np.array(factors)[:, None],
        rate_hz=float(told["rate_hz"]), labels=tuple(labels), subject=int(told.get("subject", 0)), times_ns=times,
    )  # fmt: skip


def _number(text: str | None, path: Path) -> float:
    try:
        return float(text) if text not in (None, "") else float("nan")
    except ValueError as error:
        raise InputError(f"recording '{path}' must hold numbers; one is '{text}'") from error
