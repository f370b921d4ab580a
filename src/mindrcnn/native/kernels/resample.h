// Maps upsampled by two with nearest neighbour, and halved. Semantics: native_add_upsampled and native_every_second in
// src/mindrcnn/native/resample.py.
#ifndef MINDRCNN_NATIVE_RESAMPLE_H_
#define MINDRCNN_NATIVE_RESAMPLE_H_

#include <cstdint>

namespace mindrcnn {

// fine, sum: (planes, 2 * height, 2 * width).
// coarse: (planes, height, width).
void add_upsampled(int64_t planes, int64_t height, int64_t width, const float* fine, const float* coarse, float* sum);

// Computes the gradient of `coarse` from that of the sum.
void sum_of_four(int64_t planes, int64_t height, int64_t width, const float* fine, float* coarse);

// Copies every second pixel of every second row.
// x: (planes, height, width).
// y: (planes, height / 2, width / 2), sides rounded up.
void every_second(int64_t planes, int64_t height, int64_t width, const float* x, float* y);

// Computes the gradient of x from that of y.
void spread(int64_t planes, int64_t height, int64_t width, const float* y, float* x);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_RESAMPLE_H_
