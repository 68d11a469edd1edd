"""Score streams: one autocorrelated number a tick, whose law changes once for good, or not at all."""

from simulators.drift.generate import simulate_arrays
from simulators.drift.spec import SCHEMA, VERSION, DriftSpec

Spec = DriftSpec
__all__ = ["SCHEMA", "VERSION", "DriftSpec", "Spec", "simulate_arrays"]
