"""Protocols stored beside their images: what goes in comes out, and the digest covers what is compared."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import layouts
import numpy as np
import pytest

from bench.catalog import FORMATS
from bench.data.protocols import open_protocol, pack_protocol
from bench.data.types import Protocol
from bench.errors import DataError


@pytest.fixture
def protocol(tmp_path: Path) -> Protocol:
    result: Protocol = FORMATS.get("ytf").function(layouts.ytf(tmp_path / "ytf", frames=3))
    return result


def test_what_goes_in_comes_out(protocol: Protocol, tmp_path: Path) -> None:
    stored = open_protocol(tmp_path, pack_protocol(protocol, pixels=4, cache=tmp_path))
    assert stored.name == "ytf"
    assert stored.template_names == protocol.template_names
    for name in ("template", "pairs", "same", "fold"):
        found, expected = getattr(stored, name), getattr(protocol, name)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    people = [stored.images.identities[i] for i in stored.template_identity]
    assert people == [name.split("/")[0] for name in stored.template_names]
    assert stored.images.images.shape == (12, 4, 4, 3)
    first, second = stored.template_identity[stored.pairs].T
    np.testing.assert_array_equal(first == second, stored.same)


def test_the_digest_covers_what_is_compared_and_not_the_name(protocol: Protocol, tmp_path: Path) -> None:
    def digest(pixels: int = 4, **changed: object) -> str:
        return pack_protocol(dataclasses.replace(protocol, **changed), pixels=pixels, cache=tmp_path)

    assert digest() == digest(name="other")
    fewer = {"pairs": protocol.pairs[:2], "same": protocol.same[:2], "fold": protocol.fold[:2]}
    reordered = {"pairs": protocol.pairs[::-1], "same": protocol.same[::-1]}
    renamed = {"template_names": tuple("abcd")}
    different = [digest(5), digest(fold=1 - protocol.fold), digest(**fewer), digest(**reordered), digest(**renamed)]
    assert len({digest(), *different}) == 6


def test_a_changed_image_changes_the_digest(protocol: Protocol, tmp_path: Path) -> None:
    before = pack_protocol(protocol, pixels=4, cache=tmp_path)
    layouts.image(protocol.images.root / protocol.images.files[0], seed=99, size=(4, 4))
    assert pack_protocol(protocol, pixels=4, cache=tmp_path) != before


def test_protocols_without_folds_with_media_and_without_names_come_out_as_they_are(
    protocol: Protocol, tmp_path: Path
) -> None:
    media = np.arange(12) // 2
    nameless = dataclasses.replace(protocol.images, named=False)
    other = dataclasses.replace(protocol, fold=None, media=media, images=nameless)
    stored = open_protocol(tmp_path, pack_protocol(other, pixels=4, cache=tmp_path))
    assert stored.fold is None
    assert stored.media is not None
    np.testing.assert_array_equal(stored.media, media)
    assert not stored.named
    plain = open_protocol(tmp_path, pack_protocol(protocol, pixels=4, cache=tmp_path))
    assert (plain.media, plain.named) == (None, True)
    assert plain.digest != stored.digest


def test_an_unreadable_frame_is_left_out_but_never_a_whole_template(protocol: Protocol, tmp_path: Path) -> None:
    frames = [protocol.images.root / file for file in protocol.images.files[:3]]
    frames[1].write_bytes(b"")
    stored = open_protocol(tmp_path, pack_protocol(protocol, pixels=4, cache=tmp_path, on_bad_image="skip"))
    assert stored.template.tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert len(stored.images.skipped) == 1
    for frame in frames:
        frame.write_bytes(b"")
    with pytest.raises(DataError, match="1 templates have no readable image: Ann_Lee/0; their pairs"):
        pack_protocol(protocol, pixels=4, cache=tmp_path, on_bad_image="skip")


def test_protocols_that_contradict_themselves_are_refused(protocol: Protocol, tmp_path: Path) -> None:
    wrong = [
        (dataclasses.replace(protocol, same=~protocol.same), "pair 0 is called impostor"),
        (
            dataclasses.replace(protocol, template=np.zeros_like(protocol.template)),
            "template Ann_Lee/0 shows several people",
        ),
        (dataclasses.replace(protocol, template_names=(*protocol.template_names, "x")), "template x has no image"),
    ]
    for case, reason in wrong:
        with pytest.raises(DataError, match=reason):
            pack_protocol(case, pixels=4, cache=tmp_path)
    assert not (tmp_path / "protocols").exists()


def test_a_missing_or_damaged_file_says_what_to_do(protocol: Protocol, tmp_path: Path) -> None:
    digest = pack_protocol(protocol, pixels=4, cache=tmp_path)
    file = tmp_path / "protocols" / f"{digest}.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"is damaged .* run the same command again"):
        open_protocol(tmp_path, digest)
    file.unlink()
    with pytest.raises(DataError, match="is not packed"):
        open_protocol(tmp_path, digest)
