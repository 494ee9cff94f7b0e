import numpy as np
import pytest

from training import prints

WEARS = [
    prints.fade, prints.bend, prints.paper, prints.blur, prints.sharpen, prints.grain, prints.scratch, prints.compress,
    prints.age,
]  # fmt: skip


@pytest.fixture
def light():
    ramp = np.linspace(0, 100, 64, dtype=np.float32)
    return np.ascontiguousarray(np.tile(ramp, (64, 1)))


@pytest.mark.parametrize("wear", WEARS, ids=lambda wear: wear.__name__)
def test_a_wear_gives_lightness_of_the_same_size_and_leaves_its_argument(wear, light):
    before = light.copy()
    for seed in range(20):
        worn = wear(light, np.random.default_rng(seed))
        assert worn.shape == light.shape
        assert worn.dtype == np.float32
        assert worn.min() >= -1e-3
        assert worn.max() <= 100.5
    assert (light == before).all()


@pytest.mark.parametrize("wear", WEARS, ids=lambda wear: wear.__name__)
def test_the_same_seed_wears_the_same(wear, light):
    assert (wear(light, np.random.default_rng(3)) == wear(light, np.random.default_rng(3))).all()


def test_fading_narrows_the_range(light):
    worn = prints.fade(light, np.random.default_rng(0))
    assert worn.min() > 0
    assert worn.max() < 100


def test_old_film_makes_skies_lighter_and_reds_darker():
    light = np.full((8, 8), 50, np.float32)
    ab = np.zeros((8, 8, 2), np.float32)
    ab[:4] = (0, -40)
    ab[4:] = (60, 0)
    seen = prints.film(light, ab, np.random.default_rng(0))
    assert (seen[:4] > 50).all()
    assert (seen[4:] < 50).all()


def test_a_mount_is_neutral_and_its_edges_meet():
    for seed in range(30):
        light = np.full((192, 192), 50, np.float32)
        light, ab = prints.mount(light, np.full((48, 48, 2), 30, np.float32), np.random.default_rng(seed))
        covered = (light != 50)[::4, ::4]
        assert (covered == (ab == 0).all(2)).all()
