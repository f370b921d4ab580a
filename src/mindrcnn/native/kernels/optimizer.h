// Gradient norm and SGD, over all parameters at once. Semantics: src/mindrcnn/engine/step/train_step.py, optimizer.py.
#ifndef MINDRCNN_NATIVE_OPTIMIZER_H_
#define MINDRCNN_NATIVE_OPTIMIZER_H_

#include <cstdint>
#include <vector>

namespace mindrcnn {

struct Values {
  const float* data;
  int64_t count;
};

// The square root of the sum of all squares. The sum is double and does not depend on the number of threads.
float norm(const std::vector<Values>& gradients);

struct SgdParameter {
  float* weight;  // updated, like accum
  float* accum;
  const float* gradient;
  int64_t count;
  float rate;
  float decay;
};

struct SgdSettings {
  float momentum;
  float factor;  // of the gradients
  bool nesterov;
};

void sgd_update(const std::vector<SgdParameter>& parameters, const SgdSettings& settings);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_OPTIMIZER_H_
