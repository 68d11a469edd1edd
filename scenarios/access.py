"""Sets for people: find one by name, open it with xarray, walk its recordings, cut windows, list its sensors."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scenarios.catalogue import available, did_you_mean
from scenarios.errors import InputError
from scenarios.layout import ENDING, Header, Layout, folder, shapes_of
from scenarios.schema import Arrays, Schema, rate_group
from scenarios.small import attributes
from scenarios.staging import PREFIX
from scenarios.store import Reader

if TYPE_CHECKING:
    from xarray import DataTree

NODE_TYPES = ("plain", "msb", "lsb", "bits")
SENSOR_TYPES = {"plain": "1word", "msb": "2word", "lsb": "2word", "bits": "complex_bits"}
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
FORMATS = ("u32", "i32", "float32", "gray")
OF_CHANNEL = ("lsb", "quantity", "axis", "sensor", "placement", "side")
HALVES = {"overflow": "truth/pair_lsb", "torn": "truth/pair_msb"}  # whose samples an event of a pair counts


def sets_root(root: Path | str | None = None) -> Path:
    """The folder of all sets: `root` if given, else $PROVINGGROUND_SETS, else ./sets."""
    return Path(root or os.environ.get("PROVINGGROUND_SETS") or "sets")


def find_sets(root: Path | str | None = None) -> dict[str, Path]:
    """Published sets below the root by name, such as `scene/overflow_heavy/1-1`, oldest version first."""
    base, found = sets_root(root), {}
    for place, names, files in os.walk(base):
        if "manifest.json" in files:
            names.clear()
            found[Path(place).relative_to(base).as_posix().removesuffix(ENDING)] = Path(place)
        names[:] = [n for n in names if not n.startswith(PREFIX)]
    return dict(sorted(found.items(), key=lambda item: _age(item[0])))


def find_set(name_or_path: str | Path, root: Path | str | None = None) -> Path:
    """The folder of a set, given as a path, by its full name, or as `scene/overflow_heavy`: then the newest version.

    A set with overridden settings (`+<12 hex>`) is found only by its full name. Raises InputError if there is none.
    """
    if (Path(name_or_path) / "manifest.json").is_file():
        return Path(name_or_path)
    name = Path(name_or_path).as_posix()
    sets = find_sets(root)
    if path := sets.get(name.removesuffix(ENDING)):
        return path
    if versions := [p for n, p in sets.items() if n.rpartition("/")[0] == name and "+" not in n]:
        return versions[-1]
    if Path(name_or_path).is_dir():
        raise InputError(f"a set must have a manifest.json; '{name_or_path}' has none")
    if own := [n for n in sets if n.rpartition("/")[0] == name or n.startswith(f"{name}+")]:
        raise InputError(
            f"set '{name}' must be named in full, since it was made only with other settings or counts than the "
            f"scenario's; in '{sets_root(root)}' there {'is' if len(own) == 1 else 'are'} {', '.join(own)}"
        )
    raise InputError(f"set '{name}' not found in '{sets_root(root)}'{_instead(name, sets)}")


def _instead(name: str, sets: Mapping[str, Path]) -> str:
    """What there is instead of a set that is not: nothing of a scenario that was never made, else the nearest name."""
    domain, _, scenario = name.partition("/")
    if scenario in available(domain):
        return f"; none was made of that scenario: python -m simulators.{domain} --scenario {scenario}"
    return did_you_mean(name, {n.rpartition("/")[0] for n in sets} | set(sets)) if sets else "; no set is there"


def open_set(name_or_path: str | Path, split: str, root: Path | str | None = None) -> "DataTree":
    """A split of a set as an xarray tree that reads lazily: groups `inputs/r<rate>` and `truth`.

    Raises InputError if there is no such set or split.
    """
    import xarray

    path = _reader(name_or_path, split, root).path
    return xarray.open_datatree(path, engine="zarr", group=split, chunks=None, mask_and_scale=False)


def recordings(name_or_path: str | Path, split: str, root: Path | str | None = None) -> Iterator[Arrays]:
    """The recordings of a split, in order, each as it was simulated; one is held in memory at a time."""
    for _, arrays in _reader(name_or_path, split, root).iterate(split):
        yield arrays


@dataclass(frozen=True, kw_only=True)
class Window:
    """A piece of a recording: `arrays` as those of a recording, cut to [start_s, start_s + seconds)."""

    split: str
    index: int
    start_s: float
    seconds: float
    arrays: Arrays


def windows(
    name_or_path: str | Path,
    split: str,
    seconds: float,
    step: float | None = None,
    root: Path | str | None = None,
) -> Iterator[Window]:
    """Windows of equal length over every recording of a split, with the labels that overlap them.

    `step` seconds lie between starts (default: `seconds`, so that windows touch). See `cut` for what a window holds.
    Raises InputError if a length is not above 0.
    """
    step = seconds if step is None else step
    if not (seconds > 0 and step > 0):
        raise InputError(f"seconds and step of windows must be above 0; they are {seconds:g} and {step:g}")
    for index, arrays in _reader(name_or_path, split, root).iterate(split):
        length = min((arrays[f"inputs/{g}/{m}"].shape[-1] / _rate(g) for g, m in _groups(arrays).items()), default=0.0)
        for i in range(int((length - seconds) / step + 1 + 1e-9)):
            yield Window(split=split, index=index, start_s=i * step, seconds=seconds,
                         arrays=cut(arrays, i * step, seconds))  # fmt: skip


def cut(arrays: Arrays, start_s: float, seconds: float) -> Arrays:
    """A recording cut to one stretch of nominal time, every rate group at the same time.

    Arrays over time are sliced (views), `n_samples` and `start_ns` follow. Rows of tables that name samples
    (`<table>_sample`, or `<table>_start` and `_end`) stay if they overlap the stretch, count from its start, and are
    clipped to it; other tables stay whole, so that rows which refer to them still do. Times in ns stay absolute.
    """
    # rounded down, so that start and length never add up to more than there is; 1e-6 samples forgive 0.3 * 10 < 3
    measured = _groups(arrays)
    first = {g: int(start_s * _rate(g) + 1e-6) for g in measured}
    length = {g: int(seconds * _rate(g) + 1e-6) for g in first}
    samples = {g: arrays[f"inputs/{g}/{name}"].shape[-1] for g, name in measured.items()}
    found: Arrays = {}
    for name, array in arrays.items():
        group, last = rate_group(name), name.rpartition("/")[2]
        if group not in first:
            found[name] = array
        elif last == "n_samples":
            found[name] = np.clip(array - first[group], 0, length[group]).astype(array.dtype)
        elif last == "start_ns":
            found[name] = array + np.asarray(round(first[group] * 1e9 / _rate(group)), dtype=array.dtype)
        elif (array.ndim > 1 or last == "tick_ns") and array.shape[-1] == samples[group]:
            found[name] = array[..., first[group] : first[group] + length[group]]
        else:
            found[name] = array
    groups = _group_of_channel(arrays)
    for prefix in {n.removesuffix(e) for n in arrays for e in ("_sample", "_start")} - set(arrays):
        table, one, end = prefix.rpartition("/")[2], f"{prefix}_sample", f"{prefix}_end"
        begin = one if one in arrays else f"{prefix}_start"
        channels = _channels(arrays, prefix, table)
        if begin != one and end not in arrays:
            continue
        if channels is not None:
            own = [groups.get(int(c), "") for c in channels]
        elif len(first) == 1:  # it counts the samples of the only rate
            own = list(first) * len(arrays[begin])
        else:
            continue
        shift = np.array([first.get(g, 0) for g in own], dtype=np.int64)
        size = np.array([length.get(g, 0) for g in own], dtype=np.int64)
        low = arrays[begin] - shift
        high = low + 1 if begin == one else arrays[end] - shift
        keep = (low < size) & (high > 0)
        for name in (n for n in arrays if n.startswith(f"{prefix}_")):
            found[name] = arrays[name][keep]
        for name, value in ((begin, low), (end, high)):
            if name in arrays:
                found[name] = np.clip(value, 0, size)[keep].astype(arrays[name].dtype)
    return found


def sensors(recording: "Mapping[str, np.ndarray] | DataTree", truth: bool = False) -> Iterator[dict[str, Any]]:
    """The sensors of a recording in channel order: `{id, raw_rate, raw_array, meta, time_start}`.

    `recording` is a recording's arrays, or a split's tree with one recording selected (`tree.isel(recording=7)`).
    `raw_rate` is in Hz, `raw_array` what came: words (uint16) or counts (int32), `time_start` the time of the first
    one in s. `meta` has `valid`, `clipped`, `arrival_ns` and `tick_ns` where the recording has them, and of counts
    `lsb` (the unit's value of one), `quantity`, `axis`, `sensor`, `placement` and `side`.

    With `truth` it also tells, of words, `type` (1word, 2word, complex_bits) and `node_type`, for bits `bit_start`
    (first bit of each field), and for halves `role`, `pair` (channel of the other half), `order` and `format`; of
    counts the `activity`, or the `state` of each finger, at each sample. Quantities, axes, places and labels are codes,
    as they are stored: what each means, `flag_meanings` of the set's variable says. Raises InputError for a recording
    with neither words nor counts.
    """
    arrays: Mapping[str, Any] = arrays_of(recording) if hasattr(recording, "subtree") else recording
    measured = _groups(arrays)
    if not measured:
        raise InputError("sensors must have words or counts; this recording has neither: take its arrays by their name")
    found = []
    for group, name in measured.items():
        base = f"inputs/{group}"
        for row, channel in enumerate(arrays[f"{base}/channel_id"].tolist()):
            count = int(arrays[f"{base}/n_samples"][row])
            meta = {
                key: arrays[f"{base}/{key}"][row, :count]
                for key in ("valid", "clipped", "arrival_ns")
                if f"{base}/{key}" in arrays
            }
            if name == "counts":
                meta |= {key: arrays[f"{base}/{key}"][row].item() for key in OF_CHANNEL if f"{base}/{key}" in arrays}
                times = [f"{base}/tick_ns", *(f"truth/{group}/{key}" for key in ("activity", "state") if truth)]
                meta |= {key.rpartition("/")[2]: arrays[key][..., :count] for key in times if key in arrays}
            elif truth:
                meta |= _truth_of(arrays, channel)
            found.append({
                "id": channel,
                "raw_rate": _rate(group),
                "raw_array": arrays[f"{base}/{name}"][row, :count],
                "meta": meta,
                "time_start": int(arrays[f"{base}/start_ns"][row]) * 1e-9,
            })  # fmt: skip
    yield from sorted(found, key=lambda item: item["id"])


def arrays_of(tree: Any) -> Arrays:
    """The arrays of one recording from a split's tree in which it was selected (`tree.isel(recording=7)`).

    Padding is taken off and tables are cut to the recording's rows. Raises InputError if no recording is selected.
    """
    if "recording" in tree.dims or "recording" not in tree.coords:
        raise InputError("a tree must have one recording selected, as by tree.isel(recording=0); it has not")
    row = int(tree.coords["recording"]) - int(tree.attrs.get("first_recording", 0))
    found: Arrays = {}
    sizes: dict[tuple[str, str], int] = {}
    for node in tree.subtree:
        for name, variable in node.data_vars.items():
            if name in ("n_channel", "n_time"):
                sizes[_group_in(node.path), name[2:]] = int(variable)
    for node in tree.subtree:
        base = node.path.removeprefix(tree.path).strip("/")
        offsets = {
            n.removesuffix("_row_offset"): v.values for n, v in node.data_vars.items() if n.endswith("_row_offset")
        }
        for name, variable in node.data_vars.items():
            if name in ("n_channel", "n_time") or "recording_edge" in variable.dims:
                continue
            if variable.dims and variable.dims[0] in offsets:
                edges = offsets[variable.dims[0]]
                found[f"{base}/{name}"] = variable[int(edges[row]) : int(edges[row + 1])].values
            else:
                own = [sizes.get((_group_in(node.path), str(d).removeprefix("rate_"))) for d in variable.dims]
                found[f"{base}/{name}"] = variable[tuple(slice(n) for n in own)].values
    return found


def as_tree(arrays: Arrays, schema: Schema) -> "DataTree":
    """One recording in memory as an xarray tree: its groups, named dimensions, units, meanings and time in seconds."""
    import xarray as xr

    variables = schema.expand(arrays)
    layout = Layout(Header(simulator="", scenario="", scenario_version=1, simulator_version="", spec="{}",
                           variables=variables, shapes=shapes_of(variables, arrays), splits={}))  # fmt: skip
    nodes: dict[str, xr.Dataset] = {}
    for var in variables:
        node = nodes.setdefault(f"/{folder(var.name)}", xr.Dataset())
        node[var.name.rpartition("/")[2]] = (layout.dims(var), arrays[var.name], attributes(var))
    for group, (_, rate, samples) in layout.rates.items():
        seconds = np.arange(samples) / rate
        nodes[f"/inputs/{group}"].coords["time"] = ("time", seconds, {"units": "s", "long_name": "nominal time"})
    return xr.DataTree.from_dict(nodes)


def _reader(name_or_path: str | Path, split: str, root: Path | str | None) -> Reader:
    reader = Reader(find_set(name_or_path, root))
    if split not in (known := reader.layout.header.splits):
        raise InputError(f"split '{split}' not found in '{reader.path}'{did_you_mean(split, known)}")
    return reader


def _truth_of(arrays: Mapping[str, np.ndarray], channel: int) -> dict[str, Any]:
    """What is true of one channel."""
    node = NODE_TYPES[int(arrays["truth/node_type"][channel])]
    found: dict[str, Any] = {"type": SENSOR_TYPES[node], "node_type": node}
    if node == "bits" and "truth/field_channel" in arrays:
        found["bit_start"] = arrays["truth/field_start"][arrays["truth/field_channel"] == channel].tolist()
    for role, other in (("msb", "lsb"), ("lsb", "msb")):
        if node == role and len(rows := np.flatnonzero(arrays[f"truth/pair_{role}"] == channel)):
            row = rows[0]
            found |= {
                "role": role,
                "pair": int(arrays[f"truth/pair_{other}"][row]),
                "order": ORDERS[int(arrays["truth/pair_order"][row])],
                "format": FORMATS[int(arrays["truth/pair_format"][row])],
            }
    return found


def _channels(arrays: Arrays, prefix: str, table: str) -> np.ndarray | None:
    """The channel whose samples each row of a table counts, or None if the table does not say."""
    if f"{prefix}_channel" in arrays:
        return arrays[f"{prefix}_channel"]
    if f"{prefix}_pair" in arrays and HALVES.get(table) in arrays:
        return arrays[HALVES[table]][arrays[f"{prefix}_pair"]]
    return None


def _groups(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The rate groups, and what each one's measured array is called: `words` or `counts`."""
    found = (re.fullmatch(r"inputs/(r[^/]+)/(words|counts)", name) for name in arrays)
    return {m[1]: m[2] for m in found if m}


def _group_of_channel(arrays: Arrays) -> dict[int, str]:
    return {c: g for g in _groups(arrays) for c in arrays[f"inputs/{g}/channel_id"].tolist()}


def _group_in(path: str) -> str:
    """The rate group that a node's path ends in, or ""."""
    last = path.rpartition("/")[2]
    return last if re.fullmatch(r"r[0-9.e+-]+", last) else ""


def _rate(name: str) -> float:
    """The rate of a group (`r2000`) or of a variable in it, Hz."""
    return float((rate_group(name) or name)[1:])


def _age(name: str) -> tuple[str, list[Any]]:
    """Sort key: scenario, then version with its numbers as numbers."""
    scenario, _, version = name.rpartition("/")
    return scenario, [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", version) if p]
