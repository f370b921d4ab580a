// 3x3 weights as the products of Winograd's F(4x4, 3x3) read them.
#ifndef MINDRCNN_NATIVE_WINOGRAD_WEIGHTS_H_
#define MINDRCNN_NATIVE_WINOGRAD_WEIGHTS_H_

#include <cstdint>

namespace mindrcnn {

// A weight, read as it is or as the convolution that turns the gradient of y into that of x.
struct WeightView {
  const float* values;
  const float* scale;
  int64_t rows;     // channels that come out
  int64_t columns;  // input channels
  bool transposed;
};

// Fills points[p][(row - first) / kRows][column][row % kRows], the order in which products read them, for `count` rows,
// a multiple of kLanes and of kRows; points lie point_step apart.
void transform_weights(const WeightView& weight, int64_t first, int64_t count, int64_t point_step, float* points);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_WINOGRAD_WEIGHTS_H_
