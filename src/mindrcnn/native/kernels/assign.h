// Assignment of anchors or proposals to objects. Semantics: src/mindrcnn/ops/assignment.py.
#ifndef MINDRCNN_NATIVE_ASSIGN_H_
#define MINDRCNN_NATIVE_ASSIGN_H_

#include <cstdint>

namespace mindrcnn {

enum class LowQuality { kOff = 0, kKeep = 1, kOverwrite = 2 };

struct AssignProblem {
  int64_t images;
  int64_t objects;     // slots per image
  int64_t candidates;  // per image
  bool shared_candidates;
  float fg_thresh;
  float bg_thresh;
  LowQuality low_quality;
  float low_quality_min_iou;
  float crowd_overlap;
};

// boxes: (candidates, 4) if all images share them, else (images, candidates, 4).
// gt_boxes: (images, objects, 4).
// gt_valid, gt_crowd: (images, objects).
// matched_gt, state: (images, candidates), fully written.
void assign(const AssignProblem& problem, const float* boxes, const float* gt_boxes, const uint8_t* gt_valid,
            const uint8_t* gt_crowd, int32_t* matched_gt, int32_t* state);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_ASSIGN_H_
