"""Texts: activities in words of their own with the pace of the truth, channels without a word of any activity."""

import json
import re

import pytest

from scenarios.catalogue import available
from scenarios.spec import load, parse
from simulators.imu import simulate_arrays
from simulators.imu.activity import ACTIVITIES, recipe_of
from simulators.imu.labels import LABELS, PLACEMENTS, SIDES, UNLABELLED, coarse_of
from simulators.imu.spec import AXES, AXES_OF, QUANTITIES, UNITS, ImuSpec
from simulators.imu.texts import (
    GAIT_GROUPS,
    attrs_of,
    channels_of,
    describe_activity,
    describe_bout,
    describe_channel,
)
from simulators.run import key_of

BODY_WORDS = frozenset({"arm", "arms", "back", "waist", "hand", "upper", "lower", "left", "right", "front"})
"""Parts of labels that name a place of the body or a side, as a channel's text must."""
NO_LABEL_WORDS = frozenset({"with", "from", "work", "chair", "half", "low", "high", "out", "in", "to", "up", "a", "x"})
"""Words that say nothing of what someone does."""


def spec_of(name: str) -> ImuSpec:
    return parse(ImuSpec, name, load("imu", name)[1])


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


@pytest.mark.parametrize("label", [label for label in LABELS if label != UNLABELLED])
def test_an_activity_is_told_in_the_words_of_its_recipe(label: str) -> None:
    recipe = recipe_of(label)
    assert recipe is not None
    assert describe_activity(label) == f"a person is {recipe.text}"


def test_no_activity_is_no_phrase() -> None:
    assert "unknown" in describe_activity(UNLABELLED)


@pytest.mark.parametrize("name", [n for n, a in ACTIVITIES.items() if a.cycle_hz])
def test_a_pace_counts_steps_of_gait_and_cycles_of_all_else(name: str) -> None:
    label = ACTIVITIES[name].labels[0]
    text = describe_bout(label, 1.0)
    assert text.endswith("120 steps a minute" if coarse_of(label) in GAIT_GROUPS else "60 cycles a minute")
    assert describe_bout(label, 1.0, -0.84).endswith(", at 0.8 m/s")
    assert describe_bout(label) == describe_activity(label)


def test_a_bouts_text_has_the_pace_of_its_truth() -> None:
    spec = spec_of("tiny").model_copy(update={"activities": {"walking": 1.0}})
    arrays = simulate_arrays(spec, key_of("imu", "tiny", spec, "test", 1))
    rate, speed = float(arrays["truth/bout_rate"][0]), float(arrays["truth/bout_speed"][0])
    told = re.search(r"(\d+) steps a minute, at ([\d.]+) m/s$", describe_bout("walking", rate, speed))
    assert told is not None
    assert abs(int(told[1]) - 120 * rate) <= 0.5
    assert abs(float(told[2]) - speed) <= 0.05 + 1e-9


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_channels_text_has_place_side_axis_unit_and_rate(quantity: str, placement: str) -> None:
    if placement == "unknown":
        pytest.skip("a place that nobody names")
    unit = UNITS[QUANTITIES.index(quantity)]
    seen = set()
    for side in SIDES:
        for axis in AXES_OF.get(quantity, AXES[:3]):
            text = describe_channel(quantity, axis, placement, side, 100)
            seen.add(text)
            assert "100 samples a second" in text
            assert f" {axis}" in text
            assert unit == "1" or f" in {unit} " in text
            assert (side in text) == (side in ("left", "right"))
    assert len(seen) == 3 * len(AXES_OF.get(quantity, AXES[:3]))


@pytest.mark.parametrize("name", available("imu"))
def test_channels_share_no_word_with_labels_or_activities(name: str) -> None:
    """Of whole labels and of their parts, but for body parts and sides."""
    spec = spec_of(name)
    words = {part for label in spec.activities for part in label.split("_")} - BODY_WORDS - NO_LABEL_WORDS
    words |= {label for label in LABELS if "_" not in label}
    for text in channels_of(spec):
        assert not words & words_of(text), text
        assert not any(label in text for label in LABELS if "_" in label), text


@pytest.mark.parametrize("name", available("imu"))
def test_a_scenarios_words_are_plain_json_and_complete(name: str) -> None:
    spec = spec_of(name)
    told = attrs_of(spec)
    assert json.loads(json.dumps(told)) == told
    assert list(told["activity_text"]) == list(told["activity_group"]) == list(spec.activities)
    assert told["declared"] == list(spec.declared)
    for unit in spec.units:
        for quantity in set(unit.measures):
            told_of = [t for t in told["channel_text"] if t in channels_of(spec.model_copy(update={"units": (unit,)}))]
            assert len(told_of) >= len(AXES_OF.get(quantity, AXES[:3]))
