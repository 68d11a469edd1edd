"""A scene being drawn: its channels' clocks, and the drivers, fields and jobs that what they carry needs."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from simulators import noise
from simulators.rng import Key, stream
from simulators.scene.kernels import bits as packed
from simulators.scene.kernels import latent, words
from simulators.scene.spec import FIELD_KINDS, LINK_KINDS, PROCESSES, WORD_KINDS, SceneSpec

KNOT_S = 0.016
"""Target spacing of a driver's knots."""

PLAIN, MSB, LSB, BITS = range(4)
STILL_AT_ZERO = 0.7
"""Probability that a value or a field that does not move is 0; so it is in real logs."""
CENTRE = (latent.PROCESS.names or ()).index("centre")
MOVING = ("flag", "enum", "counter", "signal")
NOISES = {"gaussian": noise.GAUSSIAN, "uniform": noise.UNIFORM, "heavy": noise.HEAVY}


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


def _keys(rng: np.random.Generator) -> Iterator[list[int]]:
    """Noise keys (k0, k1), without end; how many are taken changes none."""
    while True:
        yield from rng.integers(0, 2**32, (64, 2), np.uint32).tolist()


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
        self.keys = _keys(stream(key, "noise"))
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
        inside = max(1, int(self.spec.duration_s / (tick_s * (1 << shift))))
        self.process_rows.append((
            kind, self.knots, count, inside, env, tick_s * (1 << shift), a, b,
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
            centre = self.process_rows[int(self.driver[source])][CENTRE]
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
        still = name in MOVING and rng.random() < spec.still_probability
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
            packed.CONSTANT if still else FIELD_KINDS.index(name),
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
