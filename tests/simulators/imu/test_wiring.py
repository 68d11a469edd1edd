"""That every part of the simulator reaches a recording: levels of variation, device effects, clock, motion, words."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from scenarios.spec import load, override, parse
from simulators.imu import generate, plot
from simulators.imu.body import SEGMENTS
from simulators.imu.compose import Plan, plan_of
from simulators.imu.devices import DEVICES, Device
from simulators.imu.people import Person, pace_of, person_of
from simulators.imu.score import INDEX, coordinates_of
from simulators.imu.spec import QUANTITIES, ImuSpec
from simulators.imu.texts import QUANTITIES as WORDS
from simulators.imu.texts import channels_of
from simulators.imu.wear import wear
from simulators.run import key_of
from simulators.sensor import SensorModel

LEVELS = ("person", "session", "bout", "cycle")
COUNTS = SensorModel(name="fine", unit="1", lsb=1e-6, bits=32)
"""A converter that adds nothing."""
SPEC_OF_WALKS = (
    "activities={walking=1}", "sequence=[]", "duration_s=60", "bout_s=[8, 10]", "people.recordings_per_subject=2",
)  # fmt: skip


def spec_of(name: str, *changes: str) -> ImuSpec:
    return parse(ImuSpec, name, override(load("imu", name)[1], changes))


def planned(spec: ImuSpec, index: int) -> tuple[Person, Plan]:
    key = key_of("imu", "wiring", spec, "test", index)
    person = person_of(spec, key)
    return person, plan_of(spec, person, key)


def paces(level: str) -> np.ndarray:
    """(people 4, sessions 2, bouts 3) rates of strides over the body's own, where one level alone varies."""
    spec = spec_of("hapt_like", *SPEC_OF_WALKS, *(f"variation.{other}={int(other == level)}" for other in LEVELS))
    rows = []
    for index in range(8):
        person, plan = planned(spec, index)
        rows.append([bout.rate / pace_of(person.body) for bout in plan.bouts[:3]])
    return np.array(rows).reshape(4, 2, 3)


@pytest.mark.parametrize(("level", "axis"), [("person", 0), ("session", 1), ("bout", 2)])
def test_a_level_of_variation_moves_its_own_pace_alone(level: str, axis: int) -> None:
    found = paces(level)
    assert found.std(axis).min() > 1e-3
    for deeper in range(axis + 1, 3):
        assert np.ptp(found, axis=deeper).max() < 1e-9


def test_cycles_alone_vary_within_a_bout_and_no_pace_does() -> None:
    assert_allclose(paces("cycle"), paces("cycle")[0, 0, 0], rtol=1e-9)
    for cycle in (0, 1):
        changes = [f"variation.{level}={int(level == 'cycle') * cycle}" for level in LEVELS]
        _, plan = planned(spec_of("hapt_like", *SPEC_OF_WALKS, *changes), 0)
        steps = np.diff(plan.score.cycles[0].phase.start)
        assert (steps.std() > 1e-3) == bool(cycle)


def test_a_brisk_walker_tends_to_run_briskly() -> None:
    changes = ("activities={walking=1, running=1}", "sequence=['walking', 'running']", "duration_s=40")
    spec = spec_of("hapt_like", *changes, "bout_s=[8, 9]", "variation.session=0", "variation.bout=0")
    rates = []
    for index in range(120):
        person, plan = planned(spec, index)
        rates.append([bout.rate / pace_of(person.body) for bout in plan.bouts[:2]])
    assert 0.3 < np.corrcoef(np.log(rates).T)[0, 1] < 0.7


def test_bouts_keep_their_own_posture_where_no_person_differs() -> None:
    still = ("activities={standing=1}", "sequence=[]", "duration_s=200", "bout_s=[8, 9]")
    spread = []
    for others in (0, 1):
        levels = [f"variation.person={others}", f"variation.session={others}", "variation.bout=1"]
        _, plan = planned(spec_of("hapt_like", *still, *levels), 0)
        times = np.array([bout.begin + 0.01 for bout in plan.bouts])
        spread.append(coordinates_of(plan.score, times)[0, INDEX["hip_flexion_r"]].std())
    assert spread[0] == pytest.approx(spread[1], rel=0.5)
    assert np.degrees(spread[0]) > 0.5


def test_people_of_different_splits_have_different_bodies() -> None:
    spec = spec_of("hapt_like")
    heights = [
        person_of(spec, key_of("imu", "hapt_like", spec, split, index)).body.height
        for split in ("train", "validation", "test") for index in range(0, 16, 2)
    ]  # fmt: skip
    assert len(set(heights)) == 24


def test_a_habit_of_wearing_belongs_to_the_person() -> None:
    changes = ("people.recordings_per_subject=2", "units.0.wearing.tilt_deg=0", "units.0.wearing.turn_deg=20")
    spec = spec_of("hapt_like", *changes)
    mounts = []
    for index in range(6):
        key = key_of("imu", "wiring", spec, "test", index)
        mounts.append(wear(spec, person_of(spec, key), key).sites.mount[0])
    for a in (0, 2, 4):
        assert_allclose(mounts[a], mounts[a + 1], atol=1e-12)
    assert np.abs(mounts[0] - mounts[2]).max() > 0.01


def test_left_handed_people_use_the_other_arm() -> None:
    spec = spec_of("wisdm_like", "activities={brushing_teeth=1}", "sequence=[]", "duration_s=30")
    key = key_of("imu", "wiring", spec, "test", 0)
    busy = []
    for left_handed in (False, True):
        plan = plan_of(spec, replace(person_of(spec, key), left_handed=left_handed), key)
        rate = coordinates_of(plan.score, np.arange(10, 20, 0.02))[1]
        busy.append([rate[INDEX[f"elbow_flexion_{side}"]].std() for side in "rl"])
    assert busy[0][0] > 3 * busy[0][1]
    assert busy[1][1] > 3 * busy[1][0]


def read(
    monkeypatch: pytest.MonkeyPatch, device: Device, *changes: str, index: int = 0
) -> tuple[np.ndarray, np.ndarray, Any]:
    """(accelerometer, gyroscope) (3, n), and the recording, of somebody who walks and sits with that device."""
    monkeypatch.setattr(generate, "device_of", lambda *_: device)
    spec = spec_of("hapt_like", "activities={walking=1, sitting=1}", "sequence=[]", "duration_s=60", *changes)
    arrays = generate.simulate_arrays(spec, key_of("imu", "wiring", spec, "test", index))
    values = arrays["inputs/r50/counts"] * arrays["inputs/r50/lsb"][:, None]
    return values[:3], values[3:], arrays


def device(accelerometer: SensorModel = COUNTS, gyroscope: SensorModel = COUNTS, **more: Any) -> Device:
    return Device(name="own", text="one", accelerometer=accelerometer, gyroscope=gyroscope, **more)


def left_over(away: np.ndarray, causes: Sequence[np.ndarray]) -> float:
    """Rms of what a linear map of the causes and a constant does not explain of a difference (3, n)."""
    rows = np.concatenate([*causes, np.ones((1, away.shape[1]))])
    found = np.linalg.lstsq(rows.T, away.T, rcond=None)[0]
    return float(np.sqrt(((away.T - rows.T @ found) ** 2).mean()))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray]:
    force, rate, _ = read(monkeypatch, device())
    return force, rate


Plain = tuple[np.ndarray, np.ndarray]


def test_white_noise_reaches_the_counts(monkeypatch: pytest.MonkeyPatch, plain: Plain) -> None:
    force, rate, _ = read(monkeypatch, device(replace(COUNTS, white_sd=0.5)))
    assert (force - plain[0]).std() == pytest.approx(0.5, rel=0.05)
    assert_allclose(rate, plain[1], atol=2e-6)


def test_scale_and_misalignment_reach_the_counts(monkeypatch: pytest.MonkeyPatch, plain: Plain) -> None:
    for model in (replace(COUNTS, scale_sd=0.05), replace(COUNTS, misalignment_sd=0.05)):
        force, _, _ = read(monkeypatch, device(model))
        assert (force - plain[0]).std() > 0.02
        assert left_over(force - plain[0], [plain[0]]) < 1e-5


def test_an_offset_is_constant_and_told(monkeypatch: pytest.MonkeyPatch, plain: Plain) -> None:
    force, _, arrays = read(monkeypatch, device(replace(COUNTS, offset_sd=0.5), bias=(0.1, 0.2, -0.3)))
    assert_allclose((force - plain[0]).T, np.tile(arrays["truth/offset"][:3], (force.shape[1], 1)), atol=3e-6)
    assert np.abs(arrays["truth/offset"][:3]).max() > 0.1


def test_gain_is_that_of_the_accelerometer_alone(monkeypatch: pytest.MonkeyPatch, plain: Plain) -> None:
    force, rate, _ = read(monkeypatch, device(gain=1.1))
    assert_allclose(force, 1.1 * plain[0], atol=3e-6)
    assert_allclose(rate, plain[1], atol=2e-6)


def test_a_gyroscope_feels_force_as_its_sensitivity_says(monkeypatch: pytest.MonkeyPatch, plain: Plain) -> None:
    _, rate, _ = read(monkeypatch, device(gyroscope=replace(COUNTS, cross_sd=0.01)))
    assert (rate - plain[1]).std() > 1e-3
    assert left_over(rate - plain[1], [plain[0]]) < 1e-5


def test_bandwidth_takes_what_is_fast(monkeypatch: pytest.MonkeyPatch, plain: Plain) -> None:
    force, rate, _ = read(monkeypatch, device(accelerometer_hz=3.0))
    fast = [np.abs(np.fft.rfft(x[0] * np.hanning(x.shape[1])))[-x.shape[1] // 4 :].sum() for x in (force, plain[0])]
    assert fast[0] < 0.2 * fast[1]
    assert_allclose(rate, plain[1], atol=2e-6)


def test_counts_are_whole_and_stop_at_the_rail(monkeypatch: pytest.MonkeyPatch, plain: Plain) -> None:
    coarse = replace(COUNTS, lsb=0.5, bits=6)  # rails at -16 and 15.5 m/s^2
    force, _, arrays = read(monkeypatch, device(coarse))
    assert_allclose(force, np.clip(np.rint(plain[0] / 0.5), -32, 31) * 0.5, atol=0.51)
    clipped = arrays["inputs/r50/clipped"][:3]
    assert clipped.any()
    assert set(np.unique(arrays["inputs/r50/counts"][:3][clipped])) <= {-32, 31}


@pytest.mark.parametrize("one", [True, False])
def test_one_device_serves_all_recordings_where_it_says_so(monkeypatch: pytest.MonkeyPatch, one: bool) -> None:
    offsets = [
        read(monkeypatch, device(replace(COUNTS, offset_sd=0.5)), f"units.0.one_device={str(one).lower()}", index=i)[2][
            "truth/offset"
        ][:3]
        for i in range(2)
    ]
    assert np.array_equal(*offsets) == one


def test_the_clock_reaches_the_stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skew, jitter, batches and loss, each alone: what is reported beside what is true."""
    even = ("timing.skew_ppm=0", "timing.jitter_ms=0", "timing.batch=1", "timing.loss=0", "timing.tick_ms=0.001")

    def stamps(change: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        arrays = read(monkeypatch, device(), *even, change)[2]
        valid = arrays["inputs/r50/valid"].all(0)
        return arrays["inputs/r50/tick_ns"] * 1e-9, arrays["truth/r50/time_ns"] * 1e-9, valid

    told, true, valid = stamps(even[0])
    assert_allclose(told, true, atol=2e-6)
    assert valid.all()
    told, true, _ = stamps("timing.skew_ppm=5000")
    slope, _ = np.polyfit(told, true, 1)
    assert 1e-5 < abs(slope - 1) < 0.02
    assert_allclose(true, slope * told, atol=1e-4)
    told, true, _ = stamps("timing.jitter_ms=8")
    assert 0.001 < (told - true).std() < 0.008
    assert (told - true).min() >= -1e-6
    told, _, _ = stamps("timing.batch=10")
    assert np.unique(told).size == told.size // 10
    _, _, valid = stamps("timing.loss=0.2")
    assert 0.7 < valid.mean() < 0.9


def test_an_orientation_estimate_is_off_by_a_constant_turn() -> None:
    spec = spec_of("pamap2_like", "duration_s=20", "truth='full'")
    arrays = generate.simulate_arrays(spec, key_of("imu", "wiring", spec, "test", 0))
    rows = (arrays["inputs/r100/quantity"] == QUANTITIES.index("orientation")) & (arrays["inputs/r100/sensor"] == 0)
    told = arrays["inputs/r100/counts"][rows] * arrays["inputs/r100/lsb"][rows, None]
    angle = np.degrees(2 * np.arccos(np.clip(np.abs((told * arrays["truth/r100/orientation"][0]).sum(0)), 0, 1)))
    keep = arrays["inputs/r100/valid"][rows].all(0)
    assert 0.3 < np.median(angle[keep]) < 8
    assert angle[keep].std() < 0.5


def test_every_step_of_a_walk_shakes_the_foot_that_lands() -> None:
    _, plan = planned(spec_of("hapt_like", *SPEC_OF_WALKS), 0)
    bout, shocks = plan.bouts[0], plan.score.shocks
    inside = (shocks.at > bout.begin) & (shocks.at < bout.end)
    for side in "rl":
        count = int((inside & (shocks.segment == SEGMENTS.index(f"foot_{side}"))).sum())
        assert count >= int(bout.rate * (bout.end - bout.begin)) - 1
    assert np.abs(shocks.up[inside]).max() > 3


@pytest.mark.parametrize(
    ("label", "most"),
    [("walking", 60), ("stairs_up", 80), ("stairs_down", 90), ("nordic_walking", 110), ("jogging", 120),
     ("running", 120)],
)  # fmt: skip
def test_an_ankle_feels_what_tibial_accelerometers_read(label: str, most: float) -> None:
    """Peaks over eight people, m/s^2: some 3 g as one walks, 5 to 10 g and more as one runs.

    Sheerin, Reid and Besier, Gait and Posture 67, 2019, recalled; with what a loose strap adds [chosen].
    """
    changes = (f"activities={{{label}=1}}", "sequence=[]", "duration_s=20", "bout_s=[12, 13]", "truth='full'")
    spec = spec_of("pamap2_like", *changes)
    peaks = []
    for index in range(8):
        arrays = generate.simulate_arrays(spec, key_of("imu", "wiring", spec, "test", index))
        first, end = arrays["truth/bout_start"][0], arrays["truth/bout_end"][0]
        norm = np.sqrt((arrays["truth/r100/force"][2, :, first:end] ** 2).sum(0))
        peaks.append(np.percentile(norm, 99.8))
    assert 15 < np.median(peaks) < most


def test_an_elevator_moves_its_passengers() -> None:
    changes = ("activities={moving_elevator=1}", "sequence=[]", "duration_s=60", "bout_s=[30, 31]")
    _, plan = planned(spec_of("dsads_like", *changes), 0)
    bout = plan.bouts[0]
    up = coordinates_of(plan.score, np.linspace(bout.begin, bout.end, 400))[0, INDEX["up"]]
    assert np.ptp(up) > 2


def test_nobody_is_a_statue() -> None:
    _, plan = planned(spec_of("hapt_like", "activities={standing=1}", "sequence=[]", "duration_s=40"), 0)
    bout = plan.bouts[0]
    q = coordinates_of(plan.score, np.linspace(bout.begin + 1, bout.end - 1, 500))[0]
    assert (q[[INDEX["hip_flexion_r"], INDEX["tilt"], INDEX["forward"]]].std(1) > 1e-5).all()


def test_a_loose_device_rattles(monkeypatch: pytest.MonkeyPatch) -> None:
    tight, loose = (read(monkeypatch, device(), f"units.0.wearing.rattle_deg={r}")[1] for r in (0, 3))
    assert (loose - tight).std() > 0.05


@pytest.mark.parametrize("name", ["pamap2_like", "uci_har_like", "wisdm_like"])
def test_a_channels_text_tells_its_own_truth(name: str) -> None:
    spec = spec_of(name)
    texts = iter(channels_of(spec))
    for unit in spec.units:
        for quantity in unit.measures:
            for _ in range(4 if quantity == "orientation" else 3):
                text = next(texts)
                assert text.startswith(WORDS[quantity])
                assert f"{spec.rate_hz:g} samples a second" in text
                assert DEVICES[unit.device].text in text
                if unit.side in ("left", "right"):
                    assert f"{unit.side} " in text
    assert next(texts, None) is None


def test_the_picture_shows_poses_sites_streams_and_a_spectrogram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib import pyplot as plt

    spec = spec_of("tiny", "duration_s=40")
    arrays = generate.simulate_arrays(spec, key_of("imu", "tiny", spec, "test", 0))
    monkeypatch.setattr(plt, "close", lambda _: None)
    plot.draw(arrays, tmp_path / "tiny.png")
    axes = plt.gcf().axes
    poses = int(arrays["truth/pose_sample"].size)
    assert poses >= 3
    dots = [line for line in axes[0].lines if line.get_marker() == "o"]
    assert len(dots) == poses * len(spec.units)
    figures = arrays["truth/pose_joint"]
    assert np.ptp(figures - figures[:, :1], axis=0).max() > 0.02  # the figure moves
    assert sum(len(axis.lines) == 3 for axis in axes[1:-1]) >= 3
    assert len(axes[-1].collections) == 1  # the spectrogram's mesh
    monkeypatch.undo()
    plt.close("all")
