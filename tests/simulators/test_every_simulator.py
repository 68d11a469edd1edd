"""Laws of the store and of bits, on every simulator's `tiny` scenario, and of bits where a hand has iron about it."""

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.digest import leaf
from scenarios.layout import Header
from scenarios.schema import check
from scenarios.spec import load, override, parse
from scenarios.store import read_recording, verify
from simulators.run import generate, header_for, key_of

TINY = {
    "scene": ("tiny", ()),
    "hand": ("tiny", ("duration_s=4",)),
    "drift": ("streams", ("duration_s=90",)),
    "imu": ("tiny", ("duration_s=6",)),
}
IRON = {f"hand/{scenario}": (scenario, ("duration_s=4",)) for scenario in ("worn_ring", "array_4_shifted")}
"""Their fields come of finite elements, from the cache or made anew."""
CASES = TINY | IRON
SMALL = {"train": 3, "validation": 1, "test": 5}
SIMULATORS = pytest.mark.parametrize("name", TINY)


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Finite elements are solved once in this file, and nowhere else's results are read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVINGGROUND_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def module_of(name: str) -> ModuleType:
    return import_module(f"simulators.{name.partition('/')[0]}")


def spec_of(name: str, **changed: object) -> Any:
    scenario, settings = CASES[name]
    table = load(name.partition("/")[0], scenario)[1]
    spec = parse(module_of(name).Spec, scenario, override(table, settings))
    return spec.model_copy(update=changed)


def made(name: str, split: str, index: int, **changed: object) -> dict[str, np.ndarray]:
    spec = spec_of(name, **changed)
    key = key_of(name.partition("/")[0], CASES[name][0], spec, split, index)
    return dict(module_of(name).simulate_arrays(spec, key))


def leaf_of(name: str, split: str, index: int, **changed: object) -> str:
    arrays = made(name, split, index, **changed)
    return leaf(arrays, check(arrays, module_of(name).SCHEMA)).hex()


def header(name: str, splits: dict[str, int], first: dict[str, int] | None = None) -> Header:
    return header_for(name.partition("/")[0], CASES[name][0], spec_of(name), splits, first, changed=True)


@pytest.mark.parametrize("name", CASES)
def test_one_process_two_processes_any_block_and_alone_give_the_same_bits(name: str, tmp_path: Path) -> None:
    one = generate(tmp_path / "one.zarr", header(name, SMALL))
    two = generate(tmp_path / "two.zarr", replace(header(name, SMALL), block_bytes=3_000), workers=2)
    assert two.manifest["splits"]["test"]["block"] < one.manifest["splits"]["test"]["block"]
    assert two.manifest["digest"] == one.manifest["digest"]
    alone = generate(tmp_path / "alone.zarr", header(name, {"test": 1}, {"test": 4}))
    assert alone.manifest["splits"]["test"]["leaves"] == [one.manifest["splits"]["test"]["leaves"][4]]
    assert leaf_of(name, "test", 4) == one.manifest["splits"]["test"]["leaves"][4]
    again = generate(tmp_path / "one.zarr", header(name, SMALL))
    assert (one.existed, again.existed, again.samples) == (False, True, 0)
    for path in tmp_path.iterdir():
        verify(path)


@SIMULATORS
def test_a_stored_recording_is_the_simulated_one_bit_for_bit(name: str, tmp_path: Path) -> None:
    generate(tmp_path / "a.zarr", header(name, SMALL))
    stored = read_recording(tmp_path / "a.zarr", "test", 3)
    for variable, array in made(name, "test", 3).items():
        np.testing.assert_array_equal(stored.pop(variable), array, err_msg=variable, strict=True)
    assert not stored


@SIMULATORS
@given(index=st.integers(0, 10**6))
def test_another_seed_split_or_index_gives_another_digest(name: str, index: int) -> None:
    own = leaf_of(name, "test", index)
    assert own == leaf_of(name, "test", index)
    assert own != leaf_of(name, "test", index, seed=spec_of(name).seed + 1)
    assert own != leaf_of(name, "train", index)
    assert own != leaf_of(name, "test", index + 1)


@pytest.mark.parametrize("name", ["scene", "hand", "imu"])  # streams of drift have no tree
def test_every_variable_has_units_and_a_meaning_in_the_tree(name: str) -> None:
    module = module_of(name)
    spec = spec_of(name)
    tree = module.simulate(spec, key_of(name, TINY[name][0], spec, "train", 0))
    found = {f"{node.path}/{v}".strip("/"): array for node in tree.subtree for v, array in node.data_vars.items()}
    for path, array in made(name, "train", 0).items():
        np.testing.assert_array_equal(found[path].values, array)
        assert found[path].attrs["units"]
        assert found[path].attrs["long_name"]
