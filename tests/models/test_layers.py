"""ConvNorm against loops in numpy, and the two norms against each other."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.layers import ConvNorm

EPS = 1e-5  # of torchvision, mindcv and detectron2
NORM_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")
ACTIVATIONS = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
}
CASES = {
    "3x3": dict(in_channels=4, out_channels=6, kernel_size=3, activation="relu"),
    "3x3 strided": dict(in_channels=32, out_channels=32, kernel_size=3, stride=2, activation="relu"),
    "1x1 strided": dict(in_channels=4, out_channels=6, kernel_size=1, stride=2, activation="none"),
    "7x7 strided": dict(in_channels=3, out_channels=4, kernel_size=7, stride=2, activation="relu"),
    "depthwise": dict(in_channels=4, out_channels=4, kernel_size=3, groups=4, activation="relu6"),
    "bottom and right": dict(
        in_channels=4, out_channels=4, kernel_size=3, stride=2, groups=4, activation="relu6", padding=(0, 1, 0, 1)
    ),
}


def reference_conv(x, weight, *, stride, groups, padding):
    """Convolution as a sum over output pixels, one at a time; float64."""
    top, bottom, left, right = padding
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    batch, in_channels, height, width = x.shape
    out_channels, _, kernel, _ = weight.shape
    rows, columns = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    out = np.zeros((batch, out_channels, rows, columns))
    per_group_in, per_group_out = in_channels // groups, out_channels // groups
    for channel in range(out_channels):
        first = channel // per_group_out * per_group_in
        for row in range(rows):
            for column in range(columns):
                y, x0 = row * stride, column * stride
                window = x[:, first : first + per_group_in, y : y + kernel, x0 : x0 + kernel]
                out[:, channel, row, column] = (window * weight[channel]).sum((1, 2, 3))
    return out


def randomise(layer: ConvNorm, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Gives every parameter random values, variances positive, and returns them by name."""
    values = {}
    for name, parameter in layer.parameters_dict().items():
        value = rng.normal(size=parameter.shape).astype(np.float32)
        values[name] = np.abs(value) + 0.5 if name.endswith("moving_variance") else value
        parameter.set_data(Tensor(values[name]))
    return values


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("norm", ["frozen", "frozen_statistics", "batch"])
def test_forward(case, norm, mode):
    setting = CASES[case]
    rng = np.random.default_rng(3)
    layer = ConvNorm(norm=norm, **setting)
    values = randomise(layer, rng)
    x = rng.normal(size=(2, setting["in_channels"], 10, 12)).astype(np.float32)
    half = setting["kernel_size"] // 2
    raw = reference_conv(
        x,
        values["conv.weight"],
        stride=setting.get("stride", 1),
        groups=setting.get("groups", 1),
        padding=setting.get("padding", (half,) * 4),
    )
    gamma, beta, mean, variance = (values[f"norm.{part}"].reshape(-1, 1, 1) for part in NORM_PARTS)
    wanted = ACTIVATIONS[setting["activation"]]((raw - mean) / np.sqrt(variance + EPS) * gamma + beta)
    layer.set_train(False)
    np.testing.assert_allclose(layer(Tensor(x)).asnumpy(), wanted, rtol=1e-4, atol=1e-4)


TRAINED = {"frozen": ["conv.weight"], "frozen_statistics": ["conv.weight", "norm.gamma", "norm.beta"]}


@pytest.mark.parametrize("norm", TRAINED)
def test_gradient_is_the_one_through_stored_statistics(norm, mode):
    """The gradient agrees with finite differences for the parameters that train; all others have none."""
    rng = np.random.default_rng(5)
    layer = ConvNorm(in_channels=3, out_channels=4, kernel_size=3, norm=norm, activation="none")
    randomise(layer, rng)
    x = Tensor(rng.normal(size=(2, 3, 6, 6)).astype(np.float32))
    towards = Tensor(rng.normal(size=(2, 4, 6, 6)).astype(np.float32))
    trained = layer.trainable_params()
    assert [parameter.name for parameter in trained] == TRAINED[norm]

    def loss(x):
        return (layer(x) * towards).sum()

    _, gradients = ms.value_and_grad(loss, None, trained)(x)
    for parameter, gradient in zip(trained, gradients, strict=True):
        value = parameter.asnumpy()
        for index in ((0, 0, 0, 0), (1, 2, 1, 1), (3, 1, 2, 0)):
            place = index[: value.ndim]
            losses = []
            for step in (0.5, -0.5):  # the output is linear in each of them: a large step is exact and drowns rounding
                moved = value.copy()
                moved[place] += step
                parameter.set_data(Tensor(moved))
                losses.append(float(loss(x).asnumpy()))
            parameter.set_data(Tensor(value))
            assert gradient.asnumpy()[place] == pytest.approx(losses[0] - losses[1], rel=1e-3, abs=1e-3)


def test_all_norms_hold_the_same_parameters():
    shapes = [
        {name: tuple(p.shape) for name, p in ConvNorm(norm=norm, **CASES["3x3"]).parameters_dict().items()}
        for norm in ("frozen", "frozen_statistics", "batch")
    ]
    assert shapes[0] == shapes[1] == shapes[2]
    assert set(shapes[0]) == {"conv.weight", *(f"norm.{part}" for part in NORM_PARTS)}


def test_batch_norm_trains_on_the_batch_and_frozen_does_not():
    x = Tensor(np.random.default_rng(0).normal(3, 2, size=(4, 4, 10, 12)).astype(np.float32))
    means = {}
    for norm in ("batch", "frozen"):
        layer = ConvNorm(norm=norm, in_channels=4, out_channels=6, kernel_size=3, activation="none")
        layer.set_train()
        out = layer(x).asnumpy()
        means[norm] = np.abs(out.mean((0, 2, 3))).max()
        moved = np.abs(layer.norm.moving_mean.asnumpy()).max() > 0
        assert moved == (norm == "batch")
    assert means["batch"] < 1e-3 < means["frozen"]
