"""The files in configs/: each loads, reads back equal, and holds the recipe its name promises."""

import re
from pathlib import Path

import pytest

from mindrcnn.config.loader import dump_config, load_config, parse_config
from mindrcnn.config.run import Config

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIGS = REPOSITORY / "configs"
FILES = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.yaml"))
RECIPES = [name for name in FILES if not name.startswith(("_base_/", "demo/", "examples/"))]
BACKBONES = {"r50": "resnet50", "r101": "resnet101", "mobilenet_v1": "mobilenet_v1"}
ONE_X = [f"{kind}_rcnn_{backbone}_fpn_1x_coco" for kind in ("faster", "mask") for backbone in BACKBONES]
ONE_X += [f"ms_rcnn_{backbone}_fpn_1x_coco" for backbone in ("r50_caffe", "r101_caffe", "mobilenet_v1")]
ZOO = ["zoo/faster_rcnn_r50", "zoo/mask_rcnn_mobilenet_v1", "zoo/mask_rcnn_r101", "zoo/mask_rcnn_r50"]
ZOO += ["zoo/ms_rcnn_r50"]
ONE_X += [f"point_rend_{backbone}_fpn_1x_coco" for backbone in BACKBONES]
ZOO += ["zoo/point_rend_r50"]
JITTERED = ["mask_rcnn_r50_fpn_lsj_100e_coco", "mask_rcnn_r50_fpn_copy_paste_270k_coco"]
GROUP_NORM = "mask_rcnn_r50_fpn_gn_scratch_3x_coco"
REPEATED = "mask_rcnn_r50_fpn_1x_lvis"
BEYOND_1X = [*JITTERED, GROUP_NORM, REPEATED]


def config_of(name: str) -> Config:
    return load_config(CONFIGS / f"{name}.yaml")


def test_the_promised_recipes_are_there() -> None:
    assert sorted(RECIPES) == sorted(f"{name}.yaml" for name in (*ONE_X, *ZOO, *BEYOND_1X))


@pytest.mark.parametrize("name", FILES)
def test_loads_and_reads_back_equal(name: str) -> None:
    config = load_config(CONFIGS / name)
    assert config != Config()
    assert parse_config(dump_config(config), name) == config


@pytest.mark.parametrize("name", RECIPES)
def test_header_names_paper_result_and_command(name: str) -> None:
    lines = (CONFIGS / name).read_text(encoding="utf-8").splitlines()
    header = "\n".join(line for line in lines if line.startswith("#"))
    assert re.search(r"arXiv:\d{4}\.\d{5}", header)
    assert "Published" in header
    assert re.sub(r"\n# ", " ", header).count("Not measured with this code") == 1
    assert f"# Train: mindrcnn train configs/{name}" in header
    assert max(len(line) for line in lines) <= 120


@pytest.mark.parametrize("name", [*ONE_X, *ZOO, *BEYOND_1X])
def test_name_says_backbone_and_branch(name: str) -> None:
    config = config_of(name)
    kind, backbone = re.match(r"(?:zoo/)?(\w+?)_(r50|r101|mobilenet_v1)", name).groups()  # type: ignore[union-attr]
    assert config.model.backbone.name == BACKBONES[backbone]
    assert (config.model.mask.type if config.model.mask is not None else "faster_rcnn") == kind
    assert config.name == name.replace("/", "_")


@pytest.mark.parametrize("name", ONE_X)
def test_one_x_recipe(name: str) -> None:
    config = config_of(name)
    model, schedule, data = config.model, config.train.schedule, config.data
    assert (schedule.kind, schedule.unit, schedule.length, schedule.milestones) == ("multistep", "epoch", 12, (8, 11))
    assert (schedule.base_lr, schedule.reference_batch, schedule.scale_lr) == (0.02, 16, True)
    assert (schedule.warmup_iterations, schedule.warmup_ratio) == (1000, 0.001)
    assert (config.train.optimizer.momentum, config.train.optimizer.weight_decay) == (0.9, 1e-4)
    assert data.buckets == ((800, 1344), (1344, 800))
    assert data.augment.short_sides == (640, 672, 704, 736, 768, 800)
    assert (data.root, data.train.name, data.val.name) == ("data/coco", "train2017", "val2017")
    assert (data.classes, data.keep_empty_images) == ((), False)
    assert (model.rpn.smooth_l1_beta, model.box.smooth_l1_beta) == (0.0, 0.0)
    assert (model.rpn.post_nms_topk.train, model.rpn.post_nms_topk.test) == (1000, 1000)
    assert (model.roi_align.aligned, model.anchors.rounded, model.rpn.low_quality) == (True, False, "keep")
    assert not model.roi_sampling.gt_after_assignment
    assert model.box.detections_per_image == 100


def test_large_scale_jitter_and_copy_paste_recipes() -> None:
    jitter, paste = map(config_of, JITTERED)
    for config in (jitter, paste):
        schedule, data = config.train.schedule, config.data
        assert (schedule.base_lr, schedule.reference_batch, config.train.optimizer.weight_decay) == (0.1, 64, 4e-5)
        assert (data.buckets, data.augment.short_sides, data.augment.flip_prob) == (((1024, 1024),), (), 0.5)
        model = config.model
        assert (model.backbone.norm, model.fpn.norm, model.box.norm, model.mask.norm) == ("sync_batch",) * 4
        assert (model.backbone.frozen_stages, model.backbone.weights) == (0, "")
        assert (model.rpn.num_convs, model.box.num_convs, model.box.num_fcs) == (2, 4, 1)
    assert [config.model.backbone.stride_in for config in (jitter, paste)] == ["1x1", "3x3"]
    assert (jitter.data.augment.scale_jitter, jitter.data.augment.copy_paste_prob) == ((0.1, 2.0), 0.0)
    assert (paste.data.augment.scale_jitter, paste.data.augment.copy_paste_prob) == ((0.8, 1.25), 1.0)
    assert (jitter.train.schedule.unit, jitter.train.schedule.length) == ("epoch", 100)
    assert (paste.train.schedule.unit, paste.train.schedule.length) == ("iteration", 270000)


def test_repeat_factor_recipe() -> None:
    config = config_of(REPEATED)
    data, schedule = config.data, config.train.schedule
    assert (data.repeat_thresh, data.train.format, data.val.format) == (0.001, "lvis", "lvis")
    assert (config.model.box.score_thresh, config.model.box.detections_per_image) == (0.0001, 300)
    assert (schedule.unit, schedule.length, schedule.milestones) == ("iteration", 90000, (60000, 80000))


def test_group_norm_recipe() -> None:
    model, schedule = config_of(GROUP_NORM).model, config_of(GROUP_NORM).train.schedule
    assert (model.backbone.norm, model.fpn.norm, model.box.norm, model.mask.norm) == ("group",) * 4
    assert (model.backbone.frozen_stages, model.backbone.weights) == (0, "")
    assert (model.box.num_convs, model.box.num_fcs) == (4, 1)
    assert (schedule.unit, schedule.length, schedule.milestones) == ("iteration", 270000, (210000, 250000))


@pytest.mark.parametrize("name", ONE_X)
def test_one_x_backbone_matches_its_weights(name: str) -> None:
    backbone, pixel = config_of(name).model.backbone, config_of(name).model.pixel
    caffe = "caffe" in name
    assert (backbone.stride_in, pixel.channel_order) == (("1x1", "bgr") if caffe else ("3x3", "rgb"))
    if caffe:
        assert (backbone.norm, backbone.frozen_stages, backbone.weights) == ("frozen", 2, "")
        assert (pixel.mean, pixel.std) == ((103.53, 116.28, 123.675), (1.0, 1.0, 1.0))
    elif backbone.name == "mobilenet_v1":
        assert (backbone.norm, backbone.frozen_stages, backbone.weights) == ("batch", 0, "")
        assert (pixel.mean, pixel.std) == ((128.0,) * 3, (128.0,) * 3)
    else:
        assert (backbone.norm, backbone.frozen_stages) == ("frozen", 2)
        assert backbone.weights == f"https://download.pytorch.org/models/{backbone.name}-{backbone.weights_sha256}.pth"
        assert pixel.mean == (123.675, 116.28, 103.53)


@pytest.mark.parametrize("name", [name for name in ZOO if "r101" not in name and "ms_rcnn" not in name])
def test_zoo_recipe(name: str) -> None:
    config = config_of(name)
    model, schedule, data = config.model, config.train.schedule, config.data
    assert data.buckets == ((768, 1280),)
    assert (data.short_side, data.augment.short_sides, data.augment.flip_prob) == (768, (), 0.5)
    assert (schedule.kind, schedule.warmup_iterations) == ("cosine", 10000 if "point_rend" in name else 500)
    assert config.train.optimizer.momentum == 0.91
    rpn, sampling = model.rpn, model.roi_sampling
    assert (rpn.low_quality, rpn.low_quality_min_iou, rpn.normalizer) == ("overwrite", 0.3, "batch_size")
    assert (sampling.low_quality, sampling.low_quality_min_iou) == ("overwrite", 0.5)
    assert sampling.gt_after_assignment
    assert (rpn.post_nms_topk.train, rpn.post_nms_topk.test) == (2000, 1000)
    assert (rpn.smooth_l1_beta, model.box.smooth_l1_beta) == (1 / 9, 1.0)
    assert (model.roi_align.aligned, model.roi_align.sampling_ratio, model.anchors.rounded) == (False, 2, True)
    assert model.box.detections_per_image == 128
    assert model.pixel.mean == (123.675, 116.28, 103.53)


def test_zoo_faster_rcnn_schedule() -> None:
    train = config_of("zoo/faster_rcnn_r50").train
    assert (train.schedule.base_lr, train.schedule.length, train.schedule.warmup_ratio) == (0.04, 20, 0.0625)
    assert train.optimizer.weight_decay == 1e-5


@pytest.mark.parametrize("name", ["zoo/mask_rcnn_r50", "zoo/mask_rcnn_mobilenet_v1", "zoo/point_rend_r50"])
def test_zoo_mask_rcnn_schedule(name: str) -> None:
    train = config_of(name).train
    assert (train.schedule.base_lr, train.schedule.length, train.schedule.warmup_ratio) == (0.02, 12, 1 / 3)
    assert train.optimizer.weight_decay == 1e-4


def test_zoo_mask_rcnn_r101_is_caffe_style() -> None:
    config = config_of("zoo/mask_rcnn_r101")
    assert (config.model.backbone.stride_in, config.model.pixel.channel_order) == ("1x1", "bgr")
    assert config.model.pixel.std == (1.0, 1.0, 1.0)
    assert config.model.rpn.normalizer == "sampled"
    assert not config.model.roi_sampling.gt_after_assignment
    schedule = config.train.schedule
    assert (schedule.unit, schedule.length, schedule.milestones) == ("iteration", 90000, (60000, 80000))
    assert config.data.augment.short_sides == ()


def test_zoo_ms_rcnn_recipe() -> None:
    config = config_of("zoo/ms_rcnn_r50")
    model, schedule, data = config.model, config.train.schedule, config.data
    assert (data.buckets, data.short_side, data.max_objects) == (((1024, 1024),), 1024, 100)
    assert (model.backbone.stride_in, model.pixel.channel_order, model.pixel.std) == ("1x1", "bgr", (1.0, 1.0, 1.0))
    assert (schedule.kind, schedule.length, schedule.milestones) == ("multistep", 12, (8, 11))
    assert (schedule.base_lr, schedule.reference_batch, schedule.warmup_iterations) == (0.02, 8, 500)
    assert (model.rpn.low_quality, model.roi_sampling.low_quality, model.rpn.normalizer) == (
        "overwrite",
        "overwrite",
        "sampled",
    )
    assert model.roi_sampling.gt_after_assignment
    assert (model.mask.iou_weight, model.mask.iou_area_eps) == (1.0, 1e-7)  # type: ignore[union-attr]


POINT_REND = [name for name in (*ONE_X, *ZOO) if "point_rend" in name]


@pytest.mark.parametrize("name", POINT_REND)
def test_point_rend_recipe(name: str) -> None:
    config = config_of(name)
    mask = config.model.mask
    assert mask is not None
    assert mask.type == "point_rend"
    assert (mask.resolution, mask.fc_channels, mask.point_layers, mask.point_channels) == (14, 1024, 3, 256)
    assert (mask.train_points, mask.oversampling, mask.importance) == (14**2, 3, 0.75)
    assert (mask.subdivision_steps, mask.subdivision_points) == (5, 28**2)
    assert (mask.coarse_weight, mask.point_weight, mask.dynamic) == (1, 1, False)
    assert config.model.box.train_on_pred_boxes == (not name.startswith("zoo/"))
    assert (config.data.mask_side, config.eval.boundary) == (224, True)


def test_zoo_point_rend_trains_the_mask_branch_alone() -> None:
    train = config_of("zoo/point_rend_r50").train
    assert train.freeze == ("backbone.", "neck.", "rpn.", "box.")
    assert (train.batch_size, train.schedule.reference_batch) == (4, 4 * 8)
