"""What can be asked of the generator, and what it says when it cannot be given."""

from dataclasses import fields, replace

import pytest

from bench.data.synthetic.spec import SyntheticSpec, fold_of
from bench.errors import DataError


def test_defaults_hold_the_official_pair_counts_with_few_images():
    spec = SyntheticSpec()
    assert (spec.folds, spec.lfw_pairs, spec.ytf_pairs, spec.cfp_pairs) == (10, 300, 250, 350)
    assert spec.lfw_identities * spec.lfw_images + spec.cfp_identities * (spec.cfp_frontal + spec.cfp_profile) <= 2000
    assert spec.ytf_identities * spec.ytf_videos * spec.ytf_frames <= 3000
    assert spec.ytf_frames >= 8


def test_digest_depends_on_every_field_and_the_generator(monkeypatch):
    spec = SyntheticSpec()
    others = [
        replace(spec, **{field.name: getattr(spec, field.name) + 1})
        for field in fields(spec)
        if field.name not in TIGHT
    ]
    others += [replace(spec, **{name: getattr(spec, name) - 1}) for name in TIGHT]
    assert len({spec.digest(), *(other.digest() for other in others)}) == len(fields(spec)) + 1
    assert SyntheticSpec().digest() == spec.digest()
    before = spec.digest()
    monkeypatch.setattr("bench.data.synthetic.spec.GENERATOR_VERSION", 10_000)
    assert spec.digest() != before


TIGHT = ("folds",)
"""One more fold would leave LFW's folds of six people, too few for their pairs."""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lfw_identities": 60}, "300 genuine pairs a fold, but 6 identities of lfw_images images"),
        ({"ytf_videos": 15}, "ytf_pairs=250 asks for 250 genuine pairs a fold, but 2 identities of ytf_videos videos"),
        ({"cfp_profile": 3}, "cfp_frontal × cfp_profile images (cfp_identities=90 in 10 folds) give at most 270"),
        ({"cfp_frontal": 9}, "cfp_frontal frontal images (cfp_identities=90 in 10 folds) give at most 324"),
        ({"ytf_identities": 10, "ytf_videos": 30}, "asks for 250 impostor pairs a fold, but 1 identities"),
        ({"pixels": 8}, "pixels must be at least 16, got 8"),
        ({"train_images": 0}, "train_images must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"pixels": 40.0}, "pixels must be a whole number, got 40.0"),
    ],
)
def test_the_impossible_is_refused_with_its_reason(change, said):
    with pytest.raises(DataError) as caught:
        SyntheticSpec(**change)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(DataError, match=r"lfw_pairs=300 .*; ytf_pairs=250 "):
        SyntheticSpec(lfw_identities=20, ytf_videos=10)


def test_exactly_as_many_pairs_as_there_are_is_allowed():
    spec = SyntheticSpec(lfw_pairs=315, ytf_pairs=272, cfp_pairs=360)
    with pytest.raises(DataError):
        replace(spec, lfw_pairs=316)


@pytest.mark.parametrize(("identities", "folds"), [(70, 10), (73, 10), (5, 3), (3, 3)])
def test_folds_are_consecutive_blocks_of_nearly_equal_size(identities, folds):
    found = [fold_of(i, identities, folds) for i in range(identities)]
    sizes = [found.count(k) for k in range(folds)]
    assert found == sorted(found)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) == identities // folds
