// Mask targets cropped from box-relative masks. Semantics: src/mindrcnn/ops/mask_targets.py.
#ifndef MINDRCNN_NATIVE_MASK_TARGETS_H_
#define MINDRCNN_NATIVE_MASK_TARGETS_H_

#include <cstdint>

namespace mindrcnn {

struct CropProblem {
  int64_t images;
  int64_t objects;  // slots of an image
  int64_t stored;   // side of the masks
  int64_t samples;  // of an image
  int64_t side;     // of the targets
};

// gt_masks: images x objects x stored x stored, 0 or 1; gt_boxes: images x objects x 4; matched_gt: images x samples,
// and the target of a sample without such an object is empty; boxes: images x samples x 4; targets: images x samples x
// side x side, all of which is written.
void crop_masks(const CropProblem& problem, const uint8_t* gt_masks, const float* gt_boxes, const int32_t* matched_gt,
                const float* boxes, float* targets);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_MASK_TARGETS_H_
