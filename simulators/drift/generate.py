"""One score stream from its spec and key."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scenarios.schema import Arrays
from simulators.drift.spec import KINDS, LAWS, LSB, DriftSpec
from simulators.rng import Key, stream

BURN_IN = 2000
"""Samples that are thrown away before the first: 0.99^2000 is 2e-9."""


def marginal_sd(phi: tuple[float, float]) -> float:
    """Standard deviation of an autoregression of order 2 with innovations of unit variance (Yule and Walker)."""
    a, b = phi
    return float(np.sqrt((1 - b) / ((1 + b) * ((1 - b) ** 2 - a**2))))


def innovations(law: str, shape: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Independent draws of mean 0 and variance 1, shape (n,): normal, Student's t, or gamma with its long tail up."""
    if law == "student":
        return rng.standard_t(shape, n) * np.sqrt((shape - 2) / shape)
    if law == "gamma":
        return (rng.standard_gamma(shape, n) - shape) / np.sqrt(shape)
    return rng.standard_normal(n)


def autoregression(e: np.ndarray, phi: tuple[float, float]) -> np.ndarray:
    """u[t] = phi1 u[t-1] + phi2 u[t-2] + e[t] from rest; one operation after the other, so the same bits everywhere."""
    a, b = phi
    before = last = 0.0
    found = []
    for x in e.tolist():
        last, before = a * last + b * before + x, last
        found.append(last)
    return np.array(found)


def _choose(weights: Mapping[Any, float], names: tuple[str, ...], rng: np.random.Generator) -> int:
    share = np.array([weights.get(name, 0.0) for name in names])
    return int(rng.choice(len(names), p=share / share.sum()))


def simulate_arrays(spec: DriftSpec, key: Key, spare: dict[str, np.ndarray] | None = None) -> Arrays:
    """One stream as a flat mapping from path to array; see SCHEMA for names, dimensions and units.

    `spare` is there for the sake of the other simulators' signature; nothing is kept in it.
    """
    rng, n = stream(key, "process"), spec.samples
    chosen = spec.phi[int(rng.integers(len(spec.phi)))]
    phi = (float(chosen[0]), float(chosen[1]) if len(chosen) > 1 else 0.0)
    law = _choose(spec.laws, LAWS, rng)
    u = rng.random(3)
    shapes = {"student": spec.student_df, "gamma": spec.gamma_shape}
    low, high = shapes.get(LAWS[law], (0.0, 0.0))
    shape = low * (high / low) ** u[0] if low else 0.0
    level = spec.level[0] + (spec.level[1] - spec.level[0]) * u[1]
    spread = spec.spread[0] * (spec.spread[1] / spec.spread[0]) ** u[2]
    onset, end, kind, size = _change(spec, stream(key, "change"))
    unit = 1 / marginal_sd(phi)
    e = innovations(LAWS[law], shape, BURN_IN + n, stream(key, "innovations")) * unit
    shift = np.zeros(n)
    if KINDS[kind] == "scale":
        e[BURN_IN + onset :] *= size
    elif onset >= 0:
        shift = size * np.clip((np.arange(n) - onset + 1) / max(1, end - onset), 0.0, 1.0)
    score = level + spread * (shift + autoregression(e, phi)[BURN_IN:])
    group = f"inputs/r{spec.rate_hz:g}"
    limit = np.iinfo(np.int32).max
    return {
        f"{group}/score": np.clip(np.rint(score / LSB), -limit, limit).astype(np.int32)[None],
        f"{group}/channel_id": np.zeros(1, np.int32),
        f"{group}/n_samples": np.full(1, n, np.int32),
        f"{group}/start_ns": np.zeros(1, np.int64),
        f"{group}/lsb": np.full(1, LSB),
        "truth/onset": np.array(onset, np.int32),
        "truth/end": np.array(end, np.int32),
        "truth/kind": np.array(kind, np.int8),
        "truth/size": np.array(size),
        "truth/law": np.array(law, np.int8),
        "truth/law_shape": np.array(float(shape)),
        "truth/phi1": np.array(phi[0]),
        "truth/phi2": np.array(phi[1]),
        "truth/level": np.array(float(level)),
        "truth/spread": np.array(float(spread)),
        "truth/innovation_sd": np.array(float(spread * unit)),
    }


def _change(spec: DriftSpec, rng: np.random.Generator) -> tuple[int, int, int, float]:
    """(onset, sample at which the change is complete, kind, size) of a stream; (-1, -1, 0, 0.0) without a change."""
    kind = _choose(spec.kinds, KINDS, rng)
    calm = int(np.ceil(spec.calm_s * spec.rate_hz))
    onset = int(rng.integers(calm, spec.samples)) if calm < spec.samples else spec.samples - 1
    u = rng.random(3)
    if KINDS[kind] == "none":
        return -1, -1, kind, 0.0
    if KINDS[kind] == "scale":
        return onset, onset + 1, kind, float(spec.scale[0] * (spec.scale[1] / spec.scale[0]) ** u[0])
    size = float(spec.size_sd[0] + (spec.size_sd[1] - spec.size_sd[0]) * u[0]) * (1 if u[1] < 0.5 else -1)
    seconds = spec.ramp_s[0] * (spec.ramp_s[1] / spec.ramp_s[0]) ** u[2] if KINDS[kind] == "ramp" else 0.0
    return onset, onset + max(1, round(seconds * spec.rate_hz)), kind, size
