"""Where the cache lies, and digests of sources: equal for equal content, different for any difference, read once."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from pathlib import Path

import layouts
import numpy as np
import pytest

from bench.catalog import FORMATS
from bench.data import cache
from bench.data.cache import cache_root, source_digest, stored_at, write_whole
from bench.data.types import ImageList
from bench.errors import DataError, StoreError

LONG_AGO = 1_500_000_000_000_000_000


@pytest.fixture
def images(tmp_path: Path) -> ImageList:
    root = layouts.image_folder(tmp_path / "faces", {"ann": 2, "bo": 1})
    for file in root.rglob("*.png"):
        os.utime(file, ns=(LONG_AGO, LONG_AGO))
    result: ImageList = FORMATS.get("folder").function(root)
    return result


def test_the_cache_lies_where_it_is_told_else_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "here"))
    assert cache_root() == tmp_path / "here"
    monkeypatch.delenv("BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "face-margin-bench"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_root() == tmp_path / "home" / ".cache" / "face-margin-bench"


def test_the_cache_is_never_inside_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(Path(cache.__file__).parents[2] / "results" / "cache"))
    with pytest.raises(StoreError, match="inside the repository; set BENCH_CACHE"):
        cache_root()


def test_the_digest_is_of_names_people_and_bytes_in_order(images: ImageList, tmp_path: Path) -> None:
    total = hashlib.sha256(json.dumps(["images", 1, images.identities]).encode())
    for file, label in zip(images.files, images.labels.tolist(), strict=True):
        content = hashlib.sha256((images.root / file).read_bytes()).hexdigest()
        total.update(json.dumps([file, images.identities[label], content]).encode())
    assert source_digest(images, cache=tmp_path / "cache") == total.hexdigest()


def test_any_difference_changes_it_and_the_roots_place_does_not(images: ImageList, tmp_path: Path) -> None:
    store = tmp_path / "cache"
    moved = tmp_path / "moved"
    before = source_digest(images, cache=store)
    images.root.rename(moved)
    images = dataclasses.replace(images, root=moved)
    assert source_digest(images, cache=store) == before
    variants = [
        dataclasses.replace(images, labels=np.array([0, 1, 1])),
        dataclasses.replace(images, identities=("ann", "cy")),
        dataclasses.replace(images, files=images.files[::-1], labels=images.labels[::-1]),
        dataclasses.replace(images, files=images.files[:2], labels=images.labels[:2]),
    ]
    assert len({before, *(source_digest(v, cache=store) for v in variants)}) == 5


def test_files_are_read_once_and_again_when_their_time_or_size_changes(
    images: ImageList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, read = tmp_path / "cache", []
    original = cache._fingerprint
    monkeypatch.setattr(cache, "_fingerprint", lambda path: (read.append(path.name), original(path))[1])
    first = source_digest(images, cache=store)
    assert len(read) == 3
    assert source_digest(images, cache=store) == first
    assert len(read) == 3
    changed = images.root / images.files[0]
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    os.utime(changed, ns=(LONG_AGO + 1, LONG_AGO + 1))
    assert source_digest(images, cache=store) != first
    assert read[3:] == [changed.name]


def test_a_file_that_was_written_just_now_is_not_remembered(images: ImageList, tmp_path: Path) -> None:
    """It may be written again within one tick of the clock, with the same size."""
    file = images.root / images.files[0]
    now = time.time_ns()
    os.utime(file, ns=(now, now))
    before = source_digest(images, cache=tmp_path)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(now, now))
    assert source_digest(images, cache=tmp_path) != before


def test_a_damaged_memory_is_only_forgotten(images: ImageList, tmp_path: Path) -> None:
    before = source_digest(images, cache=tmp_path / "cache")
    (memory,) = (tmp_path / "cache" / "fingerprints").iterdir()
    for content in (b"{", b"[]", b"\xff"):
        memory.write_bytes(content)
        assert source_digest(images, cache=tmp_path / "cache") == before


@dataclasses.dataclass(frozen=True)
class Jar:
    """A container: one text file, an image's name and content a line."""

    path: Path

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def read(self, name: str) -> bytes:
        reads.append(name)
        return dict(line.split("=") for line in self.path.read_text().split())[name].encode()


reads: list[str] = []


def test_what_a_container_holds_is_digested_by_image_and_remembered_until_its_file_changes(tmp_path: Path) -> None:
    jar = tmp_path / "jar"
    images = ImageList(jar, ("a", "b"), np.array([0, 1]), ("ann", "bo"), Jar(jar))

    def fill(text: str, when: int) -> list[str]:
        jar.write_text(text)
        os.utime(jar, ns=(when, when))
        reads.clear()
        return cache.image_digests(images, cache=tmp_path / "cache")

    first = fill("a=1 b=2", LONG_AGO)
    assert first == [hashlib.sha256(content).hexdigest() for content in (b"1", b"2")]
    assert sorted(reads) == ["a", "b"]
    assert fill("a=1 b=2", LONG_AGO) == first
    assert not reads
    assert fill("a=1 b=3", LONG_AGO + 1) == [first[0], hashlib.sha256(b"3").hexdigest()]
    # A file that was written just now may change again unseen.
    assert fill("a=1 b=4", time.time_ns())[1] == hashlib.sha256(b"4").hexdigest()
    assert fill("a=1 b=5", time.time_ns())[1] == hashlib.sha256(b"5").hexdigest()


def test_missing_files_are_listed_to_five_and_counted(tmp_path: Path) -> None:
    images = ImageList(tmp_path, tuple(f"{i}.jpg" for i in range(7)), np.zeros(7, np.int64), ("ann",))
    with pytest.raises(DataError) as raised:
        source_digest(images, cache=tmp_path / "cache")
    text = str(raised.value)
    assert "7 images are missing or cannot be read: 0.jpg (No such file or directory); 1.jpg" in text
    assert "5.jpg" not in text
    assert "… and 2 more (7 in all)" in text
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_one_line(images: ImageList, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"cannot write .*BENCH_CACHE") as raised:
        source_digest(images, cache=tmp_path / "cache")
    assert "\n" not in str(raised.value)


def test_whole_writes_leave_the_old_file_when_they_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    write_whole(file, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        write_whole(file, b"new")
    assert file.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("digest", ["", "../../etc", "A" * 64, "0" * 63])
def test_only_a_digest_leads_into_the_cache(tmp_path: Path, digest: str) -> None:
    with pytest.raises(DataError, match="named by 64 hex digits"):
        stored_at(tmp_path, "packed", digest)
