// Transforms of many small maps, of boxes, to and from the tiles of Winograd's F(4x4, 3x3): an image in each lane.
#ifndef MINDRCNN_NATIVE_WINOGRAD_STACKS_H_
#define MINDRCNN_NATIVE_WINOGRAD_STACKS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "conv_problem.h"
#include "winograd_tiles.h"

namespace mindrcnn {

constexpr int64_t kMostSide = 28;    // of a small map
constexpr int64_t kBlockTiles = 16;  // vectors of tiles that are transformed at a time, unless one stack has more
constexpr int64_t kShortTile = 2;    // outputs along one side of a short tile

// Whether maps are small and many enough.
bool fits_stacks(const ConvProblem& problem);

// One side of a map in tiles: whole ones, and a short one if at most kShortTile outputs are left over. A short tile has
// the points 0, 1, -1 and infinity only, F(2, 3) with the weights of F(4, 3).
struct SideTiles {
  explicit SideTiles(int64_t side);

  int64_t whole;
  int64_t shorts;  // 0 or 1
};

inline bool is_short_point(int point) { return point < 3 || point == kPatch - 1; }

struct Range {
  int64_t first;
  int64_t last;  // exclusive

  int64_t size() const { return last - first; }
};

// The order of a block's vectors of tiles: those short in both directions, in the horizontal one, in none, in the
// vertical one. So the tiles that have a point are neighbours. Each part goes stack by stack.
class StackLayout {
 public:
  StackLayout(int64_t height, int64_t width, int64_t stacks);

  // The place of the first tile of that kind of a stack.
  int64_t place(bool short_row, bool short_column, int64_t stack) const;
  // The vectors that have point (i, j).
  Range range(int i, int j) const;
  int64_t size() const { return starts_[4]; }

  const SideTiles rows, columns;

 private:
  int64_t starts_[5];  // of the four parts, and the end
  int64_t tiles_[4];   // of a stack in each part
};

// The valid images, kLanes to a stack; the last one repeats an image in the lanes that are left over.
class Stacks {
 public:
  Stacks(int64_t images, const uint8_t* valid);

  int64_t count() const { return static_cast<int64_t>(images_.size()) / kLanes; }
  const int64_t* images(int64_t stack) const { return images_.data() + stack * kLanes; }
  // The number of lanes that are not repetitions.
  int64_t used(int64_t stack) const { return std::min<int64_t>(kLanes, valid_ - stack * kLanes); }

 private:
  std::vector<int64_t> images_;
  int64_t valid_;
};

// Transforms a channel of a stack to vectors v of point p, at to[p * point_step + v / 3 * panel_step + v % 3 * kLanes],
// counted from the first vector that has the point.
void transform_stack(const MapView& map, int64_t channel, const int64_t* images, const StackLayout& layout,
                     int64_t stack, float* to, PointLayout points);

// Transforms points[p * point_step + v * kLanes], counted likewise, to outputs in one channel of `used` images.
void write_stack(const float* points, int64_t point_step, float bias, bool relu, int64_t channels, int64_t channel,
                 int64_t height, int64_t width, const int64_t* images, int64_t used, const StackLayout& layout,
                 int64_t stack, float* map);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_WINOGRAD_STACKS_H_
