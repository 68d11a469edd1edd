"""Bus scenes: 16-bit words at several rates, some of them halves of 32-bit values, some packed bits.

Names resolve lazily, so that listing scenarios imports neither numba nor xarray.
"""

from importlib import import_module

_HOMES = {
    "SceneSpec": "spec", "SCHEMA": "spec", "VERSION": "spec", "Spec": "spec",
    "simulate": "generate", "simulate_arrays": "generate", "inject": "anomalies",
}  # fmt: skip
__all__ = ["SCHEMA", "VERSION", "SceneSpec", "Spec", "inject", "simulate", "simulate_arrays"]


def __getattr__(name: str) -> object:
    """Import a public name from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(module, "SceneSpec" if name == "Spec" else name)
