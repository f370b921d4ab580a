"""Balanced sampling against sorted loops."""

import numpy as np
from mindspore import Tensor

from mindrcnn.ops.sampler import sample_balanced

COUNT, POSITIVES = 8, 2


def sample(state: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
    return sample_balanced(state, noise, count=COUNT, max_positives=POSITIVES)


def sample_loop(state: np.ndarray, noise: np.ndarray) -> tuple[list[int], list[int]]:
    order = sorted(range(len(state)), key=lambda n: noise[n])
    positives = [n for n in order if state[n] == 1][:POSITIVES]
    return positives, [n for n in order if state[n] == 0][: COUNT - len(positives)]


def check(state: np.ndarray, noise: np.ndarray, result: tuple[np.ndarray, ...]) -> None:
    pos_index, pos_valid, neg_index, neg_valid = result
    assert pos_index.shape == pos_valid.shape == (len(state), POSITIVES)
    assert neg_index.shape == neg_valid.shape == (len(state), COUNT)
    assert pos_index.dtype == neg_index.dtype == np.int32
    for image in range(len(state)):
        positives, negatives = sample_loop(state[image], noise[image])
        for index, valid, expected in ((pos_index, pos_valid, positives), (neg_index, neg_valid, negatives)):
            np.testing.assert_array_equal(valid[image], np.arange(valid.shape[1]) < len(expected))
            np.testing.assert_array_equal(index[image][valid[image]], expected)
            np.testing.assert_array_equal(index[image][~valid[image]], 0)


def test_random_states_against_sorting(run) -> None:
    rng = np.random.default_rng(0)
    state = rng.choice(np.array([-1, 0, 1], np.int32), (6, 30), p=[0.2, 0.6, 0.2])
    state[1] = rng.choice(np.array([-1, 0], np.int32), 30)  # no positive: negatives fill up
    state[2] = np.where(np.arange(30) == 17, 1, -1)  # one positive, nothing else
    state[3] = -1
    state[4] = 1  # no negative
    state[5] = np.where(np.arange(30) < 3, 0, 1)  # few negatives
    noise = rng.random((6, 30), dtype=np.float32)
    check(state, noise, run(sample, state, noise))


def test_fewer_candidates_than_slots(run) -> None:
    state = np.array([[0, 1, 0, -1, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 0]], np.int32)
    noise = np.random.default_rng(0).random((3, 5), dtype=np.float32)
    check(state, noise, run(sample, state, noise))


def test_equal_noise_keeps_quota_and_distinct_indices(run) -> None:
    state = np.array([[1] * 5 + [0] * 20 + [-1] * 5], np.int32)
    for value in (0.0, 0.5, np.nextafter(np.float32(1), np.float32(0))):
        pos_index, pos_valid, neg_index, neg_valid = run(sample, state, np.full((1, 30), value, np.float32))
        assert pos_valid.sum() == POSITIVES
        assert neg_valid.sum() == COUNT - POSITIVES
        positives, negatives = pos_index[pos_valid], neg_index[neg_valid]
        assert len(set(positives)) == POSITIVES
        assert set(positives) <= set(range(5))
        assert len(set(negatives)) == COUNT - POSITIVES
        assert set(negatives) <= set(range(5, 25))


def test_ascending_noise_takes_the_first(run) -> None:
    state = np.array([[0, 1] * 15], np.int32)
    noise = (np.arange(30, dtype=np.float32) / 30)[None]
    pos_index, _, neg_index, neg_valid = run(sample, state, noise)
    np.testing.assert_array_equal(pos_index, [[1, 3]])
    np.testing.assert_array_equal(neg_index[neg_valid], [0, 2, 4, 6, 8, 10])


def sample_tiny_fraction(state: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
    return sample_balanced(state, noise, count=4, max_positives=1)


def test_there_is_always_one_positive_slot(run) -> None:
    state = np.array([[1, 0, 0, 1, 0, 0]], np.int32)
    noise = np.array([[0.9, 0.1, 0.2, 0.3, 0.4, 0.5]], np.float32)
    pos_index, pos_valid, neg_index, neg_valid = run(sample_tiny_fraction, state, noise)
    np.testing.assert_array_equal(pos_index, [[3]])
    assert pos_valid.all()
    np.testing.assert_array_equal(neg_index, [[1, 2, 4, 0]])
    np.testing.assert_array_equal(neg_valid, [[True, True, True, False]])


def sample_with_limit(state: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
    return sample_balanced(state, noise, count=8, max_positives=2, negatives_per_positive=1.5)


def test_negatives_are_limited_by_the_positives_that_are_sampled(run) -> None:
    state = np.zeros((3, 20), np.int32)
    state[0, :5] = 1  # two are sampled: 3 negatives
    state[1, 0] = 1  # one negative
    noise = np.random.default_rng(0).random((3, 20), dtype=np.float32)
    _, pos_valid, neg_index, neg_valid = run(sample_with_limit, state, noise)
    assert pos_valid.sum(axis=1).tolist() == [2, 1, 0]
    assert neg_valid.sum(axis=1).tolist() == [3, 1, 1]  # without positives as with one
    lowest = np.argsort(np.where(state[0] == 0, noise[0], 2))[:3]
    assert neg_index[0, :3].tolist() == lowest.tolist()
