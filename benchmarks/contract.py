"""What every entry of every track owes, as checks that anyone can run on an entry of their own.

    python -m benchmarks.contract --track scene/pairing --entry tolerant
    python -m benchmarks.contract --track scene/pairing --entry my_package.my_module:MyEntry

Each law is tried on a small version of the track: few, short recordings, made in memory.
"""

import copy
import dataclasses
import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.entries import entry_of
from benchmarks.evaluate import Clock, answers, rng_of
from benchmarks.sets import Recordings, Source, find
from benchmarks.track import Declared, Entry, Inputs, Prediction, Recording, SetOf, Track
from benchmarks.tracks import small
from scenarios import cli
from scenarios.errors import InputError

SHIFT = 1000
"""By how much channel ids are shifted: order among them stays, as it decides what word order is called."""

app = typer.Typer(add_completion=False, no_args_is_help=True)


@dataclass(frozen=True)
class Trial:
    """An entry on a small track."""

    track: Track
    declared: Declared
    name: str
    seed: int = 0

    @cached_property
    def sources(self) -> dict[SetOf, Source]:
        """The sets."""
        return {of: find(of, pinned=False) for of in self.track.sets}

    def split(self, name: str) -> "Listed":
        """A split, as training sees it."""
        own = Recordings(tuple((of, self.sources[of]) for of in self.track.train), name)
        view = self.track.task.view or (lambda inputs: inputs)
        return Listed([dataclasses.replace(r, inputs=view(_kept(r.inputs))) for r in own])

    def fitted(self) -> Entry:
        """The entry, fitted with its first parameters."""
        entry = self.declared.make(**{name: values[0] for name, values in self.declared.grid.items()})
        entry.fit(self.split("train"), self.split("validation"), rng_of(self.track.id, self.name, self.seed))
        return entry

    @cached_property
    def entry(self) -> Entry:
        """The fitted entry that most laws share."""
        return self.fitted()

    def recordings(self) -> Iterator[tuple[SetOf, int, Inputs, Any, Prediction]]:
        """Test recordings with the entry's answers."""
        test = self.track.tests[0]
        for of in test.sets:
            for index, inputs, truth, told in answers(self.track, self.declared, self.entry, of, self.sources[of], test,
                                                      Clock()):  # fmt: skip
                yield of, index, _kept(inputs), truth, told

    def context(self, of: SetOf, index: int, truth: Any) -> dict[str, Any]:
        """What the entry is told beside the inputs."""
        return {"truth": truth, **self.sources[of].context("test", index)} if self.declared.oracle else {}

    def columns(self, inputs: Inputs, truth: Any, told: Prediction) -> Mapping[str, float]:
        """The checked answer's figures, at a threshold that all laws share."""
        self.track.task.check(inputs, told)
        return self.track.task.columns(inputs, truth, told, _Calibration())


class _Calibration(dict[str, float]):
    """Every threshold is 0."""

    def __missing__(self, key: str) -> float:
        return 0.0


@dataclass(frozen=True)
class Listed:
    """A split held in memory: it is small."""

    of: list[Recording]

    def __len__(self) -> int:
        """How many recordings there are."""
        return len(self.of)

    def __iter__(self) -> Iterator[Recording]:
        """The recordings in order."""
        return iter(self.of)


def answers_well(trial: Trial) -> None:
    """It fits, and answers every recording with what the task asks for."""
    assert sum(1 for _ in trial.recordings()) > 0


def same_seed_same_answers(trial: Trial) -> None:
    """Fitted twice with one seed it gives one answer."""
    again = trial.fitted()
    for of, index, inputs, truth, told in trial.recordings():
        _same(told, again.predict(inputs, trial.context(of, index, truth)))


def seeds_matter_as_declared(trial: Trial) -> None:
    """Declared deterministic, it gives one answer whatever the seed: it is run once."""
    if not trial.declared.deterministic:
        return
    other = dataclasses.replace(trial, seed=trial.seed + 1).fitted()
    for of, index, inputs, truth, told in trial.recordings():
        _same(told, other.predict(inputs, trial.context(of, index, truth)))


def order_of_recordings(trial: Trial) -> None:
    """What it answered before does not matter."""
    items = list(trial.recordings())
    for of, index, inputs, truth, told in reversed(items):
        _same(told, trial.entry.predict(inputs, trial.context(of, index, truth)))


def inputs_are_left_alone(trial: Trial) -> None:
    """It does not change what it is given."""
    for of, index, inputs, truth, _ in trial.recordings():
        before = _kept(inputs)
        trial.entry.predict(inputs, trial.context(of, index, truth))
        for name, array in before.items():
            np.testing.assert_array_equal(array, inputs[name], err_msg=name)


def permuted_channels(trial: Trial) -> None:
    """The order in which channels come does not change the figures."""
    rng = np.random.default_rng(1)
    for of, index, inputs, truth, told in trial.recordings():
        if "inputs/score" in inputs or trial.declared.oracle:
            return
        mixed = _by_channel(inputs, lambda n: rng.permutation(n))
        again = trial.entry.predict(mixed, trial.context(of, index, truth))
        _same_figures(trial.columns(inputs, truth, told), trial.columns(mixed, truth, again))


def shifted_ids(trial: Trial) -> None:
    """Other channel numbers, in the same order, do not change the figures."""
    for of, index, inputs, truth, told in trial.recordings():
        if "inputs/score" in inputs or trial.declared.oracle:
            return
        moved = {n: a + SHIFT if n.endswith("/channel_id") else a for n, a in inputs.items()}
        again = dict(trial.entry.predict(moved, trial.context(of, index, truth)))
        for name in {"channel_id", "msb", "lsb"} & set(again):
            again[name] = np.asarray(again[name]) - SHIFT
        _same_figures(trial.columns(inputs, truth, told), trial.columns(inputs, truth, again))


def odd_channels(trial: Trial) -> None:
    """Constant channels, channels shorter than any window, and none at all have answers (or an InputError)."""
    for of, index, inputs, truth, _ in trial.recordings():
        if trial.declared.oracle:
            return
        for odd in _odd(inputs):
            try:
                told = trial.entry.predict(odd, trial.context(of, index, truth))
            except InputError as error:
                _one_line(error)
            else:
                trial.track.task.check(odd, told)
        return


def empty_split(trial: Trial) -> None:
    """Without a training recording it fits all the same, or says in a line that it cannot."""
    entry = trial.declared.make(**{name: values[0] for name, values in trial.declared.grid.items()})
    try:
        entry.fit(Listed([]), Listed([]), rng_of(trial.track.id, trial.name, 0))
    except InputError as error:
        _one_line(error)
        return
    for of, index, inputs, truth, _ in trial.recordings():
        trial.track.task.check(inputs, entry.predict(inputs, trial.context(of, index, truth)))


def without_truth_on_disk(trial: Trial) -> None:
    """With the truth gone from the disk its answers are the same."""
    if trial.declared.oracle:
        return
    kept = small(trial.track, stored=True)
    test = kept.tests[0]
    with tempfile.TemporaryDirectory() as folder:
        for of in test.sets[:1]:
            source: Any = find(of, Path(folder), pinned=False)
            view = trial.track.task.view or (lambda inputs: inputs)
            before = [trial.entry.predict(view(inputs), {}) for _, inputs in source.inputs(test.split)]
            shutil.rmtree(source.path / test.split / "truth")
            for told, (_, inputs) in zip(before, source.inputs(test.split), strict=True):
                _same(told, trial.entry.predict(view(inputs), {}))


def causal(trial: Trial) -> None:
    """A running statistic of drift does not look ahead."""
    if not trial.track.task.name.startswith("drift") or trial.declared.oracle:
        return
    for of, index, inputs, truth, told in trial.recordings():
        score = np.asarray(told["score"], float)
        half = score.size // 2
        short: Inputs
        if "inputs/score" in inputs:
            short = dict(inputs) | {"inputs/score": inputs["inputs/score"][:half]}
        else:
            short = _first(inputs, half * 0.1)
        again = np.asarray(trial.entry.predict(short, trial.context(of, index, truth))["score"], float)
        # the bin in which the recording ends may have seen fewer samples
        np.testing.assert_allclose(again[: half - 1], score[: half - 1], rtol=1e-6, atol=1e-9)


LAWS: tuple[Callable[[Trial], None], ...] = (
    answers_well, same_seed_same_answers, seeds_matter_as_declared, order_of_recordings, inputs_are_left_alone,
    permuted_channels, shifted_ids, odd_channels, empty_split, without_truth_on_disk, causal,
)  # fmt: skip


def broken(trial: Trial) -> dict[str, str]:
    """The laws that an entry breaks, each with how, in a line."""
    found = {}
    for law in LAWS:
        try:
            law(trial)
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            found[law.__name__] = text[:300]
    return found


def _one_line(error: InputError) -> None:
    if "\n" in str(error):
        raise AssertionError(f"an InputError must be one line; it is {str(error)!r}")


def _same(told: Prediction, again: Prediction) -> None:
    assert set(told) == set(again), f"answers hold {sorted(told)} and {sorted(again)}"
    for name in told:
        np.testing.assert_array_equal(np.asarray(told[name]), np.asarray(again[name]), err_msg=name)


def _same_figures(one: Mapping[str, float], other: Mapping[str, float]) -> None:
    assert set(one) == set(other)
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=1e-6, atol=1e-6, err_msg=name)


def _kept(inputs: Inputs) -> dict[str, np.ndarray]:
    """A copy: sources may use their memory again."""
    return {name: np.array(array) for name, array in copy.copy(dict(inputs)).items()}


def _by_channel(inputs: Inputs, order: Callable[[int], np.ndarray]) -> Inputs:
    """Inputs with the channels of each rate in another order."""
    found: dict[str, np.ndarray] = {}
    orders: dict[str, np.ndarray] = {}
    for name, array in inputs.items():
        group = name.split("/")[1]
        n = inputs[f"inputs/{group}/channel_id"].size
        if group not in orders:
            orders[group] = order(n)
        found[name] = array[orders[group]]
    return found


def _first(inputs: Inputs, seconds: float) -> Inputs:
    """The first seconds of a recording."""
    found: dict[str, np.ndarray] = {}
    for name, array in inputs.items():
        group = name.split("/")[1]
        n = round(seconds * float(group[1:]))
        if name.endswith("/n_samples"):
            found[name] = np.minimum(array, n).astype(array.dtype)
        else:
            found[name] = array[:, :n] if array.ndim == 2 else array
    return found


def _odd(inputs: Inputs) -> Iterator[Inputs]:
    """Recordings with a constant channel, with short channels, with a rate without channels, and with no channel."""
    if "inputs/score" in inputs:
        yield dict(inputs) | {"inputs/score": np.zeros_like(inputs["inputs/score"])}
        yield dict(inputs) | {"inputs/score": inputs["inputs/score"][:3]}
        return
    groups = list(dict.fromkeys(name.split("/")[1] for name in inputs))
    still = _kept(inputs)
    for group in groups:
        still[f"inputs/{group}/words"][0] = 7
    yield still
    short = _kept(inputs)
    for group in groups:
        short[f"inputs/{group}/n_samples"][-1] = 3
        short[f"inputs/{group}/n_samples"][0] = 0
    yield short
    yield _first(inputs, 0.05)
    yield {n: a[:0] if n.split("/")[1] == groups[0] else a for n, a in inputs.items()}
    yield {n: a[:0] for n, a in inputs.items()}


@app.command(help=__doc__)
def command(
    track: Annotated[str, typer.Option(help="Track.")],
    entry: Annotated[str, typer.Option(help="Entry of the track, or module:Class of one that nobody knows yet.")],
) -> int:
    """See the help text."""
    from benchmarks.tracks import track_of

    of = track_of(track)
    trial = Trial(small(of), _declared(of, entry), entry)
    wrong = broken(trial)
    for law in LAWS:
        what = (law.__doc__ or "").strip()
        print(f"{'BROKEN' if law.__name__ in wrong else 'ok':6}  {what}  {wrong.get(law.__name__, '')}".rstrip())
    if wrong:
        raise InputError(f"entry '{entry}' must keep all {len(LAWS)} laws; it breaks {len(wrong)}")
    return 0


def _declared(track: Track, entry: str) -> Declared:
    module, colon, name = entry.partition(":")
    if not colon:
        return entry_of(track, entry)
    try:
        made = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"--entry must name an entry or module:Class; '{entry}' is none ({error})") from error
    return made if isinstance(made, Declared) else Declared(make=made)


if __name__ == "__main__":
    raise SystemExit(cli.run(app, "benchmarks.contract"))
