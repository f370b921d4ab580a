#include "lite_model.h"

#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>

#include "include/api/context.h"

namespace {

constexpr size_t kInputs = 2;  // images, image_sizes

void require(const mindspore::Status& status, const std::string& what) {
  if (status.IsError()) {
    throw std::runtime_error(what + ": " + status.GetErrDescription());
  }
}

std::shared_ptr<mindspore::Context> make_context(const Device& device) {
  auto context = std::make_shared<mindspore::Context>();
  if (device.target == "Ascend") {
    auto ascend = std::make_shared<mindspore::AscendDeviceInfo>();
    ascend->SetDeviceID(device.number);
    ascend->SetPrecisionMode(device.precision);
    context->MutableDeviceInfo().push_back(ascend);
  } else {
    context->MutableDeviceInfo().push_back(std::make_shared<mindspore::CPUDeviceInfo>());
  }
  return context;
}

void fill(mindspore::MSTensor* tensor, const std::string& name, const std::vector<char>& bytes) {
  if (tensor->DataSize() != bytes.size()) {
    throw std::runtime_error("batch " + name + ": wanted " + std::to_string(tensor->DataSize()) + " bytes of " +
                             tensor->Name() + ", got " + std::to_string(bytes.size()));
  }
  void* data = tensor->MutableData();
  if (data == nullptr) {
    throw std::runtime_error("batch " + name + ": no memory for " + tensor->Name());
  }
  std::memcpy(data, bytes.data(), bytes.size());
}

}  // namespace

LiteModel::LiteModel(const std::string& file, const Device& device) {
  require(model_.Build(file, mindspore::kMindIR, make_context(device)),
          file + ": wanted a model that this version of MindSpore Lite loads on " + device.target);
  const auto inputs = model_.GetInputs();
  if (inputs.size() != kInputs || inputs[0].Shape().size() != 4) {
    throw std::runtime_error(file + ": wanted the inputs images (B, 3, H, W) and image_sizes (B, 2), got others");
  }
  batch_size_ = inputs[0].Shape()[0];
}

std::vector<mindspore::MSTensor> LiteModel::predict(const std::string& name, const std::vector<char>& images,
                                                    const std::vector<char>& image_sizes) {
  auto inputs = model_.GetInputs();
  fill(&inputs[0], name, images);
  fill(&inputs[1], name, image_sizes);
  std::vector<mindspore::MSTensor> outputs;
  require(model_.Predict(inputs, &outputs), "batch " + name + ": cannot be predicted");
  return outputs;
}

std::string describe(const mindspore::MSTensor& tensor) {
  using mindspore::DataType;
  static const std::map<DataType, std::string> kNames = {
      {DataType::kNumberTypeFloat32, "float32"}, {DataType::kNumberTypeFloat16, "float16"},
      {DataType::kNumberTypeInt32, "int32"},     {DataType::kNumberTypeInt64, "int64"},
      {DataType::kNumberTypeBool, "bool"},       {DataType::kNumberTypeUInt8, "uint8"},
  };
  const auto found = kNames.find(tensor.DataType());
  if (found == kNames.end()) {
    throw std::runtime_error("output " + tensor.Name() + ": wanted float, int, bool or uint8, got type " +
                             std::to_string(static_cast<int>(tensor.DataType())));
  }
  std::string line = found->second;
  for (const int64_t length : tensor.Shape()) {
    line += " " + std::to_string(length);
  }
  return line;
}
