"""What a set says of itself: manifest, data card, Croissant metadata."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.errors import InputError
from scenarios.layout import ENDING, FORMAT, Header

PACKAGES = ("provingground", "numpy", "numba", "scipy", "zarr", "numcodecs", "crc32c", "xarray", "pydantic")
SEAL = "manifest_sha256"
MOST_LOGS = 8
"""Of more files than these, a card names only the first."""
Files = Mapping[str, tuple[str, int]]


def manifest(header: Header, digest: str, splits: Mapping[str, Mapping[str, Any]], files: Files) -> dict[str, Any]:
    """The manifest of a set: `splits` adds block size and leaf digests to what the header says of each split."""
    content = header.to_json()
    content["splits"] = {s: {**content["splits"][s], **splits[s]} for s in content["splits"]}
    canonical = json.dumps(content["spec"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {
        **content,
        "identity": header.identity.as_posix().removesuffix(ENDING),
        "digest": digest,
        "spec_digest": hashlib.sha256(canonical.encode()).hexdigest(),
        "header_digest": header.digest,
        "block_bytes": header.block_bytes,
        "licence": header.licence,
        "command": header.command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **_environment(),
        "files": {name: list(files[name]) for name in sorted(files)},
    }


def render(content: dict[str, Any]) -> bytes:
    """The text of manifest.json, sealed by a digest of itself, so that a change in it is found too."""
    body = {k: v for k, v in content.items() if k != SEAL}
    seal = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return (json.dumps({SEAL: seal, **body}, indent=1) + "\n").encode()


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the set at `path`. Raises InputError if there is none or if it is not as it was written."""
    file = Path(path) / "manifest.json"
    if not file.is_file():
        raise InputError(f"a set must have a manifest.json; '{path}' {'has none' if path.exists() else 'is not there'}")
    data = file.read_bytes()
    try:
        content = json.loads(data)
        whole = isinstance(content, dict) and render(content) == data
    except ValueError:
        whole = False
    if not whole:
        raise InputError(f"file '{file}' must be as it was written; its content differs from its own digest")
    if content["format"] != FORMAT:
        raise InputError(f"set '{path}' must have store format {FORMAT}; it has {content['format']}")
    return dict(content)


def card(content: Mapping[str, Any], header: Header) -> str:
    """README.md of a set."""
    size = sum(n for _, n in content["files"].values())
    dims = {v.name: ", ".join(v.dims if v.table else ("recording", *v.dims)) for v in header.variables}
    rows = "\n".join(f"| `{v.name}` | {dims[v.name]} | {v.dtype} | {v.units} | {v.meaning} |" for v in header.variables)
    splits = ", ".join(f"{name} {v['count']}" for name, v in content["splits"].items())
    own = [header.card.strip()] if header.card.strip() else []
    if any(v.flag_meanings for v in header.variables):
        own.append(
            "- Codes: an array of labels or kinds has the attribute `flag_meanings`, names of 0, 1, ... in turn."
        )
    if texts := [name for name in header.attrs if name.endswith("_text")]:
        own.append(f"- Texts: {' and '.join(f'`{name}`' for name in texts)}, attributes of each split's `truth` group.")
    facts = "\n".join([f"- Licence: {header.licence}", *own])
    return f"""# {header.simulator}/{header.scenario}

{_purpose(content)}

- Identity: `{content["identity"]}` (scenario version - simulator version)
- Digest: `{content["digest"]}` (logical: the integers of every recording; `python -m scenarios verify` recomputes it)
- Recordings: {splits}; {size / 1e6:.1f} MB on disk
- Made by: `{header.command}`
{facts}

## How to read it
Plain zarr v3, readable without our code:

```python
import xarray
tree = xarray.open_datatree("{header.identity.as_posix()}")
```

Groups are `<split>/inputs/...` (what a method may see) and `<split>/truth/...` (what it may not). Arrays have a leading
`recording` axis, or are columns of a table.
Recordings shorter than the longest are padded with 0: `n_channel` and `n_time` give each one's size.
A table's rows lie end to end; those of recording i are rows `<table>_row_offset[i]` to `<table>_row_offset[i + 1]`.

## Variables
| name | dimensions | type | units | meaning |
|---|---|---|---|---|
{rows}

## Resolved scenario
```json
{json.dumps(content["spec"], indent=1, sort_keys=True, ensure_ascii=False)}
```
"""


def _purpose(content: Mapping[str, Any]) -> str:
    """What a set is for, in a line; of imported recordings, what they were imported from."""
    spec = content["spec"] if isinstance(content["spec"], dict) else {}
    logs = [log["name"] for log in spec.get("logs", []) if isinstance(log, dict) and "name" in log]
    several = f" and {len(logs) - MOST_LOGS} more" if len(logs) > MOST_LOGS else ""
    imported = f"Real recordings, imported from {', '.join(logs[:MOST_LOGS])}{several}." if logs else ""
    return str(spec.get("purpose") or imported or content["identity"])


def croissant(content: Mapping[str, Any]) -> str:
    """croissant.json of a set (Croissant 1.0: a FileSet of zarr files, since it has no zarr encoding yet)."""
    context = {
        "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/", "conformsTo": "dct:conformsTo", "dct": "http://purl.org/dc/terms/",
        "fileSet": "cr:fileSet", "includes": "cr:includes",
        "recordSet": "cr:recordSet", "field": "cr:field", "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "source": "cr:source", "extract": "cr:extract",
    }  # fmt: skip
    return json.dumps(
        {
            "@context": context,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "name": content["identity"].replace("/", "-"),
            "description": _purpose(content),
            "license": content["licence"],
            "version": f"{content['scenario_version']}.{content['simulator_version']}.0",
            "datePublished": content["created"],
            "citeAs": f"{content['identity']}, digest {content['digest']}",
            "distribution": [
                {
                    "@type": "cr:FileSet",
                    "@id": "zarr",
                    "name": "zarr",
                    "description": "the files of one zarr v3 hierarchy; manifest.json has the sha256 of each",
                    "encodingFormat": "application/vnd+zarr",
                    "includes": "**",
                }
            ],
            "variableMeasured": [
                {"@type": "PropertyValue", "name": v["name"], "description": v["meaning"], "unitText": v["units"]}
                for v in content["schema"]
            ],
        },
        indent=1,
    )


@cache
def _environment() -> dict[str, Any]:
    """What the set was made with, as a record: it is no part of the digest."""
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "packages": {name: v for name in PACKAGES if (v := _version(name))},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu_features": list(simd.get("baseline", [])) + list(simd.get("found", [])),
        "commit": _commit(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the clone that this runs from, with "+" if files were changed; None outside a clone."""
    home = Path(__file__).parent.parent
    if not (home / ".git").exists():
        return None
    try:
        git = ["git", "-C", str(home)]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True)
        state = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("+" if state.stdout.strip() else "")
