"""Sources written in other formats and read back: the same bytes, people and pairs; nothing written elsewhere."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import layouts
import numpy as np
import pytest
from PIL import Image

from bench.catalog import FORMATS
from bench.data.convert import Converted, convert
from bench.data.source import images_of
from bench.data.types import ImageList, Pixels, Protocol
from bench.errors import DataError


def read(fmt: str, path: Path, **options: object) -> ImageList | Protocol:
    result: ImageList | Protocol = FORMATS.get(fmt).function(path, **options)
    return result


def groups(images: ImageList) -> set[frozenset[bytes]]:
    """The images' stored bytes, person by person, whatever people and images are called."""
    people: dict[int, set[bytes]] = {}
    for file, label in zip(images.files, images.labels.tolist(), strict=True):
        stored = images.read(file)
        assert isinstance(stored, bytes)
        people.setdefault(label, set()).add(stored)
    return {frozenset(content) for content in people.values()}


def compared(protocol: Protocol, *, folds: bool = True) -> list[tuple[bytes | Pixels, ...]]:
    """The pairs as what is compared with what, the label, and the fold."""
    image = {t: protocol.images.read(f) for t, f in zip(protocol.template, protocol.images.files, strict=True)}
    fold = protocol.fold if protocol.fold is not None and folds else np.zeros(len(protocol.same))
    return [
        (image[a], image[b], bool(same), int(f))
        for (a, b), same, f in zip(protocol.pairs.tolist(), protocol.same, fold, strict=True)
    ]  # type: ignore[misc]


def refusal(found: ImageList | Protocol, to: Path, target: str) -> str:
    before = sorted(to.parent.rglob("*"))
    with pytest.raises(DataError) as raised:
        convert(found, to, target)  # type: ignore[arg-type]
    assert sorted(to.parent.rglob("*")) == before, "nothing is left behind"
    return str(raised.value)


@pytest.fixture
def people(tmp_path: Path) -> ImageList:
    root = tmp_path / "in"
    for i, name in enumerate(("ann/1.jpg", "ann/2.png", "Bo Li/1.webp", "bo/1.bmp", "bo/10.jpeg", "zé/1.jpg")):
        layouts.image(root / name, i)
    result = read("folder", root)
    assert isinstance(result, ImageList)
    return result


def test_a_folder_written_as_records_and_back_holds_the_same_bytes_and_people(
    people: ImageList, tmp_path: Path
) -> None:
    done = convert(people, tmp_path / "rec", "rec")
    assert (done.images, done.identities) == (6, 4)
    records = images_of(read("rec", tmp_path / "rec"))
    assert groups(records) == groups(people)
    assert (records.identities, records.named) == (people.identities, True)
    assert (tmp_path / "rec" / "property").read_text() == "4,8,8"
    assert (tmp_path / "rec" / "identities.txt").read_text(encoding="utf-8").splitlines() == list(people.identities)
    convert(records, tmp_path / "back", "folder")
    back = images_of(read("folder", tmp_path / "back"))
    assert groups(back) == groups(people)
    assert {Path(file).suffix for file in back.files} == {".jpg", ".png", ".webp", ".bmp"}


def test_people_without_names_keep_their_order_as_folders(tmp_path: Path) -> None:
    many = images_of(read("folder", layouts.image_folder(tmp_path / "in", {f"p{i:02d}": 1 for i in range(12)})))
    convert(many, tmp_path / "rec", "rec")
    (tmp_path / "rec" / "identities.txt").unlink()
    convert(read("rec", tmp_path / "rec"), tmp_path / "back", "folder")
    back = images_of(read("folder", tmp_path / "back"))
    assert back.identities == tuple(f"{i:02d}" for i in range(12))
    assert [back.read(file) for file in back.files] == [many.read(file) for file in many.files]


def test_property_is_written_only_where_all_images_have_one_size(people: ImageList, tmp_path: Path) -> None:
    layouts.image(people.root / people.files[0], size=(9, 8))
    convert(people, tmp_path / "rec", "rec")
    assert not (tmp_path / "rec" / "property").exists()


@pytest.mark.parametrize("source", ["lfw_images", "cfp_images", "folder"])
def test_an_image_folder_keeps_bytes_people_and_file_names(tmp_path: Path, source: str) -> None:
    layout = {"lfw_images": layouts.lfw, "cfp_images": layouts.cfp}.get(source)
    root = layout(tmp_path / "in") if layout else layouts.image_folder(tmp_path / "in", {"a": 2, "b": 1})
    before = images_of(read(source, root))
    convert(before, tmp_path / "out", "folder")
    after = images_of(read("folder", tmp_path / "out"))
    assert after.identities == before.identities
    assert groups(after) == groups(before)
    first = {"lfw_images": "Ann_Lee/Ann_Lee_0001.jpg", "cfp_images": "Ann Lee/001_frontal_01.jpg", "folder": "a/0.png"}
    assert after.files[0] == first[source]


@pytest.mark.parametrize(("source", "options"), [("lfw", {}), ("cfp", {"set": "FP"}), ("cfp", {"set": "FF"})])
def test_a_protocol_written_as_a_folder_holds_the_same_pairs(tmp_path: Path, source: str, options: dict) -> None:
    before = read(source, getattr(layouts, source)(tmp_path / "in"), **options)
    done = convert(before, tmp_path / "out", "folder")
    assert "--option identity=folder --option folds=2 --option fold_by=column" in done.notes[0]
    after = read("pairs", tmp_path / "out", identity="folder", folds=2, fold_by="column")
    assert isinstance(before, Protocol)
    assert isinstance(after, Protocol)
    assert compared(after) == compared(before)
    assert set(after.images.identities) == set(before.images.identities)


def test_a_protocol_without_folds_is_written_without_them(tmp_path: Path) -> None:
    before = read("lfw", layouts.lfw(tmp_path / "in"))
    assert isinstance(before, Protocol)
    convert(dataclasses.replace(before, fold=None), tmp_path / "out", "folder")
    after = read("pairs", tmp_path / "out", identity="folder", folds=0)
    assert isinstance(after, Protocol)
    assert after.fold is None
    assert compared(after) == compared(before, folds=False)


def test_a_protocol_written_as_bin_and_verified_compares_the_same_pairs(tmp_path: Path) -> None:
    before = read("lfw", layouts.lfw(tmp_path / "in"))
    assert isinstance(before, Protocol)
    shuffled = np.array([7, 0, 5, 2, 1, 6, 3, 4])
    mixed = dataclasses.replace(
        before, pairs=before.pairs[shuffled], same=before.same[shuffled], fold=before.fold[shuffled]
    )
    done = convert(mixed, tmp_path / "lfw.bin", "bin")
    assert "--option folds=2 gives the same ones" in done.notes[0]
    after = read("bin", tmp_path / "lfw.bin", folds=2)
    assert isinstance(after, Protocol)
    key = lambda pair: (pair[3], pair[:3])  # noqa: E731
    assert sorted(compared(after), key=key) == sorted(compared(before), key=key)


def test_folds_that_a_bin_cannot_hold_are_told(tmp_path: Path) -> None:
    before = read("lfw", layouts.lfw(tmp_path / "in"))
    assert isinstance(before, Protocol)
    odd = dataclasses.replace(before, fold=np.array([0, 0, 0, 1, 1, 1, 1, 1]))
    assert "readers cut it into equal ones, which differ" in convert(odd, tmp_path / "x.bin", "bin").notes[0]


def test_raw_pixels_are_written_as_png(people: ImageList, tmp_path: Path) -> None:
    @dataclasses.dataclass(frozen=True)
    class Raw:
        path: Path = tmp_path / "raw"
        files: tuple[Path, ...] = ()

        def read(self, name: str) -> Pixels:
            return np.full((4, 4, 3), int(name), np.uint8)

    raw = ImageList(tmp_path / "raw", ("3", "5"), np.array([0, 1]), ("0", "1"), Raw(), named=False)
    convert(raw, tmp_path / "out", "folder")
    with Image.open(tmp_path / "out" / "1" / "5.png") as image:
        np.testing.assert_array_equal(np.asarray(image), np.full((4, 4, 3), 5))


def test_sources_of_the_wrong_kind_are_refused(people: ImageList, tmp_path: Path) -> None:
    protocol = read("lfw", layouts.lfw(tmp_path / "lfw"))
    assert "was read as a training set; --as bin needs a protocol" in refusal(people, tmp_path / "x", "bin")
    assert "was read as a protocol; --as rec needs a training set" in refusal(protocol, tmp_path / "x", "rec")
    videos = read("ytf", layouts.ytf(tmp_path / "ytf", frames=2))
    for target, what in (("bin", "a .bin"), ("folder", "a pair list")):
        text = refusal(videos, tmp_path / "x", target)
        assert f"{what} compares single images, but 4 of 4 templates have several, such as Ann_Lee/0" in text


@pytest.mark.parametrize(
    "name", ["../ann", "/etc", "a/b", "..", ".hidden", "C:x", "a\\b", "a\nb", "a\x1b[2J", "", " a"]
)
def test_names_that_cannot_be_files_are_refused_before_anything_is_written(
    people: ImageList, tmp_path: Path, name: str
) -> None:
    bad = dataclasses.replace(people, identities=(name, *people.identities[1:]))
    text = refusal(bad, tmp_path / "out", "folder")
    assert "cannot be the name of a folder" in text
    assert "\n" not in text
    assert "\x1b" not in text


def test_images_that_would_be_one_file_are_refused(tmp_path: Path) -> None:
    for name in ("a/b_c.jpg", "a/b/c.jpg"):
        layouts.image(tmp_path / "in" / name)
    images = ImageList(tmp_path / "in", ("a/b_c.jpg", "a/b/c.jpg"), np.zeros(2, np.int64), ("a",))
    assert "image 'a/b_c.jpg' and another would be one file" in refusal(images, tmp_path / "out", "folder")


@pytest.mark.parametrize("target", ["folder", "rec"])
@pytest.mark.parametrize("damage", ["gone", "empty"])
def test_an_image_that_cannot_be_read_is_named_and_nothing_is_written(
    people: ImageList, tmp_path: Path, target: str, damage: str
) -> None:
    file = people.root / people.files[3]
    file.unlink() if damage == "gone" else file.write_bytes(b"")
    assert f"{people.files[3]}: " in refusal(people, tmp_path / "out", target)


@pytest.mark.parametrize("target", ["folder", "rec"])
def test_nothing_is_written_into_the_source_or_over_something(people: ImageList, tmp_path: Path, target: str) -> None:
    assert "lies within the source" in refusal(people, people.root / "ann", target)
    assert "lies within the source" in refusal(people, people.root / "new", target)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    assert "not an empty folder" in refusal(people, tmp_path / "full", target)


def test_progress_counts_every_image(people: ImageList, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    done: Converted = convert(people, tmp_path / "out", "folder", progress=lambda *at: told.append(at))
    assert told == [(i, 6) for i in range(1, 7)]
    assert done == Converted(6, 4)
