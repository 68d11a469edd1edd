"""Recorded skeletons drive the chain: joint places from a depth camera become joint angles, and these a score.

Places are those of a Kinect of the first kind: 20 joints, y up, the person facing -z; order head, centre of shoulders,
spine, centre of hips, then shoulder, elbow, wrist, hand and hip, knee, ankle, foot, left before right. Bones' twist is
not in the data but where a hinge shows it. Angles are smoothed by least-squares cubic B-splines, whose derivatives are
formulas.
"""

import numpy as np
from scipy.interpolate import make_lsq_spline
from scipy.signal import savgol_filter

from scenarios.errors import InputError
from simulators.imu.body import COORDINATES, LEG, Body, body_of
from simulators.imu.score import INDEX, NO_SHOCKS, Score, Spline, track_of

JOINTS = (
    "head", "shoulders", "spine", "hips", *(f"{joint}_l" for joint in ("shoulder", "elbow", "wrist", "hand")),
    *(f"{joint}_r" for joint in ("shoulder", "elbow", "wrist", "hand")),
    *(f"{joint}_l" for joint in ("hip", "knee", "ankle", "foot")),
    *(f"{joint}_r" for joint in ("hip", "knee", "ankle", "foot")),
)  # fmt: skip
TRUNK = frozenset({"head", "shoulders", "spine", "hips", "shoulder_l", "shoulder_r", "hip_l", "hip_r"})
TRUNK_FRAMES = 15
"""[chosen] The trunk's joints, on which all others hang and which jitter most, are first smoothed over so many."""
STEP_S = 0.24
"""[chosen] Spacing of the splines' knots: nothing above some 3 Hz is trusted in 30 frames a second."""
LEAST_BEND = 0.25
"""rad: a hinge that is straighter does not show how its bone is twisted."""


def _unit(v: np.ndarray) -> np.ndarray:
    return np.asarray(v / np.maximum(1e-9, np.linalg.norm(v, axis=-1, keepdims=True)))


def _frame(up: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Rotations (n, 3, 3) with columns forward, left, up, from an up and a rough left (n, 3)."""
    up = _unit(up)
    forward = _unit(np.cross(left, up))
    return np.stack([forward, np.cross(up, forward), up], -1)


def _hang(direction: np.ndarray, mirror: int) -> tuple[np.ndarray, np.ndarray]:
    """(flexion, abduction) rad of a bone that hangs along `direction` (n, 3) in its parent's frame."""
    x, y, z = np.moveaxis(_unit(direction), -1, 0)
    return np.arctan2(x, -z), mirror * np.arcsin(np.clip(y, -1, 1))


def _swing(flexion: np.ndarray, abduction: np.ndarray, mirror: int) -> np.ndarray:
    """Rotations (n, 3, 3) Ry(-flexion) Rx(mirror abduction)."""
    f, a = -flexion, mirror * abduction
    c, s, ca, sa = np.cos(f), np.sin(f), np.cos(a), np.sin(a)
    zero = np.zeros_like(c)
    rows = [[c, s * sa, s * ca], [zero, ca, -sa], [-s, c * sa, c * ca]]
    return np.moveaxis(np.array(rows), 2, 0)


def _twist(direction: np.ndarray, forward: int) -> tuple[np.ndarray, np.ndarray]:
    """(bend, rotation) rad of a hinge: the next bone's direction (n, 3) in the bone's frame before its twist.

    forward: 1 for an elbow, which bends to the front, -1 for a knee. Where it is nearly straight the rotation is that
    of the nearest frame that shows it.
    """
    x, y, z = np.moveaxis(_unit(direction), -1, 0)
    bend = np.arccos(np.clip(-z, -1, 1))
    shown = np.flatnonzero(bend > LEAST_BEND)
    rotation = np.arctan2(forward * y, forward * x)
    if not shown.size:
        return bend, np.zeros_like(bend)
    nearest = shown[np.abs(np.arange(bend.size)[:, None] - shown).argmin(1)]
    return bend, np.unwrap(rotation[nearest])


def angles_of(places: np.ndarray) -> tuple[Body, np.ndarray]:
    """(body, coordinates (n, len(COORDINATES))) of frames of joint places (n, 20, 3) m.

    Raises InputError for another number of joints or frames that are not finite.
    """
    if places.ndim != 3 or places.shape[1:] != (len(JOINTS), 3) or len(places) < 8 or not np.isfinite(places).all():
        raise InputError(
            f"a skeleton must have {len(JOINTS)} joints in 8 finite frames or more; its shape is {places.shape}"
        )
    turned = places[:, :, [2, 0, 1]]  # away from the camera, to its side, up
    calm = savgol_filter(turned, min(TRUNK_FRAMES, (len(places) - 1) // 2 * 2 + 1), 2, axis=0)
    at = {name: (calm if name in TRUNK else turned)[:, i] for i, name in enumerate(JOINTS)}
    q = np.zeros((len(places), len(COORDINATES)))
    pelvis = _frame(at["spine"] - at["hips"] + 0.5 * (at["shoulders"] - at["hips"]), at["hip_l"] - at["hip_r"])
    thorax = _frame(at["shoulders"] - at["spine"], at["shoulder_l"] - at["shoulder_r"])
    q[:, INDEX["yaw"]] = np.unwrap(np.arctan2(-pelvis[:, 0, 1], pelvis[:, 1, 1]))
    level = np.swapaxes(_about_up(q[:, INDEX["yaw"]]), 1, 2) @ pelvis
    for names, rotation in (
        (("tilt", "list", "turn"), level),
        (("lumbar_flexion", "lumbar_bend", "lumbar_twist"), np.swapaxes(pelvis, 1, 2) @ thorax),
    ):
        for name, angle in zip(names, _yxz(rotation), strict=True):
            q[:, INDEX[name]] = angle
    lengths = []
    for side, mirror in (("r", -1), ("l", 1)):
        for above, bones, hinge, forward in (
            (thorax, ("shoulder", "elbow", "wrist"), "elbow_flexion", 1),
            (pelvis, ("hip", "knee", "ankle"), "knee_flexion", -1),
        ):
            angles = (f"{bones[0]}_flexion", f"{bones[0]}_abduction", f"{bones[0]}_rotation", hinge)
            a, b, c = (at[f"{bone}_{side}"] for bone in bones)
            flexion, abduction = _hang(np.einsum("nji,nj->ni", above, b - a), mirror)
            swung = above @ _swing(flexion, abduction, mirror)
            bend, rotation = _twist(np.einsum("nji,nj->ni", swung, c - b), forward)
            for name, angle in zip(angles, (flexion, abduction, -mirror * rotation, bend), strict=True):
                q[:, INDEX[f"{name}_{side}"]] = np.unwrap(angle)
            if forward > 0:
                lengths += [np.linalg.norm(b - a, axis=1), np.linalg.norm(c - b, axis=1)]
    height = float(np.median(lengths[0] + lengths[1] + lengths[2] + lengths[3]) / 2 / (0.186 + 0.146))
    body = body_of(float(np.clip(height, 1.2, 2.2)))
    back = np.swapaxes(_about_up(q[:, INDEX["yaw"]]), 1, 2)
    hips = at["hips"] - at["hips"][0] + np.array([0, 0, LEG * body.height])
    q[:, :3] = np.einsum("nij,nj->ni", back, hips)
    return body, q


def _about_up(angle: np.ndarray) -> np.ndarray:
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.moveaxis(np.array([[c, -s, zero], [s, c, zero], [zero, zero, one]]), 2, 0)


def _yxz(r: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles about y, x, z of rotations (n, 3, 3) = Ry Rx Rz."""
    x = np.arcsin(np.clip(-r[:, 1, 2], -1, 1))
    return np.unwrap(np.arctan2(r[:, 0, 2], r[:, 2, 2])), x, np.unwrap(np.arctan2(r[:, 1, 0], r[:, 1, 1]))


def score_of(q: np.ndarray, seconds: float) -> Score:
    """A score that follows coordinates (n, len(COORDINATES)), frames evenly spread over so many seconds."""
    times = np.linspace(0, seconds, len(q))
    inner = max(1, min(int(seconds / STEP_S), len(q) // 3))
    step = seconds / inner
    knots = step * np.arange(-3, inner + 4)
    fit = make_lsq_spline(np.minimum(times, knots[-4]), q, knots, k=3)
    which = np.array([i for i, name in enumerate(COORDINATES) if name != "speed"])
    spline = Spline(0.0, step, which, np.ascontiguousarray(fit.c.T[which]))
    return Score({INDEX["speed"]: track_of([(0.0, 0.0, 0.0, 0.0)])}, (), (spline,), NO_SHOCKS)
