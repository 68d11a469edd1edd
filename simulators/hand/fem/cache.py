"""Finite element results on disk: one npz a result, named by a hash of its inputs and of this package's sources.

The folder is $PROVINGGROUND_CACHE, else ~/.cache/provingground. A file is written beside its name and renamed: a killed
run leaves none half-written. A file that cannot be read is made anew; a folder that cannot be written is no error.
"""

import dataclasses
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from simulators.compiled import digest_of


def folder() -> Path:
    """Where results are kept."""
    given = os.environ.get("PROVINGGROUND_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "provingground"


def _plain(value: Any) -> Any:
    """What of an input decides the result: not what it is called."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: part for name, part in dataclasses.asdict(value).items() if name != "name"}
    raise TypeError(f"no hash of a {type(value).__name__}")


def name_of(kind: str, inputs: Mapping[str, Any]) -> str:
    """The file name of a result: kind and 16 hex digits."""
    code = digest_of(sorted(Path(__file__).parent.glob("*.py")))
    text = json.dumps([kind, code, inputs], sort_keys=True, default=_plain)
    return f"fem-{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"


def cached(kind: str, inputs: Mapping[str, Any], make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of a result, from the cache or made and kept there."""
    path = folder() / name_of(kind, inputs)
    unreadable = suppress(OSError, ValueError, EOFError, zipfile.BadZipFile)
    with unreadable, path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
    made = {name: np.asarray(array) for name, array in make().items()}
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, staged = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".npz")
        try:
            with os.fdopen(handle, "wb") as out:
                np.savez(out, allow_pickle=False, **made)
            os.replace(staged, path)
        except BaseException:
            os.unlink(staged)
            raise
    return made
