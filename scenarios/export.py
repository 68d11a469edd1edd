"""A set in other formats: Parquet tables or one HDF5 (netCDF-4) file. Both need the extra `export`."""

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


def export(path: Path, form: str, out: Path, progress: Progress | None = None) -> list[Path]:
    """Write the set at `path` as `form` ("parquet": a folder of files; "hdf5": one file); the paths written.

    Raises InputError if the format is unknown, its package is absent, or `out` exists.
    """
    forms = {"parquet": _parquet, "hdf5": _hdf5}
    if form not in forms:
        raise InputError(f"format must be parquet or hdf5; it is '{form}'")
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
