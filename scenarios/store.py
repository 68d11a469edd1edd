"""Write, open, verify one versioned set. The only file that knows zarr.

    with open_stage(target, header) as stage:
        for split, block in todo(stage):
            write_block(stage.path, header, split, block, (make(split, i) for i in stage.layout.indices(split, block)))
        publish(stage)

A set is an immutable folder: zarr v3 groups `/<split>/inputs/...` and `/<split>/truth/...`, manifest.json, README.md,
croissant.json. It appears by one rename, whole, or not at all.
"""

import asyncio
import io
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scenarios import card
from scenarios.digest import file_sha256, leaf, root
from scenarios.errors import InputError
from scenarios.layout import Header, Layout, header_of, shapes_of
from scenarios.schema import Arrays, rate_group
from scenarios.shards import ShardWriter
from scenarios.small import attributes, small_arrays, small_chunk, small_specs, totals_of
from scenarios.staging import (
    Entry,
    Stage,
    clean,
    full_disk,
    litter,
    open_stage,
    receipt,
    receipt_path,
    remove,
    sync,
    sync_one,
    todo,
    write_atomic,
)

__all__ = [
    "Header", "Layout", "Reader", "Stage", "clean", "leaf", "litter", "open_stage", "publish", "published",
    "read_recording", "shapes_of", "todo", "verify", "write_block",
]  # fmt: skip

READ_TOGETHER = 64  # recordings whose small arrays are read at once
Progress = Callable[[str, int, int], None]  # what is being done, how much of it is done, of how much


# ---- writing


def write_block(stage: Path, header: Header, split: str, block: int, recordings: Iterable[Arrays]) -> dict[str, Any]:
    """Write the recordings of one block, in the order of their index, and its receipt; returns the receipt.

    Pure but for its files, which are the same bytes however often and wherever it runs; meant for worker processes.
    One recording is held at a time. Raises InputError if a recording does not fit the header or if the disk is full,
    ValueError if there are too few or too many; nothing of the block counts before its receipt is there.
    """
    layout, indices = Layout(header), list(Layout(header).indices(split, block))
    k = layout.block(split)  # also in the last block, which may hold fewer: shards have one shape
    shards = {v.name: ShardWriter(k, layout.padded(v), layout.chunk(v), np.dtype(v.dtype)) for v in layout.sharded}
    small: dict[str, list[np.ndarray]] = {}
    rows: dict[str, list[int]] = {table: [] for table in layout.columns}
    leaves: list[str] = []
    for row, (index, arrays) in enumerate(zip(indices, recordings, strict=True)):
        sizes = layout.check(arrays, f"{split}/{index}")
        leaves.append(leaf(arrays, header.variables).hex())
        for name, shard in shards.items():
            shard.put(row, arrays[name])
        for var in layout.rows:
            padded = np.zeros(layout.shape(var), var.dtype)
            padded[tuple(map(slice, arrays[var.name].shape))] = arrays[var.name]
            small.setdefault(var.name, []).append(padded)
        for table, columns in layout.columns.items():
            rows[table].append(len(arrays[columns[0].name]))
            for var in columns:
                small.setdefault(var.name, []).append(arrays[var.name])
        for size, path in layout.sizes.items():
            small.setdefault(path, []).append(np.asarray(sizes[size], "i4"))
    tables = {v.name for columns in layout.columns.values() for v in columns}
    packed = io.BytesIO()
    np.savez(packed, **{n: np.concatenate(a) if n in tables else np.stack(a) for n, a in small.items()})  # type: ignore[arg-type]
    stage = Path(stage)
    with full_disk(stage):
        files: dict[str, Entry] = {}
        for var in layout.sharded:
            place = "/".join(["c", str(block), *("0" for _ in var.dims)])
            if parts := shards[var.name].parts():
                name = f"set/{split}/{var.name}/{place}"
                files[name] = write_atomic(stage, stage / name, parts)
        name = f"small/{split}-{block}.npz"
        done = {
            "split": split,
            "block": block,
            "indices": indices,
            "leaves": leaves,
            "rows": rows,
            "files": files,
            "small": {name: write_atomic(stage, stage / name, [packed.getvalue()])},
        }
        write_atomic(stage, receipt_path(stage, split, block), [json.dumps(done).encode()])
    return done


def publish(stage: Stage, progress: Progress | None = None) -> dict[str, Any]:
    """Finish a set whose blocks are all there and give it its name; returns the manifest.

    Raises InputError if blocks are missing, if the target exists with another digest, or if the disk is full (what is
    staged stays).
    """
    layout, header = stage.layout, stage.header
    receipts: dict[str, list[dict[str, Any]]] = {split: [] for split in header.splits}
    for split, block in layout.blocks():
        found = receipt(stage, split, block, check_files=False)
        if found is None:
            raise InputError(f"set '{stage.target}' must have every block; {split}/{block} is missing")
        receipts[split].append(found)
    leaves = {s: [x for r in receipts[s] for x in r["leaves"]] for s in receipts}
    digest = _root(header, leaves)
    if (old := published(stage.target)) is not None:
        if old["digest"] != digest:
            raise InputError(f"set '{stage.target}' exists with digest {old['digest'][:12]}; this one is {digest[:12]}")
        remove(stage)
        return old
    with full_disk(stage.target):
        files = {n.removeprefix("set/"): tuple(e) for s in receipts for r in receipts[s] for n, e in r["files"].items()}
        _drop_strangers(stage, set(files))
        for split in header.splits:
            files |= small_arrays(stage, split, receipts[split], progress)
        totals = {s: totals_of(layout, receipts[s]) for s in receipts}
        for name, data in _metadata(header, totals).items():
            files[name] = write_atomic(stage.path, stage.path / "set" / name, [data])
        splits = {s: {"block": layout.block(s), "leaves": leaves[s]} for s in header.splits}
        content = card.manifest(header, digest, splits, files)
        for name, text in (("README.md", card.card(content, header)), ("croissant.json", card.croissant(content))):
            files[name] = write_atomic(stage.path, stage.path / "set" / name, [text.encode()])
        content = card.manifest(header, digest, splits, files)
        data = card.render(content)
        write_atomic(stage.path, stage.path / "set" / "manifest.json", [data])
        sync(stage.path / "set")
        try:
            os.rename(stage.path / "set", stage.target)
        except OSError as error:
            if not stage.target.exists():
                raise
            raise InputError(f"set '{stage.target}' must not exist before it is published; it does") from error
        sync_one(stage.target.parent)
    remove(stage)
    return dict(json.loads(data))


def published(target: Path, header: Header | None = None) -> dict[str, Any] | None:
    """The manifest of the set at `target`, or None if there is none.

    Raises InputError if the folder is there without a whole manifest, or holds a set of another header.
    """
    target = Path(target)
    if not target.exists():
        return None
    found = card.read_manifest(target)
    if header is not None and found["header_digest"] != header.digest:
        raise InputError(
            f"set '{target}' must be of this scenario and version; it has header {found['header_digest'][:12]}"
            f" (digest {found['digest'][:12]}), this one is {header.digest[:12]}"
        )
    return found


def _root(header: Header, leaves: Mapping[str, list[str]]) -> str:
    """The set's digest from its leaves (hex, by split)."""
    first = header.first
    return root((s, first.get(s, 0) + i, bytes.fromhex(x)) for s in leaves for i, x in enumerate(leaves[s]))


def _drop_strangers(stage: Stage, known: set[str]) -> None:
    """Remove from the staged set what no receipt names (a publication that was stopped half-way)."""
    for path in (stage.path / "set").rglob("*"):
        if path.is_file() and path.relative_to(stage.path / "set").as_posix() not in known:
            path.unlink()


# ---- zarr metadata


def _metadata(header: Header, totals: Mapping[str, Mapping[str, int]]) -> dict[str, bytes]:
    """Every zarr.json of the set, by file name, as zarr writes it (into memory, so that no file is touched)."""
    files: dict[str, Any] = {}
    with ThreadPoolExecutor(1) as thread, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr: consolidated metadata is not yet in the v3 specification
        # one event loop for all arrays (zarr's synchronous calls cost a millisecond each), in a thread of its own
        # since a notebook has a loop already
        thread.submit(lambda: asyncio.run(_describe(files, header, totals))).result()
    return {name: files[name].to_bytes() for name in sorted(files)}


async def _describe(files: dict[str, Any], header: Header, totals: Mapping[str, Mapping[str, int]]) -> None:
    """Make every group and array of the set, without data, in a zarr store that lies in `files`."""
    import zarr.api.asynchronous as zarr
    from zarr.codecs import BloscCodec, Crc32cCodec
    from zarr.storage import MemoryStore

    layout, memory = Layout(header), MemoryStore(files)
    title = {"title": header.identity.as_posix(), "license": header.licence, "comment": header.command}
    tree = await zarr.create_group(store=memory, zarr_format=3, attributes=title)
    for split, count in header.splits.items():
        base = await tree.create_group(split, attributes={"first_recording": header.first.get(split, 0)})
        plans: list[tuple[str, tuple[int, ...], str, dict[str, Any]]] = []
        for name, shape, dtype, dims, text in small_specs(layout, split, totals[split]):
            chunks = small_chunk(shape, dtype)
            plans.append((name, shape, dtype, {"chunks": chunks, "dimension_names": dims, "attributes": text}))
        for var in layout.sharded:
            more = {
                "chunks": (1, *layout.chunk(var)),
                "shards": (layout.block(split), *layout.padded(var)),
                "dimension_names": ("recording", *layout.dims(var)),
                "attributes": attributes(var),
            }
            plans.append((var.name, (count, *layout.shape(var)), var.dtype, more))
        groups = {g for name, *_ in plans for g in _above(name)} | ({"truth"} if header.attrs else set())
        for group in sorted(groups):
            await base.create_group(group, attributes=dict(header.attrs) if group == "truth" else {})
        for name, shape, dtype, more in plans:
            blosc = BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle", typesize=np.dtype(dtype).itemsize)
            codecs = [blosc, Crc32cCodec()]
            await base.create_array(name, shape=shape, dtype=dtype, compressors=codecs, fill_value=0, **more)
    await zarr.consolidate_metadata(memory)


def _above(name: str) -> list[str]:
    """The groups that an array lies in, by path."""
    parts = name.split("/")[:-1]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


# ---- reading


@dataclass(frozen=True)
class Reader:
    """A published set, open for reading. Recordings come back as they were written, bit for bit."""

    path: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The set's manifest. Raises InputError if there is no whole one."""
        return card.read_manifest(self.path)

    @cached_property
    def layout(self) -> Layout:
        """Where things lie."""
        return Layout(header_of(self.manifest))

    @cached_property
    def _tree(self) -> Any:
        import zarr

        return zarr.open_group(self.path, mode="r", zarr_format=3)

    @cached_property
    def _arrays(self) -> dict[tuple[str, str], Any]:
        return {}

    def array(self, split: str, name: str) -> Any:
        """A zarr array of the set by its path below the split."""
        if (split, name) not in self._arrays:
            self._arrays[split, name] = self._tree[f"{split}/{name}"]
        return self._arrays[split, name]

    def read(self, split: str, index: int, under: str = "") -> Arrays:
        """One recording, by its index in the split; only the arrays `under` a path, such as "inputs/", if it is given.

        Raises InputError if there is none or if it is damaged.
        """
        row = self.layout.row(split, index)
        return next(self._rows(split, row, row + 1, under))

    def iterate(self, split: str, under: str = "") -> Iterator[tuple[int, Arrays]]:
        """Every recording of a split with its index; one recording in memory at a time. `under` as in `read`."""
        header = self.layout.header
        if split not in header.splits:
            self.layout.row(split, 0)
        first = header.first.get(split, 0)
        for start in range(0, header.splits[split], READ_TOGETHER):
            stop = min(start + READ_TOGETHER, header.splits[split])
            for row, arrays in zip(range(start, stop), self._rows(split, start, stop, under), strict=True):
                yield first + row, arrays

    def _rows(self, split: str, start: int, stop: int, under: str = "") -> Iterator[Arrays]:
        """The recordings in some rows; their small arrays are read together. No file outside `under` is touched."""
        layout = self.layout

        def read(name: str, what: Any) -> np.ndarray:
            try:
                return np.asarray(self.array(split, name)[what])
            except Exception as error:
                text = " ".join(str(error).split())
                raise InputError(f"array '{split}/{name}' of '{self.path}' must be whole; {text}") from error

        rows = slice(start, stop)
        wanted = [v for v in layout.header.variables if v.name.startswith(under)]
        groups = {rate_group(v.name) or "" for v in wanted}
        sizes = {size: read(path, rows) for size, path in layout.sizes.items() if size[0] in groups}
        offsets = {t: read(layout.offset_path(t), slice(start, stop + 1)) for t in {v.table for v in wanted} if t}
        spans = {t: slice(int(edges[0]), int(edges[-1])) for t, edges in offsets.items()}
        tables = {v.name: read(v.name, spans[v.table]) for v in wanted if v.table}
        fixed = {v.name: read(v.name, rows) for v in wanted if v in layout.rows}
        for i in range(stop - start):
            own = {size: int(n[i]) for size, n in sizes.items()}
            found: Arrays = {}
            for var in wanted:
                if var.table:
                    edge = offsets[var.table] - offsets[var.table][0]
                    found[var.name] = tables[var.name][edge[i] : edge[i + 1]]
                    continue
                group = rate_group(var.name) or ""
                cut = tuple(
                    slice(0, own.get((group, dim), n)) for dim, n in zip(var.dims, layout.shape(var), strict=True)
                )
                found[var.name] = fixed[var.name][i][cut] if var.name in fixed else read(var.name, (start + i, *cut))
            yield found


def read_recording(path: Path, split: str, index: int) -> Arrays:
    """One recording of a published set as it was written, bit for bit. Raises InputError as `Reader.read` does."""
    return Reader(Path(path)).read(split, index)


def verify(path: Path, decode: bool = True, progress: Progress | None = None) -> dict[str, Any]:
    """Check a published set and return its manifest.

    Every file is held against its sha256 and size, none may be missing or unknown; then (`decode`) every recording is
    decoded by zarr, and its leaf and the root are computed anew. Raises InputError naming the file or the recording.
    """
    path = Path(path)
    reader = Reader(path)
    content = reader.manifest
    files = content["files"]
    there = {p.relative_to(path).as_posix() for p in path.rglob("*") if not p.is_dir()} - {"manifest.json"}
    if missing := set(files) - there:
        raise InputError(f"file '{path / min(missing)}' must be there; it is missing")
    if strange := there - set(files):
        raise InputError(f"file '{path / min(strange)}' must be in the manifest; it is not")
    for done, (name, (sha, size)) in enumerate(files.items()):
        if progress:
            progress("files", done, len(files))
        if (found := (path / name).stat().st_size) != size:
            raise InputError(f"file '{path / name}' must have {size} bytes; it has {found}")
        if (found_sha := file_sha256(path / name)) != sha:
            raise InputError(f"file '{path / name}' must have sha256 {sha[:12]}; it has {found_sha[:12]}")
    if not decode:
        return content
    header, total = reader.layout.header, sum(reader.layout.header.splits.values())
    done = 0
    for split in header.splits:
        for (index, arrays), told in zip(reader.iterate(split), content["splits"][split]["leaves"], strict=True):
            if progress:
                progress("recordings", done, total)
            done += 1
            if (computed := leaf(arrays, header.variables).hex()) != told:
                raise InputError(
                    f"recording {split}/{index} of '{path}' must have digest {told[:12]}; it has {computed[:12]}"
                )
    if (computed := _root(header, {s: content["splits"][s]["leaves"] for s in header.splits})) != content["digest"]:
        raise InputError(f"set '{path}' must have digest {content['digest'][:12]}; it has {computed[:12]}")
    return content
