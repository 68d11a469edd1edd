"""What the readers of archives share: tables of numbers, with or without a header, labels, and steady clocks.

Every refusal is one line that names the file. A missing number is NaN: the word itself, or an empty cell.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.errors import InputError
from simulators.imu.recorded.common import Channel

Cells = dict[str, list[str]]
"""Column to what stands in it."""
MOST = 1e30
"""No cell is greater."""
PAUSE_S = 0.5
"""Two stamps so far apart are a pause of the logger, and say nothing of its rate."""


def triads(
    sensor: int,
    placement: str,
    side: str,
    *quantities: str,
    lsb: Sequence[float] = (),
    ranges: Sequence[float] = (),
    steps: Sequence[float] = (),
) -> tuple[Channel, ...]:
    """The x, y and z of some quantities of one device; `lsb`, `ranges`, `steps`: one for each quantity, in SI."""
    unknown = (0.0,) * len(quantities)
    told = zip(quantities, lsb or unknown, ranges or unknown, steps or unknown, strict=True)
    return tuple(
        Channel(
            quantity=quantity, axis=axis, placement=placement, side=side, sensor=sensor, lsb=count, range=most,
            step=step,
        )
        for quantity, count, most, step in told
        for axis in "xyz"
    )  # fmt: skip


def numbers(path: Path, columns: int, delimiter: str | None = None) -> np.ndarray:
    """A table without a header, (columns, samples). A `;` may end a row. Raises InputError for another shape."""
    lines = [line for line in (row.strip().removesuffix(";") for row in _text(path).splitlines()) if line]
    found = {len(line.split(delimiter)) for line in lines} or {0}
    if found != {columns}:
        came = " and ".join(map(str, sorted(found)[:2]))
        raise InputError(f"recording '{path}' must have {columns} columns in every row; there are rows of {came}")
    try:
        table = np.loadtxt(lines, delimiter=delimiter, ndmin=2).T
    except ValueError as error:
        raise InputError(f"recording '{path}' must hold numbers only; {_reason(error)}") from error
    return _finite(path, table)


def cells(path: Path, names: Sequence[str]) -> Cells:
    """Columns of a CSV file by their names. Raises InputError for a column that is absent and for uneven rows."""
    lines = _text(path).splitlines()
    return split(path, lines[0] if lines else "", lines[1:], names)


def split(path: Path, head: str, lines: Iterable[str], names: Sequence[str]) -> Cells:
    """Columns `names` of the rows below a header. Raises InputError as `cells` does."""
    header = header_of(path, head, names)
    rows = [row for row in csv.reader(lines) if row]
    uneven = next((row for row in rows if len(row) != len(header)), None)
    if uneven is not None or not rows:
        came = "there is no row" if uneven is None else f"there is a row of {len(uneven)}"
        raise InputError(f"recording '{path}' must have {len(header)} columns in every row; {came}")
    places = [header.index(name) for name in names]
    return {name: [row[place] for row in rows] for name, place in zip(names, places, strict=True)}


def header_of(path: Path, head: str, names: Sequence[str]) -> list[str]:
    """The columns that a header names. Raises InputError where one of `names` is missing."""
    header = [name.strip() for name in head.split(",")]
    for name in names:
        if name not in header:
            raise InputError(f"recording '{path}' must have the column '{name}'; it has {len(header)} without it")
    return header


def floats(path: Path, table: Cells, names: Sequence[str]) -> np.ndarray:
    """Columns as numbers, (names, samples). Raises InputError for a cell that is none."""
    try:
        found = np.array([[float(cell or "nan") for cell in table[name]] for name in names])
    except ValueError as error:
        raise InputError(f"recording '{path}' must hold numbers in its channels; {_reason(error)}") from error
    return _finite(path, found)


def whole(path: Path, values: np.ndarray) -> np.ndarray:
    """Numbers (any shape) as int64. Raises InputError where one is none of 0, 1, 2 and on."""
    right = np.isfinite(values) & (values == np.rint(values)) & (values >= 0) & (values < 2**31)
    if not right.all():
        raise InputError(f"'{path}' must hold whole numbers from 0 on; one is {values[~right][0]:g}")
    return values.astype(np.int64)


def _finite(path: Path, table: np.ndarray) -> np.ndarray:
    if (np.abs(table) > MOST).any():
        raise InputError(f"recording '{path}' must hold finite numbers, or NaN; one is {np.nanmax(np.abs(table)):g}")
    return table


def label_of(path: Path, told: object, table: Mapping[Any, str]) -> str:
    """Our label for an archive's. Raises InputError for one that the archive does not know."""
    if told not in table:
        known = ", ".join(str(key) for key in table)
        raise InputError(f"a label of recording '{path}' must be one of {known}; it is '{told}'")
    return table[told]


def labels_of(path: Path, told: np.ndarray, table: Mapping[int, str]) -> np.ndarray:
    """Our label for each whole number of an archive's (n,). Raises InputError as `label_of` does."""
    codes, place = np.unique(told, return_inverse=True)
    ours = [label_of(path, int(code) if float(code).is_integer() else code, table) for code in codes]
    return np.array(ours)[place]


def check_rate(path: Path, times_s: np.ndarray, rate_hz: float, tolerance: float = 0.05) -> None:
    """Raises InputError where times (n,), s, do not ascend or their mean rate, pauses aside, is far from `rate_hz`."""
    if times_s.size < 2 or not (np.diff(times_s) >= 0).all() or times_s[-1] <= times_s[0]:
        raise InputError(f"times of recording '{path}' must be two or more that ascend; they are not")
    steps = np.diff(times_s)
    steps = steps[steps < PAUSE_S]
    found = steps.size / max(steps.sum(), 1e-9)
    if abs(found / rate_hz - 1) > tolerance:
        raise InputError(
            f"times of recording '{path}' must be within {tolerance:.0%} of {rate_hz:g} Hz; they say {found:.4g}"
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"recording '{path}' must be a text file; {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())
