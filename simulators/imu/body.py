"""The body: fifteen rigid segments, the joints between them, how long they are, and where devices sit on them.

A segment's frame, as the person stands with hanging arms: x forward, y left, z up; its origin is the joint by which it
hangs from its parent, of the pelvis the middle between the hips. A joint turns a segment in its parent's frame by
Ry(flexion) Rx(abduction) Rz(rotation), with signs that make flexion, abduction and inward rotation positive on both
sides. Lengths are shares of the height: Drillis and Contini 1966, as in Winter, "Biomechanics and Motor Control of
Human Movement", 4th edition, figure 4.1.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scenarios.catalogue import nearest
from scenarios.errors import InputError

ROOT = ("forward", "left", "up", "speed", "yaw", "tilt", "list", "turn")
"""The pelvis: metres along its heading, across it and above ground; speed along the heading, m/s; heading, to the
left; forward tilt, list to the right and turn to the left, rad: its frame is Rz(yaw) Ry(tilt) Rx(list) Rz(turn)."""
Angles = tuple[tuple[str, int] | None, ...]
SIDED: dict[str, tuple[str, Angles]] = {
    "upper_arm": ("thorax", (("shoulder_flexion", -1), ("shoulder_abduction", -1), ("shoulder_rotation", 1))),
    "forearm": ("upper_arm", (("elbow_flexion", -1), None, ("pronation", 1))),
    "hand": ("forearm", (("wrist_deviation", -1), ("wrist_flexion", 1), None)),
    "thigh": ("pelvis", (("hip_flexion", -1), ("hip_abduction", -1), ("hip_rotation", 1))),
    "shank": ("thigh", (("knee_flexion", 1), None, None)),
    "foot": ("shank", (("ankle_flexion", -1), None, None)),
}  # fmt: skip
"""Segment: parent, and its coordinates about y, x and z with their signs on the right side; x and z turn round on the
left."""
MIDDLE: dict[str, tuple[str, Angles]] = {
    "thorax": ("pelvis", (("lumbar_flexion", 1), ("lumbar_bend", 1), ("lumbar_twist", 1))),
    "head": ("thorax", (("neck_flexion", 1), ("neck_bend", 1), ("neck_twist", 1))),
}  # fmt: skip
"""Bending to the right and twisting to the left are positive."""
SEGMENTS = ("pelvis", *MIDDLE, *(f"{name}_{side}" for side in "rl" for name in SIDED))


class Joint(NamedTuple):
    """How a segment hangs from its parent."""

    parent: int
    coordinates: tuple[int, int, int]
    """Places in COORDINATES of the angles about y, x, z; -1: none."""
    signs: tuple[int, int, int]


def _joints() -> tuple[tuple[str, ...], tuple[Joint, ...]]:
    names = list(ROOT)
    joints = [Joint(-1, (ROOT.index("tilt"), ROOT.index("list"), ROOT.index("turn")), (1, 1, 1))]
    rows: list[tuple[str, str, str, Angles, int]] = [
        (n, "", parent, angles, 1) for n, (parent, angles) in MIDDLE.items()
    ]
    for side, mirror in (("_r", 1), ("_l", -1)):
        rows += [(name + side, side, parent, angles, mirror) for name, (parent, angles) in SIDED.items()]
    for _, side, parent, angles, mirror in rows:
        places, signs = [], []
        for axis, angle in enumerate(angles):
            if angle is None:
                places.append(-1)
                signs.append(1)
            else:
                places.append(len(names))
                names.append(angle[0] + side)
                signs.append(angle[1] * (mirror if axis else 1))
        owner = parent if parent in SEGMENTS else parent + side
        joints.append(Joint(SEGMENTS.index(owner), tuple(places), tuple(signs)))  # type: ignore[arg-type]
    return tuple(names), tuple(joints)


COORDINATES, JOINTS = _joints()
"""Generalised coordinates, angles in rad; and the joint of each segment."""
PARENTS = np.array([joint.parent for joint in JOINTS])
PLAIN = frozenset(ROOT) | {a[0] for table in (SIDED, MIDDLE) for _, angles in table.values() for a in angles if a}
"""Names of coordinates without a side: on a limb they mean both."""
LIMB = frozenset(angle[0] for _, angles in SIDED.values() for angle in angles if angle)
METRES = frozenset({"forward", "left", "up"})

_LONG = {"upper_arm": 0.186, "forearm": 0.146, "hand": 0.108, "thigh": 0.245, "shank": 0.246}
"""Lengths along -z."""
LEG = _LONG["thigh"] + _LONG["shank"] + 0.039
"""Height of the hips above ground, as a share of the height."""
BONE_SD = 0.025
"""[chosen] Relative scatter of each segment about what the height says."""


@dataclass(frozen=True, eq=False)
class Body:
    """One person's body."""

    height: float
    """m"""
    mass: float
    """kg"""
    age: float
    """years"""
    female: bool
    offsets: np.ndarray
    """(segments, 3) m: the joint of each segment in its parent's frame."""
    ends: np.ndarray
    """(segments, 3) m: the far end of each segment in its own frame."""

    @property
    def leg(self) -> float:
        """Height of the hips above ground, m."""
        return LEG * self.height


def body_of(
    height: float, mass: float = 70.0, age: float = 30.0, female: bool = False, scale: np.ndarray | None = None
) -> Body:
    """A body of a height in m; `scale` (segments,) multiplies what each segment's share of it is."""
    stretch = np.ones(len(SEGMENTS)) if scale is None else scale
    ends, offsets = np.zeros((2, len(SEGMENTS), 3))
    for i, name in enumerate(SEGMENTS):
        plain, side = (name[:-2], 1 if name.endswith("_l") else -1) if name[-2] == "_" else (name, 0)
        own = height * stretch[i]
        if plain in _LONG:
            ends[i] = (0, 0, -_LONG[plain] * own)
        elif plain == "foot":
            ends[i] = (0.11 * own, 0, -0.039 * own)
        else:
            ends[i] = (0, 0, {"pelvis": 0.07, "thorax": 0.218, "head": 0.17}[plain] * own)
        parent = PARENTS[i]
        if plain == "upper_arm":
            offsets[i] = (0, side * 0.115 * height, 0.97 * ends[parent, 2])
        elif plain == "thigh":
            offsets[i] = (0, side * 0.05 * height, 0)
        elif parent >= 0:
            offsets[i] = ends[parent]
    return Body(height, mass, age, female, offsets, ends)


class Site(NamedTuple):
    """A place on the skin: segment without its side, share of its length, and metres off its axis."""

    segment: str
    along: float
    forward: float
    outward: float


SITES = {
    "waist": Site("pelvis", 0.8, 0.09, 0.10),
    "hip": Site("pelvis", 0.6, 0.03, 0.16),
    "back": Site("thorax", 0.1, -0.10, 0.0),
    "chest": Site("thorax", 0.65, 0.11, 0.0),
    "head": Site("head", 0.6, 0.09, 0.0),
    "pocket": Site("thigh", 0.18, 0.08, 0.04),
    "thigh": Site("thigh", 0.5, 0.08, 0.0),
    "shank": Site("shank", 0.45, 0.04, 0.03),
    "ankle": Site("shank", 0.9, 0.0, 0.045),
    "foot": Site("foot", 0.6, 0.02, 0.0),
    "upper_arm": Site("upper_arm", 0.5, 0.0, 0.05),
    "forearm": Site("forearm", 0.5, 0.0, 0.04),
    "wrist": Site("forearm", 0.93, 0.0, 0.03),
    "hand": Site("hand", 0.4, 0.0, 0.02),
}
"""Where a placement is [chosen]."""


def site_of(body: Body, placement: str, side: str) -> tuple[int, np.ndarray]:
    """(segment, place (3,) m in its frame) of a placement; a side of "middle" means right on a limb.

    Raises InputError for a place that does not exist.
    """
    if placement not in SITES:
        raise InputError(f"a site must be one of {', '.join(SITES)}; it is '{placement}'{nearest(placement, SITES)}")
    site = SITES[placement]
    outward = 1 if side == "left" else -1
    name = site.segment if site.segment in SEGMENTS else site.segment + ("_l" if outward > 0 else "_r")
    segment = SEGMENTS.index(name)
    return segment, site.along * body.ends[segment] + np.array([site.forward, outward * site.outward, 0.0])


def draw_body(rng: np.random.Generator, *, female: float, age: tuple[float, float], height_sd_m: float) -> Body:
    """A person: heights of men and women about 1.76 and 1.63 m (ANSUR II), body mass index about 24."""
    u, v, z, w = rng.random(), rng.random(), rng.standard_normal(), rng.standard_normal()
    is_female = bool(u < female)
    height = (1.63 if is_female else 1.76) + height_sd_m * float(np.clip(z, -3, 3))
    mass = 24.0 * height**2 * float(np.exp(0.12 * np.clip(w, -2.5, 2.5)))
    scale = 1 + BONE_SD * np.clip(rng.standard_normal(len(SEGMENTS)), -3, 3)
    for i, name in enumerate(SEGMENTS):
        if name.endswith("_l"):
            scale[i] = scale[SEGMENTS.index(name[:-1] + "r")]  # both sides are alike
    return body_of(height, mass, age[0] + (age[1] - age[0]) * float(v), is_female, scale)
