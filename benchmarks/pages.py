"""What the board says: its pages in Markdown, its tidy table and its JSON."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks import statistics as st
from benchmarks.board import Board, Left, Standing, TrackBoard, above_ceiling, difference, one_line
from benchmarks.track import Metric

NAME = "python -m benchmarks.leaderboard"
"""The command that writes the pages."""
OWN = "provingground"
"""The package whose entries need no mark."""
MATCHED, SHIFTED = "matched", "shifted"
"""The test in the world of the training sets, and that in a world that nothing was tuned to."""
ROLES = {"entry": "", "floor": "floor", "ceiling": "ceiling", "oracle": "oracle"}


# Text


def _number(value: float) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3}f}".replace("-0.000", "0.000")


def _span(low: float, high: float) -> str:
    return "[-]" if np.isnan(low) else f"[{_number(low)}, {_number(high)}]"


def _scored(score: st.Score | None) -> str:
    if score is None or np.isnan(score.value):
        return "-"
    part = f" ({len(score.kinds) - len(score.unscored)} of {len(score.kinds)} kinds)" if score.unscored else ""
    return f"{_number(score.value)} {_span(score.low, score.high)}{part}"


def _of_kind(score: st.Score, kind: str) -> str:
    """The score of one kind with its interval."""
    value = score.kinds.get(kind, st.NONE)
    return "-" if np.isnan(value) else f"{_number(value)} {_span(*score.intervals[kind])}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *("| " + " | ".join(r) + " |" for r in rows)]


def _distinct(values: Iterable[str]) -> str:
    """What is alike in all results once; else each with how many results have it."""
    counts = Counter(one_line(value) or "unknown" for value in values)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({count})" for value, count in sorted(counts.items(), key=lambda c: (-c[1], c[0])))


def stem(track: str) -> str:
    """How the names of a track's files begin."""
    return track.replace("/", "-")


def _called(standing: Standing) -> str:
    """The entry's name with its marks."""
    marks = [ROLES[standing.role], f"from {standing.result.package}" if standing.result.package != OWN else ""]
    marks += [f"capped: {standing.result.capped}"] if standing.result.capped else []
    told = ", ".join(one_line(mark) for mark in marks if mark)
    return one_line(standing.name) + (f" ({told})" if told else "")


def page(board: TrackBoard) -> str:
    """The page of a track."""
    track, task = board.track, board.track.task
    metric, files = board.metric, stem(track.id)
    lines = [f"# {track.id}", "", task.question, ""]
    if track.superseded_by:
        lines += [f"Superseded by `{track.superseded_by}`.", ""]
    lines += [
        f"- Version {track.version}. Ranked by **{metric.name}** ({metric.meaning}; {metric.better}) on the test "
        f"`{track.main_test}`: the mean over kinds of recordings.",
        f"- Given: {task.inputs}. Asked: {task.target}.",
        f"- Ceiling{f' (`{track.ceiling}`)' if track.ceiling else ''}: {track.ceiling_how}",
        f"- Floors: {', '.join(f'`{name}`' for name in track.floors)}.",
        *([f"- {track.note}"] if track.note else []),
        f"- Intervals are 95 %, from {st.COUNT} bootstrap draws of recordings within their kinds, the same for all "
        "entries; they do not hold the spread over seeds, which stands beside them. `[-]`: no kind has two recordings."
        + _covered(board),
        "- Fit seconds hold the choice from an entry's grid, with its fits and predictions on the validation split. "
        "Memory is the peak of the whole process, with libraries and the recording in hand. Parameters are what an "
        "entry says that it fitted.",
        "", "## Scores", "",
    ]  # fmt: skip
    if not board.standings:
        lines += ["No entry has a result that holds.", ""]
    else:
        lines += [*_main_table(board), "", *_missing(board), *_beyond(board), f"![Scores]({files}-scores.svg)", "",
                  f"![Score against cost]({files}-cost.svg)", "", *_metric_tables(board), *_kind_tables(board),
                  *_threshold_table(board), *_pair_table(board), *_critical(board), *_entries_table(board)]  # fmt: skip
    if board.left:
        lines += ["## Left off", "", *_table(["entry", "seed", "reason"], _left_rows(board.left)), ""]
    lines += ["## Sets", "", *_sets_table(board), "", *_made_with(board), _made_by(track.id), ""]
    return "\n".join(lines)


def _made_by(track: str = "TRACK") -> str:
    return f"Made by `{NAME}` from the results of `python -m benchmarks.run --track {track} --seeds 5`."


def _made_with(board: TrackBoard) -> list[str]:
    """Commits, versions and machines of the results; where they differ, with how many results have which."""
    records = [run.result.record for s in board.standings for run in s.runs]
    if not records:
        return []
    packages: dict[str, set[str]] = {}
    for record in records:
        for name, version in dict(record.get("packages", {})).items():
            packages.setdefault(name, set()).add(str(version))
    domains = sorted({of.simulator for of in board.track.sets})
    told = {
        "commit": _distinct(
            f"{str(r.get('commit', ''))[:12]}{' with changes' if r.get('dirty') else ''}" for r in records
        ),
        # a result holds for one version of its simulators only
        "simulators": ", ".join(f"{name} {import_module(f'simulators.{name}').VERSION}" for name in domains),
        "Python": _distinct(str(r.get("python", "")) for r in records),
        "packages": ", ".join(
            f"{one_line(name)} {one_line(' or '.join(sorted(own)))}" for name, own in packages.items()
        ),
        "machine": _distinct(" ".join(str(r.get(k, "")) for k in ("system", "machine", "cpu")) for r in records),
    }
    return [f"{len(records)} results made with: {'; '.join(f'{k} {v}' for k, v in told.items() if v)}.", ""]


def _covered(board: TrackBoard) -> str:
    """How far intervals from that few recordings can be trusted."""
    if not board.standings:
        return ""
    counts = tuple(Counter(board.standings[0].runs[0].tests[board.track.main_test].kinds.tolist()).values())
    least, most = min(counts), max(counts)
    if least < 2:
        return ""
    every, one = (f"{100 * st.coverage(n):.0f} %" for n in (tuple(sorted(counts)), (least,)))
    return (
        f" They are made from {least if least == most else f'{least} to {most}'} recordings a kind, and percentile "
        f"intervals of few recordings are too narrow: of normal data they hold the truth in {every} of cases for the "
        f"mean over {len(counts)} kinds and in {one} for one kind of {least} (`python -m benchmarks.statistics`), of "
        "skewed data in fewer."
    )


def _beyond(board: TrackBoard) -> list[str]:
    """Who is better than the ceiling, and where."""
    if not board.first("ceiling"):
        return []
    found: dict[str, list[str]] = {}
    for s, kind, gap in above_ceiling(board):
        place = f"on {one_line(kind)}" if kind else "in the mean"
        found.setdefault(one_line(s.name), []).append(f"{place} by {_number(gap.value)} {_span(gap.low, gap.high)}")
    if not found:
        return ["No entry or floor is better than the ceiling, in the mean or on a kind, by a paired interval wholly "
                "beyond it.", ""]  # fmt: skip
    told = "; ".join(f"`{name}` {', '.join(places)}" for name, places in found.items())
    return [f"**Better than the ceiling**, which is no bound there (paired intervals wholly beyond it): {told}.", ""]


def _entries_table(board: TrackBoard) -> list[str]:
    """What each entry is, and what was chosen for it from its grid."""
    rows = []
    for s in board.standings:
        names = dict.fromkeys(name for run in s.runs for name in run.result.chosen)
        chosen = [
            f"{one_line(name)} {_distinct(str(run.result.chosen.get(name, '-')) for run in s.runs)}" for name in names
        ]
        rows.append([_called(s), one_line(s.result.about) or "-", one_line(s.result.package),
                     one_line(s.result.entry_version), "; ".join(chosen) or "-"])  # fmt: skip
    heads = ["entry", "what it is", "package", "version", "chosen on the validation split (seeds)"]
    return ["## Entries", "", *_table(heads, rows), ""]


def _other_tests(board: TrackBoard) -> list[str]:
    """Tests beside the main one on which the main metric is scored."""
    names = [t.name for t in board.track.tests if t.name != board.track.main_test]
    return [n for n in names if any(board.metric.name in s.scores.get(n, {}) for s in board.standings)]


def _main_table(board: TrackBoard) -> list[str]:
    others, floor, ceiling = _other_tests(board), board.first("floor"), board.first("ceiling")
    score = f"{board.metric.name}, test {board.track.main_test} [95 %]"
    heads = ["rank", "entry", score, "seeds", "sd", "rank 95 %", "worst kind [95 %]", "above floor",
             "below ceiling", *others, "fit s", "predict s", "samples/s", "memory MB", "parameters",
             "version"]  # fmt: skip
    rows = []
    for s in board.standings:
        below = board.gain(ceiling.main.value, s) if ceiling else st.NONE
        certain = s.rank and not np.isnan(s.main.low)
        rows.append([
            str(s.rank.rank) if s.rank else "",
            _called(s),
            _scored(s.main),
            str(s.main.seeds),
            "-" if np.isnan(s.main.sd) else f"± {_number(s.main.sd)}",
            f"{s.rank.low} to {s.rank.high}" if s.rank and certain else "-" if s.rank else "",
            f"{_of_kind(s.main, s.main.worst_kind)} ({one_line(s.main.worst_kind)})" if s.main.worst_kind else "-",
            _number(board.gain(s.main.value, floor)),
            _number(below),
            *(_scored(s.scores.get(name, {}).get(board.metric.name)) for name in others),
            *_costs(s.cost),
            one_line(s.result.entry_version),
        ])  # fmt: skip
    return _table(heads, rows)


def _costs(cost: Mapping[str, float]) -> list[str]:
    memory = cost.get("peak_bytes", st.NONE) / 1e6
    figures = [cost.get(name, st.NONE) for name in ("fit_s", "predict_s", "samples_per_s")]
    told = ["-" if np.isnan(x) else f"{x:.3g}" for x in figures]
    told.append("-" if np.isnan(memory) else f"{memory:.0f}")
    told.append(f"{cost['parameters']:.0f}" if "parameters" in cost else "-")
    return told


def _missing(board: TrackBoard) -> list[str]:
    """What has no result: the ceiling or floors."""
    there = {s.name for s in board.standings}
    names = [*board.track.floors, *([board.track.ceiling] if board.track.ceiling else [])]
    lost = [f"`{name}`" for name in names if name not in there]
    return [f"Without a result: {', '.join(lost)}.", ""] if lost else []


def _metric_tables(board: TrackBoard) -> list[str]:
    """All other metrics, a table a test."""
    lines = []
    tests = list(dict.fromkeys([board.track.main_test, *(name for s in board.standings for name in s.scores)]))
    for test in tests:
        metrics = [m for m in board.track.task.metrics
                   if (test != board.track.main_test or m.name != board.metric.name)
                   and any(m.name in s.scores.get(test, {}) for s in board.standings)]  # fmt: skip
        if not metrics:
            continue
        rows = [[_called(s), *(_scored(s.scores[test].get(m.name)) for m in metrics)]
                for s in board.standings if test in s.scores]  # fmt: skip
        title = "## Other metrics" if test == board.track.main_test else f"## Test `{test}`"
        lines += [title, "", *_table(["entry", *(m.name for m in metrics)], rows), ""]
        lines += [f"- {m.name}: {m.meaning}{_better(m)}" for m in metrics]
        lines += [""]
    return lines


def _better(metric: Metric) -> str:
    """A remark on metrics of which more is not better."""
    return f" ({metric.better})" if metric.honest is not None or not metric.higher_is_better else ""


def _kind_tables(board: TrackBoard) -> list[str]:
    """The main metric by kind, a table a test."""
    lines, name = [], board.metric.name
    for test in [board.track.main_test, *_other_tests(board)]:
        shown = [(s, s.scores[test][name]) for s in board.standings if name in s.scores.get(test, {})]
        kinds = list(dict.fromkeys(kind for _, score in shown for kind in score.kinds))
        rows = [[_called(s), *(_of_kind(score, kind) for kind in kinds)] for s, score in shown]
        lines += [f"## By kind, test `{test}`", "", f"{name} [95 %].", ""]
        lines += [*_table(["entry", *map(one_line, kinds)], rows), ""]
        lost = {kind: score.unscored_recordings[kind] for _, score in shown for kind in score.unscored_recordings}
        if lost:
            told = ", ".join(f"{one_line(kind)} {count}" for kind, count in sorted(lost.items()))
            lines += [f"Recordings with nothing to score by themselves, for some entry: {told}.", ""]
    return lines


def _threshold_table(board: TrackBoard) -> list[str]:
    """What was settled on the validation split: thresholds, with the interval of those that come from a tail."""
    told = [(s, run.result) for s in board.standings for run in s.runs[:1] if run.result.calibration]
    names = [n for n in dict.fromkeys(name for _, r in told for name in r.calibration) if n != "tails"]
    if not names:
        return []
    tails = any(r.calibration.get("tails") for _, r in told)
    rows = [[_called(s), str(r.seed), *(_threshold(r.calibration, name) for name in names)] for s, r in told]
    lines = ["## Thresholds", "", *_table(["entry", "seed", *names], rows), ""]
    if tails:
        lines += ["Settled on the validation split, with the 90 % interval of the true threshold and the extremal "
                  "index (one over the mean length of a cluster of scores that are above the tail's level). *maximum*: "
                  "the fit of a tail was refused, as the largest scores are too few or alike, and the largest stands "
                  "in.",
                  ""]  # fmt: skip
    return lines


def _threshold(calibration: Mapping[str, Any], name: str) -> str:
    value, tail = calibration.get(name), calibration.get("tails", {}).get(name)
    text = "none" if value is None else f"{value:.4g}"
    if not tail:
        return text
    if tail["fallback"]:
        return f"{text} (*maximum*)"
    return f"{text} [{tail['low']:.4g}, {tail['high']:.4g}], index {tail['theta']:.2f}"


def _pair_table(board: TrackBoard) -> list[str]:
    """Differences to the best entry."""
    best = next(iter(board.ranked), None)
    if best is None or len(board.standings) < 2:
        return []
    rows = []
    for s in board.standings:
        found = difference(s, best) if s is not best else None
        if found:
            rows.append([_called(s), _number(found.value), _span(found.low, found.high), f"{found.p:.3g}"])
        elif s is not best:
            rows.append([_called(s), _number(s.main.value - best.main.value), "[-]", "-"])
    return [f"## Against the best, {one_line(best.name)}", "",
            *_table(["entry", f"difference in {board.metric.name}", "95 %", "p (bootstrap, two-sided)"], rows),
            ""]  # fmt: skip


def _critical(board: TrackBoard) -> list[str]:
    found = board.comparison
    if found is None:
        return []
    if found.vacuous:
        return [f"No critical-difference diagram: {_vacuous(found, board.units)}.", ""]
    return ["## Critical difference", "", f"{_ranked_by(board)} {_told(found, board.units)}", "",
            f"![Critical difference]({stem(board.track.id)}-cd.svg)", ""]  # fmt: skip


def _ranked_by(board: TrackBoard) -> str:
    """What is ranked: not quite what the board ranks by."""
    name = board.metric.name
    if board.units == "kinds":
        return f"Ranked within each kind is {name} of all its recordings."
    return (
        f"Ranked within each recording is {name} of that recording by itself, so that all recordings weigh alike; the "
        "score above is that of the sums over a kind's recordings, averaged over kinds, and may order them otherwise."
    )


def _vacuous(found: st.Comparison, units: str) -> str:
    k = len(found.ranks)
    return (
        f"over {found.units} {units} average ranks of {k} entries differ at 5 % from {found.critical_difference:.2f} "
        f"on, and {k - 1} is the most they can"
    )


def _told(found: st.Comparison, units: str) -> str:
    test = "" if np.isnan(found.p) else f"Friedman chi-square {found.statistic:.1f}, p {found.p:.2g}; "
    return (
        f"Average ranks of {len(found.ranks)} entries over {found.units} {units}: {test}Nemenyi critical difference "
        f"{found.critical_difference:.2f} at 5 %. Bars join entries that are not told apart."
    )


def _left_rows(left: Iterable[Left]) -> list[list[str]]:
    """Seeds of an entry that were left off for the same reason, in one row."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for item in left:
        seeds.setdefault((item.entry, item.reason), []).append(item.seed)
    return [[one_line(entry), one_line(", ".join(own)), reason] for (entry, reason), own in seeds.items()]


def _sets_table(board: TrackBoard) -> list[str]:
    """The sets of the track with the digests that results cite."""
    from benchmarks.sets import name_of

    digests: dict[str, str] = {}
    for s in board.standings:
        digests |= s.result.digests
    rows = []
    for of in board.track.sets:
        used = ["train"] * (of in board.track.train) + [t.name for t in board.track.tests if of in t.sets]
        digest = digests.get(name_of(of), of.digest)
        rows.append([one_line(name_of(of)), one_line(of.kind), ", ".join(used), f"`{digest[:16]}`" if digest else "-"])
    return _table(["set, train/validation/test recordings", "kind", "used for", "digest"], rows)


def summary(board: Board, base: str) -> list[str]:
    """One short row a track, and what its columns mean; pages lie in `base`."""
    rows = []
    for name, b in board.tracks.items():
        if b.track.superseded_by:
            continue
        best, floor, ceiling = next(iter(b.ranked), None), b.first("floor"), b.first("ceiling")
        other = MATCHED if b.track.main_test == SHIFTED else SHIFTED
        moved = best.scores.get(other, {}).get(b.metric.name) if best else None
        certain = best and best.rank and not np.isnan(best.main.low)
        rows.append([
            f"[{name}]({base}{stem(name)}.md)",
            f"{b.metric.name}{_better(b.metric)}, {b.track.main_test}",
            _called(best) if best else "-",
            _scored(best.main) if best else "-",
            f"{best.rank.low} to {best.rank.high} of {len(b.ranked)}" if certain and best and best.rank else "-",
            f"{one_line(floor.name)}: {_scored(floor.main)}" if floor else "-",
            _scored(ceiling.main) if ceiling else "-" if b.track.ceiling else "none",
            f"{other}: {_scored(moved)}" if moved else "-",
            f"{one_line(best.main.worst_kind)}: {_of_kind(best.main, best.main.worst_kind)}" if best else "-",
        ])  # fmt: skip
    heads = ["track", "metric, test", "best entry", "score [95 %]", "rank 95 %", "best floor [95 %]", "ceiling [95 %]",
             "other test [95 %]", "worst kind [95 %]"]  # fmt: skip
    meaning = (
        f"Scores are means over the kinds of recordings of the test that is named beside the metric. Rank: the places "
        f"of the best entry in 95 % of bootstrap draws. Other test: the best entry's score on the test that does not "
        f"rank; `{MATCHED}` is the world of the training sets, `{SHIFTED}` one unlike them. Worst kind: where the best "
        f"entry scores worst. Intervals from few recordings are a little too narrow; the tracks' pages say by how much."
    )
    return [*_table(heads, rows), "", meaning]


def index(board: Board) -> str:
    """The front page of the leaderboard."""
    lines = ["# Leaderboard", "", *summary(board, ""), ""]
    if old := [b.track for b in board.tracks.values() if b.track.superseded_by]:
        told = ", ".join(f"[{t.id}]({stem(t.id)}.md) by `{t.superseded_by}`" for t in old)
        lines += [f"Superseded: {told}.", ""]
    for i, (tracks, found) in enumerate(board.across):
        names = ", ".join(f"`{name}`" for name in tracks)
        if found.vacuous:
            lines += [f"Not compared over {names}, which rank the same entries: {_vacuous(found, 'tracks')}.", ""]
        else:
            lines += [f"## Over {len(tracks)} tracks", "", f"{names}: of a task the first track alone, as the others "
                      "share its entries and data.", "", _told(found, "tracks"), "",
                      f"![Critical difference over tracks](across-{i + 1}.svg)", ""]  # fmt: skip
    if board.strays:
        lines += ["## Results of no track", "", *(f"- {one_line(line)}" for line in board.strays), ""]
    domains = sorted({name.partition("/")[0] for name in board.tracks})
    csv, parquet, whole = (", ".join(f"[{d}.{ext}]({d}.{ext})" for d in domains) for ext in ("csv", "parquet", "json"))
    lines += [f"Scores of every metric, test and seed: {csv}, only the means over kinds; {parquet}, the same and each "
              f"kind by itself. What the pages' tables hold: {whole}.", "", _made_by(), ""]  # fmt: skip
    return "\n".join(lines)


# Tables


COLUMNS = ("track", "track_version", "test", "entry", "entry_version", "package", "seed", "metric", "kind", "value",
           "low", "high")  # fmt: skip


def tidy(board: Board, domain: str) -> list[dict[str, Any]]:
    """One row a track, test, entry, seed, metric and kind; kind '' is the mean over kinds. NaN is None."""
    rows = []
    for b in (b for name, b in board.tracks.items() if name.startswith(f"{domain}/")):
        for s in sorted(b.standings, key=lambda s: s.name):
            for seed, tests in sorted(s.by_seed.items()):
                for test, metrics in tests.items():
                    for metric, score in metrics.items():
                        if np.isnan(score.value):
                            continue
                        head = (b.track.id, b.track.version, test, s.name, s.result.entry_version, s.result.package,
                                seed, metric)  # fmt: skip
                        figures = {"": (score.value, score.low, score.high)}
                        figures |= {k: (value, *score.intervals[k]) for k, value in score.kinds.items()}
                        for kind, triple in figures.items():
                            told = (None if np.isnan(x) else float(f"{x:.6g}") for x in triple)
                            rows.append(dict(zip(COLUMNS, (*head, kind, *told), strict=True)))
    return rows


def as_json(board: Board, domain: str) -> dict[str, Any]:
    """The board's rows as plain data."""
    return {
        name: {
            "version": b.track.version,
            "question": b.track.task.question,
            "inputs": b.track.task.inputs,
            "target": b.track.task.target,
            "metric": b.metric.name,
            "higher_is_better": b.metric.higher_is_better,
            "test": b.track.main_test,
            "ceiling_how": b.track.ceiling_how,
            "superseded_by": b.track.superseded_by,
            "rows": [_json_row(b, s) for s in b.standings],
            "left_off": [asdict(item) for item in b.left],
        }
        for name, b in board.tracks.items()
        if name.startswith(f"{domain}/")
    }


def _json_row(b: TrackBoard, s: Standing) -> dict[str, Any]:
    ceiling = b.first("ceiling")
    return {
        "entry": s.name, "role": s.role, "rank": asdict(s.rank) if s.rank else None,
        "version": s.result.entry_version, "package": s.result.package, "about": s.result.about,
        "capped": s.result.capped, "chosen": {str(run.result.seed): dict(run.result.chosen) for run in s.runs},
        "seeds": s.main.seeds, "sd": _json(s.main.sd),
        "recordings": s.main.recordings, **s.main.told(),
        "above_floor": _json(b.gain(s.main.value, b.first("floor"))),
        "below_ceiling": _json(b.gain(ceiling.main.value, s) if ceiling else st.NONE),
        "way": _json(b.way(s.main.value)),
        "cost": dict(s.cost),
        "calibration": {str(run.result.seed): dict(run.result.calibration) for run in s.runs},
        "tests": {test: {m: {end: _json(getattr(x, end)) for end in ("value", "low", "high")} for m, x in own.items()}
                  for test, own in s.scores.items()},
    }  # fmt: skip


def _json(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
