"""Skeletons drive the chain: places of a body's own joints give back its motion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from scenarios.errors import InputError
from simulators.imu.body import COORDINATES, SEGMENTS, body_of
from simulators.imu.score import INDEX, Score, coordinates_of, frames_of, track_of
from simulators.imu.skeleton import KINECT, angles_of, score_of

BODY = body_of(1.72)


def camera(score: Score, times: np.ndarray) -> np.ndarray:
    """What a depth camera sees of a body: (n, 20, 3), y up, the person facing -z."""
    rotation, origin = frames_of(score, BODY, times)
    end = origin + np.einsum("snij,sj->sni", rotation, BODY.ends)
    places = np.empty((times.size, len(KINECT), 3))
    middle = {"head": end[2], "shoulders": origin[2], "spine": origin[1], "hips": origin[0]}
    limb = {
        "shoulder": "upper_arm",
        "elbow": "forearm",
        "wrist": "hand",
        "hip": "thigh",
        "knee": "shank",
        "ankle": "foot",
    }
    for i, name in enumerate(KINECT):
        joint, _, side = name.partition("_")
        if name in middle:
            place = middle[name]
        elif joint in limb:
            place = origin[SEGMENTS.index(f"{limb[joint]}_{side}")]
        else:
            place = end[SEGMENTS.index(f"{joint}_{side}")]
        places[:, i] = place[:, [1, 2, 0]]
    return places


@given(st.integers(0, 2**32 - 1))
def test_angles_of_a_bodys_own_joints_are_its_angles(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = {
        "shoulder_flexion": (0.2, 1.0), "shoulder_abduction": (0.1, 0.7), "shoulder_rotation": (-0.4, 0.4),
        "elbow_flexion": (0.5, 1.6), "hip_flexion": (0.1, 0.9), "hip_abduction": (0.0, 0.4), "knee_flexion": (0.5, 1.2),
    }  # fmt: skip
    tracks = {INDEX["up"]: track_of([(0.0, BODY.leg, 0, 0)]), INDEX["yaw"]: track_of([(0.0, rng.uniform(-1, 1), 0, 0)])}
    for name, span in names.items():
        for side in "rl":
            a, b = rng.uniform(*span, 2)
            tracks[INDEX[f"{name}_{side}"]] = track_of([(0.0, a, 0, 0), (2.0, b, 0, 0)])
    score = Score(tracks)
    times = np.linspace(0, 2, 60)
    body, q = angles_of(camera(score, times))
    truth = coordinates_of(score, times)[0].T
    own = [INDEX[f"{name}_{side}"] for name in names for side in "rl"]
    assert_allclose(q[:, own], truth[:, own], atol=2e-6)
    assert_allclose(q[:, INDEX["yaw"]], truth[:, INDEX["yaw"]], atol=1e-6)
    assert body.height == pytest.approx(BODY.height, rel=1e-6)
    again = coordinates_of(score_of(q, 2.0), times)[0].T
    assert_allclose(again[:, own], truth[:, own], atol=2e-3)
    assert q.shape == (60, len(COORDINATES))


def test_what_is_no_skeleton_is_refused() -> None:
    with pytest.raises(InputError, match="must have 20 joints"):
        angles_of(np.zeros((30, 15, 3)))
    with pytest.raises(InputError, match="must be finite; 'head' of frame 0 is"):
        angles_of(np.full((30, 20, 3), np.nan))
