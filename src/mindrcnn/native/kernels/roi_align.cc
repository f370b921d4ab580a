#include "roi_align.h"

#include <algorithm>

#include "first_exception.h"
#include "roi_align_taps.h"

namespace mindrcnn {
namespace {

// The taps of one box in iteration order.
class BoxView {
 public:
  BoxView(const TapTable& table, const BoxTaps& box)
      : taps_(table.taps.data()),
        rows_(table.starts.data() + box.row_starts),
        columns_(rows_ + table.resolution + 1) {}

  const Tap* row_begin(int bin) const { return taps_ + rows_[bin]; }
  const Tap* row_end(int bin) const { return taps_ + rows_[bin + 1]; }
  const Tap* column_begin(int bin) const { return taps_ + columns_[bin]; }
  const Tap* column_end(int bin) const { return taps_ + columns_[bin + 1]; }

 private:
  const Tap* taps_;
  const int64_t* rows_;
  const int64_t* columns_;
};

void add_scaled(float* __restrict sum, const float* __restrict values, float factor, int32_t count) {
  for (int32_t i = 0; i < count; ++i) sum[i] += factor * values[i];
}

// Pools one channel of one box. plane points at the box's first column; row is scratch space, one float per column.
void pool_plane(const TapTable& table, const BoxTaps& box, const float* plane, int64_t width, float* row,
                float* pooled) {
  const BoxView view(table, box);
  for (int y = 0; y < table.resolution; ++y) {
    std::fill_n(row, box.columns, 0.0f);
    for (const Tap* tap = view.row_begin(y); tap != view.row_end(y); ++tap) {
      add_scaled(row, plane + tap->cell * width, tap->weight, box.columns);
    }
    for (int x = 0; x < table.resolution; ++x) {
      float sum = 0;
      for (const Tap* tap = view.column_begin(x); tap != view.column_end(x); ++tap) {
        sum += tap->weight * row[tap->cell - box.first_column];
      }
      *pooled++ = sum;
    }
  }
}

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

// Prefetches the rows that boxes will use. Read box by box they come in short pieces, which the processor cannot
// predict: pooling 512 boxes then takes twice as long.
void read_ahead(const float* plane, int64_t width, const RowRange& rows) {
  constexpr int64_t kCacheLine = 64 / sizeof(float);
  for (int64_t i = rows.first * width; i < (rows.last + 1) * width; i += kCacheLine) {
    static_cast<void>(*static_cast<const volatile float*>(plane + i));
  }
}

size_t widest(const RoiAlignProblem& problem) {
  int64_t most = 0;
  for (const Level& level : problem.levels) most = std::max(most, level.width);
  return static_cast<size_t>(most);
}

// Both passes go plane by plane (a channel of an image): a thread owns its planes, so no result depends on the number
// of threads, and the boxes of an image, which overlap, find the plane in the cache.
//
// Calls begin(image, channel), and then for each of the image's valid boxes, level by level, visit(box, width of its
// level, place of its first column in that level's features, place in the pooled values, scratch).
template <typename Begin, typename Visit>
void walk_planes(const RoiAlignProblem& problem, const TapTable& table, Begin begin, Visit visit) {
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
      begin(image, channel);
      for (int64_t i = table.order_starts[image]; i < table.order_starts[image + 1]; ++i) {
        const int64_t index = image * problem.slots + table.order[i];
        const BoxTaps& box = table.boxes[index];
        const Level& level = problem.levels[box.level];
        visit(box, level.width, plane * level.height * level.width + box.first_column,
              (index * problem.channels + channel) * bins, row.data());
      }
    }
  }
  exception.rethrow();
}

}  // namespace

void roi_align_forward(const RoiAlignProblem& problem, const std::vector<const float*>& features, const float* boxes,
                       const uint8_t* valid, float* pooled) {
  const TapTable table = make_tap_table(problem, boxes, valid);
  const int64_t bins = static_cast<int64_t>(problem.resolution) * problem.resolution;
  const auto begin = [&](int64_t image, int64_t channel) {
    for (int64_t index = image * problem.slots; index < (image + 1) * problem.slots; ++index) {
      if (!valid[index]) std::fill_n(pooled + (index * problem.channels + channel) * bins, bins, 0.0f);
    }
    for (size_t i = 0; i < problem.levels.size(); ++i) {
      const Level& level = problem.levels[i];
      const RowRange& rows = table.rows[image * problem.levels.size() + i];
      const float* plane = features[i] + (image * problem.channels + channel) * level.height * level.width;
      if (rows.last >= rows.first) read_ahead(plane, level.width, rows);
    }
  };
  walk_planes(problem, table, begin,
              [&](const BoxTaps& box, int64_t width, int64_t place, int64_t pooled_place, float* row) {
                pool_plane(table, box, features[box.level] + place, width, row, pooled + pooled_place);
              });
}

void roi_align_backward(const RoiAlignProblem& problem, const float* pooled_gradient, const float* boxes,
                        const uint8_t* valid, const std::vector<float*>& gradients) {
  const TapTable table = make_tap_table(problem, boxes, valid);
  const auto begin = [&](int64_t image, int64_t channel) {
    for (size_t i = 0; i < problem.levels.size(); ++i) {
      const int64_t cells = problem.levels[i].height * problem.levels[i].width;
      std::fill_n(gradients[i] + (image * problem.channels + channel) * cells, cells, 0.0f);
    }
  };
  walk_planes(problem, table, begin,
              [&](const BoxTaps& box, int64_t width, int64_t place, int64_t pooled_place, float* row) {
                spread_plane(table, box, pooled_gradient + pooled_place, width, row, gradients[box.level] + place);
              });
}

}  // namespace mindrcnn
