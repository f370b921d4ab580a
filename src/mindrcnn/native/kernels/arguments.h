// Checked access to the tensors of a function that MindSpore calls, and its error codes.
#ifndef MINDRCNN_NATIVE_ARGUMENTS_H_
#define MINDRCNN_NATIVE_ARGUMENTS_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <numeric>
#include <stdexcept>

namespace mindrcnn {

// MindSpore turns any other result into an exception that names the function and this number.
enum Result { kOk = 0, kWrongArguments = 1, kFailed = 2 };

class Arguments {
 public:
  Arguments(int expected, int count, void** data, int* ranks, int64_t** shapes, const char** dtypes)
      : data_(data), ranks_(ranks), shapes_(shapes), dtypes_(dtypes) {
    if (count != expected) throw std::invalid_argument("count");
  }

  int rank(int index) const { return ranks_[index]; }

  const int64_t* shape(int index, int rank) const {
    if (ranks_[index] != rank) throw std::invalid_argument("rank");
    return shapes_[index];
  }

  // Returns the data of the tensor at this index, which must have this shape.
  float* floats(int index, std::initializer_list<int64_t> shape) const {
    return static_cast<float*>(checked(index, shape, "float32"));
  }
  int32_t* ints(int index, std::initializer_list<int64_t> shape) const {
    return static_cast<int32_t*>(checked(index, shape, "int32"));
  }
  uint8_t* bools(int index, std::initializer_list<int64_t> shape) const {
    return static_cast<uint8_t*>(checked(index, shape, "bool"));
  }
  uint8_t* bytes(int index, std::initializer_list<int64_t> shape) const {
    return static_cast<uint8_t*>(checked(index, shape, "uint8"));
  }
  // Returns the data of a tensor of any shape, and the number of its elements.
  float* all_floats(int index, int64_t* elements) const {
    if (!has_floats(index)) throw std::invalid_argument("dtype");
    *elements = std::accumulate(shapes_[index], shapes_[index] + ranks_[index], int64_t{1}, std::multiplies<>());
    return static_cast<float*>(data_[index]);
  }
  bool has_floats(int index) const { return std::strcmp(dtypes_[index], "float32") == 0; }

 private:
  void* checked(int index, std::initializer_list<int64_t> expected, const char* dtype) const {
    const int64_t* got = shape(index, static_cast<int>(expected.size()));
    const bool right = std::equal(expected.begin(), expected.end(), got) && std::strcmp(dtypes_[index], dtype) == 0;
    if (!right) throw std::invalid_argument("tensor");
    return data_[index];
  }

  void** data_;
  int* ranks_;
  int64_t** shapes_;
  const char** dtypes_;
};

template <typename Function>
int guarded(Function function) {
  try {
    function();
    return kOk;
  } catch (const std::invalid_argument&) {
    return kWrongArguments;
  } catch (const std::exception&) {
    return kFailed;
  }
}

}  // namespace mindrcnn

#define MINDRCNN_KERNEL(name)                                                                                    \
  extern "C" __attribute__((visibility("default"))) int name(int count, void** data, int* ranks, int64_t** shapes, \
                                                             const char** dtypes, void*, void*)

#endif  // MINDRCNN_NATIVE_ARGUMENTS_H_
