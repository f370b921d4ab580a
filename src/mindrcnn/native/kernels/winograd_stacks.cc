#include "winograd_stacks.h"

#include <algorithm>

#include "winograd_transforms.h"

namespace mindrcnn {
namespace {

constexpr int64_t kMostPixels = kMostSide * kMostSide;

// Reads a channel of kLanes images, zeros where the mask is not positive, to pixels[y * width + x].
void read_images(const MapView& map, int64_t channel, const int64_t* images, Lanes* pixels) {
  const int64_t size = map.height * map.width;
  for (int64_t i = 0; i < size; i += kLanes) {
    const int64_t first = std::min(i, size - kLanes);
    Lanes rows[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      const int64_t place = (images[lane] * map.channels + channel) * size + first;
      rows[lane] = load(map.values + place);
      if (map.mask != nullptr) rows[lane] = load(map.mask + place) > 0.0f ? rows[lane] : Lanes{};
    }
    transpose(rows);
    for (int j = 0; j < kLanes; ++j) pixels[first + j] = rows[j];
  }
}

// The inverse, for the first `used` images.
void write_images(const Lanes* pixels, int64_t size, int64_t channels, int64_t channel, const int64_t* images,
                  int64_t used, float* map) {
  for (int64_t i = 0; i < size; i += kLanes) {
    const int64_t first = std::min(i, size - kLanes);
    Lanes rows[kLanes];
    for (int j = 0; j < kLanes; ++j) rows[j] = pixels[first + j];
    transpose(rows);
    for (int lane = 0; lane < used; ++lane) store(map + (images[lane] * channels + channel) * size + first, rows[lane]);
  }
}

// Where a vector of a point's tiles lies.
int64_t in_panels(int64_t vector, int64_t panel_step) {
  constexpr int64_t kVectors = kPanel / kLanes;
  return vector / kVectors * panel_step + vector % kVectors * kLanes;
}

// Transforms the tiles of one row of tiles. columns[i][x + 1]: vertically transformed, zeros outside the map.
template <bool ShortRow>
void transform_row(const Lanes (*columns)[kMostSide + kPatch], int64_t row, const StackLayout& layout, int64_t stack,
                   float* to, PointLayout points) {
  const int64_t whole = layout.place(ShortRow, false, stack) + row * layout.columns.whole;
  const int64_t shorts = layout.place(ShortRow, true, stack) + row;
  for (int i = 0; i < kPatch; ++i) {
    if (ShortRow && !is_short_point(i)) continue;
    float* const of_row = to + i * kPatch * points.point_step;
    int64_t firsts[kPatch];
    for (int j = 0; j < kPatch; ++j) firsts[j] = layout.range(i, j).first;
    Lanes values[kPatch];
    for (int64_t tile = 0; tile < layout.columns.whole; ++tile) {
      input_transform(columns[i] + kTile * tile, values, 1);
      for (int j = 0; j < kPatch; ++j) {
        store(of_row + j * points.point_step + in_panels(whole + tile - firsts[j], points.panel_step), values[j]);
      }
    }
    if (layout.columns.shorts == 0) continue;
    short_input_transform(columns[i] + kTile * layout.columns.whole, values, 1);
    for (int j = 0; j < kPatch; ++j) {
      if (!is_short_point(j)) continue;
      store(of_row + j * points.point_step + in_panels(shorts - firsts[j], points.panel_step), values[j]);
    }
  }
}

// Transforms one tile's points to its outputs, ShortRow ? 2 : 4 by ShortColumn ? 2 : 4 at to[y * kTile + x].
template <bool ShortRow, bool ShortColumn>
void transform_tile(const float* points, int64_t point_step, const StackLayout& layout, int64_t vector, Lanes* to) {
  Lanes columns[kTile][kPatch];
  for (int j = 0; j < kPatch; ++j) {
    if (ShortColumn && !is_short_point(j)) continue;
    Lanes from[kPatch];
    for (int i = 0; i < kPatch; ++i) {
      if (ShortRow && !is_short_point(i)) continue;
      const int64_t place = vector - layout.range(i, j).first;
      from[i] = load(points + (i * kPatch + j) * point_step + place * kLanes);
    }
    (ShortRow ? short_output_transform : output_transform)(from, columns[0] + j, kPatch);
  }
  for (int64_t y = 0; y < (ShortRow ? kShortTile : kTile); ++y) {
    (ShortColumn ? short_output_transform : output_transform)(columns[y], to + y * kTile, 1);
  }
}

using TileTransform = void (*)(const float*, int64_t, const StackLayout&, int64_t, Lanes*);

constexpr TileTransform kTileTransforms[2][2] = {{transform_tile<false, false>, transform_tile<false, true>},
                                                 {transform_tile<true, false>, transform_tile<true, true>}};

}  // namespace

bool fits_stacks(const ConvProblem& problem) {
  return problem.images >= kLanes && problem.pixels() >= kLanes && problem.height <= kMostSide &&
         problem.width <= kMostSide;
}

SideTiles::SideTiles(int64_t side) : whole(side / kTile), shorts(0) {
  const int64_t rest = side % kTile;
  if (rest > kShortTile) {
    ++whole;
  } else if (rest > 0) {
    shorts = 1;
  }
}

StackLayout::StackLayout(int64_t height, int64_t width, int64_t stacks)
    : rows(height), columns(width),
      tiles_{rows.shorts * columns.shorts, rows.whole * columns.shorts, rows.whole * columns.whole,
             rows.shorts * columns.whole} {
  starts_[0] = 0;
  for (int part = 0; part < 4; ++part) starts_[part + 1] = starts_[part] + stacks * tiles_[part];
}

int64_t StackLayout::place(bool short_row, bool short_column, int64_t stack) const {
  const int part = short_column ? !short_row : 2 + short_row;
  return starts_[part] + stack * tiles_[part];
}

Range StackLayout::range(int i, int j) const {
  const bool row = is_short_point(i), column = is_short_point(j);
  return {starts_[!column ? 2 : !row], starts_[row ? 4 : 3]};
}

Stacks::Stacks(int64_t images, const uint8_t* valid) {
  for (int64_t image = 0; image < images; ++image) {
    if (valid[image]) images_.push_back(image);
  }
  valid_ = static_cast<int64_t>(images_.size());
  while (images_.size() % kLanes != 0) images_.push_back(images_.back());
}

void transform_stack(const MapView& map, int64_t channel, const int64_t* images, const StackLayout& layout,
                     int64_t stack, float* to, PointLayout points) {
  Lanes pixels[kMostPixels], columns[kPatch][kMostSide + kPatch];
  read_images(map, channel, images, pixels);
  for (Lanes(&row)[kMostSide + kPatch] : columns) {
    row[0] = Lanes{};
    for (int64_t x = map.width; x < map.width + kPatch - 1; ++x) row[x + 1] = Lanes{};
  }
  for (int64_t row = 0; row < layout.rows.whole + layout.rows.shorts; ++row) {
    const bool short_row = row == layout.rows.whole;
    for (int64_t x = 0; x < map.width; ++x) {
      Lanes from[kPatch];
      for (int i = 0; i < kPatch; ++i) {
        const int64_t y = kTile * row + i - 1;
        from[i] = y >= 0 && y < map.height ? pixels[y * map.width + x] : Lanes{};
      }
      (short_row ? short_input_transform : input_transform)(from, columns[0] + x + 1, kMostSide + kPatch);
    }
    if (short_row) {
      transform_row<true>(columns, 0, layout, stack, to, points);
    } else {
      transform_row<false>(columns, row, layout, stack, to, points);
    }
  }
}

void write_stack(const float* points, int64_t point_step, float bias, bool relu, int64_t channels, int64_t channel,
                 int64_t height, int64_t width, const int64_t* images, int64_t used, const StackLayout& layout,
                 int64_t stack, float* map) {
  Lanes pixels[kMostPixels];
  for (int64_t row = 0; row < layout.rows.whole + layout.rows.shorts; ++row) {
    for (int64_t column = 0; column < layout.columns.whole + layout.columns.shorts; ++column) {
      const bool short_row = row == layout.rows.whole, short_column = column == layout.columns.whole;
      const int64_t before = short_row ? 0 : row * (short_column ? 1 : layout.columns.whole);
      const int64_t vector = layout.place(short_row, short_column, stack) + before + (short_column ? 0 : column);
      Lanes outputs[kTile * kTile];
      kTileTransforms[short_row][short_column](points, point_step, layout, vector, outputs);
      const int64_t high = std::min<int64_t>(height - kTile * row, short_row ? kShortTile : kTile);
      const int64_t wide = std::min<int64_t>(width - kTile * column, short_column ? kShortTile : kTile);
      for (int64_t y = 0; y < high; ++y) {
        for (int64_t x = 0; x < wide; ++x) {
          const Lanes value = outputs[y * kTile + x] + bias;
          pixels[(kTile * row + y) * width + kTile * column + x] = relu ? (value < 0.0f ? Lanes{} : value) : value;
        }
      }
    }
  }
  write_images(pixels, height * width, channels, channel, images, used, map);
}

}  // namespace mindrcnn
