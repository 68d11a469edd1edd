"""The IMU beside real recordings: statistics of known signals, features that no turn changes, the report as a whole."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from typer.testing import CliRunner

from benchmarks import fidelity
from benchmarks import fidelity_imu as f
from benchmarks import imu_transfer as t
from benchmarks.imu_statistics import Stretch, by_subject, cut, fall_of, grouped, real_stretches, statistics_of
from scenarios.errors import InputError
from simulators.imu.wear import uniform_rotation

DATA = os.environ.get("PROVINGGROUND_DATA")
REAL = Path(DATA or "") / "imu"
FACTS = {
    ("hapt", "waist", "walking"): {"mean": 10.34, "std": 2.38, "f": 1.80, "gyro": 0.81},
    ("hapt", "waist", "walking_downstairs"): {"mean": 10.28, "std": 3.83, "f": 1.78, "gyro": 0.96},
    ("selfback_thigh", "thigh", "walking"): {"mean": 11.77, "std": 6.01, "f": 1.80},
    ("selfback_thigh", "thigh", "running"): {"mean": 17.05, "std": 11.17, "f": 2.60},
    ("sisfall_50hz", "waist", "walking_fast"): {"mean": 10.41, "std": 3.58, "f": 2.00, "gyro": 0.86},
}
"""Of the fact sheet, section 5."""


def stretch(values: np.ndarray, rate: float = 50.0, activity: str = "walking", subject: str = "1") -> Stretch:
    return Stretch(
        accelerometer=values, gyroscope=None, rate_hz=rate, activity=activity, placement="waist", subject=subject,
        source="made",
    )  # fmt: skip


@given(st.floats(0.8, 6.0), st.floats(0.3, 3.0), st.integers(0, 1000))
def test_a_wave_on_gravity_has_its_own_figures_in_every_orientation(hz: float, size: float, seed: int) -> None:
    time = np.arange(3000) / 50
    wave = np.stack([0 * time, 0 * time, 9.81 + size * np.sin(2 * np.pi * hz * time)])
    turned = uniform_rotation(np.random.default_rng(seed)) @ wave
    found = statistics_of(stretch(turned))
    assert found["mean"] == pytest.approx(9.81, abs=0.05)
    assert found["std"] == pytest.approx(size / np.sqrt(2), rel=0.1)
    assert found["f"] == pytest.approx(hz, abs=0.1)
    assert found["share"] > 0.95
    assert np.isnan(found["gyro"])


@pytest.mark.skipif(not REAL.is_dir(), reason="PROVINGGROUND_DATA has no folder imu")
@pytest.mark.parametrize("where", FACTS)
def test_real_recordings_have_the_figures_of_the_fact_sheet(where: tuple[str, str, str]) -> None:
    source, placement, activity = where
    own = grouped(real_stretches(REAL / f"{source}.npz"))[placement, activity]
    people = by_subject(own, least_s=3.0)
    for name, value in FACTS[where].items():
        assert np.median([p[name] for p in people.values()]) == pytest.approx(value, rel=0.08)


def test_features_do_not_depend_on_the_mounting() -> None:
    rng = np.random.default_rng(1)
    windows = rng.standard_normal((9, 3, t.SIZE)) + np.array([0, 0, 9.81])[:, None]
    turned = np.einsum("ij,njk->nik", uniform_rotation(rng), windows)
    assert_allclose(t.features_of(turned), t.features_of(windows), atol=1e-6)
    assert t.features_of(windows).shape == (9, 45)


def windows(shift: float, people: int, seed: int) -> t.Windows:
    rng = np.random.default_rng(seed)
    n = 20 * people
    label = np.array(["walking", "running"], object)[np.arange(n) % 2]
    features = rng.standard_normal((n, 4)) + shift + 2.5 * (label == "running")[:, None]
    return t.Windows(features=features, label=label, subject=np.arange(n) // 20)


def test_forests_learn_what_can_be_learnt_and_no_more() -> None:
    assert t.transfer(windows(0, 6, 0), windows(0, 6, 1)) > 0.95
    assert t.within(windows(0, 6, 2)) > 0.95
    assert t.distinguishable(windows(0, 8, 3), windows(0, 8, 4)) == pytest.approx(0.5, abs=0.12)
    assert t.distinguishable(windows(0, 8, 3), windows(6, 8, 4)) > 0.95
    alone = windows(0, 6, 0)
    one = t.Windows(features=alone.features, label=np.full(alone.label.size, "lying", object), subject=alone.subject)
    assert np.isnan(t.transfer(one, alone))


def test_a_fall_is_found_by_its_peak_low_and_posture() -> None:
    norm = np.full(500, 9.81)
    norm[240:250], norm[252] = 2.0, 55.0
    values = np.zeros((3, 500))
    values[2, :260], values[0, 260:] = norm[:260], norm[260:]
    found = fall_of(stretch(values))
    assert found["peak"] == 55
    assert found["lowest before"] == 2
    assert found["seconds between"] == pytest.approx(0.24, abs=0.03)
    assert found["posture change"] == pytest.approx(90)


def test_cut_keeps_the_samples_in_order() -> None:
    values = np.arange(300.0).reshape(3, 100)
    parts = cut([stretch(values)], 0.5)
    assert len(parts) == 4
    assert_allclose(np.concatenate([p.accelerometer for p in parts], 1), values)


def test_without_recordings_the_report_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROVINGGROUND_DATA", raising=False)
    monkeypatch.setattr(f, "PAIRS", {"spsw": "fidelity_spsw"})
    out = tmp_path / "report.md"
    told = CliRunner().invoke(fidelity.app, ["imu", "--subjects", "4", "--out", str(out)])
    assert told.exit_code == 0, told.output
    assert "Left out: fidelity_spsw beside 'spsw'" in out.read_text(encoding="utf-8")


@pytest.mark.skipif(not REAL.is_dir(), reason="PROVINGGROUND_DATA has no folder imu")
def test_walking_at_pocket_and_wrist_lies_among_real_people(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = f.compare(real_stretches(REAL / "spsw.npz"), f.simulated("fidelity_spsw", 12), "spsw")
    walks = {r["placement"]: r["statistics"] for r in rows if r["activity"] == "walking"}
    for place in ("pocket", "wrist"):
        for name in ("mean", "std", "p95"):
            assert walks[place][name]["inside"], (place, name, walks[place][name])


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hapt.npz").write_bytes(b"no")
    with pytest.raises(InputError, match=r"must be an \.npz file of segments"):
        real_stretches(tmp_path / "hapt.npz")
