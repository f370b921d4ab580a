"""Keys of the zoo's nested files: Mask Scoring R-CNN on GPU, and the Mask R-CNN that it derives from."""

from mindrcnn.zoo.conversions import (
    anchor_sizes,
    choice,
    clipping,
    depth,
    evaluation,
    folder,
    frozen,
    inverse,
    least_rate,
    logit,
    milestones,
    negatives,
    same_as,
    side_of_masks,
    switch,
    times,
)
from mindrcnn.zoo.key import ZooKey, always, by_hand, carried, off, settled

_FPN = "follows from the backbone and model.fpn.out_channels"
_FIXED = "always so"
_LEVELS = "levels P2 to P5 with their edges at 112, 224 and 448 pixels, always"

_BACKBONE = (
    settled("detector", "model.mask: null, mask_rcnn, ms_rcnn or point_rend", "model.mask.type"),
    always("backbone.type", "resnet", "with its depth model.backbone.name"),
    carried("backbone.depth", "model.backbone.name", "resnet50 or resnet101", via=depth),
    by_hand(
        "backbone.pretrained",
        "model.backbone.weights=FILE, in a format that docs/import.md lists",
        "model.backbone.weights",
    ),
    carried(
        "backbone.frozen_stages",
        "model.backbone.frozen_stages",
        "the stem counts here: 1 there is 2 here",
        via=frozen,
    ),
    carried(
        "backbone.norm_eval",
        "model.backbone.norm",
        "frozen also fixes scale and shift; frozen_statistics trains them",
        via=switch("model.backbone.norm", "frozen", "batch"),
    ),
    always("backbone.num_stages", 4, _FIXED),
    always("backbone.out_indices", [0, 1, 2, 3], _FIXED),
    carried(
        "backbone.style",
        "model.backbone.stride_in",
        "the convolution with the stride",
        via=choice("model.backbone.stride_in", caffe="1x1", pytorch="3x3"),
    ),
    settled("neck.fpn.in_channels", "follows from model.backbone.name", "model.backbone.name"),
    carried("neck.fpn.out_channels", "model.fpn.out_channels"),
    always("neck.fpn.num_outs", 5, "levels P2 to P6, always"),
)
_FIRST_STAGE = (
    settled("rpn.in_channels", _FPN, "model.fpn.out_channels"),
    settled("rpn.feat_channels", "as many as model.fpn.out_channels", "model.fpn.out_channels"),
    always("rpn.num_classes", 1, "one sigmoid output an anchor, always"),
    always("rpn.bbox_coder.target_means", [0, 0, 0, 0], "the first stage's boxes are not scaled, always"),
    always("rpn.bbox_coder.target_stds", [1, 1, 1, 1], "the first stage's boxes are not scaled, always"),
    carried("rpn.loss_cls.loss_weight", "model.rpn.class_weight"),
    carried("rpn.loss_bbox.loss_weight", "model.rpn.box_weight"),
    carried(
        "rpn.anchor_generator.scales",
        "model.anchors.sizes",
        "scale x stride, one size for each level",
        via=anchor_sizes("rpn.anchor_generator.scales", "rpn.anchor_generator.strides"),
    ),
    always("rpn.anchor_generator.strides", [4, 8, 16, 32, 64], "levels P2 to P6, always"),
    carried("rpn.anchor_generator.ratios", "model.anchors.aspect_ratios"),
)
_HEADS = (
    settled("bbox_head.in_channels", _FPN, "model.fpn.out_channels"),
    carried("bbox_head.fc_out_channels", "model.box.fc_channels"),
    carried("bbox_head.roi_feat_size", "model.box.resolution"),
    carried(
        "bbox_head.reg_class_agnostic",
        "model.box.class_agnostic",
        via=switch("model.box.class_agnostic", True, False),
    ),
    always("bbox_head.bbox_coder.target_means", [0, 0, 0, 0], "0, always"),
    carried(
        "bbox_head.bbox_coder.target_stds",
        "model.box.coder_weights",
        "the inverse: 0.1 there is 10 here",
        via=inverse("model.box.coder_weights"),
    ),
    carried("bbox_head.loss_cls.loss_weight", "model.box.class_weight"),
    carried("bbox_head.loss_bbox.loss_weight", "model.box.box_weight"),
    carried("mask_head.num_convs", "model.mask.num_convs"),
    settled("mask_head.in_channels", _FPN, "model.fpn.out_channels"),
    carried("mask_head.conv_out_channels", "model.mask.channels"),
    carried("mask_head.loss_mask.loss_weight", "model.mask.weight"),
    carried("mask_iou_head.num_convs", "model.mask.iou_num_convs"),
    always("mask_iou_head.num_fcs", 2, _FIXED),
    carried("mask_iou_head.roi_feat_size", "model.mask.resolution"),
    settled("mask_iou_head.in_channels", _FPN, "model.fpn.out_channels"),
    carried("mask_iou_head.conv_out_channels", "model.mask.iou_channels"),
    carried("mask_iou_head.fc_out_channels", "model.mask.iou_fc_channels"),
    carried(
        "mask_iou_head.loss_iou.loss_weight",
        "model.mask.iou_weight",
        "twice as large, since the loss here has a factor of 0.5: 0.5 there is 1.0 here",
        via=times("model.mask.iou_weight", 2),
    ),
)
_POOLING = (
    always("roi.roi_layer.type", "RoIAlign", "ROIAlign, always"),
    carried("roi.roi_layer.out_size", "model.box.resolution"),
    carried("roi.roi_layer.sampling_ratio", "model.roi_align.sampling_ratio"),
    settled("roi.out_channels", _FPN, "model.fpn.out_channels"),
    always("roi.featmap_strides", [4, 8, 16, 32], _LEVELS),
    always("roi.finest_scale", 56, _LEVELS),
    settled("roi.sample_num", "as many slots as samples", "model.roi_sampling.batch_size_per_image"),
    always("mask_roi.roi_layer.type", "RoIAlign", "ROIAlign, always"),
    carried("mask_roi.roi_layer.out_size", "model.mask.resolution"),
    carried(
        "mask_roi.roi_layer.sampling_ratio",
        "model.roi_align.sampling_ratio",
        "one value for boxes and masks",
        via=same_as("roi.roi_layer.sampling_ratio"),
    ),
    settled("mask_roi.out_channels", _FPN, "model.fpn.out_channels"),
    always("mask_roi.featmap_strides", [4, 8, 16, 32], _LEVELS),
    always("mask_roi.finest_scale", 56, _LEVELS),
    settled("mask_roi.sample_num", "the positives among the samples", "model.roi_sampling.positive_fraction"),
)


def _sampling(stage: str, ours: str, *, joins: bool) -> tuple[ZooKey, ...]:
    """Returns the rows of one stage's assigner and sampler."""
    low_quality = f"{ours}.low_quality"
    return (
        carried(f"{stage}.assigner.pos_iou_thr", f"{ours}.fg_iou_thresh"),
        carried(f"{stage}.assigner.neg_iou_thr", f"{ours}.bg_iou_thresh"),
        carried(f"{stage}.assigner.min_pos_iou", f"{ours}.low_quality_min_iou"),
        carried(
            f"{stage}.assigner.match_low_quality",
            low_quality,
            "overwrite or off; keep is detectron2's",
            via=switch(low_quality, "overwrite", "off"),
        ),
        carried(f"{stage}.sampler.num", f"{ours}.batch_size_per_image"),
        carried(f"{stage}.sampler.pos_fraction", f"{ours}.positive_fraction"),
        carried(
            f"{stage}.sampler.neg_pos_ub",
            f"{ours}.negatives_per_positive",
            "-1 there is 0 here, no limit",
            via=negatives(f"{ours}.negatives_per_positive"),
        ),
        always(f"{stage}.sampler.add_gt_as_proposals", joins, _FIXED),
    )


_TRAIN_AND_TEST = (
    *_sampling("train_cfg.rpn", "model.rpn", joins=False),
    carried("train_cfg.rpn_proposal.nms_pre", "model.rpn.pre_nms_topk.train"),
    carried("train_cfg.rpn_proposal.max_per_img", "model.rpn.post_nms_topk.train"),
    carried("train_cfg.rpn_proposal.iou_threshold", "model.rpn.nms_thresh", "one value for training and test"),
    carried("train_cfg.rpn_proposal.min_bbox_size", "model.rpn.min_size", "one value for training and test"),
    *_sampling("train_cfg.rcnn", "model.roi_sampling", joins=True),
    carried("train_cfg.rcnn.mask_size", "model.mask.resolution", "half of it", via=side_of_masks),
    carried(
        "train_cfg.rcnn.mask_thr_binary",
        "model.mask.iou_mask_logit_thresh",
        "a logit: probability 0.5 is logit 0",
        via=logit("model.mask.iou_mask_logit_thresh"),
    ),
    carried("test_cfg.rpn.nms_pre", "model.rpn.pre_nms_topk.test"),
    carried("test_cfg.rpn.max_per_img", "model.rpn.post_nms_topk.test"),
    carried(
        "test_cfg.rpn.iou_threshold",
        "model.rpn.nms_thresh",
        "one value for training and test",
        via=same_as("train_cfg.rpn_proposal.iou_threshold"),
    ),
    carried(
        "test_cfg.rpn.min_bbox_size",
        "model.rpn.min_size",
        "one value for training and test",
        via=same_as("train_cfg.rpn_proposal.min_bbox_size"),
    ),
    carried("test_cfg.rcnn.score_thr", "model.box.score_thresh"),
    carried("test_cfg.rcnn.iou_threshold", "model.box.nms_thresh"),
    carried("test_cfg.rcnn.max_per_img", "model.box.detections_per_image"),
    carried("test_cfg.rcnn.mask_thr_binary", "eval.mask_thresh"),
)
_RUN = (
    by_hand("train_outputs", "the run's folder: `--run-dir DIR`"),
    carried("brief", "name"),
    carried("mode", "device.mode", via=choice("device.mode", graph="graph", pynative="pynative")),
    carried(
        "min_lr",
        "train.schedule.min_lr train.schedule.final_ratio",
        "of multistep; of a cosine final_ratio, a fraction of base_lr",
        via=least_rate,
    ),
    carried("lr_steps", "train.schedule.milestones", "of multistep alone", via=milestones),
    carried("accumulate_step", "train.accumulate"),
    carried("eval_every", "train.eval_every", via=evaluation),
    carried(
        "enable_graph_kernel",
        "device.jit_level",
        "O1, which MindSpore has in its place",
        via=switch("device.jit_level", "O1", "auto"),
    ),
    off("datasink", "each step is fed by Python, with its own shape and noise: docs/training.md"),
    carried("train_dataset", "data.train.annotations", "labels.json, and data.train.images", via=folder("train")),
    carried("val_dataset", "data.val.annotations", "labels.json, and data.val.images", via=folder("val")),
    carried("train_dataset_num", "data.train.limit", "images spread evenly over the split; 0 there and here is all"),
    off("train_dataset_divider", "data.train.limit takes a number of images, spread evenly over the split"),
    settled("mask_divider", "masks are stored relative to their boxes: data.mask_side", "data.mask_side"),
    settled("divider", "inputs are padded to multiples of 32", "data.buckets"),
    carried("img_mean", "model.pixel.mean"),
    carried("img_std", "model.pixel.std"),
    carried("to_rgb", "model.pixel.channel_order", via=switch("model.pixel.channel_order", "rgb", "bgr")),
    carried(
        "save_every",
        "train.save_every_steps",
        "train.save_every counts epochs",
    ),
    carried("keep_best_checkpoints_max", "train.keep_best"),
    carried("grad_clip", "train.optimizer.clip_norm", "0 there and here is none", via=clipping),
)

NESTED_KEYS: tuple[ZooKey, ...] = (*_BACKBONE, *_FIRST_STAGE, *_HEADS, *_POOLING, *_TRAIN_AND_TEST, *_RUN)
