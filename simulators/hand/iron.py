"""Iron worn on a finger or fixed near the device: what it adds to the field at the sensors.

A ring, disc or tube answers by its `fem.arcs` matrix, to magnets and at sensors that keep a distance by its size: 4 mm
from a ring, 0.28 of a disc's radius, or what is asked. Each body answers to the magnets and to the Earth, not to other
iron's answer, and magnets are not changed by it: both are of second order. Nothing here depends on time: eddy
currents are left out.

Shapes: positions and directions (magnets, 3, poses); points (sensors, 3); fields (sensors, 3, poses). mm and uT, in the
hand's frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.errors import InputError
from simulators.hand import anatomy, chain
from simulators.hand.fem.arcs import Arcs, arcs
from simulators.hand.fem.mesh import Body
from simulators.hand.field import field, frame_of
from simulators.hand.kernels import fields
from simulators.hand.kernels import iron as kernels
from simulators.hand.magnets import Magnet

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a body answers, in its own frame: moments (A m2) at sites (3, k) by the field (uT) there."""

    name: str
    sites: Floats
    matrix: Floats
    """(3 k, 3 k), vectors of x, y, z of each site."""
    error: float
    """Of the body's own field, at the distance it is served from: `Arcs.bound`."""
    apart: Arcs

    def check_apart(self, points: Floats, what: str) -> None:
        """Raise InputError for points (3, n) too near to serve."""
        self.apart.check_outside(points, what)


def ring_of(name: str, inner_mm: float, outer_mm: float, height_mm: float, mu_r: float) -> Answer:
    """A ring by its inner and outer diameter. Raises InputError where `arcs` does."""
    return body_of(name, inner_mm, outer_mm, height_mm, mu_r)


def body_of(
    name: str, inner_mm: float, outer_mm: float, height_mm: float, mu_r: float, nearest_mm: float | None = None
) -> Answer:
    """Any ring, disc or tube by its diameters, for magnets and sensors `nearest_mm` from it and beyond.

    Without a distance it is by the body's size: see `fem.arcs.nearest_of`. Raises InputError where `arcs` does.
    """
    half = height_mm / 2
    body = Body(name=name, inner=inner_mm / 2, outer=outer_mm / 2, bottom=-half, top=half, mu_r=mu_r)
    found = arcs(body, nearest_mm)
    return Answer(name=name, sites=found.sites, matrix=found.matrix, error=found.bound, apart=found)


def worn(hand: anatomy.Hand, finger: str, angles: Floats) -> tuple[Floats, Floats]:
    """Centre and axis of a ring, each (3, poses), round the middle of a finger's proximal phalanx."""
    centre, axis = chain.place(hand, anatomy.mounts(hand, "ring", (finger,)), angles)
    return centre[0], axis[0]


def field_of(
    answer: Answer,
    centre: Floats,
    axis: Floats,
    magnets: Sequence[Magnet],
    positions: Floats,
    directions: Floats,
    points: Floats,
    earth: Floats,
    tolerance: float = 1e-3,
) -> Floats:
    """B of a body at points (sensors, 3) in the field of magnets and of the Earth (3, poses): (sensors, 3, poses) uT.

    centre, axis: (3, poses) of the body. Raises InputError for a magnet or a sensor too near to the body.
    """
    frame = frame_of(axis)
    poses = centre.shape[1]

    def own(vectors: Floats) -> Floats:
        found = np.empty(vectors.shape)
        kernels.turn_in(frame, np.ascontiguousarray(vectors), found)
        return found

    near = own(positions - centre)
    sensors = own(points[:, :, None] - centre)
    answer.check_apart(near.transpose(1, 0, 2).reshape(3, -1), "a magnet")
    answer.check_apart(sensors.transpose(1, 0, 2).reshape(3, -1), "a sensor")
    given = (
        own(np.broadcast_to(earth, (1, 3, poses)))[0]
        + field(magnets, near, own(directions), answer.sites.T, tolerance).field
    )
    moments = np.empty((answer.sites.shape[1], 3, poses))
    kernels.answer(answer.matrix, given.reshape(-1, poses), moments.reshape(-1, poses))
    found = np.empty((len(points), 3, poses))
    strength = np.tile([fields.UNIT, 0.0, 0.0, 0.0], (len(moments), 1))  # moments stand for axes of unit strength
    for k, sensor in enumerate(sensors):
        fields.multipoles(
            np.ascontiguousarray(answer.sites.T[:, :, None] - sensor), moments, strength, np.zeros((1, 3)),
            found[k : k + 1, None],
        )  # fmt: skip
    out = np.empty_like(found)
    kernels.turn_out(frame, found, out)
    return out


def gap_of(answer: Answer, centre: Floats, axis: Floats, position: Floats) -> tuple[Floats, float]:
    """(way from the nearest point of the iron to places (3, n), how far away these must be in mm) of a body.

    centre, axis: (3, n) of the body.
    """
    apart = position - centre
    body = answer.apart.body
    z = (apart * axis).sum(0)
    across = apart - z * axis
    rho = np.sqrt((across * across).sum(0))
    side = rho - np.clip(rho, body.inner, body.outer)
    along = z - np.clip(z, body.bottom, body.top)
    outward = across / np.maximum(rho, 1e-9)
    return side * outward + along * axis, answer.apart.nearest * (1 + 1e-9)


def unit(name: str, axis: Sequence[float]) -> Floats:
    """A body's axis as a unit vector (3,). Raises InputError for one without length."""
    size = float(np.linalg.norm(axis))
    if not size > 0:
        raise InputError(f"the axis of iron '{name}' must have a length; it is {list(axis)}")
    return np.asarray(axis, float) / size
