"""Every entry of every track keeps the contract, those of other packages too."""

import pytest

from benchmarks.contract import LAWS, Trial, answers_well, empty_split
from benchmarks.entries import entries_of
from benchmarks.tracks import TRACKS, small

OWN = [t for t in TRACKS.values() if not t.id.endswith(("-shift", "-contaminated"))]
"""The others ask the same of the same entries."""
TRIALS = {f"{t.id}-{name}": (t, name) for t in OWN for name in entries_of(t)}
SHIFTS = {f"{t.id}-{name}": (t, name) for t in TRACKS.values() if t.id.endswith("-shift") for name in entries_of(t)}
UNLABELLED = TRACKS["scene/anomaly-contaminated"]
KEPT: dict[str, Trial] = {}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("which", TRIALS)
def test_contract(which: str, law: object) -> None:
    if which not in KEPT:
        KEPT.clear()  # one fitted entry at a time
        track, name = TRIALS[which]
        KEPT[which] = Trial(small(track), entries_of(track)[name], name)
    law(KEPT[which])  # type: ignore[operator]


@pytest.mark.parametrize("which", SHIFTS)
def test_contract_of_shifts(which: str) -> None:
    track, name = SHIFTS[which]
    trial = Trial(small(track), entries_of(track)[name], name)
    answers_well(trial)
    empty_split(trial)


@pytest.mark.parametrize("name", entries_of(UNLABELLED))
def test_entries_of_anomaly_need_no_labels(name: str) -> None:
    assert not UNLABELLED.labels
    answers_well(Trial(small(UNLABELLED), entries_of(UNLABELLED)[name], name))


def test_every_track_has_its_floors_and_its_ceiling() -> None:
    for track in TRACKS.values():
        known = entries_of(track)
        assert set(track.floors) <= set(known)
        assert len(track.floors) >= 3
        assert track.ceiling is None or known[track.ceiling].oracle
        assert track.ceiling_how
        assert track.task.inputs
        assert track.task.target
        assert [name for name, d in known.items() if d.oracle] == ([track.ceiling] if track.ceiling else [])
        assert {t.name for t in track.tests} >= {"matched", "shifted"}
        for declared in known.values():
            assert declared.about
