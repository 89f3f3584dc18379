"""Exports that strangers made: each is refused before anything is written, and none leads outside of the folder."""

import hashlib
import io
import json
import stat
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.exchange.archive import ExchangeError
from bench.exchange.export import export
from bench.exchange.import_ import import_export
from bench.records import digest
from bench.store import Store
from tests.report.fabricated import fabricate


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of an export of one run, and what its import leaves."""
    folder = tmp_path_factory.mktemp("sound")
    store = fabricate(
        folder / "a", backbones=["small_cnn"], margins=["arcface"], strengths=[0.0], seeds=[0], protocols=["lfw"]
    )
    export(store, "made_up", folder / "sound.zip")
    content = (folder / "sound.zip").read_bytes()
    there = Store(folder / "b")
    import_export(there, folder / "sound.zip")
    return content, left(there)


def left(store):
    files = {run: {n: p.read_bytes() for n, p in store.files(run).items()} for run in store.run_ids()}
    return files, [store.plan(name) for name in store.suite_names()]


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files, manifest=True, extra=()):
    """A zip of these files; ``manifest``: made to agree with them. ``extra``: entries and contents as they are."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        files = dict(files)
        if manifest:
            said = json.loads(files.pop("manifest.json"))
            listed = {n: {"sha256": hashlib.sha256(c).hexdigest(), "bytes": len(c)} for n, c in files.items()}
            files["manifest.json"] = json.dumps({**said, "members": listed}).encode()
        for name, content in files.items():
            archive.writestr(name, content)
        for entry, content in extra:
            archive.writestr(entry, content)
    return stream.getvalue()


def refused(content, folder, match):
    (folder / "hostile.zip").write_bytes(content)
    before = sorted(folder.rglob("*"))
    with pytest.raises(ExchangeError, match=match):
        import_export(Store(folder / "results"), folder / "hostile.zip")
    assert sorted(folder.rglob("*")) == before
    assert not (folder.parent / "evil").exists()


@pytest.mark.parametrize(
    "name",
    ["../evil", "/tmp/evil", "runs/../../evil", "runs\\..\\evil", "C:/evil", "runs/0123456789abcdef/lease.1",
     "runs/0123456789abcdef/evaluations/", "report/..", "report/.hidden", "runs/0123456789abcdef/log.txt"],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(sound, tmp_path, name):
    refused(packed(members(sound[0]) | {name: b"x"}), tmp_path, "is not the name of a file of an export")


def test_links_are_refused(sound, tmp_path):
    entry = zipfile.ZipInfo("report/table.md")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    files = {name: content for name, content in members(sound[0]).items() if name != "report/table.md"}
    refused(packed(files, extra=[(entry, "/etc/passwd")]), tmp_path, "is a link or no regular file")


def test_names_that_come_twice_are_refused(sound, tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = packed(members(sound[0]), extra=[("README.txt", b"again")])
    refused(content, tmp_path, r"README\.txt is there twice")


def test_a_bomb_is_refused_before_it_is_unpacked(sound, tmp_path, monkeypatch):
    refused(packed(members(sound[0]) | {"report/big.csv": bytes(40 * 2**20)}), tmp_path, "would unpack to 41,943,040")
    monkeypatch.setattr("bench.exchange.archive.MOST_BYTES", 1000)
    refused(sound[0], tmp_path, r"more than 500,000 or 1,000 are not read")


def test_what_the_manifest_does_not_say_is_refused(sound, tmp_path):
    files = members(sound[0])
    refused(
        packed(files | {"README.txt": b"x" * len(files["README.txt"])}, False), tmp_path, "does not have the sha256"
    )
    refused(packed(files | {"README.txt": b"x"}, False), tmp_path, "README.txt declares 1 bytes, the manifest")
    refused(packed(files | {"report/more.md": b""}, False), tmp_path, "report/more.md is not in the manifest")
    without = {name: content for name, content in files.items() if name != "README.txt"}
    refused(packed(without, False), tmp_path, r"README\.txt is missing")
    refused(packed({"README.txt": b""}, False), tmp_path, r"has no manifest\.json")


def test_files_cut_short_are_refused(sound, tmp_path):
    for share in (0.1, 0.5, 0.99):
        refused(sound[0][: int(len(sound[0]) * share)], tmp_path, "cannot be read as a zip file")
    refused(b"", tmp_path, "cannot be read as a zip file")


def test_parts_that_contradict_each_other_are_refused(sound, tmp_path):
    files = members(sound[0])
    (result,) = (name for name in files if name.endswith("result.json"))
    run = result.split("/")[1]
    body = json.loads(files[result])
    refused(
        packed(files | {result: json.dumps({**body, "epochs": 9}).encode()}), tmp_path, "the checksum that it gives"
    )
    body.pop("checksum")
    body["config"]["pixels"] = 9
    forged = {**body, "checksum": digest(body)}
    refused(packed(files | {result: json.dumps(forged).encode()}), tmp_path, "is the result of another run")
    (arrays, *_) = (name for name in files if name.endswith(".safetensors"))
    refused(packed(files | {arrays: b"other"}), tmp_path, "does not go with the arrays beside it")
    moved = {name.replace(run, "0" * 16): content for name, content in files.items()}
    refused(packed(moved), tmp_path, "is of a run that the plan does not ask for")
    plan = json.loads(files["plan.json"])
    plan["suite"] = "../evil"
    refused(packed(files | {"plan.json": json.dumps(plan).encode()}), tmp_path, "is of suite '../evil', the manifest")
    refused(packed(files | {"plan.json": b'{"a": NaN}'}), tmp_path, "NaN is no number")
    refused(packed(files | {"plan.json": b"[" * 100_000}), tmp_path, "is not JSON")


def test_a_suite_name_that_leads_elsewhere_is_refused(sound, tmp_path):
    files = members(sound[0])
    for name in ("plan.json", "manifest.json"):
        files[name] = json.dumps({**json.loads(files[name]), "suite": "../evil"}).encode()
    (tmp_path / "hostile.zip").write_bytes(packed(files))
    with pytest.raises(BenchError, match="not a safe name"):
        import_export(Store(tmp_path / "results"), tmp_path / "hostile.zip")
    assert not (tmp_path / "results" / "runs").exists()


@given(st.data())
@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bytes_are_refused_or_change_nothing(sound, tmp_path_factory, data):
    content = bytearray(sound[0])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(len(content) - 2000, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "x.zip").write_bytes(content)
    store = Store(folder / "results")
    try:
        import_export(store, folder / "x.zip")
    except BenchError:
        assert store.run_ids() == store.suite_names() == []
    else:
        assert left(store) == sound[1]
