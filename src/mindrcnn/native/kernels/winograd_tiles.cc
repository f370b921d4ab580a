#include "winograd_tiles.h"

#include <algorithm>
#include <cstring>

#include "winograd_transforms.h"

namespace mindrcnn {
namespace {

// One-dimensional, as in winograd_transforms.h.
void gradient_transform(const Lanes* y, Lanes* to, int step) {
  const Lanes even = y[0] + y[2], odd = y[1] + y[3];
  const Lanes even_two = y[0] + 4.0f * y[2], odd_two = 2.0f * y[1] + 8.0f * y[3];
  to[0] = y[0];
  to[step] = even + odd;
  to[2 * step] = even - odd;
  to[3 * step] = even_two + odd_two;
  to[4 * step] = even_two - odd_two;
  to[5 * step] = y[3];
}

// Transforms the rows, then the columns, of From x From values into To x To: from[i * From + j], vectors of tiles.
template <int From, int To, void (*transform)(const Lanes*, Lanes*, int)>
void transform_both(const Lanes* from, Lanes* to) {
  Lanes columns[To * From];
  for (int j = 0; j < From; ++j) {
    Lanes column[From];
    for (int i = 0; i < From; ++i) column[i] = from[i * From + j];
    transform(column, columns + j, From);
  }
  for (int i = 0; i < To; ++i) transform(columns + i * From, to + i * To, 1);
}

int64_t tiles_along(int64_t side) { return (side + kTile - 1) / kTile; }

int64_t whole_lanes(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

constexpr int64_t kMostTiles = kBlock + kLanes;
constexpr int64_t kMostColumns = kTile * (kMostTiles + kLanes);

// Reads `length` values of a row, starting at column `first`; values outside the map are zeros.
void read_row(const MapView& map, int64_t plane, int64_t y, int64_t first, int64_t length, float* to) {
  const int64_t low = std::clamp<int64_t>(-first, 0, length), high = std::clamp(map.width - first, low, length);
  if (y < 0 || y >= map.height) {
    std::fill_n(to, length, 0.0f);
    return;
  }
  const int64_t start = (plane * map.height + y) * map.width + first;
  std::fill_n(to, low, 0.0f);
  if (map.mask == nullptr) {
    std::copy(map.values + start + low, map.values + start + high, to + low);
  } else {
    for (int64_t x = low; x < high; ++x) to[x] = map.mask[start + x] > 0 ? map.values[start + x] : 0.0f;
  }
  std::fill(to + high, to + length, 0.0f);
}

// Transforms the tiles of a run, Side x Side values each, into planes[p][run.at + tile]; writes up to kLanes - 1 values
// after the last tile. Neighbouring tiles share the columns of which they consist, so columns are transformed first.
template <int Side, void (*transform)(const Lanes*, Lanes*, int)>
void transform_run(const MapView& map, int64_t channel, const Run& run, float (*planes)[kMostTiles]) {
  constexpr int kBefore = (Side - kTile) / 2;
  alignas(64) float rows[Side][kMostColumns], columns[kPatch][kMostColumns];
  const int64_t tiles = whole_lanes(run.count), length = kTile * (tiles + kLanes);
  for (int i = 0; i < Side; ++i) {
    read_row(map, run.image * map.channels + channel, kTile * run.row + i - kBefore, kTile * run.column - kBefore,
             length, rows[i]);
  }
  for (int64_t x = 0; x < length; x += kLanes) {
    Lanes from[Side], to[kPatch];
    for (int i = 0; i < Side; ++i) from[i] = load(rows[i] + x);
    transform(from, to, 1);
    for (int i = 0; i < kPatch; ++i) store(columns[i] + x, to[i]);
  }
  for (int i = 0; i < kPatch; ++i) {
    // Value 4 t + q of the row is phases[q][t].
    alignas(64) float phases[kTile][kMostTiles + kLanes];
    for (int64_t t = 0; t < tiles + kLanes; t += kLanes) {
      const float* four = columns[i] + kTile * t;
      Lanes even[2], odd[2], phase[kTile];
      part(load(four), load(four + kLanes), even[0], odd[0]);
      part(load(four + 2 * kLanes), load(four + 3 * kLanes), even[1], odd[1]);
      part(even[0], even[1], phase[0], phase[2]);
      part(odd[0], odd[1], phase[1], phase[3]);
      for (int q = 0; q < kTile; ++q) store(phases[q] + t, phase[q]);
    }
    for (int64_t t = 0; t < tiles; t += kLanes) {
      Lanes from[Side], to[kPatch];
      for (int j = 0; j < Side; ++j) from[j] = load(phases[j % kTile] + t + j / kTile);
      transform(from, to, 1);
      for (int j = 0; j < kPatch; ++j) store(planes[i * kPatch + j] + run.at + t, to[j]);
    }
  }
}

// Transforms the tiles of a block, in the order of the runs, each of which may overwrite what follows the one before.
template <int Side, void (*transform)(const Lanes*, Lanes*, int)>
void transform_tiles(const MapView& map, int64_t channel, const Run* begin, const Run* end, int64_t padded, float* to,
                     PointLayout layout) {
  alignas(64) float planes[kPoints][kMostTiles];
  for (const Run* run = begin; run != end; ++run) transform_run<Side, transform>(map, channel, *run, planes);
  const int64_t filled = end[-1].at + end[-1].count;
  for (int p = 0; p < kPoints; ++p) {
    std::fill(planes[p] + filled, planes[p] + padded, 0.0f);
    for (int64_t t = 0; t < padded; t += kLanes) {
      store(to + t / kPanel * layout.panel_step + t % kPanel + p * layout.point_step, load(planes[p] + t));
    }
  }
}

}  // namespace

Tiling::Tiling(int64_t images, int64_t height, int64_t width, const uint8_t* valid) : starts_{0} {
  const int64_t rows = tiles_along(height), columns = tiles_along(width);
  int64_t at = 0;
  for (int64_t image = 0; image < images; ++image) {
    if (!valid[image]) continue;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns;) {
        if (at == kBlock) {
          starts_.push_back(static_cast<int64_t>(runs_.size()));
          at = 0;
        }
        const int64_t count = std::min(columns - column, kBlock - at);
        runs_.push_back({image, row, column, count, at});
        column += count;
        at += count;
      }
    }
  }
  if (at > 0) starts_.push_back(static_cast<int64_t>(runs_.size()));
}

int64_t Tiling::tiles(int64_t block) const {
  const Run& last = end(block)[-1];
  return last.at + last.count;
}

int64_t Tiling::padded_tiles(int64_t block) const { return whole_lanes(tiles(block)); }

void transform_inputs(const MapView& map, int64_t channel, const Run* begin, const Run* end, int64_t padded,
                      float* to, PointLayout layout) {
  transform_tiles<kPatch, input_transform>(map, channel, begin, end, padded, to, layout);
}

void transform_gradients(const MapView& map, int64_t channel, const Run* begin, const Run* end, int64_t padded,
                         float* to, PointLayout layout) {
  transform_tiles<kTile, gradient_transform>(map, channel, begin, end, padded, to, layout);
}

void write_outputs(const float* points, int64_t point_step, float bias, bool relu, int64_t channels, int64_t channel,
                   int64_t height, int64_t width, const Run* begin, const Run* end, float* map) {
  alignas(64) float outputs[kTile][kTile][kMostTiles];
  const Run& last = end[-1];
  for (int64_t t = 0; t < last.at + last.count; t += kLanes) {
    Lanes from[kPoints], to[kTile * kTile];
    for (int p = 0; p < kPoints; ++p) from[p] = load(points + p * point_step + t);
    transform_both<kPatch, kTile, output_transform>(from, to);
    for (int i = 0; i < kTile * kTile; ++i) {
      const Lanes value = to[i] + bias;
      store(&outputs[i / kTile][i % kTile][t], relu ? (value < 0.0f ? Lanes{} : value) : value);
    }
  }
  for (const Run* run = begin; run != end; ++run) {
    const int64_t first = kTile * run->column;
    const int64_t columns = std::min(kTile * run->count, width - first);
    for (int i = 0; i < kTile && kTile * run->row + i < height; ++i) {
      const int64_t y = kTile * run->row + i;
      float* const to = map + ((run->image * channels + channel) * height + y) * width + first;
      for (int64_t x = 0; x < columns; x += kTile * kLanes) {
        const int64_t t = run->at + x / kTile;
        Lanes even[2], odd[2], four[kTile];
        join(load(outputs[i][0] + t), load(outputs[i][2] + t), even[0], even[1]);
        join(load(outputs[i][1] + t), load(outputs[i][3] + t), odd[0], odd[1]);
        join(even[0], odd[0], four[0], four[1]);
        join(even[1], odd[1], four[2], four[3]);
        if (columns - x >= kTile * kLanes) {
          std::memcpy(to + x, four, sizeof(four));
        } else {
          std::memcpy(to + x, four, (columns - x) * sizeof(float));
        }
      }
    }
  }
}

namespace {

// Weights are multiplied on both sides by the rows (1/4, 0, 0), (-1, -1, -1)/6, (-1, 1, -1)/6, (1, 2, 4)/24,
// (1, -2, 4)/24 and (0, 0, 1).
void weight_transform(const Lanes* w, Lanes* to, int step) {
  const Lanes ends = (w[0] + w[2]) * (-1 / 6.0f), middle = w[1] * (1 / 6.0f);
  const Lanes ends_two = w[0] * (1 / 24.0f) + w[2] * (1 / 6.0f), middle_two = w[1] * (1 / 12.0f);
  to[0] = w[0] * 0.25f;
  to[step] = ends - middle;
  to[2 * step] = ends + middle;
  to[3 * step] = ends_two + middle_two;
  to[4 * step] = ends_two - middle_two;
  to[5 * step] = w[2];
}

void weight_gradient_transform(const Lanes* p, Lanes* to, int step) {
  const Lanes sum = (p[1] + p[2]) * (-1 / 6.0f), sum_two = p[3] + p[4];
  to[0] = p[0] * 0.25f + sum + sum_two * (1 / 24.0f);
  to[step] = (p[2] - p[1]) * (1 / 6.0f) + (p[3] - p[4]) * (1 / 12.0f);
  to[2 * step] = sum + sum_two * (1 / 6.0f) + p[5];
}

}  // namespace

void transform_weight(const Lanes* weight, Lanes* points) { transform_both<3, kPatch, weight_transform>(weight, points); }

void weight_gradient_of(const Lanes* points, Lanes* gradient) {
  transform_both<kPatch, 3, weight_gradient_transform>(points, gradient);
}

}  // namespace mindrcnn
