"""Simulators beside real recordings, in figures.

    python -m benchmarks.fidelity scene --data DIR --recordings 8 --out report.md
    python -m benchmarks.fidelity hand --reference FILE --recordings 16
    python -m benchmarks.fidelity imu --subjects 24

Real recordings of buses are found in the folder that `--data` or `PROVINGGROUND_DATA` names (its subfolder `scene/`);
published statistics of a real recording of a hand in the file that `--reference` names, or there as
`hand/combo_stats.json`. Where neither is given, the levels of the hand's field alone are held against FEM. Those of
worn sensors lie in the folder `--data`, or there in `imu/`. The reports of hand and imu are stored as
`docs/fidelity-hand.md` and `docs/fidelity-imu.md` of the clone, or as `--out`; one that lacks recordings is stored only
as `--out`.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from scenarios.cli import check_target
from scenarios.errors import InputError

PRESETS = ("modbus_like", "carbus_like", "overflow_heavy")
REAL = {
    "css_canmod_gps": ("*.MF4", "canmod-gps.dbc"),
    "comma2k19_rav4": ("raw_can_t.npy", "toyota_new_mc_pt_generated.dbc"),
}
"""Real sets: folder below `scene/`, its logs, its DBC."""
SEED = 2
BARS = "▁▂▃▄▅▆▇█"
NAMED = 5
"""Features that are named beside a score."""
BY = {"group": "recording", "device": "device"}
"""What is never split between training and test, in words."""
DOCS = Path(__file__).parent.parent / "docs"
"""Where whole reports of hand and imu go; into the working folder where there is no clone."""
WIDTH = 170
"""Columns of the tables where the output is no terminal."""

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)


@app.command()
def scene(
    data: Annotated[Path | None, typer.Option(help="Folder of real recordings; else $PROVINGGROUND_DATA.")] = None,
    recordings: Annotated[int, typer.Option(min=1, help="Simulated recordings of each preset.")] = 8,
    preset: Annotated[list[str] | None, typer.Option(help="Scenario (name or file); may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the report, as .json or .md.")] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Words of the bus presets beside real bus logs: shares, flips, runs, rollovers, clocks, and a two-sample test."""
    with _told(debug):
        _check_out(out)
        try:
            report = scene_report(data, preset or list(PRESETS), recordings, _say)
        except ModuleNotFoundError as error:
            raise InputError(f"the report needs '{error.name}'; pip install 'provingground[baselines,bus]'") from error
        _show(rows(report))
        if out is not None:
            _write(out, report, f"scene --recordings {recordings}", rows(report))


@app.command()
def hand(
    reference: Annotated[Path | None, typer.Option(help="Statistics by combo; else from $PROVINGGROUND_DATA.")] = None,
    recordings: Annotated[int, typer.Option(min=2, help="Simulated sessions.")] = 16,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to write: .json, or .md without the reference's figures.", show_default="docs/fidelity-hand.md"
        ),
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Finger combos beside a real recording's statistics: means, spreads, rail; levels of the field beside FEM."""
    from benchmarks import fidelity_hand as f

    with _told(debug):
        _check_out(out)
        report = hand_report(reference, recordings, _say)
        notes = f.notes(report)
        _show(f.tables(report, private=True))
        print("\n".join(notes))
        missing = [] if report["compared"] is not None else ["statistics of a real recording"]
        _keep(out, missing, report, f"hand --recordings {recordings}", f.tables(report, private=False), notes)


@app.command()
def imu(
    data: Annotated[Path | None, typer.Option(help="Folder of real recordings; else $PROVINGGROUND_DATA/imu.")] = None,
    subjects: Annotated[int, typer.Option(min=4, help="Simulated people of each scenario.")] = 24,
    out: Annotated[
        Path | None, typer.Option(help="Where to write: .json or .md.", show_default="docs/fidelity-imu.md")
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Body-worn sensors beside real recordings: statistics by activity and place, spreads, falls, classifiers."""
    with _told(debug):
        _check_out(out)
        if data is not None and not data.is_dir():
            raise InputError(f"--data must be a folder of real recordings; '{data}' is none")
        try:
            from benchmarks import fidelity_imu as f

            root = os.environ.get("PROVINGGROUND_DATA")
            report = f.report_of(data or (Path(root) / "imu" if root else None), subjects, _say)
        except ModuleNotFoundError as error:
            raise InputError(f"the report needs '{error.name}'; pip install 'provingground[baselines]'") from error
        notes = f.notes(report)
        _show(f.tables(report))
        print("\n".join(notes))
        missing = [f"{name}.npz" for name in report["missing"]]
        _keep(out, missing, report, f"imu --subjects {subjects}", f.tables(report), notes)


@contextmanager
def _told(debug: bool) -> Iterator[None]:
    """Tell a wrong input in one line, exit 2."""
    try:
        yield
    except InputError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _check_out(out: Path | None) -> None:
    if out is not None and out.suffix not in (".json", ".md"):
        raise InputError(f"--out must end in .json or .md; it is '{out}'")
    if out is not None:
        check_target("--out", out)


def hand_report(
    reference: Path | None, recordings: int, say: Callable[[str], None] = lambda what: None
) -> dict[str, Any]:
    """The report as a JSON-able dict: `compared`, `variants`, `ladder`; see `fidelity_hand`.

    The first two are None where neither `reference` nor PROVINGGROUND_DATA names one. Raises InputError where what is
    named is none.
    """
    from benchmarks import fidelity_hand as f

    text = os.environ.get("PROVINGGROUND_DATA")
    real = compared = found = None
    if reference is not None or text:
        real = f.reference_of(reference or Path(text or "") / "hand" / "combo_stats.json")
        say(f"simulating {f.SCENARIO}")
        compared = f.compare(real, recordings)
        say("simulating what the sources leave open")
        found = f.variants(real, max(2, recordings // 4))
    say("solving the field of a disc")
    return {
        "session": real and real.session,
        "axes": real and real.axes,
        "recordings": recordings,
        "compared": compared,
        "variants": found,
        "ladder": f.ladder(),
    }


def _say(what: str) -> None:
    """Progress, for those who look."""
    print(what, file=sys.stderr)


def scene_report(
    data: Path | None, presets: Sequence[str], recordings: int, say: Callable[[str], None] = lambda what: None
) -> dict[str, Any]:
    """The report as a JSON-able dict: `sets` (see `fidelity_scene.summary`), `distances`, `two_sample`.

    Raises InputError where no real recording is found or a preset is not there.
    """
    from benchmarks import fidelity_scene as f

    real = real_samples(data)
    say(f"simulating {', '.join(presets)}")
    simulated = [f.measure(Path(name).stem, _simulate(name, recordings)) for name in presets]
    pooled = {view: f.join(view, [s for s in real if s.name.endswith(view)]) for view in ("words", "signals")}
    distances: dict[str, Any] = {}
    tests: dict[str, Any] = {}
    for sample in simulated:
        for view, other in pooled.items():
            name = f"{sample.name} : real {view}"
            say(f"comparing {name}")
            distances[name] = f.distances(sample, other)
            tests[name] = {
                f"{model} by {BY[by]}": f.two_sample(sample, other, np.random.default_rng(SEED), by=by, model=model)
                for model, by in (("trees", "group"), ("trees", "device"), ("linear", "group"))
            }
    # How far two real buses are apart: what a simulated one may be measured against.
    for view in pooled:
        peers = [sample for sample in real if sample.name.endswith(view)]
        distances |= {f"{a.name} : {b.name}": f.distances(a, b) for a, b in combinations(peers, 2)}
    return {
        "window": f.WINDOW,
        "recordings": recordings,
        "sets": {sample.name: f.summary(sample) for sample in (*simulated, *real)},
        "distances": distances,
        "two_sample": tests,
    }


def real_samples(data: Path | None) -> list[Any]:
    """Samples of every real set that is there, in both views. Raises InputError if there is none."""
    from benchmarks.fidelity_scene import measure
    from simulators.scene.recorded import VIEWS, scan

    text = data or os.environ.get("PROVINGGROUND_DATA")
    if not text:
        raise InputError("real recordings must be named by --data or PROVINGGROUND_DATA; neither is given")
    found = []
    for name, (pattern, dbc) in REAL.items():
        folder = Path(text) / "scene" / name
        logs = sorted(folder.glob(pattern))
        for view in VIEWS if logs else ():
            source = scan(logs, folder / dbc, view, name=name)
            arrays = [source.recording(i) for i in range(len(source))]
            found.append(measure(f"{name} {view}", arrays, devices=[0] * len(arrays)))
    if not found:
        raise InputError(f"real recordings must lie in '{Path(text) / 'scene'}' ({', '.join(REAL)}); none is there")
    return found


def rows(report: dict[str, Any]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """The report as tables of text: title -> (heads, rows)."""
    sets = report["sets"]
    lines = [[name, *(_cell(figures, name) for figures in sets.values())] for name in _LINES]
    profiles = [
        [name, kind, "".join(_bar(rate) for rate in reversed(profile)), f"{np.mean(profile):.3f}"]
        for name, figures in sets.items()
        for kind, profile in figures["flip_profile"].items()
    ]
    measures = list(next(iter(report["distances"].values())))
    apart = [[m, *(_distance(found[m]) for found in report["distances"].values())] for m in measures]
    tests = [
        [name, *(_score(found) for found in tried.values()), _tells(tried)]
        for name, tried in report["two_sample"].items()
    ]
    heads = list(next(iter(report["two_sample"].values())))
    return {
        f"Sets (words: windows of {report['window']} samples; median [quartiles] over channels)": (["", *sets], lines),
        "Flip rate of bits 15 to 0, by node type (full bar: 0.5 and above)": (
            ["set", "type", "15 .. 0", "mean"],
            profiles,
        ),
        "Distances: D / Wasserstein (types, flip_profile: mean difference)": (["", *report["distances"]], apart),
        "Two-sample test: AUC [95 % interval], 0.5 = cannot be told apart": (["", *heads, "given away by"], tests),
    }


_LINES = (
    "recordings", "channels", "channels_with_windows", "plain", "msb", "lsb", "bits", "share_constant", "pairs",
    "visible_share", "rollovers_per_min_of_visible", "flip_rate", "run_log10", "entropy", "unique", "still",
    "interval_log10_ms", "jitter_ratio",
)  # fmt: skip


def _cell(figures: dict[str, Any], name: str) -> str:
    value = figures["share_by_type"][name] if name in figures["share_by_type"] else figures[name]
    if value is None:
        return "-"
    if isinstance(value, list):
        median, low, high = value
        return f"{median:.3g} [{low:.3g}, {high:.3g}]"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _bar(rate: float) -> str:
    return BARS[min(len(BARS) - 1, int(rate * 2 * len(BARS)))] if rate > 0 else " "


def _distance(found: dict[str, float] | float | None) -> str:
    if found is None:
        return "-"
    return f"{found['ks']:.2f} / {found['wasserstein']:.3g}" if isinstance(found, dict) else f"{found:.3f}"


def _score(found: dict[str, Any] | None) -> str:
    if found is None:
        return "-"
    low, high = found["interval"] or (np.nan, np.nan)
    return f"{found['auc']:.3f} [{low:.3f}, {high:.3f}]"


def _tells(tried: dict[str, Any]) -> str:
    """The features that give the simulation away, from the first score that there is."""
    found = next((test for test in tried.values() if test), None)
    if found is None:
        return "-"
    return ", ".join(f"{name} {fall:.3f}" for name, fall in list(found["features"].items())[:NAMED] if fall > 0)


def _simulate(name_or_file: str, recordings: int) -> Iterable[Any]:
    """Test recordings of a scenario, one after the other."""
    from scenarios.spec import load, parse
    from simulators.rng import Key
    from simulators.scene.generate import simulate_arrays
    from simulators.scene.spec import SceneSpec

    name, table = load("scene", name_or_file)
    spec = parse(SceneSpec, name, table)
    for index in range(recordings):
        yield simulate_arrays(
            spec,
            Key(
                simulator="scene",
                scenario=name,
                scenario_version=spec.version,
                seed=spec.seed,
                split="test",
                index=index,
            ),
        )


def _show(tables: dict[str, tuple[list[str], list[list[str]]]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, width=None if sys.stdout.isatty() else WIDTH)
    for title, (heads, lines) in tables.items():
        table = Table(title=title, title_justify="left")
        for i, head in enumerate(heads):
            table.add_column(head, overflow="fold", no_wrap=i == 0)
        for line in lines:
            table.add_row(*line)
        console.print(table)


def _keep(
    out: Path | None,
    missing: Sequence[str],
    report: dict[str, Any],
    command: str,
    tables: dict[str, tuple[list[str], list[list[str]]]],
    notes: Sequence[str],
) -> None:
    """Store the report as `out`, or a whole one in DOCS, and say where."""
    kept = out or (DOCS if DOCS.is_dir() else Path()) / f"fidelity-{command.partition(' ')[0]}.md"
    if missing and out is None:
        print(f"not stored: {', '.join(missing)} missing, and {kept} is for whole reports; --out names a file")
        return
    _write(kept, report, command, tables, notes)
    print(f"The report is in {kept}.")


def _write(
    out: Path,
    report: dict[str, Any],
    command: str,
    tables: dict[str, tuple[list[str], list[list[str]]]],
    notes: Sequence[str] = (),
) -> None:
    if out.suffix == ".json":
        text = json.dumps(report, indent=1) + "\n"
    else:
        parts = [
            f"# Fidelity of the {command.partition(' ')[0]} simulator",
            "",
            f"`python -m benchmarks.fidelity {command}`",
        ]
        for note in notes:
            parts += ["", note]
        for title, (heads, lines) in tables.items():
            parts += ["", f"## {title}", "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
            parts += ["| " + " | ".join(line) + " |" for line in lines]
        text = "\n".join(parts) + "\n"
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"report '{out}' must be writable; {error.strerror}") from error


if __name__ == "__main__":
    app()
