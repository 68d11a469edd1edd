"""Laws of the joint chain, and of postures and their motion."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from scipy.spatial.transform import Rotation

from scenarios.errors import InputError
from simulators.hand import anatomy, chain
from simulators.hand.anatomy import FINGERS, Hand, Mounts, Site, draw_hand, mean_hand, misplace, mounts
from simulators.hand.field import field
from simulators.hand.kernels import chain as kernels
from simulators.hand.magnets import Magnet
from simulators.hand.world import RECORDED_EARTH, Motion

SEEDS = st.integers(0, 2**32)
SITES = st.sampled_from(["nail", "middle", "ring"])
COMBOS = st.text("epf", min_size=5, max_size=5)
PALM = np.array([0.0, 45.0, -16.0])


def any_hand(seed: int, site: Site = "nail") -> tuple[np.random.Generator, Hand, Mounts]:
    rng = np.random.default_rng(seed)
    hand = draw_hand(rng)
    return rng, hand, misplace(rng, mounts(hand, site), offset_mm=3.0, tilt=0.3)


def any_angles(rng: np.random.Generator, n: int) -> np.ndarray:
    """Angles all over the joints' ranges, a little short of their ends."""
    low, high = chain.LOW[..., None], chain.HIGH[..., None]
    return low + (high - low) * rng.uniform(0.001, 0.999, (5, 4, n))


@given(SEEDS)
def test_links_keep_their_lengths_in_any_posture(seed: int) -> None:
    rng, hand, _ = any_hand(seed)
    places = chain.joint_places(hand, any_angles(rng, 7))
    lengths = hand.bones.copy()
    lengths[:, 2] += hand.tips
    np.testing.assert_allclose(
        np.linalg.norm(np.diff(places, axis=1), axis=2), np.repeat(lengths[..., None], 7, axis=2), rtol=1e-12
    )
    np.testing.assert_array_equal(places[:, 0], np.repeat(hand.bases[..., None], 7, axis=2))


@given(SEEDS, SITES)
def test_the_chain_is_that_of_composed_rotations(seed: int, site: Site) -> None:
    rng, hand, worn = any_hand(seed, site)
    angles = any_angles(rng, 3)
    positions, axes = chain.place(hand, worn, angles)
    for s, (d, link) in enumerate(zip(worn.digit, worn.link, strict=True)):
        for i in range(3):
            one, two, hinge, last = angles[d, :, i]
            flex, side = (-two, one) if d == 0 else (one, two)
            turn = Rotation.from_matrix(hand.frames[d]) * Rotation.from_euler("XZ", [-flex, -side])
            at = hand.bases[d]
            for k, further in enumerate((hinge, last)[:link]):
                at = at + turn.apply([0, hand.bones[d, k], 0])
                turn = turn * Rotation.from_euler("X", -further)
            np.testing.assert_allclose(positions[s, :, i], at + turn.apply(worn.points[s]), atol=1e-11)
            np.testing.assert_allclose(axes[s, :, i], turn.apply(worn.normals[s]), atol=1e-13)


@given(SEEDS, SITES)
def test_the_jacobian_equals_finite_differences(seed: int, site: Site) -> None:
    rng, hand, worn = any_hand(seed, site)
    angles, step = any_angles(rng, 3), 1e-5
    slopes = chain.jacobian(hand, worn, angles)
    for k in range(4):
        found = []
        for sign in (step, -step):
            moved = angles.copy()
            moved[:, k] += sign
            found.append(np.concatenate(chain.place(hand, worn, moved), axis=1))
        np.testing.assert_allclose(slopes[:, :, k], (found[0] - found[1]) / (2 * step), atol=2e-7)


@given(SEEDS, SITES, st.sampled_from([1e-3, 1e-6, 1e-10]))
def test_hand_magnets_sensors_and_earth_turned_together_turn_the_field(seed: int, site: Site, tolerance: float) -> None:
    rng, hand, worn = any_hand(seed, site)
    turn = Rotation.random(rng=rng).as_matrix()
    angles = any_angles(rng, 4)
    points = rng.normal([[0, 45, -76], [30, -25, -16], [-25, -15, 4]], 5)  # no finger reaches there
    magnets = [
        Magnet(diameter_mm=6, height_mm=3, br_t=1.43, demagnetisation=1, polarity=sign) for sign in (1, 1, -1, 1, -1)
    ]
    attitude = Rotation.random(4, rng=rng).as_matrix().transpose(1, 2, 0)
    rest = np.zeros((3, 4))

    def read(hand: Hand, points: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        positions, axes = chain.place(hand, worn, angles)
        found = field(magnets, positions, axes, points, tolerance, each=True)
        return found.field, Motion(rotation, rest, rest, rest).to_device(RECORDED_EARTH), found.levels

    apart, earth, levels = read(hand, points, attitude)
    whole = replace(hand, bases=hand.bases @ turn.T, frames=turn @ hand.frames)
    turned, seen, same = read(whole, points @ turn.T, np.einsum("ijn,kj->ikn", attitude, turn))
    assert same == levels
    np.testing.assert_allclose(np.linalg.norm(seen, axis=0), np.linalg.norm(RECORDED_EARTH), rtol=1e-12)
    for one, other in ((apart, turned), (apart.sum(1) + earth, turned.sum(1) + seen)):
        expected = np.einsum("ij,...jn->...in", turn, one)
        size = np.linalg.norm(one, axis=-2, keepdims=True)
        np.testing.assert_allclose(other / size, expected / size, rtol=0, atol=1e-9)


@given(SEEDS, st.integers(0, 4), st.integers(0, 3))
def test_a_joint_moves_only_its_digit(seed: int, digit: int, joint: int) -> None:
    rng, hand, worn = any_hand(seed)
    angles = any_angles(rng, 2)
    moved = angles.copy()
    moved[digit, joint] = any_angles(rng, 2)[digit, joint]
    before, after = chain.place(hand, worn, angles), chain.place(hand, worn, moved)
    others = np.arange(5) != digit
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a[others], b[others])
    assert np.all(np.linalg.norm(after[0][digit] - before[0][digit], axis=0) > 0)


@given(SEEDS, SITES)
def test_magnets_are_fixed_to_their_phalanx_and_turn_with_it(seed: int, site: Site) -> None:
    rng, hand, worn = any_hand(seed, site)
    angles = any_angles(rng, 5)
    positions, axes = chain.place(hand, worn, angles)
    places = chain.joint_places(hand, angles)
    for s, (d, link) in enumerate(zip(worn.digit, worn.link, strict=True)):
        foot, end = places[d, link], places[d, link + 1]
        bone = (end - foot) / np.linalg.norm(end - foot, axis=0)
        np.testing.assert_allclose(np.linalg.norm(axes[s], axis=0), 1, rtol=1e-12)
        np.testing.assert_allclose(np.sum(axes[s] * bone, axis=0), worn.normals[s, 1], atol=1e-12)
        np.testing.assert_allclose(np.sum((positions[s] - foot) * bone, axis=0), worn.points[s, 1], atol=1e-11)
        np.testing.assert_allclose(
            np.linalg.norm(positions[s] - foot, axis=0), np.linalg.norm(worn.points[s]), rtol=1e-11
        )


@given(SEEDS, st.integers(1, 700), st.data())
def test_a_pose_has_the_same_bits_in_any_company(seed: int, n: int, data: st.DataObject) -> None:
    rng, hand, worn = any_hand(seed)
    angles = any_angles(rng, n)
    first = data.draw(st.integers(0, n - 1))
    end = data.draw(st.integers(first + 1, n))
    for whole, part in zip(
        (*chain.place(hand, worn, angles), chain.jacobian(hand, worn, angles), chain.joint_places(hand, angles)),
        (
            *chain.place(hand, worn, angles[..., first:end]),
            chain.jacobian(hand, worn, angles[..., first:end]),
            chain.joint_places(hand, angles[..., first:end]),
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(whole[..., first:end], part)


def test_sites_may_come_in_any_order_and_share_a_digit() -> None:
    hand = mean_hand()
    angles = any_angles(np.random.default_rng(0), 4)
    parts = [mounts(hand, "nail"), mounts(hand, "ring", ("index", "index", "thumb"))]
    both = Mounts(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])})
    order = np.random.default_rng(1).permutation(8)
    mixed = Mounts(**{name: values[order] for name, values in vars(both).items()})
    for whole, found in zip(chain.place(hand, both, angles), chain.place(hand, mixed, angles), strict=True):
        np.testing.assert_array_equal(whole[order], found)


@njit
def _sincos(x: np.ndarray, s: np.ndarray, c: np.ndarray) -> None:
    for i in range(x.size):
        s[i], c[i] = kernels.sincos(x[i])


def test_sine_and_cosine() -> None:
    x = np.concatenate([np.linspace(-20, 20, 100_001), np.arange(-12, 13) * np.pi / 4])
    s, c = np.empty_like(x), np.empty_like(x)
    _sincos(x, s, c)
    np.testing.assert_allclose(s, np.sin(x), rtol=0, atol=4e-16)
    np.testing.assert_allclose(c, np.cos(x), rtol=0, atol=4e-16)


def test_extended_hands_and_fists_are_as_far_from_the_palm_as_measured() -> None:
    hand = mean_hand()
    positions, axes = chain.place(hand, mounts(hand), chain.bent(chain.curls_of(["eeeee", "fffff"])))
    away = PALM[:, None] - positions
    distances = np.linalg.norm(away, axis=1)
    np.testing.assert_allclose(distances[:, 0], [105.1, 115.3, 125.0, 115.9, 95.4], atol=0.05)
    np.testing.assert_allclose(distances[:, 1], [43.7, 28.9, 19.5, 23.1, 34.3], atol=0.05)
    towards = away / distances[:, None]
    fields = 9.45e6 * np.linalg.norm(3 * np.sum(axes * towards, axis=1)[:, None] * towards - axes, axis=1)
    fields /= distances**3  # dipoles of a 6x3 mm disc, uT
    assert np.all((fields[:, 0] > 5) & (fields[:, 0] < 13))
    assert np.all((fields[:, 1] > 200) & (fields[:, 1] < 1400))


def test_the_flexed_thumb_lies_across_the_palm() -> None:
    hand = mean_hand()
    tip = chain.joint_places(hand, chain.bent(chain.curls_of(["eeeee", "feeee"])))[0, 3]
    index, ring = hand.bases[1], hand.bases[3]
    assert tip[0, 0] > index[0] + 50  # beside the hand
    assert ring[0] < tip[0, 1] < index[0]
    assert tip[1, 1] < index[1]
    assert tip[2, 1] < -30


@given(SEEDS, st.floats(0, 40), st.floats(0, 40))
def test_angles_stay_in_range_for_any_draw(seed: int, person: float, repeat: float) -> None:
    rng = np.random.default_rng(seed)
    spread = chain.Spread(person=person, session=person, repeat=repeat)
    habit = chain.draw_habit(rng, spread) + chain.draw_session(rng, spread)
    angles = chain.bent(rng.uniform(size=(5, 50)), habit=habit, deviations=chain.draw_deviations(rng, repeat, 50))
    chain.check_angles(angles)
    assert np.all(angles >= chain.LOW[..., None])
    assert np.all(angles <= chain.HIGH[..., None])


def test_end_postures_are_met_and_small_deviations_stay() -> None:
    curls = chain.curls_of(["eeeee", "fffff"])
    np.testing.assert_allclose(np.moveaxis(chain.bent(curls), -1, 0), chain.ENDS, atol=1e-15)
    deviations = chain.draw_deviations(np.random.default_rng(0), 2.0, 1000)
    half = chain.bent(np.full((5, 1000), 0.5), deviations=deviations)
    np.testing.assert_allclose(half - chain.ENDS.mean(0)[..., None], deviations, atol=np.radians(0.1))


@given(SEEDS, st.floats(0.1, 30))
def test_the_last_joint_of_a_finger_follows_its_second_last(seed: int, sd_deg: float) -> None:
    deviations = chain.draw_deviations(np.random.default_rng(seed), sd_deg, 9)
    np.testing.assert_allclose(deviations[1:, 3], deviations[1:, 2] * 2 / 3, rtol=1e-15)
    assert not np.allclose(deviations[0, 3], deviations[0, 2] * 2 / 3)


def test_deviations_have_the_declared_sd() -> None:
    sd = np.degrees(chain.draw_deviations(np.random.default_rng(5), 6.0, 20_000).std(axis=2))
    declared = np.array([[6.0, 6.0, 6.0, 6.0]] + 4 * [[6.0, 3.0, 6.0, 4.0]])
    np.testing.assert_allclose(sd, declared, rtol=0.03)


@given(SEEDS, st.floats(0, 0.5))
def test_enslaving_keeps_the_unit_range_and_only_flexes(seed: int, share: float) -> None:
    curls = np.random.default_rng(seed).uniform(size=(5, 20))
    drawn = chain.enslave(curls, share)
    assert np.all(drawn >= curls)
    assert np.all(drawn <= 1)
    np.testing.assert_array_equal(drawn[0], curls[0])  # the thumb follows none
    same = np.repeat(curls[:1], 5, axis=0)
    np.testing.assert_array_equal(chain.enslave(same, share), same)
    np.testing.assert_array_equal(chain.enslave(curls, 0.0), curls)


def test_ring_and_little_finger_follow_each_other_most() -> None:
    alone = chain.enslave(chain.curls_of(["feeee", "efeee", "eefee", "eeefe", "eeeef"]), 0.25).T  # flexing, dragged
    assert alone[3, 4] == alone[4, 3] == 0.25
    assert np.all(np.diag(alone) == 1)
    rest = alone - np.diag(np.diag(alone))
    rest[3, 4] = rest[4, 3] = 0
    assert 0 < rest.max() < 0.25
    assert all(rest[i, j] == 0 for i in range(1, 5) for j in range(1, 5) if abs(i - j) > 1)


@given(st.floats(1e-6, 1 - 1e-6))
def test_a_minimum_jerk_move_begins_and_ends_at_rest(s: float) -> None:
    h = 1e-4
    ends = chain.minimum_jerk(np.array([-1.0, 0.0, h, 2 * h, 1 - 2 * h, 1 - h, 1.0, 2.0]))
    np.testing.assert_array_equal(ends[[0, 1, 6, 7]], [0, 0, 1, 1])
    velocity = np.array([ends[2] - ends[1], ends[6] - ends[5]]) / h
    acceleration = np.array([ends[3] - 2 * ends[2] + ends[1], ends[6] - 2 * ends[5] + ends[4]]) / h**2
    np.testing.assert_allclose(velocity, 0, atol=20 * h**2)  # s^3 has no slope and no curvature at 0
    np.testing.assert_allclose(acceleration, 0, atol=100 * h)
    np.testing.assert_allclose(chain.minimum_jerk(np.array([s, 1 - s])).sum(), 1, rtol=1e-12)


@given(st.lists(COMBOS, min_size=1, max_size=6), SEEDS)
def test_motion_holds_each_combo_and_moves_smoothly_between(combos: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    begins = np.arange(len(combos)) * 2.0
    times = np.linspace(0, 2.0 * len(combos), 200 * len(combos), endpoint=False)
    still = chain.Spread(person=0, session=0, repeat=0, hold=0)
    motion = chain.angles_of(rng, combos, begins, times, spread=still)
    targets = chain.enslave(chain.curls_of(combos))
    assert motion.angles.shape == (5, 4, times.size)
    np.testing.assert_array_equal(motion.combo, np.minimum(times // 2, len(combos) - 1))
    held = ~motion.moving
    np.testing.assert_allclose(motion.curls[:, held], targets[:, motion.combo[held]], atol=1e-12)
    assert not motion.moving[:200].any()
    moves = [(times[motion.moving & (motion.combo == c)] - begins[c]).max(initial=0) for c in range(1, len(combos))]
    assert all(chain.MOVE_S[0] - 0.01 <= took <= chain.MOVE_S[1] for took in moves)
    step = 0.01
    fastest = 1.875 / chain.MOVE_S[0] * step  # peak of the minimum-jerk velocity
    assert np.abs(np.diff(motion.curls, axis=1)).max(initial=0) <= fastest * 1.001
    assert np.abs(np.diff(motion.curls, n=2, axis=1)).max(initial=0) <= 5.7736 / chain.MOVE_S[0] ** 2 * step**2


def test_a_move_ends_when_the_next_begins() -> None:
    begins = np.array([0.0, 0.1, 0.15, 0.2])
    motion = chain.angles_of(
        np.random.default_rng(0),
        ["eeeee", "fffff", "eeeee", "fffff"],
        begins,
        np.array([0.1, 0.15, 0.2, 2.0]),
        share=0.0,
    )
    np.testing.assert_allclose(motion.curls, np.tile([0.0, 1.0, 0.0, 1.0], (5, 1)), atol=1e-12)


def test_repeats_of_a_combo_differ_and_a_hold_is_restless() -> None:
    times = np.arange(0, 40, 0.05)
    motion = chain.angles_of(
        np.random.default_rng(1), ["ppppp"] * 20, np.arange(20) * 2.0, times, spread=chain.Spread(repeat=5, hold=0.5)
    )
    still = motion.angles[1, 0, ~motion.moving]
    number = motion.combo[~motion.moving]
    means = np.array([still[number == c].mean() for c in range(20)])
    within = np.array([still[number == c].std() for c in range(20)])
    assert 2.5 < np.degrees(means.std(ddof=1)) < 8
    assert 0.2 < np.degrees(within.mean()) < 0.6


def test_unrest_has_its_sd_at_every_time_and_is_smooth() -> None:
    times = np.array([0.0, 0.1, 0.25, 0.4, 0.5, 0.77])
    draws = np.array([chain.unrest(np.random.default_rng(s), 1.0, times)[2, 0] for s in range(4000)])
    np.testing.assert_allclose(np.degrees(draws.std(0)), 1.0, rtol=0.05)
    fine = np.degrees(chain.unrest(np.random.default_rng(0), 1.0, np.arange(0, 5, 0.001))[2, 0])
    assert abs(np.diff(fine, n=2)).max() < 60 * 0.001**2 * 2
    assert chain.unrest(np.random.default_rng(0), 1.0, np.empty(0)).shape == (5, 4, 0)


@given(st.integers(0, 4), st.integers(0, 3), st.sampled_from([-1, 1]), st.floats(1e-3, 2))
def test_a_joint_out_of_its_range_is_told(digit: int, joint: int, side: int, beyond: float) -> None:
    hand = mean_hand()
    angles = chain.bent(np.zeros((5, 3)))
    end = chain.HIGH if side > 0 else chain.LOW
    angles[digit, joint, 1] = end[digit, joint] + side * beyond
    low, high = anatomy.RANGES_DEG[digit, joint]
    came = f"{np.degrees(angles[digit, joint, 1]):.4g}"
    for call in (lambda: chain.place(hand, mounts(hand), angles), lambda: chain.joint_places(hand, angles)):
        with pytest.raises(InputError) as told:
            call()
        assert str(told.value) == (
            f"{anatomy.JOINTS[digit][joint]} of the {FINGERS[digit]} must be {low} to {high} degrees; it is {came}"
        )


@pytest.mark.parametrize(
    ("angles", "text"),
    [
        (np.full((5, 4, 2), np.nan), "CMC anteposition of the thumb must be -15 to 61 degrees; it is nan"),
        (np.zeros((5, 3, 2)), r"joint angles must have the shape \(5, 4, poses\); it is \(5, 3, 2\)"),
        (np.zeros((5, 4)), r"joint angles must have the shape \(5, 4, poses\); it is \(5, 4\)"),
    ],
)
def test_angles_that_are_none_are_told(angles: np.ndarray, text: str) -> None:
    with pytest.raises(InputError, match=text):
        chain.check_angles(angles)


@pytest.mark.parametrize("combo", ["", "eeee", "eexee", "EEEEE"])
def test_a_combo_that_is_none_is_told(combo: str) -> None:
    with pytest.raises(InputError, match=f"five letters of e, p and f, thumb to little; there is '{combo}'"):
        chain.curls_of(["eeeee", combo])


@pytest.mark.parametrize("begins", [[0.0], [0.0, 0.0], [1.0, 0.5], [0.0, np.nan]])
def test_combos_that_do_not_follow_each_other_are_told(begins: list[float]) -> None:
    with pytest.raises(InputError, match="combos must begin one after another; there are 2 and"):
        chain.angles_of(np.random.default_rng(0), ["eeeee", "fffff"], np.array(begins), np.arange(3.0))


def test_no_poses_give_no_places() -> None:
    hand = mean_hand()
    positions, axes = chain.place(hand, mounts(hand), np.empty((5, 4, 0)))
    assert positions.shape == axes.shape == (5, 3, 0)
