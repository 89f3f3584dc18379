"""Training images from a list file."""

from __future__ import annotations

from pathlib import Path

import layouts
import numpy as np
import pytest
from reading import people, read_images, refusal


@pytest.fixture
def root(tmp_path: Path) -> Path:
    layouts.image_folder(tmp_path, {"ann lee": 2, "bo": 3})
    return tmp_path


def write(root: Path, text: str, name: str = "train.txt") -> Path:
    (root / name).write_bytes(text.encode())
    return root


def test_images_keep_the_order_of_the_list(root: Path) -> None:
    images = read_images("list", write(root, "bo/2.png,Bo\nann lee/0.png,Ann Lee\nbo/0.png,Bo"))
    assert images.files == ("bo/2.png", "ann lee/0.png", "bo/0.png")
    assert (images.identities, images.labels.tolist(), images.named) == (("Ann Lee", "Bo"), [1, 0, 1], True)
    assert (images.root, images.labels.dtype) == (root, np.int64)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('"bo/2.png","Bo, Jr."\r\n"ann lee/0.png","Ann ""A"" Lee"\r\n', {}),
        ('bo/2.png\tBo, Jr.\n"ann lee/0.png"\t"Ann ""A"" Lee"', {"delimiter": "tab"}),
        ('bo/2.png "Bo, Jr."\n"ann lee/0.png"   "Ann ""A"" Lee"', {"delimiter": "space"}),
        ('./bo/2.png , "Bo, Jr."\n\nann lee/./0.png,"Ann ""A"" Lee"\n', {}),
        ('\ufeffpath,label\nbo/2.png,"Bo, Jr."\nann lee/0.png,"Ann ""A"" Lee"\n', {"header": True}),
    ],
    ids=["quoted, crlf", "tab", "space", "dots, blank lines", "header, byte-order mark"],
)
def test_the_same_list_in_other_spellings(root: Path, text: str, options: dict[str, object]) -> None:
    images = read_images("list", write(root, text), **options)
    assert images.files == ("bo/2.png", "ann lee/0.png")
    assert images.identities == ('Ann "A" Lee', "Bo, Jr.")


def test_numbers_are_sorted_as_numbers_and_name_nobody(root: Path) -> None:
    images = read_images("list", write(root, "bo/0.png,10\nbo/1.png,9\nbo/2.png,10"))
    assert (images.identities, images.labels.tolist(), images.named) == (("9", "10"), [1, 0, 1], False)
    assert people("list", root) == ()


def test_labels_may_be_declared_to_name_nobody(root: Path) -> None:
    write(root, "bo/0.png,n01\nbo/1.png,n02")
    assert read_images("list", root, named=False).named is False
    assert people("list", root, named=False) == ()
    assert people("list", root) == ("n01", "n02")


def test_list_and_images_may_lie_in_folders_of_their_own(root: Path) -> None:
    (root / "lists").mkdir()
    write(root, "0.png,b\n2.png,b", "lists/some.csv")
    images = read_images("list", root, file="lists/some.csv", images="bo")
    assert (images.root, images.files) == (root / "bo", ("0.png", "2.png"))
    assert people("list", root, file="lists/some.csv", images="bo") == ("b",)


def test_people_are_known_without_images(root: Path) -> None:
    assert people("list", write(root, "gone/0.png,Zoe\ngone/1.png,Abe\ngone/2.png,Zoe")) == ("Abe", "Zoe")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("bo/1.png", "train.txt:2: found 'bo/1.png', expected a path, a label (comma between them)"),
        ("bo/1.png,", "train.txt:2: found 'bo/1.png,', expected a path, a label"),
        ("bo/1.png,Bo,3", "train.txt:2: found 'bo/1.png,Bo,3', expected a path, a label"),
        ("bo/1.png Bo", "train.txt:2: found 'bo/1.png Bo', expected a path, a label"),
        ('"bo/1.png,Bo', "train.txt:2: found '\"bo/1.png,Bo', expected a path, a label"),
        ("bo/0.png,Bo", "train.txt:2: bo/0.png is already listed at train.txt:1"),
        ("./bo/0.png,Bo", "train.txt:2: bo/0.png is already listed at train.txt:1"),
        ("bo/0.png,Cy", "train.txt:2: bo/0.png is labelled 'Cy' here and 'Bo' at train.txt:1"),
        ("bo/7.png,Bo", "train.txt:2: names a missing image: "),
        ("zoe/0.png,Bo", "train.txt:2: names a missing image: "),
        ("bo,Bo", "train.txt:2: names what is no file: "),
    ],
)
def test_a_wrong_line_is_named(root: Path, line: str, problem: str) -> None:
    assert problem in refusal("list", write(root, f"bo/0.png,Bo\n{line}\nbo/2.png,Bo"))


def test_a_header_that_is_not_declared_is_a_missing_image(root: Path) -> None:
    assert "train.txt:1: names a missing image" in refusal("list", write(root, "path,label\nbo/0.png,Bo"))


def test_a_declared_header_that_is_an_image_is_not_skipped(root: Path) -> None:
    text = refusal("list", write(root, "bo/1.png,Bo\nbo/0.png,Bo"), header=True)
    assert "train.txt:1: header is true, but the line names an image: 'bo/1.png,Bo'" in text


def test_a_list_without_images(root: Path) -> None:
    assert "lists no image" in refusal("list", write(root, "\n \n"))
    assert "lists no image" in refusal("list", write(root, "path,label\n"), header=True)


def test_options_that_lead_elsewhere(root: Path) -> None:
    write(root, "bo/0.png,Bo")
    assert "option images must be a path below it, found '../x'" in refusal("list", root, images="../x")
    assert "option file must be a path below it" in refusal("list", root, file="/etc/passwd")
    assert "no folder" in refusal("list", root, images="faces")


def test_all_problems_are_counted_and_five_are_shown(root: Path) -> None:
    text = refusal("list", write(root, "\n".join(f"zoe/{i}.png,Zoe" for i in range(9))))
    assert "9 problems" in text
    assert text.count("names a missing image") == 5
    assert text.endswith("… and 4 more")
