#include "io/tar_writer.h"

#include "base/error.h"

#include <fmt/format.h>

#include <chrono>
#include <numeric>
#include <utility>

namespace keyrewind::io {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameBytes = 100;

// Where a field begins in the header.
constexpr std::size_t kMode = 100;
constexpr std::size_t kOwner = 108;
constexpr std::size_t kGroup = 116;
constexpr std::size_t kSize = 124;
constexpr std::size_t kModified = 136;
constexpr std::size_t kChecksum = 148;
constexpr std::size_t kType = 156;
constexpr std::size_t kMagic = 257;

void put(std::string& header, std::size_t at, std::string_view text) {
  header.replace(at, text.size(), text);
}

}  // namespace

void TarWriter::add(const std::string& name, std::string_view content) {
  if (name.size() > kNameBytes) {
    throw Error(ErrorKind::config, fmt::format("'{}' is too long a name for an archive", name));
  }
  const auto seconds =
      std::chrono::floor<std::chrono::seconds>(modified_.time_since_epoch()).count();
  std::string header(kBlock, '\0');
  put(header, 0, name);
  put(header, kMode, "0000600");
  put(header, kOwner, "0000000");
  put(header, kGroup, "0000000");
  put(header, kSize, fmt::format("{:011o}", content.size()));
  put(header, kModified, fmt::format("{:011o}", seconds));
  put(header, kChecksum, "        ");
  put(header, kType, "0");
  put(header, kMagic,
      std::string_view("ustar\0"
                       "00",
                       8));
  const unsigned sum =
      std::accumulate(header.begin(), header.end(), 0U,
                      [](unsigned total, char c) { return total + static_cast<unsigned char>(c); });
  put(header, kChecksum, fmt::format("{:06o}", sum) + std::string(1, '\0'));
  archive_ += header;
  archive_ += content;
  archive_.append((kBlock - content.size() % kBlock) % kBlock, '\0');
}

std::string TarWriter::finish() {
  archive_.append(2 * kBlock, '\0');
  return std::move(archive_);
}

}  // namespace keyrewind::io
