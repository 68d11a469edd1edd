"""The IMU beside real recordings: figures of the fact sheet, known signals, what no turn changes, the whole report."""

import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from typer.testing import CliRunner

from benchmarks import fidelity
from benchmarks import fidelity_imu as f
from benchmarks import imu_statistics as m
from benchmarks import imu_transfer as t
from scenarios.errors import InputError
from simulators.imu.wear import uniform_rotation

DATA = os.environ.get("PROVINGGROUND_DATA")
REAL = Path(DATA or "") / "imu"
HAS_REAL = bool(DATA) and all((REAL / f"{name}.npz").is_file() for name in (*f.PAIRS, f.SKELETON))
REAL_ONLY = pytest.mark.skipif(not HAS_REAL, reason="PROVINGGROUND_DATA has no folder imu with the real recordings")
COLUMNS = ("mean", "std", "p5", "p95", "f", "share", "gyro", "above 5", "above 15")
FACTS = {
    ("hapt", "waist", "walking"): (10.34, 2.38, 7.0, 14.7, 1.80, 0.56, 0.81, 0.30, 0.01),
    ("hapt", "waist", "walking_upstairs"): (10.29, 2.69, 6.6, 15.4, 1.65, 0.68, 0.84, 0.14, 0.01),
    ("hapt", "waist", "walking_downstairs"): (10.28, 3.83, 5.7, 18.0, 1.78, 0.61, 0.96, 0.19, 0.01),
    ("hapt", "waist", "sitting"): (10.02, 0.06, 9.9, 10.1, 4.3, 0.11, 0.07, 0.38, 0.09),
    ("hapt", "waist", "standing"): (10.13, 0.08, 10.0, 10.3, 4.1, 0.11, 0.18, 0.34, 0.08),
    ("hapt", "waist", "lying"): (9.88, 0.09, 9.8, 10.0, 4.7, 0.12, 0.08, 0.40, 0.09),
    ("sisfall_50hz", "waist", "walking_slow"): (10.08, 1.76, 7.6, 13.5, 1.62, 0.46, 0.57, 0.33, 0.01),
    ("sisfall_50hz", "waist", "walking_fast"): (10.41, 3.58, 5.0, 16.4, 2.00, 0.72, 0.86, 0.34, 0.03),
    ("sisfall_50hz", "waist", "running_slow"): (11.65, 7.28, 2.7, 25.5, 2.68, 0.66, 1.53, 0.40, 0.07),
    ("sisfall_50hz", "waist", "running_fast"): (13.42, 9.22, 3.0, 32.0, 2.75, 0.63, 2.12, 0.44, 0.08),
    ("sisfall_50hz", "waist", "stairs_slow"): (9.97, 1.67, 7.7, 13.6, 1.25, 0.44, 0.67, 0.21, 0.01),
    ("selfback_thigh", "thigh", "walking"): (11.77, 6.01, 4.5, 22.2, 1.80, 0.22, None, 0.62, 0.10),
    ("selfback_thigh", "thigh", "walking_upstairs"): (11.06, 5.35, 4.0, 19.0, 1.78, 0.25, None, 0.52, 0.09),
    ("selfback_thigh", "thigh", "running"): (17.05, 11.17, 4.5, 38.1, 2.60, 0.24, None, 0.66, 0.24),
    ("spsw", "pocket", "walking"): (10.62, 3.06, 6.4, 15.9, 1.75, 0.24, 1.69, None, None),
    ("spsw", "wrist", "walking"): (10.42, 2.01, 7.5, 14.0, 1.70, 0.39, 2.02, None, None),
    ("utd_mhad", "thigh", "squat"): (10.25, 0.74, None, None, 0.75, 0.39, 0.89, None, None),
}
"""Of the fact sheet, section 5: COLUMNS."""
SLACK = {"f": 0.06, "share": 0.015, "p5": 0.07, "p95": 0.07}
"""What rounding and the edges of bins leave; 0.011 for the others."""
TURNS_DEG = {
    ("hapt", "waist", "standing"): 7, ("hapt", "waist", "sitting"): 9, ("hapt", "waist", "lying"): 13,
    ("sisfall_50hz", "waist", "walking_fast"): 9, ("selfback_thigh", "thigh", "standing"): 7,
    ("spsw", "wrist", "walking"): 7, ("spsw", "wrist", "sitting"): 14,
}  # fmt: skip
"""Median angle of people from their common direction of specific force."""
FALLS = {"peak": (52, 0.5), "lowest before": (3.5, 0.05), "seconds between": (0.22, 0.005), "gyro peak": (6.2, 0.05),
         "posture change": (92, 1.5)}  # fmt: skip
"""Median over trials and what rounding leaves."""


@lru_cache(maxsize=2)
def real(name: str) -> dict[tuple[str, str], list[m.Stretch]]:
    return dict(m.grouped(m.real_stretches(REAL / f"{name}.npz", longest_s=np.inf)))


def stretch(values: np.ndarray, rate: float = 50.0, activity: str = "walking", subject: str = "1") -> m.Stretch:
    return m.Stretch(
        accelerometer=values, gyroscope=None, rate_hz=rate, activity=activity, placement="waist", subject=subject,
        source="made",
    )  # fmt: skip


def wave(hz: float, size: float, samples: int, rate: float = 50.0) -> np.ndarray:
    time = np.arange(samples) / rate
    return np.stack([0 * time, 0 * time, 9.81 + size * np.sin(2 * np.pi * hz * time)])


@REAL_ONLY
@pytest.mark.parametrize("where", FACTS)
def test_real_recordings_have_the_figures_of_the_fact_sheet(where: tuple[str, str, str]) -> None:
    found = m.pooled(real(where[0])[where[1:]])
    for name, value in zip(COLUMNS, FACTS[where], strict=True):
        if value is not None:
            assert found[name] == pytest.approx(value, abs=SLACK.get(name, 0.011)), name


@REAL_ONLY
@pytest.mark.parametrize("where", TURNS_DEG)
def test_people_wear_devices_as_differently_as_the_fact_sheet_says(where: tuple[str, str, str]) -> None:
    ways = m.directions_of(real(where[0])[where[1:]])
    assert np.median([m.angle_deg(way, ways.sum(0)) for way in ways]) == pytest.approx(TURNS_DEG[where], abs=0.8)


@REAL_ONLY
def test_falls_have_the_figures_of_the_fact_sheet() -> None:
    trials = [s for (_, activity), own in real("sisfall_50hz").items() if activity.startswith("fall_f") for s in own]
    found = [m.fall_of(s) for s in trials]
    assert len(found) == 1798
    for name, (value, slack) in FALLS.items():
        assert np.median([own[name] for own in found]) == pytest.approx(value, abs=slack), name


@REAL_ONLY
def test_a_real_set_is_classified_as_well_as_the_fact_sheet_says() -> None:
    own = t.windows_of(m.real_stretches(REAL / "hapt.npz"))
    found = t.within(own, (*t.POSTURE, "walking", "upstairs", "downstairs"))
    assert t.macro(found) == pytest.approx(0.83, abs=0.03)


@REAL_ONLY
@pytest.mark.parametrize(
    ("source", "placement", "activity"),
    [("hapt", "waist", "lying"), ("sisfall_50hz", "waist", "bend_waist"), ("selfback_thigh", "thigh", "sitting"),
     ("utd_mhad", "thigh", "stand_to_sit")],
)  # fmt: skip
def test_the_axes_of_a_scenario_point_as_the_real_device_does(source: str, placement: str, activity: str) -> None:
    sides = real(source)[placement, activity], f.simulated(f.PAIRS[source], 8)
    ways = [m.directions_of(s for s in side if s.activity == activity).sum(0) for side in sides]
    assert m.angle_deg(*ways) < 45


@given(st.floats(0.8, 6.0), st.floats(0.3, 3.0), st.integers(0, 1000))
def test_a_wave_on_gravity_has_its_own_figures_in_every_orientation(hz: float, size: float, seed: int) -> None:
    found = m.statistics_of(stretch(uniform_rotation(np.random.default_rng(seed)) @ wave(hz, size, 3000)))
    assert found["mean"] == pytest.approx(9.81, abs=0.05)
    assert found["std"] == pytest.approx(size / np.sqrt(2), rel=0.1)
    assert found["f"] == pytest.approx(hz, abs=0.05)
    assert found["share"] > 0.95
    assert np.isnan(found["gyro"])


def test_people_count_by_the_length_of_their_stretches() -> None:
    long, short = wave(2, 2.0, 900), wave(2, 1.0, 300)
    own = [stretch(long), stretch(short), stretch(short, subject="2"), stretch(short[:, :20])]
    found = m.by_subject(own, least_s=1)
    assert sorted(found) == ["1", "2"]
    ends = [m.statistics_of(stretch(x))["std"] for x in (long, short)]
    assert found["1"]["std"] == pytest.approx(0.75 * ends[0] + 0.25 * ends[1])
    assert found["2"]["std"] == pytest.approx(ends[1])


def test_a_louder_wave_is_apart_by_its_decibels() -> None:
    rest = np.array([0, 0, 9.81])[:, None]
    noise = np.random.default_rng(2).standard_normal((3, 4000)) * 0.1
    a, b = (m.spectra_of([stretch(rest + size * noise)]) for size in (1, 2))
    assert m.log_spectral_distance(a, b) == pytest.approx(20 * np.log10(2), abs=0.2)


def test_pieces_keep_the_samples_in_order_and_take_lengths_in_turn() -> None:
    values = np.arange(300.0).reshape(3, 100)
    parts = m.cut([stretch(values)], [0.4, 0.8])
    assert [p.accelerometer.shape[1] for p in parts] == [20, 40, 20]
    assert_allclose(np.concatenate([p.accelerometer for p in parts], 1), values[:, :80])
    assert [p.accelerometer.shape[1] for p in m.cut([stretch(values)], [9.0])] == [100]


LENGTHS = st.lists(st.integers(20, 400), min_size=1, max_size=9)


@given(LENGTHS, LENGTHS)
def test_two_sides_cut_alike_have_lengths_of_the_real_side(real: list[int], ours: list[int]) -> None:
    sides = m.alike(*([stretch(np.ones((3, n))) for n in lengths] for lengths in (real, ours)))
    a, b = ({s.accelerometer.shape[1] for s in side} for side in sides)
    assert max(a) <= np.median(ours) + 0.5
    assert b <= a | {*ours}
    assert b


def test_simulated_stretches_are_the_bouts_without_what_did_not_arrive() -> None:
    settings = ("activities={sitting=1}", "duration_s=30")
    whole = f.simulated("fidelity_spsw", 1, settings)
    lossy = f.simulated("fidelity_spsw", 1, (*settings, "timing.loss=0.2"))
    assert {(s.placement, s.activity, s.rate_hz) for s in whole} == {(p, "sitting", 100.0) for p in ("pocket", "wrist")}
    assert_allclose([np.linalg.norm(s.accelerometer, axis=0).mean() for s in whole], 9.81, atol=0.6)
    lengths = [sum(s.accelerometer.shape[1] for s in side) for side in (whole, lossy)]
    assert 0.6 < lengths[1] / lengths[0] < 0.95


def test_features_do_not_depend_on_the_mounting() -> None:
    rng = np.random.default_rng(1)
    windows = rng.standard_normal((9, 3, t.SIZE)) + np.array([0, 0, 9.81])[:, None]
    turned = np.einsum("ij,njk->nik", uniform_rotation(rng), windows)
    assert_allclose(t.features_of(turned), t.features_of(windows), atol=1e-6)
    assert not np.allclose(t.features_of(turned, "axis"), t.features_of(windows, "axis"), atol=1e-2)


@pytest.mark.parametrize("kind", t.CHANNELS)
def test_every_feature_has_a_name_and_stands_in_its_column(kind: str) -> None:
    found = dict(
        zip(t.names_of(kind), t.features_of(wave(2.6, 1.0, t.SIZE, t.RATE_HZ)[None], kind)[0].tolist(), strict=True)
    )
    assert found["mean of norm"] == pytest.approx(9.81, abs=0.05)
    assert found["std of norm"] == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert found["peak Hz of norm"] == pytest.approx(2.6, abs=0.3)
    bands = {name: value for name, value in found.items() if name.endswith("Hz of norm") and "peak" not in name}
    assert max(bands, key=bands.__getitem__) == "2-3 Hz of norm"


def test_a_short_window_has_the_levels_of_a_long_one() -> None:
    long, short = (t.features_of(wave(2.4, 1.0, n, t.RATE_HZ)[None])[0] for n in (t.SIZE, t.SIZE // 2))
    at = t.names_of("inv").index("2-3 Hz of norm")
    assert short[at] == pytest.approx(long[at], abs=1.0)


def test_windows_are_drawn_evenly_and_the_same_each_time() -> None:
    own = [stretch(wave(2, 1, 50 * 60)), stretch(wave(2, 1, 400), subject="2"), stretch(wave(2, 1, 30), subject="3"),
           stretch(wave(2, 1, 400), activity="stumble_walking")]  # fmt: skip
    found = t.windows_of(own, most=5)
    assert {s: int((found.subject == s).sum()) for s in "123"} == {"1": 5, "2": 3, "3": 0}
    assert set(found.label) == {"walking"}
    assert_allclose(t.windows_of(own, most=5).features, found.features)
    assert set(t.windows_of(own, classes=False).label) == {"walking", "stumble_walking"}


def windows(shift: float, people: int, seed: int) -> t.Windows:
    rng = np.random.default_rng(seed)
    n = 20 * people
    label = np.array(["walking", "running"], object)[np.arange(n) % 2]
    features = rng.standard_normal((n, 4)) + shift * np.array([0, 0, 1, 0]) + 2.5 * (label == "running")[:, None]
    return t.Windows(features=features, label=label, subject=np.arange(n) // 20)


def test_forests_learn_what_can_be_learnt_and_no_more() -> None:
    both = ("walking", "running")
    assert min(t.transfer(windows(0, 6, 0), windows(0, 6, 1), both).values()) > 0.95
    assert min(t.within(windows(0, 6, 2), both).values()) > 0.95
    same, apart = (t.told_apart(windows(0, 8, 3), windows(shift, 8, 4)) for shift in (0, 6))
    assert same is not None
    assert apart is not None
    assert same[0] == pytest.approx(0.5, abs=0.12)
    assert apart[0] > 0.95
    assert apart[1].argmax() == 2
    assert t.told_apart(windows(0, 8, 3), windows(0, 3, 4)) is None
    assert t.transfer(windows(0, 6, 0).of(["running"]), windows(0, 6, 1), both) == {}


def test_stairs_up_and_down_are_stairs_beside_a_set_that_mixes_them() -> None:
    label = np.array(["upstairs", "downstairs", "lying"], object)
    own = t.Windows(features=np.zeros((3, 1)), label=label, subject=np.arange(3))
    assert own.of(("stairs", "lying")).label.tolist() == ["stairs", "stairs", "lying"]
    assert own.of(("upstairs", "lying")).label.tolist() == ["upstairs", "lying"]


def test_a_fall_is_found_by_its_peak_low_and_posture() -> None:
    norm = np.full(500, 9.81)
    norm[240:250], norm[252] = 2.0, 55.0
    values = np.zeros((3, 500))
    values[2, :260], values[0, 260:] = norm[:260], norm[260:]
    found = m.fall_of(stretch(values))
    assert found["peak"] == 55
    assert found["lowest before"] == 2
    assert found["seconds between"] == pytest.approx(0.24, abs=0.03)
    assert found["posture change"] == pytest.approx(90)


def test_a_delayed_copy_agrees_at_its_lag() -> None:
    slow = np.convolve(np.random.default_rng(5).standard_normal(400), np.hanning(15), "same")
    plain, best, spread, _ = f.agreement(slow[5:305], slow[:300], 50.0)
    assert best > 0.99 > plain
    assert spread == pytest.approx(1, abs=0.05)


def trials(folder: Path) -> tuple[Path, Path]:
    """A pair of files of two trials: the sensor's are waves, the skeletons' are nothing."""
    x = np.concatenate([wave(hz, 3.0, 200) for hz in (1.0, 2.0)], 1).T
    common = {
        "start": np.array([0, 200]), "length": np.array([200, 200]), "trial": np.array(["a", "b"]),
        "subject": np.array(["1", "2"]), "activity": np.array(["wave", "clap"]),
        "placement": np.array(["wrist", "wrist"]), "rate_hz": np.array([50.0, 50.0]),
    }  # fmt: skip
    np.savez(folder / "utd_mhad.npz", x_int16=np.round(x * 1000).astype(np.int16), scale=np.full(3, 1e-3), **common)
    np.savez(folder / "utd_mhad_skeleton.npz", x_int16=np.zeros((400, 60), np.int16), scale=np.full(60, 1e-3), **common)
    return folder / "utd_mhad_skeleton.npz", folder / "utd_mhad.npz"


def test_a_driver_of_skeletons_is_scored_by_action_and_may_have_nothing(tmp_path: Path) -> None:
    def drive(frames: np.ndarray, placement: str, samples: int, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
        assert frames.shape == (200, 20, 3)
        assert placement == "wrist"
        return wave(1.0, 3.0, samples, rate_hz), np.zeros((3, samples))

    files = trials(tmp_path)
    found = f.skeletons(*files, drive)["wrist"]
    assert set(found) == {"wave", "clap", "all"}
    assert found["wave"] == pytest.approx(dict(zip(f.OF_SKELETONS, (1, 1, 1, 0), strict=True)), abs=1e-2)
    assert found["clap"] is not None
    assert abs(found["clap"]["correlation"]) < 0.2
    nothing = f.skeletons(*files, lambda *_: None)
    assert nothing == {"wrist": {"wave": None, "all": None, "clap": None}}
    empty = {"subjects": 1, "missing": [], "compared": [], "yardsticks": [], "falls": {}, "skeletons": nothing,
             "naive": {}, "apart": [], "without": [], "classified": {"within": [], "transfer": []}}  # fmt: skip
    _, rows = next(iter(f.tables(empty).values()))
    assert rows[0] == ["wrist", "all", *["not available"] * 8]
    assert "Skeletons, wrist: not available." in f.notes(empty)


@pytest.mark.parametrize("placement", ["wrist", "thigh"])
def test_differences_of_a_parabola_are_its_acceleration_and_gravity(placement: str) -> None:
    t = np.arange(100) / 50
    frames = np.zeros((100, 20, 3))
    frames[:, :, 0], frames[:, :, 1] = 1.5 * t[:, None] ** 2, -0.5 * t[:, None] ** 2
    force, rate = f.by_differences(frames, placement, 100, 50.0)
    np.testing.assert_allclose(force, np.array([[3.0], [9.80665 - 1.0], [0.0]]) * np.ones(100), atol=1e-6)
    assert np.isnan(rate).all()


def test_without_recordings_the_report_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROVINGGROUND_DATA", raising=False)
    monkeypatch.setattr(f, "PAIRS", {"spsw": "fidelity_spsw"})
    out = tmp_path / "report.md"
    told = CliRunner().invoke(fidelity.app, ["imu", "--subjects", "4", "--out", str(out)])
    assert told.exit_code == 0, told.output
    text = out.read_text(encoding="utf-8")
    assert "Left out: fidelity_spsw beside 'spsw', whose file spsw.npz is not there." in text
    assert "Left out: skeletons, whose file utd_mhad_skeleton.npz is not there." in text
    assert "| pocket | walking_slow |" in text
    report = f.report_of(tmp_path, 4)
    assert json.loads(json.dumps(report, allow_nan=False))["missing"] == ["spsw", "utd_mhad_skeleton"]
    whole = tmp_path / "fidelity-imu.md"
    whole.write_text("a whole report")
    monkeypatch.setattr(fidelity, "DOCS", tmp_path)
    monkeypatch.setattr(f, "report_of", lambda *_: report)
    told = CliRunner().invoke(fidelity.app, ["imu"])
    assert told.exit_code == 0, told.output
    assert "Left out: skeletons" in told.output
    last = told.stdout.splitlines()[-1]
    assert last.startswith("not stored: spsw.npz, utd_mhad_skeleton.npz missing")
    assert last.endswith("--out names a file")
    assert whole.read_text() == "a whole report"
    monkeypatch.setattr(f, "report_of", lambda *_: report | {"missing": []})
    assert CliRunner().invoke(fidelity.app, ["imu"]).exit_code == 0
    assert whole.read_text(encoding="utf-8").startswith("# Fidelity of the imu simulator")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "none"], "--data must be a folder of real recordings; 'none' is none"),
        (["--out", "none/r.md"], "--out must lie in a folder that is there and can be written; 'none' can not"),
        (["--out", "/proc/r.md"], "--out must lie in a folder that is there and can be written; '/proc' can not"),
    ],
)
def test_places_that_cannot_serve_are_refused_before_anything_is_simulated(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f, "report_of", lambda *_: pytest.fail("it simulates"))
    told = CliRunner().invoke(fidelity.app, ["imu", *arguments])
    assert (told.exit_code, told.output) == (2, f"error: {words}\n")


def test_a_simulation_beside_itself_is_like_itself() -> None:
    people = f.simulated("fidelity_hapt", 30, ("activities={walking=1, sitting=1}", "duration_s=120"))
    names = sorted({s.subject for s in people}, key=int)
    sides = [[s for s in people if (s.subject in names[::2]) == first] for first in (True, False)]
    rows = f.compare(*sides, "itself")
    assert [row["activity"] for row in rows] == ["sitting", "walking"]
    for row in rows:
        assert all(cell["inside"] for cell in row["statistics"].values())
        assert row["auc"] == pytest.approx(0.5, abs=0.2)
        assert row["spectrum_db"] < 3
    made = f.classify({"a": sides[0], "b": sides[1]}, {"a": sides[1], "b": sides[0]}, people, lambda what: None)
    assert all(own["real"] > 0.95 for own in f.reached(made, "inv").values())
    assert {row["set"] for row in made["within"]} == {"a", "b"}


@REAL_ONLY
def test_walking_at_pocket_and_wrist_lies_among_real_people() -> None:
    people = f.simulated("fidelity_spsw", 24)
    walks = [[s for s in side if s.activity == "walking"] for side in (m.real_stretches(REAL / "spsw.npz"), people)]
    found = {row["placement"]: row["statistics"] for row in f.compare(*walks, "spsw")}
    for place in ("pocket", "wrist"):
        for name in ("mean", "std", "p5", "p95"):
            assert found[place][name]["inside"], (place, name, found[place][name])


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hapt.npz").write_bytes(b"no")
    with pytest.raises(InputError, match=r"must be an \.npz file of segments"):
        m.real_stretches(tmp_path / "hapt.npz")
