"""The scenario files: which there are, what they say, and what a command line changes in them.

A scenario is a TOML file in `scenarios/<domain>/` or anywhere else. Here it is only a table; `scenarios.spec` makes a
typed spec of it. Nothing here needs more than the standard library, so that listing is instant.
"""

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from scenarios.errors import InputError

HOME = Path(__file__).parent
Table = dict[str, Any]
MOST_NAMED = 40
"""Of more names than these, a message lists only a few."""


def available(domain: str) -> dict[str, Path]:
    """The scenarios of a domain (`scene`, `imu`, `hand`): their files by name, in alphabetical order."""
    return {path.stem: path for path in sorted((HOME / domain).glob("*.toml"))}


def purpose(path: Path) -> str:
    """The one-line purpose in a scenario file. Raises InputError if the file is not TOML."""
    return str(_read(path).get("purpose", ""))


def load(domain: str, name_or_file: str | Path) -> tuple[str, Table]:
    """The name and the table of a scenario, given by its name or as the path of a `.toml` file.

    Raises InputError if there is no such scenario (with the nearest name) or if the file cannot be read as TOML.
    """
    text = str(name_or_file)
    if text.endswith(".toml"):
        path = Path(text)
        if path.is_dir():
            raise InputError(f"a scenario must be a file; '{text}' is a folder")
        if not path.is_file():
            raise InputError(f"scenario file must exist; '{text}' does not")
        return path.stem, _read(path)
    known = available(domain)
    if text not in known:
        raise InputError(f"scenario '{text}' not found{did_you_mean(text, known)}")
    return text, _read(known[text])


def override(table: Table, settings: Iterable[str]) -> Table:
    """A copy of a scenario's table with `key=value` settings applied.

    A key may be dotted (`pairs.count`) and may index a list (`clocks.0.rate_hz`); a value is read as TOML and, where
    it is none, as text. Raises InputError for a setting without `=`, and for a path that runs through a value or
    beyond a list.

    >>> override({"clocks": [{"rate_hz": 50}]}, ["clocks.0.rate_hz=200", "name=x"])
    {'clocks': [{'rate_hz': 200}], 'name': 'x'}
    """
    changed = deepcopy(table)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise InputError(f"a setting must read key=value; it is '{setting}'")
        _assign(changed, key.strip().split("."), _value(text.strip()), setting)
    return changed


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a "not found" message: the nearest known name, or if none is near all of them, of many a few."""
    names = sorted(set(known))
    if near := nearest(name, names):
        return near
    if len(names) > MOST_NAMED:
        return f"; there are {len(names)}, such as {', '.join(difflib.get_close_matches(name, names, n=3, cutoff=0))}"
    return f"; there are {', '.join(names)}" if names else "; there is none"


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message that lists what is known: the nearest of it, or nothing if none is near.

    >>> nearest("wais", ("waist", "hip")), nearest("foot", ("waist", "hip"))
    ("; did you mean 'waist'?", '')
    """
    near = difflib.get_close_matches(name, sorted(set(known)), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def _read(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"scenario file '{path}' must be TOML; {_one_line(error)}") from error
    except OSError as error:
        raise InputError(f"scenario file '{path}' must be readable; {error.strerror}") from error


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _assign(table: Table, keys: Sequence[str], value: Any, setting: str) -> None:
    """Put `value` at the path `keys`; tables on the way are made as needed."""
    place: Any = table
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        if isinstance(place, list):
            if not key.isdigit() or int(key) >= len(place):
                here = ".".join(keys[:depth])
                raise InputError(f"setting '{setting}': '{here}' must be indexed by 0 to {len(place) - 1}; not '{key}'")
            index: Any = int(key)
        elif isinstance(place, dict):
            index = key
            if not last:
                place.setdefault(key, {})
        else:
            here = ".".join(keys[:depth])
            raise InputError(f"setting '{setting}': '{here}' must be a table or a list; it is {place}")
        if last:
            place[index] = value
        else:
            place = place[index]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
