"""The arrays of a set that have no time axis: staged by block, then laid end to end when the set is published.

One chunk of each array is in memory at a time, so a set may have any number of recordings.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from scenarios.layout import LEAST_CHUNK_BYTES, Layout
from scenarios.schema import Var
from scenarios.shards import encode_chunk
from scenarios.staging import Entry, Stage, write_atomic

Spec = tuple[str, tuple[int, ...], str, tuple[str, ...], dict[str, Any]]


def totals_of(layout: Layout, receipts: list[dict[str, Any]]) -> dict[str, int]:
    """Rows of every ragged table in a split, from its receipts."""
    return {table: sum(sum(r["rows"][table]) for r in receipts) for table in layout.columns}


def small_chunk(shape: tuple[int, ...], dtype: str) -> tuple[int, ...]:
    """Chunk of an array without shards: whole rows, about 256 kB."""
    row = max(1, int(np.prod(shape[1:]))) * np.dtype(dtype).itemsize
    return (max(1, min(shape[0], LEAST_CHUNK_BYTES // row)), *(max(1, n) for n in shape[1:]))


def small_specs(layout: Layout, split: str, totals: Mapping[str, int]) -> Iterator[Spec]:
    """Name, shape, type, dimensions and attributes of every array of a split that has no shards."""
    count = layout.header.splits[split]
    text = {"long_name": "index of the recording in its split", "units": "1"}
    yield "recording", (count,), "int64", ("recording",), text
    for path, _, samples in layout.rates.values():
        text = {"long_name": "nominal time after the recording's first sample", "units": "s"}
        yield path, (samples,), "float64", ("time",), text
    for (_, dim), path in layout.sizes.items():
        text = {"long_name": f"size of this recording along {dim}; what lies beyond is padding", "units": "1"}
        yield path, (count,), "int32", ("recording",), text
    for var in layout.rows:
        yield var.name, (count, *layout.shape(var)), var.dtype, ("recording", *layout.dims(var)), attributes(var)
    for table, columns in layout.columns.items():
        text = {"long_name": f"row of table {table} at which each recording starts, and the end", "units": "1"}
        yield layout.offset_path(table), (count + 1,), "int64", ("recording_edge",), text
        for var in columns:
            yield var.name, (totals[table], *layout.shape(var)), var.dtype, layout.dims(var), attributes(var)


def attributes(var: Var) -> dict[str, Any]:
    """CF attributes of a variable."""
    found: dict[str, Any] = {"units": var.units, "long_name": var.meaning}
    if var.flag_meanings:
        found |= {"flag_values": list(range(len(var.flag_meanings))), "flag_meanings": " ".join(var.flag_meanings)}
    return found


def small_arrays(
    stage: Stage, split: str, receipts: list[dict[str, Any]], progress: Callable[[str, int, int], None] | None
) -> dict[str, Entry]:
    """Concatenate what was staged by block, one chunk of each array in memory; the files written."""
    layout, header = stage.layout, stage.header
    specs = {n: (shape, dtype) for n, shape, dtype, *_ in small_specs(layout, split, totals_of(layout, receipts))}
    writers = {name: Chunks(stage, f"{split}/{name}", shape, dtype) for name, (shape, dtype) in specs.items()}
    first = header.first.get(split, 0)
    writers["recording"].add(np.arange(first, first + header.splits[split], dtype="i8"))
    for path, rate, samples in layout.rates.values():
        writers[path].add(np.arange(samples) / rate)
    ends = dict.fromkeys(layout.columns, 0)
    for table in ends:
        writers[layout.offset_path(table)].add(np.zeros(1, "i8"))
    for done, found in enumerate(receipts):
        if progress:
            progress(f"publish {split}", done, len(receipts))
        for table, counts in found["rows"].items():
            steps = ends[table] + np.cumsum(np.asarray(counts, "i8"))
            ends[table] = int(steps[-1])
            writers[layout.offset_path(table)].add(steps)
        with np.load(stage.path / "small" / f"{split}-{found['block']}.npz") as blocks:
            for name in blocks.files:
                writers[name].add(blocks[name])
    return {file: entry for writer in writers.values() for file, entry in writer.close().items()}


class Chunks:
    """An array without shards that is appended to along its first axis; full chunks go to disk at once."""

    def __init__(self, stage: Stage, name: str, shape: tuple[int, ...], dtype: str) -> None:
        """Start an empty array of that final shape."""
        self.stage, self.name = stage, name
        self.buffer = np.zeros(small_chunk(shape, dtype), np.dtype(dtype).newbyteorder("<"))
        self.filled = self.number = 0
        self.files: dict[str, Entry] = {}

    def add(self, rows: np.ndarray) -> None:
        """Append rows."""
        while len(rows):
            taken = rows[: len(self.buffer) - self.filled]
            self.buffer[self.filled : self.filled + len(taken), ...] = taken
            self.filled += len(taken)
            rows = rows[len(taken) :]
            if self.filled == len(self.buffer):
                self._flush()

    def close(self) -> dict[str, Entry]:
        """Write the last chunk, padded with fill; all files written."""
        if self.filled:
            self.buffer[self.filled :] = 0
            self._flush()
        return self.files

    def _flush(self) -> None:
        if data := encode_chunk(self.buffer):
            name = "/".join([self.name, "c", str(self.number), *("0" for _ in self.buffer.shape[1:])])
            self.files[name] = write_atomic(self.stage.path, self.stage.path / "set" / name, [data])
        self.number += 1
        self.filled = 0
