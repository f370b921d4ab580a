// 1x1 convolution of stride 1, with bias, optionally a second summand and ReLU; forward and gradients.
#ifndef MINDRCNN_NATIVE_CONV1X1_H_
#define MINDRCNN_NATIVE_CONV1X1_H_

#include <cstdint>

namespace mindrcnn {

struct PointwiseProblem {
  int64_t images;
  int64_t in_channels;  // multiples of kChannelStep of conv3x3.h
  int64_t out_channels;
  int64_t pixels;  // of a map
  bool relu;
};

// x: images x in_channels x pixels; weight: out_channels x in_channels; bias: out_channels; summand: null, or added
// before ReLU, like y images x out_channels x pixels.
void conv1x1_forward(const PointwiseProblem& problem, const float* x, const float* weight, const float* bias,
                     const float* summand, float* y);

// The gradient of x from that of y; y is read where problem.relu.
void conv1x1_input_gradient(const PointwiseProblem& problem, const float* y_gradient, const float* y,
                            const float* weight, float* x_gradient);

// The gradients of weight and bias.
void conv1x1_weight_gradient(const PointwiseProblem& problem, const float* x, const float* y_gradient, const float* y,
                             float* weight_gradient, float* bias_gradient);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_CONV1X1_H_
