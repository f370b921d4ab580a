// The optimizer as MindSpore calls it; form and settings as in entry_points.cc.
#include <cstdint>
#include <vector>

#include "arguments.h"
#include "optimizer.h"

using mindrcnn::Arguments;
using mindrcnn::guarded;

// Inputs: P gradients of any shape. Output: their norm (1,).
MINDRCNN_KERNEL(gradient_norm) {
  return guarded([&] {
    const Arguments arguments(count, count, data, ranks, shapes, dtypes);
    const int last = count - 1;
    float* result = arguments.floats(last, {1});
    std::vector<mindrcnn::Values> gradients(last);
    for (int i = 0; i < last; ++i) gradients[i].data = arguments.all_floats(i, &gradients[i].count);
    *result = mindrcnn::norm(gradients);
  });
}

// Inputs: P weights and P sums of momentum, which are updated in place; P gradients; P learning rates (); momentum ();
// factor of the gradients (); weight decays (P,); settings: Nesterov (0 or 1). Output: (1,), 0.
MINDRCNN_KERNEL(sgd_update) {
  return guarded([&] {
    constexpr int kOthers = 5;
    const Arguments arguments(count, count, data, ranks, shapes, dtypes);
    const int total = (count - kOthers) / 4, others = 4 * total;
    if (count != others + kOthers) throw std::invalid_argument("count");
    const float* decays = arguments.floats(others + 2, {total});
    const mindrcnn::SgdSettings settings{*arguments.floats(others, {}), *arguments.floats(others + 1, {}),
                                         *arguments.floats(others + 3, {1}) != 0};
    float* result = arguments.floats(others + 4, {1});
    std::vector<mindrcnn::SgdParameter> parameters(total);
    for (int i = 0; i < total; ++i) {
      int64_t counts[3];
      parameters[i] = {arguments.all_floats(i, &counts[0]),
                       arguments.all_floats(total + i, &counts[1]),
                       arguments.all_floats(2 * total + i, &counts[2]),
                       counts[0],
                       *arguments.floats(3 * total + i, {}),
                       decays[i]};
      if (counts[1] != counts[0] || counts[2] != counts[0]) throw std::invalid_argument("shapes");
    }
    mindrcnn::sgd_update(parameters, settings);
    *result = 0;
  });
}
