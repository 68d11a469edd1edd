"""Statistics of the board: against textbook figures, against direct computation, and by their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from benchmarks import statistics as s
from benchmarks.track import Metric
from scenarios.errors import InputError


def _ratio(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


MEAN = Metric(name="mean", meaning="mean", columns=("x", "x_n"), value=_ratio)
LOWER = Metric(name="cost", meaning="mean", columns=("x", "x_n"), value=_ratio, higher_is_better=False, best=0.0)
values = hnp.arrays(np.float64, st.integers(2, 12), elements=st.floats(0, 1, width=32))


def _score(x: np.ndarray, kinds: list[str], metric: Metric = MEAN, count: int = 300) -> s.Score:
    n = (~np.isnan(x)).astype(float)
    return s.score(metric, np.stack([np.nan_to_num(x), n], 1), kinds, s.draws(kinds, count))


def test_draws_stay_within_kinds() -> None:
    kinds = ["b", "a", "b", "a", "a"]
    weights = s.draws(kinds, 500)
    assert weights.shape == (500, 5)
    np.testing.assert_array_equal(weights[:, [1, 3, 4]].sum(1), 3)
    np.testing.assert_array_equal(weights[:, [0, 2]].sum(1), 2)
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.15)
    assert s.draws([], 3).shape == (3, 0)


def test_draws_of_a_kind_do_not_depend_on_other_kinds() -> None:
    alone, beside = s.draws(["a"] * 4), s.draws(["b", "a", "a", "c", "a", "a"])
    np.testing.assert_array_equal(alone, beside[:, [1, 2, 4, 5]])
    np.testing.assert_array_equal(alone, s.draws(["a"] * 4))
    assert not np.array_equal(alone, s.draws(["b"] * 4))


def test_draws_from_a_generator() -> None:
    first, again, other = (s.draws(["a"] * 4, 50, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_draws_are_pinned() -> None:
    """Intervals of published boards hang on these."""
    assert s.draws(["a"] * 4, 3).tolist() == PINNED


PINNED = [[1.0, 0.0, 1.0, 2.0], [1.0, 0.0, 2.0, 1.0], [2.0, 0.0, 1.0, 1.0]]


def test_score_is_the_mean_over_kinds() -> None:
    found = _score(np.array([0.0, 1.0, 1.0, 1.0, 1.0]), ["a", "a", "b", "b", "b"])
    assert found.value == 0.75
    assert found.kinds == {"a": 0.5, "b": 1.0}
    assert (found.worst, found.worst_kind) == (0.5, "a")
    assert found.unscored == ()
    assert (found.low, found.high) == (0.5, 1.0)
    assert found.intervals["b"] == (1.0, 1.0)
    assert found.recordings == 5


def test_worst_kind_of_a_metric_that_is_better_low() -> None:
    assert _score(np.array([0.1, 0.4]), ["a", "b"], LOWER).worst_kind == "b"


def test_a_kind_that_cannot_be_scored_is_left_out_and_told() -> None:
    found = _score(np.array([0.2, 0.4, np.nan, np.nan]), ["a", "a", "b", "b"])
    assert found.value == pytest.approx(0.3)
    assert np.isnan(found.kinds["b"])
    assert found.unscored == ("b",)
    assert found.unscored_recordings == {"b": 2}
    assert found.told()["kinds"]["b"] is None
    assert not np.isnan(found.draws).any()


def test_nothing_to_score() -> None:
    found = _score(np.array([np.nan, np.nan]), ["a", "b"])
    assert np.isnan([found.value, found.low, found.high, found.worst]).all()
    assert found.worst_kind == ""
    assert found.told()["value"] is None


def test_a_recording_with_nan_is_left_out_and_counted() -> None:
    columns = np.array([[1.0, 1.0], [np.nan, 1.0], [0.0, 1.0]])
    found = s.score(MEAN, columns, ["a"] * 3, s.draws(["a"] * 3, 200))
    assert found.value == 0.5
    assert found.unscored_recordings == {"a": 1}
    assert not np.isnan(found.draws).any()


def test_a_draw_without_events_takes_the_next() -> None:
    """One of eight recordings has something to score: a third of the draws miss it."""
    x = np.full(8, np.nan)
    x[3] = 0.25
    found = _score(x, ["a"] * 8)
    assert (found.draws == 0.25).all()
    assert (found.low, found.high) == (0.25, 0.25)


def test_one_recording_a_kind_has_no_interval() -> None:
    found = _score(np.array([0.2, 0.4]), ["a", "b"])
    assert found.value == pytest.approx(0.3)
    assert np.isnan(found.low)


def test_score_refuses_other_shapes() -> None:
    with pytest.raises(InputError, match="metric 'mean' needs 2 columns"):
        s.score(MEAN, np.zeros((3, 3)), ["a"] * 3, s.draws(["a"] * 3, 5))
    with pytest.raises(InputError, match="draws of 3 recordings"):
        s.score(MEAN, np.zeros((3, 2)), ["a"] * 3, s.draws(["a"] * 4, 5))


@given(values, st.permutations(["a", "b"]))
def test_interval_holds_no_more_than_the_range(x: np.ndarray, names: list[str]) -> None:
    kinds = [names[i % 2] for i in range(x.size)]
    found = _score(x, kinds, count=60)
    assert x.min() - 1e-9 <= found.draws.min() <= found.draws.max() <= x.max() + 1e-9
    assert found.value == pytest.approx(np.mean([x[::2].mean(), x[1::2].mean()]))
    assert found.worst == min(found.kinds.values())


@given(values, st.floats(-1, 1))
def test_a_constant_gain_is_exact(x: np.ndarray, gain: float) -> None:
    kinds = ["a"] * x.size
    found = s.paired(_score(x + gain, kinds).draws, _score(x, kinds).draws)
    np.testing.assert_allclose([found.value, found.low, found.high], gain, atol=1e-12)


def test_interval_against_theory() -> None:
    """For the mean of many recordings the percentile interval nears the normal one."""
    x = np.random.default_rng(0).normal(size=400)
    found = _score(x, ["a"] * 400, count=4000)
    half = 1.96 * x.std() / 20
    assert found.low == pytest.approx(found.value - half, abs=0.01)
    assert found.high == pytest.approx(found.value + half, abs=0.01)


def test_interval_covers() -> None:
    """Nominal 95 %, of means of 3 kinds with 12 recordings each: near 93 % as the bootstrap leaves out a ddof."""
    rng, kinds = np.random.default_rng(1), ["a"] * 12 + ["b"] * 12 + ["c"] * 12
    weights = s.draws(kinds, 600)
    held = 0
    for _ in range(200):
        found = s.score(MEAN, np.stack([rng.normal(size=36), np.ones(36)], 1), kinds, weights)
        held += found.low <= 0 <= found.high
    assert 175 <= held <= 198


@pytest.mark.parametrize("n", [4, 8, 32])
def test_coverage_against_theory(n: int) -> None:
    """Of one kind: nearly that of 1.96 standard errors whose variance lacks n/(n-1), under Student's t."""
    theory = 1 - 2 * stats.t.sf(1.96 * np.sqrt((n - 1) / n), n - 1)
    assert s.coverage((n,)) == pytest.approx(theory, abs=0.025)


def test_coverage_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    s.main()
    row = next(line for line in capsys.readouterr().out.splitlines() if line.split()[0] == "8")
    assert row.split()[1::2] == [f"{100 * s.coverage((8,) * kinds):.1f}" for kinds in (1, 3, 9)]


def test_interval_takes_infinite_draws() -> None:
    assert s.interval(np.array([1.0, np.inf, np.nan, np.inf])) == (1.0, np.inf)
    assert np.isnan(s.interval(np.array([np.nan]))).all()


def test_paired_p() -> None:
    draws = np.linspace(0.5, 1, 1999)
    assert s.paired(draws, draws).p == 1
    assert s.paired(draws, draws).value == 0
    assert s.paired(draws + 0.1, draws).p == 2 / 2000
    assert s.paired(np.full(4, np.nan), np.zeros(4), 0.5).value == 0.5
    assert np.isnan(s.paired(np.full(4, np.nan), np.zeros(4)).p)
    with pytest.raises(InputError, match="as many on both sides"):
        s.paired(np.zeros(3), np.zeros(4))


@given(values, values)
def test_paired_is_antisymmetric(a: np.ndarray, b: np.ndarray) -> None:
    n = min(a.size, b.size)
    one, two = s.paired(a[:n], b[:n]), s.paired(b[:n], a[:n])
    assert one.value == pytest.approx(-two.value)
    assert one.p == two.p


def test_paired_p_is_uniform_enough() -> None:
    """Of two methods that are alike, about 5 % of pairs differ at 5 %."""
    rng, kinds = np.random.default_rng(2), ["a"] * 40
    weights, beyond = s.draws(kinds, 500), 0
    for _ in range(200):
        both = [s.score(MEAN, np.stack([x, np.ones(40)], 1), kinds, weights).draws for x in rng.normal(size=(2, 40))]
        beyond += s.paired(*both).p < 0.05
    assert 3 <= beyond <= 24


def test_seeds() -> None:
    kinds = ["a", "a", "b", "b"]
    scores = [_score(np.array([0.0, 1.0, 0.5, 0.5]) + gain, kinds) for gain in (0.0, 0.1, 0.5)]
    found = s.over_seeds(scores)
    assert found.value == pytest.approx(0.7)
    assert found.seeds == 3
    assert found.sd == pytest.approx(np.std([0.0, 0.1, 0.5], ddof=1))
    np.testing.assert_allclose(found.draws, np.mean([x.draws for x in scores], 0))
    assert found.kinds == pytest.approx({"a": 0.7, "b": 0.7})
    assert s.over_seeds(scores[:1]) is scores[0]
    assert np.isnan(scores[0].sd)
    with pytest.raises(InputError, match="the same recordings"):
        s.over_seeds([scores[0], _score(np.zeros(2), ["a", "a"])])


def test_seeds_that_cannot_be_scored() -> None:
    kinds = ["a", "a"]
    found = s.over_seeds([_score(np.array([0.5, 0.7]), kinds), _score(np.full(2, np.nan), kinds)])
    assert found.value == pytest.approx(0.6)
    assert np.isnan(found.sd)
    assert found.unscored == ()
    assert np.isnan(s.over_seeds([_score(np.full(2, np.nan), kinds)] * 2).value)
    assert s.over_seeds([_score(np.full(2, np.nan), kinds)] * 2).unscored == ("a",)


rows_of_seeds = hnp.arrays(
    np.float64, st.tuples(st.integers(2, 4), st.just(6)), elements=st.one_of(st.just(np.nan), st.floats(0, 1, width=32))
)


@given(rows_of_seeds)
def test_seeds_agree_with_themselves(table: np.ndarray) -> None:
    """Whatever each seed can score, value, kinds, unscored kinds and draws tell the same story."""
    kinds = ["a", "a", "b", "b", "c", "c"]
    seeds = [_score(x, kinds, count=40) for x in table]
    found = s.over_seeds(seeds)
    assert set(found.unscored) == {k for k in "abc" if all(k in x.unscored for x in seeds)}
    assert set(found.unscored) == {k for k in "abc" if np.isnan(found.kinds[k])}
    assert set(found.unscored) == set("abc") - found.kind_draws.keys()
    scored = [found.kinds[k] for k in "abc" if k not in found.unscored]
    assert np.isnan(found.value) if not scored else found.value == pytest.approx(np.mean(scored))
    for k in found.kind_draws:
        assert found.kinds[k] == pytest.approx(np.mean([x.kinds[k] for x in seeds if k not in x.unscored]))
    if scored:
        np.testing.assert_allclose(found.draws, np.mean(list(found.kind_draws.values()), 0))
        assert found.worst == min(scored) == found.kinds[found.worst_kind]


def test_spread_over_seeds_that_score_the_same_kinds() -> None:
    """A seed that cannot score the hard kind is not better for it."""
    kinds = ["easy", "easy", "hard", "hard"]
    whole = [_score(np.array([0.9, 0.9, 0.1, 0.1]) + gain, kinds) for gain in (0.0, 0.02)]
    found = s.over_seeds([*whole, _score(np.array([0.91, 0.91, np.nan, np.nan]), kinds)])
    assert found.value == pytest.approx(np.mean([0.91, 0.11]))
    assert found.sd == pytest.approx(np.std([0.5, 0.52], ddof=1))
    assert found.seeds == 3


def test_ranks() -> None:
    kinds, rng = ["a"] * 30, np.random.default_rng(3)
    base = rng.normal(size=30)
    scores = {
        "far": _score(base + 5, kinds),
        "one": _score(base + rng.normal(size=30), kinds),
        "two": _score(base + rng.normal(size=30), kinds),
        "none": _score(np.full(30, np.nan), kinds),
    }
    found = s.rank_intervals(scores)
    assert "none" not in found
    assert found["far"] == s.Rank(rank=1, low=1, high=1)
    assert {found["one"].rank, found["two"].rank} == {2, 3}
    assert (found["one"].low, found["one"].high) == (2, 3)
    assert s.rank_intervals(scores, higher_is_better=False)["far"].rank == 3
    assert s.rank_intervals({}) == {}


def test_equals_share_a_rank() -> None:
    same = _score(np.array([0.5, 0.6, 0.7]), ["a"] * 3)
    found = s.rank_intervals({"x": same, "y": same})
    assert found["x"] == found["y"] == s.Rank(rank=1, low=1, high=2)


@pytest.mark.parametrize(
    ("methods", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_nemenyi_q_of_demsar(methods: int, q: float) -> None:
    """Demsar (2006), table 5(a)."""
    assert s.critical_q(methods) == pytest.approx(q, abs=1.1e-3)


def test_critical_difference_of_demsar() -> None:
    """His example: 4 classifiers on 14 data sets, critical difference 1.25; chi-square 9.28, ranks 3.143 to 1.964.

    Two figures of the thirteenth set, equal in print, are ranked 2 and 3 there: the last digit tells them apart here.
    """
    assert s.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    table = np.array(
        [
            [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.000, 0.940, 0.619, 0.972, 0.957],
            [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.000, 0.962, 0.666, 0.981, 0.978],
            [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.000, 0.965, 0.614, 0.9751, 0.946],
            [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.000, 0.962, 0.669, 0.975, 0.970],
        ]
    )
    found = s.compare(dict(zip(["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"], table, strict=True)))
    assert found.ranks == pytest.approx({"C4.5+m+cf": 1.964, "C4.5+m": 2.0, "C4.5+cf": 2.893, "C4.5": 3.143}, abs=1e-3)
    assert found.units == 14
    plain = 12 * 14 / 20 * (sum(rank**2 for rank in found.ranks.values()) - 25)
    assert plain == pytest.approx(9.28, abs=0.005)
    assert found.statistic >= plain  # his has no correction for ties, scipy's has
    assert found.cliques == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)


def test_compare_against_scipy() -> None:
    table = np.random.default_rng(4).normal(size=(5, 9)) + np.arange(5)[:, None]
    found = s.compare({f"m{i}": row for i, row in enumerate(table)})
    statistic, p = stats.friedmanchisquare(*table)
    assert (found.statistic, found.p) == (pytest.approx(statistic), pytest.approx(p))
    assert list(found.ranks) == ["m4", "m3", "m2", "m1", "m0"]
    assert list(s.compare({f"m{i}": row for i, row in enumerate(table)}, False).ranks) == list(found.ranks)[::-1]


def test_compare_leaves_out_units_with_nan() -> None:
    found = s.compare({"a": np.array([1, 2, np.nan, 4]), "b": np.array([0, 1, 2, np.nan])})
    assert found.units == 2
    assert np.isnan(found.p)
    assert found.ranks == {"a": 1.0, "b": 2.0}
    with pytest.raises(InputError, match="two methods and two common units"):
        s.compare({"a": np.array([1, np.nan]), "b": np.array([np.nan, 2.0])})
    with pytest.raises(InputError, match="two methods"):
        s.compare({})


def test_two_units_tell_nothing_apart() -> None:
    """Not even three methods in the same order on both: their average ranks lie 2 apart, and 2.34 is needed."""
    table = np.array([[3.0, 3.0, 3.0], [2.0, 2.0, 2.0], [1.0, 1.0, 1.0]])
    two, three = (s.compare({f"m{i}": row[:n] for i, row in enumerate(table)}) for n in (2, 3))
    assert two.vacuous
    assert two.cliques == (("m0", "m1", "m2"),)
    assert not three.vacuous
    assert three.cliques == (("m0", "m1"), ("m1", "m2"))


def test_compare_of_equals() -> None:
    found = s.compare(dict.fromkeys("abc", np.ones(4)))
    assert (found.statistic, found.p) == (0.0, 1.0)
    assert found.cliques == (("a", "b", "c"),)


@given(hnp.arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(2, 8)), elements=st.integers(0, 4)))
def test_laws_of_ranks(table: np.ndarray) -> None:
    k = len(table)
    found = s.compare({f"m{i}": row for i, row in enumerate(table)})
    assert sum(found.ranks.values()) == pytest.approx(k * (k + 1) / 2)
    monotone = s.compare({f"m{i}": np.exp(row) for i, row in enumerate(table)})
    assert monotone.ranks == found.ranks
    assert list(found.ranks.values()) == sorted(found.ranks.values())
    for group in found.cliques:
        assert found.ranks[group[-1]] - found.ranks[group[0]] < found.critical_difference


@given(st.lists(st.floats(1, 10), min_size=1, max_size=9), st.floats(0.01, 5))
def test_cliques_hold_just_the_pairs_that_are_near(ranks: list[float], distance: float) -> None:
    named = {f"m{i}": rank for i, rank in enumerate(ranks)}
    found = s.cliques(named, distance)
    joined = {frozenset((a, b)) for group in found for a in group for b in group if a != b}
    near = {frozenset((a, b)) for a in named for b in named if a != b and abs(named[a] - named[b]) < distance}
    assert joined == near
    assert not any(set(a) < set(b) for a in found for b in found)
