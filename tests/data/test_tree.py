"""What lies below a folder, with links that go round and names that are odd."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.data.tree import tree


def fill(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_images_other_files_and_hidden_ones_are_told_apart_and_sorted(tmp_path: Path) -> None:
    found = tree(
        fill(tmp_path, "b/1.JPG", "a/z.png", "a/b/c/d.webp", "a/notes.txt", ".git/x.jpg", "a/.DS_Store", "0.bmp")
    )
    assert found.images == ("0.bmp", "a/b/c/d.webp", "a/z.png", "b/1.JPG")
    assert found.others == ("a/notes.txt",)
    assert found.problems == ()


def test_links_that_go_round_are_named_and_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to("again")
    (tmp_path / "c").symlink_to("b")
    found = tree(tmp_path)
    assert len(found.images) == 2
    assert len(found.problems) == 3
    assert any("a/up: leads to the folder itself" in problem for problem in found.problems)
    assert any(problem.startswith("again: ") for problem in found.problems)


def test_many_links_to_one_folder_do_not_multiply(tmp_path: Path) -> None:
    """Twenty folders, each with two links to the next, are a million paths."""
    fill(tmp_path, "19/1.jpg")
    for i in range(19):
        (tmp_path / str(i)).mkdir()
        for name in "xy":
            (tmp_path / str(i) / name).symlink_to(f"../{i + 1}")
    assert len(tree(tmp_path).images) == 1


def test_a_pipe_is_a_problem_and_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.jpg")
    assert tree(tmp_path).problems == ("1.jpg: neither a file nor a folder",)


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tree(tmp_path / "none")
