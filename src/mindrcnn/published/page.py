"""The table of published checkpoints as text, as JSON and as the page docs/models.md."""

import fnmatch
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from mindrcnn.published.table import TABLE, PublishedModel, published_models, read_table

_COLUMNS = ("name", "box AP", "mask AP", "MB", "checksum", "licence")
_HEAD = """\
# Published models by name

A name of the table stands wherever a checkpoint does. The file is downloaded once, checked, converted and kept.

```bash
mindrcnn models                                            # this table; --json has the addresses too
mindrcnn models 'torchvision/*' mask                       # names that match a pattern, and contain a word
mindrcnn infer torchvision/mask_rcnn_r50_fpn photo.jpg
mindrcnn eval detectron2/mask_rcnn_r50_fpn_3x data.root=/path/to/coco
mindrcnn export mmdet/faster_rcnn_r50_fpn_1x --format onnx
mindrcnn train my.yaml train.init_checkpoint=detectron2/mask_rcnn_r50_fpn_3x
mindrcnn train my.yaml model.backbone.weights=torchvision/resnet50_v2
mindrcnn convert mmdet/ms_rcnn_r50_caffe_fpn_1x ms_rcnn.ckpt   # a checkpoint to keep elsewhere
```

```python
detector = mindrcnn.load("torchvision/mask_rcnn_r50_fpn")
```

A file or folder of the same name takes precedence. `mindrcnn eval NAME` writes into `evaluated/NAME` and `mindrcnn
export NAME` into the working folder unless `--out` is given. torch is not needed.

**The published AP has not been measured by this project.** The machines that it is developed on reach none of these
addresses: downloads and conversions are tested with files of the same names and layouts on a local server, and that
imported weights give the numbers of their library is shown in [parity.md](parity.md) with weights that anyone can
rebuild. `mindrcnn reproduce` measures the AP for whoever has COCO val2017:

```bash
mindrcnn reproduce torchvision/mask_rcnn_r50_fpn data.root=/path/to/coco
mindrcnn reproduce --all data.root=/path/to/coco           # every detector with a published AP
```

Each model becomes one line of JSON in `reproduced/results.jsonl`, with the measured and published AP, the versions and
the device. A model passes if box and mask AP differ by at most 0.1. The exit status is 1 if one fails.

## Where files are kept

Downloads lie in `weights/` of the cache, converted checkpoints in `models/`. The cache is `$MINDRCNN_CACHE`, else
`$XDG_CACHE_HOME/mindrcnn`, else `~/.cache/mindrcnn`. Anything in it may be deleted.

A download that breaks off is resumed where the server allows it; several processes that want the same file wait for
the one that fetches it. Proxies are read from `https_proxy`, `http_proxy` and `no_proxy`. Without a network the message
names the address, and the file to put in its place by hand. Checksums are those that the sources publish: SHA-256, or
for detectron2 six digits of MD5, which tell a broken file and no more.

## Models of your own

`MINDRCNN_MODELS=FILE` adds the rows of another table, in the form of
[models.yaml](../src/mindrcnn/published/models.yaml): a team's models, or a mirror of these. A row whose name this table
has too takes its place.

```yaml
models:
  detectron2/shells:                # LIBRARY says how the file is converted, as in `mindrcnn convert --from LIBRARY`
    url: https://example.com/shells.pkl
    digest: sha256:0123456789abcdef
    read: our own
```

## Sources

"-" means that the source does not say. AP is that on COCO val2017, as published, in percent. Sizes are published by
torchvision alone.

detectron2's MODEL_ZOO.md has Faster and Mask R-CNN with ResNet-101 and a pyramid for the 3x schedule alone, and says
that 1x is provided for some ResNet-50 models. The list in projects/PointRend/README.md has R50 1x and 3x, and R101 3x.
So there are no rows for R101 1x.

"""


def select(patterns: Sequence[str], kind: str = "") -> list[PublishedModel]:
    """Returns the rows whose names contain each word, or match it where it has wildcards; `kind` "" is both kinds."""
    rows = [row for row in published_models().values() if not kind or row.kind == kind]
    return [row for row in rows if all(_matches(row.name, pattern) for pattern in patterns)]


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern if set(pattern) & set("*?[") else f"*{pattern}*")


def render_text(rows: Iterable[PublishedModel]) -> str:
    """Returns the rows as a table of aligned columns."""
    cells = [_COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)
    return "\n".join(lines) + "\n"


def render_json(rows: Iterable[PublishedModel]) -> str:
    """Returns the rows as a JSON list of objects."""
    return json.dumps([asdict(row) for row in rows], indent=1) + "\n"


def render_page() -> str:
    """Returns docs/models.md."""
    parts = [_HEAD]
    rows = list(read_table(TABLE).values())
    for library in dict.fromkeys(row.library for row in rows):
        parts.append(f"### {library}\n\n| Name | Box AP | Mask AP | MB | Checksum | Licence | Read in |\n")
        parts.append("|---|---|---|---|---|---|---|\n")
        for row in (row for row in rows if row.library == library):
            name, *cells = _cells(row)
            note = f"; {row.note}" if row.note else ""
            parts.append(f"| [`{name}`]({row.url}) | {' | '.join(cells)} | {row.read}{note} |\n")
        parts.append("\n")
    return "".join(parts).rstrip("\n") + "\n"


def _cells(row: PublishedModel) -> tuple[str, ...]:
    numbers = ("-" if value is None else f"{value:.1f}" for value in (row.box_ap, row.mask_ap, row.size_mb))
    algorithm, _, digits = row.digest.partition(":")
    return (row.name, *numbers, f"{algorithm} {digits[:8]}" if digits else "-", row.licence or "-")
