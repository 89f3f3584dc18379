"""A sound source passes; each way of being unsound is found, whatever the reader let through."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import layouts
import numpy as np
import pytest

from bench.catalog import FORMATS
from bench.data.checks.verify import Verification, verify
from bench.data.types import ImageList, Protocol


def problems(found: Verification) -> dict[str, int]:
    return {finding.what: finding.count for finding in found.problems if finding.count}


def remarks(found: Verification) -> dict[str, int]:
    return {finding.what: finding.count for finding in found.remarks if finding.count}


@pytest.fixture
def protocol(tmp_path: Path) -> Protocol:
    result: Protocol = FORMATS.get("lfw").function(layouts.lfw(tmp_path))
    return result


@pytest.mark.parametrize("layout", ["lfw", "lfw_images", "cfp", "cfp_images", "ytf"])
def test_sound_sources_are_sound(tmp_path: Path, layout: str) -> None:
    root = getattr(layouts, layout.removesuffix("_images"))(tmp_path)
    found = verify(FORMATS.get(layout).function(root))
    assert found.sound, problems(found)
    assert found.record()["sound"]


def test_images_that_are_gone_or_damaged_are_counted_to_five_and_beyond(tmp_path: Path) -> None:
    images: ImageList = FORMATS.get("folder").function(layouts.image_folder(tmp_path, {"a": 5, "b": 4}))
    for file in images.files[:4]:
        (tmp_path / file).write_bytes(b"")
    for file in images.files[4:7]:
        (tmp_path / file).unlink()
    found = verify(images)
    assert not found.sound
    assert problems(found) == {"images that are missing or do not decode": 7}
    assert len(found.problems[0].examples) == 5
    assert found.problems[0].checked == 9
    assert "b/2.png (No such file or directory)" not in found.problems[0].examples
    assert found.problems[0].examples[4] == "a/4.png (No such file or directory)"


def test_labels_and_identities_that_disagree_are_found(tmp_path: Path) -> None:
    images: ImageList = FORMATS.get("folder").function(layouts.image_folder(tmp_path, {"a": 2, "b": 2}))
    wrong = dataclasses.replace(
        images, labels=np.array([0, 0, 0, 7]), identities=("a", "b", "b"), files=(*images.files[:3], images.files[0])
    )
    assert problems(verify(wrong)) == {
        "images named more than once": 1,
        "labels that are none of the 3 people": 1,
        "people without an image": 2,
        "names that several people have": 1,
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"same": [1, 1, 0, 0, 1, 1, 0, 1]}, {"pairs whose people are not what they are called": 1}),
        ({"pairs_of_0": (0, 0)}, {"pairs of a template with itself": 1}),
        ({"fold": [0, 0, 0, 0, 0, 0, 0, 1]}, {"folds out of balance": 2}),
        ({"fold": [0, 0, 1, 1, 0, 0, 1, 1]}, {"folds out of balance": 2}),
        ({"fold": None}, {}),
    ],
)  # fmt: skip
def test_pairs_and_folds_that_disagree_are_found(protocol: Protocol, change: dict, expected: dict) -> None:
    if "same" in change:
        changed = dataclasses.replace(protocol, same=np.array(change["same"], np.bool_))
    elif "fold" in change:
        changed = dataclasses.replace(protocol, fold=None if change["fold"] is None else np.array(change["fold"]))
    else:
        pairs = protocol.pairs.copy()
        pairs[0] = change["pairs_of_0"]
        changed = dataclasses.replace(protocol, pairs=pairs)
    assert problems(verify(changed)) == expected


def test_one_kind_of_pair_alone_is_found(protocol: Protocol) -> None:
    kept = {name: getattr(protocol, name)[protocol.same] for name in ("pairs", "same", "fold")}
    changed = dataclasses.replace(protocol, **kept)
    assert problems(verify(changed)) == {"kinds of pairs that are missing": 1, "folds out of balance": 2}


def test_templates_without_images_or_of_several_people_are_found(protocol: Protocol) -> None:
    names = (*protocol.template_names, "nobody")
    template = protocol.template.copy()
    template[-1] = 0
    found = problems(verify(dataclasses.replace(protocol, template_names=names, template=template)))
    assert found["templates without an image"] == 2
    assert found["templates that show several people"] == 1


def test_what_official_lists_hold_too_is_a_remark(tmp_path: Path) -> None:
    root = layouts.cfp(tmp_path)
    images = root / "Data" / "Images"
    (images / "001" / "frontal" / "02.jpg").write_bytes((images / "001" / "frontal" / "01.jpg").read_bytes())
    (images / "002" / "frontal" / "01.jpg").write_bytes((images / "001" / "frontal" / "01.jpg").read_bytes())
    split = root / "Protocol" / "Split" / "FF"
    for fold, same, different in (("01", "1,2\n2,1\n", "1,3\n2,3\n"), ("02", "3,4\n5,6\n", "4,6\n1,6\n")):
        (split / fold / "same.txt").write_text(same)
        (split / fold / "diff.txt").write_text(different)
    found = verify(FORMATS.get("cfp").function(root, set="FF"))
    assert found.sound
    assert remarks(found) == {
        "files with the same bytes": 1,
        "of these, as several people": 1,
        "pairs that come again the other way round": 1,
        "genuine pairs of one picture": 2,
        "impostor pairs of one picture": 2,
        "people in several folds": 2,
    }


def test_pairs_that_come_again_are_a_remark_where_the_reader_let_them_through(protocol: Protocol) -> None:
    pairs = protocol.pairs.copy()
    pairs[1] = pairs[0]
    assert remarks(verify(dataclasses.replace(protocol, pairs=pairs)))["pairs that come again"] == 1


@layouts.needs_shared
def test_on_real_faces_the_official_list_is_sound() -> None:
    found = verify(FORMATS.get("cfp").function(layouts.SHARED / "cfp", set="FF"))
    assert found.sound
    assert remarks(found)["pairs that come again the other way round"] == 130
