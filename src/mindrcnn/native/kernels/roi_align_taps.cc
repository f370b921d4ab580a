#include "roi_align_taps.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mindrcnn {
namespace {

constexpr int32_t kLanes = 16;  // floats of the widest vectors in use

// Like MindSpore's ReLU: 0 for NaN.
float not_negative(float value) { return value > 0 ? value : 0.0f; }

int32_t level_of(const RoiAlignProblem& problem, const float* box) {
  const float area = not_negative(box[2] - box[0]) * not_negative(box[3] - box[1]);
  int32_t level = 0;
  for (const float edge : problem.level_edges) level += area >= edge;
  return level;
}

// The ends of a box along one axis, in coordinates where cell j has its centre at j.
struct Interval {
  float low;
  float high;
};

Interval in_cells(float low, float high, float stride, bool aligned) {
  low /= stride;
  high /= stride;
  if (aligned) return {low - 0.5f, high - 0.5f};
  return {low, low + 1 + not_negative(high - low - 1)};
}

// Collects the taps of one bin.
class Bin {
 public:
  Bin(std::vector<Tap>& taps, int64_t cells) : taps_(taps), begin_(taps.size()), cells_(cells) {}

  void add_point(float point, float share) {
    if (!(point >= -1 && point <= static_cast<float>(cells_))) return;  // also false for NaN
    point = std::min(std::max(point, 0.0f), static_cast<float>(cells_ - 1));
    const auto first = static_cast<int32_t>(point);
    const float weight = point - static_cast<float>(first);
    add(first, (1 - weight) * share);
    if (weight > 0) add(first + 1, weight * share);
  }

  // Repeats the last cell with weight 0 up to kFixedTaps, unless there is none.
  void fill_up() {
    while (taps_.size() > begin_ && taps_.size() < begin_ + kFixedTaps) taps_.push_back({taps_.back().cell, 0.0f});
  }

 private:
  void add(int32_t cell, float weight) {
    const size_t known = taps_.size();
    for (size_t back = 1; back <= 2 && back <= known - begin_; ++back) {
      if (taps_[known - back].cell == cell) {
        taps_[known - back].weight += weight;
        return;
      }
    }
    taps_.push_back({cell, weight});
  }

  std::vector<Tap>& taps_;
  size_t begin_;
  int64_t cells_;
};

void add_fixed_points(Bin& bin, const RoiAlignProblem& problem, int index, Interval box) {
  const auto points = static_cast<float>(problem.resolution * problem.sampling_ratio);
  const float share = 1.0f / static_cast<float>(problem.sampling_ratio);
  for (int i = 0; i < problem.sampling_ratio; ++i) {
    const float place = (static_cast<float>(index * problem.sampling_ratio + i) + 0.5f) / points;
    bin.add_point(box.low + (box.high - box.low) * place, share);
  }
}

void add_adaptive_points(Bin& bin, const RoiAlignProblem& problem, int index, Interval box, int64_t cells) {
  const float side = (box.high - box.low) / static_cast<float>(problem.resolution);
  const float points = std::ceil(side);
  if (!(points >= 1)) return;
  const float step = side / points;
  const float start = box.low + static_cast<float>(index) * side;
  // A box may have more points than an integer can count; those inside the feature are few, because points are more
  // than half a cell apart. One more at each end covers rounding.
  const int64_t most = 2 * (cells + 4);
  const float before = std::ceil((-1 - start) / step - 0.5f) - 1;
  const float first = before > 0 ? std::min(before, points) : 0.0f;
  for (int64_t i = 0; i < most; ++i) {
    const float number = first + static_cast<float>(i);
    if (number >= points) return;
    bin.add_point(start + (number + 0.5f) * step, 1 / points);
  }
}

// Appends the taps of all bins along one axis.
void add_axis(TapTable& table, const RoiAlignProblem& problem, Interval box, int64_t cells) {
  for (int index = 0; index < problem.resolution; ++index) {
    table.starts.push_back(static_cast<int64_t>(table.taps.size()));
    Bin bin(table.taps, cells);
    if (problem.sampling_ratio > 0) {
      add_fixed_points(bin, problem, index, box);
      bin.fill_up();
    } else {
      add_adaptive_points(bin, problem, index, box, cells);
    }
  }
  table.starts.push_back(static_cast<int64_t>(table.taps.size()));
}

struct CellRange {
  int32_t first;
  int32_t last;
};

// The range of the taps starting at `begin`; empty if there are none.
CellRange cells_of(const std::vector<Tap>& taps, size_t begin) {
  CellRange range{std::numeric_limits<int32_t>::max(), -1};
  for (size_t i = begin; i < taps.size(); ++i) {
    range.first = std::min(range.first, taps[i].cell);
    range.last = std::max(range.last, taps[i].cell);
  }
  return range;
}

BoxTaps add_box(TapTable& table, const RoiAlignProblem& problem, int64_t image, const float* box) {
  BoxTaps result{};
  result.level = level_of(problem, box);
  const Level& level = problem.levels[static_cast<size_t>(result.level)];
  result.row_starts = static_cast<int64_t>(table.starts.size());

  size_t begin = table.taps.size();
  add_axis(table, problem, in_cells(box[1], box[3], level.stride, problem.aligned), level.height);
  const CellRange rows = cells_of(table.taps, begin);

  begin = table.taps.size();
  add_axis(table, problem, in_cells(box[0], box[2], level.stride, problem.aligned), level.width);
  const CellRange columns = cells_of(table.taps, begin);
  if (columns.last < 0) return result;
  const auto width = static_cast<int32_t>(level.width);
  // Whole vectors, if the plane is wide enough: extra columns beside the box cost less than a scalar remainder.
  result.columns = std::min((columns.last - columns.first + kLanes) / kLanes * kLanes, width);
  result.first_column = std::min(columns.first, width - result.columns);

  RowRange& range = table.rows[static_cast<size_t>(image) * problem.levels.size() + static_cast<size_t>(result.level)];
  range.first = std::min(range.first, static_cast<int64_t>(rows.first));
  range.last = std::max(range.last, static_cast<int64_t>(rows.last));
  return result;
}

}  // namespace

TapTable make_tap_table(const RoiAlignProblem& problem, const float* boxes, const uint8_t* valid) {
  TapTable table;
  table.resolution = problem.resolution;
  table.boxes.resize(static_cast<size_t>(problem.images * problem.slots));
  table.order_starts.push_back(0);
  table.rows.resize(static_cast<size_t>(problem.images) * problem.levels.size());
  for (int64_t image = 0; image < problem.images; ++image) {
    const auto begin = static_cast<std::ptrdiff_t>(table.order.size());
    for (int64_t slot = 0; slot < problem.slots; ++slot) {
      const int64_t index = image * problem.slots + slot;
      if (!valid[index]) continue;
      table.boxes[static_cast<size_t>(index)] = add_box(table, problem, image, boxes + 4 * index);
      table.order.push_back(static_cast<int32_t>(slot));
    }
    // Level by level, so that a level's plane stays in the cache.
    const BoxTaps* of_image = table.boxes.data() + image * problem.slots;
    std::stable_sort(table.order.begin() + begin, table.order.end(),
                     [of_image](int32_t a, int32_t b) { return of_image[a].level < of_image[b].level; });
    table.order_starts.push_back(static_cast<int64_t>(table.order.size()));
  }
  return table;
}

}  // namespace mindrcnn
