"""Devices: every figure is one that a sensor can have, and at rest they scatter as real ones do."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from scenarios.errors import InputError
from simulators.imu.devices import DEVICES, Device, device_of
from simulators.imu.noise import noise_into
from simulators.rng import Key
from simulators.sensor import STANDARD_GRAVITY, SensorModel, quantise, specimen

SPECIMENS = 1500
NAMES = tuple(DEVICES)
GYROSCOPES = tuple(name for name in NAMES if DEVICES[name].gyroscope)
CALIBRATED = ("iphone_6s", "xsens_mtx")
"""By the system or the factory: offsets below those of bare boards."""

AT_REST = {
    "galaxy_s2": ("hapt", 10.01, 9.78, 10.14, 0.035, 0.0056, 0.0078),
    "ax3": ("selfback_thigh", 10.04, 9.89, 10.17, 0.028, None, None),
    "sisfall_board": ("sisfall_50hz over subjects", 10.02, 9.57, 10.73, 0.036, 0.0036, 0.064),
    "phone": ("spsw pocket", 9.93, 9.90, 9.96, 0.031, 0.0060, 0.034),
    "watch": ("spsw wrist", 9.81, 9.76, 9.85, 0.100, 0.031, 0.024),
    "utd_sensor": ("utd_mhad thigh", 10.16, 9.83, 10.27, 0.093, 0.041, 0.044),
}
"""Real recordings: median norm, its p10 and p90, std of accelerometer and gyroscope per axis, median gyroscope offset.

The std include the wearer's tremor, so they bound the noise from above.
"""


def sensors_of(device: Device) -> dict[str, SensorModel]:
    parts = ("accelerometer", "second_accelerometer", "gyroscope", "magnetometer")
    return {part: model for part in parts if (model := getattr(device, part)) is not None}


def key_of(index: int) -> Key:
    return Key(simulator="imu", scenario="devices", scenario_version=1, seed=3, split="train", index=index)


@cache
def norms_at_rest(name: str) -> np.ndarray:
    """Norms that specimens read at rest, m/s^2, each specimen in an orientation of its own."""
    device = DEVICES[name]
    up = np.random.default_rng(8).standard_normal((SPECIMENS, 3))
    up *= STANDARD_GRAVITY / np.linalg.norm(up, axis=1, keepdims=True)
    drawn = [specimen(device.accelerometer, 3, key_of(i)) for i in range(SPECIMENS)]
    return np.array([
        np.linalg.norm(device.gain * d.matrix @ u + d.offset + device.bias) for d, u in zip(drawn, up, strict=True)
    ])  # fmt: skip


@cache
def gyroscope_offsets(name: str) -> np.ndarray:
    """Norms that specimens read where nothing turns, rad/s."""
    model = DEVICES[name].sensor("gyroscope")
    return np.array([np.linalg.norm(specimen(model, 3, key_of(i)).offset) for i in range(SPECIMENS)])


@pytest.mark.parametrize("name", NAMES)
def test_units_and_ranges_are_those_of_what_is_measured(name):
    device = DEVICES[name]
    assert device.name == name
    assert device.text
    ranges = {
        "accelerometer": ("m/s^2", 1.9 * STANDARD_GRAVITY, 17 * STANDARD_GRAVITY),
        "second_accelerometer": ("m/s^2", 1.9 * STANDARD_GRAVITY, 17 * STANDARD_GRAVITY),
        "gyroscope": ("rad/s", math.radians(240), math.radians(2300)),
        "magnetometer": ("uT", 70.0, 5000.0),
    }
    for part, model in sensors_of(device).items():
        unit, least, most = ranges[part]
        assert model.unit == unit
        assert least < model.rails[1] * model.lsb < most
        assert model.noise_density or model.white_sd


@pytest.mark.parametrize("name", NAMES)
def test_a_specimen_at_rest_reads_gravity_to_within_five_percent_or_so(name):
    off = norms_at_rest(name) / STANDARD_GRAVITY - 1
    low, middle, high = np.quantile(off, [0.1, 0.5, 0.9])
    assert -0.005 < middle < 0.05
    assert -0.08 < low < high < 0.10
    assert 0.005 < high - low < 0.13


@pytest.mark.parametrize("name", GYROSCOPES)
def test_a_gyroscope_is_off_as_real_ones_are(name):
    least = 0.002 if name in CALIBRATED else 0.005
    assert least < np.median(gyroscope_offsets(name)) < 0.08


@pytest.mark.parametrize("name", [name for name in AT_REST if not any(DEVICES[name].bias)])
def test_norms_at_rest_are_those_of_the_recordings(name):
    _, median, p10, p90, *_ = AT_REST[name]
    low, middle, high = np.quantile(norms_at_rest(name), [0.1, 0.5, 0.9])
    assert middle == pytest.approx(median, abs=0.03)
    # one phone and one watch were recorded: a population of them scatters more than they did
    most = 4.5 if name in ("phone", "watch") else 1.4
    assert 0.8 * (p90 - p10) < high - low < most * (p90 - p10)


@pytest.mark.parametrize(
    ("up", "norm"), [((0.99, -0.16, -0.01), 10.13), ((0.98, 0.13, 0.15), 10.02), ((0.09, 0.76, 0.64), 9.88)]
)
def test_the_one_galaxy_reads_what_it_read_of_people_who_stand_sit_and_lie(up, norm):
    """Directions and mean norms of HAPT in the fact sheet's section 5; a unit vector is rounded there."""
    device = DEVICES["galaxy_s2"]
    gravity = STANDARD_GRAVITY * np.array(up) / np.linalg.norm(up)
    assert np.linalg.norm(device.gain * gravity + device.bias) == pytest.approx(norm, abs=0.02)


@pytest.mark.parametrize("name", [name for name in AT_REST if AT_REST[name][-1]])
def test_gyroscope_offsets_are_those_of_the_recordings(name):
    assert np.median(gyroscope_offsets(name)) == pytest.approx(AT_REST[name][-1], rel=0.06)


@pytest.mark.parametrize("name", AT_REST)
def test_noise_at_rest_is_within_what_the_recordings_leave(name):
    _, _, _, _, accelerometer, gyroscope, _ = AT_REST[name]
    for quantity, most in (("accelerometer", accelerometer), ("gyroscope", gyroscope)):
        if most is None:
            continue
        model = DEVICES[name].sensor(quantity)
        values = np.zeros((300, 50))  # 1 s at 50 Hz
        noise_into(values, [model] * 300, 0.02, key_of(0), quantity)
        values += model.lsb * np.linspace(0, 1, 300)[:, None]  # wherever between two counts it rests
        counts, _ = quantise(model, values)
        std = float(np.median((model.lsb * counts).std(1)))
        assert 0 < std <= 1.02 * most


def test_the_range_ends_where_the_words_do():
    model = DEVICES["colibri"].sensor("accelerometer", 1)
    assert model.rails == (-4096, 4095)
    assert model.lsb * 4096 == pytest.approx(6 * STANDARD_GRAVITY)
    assert DEVICES["ax3"].accelerometer.lsb == pytest.approx(STANDARD_GRAVITY / 256)
    assert DEVICES["sisfall_board"].accelerometer.lsb == pytest.approx(STANDARD_GRAVITY / 256)
    assert DEVICES["sisfall_board"].sensor("gyroscope").lsb == pytest.approx(math.radians(1 / 14.375))


def test_a_device_is_found_by_name_with_what_it_must_measure():
    device = device_of("colibri", ("accelerometer", "accelerometer", "gyroscope", "magnetometer", "orientation"))
    assert device is DEVICES["colibri"]
    assert device.sensor("accelerometer", 1) is device.second_accelerometer
    assert device.sensor("body_acceleration") is device.accelerometer


@pytest.mark.parametrize(
    ("name", "measures", "message"),
    [
        ("colibry", (), "did you mean 'colibri'"),
        ("ax3", ("gyroscope",), "must have one; 'ax3' has none"),
        ("phone", ("accelerometer", "accelerometer"), "second accelerometer"),
        ("phone", ("gyroscope", "gyroscope"), "second gyroscope"),
    ],
)
def test_a_device_that_cannot_is_refused(name, measures, message):
    with pytest.raises(InputError, match=message):
        device_of(name, measures)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 200.0])
def test_bandwidths_never_exceed_half_the_rate(name, rate_hz):
    device = DEVICES[name]
    for own, found in zip((device.accelerometer_hz, device.gyroscope_hz), device.bandwidths(rate_hz), strict=True):
        assert found == min(own or rate_hz, rate_hz / 2)


@pytest.mark.parametrize("field", ["accelerometer_hz", "gyroscope_hz", "gain"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_a_figure_that_cannot_be_is_refused(field, value):
    with pytest.raises(InputError, match=f"{field} of device phone must be above 0"):
        replace(DEVICES["phone"], **{field: value})
