#include "paste.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "first_exception.h"

namespace mindrcnn {
namespace {

// Pixels along one axis that a mask can set, and the cells of the mask between which they lie.
struct Axis {
  int64_t first = 0;
  int64_t count = 0;
  std::vector<int32_t> low_cell, high_cell;
  std::vector<float> low_weight, high_weight;
};

int64_t clipped(double value, int64_t limit) {
  return static_cast<int64_t>(std::min(std::max(value, 0.0), static_cast<double>(limit)));
}

// mask_span and axis_weights of paste.py in the same precision. low < high, both finite.
Axis make_axis(const PasteProblem& problem, double low, double high, int64_t limit) {
  const auto side = static_cast<double>(problem.side);
  const double margin = std::max(0.0, 0.5 - problem.thresh) * (high - low) / side;
  Axis axis;
  axis.first = clipped(std::floor(low - margin - 0.5), limit);
  axis.count = std::max<int64_t>(clipped(std::ceil(high + margin + 0.5), limit) - axis.first, 0);
  const auto weight = [&](double cell, double place) {
    return place >= 0 && place < side ? static_cast<float>(std::max(0.0, 1.0 - std::fabs(cell - place))) : 0.0f;
  };
  const auto inside = [&](double place) { return static_cast<int32_t>(clipped(place, problem.side - 1)); };
  for (int64_t i = 0; i < axis.count; ++i) {
    const double cell = (static_cast<double>(axis.first + i) + 0.5 - low) / (high - low) * side - 0.5;
    const double below = std::floor(cell);
    axis.low_cell.push_back(inside(below));
    axis.high_cell.push_back(inside(below + 1));
    axis.low_weight.push_back(weight(cell, below));
    axis.high_weight.push_back(weight(cell, below + 1));
  }
  return axis;
}

// Runs of ones over an image's pixels, counted column by column.
class Runs {
 public:
  // Pixels begin..end-1; runs come in order.
  void add(int64_t begin, int64_t end) {
    if (!edges_.empty() && edges_.back() == begin) {
      edges_.back() = end;
    } else {
      edges_.insert(edges_.end(), {begin, end});
    }
  }

  std::string compressed(int64_t pixels) const {
    std::vector<int64_t> counts;
    int64_t before = 0;
    for (const int64_t edge : edges_) {
      counts.push_back(edge - before);
      before = edge;
    }
    if (counts.empty() || before != pixels) counts.push_back(pixels - before);
    std::string text;
    for (size_t i = 0; i < counts.size(); ++i) append(i > 2 ? counts[i] - counts[i - 2] : counts[i], text);
    return text;
  }

 private:
  // COCO's code: five bits per character, lowest first; a sixth bit if more follow; the last fifth bit is the sign.
  static void append(int64_t number, std::string& text) {
    bool more = true;
    while (more) {
      const int64_t bits = number & 0x1f;
      number >>= 5;
      more = number != ((bits & 0x10) ? -1 : 0);
      text.push_back(static_cast<char>(48 + (more ? bits | 0x20 : bits)));
    }
  }

  std::vector<int64_t> edges_;
};

// The mask's columns (side, rows), read at the rows of pixels.
std::vector<float> read_rows(const PasteProblem& problem, const float* mask, const Axis& rows) {
  std::vector<float> columns(static_cast<size_t>(problem.side * rows.count));
  for (int64_t y = 0; y < rows.count; ++y) {
    const float *low = mask + rows.low_cell[y] * problem.side, *high = mask + rows.high_cell[y] * problem.side;
    const float low_weight = rows.low_weight[y], high_weight = rows.high_weight[y];
    float* column = columns.data() + y;
    for (int64_t x = 0; x < problem.side; ++x) column[x * rows.count] = low_weight * low[x] + high_weight * high[x];
  }
  return columns;
}

void threshold(const float* __restrict low, const float* __restrict high, float low_weight, float high_weight,
               float thresh, int64_t count, uint8_t* __restrict on) {
  for (int64_t i = 0; i < count; ++i) on[i] = low_weight * low[i] + high_weight * high[i] >= thresh;
}

// Returns the position of the first byte with this value in on[from..count-1], or count if there is none.
int64_t find(const std::vector<uint8_t>& on, int64_t from, int64_t count, int value) {
  const void* found = std::memchr(on.data() + from, value, static_cast<size_t>(count - from));
  return found ? static_cast<const uint8_t*>(found) - on.data() : count;
}

std::string encode_mask(const PasteProblem& problem, const float* mask, const float* box) {
  Runs runs;
  const bool finite = std::all_of(box, box + 4, [](float value) { return std::isfinite(value); });
  if (finite && box[0] < box[2] && box[1] < box[3]) {
    const Axis columns = make_axis(problem, box[0], box[2], problem.width);
    const Axis rows = make_axis(problem, box[1], box[3], problem.height);
    const std::vector<float> values = read_rows(problem, mask, rows);
    std::vector<uint8_t> on(static_cast<size_t>(rows.count));
    for (int64_t x = 0; x < columns.count && rows.count > 0; ++x) {
      threshold(values.data() + columns.low_cell[x] * rows.count, values.data() + columns.high_cell[x] * rows.count,
                columns.low_weight[x], columns.high_weight[x], static_cast<float>(problem.thresh), rows.count,
                on.data());
      const int64_t start = (columns.first + x) * problem.height + rows.first;
      int64_t end = 0;
      for (int64_t y = find(on, 0, rows.count, 1); y < rows.count; y = find(on, end, rows.count, 1)) {
        end = find(on, y, rows.count, 0);
        runs.add(start + y, start + end);
      }
    }
  }
  return runs.compressed(problem.height * problem.width);
}

}  // namespace

std::vector<std::string> encode_masks(const PasteProblem& problem, const float* masks, const float* boxes) {
  std::vector<std::string> texts(static_cast<size_t>(problem.objects));
  FirstException exception;
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < problem.objects; ++i) {
    exception.keep([&] { texts[i] = encode_mask(problem, masks + i * problem.side * problem.side, boxes + 4 * i); });
  }
  exception.rethrow();
  return texts;
}

}  // namespace mindrcnn
