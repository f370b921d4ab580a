"""A backbone, a mask branch and a data format of another package."""

from mindrcnn.extensions import register_backbone, register_format, register_mask_branch
from tiny_parts.backbone import TinyNet, TinyNetConfig
from tiny_parts.csv_format import CsvFormat
from tiny_parts.mask_head import PlainMaskBranch, PlainMaskConfig

register_backbone(TinyNetConfig, TinyNet)
register_mask_branch(PlainMaskConfig, PlainMaskBranch)
register_format(CsvFormat())
