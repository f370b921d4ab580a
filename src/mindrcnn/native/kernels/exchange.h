// Means over the processes of one machine, through memory that they share. Semantics: AverageGradients in
// src/mindrcnn/engine/distributed/collectives.py.
#ifndef MINDRCNN_NATIVE_EXCHANGE_H_
#define MINDRCNN_NATIVE_EXCHANGE_H_

#include <atomic>
#include <cstdint>
#include <vector>

namespace mindrcnn {

struct Averaged {
  const float* own;
  float* mean;
  int64_t count;
};

// One process's view of the shared memory, which starts out as zeros: a barrier, then two parts for each process. While
// one part is read, the next numbers are written into the other.
class Exchange {
 public:
  static constexpr int64_t kPart = 1 << 18;  // floats, so that the parts of two processes stay in a second-level cache

  static int64_t bytes(int processes);

  // seconds: how long a process waits for the others.
  Exchange(void* memory, int rank, int processes, double seconds);

  // Computes the means of tensors of which each process has its own, of the same sizes. They are the same bits on all
  // processes, which add in the order of ranks. Throws std::runtime_error if another process does not come.
  void average(const std::vector<Averaged>& tensors);

 private:
  struct alignas(64) Barrier {
    std::atomic<uint32_t> arrived;
    alignas(64) std::atomic<uint32_t> round;
  };

  float* part(int rank, int64_t number) const;
  void wait() const;

  Barrier* barrier_;
  float* parts_;
  int rank_, processes_;
  double seconds_;
};

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_EXCHANGE_H_
