"""Iron worn and near: the ring's matrix against the full solution, reciprocity, the broken additive law, refusals."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.errors import InputError
from simulators.hand import anatomy, chain, iron
from simulators.hand.fem import arcs as arcs_module
from simulators.hand.fem.arcs import arcs, dipoles
from simulators.hand.fem.mesh import Sizing, disc, ring
from simulators.hand.fem.reduce import polarisability, refined_field
from simulators.hand.fem.respond import respond
from simulators.hand.field import field
from simulators.hand.magnets import Magnet

RING = ring("ring", 18, 21, 4)
MAGNET = Magnet(diameter_mm=6, height_mm=3, br_t=1.45, mu_r=1.0)


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVINGGROUND_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def worn_ring() -> iron.Answer:
    return iron.ring_of("ring", 18, 21, 4, 1000)


def still(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector, float).reshape(3, 1)


def at_sensor(
    answer: iron.Answer,
    magnets: list[tuple[np.ndarray, np.ndarray]],
    sensor: np.ndarray,
    earth: np.ndarray | None = None,
    axis: np.ndarray | None = None,
    centre: np.ndarray | None = None,
) -> np.ndarray:
    """Field of a body at a sensor, (3,), of discs (place, axis)."""
    places, axes = (np.array([m[i] for m in magnets])[:, :, None] for i in range(2))
    found = iron.field_of(
        answer, still(np.zeros(3) if centre is None else centre), still(np.eye(3)[2] if axis is None else axis),
        [MAGNET] * len(magnets), places, axes, np.asarray(sensor, float)[None],
        still(np.zeros(3) if earth is None else earth), 1e-6,
    )  # fmt: skip
    return found[0, :, 0]


def drawn(seed: int, least: float, most: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Place and axis of a magnet and place of a sensor, all around a ring."""
    rng = np.random.default_rng(seed)
    place, sensor = (unit(rng.normal(size=3)) * rng.uniform(least, most) for _ in range(2))
    return place, unit(rng.normal(size=3)), sensor


@pytest.mark.parametrize(("distance", "error"), [(20, 0.12), (30, 0.03), (45, 0.015)])
def test_a_ring_answers_as_the_full_solution_does(distance: float, error: float) -> None:
    answer = worn_ring()
    for seed in range(3):
        rng = np.random.default_rng(seed)
        source, moment = unit(rng.normal(size=3)) * distance, 0.1 * unit(rng.normal(size=3))
        point = unit(rng.normal(size=(3, 1))) * 45
        given_ = dipoles(source[:, None], moment[:, None], answer.sites)
        found = dipoles(answer.sites, (answer.matrix @ given_.T.ravel()).reshape(-1, 3).T, point)
        truth = respond([RING], lambda p, s=source, m=moment: dipoles(s[:, None], m[:, None], p), modes=6).field(point)
        assert np.linalg.norm(found - truth) < error * np.linalg.norm(truth)


def test_its_modes_0_and_1_are_the_polarisability() -> None:
    answer, known = worn_ring(), polarisability(RING)
    for uniform in np.eye(3) * 50:
        moments = (answer.matrix @ np.tile(uniform, answer.sites.shape[1])).reshape(-1, 3)
        np.testing.assert_allclose(moments.sum(0), known.moment(uniform), atol=1e-3 * known.moment(uniform).max())


def test_the_bound_falls_with_distance_and_a_coarse_mesh_has_a_larger_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = arcs(RING)
    assert 0 < found.bound < 0.2
    with monkeypatch.context() as patch:  # farther probes err less
        patch.setattr(arcs_module, "nearest_of", lambda body: 12.0)
        assert arcs(RING).bound < 0.5 * found.bound
    rough = Sizing(size=3, growth=0.8, corner=0.8, far=60)
    assert arcs(RING, rough, limit=9).bound > found.bound
    with pytest.raises(InputError, match=r"ring: a mesh that does not converge: error bound \S+, above 0\.01"):
        arcs(RING, limit=0.01)


@given(st.integers(0, 10_000))
def test_a_ring_is_reciprocal(seed: int) -> None:
    """What a dipole here does by way of the ring to a probe there, the probe does to the dipole (Lorentz)."""
    rng, answer = np.random.default_rng(seed), worn_ring()
    ends = [unit(rng.normal(size=3)) * rng.uniform(20, 60) for _ in range(2)]
    moments = [unit(rng.normal(size=3)) for _ in range(2)]

    def through(source: np.ndarray, moment: np.ndarray, point: np.ndarray) -> np.ndarray:
        b = dipoles(source[:, None], moment[:, None], answer.sites)
        return dipoles(answer.sites, (answer.matrix @ b.T.ravel()).reshape(-1, 3).T, point[:, None])[:, 0]

    one = through(ends[0], moments[0], ends[1])
    other = through(ends[1], moments[1], ends[0])
    scale = np.linalg.norm(one) + np.linalg.norm(other)
    assert abs(one @ moments[1] - other @ moments[0]) < 0.03 * scale


def test_the_whole_is_what_fem_says_of_a_magnet_and_a_coaxial_ring() -> None:
    """Superposition fails by the ring's answer: FEM of both bodies at once, against a magnet, a ring and our sum."""
    z = 25.0
    points = np.array([[0.0, 26.0], [60.0, 15.0]])
    both = refined_field(
        [disc("magnet", 6, 3, br=1.45), ring("r", 18, 21, 4, z=z)], points, Sizing(size=0.3, growth=0.1)
    )
    for (rho, height), truth, bound in zip(points.T, both.field.T, both.bound, strict=True):
        sensor = np.array([rho, 0.0, height])
        alone = field([MAGNET], np.zeros((1, 3, 1)), still(np.eye(3)[2])[None], sensor[None], 1e-8).field[0, :, 0]
        excess = truth - alone[[0, 2]]
        assert np.hypot(*excess) > 50 * bound
        ours = at_sensor(worn_ring(), [(np.zeros(3), np.eye(3)[2])], sensor, centre=np.array([0, 0, z]))
        assert np.hypot(*(ours[[0, 2]] - excess)) < 0.03 * np.hypot(*excess) + bound


@given(st.integers(0, 10_000))
def test_iron_adds_up_over_magnets_and_the_earth_and_turns_with_the_world(seed: int) -> None:
    """It is linear in its sources; a rotation of everything rotates its field, up to where its sites lie on it."""
    answer, rng = worn_ring(), np.random.default_rng(seed)
    place, axis, sensor = drawn(seed, 30, 60)
    other, away = unit(rng.normal(size=3)) * 40, unit(rng.normal(size=3))
    earth = 50 * unit(rng.normal(size=3))
    one, two = at_sensor(answer, [(place, axis)], sensor, earth), at_sensor(answer, [(other, away)], sensor)
    both = at_sensor(answer, [(place, axis), (other, away)], sensor, earth)
    np.testing.assert_allclose(both, one + two, atol=1e-9 * np.abs(both).max() + 1e-12)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.linalg.det(q)
    turned = at_sensor(answer, [(q @ place, q @ axis)], q @ sensor, q @ earth, q @ np.eye(3)[2])
    np.testing.assert_allclose(turned, q @ one, atol=2e-3 * np.linalg.norm(one))


def test_a_disc_far_off_is_its_polarisability() -> None:
    answer = iron.body_of("watch back", 0, 32, 1, 1000)
    moment = polarisability(disc("watch back", 32, 1, mu_r=1000)).moment(np.array([50.0, 0, 0]))
    sensor = np.array([0.0, 150.0, 40.0])
    found = iron.field_of(answer, still(np.zeros(3)), still(np.eye(3)[2]), [MAGNET], np.full((1, 3, 1), 4e3),
                          np.eye(3)[2].reshape(1, 3, 1), sensor[None], still(np.array([50.0, 0, 0])))  # fmt: skip
    np.testing.assert_allclose(
        found[0, :, 0], dipoles(np.zeros((3, 1)), moment[:, None], sensor[:, None])[:, 0], rtol=0.05, atol=1e-6
    )


def test_a_ring_turns_with_its_finger() -> None:
    hand = anatomy.mean_hand()
    curls = np.tile([0.0, 1.0], (5, 1))
    centre, axis = iron.worn(hand, "index", chain.bent(curls))
    assert np.linalg.norm(centre[:, 0] - hand.bases[1]) == pytest.approx(hand.bones[1, 0] / 2)
    np.testing.assert_allclose(axis[:, 0], [0, 1, 0], atol=1e-12)
    assert axis[:, 0] @ axis[:, 1] == pytest.approx(np.cos(np.radians(85)))


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: arcs(disc("coin", 20, 3, mu_r=100)), "coin: it must be a ring of iron"),
        (lambda: arcs(ring("r", 18, 21, 4, mu_r=1)), "r: it must be a ring of iron"),
        (lambda: arcs(ring("tube", 18, 21, 12)), "tube: a ring's section must be at most 0.6 of its mean radius"),
        (lambda: at_sensor(worn_ring(), [(np.array([13.0, 0, 0]), np.eye(3)[2])], np.array([0, 60, 0])),
         "iron must not touch a magnet; they must keep 4 mm, and come to 2.5 mm"),
        (lambda: at_sensor(worn_ring(), [(np.array([50.0, 0, 0]), np.eye(3)[2])], np.array([0, 12, 0])),
         "iron must not touch a sensor; they must keep 4 mm, and come to 1.5 mm"),
        (lambda: at_sensor(iron.body_of("can", 0, 20, 0.3, 1000), [(np.array([50.0, 0, 0]), np.eye(3)[2])],
                           np.array([0, 0, 6])), "can: a polarisability serves only outside the circumscribing sphere"),
        (lambda: iron.unit("table", (0, 0, 0)), "the axis of iron 'table' must have a length; it is [0, 0, 0]"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_one_line(make: object, line: str) -> None:
    with pytest.raises(InputError) as error:
        make()  # type: ignore[operator]
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_what_was_solved_comes_back_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = arcs(RING)
    monkeypatch.setattr(arcs_module, "triangulate", lambda *_: pytest.fail("solved again"))
    np.testing.assert_array_equal(arcs(RING).matrix, first.matrix)
