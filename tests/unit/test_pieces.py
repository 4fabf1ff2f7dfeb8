"""Connected pieces found slab by slab: the same as at once, for any slab."""

import cc3d
import numpy as np
import pytest

from workflow.liverseg.pieces import find_pieces


@pytest.mark.parametrize("touching", [6, 26])
@pytest.mark.parametrize("slab", [1, 3, 50])
@pytest.mark.parametrize("density", [0.05, 0.2, 0.5])
def test_pieces_are_those_of_the_whole_mask(touching, slab, density):
    mask = np.random.default_rng(3).random((9, 8, 14)) < density
    found = find_pieces(lambda k: mask[:, :, k], 14, touching=touching, slab=slab)
    expected = cc3d.connected_components(mask, connectivity=touching)
    assert sorted(found.sizes[1:]) == sorted(np.bincount(expected.ravel())[1:])
    for number in range(1, len(found.sizes)):
        piece = np.zeros(mask.shape, bool)
        for place, where in found.where(np.arange(len(found.sizes)) == number):
            piece[:, :, place] = where
        assert len(np.unique(expected[piece])) == 1
        assert piece.sum() == found.sizes[number]
        inner = piece.copy()
        inner[1:-1, 1:-1, 1:-1] = False
        assert found.on_border[number] == inner.any()


def test_pieces_know_what_they_hold():
    mask = np.zeros((4, 4, 9), bool)
    mask[1, 1, :4] = mask[3, 3, 6:] = True
    other = np.zeros_like(mask)
    other[1, 1, 3] = other[0, 0, 0] = True
    found = find_pieces(lambda k: mask[:, :, k], 9, slab=2)
    assert found.holding(lambda k: other[:, :, k]).tolist() == [False, True, False]


def test_nothing_is_in_no_piece():
    found = find_pieces(lambda k: np.zeros((3, 3, k.stop - k.start), bool), 5, slab=2)
    assert found.sizes.tolist() == [0]
    assert not list(found.where(found.sizes > 0))
