"""The packed store: the same pixels as decoding each file alone, packed once, whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import shutil
import struct
import time
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import layouts
import numpy as np
import pytest
from PIL import Image

from bench.catalog import FORMATS
from bench.data import _decode, packed, parallel
from bench.data.packed import open_packed, pack
from bench.data.types import ImageList
from bench.errors import DataError, StoreError


def folder(root: Path) -> ImageList:
    result: ImageList = FORMATS.get("folder").function(root)
    return result


@pytest.fixture
def images(tmp_path: Path) -> ImageList:
    """Files of every kind: sizes, shapes, suffixes, grey."""
    root = tmp_path / "faces"
    layouts.image(root / "ann" / "0.png", 0)
    layouts.image(root / "ann" / "1.jpg", 1, size=(30, 20))
    layouts.image(root / "ann" / "2.bmp", 2, size=(5, 9))
    layouts.image(root / "bo" / "0.png", 3, mode="L")
    layouts.image(root / "bo" / "1.webp", 4, size=(16, 16))
    layouts.image(root / "bo" / "2.png", 5, mode="RGBA")
    return folder(root)


def twin(path: Path, pixels: int) -> Any:
    """What the store promises, step by step."""
    image = Image.open(path).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return np.array(
        image.crop((left, top, left + side, top + side)).resize((pixels, pixels), Image.Resampling.BILINEAR)
    )


@pytest.mark.parametrize("pixels", [8, 5, 12])
def test_every_image_is_what_decoding_it_alone_gives(images: ImageList, tmp_path: Path, pixels: int) -> None:
    store = open_packed(tmp_path, pack(images, pixels=pixels, cache=tmp_path))
    assert store.images.shape == (6, pixels, pixels, 3)
    for row, file in zip(store.images, images.files, strict=True):
        np.testing.assert_array_equal(row, twin(images.root / file, pixels))
    assert store.files == images.files
    assert store.identities == images.identities
    assert store.labels.tolist() == images.labels.tolist()


def test_an_image_of_the_right_size_keeps_its_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    (tmp_path / "faces" / "ann").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "faces" / "ann" / "0.png")
    store = open_packed(tmp_path, pack(folder(tmp_path / "faces"), pixels=8, cache=tmp_path))
    np.testing.assert_array_equal(store.images[0], pixels)


def test_gather_copies_rows_in_the_order_asked(images: ImageList, tmp_path: Path) -> None:
    store = open_packed(tmp_path, pack(images, pixels=8, cache=tmp_path))
    batch = store.gather([4, 0, 4])
    np.testing.assert_array_equal(batch, [store.images[4], store.images[0], store.images[4]])
    assert type(batch) is np.ndarray
    assert (batch.dtype, batch.flags.writeable, batch.flags.c_contiguous) == (np.uint8, True, True)
    batch[:] = 0
    assert store.images[4].any()
    assert store.gather(np.array([], np.int64)).shape == (0, 8, 8, 3)
    with pytest.raises(IndexError):
        store.gather([6])
    with pytest.raises(ValueError, match="read-only"):
        store.images[0] = 0


def test_facts_count_grey_images_and_original_sizes(images: ImageList, tmp_path: Path) -> None:
    facts = open_packed(tmp_path, pack(images, pixels=8, cache=tmp_path)).facts
    assert facts == {"grey": 1, "original_sizes": {"16x16": 1, "30x20": 1, "5x9": 1, "8x8": 3}}


def test_an_upright_tag_is_obeyed(tmp_path: Path) -> None:
    path = layouts.image(tmp_path / "faces" / "ann" / "0.png", size=(8, 8))
    plain = np.array(Image.open(path))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° clockwise
    Image.fromarray(plain).save(path, exif=exif)
    store = open_packed(tmp_path, pack(folder(tmp_path / "faces"), pixels=8, cache=tmp_path))
    np.testing.assert_array_equal(store.images[0], np.rot90(plain, -1))


def test_the_second_time_nothing_is_decoded(images: ImageList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    digest = pack(images, pixels=8, cache=tmp_path, progress=lambda *p: seen.append(p))
    assert seen == [(6, 6)]
    monkeypatch.setattr(packed, "_write", None)
    assert pack(images, pixels=8, cache=tmp_path) == digest


def test_the_digest_is_of_content_and_pixels(images: ImageList, tmp_path: Path) -> None:
    other = dataclasses.replace(images, labels=images.labels[::-1].copy())
    digests = {pack(i, pixels=p, cache=tmp_path) for i in (images, other) for p in (4, 8)}
    assert len(digests) == 4


def test_processes_give_the_same_bytes_as_one(
    images: ImageList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = open_packed(tmp_path / "a", pack(images, pixels=8, cache=tmp_path / "a", workers=1))
    monkeypatch.setattr(parallel, "FEW", 0)
    monkeypatch.setattr(packed, "CHUNK", 2)
    seen: list[tuple[int, int]] = []
    digest = pack(images, pixels=8, cache=tmp_path / "b", workers=2, progress=lambda *p: seen.append(p))
    assert seen == [(2, 6), (4, 6), (6, 6)]
    several = open_packed(tmp_path / "b", digest)
    np.testing.assert_array_equal(several.images, alone.images)
    assert (several.facts, several.digest) == (alone.facts, alone.digest)


def _pack_and_count(images: ImageList, cache: Path, start: Any, counts: Any) -> None:
    writes = []
    original = packed._write

    def slow(*given: Any) -> None:
        writes.append(1)
        time.sleep(0.3)  # long enough for the other process to come this far, were it let in
        original(*given)

    packed._write = slow
    start.wait()
    pack(images, pixels=8, cache=cache)
    counts.put(len(writes))


def test_two_processes_at_once_decode_once(images: ImageList, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, counts = context.Barrier(2), context.Queue()
    both = [context.Process(target=_pack_and_count, args=(images, tmp_path, start, counts)) for _ in range(2)]
    for process in both:
        process.start()
    written = [counts.get(timeout=60) for _ in both]
    for process in both:
        process.join()
    assert sorted(written) == [0, 1]
    open_packed(tmp_path, pack(images, pixels=8, cache=tmp_path))


def nothing_left(cache: Path) -> bool:
    return not [p for p in (cache / "packed").iterdir() if not p.name.endswith(".lock")]


@pytest.mark.parametrize("workers", [1, 2])
def test_unreadable_images_are_named_and_nothing_is_left(
    images: ImageList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(parallel, "FEW", 0)
    monkeypatch.setattr(packed, "CHUNK", 2)
    cut = images.root / "ann" / "1.jpg"
    cut.write_bytes(cut.read_bytes()[:-100])
    (images.root / "bo" / "1.webp").write_bytes(b"no image")
    with pytest.raises(DataError) as raised:
        pack(images, pixels=8, cache=tmp_path, workers=workers)
    text = str(raised.value)
    assert "2 unreadable images: ann/1.jpg (" in text
    assert "truncated" in text
    assert "bo/1.webp (cannot identify image file" in text
    assert "\n" not in text
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_unreadable_images_are_left_out_only_where_that_is_asked_for(
    images: ImageList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    whole = open_packed(tmp_path, pack(images, pixels=8, cache=tmp_path))
    untouched = pack(images, pixels=8, cache=tmp_path, on_bad_image="skip")
    monkeypatch.setattr(parallel, "FEW", 0)
    monkeypatch.setattr(packed, "CHUNK", 2)
    for file in ("ann/1.jpg", "ann/2.bmp"):
        (images.root / file).write_bytes(b"")
    digest = pack(images, pixels=8, cache=tmp_path, on_bad_image="skip", workers=workers)
    left = open_packed(tmp_path, digest)
    assert left.rows.tolist() == [0, 3, 4, 5]
    np.testing.assert_array_equal(left.images, whole.images[left.rows])
    assert left.files == tuple(images.files[row] for row in left.rows)
    assert left.skipped == (
        "ann/1.jpg (cannot identify image file)",
        "ann/2.bmp (cannot identify image file)",
    )
    assert untouched not in (whole.digest, digest)


def test_a_person_without_a_readable_image_is_left_out_too(images: ImageList, tmp_path: Path) -> None:
    for file in images.files[:3]:
        (images.root / file).write_bytes(b"")
    left = open_packed(tmp_path, pack(images, pixels=8, cache=tmp_path, on_bad_image="skip"))
    assert (left.identities, left.labels.tolist()) == (("bo",), [0, 0, 0])
    for file in images.files[3:]:
        (images.root / file).write_bytes(b"")
    with pytest.raises(DataError, match="none of 6 images can be read"):
        pack(images, pixels=8, cache=tmp_path, on_bad_image="skip")


def test_a_file_too_large_to_be_an_image_is_not_read(images: ImageList, tmp_path: Path) -> None:
    with (images.root / "ann" / "0.png").open("rb+") as file:
        file.truncate(1 << 29)  # takes no disk
    with pytest.raises(DataError, match=r"ann/0.png \(has 536870912 bytes; at most 268435456 are read\)"):
        pack(images, pixels=8, cache=tmp_path)


@dataclasses.dataclass(frozen=True)
class Jar:
    """A container that holds the files of a folder, and one of them as raw pixels."""

    path: Path
    raw: str

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path / "jar",)

    def read(self, name: str) -> bytes | Any:
        file = self.path / name
        return np.array(Image.open(file).convert("RGB")) if name == self.raw else file.read_bytes()


def test_images_in_a_container_are_packed_as_files_are(
    images: ImageList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "FEW", 0)
    monkeypatch.setattr(packed, "CHUNK", 2)
    plain = open_packed(tmp_path, pack(images, pixels=6, cache=tmp_path))
    (images.root / "jar").write_text("a")
    jar = dataclasses.replace(images, container=Jar(images.root, "ann/2.bmp"))
    found = open_packed(tmp_path, pack(jar, pixels=6, cache=tmp_path, workers=2))
    np.testing.assert_array_equal(found.images, plain.images)
    assert found.facts == plain.facts
    assert found.digest != plain.digest  # the raw pixels are other bytes


def test_missing_images_and_empty_lists(images: ImageList, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images to pack"):
        pack(dataclasses.replace(images, files=(), labels=np.zeros(0, np.int64)), pixels=8, cache=tmp_path)
    (images.root / images.files[0]).unlink()
    with pytest.raises(DataError, match=r"1 images are missing or cannot be read: ann/0.png"):
        pack(images, pixels=8, cache=tmp_path)


def huge_png(path: Path, side: int) -> None:
    """A file of a few hundred bytes that claims side × side pixels."""

    def block(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", zlib.compress(b"\0")) + block(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("side", "reason"),
    [(9_000, "claims 9000x9000 pixels"), (12_000, "decompression bomb"), (30_000, "decompression bomb")],
)
def test_decompression_bombs_are_refused_unread(images: ImageList, tmp_path: Path, side: int, reason: str) -> None:
    huge_png(images.root / "ann" / "0.png", side)
    with pytest.raises(DataError, match=f"ann/0.png .*{reason}"):
        pack(images, pixels=8, cache=tmp_path)


def test_more_than_eight_bits_are_refused_not_clipped(images: ImageList, tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 4000, np.uint16)).save(images.root / "ann" / "0.png")
    with pytest.raises(DataError, match=r"ann/0.png \(pixel format I;16; convert it to 8 bits"):
        pack(images, pixels=8, cache=tmp_path)


def test_a_full_disk_is_known_before_anything_is_decoded(
    images: ImageList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    with pytest.raises(StoreError, match=r"disk is full .*MiB are needed.*BENCH_CACHE") as raised:
        pack(images, pixels=8, cache=tmp_path)
    assert "\n" not in str(raised.value)
    assert nothing_left(tmp_path)


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(
    images: ImageList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(chunk: _decode.Chunk) -> _decode.Decoded:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packed, "decode_chunk", full)
    with pytest.raises(StoreError, match="disk is full"):
        pack(images, pixels=8, cache=tmp_path)
    assert nothing_left(tmp_path)


def test_an_interrupted_pack_leaves_nothing_and_a_killed_one_is_swept(images: ImageList, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(images, pixels=8, cache=tmp_path, progress=interrupt)
    assert nothing_left(tmp_path)
    digest = pack(images, pixels=8, cache=tmp_path)
    shutil.rmtree(tmp_path / "packed" / digest)
    partial = tmp_path / "packed" / f".{digest}.partial"
    partial.mkdir()
    (partial / "images.u8").write_bytes(b"half")
    open_packed(tmp_path, pack(images, pixels=8, cache=tmp_path))
    assert not partial.exists()


def test_a_cache_that_cannot_be_written(images: ImageList, tmp_path: Path) -> None:
    (tmp_path / "packed").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"cannot write packed images .*BENCH_CACHE"):
        pack(images, pixels=8, cache=tmp_path)


@pytest.mark.parametrize("damage", ["short", "long", "no images", "no index", "half an index"])
def test_a_damaged_store_is_set_aside_and_packed_again(images: ImageList, tmp_path: Path, damage: str) -> None:
    digest = pack(images, pixels=8, cache=tmp_path)
    store = tmp_path / "packed" / digest
    content, index = (store / "images.u8").read_bytes(), (store / "index.json").read_bytes()

    def spoil() -> None:
        match damage:
            case "short":
                (store / "images.u8").write_bytes(content[:-1])
            case "long":
                (store / "images.u8").write_bytes(content + b"x")
            case "no images":
                (store / "images.u8").unlink()
            case "no index":
                (store / "index.json").unlink()
            case _:
                (store / "index.json").write_bytes(index[:20])

    spoil()
    with pytest.raises(DataError, match=r"set aside as .*damaged; run the same command again"):
        open_packed(tmp_path, digest)
    assert not store.exists()
    assert pack(images, pixels=8, cache=tmp_path) == digest
    spoil()
    assert pack(images, pixels=8, cache=tmp_path) == digest
    assert (store / "images.u8").read_bytes() == content
    assert json.loads((store / "index.json").read_bytes()) == json.loads(index)


def test_what_is_not_packed_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not packed; run the same command again"):
        open_packed(tmp_path, "0" * 64)


def test_palettes_with_transparency_are_read_without_a_warning(tmp_path: Path) -> None:
    path = layouts.image(tmp_path / "faces" / "ann" / "0.png")
    Image.open(path).quantize(16).save(path, transparency=bytes(range(16)))
    store = open_packed(tmp_path, pack(folder(tmp_path / "faces"), pixels=8, cache=tmp_path))
    np.testing.assert_array_equal(store.images[0], np.array(Image.open(path).convert("RGBA"))[..., :3])
