"""Laws of the tables: joints within anatomy, gaits that step as people do, one recipe a label, words of their own."""

import re
from collections import Counter

import pytest

from simulators.imu.activity import ACTIVITIES, POSTURES, recipe_of
from simulators.imu.anatomy import LIMITS_DEG, plain_of, strained
from simulators.imu.body import COORDINATES, ROOT
from simulators.imu.labels import LABELS, UNLABELLED, group_of

STEPS_PER_MIN = {
    "walking": (95, 125), "walking_slow": (80, 108), "walking_fast": (112, 140), "walking_upstairs": (85, 115),
    "walking_downstairs": (95, 128), "stairs": (75, 115), "running": (145, 185), "running_slow": (145, 180),
    "running_fast": (145, 190), "jogging": (145, 180),
}  # fmt: skip
"""Of ordinary people; running after Novacheck 1998, the others after the recordings of the fact sheet."""
SHARED_WORDS = frozenset({"standing", "sitting", "lying", "turning"})
"""Labels that other texts may begin with: postures in which something else is done."""


@pytest.mark.parametrize("name", ACTIVITIES)
def test_joints_stay_within_anatomy(name: str) -> None:
    assert strained(ACTIVITIES[name]) == []


@pytest.mark.parametrize("name", [n for n, a in ACTIVITIES.items() if re.search("left|right", " ".join(a.labels))])
def test_what_is_named_after_a_side_is_not_mirrored(name: str) -> None:
    assert not ACTIVITIES[name].mirrors


def test_every_joint_has_limits() -> None:
    assert {plain_of(c) for c in COORDINATES} - set(ROOT) == set(LIMITS_DEG)


@pytest.mark.parametrize("name", POSTURES)
def test_postures_stay_within_anatomy(name: str) -> None:
    for coordinate, angle in POSTURES[name].items():
        low, high = LIMITS_DEG.get(coordinate, (-90, 90))
        assert low <= angle <= high
    assert 0.1 <= POSTURES[name].get("up", 1.0) <= 1.1


@pytest.mark.parametrize("name", STEPS_PER_MIN)
def test_gaits_have_the_cadence_of_people(name: str) -> None:
    low, high = STEPS_PER_MIN[name]
    assert low <= 120 * ACTIVITIES[name].cycle_hz <= high


@pytest.mark.parametrize("name", [n for n, a in ACTIVITIES.items() if a.speed_m_s and a.cycle_hz])
def test_strides_are_of_a_length_that_legs_can_make(name: str) -> None:
    activity = ACTIVITIES[name]
    assert abs(activity.speed_m_s) / activity.cycle_hz < 3.3


def test_each_label_has_one_recipe() -> None:
    count = Counter(label for activity in ACTIVITIES.values() for label in activity.labels)
    assert max(count.values()) == 1
    assert set(count) == set(LABELS) - {UNLABELLED}
    assert recipe_of(UNLABELLED) is None


def test_texts_go_on_from_a_person_is() -> None:
    texts = [activity.text for activity in ACTIVITIES.values()]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert re.match(r"[a-z]+ing\b", text), text
        assert "_" not in text
        assert not text.endswith(".")
        assert 2 <= len(re.findall(r"[a-z]+", text)) <= 20, text


GROUPS_OF_WORD = {label: group_of(label) for label in LABELS if "_" not in label}


@pytest.mark.parametrize("name", ACTIVITIES)
def test_a_text_begins_with_no_other_groups_label(name: str) -> None:
    activity = ACTIVITIES[name]
    own = {group_of(label) for label in activity.labels} | {p for label in activity.labels for p in label.split("_")}
    head = activity.text.split()[0].rstrip(",:")
    assert head in SHARED_WORDS or GROUPS_OF_WORD.get(head, "") in {"", *own}, activity.text


@pytest.mark.parametrize("name", [n for n, a in ACTIVITIES.items() if a.one_off])
def test_single_moves_are_neither_jerks_nor_dances(name: str) -> None:
    seconds = sum(move.seconds[1] + (move.wait or (0, 0))[1] for move in ACTIVITIES[name].moves)
    assert 0.5 < seconds < 20
