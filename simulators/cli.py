"""The command line of a simulator: load a scenario, simulate, check, store; the only input and output here.

Heavy modules are imported where they are used, so that --help and --list answer at once.
"""

import re
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenarios.catalogue import available, load, override, purpose
from scenarios.cli import check_target, run
from scenarios.errors import InputError

if TYPE_CHECKING:
    from scenarios.layout import Header
    from scenarios.spec import Spec
    from simulators.run import Outcome

SPLITS = ("train", "validation", "test")


def main(domain: str, arguments: Sequence[str] | None = None) -> int:
    """Run `python -m simulators.<domain>` and return its exit status: 0, or 2 for bad input."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help=f"Make a versioned set of simulated {domain} recordings, or import recorded ones.")(
        _command(domain)
    )
    return run(app, f"python -m simulators.{domain}", arguments)


def _command(domain: str) -> Callable[..., None]:
    def command(
        places: Annotated[
            list[Path] | None,
            typer.Argument(
                help="More logs after --recorded; or, for --preview, a set's path or name.", show_default=False
            ),
        ] = None,
        scenario: Annotated[str | None, typer.Option(help="A scenario's name, or a .toml file.")] = None,
        set_: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="KEY=VALUE", help="Override a field, as clocks.0.rate_hz=100."),
        ] = None,
        out: Annotated[Path | None, typer.Option(help="Root of the sets [$PROVINGGROUND_SETS, else ./sets].")] = None,
        recordings: Annotated[str, typer.Option(help="Train/validation/test recordings.")] = "64/16/32",
        workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
        seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the scenario's.")] = None,
        only: Annotated[str | None, typer.Option(metavar="SPLIT/INDEX", help="One recording alone.")] = None,
        preview: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw a recording.")] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Say sizes and time; write nothing.")] = False,
        list_: Annotated[bool, typer.Option("--list", help="List the scenarios.")] = False,
        recorded: Annotated[Path | None, typer.Option(metavar="LOG...", help="Real recordings to import.")] = None,
        dbc: Annotated[Path | None, typer.Option(help="What the frames of bus logs mean.")] = None,
        name: Annotated[str | None, typer.Option(help="Name of the imported sets [the logs' folder].")] = None,
        bus: Annotated[int | None, typer.Option(help="Bus of the logs [the one the DBC knows best].")] = None,
        layout: Annotated[str | None, typer.Option(help="How an archive of worn sensors lies [found out].")] = None,
        debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    ) -> None:
        given = {
            "--set": set_,
            "--seed": seed is not None,
            "--only": only,
            "--dry-run": dry_run,
            "--scenario": scenario,
        }
        if recorded and (extra := [name for name, value in given.items() if value]):
            raise InputError(f"--recorded imports logs as they are; it does not go with {extra[0]}")
        if not recorded and (dbc or name or layout or bus is not None):
            raise InputError("--dbc, --name, --bus and --layout say how to import logs; they need --recorded LOG")
        if places and not recorded and (scenario or not preview):
            raise InputError(f"a word must belong to an option; '{places[0]}' is left over")
        if preview and not (scenario or recorded or places):
            raise InputError("--preview needs --scenario NAME, --recorded LOG or a set; there is none")
        if (
            not scenario
            and not recorded
            and not list_
            and (set_ or seed is not None or dry_run or (only and not preview))
        ):
            raise InputError("--set, --seed, --only and --dry-run change a scenario; they need --scenario NAME")
        if list_:
            _list(domain)
        elif recorded:
            _import(domain, [recorded, *(places or [])], dbc, name, bus, layout, out, preview)
        elif scenario is None and preview and places:
            from scenarios.access import find_set

            _draw_stored(domain, find_set(places[0], out), only, preview)
        elif scenario is None:
            _introduce(domain)
        else:
            _simulate(domain, scenario, set_ or [], out, recordings, workers, seed, only, preview, dry_run)

    return command


def _list(domain: str) -> None:
    files = available(domain)
    width = max(map(len, files), default=0)
    for name, path in files.items():
        print(f"{name:<{width}}  {purpose(path)}")


def _introduce(domain: str) -> None:
    print(f"Simulates {domain} recordings with exact truth and stores them as a versioned zarr set. Scenarios:\n")
    _list(domain)
    command = f"python -m simulators.{domain}"
    print(f"\nMake a set:      {command} --scenario NAME [--workers 2]")
    print(f"Only say sizes:  {command} --scenario NAME --dry-run")
    print(f"Draw one:        {command} --scenario NAME --only test/0 --preview {domain}.png")
    print(f"Everything else: {command} --help")


def _simulate(
    domain: str,
    scenario: str,
    changes: list[str],
    out: Path | None,
    recordings: str,
    workers: int,
    seed: int | None,
    only: str | None,
    preview: Path | None,
    dry_run: bool,
) -> None:
    splits, first = _splits(recordings, only)
    name, table = load(domain, scenario)
    own = dict(table)
    table = override(table, changes)
    if seed is not None:
        table["seed"] = seed
    _check_picture(preview)

    from scenarios.access import sets_root
    from scenarios.spec import parse
    from simulators.run import RECORDINGS, generate, header_for

    spec: Spec = parse(import_module(f"simulators.{domain}").Spec, name, table)
    changed = table != own or splits != RECORDINGS or name not in available(domain) or Path(scenario).suffix == ".toml"
    command = shlex.join(["python", "-m", f"simulators.{domain}", *_arguments_of(sys.argv[1:])])
    _announce_compilation()
    header = header_for(domain, name, spec, splits, first, changed=changed, command=command)
    target = sets_root(out) / header.identity
    if dry_run:
        _estimate(domain, name, spec, header, target)
        return
    outcome = _with_progress(partial(generate, target, header, workers=workers))
    if preview:
        split = next(iter(header.splits))
        _draw_stored(domain, target, only or f"{split}/{header.first.get(split, 0)}", preview)
    if only:
        (leaf,) = outcome.manifest["splits"][only.partition("/")[0]]["leaves"]
        print(f"recording {only}: digest {leaf}")
    _tell(outcome)


def _announce_compilation() -> None:
    """Say so where the kernels have yet to be compiled, since nothing moves for a while."""
    from simulators.compiled import CACHE

    if not any(CACHE.rglob("*.nbc")):
        print("compiling the kernels, once; this takes about 15 s", file=sys.stderr)


def _arguments_of(arguments: Sequence[str]) -> list[str]:
    """Arguments that decide what a set holds: where it goes, how it is made and drawn are left out."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument.partition("=")[0] in ("--out", "--workers", "--preview"):
            skip = "=" not in argument
        elif argument != "--debug":
            kept.append(argument)
    return kept


def _splits(recordings: str, only: str | None) -> tuple[dict[str, int], dict[str, int]]:
    """Recordings by split, and the first index of each split that does not begin at 0."""
    counts = recordings.split("/")
    if len(counts) != 3 or not all(c.isdecimal() for c in counts) or not any(map(int, counts)):
        raise InputError(f"--recordings must be three counts such as 64/16/32, not all 0; it is '{recordings}'")
    if only is None:
        return {s: int(n) for s, n in zip(SPLITS, counts, strict=True)}, {}
    split, slash, index = only.partition("/")
    if split not in SPLITS or not slash or not index.isdecimal() or int(index) >= 2**31:
        raise InputError(f"--only must be a split and an index such as test/7; it is '{only}'")
    return {split: 1}, {split: int(index)}


def _check_picture(preview: Path | None) -> None:
    if preview and preview.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise InputError(f"--preview must name a .png, .svg or .pdf file; it is '{preview}'")
    if preview:
        check_target("--preview", preview)


def _estimate(domain: str, name: str, spec: "Spec", header: "Header", target: Path) -> None:
    """Print sizes and times from making three recordings in memory and coding one."""
    import tempfile

    import numpy as np

    from scenarios.store import open_stage, write_block
    from simulators.run import channel_samples, key_of

    module = import_module(f"simulators.{domain}")
    total = sum(header.splits.values())
    split = next(iter(header.splits))
    index = header.first.get(split, 0)
    spare: dict[str, Any] = {}
    times = []
    for i in range(index, index + 3):
        began = time.perf_counter()
        arrays = module.simulate_arrays(spec, key_of(domain, name, spec, split, i), spare)
        times.append(time.perf_counter() - began)
    samples = channel_samples(arrays)
    raw = sum(a.nbytes for a in arrays.values())
    with tempfile.TemporaryDirectory() as folder:
        from dataclasses import replace

        one = replace(header, splits={split: 1}, first={split: i})
        with open_stage(Path(folder) / "one", one) as stage:
            began = time.perf_counter()
            done = write_block(stage.path, one, split, 0, [arrays])
            storing = time.perf_counter() - began
    stored = sum(size for _, size in done["files"].values())
    making = float(np.median(times))
    print(f"set        {target}")
    print(f"recordings {' '.join(f'{s} {n}' for s, n in header.splits.items())}, {samples:,} channel samples each")
    print(f"size       {_size(raw * total)} in memory, about {_size(stored * total)} stored")
    print(f"time       about {total * (making + storing):.1f} s on one process ({making * 1e3:.1f} ms to make a "
          f"recording, {storing * 1e3:.1f} ms to store it)")  # fmt: skip
    print("nothing was written")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} GB" if count < 1000 else f"{count / 1000:.3g} TB"


def _with_progress(work: Callable[..., Any]) -> Any:
    """Run with a progress bar on the terminal: what, how far, rate, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    bar: AbstractContextManager[Any] = Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    )
    tasks: dict[str, tuple[Any, float]] = {}
    with bar as live:

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = live.add_task(what, total=total, rate=""), time.perf_counter()
            task, began = tasks[what]
            rate = f"{done / max(1e-9, time.perf_counter() - began):.1f}/s" if done else ""
            live.update(task, completed=done, rate=rate)

        return work(progress=report)


def _tell(outcome: "Outcome") -> None:
    manifest = outcome.manifest
    stored = sum(size for _, size in manifest["files"].values())
    what = f"{outcome.path}  digest {manifest['digest']}  {_size(stored)}"
    if outcome.existed:
        print(f"already there, verified: {what}")
    elif outcome.samples:
        print(f"{what}  {outcome.samples / outcome.seconds / 1e6:.1f} M channel-samples/s")
    else:
        print(f"completed from what an earlier run had made: {what}")


def _draw_stored(domain: str, path: Path, only: str | None, preview: Path) -> None:
    """Draw one recording of a stored set."""
    _check_picture(preview)
    from scenarios.store import Reader

    reader = Reader(path)
    if (own := reader.layout.header.simulator) != domain:
        raise InputError(f"the set must be of the {domain} simulator; '{path}' is of {own}")
    split = next(iter(reader.layout.header.splits))
    split, _, index = (only or f"{split}/{reader.layout.header.first.get(split, 0)}").partition("/")
    if not index.isdecimal():
        raise InputError(f"--only must be a split and an index such as test/7; it is '{only}'")
    arrays = reader.read(split, int(index))
    draw = import_module(f"simulators.{domain}.plot").draw
    draw(arrays, preview, title=f"{reader.manifest['identity']}  {split}/{index}")
    print(f"picture of {split}/{index}: {preview}")


def _import(
    domain: str,
    logs: list[Path],
    dbc: Path | None,
    name: str | None,
    bus: int | None,
    layout: str | None,
    out: Path | None,
    preview: Path | None,
) -> None:
    """Import real recordings: one a log, and for buses one set a view."""
    if domain not in ("scene", "hand", "imu"):
        raise InputError(f"--recorded imports into scene, hand and imu sets; the simulator is '{domain}'")
    if domain != "imu" and layout:
        raise InputError(f"--layout says how an archive of worn sensors lies; recordings of a {domain} have none")
    if domain == "scene" and dbc is None:
        raise InputError("--recorded needs --dbc FILE, which says what the frames mean; there is none")
    if domain != "scene" and (dbc or bus is not None):
        kind = "hands" if domain == "hand" else "worn sensors"
        raise InputError(f"--dbc and --bus say what frames of a bus mean; recordings of {kind} have none")
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        raise InputError(f"--name must be of letters, digits, '.', '_' and '-'; it is '{name}'")
    _check_picture(preview)
    from scenarios.access import sets_root
    from simulators.run import header_of_recorded, store_recorded

    module = import_module(f"simulators.{domain}.recorded")
    command = shlex.join(["python", "-m", f"simulators.{domain}", *_arguments_of(sys.argv[1:])])
    views = module.VIEWS if domain == "scene" else [None]
    for view in views:
        if view:
            source = module.scan(logs, dbc, view, name=name, bus=bus)
        else:
            source = module.scan(logs, name=name, **({"layout": layout} if layout else {}))
        header = header_of_recorded(domain, source, command)
        target = sets_root(out) / header.identity
        work = partial(store_recorded, target, header, source)
        _tell(_with_progress(work))
        if preview and view == views[-1]:
            _draw_stored(domain, target, None, preview)
