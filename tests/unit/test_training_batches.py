import itertools

import numpy as np
import pytest

from training.batches import Batches, Shares, balanced, order, show
from training.photographs import Photograph


class Shelf:
    """An album of four coloured noises."""

    def __init__(self):
        self.photographs = [Photograph(str(number), "-", number, 40, 60) for number in range(4)]

    def lab(self, photograph):
        rng = np.random.default_rng(photograph.offset)
        return rng.integers(100, 150, (photograph.height, photograph.width, 3), np.uint8)


@pytest.fixture
def batches():
    shelf = Shelf()
    return Batches(shelf, shelf.photographs, 7, Shares())


def test_of_one_source_every_photograph_comes_once_a_turn():
    first = [index for _, index in itertools.islice(order(balanced(["a"] * 10), 1, 0), 30)]
    assert all(sorted(first[at : at + 10]) == list(range(10)) for at in (0, 10, 20))
    assert first[:10] != first[10:20]


def test_the_order_goes_on_from_any_place():
    often = balanced(["a"] * 8 + ["b"] * 2)
    whole = list(itertools.islice(order(often, 1, 0), 30))
    assert list(itertools.islice(order(often, 1, 13), 17)) == whole[13:]


def test_a_source_is_shown_as_often_as_the_root_of_its_size():
    often = balanced(["large"] * 900 + ["small"] * 100)
    drawn = [index for _, index in itertools.islice(order(often, 1, 0), 10000)]
    assert sum(index < 900 for index in drawn) == pytest.approx(7500, rel=0.02)
    assert set(drawn) == set(range(1000))


def test_another_seed_is_another_order():
    assert list(itertools.islice(order(np.ones(50), 1, 0), 50)) != list(itertools.islice(order(np.ones(50), 2, 0), 50))


def test_a_training_cut_off_sees_the_same_batches_when_it_goes_on(batches):
    plan = [(3, 32), (3, 32), (2, 64)]
    whole = list(batches.stream(0, iter(plan)))
    rest = list(batches.stream(6, iter(plan[2:])))
    assert len(whole) == 3
    assert (rest[0].light == whole[2].light).all()
    assert (rest[0].ab == whole[2].ab).all()
    assert rest[0].light.shape == (2, 1, 64, 64)
    assert rest[0].ab.shape == (2, 16, 16, 2)


def test_so_many_threads_make_the_same_batches(batches):
    plan = [(3, 32)] * 9
    one, four = list(batches.stream(0, iter(plan))), list(batches.stream(0, iter(plan), makers=4))
    assert all((a.light == b.light).all() and (a.ab == b.ab).all() for a, b in zip(one, four, strict=True))


def test_a_fault_of_the_thread_reaches_the_one_who_takes_the_batches(batches, monkeypatch):
    monkeypatch.setattr(batches, "make", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(batches.stream(0, iter([(1, 32)])))


def test_a_sample_that_is_neither_aged_nor_cut_keeps_its_colours():
    lab = np.zeros((64, 64, 3), np.uint8)
    lab[:] = (128, 150, 110)
    light, ab = show(lab, 32, Shares(whole=1, aged=0, film=0, sharpened=0, mounted=0), np.random.default_rng(0))
    assert light == pytest.approx(np.full((32, 32), 128 * 100 / 255), abs=1e-3)
    assert (ab == (22, -18)).all()
