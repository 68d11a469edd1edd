"""Noise of a sensor's channels at an even rate: the model of `simulators.sensor`, by kernels made for many channels."""

import math
from collections.abc import Sequence

import numpy as np

from simulators.imu.kernels import noise as kernels
from simulators.noise import normal_table
from simulators.rng import Key, stream
from simulators.sensor import FLICKER_TAU_S, SensorModel

WALK_S = 0.02
"""A random walk goes straight for so long, at most: far below what it drifts in."""


def noise_into(values: np.ndarray, models: Sequence[SensorModel], step: float, key: Key, name: str) -> None:
    """Add noise to values (channels, n) float64 in place, each channel by its model; step in s.

    A channel's noise depends on the key, the name and its own number, not on the other channels. Of bias instability
    only processes slower than the step are made, as in `simulators.sensor.noise_of`.
    """
    table, scratch = normal_table(), np.empty(values.shape[1] + 2, np.float32)
    keys = stream(key, f"imu/noise/{name}").integers(0, 2**32, (values.shape[0], 3 + len(FLICKER_TAU_S), 2), np.uint32)
    for own, model, out in zip(keys, models, values, strict=True):
        sd = math.hypot(model.white_sd, model.noise_density * math.sqrt(0.5 / step))
        if sd:
            kernels.white(table, sd, *own[0], scratch, out)
        if model.random_walk:
            every = max(1, int(WALK_S / step))
            kernels.random_walk(table, model.random_walk, step, every, *own[1], scratch, out)
        if model.drift_sd:
            kernels.gauss_markov(table, model.drift_sd, model.drift_tau_s, step, *own[2], scratch, out)
        if model.flicker:
            each = model.flicker * math.sqrt(math.log(10) / math.pi)
            for tau, (k0, k1) in zip(FLICKER_TAU_S, own[3:], strict=True):
                if tau >= step:
                    kernels.gauss_markov(table, each, tau, step, k0, k1, scratch, out)
