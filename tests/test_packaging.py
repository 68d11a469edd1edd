"""The distribution holds every package."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    tops = ("baselines", "models", "scenarios", "simulators")
    found = [p.parent.relative_to(ROOT) for top in tops for p in (ROOT / top).rglob("__init__.py")]
    assert sorted(listed) == sorted(".".join(p.parts) for p in found)
