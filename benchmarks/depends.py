"""What a result depends on, as a hash: a commit elsewhere does not make it stale, a changed metric or method does."""

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.track import Declared, Track

RUNNING = ("benchmarks.evaluate", "benchmarks.sets", "benchmarks.statistics")
"""Modules that turn recordings into answers and choices of a grid; of what they import nothing counts."""
DECLARING = ("benchmarks.track", "benchmarks.tracks", "benchmarks.entries")
"""Modules that compute no score: what they declare of a track and of an entry is hashed by itself."""


def depends(track: Track, declared: Declared) -> str:
    """Hash (sha256, 16 hex digits) of a track's declaration, its simulators' versions, its scoring and an entry.

    Of the track that is the module of its task, and of the entry its declaration and the module that makes it, each
    with all that it imports from `benchmarks` (metrics; ceilings where an oracle lies there), from its own package and
    from `baselines`. Simulators count by their VERSION alone: it changes when their output does.
    """
    total = hashlib.sha256()
    for text in (_declaration(track), _entry(declared), *(f"{d}={_version(d)}" for d in _domains(track))):
        total.update(text.encode() + b"\0")
    for path in _sources(track, declared):
        total.update(path.name.encode() + b"\0" + _bytes(path) + b"\0")
    return total.hexdigest()[:16]


def _declaration(track: Track) -> str:
    tests = [(t.name, t.split, t.sets) for t in track.tests]
    return repr((track.id, track.version, track.task.name, track.train, tests, track.labels))


def _entry(declared: Declared) -> str:
    target = declared.make
    name = getattr(_target(target), "__qualname__", repr(target))
    arguments = sorted(getattr(target, "keywords", {}).items())
    return repr((name, arguments, declared.version, sorted(declared.grid.items())))


def _target(make: Any) -> Any:
    """The class or function behind a factory, through `functools.partial`."""
    while hasattr(make, "func"):
        make = make.func
    return make


def _domains(track: Track) -> list[str]:
    return sorted({s.simulator for s in track.sets})


@cache
def _version(domain: str) -> str:
    return str(import_module(f"simulators.{domain}").VERSION)


def _sources(track: Track, declared: Declared) -> list[Path]:
    """Source files of what runs, of the task and of the entry, by path."""
    owners = (inspect.getmodule(_target(make)) for make in (track.task.columns, declared.make))
    names = [owner.__name__ for owner in owners if owner]
    return sorted({*_files(names), *_files(RUNNING, follow=False)})


def _files(names: Iterable[str], follow: bool = True) -> list[Path]:
    """Source files of some modules and of what they import from their own packages and from `baselines`."""
    found: dict[str, Path] = {}
    left = list(names)
    while left:
        name = left.pop()
        if name in found or name in DECLARING:
            continue
        loaded = sys.modules.get(name)
        origin = getattr(loaded, "__file__", None) or _origin(name)
        if not origin or not Path(origin).is_file() or Path(origin).suffix != ".py":
            continue
        found[name] = Path(origin)
        tops = {name.partition(".")[0], "baselines"} if follow else set()
        left += [n for n in _imports(Path(origin), name) if n.partition(".")[0] in tops]
    return list(found.values())


@cache
def _imports(path: Path, name: str) -> tuple[str, ...]:
    return tuple(_imported(ast.parse(_bytes(path)), name))


def _imported(tree: ast.AST, name: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*name.split(".")[: -node.level], *([base] if base else [])])
            yield base
            yield from (f"{base}.{a.name}" for a in node.names)  # modules, or what they hold


@cache
def _origin(name: str) -> str | None:
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):  # no module, or __main__
        return None
    return spec.origin if spec else None


@cache
def _bytes(path: Path) -> bytes:
    return path.read_bytes()
