// The feature cells that the bins of a box read along one axis, and their weights.
#ifndef MINDRCNN_NATIVE_ROI_ALIGN_TAPS_H_
#define MINDRCNN_NATIVE_ROI_ALIGN_TAPS_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "roi_align.h"

namespace mindrcnn {

// Taps that two samples have at most along an axis. Bins of a fixed number of samples have no fewer, so that loops over
// them rarely end early, which the processor would mispredict.
constexpr size_t kFixedTaps = 4;

struct Tap {
  int32_t cell;
  float weight;
};

// A bilinear sample is a product of two weights, one for each axis, and so is the mean over the samples of a bin: a bin
// is the sum over its row taps and its column taps of weight * weight * value.
struct BoxTaps {
  int32_t level;
  int32_t first_column;  // with `columns`, the range that holds all column taps
  int32_t columns;       // 0 for a box that touches no cell
  int64_t row_starts;    // index in TapTable::starts of the bins' row taps, followed by the column taps
};

// Rows that the boxes of one image use on one level.
struct RowRange {
  int64_t first = std::numeric_limits<int64_t>::max();
  int64_t last = -1;
};

struct TapTable {
  int resolution = 0;
  std::vector<Tap> taps;
  std::vector<int64_t> starts;  // a box has resolution + 1 entries for its rows and as many for its columns
  std::vector<BoxTaps> boxes;   // images * slots
  std::vector<int32_t> order;   // per image: the slots of its valid boxes, level by level
  std::vector<int64_t> order_starts;  // images + 1
  std::vector<RowRange> rows;         // images * levels
};

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

TapTable make_tap_table(const RoiAlignProblem& problem, const float* boxes, const uint8_t* valid);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_ROI_ALIGN_TAPS_H_
