"""The page that explains every configuration key, made from the schema in config/."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, get_origin

from mindrcnn.config.run import Config
from mindrcnn.config.schema import Key, describe_limits, describe_type, is_union, keys_of, sections_of, tagged_members

_INTRODUCTION = """\
# Configuration

This page is generated from `src/mindrcnn/config/` by `mindrcnn config-reference > docs/configuration.md`.

A run is described by one YAML file. Every key has a default, so a file holds only what differs from it:

```yaml
base: mask_rcnn_r50_fpn_1x_coco.yaml   # start from another file, beside this one or in the package
name: my_run
data:
  root: data/my_set
  train: {name: train}
  val: {name: val}
train:
  schedule: {length: 24, milestones: [16, 22]}
```

**Inheritance.** `base` is a path relative to the file that names it, or a list of paths; later ones win, and the file
itself wins over all of them. A base that does not exist there is looked up among the configurations that come with the
package (`configs/mask_rcnn_r50_fpn_1x_coco.yaml`, also without `configs/`). Bases can have bases. Mappings merge key by
key; all other values are replaced as a whole. A section whose `type` differs from the base's replaces the base's
section instead of merging with it.

**Other packages** can add backbones, mask branches and data formats, with keys of their own: see
[extending.md](extending.md).

**Command line.** Every program takes overrides `a.b=value`, with the value in YAML. They take precedence over the
files; if a key is given twice, the last value counts:

```
mindrcnn train configs/mask_rcnn_r50_fpn_1x_coco.yaml train.batch_size=4 'data.buckets=[[512, 512]]'
mindrcnn train configs/mask_rcnn_r50_fpn_1x_coco.yaml model.mask=null
```

**Values** are YAML 1.2: `true` and `false` are the only truth values (`off` and `no` are words), `1e-4` is a number, a
whole number is accepted as a number, and text that looks like a number needs quotes.

**Error messages** name the file and line (or the command line), the key, what was wanted and what was found; for an
unknown key they suggest the nearest valid one. Values derived from others (anchors per cell, feature sizes, steps per
epoch, the scaled learning rate) are computed and have no key.

**Resolved configuration.** Every run folder and every checkpoint contain the complete configuration that was used, so
a checkpoint works without its YAML file.
"""

_TABLE_HEAD = "| key | type | default | limits | meaning |\n|---|---|---|---|---|\n"


def render() -> str:
    """Returns the whole page."""
    sections = "".join(_section(Config, "", {}))
    return f"{_INTRODUCTION}\n{sections}".rstrip("\n") + "\n"


def _section(section: type, name: str, defaults: dict[str, Any], note: str = "") -> Iterator[str]:
    """Yields the table of a dataclass, then those of the dataclasses in it; `defaults` override those of the keys."""
    keys = [(key, defaults.get(key.name, key.default)) for key in keys_of(section)]
    rows = [_row(key, f"{name}.{key.name}" if name else key.name, default) for key, default in keys]
    heading = f"`{name}`{note}" if name else "Top level"
    yield f"## {heading}\n\n{' '.join((section.__doc__ or '').split())}\n\n{_TABLE_HEAD}{''.join(rows)}\n"
    for key, default in keys:
        inner = f"{name}.{key.name}" if name else key.name
        tags = {member: tag for tag, member in tagged_members(key.hint, key.tag).items()} if _is_tagged(key) else {}
        note = ", each entry" if get_origin(key.hint) is tuple else ""
        for member in sections_of(key.hint):
            inherited = vars(default) if isinstance(default, member) else {}
            yield from _section(member, inner, inherited, f" with `type: {tags[member]}`" if tags else note)


def _row(key: Key, dotted: str, default: Any) -> str:
    kind = "section" if sections_of(key.hint) == (key.hint,) else describe_type(key.hint)
    limits = describe_limits(key.low, key.high)
    limits = f"each {limits}" if limits and kind.startswith("list") else limits
    cells = (f"`{dotted}`", kind, _default(default), limits, " ".join(key.doc.split()))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _is_tagged(key: Key) -> bool:
    return is_union(key.hint)


def _default(value: Any) -> str:
    if is_dataclass(value):
        return "see below"
    if value == "":
        return "empty"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"
