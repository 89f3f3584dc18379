"""The leak check, known counts and unreadable images, through a suite's data block."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import layouts
import pytest

from bench.catalog import FORMATS
from bench.catalog.facts import disagreements
from bench.data.containers.record_writer import write_records
from bench.data.overlap import people_in_both
from bench.data.resolve import prepare
from bench.errors import DataError
from bench.suite.data_block import Data


@pytest.fixture
def root(tmp_path: Path) -> Path:
    layouts.lfw(tmp_path / "data" / "lfw")
    layouts.image_folder(tmp_path / "data" / "train", {"ned_stark": 2, "arya_stark": 2})
    return tmp_path / "data"


def prepared(root: Path, **block: Any) -> Any:
    return prepare(Data(root=str(root), pixels=16, protocols=["lfw"], **block), cache=root.parent / "cache")


def test_a_training_set_of_other_people_is_taken(root: Path) -> None:
    found = prepared(root)
    assert (found.images, found.identities, found.notes) == (4, 2, ())


def test_a_person_in_both_is_an_error_by_name(root: Path) -> None:
    layouts.image_folder(root / "train", {"ANN lee": 1})
    with pytest.raises(DataError, match=r"training set and lfw share 1 people by name \(ANN lee\)\n.*allow_overlap"):
        prepared(root)


def test_a_leak_is_told_before_anything_is_decoded(root: Path) -> None:
    layouts.image_folder(root / "train", {"ANN lee": 1})
    with pytest.raises(DataError, match="share 1 people"):
        prepared(root)
    assert not (root.parent / "cache" / "packed").exists()


def test_an_image_in_both_is_an_error_whatever_it_is_called(root: Path) -> None:
    shutil.copy(next((root / "lfw").rglob("*.jpg")), root / "train" / "ned_stark" / "copy.jpg")
    with pytest.raises(DataError, match=r"share 1 images by content \(ned_stark/copy.jpg\)"):
        prepared(root)


def test_a_reason_lets_the_overlap_through_and_stands_in_the_notes(root: Path) -> None:
    layouts.image_folder(root / "train", {"ANN lee": 1})
    (note,) = prepared(root, allow_overlap="a smoke test").notes
    assert note == "the training set and lfw share 1 people by name (ANN lee); allowed: a smoke test"


def test_the_people_of_a_protocol_can_be_left_out(root: Path) -> None:
    layouts.image_folder(root / "train", {"ANN lee": 1})
    found = prepared(root, train={"exclude_identities_of": ["lfw"]})
    assert (found.identities, found.notes) == (2, ())


def test_counts_other_than_the_known_ones_are_an_error_with_both_numbers(root: Path) -> None:
    source = {"name": "lfw", "facts": "lfw"}
    with pytest.raises(DataError, match=r"pairs, lfw has 6,000; .*allow_partial: REASON"):
        prepare(Data(root=str(root), pixels=16, protocols=[source]), cache=root.parent / "cache")
    source["allow_partial"] = "a small copy"
    found = prepare(Data(root=str(root), pixels=16, protocols=[source]), cache=root.parent / "cache")
    assert found.notes[0].startswith("lfw (lfw): ")
    assert found.notes[0].endswith("allowed: a small copy")


def test_counts_that_were_not_taken_are_not_compared() -> None:
    assert disagreements("lfw", {"images": 13233, "pairs": 5999, "videos": 3}) == ["5,999 pairs, lfw has 6,000"]


def test_facts_that_say_nothing_of_the_source_are_an_error(root: Path) -> None:
    with pytest.raises(DataError, match=r"facts of agedb_30 .* say nothing of what format folder counts"):
        prepared(root, train={"facts": "agedb_30"})


def test_unreadable_training_images_are_refused_or_left_out_and_told(root: Path) -> None:
    (root / "train" / "ned_stark" / "bad.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 unreadable images: ned_stark/bad.jpg .*on_bad_image: skip"):
        prepared(root)
    found = prepared(root, train={"on_bad_image": "skip"})
    assert found.images == 4
    assert found.notes == (
        "training set: 1 unreadable images are left out, the first is ned_stark/bad.jpg (cannot identify image file)",
    )


def test_numbers_that_happen_to_be_equal_are_nobodys_names() -> None:
    assert people_in_both(["001", "Ann_Lee", "Bo"], ["001", "ann lee", "Cy"]) == ("Ann_Lee",)


@layouts.needs_shared
def test_the_people_that_real_sets_share() -> None:
    cfp = FORMATS.get("cfp_images").function(layouts.SHARED / "cfp").identities
    lfw = FORMATS.get("lfw_images").function(layouts.SHARED / "lfw").identities
    assert len(people_in_both(cfp, lfw)) == 176


def test_an_option_that_changes_every_score_is_told(tmp_path: Path) -> None:
    layouts.ytf(tmp_path / "ytf")
    layouts.image_folder(tmp_path / "train", {"ned_stark": 2})
    protocols = [{"name": "ytf", "frames": 3}, {"name": "whole", "format": "ytf", "path": "ytf"}]
    found = prepare(Data(root=str(tmp_path), pixels=16, protocols=protocols), cache=tmp_path / "cache")
    assert found.notes == ("ytf: read with frames 3",)


@pytest.fixture
def union(root: Path) -> dict[str, Any]:
    """A source that names its people, and record files that do not."""
    write_records(root / "train.rec", [(next((root / "train").rglob("*.png")).read_bytes() + b"\0", 0)])
    return {"union": [{"path": "train"}, {"format": "rec", "path": "train.rec"}], "people": "different"}


def test_of_a_union_those_who_have_names_are_compared(root: Path, union: dict[str, Any]) -> None:
    (note,) = prepared(root, train=union).notes
    assert note.startswith("lfw: not all training and test people could be compared by name")
    layouts.image_folder(root / "train", {"ANN lee": 1})
    with pytest.raises(DataError, match=r"share 1 people by name \(ANN lee\)"):
        prepared(root, train=union)


def test_people_without_names_can_neither_be_left_out_nor_have_others_left_out(
    root: Path, union: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match="names nobody, so exclude_identities_of cannot"):
        prepared(root, train={**union, "exclude_identities_of": ["lfw"]})
    nobody = {"name": "x", "format": "rec", "path": "train.rec"}
    with pytest.raises(DataError, match=r"train.rec \(rec\) names nobody to leave out"):
        prepared(root, train={"exclude_identities_of": [nobody]})
