#include "exchange.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace mindrcnn {
namespace {

// A process that waits looks this often without giving up its core: the others are nearly there.
constexpr int kSpins = 2000;
// Then it lets others run for as long as an exchange usually takes, before it sleeps.
constexpr int kYields = 2000;
constexpr std::chrono::microseconds kSleep{100};

// Calls function(tensor, offset in it, offset in the range, count) for the tensors in [begin, end) of their
// concatenation.
template <typename Function>
void for_each_piece(const std::vector<Averaged>& tensors, int64_t begin, int64_t end, Function function) {
  int64_t start = 0;
  for (const Averaged& tensor : tensors) {
    const int64_t from = std::max(begin, start), to = std::min(end, start + tensor.count);
    if (from < to) function(tensor, from - start, from - begin, to - from);
    start += tensor.count;
  }
}

}  // namespace

int64_t Exchange::bytes(int processes) {
  return static_cast<int64_t>(sizeof(Barrier)) + 2 * processes * kPart * static_cast<int64_t>(sizeof(float));
}

Exchange::Exchange(void* memory, int rank, int processes, double seconds)
    : barrier_(static_cast<Barrier*>(memory)),
      parts_(reinterpret_cast<float*>(barrier_ + 1)),
      rank_(rank),
      processes_(processes),
      seconds_(seconds) {}

void Exchange::average(const std::vector<Averaged>& tensors) {
  int64_t total = 0;
  for (const Averaged& tensor : tensors) total += tensor.count;
  const float share = 1.0f / static_cast<float>(processes_);
  int64_t number = 0;
  for (int64_t begin = 0; begin < total; begin += kPart, ++number) {
    const int64_t end = std::min(begin + kPart, total);
    float* own = part(rank_, number);
    for_each_piece(tensors, begin, end, [&](const Averaged& tensor, int64_t at, int64_t offset, int64_t count) {
      std::memcpy(own + offset, tensor.own + at, count * sizeof(float));
    });
    wait();
    for_each_piece(tensors, begin, end, [&](const Averaged& tensor, int64_t at, int64_t offset, int64_t count) {
      float* mean = tensor.mean + at;
      std::memcpy(mean, part(0, number) + offset, count * sizeof(float));
      for (int rank = 1; rank < processes_; ++rank) {
        const float* other = part(rank, number) + offset;
        for (int64_t i = 0; i < count; ++i) mean[i] += other[i];
      }
      for (int64_t i = 0; i < count; ++i) mean[i] *= share;
    });
  }
  // The next call begins with the first part again, which the others may still read.
  wait();
}

float* Exchange::part(int rank, int64_t number) const { return parts_ + (2 * rank + number % 2) * kPart; }

void Exchange::wait() const {
  const uint32_t round = barrier_->round.load(std::memory_order_acquire);
  if (barrier_->arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<uint32_t>(processes_)) {
    barrier_->arrived.store(0, std::memory_order_relaxed);
    barrier_->round.store(round + 1, std::memory_order_release);
    return;
  }
  const auto passed = [&] { return barrier_->round.load(std::memory_order_acquire) != round; };
  for (int i = 0; i < kSpins; ++i)
    if (passed()) return;
  for (int i = 0; i < kYields; ++i) {
    if (passed()) return;
    sched_yield();
  }
  const auto limit = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds_);
  while (!passed()) {
    if (std::chrono::steady_clock::now() > limit) throw std::runtime_error("another process has not come");
    std::this_thread::sleep_for(kSleep);
  }
}

}  // namespace mindrcnn
