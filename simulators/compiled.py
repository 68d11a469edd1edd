"""Where numba keeps compiled kernels: a folder of its own for each state of their sources.

numba's cache looks only at the file of the function that is called. A change in a kernel that it calls from another
file would go unnoticed, and old machine code would run under a new version. So the cache folder is named by a digest
of all kernel sources. Import this module before the first `njit`.
"""

import hashlib
import os
from pathlib import Path

PREFIX = "kernels-"


def sources() -> list[Path]:
    """Every file that holds compiled functions, sorted."""
    here = Path(__file__).parent
    return [here / "noise.py", here / "sensor.py", *sorted(here.glob("*/kernels/*.py"))]


def digest_of(files: list[Path]) -> str:
    """12 hex digits that change when a file's content, its name or those of the two folders above it do."""
    total = hashlib.sha256()
    for file in files:
        total.update("/".join(file.parts[-3:]).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()[:12]


def choose_cache() -> Path:
    """Point numba at the cache folder: below $NUMBA_CACHE_DIR where that is set, else beside this file.

    Where that folder cannot be written numba falls back to the user's own cache folder.
    """
    given = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(given) if given else Path(__file__).parent / "__pycache__"
    base = base.parent if base.name.startswith(PREFIX) else base  # inherited from a parent process
    folder = base / f"{PREFIX}{digest_of(sources())}"
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    from numba import config

    config.reload_config()
    return folder


CACHE = choose_cache()
