"""Bus logs into arrays: MF4, the formats of python-can (ASC, BLF, candump, ...), and comma2k19's `.npy` files.

Whatever the format, a log becomes `Frames`: one row a data frame, in order of arrival. Remote and error frames are
left out. The readers are an extra (`pip install provingground[bus]`) and are imported when a log asks for them.
"""

import gc
import hashlib
import importlib
import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from scenarios.errors import InputError

PYTHON_CAN_SUFFIXES = (".asc", ".blf", ".csv", ".db", ".log", ".trc")
COMMA_PARTS = ("t", "address", "src", "data")
LARGEST_STANDARD_ID = 0x7FF


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The data frames of one log, in order of arrival; n frames, payloads of up to `data.shape[1]` bytes.

    `time_ns` int64 (n,) counts from the log's first frame on any bus; `address` uint32 (n,) is the identifier without
    flags, `extended` bool (n,) tells 29-bit from 11-bit ones; `length` int32 (n,) is the payload's in bytes, `data`
    uint8 (n, width) the payload, zero beyond its length; `bus` int32 (n,) the bus or channel that it was heard on.
    """

    time_ns: np.ndarray
    address: np.ndarray
    extended: np.ndarray
    length: np.ndarray
    data: np.ndarray
    bus: np.ndarray

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.time_ns)


def read_log(path: Path) -> Frames:
    """The frames of a log: `.mf4`, `.asc`, `.blf`, candump `.log` and the like, or a comma2k19 folder or file.

    Raises InputError with one line for a log that is not there, cannot be read, is of no known format or is empty,
    and when the extra `bus` is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"log '{path}' must exist; there is no such file or folder")
    folder = _comma_files(path)
    suffix = path.suffix.lower()
    try:
        if folder:
            frames = _read_comma(folder)
        elif suffix in (".mf4", ".mdf"):
            frames = _read_mf4(path)
        elif suffix in PYTHON_CAN_SUFFIXES:
            frames = _read_python_can(path)
        else:
            known = ", ".join((".mf4", *PYTHON_CAN_SUFFIXES))
            raise InputError(f"log '{path}' must be {known} or a folder with raw_can_*.npy; it is '{suffix or path}'")
    except InputError:
        raise
    except Exception as error:  # a reader of foreign files may raise anything; the user needs one line
        raise InputError(f"log '{path}' must be readable; {one_line(error)}") from error
    if not len(frames):
        raise InputError(f"log '{path}' must hold CAN data frames; it holds none")
    return frames


def log_sha256(path: Path) -> str:
    """The sha256 of a log in hex; of a comma2k19 folder that of its four files one after the other."""
    digest = hashlib.sha256()
    for part in _comma_files(Path(path)) or (Path(path),):
        with part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def log_name(path: Path) -> str:
    """What a log is called: its file, or the folder of a comma2k19 recording."""
    files = _comma_files(Path(path))
    return files[0].parent.resolve().name if files else Path(path).name


def log_folder(path: Path) -> str:
    """The name of the folder that a log lies in; of a comma2k19 recording the folder that it is."""
    files = _comma_files(Path(path))
    return (files[0] if files else Path(path)).resolve().parent.name


def one_line(error: Exception) -> str:
    """A foreign error as one printable line of at most some 120 characters."""
    text = "".join(c if c.isprintable() else "?" for c in " ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:120]}"


def need(module: str) -> ModuleType:
    """Import a module of the extra `bus`. Raises InputError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise InputError(f"bus recordings need '{module}', which is absent; pip install 'provingground[bus]'") from None


def _frames(time_s: Any, address: Any, extended: Any, length: Any, data: np.ndarray, bus: Any) -> Frames:
    """Frames from columns in any order of time; ties keep their order."""
    seconds = np.asarray(time_s, np.float64)
    if not np.isfinite(seconds).all():
        raise ValueError("a frame's time is not a number")
    order = np.argsort(seconds, kind="stable")
    seconds = seconds[order]
    ticks = np.rint((seconds - seconds[:1]) * 1e9).astype(np.int64)
    columns = (
        np.asarray(column)[order].astype(kind)
        for column, kind in ((address, np.uint32), (extended, np.bool_), (length, np.int32), (bus, np.int32))
    )
    ids, flags, lengths, buses = columns
    return Frames(time_ns=ticks, address=ids, extended=flags, length=lengths, data=data[order], bus=buses)


def _comma_files(path: Path) -> tuple[Path, ...]:
    """The four files (time, address, bus, data) of the comma2k19 recording at a path; empty if there is none."""
    folder = path if path.is_dir() else path.parent
    for pattern in ("raw_can_{}.npy", "{}"):
        files = tuple(folder / pattern.format(part) for part in COMMA_PARTS)
        if (path.is_dir() or path in files) and all(file.is_file() for file in files):
            return files
    return ()


def _read_comma(files: tuple[Path, ...]) -> Frames:
    """comma2k19 stores payloads as `|S8`: item access drops trailing zero bytes, so the bytes are viewed.

    The length of a payload is not stored: all are 8 bytes. Nor is the kind of identifier: above 0x7FF it is 29-bit.
    """
    time_s, address, bus, data = (np.load(file, allow_pickle=False) for file in files)
    if not len(time_s) == len(address) == len(bus) == len(data):
        raise ValueError(f"columns differ in length: {[len(c) for c in (time_s, address, bus, data)]}")
    payload = np.ascontiguousarray(data).view(np.uint8).reshape(len(data), data.dtype.itemsize)
    length = np.full(len(data), data.dtype.itemsize)
    return _frames(time_s, address, address > LARGEST_STANDARD_ID, length, payload, bus)


def _read_mf4(path: Path) -> Frames:
    """ASAM MDF 4 bus logging: every `CAN_DataFrame` group. asammdf finalises an unfinalised file in a copy."""
    asammdf = need("asammdf")
    with path.open("rb") as file:  # an open file, as asammdf would leave one of its own open where it fails
        start = file.read(68)
        if start[:8] not in (b"MDF     ", b"UnFinMF ") or start[8:9] != b"4" or start[64:] != b"##HD":
            raise ValueError("not an ASAM MDF 4 file")
        file.seek(0)
        try:
            return _mdf_frames(asammdf, file)
        except Exception as error:
            text = one_line(error)
            _drop_unheard(error)
        raise InputError(f"log '{path}' must be readable; {text}")


def _drop_unheard(error: BaseException) -> None:
    """Drop what a failed call left behind; asammdf's half-made file object would complain of it on stderr."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    chain: BaseException | None = error
    try:
        while chain is not None:
            traceback.clear_frames(chain.__traceback__)
            chain.__traceback__, chain = None, chain.__context__
        gc.collect()
    finally:
        sys.unraisablehook = hook


def _mdf_frames(asammdf: ModuleType, file: BinaryIO) -> Frames:
    """The frames in an open MDF 4 file."""
    with asammdf.MDF(file) as mdf:
        places = [(group, index) for group, index in mdf.channels_db.get("CAN_DataFrame", ())]
        tables = [mdf.get(group=group, index=index) for group, index in places]
        found = [(table.timestamps, table.samples) for table in tables if len(table.timestamps)]
    if not found:
        return _frames([], [], [], [], np.zeros((0, 8), np.uint8), [])

    def column(samples: np.ndarray, name: str) -> np.ndarray:
        field = f"CAN_DataFrame.{name}"
        return samples[field] if field in (samples.dtype.names or ()) else np.zeros(len(samples), np.uint8)

    width = max(samples["CAN_DataFrame.DataBytes"].shape[1] for _, samples in found)
    payloads = []
    for _, samples in found:
        data = np.asarray(samples["CAN_DataFrame.DataBytes"], np.uint8)
        lengths = column(samples, "DataLength")
        data = np.where(np.arange(data.shape[1]) < lengths[:, None], data, 0).astype(np.uint8)
        payloads.append(np.pad(data, ((0, 0), (0, width - data.shape[1]))))
    stack = {
        name: np.concatenate([column(s, name) for _, s in found]) for name in ("ID", "IDE", "DataLength", "BusChannel")
    }
    address = stack["ID"].astype(np.uint32) & np.uint32(0x1FFFFFFF)
    extended = (stack["IDE"] != 0) | (address > LARGEST_STANDARD_ID)
    time_s = np.concatenate([t for t, _ in found])
    return _frames(time_s, address, extended, stack["DataLength"], np.concatenate(payloads), stack["BusChannel"])


def _read_python_can(path: Path) -> Frames:
    """Whatever python-can's LogReader opens by its suffix."""
    with need("can").LogReader(path) as reader:
        messages = [m for m in reader if not (m.is_remote_frame or m.is_error_frame)]
    width = max((len(m.data) for m in messages), default=8)
    data = np.frombuffer(b"".join(bytes(m.data).ljust(width, b"\0") for m in messages), np.uint8)
    return _frames(
        [m.timestamp for m in messages],
        np.array([m.arbitration_id for m in messages], np.uint32),
        [m.is_extended_id for m in messages],
        [len(m.data) for m in messages],
        data.reshape(len(messages), width),
        _bus_numbers([m.channel for m in messages]),
    )


def _bus_numbers(channels: list[Any]) -> list[int]:
    """Buses as numbers: as given, or the number that a name ends with; by order of name where those clash."""
    names = sorted({str(channel) for channel in channels})
    numbers = {name: int(found[0]) if (found := re.findall(r"\d+$", name)) else 0 for name in names}
    if len(set(numbers.values())) < len(names):
        numbers = {name: number for number, name in enumerate(names)}
    return [numbers[str(channel)] for channel in channels]
