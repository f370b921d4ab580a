#include "winograd_weights.h"

#include "winograd_tiles.h"

namespace mindrcnn {
namespace {

constexpr int kWeights = 9;
constexpr int kWhole = kWeights / kLanes * kLanes;  // weights of a filter that are read as vectors

// Reads kLanes filters that lie one after another, one into each lane.
__attribute__((always_inline)) inline void read_filters(const float* from, Lanes (&to)[kWeights]) {
  for (int i = 0; i < kWhole; i += kLanes) {
    Lanes some[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) some[lane] = load(from + lane * kWeights + i);
    transpose(some);
    for (int j = 0; j < kLanes; ++j) to[i + j] = some[j];
  }
  for (int i = kWhole; i < kWeights; ++i) {
    float rest[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) rest[lane] = from[lane * kWeights + i];
    to[i] = load(rest);
  }
}

// Transforms kRows rows, each at kLanes columns.
void transform_rows(const WeightView& weight, int64_t row, int64_t column, int64_t point_step, float* to) {
  Lanes transformed[kRows][kPoints];
  for (int i = 0; i < kRows; ++i) {
    Lanes nine[kWeights];
    read_filters(weight.values + ((row + i) * weight.columns + column) * kWeights, nine);
    for (Lanes& values : nine) values *= weight.scale[row + i];
    transform_weight(nine, transformed[i]);
  }
  for (int p = 0; p < kPoints; ++p) {
    Lanes rows[kRows];
    for (int i = 0; i < kRows; ++i) rows[i] = transformed[i][p];
    interleave(rows);
    for (int i = 0; i < kRows; ++i) store(to + p * point_step + column * kRows + i * kLanes, rows[i]);
  }
}

// Transforms kLanes rows, turned around, at one column.
void transform_turned(const WeightView& weight, int64_t row, int64_t column, int64_t point_step, float* to) {
  Lanes nine[kWeights], transformed[kPoints];
  read_filters(weight.values + (column * weight.rows + row) * kWeights, nine);
  std::reverse(nine, nine + kWeights);
  for (Lanes& values : nine) values *= weight.scale[column];
  transform_weight(nine, transformed);
  for (int p = 0; p < kPoints; ++p) {
    float lanes[kLanes];
    store(lanes, transformed[p]);
    for (int i = 0; i < kLanes; i += kRows) {
      std::copy_n(lanes + i, kRows, to + p * point_step + i * weight.columns + column * kRows);
    }
  }
}

}  // namespace

void transform_weights(const WeightView& weight, int64_t first, int64_t count, int64_t point_step, float* points) {
  const int64_t row_step = weight.transposed ? kLanes : kRows, column_step = weight.transposed ? 1 : kLanes;
  for (int64_t row = 0; row < count; row += row_step) {
    for (int64_t column = 0; column < weight.columns; column += column_step) {
      (weight.transposed ? transform_turned : transform_rows)(weight, first + row, column, point_step,
                                                              points + row * weight.columns);
    }
  }
}

}  // namespace mindrcnn
