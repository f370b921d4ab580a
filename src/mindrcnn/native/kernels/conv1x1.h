// Scaled 1x1 convolution of stride 1 with bias and, optionally, a summand and ReLU; forward and gradients.
#ifndef MINDRCNN_NATIVE_CONV1X1_H_
#define MINDRCNN_NATIVE_CONV1X1_H_

#include <cstdint>

#include "conv_problem.h"

namespace mindrcnn {

constexpr int64_t kInStep = 32;   // input channels are a multiple of this
constexpr int64_t kOutStep = 16;  // output channels are a multiple of this

// x: (images, in_channels, pixels).
// weight: (out_channels, in_channels).
// scale: (out_channels,), multiplies the weights of each output channel.
// bias: (out_channels,).
// summand: (images, out_channels, pixels), added before ReLU, or null.
// y: (images, out_channels, pixels).
void conv1x1_forward(const ConvProblem& problem, const float* x, const float* weight, const float* scale,
                     const float* bias, const float* summand, float* y);

// Computes the gradient of x from that of y; y is read if problem.relu is set.
void conv1x1_input_gradient(const ConvProblem& problem, const float* y_gradient, const float* y, const float* weight,
                            const float* scale, float* x_gradient);

// Computes the gradients of weight and bias, not of scale.
void conv1x1_weight_gradient(const ConvProblem& problem, const float* x, const float* y_gradient, const float* y,
                             const float* scale, float* weight_gradient, float* bias_gradient);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_CONV1X1_H_
