"""Recorded skeletons drive the chain: places of joints become joint angles of a body of that size, and these a score.

From places with names to angles in two steps: a closed form, bone by bone from the pelvis outwards, then Gauss-Newton
over all places at once. Of a camera, whose places jitter, all frames are solved together with a cost on second
differences of the coordinates, so that the chain's rigid bones take out jitter and hand and knee still go where the
camera saw them (a smoother as in Whittaker 1923; Gauss-Newton on a tree of joints as in Buss 2004). Bones' twist is not
in the data but where a hinge shows it. Between frames coordinates are cubic splines, whose derivatives are formulas.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.linalg import solve_banded

import simulators.compiled  # noqa: F401  chooses the cache folder, before the first njit
from scenarios.catalogue import did_you_mean
from scenarios.errors import InputError
from simulators.imu.body import COORDINATES, JOINTS, SEGMENTS, Body, body_of
from simulators.imu.score import INDEX, NO_SHOCKS, Score, Spline, about, track_of

KINECT = (
    "head", "shoulders", "spine", "hips", *(f"{joint}_l" for joint in ("shoulder", "elbow", "wrist", "hand")),
    *(f"{joint}_r" for joint in ("shoulder", "elbow", "wrist", "hand")),
    *(f"{joint}_l" for joint in ("hip", "knee", "ankle", "foot")),
    *(f"{joint}_r" for joint in ("hip", "knee", "ankle", "foot")),
)  # fmt: skip
"""Joints of a Kinect of the first kind, which has y up; the person faces -z."""
ORIGINS = {
    "spine": "thorax", "shoulders": "head",
    **{f"{place}_{side}": f"{segment}_{side}" for side in "rl" for place, segment in (
        ("shoulder", "upper_arm"), ("elbow", "forearm"), ("wrist", "hand"),
        ("hip", "thigh"), ("knee", "shank"), ("ankle", "foot"),
    )},
}  # fmt: skip
"""Places that a skeleton must have, by the segment whose joint they are: `spine` is any place of the trunk's lower end,
`shoulders` the neck's lower end."""
ENDS = {
    "head": ("head", "shoulders"),
    **{f"{tip}_{side}": (f"{tip}_{side}", f"{joint}_{side}") for side in "rl" for tip, joint in (
        ("hand", "wrist"), ("foot", "ankle"),
    )},
}  # fmt: skip
"""Places that it may have: a segment's far end, by segment and the place of its joint. `hips`, of the pelvis, is one,
too."""
LIMBS = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
BONES = (
    *((f"{a}_{side}", f"{b}_{side}") for a, b in LIMBS for side in "rl"),
    ("hip_l", "hip_r"), ("shoulder_l", "shoulder_r"), ("spine", "shoulders"),
)  # fmt: skip
"""Places between which directions are taken."""
LEAST_FRAMES = 8
HEIGHTS_M = (1.0, 2.5)
LEAST_BEND = 0.25
"""rad: a hinge that is straighter does not show how its bone is twisted."""
LEAST_BONE_M = 0.01
"""What is shorter does not show where it points to: two places must be as far apart, a short end is left out."""
LEAST_SPINE_M = 0.03
"""A spine that is nearer to the hips does not show which way the pelvis is upright."""

CUTOFF_HZ = 1.8
"""[chosen] What of a camera's motion is halved by the smoothing: wrist and knee jitter by centimetres above it."""
TRUNK_CALM = 2.0
"""[chosen] How much more second differences of the trunk cost: it is heavy, and all limbs hang on it."""
HEADING_CUTOFF_HZ = 0.5
"""[chosen] The heading is what is slow in where the pelvis points to; the rest is its `turn`."""
TRUST = {"elbow": 0.5, "hand": 0.1, "ankle": 0.2, "foot": 0.05}
"""[chosen] Weight of a camera's places, of others 1: ends of limbs are small, and elbow and ankle often hidden."""
TWIST_PRIOR = 0.1
"""[chosen] m^2/rad^2: holds a camera's thighs untwisted, unless a bent knee shows it for long."""
PRIOR = 1e-4
"""m^2/rad^2: holds still, or of a camera near 0, what no place shows."""
STEPS, CAMERA_STEPS = 8, 3
"""Of Gauss-Newton, from the closed form; at most."""
CONVERGED = 1e-9
"""rad and m."""
CHUNK = 512
"""Frames whose Jacobians are held at once."""

TRUNK = ("forward", "left", "up", "tilt", "list", "turn", "lumbar_flexion", "lumbar_bend", "lumbar_twist")
HELD = {"speed", "yaw", "neck_twist", "pronation_r", "pronation_l"}
"""Coordinates that no place shows, and the heading, beside which `turn` is free."""
FREE = np.array([i for i, name in enumerate(COORDINATES) if name not in HELD])


class Marks(NamedTuple):
    """Places on a body: segment (m,), place in it (m, 3) m, and weight (m,)."""

    segment: np.ndarray
    place: np.ndarray
    weight: np.ndarray


def angles_of(places: np.ndarray, seconds: float | None = None) -> tuple[Body, np.ndarray]:
    """(body, coordinates (n, len(COORDINATES))) of frames of a Kinect's joint places (n, 20, 3) m.

    `seconds` from the first frame to the last: jitter is smoothed; without them places are taken as exact. The person
    begins with hips above the origin. Raises InputError for another number of joints, too few frames or some that are
    not finite, and for a size that no person has.
    """
    if places.ndim != 3 or places.shape[1:] != (len(KINECT), 3):
        raise InputError(f"a skeleton must have {len(KINECT)} joints of 3 numbers; its shape is {places.shape}")
    turned = places[:, :, [2, 0, 1]]  # away from the camera, to its side, up
    at = {name: turned[:, i] for i, name in enumerate(KINECT)}
    body, q = motion_of(at, None if seconds is None else seconds / max(1, len(places) - 1), CUTOFF_HZ, TRUST)
    first = np.array([q[0, 0], q[0, 1], q[0, 2] - body.leg])
    turn = about(2, q[:, INDEX["yaw"]] - q[0, INDEX["yaw"]])
    q[:, :3] -= np.einsum("nji,j->ni", turn, first)
    return body, q


def motion_of(
    at: Mapping[str, np.ndarray], frame_s: float | None = None, cutoff_hz: float = CUTOFF_HZ,
    trust: Mapping[str, float] | None = None,
) -> tuple[Body, np.ndarray]:  # fmt: skip
    """(body, coordinates (n, len(COORDINATES))) of places (n, 3) m by name, z up, x and y level.

    Names are those of ORIGINS, which must all be there, of ENDS and `hips`. The body has the bones of the places,
    medians over the frames; `head`, `hands` and `feet` without a place are as long as the height says. With `frame_s`,
    the time between frames, what is faster than cutoff_hz is smoothed away, and `trust` weighs places by name without
    side, in 70 kB of memory a frame; without it, each frame is solved by itself, to some 1e-9 m if the places are those
    of such a body. Raises InputError for places that are missing, too few, not finite or one on another, and for a
    person outside HEIGHTS_M.
    """
    for name in ORIGINS:
        if name not in at:
            raise InputError(f"a skeleton must have a place '{name}'; it is missing{did_you_mean(name, at)}")
    n = len(at["spine"])
    if n < LEAST_FRAMES:
        raise InputError(f"a skeleton must have {LEAST_FRAMES} frames or more; it has {n}")
    for name, place in at.items():
        if not np.isfinite(place).all():
            bad = int(np.flatnonzero(~np.isfinite(place).all(1))[0])
            raise InputError(f"places of a skeleton must be finite; '{name}' of frame {bad} is {place[bad].tolist()}")
    for a, b in BONES:
        if _length(at, a, b) < LEAST_BONE_M:
            raise InputError(
                f"places of a skeleton must be {LEAST_BONE_M} m apart; '{a}' and '{b}' are {_length(at, a, b):.2g} m"
            )
    at = {name: v for name, v in at.items() if name not in ENDS or _length(at, ENDS[name][1], name) >= LEAST_BONE_M}
    body, q = _closed_form(at)
    body, marks = _measured(at, body, q, trust or {})
    places = np.stack([at[name] for name in at if name in ORIGINS or name in ENDS or name == "hips"], 1)
    if frame_s is None:
        for i in range(0, n, CHUNK):
            q[i : i + CHUNK] = _solved(q[i : i + CHUNK], body, marks, places[i : i + CHUNK])
    else:
        q = _smoothed(q, body, marks, places, frame_s, cutoff_hz)
    q[:, :3] = np.einsum("nji,nj->ni", about(2, q[:, INDEX["yaw"]]), q[:, :3])
    return body, q


def score_of(q: np.ndarray, seconds: float) -> Score:
    """A score through coordinates (n, len(COORDINATES)) of 5 frames or more, evenly spread over so many seconds.

    The cubic spline whose third derivative is continuous at the second frame and the last but one, too.
    """
    n = len(q)
    # 4th differences of control points are 0 at both ends; between, (1, 4, 1) / 6 of three points is a frame's value
    band, value = np.zeros((9, n + 2)), np.zeros((n + 2, q.shape[1]))
    band[5, :n], band[4, 1 : n + 1], band[3, 2:] = 1 / 6, 4 / 6, 1 / 6
    for k, weight in enumerate((1.0, -4.0, 6.0, -4.0, 1.0)):
        band[4 - k, k] = weight
        band[4 + k, n + 1 - k] = weight
    value[1:-1] = q
    control = solve_banded((4, 4), band, value).T
    which = np.array([i for i, name in enumerate(COORDINATES) if name != "speed"])
    spline = Spline(0.0, seconds / (n - 1), which, np.ascontiguousarray(control[which]))
    return Score({INDEX["speed"]: track_of([(0.0, 0.0, 0.0, 0.0)])}, (), (spline,), NO_SHOCKS)


def _unit(v: np.ndarray) -> np.ndarray:
    return np.asarray(v / np.maximum(1e-9, np.linalg.norm(v, axis=-1, keepdims=True)))


def _seen(rotation: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Vectors (n, 3) in the axes of rotations (n, 3, 3)."""
    return np.einsum("nji,nj->ni", rotation, v)


def _frame(up: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Rotations (n, 3, 3) with columns forward, left, up, from an up and a rough left (n, 3)."""
    up = _unit(up)
    forward = _unit(np.cross(left, up))
    return np.stack([forward, np.cross(up, forward), up], -1)


def _hang(direction: np.ndarray, mirror: int) -> tuple[np.ndarray, np.ndarray]:
    """(flexion, abduction) rad of a bone that hangs along `direction` (n, 3) in its parent's frame.

    Two pairs mean the same. The first frame's is that of less abduction, each next is the nearer to the one before: an
    arm that is raised sideways to overhead does not turn round half way.
    """
    x, y, z = np.moveaxis(_unit(direction), -1, 0)
    pairs = [(float(np.arctan2(x[0], -z[0])), float(np.arcsin(np.clip(y[0], -1, 1))))]
    for f, a in zip(np.arctan2(x, -z)[1:].tolist(), np.arcsin(np.clip(y, -1, 1))[1:].tolist(), strict=True):
        pairs.append(min((f, a), (f + math.pi, math.pi - a), key=partial(_apart, pairs[-1])))
    flexion, abduction = np.unwrap(np.array(pairs), axis=0).T
    return flexion, mirror * abduction


def _apart(a: tuple[float, float], b: tuple[float, float]) -> float:
    return sum(abs(math.remainder(p - q, math.tau)) for p, q in zip(a, b, strict=True))


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
    nearest = shown[np.searchsorted((shown[1:] + shown[:-1]) / 2, np.arange(bend.size))]
    return bend, np.unwrap(rotation[nearest])


def _yxz(r: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles about y, x, z of rotations (n, 3, 3) = Ry Rx Rz."""
    x = np.arcsin(np.clip(-r[:, 1, 2], -1, 1))
    return np.unwrap(np.arctan2(r[:, 0, 2], r[:, 2, 2])), x, np.unwrap(np.arctan2(r[:, 1, 0], r[:, 1, 1]))


def _closed_form(at: Mapping[str, np.ndarray]) -> tuple[Body, np.ndarray]:
    """(body of the height that arms and legs say, coordinates), bone by bone; the root's place is in world axes."""
    q = np.zeros((len(at["spine"]), len(COORDINATES)))
    middle = (at["hip_l"] + at["hip_r"]) / 2
    spine = at["spine"] - middle
    if np.median(np.linalg.norm(spine, axis=1)) < LEAST_SPINE_M:
        spine = at["shoulders"] - middle
    pelvis = _frame(spine, at["hip_l"] - at["hip_r"])
    thorax = _frame(at["shoulders"] - at["spine"], at["shoulder_l"] - at["shoulder_r"])
    yaw = np.unwrap(np.arctan2(-pelvis[:, 0, 1], pelvis[:, 1, 1]))
    q[:, :3], q[:, INDEX["yaw"]] = middle, yaw
    for names, rotation in (
        (("tilt", "list", "turn"), np.swapaxes(about(2, yaw), 1, 2) @ pelvis),
        (("lumbar_flexion", "lumbar_bend", "lumbar_twist"), np.swapaxes(pelvis, 1, 2) @ thorax),
    ):
        for name, angle in zip(names, _yxz(rotation), strict=True):
            q[:, INDEX[name]] = angle
    if "head" in at:
        x, y, z = _seen(thorax, _unit(at["head"] - at["shoulders"])).T
        q[:, INDEX["neck_flexion"]] = np.unwrap(np.arctan2(x, z))
        q[:, INDEX["neck_bend"]] = np.arcsin(np.clip(-y, -1, 1))
    body = body_of(_height(at))
    for side, mirror in (("r", -1), ("l", 1)):
        for above, bones, hinge, forward in (
            (thorax, ("shoulder", "elbow", "wrist"), "elbow_flexion", 1),
            (pelvis, ("hip", "knee", "ankle"), "knee_flexion", -1),
        ):
            angles = (f"{bones[0]}_flexion", f"{bones[0]}_abduction", f"{bones[0]}_rotation", hinge)
            a, b, c = (at[f"{bone}_{side}"] for bone in bones)
            flexion, abduction = _hang(_seen(above, b - a), mirror)
            swung = above @ about(1, -flexion) @ about(0, mirror * abduction)
            bend, rotation = _twist(_seen(swung, c - b), forward)
            for name, angle in zip(angles, (flexion, abduction, -mirror * rotation, bend), strict=True):
                q[:, INDEX[f"{name}_{side}"]] = angle
    rotation, _, _, _ = _frames(q, body)
    for side, mirror in (("r", 1), ("l", -1)):
        if f"hand_{side}" in at:
            along = _seen(rotation[SEGMENTS.index(f"forearm_{side}")], at[f"hand_{side}"] - at[f"wrist_{side}"])
            q[:, INDEX[f"wrist_deviation_{side}"]], q[:, INDEX[f"wrist_flexion_{side}"]] = _hang(along, mirror)
        if f"foot_{side}" in at:
            x, _, z = _seen(rotation[SEGMENTS.index(f"shank_{side}")], at[f"foot_{side}"] - at[f"ankle_{side}"]).T
            flat = body.ends[SEGMENTS.index(f"foot_{side}")]
            angle = np.unwrap(np.arctan2(x, -z)) - np.arctan2(flat[0], -flat[2])
            q[:, INDEX[f"ankle_flexion_{side}"]] = angle
    return body, q


def _length(at: Mapping[str, np.ndarray], a: str, b: str) -> float:
    return float(np.median(np.linalg.norm(at[b] - at[a], axis=1)))


def _height(at: Mapping[str, np.ndarray]) -> float:
    """m, by the bones of arms and legs. Raises InputError for what is no person's."""
    unit = body_of(1.0)
    shares = [-unit.ends[SEGMENTS.index(f"{segment}_r"), 2] for segment in ("upper_arm", "forearm", "thigh", "shank")]
    told = sum(_length(at, f"{a}_{side}", f"{b}_{side}") for a, b in LIMBS for side in "rl")
    height = told / (2 * sum(shares))
    if not HEIGHTS_M[0] <= height <= HEIGHTS_M[1]:
        raise InputError(
            f"a skeleton's person must be {HEIGHTS_M[0]} to {HEIGHTS_M[1]} m tall; by bones of arms and legs it is "
            f"{height:.3g} m"
        )
    return height


def _measured(
    at: Mapping[str, np.ndarray], body: Body, q: np.ndarray, trust: Mapping[str, float]
) -> tuple[Body, Marks]:
    """The body with bones as long as in the median frame, and where on it the places are."""
    offsets, ends = body.offsets.copy(), body.ends.copy()
    rotation, _, _, _ = _frames(q, body)
    middle = (at["hip_l"] + at["hip_r"]) / 2
    pelvis, thorax = SEGMENTS.index("pelvis"), SEGMENTS.index("thorax")
    offsets[thorax] = ends[pelvis] = _middle(rotation[pelvis], at["spine"] - middle)
    offsets[SEGMENTS.index("head")] = ends[thorax] = _middle(rotation[thorax], at["shoulders"] - at["spine"])
    marks = {name: (segment, np.zeros(3)) for name, segment in ORIGINS.items()}
    if "hips" in at:
        marks["hips"] = ("pelvis", _middle(rotation[pelvis], at["hips"] - middle))
    for side in "rl":
        hip, shoulder = at[f"hip_{side}"] - middle, at[f"shoulder_{side}"] - at["spine"]
        offsets[SEGMENTS.index(f"thigh_{side}")] = _middle(rotation[pelvis], hip)
        offsets[SEGMENTS.index(f"upper_arm_{side}")] = _middle(rotation[thorax], shoulder)
        for segment, parent, a, b in (
            ("forearm", "upper_arm", "shoulder", "elbow"), ("hand", "forearm", "elbow", "wrist"),
            ("shank", "thigh", "hip", "knee"), ("foot", "shank", "knee", "ankle"),
        ):  # fmt: skip
            bone = np.array([0, 0, -_length(at, f"{a}_{side}", f"{b}_{side}")])
            offsets[SEGMENTS.index(f"{segment}_{side}")] = ends[SEGMENTS.index(f"{parent}_{side}")] = bone
    for name, (segment, joint) in ENDS.items():
        if name in at:
            end = ends[SEGMENTS.index(segment)]
            end *= _length(at, joint, name) / np.linalg.norm(end)
            marks[name] = (segment, end)
    names = [name for name in at if name in marks]
    weight = [trust.get(name.removesuffix("_r").removesuffix("_l"), 1.0) for name in names]
    own = Marks(
        np.array([SEGMENTS.index(marks[name][0]) for name in names]),
        np.array([marks[name][1] for name in names]),
        np.array(weight),
    )
    return replace(body, offsets=offsets, ends=ends), own


def _middle(rotation: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray(np.median(_seen(rotation, v), 0))


def _frames(q: np.ndarray, body: Body) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rotations (segments, n, 3, 3), origins (segments, n, 3), axes and pivots of the angles (coordinates, n, 3).

    The root's place is in the world's axes: the first three of q (n, len(COORDINATES)).
    """
    n = len(q)
    rotation, origin = np.empty((len(SEGMENTS), n, 3, 3)), np.empty((len(SEGMENTS), n, 3))
    axes, pivots = np.zeros((2, len(COORDINATES), n, 3))
    heading = about(2, q[:, INDEX["yaw"]])
    for i, joint in enumerate(JOINTS):
        own = heading if joint.parent < 0 else rotation[joint.parent]
        origin[i] = q[:, :3] if joint.parent < 0 else origin[joint.parent] + own @ body.offsets[i]
        for axis, c, sign in zip((1, 0, 2), joint.coordinates, joint.signs, strict=True):
            if c >= 0:
                axes[c], pivots[c] = sign * own[:, :, axis], origin[i]
                own = own @ about(axis, sign * q[:, c])
        rotation[i] = own
    return rotation, origin, axes, pivots


def _moves() -> np.ndarray:
    """(coordinates, segments): whether an angle turns a segment."""
    found = np.zeros((len(COORDINATES), len(SEGMENTS)), bool)
    for i, joint in enumerate(JOINTS):
        if joint.parent >= 0:
            found[:, i] = found[:, joint.parent]
        found[[c for c in joint.coordinates if c >= 0], i] = True
    return found


_MOVES = _moves()


def _normal(q: np.ndarray, body: Body, marks: Marks, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """J'J (n, free, free) and J'r (n, free) of places (n, m, 3) m less those of the body at coordinates q."""
    rotation, origin, axes, pivots = _frames(q, body)
    found = np.stack([origin[s] + rotation[s] @ place for s, place in zip(marks.segment, marks.place, strict=True)], 1)
    away = (places - found) * marks.weight[:, None]
    arm = found - pivots[FREE][:, :, None]
    jacobian = np.cross(axes[FREE][:, :, None], arm) * _MOVES[FREE][:, marks.segment][:, None, :, None]
    for k in range(3):
        jacobian[k, :, :, k] = 1.0  # forward, left and up are the first of FREE, and here the world's axes
    jacobian *= marks.weight[:, None]
    j = np.moveaxis(jacobian, 0, 3).reshape(len(q), -1, FREE.size)
    return np.swapaxes(j, 1, 2) @ j, np.einsum("nkf,nk->nf", j, away.reshape(len(q), -1))


def _solved(q: np.ndarray, body: Body, marks: Marks, places: np.ndarray) -> np.ndarray:
    """Coordinates of frames by themselves, by Gauss-Newton with Levenberg's damping from q."""
    q = q.copy()
    for _ in range(STEPS):
        square, slope = _normal(q, body, marks, places)
        step = np.linalg.solve(square + PRIOR * np.eye(FREE.size), slope[..., None])[..., 0]
        q[:, FREE] += step
        if np.abs(step).max() < CONVERGED:
            break
    return q


def _stiffness(cutoff_hz: float, frame_s: float) -> float:
    """Cost of squared second differences, beside values that cost 1, that halves what is at the cutoff."""
    return float((2 * np.sin(np.pi * min(0.5, cutoff_hz * frame_s))) ** -4)


def _second(n: int) -> np.ndarray:
    """(n, 3): lower diagonals of D'D for second differences D of n values."""
    out = np.zeros((n, 3))
    weights = (1.0, -2.0, 1.0)
    for k in range(3):
        for i in range(3 - k):
            out[i : n - 2 + i, k] += weights[i] * weights[i + k]
    return out


@njit(cache=True, error_model="numpy")
def _solve_band(band: np.ndarray, value: np.ndarray) -> None:
    """Solve A x = value (n,) in place for a positive definite A, of which band[j, k] (n, width) is A[j + k, j].

    By Cholesky's method; band is overwritten. LAPACK's own, for bands of this width, goes through many tiny products
    of matrices, each of them handed out to threads, and takes up to a hundred times as long where cores are busy.
    """
    n, width = band.shape
    for j in range(n):
        most = min(width, n - j)
        band[j, 0] = np.sqrt(band[j, 0])
        for k in range(1, most):
            band[j, k] /= band[j, 0]
        value[j] /= band[j, 0]
        for k in range(1, most):
            factor = band[j, k]
            if factor != 0.0:
                value[j + k] -= factor * value[j]
                for i in range(most - k):
                    band[j + k, i] -= factor * band[j, k + i]
    for j in range(n - 1, -1, -1):
        for k in range(1, min(width, n - j)):
            value[j] -= band[j, k] * value[j + k]
        value[j] /= band[j, 0]


def _smoothed(
    q: np.ndarray, body: Body, marks: Marks, places: np.ndarray, frame_s: float, cutoff_hz: float
) -> np.ndarray:
    """Coordinates of all frames together, by Gauss-Newton from q, with a cost on their second differences.

    Each coordinate's cost is in proportion to what the places say of it in the mean, so all have the same cutoff.
    """
    n, free = len(q), FREE.size
    names = [COORDINATES[i] for i in FREE]
    twists = [f"hip_rotation_{side}" for side in "rl"]
    prior = np.full(free, PRIOR)
    prior[3:][[name in twists for name in names[3:]]] = TWIST_PRIOR
    prior[:3] = 0.0  # no place of the world is more likely than another
    calm = np.array([TRUNK_CALM if name in TRUNK else 1.0 for name in names])
    second = _second(n)
    q, heading = q.copy(), q[:, INDEX["yaw"]].copy()
    _solve_band(np.eye(1, 3) + _stiffness(HEADING_CUTOFF_HZ, frame_s) * second, heading)
    q[:, INDEX["yaw"]] = heading
    q[:, [INDEX[name] for name in twists]] = 0.0
    stiff = np.zeros(0)
    for _ in range(CAMERA_STEPS):
        parts = [_normal(q[i : i + CHUNK], body, marks, places[i : i + CHUNK]) for i in range(0, n, CHUNK)]
        square, slope = (np.concatenate(part) for part in zip(*parts, strict=True))
        square[:, range(free), range(free)] += prior
        slope -= prior * q[:, FREE]
        if not stiff.size:
            stiff = _stiffness(cutoff_hz, frame_s) * calm * square[:, range(free), range(free)].mean(0)
        bend = stiff * np.diff(q[:, FREE], 2, axis=0)
        for i, weight in enumerate((1.0, -2.0, 1.0)):
            slope[i : n - 2 + i] -= weight * bend
        # the matrix's lower diagonals: a full block for each frame, and one number a coordinate to the next two frames
        band = np.zeros((n, free, 2 * free + 1))
        for k in range(free):
            band[:, k, : free - k] = square[:, k:, k]
        for k in range(3):
            band[:, :, k * free] += second[:, [k]] * stiff
        step = slope.ravel()
        _solve_band(band.reshape(n * free, -1), step)
        q[:, FREE] += step.reshape(n, free)
    return q
