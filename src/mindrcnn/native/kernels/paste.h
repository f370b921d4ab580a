// Mask probabilities pasted into an image, as COCO's run lengths. Semantics: paste.py and rle.py in
// src/mindrcnn/evaluation/.
#ifndef MINDRCNN_NATIVE_PASTE_H_
#define MINDRCNN_NATIVE_PASTE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace mindrcnn {

struct PasteProblem {
  int64_t objects;
  int64_t side;  // of a mask
  int64_t height;
  int64_t width;
  double thresh;
};

// Returns each object's compressed run lengths.
// masks: (objects, side, side).
// boxes: (objects, 4).
std::vector<std::string> encode_masks(const PasteProblem& problem, const float* masks, const float* boxes);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_PASTE_H_
