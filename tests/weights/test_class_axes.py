"""Class axes against rows moved one by one."""

import numpy as np
import pytest

from mindrcnn.weights.class_axes import NEW, axes_of, fill_new, serves_all_classes, to_ours, to_theirs

K = 3
SOURCES = [(0, 1, 2), (2, 0), (1, NEW, 0), (NEW,)]


def values(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1


@pytest.mark.parametrize("sources", SOURCES)
@pytest.mark.parametrize("background", ["first", "last"])
@pytest.mark.parametrize("name", ["box.head.class_logits.weight", "box.head.class_logits.bias"])
def test_class_logits(sources, background, name):
    value = values(K + 1, 2) if name.endswith("weight") else values(K + 1)
    (axis,) = axes_of(name)
    ours = to_ours(value, axis, classes=K, background=background, sources=sources)
    assert len(ours) == len(sources) + 1
    np.testing.assert_array_equal(ours[0], value[0 if background == "first" else K])
    for row, source in zip(ours[1:], sources, strict=True):
        wanted = 0 * value[0] if source == NEW else value[source + (background == "first")]
        np.testing.assert_array_equal(row, wanted)


@pytest.mark.parametrize("sources", SOURCES)
@pytest.mark.parametrize(("rows", "background", "first"), [(K, "last", 0), (K + 1, "first", 1), (K + 1, "last", 0)])
@pytest.mark.parametrize(("name", "per_class"), [("box.head.deltas.weight", 4), ("mask.head.mask_logits.weight", 1)])
def test_rows_of_classes(sources, rows, background, first, name, per_class):
    value = values(rows * per_class, 2)
    (axis,) = axes_of(name)
    ours = to_ours(value, axis, classes=K, background=background, sources=sources)
    for index, source in enumerate(sources):
        got = ours[index * per_class : (index + 1) * per_class]
        start = (source + first) * per_class
        np.testing.assert_array_equal(got, 0 * got if source == NEW else value[start : start + per_class])
    assert len(ours) == len(sources) * per_class


@pytest.mark.parametrize("sources", SOURCES)
def test_point_head_has_classes_on_both_axes(sources):
    fine = 5
    value = values(K, fine + K)
    ours = value
    for axis in axes_of("mask.point_head.predictor.weight"):
        ours = to_ours(ours, axis, classes=K, background="last", sources=sources)
    assert ours.shape == (len(sources), fine + len(sources))
    for row, source in enumerate(sources):
        for column in range(fine):
            assert ours[row, column] == (0 if source == NEW else value[source, column])
        for column, other in enumerate(sources):
            assert ours[row, fine + column] == (0 if NEW in (source, other) else value[source, fine + other])


def test_coarse_prediction_has_a_mask_for_each_class():
    value = values(K * 49, 2)
    (axis,) = axes_of("mask.coarse_head.prediction.weight")
    ours = to_ours(value, axis, classes=K, background="last", sources=(2, 0))
    np.testing.assert_array_equal(ours, np.concatenate([value[98:], value[:49]]))


@pytest.mark.parametrize(
    "name", ["box.head.class_logits.weight", "box.head.deltas.weight", "mask.point_head.fcs.0.weight"]
)
def test_new_classes_keep_initial_values(name):
    sources = (1, NEW)
    shape = {"box.head.class_logits.weight": (3, 2), "box.head.deltas.weight": (8, 2)}.get(name, (4, 5 + 2))
    value, fresh = values(*shape), -values(*shape)
    (axis,) = axes_of(name)
    filled = fill_new(value, fresh, axis, sources)
    new = np.zeros(shape, bool)
    new[{"box.head.class_logits.weight": np.s_[2:], "box.head.deltas.weight": np.s_[4:]}.get(name, np.s_[:, 6:])] = True
    np.testing.assert_array_equal(filled, np.where(new, fresh, value))
    assert (value > 0).all()


@pytest.mark.parametrize("rows", [1, K - 1, K + 2])
def test_another_number_of_rows_is_an_error(rows):
    (axis,) = axes_of("mask.head.mask_logits.weight")
    with pytest.raises(ValueError, match=f"{rows} rows for {K} classes"):
        to_ours(values(rows, 2), axis, classes=K, background="first", sources=(0,))


@pytest.mark.parametrize("background", ["first", "last"])
@pytest.mark.parametrize("row_for_background", [True, False])
@pytest.mark.parametrize("name", ["box.head.class_logits.bias", "box.head.deltas.bias", "mask.head.mask_logits.weight"])
def test_there_and_back(background, row_for_background, name):
    (axis,) = axes_of(name)
    ours = values((K + axis.background) * axis.per_class, 1)
    theirs = to_theirs(ours, axis, background=background, row_for_background=row_for_background)
    assert len(theirs) == (K + (axis.background or row_for_background)) * axis.per_class
    np.testing.assert_array_equal(to_ours(theirs, axis, classes=K, background=background, sources=range(K)), ours)


def test_most_parameters_have_no_class_axis():
    for name in (
        "box.head.fc1.weight",
        "rpn.head.deltas.weight",
        "mask.head.upsample.bias",
        "mask.point_head.fcs.0.bias",
    ):
        assert axes_of(name) == []


@pytest.mark.parametrize(
    ("name", "rows", "logits", "shared"),
    [
        ("box.head.deltas.weight", 4, 4, True),
        ("box.head.deltas.bias", 4, 81, True),
        ("box.head.deltas.weight", 12, 4, False),
        ("box.head.deltas.weight", 4, 2, False),  # one class
        ("box.head.fc1.weight", 4, 4, False),
    ],
)
def test_a_regressor_of_all_classes(name: str, rows: int, logits: int, shared: bool) -> None:
    parameters = {name: np.zeros((rows, 3)), "box.head.class_logits.weight": np.zeros((logits, 3))}
    assert serves_all_classes(name, parameters) == shared
