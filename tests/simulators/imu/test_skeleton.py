"""Skeletons drive the chain: places of a body's own joints give back its motion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.signal import savgol_filter

from scenarios.errors import InputError
from simulators.imu.body import COORDINATES, SEGMENTS, body_of
from simulators.imu.kernels.chain import GRAVITY
from simulators.imu.score import INDEX, Score, Sites, coordinates_of, frames_of, sense, track_of
from simulators.imu.skeleton import KINECT, _second, _solve_band, angles_of, motion_of, score_of

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


@given(st.integers(0, 2**32 - 1))
def test_a_band_is_solved_as_the_whole_matrix(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, width = int(rng.integers(1, 30)), int(rng.integers(1, 8))
    low = np.tril(np.triu(rng.standard_normal((n, n)), 1 - width)) + 5 * np.eye(n)
    whole, value = low @ low.T, rng.standard_normal(n)
    band = np.array([[whole[j + k, j] if j + k < n else 0.0 for k in range(width)] for j in range(n)])
    found = value.copy()
    _solve_band(band, found)
    assert_allclose(found, np.linalg.solve(whole, value), rtol=1e-9, atol=1e-12)


def test_second_differences_cost_their_squares() -> None:
    diagonals, values = _second(9), np.random.default_rng(0).standard_normal(9)
    cost = sum((2 - (k == 0)) * (diagonals[: 9 - k, k] * values[k:] * values[: 9 - k]).sum() for k in range(3))
    assert cost == pytest.approx((np.diff(values, 2) ** 2).sum())


def test_jitter_of_a_camera_is_smoothed_better_by_the_chain_than_without_it() -> None:
    tracks = {INDEX["up"]: track_of([(0.0, BODY.leg, 0, 0)])}
    for name, values in {
        "shoulder_flexion_r": (0.2, 1.2, 0.4, 1.0), "shoulder_abduction_r": (0.1, 0.5, 0.3, 0.6),
        "elbow_flexion_r": (0.5, 1.5, 0.8, 1.4), "hip_flexion_r": (0.1, 1.0, 0.2, 0.9),
    }.items():  # fmt: skip
        tracks[INDEX[name]] = track_of([(1.2 * i, value, 0, 0) for i, value in enumerate(values)])
    score, seconds = Score(tracks), 3.6
    frames, times = np.linspace(0, seconds, 70), np.linspace(0, seconds, 181)
    errors = []
    for seed in range(5):
        places = camera(score, frames) + 0.01 * np.random.default_rng(seed).standard_normal((70, len(KINECT), 3))
        body, q = angles_of(places, seconds)
        told = []
        for own, motion in ((BODY, score), (body, score_of(q, seconds))):
            segment = SEGMENTS.index("forearm_r")
            sites = Sites(np.array([segment]), own.ends[segment][None], np.eye(3)[None])
            told.append(np.linalg.norm(sense(motion, own, sites, times).force[0], axis=0))
        wrist = places[:, KINECT.index("wrist_r")]
        even = np.stack([np.interp(times, frames, axis) for axis in wrist.T])
        told.append(np.linalg.norm(
            savgol_filter(even, 21, 3, deriv=2, delta=times[1]) + np.array([0, GRAVITY, 0])[:, None], axis=0
        ))  # fmt: skip
        errors.append([np.sqrt(np.mean((norm - told[0]) ** 2)) for norm in told[1:]])
    chain, differences = np.mean(errors, 0)
    assert chain < 0.8 * differences


def test_a_smoothed_person_starts_above_the_origin_and_keeps_the_bones() -> None:
    score = Score({INDEX["up"]: track_of([(0.0, BODY.leg, 0, 0)]), INDEX["yaw"]: track_of([(0.0, 0.7, 0, 0)])})
    body, q = angles_of(camera(score, np.linspace(0, 2, 40)) + np.array([0.3, 0.1, 2.5]), 2.0)
    assert_allclose(q[0, :3], [0, 0, body.leg], atol=1e-9)
    for name in ("forearm_r", "thigh_l", "shank_r"):
        assert_allclose(body.ends[SEGMENTS.index(name)], BODY.ends[SEGMENTS.index(name)], atol=1e-9)


def test_what_is_no_skeleton_is_refused() -> None:
    with pytest.raises(InputError, match="must have 20 joints"):
        angles_of(np.zeros((30, 15, 3)))
    with pytest.raises(InputError, match="must have 8 frames or more; it has 7"):
        angles_of(np.zeros((7, 20, 3)))
    with pytest.raises(InputError, match=r"1\.0 to 2\.5 m tall; by bones of arms and legs it is 1\.72e\+03 m"):
        angles_of(1000 * camera(Score({}), np.linspace(0, 1, 9)))
    with pytest.raises(InputError, match="must have a place 'elbow_r'; it is missing; did you mean 'elbow_l'"):
        motion_of({name: np.zeros((9, 3)) for name in KINECT if name != "elbow_r"})
    with pytest.raises(InputError, match="must be finite; 'head' of frame 0 is"):
        angles_of(np.full((30, 20, 3), np.nan))
