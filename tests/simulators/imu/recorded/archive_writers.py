"""Small archives of the layouts that the importers know, in the archives' own units, of signals known at any time."""

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from scipy.io import savemat

G = 9.80665
DEG = np.pi / 180
PHASES = np.array([[0.0], [2.0], [4.0]])


def force(t: np.ndarray, unit: int = 0) -> np.ndarray:
    """(3, n) m/s^2 at times t in s: nearly at rest, gravity along another axis for each unit."""
    return G * (np.eye(3)[unit % 3][:, None] + 0.05 * np.sin(np.pi * t + PHASES + unit))


def turn(t: np.ndarray, unit: int = 0) -> np.ndarray:
    """(3, n) rad/s."""
    return 0.3 * np.sin(2.5 * t + PHASES - unit)


def field(t: np.ndarray, unit: int = 0) -> np.ndarray:
    """(3, n) uT."""
    return 40 * np.cos(0.7 * t + PHASES + unit)


def rows(path: Path, table: np.ndarray, separator: str = " ", end: str = "", drop: int = 0, form: str = ".12g") -> None:
    """A table (columns, n) without a header, its last `drop` columns left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [separator.join(f"{value:{form}}" for value in row[: len(row) - drop]) + end for row in table.T]
    path.write_text("\n".join(lines).replace("nan", "NaN") + "\n")


def csv(path: Path, heads: Sequence[str], columns: Sequence[Sequence[object]], drop: int = 0) -> None:
    """A CSV file with a header, its last `drop` columns left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keep = len(heads) - drop
    lines = [",".join(map(str, row[:keep])) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([",".join(heads[:keep]), *lines]) + "\n")


def pamap2(folder: Path, scale: float = 1.0, drop: int = 0, label: float = 24, rate: float = 100.0) -> None:
    """Three seconds of 101 (a hand's sample lost) and of 108: nothing, walking, `label`."""
    t = np.arange(300) / 100
    warm, attitude = np.full((1, 300), 30.0), np.eye(4)[:, [0] * 300]
    for subject in (101, 108):
        units = [[warm, scale * force(t, u), scale * force(t, u), turn(t, u), field(t, u), attitude] for u in range(3)]
        heart = np.where(np.arange(300) % 11, np.nan, 80.0)
        code = np.repeat([0, 4, label], 100)
        table = np.concatenate([[7.5 + np.arange(300) / rate, code, heart], *(part for unit in units for part in unit)])
        table[3:20, 5] = np.nan
        rows(folder / "Protocol" / f"subject{subject}.dat", table, drop=drop)


def mhealth(folder: Path, scale: float = 1.0, drop: int = 0, label: float = 4) -> None:
    """Four seconds of subjects 3 and 10: nothing, `label`."""
    t = np.arange(200) / 50
    lead, local = np.sin(9 * t)[None], np.full((3, 200), 0.4)
    limbs = [part for u in (1, 2) for part in (scale * force(t, u), turn(t, u) / DEG, local)]
    table = np.concatenate([scale * force(t), lead, 2 * lead, *limbs, [np.repeat([0, label], 100)]])
    for subject in (3, 10):
        rows(folder / f"mHealth_subject{subject}.log", table, "\t", drop=drop)


def dsads(folder: Path, scale: float = 1.0, drop: int = 0, activity: int = 9, samples: int = 125) -> None:
    """Segments 1, 2 and 4 of subject 7, of `activity`."""
    for segment in (1, 2, 4):
        t = np.arange(samples) / 25 + 5 * (segment - 1)
        table = np.concatenate([x for u in range(5) for x in (scale * force(t, u), turn(t, u), field(t, u) / 47)])
        rows(folder / f"a{activity:02}" / "p7" / f"s{segment:02}.txt", table, ",", drop=drop)


RECGYM = ("Subject", "Position", "Session", "A_x", "A_y", "A_z", "G_x", "G_y", "G_z", "C_1", "Workout")


def recgym(
    folder: Path, scale: float = 1.0, drop: int = 0, label: str = "Squat", subject: str = "Subject",
    places: Sequence[str] = ("wrist", "leg"), squeeze: bool = False,
) -> None:  # fmt: skip
    """Five seconds of nothing and `label` of subject 2 in session 4, at each place in turn."""
    t = np.arange(100) / 20
    signals = np.concatenate([scale * force(t) / G, turn(t) / DEG])
    if squeeze:
        signals = 0.5 + 0.01 * turn(t)[[0, 1, 2, 0, 1, 2]]
    what = ["Null"] * 40 + [label] * 60
    columns = [
        [value for place in places for value in column]
        for column in ([2] * 100, [""] * 100, [4] * 100, *signals.tolist(), [0.1] * 100, what)
    ]
    columns[1] = [place for place in places for _ in t]
    csv(folder / "RecGym.csv", (subject, *RECGYM[1:]), columns, drop)


def vtt_coniot(folder: Path, scale: float = 1.0, drop: int = 0, activity: int = 8) -> None:
    """Three seconds of user 13 at `activity`, a cell empty."""
    t = np.arange(300) / 100
    heads, columns = ["", "trousers_pressure"], [list(range(300)), [1013.0] * 300]
    for u, place in enumerate(("trousers", "back", "hand")):
        for letter, unit, x in (
            ("A", "g", scale * force(t, u) / G), ("G", "dps", turn(t, u) / DEG), ("M", "uT", field(t, u)),
        ):  # fmt: skip
            heads += [f"{place}_{letter}{axis}_{unit}" for axis in "xyz"]
            columns += x.tolist()
    columns[2][7] = ""  # type: ignore[call-overload]
    csv(folder / "VTT-ConIot-IMU-Data" / f"activity_{activity}_user_13_combined.csv", heads, columns, drop)


def utd_mhad(folder: Path, scale: float = 1.0, drop: int = 0, action: int = 5) -> None:
    """Three seconds of subject 2, third trial, of `action` and of the squat."""
    t = np.arange(150) / 50
    table = np.concatenate([scale * force(t) / G, turn(t) / DEG]).T
    (folder / "Inertial").mkdir()
    for number in (27, action):
        savemat(folder / "Inertial" / f"a{number}_s2_t3_inertial.mat", {"d_iner": table[:, : 6 - drop]})


SISFALL_LSB = (32 * G / 2**13, 4000 * DEG / 2**16, 16 * G / 2**14)


def sisfall_counts() -> np.ndarray:
    """(9, 800) counts of four seconds."""
    t = np.arange(800) / 200
    return np.concatenate([np.rint(x / lsb) for x, lsb in zip((force(t), turn(t), force(t)), SISFALL_LSB, strict=True)])


def sisfall(folder: Path, scale: float = 1.0, drop: int = 0, code: str = "D16", form: str = "4.0f") -> None:
    """Four seconds of the elderly subject 3, second repetition, of `code`, and of the young subject 1, slow walking."""
    counts = np.r_[scale, 1, scale].repeat(3)[:, None] * sisfall_counts()
    rows(folder / "SE03" / f"{code}_SE03_R02.txt", counts, ",", ";", drop, form)
    rows(folder / "SA01" / "D01_SA01_R01.txt", counts, ",", ";", drop, form)


def selfback(folder: Path, scale: float = 1.0, drop: int = 0, name: str = "walk_mod", rate: float = 98.5) -> None:
    """Ten seconds of person 26 at thigh and wrist, by a clock of `rate`, without those from 4 to 5 s."""
    t = np.arange(985) / rate
    t = t[(t < 4) | (t > 5)]
    stamps = np.datetime64("2016-04-13T10:38:20.342", "ms") + np.rint(1000 * t).astype("timedelta64[ms]")
    columns = [[str(s).replace("T", " ") for s in stamps], *(scale * force(t) / G).tolist(), [name] * len(t)]
    for place in ("thigh34", "wrist34"):
        csv(folder / "raw" / "9_class" / place / name / "026.csv", ("time", "x", "y", "z", "class"), columns, drop)


SPSW = ("x_acc", "y_acc", "z_acc", "x_gyro", "y_gyro", "z_gyro", "timestamp", "label")


def spsw(
    folder: Path, scale: float = 1.0, drop: int = 0, label: str = "SEATED", rate: float = 102.5, late_s: float = 0.123,
    slip_s: float = 0.0,
) -> None:  # fmt: skip
    """Six seconds of subject 4, execution 7: a phone, and a watch that starts `late_s` later; stamps come ragged."""
    rng = np.random.default_rng(3)
    for unit, (kind, own, begin) in enumerate((("sp", rate, 0.0), ("sw", 104.4, late_s))):
        t = begin + np.arange(int(6 * own)) / own
        ragged = np.sort(t + slip_s * (t > 3) + rng.uniform(-0.006, 0.006, t.size))
        stamps = 1657533977810 + np.rint(1000 * ragged).astype(int)
        signals = np.concatenate([scale * force(t, unit), turn(t, unit)])
        what = [label if at < 3 else "STANDING_UP" for at in t]
        path = folder / "DATA" / "s04" / f"s04_07_{kind}.csv"
        csv(path, SPSW, [*signals.tolist(), stamps.tolist(), what], drop)


def uneven(n: int, rate: float, begin: float = 0.0) -> np.ndarray:
    """(n,) s: stamps that stray by a fifth of a step, but for the first and the last."""
    k = np.arange(n)
    return begin + (k + 0.2 * np.sin(7 * k) * ((k > 0) & (k < n - 1))) / rate


def wisdm(folder: Path, scale: float = 1.0, drop: int = 0, label: str = "A", unit: float = 1e9) -> None:
    """Ten seconds of subject 1603 at `label`, then at F: a phone, and a watch that has no gyroscope at F."""
    for device, start in (("phone", 252207.5), ("watch", 90426.25)):
        for sensor, signal, begin in (("accel", force, 0.0), ("gyro", turn, 0.123)):
            lines = []
            for letter, later in ((label, 0.0), ("F", 100.0)):
                if (device, sensor, letter) != ("watch", "gyro", "F"):
                    t = uneven(200, 19.9, begin)
                    stamps = np.rint((start + later + t) * unit).astype(np.int64)
                    values = signal(t) * (scale if sensor == "accel" else 1.0)
                    rows_of = zip(stamps, values.T, strict=True)
                    cells = [[f"1603,{letter},{at}", *(f"{v:.7f}" for v in row)] for at, row in rows_of]
                    lines += [",".join(row[: len(row) - drop]) + ";" for row in cells]
            path = folder / "wisdm-dataset" / "raw" / device / sensor / f"data_1603_{sensor}_{device}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines) + "\n")


HHAR = ("Index", "Arrival_Time", "Creation_Time", "x", "y", "z", "User", "Model", "Device", "gt")


def hhar(
    folder: Path, scale: float = 1.0, drop: int = 0, label: str = "walk", unit: float = 1e3, back: bool = False
) -> None:
    """Six seconds of a phone with user c, nothing at first, standing, then `label`; and a watch with user a."""
    home = folder / "Activity recognition exp"
    for kind, device, user in (("Phones", "nexus4_1", "c"), ("Watch", "gear_2", "d")):
        for sensor, signal, begin in (("accelerometer", force, 0.0), ("gyroscope", turn, 0.1)):
            t = uneven(1200, 198.0, begin)
            late = 0.003 * np.sign(np.sin(11 * np.arange(t.size)))
            arrival = np.rint((1424696633.908 + t + late) * unit).astype(np.int64)
            if back:
                arrival[::2] -= int(unit)
            creation = np.rint((5000 + t) * 1e9).astype(np.int64)
            values = signal(t) * (scale if sensor == "accelerometer" else 1.0)
            what = [("null", "stand", label)[int(at // 2.05)] if at < 6.15 else label for at in t]
            columns = [range(t.size), arrival, creation, *values, *([name] * t.size for name in (user, "m", device))]
            csv(home / f"{kind}_{sensor}.csv", HHAR, [*columns, what], drop)


def kuhar(folder: Path, scale: float = 1.0, drop: int = 0, name: str = "11.Walk", unit: float = 1e3) -> None:
    """Six seconds of subject 1052, trials 1 and 2."""
    for trial in (1, 2):
        one, two = uneven(600, 100.7), uneven(600, 100.7, 0.004)
        table = np.concatenate([[unit * one], scale * force(one), [unit * two], turn(two)])
        rows(folder / "1.Raw_time_domian_data" / name / f"1052_F_{trial}.csv", table, ",", drop=drop)


MOBIACT = ("timestamp", "rel_time", "acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z", "azimuth", "pitch", "roll",
           "label")  # fmt: skip


def mobiact(folder: Path, scale: float = 1.0, drop: int = 0, label: str = "STN", unit: float = 1e9) -> None:
    """Six seconds of subject 12, second trial: standing, then `label`."""
    t = uneven(1200, 200.0)
    stamps = np.rint((1688.5 + t) * unit).astype(np.int64)
    what = ["STD" if at < 3 else label for at in t]
    columns = [stamps, t, *(scale * force(t)), *turn(t), *np.zeros((3, t.size)), what]
    csv(folder / "Annotated Data" / "STN" / "STN_12_2_annotated.csv", MOBIACT, columns, drop)


def realworld(
    folder: Path, scale: float = 1.0, drop: int = 0, activity: str = "walking", unit: float = 1e3, place: str = "thigh"
) -> None:
    """Six seconds of proband 4 at `activity`, accelerometer in a zip, others unpacked; then climbing in two parts."""
    home, heads = folder / "proband4" / "data", ("id", "attr_time", "attr_x", "attr_y", "attr_z")
    sensors = (("acc", "acc", force, 0.0), ("gyr", "Gyroscope", turn, 0.05), ("mag", "MagneticField", field, 0.0))
    for short, word, signal, begin in sensors:
        t = uneven(300, 50.3, begin)
        stamps = np.rint((1435993844.25 + t) * unit).astype(np.int64)
        values = signal(t) * (scale if short == "acc" else 1.0)
        own = home / f"{short}_{activity}_csv" / f"{word}_{activity}_{place}.csv"
        csv(own, heads, [range(t.size), stamps, *values], drop)
        if short == "acc":
            (own.parent / "readMe").write_text("nothing to read")
            with ZipFile(home / f"{short}_{activity}_csv.zip", "w") as file:
                file.write(own, own.name)
            with ZipFile(home / "acc_climbingup_csv.zip", "w") as file:
                for part in (1, 2):
                    inner = BytesIO()
                    with ZipFile(inner, "w") as deeper:
                        deeper.write(own, "acc_climbingup_waist.csv")
                    file.writestr(f"acc_climbingup_{part}_csv.zip", inner.getvalue())
            own.unlink()


def unimib_shar(folder: Path, scale: float = 1.0, drop: int = 0, activity: str = "Walking") -> None:
    """Two people: one trial of `activity`, two of a fall."""
    t = np.arange(300) / 50
    trial = np.concatenate([scale * force(t), [t, t, t]])[: 6 - drop]
    falls = np.empty(2, object)
    falls[:] = [trial, trial]
    people = np.empty((2, 3), object)
    for person in people:
        person[:] = [{activity: trial, "FallingLeft": falls}, "M", 30.0]
    (folder / "data").mkdir(parents=True)
    savemat(folder / "data" / "full_data.mat", {"full_data": people})


Writer = Callable[..., None]
