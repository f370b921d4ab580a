"""Intervals: seeded, of the right width, and absent where images say nothing."""

import numpy as np
import pytest
from report_sides import match_boxes, random_split, sides

from mindrcnn.report import precision
from mindrcnn.report.bootstrap import draw_weights, interval, resampled_scores
from mindrcnn.report.matches import find_matches
from mindrcnn.report.tables import count_objects, make_tables


def test_resamples_draw_as_many_images_and_repeat_with_the_seed():
    weights = draw_weights(7, 50, seed=3)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert (weights == draw_weights(7, 50, seed=3)).all()
    assert (weights != draw_weights(7, 50, seed=4)).any()
    assert draw_weights(7, 0, seed=0).shape == (0, 7)


def test_a_mean_gets_the_interval_of_its_standard_error():
    random = np.random.default_rng(0)
    data = random.normal(5, 1, 400)
    weights = draw_weights(400, 2000, seed=0)
    low, high = interval(np.concatenate([[data.mean()], weights @ data / 400]))
    error = 1.96 * data.std() / 20
    assert low == pytest.approx(data.mean() - error, abs=0.2 * error)
    assert high == pytest.approx(data.mean() + error, abs=0.2 * error)


def test_a_shift_of_all_resamples_is_taken_out():
    spread = np.random.default_rng(1).normal(0, 1, 2000)
    straight, shifted = interval(np.append(0.0, spread)), interval(np.append(0.0, spread + 0.3))
    assert shifted == pytest.approx(straight)
    assert straight == pytest.approx((-1.96, 1.96), abs=0.15)


def test_too_few_resamples_have_no_interval():
    assert interval(np.append(0.5, np.full(10, 0.5))) is None
    assert interval(np.concatenate([[0.5], np.full(30, np.nan), np.full(25, 0.5)])) is None


def test_resamples_score_alike_whether_all_at_once_or_one_by_one(monkeypatch):
    matches = find_matches(*sides(*random_split(2, images=30)), "bbox", max_detections=100)
    weights = draw_weights(30, 5, 0)
    at_once = resampled_scores(matches, weights)
    monkeypatch.setattr(precision, "AT_ONCE", 1)
    in_turn = resampled_scores(matches, weights)
    for name in ("ap", "recall", "few_recall"):
        assert len(getattr(at_once, name)) == 6  # the images themselves first
        np.testing.assert_array_equal(getattr(at_once, name), getattr(in_turn, name))
    assert (at_once.ap[0] != at_once.ap[1]).any()


def test_tables_have_intervals_around_their_values_and_none_for_classes_in_few_images():
    truth, results = random_split(2, images=30)
    matches = find_matches(*sides(truth, results), "bbox", max_detections=100)
    tables = make_tables(matches, resampled_scores(matches, draw_weights(30, 60, 0)))
    metric = tables["metrics"]["AP"]
    assert metric["interval"][0] < metric["value"] < metric["interval"][1]
    assert all(one["AP"]["interval"] for one in tables["per_class"])
    counts = count_objects(matches.truth, matches)
    assert counts["objects"] == sum(one["objects"] for one in tables["per_class"]) == sum(counts["sizes"].values())

    few = match_boxes([(1, "cat", [0, 0, 10, 10])], [(1, "cat", [0, 0, 10, 10], 0.5)], images=3)
    cat, dog = make_tables(few, resampled_scores(few, draw_weights(3, 60, 0)))["per_class"]
    assert cat["AP"] == {"value": pytest.approx(1), "interval": None}
    assert dog["AP"] == {"value": -1.0, "interval": None}
    assert (cat["objects"], cat["images"], cat["detections"]) == (1, 1, 1)
