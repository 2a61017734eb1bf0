#include "replica/replication_info.h"

#include "fake_source.h"

#include <gmock/gmock.h>

#include <limits>

namespace keyrewind::replica {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kReplid = "0123456789abcdef0123456789abcdef01234567";
const std::string kOtherReplid = "89abcdef0123456789abcdef0123456789abcdef";
const std::string kNone(40, '0');
const Address kLike{Address::Transport::tcp, "orders", 6379, ""};

using Role = ReplicationInfo::Role;

/// As Redis 7.0 gives it, with two real replicas and two that listen nowhere.
const std::string kPrimary =
    "# Replication\r\n"
    "role:master\r\n"
    "connected_slaves:5\r\n"
    "slave0:ip=10.0.0.2,port=6379,state=online,offset=990,lag=0\r\n"
    "slave1:ip=10.0.0.9,port=-1,state=online,offset=990,lag=0\r\n"
    "slave2:ip=10.0.0.9,port=0,state=online,offset=990,lag=0\r\n"
    "slave3:ip=::1,port=7000,state=online,offset=990,lag=0,type=replica\r\n"
    "slave4:ip=10.0.0.4,port=6379,state=wait_bgsave,offset=0,lag=0\r\n"
    "master_failover_state:no-failover\r\n"
    "master_replid:" +
    kReplid +
    "\r\n"
    "master_replid2:" +
    kNone +
    "\r\n"
    "master_repl_offset:1000\r\n"
    "second_repl_offset:-1\r\n"
    "repl_backlog_active:1\r\n"
    "repl_backlog_size:1048576\r\n"
    "repl_backlog_first_byte_offset:101\r\n"
    "repl_backlog_histlen:900\r\n";

/// As Valkey 9.1 gives it.
const std::string kReplica =
    "# Replication\r\n"
    "role:slave\r\n"
    "master_host:10.0.0.1\r\n"
    "master_port:6380\r\n"
    "master_link_status:up\r\n"
    "master_last_io_seconds_ago:2\r\n"
    "master_sync_in_progress:0\r\n"
    "slave_read_repl_offset:1000\r\n"
    "slave_repl_offset:1000\r\n"
    "replicas_repl_buffer_size:0\r\n"
    "slave_priority:100\r\n"
    "slave_read_only:1\r\n"
    "connected_slaves:0\r\n"
    "replicas_waiting_psync:0\r\n"
    "master_replid:" +
    kReplid +
    "\r\n"
    "master_replid2:" +
    kOtherReplid +
    "\r\n"
    "master_repl_offset:1000\r\n"
    "second_repl_offset:501\r\n"
    "repl_backlog_active:1\r\n"
    "repl_backlog_first_byte_offset:101\r\n"
    "repl_backlog_histlen:900\r\n";

/// `text` with the line of `field` changed to `value`.
std::string with(std::string text, const std::string& field, const std::string& value) {
  const std::size_t at = text.find("\n" + field + ":") + 1;
  text.replace(at, text.find('\r', at) - at, field + ":" + value);
  return text;
}

ReplicationInfo parse(const std::string& text) {
  return parse_replication_info(text, kLike);
}

TEST(ReplicationInfo, ReadsWhatAPrimarySays) {
  const ReplicationInfo info = parse(kPrimary);
  EXPECT_EQ(info.role, Role::primary);
  EXPECT_EQ(info.position, (Position{kReplid, 1000}));
  EXPECT_EQ(info.second_replid, "");
  EXPECT_TRUE(info.backlog_active);
  EXPECT_EQ(info.backlog_begin, 101);
  EXPECT_EQ(info.backlog_bytes, 900);
  EXPECT_TRUE(info.link_up);
  EXPECT_EQ(info.primary, std::nullopt);
  EXPECT_EQ(info.priority, std::nullopt);
}

TEST(ReplicationInfo, NamesOnlineReplicasThatListen) {
  EXPECT_THAT(parse(kPrimary).replicas,
              ElementsAre(Address{Address::Transport::tcp, "10.0.0.2", 6379, ""},
                          Address{Address::Transport::tcp, "::1", 7000, ""}));
  EXPECT_THAT(parse(with(kPrimary, "slave0", "ip=10.0.0.2,port=70000,state=online")).replicas,
              testing::SizeIs(1));
}

TEST(ReplicationInfo, ReadsWhatAReplicaSays) {
  const ReplicationInfo info = parse(kReplica);
  EXPECT_EQ(info.role, Role::replica);
  EXPECT_EQ(info.position, (Position{kReplid, 1000}));
  EXPECT_EQ(info.second_replid, kOtherReplid);
  EXPECT_EQ(info.second_offset, 501);
  EXPECT_TRUE(info.link_up);
  EXPECT_FALSE(info.syncing);
  EXPECT_EQ(info.primary, (Address{Address::Transport::tcp, "10.0.0.1", 6380, ""}));
  EXPECT_THAT(info.replicas, IsEmpty());
  EXPECT_EQ(info.priority, 100U);
}

TEST(ReplicationInfo, SeesThatAReplicaHasNoLink) {
  EXPECT_FALSE(parse(with(kReplica, "master_link_status", "down")).link_up);
  EXPECT_TRUE(parse(with(kReplica, "master_sync_in_progress", "1")).syncing);
}

TEST(ReplicationInfo, ReachesOthersAsTheNodeItself) {
  const Address tls{Address::Transport::tls, "orders", 6379, ""};
  EXPECT_EQ(parse_replication_info(kReplica, tls).primary,
            (Address{Address::Transport::tls, "10.0.0.1", 6380, ""}));
  const Address unix{Address::Transport::unix, "", 6379, "/run/valkey.sock"};
  EXPECT_EQ(parse_replication_info(kReplica, unix).primary,
            (Address{Address::Transport::tcp, "10.0.0.1", 6380, ""}));
}

TEST(ReplicationInfo, RefusesWhatIsNone) {
  for (const std::string& text :
       {std::string(), std::string("PONG"), std::string(100'000, ':'),
        with(kPrimary, "role", "king"), with(kPrimary, "master_replid", "1234"),
        with(kPrimary, "master_repl_offset", "many"), with(kPrimary, "master_repl_offset", "-1"),
        with(kPrimary, "master_repl_offset", "99999999999999999999")}) {
    const Error error = error_of([&] { parse(text); });
    EXPECT_EQ(error.kind(), ErrorKind::protocol) << text;
    EXPECT_EQ(error.side(), Side::source);
    EXPECT_THAT(error.what(), HasSubstr("orders:6379 answered INFO replication with \""));
  }
}

TEST(ReplicationInfo, SurvivesEveryCut) {
  for (const std::string& whole : {kPrimary, kReplica}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      try {
        can_continue(parse(whole.substr(0, size)), {kReplid, 500});
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::protocol);
      }
    }
  }
}

TEST(CanContinue, WhereTheBacklogReaches) {
  const ReplicationInfo info = parse(kPrimary);
  EXPECT_FALSE(can_continue(info, {kReplid, 99}));
  EXPECT_TRUE(can_continue(info, {kReplid, 100}));
  EXPECT_TRUE(can_continue(info, {kReplid, 999}));
  EXPECT_TRUE(can_continue(info, {kReplid, 1000}));
  EXPECT_FALSE(can_continue(info, {kReplid, 1001}));
  EXPECT_FALSE(can_continue(info, {kReplid, -1}));
  EXPECT_FALSE(can_continue(info, {kReplid, std::numeric_limits<std::int64_t>::max()}));
}

TEST(CanContinue, OnAnEmptyBacklog) {
  ReplicationInfo info = parse(kPrimary);
  info.position.offset = 0;
  info.backlog_begin = 1;
  info.backlog_bytes = 0;
  EXPECT_TRUE(can_continue(info, {kReplid, 0}));
  EXPECT_FALSE(can_continue(info, {kReplid, 1}));
}

TEST(CanContinue, TheHistoryBeforeTheLastPromotion) {
  const ReplicationInfo info = parse(kReplica);
  EXPECT_TRUE(can_continue(info, {kOtherReplid, 100}));
  EXPECT_TRUE(can_continue(info, {kOtherReplid, 500}));
  EXPECT_FALSE(can_continue(info, {kOtherReplid, 501}));
}

TEST(CanContinue, NoOtherHistory) {
  EXPECT_FALSE(can_continue(parse(kPrimary), {kOtherReplid, 500}));
  EXPECT_FALSE(can_continue(parse(kPrimary), {kNone, 500}));
  EXPECT_FALSE(can_continue(parse(kPrimary), {"", 500}));
}

TEST(CanContinue, NotWithoutABacklog) {
  EXPECT_FALSE(can_continue(parse(with(kPrimary, "repl_backlog_active", "0")), {kReplid, 500}));
}

TEST(CanContinue, NotOnAReplicaWithoutALink) {
  EXPECT_TRUE(can_continue(parse(kReplica), {kReplid, 500}));
  EXPECT_FALSE(can_continue(parse(with(kReplica, "master_link_status", "down")), {kReplid, 500}));
}

}  // namespace
}  // namespace keyrewind::replica
