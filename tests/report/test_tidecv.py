"""tidecv itself, where it is installed, against the report's kinds of error on made-up detections."""

import numpy as np
import pytest
from report_sides import random_split, sides

from mindrcnn.report.error_kinds import Kind, error_costs, find_errors
from mindrcnn.report.matches import find_matches

# The two write recall 0.29 with another last bit, so one of 101 points of a class may differ.
ONE_POINT = 1 / 101 / 3

tidecv = pytest.importorskip("tidecv", reason="tidecv is not installed: pip install tidecv")


def untied(results):
    random = np.random.default_rng(0)
    return [one | {"score": float(random.random())} for one in results]


@pytest.mark.parametrize("seed", range(4))
def test_costs_and_counts_agree(seed):
    from tidecv.errors import main_errors

    truth, results = random_split(seed, images=25)
    results = untied(results)
    theirs = {"truth": tidecv.Data("truth"), "found": tidecv.Data("found")}
    for image in truth.images:
        for data in theirs.values():
            data.add_image(image["id"], image["file_name"])
    for one in truth.annotations:
        add = theirs["truth"].add_ignore_region if one["iscrowd"] else theirs["truth"].add_ground_truth
        add(one["image_id"], one["category_id"], one["bbox"])
    for one in results:
        theirs["found"].add_detection(one["image_id"], one["category_id"], one["score"], list(map(float, one["bbox"])))
    run = tidecv.TIDE().evaluate(theirs["truth"], theirs["found"], mode=tidecv.TIDE.BOX)
    matches = find_matches(*sides(truth, results), "bbox", max_detections=100)
    own = error_costs(matches, find_errors(matches))
    assert own["ap50"] == pytest.approx(run.ap / 100, abs=ONE_POINT)
    names = ("ClassError", "BoxError", "OtherError", "DuplicateError", "BackgroundError", "MissedError")
    kinds = [kind for kind in Kind if kind not in (Kind.CORRECT, Kind.IGNORED)]
    costs = run.fix_main_errors()
    for kind, name in zip(kinds, names, strict=True):
        error = getattr(main_errors, name)
        assert own["count"][kind.name.lower()] == len(run.error_dict[error])
        assert own["cost"][kind.name.lower()] == pytest.approx(costs[error] / 100, abs=ONE_POINT)
