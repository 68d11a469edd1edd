"""Run entries on tracks.

    python -m benchmarks.run --track scene/pairing --entry tolerant --seeds 5
    python -m benchmarks.run --all --domain scene --seeds 5

Every entry runs in a process of its own, so that one that fails, hangs or dies leaves the others alone. What is done
is not done again: a run that was stopped goes on with the same command.
"""

import dataclasses
import json
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.track import SCHEMA, Declared, Result, SetOf, Track
from scenarios import cli
from scenarios.errors import InputError

RESULTS = Path("results")
TIMEOUT_S = 1800.0
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command(help=__doc__)
def command(
    track: Annotated[list[str] | None, typer.Option(help="Track; may be repeated.")] = None,
    entry: Annotated[list[str] | None, typer.Option(help="Entry; may be repeated. Default: all of the track.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of entries that draw; the others run once.")] = 5,
    every: Annotated[bool, typer.Option("--all", help="All tracks (of --domain).")] = False,
    domain: Annotated[str | None, typer.Option(help="With --all: tracks of one domain.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of results.")] = RESULTS,
    sets: Annotated[Path | None, typer.Option(help="Folder of sets; else $PROVINGGROUND_SETS or ./sets.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Entries that run at once; 0: one a core.")] = 0,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which an entry is stopped.")] = TIMEOUT_S,
    force: Annotated[bool, typer.Option("--force", help="Run also what has valid results.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Show tracks and entries.")] = False,
    small: Annotated[
        bool, typer.Option("--small", help="A few short recordings, to try things; not for the board.")
    ] = False,
    pin: Annotated[bool, typer.Option("--pin", help="Write the digests of all sets to benchmarks/pins.json.")] = False,
) -> None:
    """See the help text."""
    if listing:
        _list()
        return
    workers = workers or os.cpu_count() or 1
    from benchmarks.tracks import TRACKS, track_of

    if every:
        chosen = [t for t in TRACKS.values() if domain is None or t.id.startswith(f"{domain}/")]
        if not chosen:
            known = ", ".join(sorted({name.partition("/")[0] for name in TRACKS}))
            raise InputError(f"--domain must be one of {known}; it is '{domain}'")
    elif track:
        chosen = [track_of(name) for name in track]
    else:
        raise InputError("give --track NAME, or --all; `--list` shows what there is")
    if pin:
        _pin(chosen, sets)
        return
    if small and results == RESULTS:
        results = Path(f"{RESULTS}-small")
    began = time.monotonic()
    common = Job(track="", entry="", seeds=(), results=results, sets=sets, timeout_s=timeout, force=force, small=small)
    jobs = list(_jobs(chosen, entry, seeds, common))
    failed = run_jobs(jobs, workers, {} if small else prepare(chosen, sets, workers))
    print(f"{len(jobs)} entries in {(time.monotonic() - began) / 60:.1f} minutes in all", file=sys.stderr)
    if failed:
        print(f"{failed} of {len(jobs)} entries left a failure; the board shows the reason", file=sys.stderr)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One entry on one track, with the seeds that are wanted."""

    track: str
    entry: str
    seeds: tuple[int, ...]
    results: Path
    sets: Path | None
    timeout_s: float
    force: bool
    small: bool

    @property
    def of(self) -> Track:
        """The track, or its small version."""
        from benchmarks.tracks import TRACKS, small

        return small(TRACKS[self.track]) if self.small else TRACKS[self.track]

    @property
    def declared(self) -> Declared:
        """The entry as it is declared."""
        from benchmarks.entries import entry_of

        return entry_of(self.of, self.entry)


def _jobs(chosen: Sequence[Track], entries: Sequence[str] | None, seeds: int, common: Job) -> Iterator[Job]:
    from benchmarks.entries import entries_of, entry_of

    for track in chosen:
        known = entries_of(track)
        if entries and len(chosen) == 1:
            for name in entries:
                entry_of(track, name)
        for name, declared in known.items():
            if entries and name not in entries:
                continue
            numbers = (0,) if declared.deterministic else tuple(range(seeds))
            yield dataclasses.replace(common, track=track.id, entry=name, seeds=numbers)


def prepare(chosen: Sequence[Track], sets: Path | None, workers: int) -> dict[str, str]:
    """Make or find the sets of some tracks; returns the reason by track where that fails.

    Real recordings that are absent are no failure: their test is left out.
    """
    from benchmarks.sets import AbsentError, find

    reasons: dict[str, str] = {}
    every = list(dict.fromkeys(s for t in chosen for s in t.sets))
    bad: dict[SetOf, str] = {}
    bar, report = cli.progress_bar()
    with bar:
        for done, of in enumerate(every):
            report("sets", done, len(every))
            try:
                find(of, sets, workers=workers)
            except AbsentError as error:
                print(f"left out: {error}", file=sys.stderr)
            except InputError as error:
                bad[of] = str(error)
                print(f"error: {error}", file=sys.stderr)
        report("sets", len(every), len(every))
    for track in chosen:
        if found := [bad[s] for s in track.sets if s in bad]:
            reasons[track.id] = found[0]
    return reasons


def run_jobs(jobs: Sequence[Job], workers: int, reasons: dict[str, str]) -> int:
    """Run jobs, `workers` at once, each in a process; returns how many did not end well."""
    context = multiprocessing.get_context("spawn")
    left = [job for job in jobs if job.force or _missing(job)]
    if len(left) < len(jobs):
        print(f"{len(jobs) - len(left)} of {len(jobs)} entries have valid results", file=sys.stderr)
    running: dict[Any, tuple[Job, float]] = {}
    failed = done = 0
    total = len(left)
    try:
        while left or running:
            while left and len(running) < workers:
                job = left.pop(0)
                if job.track in reasons:
                    _give_up(job, "failed", reasons[job.track])
                    failed, done = failed + 1, done + 1
                    continue
                _clear(job)
                process = context.Process(target=_work, args=(job,), daemon=True)
                with _one_thread():
                    process.start()
                running[process] = (job, time.monotonic())
            for process, (job, began) in list(running.items()):
                process.join(0.05)
                if process.is_alive() and time.monotonic() - began > job.timeout_s:
                    process.kill()
                    process.join()
                    _give_up(job, "timeout", f"it ran longer than {job.timeout_s:g} s")
                elif process.is_alive():
                    continue
                elif process.exitcode or not all(_path(job, seed).is_file() for seed in job.seeds):
                    code = process.exitcode or 0
                    how = f"signal {-code}" if code < 0 else f"status {code}"
                    _give_up(job, "failed", f"its process ended with {how} and no result")
                del running[process]
                done += 1
                ok, text = _outcome(job)
                failed += not ok
                print(
                    f"[{done}/{total}] {job.track}  {job.entry}  {text}  {time.monotonic() - began:.0f} s", flush=True
                )
    finally:
        for process in running:
            process.kill()
    return failed


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that start meanwhile compute on one thread; this one, whose threads may run already, stays as it is."""
    added = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _clear(job: Job) -> None:
    """Remove results that are to be made anew, and those of seeds that a deterministic entry no longer has."""
    for path in job.results.glob(f"{job.track}/{job.entry}/*.json"):
        seed = int(path.stem) if path.stem.isdecimal() else -1
        gone = seed not in job.seeds and job.declared.deterministic
        if gone or (seed in job.seeds and (job.force or not _valid(job, seed))):
            path.with_suffix(".parquet").unlink(missing_ok=True)
            path.unlink()


def _work(job: Job) -> None:
    """What a process does: the seeds of one job that have no valid result."""
    from benchmarks.evaluate import evaluate

    threading.Thread(target=_end_with_parent, daemon=True).start()
    for seed in job.seeds:
        if job.force or not _valid(job, seed):
            result, rows = evaluate(job.of, job.entry, seed, job.sets)
            write(job.results, result, rows)


def _end_with_parent() -> None:
    """A runner that is killed takes its entries with it: the next run must not meet one that is still at work."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _path(job: Job, seed: int) -> Path:
    return path_of(job.results, job.track, job.entry, seed)


def path_of(results: Path, track: str, entry: str, seed: int) -> Path:
    """Where the result of an entry on a track lies."""
    return results / track / entry / f"{seed}.json"


def write(results: Path, result: Result, rows: Sequence[dict[str, Any]]) -> None:
    """Write a result and its rows; the JSON comes last, and whole."""
    path = path_of(results, result.track, result.entry, result.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = path.with_suffix(".parquet")
    table.unlink(missing_ok=True)
    if rows:
        import pyarrow as pa
        from pyarrow import parquet

        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {name: [row.get(name, 0.0) for row in rows] for name in names}
        parquet.write_table(pa.table(columns), f"{table}.part")
        os.replace(f"{table}.part", table)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(dataclasses.asdict(result), indent=1, default=float) + "\n")
    os.replace(part, path)


def stale(result: Result, track: Track) -> str:
    """Why a result no longer holds, in a line; "" where it does."""
    from benchmarks.depends import depends
    from benchmarks.entries import entries_of
    from benchmarks.sets import at_hand, name_of, pins

    if result.schema != SCHEMA:
        return f"its file has format {result.schema}, not {SCHEMA}"
    if result.track_version != track.version:
        return f"made on version {result.track_version} of the track, which is now at {track.version}"
    known, names = pins(), {name_of(s) for s in track.sets}
    for name, digest in result.digests.items():
        if name not in names:
            return f"made on set '{name}', which the track does not have"
        if name in known and known[name] != digest:
            return f"set '{name}' had digest {digest[:12]}, not {known[name][:12]}"
    if result.status == "ok" and (
        lacking := [name for of in track.sets if (name := name_of(of)) not in result.digests and at_hand(of)]
    ):
        return f"made without set '{lacking[0]}', which is there now"
    declared = entries_of(track).get(result.entry)
    if declared is None:
        return "no longer declared"
    if declared.deterministic and result.seed:
        return "declared deterministic: seed 0 is its only run"
    if (now := depends(track, declared)) != result.depends:
        return f"what it depends on has changed ({result.depends} then, {now} now)"
    return ""


def _valid(job: Job, seed: int) -> bool:
    from benchmarks.board import read_result

    path = _path(job, seed)
    if not path.is_file():
        return False
    try:
        result = read_result(path)
    except InputError:
        return False
    return result.status == "ok" and not stale(result, job.of)


def _missing(job: Job) -> bool:
    return not all(_valid(job, seed) for seed in job.seeds)


def _outcome(job: Job) -> tuple[bool, str]:
    """(whether all seeds ended well, what there is to say)."""
    from benchmarks.board import read_result

    found = [read_result(_path(job, s)) for s in job.seeds]
    for result in found:
        if result.status != "ok":
            return False, f"{result.status}: {result.reason}"
    track = job.of
    score = found[0].scores.get(track.main_test, {}).get(track.task.main)
    if not score or score["value"] is None:
        return True, "nothing to score"
    low, high = (f"{score[end]:.3f}" if score[end] is not None else "-" for end in ("low", "high"))
    return True, f"{track.task.main} {score['value']:.3f} [{low}, {high}]"


def _give_up(job: Job, status: str, reason: str) -> None:
    """Write a result that says why there is none, for every seed without one."""
    from benchmarks.evaluate import empty

    for seed in job.seeds:
        path = _path(job, seed)
        if not (path.is_file() and _valid(job, seed)):
            write(job.results, empty(job.of, job.entry, seed, status, reason), [])


def _pin(chosen: Sequence[Track], sets: Path | None) -> None:
    """Write the digests of the sets of some tracks among the pins."""
    from benchmarks.sets import PINS, AbsentError, find, name_of, pins
    from benchmarks.tracks import TRACKS

    names = {name_of(s) for t in TRACKS.values() for s in t.sets}
    known = {name: digest for name, digest in pins().items() if name in names}
    for of in dict.fromkeys(s for t in chosen for s in t.sets):
        try:
            known[name_of(of)] = find(of, sets, pinned=False, workers=os.cpu_count() or 1).digest
        except AbsentError as error:
            print(f"left as it was: {error}", file=sys.stderr)
    PINS.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    print(f"{len(known)} pins in {PINS}")


def _list() -> None:
    from benchmarks.entries import entries_of
    from benchmarks.tracks import TRACKS

    for track in TRACKS.values():
        print(f"{track.id}  (version {track.version})  {track.task.question}")
        for name, declared in entries_of(track).items():
            mark = "oracle" if declared.oracle else "floor" if name in track.floors else ""
            print(f"    {name:24} {mark:7} {declared.about}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return cli.run(app, "benchmarks.run", arguments)


if __name__ == "__main__":
    raise SystemExit(main())
