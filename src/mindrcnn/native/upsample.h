// Adding maps enlarged twice by nearest neighbour. Semantics: src/mindrcnn/ops/upsample.py.
#ifndef MINDRCNN_NATIVE_UPSAMPLE_H_
#define MINDRCNN_NATIVE_UPSAMPLE_H_

#include <cstdint>

namespace mindrcnn {

// fine and sum: planes x 2 height x 2 width; coarse: planes x height x width.
void add_upsampled(int64_t planes, int64_t height, int64_t width, const float* fine, const float* coarse, float* sum);

// The gradient of `coarse` from that of the sum.
void sum_of_four(int64_t planes, int64_t height, int64_t width, const float* fine, float* coarse);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_UPSAMPLE_H_
