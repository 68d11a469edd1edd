"""Archives whose sensors have clocks of their own: what runs together, what is cut, and that nothing folds."""

from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import archive_writers as write
import numpy as np
import pytest
from archive_writers import G, force, turn, uneven
from numpy.testing import assert_allclose, assert_array_equal
from scipy.io import savemat

from scenarios.errors import InputError
from scenarios.schema import Arrays
from scenarios.store import read_recording
from simulators.cli import main
from simulators.imu.labels import LABELS, PLACEMENTS
from simulators.imu.recorded import scan
from simulators.imu.recorded.clocks import (
    LEAST_S,
    PAUSE_S,
    Log,
    Stretch,
    at_one_clock,
    check_steps,
    concurrent,
    joined,
    lines_of,
    stretches_of,
    together,
)
from simulators.imu.recorded.hhar import HEAD, times_of
from simulators.imu.spec import QUANTITIES


def log(t: np.ndarray, x: np.ndarray | None = None, label: str = "walking") -> Log:
    signals = np.sin(t)[None] if x is None else np.atleast_2d(x)
    return Log(times_s=t, signals=signals, labels=np.full(t.size, label))


def group_of(arrays: Arrays) -> str:
    return next(name for name in arrays if name.endswith("/counts")).removesuffix("/counts")


def quantities_of(arrays: Arrays) -> list[str]:
    return [QUANTITIES[code] for code in arrays[f"{group_of(arrays)}/quantity"][::3]]


def labels_of(arrays: Arrays) -> list[str]:
    return [LABELS[code] for code in arrays["truth/bout_activity"]]


def values_of(arrays: Arrays, quantity: str) -> np.ndarray:
    """(3, n) in SI of a quantity's first sensor."""
    group = group_of(arrays)
    rows = np.flatnonzero(arrays[f"{group}/quantity"] == QUANTITIES.index(quantity))[:3]
    return np.asarray(arrays[f"{group}/counts"][rows] * arrays[f"{group}/lsb"][rows, None])


@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 104.0])
def test_a_log_comes_to_another_clock(rate_hz: float) -> None:
    t = uneven(2000, 102.3, 3.0)
    signals, labels = at_one_clock(log(t), 3.3337, 200, rate_hz)
    assert_allclose(signals[0], np.sin(3.3337 + np.arange(200) / rate_hz), atol=1e-4)
    assert set(labels) == {"walking"}


def test_what_a_lower_rate_cannot_carry_does_not_fold() -> None:
    t = uneven(4000, 198.0)
    tone = np.sin(2 * np.pi * 42 * t)
    signals, _, _ = together(["a"], [log(t, tone)], 50.0)
    assert np.abs(signals[0, 50:-50]).max() < 2e-3


def test_a_pause_is_missing_and_so_is_a_label_in_doubt() -> None:
    t = np.r_[0:2:201j, 4:6:201j]
    signals, labels, first = together(["a"], [log(t), log(t + 0.5, label="running")], 100.0)
    assert first == 0.5
    n = np.arange(labels.size) / 100 + 0.5
    assert_array_equal(np.isnan(signals[0]), (n > 2.001) & (n < 3.999))
    assert set(labels) == {"unlabelled"}
    with pytest.raises(InputError, match="must be of one time"):
        together(["a", "b"], [log(t), log(t + 9)], 100.0)


def test_stamps_that_stand_or_step_back_lose_their_samples() -> None:
    t = np.arange(400) / 100
    t[[50, 200]] = [t[49], t[198]]
    kept = joined("a", [log(t[:100]), log(t[100:])])
    assert_array_equal(kept.times_s, np.delete(t, [50, 200]))
    t[::5] -= 0.5
    with pytest.raises(InputError, match="times of recording 'a' must ascend; 79 of 400 step back"):
        joined("a", [log(t)])


@pytest.mark.parametrize(("rate", "fine"), [(4.9, False), (5.1, True), (249.0, True), (251.0, False)])
def test_steps_of_another_unit_are_refused(rate: float, fine: bool) -> None:
    if fine:
        check_steps("a", np.arange(50) / rate, 5, 250)
    else:
        with pytest.raises(InputError, match="other units"):
            check_steps("a", np.arange(50) / rate, 5, 250)


def parse(cells: list[bytes]) -> tuple[tuple[str, ...], float]:
    return (cells[0].decode(),), float(cells[1])


def test_a_file_is_cut_where_its_key_or_its_clock_leaps(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("head\na,0\na,1\n\na,9\na,9.5\nb,9.6\na,9.7\na,2\n")
    found = stretches_of(path, parse, skip=1)
    assert [(own.key[0], own.start_s, own.stop_s) for own in found] == [
        ("a", 0, 1), ("a", 9, 9.5), ("b", 9.6, 9.6), ("a", 9.7, 9.7), ("a", 2, 2)
    ]  # fmt: skip
    assert [lines_of(own) for own in found[1:3]] == [["a,9", "a,9.5"], ["b,9.6"]]
    with pytest.raises(InputError, match=r"row 1 of .* must name its subject and time"):
        stretches_of(path, parse)
    path.write_text("head\n")
    assert stretches_of(path, parse, skip=1) == []


def stretch(key: str, start: float, stop: float) -> Stretch:
    return Stretch(key=(key,), path=Path("a"), first=0, end=0, start_s=start, stop_s=stop)


def test_what_runs_at_one_time_is_one_recording() -> None:
    one, two, three = stretch("a", 0, 10), stretch("a", 9, 20), stretch("a", 19.5, 30)
    later, other, short = stretch("a", 30 + PAUSE_S, 50), stretch("b", 0, 10), stretch("c", 0, LEAST_S / 2)
    assert concurrent([later, three, other, short, one, two]) == [[one, two, three], [later], [other]]


def test_wisdm_keeps_phone_and_watch_apart_and_reads_a_sensor_that_is_alone(tmp_path: Path) -> None:
    write.wisdm(tmp_path)
    found = [own() for own in scan([tmp_path]).readers]
    assert [own.name for own in found] == ["1603/phone/A#0", "1603/phone/F#1", "1603/watch/A#2", "1603/watch/F#3"]
    assert [len(own.channels) for own in found] == [6, 6, 6, 3]
    assert [own.channels[0].placement for own in found] == ["pocket", "pocket", "wrist", "wrist"]
    assert [own.labels[0] for own in found] == ["walking", "typing", "walking", "typing"]
    assert found[0].times_ns is not None
    assert found[0].times_ns[0] == 252207_623_000_000


def test_wisdm_is_found_where_it_was_unpacked_twice(tmp_path: Path) -> None:
    write.wisdm(tmp_path / "wisdm-dataset")
    assert len(scan([tmp_path])) == len(scan([tmp_path / "wisdm-dataset" / "wisdm-dataset"])) == 4


def test_wisdm_of_another_device_is_refused(tmp_path: Path) -> None:
    write.wisdm(tmp_path)
    (tmp_path / "wisdm-dataset" / "raw" / "watch").rename(tmp_path / "wisdm-dataset" / "raw" / "glass")
    with pytest.raises(InputError, match="a device of WISDM must be one of phone, watch; it is 'glass'"):
        scan([tmp_path]).recording(0)


def test_hhar_uses_the_time_of_arrival_where_that_of_creation_is_none() -> None:
    t = np.arange(1000) / 200
    late = t + 0.002 * (np.arange(1000) % 2)
    for broken in (2 * t, -t, np.zeros(1000)):
        assert_array_equal(times_of(late, broken), late)
    assert_allclose(times_of(100 + late, t + 7) - 100, t + 0.001, atol=1e-9)


def test_hhar_is_cut_at_pauses(tmp_path: Path) -> None:
    write.hhar(tmp_path)
    for path in (tmp_path / "Activity recognition exp").glob("Phones_*.csv"):
        head, *lines = path.read_text().splitlines()
        rows = [line.split(",") for line in lines]
        later = [",".join([row[0], str(int(row[1]) + 60_000), *row[2:]]) for row in rows]
        path.write_text("\n".join([head, *lines, *later]) + "\n")
    source = scan([tmp_path])
    assert len(source) == 3
    first, second = source.recording(0), source.recording(1)
    assert_array_equal(first["inputs/r50/counts"], second["inputs/r50/counts"])
    assert_allclose(second["inputs/r50/start_ns"] - first["inputs/r50/start_ns"], 60e9, atol=1e3)
    assert labels_of(first) == ["standing", "walking"]
    assert PLACEMENTS[source.recording(2)["inputs/r50/placement"][0]] == "wrist"


def test_hhar_of_a_user_that_is_none_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "Phones_accelerometer.csv"
    home.write_text("\n".join([HEAD, *(f"{i},{i * 20},{i * 20000000},0,0,9.8,14,m,d,sit" for i in range(200))]))
    with pytest.raises(InputError, match=r"a user of .* must be a letter, a to i; it is '14'"):
        scan([tmp_path]).recording(0)


@pytest.mark.parametrize("unit", [1.0, 1e3])
def test_kuhar_is_known_with_and_without_gravity_in_s_and_in_ms(unit: float, tmp_path: Path) -> None:
    write.kuhar(tmp_path / "with", unit=unit)
    write.kuhar(tmp_path / "without", unit=unit)
    for path in (tmp_path / "without").rglob("*.csv"):
        table = np.loadtxt(path, delimiter=",")
        table[:, 1] -= G
        np.savetxt(path, table, delimiter=",")
    one, two = (scan([tmp_path / name]).recording(0) for name in ("with", "without"))
    assert quantities_of(one) == ["accelerometer", "gyroscope"]
    assert quantities_of(two) == ["body_acceleration", "gyroscope"]
    difference = values_of(one, "accelerometer") - values_of(two, "body_acceleration")
    assert_allclose(difference, np.tile([[G], [0], [0]], difference.shape[1]), atol=1e-3)


def test_kuhar_file_with_another_name_is_refused(tmp_path: Path) -> None:
    write.kuhar(tmp_path)
    (path := next(tmp_path.rglob("*.csv"))).rename(path.with_name("1052_F_x.csv"))
    with pytest.raises(InputError, match="must be named subject, letter and trial"):
        [scan([tmp_path]).recording(i) for i in range(2)]


def test_realworld_reads_zips_in_zips_and_all_sensors_of_a_phone(tmp_path: Path) -> None:
    write.realworld(tmp_path)
    source = scan([tmp_path])
    one, two, walk = (source.recording(i) for i in range(3))
    assert [int(own["truth/session"]) for own in (one, two, walk)] == [1, 2, 1]
    assert [labels_of(own) for own in (one, two, walk)] == [["stairs_up"], ["stairs_up"], ["walking"]]
    assert quantities_of(one) == ["accelerometer"]
    assert quantities_of(walk) == ["accelerometer", "gyroscope", "magnetometer"]
    t = 0.05 + np.arange(295) / 50
    assert_allclose(values_of(walk, "accelerometer")[:, 20:-20], force(t)[:, 20:-20], atol=0.02)
    assert_allclose(values_of(walk, "gyroscope")[:, 20:-20], turn(t)[:, 20:-20], atol=0.02)
    assert PLACEMENTS[walk["inputs/r50/placement"][0]] == "thigh"


def test_realworld_knows_a_part_by_its_file_too(tmp_path: Path) -> None:
    write.realworld(tmp_path)
    home = tmp_path / "proband4" / "data"
    with ZipFile(home / "acc_walking_csv.zip") as file:
        held = BytesIO(file.read(file.namelist()[0]))
    with ZipFile(home / "acc_walking_csv.zip", "w") as file:
        file.writestr("acc_walking_2_thigh.csv", held.getvalue())
        file.writestr("__MACOSX/acc_walking_2_thigh.csv", b"\x00")
    names = [own().name for own in scan([tmp_path]).readers]
    assert names[2:] == ["proband4/walking/1/thigh", "proband4/walking/2/thigh"]


def test_realworld_zip_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    write.realworld(tmp_path)
    (tmp_path / "proband4" / "data" / "acc_walking_csv.zip").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"acc_walking_csv\.zip' must be a zip file") as told:
        scan([tmp_path])
    assert "\n" not in str(told.value)


def windows(folder: Path, labels: np.ndarray | None = None, samples: int = 151) -> np.ndarray:
    """Four windows of subject 2; returns them, (4, 3, samples) m/s^2."""
    x = np.array([force(np.arange(samples) / 50 + 3 * i) for i in range(4)])
    told = np.array([[3, 2, 1], [3, 2, 2], [17, 2, 1], [1, 5, 1]]) if labels is None else labels
    (folder / "data").mkdir(parents=True)
    savemat(folder / "data" / "acc_data.mat", {"acc_data": x.reshape(4, -1)})
    savemat(folder / "data" / "acc_labels.mat", {"acc_labels": told})
    return x


def test_unimib_shar_windows_are_recordings(tmp_path: Path) -> None:
    x = windows(tmp_path)
    source = scan([tmp_path])
    found = [source.recording(i) for i in range(4)]
    for own, told in zip(found, x, strict=True):
        assert_allclose(values_of(own, "accelerometer"), told, atol=1e-5)
    assert [labels_of(own) for own in found] == [["walking"]] * 2 + [["falling_left"], ["standing_up_from_sitting"]]
    assert [int(own["truth/subject"]) for own in found] == [2, 2, 2, 5]


def test_unimib_shar_in_g_is_read_as_such(tmp_path: Path) -> None:
    for scale in (1.0, 1 / G):
        write.unimib_shar(tmp_path / str(scale), scale)
    one, two = (scan([tmp_path / str(scale)]).recording(0) for scale in (1.0, 1 / G))
    assert_allclose(values_of(one, "accelerometer"), values_of(two, "accelerometer"), atol=1e-5)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"samples": 150}, "must hold windows of 453 numbers and three labels each"),
        ({"labels": np.ones((3, 3))}, "must hold windows of 453 numbers and three labels each"),
        ({"labels": np.full((4, 3), 18)}, "it is '18'"),
    ],
)
def test_unimib_shar_windows_that_cannot_be_right_are_refused(
    more: dict[str, object], words: str, tmp_path: Path
) -> None:
    windows(tmp_path, **more)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words):
        scan([tmp_path])


def test_unimib_shar_without_its_variable_is_refused_in_one_line(tmp_path: Path) -> None:
    windows(tmp_path)
    savemat(tmp_path / "data" / "acc_labels.mat", {"other": np.ones(3)})
    with pytest.raises(InputError, match="must be a MATLAB file that holds 'acc_labels'") as told:
        scan([tmp_path])
    assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="must be laid out as 'unimib_shar'"):
        scan([tmp_path / "data" / "acc_data.mat"], layout="unimib_shar")


def test_mobiact_has_the_label_of_each_row(tmp_path: Path) -> None:
    write.mobiact(tmp_path, label="FKL")
    arrays = scan([tmp_path]).recording(0)
    assert labels_of(arrays) == ["standing", "fall_backward_knees"]
    assert_allclose(arrays["truth/bout_start"], [0, 300], atol=1)


@pytest.mark.parametrize("name", ["wisdm", "realworld"])
def test_sets_hold_recordings_of_different_sensors(name: str, tmp_path: Path) -> None:
    getattr(write, name)(tmp_path / "archive")
    arguments = ["--recorded", str(tmp_path / "archive"), "--layout", name, "--name", name, "--out", str(tmp_path)]
    assert main("imu", arguments) == 0
    (path,) = (tmp_path / "imu" / "recorded" / name).glob("*.zarr")
    source = scan([tmp_path / "archive"])
    for i in range(len(source)):
        stored, told = read_recording(path, "test", i), source.recording(i)
        assert stored.keys() == told.keys()
        for key, values in told.items():
            assert_array_equal(stored[key], values)


def test_a_source_is_named_by_all_that_lies_in_it(tmp_path: Path) -> None:
    write.wisdm(tmp_path)
    one = scan([tmp_path]).attrs
    path = next((tmp_path / "wisdm-dataset" / "raw" / "watch").rglob("*.txt"))
    path.write_text(path.read_text().replace("1603,F", "1603,G"))
    two = scan([tmp_path]).attrs
    assert one["logs"][0]["recordings"] == two["logs"][0]["recordings"] == 4
    assert one["logs"][0]["sha256"] != two["logs"][0]["sha256"]
    assert "20 Hz" in one["archives"]["wisdm"]["conventions"]
