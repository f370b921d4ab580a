// Depthwise 3x3 convolution of stride 1 or 2, forward and backward. Semantics: src/mindrcnn/ops/depthwise.py.
#ifndef MINDRCNN_NATIVE_DEPTHWISE_H_
#define MINDRCNN_NATIVE_DEPTHWISE_H_

#include <cstdint>

namespace mindrcnn {

struct DepthwiseProblem {
  int64_t images;
  int64_t channels;
  int64_t height;  // of the input
  int64_t width;
  int64_t out_height;
  int64_t out_width;
  int64_t stride;  // 1 or 2
  int64_t top;     // rows and columns of zeros before the input; behind it as many as the output's size asks for
  int64_t left;
};

// x: images x channels x height x width; y: with the output's sides; weight: channels x 9.
void depthwise_forward(const DepthwiseProblem& problem, const float* x, const float* weight, float* y);

// The gradient of x, all of which is written, from that of y.
void depthwise_input_gradient(const DepthwiseProblem& problem, const float* y_gradient, const float* weight,
                              float* x_gradient);

// The gradient of the weight from that of y.
void depthwise_weight_gradient(const DepthwiseProblem& problem, const float* x, const float* y_gradient,
                               float* weight_gradient);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_DEPTHWISE_H_
