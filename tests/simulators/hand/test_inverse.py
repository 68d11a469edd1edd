"""Laws of the inverse problems: derivatives, what fits find and how well they say they know it, and bad input."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from scenarios.errors import InputError
from simulators.hand import chain, inverse
from simulators.hand.anatomy import Hand, Mounts, Site, draw_hand, mounts
from simulators.hand.field import field
from simulators.hand.inverse import (
    Curves,
    Fit,
    curl_readings,
    curves,
    fit_additive,
    fit_curls,
    fit_geometry,
    geometry_jacobian,
    geometry_of,
    geometry_readings,
)
from simulators.hand.magnets import Magnet

SEEDS = st.integers(0, 2**32 - 1)
Random = np.random.Generator
SITES = st.sampled_from(["nail", "middle"])
MAGNETS = [Magnet(diameter_mm=6, height_mm=3, br_t=1.43, polarity=sign) for sign in (1, 1, 1, -1, 1)]
PALM = np.array([[0.0, 45.0, -16.0]])
FOUR = np.array([[20.0, 70.0, 14.0], [-20.0, 70.0, 14.0], [20.0, 30.0, 14.0], [-20.0, 30.0, 14.0]])
"""On the back of the hand, where no magnet comes."""
INSIDE = FOUR - [0, 0, 30]
"""In the palm, where magnets on middle phalanges tell most."""
BINARY = np.array([[number >> finger & 1 for number in range(32)] for finger in range(5)], float)


def any_hand(seed: int, site: Site = "middle") -> tuple[Random, Hand, Mounts]:
    rng = np.random.default_rng(seed)
    hand = draw_hand(rng)
    return rng, hand, mounts(hand, site)


def any_geometry(seed: int, sensors: int, samples: int) -> tuple[Random, np.ndarray, np.ndarray, np.ndarray]:
    """A geometry near to a hand's, curls, and sensors on the back of the hand."""
    rng, hand, worn = any_hand(seed)
    points = FOUR[:sensors] + rng.normal(size=(sensors, 3))
    theta = geometry_of(hand, worn, MAGNETS, sensors) + away(sensors) * rng.normal(size=45 + 3 * sensors)
    return rng, theta, rng.uniform(0, 1, (5, samples)), points


def away(sensors: int) -> np.ndarray:
    """Sd of what one does not know of a geometry: 0.005 A m2, 2 mm, 20 uT."""
    return np.concatenate([np.tile(np.repeat([0.005, 2.0, 2.0], 3), 5), np.full(3 * sensors, 20.0)])


def noisy(rng: Random, readings: np.ndarray, noise: float) -> np.ndarray:
    return readings + noise * rng.normal(size=readings.shape)


def dipoles(theta: np.ndarray, curls: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Readings of a geometry as the textbook has them."""
    out = np.repeat(theta[45:].reshape(-1, 3, 1), curls.shape[1], axis=2)
    for own, c in zip(theta[:45].reshape(5, 3, 3), curls, strict=True):
        moment, extended, flexed = own[..., None]
        d = points[..., None] - ((1 - c) * extended + c * flexed)
        r = np.linalg.norm(d, axis=1, keepdims=True)
        out += 1e8 * (3 * d * (moment * d).sum(1, keepdims=True) / r**5 - moment / r**3)
    return out


def slope(function: Callable[[float], np.ndarray], step: float) -> np.ndarray:
    """Derivative at 0 to the fourth order."""
    ends = [function(k * step) for k in (1, -1, 2, -2)]
    return (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12 * step)


def same(one: Fit, two: Fit, of_sd: float) -> None:
    """Two fits are one to a share of their sd."""
    assert np.abs((one.estimate - two.estimate) / one.sd).max() < of_sd
    np.testing.assert_allclose(one.sd, two.sd, rtol=1e-4)
    assert two.cost == pytest.approx(one.cost, rel=1e-6)


# ---- readings and derivatives


@given(SEEDS, st.integers(1, 4))
def test_a_geometry_reads_as_its_dipoles(seed: int, sensors: int) -> None:
    _, theta, curls, points = any_geometry(seed, sensors, 9)
    np.testing.assert_allclose(geometry_readings(theta, curls, points), dipoles(theta, curls, points), rtol=1e-10)
    assert len(inverse.names_of(sensors)) == len(set(inverse.names_of(sensors))) == theta.size
    assert inverse.scales_of(sensors).shape == theta.shape


@given(SEEDS, st.integers(1, 4))
def test_the_geometrys_jacobian_is_that_of_finite_differences(seed: int, sensors: int) -> None:
    _, theta, curls, points = any_geometry(seed, sensors, 9)
    found = geometry_jacobian(theta, curls, points)
    for k, step in enumerate(1e-2 * inverse.scales_of(sensors)):

        def moved(s: float, k: int = k) -> np.ndarray:
            return geometry_readings(theta + s * (np.arange(theta.size) == k), curls, points)

        numeric = slope(moved, step)
        assert np.abs(found[..., k] - numeric).max() < 1e-6 * np.abs(numeric).max(), inverse.names_of(sensors)[k]


@given(SEEDS, st.floats(0.2, 5))
def test_one_sensor_does_not_see_all_grow(seed: int, k: float) -> None:
    rng, theta, curls, _ = any_geometry(seed, 1, 20)
    grown = theta.copy()
    factor = np.where(rng.random(5) < 0.5, k, 1.0)[:, None]
    grown[:45] = (
        theta[:45].reshape(5, 9) * np.concatenate([np.repeat(factor**3, 3, 1), np.repeat(factor, 6, 1)], 1)
    ).ravel()
    one, other = (geometry_readings(own, curls) for own in (theta, grown))
    np.testing.assert_allclose(other, one, rtol=0, atol=1e-11 * np.abs(one).max())
    elsewhere = [geometry_readings(own, curls, [[0, 0, 5.0]]) for own in (theta, grown)]
    assert (factor == 1).all() or abs(k - 1) < 0.01 or np.abs(elsewhere[0] - elsewhere[1]).max() > 1e-6


@given(SEEDS, SITES)
def test_the_geometry_of_a_hand_has_its_places_and_its_fist(seed: int, site: Site) -> None:
    _, hand, worn = any_hand(seed, site)
    worn_by: list[Magnet | None] = [*MAGNETS[:2], None, *MAGNETS[3:]]
    theta = geometry_of(hand, worn, worn_by)
    positions, axes = chain.place(hand, worn, chain.bent(np.tile([0.0, 1.0], (5, 1))))
    np.testing.assert_array_equal(theta[:45].reshape(5, 3, 3)[:, 1:], positions.transpose(0, 2, 1))
    whole = [0, 1, 3, 4]
    known = field([MAGNETS[f] for f in whole], positions[whole, :, 1:], axes[whole, :, 1:], FOUR, level="dipole").field
    np.testing.assert_allclose(geometry_readings([*theta, *np.zeros(9)], np.ones((5, 1)), FOUR), known, rtol=1e-9)


@pytest.mark.parametrize("habitual", [False, True])
@given(SEEDS, SITES)
def test_curl_readings_are_the_chains_and_have_its_derivatives(habitual: bool, seed: int, site: Site) -> None:
    rng, hand, worn = any_hand(seed, site)
    habit = chain.draw_habit(rng, chain.Spread()) if habitual else None
    curls = rng.uniform(0.01, 0.99, (5, 6))
    worn_by: list[Magnet | None] = [*MAGNETS[:4], None]
    value, by_curl = curl_readings(hand, worn, worn_by, FOUR, curls, habit=habit)
    p, u = chain.place(hand, worn, chain.bent(curls, habit=habit))
    truth = field(MAGNETS, p, u, FOUR, level="multipole", each=True).field.transpose(1, 0, 2, 3)
    size = np.linalg.norm(truth, axis=2)
    assert not value[4].any()
    assert not by_curl[4].any()
    assert (np.linalg.norm(value - truth, axis=2) / size)[:4].max() < 1e-3
    numeric = slope(lambda s: curl_readings(hand, worn, worn_by, FOUR, curls + s, habit=habit)[0], 1e-4)
    assert (np.linalg.norm(by_curl - numeric, axis=2) / size)[:4].max() < 1e-7


@given(SEEDS, SITES)
def test_tables_read_as_the_chain_between_their_knots(seed: int, site: Site) -> None:
    rng, hand, worn = any_hand(seed, site)
    curls = np.concatenate([rng.uniform(0, 1, (5, 50)), np.zeros((5, 1)), np.ones((5, 1))], axis=1)
    truth = curl_readings(hand, worn, MAGNETS, FOUR, curls)[0].sum(0)
    found = curves(hand, worn, MAGNETS, FOUR).readings(curls)
    assert np.abs(found - truth).max() < 1e-5


# ---- the geometry


@pytest.mark.parametrize("points", [PALM, FOUR], ids=["one sensor", "four"])
@given(seed=SEEDS)
def test_a_geometry_is_found_again(points: np.ndarray, seed: int) -> None:
    rng, hand, worn = any_hand(seed)
    theta = geometry_of(hand, worn, MAGNETS, len(points)) + away(len(points)) * rng.normal(size=45 + 3 * len(points))
    curls = rng.uniform(0, 1, (5, 200))
    readings = geometry_readings(theta, curls, points)
    fit = fit_geometry(readings, curls, theta + away(len(points)) * rng.normal(size=theta.size), points=points)
    assert fit.converged
    assert fit.iterations < 40
    assert fit.cost < 1e-6
    np.testing.assert_allclose(geometry_readings(fit.estimate, curls, points), readings, rtol=0, atol=1e-3)
    told = np.isfinite(fit.sd)
    assert told.all() == (len(points) > 1)
    assert np.abs(fit.estimate - theta)[told].max() < 1e-3


def test_a_prior_geometry_comes_nearer_to_the_truth_as_far_as_it_says() -> None:
    joint, single, within = [], [], []
    for seed in range(8):
        for points in (PALM, FOUR):
            rng, hand, worn = any_hand(seed)
            mean, sd = geometry_of(hand, worn, MAGNETS, len(points)), away(len(points))
            truth = mean + sd * rng.normal(size=mean.size)
            curls = rng.uniform(0, 1, (5, 200))
            readings = noisy(rng, geometry_readings(truth, curls, points), 0.5)
            fit = fit_geometry(readings, curls, mean, points=points, noise_ut=0.5, prior_sd=sd)
            assert fit.converged
            assert (fit.sd <= sd * 1.0000001).all()
            apart = fit.estimate - truth
            single.append(np.mean((apart / fit.sd) ** 2))
            within.append(np.mean(np.abs(apart) < 2 * fit.sd))
            if len(points) > 1:  # one sensor's posterior is bent: it has the symmetry of scale
                joint.append(apart @ np.linalg.solve(fit.covariance, apart) / apart.size)
            left = (readings - geometry_readings(fit.estimate, curls, points)).ravel() / 0.5
            cost = 0.5 * (left @ left + (((fit.estimate - mean) / sd) ** 2).sum())
            assert fit.cost == pytest.approx(cost, rel=1e-9)
            assert fit.cost <= 0.5 * (left.size + mean.size + 6 * np.sqrt(2 * left.size))
    assert np.mean(joint) == pytest.approx(1, abs=0.15)
    assert np.mean(single) == pytest.approx(1, abs=0.2)
    assert np.mean(within) == pytest.approx(0.954, abs=0.02)


@given(SEEDS, st.sampled_from([1, 3, 70]), st.integers(1, 3))
def test_the_spread_of_a_geometry_is_the_inverse_of_its_curvature(seed: int, samples: int, sensors: int) -> None:
    rng, theta, curls, points = any_geometry(seed, sensors, samples)
    readings = noisy(rng, geometry_readings(theta, curls, points), 2.0)
    sd = away(sensors)
    fit = fit_geometry(readings, curls, theta, points=points, noise_ut=2.0, prior_sd=sd)
    rows = geometry_jacobian(fit.estimate, curls, points).reshape(-1, theta.size) / 2.0
    known = np.linalg.inv(rows.T @ rows + np.diag(sd**-2.0))
    np.testing.assert_allclose(fit.covariance / np.outer(sd, sd), known / np.outer(sd, sd), rtol=0, atol=1e-7)
    np.testing.assert_allclose(fit.sd, np.sqrt(np.diagonal(known)), rtol=1e-6)
    free = fit_geometry(readings, curls, theta, points=points, noise_ut=2.0)
    assert np.isinf(free.sd).all() if samples == 1 else (free.sd > 0).all()


@given(SEEDS)
def test_a_priors_mean_need_not_be_the_start(seed: int) -> None:
    rng, theta, curls, points = any_geometry(seed, 4, 60)
    sd = away(4)
    readings = noisy(rng, geometry_readings(theta + sd * rng.normal(size=sd.size), curls, points), 1.0)
    one, other = (
        fit_geometry(readings, curls, start, points=points, prior_sd=sd, prior_mean=theta)
        for start in (theta, theta + sd * rng.normal(size=sd.size))
    )
    same(one, other, of_sd=1e-3)


@given(SEEDS)
def test_equal_curls_are_taken_together_and_order_does_not_matter(seed: int) -> None:
    rng, theta, some, points = any_geometry(seed, 2, 20)
    curls = some[:, rng.integers(0, 20, 120)]
    readings = noisy(rng, geometry_readings(theta, curls, points), 2.0)

    def fit(order: np.ndarray, curls: np.ndarray = curls) -> Fit:
        return fit_geometry(readings[..., order], curls[:, order], theta, points=points, noise_ut=2.0, prior_sd=away(2))

    plain = fit(np.arange(120))
    apart = np.clip(curls + 1e-11 * rng.random(curls.shape), 0, 1)
    assert len(np.unique(apart.T, axis=0)) > 100
    same(plain, fit(np.arange(120), apart), of_sd=1e-4)
    same(plain, fit(rng.permutation(120)), of_sd=1e-4)


# ---- the additive bound


def any_additive(seed: int, samples: int = 60) -> tuple[Random, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sensors = int(rng.integers(1, 4))
    curls = np.concatenate([np.eye(5), rng.uniform(0, 1, (5, samples - 5)).round(int(rng.integers(0, 3)))], axis=1)
    return rng, curls, 300 * rng.normal(size=(sensors, 3, samples))


@given(SEEDS)
def test_the_additive_fit_is_that_of_numpy(seed: int) -> None:
    _, curls, readings = any_additive(seed)
    design = np.vstack([curls, np.ones(curls.shape[1])]).T
    flat = readings.reshape(-1, curls.shape[1]).T
    known, squares, *_ = np.linalg.lstsq(design, flat)
    fit = fit_additive(readings, curls)
    np.testing.assert_allclose(fit.estimate.reshape(6, -1), known, rtol=0, atol=1e-9 * np.abs(known).max())
    noise = np.sqrt(squares.sum() / (flat.size - known.size))
    np.testing.assert_allclose(fit.covariance, noise**2 * np.linalg.inv(design.T @ design), rtol=1e-8)
    np.testing.assert_allclose(fit.sd, np.sqrt(np.diagonal(fit.covariance)))
    given_noise = fit_additive(readings, curls, noise_ut=7.0)
    np.testing.assert_allclose(given_noise.sd, fit.sd * 7 / noise, rtol=1e-9)
    assert given_noise.cost == pytest.approx(0.5 * squares.sum() / 49)
    np.testing.assert_array_equal(given_noise.estimate, fit.estimate)


@given(SEEDS)
def test_no_geometry_of_two_places_explains_more_than_the_additive_fit(seed: int) -> None:
    rng, theta, _, points = any_geometry(seed, 1, 1)
    curls = BINARY[:, rng.permutation(32)[: rng.integers(12, 33)]]
    if np.linalg.matrix_rank(np.vstack([curls, np.ones(curls.shape[1])])) < 6:
        curls = BINARY
    readings = noisy(rng, geometry_readings(theta, curls, points), rng.choice([1.0, 100.0]))
    bound = fit_additive(readings, curls, noise_ut=1.0)
    geometry = fit_geometry(readings, curls, theta, points=points)
    assert geometry.cost >= bound.cost * (1 - 1e-9)
    assert geometry.cost <= bound.cost * 1.01, "48 numbers of one sensor reach all of 18"


def test_the_additive_fits_sd_is_that_of_its_errors() -> None:
    rng, curls, truth = any_additive(5)
    shape = truth[0, :, :6].T  # (6, 3)
    clean = np.einsum("fi,fn->in", shape, np.vstack([curls, np.ones(curls.shape[1])]))[None]
    given_noise: list[np.ndarray] = []
    own: list[np.ndarray] = []
    for _ in range(300):
        readings = noisy(rng, clean, 3.0)
        for known, into in ((3.0, given_noise), (None, own)):
            fit = fit_additive(readings, curls, noise_ut=known)
            into.append((fit.estimate[:, 0] - shape) / fit.sd[:, None])
    assert np.sqrt(np.mean(np.square(given_noise), axis=0)) == pytest.approx(1, abs=0.15)
    assert np.sqrt(np.mean(np.square(own))) == pytest.approx(1, abs=0.05)
    assert (np.abs(given_noise) < 1.96).mean() == pytest.approx(0.95, abs=0.01)


# ---- curls


def known_hand(seed: int, points: np.ndarray = FOUR, samples: int = 300) -> tuple[Random, Curves, np.ndarray]:
    rng, hand, worn = any_hand(seed)
    return rng, curves(hand, worn, MAGNETS, points), rng.uniform(0, 1, (5, samples))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("prior_sd", [0.5, np.inf])
def test_curls_are_found_again(seed: int, prior_sd: float) -> None:
    _, known, curls = known_hand(seed)
    curls[:, :32] = BINARY
    fit = fit_curls(known, known.readings(curls), noise_ut=1e-3, prior_sd=prior_sd)
    assert fit.converged.all()
    assert np.abs(fit.estimate - curls).max() < 1e-5


@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_curls_are_as_near_as_their_sd_says(noise: float) -> None:
    """A few readings have another explanation that is as good, of which a spread about one does not tell."""
    found: list[float] = []
    for seed in range(6):
        rng, known, curls = known_hand(seed, INSIDE)
        fit = fit_curls(known, noisy(rng, known.readings(curls), noise), noise_ut=noise)
        assert fit.converged.mean() > 0.99
        inside = (fit.estimate > 3 * fit.sd) & (fit.estimate < 1 - 3 * fit.sd)
        found.extend(((fit.estimate - curls) / fit.sd)[inside])
    z = np.abs(found)
    assert z.size > 8000
    assert (z > 5).mean() < 0.005
    assert np.sqrt(np.mean(z[z < 5] ** 2)) == pytest.approx(1, abs=0.04)
    for bound in (1.0, 2.0):
        assert (z < bound).mean() == pytest.approx(1 - 2 * stats.norm.sf(bound), abs=0.015)


@given(SEEDS, st.sampled_from([1, 2, 4]), SITES)
def test_a_fit_of_curls_is_a_least_cost_in_its_range(seed: int, sensors: int, site: Site) -> None:
    rng, hand, worn = any_hand(seed, site)
    known = curves(hand, worn, MAGNETS, FOUR[:sensors])
    curls = rng.uniform(0, 1, (5, 20))
    curls[:, :5] = curls[:, :5].round()
    mean, sd = rng.uniform(0, 1, 5), rng.uniform(0.2, 1, 5)
    readings = noisy(rng, known.readings(curls), 0.5)
    fit = fit_curls(known, readings, noise_ut=0.5, prior_mean=mean, prior_sd=sd, iterations=200)

    def cost(c: np.ndarray) -> np.ndarray:
        left = (readings - known.readings(c)).reshape(-1, 20) / 0.5
        return 0.5 * ((left**2).sum(0) + (((c - mean[:, None]) / sd[:, None]) ** 2).sum(0))

    np.testing.assert_allclose(fit.cost, cost(fit.estimate), rtol=1e-9, atol=1e-12)
    assert fit.estimate.min() >= 0
    assert fit.estimate.max() <= 1
    tangent = np.stack([curl_readings(hand, worn, MAGNETS, FOUR[:sensors], fit.estimate)[1][f] for f in range(5)])
    rows = tangent.reshape(5, -1, 20) / 0.5
    curvature = np.einsum("frn,grn->nfg", rows, rows) + np.diag(sd**-2.0)
    np.testing.assert_allclose(fit.covariance @ np.ones(20), np.linalg.inv(curvature).sum(0), rtol=1e-3, atol=1e-9)
    step = 1e-3 * fit.sd
    for f in range(5):
        for sign in (-1, 1):
            moved = fit.estimate.copy()
            moved[f] = np.clip(moved[f] + sign * step[f], 0, 1)
            assert (cost(moved) >= fit.cost - 1e-9 * (1 + fit.cost))[fit.converged].all()


def test_a_fit_of_curls_is_scipys() -> None:
    rng, known, curls = known_hand(3, FOUR, 12)
    readings = noisy(rng, known.readings(curls), 0.5)
    fit = fit_curls(known, readings, noise_ut=0.5)
    for i in range(12):

        def residuals(c: np.ndarray, i: int = i) -> np.ndarray:
            left = (known.readings(c[:, None]) - readings[..., [i]]).ravel() / 0.5
            return np.concatenate([left, (c - 0.5) / 0.5])

        costs = [
            optimize.least_squares(residuals, np.clip(start[:, i], 1e-3, 1 - 1e-3), bounds=(0, 1)).cost
            for start in (fit.estimate, curls)
        ]
        enough = 0.5 * stats.chi2.isf(inverse.WORSE, 12)
        assert fit.cost[i] <= max(min(costs), enough) + 1e-6
        assert fit.cost[i] == pytest.approx(costs[0], rel=1e-3)


@given(SEEDS)
def test_a_sample_has_the_same_bits_in_any_company(seed: int) -> None:
    rng, known, curls = known_hand(seed, FOUR[:2], 40)
    readings = noisy(rng, known.readings(curls), 0.5)
    spread = rng.normal(size=(6, 6))
    noise = 0.2 * np.eye(6) + spread @ spread.T
    whole = fit_curls(known, readings, noise_ut=noise)
    for order in (rng.permutation(40), np.array([7]), np.arange(3, 20)):
        part = fit_curls(known, readings[..., order], noise_ut=noise)
        for name in ("estimate", "sd", "covariance", "iterations", "converged", "cost"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[..., order])


@given(SEEDS)
def test_noise_of_curls_may_be_a_number_many_or_a_covariance(seed: int) -> None:
    rng, known, curls = known_hand(seed, FOUR, 20)
    readings = noisy(rng, known.readings(curls), 0.5)
    sd = rng.uniform(0.1, 1, 12)
    plain, matrix = (fit_curls(known, readings, noise_ut=noise) for noise in (sd, np.diag(sd**2)))
    np.testing.assert_allclose(matrix.estimate, plain.estimate, rtol=0, atol=1e-6)
    np.testing.assert_allclose(matrix.cost, plain.cost, rtol=1e-6)
    mixing = rng.normal(size=(12, 12))
    noise = 0.1 * np.eye(12) + 0.01 * mixing @ mixing.T
    fit = fit_curls(known, readings, noise_ut=noise)
    left = (readings - known.readings(fit.estimate)).reshape(12, 20)
    cost = 0.5 * ((left * np.linalg.solve(noise, left)).sum(0) + (((fit.estimate - 0.5) / 0.5) ** 2).sum(0))
    np.testing.assert_allclose(fit.cost, cost, rtol=1e-9)
    shared = np.kron(np.ones((4, 4)), 1e8 * np.eye(3)) + 0.25 * np.eye(12)  # any field that all sensors share
    before, after = (
        fit_curls(known, readings + extra[:, None], noise_ut=shared, start=curls)
        for extra in (np.zeros(3), 50 * rng.normal(size=3))
    )
    np.testing.assert_allclose(after.estimate, before.estimate, rtol=0, atol=1e-3)
    assert np.median(before.sd / fit_curls(known, readings, noise_ut=0.5, start=curls).sd) > 1.05, "three readings less"


def test_what_nothing_tells_has_no_bound() -> None:
    rng, hand, worn = any_hand(2)
    known = curves(hand, worn, [*MAGNETS[:2], None, *MAGNETS[3:]], FOUR)
    curls = rng.uniform(0.2, 0.8, (5, 30))
    readings = noisy(rng, known.readings(curls), 0.1)
    fit = fit_curls(known, readings, noise_ut=0.1, prior_sd=np.inf)
    assert np.isinf(fit.sd[2]).all()
    told = np.delete(fit.sd, 2, axis=0)
    assert np.isfinite(told).all()
    prior = fit_curls(known, readings, noise_ut=0.1, prior_sd=[np.inf, np.inf, 0.3, np.inf, np.inf], prior_mean=0.4)
    np.testing.assert_allclose(prior.sd[2], 0.3)
    np.testing.assert_allclose(prior.estimate[2], 0.4, atol=1e-9)
    np.testing.assert_allclose(np.delete(prior.sd, 2, axis=0), told, rtol=1e-3)
    one = fit_curls(curves(hand, worn, MAGNETS, PALM), readings[:1], prior_sd=np.inf)
    assert np.isinf(one.sd).any(axis=0).all(), "three readings do not tell five curls"


# ---- bad input

C = np.full((5, 8), 0.5)
C[:, :5] = np.eye(5)
B = np.ones((1, 3, 8))
THETA = np.concatenate([np.tile([0.1, 0, 0, 0, 50, 0, 0, 0, -60], 5), np.zeros(3)])
NAN = np.where(np.arange(8) == 3, np.nan, 1.0)
LOPSIDED = np.eye(3) + np.array([[0, 0.5, 0], [0, 0, 0], [0, 0, 0]])


def curls_fit(readings: Any = B, **more: Any) -> Fit:
    return fit_curls(Curves(tables=np.ones((5, inverse.KNOTS, 2, 3))), readings, **more)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: fit_geometry(B[0], C, THETA), r"readings must have the shape \(1, 3, samples\); they have \(3, 8\)"),
        (lambda: fit_geometry(B[..., :0], C, THETA), "readings must have the shape"),
        (lambda: fit_geometry(B.repeat(2, 0), C, THETA), r"readings must have the shape \(1, 3, samples\)"),
        (lambda: fit_geometry(B * NAN, C, THETA), "readings must be finite; 3 are not"),
        (lambda: fit_geometry(B, C[:4], THETA), r"curls must have the shape \(5, samples\); they have \(4, 8\)"),
        (lambda: fit_geometry(B, C[:, :7], THETA), "curls must be as many as readings, 8; they are 7"),
        (lambda: fit_geometry(B, C + 0.6, THETA), "curls must be 0 to 1; they are 0.6 to 1.6"),
        (lambda: fit_geometry(B, C - 0.1, THETA), "curls must be 0 to 1"),
        (lambda: fit_geometry(B, C * NAN, THETA), "curls must be 0 to 1"),
        (lambda: fit_geometry(B, C, THETA[:47]), r"start must be 48 finite numbers; came the shape \(47,\)"),
        (lambda: fit_geometry(B, C, np.full(48, np.nan)), "start must be 48 finite numbers"),
        (lambda: fit_geometry(B, C, 0 * THETA), "start must keep every magnet off the sensors"),
        (
            lambda: fit_geometry(B, C, THETA, points=[0.0, 0, 0]),
            r"points must be .* \(sensors, 3\); came the shape \(3,\)",
        ),
        (lambda: fit_geometry(B, C, THETA, points=[[0.0, 0, np.inf]]), "points must be finite"),
        (lambda: fit_geometry(B, C, THETA, noise_ut=0), "noise_ut must be above 0 and finite; it is 0"),
        (lambda: fit_geometry(B, C, THETA, noise_ut=np.inf), "noise_ut must be above 0 and finite"),
        (lambda: fit_geometry(B, C, THETA, prior_sd=0), "prior_sd must be one number above 0 or 48; it is 0"),
        (lambda: fit_geometry(B, C, THETA, prior_sd=[1.0, 2]), "prior_sd must be one number above 0 or 48"),
        (lambda: fit_geometry(B, C, THETA, prior_sd=np.nan), "prior_sd must be one number above 0"),
        (lambda: fit_geometry(B, C, THETA, prior_sd=1, prior_mean=THETA[:3]), "prior_mean must be 48 finite numbers"),
        (lambda: fit_geometry(B, C, THETA, prior_mean=THETA), "prior_mean must come with a prior_sd"),
        (lambda: geometry_readings(THETA, C, FOUR), "theta must be 57 finite numbers"),
        (lambda: geometry_jacobian(THETA, C[0]), "curls must have the shape"),
        (lambda: fit_additive(B, C[:, :7]), "curls must be as many as readings"),
        (lambda: fit_additive(B * NAN, C), "readings must be finite"),
        (lambda: fit_additive(B, np.full((5, 8), 0.5)), "curls must tell the fingers and the offset apart"),
        (lambda: fit_additive(B, BINARY[:, :8]), "apart; they do not for little$"),
        (lambda: fit_additive(B, C, noise_ut=-1.0), "noise_ut must be above 0"),
        (lambda: curls_fit(B[:, :2]), r"readings must have the shape \(1, 3, samples\)"),
        (lambda: curls_fit(B * NAN), "readings must be finite"),
        (lambda: curls_fit(noise_ut=0.0), "noise_ut must be above 0"),
        (lambda: curls_fit(noise_ut=[1.0, 1]), "noise_ut must be one number, 3, or a 3 x 3 covariance"),
        (lambda: curls_fit(noise_ut=[1.0, 1, np.nan]), "noise_ut must be above 0"),
        (lambda: curls_fit(noise_ut=np.diag([1.0, 1, -1])), "noise_ut must be a symmetric positive definite"),
        (lambda: curls_fit(noise_ut=np.ones((3, 3))), "noise_ut must be a symmetric positive definite"),
        (lambda: curls_fit(noise_ut=np.full((3, 3), np.nan)), "noise_ut must be a symmetric positive definite"),
        (lambda: curls_fit(noise_ut=LOPSIDED), "noise_ut must be a symmetric positive definite"),
        (lambda: curls_fit(prior_mean=[0.5, 0.5]), "prior_mean of curls must be one finite number or five"),
        (lambda: curls_fit(prior_mean=np.nan), "prior_mean of curls must be"),
        (lambda: curls_fit(prior_sd=-1.0), "prior_sd must be one number above 0 or 5"),
        (lambda: curls_fit(start=C[:, :3]), r"start must have the shape \(5, 8\); it has \(5, 3\)"),
        (lambda: curls_fit(start=C + 1), "curls must be 0 to 1"),
    ],
)
def test_bad_input_is_named_in_one_line(call: Callable[[], object], says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_bad_designs_are_named_in_one_line() -> None:
    _, hand, worn = any_hand(1)
    index = mounts(hand, "middle", ("index",))
    p, _ = chain.place(hand, worn, chain.bent(np.ones((5, 1))))
    for call, says in (
        (lambda: curves(hand, worn, [None] * 5, FOUR), "a design must have a magnet"),
        (lambda: curves(hand, worn, MAGNETS[:4], FOUR), "needed for each of five fingers; there are 4"),
        (lambda: curves(hand, index, MAGNETS, FOUR), "needed for each of five fingers"),
        (lambda: curves(hand, worn, MAGNETS, FOUR[0]), "points must be finite numbers"),
        (lambda: curves(hand, worn, MAGNETS, p[:1, :, 0]), "must be outside the sensor"),
        (lambda: curl_readings(hand, worn, MAGNETS, FOUR, C * 2), "curls must be 0 to 1"),
        (lambda: curves(hand, worn, MAGNETS, FOUR).readings(C[:3]), "curls must have the shape"),
    ):
        with pytest.raises(InputError, match=says) as raised:
            call()
        assert "\n" not in str(raised.value)
