#include "cli/config_watch.h"

#include <fstream>
#include <iterator>
#include <utility>

namespace keyrewind::cli {

ConfigWatch::ConfigWatch(std::string file) : file_(std::move(file)), content_(read()) {}

bool ConfigWatch::has_changed() {
  auto content = read();
  if (!content || content == content_) {
    return false;
  }
  content_ = std::move(content);
  return true;
}

std::optional<std::string> ConfigWatch::read() const {
  std::ifstream in(file_, std::ios::binary);
  if (!in) {
    return std::nullopt;
  }
  std::string content{std::istreambuf_iterator<char>(in), {}};
  return in.bad() ? std::nullopt : std::optional(std::move(content));
}

}  // namespace keyrewind::cli
