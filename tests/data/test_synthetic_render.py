"""Pixels: the same from the same seed whatever is drawn beside them, and faces that look as their view says."""

from math import pi, radians

import numpy as np
import pytest
import torch

from bench.data.synthetic.columns import Columns
from bench.data.synthetic.draws import Parameter, draw, stream
from bench.data.synthetic.head import ellipsoids, intersect, rotation
from bench.data.synthetic.identity import PARAMETERS, TEXTURE, identity, name_of
from bench.data.synthetic.render import CHUNK, Shot, render
from bench.data.synthetic.sheet import contact_sheet, write_contact_sheet
from bench.data.synthetic.spec import SyntheticSpec
from bench.data.synthetic.views import REGIMES, frontal, profile, studio, training, video, wild


def shots(count: int, seed: int = 0) -> list[Shot]:
    return [Shot(identity(seed, "t", i // 3), training(stream(seed, "t", i)), (seed, "t", i)) for i in range(count)]


def test_an_image_depends_on_its_shot_alone():
    many = shots(2 * CHUNK + 3)
    together = render(many, 24)
    alone = np.concatenate([render([shot], 24) for shot in many])
    by_seven = np.concatenate([render(many[i : i + 7], 24) for i in range(0, len(many), 7)])
    backwards = render(many[::-1], 24)[::-1]
    assert together.shape == (len(many), 24, 24, 3)
    assert together.dtype == np.uint8
    for other in (alone, by_seven, backwards, render(many, 24)):
        np.testing.assert_array_equal(together, other)


def test_threads_do_not_change_a_byte():
    many, before = shots(CHUNK), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = render(many, 48)
        torch.set_num_threads(2)
        np.testing.assert_array_equal(one, render(many, 48))
    finally:
        torch.set_num_threads(before)


def test_rendering_leaves_the_global_generators_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    render(shots(2), 16)
    assert torch.equal(torch.rand(3), expected)


def test_seed_person_and_view_each_change_the_image():
    base = Shot(identity(0, "t", 0), studio(stream(0)), (0,))
    others = [
        Shot(identity(1, "t", 0), base.view, (0,)),
        Shot(identity(0, "t", 1), base.view, (0,)),
        Shot(identity(0, "u", 0), base.view, (0,)),
        Shot(base.who, base.view | {"yaw": 0.3}, (0,)),
    ]
    images = render([base, *others], 24).astype(int)
    assert all(np.abs(images[0] - other).mean() > 1 for other in images[1:])


def test_nothing_to_render_is_an_empty_array():
    assert render([], 20).shape == (0, 20, 20, 3)


def assert_nearly_equal(image: np.ndarray, mirrored: np.ndarray) -> None:
    """Only the strands of the hair, all combed one way, may differ, by a few grey levels."""
    difference = np.abs(image - mirrored)
    assert difference.max() <= 12
    assert difference.mean() < 1


def test_a_frontal_head_is_symmetric_but_for_light_and_texture():
    flat = {p.name: 0.0 for p in TEXTURE}
    who = identity(3, "t", 1) | flat | {"mole_dark": 0.0}
    plain = dict.fromkeys(("back_red", "back_green", "back_blue", "front_red", "front_green", "front_blue"), 0.5)
    image = render([Shot(who, studio(stream(1)) | plain, (1,))], 48)[0].astype(int)
    assert_nearly_equal(image, image[:, ::-1])


def test_opposite_yaw_is_the_mirror_image():
    flat = {p.name: 0.0 for p in TEXTURE}
    who = identity(3, "t", 2) | flat | {"mole_dark": 0.0}
    view = studio(stream(1)) | {"wave_x": 0.0, "wave_y": 0.0}
    left, right = render([Shot(who, view | {"yaw": y}, (1,)) for y in (0.7, -0.7)], 40).astype(int)
    assert_nearly_equal(left, right[:, ::-1])


@pytest.mark.parametrize("yaw", [0.0, 0.5, pi / 2])
def test_rays_meet_the_front_of_the_head(yaw):
    """Slow twin: march along each ray in plain Python until the first ellipsoid is entered."""
    pixels = 41
    who = Columns([identity(0, "t", 4)])
    view = Columns([studio(stream(2)) | {"yaw": yaw, "pitch": 0.2, "roll": -0.1}])
    turn, shape = rotation(view), ellipsoids(who, view)
    surface = intersect(shape, turn, view, pixels)
    centre, radii, tilt = (x[0].numpy() for x in (shape.centre, shape.radii, shape.tilt))

    def inside(p: np.ndarray) -> bool:
        for c, r, a in zip(centre, radii, tilt, strict=True):
            x, y, z = p - c
            u, v = np.cos(a) * y + np.sin(a) * z, -np.sin(a) * y + np.cos(a) * z
            if (x / r[0]) ** 2 + (u / r[1]) ** 2 + (v / r[2]) ** 2 < 1:
                return True
        return False

    R = turn[0].numpy()
    checked = 0
    for k in range(0, pixels * pixels, 17):
        if surface.cover[0, k] < 1:
            continue
        camera = R @ surface.point[0, :, k].numpy()
        first = next((z for z in np.arange(2.0, -2.0, -0.004) if inside(R.T @ [*camera[:2], z])), None)
        if first is not None:
            assert camera[2] == pytest.approx(first, abs=0.06)
            checked += 1
    assert checked > 30


def test_normals_have_length_one_and_face_the_camera():
    who, view = Columns([identity(0, "t", i) for i in range(4)]), Columns([profile(stream(i)) for i in range(4)])
    turn = rotation(view)
    surface = intersect(ellipsoids(who, view), turn, view, 32)
    on = surface.cover == 1
    assert torch.allclose(surface.normal.norm(dim=1)[on], torch.ones(1, dtype=torch.float64))
    assert ((turn @ surface.normal)[:, 2][on] > -0.2).all()
    assert torch.allclose(turn @ turn.transpose(1, 2), torch.eye(3, dtype=torch.float64).expand(4, 3, 3))


def test_poses_keep_to_their_regime():
    def yaws(regime):
        return np.abs([regime(stream("y", i))["yaw"] for i in range(300)])

    assert yaws(frontal).max() <= radians(12)
    assert yaws(profile).min() >= radians(60)
    assert yaws(profile).max() <= radians(90)
    assert radians(15) < yaws(wild).mean() < radians(30)
    assert yaws(wild).max() <= radians(60)


def test_videos_glide():
    for seed in range(5):
        clip = video(stream("clip", seed), 8)
        steps = np.abs(np.diff([[view["yaw"], view["light_x"], view["pitch"]] for view in clip], axis=0))
        spans = np.abs(
            np.subtract(
                [clip[-1][k] for k in ("yaw", "light_x", "pitch")], [clip[0][k] for k in ("yaw", "light_x", "pitch")]
            )
        )
        assert (steps <= 0.25 * spans + 1e-12).all()
        assert len({view["back_red"] for view in clip}) == 1
    assert len(video(stream(0), 1)) == 1


def test_pose_changes_an_image_more_than_any_other_nuisance():
    who = identity(0, "t", 0)
    spread = {
        "yaw": radians(27),
        "light_x": 0.55,
        "smile": 0.035,
        "scale": 0.05,
        "roll": radians(5),
        "pitch": radians(8),
    }
    base = studio(stream(0)) | {"wave_x": 0.0, "wave_y": 0.0}
    views = [base, *(base | {name: base[name] + step} for name, step in spread.items())]
    images = render([Shot(who, view, (0,)) for view in views], 32).astype(float)
    change = dict(zip(spread, np.abs(images[1:] - images[0]).mean(axis=(1, 2, 3)), strict=True))
    assert max(change, key=change.__getitem__) == "yaw"


def test_draws_are_limited_and_named_streams_independent():
    wide = [Parameter("a", 0.0, 100.0, low=-1.0, high=2.0), Parameter("b", 5.0, 0.0)]
    values = [draw(wide, stream("d", i)) for i in range(20)]
    assert {v["a"] for v in values} >= {-1.0, 2.0}
    assert {v["b"] for v in values} == {5.0}
    assert stream("ab", "c").random() != stream("a", "bc").random()
    assert stream(1, "x").random() == stream("1", "x").random()


def test_parameters_are_forty_odd_and_uniquely_named():
    names = [p.name for p in PARAMETERS + TEXTURE]
    assert len(names) == len(set(names))
    assert 40 <= len(PARAMETERS) <= 60


def test_names_are_unique_across_splits():
    names = [name_of(split, i) for split in ("train", "lfw", "ytf", "cfp") for i in (*range(60), 26**3 - 1, 26**3)]
    assert len(names) == len(set(names))
    assert name_of("lfw", 27) == "Syn_Labb"


def test_every_regime_renders():
    people = [Shot(identity(0, "r", i), regime(stream(i)), (i,)) for i, regime in enumerate(REGIMES.values())]
    assert render(people, 16).std(axis=(1, 2, 3)).min() > 5


def test_contact_sheet_has_a_row_a_person(tmp_path):
    sheet = contact_sheet(SyntheticSpec(), people=2, pixels=16)
    assert sheet.size == (16 * 10, 32)
    write_contact_sheet(tmp_path / "sheet.png", people=2, pixels=16)
    assert (tmp_path / "sheet.png").stat().st_size > 500
