#include "replica/nodes.h"

#include "fake_source.h"

#include <gmock/gmock.h>

namespace keyrewind::replica {
namespace {

using test::expect;
using test::FakeServer;
using test::send;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Role = ReplicationInfo::Role;

const std::string kReplid = "0123456789abcdef0123456789abcdef01234567";
const std::string kOtherReplid = "89abcdef0123456789abcdef0123456789abcdef";

/// A node with a backlog of everything, named by `host`.
Node node(const std::string& host, Role role, std::int64_t offset) {
  Node made;
  made.address.host = host;
  made.info.role = role;
  made.info.position = {kReplid, offset};
  made.info.backlog_active = true;
  made.info.backlog_begin = 1;
  made.info.backlog_bytes = offset;
  return made;
}

Node without_link(Node node) {
  node.info.link_up = false;
  return node;
}

Node syncing(Node node) {
  node.info.syncing = true;
  return node;
}

Node unknown(const std::string& host, Role role) {
  Node made;
  made.address.host = host;
  made.info.role = role;
  return made;
}

std::vector<std::string> choose(std::vector<Node> nodes, ReadFrom policy,
                                const std::optional<Position>& position = {}) {
  std::vector<std::string> hosts;
  for (const Node& chosen : choose_nodes({std::move(nodes), {}}, policy, position)) {
    hosts.push_back(chosen.address.host);
  }
  return hosts;
}

const std::vector<Node> kShard = {
    node("primary", Role::primary, 1000), node("stale", Role::replica, 900),
    node("fresh", Role::replica, 990), without_link(node("cut-off", Role::replica, 1000)),
    syncing(node("loading", Role::replica, 100))};

TEST(ChooseNodes, PrefersTheFreshestHealthyReplica) {
  EXPECT_THAT(choose(kShard, ReadFrom::replica_preferred),
              ElementsAre("fresh", "stale", "primary", "cut-off", "loading"));
}

TEST(ChooseNodes, TakesReplicasOnly) {
  EXPECT_THAT(choose(kShard, ReadFrom::replica),
              ElementsAre("fresh", "stale", "cut-off", "loading"));
  EXPECT_THAT(choose({kShard[0]}, ReadFrom::replica), IsEmpty());
}

TEST(ChooseNodes, TakesThePrimaryOnly) {
  EXPECT_THAT(choose(kShard, ReadFrom::primary), ElementsAre("primary"));
}

TEST(ChooseNodes, TakesThisNodeWhateverItIs) {
  EXPECT_THAT(choose({kShard[0]}, ReadFrom::this_node), ElementsAre("primary"));
  EXPECT_THAT(choose({kShard[3]}, ReadFrom::this_node), ElementsAre("cut-off"));
}

TEST(ChooseNodes, TakesThePrimaryWhereThereIsNoReplica) {
  EXPECT_THAT(choose({kShard[0]}, ReadFrom::replica_preferred), ElementsAre("primary"));
}

TEST(ChooseNodes, KeepsTheOrderOfEquals) {
  EXPECT_THAT(choose({node("b", Role::replica, 5), node("a", Role::replica, 5),
                      node("c", Role::replica, 5)},
                     ReadFrom::replica_preferred),
              ElementsAre("b", "a", "c"));
}

TEST(ChooseNodes, TakesOnlyNodesThatCanContinue) {
  EXPECT_THAT(choose(kShard, ReadFrom::replica_preferred, Position{kReplid, 950}),
              ElementsAre("fresh", "primary"));
  EXPECT_THAT(choose(kShard, ReadFrom::replica_preferred, Position{kReplid, 995}),
              ElementsAre("primary"));
  EXPECT_THAT(choose(kShard, ReadFrom::replica_preferred, Position{kOtherReplid, 950}), IsEmpty());
}

TEST(ChooseNodes, GivesNodesOfUnknownPositionAChance) {
  EXPECT_THAT(choose({unknown("unknown", Role::replica), kShard[2]}, ReadFrom::replica_preferred,
                     Position{kReplid, 950}),
              ElementsAre("fresh", "unknown"));
}

TEST(ReadFrom, HasTheNamesOfTheConfiguration) {
  EXPECT_EQ(to_string(ReadFrom::replica_preferred), "replica_preferred");
  EXPECT_EQ(to_string(ReadFrom::replica), "replica");
  EXPECT_EQ(to_string(ReadFrom::primary), "primary");
  EXPECT_EQ(to_string(ReadFrom::this_node), "this_node");
}

TEST(OptionsFor, ChangesTheAddressOnly) {
  SourceOptions source;
  source.address.host = "one";
  source.username = "backup";
  source.password = Secret("hunter2");
  source.tls.ca_file = "ca.crt";

  const SourceOptions options =
      options_for(source, Address{Address::Transport::tls, "other", 7000, ""});

  EXPECT_EQ(options.address.host, "other");
  EXPECT_EQ(options.username, "backup");
  EXPECT_EQ(options.password.reveal(), "hunter2");
  EXPECT_EQ(options.tls.ca_file, "ca.crt");
}

/// The answer to INFO replication of a primary that names `replicas`, lines without their end.
std::string info_of_primary(const std::vector<std::string>& replicas = {}) {
  std::string text = "# Replication\r\nrole:master\r\n";
  for (const std::string& replica : replicas) {
    text += replica + "\r\n";
  }
  return bulk(text + "master_replid:" + kReplid + "\r\nmaster_repl_offset:1000\r\n");
}

/// A node that answers what a search asks.
std::vector<test::Step> node_script(const std::string& run_id, const std::string& info,
                                    const std::string& mode = "standalone") {
  return {expect("HELLO 2"),
          send(greeting_of("redis", "7.0.15", mode)),
          expect("INFO server"),
          send(bulk("# Server\r\nredis_version:7.0.15\r\nrun_id:" + run_id + "\r\n")),
          expect("INFO replication"),
          send(info)};
}

ShardOptions shard_at(const FakeServer& server) {
  ShardOptions options;
  options.source = options_for(server);
  return options;
}

std::string replica_line(std::uint16_t port) {
  return "slave0:ip=127.0.0.1,port=" + std::to_string(port) + ",state=online,offset=1,lag=0";
}

constexpr auto kTcp = FakeServer::Transport::tcp;

TEST(FindNodes, FollowsWhatTheNodesName) {
  FakeServer replica(node_script("b", info_of_primary()), kTcp);
  const FakeServer primary(node_script("a", info_of_primary({replica_line(replica.port())})));

  const Shard shard = find_nodes(shard_at(primary), {});

  ASSERT_EQ(shard.nodes.size(), 2U);
  EXPECT_EQ(shard.nodes[0].address, options_for(primary).address);
  EXPECT_EQ(shard.nodes[1].address.port, replica.port());
  EXPECT_THAT(shard.problems, IsEmpty());
  EXPECT_EQ(replica.finish(), "");
}

TEST(FindNodes, StaysAtThisNode) {
  const FakeServer primary(node_script("a", info_of_primary({replica_line(1)})));
  ShardOptions options = shard_at(primary);
  options.read_from = ReadFrom::this_node;
  options.sentinel = {"orders", {options.source.address}};  // Not asked.

  const Shard shard = find_nodes(options, {});

  EXPECT_EQ(shard.nodes.size(), 1U);
  EXPECT_THAT(shard.problems, IsEmpty());
}

TEST(FindNodes, CountsANodeWithTwoAddressesOnce) {
  const FakeServer under_other_name(node_script("a", ""), kTcp);
  const FakeServer primary(
      node_script("a", info_of_primary({replica_line(under_other_name.port())})));

  const Shard shard = find_nodes(shard_at(primary), {});

  ASSERT_EQ(shard.nodes.size(), 1U);
  EXPECT_EQ(shard.nodes[0].address, options_for(primary).address);
}

TEST(FindNodes, SaysWhichAddressesDoNotAnswer) {
  const std::uint16_t nobody = FakeServer({}, kTcp).port();
  const FakeServer primary(node_script("a", info_of_primary({replica_line(nobody)})));

  const Shard shard = find_nodes(shard_at(primary), {});

  EXPECT_EQ(shard.nodes.size(), 1U);
  EXPECT_THAT(shard.problems, ElementsAre(HasSubstr("127.0.0.1:" + std::to_string(nobody))));
}

TEST(FindNodes, SaysThatNobodyAnswers) {
  const FakeServer server({});
  const Error error = error_of([&] { find_nodes(shard_at(server), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(error.side(), Side::source);
}

TEST(FindNodes, SaysThatTheAnswerMakesNoSense) {
  const FakeServer server(node_script("a", bulk("role:king\r\n")));
  EXPECT_EQ(error_of([&] { find_nodes(shard_at(server), {}); }).kind(), ErrorKind::protocol);
}

TEST(FindNodes, RefusesASentinelForASource) {
  const FakeServer server({expect("HELLO 2"), send(greeting_of("redis", "7.0.15", "sentinel"))});
  const Error error = error_of([&] { find_nodes(shard_at(server), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::config);
  EXPECT_THAT(error.what(), HasSubstr("set source.address to a server"));
}

TEST(FindNodes, DoesNotWaitForANodeThatHangs) {
  const FakeServer hanging({expect("HELLO 2"), send(greeting_of("redis", "7.0.15")),
                            expect("INFO server"), test::stay_silent()},
                           kTcp);
  const FakeServer primary(node_script("a", info_of_primary({replica_line(hanging.port())})));
  ShardOptions options = shard_at(primary);
  options.source.connect_timeout = std::chrono::milliseconds(200);
  options.source.silence_timeout = std::chrono::hours(1);

  const Shard shard = find_nodes(options, {});

  EXPECT_EQ(shard.nodes.size(), 1U);
  EXPECT_THAT(shard.problems, ElementsAre(HasSubstr("sent nothing for")));
}

TEST(FindNodes, EndsWhenStopped) {
  const FakeServer server({expect("HELLO 2"), test::stay_silent()});
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(error_of([&] { find_nodes(shard_at(server), stop.get_token()); }).kind(),
            ErrorKind::cancelled);
}

TEST(FindNodes, KnowsTheAddressOfANodeThatRefusesInfo) {
  const std::string refusal = "-NOPERM this user has no permissions to run the 'info' command\r\n";
  const FakeServer server({expect("HELLO 2"), send(greeting_of("redis", "7.0.15")),
                           expect("INFO server"), send(refusal), expect("INFO replication"),
                           send(refusal)});

  const Shard shard = find_nodes(shard_at(server), {});

  ASSERT_EQ(shard.nodes.size(), 1U);
  EXPECT_EQ(shard.nodes[0].info.position.replid, "");
  EXPECT_EQ(shard.nodes[0].info.role, Role::primary);
  EXPECT_THAT(shard.problems, ElementsAre(HasSubstr("+psync +replconf +info")));
}

TEST(FindNodes, AsksTheClusterForTheShardOfTheNode) {
  const FakeServer replica(node_script("b", info_of_primary()), kTcp);
  std::vector<test::Step> script = node_script("a", info_of_primary({replica_line(1)}), "cluster");
  script.push_back(expect("CLUSTER NODES"));
  script.push_back(
      send(bulk("aaaa :6379@16379 myself,master - 0 0 1 connected 0-5460\n"
                "bbbb 127.0.0.1:" +
                std::to_string(replica.port()) +
                "@16379,name.example slave aaaa 0 1 1 connected\n"
                "cccc 127.0.0.1:1@16379 master - 0 1 2 connected 5461-16383\n"
                "dddd 127.0.0.1:1@16379 slave cccc 0 1 2 connected\n"
                "eeee 127.0.0.1:2@16379 slave,fail aaaa 0 1 1 disconnected\n"
                "ffff :0@0 slave,noaddr aaaa 0 1 1 disconnected\n")));
  const FakeServer primary(script);

  const Shard shard = find_nodes(shard_at(primary), {});

  ASSERT_EQ(shard.nodes.size(), 2U);
  EXPECT_EQ(shard.nodes[1].address.host, "127.0.0.1");
  EXPECT_EQ(shard.nodes[1].address.port, replica.port());
  EXPECT_THAT(shard.problems, ElementsAre(HasSubstr("127.0.0.1:2 has failed")));
}

TEST(FindNodes, UsesInfoInAClusterThatDoesNotTell) {
  const FakeServer replica(node_script("b", info_of_primary()), kTcp);
  std::vector<test::Step> script =
      node_script("a", info_of_primary({replica_line(replica.port())}), "cluster");
  script.push_back(expect("CLUSTER NODES"));
  script.push_back(send("-NOPERM no\r\n"));
  const FakeServer primary(script);

  EXPECT_EQ(find_nodes(shard_at(primary), {}).nodes.size(), 2U);
}

TEST(FindNodes, SurvivesNonsenseFromACluster) {
  for (const std::string nonsense :
       {"", "\n\n\n", "myself", "a b myself,slave a\na 1.2.3.4 x a\n", ": : myself :\n"}) {
    std::vector<test::Step> script = node_script("a", info_of_primary(), "cluster");
    script.push_back(expect("CLUSTER NODES"));
    script.push_back(send(bulk(nonsense)));
    const FakeServer primary(script);
    EXPECT_EQ(find_nodes(shard_at(primary), {}).nodes.size(), 1U) << nonsense;
  }
}

/// A Sentinel that names `primary_port`, and a replica with the flags on `replica_port`.
std::vector<test::Step> sentinel_script(std::uint16_t primary_port, std::uint16_t replica_port,
                                        const std::string& flags) {
  return {expect("HELLO 2"),
          send(greeting_of("redis", "7.0.15", "sentinel")),
          expect("SENTINEL GET-MASTER-ADDR-BY-NAME orders"),
          send("*2\r\n" + bulk("127.0.0.1") + bulk(std::to_string(primary_port))),
          expect("SENTINEL REPLICAS orders"),
          send("*1\r\n*6\r\n" + bulk("ip") + bulk("127.0.0.1") + bulk("port") +
               bulk(std::to_string(replica_port)) + bulk("flags") + bulk(flags))};
}

TEST(FindNodes, AsksSentinelsInTurn) {
  const FakeServer primary(node_script("a", info_of_primary()), kTcp);
  const FakeServer replica(node_script("b", info_of_primary()), kTcp);
  const FakeServer gone({});
  const FakeServer ignorant({expect("HELLO 2"), send(greeting_of("redis", "7.0.15", "sentinel")),
                             expect("SENTINEL GET-MASTER-ADDR-BY-NAME orders"), send("*-1\r\n")});
  const FakeServer none({expect("HELLO 2"), send(greeting_of("redis", "7.0.15"))});
  const FakeServer knowing(sentinel_script(primary.port(), replica.port(), "slave"));
  ShardOptions options = shard_at(gone);
  options.sentinel.master = "orders";
  for (const FakeServer* sentinel : {&gone, &ignorant, &none, &knowing}) {
    options.sentinel.addresses.push_back(options_for(*sentinel).address);
  }

  const Shard shard = find_nodes(options, {});

  ASSERT_EQ(shard.nodes.size(), 2U);
  EXPECT_EQ(shard.nodes[0].address.port, primary.port());
  EXPECT_EQ(shard.nodes[1].address.port, replica.port());
  EXPECT_THAT(shard.problems,
              ElementsAre(HasSubstr(gone.socket_path().string()),
                          HasSubstr("knows no \"orders\"; check source.sentinel.master"),
                          HasSubstr("is not a Sentinel; check source.sentinel.addresses")));
}

TEST(FindNodes, NeverGivesTheServersPasswordToASentinel) {
  FakeServer sentinel({expect("HELLO 2"), send(greeting_of("redis", "7.0.15", "sentinel")),
                       expect("SENTINEL GET-MASTER-ADDR-BY-NAME orders"), send("*-1\r\n")});
  const FakeServer primary({});
  ShardOptions options = shard_at(primary);
  options.source.username = "backup";
  options.source.password = Secret("hunter2");
  options.sentinel = {"orders", {options_for(sentinel).address}};

  EXPECT_EQ(error_of([&] { find_nodes(options, {}); }).kind(), ErrorKind::config);

  EXPECT_EQ(sentinel.finish(), "");
}

TEST(FindNodes, PassesOverAReplicaThatSentinelHoldsForDead) {
  const FakeServer primary(node_script("a", info_of_primary()), kTcp);
  const FakeServer sentinel(sentinel_script(primary.port(), 7, "s_down,slave,disconnected"));
  ShardOptions options = shard_at(sentinel);
  options.sentinel = {"orders", {options_for(sentinel).address}};

  const Shard shard = find_nodes(options, {});

  EXPECT_EQ(shard.nodes.size(), 1U);
  EXPECT_THAT(shard.problems, ElementsAre(AllOf(HasSubstr("the replica 127.0.0.1:7 is down"))));
}

TEST(FindNodes, GoesToTheAddressWhenSentinelsAreOfNoUse) {
  const FakeServer primary(node_script("a", info_of_primary()));
  const FakeServer sentinel({});
  ShardOptions options = shard_at(primary);
  options.sentinel = {"orders", {options_for(sentinel).address}};

  const Shard shard = find_nodes(options, {});

  ASSERT_EQ(shard.nodes.size(), 1U);
  EXPECT_EQ(shard.nodes[0].address, options_for(primary).address);
  EXPECT_THAT(shard.problems, testing::SizeIs(1));
}

}  // namespace
}  // namespace keyrewind::replica
