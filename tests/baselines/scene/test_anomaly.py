"""Anomaly entries: features against plain numpy, laws of an entry, and events that each kind of entry must see."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from baselines.scene.anomaly_diff import AbsDifference
from baselines.scene.anomaly_evidence import Rarity
from baselines.scene.anomaly_forest import IsolationForest
from baselines.scene.anomaly_matrix_profile import MatrixProfile
from baselines.scene.anomaly_pca import PCA, SubPCA
from baselines.scene.anomaly_range import RollingRange
from baselines.scene.anomaly_relations import Relations, follows, halves
from baselines.scene.anomaly_zscore import RobustZ
from baselines.scene.binned import Binned, binned, robust_z
from baselines.scene.channels import bins
from baselines.scene.floors_anomaly import Chance, Constant
from scenarios.errors import InputError

ENTRIES = [
    RobustZ, AbsDifference, RollingRange, PCA, SubPCA, IsolationForest, MatrixProfile, Relations, Chance, Constant,
]  # fmt: skip
Inputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Recording:
    inputs: Inputs
    truth: Mapping[str, np.ndarray]
    kind: str = "toy"
    index: int = 0


def inputs_of(groups: Mapping[int, np.ndarray], first: int = 0) -> Inputs:
    """A recording with words (channels, samples) by rate."""
    out: Inputs = {}
    for rate, words in groups.items():
        base = f"inputs/r{rate}"
        count = words.shape[0]
        out |= {
            f"{base}/words": words.astype(np.uint16), f"{base}/channel_id": np.arange(first, first + count),
            f"{base}/n_samples": np.full(count, words.shape[1], np.int32),
            f"{base}/start_ns": np.zeros(count, np.int64), f"{base}/lsb": np.ones(count),
        }  # fmt: skip
        first += count
    return out


def bus(seed: int, seconds: float = 30.0) -> Inputs:
    """Two followers at unlike rates, a pair of halves, a noisy word, a flag and a constant."""
    rng = np.random.default_rng(seed)
    grid = np.arange(0, seconds, 0.01)
    walk = np.cumsum(rng.normal(0, 25, grid.size)) + 3000 * np.sin(grid * rng.uniform(0.5, 1.5))
    fast, slow = np.arange(round(seconds * 200)) / 200, np.arange(round(seconds * 50)) / 50
    at_fast, at_slow = np.interp(fast, grid, walk), np.interp(slow, grid, walk)
    value = (fast * 30_000).astype(np.int64)
    words = np.stack(
        [
            30_000 + at_fast + rng.normal(0, 5, fast.size), value >> 16, value & 0xFFFF,
            20_000 + rng.normal(0, 50, fast.size), (rng.random(fast.size) < 0.02).astype(int), np.full(fast.size, 7),
        ]
    )  # fmt: skip
    other = np.stack([25_000 - 0.5 * at_slow + rng.normal(0, 5, slow.size), 10_000 + rng.normal(0, 50, slow.size)])
    return inputs_of({200: words, 50: other})


@cache
def split() -> tuple[Recording, ...]:
    return tuple(Recording(bus(seed), {}) for seed in range(3))


@cache
def fitted(make: type) -> Any:
    entry = make()
    entry.fit(split(), split()[:1], np.random.default_rng(1))
    return entry


def predict(make: type, inputs: Inputs) -> dict[str, np.ndarray]:
    told = fitted(make).predict(inputs, {})
    assert told["score"].shape == (bins(inputs),)
    assert np.isfinite(told["score"]).all()
    return told


def test_features_equal_plain_numpy() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(0, 65536, (3, 100)).astype(np.uint16)
    words[1] = np.repeat(words[1, ::5], 5)
    words[2] = rng.integers(-500, 500, 100).astype(np.int16).view(np.uint16)
    b = binned(inputs_of({40: words}))
    assert b.count.shape == (3, 25)
    for row, channel in enumerate(b.ids.tolist()):
        own = words[channel]
        raw = own.astype(int)
        other = own.byteswap().astype(int)
        numbers = own.view(np.int16).astype(int) if b.signed[row] else raw
        step = np.diff(own, prepend=own[:1]).view(np.int16).astype(int)
        bend = np.diff(step.astype(np.int16), prepend=np.int16(0)).astype(int)
        toggles = np.bitwise_count(own ^ np.concatenate([own[:1], own[:-1]]))
        rolls = (step - np.diff(raw, prepend=raw[:1])) // 65536
        other_step = np.diff(other.astype(np.uint16), prepend=other[:1].astype(np.uint16)).view(np.int16).astype(int)
        for i in range(25):
            cut = slice(4 * i, 4 * i + 4)
            expected = {
                "mean": numbers[cut].mean(), "least": numbers[cut].min(), "most": numbers[cut].max(),
                "step": np.abs(step[cut]).mean(), "most_step": np.abs(step[cut]).max(),
                "bend": np.abs(bend[cut]).mean(), "most_bend": np.abs(bend[cut]).max(),
                "changes": (step[cut] != 0).mean(),
                "net": step[cut].sum(), "toggles": toggles[cut].mean(), "rolls": rolls[cut].sum(),
                "net_swapped": other_step[cut].sum(),
                "rolls_swapped": ((other_step - np.diff(other, prepend=other[:1])) // 65536)[cut].sum(),
                "last": numbers[cut][-1],
            }  # fmt: skip
            for name, value in expected.items():
                np.testing.assert_allclose(b[name][row, i], value, err_msg=name)
    assert b.signed[b.ids == 2].all()
    assert b["still"][b.ids == 1].max() >= 4


def test_robust_z_has_no_zero_spread_and_skips_what_is_empty() -> None:
    x = np.array([[5.0, 5, 5, 5, 9], [1.0, 2, 3, 4, 1e6]])
    filled = np.array([[True] * 5, [True, True, True, True, False]])
    z = robust_z(x, filled, 1.0)
    np.testing.assert_allclose(z[0], [0, 0, 0, 0, 4])
    assert z[1, 4] == 0
    assert np.abs(z[1]).max() < 3
    assert robust_z(np.empty((0, 5)), np.empty((0, 5), bool), 1.0).shape == (0, 5)


def test_rarity_is_the_share_of_normal_scores_beyond() -> None:
    rarity = Rarity(1)
    scores = np.abs(np.random.default_rng(2).standard_normal((1, 100, 1000)))
    rarity.add(scores, np.ones(1000, bool))
    rarity.close()
    told = rarity(np.array([[[0.0, 1.0, 1.96, 3.0, 6.0, 1e6]]]))[0]
    np.testing.assert_allclose(told[:4], [0, 0.5, 1.3, 2.57], atol=0.12)
    assert 3.2 < told[4] < told[5] < 20


@pytest.mark.parametrize("make", ENTRIES)
def test_same_seed_same_answers_whatever_was_asked_before(make: type) -> None:
    one, other = bus(10), bus(11, 12.0)
    told = predict(make, one)
    predict(make, other)
    again = make()
    again.fit(split(), split()[:1], np.random.default_rng(1))
    for name, array in again.predict(one, {}).items():
        np.testing.assert_array_equal(array, told[name])


@pytest.mark.parametrize("make", ENTRIES)
def test_order_and_ids_of_channels_do_not_matter(make: type) -> None:
    inputs = bus(12)
    moved: Inputs = {}
    for name, array in inputs.items():
        order = np.random.default_rng(len(inputs[name.rsplit("/", 1)[0] + "/channel_id"])).permutation(array.shape[0])
        moved[name] = array[order] + (1000 if name.endswith("channel_id") else 0)
    one, other = predict(make, inputs), predict(make, moved)
    np.testing.assert_array_equal(one["score"], other["score"])
    if "channel_id" in one:
        of = dict(zip(other["channel_id"] - 1000, other["channel_score"], strict=True))
        for channel, row in zip(one["channel_id"], one["channel_score"], strict=True):
            np.testing.assert_array_equal(row, of[channel])


@pytest.mark.parametrize("make", ENTRIES)
@pytest.mark.parametrize(
    "inputs",
    [
        inputs_of({50: np.full((3, 500), 9)}),
        inputs_of({50: np.arange(3)[None]}),
        inputs_of({3: np.arange(40)[None], 0.5: np.ones((1, 7))}),
        inputs_of({50: np.empty((0, 0)), 20: np.random.default_rng(0).integers(0, 65536, (2, 400))}),
        inputs_of({50: np.empty((0, 0))}),
        inputs_of({}),
        inputs_of({50: np.random.default_rng(0).integers(0, 2, (1, 5000))}),
    ],
    ids=["constant", "short", "slow", "none at a rate", "no channel", "no group", "flag"],
)
def test_odd_recordings_have_answers(make: type, inputs: Inputs) -> None:
    predict(make, inputs)


def test_channels_shorter_than_their_group_have_answers() -> None:
    inputs = bus(13)
    inputs["inputs/r200/n_samples"] = np.array([0, 1, 2, 3000, 6000, 6000], np.int32)
    for make in ENTRIES:
        predict(make, inputs)


@pytest.mark.parametrize("make", [e for e in ENTRIES if e is not IsolationForest])
def test_an_empty_split_leaves_answers(make: type) -> None:
    entry = make()
    entry.fit((), (), np.random.default_rng(0))
    assert entry.predict(bus(14), {})["score"].shape == (300,)


def test_a_forest_needs_something_to_grow_on() -> None:
    with pytest.raises(InputError, match="training split has none"):
        IsolationForest().fit((), (), np.random.default_rng(0))


def stands_out(make: type, inputs: Inputs, first: int, end: int) -> bool:
    score = predict(make, inputs)["score"]
    quiet = np.concatenate([score[: first - 5], score[end + 5 :]])
    return bool(score[first:end].max() > np.quantile(quiet, 0.99))


@pytest.mark.parametrize("make", [e for e in ENTRIES if e not in (Chance, Constant, MatrixProfile)])
def test_a_leap_is_seen(make: type) -> None:
    inputs = bus(15)
    words = inputs["inputs/r200/words"]
    words[3, 3000:3200:2] += 9000
    assert stands_out(make, inputs, 150, 160)


def test_matrix_profile_sees_another_shape() -> None:
    t = np.arange(3000) / 50
    words = 20_000 + 5000 * np.sin(2 * np.pi * t / 1.9)[None] + np.random.default_rng(3).normal(0, 20, (1, 3000))
    words[0, 1500:1600] = words[0, 1500]
    assert stands_out(MatrixProfile, inputs_of({50: words}), 30 * 10, 32 * 10)


@pytest.mark.parametrize("make", [PCA, Relations])
def test_a_value_that_no_longer_follows_is_seen(make: type) -> None:
    inputs = bus(16)
    words = inputs["inputs/r50/words"]
    words[0, 700:800] = words[0, 700:800] + (300 * np.sin(np.arange(100) / 100 * np.pi)).astype(np.uint16)
    assert stands_out(make, inputs, 140, 160)


def test_a_missing_carry_is_seen() -> None:
    inputs = bus(17)
    high = inputs["inputs/r200/words"][1]
    steps = np.flatnonzero(np.diff(high)) + 1
    at = int(steps[steps.size // 2])
    high[at : at + 200] = high[at - 1]
    score = predict(Relations, inputs)["score"]
    assert score[at // 20 + 1 : at // 20 + 9].min() > np.quantile(score[: at // 20 - 5], 0.99)


def test_relations_find_what_belongs_together() -> None:
    b: Binned = binned(bus(18))
    pairs = {frozenset(b.ids[list(pair)].tolist()) for pair in follows(b)}
    assert frozenset({0, 6}) in pairs
    assert [(int(b.ids[high]), int(b.ids[low]), swapped) for high, low, swapped in halves(b)] == [(1, 2, False)]
    swapped = bus(18)
    swapped["inputs/r200/words"][1:3] = swapped["inputs/r200/words"][1:3].byteswap()
    c = binned(swapped)
    assert [(int(c.ids[high]), int(c.ids[low]), swap) for high, low, swap in halves(c)] == [(1, 2, True)]
