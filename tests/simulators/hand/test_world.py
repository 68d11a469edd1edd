import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.transform import Rotation

from scenarios.errors import InputError
from simulators.hand import world
from simulators.hand.world import EDINBURGH, Iron, Place, Turning, earth_field, scatter, trajectory
from simulators.rng import Key
from simulators.sensor import (
    LSM6DS3_ACCELEROMETER,
    LSM6DS3_GYROSCOPE,
    MMC5603NJ,
    STANDARD_GRAVITY,
    SensorModel,
    measure,
)

SEEDS = st.integers(0, 2**32)
TURNINGS = st.builds(
    Turning,
    kind=st.sampled_from(world.KINDS),
    limit_deg=st.floats(0, 90),
    turn_deg_s=st.floats(0, 200),
    knot_s=st.floats(0.2, 2),
    sway_mm=st.sampled_from([0.0, 5.0, 50.0]),
)
PLACES = st.builds(
    Place,
    latitude_deg=st.floats(-90, 90),
    longitude_deg=st.floats(-180, 180),
    year=st.floats(2010, 2030, exclude_max=True),
    altitude_m=st.floats(0, 10_000),
)


def key_of(seed: int = 0, index: int = 0) -> Key:
    return Key(simulator="test", scenario="world", scenario_version=1, seed=seed, split="train", index=index)


def angles_of(field: np.ndarray) -> tuple[float, float, float]:
    """Total in uT, inclination and declination in deg."""
    level = math.hypot(field[0], field[1])
    return (
        float(np.linalg.norm(field)),
        math.degrees(math.atan2(-field[2], level)),
        math.degrees(math.atan2(*field[:2])),
    )


def ideal(model: SensorModel) -> SensorModel:
    """The same counts, without errors."""
    return SensorModel(name=model.name, unit=model.unit, lsb=model.lsb)


def turned(rotation: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return np.einsum("ijn,in->jn", rotation, np.broadcast_to(vector[:, None], (3, rotation.shape[2])))


def test_edinburgh():
    total, inclination, declination = angles_of(earth_field(EDINBURGH))
    assert total == pytest.approx(50.2, abs=0.1)
    assert inclination == pytest.approx(69.84, abs=0.1)
    assert declination == pytest.approx(-0.67, abs=0.1)
    assert angles_of(world.RECORDED_EARTH) == pytest.approx((50.5, 71.5, -1.5))
    assert np.linalg.norm(earth_field(EDINBURGH) - world.RECORDED_EARTH) == pytest.approx(1.5, abs=0.2)


@given(place=PLACES)
def test_the_field_is_the_earths_everywhere(place):
    here = earth_field(place)
    assert 20 < np.linalg.norm(here) < 70
    north = math.radians(place.latitude_deg)
    assert abs(angles_of(here)[1] - math.degrees(math.atan(2 * math.tan(north)))) < 45  # of an axial dipole
    round_the_world = replace(place, longitude_deg=place.longitude_deg % 360)
    np.testing.assert_allclose(earth_field(round_the_world), here, atol=1e-9)
    east = math.radians(0.01) * 6371e3 * max(math.cos(north), 0)
    assert (
        np.linalg.norm(earth_field(replace(place, longitude_deg=place.longitude_deg + 0.01)) - here)
        < 0.02 + east * 1e-4
    )


@pytest.mark.parametrize("year", [2015.0, 2020.0, 2025.0])
def test_one_model_goes_over_into_the_next(year):
    before, after = (earth_field(replace(EDINBURGH, year=y)) for y in (year - 1e-6, year))
    assert 0 < np.linalg.norm(before - after) < 0.2


@given(total=st.floats(1, 100), inclination=st.floats(-89, 89), declination=st.floats(-179, 179))
def test_a_field_by_its_angles(total, inclination, declination):
    found = angles_of(world.field_from_angles(total, inclination, declination))
    assert found == pytest.approx((total, inclination, declination), abs=1e-9, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"latitude_deg": 90.1}, "latitude_deg of a place must be -90 to 90 for the field model; it is 90.1"),
        ({"longitude_deg": -181.0}, "longitude_deg of a place must be -180 to 360 for the field model; it is -181.0"),
        ({"altitude_m": math.nan}, "altitude_m of a place must be -1000 to 850000 for the field model; it is nan"),
        ({"year": 2030.0}, "year of a place must be 2010 to 2030, short of it; it is 2030.0"),
        ({"year": 2009.9}, "year of a place must be 2010 to 2030, short of it; it is 2009.9"),
    ],
)
def test_a_place_without_a_model(change, text):
    with pytest.raises(InputError) as told:
        earth_field(replace(EDINBURGH, **change))
    assert str(told.value) == text


@given(seed=SEEDS, turning=TURNINGS)
def test_rate_and_acceleration_are_derivatives(seed, turning):
    h = 100_000  # ns
    at = np.sort(np.random.default_rng(seed).integers(h, 20_000_000_000, 40))
    before, here, after = (trajectory(turning, at + d, key_of(seed)) for d in (-h, 0, h))
    slope = (after.rotation - before.rotation) / (2e-9 * h)
    spin = np.einsum("jin,jkn->ikn", here.rotation, slope)
    found = np.array([spin[2, 1], spin[0, 2], spin[1, 0]])
    np.testing.assert_allclose(found, here.rate, atol=1e-4 * (1 + np.abs(here.rate).max() ** 3))
    bend = (after.position_mm - 2 * here.position_mm + before.position_mm) / (1e-9 * h) ** 2 * 1e-3
    jerk = turning.sway_mm * 1e-3 * 40 / turning.knot_s**3
    np.testing.assert_allclose(bend, here.acceleration, atol=1e-5 + jerk * h * 1e-9)


@given(seed=SEEDS, turning=TURNINGS)
def test_one_motion_at_all_times(seed, turning):
    times = np.arange(0, 9_000_000_000, 37_000_000)
    whole = trajectory(turning, times, key_of(seed))
    part = trajectory(turning, times[5:90:3], key_of(seed))
    for name in ("rotation", "rate", "position_mm", "acceleration"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[..., 5:90:3])
    identity = np.einsum("jin,jkn->nik", whole.rotation, whole.rotation)
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-14)
    assert (np.linalg.det(np.moveaxis(whole.rotation, 2, 0)) > 0).all()


@given(seed=SEEDS, limit=st.floats(0, 90))
def test_a_tilt_stays_within_its_limit(seed, limit):
    turning = Turning(kind="tilt", limit_deg=limit)
    times = np.arange(0, 20_000_000_000, 20_000_000)
    for motion in (trajectory(turning, times, key_of(seed)), scatter(turning, 1000, key_of(seed))):
        up = np.clip(motion.rotation[2, 2], -1, 1)
        assert np.degrees(np.arccos(up)).max() <= limit + 1e-5


@given(seed=SEEDS)
def test_still_is_still(seed):
    motion = trajectory(Turning(kind="still"), np.arange(0, 10**10, 10**8), key_of(seed))
    np.testing.assert_array_equal(motion.rate, 0)
    np.testing.assert_allclose(motion.rotation, np.broadcast_to(motion.rotation[..., :1], (3, 3, 100)), atol=1e-15)
    np.testing.assert_allclose(
        motion.specific_force(), np.array([[0.0], [0], [STANDARD_GRAVITY]]) + np.zeros(100), atol=1e-14
    )


def test_free_turning_knows_no_direction():
    free = Turning(kind="free")
    at_rest = scatter(free, 4000, key_of()).rotation
    late = np.stack(
        [trajectory(free, np.array([3_000_000_000]), key_of(index=i)).rotation[..., 0] for i in range(1500)], axis=-1
    )
    for rotation in (at_rest, late):
        for row in rotation.reshape(9, -1):
            assert stats.kstest(row, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_rates_and_sway_are_as_declared():
    turning = Turning(kind="free", turn_deg_s=90.0, sway_mm=8.0)
    motion = trajectory(turning, np.arange(0, 4 * 10**12, 10**8), key_of())
    assert np.sqrt((motion.rate**2).sum(0).mean()) == pytest.approx(math.radians(90) * math.sqrt(3), rel=0.05)
    assert motion.position_mm.std() == pytest.approx(8.0, rel=0.05)


@given(seed=SEEDS, kind=st.sampled_from(["tilt", "free"]), sway=st.sampled_from([0.0, 20.0]))
def test_gyroscope_accelerometer_and_magnetometer_tell_one_rotation(seed, kind, sway):
    """The counts of an error-free gyro, integrated, turn gravity and Earth's field into what the other two count."""
    key, n, step = key_of(seed), 600, 5_000_000
    turning, earth = Turning(kind=kind, turn_deg_s=40.0, sway_mm=sway), earth_field(EDINBURGH)
    times = np.arange(n) * step
    motion = trajectory(turning, times, key)
    middle = trajectory(turning, times + step // 2, key)
    gyro, accelerometer, magnetometer = (ideal(m) for m in (LSM6DS3_GYROSCOPE, LSM6DS3_ACCELEROMETER, MMC5603NJ))
    counts, flags, _ = measure(gyro, middle.rate, times, key)
    assume(not flags.any())  # beyond its rail a gyro cannot follow
    rate = counts * gyro.lsb
    orientation = [Rotation.from_matrix(motion.rotation[..., 0])]
    for turn in Rotation.from_rotvec(rate.T * step * 1e-9)[: n - 1]:
        orientation.append(orientation[-1] * turn)
    followed = np.stack([r.as_matrix() for r in orientation], axis=-1)
    slack = 2e-3  # rad
    field = measure(magnetometer, motion.to_device(earth), times, key).counts * magnetometer.lsb
    np.testing.assert_allclose(field, turned(followed, earth), atol=50.2 * slack + magnetometer.lsb)
    force = measure(accelerometer, motion.specific_force(), times, key).counts * accelerometer.lsb
    force -= motion.to_device(motion.acceleration)
    up = np.array([0.0, 0.0, STANDARD_GRAVITY])
    np.testing.assert_allclose(force, turned(followed, up), atol=STANDARD_GRAVITY * slack + accelerometer.lsb)


@given(seed=SEEDS, turning=TURNINGS)
def test_gravity_and_field_keep_their_size_and_angle(seed, turning):
    times, earth = np.arange(0, 5 * 10**9, 10**8), earth_field(EDINBURGH)
    motion = trajectory(replace(turning, sway_mm=0.0), times, key_of(seed))
    force, field = motion.specific_force(), motion.to_device(earth)
    np.testing.assert_allclose(np.linalg.norm(force, axis=0), STANDARD_GRAVITY, rtol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(field, axis=0), np.linalg.norm(earth), rtol=1e-13)
    np.testing.assert_allclose((force * field).sum(0), STANDARD_GRAVITY * earth[2], rtol=1e-12)


@given(seed=SEEDS, soft_sd=st.floats(0, 0.1))
def test_iron_that_is_known_can_be_taken_off(seed, soft_sd):
    iron = world.draw_iron(key_of(seed), soft_sd=soft_sd)
    outside = np.random.default_rng(seed).normal(0, 500, (3, 100))
    inside = iron.apply(outside)
    np.testing.assert_allclose(inside, iron.soft @ outside + iron.hard[:, None], rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(iron.remove(inside), outside, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(iron.apply(iron.remove(outside)), outside, rtol=1e-9, atol=1e-9)


def test_iron_spreads_as_recorded():
    hard = np.array([world.draw_iron(key_of(index=i)).hard for i in range(2000)])
    np.testing.assert_allclose(hard.mean(0), world.HARD_MEAN_UT, atol=4 * 48.3 / math.sqrt(2000))
    np.testing.assert_allclose(hard.std(0), world.HARD_SD_UT, rtol=0.07)
    np.testing.assert_array_equal(Iron().apply(np.ones((3, 2))), 1)


@pytest.mark.parametrize(
    ("hard", "soft", "text"),
    [
        (np.zeros(2), np.eye(3), "must have shapes"),
        (np.zeros(3), np.eye(2), "must have shapes"),
        (np.array([0, 0, np.nan]), np.eye(3), "iron must be finite"),
        (np.zeros(3), np.ones((3, 3)), "soft iron must have an inverse"),
    ],
)
def test_iron_that_cannot_be(hard, soft, text):
    with pytest.raises(InputError, match=text):
        Iron(hard, soft)


@pytest.mark.parametrize(
    "change",
    [{"kind": "wild"}, {"limit_deg": 91.0}, {"knot_s": 0.0}, {"turn_deg_s": -1.0}, {"sway_mm": math.nan}],
)
def test_a_turning_that_cannot_be(change):
    with pytest.raises(InputError, match=f"{next(iter(change))} of a turning must be"):
        replace(Turning(), **change)


def test_a_motion_begins_at_zero():
    with pytest.raises(InputError, match="must be at least 0 ns"):
        trajectory(Turning(), np.array([-1, 5]), key_of())
