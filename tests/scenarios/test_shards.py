import warnings

import numpy as np
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.core.indexing import morton_order_iter

from scenarios.shards import ShardWriter, encode_chunk, morton


def zarr_shard(path, rows, shape, chunk, dtype, arrays):
    padded = np.zeros((rows, *shape), dtype)
    for row, array in enumerate(arrays):
        padded[(row, *map(slice, array.shape))] = array
    blosc = BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle", typesize=np.dtype(dtype).itemsize)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = zarr.create_array(
            path, shape=padded.shape, dtype=dtype, chunks=(1, *chunk), shards=(rows, *shape), fill_value=0,
            compressors=[blosc, Crc32cCodec()],
        )  # fmt: skip
    made[:] = padded
    file = path / "c" / "0" / "/".join("0" for _ in shape)
    return padded, file


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 5),
    grid=st.tuples(st.integers(1, 2), st.integers(1, 5)),
    chunk=st.tuples(st.integers(1, 3), st.integers(1, 200)),
    dtype=st.sampled_from(["bool", "int8", "uint16", "int32", "int64", "float64"]),
    seed=st.integers(0, 9),
    empty=st.floats(0, 1),
)
def test_shards_are_the_bytes_that_zarr_writes(tmp_path_factory, rows, grid, chunk, dtype, seed, empty):
    rng = np.random.default_rng(seed)
    shape = tuple(g * c for g, c in zip(grid, chunk, strict=True))
    arrays = []
    for _ in range(rows):
        size = tuple(rng.integers(0, n + 1) for n in shape) if rng.random() < 0.5 else shape
        values = rng.integers(0, 2 if dtype == "bool" else 100, size) * (rng.random(size) >= empty)
        arrays.append(values.astype(dtype))
    path = tmp_path_factory.mktemp("zarr") / "x"
    padded, file = zarr_shard(path, rows, shape, chunk, dtype, arrays)
    shard = ShardWriter(rows, shape, chunk, np.dtype(dtype))
    for row, array in enumerate(arrays):
        shard.put(row, array)
    ours = b"".join(shard.parts())
    assert ours == (file.read_bytes() if file.exists() else b"")
    if ours:
        file.write_bytes(ours)
        np.testing.assert_array_equal(zarr.open_array(path, mode="r")[:], padded)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple))
def test_morton_order_is_zarrs(grid):
    assert list(morton(grid)) == list(morton_order_iter(grid))


def test_a_chunk_of_fill_has_no_bytes_but_one_last_byte_counts():
    chunk = np.zeros(1001, np.int8)
    assert encode_chunk(chunk) is None
    chunk[-1] = 1
    assert encode_chunk(chunk) is not None
