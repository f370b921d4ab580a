#include "conv3x3.h"

#include <omp.h>

#include <algorithm>

#include "products.h"
#include "scratch.h"
#include "winograd_tiles.h"

namespace mindrcnn {
namespace {

constexpr int64_t kRowsOfTask = 4 * kRows;  // output channels that one thread computes at a time
constexpr int kSumPoint = kPatch + 1;  // point of a transformed gradient that holds the sum of the tile

// Floats between the values of one point and those of the next. Without them the points of a tile would lie whole pages
// apart, where they drive each other out of the cache.
constexpr int64_t kGap = 16;

static_assert(kChannelStep % kRowsOfTask == 0 && kChannelStep % kColumns == 0, "channels come in whole blocks");

// A weight, read as it is or as the convolution that turns the gradient of y into that of x.
struct WeightView {
  const float* values;
  const float* scale;
  int64_t rows;     // channels that come out
  int64_t columns;  // input channels
  bool transposed;

  const float* at(int64_t row, int64_t column) const {
    return values + (transposed ? column * rows + row : row * columns + column) * 9;
  }
};

// Fills points[p][row / kRows][column][row % kRows], the order in which products read them; points lie point_step apart.
// Called within an OpenMP region.
void transform_weights(const WeightView& weight, int64_t point_step, float* points) {
  constexpr int kColumnsPerVector = kLanes / kRows;
#pragma omp for
  for (int64_t group = 0; group < weight.rows / kRows; ++group) {
    for (int64_t column = 0; column < weight.columns; column += kColumnsPerVector) {
      float nine[9][kLanes];
      for (int lane = 0; lane < kLanes; ++lane) {
        const float* from = weight.at(group * kRows + lane % kRows, column + lane / kRows);
        const float scale = weight.scale[weight.transposed ? column + lane / kRows : group * kRows + lane % kRows];
        for (int i = 0; i < 9; ++i) nine[weight.transposed ? 8 - i : i][lane] = scale * from[i];
      }
      Lanes values[9], transformed[kPoints];
      for (int i = 0; i < 9; ++i) values[i] = load(nine[i]);
      transform_weight(values, transformed);
      for (int p = 0; p < kPoints; ++p) {
        store(points + p * point_step + (group * weight.columns + column) * kRows, transformed[p]);
      }
    }
  }
}

// Computes products[p][row][tile] of kRowsOfTask rows: weights times inputs[p][panel][column][tile of the panel].
void multiply_task(const float* weights, const float* inputs, int64_t columns, int64_t tiles, float* products) {
  for (int64_t first = 0; first < tiles; first += kPanel) {
    for (int64_t group = 0; group < kRowsOfTask / kRows; ++group) {
      multiply_panel(weights + group * columns * kRows, inputs + first * columns, columns,
                     std::min(tiles - first, kPanel), products + group * kRows * kBlock + first, kBlock);
    }
  }
}

void clear_invalid(const ConvProblem& problem, int64_t channels, float* map) {
  const int64_t size = channels * problem.height * problem.width;
  for (int64_t image = 0; image < problem.images; ++image) {
    if (!problem.valid[image]) std::fill_n(map + image * size, size, 0.0f);
  }
}

// Convolves `input` with `weight`. All threads work on one block of tiles after the other, so that its
// transforms stay in the shared cache, and maps of few tiles still occupy all threads.
void convolve(const ConvProblem& problem, const MapView& input, const WeightView& weight, const float* bias, bool relu,
              float* output) {
  const Tiling tiling(problem.images, problem.height, problem.width, problem.valid);
  const int64_t rows = weight.rows, columns = weight.columns;
  clear_invalid(problem, rows, output);
  if (tiling.blocks() == 0) return;
  const int64_t weight_step = rows * columns + kGap, input_step = columns * kBlock + kGap;
  const int64_t product_step = rows * kBlock + kGap;
  Scratch scratch(kPoints * (weight_step + input_step + product_step));
  float* const weights = scratch.take(kPoints * weight_step);
  float* const inputs = scratch.take(kPoints * input_step);
  float* const products = scratch.take(kPoints * product_step);
#pragma omp parallel
  {
    transform_weights(weight, weight_step, weights);
    for (int64_t block = 0; block < tiling.blocks(); ++block) {
      const Run *begin = tiling.begin(block), *end = tiling.end(block);
      const int64_t tiles = tiling.padded_tiles(block);
#pragma omp for
      for (int64_t column = 0; column < columns; ++column) {
        transform_inputs(input, column, begin, end, tiles, inputs + column * kPanel,
                         {input_step, columns * kPanel});
      }
#pragma omp for collapse(2)
      for (int64_t p = 0; p < kPoints; ++p) {
        for (int64_t row = 0; row < rows; row += kRowsOfTask) {
          multiply_task(weights + p * weight_step + row * columns, inputs + p * input_step, columns, tiles,
                        products + p * product_step + row * kBlock);
        }
      }
      // No thread waits at the end of this loop, because another loop comes before the next write to `products`.
#pragma omp for nowait
      for (int64_t row = 0; row < rows; ++row) {
        write_outputs(products + row * kBlock, product_step, bias == nullptr ? 0.0f : bias[row], relu, rows, row,
                      problem.height, problem.width, begin, end, output);
      }
    }
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
  convolve(problem, {x, nullptr, problem.in_channels, problem.height, problem.width},
           {weight, scale, problem.out_channels, problem.in_channels, false}, bias, problem.relu, y);
}

void conv3x3_input_gradient(const ConvProblem& problem, const float* y_gradient, const float* y, const float* weight,
                            const float* scale, float* x_gradient) {
  convolve(problem, {y_gradient, problem.relu ? y : nullptr, problem.out_channels, problem.height, problem.width},
           {weight, scale, problem.in_channels, problem.out_channels, true}, nullptr, false, x_gradient);
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
