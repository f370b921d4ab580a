// Exceptions inside OpenMP regions, which end the process if they leave one: want of memory, in practice.
#ifndef MINDRCNN_NATIVE_FIRST_EXCEPTION_H_
#define MINDRCNN_NATIVE_FIRST_EXCEPTION_H_

#include <exception>
#include <mutex>

namespace mindrcnn {

// Keeps the first exception of the calls that several threads make, to be thrown again after the region.
class FirstException {
 public:
  // Calls function(); returns whether it ended without an exception.
  template <typename Function>
  bool keep(Function function) {
    try {
      function();
      return true;
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (first_ == nullptr) first_ = std::current_exception();
      return false;
    }
  }

  void rethrow() const {
    if (first_ != nullptr) std::rethrow_exception(first_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr first_;
};

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_FIRST_EXCEPTION_H_
