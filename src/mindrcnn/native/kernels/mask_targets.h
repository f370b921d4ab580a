// Mask targets cropped from box-relative masks. Semantics: src/mindrcnn/ops/mask_targets.py.
#ifndef MINDRCNN_NATIVE_MASK_TARGETS_H_
#define MINDRCNN_NATIVE_MASK_TARGETS_H_

#include <cstdint>

namespace mindrcnn {

struct CropProblem {
  int64_t images;
  int64_t objects;  // slots per image
  int64_t stored;   // side of the stored masks
  int64_t samples;  // per image
  int64_t side;     // side of the targets
};

// gt_masks: (images, objects, stored, stored), 0 or 1.
// gt_boxes: (images, objects, 4).
// matched_gt: (images, samples); the target of a sample whose object does not exist is empty.
// boxes: (images, samples, 4).
// targets: (images, samples, side, side), fully written.
void crop_masks(const CropProblem& problem, const uint8_t* gt_masks, const float* gt_boxes, const int32_t* matched_gt,
                const float* boxes, float* targets);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_MASK_TARGETS_H_
