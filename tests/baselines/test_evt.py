"""Laws of the tail fit: equivariance, exact recovery, calibration with and without dependence, bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from baselines.evt import extremal_index, fit_tail
from scenarios.errors import InputError

ALPHA = 1e-4
N = 20_000


def autoregression(rng: np.random.Generator, n: int, phi: float = 0.95) -> np.ndarray:
    """Gaussian, marginally standard normal."""
    return (lfilter([1], [1, -phi], rng.standard_normal(n + 500)) * np.sqrt(1 - phi**2))[500:]


@given(
    st.integers(0, 50), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.sampled_from(["normal", "exponential", "cauchy"])
)
def test_threshold_scales_and_shifts_with_the_scores(seed: int, scale: float, shift: float, law: str) -> None:
    scores = getattr(stats, {"normal": "norm", "exponential": "expon", "cauchy": "cauchy"}[law]).rvs(
        size=4000, random_state=seed
    )
    one, other = fit_tail(scores, ALPHA), fit_tail(scale * scores + shift, ALPHA)
    for name in ("value", "low", "high", "u"):
        np.testing.assert_allclose(getattr(other, name), scale * getattr(one, name) + shift, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose([other.xi, other.theta, other.zeta], [one.xi, one.theta, one.zeta], atol=1e-5)


@given(st.integers(0, 50), st.floats(0.05, 0.95))
def test_threshold_falls_as_alpha_grows_and_lies_within_its_interval(seed: int, phi: float) -> None:
    scores = autoregression(np.random.default_rng(seed), 5000, phi)
    found = [fit_tail(scores, alpha) for alpha in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)]
    for name in ("value", "low", "high"):
        assert (np.diff([getattr(t, name) for t in found]) < 0).all()
    assert all(t.u <= t.low < t.value < t.high for t in found)
    wide, narrow = fit_tail(scores, ALPHA, level=0.95), fit_tail(scores, ALPHA, level=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert wide.value == narrow.value


@pytest.mark.parametrize("xi", [-0.3, -0.1, 0.0, 0.2, 0.5])
def test_a_generalised_pareto_tail_is_recovered(xi: float) -> None:
    n, zeta, sigma, u = 400_000, 0.05, 2.0, 10.0
    rng = np.random.default_rng(1)
    tail = stats.genpareto(xi, scale=sigma).ppf((np.arange(int(zeta * n)) + 0.5) / (zeta * n))
    scores = rng.permutation(np.concatenate([u + tail, u - rng.random(n - tail.size)]))
    found = fit_tail(scores, 1e-5, share=zeta - 1e-9)
    expected = u + (sigma * np.log(zeta / 1e-5) if xi == 0 else sigma / xi * ((zeta / 1e-5) ** xi - 1))
    np.testing.assert_allclose(found.xi, xi, atol=0.01)
    np.testing.assert_allclose(found.sigma, sigma, rtol=0.01)
    np.testing.assert_allclose(found.value, expected, rtol=0.03)
    assert found.low < expected < found.high


def test_dependence_widens_the_interval_and_tells_of_clusters() -> None:
    rng = np.random.default_rng(3)
    alone, bound = fit_tail(rng.standard_normal(N), ALPHA), fit_tail(autoregression(rng, N), ALPHA)
    assert alone.inflation < 1.5 < 4 < bound.inflation
    assert alone.theta > 0.85 > 0.3 > bound.theta
    assert bound.high - bound.low > 1.5 * (alone.high - alone.low)


def test_repeated_scores_know_no_more_than_once() -> None:
    scores = np.random.default_rng(4).standard_normal(4000)
    once, often = fit_tail(scores, 1e-3), fit_tail(np.repeat(scores, 10), 1e-3)
    np.testing.assert_allclose(often.inflation, 10, rtol=0.25)
    np.testing.assert_allclose(often.theta, 0.1, rtol=0.2)
    np.testing.assert_allclose([often.low, often.high], [once.low, once.high], rtol=0.05)


def test_alarms_come_as_promised() -> None:
    """Quick form of the benchmark: medians of 60 runs."""
    law = stats.norm()
    for draw in (lambda rng, n: rng.standard_normal(n), autoregression):
        rng = np.random.default_rng(5)
        found = [fit_tail(draw(rng, N), ALPHA) for _ in range(60)]
        ratio = np.median([law.sf(t.value) / ALPHA for t in found])
        cover = np.mean([t.low <= law.isf(ALPHA) <= t.high for t in found])
        assert 0.6 < ratio < 1.7
        assert 0.78 < cover <= 1


def test_extremal_index_of_known_processes() -> None:
    rng = np.random.default_rng(6)
    n = 400_000
    independent = rng.standard_normal(n)
    assert extremal_index(np.flatnonzero(independent > 2.5)) > 0.95
    noise = 1 / rng.random(n + 1)  # moving maximum of two Frechet values: each exceedance comes twice
    assert abs(extremal_index(np.flatnonzero(np.maximum(noise[1:], noise[:-1]) > 200)) - 0.5) < 0.03
    assert extremal_index(np.array([5])) == extremal_index(np.empty(0, np.int64)) == 1.0
    assert extremal_index(np.arange(10)) == 1.0  # all gaps are 1: equation 5 has nothing longer to compare with


@pytest.mark.parametrize(
    ("scores", "more"),
    [
        (np.zeros(1000), {}),
        (np.arange(100.0), {}),
        (np.empty(0), {}),
        (np.full(1000, np.nan), {}),
        (np.zeros((10, 100)), {}),
        (np.where(np.arange(10_000) % 100 == 0, 1.0, 0.0), {}),
        (np.arange(10_000.0), {"alpha": 0.5}),
        (np.arange(10_000.0), {"alpha": 0.0}),
        (np.arange(10_000.0), {"share": 0.7}),
        (np.arange(10_000.0), {"level": 1.0}),
        (np.arange(10_000.0), {"prior_sd": 0.0}),
    ],
)
def test_bad_input_is_refused_in_a_line(scores: np.ndarray, more: dict[str, float]) -> None:
    with pytest.raises(InputError) as told:
        fit_tail(scores, **{"alpha": ALPHA, **more})
    assert "\n" not in str(told.value)
