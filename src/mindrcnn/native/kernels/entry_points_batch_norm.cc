// Batch norm as MindSpore calls it; form and settings as in entry_points.cc.
#include <cstdint>

#include "arguments.h"
#include "batch_norm.h"

using mindrcnn::Arguments;
using mindrcnn::guarded;

namespace {

// x (B, C, H, W); settings: eps, momentum, ReLU (0 or 1), its upper limit.
mindrcnn::BatchNormProblem problem(const Arguments& arguments, int x, int settings) {
  const int64_t* shape = arguments.shape(x, 4);
  const float* numbers = arguments.floats(settings, {4});
  return {shape[0], shape[1], shape[2] * shape[3], numbers[0], numbers[1], numbers[3], numbers[2] != 0};
}

}  // namespace

// Inputs: x (B, C, H, W); gamma, beta, moving mean and variance (C,), of which the last two are updated in place;
// settings (4,). Outputs: y (B, C, H, W); the batch's mean and inverse standard deviation (C,).
MINDRCNN_KERNEL(batch_norm_forward) {
  return guarded([&] {
    const Arguments arguments(9, count, data, ranks, shapes, dtypes);
    const int64_t *x = arguments.shape(0, 4), c = x[1];
    mindrcnn::batch_norm_forward(
        problem(arguments, 0, 5), arguments.floats(0, {x[0], c, x[2], x[3]}), arguments.floats(1, {c}),
        arguments.floats(2, {c}), arguments.floats(3, {c}), arguments.floats(4, {c}),
        arguments.floats(6, {x[0], c, x[2], x[3]}), arguments.floats(7, {c}), arguments.floats(8, {c}));
  });
}

// Inputs: x and the gradient of y (B, C, H, W); gamma, beta, mean, inverse standard deviation (C,); settings (4,).
// Outputs: the gradients of x, gamma and beta.
MINDRCNN_KERNEL(batch_norm_backward) {
  return guarded([&] {
    const Arguments arguments(10, count, data, ranks, shapes, dtypes);
    const int64_t *x = arguments.shape(0, 4), c = x[1];
    mindrcnn::batch_norm_backward(
        problem(arguments, 0, 6), arguments.floats(0, {x[0], c, x[2], x[3]}),
        arguments.floats(1, {x[0], c, x[2], x[3]}), arguments.floats(2, {c}), arguments.floats(3, {c}),
        arguments.floats(4, {c}), arguments.floats(5, {c}), arguments.floats(7, {x[0], c, x[2], x[3]}),
        arguments.floats(8, {c}), arguments.floats(9, {c}));
  });
}
