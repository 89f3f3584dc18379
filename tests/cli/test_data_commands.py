"""``bench data …`` as a user meets it: what is printed, where it goes, and the exit codes."""

import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli.main import main
from tests.tiny import write_root

POINTS = "8 11 16 11 12 15 9 20 16 20"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    write_root(folder / "faces")
    return folder


@pytest.fixture
def bench(place, capsys, monkeypatch):
    """Runs a command in this process as the entry point would, in ``place`` or another folder."""
    monkeypatch.setenv("BENCH_CACHE", str(place / "cache"))

    def run(*words, expect=0, columns=80, folder=place):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "argv", ["bench", "data", *map(str, words)])
        monkeypatch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main()
        done = capsys.readouterr()
        assert (ended.value.code or 0) == expect, done.out + done.err
        return done

    return run


@pytest.mark.parametrize("columns", [80, 120])
def test_inspect_prints_what_a_path_is_within_the_width(bench, columns):
    done = bench("inspect", "faces/lfw", columns=columns)
    assert "lfw_images  32 images, 8 identities" in done.out
    assert "looking into images: 32/32" in done.err
    assert max(map(len, done.out.splitlines())) <= columns
    record = json.loads(bench("inspect", "faces/lfw", "--json", columns=columns).out)
    assert (record["analysed_as"], record["images"]) == ("lfw_images", 32)
    assert [reader["format"] for reader in record["readers"] if reader["takes"]] == ["lfw", "lfw_images"]


def test_inspect_says_why_no_reader_takes_a_path(bench, place):
    (place / "note.txt").write_text("hello\n")
    done = bench("inspect", "note.txt")
    assert "begins with 'hello'" in done.out
    assert "no reader takes it" in done.out
    done = bench("inspect", "faces", columns=200)
    assert "folder  does not take it: faces: " in done.out
    assert "cfp/Data is not an image" in done.out
    assert "nor does any other reader" in done.out


def test_verify_passes_and_fails_by_its_exit_code(bench, tmp_path):
    assert bench("verify", "cfp", "faces/cfp", "--option", "set=FF").out.endswith("sound\n")
    for i in range(7):
        (tmp_path / "ann").mkdir(exist_ok=True)
        (tmp_path / "ann" / f"{i}.jpg").write_bytes(b"no image")
    done = bench("verify", "folder", tmp_path, expect=1)
    assert "7 of 7  images that are missing or do not decode" in done.out
    assert "ann/4.jpg (cannot identify image file)" in done.out
    assert "ann/5.jpg" not in done.out
    assert "… and 2 more" in done.out
    assert done.out.endswith("not sound: 1 of 5 checks found something\n")
    record = json.loads(bench("verify", "folder", tmp_path, "--json", expect=1).out)
    assert (record["sound"], record["problems"][0]["count"]) == (False, 7)


def test_what_a_reader_refuses_is_an_unsound_source(bench, place):
    (place / "empty").mkdir(exist_ok=True)
    assert "no sub-folder" in bench("verify", "folder", "empty", expect=1).err
    record = json.loads(bench("verify", "folder", "empty", "--json", expect=1).out)
    assert record["sound"] is False
    assert "no sub-folder" in record["refused"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("verify", "lwf", "faces"), "did you mean 'lfw'?"),
        (("verify", "ytf", "faces/ytf", "--option", "frame=2"), "did you mean 'frames'?"),
        (("verify", "ytf", "faces/ytf", "--option", "frames=many"), "must be a whole number"),
        (("verify", "ytf", "faces/ytf", "--option", "frames"), "must be KEY=VALUE, found 'frames'"),
        (("verify", "ytf", "faces/ytf", "--option", "frames=1", "--option", "frames=2"), "is given twice"),
        (("overlap", "lfw", "faces/lfw", "ytf", "faces/ytf", "--option-b", "frame=2"), "did you mean 'frames'?"),
    ],
)
def test_mistakes_in_formats_and_options_are_one_clear_line(bench, words, reason):
    assert reason in bench(*words, expect=2).err


def test_pack_tells_the_digest_that_a_suite_will_find(bench, place):
    first = json.loads(bench("pack", "cfp", "faces/cfp", "--pixels", 24, "--json").out)
    again = bench("pack", "cfp", "faces/cfp", "--pixels", 24).out
    assert first["new"]
    assert "(packed before)" in again
    assert first["digest"] in again.replace("\n", "")
    assert Path(first["folder"]) == place / "cache" / "packed" / first["digest"]
    assert first["bytes"] == sum(file.stat().st_size for file in Path(first["folder"]).iterdir())


def test_convert_there_and_back(bench, place):
    bench("convert", "folder", "faces/train", "rec", "--as", "rec")
    assert "96 images of 12 people in back" in bench("convert", "rec", "rec", "back", "--as", "folder").out
    bench("convert", "lfw", "faces/lfw", "lfw.bin", "--as", "bin")
    assert bench("verify", "bin", "lfw.bin", "--option", "folds=2").out.endswith("sound\n")
    assert "needs a protocol" in bench("convert", "folder", "faces/train", "x", "--as", "bin", expect=1).err
    assert not (place / "x").exists()


def test_align_writes_the_tree_and_names_what_it_left_out(bench, place):
    train = place / "faces" / "train"
    names = sorted(path.relative_to(train).as_posix() for path in train.rglob("*.jpg"))
    (place / "points.csv").write_text("".join(f"{name} {POINTS} 0.9\n" for name in names[1:]))
    words = ("align", "faces/train", "points.csv", "aligned", "--extra-columns", 1, "--pixels", 40)
    assert f"{names[0]}: has no landmarks" in bench(*words, expect=1).err
    assert not (place / "aligned").exists()
    done = bench(*words, "--on-bad-image", "skip")
    assert "95 images of 40x40 pixels in aligned" in done.out
    assert f"{names[0]}: has no landmarks" in done.out
    with Image.open(place / "aligned" / names[1]) as image:
        assert image.size == (40, 40)


def fiducials(place):
    """Thirty points for each frontal image, the last five of which are the five."""
    images = place / "faces" / "cfp" / "Data" / "Images"
    lines = ["0,0"] * 25 + [f"{x},{y}" for x, y in np.array(POINTS.split()).reshape(5, 2)]
    for image in images.glob("*/frontal/*.jpg"):
        file = place / "fiducials" / image.relative_to(images).with_suffix(".txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines))
    return images


def test_align_reads_fiducials_of_other_points_by_their_numbers(bench, place):
    words = (
        "align",
        fiducials(place),
        "fiducials",
        "cfp_aligned",
        "--points",
        "26,27,28,29,30",
        "--only",
        "*/frontal/*",
    )
    assert "32 images of 112x112 pixels in cfp_aligned" in bench(*words).out
    assert "found 4 groups" in bench(*words[:4], "--points", "1,2,3,4", expect=1).err


def test_every_command_of_the_documents_page_runs(bench, place, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "data-commands.md").read_text(encoding="utf-8")
    commands = [shlex.split(line) for line in re.findall(r"^\$ bench data (.*)$", page, re.MULTILINE)]
    fiducials(place)
    (tmp_path / "fiducials").symlink_to(place / "fiducials")
    (tmp_path / "faces").symlink_to(place / "faces")
    images = sorted(path for path in (place / "faces" / "train").rglob("*.jpg"))
    names = [path.relative_to(place / "faces" / "train").as_posix() for path in images]
    (tmp_path / "points.txt").write_text("".join(f"{name} {POINTS} 0.9\n" for name in names[1:]))
    assert {words[0] for words in commands} == {"inspect", "verify", "align", "pack", "convert"}
    for words in commands:
        assert bench(*words, columns=300, folder=tmp_path).out, words


def test_names_from_files_do_not_reach_the_terminal_as_they_are(bench, tmp_path):
    odd = tmp_path / "in" / "a\x1b[31m\rb"
    odd.mkdir(parents=True)
    (odd / "[red]1\x1b]0;title\x07.jpg").write_bytes(b"no image")
    for words, code in (
        (("inspect", tmp_path / "in"), 0),
        (("verify", "folder", tmp_path / "in"), 1),
        (("pack", "folder", tmp_path / "in", "--pixels", 8), 1),
        (("convert", "folder", tmp_path / "in", tmp_path / "out", "--as", "folder"), 1),
    ):
        done = bench(*words, expect=code)
        assert all(c.isprintable() or c == "\n" for c in done.out + done.err)
    assert "[red]1\\x1b]0;title\\x07.jpg" in done.err
