// Between maps and the tiles of Winograd's F(4x4, 3x3): transforms of maps, gradients and weights.
#ifndef MINDRCNN_NATIVE_WINOGRAD_TILES_H_
#define MINDRCNN_NATIVE_WINOGRAD_TILES_H_

#include <cstdint>
#include <vector>

#include "products.h"

namespace mindrcnn {

constexpr int kTile = 4;                      // outputs along one side of a tile
constexpr int kPatch = 6;                     // inputs along one side
constexpr int kPoints = kPatch * kPatch;      // values of a transformed tile
constexpr int64_t kBlock = 4 * kPanel;        // tiles that are transformed together, so that all stays in the cache

// Neighbouring tiles of one row of tiles.
struct Run {
  int64_t image;
  int64_t row;     // of tiles
  int64_t column;  // of the first tile
  int64_t count;
  int64_t at;      // place of the first tile within its block
};

// All tiles of the valid images, cut into blocks of kBlock.
class Tiling {
 public:
  Tiling(int64_t images, int64_t height, int64_t width, const uint8_t* valid);

  int64_t blocks() const { return static_cast<int64_t>(starts_.size()) - 1; }
  const Run* begin(int64_t block) const { return runs_.data() + starts_[block]; }
  const Run* end(int64_t block) const { return runs_.data() + starts_[block + 1]; }
  // Tiles of a block, and that number rounded up to whole vectors.
  int64_t tiles(int64_t block) const;
  int64_t padded_tiles(int64_t block) const;

 private:
  std::vector<Run> runs_;
  std::vector<int64_t> starts_;  // of each block's runs, and their end
};

// One channel of a map. mask: null, or a map of the same layout; where it is not positive the values count as 0.
struct MapView {
  const float* values;
  const float* mask;
  int64_t channels;
  int64_t height;
  int64_t width;
};

// Where point p of tile t lies: to[p * point_step + t / kPanel * panel_step + t % kPanel].
struct PointLayout {
  int64_t point_step;
  int64_t panel_step;
};

// Patches of a channel's tiles under the input transform, for t up to the padded number of tiles, 0 beyond the last.
void transform_inputs(const MapView& map, int64_t channel, const Run* begin, const Run* end, int64_t padded,
                      float* to, PointLayout layout);

// The same for a gradient's tiles under the transposed output transform.
void transform_gradients(const MapView& map, int64_t channel, const Run* begin, const Run* end, int64_t padded,
                         float* to, PointLayout layout);

// From points to outputs: points[p * point_step + t] into one channel of a map of `channels` channels.
void write_outputs(const float* points, int64_t point_step, float bias, bool relu, int64_t channels, int64_t channel,
                   int64_t height, int64_t width, const Run* begin, const Run* end, float* map);

// 3x3 weights, one in each lane, to their 36 points, and the transpose of that.
void transform_weight(const Lanes* weight, Lanes* points);
void weight_gradient_of(const Lanes* points, Lanes* gradient);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_WINOGRAD_TILES_H_
