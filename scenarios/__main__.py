"""python -m scenarios list | show | verify | export | diff | clean: look at scenarios and at sets of them."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from scenarios import catalogue
from scenarios.cli import progress_bar, run
from scenarios.errors import InputError

app = typer.Typer(
    help="Look at scenarios and at the sets made of them. --debug shows the traceback of an error.",
    add_completion=False,
    rich_markup_mode=None,
)
Root = Annotated[Path | None, typer.Option("--root", help="Folder of the sets: else $PROVINGGROUND_SETS, else ./sets.")]
Name = Annotated[str, typer.Argument(help="A set's path, or its name such as scene/overflow_heavy.")]


@app.command("list")
def list_(root: Root = None) -> None:
    """List every scenario with its purpose, and the sets that are there."""
    from scenarios.access import find_sets, sets_root
    from scenarios.card import read_manifest

    for domain, names in _domains().items():
        width = max(map(len, names))
        print(f"{domain}:")
        for name, path in names.items():
            print(f"  {name:{width}}  {catalogue.purpose(path)}")
    sets = find_sets(root)
    print(f"sets in {sets_root(root)}:" if sets else f"no sets in {sets_root(root)}")
    for name, path in sets.items():
        try:
            content = read_manifest(path)
        except InputError as error:
            print(f"  {name}  damaged: {error}")
            continue
        splits = " ".join(f"{s} {v['count']}" for s, v in content["splits"].items())
        print(f"  {name}  {content['digest'][:12]}  {splits}  {_mb(content)}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A scenario, or the path or name of a set.")],
    recording: Annotated[str | None, typer.Option(help="One recording of a set, such as test/7.")] = None,
    root: Root = None,
) -> None:
    """Show a scenario's text, or what a set or one of its recordings holds."""
    from scenarios.access import find_set

    files = {f"{d}/{n}": p for d, names in _domains().items() for n, p in names.items()}
    short = {n.partition("/")[2]: p for n, p in files.items()}
    scenario = files.get(name) or short.get(name)
    if name.endswith(".toml"):
        catalogue.load("", name)  # refuses what is no scenario file
        scenario = Path(name)
    if scenario and recording is None:
        print(f"# {scenario}\n{scenario.read_text(encoding='utf-8')}", end="")
        return
    try:
        path = find_set(name, root)
    except InputError as error:
        if scenario is None and "not found" in str(error) and "did you mean" not in str(error):
            raise InputError(f"no scenario and no set is called '{name}'"
                             f"{catalogue.did_you_mean(name, [*files, *short])}") from error  # fmt: skip
        raise
    _show_set(path) if recording is None else _show_recording(path, recording)


@app.command()
def verify(
    name: Name,
    files_only: Annotated[bool, typer.Option("--files-only", help="Check the files, decode nothing.")] = False,
    root: Root = None,
) -> None:
    """Check every file of a set and compute its digest anew."""
    from scenarios.access import find_set
    from scenarios.store import verify as check

    path = find_set(name, root)
    bar, report = progress_bar()
    with bar:
        content = check(path, decode=not files_only, progress=report)
    count = sum(v["count"] for v in content["splits"].values())
    print(f"ok: {path}: {count} recordings, {len(content['files'])} files, digest {content['digest']}")


@app.command()
def export(
    name: Name,
    out: Annotated[Path, typer.Option("--out", help="A new folder (parquet) or file (hdf5, npz).")],
    form: Annotated[str, typer.Option("--format", help="parquet or hdf5; npz: a hand set's readings.")] = "parquet",
    root: Root = None,
) -> None:
    """Write a set in another format."""
    from scenarios.access import find_set
    from scenarios.export import export as write

    path = find_set(name, root)
    bar, report = progress_bar()
    with bar:
        written = write(path, form, out, report)
    print(f"{out}: {len(written)} files, {sum(p.stat().st_size for p in written) / 1e6:.1f} MB")


@app.command()
def diff(a: Name, b: Name, root: Root = None) -> None:
    """Say why two sets have different digests."""
    from scenarios.access import find_set
    from scenarios.compare import compare

    lines = compare(find_set(a, root), find_set(b, root))
    print("\n".join(lines) if lines else "same digest, same spec")


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only listed.")] = False,
    root: Root = None,
) -> None:
    """List what stopped runs left behind, or remove it."""
    from scenarios import staging
    from scenarios.access import sets_root

    base = sets_root(root)
    found = staging.clean(base) if yes else staging.litter(base)
    for path in found:
        print(f"{'removed' if yes else 'left behind:'} {path}")
    if not found:
        print(f"nothing left behind in {base}")
    elif not yes:
        print("remove with --yes; a run of the same command would go on from them")


def _domains() -> dict[str, dict[str, Path]]:
    found = {p.name: catalogue.available(p.name) for p in sorted(catalogue.HOME.iterdir()) if p.is_dir()}
    return {domain: names for domain, names in found.items() if names}


def _mb(content: dict[str, Any]) -> str:
    return f"{sum(size for _, size in content['files'].values()) / 1e6:.1f} MB"


def _show_set(path: Path) -> None:
    """What a set is and which arrays it has."""
    from scenarios.store import Reader

    reader = Reader(path)
    content, layout = reader.manifest, reader.layout
    print(f"{content['identity']}  {path}")
    print(f"digest {content['digest']}")
    print(f"{_mb(content)} in {len(content['files'])} files; made by: {content['command']}")
    for split, told in content["splits"].items():
        print(f"{split}: {told['count']} recordings from {told['first']}, {told['block']} a shard")
    for var in layout.header.variables:
        dims = ", ".join(
            f"{d} {n}" if n is not None else d for d, n in zip(var.dims, layout.header.shapes[var.name], strict=True)
        )
        print(f"  {var.name:32} {var.dtype:8} ({dims})  {var.units}")


def _show_recording(path: Path, place: str) -> None:
    """The digest and the arrays of one recording."""
    from scenarios.store import Reader, leaf

    split, _, number = place.rpartition("/")
    if not split or not number.isdigit():
        raise InputError(f"a recording must be given as split/index, such as test/7; it is '{place}'")
    reader = Reader(path)
    arrays = reader.read(split, int(number))
    print(f"{place} of {path}")
    print(f"digest {leaf(arrays, reader.layout.header.variables).hex()}")
    for name, array in arrays.items():
        span = f"{array.min()} to {array.max()}" if array.size else "empty"
        print(f"  {name:32} {array.dtype!s:8} {array.shape!s:16} {span}")


if __name__ == "__main__":
    sys.exit(run(app, "python -m scenarios", sys.argv[1:] or ["--help"]))
