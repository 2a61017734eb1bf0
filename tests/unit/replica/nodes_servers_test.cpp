#include "fake_source.h"
#include "on_server.h"
#include "replica/log_stream.h"
#include "replica/nodes.h"
#include "support/sentinel.h"

#include <gmock/gmock.h>

#include <array>

namespace keyrewind::replica {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::vector<std::uint16_t> ports_of(const std::vector<Node>& nodes) {
  std::vector<std::uint16_t> ports;
  for (const Node& node : nodes) {
    ports.push_back(node.address.port);
  }
  return ports;
}

class NodesOnServer : public OnServer {
 protected:
  static ShardOptions shard_at(const RedisServer& server) {
    ShardOptions options;
    options.source = options_for(server);
    return options;
  }

  static std::vector<std::string> as_cluster(const std::string& bus_port) {
    return {"--cluster-enabled", "yes", "--cluster-port", bus_port};
  }

  /// The primary says so only once the replica has acknowledged its snapshot.
  static void wait_until_online(RedisServer& primary) {
    wait_until("an online replica",
               [&] { return !info_of(options_for(primary)).replicas.empty(); });
  }
};

INSTANTIATE_TEST_SUITE_P(Servers, NodesOnServer, testing::ValuesIn(test::all_servers()),
                         [](const auto& server) { return test::to_test_name(server.param); });

TEST_P(NodesOnServer, AreFoundFromEachOfThem) {
  RedisServer primary = start({}, true);
  RedisServer replica = start_replica(primary);
  wait_for_link(replica);
  wait_until_online(primary);
  const auto log =
      LogStream::attach(options_for(primary), info_of(options_for(primary)).position, {});
  ASSERT_NE(log, nullptr);

  const Shard from_primary = find_nodes(shard_at(primary), {});
  const Shard from_replica = find_nodes(shard_at(replica), {});

  EXPECT_THAT(ports_of(from_primary.nodes), ElementsAre(primary.port(), replica.port()));
  EXPECT_THAT(ports_of(from_replica.nodes), ElementsAre(replica.port(), primary.port()));
  EXPECT_THAT(from_primary.problems, IsEmpty());
  EXPECT_THAT(from_replica.problems, IsEmpty());
  wait_for_same_offset(primary, replica);
  EXPECT_THAT(ports_of(choose_nodes(find_nodes(shard_at(primary), {}), ReadFrom::replica_preferred,
                                    info_of(options_for(replica)).position)),
              ElementsAre(replica.port(), primary.port()));
}

TEST_P(NodesOnServer, AreFoundBySentinelWhichNeverListsTheLog) {
  RedisServer primary = start({}, true);
  RedisServer replica = start_replica(primary);
  wait_for_link(replica);
  wait_until_online(primary);
  const auto log =
      LogStream::attach(options_for(primary), info_of(options_for(primary)).position, {});
  ASSERT_NE(log, nullptr);
  ASSERT_EQ(primary.info("connected_slaves"), "2");

  test::Sentinel sentinel(GetParam(), "orders", primary.port());
  wait_until("a replica at the Sentinel", [&] { return !sentinel.replicas().empty(); });

  EXPECT_THAT(sentinel.replicas(), ElementsAre("127.0.0.1:" + std::to_string(replica.port())));
  ShardOptions options;
  options.source.address = parse_address("valkey://127.0.0.1:1");
  options.sentinel = {"orders", {parse_address(sentinel.url())}};
  EXPECT_THAT(ports_of(find_nodes(options, {}).nodes), ElementsAre(primary.port(), replica.port()));
}

TEST_P(NodesOnServer, OfAClusterAreThoseOfTheShard) {
  // By default the cluster's own port is 10000 above the server's, which may be too high.
  const auto bus_ports =
      std::array{std::to_string(test::free_port()), std::to_string(test::free_port()),
                 std::to_string(test::free_port())};
  RedisServer primary = start(as_cluster(bus_ports[0]), true);
  RedisServer replica = start(as_cluster(bus_ports[1]), true);
  RedisServer other = start(as_cluster(bus_ports[2]), true);
  primary.cli({"CLUSTER", "ADDSLOTSRANGE", "0", "16382"});
  other.cli({"CLUSTER", "ADDSLOTS", "16383"});
  primary.cli({"CLUSTER", "MEET", "127.0.0.1", std::to_string(replica.port()), bus_ports[1]});
  primary.cli({"CLUSTER", "MEET", "127.0.0.1", std::to_string(other.port()), bus_ports[2]});
  const std::string id = primary.cli({"CLUSTER", "MYID"});
  wait_until("the replica knows its primary", [&] {
    return !replica.call({"CLUSTER", "REPLICATE", id}).is_error();
  });
  wait_for_link(replica);
  wait_until("the cluster is whole", [&] {
    const std::string nodes = primary.cli({"CLUSTER", "NODES"});
    return nodes.find("slave " + id) != std::string::npos &&
           nodes.find(" 16383\n") != std::string::npos;
  });

  EXPECT_THAT(ports_of(find_nodes(shard_at(primary), {}).nodes),
              ElementsAre(primary.port(), replica.port()));
  EXPECT_THAT(ports_of(find_nodes(shard_at(replica), {}).nodes),
              UnorderedElementsAre(primary.port(), replica.port()));
  EXPECT_THAT(ports_of(find_nodes(shard_at(other), {}).nodes), ElementsAre(other.port()));
}

using NodesOnTwoServers = NodesOnServer;
INSTANTIATE_TEST_SUITE_P(Servers, NodesOnTwoServers,
                         testing::Values("redis-server-8.0", "valkey-server-9.1"),
                         [](const auto& server) { return test::to_test_name(server.param); });

TEST_P(NodesOnTwoServers, AreFoundAfterAFailoverThatSentinelMade) {
  RedisServer primary = start({}, true);
  RedisServer replica = start_replica(primary);
  wait_for_link(replica);
  wait_until_online(primary);
  const Position position = info_of(options_for(primary)).position;
  const auto log = LogStream::attach(options_for(primary), position, {});
  ASSERT_NE(log, nullptr);
  test::Sentinel sentinel(GetParam(), "orders", primary.port());
  wait_until("a replica at the Sentinel", [&] { return !sentinel.replicas().empty(); });
  wait_for_same_offset(primary, replica);

  primary.kill();
  wait_until("the failover", [&] { return sentinel.primary_port() == replica.port(); });

  ShardOptions options;
  options.source.address = parse_address(primary.url());
  options.sentinel = {"orders", {parse_address(sentinel.url())}};
  const Shard shard = find_nodes(options, {});
  const auto chosen = choose_nodes(shard, ReadFrom::replica_preferred, position);
  ASSERT_THAT(ports_of(chosen), ElementsAre(replica.port()));
  const auto next = LogStream::attach(options_for(replica), position, {});
  ASSERT_NE(next, nullptr);
  EXPECT_NE(next->replid(), position.replid);
}

}  // namespace
}  // namespace keyrewind::replica
