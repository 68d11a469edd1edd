"""What holds of every archive: SI values, places, people and labels as written, and what cannot be right is refused."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import archive_writers as write
import numpy as np
import pytest
from archive_writers import Writer, field, force, turn
from numpy.testing import assert_allclose, assert_array_equal

from scenarios.catalogue import load
from scenarios.errors import InputError
from scenarios.schema import Arrays, check
from simulators.imu import SCHEMA
from simulators.imu.labels import LABELS, PLACEMENTS, SIDES
from simulators.imu.recorded import (
    LAYOUTS,
    dsads,
    hhar,
    kuhar,
    mhealth,
    mobiact,
    pamap2,
    realworld,
    recgym,
    scan,
    selfback,
    sisfall,
    spsw,
    unimib_shar,
    utd_mhad,
    vtt_coniot,
    wisdm,
)
from simulators.imu.spec import QUANTITIES


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the first recording of an archive, as `write` makes it, must be."""

    write: Writer
    module: ModuleType
    recordings: int
    rate_hz: float
    samples: int
    subject: int
    session: int
    labels: tuple[str, ...]
    places: tuple[tuple[str, str], ...]
    """Of each device in turn."""
    quantities: tuple[str, ...]
    """All of them, each once, in the order in which they come first."""
    start_s: float = 0.0
    atol: float = 1e-5
    """Above that of the schema's counts where the archive itself rounds, or its clock is not ours."""
    lost: int = 0
    """Numbers that are missing."""

    @property
    def resampled(self) -> bool:
        return self.atol > 1e-5

    @property
    def group(self) -> str:
        return f"inputs/r{self.rate_hz:g}"


SIX = ("accelerometer", "gyroscope")
NINE = (*SIX, "magnetometer")
CASES = {
    "pamap2": Case(
        write=write.pamap2, module=pamap2, recordings=2, rate_hz=100, samples=300, subject=101, session=0,
        labels=("walking", "rope_jumping"), lost=17 + 300 - 28,
        places=(("hand", "right"), ("chest", "middle"), ("ankle", "right"), ("chest", "middle")),
        quantities=("temperature", *NINE, "orientation", "heart_rate"),
    ),
    "mhealth": Case(
        write=write.mhealth, module=mhealth, recordings=2, rate_hz=50, samples=200, subject=10, session=0,
        labels=("walking",), places=(("chest", "middle"), ("ankle", "left"), ("forearm", "right")),
        quantities=("accelerometer", "ecg", "gyroscope"),
    ),
    "dsads": Case(
        write=write.dsads, module=dsads, recordings=1, rate_hz=25, samples=500, subject=7, session=9, lost=125 * 45,
        labels=("walking_parking",), quantities=NINE,
        places=(("chest", "middle"), ("wrist", "right"), ("wrist", "left"), ("thigh", "right"), ("thigh", "left")),
    ),
    "recgym": Case(
        write=write.recgym, module=recgym, recordings=2, rate_hz=20, samples=100, subject=2, session=4,
        labels=("squat",), places=(("wrist", "unknown"),), quantities=SIX,
    ),
    "vtt_coniot": Case(
        write=write.vtt_coniot, module=vtt_coniot, recordings=1, rate_hz=100, samples=300, subject=13, session=8,
        labels=("laying_back",), places=(("hip", "unknown"), ("back", "middle"), ("upper_arm", "unknown")),
        quantities=NINE, lost=1,
    ),
    "utd_mhad": Case(
        write=write.utd_mhad, module=utd_mhad, recordings=2, rate_hz=50, samples=150, subject=2, session=3,
        labels=("squat",), places=(("thigh", "right"),), quantities=SIX,
    ),
    "sisfall": Case(
        write=write.sisfall, module=sisfall, recordings=2, rate_hz=200, samples=800, subject=1, session=1,
        labels=("walking_slow",), places=(("waist", "middle"),), quantities=SIX, atol=0.02,
    ),
    "selfback": Case(
        write=write.selfback, module=selfback, recordings=2, rate_hz=100, samples=1000, subject=26, session=0,
        labels=("walking",), places=(("thigh", "unknown"),), quantities=("accelerometer",), lost=3 * 101, atol=0.02,
    ),
    "spsw": Case(
        write=write.spsw, module=spsw, recordings=1, rate_hz=100, samples=587, subject=4, session=7,
        labels=("sitting", "sit_to_stand"), places=(("pocket", "unknown"), ("wrist", "unknown")), quantities=SIX,
        start_s=0.123, atol=0.01,
    ),
    "wisdm": Case(
        write=write.wisdm, module=wisdm, recordings=4, rate_hz=20, samples=198, subject=1603, session=0,
        labels=("walking",), places=(("pocket", "right"),), quantities=SIX, start_s=0.123, atol=0.01,
    ),
    "hhar": Case(
        write=write.hhar, module=hhar, recordings=2, rate_hz=50, samples=298, subject=3, session=0,
        labels=("standing", "walking"), places=(("waist", "middle"),), quantities=SIX, start_s=0.1, atol=0.02,
    ),
    "kuhar": Case(
        write=write.kuhar, module=kuhar, recordings=2, rate_hz=100, samples=595, subject=1052, session=1,
        labels=("walking",), places=(("waist", "middle"),), quantities=SIX, start_s=0.004, atol=0.01,
    ),
    "mobiact": Case(
        write=write.mobiact, module=mobiact, recordings=1, rate_hz=100, samples=600, subject=12, session=2,
        labels=("standing", "stairs_down"), places=(("pocket", "unknown"),), quantities=SIX, atol=0.01,
    ),
    "realworld": Case(
        write=write.realworld, module=realworld, recordings=3, rate_hz=50, samples=298, subject=4, session=1,
        labels=("stairs_up",), places=(("waist", "middle"),), quantities=("accelerometer",), atol=0.02,
    ),
    "unimib_shar": Case(
        write=write.unimib_shar, module=unimib_shar, recordings=6, rate_hz=50, samples=300, subject=1, session=1,
        labels=("walking",), places=(("pocket", "unknown"),), quantities=("accelerometer",),
    ),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", CASES)


def first_of(name: str, folder: Path, **changes: object) -> Arrays:
    """The first recording of an archive written with changes."""
    CASES[name].write(folder, **changes)
    return scan([folder]).recording(0)


def values_of(arrays: Arrays, group: str) -> np.ndarray:
    """(channels, n) in SI, NaN where not valid."""
    counts = np.where(arrays[f"{group}/valid"], arrays[f"{group}/counts"], np.nan)
    return np.asarray(counts * arrays[f"{group}/lsb"][:, None])


@EVERY
def test_only_its_own_layout_fits_an_archive(name: str, tmp_path: Path) -> None:
    CASES[name].write(tmp_path)
    assert [other for other, layout in LAYOUTS.items() if layout.detect(tmp_path)] == [name]
    assert len(scan([tmp_path])) == CASES[name].recordings


@EVERY
def test_a_recording_says_who_did_what_and_where_devices_sat(name: str, tmp_path: Path) -> None:
    case, arrays = CASES[name], first_of(name, tmp_path)
    check(arrays, SCHEMA)
    assert (int(arrays["truth/subject"]), int(arrays["truth/session"])) == (case.subject, case.session)
    assert tuple(LABELS[code] for code in arrays["truth/bout_activity"]) == case.labels
    quantities = [QUANTITIES[code] for code in arrays[f"{case.group}/quantity"]]
    assert tuple(dict.fromkeys(quantities)) == case.quantities
    sensors = arrays[f"{case.group}/sensor"]
    assert_array_equal(np.unique(sensors), np.arange(len(case.places)))
    for number, place in enumerate(case.places):
        own = sensors == number
        told = {
            (PLACEMENTS[p], SIDES[s])
            for p, s in zip(arrays[f"{case.group}/placement"][own], arrays[f"{case.group}/side"][own], strict=True)
        }
        assert told == {place}
    assert_array_equal(arrays[f"{case.group}/n_samples"], case.samples)
    assert np.count_nonzero(~arrays[f"{case.group}/valid"]) == pytest.approx(case.lost, abs=6 * (name == "selfback"))


@EVERY
@pytest.mark.parametrize(
    ("quantity", "signal"), [("accelerometer", force), ("gyroscope", turn), ("magnetometer", field)]
)
def test_signals_are_in_si(name: str, quantity: str, signal: Writer, tmp_path: Path) -> None:
    case, arrays = CASES[name], first_of(name, tmp_path)
    values, t = values_of(arrays, case.group), case.start_s + np.arange(case.samples) / case.rate_hz
    kind = arrays[f"{case.group}/quantity"] == QUANTITIES.index(quantity)
    for sensor in np.unique(arrays[f"{case.group}/sensor"][kind]):
        found = values[kind & (arrays[f"{case.group}/sensor"] == sensor)].reshape(-1, 3, case.samples)
        axes = arrays[f"{case.group}/axis"][kind & (arrays[f"{case.group}/sensor"] == sensor)]
        assert_array_equal(axes, np.tile(range(3), len(found)))
        told = signal(t, int(sensor))  # type: ignore[func-returns-value]
        inner = slice(20, -20) if case.resampled else slice(None)
        for part in found:
            error = (part - told)[:, inner]
            assert_allclose(error[np.isfinite(error)], 0, atol=case.atol)
            assert np.isfinite(error).mean() > 0.7


@EVERY
def test_every_label_is_of_the_vocabulary(name: str) -> None:
    assert set(CASES[name].module.LABELS.values()) <= set(LABELS)


@pytest.mark.parametrize(
    "name",
    ["pamap2", "mhealth", "dsads", "recgym", "wisdm", "hhar", "kuhar", "mobiact", "realworld", "unimib_shar"],
)
def test_an_archive_has_the_labels_of_its_profile(name: str) -> None:
    assert set(load("imu", f"{name}_like")[1]["activities"]) <= set(CASES[name].module.LABELS.values())


UNITS = r"must read about 9\.81 m/s\^2 where it is quiet"
REFUSED = [
    ("pamap2", {"scale": 1 / write.G}, UNITS),
    ("pamap2", {"drop": 1}, "must have 54 columns in every row; there are rows of 53"),
    ("pamap2", {"label": 8}, "a label of recording .* must be one of 0, 1, 2.*; it is '8'"),
    ("pamap2", {"label": 4.5}, "it is '4.5'"),
    ("pamap2", {"rate": 50.0}, "must be of its rate, 100 Hz; they say 50"),
    ("mhealth", {"scale": 1 / write.G}, UNITS),
    ("mhealth", {"drop": 2}, "must have 24 columns in every row; there are rows of 22"),
    ("mhealth", {"label": 13}, "it is '13'"),
    ("dsads", {"scale": 1 / write.G}, UNITS),
    ("dsads", {"drop": 3}, "must have 45 columns"),
    ("dsads", {"activity": 20}, "it is '20'"),
    ("dsads", {"samples": 250}, "must have 125 rows, 5 s at 25 Hz; it has 250, of another rate"),
    ("recgym", {"scale": write.G}, UNITS),
    ("recgym", {"squeeze": True}, "all of them lie from 0 to 1"),
    ("recgym", {"drop": 1}, "must have the column 'Workout'"),
    ("recgym", {"label": "Yoga"}, "it is 'Yoga'"),
    ("recgym", {"places": ("head",)}, "must be one of wrist, pocket, leg, calf; it is 'head'"),
    ("recgym", {"places": ("leg", "calf")}, "must stand together"),
    ("vtt_coniot", {"scale": write.G}, UNITS),
    ("vtt_coniot", {"drop": 1}, "must have the column 'hand_Mz_uT'"),
    ("vtt_coniot", {"activity": 17}, "it is '17'"),
    ("utd_mhad", {"scale": write.G}, UNITS),
    ("utd_mhad", {"drop": 1}, r"must hold 'd_iner' of 6 columns; its shape is \(150, 5\)"),
    ("utd_mhad", {"action": 28}, "it is '28'"),
    ("sisfall", {"scale": write.SISFALL_LSB[0], "form": ".9g"}, "must hold whole counts"),
    ("sisfall", {"scale": write.G}, UNITS),
    ("sisfall", {"drop": 1}, "must have 9 columns in every row; there are rows of 8"),
    ("sisfall", {"code": "D20"}, "it is 'D20'"),
    ("selfback", {"scale": write.G}, r"must stay within its range of 78.4532 m/s\^2; one reading is"),
    ("selfback", {"drop": 2}, "must have the column 'z'"),
    ("selfback", {"name": "dancing"}, "it is 'dancing'"),
    ("selfback", {"rate": 50.0}, "must be within 5% of 100 Hz; they say"),
    ("spsw", {"scale": 1 / write.G}, UNITS),
    ("spsw", {"drop": 1}, "must have the column 'label'"),
    ("spsw", {"label": "DANCING"}, "it is 'DANCING'"),
    ("spsw", {"rate": 50.0}, "must be within 10% of 100 Hz; they say"),
    ("spsw", {"late_s": 60.0}, "must be of one time"),
    ("spsw", {"slip_s": 3.0}, "must keep to one rate within 0.5 s"),
    ("wisdm", {"scale": 1 / write.G}, UNITS),
    ("wisdm", {"drop": 1}, "must have 6 columns in every row"),
    ("wisdm", {"drop": 4}, "row 1 of .* must name its subject and time"),
    ("wisdm", {"label": "N"}, "must be one of A, B, C.*; it is 'N'"),
    ("wisdm", {"unit": 1e10}, "must be of 5 to 250 Hz; they say 1.992: other units"),
    ("hhar", {"scale": 1 / write.G}, UNITS),
    ("hhar", {"drop": 1}, "the columns of .* must be Index,Arrival_Time"),
    ("hhar", {"label": "hop"}, "it is 'hop'"),
    ("hhar", {"back": True}, "must ascend"),
    ("kuhar", {"scale": 1 / write.G}, r"must have a mean of about 9\.81 m/s\^2, or of 0 .* it has 1: is it in g"),
    ("kuhar", {"drop": 1}, "must have 8 columns in every row; there are rows of 7"),
    ("kuhar", {"name": "3.Dance"}, "it is 'Dance'"),
    ("kuhar", {"unit": 4e3}, "must be of 50 to 400 Hz; they say 25"),
    ("mobiact", {"scale": 1 / write.G}, UNITS),
    ("mobiact", {"drop": 1}, "must have the column 'label'"),
    ("mobiact", {"label": "FLY"}, "it is 'FLY'"),
    ("mobiact", {"unit": 1e6}, "must be of 40 to 400 Hz"),
    ("realworld", {"scale": 1 / write.G}, UNITS),
    ("realworld", {"drop": 1}, "must have the column 'attr_z'"),
    ("realworld", {"activity": "flying"}, "it is 'flying'"),
    ("realworld", {"place": "nose"}, "a place of RealWorld must be one of chest.* it is 'nose'"),
    ("realworld", {"unit": 1e6}, "must be of 20 to 250 Hz"),
    ("unimib_shar", {"scale": 5}, UNITS),
    ("unimib_shar", {"drop": 1}, "must have 6 rows"),
    ("unimib_shar", {"activity": "Dancing"}, "it is 'Dancing'"),
]


@pytest.mark.parametrize(("name", "changes", "words"), REFUSED)
def test_what_cannot_be_right_is_refused_in_one_line(
    name: str, changes: dict[str, object], words: str, tmp_path: Path
) -> None:
    CASES[name].write(tmp_path, **changes)
    with pytest.raises(InputError, match=words) as told:  # noqa: PT012 - an index may be refused before a recording
        source = scan([tmp_path])
        for number in range(len(source)):
            source.recording(number)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["pamap2", "mhealth", "utd_mhad", "sisfall", "selfback"])
def test_a_file_is_read_when_its_recording_is_asked_for(name: str, tmp_path: Path) -> None:
    CASES[name].write(tmp_path)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    files[-1].write_bytes(b"\xff\x00 nothing of the kind")
    source = scan([tmp_path])
    check(source.recording(0), SCHEMA)
    with pytest.raises(InputError) as told:
        source.recording(1)
    assert "\n" not in str(told.value)


def number(cell: str, became: str) -> Callable[[str], str]:
    """A change of a text file: a cell of its third row becomes another."""

    def change(text: str) -> str:
        lines = text.splitlines()
        at = min(2, len(lines) - 1)
        separator = "," if "," in lines[at] else " "
        cells = lines[at].split(separator)
        cells[len(cells) // 2 if cell == "middle" else 0] = became
        lines[at] = separator.join(cells)
        return "\n".join(lines) + "\n"

    return change


CHANGES: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: "",
    "half": lambda text: text[: len(text) // 2],
    "a row": lambda text: text.splitlines()[0] + "\n",
    "two rows": lambda text: "\n".join(text.splitlines()[:2]),
    "backwards": lambda text: "\n".join([text.splitlines()[0], *text.splitlines()[:0:-1]]),
    "all lost": lambda text: re.sub(r"(?<=[ ,\t])-?\d+\.\d+(e[+-]\d+)?(?=[ ,\t;\n])", "nan", text),
    **{f"{cell} {became}": number(cell, became) for cell in ("first", "middle") for became in ("nan", "inf", "1e300")},
}


def refusals(folder: Path) -> list[str]:
    """What is refused, the first of it, in the recordings of a folder."""
    try:
        source = scan([folder])
        for i in range(len(source)):
            check(source.recording(i), SCHEMA)
    except InputError as error:
        return [str(error)]
    return []


@EVERY
@pytest.mark.parametrize("change", CHANGES)
def test_a_broken_file_is_read_or_refused_in_one_line(name: str, change: str, tmp_path: Path) -> None:
    """No other error, and no warning."""
    CASES[name].write(tmp_path)
    path = next(p for p in sorted(tmp_path.rglob("*")) if p.suffix in (".csv", ".dat", ".log", ".txt", ".mat"))
    if path.suffix == ".mat":
        data = path.read_bytes()
        path.write_bytes(data[: {"nothing": 0, "half": len(data) // 2}.get(change, 300)])
    else:
        path.write_text(CHANGES[change](path.read_text()))
    assert all("\n" not in line for line in refusals(tmp_path))
