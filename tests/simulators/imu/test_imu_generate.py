"""Whole IMU recordings: profiles, labels, noise and clock, truth that fits the counts, texts, pictures, bad input."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from scenarios.catalogue import available
from scenarios.digest import leaf
from scenarios.errors import InputError
from scenarios.schema import Arrays, check
from scenarios.spec import load, override, parse
from simulators.imu import SCHEMA, attrs_of, simulate_arrays
from simulators.imu.activity import ACTIVITIES, POSTURES, Activity, recipe_of
from simulators.imu.body import COORDINATES, SEGMENTS
from simulators.imu.compose import plan_of
from simulators.imu.labels import GROUPS_43, GROUPS_44, LABELS, code_of, group_of
from simulators.imu.people import person_of
from simulators.imu.plot import draw
from simulators.imu.score import INDEX, coordinates_of
from simulators.imu.spec import QUANTITIES, VERSION, ImuSpec
from simulators.imu.texts import channels_of, describe_activity, describe_bout
from simulators.run import key_of

PROFILES = {
    "uci_har": (6, 9, 50, 1.0), "hhar": (6, 6, 50, 1.0), "mhealth": (12, 21, 50, 1.5), "pamap2": (12, 48, 100, 2.0),
    "wisdm": (18, 12, 20, 1.5), "unimib_shar": (17, 3, 50, 1.0), "dsads": (19, 9, 25, 2.0), "hapt": (12, 6, 50, 1.25),
    "kuhar": (17, 6, 100, 1.5), "recgym": (11, 6, 20, 1.5), "motionsense": (6, 6, 50, 1.0),
    "realworld": (8, 3, 50, 1.0), "mobiact": (13, 6, 50, 1.0), "vtt_coniot": (16, 6, 50, 1.0),
}  # fmt: skip
"""Activities, channels, Hz, patch in s of each data set, of the fact sheet's table."""
OWN = 'text="walking about", labels=["walking"]'
ZERO_SHOT = {"motionsense", "realworld", "mobiact", "vtt_coniot"}


def spec_of(name: str, *changes: str) -> ImuSpec:
    return parse(ImuSpec, name, override(load("imu", name)[1], changes))


def made(name: str, index: int = 0, *changes: str) -> Arrays:
    spec = spec_of(name, *changes)
    return simulate_arrays(spec, key_of("imu", name, spec, "test", index))


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_those_of_the_data_sets(name: str) -> None:
    activities, channels, rate, patch = PROFILES[name]
    spec = spec_of(f"{name}_like", "duration_s=40")
    arrays = simulate_arrays(spec, key_of("imu", name, spec, "train", 1))
    check(arrays, SCHEMA)
    assert (len(spec.activities), spec.rate_hz, spec.patch_s) == (activities, rate, patch)
    assert arrays[f"inputs/r{rate}/counts"].shape == (channels, 40 * rate)
    assert spec.role == ("zero_shot" if name in ZERO_SHOT else "training")
    assert len(attrs_of(spec)["channel_text"]) == channels


def test_declared_channels_are_told_and_not_made() -> None:
    assert attrs_of(spec_of("mhealth_like"))["declared"] == ["ecg_1", "ecg_2"]
    assert len(spec_of("pamap2_like").declared) == 4


@pytest.mark.parametrize("name", available("imu"))
def test_channel_texts_name_no_activity(name: str) -> None:
    words = {word for label in LABELS for word in label.split("_") if len(word) > 3} - {"hand", "arms", "front"}
    words -= {
        "half",
        "fast",
        "legs",
        "back",
        "with",
        "from",
        "waist",
        "work",
        "chair",
        "upper",
        "lower",
        "left",
        "right",
    }
    for text in channels_of(spec_of(name)):
        assert not words & set(text.lower().replace(",", " ").split()), text


def test_counts_are_the_true_signals_within_the_sensors_errors() -> None:
    arrays = made("tiny")
    group = "inputs/r50"
    keep = arrays[f"{group}/valid"].all(0)
    for unit in (0, 1):
        for quantity, truth, most in (("accelerometer", "force", 1.2), ("gyroscope", "rate", 0.3)):
            rows = (arrays[f"{group}/sensor"] == unit) & (arrays[f"{group}/quantity"] == QUANTITIES.index(quantity))
            told = arrays[f"{group}/counts"][rows] * arrays[f"{group}/lsb"][rows, None]
            away = (told - arrays[f"truth/r50/{truth}"][unit])[:, keep]
            assert np.median(np.abs(away)) < most
    assert (arrays[f"{group}/counts"][:, ~keep] == 0).all()
    norms = np.sqrt((arrays["truth/r50/orientation"] ** 2).sum(1))
    assert_allclose(norms, 1, atol=1e-5)


def test_the_magnetometer_turns_with_the_device() -> None:
    spec = spec_of("tiny", "timing.loss=0")
    arrays = simulate_arrays(spec, key_of("imu", "tiny", spec, "test", 3))
    rows = arrays["inputs/r50/quantity"] == QUANTITIES.index("magnetometer")
    told = arrays["inputs/r50/counts"][rows] * arrays["inputs/r50/lsb"][rows, None] - arrays["truth/offset"][rows, None]
    w, x, y, z = arrays["truth/r50/orientation"][0].astype(float)
    rotation = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
    assert_allclose(told, np.einsum("ijn,i->jn", rotation, spec.earth.vector_ut), atol=8)


def test_body_acceleration_is_what_gravity_leaves() -> None:
    arrays = made("uci_har_like", 0, "duration_s=60")
    values = arrays["inputs/r50/counts"] * arrays["inputs/r50/lsb"][:, None]
    body, total = values[:3], values[3:6]
    gravity = total - body
    assert np.median(np.sqrt((gravity**2).sum(0))) == pytest.approx(10.0, abs=0.4)
    assert np.abs(np.diff(gravity, axis=1)).max() < 1.0
    assert np.abs(body.mean(1)).max() < 0.3


@pytest.mark.parametrize("name", ["hapt_like", "wisdm_like", "mobiact_like"])
def test_labels_by_sample_and_by_bout_agree(name: str) -> None:
    arrays = made(name, 2)
    group = next(n.split("/")[1] for n in arrays if n.endswith("/counts"))
    activity = arrays[f"truth/{group}/activity"]
    again = np.zeros_like(activity)
    for first, end, code in zip(*(arrays[f"truth/bout_{n}"] for n in ("start", "end", "activity")), strict=True):
        assert first < end
        again[first:end] = code
    assert_allclose(again, activity)
    for code, group_44, group_43 in zip(
        *(arrays[f"truth/bout_{n}"] for n in ("activity", "group", "group_43")), strict=True
    ):
        assert GROUPS_44[group_44] == group_of(LABELS[code])
        assert GROUPS_43[group_43] == group_of(LABELS[code], 43)


def test_subjects_share_their_body_and_splits_share_nobody() -> None:
    spec = spec_of("hapt_like", "duration_s=20")

    def person(split: str, index: int) -> tuple[int, float]:
        arrays = simulate_arrays(spec, key_of("imu", "hapt_like", spec, split, index))
        return int(arrays["truth/subject"]), float(arrays["truth/height"])

    assert person("train", 0) == person("train", 1) != person("train", 2)
    assert len({person(split, 0) for split in ("train", "validation", "test")}) == 3


@pytest.mark.parametrize("name", ACTIVITIES)
def test_every_activity_can_be_played(name: str) -> None:
    label = ACTIVITIES[name].labels[0]
    spec = ImuSpec(purpose="p", version=1, seed=4, activities={label: 1}, duration_s=16, pause_s=(1, 1.5))
    key = key_of("imu", "one", spec, "test", 0)
    plan = plan_of(spec, person_of(spec, key), key)
    assert plan.bouts
    assert all(bout.label == label and bout.begin <= bout.end <= 16 for bout in plan.bouts)
    q = coordinates_of(plan.score, np.linspace(0, 16, 1601))
    assert np.isfinite(q).all()
    angles = [i for i, c in enumerate(COORDINATES) if c.startswith(("knee", "hip_flex", "elbow", "lumbar"))]
    assert np.degrees(np.abs(q[0, angles])).max() < 200
    assert np.abs(q[2, INDEX["up"]]).max() < 400


@pytest.mark.parametrize("name", [n for n, a in ACTIVITIES.items() if group_of(a.labels[0]) == "falling"])
def test_falls_end_low_and_hit_hard(name: str) -> None:
    label = ACTIVITIES[name].labels[0]
    spec = ImuSpec(purpose="p", version=1, seed=4, activities={label: 1}, duration_s=12, truth="full")
    arrays = simulate_arrays(spec, key_of("imu", "one", spec, "test", 1))
    first, end = arrays["truth/bout_start"][0], arrays["truth/bout_end"][0]
    height, force = arrays["truth/r50/position"][0, 2], arrays["truth/r50/force"][0]
    norm = np.sqrt((force[:, first:end] ** 2).sum(0))
    assert height[first] - height[end - 1] > 0.25
    assert norm.max() > 18
    assert norm.min() < 5.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("units.0.placement=waste", "did you mean 'waist'"),
        ('units.0.measures=["ecg"]', "is not simulated"),
        ('units.0.axes=["up", "left", "forward"]', "right-handed"),
        ('activities={wolking=1}', "did you mean 'walking'"),
        ('sequence=["lying"]', "must be of the activities"),
        ("rate_hz=2", "rate_hz"),
        ("duration_s=0.1", "16 to"),
        (f"recipes={{walking={{{OWN}, curves={{nee_flexion=[1,2,3]}}, cycle_hz=1}}}}", "did you mean 'knee_flexion'"),
        (f'recipes={{walking={{{OWN}, start="stend"}}}}', "did you mean 'stand'"),
        (f"recipes={{walking={{{OWN}, curves={{up=[1,2,3]}}}}}}", "cycle_hz must be above 0"),
        (f"recipes={{walking={{{OWN}, posture={{tilt=9999}}}}}}", "must stay within 360"),
        ("recipes={bowling={like='bowlin'}}", "did you mean 'bowling'"),
        (f"recipes={{bowling={{{OWN}}}}}", "must have 'bowling' among its labels; they are walking"),
        ("bout_s=[3, 2]", "bout_s must be two positive numbers in ascending order"),
        ("pause_s=[-5, 1]", "pause_s must be two positive numbers"),
        ("patch_grid_s=[5, 1]", "patch_grid_s must be two positive numbers"),
        ("people.age_years=[200, 300]", "must be two ages from 10.0 to 100.0"),
        ("people.height_sd_m=3", "height_sd_m must be less"),
        ("variation.bout=50", "variation.bout must be less"),
        ("timing.skew_ppm=1e7", "timing.skew_ppm must be less"),
        ("units.0.wearing.shift_mm=5000", "shift_mm must be less"),
        ("earth.vector_ut=[1e9, 2, 2]", "must be 100.0 uT long at most"),
        ("declared=['ecgg']", "did you mean 'ecg'"),
        ("units.0.device='ax3'", "'ax3' has none"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(change: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as told:
        spec_of("tiny", change)
    assert "\n" not in str(told.value)


def test_a_device_that_lacks_a_sensor_is_refused() -> None:
    with pytest.raises(InputError, match="'ax3' has none"):
        made("tiny", 0, 'units.0.device="ax3"')
    with pytest.raises(InputError, match="did you mean 'phone'"):
        made("tiny", 0, 'units.0.device="fone"')


def test_an_activity_of_ones_own_is_a_table() -> None:
    table = '{text="wagging the head", labels=["waving"], cycle_hz=2, curves={neck_twist=[10, 0, -10, 0]}}'
    with pytest.raises(InputError, match="not a known label"):
        spec_of("tiny", f"recipes={{standing={table}}}")
    own = spec_of("tiny", f"recipes={{standing={table.replace('waving', 'standing')}}}", "activities={standing=1}")
    arrays = simulate_arrays(own, key_of("imu", "tiny", own, "test", 0))
    assert arrays["truth/bout_rate"][0] == pytest.approx(2, rel=0.3)


def test_a_recipe_may_be_like_another() -> None:
    own = spec_of("tiny", "recipes={standing={like='standing', text='standing and fidgeting', fidget_per_min=9}}")
    changes = {"text": "standing and fidgeting", "fidget_per_min": 9.0}
    assert own.recipes["standing"] == ACTIVITIES["standing"].model_copy(update=changes)
    assert attrs_of(own)["activity_text"]["standing"] == "a person is standing and fidgeting"


def test_words_for_bouts_and_activities() -> None:
    assert describe_bout("walking", 0.9, 1.3) == f"{describe_activity('walking')}, 108 steps a minute, at 1.3 m/s"
    assert describe_bout("squat", 0.5) == f"{describe_activity('squat')}, 30 cycles a minute"
    texts = {activity.text for activity in ACTIVITIES.values()}
    assert len(texts) == len(ACTIVITIES)
    assert all(recipe_of(label) for label in LABELS if label != "unlabelled")
    assert isinstance(recipe_of("walking"), Activity)
    assert "stand" in POSTURES
    with pytest.raises(InputError, match="did you mean 'walking'"):
        code_of("walkin")


def test_the_picture_is_drawn_with_and_without_poses(tmp_path: Path) -> None:
    arrays = made("tiny")
    draw(arrays, tmp_path / "full.png", title="one")
    bare = {name: a for name, a in arrays.items() if "pose" not in name}
    draw(bare, tmp_path / "bare.svg")
    assert (tmp_path / "full.png").stat().st_size > (20_000)
    assert (tmp_path / "bare.svg").stat().st_size > 10_000


def test_the_command_makes_a_set_and_a_picture(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "simulators.imu",
        "--scenario",
        "tiny",
        "--recordings",
        "1/0/0",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run([*command, "--preview", str(tmp_path / "p.png")], capture_output=True, text=True, check=True)
    assert "digest" in done.stdout
    wrong = subprocess.run(
        [sys.executable, "-m", "simulators.imu", "--scenario", "uci_har_lik"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 2
    assert "did you mean 'uci_har_like'" in wrong.stderr


def test_haste_shortens_moves_in_proportion() -> None:
    """Of people who stand up and sit down; the same draws otherwise."""
    seconds = []
    for haste in (1.0, 2.0):
        spec = spec_of("hapt_like", "sequence=['sit_to_stand', 'stand_to_sit']", f"people.haste={haste}")
        key = key_of("imu", "hapt_like", spec, "test", 0)
        first = plan_of(spec, person_of(spec, key), key).bouts[0]
        seconds.append(first.end - first.begin)
    assert seconds[0] == pytest.approx(2 * seconds[1], rel=1e-6)


@pytest.mark.parametrize(("label", "sign"), [("falling_left", -1), ("falling_right", 1)])
@pytest.mark.parametrize("left_handed", [False, True])
def test_everybody_falls_to_the_side_that_the_label_says(label: str, sign: int, left_handed: bool) -> None:
    spec = spec_of("unimib_shar_like", f"sequence=['{label}']", "duration_s=30")
    key = key_of("imu", "unimib_shar_like", spec, "test", 0)
    plan = plan_of(spec, replace(person_of(spec, key), left_handed=left_handed), key)
    bout = plan.bouts[0]
    (c,) = coordinates_of(plan.score, np.array([bout.end - 0.5]))[0, [INDEX["list"]]]
    assert sign * np.degrees(c) > 45


def test_shocks_of_who_limps_are_stronger_on_one_side() -> None:
    sides = {}
    for limp in (0.0, 0.3):
        walk = recipe_of("walking")
        assert walk is not None
        even = {"impact_side": 0.0, "impact_cycle": 0.0, "size_cycle": 0.0}
        table = walk.model_dump(mode="json") | {"spread": even | {"impact_side": limp}}
        spec = parse(ImuSpec, "own", load("imu", "hapt_like")[1] | {"recipes": {"walking": table}})
        spec = spec.model_copy(update={"activities": {"walking": 1.0}, "sequence": ()})
        key = key_of("imu", "own", spec, "test", 3)
        shocks = plan_of(spec, person_of(spec, key), key).score.shocks
        foot = [np.max(np.abs(shocks.up[shocks.segment == SEGMENTS.index(f"foot_{side}")])) for side in "rl"]
        sides[limp] = foot[0] / foot[1]
    assert sides[0.0] == pytest.approx(1, abs=0.02)
    assert abs(sides[0.3] - 1) > 0.05


def test_golden_digests() -> None:
    """A change here means that output changed: raise `simulators.imu.spec.VERSION` and store the new digests."""
    golden = json.loads((Path(__file__).parent / "golden.json").read_text())
    found = {}
    for name in sorted(available("imu")):
        spec = spec_of(name, "duration_s=30")
        arrays = simulate_arrays(spec, key_of("imu", name, spec, "test", 0))
        found[name] = leaf(arrays, check(arrays, SCHEMA)).hex()[:16]
    assert {"version": VERSION, "leaves": found} == golden
