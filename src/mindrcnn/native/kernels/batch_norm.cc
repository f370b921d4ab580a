#include "batch_norm.h"

#include <algorithm>
#include <cmath>

namespace mindrcnn {

namespace {

// Pixels whose sum is float; the sums of more are added up as doubles.
constexpr int64_t kPiece = 1024;

// Calls use(offset, count) for every piece of the planes of a channel.
template <typename Use>
void for_each_piece(const BatchNormProblem& problem, int64_t channel, Use use) {
  for (int64_t image = 0; image < problem.images; ++image) {
    const int64_t plane = (image * problem.channels + channel) * problem.pixels;
    for (int64_t first = 0; first < problem.pixels; first += kPiece) {
      use(plane + first, std::min(kPiece, problem.pixels - first));
    }
  }
}

// One channel: y = x * scale + shift, cut at both limits.
struct Channel {
  Channel(const BatchNormProblem& problem, float gamma, float beta, float mean, float inverse)
      : mean(mean), scale(gamma * inverse), shift(beta - mean * scale), low(problem.relu ? 0.0f : -INFINITY),
        high(problem.relu ? problem.limit : INFINITY) {}
  float mean, scale, shift, low, high;
};

// What a loop over pixels needs is passed by value: through references, the compiler could not use vectors.

float sum(const float* x, int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += x[i];
  return sum;
}

float sum_of_squares(const float* x, int64_t count, float mean) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += (x[i] - mean) * (x[i] - mean);
  return sum;
}

void normalize(const float* __restrict x, float* __restrict y, int64_t count, const Channel channel) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float value = x[i] * channel.scale + channel.shift;
    const float above = value > channel.low ? value : channel.low;
    y[i] = above < channel.high ? above : channel.high;
  }
}

// The output's gradient where the activation lets it pass, 0 elsewhere.
inline float passed(float x, float y_gradient, const Channel& channel) {
  const float value = x * channel.scale + channel.shift;
  return (value > channel.low) & (value <= channel.high) ? y_gradient : 0.0f;
}

// Adds the sums of the gradients, and of the gradients times the distances from the mean.
void add_sums(const float* __restrict x, const float* __restrict y_gradient, int64_t count, const Channel channel,
              double* total, double* total_product) {
  float sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = passed(x[i], y_gradient[i], channel);
    sum += gradient;
    product += gradient * (x[i] - channel.mean);
  }
  *total += sum;
  *total_product += product;
}

void write_gradient(const float* __restrict x, const float* __restrict y_gradient, float* __restrict x_gradient,
                    int64_t count, const Channel channel, float constant, float slope) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = passed(x[i], y_gradient[i], channel);
    x_gradient[i] = channel.scale * (gradient - constant - (x[i] - channel.mean) * slope);
  }
}

}  // namespace

void batch_norm_forward(const BatchNormProblem& problem, const float* x, const float* gamma, const float* beta,
                        float* moving_mean, float* moving_variance, float* y, float* mean, float* inverse) {
  const double count = static_cast<double>(problem.images * problem.pixels);
#pragma omp parallel for
  for (int64_t c = 0; c < problem.channels; ++c) {
    double total = 0, squares = 0;
    for_each_piece(problem, c, [&](int64_t offset, int64_t pixels) { total += sum(x + offset, pixels); });
    mean[c] = static_cast<float>(total / count);
    const float middle = mean[c];
    for_each_piece(problem, c, [&](int64_t offset, int64_t pixels) {
      squares += sum_of_squares(x + offset, pixels, middle);
    });
    inverse[c] = 1.0f / std::sqrt(static_cast<float>(squares / count) + problem.eps);
    moving_mean[c] += problem.momentum * (middle - moving_mean[c]);
    const float unbiased = static_cast<float>(squares / std::max(count - 1, 1.0));
    moving_variance[c] += problem.momentum * (unbiased - moving_variance[c]);
    const Channel channel(problem, gamma[c], beta[c], middle, inverse[c]);
    for_each_piece(problem, c, [&](int64_t offset, int64_t pixels) {
      normalize(x + offset, y + offset, pixels, channel);
    });
  }
}

void batch_norm_backward(const BatchNormProblem& problem, const float* x, const float* y_gradient, const float* gamma,
                         const float* beta, const float* mean, const float* inverse, float* x_gradient,
                         float* gamma_gradient, float* beta_gradient) {
  const double count = static_cast<double>(problem.images * problem.pixels);
#pragma omp parallel for
  for (int64_t c = 0; c < problem.channels; ++c) {
    const Channel channel(problem, gamma[c], beta[c], mean[c], inverse[c]);
    double total = 0, product = 0;
    for_each_piece(problem, c, [&](int64_t offset, int64_t pixels) {
      add_sums(x + offset, y_gradient + offset, pixels, channel, &total, &product);
    });
    beta_gradient[c] = static_cast<float>(total);
    gamma_gradient[c] = static_cast<float>(product * inverse[c]);
    const float constant = static_cast<float>(total / count);
    const float slope = static_cast<float>(product / count) * inverse[c] * inverse[c];
    for_each_piece(problem, c, [&](int64_t offset, int64_t pixels) {
      write_gradient(x + offset, y_gradient + offset, x_gradient + offset, pixels, channel, constant, slope);
    });
  }
}

}  // namespace mindrcnn
