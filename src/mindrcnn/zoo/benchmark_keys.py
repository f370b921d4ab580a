"""Keys of maskrcnn-benchmark's files, which the PyTorch Mask R-CNN R-101 beside the zoo's models is trained with."""

from mindrcnn.zoo.benchmark_conversions import (
    backbone,
    bias_decay,
    bias_rate,
    box_extractor,
    box_norm,
    buckets,
    convolutions,
    input_weights,
    iterations,
    jitter,
    mask_norm,
    mask_side,
    of_box_convs,
    of_masks,
    shared_proposals,
    short_sides,
    split,
    straddling,
)
from mindrcnn.zoo.conversions import choice, same_as, switch
from mindrcnn.zoo.key import ZooKey, always, by_hand, carried, off, settled

_PYRAMID = "levels P2 to P6, always"
_POOLED = "levels P2 to P5 with their edges at 112, 224 and 448 pixels, always"
_SCALES = [0.25, 0.125, 0.0625, 0.03125]
_GROUPS = "32 groups, always"

_MODEL = (
    always("MODEL.META_ARCHITECTURE", "GeneralizedRCNN", "always so"),
    off("MODEL.RPN_ONLY", "the first stage has no detector of its own"),
    settled("MODEL.MASK_ON", "false is model.mask: null", "model.mask.type"),
    off("MODEL.RETINANET_ON", "two-stage detectors only"),
    off("MODEL.KEYPOINT_ON", "no keypoints"),
    carried("MODEL.DEVICE", "device.target", via=choice("device.target", cuda="GPU", cpu="CPU")),
    carried(
        "MODEL.CLS_AGNOSTIC_BBOX_REG",
        "model.box.class_agnostic",
        via=switch("model.box.class_agnostic", True, False),
    ),
    carried(
        "MODEL.WEIGHT",
        "model.backbone.weights train.init_checkpoint",
        "catalog://ImageNetPretrained/MSRA/R-101 is detectron2/msra_r101; a backbone's file by hand, a detector's "
        "through `mindrcnn convert`",
        via=input_weights,
    ),
    carried("MODEL.BACKBONE.CONV_BODY", "model.backbone.name", "R-50-FPN or R-101-FPN", via=backbone),
    carried("MODEL.BACKBONE.FREEZE_CONV_BODY_AT", "model.backbone.frozen_stages", "the stem counts in both"),
    carried("MODEL.BACKBONE.OUT_CHANNELS", "model.fpn.out_channels"),
    settled("MODEL.BACKBONE.USE_GN", "RESNETS.TRANS_FUNC says it", "model.backbone.norm"),
    carried("MODEL.RESNETS.BACKBONE_OUT_CHANNELS", "model.fpn.out_channels"),
    always("MODEL.RESNETS.NUM_GROUPS", 1, "ResNet, always"),
    always("MODEL.RESNETS.WIDTH_PER_GROUP", 64, "ResNet, always"),
    carried(
        "MODEL.RESNETS.STRIDE_IN_1X1",
        "model.backbone.stride_in",
        via=switch("model.backbone.stride_in", "1x1", "3x3"),
    ),
    carried(
        "MODEL.RESNETS.TRANS_FUNC",
        "model.backbone.norm",
        "frozen or, for BottleneckWithGN, group",
        via=choice("model.backbone.norm", bottleneckwithfixedbatchnorm="frozen", bottleneckwithgn="group"),
    ),
    carried(
        "MODEL.RESNETS.STEM_FUNC",
        "model.backbone.norm",
        "as in TRANS_FUNC",
        via=choice("model.backbone.norm", stemwithfixedbatchnorm="frozen", stemwithgn="group"),
    ),
    always("MODEL.RESNETS.RES5_DILATION", 1, "always so"),
    always("MODEL.RESNETS.RES2_OUT_CHANNELS", 256, "always so"),
    always("MODEL.RESNETS.STEM_OUT_CHANNELS", 64, "always so"),
    carried("MODEL.FPN.USE_GN", "model.fpn.norm", via=switch("model.fpn.norm", "group", "none")),
    off("MODEL.FPN.USE_RELU", "no activation in the pyramid"),
    always("MODEL.GROUP_NORM.DIM_PER_GP", -1, _GROUPS),
    always("MODEL.GROUP_NORM.NUM_GROUPS", 32, _GROUPS),
    always("MODEL.GROUP_NORM.EPSILON", 1e-5, "1e-5, always"),
)
_FIRST_STAGE = (
    always("MODEL.RPN.USE_FPN", True, "always so"),
    carried("MODEL.RPN.ANCHOR_SIZES", "model.anchors.sizes"),
    always("MODEL.RPN.ANCHOR_STRIDE", [4, 8, 16, 32, 64], _PYRAMID),
    carried("MODEL.RPN.ASPECT_RATIOS", "model.anchors.aspect_ratios"),
    carried("MODEL.RPN.STRADDLE_THRESH", "", "anchors across the border train too", via=straddling),
    carried("MODEL.RPN.FG_IOU_THRESHOLD", "model.rpn.fg_iou_thresh"),
    carried("MODEL.RPN.BG_IOU_THRESHOLD", "model.rpn.bg_iou_thresh"),
    carried("MODEL.RPN.BATCH_SIZE_PER_IMAGE", "model.rpn.batch_size_per_image"),
    carried("MODEL.RPN.POSITIVE_FRACTION", "model.rpn.positive_fraction"),
    carried("MODEL.RPN.PRE_NMS_TOP_N_TRAIN", "model.rpn.pre_nms_topk.train"),
    carried("MODEL.RPN.PRE_NMS_TOP_N_TEST", "model.rpn.pre_nms_topk.test"),
    settled(
        "MODEL.RPN.POST_NMS_TOP_N_TRAIN", "of a level; the limit of the image counts", "model.rpn.post_nms_topk.train"
    ),
    settled(
        "MODEL.RPN.POST_NMS_TOP_N_TEST", "of a level; the limit of the image counts", "model.rpn.post_nms_topk.test"
    ),
    carried(
        "MODEL.RPN.FPN_POST_NMS_TOP_N_TRAIN",
        "model.rpn.post_nms_topk.train",
        "half of it, of one image: there it is of the two images of a device",
        via=shared_proposals,
    ),
    carried("MODEL.RPN.FPN_POST_NMS_TOP_N_TEST", "model.rpn.post_nms_topk.test"),
    settled("MODEL.RPN.FPN_POST_NMS_PER_BATCH", "of each image, always", "model.rpn.post_nms_topk.train"),
    carried("MODEL.RPN.NMS_THRESH", "model.rpn.nms_thresh"),
    carried("MODEL.RPN.MIN_SIZE", "model.rpn.min_size"),
    always("MODEL.RPN.RPN_HEAD", "SingleConvRPNHead", "always so"),
)
_SECOND_STAGE = (
    always("MODEL.ROI_HEADS.USE_FPN", True, "always so"),
    carried("MODEL.ROI_HEADS.FG_IOU_THRESHOLD", "model.roi_sampling.fg_iou_thresh"),
    carried("MODEL.ROI_HEADS.BG_IOU_THRESHOLD", "model.roi_sampling.bg_iou_thresh"),
    carried("MODEL.ROI_HEADS.BBOX_REG_WEIGHTS", "model.box.coder_weights"),
    carried("MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", "model.roi_sampling.batch_size_per_image"),
    carried("MODEL.ROI_HEADS.POSITIVE_FRACTION", "model.roi_sampling.positive_fraction"),
    carried("MODEL.ROI_HEADS.SCORE_THRESH", "model.box.score_thresh"),
    carried("MODEL.ROI_HEADS.NMS", "model.box.nms_thresh"),
    carried("MODEL.ROI_HEADS.DETECTIONS_PER_IMG", "model.box.detections_per_image"),
    carried(
        "MODEL.ROI_BOX_HEAD.FEATURE_EXTRACTOR",
        "model.box.num_convs model.box.num_fcs",
        "two fully connected layers, or with FPNXconv1fcFeatureExtractor convolutions before one",
        via=box_extractor,
    ),
    always("MODEL.ROI_BOX_HEAD.PREDICTOR", "FPNPredictor", "always so"),
    carried("MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION", "model.box.resolution"),
    carried("MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO", "model.roi_align.sampling_ratio"),
    always("MODEL.ROI_BOX_HEAD.POOLER_SCALES", _SCALES, _POOLED),
    settled("MODEL.ROI_BOX_HEAD.NUM_CLASSES", "follows from the classes", "data.classes"),
    carried("MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM", "model.box.fc_channels"),
    carried("MODEL.ROI_BOX_HEAD.USE_GN", "model.box.norm", "of FPNXconv1fcFeatureExtractor", via=box_norm),
    always("MODEL.ROI_BOX_HEAD.DILATION", 1, "always so"),
    carried(
        "MODEL.ROI_BOX_HEAD.CONV_HEAD_DIM",
        "model.box.conv_channels",
        "of FPNXconv1fcFeatureExtractor",
        via=of_box_convs("model.box.conv_channels"),
    ),
    carried(
        "MODEL.ROI_BOX_HEAD.NUM_STACKED_CONVS",
        "model.box.num_convs",
        "of FPNXconv1fcFeatureExtractor",
        via=of_box_convs("model.box.num_convs"),
    ),
    always("MODEL.ROI_MASK_HEAD.FEATURE_EXTRACTOR", "MaskRCNNFPNFeatureExtractor", "convolutions, always"),
    always("MODEL.ROI_MASK_HEAD.PREDICTOR", "MaskRCNNC4Predictor", "always so"),
    carried("MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION", "model.mask.resolution", via=of_masks("model.mask.resolution")),
    carried(
        "MODEL.ROI_MASK_HEAD.POOLER_SAMPLING_RATIO",
        "model.roi_align.sampling_ratio",
        "one value for boxes and masks",
        via=same_as("MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO"),
    ),
    always("MODEL.ROI_MASK_HEAD.POOLER_SCALES", _SCALES, _POOLED),
    settled("MODEL.ROI_MASK_HEAD.MLP_HEAD_DIM", "of another extractor"),
    carried(
        "MODEL.ROI_MASK_HEAD.CONV_LAYERS",
        "model.mask.num_convs model.mask.channels",
        "convolutions of one width",
        via=convolutions,
    ),
    carried("MODEL.ROI_MASK_HEAD.RESOLUTION", "model.mask.resolution", "twice model.mask.resolution", via=mask_side),
    off("MODEL.ROI_MASK_HEAD.SHARE_BOX_FEATURE_EXTRACTOR", "masks have a branch of their own"),
    settled("MODEL.ROI_MASK_HEAD.POSTPROCESS_MASKS", "masks are always pasted into the image"),
    carried("MODEL.ROI_MASK_HEAD.POSTPROCESS_MASKS_THRESHOLD", "eval.mask_thresh"),
    always("MODEL.ROI_MASK_HEAD.DILATION", 1, "always so"),
    carried("MODEL.ROI_MASK_HEAD.USE_GN", "model.mask.norm", via=mask_norm),
)
_INPUT = (
    carried(
        "INPUT.MIN_SIZE_TRAIN",
        "data.augment.short_sides",
        "empty where it is the one of MIN_SIZE_TEST",
        via=short_sides,
    ),
    carried("INPUT.MIN_SIZE_TEST", "data.short_side"),
    carried("INPUT.MAX_SIZE_TRAIN", "data.buckets", "rounded up to a multiple of 32: 1333 is 1344", via=buckets),
    carried("INPUT.MAX_SIZE_TEST", "data.buckets", "the same for both", via=buckets),
    carried("INPUT.PIXEL_MEAN", "model.pixel.mean"),
    carried("INPUT.PIXEL_STD", "model.pixel.std"),
    always("INPUT.TO_BGR255", True, "model.pixel.channel_order: bgr, values from 0 to 255"),
    *(
        carried(f"INPUT.{name}", "data.augment.photometric_prob", "the ranges are fixed here", via=jitter)
        for name in ("BRIGHTNESS", "CONTRAST", "SATURATION", "HUE")
    ),
    carried("INPUT.HORIZONTAL_FLIP_PROB_TRAIN", "data.augment.flip_prob"),
    off("INPUT.VERTICAL_FLIP_PROB_TRAIN", "flips are horizontal"),
    carried(
        "DATASETS.TRAIN",
        "data.train.name",
        "coco_2014_train with coco_2014_valminusminival has the images of train2017",
        via=split("train"),
    ),
    carried("DATASETS.TEST", "data.val.name", "coco_2014_minival has the images of val2017", via=split("val")),
    carried("DATALOADER.NUM_WORKERS", "data.workers", "threads"),
    settled("DATALOADER.SIZE_DIVISIBILITY", "inputs are padded to multiples of 32", "data.buckets"),
    settled("DATALOADER.ASPECT_RATIO_GROUPING", "images of a batch are of one bucket", "data.buckets"),
)
_SOLVER = (
    carried("SOLVER.MAX_ITER", "train.schedule.length train.schedule.unit", via=iterations),
    carried("SOLVER.BASE_LR", "train.schedule.base_lr", "of IMS_PER_BATCH images, the reference_batch here"),
    carried(
        "SOLVER.IMS_PER_BATCH",
        "train.schedule.reference_batch",
        "of all devices; train.batch_size is that of one",
    ),
    carried("SOLVER.BIAS_LR_FACTOR", "", "biases have the learning rate of the weights", via=bias_rate),
    carried("SOLVER.MOMENTUM", "train.optimizer.momentum"),
    carried("SOLVER.WEIGHT_DECAY", "train.optimizer.weight_decay"),
    carried(
        "SOLVER.WEIGHT_DECAY_BIAS",
        "train.optimizer.decay_norm_and_bias",
        "0 is false, that of the weights is true",
        via=bias_decay,
    ),
    carried("SOLVER.GAMMA", "train.schedule.gamma"),
    carried("SOLVER.STEPS", "train.schedule.milestones"),
    carried("SOLVER.WARMUP_FACTOR", "train.schedule.warmup_ratio"),
    carried("SOLVER.WARMUP_ITERS", "train.schedule.warmup_iterations"),
    always("SOLVER.WARMUP_METHOD", "linear", "linear, always"),
    carried("SOLVER.CHECKPOINT_PERIOD", "train.save_every_steps"),
    carried("SOLVER.TEST_PERIOD", "train.eval_every_steps"),
    carried("TEST.IMS_PER_BATCH", "eval.batch_size", "of all devices there, of one here"),
    carried("TEST.DETECTIONS_PER_IMG", "model.box.detections_per_image"),
    settled("TEST.EXPECTED_RESULTS", "`mindrcnn reproduce` compares with the published AP"),
    settled("TEST.EXPECTED_RESULTS_SIGMA_TOL", "`mindrcnn reproduce` compares with the published AP"),
    carried(
        "TEST.BBOX_AUG.ENABLED", "eval.tta", "with eval.tta_scales, tta_flips", via=switch("eval.tta", True, False)
    ),
    carried("DTYPE", "train.precision", via=choice("train.precision", float32="float32", float16="float16")),
    by_hand("OUTPUT_DIR", "the run's folder: `--run-dir DIR`"),
    by_hand("PATHS_CATALOG", "the data set's folder", "data.root"),
)

BENCHMARK_KEYS: tuple[ZooKey, ...] = (*_MODEL, *_FIRST_STAGE, *_SECOND_STAGE, *_INPUT, *_SOLVER)
