import numpy as np
import pytest

from scenarios.errors import InputError
from scenarios.schema import Arrays, Schema, Var, check

SCHEMA = Schema(
    variables=(
        Var(name="inputs/r{rate}/words", dims=("channel", "time"), dtype="u2", units="1", meaning="word"),
        Var(name="inputs/r{rate}/lsb", dims=("channel",), dtype="f8", units="1", meaning="count"),
        Var(name="inputs/r{rate}/valid", dims=("channel", "time"), dtype="?", units="1", meaning="came", optional=True),
        Var(name="truth/kind", dims=("channel",), dtype="i1", units="1", meaning="kind", flag_meanings=("a", "b")),
        Var(name="truth/pair_a", dims=("pair",), dtype="i4", units="1", meaning="one"),
        Var(name="truth/pair_b", dims=("pair",), dtype="i4", units="1", meaning="other"),
    )
)


def good() -> Arrays:
    return {
        "inputs/r50/words": np.zeros((2, 9), "u2"),
        "inputs/r50/lsb": np.ones(2),
        "inputs/r200/words": np.zeros((3, 36), "u2"),
        "inputs/r200/lsb": np.ones(3),
        "truth/kind": np.zeros(5, "i1"),
        "truth/pair_a": np.zeros(4, "i4"),
        "truth/pair_b": np.zeros(4, "i4"),
    }


def test_a_recording_that_fits_gives_its_variables_with_the_fastest_rate_first() -> None:
    names = [v.name for v in check(good(), SCHEMA)]
    assert names[:2] == ["inputs/r200/words", "inputs/r50/words"]
    assert "inputs/r50/valid" not in names


@pytest.mark.parametrize(
    ("name", "array", "line"),
    [
        ("inputs/r50/words", np.zeros((2, 9), "i2"), "'inputs/r50/words' must be u2; it is int16"),
        ("inputs/r50/words", np.zeros(9, "u2"), "must have dimensions ('channel', 'time'); its shape is (9,)"),
        ("inputs/r50/lsb", np.ones(3), "'inputs/r50/lsb' must have 2 along 'channel'; it has 3"),
        ("inputs/r50/lsb", np.array([1.0, np.nan]), "'inputs/r50/lsb' must be finite; it holds nan"),
        ("truth/kind", np.full(5, 2, "i1"), "'truth/kind' must hold codes 0 to 1; it holds 2"),
        ("truth/pair_b", np.zeros(3, "i4"), "'truth/pair_b' must have 4 along 'pair'; it has 3"),
        ("truth/extra", np.zeros(3), "may hold only what its schema names; 'truth/extra' is not among it"),
    ],
)
def test_a_recording_that_does_not_fit_is_refused_in_one_line(name: str, array: np.ndarray, line: str) -> None:
    with pytest.raises(InputError) as error:
        check(good() | {name: array}, SCHEMA)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_an_absent_variable_is_named() -> None:
    arrays = good()
    del arrays["inputs/r50/lsb"]
    with pytest.raises(InputError, match=r"must hold 'inputs/r50/lsb' \(count\); it is absent"):
        check(arrays, SCHEMA)
