"""Laws of the entries that tell which bits of a word are used, and where fields begin."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.scene import floors_structure as floors
from baselines.scene.mask_joint import CutBoosting, JointFlips, neighbours
from baselines.scene.mask_read import MagnitudeCuts
from baselines.scene.mask_tang import AggregateCuts
from scenarios.errors import InputError
from scenarios.spec import load, parse
from simulators.run import key_of
from simulators.scene.generate import simulate_arrays
from simulators.scene.spec import SceneSpec

ENTRIES: dict[str, Any] = {
    "read": MagnitudeCuts,
    "tang": AggregateCuts,
    "joint": JointFlips,
    "boosting": lambda: CutBoosting(iterations=8),
    "chance": floors.ChanceMask,
    "majority": floors.MajorityMask,
    "all": floors.AllCuts,
    "one field": floors.OneField,
    "rising": floors.RisingFlips,
}


def inputs_of(rows: list[np.ndarray], ids: list[int] | None = None) -> dict[str, np.ndarray]:
    """Inputs of one rate; rows may differ in length."""
    words = np.zeros((len(rows), max((len(row) for row in rows), default=0)), np.uint16)
    for i, row in enumerate(rows):
        words[i, : len(row)] = row
    return {
        "inputs/r100/words": words,
        "inputs/r100/channel_id": np.array(ids if ids is not None else range(len(rows)), np.int32),
        "inputs/r100/n_samples": np.array([len(row) for row in rows], np.int32),
        "inputs/r100/start_ns": np.zeros(len(rows), np.int64),
        "inputs/r100/lsb": np.ones(len(rows)),
    }


def scene(index: int) -> SimpleNamespace:
    """A short recording of mostly bit words."""
    name, table = load("scene", "bitfield_dense")
    spec = parse(SceneSpec, name, table | {"duration_s": 10, "anomalies": {}})
    arrays = simulate_arrays(spec, key_of("scene", name, spec, "train", index))
    parts = {part: {k: v for k, v in arrays.items() if k.startswith(part)} for part in ("inputs", "truth")}
    return SimpleNamespace(**parts, kind=name, index=index)


TRAIN = [scene(0), scene(1)]
TIME = np.arange(20_000)


def cuts(entry: Any, *rows: np.ndarray) -> list[list[int]]:
    """Bits at which fields start, by word."""
    told = entry.predict(inputs_of(list(rows)), {})
    return [[b for b in range(16) if int(c) >> b & 1] for c in told["cuts"]]


def counters(*widths: int) -> np.ndarray:
    """Counters side by side, each once round in its own time."""
    word, at = np.zeros(TIME.size, np.int64), 0
    for k, width in enumerate(widths):
        word |= (TIME // (2 * k + 1) + 3 * k) % (1 << width) << at
        at += width
    return word.astype(np.uint16)


@given(st.lists(st.integers(0, 65535), max_size=30))
def test_neighbours_flip_together(values: list[int]) -> None:
    words = np.array(values, np.uint16)
    both, opposite = np.zeros(16), np.zeros(16)
    neighbours(words, both, opposite)
    flips = ((words[1:] ^ words[:-1])[:, None] >> np.arange(16) & 1).astype(bool)
    bits = (words[1:, None] >> np.arange(16) & 1).astype(bool)
    if len(values) > 1:
        pair = flips[:, 1:] & flips[:, :-1]
        np.testing.assert_allclose(both[1:], pair.mean(axis=0))
        np.testing.assert_allclose(opposite[1:], (pair & (bits[:, 1:] != bits[:, :-1])).mean(axis=0))
    else:
        assert not both.any()


@pytest.mark.parametrize("name", ["read", "tang", "joint", "rising"])
def test_counters_side_by_side_are_cut_where_they_meet(name: str) -> None:
    assert cuts(ENTRIES[name](), counters(5, 6, 5))[0] == [5, 11]


def test_magnitudes_cut_where_flips_get_more_by_a_decade() -> None:
    rng = np.random.default_rng(0)
    calm, busy = (rng.random(TIME.size) < 0.002).cumsum() % 2, (rng.random(TIME.size) < 0.4).cumsum() % 2
    assert cuts(MagnitudeCuts(), calm | busy << 1, busy | calm << 1) == [[1, 2], [2]]
    assert cuts(floors.RisingFlips(), calm | busy << 1) == [[1, 2]]


def test_joint_flips_know_what_rates_do_not() -> None:
    rng = np.random.default_rng(0)
    flags = [(rng.random(TIME.size) < share).cumsum() % 2 for share in (0.03, 0.02, 0.01)]
    separate = flags[0] | flags[1] << 1 | flags[2] << 2
    walk = (40 + np.cumsum(rng.choice([-1, 0, 1], TIME.size, p=[0.1, 0.8, 0.1]))) % 128
    enum = np.repeat(rng.integers(0, 8, 400), 50)
    assert cuts(JointFlips(), separate, walk, enum) == [[1, 2, 3], [7], [3]]
    assert cuts(MagnitudeCuts(), separate) == [[3]]


def test_what_boosting_learns_beats_what_rates_tell() -> None:
    def f1(entry: Any) -> float:
        right = told_all = true_all = 0
        entry.fit(TRAIN, [], np.random.default_rng(0))
        test = scene(5)
        told = entry.predict(test.inputs, {})
        starts = np.zeros(48, int)
        np.bitwise_or.at(starts, test.truth["truth/field_channel"], 1 << test.truth["truth/field_start"].astype(int))
        for channel, mask, word in zip(told["channel_id"], told["mask"], told["cuts"], strict=True):
            if test.truth["truth/node_type"][channel] == 3:
                known = int(mask) & int(mask) << 1 & 0xFFFE
                right += (int(word) & starts[channel] & known).bit_count()
                told_all, true_all = (
                    told_all + (int(word) & known).bit_count(),
                    true_all + (starts[channel] & known).bit_count(),
                )
        return 2 * right / (told_all + true_all)

    scores = {name: f1(ENTRIES[name]()) for name in ("rising", "read", "joint", "boosting")}
    assert scores["read"] < scores["joint"]
    assert scores["rising"] < scores["joint"]
    assert scores["boosting"] > 0.85


@pytest.mark.parametrize("name", ENTRIES)
class TestEveryEntry:
    def fitted(self, name: str, train: list = TRAIN) -> Any:
        entry = ENTRIES[name]()
        entry.fit(train, [], np.random.default_rng(5))
        return entry

    def test_neither_order_nor_ids_matter(self, name: str) -> None:
        entry, inputs = self.fitted(name), scene(2).inputs
        mixed: dict[str, np.ndarray] = dict(inputs)
        for base in ("inputs/r2000", "inputs/r200", "inputs/r50"):
            order = np.random.default_rng(1).permutation(inputs[f"{base}/channel_id"].size)
            mixed |= {k: v[order] for k, v in inputs.items() if k.startswith(f"{base}/")}
            mixed[f"{base}/channel_id"] = mixed[f"{base}/channel_id"] + 7
        told, other = by_id(entry.predict(inputs, {})), by_id(entry.predict(mixed, {}))
        assert {i + 7: found for i, found in told.items()} == other
        assert told == by_id(self.fitted(name, TRAIN[::-1]).predict(inputs, {}))

    def test_odd_channels_have_an_answer(self, name: str) -> None:
        entry = self.fitted(name)
        odd = [np.full(9, 40_000), np.array([3]), np.array([], int), np.array([1, 2]), np.tile([0, 65535], 20)]
        told = entry.predict(inputs_of(odd, [8, 1, 4, 11, 2]), {})
        assert sorted(told["channel_id"].tolist()) == [1, 2, 4, 8, 11]
        assert told["mask"].dtype == told["cuts"].dtype == np.uint16
        assert not (told["cuts"] & 1).any()
        assert entry.predict(inputs_of([]), {})["mask"].size == 0
        assert entry.predict({}, {})["mask"].size == 0


def by_id(told: Mapping[str, np.ndarray]) -> dict[int, tuple[int, int]]:
    return {int(i): (int(m), int(c)) for i, m, c in zip(told["channel_id"], told["mask"], told["cuts"], strict=True)}


@pytest.mark.parametrize("name", ["read", "tang", "joint", "one field", "rising"])
def test_still_words_have_no_field(name: str) -> None:
    told = ENTRIES[name]().predict(inputs_of([np.full(9, 40_000)]), {})
    assert (int(told["mask"][0]), int(told["cuts"][0])) == (0, 0)


def test_floors_say_what_they_are() -> None:
    every = floors.AllCuts().predict(inputs_of([np.arange(4)]), {})
    assert (int(every["mask"][0]), int(every["cuts"][0])) == (0xFFFF, 0xFFFE)
    one = floors.OneField().predict(inputs_of([np.arange(4)]), {})
    assert (int(one["mask"][0]), int(one["cuts"][0])) == (3, 0)


def test_nothing_to_learn_from_is_told() -> None:
    with pytest.raises(InputError, match="must have bit words that change"):
        CutBoosting().fit([], [], np.random.default_rng(0))
