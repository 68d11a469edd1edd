from dataclasses import replace

import numpy as np
import pytest

from simulators.rng import SEPARATOR, Key, stream

KEY = Key(simulator="scene", scenario="tiny", scenario_version=1, seed=5, split="test", index=7)
OTHERS = {
    "simulator": "imu", "scenario": "tiny2", "scenario_version": 2, "seed": 6, "split": "train", "index": 8,
}  # fmt: skip


def draws(key: Key, effect: str, n: int = 4) -> list[int]:
    return stream(key, effect).integers(0, 2**64, n, np.uint64).tolist()


def test_a_stream_is_a_function_of_its_names():
    assert draws(KEY, "timing") == draws(KEY, "timing")


@pytest.mark.parametrize("name", OTHERS)
def test_another_name_gives_another_stream(name):
    assert not set(draws(KEY, "timing", 64)) & set(draws(replace(KEY, **{name: OTHERS[name]}), "timing", 64))


def test_another_effect_gives_another_stream():
    assert not set(draws(KEY, "timing", 64)) & set(draws(KEY, "noise", 64))


def test_moving_a_digit_from_one_name_to_the_next_gives_another_stream():
    a, b = replace(KEY, scenario="x1", scenario_version=1), replace(KEY, scenario="x", scenario_version=11)
    assert draws(a, "noise") != draws(b, "noise")


def test_neighbouring_streams_are_not_correlated():
    n = 1 << 16
    rows = np.array([stream(replace(KEY, index=i), "noise").standard_normal(n) for i in range(16)])
    r = np.corrcoef(rows)
    np.testing.assert_array_less(np.abs(r[~np.eye(16, dtype=bool)]), 4.5 / np.sqrt(n))


def test_the_streams_of_released_sets_stay_what_they_were():
    assert draws(KEY, "timing", 2) == GOLDEN


@pytest.mark.parametrize("name", ["simulator", "scenario", "split"])
def test_a_name_with_the_separator_is_refused(name):
    with pytest.raises(ValueError, match="separator"):
        replace(KEY, **{name: f"a{SEPARATOR}b"})


GOLDEN = [2412385200237513401, 16152215215541541290]
