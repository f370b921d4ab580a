#include "point_sample.h"

#include <algorithm>
#include <cmath>

namespace mindrcnn {
namespace {

constexpr int64_t kPoints = 256;   // points at a time; their positions and samples stay in the L1 and L2 caches
constexpr int64_t kChannels = 16;  // channels at a time; the samples of a point fill one cache line
constexpr int64_t kSmallMap = 256;  // cells; kChannels planes of it stay in the L1 cache
constexpr int kTaps = 4;

// The four cells around each point of a block, stored kind by kind so that loops over points vectorise.
struct Taps {
  int64_t count = 0;
  int32_t cell[kTaps][kPoints];
  float weight[kTaps][kPoints];

  void load(const PointSampleProblem& problem, const float* points, int64_t number) {
    count = number;
    const auto width = static_cast<int32_t>(problem.width), height = static_cast<int32_t>(problem.height);
    const auto right_end = static_cast<float>(width), lower_end = static_cast<float>(height);
    for (int64_t i = 0; i < number; ++i) {
      const float x = points[2 * i] - 0.5f, y = points[2 * i + 1] - 0.5f;
      const bool near = x > -1 && x < right_end && y > -1 && y < lower_end;  // false for NaN
      const float near_x = near ? x : 0.0f, near_y = near ? y : 0.0f;
      const float left = std::floor(near_x), top = std::floor(near_y);
      const auto column = static_cast<int32_t>(left), row = static_cast<int32_t>(top);
      const float right_share = near_x - left, lower_share = near_y - top;
      const float right = near && column + 1 < width ? right_share : 0.0f;
      const float lower = row + 1 < height ? lower_share : 0.0f;
      const float not_right = near && column >= 0 ? 1 - right_share : 0.0f;
      const float upper = row >= 0 ? 1 - lower_share : 0.0f;
      const int32_t first_column = std::max(column, 0), second_column = std::min(column + 1, width - 1);
      const int32_t first_row = std::max(row, 0) * width, second_row = std::min(row + 1, height - 1) * width;
      cell[0][i] = first_row + first_column;
      cell[1][i] = first_row + second_column;
      cell[2][i] = second_row + first_column;
      cell[3][i] = second_row + second_column;
      weight[0][i] = upper * not_right;
      weight[1][i] = upper * right;
      weight[2][i] = lower * not_right;
      weight[3][i] = lower * right;
    }
  }
};

// Samples or gradients, or a part of them: channel by channel here, point by point in the tensor.
struct Samples {
  float of_channel[kChannels][kPoints];

  void load(const float* samples, int64_t stride, int64_t channels, int64_t points) {
    for (int64_t i = 0; i < points; ++i) {
      for (int64_t c = 0; c < channels; ++c) of_channel[c][i] = samples[i * stride + c];
    }
  }

  void store(float* samples, int64_t stride, int64_t channels, int64_t points) const {
    for (int64_t i = 0; i < points; ++i) {
      for (int64_t c = 0; c < channels; ++c) samples[i * stride + c] = of_channel[c][i];
    }
  }
};

template <typename Value>
void read_plane(const Taps& taps, const Value* __restrict plane, float* __restrict samples) {
  for (int64_t i = 0; i < taps.count; ++i) {
    float sum = 0;
    for (int tap = 0; tap < kTaps; ++tap) sum += taps.weight[tap][i] * static_cast<float>(plane[taps.cell[tap][i]]);
    samples[i] = sum;
  }
}

void spread_plane(const Taps& taps, const float* samples, float* plane) {
  for (int64_t i = 0; i < taps.count; ++i) {
    for (int tap = 0; tap < kTaps; ++tap) plane[taps.cell[tap][i]] += taps.weight[tap][i] * samples[i];
  }
}

// kChannels planes of a small map, cell by cell: a point reads or adds to all channels at once.
struct CellLines {
  float of_cell[kSmallMap][kChannels];

  static bool fit(int64_t cells, int64_t channels) { return cells <= kSmallMap && channels == kChannels; }

  template <typename Value>
  void load(const Value* planes, int64_t cells) {
    for (int64_t cell = 0; cell < cells; ++cell) {
      for (int64_t c = 0; c < kChannels; ++c) of_cell[cell][c] = static_cast<float>(planes[c * cells + cell]);
    }
  }

  void store(float* planes, int64_t cells) const {
    for (int64_t cell = 0; cell < cells; ++cell) {
      for (int64_t c = 0; c < kChannels; ++c) planes[c * cells + cell] = of_cell[cell][c];
    }
  }

  void read(const Taps& taps, float* samples, int64_t stride) const {
    for (int64_t i = 0; i < taps.count; ++i) {
      float sums[kChannels] = {};
      for (int tap = 0; tap < kTaps; ++tap) {
        const float* line = of_cell[taps.cell[tap][i]];
        for (int64_t c = 0; c < kChannels; ++c) sums[c] += taps.weight[tap][i] * line[c];
      }
      std::copy_n(sums, kChannels, samples + i * stride);
    }
  }

  void spread(const Taps& taps, const float* samples, int64_t stride) {
    for (int64_t i = 0; i < taps.count; ++i) {
      for (int tap = 0; tap < kTaps; ++tap) {
        float* line = of_cell[taps.cell[tap][i]];
        for (int64_t c = 0; c < kChannels; ++c) line[c] += taps.weight[tap][i] * samples[i * stride + c];
      }
    }
  }
};

int64_t blocks_of(const PointSampleProblem& problem) { return (problem.channels + kChannels - 1) / kChannels; }

// Calls visit(first point, count) for each block of points of a row.
template <typename Visit>
void in_parts(const PointSampleProblem& problem, Visit visit) {
  for (int64_t first = 0; first < problem.points; first += kPoints) {
    visit(first, std::min(kPoints, problem.points - first));
  }
}

}  // namespace

// A task writes a block of channels of one row. All rows of a block follow each other and find its planes in the cache.
template <typename Value>
void point_sample_forward(const PointSampleProblem& problem, const Value* maps, const int32_t* map_index,
                          const float* points, float* samples) {
  const int64_t cells = problem.height * problem.width;
#pragma omp parallel for schedule(dynamic)
  for (int64_t task = 0; task < blocks_of(problem) * problem.rows; ++task) {
    const int64_t row = task % problem.rows, first_channel = task / problem.rows * kChannels;
    const int64_t channels = std::min(kChannels, problem.channels - first_channel);
    const int64_t map = map_index[row];
    const bool exists = map >= 0 && map < problem.maps;
    const bool in_lines = exists && CellLines::fit(cells, channels);
    const Value* planes = exists ? maps + (map * problem.channels + first_channel) * cells : nullptr;
    Taps taps;
    Samples block{};
    CellLines lines;
    if (in_lines) lines.load(planes, cells);
    in_parts(problem, [&](int64_t first, int64_t count) {
      const int64_t start = row * problem.points + first;
      taps.load(problem, points + 2 * start, count);
      if (in_lines) {
        lines.read(taps, samples + start * problem.channels + first_channel, problem.channels);
        return;
      }
      for (int64_t c = 0; c < channels && exists; ++c) read_plane(taps, planes + c * cells, block.of_channel[c]);
      block.store(samples + start * problem.channels + first_channel, problem.channels, channels, count);
    });
  }
}

template void point_sample_forward(const PointSampleProblem&, const float*, const int32_t*, const float*, float*);
template void point_sample_forward(const PointSampleProblem&, const uint8_t*, const int32_t*, const float*, float*);

// A task owns a block of a map's planes, so no sum depends on the number of threads.
void point_sample_backward(const PointSampleProblem& problem, const float* sample_gradient, const int32_t* map_index,
                           const float* points, float* gradient) {
  const int64_t cells = problem.height * problem.width, blocks = blocks_of(problem);
#pragma omp parallel for schedule(dynamic)
  for (int64_t task = 0; task < problem.maps * blocks; ++task) {
    const int64_t map = task / blocks, first_channel = task % blocks * kChannels;
    const int64_t channels = std::min(kChannels, problem.channels - first_channel);
    float* planes = gradient + (map * problem.channels + first_channel) * cells;
    std::fill_n(planes, channels * cells, 0.0f);
    const bool in_lines = CellLines::fit(cells, channels);
    Taps taps;
    Samples block;
    CellLines lines;
    if (in_lines) lines.load(planes, cells);
    for (int64_t row = 0; row < problem.rows; ++row) {
      if (map_index[row] != map) continue;
      in_parts(problem, [&](int64_t first, int64_t count) {
        const int64_t start = row * problem.points + first;
        const float* from = sample_gradient + start * problem.channels + first_channel;
        taps.load(problem, points + 2 * start, count);
        if (in_lines) {
          lines.spread(taps, from, problem.channels);
          return;
        }
        block.load(from, problem.channels, channels, count);
        for (int64_t c = 0; c < channels; ++c) spread_plane(taps, block.of_channel[c], planes + c * cells);
      });
    }
    if (in_lines) lines.store(planes, cells);
  }
}

}  // namespace mindrcnn
