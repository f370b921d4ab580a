// Maps enlarged twice by nearest neighbour, and halved. Semantics: native_add_upsampled and native_every_second of
// src/mindrcnn/native/resample.py.
#ifndef MINDRCNN_NATIVE_SAMPLING_H_
#define MINDRCNN_NATIVE_SAMPLING_H_

#include <cstdint>

namespace mindrcnn {

// fine and sum: planes x 2 height x 2 width; coarse: planes x height x width.
void add_upsampled(int64_t planes, int64_t height, int64_t width, const float* fine, const float* coarse, float* sum);

// The gradient of `coarse` from that of the sum.
void sum_of_four(int64_t planes, int64_t height, int64_t width, const float* fine, float* coarse);

// Every second pixel of every second row: x is planes x height x width, y planes x (height / 2) x (width / 2), rounded up.
void every_second(int64_t planes, int64_t height, int64_t width, const float* x, float* y);

// The gradient of x from that of y.
void spread(int64_t planes, int64_t height, int64_t width, const float* y, float* x);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_SAMPLING_H_
