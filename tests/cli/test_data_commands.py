"""``bench data …`` as a user meets it: what is printed, where it goes, and the exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tiny import write_root

POINTS = "8 11 16 11 12 15 9 20 16 20"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    write_root(folder / "faces")
    return folder


def bench(place, *words, expect=0, columns=80):
    environment = {**os.environ, "BENCH_CACHE": str(place / "cache"), "COLUMNS": str(columns), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-m", "bench", "data", *map(str, words)], cwd=place, env=environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("columns", [80, 120])
def test_inspect_prints_what_a_path_is_within_the_width(place, columns):
    done = bench(place, "inspect", "faces/lfw", columns=columns)
    assert "lfw_images  32 images, 8 identities" in done.stdout
    assert "looking into images: 32/32" in done.stderr
    assert max(map(len, done.stdout.splitlines())) <= columns
    record = json.loads(bench(place, "inspect", "faces/lfw", "--json", columns=columns).stdout)
    assert (record["analysed_as"], record["images"]) == ("lfw_images", 32)
    assert [reader["format"] for reader in record["readers"] if reader["takes"]] == ["lfw", "lfw_images"]


def test_inspect_says_why_no_reader_takes_a_path(place):
    (place / "note.txt").write_text("hello\n")
    done = bench(place, "inspect", "note.txt")
    assert "begins with 'hello'" in done.stdout
    assert "no reader takes it" in done.stdout
    done = bench(place, "inspect", "faces", columns=200)
    assert "folder  does not take it: faces: " in done.stdout
    assert "cfp/Data is not an image" in done.stdout
    assert "nor does any other reader" in done.stdout


def test_verify_passes_and_fails_by_its_exit_code(place, tmp_path):
    assert bench(place, "verify", "cfp", "faces/cfp", "--option", "set=FF").stdout.endswith("sound\n")
    for i in range(7):
        (tmp_path / "ann").mkdir(exist_ok=True)
        (tmp_path / "ann" / f"{i}.jpg").write_bytes(b"no image")
    done = bench(place, "verify", "folder", tmp_path, expect=1)
    assert "7 of 7  images that are missing or do not decode" in done.stdout
    assert "ann/4.jpg (cannot identify image file)" in done.stdout
    assert "ann/5.jpg" not in done.stdout
    assert "… and 2 more" in done.stdout
    record = json.loads(bench(place, "verify", "folder", tmp_path, "--json", expect=1).stdout)
    assert (record["sound"], record["problems"][0]["count"]) == (False, 7)


def test_what_a_reader_refuses_is_an_unsound_source(place):
    (place / "empty").mkdir(exist_ok=True)
    assert "no sub-folder" in bench(place, "verify", "folder", "empty", expect=1).stderr
    record = json.loads(bench(place, "verify", "folder", "empty", "--json", expect=1).stdout)
    assert record["sound"] is False
    assert "no sub-folder" in record["refused"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("verify", "lwf", "faces"), "did you mean 'lfw'?"),
        (("verify", "ytf", "faces/ytf", "--option", "frame=2"), "did you mean 'frames'?"),
        (("verify", "ytf", "faces/ytf", "--option", "frames=many"), "must be a whole number"),
        (("verify", "ytf", "faces/ytf", "--option", "frames"), "expected KEY=VALUE"),
        (("verify", "ytf", "faces/ytf", "--option", "frames=1", "--option", "frames=2"), "is given twice"),
    ],
)
def test_mistakes_in_formats_and_options_are_one_clear_line(place, words, reason):
    assert reason in bench(place, *words, expect=2).stderr


def test_pack_tells_the_digest_that_a_suite_will_find(place):
    first = json.loads(bench(place, "pack", "cfp", "faces/cfp", "--pixels", 24, "--json").stdout)
    again = bench(place, "pack", "cfp", "faces/cfp", "--pixels", 24).stdout
    assert first["new"]
    assert "(packed before)" in again
    assert first["digest"] in again.replace("\n", "")
    assert Path(first["folder"]) == place / "cache" / "packed" / first["digest"]
    assert first["bytes"] == sum(file.stat().st_size for file in Path(first["folder"]).iterdir())


def test_convert_there_and_back(place):
    bench(place, "convert", "folder", "faces/train", "rec", "--as", "rec")
    assert "96 images of 12 people in back" in bench(place, "convert", "rec", "rec", "back", "--as", "folder").stdout
    bench(place, "convert", "lfw", "faces/lfw", "lfw.bin", "--as", "bin")
    assert bench(place, "verify", "bin", "lfw.bin", "--option", "folds=2").stdout.endswith("sound\n")
    assert "needs a protocol" in bench(place, "convert", "folder", "faces/train", "x", "--as", "bin", expect=1).stderr
    assert not (place / "x").exists()


def test_align_writes_the_tree_and_names_what_it_left_out(place):
    train = place / "faces" / "train"
    names = sorted(path.relative_to(train).as_posix() for path in train.rglob("*.jpg"))
    (place / "points.csv").write_text("".join(f"{name} {POINTS} 0.9\n" for name in names[1:]))
    words = ("align", "faces/train", "points.csv", "aligned", "--extra-columns", 1, "--pixels", 40)
    assert f"{names[0]}: has no landmarks" in bench(place, *words, expect=1).stderr
    assert not (place / "aligned").exists()
    done = bench(place, *words, "--on-bad-image", "skip")
    assert "95 images of 40x40 pixels in aligned" in done.stdout
    assert f"{names[0]}: has no landmarks" in done.stdout
    with Image.open(place / "aligned" / names[1]) as image:
        assert image.size == (40, 40)


def test_align_reads_fiducials_of_other_points_by_their_numbers(place):
    images = place / "faces" / "cfp" / "Data" / "Images"
    x, y = np.array(POINTS.split(), int).reshape(5, 2).T
    thirty = [(0, 0)] * 25 + list(zip(x, y, strict=True))
    for image in images.glob("*/frontal/*.jpg"):
        file = place / "fiducials" / image.relative_to(images).with_suffix(".txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{a},{b}\n" for a, b in thirty))
    words = ("align", images, "fiducials", "cfp_aligned", "--points", "26,27,28,29,30", "--only", "*/frontal/*")
    assert "32 images of 112x112 pixels in cfp_aligned" in bench(place, *words).stdout
    assert "found 4 groups" in bench(place, *words[:4], "--points", "1,2,3,4", expect=1).stderr


def test_names_from_files_do_not_reach_the_terminal_as_they_are(place, tmp_path):
    odd = tmp_path / "in" / "a\x1b[31m\rb"
    odd.mkdir(parents=True)
    (odd / "[red]1\x1b]0;title\x07.jpg").write_bytes(b"no image")
    for words, code in (
        (("inspect", tmp_path / "in"), 0),
        (("verify", "folder", tmp_path / "in"), 1),
        (("pack", "folder", tmp_path / "in", "--pixels", 8), 1),
        (("convert", "folder", tmp_path / "in", tmp_path / "out", "--as", "folder"), 1),
    ):
        done = bench(place, *words, expect=code)
        assert all(c.isprintable() or c == "\n" for c in done.stdout + done.stderr)
    assert "[red]1\\x1b]0;title\\x07.jpg" in done.stderr
