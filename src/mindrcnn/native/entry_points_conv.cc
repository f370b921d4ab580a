// The convolutions, and what enlarges and halves maps, as MindSpore calls them; form and settings as in entry_points.cc.
#include <cstdint>
#include <stdexcept>

#include "arguments.h"
#include "conv1x1.h"
#include "conv3x3.h"
#include "sampling.h"

namespace {

using mindrcnn::Arguments;
using mindrcnn::guarded;

constexpr int64_t kSide = 3;

void require_multiples(int64_t in_channels, int64_t in_step, int64_t out_channels, int64_t out_step) {
  if (in_channels % in_step != 0 || out_channels % out_step != 0) throw std::invalid_argument("channels");
}

// `x` and `y` are indices of tensors that have the shapes of input and output; settings: relu (0 or 1).
mindrcnn::ConvProblem conv_problem(const Arguments& arguments, int x, int y, int valid, int settings) {
  const int64_t* in = arguments.shape(x, 4);
  const int64_t out_channels = arguments.shape(y, 4)[1];
  require_multiples(in[1], mindrcnn::kChannelStep, out_channels, mindrcnn::kChannelStep);
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

mindrcnn::PointwiseProblem pointwise_problem(const Arguments& arguments, int x, int y, int valid, int settings) {
  const int64_t* in = arguments.shape(x, 4);
  const int64_t out_channels = arguments.shape(y, 4)[1];
  require_multiples(in[1], mindrcnn::kInStep, out_channels, mindrcnn::kOutStep);
  const bool relu = *arguments.floats(settings, {1}) != 0;
  return {in[0], in[1], out_channels, in[2] * in[3], relu, arguments.bools(valid, {in[0]})};
}

// A map of the problem's height and width, which the tensor at `like` has too.
float* maps_of(const Arguments& arguments, int index, int64_t channels, int like) {
  const int64_t* shape = arguments.shape(like, 4);
  return arguments.floats(index, {shape[0], channels, shape[2], shape[3]});
}

float* weights_of(const Arguments& arguments, int index, const mindrcnn::PointwiseProblem& problem) {
  return arguments.floats(index, {problem.out_channels, problem.in_channels, 1, 1});
}

}  // namespace

// Inputs: x B,C,H,W; weight K,C,3,3; scale, bias K; valid B; settings. Output: y B,K,H,W.
MINDRCNN_KERNEL(conv3x3_forward) {
  return guarded([&] {
    const Arguments arguments(7, count, data, ranks, shapes, dtypes);
    const mindrcnn::ConvProblem problem = conv_problem(arguments, 0, 6, 4, 5);
    mindrcnn::conv3x3_forward(problem, inputs_of(arguments, 0, problem), weights_of(arguments, 1, problem),
                              arguments.floats(2, {problem.out_channels}), arguments.floats(3, {problem.out_channels}),
                              outputs_of(arguments, 6, problem));
  });
}

// Inputs: gradient of y; y; weight; scale; valid; settings. Output: gradient of x.
MINDRCNN_KERNEL(conv3x3_input_gradient) {
  return guarded([&] {
    const Arguments arguments(7, count, data, ranks, shapes, dtypes);
    const mindrcnn::ConvProblem problem = conv_problem(arguments, 6, 0, 4, 5);
    mindrcnn::conv3x3_input_gradient(problem, outputs_of(arguments, 0, problem), outputs_of(arguments, 1, problem),
                                     weights_of(arguments, 2, problem), arguments.floats(3, {problem.out_channels}),
                                     inputs_of(arguments, 6, problem));
  });
}

// Inputs: x; gradient of y; y; scale; valid; settings. Outputs: gradients of weight and bias.
MINDRCNN_KERNEL(conv3x3_weight_gradient) {
  return guarded([&] {
    const Arguments arguments(8, count, data, ranks, shapes, dtypes);
    const mindrcnn::ConvProblem problem = conv_problem(arguments, 0, 1, 4, 5);
    mindrcnn::conv3x3_weight_gradient(problem, inputs_of(arguments, 0, problem), outputs_of(arguments, 1, problem),
                                      outputs_of(arguments, 2, problem), arguments.floats(3, {problem.out_channels}),
                                      weights_of(arguments, 6, problem), arguments.floats(7, {problem.out_channels}));
  });
}

// Inputs: x B,C,H,W; weight K,C,1,1; scale, bias K; valid B; settings. Output: y B,K,H,W.
MINDRCNN_KERNEL(conv1x1_forward) {
  return guarded([&] {
    const Arguments arguments(7, count, data, ranks, shapes, dtypes);
    const mindrcnn::PointwiseProblem problem = pointwise_problem(arguments, 0, 6, 4, 5);
    mindrcnn::conv1x1_forward(problem, maps_of(arguments, 0, problem.in_channels, 0),
                              weights_of(arguments, 1, problem), arguments.floats(2, {problem.out_channels}),
                              arguments.floats(3, {problem.out_channels}), nullptr,
                              maps_of(arguments, 6, problem.out_channels, 0));
  });
}

// As conv1x1_forward, with the summand, of the shape of y, behind the bias.
MINDRCNN_KERNEL(conv1x1_add_forward) {
  return guarded([&] {
    const Arguments arguments(8, count, data, ranks, shapes, dtypes);
    const mindrcnn::PointwiseProblem problem = pointwise_problem(arguments, 0, 7, 5, 6);
    mindrcnn::conv1x1_forward(problem, maps_of(arguments, 0, problem.in_channels, 0),
                              weights_of(arguments, 1, problem), arguments.floats(2, {problem.out_channels}),
                              arguments.floats(3, {problem.out_channels}),
                              maps_of(arguments, 4, problem.out_channels, 0),
                              maps_of(arguments, 7, problem.out_channels, 0));
  });
}

// Inputs: gradient of y; y; weight; scale; valid; settings. Output: gradient of x.
MINDRCNN_KERNEL(conv1x1_input_gradient) {
  return guarded([&] {
    const Arguments arguments(7, count, data, ranks, shapes, dtypes);
    const mindrcnn::PointwiseProblem problem = pointwise_problem(arguments, 6, 0, 4, 5);
    mindrcnn::conv1x1_input_gradient(problem, maps_of(arguments, 0, problem.out_channels, 6),
                                     maps_of(arguments, 1, problem.out_channels, 6), weights_of(arguments, 2, problem),
                                     arguments.floats(3, {problem.out_channels}),
                                     maps_of(arguments, 6, problem.in_channels, 6));
  });
}

// Inputs: x; gradient of y; y; scale; valid; settings. Outputs: gradients of weight and bias.
MINDRCNN_KERNEL(conv1x1_weight_gradient) {
  return guarded([&] {
    const Arguments arguments(8, count, data, ranks, shapes, dtypes);
    const mindrcnn::PointwiseProblem problem = pointwise_problem(arguments, 0, 1, 4, 5);
    mindrcnn::conv1x1_weight_gradient(problem, maps_of(arguments, 0, problem.in_channels, 0),
                                      maps_of(arguments, 1, problem.out_channels, 0),
                                      maps_of(arguments, 2, problem.out_channels, 0),
                                      arguments.floats(3, {problem.out_channels}), weights_of(arguments, 6, problem),
                                      arguments.floats(7, {problem.out_channels}));
  });
}

// Inputs: fine B,C,2H,2W; coarse B,C,H,W. Output: their sum, of the shape of fine.
MINDRCNN_KERNEL(add_upsampled) {
  return guarded([&] {
    const Arguments arguments(3, count, data, ranks, shapes, dtypes);
    const int64_t* shape = arguments.shape(1, 4);
    const int64_t height = shape[2], width = shape[3];
    mindrcnn::add_upsampled(shape[0] * shape[1], height, width,
                            arguments.floats(0, {shape[0], shape[1], 2 * height, 2 * width}),
                            arguments.floats(1, {shape[0], shape[1], height, width}),
                            arguments.floats(2, {shape[0], shape[1], 2 * height, 2 * width}));
  });
}

// Input: gradient of the sum. Output: gradient of coarse.
MINDRCNN_KERNEL(sum_of_four) {
  return guarded([&] {
    const Arguments arguments(2, count, data, ranks, shapes, dtypes);
    const int64_t* shape = arguments.shape(1, 4);
    const int64_t height = shape[2], width = shape[3];
    mindrcnn::sum_of_four(shape[0] * shape[1], height, width,
                          arguments.floats(0, {shape[0], shape[1], 2 * height, 2 * width}),
                          arguments.floats(1, {shape[0], shape[1], height, width}));
  });
}

// Input: x B,C,H,W. Output: y B,C,H/2,W/2, sides rounded up.
MINDRCNN_KERNEL(every_second) {
  return guarded([&] {
    const Arguments arguments(2, count, data, ranks, shapes, dtypes);
    const int64_t* shape = arguments.shape(0, 4);
    const int64_t height = shape[2], width = shape[3];
    mindrcnn::every_second(shape[0] * shape[1], height, width,
                           arguments.floats(0, {shape[0], shape[1], height, width}),
                           arguments.floats(1, {shape[0], shape[1], (height + 1) / 2, (width + 1) / 2}));
  });
}

// Input: gradient of y. Output: gradient of x.
MINDRCNN_KERNEL(spread) {
  return guarded([&] {
    const Arguments arguments(2, count, data, ranks, shapes, dtypes);
    const int64_t* shape = arguments.shape(1, 4);
    const int64_t height = shape[2], width = shape[3];
    mindrcnn::spread(shape[0] * shape[1], height, width,
                     arguments.floats(0, {shape[0], shape[1], (height + 1) / 2, (width + 1) / 2}),
                     arguments.floats(1, {shape[0], shape[1], height, width}));
  });
}
