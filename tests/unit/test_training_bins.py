import numpy as np
import pytest

from training.bins import BINS, nearest, rebalance, row_of


def test_the_first_of_the_five_bins_is_the_nearest_and_the_shares_sum_to_one():
    bins, shares = nearest()
    rng = np.random.default_rng(0)
    for ab in rng.uniform(-110, 110, (200, 2)):
        row = row_of(ab)
        distance = ((BINS - np.rint(ab)) ** 2).sum(1)
        assert distance[bins[row, 0]] == distance.min()
        assert shares[row].sum() == pytest.approx(1, abs=1e-5)
        assert shares[row].argmax() == 0


def test_a_bin_centre_is_encoded_as_itself_first():
    bins, shares = nearest()
    rows = row_of(BINS)
    assert (bins[rows, 0] == np.arange(313)).all()
    # The four neighbours at a distance of 10 weigh exp(-2) each.
    inside = shares[row_of(np.array([0, 0], np.float32))]
    assert inside[0] == pytest.approx(1 / (1 + 4 * np.exp(-2)), rel=1e-5)


def test_colours_outside_the_gamut_are_encoded_too():
    _, shares = nearest()
    assert np.isfinite(shares[row_of(np.array([-300, 300], np.float32))]).all()


def test_rebalancing_keeps_the_mean_weight_of_a_pixel_at_one():
    prior = np.random.default_rng(0).dirichlet(np.full(313, 0.1))
    weight = rebalance(prior, 0.5)
    assert (prior * weight).sum() == pytest.approx(1, abs=1e-5)
    assert weight[prior.argmin()] > weight[prior.argmax()]
