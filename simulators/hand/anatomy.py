"""The hand: bones, joints and their ranges, its population, and where magnets sit on it.

Frame: origin at the wrist's centre, x to the thumb, y distal, z dorsal; mm. It is a right-handed frame of a LEFT hand:
a right hand is its mirror image in x. Distances and field strengths are the same, and so is every reading but for the
sign of its x. Digits run thumb, index, middle, ring, little; each has three links: proximal, middle and distal phalanx,
the thumb metacarpal, proximal and distal. A link's own axes are a (lateral), b (along the bone, distal) and c
(dorsal). Figures marked [chosen] are ours.

Joints of a finger: flexion and abduction (towards the thumb) of the metacarpophalangeal joint (MCP), flexion of the
proximal and the distal interphalangeal joints (PIP, DIP). Of the thumb: anteposition and radial abduction of the
carpometacarpal joint (CMC), flexion of MCP and IP. Flexion is positive towards the palm.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scenarios.errors import InputError
from simulators.hand.spec import FINGERS

Site = Literal["nail", "middle", "ring"]

BONES_MM = np.array(
    [[46.22, 31.57, 21.67], [39.78, 22.38, 15.82], [44.63, 26.33, 17.40], [41.37, 25.65, 17.30], [32.74, 18.11, 15.96]]
)
TIPS_MM = np.array([5.67, 3.84, 3.95, 3.95, 3.73])
"""Mean link lengths (5, 3), and soft tissue beyond the last bone (5,). Source: Buryanov and Kotiuk, Int. J. Morphol.
28(3), 2010, table I: 66 adults."""

HAND_LENGTH_MM, HAND_BREADTH_MM = 189.3, 85.0
"""Means of ANSUR II (Gordon et al., NATICK/TR-15/007, 2014), both sexes, N = 6,068."""
HAND_LENGTH_SD_MM = 11.4
"""[chosen] About 10 within a sex, and the sexes' means lie about 12 apart."""
LENGTH_LIMITS_MM = (140.0, 240.0)
"""[chosen] Hands of adults; a drawn length is clipped to these."""
BONE_SD = 0.05
"""[chosen] Relative scatter of a bone, and of the breadth, about what the hand's length says. With the sd of the
length it leaves the length 0.6 of a bone's variance; Buchholz et al. (Ergonomics 35(3), 1992) have R2 of 0.49 to
0.99."""
BASE_SD_MM = 1.4
"""Scatter of a joint centre along each axis; the error of joint centres from hand size in Buchholz et al., 1992."""
MOST_SD = 3.0
"""Scatter is clipped at so many sd."""

BASES_MM = np.array([[28.0, 22.0, -6.0], [22.0, 84.0, 0.0], [2.0, 86.0, 2.0], [-16.0, 80.0, 0.0], [-32.0, 72.0, -3.0]])
"""[chosen] Thumb CMC and the fingers' MCP joints (5, 3) of the mean hand. The middle finger ends 178 mm from the
origin; a hand's length is measured from the styloid, which lies proximal of the wrist's centre."""
THUMB_PRONATION = math.radians(75.0)
"""[chosen] The back of the thumb at rest faces so far from dorsal towards radial."""

JOINTS = (("CMC anteposition", "CMC radial abduction", "MCP flexion", "IP flexion"),) + 4 * (
    ("MCP flexion", "MCP abduction", "PIP flexion", "DIP flexion"),
)
RANGES_DEG = np.array(
    [[[-15, 61], [-10, 63], [-8, 60], [-12, 88]]] + 4 * [[[-25, 90], [-25, 25], [-5, 100], [-15, 90]]]
)
"""Joint ranges (5, 4, 2). Fingers: flexion by the normal values of the AAOS (90, 100, 90), abduction 25 [chosen], the
lower ends [chosen]. Thumb: Barakat, Field and Taylor, Hand 8(2), 2013, means of 100 persons; its retroposition is given
in mm, so -15 is [chosen]."""
EXTENDED_DEG = np.array([[15.0, 45.0, 0.0, 5.0]] + 4 * [[0.0, 0.0, 5.0, 3.0]])
FIST_DEG = np.array([[30.0, -5.0, 55.0, 70.0]] + 4 * [[85.0, 0.0, 100.0, 60.0]])
"""[chosen] End postures (5, 4); the flexed thumb lies across the palm."""
DIP_PER_PIP = 2.0 / 3.0
"""Coupling of DIP to PIP. Source: Roda-Sales et al., PeerJ 10, e14051, 2022."""
ENSLAVING = np.array(
    [[0, 0, 0, 0, 0], [0.1, 0, 0.4, 0, 0], [0, 0.4, 0, 0.6, 0], [0, 0, 0.6, 0, 1.0], [0, 0, 0, 1.0, 0]], float
)
"""[chosen] How much a digit (row) follows another's (column) flexion, over how much ring and little follow each other,
the most. After Lang and Schieber, J. Neurophysiol. 92, 2004."""
ENSLAVING_SHARE = 0.25
"""[chosen] Share of the ring's flexion that the little finger follows and the other way; 0.2 to 0.3."""


@dataclass(frozen=True, kw_only=True)
class Hand:
    """One person's hand; mm."""

    length_mm: float
    breadth_mm: float
    bones: np.ndarray
    """Link lengths, (5, 3)."""
    tips: np.ndarray
    """Soft tissue beyond the last bone, (5,)."""
    bases: np.ndarray
    """Thumb CMC and MCP joints, (5, 3)."""
    frames: np.ndarray
    """Axes a, b, c (columns) of each digit's first link at zero angles, (5, 3, 3)."""

    def __post_init__(self) -> None:
        """Refuse a hand that has no length, or whose frames are not rotations."""
        if not (np.all(self.bones > 0) and np.all(self.tips >= 0)):
            raise InputError(f"bones of a hand must be longer than 0 mm; the shortest is {self.bones.min():g}")
        if not np.allclose(self.frames.swapaxes(1, 2) @ self.frames, np.eye(3), rtol=0, atol=1e-9):
            raise InputError(f"frames of a hand must be rotations; they are {self.frames.tolist()}")

    @property
    def scale(self) -> float:
        """Its length over the mean."""
        return self.length_mm / HAND_LENGTH_MM


@dataclass(frozen=True, kw_only=True)
class Mounts:
    """Points fixed to links, each with an axis: where magnets sit and which way they point."""

    digit: np.ndarray
    """Which digit, (sites,) int64."""
    link: np.ndarray
    """Which of its links, (sites,) int64."""
    points: np.ndarray
    """Place from the link's proximal joint in its axes a, b, c, (sites, 3) mm."""
    normals: np.ndarray
    """Unit axis in the same, (sites, 3)."""


def _frames() -> np.ndarray:
    frames = np.tile(np.eye(3), (5, 1, 1))
    s, c = math.sin(THUMB_PRONATION), math.cos(THUMB_PRONATION)
    frames[0] = [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]
    return frames


def mean_hand(length_mm: float = HAND_LENGTH_MM) -> Hand:
    """The hand of mean proportions of a length. Raises InputError for a length that no adult has."""
    low, high = LENGTH_LIMITS_MM
    if not low <= length_mm <= high:
        raise InputError(f"hand length must be {low:g} to {high:g} mm; it is {length_mm:g}")
    scale = length_mm / HAND_LENGTH_MM
    return Hand(
        length_mm=length_mm,
        breadth_mm=HAND_BREADTH_MM * scale,
        bones=BONES_MM * scale,
        tips=TIPS_MM * scale,
        bases=BASES_MM * scale,
        frames=_frames(),
    )


def draw_hand(
    rng: np.random.Generator,
    *,
    length_mm: float = HAND_LENGTH_MM,
    length_sd_mm: float = HAND_LENGTH_SD_MM,
    bone_sd: float = BONE_SD,
    base_sd_mm: float = BASE_SD_MM,
) -> Hand:
    """A person's hand: a normal length scales all, then each bone, the breadth and each base scatter on their own.

    length_mm, length_sd_mm: the population's; bone_sd: relative scatter of each bone, each tip and the breadth;
    base_sd_mm: of the bases along each axis. Lengths are clipped to LENGTH_LIMITS_MM and scatter at MOST_SD sd.
    """
    hand = mean_hand(float(np.clip(rng.normal(length_mm, length_sd_mm), *LENGTH_LIMITS_MM)))
    z = np.clip(rng.standard_normal(36), -MOST_SD, MOST_SD)
    wide = 1.0 + bone_sd * z[0]
    return replace(
        hand,
        breadth_mm=hand.breadth_mm * wide,
        bones=hand.bones * (1.0 + bone_sd * z[1:16].reshape(5, 3)),
        tips=hand.tips * (1.0 + bone_sd * z[16:21]),
        bases=hand.bases * [wide, 1.0, 1.0] + base_sd_mm * z[21:].reshape(5, 3),
    )


def mounts(hand: Hand, site: Site = "nail", digits: tuple[str, ...] = FINGERS) -> Mounts:
    """Where things are worn, exactly placed; heights scale with the hand.

    "nail": 0.6 along the distal phalanx, 7 mm dorsal, thumb 8, pointing dorsally. "middle": half way along the middle
    phalanx, 8 mm dorsal, the thumb's proximal, 9. "ring": round the middle of the proximal phalanx, pointing along it.
    All [chosen]. Raises InputError for a site or a digit that there is not.
    """
    if site not in ("nail", "middle", "ring"):
        raise InputError(f"site of a magnet must be nail, middle or ring; it is {site!r}")
    if unknown := [name for name in digits if name not in FINGERS]:
        raise InputError(f"digits of a site must be of {', '.join(FINGERS)}; there is {unknown[0]!r}")
    digit = np.array([FINGERS.index(name) for name in digits], np.int64)
    thumb = digit == 0
    link = np.full(digit.size, 2) if site == "nail" else np.where(thumb, 1, {"middle": 1, "ring": 0}[site])
    along = hand.bones[digit, link] * (0.6 if site == "nail" else 0.5)
    dorsal = {"nail": 7.0, "middle": 8.0, "ring": 0.0}[site] + thumb * (site != "ring")
    axis = [0.0, 1.0, 0.0] if site == "ring" else [0.0, 0.0, 1.0]
    points = np.stack([np.zeros(digit.size), along, dorsal * hand.scale], axis=1)
    return Mounts(digit=digit, link=link.astype(np.int64), points=points, normals=np.tile(axis, (digit.size, 1)))


def misplace(rng: np.random.Generator, exact: Mounts, *, offset_mm: float = 1.0, tilt: float = 0.05) -> Mounts:
    """Mounts with errors: an offset of sd offset_mm along each axis, and a turn of sd `tilt` rad about each axis."""
    size = exact.digit.size
    points = exact.points + offset_mm * rng.standard_normal((size, 3))
    turn = tilt * rng.standard_normal((size, 3))
    angle = np.linalg.norm(turn, axis=1, keepdims=True)
    across = np.cross(turn, exact.normals) * np.sinc(angle / math.pi)
    along = turn * np.sum(turn * exact.normals, axis=1, keepdims=True)
    lean = 0.5 * np.sinc(angle / (2 * math.pi)) ** 2  # (1 - cos angle) / angle^2, also at 0
    normals = np.cos(angle) * exact.normals + across + lean * along
    return replace(exact, points=points, normals=normals / np.linalg.norm(normals, axis=1, keepdims=True))
