"""A set in other formats: Parquet tables or one HDF5 (netCDF-4) file, with the extra `export`; a hand's as one npz."""

import json
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.errors import InputError
from scenarios.layout import folder
from scenarios.schema import Arrays, Var, rate_group
from scenarios.store import Reader

Progress = Callable[[str, int, int], None]
MAGNETOMETER, PARTIAL_OR_FLEXED = 2, 2
"""Codes of the hand's schema: a quantity, and the last state of a finger that is held."""


def export(path: Path, form: str, out: Path, progress: Progress | None = None) -> list[Path]:
    """Write the set at `path` as `form` ("parquet": a folder of files; "hdf5", "npz": one file); the paths written.

    Raises InputError if the format is unknown, its package is absent, or `out` exists.
    """
    forms = {"parquet": _parquet, "hdf5": _hdf5, "npz": _npz}
    if form not in forms:
        raise InputError(f"format must be parquet, hdf5 or npz; it is '{form}'")
    if out.exists():
        raise InputError(f"export must go to a path that is not there yet; '{out}' is")
    reader = Reader(Path(path))
    reader.manifest  # noqa: B018  # refuses a folder that is no set before anything is written
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        written = forms[form](reader, part, progress)
    except ImportError as error:
        raise InputError(f"export to {form} must have '{error.name}' installed; it is absent: "
                         f"pip install 'provingground[export]'") from error  # fmt: skip
    except BaseException as error:
        if part.is_dir():
            shutil.rmtree(part)
        elif part.exists():
            part.unlink()
        if isinstance(error, OSError | ValueError) and not isinstance(error, InputError):
            text = " ".join(str(error).split())
            raise InputError(f"set '{path}' must be whole and '{out}' writable to be exported; {text}") from error
        raise
    part.rename(out)
    return [out / p.relative_to(part) for p in written]


def _hdf5(reader: Reader, out: Path, progress: Progress | None) -> list[Path]:
    """One netCDF-4 file with the set's groups; array by array, lists among the attributes as JSON."""
    import xarray

    for package in ("h5py", "h5netcdf"):
        import_module(package)  # to name the one that is absent
    tree = xarray.open_datatree(reader.path, engine="zarr", chunks=None, mask_and_scale=False)
    for node in tree.subtree:
        owners: list[Any] = [node, *node.variables.values()]
        for owner in owners:
            owner.attrs.update({k: _plain(v) for k, v in owner.attrs.items()})
    if progress:
        progress("hdf5", 0, 1)
    out.unlink(missing_ok=True)
    packed = {"zlib": True, "complevel": 1}
    tree.to_netcdf(
        out,
        engine="h5netcdf",
        encoding={n.path: {v: packed for v, array in n.data_vars.items() if array.ndim} for n in tree.subtree},
    )
    return [out]


def _npz(reader: Reader, out: Path, progress: Progress | None) -> list[Path]:
    """The readings of a hand set that have a combo, as flat arrays.

    fields (n, 3 magnetometers) float32 uT, states (n, 5) int8, thumb to little: 0 extended, 1 flexed, 2 partial; codes
    (n,) int64: the states as binary digits, thumb first, -1 where one is partial; split (n,) int8: number of the split
    in the names `splits`; recording (n,) int32.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("fields", "states", "codes", "split", "recording")}
    for number, (split, count) in enumerate(reader.layout.header.splits.items()):
        for done, (index, arrays) in enumerate(reader.iterate(split)):
            if progress:
                progress(f"npz {split}", done, count)
            group = next((n.split("/")[1] for n in arrays if n.endswith("/quantity")), "")
            if f"truth/{group}/state" not in arrays:
                raise InputError(f"export to npz must be of a hand set; '{reader.path}' has no states of fingers")
            base, told = f"inputs/{group}", arrays[f"truth/{group}/state"]
            rows = arrays[f"{base}/quantity"] == MAGNETOMETER
            held = (told <= PARTIAL_OR_FLEXED).all(0)
            states = np.array([0, 2, 1], np.int8)[told[:, held].T]
            found = arrays[f"{base}/counts"][rows][:, held].T * arrays[f"{base}/lsb"][rows]
            parts["fields"].append(found.astype(np.float32))
            parts["states"].append(states)
            parts["codes"].append(np.where((states < 2).all(1), states @ (1 << np.arange(4, -1, -1)), -1))
            parts["split"].append(np.full(len(states), number, np.int8))
            parts["recording"].append(np.full(len(states), index, np.int32))
    with out.open("wb") as file:
        names = np.array(list(reader.layout.header.splits))
        np.savez(file, splits=names, **{name: np.concatenate(part) for name, part in parts.items()})  # type: ignore[arg-type]
    return [out]


def _plain(value: Any) -> Any:
    """An attribute that HDF5 can hold."""
    if isinstance(value, list) and all(type(x) is int for x in value):
        return np.asarray(value, np.int32)
    return value if isinstance(value, str | int | float) else json.dumps(value)


def _parquet(reader: Reader, out: Path, progress: Progress | None) -> list[Path]:
    """`<split>/<group>.parquet` with one row a channel (time axes as lists), `<split>/truth/<table>.parquet` with one
    row a table row; every row names its recording."""
    import pyarrow
    from pyarrow import parquet

    writers: dict[Path, Any] = {}
    variables = reader.layout.header.variables
    for split, count in reader.layout.header.splits.items():
        for done, (index, arrays) in enumerate(reader.iterate(split)):
            if progress:
                progress(f"parquet {split}", done, count)
            for name, columns in _tables(variables).items():
                path = out / split / f"{name}.parquet"
                table = pyarrow.table(_rows(index, arrays, columns))
                if path not in writers:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    writers[path] = parquet.ParquetWriter(path, table.schema, compression="zstd")
                writers[path].write_table(table)
    for writer in writers.values():
        writer.close()
    return list(writers)


def _tables(variables: tuple[Var, ...]) -> dict[str, list[Var]]:
    """The variables of each file: those of one group that have the same first dimension."""
    found: dict[str, list[Var]] = {}
    for var in variables:
        if var.table:
            name = f"{folder(var.name)}/{var.table}"
        elif rate_group(var.name):
            name = folder(var.name)
        else:
            name = f"{folder(var.name)}/{var.dims[0] if var.dims else 'recording'}"
        found.setdefault(name, []).append(var)
    return found


def _rows(index: int, arrays: Arrays, columns: list[Var]) -> dict[str, Any]:
    """Columns for pyarrow; arrays of more than one dimension become lists."""
    import pyarrow

    first = arrays[columns[0].name]
    rows: dict[str, Any] = {"recording": np.full(len(first) if first.ndim else 1, index, np.int32)}
    for var in columns:
        array = arrays[var.name]
        name = var.name.rpartition("/")[2]
        if array.ndim <= 1:
            rows[name] = pyarrow.array(array.reshape(-1))
        else:
            rows[name] = _lists(array)
    return rows


def _lists(array: np.ndarray) -> Any:
    """An array of shape (n, ...) as n nested lists."""
    import pyarrow

    values = pyarrow.array(np.ascontiguousarray(array).reshape(-1))
    for size, outer in zip(array.shape[:0:-1], np.cumprod(array.shape)[-2::-1], strict=True):
        values = pyarrow.ListArray.from_arrays(np.arange(outer + 1, dtype=np.int32) * np.int32(size), values)
    return values
