"""What activities are called, which labels mean the same, and where sensors sit: the vocabulary of every recording.

`groups.toml` holds the tables. A label's code is its place in LABELS, in the order of the tables, so a new label is
appended to `added` or its codes change and with them the simulator's VERSION.
"""

import tomllib
from pathlib import Path

from scenarios.catalogue import did_you_mean
from scenarios.errors import InputError

_TABLES: dict[str, dict[str, list[str]]] = tomllib.loads(
    (Path(__file__).parent / "groups.toml").read_text(encoding="utf-8")
)
OTHER = "other"
UNLABELLED = "unlabelled"


def _by_label(*tables: dict[str, list[str]]) -> dict[str, str]:
    """Label to group; of a label that is listed twice the first group holds."""
    found: dict[str, str] = {}
    for table in tables:
        for group, labels in table.items():
            for label in labels:
                found.setdefault(label, group)
    return found


_FINE_44 = _by_label(_TABLES["fine_44"], _TABLES["added"])
_FINE_43 = _by_label(_TABLES["fine_43"], _TABLES["added"])
_COARSE_17 = _by_label(_TABLES["coarse_17"])
LABELS = (UNLABELLED, *(label for label in dict.fromkeys([*_FINE_44, *_FINE_43]) if label != UNLABELLED))
"""Every activity label; code 0 is a stretch without one."""
GROUPS_44 = (OTHER, *_TABLES["fine_44"])
"""Synonym groups of the seed, whose rules the zero-shot tracks follow, after `other`."""
GROUPS_43 = (OTHER, *_TABLES["fine_43"])
"""Those of the later version, kept beside it."""
PLACEMENTS = (
    "waist", "hip", "back", "chest", "head", "pocket", "thigh", "shank", "ankle", "foot", "upper_arm", "forearm",
    "wrist", "hand",
)  # fmt: skip
SIDES = ("middle", "left", "right", "unknown")
_CODES = {label: code for code, label in enumerate(LABELS)}


def code_of(label: str) -> int:
    """The code of a label. Raises InputError for one that is not known."""
    if label not in _CODES:
        raise InputError(f"an activity must be one of the {len(LABELS)} labels; '{label}' is none" + near(label))
    return _CODES[label]


def near(label: str) -> str:
    """'; did you mean ...?' for a label that is not known."""
    return did_you_mean(label, list(LABELS))


def group_of(label: str, groups: int = 44) -> str:
    """The synonym group of a label by the 44-group rules, or those of 43 groups.

    Labels that only the later table knows follow it in both. In doubt the tables stand: sitting_down is in sitting,
    lie_to_sit in transition_to_standing, `stairs` alone.

    >>> group_of("climbing_stairs"), group_of("waist_bends_forward"), group_of("waist_bends_forward", 43)
    ('ascending_stairs', 'torso_exercise', 'waist_exercise')
    """
    code_of(label)
    first, second = (_FINE_44, _FINE_43) if groups == 44 else (_FINE_43, _FINE_44)
    return first.get(label) or second.get(label, OTHER)


def coarse_of(label: str) -> str:
    """The group of a label among the 17 coarse ones, `other` for a label that they leave out."""
    code_of(label)
    return _COARSE_17.get(label, OTHER)
