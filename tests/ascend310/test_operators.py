"""Every operator of an exported detector has an adapter for an Ascend.

The tests of whole exports check the same of complete files.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindir_operators import ADAPTED, require_adapted
from mindspore import Tensor, nn

from mindrcnn.models.layers import ConvNorm
from mindrcnn.models.slot_selection import all_slots, gather_slots, scatter_slots
from mindrcnn.native.switch import portable_only
from mindrcnn.ops.boxes import clip
from mindrcnn.ops.coder import decode
from mindrcnn.ops.gather import take_class
from mindrcnn.ops.nms import nms_per_class
from mindrcnn.ops.point_sample import point_sample
from mindrcnn.ops.roi_align import roi_align
from mindrcnn.ops.subdivision import cell_centres, doubled, uncertain_cells, write_cells

LIBRARIES = Path(ms.__file__).parent / "lib" / "plugin" / "ascend"
WITHOUT_ADAPTER = ("ClampScalar", "RemainderTensorScalar", "Max", "Min", "SumExt")


@pytest.mark.skipif(not LIBRARIES.is_dir(), reason="this MindSpore has no Ascend libraries")
def test_the_list_is_that_of_the_libraries() -> None:
    """An adapter is registered by its operator's name, a whole string or a symbol of the library."""
    names = ("libmindspore_graph_ir.so", "libmindspore_ascend_res_manager.so")
    contents = [(LIBRARIES / name).read_bytes() for name in names]

    def has_adapter(name: str) -> bool:
        return any(
            form in content for content in contents for form in (f"\0{name}\0".encode(), f"kPrim{name}E".encode())
        )

    assert [name for name in ADAPTED if not has_adapter(name)] == []
    assert [name for name in WITHOUT_ADAPTER if has_adapter(name)] == []


def pool(ratio: int) -> Callable[..., Tensor]:
    def pool_all(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
        features, strides = (p2, p3, p4, p5), (4, 8, 16, 32)
        return roi_align(features, strides, boxes, valid, resolution=2, sampling_ratio=ratio, aligned=True)

    return pool_all


def write_uncertain(masks: Tensor) -> Tensor:
    masks = doubled(masks)
    cells = uncertain_cells(masks, 3)
    return write_cells(masks, cells, point_sample(masks.expand_dims(1), cell_centres(cells, 8))[..., 0])


def decode_plain(deltas: Tensor, boxes: Tensor) -> Tensor:
    return decode(deltas, boxes, (1.0, 1.0, 1.0, 1.0))


def suppress(boxes: Tensor, scores: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
    return nms_per_class(boxes, scores, labels, valid, 0.5)


def move_slots(values: Tensor, valid: Tensor) -> Tensor:
    slots = all_slots(valid)
    return scatter_slots(gather_slots(values, slots), slots, valid)


def array(*shape: int, dtype: Any = np.float32) -> Tensor:
    return Tensor(np.ones(shape, dtype))


PYRAMID = [array(1, 2, side, side) for side in (16, 8, 4, 2)]
PARTS: dict[str, tuple[Callable[..., Any], list[Tensor]]] = {
    "decode": (decode_plain, [array(1, 3, 4), array(1, 3, 4)]),
    "clip": (clip, [array(1, 3, 4), array(1, 2, dtype=np.int32)]),
    "suppression": (
        suppress,
        [array(2, 3, 4), array(2, 3), array(2, 3, dtype=np.int32), array(2, 3, dtype=np.bool_)],
    ),
    "classes": (take_class, [array(3, 5, 2), array(3, dtype=np.int32)]),
    "pooling, ratio 2": (pool(2), [*PYRAMID, array(1, 3, 4), array(1, 3, dtype=np.bool_)]),
    "pooling, ratio 0": (pool(0), [*PYRAMID, array(1, 3, 4), array(1, 3, dtype=np.bool_)]),
    "subdivision": (write_uncertain, [array(2, 4, 4)]),
    "slots": (move_slots, [array(1, 3, 2), array(1, 3, dtype=np.bool_)]),
    "frozen norm": (
        ConvNorm(in_channels=2, out_channels=4, kernel_size=1, norm="frozen", activation="relu"),
        [array(1, 2, 4, 4)],
    ),
}


class Part(nn.Cell):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def construct(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


@pytest.mark.parametrize("name", PARTS)
def test_parts(name: str, tmp_path: Path) -> None:
    function, inputs = PARTS[name]
    with portable_only():
        ms.export(Part(function), *inputs, file_name=str(tmp_path / "part"), file_format="MINDIR")
    require_adapted(tmp_path / "part.mindir")
