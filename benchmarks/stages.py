"""Names of the stages that both sides report, in the order they run."""

BACKBONE = "backbone and FPN"
RPN_HEAD = "RPN head"
PROPOSALS = "proposals"
SAMPLING = "matching and sampling"  # RPN loss included
ROI_ALIGN = "ROIAlign"  # of the box branch
BOX_HEAD = "box head"
DETECTIONS = "detections"
MASK_BRANCH = "mask branch"  # its ROIAlign, targets and loss included
PASTE = "paste"
OTHER = "other"
BACKWARD = "backward"
OPTIMIZER = "optimizer"

STAGES = (
    BACKBONE,
    RPN_HEAD,
    PROPOSALS,
    SAMPLING,
    ROI_ALIGN,
    BOX_HEAD,
    DETECTIONS,
    MASK_BRANCH,
    PASTE,
    OTHER,
    BACKWARD,
    OPTIMIZER,
)
