import math

import numpy as np
import pytest
from scipy import special, stats

from simulators import noise
from simulators.scene.kernels.plain import hash32

TABLE = noise.normal_table()
K0, K1 = np.uint32(0x1234ABCD), np.uint32(0x9876FEDC)
KINDS = {
    noise.GAUSSIAN: stats.norm(),
    noise.UNIFORM: stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
    noise.HEAVY: stats.t(4, scale=math.sqrt(0.5)),
}
N = 1 << 20
LAGS = (1, 2, 3, 7, 16, 63, 64, 65, 127, 128, 1000, 4096, 65_536)


def sample(kind: int, n: int, k0: np.uint32 = K0, k1: np.uint32 = K1, first: int = 0) -> np.ndarray:
    out = np.empty(n, np.float32)
    noise.fill(kind, TABLE, first, n, k0, k1, out)
    return out


def hashes(n: int, k0: np.uint32 = K0, k1: np.uint32 = K1) -> np.ndarray:
    return hash32(np.arange(n, dtype=np.uint32), k0, k1)


@pytest.fixture(scope="module")
def many() -> np.ndarray:
    """16.8 M normal samples: some ten of them beyond 5 sd."""
    return sample(noise.GAUSSIAN, 1 << 24)


@pytest.mark.parametrize("kind", KINDS)
def test_moments(kind):
    z = sample(kind, N).astype(float)
    assert abs(z.mean()) < 4 / math.sqrt(N)
    if kind != noise.HEAVY:  # whose fourth moment is infinite
        kurtosis = {noise.GAUSSIAN: 3.0, noise.UNIFORM: 1.8}[kind]
        assert abs(z.var() - 1) < 4 * math.sqrt((kurtosis - 1) / N)
        assert abs((z**3).mean()) < 4 * math.sqrt(15 / N)
        assert abs((z**4).mean() - kurtosis) < 4 * math.sqrt(96 / N)


@pytest.mark.parametrize("kind", KINDS)
def test_distribution(kind):
    assert stats.kstest(sample(kind, N).astype(float), KINDS[kind].cdf).pvalue > 1e-3


@pytest.mark.parametrize("sd", [3.0, 4.0, 4.5, 5.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_normal_tails_hold_what_the_normal_law_gives(many, sd, side):
    beyond = int((side * many > sd).sum())
    assert stats.binomtest(beyond, many.size, float(special.ndtr(-sd))).pvalue > 1e-3


def test_normal_tails_are_continuous_beyond_the_table(many):
    tail = np.abs(many[np.abs(many) > 3.6]).astype(float)
    law = stats.truncnorm(3.6, np.inf)
    assert np.unique(tail).size > 0.99 * tail.size
    assert stats.kstest(tail, law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("quantile", [1e-2, 1e-3, 1e-4, 1e-5])
def test_heavy_tails_are_those_of_student_t(quantile):
    z = np.abs(sample(noise.HEAVY, N))
    beyond = int((z > KINDS[noise.HEAVY].isf(quantile / 2)).sum())
    assert stats.binomtest(beyond, N, quantile).pvalue > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_samples_do_not_depend_on_each_other(kind):
    z = sample(kind, N).astype(float)
    z = np.clip((z - z.mean()) / z.std(), -5, 5)
    for x in (z, z**2 - (z**2).mean()):  # size may hang together where sign does not
        x = x / x.std()
        r = np.array([(x[:-lag] * x[lag:]).mean() for lag in LAGS])
        np.testing.assert_array_less(np.abs(r), 4.5 / math.sqrt(N))


def test_streams_of_neighbouring_keys_do_not_depend_on_each_other():
    n = 1 << 18
    rng = np.random.default_rng(1)  # keys are random; kernels derive others from them by changing k0
    keys = [(K0, K1)] + [(K0 ^ np.uint32(1 << b), K1) for b in range(0, 32, 3)]
    keys += [tuple(key) for key in rng.integers(0, 2**32, (12, 2), np.uint32)]
    rows = np.array([sample(noise.GAUSSIAN, n, *key) for key in keys])
    for lag in (0, 1, 2):
        r = rows[:, lag:].astype(float) @ rows[:, : n - lag].T / n
        np.testing.assert_array_less(np.abs(r[~np.eye(len(keys), dtype=bool)]), 5 / math.sqrt(n))


def test_the_two_samples_of_one_hash_do_not_depend_on_each_other():
    z = sample(noise.GAUSSIAN, N)
    table = stats.contingency.crosstab(*np.digitize(z.reshape(-1, 2).T, special.ndtri(np.arange(1, 16) / 16)))
    assert stats.chi2_contingency(table.count).pvalue > 1e-3


def test_any_block_gives_the_same_samples():
    whole = sample(noise.GAUSSIAN, 20_000)
    for first in (0, 1, 2, 63, 64, 127, 129, 1001, 4097):
        for n in (0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 130, 2048, 2049):
            np.testing.assert_array_equal(sample(noise.GAUSSIAN, n, first=first), whole[first : first + n])
    one = [noise.normal_at(TABLE, i, K0, K1) for i in range(5000)]
    np.testing.assert_array_equal(np.array(one, np.float32), whole[:5000])


def test_any_block_gives_the_same_tail_samples(many):
    rare = np.flatnonzero(np.abs(many) > 4.2)[:50]
    for at in rare.tolist():
        assert noise.normal_at(TABLE, at, K0, K1) == many[at]
        start = max(0, at - 3)
        np.testing.assert_array_equal(sample(noise.GAUSSIAN, 7, first=start), many[start : start + 7])


@pytest.mark.parametrize("kind", [noise.UNIFORM, noise.HEAVY])
def test_any_block_of_other_noise_gives_the_same_samples(kind):
    whole = sample(kind, 300)
    np.testing.assert_array_equal(sample(kind, 77, first=33), whole[33:110])


def test_quantile_is_that_of_scipy():
    p = np.concatenate([np.logspace(-15, -0.302, 20_000), np.linspace(0.07, 0.08, 2000)])
    z = np.array([noise.quantile(x) for x in p])
    np.testing.assert_allclose(z, special.ndtri(p), rtol=1e-14, atol=1e-15)


def test_negative_log_is_that_of_numpy():
    p = np.concatenate([np.logspace(-16, 0, 20_000), [0.7071067811865476, np.nextafter(0.7071067811865476, 0)]])
    np.testing.assert_allclose([noise.negative_log(x) for x in p], -np.log(p), rtol=3e-15, atol=1e-17)


def test_the_table_holds_every_bin_once_with_the_outermost_first():
    np.testing.assert_array_equal(np.sort(TABLE), special.ndtri((np.arange(65536) + 0.5) / 65536).astype(np.float32))
    edge = special.ndtri(noise.TAIL_BINS / 65536)
    assert (TABLE[: noise.TAIL_BINS] < edge).all()
    assert (TABLE[noise.TAIL_BINS : 2 * noise.TAIL_BINS] > -edge).all()
    assert (np.abs(TABLE[2 * noise.TAIL_BINS :]) < -edge).all()


@pytest.mark.parametrize("shift", [0, 8, 16, 24])
def test_every_byte_of_the_hash_is_even(shift):
    counts = np.bincount(hashes(N) >> np.uint32(shift) & np.uint32(255), minlength=256)
    assert 1e-3 < stats.chisquare(counts).pvalue < 1 - 1e-3


@pytest.mark.parametrize("bit", range(32))
def test_flipping_any_bit_of_counter_or_key_flips_half_of_the_hash(bit):
    n, flip = 1 << 14, np.uint32(1 << bit)
    counters, base = np.arange(n, dtype=np.uint32), hashes(n)
    for other in (hash32(counters ^ flip, K0, K1), hashes(n, K0 ^ flip)):
        assert abs(np.bitwise_count(base ^ other).mean() - 16) < 0.1


def test_the_hash_stays_what_it_was():
    values = [int(noise.hash32(np.uint32(n), K0, K1)) for n in (0, 1, 2**32 - 1)]
    assert values == GOLDEN
    assert values[:2] == hashes(2).tolist()


@pytest.mark.parametrize("p", [0.0, 0.001, 0.3, 1.0])
def test_bernoulli(p):
    out = np.empty(N, bool)
    noise.bernoulli(p, 0, N, K0, K1, out)
    assert stats.binomtest(int(out.sum()), N, p).pvalue > 1e-3
    part = np.empty(100, bool)
    noise.bernoulli(p, 500, 100, K0, K1, part)
    np.testing.assert_array_equal(part, out[500:600])


GOLDEN = [2895375677, 3653327331, 145450629]
