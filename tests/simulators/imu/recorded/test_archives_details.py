"""What is peculiar to an archive: counts, gaps, hands, units in doubt, clocks that differ, and where its files lie."""

from pathlib import Path

import archive_writers as write
import numpy as np
import pytest
from archive_writers import G, force
from numpy.testing import assert_allclose, assert_array_equal

from scenarios.catalogue import load
from scenarios.errors import InputError
from scenarios.schema import Arrays
from simulators.imu.labels import LABELS, PLACEMENTS, SIDES
from simulators.imu.recorded import scan, vtt_coniot
from simulators.imu.recorded.spsw import steady
from simulators.imu.recorded.tables import cells, check_rate, floats, numbers
from simulators.imu.spec import AXES, QUANTITIES


def values_of(arrays: Arrays, group: str, quantity: str) -> np.ndarray:
    """(channels, n) of a quantity in SI, NaN where not valid."""
    rows = arrays[f"{group}/quantity"] == QUANTITIES.index(quantity)
    counts = np.where(arrays[f"{group}/valid"], arrays[f"{group}/counts"], np.nan)
    return np.asarray((counts * arrays[f"{group}/lsb"][:, None])[rows])


def places_of(arrays: Arrays, group: str) -> list[str]:
    return [PLACEMENTS[code] for code in arrays[f"{group}/placement"]]


def test_sisfall_keeps_its_counts(tmp_path: Path) -> None:
    write.sisfall(tmp_path)
    source = scan([tmp_path])
    arrays, elder = source.recording(0), source.recording(1)
    assert_array_equal(arrays["inputs/r200/counts"], write.sisfall_counts())
    assert_allclose(arrays["inputs/r200/lsb"], np.repeat(write.SISFALL_LSB, 3), rtol=1e-12)
    assert G / arrays["inputs/r200/lsb"][0] == pytest.approx(256)
    assert G / arrays["inputs/r200/lsb"][8] == pytest.approx(1024)
    assert (int(elder["truth/subject"]), int(elder["truth/session"])) == (103, 2)
    assert LABELS[elder["truth/bout_activity"][0]] == "bend_waist"


def test_sisfall_falls_keep_their_codes(tmp_path: Path) -> None:
    write.sisfall(tmp_path, code="F15")
    assert LABELS[scan([tmp_path]).recording(1)["truth/bout_activity"][0]] == "fall_f15"


def test_pamap2_tells_hands_gaps_times_and_both_protocols(tmp_path: Path) -> None:
    write.pamap2(tmp_path)
    (tmp_path / "Optional").mkdir()
    (tmp_path / "Optional" / "subject101.dat").write_text((tmp_path / "Protocol" / "subject108.dat").read_text())
    right, left, optional = map(scan([tmp_path]).recording, range(3))
    assert {SIDES[code] for code in right["inputs/r100/side"]} == {"right", "middle"}
    assert {SIDES[code] for code in left["inputs/r100/side"]} == {"left", "middle"}
    assert (int(optional["truth/subject"]), int(optional["truth/session"])) == (101, 1)
    valid = right["inputs/r100/valid"]
    assert_array_equal(valid[:17, 5], False)
    assert valid[17:51, 5].all()
    assert_array_equal(np.flatnonzero(valid[51]), np.arange(0, 300, 11))
    assert_allclose(values_of(right, "inputs/r100", "heart_rate")[0, ::11], 80, atol=1e-6)
    assert [AXES[code] for code in right["inputs/r100/axis"][13:17]] == ["w", "x", "y", "z"]
    assert_array_equal(right["inputs/r100/tick_ns"][:2], [7_500_000_000, 7_510_000_000])
    assert right["truth/bout_start"][0] == 100


def test_dsads_leaves_a_gap_where_a_segment_is_missing(tmp_path: Path) -> None:
    write.dsads(tmp_path)
    valid = scan([tmp_path]).recording(0)["inputs/r25/valid"]
    assert not valid[:, 250:375].any()
    assert valid[:, :250].all()
    assert valid[:, 375:].all()


def test_dsads_may_lie_in_a_folder_of_data(tmp_path: Path) -> None:
    write.dsads(tmp_path / "data")
    assert LABELS[scan([tmp_path]).recording(0)["truth/bout_activity"][0]] == "walking_parking"


def test_mhealth_leaves_out_fields_without_a_unit_and_keeps_the_ecg(tmp_path: Path) -> None:
    write.mhealth(tmp_path)
    arrays = scan([tmp_path]).recording(0)
    assert arrays["inputs/r50/counts"].shape == (17, 200)
    lead = np.sin(9 * np.arange(200) / 50)
    assert_allclose(values_of(arrays, "inputs/r50", "ecg"), [lead, 2 * lead], atol=2e-6)


@pytest.mark.parametrize("subject", ["Subject", "Object"])
def test_recgym_is_read_from_the_middle_of_its_one_file(subject: str, tmp_path: Path) -> None:
    write.recgym(tmp_path, subject=subject)
    source = scan([tmp_path / "RecGym.csv"])
    wrist, leg = source.recording(0), source.recording(1)
    assert set(places_of(leg, "inputs/r20")) == {"shank"}
    for own in (wrist, leg):
        assert_allclose(values_of(own, "inputs/r20", "accelerometer"), force(np.arange(100) / 20), atol=1e-5)
        assert_array_equal(own["truth/bout_start"], 40)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("3,wrist", "one has 2 columns"),
        ("x,wrist,1,0,0,1,0,0,0,0,Null", "must be numbers; one is 'x, 1'"),
        ("3,wrist,1,0,0,1", "must have 11 columns in every row"),
    ],
)
def test_a_row_of_recgym_that_is_none_is_refused(line: str, words: str, tmp_path: Path) -> None:
    write.recgym(tmp_path)
    path = tmp_path / "RecGym.csv"
    path.write_text(f"{path.read_text()}\n{line}\n")
    with pytest.raises(InputError, match=words):  # noqa: PT012 - an index may be refused before a recording
        source = scan([path])
        source.recording(2)


def test_a_file_of_recgym_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "RecGym.csv"
    path.write_bytes(b"\xff\x00\n\xfe")
    with pytest.raises(InputError, match="must have the column 'Subject'") as told:
        scan([path])
    assert "\n" not in str(told.value)


def test_vtt_finds_out_whether_a_unit_is_a_g_or_half_of_one(tmp_path: Path) -> None:
    for scale in (1.0, 2.0):
        write.vtt_coniot(tmp_path / str(scale), scale)
    one, two = (scan([tmp_path / str(scale)]).recording(0) for scale in (1.0, 2.0))
    assert_array_equal(one["inputs/r100/counts"], two["inputs/r100/counts"])
    assert_array_equal(np.argwhere(~one["inputs/r100/valid"]), [[0, 7]])


def test_vtt_has_tasks_that_its_profile_names_otherwise() -> None:
    profile = set(load("imu", "vtt_coniot_like")[1]["activities"])
    ours = set(vtt_coniot.LABELS.values())
    assert profile - ours == {"carrying", "climbing_ladder", "lifting", "sitting", "standing_work"}
    assert ours - profile == {"vacuum_cleaning", "picking_up"}


def test_utd_mhad_is_at_the_wrist_in_gestures(tmp_path: Path) -> None:
    write.utd_mhad(tmp_path)
    gesture = scan([tmp_path]).recording(1)
    assert set(places_of(gesture, "inputs/r50")) == {"wrist"}
    assert LABELS[gesture["truth/bout_activity"][0]] == "throw"


def test_selfback_does_not_bridge_a_pause(tmp_path: Path) -> None:
    write.selfback(tmp_path)
    source = scan([tmp_path])
    thigh, wrist = source.recording(0), source.recording(1)
    assert set(places_of(wrist, "inputs/r100")) == {"wrist"}
    valid = thigh["inputs/r100/valid"]
    assert not valid[:, 401:500].any()
    assert valid[:, :400].all()
    assert valid[:, 502:].all()


def test_selfback_is_found_without_its_tree_of_nine(tmp_path: Path) -> None:
    write.selfback(tmp_path)
    (tmp_path / "raw" / "9_class" / "thigh34").rename(tmp_path / "raw" / "thigh34")
    (tmp_path / "raw" / "9_class" / "wrist34").rename(tmp_path / "raw" / "wrist50")
    assert len(scan([tmp_path])) == 2


def test_selfback_is_read_as_its_second_home_keeps_it(tmp_path: Path) -> None:
    write.selfback(tmp_path)
    for place in ("thigh34", "wrist34"):
        (tmp_path / "raw" / "9_class" / place).rename(tmp_path / place[0])
    thigh, wrist = (scan([tmp_path]).recording(i) for i in range(2))
    assert set(places_of(thigh, "inputs/r100")) == {"thigh"}
    assert set(places_of(wrist, "inputs/r100")) == {"wrist"}


def test_spsw_has_no_label_where_its_devices_disagree(tmp_path: Path) -> None:
    write.spsw(tmp_path)
    path = tmp_path / "DATA" / "s04" / "s04_07_sw.csv"
    lines = path.read_text().splitlines()
    lines[209:261] = [line.replace("SEATED", "TURNING") for line in lines[209:261]]
    path.write_text("\n".join(lines))
    arrays = scan([tmp_path]).recording(0)
    codes = arrays["truth/r100/activity"]
    assert [LABELS[code] for code in arrays["truth/bout_activity"]] == ["sitting", "sitting", "sit_to_stand"]
    assert np.count_nonzero(codes == 0) == pytest.approx(52 / 1.044, abs=2)


def test_spsw_reads_a_device_that_is_alone(tmp_path: Path) -> None:
    write.spsw(tmp_path)
    (tmp_path / "DATA" / "s04" / "s04_07_sp.csv").unlink()
    arrays = scan([tmp_path]).recording(0)
    assert places_of(arrays, "inputs/r100") == ["wrist"] * 6
    assert arrays["inputs/r100/valid"].all()


def test_a_steady_clock_comes_out_of_stamps_in_batches() -> None:
    t = 1e9 + np.arange(1000) / 104.4
    batched = np.repeat(t[3::4], 4)
    line = steady(Path("s01_01_sw.csv"), batched)
    assert_allclose(np.diff(line), 1 / 104.4, rtol=1e-4)
    assert_allclose(line - t, 1.5 / 104.4, atol=2e-3)


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.0], [0.0, 0.02, 0.01]])
def test_times_must_ascend(times: list[float]) -> None:
    with pytest.raises(InputError, match="must be two or more that ascend"):
        check_rate(Path("a.csv"), np.array(times), 100)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must have 2 columns in every row; there are rows of 0"),
        ("1 2\n3\n", "there are rows of 1 and 2"),
        ("1 two\n", "must hold numbers only"),
    ],
)
def test_tables_without_a_header_are_whole(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as told:
        numbers(path, 2)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must have the column 'a'"),
        ("a,b\n", "there is no row"),
        ("a,b\n1,2\n1\n", "there is a row of 1"),
        ("a,b\n1,two\n", "must hold numbers in its channels"),
    ],
)
def test_tables_with_a_header_are_whole(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as told:
        floats(path, cells(path, ("a", "b")), "ab")
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a text file; No such file"):
        numbers(tmp_path / "no.txt", 2)
