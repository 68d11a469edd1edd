"""Laws of the moving body: what ideal sensors read is what the body's path and turning say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from simulators.imu.body import COORDINATES, ROOT, SEGMENTS, SITES, Body, body_of, site_of
from simulators.imu.kernels.chain import GRAVITY
from simulators.imu.score import (
    INDEX,
    NO_SHOCKS,
    Cycle,
    Score,
    Shocks,
    Sites,
    Spline,
    coordinates_of,
    frames_of,
    places_of,
    sense,
    shifted,
    track_of,
    wave_of,
)
from simulators.imu.wear import rotation_of, uniform_rotation

COUNT = len(COORDINATES)
BODY = body_of(1.75)
ALL = tuple(range(len(SEGMENTS)))
CENTRAL = np.array([1, -8, 0, 8, -1]) / 12
SECOND = np.array([-1, 16, -30, 16, -1]) / 12
seeds = st.integers(0, 2**32 - 1)


def motion(rng: np.random.Generator, *, shocks: bool = False) -> Score:
    """A lively smooth motion over 4 s in every coordinate: a polynomial each, cycles that grow, splines."""
    tracks = {
        c: track_of([(-1.0, *(0.4 * rng.standard_normal(3))), (5.0, *(0.4 * rng.standard_normal(3)))])
        for c in range(COUNT)
    }
    phase = track_of([(-1.0, 0.0, 0.8, 0.1), (5.0, 6.0, 1.1, 0.0)])
    size = track_of([(-1.0, 0.3, 0.0, 0.0), (5.0, 1.0, 0.0, 0.0)])
    cycle = Cycle(-1, 5, phase, size, np.arange(COUNT), 0.05 * rng.standard_normal((COUNT, 4, 2)))
    spline = Spline(-1.5, 0.7, np.arange(COUNT), 0.05 * rng.standard_normal((COUNT, 14)))
    hits = NO_SHOCKS
    if shocks:
        hits = Shocks(
            np.array([1.0, 1.4]), np.array([0.03, 0.05]), np.array([20.0, -9.0]), np.array([-5.0, 7.0]),
            np.array([SEGMENTS.index("foot_r"), SEGMENTS.index("hand_l")]), np.array([0.8, 0.6]),
        )  # fmt: skip
    return Score(tracks, (cycle,), (spline,), hits)


def anywhere(rng: np.random.Generator, segments: tuple[int, ...] = ALL) -> Sites:
    return Sites(
        np.array(segments, np.int64),
        0.15 * rng.standard_normal((len(segments), 3)),
        np.stack([uniform_rotation(rng) for _ in segments]),
    )


def stencil(times: np.ndarray, step: float) -> np.ndarray:
    return np.asarray((times[:, None] + step * np.arange(-2, 3)).ravel())


@given(seeds)
def test_specific_force_is_the_paths_second_derivative_and_gravity_in_device_axes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, sites, step = motion(rng, shocks=True), anywhere(rng), 2e-3
    times = np.linspace(0.9, 1.6, 40)
    fine = stencil(times, step)
    places = places_of(score, BODY, sites, fine).reshape(len(ALL), times.size, 5, 3)
    acceleration = np.einsum("snkj,k->snj", places, SECOND) / step**2
    rotation = frames_of(score, BODY, times)[0] @ sites.mount[:, None]
    expected = np.einsum("snij,sni->sjn", rotation, acceleration + np.array([0, 0, GRAVITY]))
    ideal = sense(score, BODY, sites, times)
    smooth = np.abs(times[:, None] - [1.0, 1.4]).min(1) > 2.5 * step  # a shock's fourth derivative jumps as it begins
    assert_allclose(ideal.force[..., smooth], expected[..., smooth], atol=2e-3, rtol=1e-4)


@given(seeds)
def test_rate_is_the_derivative_of_the_orientation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, sites, step = motion(rng), anywhere(rng), 1e-3
    times = np.linspace(0.2, 3.8, 25)
    fine = frames_of(score, BODY, stencil(times, step))[0] @ sites.mount[:, None]
    turning = fine.reshape(len(ALL), times.size, 5, 3, 3)
    slope = np.einsum("snkij,k->snij", turning, CENTRAL) / step
    spin = np.einsum("snji,snjk->snik", turning[:, :, 2], slope)
    expected = np.stack([spin[..., 2, 1], spin[..., 0, 2], spin[..., 1, 0]], 1)
    ideal = sense(score, BODY, sites, times)
    assert_allclose(ideal.rate, expected, atol=1e-6, rtol=1e-6)
    assert_allclose(ideal.axes[:, 0], np.moveaxis(turning[:, :, 2, 2], 2, 1), atol=1e-12)


@given(seeds)
def test_integrating_the_rate_gives_back_the_orientation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, sites = motion(rng), anywhere(rng, (0, 5, 8))
    step = 2e-3
    times = np.arange(0.0, 2.0 + step / 2, step)
    middle = sense(score, BODY, sites, times[:-1] + step / 2).rate
    truth = frames_of(score, BODY, times[[0, -1]])[0][sites.segment] @ sites.mount[:, None]
    for s in range(3):
        turned = truth[s, 0]
        for w in middle[s].T:
            turned = turned @ rotation_of(w * step)
        angle = np.arccos(np.clip((np.trace(turned.T @ truth[s, 1]) - 1) / 2, -1, 1))
        assert angle < 2e-4


@given(seeds)
def test_integrating_specific_force_twice_gives_back_the_path(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, sites, step = motion(rng), anywhere(rng, (4, 14)), 1e-3
    times = np.arange(0.0, 2.0 + step / 2, step)
    rotation = frames_of(score, BODY, times)[0][sites.segment] @ sites.mount[:, None]
    world = np.einsum("snij,sjn->sni", rotation, sense(score, BODY, sites, times).force) - [0, 0, GRAVITY]
    around = places_of(score, BODY, sites, stencil(times[:1], step))
    places = places_of(score, BODY, sites, times[[0, -1]])
    speed = np.einsum("skj,k->sj", around, CENTRAL) / step
    span = times[-1]
    weight = np.where(np.arange(times.size) % 2, 4, 2) * step / 3
    weight[[0, -1]] = step / 3  # Simpson's rule for the integral of (T - t) a(t)
    end = places[:, 0] + speed * span + np.einsum("sni,n->si", world, weight * (span - times))
    assert_allclose(end, places[:, 1], atol=1e-5)


@given(seeds)
def test_moving_the_site_adds_exactly_the_lever_arm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, sites, times, step = motion(rng), anywhere(rng), np.linspace(0.5, 1.5, 9), 1e-5
    level = Sites(sites.segment, sites.place, np.stack([np.eye(3)] * len(ALL)))
    lever = 0.2 * rng.standard_normal(3)
    here = sense(score, BODY, level, times)
    there = sense(score, BODY, Sites(level.segment, level.place + lever, level.mount), times)
    later, before = (sense(score, BODY, level, times + s).rate for s in (step, -step))
    spin = (later - before) / (2 * step)
    w = np.moveaxis(here.rate, 1, 2)
    arm = np.cross(np.moveaxis(spin, 1, 2), lever) + np.cross(w, np.cross(w, lever))
    assert_allclose(np.moveaxis(there.force - here.force, 1, 2), arm, atol=1e-6)
    assert_allclose(there.rate, here.rate, atol=1e-12)


@given(seeds)
def test_a_body_at_rest_reads_gravity_in_every_orientation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tracks = {c: track_of([(0.0, rng.uniform(-3, 3), 0.0, 0.0)]) for c in range(COUNT) if c != INDEX["speed"]}
    ideal = sense(Score(tracks), BODY, anywhere(rng), np.linspace(0, 1, 7))
    assert_allclose(np.sqrt((ideal.force**2).sum(1)), GRAVITY, rtol=1e-12)
    assert_allclose(ideal.rate, 0, atol=1e-12)
    assert_allclose(ideal.force, GRAVITY * ideal.axes[:, 0], atol=1e-12)


@given(seeds, st.floats(-3, 3), st.floats(0.1, 3))
def test_turning_the_world_and_walking_on_change_no_reading(seed: int, heading: float, speed: float) -> None:
    rng = np.random.default_rng(seed)
    score, sites, times = motion(rng), anywhere(rng), np.linspace(0.5, 2, 20)

    def raised(name: str, by: float) -> Score:
        old = score.tracks[INDEX[name]]
        power = old.power.copy()
        power[:, 0] += by
        return Score(score.tracks | {INDEX[name]: type(old)(old.start, power)}, score.cycles, score.splines)

    here = sense(score, BODY, sites, times)
    assert_allclose(sense(raised("yaw", heading), BODY, sites, times).force, here.force, atol=1e-9)
    straight = Score({k: v for k, v in score.tracks.items() if k != INDEX["yaw"]})
    faster = Score(straight.tracks | {INDEX["speed"]: track_of([(0.0, speed, 0.0, 0.0)])})
    slower = Score(straight.tracks | {INDEX["speed"]: track_of([(0.0, 0.0, 0.0, 0.0)])})
    assert_allclose(
        sense(faster, BODY, sites, times).force, sense(slower, BODY, sites, times).force, atol=1e-9
    )  # an even speed is not felt


@given(seeds)
def test_values_rates_and_accelerations_belong_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, step = motion(rng), 1e-3
    times = np.linspace(0.1, 3.9, 30)
    fine = coordinates_of(score, stencil(times, step))[0].reshape(COUNT, times.size, 5)
    q = coordinates_of(score, times)
    assert_allclose(q[1], fine @ CENTRAL / step, atol=1e-6, rtol=1e-6)
    # the third derivative of a cubic spline jumps at its knots
    calm = np.abs(times[:, None] + 1.5 - 0.7 * np.arange(14)).min(1) > 3 * step
    assert_allclose(q[2][:, calm], (fine @ SECOND / step**2)[:, calm], atol=1e-4, rtol=1e-5)


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=16), st.floats(0, 1))
def test_a_wave_passes_through_its_points_and_a_shift_delays_it(points: list[float], phase: float) -> None:
    mean, wave = wave_of(points)
    turns = np.arange(len(points)) / len(points)
    h = np.arange(1, len(wave) + 1)

    def at(wave: np.ndarray, x: np.ndarray) -> np.ndarray:
        angle = 2 * np.pi * np.outer(x, h)
        return np.asarray(np.cos(angle) @ wave[:, 0] + np.sin(angle) @ wave[:, 1])

    assert_allclose(mean + at(wave, turns), points, atol=1e-9)
    assert_allclose(at(shifted(wave, phase), turns), at(wave, turns - phase), atol=1e-9)


@given(st.floats(0.02, 1.0))
def test_a_flight_between_keys_is_a_parabola(height: float) -> None:
    speed = np.sqrt(2 * GRAVITY * height)
    end = 2 * speed / GRAVITY
    flight = track_of([(0.0, 1.0, speed, -GRAVITY), (end, 1.0, -speed, -GRAVITY)])
    score = Score({INDEX["up"]: flight})
    q = coordinates_of(score, np.linspace(0, 0.999 * end, 50), (INDEX["up"],))[:, INDEX["up"]]
    assert_allclose(q[2], -GRAVITY, rtol=1e-7)
    assert_allclose(q[0].max(), 1 + height, rtol=2e-3)
    free = sense(score, BODY, anywhere(np.random.default_rng(0)), np.linspace(0, 0.999 * end, 50))
    assert_allclose(free.force, 0, atol=1e-6)  # a body in free fall feels nothing


@pytest.mark.parametrize("placement", SITES)
def test_sites_lie_on_the_body_and_left_mirrors_right(placement: str) -> None:
    (a, left), (b, right) = (site_of(BODY, placement, side) for side in ("left", "right"))
    assert_allclose(left * (1, -1, 1), right, atol=1e-12)
    assert SEGMENTS[a].removesuffix("_l") == SEGMENTS[b].removesuffix("_r")
    assert 0 < np.abs(left).max() < 0.6


def test_a_standing_body_stands_on_its_feet() -> None:
    score = Score({INDEX["up"]: track_of([(0.0, BODY.leg, 0.0, 0.0)])})
    rotation, origin = frames_of(score, BODY, np.array([0.0]))
    for side in "rl":
        foot = SEGMENTS.index(f"foot_{side}")
        sole = origin[foot, 0] + rotation[foot, 0] @ BODY.ends[foot]
        assert sole[2] == pytest.approx(0, abs=1e-9)
    assert len(ROOT) == 8
    assert isinstance(BODY, Body)
