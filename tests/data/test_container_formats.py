"""Training sets and protocols that lie in one file: what the formats ``rec`` and ``bin`` make of them."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import layouts
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from bench.catalog import FORMATS
from bench.data.containers.bin import BinFile, write_bin
from bench.data.containers.record import RecordFile
from bench.data.containers.record_writer import write_records
from bench.data.formats.insightface_bin import consecutive_folds
from bench.data.protocols import template_identity
from bench.data.types import ImageList, Protocol
from bench.errors import DataError


def rec(root: Path) -> ImageList:
    result = FORMATS.get("rec").function(root)
    assert isinstance(result, ImageList)
    return result


def protocol(root: Path, **options: object) -> Protocol:
    result = FORMATS.get("bin").function(root, **options)
    assert isinstance(result, Protocol)
    return result


def three_people(folder: Path) -> Path:
    images = [(b"a%d" % i, 0) for i in range(3)] + [(b"b", 7)] + [(b"c%d" % i, 3) for i in range(8)]
    write_records(folder / "train.rec", images, size=(112, 112))
    return folder


class TestRec:
    def test_files_labels_and_people(self, tmp_path: Path) -> None:
        images = rec(three_people(tmp_path))
        assert images.files == tuple(f"{k:02d}" for k in range(1, 13))
        assert images.identities == ("0", "3", "7")
        assert images.labels.tolist() == [0, 0, 0, 2] + [1] * 8
        assert images.labels.dtype == np.int64
        assert not images.named
        assert images.root == tmp_path / "train.rec"
        assert images.container == RecordFile(tmp_path / "train.rec")
        assert images.container.read(images.files[3]) == b"b"

    def test_the_file_itself_may_be_named_and_be_alone(self, tmp_path: Path) -> None:
        expected = rec(three_people(tmp_path))
        (tmp_path / "property").unlink()
        (tmp_path / "train.idx").unlink()
        (tmp_path / "train.rec").rename(tmp_path / "faces.rec")
        found = rec(tmp_path / "faces.rec")
        assert (found.files, found.identities) == (expected.files, expected.identities)
        assert found.labels.tolist() == expected.labels.tolist()

    @pytest.mark.parametrize("where", ["", "faces.rec", "missing"])
    def test_a_missing_file_is_named(self, tmp_path: Path, where: str) -> None:
        with pytest.raises(DataError, match=r"no record file .*rec|missing"):
            rec(tmp_path / where)

    def test_a_label_beyond_the_promised_classes_is_refused(self, tmp_path: Path) -> None:
        (three_people(tmp_path) / "property").write_text("7,112,112\n")
        with pytest.raises(DataError, match="found label 7, property promises 7 classes"):
            rec(tmp_path)
        (tmp_path / "property").write_text("9,112,112\n")
        assert rec(tmp_path).identities == ("0", "3", "7")

    @pytest.mark.parametrize(
        ("names", "problem"), [("ann\n", "names 1 people, from label 0"), ("ann\nann\n", "names 'ann' more than once")]
    )
    def test_names_that_do_not_fit_the_labels_are_refused(self, tmp_path: Path, names: str, problem: str) -> None:
        write_records(tmp_path / "train.rec", [(b"x", 0), (b"y", 1)])
        (tmp_path / "identities.txt").write_text(names)
        with pytest.raises(DataError, match=problem):
            FORMATS.get("rec").function(tmp_path)

    @pytest.mark.parametrize("text", [b"", b"9", b"9,112", b"9;112;112", b"-9,112,112", b"\xff", b"9" * 50 + b",1,1"])
    def test_a_property_file_of_another_kind_is_refused(self, tmp_path: Path, text: bytes) -> None:
        (three_people(tmp_path) / "property").write_bytes(text)
        with pytest.raises(DataError, match=r"property: found|property cannot be read"):
            rec(tmp_path)


def bin_of(folder: Path, pairs: list[tuple[str, str, bool]]) -> Path:
    write_bin(folder / "own.bin", [name.encode() for a, b, _ in pairs for name in (a, b)], [same for *_, same in pairs])
    return folder / "own.bin"


def compared(found: Protocol) -> list[tuple[str, str, bool]]:
    """The pairs by the content of their images."""
    container = found.images.container
    assert container is not None
    content = [bytes(container.read(file)).decode() for file in found.images.files]
    return [(content[a], content[b], bool(s)) for (a, b), s in zip(found.pairs.tolist(), found.same, strict=True)]


def people(found: Protocol) -> dict[str, set[str]]:
    """Made-up identity → the images of it."""
    groups: dict[str, set[str]] = {}
    for file, label in zip(found.images.files, found.images.labels.tolist(), strict=True):
        groups.setdefault(found.images.identities[label], set()).add(file)
    return groups


class TestBin:
    def test_pairs_people_and_folds(self, tmp_path: Path) -> None:
        pairs = [("a", "b", True), ("b", "c", True), ("a", "x", False), ("x", "y", True), ("z", "c", False)]
        found = protocol(bin_of(tmp_path, pairs), folds=2)
        assert found.name == "own"
        assert compared(found) == pairs
        assert found.images.files == ("000000", "000001", "000003", "000005", "000007", "000008")
        assert found.template_names == found.images.files
        assert found.template.tolist() == list(range(6))
        assert list(people(found).values()) == [{"000000", "000001", "000003"}, {"000005", "000007"}, {"000008"}]
        assert not found.images.named
        assert found.images.container == BinFile(tmp_path / "own.bin")
        assert found.fold is not None
        assert found.fold.tolist() == [0, 0, 0, 1, 1]
        assert {a.dtype for a in (found.template, found.pairs, found.fold, found.images.labels)} == {np.dtype(np.int64)}
        assert found.same.dtype == np.bool_

    def test_contradictory_labels_are_kept_and_their_images_told_apart(self, tmp_path: Path) -> None:
        pairs = [("a", "b", True), ("b", "c", True), ("a", "c", False), ("a", "x", False), ("x", "y", True)]
        found = protocol(bin_of(tmp_path, pairs), folds=2)
        assert compared(found) == pairs
        # a, b, c once for each pair; x, which contradicts nothing, once.
        assert list(people(found).values()) == [
            {"000000", "000001"}, {"000002", "000003"}, {"000004"}, {"000005"}, {"000006"}, {"000007", "000009"}
        ]  # fmt: skip

    def test_one_image_compared_with_itself(self, tmp_path: Path) -> None:
        pairs = [("a", "a", True), ("b", "b", False)]
        found = protocol(bin_of(tmp_path, pairs), folds=2)
        assert compared(found) == pairs
        assert found.pairs.tolist() == [[0, 0], [1, 2]]

    names = st.sampled_from("abcdefg")

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(names, names, st.booleans()), min_size=2, max_size=12))
    def test_the_protocol_never_contradicts_itself_and_compares_what_the_file_does(
        self, pairs: list[tuple[str, str, bool]]
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            found = protocol(bin_of(Path(folder), pairs), folds=2)
            assert compared(found) == pairs
            template_identity(found)
            connected = {a: {b for x, y, s in pairs if s and a in (x, y) for b in (x, y)} | {a} for a in "abcdefg"}
            for _ in pairs:
                connected = {a: set().union(*(connected[b] for b in group)) for a, group in connected.items()}
            if not any(b in connected[a] for a, b, same in pairs if not same):
                used = {name for a, b, _ in pairs for name in (a, b)}
                assert len(found.images.files) == len(used)
                assert len(found.images.identities) == len({frozenset(connected[a]) for a in used})

    @settings(max_examples=50, deadline=None)
    @given(st.integers(2, 60), st.integers(2, 12))
    def test_folds_are_those_of_scikit_learn(self, pairs: int, folds: int) -> None:
        if pairs < folds:
            return
        expected = np.empty(pairs, np.int64)
        for fold, (_, held_out) in enumerate(KFold(folds, shuffle=False).split(np.arange(pairs))):
            expected[held_out] = fold
        assert np.array_equal(consecutive_folds(pairs, folds), expected)

    def test_more_folds_than_pairs_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="holds 2 pairs, too few for 10 folds"):
            protocol(bin_of(tmp_path, [("a", "b", True), ("a", "c", False)]))

    def test_a_folder_is_refused_with_what_lies_in_it(self, tmp_path: Path) -> None:
        bin_of(tmp_path, [("a", "b", True)])
        with pytest.raises(DataError, match=r"is a folder; expected a .bin file \(in it: own.bin\)"):
            protocol(tmp_path)

    def test_raw_pixels_need_their_channels_told(self, tmp_path: Path) -> None:
        pixels = np.arange(48, dtype=np.uint8).reshape(2, 2, 4, 3)
        (tmp_path / "raw.bin").write_bytes(pickle.dumps(([*pixels, *pixels], [True, True])))
        with pytest.raises(DataError, match="channels must say rgb or bgr"):
            protocol(tmp_path / "raw.bin", folds=2)
        found = protocol(tmp_path / "raw.bin", folds=2, channels="bgr")
        assert found.images.container is not None
        assert np.array_equal(found.images.container.read(found.images.files[1]), pixels[1, ..., ::-1])

    def test_options_are_checked(self) -> None:
        spec = FORMATS.get("bin")
        assert spec.defaults == {"folds": 10, "channels": None}
        assert [name for name, _ in spec.resolve({"folds": 1, "channels": "gbr"})[1]] == ["folds", "channels"]


@layouts.needs_shared
def test_lfw_as_bin_is_the_same_protocol(tmp_path: Path) -> None:
    lists = FORMATS.get("lfw").function(layouts.SHARED / "lfw")
    content = [(lists.images.root / file).read_bytes() for file in lists.images.files]
    write_bin(tmp_path / "lfw.bin", (content[t] for t in lists.pairs.ravel().tolist()), lists.same.tolist())
    found = protocol(tmp_path / "lfw.bin")
    assert found.name == "lfw"
    assert len(found.images.files) == len(lists.images.files) == 7701
    assert np.array_equal(found.same, lists.same)
    assert found.images.container is not None
    read = [found.images.container.read(file) for file in found.images.files]
    assert all(
        read[a] == content[x] and read[b] == content[y]
        for (a, b), (x, y) in zip(found.pairs.tolist(), lists.pairs.tolist(), strict=True)
    )
    # No made-up identity holds two people; some people are several.
    person = dict(zip(content, lists.images.labels.tolist(), strict=True))
    of_group: dict[int, set[int]] = {}
    for image, label in zip(read, found.images.labels.tolist(), strict=True):
        of_group.setdefault(label, set()).add(person[image])
    assert all(len(group) == 1 for group in of_group.values())
    assert len(of_group) > len(lists.images.identities)
    # InsightFace cuts 6,000 pairs into tenths, which are LFW's own folds.
    assert np.array_equal(found.fold, lists.fold)
