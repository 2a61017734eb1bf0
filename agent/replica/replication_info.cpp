#include "replica/replication_info.h"

#include "replica/info_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace keyrewind::replica {

namespace {

constexpr std::size_t kExcerptBytes = 64;

using Fields = std::map<std::string_view, std::string_view>;

std::string_view field(const Fields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string_view() : found->second;
}

template <typename Number>
std::optional<Number> to_number(std::string_view text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

/// 0 if it is missing, or negative, which means that there is none.
std::int64_t count(const Fields& fields, std::string_view name) {
  return std::max<std::int64_t>(to_number<std::int64_t>(field(fields, name)).value_or(0), 0);
}

/// Whether `name` is that of a replica's line: "slave0".
bool is_replica_line(std::string_view name) {
  constexpr std::string_view kWord = "slave";
  return name.starts_with(kWord) && name.size() > kWord.size() &&
         name.find_first_not_of("0123456789", kWord.size()) == std::string_view::npos;
}

/// Reads "ip=10.0.0.1,port=6379,state=online,offset=14,lag=1" and what may follow.
std::optional<Address> online_replica(std::string_view line, const Address& like) {
  Fields fields;
  while (!line.empty()) {
    const std::string_view part = line.substr(0, line.find(','));
    line.remove_prefix(std::min(part.size() + 1, line.size()));
    const std::size_t equals = part.find('=');
    if (equals != std::string_view::npos) {
      fields.emplace(part.substr(0, equals), part.substr(equals + 1));
    }
  }
  if (field(fields, "state") != "online") {
    return std::nullopt;
  }
  return named_address(field(fields, "ip"), field(fields, "port"), like);
}

std::optional<ReplicationInfo::Role> to_role(std::string_view role) {
  if (role == "master") {
    return ReplicationInfo::Role::primary;
  }
  return role == "slave" ? std::optional(ReplicationInfo::Role::replica) : std::nullopt;
}

void read_replica_fields(const Fields& fields, const Address& like, ReplicationInfo& info) {
  info.link_up = field(fields, "master_link_status") == "up";
  info.syncing = field(fields, "master_sync_in_progress") == "1";
  info.primary = named_address(field(fields, "master_host"), field(fields, "master_port"), like);
  info.priority = to_number<std::uint64_t>(field(fields, "slave_priority"));
}

}  // namespace

ReplicationInfo parse_replication_info(std::string_view text, const Address& like) {
  ReplicationInfo info;
  Fields fields;
  for_each_info_field(text, [&](std::string_view name, std::string_view value) {
    fields.emplace(name, value);
    if (is_replica_line(name)) {
      if (auto address = online_replica(value, like)) {
        info.replicas.push_back(std::move(*address));
      }
    }
  });

  const auto role = to_role(field(fields, "role"));
  const std::string_view replid = field(fields, "master_replid");
  const auto offset = to_number<std::int64_t>(field(fields, "master_repl_offset"));
  if (!role || !is_replid(replid) || !offset || *offset < 0) {
    throw Error(Side::source, ErrorKind::protocol,
                fmt::format("{} answered INFO replication with \"{}\"", to_string(like),
                            printable({}, std::string(text), kExcerptBytes)));
  }
  info.role = *role;
  info.position = {std::string(replid), *offset};
  const std::string_view second = field(fields, "master_replid2");
  if (is_replid(second) && second.find_first_not_of('0') != std::string_view::npos) {
    info.second_replid = second;
    info.second_offset = count(fields, "second_repl_offset");
  }
  info.backlog_active = field(fields, "repl_backlog_active") == "1";
  info.backlog_begin = count(fields, "repl_backlog_first_byte_offset");
  info.backlog_bytes = count(fields, "repl_backlog_histlen");
  if (info.role == ReplicationInfo::Role::replica) {
    read_replica_fields(fields, like, info);
  }
  return info;
}

ReplicationInfo ask_replication_info(Connection& connection) {
  const resp::Reply reply = connection.call_or_throw({"INFO", "replication"});
  return parse_replication_info(reply.text, connection.options().address);
}

bool can_continue(const ReplicationInfo& node, const Position& position) noexcept {
  const bool is_served = node.backlog_active &&
                         (node.role == ReplicationInfo::Role::primary || node.link_up) &&
                         position.offset >= 0 && position.offset <= node.position.offset;
  if (!is_served || position.replid.empty()) {
    return false;
  }
  const bool is_same_history =
      position.replid == node.position.replid ||
      (position.replid == node.second_replid && position.offset < node.second_offset);
  // The byte wanted is number offset + 1, and the one behind the last that there is will do.
  return is_same_history && position.offset >= node.backlog_begin - 1 &&
         position.offset - node.backlog_begin < node.backlog_bytes;
}

}  // namespace keyrewind::replica
