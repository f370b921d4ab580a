"""Keys that all of the zoo's files have, and those of its environment (ModelArts, evaluation, export)."""

from mindrcnn.zoo.conversions import (
    canvas,
    choice,
    evaluation,
    expansion,
    foreground,
    length,
    rate,
    static_scale,
    switch,
)
from mindrcnn.zoo.key import ZooKey, by_hand, carried, off, settled

_CLOUD = "data.root and --run-dir take obs:// paths, copied by moxing: docs/migrate.md"
_BY_COMMAND = "given on the command line of"

_INPUT = (
    carried("img_width", "data.buckets data.short_side", "(height, width); padded to multiples of 32", via=canvas),
    carried("img_height", "data.buckets data.short_side", "(height, width); padded to multiples of 32", via=canvas),
    carried("keep_ratio", "data.keep_ratio", via=switch("data.keep_ratio", True, False)),
    carried("flip_ratio", "data.augment.flip_prob"),
    carried(
        "expand_ratio",
        "data.augment.expand_prob",
        "half of it, since the zoo's Expand leaves every second image as it is",
        via=expansion,
    ),
    carried("num_gts", "data.max_objects"),
    carried("coco_classes", "data.classes", "without the background", via=foreground),
    settled("num_classes", "follows from the classes", "data.classes"),
    carried("num_parallel_workers", "data.workers", "threads"),
    settled("python_multiprocessing", "images are loaded by threads", "data.workers"),
)
_TRAINING = (
    carried(
        "base_lr",
        "train.schedule.base_lr",
        "used for any batch there; here scale_lr: true scales it by images a step / reference_batch",
        via=rate,
    ),
    carried(
        "lr",
        "train.schedule.base_lr",
        "used for any batch there; here scale_lr: true scales it by images a step / reference_batch",
        via=rate,
    ),
    carried(
        "lr_type",
        "train.schedule.kind",
        "dynamic is a cosine",
        via=choice("train.schedule.kind", dynamic="cosine", cosine="cosine", multistep="multistep"),
    ),
    carried("warmup_step", "train.schedule.warmup_iterations"),
    carried("warmup_ratio", "train.schedule.warmup_ratio", "a number: 1/3.0 is 0.3333333333333333"),
    carried(
        "opt_type",
        "train.optimizer.type",
        via=choice("train.optimizer.type", sgd="sgd", adam="adam", adamw="adamw"),
    ),
    carried("momentum", "train.optimizer.momentum"),
    carried("weight_decay", "train.optimizer.weight_decay", "decay_norm_and_bias says whether of biases too"),
    carried("batch_size", "train.batch_size", "images a device"),
    carried("test_batch_size", "eval.batch_size"),
    carried("loss_scale", "train.loss_scale", "{type: static, scale: N}; 1 is null", via=static_scale),
    carried("epoch_size", "train.schedule.length", "and final_ratio, where a cosine ends before its 0", via=length),
    carried("keep_checkpoint_max", "train.keep_last"),
    carried(
        "run_eval",
        "train.eval_every",
        "0 evaluates at the end only",
        via=lambda value, values: {} if value else {"train.eval_every": 0},
    ),
    carried("interval", "train.eval_every", "of run_eval", via=evaluation),
    settled("finetune", "other classes are recognised: docs/finetune.md", "train.init_checkpoint"),
    by_hand(
        "pre_trained",
        "a detector through `mindrcnn convert` as train.init_checkpoint, a backbone as model.backbone.weights",
        "train.init_checkpoint",
    ),
    off("dataset_sink_mode_flag", "each step is fed by Python, with its own shape and noise: docs/training.md"),
)
_DEVICE = (
    carried(
        "device_target",
        "device.target",
        via=choice("device.target", ascend="Ascend", gpu="GPU", cpu="CPU"),
    ),
    carried("device_id", "device.id"),
    settled("run_distribute", "`mindrcnn launch`, or --devices of scripts/run_distribute_train.sh"),
    settled("device_num", "--devices N of `mindrcnn launch` and the scripts"),
    settled("rank_id", "set by the launcher"),
)
_PROGRAMS = (
    by_hand("checkpoint_path", f"{_BY_COMMAND} `mindrcnn eval CHECKPOINT`"),
    by_hand("prediction_path", f"{_BY_COMMAND} `mindrcnn eval --results FILE --config CONFIG`"),
    by_hand("result_path", f"{_BY_COMMAND} `mindrcnn eval --results FILE --config CONFIG`"),
    by_hand("ckpt_file", f"{_BY_COMMAND} `mindrcnn export CHECKPOINT`"),
    by_hand("file_name", f"{_BY_COMMAND} `mindrcnn export --out FILE`"),
    by_hand("file_format", f"{_BY_COMMAND} `mindrcnn export --format MINDIR`"),
    settled("enable_modelarts", _CLOUD, "data.root"),
    off("enable_profiling", "profiling has no switch"),
    settled("data_url", _CLOUD, "data.root"),
    settled("train_url", _CLOUD),
    settled("checkpoint_url", _CLOUD),
    settled("data_path", _CLOUD, "data.root"),
    settled("output_path", _CLOUD),
    settled("load_path", _CLOUD),
)

SHARED_KEYS: tuple[ZooKey, ...] = (*_INPUT, *_TRAINING, *_DEVICE, *_PROGRAMS)
