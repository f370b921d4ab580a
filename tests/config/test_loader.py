"""From a tree to the typed configuration: values, errors, impossible combinations, and the way back."""

import dataclasses
from pathlib import Path

import pytest

from mindrcnn.config.loader import dump_config, load_config, parse_config
from mindrcnn.config.model import MaskRCNNConfig, TrainTestPair
from mindrcnn.config.run import Config
from mindrcnn.errors import InputError

TYPES = "mask_rcnn, ms_rcnn, point_rend"


def error_of(text: str, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_config(text, "x.yaml", overrides)
    return str(caught.value)


def test_empty_mapping_gives_the_defaults() -> None:
    assert parse_config("{}", "x.yaml") == Config()


def test_values_reach_their_place_with_their_type() -> None:
    text = """
name: trial
model:
  backbone: {name: mobilenet_v1, norm: batch}
  anchors: {sizes: [16, 32, 64.0, 128, 256]}
  rpn: {pre_nms_topk: {test: 500}}
  roi_sampling: {low_quality: off}
  mask: {type: mask_rcnn, num_convs: 2}
data:
  classes: [no, "12", off]
  buckets: [[320, 512], [512, 320]]
train:
  optimizer: {weight_decay: 1e-4, nesterov: true}
"""
    config = parse_config(text, "x.yaml", ["train.schedule.base_lr=1", "data.train.name='7'"])
    assert config.model.backbone.name == "mobilenet_v1"
    assert config.model.anchors.sizes == (16.0, 32.0, 64.0, 128.0, 256.0)
    assert all(type(size) is float for size in config.model.anchors.sizes)
    assert config.model.roi_sampling.low_quality == "off"
    assert config.model.mask == MaskRCNNConfig(num_convs=2)
    assert config.data.classes == ("no", "12", "off")
    assert config.data.buckets == ((320, 512), (512, 320))
    assert config.train.optimizer.weight_decay == 1e-4
    assert config.train.optimizer.nesterov is True
    assert type(config.train.schedule.base_lr) is float
    assert config.data.train.name == "7"
    assert config.model.rpn.nms_thresh == Config().model.rpn.nms_thresh


def test_part_of_a_section_keeps_the_rest_of_that_keys_own_default() -> None:
    config = parse_config("model: {rpn: {pre_nms_topk: {test: 500}}}", "x.yaml")
    assert config.model.rpn.pre_nms_topk == TrainTestPair(train=2000, test=500)  # TrainTestPair's own train is 1000


def test_nothing_empties_a_text_and_only_a_text() -> None:
    config = parse_config("model: {backbone: {weights: a.npz}}", "x.yaml", ["model.backbone.weights="])
    assert config.model.backbone.weights == ""
    assert "wanted" in error_of("{}", "train.batch_size=")


def test_overrides_win_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("train: {batch_size: 3, seed: 5}\n")
    (tmp_path / "c.yaml").write_text("base: base.yaml\ntrain: {batch_size: 4}\n")
    config = load_config(str(tmp_path / "c.yaml"), ["train.batch_size=8"])
    assert (config.train.batch_size, config.train.seed) == (8, 5)
    assert load_config(tmp_path / "c.yaml").train.batch_size == 4


def test_mask_branch_can_be_switched_off_and_on() -> None:
    text = "model: {mask: {type: mask_rcnn}}"
    assert parse_config(text, "x.yaml", ["model.mask=null"]).model.mask is None
    assert parse_config("{}", "x.yaml", ["model.mask.type=mask_rcnn"]).model.mask == MaskRCNNConfig()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        # unknown keys: among the siblings, elsewhere in the tree, like nothing at all
        (
            "model:\n  rpn:\n    nms_treshold: 1\n",
            3,
            "unknown key model.rpn.nms_treshold, nearest valid key: model.rpn.nms_thresh",
        ),
        ("base_lr: 0.1\n", 1, "unknown key base_lr, nearest valid key: train.schedule.base_lr"),
        ("qqq: 1\n", 1, "unknown key qqq, nearest valid key: "),
        # keys of the MindSpore model zoo
        ("flip_ratio: 0.5\n", 1, "unknown key flip_ratio, nearest valid key: data.augment.flip_prob"),
        ("batch_size: 2\n", 1, "unknown key batch_size, nearest valid key: train.batch_size (images a device)"),
        (
            "train: {warmup_step: 5}\n",
            1,
            "unknown key train.warmup_step, nearest valid key: train.schedule.warmup_iterations",
        ),
        (
            "save_every: 100\n",
            1,
            "unknown key save_every, nearest valid key: train.save_every_steps (train.save_every counts epochs",
        ),
        (
            "test_cfg:\n  rcnn:\n    mine: 1\n    score_thr: 0.05\n",
            4,
            "unknown key test_cfg.rcnn.score_thr, nearest valid key: model.box.score_thresh",
        ),
        ("fpn_num_outs: 5\n", 1, "unknown key fpn_num_outs, which has no key here (levels P2 to P6, always)"),
        ("COCO_ROOT: x\n", 1, "unknown key COCO_ROOT, nearest valid key: data.root"),
        ("rpn: {nms_thresh: 0.5}\n", 1, "unknown key rpn, nearest valid key: model.rpn"),
        (
            "roi_layer: 1\n",
            1,
            "unknown key roi_layer, a section of the model zoo's files, which `mindrcnn migrate FILE` converts; "
            "roi_layer.out_size is model.box.resolution here, roi_layer.mask_out_size is model.mask.resolution here",
        ),
        ("train_cfg: {rcnn: {mine: 1}}\n", 1, "unknown key train_cfg, a section of the model zoo's files"),
        (
            "model: {mask: {type: mask_rcnn, channel: 3}}",
            1,
            "unknown key model.mask.channel, nearest valid key: model.mask.channels",
        ),
        ("base: a.yaml\n", 1, "unknown key base, "),  # a resolved text inherits from nothing
        # wrong types
        ("train: {batch_size: two}", 1, "train.batch_size: wanted whole number at least 1, got 'two' (string)"),
        ("train: {batch_size: 2.0}", 1, "train.batch_size: wanted whole number at least 1, got 2.0 (number)"),
        ("train: {batch_size: true}", 1, "train.batch_size: wanted whole number at least 1, got true (boolean)"),
        ("train: {batch_size: null}", 1, "train.batch_size: wanted whole number at least 1, got null"),
        (
            "train: {optimizer: {clip_norm: false}}",
            1,
            "train.optimizer.clip_norm: wanted number at least 0, got false (boolean)",
        ),
        (
            "train: {optimizer: {clip_norm: '1'}}",
            1,
            "train.optimizer.clip_norm: wanted number at least 0, got '1' (string)",
        ),
        (
            "train: {optimizer: {nesterov: 1}}",
            1,
            "train.optimizer.nesterov: wanted true or false, got 1 (whole number)",
        ),
        ("name: 12\n", 1, "name: wanted string (quotes make a string), got 12 (whole number)"),
        ("name: [a]\n", 1, "name: wanted string, got a list of 1"),
        ("train:\n", 1, "train: wanted mapping, got null"),
        ("train: 3\n", 1, "train: wanted mapping, got 3 (whole number)"),
        ("name: {a: 1, b: 2}\n", 1, "name: wanted string, got a mapping with a, b"),
        # limits
        ("train: {batch_size: 0}", 1, "train.batch_size: wanted whole number at least 1, got 0 (whole number)"),
        ("eval: {mask_thresh: 1.5}", 1, "eval.mask_thresh: wanted number from 0 to 1, got 1.5 (number)"),
        ("eval: {mask_thresh: .nan}", 1, "eval.mask_thresh: wanted number from 0 to 1, got nan (number)"),
        (
            "train: {optimizer: {clip_norm: .inf}}",
            1,
            "train.optimizer.clip_norm: wanted number at least 0, got inf (number)",
        ),
        ("train: {optimizer: {clip_norm: 1" + "0" * 400 + "}}", 1, "train.optimizer.clip_norm: wanted number"),
        # choices
        ("device: {target: TPU}", 1, "device.target: wanted one of CPU, GPU, Ascend, got 'TPU' (string)"),
        ("device: {target: true}", 1, "device.target: wanted one of CPU, GPU, Ascend, got true (boolean)"),
        # lists
        ("model: {pixel: {mean: [1, 2]}}", 1, "model.pixel.mean: wanted list of 3 numbers, got a list of 2"),
        ("model: {pixel: {mean: 1}}", 1, "model.pixel.mean: wanted list of 3 numbers, got 1 (whole number)"),
        ("model: {pixel: {std: [1, 0, 1]}}", 1, "model.pixel.std[1]: wanted number at least 1e-06, got 0 "),
        (
            "data:\n  buckets:\n    - [64, 64]\n    - [64]\n",
            4,
            "data.buckets[1]: wanted list of 2 whole numbers, got a list of 1",
        ),
        ("data: {buckets: [64, 64]}", 1, "data.buckets[0]: wanted list of 2 whole numbers, got 64 "),
        ("data: {buckets: 64}", 1, "data.buckets: wanted list of lists of 2 whole numbers, got 64 "),
        ("data: {buckets: [[64, 16]]}", 1, "data.buckets[0][1]: wanted whole number from 32 to 16384, got 16 "),
        ("data: {classes: [a, 3]}", 1, "data.classes[1]: wanted string (quotes make a string), got 3 "),
        # tagged sections
        (
            "model: {mask: {type: mask_rcn}}",
            1,
            f"model.mask.type: wanted one of {TYPES}, got 'mask_rcn' ",
        ),
        (
            "model: {mask: {type: 1}}",
            1,
            f"model.mask.type: wanted one of {TYPES}, got 1 (whole number)",
        ),
        (
            "model:\n  mask: {weight: 2}\n",
            2,
            f"model.mask.type: wanted one of {TYPES}, got no such key",
        ),
        (
            "model: {mask: mask_rcnn}",
            1,
            f"model.mask: wanted null or mapping with type: {TYPES.replace(', ', ' or ')}, got 'mask_rcnn' (string)",
        ),
        ("- 1\n", 1, "wanted keys and values, got a list of 1"),
    ],
)
def test_wrong_input_names_place_key_wanted_and_got(text: str, line: int, message: str) -> None:
    assert error_of(text).startswith(f"x.yaml, line {line}: {message}")


def test_a_key_like_no_other_lists_what_is_valid_here() -> None:
    assert error_of("qqq: 1\n").endswith("(valid here: name, model, data, train, eval, device)")


def test_errors_name_the_command_line() -> None:
    assert error_of("{}", "train.schedule.lenght=3") == (
        "command line: unknown key train.schedule.lenght, nearest valid key: train.schedule.length"
    )
    assert error_of("{}", "train.batch_size=x") == (
        "command line: train.batch_size: wanted whole number at least 1, got 'x' (string)"
    )
    assert (
        error_of("{}", "train.batch_size=")
        == "command line: train.batch_size: wanted whole number at least 1, got null"
    )


def test_impossible_combinations_name_the_closest_place() -> None:
    assert error_of("{}", "data.val.format=txt").startswith("command line: data.val.annotations: ")
    assert error_of("model:\n  rpn:\n    batch_size_per_image: 1\n").startswith("x.yaml, line 2: model.rpn.positive_")
    assert error_of("data: {val: {name: v}}", "data.val.format=txt").startswith("command line: data.val.annotations: ")
    assert error_of("{}", "train.schedule.milestones=[3, 2]").startswith("command line: train.schedule.milestones: ")


def test_errors_name_the_base_file_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("name: x\ntrain:\n  seed: -1\n")
    (tmp_path / "c.yaml").write_text("base: base.yaml\ntrain: {batch_size: 4}\n")
    with pytest.raises(InputError) as caught:
        load_config(tmp_path / "c.yaml")
    assert str(caught.value) == (
        f"{tmp_path}/base.yaml, line 3: train.seed: wanted whole number at least 0, got -1 (whole number)"
    )


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("model: {anchors: {sizes: [32, 64]}}", 1, "model.anchors.sizes: wanted 5 sizes"),
        ("model: {anchors: {aspect_ratios: []}}", 1, "model.anchors.aspect_ratios: wanted at least one ratio"),
        (
            "model: {rpn: {bg_iou_thresh: 0.8}}",
            1,
            "model.rpn.bg_iou_thresh: wanted at most fg_iou_thresh (0.7), got 0.8",
        ),
        ("model: {roi_sampling: {fg_iou_thresh: 0.4}}", 1, "model.roi_sampling.bg_iou_thresh: wanted at most"),
        (
            "model: {rpn: {positive_fraction: 0}}",
            1,
            "model.rpn.positive_fraction: wanted room for one positive in batch_size_per_image (256), got 0.0",
        ),
        ("model: {roi_sampling: {batch_size_per_image: 2}}", 1, "model.roi_sampling.positive_fraction: wanted room"),
        ("model: {backbone: {name: mobilenet_v1, stride_in: 1x1}}", 1, "model.backbone.stride_in: wanted 3x3"),
        ("model: {backbone: {weights_sha256: xyz}}", 1, "model.backbone.weights_sha256: wanted 8 to 64"),
        ("data: {buckets: []}", 1, "data.buckets: wanted at least one (height, width)"),
        (
            "data: {keep_ratio: false, augment: {short_sides: [640]}}",
            1,
            "data.augment.short_sides: wanted none with data.keep_ratio=false, got (640,)",
        ),
        (
            "data: {augment: {crop_size: [300]}}",
            1,
            "data.augment.crop_size: wanted a height and a width, or an empty list, got (300,)",
        ),
        (
            "train: {schedule: {base_lr: 0.1, min_lr: 0.2}}",
            1,
            "train.schedule.min_lr: wanted at most base_lr (0.1), got 0.2",
        ),
        ("data: {classes: [a, b, a]}", 1, "data.classes: wanted names without repeats, got ['a']"),
        ("data: {val: {format: txt}}", 1, "data.val.annotations: wanted the TXT list's path with format txt, got ''"),
        ("train: {schedule: {milestones: [8, 8]}}", 1, "train.schedule.milestones: wanted increasing numbers"),
        ("name: ..", 1, "name: wanted a folder name without slashes, got '..'"),
        ("name: a/b", 1, "name: wanted a folder name without slashes, got 'a/b'"),
        ("name: ''", 1, "name: wanted a folder name without slashes, got ''"),
        (
            "train: {precision: float16}",
            1,
            "train.precision: wanted float32 with device.target=CPU, which has no fast float16, got 'float16'",
        ),
        (
            "eval: {precision: float16}",
            1,
            "eval.precision: wanted float32 with device.target=CPU, which has no fast float16, got 'float16'",
        ),
        ("eval: {best_metric: segm}", 1, "eval.best_metric: wanted auto or bbox without model.mask, got 'segm'"),
        ("eval: {boundary: true}", 1, "eval.boundary: wanted false without model.mask, got True"),
        (
            "model: {box: {train_on_pred_boxes: true}}",
            1,
            "model.box.train_on_pred_boxes: wanted false without model.mask, got True",
        ),
        (
            "model: {mask: {type: mask_rcnn}}\neval: {boundary: true, backend: pycocotools}",
            2,
            "eval.backend: wanted faster_coco_eval with eval.boundary, got 'pycocotools'",
        ),
        (
            "model: {mask: {type: point_rend, dynamic: true}}\ndevice: {mode: graph}",
            2,
            "device.mode: wanted pynative with model.mask.dynamic, got 'graph'",
        ),
        (
            "model: {mask: {type: point_rend, resolution: 7}}",
            1,
            "model.mask.resolution: wanted an even number with point_rend, got 7",
        ),
        (
            "data: {train: {format: txt, annotations: a.txt}}\nmodel: {mask: {type: mask_rcnn}}",
            1,
            "data.train.format: wanted one of auto, coco, mindrecord, lvis, yolo, voc, labelme, via, cityscapes, or "
            "train.mask_branch=false, with model.mask: txt has no masks, got 'txt'",
        ),
        (
            "train:\n  save_every: 100\n",
            2,
            "train.save_every: wanted at most the 12 epochs of the run (train.save_every_steps counts steps), got 100",
        ),
        (
            "train:\n  mask_branch: false\n",
            2,
            "train.mask_branch: wanted true without model.mask, got False",
        ),
        (
            "model: {mask: {type: mask_rcnn}}\ntrain: {mask_branch: false}\neval:\n  best_metric: segm\n",
            4,
            "eval.best_metric: wanted auto or bbox with train.mask_branch=false, got 'segm'",
        ),
        ("eval: {tta_scales: []}", 1, "eval.tta_scales: wanted at least one scale, got ()"),
        ("eval: {tta_scales: [1, 1]}", 1, "eval.tta_scales: wanted each scale at most once, got (1.0, 1.0)"),
        (
            "eval: {tta_flips: [vertical, vertical]}",
            1,
            "eval.tta_flips: wanted each direction at most once, got ('vertical', 'vertical')",
        ),
        (
            "eval: {tta: true, tta_scales: [1], tta_flips: []}",
            1,
            "eval.tta_flips: wanted a direction or a second eval.tta_scales with eval.tta, got ()",
        ),
        (
            "eval: {tta: true, tta_merge: wbf, agnostic_nms: true}",
            1,
            "eval.tta_merge: wanted nms with eval.agnostic_nms, got 'wbf'",
        ),
    ],
)
def test_impossible_combinations(text: str, line: int, message: str) -> None:
    assert error_of(text).startswith(f"x.yaml, line {line}: {message}")


@pytest.mark.parametrize(
    "text",
    [
        "model: {mask: {type: mask_rcnn}}\neval: {best_metric: segm}",
        "model: {mask: {type: mask_rcnn}, box: {train_on_pred_boxes: true}}\neval: {boundary: true}",
        "model: {mask: {type: point_rend, dynamic: true}}\ndevice: {mode: pynative}",
        "data: {train: {format: txt, annotations: a.txt}, val: {format: txt, annotations: b.txt}}",
        "train: {schedule: {kind: cosine, milestones: [9, 3]}}",
        "model: {backbone: {weights_sha256: 0676ba61}}",
        "eval: {tta: true, tta_scales: [1, 0.5], tta_flips: [], tta_merge: wbf, soft_nms: gaussian}",
        "eval: {tta_scales: [1], tta_flips: []}",
        "data: {train: {format: txt, annotations: a.txt}}\nmodel: {mask: {type: ms_rcnn}}\ntrain: {mask_branch: false}",
        "data: {buckets: [[300, 300]], keep_ratio: false, augment: {crop_size: [300, 300]}}",
    ],
)
def test_possible_combinations(text: str) -> None:
    assert parse_config(text, "x.yaml") != Config()


def test_limits_are_inclusive() -> None:
    config = parse_config("{}", "x.yaml", ["eval.mask_thresh=1", "eval.picture_score=0", "data.mask_side=14"])
    assert (config.eval.mask_thresh, config.eval.picture_score, config.data.mask_side) == (1.0, 0.0, 14)


def test_dump_is_complete_ordered_and_reads_back_equal() -> None:
    text = "model: {mask: {type: mask_rcnn}, rpn: {smooth_l1_beta: 0.1111111}}\ndata: {classes: [off, é, '1e5']}\n"
    config = parse_config(text, "x.yaml", ["train.optimizer.weight_decay=1e-5"])
    dumped = dump_config(config)
    assert parse_config(dumped, "dump") == config
    assert parse_config(dumped, "dump") != Config()
    lines = dumped.splitlines()
    top = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert top == [field.name for field in dataclasses.fields(Config)]
    schedule = lines[lines.index("  schedule:") + 1 :][:3]
    assert schedule == ["    kind: multistep", "    base_lr: 0.02", "    scale_lr: true"]
    assert "    weight_decay: 1.0e-05" in lines
    assert "  classes: ['off', é, '1e5']" in lines
    assert "  buckets: [[800, 1344], [1344, 800]]" in lines


@pytest.mark.parametrize("key", ["train.seed", "train.schedule.base_lr", "model.box.fc_channels"])
def test_numbers_beyond_all_measure(key: str) -> None:
    with pytest.raises(InputError, match=rf"{key}: wanted .*, got 9999.*\.\.\."):
        parse_config("{}", "x.yaml", [f"{key}={'9' * 400}"])
