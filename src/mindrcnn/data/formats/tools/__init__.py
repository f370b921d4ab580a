"""The files of annotation tools as data formats, each written as COCO JSON and read as such."""
