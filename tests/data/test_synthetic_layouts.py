"""The written folders: counts, folds, pairs, names, determinism, and nothing half-written."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from bench.data.synthetic import layouts
from bench.data.synthetic.layouts import files, texts, write_synthetic
from bench.data.synthetic.spec import SyntheticSpec
from bench.errors import DataError

TINY = SyntheticSpec(
    pixels=16,
    folds=2,
    train_identities=3,
    train_images=2,
    lfw_identities=4,
    lfw_images=3,
    lfw_pairs=5,
    cfp_identities=5,
    cfp_frontal=3,
    cfp_profile=2,
    cfp_pairs=6,
    ytf_identities=4,
    ytf_videos=3,
    ytf_frames=2,
    ytf_pairs=4,
)


def contents(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic") / "data"
    write_synthetic(folder, TINY)
    return folder


def lfw_pairs(spec):
    """(fold, (name, number), (name, number), same) by the published format."""
    lines = texts(spec)["lfw/pairs.txt"].splitlines()
    assert lines[0] == f"{spec.folds}\t{spec.lfw_pairs}"
    for row, line in enumerate(lines[1:]):
        part = line.split("\t")
        same = len(part) == 3
        a, b = (part[0], part[1]), (part[0], part[2]) if same else (part[2], part[3])
        yield row // (2 * spec.lfw_pairs), a, b, same


def ytf_pairs(spec):
    text = texts(spec)["ytf/splits.txt"]
    assert text.count("\r\n") == text.count("\n") == 2 * spec.folds * spec.ytf_pairs
    for line in text.splitlines():
        fold, _, a, b, same = line.split(", ")
        yield int(fold) - 1, tuple(a.split("/")), tuple(b.split("/")), same == "1"


def cfp_pairs(spec, protocol):
    written = texts(spec)
    lists = {
        kind: dict(line.split(" ") for line in written[f"cfp/Protocol/Pair_list_{kind}.txt"].splitlines())
        for kind in "FP"
    }
    for fold in range(spec.folds):
        for kind in ("same", "diff"):
            for line in written[f"cfp/Protocol/Split/{protocol}/{fold + 1:02d}/{kind}.txt"].splitlines():
                i, j = line.split(",")
                left, right = lists["F"][i], lists[protocol[1]][j]
                yield fold, *(tuple(p.split("/Images/")[1].split("/", 1)) for p in (left, right)), kind == "same"


PROTOCOLS = {
    "lfw": lfw_pairs,
    "ytf": ytf_pairs,
    "cfp_ff": lambda spec: cfp_pairs(spec, "FF"),
    "cfp_fp": lambda spec: cfp_pairs(spec, "FP"),
}
PER_FOLD = {"lfw": 300, "ytf": 250, "cfp_ff": 350, "cfp_fp": 350}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_official_counts_disjoint_folds_and_no_duplicate_pairs(name):
    pairs = list(PROTOCOLS[name](SyntheticSpec()))
    counts = Counter((fold, same) for fold, _, _, same in pairs)
    assert counts == {(fold, same): PER_FOLD[name] for fold in range(10) for same in (True, False)}
    assert all((a[0] == b[0]) == same and a != b for _, a, b, same in pairs)
    assert len({frozenset((a, b)) for _, a, b, _ in pairs}) == len(pairs)
    people = [{x[0] for fold, a, b, _ in pairs if fold == k for x in (a, b)} for k in range(10)]
    assert sum(map(len, people)) == len(set().union(*people))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_pairs_depend_on_the_seed(name):
    first, second = (list(PROTOCOLS[name](SyntheticSpec(seed=seed))) for seed in (0, 1))
    assert first != second
    assert first == list(PROTOCOLS[name](SyntheticSpec()))


def test_every_pair_that_exists_can_be_asked_for():
    spec = SyntheticSpec(lfw_pairs=315, ytf_pairs=272, cfp_pairs=360)
    assert len(list(lfw_pairs(spec))) == 6300


def test_profile_pairs_go_from_frontal_to_profile():
    assert all(a[1].startswith("frontal/") and b[1].startswith("profile/") for _, a, b, _ in cfp_pairs(TINY, "FP"))


def test_files_are_all_there_and_of_the_asked_size(tiny):
    images = sorted(tiny.rglob("*.jpg"))
    assert len(images) == TINY.images == 6 + 12 + 25 + 24
    assert {path for path, _ in files(TINY)} == {p.relative_to(tiny).as_posix() for p in images}
    for path in images:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (16, 16))


def test_the_protocol_files_name_existing_images(tiny):
    for _, a, b, _ in lfw_pairs(TINY):
        assert all((tiny / f"lfw/lfw/{name}/{name}_{int(i):04d}.jpg").is_file() for name, i in (a, b))
    for _, a, b, _ in ytf_pairs(TINY):
        assert all(len(list((tiny / "ytf/aligned_images_DB" / name / v).glob("*.jpg"))) == 2 for name, v in (a, b))
    for kind in "FP":
        for line in (tiny / f"cfp/Protocol/Pair_list_{kind}.txt").read_text().splitlines():
            assert (tiny / "cfp/Protocol" / line.split(" ")[1]).resolve().is_file()
    assert len((tiny / "cfp/Data/list_name.txt").read_text().splitlines()) == TINY.cfp_identities


def test_nobody_is_in_two_sets(tiny):
    sets = [
        {p.name for p in (tiny / "train").iterdir()},
        {p.name for p in (tiny / "lfw/lfw").iterdir()},
        {p.name for p in (tiny / "ytf/aligned_images_DB").iterdir()},
        {name.replace(" ", "_") for name in (tiny / "cfp/Data/list_name.txt").read_text().splitlines()},
    ]
    assert [len(names) for names in sets] == [3, 4, 4, 5]
    assert len(set().union(*sets)) == 16
    drawn = {path: shot.who for path, shot in files(TINY)}
    assert len({tuple(who.values()) for who in drawn.values()}) == 16


def test_no_two_images_are_the_same(tiny):
    written = contents(tiny)
    assert len(set(written.values())) == len(written)


def test_same_bytes_again_and_from_another_block_size(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(layouts, "CHUNK", 5)
    monkeypatch.setattr(layouts, "WORKERS", 1)
    write_synthetic(tmp_path / "again", TINY)
    assert contents(tmp_path / "again") == contents(tiny)


def test_a_person_s_images_do_not_depend_on_the_sizes_of_the_sets():
    bigger = SyntheticSpec(pixels=16, train_identities=7)
    large = dict(files(bigger))
    assert all(large[path] == shot for path, shot in files(TINY) if path.startswith(("train", "lfw")))


def test_another_seed_gives_other_images(tiny, tmp_path):
    write_synthetic(
        tmp_path / "other", SyntheticSpec(**{**json.loads((tiny / "synthetic.json").read_text())["spec"], "seed": 1})
    )
    mine, other = contents(tiny), contents(tmp_path / "other")
    assert mine.keys() == other.keys()
    assert not any(mine[path] == other[path] for path in mine if path.endswith(".jpg"))


def test_the_folder_says_what_it_holds(tiny):
    about = json.loads((tiny / "synthetic.json").read_text())
    assert about["digest"] == TINY.digest()
    assert SyntheticSpec(**about["spec"]) == TINY


def test_progress_counts_to_the_end(tmp_path):
    told = []
    write_synthetic(tmp_path / "data", TINY, lambda done, total: told.append((done, total)))
    assert told[-1] == (TINY.images, TINY.images)
    assert told == sorted(told)


def test_an_empty_folder_is_filled_and_a_full_one_refused(tmp_path):
    target = tmp_path / "data"
    target.mkdir()
    write_synthetic(target, TINY)
    before = contents(target)
    with pytest.raises(DataError, match="exists already and is not an empty folder"):
        write_synthetic(target, TINY)
    assert contents(target) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="exists already"):
        write_synthetic(tmp_path / "file", TINY)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), RuntimeError("bug"), KeyboardInterrupt()])
def test_a_failure_midway_leaves_nothing(tmp_path, monkeypatch, failure):
    original, calls = layouts._write_block, []

    def failing(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise failure
        return original(*arguments)

    monkeypatch.setattr(layouts, "_write_block", failing)
    expected, said = (
        (DataError, "cannot write synthetic faces: No space left")
        if isinstance(failure, OSError)
        else (type(failure), None)
    )
    with pytest.raises(expected, match=said):
        write_synthetic(tmp_path / "data", TINY)
    assert len(calls) >= 3
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write synthetic faces: Not a directory"):
        write_synthetic(tmp_path / "file" / "data", TINY)
