"""Keys of the zoo's flat files: Faster R-CNN, Mask R-CNN (ResNet-50, MobileNetV1) and PointRend."""

from mindrcnn.zoo.conversions import (
    anchor_sizes,
    annotation_pattern,
    at_least,
    blocks,
    boolean_indexing,
    flat_backbone,
    inverse,
    milestones,
    same_as,
    samples,
    side_of_masks,
    text_list,
    unless_empty,
    with_mask_rcnn,
)
from mindrcnn.zoo.key import ZooKey, always, by_hand, carried, off, settled

_FPN = "follows from the backbone and model.fpn.out_channels"
_ONE_OUTPUT = "one sigmoid output an anchor, always"
_LEVELS = "levels P2 to P5 with their edges at 112, 224 and 448 pixels, always"
_NO_CODER = "the first stage's boxes are not scaled, always"
_COUNTED = "computed"

_INPUT = (
    carried("max_instance_count", "data.max_objects"),
    carried("mask_shape", "model.mask.resolution", "twice model.mask.resolution", via=side_of_masks),
    settled("feature_shapes", _COUNTED),
)
_PYRAMID = (
    carried(
        "anchor_scales",
        "model.anchors.sizes",
        "scale x stride, one size for each level",
        via=anchor_sizes("anchor_scales", "anchor_strides"),
    ),
    carried("anchor_ratios", "model.anchors.aspect_ratios"),
    always("anchor_strides", [4, 8, 16, 32, 64], "levels P2 to P6, always"),
    settled("num_anchors", _COUNTED),
    carried("resnet_block", "model.backbone.name", "resnet50 or resnet101", via=blocks),
    settled("resnet_in_channels", "follows from model.backbone.name", "model.backbone.name"),
    settled("resnet_out_channels", "follows from model.backbone.name", "model.backbone.name"),
    carried(
        "backbone",
        "model.backbone.name",
        "resnet50 or resnet101; the stride is model.backbone.stride_in",
        via=flat_backbone,
    ),
    settled("fpn_in_channels", "follows from model.backbone.name", "model.backbone.name"),
    carried("fpn_out_channels", "model.fpn.out_channels"),
    always("fpn_num_outs", 5, "levels P2 to P6, always"),
)
_FIRST_STAGE = (
    settled("rpn_in_channels", _FPN, "model.fpn.out_channels"),
    settled("rpn_feat_channels", "as many as model.fpn.out_channels", "model.fpn.out_channels"),
    carried("rpn_loss_cls_weight", "model.rpn.class_weight"),
    carried("rpn_loss_reg_weight", "model.rpn.box_weight"),
    always("rpn_cls_out_channels", 1, _ONE_OUTPUT),
    always("rpn_target_means", [0, 0, 0, 0], _NO_CODER),
    always("rpn_target_stds", [1, 1, 1, 1], _NO_CODER),
    carried("neg_iou_thr", "model.rpn.bg_iou_thresh"),
    carried("pos_iou_thr", "model.rpn.fg_iou_thresh"),
    carried("min_pos_iou", "model.rpn.low_quality_min_iou", "with model.rpn.low_quality: overwrite"),
    settled("num_bboxes", _COUNTED),
    carried(
        "num_expected_neg",
        "model.rpn.batch_size_per_image",
        "all samples of an image, not the negatives alone",
        via=samples("rpn", positives="num_expected_pos", total="num_expected_neg"),
    ),
    carried(
        "num_expected_pos",
        "model.rpn.positive_fraction",
        "a share of model.rpn.batch_size_per_image",
        via=samples("rpn", positives="num_expected_pos", total="num_expected_neg"),
    ),
    always("activate_num_classes", 2, _ONE_OUTPUT),
    always("use_sigmoid_cls", True, _ONE_OUTPUT),
    always("rpn_head_use_sigmoid", True, _ONE_OUTPUT),
    always("rpn_head_weight", 1, "the weights are model.rpn.class_weight and box_weight"),
)
_POOLING = (
    always("roi_layer.type", "RoIAlign", "ROIAlign, always"),
    carried("roi_layer.out_size", "model.box.resolution"),
    carried(
        "roi_layer.mask_out_size",
        "model.mask.resolution",
        "not with PointRend, whose grid is not pooled",
        via=with_mask_rcnn("model.mask.resolution"),
    ),
    carried("roi_layer.sample_num", "model.roi_align.sampling_ratio"),
    settled("roi_align_out_channels", _FPN, "model.fpn.out_channels"),
    always("roi_align_featmap_strides", [4, 8, 16, 32], _LEVELS),
    always("roi_align_finest_scale", 56, _LEVELS),
    settled("roi_sample_num", "as many slots as samples", "model.roi_sampling.batch_size_per_image"),
)
_SECOND_STAGE = (
    carried("neg_iou_thr_stage2", "model.roi_sampling.bg_iou_thresh"),
    carried("pos_iou_thr_stage2", "model.roi_sampling.fg_iou_thresh"),
    carried("min_pos_iou_stage2", "model.roi_sampling.low_quality_min_iou"),
    settled("num_bboxes_stage2", _COUNTED),
    carried(
        "num_expected_pos_stage2",
        "model.roi_sampling.positive_fraction",
        "a share of model.roi_sampling.batch_size_per_image",
        via=samples("roi_sampling", positives="num_expected_pos_stage2", total="num_expected_total_stage2"),
    ),
    settled("num_expected_neg_stage2", "what the positives leave", "model.roi_sampling.batch_size_per_image"),
    carried(
        "num_expected_total_stage2",
        "model.roi_sampling.batch_size_per_image",
        via=samples("roi_sampling", positives="num_expected_pos_stage2", total="num_expected_total_stage2"),
    ),
    always("rcnn_num_layers", 2, "two fully connected layers, always"),
    settled("rcnn_in_channels", _FPN, "model.fpn.out_channels"),
    carried("rcnn_fc_out_channels", "model.box.fc_channels"),
    carried(
        "rcnn_mask_out_channels",
        "model.mask.channels",
        "not with PointRend, which has no such convolutions",
        via=with_mask_rcnn("model.mask.channels"),
    ),
    carried("rcnn_loss_cls_weight", "model.box.class_weight"),
    carried("rcnn_loss_reg_weight", "model.box.box_weight"),
    carried(
        "rcnn_loss_mask_fb_weight",
        "model.mask.weight",
        "not with PointRend, which has coarse_weight and point_weight",
        via=with_mask_rcnn("model.mask.weight"),
    ),
    carried("rcnn_loss_mask_coarse_weight", "model.mask.coarse_weight"),
    carried("rcnn_loss_mask_point_weight", "model.mask.point_weight"),
    always("rcnn_target_means", [0, 0, 0, 0], "0, always"),
    carried(
        "rcnn_target_stds",
        "model.box.coder_weights",
        "the inverse: 0.1 there is 10 here",
        via=inverse("model.box.coder_weights"),
    ),
    always("without_bg_loss", True, "the background has no box regressor, always"),
    carried(
        "not_mask",
        "model.mask.dynamic",
        "PointRend's second version; with device.mode: pynative",
        via=boolean_indexing,
    ),
)
_PROPOSALS = (
    always("rpn_proposal_nms_across_levels", False, "NMS within each level, always"),
    carried("rpn_proposal_nms_pre", "model.rpn.pre_nms_topk.train"),
    settled("rpn_proposal_nms_post", "the limit of the image counts", "model.rpn.post_nms_topk.train"),
    carried("rpn_proposal_max_num", "model.rpn.post_nms_topk.train"),
    carried("rpn_proposal_nms_thr", "model.rpn.nms_thresh", "one value for training and test"),
    carried("rpn_proposal_min_bbox_size", "model.rpn.min_size", "one value for training and test"),
    always("rpn_nms_across_levels", False, "NMS within each level, always"),
    carried("rpn_nms_pre", "model.rpn.pre_nms_topk.test"),
    carried(
        "rpn_nms_post",
        "model.rpn.post_nms_topk.test",
        "the limit of the image counts",
        via=at_least("rpn_max_num"),
    ),
    carried("rpn_max_num", "model.rpn.post_nms_topk.test"),
    carried(
        "rpn_nms_thr", "model.rpn.nms_thresh", "one value for training and test", via=same_as("rpn_proposal_nms_thr")
    ),
    carried(
        "rpn_min_bbox_min_size",
        "model.rpn.min_size",
        "one value for training and test",
        via=same_as("rpn_proposal_min_bbox_size"),
    ),
    carried("test_score_thr", "model.box.score_thresh"),
    carried("test_iou_thr", "model.box.nms_thresh"),
    carried("test_max_per_img", "model.box.detections_per_image"),
    carried("mask_thr_binary", "eval.mask_thresh"),
)
_TRAINING = (
    settled("base_step", _COUNTED),
    settled("total_epoch", "the cosine's end, in train.schedule.final_ratio", "train.schedule.final_ratio"),
    settled("sgd_momentum", "the zoo trains with `momentum`", "train.optimizer.momentum"),
    carried("sgd_step", "train.schedule.milestones", "of multistep alone", via=milestones),
    by_hand("pretrain_epoch_size", "continue a run with `mindrcnn train --resume --run-dir DIR`"),
    always("save_checkpoint", True, "checkpoints are always saved"),
    carried("save_checkpoint_epochs", "train.save_every", "epochs, also a fraction such as 0.5"),
    by_hand("save_checkpoint_path", "the run's folder: `--run-dir DIR`"),
    settled("log_summary", "train.log_to: [summary_record]", "train.log_to"),
)
_DATA = (
    carried(
        "mindrecord_dir",
        "data.mindrecord_dir",
        "files are made at the first training; an empty one reads images as they are",
        via=unless_empty("data.mindrecord_dir"),
    ),
    carried("coco_root", "data.root", via=unless_empty("data.root")),
    carried("train_data_type", "data.train.name"),
    carried("val_data_type", "data.val.name"),
    carried("instance_set", "data.train.annotations", "found by the split's name if usual", via=annotation_pattern),
    carried("image_dir", "data.train.images", "with data.train.format: txt", via=text_list),
    carried("anno_path", "data.train.annotations", "with data.train.format: txt", via=text_list),
    always("dataset", "coco", "data.train.format"),
    off("prefix", "names of files are not prefixed"),
)

FLAT_KEYS: tuple[ZooKey, ...] = (
    *(*_INPUT, *_PYRAMID, *_FIRST_STAGE, *_POOLING, *_SECOND_STAGE),
    *(*_PROPOSALS, *_TRAINING, *_DATA),
)
