"""What a bus scene is: the scenario's fields, and the schema of its recordings.

A scene is a bus of 16-bit words. `clocks` says how many word channels are read at which rate; the other tables say
what those channels carry. Rates are in hertz, times in seconds, amplitudes in counts of the word (LSB).
"""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema import Schema, Var
from scenarios.spec import Part, Spec

VERSION = "2"

NODE_TYPES = ("plain", "msb", "lsb", "bits")
WORD_KINDS = ("u16", "i16", "scaled", "half", "one_bit", "narrow", "packed")
PROCESSES = (
    "none", "walk", "tones", "ramp", "counter", "setpoint", "duty", "thermal", "clock", "encoder", "signed", "events",
)  # fmt: skip
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
FORMATS = ("u32", "i32", "float32", "gray")
FIELD_KINDS = ("flag", "enum", "counter", "signal", "parity", "crc", "checksum", "constant", "reserved")
ANOMALY_KINDS = (
    "spike", "drift", "stuck", "noise_burst", "level_shift", "frequency_change", "pattern_change", "dropout",
    "broken_correlation", "stuck_bit", "counter_skip", "wrong_carry", "swapped_halves", "frozen_msb", "replay",
    "bad_checksum", "twin_replay", "lag", "gain_change", "late_carry",
)  # fmt: skip
ACROSS_KINDS = ("twin_replay", "lag", "gain_change", "late_carry")
"""Anomalies that leave a channel as it could be by itself: only beside another channel are they wrong."""
ON_REQUEST = ACROSS_KINDS
"""Anomalies that only a scenario which names them has."""
DRIFT_KINDS = ("mean", "gain")
LINK_KINDS = ("twin", "derived", "half_twin", "rollover_counter")

MOST_SAMPLES = 2**31
"""Channel samples of a recording: it is made in memory, and noise counters have 32 bits."""

Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Weight = Annotated[float, Field(ge=0)]
Range = tuple[float, float]


class Clock(Part):
    """A group of channels that are read at one rate."""

    rate_hz: Annotated[float, Field(gt=0, le=1e6)]
    channels: Annotated[int, Field(ge=1, le=4096)]


class Timing(Part):
    """When words are read, and what the logger loses. Read n of a channel: phase + n / rate + jitter."""

    phase: Probability = 0.0
    """Phases are uniform over this fraction of a period."""
    latency_s: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Arrival is later than the read by a constant of the channel, uniform from 0 to this."""
    jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Each read is late by a uniform share of the period, up to this."""
    missing_probability: Probability = 0.0
    held_probability: Probability = 0.0
    refresh_s: Annotated[float, Field(ge=1e-6, le=1)] = 0.0005
    """Interval at which a device refreshes a 32-bit register that is read by more than one clock."""


class Pairs(Part):
    """32-bit values that are sent as two 16-bit halves."""

    count: Count = 0
    twins: Count = 0
    """Redundant pairs: another device sends the same value over two more channels."""
    visible_probability: Probability = 0.33
    """Probability that the high half of a pair changes at all within the recording."""
    cross_rate_probability: Probability = 0.0
    torn_probability: Probability = 0.0
    """Probability that the high half lags behind a rollover by one to three reads."""
    processes: dict[Literal["clock", "counter", "walk", "encoder", "signed", "setpoint"], Weight] = {
        "clock": 1, "counter": 1, "walk": 1, "encoder": 1, "signed": 1,
    }  # fmt: skip
    formats: dict[Literal["u32", "i32", "float32", "gray"], Weight] = {"u32": 1}
    orders: dict[Literal["ABCD", "CDAB", "BADC", "DCBA"], Weight] = {"ABCD": 1, "CDAB": 1}
    moduli: dict[Annotated[int, Field(ge=2, le=65536)], Weight] = {65536: 1}
    """Where the low half rolls over. Other moduli than 65536 are sent as u32, in plain bytes."""
    counter_per_s: Range = (1.2e4, 3.2e6)
    clock_per_s: Range = (2e4, 2e6)
    walk_per_sqrt_s: Range = (1.3e3, 9e4)
    encoder_counts: Range = (1.6e5, 4e6)
    encoder_hz: Range = (0.05, 0.8)
    noise_counts: Range = (0.5, 30.0)


class Plain(Part):
    """Words that are values by themselves: all channels that nothing else claims."""

    twins: Count = 0
    derived: Count = 0
    processes: dict[Literal["walk", "tones", "ramp", "counter", "setpoint", "duty", "thermal"], Weight] = {
        "walk": 2, "tones": 3, "ramp": 1, "counter": 1, "setpoint": 1, "duty": 1, "thermal": 1,
    }  # fmt: skip
    kinds: dict[Literal["u16", "i16", "scaled"], Weight] = {"u16": 3, "i16": 1, "scaled": 1}
    level_counts: Range = (1e4, 4e4)
    """Middle of an unsigned value, log-uniform."""
    noise_counts: Range = (1.0, 60.0)
    noise: Literal["gaussian", "uniform", "heavy"] = "gaussian"
    still_probability: Probability = 0.0
    """Probability that a value does not change within the recording; in real logs many do not."""
    alias_probability: Probability = 0.0
    """Probability that a tone lies above half the channel's rate; otherwise it lies below 0.4 of the rate."""


class Bits(Part):
    """Words of which single bits mean something."""

    one_bit: Count = 0
    narrow: Count = 0
    packed: Count = 0
    fields: dict[Literal["flag", "enum", "counter", "signal"], Weight] = {
        "flag": 4, "enum": 2, "counter": 1, "signal": 2,
    }  # fmt: skip
    seals: dict[Literal["none", "parity", "crc", "checksum"], Weight] = {
        "none": 4, "parity": 1, "crc": 1, "checksum": 1,
    }  # fmt: skip
    used: Probability = 0.85
    """Share of the bits beside the seal that carry fields; the rest is constant or reserved."""
    still_probability: Probability = 0.0
    """Probability that a field does not change within the recording."""
    signal_bits: tuple[int, int] = (3, 10)
    dwell_s: Range = (0.02, 5.0)


class Decoys(Part):
    """Channels that look like part of a pair, and are coupled to one."""

    rollover_counters: Count = 0
    half_twins: Count = 0
    zero_crossers: Count = 0


class Anomalies(Part):
    """Labelled faults of the quantity, the word or the protocol, at uniform positions."""

    per_recording: Annotated[float, Field(ge=0, le=1000)] = 0.0
    seconds: Range = (0.05, 2.0)
    strength: Range = (1.0, 1.0)
    """Factor on the size of a change that has a size, log-uniform."""
    across: Probability | None = None
    """Share of events that show only across channels (ACROSS_KINDS); by default as the kinds' weights say."""
    kinds: dict[Literal[ANOMALY_KINDS], Weight] = {  # type: ignore[valid-type]
        kind: 1.0 for kind in ANOMALY_KINDS if kind not in ON_REQUEST
    }

    @model_validator(mode="after")
    def _both_sorts(self) -> Self:
        for across in (True, False):
            share = (self.across if across else 1 - self.across) if self.across is not None else 0
            if share and not any(weight for kind, weight in self.kinds.items() if (kind in ACROSS_KINDS) == across):
                raise ValueError(
                    f"kinds must have a weight above 0 {'among' if across else 'beside'} {', '.join(ACROSS_KINDS)} "
                    f"where across is {self.across:g}; they are {self.kinds}"
                )
        return self


class Drift(Part):
    """Slow, lasting changes of a plain value: of its mean, or of its gain."""

    per_recording: Annotated[float, Field(ge=0, le=1000)] = 0.0
    seconds: Range = (5.0, 30.0)
    size_counts: Range = (500.0, 6000.0)
    gain: Range = (1.3, 3.0)


class SceneSpec(Spec):
    """One scenario of the scene simulator."""

    duration_s: Annotated[float, Field(gt=0, le=86_400)]
    clocks: Annotated[tuple[Clock, ...], Field(min_length=1)]
    timing: Timing = Timing()
    pairs: Pairs = Pairs()
    plain: Plain = Plain()
    bits: Bits = Bits()
    decoys: Decoys = Decoys()
    anomalies: Anomalies = Anomalies()
    drift: Drift = Drift()

    @property
    def channels(self) -> int:
        """Word channels of a scene."""
        return sum(clock.channels for clock in self.clocks)

    @property
    def halves(self) -> int:
        """Channels that carry a half of a 32-bit value, copies of single halves left out."""
        return 2 * (self.pairs.count + self.pairs.twins)

    @property
    def plain_count(self) -> int:
        """Plain words: the channels that nothing else claims."""
        bits, decoys = self.bits, self.decoys
        claimed = self.halves + bits.one_bit + bits.narrow + bits.packed
        return self.channels - claimed - decoys.rollover_counters - decoys.half_twins - decoys.zero_crossers

    def samples(self, clock: Clock) -> int:
        """Samples of one channel of a clock group."""
        return math.floor(self.duration_s * clock.rate_hz + 1e-9)

    @model_validator(mode="after")
    def _values_fit_their_words(self) -> Self:
        """What a pair may reach must have a high half, and what it may do between two reads a sign."""
        if not self.pairs.count:
            return self
        pairs, modulus = self.pairs, min(self.pairs.moduli)
        steady = max(2 * pairs.counter_per_s[1], pairs.clock_per_s[1])
        fastest = max(steady, 2 * math.pi * pairs.encoder_counts[1] * pairs.encoder_hz[1])
        slowest = min(clock.rate_hz for clock in self.clocks)
        if fastest / slowest > 32767 * modulus:
            raise ValueError(
                f"pairs must wrap at most 32,767 times a sample; {fastest:.3g} counts/s at {slowest:g} Hz do"
            )
        t = self.duration_s
        travel = max(steady * t, 2 * pairs.encoder_counts[1], 8 * pairs.walk_per_sqrt_s[1] * math.sqrt(t))
        if modulus < 65536 and travel > 64000 * modulus:
            raise ValueError(f"pairs must stay below 65,536 times their modulus; {travel:.3g} counts pass {modulus}")
        if 7 * pairs.noise_counts[1] + 2 > modulus / 8:
            raise ValueError(f"pairs.noise_counts must be at most 1/56 of the modulus; it is {pairs.noise_counts[1]}")
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        rates = [clock.rate_hz for clock in self.clocks]
        for rate in rates:
            if float(f"{rate:g}") != rate:
                raise ValueError(
                    f"clocks must have rates of at most six digits, which name their groups; one is {rate}"
                )
        if len(set(rates)) < len(rates):
            raise ValueError(f"clocks must have distinct rates; they are {rates}")
        if self.halves > self.channels:
            raise ValueError(f"pairs need two channels each; {self.halves} halves, {self.channels} channels")
        if self.plain_count < 0:
            raise ValueError(f"channels must suffice for what they carry; {-self.plain_count} too few")
        if self.plain_count < self.plain.twins + self.plain.derived + bool(self.plain.twins + self.plain.derived):
            raise ValueError(
                f"plain words must outnumber twins and derived; {self.plain_count} words for "
                f"{self.plain.twins} twins, {self.plain.derived} derived"
            )
        if self.pairs.twins > self.pairs.count:
            raise ValueError(f"pairs.twins must be at most pairs.count ({self.pairs.count}); it is {self.pairs.twins}")
        if (self.decoys.half_twins or self.decoys.rollover_counters) and not self.pairs.count:
            raise ValueError("decoys copy pairs; half_twins and rollover_counters need pairs.count above 0")
        if self.plain.level_counts[1] > 60000:
            raise ValueError(f"plain.level_counts must be at most 60,000; it is {self.plain.level_counts[1]:g}")
        if self.duration_s / self.timing.refresh_s > 2**32:
            raise ValueError(
                f"timing.refresh_s must fit 2^32 times into duration_s at most; it is {self.timing.refresh_s}"
            )
        low, high = self.bits.signal_bits
        if not 3 <= low <= high <= 15:
            raise ValueError(f"bits.signal_bits must lie within 3 to 15; it is [{low}, {high}]")
        if (total := sum(self.samples(clock) * clock.channels for clock in self.clocks)) > MOST_SAMPLES:
            raise ValueError(f"a recording must have at most {MOST_SAMPLES:,} channel samples; it would have {total:,}")
        if any(self.samples(clock) < 8 for clock in self.clocks):
            raise ValueError(f"duration_s must cover 8 samples of every clock; it is {self.duration_s}")
        return self


def _var(name: str, dims: str, dtype: str, units: str, meaning: str, **more: object) -> Var:
    return Var(name=name, dims=tuple(dims.split()), dtype=dtype, units=units, meaning=meaning, **more)  # type: ignore[arg-type]


SCHEMA = Schema(
    variables=(
        _var("inputs/r{rate}/words", "channel time", "uint16", "1", "word as sent"),
        _var("inputs/r{rate}/channel_id", "channel", "int32", "1", "channel number over all rates"),
        _var("inputs/r{rate}/n_samples", "channel", "int32", "1", "samples of the channel; the rest is fill"),
        _var("inputs/r{rate}/start_ns", "channel", "int64", "ns", "arrival of sample 0 at the logger"),
        _var("inputs/r{rate}/lsb", "channel", "float64", "1", "value of one count; 1 where nobody knows it"),
        _var(
            "inputs/r{rate}/valid", "channel time", "bool", "1", "a sample came; else the word is held", optional=True
        ),
        _var(
            "inputs/r{rate}/arrival_ns",
            "channel time",
            "int64",
            "ns",
            "arrival at the logger; of a lost sample, when due",
            optional=True,
        ),
        _var("truth/r{rate}/held", "channel time", "bool", "1", "the device sent its previous word", optional=True),
        _var("truth/r{rate}/read_ns", "channel time", "int64", "ns", "true time of the read", optional=True),
        _var("truth/node_type", "channel", "int8", "1", "what the word is", flag_meanings=NODE_TYPES),
        _var("truth/word_kind", "channel", "int8", "1", "how the word is coded", flag_meanings=WORD_KINDS),
        _var("truth/process", "channel", "int8", "1", "latent process behind the word", flag_meanings=PROCESSES),
        _var("truth/mask", "channel", "uint16", "1", "bits that carry anything"),
        _var("truth/phase_ns", "channel", "int64", "ns", "true time of read 0, jitter apart"),
        _var("truth/latency_ns", "channel", "int64", "ns", "arrival minus read"),
        _var("truth/driver", "channel", "int32", "1", "latent process; equal numbers share one; -1: none"),
        _var("truth/scale", "channel", "float64", "1", "physical value = scale * number + offset"),
        _var("truth/offset", "channel", "float64", "1", "physical value = scale * number + offset"),
        _var("truth/pair_msb", "pair", "int32", "1", "channel of the high half"),
        _var("truth/pair_lsb", "pair", "int32", "1", "channel of the low half"),
        _var(
            "truth/pair_order",
            "pair",
            "int8",
            "1",
            "order of the four bytes as sent; in simulated sets by channel number",
            flag_meanings=ORDERS,
        ),
        _var("truth/pair_format", "pair", "int8", "1", "how the 32 bits are coded", flag_meanings=FORMATS),
        _var("truth/pair_modulus", "pair", "int32", "1", "value at which the low half rolls over"),
        _var("truth/pair_scale", "pair", "float64", "1", "float32 value = scale * latent number; 1 for integers"),
        _var("truth/pair_visible", "pair", "int8", "1", "1 where the high half changes within the recording"),
        _var("truth/field_channel", "field", "int32", "1", "channel of the word"),
        _var("truth/field_start", "field", "int8", "1", "lowest bit in the word, 0 the least significant"),
        _var("truth/field_width", "field", "int8", "1", "bits in the word"),
        _var("truth/field_kind", "field", "int8", "1", "what the field is", flag_meanings=FIELD_KINDS),
        _var("truth/field_signal", "field", "int32", "1", "signal that the field is, or is a piece of"),
        _var("truth/field_shift", "field", "int8", "1", "bit of the signal at which the piece starts"),
        _var("truth/field_signed", "field", "int8", "1", "1 where the signal is two's complement"),
        _var("truth/field_scale", "field", "float64", "1", "decoded = scale * raw signal + offset"),
        _var("truth/field_offset", "field", "float64", "1", "decoded = scale * raw signal + offset"),
        _var("truth/overflow_pair", "overflow", "int32", "1", "row of the recording's pairs"),
        _var("truth/overflow_sample", "overflow", "int32", "1", "first new sample of the low half"),
        _var("truth/overflow_time_ns", "overflow", "int64", "ns", "true time since which the new high half holds"),
        _var("truth/overflow_wraps", "overflow", "int32", "1", "signed change of floor(latent / modulus)"),
        _var("truth/anomaly_channel", "anomaly", "int32", "1", "channel that it lies on"),
        _var("truth/anomaly_start", "anomaly", "int32", "1", "first sample"),
        _var("truth/anomaly_end", "anomaly", "int32", "1", "sample after the last"),
        _var("truth/anomaly_kind", "anomaly", "int8", "1", "what it is", flag_meanings=ANOMALY_KINDS),
        _var("truth/anomaly_group", "anomaly", "int32", "1", "equal numbers are one event on several channels"),
        _var(
            "truth/anomaly_detectability",
            "anomaly",
            "float64",
            "1",
            "share of the channel's clean windows that are less extreme by themselves: about 0.5 where the channel "
            "alone does not show it, 1 where it is obvious; see simulators/scene/detectability.py",
        ),
        _var("truth/drift_channel", "drift", "int32", "1", "channel that drifts"),
        _var("truth/drift_start", "drift", "int32", "1", "first sample of the change"),
        _var("truth/drift_end", "drift", "int32", "1", "sample at which the change is complete; it lasts"),
        _var("truth/drift_kind", "drift", "int8", "1", "what changes", flag_meanings=DRIFT_KINDS),
        _var("truth/drift_size", "drift", "float64", "1", "mean: counts; gain: factor"),
        _var("truth/torn_pair", "torn", "int32", "1", "row of the recording's pairs"),
        _var("truth/torn_start", "torn", "int32", "1", "first read of the high half that is stale"),
        _var("truth/torn_end", "torn", "int32", "1", "read after the last stale one"),
        _var("truth/link_a", "link", "int32", "1", "channel that came first"),
        _var("truth/link_b", "link", "int32", "1", "channel that depends on it"),
        _var("truth/link_kind", "link", "int8", "1", "how", flag_meanings=LINK_KINDS),
        _var("truth/visible_share", "", "float64", "1", "share of pairs whose high half changes"),
        _var("truth/pair_f1_bound", "", "float64", "1", "2v/(1+v), v without float32: best pair F1 by carry evidence"),
    )
)
