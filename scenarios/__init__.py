"""The data contract: scenario files, specs, schemas and versioned sets. Names resolve when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenarios.access import Window, cut, find_set, find_sets, open_set, recordings, sensors, windows
    from scenarios.catalogue import available, load, override, purpose
    from scenarios.errors import InputError
    from scenarios.schema import Arrays, Schema, Var, check
    from scenarios.spec import Spec, parse
    from scenarios.store import Header, read_recording, verify

_HOMES = {
    "access": ("Window", "cut", "find_set", "find_sets", "open_set", "recordings", "sensors", "windows"),
    "catalogue": ("available", "load", "override", "purpose"),
    "errors": ("InputError",),
    "schema": ("Arrays", "Schema", "Var", "check"),
    "spec": ("Spec", "parse"),
    "store": ("Header", "read_recording", "verify"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Arrays", "Header", "InputError", "Schema", "Spec", "Var", "Window", "available", "check", "cut", "find_set",
    "find_sets", "load", "open_set", "override", "parse", "purpose", "read_recording", "recordings", "sensors",
    "verify", "windows",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"scenarios.{_HOME[name]}"), name)
    raise AttributeError(f"module 'scenarios' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
