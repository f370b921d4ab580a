// Batch norm by the batch's own statistics, with the activation after it, forward and backward. Semantics:
// src/mindrcnn/ops/batch_norm.py.
#ifndef MINDRCNN_NATIVE_BATCH_NORM_H_
#define MINDRCNN_NATIVE_BATCH_NORM_H_

#include <cstdint>

namespace mindrcnn {

struct BatchNormProblem {
  int64_t images;
  int64_t channels;
  int64_t pixels;  // of a plane
  float eps;
  float momentum;  // share of the batch in the moving statistics
  float limit;     // values after normalisation are cut at it; infinite without an upper limit
  bool relu;       // cut at 0 and at the limit
};

// x, y: images x channels x pixels. gamma to inverse: one value a channel; the moving statistics are updated, the
// variance with its unbiased estimate; mean and inverse standard deviation of the batch are written.
void batch_norm_forward(const BatchNormProblem& problem, const float* x, const float* gamma, const float* beta,
                        float* moving_mean, float* moving_variance, float* y, float* mean, float* inverse);

// The gradients of x, gamma and beta from that of y.
void batch_norm_backward(const BatchNormProblem& problem, const float* x, const float* y_gradient, const float* gamma,
                         const float* beta, const float* mean, const float* inverse, float* x_gradient,
                         float* gamma_gradient, float* beta_gradient);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_BATCH_NORM_H_
