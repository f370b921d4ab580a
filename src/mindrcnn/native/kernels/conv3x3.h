// Scaled 3x3 convolution of stride 1 and padding 1 with bias and, optionally, ReLU; forward and gradients.
//
// Winograd's minimal filtering F(4x4, 3x3), in tiles of 4x4 outputs (Lavin and Gray, 2016, arXiv:1509.09308): 36
// multiplications instead of the definition's 144. Rounding differs from the definition's; see docs/performance.md.
#ifndef MINDRCNN_NATIVE_CONV3X3_H_
#define MINDRCNN_NATIVE_CONV3X3_H_

#include <cstdint>

#include "conv_problem.h"

namespace mindrcnn {

constexpr int64_t kChannelStep = 32;  // input and output channels are multiples of this

// x: (images, in_channels, height, width).
// weight: (out_channels, in_channels, 3, 3).
// scale: (out_channels,), multiplies the weights of each output channel.
// bias: (out_channels,).
// y: (images, out_channels, height, width), fully written.
void conv3x3_forward(const ConvProblem& problem, const float* x, const float* weight, const float* scale,
                     const float* bias, float* y);

// Computes the gradient of x from that of y; y is read if problem.relu is set.
void conv3x3_input_gradient(const ConvProblem& problem, const float* y_gradient, const float* y, const float* weight,
                            const float* scale, float* x_gradient);

// Computes the gradients of weight and bias, not of scale.
void conv3x3_weight_gradient(const ConvProblem& problem, const float* x, const float* y_gradient, const float* y,
                             const float* scale, float* weight_gradient, float* bias_gradient);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_CONV3X3_H_
