"""The calibration of activity tables: tables survive being written, knobs turn what they say, bad input is refused."""

import tomllib
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import imu_calibration as c
from scenarios.errors import InputError
from simulators.imu.activity import ACTIVITIES, Activity

WALK = c.table_of(ACTIVITIES["walking"])


@pytest.mark.parametrize("name", ACTIVITIES)
def test_a_table_written_as_toml_is_the_same_activity(name: str) -> None:
    read = tomllib.loads(c.toml_of(name, c.table_of(ACTIVITIES[name])))
    assert Activity.model_validate(read[name]) == ACTIVITIES[name]


@given(st.sampled_from(c.knobs_of(WALK)), st.floats(0.5, 2))
def test_a_knob_turns_its_number_alone_and_stays_in_bounds(knob: c.Knob, factor: float) -> None:
    table = deepcopy(WALK)
    knob.put(table, factor)
    Activity.model_validate(table)
    for other in c.knobs_of(WALK):
        before, after = (np.array(c.at(t, other.path), float) for t in (WALK, table))
        if other != knob:
            np.testing.assert_array_equal(before, after)
        elif knob.path[0] == "curves":
            np.testing.assert_allclose(after - after.mean(), factor * (before - before.mean()), atol=0.02)
        else:
            low, high = c.BOUNDS.get(knob.name, (0.0, np.inf))
            assert after == pytest.approx(np.sign(before) * np.clip(abs(factor * before), low, high), rel=6e-3)


def test_people_made_by_a_table_are_nearest_to_that_table() -> None:
    """Its own people as the reference: the table is not off, and a larger one is."""
    place = c.Reference(source="hapt", placement="waist", label="walking", lengths_s=(c.BOUT_S,), people={})
    wide = {name: np.zeros(1) for name in ("mean", "std", "p95", "f", "gyro")}
    found = c.people_of(WALK, [c.Reference(**{**vars(place), "people": wide})], 8)["hapt", "waist"]
    wanted = [c.Reference(**{**vars(place), "people": found})]
    larger = deepcopy(WALK)
    c.Knob(("curves", "up")).put(larger, 1.3)
    off = [np.abs(c.deviations(c.people_of(table, wanted, 8), wanted)).sum() for table in (WALK, larger)]
    assert off[0] < 1
    assert off[1] > 2 * off[0] + 1


def test_a_place_for_the_table_is_looked_at_before_the_work(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from scenarios.cli import run

    (tmp_path / "imu").mkdir()
    monkeypatch.setenv("PROVINGGROUND_DATA", str(tmp_path))
    assert run(c.app, "calibrate", ["walking", "--out", str(tmp_path / "nowhere" / "x.toml")]) == 2
    assert "--out must lie in a folder that is there" in capfd.readouterr().err


def test_an_activity_that_no_real_set_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"activity 'rowing' must be in one of the real sets .*none has"):
        c.references("rowing", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["wolking"], "did you mean 'walking'"), (["walking"], "PROVINGGROUND_DATA must name a folder")],
)
def test_the_command_refuses_in_one_line(
    arguments: list[str], message: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from scenarios.cli import run

    monkeypatch.delenv("PROVINGGROUND_DATA", raising=False)
    assert run(c.app, "calibrate", arguments) == 2
    told = capfd.readouterr().err.strip()
    assert message in told
    assert "\n" not in told
