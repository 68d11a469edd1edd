"""The fourteen profiles: labels, channels in their order, mounts, and a course of bouts that a body can follow."""

import pytest

from scenarios.catalogue import available
from scenarios.spec import load, parse
from simulators.imu.activity import POSTURES, recipe_of
from simulators.imu.devices import DEVICES, device_of
from simulators.imu.labels import group_of
from simulators.imu.spec import AXES, AXES_OF, ImuSpec, handedness

LABELS = {
    "uci_har": "laying sitting standing walking walking_downstairs walking_upstairs",
    "hhar": "cycling sitting standing walking walking_downstairs walking_upstairs",
    "mhealth": "climbing_stairs cycling frontal_elevation_arms jogging jump_front_back knees_bending lying running"
    " sitting standing waist_bends_forward walking",
    "pamap2": "ascending_stairs cycling descending_stairs ironing lying nordic_walking rope_jumping running sitting"
    " standing vacuum_cleaning walking",
    "wisdm": "brushing_teeth clapping dribbling drinking eating_chips eating_pasta eating_sandwich eating_soup"
    " folding_clothes jogging kicking playing_catch sitting stairs standing typing walking writing",
    "unimib_shar": "falling_backward falling_backward_sitting falling_forward falling_hitting_obstacle falling_left"
    " falling_right falling_with_protection going_down_stairs going_up_stairs jumping lying_down_from_standing running"
    " sitting_down standing_up_from_laying standing_up_from_sitting syncope walking",
    "dsads": "cycling_horizontal cycling_vertical exercising_cross_trainer exercising_stepper jumping lying_back"
    " lying_side moving_elevator playing_basketball rowing running_treadmill sitting stairs_down stairs_up standing"
    " standing_elevator walking_parking walking_treadmill_flat walking_treadmill_incline",
    "hapt": "lie_to_sit lie_to_stand lying sit_to_lie sit_to_stand sitting stand_to_lie stand_to_sit standing walking"
    " walking_downstairs walking_upstairs",
    "kuhar": "jumping lying picking_up playing_sports push_up running sit_up sitting standing standing_up_from_laying"
    " standing_up_from_sitting talking_sitting talking_standing walking walking_backwards walking_downstairs"
    " walking_upstairs",
    "recgym": "adductor_machine arm_curl bench_press cycling leg_curl leg_press rope_skipping running squat"
    " stairclimber walking",
    "motionsense": "jogging sitting standing walking walking_downstairs walking_upstairs",
    "realworld": "jumping lying running sitting stairs_down stairs_up standing walking",
    "mobiact": "car_step_in car_step_out fall_backward_knees fall_backward_sitting fall_forward fall_sideways jogging"
    " jumping sitting_chair stairs_down stairs_up standing walking",
    "vtt_coniot": "carrying climbing_ladder jumping_down kneeling_work laying_back leveling_paint lifting pushing_cart"
    " raising_hands roll_painting sitting spraying_paint stairs standing_work walking_straight walking_winding",
}  # fmt: skip
"""Of the data sets as the zero-shot tracks' source labels them."""
A, G, M, O, B = "accelerometer", "gyroscope", "magnetometer", "orientation", "body_acceleration"  # noqa: E741
UNITS = {
    "uci_har": [("waist", (B, A, G))], "hhar": [("waist", (A, G))],
    "mhealth": [("chest", (A,)), ("ankle", (A, G, M)), ("forearm", (A, G, M))],
    "pamap2": [("hand", (A, A, G, M, O)), ("chest", (A, A, G, M, O)), ("ankle", (A, A, G, M, O))],
    "wisdm": [("pocket", (A, G)), ("wrist", (A, G))], "unimib_shar": [("pocket", (A,))],
    "dsads": [("chest", (A, G, M))], "hapt": [("waist", (A, G))], "kuhar": [("waist", (A, G))],
    "recgym": [("wrist", (A, G))], "motionsense": [("pocket", (A, G))], "realworld": [("waist", (A,))],
    "mobiact": [("pocket", (A, G))], "vtt_coniot": [("hip", (A, G))],
}  # fmt: skip
"""Where the units sit and what they measure, in the order of the data set's channels."""
CHANNELS = {
    "uci_har": 9, "hhar": 6, "mhealth": 21, "pamap2": 48, "wisdm": 12, "unimib_shar": 3, "dsads": 9, "hapt": 6,
    "kuhar": 6, "recgym": 6, "motionsense": 6, "realworld": 3, "mobiact": 6, "vtt_coniot": 6,
}  # fmt: skip
GRID = {
    "uci_har": (0.75, 1.25), "hhar": (0.75, 1.25), "mhealth": (1.0, 1.75), "pamap2": (1.0, 2.0), "wisdm": (1.0, 1.75),
    "unimib_shar": (0.75, 1.25), "dsads": (1.5, 2.5), "hapt": (0.75, 1.25), "kuhar": (1.0, 1.75),
    "recgym": (1.0, 1.75), "motionsense": (1.0, 1.0), "realworld": (1.0, 1.0), "mobiact": (1.0, 1.0),
    "vtt_coniot": (1.0, 1.0),
}  # fmt: skip
"""s; a zero-shot set has one patch."""
ZERO_SHOT = ("motionsense", "realworld", "mobiact", "vtt_coniot")
TRAINING = tuple(name for name in LABELS if name not in ZERO_SHOT)
EACH = pytest.mark.parametrize("name", LABELS)


def profile(name: str) -> ImuSpec:
    return parse(ImuSpec, name, load("imu", f"{name}_like")[1])


@EACH
def test_labels_are_those_of_the_data_set_and_can_be_played(name: str) -> None:
    spec = profile(name)
    assert sorted(spec.activities) == LABELS[name].split()
    assert all(recipe_of(label) is not None for label in spec.activities)
    assert not spec.recipes


@EACH
def test_units_measure_what_the_data_set_has_in_its_order(name: str) -> None:
    spec = profile(name)
    assert [(unit.placement, unit.measures) for unit in spec.units] == UNITS[name]
    assert sum(len(AXES_OF.get(q, AXES[:3])) for unit in spec.units for q in unit.measures) == CHANNELS[name]


@EACH
def test_patches_fit_the_session(name: str) -> None:
    spec = profile(name)
    assert spec.patch_grid_s == GRID[name]
    assert spec.patch_grid_s[0] <= spec.patch_s <= spec.patch_grid_s[1]
    assert 180 <= spec.duration_s <= 600
    assert spec.patch_s * spec.rate_hz >= 20


@EACH
def test_a_purpose_says_which_kind_of_profile_it_is(name: str) -> None:
    kind = "Zero-shot profile" if name in ZERO_SHOT else "Training profile"
    assert profile(name).purpose.startswith(kind)


@pytest.mark.parametrize("name", available("imu"))
def test_devices_exist_have_their_sensors_and_are_worn_right_handed(name: str) -> None:
    for unit in parse(ImuSpec, name, load("imu", name)[1]).units:
        assert unit.device in DEVICES
        assert device_of(unit.device, unit.measures).name == unit.device
        assert handedness(unit.axes) == 1


@EACH
def test_a_course_in_turn_leaves_nothing_out(name: str) -> None:
    spec = profile(name)
    assert not spec.sequence or set(spec.sequence) == set(spec.activities)


def test_transitions_begin_where_the_bout_before_ends() -> None:
    """Twice round: the last bout leads to the first."""
    course = profile("hapt").sequence
    end = ""
    for label in (*course, *course):
        activity = recipe_of(label)
        assert activity is not None
        assert activity.start == end or not end or activity.start == "stand" == end, f"{label} after {end}"
        end = (activity.moves[-1].to or activity.start) if activity.one_off else activity.start
        assert end in POSTURES


def test_zero_shot_profiles_are_other_people_with_other_devices() -> None:
    trained = {unit.device for name in TRAINING for unit in profile(name).units}
    tested = [profile(name) for name in ZERO_SHOT]
    assert not trained & {unit.device for spec in tested for unit in spec.units}
    assert len({spec.people.age_years for spec in tested}) == len(tested)
    assert len({unit.wearing for spec in tested for unit in spec.units}) == len(tested)
    seeds = [profile(name).seed for name in LABELS]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(("name", "seen"), [("motionsense", 6), ("realworld", 8), ("mobiact", 11), ("vtt_coniot", 8)])
def test_as_many_labels_have_a_trained_group_as_in_the_sources_table(name: str, seen: int) -> None:
    """100, 100, 85 and 50 % of their labels: vehicles, painting, carrying, climbing, kneeling stay unseen."""
    trained = {group_of(label) for each in TRAINING for label in profile(each).activities}
    assert sum(group_of(label) in trained for label in profile(name).activities) == seen


def test_mixed_placements_have_every_mount() -> None:
    spec = parse(ImuSpec, "mix_placements", load("imu", "mix_placements")[1])
    assert {unit.placement for unit in spec.units} == {"waist", "pocket", "thigh", "wrist", "chest", "ankle"}
    assert all(unit.wearing.free for unit in spec.units)


def test_tiny_is_tiny() -> None:
    spec = parse(ImuSpec, "tiny", load("imu", "tiny")[1])
    assert 10 <= spec.duration_s <= 20
    assert spec.truth == "full"
    assert (len(spec.activities), [unit.placement for unit in spec.units]) == (4, ["waist", "wrist"])
