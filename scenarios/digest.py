"""The logical digest: what a recording is, whatever file it lies in.

The leaf of a recording is the sha256 over its exact (integer and boolean) variables; the root of a set is a Merkle
tree over the leaves of its recordings. Padding, chunks, block sizes and codecs never enter. sha256, because common
processors compute it in hardware (three times blake2b's speed there).
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from scenarios.schema import Arrays, Var

READ_BYTES = 1 << 20


def leaf(arrays: Arrays, variables: Sequence[Var]) -> bytes:
    """The digest of one recording, shape (32,) bytes: name, type, shape and little-endian bytes of what is exact.

    `variables` gives the order (the schema's); floating-point variables are left out.
    """
    total = hashlib.sha256()
    for var in variables:
        if not var.exact:
            continue
        array = np.asarray(arrays[var.name])
        little = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
        total.update(f"{var.name}\0{little.dtype.str}\0{','.join(map(str, little.shape))}\0".encode())
        total.update(little.reshape(-1).view(np.uint8).data if little.size else b"")
    return total.digest()


def root(leaves: Iterable[tuple[str, int, bytes]]) -> str:
    """The Merkle root, in hex, over (split, index, leaf) of every recording, in the order of split and index.

    Leaves and inner nodes are told apart by their first byte (as in RFC 6962); a node without a partner moves up.
    """
    level = [
        hashlib.sha256(b"\0" + f"{split}\0{index}\0".encode() + digest).digest()
        for split, index, digest in sorted(leaves, key=lambda item: item[:2])
    ]
    while len(level) > 1:
        pairs = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[2 * len(pairs) :]
    return level[0].hex() if level else hashlib.sha256(b"").hexdigest()


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hex."""
    total = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        while block := stream.read(READ_BYTES):
            total.update(block)
    return total.hexdigest()
