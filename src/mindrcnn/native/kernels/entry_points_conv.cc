// Convolutions, upsampling and halving of maps as MindSpore calls them; form and settings as in entry_points.cc.
#include <cstdint>
#include <stdexcept>

#include "arguments.h"
#include "conv1x1.h"
#include "conv3x3.h"
#include "depthwise.h"
#include "resample.h"
#include "stem.h"

namespace {

using mindrcnn::Arguments;
using mindrcnn::ConvProblem;
using mindrcnn::guarded;

// The side of a convolution's weights, and the steps of which its channels are multiples.
struct Form {
  int64_t side, in_step, out_step;
};

constexpr Form k3x3{3, mindrcnn::kChannelStep, mindrcnn::kChannelStep};
constexpr Form k1x1{1, mindrcnn::kInStep, mindrcnn::kOutStep};

// The tensors of a convolution, whose positions differ from kernel to kernel.
class Tensors {
 public:
  // `x` and `y` are the positions of tensors with the shapes of input and output; settings: relu (0 or 1).
  Tensors(const Form& form, const Arguments& arguments, int x, int y, int valid, int settings)
      : arguments_(arguments), side_(form.side) {
    const int64_t* in = arguments.shape(x, 4);
    const int64_t out_channels = arguments.shape(y, 4)[1];
    if (in[1] % form.in_step != 0 || out_channels % form.out_step != 0) throw std::invalid_argument("channels");
    const bool relu = *arguments.floats(settings, {1}) != 0;
    problem = {in[0], in[1], out_channels, in[2], in[3], relu, arguments.bools(valid, {in[0]})};
  }

  float* input(int place) const { return map(place, problem.in_channels); }
  float* output(int place) const { return map(place, problem.out_channels); }
  float* weight(int place) const {
    return arguments_.floats(place, {problem.out_channels, problem.in_channels, side_, side_});
  }
  float* for_each_output(int place) const { return arguments_.floats(place, {problem.out_channels}); }

  ConvProblem problem;

 private:
  float* map(int place, int64_t channels) const {
    return arguments_.floats(place, {problem.images, channels, problem.height, problem.width});
  }

  const Arguments& arguments_;
  int64_t side_;
};

template <typename Gradient>
void input_gradient(const Form& form, const Arguments& arguments, Gradient gradient) {
  const Tensors tensors(form, arguments, 6, 0, 4, 5);
  gradient(tensors.problem, tensors.output(0), tensors.output(1), tensors.weight(2), tensors.for_each_output(3),
           tensors.input(6));
}

template <typename Gradient>
void weight_gradient(const Form& form, const Arguments& arguments, Gradient gradient) {
  const Tensors tensors(form, arguments, 0, 1, 4, 5);
  gradient(tensors.problem, tensors.input(0), tensors.output(1), tensors.output(2), tensors.for_each_output(3),
           tensors.weight(6), tensors.for_each_output(7));
}

// The tensors of a depthwise convolution: places of x, y and the weight, or of their gradients; settings: stride, then
// rows and columns of zeros (0 or 1): top, bottom, left, right.
struct Depthwise {
  Depthwise(const Arguments& arguments, int x_place, int y_place, int weight_place, int settings_place) {
    const int64_t *in = arguments.shape(x_place, 4), *out = arguments.shape(y_place, 4);
    const float* settings = arguments.floats(settings_place, {5});
    const auto stride = static_cast<int64_t>(settings[0]);
    if (stride != 1 && stride != 2) throw std::invalid_argument("stride");
    int64_t before[2];
    for (const int axis : {0, 1}) {
      const float* zeros = settings + 1 + 2 * axis;
      if ((zeros[0] != 0 && zeros[0] != 1) || (zeros[1] != 0 && zeros[1] != 1)) throw std::invalid_argument("padding");
      before[axis] = static_cast<int64_t>(zeros[0]);
      const int64_t room = in[2 + axis] + before[axis] + static_cast<int64_t>(zeros[1]) - 3;
      if (room < 0 || out[2 + axis] != room / stride + 1) throw std::invalid_argument("size");
    }
    problem = {in[0], in[1], in[2], in[3], out[2], out[3], stride, before[0], before[1]};
    x = arguments.floats(x_place, {in[0], in[1], in[2], in[3]});
    y = arguments.floats(y_place, {in[0], in[1], out[2], out[3]});
    weight = arguments.floats(weight_place, {in[1], 1, 3, 3});
  }

  mindrcnn::DepthwiseProblem problem;
  float *x, *y, *weight;
};

}  // namespace

// Inputs: x (B, C, H, W); weight (K, C, 3, 3); scale, bias (K,); valid (B,); settings. Output: y (B, K, H, W).
MINDRCNN_KERNEL(conv3x3_forward) {
  return guarded([&] {
    const Arguments arguments(7, count, data, ranks, shapes, dtypes);
    const Tensors tensors(k3x3, arguments, 0, 6, 4, 5);
    mindrcnn::conv3x3_forward(tensors.problem, tensors.input(0), tensors.weight(1), tensors.for_each_output(2),
                              tensors.for_each_output(3), tensors.output(6));
  });
}

// Inputs: x (B, C, H, W); weight (K, C, 1, 1); scale, bias (K,); valid (B,); settings. Output: y (B, K, H, W).
MINDRCNN_KERNEL(conv1x1_forward) {
  return guarded([&] {
    const Arguments arguments(7, count, data, ranks, shapes, dtypes);
    const Tensors tensors(k1x1, arguments, 0, 6, 4, 5);
    mindrcnn::conv1x1_forward(tensors.problem, tensors.input(0), tensors.weight(1), tensors.for_each_output(2),
                              tensors.for_each_output(3), nullptr, tensors.output(6));
  });
}

// Like conv1x1_forward, with a summand of the shape of y after the bias.
MINDRCNN_KERNEL(conv1x1_add_forward) {
  return guarded([&] {
    const Arguments arguments(8, count, data, ranks, shapes, dtypes);
    const Tensors tensors(k1x1, arguments, 0, 7, 5, 6);
    mindrcnn::conv1x1_forward(tensors.problem, tensors.input(0), tensors.weight(1), tensors.for_each_output(2),
                              tensors.for_each_output(3), tensors.output(4), tensors.output(7));
  });
}

// Inputs: gradient of y; y; weight; scale; valid; settings. Output: gradient of x.
MINDRCNN_KERNEL(conv3x3_input_gradient) {
  return guarded([&] {
    input_gradient(k3x3, Arguments(7, count, data, ranks, shapes, dtypes), mindrcnn::conv3x3_input_gradient);
  });
}

MINDRCNN_KERNEL(conv1x1_input_gradient) {
  return guarded([&] {
    input_gradient(k1x1, Arguments(7, count, data, ranks, shapes, dtypes), mindrcnn::conv1x1_input_gradient);
  });
}

// Inputs: x; gradient of y; y; scale; valid; settings. Outputs: gradients of weight and bias.
MINDRCNN_KERNEL(conv3x3_weight_gradient) {
  return guarded([&] {
    weight_gradient(k3x3, Arguments(8, count, data, ranks, shapes, dtypes), mindrcnn::conv3x3_weight_gradient);
  });
}

MINDRCNN_KERNEL(conv1x1_weight_gradient) {
  return guarded([&] {
    weight_gradient(k1x1, Arguments(8, count, data, ranks, shapes, dtypes), mindrcnn::conv1x1_weight_gradient);
  });
}

// Inputs: x (B, C, H, W); weight (C, 1, 3, 3); settings. Output: y.
MINDRCNN_KERNEL(depthwise_forward) {
  return guarded([&] {
    const Depthwise tensors(Arguments(4, count, data, ranks, shapes, dtypes), 0, 3, 1, 2);
    mindrcnn::depthwise_forward(tensors.problem, tensors.x, tensors.weight, tensors.y);
  });
}

// Inputs: gradient of y; weight; settings. Output: gradient of x.
MINDRCNN_KERNEL(depthwise_input_gradient) {
  return guarded([&] {
    const Depthwise tensors(Arguments(4, count, data, ranks, shapes, dtypes), 3, 0, 1, 2);
    mindrcnn::depthwise_input_gradient(tensors.problem, tensors.y, tensors.weight, tensors.x);
  });
}

// Inputs: x; gradient of y; settings. Output: gradient of weight.
MINDRCNN_KERNEL(depthwise_weight_gradient) {
  return guarded([&] {
    const Depthwise tensors(Arguments(4, count, data, ranks, shapes, dtypes), 0, 1, 3, 2);
    mindrcnn::depthwise_weight_gradient(tensors.problem, tensors.x, tensors.y, tensors.weight);
  });
}

// Inputs: images (B, 3, H, W); weight (K, 3, 7, 7); scale, bias (K,). Output: y (B, K, H/4, W/4).
MINDRCNN_KERNEL(stem_forward) {
  return guarded([&] {
    const Arguments arguments(5, count, data, ranks, shapes, dtypes);
    const int64_t *in = arguments.shape(0, 4), channels = arguments.shape(1, 4)[0];
    if (channels % mindrcnn::kStemOutputStep != 0) throw std::invalid_argument("channels");
    if (in[2] % 4 != 0 || in[3] % 4 != 0) throw std::invalid_argument("size");
    constexpr int64_t kIn = mindrcnn::kStemInputs, kSide = mindrcnn::kStemSide;
    mindrcnn::stem_forward({in[0], channels, in[2], in[3]}, arguments.floats(0, {in[0], kIn, in[2], in[3]}),
                           arguments.floats(1, {channels, kIn, kSide, kSide}), arguments.floats(2, {channels}),
                           arguments.floats(3, {channels}),
                           arguments.floats(4, {in[0], channels, in[2] / 4, in[3] / 4}));
  });
}

// Inputs: fine (B, C, 2H, 2W); coarse (B, C, H, W). Output: their sum, of the shape of fine.
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

// Input: x (B, C, H, W). Output: y (B, C, H/2, W/2), sides rounded up.
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
