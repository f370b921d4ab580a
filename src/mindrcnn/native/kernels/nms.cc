#include "nms.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "first_exception.h"

namespace mindrcnn {
namespace {

// The usable boxes of a row, stored coordinate by coordinate so that comparisons vectorise.
struct Row {
  std::vector<float> x1, y1, x2, y2, area;
  std::vector<int32_t> label;
  std::vector<int64_t> slot;     // position of the box in the padded row
  std::vector<int32_t> dropped;  // as wide as a float, so that comparisons vectorise

  void add(const float* box, int32_t box_label, int64_t box_slot) {
    x1.push_back(box[0]);
    y1.push_back(box[1]);
    x2.push_back(box[2]);
    y2.push_back(box[3]);
    area.push_back((box[2] - box[0]) * (box[3] - box[1]));
    label.push_back(box_label);
    slot.push_back(box_slot);
    dropped.push_back(0);
  }
};

// Drops those boxes after i that overlap it too much. Boxes with NaN corners overlap nothing.
template <bool kPerClass>
void drop_rivals(Row& row, int64_t i, float iou_thresh) {
  const auto count = static_cast<int64_t>(row.slot.size());
  const float x1 = row.x1[i], y1 = row.y1[i], x2 = row.x2[i], y2 = row.y2[i], area = row.area[i];
  const int32_t label = row.label[i];
  const float *left = row.x1.data(), *top = row.y1.data(), *right = row.x2.data(), *bottom = row.y2.data();
  const float* areas = row.area.data();
  const int32_t* labels = row.label.data();
  int32_t* dropped = row.dropped.data();
  for (int64_t j = i + 1; j < count; ++j) {
    const float width = std::max(std::min(x2, right[j]) - std::max(x1, left[j]), 0.0f);
    const float height = std::max(std::min(y2, bottom[j]) - std::max(y1, top[j]), 0.0f);
    const float inter = width * height;
    const int32_t too_much = inter / ((area + areas[j]) - inter) > iou_thresh;
    dropped[j] |= kPerClass ? too_much & static_cast<int32_t>(labels[j] == label) : too_much;
  }
}

template <bool kPerClass>
void suppress(Row& row, float iou_thresh) {
  const auto count = static_cast<int64_t>(row.slot.size());
  for (int64_t i = 0; i < count; ++i) {
    if (!row.dropped[i]) drop_rivals<kPerClass>(row, i, iou_thresh);
  }
}

void suppress_row(int64_t length, const float* boxes, const float* scores, const int32_t* labels, const uint8_t* valid,
                  float iou_thresh, uint8_t* keep) {
  Row row;
  for (int64_t slot = 0; slot < length; ++slot) {
    keep[slot] = 0;
    if (valid[slot] && std::isfinite(scores[slot])) row.add(boxes + 4 * slot, labels ? labels[slot] : 0, slot);
  }
  labels ? suppress<true>(row, iou_thresh) : suppress<false>(row, iou_thresh);
  for (size_t i = 0; i < row.slot.size(); ++i) keep[row.slot[i]] = !row.dropped[i];
}

}  // namespace

void nms(int64_t rows, int64_t length, const float* boxes, const float* scores, const int32_t* labels,
         const uint8_t* valid, float iou_thresh, uint8_t* keep) {
  FirstException exception;
#pragma omp parallel for schedule(dynamic) if (rows > 1)
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t start = row * length;
    exception.keep([&] {
      suppress_row(length, boxes + 4 * start, scores + start, labels ? labels + start : nullptr, valid + start,
                   iou_thresh, keep + start);
    });
  }
  exception.rethrow();
}

}  // namespace mindrcnn
