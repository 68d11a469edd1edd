"""The sets behind the tracks: made or found, held against their pins, and streamed without truth.

A set is stored (zarr, below the folder of sets), made in memory as it is scored, or imported from real recordings.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from benchmarks.guard import refuse, runner_at_work
from benchmarks.track import Inputs, Recording, SetOf, Truth
from scenarios.access import sets_root
from scenarios.catalogue import available, load, override
from scenarios.digest import leaf, root
from scenarios.errors import InputError
from scenarios.schema import Arrays, check
from scenarios.spec import Spec, canonical, parse
from scenarios.store import Reader, published
from simulators.run import RECORDINGS, generate, header_for, header_of_recorded, key_of, store_recorded

SPLITS = ("train", "validation", "test")
PINS = Path(__file__).with_name("pins.json")
"""Digest of every set of every track, by its name; `python -m benchmarks.run --pin` writes it."""
PROVE = 2
"""Recordings of each split whose digests stand for a set that is never stored."""
REAL = {
    "recorded/css_canmod_gps": ("css_canmod_gps", "*.MF4", "canmod-gps.dbc"),
    "recorded/comma2k19_rav4": ("comma2k19_rav4", "raw_can_t.npy", "toyota_new_mc_pt_generated.dbc"),
}
"""Real recordings: folder below `$PROVINGGROUND_DATA/scene`, logs, DBC. `-words` and `-signals` name the view."""

Progress = Callable[[str, int, int], None]


class Source(Protocol):
    """The recordings of one set."""

    @property
    def digest(self) -> str:
        """What identifies their content."""

    def count(self, split: str) -> int:
        """Recordings of a split."""

    def inputs(self, split: str) -> Iterator[tuple[int, Inputs]]:
        """Index and inputs of each recording, in order. Nothing of the truth is read."""

    def truth(self, split: str, index: int) -> Truth:
        """The truth of one recording."""

    def secrets(self, split: str, index: int) -> dict[str, Any]:
        """What oracles are told beside the truth: `spec` and `key` of a simulated recording."""


@dataclass(frozen=True)
class Stored:
    """A published set."""

    path: Path
    of: SetOf

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.path)

    @property
    def digest(self) -> str:
        """The digest in its manifest."""
        return str(self._reader.manifest["digest"])

    def count(self, split: str) -> int:
        """Recordings of a split."""
        return int(self._reader.layout.header.splits.get(split, 0))

    def inputs(self, split: str) -> Iterator[tuple[int, Inputs]]:
        """Index and inputs of each recording; no file of the truth is opened."""
        if self.count(split):
            yield from self._reader.iterate(split, under="inputs/")

    def truth(self, split: str, index: int) -> Truth:
        """The truth of one recording."""
        refuse("truth")
        return self._reader.read(split, index, under="truth/")

    def secrets(self, split: str, index: int) -> dict[str, Any]:
        """Spec and key, of what was simulated."""
        return {} if self.of.scenario.startswith("recorded/") else _context(self.of, split, index)


@dataclass(frozen=True)
class Made:
    """A set that is made in memory as it is read: what can be made again need not be stored."""

    of: SetOf
    _last: dict[tuple[str, int], Truth] = field(default_factory=dict, compare=False, repr=False)
    """The truth of the recording that was made last: scoring asks for it next."""

    @cached_property
    def digest(self) -> str:
        """A root over the first recordings of each split, over the spec and the simulator's version."""
        module = import_module(f"simulators.{self.of.simulator}")
        spec = spec_of(self.of)
        leaves = []
        for split in SPLITS:
            for index in range(min(PROVE, self.count(split))):
                arrays = self._arrays(split, index)
                leaves.append((split, index, leaf(arrays, check(arrays, module.SCHEMA))))
        text = f"{canonical(spec)}|{module.VERSION}|{self.of.recordings}|{root(leaves)}"
        return hashlib.sha256(text.encode()).hexdigest()

    def count(self, split: str) -> int:
        """Recordings of a split."""
        return self.of.recordings[SPLITS.index(split)]

    def inputs(self, split: str) -> Iterator[tuple[int, Inputs]]:
        """Index and inputs of each recording, made one at a time; the next may overwrite the words of the last."""
        spare: dict[str, Any] = {}
        for index in range(self.count(split)):
            arrays = self._arrays(split, index, spare)
            self._last.clear()
            self._last[split, index] = _under(arrays, "truth/")
            yield index, _under(arrays, "inputs/")

    def truth(self, split: str, index: int) -> Truth:
        """The truth of one recording."""
        refuse("truth")
        last = self._last.get((split, index))
        return last if last is not None else _under(self._arrays(split, index), "truth/")

    def secrets(self, split: str, index: int) -> dict[str, Any]:
        """Spec and key."""
        return _context(self.of, split, index)

    def _arrays(self, split: str, index: int, spare: dict[str, Any] | None = None) -> Arrays:
        refuse("a set")
        module, secrets = import_module(f"simulators.{self.of.simulator}"), _context(self.of, split, index)
        found: Arrays = module.simulate_arrays(secrets["spec"], secrets["key"], spare)
        return found


class Recordings:
    """One split of several sets, as entries are given it: sized, streaming, any number of times.

    Inputs pass through `view`; without `labels` the truth is empty. Sources are out of an entry's reach.
    """

    def __init__(
        self,
        sources: Sequence[tuple[SetOf, Source]],
        split: str,
        view: Callable[[Inputs], Inputs] | None = None,
        labels: bool = True,
    ) -> None:
        """A split of some sets."""

        def count() -> int:
            return sum(source.count(split) for _, source in sources)

        def each() -> Iterator[Recording]:
            for of, source in sources:
                for index, stored in source.inputs(split):
                    yield Recording(
                        inputs=view(stored) if view else stored,
                        truth=source.truth(split, index) if labels else {},
                        kind=of.kind,
                        index=index,
                    )

        self._count, self._each = count, each

    def __len__(self) -> int:
        """How many recordings there are."""
        return self._count()

    def __iter__(self) -> Iterator[Recording]:
        """The recordings, set by set; one is in memory at a time."""
        recordings = self._each()
        while True:
            with runner_at_work():
                recording = next(recordings, None)
            if recording is None:
                return
            yield recording


def spec_of(of: SetOf) -> Spec:
    """The resolved spec of a simulated set."""
    name, table = load(of.simulator, of.scenario)
    changed = override(table, [f"{key}={value}" for key, value in of.overrides])
    found: Spec = parse(import_module(f"simulators.{of.simulator}").Spec, name, changed)
    return found


def name_of(of: SetOf) -> str:
    """A set's name on the board and among the pins: simulator, scenario, settings, recordings."""
    settings = ",".join(f"{key}={value}" for key, value in of.overrides)
    counts = "/".join(map(str, of.recordings))
    return f"{of.simulator}/{of.scenario}" + (f"[{settings}]" if settings else "") + f" {counts}"


def pins() -> dict[str, str]:
    """Digest by name of every set that is pinned."""
    return dict(json.loads(PINS.read_text())) if PINS.exists() else {}


def find(
    of: SetOf, sets: Path | None = None, progress: Progress | None = None, workers: int = 1, pinned: bool = True
) -> Source:
    """The source of a set, made first where it is stored and not there.

    Raises InputError where its digest is not the pinned one; `AbsentError` where real recordings are not to be had.
    """
    refuse("a set")
    source = _find(of, sets, progress, workers)
    told = pins().get(name_of(of))
    if pinned and told and source.digest != told:
        raise InputError(f"set '{name_of(of)}' must have the pinned digest {told[:12]}; it has {source.digest[:12]}")
    return source


class AbsentError(InputError):
    """Real recordings are not there."""


def _find(of: SetOf, sets: Path | None, progress: Progress | None, workers: int) -> Source:
    if of.made:
        return Made(of)
    if of.scenario.startswith("recorded/"):
        return _import(of, sets)
    spec = spec_of(of)
    counts = dict(zip(SPLITS, of.recordings, strict=True))
    changed = bool(of.overrides) or counts != RECORDINGS or of.scenario not in available(of.simulator)
    header = header_for(of.simulator, of.scenario, spec, counts, changed=changed,
                        command=f"python -m benchmarks.run (set {name_of(of)})")  # fmt: skip
    target = sets_root(sets) / header.identity
    if published(target, header) is None:
        generate(target, header, workers=workers, progress=progress)
    return Stored(target, of)


def at_hand(of: SetOf) -> bool:
    """Whether a set can be had: real recordings may be absent, or what reads them."""
    if not of.scenario.startswith("recorded/"):
        return True
    place = _place(of)
    return bool(place and place.is_dir() and all(find_spec(name) for name in ("asammdf", "cantools")))


def _place(of: SetOf) -> Path | None:
    data = os.environ.get("PROVINGGROUND_DATA")
    return Path(data, of.simulator, REAL[of.scenario.rpartition("-")[0]][0]) if data else None


def _import(of: SetOf, sets: Path | None) -> Source:
    """A set of real recordings, imported into the folder of sets unless it is there."""
    base, _, view = of.scenario.rpartition("-")
    folder, logs, dbc = REAL[base]
    place = _place(of)
    if not place or not place.is_dir():
        raise AbsentError(f"real recordings '{folder}' must lie in $PROVINGGROUND_DATA/{of.simulator}; they do not")
    try:
        from simulators.scene.recorded import scan

        source = scan(sorted(place.glob(logs)), place / dbc, "signals" if view == "signals" else "words")
    except ModuleNotFoundError as error:
        raise AbsentError(f"real recordings need '{error.name}'; pip install 'provingground[bus]'") from error
    header = header_of_recorded(of.simulator, source)
    target = sets_root(sets) / header.identity
    if published(target, header) is None:
        store_recorded(target, header, source)
    return Stored(target, of)


def _context(of: SetOf, split: str, index: int) -> dict[str, Any]:
    spec = spec_of(of)
    return {"spec": spec, "key": key_of(of.simulator, of.scenario, spec, split, index)}


def _under(arrays: Arrays, path: str) -> Arrays:
    return {name: array for name, array in arrays.items() if name.startswith(path)}
