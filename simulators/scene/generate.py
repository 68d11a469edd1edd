"""One bus scene from its spec and key: draws, kernels, faults, truth.

`simulate_arrays` is what the generators run; `simulate` gives the same recording as xarray for a notebook.
"""

from typing import TYPE_CHECKING

import numpy as np

from scenarios.schema import Arrays
from simulators.noise import bernoulli, normal_table
from simulators.rng import Key, stream
from simulators.scene.anomalies import inject
from simulators.scene.kernels import latent, words
from simulators.scene.kernels.torn import tear
from simulators.scene.plan import Plan, plan
from simulators.scene.spec import SceneSpec

if TYPE_CHECKING:
    import xarray as xr

EVENTS = 1 << 16
"""Room for rollovers at the first try; a scene with more is run once again with room for all."""


def rate_groups(spec: SceneSpec) -> list[tuple[str, int, int]]:
    """(group name, first channel, channels) of each clock."""
    groups, first = [], 0
    for clock in spec.clocks:
        groups.append((f"r{clock.rate_hz:g}", first, clock.channels))
        first += clock.channels
    return groups


def knots_of(p: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Knots and envelopes of all drivers of a plan."""
    knots, envelopes = np.empty(p.knots), np.empty(max(1, p.envelopes), np.float32)
    latent.lay_knots(p.processes, normal_table(), knots, envelopes)
    return knots, envelopes


def read_times(spec: SceneSpec, key: Key, p: Plan) -> np.ndarray:
    """True time of every read in ns, flat in channel order; empty where the clocks are regular."""
    if not spec.timing.jitter:
        return np.empty(0, np.int64)
    rng = stream(key, "jitter")
    times = np.empty(int(p.counts.sum()), np.int64)
    for start, n, phase, period in zip(p.starts, p.counts, p.phase_ns, p.periods_ps, strict=True):
        most = np.float32(spec.timing.jitter * period / 1000)
        late = (rng.random(int(n), np.float32) * most).astype(np.int64)
        times[start : start + n] = phase + np.arange(n) * period // 1000 + late
    return times


def _losses(spec: SceneSpec, key: Key, total: int, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(valid, held, kept), flat over all samples, or empty where nothing can be lost. First samples always come."""
    missing, held = spec.timing.missing_probability, spec.timing.held_probability
    if not missing and not held:
        return np.empty(0, bool), np.empty(0, bool), np.empty(0, bool)
    k = stream(key, "losses").integers(0, 2**32, 4, np.uint32)
    lost, stale = np.zeros(total, bool), np.zeros(total, bool)
    bernoulli(missing, 0, total, k[0], k[1], lost)
    bernoulli(held, 0, total, k[2], k[3], stale)
    lost[starts] = stale[starts] = False
    stale &= ~lost
    return ~lost, stale, ~(lost | stale)


def _run(
    p: Plan,
    knots: np.ndarray,
    envelopes: np.ndarray,
    reads: np.ndarray,
    kept: np.ndarray,
    flat: np.ndarray,
    spare: dict[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Fill the words, flat in channel order; returns the rollovers, sorted by pair and sample."""
    spare = {} if spare is None else spare
    while True:
        events = spare.setdefault("events", np.empty(EVENTS, words.EVENT))
        room = events.size
        found = words.run_jobs(
            p.jobs, p.drivers, p.fields, knots, envelopes, normal_table(), reads, kept, flat, events
        )  # fmt: skip
        if found <= room:
            return events[np.argsort(events["pair"][:found], kind="stable")]  # a pair's samples ascend
        spare["events"] = np.empty(2 * found, words.EVENT)


def _tear(
    spec: SceneSpec, key: Key, p: Plan, flat: np.ndarray, events: np.ndarray, reads: np.ndarray, kept: np.ndarray
) -> np.ndarray:
    """Let some high halves lag behind a rollover; returns truth rows (pair, start, end)."""
    if not spec.pairs.torn_probability or not events.size:
        return np.empty((0, 3), np.int32)
    k0, k1 = stream(key, "torn").integers(0, 2**32, 2, np.uint32)
    msb = p.truth["pair_msb"][events["pair"]]
    rows = np.empty((events.size, 3), np.int32)
    n = tear(
        flat, events["pair"], events["time_ns"], p.starts[msb], p.counts[msb], p.phase_ns[msb], p.periods_ps[msb],
        reads, spec.pairs.torn_probability, k0, k1, rows,
    )  # fmt: skip
    for channel in np.unique(p.truth["pair_msb"][rows[:n, 0]]) if kept.size else ():  # what is lost shows the torn word
        span = slice(int(p.starts[channel]), int(p.starts[channel] + p.counts[channel]))
        words.hold(flat[span], kept[span])
    return rows[:n]


def simulate_arrays(spec: SceneSpec, key: Key, spare: dict[str, np.ndarray] | None = None) -> Arrays:
    """One recording as a flat mapping from path to array; see SCHEMA for names, dimensions and units.

    With `spare`, an empty dict that the caller keeps, the words of the next call overwrite those of this one: the page
    faults of fresh memory can cost more than all the rest (`pytest benchmarks --benchmark-only` prints both).
    """
    arrays = render(spec, key, plan(spec, key), spare)
    return inject(arrays, spec.anomalies, stream(key, "anomalies"), in_place=True)


def render(spec: SceneSpec, key: Key, p: Plan, spare: dict[str, np.ndarray] | None = None) -> Arrays:
    """The recording that a plan makes, before anything is injected. Names and `spare` as in `simulate_arrays`."""
    total = int(p.counts.sum())
    spare = {} if spare is None else spare
    if "words" not in spare or spare["words"].size != total:
        spare["words"] = np.empty(total, np.uint16)
    flat = spare["words"]
    if spec.timing.jitter:
        p.jobs["reads"] = p.jobs["row"]
    knots, envelopes = knots_of(p)
    reads = read_times(spec, key, p)
    valid, held, kept = _losses(spec, key, total, p.starts)
    events = _run(p, knots, envelopes, reads, kept, flat, spare)
    torn = _tear(spec, key, p, flat, events, reads, kept)
    for channel, pair, first in p.rollover_counters:
        start, n = int(p.starts[channel]), int(p.counts[channel])
        times = np.sort(events["time_ns"][events["pair"] == pair])
        read = reads[start : start + n] if reads.size else reads
        row = flat[start : start + n]
        words.count_events(times, first, read, n, p.phase_ns[channel], p.periods_ps[channel], row)
        if kept.size:
            words.hold(row, kept[start : start + n])
    arrays: Arrays = {}
    arrivals = reads + np.repeat(p.latency_ns, p.counts) if reads.size else reads
    for group, first, channels in rate_groups(spec):
        ids = np.arange(first, first + channels, dtype=np.int32)
        a, n = int(p.starts[first]), int(p.counts[first])
        span = slice(a, a + channels * n)
        start_ns = p.phase_ns[ids] + p.latency_ns[ids]
        arrays |= {
            f"inputs/{group}/words": flat[span].reshape(channels, n),
            f"inputs/{group}/channel_id": ids,
            f"inputs/{group}/n_samples": np.full(channels, n, np.int32),
            f"inputs/{group}/start_ns": arrivals[span].reshape(channels, n)[:, 0].copy() if reads.size else start_ns,
            f"inputs/{group}/lsb": np.ones(channels),
        }
        if valid.size and spec.timing.missing_probability:
            arrays[f"inputs/{group}/valid"] = valid[span].reshape(channels, n)
        if held.size and spec.timing.held_probability:
            arrays[f"truth/{group}/held"] = held[span].reshape(channels, n)
        if reads.size:
            arrays[f"inputs/{group}/arrival_ns"] = arrivals[span].reshape(channels, n)
            arrays[f"truth/{group}/read_ns"] = reads[span].reshape(channels, n)
    arrays |= {f"truth/{name}": value for name, value in p.truth.items()}
    visible = np.zeros(p.truth["pair_msb"].size, np.int8)
    for i, channel in enumerate(p.truth["pair_msb"]):
        row = flat[p.starts[channel] : p.starts[channel] + p.counts[channel]]
        visible[i] = words.changes(row)
    share = float(visible.mean()) if visible.size else 0.0
    carries = visible[p.truth["pair_format"] != words.FLOAT32].sum() / max(1, visible.size)
    arrays |= {
        "truth/pair_visible": visible,
        "truth/overflow_pair": events["pair"].astype(np.int32),
        "truth/overflow_sample": events["sample"].astype(np.int32),
        "truth/overflow_time_ns": events["time_ns"].copy(),
        "truth/overflow_wraps": events["wraps"].astype(np.int32),
        "truth/torn_pair": torn[:, 0].copy(),
        "truth/torn_start": torn[:, 1].copy(),
        "truth/torn_end": torn[:, 2].copy(),
        "truth/visible_share": np.array(share),
        "truth/pair_f1_bound": np.array(2 * carries / (1 + carries)),
    }  # fmt: skip
    return arrays


def simulate(spec: SceneSpec, key: Key) -> "xr.DataTree":
    """One recording as an xarray tree: groups `inputs/r<rate>` and `truth`, dimensions, units and meanings named."""
    from scenarios.access import as_tree
    from simulators.scene.spec import SCHEMA

    return as_tree(simulate_arrays(spec, key), SCHEMA)
