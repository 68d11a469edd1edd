"""Activities and channels in words, from the simulator's own truth.

Texts of channels name quantity, axis, place, side and rate, never an activity: a model that is fed with them must not
learn from them which labels a data set has.
"""

from typing import Any

from simulators.imu.activity import Activity, recipe_of
from simulators.imu.devices import DEVICES
from simulators.imu.labels import UNLABELLED, coarse_of, group_of
from simulators.imu.spec import AXES, AXES_OF, UNITS, ImuSpec
from simulators.imu.spec import QUANTITIES as QUANTITIES_OF_SCHEMA

QUANTITIES = {
    "accelerometer": "specific force with gravity",
    "gyroscope": "angular rate",
    "magnetometer": "magnetic field",
    "orientation": "orientation quaternion",
    "body_acceleration": "acceleration without gravity",
    "ecg": "electrocardiogram",
    "heart_rate": "heart rate",
    "temperature": "temperature",
}
PLACES = {
    "waist": "waist", "hip": "hip", "back": "back", "chest": "chest", "head": "head", "pocket": "front trouser pocket",
    "thigh": "thigh", "shank": "shank", "ankle": "ankle", "foot": "foot", "upper_arm": "upper arm",
    "forearm": "lower arm", "wrist": "wrist", "hand": "hand",
}  # fmt: skip
GAIT_GROUPS = frozenset({"walking", "running", "stairs"})
"""Coarse groups whose cycles are strides of two steps."""


def describe_activity(label: str, own: Activity | None = None) -> str:
    """What a person does, as a sentence without a full stop; `own`: a scenario's own recipe of it.

    >>> describe_activity("walking_upstairs")
    'a person is climbing a flight of stairs step by step'
    """
    recipe = own or recipe_of(label)
    return "a person's activity is unknown" if recipe is None or label == UNLABELLED else f"a person is {recipe.text}"


def describe_bout(label: str, rate_hz: float = 0.0, speed_m_s: float = 0.0) -> str:
    """An activity with the pace of one bout, from its truth: cycles a second and speed over ground.

    >>> describe_bout("walking_upstairs", 0.8, 0.5)
    'a person is climbing a flight of stairs step by step, 96 steps a minute, at 0.5 m/s'
    """
    found = [describe_activity(label)]
    if rate_hz:
        strides = coarse_of(label) in GAIT_GROUPS
        found.append(f"{rate_hz * 120:.0f} steps a minute" if strides else f"{rate_hz * 60:.0f} cycles a minute")
    if speed_m_s:
        found.append(f"at {abs(speed_m_s):.1f} m/s")
    return ", ".join(found)


def describe_channel(quantity: str, axis: str, placement: str, side: str, rate_hz: float, device: str = "") -> str:
    """What a channel measures and where; `device` is a text, "" where it is not known.

    >>> describe_channel("gyroscope", "x", "wrist", "left", 50)
    'angular rate about the x axis in rad/s at the left wrist, 50 samples a second'
    """
    unit = UNITS[QUANTITIES_OF_SCHEMA.index(quantity)]
    about = "about" if quantity == "gyroscope" else "component" if quantity == "orientation" else "along"
    axis_text = f"component {axis}" if about == "component" else f"{about} the {axis} axis"
    unit_text = "" if unit == "1" else f" in {unit}"
    where = PLACES[placement] if side in ("middle", "unknown") else f"{side} {PLACES[placement]}"
    by = f", by {device}" if device else ""
    return f"{QUANTITIES[quantity]} {axis_text}{unit_text} at the {where}, {rate_hz:g} samples a second{by}"


def channels_of(spec: ImuSpec) -> list[str]:
    """A text for each channel of a scenario, in their order; the side is left out where it is the wearer's choice."""
    return [
        describe_channel(
            quantity, axis, unit.placement, "unknown" if unit.side == "any" else unit.side, spec.rate_hz,
            DEVICES[unit.device].text if unit.device in DEVICES else "",
        )
        for unit in spec.units
        for quantity in unit.measures
        for axis in AXES_OF.get(quantity, AXES[:3])
    ]  # fmt: skip


def attrs_of(spec: ImuSpec) -> dict[str, Any]:
    """What a set says of itself in words: texts of its activities and channels, groups, patches, what is declared."""
    return {
        "activity_text": {label: describe_activity(label, spec.recipes.get(label)) for label in spec.activities},
        "activity_group": {label: group_of(label) for label in spec.activities},
        "channel_text": channels_of(spec),
        "declared": list(spec.declared),
        "patch_s": spec.patch_s,
        "patch_grid_s": list(spec.patch_grid_s),
        "role": spec.role,
        "gravity": "in the signal: at rest an accelerometer reads 9.81 m/s^2 along up",
    }
