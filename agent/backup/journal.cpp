#include "backup/journal.h"

#include "aof/framer.h"
#include "base/error.h"
#include "io/file.h"
#include "rdb/crc64.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace keyrewind::backup {
namespace {

constexpr std::array<char, 8> kSignature{'K', 'R', 'W', 'J', 'R', 'N', 'L', '1'};
constexpr std::size_t kMaxHead = 4096;

/// What stands before the text of a record, in the machine's own byte order: journals never leave
/// it.
struct RecordHead {
  std::uint32_t kind = 0;
  std::uint32_t bytes = 0;  ///< Of the text.
  std::int64_t offset = 0;
  std::int64_t at = 0;      ///< Milliseconds since 1970.
  std::uint64_t crc64 = 0;  ///< Of the four above and the text.
};
static_assert(sizeof(RecordHead) == 32);

ByteView checked_part(const RecordHead& head) {
  return std::as_bytes(std::span(&head, 1)).first(offsetof(RecordHead, crc64));
}

std::uint64_t checksum(const RecordHead& head, ByteView text) {
  return rdb::crc64(text, rdb::crc64(checked_part(head)));
}

/// Of a journal that an earlier version left, which wrote none.
const std::string kNoSalt(32, '0');

std::string encode(const JournalHead& head) {
  nlohmann::ordered_json json{{"source", head.source},          {"shard", head.shard},
                              {"lineage", head.lineage},        {"replid", head.position.replid},
                              {"offset", head.position.offset}, {"database", nullptr}};
  json["salt"] = head.salt;
  if (head.database) {
    json["database"] = *head.database;
  }
  return json.dump();
}

JournalHead parse_head(ByteView text) {
  const auto json = nlohmann::json::parse(as_text(text));
  JournalHead head{.source = json.at("source"),
                   .shard = json.at("shard"),
                   .lineage = json.at("lineage"),
                   .position = {json.at("replid"), json.at("offset")},
                   .database = {}};
  if (!json.at("database").is_null()) {
    head.database = json.at("database").get<std::uint64_t>();
  }
  head.salt = json.value("salt", kNoSalt);
  return head;
}

/// Nothing if it is not what this version writes.
std::optional<JournalHead> decode_head(ByteView text) {
  try {
    return parse_head(text);
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

void write_all(const io::Fd& file, std::array<iovec, 2> parts, const std::filesystem::path& path) {
  std::span<iovec> left(parts);
  while (!left.empty()) {
    const ssize_t written = ::writev(file.number(), left.data(), static_cast<int>(left.size()));
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw io::file_error(Side::here, errno, "write", path);
    }
    auto rest = static_cast<std::size_t>(written);
    while (!left.empty() && rest >= left.front().iov_len) {
      rest -= left.front().iov_len;
      left = left.subspan(1);
    }
    if (!left.empty()) {
      left.front().iov_base = static_cast<std::byte*>(left.front().iov_base) + rest;
      left.front().iov_len -= rest;
    }
  }
}

iovec as_iovec(ByteView bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

/// Whether all of `raw` is stream.
bool feed(aof::Framer& framer, ByteView raw) {
  try {
    return framer.feed(raw) == raw.size();
  } catch (const Error&) {
    return false;  // What is safe before it stays so.
  }
}

}  // namespace

JournalWriter::JournalWriter(std::filesystem::path path, const JournalHead& head)
    : path_(std::move(path)),
      file_(::open(path_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0640)) {
  if (!file_) {
    throw io::file_error(Side::here, errno, "create", path_);
  }
  const std::string text = encode(head);
  RecordHead record{.bytes = static_cast<std::uint32_t>(text.size())};
  std::memcpy(&record.at, kSignature.data(), kSignature.size());
  record.crc64 = checksum(record, as_bytes(text));
  try {
    write_all(file_, {as_iovec(std::as_bytes(std::span(&record, 1))), as_iovec(as_bytes(text))},
              path_);
  } catch (const Error&) {
    ::unlink(path_.c_str());
    throw;
  }
  bytes_ = sizeof record + text.size();
}

void JournalWriter::write(const JournalRecord& record) {
  const RecordHead head = [&] {
    RecordHead made{.kind = static_cast<std::uint32_t>(record.kind),
                    .bytes = static_cast<std::uint32_t>(record.text.size()),
                    .offset = record.offset,
                    .at = record.at.time_since_epoch().count()};
    made.crc64 = checksum(made, record.text);
    return made;
  }();
  write_all(file_, {as_iovec(std::as_bytes(std::span(&head, 1))), as_iovec(record.text)}, path_);
  bytes_ += sizeof head + record.text.size();
}

JournalReader::JournalReader(std::filesystem::path path)
    : path_(std::move(path)),
      file_(io::open_to_read(path_, Side::here)),
      buffer_(sizeof(RecordHead) + kMaxJournalData) {
  RecordHead record;
  const ByteView head = read(sizeof record);
  if (head.size() == sizeof record) {
    std::memcpy(&record, head.data(), sizeof record);
    if (std::memcmp(&record.at, kSignature.data(), kSignature.size()) == 0 &&
        record.bytes <= kMaxHead) {
      const ByteView text = read(record.bytes);
      const bool is_whole = text.size() == record.bytes && checksum(record, text) == record.crc64;
      if (auto decoded = is_whole ? decode_head(text) : std::nullopt) {
        head_ = std::move(*decoded);
        return;
      }
    }
  }
  throw Error(ErrorKind::corrupt, fmt::format("{} is no journal", path_.string()));
}

/// The next `bytes` bytes, or fewer at the end of the file. Valid until the next call.
ByteView JournalReader::read(std::size_t bytes) {
  if (end_ - begin_ < bytes) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
    while (end_ < bytes) {
      const ssize_t got = ::read(file_.number(), buffer_.data() + end_, buffer_.size() - end_);
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got < 0) {
        throw io::file_error(Side::here, errno, "read", path_);
      }
      if (got == 0) {
        break;
      }
      end_ += static_cast<std::size_t>(got);
    }
  }
  const ByteView view = ByteView(buffer_).subspan(begin_, std::min(bytes, end_ - begin_));
  begin_ += view.size();
  return view;
}

std::optional<JournalRecord> JournalReader::next() {
  RecordHead record;
  const ByteView head = read(sizeof record);
  if (head.size() < sizeof record) {
    return std::nullopt;
  }
  std::memcpy(&record, head.data(), sizeof record);
  if (record.bytes > kMaxJournalData || record.kind < 1 || record.kind > 4) {
    return std::nullopt;
  }
  const ByteView text = read(record.bytes);
  if (text.size() < record.bytes || checksum(record, text) != record.crc64) {
    return std::nullopt;
  }
  return JournalRecord{.kind = static_cast<JournalRecord::Kind>(record.kind),
                       .offset = record.offset,
                       .at = Timestamp(std::chrono::milliseconds(record.at)),
                       .text = text};
}

JournalSummary read_through(const std::filesystem::path& path) {
  JournalReader reader(path);
  JournalSummary summary;
  summary.head = reader.head();
  summary.replid = summary.head.position.replid;
  summary.database = summary.head.database;
  aof::Framer framer(summary.head.position.offset, summary.head.database);
  summary.end = framer.safe();
  while (auto record = reader.next()) {
    switch (record->kind) {
      case JournalRecord::Kind::data: {
        const bool goes_on = record->offset == framer.offset() && feed(framer, record->text);
        if (framer.safe() != summary.end) {
          summary.end = framer.safe();
          summary.database = framer.safe_database();
          summary.last = record->at;
        }
        if (!goes_on) {
          return summary;
        }
        break;
      }
      case JournalRecord::Kind::renamed:
        summary.replid = std::string(as_text(record->text));
        break;
      case JournalRecord::Kind::sealed:
        summary.sealed = true;
        summary.end = record->offset;
        return summary;
      case JournalRecord::Kind::resumed:
        break;
    }
  }
  return summary;
}

}  // namespace keyrewind::backup
