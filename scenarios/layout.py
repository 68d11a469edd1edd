"""How a set lies on disk: its header, which array each variable becomes, and how recordings fall into blocks.

Glossary: R recordings of a split, k recordings of a block; `r2000` a rate group; a table is a ragged dimension.
A block is k whole recordings and exactly one shard of every array with a time axis.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.errors import InputError
from scenarios.schema import SIZED_DIMS, Arrays, Var, rate_group

FORMAT = 1
ENDING = ".zarr"
BLOCK_BYTES = 32_000_000  # of the largest array; a shard is then 16 to 32 MB, more only for a larger recording
MOST_IN_BLOCK = 1024
CHUNK_SECONDS = 4.0
LEAST_CHUNK_BYTES = 1 << 18
Size = tuple[str, str]  # (rate group or "", dimension)


@dataclass(frozen=True, kw_only=True)
class Header:
    """Everything that is known of a set before its first recording is made.

    `spec` is the resolved spec as canonical JSON. `variables` are resolved (no `{rate}`), in schema order; `shapes`
    gives each one's largest shape in the set, None along a table. `splits` counts recordings, `first` is the index of
    a split's first one (0 where absent). `attrs` become JSON attributes of the truth group; `suffix` is "" or
    "+<12 hex>"; `command` makes the set again; `card` is further text for the data card.
    """

    simulator: str
    scenario: str
    scenario_version: int
    simulator_version: str
    spec: str
    variables: tuple[Var, ...]
    shapes: Mapping[str, tuple[int | None, ...]]
    splits: Mapping[str, int]
    first: Mapping[str, int] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    suffix: str = ""
    command: str = ""
    card: str = ""
    licence: str = "Apache-2.0"
    block_bytes: int = BLOCK_BYTES

    @property
    def identity(self) -> Path:
        """The set's place below the root: `<simulator>/<scenario>/<scenario version>-<VERSION><suffix>.zarr`.

        By the ending xarray knows the folder as zarr without being told an engine.
        """
        version = f"{self.scenario_version}-{self.simulator_version}{self.suffix}{ENDING}"
        return Path(self.simulator, *self.scenario.split("/"), version)

    def to_json(self) -> dict[str, Any]:
        """What identifies the set's content, as plain JSON values: all but the command, the card and the blocks."""
        return {
            "format": FORMAT,
            "simulator": self.simulator,
            "scenario": self.scenario,
            "scenario_version": self.scenario_version,
            "simulator_version": str(self.simulator_version),
            "suffix": self.suffix,
            "spec": json.loads(self.spec),
            "schema": [asdict(v) | {"shape": list(self.shapes[v.name])} for v in self.variables],
            "splits": {s: {"first": self.first.get(s, 0), "count": n} for s, n in self.splits.items()},
            "attrs": dict(self.attrs),
        }

    @cached_property
    def digest(self) -> str:
        """The sha256 of `to_json()`, in hex: equal headers may share a set."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


def header_of(manifest: Mapping[str, Any]) -> Header:
    """The header that a manifest tells."""
    columns = [{k: v for k, v in c.items() if k != "shape"} for c in manifest["schema"]]
    return Header(
        simulator=manifest["simulator"],
        scenario=manifest["scenario"],
        scenario_version=manifest["scenario_version"],
        simulator_version=manifest["simulator_version"],
        spec=json.dumps(manifest["spec"], sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        variables=tuple(
            Var(**c | {"dims": tuple(c["dims"]), "flag_meanings": tuple(c["flag_meanings"])}) for c in columns
        ),
        shapes={c["name"]: tuple(c["shape"]) for c in manifest["schema"]},
        splits={s: v["count"] for s, v in manifest["splits"].items()},
        first={s: v["first"] for s, v in manifest["splits"].items()},
        attrs=manifest["attrs"],
        suffix=manifest["suffix"],
        command=manifest["command"],
        licence=manifest["licence"],
        block_bytes=manifest["block_bytes"],
    )


def shapes_of(variables: Sequence[Var], *recordings: Arrays) -> dict[str, tuple[int | None, ...]]:
    """The `shapes` of a header: of each variable the largest shape among some recordings, None along a table.

    >>> shapes_of([Var(name="truth/x", dims=("pair",), dtype="i4", units="", meaning="")], {"truth/x": np.zeros(3)})
    {'truth/x': (None,)}
    """
    shapes: dict[str, tuple[int | None, ...]] = {}
    for var in variables:
        largest = np.max([r[var.name].shape for r in recordings], axis=0).tolist() if var.dims else []
        shapes[var.name] = (None, *largest[1:]) if var.table else tuple(largest)
    return shapes


@dataclass(frozen=True)
class Layout:
    """What a header means on disk. Paths are those of arrays below the split's group."""

    header: Header

    @cached_property
    def sharded(self) -> tuple[Var, ...]:
        """Variables with a time axis: one shard a block."""
        return tuple(v for v in self.header.variables if "time" in v.dims)

    @cached_property
    def rows(self) -> tuple[Var, ...]:
        """Variables of one fixed shape a recording: staged by block, one row a recording when published."""
        return tuple(v for v in self.header.variables if "time" not in v.dims and v.table is None)

    @cached_property
    def columns(self) -> dict[str, tuple[Var, ...]]:
        """The columns of each ragged table: staged by block, concatenated when published."""
        tables: dict[str, list[Var]] = {}
        for var in self.header.variables:
            if var.table:
                tables.setdefault(var.table, []).append(var)
        return {table: tuple(found) for table, found in tables.items()}

    @cached_property
    def sizes(self) -> dict[Size, str]:
        """Paths of the arrays that hold each recording's own size along `channel` and `time`, by rate group."""
        found: dict[Size, str] = {}
        for var in self.header.variables:
            for dim in var.dims:
                if dim in SIZED_DIMS:
                    found.setdefault((rate_group(var.name) or "", dim), f"{folder(var.name)}/n_{dim}")
        return found

    def offset_path(self, table: str) -> str:
        """Path of a table's row offsets, one more than there are recordings."""
        return f"{folder(self.columns[table][0].name)}/{table}_row_offset"

    @cached_property
    def rates(self) -> dict[str, tuple[str, float, int]]:
        """For each rate group of the inputs: path of its time coordinate, rate (Hz), samples."""
        found: dict[str, tuple[str, float, int]] = {}
        for var in self.sharded:
            group = rate_group(var.name)
            path = f"{folder(var.name)}/time"
            if group and var.name.startswith("inputs/") and path not in self.header.shapes:
                samples = self.header.shapes[var.name][var.dims.index("time")]
                found.setdefault(group, (path, float(group[1:]), samples or 0))
        return found

    def dims(self, var: Var) -> tuple[str, ...]:
        """Stored dimension names of a variable after the recording's.

        A group within a group must agree with it on every dimension (xarray), so the channels of a rate group below
        a group that has channels of its own are called `rate_channel`.
        """
        if rate_group(var.name) is None:
            return var.dims
        top = var.name.split("/")[0]
        above = {d for v in self.header.variables if not rate_group(v.name) and v.name.split("/")[0] == top
                 for d in v.dims}  # fmt: skip
        return tuple(f"rate_{d}" if d in above else d for d in var.dims)

    def shape(self, var: Var) -> tuple[int, ...]:
        """The largest shape of one recording's array (without the axis of a table)."""
        return tuple(n for n in self.header.shapes[var.name] if n is not None)

    def chunk(self, var: Var) -> tuple[int, ...]:
        """Inner chunk of a sharded array: all but time whole, and about 4 s, or more where that is little."""
        shape, axis = self.shape(var), var.dims.index("time")
        total = max(1, shape[axis])
        row_bytes = max(1, prod(shape[:axis] + shape[axis + 1 :])) * np.dtype(var.dtype).itemsize
        rate = float((rate_group(var.name) or "r0")[1:])
        steps = min(total, max(ceil(CHUNK_SECONDS * rate), ceil(LEAST_CHUNK_BYTES / row_bytes)))
        return tuple(steps if i == axis else max(1, n) for i, n in enumerate(shape))

    def padded(self, var: Var) -> tuple[int, ...]:
        """Shape of one recording in a shard: whole chunks."""
        return tuple(ceil(max(1, n) / c) * c for n, c in zip(self.shape(var), self.chunk(var), strict=True))

    def block(self, split: str) -> int:
        """k, the recordings in a block of a split."""
        largest = max((prod(self.padded(v)) * np.dtype(v.dtype).itemsize for v in self.sharded), default=1)
        return max(1, min(self.header.block_bytes // largest, MOST_IN_BLOCK, self.header.splits[split]))

    def blocks(self) -> list[tuple[str, int]]:
        """Every block, as (split, number)."""
        counts = self.header.splits
        return [(split, b) for split in counts for b in range(ceil(counts[split] / self.block(split)))]

    def indices(self, split: str, block: int) -> range:
        """The recordings of a block, by their index in the split."""
        k, first = self.block(split), self.header.first.get(split, 0)
        return range(first + block * k, first + min(block * k + k, self.header.splits[split]))

    def row(self, split: str, index: int) -> int:
        """The row in the arrays that holds a recording. Raises InputError if the set has no such recording."""
        if split not in self.header.splits:
            raise InputError(f"split must be one of {', '.join(self.header.splits)}; it is '{split}'")
        first, count = self.header.first.get(split, 0), self.header.splits[split]
        if not first <= index < first + count:
            raise InputError(f"recording of '{split}' must be {first} to {first + count - 1}; it is {index}")
        return index - first

    def check(self, arrays: Arrays, where: str) -> dict[Size, int]:
        """Hold one recording against the header; its sizes along channel and time. Raises InputError."""
        if missing := {v.name for v in self.header.variables} ^ set(arrays):
            name = min(missing)
            raise InputError(f"recording {where} must hold what the set holds; '{name}' is "
                             f"{'not in the set' if name in arrays else 'absent'}")  # fmt: skip
        sizes: dict[Size, int] = {}
        rows: dict[str, int] = {}
        for var in self.header.variables:
            array, limits = arrays[var.name], self.header.shapes[var.name]
            if array.dtype != np.dtype(var.dtype) or array.ndim != len(limits):
                raise InputError(f"recording {where}: '{var.name}' must be {var.dtype} with dimensions {var.dims}; "
                                 f"it is {array.dtype} of shape {array.shape}")  # fmt: skip
            for dim, size, limit in zip(var.dims, array.shape, limits, strict=True):
                if dim in SIZED_DIMS:
                    known = sizes.setdefault((rate_group(var.name) or "", dim), size)
                else:
                    known = rows.setdefault(dim, size) if limit is None else int(limit)
                if size != known or (limit is not None and size > limit):
                    least = known if limit is None else min(known, limit)
                    raise InputError(f"recording {where}: '{var.name}' must have {least} along '{dim}'; it has {size}")
        return sizes


def folder(name: str) -> str:
    """The group that a variable lies in."""
    return name.rpartition("/")[0]
