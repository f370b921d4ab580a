#include "stem.h"

#include <omp.h>

#include <algorithm>
#include <limits>

#include "products.h"
#include "scratch.h"

namespace mindrcnn {
namespace {

constexpr int64_t kBefore = kStemSide / 2;                         // zeros around an image
constexpr int64_t kLines = kStemInputs * kStemSide;                // rows of an image that a row of the convolution reads
constexpr int64_t kDepth = kLines * kStemSide;                     // multiplications for one value
constexpr int64_t kRowsOfTask = 8;                                 // rows of the result; neighbours compute one row twice
constexpr int64_t kMargin = 16;                                    // floats before a row, of which two are read

static_assert(kStemOutputStep % kRows == 0, "channels come in whole blocks");

int64_t rounded_up(int64_t count, int64_t step) { return (count + step - 1) / step * step; }

// Packs into packed[channel / kRows][d][channel % kRows].
void pack_weight(const StemProblem& problem, const float* weight, const float* scale, float* packed) {
  for (int64_t group = 0; group < problem.channels; group += kRows) {
    for (int64_t d = 0; d < kDepth; ++d) {
      for (int64_t row = group; row < group + kRows; ++row) *packed++ = scale[row] * weight[row * kDepth + d];
    }
  }
}

// One thread's part of the work, with its memory.
class Worker {
 public:
  Worker(const StemProblem& problem, const float* x, const float* weight, const float* bias, float* y, float* memory)
      : problem_(problem), x_(x), weight_(weight), bias_(bias), y_(y), memory_(memory) {
    std::fill_n(memory_, size(problem), 0.0f);
    for (int64_t channel = 0; channel < problem.channels; ++channel) {
      // Left of the first column, where any value of the row is larger.
      std::fill_n(row(channel) - kMargin, kMargin, std::numeric_limits<float>::lowest());
    }
  }

  // Floats that a worker needs.
  static int64_t size(const StemProblem& problem) {
    return 2 * kLines * half_step(problem) + kDepth * kPanel + problem.channels * row_step(problem);
  }

  // Computes rows first to last of an image's result.
  void run(int64_t image, int64_t first, int64_t last) {
    for (int64_t line = std::max<int64_t>(2 * first - 1, 0); line < 2 * last; ++line) {
      read_lines(image, line);
      convolve();
      const int64_t upper = line / 2, lower = upper + line % 2;  // rows of the result that contain the line
      for (int64_t channel = 0; channel < problem_.channels; ++channel) {
        if (upper >= first) pool(image, channel, upper, line > 0);
        if (lower != upper && lower < last) pool(image, channel, lower, false);
      }
    }
  }

 private:
  static int64_t columns(const StemProblem& problem) { return problem.width / 2; }
  // A half of a line holds its even or odd columns, after two zeros.
  static int64_t half_step(const StemProblem& problem) { return rounded_up(columns(problem), kPanel) + kMargin; }
  static int64_t row_step(const StemProblem& problem) {
    return kMargin + rounded_up(columns(problem), kPanel) + 2 * kLanes;
  }

  float* half(int64_t line, int64_t odd) const { return memory_ + (2 * line + odd) * half_step(problem_); }
  float* panel() const { return memory_ + 2 * kLines * half_step(problem_); }
  float* row(int64_t channel) const { return panel() + kDepth * kPanel + channel * row_step(problem_) + kMargin; }

  // Reads the rows of an image that row `line` of the convolution depends on.
  void read_lines(int64_t image, int64_t line) {
    for (int64_t i = 0; i < kLines; ++i) {
      const int64_t channel = i / kStemSide, y = 2 * line + i % kStemSide - kBefore;
      float *even = half(i, 0) + 2, *odd = half(i, 1) + 2;
      if (y < 0 || y >= problem_.height) {
        std::fill_n(even, columns(problem_), 0.0f);
        std::fill_n(odd, columns(problem_), 0.0f);
        continue;
      }
      const float* from = x_ + ((image * kStemInputs + channel) * problem_.height + y) * problem_.width;
      for (int64_t column = 0; column < columns(problem_); ++column) {
        even[column] = from[2 * column];
        odd[column] = from[2 * column + 1];
      }
    }
  }

  void convolve() {
    for (int64_t at = 0; at < columns(problem_); at += kPanel) {
      float* to = panel();
      for (int64_t i = 0; i < kLines; ++i) {
        for (int64_t column = 0; column < kStemSide; ++column, to += kPanel) {
          // Column 2 x + column - 3 of the image, for each x of the panel.
          std::copy_n(half(i, (column + 1) % 2) + at + (column + 1) / 2, kPanel, to);
        }
      }
      for (int64_t group = 0; group < problem_.channels; group += kRows) {
        multiply_panel(weight_ + group * kDepth, panel(), kDepth, kPanel, row(group) + at, row_step(problem_));
      }
    }
  }

  // Pools the columns of a channel's row into a row of the result, or with `again` adds them to what is there.
  void pool(int64_t image, int64_t channel, int64_t y, bool again) {
    const int64_t width = problem_.width / 4;
    const float* const from = row(channel);
    float* const to = y_ + ((image * problem_.channels + channel) * (problem_.height / 4) + y) * width;
    for (int64_t x = 0; x < width; x += kLanes) {
      Lanes even, odd, unused, before;
      part(load(from + 2 * x), load(from + 2 * x + kLanes), even, odd);
      part(load(from + 2 * x - 2), load(from + 2 * x - 2 + kLanes), unused, before);
      Lanes most = even < odd ? odd : even;
      most = most < before ? before : most;
      most += bias_[channel];
      most = most < 0.0f ? Lanes{} : most;
      const int64_t count = std::min<int64_t>(width - x, kLanes);
      if (again) {
        Lanes old{};
        std::memcpy(&old, to + x, count * sizeof(float));
        most = most < old ? old : most;
      }
      std::memcpy(to + x, &most, count * sizeof(float));
    }
  }

  const StemProblem& problem_;
  const float *x_, *weight_, *bias_;
  float *y_, *memory_;
};

}  // namespace

void stem_forward(const StemProblem& problem, const float* x, const float* weight, const float* scale,
                  const float* bias, float* y) {
  const int64_t height = problem.height / 4, strips = (height + kRowsOfTask - 1) / kRowsOfTask;
  const int64_t threads = omp_get_max_threads(), size = rounded_up(Worker::size(problem), kMargin);
  Scratch scratch(problem.channels * kDepth + threads * size);
  float* const all_memory = scratch.take(threads * size);
  float* const packed = scratch.take(problem.channels * kDepth);
  pack_weight(problem, weight, scale, packed);
#pragma omp parallel num_threads(static_cast<int>(threads))
  {
    Worker worker(problem, x, packed, bias, y, all_memory + omp_get_thread_num() * size);
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < problem.images * strips; ++task) {
      const int64_t first = task % strips * kRowsOfTask;
      worker.run(task / strips, first, std::min(first + kRowsOfTask, height));
    }
  }
}

}  // namespace mindrcnn
