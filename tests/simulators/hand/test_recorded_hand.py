"""Recordings of the origin's device: what the file says is what the arrays say, in our axes and units."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scenarios.errors import InputError
from scenarios.schema import check
from scenarios.store import Reader
from simulators.cli import main
from simulators.hand.recorded import COLUMNS, arrays_of, scan
from simulators.hand.spec import SCHEMA, STATES
from simulators.sensor import STANDARD_GRAVITY

UNKNOWN = STATES.index("unknown")
FLEXED_LITTLE = {"thumb": "extended", "index": "extended", "middle": "extended", "ring": "partial", "pinky": "flexed"}
RAW = ("ax", "ay", "az", "gx", "gy", "gz", "mx", "my", "mz")


def content(raw: np.ndarray, times: list[float], labels: list[Any] | None = None, **more: object) -> dict[str, Any]:
    """A file's content of raw counts (9, n) in the file's own order."""
    samples = [
        {**dict(zip(RAW, column.tolist(), strict=True)), "t": t, "dt": 1.0}
        for column, t in zip(raw.T, times, strict=True)
    ]
    return {"version": "2.1", "timestamp": "x", "samples": samples, "labels": labels or [], "metadata": {}, **more}


def written(folder: Path, table: object) -> Path:
    log = folder / "recording.json"
    log.write_text(table if isinstance(table, str) else json.dumps(table))
    return log


def small(**more: object) -> dict[str, Any]:
    return content(np.arange(54).reshape(9, 6), [0, 38, 57, 156, 190, 215], **more)


@given(hnp.arrays(np.int16, st.tuples(st.just(9), st.integers(1, 12))), st.data())
def test_arrays_are_the_file_in_our_axes(raw: np.ndarray, data: st.DataObject) -> None:
    n = raw.shape[1]
    gaps = data.draw(st.lists(st.integers(0, 99), min_size=n, max_size=n))
    times = np.cumsum(gaps).tolist()
    arrays = arrays_of(content(raw, times), Path("x"))
    check(arrays, SCHEMA)
    ax, ay, az, gx, gy, gz, mx, my, mz = raw.astype(int)
    expected = np.array([ax, ay, az, gx, gy, gz, my, np.minimum(-mx, 32_767), mz])
    np.testing.assert_array_equal(arrays["inputs/r26/counts"], expected)
    np.testing.assert_array_equal(arrays["inputs/r26/tick_ns"], np.array(times) * 1_000_000)
    rail = np.isin(raw, (-32_768, 32_767))
    np.testing.assert_array_equal(arrays["inputs/r26/clipped"], rail[[RAW.index(name) for name in COLUMNS]])
    assert (arrays["truth/r26/state"] == UNKNOWN).all()
    assert arrays["truth/hold_state"].shape == (0, 5)


def test_units_are_those_of_the_device(tmp_path: Path) -> None:
    raw = np.array([[8192, 0, 0, 11428, 0, 0, 512, 1024, -2048]]).T
    arrays = scan([written(tmp_path, content(raw, [7.5]))]).recording(0)
    values = arrays["inputs/r26/counts"][:, 0] * arrays["inputs/r26/lsb"]
    expected = [STANDARD_GRAVITY, 0, 0, math.radians(100), 0, 0, 100, -50, -200]
    np.testing.assert_allclose(values, expected)
    assert arrays["inputs/r26/start_ns"].tolist() == [7_500_000] * 9
    assert arrays["inputs/r26/quantity"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert arrays["inputs/r26/sensor"].tolist() == [-1] * 6 + [0] * 3


@pytest.mark.parametrize("spelling", [("start_sample", "end_sample"), ("startIndex", "endIndex")])
@pytest.mark.parametrize(
    "fingers",
    [
        FLEXED_LITTLE,
        dict(zip(FLEXED_LITTLE, (0, 0, 0, 1, 2), strict=True)),
        {**{name: state for name, state in FLEXED_LITTLE.items() if name != "pinky"}, "little": 2},
        "00012",
    ],
    ids=["words", "codes", "little", "one text"],
)
@pytest.mark.parametrize("nested", [True, False])
def test_labels_in_all_spellings(tmp_path: Path, spelling: tuple[str, str], fingers: object, nested: bool) -> None:
    span = dict(zip(spelling, (1, 4), strict=True))
    label = {**span, "labels": {"pose": None, "fingers": fingers}} if nested else {**span, "fingers": fingers}
    source = scan([written(tmp_path, small(labels=[label]))])
    arrays = source.recording(0)
    check(arrays, SCHEMA)
    assert arrays["truth/hold_state"].tolist() == [[0, 0, 0, 1, 2]]
    assert (arrays["truth/hold_start"].tolist(), arrays["truth/hold_end"].tolist()) == ([1], [4])
    state = arrays["truth/r26/state"]
    assert (state[:, 1:4] == np.array([[0], [0], [0], [1], [2]])).all()
    assert (state[:, [0, 4, 5]] == UNKNOWN).all()


def test_a_label_without_fingers_is_no_hold_and_an_unnamed_finger_is_unknown(tmp_path: Path) -> None:
    labels = [
        {"start_sample": 0, "end_sample": 2, "labels": {"pose": "fist", "fingers": None, "motion": "static"}},
        {"start_sample": 2, "end_sample": 3, "labels": {"fingers": {"index": "flexed", "ring": "unknown"}}},
    ]
    arrays = scan([written(tmp_path, small(labels=labels))]).recording(0)
    assert arrays["truth/hold_state"].tolist() == [[UNKNOWN, 2, UNKNOWN, UNKNOWN, UNKNOWN]]
    assert (arrays["truth/r26/state"][:, :2] == UNKNOWN).all()


def test_held_readings_and_irregular_times_stay_as_they_are(tmp_path: Path) -> None:
    raw = np.repeat(np.array([[100, -200, 300]] * 3).reshape(9, 1), 5, axis=1)
    raw[6:, 4:] += 7
    arrays = scan([written(tmp_path, content(raw, [0, 19, 118, 118, 156.25]))]).recording(0)
    assert (np.diff(arrays["inputs/r26/counts"][6:], axis=1) != 0).sum(1).tolist() == [1, 1, 1]
    assert np.diff(arrays["inputs/r26/tick_ns"]).tolist() == [19_000_000, 99_000_000, 0, 38_250_000]
    assert not arrays["inputs/r26/clipped"].any()


def test_a_source_says_what_it_was_made_of(tmp_path: Path) -> None:
    log = written(tmp_path, small())
    source = scan([log, log], name="mine")
    assert len(source) == 2
    assert source.attrs["name"] == "mine"
    assert scan([log]).attrs["name"] == tmp_path.name
    assert {entry["samples"] for entry in source.attrs["logs"]} == {6}
    assert len(source.attrs["logs"][0]["sha256"]) == 64
    assert "x = +my" in source.attrs["conventions"]
    with pytest.raises(InputError, match="at least one file"):
        scan([])


def _sample(**more: object) -> list[dict[str, object]]:
    return [{**dict.fromkeys((*RAW, "t"), 0), **more}]


def _without(name: str) -> list[dict[str, int]]:
    return [{key: 0 for key in (*RAW, "t") if key != name}]


def _label(**more: object) -> dict[str, Any]:
    return small(labels=[{"start_sample": 0, "end_sample": 2, "fingers": FLEXED_LITTLE, **more}])


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("not { json", "must be a JSON file"),
        ("[1, 2]", "another format or empty"),
        ({"samples": []}, "another format or empty"),
        ({"frames": [1]}, "another format or empty"),
        ({"version": "1.0", "samples": _sample()}, "must be of format 2; it is of '1.0'"),
        ({"samples": _without("mz")}, "sample 0 has no number 'mz'"),
        ({"samples": _without("gx")}, "magnetometer; sample 0 has no number 'gx'"),
        ({"samples": _without("t")}, "has no number 't'"),
        ({"samples": [7]}, "has no number 'ax'"),
        ({"samples": _sample(my="4")}, "has no number 'my'"),
        ({"samples": _sample(my=40_000)}, "counts of 16 bits; 'my' of sample 0 is 40000"),
        ({"samples": _sample(mx=0.5)}, "counts of 16 bits; 'mx' of sample 0 is 0.5"),
        ('{"samples": ' + json.dumps(_sample(mx=math.nan)) + "}", "counts of 16 bits; 'mx' of sample 0 is nan"),
        ({"samples": _sample(t=5) + _sample(t=4)}, "times 't' in ms that ascend"),
        ({"samples": _sample(t=1e300)}, "times 't' in ms that ascend"),
        (small(labels={"start_sample": 0}), "labels of recording"),
        (small(labels=[3]), "must have start_sample and end_sample"),
        (small(labels=[{"start_sample": 0, "endIndex": 2}]), "must have start_sample and end_sample"),
        (_label(end_sample=7), "within its 6 samples; it is 0 to 7"),
        (_label(start_sample=-1), "within its 6 samples; it is -1 to 2"),
        (_label(start_sample=3), "within its 6 samples; it is 3 to 2"),
        (_label(end_sample=None), "within its 6 samples; it is 0 to None"),
        (_label(fingers={"ring": "bent"}), "must say extended, partial, flexed or unknown; it says 'bent'"),
        (_label(fingers={"ring": 3}), "it says '3'"),
        (_label(fingers={"ring": True}), "it says 'True'"),
        (_label(fingers=["flexed"]), "must be a table"),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_one_line(table: object, line: str, tmp_path: Path) -> None:
    log = written(tmp_path, table)
    with pytest.raises(InputError) as error:
        scan([log])
    told = str(error.value)
    assert line in told
    assert str(log) in told
    assert "\n" not in told


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json' must be a JSON file; No such file"):
        scan([tmp_path / "none.json"])


def test_the_command_imports_files_draws_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = written(tmp_path, small())
    picture = tmp_path / "hand.png"
    arguments = ["--recorded", str(log), "--name", "mine", "--out", str(tmp_path / "sets")]
    assert main("hand", [*arguments, "--preview", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    (path,) = (tmp_path / "sets" / "hand" / "recorded" / "mine").glob("*.zarr")
    stored = Reader(path).read("test", 0)
    for name, array in scan([log]).recording(0).items():
        np.testing.assert_array_equal(stored[name], array, err_msg=name)
    assert main("hand", arguments) == 0
    assert "already there, verified" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--dbc", "a.dbc"), "--dbc and --bus say what frames of a bus mean; recordings of hands have none"),
        (("--scenario", "tiny"), "--recorded imports logs as they are; it does not go with --scenario"),
        (("--name", "../x"), "--name must be of letters"),
    ],
)
def test_the_command_refuses_in_one_line(
    more: tuple[str, ...], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = written(tmp_path, small())
    assert main("hand", ["--recorded", str(log), "--out", str(tmp_path / "sets"), *more]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {line}")
    assert told.count("\n") == 1
    assert not (tmp_path / "sets").exists()
