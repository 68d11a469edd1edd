"""What a recording holds: names, dimensions, types, units and meaning, checked before anything is stored.

A recording in memory is a flat mapping from path to array (`Arrays`), without a recording axis. Dimensions:
`channel` and `time` belong to the group that the variable lies in; those of `CONSTANT_DIMS` have one size in a whole
set; any other dimension is a ragged table, whose rows are those of one recording (`pair`, `field`, `overflow`, ...).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from scenarios.errors import InputError

Arrays = dict[str, np.ndarray]
SIZED_DIMS = frozenset({"channel", "time"})
"""Every recording has its own size along these."""
CONSTANT_DIMS = frozenset({"finger", "joint", "phalanx", "sensor", "component", "column", "quaternion", "segment"})
FIXED_DIMS = SIZED_DIMS | CONSTANT_DIMS


@dataclass(frozen=True, kw_only=True)
class Var:
    """One variable of a recording.

    `name` is its path below the split (`inputs/r{rate}/words`: `{rate}` stands for every rate group), `dims` its
    dimensions without the recording's. `flag_meanings` names the codes 0, 1, ... of a label. An `optional` variable
    may be absent from a whole set, never from a part of it.
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    units: str
    meaning: str
    flag_meanings: tuple[str, ...] = ()
    optional: bool = False

    @property
    def table(self) -> str | None:
        """The ragged table whose column this is, or None."""
        return self.dims[0] if self.dims and self.dims[0] not in FIXED_DIMS else None

    @property
    def exact(self) -> bool:
        """Whether the variable is integer, so that it belongs to the logical digest."""
        return np.dtype(self.dtype).kind in "iub"


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Every variable that a simulator's recordings may hold."""

    variables: tuple[Var, ...]

    def expand(self, names: Mapping[str, object] | set[str] | list[str]) -> tuple[Var, ...]:
        """The variables present among `names`, with `{rate}` filled in, in schema order, then by rate group.

        Raises InputError for a name that the schema does not know and for a variable that must be there and is not.
        """
        groups = sorted({g for n in names if (g := rate_group(n)) is not None}, key=lambda g: -float(g[1:]))
        found: list[Var] = []
        for var in self.variables:
            wanted = [replace(var, name=var.name.format(rate=g[1:])) for g in groups] if "{rate}" in var.name else [var]
            present = [v for v in wanted if v.name in names]
            if not var.optional and len(present) < len(wanted):
                missing = next(v.name for v in wanted if v.name not in names)
                raise InputError(f"recording must hold '{missing}' ({var.meaning}); it is absent")
            found += present
        if unknown := set(names) - {v.name for v in found}:
            raise InputError(f"recording may hold only what its schema names; '{min(unknown)}' is not among it")
        return tuple(found)


def rate_group(name: str) -> str | None:
    """The rate group (`r2000`) in a variable's path, or None.

    >>> rate_group("inputs/r2000/words"), rate_group("truth/mask")
    ('r2000', None)
    """
    parts = name.split("/")
    return parts[1] if len(parts) == 3 and parts[1].startswith("r") else None


def check(arrays: Arrays, schema: Schema) -> tuple[Var, ...]:
    """Check one recording against its schema and return the variables found.

    Every variable has its type and its number of dimensions; dimensions of one name in one group, and the columns of
    one table, have one size; labels lie within their codes; floats are finite. Raises InputError naming the first
    that does not.
    """
    variables = schema.expand(arrays)
    sizes: dict[tuple[str, str], int] = {}
    for var in variables:
        array = arrays[var.name]
        if array.dtype != np.dtype(var.dtype):
            raise InputError(f"'{var.name}' must be {var.dtype}; it is {array.dtype}")
        if array.ndim != len(var.dims):
            raise InputError(f"'{var.name}' must have dimensions {var.dims}; its shape is {array.shape}")
        group = rate_group(var.name) or ""
        for dim, size in zip(var.dims, array.shape, strict=True):
            known = sizes.setdefault((group if dim in FIXED_DIMS else "", dim), size)
            if known != size:
                raise InputError(f"'{var.name}' must have {known} along '{dim}'; it has {size}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"'{var.name}' must be finite; it holds {array[~np.isfinite(array)][0]}")
        if var.flag_meanings and array.size and not 0 <= array.min() <= array.max() < len(var.flag_meanings):
            raise InputError(f"'{var.name}' must hold codes 0 to {len(var.flag_meanings) - 1}; it holds {array.max()}")
    return variables
