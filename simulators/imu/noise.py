"""Noise of a sensor's channels at an even rate: the model of `simulators.sensor`, by a kernel for many channels."""

import math
from collections.abc import Sequence

import numpy as np

from simulators.imu.kernels.noise import bulk_noise
from simulators.noise import normal_table
from simulators.rng import Key, stream
from simulators.sensor import FLICKER_TAU_S, SensorModel

FLICKER_SD = math.sqrt(math.log(10) / math.pi)
"""Of each process that makes bias instability, over B."""


def figures_of(model: SensorModel, step: float) -> tuple[float, float, list[float], list[float]]:
    """(white sd, random walk K, time constants, their sd) of a model's noise at a step in s; drift comes first.

    Of bias instability only processes no faster than the step are made, as in `simulators.sensor.noise_of`.
    """
    white = math.hypot(model.white_sd, model.noise_density * math.sqrt(0.5 / step))
    each = model.flicker * FLICKER_SD
    sd = [model.drift_sd, *(each if tau >= step else 0.0 for tau in FLICKER_TAU_S)]
    return white, model.random_walk, [model.drift_tau_s, *FLICKER_TAU_S], sd


def noise_into(values: np.ndarray, models: Sequence[SensorModel], step: float, key: Key, name: str) -> None:
    """Add noise to values (channels, n), float32 or float64, in place, each channel by its model; step in s.

    A channel's noise depends on the key, the name and its own number, not on the other channels. The seven processes
    of bias instability and the walk begin stationary and at 0, as in `simulators.sensor.noise_of`.
    """
    white, walk, tau, sd = (np.array(rows) for rows in zip(*(figures_of(m, step) for m in models), strict=True))
    keys = stream(key, f"imu/noise/{name}").integers(0, 2**32, (len(models), 2 + tau.shape[1], 2), np.uint32)
    bulk_noise(normal_table(), step, white, walk, tau, sd, keys, values)
