// A detector in MindSpore Lite.
#pragma once

#include <string>
#include <vector>

#include "include/api/model.h"

// What to compute on. precision: Lite's precision mode for Ascend; see docs/deploy.md.
struct Device {
  std::string target = "Ascend";  // or CPU
  unsigned number = 0;
  std::string precision = "preferred_fp32";
};

class LiteModel {
 public:
  // Throws std::runtime_error for a file that Lite cannot load, and for a model that is not a detector.
  LiteModel(const std::string& file, const Device& device);

  // Number of images in a batch.
  int64_t batch_size() const { return batch_size_; }

  // Runs one batch. The arguments are the bytes of images (B, 3, H, W) uint8 and image_sizes (B, 2) int32; `name` is
  // the batch's, for messages.
  std::vector<mindspore::MSTensor> predict(const std::string& name, const std::vector<char>& images,
                                           const std::vector<char>& image_sizes);

 private:
  mindspore::Model model_;
  int64_t batch_size_ = 0;
};

// Returns a line "float32 1 100 4" with the type and shape of a tensor. Throws std::runtime_error for another type than
// detectors have.
std::string describe(const mindspore::MSTensor& tensor);
