"""What a track is, what an entry is, and what a run of one on the other leaves behind.

A track is a frozen declaration: sets, tests, what is asked, how it is scored, floors and ceiling. Its id and version
are fixed once published; a change makes a new version, and `superseded_by` names the track that took its place.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

SCHEMA = 1
"""Format of a result's file."""
Inputs = Mapping[str, np.ndarray]
"""Paths `inputs/...` of one recording, as in the set; no truth among them."""
Truth = Mapping[str, np.ndarray]
"""Paths `truth/...` of one recording."""
Prediction = Mapping[str, np.ndarray]
"""What an entry answers about one recording; the track's task says which arrays."""
Context = Mapping[str, Any]
"""What else an entry is given: the items that the track declares."""
Columns = Mapping[str, float]
"""Additive figures of one recording, from which metrics are computed."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recording as a training split yields it."""

    inputs: Inputs
    truth: Truth
    kind: str
    """The group it belongs to: scores are means over kinds, and the worst kind is told beside the mean."""
    index: int


class Split(Protocol):
    """Recordings that stream: sized, and iterable any number of times; one is in memory at a time."""

    def __len__(self) -> int:
        """How many recordings there are."""

    def __iter__(self) -> Iterator[Recording]:
        """The recordings in a fixed order."""


class Entry(Protocol):
    """A method on a track. An int attribute `parameters`, if there is one, tells how many numbers were fitted."""

    def fit(self, train: Split, validation: Split, rng: np.random.Generator) -> None:
        """Learn from recordings with truth. All randomness comes from `rng`; a second fit starts anew."""

    def predict(self, inputs: Inputs, context: Context) -> Prediction:
        """Answer about one recording: a function of what was fitted and of the arguments, nothing else."""


@dataclass(frozen=True, kw_only=True)
class SetOf:
    """A scenario set that a track uses, pinned by the digest of what is integer in it."""

    simulator: str
    scenario: str
    overrides: tuple[tuple[str, str], ...] = ()
    """Settings other than the scenario's own, such as ("duration_s", "30")."""
    recordings: tuple[int, int, int]
    """Train, validation and test recordings."""
    kind: str
    digest: str = ""
    made: bool = False
    """Made in memory as it is scored, not stored; the digest is then that of its first recordings."""


@dataclass(frozen=True, kw_only=True)
class Test:
    """A test of a track: `matched` to the training sets, `shifted` to a world unlike them, `real` recordings, or
    `normal` ones, in which every alarm is false.
    """

    __test__: ClassVar[bool] = False  # pytest takes classes of this name for its own
    name: str
    sets: tuple[SetOf, ...]
    split: str = "test"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score from sums of additive columns over recordings."""

    name: str
    meaning: str
    columns: tuple[str, ...]
    value: Callable[[np.ndarray], np.ndarray]
    """Sums of shape (..., columns) to scores of shape (...): NaN where there is nothing to score."""
    higher_is_better: bool = True
    best: float | None = 1.0
    """The best conceivable value, if there is one."""
    honest: float | None = None
    """The value that keeps its promise, where both more and less are worse."""

    @property
    def better(self) -> str:
        """Which values are better, in words."""
        if self.honest is not None:
            return f"nearest {self.honest:g} is best"
        return "higher is better" if self.higher_is_better else "lower is better"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked, and how one answer is scored: shared by the tracks that ask the same."""

    name: str
    question: str
    inputs: str
    """What an entry is given of a recording, in words."""
    target: str
    """What it is to answer, in words."""
    check: Callable[[Inputs, Prediction], None]
    """Raises InputError where an answer has not the shape that is asked for."""
    columns: Callable[[Inputs, Truth, Prediction, Mapping[str, Any]], Columns]
    """Figures of one recording from its truth, an answer and what `calibrate` found."""
    metrics: tuple[Metric, ...]
    main: str
    """Name of the metric that ranks."""
    calibrate: Callable[[Iterable[tuple[Inputs, Truth, Prediction]]], Mapping[str, Any]] | None = None
    """What is settled on the validation split before any test is seen, such as a threshold."""
    view: Callable[[Inputs], Inputs] | None = None
    """What entries see of stored inputs, where it is not just those."""
    context: Mapping[str, Callable[[SetOf, str, int], Any]] = field(default_factory=dict)
    """Items of the context that entries are given beside a recording's inputs, such as calibration repeats or label
    texts: each is made from a set, a split and an index."""

    def metric(self, name: str) -> Metric:
        """The metric of that name."""
        return next(m for m in self.metrics if m.name == name)


@dataclass(frozen=True, kw_only=True)
class Track:
    """A fixed comparison."""

    id: str
    version: int
    task: Task
    train: tuple[SetOf, ...]
    tests: tuple[Test, ...]
    main_test: str = "matched"
    floors: tuple[str, ...]
    """Names of the entries that every other one must beat."""
    ceiling: str | None
    """Name of the oracle whose score is the ceiling, or None."""
    ceiling_how: str
    """How the ceiling was got, or why there is none."""
    note: str = ""
    labels: bool = True
    """Whether training recordings come with their truth; without, `truth` is empty."""
    superseded_by: str | None = None

    @property
    def domain(self) -> str:
        """What its id begins with."""
        return self.id.partition("/")[0]

    @property
    def sets(self) -> tuple[SetOf, ...]:
        """All sets of the track, each once, in order."""
        return tuple(dict.fromkeys([*self.train, *(s for t in self.tests for s in t.sets)]))

    def test(self, name: str) -> Test:
        """The test of that name."""
        return next(t for t in self.tests if t.name == name)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """An entry as the board knows it: how to make one, and what holds of it."""

    make: Callable[..., Entry]
    """Called with one value of each parameter of the grid."""
    version: str = "1"
    about: str = ""
    """What it does, in a line, with its source."""
    deterministic: bool = True
    """Whether seeds make no difference: then it runs once."""
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Values of parameters to choose among by the main metric on the validation split."""
    oracle: bool = False
    """Whether it is given the truth, as a ceiling is. It stands on the board apart."""
    capped: str = ""
    """What it sees less of than others, if anything: the board marks it so."""
    package: str = "provingground"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run of an entry on a track, with one seed, left in `<results>/<track>/<entry>/<seed>.json`.

    Beside it lies `<seed>.parquet`: one row a recording and test, with its additive columns.
    """

    schema: int
    track: str
    track_version: int
    entry: str
    entry_version: str
    package: str
    about: str
    capped: str
    oracle: bool
    seed: int
    deterministic: bool
    status: str
    """ok, failed, timeout, or skipped."""
    reason: str
    """One line that says why it is not ok."""
    depends: str
    """Hash of what the result depends on: simulator, track, metrics, the entry's own files and parameters."""
    digests: Mapping[str, str]
    """Digest of each set by its name."""
    chosen: Mapping[str, Any]
    """Parameters chosen from the grid."""
    scores: Mapping[str, Mapping[str, Any]]
    """By test: by metric: `value`, `low`, `high` (95 %), `worst`, `worst_kind`, `kinds` (value by kind), `unscored`."""
    cost: Mapping[str, float | None]
    """fit_s (with the choice from the grid), predict_s, samples, samples_per_s, recordings, peak_bytes (of the whole
    process), parameters (None: the entry does not tell)."""
    record: Mapping[str, Any]
    """When, where and with what it ran: commit, versions, machine."""
    calibration: Mapping[str, Any] = field(default_factory=dict)
    """What the task settled on the validation split; `tails` tells of each threshold from a tail its 90 % interval."""
