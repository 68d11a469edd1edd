"""Magnets: figures of data sheets and of FEM, closed forms, and what is no magnet."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from magpylib.func import cuboid_field, cylinder_field

from scenarios.errors import InputError
from simulators.hand.magnets import Magnet

LENGTHS = st.floats(0.5, 20)


def disc(diameter: float, height: float, **more: Any) -> Magnet:
    return Magnet(diameter_mm=diameter, height_mm=height, **{"br_t": 1.45, **more})


@pytest.mark.parametrize(
    ("diameter", "height", "br", "moment"),
    [(6, 3, 1.40, 0.0945), (6, 3, 1.43, 0.0965), (6, 3, 1.45, 0.0979), (8, 3, 1.45, 0.174), (8, 4, 1.45, 0.232)],
)
def test_moments_of_known_discs(diameter: float, height: float, br: float, moment: float) -> None:
    magnet = disc(diameter, height, br_t=br, demagnetisation=1.0)
    assert magnet.moment == pytest.approx(moment, abs=6e-4 * moment / 0.1)
    assert magnet.volume == pytest.approx(math.pi / 4 * diameter**2 * height)
    assert dataclasses.replace(magnet, polarity=-1).moment == -magnet.moment


@given(LENGTHS, LENGTHS)
def test_coefficients_are_the_closed_forms(diameter: float, height: float) -> None:
    magnet, a2, h2 = disc(diameter, height), diameter**2 / 4, height**2 / 4
    forms = [
        1,
        h2 - 3 * a2 / 4,
        h2**2 - 5 * h2 * a2 / 2 + 5 * a2**2 / 8,
        h2**3 - 21 * h2**2 * a2 / 4 + 35 * h2 * a2**2 / 8 - 35 * a2**3 / 64,
    ]
    scale = 1e8 * abs(magnet.moment) * magnet.radius ** np.arange(0, 8, 2)
    np.testing.assert_allclose(magnet.coefficients / scale, 1e8 * magnet.moment * np.array(forms) / scale, atol=1e-13)


def test_coefficients_of_known_discs() -> None:
    for diameter, height, known in ((6, 3, (-0.5, 0.0625, 0.2344)), (8, 3, (-0.6094, 0.2932, -0.0327))):
        magnet = disc(diameter, height)
        ratios = magnet.coefficients[1:] / magnet.coefficients[0] / (diameter / 2) ** np.array([2, 4, 6])
        np.testing.assert_allclose(ratios, known, atol=5e-5)
    assert abs(disc(6, 5.2).ratios(2)[1]) < 1e-3  # length / diameter of 0.866 has no A_3


def test_demagnetisation_is_that_of_fem_and_of_tables() -> None:
    assert disc(6, 3).polarisation == pytest.approx(0.9768 * 1.45, rel=1e-4)  # order-4 FEM, mu_r 1.05
    assert disc(1, 1).demagnetising_factor == pytest.approx(0.3116, abs=1e-4)  # Chen, Brug, Goldfarb, 1991
    assert disc(6, 3, mu_r=1.0).polarisation == 1.45
    assert disc(6, 3, demagnetisation=0.5).polarisation == 0.725


@given(LENGTHS, LENGTHS, LENGTHS)
def test_demagnetising_factors_of_a_cuboid_add_up_to_one(a: float, b: float, c: float) -> None:
    turns = ((a, b, c), (b, c, a), (c, a, b))
    factors = [Magnet(kind="cuboid", size_mm=turn, br_t=1.0).demagnetising_factor for turn in turns]
    assert sum(factors) == pytest.approx(1, abs=1e-8)
    assert min(factors) > 0
    assert factors[int(np.argmin((c, a, b)))] == max(factors)


@pytest.mark.parametrize("sides", [(2.0, 2.0, 1.0), (3.0, 3.0, 7.0), (4.0, 2.0, 3.0)])
def test_demagnetising_factors_are_the_mean_field_inside(sides: tuple[float, float, float]) -> None:
    x, weight = np.polynomial.legendre.leggauss(24)
    u, v, w = (g.ravel() for g in np.meshgrid(x, x, x, indexing="ij"))
    weights = np.prod([g.ravel() for g in np.meshgrid(weight, weight, weight, indexing="ij")], axis=0)
    box = Magnet(kind="cuboid", size_mm=sides, br_t=1.0)
    inside = np.stack([u, v, w], 1) * np.array(sides) / 2
    mean = np.average(cuboid_field("B", inside, sides, (0, 0, 1))[:, 2], weights=weights)
    assert 1 - mean == pytest.approx(box.demagnetising_factor, abs=2e-3)
    disc_ = disc(sides[0], sides[2])
    inside = np.stack([sides[0] / 2 * (u + 1) / 2, 0 * u, w * sides[2] / 2], 1)
    mean = np.average(cylinder_field("B", inside, sides[::2], (0, 0, 1))[:, 2], weights=weights * (u + 1))
    assert 1 - mean == pytest.approx(disc_.demagnetising_factor, abs=2e-3)


GOOD: dict[str, Any] = {"diameter_mm": 6, "height_mm": 3, "br_t": 1.45}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"diameter_mm": 0}, "diameter_mm must be > 0 mm; came 0"),
        ({"height_mm": None}, "height_mm must be > 0 mm; came None"),
        ({"height_mm": math.nan}, "height_mm must be > 0 mm; came nan"),
        ({"diameter_mm": math.inf}, "diameter_mm must be > 0 mm; came inf"),
        ({"size_mm": (1, 1, 1)}, "has no size_mm"),
        ({"kind": "sphere"}, "kind must be cylinder or cuboid; came 'sphere'"),
        ({"kind": "cuboid"}, "has no diameter_mm; came 6"),
        ({"br_t": 0}, "br_t must be > 0 and <= 2; came 0"),
        ({"br_t": 14}, "br_t must be > 0 and <= 2; came 14"),
        ({"mu_r": 0.9}, "mu_r must be >= 1; came 0.9"),
        ({"polarity": 0}, "polarity must be 1 or -1; came 0"),
        ({"demagnetisation": 1.5}, "demagnetisation must be > 0 and <= 1; came 1.5"),
    ],
)
def test_what_is_no_magnet_is_refused_in_one_line(change: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as caught:
        Magnet(**GOOD | change)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [None, (1, 2), (1, -2, 3)])
def test_what_is_no_cuboid_is_refused(size: Any) -> None:
    with pytest.raises(InputError, match="size_mm"):
        Magnet(kind="cuboid", size_mm=size, br_t=1.0)


def test_a_cuboid_has_no_axisymmetric_multipoles() -> None:
    box = Magnet(kind="cuboid", size_mm=(5, 2, 3), br_t=1.2)
    assert str(box) == "5x2x3 mm cuboid"
    assert box.moment > 0
    with pytest.raises(InputError, match="came a 5x2x3 mm cuboid"):
        _ = box.coefficients
