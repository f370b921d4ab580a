// Assignment of anchors or proposals to objects. Semantics: src/mindrcnn/ops/assignment.py.
#ifndef MINDRCNN_NATIVE_ASSIGN_H_
#define MINDRCNN_NATIVE_ASSIGN_H_

#include <cstdint>

namespace mindrcnn {

enum class LowQuality { kOff = 0, kKeep = 1, kOverwrite = 2 };

struct AssignProblem {
  int64_t images;
  int64_t objects;     // slots of an image
  int64_t candidates;  // of an image
  bool shared_candidates;
  float fg_thresh;
  float bg_thresh;
  LowQuality low_quality;
  float low_quality_min_iou;
  float crowd_overlap;
};

// boxes: candidates x 4 where they are shared, else images x candidates x 4; gt_boxes: images x objects x 4; gt_valid,
// gt_crowd: images x objects; matched_gt, state: images x candidates, all of which is written.
void assign(const AssignProblem& problem, const float* boxes, const float* gt_boxes, const uint8_t* gt_valid,
            const uint8_t* gt_crowd, int32_t* matched_gt, int32_t* state);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_ASSIGN_H_
