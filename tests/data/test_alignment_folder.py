"""A folder aligned into another: the same names, everything that is wrong named, whole or not at all."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import layouts
import numpy as np
import pytest
from PIL import Image

from bench.data.alignment.folder import Aligned, Manner, align_folder
from bench.data.alignment.landmarks import Landmarks, read_landmarks
from bench.data.alignment.similarity import TEMPLATE, fit
from bench.data.alignment.warp import warp
from bench.errors import DataError

MANNER = Manner(pixels=112, antialias=True, allow_outside=False, png=False)
AWAY = np.array((60.0, 0))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for i, name in enumerate(("ann/1.jpg", "ann/2.png", "bo/1.webp", "bo/2.bmp")):
        layouts.image(tmp_path / "in" / name, i, size=(120, 110))
    return tmp_path / "in"


def landmarks(root: Path, **points: np.ndarray) -> Landmarks:
    """The template's own points for every image but those given (by name without suffix, ``/`` as ``_``)."""
    names = sorted(p.relative_to(root).as_posix() for p in root.rglob("*.*"))
    own = {name: points.get(name.replace("/", "_").split(".")[0], TEMPLATE) for name in names}
    kept = {name: value for name, value in own.items() if value is not None}
    return Landmarks(tuple(kept), np.array(list(kept.values())).reshape(-1, 5, 2), stems=False, broken={})


def align(root: Path, marks: Landmarks, manner: Manner = MANNER, **options: object) -> Aligned:
    return align_folder(root, marks, root.parent / "out", manner, **options)  # type: ignore[arg-type]


def refusal(root: Path, marks: Landmarks, manner: Manner = MANNER, **options: object) -> str:
    with pytest.raises(DataError) as raised:
        align(root, marks, manner, **options)
    assert [p.name for p in root.parent.iterdir()] == ["in"], "nothing is left behind"
    return str(raised.value)


def test_every_image_keeps_its_name_and_format(root: Path) -> None:
    done = align(root, landmarks(root, ann_2=TEMPLATE + 1.5))
    assert (done.written, done.skipped, done.no_images) == (4, (), ())
    for name in ("ann/1.jpg", "ann/2.png", "bo/1.webp", "bo/2.bmp"):
        with Image.open(root / name) as before, Image.open(root.parent / "out" / name) as after:
            assert (after.format, after.mode, after.size) == (before.format, "RGB", (112, 112))
            shift = 1.5 if name == "ann/2.png" else 0
            expected = np.asarray(warp(before.convert("RGB"), fit(TEMPLATE + shift, TEMPLATE), 112))
            assert np.abs(expected - np.asarray(after, np.float64)).max() <= (40 if name == "ann/1.jpg" else 0)


def test_png_replaces_every_suffix_and_two_images_cannot_become_one(root: Path) -> None:
    manner = Manner(pixels=64, antialias=True, allow_outside=False, png=True)
    align(root, landmarks(root), manner)
    written = sorted(p.relative_to(root.parent / "out").as_posix() for p in (root.parent / "out").rglob("*.*"))
    assert written == ["ann/1.png", "ann/2.png", "bo/1.png", "bo/2.png"]
    layouts.image(root / "ann" / "1.png", size=(120, 110))
    done = align_folder(root, landmarks(root), root.parent / "more", manner, on_bad_image="skip")
    assert done.skipped == tuple(f"ann/1.{s}: another image differs from it in the suffix only" for s in ("jpg", "png"))


def test_everything_that_is_wrong_is_named(root: Path) -> None:
    marks = landmarks(root, ann_1=None, ann_2=np.ones((5, 2)), bo_1=TEMPLATE * (-1, 1) + (112, 0), bo_2=TEMPLATE + AWAY)
    marks = Landmarks((*marks.names, "cy/1.jpg"), np.concatenate([marks.points, TEMPLATE[None]]), False, {})
    first = refusal(root, marks)
    assert "2 images cannot be aligned" in first
    assert "ann/1.jpg: has no landmarks" in first
    assert "cy/1.jpg: has landmarks, but there is no such image" in first
    marks = landmarks(root, ann_2=np.ones((5, 2)), bo_1=TEMPLATE * (-1, 1) + (112, 0), bo_2=TEMPLATE + AWAY)
    second = refusal(root, marks)
    assert "3 images cannot be aligned" in second
    assert "ann/2.png: the landmarks coincide" in second
    assert "bo/1.webp: a mirrored face fits the landmarks far better" in second
    assert "bo/2.bmp: right eye, right mouth corner lie outside of its 120x110 pixels" in second


def test_bad_images_are_left_out_and_named_where_that_is_asked_for(root: Path) -> None:
    (root / "ann" / "1.jpg").write_bytes((root / "ann" / "1.jpg").read_bytes()[:400])
    (root / "bo" / "1.webp").write_bytes(b"")
    (root / "bo" / "note.txt").touch()
    marks = landmarks(root)
    marks = Landmarks(marks.names[:-1], marks.points[:-1], False, {})
    done = align(root, marks, on_bad_image="skip")
    assert done.written == 2
    assert [bad.split(" ")[0] for bad in done.skipped] == ["ann/1.jpg:", "bo/1.webp:"]
    assert done.no_images == ("bo/note.txt",)
    assert not (root.parent / "out" / "ann" / "1.jpg").exists()


def test_nothing_at_all_is_an_error_even_where_bad_images_are_left_out(root: Path) -> None:
    for file in root.rglob("*.*"):
        file.write_bytes(b"no image")
    assert "4 images cannot be aligned" in refusal(root, landmarks(root), on_bad_image="skip")


def test_a_landmark_outside_is_allowed_on_request(root: Path) -> None:
    manner = Manner(pixels=112, antialias=True, allow_outside=True, png=False)
    assert align(root, landmarks(root, bo_2=TEMPLATE + AWAY), manner).written == 4


def test_only_some_images_are_aligned_with_a_landmark_file_each(root: Path) -> None:
    marks = root.parent / "marks"
    for stem in ("ann/1", "bo/1"):
        (marks / stem).parent.mkdir(parents=True)
        (marks / f"{stem}.txt").write_text("".join(f"{x},{y}\n" for x, y in TEMPLATE))
    found = read_landmarks(marks)
    assert align(root, found, only="*/1.*").written == 2
    (marks / "bo" / "1.txt").write_text("1,2\n")
    done = align_folder(root, read_landmarks(marks), root.parent / "more", MANNER, only="*/1.*", on_bad_image="skip")
    assert done.skipped == ("bo/1.webp: bo/1.txt: holds 1 points, point 5 is asked for",)
    with pytest.raises(DataError, match=r"4 images, none whose path matches 'cy/\*'"):
        align_folder(root, found, root.parent / "none", MANNER, only="cy/*")


def test_a_folder_that_is_not_empty_or_lies_within_the_images_is_not_written_to(root: Path) -> None:
    (root.parent / "out").mkdir()
    (root.parent / "out" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not an empty folder"):
        align(root, landmarks(root))
    assert (root.parent / "out" / "mine.txt").read_text() == "mine"
    with pytest.raises(DataError, match="lies within the folder of images"):
        align_folder(root, landmarks(root), root / "aligned", MANNER)


def test_a_decompression_bomb_is_one_bad_image(root: Path) -> None:
    def block(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", zlib.compress(b"")) + block(b"IEND", b"")
    (root / "ann" / "2.png").write_bytes(bomb)
    assert "ann/2.png: " in refusal(root, landmarks(root))


def test_an_image_is_turned_upright_before_its_landmarks_are_looked_up(root: Path) -> None:
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 256, (112, 130, 3), np.uint8))
    turned = pixels.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise when shown
    turned.save(root / "ann" / "2.png", exif=exif)
    align(root, landmarks(root))
    with Image.open(root.parent / "out" / "ann" / "2.png") as after:
        np.testing.assert_array_equal(np.asarray(after), np.asarray(pixels)[:, :112])
