import csv
from array import array

import numpy as np

from mindrcnn.data.formats.format import DataFormat
from mindrcnn.data.image_io import read_size
from mindrcnn.data.masks import Polygons
from mindrcnn.data.record import Dataset, Record
from mindrcnn.errors import InputError


class CsvFormat(DataFormat):
    """Rows `image,class,polygon`, with a polygon x y x y ... in pixels."""

    name = "csv"
    has_masks = True

    def read(self, files, *, classes, ignore_other_categories):
        objects = {}
        with files.annotations.open(newline="") as file:
            for line, row in enumerate(csv.DictReader(file), start=2):
                if row["class"] not in classes:
                    raise InputError(f"{files.annotations}, line {line}: wanted a class, got {row['class']}")
                polygon = array("f", map(float, row["polygon"].split()))
                objects.setdefault(row["image"], []).append((classes.index(row["class"]) + 1, polygon))
        records = [_record(index, files.images / name, objects[name]) for index, name in enumerate(objects)]
        ids = tuple(range(1, len(classes) + 1))
        return Dataset(records, tuple(classes), ids, annotation_file=files.annotations, without_mask=())


def _record(image_id, path, objects):
    height, width = read_size(path)
    labels, polygons = zip(*objects, strict=True)
    corners = [np.array(polygon).reshape(-1, 2) for polygon in polygons]
    boxes = np.array([[*points.min(axis=0), *points.max(axis=0)] for points in corners], np.float32)
    crowd = np.zeros(len(labels), bool)
    masks = [Polygons((polygon,)) for polygon in polygons]
    return Record(image_id, path, height, width, boxes, np.array(labels, np.int32), crowd, masks)
