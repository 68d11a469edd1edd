"""Laws of the entries that tell when a low half rolls over, and of the floors of pairing."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.scene import floors_structure as floors
from baselines.scene import overflow_events as events
from baselines.scene import overflow_evidence as evidence
from baselines.scene.channels import channels
from baselines.scene.overflow_carry import CarryConfirmed
from baselines.scene.overflow_jump import JumpDetector
from baselines.scene.overflow_second import SecondDifference
from scenarios.spec import load, parse
from simulators.run import key_of
from simulators.scene.generate import simulate_arrays
from simulators.scene.spec import SceneSpec

ENTRIES: dict[str, Any] = {
    "jump": JumpDetector,
    "second": SecondDifference,
    "carry": CarryConfirmed,
    "chance": floors.ChanceOverflow,
    "none": floors.NoOverflow,
    "decrease": floors.EveryDecrease,
    "every jump": floors.EveryJump,
}
PAIRING: dict[str, Any] = {
    "chance": floors.ChancePairs,
    "none": floors.NoPairs,
    "all": floors.AllPairs,
    "same counts": floors.SameCounts,
}
ALL = np.empty(0, bool)


def inputs_of(*groups: tuple[float, list[Any]], valid: Any = None) -> dict[str, np.ndarray]:
    """Inputs from (rate, rows) of each rate; channels are numbered in turn; rows may differ in length."""
    found: dict[str, np.ndarray] = {}
    first = 0
    for rate, rows in groups:
        base = f"inputs/r{rate:g}"
        words = np.zeros((len(rows), max((len(row) for row in rows), default=0)), np.uint16)
        for i, row in enumerate(rows):
            words[i, : len(row)] = np.asarray(row, np.int64) & 0xFFFF
        found |= {
            f"{base}/words": words,
            f"{base}/channel_id": np.arange(first, first + len(rows), dtype=np.int32),
            f"{base}/n_samples": np.array([len(row) for row in rows], np.int32),
            f"{base}/start_ns": np.zeros(len(rows), np.int64),
            f"{base}/lsb": np.ones(len(rows)),
        }
        if valid is not None:
            found[f"{base}/valid"] = np.asarray(valid)
        first += len(rows)
    return found


def scene(index: int, name: str, duration_s: float = 20) -> SimpleNamespace:
    """A recording as a training split has it."""
    title, table = load("scene", name)
    spec = parse(SceneSpec, title, table | {"duration_s": duration_s})
    arrays = simulate_arrays(spec, key_of("scene", title, spec, "train", index))
    parts = {part: {k: v for k, v in arrays.items() if k.startswith(part)} for part in ("inputs", "truth")}
    return SimpleNamespace(**parts, kind=name, index=index)


def permuted(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same recording with channels of a rate in another order, and ids shifted by 50."""
    found, rng = dict(inputs), np.random.default_rng(3)
    for base in {name.rpartition("/")[0] for name in inputs}:
        order = rng.permutation(inputs[f"{base}/channel_id"].size)
        found |= {name: value[order] for name, value in inputs.items() if name.startswith(f"{base}/")}
        found[f"{base}/channel_id"] = found[f"{base}/channel_id"] + 50
    return found


def rows_of(told: Mapping[str, np.ndarray], *names: str) -> list[tuple[int, ...]]:
    return sorted(zip(*(told[name].tolist() for name in names), strict=True))


def true_events(recording: SimpleNamespace) -> list[tuple[int, ...]]:
    truth = recording.truth
    channel = truth["truth/pair_lsb"][truth["truth/overflow_pair"]]
    return sorted(
        zip(
            channel.tolist(),
            truth["truth/overflow_sample"].tolist(),
            np.sign(truth["truth/overflow_wraps"]).tolist(),
            strict=True,
        )
    )


def f1(recording: SimpleNamespace, told: Mapping[str, np.ndarray], slack: int = 2) -> float:
    """Within `slack` samples, leniently: one prediction may serve two events."""
    true, mine = true_events(recording), rows_of(told, "channel_id", "sample", "sign")

    def near(one: list[tuple[int, ...]], other: list[tuple[int, ...]]) -> float:
        known = {(c, s + k, sign) for c, s, sign in other for k in range(-slack, slack + 1)}
        return float(np.mean([row in known for row in one])) if one else 0.0

    precision, recall = near(mine, true), near(true, mine)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


TRAIN = [scene(0, "clean_sync", 10), scene(0, "mixed_formats", 10)]


@given(st.lists(st.integers(-30_000, 30_000), min_size=2, max_size=60), st.integers(0, 65535))
def test_jumps_are_the_wraps_of_slow_values(steps: list[int], first: int) -> None:
    value = first + np.cumsum([0, *steps])
    samples, signs = events.find_jumps((value & 0xFFFF).astype(np.uint16), 32768, value.size)
    wraps = np.diff(value >> 16)
    assert samples.tolist() == (np.flatnonzero(wraps) + 1).tolist()
    assert signs.tolist() == wraps[wraps != 0].tolist()


@given(
    st.integers(-200_000, 200_000), st.integers(-300, 300), st.sampled_from([65536, 10_000]), st.integers(3, 200),
    st.integers(0, 9999),
)  # fmt: skip
def test_a_value_of_steady_acceleration_is_followed(speed: int, bend: int, modulus: int, n: int, first: int) -> None:
    value = first + np.concatenate([[0], np.cumsum(speed + bend * np.arange(n))])
    place = np.empty(value.size, np.int64)
    assert events.track((value % modulus).astype(np.uint16), ALL, modulus, place) > 0.6
    # The shorter way is taken at first; the speed is right but for a multiple of the modulus.
    laps = (value[1:] - value[:-1] - np.diff(place)) / modulus
    assert (laps == laps[0]).all()
    samples, signs = events.crossings(first, place, ALL, modulus, int(laps[0]))
    wraps = np.diff(value // modulus)
    assert samples.tolist() == (np.flatnonzero(wraps) + 1).tolist()
    assert signs.tolist() == np.sign(wraps[wraps != 0]).tolist()


def test_agreement_counts_what_pairs_up_in_order() -> None:
    def agreement(jumps: list[int], signs: list[int], steps: list[int], sizes: list[int]) -> float:
        arrays = (np.array(a, np.int64) for a in (jumps, signs, steps, sizes))
        return evidence.agreement(*arrays, 5, 10, np.empty((2, 16), np.int64), np.empty((2, 16), np.int64))

    assert agreement([100, 200, 300], [1, 1, -1], [104, 210, 295], [1, 1, -1]) == 1
    assert agreement([100, 200, 300], [1, 1, -1], [111, 194, 300], [1, 1, 1]) == 0
    assert agreement([100, 200], [1, 1], [205], [2]) == 0.5  # too late for the first of the two
    assert agreement([198, 200], [1, 1], [205], [2]) == 1
    assert agreement([100, 103, 200], [1, -1, 1], [201], [1]) == 1  # chatter at the boundary
    assert agreement([], [], [1], [1]) == 0


def test_what_turns_at_its_ends_is_a_gray_half() -> None:
    value = 3 * 65536 - 700 + 13 * np.arange(8000)
    code = value ^ value >> 1
    low, high = code & 0xFFFF, code >> 16
    found = channels(inputs_of((100, [high, low, np.arange(8000) % 500])))
    scores = evidence.carries(found).scores
    assert scores[events.GRAY, 1, 0] > 0.9
    assert scores[:, 1, 2].max() < 0.3
    told = CarryConfirmed().predict(inputs_of((100, [high, low])), {})
    expected = [(1, i + 1, 1) for i in np.flatnonzero(np.diff(value >> 16)).tolist()]
    assert rows_of(told, "channel_id", "sample", "sign") == expected


@pytest.mark.parametrize("coding", ["plain", "swapped", "modulus"])
def test_only_a_carry_makes_a_low_half(coding: str) -> None:
    modulus = 10_000 if coding == "modulus" else 65536
    value = 40_000 + np.cumsum(np.random.default_rng(2).integers(-1500, 2200, 4000))
    low, high = (value % modulus).astype(np.uint16), (value // modulus).astype(np.uint16)
    lone = ((value[::-1] + 7777) % 65536).astype(np.uint16)
    if coding == "swapped":
        low, high = low.byteswap(), high.byteswap()
    told = CarryConfirmed().predict(inputs_of((100, [lone, low, high])), {})
    wraps = np.diff(value // modulus)
    expected = [(1, i + 1, int(wraps[i])) for i in np.flatnonzero(wraps).tolist()]
    assert rows_of(told, "channel_id", "sample", "sign") == expected
    assert {c for c, *_ in rows_of(floors.EveryJump().predict(inputs_of((100, [lone])), {}), "channel_id")} == {0}


def test_a_high_half_of_another_rate_and_phase_confirms() -> None:
    time = np.arange(20_000) / 2000
    low = (30_000 + 9e4 * time).astype(np.int64)
    inputs = inputs_of((2000, [low]), (50, [(30_000 + 9e4 * (time[::40] + 0.007)).astype(np.int64) >> 16]))
    inputs["inputs/r50/start_ns"] = np.array([7_000_000])
    told = CarryConfirmed().predict(inputs, {})
    assert rows_of(told, "sample", "sign") == [(i + 1, 1) for i in np.flatnonzero(np.diff(low >> 16)).tolist()]


def test_fast_values_are_followed_by_the_high_half_or_by_their_speed() -> None:
    value = (1e6 + 8e5 * np.sin(np.arange(6000) * 0.06)).astype(np.int64)  # up to 48,000 a sample
    expected = [(i + 1, int(np.sign(w))) for i, w in enumerate(np.diff(value >> 16)) if w]
    both = inputs_of((50, [value, value >> 16]))
    assert rows_of(CarryConfirmed().predict(both, {}), "sample", "sign") == expected
    alone = SecondDifference().predict(inputs_of((50, [value])), {})
    assert len(set(expected) & set(rows_of(alone, "sample", "sign"))) > 0.97 * len(expected)
    rising = SecondDifference().predict(inputs_of((50, [50_000 * np.arange(500)])), {})
    assert set(rising["sign"].tolist()) == {1}


def test_signed_words_around_zero_and_bits_are_no_low_halves() -> None:
    rng = np.random.default_rng(0)
    crossing = np.cumsum(rng.integers(-40, 41, 5000)) % 2000 - 1000
    bits = np.repeat(rng.integers(0, 2, 500), 10) << 15
    inputs = inputs_of((100, [crossing, bits]))
    for entry in (JumpDetector(), SecondDifference(), CarryConfirmed()):
        assert not entry.predict(inputs, {})["sample"].size
    assert floors.EveryJump().predict(inputs, {})["sample"].size > 10


def test_two_words_that_count_are_no_halves_with_their_bytes_swapped() -> None:
    rng, time = np.random.default_rng(3), np.arange(8000)
    flags = [np.repeat(rng.integers(0, 64, 80), 100) for _ in range(2)]
    one, other = ((time + first) % 64 << 6 | own for first, own in zip((0, 40), flags, strict=True))
    # read with bytes swapped, both pass a quarter of their range a sample, as would a value of 32 bits in four
    assert not CarryConfirmed().predict(inputs_of((2000, [one, other])), {})["sample"].size


def test_lost_words_delay_events_and_make_none() -> None:
    value = 13_000 * np.arange(400)
    came = np.random.default_rng(1).random((1, 400)) > 0.1
    came[0, 0] = True
    held = value[np.maximum.accumulate(np.where(came[0], np.arange(400), 0))]
    told = SecondDifference().predict(inputs_of((100, [held]), valid=came), {})
    assert rows_of(told, "sample") == [(i + 1,) for i in np.flatnonzero(np.diff(held >> 16)).tolist()]


def test_carries_are_found_in_every_format() -> None:
    least = {"clean_sync": 0.99, "phase_and_rate": 0.9, "byte_swapped": 0.99, "gray_and_modulus": 0.85}
    for name, floor in least.items():
        recording = scene(3, name)
        scores = [f1(recording, entry.predict(recording.inputs, {})) for entry in (CarryConfirmed(), JumpDetector())]
        assert scores[0] > floor, name
        assert scores[0] > scores[1], name


@pytest.mark.parametrize("name", ENTRIES)
class TestEveryEntry:
    def fitted(self, name: str) -> Any:
        entry = ENTRIES[name]()
        entry.fit(TRAIN, [], np.random.default_rng(5))
        return entry

    def test_neither_order_nor_ids_matter(self, name: str) -> None:
        entry, inputs = self.fitted(name), scene(2, "mixed_formats", 10).inputs
        told = rows_of(entry.predict(inputs, {}), "channel_id", "sample", "sign")
        other = rows_of(entry.predict(permuted(inputs), {}), "channel_id", "sample", "sign")
        assert [(c + 50, s, sign) for c, s, sign in told] == other
        assert len(told) == len(set(told))

    def test_odd_channels_have_an_answer(self, name: str) -> None:
        entry = self.fitted(name)
        odd = [np.full(9, 40_000), [3], [], [1, 2], np.tile([0, 65535], 40), np.arange(70_000, 70_200)]
        for inputs in (inputs_of((10, odd), (3.5, [])), inputs_of((10, [])), {}, inputs_of((1, [[5]]))):
            told = entry.predict(inputs, {})
            assert told["channel_id"].shape == told["sample"].shape == told["sign"].shape
            assert set(told["sign"].tolist()) <= {-1, 1}
            assert told["sample"].dtype == told["channel_id"].dtype == np.int64


@pytest.mark.parametrize("name", PAIRING)
class TestPairingFloors:
    def test_neither_order_nor_ids_matter(self, name: str) -> None:
        entry, inputs = PAIRING[name](), scene(2, "mixed_formats", 10).inputs
        entry.fit(TRAIN, [], np.random.default_rng(5))
        told = rows_of(entry.predict(inputs, {}), "msb", "lsb", "order", "format")
        other = rows_of(entry.predict(permuted(inputs), {}), "msb", "lsb", "order", "format")
        assert [(a + 50, b + 50, *rest) for a, b, *rest in told] == other
        both = [c for a, b, *_ in told for c in (a, b)]
        assert len(both) == len(set(both))
        assert all((order % 2 == 0) == (a < b) for a, b, order, _ in told)

    def test_odd_channels_have_an_answer(self, name: str) -> None:
        entry = PAIRING[name]()
        entry.fit(TRAIN, [], np.random.default_rng(5))
        for rows in ([], [[1]], [[], [3], np.tile([0, 65535], 40), np.full(9, 3)]):
            told = entry.predict(inputs_of((10, rows)), {})
            assert told["msb"].shape == told["lsb"].shape == told["order"].shape == told["format"].shape


def test_same_counts_find_the_pair() -> None:
    value = 1000 + 7000 * np.arange(100)
    told = floors.SameCounts().predict(inputs_of((10, [np.arange(100) * 3, value, value >> 16])), {})
    assert rows_of(told, "msb", "lsb", "order", "format") == [(2, 1, 1, 0)]


def test_every_decrease_and_every_jump() -> None:
    inputs = inputs_of((10, [[5, 4, 9], [0, 65535, 1]]))
    assert rows_of(floors.EveryDecrease().predict(inputs, {}), "channel_id", "sample", "sign") == [(0, 1, 1), (1, 2, 1)]
    assert rows_of(floors.EveryJump().predict(inputs, {}), "channel_id", "sample", "sign") == [(1, 1, -1), (1, 2, 1)]


@pytest.mark.parametrize("view", ["words", "signals"])
def test_real_logs_have_an_answer(view: Any) -> None:
    pytest.importorskip("cantools", reason="bus recordings need the extra 'bus'")
    from simulators.scene.recorded import recordings

    root = os.environ.get("PROVINGGROUND_DATA")
    if not root or not (Path(root) / "scene").is_dir():
        pytest.skip("PROVINGGROUND_DATA names no folder with scene/ (real bus logs)")
    log = Path(root) / "scene" / "comma2k19_rav4"
    (arrays,), _ = recordings([log], log / "toyota_new_mc_pt_generated.dbc", view)
    inputs = {name: value for name, value in arrays.items() if name.startswith("inputs/")}
    jumps = ENTRIES["every jump"]().predict(inputs, {})
    carried = CarryConfirmed().predict(inputs, {})
    assert jumps["sample"].size > 600  # signed torques that cross zero
    assert carried["sample"].size < jumps["sample"].size
