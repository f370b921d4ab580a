// 1x1 convolution of stride 1, scaled, with bias, optionally a second summand and ReLU; forward and gradients.
#ifndef MINDRCNN_NATIVE_CONV1X1_H_
#define MINDRCNN_NATIVE_CONV1X1_H_

#include <cstdint>

#include "conv_problem.h"

namespace mindrcnn {

constexpr int64_t kInStep = 32;   // of input channels
constexpr int64_t kOutStep = 16;  // of output channels

// x: images x in_channels x pixels; weight: out_channels x in_channels; scale, which the weights of each output
// channel are multiplied with, and bias: out_channels; summand: null, or added before ReLU, like y images x
// out_channels x pixels.
void conv1x1_forward(const ConvProblem& problem, const float* x, const float* weight, const float* scale,
                     const float* bias, const float* summand, float* y);

// The gradient of x from that of y; y is read where problem.relu.
void conv1x1_input_gradient(const ConvProblem& problem, const float* y_gradient, const float* y, const float* weight,
                            const float* scale, float* x_gradient);

// The gradients of weight and bias, not of scale.
void conv1x1_weight_gradient(const ConvProblem& problem, const float* x, const float* y_gradient, const float* y,
                             const float* scale, float* weight_gradient, float* bias_gradient);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_CONV1X1_H_
