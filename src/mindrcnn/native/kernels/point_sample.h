// Bilinear samples of maps at points, forward and backward. Semantics: src/mindrcnn/ops/point_sample.py.
#ifndef MINDRCNN_NATIVE_POINT_SAMPLE_H_
#define MINDRCNN_NATIVE_POINT_SAMPLE_H_

#include <cstdint>

namespace mindrcnn {

struct PointSampleProblem {
  int64_t maps;
  int64_t channels;
  int64_t height;
  int64_t width;
  int64_t rows;    // rows of points, each in one map
  int64_t points;  // points per row
};

// maps: (maps, channels, height, width), float or uint8_t.
// map_index: (rows,); the samples of a row whose map does not exist are zeros.
// points: (rows, points, 2).
// samples: (rows, points, channels), fully written.
template <typename Value>
void point_sample_forward(const PointSampleProblem& problem, const Value* maps, const int32_t* map_index,
                          const float* points, float* samples);

// Computes the gradient of the maps, fully written, from that of the samples.
void point_sample_backward(const PointSampleProblem& problem, const float* sample_gradient, const int32_t* map_index,
                           const float* points, float* gradient);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_POINT_SAMPLE_H_
