"""Repeat factors against detectron2's formula, and their use in the plan of an epoch."""

import math
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest

from mindrcnn.data.batching.buckets import BatchPlan
from mindrcnn.data.batching.repeat_factors import UNIT, draw_uses, repeat_factors

BUCKET = (64, 64)


def images(*labels):
    return [SimpleNamespace(labels=np.array(own, np.int32)) for own in labels]


def detectron2_factors(records, thresh):
    freq = defaultdict(int)
    for record in records:
        for category in set(record.labels.tolist()):
            freq[category] += 1
    rep = {c: max(1.0, math.sqrt(thresh / (n / len(records)))) for c, n in freq.items()}
    return [max({rep[c] for c in record.labels.tolist()}, default=1.0) for record in records]


@pytest.mark.parametrize("thresh", [0.001, 0.2, 0.9])
def test_factors_are_those_of_detectron2(thresh):
    rng = np.random.default_rng(0)
    made = images(*(rng.choice(8, rng.integers(0, 4), p=np.arange(1, 9) / 36) + 1 for _ in range(60)))
    np.testing.assert_allclose(repeat_factors(made, thresh=thresh) / UNIT, detectron2_factors(made, thresh), atol=1e-6)


def test_no_images():
    assert repeat_factors([], thresh=0.5).tolist() == []


def test_uses_round_each_factor_and_keep_the_mean():
    factors = np.array([1.0, 1.25, 2.5, 1.0, 3.75] * 4 + [1.5]) * UNIT
    factors = factors.astype(np.int64)
    rng = np.random.default_rng(0)
    drawn = np.array([draw_uses(factors, rng) for _ in range(2000)])
    assert (drawn >= factors // UNIT).all()
    assert (drawn <= -(-factors // UNIT)).all()
    np.testing.assert_allclose(drawn.mean(axis=0), factors / UNIT, atol=0.05)
    assert set(drawn.sum(axis=1)) == {39, 40}
    assert drawn.sum(axis=1).mean() == pytest.approx(39.5, abs=0.05)


def plan(factors, **options):
    defaults = {"assignment": np.zeros(len(factors), np.int64), "buckets": (BUCKET,), "batch_size": 2, "seed": 3}
    return BatchPlan(factors=np.array(factors) * UNIT // 4, **{**defaults, **options})


FACTORS = [4, 4, 4, 9, 14, 4, 6, 4]  # quarters: 12.25 images


def test_every_epoch_has_the_same_number_of_steps():
    batches = plan(FACTORS)
    assert len(batches) == 6
    assert {len(batches.epoch(epoch)) for epoch in range(50)} == {6}
    used = [(index, use) for batch in batches.epoch(1) for index, use in zip(batch.indices, batch.uses, strict=True)]
    assert len(set(used)) == len(used) == 12
    assert max(use for index, use in used if index == 4) in (2, 3)
    assert all(use == 0 for index, use in used if index < 3)


def test_without_rare_classes_the_order_is_a_permutation():
    used = [index for batch in plan([4] * 8).epoch(0) for index in batch.indices]
    assert sorted(used) == list(range(8))


def test_ranks_share_each_batch_and_an_epoch_repeats():
    whole = plan(FACTORS, batch_size=4)
    for epoch in range(3):
        assert whole.epoch(epoch) == plan(FACTORS, batch_size=4).epoch(epoch)
        halves = [plan(FACTORS, batch_size=2, rank=rank, world_size=2).epoch(epoch) for rank in (0, 1)]
        for batch, left, right in zip(whole.epoch(epoch), *halves, strict=True):
            assert batch.indices == left.indices + right.indices
            assert batch.uses == left.uses + right.uses
