"""Motion capture drives the chain: a BVH file becomes a body's motion, and that what an ideal sensor reads.

    python -m simulators.imu.bvh walk.bvh --placement wrist --side right --rate-hz 100 --out sensor.csv

BVH (Biovision hierarchy): joints with offsets and channels, then a line of numbers for every frame. Angles are degrees,
turned in the order of the channels: the first named is the outermost; a channel of position replaces the offset's part.
Source of the format: Meredith and Maddock, "Motion Capture File Formats Explained", University of Sheffield, 2001.

In the CSV, x, y and z turn with the limb: they point forward, left and up as the person stands with hanging arms, where
the accelerometer reads 9.81 m/s^2 along z.
"""

import math
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple, NoReturn

import numpy as np
import typer

from scenarios.catalogue import did_you_mean, nearest
from scenarios.cli import run
from scenarios.errors import InputError
from simulators.imu.body import SITES, Body, site_of
from simulators.imu.score import Sites, about, sense
from simulators.imu.skeleton import motion_of, score_of

CHANNELS = tuple(f"{axis}{kind}" for kind in ("position", "rotation") for axis in "XYZ")
UP = {"y": [2, 0, 1], "z": [0, 1, 2]}
"""Axes of the file that are forward, left and up; which of the level ones is forward does not matter."""
CSV_AXES = "x, y, z turn with the limb: forward, left and up as the person stands with hanging arms"
SIDES = ("left", "right", "middle")
RATES_HZ = (1.0, 10_000.0)

MIDDLE = {
    "hips": ("Hips", "Hip", "Pelvis", "Root"),
    "spine": ("Spine", "Chest", "Spine1", "LowerBack", "L5", "Abdomen", "Torso"),
    "shoulders": ("Neck", "Neck1", "Head"),
    "head": ("HeadTopEnd", "HeadTop", "HeadEnd", "HeadSite", "Head", "NeckSite"),
}
SIDED = {
    "hip": ("UpLeg", "Hip", "Thigh", "UpperLeg", "Femur", "HipJoint"),
    "knee": ("Leg", "Knee", "LowLeg", "LowerLeg", "Shin", "Calf", "Tibia"),
    "ankle": ("Foot", "Ankle"),
    "foot": ("ToeBase", "Toe", "Toes", "FootEnd", "FootSite", "AnkleEnd", "AnkleSite"),
    "shoulder": ("Arm", "UpArm", "UpperArm", "Humerus", "Shoulder"),
    "elbow": ("ForeArm", "Elbow", "LowArm", "LowerArm", "Radius"),
    "wrist": ("Wrist", "Hand"),
    "hand": ("Hand", "HandMiddle1", "Middle1", "HandMid1", "HandIndex1", "Index1", "FingerBase", "HandEnd", "HandSite",
             "WristEnd", "WristSite"),
}  # fmt: skip
"""Place of the chain: names of joints, without side, prefix and punctuation; the first that a file has counts."""
NEEDED = frozenset(MIDDLE | SIDED) - {"hips", "head", "hand", "foot"}
SIDE_WORDS = {"l": ("Left", "L"), "r": ("Right", "R")}

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Joint(NamedTuple):
    """A joint, or the end of a chain, which has no channels and is called as its parent and `_site`."""

    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Bvh:
    """A file: joints, parents first, and values (n, channels of all joints in turn) in its own unit and degrees."""

    joints: tuple[Joint, ...]
    values: np.ndarray
    frame_s: float


def parse(text: str, name: str) -> Bvh:
    """The file with such a text. Raises InputError, which says where, for what is no BVH."""
    lines = [(i, line.split()) for i, line in enumerate(text.splitlines(), 1)]
    at = next((k for k, (_, words) in enumerate(lines) if words[:1] == ["MOTION"]), None)
    if at is None:
        raise InputError(f"file '{name}' must be a BVH with HIERARCHY and MOTION; there is no line MOTION")
    joints = _joints(((i, word) for i, words in lines[:at] for word in words), name)
    rest = [(i, words) for i, words in lines[at + 1 :] if words]
    count = _number(name, rest, 0, ["Frames:"])
    frame_s = _number(name, rest, 1, ["Frame", "Time:"])
    if frame_s <= 0:
        raise InputError(f"file '{name}': the frame time must be above 0 s; it is {frame_s:g}")
    if count != len(rest) - 2:
        raise InputError(f"file '{name}' must have as many frames as it says, {count:g}; it has {len(rest) - 2}")
    width = sum(len(joint.channels) for joint in joints)
    values = np.empty((len(rest) - 2, width))
    for frame, (i, words) in enumerate(rest[2:]):
        if len(words) != width:
            raise InputError(
                f"file '{name}', line {i}: frame {frame} must have {width} values, one a channel; it has {len(words)}"
            )
        try:
            values[frame] = words
        except ValueError:
            _refuse(name, i, "values of a frame must be numbers", next(w for w in words if not _is_number(w)))
        if not np.isfinite(values[frame]).all():
            _refuse(name, i, "values of a frame must be finite", words[int(np.argmin(np.isfinite(values[frame])))])
    return Bvh(joints, values, frame_s)


def _refuse(name: str, line: int, rule: str, came: str) -> NoReturn:
    raise InputError(f"file '{name}', line {line}: {rule}; it is '{came}'")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _number(name: str, lines: Sequence[tuple[int, list[str]]], at: int, head: list[str]) -> float:
    """The number of a line `head value`."""
    line, words = lines[at] if at < len(lines) else (lines[-1][0] if lines else 0, [])
    told = " ".join(words).replace(":", ": ").split()
    if (
        len(told) != len(head) + 1
        or told[:-1] != head
        or not _is_number(told[-1])
        or not math.isfinite(float(told[-1]))
    ):
        _refuse(name, line, f"below MOTION there must be a line '{' '.join(head)} NUMBER'", " ".join(words))
    return float(told[-1])


def _channel(word: str, name: str, line: int) -> str:
    if word not in CHANNELS:
        raise InputError(f"file '{name}', line {line}: channel '{word}' not found{did_you_mean(word, CHANNELS)}")
    return word


def _joints(words: Iterator[tuple[int, str]], name: str) -> tuple[Joint, ...]:
    """Joints of the words, with their lines, above MOTION."""
    joints: list[Joint] = []
    open_joints: list[int] = []
    line = 0

    def take(*allowed: str) -> str:
        nonlocal line
        line, word = next(words, (line, "MOTION"))
        if allowed and word not in allowed:
            _refuse(name, line, f"here must be {' or '.join(allowed)}", word)
        return word

    def number() -> float:
        word = take()
        if not _is_number(word) or not math.isfinite(float(word)):
            _refuse(name, line, "an offset must be three finite numbers", word)
        return float(word)

    take("HIERARCHY")
    kind = take("ROOT")
    while kind != "MOTION":
        if kind == "}":
            open_joints.pop()
        else:
            parent = open_joints[-1] if open_joints else -1
            label = []
            while (word := take()) != "{":
                if word in ("OFFSET", "CHANNELS", "MOTION"):
                    _refuse(name, line, "a joint must have a name and then {", word)
                label.append(word)
            own = " ".join(label) if kind != "End" else f"{joints[parent].name}_site"
            if kind != "End" and (not own or own in (joint.name for joint in joints)):
                _refuse(name, line, "joints must have names, each its own", own)
            take("OFFSET")
            offset = (number(), number(), number())
            channels: tuple[str, ...] = ()
            if kind != "End":
                take("CHANNELS")
                count = take()
                if not count.isdecimal():
                    _refuse(name, line, "CHANNELS must say how many", count)
                channels = tuple(_channel(take(), name, line) for _ in range(int(count)))
            open_joints.append(len(joints))
            joints.append(Joint(own, parent, offset, channels))
        kind = take(*(("JOINT", "End", "}") if open_joints else ("MOTION",)))
    return tuple(joints)


def places_of(bvh: Bvh) -> np.ndarray:
    """Places (n, joints, 3) of the joints in the file's own unit and axes."""
    n = len(bvh.values)
    rotation, place = np.empty((2, len(bvh.joints)), object)
    columns = iter(np.moveaxis(bvh.values, 1, 0))
    for i, joint in enumerate(bvh.joints):
        shift, turn = np.tile(np.array(joint.offset), (n, 1)), np.broadcast_to(np.eye(3), (n, 3, 3))
        for channel in joint.channels:
            axis = "XYZ".index(channel[0])
            value = next(columns)
            if channel.endswith("position"):
                shift[:, axis] = value
            else:
                turn = turn @ about(axis, np.radians(value))
        above = joint.parent >= 0
        rotation[i] = rotation[joint.parent] @ turn if above else turn
        place[i] = place[joint.parent] + np.einsum("nij,nj->ni", rotation[joint.parent], shift) if above else shift
    return np.stack(list(place), 1)


def joints_of(names: Sequence[str], source: str) -> dict[str, int]:
    """Place of the chain -> number of the joint, by the naming of CMU, MotionBuilder, Mixamo, Xsens and their likes.

    Raises InputError for a place that the chain needs and that no joint is called after.

    >>> joints_of(["Hips", "Spine", "mixamorig:Neck", *(f"{side}{bone}" for side in ("Left", "Right") for bone in
    ...     ("UpLeg", "Leg", "Foot", "Arm", "ForeArm", "Hand"))], "f")["elbow_r"]
    13
    """
    at: dict[str, int] = {}
    for i, name in enumerate(names):
        at.setdefault(_plain(name.rpartition(":")[2]), i)
    wanted = dict(MIDDLE)
    for side, sides in SIDE_WORDS.items():
        for place, bones in SIDED.items():
            wanted[f"{place}_{side}"] = tuple(
                word for bone in bones for first in sides for word in (first + bone, bone + first)
            )
    found: dict[str, int] = {}
    for place, words in wanted.items():
        # a joint serves once: "LHand" is the tip of a hand only beside an "LWrist"
        free = [at[_plain(word)] for word in words if at.get(_plain(word), -1) not in {-1, *found.values()}]
        if free:
            found[place] = free[0]
        elif place.partition("_")[0] in NEEDED:
            raise InputError(
                f"file '{source}' must have a joint for '{place}', as '{words[0]}'; it has none"
                + did_you_mean(words[0], names)
            )
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def read_bvh(
    path: str | Path, scale: float = 0.01, up: str = "y", smooth_hz: float | None = None
) -> tuple[Body, np.ndarray, float]:
    """(body, coordinates (n, len(COORDINATES)), seconds between frames) of a BVH file.

    scale: metres in the file's unit, 0.01 for centimetres. up: the axis that points up, `y` or `z`. With smooth_hz
    what is faster is smoothed away; otherwise each frame is solved by itself. Only joints' places count: how a forearm
    is twisted about itself is not among them. Raises InputError for a file that cannot be read, for a scale with which
    the person is not of a person's size, and for places that cannot be told.
    """
    name = str(path)
    if up not in UP:
        raise InputError(f"the axis that points up must be {' or '.join(UP)}; it is '{up}'")
    if not (math.isfinite(scale) and scale > 0):
        raise InputError(f"scale must be metres in the file's unit, above 0; it is {scale:g}")
    if smooth_hz is not None and not (math.isfinite(smooth_hz) and smooth_hz > 0):
        raise InputError(
            f"the frequency above which motion is smoothed away must be above 0 Hz; it is {smooth_hz:g} Hz"
        )
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"file '{name}' must be text; byte {error.start} is none") from error
    except OSError as error:
        raise InputError(f"file '{name}' must be readable; {error.strerror}") from error
    bvh = parse(text, name)
    where = joints_of([joint.name for joint in bvh.joints], name)
    places = places_of(bvh)[:, :, UP[up]] * scale
    at = {place: places[:, i] for place, i in where.items()}
    try:
        body, q = motion_of(at, bvh.frame_s if smooth_hz else None, smooth_hz or 0.0)
    except InputError as error:
        raise InputError(f"file '{name}', scale {scale:g} m: {error}") from error
    return body, q, bvh.frame_s


@app.command(help="What an ideal sensor on the body of a BVH file reads, as CSV.")
def convert(
    file: Annotated[Path, typer.Argument(help="The BVH file.")],
    out: Annotated[
        Path,
        typer.Option(
            help=f"The CSV file: time in s, accelerometer in m/s^2 with gravity, gyroscope in rad/s; {CSV_AXES}."
        ),
    ],
    placement: Annotated[str, typer.Option(help=f"Where the sensor is: {', '.join(SITES)}.")] = "wrist",
    side: Annotated[str, typer.Option(help="left, right or middle.")] = "right",
    rate_hz: Annotated[float, typer.Option(help="Samples a second.")] = 100.0,
    scale: Annotated[float, typer.Option(help="Metres in the file's unit.")] = 0.01,
    up: Annotated[str, typer.Option(help="The file's axis that points up: y or z.")] = "y",
    smooth_hz: Annotated[float | None, typer.Option(help="Smooth away what is faster: for jittering captures.")] = None,
) -> None:
    """Write the readings."""
    if side not in SIDES:
        raise InputError(f"--side must be one of {', '.join(SIDES)}; it is '{side}'{nearest(side, SIDES)}")
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise InputError(f"--rate-hz must be {RATES_HZ[0]:g} to {RATES_HZ[1]:g}; it is {rate_hz:g}")
    if not out.parent.is_dir() or out.is_dir():
        raise InputError(f"--out must name a file in a folder that is there; it is '{out}'")
    if out.exists() and file.exists() and out.samefile(file):
        raise InputError(f"--out must be another file than the BVH; both are '{out}'")
    body, q, frame_s = read_bvh(file, scale, up, smooth_hz)
    segment, place = site_of(body, placement, side)
    seconds = frame_s * (len(q) - 1)
    times = np.arange(math.floor(seconds * rate_hz + 1e-9) + 1) / rate_hz
    ideal = sense(score_of(q, seconds), body, Sites(np.array([segment]), place[None], np.eye(3)[None]), times)
    table = np.concatenate([times[None], ideal.force[0], ideal.rate[0]]).T
    heads = ["time_s", *(f"{name}_{axis}" for name in ("accelerometer", "gyroscope") for axis in "xyz")]
    staged = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        np.savetxt(staged, table, "%.9g", ",", header=",".join(heads), comments="")
        staged.replace(out)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise InputError(f"--out must be a file that can be written; '{out}': {error.strerror}") from error
    print(f"readings: {out}")


if __name__ == "__main__":
    raise SystemExit(run(app, "python -m simulators.imu.bvh", sys.argv[1:]))
