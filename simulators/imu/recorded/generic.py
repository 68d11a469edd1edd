"""Tables and segment files: recordings that a small description, or the file itself, explains.

A table is a CSV file, or an .npz file with an array for each column. Its description is `NAME.toml` or `NAME.json`
beside it, or `imu.toml` or `imu.json` in its folder; a folder with one of the latter is all its CSV files. It says:

- `rate_hz`, `placement`, and where they are known `side`, `subject` (a number) or `subject_column` (rows of one subject
  in a row are a recording) or `subject_pattern` (its first group, in the file's name), `time = {column, unit}`;
- `label`, one for all, or `label_column`; `labels`, theirs to ours; without any of them there is no label;
- `[channels]`: column = "accelerometer x g", in the order of the channels wanted, or a table of `quantity`, `axis`,
  `unit` and, where they differ from the file's or from 0, `placement`, `side`, `sensor`, and in that unit `lsb` (the
  converter's step) and `range`. `range = 8` says that readings go from -8 to a step below 8: those at either end are
  clipped, and one more than a step beyond them is refused. Where there is no `lsb`, the step is what all values of a
  sensor are multiples of, so that rounded ones need it. Without `range` none is clipped.

Units: m/s^2, g, mg of accelerometers; rad/s, deg/s of gyroscopes; uT of magnetometers; 1 of what is left, which is in
the schema's unit. Each device has an axis of a quantity once: two of them differ in `sensor`. An empty cell is a
missing sample. A subject that is no whole number is numbered by its place among those of the file. Unknown keys are
refused.

A segment file is an .npz with `x_int16` (n, channels), `scale` and `channels` (channels), and of each segment `start`,
`length`, `subject`, `activity`, `placement` and `rate_hz`: each is a recording, its counts kept; the set has the median
of the rates. `range` (channels), of the unit of `x_int16 * scale`, NaN where not known, is as that of a table, its step
what all counts of a channel are multiples of.
"""

import csv
import json
import math
import re
import tomllib
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from scenarios.catalogue import did_you_mean, nearest
from scenarios.errors import InputError
from simulators.imu.recorded.common import Channel, Recording, step_of
from simulators.imu.spec import QUANTITIES
from simulators.sensor import STANDARD_GRAVITY

UNITS = {
    "m/s^2": 1.0, "g": STANDARD_GRAVITY, "mg": 1e-3 * STANDARD_GRAVITY, "rad/s": 1.0, "deg/s": float(np.pi / 180),
    "uT": 1.0, "1": 1.0,
}  # fmt: skip
UNITS_OF = {
    "accelerometer": ("m/s^2", "g", "mg"), "body_acceleration": ("m/s^2", "g", "mg"), "gyroscope": ("rad/s", "deg/s"),
    "magnetometer": ("uT",),
}  # fmt: skip
"""Of other quantities 1."""
TIME_UNITS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
QUANTITIES_OF_SEGMENTS = {"acc": "accelerometer", "gyr": "gyroscope", "mag": "magnetometer"}
KEYS = (
    "rate_hz", "placement", "side", "subject", "subject_column", "subject_pattern", "time", "label", "label_column",
    "labels", "channels",
)  # fmt: skip
CHANNEL_KEYS = ("quantity", "axis", "unit", "placement", "side", "sensor", "lsb", "range")
WORDS = ("placement", "side", "subject_column", "label", "label_column", "quantity", "axis", "unit")
NEEDED = ("rate_hz", "placement", "channels")
MOST_RATE_HZ = 1e6
MOST_NUMBER = 2**31 - 1
SEGMENT_KEYS = ("start", "length", "subject", "activity", "placement", "rate_hz")
"""One for each segment."""
Reader = Callable[[], Recording]
Columns = Mapping[str, Any]
"""Column to its cells (n,), words or numbers."""


def is_segments(path: Path) -> bool:
    """Whether a path is an .npz file that no description explains."""
    return path.suffix == ".npz" and not description_of(path)


def is_table(path: Path) -> bool:
    """Whether a path is a CSV file, an .npz file with a description, or a folder of CSV files with one."""
    return path.suffix == ".csv" or ((path.suffix == ".npz" or path.is_dir()) and bool(description_of(path)))


def segments(path: Path) -> list[Reader]:
    """A reader for each segment of an .npz file. Raises InputError for another kind of file."""
    held = _held(path)
    for name in ("x_int16", "scale", "channels", *SEGMENT_KEYS):
        if name not in held:
            raise InputError(f"recordings '{path}' must be an .npz file of segments; it lacks '{name}'")
    x, scale, names = held["x_int16"], held["scale"], [str(c) for c in held["channels"].ravel()]
    count = held["start"].size
    ranges = held.get("range", np.zeros(len(names)))
    if ranges.dtype.kind == "f":
        ranges = np.where(np.isnan(ranges), 0.0, ranges)
    _check_segments(path, held, ranges, len(names), count)
    steps = [step_of(np.unique(x[:, c]) * float(scale[c])) if ranges[c] else 0.0 for c in range(len(names))]
    kinds = [QUANTITIES_OF_SEGMENTS.get(name.partition("_")[0]) for name in names]
    if None in kinds:
        raise InputError(f"channels of '{path}' must be of acc, gyr and mag; one is '{names[kinds.index(None)]}'")
    nominal = float(f"{float(np.median(held['rate_hz'])):.4g}")  # one group serves the set; times tell each one's own
    people = {str(s): i for i, s in enumerate(dict.fromkeys(held["subject"].tolist()))}

    def read(i: int) -> Recording:
        first, length = int(held["start"][i]), int(held["length"][i])
        return Recording(
            name=f"{path.name}#{i}",
            channels=tuple(
                Channel(
                    quantity=str(kind),
                    axis=name[-1],
                    placement=str(held["placement"][i]),
                    lsb=float(s),
                    range=float(r),
                    step=step,
                    column=name,
                )
                for kind, name, s, r, step in zip(kinds, names, scale, ranges, steps, strict=True)
            ),
            signals=x[first : first + length].T * scale[:, None].astype(float),
            rate_hz=nominal,
            times_ns=np.rint(np.arange(length) * (1e9 / float(held["rate_hz"][i]))).astype(np.int64),
            labels=(str(held["activity"][i]),) * length,
            subject=people[str(held["subject"][i])],
        )

    return [partial(read, i) for i in range(count) if int(held["length"][i]) >= 2]


def _check_segments(path: Path, held: Columns, ranges: np.ndarray, channels: int, count: int) -> None:
    """Refuse a segment file whose arrays do not go together. Raises InputError."""
    x, scale, start, length, rate = (held[name] for name in ("x_int16", "scale", "start", "length", "rate_hz"))
    shapes = {"scale": scale.shape, "channels": held["channels"].shape, "range": ranges.shape}
    shapes = {name: (shape, (channels,)) for name, shape in shapes.items()}
    shapes |= {name: (held[name].shape, (count,)) for name in SEGMENT_KEYS}
    for name, (shape, due) in {**shapes, "x_int16": (x.shape, (len(x) if x.ndim else 0, channels))}.items():
        if shape != due:
            raise InputError(f"'{name}' of '{path}' must have the shape {due}; it has {shape}")
    rules = {
        "x_int16": (x.dtype == np.int16, "int16"),
        "scale": (scale.dtype.kind == "f" and bool((np.isfinite(scale) & (scale > 0)).all()), "numbers above 0"),
        "range": (ranges.dtype.kind in "iuf" and bool((np.isfinite(ranges) & (ranges >= 0)).all()), "NaN or above 0"),
        "rate_hz": (rate.dtype.kind in "iuf" and bool(((rate > 0) & (rate < MOST_RATE_HZ)).all()),
                    f"above 0 and below {MOST_RATE_HZ:g}"),
        "start and length": (
            start.dtype.kind in "iu" and length.dtype.kind in "iu" and bool((start >= 0).all())
            and bool((length >= 0).all()) and bool((start + length <= len(x)).all()), f"within its {len(x)} samples",
        ),
    }  # fmt: skip
    for name, (right, rule) in rules.items():
        if not right:
            raise InputError(f"'{name}' of '{path}' must be {rule}; not all of it is")


def table(path: Path) -> list[Reader]:
    """A reader for each recording of a table with its description. Raises InputError where that is missing or wrong."""
    found = description_of(path)
    if found is None:
        raise InputError(
            f"recording '{path}' must have a description, {path.with_suffix('.toml').name} or imu.toml; there is none"
        )
    told = described(found)
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    return [reader for file in files for reader in _readers(file, told)]


def description_of(path: Path) -> Path | None:
    """The description beside a file, or in a folder."""
    folder = path if path.is_dir() else path.parent
    own = [] if path.is_dir() else [path.with_suffix(".toml"), path.with_suffix(".json")]
    return next((p for p in (*own, folder / "imu.toml", folder / "imu.json") if p.is_file()), None)


def described(path: Path) -> dict[str, Any]:
    """A description, held against its rules. Raises InputError."""
    try:
        text = path.read_text(encoding="utf-8")
        told = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(f"description '{path}' must be {path.suffix[1:].upper()}; {error}") from error
    if not isinstance(told, dict):
        raise InputError(f"description '{path}' must be keys and what they are; it is a {type(told).__name__}")
    for name in told:
        if name not in KEYS:
            raise InputError(f"description '{path}' must not say '{name}'{did_you_mean(name, KEYS)}")
    for name in NEEDED:
        if name not in told:
            raise InputError(f"description '{path}' must say '{name}'; it does not")
    if not _is_number(told["rate_hz"], MOST_RATE_HZ):
        raise InputError(
            f"rate_hz of description '{path}' must be a number above 0 and below {MOST_RATE_HZ:g}; it is "
            f"{told['rate_hz']!r}"
        )
    _check_words(f"description '{path}'", told)
    if not _is_whole(told.get("subject", 0)):
        raise InputError(f"subject of description '{path}' must be a whole number; it is {told['subject']!r}")
    ours = told.get("labels", {})
    if not isinstance(ours, dict) or not all(isinstance(label, str) for label in ours.values()):
        raise InputError(f"labels of description '{path}' must be words to words of ours; they are {ours!r}")
    time = told.get("time", {"column": ""})
    if not isinstance(time, dict) or not {"column"} <= set(time) <= {"column", "unit"}:
        raise InputError(f"time of description '{path}' must be a column and perhaps its unit; it is {time!r}")
    if not isinstance(time["column"], str):
        raise InputError(f"the column of time of '{path}' must be a word; it is {time['column']!r}")
    if (unit := time.get("unit", "s")) not in list(TIME_UNITS):
        raise InputError(f"the unit of time of '{path}' must be one of {', '.join(TIME_UNITS)}; it is '{unit}'")
    if not isinstance(told["channels"], dict) or not told["channels"]:
        raise InputError(f"channels of description '{path}' must be columns and what they are; it is "
                         f"{told['channels']!r}")  # fmt: skip
    return dict(told)


def _check_words(what: str, told: Mapping[str, Any]) -> None:
    for name in WORDS:
        if not isinstance(told.get(name, ""), str):
            raise InputError(f"{name} of {what} must be a word; it is {told[name]!r}")


def _is_number(told: object, most: float = math.inf) -> bool:
    """Whether what was told is a number above 0 and below `most`."""
    return isinstance(told, int | float) and not isinstance(told, bool) and 0 < told < most


def _is_whole(told: object) -> bool:
    return isinstance(told, int) and not isinstance(told, bool) and 0 <= told <= MOST_NUMBER


def _readers(path: Path, told: dict[str, Any]) -> list[Reader]:
    """One for the file, or where a column tells the subject, one for each run of equal ones."""
    if "subject_column" not in told:
        return [partial(_read, path, told, None)]
    subjects = [str(cell) for cell in _columns(path, told)[told["subject_column"]]]
    starts = [i for i, own in enumerate(subjects) if not i or own != subjects[i - 1]]
    numbers = {own: i for i, own in enumerate(dict.fromkeys(subjects))}
    runs = zip(starts, [*starts[1:], len(subjects)], strict=True)
    return [partial(_read, path, told, (a, b, _whole(subjects[a], numbers[subjects[a]]))) for a, b in runs]


def _whole(told: str, otherwise: int) -> int:
    return int(told) if told.strip().isdecimal() and int(told) <= MOST_NUMBER else otherwise


def _read(path: Path, told: dict[str, Any], run: tuple[int, int, int] | None) -> Recording:
    """The recording of a file, or of its rows `run` (first, end, subject)."""
    columns = _columns(path, told)
    subject = _subject(path, told)
    if run is not None:
        columns = {name: cells[run[0] : run[1]] for name, cells in columns.items()}
        subject = run[2]
    found = [_channel(path, told, name) for name in told["channels"]]
    channels, factors = tuple(channel for channel, _ in found), [factor for _, factor in found]
    taken: dict[tuple[int, str, str], str] = {}
    for c in channels:
        if (other := taken.setdefault((c.sensor, c.quantity, c.axis), c.column)) != c.column:
            raise InputError(
                f"channels of '{path}' must differ in sensor, quantity or axis; '{other}' and '{c.column}' are both "
                f"{c.quantity} {c.axis} of sensor {c.sensor}"
            )
    signals = np.array([_numbers(columns[name], path) for name in told["channels"]])
    return Recording(
        name=path.name if run is None else f"{path.name}#{run[0]}",
        channels=channels,
        signals=signals * np.array(factors)[:, None],
        rate_hz=float(told["rate_hz"]),
        labels=_labels(columns, told, signals.shape[1]),
        subject=subject,
        times_ns=_times(columns, told, path),
    )


def _columns(path: Path, told: dict[str, Any]) -> Columns:
    """The columns of a file that a description names. Raises InputError for one that is not there."""
    wanted = [*told["channels"], *(told[key] for key in ("label_column", "subject_column") if key in told)]
    wanted += [told["time"]["column"]] if "time" in told else []
    columns = _arrays(path) if path.suffix == ".npz" else _cells(path)
    for name in wanted:
        if name not in columns:
            raise InputError(f"recording '{path}' must have a column '{name}'{did_you_mean(name, list(columns))}")
    if len({len(columns[name]) for name in wanted}) > 1:
        raise InputError(f"columns of recording '{path}' must have equal lengths; they have not")
    if not len(columns[wanted[0]]):
        raise InputError(f"recording '{path}' must have a row for each sample; it has none below the columns' names")
    return {name: columns[name] for name in wanted}


def _cells(path: Path) -> Columns:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            head, *rows = [row for row in csv.reader(file) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"recording '{path}' must be a text file of short cells; {error}") from error
    head = [name.strip() for name in head]
    if len(set(head)) < len(head):
        twice = next(name for name in head if head.count(name) > 1)
        raise InputError(f"recording '{path}' must name each column once; '{twice}' is there {head.count(twice)} times")
    for row in rows:
        if len(row) != len(head):
            raise InputError(f"recording '{path}' must have {len(head)} cells in every row; one has {len(row)}")
    return {name: list(cells) for name, *cells in zip(head, *rows, strict=True)}


def _arrays(path: Path) -> Columns:
    return {name: array for name, array in _held(path).items() if array.ndim == 1}


def _held(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file. Raises InputError for another kind of file."""
    try:
        # opened here: numpy leaves a file that is no zip file open
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, EOFError, NotImplementedError, BadZipFile, zlib.error) as error:
        raise InputError(f"recording '{path}' must be an .npz file of plain arrays; {error}") from error


def _channel(path: Path, told: dict[str, Any], column: str) -> tuple[Channel, float]:
    """A channel, and SI in one unit of its column."""
    meaning = told["channels"][column]
    own = dict(meaning) if isinstance(meaning, dict) else dict(zip(CHANNEL_KEYS, str(meaning).split(), strict=False))
    for name in own:
        if name not in CHANNEL_KEYS:
            raise InputError(f"channel '{column}' of '{path}' must not say '{name}'{did_you_mean(name, CHANNEL_KEYS)}")
    _check_words(f"channel '{column}' of '{path}'", own)
    short = not isinstance(meaning, dict) and len(str(meaning).split()) != 3
    if short or not {"quantity", "axis", "unit"} <= set(own) or own["unit"] not in UNITS:
        raise InputError(
            f"channel '{column}' of '{path}' must read 'quantity axis unit', unit one of {', '.join(UNITS)}; it is "
            f"'{meaning}'"
        )
    if own["quantity"] not in QUANTITIES:
        raise InputError(
            f"quantity of channel '{column}' of '{path}' must be one of {', '.join(QUANTITIES)}; it is "
            f"'{own['quantity']}'{nearest(own['quantity'], QUANTITIES)}"
        )
    if own["unit"] not in (suited := UNITS_OF.get(own["quantity"], ("1",))):
        raise InputError(
            f"the unit of channel '{column}' of '{path}', {own['quantity']}, must be one of {', '.join(suited)}; it is "
            f"'{own['unit']}'"
        )
    for name in ("lsb", "range"):
        if name in own and not _is_number(own[name]):
            raise InputError(f"{name} of channel '{column}' of '{path}' must be a number above 0; it is {own[name]!r}")
    if not _is_whole(own.get("sensor", 0)):
        raise InputError(f"sensor of channel '{column}' of '{path}' must be a whole number; it is {own['sensor']!r}")
    factor = UNITS[own["unit"]]
    return Channel(
        quantity=own["quantity"],
        axis=own["axis"],
        placement=own.get("placement", told["placement"]),
        side=own.get("side", told.get("side", "unknown")),
        sensor=int(own.get("sensor", 0)),
        lsb=factor * float(own.get("lsb", 0.0)),
        range=factor * float(own.get("range", 0.0)),
        column=column,
    ), factor


def _subject(path: Path, told: dict[str, Any]) -> int:
    if "subject_pattern" not in told:
        return int(told.get("subject", 0))
    try:
        match = re.search(told["subject_pattern"], path.name)
        return _whole_or_refused(match[1] if match else "")
    except (re.error, IndexError, ValueError, TypeError) as error:
        raise InputError(
            f"subject_pattern must find a number in the name of '{path}'; '{told['subject_pattern']}' does not"
        ) from error


def _whole_or_refused(told: str) -> int:
    """A number of the schema. Raises ValueError."""
    number = int(told)
    if not _is_whole(number):
        raise ValueError(f"{number} is not from 0 to {MOST_NUMBER}")
    return number


def _labels(columns: Columns, told: dict[str, Any], samples: int) -> np.ndarray:
    ours = told.get("labels", {})
    if "label_column" not in told:
        label = told.get("label", "unlabelled")
        return np.full(samples, ours.get(label, label))
    return np.array([ours.get(str(cell), str(cell)) for cell in columns[told["label_column"]]])


def _times(columns: Columns, told: dict[str, Any], path: Path) -> np.ndarray | None:
    """ns from the first sample on."""
    if "time" not in told:
        return None
    times = _numbers(columns[told["time"]["column"]], path)
    if not np.isfinite(times).all():
        raise InputError(f"times of recording '{path}' must be there for each sample; some are not")
    return np.rint((times - times[:1]) * TIME_UNITS[told["time"].get("unit", "s")]).astype(np.int64)


def _numbers(cells: Any, path: Path) -> np.ndarray:
    """Cells as numbers; an empty one is NaN. Raises InputError for one that is none."""
    if isinstance(cells, np.ndarray) and cells.dtype.kind not in "iufU":
        raise InputError(f"recording '{path}' must hold numbers; a column of {cells.dtype} is none")
    try:
        return np.array([float(cell) if cell != "" else np.nan for cell in cells], float)
    except ValueError as error:
        raise InputError(f"recording '{path}' must hold numbers; {error}") from error
