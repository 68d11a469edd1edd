"""What every entry of every track owes, as checks that anyone can run on an entry of their own.

    python -m benchmarks.contract --track scene/pairing --entry tolerant
    python -m benchmarks.contract --track scene/pairing --entry my_package.my_module:MyEntry

Each law is tried on a small version of the track: few, short recordings, made in memory.
"""

import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from baselines.scene.channels import BIN_S
from benchmarks.entries import entry_of
from benchmarks.evaluate import LONGEST, Clock, answers, calibrate, context_of, rng_of, split_of
from benchmarks.guard import entry_at_work
from benchmarks.sets import Recordings, Source, Stored, find
from benchmarks.track import Context, Declared, Entry, Inputs, Prediction, SetOf, Test, Track, Truth
from benchmarks.tracks import small, track_of
from scenarios import cli
from scenarios.errors import InputError

SHIFT = 1000
"""By how much channel ids are shifted: order among them stays, as it decides what word order is called."""

app = typer.Typer(add_completion=False, no_args_is_help=True)


class Asked(NamedTuple):
    """A test recording, and what the entry answered."""

    of: SetOf
    number: int
    inputs: Inputs
    truth: Truth
    told: Prediction


@dataclass(frozen=True)
class Trial:
    """An entry on a small track. It is given just what a run gives it, and kept from what a run keeps it from."""

    track: Track
    declared: Declared
    name: str

    @cached_property
    def sources(self) -> dict[SetOf, Source]:
        """The sets."""
        return {of: find(of, pinned=False) for of in self.track.sets}

    @property
    def test(self) -> Test:
        """The only one of a small track."""
        return self.track.tests[0]

    def fitted(self, seed: int = 0, empty: bool = False) -> Entry:
        """The entry, made with its first parameters and fitted; on nothing where `empty`."""
        train, validation = (
            Recordings((), split) if empty else split_of(self.track, self.sources, split)
            for split in ("train", "validation")
        )
        with entry_at_work():
            entry = self.declared.make(**{name: values[0] for name, values in self.declared.grid.items()})
            entry.fit(train, validation, rng_of(self.track.id, self.name, seed))
        return entry

    @cached_property
    def entry(self) -> Entry:
        """The fitted entry that most laws share."""
        return self.fitted()

    @cached_property
    def _asked(self) -> tuple[Asked, ...]:
        return tuple(
            Asked(of, index, _kept(inputs, writeable=False), truth, _kept(told))
            for of in self.test.sets
            for index, inputs, truth, told in answers(
                self.track, self.declared, self.entry, of, self.sources[of], self.test, Clock()
            )
        )

    def recordings(self) -> Sequence[Asked]:
        """The test recordings with the entry's answers; it is asked once."""
        return self._asked

    def context(self, of: SetOf, index: int, truth: Truth) -> Context:
        """What the entry is told beside the inputs; of an oracle that is `truth` too."""
        told = context_of(self.track, self.declared, of, self.sources[of], self.test.split, index)
        return {**told, "truth": truth} if self.declared.oracle else told

    def ask(self, asked: Asked, inputs: Inputs | None = None, entry: Entry | None = None) -> Prediction:
        """What the entry, or another, answers now about a recording, or about other inputs in its place."""
        context = self.context(asked.of, asked.number, asked.truth)
        with entry_at_work():
            return (self.entry if entry is None else entry).predict(asked.inputs if inputs is None else inputs, context)

    def columns(self, inputs: Inputs, truth: Truth, told: Prediction) -> Mapping[str, float]:
        """The checked answer's figures, at the thresholds of the validation split."""
        self.track.task.check(inputs, told)
        return self.track.task.columns(inputs, truth, told, self.calibration)

    @cached_property
    def calibration(self) -> Mapping[str, Any]:
        """What the task settles on the fitted entry's answers to the validation split."""
        return calibrate(self.track, self.declared, self.entry, self.sources)

    def alike(self, asked: Asked, inputs: Inputs, told: Prediction) -> None:
        """Raises AssertionError where an answer to changed inputs scores otherwise, or scores bins otherwise."""
        _same_scores(asked.told, told)
        _same_figures(self.columns(*asked[2:]), self.columns(inputs, asked.truth, told))


def answers_well(trial: Trial) -> None:
    """It fits, and answers every recording with what the task asks for."""
    assert len(trial.recordings()) > 0


def same_seed_same_answers(trial: Trial) -> None:
    """Fitted twice with one seed it gives one answer."""
    again = trial.fitted()
    for asked in trial.recordings():
        _same(asked.told, trial.ask(asked, entry=again))


def seeds_matter_as_declared(trial: Trial) -> None:
    """Declared deterministic, it gives one answer whatever the seed: it is run once."""
    if not trial.declared.deterministic:
        return
    other = trial.fitted(seed=1)
    for asked in trial.recordings():
        _same(asked.told, trial.ask(asked, entry=other))


def order_of_recordings(trial: Trial) -> None:
    """Test recordings in another order get the same answers; that of training recordings may matter."""
    for asked in reversed(trial.recordings()):
        _same(asked.told, trial.ask(asked))


def inputs_are_left_alone(trial: Trial) -> None:
    """It does not change what it is given, even where it could."""
    for asked in trial.recordings():
        given = _kept(asked.inputs)
        trial.ask(asked, given)
        for name, array in asked.inputs.items():
            np.testing.assert_array_equal(given[name], array, err_msg=name)


def permuted_channels(trial: Trial) -> None:
    """The order in which channels come changes neither the figures nor the scores of bins."""
    if trial.declared.oracle:
        return
    rng = np.random.default_rng(1)
    for asked in trial.recordings():
        if "inputs/score" in asked.inputs:
            return
        mixed = _by_channel(asked.inputs, lambda n: rng.permutation(n))
        trial.alike(asked, mixed, trial.ask(asked, mixed))


def shifted_ids(trial: Trial) -> None:
    """Other channel numbers, in the same order, change neither the figures nor the scores of bins."""
    if trial.declared.oracle:
        return
    for asked in trial.recordings():
        if "inputs/score" in asked.inputs:
            return
        moved = {n: a + SHIFT if n.endswith("/channel_id") else a for n, a in asked.inputs.items()}
        again = dict(trial.ask(asked, moved))
        for name in {"channel_id", "msb", "lsb"} & set(again):
            again[name] = np.asarray(again[name]) - SHIFT
        trial.alike(asked, asked.inputs, again)


def odd_channels(trial: Trial) -> None:
    """Constant channels, channels shorter than any window, and none at all have answers (or an InputError)."""
    if trial.declared.oracle:
        return
    asked = trial.recordings()[0]
    for odd in _odd(asked.inputs):
        try:
            told = trial.ask(asked, odd)
        except InputError as error:
            _one_line(error)
        else:
            trial.track.task.check(odd, told)


def empty_split(trial: Trial) -> None:
    """Without a training recording it fits all the same, or says in a line that it cannot."""
    try:
        entry = trial.fitted(empty=True)
    except InputError as error:
        _one_line(error)
        return
    for asked in trial.recordings():
        trial.track.task.check(asked.inputs, trial.ask(asked, entry=entry))


def without_truth_on_disk(trial: Trial) -> None:
    """With the truth gone from the disk its answers are the same."""
    if trial.declared.oracle:
        return
    test = small(trial.track, stored=True).tests[0]
    of, view = test.sets[0], trial.track.task.view or (lambda inputs: inputs)
    with tempfile.TemporaryDirectory() as folder:
        source = find(of, Path(folder), pinned=False)
        assert isinstance(source, Stored)

        def told() -> Iterator[dict[str, np.ndarray]]:
            for index, inputs in source.inputs(test.split):
                context = context_of(trial.track, trial.declared, of, source, test.split, index)
                with entry_at_work():
                    answer = trial.entry.predict(view(inputs), context)
                yield _kept(answer)

        before = list(told())
        shutil.rmtree(source.path / test.split / "truth")
        for one, other in zip(before, told(), strict=True):
            _same(one, other)


def causal(trial: Trial) -> None:
    """A running statistic of drift does not look ahead."""
    if not trial.track.task.name.startswith("drift") or trial.declared.oracle:
        return
    for asked in trial.recordings():
        score = np.asarray(asked.told["score"], float)
        half = score.size // 2
        short: Inputs
        if "inputs/score" in asked.inputs:
            short = {**asked.inputs, "inputs/score": asked.inputs["inputs/score"][:half]}
        else:
            short = _first(asked.inputs, half * BIN_S)
        again = np.asarray(trial.ask(asked, short)["score"], float)
        # the bin in which the recording ends may have seen fewer samples
        np.testing.assert_allclose(again[: half - 1], score[: half - 1], rtol=1e-6, atol=1e-9)


LAWS: tuple[Callable[[Trial], None], ...] = (
    answers_well, same_seed_same_answers, seeds_matter_as_declared, order_of_recordings, inputs_are_left_alone,
    permuted_channels, shifted_ids, odd_channels, empty_split, without_truth_on_disk, causal,
)  # fmt: skip


def broken(trial: Trial) -> dict[str, str]:
    """The laws that an entry breaks, each with how, in a line. One that does not answer well is asked no further."""
    found: dict[str, str] = {}
    for law in LAWS:
        try:
            law(trial)
        except (Exception, SystemExit) as error:
            found[law.__name__] = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]
            if law is answers_well:
                break
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


def _same_scores(told: Prediction, again: Prediction) -> None:
    """Scores of bins, and those of channels by their id, are close: sums may run in another order."""
    for name in ("score", "channel_score") if "score" in told else ():
        if name in told:
            one, other = (_by_id(a, name) for a in (told, again))
            np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-6, err_msg=name)


def _by_id(told: Prediction, name: str) -> np.ndarray:
    scores = np.asarray(told[name], float)
    return scores[np.argsort(told["channel_id"])] if name == "channel_score" else scores


def _kept(arrays: Mapping[str, np.ndarray], writeable: bool = True) -> dict[str, np.ndarray]:
    """Copies: sources and entries may use their memory again."""
    found = {name: np.array(array) for name, array in arrays.items()}
    for array in found.values():
        array.flags.writeable = writeable
    return found


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
) -> None:
    """See the help text."""
    trial = Trial(small(track_of(track)), _declared(track_of(track), entry), entry)
    wrong = broken(trial)
    rest = "-" if answers_well.__name__ in wrong else "ok"
    for law in LAWS:
        mark = "BROKEN" if law.__name__ in wrong else rest
        print(f"{mark:6}  {law.__name__:24}  {law.__doc__}  {wrong.get(law.__name__, '')}".rstrip())
    if wrong:
        raise InputError(f"entry '{entry}' must keep all {len(LAWS)} laws; it breaks {', '.join(wrong)}")


def _declared(track: Track, entry: str) -> Declared:
    """An entry by its name, or a class as an entry point would declare it."""
    module, colon, name = entry.partition(":")
    if not colon:
        return entry_of(track, entry)
    try:
        made = getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever a module does on import
        text = f"{type(error).__name__}: {error}"
        raise InputError(f"--entry must name an entry or module:Class; '{entry}' is none ({text})") from error
    return made if isinstance(made, Declared) else Declared(make=made, deterministic=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return cli.run(app, "benchmarks.contract", arguments)


if __name__ == "__main__":
    raise SystemExit(main())
