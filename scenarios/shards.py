"""Bytes of zarr v3 chunks and shards: blosc (zstd level 1, bitshuffle), then crc32c, then the sharding index.

zarr-python makes the same bytes at about half this speed (its pipeline schedules a coroutine a chunk); the tests hold
the two equal. Format: zarr v3 specification, codecs `blosc`, `crc32c` and `sharding_indexed` (index at the end).
"""

import struct
from collections.abc import Iterator
from functools import lru_cache
from itertools import product

import numpy as np
from crc32c import crc32c
from numcodecs import Blosc, blosc

MISSING = 2**64 - 1
LEVEL = 1


@lru_cache
def codec(itemsize: int) -> Blosc:
    """The compressor for items of that many bytes; one thread, since work is shared out by whole shards."""
    blosc.use_threads = False
    return Blosc(cname="zstd", clevel=LEVEL, shuffle=Blosc.BITSHUFFLE, blocksize=0, typesize=itemsize)


def encode_chunk(chunk: np.ndarray) -> bytes | None:
    """The bytes of one full chunk (C order, little endian), or None if it holds only the fill value 0."""
    if _is_fill(chunk):
        return None
    packed: bytes = codec(chunk.dtype.itemsize).encode(chunk)
    return packed + struct.pack("<I", crc32c(packed))


def _is_fill(chunk: np.ndarray) -> bool:
    """Whether every byte is 0. The first item nearly always decides."""
    flat = chunk.reshape(-1).view(np.uint8)
    if flat[: chunk.dtype.itemsize].any():
        return False
    whole = flat.size // 8 * 8
    return not (flat[:whole].view(np.uint64).any() or flat[whole:].any())


class ShardWriter:
    """One shard of `rows` recordings, filled recording by recording; it keeps only compressed bytes.

    `chunk` is the inner chunk's shape without its first axis (which is one recording), `shape` the padded shape of
    one recording: a whole number of chunks along every axis.
    """

    def __init__(self, rows: int, shape: tuple[int, ...], chunk: tuple[int, ...], dtype: np.dtype) -> None:
        """Start an empty shard; everything not put is fill."""
        self.grid = (rows, *(size // step for size, step in zip(shape, chunk, strict=True)))
        self.chunk = chunk
        self.buffer = np.zeros(chunk, dtype.newbyteorder("<"))
        self.encoded: dict[tuple[int, ...], bytes] = {}

    def put(self, row: int, array: np.ndarray) -> None:
        """Encode one recording's array, at most as large as the padded shape; the rest is fill."""
        for place in product(*map(range, self.grid[1:])):
            starts = [p * c for p, c in zip(place, self.chunk, strict=True)]
            piece = array[tuple(slice(s, s + c) for s, c in zip(starts, self.chunk, strict=True))]
            if not piece.size:
                continue
            if piece.shape != self.chunk:
                self.buffer[...] = 0
            self.buffer[tuple(map(slice, piece.shape))] = piece
            if data := encode_chunk(self.buffer):
                self.encoded[(row, *place)] = data

    def parts(self) -> list[bytes]:
        """The shard's bytes, in pieces to be written one after another; none if all of it is fill."""
        if not self.encoded:
            return []
        index = np.full((*self.grid, 2), MISSING, dtype="<u8")
        found, end = [], 0
        for place in morton(self.grid):
            if data := self.encoded.get(place):
                index[place] = end, len(data)
                end += len(data)
                found.append(data)
        table = index.tobytes()
        return [*found, table, struct.pack("<I", crc32c(table))]


def morton(grid: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The places of a grid in Morton (Z) order, first axis fastest, which is the order of chunks in a zarr shard.

    >>> list(morton((2, 2)))
    [(0, 0), (1, 0), (0, 1), (1, 1)]
    """
    bits = [(n - 1).bit_length() for n in grid]
    lanes = [(bit, axis) for bit in range(max(bits, default=0)) for axis in range(len(grid)) if bit < bits[axis]]
    for code in range(1 << sum(bits)):
        place = [0] * len(grid)
        for shift, (bit, axis) in enumerate(lanes):
            place[axis] |= (code >> shift & 1) << bit
        if all(p < n for p, n in zip(place, grid, strict=True)):
            yield tuple(place)
