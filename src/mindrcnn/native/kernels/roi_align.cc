#include "roi_align.h"

#include <algorithm>

#include "first_exception.h"
#include "roi_align_taps.h"

namespace mindrcnn {
namespace {

void add_scaled(float* __restrict sum, const float* __restrict values, float factor, int32_t count) {
  for (int32_t i = 0; i < count; ++i) sum[i] += factor * values[i];
}

// Spreads one channel of one box. plane points at the box's first column; row is scratch space, one float per column.
void spread_plane(const TapTable& table, const BoxTaps& box, const float* pooled_gradient, int64_t width, float* row,
                  float* plane) {
  const BoxView view(table, box);
  for (int y = 0; y < table.resolution; ++y) {
    std::fill_n(row, box.columns, 0.0f);
    for (int x = 0; x < table.resolution; ++x) {
      const float gradient = *pooled_gradient++;
      for (const Tap* tap = view.column_begin(x); tap != view.column_end(x); ++tap) {
        row[tap->cell - box.first_column] += tap->weight * gradient;
      }
    }
    for (const Tap* tap = view.row_begin(y); tap != view.row_end(y); ++tap) {
      add_scaled(plane + tap->cell * width, row, tap->weight, box.columns);
    }
  }
}

size_t widest(const RoiAlignProblem& problem) {
  int64_t most = 0;
  for (const Level& level : problem.levels) most = std::max(most, level.width);
  return static_cast<size_t>(most);
}

}  // namespace

// The pass goes plane by plane (a channel of an image): a thread owns its planes, so no result depends on the number of
// threads, and the boxes of an image, which overlap, find the plane in the cache.
void roi_align_backward(const RoiAlignProblem& problem, const float* pooled_gradient, const float* boxes,
                        const uint8_t* valid, const std::vector<float*>& gradients) {
  const TapTable table = make_tap_table(problem, boxes, valid);
  const int64_t bins = static_cast<int64_t>(problem.resolution) * problem.resolution;
  FirstException exception;
#pragma omp parallel
  {
    std::vector<float> row;
    const bool ready = exception.keep([&] { row.resize(widest(problem)); });
#pragma omp for schedule(dynamic)
    for (int64_t plane = 0; plane < problem.images * problem.channels; ++plane) {
      if (!ready) continue;
      const int64_t image = plane / problem.channels, channel = plane % problem.channels;
      for (size_t i = 0; i < problem.levels.size(); ++i) {
        const int64_t cells = problem.levels[i].height * problem.levels[i].width;
        std::fill_n(gradients[i] + plane * cells, cells, 0.0f);
      }
      for (int64_t i = table.order_starts[image]; i < table.order_starts[image + 1]; ++i) {
        const int64_t index = image * problem.slots + table.order[i];
        const BoxTaps& box = table.boxes[index];
        const Level& level = problem.levels[box.level];
        spread_plane(table, box, pooled_gradient + (index * problem.channels + channel) * bins, level.width, row.data(),
                     gradients[box.level] + plane * level.height * level.width + box.first_column);
      }
    }
  }
  exception.rethrow();
}

}  // namespace mindrcnn
