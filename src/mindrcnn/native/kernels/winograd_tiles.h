// Transforms of maps, gradients and weights to and from the tiles of Winograd's F(4x4, 3x3).
#ifndef MINDRCNN_NATIVE_WINOGRAD_TILES_H_
#define MINDRCNN_NATIVE_WINOGRAD_TILES_H_

#include <cstdint>
#include <vector>

#include "products.h"

namespace mindrcnn {

constexpr int kTile = 4;                      // outputs along one side of a tile
constexpr int kPatch = 6;                     // inputs along one side
constexpr int kPoints = kPatch * kPatch;      // values of a transformed tile
constexpr int64_t kBlock = 4 * kPanel;        // tiles transformed at a time, few enough to stay in the cache

// Neighbouring tiles of one row of tiles.
struct Run {
  int64_t image;
  int64_t row;     // of tiles
  int64_t column;  // of the first tile
  int64_t count;
  int64_t at;      // position of the first tile within its block
};

// All tiles of the valid images, cut into blocks of kBlock.
class Tiling {
 public:
  Tiling(int64_t images, int64_t height, int64_t width, const uint8_t* valid);

  int64_t blocks() const { return static_cast<int64_t>(starts_.size()) - 1; }
  const Run* begin(int64_t block) const { return runs_.data() + starts_[block]; }
  const Run* end(int64_t block) const { return runs_.data() + starts_[block + 1]; }
  // The number of tiles of a block, and that number rounded up to whole vectors.
  int64_t tiles(int64_t block) const;
  int64_t padded_tiles(int64_t block) const;

 private:
  std::vector<Run> runs_;
  std::vector<int64_t> starts_;  // first run of each block, and the end
};

// One channel of a map. mask: null, or a map of the same layout; values count as 0 where it is not positive.
struct MapView {
  const float* values;
  const float* mask;
  int64_t channels;
  int64_t height;
  int64_t width;
};

// The layout of point p of tile t: to[p * point_step + t / kPanel * panel_step + t % kPanel].
struct PointLayout {
  int64_t point_step;
  int64_t panel_step;
};

// Applies the input transform to the patches of a channel's tiles, up to the padded number, 0 after the last tile.
void transform_inputs(const MapView& map, int64_t channel, const Run* begin, const Run* end, int64_t padded,
                      float* to, PointLayout layout);

// Applies the transposed output transform to a gradient's tiles.
void transform_gradients(const MapView& map, int64_t channel, const Run* begin, const Run* end, int64_t padded,
                         float* to, PointLayout layout);

// Transforms points[p * point_step + t] to outputs in one channel of a map of `channels` channels.
void write_outputs(const float* points, int64_t point_step, float bias, bool relu, int64_t channels, int64_t channel,
                   int64_t height, int64_t width, const Run* begin, const Run* end, float* map);

// Transforms 3x3 weights, one per lane, to their 36 points; the second function is the transpose.
void transform_weight(const Lanes* weight, Lanes* points);
void weight_gradient_of(const Lanes* points, Lanes* gradient);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_WINOGRAD_TILES_H_
