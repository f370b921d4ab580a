"""The keys under `data`: data set, input size, augmentation and loading."""

# ruff: noqa: RUF009 - key() is dataclasses.field with a meaning and limits

from __future__ import annotations

from dataclasses import dataclass

from mindrcnn.config.schema import key, require
from mindrcnn.data.batching.buckets import padded_size
from mindrcnn.data.formats.registry import FORMATS, find_format
from mindrcnn.data.image_io import MAX_PIXELS


@dataclass(frozen=True)
class SplitConfig:
    """Location of one split, which is found under data.root by its `name` if `annotations` is empty."""

    name: str = key(
        "",
        "Name of the split, for example train2017: finds annotations/instances_NAME.json with NAME/, and the layouts "
        "of other tools (own_data.md).",
    )
    format: str = key(
        "auto",
        "auto: whichever of the others the annotations are; coco: COCO JSON; txt: rows of "
        "`path x1,y1,x2,y2,class ...`; mindrecord: a folder that `mindrcnn mindrecord` wrote; the others are named by "
        "their tool. Other packages add more.",
        registered=FORMATS,
    )
    annotations: str = key("", "Annotation file or folder, relative to data.root unless absolute.")
    images: str = key("", "Image folder, relative to data.root unless absolute.")
    class_attribute: str = key(
        "",
        "With format via, the region attribute that names the class; empty: the only one, or one called class, label, "
        "category, name or type.",
    )
    limit: int = key(0, "Number of images to use, spread evenly over the split; 0 uses all.", low=0)


@dataclass(frozen=True)
class AugmentConfig:
    """Training-time augmentation; every random draw is seeded by (seed, epoch, image)."""

    flip_prob: float = key(0.5, "Probability of a horizontal flip.", low=0, high=1)
    short_sides: tuple[int, ...] = key(
        (), "Multi-scale training: short sides in pixels to draw from; empty: data.short_side.", low=1, high=16384
    )
    photometric_prob: float = key(0.0, "Probability of brightness, contrast, saturation and hue jitter.", low=0, high=1)
    expand_prob: float = key(0.0, "Probability of placing the image on a larger mean-coloured canvas.", low=0, high=1)
    expand_max_ratio: float = key(2.0, "Largest ratio of canvas side to image side.", low=1)
    crop_prob: float = key(0.0, "Probability of a random crop that keeps at least one object.", low=0, high=1)
    crop_min_scale: float = key(0.5, "Smallest ratio of crop side to image side.", low=0.05, high=1)
    crop_size: tuple[int, ...] = key(
        (), "Height and width of every crop in pixels of the image, instead of crop_min_scale; empty: none.", low=1
    )

    scale_jitter: tuple[float, ...] = key(
        (),
        "Large-scale jitter: smallest and largest scale to draw from, for example [0.1, 2.0], where 1 just fits into "
        "the bucket; then a crop, padded with grey, that fills the bucket whatever short_side says. Empty: none.",
        low=0.01,
        high=10,
    )
    copy_paste_prob: float = key(
        0.0, "Probability of pasting some objects of another image on top; needs masks in the data.", low=0, high=1
    )

    def __post_init__(self) -> None:
        fits = len(self.crop_size) in (0, 2)
        require(fits, "data.augment.crop_size", "a height and a width, or an empty list", self.crop_size)
        scales = self.scale_jitter
        fits = not scales or (len(scales) == 2 and scales[0] <= scales[1])
        require(fits, "data.augment.scale_jitter", "a smallest and a largest scale, or an empty list", scales)
        alone = not (scales and self.short_sides)
        require(alone, "data.augment.short_sides", "none with data.augment.scale_jitter", self.short_sides)


@dataclass(frozen=True)
class DataConfig:
    """Data set, input size, augmentation and loading."""

    root: str = key("", "Folder that holds the data set.")
    train: SplitConfig = key(SplitConfig, "Training split.")
    val: SplitConfig = key(SplitConfig, "Validation split.")
    test: SplitConfig = key(SplitConfig, "Split that only `mindrcnn eval --split test` reads.")
    classes: tuple[str, ...] = key(
        (), "Class names; label i+1 is classes[i]. Empty: the categories of the training annotations by ascending id."
    )
    ignore_other_categories: bool = key(
        False, "Ignore annotations of categories that are not in `classes` instead of raising an error."
    )
    skip_missing_images: bool = key(
        False, "Leave out images that are listed but absent, with a count in the log, instead of raising an error."
    )
    keep_empty_images: bool = key(False, "Use images without objects for training, as negatives.")
    buckets: tuple[tuple[int, int], ...] = key(
        ((800, 1344), (1344, 800)),
        "Input sizes (height, width); each image uses the one that fits its aspect ratio best. Inside, the network's "
        "input is padded to multiples of 32.",
        low=32,
        high=16384,
    )
    short_side: int = key(
        800, "Target length of the short side in pixels; the bucket limits the long side.", low=32, high=16384
    )
    keep_ratio: bool = key(
        True, "Images keep their ratio of sides; false stretches them to fill their bucket, whatever short_side says."
    )
    repeat_thresh: float = key(
        0.0,
        "Share of the training images below which a class is rare: an image of a class with the share f is used "
        "sqrt(repeat_thresh / f) times an epoch (LVIS: 0.001); 0 uses every image once.",
        low=0,
        high=1,
    )
    max_objects: int = key(128, "Ground-truth slots per image (G).", low=1, high=10000)
    mask_side: int = key(112, "Side of the stored masks, each in the frame of its box (R).", low=14, high=512)
    augment: AugmentConfig = key(AugmentConfig, "Training-time augmentation.")
    mindrecord_dir: str = key(
        "",
        "Folder for MindRecord files of the training split, made at the first training and read by the next ones; "
        "empty: images are read as they are.",
    )
    max_megapixels: float = key(
        MAX_PIXELS / 1e6,
        "Largest image that is read, in millions of pixels; decoding takes 7 bytes for each, in every loader thread.",
        low=1,
        high=4000,
    )
    workers: int = key(2, "Number of loader threads; 0 loads in the training thread.", low=0, high=64)
    prefetch: int = key(4, "Number of batches prepared in advance.", low=1, high=1024)

    def __post_init__(self) -> None:
        require(bool(self.buckets), "data.buckets", "at least one (height, width)", self.buckets)
        if not self.keep_ratio:
            short_sides = self.augment.short_sides
            require(not short_sides, "data.augment.short_sides", "none with data.keep_ratio=false", short_sides)
            scales = self.augment.scale_jitter
            require(not scales, "data.augment.scale_jitter", "none with data.keep_ratio=false", scales)
        for name, split in (("train", self.train), ("val", self.val), ("test", self.test)):
            wanted = find_format(split.format).needs_annotations
            given = not wanted or bool(split.annotations)
            require(given, f"data.{name}.annotations", f"{wanted} with format {split.format}", split.annotations)
        repeated = sorted({name for name in self.classes if self.classes.count(name) > 1})
        require(not repeated, "data.classes", "names without repeats", repeated)

    @property
    def input_sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of the network's inputs, one for each bucket."""
        return tuple(padded_size(bucket) for bucket in self.buckets)
