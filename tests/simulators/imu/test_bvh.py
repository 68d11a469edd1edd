"""Motion capture drives the chain: a body's own motion, written as BVH, comes back; what is no BVH is refused."""

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from scenarios.cli import run
from scenarios.errors import InputError
from simulators.imu import bvh
from simulators.imu.body import COORDINATES, JOINTS, SEGMENTS, Body, body_of, site_of
from simulators.imu.score import INDEX, Score, Sites, frames_of, sense, track_of
from simulators.imu.skeleton import motion_of, score_of

BODY = body_of(1.72)
SECONDS, FRAME_S = 2.0, 0.01
TIMES = np.linspace(0, SECONDS, round(SECONDS / FRAME_S) + 1)
NAMES = {
    "pelvis": "Hips", "thorax": "Spine", "head": "Head", "upper_arm": "Arm", "forearm": "ForeArm", "hand": "Hand",
    "thigh": "UpLeg", "shank": "Leg", "foot": "Foot",
}  # fmt: skip
SPANS = {
    "forward": (-0.5, 0.5), "left": (-0.5, 0.5), "up": (0.8, 1.0), "yaw": (-2, 2), "tilt": (-0.4, 0.4),
    "list": (-0.3, 0.3), "turn": (-0.3, 0.3), "lumbar_flexion": (-0.3, 0.6), "lumbar_bend": (-0.3, 0.3),
    "lumbar_twist": (-0.4, 0.4), "neck_flexion": (-0.4, 0.4), "neck_bend": (-0.3, 0.3),
    "shoulder_flexion": (-0.5, 1.2), "shoulder_abduction": (0.0, 0.9), "shoulder_rotation": (-0.5, 0.5),
    "elbow_flexion": (0.5, 1.8), "wrist_deviation": (-0.3, 0.3), "wrist_flexion": (-0.5, 0.5),
    "hip_flexion": (-0.3, 1.0), "hip_abduction": (0.0, 0.4), "hip_rotation": (-0.3, 0.3), "knee_flexion": (0.4, 1.4),
    "ankle_flexion": (-0.3, 0.3),
}  # fmt: skip
"""All that places of joints show: hinges stay bent enough to show how their bones are twisted."""
STYLES = {
    "cmu": lambda name: name,
    "mixamo": lambda name: f"mixamorig:{name}",
    "lower": str.lower,
    "short": lambda name: name.replace("Left", "L_").replace("Right", "R_"),
    "spaced": lambda name: name.replace("Left", "Left ").replace("Right", "Right "),
    "xsens": lambda name: {
        **{f"{side}{a}": f"{side}{b}" for side in ("Left", "Right") for a, b in (
            ("Arm", "Shoulder"), ("ForeArm", "Elbow"), ("Hand", "Wrist"), ("UpLeg", "Hip"), ("Leg", "Knee"),
            ("Foot", "Ankle"),
        )},
        "Spine": "Chest",
    }.get(name, name),
}  # fmt: skip
TO_FILE = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], float)
"""To left, up, forward."""


def motion(seed: int) -> Score:
    """A smooth motion from one posture to another."""
    rng = np.random.default_rng(seed)
    tracks = {}
    for i, name in enumerate(COORDINATES):
        a, b = rng.uniform(*SPANS.get(name.removesuffix("_r").removesuffix("_l"), (0, 0)), 2)
        tracks[i] = track_of([(0.0, a, 0, 0), (SECONDS, b, 0, 0)])
    return Score(tracks)


def name_of(segment: int) -> str:
    plain, _, side = SEGMENTS[segment].rpartition("_")
    return {"r": "Right", "l": "Left"}[side] + NAMES[plain] if side in ("r", "l") else NAMES[SEGMENTS[segment]]


def written(
    score: Score, body: Body = BODY, orders: Sequence[str] = ("ZXY",), style: str = "cmu", up: str = "y"
) -> str:
    """A motion as BVH in cm; joint i turns in the order orders[i % len(orders)]."""
    rotation, origin = frames_of(score, body, TIMES)
    axes = TO_FILE if up == "y" else np.eye(3)
    lines, columns = ["HIERARCHY"], []

    def numbers(v: np.ndarray) -> str:
        return " ".join(f"{value:.9f}" for value in 100 * axes @ v)

    def add(segment: int, depth: int) -> None:
        pad, order, parent = "  " * depth, orders[segment % len(orders)], JOINTS[segment].parent
        head = "ROOT" if parent < 0 else "JOINT"
        channels = [f"{axis}rotation" for axis in order]
        own = rotation[segment]
        if parent < 0:
            channels = [*(f"{axis}position" for axis in "XYZ"), *channels]
            columns.extend((100 * origin[segment] @ axes.T).T)
        else:
            own = np.swapaxes(rotation[parent], 1, 2) @ own
        columns.extend(Rotation.from_matrix(axes @ own @ axes.T).as_euler(order, degrees=True).T)
        lines.extend([f"{pad}{head} {STYLES[style](name_of(segment))}", f"{pad}{{"])
        lines.append(f"{pad} OFFSET {numbers(body.offsets[segment])}")
        lines.append(f"{pad} CHANNELS {len(channels)} {' '.join(channels)}")
        below = [i for i, joint in enumerate(JOINTS) if joint.parent == segment]
        for child in below:
            add(child, depth + 1)
        if not below:
            lines.extend([f"{pad} End Site", f"{pad} {{", f"{pad} OFFSET {numbers(body.ends[segment])}", f"{pad} }}"])
        lines.append(f"{pad}}}")

    add(0, 0)
    frames = [" ".join(f"{value:.10f}" for value in frame) for frame in np.array(columns).T]
    return "\n".join([*lines, "MOTION", f"Frames: {len(frames)}", f"Frame Time: {FRAME_S}", *frames]) + "\n"


def joints_at(score: Score, body: Body) -> np.ndarray:
    return frames_of(score, body, TIMES)[1]


def places_by_name(score: Score) -> dict[str, np.ndarray]:
    parsed = bvh.parse(written(score), "f")
    places = bvh.places_of(parsed)[:, :, bvh.UP["y"]] / 100
    return {name: places[:, i] for name, i in bvh.joints_of([joint.name for joint in parsed.joints], "f").items()}


def read(text: str, folder: Path, **settings: object) -> tuple[Body, np.ndarray, float]:
    path = folder / "motion.bvh"
    path.write_text(text, encoding="utf-8")
    return bvh.read_bvh(path, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bvh")


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(STYLES)))
def test_a_bodys_own_motion_comes_back(folder: Path, seed: int, style: str) -> None:
    score = motion(seed)
    text = written(score, style=style)
    parsed = bvh.parse(text, "f")
    order = [next(i for i, j in enumerate(parsed.joints) if j.name == STYLES[style](name_of(s)))
             for s in range(len(SEGMENTS))]  # fmt: skip
    truth = joints_at(score, BODY)
    seen = bvh.places_of(parsed)[:, order] @ TO_FILE / 100
    assert_allclose(np.moveaxis(seen, 1, 0), truth, atol=1e-6)

    body, q, frame_s = read(text, folder)
    again = score_of(q, SECONDS)
    assert frame_s == FRAME_S
    assert q.shape == (TIMES.size, len(COORDINATES))
    assert body.height == pytest.approx(BODY.height, rel=1e-6)
    assert_allclose(joints_at(again, body), truth, atol=1e-6)
    for placement in ("wrist", "thigh", "head", "foot", "waist"):
        told = []
        for own, motion_ in ((BODY, score), (body, again)):
            segment, place = site_of(own, placement, "right")
            told.append(sense(motion_, own, Sites(np.array([segment]), place[None], np.eye(3)[None]), TIMES))
        # between frames 10 ms apart a cubic spline's acceleration is off by h^2 / 12 of a fourth derivative
        assert_allclose(told[1].force, told[0].force, atol=0.03, err_msg=placement)
        assert_allclose(told[1].rate, told[0].rate, atol=2e-3, err_msg=placement)


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from(["".join(p) for p in permutations("XYZ")]), min_size=1))
def test_the_order_of_channels_does_not_matter(seed: int, orders: list[str]) -> None:
    score = motion(seed)
    plain = bvh.places_of(bvh.parse(written(score), "f"))
    assert_allclose(bvh.places_of(bvh.parse(written(score, orders=orders), "f")), plain, atol=1e-5)


def test_axes_and_units_are_what_one_says(folder: Path) -> None:
    score = motion(4)
    body, q, _ = read(written(score), folder)
    upright = read(written(score, up="z"), folder, up="z")
    assert_allclose(upright[1], q, atol=1e-6)
    small = read(written(score), folder, scale=0.009)[0]
    assert small.height == pytest.approx(0.9 * body.height, rel=1e-9)


def test_positions_of_inner_joints_replace_their_offsets() -> None:
    text = (
        "HIERARCHY ROOT a { OFFSET 1 2 3 CHANNELS 1 Yposition JOINT b { OFFSET 4 5 6 CHANNELS 4 Zrotation Xposition"
        " Yposition Zposition End Site { OFFSET 1 0 0 } } }\nMOTION\nFrames:\t2\nFrame Time:\t0.5\n9 90 7 8 9\n"
        "0 0 4 5 6"
    )
    places = bvh.places_of(bvh.parse(text, "f"))
    assert_allclose(places[0], [[1, 9, 3], [8, 17, 12], [8, 18, 12]], atol=1e-12)
    assert_allclose(places[1], [[1, 0, 3], [5, 5, 9], [6, 5, 9]], atol=1e-12)


def test_a_collar_bone_is_no_shoulder() -> None:
    bones = ("UpLeg", "Leg", "Foot", "ToeBase", "Shoulder", "Arm", "ForeArm", "Hand", "HandIndex1")
    names = ["Hips", "LHipJoint", "LowerBack", "Spine", "Neck", "Neck1", "Head", "Head_site",
             *(f"{side}{bone}" for side in ("Left", "Right") for bone in bones)]  # fmt: skip
    found = {place: names[i] for place, i in bvh.joints_of(names, "f").items()}
    assert (found["shoulder_l"], found["hip_l"], found["spine"]) == ("LeftArm", "LeftUpLeg", "Spine")
    assert (found["hand_r"], found["foot_r"], found["head"]) == ("RightHandIndex1", "RightToeBase", "Head_site")


def test_shoulders_that_move_leave_joints_near_their_places() -> None:
    score = motion(11)
    at = places_by_name(score)
    at["shoulder_r"] += 0.02 * np.sin(3 * TIMES)[:, None]
    loose, found = motion_of(at)
    own = joints_at(score_of(found, SECONDS), loose)
    away = np.linalg.norm(own[SEGMENTS.index("hand_r")] - at["wrist_r"], axis=1)
    assert away.max() < 0.03
    assert np.isfinite(found).all()


def test_smoothing_takes_out_jitter_and_leaves_the_motion() -> None:
    score = motion(7)
    rng = np.random.default_rng(1)
    at = {name: place + 0.004 * rng.standard_normal(place.shape) for name, place in places_by_name(score).items()}
    truth = joints_at(score, BODY)[SEGMENTS.index("hand_r")]
    errors, shakes = [], []
    for setting in ((), (FRAME_S, 3.0)):
        body, q = motion_of(at, *setting)
        segment, place = site_of(body, "wrist", "right")
        sites = Sites(np.array([segment]), place[None], np.eye(3)[None])
        force = sense(score_of(q, SECONDS), body, sites, TIMES).force[0]
        errors.append(np.abs(joints_at(score_of(q, SECONDS), body)[SEGMENTS.index("hand_r")] - truth).mean())
        shakes.append(np.abs(np.sqrt((force**2).sum(0)) - 9.81).max())
    assert errors[1] < 0.6 * errors[0]
    assert shakes[0] > 20
    assert shakes[1] < 5


def test_places_on_one_another_are_refused_and_ends_without_length_left_out() -> None:
    at = places_by_name(motion(5))
    with pytest.raises(InputError, match=r"must be 0\.01 m apart; 'hip_l' and 'hip_r' are 0 m"):
        motion_of(at | {"hip_l": at["hip_r"]})
    stumps = motion_of(at | {"hand_r": at["wrist_r"], "head": at["shoulders"]})
    without = motion_of({name: place for name, place in at.items() if name not in ("hand_r", "head")})
    assert_allclose(stumps[1], without[1], atol=1e-12)
    assert_allclose(stumps[0].ends[SEGMENTS.index("hand_r")], BODY.ends[SEGMENTS.index("hand_r")], atol=1e-6)


def test_an_arm_raised_sideways_to_overhead_does_not_turn_round() -> None:
    tracks = {i: track_of([(0.0, 0.0, 0, 0)]) for i in range(len(COORDINATES))}
    tracks[INDEX["up"]] = track_of([(0.0, BODY.leg, 0, 0)])
    for side in "rl":
        tracks[INDEX[f"elbow_flexion_{side}"]] = track_of([(0.0, 0.5, 0, 0)])
        tracks[INDEX[f"shoulder_flexion_{side}"]] = track_of([(0.0, 0.1, 0, 0)])
        tracks[INDEX[f"shoulder_abduction_{side}"]] = track_of([(0.0, 0.2, 0, 0), (SECONDS, 2.8, 0, 0)])
    _, q = motion_of(places_by_name(Score(tracks)))
    own = [INDEX[f"shoulder_{name}_{side}"] for name in ("flexion", "abduction", "rotation") for side in "rl"]
    assert np.abs(np.diff(q[:, own], axis=0)).max() < 0.05


TEXT = written(motion(0))
LINES = TEXT.splitlines()
FIRST = LINES.index("MOTION") + 3
REFUSED = {
    "no motion": (TEXT.replace("MOTION", "MOVE"), "there is no line MOTION"),
    "no hierarchy": (TEXT.replace("HIERARCHY", "TREE"), "line 1: here must be HIERARCHY; it is 'TREE'"),
    "open brace": (TEXT.replace("}\nMOTION", "\nMOTION"), "here must be JOINT or End or }; it is 'MOTION'"),
    "unknown channel": (
        TEXT.replace("Zrotation", "Zrotatoin", 1), "channel 'Zrotatoin' not found; did you mean 'Zrotation'?"
    ),
    "offset": (TEXT.replace("OFFSET 0", "OFFSET x0", 1), "an offset must be three finite numbers; it is 'x0.0"),
    "channels": (TEXT.replace("CHANNELS 6", "CHANNELS six"), "CHANNELS must say how many; it is 'six'"),
    "no name": (TEXT.replace("ROOT Hips", "ROOT"), "joints must have names, each its own; it is ''"),
    "twice": (TEXT.replace("RightLeg", "LeftLeg"), "joints must have names, each its own; it is 'LeftLeg'"),
    "frames": (TEXT.replace("Frames: 201", "Frames: 200"), "as many frames as it says, 200; it has 201"),
    "no frame time": (TEXT.replace("Frame Time:", "Time:"),
                      "there must be a line 'Frame Time: NUMBER'; it is 'Time: 0.01'"),
    "frame time": (TEXT.replace("Time: 0.01", "Time: 0"), "the frame time must be above 0 s; it is 0"),
    "values": ("\n".join([*LINES[:-1], LINES[-1] + " 1"]), "frame 200 must have 48 values, one a channel; it has 49"),
    "nan": ("\n".join([*LINES[:-1], "nan " + LINES[-1].partition(" ")[2]]),
            "values of a frame must be finite; it is 'nan'"),
    "word": ("\n".join([*LINES[:-1], "a " + LINES[-1].partition(" ")[2]]),
             "values of a frame must be numbers; it is 'a'"),
    "missing": (TEXT.replace("RightForeArm", "RightForAxm"),
                "must have a joint for 'elbow_r', as 'RightForeArm'; it has none; did you mean 'RightForAxm'?"),
    "short": ("\n".join([*LINES[: FIRST - 2], "Frames: 3", LINES[FIRST - 1], *LINES[FIRST : FIRST + 3]]),
              "must have 8 frames or more; it has 3"),
    "empty": ("", "there is no line MOTION"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_bvh_is_refused_in_one_line(tmp_path: Path, what: str) -> None:
    text, says = REFUSED[what]
    assert text != TEXT
    with pytest.raises(InputError) as told:
        read(text, tmp_path)
    assert says in str(told.value)
    assert "motion.bvh" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_wrong_scale_axis_or_file_is_refused(tmp_path: Path) -> None:
    for scale, height in ((1.0, "172 m"), (0.001, "0.172 m")):
        with pytest.raises(InputError, match=f"must be 1.0 to 2.5 m tall; by bones of arms and legs it is {height}"):
            read(TEXT, tmp_path, scale=scale)
    for settings, says in (
        ({"scale": -1.0}, "scale must be"), ({"up": "x"}, "must be y or z; it is 'x'"),
        ({"smooth_hz": 0.0}, "must be above 0 Hz; it is 0 Hz"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says):
            read(TEXT, tmp_path, **settings)
    with pytest.raises(InputError, match="must be readable; No such file"):
        bvh.read_bvh(tmp_path / "none.bvh")
    (tmp_path / "bytes.bvh").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(InputError, match="must be text; byte 0 is none"):
        bvh.read_bvh(tmp_path / "bytes.bvh")


def test_the_help_says_which_way_the_axes_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(bvh.app, "bvh", ["--help"]) == 0
    assert bvh.CSV_AXES in " ".join(capsys.readouterr().out.split())
    path, out = tmp_path / "still.bvh", tmp_path / "sensor.csv"
    standing = np.zeros((len(TIMES), len(COORDINATES)))
    path.write_text(written(score_of(standing, SECONDS)), encoding="utf-8")
    for placement in ("wrist", "thigh", "waist"):
        assert run(bvh.app, "bvh", [str(path), "--out", str(out), "--placement", placement]) == 0
        force = np.loadtxt(out, delimiter=",", skiprows=1)[:, 1:4]
        assert_allclose(force, np.array([0, 0, 9.80665]) * np.ones((len(force), 1)), atol=0.5)


def test_the_command_writes_what_an_ideal_sensor_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "a.bvh", tmp_path / "sensor.csv"
    path.write_text(TEXT, encoding="utf-8")
    assert run(bvh.app, "bvh", [str(path), "--out", str(out), "--placement", "wrist", "--rate-hz", "50"]) == 0
    assert out.read_text(encoding="utf-8").splitlines()[0].split(",")[:2] == ["time_s", "accelerometer_x"]
    table = np.loadtxt(out, delimiter=",", skiprows=1)
    segment, place = site_of(BODY, "wrist", "right")
    ideal = sense(motion(0), BODY, Sites(np.array([segment]), place[None], np.eye(3)[None]), table[:, 0])
    assert table.shape == (101, 7)
    assert_allclose(table[:, 1:4].T, ideal.force[0], atol=0.03)
    assert_allclose(table[:, 4:].T, ideal.rate[0], atol=2e-3)
    before = out.read_bytes()
    for arguments, says in (
        (["--scale", "1"], "must be 1.0 to 2.5 m tall"), (["--side", "lefft"], "did you mean 'left'?"),
        (["--placement", "wirst"], "did you mean 'wrist'?"), (["--rate-hz", "0"], "--rate-hz must be 1 to 10000"),
    ):  # fmt: skip
        assert run(bvh.app, "bvh", [str(path), "--out", str(out), *arguments]) == 2
        told = capsys.readouterr().err
        assert says in told
        assert told.count("\n") == 1
    assert run(bvh.app, "bvh", [str(path), "--out", str(tmp_path / "no" / "a.csv")]) == 2
    assert run(bvh.app, "bvh", [str(path), "--out", str(path)]) == 2
    assert path.read_text(encoding="utf-8") == TEXT
    assert out.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bvh", "sensor.csv"]
