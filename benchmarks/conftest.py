"""What the benchmarks share: timing side by side, and the tables printed at the end of a run."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from benchmarks.track import Recording
from scenarios.spec import load, parse
from simulators.rng import Key
from simulators.run import key_of
from simulators.scene.generate import simulate_arrays
from simulators.scene.spec import SceneSpec

Row = Mapping[str, str]
ROWS = pytest.StashKey[dict[str, list[Row]]]()


def best(functions: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Least time of each function, in seconds, taken in turn so that a busy machine treats all alike."""
    for function in functions.values():
        function()
    least = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            began = time.perf_counter()
            function()
            least[name] = min(least[name], time.perf_counter() - began)
    return least


def scene(name: str) -> tuple[SceneSpec, Key]:
    """A scenario's spec and the key of its first recording."""
    name, table = load("scene", name)
    spec = parse(SceneSpec, name, table)
    return spec, key_of("scene", name, spec, "train", 0)


def recording(kind: str, split: str, index: int) -> Recording:
    """One recording of a scenario, made anew."""
    spec = parse(SceneSpec, *load("scene", kind))
    arrays = simulate_arrays(spec, key_of("scene", kind, spec, split, index))
    inputs, truth = ({name: a for name, a in arrays.items() if name.startswith(part)} for part in ("inputs", "truth"))
    return Recording(inputs=inputs, truth=truth, kind=kind, index=index)


@dataclass(frozen=True)
class Train:
    """The first two training recordings of a scenario, made as they are asked for."""

    kind: str

    def __len__(self) -> int:
        """How many recordings there are."""
        return 2

    def __iter__(self) -> Iterator[Recording]:
        """The recordings in order."""
        return (recording(self.kind, "train", i) for i in range(2))


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`tell(table, what, **cells)`: a row of a table at the end of the run, and the benchmark's extra_info."""
    tables = request.config.stash.setdefault(ROWS, {})
    benchmark = request.getfixturevalue("benchmark")

    def add(table: str, what: str, **cells: str) -> None:
        tables.setdefault(table, []).append(
            {"": what, **{name.replace("_", " "): text for name, text in cells.items()}}
        )
        benchmark.extra_info |= {f"{what}, {name.replace('_', ' ')}": text for name, text in cells.items()}

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the tables of ratios."""
    for title, rows in config.stash.get(ROWS, {}).items():
        columns = list(dict.fromkeys(name for row in rows for name in row))
        width = {c: max(len(c), *(len(row.get(c, "")) for row in rows)) for c in columns}
        terminalreporter.section(title)
        for row in ({c: c for c in columns}, *rows):
            cells = (row.get(c, "").rjust(width[c]) if c else row[c].ljust(width[c]) for c in columns)
            terminalreporter.write_line("   ".join(cells).rstrip())
