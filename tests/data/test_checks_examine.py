"""What is seen of each image, against looking at it alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import layouts
import numpy as np
import pytest
from PIL import Image

from bench.catalog import FORMATS
from bench.data import parallel
from bench.data.checks import examine as module
from bench.data.checks.examine import examine, sample_rows
from bench.data.types import ImageList


@pytest.fixture
def images(tmp_path: Path) -> ImageList:
    layouts.image(tmp_path / "ann" / "0.png", 0, size=(9, 7))
    layouts.image(tmp_path / "ann" / "1.jpg", 1)
    (tmp_path / "ann" / "2.jpg").write_bytes((tmp_path / "ann" / "1.jpg").read_bytes()[:-100])
    layouts.image(tmp_path / "bo" / "0.png", 3, mode="L")
    (tmp_path / "bo" / "1.jpg").write_bytes((tmp_path / "ann" / "1.jpg").read_bytes())
    (tmp_path / "bo" / "2.png").write_bytes(b"")
    grey = np.repeat(np.random.default_rng(0).integers(0, 256, (8, 8, 1), np.uint8), 3, -1)
    Image.fromarray(grey).save(tmp_path / "bo" / "3.png")
    grey[7, 7, 2] ^= 1
    Image.fromarray(grey).save(tmp_path / "bo" / "4.png")
    (tmp_path / "bo" / "5.jpg").write_bytes((tmp_path / "ann" / "1.jpg").read_bytes())
    result: ImageList = FORMATS.get("folder").function(tmp_path)
    return result


def test_every_image_is_seen_as_it_is(images: ImageList) -> None:
    found = examine(images)
    assert found.rows.tolist() == list(range(9))
    assert sorted(found.problems) == [2, 5]
    assert found.readable.tolist() == [row not in (2, 5) for row in range(9)]
    assert found.size[0].tolist() == [9, 7]
    assert found.grey.tolist() == [row in (3, 6) for row in range(9)]
    assert found.encodings == {"PNG RGB": 3, "JPEG RGB": 3, "PNG L": 1}
    contents = [(images.root / file).read_bytes() for file in images.files]
    assert found.bytes == sum(len(c) for row, c in enumerate(contents) if row not in (2, 5))
    for row in (0, 1, 3):
        assert found.content[row].tobytes() == hashlib.sha256(contents[row]).digest()[:16]
    assert [group.tolist() for group in found.same_content()] == [[1, 4, 8]]


def test_some_rows_in_processes_are_seen_alike(images: ImageList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "FEW", 0)
    monkeypatch.setattr(module, "CHUNK", 2)
    told: list[tuple[int, int]] = []
    rows = np.array([8, 1, 2, 6])
    found = examine(images, rows=rows, workers=2, progress=lambda *done: told.append(done))
    whole = examine(images)
    np.testing.assert_array_equal(found.size, whole.size[rows])
    np.testing.assert_array_equal(found.content, whole.content[rows])
    assert list(found.problems) == [2]
    assert [group.tolist() for group in found.same_content()] == [[8, 1]]
    assert told == [(2, 4), (4, 4)]


@pytest.mark.parametrize(("count", "rows"), [(None, range(9)), (9, range(9)), (99, range(9)), (3, [1, 4, 7]), (1, [4])])
def test_a_sample_is_spread_over_the_list(images: ImageList, count: int | None, rows: list[int]) -> None:
    assert sample_rows(images, count).tolist() == list(rows)
