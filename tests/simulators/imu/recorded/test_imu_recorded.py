"""Imports of worn sensors: files of each layout that the tests write, what they hold after, and what is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from scenarios.errors import InputError
from scenarios.schema import Arrays, check
from scenarios.store import read_recording
from simulators.cli import main
from simulators.imu import SCHEMA
from simulators.imu.labels import GROUPS_44, LABELS, PLACEMENTS
from simulators.imu.recorded import LAYOUTS, scan
from simulators.imu.spec import QUANTITIES

REAL = Path(os.environ.get("PROVINGGROUND_DATA", "")) / "imu"
G = 9.80665
RNG = np.random.default_rng(5)


def walk(n: int, axis: int = 0) -> np.ndarray:
    """(n, 3) g of someone who stands and then walks."""
    t = np.arange(n) / 50
    values = 0.02 * RNG.standard_normal((n, 3))
    values[:, axis] += 1 + 0.3 * np.sin(2 * np.pi * 1.8 * t) * (t > 2)
    return values


def values_of(arrays: Arrays, quantity: str) -> np.ndarray:
    group = next(n for n in arrays if n.endswith("/counts")).removesuffix("/counts")
    rows = arrays[f"{group}/quantity"] == QUANTITIES.index(quantity)
    return np.asarray(arrays[f"{group}/counts"][rows] * arrays[f"{group}/lsb"][rows, None])


def labels_of(arrays: Arrays) -> list[str]:
    return [LABELS[code] for code in arrays["truth/bout_activity"]]


def uci(folder: Path, scale: float = 1.0) -> np.ndarray:
    """An archive of one stretch of five windows, and one of two; returns the total acceleration of the first in g."""
    root = folder / "train"
    (root / "Inertial Signals").mkdir(parents=True)
    first, second = walk(64 * 6), walk(64 * 3)
    for kind, factor in (("total_acc", scale), ("body_acc", 0.1 * scale), ("body_gyro", 0.2)):
        for i, axis in enumerate("xyz"):
            rows = [factor * x[k * 64 : k * 64 + 128, i] for x, n in ((first, 5), (second, 2)) for k in range(n)]
            np.savetxt(root / "Inertial Signals" / f"{kind}_{axis}_train.txt", np.array(rows), fmt="%.12e")
    np.savetxt(root / "subject_train.txt", [3] * 5 + [4] * 2, fmt="%d")
    np.savetxt(root / "y_train.txt", [1] * 5 + [6] * 2, fmt="%d")
    return first


def test_uci_har_windows_are_stitched(tmp_path: Path) -> None:
    first = uci(tmp_path)
    source = scan([tmp_path])
    assert len(source) == 2
    one, two = source.recording(0), source.recording(1)
    check(one, SCHEMA)
    assert_allclose(values_of(one, "accelerometer"), G * first.T, atol=1e-5)
    assert_allclose(values_of(one, "body_acceleration"), 0.1 * G * first.T, atol=1e-5)
    assert (labels_of(one), labels_of(two)) == (["walking"], ["laying"])
    assert (int(one["truth/subject"]), int(two["truth/subject"])) == (3, 4)
    assert GROUPS_44[two["truth/bout_group"][0]] == "lying"


def test_an_archive_in_other_units_is_refused(tmp_path: Path) -> None:
    uci(tmp_path, scale=G)
    with pytest.raises(InputError, match=r"must read about 9\.81 m/s\^2 where it is quiet") as told:
        scan([tmp_path]).recording(0)
    assert "\n" not in str(told.value)


def test_hapt_has_one_recording_an_experiment(tmp_path: Path) -> None:
    raw = tmp_path / "RawData"
    raw.mkdir()
    force, rate = walk(400), 0.1 * RNG.standard_normal((400, 3))
    np.savetxt(raw / "acc_exp07_user04.txt", force)
    np.savetxt(raw / "gyro_exp07_user04.txt", rate)
    np.savetxt(raw / "labels.txt", [[7, 4, 5, 11, 90], [7, 4, 7, 91, 150], [8, 4, 1, 1, 9]], fmt="%d")
    arrays = scan([tmp_path]).recording(0)
    assert_allclose(values_of(arrays, "gyroscope"), rate.T, atol=1e-6)
    assert labels_of(arrays) == ["standing", "stand_to_sit"]
    assert_array_equal(arrays["truth/bout_start"], [10, 90])
    assert_array_equal(arrays["truth/bout_end"], [90, 150])
    assert PLACEMENTS[arrays["inputs/r50/placement"][0]] == "waist"


def motion(folder: Path, name: str = "wlk_7", drop: str = "") -> None:
    own = folder / "A_DeviceMotion_data" / name
    own.mkdir(parents=True)
    heads = [f"{k}.{a}" for k in ("gravity", "userAcceleration", "rotationRate") for a in "xyz"]
    rows = np.concatenate([np.tile([0.0, -1.0, 0.0], (200, 1)), 0.05 * RNG.standard_normal((200, 6))], 1)
    keep = [i for i, head in enumerate(heads) if head != drop]
    np.savetxt(own / "sub_9.csv", rows[:, keep], delimiter=",", header=",".join(heads[i] for i in keep), comments="")


def test_motionsense_reads_gravity_along_up(tmp_path: Path) -> None:
    motion(tmp_path)
    arrays = scan([tmp_path]).recording(0)
    assert_allclose(values_of(arrays, "accelerometer").mean(1), [0, G, 0], atol=0.2)
    assert labels_of(arrays) == ["walking"]
    assert int(arrays["truth/session"]) == 7


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    motion(tmp_path, drop="gravity.y")
    with pytest.raises(InputError, match=r"must have the column 'gravity\.y'"):
        scan([tmp_path]).recording(0)


TABLE = """
rate_hz = 50
placement = "wrist"
side = "left"
subject = 12
label_column = "what"
time = { column = "t", unit = "ms" }
labels = { gehen = "walking" }
[channels]
ax = "accelerometer x g"
ay = "accelerometer y g"
az = "accelerometer z g"
gx = "gyroscope x deg/s"
"""


def table(
    folder: Path, description: str = TABLE, step_ms: float = 20.0, label: str = "gehen", gap: bool = False
) -> Path:
    values = np.concatenate([walk(200, axis=2), 30 * RNG.standard_normal((200, 1))], 1)
    lines = ["t,ax,ay,az,gx,what"]
    lines += [f"{i * step_ms},{','.join(f'{v:.6f}' for v in row)},{label}" for i, row in enumerate(values)]
    if gap:
        lines[6] = f"{5 * step_ms},,,,,{label}"
    path = folder / "own.csv"
    path.write_text("\n".join(lines) + "\n")
    path.with_suffix(".toml").write_text(description)
    return path


def test_a_table_with_a_description_is_read_with_its_gaps(tmp_path: Path) -> None:
    arrays = scan([table(tmp_path, gap=True)]).recording(0)
    check(arrays, SCHEMA)
    assert labels_of(arrays) == ["walking"]
    assert not arrays["inputs/r50/valid"][:, 5].any()
    assert arrays["inputs/r50/valid"].sum() == 4 * 199
    assert np.abs(values_of(arrays, "gyroscope")).max() < 3
    assert_allclose(arrays["inputs/r50/tick_ns"][:3], [0, 20_000_000, 40_000_000])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"step_ms": 10.0}, "must be of its rate, 50 Hz; they say 100"),
        ({"step_ms": -20.0}, "must ascend"),
        ({"label": "walkin"}, "did you mean 'walking'"),
        ({"description": TABLE.replace("deg/s", "turns")}, "unit one of"),
        ({"description": TABLE.replace("ax =", "a_x =")}, "must have a column 'a_x'; did you mean 'ax'"),
        ({"description": TABLE.replace("rate_hz = 50", "")}, "must say 'rate_hz'"),
        ({"description": TABLE.replace("wrist", "rist")}, "must be one of waist, hip.*did you mean .wrist"),
        ({"description": TABLE.replace(" g\"", " m/s^2\"")}, "is it in g, or without gravity"),
        ({"description": TABLE.replace("deg/s", "rad/s").replace("gx =", "gx = \"gyroscope x rad/s\" #")}, None),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_right_are_refused(tmp_path: Path, more: dict[str, object], words: str | None) -> None:
    if words is None:
        path = table(tmp_path, description=TABLE.replace('"gyroscope x deg/s"', '"gyroscope x rad/s"'))
        text = path.read_text().splitlines()
        path.write_text("\n".join([text[0], *(f"{a.rsplit(',', 2)[0]},60,{a.rsplit(',', 1)[1]}" for a in text[1:])]))
        words = "is it in deg/s"
    else:
        path = table(tmp_path, **more)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words) as told:
        scan([path]).recording(0)
    assert "\n" not in str(told.value)


def test_what_no_layout_fits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be laid out as one of uci_har"):
        scan([tmp_path])
    with pytest.raises(InputError, match="did you mean 'motionsense'"):
        scan([tmp_path], layout="motionsens")
    with pytest.raises(InputError, match="must be there"):
        scan([tmp_path / "no"])
    assert all(layout.text for layout in LAYOUTS.values())


def test_the_command_imports_and_the_set_opens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path)
    assert main("imu", ["--recorded", str(path), "--name", "mine", "--out", str(tmp_path)]) == 0
    (found,) = (tmp_path / "imu" / "recorded" / "mine").glob("*.zarr")
    told = read_recording(found, "test", 0)
    assert labels_of(told) == ["walking"]
    card = (found / "README.md").read_text(encoding="utf-8")
    assert card.splitlines()[2] == "Real recordings, imported from own.csv."
    told = scan([path]).attrs["archives"]["table"]["conventions"]
    assert told.startswith("Columns, units, places and labels are as the description beside the file says")
    assert len(told) < 240
    assert main("hand", ["--recorded", str(path), "--layout", "hapt"]) == 2
    assert "--layout says how" in capsys.readouterr().err


@pytest.mark.skipif(not REAL.is_dir(), reason="PROVINGGROUND_DATA has no folder imu")
@pytest.mark.parametrize("name", ["hapt", "spsw", "utd_mhad", "selfback_thigh", "sisfall_50hz"])
def test_real_segments_keep_their_counts(name: str) -> None:
    source = scan([REAL / f"{name}.npz"])
    with np.load(REAL / f"{name}.npz") as file:
        keep = file["length"] >= 2
        x, start, length = file["x_int16"], file["start"][keep], file["length"][keep]
        assert len(source) == len(start)
        for i in range(0, len(start), max(1, len(start) // 12)):
            arrays = source.recording(i)
            check(arrays, SCHEMA)
            group = next(n for n in arrays if n.endswith("/counts"))
            assert_array_equal(arrays[group], x[start[i] : start[i] + length[i]].T)


@pytest.mark.skipif(not REAL.is_dir(), reason="PROVINGGROUND_DATA has no folder imu")
def test_skeletons_are_no_worn_sensors() -> None:
    with pytest.raises(InputError, match="must be of acc, gyr and mag"):
        scan([REAL / "utd_mhad_skeleton.npz"])
