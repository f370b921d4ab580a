#include "conv1x1.h"

#include <omp.h>

#include <algorithm>

#include "products.h"
#include "scratch.h"

namespace mindrcnn {
namespace {

constexpr int64_t kCache = 1 << 17;  // floats that fit into one core's cache
constexpr int64_t kSharedCache = 1 << 20;
constexpr int64_t kLine = 16;  // floats of a cache line
constexpr int64_t kAhead = 8;  // channels that are fetched before they are packed
constexpr int64_t kDepth = 192;  // pixels per product of a weight's gradient, which fit into the L1 cache

int64_t whole_lanes(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

// Maps whose values count as 0 where the mask, if there is one, is not positive.
struct Maps {
  const float* values;
  const float* mask;
  int64_t channels;
  int64_t pixels;

  // Copies `count` pixels of a channel, starting at `first`, and adds zeros up to `padded`.
  void read(int64_t image, int64_t channel, int64_t first, int64_t count, int64_t padded, float* to) const {
    const int64_t place = (image * channels + channel) * pixels + first;
    if (count == kLanes && padded == kLanes) {
      const Lanes all = load(values + place);
      store(to, mask == nullptr ? all : load(mask + place) > 0.0f ? all : Lanes{});
      return;
    }
    if (mask == nullptr) {
      std::copy_n(values + place, count, to);
    } else {
      for (int64_t i = 0; i < count; ++i) to[i] = mask[place + i] > 0 ? values[place + i] : 0.0f;
    }
    std::fill(to + count, to + padded, 0.0f);
  }
};

// Packs `count` pixels of all channels into panels[pixel / kPanel][channel][pixel % kPanel], the last one filled up with
// zeros to whole vectors.
void pack_panels(const Maps& maps, int64_t image, int64_t first, int64_t count, float* panels) {
  for (int64_t channel = 0; channel < maps.channels; ++channel) {
    // Each channel lies in another page, which the processor does not fetch ahead by itself.
    for (int64_t i = 0; i < count && channel + kAhead < maps.channels; i += kLine) {
      __builtin_prefetch(maps.values + (image * maps.channels + channel + kAhead) * maps.pixels + first + i);
    }
    int64_t at = 0;
    for (float* to = panels + channel * kPanel; at < count; at += kPanel, to += maps.channels * kPanel) {
      if (count - at >= kPanel) {
        for (int64_t i = 0; i < kPanel; i += kLanes) maps.read(image, channel, first + at + i, kLanes, kLanes, to + i);
      } else {
        maps.read(image, channel, first + at, count - at, whole_lanes(count - at), to);
      }
    }
  }
}

// y = weight x; the weight is read by rows or, transposed, by columns.
struct Product {
  Maps x;
  const float* weight;
  const float* scale;
  int64_t rows;
  int64_t columns;
  bool transposed;
  const float* bias;
  const float* summand;
  bool relu;
  float* y;
};

// Packs into packed[row / kRows][column][row % kRows]. Called within an OpenMP region.
void pack_weight(const Product& product, float* packed) {
#pragma omp for
  for (int64_t group = 0; group < product.rows; group += kRows) {
    float* to = packed + group * product.columns;
    for (int64_t column = 0; column < product.columns; ++column) {
      for (int64_t row = group; row < group + kRows; ++row) {
        *to++ = product.transposed ? product.scale[column] * product.weight[column * product.rows + row]
                                   : product.scale[row] * product.weight[row * product.columns + column];
      }
    }
  }
}

// Applies bias, summand and ReLU to `count` sums of one row and stores the result.
template <typename Number>
void finish_row(const Product& product, const float* sums, int64_t place, float bias, int64_t count) {
  constexpr int64_t kStep = sizeof(Number) / sizeof(float);
  for (int64_t j = 0; j < count; j += kStep) {
    Number value, summand{};
    std::memcpy(&value, sums + j, sizeof(value));
    value += bias;
    if (product.summand != nullptr) {
      std::memcpy(&summand, product.summand + place + j, sizeof(summand));
      value += summand;
    }
    if (product.relu) value = value < 0.0f ? Number{} : value;
    std::memcpy(product.y + place + j, &value, sizeof(value));
  }
}

// Finishes kRows rows of `count` pixels, at most kPanel.
void finish(const Product& product, const float* sums, int64_t image, int64_t row, int64_t first, int64_t count) {
  for (int64_t i = 0; i < kRows; ++i) {
    const int64_t place = (image * product.rows + row + i) * product.x.pixels + first;
    const float bias = product.bias == nullptr ? 0.0f : product.bias[row + i];
    if (count == kPanel) {
      finish_row<Lanes>(product, sums + i * kPanel, place, bias, kPanel);
    } else {
      finish_row<float>(product, sums + i * kPanel, place, bias, count);
    }
  }
}

void clear(const Product& product, int64_t image, int64_t first, int64_t count) {
  for (int64_t row = 0; row < product.rows; ++row) {
    std::fill_n(product.y + (image * product.rows + row) * product.x.pixels + first, count, 0.0f);
  }
}

void multiply(const Product& product, int64_t images, const uint8_t* valid) {
  const int64_t block = std::clamp<int64_t>(kCache / 2 / product.columns / kPanel, 1, 8) * kPanel;
  const int64_t blocks = (product.x.pixels + block - 1) / block;
  const int64_t threads = omp_get_max_threads();
  Scratch scratch(product.rows * product.columns + threads * block * product.columns);
  float* const weight = scratch.take(product.rows * product.columns);
  float* const all_panels = scratch.take(threads * block * product.columns);
#pragma omp parallel num_threads(static_cast<int>(threads))
  {
    float* const panels = all_panels + omp_get_thread_num() * block * product.columns;
    alignas(64) float sums[kRows * kPanel];
    pack_weight(product, weight);
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < images * blocks; ++task) {
      const int64_t image = task / blocks, first = task % blocks * block;
      const int64_t count = std::min(product.x.pixels - first, block);
      if (!valid[image]) {
        clear(product, image, first, count);
        continue;
      }
      pack_panels(product.x, image, first, count, panels);
      for (int64_t row = 0; row < product.rows; row += kRows) {
        for (int64_t at = 0; at < count; at += kPanel) {
          const int64_t panel = std::min(count - at, kPanel);
          multiply_panel(weight + row * product.columns, panels + at * product.columns, product.columns,
                         whole_lanes(panel), sums, kPanel);
          finish(product, sums, image, row, first + at, panel);
        }
      }
    }
  }
}

// Packs kLanes channels of a block of pixels into panels[channel / width][pixel][channel % width], and adds up their
// sums if asked for.
void read_panels(const Maps& maps, int64_t image, int64_t channel, int64_t first, int64_t count, int64_t width,
                 int64_t block, float* panels, float* sums) {
  alignas(64) float lines[kLanes * kLanes];
  Lanes totals[kLanes] = {};
  for (int64_t at = 0; at < count; at += kLanes) {
    for (int64_t i = 0; i < kLanes; ++i) {
      maps.read(image, channel + i, first + at, std::min<int64_t>(count - at, kLanes), kLanes, lines + i * kLanes);
      totals[i] += load(lines + i * kLanes);
    }
    transpose_into_panels(lines, kLanes, channel, width, width * block, panels + at * width);
  }
  if (sums == nullptr) return;
  for (int64_t i = 0; i < kLanes; ++i) {
    for (int64_t j = 0; j < kLanes; ++j) sums[channel + i] += totals[i][j];
  }
}

}  // namespace

void conv1x1_forward(const ConvProblem& problem, const float* x, const float* weight, const float* scale,
                     const float* bias, const float* summand, float* y) {
  multiply({{x, nullptr, problem.in_channels, problem.pixels()}, weight, scale, problem.out_channels,
            problem.in_channels, false, bias, summand, problem.relu, y},
           problem.images, problem.valid);
}

void conv1x1_input_gradient(const ConvProblem& problem, const float* y_gradient, const float* y, const float* weight,
                            const float* scale, float* x_gradient) {
  multiply({{y_gradient, problem.relu ? y : nullptr, problem.out_channels, problem.pixels()}, weight, scale,
            problem.in_channels, problem.out_channels, true, nullptr, nullptr, false, x_gradient},
           problem.images, problem.valid);
}

void conv1x1_weight_gradient(const ConvProblem& problem, const float* x, const float* y_gradient, const float* y,
                             const float* scale, float* weight_gradient, float* bias_gradient) {
  const int64_t rows = problem.out_channels, columns = problem.in_channels;
  const Maps inputs_maps{x, nullptr, columns, problem.pixels()};
  const Maps gradients_maps{y_gradient, problem.relu ? y : nullptr, rows, problem.pixels()};
  std::fill_n(weight_gradient, rows * columns, 0.0f);
  std::fill_n(bias_gradient, rows, 0.0f);
  const int64_t block = std::max<int64_t>(kSharedCache / (rows + columns) / kPanel, 1) * kPanel;
  Scratch scratch((rows + columns) * block);
  float* const inputs = scratch.take(columns * block);
  float* const gradients = scratch.take(rows * block);
#pragma omp parallel
  {
    for (int64_t image = 0; image < problem.images; ++image) {
      if (!problem.valid[image]) continue;
      for (int64_t first = 0; first < problem.pixels(); first += block) {
        const int64_t count = std::min(problem.pixels() - first, block);
#pragma omp for nowait
        for (int64_t channel = 0; channel < columns; channel += kLanes) {
          read_panels(inputs_maps, image, channel, first, count, kColumns, block, inputs, nullptr);
        }
#pragma omp for
        for (int64_t channel = 0; channel < rows; channel += kLanes) {
          read_panels(gradients_maps, image, channel, first, count, kRows, block, gradients, bias_gradient);
        }
        for (int64_t at = 0; at < count; at += kDepth) {
          // Every thread gets the same rows each time, so it need not wait.
#pragma omp for schedule(static) nowait
          for (int64_t row = 0; row < rows; row += kRows) {
            multiply_rows(gradients + row * block + at * kRows, inputs + at * kColumns, kColumns * block,
                          std::min(count - at, kDepth), columns, weight_gradient + row * columns, true);
          }
        }
#pragma omp barrier
      }
    }
#pragma omp for
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; ++column) weight_gradient[row * columns + column] *= scale[row];
    }
  }
}

}  // namespace mindrcnn
