"""Body-worn sensors: a moving body of rigid segments, devices on its skin, and what they say about it.

Names resolve lazily, so that listing scenarios imports neither numba nor xarray.
"""

from importlib import import_module

_HOMES = {
    "ImuSpec": "spec", "SCHEMA": "spec", "VERSION": "spec", "Spec": "spec", "simulate": "generate",
    "simulate_arrays": "generate", "attrs_of": "texts",
}  # fmt: skip
__all__ = ["SCHEMA", "VERSION", "ImuSpec", "Spec", "attrs_of", "simulate", "simulate_arrays"]


def __getattr__(name: str) -> object:
    """Import a public name from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(module, "ImuSpec" if name == "Spec" else name)
