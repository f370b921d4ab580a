"""MobileNetV1: ImageNet weights recognise COCO photos, first layers equal numpy, frozen stages do not train."""

from pathlib import Path

import cv2
import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.backbones.mobilenet_v1 import MobileNetV1
from mindrcnn.models.layers import NORM_EPS, ConvNorm
from mindrcnn.weights.backbone import load_backbone

WEIGHTS = "weights/mobilenet_v1_imagenet_folded_bn.npz"
# Photo of coco_mini's val2017, (left, top, right, bottom) of its main object, class of 1001 (ImageNet's + background
# at 0), least probability. With symmetric padding at stride 2 the elephant gets 0.67, the black bear 0.32, the
# broccoli 0.76.
PHOTOS = [
    ("000000104455.jpg", (50, 0, 624, 480), 341, 0.99),  # zebra
    ("000000519611.jpg", (126, 50, 525, 449), 297, 0.99),  # ice bear
    ("000000415748.jpg", (0, 264, 351, 632), 386, 0.90),  # Indian elephant
    ("000000358427.jpg", (197, 1, 629, 427), 938, 0.90),  # broccoli
    ("000000229997.jpg", (185, 82, 442, 340), 296, 0.70),  # American black bear
]


@pytest.fixture(scope="module")
def trained(shared_data: Path) -> MobileNetV1:
    backbone = MobileNetV1(norm="frozen", frozen_stages=0)
    load_backbone(backbone, shared_data / WEIGHTS)
    return backbone


def crop(folder: Path, name: str, box: tuple[int, int, int, int]) -> np.ndarray:
    """The box of a photo as the weights expect it: (3, 224, 224) RGB, (x - 128) / 128."""
    left, top, right, bottom = box
    image = cv2.imread(str(folder / name))[top:bottom, left:right, ::-1]
    image = cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA).astype(np.float32)
    return ((image - 128) / 128).transpose(2, 0, 1)


def test_imagenet_weights_recognise_photos(trained, shared_data):
    """Another padding, channel order or normalisation makes this fail."""
    images = np.stack([crop(shared_data / "coco_mini" / "val2017", name, box) for name, box, _, _ in PHOTOS])
    ms.set_context(mode=ms.GRAPH_MODE)
    *_, c5 = trained(Tensor(images))
    with np.load(shared_data / WEIGHTS) as weights:
        logits = c5.asnumpy().mean((2, 3)) @ weights["head/weight"].T + weights["head/bias"]
    scores = np.exp(logits - logits.max(1, keepdims=True))
    scores /= scores.sum(1, keepdims=True)
    for (name, _, label, least), row in zip(PHOTOS, scores, strict=True):
        assert row.argmax() == label, name
        assert row[label] > least, name


def tensorflow_conv(x, weight, bias, *, stride):
    """TensorFlow's 'SAME' convolution and ReLU6 on (C, H, W), tap by tap; depthwise if weight is (C, 1, ...).

    Padding as TensorFlow documents it: the total that gives ceil(size / stride) outputs, the smaller half first.
    """
    kernel = weight.shape[2]
    out = [-(-size // stride) for size in x.shape[1:]]
    pads = [max((o - 1) * stride + kernel - size, 0) for o, size in zip(out, x.shape[1:], strict=True)]
    padded = np.pad(x, ((0, 0), *((total // 2, total - total // 2) for total in pads)))
    total = np.zeros((weight.shape[0], *out)) + bias[:, None, None]
    for dy in range(kernel):
        for dx in range(kernel):
            window = padded[:, dy : dy + stride * out[0] : stride, dx : dx + stride * out[1] : stride]
            window = window[:, : out[0], : out[1]]
            if weight.shape[1] == 1 and weight.shape[0] == x.shape[0]:
                total += window * weight[:, 0, dy, dx, None, None]
            else:
                total += np.einsum("oi,ihw->ohw", weight[:, :, dy, dx], window)
    return np.clip(total, 0, 6)


def test_first_two_stages_equal_numpy(trained, shared_data):
    image = np.random.default_rng(0).uniform(-1, 1, size=(3, 64, 96)).astype(np.float32)
    ms.set_context(mode=ms.GRAPH_MODE)
    c2, c3, c4, c5 = (level.asnumpy()[0] for level in trained(Tensor(image[None])))
    x = image.astype(np.float64)
    with np.load(shared_data / WEIGHTS) as weights:
        x = tensorflow_conv(x, weights["Conv2d_0/weight"], weights["Conv2d_0/bias"], stride=2)
        for number, stride in ((1, 1), (2, 2), (3, 1)):
            for layer, step in (("depthwise", stride), ("pointwise", 1)):
                name = f"Conv2d_{number}_{layer}"
                x = tensorflow_conv(x, weights[f"{name}/weight"], weights[f"{name}/bias"], stride=step)
    assert 0 < (x == 6).mean() < 0.5  # ReLU6's upper limit is in play
    np.testing.assert_allclose(c2, x, rtol=0, atol=1e-3)
    assert [level.shape for level in (c2, c3, c4, c5)] == [(128, 16, 24), (256, 8, 12), (512, 4, 6), (1024, 2, 3)]
    assert trained.out_channels == (128, 256, 512, 1024)
    assert trained.strides == (4, 8, 16, 32)


def test_training_forward_leaves_frozen_statistics_alone(mode):
    """Statistics change only in stages that train, and the gradient ends after the last frozen stage."""
    backbone = MobileNetV1(norm="batch", frozen_stages=2)
    backbone.set_train()
    images = Tensor(np.random.default_rng(1).normal(size=(2, 3, 64, 64)).astype(np.float32))
    before = {name: parameter.asnumpy().copy() for name, parameter in backbone.parameters_dict().items()}

    def loss(images):
        c2, c3, c4, c5 = backbone(images)
        return (c2**2).sum() + (c3**2).sum() + (c4**2).sum() + (c5**2).sum()

    parameters = backbone.trainable_params()
    to_images, to_parameters = ms.grad(loss, 0, parameters)(images)
    assert not to_images.asnumpy().any()
    assert {parameter.name.split(".")[0] for parameter in parameters} == {"stage3", "stage4", "stage5"}
    for parameter, gradient in zip(parameters, to_parameters, strict=True):
        assert np.abs(gradient.asnumpy()).max() > 0, parameter.name
    moved = {name for name, p in backbone.parameters_dict().items() if not np.array_equal(p.asnumpy(), before[name])}
    norms = [name for name in before if name.endswith(("moving_mean", "moving_variance"))]
    assert moved == {name for name in norms if not name.startswith(("stem", "stage2"))}


def test_nothing_frozen_sends_a_gradient_to_every_parameter():
    backbone = MobileNetV1(norm="batch", frozen_stages=0)
    backbone.set_train()
    images = Tensor(np.random.default_rng(1).normal(size=(2, 3, 32, 32)).astype(np.float32))
    parameters = backbone.trainable_params()
    assert len(parameters) == 27 * 3  # weight, gamma, beta of 27 convolutions
    ms.set_context(mode=ms.PYNATIVE_MODE)
    to_images, gradients = ms.grad(lambda x: sum((level**2).sum() for level in backbone(x)), 0, parameters)(images)
    assert to_images.asnumpy().any()
    assert all(gradient.asnumpy().any() for gradient in gradients)


def test_signal_survives_initialisation():
    """With initial weights and identity norms, activations neither vanish nor explode."""
    ms.set_seed(0)
    backbone = MobileNetV1(norm="frozen", frozen_stages=0)
    for _, cell in backbone.cells_and_names():
        if isinstance(cell, ConvNorm):
            cell.norm.gamma.set_data(Tensor(np.full(cell.norm.gamma.shape, (1 + NORM_EPS) ** 0.5, np.float32)))
    images = Tensor(np.random.default_rng(2).normal(size=(1, 3, 64, 64)).astype(np.float32))
    ms.set_context(mode=ms.PYNATIVE_MODE)
    assert all(0.02 < level.asnumpy().std() < 5 for level in backbone(images))
