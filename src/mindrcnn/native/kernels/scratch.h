// Working memory kept for the life of the process: fresh memory would cost a page fault per 4 KB in every call.
#ifndef MINDRCNN_NATIVE_SCRATCH_H_
#define MINDRCNN_NATIVE_SCRATCH_H_

#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace mindrcnn {

// An uninitialised buffer of floats, aligned to cache lines and returned to the pool for the next call on destruction.
class Scratch {
 public:
  explicit Scratch(int64_t floats) {
    const size_t wanted = static_cast<size_t>(floats) * sizeof(float), align = wanted < kHugePage ? kLine : kHugePage;
    const size_t bytes = (wanted + align - 1) / align * align;
    {
      const std::lock_guard<std::mutex> lock(mutex());
      if (!spare().empty()) {
        block_ = spare().back();
        spare().pop_back();
      }
    }
    if (block_.second < bytes) {
      std::free(block_.first);
      block_ = {std::aligned_alloc(align, bytes), bytes};
      if (block_.first == nullptr) {
        block_.second = 0;
        throw std::bad_alloc();
      }
      use_huge_pages();
    }
  }

  ~Scratch() {
    const std::lock_guard<std::mutex> lock(mutex());
    try {
      spare().push_back(block_);
    } catch (const std::bad_alloc&) {
      std::free(block_.first);
    }
  }

  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // Returns the next `count` floats of the buffer.
  float* take(int64_t count) {
    float* taken = static_cast<float*>(block_.first) + taken_;
    taken_ += count;
    return taken;
  }

 private:
  using Block = std::pair<void*, size_t>;
  static constexpr size_t kLine = 64;
  static constexpr size_t kHugePage = 1 << 21;

  // Products read from more small pages at a time than the processor has addresses of at hand.
  void use_huge_pages() {
#ifdef __linux__
    if (block_.second >= kHugePage) madvise(block_.first, block_.second, MADV_HUGEPAGE);  // only a wish
#endif
  }

  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  // Never destroyed: kernels may still run while the process ends.
  static std::vector<Block>& spare() {
    static std::vector<Block>& blocks = *new std::vector<Block>;
    return blocks;
  }

  Block block_{nullptr, 0};
  int64_t taken_ = 0;
};

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_SCRATCH_H_
