#include "depthwise.h"

#include <omp.h>

#include <algorithm>

#include "scratch.h"

namespace mindrcnn {

namespace {

constexpr int kSide = 3;

// One plane with its zeros around it. With stride 2, even and odd columns lie apart: what a weight meets in a row is then
// contiguous, and no loop over pixels has edges or steps.
template <int kStride>
class PaddedPlane {
 public:
  PaddedPlane(const DepthwiseProblem& problem, float* memory) : problem_(problem), memory_(memory) {}

  static int64_t floats(const DepthwiseProblem& problem) {
    return rows(problem) * kStride * pitch(problem);
  }

  // What the weight at `row`, `column` meets, for the first pixel of an output row.
  float* met(int64_t out_row, int row, int column) const {
    return columns(out_row * kStride + row, column % kStride) + column / kStride;
  }

  void clear() const { std::fill_n(memory_, floats(problem_), 0.0f); }

  void read(const float* plane) const {
    clear();
    each_row([&](int64_t y, int64_t first, int64_t count, float* columns, int64_t x) {
      const float* from = plane + y * problem_.width + x;
      for (int64_t i = 0; i < count; ++i) columns[first + i] = from[i * kStride];
    });
  }

  void write(float* plane) const {
    std::fill_n(plane, problem_.height * problem_.width, 0.0f);  // the last row or column may meet no weight
    each_row([&](int64_t y, int64_t first, int64_t count, const float* columns, int64_t x) {
      float* to = plane + y * problem_.width + x;
      for (int64_t i = 0; i < count; ++i) to[i * kStride] = columns[first + i];
    });
  }

 private:
  static int64_t rows(const DepthwiseProblem& problem) { return kStride * (problem.out_height - 1) + kSide; }
  static int64_t pitch(const DepthwiseProblem& problem) { return problem.out_width + kSide - 1; }

  float* columns(int64_t row, int phase) const { return memory_ + (row * kStride + phase) * pitch(problem_); }

  // Calls with each row y of the plane and each phase: `count` pixels from x on belong to its columns from `first` on.
  template <typename Use>
  void each_row(Use use) const {
    const int64_t last = std::min(problem_.height, rows(problem_) - problem_.top);
    for (int64_t y = 0; y < last; ++y) {
      for (int phase = 0; phase < kStride; ++phase) {
        const int64_t first = std::max<int64_t>(0, (problem_.left - phase + kStride - 1) / kStride);
        const int64_t x = first * kStride + phase - problem_.left;
        const int64_t count = std::min((problem_.width - x + kStride - 1) / kStride, pitch(problem_) - first);
        use(y, first, count, columns(y + problem_.top, phase), x);
      }
    }
  }

  const DepthwiseProblem& problem_;
  float* memory_;
};

// Calls use(item, padded) for each item, in threads that have a padded plane each.
template <int kStride, typename Use>
void for_each(const DepthwiseProblem& problem, int64_t items, Use use) {
  const int64_t floats = PaddedPlane<kStride>::floats(problem);
  Scratch scratch(omp_get_max_threads() * floats);
  float* memory = scratch.take(0);
#pragma omp parallel
  {
    const PaddedPlane<kStride> padded(problem, memory + omp_get_thread_num() * floats);
#pragma omp for
    for (int64_t item = 0; item < items; ++item) use(item, padded);
  }
}

template <int kStride>
void forward(const DepthwiseProblem& problem, const float* x, const float* weight, float* y) {
  const int64_t width = problem.out_width;
  for_each<kStride>(problem, problem.images * problem.channels, [&](int64_t plane, const auto& padded) {
    padded.read(x + plane * problem.height * problem.width);
    const float* w = weight + plane % problem.channels * kSide * kSide;
    for (int64_t row = 0; row < problem.out_height; ++row) {
      float* out = y + (plane * problem.out_height + row) * width;
      const float *a = padded.met(row, 0, 0), *b = padded.met(row, 0, 1), *c = padded.met(row, 0, 2);
      const float *d = padded.met(row, 1, 0), *e = padded.met(row, 1, 1), *f = padded.met(row, 1, 2);
      const float *g = padded.met(row, 2, 0), *h = padded.met(row, 2, 1), *i = padded.met(row, 2, 2);
#pragma omp simd
      for (int64_t p = 0; p < width; ++p) {
        out[p] = w[0] * a[p] + w[1] * b[p] + w[2] * c[p] + w[3] * d[p] + w[4] * e[p] + w[5] * f[p] + w[6] * g[p] +
                 w[7] * h[p] + w[8] * i[p];
      }
    }
  });
}

template <int kStride>
void input_gradient(const DepthwiseProblem& problem, const float* y_gradient, const float* weight, float* x_gradient) {
  const int64_t width = problem.out_width;
  for_each<kStride>(problem, problem.images * problem.channels, [&](int64_t plane, const auto& padded) {
    padded.clear();
    for (int64_t row = 0; row < problem.out_height; ++row) {
      const float* out = y_gradient + (plane * problem.out_height + row) * width;
      for (int k = 0; k < kSide * kSide; ++k) {
        const float w = weight[plane % problem.channels * kSide * kSide + k];
        float* to = padded.met(row, k / kSide, k % kSide);
#pragma omp simd
        for (int64_t p = 0; p < width; ++p) to[p] += w * out[p];
      }
    }
    padded.write(x_gradient + plane * problem.height * problem.width);
  });
}

template <int kStride>
void sum_gradient(const DepthwiseProblem& problem, const float* x, const float* y_gradient, float* gradient) {
  const int64_t width = problem.out_width;
  for_each<kStride>(problem, problem.channels, [&](int64_t channel, const auto& padded) {
    float sums[kSide * kSide] = {};
    for (int64_t image = 0; image < problem.images; ++image) {
      const int64_t plane = image * problem.channels + channel;
      padded.read(x + plane * problem.height * problem.width);
      for (int64_t row = 0; row < problem.out_height; ++row) {
        const float* out = y_gradient + (plane * problem.out_height + row) * width;
        for (int k = 0; k < kSide * kSide; ++k) {
          const float* from = padded.met(row, k / kSide, k % kSide);
          float sum = 0;
#pragma omp simd reduction(+ : sum)
          for (int64_t p = 0; p < width; ++p) sum += from[p] * out[p];
          sums[k] += sum;
        }
      }
    }
    std::copy_n(sums, kSide * kSide, gradient + channel * kSide * kSide);
  });
}

}  // namespace

void depthwise_forward(const DepthwiseProblem& problem, const float* x, const float* weight, float* y) {
  (problem.stride == 1 ? forward<1> : forward<2>)(problem, x, weight, y);
}

void depthwise_input_gradient(const DepthwiseProblem& problem, const float* y_gradient, const float* weight,
                              float* x_gradient) {
  (problem.stride == 1 ? input_gradient<1> : input_gradient<2>)(problem, y_gradient, weight, x_gradient);
}

void depthwise_weight_gradient(const DepthwiseProblem& problem, const float* x, const float* y_gradient,
                               float* weight_gradient) {
  (problem.stride == 1 ? sum_gradient<1> : sum_gradient<2>)(problem, x, y_gradient, weight_gradient);
}

}  // namespace mindrcnn
