"""Each law of the contract has an entry that breaks it alone; a package keeps all and gets on the board."""

import dataclasses
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import plugins
import pytest

from baselines.scene.channels import BIN_S, bins
from benchmarks import contract, entries, run
from benchmarks.board import board
from benchmarks.contract import LAWS, Trial, broken
from benchmarks.pages import page
from benchmarks.sets import find
from benchmarks.track import Declared, SetOf, Track
from benchmarks.tracks import TRACKS, small

TRACK = "scene/node-type"
STREAMS = "scene/drift"
FITS = itertools.count()


class Plain:
    """Calls every word plain, and keeps all laws."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        pass

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        ids = np.concatenate([a for name, a in inputs.items() if name.endswith("/channel_id")])
        return {"channel_id": ids, "node_type": self.types(inputs, ids)}

    def types(self, inputs: Any, ids: np.ndarray) -> np.ndarray:
        return np.zeros(ids.size, np.int64)


class Short(Plain):
    def types(self, inputs: Any, ids: np.ndarray) -> np.ndarray:
        return np.zeros(ids.size - 1, np.int64)


class CountsFits(Plain):
    """Each fit has another answer, whatever the seed."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        self.type = next(FITS) % 4

    def types(self, inputs: Any, ids: np.ndarray) -> np.ndarray:
        return np.full(ids.size, self.type)


class Draws(Plain):
    """The type of a channel hangs on its words and on the seed."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        self.key = int(rng.integers(2**31))

    def types(self, inputs: Any, ids: np.ndarray) -> np.ndarray:
        words = [row for name, a in inputs.items() if name.endswith("/words") for row in a]
        return np.array([np.random.default_rng([self.key, int(w.sum())]).integers(4) for w in words], np.int64)


class Compares(Plain):
    """Lists the channels backwards after a recording of larger words: the figures are the same, the answers are not."""

    last = 0

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        before, self.last = self.last, sum(int(a.sum()) for name, a in inputs.items() if name.endswith("/words"))
        return {name: a[:: -1 if self.last < before else 1] for name, a in super().predict(inputs, context).items()}


class Scribbles(Plain):
    """Writes where it may."""

    def types(self, inputs: Any, ids: np.ndarray) -> np.ndarray:
        for name, array in inputs.items():
            if name.endswith("/words") and array.flags.writeable:
                array[:] = 0
        return super().types(inputs, ids)


class ByPosition(Plain):
    def types(self, inputs: Any, ids: np.ndarray) -> np.ndarray:
        return np.arange(ids.size) % 2


class ById(Plain):
    def types(self, inputs: Any, ids: np.ndarray) -> np.ndarray:
        return np.where(ids < contract.SHIFT, 0, 1)


class NeedsSamples(Plain):
    """Looks at the third sample of every channel."""

    def types(self, inputs: Any, ids: np.ndarray) -> np.ndarray:
        for name, array in inputs.items():
            if name.endswith("/n_samples") and array.min() < 3:
                raise IndexError("index 2 is out of bounds")
        return super().types(inputs, ids)


class NeedsTraining(Plain):
    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        next(iter(train))


class FindsTheSet(Plain):
    """Looks for the truth where sets are stored, in a way that the guard cannot see."""

    def types(self, inputs: Any, ids: np.ndarray) -> np.ndarray:
        sets = Path(tempfile.gettempdir()).glob("*/*/*/*.zarr")
        return np.full(ids.size, int(any((path / "test" / "truth").is_dir() for path in sets)))


class LooksAhead:
    """The mean of a whole stream is taken from all of it."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        pass

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        score = inputs["inputs/score"]
        return {"score": score - score.mean()}


class Watches:
    """Scores each bin of a recording by the first word in it, summed over channels; keeps all laws."""

    def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
        pass

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        score = np.zeros(bins(inputs))
        for name in (name for name in inputs if name.endswith("/words")):
            step, sizes = float(name.split("/")[1][1:]) * BIN_S, inputs[name.replace("words", "n_samples")]
            for row, words in enumerate(inputs[name]):
                at = np.arange(score.size)[: int(np.ceil(sizes[row] / step))]
                score[at] += self.weight(row) * words[(at * step).astype(int)] / 65536
        return {"score": self.told(score, inputs)}

    def weight(self, row: int) -> float:
        return 1.0

    def told(self, score: np.ndarray, inputs: Any) -> np.ndarray:
        return score


class WatchesByRow(Watches):
    def weight(self, row: int) -> float:
        return 1.0 + row


class WatchesById(Watches):
    def told(self, score: np.ndarray, inputs: Any) -> np.ndarray:
        return score + sum(float(a.sum()) for name, a in inputs.items() if name.endswith("/channel_id"))


class WatchesAhead(Watches):
    def told(self, score: np.ndarray, inputs: Any) -> np.ndarray:
        return score - score.sum() / max(score.size, 1)


class BlamesByPlace(Watches):
    """The scores of a recording are right; those of its channels go by where they stand."""

    def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
        found = super().predict(inputs, context)
        ids = np.concatenate([a for name, a in inputs.items() if name.endswith("/channel_id")])
        return found | {"channel_id": ids, "channel_score": np.arange(ids.size)[:, None] + 0 * found["score"]}


VIOLATORS = {
    "answers_well": (TRACK, Declared(make=Short)),
    "same_seed_same_answers": (TRACK, Declared(make=CountsFits, deterministic=False)),
    "seeds_matter_as_declared": (TRACK, Declared(make=Draws)),
    "order_of_recordings": (TRACK, Declared(make=Compares)),
    "inputs_are_left_alone": (TRACK, Declared(make=Scribbles)),
    "permuted_channels": (TRACK, Declared(make=ByPosition)),
    "shifted_ids": (TRACK, Declared(make=ById)),
    "odd_channels": (TRACK, Declared(make=NeedsSamples)),
    "empty_split": (TRACK, Declared(make=NeedsTraining)),
    "without_truth_on_disk": (TRACK, Declared(make=FindsTheSet)),
    "causal": (STREAMS, Declared(make=LooksAhead)),
}


ON_RECORDINGS = {
    "permuted_channels": WatchesByRow, "shifted_ids": WatchesById, "causal": WatchesAhead,
}  # fmt: skip


def test_every_law_has_an_entry_that_breaks_it() -> None:
    assert list(VIOLATORS) == [law.__name__ for law in LAWS]


@pytest.mark.parametrize("law", VIOLATORS)
def test_an_entry_that_breaks_a_law_is_told_so(law: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    track, declared = VIOLATORS[law]
    found = broken(Trial(small(TRACKS[track]), declared, "violator"))
    assert list(found) == [law], found
    assert "\n" not in found[law]


@pytest.mark.parametrize("law", ON_RECORDINGS)
def test_laws_that_hang_on_scores_have_a_violator_on_recordings_with_drift(
    law: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    track = small(TRACKS["scene/drift-recordings"])
    assert list(broken(Trial(track, Declared(make=ON_RECORDINGS[law]), "violator"))) == [law]


def test_scores_of_bins_and_of_channels_are_held_to_the_laws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    track = small(TRACKS["scene/drift-recordings"])
    assert broken(Trial(track, Declared(make=Watches), "good")) == {}
    assert list(broken(Trial(track, Declared(make=BlamesByPlace), "violator"))) == ["permuted_channels"]


@pytest.mark.parametrize("declared", [Declared(make=Plain), Declared(make=Draws, deterministic=False)])
def test_an_entry_that_keeps_all_laws_breaks_none(declared: Declared) -> None:
    assert broken(Trial(small(TRACKS[TRACK]), declared, "good")) == {}


def test_a_trial_gives_what_the_track_gives() -> None:
    """No truth in training without labels, the declared context, and no set within reach."""
    told = []

    class Listens(Plain):
        def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
            assert not any(r.truth for r in (*train, *validation))

        def predict(self, inputs: Any, context: Any) -> dict[str, np.ndarray]:
            told.append(dict(context))
            return super().predict(inputs, context)

    def calibration(of: SetOf, split: str, index: int) -> tuple[str, str, int]:
        return (of.kind, split, index)

    plain = small(TRACKS[TRACK])
    track = dataclasses.replace(
        plain, labels=False, task=dataclasses.replace(plain.task, context={"calibration": calibration})
    )
    assert broken(Trial(track, Declared(make=Listens), "listens")) == {}
    assert [c["calibration"] for c in told[:2]] == [(of.kind, "test", 0) for of in track.tests[0].sets]
    assert {tuple(c) for c in told} == {("calibration",)}

    class Peeks(Plain):
        def fit(self, train: Any, validation: Any, rng: np.random.Generator) -> None:
            find(track.tests[0].sets[0])

    assert "must not ask for a set" in broken(Trial(track, Declared(make=Peeks), "peeks"))["answers_well"]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Track]:
    """The track of the example package, which is installed."""
    plugins.install_example(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    entries._plugged.cache_clear()
    yield small(TRACKS[TRACK])
    entries._plugged.cache_clear()
    sys.modules.pop("example_entries", None)


def test_the_example_package_keeps_all_laws(example: Track) -> None:
    assert broken(Trial(example, entries.entry_of(example, "all-plain"), "all-plain")) == {}


def test_the_example_package_gets_on_the_board(example: Track, tmp_path: Path) -> None:
    results, before = tmp_path / "results", dict(os.environ)
    wanted = ("--track", TRACK, "--small", "--seeds", "2", "--entry", "all-plain", "--entry", "majority")
    assert run.main([*wanted, "--results", str(results), "--workers", "2"]) == 0
    assert dict(os.environ) == before  # threads of this process may run, and numba refuses another number of them
    found = board(results, {TRACK: example}).tracks[TRACK]
    assert found.left == ()
    stands = {s.name: (s.role, s.result.package, s.result.entry_version, len(s.runs)) for s in found.standings}
    assert stands["all-plain"] == ("entry", "provingground-example", "0.3", 2)
    assert stands["majority"][:2] == ("floor", "provingground")
    (ranked,) = found.ranked
    assert ranked.name == "all-plain"
    assert "from provingground-example" in page(found)


@pytest.mark.parametrize(
    ("entry", "status", "wrong"),
    [("majority", 0, []), ("test_contract:ByPosition", 2, ["permuted_channels"])],
)
def test_the_command_tells_which_laws_are_kept(
    entry: str, status: int, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert contract.main(["--track", TRACK, "--entry", entry]) == status
    out, err = capsys.readouterr()
    marks = {line.split()[1]: line.split()[0] for line in out.splitlines()}
    assert marks == {law.__name__: "BROKEN" if law.__name__ in wrong else "ok" for law in LAWS}
    line = f"error: entry '{entry}' must keep all {len(LAWS)} laws; it breaks {', '.join(wrong)}\n"
    assert err == (line if wrong else "")


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("nowhere:Mine", "error: --entry must name an entry or module:Class; 'nowhere:Mine' is none (ModuleNotFound"),
        ("test_contract:Mine", "error: --entry must name an entry or module:Class; 'test_contract:Mine' is none"),
        ("majorty", f"error: entry 'majorty' of track '{TRACK}' not found; did you mean 'majority'?"),
    ],
)
def test_an_entry_that_is_not_there_gets_one_line(entry: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert contract.main(["--track", TRACK, "--entry", entry]) == 2
    err = capsys.readouterr().err
    assert err.startswith(line)
    assert err.count("\n") == 1
