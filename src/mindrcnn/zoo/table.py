"""The table of the model zoo's keys, the search for one, and the table as a page shows it."""

from mindrcnn.zoo.benchmark_keys import BENCHMARK_KEYS
from mindrcnn.zoo.flat_keys import FLAT_KEYS
from mindrcnn.zoo.key import ZooKey
from mindrcnn.zoo.nested_keys import NESTED_KEYS
from mindrcnn.zoo.shared_keys import SHARED_KEYS

GROUPS: dict[str, tuple[ZooKey, ...]] = {
    "In all files": SHARED_KEYS,
    "Flat files: Faster R-CNN, Mask R-CNN, PointRend": FLAT_KEYS,
    "Nested files: Mask Scoring R-CNN": NESTED_KEYS,
    "Files of maskrcnn-benchmark: Mask R-CNN ResNet-101": BENCHMARK_KEYS,
}
KEYS: dict[str, ZooKey] = {key.name: key for group in GROUPS.values() for key in group}


def find_key(name: str) -> ZooKey | None:
    """Returns the row of a dotted key, in capitals too, or None."""
    return KEYS.get(name) or KEYS.get(name.lower())


def keys_of_section(name: str) -> list[ZooKey]:
    """Returns the rows in a section, such as `roi_layer`, that have a counterpart."""
    return [key for key in KEYS.values() if key.ours and key.name.startswith(f"{name}.")]


def render_table() -> str:
    """Returns the table in Markdown, a part for each kind of file."""
    parts = []
    for title, group in GROUPS.items():
        rows = "".join(f"| `{key.name}` | {_counterpart(key)} | {key.remark} |\n" for key in group)
        parts.append(f"### {title}\n\n| Model zoo | Here | Remark |\n|---|---|---|\n{rows}")
    return "\n".join(parts)


def _counterpart(key: ZooKey) -> str:
    return ", ".join(f"`{name}`" for name in key.ours) or "-"
