#include "replica/fork_info.h"

#include "replica/info_text.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string>

namespace keyrewind::replica {
namespace {

using Fields = std::map<std::string_view, std::string_view>;

std::string_view text_of(const Fields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string_view() : found->second;
}

/// 0 if the field is missing, negative or no number.
std::uint64_t count(const Fields& fields, std::string_view name) {
  const std::string_view text = text_of(fields, name);
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && end == text.data() + text.size() ? number : 0;
}

bool flag(const Fields& fields, std::string_view name) {
  return count(fields, name) != 0;
}

}  // namespace

ForkInfo parse_fork_info(std::string_view text) {
  Fields fields;
  for_each_info_field(
      text, [&](std::string_view name, std::string_view value) { fields.emplace(name, value); });
  if (!fields.contains("used_memory")) {
    throw Error(Side::source, ErrorKind::protocol, "INFO memory says nothing of used_memory");
  }
  // Volatile policies evict, too, as far as there are keys with a time to live.
  const std::string_view policy = text_of(fields, "maxmemory_policy");
  ForkInfo info;
  info.used_memory = std::max(count(fields, "used_memory"), count(fields, "used_memory_rss"));
  info.max_memory = count(fields, "maxmemory");
  info.evicts = !policy.empty() && policy != "noeviction";
  info.total_system_memory = count(fields, "total_system_memory");
  info.last_copied =
      std::max({count(fields, "rdb_last_cow_size"), count(fields, "aof_last_cow_size"),
                count(fields, "module_fork_last_cow_size")});
  info.current_copied = count(fields, "current_cow_size");
  info.snapshot_running = flag(fields, "rdb_bgsave_in_progress");
  info.aof_rewrite_running = flag(fields, "aof_rewrite_in_progress");
  info.module_fork_running = flag(fields, "module_fork_in_progress");
  info.loading = flag(fields, "loading") || flag(fields, "async_loading");
  info.replicas = count(fields, "connected_slaves");
  info.backlog_active = flag(fields, "repl_backlog_active");
  info.backlog_size = count(fields, "repl_backlog_size");
  return info;
}

ForkInfo ask_fork_info(Connection& connection) {
  // One section a question: several at once are understood from 7.0 on only, and all of them is
  // much more than is needed.
  std::string text;
  for (const std::string_view section : {"memory", "persistence", "replication"}) {
    text += connection.call_or_throw({"INFO", section}).text;
  }
  return parse_fork_info(text);
}

}  // namespace keyrewind::replica
