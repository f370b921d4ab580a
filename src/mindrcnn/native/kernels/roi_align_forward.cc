#include <omp.h>

#include <algorithm>

#include "products.h"
#include "roi_align.h"
#include "roi_align_taps.h"
#include "scratch.h"

namespace mindrcnn {
namespace {

// kLanes channels of one image, of which the last one is repeated if there are fewer.
struct Channels {
  int64_t image;
  int64_t first;
  int64_t count;
};

// Copies the rows of one level that boxes read to cells[row * width + column], a channel in each lane.
void gather_level(const RoiAlignProblem& problem, const Level& level, const RowRange& rows, const Channels& channels,
                  const float* features, Lanes* cells) {
  const int64_t size = level.height * level.width, end = (rows.last + 1) * level.width;
  const float* planes[kLanes];
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    const int64_t channel = channels.first + std::min(lane, channels.count - 1);
    planes[lane] = features + (channels.image * problem.channels + channel) * size;
  }
  int64_t i = rows.first * level.width;
  for (; i + kLanes <= end; i += kLanes) {
    Lanes some[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) some[lane] = load(planes[lane] + i);
    transpose(some);
    for (int j = 0; j < kLanes; ++j) cells[i + j] = some[j];
  }
  for (; i < end; ++i) {
    for (int lane = 0; lane < kLanes; ++lane) cells[i][lane] = planes[lane][i];
  }
}

// The weighted sum of a bin's cells. A fixed number of column taps is written out, because the branches of so short a loop
// cost more than its sums.
Lanes pool_bin(const Tap* row_begin, const Tap* row_end, const Tap* column_begin, const Tap* column_end,
               const Lanes* cells, int64_t width) {
  Lanes sum{};
  for (const Tap* row = row_begin; row != row_end; ++row) {
    const Lanes* of_row = cells + row->cell * width;
    if (column_end - column_begin == kFixedTaps) {
      const Tap* c = column_begin;
      sum += row->weight * ((c[0].weight * of_row[c[0].cell] + c[1].weight * of_row[c[1].cell]) +
                            (c[2].weight * of_row[c[2].cell] + c[3].weight * of_row[c[3].cell]));
      continue;
    }
    for (const Tap* column = column_begin; column != column_end; ++column) {
      sum += row->weight * column->weight * of_row[column->cell];
    }
  }
  return sum;
}

// Copies bins[bin], a channel in each lane, to to[channel * count + bin].
void scatter_bins(const Lanes* bins, int64_t count, int64_t channels, float* to) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Lanes some[kLanes];
    for (int64_t j = 0; j < kLanes; ++j) some[j] = bins[i + j];
    transpose(some);
    for (int64_t lane = 0; lane < channels; ++lane) store(to + lane * count + i, some[lane]);
  }
  for (; i < count; ++i) {
    for (int64_t lane = 0; lane < channels; ++lane) to[lane * count + i] = bins[i][lane];
  }
}

}  // namespace

// A thread works on kLanes channels of an image at a time, whose features it first puts side by side: every tap is then
// one vector.
void roi_align_forward(const RoiAlignProblem& problem, const std::vector<const float*>& features, const float* boxes,
                       const uint8_t* valid, float* pooled) {
  const TapTable table = make_tap_table(problem, boxes, valid);
  const int64_t count = static_cast<int64_t>(problem.resolution) * problem.resolution;
  const auto levels = static_cast<int64_t>(problem.levels.size());
  const int64_t groups = (problem.channels + kLanes - 1) / kLanes, threads = omp_get_max_threads();
  std::vector<int64_t> starts{0};  // of each level's cells
  for (const Level& level : problem.levels) starts.push_back(starts.back() + level.height * level.width);
  const int64_t own = starts.back() + count;
  Scratch scratch(threads * own * kLanes);
  float* const all = scratch.take(threads * own * kLanes);
#pragma omp parallel for schedule(dynamic) num_threads(static_cast<int>(threads))
  for (int64_t task = 0; task < problem.images * groups; ++task) {
    auto* const cells = reinterpret_cast<Lanes*>(all + omp_get_thread_num() * own * kLanes);
    Lanes* const bins = cells + starts.back();
    const int64_t image = task / groups, first = task % groups * kLanes;
    const Channels channels{image, first, std::min<int64_t>(problem.channels - first, kLanes)};
    for (int64_t i = 0; i < levels; ++i) {
      const RowRange& rows = table.rows[image * levels + i];
      if (rows.last < rows.first) continue;
      gather_level(problem, problem.levels[i], rows, channels, features[i], cells + starts[i]);
    }
    for (int64_t index = image * problem.slots; index < (image + 1) * problem.slots; ++index) {
      if (!valid[index]) std::fill_n(pooled + (index * problem.channels + first) * count, channels.count * count, 0.0f);
    }
    for (int64_t i = table.order_starts[image]; i < table.order_starts[image + 1]; ++i) {
      const int64_t index = image * problem.slots + table.order[i];
      const BoxTaps& box = table.boxes[index];
      const BoxView view(table, box);
      const Lanes* const of_level = cells + starts[box.level];
      const int64_t width = problem.levels[box.level].width;
      for (int bin = 0; bin < count; ++bin) {
        const int y = bin / problem.resolution, x = bin % problem.resolution;
        bins[bin] = pool_bin(view.row_begin(y), view.row_end(y), view.column_begin(x), view.column_end(x), of_level,
                             width);
      }
      scatter_bins(bins, count, channels.count, pooled + (index * problem.channels + first) * count);
    }
  }
}

}  // namespace mindrcnn
