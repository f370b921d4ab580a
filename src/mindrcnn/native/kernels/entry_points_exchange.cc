// The exchange between processes: joined by a call from Python, then called by MindSpore; form as in entry_points.cc.
#include <cstdint>
#include <memory>
#include <vector>

#include "arguments.h"
#include "exchange.h"

using mindrcnn::Arguments;
using mindrcnn::Averaged;
using mindrcnn::Exchange;
using mindrcnn::guarded;

namespace {

std::unique_ptr<Exchange> joined;

}  // namespace

#define MINDRCNN_FUNCTION extern "C" __attribute__((visibility("default")))

MINDRCNN_FUNCTION int64_t exchange_bytes(int processes) { return Exchange::bytes(processes); }

MINDRCNN_FUNCTION void join_exchange(void* memory, int rank, int processes, double seconds) {
  joined = std::make_unique<Exchange>(memory, rank, processes, seconds);
}

// Inputs: P tensors of any shape. Outputs: their means over the processes that have joined.
MINDRCNN_KERNEL(average_over_processes) {
  return guarded([&] {
    if (count % 2 != 0 || !joined) throw std::invalid_argument("count");
    const Arguments arguments(count, count, data, ranks, shapes, dtypes);
    std::vector<Averaged> tensors(count / 2);
    for (int i = 0; i < count / 2; ++i) {
      int64_t elements;
      tensors[i].own = arguments.all_floats(i, &tensors[i].count);
      tensors[i].mean = arguments.all_floats(count / 2 + i, &elements);
      if (elements != tensors[i].count) throw std::invalid_argument("shapes");
    }
    joined->average(tensors);
  });
}
