import numpy as np
import pytest

from mindrcnn.data.batching.buckets import BatchPlan, assign_buckets, evaluation_plan
from mindrcnn.errors import InputError

WIDE, TALL, SQUARE = (800, 1344), (1344, 800), (1024, 1024)


def test_assignment_by_aspect_ratio():
    sizes = [(480, 640), (640, 480), (500, 500), (300, 900), (900, 300)]
    assert assign_buckets(sizes, buckets=(WIDE, TALL), short_side=800).tolist() == [0, 1, 0, 0, 1]
    assert assign_buckets(sizes, buckets=(WIDE, TALL, SQUARE), short_side=800).tolist() == [0, 1, 2, 0, 1]
    assert assign_buckets([], buckets=(WIDE,), short_side=800).tolist() == []


@pytest.fixture
def assignment():
    return np.array([0] * 13 + [1] * 6 + [2])


def plan(assignment, **options):
    return BatchPlan(assignment=assignment, buckets=(WIDE, TALL, SQUARE), **{"batch_size": 4, "seed": 0, **options})


def test_every_image_at_most_once_and_few_left_out(assignment):
    batches = plan(assignment, batch_size=3)
    assert len(batches) == 6
    for epoch in range(20):
        planned = batches.epoch(epoch)
        indices = [index for batch in planned for index in batch.indices]
        assert len(planned) == 6
        assert len(set(indices)) == len(indices) == 18
        assert all(len(batch.indices) == 3 for batch in planned)


def test_batches_come_from_one_bucket_but_for_the_rest(assignment):
    planned = plan(assignment).epoch(0)
    mixed = 0
    for batch in planned:
        own = [(WIDE, TALL, SQUARE)[assignment[index]] for index in batch.indices]
        assert own.count(batch.bucket) == max(own.count(bucket) for bucket in own)
        mixed += len(set(own)) > 1
    assert mixed <= 1


def test_over_the_epochs_every_image_comes_up(assignment):
    seen = {index for epoch in range(40) for batch in plan(assignment).epoch(epoch) for index in batch.indices}
    assert seen == set(range(20))
    sevens = plan(assignment, batch_size=7)
    assert {index for epoch in range(40) for batch in sevens.epoch(epoch) for index in batch.indices} == set(range(20))


def test_an_image_of_a_rare_shape_is_left_out_no_more_often_than_others():
    batches = plan(np.array([0] + [1] * 8))
    uses = np.bincount(
        [index for epoch in range(300) for batch in batches.epoch(epoch) for index in batch.indices], minlength=9
    )
    assert uses.sum() == 300 * 8
    assert uses.min() > 300 * 0.8  # 8/9 expected
    assert uses.max() < 300 * 0.96


def test_shuffled_by_seed_and_epoch(assignment):
    assert plan(assignment).epoch(3) == plan(assignment).epoch(3)
    assert plan(assignment).epoch(3) != plan(assignment).epoch(4)
    assert plan(assignment).epoch(3) != plan(assignment, seed=1).epoch(3)


def test_ranks_share_a_global_batch(assignment):
    whole = plan(assignment, batch_size=4).epoch(2)
    shares = [plan(assignment, batch_size=2, rank=rank, world_size=2).epoch(2) for rank in (0, 1)]
    assert len(shares[0]) == len(shares[1]) == len(whole)
    for batch, first, second in zip(whole, *shares, strict=True):
        assert batch.indices == first.indices + second.indices
        assert batch.bucket == first.bucket == second.bucket


def test_batch_larger_than_the_data_set(assignment):
    assert len(plan(assignment, batch_size=20)) == 1
    with pytest.raises(InputError, match=r"train\.batch_size: wanted at most the 20 usable training images, got 21"):
        plan(assignment, batch_size=21)
    with pytest.raises(InputError, match="got 11 x 2 processes"):
        plan(assignment, batch_size=11, world_size=2)


def test_evaluation_plan_has_every_image_once(assignment):
    planned = evaluation_plan(assignment[::-1], buckets=(WIDE, TALL, SQUARE), batch_size=4)
    assert [len(batch.indices) for batch in planned] == [4, 4, 4, 1, 4, 2, 1]
    assert sorted(index for batch in planned for index in batch.indices) == list(range(20))
    assert all((WIDE, TALL, SQUARE)[assignment[::-1][index]] == b.bucket for b in planned for index in b.indices)


@pytest.mark.parametrize("world_size", [2, 4])
def test_the_order_does_not_depend_on_the_number_of_processes(assignment, world_size):
    whole = plan(assignment, batch_size=4)
    ranks = [plan(assignment, batch_size=4 // world_size, rank=r, world_size=world_size) for r in range(world_size)]
    for epoch in (0, 1):
        steps = zip(*(rank.epoch(epoch) for rank in ranks), strict=True)
        joined = [(shares[0].bucket, sum((share.indices for share in shares), ())) for shares in steps]
        assert joined == [(batch.bucket, batch.indices) for batch in whole.epoch(epoch)]
        assert sorted(index for _, indices in joined for index in indices) == list(range(20))
