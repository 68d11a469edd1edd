"""Why two sets have different digests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.store import Reader


def compare(a: Path, b: Path) -> list[str]:
    """One line for each reason, most general first; none if the sets hold the same integers.

    Versions and keys of the spec, then splits, then the first recording that differs: its first variable, and the
    first channel or row in it.
    """
    one, two = Reader(Path(a)), Reader(Path(b))
    lines = []
    for key, text in (("simulator", "simulator"), ("scenario", "scenario"), ("scenario_version", "scenario version"),
                      ("simulator_version", "simulator VERSION"), ("format", "store format")):  # fmt: skip
        if one.manifest[key] != two.manifest[key]:
            lines.append(f"{text}: {one.manifest[key]} | {two.manifest[key]}")
    lines += [
        f"spec {key}: {x} | {y}" for key, x, y in _changes(_flat(one.manifest["spec"]), _flat(two.manifest["spec"]))
    ]
    splits = [{s: f"{v['count']} recordings from {v['first']}" for s, v in r.manifest["splits"].items()} for r in (one, two)]  # fmt: skip  # noqa: E501
    lines += [f"split {key}: {x} | {y}" for key, x, y in _changes(*splits)]
    if one.manifest["digest"] != two.manifest["digest"] and (place := _first_recording(one, two)):
        lines.append(_first_difference(one, two, *place))
    return lines


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """Nested tables and lists as {dotted key: JSON}."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None or not value:
        return {path: json.dumps(value)}
    return {k: v for key, inner in items for k, v in _flat(inner, f"{path}.{key}" if path else str(key)).items()}


def _changes(one: dict[str, str], two: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for key in [*one, *(k for k in two if k not in one)]:
        if one.get(key) != two.get(key):
            yield key, one.get(key, "absent"), two.get(key, "absent")


def _first_recording(one: Reader, two: Reader) -> tuple[str, int] | None:
    """The first recording that both sets have and whose leaves differ."""
    for split, told in one.manifest["splits"].items():
        other = two.manifest["splits"].get(split)
        if other is None:
            continue
        start = max(told["first"], other["first"])
        stop = min(told["first"] + told["count"], other["first"] + other["count"])
        for index in range(start, stop):
            if told["leaves"][index - told["first"]] != other["leaves"][index - other["first"]]:
                return split, index
    return None


def _first_difference(one: Reader, two: Reader, split: str, index: int) -> str:
    """Where one recording of two sets differs first."""
    where = f"recording {split}/{index}"
    a, b = one.read(split, index), two.read(split, index)
    for var in one.layout.header.variables:
        x, y = a[var.name], b.get(var.name)
        if not var.exact or (y is not None and np.array_equal(x, y) and x.dtype == y.dtype):
            continue
        if y is None:
            return f"{where}: '{var.name}' is only in the first set"
        if x.shape != y.shape or x.dtype != y.dtype:
            return f"{where}: '{var.name}' is {x.dtype} {x.shape} | {y.dtype} {y.shape}"
        place = tuple(int(i) for i in np.argwhere(x != y)[0])
        names = ", ".join(f"{'row' if var.table == dim else dim} {i}" for dim, i in zip(var.dims, place, strict=True))
        return f"{where}: '{var.name}'{', ' + names if names else ''}: {x[place]} | {y[place]}"
    return f"{where}: '{min(set(b) - set(a), default='order of variables')}' is only in the second set"
