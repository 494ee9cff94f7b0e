import numpy as np
import pytest

from training.score import input_of, score


@pytest.fixture
def lab():
    picture = np.zeros((80, 120, 3), np.uint8)
    picture[..., 0] = 150
    picture[:, :60, 1:] = (128 + 20, 128 + 30)
    picture[:, 60:, 1:] = (128 - 20, 128 - 10)
    return picture


def test_the_right_colours_score_a_hundred(lab):
    lab[:] = (150, 148, 158)
    told = score([(lab, np.full((56, 56, 2), (20, 30), np.float32))])
    assert told.auc == pytest.approx(100)
    assert told.auc_rebal == pytest.approx(100)
    assert told.colourful == pytest.approx(1, abs=0.01)


def test_grey_scores_its_distance_and_has_no_colour(lab):
    lab[:] = (150, 148, 128)
    told = score([(lab, np.zeros((56, 56, 2), np.float32))])
    assert told.auc == pytest.approx(100 * (1 - 20 / 150), abs=0.4)
    assert told.colourful == pytest.approx(0, abs=0.01)


def test_rebalanced_each_colour_weighs_the_same_however_rare(lab):
    lab[:] = (150, 128, 128)
    lab[:8, :8, 1:] = 128 + 50
    told = score([(lab, np.zeros((56, 56, 2), np.float32))])
    assert told.auc > 99
    assert told.auc_rebal == pytest.approx((100 + 100 * (1 - 70.7 / 150)) / 2, abs=0.5)


def test_the_net_is_given_the_whole_picture_as_a_square(lab):
    assert input_of(lab).shape == (1, 224, 224)
    assert input_of(lab) == pytest.approx(np.full((1, 224, 224), 150 * 100 / 255 - 50), abs=1e-3)
