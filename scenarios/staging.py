"""The folder in which a set is made, beside its place: lock, receipts, leftovers.

`.staging-<version>/` holds `set/` (the set to be), `receipts/` and `small/` (one file a block) and `tmp/`;
`.staging-<version>.lock` beside it is locked by the one process that makes the set, and the system unlocks it when
that process ends in whatever way.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from scenarios.digest import file_sha256
from scenarios.errors import InputError
from scenarios.layout import Header, Layout

PREFIX = ".staging-"
FULL = (errno.ENOSPC, errno.EDQUOT)
Entry = tuple[str, int]  # sha256 in hex, bytes
HELD: set[str] = set()  # lock files that this process holds


@dataclass(frozen=True)
class Stage:
    """A set in the making, held by this process. Close it, or use it as a context manager, to let others go on."""

    path: Path
    target: Path
    header: Header
    lock: IO[str]

    @property
    def layout(self) -> Layout:
        """Where things go."""
        return Layout(self.header)

    def close(self) -> None:
        """Give up the lock; what is staged stays for the next run."""
        _release(self.lock)

    def __enter__(self) -> "Stage":
        """The stage itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def open_stage(target: Path, header: Header) -> Stage:
    """Take the staging folder of a set, going on from what a stopped run left if it was for the same header.

    Raises InputError if another process is writing the set or if the folder cannot be made.
    """
    target = Path(target)
    stage = target.parent / f"{PREFIX}{target.name}"
    with full_disk(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = _take(stage.with_name(stage.name + ".lock"))
        except OSError as error:
            if error.errno in FULL:
                raise
            raise InputError(f"set must go to a folder that can be written; '{error.filename}' can not: "
                             f"{error.strerror}") from error  # fmt: skip
        if lock is None:
            raise InputError(f"set '{target}' is being written by another process (pid {_holder(stage)})")
        mark = {"header": header.digest, "block_bytes": header.block_bytes}
        if _read_json(stage / "stage.json") != mark:
            shutil.rmtree(stage, ignore_errors=True)
        shutil.rmtree(stage / "tmp", ignore_errors=True)
        for name in ("set", "receipts", "small", "tmp"):
            (stage / name).mkdir(parents=True, exist_ok=True)
        write_atomic(stage, stage / "stage.json", [json.dumps(mark).encode()])
    return Stage(stage, target, header, lock)


def todo(stage: Stage) -> list[tuple[str, int]]:
    """The blocks, as (split, number), that have no valid receipt. Files of the others are read and checked."""
    return [block for block in stage.layout.blocks() if receipt(stage, *block) is None]


def receipt(stage: Stage, split: str, block: int, check_files: bool = True) -> dict[str, Any] | None:
    """The receipt of a block if there is one and its files are what it says, or None."""
    found: dict[str, Any] | None = _read_json(receipt_path(stage.path, split, block))
    if found is None or found.get("indices") != list(stage.layout.indices(split, block)):
        return None
    for name, (sha, size) in {**found["files"], **found["small"]}.items() if check_files else ():
        path = stage.path / name
        if not path.is_file() or path.stat().st_size != size or file_sha256(path) != sha:
            return None
    return found


def receipt_path(stage: Path, split: str, block: int) -> Path:
    """Where a block's receipt lies."""
    return stage / "receipts" / f"{split}-{block}.json"


def write_atomic(stage: Path, path: Path, parts: Iterable[bytes]) -> Entry:
    """Write a file in pieces under another name, then give it its own; its sha256 and size."""
    total, size = hashlib.sha256(), 0
    temporary = stage / "tmp" / f"{os.getpid()}-{threading.get_ident()}-{path.name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("wb", buffering=0) as stream:
        for part in parts:
            total.update(part)
            view = memoryview(part)
            while view.nbytes:
                written = stream.write(view) or 0
                size += written
                view = view[written:]
    temporary.replace(path)
    return total.hexdigest(), size


def sync(folder: Path) -> None:
    """Flush every file below `folder` to the disk, then every folder; several at once, as each waits for the disk."""
    with ThreadPoolExecutor(8) as threads:
        for folders in (False, True):
            paths = (p for p in chain(folder.rglob("*"), [folder]) if p.is_dir() == folders)
            while batch := list(islice(paths, 64)):
                list(threads.map(sync_one, batch))


def sync_one(path: Path) -> None:
    """Flush one file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def full_disk(target: Path) -> Iterator[None]:
    """Turn a full disk into one line that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise InputError(f"disk must have room for set '{target}'; it is full: free some and run the same "
                             f"command again, it goes on from where it was") from error  # fmt: skip
        raise


def litter(root: Path) -> list[Path]:
    """Staging folders and lock files below `root` that no live process holds."""
    dead = []
    for folder, names, files in os.walk(root):
        for name in sorted(n for n in (*names, *files) if n.startswith(PREFIX)):
            lock = Path(folder, name.removesuffix(".lock") + ".lock")
            stream = _take(lock, create=False)
            if stream is not None:
                _release(stream)
            if stream is not None or not lock.exists():
                dead.append(Path(folder, name))
        names[:] = [] if "manifest.json" in files else [n for n in sorted(names) if not n.startswith(PREFIX)]
    return dead


def clean(root: Path) -> list[Path]:
    """Remove what `litter` finds; the paths removed."""
    dead = litter(root)
    for path in dead:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return dead


def remove(stage: Stage) -> None:
    """Remove a stage whose set is published (or not wanted), and give up its lock."""
    shutil.rmtree(stage.path, ignore_errors=True)
    Path(stage.lock.name).unlink(missing_ok=True)
    stage.close()


def _take(path: Path, create: bool = True) -> IO[str] | None:
    """Lock a file and leave the process id in it, or None if another holds it (or it is not there).

    A POSIX record lock: the system gives it up when the process ends, and forked workers do not inherit it. It does
    not tell two writers of one process apart, and closing any other handle of the file would lose it, so the paths
    held here are kept too.
    """
    path = path.absolute()
    while True:
        if str(path) in HELD:
            return None
        try:
            stream = path.open("a+" if create else "r+")
        except FileNotFoundError:
            if create:
                raise
            return None
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            stream.close()
            return None
        if path.exists() and os.fstat(stream.fileno()).st_ino == path.stat().st_ino:
            break
        stream.close()  # its holder removed the file in between: take the new one
    HELD.add(stream.name)
    if create:
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
    return stream


def _release(stream: IO[str]) -> None:
    HELD.discard(stream.name)
    stream.close()


def _holder(stage: Path) -> str:
    if str(stage.with_name(stage.name + ".lock").absolute()) in HELD:
        return str(os.getpid())
    try:
        return stage.with_name(stage.name + ".lock").read_text() or "unknown"
    except OSError:
        return "unknown"


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
