"""Laws of the pairing entries: what a pair made by hand must give under every coding, and what must not matter."""

from collections.abc import Mapping
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.scene import carry
from baselines.scene.assign import assign
from baselines.scene.pair_exact import ExactCarry
from baselines.scene.pair_format import FormatSearch
from baselines.scene.pair_gbm import FEATURES, PairBoosting
from baselines.scene.pair_mi import BitMutualInformation
from baselines.scene.pair_smooth import Smooth
from baselines.scene.pair_tolerant import TolerantCarry
from scenarios.spec import load, parse
from simulators.run import key_of
from simulators.scene.generate import simulate_arrays
from simulators.scene.spec import FORMATS, ORDERS, SceneSpec

RULES: dict[str, Any] = {
    "exact": ExactCarry,
    "tolerant": TolerantCarry,
    "smooth": Smooth,
    "information": BitMutualInformation,
    "format": FormatSearch,
}
RATE, SAMPLES = 200.0, 6000
HIGH, LOW = 7, 3
Inputs = dict[str, np.ndarray]


def gray(x: np.ndarray) -> np.ndarray:
    return x ^ (x >> 1)


def values(seed: int = 0, speed: float = 40_000.0) -> np.ndarray:
    """A value that swings over some hundred boundaries, up and down."""
    t = np.arange(SAMPLES) / RATE
    noise = np.random.default_rng(seed).normal(0, 20, SAMPLES)
    return (50e6 + speed * 4 * np.sin(2 * np.pi * t / 25 + seed) * 25 / 8 + speed * t / 4 + noise).astype(np.int64)


def halves(x: np.ndarray, modulus: int = 65536) -> tuple[np.ndarray, np.ndarray]:
    return (x // modulus).astype(np.uint16), (x % modulus).astype(np.uint16)


def bus(high: np.ndarray, low: np.ndarray, *, late_ns: int = 0, others: bool = True) -> Inputs:
    """A pair on channels HIGH and LOW among words that are in no pair; the low half in a group of its own if late."""
    rng = np.random.default_rng(1)
    walk = (30_000 + np.cumsum(rng.normal(0, 20, SAMPLES))).clip(0, 65535).astype(np.uint16)
    wrapping = (np.arange(SAMPLES) * 91 % 65536).astype(np.uint16)
    flag = (rng.random(SAMPLES) < 0.01).cumsum().astype(np.uint16) & np.uint16(1)
    flags = rng.integers(0, 65536, SAMPLES).astype(np.uint16) & np.uint16(0xA00C)
    rows = {HIGH: high, LOW: low}
    rows |= {1: walk, 4: wrapping, 9: flag, 12: flags} if others else {}
    return group(RATE, rows, {LOW: late_ns})


def group(rate: float, rows: Mapping[int, np.ndarray], late_ns: Mapping[int, int]) -> Inputs:
    base = f"inputs/r{rate:g}"
    ids = np.array(sorted(rows), np.int32)
    length = max((row.size for row in rows.values()), default=0)
    words = np.zeros((ids.size, length), np.uint16)
    for at, channel in enumerate(ids.tolist()):
        words[at, : rows[channel].size] = rows[channel]
    return {
        f"{base}/words": words,
        f"{base}/channel_id": ids,
        f"{base}/n_samples": np.array([rows[c].size for c in ids.tolist()], np.int32),
        f"{base}/start_ns": np.array([late_ns.get(c, 0) for c in ids.tolist()], np.int64),
        f"{base}/lsb": np.ones(ids.size),
    }


def told(entry: Any, inputs: Inputs) -> list[tuple[int, int, str, str]]:
    found = entry.predict(inputs, {})
    assert {found[name].shape for name in ("msb", "lsb", "order", "format", "score")} == {found["msb"].shape}
    names = zip(*(found[name].tolist() for name in ("msb", "lsb", "order", "format")), strict=True)
    return [(a, b, ORDERS[order], FORMATS[form]) for a, b, order, form in names]


@pytest.mark.parametrize("name", RULES)
def test_a_plain_pair_is_found(name: str) -> None:
    assert told(RULES[name](), bus(*halves(values()))) == [(HIGH, LOW, "CDAB", "u32")]


@pytest.mark.parametrize("name", RULES)
def test_the_order_follows_the_channel_numbers(name: str) -> None:
    inputs = bus(*halves(values()))
    ids = inputs["inputs/r200/channel_id"]
    inputs["inputs/r200/channel_id"] = np.where(ids == HIGH, 2, ids).astype(np.int32)
    assert told(RULES[name](), inputs) == [(2, LOW, "ABCD", "u32")]


@pytest.mark.parametrize(("name", "finds"), [("exact", 0), ("tolerant", 0), ("smooth", 0), ("format", 1)])
@pytest.mark.parametrize("code", ["swap", "gray", "gray and swap", "modulus", "float32"])
def test_only_the_format_search_sees_through_other_codings(name: str, finds: int, code: str) -> None:
    x = values()
    if "gray" in code:
        x = gray(x)
    if code == "float32":
        x = (x / 7 - 2e6).astype(np.float32).view(np.uint32).astype(np.int64)
    high, low = halves(x, 10_000 if code == "modulus" else 65536)
    if "swap" in code:
        high, low = high.byteswap(), low.byteswap()
    found = told(RULES[name](), bus(high, low))
    expected = (HIGH, LOW, "DCBA" if "swap" in code else "CDAB", {"gray": "gray", "gray and swap": "gray"}.get(code))
    if code == "float32":
        assert (HIGH, LOW) in [pair[:2] for pair in found]
        assert name != "format" or found[0][3] == "float32"
    elif finds:
        assert found == [(*expected[:3], expected[3] or "u32")]
    else:
        assert (HIGH, LOW) not in [pair[:2] for pair in found]


def test_a_slack_bridges_late_reads_that_the_exact_test_does_not() -> None:
    inputs = bus(*halves(values()), late_ns=7_000_000)
    inputs |= group(2000.0, {20: np.tile(np.arange(60, dtype=np.uint16), 1000)}, {})  # a clock with fine ticks
    assert told(TolerantCarry(), inputs) == [(HIGH, LOW, "CDAB", "u32")]
    assert told(FormatSearch(), inputs) == [(HIGH, LOW, "CDAB", "u32")]
    assert told(ExactCarry(), inputs) == []
    assert told(TolerantCarry(), bus(*halves(values()), late_ns=400_000_000)) == []


def test_halves_at_different_rates_are_found() -> None:
    t = np.arange(12 * SAMPLES) / (12 * RATE)
    high = halves((50e6 + 2e6 * np.sin(t)).astype(np.int64))[0]
    low = halves((50e6 + 2e6 * np.sin(np.arange(SAMPLES) / RATE)).astype(np.int64))[1]
    inputs = group(12 * RATE, {HIGH: high}, {}) | group(RATE, {LOW: low}, {LOW: 1_234_567})
    for entry in (TolerantCarry(), FormatSearch()):
        assert [pair[:2] for pair in told(entry, inputs)] == [(HIGH, LOW)]


def test_values_that_roll_over_several_times_a_sample_are_found_at_any_phase() -> None:
    """2.3 to 4 rollovers a sample, low half read a third of a period later."""
    rate = 50.0
    t = np.arange(3000) / rate

    def x(at: np.ndarray) -> np.ndarray:
        return (1e8 + 1e7 * at + 4e6 * np.sin(0.7 * at)).astype(np.int64)

    rows = {HIGH: halves(x(t))[0], LOW: halves(x(t + 0.007))[1]}
    inputs = group(rate, rows, {LOW: 7_000_000})
    assert [pair[:2] for pair in told(FormatSearch(), inputs)] == [(HIGH, LOW)]
    assert told(TolerantCarry(), inputs) == []


def test_signed_values_that_cross_zero_are_found_and_told_as_signed() -> None:
    x = (values() - values().mean().astype(np.int64)) % 2**32
    for name in ("exact", "tolerant", "smooth", "format"):
        assert told(RULES[name](), bus(*halves(x))) == [(HIGH, LOW, "CDAB", "i32")]


def test_lost_words_do_not_hide_a_pair() -> None:
    inputs = bus(*halves(values()))
    words = inputs["inputs/r200/words"]
    valid = np.random.default_rng(3).random(words.shape) > 0.1
    valid[:, 0] = True
    held = np.maximum.accumulate(np.where(valid, np.arange(SAMPLES), 0), axis=1)
    inputs |= {"inputs/r200/words": np.take_along_axis(words, held, axis=1), "inputs/r200/valid": valid}
    for name in ("tolerant", "format"):
        assert told(RULES[name](), inputs) == [(HIGH, LOW, "CDAB", "u32")]


# ---- what must not matter


def two_pairs() -> Inputs:
    inputs = bus(*halves(values()))
    high, low = halves(values(5, 25_000.0))
    words = np.vstack([inputs["inputs/r200/words"], high.byteswap(), low.byteswap()])
    ids = np.concatenate([inputs["inputs/r200/channel_id"], [40, 44]]).astype(np.int32)
    return {
        "inputs/r200/words": words, "inputs/r200/channel_id": ids,
        "inputs/r200/n_samples": np.full(ids.size, SAMPLES, np.int32),
        "inputs/r200/start_ns": np.zeros(ids.size, np.int64), "inputs/r200/lsb": np.ones(ids.size),
    }  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_rows_may_be_permuted_and_numbers_shifted(name: str) -> None:
    inputs = two_pairs()
    plain = told(RULES[name](), inputs)
    order = np.random.default_rng(2).permutation(inputs["inputs/r200/channel_id"].size)
    permuted = {path: value[order] for path, value in inputs.items()}
    assert sorted(told(RULES[name](), permuted)) == sorted(plain)
    shifted = inputs | {"inputs/r200/channel_id": inputs["inputs/r200/channel_id"] * 3 + 100}
    assert [(a // 3 - 33, b // 3 - 33) for a, b, *_ in sorted(told(RULES[name](), shifted))] == [
        pair[:2] for pair in sorted(plain)
    ]


@pytest.mark.parametrize("name", RULES)
def test_answers_do_not_depend_on_what_was_asked_before(name: str) -> None:
    entry, inputs = RULES[name](), two_pairs()
    before = {path: value.copy() for path, value in inputs.items()}
    first = entry.predict(inputs, {})
    entry.predict(bus(*halves(values(9))), {})
    again = entry.predict(inputs, {})
    for part in first:
        np.testing.assert_array_equal(first[part], again[part])
    for path, value in inputs.items():
        np.testing.assert_array_equal(value, before[path])


@pytest.mark.parametrize("name", RULES)
def test_channels_that_cannot_be_halves_are_in_no_pair(name: str) -> None:
    still = np.full(SAMPLES, 1234, np.uint16)
    short = np.array([65530, 3, 9], np.uint16)
    for rows in ({}, {5: still}, {5: still, 6: short, 8: short[:0]}, {6: short, 8: short}):
        assert told(RULES[name](), group(RATE, rows, {})) == []
    inputs = bus(*halves(values())) | group(50.0, {60: still, 61: short}, {}) | group(10.0, {}, {})
    assert told(RULES[name](), inputs) == [(HIGH, LOW, "CDAB", "u32")]
    assert told(RULES[name](), {}) == []


# ---- parts


@given(st.integers(0, 2**32 - 1), st.integers(2, 400), st.sampled_from([0, 1, 2, 3]))
def test_events_equal_numpy(seed: int, n: int, view: int) -> None:
    rng = np.random.default_rng(seed)
    rows = {c: rng.choice([3, 4, 259, 60_000, 65_535], n + 8).astype(np.uint16) for c in range(3)}
    found = carry.rows_of(group(RATE, rows, {}))
    highs, steps = carry.high_steps(found)
    lows, modulus = carry.low_carries(found, view & 1)
    for at, channel in enumerate(found.ids.tolist()):
        words = rows[channel]
        changed = np.flatnonzero(np.diff(words.astype(int))) + 1
        mine = slice(highs.start[at], highs.start[at + 1])
        np.testing.assert_array_equal(highs.sample[mine], changed)
        np.testing.assert_array_equal(highs.time_ns[mine], np.rint(changed * 1e9 / RATE))
        seen = (words.byteswap() if view & 1 else words).astype(np.int64)
        swapped = seen.copy()
        if view & 2:
            for shift in (8, 4, 2, 1):
                seen ^= seen >> shift
        step = (np.diff(seen)[changed - 1] + 32768) % 65536 - 32768
        np.testing.assert_array_equal(steps[view, mine], step)
        assert modulus[at] == swapped.max() + 1
        jumps = np.flatnonzero(np.abs(np.diff(swapped)) > (swapped.max() + 1) // 2) + 1
        mine = slice(lows.start[at], lows.start[at + 1])
        np.testing.assert_array_equal(lows.sample[mine], jumps)
        np.testing.assert_array_equal(lows.step[mine], -np.sign(np.diff(swapped))[jumps - 1])


@given(st.lists(st.integers(0, 10**6), max_size=60), st.integers(-5, 10**6 + 5))
def test_find_is_searchsorted(times: list[int], when: int) -> None:
    ascending = np.array(sorted(set(times)), np.int64)
    for at in (when, *ascending[:3].tolist()):
        assert carry.find(ascending, at) == np.searchsorted(ascending, at)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_the_assignment_uses_each_channel_once_and_what_it_can(seed: int, n: int) -> None:
    scores = np.random.default_rng(seed).random((n, n))
    high, low = assign(scores, 0.4)
    assert np.unique(np.concatenate([high, low])).size == 2 * high.size
    assert (scores[high, low] > 0.4).all()
    only_highs, only_lows = scores.copy(), scores.copy()
    only_highs[n // 2 :], only_lows[:, : n // 2] = 0, 0
    split = np.minimum(only_highs, only_lows)  # no channel can be both: then the sum is the greatest there is
    high, low = assign(split, 0.4)
    best = max(
        sum(max(0.0, split[i, j] - 0.4) for i, j in zip(range(n // 2), order, strict=False))
        for order in permutations(range(n // 2, n), min(n // 2, n - n // 2))
    )
    np.testing.assert_allclose((split[high, low] - 0.4).sum(), best)


def test_a_bonus_decides_between_equals_and_lifts_nothing() -> None:
    scores = np.zeros((3, 3))
    scores[0, 1] = scores[0, 2] = 0.7
    assert [x.tolist() for x in assign(scores, 0.5, np.array([0.0, 0.0, 0.1]))] == [[0], [2]]
    assert assign(scores, 0.75, np.array([0.0, 0.1, 0.1]))[0].size == 0


# ---- learned, and figures on a scene


def recording(kind: str, part: str, index: int) -> SimpleNamespace:
    name, table = load("scene", kind)
    spec = parse(SceneSpec, name, table)
    arrays = simulate_arrays(spec, key_of("scene", name, spec, part, index))
    parts = {of: {k: v for k, v in arrays.items() if k.startswith(of)} for of in ("inputs", "truth")}
    return SimpleNamespace(inputs=parts["inputs"], truth=parts["truth"], kind=kind, index=index)


def f1_visible(entry: Any, one: SimpleNamespace) -> float:
    found = {pair[:2] for pair in told(entry, one.inputs)}
    both = list(zip(one.truth["truth/pair_msb"].tolist(), one.truth["truth/pair_lsb"].tolist(), strict=True))
    seen = {pair for pair, shows in zip(both, one.truth["truth/pair_visible"], strict=True) if shows}
    found -= set(both) - seen
    return 2 * len(found & seen) / (len(found) + len(seen))


def test_boosting_learns_and_is_decided_by_its_seed() -> None:
    train = [recording("clean_sync", "train", i) for i in range(2)]
    one = recording("clean_sync", "test", 0)
    entry = PairBoosting(trees=30)
    assert entry.parameters == 0
    assert told(entry, one.inputs) == []
    entry.fit(train, [], np.random.default_rng(5))
    first = entry.predict(one.inputs, {})
    assert entry.parameters > 0
    assert entry.candidates(one.inputs)[3].shape[1] == len(FEATURES) == 23
    assert f1_visible(entry, one) > 0.9
    entry.fit(train, [], np.random.default_rng(5))
    again = entry.predict(one.inputs, {})
    for part in first:
        np.testing.assert_array_equal(first[part], again[part])
    entry.fit([], [], np.random.default_rng(5))
    assert told(entry, one.inputs) == []


@pytest.mark.parametrize(
    ("kind", "name", "least", "most"),
    [
        ("clean_sync", "exact", 0.9, 1), ("clean_sync", "smooth", 0.95, 1), ("phase_and_rate", "exact", 0, 0.3),
        ("phase_and_rate", "tolerant", 0.9, 1), ("mixed_formats", "format", 0.86, 1),
        ("mixed_formats", "tolerant", 0.2, 0.7),
    ],
)  # fmt: skip
def test_figures_on_one_scene(kind: str, name: str, least: float, most: float) -> None:
    assert least <= f1_visible(RULES[name](), recording(kind, "validation", 0)) <= most
