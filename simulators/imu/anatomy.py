"""How far joints of healthy adults go, and how far an activity asks them to."""

import numpy as np

from simulators.imu.activity import POSTURES, Activity, sides_of
from simulators.imu.body import LIMB, ROOT
from simulators.imu.score import wave_of

LIMITS_DEG = {
    "hip_flexion": (-30, 135), "hip_abduction": (-30, 50), "hip_rotation": (-45, 45), "knee_flexion": (-10, 155),
    "ankle_flexion": (-55, 35), "lumbar_flexion": (-30, 65), "lumbar_bend": (-35, 35), "lumbar_twist": (-45, 45),
    "neck_flexion": (-60, 60), "neck_bend": (-45, 45), "neck_twist": (-80, 80), "shoulder_flexion": (-62, 180),
    "shoulder_abduction": (-45, 180), "shoulder_rotation": (-95, 95), "elbow_flexion": (-10, 155),
    "pronation": (-90, 90), "wrist_flexion": (-80, 85), "wrist_deviation": (-25, 40),
}  # fmt: skip
"""Least and greatest angle, rounded outwards: American Academy of Orthopaedic Surgeons, "Joint Motion", 1965, from
memory; of shoulder_abduction below 0 the arm crosses the raised front of the body."""


def reached(activity: Activity) -> dict[str, np.ndarray]:
    """Angles that an activity asks of each coordinate, degrees: its posture, what its moves reach, its curves."""
    own = {c: v for name, v in (POSTURES[activity.start] | activity.posture).items() for c in sides_of(name)}
    told = {c for name in activity.posture for c in sides_of(name)} | set(ROOT)
    found = {c: [np.atleast_1d(float(v))] for c, v in own.items()}
    for name, points in activity.curves.items():
        mean, wave = wave_of(points)
        turns = 2 * np.pi * np.outer(np.arange(0, 1, 0.005), 1 + np.arange(len(wave)))
        curve = mean + np.cos(turns) @ wave[:, 0] + np.sin(turns) @ wave[:, 1]
        for c in sides_of(name):
            if activity.only == "both" or name not in LIMB or c.endswith(activity.only[0]):
                found[c] = [(own.get(c, 0.0) if c in told else 0.0) + curve]
    for move in activity.moves:
        base = POSTURES[move.to] if move.to else POSTURES[activity.start] | activity.posture
        for name, value in (base | move.posture).items():
            for c in sides_of(name):
                found.setdefault(c, []).append(np.atleast_1d(float(value)))
    return {c: np.concatenate(parts) for c, parts in found.items()}


def plain_of(coordinate: str) -> str:
    """A coordinate without its side.

    >>> plain_of("knee_flexion_l"), plain_of("tilt")
    ('knee_flexion', 'tilt')
    """
    return coordinate[:-2] if coordinate[-2:] in ("_r", "_l") else coordinate


def strained(activity: Activity) -> list[str]:
    """Joints that an activity asks to go further than LIMITS_DEG, with what it asks; empty where none is.

    >>> from simulators.imu.activity import recipe_of
    >>> strained(recipe_of("walking"))
    []
    """
    found = []
    for coordinate, angles in reached(activity).items():
        low, high = LIMITS_DEG.get(plain_of(coordinate), (-np.inf, np.inf))
        if angles.min() < low or angles.max() > high:
            found.append(f"{coordinate} {angles.min():.1f} to {angles.max():.1f}, not {low} to {high}")
    return found
