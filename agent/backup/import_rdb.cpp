#include "backup/import_rdb.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "base/log_scope.h"
#include "base/random.h"
#include "catalog/imports.h"
#include "codec/sha256.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

namespace keyrewind::backup {
namespace {

constexpr std::size_t kLineageDigits = 40;

/// Enough to tell what a file is.
constexpr std::size_t kBeginning = 16;

/// No server says more of itself than that; a foreign file may.
constexpr std::size_t kLongestVersion = 32;

/// What people take for an RDB, by how it begins, and what to do instead.
struct Disguise {
  std::string_view beginning;
  std::string_view what;
};
constexpr std::array<Disguise, 10> kDisguises{{
    {"\x1f\x8b", "it is compressed by gzip; unpack it first: gunzip FILE"},
    {"\x28\xb5\x2f\xfd", "it is compressed by zstd; unpack it first: zstd -d FILE"},
    {"\xfd\x37zXZ", "it is compressed by xz; unpack it first: unxz FILE"},
    {"BZh", "it is compressed by bzip2; unpack it first: bunzip2 FILE"},
    {"PK\x03\x04", "it is a zip archive; unpack it first"},
    {"age-encryption.org/", "it is encrypted by age; decrypt it first: age -d"},
    {"*", "it is an append-only file; let a server load it, and take its RDB with redis-cli --rdb"},
    {"file ",
     "it is the manifest of an append-only file; let a server load that, and take its RDB "
     "with redis-cli --rdb"},
    {"<", "it is a web page or XML; look whether the URL asks for a login"},
    {"{", "it is JSON; only RDB files can be imported"},
}};

Error no_rdb(const std::string& why) {
  return {ErrorKind::corrupt, "this is no RDB: " + why};
}

void refuse_disguises(std::string_view beginning) {
  if (beginning.empty()) {
    throw no_rdb("it is empty");
  }
  for (const Disguise& disguise : kDisguises) {
    if (beginning.starts_with(disguise.beginning)) {
      throw no_rdb(std::string(disguise.what));
    }
  }
}

/// Looks at the first bytes before they are passed on.
class CheckedReader {
 public:
  explicit CheckedReader(const ReadSome& read) : read_(read) {}

  std::size_t operator()(std::span<std::byte> into) {
    if (has_begun_) {
      return read_(into);
    }
    has_begun_ = true;
    std::size_t size = 0;
    while (size < kBeginning) {
      const std::size_t got = read_(into.subspan(size));
      if (got == 0) {
        break;
      }
      size += got;
    }
    refuse_disguises(as_text(ByteView(into).first(size)));
    return size;
  }

 private:
  const ReadSome& read_;
  bool has_begun_ = false;
};

std::string new_lineage() {
  return codec::sha256_hex(as_bytes("import " + random_hex(32))).substr(0, kLineageDigits);
}

bool is_version(std::string_view text) {
  return !text.empty() && text.size() <= kLongestVersion && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '+' || c == '_';
  });
}

std::optional<std::int64_t> number_in(const rdb::Summary& rdb, const std::string& name) {
  const auto found = rdb.aux.find(name);
  if (found == rdb.aux.end()) {
    return std::nullopt;
  }
  const std::string& text = found->second;
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = failure == std::errc() && end == text.data() + text.size();
  return is_number && number > 0 ? std::optional(number) : std::nullopt;
}

/// What the RDB says of the server that wrote it.
replica::ServerInfo writer_of(const rdb::Summary& rdb) {
  replica::ServerInfo server;
  const auto valkey = rdb.aux.find("valkey-ver");
  const auto named = valkey == rdb.aux.end() ? rdb.aux.find("redis-ver") : valkey;
  server.product = valkey != rdb.aux.end() || rdb.magic == "VALKEY" ? "valkey" : "redis";
  server.version =
      named != rdb.aux.end() && is_version(named->second) ? named->second : "of unknown version";
  if (const auto memory = number_in(rdb, "used-mem")) {
    server.used_memory = static_cast<std::uint64_t>(*memory);
  }
  if (!rdb.opaque()) {
    server.keys = rdb.keys();
  }
  server.missing.emplace_back("server: the RDB was imported, nobody could be asked");
  return server;
}

/// When the RDB was made, as it says itself (Redis src/rdb.c, rdbSaveInfoAuxFields).
Timestamp moment_of(const rdb::Summary& rdb, Timestamp now) {
  const auto made = number_in(rdb, "ctime");
  const auto seconds_now = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  return made && *made <= seconds_now ? Timestamp(std::chrono::seconds(*made)) : now;
}

}  // namespace

BackupResult import_rdb(catalog::Catalog& catalog, const ForeignRdb& rdb,
                        const ImportOptions& options, const Clock& clock, Progress& progress,
                        std::stop_token stop) {
  BackupDraft draft(catalog, clock, {.allow_plaintext = options.allow_plaintext}, options.labels,
                    stop);
  draft.add_label(catalog::kImportedFrom, rdb.from);
  draft.add_origin({.trigger = catalog::Trigger::import}, "");
  const log::Scope story({"backup", draft.id()});
  log::info("import started", {{"source", catalog.source()}, {"from", rdb.from}});
  progress.total_bytes = rdb.bytes.value_or(0);
  const replica::Position position{new_lineage(), 0};
  try {
    StoredSnapshot stored = store_snapshot(CheckedReader(rdb.read), catalog.store(),
                                           draft.snapshot_name(position.replid, position.offset),
                                           options.pipeline, progress, stop);
    draft.add_server(writer_of(stored.rdb));
    const Timestamp taken = moment_of(stored.rdb, clock.now());
    draft.add_snapshot(std::move(stored), position.replid, position, taken);
  } catch (Error& error) {
    if (error.kind() == ErrorKind::corrupt) {
      error.add_context(rdb.from);
    }
    throw;
  }
  return draft.finish(stop);
}

}  // namespace keyrewind::backup
