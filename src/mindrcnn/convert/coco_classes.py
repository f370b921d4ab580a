"""COCO's 80 categories and their ids, which have gaps between 1 and 90 (https://cocodataset.org)."""

_NAMES = """person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|stop sign
parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack|umbrella|handbag|tie|suitcase
frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove|skateboard|surfboard|tennis racket|bottle
wine glass|cup|fork|knife|spoon|bowl|banana|apple|sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|chair|couch
potted plant|bed|dining table|toilet|tv|laptop|mouse|remote|keyboard|cell phone|microwave|oven|toaster|sink
refrigerator|book|clock|vase|scissors|teddy bear|hair drier|toothbrush"""
COCO_CLASSES = tuple(name for line in _NAMES.splitlines() for name in line.split("|"))
LARGEST_ID = 90
UNUSED_IDS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
COCO_IDS = tuple(number for number in range(1, LARGEST_ID + 1) if number not in UNUSED_IDS)
COCO_ID_OF = dict(zip(COCO_CLASSES, COCO_IDS, strict=True))
# For a head whose outputs are category ids, such as torchvision's.
NAMES_BY_ID = tuple(
    COCO_CLASSES[COCO_IDS.index(number)] if number in COCO_IDS else f"unused_{number}"
    for number in range(1, LARGEST_ID + 1)
)
