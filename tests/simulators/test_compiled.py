from pathlib import Path

from simulators.compiled import CACHE, PREFIX, digest_of, sources


def test_the_cache_folder_follows_the_source_of_every_kernel(tmp_path: Path) -> None:
    assert CACHE.name == PREFIX + digest_of(sources())
    assert {f.name for f in sources()} >= {"noise.py", "latent.py", "words.py", "bits.py", "torn.py", "chain.py"}
    copies = []
    for file in sources():
        copies.append(tmp_path.joinpath(*file.parts[-3:]))
        copies[-1].parent.mkdir(parents=True, exist_ok=True)
        copies[-1].write_bytes(file.read_bytes())
    assert digest_of(copies) == digest_of(sources())
    for copy in copies:
        text = copy.read_bytes()
        copy.write_bytes(text + b"#")
        assert digest_of(copies) != digest_of(sources())
        copy.write_bytes(text)


def test_compiled_kernels_lie_there() -> None:
    from simulators.noise import normal_table

    normal_table()
    assert list(CACHE.rglob("*.nbc"))
