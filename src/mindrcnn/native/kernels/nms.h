// Greedy non-maximum suppression over padded rows of boxes. Semantics: src/mindrcnn/ops/nms.py.
#ifndef MINDRCNN_NATIVE_NMS_H_
#define MINDRCNN_NATIVE_NMS_H_

#include <cstdint>

namespace mindrcnn {

// boxes: (rows, length, 4), best first.
// scores, valid: (rows, length).
// labels: (rows, length), or null if all boxes of a row compete.
// keep: (rows, length), fully written.
void nms(int64_t rows, int64_t length, const float* boxes, const float* scores, const int32_t* labels,
         const uint8_t* valid, float iou_thresh, uint8_t* keep);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_NMS_H_
