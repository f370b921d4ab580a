// ROIAlign over a feature pyramid, forward and backward. Semantics: src/mindrcnn/ops/roi_align.py.
#ifndef MINDRCNN_NATIVE_ROI_ALIGN_H_
#define MINDRCNN_NATIVE_ROI_ALIGN_H_

#include <cstdint>
#include <vector>

namespace mindrcnn {

struct Level {
  int64_t height;
  int64_t width;
  float stride;
};

struct RoiAlignProblem {
  std::vector<Level> levels;
  // Areas from which a box belongs to the next level; one fewer than the levels.
  std::vector<float> level_edges;
  int64_t images;
  int64_t slots;  // boxes per image
  int64_t channels;
  int resolution;
  int sampling_ratio;  // 0: as many points as a bin has feature cells
  bool aligned;
};

// features[level]: (images, channels, height, width).
// boxes: (images, slots, 4).
// valid: (images, slots).
// pooled: (images * slots, channels, resolution, resolution), fully written.
void roi_align_forward(const RoiAlignProblem& problem, const std::vector<const float*>& features, const float* boxes,
                       const uint8_t* valid, float* pooled);

// Computes the gradient of the features, fully written, from that of the pooled values.
void roi_align_backward(const RoiAlignProblem& problem, const float* pooled_gradient, const float* boxes,
                        const uint8_t* valid, const std::vector<float*>& gradients);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_ROI_ALIGN_H_
