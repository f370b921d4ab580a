"""Values that differ from the zoo's usual ones: nothing is dropped, and the result is always a configuration."""

from pathlib import Path

import pytest

from mindrcnn.config.loader import load_config
from mindrcnn.config.model import MaskRCNNConfig
from mindrcnn.config.run import Config
from mindrcnn.config.schema import all_keys
from mindrcnn.errors import InputError
from mindrcnn.migrate.conversion import migrate
from mindrcnn.migrate.page import render
from mindrcnn.migrate.program import migrate_file
from mindrcnn.migrate.result import Migration
from mindrcnn.migrate.source import read_zoo_file
from mindrcnn.zoo.table import GROUPS, KEYS


def migrated(folder: Path, text: str) -> tuple[Migration, Config]:
    (folder / "zoo.yaml").write_text(text)
    migration = migrate(read_zoo_file(folder / "zoo.yaml"))
    (folder / "out.yaml").write_text(render(migration))
    return migration, load_config(folder / "out.yaml")


@pytest.mark.parametrize(
    ("text", "name", "group", "reason"),
    [
        (
            "train_cfg: {rcnn: {sampler: {add_gt_as_proposals: False}}}",
            "train_cfg.rcnn.sampler.add_gt_as_proposals",
            "lost",
            "here it is always True",
        ),
        ("anchor_scales: [4, 8]", "anchor_scales", "lost", "one scale for all levels"),
        ("rpn_target_stds: [1, 1, 2, 2]", "rpn_target_stds", "lost", "here it is always"),
        ("backbone: resnet_v1_152", "backbone", "lost", "ResNet-50 and 101 only"),
        ("batch_size: two", "batch_size", "lost", "not possible: train.batch_size: wanted whole number"),
        ("lr_steps: 8\nlr_type: multistep", "lr_steps", "lost", "wanted another kind of value, got 8"),
        (
            "num_gts: 9\nmax_instance_count: 8",
            "max_instance_count",
            "lost",
            "data.max_objects is already set by num_gts",
        ),
        ("rpn_proposal_nms_thr: 0.7\nrpn_nms_thr: 0.5", "rpn_nms_thr", "lost", "one value for both here"),
        ("min_lr: 0.1\nlr_type: cosine", "min_lr", "lost", "a fraction of lr, which is not given"),
        ("train_dataset_divider: 5", "train_dataset_divider", "lost", "data.train.limit takes a number of images"),
        ("my_key: 5", "my_key", "unknown", ""),
        ("my_key: 5\n---\nmy_key: Mine\n---\nmy_key: [5, 6]", "my_key", "unknown", "Mine; one of [5, 6]"),
        ("pre_trained: a.ckpt", "pre_trained", "by_hand", "mindrcnn convert"),
        ("brief: a/b", "brief", "lost", "not possible: name: wanted a folder name"),
        ("opt_type: adam\nmomentum: 0.9", "momentum", "lost", "not possible: unknown key train.optimizer.momentum"),
        (
            "bbox_head: {roi_feat_size: 7}\nmask_roi: {roi_layer: {out_size: 14}}",
            "mask_roi.roi_layer.out_size",
            "lost",
            "",
        ),
        ("rcnn_target_stds: [0, 1, 1, 1]", "rcnn_target_stds", "lost", "wanted another kind of value"),
    ],
)
def test_a_value_that_is_not_possible_here(tmp_path: Path, text: str, name: str, group: str, reason: str) -> None:
    migration, _ = migrated(tmp_path, text + "\n")
    (left,) = [item for item in migration.left if item.name == name]
    assert left.group == group
    assert reason in left.reason
    assert f"#   {name}: " in (tmp_path / "out.yaml").read_text()


def test_values_that_are_converted(tmp_path: Path) -> None:
    _, config = migrated(
        tmp_path,
        "img_width: 1000\nimg_height: 600\nbackbone: resnet_v1_101\nopt_type: adam\ngrad_clip: 5\nlr: 0.01\n"
        "lr_type: cosine\nmin_lr: 0.001\nanno_path: train.txt\nimage_dir: images\nsave_checkpoint_epochs: 2\n"
        "train_dataset_num: 5\n",
    )
    assert config.data.buckets == ((600, 1000),)
    assert config.data.short_side == 600
    assert config.model.backbone.name == "resnet101"
    assert (config.train.optimizer.type, config.train.optimizer.clip_norm) == ("adam", 5)
    assert config.train.schedule.final_ratio == pytest.approx(0.1)
    assert (config.data.train.format, config.data.train.images) == ("txt", "images")
    assert (config.train.save_every, config.data.train.limit) == (2, 5)


@pytest.mark.parametrize(
    ("text", "milestones"),
    [
        ("lr: 0.02\nlr_steps: [3, 4]", (3, 4)),
        ("base_lr: 0.02\nsgd_step: [3, 4]\nlr_type: multistep", (3, 4)),
        ("base_lr: 0.02\nsgd_step: [3, 4]", (8, 11)),
    ],
)
def test_milestones_are_those_of_a_multistep_schedule(tmp_path: Path, text: str, milestones: tuple[int, ...]) -> None:
    assert migrated(tmp_path, text + "\n")[1].train.schedule.milestones == milestones


@pytest.mark.parametrize(
    ("text", "bases"),
    [
        ("rcnn_loss_mask_fb_weight: 1", ["zoo/mask_rcnn_r50"]),
        (
            "backbone: {depth: 101, style: pytorch}\nmask_head: {num_convs: 4}",
            ["zoo/ms_rcnn_r50", "_base_/resnet101_fpn"],
        ),
        ("bbox_head: {roi_feat_size: 7}", ["zoo/faster_rcnn_r50"]),
        ("MODEL: {BACKBONE: {CONV_BODY: R-50-FPN}}", ["zoo/mask_rcnn_r101", "_base_/faster_rcnn"]),
        ("MODEL: {MASK_ON: true, BACKBONE: {CONV_BODY: R-50-FPN}}", ["zoo/mask_rcnn_r101"]),
        ("not_mask: True\nresnet_block: [3, 4, 23, 3]", ["zoo/point_rend_r50", "_base_/resnet101_fpn"]),
    ],
)
def test_the_bases_fit_the_model(tmp_path: Path, text: str, bases: list[str]) -> None:
    migration, _ = migrated(tmp_path, text + "\n")
    assert [base.removeprefix("configs/").removesuffix(".yaml") for base in migration.bases][: len(bases)] == bases


def test_a_comment_holds_all_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("c = ed({'mine': 'a\\nname: b\\u2028name: c\\ud800', 'x\\nname': 1})\nrun()\n")
    migrate_file(tmp_path / "config.py", out=tmp_path / "out.yaml")
    assert load_config(tmp_path / "out.yaml").name == "zoo_faster_rcnn_r50"
    assert "line 2: run() - a statement, which is not run" in (tmp_path / "out.yaml").read_text()


def test_the_input_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "default_config.yaml"
    path.write_text("base_lr: 0.1\n")
    with pytest.raises(InputError, match="wanted an output that is not an input"):
        migrate_file(path, out=path)


def test_the_text_goes_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.yaml").write_text("base_lr: 0.1\nfpn_num_outs: 4\nmine: 1\nnum_anchors: 3\n")
    migrate_file(tmp_path / "c.yaml", out=None)
    printed = capsys.readouterr()
    assert "    base_lr: 0.1\n" in printed.out
    assert printed.err == (
        f"{tmp_path / 'c.yaml'}: 1 of 4 keys carried over, 1 need none here, 0 to give by hand, "
        "1 without a counterpart, 1 not known\n"
    )


def test_the_table_names_each_key_once_and_only_keys_that_exist() -> None:
    ours = {dotted for dotted, _ in all_keys(Config)}
    assert len(KEYS) == sum(len(group) for group in GROUPS.values())
    assert [(key.name, name) for key in KEYS.values() for name in key.ours if name not in ours] == []


def test_values_that_had_no_counterpart_once(tmp_path: Path) -> None:
    migration, config = migrated(
        tmp_path,
        "keep_ratio: False\nopt_type: adam\nlr_type: multistep\nlr: 0.01\nmin_lr: 0.0001\nmindrecord_dir: records\n"
        "save_every: 100\nbbox_head: {reg_class_agnostic: 1}\n"
        "train_cfg: {rpn: {sampler: {neg_pos_ub: 3}}, rcnn: {sampler: {neg_pos_ub: -1}}}\n",
    )
    assert [item.name for item in migration.left] == []
    assert not config.data.keep_ratio
    assert config.train.schedule.min_lr == 0.0001
    assert config.train.save_every_steps == 100
    assert config.model.box.class_agnostic
    assert config.model.rpn.negatives_per_positive == 3
    assert config.model.roi_sampling.negatives_per_positive == 0
    assert config.data.mindrecord_dir == "records"


def test_group_norm_of_maskrcnn_benchmark(tmp_path: Path) -> None:
    migration, config = migrated(
        tmp_path,
        "MODEL:\n"
        "  MASK_ON: true\n"
        "  WEIGHT: ''\n"
        "  BACKBONE: {CONV_BODY: R-50-FPN, FREEZE_CONV_BODY_AT: 0}\n"
        "  RESNETS: {STRIDE_IN_1X1: false, TRANS_FUNC: BottleneckWithGN, STEM_FUNC: StemWithGN}\n"
        "  FPN: {USE_GN: true}\n"
        "  GROUP_NORM: {NUM_GROUPS: 32, EPSILON: 0.00001}\n"
        "  ROI_BOX_HEAD: {USE_GN: true, FEATURE_EXTRACTOR: FPNXconv1fcFeatureExtractor, CONV_HEAD_DIM: 128}\n"
        "  ROI_MASK_HEAD: {USE_GN: true}\n",
    )
    assert [item.name for item in migration.left if item.group != "settled"] == []
    model = config.model
    assert (model.backbone.norm, model.fpn.norm, model.box.norm) == ("group", "group", "group")
    assert (model.box.num_convs, model.box.conv_channels, model.box.num_fcs) == (4, 128, 1)
    assert model.mask == MaskRCNNConfig(norm="group")


def test_values_of_maskrcnn_benchmark(tmp_path: Path) -> None:
    migration, config = migrated(
        tmp_path,
        "MODEL:\n"
        "  BACKBONE: {CONV_BODY: R-50-FPN}\n"
        "  RPN: {FPN_POST_NMS_TOP_N_TRAIN: 2000, STRADDLE_THRESH: 0}\n"
        "  ROI_MASK_HEAD: {RESOLUTION: 28, CONV_LAYERS: '(256, 256)'}\n"
        "INPUT: {MIN_SIZE_TRAIN: '(300,)', MIN_SIZE_TEST: 300, MAX_SIZE_TRAIN: 300, MAX_SIZE_TEST: 300, HUE: 0.1}\n"
        "SOLVER: {IMS_PER_BATCH: 8, BIAS_LR_FACTOR: 2, WEIGHT_DECAY_BIAS: 0, WARMUP_FACTOR: 1/3.0}\n"
        "DATASETS: {TRAIN: '(\"lvis_train\",)'}\n"
        "OUTPUT_DIR: here\n",
    )
    assert (config.model.mask, config.model.backbone.name) == (None, "resnet50")
    assert config.model.rpn.post_nms_topk.train == 1000
    assert (config.data.buckets, config.data.short_side) == (((320, 320),), 300)
    assert (config.data.augment.short_sides, config.data.augment.photometric_prob) == ((), 1.0)
    assert config.train.schedule.reference_batch == 8
    assert config.train.schedule.warmup_ratio == pytest.approx(1 / 3)
    assert not config.train.optimizer.decay_norm_and_bias
    lost = {item.name for item in migration.left if item.group in ("lost", "by_hand")}
    assert lost == {"MODEL.RPN.STRADDLE_THRESH", "SOLVER.BIAS_LR_FACTOR", "DATASETS.TRAIN", "OUTPUT_DIR"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MODEL: {WEIGHT: a.pth, BACKBONE: {CONV_BODY: R-50-FPN}}", "MODEL.WEIGHT"),
        ("MODEL: {BACKBONE: {CONV_BODY: R-50-C4}}", "MODEL.BACKBONE.CONV_BODY"),
        (
            "MODEL: {MASK_ON: true, BACKBONE: {CONV_BODY: R-50-FPN}, ROI_MASK_HEAD: {CONV_LAYERS: '(256, 128)'}}",
            "MODEL.ROI_MASK_HEAD.CONV_LAYERS",
        ),
        (
            "MODEL: {BACKBONE: {CONV_BODY: R-50-FPN}}\nSOLVER: {WEIGHT_DECAY: 0.1, WEIGHT_DECAY_BIAS: 0.2}",
            "SOLVER.WEIGHT_DECAY_BIAS",
        ),
        (
            "MODEL: {BACKBONE: {CONV_BODY: R-50-FPN}, ROI_BOX_HEAD: {USE_GN: true}}",
            "MODEL.ROI_BOX_HEAD.USE_GN",
        ),
        (
            "MODEL: {BACKBONE: {CONV_BODY: R-50-FPN}, ROI_BOX_HEAD: {FEATURE_EXTRACTOR: FPNXconv1fcFeatureExtractor}}",
            "MODEL.ROI_BOX_HEAD.FEATURE_EXTRACTOR",
        ),
    ],
)
def test_values_of_maskrcnn_benchmark_that_are_not_possible(tmp_path: Path, text: str, name: str) -> None:
    migration, _ = migrated(tmp_path, text + "\n")
    assert [item.name for item in migration.left if item.group == "lost"] == [name]
