"""A simulated and a real walk side by side.

    PROVINGGROUND_DATA=FOLDER python -m simulators.imu.compare --out docs/walk.png

The real one is of the GeoTec recordings (Matey-Sanz, Casteleyn and Granell, Data in Brief 2023, 109809; CC BY 4.0), a
phone in the front pocket; the simulated one of the scenario that stands beside it.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from scenarios.cli import run
from scenarios.errors import InputError

SECONDS = 3.5
SCENARIO = "fidelity_spsw"
PLACEMENT = "pocket"

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help="Draw a simulated and a real walk with a phone in the pocket, and their spectra.")
def draw(
    out: Annotated[Path, typer.Option(help="The picture.")] = Path("walk.png"),
    data: Annotated[Path | None, typer.Option(help="Folder of spsw.npz; else $PROVINGGROUND_DATA/imu.")] = None,
    subject: Annotated[int, typer.Option(min=0, help="Number of the simulated person.")] = 1,
) -> None:
    """Draw both."""
    root = os.environ.get("PROVINGGROUND_DATA")
    folder = data or (Path(root) / "imu" if root else None)
    if folder is None or not (folder / "spsw.npz").is_file():
        raise InputError(
            "a real walk must be in spsw.npz of --data or PROVINGGROUND_DATA/imu; "
            + (f"there is none in '{folder}'" if folder else "neither is given")
        )
    if out.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"--out must name a .png, .svg or .pdf file; it is '{out}'")
    if not os.access(out.absolute().parent, os.W_OK):
        raise InputError(f"--out must be in a folder that can be written to; it is '{out}'")
    _picture({"real (GeoTec, CC BY 4.0)": real(folder / "spsw.npz"), "simulated": simulated(subject)}, out)
    print(f"picture: {out}")


def real(path: Path) -> tuple[float, np.ndarray]:
    """(rate in Hz, (6, n) m/s^2 and rad/s) of the middle of the longest walk in a file of segments."""
    with np.load(path, allow_pickle=False) as file:
        walks = (file["activity"] == "walking") & (file["placement"] == PLACEMENT)
        i = int(np.where(walks, file["length"], 0).argmax())
        rate, count = float(file["rate_hz"][i]), int(SECONDS * file["rate_hz"][i])
        if file["length"][i] < count:
            raise InputError(f"a real walk must last {SECONDS} s or more; the longest of '{path}' does not")
        first = int(file["start"][i]) + (int(file["length"][i]) - count) // 2
        return rate, np.asarray((file["x_int16"][first : first + count] * file["scale"]).T)


def simulated(subject: int) -> tuple[float, np.ndarray]:
    """The same of a simulated person's first walk that is long enough."""
    from scenarios.spec import load, override, parse
    from simulators.imu.generate import simulate_arrays
    from simulators.imu.labels import code_of
    from simulators.imu.spec import ImuSpec
    from simulators.run import key_of

    spec = parse(ImuSpec, SCENARIO, override(load("imu", SCENARIO)[1], [f"bout_s=[{SECONDS + 0.5}, 6]"]))
    arrays = simulate_arrays(spec, key_of("imu", SCENARIO, spec, "test", subject))
    bout = int(np.flatnonzero(arrays["truth/bout_activity"] == code_of("walking"))[0])
    first = int(arrays["truth/bout_start"][bout])
    part = slice(first, first + int(SECONDS * spec.rate_hz))
    group = f"inputs/r{spec.rate_hz:g}"
    return spec.rate_hz, np.asarray(arrays[f"{group}/counts"][:6, part] * arrays[f"{group}/lsb"][:6, None])


def _picture(walks: dict[str, tuple[float, np.ndarray]], out: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(3, 2, figsize=(11, 6.5), sharey="row", layout="constrained")
    for column, (title, (rate, values)) in enumerate(walks.items()):
        t = np.arange(values.shape[1]) / rate
        for i, name in enumerate("xyz"):
            axes[0, column].plot(t, values[i], lw=0.9, label=name)
            axes[1, column].plot(t, values[3 + i], lw=0.9)
        norm = np.sqrt((values[:3] ** 2).sum(0))
        power = np.abs(np.fft.rfft((norm - norm.mean()) * np.hanning(norm.size))) ** 2
        axes[2, column].semilogy(np.fft.rfftfreq(norm.size, 1 / rate), power + 1e-3, lw=0.9, color="#333")
        axes[0, column].set_title(title)
        axes[2, column].set_xlabel("Hz")
        axes[2, column].set_xlim(0, 30)
        axes[1, column].set_xlabel("s")
    for row, label in enumerate(("accelerometer\nm/s^2", "gyroscope\nrad/s", "spectrum of the\nnorm")):
        axes[row, 0].set_ylabel(label)
    axes[0, 0].legend(loc="upper right", ncols=3, fontsize=8)
    figure.savefig(out, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    raise SystemExit(run(app, "python -m simulators.imu.compare", sys.argv[1:]))
