"""Draws of one scene: which channel carries what, when it is read, and the parameters of everything behind it.

All draws of a recording happen here and in `anomalies`, from named streams; the kernels only compute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from simulators import noise
from simulators.rng import Key, stream
from simulators.scene.kernels import bits as packed
from simulators.scene.kernels import latent, words
from simulators.scene.spec import FIELD_KINDS, FORMATS, LINK_KINDS, ORDERS, PROCESSES, WORD_KINDS, SceneSpec

KNOT_S = 0.016
"""Target spacing of a driver's knots."""

PLAIN, MSB, LSB, BITS = range(4)
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


STILL_AT_ZERO = 0.7
"""Probability that a value or a field that does not move is 0; so it is in real logs."""
NOISES = {"gaussian": noise.GAUSSIAN, "uniform": noise.UNIFORM, "heavy": noise.HEAVY}
SEALS = ("parity", "crc", "checksum")


def log_uniform(rng: np.random.Generator, low: float, high: float, size: int | None = None) -> np.ndarray:
    """Log-uniform draws in [low, high]."""
    return low * (high / low) ** rng.random(size)


@cache
def _cumulative(weights: tuple[float, ...]) -> np.ndarray:
    total = np.cumsum(weights)
    return total / total[-1]


def choose(rng: np.random.Generator, weights: Mapping, size: int) -> list:
    """Draw keys of a {key: weight} table with probability proportional to weight; the table's order does not matter."""
    names = sorted(weights, key=str)
    at = np.searchsorted(_cumulative(tuple(weights[n] for n in names)), rng.random(size), side="right")
    return [names[i] for i in np.minimum(at, len(names) - 1)]


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


class Drawing:
    """One scene being drawn: accumulates drivers, fields, jobs and truth."""

    def __init__(self, spec: SceneSpec, key: Key) -> None:
        """Begin a scene: clocks and empty tables."""
        self.spec, self.key = spec, key
        n = spec.channels
        samples = [spec.samples(clock) for clock in spec.clocks]
        per_clock = [clock.channels for clock in spec.clocks]
        self.rates = np.repeat([clock.rate_hz for clock in spec.clocks], per_clock)
        self.counts = np.repeat(samples, per_clock)
        self.starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        self.periods_ps = np.rint(1e12 / self.rates).astype(np.int64)
        self._time()
        self.clock = list(zip(self.rates.tolist(), self.phase_ns.tolist(), strict=True))
        self.driver_rows: list[tuple] = []
        self.process_rows: list[tuple] = []
        self.field_rows: list[tuple] = []
        self.field_truth: list[tuple] = []
        self.links: list[tuple[int, int, int]] = []
        self.knots = self.envelopes = 0
        self.jobs = np.zeros(n, words.JOB)
        self.jobs["n"], self.jobs["row"], self.jobs["low_row"] = self.counts, self.starts, self.starts
        self.jobs["phase_ns"], self.jobs["period_ps"] = self.phase_ns, self.periods_ps
        self.jobs["period_s"] = 1 / self.rates
        self.jobs["pair"], self.jobs["reads"], self.jobs["modulus"] = -1, -1, words.FULL
        self.jobs["gain"] = self.jobs["step"] = self.jobs["float_scale"] = 1
        self.jobs["stride"], self.jobs["most"] = 1, 65535
        self.jobs["lossy"] = spec.timing.missing_probability > 0 or spec.timing.held_probability > 0
        self.used = np.ones(n, bool)
        noise_rng = stream(key, "noise")
        self.keys = iter(noise_rng.integers(0, 2**32, (8 * n + 64, 2), np.uint32).tolist())
        self.node = np.zeros(n, np.int8)
        self.kind = np.zeros(n, np.int8)
        self.process = np.zeros(n, np.int8)
        self.mask = np.full(n, 0xFFFF, np.uint16)
        self.driver = np.full(n, -1, np.int32)
        self.regular = spec.timing.jitter == 0

    def _time(self) -> None:
        timing = self.spec.timing
        rng = stream(self.key, "timing")
        n = self.rates.size
        self.phase_ns = (rng.random(n) * timing.phase * 1e9 / self.rates).astype(np.int64)
        self.latency_ns = (rng.random(n) * timing.latency_s * 1e9).astype(np.int64)

    # drivers

    def _ticks(self, channels: Sequence[int]) -> tuple[int, float]:
        """Tick of a driver that these channels read, in ns (0: refreshed by the read), and in seconds."""
        clocks = {self.clock[c] for c in channels}
        if self.regular and len(clocks) == 1:
            return 0, 1 / self.clock[channels[0]][0]
        tick_ns = max(1, round(self.spec.timing.refresh_s * 1e9))
        return tick_ns, tick_ns * 1e-9

    def add_driver(self, channels: Sequence[int], kind: int, a: float, b: float, **more: float) -> int:
        """A latent process that these channels read; returns its number. `more`: columns of DRIVER and PROCESS."""
        tick_ns, tick_s = self._ticks(channels)
        shift = max(0, round(float(np.log2(KNOT_S / tick_s))))
        longest = self.spec.duration_s + 2 / min(self.clock[c][0] for c in channels)
        count = (int(longest / tick_s) + 2 >> shift) + 4
        env = -1
        if more.pop("bursts", 0):
            env = self.envelopes
            self.envelopes += count
        k0, k1 = next(self.keys)
        p0, p1 = next(self.keys)
        turn = 2.0**32 * tick_s
        inc = [round(more.get(f"hz{i}", 0.0) * turn) % 2**32 for i in (1, 2)]
        self.driver_rows.append((
            self.knots, shift, tick_ns, env, k0, k1, more.get("noise", 0.0),
            more.get("amp1", 0.0), inc[0], p0, more.get("amp2", 0.0), inc[1], p1,
        ))  # fmt: skip
        self.process_rows.append((
            kind, self.knots, count, env, tick_s * (1 << shift), a, b,
            more.get("place", latent.ASIS), more.get("modulus", words.FULL), more.get("page", 0), more.get("u", 0.0),
            more.get("span", 0.0), more.get("centre", 0.0), more.get("margin", 0.0), p1, k0, 0, 0, 0, 0.0,
        ))  # fmt: skip
        self.knots += count
        return len(self.driver_rows) - 1

    def read(self, channel: int, driver: int) -> None:
        """Let a channel's job read a driver at the channel's own times."""
        job = self.jobs[channel]
        tick_ns = self.driver_rows[driver][2]
        job["driver"] = self.driver[channel] = driver
        steps = self.periods_ps[channel] // 1000
        if tick_ns == 0:
            return
        whole = self.regular and self.periods_ps[channel] % 1000 == 0 and steps % tick_ns == 0
        job["stride"] = steps // tick_ns if whole else 0
        job["first"] = self.phase_ns[channel] // tick_ns

    # values

    def plain(self, channel: int, kind: str, process: str, rng: np.random.Generator, readers: Sequence[int]) -> None:
        """A plain value of its own, also read by `readers` (itself among them)."""
        spec, u = self.spec.plain, rng.random(8)
        rate = float(self.rates[channel])
        lowest = float(min(self.rates[c] for c in readers))
        job = self.jobs[channel]
        centre = 0.0 if kind == "i16" else float(log_uniform(rng, *spec.level_counts))
        room = 2e4 if kind == "i16" else 0.75 * min(centre, 65535 - centre)
        span = float(log_uniform(rng, min(200, room / 4), room)) * (2 if u[2] < 0.5 else 1)
        more: dict[str, float] = {"place": latent.SPAN, "centre": centre, "span": span}
        if rng.random() < spec.still_probability:
            level = {"span": 0.0, "centre": 0.0 if u[3] < STILL_AT_ZERO else centre}
            self.read(channel, self.add_driver(readers, latent.RAMP, 0.0, 0.0, **more | level))
            self._word(channel, kind, rng)
            job["noise"] = 0
            return
        code = PROCESSES.index(process)
        counts_per_s = min(float(log_uniform(rng, 5.0, 2e4)), 8e6 / self.spec.duration_s)
        a, b = {
            "walk": (1.0, 0.0),
            "tones": (0.1 * 2000**0.5, 10 * u[3] - 5),
            "ramp": (1.0 if u[3] < 0.5 else -1.0, 0.0),
            "counter": (counts_per_s, 0.0),
            "setpoint": (0.5 + 20 * u[3], 0.05 + 2 * u[4]),
            "duty": (0.5 + 10 * u[3], 0.2 + 0.6 * u[4]),
            "thermal": (5 + 60 * u[3], 0.5),
        }[process]
        if process == "counter":
            more = {"place": latent.VISIBLE, "page": 1, "u": float(u[5])}
        if process == "tones":
            more |= {"span": 20.0 + 300 * float(u[1]), "bursts": float(u[6] < 0.5)}
            hz = [float(log_uniform(rng, 0.2, 150.0)), float(20 + 20 * u[7])]
            aliased = rng.random(2) < spec.alias_probability
            for i in (1, 2):
                limit = 0.4 * lowest
                more[f"hz{i}"] = hz[i - 1] % limit if not aliased[i - 1] else rate * (0.55 + 2 * float(rng.random()))
                more[f"amp{i}"] = float(log_uniform(rng, 50, 3000)) * (1 if i == 1 or more["bursts"] else u[4] < 0.5)
        driver = self.add_driver(readers, code, a, b, **more)
        self.read(channel, driver)
        self.process[channel] = code
        self._word(channel, kind, rng, wraps=process == "counter")
        if process == "counter":
            job["noise"] = 0

    def _word(self, channel: int, kind: str, rng: np.random.Generator, wraps: bool = False) -> None:
        """How a plain value becomes a word: its coding, its noise."""
        job = self.jobs[channel]
        job["op"] = words.PLAIN
        job["k0"], job["k1"] = next(self.keys)
        job["noise"] = log_uniform(rng, *self.spec.plain.noise_counts)
        job["noise_kind"] = NOISES[self.spec.plain.noise]
        job["least"], job["most"] = (-32768, 32767) if kind == "i16" else (0, 65535)
        if wraps:
            job["least"], job["most"] = -(2.0**24), 2.0**24
        if kind == "scaled":
            job["step"] = (2, 4, 5, 8, 10, 16)[int(rng.integers(6))]
        self.kind[channel] = WORD_KINDS.index(kind)

    def copy_plain(self, source: int, channel: int, rng: np.random.Generator, derived: bool) -> None:
        """A twin of a plain value (same driver, own noise), or a value derived from it (gain and offset)."""
        job, origin = self.jobs[channel], self.jobs[source]
        self.read(channel, int(self.driver[source]))
        self.process[channel] = self.process[source]
        wraps = PROCESSES[self.process[source]] == "counter"
        signed = self.kind[source] == WORD_KINDS.index("i16")
        self._word(channel, "i16" if signed else "u16", rng, wraps)
        job["gain"], job["offset"] = origin["gain"], origin["offset"]
        if wraps or PROCESSES[self.process[source]] == "none":
            job["noise"] = 0
        elif derived:
            centre = self.process_rows[int(self.driver[source])][12]
            job["gain"] = float(rng.uniform(0.3, 0.9)) * (1 if rng.random() < 0.5 else -1)
            job["offset"] = (0.0 if signed else float(rng.uniform(2.2e4, 4.2e4))) - float(job["gain"]) * centre
        self.links.append((source, channel, LINK_KINDS.index("derived" if derived else "twin")))

    def zero_crosser(self, channel: int, rng: np.random.Generator) -> None:
        """A signed word that crosses zero: as an unsigned word it jumps by more than 32,768, with no partner."""
        more = {"place": latent.SPAN, "centre": 0.0, "span": float(log_uniform(rng, 500, 12000))}
        code = PROCESSES.index("signed")
        self.read(channel, self.add_driver([channel], code, 1.0, 0.0, **more))
        self.process[channel] = code
        self._word(channel, "i16", rng)

    # pairs

    def pair_parameters(self, process: str, rng: np.random.Generator) -> tuple[int, float, float, float]:
        """Code, two parameters and noise of a 32-bit value's process."""
        spec = self.spec.pairs
        code = PROCESSES.index(process)
        sd = float(log_uniform(rng, *spec.noise_counts))
        if process == "clock":
            return code, float(log_uniform(rng, *spec.clock_per_s)), 0.0, 0.0
        if process == "counter":
            return code, float(log_uniform(rng, *spec.counter_per_s)), 0.0, 0.0
        if process == "encoder":
            return code, float(log_uniform(rng, *spec.encoder_counts)), float(log_uniform(rng, *spec.encoder_hz)), sd
        if process == "setpoint":
            return code, float(log_uniform(rng, 0.5, 20)), float(log_uniform(rng, 0.1, 3)), sd
        return code, float(log_uniform(rng, *spec.walk_per_sqrt_s)), 0.0, sd

    def half(self, channel: int, driver: int, role: int, coding: Mapping[str, float], pair: int) -> None:
        """A channel that reads one half of a 32-bit value by itself."""
        job = self.jobs[channel]
        for name, value in coding.items():
            job[name] = value
        job["op"], job["pair"] = (words.HIGH if role == MSB else words.LOW), pair
        self.read(channel, driver)
        self.node[channel], self.kind[channel] = role, WORD_KINDS.index("half")
        self.process[channel] = self.process_rows[driver][0]

    def pair(self, high: int, low: int, driver: int, coding: Mapping[str, float], pair: int) -> None:
        """Two channels that read the halves of a 32-bit value: at once where one clock reads both."""
        self.half(low, driver, LSB, coding, pair)
        self.half(high, driver, MSB, coding, -1)
        job = self.jobs[low]
        if job["stride"] == self.jobs[high]["stride"] == 1 and job["first"] == self.jobs[high]["first"] and (
            self.counts[high] == self.counts[low]
        ):  # fmt: skip
            job["op"], job["low_row"], job["row"] = words.HALVES, self.starts[low], self.starts[high]
            self.used[high] = False

    # bits

    def add_field(
        self, channel: int, name: str, start: int, width: int, rng: np.random.Generator, value: int = 0
    ) -> None:
        """A field of a bit word, to its job and to the truth."""
        spec, rate = self.spec.bits, float(self.rates[channel])
        driver, sd = -1, 0.0
        still = rng.random() < spec.still_probability
        if name == "signal" and not still:
            top = float((1 << width) - 1)
            code = latent.WALK if rng.random() < 0.6 else latent.SETPOINT
            more = {"place": latent.SPAN, "centre": top / 2, "span": top * float(rng.uniform(0.3, 0.9))}
            a, b = (1.0, 0.0) if code == latent.WALK else (float(rng.uniform(1, 20)), 0.5)
            driver = self.add_driver([channel], code, a, b, **more)
            sd = max(0.0, 0.03 * top * float(rng.uniform(-1, 1)))
            self.read(channel, driver)
        every = 1 if rng.random() < 0.6 else int(rng.integers(2, max(3, int(rate))))
        start_value = value if name == "constant" else int(rng.integers(1 << width))
        start_value = 0 if still and rng.random() < STILL_AT_ZERO else start_value
        k0, k1 = next(self.keys)
        self.field_rows.append((
            packed.CONSTANT if still and name not in SEALS else FIELD_KINDS.index(name),
            start, width, start_value, every, driver,
            float(log_uniform(rng, *spec.dwell_s)), float(rng.uniform(0.1, 0.9)), sd, k0, k1,
        ))  # fmt: skip
        self.field_truth.append((channel, start, width, FIELD_KINDS.index(name)))

    def bit_word(
        self, channel: int, kind: str, layout: Sequence[tuple[str, int, int]], rng: np.random.Generator
    ) -> None:
        """A bit word from its fields (kind, start, width); constant ones get a value of at least one set bit."""
        job = self.jobs[channel]
        job["op"], job["field"], job["fields"] = words.BITS, len(self.field_rows), len(layout)
        mask = 0
        for name, start, width in layout:
            value = int(rng.integers(1, 1 << width)) if name == "constant" else 0
            self.add_field(channel, name, start, width, rng, value)
            if name not in ("constant", "reserved"):
                mask |= ((1 << width) - 1) << start
        self.mask[channel], self.node[channel] = mask, BITS
        self.kind[channel] = WORD_KINDS.index(kind)

    def packed_layout(self, rng: np.random.Generator) -> list[tuple[str, int, int]]:
        """Fields side by side: a seal at the top or the bottom, then fields, constant and reserved bits."""
        spec = self.spec.bits
        seal = choose(rng, spec.seals, 1)[0]
        own = {"none": 0, "parity": 1, "crc": 4, "checksum": 4}[seal]
        layout: list[tuple[str, int, int]] = []
        at, end = 0, 16
        if own:
            bottom = rng.random() < 0.5
            layout.append((seal, 0 if bottom else 16 - own, own))
            at, end = (own, 16) if bottom else (0, 16 - own)
        low, high = spec.signal_bits
        while at < end:
            if rng.random() > spec.used:
                name, width = ("constant", "reserved")[int(rng.integers(2))], int(rng.integers(1, 4))
            else:
                name = choose(rng, spec.fields, 1)[0]
                width = {"flag": 1, "enum": int(rng.integers(2, 5)), "counter": int(rng.integers(2, 9)),
                         "signal": int(rng.integers(low, high + 1))}[name]  # fmt: skip
            width = min(width, end - at)
            if (name == "enum" and width < 2) or (name == "counter" and width < 2) or (name == "signal" and width < 3):
                name, width = "flag", 1
            layout.append((name, at, width))
            at += width
        if all(name in ("constant", "reserved", seal) for name, _, _ in layout):
            name, at, width = layout[-1] if layout[-1][0] != seal else layout[0]
            layout[layout.index((name, at, width))] = ("flag", at, 1)
            if width > 1:
                layout.append(("reserved", at + 1, width - 1))
        return sorted(layout, key=lambda item: item[1])


def order_halves(two: Sequence[int], order: str) -> tuple[int, int]:
    """(channel of the high half, of the low half): ABCD and BADC send the high word at the lower channel number."""
    low, high = min(two), max(two)
    return (low, high) if order in ("ABCD", "BADC") else (high, low)


def _draw_pairs(d: Drawing, slots: _Slots) -> list[tuple[int, int, int, int, int]]:
    """Place and draw all pairs; returns their truth rows (msb, lsb, order, format, modulus)."""
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
    rows: list[tuple[int, int, int, int, int]] = []
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
        coding = {"modulus": modulus, "format": FORMATS.index(fmt), "float_scale": float(10.0 ** -int(4 * u[3]))}
        for where_to, order in ((where[i], orders_here[0]), (twins.get(i), orders_here[1])):
            if where_to is None:
                continue
            high, low = order_halves(where_to, order)
            coded = coding | {"swap": int(order in ("BADC", "DCBA"))}
            d.pair(high, low, driver, coded, len(rows))
            rows.append((high, low, ORDERS.index(order), FORMATS.index(fmt), modulus))
        if i in twins:
            (h0, l0), (h1, l1) = rows[-2][:2], rows[-1][:2]
            d.links += [(h0, h1, LINK_KINDS.index("twin")), (l0, l1, LINK_KINDS.index("twin"))]
        original = rows[-1 - (i in twins)]
        for channel in copies.get(i, []):
            role = MSB if rng.random() < 0.5 else LSB
            swap = int(ORDERS[original[2]] in ("BADC", "DCBA"))
            d.half(channel, driver, role, coding | {"swap": swap}, -1)
            d.links.append((original[0 if role == MSB else 1], channel, LINK_KINDS.index("half_twin")))
    return rows


def _draw_bits(d: Drawing, slots: _Slots) -> None:
    spec, rng = d.spec.bits, stream(d.key, "bits")
    for _ in range(spec.one_bit):
        d.bit_word(slots.take(), "one_bit", [("flag", 0, 1)], rng)
    low, high = spec.signal_bits
    for _ in range(spec.narrow):
        name = choose(rng, {"signal": 3, "enum": 1, "counter": 1}, 1)[0]
        width = int(rng.integers(3, 16)) if name != "enum" else int(rng.integers(3, 5))
        width = min(max(width, low), max(high, 4)) if name == "signal" else width
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
        gain = rng.random() < 0.5 and processes["span"][driver] > 100
        down = rng.random() < 0.5
        size = float(log_uniform(rng, *(spec.gain if gain else spec.size_counts)))
        size = (1 / size if down else size) if gain else (-size if down else size)
        processes["drift"][driver] = latent.DRIFT_GAIN if gain else latent.DRIFT_MEAN
        processes["d0"][driver], processes["d1"][driver] = start / spacing, (start + seconds) / spacing
        processes["size"][driver] = size
        rate = d.rates[channel]
        rows.append((channel, int(start * rate), int((start + seconds) * rate), int(gain), size))
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
    for _ in range(spec.decoys.rollover_counters):
        channel, row = slots.take(), int(decoys.integers(len(pairs)))
        counters.append((channel, row, int(decoys.integers(65536))))
        d.used[channel] = False
        d.process[channel] = PROCESSES.index("events")
        d.links.append((pairs[row][1], channel, LINK_KINDS.index("rollover_counter")))
    processes = np.array(d.process_rows, latent.PROCESS)
    drift = _draw_drift(d, own_plain, processes)
    physical = stream(key, "physical")
    n = spec.channels
    scale = 10.0 ** -physical.integers(0, 4, n) * physical.choice([1, 2, 5], n)
    offset = np.where(physical.random(n) < 0.25, -40.0, 0.0)
    number = d.node == PLAIN
    table = np.array(pairs, np.int64).reshape(-1, 5)
    fields = np.array(d.field_truth, np.int64).reshape(-1, 4)
    links = np.array(d.links, np.int64).reshape(-1, 3)
    truth = {
        "node_type": d.node, "word_kind": d.kind, "process": d.process, "mask": d.mask,
        "phase_ns": d.phase_ns, "latency_ns": d.latency_ns, "driver": d.driver,
        "scale": np.where(number, scale, 1.0), "offset": np.where(number, offset, 0.0),
        "pair_msb": table[:, 0].astype(np.int32), "pair_lsb": table[:, 1].astype(np.int32),
        "pair_order": table[:, 2].astype(np.int8), "pair_format": table[:, 3].astype(np.int8),
        "pair_modulus": table[:, 4].astype(np.int32),
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
