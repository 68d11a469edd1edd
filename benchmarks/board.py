"""What the board holds: the results that hold, scored anew from the rows of the recordings, and their order."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks import statistics as st
from benchmarks.track import Metric, Result, Track
from scenarios.catalogue import did_you_mean
from scenarios.errors import InputError

LONGEST = 240
"""Characters of a reason."""
Stale = Callable[[Result, Track], str]
"""Why a result no longer holds for a track, or ""."""


def one_line(text: str) -> str:
    """One line without what Markdown would take for a table or a tag."""
    text = " ".join(text.split())
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return text.replace("|", "\\|").replace("<", "&lt;")


# Results


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Recordings of one test that an entry answered, in order of kind and index."""

    kinds: np.ndarray
    index: np.ndarray
    columns: Mapping[str, np.ndarray]

    @property
    def key(self) -> tuple[tuple[str, int], ...]:
        """Which recordings they are."""
        return tuple(zip(self.kinds.tolist(), self.index.tolist(), strict=True))

    def of(self, metric: Metric) -> np.ndarray:
        """(n, columns) of a metric; columns that this test does not have are 0, which is nothing to score."""
        none = np.zeros(self.kinds.size)
        return np.stack([self.columns.get(name, none) for name in metric.columns], 1)

    def only(self, keep: np.ndarray) -> "Rows":
        """The rows at some positions."""
        return Rows(kinds=self.kinds[keep], index=self.index[keep],
                    columns={name: column[keep] for name, column in self.columns.items()})  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A result that holds, with its rows by test."""

    result: Result
    tests: Mapping[str, Rows]


@dataclass(frozen=True, kw_only=True)
class Left:
    """A result that is not on the board, and why."""

    entry: str
    seed: str
    reason: str


def read_result(path: Path) -> Result:
    """A result from its file. Raises InputError where it is none."""
    try:
        return Result(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"its file is not a result: {error}") from error


def read_rows(path: Path) -> dict[str, Rows]:
    """Rows by test from the Parquet file beside a result. Raises InputError where it is none."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise InputError("reading results needs pyarrow; it is absent: pip install 'provingground[export]'") from error
    try:
        table = parquet.read_table(path)
        test, kind = (np.array(table[name].to_pylist(), dtype=str) for name in ("test", "kind"))
        index = np.array(table["index"].to_pylist(), dtype=np.int64)
        columns = {name: np.array(table[name].to_pylist(), dtype=float) for name in table.column_names
                   if name not in ("test", "kind", "index")}  # fmt: skip
    except FileNotFoundError as error:
        raise InputError(f"its rows '{path.name}' are not there") from error
    except (OSError, KeyError, ValueError, TypeError, ArrowException) as error:
        raise InputError(f"its rows '{path.name}' cannot be read: {error}") from error
    rows = Rows(kinds=kind, index=index, columns=columns)
    found = {}
    for name in dict.fromkeys(test.tolist()):
        own = np.flatnonzero(test == name)
        found[name] = rows.only(own[np.lexsort((index[own], kind[own]))])
    return found


def read_runs(results: Path, track: Track, stale: Stale) -> tuple[list[Run], list[Left]]:
    """The results of a track that hold, by entry and seed, and those that do not."""
    runs, left = [], []
    for path in sorted((results / track.id).glob("*/*.json"), key=lambda p: (p.parent.name, len(p.stem), p.stem)):
        entry = path.parent.name
        try:
            result = read_result(path)
            entry = result.entry
            if reason := _invalid(result, track, path, stale):
                raise InputError(reason)
            rows = read_rows(path.with_suffix(".parquet"))
            if reason := _unfit(rows, track):
                raise InputError(reason)
            runs.append(Run(result=result, tests=rows))
        except InputError as error:
            left.append(Left(entry=entry, seed=path.stem, reason=one_line(str(error))))
    return _same_recordings(runs, left)


def _invalid(result: Result, track: Track, path: Path, stale: Stale) -> str:
    """Why a result is left off, or ""."""
    if (result.track, result.entry, str(result.seed)) != (track.id, path.parent.name, path.stem):
        return f"its file says that it is {result.track}/{result.entry}/{result.seed}"
    reason = stale(result, track)
    if result.status != "ok":
        return f"{result.status}: {result.reason}" + (f" (and out of date: {reason})" if reason else "")
    return f"out of date: {reason}" if reason else ""


def _unfit(rows: Mapping[str, Rows], track: Track) -> str:
    """Why the rows of a result cannot rank it, or ""."""
    main = track.task.metric(track.task.main)
    if track.main_test not in rows:
        return f"its rows have no recording of the test '{track.main_test}'"
    if lacking := [name for name in main.columns if name not in rows[track.main_test].columns]:
        return f"its rows lack what '{main.name}' needs: {', '.join(lacking)}"
    return ""


def _same_recordings(runs: list[Run], left: list[Left]) -> tuple[list[Run], list[Left]]:
    """Runs on the same recordings as most: differences are between scores of the same."""
    usual: dict[str, set[tuple[str, int]]] = {}
    for name in dict.fromkeys(name for run in runs for name in run.tests):
        counts = Counter(run.tests[name].key for run in runs if name in run.tests)
        usual[name] = set(max((count, len(key), key) for key, count in counts.items())[2])
    kept: list[Run] = []
    left = list(left)
    for run in runs:
        reason = ""
        for name, rows in run.tests.items():
            if (own := set(rows.key)) != usual[name]:
                reason = (f"it was scored on {len(own)} recordings of the test '{name}', "
                          f"{len(own & usual[name])} of them among the {len(usual[name])} of the others")  # fmt: skip
        if reason:
            left.append(Left(entry=run.result.entry, seed=str(run.result.seed), reason=reason))
        else:
            kept.append(run)
    return kept, sorted(left, key=lambda item: (item.entry, len(item.seed), item.seed))


# Standings


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """An entry on a track, over its seeds."""

    result: Result
    """Of its first seed."""
    role: str
    """entry, floor, ceiling or oracle."""
    runs: tuple[Run, ...]
    scores: Mapping[str, Mapping[str, st.Score]]
    """By test and metric, over seeds; those that cannot be scored are left out."""
    by_seed: Mapping[int, Mapping[str, Mapping[str, st.Score]]]
    main: st.Score
    cost: Mapping[str, float]
    """Mean over seeds; what no result tells is left out."""
    alone: np.ndarray = field(repr=False)
    """(n,) main metric of each recording of the main test by itself, mean over seeds."""
    rank: st.Rank | None = None

    @property
    def name(self) -> str:
        """Of the entry."""
        return self.result.entry


@dataclass(frozen=True, kw_only=True, eq=False)
class TrackBoard:
    """What stands on a track."""

    track: Track
    standings: tuple[Standing, ...]
    """Best first."""
    left: tuple[Left, ...]
    comparison: st.Comparison | None
    """Of the ranked entries, over `units`."""
    units: str

    @property
    def metric(self) -> Metric:
        """The one that ranks."""
        return self.track.task.metric(self.track.task.main)

    @property
    def ranked(self) -> list[Standing]:
        """Entries with a place: neither floors nor oracles."""
        return [s for s in self.standings if s.rank]

    def first(self, role: str) -> Standing | None:
        """The best of a role."""
        return next((s for s in self.standings if s.role == role), None)

    def gain(self, value: float, base: Standing | None) -> float:
        """How much better a value is than a standing's, NaN where there is none."""
        sign = 1 if self.metric.higher_is_better else -1
        return sign * (value - base.main.value) if base else st.NONE

    def way(self, value: float) -> float:
        """Share of the way from the best floor to the ceiling, NaN where it is not defined."""
        floor, ceiling = self.first("floor"), self.first("ceiling")
        span = self.gain(ceiling.main.value, floor) if ceiling else st.NONE
        return self.gain(value, floor) / span if span > 0 else st.NONE


@dataclass(frozen=True, kw_only=True, eq=False)
class Board:
    """All tracks, comparisons over several of them, and results that belong to none."""

    tracks: Mapping[str, TrackBoard]
    across: tuple[tuple[tuple[str, ...], st.Comparison], ...]
    """Tracks that share entries, one of each task, with the comparison over them."""
    strays: tuple[str, ...]


def board(
    results: Path, tracks: Mapping[str, Track], stale: Stale | None = None, known: Iterable[str] | None = None
) -> Board:
    """The board of some tracks from a folder of results. `known` are all tracks there are, if `tracks` are not all.

    Raises InputError if the folder is not there.
    """
    if not results.is_dir():
        raise InputError(f"results must be a folder that benchmarks.run filled; '{results}' is none")
    boards = {name: track_board(results, track, stale or _stale) for name, track in tracks.items()}
    return Board(tracks=boards, across=tuple(_across(boards)), strays=tuple(_strays(results, set(known or tracks))))


def _stale(result: Result, track: Track) -> str:
    from benchmarks.run import stale

    return stale(result, track)


def track_board(results: Path, track: Track, stale: Stale) -> TrackBoard:
    """Read, score and rank what there is on a track."""
    runs, left = read_runs(results, track, stale)
    metric = track.task.metric(track.task.main)
    drawn: dict[tuple[str, ...], np.ndarray] = {}
    standings = []
    for name in dict.fromkeys(run.result.entry for run in runs):
        own = tuple(run for run in runs if run.result.entry == name)
        found = _standing(track, own, drawn)
        if np.isnan(found.main.value):
            reason = f"'{metric.name}' cannot be scored on the test '{track.main_test}'"
            left += [Left(entry=name, seed=str(run.result.seed), reason=reason) for run in own]
        else:
            standings.append(found)
    sign = -1 if metric.higher_is_better else 1
    standings.sort(key=lambda s: (sign * s.main.value, s.name))
    places = st.rank_intervals({s.name: s.main for s in standings if s.role == "entry"}, metric.higher_is_better)
    standings = [replace(s, rank=places.get(s.name)) for s in standings]
    comparison, units = _over_units([s for s in standings if s.rank], metric.higher_is_better)
    return TrackBoard(track=track, standings=tuple(standings), left=tuple(left), comparison=comparison, units=units)


def _standing(track: Track, runs: tuple[Run, ...], drawn: dict[tuple[str, ...], np.ndarray]) -> Standing:
    by_seed = {run.result.seed: _scores(track, run, drawn) for run in runs}
    first, main = runs[0].result, track.task.metric(track.task.main)
    scores: dict[str, dict[str, st.Score]] = {}
    for test in dict.fromkeys(name for found in by_seed.values() for name in found):
        for metric in track.task.metrics:
            own = [f[test][metric.name] for f in by_seed.values() if test in f]
            mean = st.over_seeds(own, metric.higher_is_better)
            if not np.isnan(mean.value):
                scores.setdefault(test, {})[metric.name] = mean
    best = st.over_seeds([f[track.main_test][main.name] for f in by_seed.values()], main.higher_is_better)
    role = "floor" if first.entry in track.floors else "ceiling" if first.entry == track.ceiling else "entry"
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = np.mean([main.value(run.tests[track.main_test].of(main)) for run in runs], 0)
    return Standing(
        result=first,
        role="oracle" if first.oracle and role == "entry" else role,
        runs=runs,
        scores=_spare(scores),
        by_seed={seed: _spare(found) for seed, found in by_seed.items()},
        main=best,
        cost=_cost([run.result for run in runs]),
        alone=alone,
    )


def _spare(scores: Mapping[str, Mapping[str, st.Score]]) -> dict[str, dict[str, st.Score]]:
    """Scores without their draws, which only the one that ranks needs further."""
    return {test: {name: replace(s, draws=np.zeros(0), kind_draws={}) for name, s in own.items()}
            for test, own in scores.items()}  # fmt: skip


def _scores(track: Track, run: Run, drawn: dict[tuple[str, ...], np.ndarray]) -> dict[str, dict[str, st.Score]]:
    """By test and metric. Draws are kept for the next run on the same recordings."""
    names = [t.name for t in track.tests if t.name in run.tests]
    found = {}
    for name in [*names, *(n for n in run.tests if n not in names)]:
        rows = run.tests[name]
        kinds = tuple(rows.kinds.tolist())
        if kinds not in drawn:
            drawn[kinds] = st.draws(kinds)
        found[name] = {m.name: st.score(m, rows.of(m), rows.kinds, drawn[kinds]) for m in track.task.metrics}
    return found


def _cost(results: Sequence[Result]) -> dict[str, float]:
    """Mean over seeds, but the largest memory."""
    told: dict[str, list[float]] = {}
    for result in results:
        for name, value in result.cost.items():
            if value is not None:
                told.setdefault(name, []).append(value)
    return {name: float((np.max if name == "peak_bytes" else np.mean)(own)) for name, own in told.items()}


def difference(a: Standing, b: Standing, kind: str = "") -> st.Difference | None:
    """a - b in the main metric over the kinds that both can score, or on one kind, with a paired interval.

    None where nothing can be drawn anew.
    """
    pair = (a.main, b.main)
    kinds = [k for k in a.main.kinds if kind in ("", k) and all(k in s.kind_draws for s in pair)]
    if all(np.isnan([s.intervals[k][0] for s in pair]).any() for k in kinds):
        return None
    values = [float(np.mean([s.kinds[k] for k in kinds])) for s in pair]
    drawn = [np.mean([s.kind_draws[k] for k in kinds], 0) for s in pair]
    return st.paired(drawn[0], drawn[1], values[0] - values[1])


def above_ceiling(board: TrackBoard) -> list[tuple[Standing, str, st.Difference]]:
    """Where an entry or floor is better than the ceiling by a paired interval wholly beyond it; kind '' is the mean."""
    ceiling = board.first("ceiling")
    if ceiling is None:
        return []
    found = []
    for s in (s for s in board.standings if s.role in ("entry", "floor")):
        for kind in ("", *ceiling.main.kinds):
            pair = (s, ceiling) if board.metric.higher_is_better else (ceiling, s)
            gap = difference(*pair, kind)
            if gap and gap.low > 0:
                found.append((s, kind, gap))
    return found


def _over_units(ranked: Sequence[Standing], higher_is_better: bool) -> tuple[st.Comparison | None, str]:
    """Friedman and Nemenyi of a track's entries: over recordings if more of them than kinds can be scored alone."""
    if len(ranked) < 2:
        return None, ""
    kinds = list(ranked[0].main.kinds)
    by_kind = {s.name: np.array([s.main.kinds[kind] for kind in kinds]) for s in ranked}
    alone = {s.name: s.alone for s in ranked}
    counts = [int((~np.isnan(np.array(list(t.values())))).all(0).sum()) for t in (alone, by_kind)]
    table, units = (alone, "recordings") if counts[0] > counts[1] else (by_kind, "kinds")
    return (None, "") if max(counts) < 2 else (st.compare(table, higher_is_better), units)


def _across(boards: Mapping[str, TrackBoard]) -> Iterable[tuple[tuple[str, ...], st.Comparison]]:
    """Comparisons over two tracks or more that rank the same three entries or more; no track in two of them.

    Tracks of one task, such as a track and its shift, share entries and data: they are no independent units, so the
    first of them stands for all. Of all blocks those come first in which entries can be told apart, of them the
    largest (tracks times entries); then what is left is searched again.
    """
    left: dict[str, frozenset[str]] = {}
    tasks = set()
    for track, found in boards.items():
        task = (track.partition("/")[0], found.track.task.name)
        if found.ranked and not found.track.superseded_by and task not in tasks:
            tasks.add(task)
            left[track] = frozenset(s.name for s in found.ranked)
    while True:
        shared = set(left.values())
        while more := {a & b for a, b in combinations(shared, 2)} - shared:
            shared |= more
        blocks = [(tuple(t for t, own in left.items() if entries <= own), tuple(sorted(entries)))
                  for entries in shared if len(entries) >= 3]  # fmt: skip
        compared = [(_over_tracks(boards, *block), block) for block in blocks if len(block[0]) >= 2]
        if not compared:
            return
        best, (tracks, _) = max(
            compared, key=lambda c: (not c[0].vacuous, len(c[1][0]) * len(c[1][1]), len(c[1][0]), c[1])
        )
        yield tracks, best
        left = {t: own for t, own in left.items() if t not in tracks}


def _over_tracks(boards: Mapping[str, TrackBoard], tracks: Sequence[str], entries: Sequence[str]) -> st.Comparison:
    return st.compare({name: np.array([_signed(boards[t], name) for t in tracks]) for name in entries})


def _signed(board: TrackBoard, name: str) -> float:
    value = next(s for s in board.ranked if s.name == name).main.value
    return value if board.metric.higher_is_better else -value


def _strays(results: Path, known: set[str]) -> Iterable[str]:
    """Results of tracks that do not exist, in a line each."""
    found = sorted({path.parent.parent.relative_to(results).as_posix() for path in results.glob("**/*/*.json")})
    for name in found:
        if name not in known:
            yield f"track '{name}' not found{did_you_mean(name, known)}"
