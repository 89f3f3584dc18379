"""Readers against layouts written here: what they return, and what they say about what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import layouts
import numpy as np
import pytest
from reading import compared, people, read, read_images, refusal

from bench.catalog import FORMATS
from bench.data.names import normalise
from bench.data.types import Protocol


def people_of_templates(protocol: Protocol) -> dict[str, set[str]]:
    people: dict[str, set[str]] = {}
    for template, label in zip(protocol.template.tolist(), protocol.images.labels.tolist(), strict=True):
        people.setdefault(protocol.template_names[template], set()).add(protocol.images.identities[label])
    return people


def test_every_format_says_what_it_provides() -> None:
    provides = {spec.name: spec.traits["provides"] for spec in FORMATS}
    assert set(provides.values()) == {"training", "protocol"}
    assert {name for name in ("lfw", "ytf", "cfp") if provides[name] == "protocol"} == {"lfw", "ytf", "cfp"}
    assert {provides[name] for name in ("folder", "lfw_images", "cfp_images")} == {"training"}


def test_reading_lists_imports_neither_torch_nor_a_decoder() -> None:
    code = (
        "import sys; from bench.catalog import FORMATS as F; list(F); print({'torch', 'PIL', 'scipy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


class TestFolder:
    def test_people_and_files_are_sorted_whatever_the_disk_says(self, tmp_path: Path) -> None:
        for name in ("b/2.jpg", "b/10.JPG", "a/x.webp", "c/x.bmp", "a/w.jpeg", "c/.hidden"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        (tmp_path / "notes.txt").touch()
        (tmp_path / ".cache").mkdir()
        images = read_images("folder", tmp_path)
        assert images.files == ("a/w.jpeg", "a/x.webp", "b/10.JPG", "b/2.jpg", "c/x.bmp")
        assert images.identities == ("a", "b", "c")
        assert images.labels.tolist() == [0, 0, 1, 1, 2]
        assert images.labels.dtype == np.int64
        assert images.root == tmp_path

    def test_an_empty_class_is_named(self, tmp_path: Path) -> None:
        layouts.image_folder(tmp_path, {"ann": 1, "bo": 0})
        (tmp_path / "bo").mkdir()
        assert "bo/ holds no image" in refusal("folder", tmp_path)

    def test_what_is_no_image_is_named_not_skipped(self, tmp_path: Path) -> None:
        layouts.image_folder(tmp_path, {"ann": 1, "bo/deeper": 1})
        (tmp_path / "ann" / "list.txt").touch()
        text = refusal("folder", tmp_path)
        assert "3 problems" in text
        assert "ann/list.txt is not an image" in text
        assert "bo/deeper is not an image" in text
        assert "bo/ holds no image" in text

    def test_problems_are_listed_to_five_and_counted(self, tmp_path: Path) -> None:
        for i in range(8):
            (tmp_path / f"p{i}").mkdir()
        text = refusal("folder", tmp_path)
        assert "8 problems" in text
        assert "p4/" in text
        assert "p5/" not in text
        assert "… and 3 more" in text

    def test_a_missing_root_names_what_is_beside_it(self, tmp_path: Path) -> None:
        (tmp_path / "lfw").mkdir()
        assert "holds lfw" in refusal("folder", tmp_path / "train")

    def test_a_root_without_people(self, tmp_path: Path) -> None:
        assert "no sub-folder" in refusal("folder", tmp_path)


class TestLfw:
    def test_pairs_folds_and_people(self, tmp_path: Path) -> None:
        protocol = read("lfw", layouts.lfw(tmp_path))
        assert protocol.name == "lfw"
        assert compared(protocol) == [
            (0, "Ann_Lee_0001", "Ann_Lee_0002", True),
            (0, "Ann_Lee_0001", "Ann_Lee_0003", True),
            (0, "Ann_Lee_0001", "Bo_0001", False),
            (0, "Bo_0002", "Cy_Ng_0001", False),
            (1, "Bo_0001", "Bo_0002", True),
            (1, "Cy_Ng_0001", "Cy_Ng_0002", True),
            (1, "Ann_Lee_0002", "Bo_0003", False),
            (1, "Ann_Lee_0003", "Cy_Ng_0002", False),
        ]
        assert all(people == {t[:-5]} for t, people in people_of_templates(protocol).items())
        assert protocol.images.files[0] == "Ann_Lee/Ann_Lee_0001.jpg"
        assert protocol.images.identities == ("Ann_Lee", "Bo", "Cy_Ng")
        assert (protocol.pairs.dtype, protocol.same.dtype, protocol.fold.dtype) == (np.int64, np.bool_, np.int64)

    @pytest.mark.parametrize(
        "text",
        [
            layouts.LFW_PAIRS.replace("\n", "\r\n"),
            layouts.LFW_PAIRS.rstrip("\n"),
            layouts.LFW_PAIRS.replace("\t", " "),
            layouts.LFW_PAIRS.split("\n", 1)[1],
            "\ufeff" + layouts.LFW_PAIRS,
            layouts.LFW_PAIRS.replace("\n", "\n\n"),
        ],
        ids=["crlf", "no final newline", "spaces", "no header", "byte-order mark", "blank lines"],
    )
    def test_other_copies_read_the_same(self, tmp_path: Path, text: str) -> None:
        expected = read("lfw", layouts.lfw(tmp_path / "official"))
        found = read("lfw", layouts.lfw(tmp_path / "copy", text))
        assert compared(found) == compared(expected)
        assert found.images.files == expected.images.files

    def test_images_may_lie_beside_the_list_and_be_png(self, tmp_path: Path) -> None:
        root = layouts.lfw(tmp_path)
        for file in (root / "lfw").rglob("*.jpg"):
            target = root / file.relative_to(root / "lfw").with_suffix(".png")
            target.parent.mkdir(exist_ok=True)
            file.rename(target)
        for folder in (root / "lfw").iterdir():
            folder.rmdir()
        (root / "lfw").rmdir()
        protocol = read("lfw", root)
        assert protocol.images.root == root
        assert protocol.images.files[0] == "Ann_Lee/Ann_Lee_0001.png"

    @pytest.mark.parametrize(
        "line",
        ["Bo\t1", "Bo\tone\t2", "Bo\t0\t2", "Bo\t-1\t2", "Bo\t1\tBo\t2\t3", "../x\t1\t2", "/etc\t1\t2", "..\t1\t2",
         "Bo\t1\t..\\x\t2", "C:x\t1\t2", "Bo\t1\t²"],
    )  # fmt: skip
    def test_malformed_and_leading_elsewhere(self, tmp_path: Path, line: str) -> None:
        text = layouts.LFW_PAIRS.replace("Ann_Lee\t1\t3", line)
        message = refusal("lfw", layouts.lfw(tmp_path, text))
        assert f"pairs.txt:3: found {line!r}, expected 'name i j' or 'name i name j'" in message

    def test_missing_images_are_listed_with_their_number(self, tmp_path: Path) -> None:
        text = layouts.LFW_PAIRS.replace("Bo\t1\t2", "Bo\t1\t7").replace("Cy_Ng\t1\t2", "Cy_Ng\t1\t9")
        message = refusal("lfw", layouts.lfw(tmp_path, text))
        assert "2 problems" in message
        assert "names a missing image: Bo/Bo_0007.jpg" in message
        assert "names a missing image: Cy_Ng/Cy_Ng_0009.jpg" in message

    @pytest.mark.parametrize("again", ["Ann_Lee\t1\t2", "Ann_Lee\t2\t1"], ids=["same order", "mirrored"])
    def test_a_pair_that_comes_twice(self, tmp_path: Path, again: str) -> None:
        message = refusal("lfw", layouts.lfw(tmp_path, layouts.LFW_PAIRS.replace("Ann_Lee\t1\t3", again)))
        assert "pairs.txt:3" in message
        assert "already compared at pairs.txt:2" in message

    def test_an_image_with_itself_and_an_impostor_of_one_person(self, tmp_path: Path) -> None:
        text = layouts.LFW_PAIRS.replace("Ann_Lee\t1\t3", "Ann_Lee\t1\t1").replace("Ann_Lee\t1\tBo\t1", "Bo\t1\tBo\t3")
        message = refusal("lfw", layouts.lfw(tmp_path, text))
        assert "pairs.txt:3: Ann_Lee_0001 is compared with itself" in message
        assert "pairs.txt:4: a pair called impostor shows one person: Bo_0001, Bo_0003" in message

    def test_folds_of_different_size(self, tmp_path: Path) -> None:
        text = layouts.LFW_PAIRS.replace("Ann_Lee\t3\tCy_Ng\t2\n", "")
        message = refusal("lfw", layouts.lfw(tmp_path, text))
        assert "fold 2 of 2 has 2 genuine and 1 impostor pairs, the others 2 and 2" in message

    def test_a_header_that_promises_something_else(self, tmp_path: Path) -> None:
        message = refusal("lfw", layouts.lfw(tmp_path, layouts.LFW_PAIRS.replace("2\t2\n", "10\t300\n", 1)))
        assert "line 1 promises 10 folds of 300 + 300 pairs, found 4 + 4 pairs in 2 folds" in message

    def test_a_list_that_is_missing_empty_or_no_text(self, tmp_path: Path) -> None:
        root = layouts.lfw(tmp_path)
        (root / "pairs.txt").write_bytes(b"\n")
        assert "holds no pairs" in refusal("lfw", root)
        (root / "pairs.txt").write_bytes(b"\xff\xfe\x00")
        assert "cannot be read" in refusal("lfw", root)
        (root / "pairs.txt").unlink()
        assert "no list file" in refusal("lfw", root)

    def test_its_people_as_a_training_set(self, tmp_path: Path) -> None:
        images = read_images("lfw_images", layouts.lfw(tmp_path))
        assert images.identities == ("Ann_Lee", "Bo", "Cy_Ng")
        assert np.bincount(images.labels).tolist() == [3, 3, 2]

    def test_dev_pairs_have_one_number_as_header_and_no_folds(self, tmp_path: Path) -> None:
        root = layouts.lfw(tmp_path)
        (root / "pairsDevTest.txt").write_text("2\nBo\t1\t2\nBo\t1\t3\nBo\t1\tCy_Ng\t1\nBo\t2\tCy_Ng\t2\n")
        protocol = read("lfw", root, pairs="pairsDevTest.txt")
        assert (protocol.name, protocol.fold) == ("lfw_dev_test", None)
        assert compared(protocol)[0] == (-1, "Bo_0001", "Bo_0002", True)
        assert protocol.same.tolist() == [True, True, False, False]
        assert people("lfw", root, pairs="pairsDevTest.txt") == ("Bo", "Cy_Ng")
        (root / "pairsDevTrain.txt").write_text("Bo 1 2\nBo 1 Cy_Ng 1")
        assert read("lfw", root, pairs="pairsDevTrain.txt").name == "lfw_dev_train"

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("3\nBo 1 2\nBo 1 Cy_Ng 1", "promises 1 folds of 3 + 3 pairs, found 1 + 1 pairs in 1 folds"),
            ("2\nBo 1 2\nBo 1 Cy_Ng 1\nBo 1 3\nBo 2 Cy_Ng 1", "found 2 + 2 pairs in 2 folds"),
            ("1\nBo 1 2", "the list needs genuine and impostor pairs, found 1 and 0"),
            ("1 1\nBo 1 2\nBo 1 Cy_Ng 1", "pairsDevTest.txt:1: found '1 1', expected 'name i j'"),
        ],
        ids=["fewer than promised", "in two stretches", "one kind", "the header of the other lists"],
    )
    def test_dev_pairs_that_are_not_what_they_promise(self, tmp_path: Path, text: str, problem: str) -> None:
        root = layouts.lfw(tmp_path)
        (root / "pairsDevTest.txt").write_text(text)
        assert problem in refusal("lfw", root, pairs="pairsDevTest.txt")

    def test_a_dev_header_over_the_folds_is_a_malformed_line(self, tmp_path: Path) -> None:
        root = layouts.lfw(tmp_path, "4\n" + layouts.LFW_PAIRS.split("\n", 1)[1])
        assert "pairs.txt:1: found '4', expected" in refusal("lfw", root)

    @pytest.mark.parametrize(
        ("file", "text"),
        [("people.txt", "2\n1\nCy_Ng\t2\n1\nBo\t3\n"), ("peopleDevTrain.txt", "2\r\nBo\t3\r\nCy_Ng\t2")],
        ids=["in folds", "of view 1"],
    )
    def test_people_on_a_list_as_a_training_set(self, tmp_path: Path, file: str, text: str) -> None:
        root = layouts.lfw(tmp_path)
        (root / file).write_bytes(text.encode())
        images = read_images("lfw_images", root, people=file)
        assert images.identities == people("lfw_images", root, people=file) == ("Bo", "Cy_Ng")
        assert sorted(images.files) == [f"Bo/Bo_000{i}.jpg" for i in (1, 2, 3)] + [
            f"Cy_Ng/Cy_Ng_000{i}.jpg" for i in (1, 2)
        ]
        assert [images.identities[label] for label in images.labels] == [f.split("/")[0] for f in images.files]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("2\n1\nBo\t3\n", "promises 2 folds, found 1"),
            ("1\n2\nBo\t3\n", "people.txt:2: promises 2 people, found 1"),
            ("1\n1\nBo\t4\n", "people.txt:3: promises 4 images of Bo, found 3 in"),
            ("1\n1\nZoe\t1\n", "people.txt:3: promises 1 images of Zoe, found 0 in"),
            ("1\n2\nBo\t3\nBo\t3\n", "people.txt:4: Bo is already named at people.txt:3"),
            ("1\n1\n../x\t3\n", "people.txt:3: found '../x\\t3', expected 'name images'"),
            ("1\nBo\t3\n", "people.txt:2: found 'Bo\\t3', expected the number of people"),
            ("", "promises 1 folds, found 0"),
        ],
    )
    def test_lists_of_people_that_are_not_what_they_promise(self, tmp_path: Path, text: str, problem: str) -> None:
        root = layouts.lfw(tmp_path)
        (root / "people.txt").write_text(text)
        assert problem in refusal("lfw_images", root, people="people.txt")

    def test_listed_images_are_numbered_without_gaps(self, tmp_path: Path) -> None:
        root = layouts.lfw(tmp_path)
        (root / "people.txt").write_text("1\n1\nBo 3")
        (root / "lfw" / "Bo" / "Bo_0002.jpg").rename(root / "lfw" / "Bo" / "Bo_0007.jpg")
        text = refusal("lfw_images", root, people="people.txt")
        assert "people.txt:3: the images of Bo are not numbered Bo_0001 to Bo_0003" in text

    def test_everybody_is_known_without_a_pair_and_without_images(self, tmp_path: Path) -> None:
        root = layouts.lfw(tmp_path)
        layouts.image(root / "lfw" / "Zoe" / "Zoe_0001.jpg")
        assert people("lfw", root) == people("lfw_images", root) == ("Ann_Lee", "Bo", "Cy_Ng", "Zoe")
        assert FORMATS.get("lfw").traits["census"](root) == {"images": 9, "identities": 4}
        (root / "lfw").rename(tmp_path.parent / f"{tmp_path.name}_images")
        assert people("lfw", root) == ("Ann_Lee", "Bo", "Cy_Ng")


class TestYtf:
    def test_videos_are_templates_of_all_their_frames_in_order(self, tmp_path: Path) -> None:
        protocol = read("ytf", layouts.ytf(tmp_path))
        assert compared(protocol) == [
            (0, "Ann_Lee/0", "Ann_Lee/1", True),
            (0, "Ann_Lee/0", "Bo/2", False),
            (1, "Bo/10", "Bo/2", True),
            (1, "Bo/10", "Ann_Lee/1", False),
        ]
        assert protocol.template_names == ("Ann_Lee/0", "Ann_Lee/1", "Bo/2", "Bo/10")
        assert protocol.template.tolist() == [t for t in range(4) for _ in range(11)]
        assert [int(f.rsplit(".", 2)[1]) for f in protocol.images.files[:11]] == list(range(11))
        assert people_of_templates(protocol)["Bo/10"] == {"Bo"}
        assert protocol.images.root == tmp_path / "aligned_images_DB"

    @pytest.mark.parametrize(
        "text",
        [
            "split number, pair number, first name, second name, is same\n" + layouts.YTF_SPLITS,
            "Split_number,pair_number,first,second,is_same:\r\n" + layouts.YTF_SPLITS,
            layouts.YTF_SPLITS.replace("\n", "\r\n").strip(),
            layouts.YTF_SPLITS.replace(", ", "\t"),
            layouts.YTF_SPLITS.replace(", ", ","),
        ],
        ids=["header", "header in capitals", "crlf, no final newline", "tabs", "no spaces"],
    )
    def test_other_copies_read_the_same(self, tmp_path: Path, text: str) -> None:
        found = read("ytf", layouts.ytf(tmp_path / "copy", text, frames=2))
        assert compared(found) == compared(read("ytf", layouts.ytf(tmp_path / "official", frames=2)))

    @pytest.mark.parametrize(
        ("frames", "chosen"),
        [(0, list(range(11))), (1, [5]), (2, [2, 8]), (3, [1, 5, 9]), (11, list(range(11))), (50, list(range(11)))],
    )
    def test_frames_are_the_middles_of_equal_stretches(self, tmp_path: Path, frames: int, chosen: list[int]) -> None:
        protocol = read("ytf", layouts.ytf(tmp_path), frames=frames)
        first = [f for f in protocol.images.files if f.startswith("Ann_Lee/0/")]
        assert [int(f.rsplit(".", 2)[1]) for f in first] == chosen

    def test_the_protocol_says_how_many_frames_were_taken(self, tmp_path: Path) -> None:
        root = layouts.ytf(tmp_path)
        assert (read("ytf", root).name, read("ytf", root, frames=5).name) == ("ytf", "ytf_5_frames")

    def test_people_are_known_without_frames_and_counted_with_them(self, tmp_path: Path) -> None:
        root = layouts.ytf(tmp_path, frames=1)
        layouts.image(root / "aligned_images_DB" / "Cy" / "7" / "0.jpg")
        assert people("ytf", root, frames=5) == ("Ann_Lee", "Bo", "Cy")
        assert FORMATS.get("ytf").traits["census"](root) == {"videos": 5, "identities": 3}
        (root / "aligned_images_DB").rename(tmp_path / "elsewhere")
        assert people("ytf", root) == ("Ann_Lee", "Bo")

    @pytest.mark.parametrize(
        "line",
        ["1, 1, Ann_Lee/0, 1", "x, 1, Ann_Lee/0, Ann_Lee/1, 1", "0, 1, Ann_Lee/0, Ann_Lee/1, 1",
         "1, 1, Ann_Lee/0, Ann_Lee/1, 2", "1, 1, Ann_Lee, Ann_Lee/1, 1", "1, 1, ../0, Ann_Lee/1, 1",
         "1, 1, Ann_Lee/.., Ann_Lee/1, 1", "1, 1, /Ann_Lee/0, Ann_Lee/1, 1"],
    )  # fmt: skip
    def test_malformed_and_leading_elsewhere(self, tmp_path: Path, line: str) -> None:
        text = layouts.YTF_SPLITS.replace("2, 1, Bo/10, Bo/2, 1", line)
        message = refusal("ytf", layouts.ytf(tmp_path, text, frames=1))
        assert f"splits.txt:3: found {line!r}, expected 'fold, pair, NAME/VIDEO, NAME/VIDEO, 1 or 0'" in message

    def test_missing_videos_and_frames(self, tmp_path: Path) -> None:
        text = layouts.YTF_SPLITS.replace("Bo/10", "Bo/3")
        message = refusal("ytf", layouts.ytf(tmp_path, text, frames=1))
        assert "names a missing video: no frames in" in message
        assert message.endswith("Bo/3")
        (tmp_path / "aligned_images_DB").rename(tmp_path / "frames")
        assert "no folder" in refusal("ytf", tmp_path)

    def test_pairs_that_contradict_themselves(self, tmp_path: Path) -> None:
        text = layouts.YTF_SPLITS.replace("Bo/2, 0", "Bo/2, 1")
        text = text.replace("2, 2, Bo/10, Ann_Lee/1, 0", "3, 1, Bo/2, Bo/10, 0")
        message = refusal("ytf", layouts.ytf(tmp_path, text, frames=1))
        assert "splits.txt:2: a pair called genuine shows two people: Ann_Lee/0, Bo/2" in message
        assert "splits.txt:4: Bo/2 and Bo/10 are already compared at splits.txt:3" in message

    def test_folds_are_numbered_from_one_without_gaps(self, tmp_path: Path) -> None:
        text = layouts.YTF_SPLITS.replace("\n2, ", "\n4, ")
        assert "folds must be numbered 1, 2, …, found 1, 4" in refusal("ytf", layouts.ytf(tmp_path, text, frames=1))


class TestCfp:
    def test_in_fp_the_second_index_is_a_profile(self, tmp_path: Path) -> None:
        protocol = read("cfp", layouts.cfp(tmp_path))
        assert protocol.name == "cfp_fp"
        assert compared(protocol) == [
            (0, "001/frontal/01.jpg", "001/profile/02.jpg", True),
            (0, "001/frontal/02.jpg", "002/profile/01.jpg", False),
            (1, "003/frontal/02.jpg", "003/profile/01.jpg", True),
            (1, "002/frontal/01.jpg", "001/profile/01.jpg", False),
        ]
        assert people_of_templates(protocol)["003/profile/01.jpg"] == {"José Ng"}

    def test_in_ff_both_are_frontal(self, tmp_path: Path) -> None:
        protocol = read("cfp", layouts.cfp(tmp_path), set="FF")
        assert protocol.name == "cfp_ff"
        assert compared(protocol)[3] == (1, "002/frontal/02.jpg", "003/frontal/02.jpg", False)
        assert all("frontal" in name for name in protocol.template_names)

    def test_ff_keeps_the_official_mirrored_pairs_but_no_repeated_one(self, tmp_path: Path) -> None:
        root = layouts.cfp(tmp_path)
        for fold, lines in (("01", "1,2\n2,1\n"), ("02", "3,4\n5,6\n")):
            (root / "Protocol" / "Split" / "FF" / fold / "same.txt").write_text(lines)
        assert len(read("cfp", root, set="FF").pairs) == 6
        (root / "Protocol" / "Split" / "FF" / "01" / "same.txt").write_text("1,2\n1,2\n")
        assert "01/same.txt:2: 001/frontal/01.jpg and 001/frontal/02.jpg are already" in refusal("cfp", root, set="FF")

    @pytest.mark.parametrize("line", ["1", "1,2,3", "a,b", "0,1", "1,7", "-1,2"])
    def test_malformed_or_unknown_indices(self, tmp_path: Path, line: str) -> None:
        root = layouts.cfp(tmp_path)
        (root / "Protocol" / "Split" / "FP" / "02" / "diff.txt").write_text(line)
        message = refusal("cfp", root)
        assert f"02/diff.txt:1: found {line!r}, expected 'i,j'" in message
        assert "1 to 6 (frontal) and 1 to 6 (profile)" in message

    @pytest.mark.parametrize(
        "line",
        ["1", "1 /Data/Images/001/frontal/01.jpg", "1 ../../Data/Images/001/frontal/01.jpg",
         "1 ../Data/Images/001/../../../frontal/01.jpg", "1 ../Data/Images/001/profile/01.jpg",
         "1 ../Data/Images/004/frontal/01.jpg", "1 ../Other/Images/001/frontal/01.jpg",
         "x ../Data/Images/001/frontal/01.jpg"],
    )  # fmt: skip
    def test_image_lists_that_lead_elsewhere(self, tmp_path: Path, line: str) -> None:
        root = layouts.cfp(tmp_path)
        file = root / "Protocol" / "Pair_list_F.txt"
        file.write_text("\n".join([line, *file.read_text().splitlines()[1:]]))
        assert f"Pair_list_F.txt:1: found {line!r}, expected 'index ../Data/Images/001" in refusal("cfp", root)

    def test_indices_of_the_list_come_in_order(self, tmp_path: Path) -> None:
        root = layouts.cfp(tmp_path)
        file = root / "Protocol" / "Pair_list_P.txt"
        file.write_text(file.read_text().replace("2 ..", "1 ..", 1))
        assert "Pair_list_P.txt:2: found index 1, expected 2" in refusal("cfp", root)

    def test_missing_image_fold_and_list(self, tmp_path: Path) -> None:
        root = layouts.cfp(tmp_path)
        (root / "Data" / "Images" / "003" / "profile" / "01.jpg").unlink()
        message = refusal("cfp", root)
        assert "names a missing image" in message
        assert message.endswith("003/profile/01.jpg")
        (root / "Protocol" / "Split" / "FP" / "01" / "same.txt").unlink()
        assert "no list file" in refusal("cfp", root)

    def test_folds_of_different_size(self, tmp_path: Path) -> None:
        root = layouts.cfp(tmp_path)
        (root / "Protocol" / "Split" / "FP" / "02" / "diff.txt").write_text("")
        message = refusal("cfp", root)
        assert "fold 2 of 2 has 1 genuine and 0 impostor pairs, the others 1 and 1" in message

    def test_a_name_given_twice(self, tmp_path: Path) -> None:
        assert "names 'Bo' more than once" in refusal("cfp", layouts.cfp(tmp_path, ("Bo", "Al", "Bo")))

    def test_its_people_as_a_training_set(self, tmp_path: Path) -> None:
        root = layouts.cfp(tmp_path)
        images = read_images("cfp_images", root)
        assert images.identities == ("Ann Lee", "Bo", "José Ng")
        assert np.bincount(images.labels).tolist() == [4, 4, 4]
        assert images.files[:4] == tuple(f"001/{p}/0{i}.jpg" for p in ("frontal", "profile") for i in (1, 2))
        assert people("cfp_images", root) == people("cfp", root, set="FF") == images.identities
        assert FORMATS.get("cfp").traits["census"](root) == {"images": 12, "identities": 3}
        layouts.image(root / "Data" / "Images" / "009" / "frontal" / "01.jpg")
        assert "folder 009 has no line in list_name.txt (3 lines)" in refusal("cfp_images", root)


@layouts.needs_shared
class TestRealFaces:
    """The facts of the shared faces' README, and that nothing is missing; nothing is decoded."""

    def test_lfw(self) -> None:
        protocol = read("lfw", layouts.SHARED / "lfw")
        assert len(protocol.images.files) == 7701
        assert np.bincount(protocol.fold[protocol.same]).tolist() == [300] * 10
        assert np.bincount(protocol.fold[~protocol.same]).tolist() == [300] * 10
        images = read_images("lfw_images", layouts.SHARED / "lfw")
        assert (len(images.files), len(images.identities)) == (13_233, 5_749)
        assert (np.bincount(images.labels) >= 2).sum() == 1680

    @pytest.mark.parametrize("kind", ["FP", "FF"])
    def test_cfp(self, kind: str) -> None:
        protocol = read("cfp", layouts.SHARED / "cfp", set=kind)
        assert np.bincount(protocol.fold[protocol.same]).tolist() == [350] * 10
        assert np.bincount(protocol.fold[~protocol.same]).tolist() == [350] * 10
        poses = np.array([name.split("/")[1] for name in protocol.template_names])[protocol.pairs]
        assert set(poses[:, 0]) == {"frontal"}
        assert set(poses[:, 1]) == {"profile" if kind == "FP" else "frontal"}

    def test_cfp_images(self) -> None:
        images = read_images("cfp_images", layouts.SHARED / "cfp")
        assert (len(images.files), len(images.identities)) == (7000, 500)
        assert set(np.bincount(images.labels).tolist()) == {14}

    def test_people_in_two_data_sets(self) -> None:
        cfp, lfw, ytf = (
            {normalise(name) for name in people(format, layouts.SHARED / format)} for format in ("cfp", "lfw", "ytf")
        )
        assert (len(cfp), len(ytf)) == (500, 1447)
        assert (len(cfp & lfw), len(ytf & lfw), len(cfp & ytf)) == (176, 1445, 71)

    def test_ytf_splits_over_empty_frames(self, tmp_path: Path) -> None:
        """The shared folder has no frames: the official list is read over files that only exist."""
        listing = (layouts.SHARED / "ytf" / "splits.txt").read_bytes()
        (tmp_path / "splits.txt").write_bytes(listing)
        for line in listing.decode().splitlines():
            for video in (field.strip() for field in line.split(",")[2:4]):
                folder = tmp_path / "aligned_images_DB" / video
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "0.1.jpg").touch()
        protocol = read("ytf", tmp_path)
        assert (len(protocol.template_names), len(protocol.images.identities)) == (3226, 1447)
        assert np.bincount(protocol.fold[protocol.same]).tolist() == [250] * 10
        assert np.bincount(protocol.fold[~protocol.same]).tolist() == [250] * 10
