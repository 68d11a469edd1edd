"""Packages with entries, as if they were installed: a module and the metadata that pip would write."""

import tomllib
from pathlib import Path

EXAMPLE = Path(__file__).parent / "example_package"

MISCHIEF = """
import os, time
import numpy as np


class Base:
    def fit(self, train, validation, rng):
        pass

    def predict(self, inputs, context):
        ids = np.concatenate([a for name, a in inputs.items() if name.endswith("/channel_id")])
        return self.answer(inputs, ids)

    def answer(self, inputs, ids):
        return {"channel_id": ids, "node_type": np.zeros(ids.size, int)}


class Raises(Base):
    def fit(self, train, validation, rng):
        raise ValueError("no\\nidea")


class Dies(Base):
    def fit(self, train, validation, rng):
        os._exit(7)


class Slips(Base):
    def fit(self, train, validation, rng):
        os._exit(0)


class Hangs(Base):
    def fit(self, train, validation, rng):
        time.sleep(600)


ENTRIES = {"scene/node-type": {"raises": Raises, "dies": Dies, "slips": Slips, "hangs": Hangs}}
"""


def install(folder: Path, name: str, module: str, source: str, value: str, version: str = "1.0") -> None:
    """Put a module and its metadata into a folder that lies on the path."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[provingground.entries]\n{module} = {value}\n")


def install_example(folder: Path) -> None:
    """The example package as its pyproject.toml declares it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    ((_, value),) = project["entry-points"]["provingground.entries"].items()
    source = (EXAMPLE / "example_entries.py").read_text()
    install(folder, project["name"], "example_entries", source, value, project["version"])
