"""The side-by-side of trainings: each contender makes steps of its own."""

import argparse

from benchmarks.training import make_data, with_liverseg


def test_no_contender_goes_on_from_where_another_ended(tmp_path):
    options = argparse.Namespace(
        work=tmp_path, device="cpu", example=None, width=2, patch=[32, 32, 16], batch=2,
        threads=1, warm=1, steps=2, contender="liverseg",
    )  # fmt: skip
    make_data(options)
    for contender in ("liverseg", "liverseg alone"):
        options.contender = contender
        moments, _, _ = with_liverseg(options)
        assert len(moments) == 3
