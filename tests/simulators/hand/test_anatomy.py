"""The hand and its population are what their constants declare."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.errors import InputError
from simulators.hand import anatomy
from simulators.hand.anatomy import Hand, draw_hand, mean_hand, misplace, mounts

PEOPLE = 3000
SEEDS = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def people() -> list[Hand]:
    rng = np.random.default_rng(7)
    return [draw_hand(rng) for _ in range(PEOPLE)]


def assert_moments(values: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> None:
    """Mean and sd of people (first axis) within 4.5 standard errors."""
    np.testing.assert_array_less(abs(values.mean(0) - mean), 4.5 * sd / PEOPLE**0.5)
    np.testing.assert_array_less(abs(values.std(0, ddof=1) / sd - 1), 4.5 / (2 * PEOPLE) ** 0.5)


def test_the_population_is_as_declared(people: list[Hand]) -> None:
    length_cv = anatomy.HAND_LENGTH_SD_MM / anatomy.HAND_LENGTH_MM
    cv = np.hypot(length_cv, anatomy.BONE_SD)
    assert_moments(
        np.array([h.length_mm for h in people]),
        np.array(anatomy.HAND_LENGTH_MM),
        np.array(anatomy.HAND_LENGTH_SD_MM),
    )
    assert_moments(np.array([h.bones for h in people]), anatomy.BONES_MM, cv * anatomy.BONES_MM)
    assert_moments(np.array([h.tips for h in people]), anatomy.TIPS_MM, cv * anatomy.TIPS_MM)
    assert_moments(
        np.array([h.breadth_mm for h in people]),
        np.array(anatomy.HAND_BREADTH_MM),
        np.array(anatomy.HAND_BREADTH_MM * cv),
    )
    bases = np.array([h.bases for h in people])
    spread = np.array([cv, length_cv, length_cv])
    assert_moments(bases, anatomy.BASES_MM, np.hypot(anatomy.BASES_MM * spread, anatomy.BASE_SD_MM))


def test_bones_scatter_on_their_own_about_the_length(people: list[Hand]) -> None:
    loose = np.array([(h.bones / h.scale / anatomy.BONES_MM - 1).ravel() for h in people])
    correlations = np.corrcoef(loose.T) - np.eye(15)
    assert abs(correlations).max() < 5 / PEOPLE**0.5
    lengths = [h.length_mm for h in people]
    assert max(abs(np.corrcoef(lengths, bone)[0, 1]) for bone in loose.T) < 5 / PEOPLE**0.5


@given(SEEDS, st.floats(150, 230))
def test_without_scatter_a_hand_is_the_mean_hand_of_its_length(seed: int, length_mm: float) -> None:
    drawn = draw_hand(np.random.default_rng(seed), length_mm=length_mm, length_sd_mm=0.0, bone_sd=0.0, base_sd_mm=0.0)
    mean = mean_hand(length_mm)
    assert drawn.length_mm == length_mm
    for name in ("breadth_mm", "bones", "tips", "bases", "frames"):
        np.testing.assert_allclose(getattr(drawn, name), getattr(mean, name), rtol=1e-15)
    np.testing.assert_allclose(mean.bones, anatomy.BONES_MM * mean.scale, rtol=1e-15)


@given(SEEDS, st.floats(0, 60), st.floats(0, 0.3))
def test_any_drawn_hand_is_a_hand(seed: int, length_sd_mm: float, bone_sd: float) -> None:
    hand = draw_hand(np.random.default_rng(seed), length_sd_mm=length_sd_mm, bone_sd=bone_sd)
    low, high = anatomy.LENGTH_LIMITS_MM
    assert low <= hand.length_mm <= high
    assert np.all(hand.bones / hand.scale / anatomy.BONES_MM >= 1 - anatomy.MOST_SD * bone_sd - 1e-12)
    assert np.all(hand.bones / hand.scale / anatomy.BONES_MM <= 1 + anatomy.MOST_SD * bone_sd + 1e-12)


def test_mounts_are_where_their_sites_say() -> None:
    hand = mean_hand()
    nail, middle, ring = mounts(hand), mounts(hand, "middle"), mounts(hand, "ring", ("index",))
    np.testing.assert_allclose(nail.points[:, 1], 0.6 * anatomy.BONES_MM[:, 2])
    np.testing.assert_allclose(nail.points[:, 2], [8, 7, 7, 7, 7])
    np.testing.assert_allclose(middle.points[:, 1], 0.5 * anatomy.BONES_MM[:, 1])
    np.testing.assert_allclose(middle.points[:, 2], [9, 8, 8, 8, 8])
    assert (ring.digit.tolist(), ring.link.tolist(), ring.points.tolist()) == ([1], [0], [[0.0, 39.78 / 2, 0.0]])
    assert np.all(nail.normals == [0, 0, 1])
    assert np.all(ring.normals == [0, 1, 0])


@given(SEEDS, st.floats(0, 3), st.floats(0, 1))
def test_mount_errors_keep_axes_unit_vectors(seed: int, offset_mm: float, tilt: float) -> None:
    exact = mounts(mean_hand())
    worn = misplace(np.random.default_rng(seed), exact, offset_mm=offset_mm, tilt=tilt)
    np.testing.assert_allclose(np.linalg.norm(worn.normals, axis=1), 1, rtol=1e-12)
    again = misplace(np.random.default_rng(seed), exact, offset_mm=2 * offset_mm, tilt=tilt)
    np.testing.assert_allclose(again.points - exact.points, 2 * (worn.points - exact.points), atol=1e-12)


def test_mount_errors_have_the_declared_size() -> None:
    exact = mounts(mean_hand())
    rng = np.random.default_rng(3)
    worn = [misplace(rng, exact, offset_mm=0.7, tilt=0.05) for _ in range(2000)]
    offsets = np.array([w.points for w in worn]) - exact.points
    leans = np.array([w.normals for w in worn])
    np.testing.assert_allclose(offsets.std((0, 1)), 0.7, rtol=0.03)
    np.testing.assert_allclose(leans[..., :2].std((0, 1)), 0.05, rtol=0.03)  # a small turn leans the axis by its angle
    np.testing.assert_allclose(leans.mean((0, 1))[:2], 0, atol=0.003)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mean_hand(90.0), "hand length must be 140 to 240 mm; it is 90"),
        (lambda: mean_hand(float("nan")), "hand length must be 140 to 240 mm; it is nan"),
        (lambda: mounts(mean_hand(), "palm"), "site of a magnet must be nail, middle or ring; it is 'palm'"),
        (lambda: mounts(mean_hand(), "nail", ("toe",)), "digits of a site must be of .*; there is 'toe'"),
        (
            lambda: draw_hand(np.random.default_rng(0), bone_sd=5.0),
            "bones of a hand must be longer than 0 mm; the shortest is -",
        ),
    ],
)
def test_bad_input_is_told(call: object, text: str) -> None:
    assert callable(call)
    with pytest.raises(InputError, match=text) as told:
        call()
    assert "\n" not in str(told.value)


def test_the_end_postures_are_within_the_ranges() -> None:
    for posture in (anatomy.EXTENDED_DEG, anatomy.FIST_DEG):
        assert np.all(anatomy.RANGES_DEG[..., 0] <= posture)
        assert np.all(posture <= anatomy.RANGES_DEG[..., 1])
