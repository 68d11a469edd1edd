"""The plan of one scene: which channel carries what, when it is read, and the parameters of everything behind it.

All draws of a recording happen here, in `drawing` and in `anomalies`, from named streams; the kernels only compute.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from simulators.rng import Key, stream
from simulators.scene.drawing import LSB, MSB, PLAIN, Drawing, choose, log_uniform
from simulators.scene.kernels import bits as packed
from simulators.scene.kernels import latent, words
from simulators.scene.spec import FORMATS, LINK_KINDS, ORDERS, PROCESSES, SceneSpec

WORD_ORDER = {"ABCD": "ABCD", "CDAB": "CDAB", "BADC": "ABCD", "DCBA": "CDAB"}
"""The order of a value's words alone, its bytes left in place."""


@dataclass(kw_only=True)
class Plan:
    """Everything that the kernels need to make one scene, and the truth that is known beforehand."""

    starts: np.ndarray
    """Offset of each channel's row in the flat words, shape (channels,)."""
    counts: np.ndarray
    """Samples of each channel, shape (channels,)."""
    periods_ps: np.ndarray
    phase_ns: np.ndarray
    latency_ns: np.ndarray
    jobs: np.ndarray
    drivers: np.ndarray
    processes: np.ndarray
    fields: np.ndarray
    knots: int
    envelopes: int
    truth: dict[str, np.ndarray]
    rollover_counters: list[tuple[int, int, int]] = field(default_factory=list)
    """(channel, row of the pair whose rollovers it counts, first value)."""


class PairRow(NamedTuple):
    """What is drawn of one pair: its channels, its coding, and whether it is meant to be visible."""

    msb: int
    lsb: int
    order: int
    format: int
    modulus: int
    visible: bool
    scale: float


class _Slots:
    """Free channels by rate group, taken in random order."""

    def __init__(self, spec: SceneSpec, rng: np.random.Generator) -> None:
        self.rng = rng
        first = 0
        self.free: list[list[int]] = []
        for clock in spec.clocks:
            self.free.append((first + rng.permutation(clock.channels)).tolist())
            first += clock.channels

    def take(self) -> int:
        """A random free channel."""
        return self.free[self._group([len(f) for f in self.free])].pop()

    def _group(self, sizes: Sequence[int]) -> int:
        """A rate group, with probability proportional to its size."""
        at = int(self.rng.random() * sum(sizes))
        for group, size in enumerate(sizes):
            if at < size:
                return group
            at -= size
        raise AssertionError("the spec guarantees enough channels")

    def take_two(self, cross: bool) -> tuple[int, int]:
        """Two random free channels: of different rates if `cross`, else of one rate, as far as any are left."""
        sizes = [len(f) for f in self.free]
        if cross and sum(s > 0 for s in sizes) > 1:
            a = self._group(sizes)
            sizes[a] = 0
            return self.free[a].pop(), self.free[self._group(sizes)].pop()
        sizes = [s if s > 1 else 0 for s in sizes]
        if not any(sizes):
            return self.take(), self.take()
        group = self.free[self._group(sizes)]
        return group.pop(), group.pop()


def order_halves(two: Sequence[int], order: str) -> tuple[int, int]:
    """(channel of the high half, of the low half): ABCD and BADC send the high word at the lower channel number."""
    low, high = min(two), max(two)
    return (low, high) if order in ("ABCD", "BADC") else (high, low)


def _draw_pairs(d: Drawing, slots: _Slots) -> list[PairRow]:
    """Place and draw all pairs."""
    spec, rng = d.spec.pairs, stream(d.key, "pairs")
    n = spec.count
    cross = rng.random((n, 2)) < spec.cross_rate_probability
    where = [slots.take_two(bool(cross[i, 0])) for i in range(n)]
    twins = {i: slots.take_two(bool(cross[i, 1])) for i in rng.permutation(n)[: spec.twins].tolist()}
    copies: dict[int, list[int]] = {}
    for _ in range(d.spec.decoys.half_twins):
        copies.setdefault(int(rng.integers(n)), []).append(slots.take())
    moduli, formats = choose(rng, spec.moduli, n), choose(rng, spec.formats, n)
    orders = [choose(rng, spec.orders, n), choose(rng, spec.orders, n)]
    processes = choose(rng, spec.processes, n)
    visible = rng.random(n) < spec.visible_probability
    rows: list[PairRow] = []
    for i in range(n):
        modulus, fmt = moduli[i], "u32" if moduli[i] != words.FULL else formats[i]
        signed = processes[i] == "signed" and visible[i] and fmt in ("u32", "i32") and modulus == words.FULL
        fmt = "i32" if signed else fmt
        plain_bytes = modulus != words.FULL
        u = rng.random(5)
        code, a, b, sd = d.pair_parameters(processes[i], rng)
        page = 0 if signed else int(2 ** (1 + (9 if plain_bytes else 12) * u[0]))
        page = -page if fmt == "i32" and u[1] < 0.5 else page
        readers = [*where[i], *twins.get(i, ()), *copies.get(i, [])]
        driver = d.add_driver(
            readers, code, a, b, noise=sd, modulus=modulus, page=page, u=float(u[2]),
            place=latent.VISIBLE if visible[i] else latent.HIDDEN, margin=min(7 * sd + 2, modulus / 8),
        )  # fmt: skip
        orders_here = [WORD_ORDER[o[i]] if plain_bytes else o[i] for o in orders]
        float_scale = float(np.float32(10.0 ** -int(4 * u[3]))) if fmt == "float32" else 1.0
        coding = {"modulus": modulus, "format": FORMATS.index(fmt), "float_scale": float_scale}
        for where_to, order in ((where[i], orders_here[0]), (twins.get(i), orders_here[1])):
            if where_to is None:
                continue
            high, low = order_halves(where_to, order)
            coded = coding | {"swap": int(order in ("BADC", "DCBA"))}
            d.pair(high, low, driver, coded, len(rows))
            coded_as = (ORDERS.index(order), FORMATS.index(fmt), modulus)
            rows.append(PairRow(high, low, *coded_as, bool(visible[i]), float_scale))
        if i in twins:
            first, second = rows[-2], rows[-1]
            twin = LINK_KINDS.index("twin")
            d.links += [(first.msb, second.msb, twin), (first.lsb, second.lsb, twin)]
        original = rows[-1 - (i in twins)]
        for channel in copies.get(i, []):
            role = MSB if rng.random() < 0.5 else LSB
            swap = int(ORDERS[original.order] in ("BADC", "DCBA"))
            d.half(channel, driver, role, coding | {"swap": swap}, -1)
            source = original.msb if role == MSB else original.lsb
            d.links.append((source, channel, LINK_KINDS.index("half_twin")))
    return rows


def _draw_bits(d: Drawing, slots: _Slots) -> None:
    spec, rng = d.spec.bits, stream(d.key, "bits")
    for _ in range(spec.one_bit):
        d.bit_word(slots.take(), "one_bit", [("flag", 0, 1)], rng)
    for _ in range(spec.narrow):
        name = choose(rng, {"signal": 3, "enum": 1, "counter": 1}, 1)[0]
        width = int(rng.integers(3, 16)) if name != "enum" else int(rng.integers(3, 5))
        d.bit_word(slots.take(), "narrow", [(name, 0, width)], rng)
    for _ in range(spec.packed):
        d.bit_word(slots.take(), "packed", d.packed_layout(rng), rng)


def _draw_plain(d: Drawing, slots: _Slots) -> list[int]:
    spec, rng = d.spec.plain, stream(d.key, "plain")
    for _ in range(d.spec.decoys.zero_crossers):
        d.zero_crosser(slots.take(), rng)
    own = d.spec.plain_count - spec.twins - spec.derived
    channels = [slots.take() for _ in range(own)]
    kinds, processes = choose(rng, spec.kinds, own), choose(rng, spec.processes, own)
    followers: dict[int, list[tuple[int, bool]]] = {}
    for j in range(spec.twins + spec.derived):
        followers.setdefault(int(rng.integers(own)), []).append((slots.take(), j >= spec.twins))
    for i, channel in enumerate(channels):
        mine = followers.get(i, [])
        d.plain(channel, kinds[i], processes[i], rng, [channel, *(c for c, _ in mine)])
        for follower, derived in mine:
            d.copy_plain(channel, follower, rng, derived)
    return channels


def _draw_drift(d: Drawing, channels: Sequence[int], processes: np.ndarray) -> np.ndarray:
    """Drift episodes on plain channels that nothing follows; returns truth rows (channel, start, end, kind, size)."""
    spec, rng = d.spec.drift, stream(d.key, "drift")
    count = int(rng.poisson(spec.per_recording)) if spec.per_recording else 0
    leaders = {a for a, _, _ in d.links}
    fit = [c for c in channels if c not in leaders and PROCESSES[d.process[c]] not in ("counter", "none")]
    rows = []
    for channel in rng.permutation(fit)[:count].tolist():
        driver = int(d.driver[channel])
        spacing = processes["spacing_s"][driver]
        seconds = min(float(rng.uniform(*spec.seconds)), 0.5 * d.spec.duration_s)
        start = float(rng.uniform(0.05 * d.spec.duration_s, 0.95 * d.spec.duration_s - seconds))
        # a tone's amplitude is no part of the spline that a gain acts on
        gain = rng.random() < 0.5 and processes["span"][driver] > 100 and PROCESSES[d.process[channel]] != "tones"
        down = rng.random() < 0.5
        size = float(log_uniform(rng, *(spec.gain if gain else spec.size_counts)))
        size = (1 / size if down else size) if gain else (-size if down else size)
        processes["drift"][driver] = latent.DRIFT_GAIN if gain else latent.DRIFT_MEAN
        first, last = int(start / spacing), int((start + seconds) / spacing) + 1
        processes["d0"][driver], processes["d1"][driver] = first, last
        processes["size"][driver] = size
        rate = d.rates[channel]
        felt = max(0.0, (first - 1) * spacing)  # the spline's segment before a knot bends towards it
        rows.append((channel, int(felt * rate), int(last * spacing * rate), int(gain), size))
    return np.array(sorted(rows), float).reshape(-1, 5)


def plan(spec: SceneSpec, key: Key) -> Plan:
    """Draw one scene."""
    d = Drawing(spec, key)
    slots = _Slots(spec, stream(key, "layout"))
    pairs = _draw_pairs(d, slots)
    _draw_bits(d, slots)
    own_plain = _draw_plain(d, slots)
    decoys = stream(key, "decoys")
    counters = []
    rolling = [i for i, row in enumerate(pairs) if row.visible and FORMATS[row.format] != "float32"]
    telling = rolling or list(range(len(pairs)))
    for _ in range(spec.decoys.rollover_counters):
        channel, row = slots.take(), telling[int(decoys.integers(len(telling)))]
        counters.append((channel, row, int(decoys.integers(65536))))
        d.used[channel] = False
        d.process[channel] = PROCESSES.index("events")
        d.links.append((pairs[row].lsb, channel, LINK_KINDS.index("rollover_counter")))
    processes = np.array(d.process_rows, latent.PROCESS)
    drift = _draw_drift(d, own_plain, processes)
    physical = stream(key, "physical")
    n = spec.channels
    scale = 10.0 ** -physical.integers(0, 4, n) * physical.choice([1, 2, 5], n)
    offset = np.where(physical.random(n) < 0.25, -40.0, 0.0)
    number = d.node == PLAIN
    for a, b, kind in d.links:
        if LINK_KINDS[kind] == "twin" and number[a]:
            scale[b], offset[b] = scale[a], offset[a]
    table = np.array([row[:5] for row in pairs], np.int64).reshape(-1, 5)
    fields = np.array(d.field_truth, np.int64).reshape(-1, 4)
    links = np.array(d.links, np.int64).reshape(-1, 3)
    truth = {
        "node_type": d.node, "word_kind": d.kind, "process": d.process, "mask": d.mask,
        "phase_ns": d.phase_ns, "latency_ns": d.latency_ns, "driver": d.driver,
        "scale": np.where(number, scale, 1.0), "offset": np.where(number, offset, 0.0),
        "pair_msb": table[:, 0].astype(np.int32), "pair_lsb": table[:, 1].astype(np.int32),
        "pair_order": table[:, 2].astype(np.int8), "pair_format": table[:, 3].astype(np.int8),
        "pair_modulus": table[:, 4].astype(np.int32), "pair_scale": np.array([row.scale for row in pairs], float),
        "field_channel": fields[:, 0].astype(np.int32), "field_start": fields[:, 1].astype(np.int8),
        "field_width": fields[:, 2].astype(np.int8), "field_kind": fields[:, 3].astype(np.int8),
        "field_signal": np.arange(len(fields), dtype=np.int32), "field_shift": np.zeros(len(fields), np.int8),
        "field_signed": np.zeros(len(fields), np.int8), "field_scale": np.ones(len(fields)),
        "field_offset": np.zeros(len(fields)),
        "drift_channel": drift[:, 0].astype(np.int32), "drift_start": drift[:, 1].astype(np.int32),
        "drift_end": drift[:, 2].astype(np.int32), "drift_kind": drift[:, 3].astype(np.int8), "drift_size": drift[:, 4],
        "link_a": links[:, 0].astype(np.int32), "link_b": links[:, 1].astype(np.int32),
        "link_kind": links[:, 2].astype(np.int8),
    }  # fmt: skip
    return Plan(
        starts=d.starts, counts=d.counts, periods_ps=d.periods_ps, phase_ns=d.phase_ns, latency_ns=d.latency_ns,
        jobs=d.jobs[d.used], drivers=np.array(d.driver_rows, latent.DRIVER), processes=processes,
        fields=np.array(d.field_rows, packed.FIELD), knots=d.knots, envelopes=d.envelopes, truth=truth,
        rollover_counters=counters,
    )  # fmt: skip
