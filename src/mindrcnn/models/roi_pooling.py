"""Fixed-size features of boxes (He et al., Mask R-CNN, 2017, RoIAlign; Lin et al., FPN, 2017, equation 1)."""

from mindspore import Tensor, nn

from mindrcnn.ops.roi_align import roi_align

POOLED_STRIDES = (4, 8, 16, 32)  # P2..P5; P6 serves proposals only


class RoiPooler(nn.Cell):
    """ROIAlign of one output size over the pyramid levels P2..P5, sampling_ratio squared points a bin; with ADAPTIVE as
    many as it has feature cells."""

    def __init__(self, *, resolution: int, sampling_ratio: int, aligned: bool) -> None:
        super().__init__()
        self.resolution = resolution
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def construct(self, features: tuple[Tensor, ...], boxes: Tensor, valid: Tensor) -> Tensor:
        """features P2..P6 (B,C,h,w each); boxes B,S,4 input pixels; valid B,S. Returns B*S,C,resolution,resolution."""
        return roi_align(
            features[:4],
            POOLED_STRIDES,
            boxes,
            valid,
            resolution=self.resolution,
            sampling_ratio=self.sampling_ratio,
            aligned=self.aligned,
        )
