// Greedy non-maximum suppression over padded rows of boxes. Semantics: src/mindrcnn/ops/nms.py.
#ifndef MINDRCNN_NATIVE_NMS_H_
#define MINDRCNN_NATIVE_NMS_H_

#include <cstdint>

namespace mindrcnn {

// boxes: rows x length x 4, best first; scores, valid: rows x length; labels: rows x length, or null where all boxes of
// a row are rivals; keep: rows x length, all of which is written.
void nms(int64_t rows, int64_t length, const float* boxes, const float* scores, const int32_t* labels,
         const uint8_t* valid, float iou_thresh, uint8_t* keep);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_NMS_H_
