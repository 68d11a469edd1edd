"""Write the board: tables and pictures from the results that hold.

    python -m benchmarks.leaderboard --results results --out docs/leaderboard --readme README.md

The README gets a table between its markers, every track a page, and all scores a tidy table: the means over kinds in
CSV, each kind too in Parquet. Scores and intervals are computed anew from the rows of the recordings. The same results
always give the same files.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import pictures
from benchmarks import statistics as st
from benchmarks.board import Board, Standing, board
from benchmarks.pages import COLUMNS, NAME, as_json, index, page, stem, summary, tidy
from scenarios import cli
from scenarios.errors import InputError

PICTURES = ("scores", "cost", "cd")
"""Of a track."""
BEGIN, END = "<!-- leaderboard -->", "<!-- /leaderboard -->"

app = typer.Typer(add_completion=False)


@app.command(help=__doc__)
def command(
    results: Annotated[Path, typer.Option(help="Folder of results.")] = Path("results"),
    out: Annotated[Path, typer.Option(help="Folder of the pages.")] = Path("docs/leaderboard"),
    readme: Annotated[Path, typer.Option(help="File with the two markers.")] = Path("README.md"),
    domain: Annotated[str | None, typer.Option(help="Only the tracks of one domain.")] = None,
) -> None:
    """See the help text."""
    from benchmarks.tracks import TRACKS

    domains = sorted({name.partition("/")[0] for name in TRACKS})
    if domain is not None and domain not in domains:
        raise InputError(f"--domain must be one of {', '.join(domains)}; it is '{domain}'")
    tracks = {name: t for name, t in TRACKS.items() if domain is None or name.startswith(f"{domain}/")}
    marked(readme)
    found = board(results, tracks, known=TRACKS)
    written = write(found, out, readme)
    ranked = sum(len(b.ranked) for b in found.tracks.values())
    left = sum(len(b.left) for b in found.tracks.values()) + len(found.strays)
    print(f"{len(found.tracks)} tracks, {ranked} places, {left} results left off: {len(written)} files in {out}")


def marked(readme: Path) -> tuple[str, str]:
    """What stands before and after the table in a README. Raises InputError if it has not its two markers."""
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"readme '{readme}' must be a file that can be read; {error.strerror}") from error
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise InputError(f"readme '{readme}' must have one '{BEGIN}' and after it one '{END}'; "
                         f"it has {text.count(BEGIN)} and {text.count(END)}")  # fmt: skip
    return text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]


def write(board: Board, out: Path, readme: Path) -> list[Path]:
    """Write pages, pictures and tables into `out`, and the table into the README; the paths in `out` written.

    Raises InputError if the README has not its markers, before anything is written, or if `out` cannot be written.
    """
    before, after = marked(readme)
    base = os.path.relpath(out, readme.parent).replace(os.sep, "/") + "/"
    table = ["", *summary(board, base), "", f"Made by `{NAME}`; [more]({base}README.md).", ""]
    try:
        out.mkdir(parents=True, exist_ok=True)
        written = [*_write_pages(board, out), *_write_tables(board, out)]
        part = readme.with_name(f".{readme.name}.part")
        part.write_text("\n".join([before, *table, after]), encoding="utf-8")
        part.replace(readme)
    except OSError as error:
        raise InputError(f"leaderboard '{out}' must be writable; {error.filename}: {error.strerror}") from error
    return written


def _write_pages(board: Board, out: Path) -> list[Path]:
    texts = {"README.md": index(board)} | {f"{stem(name)}.md": page(b) for name, b in board.tracks.items()}
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    drawn = []
    for old in [
        *out.glob("across-*.svg"),
        *(out / f"{stem(name)}-{what}.svg" for name in board.tracks for what in PICTURES),
    ]:
        old.unlink(missing_ok=True)  # what is no longer drawn must not stay
    for name, b in board.tracks.items():
        marks = [_mark(s) for s in b.standings]
        label = f"{b.metric.name}, test {b.track.main_test}"
        if marks:
            drawn += [out / f"{stem(name)}-scores.svg", out / f"{stem(name)}-cost.svg"]
            pictures.scores(drawn[-2], marks, label)
            pictures.cost(drawn[-1], marks, label)
        if b.comparison and not b.comparison.vacuous:
            drawn.append(out / f"{stem(name)}-cd.svg")
            pictures.critical(drawn[-1], b.comparison, f"{b.comparison.units} {b.units}")
    for i, (_, found) in enumerate(board.across):
        if found.vacuous:
            continue
        drawn.append(out / f"across-{i + 1}.svg")
        pictures.critical(drawn[-1], found, f"{found.units} tracks")
    return [*(out / name for name in texts), *drawn]


def _mark(s: Standing) -> pictures.Mark:
    each = s.cost.get("predict_s", st.NONE) / max(s.cost.get("recordings", st.NONE), 1)
    return pictures.Mark(name=s.name, role=s.role, value=s.main.value, low=s.main.low, high=s.main.high, cost=each)


def _write_tables(board: Board, out: Path) -> list[Path]:
    import csv

    import pyarrow as pa
    from pyarrow import parquet

    written = []
    text, whole, real = pa.string(), pa.int64(), pa.float64()
    types = [text, whole, text, text, text, text, whole, text, text, real, real, real]
    for domain in sorted({name.partition("/")[0] for name in board.tracks}):
        rows = tidy(board, domain)
        written += [out / f"{domain}.{ext}" for ext in ("csv", "parquet", "json")]
        with written[-3].open("w", encoding="utf-8", newline="") as file:
            sheet = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            sheet.writeheader()
            sheet.writerows(row for row in rows if not row["kind"])  # small enough to be kept in the repository
        schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
        parquet.write_table(pa.Table.from_pylist(rows, schema=schema), written[-2], compression="zstd")
        told = json.dumps(as_json(board, domain), indent=1, ensure_ascii=False, allow_nan=False, default=str)
        written[-1].write_text(told + "\n", encoding="utf-8")
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return cli.run(app, NAME, arguments)


if __name__ == "__main__":
    sys.exit(main())
