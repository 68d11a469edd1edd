"""Imports of worn sensors: the step of counts, what cannot be right, tables and descriptions, how paths are found."""

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from scenarios.errors import InputError
from scenarios.schema import Arrays, check
from simulators.cli import main
from simulators.imu import SCHEMA
from simulators.imu.labels import LABELS, PLACEMENTS, SIDES
from simulators.imu.recorded import LAYOUTS, TERMS, scan
from simulators.imu.recorded.common import Channel, Recording, arrays_of, step_of
from simulators.imu.spec import QUANTITIES

G = 9.80665
T = np.arange(400) / 50
WALK = np.array([0.3 * np.sin(9 * T), 1 + 0.4 * np.sin(11 * T), 0.2 * np.cos(11 * T)])
"""(3, n) g of someone who never stands still."""


def recording(
    signals: np.ndarray = G * WALK, quantity: str = "accelerometer", lsb: float = 0.0, **more: object
) -> Recording:
    channels = tuple(
        Channel(quantity=quantity, axis="xyz"[i % 3], placement="waist", lsb=lsb) for i in range(len(signals))
    )
    told: dict[str, object] = {"channels": channels, "labels": np.full(signals.shape[1], "walking"), **more}
    return Recording(name="own", signals=signals, rate_hz=50.0, **told)  # type: ignore[arg-type]


def still(norm: float) -> np.ndarray:
    return np.tile([[0.0], [norm], [0.0]], 200) + 0.001 * np.sin(np.arange(600).reshape(3, 200))


@given(
    st.lists(st.integers(-30_000, 30_000), min_size=200, max_size=300, unique=True),
    st.floats(1e-6, 1e3),
    st.sampled_from([1, 2, 3, 7]),
)
def test_counts_of_a_converter_come_back(counts: list[int], step: float, between: int) -> None:
    """The step found is the converter's, or a multiple where only multiples occur; no value is lost."""
    values = step * between * np.array([*counts, *range(20)], float)
    found = step_of(values)
    assert_allclose(found, step * between, rtol=1e-9)
    assert_allclose(np.rint(values / found) * found, values, atol=1e-6 * found)


def test_a_step_that_was_written_in_single_precision_is_found() -> None:
    step = 0.0011970964
    values = np.array([float(f"{x:.8g}") for x in np.float32(step) * np.arange(-9000, 9000, 7, dtype=np.float32)])
    found = step_of(np.concatenate([values, np.float32(step) * np.arange(20)]))
    assert_allclose(found, step, rtol=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        np.sin(np.arange(500.0)),
        3.14159 + 0.01 * np.arange(100),
        np.arange(5.0),
        np.full(40, np.nan),
        np.r_[np.arange(40.0), 2.0**31],
    ],
    ids=["smooth", "offset", "few levels", "nothing", "beyond 32 bits"],
)
def test_where_there_is_no_step_none_is_told(values: np.ndarray) -> None:
    assert step_of(values) == 0


def test_counts_keep_the_resolution_of_what_came() -> None:
    written = np.round(G * WALK, 2)
    told = arrays_of(recording(written))
    assert_allclose(told["inputs/r50/lsb"], 0.01, rtol=1e-9)
    assert_array_equal(told["inputs/r50/counts"], np.rint(100 * written))
    smooth = arrays_of(recording())
    assert_allclose(smooth["inputs/r50/counts"] * smooth["inputs/r50/lsb"][:, None], G * WALK, atol=4e-7)
    own = arrays_of(recording(np.round(G * WALK, 2), lsb=0.005))
    assert_array_equal(own["inputs/r50/lsb"], 0.005)


def test_a_missing_sample_is_not_valid_and_reads_0() -> None:
    signals = G * WALK
    signals[1, 7] = np.nan
    told = arrays_of(recording(signals))
    check(told, SCHEMA)
    assert_array_equal(np.argwhere(~told["inputs/r50/valid"]), [[1, 7]])
    assert told["inputs/r50/counts"][1, 7] == 0


def test_a_gyroscope_that_is_missing_throughout_is_imported() -> None:
    channels = (*recording().channels, *recording(quantity="gyroscope").channels)
    signals = np.concatenate([G * WALK, np.full((3, 400), np.nan)])
    told = arrays_of(recording(signals, channels=channels))
    assert told["inputs/r50/valid"].sum(1).tolist() == [400] * 3 + [0] * 3


def test_bouts_are_the_runs_of_labels() -> None:
    labels = np.repeat(["unlabelled", "walking", "sitting", "unlabelled", "sitting"], [100, 50, 50, 100, 100])
    told = arrays_of(recording(labels=labels))
    spans = zip(told["truth/bout_start"], told["truth/bout_end"], told["truth/bout_activity"], strict=True)
    assert [(int(a), int(b), LABELS[c]) for a, b, c in spans] == [
        (100, 150, "walking"), (150, 200, "sitting"), (300, 400, "sitting"),
    ]  # fmt: skip


CANNOT = [
    (recording(WALK), r"median is 1.*: is it in g, or without gravity"),
    (recording(G * (WALK - WALK.mean(1, keepdims=True))), "or without gravity"),
    (recording(still(1.0)), "where it is quiet.*reads 1:"),
    (recording(still(G**2)), "where it is quiet.*reads 96"),
    (recording(still(9.7), quantity="body_acceleration"), "is gravity in it"),
    (recording(100 * WALK, quantity="gyroscope"), r"must be in rad/s; its rms is .*: is it in deg/s"),
    (recording(labels=np.full(400, "walkin")), "recording 'own' must be of .*did you mean 'walking'"),
    (
        recording(labels=np.full(400, "zzz")),
        "simulators/imu/groups.toml; 'zzz' is none; there are 213, such as [^,]*, [^,]*, [^,]*$",
    ),
    (recording(labels=np.full(399, "walking")), "a label for each sample; it has 3 rows, 400 samples and 399 labels"),
    (recording(G * WALK[:, :1], labels=np.full(1, "walking")), "1 samples"),
    (recording(channels=recording().channels[:2]), "a row for each of 2 channels"),
    (recording(times_ns=np.arange(400) * 19_000_000), "must be of its rate, 50 Hz; they say 52.63"),
    (recording(times_ns=np.r_[np.arange(399), 5] * 20_000_000), "must ascend"),
    (recording(times_ns=np.arange(399) * 20_000_000), "one for each sample"),
    (recording(quantity="acelerometer"), "the quantity of a channel .* 'acelerometer'; did you mean 'accelerometer'"),
    (recording(1e5 * WALK, quantity="magnetometer", lsb=1e-5), "must fit 32 bits"),
]


@pytest.mark.parametrize(("own", "words"), CANNOT)
def test_what_cannot_be_right_is_refused_in_one_line(own: Recording, words: str) -> None:
    with pytest.raises(InputError, match=words) as told:
        arrays_of(own)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("field", "word"), [("axis", "u"), ("placement", "wais"), ("side", "lef")])
def test_a_channel_is_named_as_the_schema_does(field: str, word: str) -> None:
    channels = (replace(recording().channels[0], **{field: word}), *recording().channels[1:])
    with pytest.raises(InputError, match=f"the {field} of a channel of recording 'own' must be one of .*'{word}'"):
        arrays_of(recording(channels=channels))


FILE = """
rate_hz = 50
placement = "wrist"
[channels]
ax = "accelerometer x g"
ay = "accelerometer y mg"
az = { quantity = "accelerometer", axis = "z", unit = "g", lsb = 0.001 }
t = { quantity = "temperature", axis = "x", unit = "1", placement = "chest", side = "middle", sensor = 4 }
"""


def written(folder: Path, description: str = FILE, name: str = "s07_run", **more: list[object]) -> Path:
    """A CSV file of WALK, in g and mg, with columns on top, and its description."""
    columns: dict[str, list[object]] = {
        "ax": WALK[0].round(3).tolist(), "ay": (1000 * WALK[1]).round(0).tolist(), "az": WALK[2].round(3).tolist(),
        "t": [30.5] * 400, **more,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    if description:
        path.with_suffix(".toml").write_text(description)
    return path


def values_of(arrays: Arrays) -> np.ndarray:
    return np.asarray(arrays["inputs/r50/counts"] * arrays["inputs/r50/lsb"][:, None])


def test_channels_may_have_a_place_a_device_and_a_resolution(tmp_path: Path) -> None:
    arrays = scan([written(tmp_path)]).recording(0)
    check(arrays, SCHEMA)
    assert_allclose(values_of(arrays)[:3], G * WALK, atol=0.006)
    assert_allclose(arrays["inputs/r50/lsb"][2], 0.001 * G)
    assert [QUANTITIES[q] for q in arrays["inputs/r50/quantity"]] == ["accelerometer"] * 3 + ["temperature"]
    assert [PLACEMENTS[p] for p in arrays["inputs/r50/placement"]] == ["wrist"] * 3 + ["chest"]
    assert [SIDES[p] for p in arrays["inputs/r50/side"]] == ["unknown"] * 3 + ["middle"]
    assert arrays["inputs/r50/sensor"].tolist() == [0, 0, 0, 4]
    assert arrays["truth/bout_start"].size == 0
    assert_array_equal(arrays["inputs/r50/tick_ns"], np.arange(400) * 20_000_000)


def test_a_description_may_be_json_and_of_a_folder(tmp_path: Path) -> None:
    told = {
        "rate_hz": 50, "placement": "hip", "label": "laufen", "labels": {"laufen": "running"},
        "subject_pattern": r"s(\d+)_", "channels": {"ax": "accelerometer x g"},
    }  # fmt: skip
    for name in ("s07_run", "s11_run"):
        written(tmp_path / "set", "", name)
    (tmp_path / "set" / "imu.json").write_text(json.dumps(told))
    source = scan([tmp_path / "set"])
    assert [int(source.recording(i)["truth/subject"]) for i in range(len(source))] == [7, 11]
    assert LABELS[source.recording(1)["truth/bout_activity"][0]] == "running"


def test_a_run_of_one_subject_is_a_recording(tmp_path: Path) -> None:
    people = ["ann"] * 150 + ["bob"] * 50 + ["ann"] * 200
    description = FILE.replace("[channels]", 'subject_column = "who"\n[channels]')
    source = scan([written(tmp_path, description, who=people)])
    assert [int(source.recording(i)["truth/subject"]) for i in range(len(source))] == [0, 1, 0]
    assert [source.recording(i)["inputs/r50/counts"].shape[1] for i in range(3)] == [150, 50, 200]
    numbered = scan([written(tmp_path, description, who=[12] * 150 + [3] * 250)])
    assert [int(numbered.recording(i)["truth/subject"]) for i in range(len(numbered))] == [12, 3]


def test_a_table_may_be_arrays(tmp_path: Path) -> None:
    what = np.repeat(["sit", "walk"], 200)
    np.savez(tmp_path / "own.npz", ax=WALK[0], ay=1000 * WALK[1], az=WALK[2], t=np.full(400, 30.5), what=what)
    more = 'label_column = "what"\nlabels = { sit = "sitting", walk = "walking" }\n[channels]'
    (tmp_path / "own.toml").write_text(FILE.replace("[channels]", more))
    arrays = scan([tmp_path / "own.npz"]).recording(0)
    assert_allclose(values_of(arrays)[:2], G * WALK[:2], atol=1e-5)
    assert [LABELS[code] for code in arrays["truth/bout_activity"]] == ["sitting", "walking"]


@pytest.mark.parametrize(
    ("description", "words"),
    [
        (FILE.replace("placement = \"wrist\"", "placment = \"wrist\""), "must not say 'placment'; did you mean 'plac"),
        (FILE.replace("rate_hz = 50", "rate_hz = 0"), "must be a number above 0 and below 1e.06; it is 0"),
        (FILE.replace("x g", "x"), "must read 'quantity axis unit'"),
        (FILE.replace("lsb = 0.001", "lbs = 1"), "channel 'az' of .* must not say 'lbs'; did you mean 'lsb'"),
        (FILE.replace("sensor = 4", "sensor = 4, x = 1"), "must not say 'x'"),
        (FILE.replace("[channels]", 'time = { column = "n", unit = "h" }\n[channels]'), "s, ms, us, ns; it is 'h'"),
        (FILE.replace("[channels]", 'time = { column = "n" }\n[channels]'), "must have a column 'n'"),
        (FILE.replace("[channels]", 'subject_pattern = "u(\\\\d)"\n[channels]'), "must find a number in the name"),
        (FILE.replace("[channels]", 'subject_pattern = "("\n[channels]'), "must find a number in the name"),
        ("rate_hz = [", "must be TOML"),
    ],
)  # fmt: skip
def test_descriptions_that_cannot_be_right_are_refused_in_one_line(
    description: str, words: str, tmp_path: Path
) -> None:
    path = written(tmp_path, description)
    with pytest.raises(InputError, match=words) as told:
        scan([path]).recording(0)
    assert "\n" not in str(told.value)


def test_cells_that_cannot_be_right_are_refused_in_one_line(tmp_path: Path) -> None:
    path = written(tmp_path)
    lines = path.read_text().splitlines()
    for row, words in (
        (lines[1] + ",5", "must have 4 cells in every row; one has 5"),
        ("a,1,2,3", "must hold numbers"),
    ):
        path.write_text("\n".join([lines[0], row, *lines[2:]]))
        with pytest.raises(InputError, match=words) as told:
            scan([path]).recording(0)
        assert "\n" not in str(told.value)
    timed = FILE.replace("[channels]", 'time = { column = "t", unit = "ms" }\n[channels]')
    path = written(tmp_path, timed, t=["", *range(1, 400)])
    with pytest.raises(InputError, match="must be there for each sample"):
        scan([path]).recording(0)
    np.savez(tmp_path / "s07_run.npz", ax=WALK[0], ay=WALK[1], az=WALK[2, 1:], t=WALK[0])
    with pytest.raises(InputError, match="must have equal lengths"):
        scan([tmp_path / "s07_run.npz"]).recording(0)
    with pytest.raises(InputError, match=r"must have a description, b\.toml or imu\.toml"):
        scan([written(tmp_path / "b", "", "b")])


def test_an_archive_is_found_in_the_folder_around_it(tmp_path: Path) -> None:
    own = tmp_path / "download" / "own set"
    (own / "RawData").mkdir(parents=True)
    np.savetxt(own / "RawData" / "acc_exp01_user02.txt", WALK.T)
    np.savetxt(own / "RawData" / "gyro_exp01_user02.txt", 0.1 * WALK.T)
    np.savetxt(own / "RawData" / "labels.txt", [[1, 2, 5, 1, 50]], fmt="%d")
    outer, inner = scan([tmp_path / "download"]), scan([own], layout="hapt")
    assert (outer.attrs["name"], inner.attrs["name"]) == ("download", "own_set")
    assert outer.attrs["logs"][0]["sha256"] == inner.attrs["logs"][0]["sha256"]
    assert outer.attrs["logs"][0]["recordings"] == 1
    assert "commercial use prohibited" in outer.attrs["archives"]["hapt"]["terms"]
    assert "Neurocomputing" in outer.attrs["archives"]["hapt"]["conventions"]
    json.dumps(outer.attrs)
    with pytest.raises(InputError, match="must be laid out as 'motionsense', MotionSense: a phone"):
        scan([own], layout="motionsense")


def test_a_digest_is_of_all_that_files_hold(tmp_path: Path) -> None:
    path = written(tmp_path / "set", "")
    (tmp_path / "set" / "imu.toml").write_text(FILE)
    digests = [scan([tmp_path / "set"]).attrs["logs"][0]["sha256"]]
    (tmp_path / "set" / ".hidden").write_text("1")
    digests.append(scan([tmp_path / "set"]).attrs["logs"][0]["sha256"])
    (tmp_path / "set" / "imu.toml").write_text(FILE.replace("50", "51"))
    digests.append(scan([tmp_path / "set"]).attrs["logs"][0]["sha256"])
    path.rename(path.with_name("other.csv"))
    digests.append(scan([tmp_path / "set"]).attrs["logs"][0]["sha256"])
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_zip_is_to_be_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x", "1")
    with pytest.raises(InputError, match="must be unpacked first"):
        scan([tmp_path / "a.zip"])
    with pytest.raises(InputError, match="at least one recording; '' holds none"):
        scan([])


def test_every_layout_says_what_it_is_and_where_from() -> None:
    assert set(TERMS) <= set(LAYOUTS)
    for name, layout in LAYOUTS.items():
        assert layout.text, name
        assert not layout.detect(Path("nowhere")) or name in ("table", "segments")


@pytest.mark.parametrize(
    ("domain", "more", "line"),
    [
        ("imu", ("--layout", "hapd"), "--layout must be one of"),
        (
            "imu",
            ("--dbc", "a.dbc"),
            "--dbc and --bus say what frames of a bus mean; recordings of worn sensors have none",
        ),
        (
            "scene",
            ("--layout", "hapt"),
            "--layout says how an archive of worn sensors lies; recordings of a scene have",
        ),
        ("drift", (), "--recorded imports into scene, hand and imu sets"),
    ],
)
def test_the_command_refuses_in_one_line(
    domain: str, more: tuple[str, ...], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(domain, ["--recorded", str(written(tmp_path)), "--out", str(tmp_path / "sets"), *more]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {line}")
    assert told.count("\n") == 1
    assert not (tmp_path / "sets").exists()


def test_layout_needs_recordings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("imu", ["--layout", "hapt"]) == 2
    assert "they need --recorded LOG" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lsb = 0.001", 'lsb = "a"', "lsb of channel 'az' of .* must be a number above 0; it is 'a'"),
        ("lsb = 0.001", "lsb = -1", "lsb of channel 'az'"),
        ("lsb = 0.001", "range = nan", "range of channel 'az' of .* must be a number above 0; it is nan"),
        ("lsb = 0.001", "range = true", "range of channel 'az'"),
        ("lsb = 0.001", "range = 0", "range of channel 'az'"),
        ("lsb = 0.001", "range = [8]", "range of channel 'az'"),
        ("sensor = 4", 'sensor = "a"', "sensor of channel 't' of .* must be a whole number"),
        ("sensor = 4", "sensor = 99999999999", "sensor of channel 't'"),
        ("sensor = 4", "sensor = -1", "sensor of channel 't'"),
        ('placement = "wrist"', "placement = 3", "placement of description .* must be a word; it is 3"),
        ('axis = "z"', "axis = 3", "axis of channel 'az' of .* must be a word"),
        ('unit = "g"', 'unit = ["g"]', "unit of channel 'az' of .* must be a word"),
        ('unit = "g"', 'unit = "deg/s"', "unit of channel 'az' of .*, accelerometer, must be one of m/s.2, g, mg"),
        ('"accelerometer x g"', '"gyroscope x g"', "gyroscope, must be one of rad/s, deg/s; it is 'g'"),
        ('"accelerometer y mg"', '"accelerometer x mg"', "'ax' and 'ay' are both accelerometer x of sensor 0"),
        ("rate_hz = 50", "rate_hz = inf", "must be a number above 0 and below 1e.06; it is inf"),
        ("rate_hz = 50", "rate_hz = true", "must be a number above 0 and below 1e.06; it is True"),
        ("rate_hz = 50", "rate_hz = 1e9", "must be a number above 0 and below 1e.06; it is 1000000000.0"),
        ('"accelerometer x g"', '"accelerometre x g"',
         "quantity of channel 'ax' of .* must be one of .*; it is 'accelerometre'; did you mean 'accelerometer'"),
        ('"accelerometer x g"', '"weight x g"', "must be one of accelerometer, .* temperature; it is 'weight'$"),
        ("rate_hz = 50", 'rate_hz = 50\nsubject = "ann"', "subject of description .* must be a whole number"),
        ("rate_hz = 50", "rate_hz = 50\nsubject = 99999999999", "subject of description"),
        ("rate_hz = 50", 'rate_hz = 50\nlabels = "walking"', "labels of description .* must be words to words of ours"),
        ("rate_hz = 50", "rate_hz = 50\nlabels = { a = 3 }", "labels of description"),
        ("rate_hz = 50", "rate_hz = 50\nlabel_column = [1]", "label_column of description .* must be a word"),
        ("rate_hz = 50", 'rate_hz = 50\ntime = "t"', "time of description .* must be a column and perhaps its unit"),
        ("rate_hz = 50", 'rate_hz = 50\ntime = { unit = "s" }', "time of description"),
        ("rate_hz = 50", 'rate_hz = 50\ntime = { column = "t", units = "s" }', "time of description"),
        ("rate_hz = 50", 'rate_hz = 50\ntime = { column = ["t"] }', "the column of time"),
        ("rate_hz = 50", 'rate_hz = 50\ntime = { column = "t", unit = ["s"] }', "s, ms, us, ns; it is"),
        ("[channels]", "[channels]\n[labels]", "channels of description .* must be columns and what they are"),
    ],
)  # fmt: skip
def test_a_description_of_another_kind_is_refused_on_the_command_line(
    old: str, new: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in FILE
    path = written(tmp_path, FILE.replace(old, new, 1))
    if new.endswith("[labels]"):
        path.with_suffix(".toml").write_text('rate_hz = 50\nplacement = "wrist"\nchannels = {}\n')
    assert main("imu", ["--recorded", str(path), "--out", str(tmp_path / "sets")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert re.search(words, told)
    assert not (tmp_path / "sets").exists()


@pytest.mark.parametrize("more", ["", 'subject_column = "who"\n'])
def test_a_table_without_rows_is_refused_in_one_line(
    more: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, FILE.replace("[channels]", more + "[channels]"))
    path.write_text("ax,ay,az,t,who\n")
    assert main("imu", ["--recorded", str(path), "--out", str(tmp_path / "sets")]) == 2
    told = capsys.readouterr().err
    assert told == f"error: recording '{path}' must have a row for each sample; it has none below the columns' names\n"
    assert not (tmp_path / "sets").exists()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 none", b"\x93NUMPY", b"ax,ay,az,t\n"])
def test_a_file_that_is_no_npz_is_refused_in_one_line(data: bytes, tmp_path: Path) -> None:
    path = written(tmp_path).with_suffix(".npz")
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"must be an \.npz file of plain arrays") as told:
        scan([path]).recording(0)
    assert "\n" not in str(told.value)
    path.with_suffix(".toml").unlink()
    with pytest.raises(InputError, match=r"must be an \.npz file of plain arrays"):
        scan([path])


@pytest.mark.parametrize("column", [WALK[0] * 1j, WALK[0] > 0, np.arange(400).astype("datetime64[ms]")])
def test_an_array_of_no_numbers_is_refused(column: np.ndarray, tmp_path: Path) -> None:
    path = written(tmp_path).with_suffix(".npz")
    np.savez(path, ax=column, ay=WALK[1], az=WALK[2], t=WALK[0])
    with pytest.raises(InputError, match="must hold numbers; a column of"):
        scan([path]).recording(0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ax,ax,ay,az,t\n" + "1,1,1,1,1\n" * 9, "must name each column once; 'ax' is there 2 times"),
        ("ax,ay,az,t\n" + "1" * 140_000 + ",2,3,4\n", "must be a text file of short cells"),
        ("ax,ay,az,t\n" + "0,1000,0,1\n" * 99 + "inf,1000,0,1\n", "must hold numbers of at most 1e.12.* one of inf"),
        ("ax,ay,az,t\n" + "nan,,,\n" * 99, "it has none"),
    ],
)
def test_a_table_of_other_cells_is_refused_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(text)
    with pytest.raises(InputError, match=words) as told:
        scan([path]).recording(0)
    assert "\n" not in str(told.value)


def test_a_pause_is_told_apart_from_another_rate(tmp_path: Path) -> None:
    times = np.arange(400) * 20 + 3000 * (np.arange(400) > 150)
    description = FILE.replace("[channels]", 'time = { column = "ms", unit = "ms" }\n[channels]')
    path = written(tmp_path, description, ms=times.tolist())
    with pytest.raises(InputError, match=r"they say 36\.34, with a pause of 3\.02 s after sample 150: cut it there"):
        scan([path]).recording(0)


def test_a_resolution_holds_for_its_own_channel_alone(tmp_path: Path) -> None:
    arrays = scan([written(tmp_path, FILE.replace("lsb = 0.001", "lsb = 0.0005"))]).recording(0)
    assert_allclose(arrays["inputs/r50/lsb"][:3], np.array([0.001, 0.001, 0.0005]) * G, rtol=1e-6)


@pytest.mark.parametrize("order", [["t", "az", "ax", "ay"], ["ay", "t", "ax", "az"]])
def test_columns_may_stand_in_any_order(order: list[str], tmp_path: Path) -> None:
    path = written(tmp_path)
    told = scan([path]).recording(0)
    rows = [dict(zip(["ax", "ay", "az", "t"], line.split(","), strict=True)) for line in path.read_text().split()]
    path.write_text("\n".join(",".join(row[name] for name in order) for row in rows))
    assert_array_equal(scan([path]).recording(0)["inputs/r50/counts"], told["inputs/r50/counts"])
