"""Readings at an end of a sensor's range: exactly they are clipped, and what such a sensor cannot read is refused."""

import os
from dataclasses import replace
from pathlib import Path

import archive_writers as write
import numpy as np
import pytest
from archive_writers import SISFALL_LSB, G
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.io import savemat

from scenarios.errors import InputError
from scenarios.schema import check
from simulators.imu import SCHEMA
from simulators.imu.recorded import scan
from simulators.imu.recorded.common import Channel, Recording, arrays_of
from simulators.imu.recorded.selfback import nearest
from simulators.imu.recorded.tables import triads

REAL = Path(os.environ.get("PROVINGGROUND_DATA", "")) / "imu" / "selfback_thigh.npz"


@st.composite
def converted(draw: st.DrawFn) -> tuple[np.ndarray, int, float]:
    """Counts (3, n) of a converter, many of them at its ends, its bits, and a count in SI."""
    bits, n = draw(st.integers(6, 16)), draw(st.integers(2, 40))
    last = 2 ** (bits - 1)
    ends = st.sampled_from([-last, 1 - last, last - 2, last - 1, 0])
    counts = draw(st.lists(ends | st.integers(-last, last - 1), min_size=3 * n, max_size=3 * n))
    return np.array(counts).reshape(3, n), bits, draw(st.floats(1e-5, 1e3))


def recording(signals: np.ndarray, channels: tuple[Channel, ...]) -> Recording:
    n = signals.shape[1]
    return Recording(name="own", channels=channels, signals=signals, rate_hz=50.0, labels=("walking",) * n)


def field(most: float, lsb: float) -> tuple[Channel, ...]:
    """A magnetometer's channels, of which no rest is expected."""
    return triads(0, "wrist", "left", "magnetometer", lsb=[lsb], ranges=[most])


@given(converted())
def test_exactly_the_ends_of_a_converter_are_clipped_and_its_counts_come_back(
    own: tuple[np.ndarray, int, float],
) -> None:
    counts, bits, lsb = own
    last = 2 ** (bits - 1)
    arrays = arrays_of(recording(lsb * counts, field(last * lsb, lsb)))
    assert_array_equal(arrays["inputs/r50/counts"], counts)
    assert_array_equal(arrays["inputs/r50/clipped"], (counts == -last) | (counts == last - 1))


@given(converted())
def test_where_no_range_is_known_nothing_is_clipped(own: tuple[np.ndarray, int, float]) -> None:
    counts, _, lsb = own
    assert not arrays_of(recording(lsb * counts, field(0.0, lsb)))["inputs/r50/clipped"].any()


@given(converted(), st.data())
def test_a_missing_sample_is_not_clipped(own: tuple[np.ndarray, int, float], data: st.DataObject) -> None:
    counts, bits, lsb = own
    signals = lsb * counts
    lost = data.draw(st.integers(1, counts.shape[1] - 1))
    signals[:, lost] = np.nan
    clipped = arrays_of(recording(signals, field(lsb * 2 ** (bits - 1), lsb)))["inputs/r50/clipped"]
    assert not clipped[:, lost].any()


def test_a_step_of_rounding_beyond_the_range_passes_and_more_does_not() -> None:
    signals = np.zeros((3, 40))
    signals[1, 7] = -8.4
    (one, *others) = field(8.0, 0.5)
    assert arrays_of(recording(signals, (one, *others)))["inputs/r50/clipped"].sum() == 1
    signals[2, 9] = 8.6
    with pytest.raises(
        InputError, match=r"magnetometer z of recording 'own' must stay within its range of 8 uT; .* 8.6"
    ):
        arrays_of(recording(signals, (one, *others)))
    named = tuple(replace(c, column=f"m{c.axis}") for c in (one, *others))
    with pytest.raises(InputError, match="magnetometer z, column 'mz', of recording") as told:
        arrays_of(recording(signals, named))
    assert "\n" not in str(told.value)


DESCRIPTION = """
rate_hz = 50
placement = "wrist"
label = "running"
[channels]
ax = { quantity = "accelerometer", axis = "x", unit = "g", range = 2 }
ay = { quantity = "accelerometer", axis = "y", unit = "mg", range = 2000, lsb = 15.625 }
az = "accelerometer z g"
"""


def run(n: int = 400) -> np.ndarray:
    """(3, n) g in steps of 1/64, of which two axes stand at the rails of 2 g again and again."""
    t = np.arange(n) / 50
    values = np.array([2.6 * np.sin(17 * t), 1 + 1.4 * np.sin(11 * t), 3.1 * np.cos(13 * t)])
    values[:2] = np.clip(values[:2], -2, 2 - 1 / 64)
    return np.round(64 * values) / 64


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_a_description_may_tell_ranges(kind: str, tmp_path: Path) -> None:
    x, path = run(), tmp_path / f"own.{kind}"
    columns = {"ax": x[0], "ay": 1000 * x[1], "az": x[2]}
    if kind == "npz":
        np.savez(path, **columns)  # type: ignore[arg-type]
    else:
        rows = [",".join(f"{value:.9g}" for value in row) for row in zip(*columns.values(), strict=True)]
        path.write_text("\n".join([",".join(columns), *rows]))
    path.with_suffix(".toml").write_text(DESCRIPTION)
    arrays = scan([path]).recording(0)
    check(arrays, SCHEMA)
    clipped = arrays["inputs/r50/clipped"]
    assert_array_equal(clipped[:2], (x[:2] == -2) | (x[:2] == 2 - 1 / 64))
    assert clipped[0].any()
    assert clipped[1].any()
    assert not clipped[2].any()
    assert_allclose(arrays["inputs/r50/counts"] * arrays["inputs/r50/lsb"][:, None], G * x, atol=1e-6)
    path.with_suffix(".toml").write_text(DESCRIPTION.replace("range = 2000", "range = 1500"))
    with pytest.raises(InputError, match=r"the accelerometer y, column 'ay', of recording .* range of 14\.71"):
        scan([path]).recording(0)


def segments(path: Path, **more: object) -> np.ndarray:
    """Two segments, their counts finer than the converter's by 64; returns (3, n) g."""
    x = run()
    ends = np.array([200, 200])
    words = {name: np.full(2, word) for name, word in (("activity", "running"), ("placement", "thigh"))}
    held = {
        "x_int16": np.rint(64 * 64 * x.T).astype(np.int16), "scale": np.full(3, G / 64 / 64), "start": ends * [0, 1],
        "length": ends, "subject": np.array(["a", "b"]), "rate_hz": np.full(2, 50.0), **words,
        "channels": np.array(["acc_x", "acc_y", "acc_z"]), **more,
    }  # fmt: skip
    np.savez(path, **{name: array for name, array in held.items() if array is not None})  # type: ignore[arg-type]
    return x


def test_a_segment_file_may_tell_ranges(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    x = segments(path, range=np.array([2 * G, 2 * G, np.nan]))
    clipped = np.concatenate([scan([path]).recording(i)["inputs/r50/clipped"] for i in range(2)], axis=1)
    assert_array_equal(clipped[:2], (x[:2] == -2) | (x[:2] == 2 - 1 / 64))
    assert not clipped[2].any()
    segments(path)
    assert not scan([path]).recording(0)["inputs/r50/clipped"].any()


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("range", np.full(3, -1.0), "'range' of .* must be NaN or above 0"),
        ("range", np.full(3, np.inf), "'range' of .* must be NaN or above 0"),
        ("range", np.full(3, "8 g"), "'range' of .* must be NaN or above 0"),
        ("range", np.full(3, G), "must stay within its range of 9.80665"),
        ("range", np.full(2, G), r"'range' of .* must have the shape \(3,\); it has \(2,\)"),
        ("scale", np.full(3, np.nan), "'scale' of .* must be numbers above 0"),
        ("scale", None, "it lacks 'scale'"),
        ("subject", None, "it lacks 'subject'"),
        ("rate_hz", np.array([50.0, np.nan]), "'rate_hz' of .* must be above 0"),
        ("start", np.array([0, -200]), "'start and length' of .* must be within its 400 samples"),
        ("length", np.array([200, 900]), "'start and length' of .* must be within its 400 samples"),
        ("activity", np.array(["running"]), r"'activity' of .* must have the shape \(2,\)"),
        ("channels", np.array(["acc_x", "acc_y"]), r"'scale' of .* must have the shape \(2,\); it has \(3,\)"),
        ("x_int16", np.zeros(400, np.int16), r"'x_int16' of .* must have the shape \(400, 3\)"),
        ("x_int16", np.zeros((400, 3)), "'x_int16' of .* must be int16"),
    ],
)
def test_segment_files_that_cannot_be_right_are_refused_in_one_line(
    name: str, array: np.ndarray | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.npz"
    segments(path, **{name: array})
    with pytest.raises(InputError, match=words) as told:  # noqa: PT012 - an index may be refused before a recording
        source = scan([path])
        source.recording(0)
    assert "\n" not in str(told.value)


def test_sisfall_is_clipped_at_the_ends_of_its_counts(tmp_path: Path) -> None:
    write.sisfall(tmp_path)
    path = tmp_path / "SA01" / "D01_SA01_R01.txt"
    lines = path.read_text().splitlines()
    lines[7], lines[9] = "-4096,4095,4094,-32768,32767,32766,-8192,8191,8190;", "-4095,0,256,-32767,0,0,-8191,0,1024;"
    path.write_text("\n".join(lines))
    arrays = scan([tmp_path]).recording(0)
    told = np.argwhere(arrays["inputs/r200/clipped"]).tolist()
    assert told == [[row, 7] for row in (0, 1, 3, 4, 6, 7)]
    assert_allclose(arrays["inputs/r200/lsb"], np.repeat(SISFALL_LSB, 3))


def test_selfback_is_clipped_where_the_nearest_reading_was(tmp_path: Path) -> None:
    write.selfback(tmp_path)
    path = tmp_path / "raw" / "9_class" / "thigh34" / "walk_mod" / "026.csv"
    lines = path.read_text().splitlines()
    for number, x in ((101, "-8"), (102, "7.984375"), (103, "7.96875")):
        cells = lines[number].split(",")
        lines[number] = ",".join([cells[0], x, *cells[2:]])
    path.write_text("\n".join(lines))
    arrays = scan([tmp_path]).recording(0)
    at = np.argwhere(arrays["inputs/r100/clipped"])
    assert set(at[:, 0]) == {0}
    assert_allclose(at[[0, -1], 1] / 100, np.array([100, 101]) / 98.5, atol=0.006)
    assert len(at) in (2, 3)


@given(st.lists(st.floats(0.004, 0.3), min_size=1, max_size=30))
def test_the_nearest_reading_is_found(steps: list[float]) -> None:
    times = 5.0 + np.cumsum([0.0, *steps])
    outputs = int(100 * (times[-1] - times[0])) + 1
    at = times[0] + np.arange(outputs) / 100
    found = nearest(times, outputs)
    assert_allclose(np.abs(times[found] - at), np.abs(times[:, None] - at).min(axis=0), atol=1e-12)


def test_utd_mhad_is_clipped_where_real_trials_pile_up(tmp_path: Path) -> None:
    write.utd_mhad(tmp_path)
    t = np.arange(150) / 50
    table = np.concatenate([write.force(t) / G, write.turn(t) / write.DEG])
    table[0, 5], table[1, 6], table[3, 7], table[4, 8], table[5, 9] = -8, -7.99, -32768 / 32.75, 32767 / 32.75, 1000
    savemat(tmp_path / "Inertial" / "a27_s2_t3_inertial.mat", {"d_iner": table.T})
    clipped = scan([tmp_path]).recording(0)["inputs/r50/clipped"]
    assert np.argwhere(clipped).tolist() == [[0, 5], [3, 7], [4, 8]]


def test_pamap2_is_clipped_at_its_nominal_ranges_and_beyond(tmp_path: Path) -> None:
    write.pamap2(tmp_path)
    path = tmp_path / "Protocol" / "subject101.dat"
    lines = path.read_text().splitlines()
    cells = lines[70].split()
    cells[4], cells[7], cells[8] = "80", "61.9", "-58.83"
    lines[70] = " ".join(cells)
    path.write_text("\n".join(lines))
    assert np.argwhere(scan([tmp_path]).recording(0)["inputs/r100/clipped"]).tolist() == [[4, 70]]


@pytest.mark.parametrize("name", ["spsw", "wisdm", "hhar", "mobiact", "realworld", "mhealth", "dsads", "vtt_coniot"])
def test_archives_that_tell_no_range_have_none_clipped(name: str, tmp_path: Path) -> None:
    getattr(write, name)(tmp_path)
    source = scan([tmp_path])
    for i in range(len(source)):
        arrays = source.recording(i)
        assert not next(array for key, array in arrays.items() if key.endswith("/clipped")).any()


@pytest.mark.skipif(not REAL.is_file(), reason="PROVINGGROUND_DATA has no imu/selfback_thigh.npz")
def test_real_running_stands_at_the_rail_as_often_as_was_counted(tmp_path: Path) -> None:
    """0.16 % of running samples at 8 g were counted in these recordings, and hardly any of other activities."""
    with np.load(REAL, allow_pickle=False) as file:
        held = {name: file[name] for name in file.files}
    chosen = np.flatnonzero(np.isin(held["activity"], ["running", "walking", "sitting"]))
    for name in ("start", "length", "subject", "activity", "placement", "trial", "rate_hz"):
        held[name] = held[name][chosen]
    np.savez(tmp_path / "ranged.npz", **held, range=np.full(3, 8 * G))
    source, plain = scan([tmp_path / "ranged.npz"]), scan([REAL])
    shares: dict[str, list[np.ndarray]] = {}
    for i, activity in enumerate(held["activity"]):
        arrays = source.recording(i)
        shares.setdefault(str(activity), []).append(
            next(array for key, array in arrays.items() if key.endswith("/clipped")).any(axis=0)
        )
    running, walking, sitting = (np.concatenate(shares[a]).mean() for a in ("running", "walking", "sitting"))
    assert 0.001 < running < 0.002
    assert walking < 0.0001
    assert sitting == 0
    untold = plain.recording(int(chosen[0]))
    assert not next(array for key, array in untold.items() if key.endswith("/clipped")).any()
