// The convolution as MindSpore calls it; form and settings as in entry_points.cc.
#include <cstdint>
#include <stdexcept>

#include "arguments.h"
#include "conv3x3.h"

namespace {

using mindrcnn::Arguments;
using mindrcnn::guarded;

constexpr int64_t kSide = 3;

// `x` and `y` are indices of tensors that have the shapes of input and output; settings: relu (0 or 1).
mindrcnn::ConvProblem conv_problem(const Arguments& arguments, int x, int y, int valid, int settings) {
  const int64_t* in = arguments.shape(x, 4);
  const int64_t out_channels = arguments.shape(y, 4)[1];
  if (in[1] % mindrcnn::kChannelStep != 0 || out_channels % mindrcnn::kChannelStep != 0) {
    throw std::invalid_argument("channels");
  }
  const bool relu = *arguments.floats(settings, {1}) != 0;
  return {in[0], in[1], out_channels, in[2], in[3], relu, arguments.bools(valid, {in[0]})};
}

float* inputs_of(const Arguments& arguments, int index, const mindrcnn::ConvProblem& problem) {
  return arguments.floats(index, {problem.images, problem.in_channels, problem.height, problem.width});
}

float* outputs_of(const Arguments& arguments, int index, const mindrcnn::ConvProblem& problem) {
  return arguments.floats(index, {problem.images, problem.out_channels, problem.height, problem.width});
}

float* weights_of(const Arguments& arguments, int index, const mindrcnn::ConvProblem& problem) {
  return arguments.floats(index, {problem.out_channels, problem.in_channels, kSide, kSide});
}

}  // namespace

// Inputs: x B,C,H,W; weight K,C,3,3; bias K; valid B; settings. Output: y B,K,H,W.
MINDRCNN_KERNEL(conv3x3_forward) {
  return guarded([&] {
    const Arguments arguments(6, count, data, ranks, shapes, dtypes);
    const mindrcnn::ConvProblem problem = conv_problem(arguments, 0, 5, 3, 4);
    mindrcnn::conv3x3_forward(problem, inputs_of(arguments, 0, problem), weights_of(arguments, 1, problem),
                              arguments.floats(2, {problem.out_channels}), outputs_of(arguments, 5, problem));
  });
}

// Inputs: gradient of y; y; weight; valid; settings. Output: gradient of x.
MINDRCNN_KERNEL(conv3x3_input_gradient) {
  return guarded([&] {
    const Arguments arguments(6, count, data, ranks, shapes, dtypes);
    const mindrcnn::ConvProblem problem = conv_problem(arguments, 5, 0, 3, 4);
    mindrcnn::conv3x3_input_gradient(problem, outputs_of(arguments, 0, problem), outputs_of(arguments, 1, problem),
                                     weights_of(arguments, 2, problem), inputs_of(arguments, 5, problem));
  });
}

// Inputs: x; gradient of y; y; valid; settings. Outputs: gradients of weight and bias.
MINDRCNN_KERNEL(conv3x3_weight_gradient) {
  return guarded([&] {
    const Arguments arguments(7, count, data, ranks, shapes, dtypes);
    const mindrcnn::ConvProblem problem = conv_problem(arguments, 0, 1, 3, 4);
    mindrcnn::conv3x3_weight_gradient(problem, inputs_of(arguments, 0, problem), outputs_of(arguments, 1, problem),
                                      outputs_of(arguments, 2, problem), weights_of(arguments, 5, problem),
                                      arguments.floats(6, {problem.out_channels}));
  });
}
