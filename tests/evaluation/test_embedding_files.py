"""Files of other programs: each form gives the same numbers, and nothing in them is trusted or guessed."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import DataError
from bench.evaluation.files import npz_bytes, read_embeddings, read_names, read_scores

NAMES = ("a/1.jpg", "a/2.jpg", "ü/3.jpg")
ROWS = np.arange(12, dtype=np.float32).reshape(3, 4) + 0.5


def parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def npy(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def written(folder: Path) -> dict[str, tuple[Path, Path | None]]:
    """The same embeddings in every form: file, and the file of its names."""
    names = folder / "names.txt"
    names.write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(ROWS.ravel()), 4)
    columns = {f"x{i}": ROWS[:, i] for i in range(4)}
    np.savez_compressed(folder / "small.npz", names=np.array([n.encode() for n in NAMES]), embeddings=ROWS.T.copy().T)
    (folder / "own.npz").write_bytes(npz_bytes(NAMES, ROWS))
    return {
        "npz": (npz(folder / "plain.npz", names=np.array(NAMES), embeddings=ROWS), None),
        "compressed": (folder / "small.npz", None),
        "own": (folder / "own.npz", None),
        "npy": (npy(folder / "rows.npy", np.asfortranarray(ROWS)), names),
        "list": (parquet(folder / "list.parquet", name=list(NAMES), embedding=ROWS.tolist(), label=[1, 2, 3]), None),
        "fixed": (parquet(folder / "fixed.parquet", name=list(NAMES), embedding=fixed), None),
        "columns": (parquet(folder / "columns.parquet", **columns, name=list(NAMES)), None),
    }


@pytest.mark.parametrize("form", ["npz", "compressed", "own", "npy", "list", "fixed", "columns"])
def test_every_form_gives_the_same_names_and_numbers(form: str, tmp_path: Path) -> None:
    names, rows = read_embeddings(*written(tmp_path)[form])
    assert names == NAMES
    np.testing.assert_array_equal(rows, ROWS)


def test_an_npy_file_alone_has_no_names(tmp_path: Path) -> None:
    names, rows = read_embeddings(npy(tmp_path / "rows.npy", ROWS))
    assert names is None
    np.testing.assert_array_equal(rows, ROWS)


class Evil:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


def test_a_pickle_in_an_array_is_refused_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    evil = np.array([Evil(mark)], dtype=object)
    for file in (
        npz(tmp_path / "e.npz", names=np.array(NAMES), embeddings=evil),
        npz(tmp_path / "n.npz", names=evil, embeddings=ROWS),
        npy(tmp_path / "e.npy", evil),
    ):
        with pytest.raises(DataError, match="holds Python objects, which can run any code"):
            read_embeddings(file)
    assert not mark.exists()


def header_only(shape: tuple[int, ...], data: bytes = b"") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue() + data


def test_a_header_that_claims_more_than_follows_is_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    lying = header_only((10**12, 512), b"\0" * 64)
    (tmp_path / "lying.npy").write_bytes(lying)
    with zipfile.ZipFile(tmp_path / "lying.npz", "w") as archive:
        archive.writestr("embeddings.npy", lying)
        archive.writestr("names.npy", header_only((0,)))
    with zipfile.ZipFile(tmp_path / "names.npz", "w") as archive:
        archive.writestr("embeddings.npy", header_only((1, 1), b"\0" * 4))
        archive.writestr("names.npy", lying)
    with pytest.raises(DataError, match=r"claims \(1000000000000, 512\) float32, 2,048,000,000,000,000 bytes, but 64"):
        read_embeddings(tmp_path / "lying.npy")
    for name in ("lying.npz", "names.npz"):
        with pytest.raises(DataError, match="bytes, but 64 follow"):
            read_embeddings(tmp_path / name)


def test_a_bomb_that_needs_more_memory_than_there_is_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 1 << 20

    monkeypatch.setattr("bench.evaluation.parquet.psutil.virtual_memory", Memory)
    bomb = np.zeros((600, 512), np.float32)
    np.savez_compressed(tmp_path / "bomb.npz", names=np.array(["x"] * 600), embeddings=bomb)
    assert (tmp_path / "bomb.npz").stat().st_size < 1 << 14
    parquet(tmp_path / "bomb.parquet", name=["x"] * 600, embedding=bomb.tolist())
    for name in ("bomb.npz", "bomb.parquet"):
        with pytest.raises(DataError, match=r"GiB, 0\.0 GiB are free"):
            read_embeddings(tmp_path / name)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (
            {"a": ["x"], "b": ["y"], "v": [[1.0]]},
            "needs one column of text, the names; its columns: a string, b string",
        ),
        ({"name": ["x"], "v": [[1.0]], "w": [[1.0]]}, "one column of lists of numbers, or floats in every other"),
        (
            {"name": ["x"], "label": [3], "v": [1.0]},
            "floats in every other column; its columns: name string, label int64",
        ),
        ({"name": ["x", "y"], "v": [[1.0], [1.0, 2.0]]}, "embeddings differ in length: 1, 2"),
        ({"name": ["x", None], "v": [[1.0], [2.0]]}, "1 empty fields"),
        ({"name": ["x", "y"], "v": [[1.0, None], [2.0, 1.0]]}, "1 empty fields"),
        ({"name": ["x"], "v": [["one"]]}, "must be .* real numbers, found"),
    ],
)
def test_parquet_columns_are_never_guessed(columns: dict[str, object], reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason):
        read_embeddings(parquet(tmp_path / "x.parquet", **columns))


def test_what_is_no_embedding_file_says_so(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("a\nb\n")
    (tmp_path / "m.pth").touch()
    (tmp_path / "text.npz").write_text("hello")
    cases = [
        (("m.pth",), r"unknown kind of embedding file '\.pth'.* \(allowed: \.npy, \.npz, \.parquet\)"),
        (("gone.npz",), r"no file .*gone\.npz"),
        (("text.npz",), "cannot be read: File is not a zip file"),
        ((npz(tmp_path / "x.npz", features=ROWS),), "needs the arrays embeddings and names, holds features"),
        (
            (npz(tmp_path / "f.npz", embeddings=ROWS, names=np.arange(3)),),
            r"names must be \(N,\) text, found \(3,\) int",
        ),
        ((npz(tmp_path / "s.npz", embeddings=ROWS, names=np.array(["a"])),), "3 embeddings, but 1 names"),
        ((npy(tmp_path / "one.npy", ROWS[0]),), r"must be \(N, d\) real numbers, found \(4,\) float32"),
        ((npy(tmp_path / "c.npy", ROWS.astype(complex)),), "found .* complex128"),
        ((npy(tmp_path / "r.npy", ROWS), names), "3 embeddings, but 2 names"),
        ((tmp_path / "f.npz", names), "holds names itself|names must be"),
    ]
    for arguments, reason in cases:
        with pytest.raises(DataError, match=reason):
            read_embeddings(*(tmp_path / argument for argument in arguments))


def test_names_are_lines_and_an_empty_one_is_told(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_bytes("\ufeffa b/1.jpg\r\nü.jpg".encode())
    assert read_names(file) == ("a b/1.jpg", "ü.jpg")
    file.write_text("a\n\nb\n \n\n")
    with pytest.raises(DataError, match="3 empty lines: 2; 4; 5"):
        read_names(file)


def test_scores_are_read_from_npy_and_csv(tmp_path: Path) -> None:
    scores = [0.25, -1.0, 1e-3]
    (tmp_path / "s.csv").write_text("score\n0.25\n-1\n1e-3\n")
    (tmp_path / "t.csv").write_text("0.25\r\n-1\r\n1e-3")
    for file in (npy(tmp_path / "s.npy", np.array(scores)), tmp_path / "s.csv", tmp_path / "t.csv"):
        assert read_scores(file).tolist() == scores
    (tmp_path / "bad.csv").write_text("score\n0.1\nx\n\n0.2,0.3\n" + "y\n" * 9)
    with pytest.raises(DataError, match=r"12 lines are no scores: bad.csv:3: found 'x', .* and 7 more"):
        read_scores(tmp_path / "bad.csv")
    with pytest.raises(DataError, match=r"scores must be \(P,\), found \(3, 4\)"):
        read_scores(npy(tmp_path / "rows.npy", ROWS))
    with pytest.raises(DataError, match=r"unknown kind of score file '\.txt'"):
        read_scores(tmp_path / "s.txt")


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("valid")
    return {file.suffix: file.read_bytes() for file, _ in written(folder).values()}


@given(st.sampled_from([".npz", ".npy", ".parquet"]), st.data())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_damaged_file_is_an_error_that_can_be_read_or_still_an_array(
    valid: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    content = bytearray(valid[suffix])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    file = tmp_path_factory.getbasetemp() / f"damaged-{os.getpid()}{suffix}"
    file.write_bytes(content)
    with contextlib.suppress(DataError):  # any other exception is a bug
        names, rows = read_embeddings(file)
        assert rows.ndim == 2
        assert names is None or len(names) == len(rows)
