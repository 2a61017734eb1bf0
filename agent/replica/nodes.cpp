#include "replica/nodes.h"

#include "replica/info_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <iterator>
#include <set>
#include <utility>

namespace keyrewind::replica {

namespace {

/// A node that is healthy answers in milliseconds.
constexpr std::chrono::milliseconds kProbeTimeout{2000};

using Role = ReplicationInfo::Role;

/// Takes what stands before the next `separator` off the front of `text`.
std::string_view take_word(std::string_view& text, char separator) {
  const std::string_view word = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(word.size() + 1, text.size()));
  return word;
}

/// Whether `flags`, a list with commas, has `flag`.
bool has_flag(std::string_view flags, std::string_view flag) {
  while (!flags.empty()) {
    if (take_word(flags, ',') == flag) {
      return true;
    }
  }
  return false;
}

/// One line of CLUSTER NODES.
struct ClusterNode {
  std::string_view id;
  std::string_view endpoint;  ///< "10.0.0.1:6379@16379" and perhaps ",name.example".
  std::string_view flags;
  std::string_view primary;  ///< Its id; "-" for none.
};

std::vector<ClusterNode> parse_cluster_nodes(std::string_view text) {
  std::vector<ClusterNode> nodes;
  while (!text.empty()) {
    std::string_view line = take_word(text, '\n');
    ClusterNode node;
    for (std::string_view* word : {&node.id, &node.endpoint, &node.flags, &node.primary}) {
      *word = take_word(line, ' ');
    }
    nodes.push_back(node);
  }
  return nodes;
}

/// Where a cluster's node listens. Over TLS by its name if it has one, as certificates do.
std::optional<Address> to_address(const ClusterNode& node, const Address& like) {
  std::string_view names = node.endpoint;
  std::string_view host_and_port = take_word(names, ',');
  host_and_port = host_and_port.substr(0, host_and_port.find('@'));
  const std::size_t colon = host_and_port.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view name = take_word(names, ',');
  const bool has_name = !name.empty() && name.find('=') == std::string_view::npos;
  const bool goes_by_name = has_name && like.transport == Address::Transport::tls;
  return named_address(goes_by_name ? name : host_and_port.substr(0, colon),
                       host_and_port.substr(colon + 1), like);
}

/// The nodes of the shard of the node that was asked, without that one.
std::vector<ClusterNode> siblings(const std::vector<ClusterNode>& nodes) {
  const auto myself = std::find_if(nodes.begin(), nodes.end(), [](const ClusterNode& node) {
    return has_flag(node.flags, "myself");
  });
  if (myself == nodes.end()) {
    return {};
  }
  const std::string_view primary = has_flag(myself->flags, "master") ? myself->id : myself->primary;
  std::vector<ClusterNode> found;
  std::copy_if(nodes.begin(), nodes.end(), std::back_inserter(found), [&](const ClusterNode& node) {
    return (node.id == primary || node.primary == primary) && node.id != myself->id;
  });
  return found;
}

std::string_view text_of(const resp::Reply& pairs, std::string_view key) {
  const resp::Reply* value = pairs.find(key);
  return value == nullptr ? std::string_view() : std::string_view(value->text);
}

/// What a node is known by that does not tell its position.
ReplicationInfo unknown_position(const Greeting& greeting) {
  ReplicationInfo info;
  info.role = greeting.role == "master" ? Role::primary : Role::replica;
  return info;
}

/// Goes from node to node until all that were named have been asked.
class Search {
 public:
  Search(const ShardOptions& options, std::stop_token stop)
      : options_(options), stop_(std::move(stop)) {}

  Shard run();

 private:
  void ask_sentinels();
  void ask_sentinel(const Address& address);
  void ask_all();
  void ask(const Address& address);
  ReplicationInfo position_of(Connection& connection);
  bool is_known(Connection& connection);
  void follow(Connection& connection, const ReplicationInfo& info);
  bool follow_cluster(Connection& connection);
  void add(std::optional<Address> address);
  void note(const Error& error);
  SourceOptions probe(const Address& address) const;
  bool follows() const { return options_.read_from != ReadFrom::this_node; }

  const ShardOptions& options_;
  const std::stop_token stop_;
  std::deque<Address> to_ask_;
  std::vector<Address> named_;
  std::set<std::string, std::less<>> run_ids_;
  std::optional<Error> first_error_;
  Shard shard_;
};

Shard Search::run() {
  if (follows()) {
    ask_sentinels();
    ask_all();
  }
  if (shard_.nodes.empty()) {
    add(options_.source.address);
    ask_all();
  }
  if (shard_.nodes.empty() && first_error_) {
    throw *first_error_;
  }
  return std::move(shard_);
}

void Search::ask_sentinels() {
  for (const Address& address : options_.sentinel.addresses) {
    try {
      ask_sentinel(address);
      return;
    } catch (const Error& error) {
      note(error);
    }
  }
}

void Search::ask_sentinel(const Address& address) {
  SourceOptions options = probe(address);
  options.username.clear();
  options.password = Secret();
  Connection connection(options, stop_);
  if (connection.greeting().mode != "sentinel") {
    throw Error(
        Side::source, ErrorKind::config,
        fmt::format("{} is not a Sentinel; check source.sentinel.addresses", to_string(address)));
  }
  const std::string& name = options_.sentinel.master;
  const resp::Reply primary =
      connection.call_or_throw({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", name});
  if (primary.elements.size() != 2) {
    throw Error(Side::source, ErrorKind::config,
                fmt::format("the Sentinel {} knows no \"{}\"; check source.sentinel.master",
                            to_string(address), name));
  }
  const Address& like = options_.source.address;
  add(named_address(primary.elements[0].text, primary.elements[1].text, like));
  const resp::Reply replicas = connection.call_or_throw({"SENTINEL", "REPLICAS", name});
  for (const resp::Reply& replica : replicas.elements) {
    const auto found = named_address(text_of(replica, "ip"), text_of(replica, "port"), like);
    if (found && has_flag(text_of(replica, "flags"), "s_down")) {
      shard_.problems.push_back(fmt::format("the Sentinel {} says that the replica {} is down",
                                            to_string(address), to_string(*found)));
      continue;
    }
    add(found);
  }
}

void Search::ask_all() {
  while (!to_ask_.empty()) {
    const Address address = std::move(to_ask_.front());
    to_ask_.pop_front();
    try {
      ask(address);
    } catch (const Error& error) {
      note(error);
    }
  }
}

void Search::ask(const Address& address) {
  Connection connection(probe(address), stop_);
  refuse_sentinel(connection);
  if (is_known(connection)) {
    return;
  }
  const Node& node = shard_.nodes.emplace_back(Node{address, position_of(connection)});
  if (follows()) {
    follow(connection, node.info);
  }
}

ReplicationInfo Search::position_of(Connection& connection) {
  try {
    return ask_replication_info(connection);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::denied) {
      throw;
    }
    note(error);
    return unknown_position(connection.greeting());
  }
}

/// Whether the node has been asked under another address. One that does not tell its run id counts
/// as new.
bool Search::is_known(Connection& connection) {
  const resp::Reply reply = connection.call({"INFO", "server"});
  const std::string_view run_id = info_field(reply.text, "run_id");
  return !reply.is_error() && !run_id.empty() && !run_ids_.emplace(run_id).second;
}

void Search::follow(Connection& connection, const ReplicationInfo& info) {
  if (connection.greeting().mode == "cluster" && follow_cluster(connection)) {
    return;
  }
  add(info.primary);
  for (const Address& replica : info.replicas) {
    add(replica);
  }
}

/// Returns false if the node does not tell.
bool Search::follow_cluster(Connection& connection) {
  const resp::Reply reply = connection.call({"CLUSTER", "NODES"});
  if (reply.is_error()) {
    return false;
  }
  for (const ClusterNode& node : siblings(parse_cluster_nodes(reply.text))) {
    const auto address = to_address(node, connection.options().address);
    if (address && has_flag(node.flags, "fail")) {
      shard_.problems.push_back(fmt::format("{} says that {} has failed",
                                            to_string(connection.options().address),
                                            to_string(*address)));
      continue;
    }
    add(address);
  }
  return true;
}

/// Each address is asked once.
void Search::add(std::optional<Address> address) {
  if (address && std::find(named_.begin(), named_.end(), *address) == named_.end()) {
    named_.push_back(*address);
    to_ask_.push_back(std::move(*address));
  }
}

void Search::note(const Error& error) {
  if (error.kind() == ErrorKind::cancelled) {
    throw error;
  }
  shard_.problems.emplace_back(error.what());
  if (!first_error_) {
    first_error_ = error;
  }
}

/// A node that hangs must not keep the others waiting.
SourceOptions Search::probe(const Address& address) const {
  SourceOptions options = options_for(options_.source, address);
  options.connect_timeout = std::min(options.connect_timeout, kProbeTimeout);
  options.silence_timeout = options.connect_timeout;
  return options;
}

bool is_allowed(const Node& node, ReadFrom policy) {
  switch (policy) {
    case ReadFrom::replica:
      return node.info.role == Role::replica;
    case ReadFrom::primary:
      return node.info.role == Role::primary;
    case ReadFrom::replica_preferred:
    case ReadFrom::this_node:
      return true;
  }
  return false;
}

/// Smaller is better: healthy replicas, the primary, other replicas.
int rank(const ReplicationInfo& info) {
  if (info.role == Role::primary) {
    return 1;
  }
  return info.link_up && !info.syncing ? 0 : 2;
}

}  // namespace

std::string_view to_string(ReadFrom policy) noexcept {
  switch (policy) {
    case ReadFrom::replica_preferred:
      return "replica_preferred";
    case ReadFrom::replica:
      return "replica";
    case ReadFrom::primary:
      return "primary";
    case ReadFrom::this_node:
      return "this_node";
  }
  return "";
}

Shard find_nodes(const ShardOptions& options, std::stop_token stop) {
  return Search(options, std::move(stop)).run();
}

std::vector<Node> choose_nodes(const Shard& shard, ReadFrom policy,
                               const std::optional<Position>& position) {
  std::vector<Node> chosen;
  std::copy_if(shard.nodes.begin(), shard.nodes.end(), std::back_inserter(chosen),
               [&](const Node& node) {
                 const bool is_unknown = node.info.position.replid.empty();
                 return is_allowed(node, policy) &&
                        (!position || is_unknown || can_continue(node.info, *position));
               });
  std::stable_sort(chosen.begin(), chosen.end(), [](const Node& one, const Node& other) {
    const auto key = [](const Node& node) {
      return std::pair(rank(node.info), -node.info.position.offset);
    };
    return key(one) < key(other);
  });
  return chosen;
}

SourceOptions options_for(const SourceOptions& source, const Address& address) {
  SourceOptions options = source;
  options.address = address;
  return options;
}

}  // namespace keyrewind::replica
