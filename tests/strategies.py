"""Hypothesis strategies: small specs with every option, quick to simulate."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from simulators.scene.spec import ANOMALY_KINDS, FORMATS, ORDERS, Clock, SceneSpec

RATES = (12.5, 20.0, 33.3, 50.0, 100.0, 200.0, 400.0)


def weights(names: Sequence[Any]) -> st.SearchStrategy[dict[Any, float]]:
    """A table that gives some of the names a weight."""
    return st.lists(st.sampled_from(names), min_size=1, unique=True).map(lambda chosen: dict.fromkeys(chosen, 1.0))


@st.composite
def scene_specs(draw: st.DrawFn, *, jitter: bool = True, losses: bool = True) -> SceneSpec:
    """Scenes of 10 to 20 channels and 1 to 2 s, with clocks, faults, codings and decoys of every kind."""
    rates = draw(st.lists(st.sampled_from(RATES), min_size=1, max_size=3, unique=True))
    total = left = draw(st.integers(10, 20))
    channels = [total // len(rates) + (i < total % len(rates)) for i in range(len(rates))]

    def take(most: int, each: int = 1) -> int:
        nonlocal left
        count = draw(st.integers(0, min(most, left // each)))
        left -= count * each
        return count

    pairs = take(5, 2)
    twins = take(min(2, pairs), 2)
    bits = {name: take(2) for name in ("one_bit", "narrow", "packed")}
    decoys = {name: take(1) if pairs else 0 for name in ("rollover_counters", "half_twins")}
    decoys["zero_crossers"] = take(1)
    low = draw(st.integers(3, 15))
    moduli = draw(weights((65536, 65536, 10000, 4096, 997)))
    odds = st.sampled_from([0.0, 0.0, 0.1, 0.5])
    table: dict[str, Any] = {
        "purpose": "Drawn by a test.",
        "version": 1,
        "seed": draw(st.integers(0, 2**32)),
        "duration_s": draw(st.sampled_from([1.0, 1.37, 2.0])),
        "clocks": [Clock(rate_hz=r, channels=c) for r, c in zip(rates, channels, strict=True)],
        "timing": {
            "phase": draw(st.sampled_from([0.0, 0.0, 0.5, 1.0])),
            "latency_s": draw(st.sampled_from([0.0, 0.004])),
            "jitter": draw(st.sampled_from([0.0, 0.0, 0.25, 0.5])) if jitter else 0.0,
            "missing_probability": draw(odds) if losses else 0.0,
            "held_probability": draw(odds) if losses else 0.0,
            "refresh_s": draw(st.sampled_from([0.0005, 0.00073, 0.005])),
        },
        "pairs": {
            "count": pairs,
            "twins": twins,
            "visible_probability": draw(st.sampled_from([0.0, 0.5, 1.0])),
            "cross_rate_probability": draw(odds),
            "torn_probability": draw(odds),
            "processes": draw(weights(("clock", "counter", "walk", "encoder", "signed", "setpoint"))),
            "formats": draw(weights(FORMATS)),
            "orders": draw(weights(ORDERS)),
            "moduli": moduli,
            "noise_counts": [0.5, min(30.0, min(moduli) / 60)],
        },
        "plain": {
            "processes": draw(weights(("walk", "tones", "ramp", "counter", "setpoint", "duty", "thermal"))),
            "kinds": draw(weights(("u16", "i16", "scaled"))),
            "noise": draw(st.sampled_from(("gaussian", "uniform", "heavy"))),
            "alias_probability": draw(odds),
        },
        "bits": bits
        | {
            "fields": draw(weights(("flag", "enum", "counter", "signal"))),
            "seals": draw(weights(("none", "parity", "crc", "checksum"))),
            "used": draw(st.sampled_from([0.3, 0.85, 1.0])),
            "signal_bits": [low, draw(st.integers(low, 15))],
            "dwell_s": [0.02, 1.0],
        },
        "decoys": decoys,
        "anomalies": {
            "per_recording": draw(st.sampled_from([0.0, 3.0])),
            "seconds": [0.05, 0.5],
            "kinds": draw(weights(ANOMALY_KINDS)),
        },
        "drift": {"per_recording": draw(st.sampled_from([0.0, 2.0])), "seconds": [0.2, 0.8]},
    }
    if left >= 3:
        table["plain"] |= {"twins": draw(st.integers(0, 1)), "derived": draw(st.integers(0, 1))}
    return SceneSpec.model_validate(table)
