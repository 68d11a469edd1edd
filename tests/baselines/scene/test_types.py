"""Laws of the channel profile and of the entries that tell what a word is."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import f1_score

from baselines.scene import floors_structure as floors
from baselines.scene.profile import NAMES, profile, swapped, ungray
from baselines.scene.type_boosting import WordBoosting
from baselines.scene.type_profile import FlipProfile
from baselines.scene.type_rules import RuleClassifier
from scenarios.errors import InputError
from scenarios.spec import load, parse
from simulators.run import key_of
from simulators.scene.generate import simulate_arrays
from simulators.scene.spec import SceneSpec

ENTRIES = {
    "rules": RuleClassifier,
    "flips": FlipProfile,
    "words": lambda: WordBoosting(scene=False, iterations=8),
    "scene": lambda: WordBoosting(iterations=8),
    "chance": floors.ChanceType,
    "majority": floors.MajorityType,
    "one feature": floors.OneFeatureType,
}


def group(rate: str, rows: list[list[int]], ids: list[int], valid: Any = None) -> dict[str, np.ndarray]:
    """Inputs of one rate; rows may differ in length."""
    longest = max((len(row) for row in rows), default=0)
    words = np.zeros((len(rows), longest), np.uint16)
    for i, row in enumerate(rows):
        words[i, : len(row)] = row
    base = f"inputs/r{rate}"
    found = {
        f"{base}/words": words,
        f"{base}/channel_id": np.array(ids, np.int32),
        f"{base}/n_samples": np.array([len(row) for row in rows], np.int32),
        f"{base}/start_ns": np.zeros(len(rows), np.int64),
        f"{base}/lsb": np.ones(len(rows)),
    }
    return found if valid is None else found | {f"{base}/valid": np.array(valid, bool)}


def scene(index: int, name: str = "mixed_formats", duration_s: float = 10) -> SimpleNamespace:
    """A short recording as a training split has it."""
    title, table = load("scene", name)
    spec = parse(SceneSpec, title, table | {"duration_s": duration_s})
    arrays = simulate_arrays(spec, key_of("scene", title, spec, "train", index))
    parts = {part: {k: v for k, v in arrays.items() if k.startswith(part)} for part in ("inputs", "truth")}
    return SimpleNamespace(**parts, kind=name, index=index)


def permuted(inputs: Mapping[str, np.ndarray], shift: int = 100) -> dict[str, np.ndarray]:
    """The same recording with channels of a rate in another order, and ids shifted."""
    found, rng = dict(inputs), np.random.default_rng(3)
    for base in {name.rpartition("/")[0] for name in inputs}:
        order = rng.permutation(inputs[f"{base}/channel_id"].size)
        for name in inputs:
            if name.startswith(f"{base}/"):
                found[name] = inputs[name][order]
        found[f"{base}/channel_id"] = found[f"{base}/channel_id"] + shift
    return found


ODD = (
    group("10", [[7] * 5, [3], [], list(range(40)), [1, 65535] * 20], [4, 9, 2, 31, 5])
    | group("3.5", [], [])
    | group("200", [[5, 5, 9, 2], [65535] * 4], [0, 1], valid=[[True, False, True, True], [True, True, False, False]])
)
TRAIN = [scene(0), scene(1, "clean_sync")]


@given(hnp.arrays(np.uint16, st.integers(0, 50)))
def test_profile_is_what_numpy_says(words: np.ndarray) -> None:
    p = profile(group("5", [words.tolist()], [0]))
    n = words.size
    flips = (words[1:] ^ words[:-1])[:, None] >> np.arange(16) & 1
    np.testing.assert_allclose(p.flips[0], flips.mean(axis=0) if n > 1 else np.zeros(16))
    np.testing.assert_allclose(p.ones[0], (words[:, None] >> np.arange(16) & 1).mean(axis=0) if n else np.zeros(16))
    assert np.isfinite(p.statistics).all()
    if n < 3:
        return
    x = words.astype(np.int64)
    step = np.diff(words).view(np.int16).astype(np.int64)
    _, counts = np.unique(words, return_counts=True)
    share = counts / n
    expected = {
        "mean": x.mean(), "sd": x.std(), "least": x.min(), "most": x.max(), "distinct": counts.size,
        "entropy": -(share * np.log2(share)).sum(), "changed": np.mean(step != 0), "step": np.abs(step).mean(),
        "raw_step": np.abs(np.diff(x)).mean(), "steady": np.mean(np.diff(step) == 0),
        "bend": np.abs(np.diff(step).astype(np.int16).astype(np.int64)).mean(),
        "jumps_up": np.mean(np.diff(x) < -32768), "jumps_down": np.mean(np.diff(x) > 32768),
        "swapped_step": np.abs(np.diff(words.byteswap()).view(np.int16).astype(np.int64)).mean(),
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(p[name][0], value, rtol=1e-9, atol=1e-6, err_msg=name)
    pairs = (x[1:] - x[1:].mean()) * (x[:-1] - x[:-1].mean())
    if x.var() > 1e-3:
        np.testing.assert_allclose(p["autocorrelation"][0], pairs.mean() / x.var(), rtol=1e-6, atol=1e-6)


def test_flips_are_counted_across_blocks() -> None:
    words = np.random.default_rng(0).integers(0, 65536, 10_001, dtype=np.uint16)
    p = profile(group("5", [words.tolist()], [0]))
    np.testing.assert_allclose(p.flips[0], ((words[1:] ^ words[:-1])[:, None] >> np.arange(16) & 1).mean(axis=0))


def test_codes_of_words() -> None:
    numbers = np.arange(65536, dtype=np.uint16)
    assert [int(ungray(g)) for g in (numbers ^ numbers >> 1)[::997]] == numbers[::997].tolist()
    assert int(swapped(np.uint16(0x1234))) == 0x3412


def test_lost_words_are_no_words() -> None:
    kept = profile(group("5", [[4, 9, 2]], [0]))
    held = profile(group("5", [[4, 4, 9, 9, 2]], [0], valid=[[True, False, True, False, True]]))
    np.testing.assert_array_equal(kept.statistics, held.statistics)
    np.testing.assert_array_equal(kept.flips, held.flips)


def test_rules_on_the_words_they_speak_of() -> None:
    rng = np.random.default_rng(0)
    slow = 20_000 + np.cumsum(rng.normal(0, 3, 4000)).round().astype(int)
    rows = [rng.integers(0, 2, 4000).tolist(), slow.tolist(), (np.arange(4000) * 100 % 65536).tolist()]
    rows.append(np.repeat(np.arange(40) * 1600, 100).tolist())
    told = RuleClassifier().predict(group("100", rows, [3, 1, 2, 0]), {})
    assert dict(zip(told["channel_id"].tolist(), told["node_type"].tolist(), strict=True)) == {3: 3, 1: 0, 2: 2, 0: 1}


def test_a_profile_seen_before_has_its_type() -> None:
    entry = FlipProfile(neighbours=1)
    entry.fit([TRAIN[1]], [], np.random.default_rng(0))
    told = entry.predict(TRAIN[1].inputs, {})
    assert np.mean(told["node_type"] == TRAIN[1].truth["truth/node_type"][told["channel_id"]]) > 0.9
    assert entry.parameters == 74 * 16


def test_carries_tell_halves_from_counters() -> None:
    scores = {}
    for what in (False, True):
        entry = WordBoosting(scene=what, iterations=20)
        entry.fit([scene(i, "clean_sync", 20) for i in range(3)], [], np.random.default_rng(0))
        test = scene(7, "clean_sync", 20)
        told = entry.predict(test.inputs, {})
        scores[what] = np.mean(told["node_type"] == test.truth["truth/node_type"][told["channel_id"]])
    assert scores[True] >= scores[False]
    assert scores[True] > 0.9


@pytest.mark.parametrize("name", ENTRIES)
class TestEveryEntry:
    def test_neither_order_nor_ids_matter(self, name: str) -> None:
        entry, again = ENTRIES[name](), ENTRIES[name]()
        entry.fit(TRAIN, [], np.random.default_rng(5))
        again.fit(TRAIN[::-1], [], np.random.default_rng(5))
        inputs = scene(2).inputs
        told = entry.predict(inputs, {})
        other = entry.predict(permuted(inputs), {})
        np.testing.assert_array_equal(told["channel_id"] + 100, other["channel_id"])
        np.testing.assert_array_equal(told["node_type"], other["node_type"])
        np.testing.assert_array_equal(told["node_type"], again.predict(inputs, {})["node_type"])
        assert sorted(told["channel_id"].tolist()) == list(range(74))
        assert told["node_type"].dtype == np.int64

    def test_odd_channels_have_an_answer(self, name: str) -> None:
        entry = ENTRIES[name]()
        entry.fit(TRAIN, [], np.random.default_rng(5))
        told = entry.predict(ODD, {})
        assert sorted(told["channel_id"].tolist()) == [0, 1, 2, 4, 5, 9, 31]
        assert set(told["node_type"].tolist()) <= {0, 1, 2, 3}
        assert entry.predict(group("10", [], []), {})["node_type"].size == 0
        assert entry.predict({}, {})["node_type"].size == 0

    def test_a_second_fit_starts_anew(self, name: str) -> None:
        entry, fresh = ENTRIES[name](), ENTRIES[name]()
        for split in ([TRAIN[0]], [TRAIN[1]]):
            entry.fit(split, [], np.random.default_rng(5))
        fresh.fit([TRAIN[1]], [], np.random.default_rng(5))
        np.testing.assert_array_equal(entry.predict(ODD, {})["node_type"], fresh.predict(ODD, {})["node_type"])


@pytest.mark.parametrize("name", ["flips", "words", "one feature"])
def test_nothing_to_learn_from_is_told(name: str) -> None:
    with pytest.raises(InputError, match="training split must have channels"):
        ENTRIES[name]().fit([], [], np.random.default_rng(0))


def test_one_type_only_can_be_learned() -> None:
    entry = WordBoosting(scene=False)
    entry.fit([SimpleNamespace(inputs=ODD, truth={"truth/node_type": np.full(32, 2)})], [], np.random.default_rng(0))
    assert set(entry.predict(ODD, {})["node_type"].tolist()) == {2}
    assert entry.parameters == 0


def test_the_one_feature_is_the_best_one() -> None:
    free, fixed = floors.OneFeatureType(), floors.OneFeatureType(feature="mean")
    for entry in (free, fixed):
        entry.fit(TRAIN, [], np.random.default_rng(0))
    assert NAMES[fixed._column] == "mean"
    true = np.concatenate([r.truth["truth/node_type"] for r in TRAIN])
    scores = [
        f1_score(true, np.concatenate([e.predict(r.inputs, {})["node_type"] for r in TRAIN]), average="macro")
        for e in (free, fixed)
    ]
    assert scores[0] > scores[1] > 0.1
