#include "conv3x3.h"

#include <omp.h>

#include <algorithm>

#include "products.h"
#include "scratch.h"
#include "winograd_stacks.h"
#include "winograd_tiles.h"
#include "winograd_weights.h"

namespace mindrcnn {
namespace {

constexpr int64_t kMostRows = 4 * kRows;  // output channels that one thread computes at a time
constexpr int64_t kLeastRows = std::max<int64_t>(kRows, kLanes);
constexpr int kSumPoint = kPatch + 1;  // point of a transformed gradient that holds the sum of the tile

// Floats between the values of one point and those of the next. Without them the points of a tile would lie whole pages
// apart, where they drive each other out of the cache.
constexpr int64_t kGap = 16;

static_assert(kChannelStep % kMostRows == 0 && kChannelStep % kColumns == 0, "channels come in whole blocks");

// Bias and ReLU of a convolution.
struct Finish {
  const float* bias;
  bool relu;

  float bias_of(int64_t row) const { return bias == nullptr ? 0.0f : bias[row]; }
};

// The tiles of whole maps, a few rows of tiles at a time.
class MapBlocks {
 public:
  explicit MapBlocks(const ConvProblem& problem)
      : problem_(problem), tiling_(problem.images, problem.height, problem.width, problem.valid) {}

  int64_t count() const { return tiling_.blocks(); }
  int64_t most_tiles() const { return kBlock; }
  int64_t tiles(int64_t block, int) const { return tiling_.padded_tiles(block); }
  void transform(int64_t block, const MapView& map, int64_t channel, float* to, PointLayout points) const {
    transform_inputs(map, channel, tiling_.begin(block), tiling_.end(block), tiling_.padded_tiles(block), to, points);
  }
  void write(int64_t block, const float* products, int64_t point_step, const Finish& finish, int64_t channels,
             int64_t channel, float* map) const {
    write_outputs(products, point_step, finish.bias_of(channel), finish.relu, channels, channel, problem_.height,
                  problem_.width, tiling_.begin(block), tiling_.end(block), map);
  }

 private:
  const ConvProblem& problem_;
  Tiling tiling_;
};

// The tiles of small maps, a few stacks at a time.
class StackBlocks {
 public:
  explicit StackBlocks(const ConvProblem& problem)
      : problem_(problem), stacks_(problem.images, problem.valid),
        tiles_of_stack_(StackLayout(problem.height, problem.width, 1).size()),
        step_(std::clamp<int64_t>(kBlockTiles / tiles_of_stack_, 1, std::max<int64_t>(stacks_.count(), 1))) {}

  int64_t count() const { return (stacks_.count() + step_ - 1) / step_; }
  int64_t most_tiles() const { return (step_ * tiles_of_stack_ * kLanes + kPanel - 1) / kPanel * kPanel; }
  int64_t tiles(int64_t block, int p) const { return layout(block).range(p / kPatch, p % kPatch).size() * kLanes; }
  void transform(int64_t block, const MapView& map, int64_t channel, float* to, PointLayout points) const {
    for (int64_t stack = 0; stack < stacks(block); ++stack) {
      transform_stack(map, channel, stacks_.images(block * step_ + stack), layout(block), stack, to, points);
    }
  }
  void write(int64_t block, const float* products, int64_t point_step, const Finish& finish, int64_t channels,
             int64_t channel, float* map) const {
    for (int64_t stack = 0; stack < stacks(block); ++stack) {
      const int64_t number = block * step_ + stack;
      write_stack(products, point_step, finish.bias_of(channel), finish.relu, channels, channel, problem_.height,
                  problem_.width, stacks_.images(number), stacks_.used(number), layout(block), stack, map);
    }
  }

 private:
  int64_t stacks(int64_t block) const { return std::min(step_, stacks_.count() - block * step_); }
  StackLayout layout(int64_t block) const { return {problem_.height, problem_.width, stacks(block)}; }

  const ConvProblem& problem_;
  Stacks stacks_;
  int64_t tiles_of_stack_;
  int64_t step_;  // stacks of a block
};

// Computes products[p][row][tile] of `rows` rows, for all points: weights times inputs[p][panel][column][tile of the
// panel]. The tiles of a row lie most_tiles apart.
template <typename Blocks>
void multiply_task(const Blocks& blocks, int64_t block, const float* weights, int64_t weight_step, const float* inputs,
                   int64_t input_step, int64_t columns, int64_t rows, float* products, int64_t product_step) {
  const int64_t most_tiles = blocks.most_tiles();
  for (int p = 0; p < kPoints; ++p) {
    const int64_t tiles = blocks.tiles(block, p);
    for (int64_t first = 0; first < tiles; first += kPanel) {
      const float* const panel = inputs + p * input_step + first * columns;
      const float* const next =
          first + kPanel < tiles ? panel + kPanel * columns : inputs + std::min(p + 1, kPoints - 1) * input_step;
      for (int64_t row = 0; row < rows; row += kRows) {
        constexpr int kAhead = kPanel / (kMostRows / kRows);
        multiply_panel<kAhead>(weights + p * weight_step + row * columns, panel, columns,
                       std::min(tiles - first, kPanel), products + p * product_step + row * most_tiles + first,
                       most_tiles, next + row / kRows * columns * kAhead);
      }
    }
  }
}

// Output channels of a task: fewer where threads would be without one.
int64_t rows_of_task(int64_t rows, int64_t threads) {
  int64_t task = kMostRows;
  while (task / 2 >= kLeastRows && rows / task < threads) task /= 2;
  return task;
}

// Convolves `input` with `weight`. All threads work on one block of tiles after the other, so that its transforms stay
// in the shared cache, and maps of few tiles still occupy all threads. A thread transforms the weights of its task just
// before it multiplies them if there is only one block: they are far larger than the tiles and would leave the cache.
template <typename Blocks>
void convolve(const Blocks& blocks, const MapView& input, const WeightView& weight, const Finish& finish,
              float* output) {
  const int64_t rows = weight.rows, columns = weight.columns, threads = omp_get_max_threads();
  const int64_t task = rows_of_task(rows, threads), most_tiles = blocks.most_tiles();
  const bool single = blocks.count() == 1;
  const int64_t weight_step = (single ? task : rows) * columns + kGap, weight_copies = single ? threads : 1;
  const int64_t input_step = columns * most_tiles + kGap, product_step = task * most_tiles + kGap;
  Scratch scratch(kPoints * (weight_copies * weight_step + input_step + threads * product_step));
  float* const all_weights = scratch.take(kPoints * weight_copies * weight_step);
  float* const inputs = scratch.take(kPoints * input_step);
  float* const all_products = scratch.take(kPoints * threads * product_step);
#pragma omp parallel num_threads(static_cast<int>(threads))
  {
    float* const products = all_products + omp_get_thread_num() * kPoints * product_step;
    float* const own_weights = all_weights + omp_get_thread_num() * kPoints * weight_step;
    if (!single) {
#pragma omp for
      for (int64_t row = 0; row < rows; row += task) {
        transform_weights(weight, row, task, weight_step, all_weights + row * columns);
      }
    }
    for (int64_t block = 0; block < blocks.count(); ++block) {
#pragma omp for
      for (int64_t column = 0; column < columns; ++column) {
        blocks.transform(block, input, column, inputs + column * kPanel, {input_step, columns * kPanel});
      }
#pragma omp for
      for (int64_t row = 0; row < rows; row += task) {
        if (single) transform_weights(weight, row, task, weight_step, own_weights);
        multiply_task(blocks, block, single ? own_weights : all_weights + row * columns, weight_step, inputs,
                      input_step, columns, task, products, product_step);
        for (int64_t i = 0; i < task; ++i) {
          blocks.write(block, products + i * most_tiles, product_step, finish, rows, row + i, output);
        }
      }
    }
  }
}

void convolve_valid(const ConvProblem& problem, const MapView& input, const WeightView& weight, const Finish& finish,
                    float* output) {
  const int64_t size = weight.rows * problem.pixels();
  bool any = false;
  for (int64_t image = 0; image < problem.images; ++image) {
    if (!problem.valid[image]) std::fill_n(output + image * size, size, 0.0f);
    any = any || problem.valid[image];
  }
  if (!any || size == 0) return;
  if (fits_stacks(problem)) {
    convolve(StackBlocks(problem), input, weight, finish, output);
  } else {
    convolve(MapBlocks(problem), input, weight, finish, output);
  }
}

using Transform = void (*)(const MapView&, int64_t, const Run*, const Run*, int64_t, float*, PointLayout);

// Fills to[p][channel / width][tile][channel % width] for kLanes channels, starting at `channel`; `points` is scratch
// space, [channel][p][tile].
void transform_channels(Transform transform, const MapView& map, int64_t channel, int64_t width, const Tiling& tiling,
                        int64_t block, float* points, float* to) {
  const int64_t tiles = tiling.padded_tiles(block);
  for (int64_t i = 0; i < kLanes; ++i) {
    transform(map, channel + i, tiling.begin(block), tiling.end(block), tiles, points + i * kPoints * kBlock,
              {kBlock, kPanel});
  }
  for (int64_t p = 0; p < kPoints; ++p) {
    for (int64_t t = 0; t < tiles; t += kLanes) {
      transpose_into_panels(points + p * kBlock + t, kPoints * kBlock, channel, width, width * kBlock,
                            to + p * map.channels * kBlock + t * width);
    }
  }
}

void add_tile_sums(const float* points, int64_t tiles, float* sums) {
  for (int64_t i = 0; i < kLanes; ++i) {
    const float* values = points + (i * kPoints + kSumPoint) * kBlock;
    float sum = 0;
    for (int64_t t = 0; t < tiles; ++t) sum += values[t];
    sums[i] += sum;
  }
}

}  // namespace

void conv3x3_forward(const ConvProblem& problem, const float* x, const float* weight, const float* scale,
                     const float* bias, float* y) {
  convolve_valid(problem, {x, nullptr, problem.in_channels, problem.height, problem.width},
                 {weight, scale, problem.out_channels, problem.in_channels, false}, {bias, problem.relu}, y);
}

void conv3x3_input_gradient(const ConvProblem& problem, const float* y_gradient, const float* y, const float* weight,
                            const float* scale, float* x_gradient) {
  const float* const mask = problem.relu ? y : nullptr;
  convolve_valid(problem, {y_gradient, mask, problem.out_channels, problem.height, problem.width},
                 {weight, scale, problem.in_channels, problem.out_channels, true}, {nullptr, false}, x_gradient);
}

void conv3x3_weight_gradient(const ConvProblem& problem, const float* x, const float* y_gradient, const float* y,
                             const float* scale, float* weight_gradient, float* bias_gradient) {
  const Tiling tiling(problem.images, problem.height, problem.width, problem.valid);
  const int64_t rows = problem.out_channels, columns = problem.in_channels;
  const MapView inputs_map{x, nullptr, columns, problem.height, problem.width};
  const MapView gradients_map{y_gradient, problem.relu ? y : nullptr, rows, problem.height, problem.width};
  std::fill_n(bias_gradient, rows, 0.0f);
  if (tiling.blocks() == 0) {
    std::fill_n(weight_gradient, rows * columns * 9, 0.0f);
    return;
  }
  constexpr int64_t kOwnPoints = kLanes * kPoints * kBlock;  // per thread
  const int64_t threads = omp_get_max_threads();
  Scratch scratch(kPoints * (rows * columns + (rows + columns) * kBlock) + threads * kOwnPoints);
  float* const sums = scratch.take(kPoints * rows * columns);
  float* const inputs = scratch.take(kPoints * columns * kBlock);
  float* const gradients = scratch.take(kPoints * rows * kBlock);
  float* const all_points = scratch.take(threads * kOwnPoints);
#pragma omp parallel num_threads(static_cast<int>(threads))
  {
    float* const points = all_points + omp_get_thread_num() * kOwnPoints;
    for (int64_t block = 0; block < tiling.blocks(); ++block) {
      const int64_t tiles = tiling.padded_tiles(block);
#pragma omp for nowait
      for (int64_t channel = 0; channel < columns; channel += kLanes) {
        transform_channels(transform_inputs, inputs_map, channel, kColumns, tiling, block, points, inputs);
      }
#pragma omp for
      for (int64_t channel = 0; channel < rows; channel += kLanes) {
        transform_channels(transform_gradients, gradients_map, channel, kRows, tiling, block, points, gradients);
        add_tile_sums(points, tiles, bias_gradient + channel);
      }
#pragma omp for collapse(2)
      for (int64_t p = 0; p < kPoints; ++p) {
        for (int64_t row = 0; row < rows; row += kRows) {
          multiply_rows(gradients + (p * rows + row) * kBlock, inputs + p * columns * kBlock, kColumns * kBlock, tiles,
                        columns, sums + (p * rows + row) * columns, block > 0);
        }
      }
    }
#pragma omp for
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; column += kLanes) {
        Lanes values[kPoints], transformed[9];
        for (int64_t p = 0; p < kPoints; ++p) values[p] = load(sums + (p * rows + row) * columns + column);
        weight_gradient_of(values, transformed);
        float* to = weight_gradient + (row * columns + column) * 9;
        for (int lane = 0; lane < kLanes; ++lane) {
          for (int i = 0; i < 9; ++i) to[lane * 9 + i] = scale[row] * transformed[i][lane];
        }
      }
    }
  }
}

}  // namespace mindrcnn
