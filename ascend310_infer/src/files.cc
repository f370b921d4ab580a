#include "files.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace {

constexpr char kSuffix[] = ".images.bin";

[[noreturn]] void refuse(const std::string& path, const char* action) {
  throw std::runtime_error(path + ": cannot be " + action + ": " + std::strerror(errno));
}

}  // namespace

// With <dirent.h>, because <filesystem> needs a newer compiler than some Ascend hosts have.
std::vector<std::string> list_batches(const std::string& folder) {
  DIR* stream = opendir(folder.c_str());
  if (stream == nullptr) {
    refuse(folder, "listed");
  }
  std::vector<std::string> names;
  const std::string suffix = kSuffix;
  while (const dirent* entry = readdir(stream)) {
    const std::string name = entry->d_name;
    if (name.size() > suffix.size() && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0) {
      names.push_back(name.substr(0, name.size() - suffix.size()));
    }
  }
  closedir(stream);
  if (names.empty()) {
    throw std::runtime_error(folder + ": wanted files *" + suffix + ", got none");
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<char> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    refuse(path, "read");
  }
  std::vector<char> content(static_cast<size_t>(file.tellg()));
  file.seekg(0);
  if (!file.read(content.data(), static_cast<std::streamsize>(content.size()))) {
    refuse(path, "read");
  }
  return content;
}

void write_file(const std::string& path, const void* data, size_t size) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
  file.close();
  if (!file) {
    refuse(path, "written");
  }
}
