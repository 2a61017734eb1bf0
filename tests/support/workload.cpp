#include "support/workload.h"

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace keyrewind::test {
namespace {

using Command = std::vector<std::string>;
using Commands = std::vector<Command>;

constexpr std::uint64_t kStepsAtOnce = 50;
constexpr std::uint64_t kYear2100 = 4'102'444'800;  ///< In seconds.
constexpr std::uint64_t kManyKeys = 1200;

/// Beginnings of errors that no sound command gets: the workload itself would be wrong.
constexpr std::array<std::string_view, 7> kOwnFaults{
    "ERR unknown", "ERR Unknown", "ERR wrong number", "ERR syntax",
    "NOAUTH",      "READONLY",    "LOADING"};

/// Several keys, of which some may be of the wrong type: what came before the error stays.
constexpr std::string_view kScript =
    "redis.call('SET', KEYS[1], ARGV[1])\n"
    "redis.call('INCRBY', KEYS[2], 3)\n"
    "redis.call('DEL', KEYS[4])\n"
    "redis.call('RPUSH', KEYS[3], ARGV[1], ARGV[2])\n"
    "for i = 1, 5 do redis.call('HINCRBY', KEYS[5], 'f' .. i, i) end\n"
    "return redis.call('SADD', KEYS[4], ARGV[2])";

/// In two databases.
constexpr std::string_view kTravellingScript =
    "redis.call('SET', KEYS[1], ARGV[2])\n"
    "redis.call('SELECT', ARGV[1])\n"
    "redis.call('SET', KEYS[1], ARGV[2])\n"
    "return redis.call('APPEND', KEYS[2], 'x')";

/// What it does cannot be known from what was sent.
constexpr std::string_view kScriptOfChance =
    "local time = redis.call('TIME')\n"
    "redis.call('SET', KEYS[1], time[1] .. '.' .. time[2])\n"
    "local gone = redis.call('SPOP', KEYS[2])\n"
    "if gone then redis.call('RPUSH', KEYS[3], gone) end\n"
    "return 1";

/// Draws words of commands.
class Words {
 public:
  explicit Words(const WorkloadOptions& options) : options_(options), random_(options.seed) {}

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  std::string pick(const Command& words) { return words[below(words.size())]; }

  /// A key of the type that the letter stands for, or now and then of another one.
  std::string key(char type) {
    static constexpr std::string_view kTypes = "snfblzthxpg";
    static constexpr std::array<std::string_view, 6> kTails = {
        "", "", "", " \r\n$3\r\nfoo", std::string_view("\0\xff", 2), "\xc3\xbc"};
    const char letter = one_in(25) ? kTypes[below(kTypes.size())] : type;
    const std::uint64_t number = below(options_.keys);
    return std::string(1, letter) + ":" + std::to_string(number) +
           std::string(kTails[number % kTails.size()]);
  }
  std::string any_key() {
    static constexpr std::string_view kTypes = "snfblzthxpg";
    return key(kTypes[below(kTypes.size())]);
  }

  std::string value() {
    switch (below(8)) {
      case 0:
        return integer(1'000'000);
      case 1:
        return "";
      case 2:
        return bytes(one_in(20) ? 20'000 : 200);
      case 3:
        return std::string(below(300), 'a');
      default:
        return bytes(1 + below(30));
    }
  }
  std::string bytes(std::uint64_t size) {
    std::string text;
    for (std::uint64_t i = 0; i < size; ++i) {
      text += static_cast<char>(below(256));
    }
    return text;
  }
  std::string integer(std::uint64_t limit) {
    return (one_in(2) ? "-" : "") + std::to_string(below(limit));
  }
  std::string natural(std::uint64_t limit) { return std::to_string(below(limit)); }
  /// Of few binary digits, so that sums are exact and print alike everywhere.
  std::string fraction() {
    static constexpr std::array<std::string_view, 4> kEnds = {"", ".5", ".25", ".125"};
    return integer(1000) + std::string(kEnds[below(kEnds.size())]);
  }
  std::string member() { return "m" + natural(60); }
  std::string field() { return "f" + natural(15); }
  std::string database() {
    return std::to_string(options_.databases[below(options_.databases.size())]);
  }
  std::string side() { return pick({"LEFT", "RIGHT"}); }
  std::string group() { return "g" + natural(2); }
  std::string consumer() { return "c" + natural(3); }
  std::string library() { return "lib" + natural(3); }

  /// Ids only ever grow, so that XADD takes the next one; older ones may be in the stream still.
  std::string next_id() { return std::to_string(++last_id_) + "-1"; }
  std::string old_id() {
    return std::to_string(last_id_ - below(std::min(last_id_, kOldIds))) + "-1";
  }

  /// A time to live in milliseconds.
  std::uint64_t milliseconds() {
    return options_.expiries && one_in(2) ? 1 + below(60) : 10'000'000'000 + below(1'000'000'000);
  }
  std::string seconds() { return std::to_string(10'000'000 + below(1'000'000)); }
  std::string second_of_time() { return std::to_string(kYear2100 + below(1'000'000)); }
  std::string millisecond_of_time() { return second_of_time() + std::to_string(100 + below(900)); }
  /// As SET, GETEX and their like take it.
  Command ttl() {
    switch (below(4)) {
      case 0:
        return {"EX", seconds()};
      case 1:
        return {"EXAT", second_of_time()};
      case 2:
        return {"PXAT", millisecond_of_time()};
      default:
        return {"PX", std::to_string(milliseconds())};
    }
  }

  const WorkloadOptions& options() const noexcept { return options_; }

  std::string dumped;            ///< A value as DUMP gave it.
  std::string dumped_functions;  ///< Libraries as FUNCTION DUMP gave them.

 private:
  static constexpr std::uint64_t kOldIds = 400;

  const WorkloadOptions options_;
  std::mt19937_64 random_;
  std::uint64_t last_id_ = 1;
};

Command operator+(Command left, const Command& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/// `n` times what `draw` gives.
template <typename Draw>
Command times(std::uint64_t n, Draw draw) {
  Command words;
  for (std::uint64_t i = 0; i < n; ++i) {
    words = std::move(words) + Command(draw());
  }
  return words;
}

/// One way to write.
struct Kind {
  std::string_view command;  ///< As INFO commandstats names it.
  std::uint64_t weight;
  Commands (*make)(Words&);
};

constexpr std::uint64_t kOften = 100;
constexpr std::uint64_t kNow = 40;
constexpr std::uint64_t kRarely = 8;

std::vector<Kind> kinds_of_strings() {
  return {
      {"set", 3 * kOften,
       [](Words& w) -> Commands {
         Command command = {"SET", w.key('s'), w.value()};
         switch (w.below(6)) {
           case 0:
             return {command + Command{"KEEPTTL"}};
           case 1:
             return {command + Command{w.pick({"NX", "XX", "GET"})}};
           case 2:
             return {command + w.ttl()};
           default:
             return {command};
         }
       }},
      {"setnx", kNow,
       [](Words& w) -> Commands {
         return {{"SETNX", w.key('s'), w.value()}};
       }},
      {"setex", kNow,
       [](Words& w) -> Commands {
         return {{"SETEX", w.key('s'), w.seconds(), w.value()}};
       }},
      {"psetex", kNow,
       [](Words& w) -> Commands {
         return {{"PSETEX", w.key('s'), std::to_string(w.milliseconds()), w.value()}};
       }},
      {"getset", kNow,
       [](Words& w) -> Commands {
         return {{"GETSET", w.key('s'), w.value()}};
       }},
      {"getdel", kNow,
       [](Words& w) -> Commands {
         return {{"GETDEL", w.key('s')}};
       }},
      {"getex", kNow,
       [](Words& w) -> Commands {
         return {Command{"GETEX", w.key('s')} + (w.one_in(3) ? Command{"PERSIST"} : w.ttl())};
       }},
      {"append", kOften,
       [](Words& w) -> Commands {
         return {{"APPEND", w.key('s'), w.value()}};
       }},
      {"setrange", kNow,
       [](Words& w) -> Commands {
         return {{"SETRANGE", w.key('s'), w.natural(500), w.value()}};
       }},
      {"mset", kNow,
       [](Words& w) -> Commands {
         return {Command{"MSET"} + times(1 + w.below(5), [&] {
                   return Command{w.key('s'), w.value()};
                 })};
       }},
      {"msetnx", kNow,
       [](Words& w) -> Commands {
         return {{"MSETNX", w.key('s'), w.value(), w.key('s'), w.value()}};
       }},
      {"msetex", kNow,
       [](Words& w) -> Commands {
         return {Command{"MSETEX", "2", w.key('s'), w.value(), w.key('s'), w.value()} + w.ttl()};
       }},
      {"delifeq", kNow,
       [](Words& w) -> Commands {
         const std::string key = w.key('s');
         return {{"SET", key, "same"}, {"DELIFEQ", key, w.pick({"same", "other"})}};
       }},
      {"incr", kOften,
       [](Words& w) -> Commands {
         return {{"INCR", w.key('n')}};
       }},
      {"decr", kNow,
       [](Words& w) -> Commands {
         return {{"DECR", w.key('n')}};
       }},
      {"incrby", kNow,
       [](Words& w) -> Commands {
         return {{"INCRBY", w.key('n'), w.integer(10'000)}};
       }},
      {"decrby", kNow,
       [](Words& w) -> Commands {
         return {{"DECRBY", w.key('n'), w.integer(10'000)}};
       }},
      {"incrbyfloat", kOften,
       [](Words& w) -> Commands {
         return {{"INCRBYFLOAT", w.key('f'), w.fraction()}};
       }},
      {"setbit", kOften,
       [](Words& w) -> Commands {
         return {{"SETBIT", w.key('b'), w.natural(3000), w.natural(2)}};
       }},
      {"bitfield", kOften,
       [](Words& w) -> Commands {
         return {{"BITFIELD", w.key('b'), "SET", "u8", "#" + w.natural(50), w.natural(256),
                  "OVERFLOW", w.pick({"WRAP", "SAT", "FAIL"}), "INCRBY", "i5", w.natural(400),
                  w.integer(16)}};
       }},
      {"bitop", kNow,
       [](Words& w) -> Commands {
         return {{"BITOP", w.pick({"AND", "OR", "XOR"}), w.key('b'), w.key('b'), w.key('b')}};
       }},
      {"pfadd", kOften,
       [](Words& w) -> Commands {
         return {Command{"PFADD", w.key('p')} +
                 times(1 + w.below(20), [&] { return Command{w.natural(100'000)}; })};
       }},
      {"pfmerge", kNow,
       [](Words& w) -> Commands {
         return {{"PFMERGE", w.key('p'), w.key('p'), w.key('p')}};
       }},
  };
}

std::vector<Kind> kinds_of_lists() {
  return {
      {"rpush", 2 * kOften,
       [](Words& w) -> Commands {
         return {Command{"RPUSH", w.key('l')} +
                 times(1 + w.below(12), [&] { return Command{w.value()}; })};
       }},
      {"lpush", kOften,
       [](Words& w) -> Commands {
         return {{"LPUSH", w.key('l'), w.member(), w.value()}};
       }},
      {"rpushx", kNow,
       [](Words& w) -> Commands {
         return {{"RPUSHX", w.key('l'), w.member()}};
       }},
      {"lpushx", kNow,
       [](Words& w) -> Commands {
         return {{"LPUSHX", w.key('l'), w.member()}};
       }},
      {"lpop", kNow,
       [](Words& w) -> Commands {
         return {{"LPOP", w.key('l')}};
       }},
      {"rpop", kNow,
       [](Words& w) -> Commands {
         return {{"RPOP", w.key('l'), w.natural(5)}};
       }},
      {"lmove", kNow,
       [](Words& w) -> Commands {
         return {{"LMOVE", w.key('l'), w.key('l'), w.side(), w.side()}};
       }},
      {"rpoplpush", kNow,
       [](Words& w) -> Commands {
         return {{"RPOPLPUSH", w.key('l'), w.key('l')}};
       }},
      {"linsert", kNow,
       [](Words& w) -> Commands {
         return {{"LINSERT", w.key('l'), w.pick({"BEFORE", "AFTER"}), w.member(), w.value()}};
       }},
      {"ltrim", kNow,
       [](Words& w) -> Commands {
         return {{"LTRIM", w.key('l'), w.natural(4), "-" + std::to_string(1 + w.below(4))}};
       }},
      {"lset", kNow,
       [](Words& w) -> Commands {
         return {{"LSET", w.key('l'), w.natural(6), w.value()}};
       }},
      {"lrem", kNow,
       [](Words& w) -> Commands {
         return {{"LREM", w.key('l'), w.integer(3), w.member()}};
       }},
      {"lmpop", kNow,
       [](Words& w) -> Commands {
         return {{"LMPOP", "2", w.key('l'), w.key('l'), w.side(), "COUNT", "3"}};
       }},
      // Those that block find something to take, or fail: the key has another type.
      {"blpop", kNow,
       [](Words& w) -> Commands {
         const std::string key = w.key('l');
         return {{"RPUSH", key, w.member()}, {"BLPOP", key, "0.01"}};
       }},
      {"brpop", kNow,
       [](Words& w) -> Commands {
         const std::string key = w.key('l');
         return {{"RPUSH", key, w.member()}, {"BRPOP", key, "0.01"}};
       }},
      {"blmove", kNow,
       [](Words& w) -> Commands {
         const std::string key = w.key('l');
         return {{"RPUSH", key, w.member()},
                 {"BLMOVE", key, w.key('l'), w.side(), w.side(), "0.01"}};
       }},
      {"brpoplpush", kNow,
       [](Words& w) -> Commands {
         const std::string key = w.key('l');
         return {{"RPUSH", key, w.member()}, {"BRPOPLPUSH", key, w.key('l'), "0.01"}};
       }},
      {"blmpop", kNow,
       [](Words& w) -> Commands {
         const std::string key = w.key('l');
         return {{"RPUSH", key, w.member()}, {"BLMPOP", "0.01", "1", key, w.side()}};
       }},
  };
}

std::vector<Kind> kinds_of_sets() {
  return {
      {"sadd", 3 * kOften,
       [](Words& w) -> Commands {
         return {Command{"SADD", w.key('t')} + times(1 + w.below(12), [&] {
                   return Command{w.one_in(3) ? w.integer(100'000) : w.member()};
                 })};
       }},
      {"srem", kOften,
       [](Words& w) -> Commands {
         return {{"SREM", w.key('t'), w.member(), w.member(), w.member()}};
       }},
      {"spop", kOften,
       [](Words& w) -> Commands {
         // All of it at once leaves nothing to chance.
         return {{"SPOP", w.key('t'), w.options().chance ? w.natural(6) : "1000000"}};
       }},
      {"smove", kNow,
       [](Words& w) -> Commands {
         return {{"SMOVE", w.key('t'), w.key('t'), w.member()}};
       }},
      {"sinterstore", kNow,
       [](Words& w) -> Commands {
         return {{"SINTERSTORE", w.key('t'), w.key('t'), w.key('t')}};
       }},
      {"sunionstore", kNow,
       [](Words& w) -> Commands {
         return {{"SUNIONSTORE", w.key('t'), w.key('t'), w.key('t')}};
       }},
      {"sdiffstore", kNow,
       [](Words& w) -> Commands {
         return {{"SDIFFSTORE", w.key('t'), w.key('t'), w.key('t')}};
       }},
  };
}

std::vector<Kind> kinds_of_sorted_sets() {
  return {
      {"zadd", 3 * kOften,
       [](Words& w) -> Commands {
         Command command = {"ZADD", w.key('z')};
         if (w.one_in(4)) {
           command.push_back(w.pick({"NX", "XX", "GT", "LT", "CH"}));
         }
         return {
             command + times(1 + w.below(10), [&] {
               return Command{w.one_in(20) ? w.pick({"-inf", "+inf"}) : w.fraction(), w.member()};
             })};
       }},
      {"zincrby", kOften,
       [](Words& w) -> Commands {
         return {{"ZINCRBY", w.key('z'), w.fraction(), w.member()}};
       }},
      {"zpopmin", kNow,
       [](Words& w) -> Commands {
         return {{"ZPOPMIN", w.key('z'), "2"}};
       }},
      {"zpopmax", kNow,
       [](Words& w) -> Commands {
         return {{"ZPOPMAX", w.key('z')}};
       }},
      {"zmpop", kNow,
       [](Words& w) -> Commands {
         return {{"ZMPOP", "2", w.key('z'), w.key('z'), w.pick({"MIN", "MAX"}), "COUNT", "2"}};
       }},
      {"bzpopmin", kNow,
       [](Words& w) -> Commands {
         const std::string key = w.key('z');
         return {{"ZADD", key, w.fraction(), w.member()}, {"BZPOPMIN", key, "0.01"}};
       }},
      {"bzpopmax", kNow,
       [](Words& w) -> Commands {
         const std::string key = w.key('z');
         return {{"ZADD", key, w.fraction(), w.member()}, {"BZPOPMAX", key, "0.01"}};
       }},
      {"bzmpop", kNow,
       [](Words& w) -> Commands {
         const std::string key = w.key('z');
         return {{"ZADD", key, w.fraction(), w.member()}, {"BZMPOP", "0.01", "1", key, "MAX"}};
       }},
      {"zrem", kNow,
       [](Words& w) -> Commands {
         return {{"ZREM", w.key('z'), w.member(), w.member()}};
       }},
      {"zremrangebyrank", kNow,
       [](Words& w) -> Commands {
         return {{"ZREMRANGEBYRANK", w.key('z'), w.natural(4), "4"}};
       }},
      {"zremrangebyscore", kNow,
       [](Words& w) -> Commands {
         const std::uint64_t from = w.below(900);
         return {{"ZREMRANGEBYSCORE", w.key('z'), std::to_string(from), std::to_string(from + 50)}};
       }},
      {"zremrangebylex", kNow,
       [](Words& w) -> Commands {
         // Among members of different scores what is removed is unspecified, and indeed differs
         // between a server and its replica: the order of a skip list has chance in it.
         const std::string key = "lexical:" + w.natural(5);
         return {Command{"ZADD", key} + times(6,
                                              [&] {
                                                return Command{"0", w.member()};
                                              }),
                 {"ZREMRANGEBYLEX", key, "[m1", "(m2"}};
       }},
      {"zrangestore", kNow,
       [](Words& w) -> Commands {
         return {{"ZRANGESTORE", w.key('z'), w.key('z'), w.natural(5), "20"}};
       }},
      {"zunionstore", kNow,
       [](Words& w) -> Commands {
         return {{"ZUNIONSTORE", w.key('z'), "2", w.key('z'), w.key('t'), "WEIGHTS", "2", "0.5",
                  "AGGREGATE", w.pick({"SUM", "MIN", "MAX"})}};
       }},
      {"zinterstore", kNow,
       [](Words& w) -> Commands {
         return {{"ZINTERSTORE", w.key('z'), "2", w.key('z'), w.key('t')}};
       }},
      {"zdiffstore", kNow,
       [](Words& w) -> Commands {
         return {{"ZDIFFSTORE", w.key('z'), "2", w.key('z'), w.key('z')}};
       }},
      {"geoadd", kOften,
       [](Words& w) -> Commands {
         return {{"GEOADD", w.key('g'), w.integer(180), w.integer(85), w.member()}};
       }},
      {"geosearchstore", kNow,
       [](Words& w) -> Commands {
         return {{"GEOSEARCHSTORE", w.key('g'), w.key('g'), "FROMLONLAT", w.integer(180),
                  w.integer(85), "BYRADIUS", "9000", "km", "ASC"}};
       }},
      {"georadius", kNow,
       [](Words& w) -> Commands {
         return {{"GEORADIUS", w.key('g'), w.integer(180), w.integer(85), "9000", "km", "STORE",
                  w.key('g')}};
       }},
      {"georadiusbymember", kNow,
       [](Words& w) -> Commands {
         const std::string key = w.key('g');
         const std::string member = w.member();
         return {{"GEOADD", key, w.integer(180), w.integer(85), member},
                 {"GEORADIUSBYMEMBER", key, member, "9000", "km", "STOREDIST", w.key('g')}};
       }},
  };
}

std::vector<Kind> kinds_of_hashes() {
  return {
      {"hset", 3 * kOften,
       [](Words& w) -> Commands {
         return {Command{"HSET", w.key('h')} + times(1 + w.below(6), [&] {
                   return Command{w.field(), w.value()};
                 })};
       }},
      {"hmset", kNow,
       [](Words& w) -> Commands {
         return {{"HMSET", w.key('h'), w.field(), w.value()}};
       }},
      {"hsetnx", kNow,
       [](Words& w) -> Commands {
         return {{"HSETNX", w.key('h'), w.field(), w.value()}};
       }},
      {"hdel", kOften,
       [](Words& w) -> Commands {
         return {{"HDEL", w.key('h'), w.field(), w.field()}};
       }},
      {"hincrby", kOften,
       [](Words& w) -> Commands {
         return {{"HINCRBY", w.key('h'), "count" + w.natural(3), w.integer(100)}};
       }},
      {"hincrbyfloat", kOften,
       [](Words& w) -> Commands {
         return {{"HINCRBYFLOAT", w.key('h'), "sum" + w.natural(3), w.fraction()}};
       }},
      {"hexpire", kNow,
       [](Words& w) -> Commands {
         return {{"HEXPIRE", w.key('h'), w.seconds(), "FIELDS", "2", w.field(), w.field()}};
       }},
      {"hpexpire", kOften,
       [](Words& w) -> Commands {
         return {
             {"HPEXPIRE", w.key('h'), std::to_string(w.milliseconds()), "FIELDS", "1", w.field()}};
       }},
      {"hexpireat", kNow,
       [](Words& w) -> Commands {
         // The past deletes the field at once.
         const std::string time = w.one_in(3) ? "1" : w.second_of_time();
         return {{"HEXPIREAT", w.key('h'), time, "FIELDS", "1", w.field()}};
       }},
      {"hpexpireat", kNow,
       [](Words& w) -> Commands {
         return {{"HPEXPIREAT", w.key('h'), w.millisecond_of_time(), w.pick({"NX", "XX", "GT"}),
                  "FIELDS", "1", w.field()}};
       }},
      {"hpersist", kNow,
       [](Words& w) -> Commands {
         return {{"HPERSIST", w.key('h'), "FIELDS", "1", w.field()}};
       }},
      {"hsetex", kOften,
       [](Words& w) -> Commands {
         return {Command{"HSETEX", w.key('h')} + (w.one_in(4) ? Command{"KEEPTTL"} : w.ttl()) +
                 Command{"FIELDS", "2", w.field(), w.value(), w.field(), w.value()}};
       }},
      {"hgetex", kNow,
       [](Words& w) -> Commands {
         return {Command{"HGETEX", w.key('h')} + (w.one_in(3) ? Command{"PERSIST"} : w.ttl()) +
                 Command{"FIELDS", "1", w.field()}};
       }},
      {"hgetdel", kNow,
       [](Words& w) -> Commands {
         return {{"HGETDEL", w.key('h'), "FIELDS", "2", w.field(), w.field()}};
       }},
  };
}

std::vector<Kind> kinds_of_streams() {
  return {
      {"xadd", 4 * kOften,
       [](Words& w) -> Commands {
         if (w.options().chance && w.one_in(8)) {
           return {{"XADD", "x:clock", "MAXLEN", "50", "*", w.field(), w.value()}};
         }
         Command command = {"XADD", w.key('x')};
         switch (w.below(6)) {
           case 0:
             command = command + Command{"MAXLEN", "~", "120"};
             break;
           case 1:
             command = command + Command{"MINID", "~", w.old_id()};
             break;
           case 2:
             command = command + Command{"NOMKSTREAM"};
             break;
           default:
             break;
         }
         return {command + Command{w.next_id(), w.field(), w.value(), w.field(), w.value()}};
       }},
      {"xtrim", kNow,
       [](Words& w) -> Commands {
         return {w.one_in(2) ? Command{"XTRIM", w.key('x'), "MAXLEN", "20"}
                             : Command{"XTRIM", w.key('x'), "MINID", w.old_id()}};
       }},
      {"xdel", kNow,
       [](Words& w) -> Commands {
         return {{"XDEL", w.key('x'), w.old_id(), w.old_id()}};
       }},
      {"xsetid", kNow,
       [](Words& w) -> Commands {
         return {
             {"XSETID", w.key('x'), w.next_id(), "ENTRIESADDED", "5000", "MAXDELETEDID", "1-1"}};
       }},
      {"xgroup|create", kOften,
       [](Words& w) -> Commands {
         return {{"XGROUP", "CREATE", w.key('x'), w.group(), w.pick({"0", "$", w.old_id()}),
                  "MKSTREAM"}};
       }},
      {"xgroup|createconsumer", kNow,
       [](Words& w) -> Commands {
         return {{"XGROUP", "CREATECONSUMER", w.key('x'), w.group(), w.consumer()}};
       }},
      {"xgroup|setid", kNow,
       [](Words& w) -> Commands {
         return {{"XGROUP", "SETID", w.key('x'), w.group(), w.pick({"0", "$"})}};
       }},
      {"xgroup|delconsumer", kNow,
       [](Words& w) -> Commands {
         return {{"XGROUP", "DELCONSUMER", w.key('x'), w.group(), w.consumer()}};
       }},
      {"xgroup|destroy", kRarely,
       [](Words& w) -> Commands {
         return {{"XGROUP", "DESTROY", w.key('x'), w.group()}};
       }},
      {"xreadgroup", 2 * kOften,
       [](Words& w) -> Commands {
         Command command = {"XREADGROUP", "GROUP", w.group(), w.consumer(), "COUNT", "4"};
         if (w.one_in(5)) {
           command.emplace_back("NOACK");
         }
         return {command + Command{"STREAMS", w.key('x'), ">"}};
       }},
      {"xack", kOften,
       [](Words& w) -> Commands {
         return {Command{"XACK", w.key('x'), w.group()} +
                 times(8, [&] { return Command{w.old_id()}; })};
       }},
      {"xclaim", kNow,
       [](Words& w) -> Commands {
         Command command = Command{"XCLAIM", w.key('x'), w.group(), w.consumer(), "0"} +
                           times(8, [&] { return Command{w.old_id()}; });
         if (w.one_in(3)) {
           command =
               command + Command{"TIME", "1700000000000", "RETRYCOUNT", w.natural(9), "FORCE"};
         }
         return {command};
       }},
      {"xautoclaim", kNow,
       [](Words& w) -> Commands {
         return {{"XAUTOCLAIM", w.key('x'), w.group(), w.consumer(), "0", "0", "COUNT", "5"}};
       }},
  };
}

std::vector<Kind> kinds_of_keys() {
  return {
      {"del", kOften,
       [](Words& w) -> Commands {
         if (w.one_in(20)) {
           return {Command{"DEL", w.any_key()} +
                   times(kManyKeys, [&] { return Command{"none:" + w.natural(1'000'000)}; })};
         }
         return {{"DEL", w.any_key(), w.any_key()}};
       }},
      {"unlink", kNow,
       [](Words& w) -> Commands {
         return {{"UNLINK", w.any_key()}};
       }},
      {"expire", kNow,
       [](Words& w) -> Commands {
         return {{"EXPIRE", w.any_key(), w.one_in(5) ? "-1" : w.seconds()}};
       }},
      {"pexpire", kOften,
       [](Words& w) -> Commands {
         return {{"PEXPIRE", w.any_key(), std::to_string(w.milliseconds())}};
       }},
      {"expireat", kNow,
       [](Words& w) -> Commands {
         return {{"EXPIREAT", w.any_key(), w.second_of_time(), w.pick({"NX", "XX", "GT"})}};
       }},
      {"pexpireat", kNow,
       [](Words& w) -> Commands {
         return {{"PEXPIREAT", w.any_key(), w.millisecond_of_time()}};
       }},
      {"persist", kNow,
       [](Words& w) -> Commands {
         return {{"PERSIST", w.any_key()}};
       }},
      {"rename", kNow,
       [](Words& w) -> Commands {
         return {{"RENAME", w.any_key(), w.any_key()}};
       }},
      {"renamenx", kNow,
       [](Words& w) -> Commands {
         return {{"RENAMENX", w.any_key(), w.any_key()}};
       }},
      {"copy", kOften,
       [](Words& w) -> Commands {
         Command command = {"COPY", w.any_key(), w.any_key()};
         if (w.one_in(2)) {
           command = command + Command{"DB", w.database()};
         }
         return {w.one_in(2) ? command + Command{"REPLACE"} : command};
       }},
      {"move", kNow,
       [](Words& w) -> Commands {
         return {{"MOVE", w.any_key(), w.database()}};
       }},
      {"restore", kNow,
       [](Words& w) -> Commands {
         if (w.dumped.empty()) {
           return {{"SET", w.key('s'), w.value()}};
         }
         return {w.one_in(2) ? Command{"RESTORE", w.any_key(), "0", w.dumped, "REPLACE"}
                             : Command{"RESTORE", w.any_key(), w.millisecond_of_time(), w.dumped,
                                       "REPLACE", "ABSTTL"}};
       }},
      {"sort", kNow,
       [](Words& w) -> Commands {
         return {{"SORT", w.key('l'), "ALPHA", w.pick({"ASC", "DESC"}), "STORE", w.key('l')}};
       }},
      {"touch", kNow,
       [](Words& w) -> Commands {
         return {{"TOUCH", w.any_key()}};
       }},
      {"publish", kNow,
       [](Words& w) -> Commands {
         return {{"PUBLISH", "channel", w.value()}};
       }},
      {"spublish", kRarely,
       [](Words& w) -> Commands {
         return {{"SPUBLISH", "channel", w.value()}};
       }},
  };
}

std::vector<Kind> kinds_of_programs() {
  return {
      {"eval", kOften,
       [](Words& w) -> Commands {
         if (w.options().chance && w.one_in(3)) {
           return {{"EVAL", std::string(kScriptOfChance), "3", w.key('s'), w.key('t'), w.key('l')}};
         }
         if (w.one_in(3)) {
           return {{"EVAL", std::string(kTravellingScript), "2", w.key('s'), w.key('s'),
                    w.database(), w.value()}};
         }
         return {{"EVAL", std::string(kScript), "5", w.key('s'), w.key('n'), w.key('l'), w.key('t'),
                  w.key('h'), w.value(), w.member()}};
       }},
      {"function|load", kNow,
       [](Words& w) -> Commands {
         const std::string library = w.library();
         return {{"FUNCTION", "LOAD", "REPLACE",
                  "#!lua name=" + library + "\n-- " + w.natural(1000) +
                      "\n"
                      "redis.register_function('" +
                      library +
                      "_write', function(keys, args)\n"
                      "  redis.call('SET', keys[1], args[1])\n"
                      "  redis.call('ZADD', keys[2], 2, args[1])\n"
                      "  return redis.call('DEL', keys[3])\nend)\n"}};
       }},
      {"function|delete", kRarely,
       [](Words& w) -> Commands {
         return {{"FUNCTION", "DELETE", w.library()}};
       }},
      {"function|restore", kRarely,
       [](Words& w) -> Commands {
         if (w.dumped_functions.empty()) {
           return {{"SET", w.key('s'), w.value()}};
         }
         return {{"FUNCTION", "RESTORE", w.dumped_functions, "REPLACE"}};
       }},
      {"fcall", kOften,
       [](Words& w) -> Commands {
         return {{"FCALL", w.library() + "_write", "3", w.key('s'), w.key('z'), w.any_key(),
                  w.value()}};
       }},
  };
}

std::vector<Kind> kinds_that_change_much(const WorkloadOptions& options) {
  std::vector<Kind> kinds;
  if (options.swaps) {
    kinds.push_back({"swapdb", kRarely, [](Words& w) -> Commands {
                       return {{"SWAPDB", w.database(), w.database()}};
                     }});
  }
  if (options.flushes) {
    kinds.push_back({"flushdb", kRarely, [](Words& w) -> Commands {
                       return {{"FLUSHDB", w.pick({"SYNC", "ASYNC"})}};
                     }});
    kinds.push_back({"flushall", kRarely / 2, [](Words&) -> Commands { return {{"FLUSHALL"}}; }});
    kinds.push_back({"function|flush", kRarely, [](Words&) -> Commands {
                       return {{"FUNCTION", "FLUSH"}};
                     }});
  }
  return kinds;
}

std::vector<Kind> all_kinds(const WorkloadOptions& options) {
  std::vector<Kind> all;
  for (const auto& some : {kinds_of_strings(), kinds_of_lists(), kinds_of_sets(),
                           kinds_of_sorted_sets(), kinds_of_hashes(), kinds_of_streams(),
                           kinds_of_keys(), kinds_of_programs(), kinds_that_change_much(options)}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

std::set<std::string> commands_of(RedisServer& server) {
  std::set<std::string> names;
  for (const Reply& name : server.call({"COMMAND", "LIST"}).elements) {
    names.insert(name.text);
  }
  return names;
}

}  // namespace

class Workload::Writer {
 public:
  Writer(RedisServer& server, const WorkloadOptions& options) : words_(options) {
    use(server);
    const auto known = commands_of(server);
    for (const Kind& kind : all_kinds(options)) {
      const std::string_view name = kind.command.substr(0, kind.command.find('|'));
      if (known.contains(std::string(name))) {
        kinds_.push_back(kind);
        total_weight_ += kind.weight;
      }
    }
  }

  void use(RedisServer& server) {
    server_ = &server;
    client_.emplace(server.connect());
    database_ = "0";
    server.cli({"DEBUG", "SET-ACTIVE-EXPIRE", words_.options().active_expiry ? "1" : "0"});
  }

  void step(std::uint64_t n) {
    while (n > 0) {
      const std::uint64_t now = std::min(n, kStepsAtOnce);
      refresh_dumps();
      for (std::uint64_t i = 0; i < now; ++i) {
        add_step();
      }
      flush();
      n -= now;
    }
  }

  Mark mark() {
    if (words_.options().expiries) {
      let_expire(*server_, words_.options().active_expiry);
    }
    return take_mark(*server_);
  }

  std::vector<std::string> commands() const {
    std::vector<std::string> names = {"multi", "exec"};
    for (const Kind& kind : kinds_) {
      names.emplace_back(kind.command);
    }
    return names;
  }

  std::uint64_t sent() const noexcept { return sent_; }
  std::uint64_t failed() const noexcept { return failed_; }

 private:
  /// What RESTORE gets is what the server itself has written.
  void refresh_dumps() {
    select(words_.database());
    flush();
    const Reply value = client_->call({"DUMP", words_.any_key()});
    if (!value.nil) {
      words_.dumped = value.text;
    }
    words_.dumped_functions = client_->call({"FUNCTION", "DUMP"}).text;
  }

  void add_step() {
    if (words_.one_in(3)) {
      select(words_.database());
    }
    if (words_.one_in(12)) {
      add_transaction();
    } else {
      add_all(draw_kind().make(words_));
    }
  }

  /// Over several databases. Which one is selected after it depends on whether it was carried out.
  void add_transaction() {
    add({"MULTI"});
    for (std::uint64_t i = 0; i < 1 + words_.below(5); ++i) {
      if (words_.one_in(2)) {
        add({"SELECT", words_.database()});
      }
      add_all(draw_kind().make(words_));
    }
    add({words_.one_in(15) ? "DISCARD" : "EXEC"});
    add({"SELECT", database_});
  }

  const Kind& draw_kind() {
    std::uint64_t number = words_.below(total_weight_);
    for (const Kind& kind : kinds_) {
      if (number < kind.weight) {
        return kind;
      }
      number -= kind.weight;
    }
    return kinds_.front();
  }

  void select(const std::string& database) {
    if (database != database_) {
      database_ = database;
      add({"SELECT", database});
    }
  }

  void add_all(const Commands& commands) {
    for (const Command& command : commands) {
      add(command);
    }
  }

  void add(const Command& command) {
    append_command(pending_, command);
    names_.push_back(command.front());
  }

  void flush() {
    client_->send(pending_);
    pending_.clear();
    for (const std::string& name : std::exchange(names_, {})) {
      ++sent_;
      check(name, client_->read());
    }
  }

  void check(const std::string& name, const Reply& reply) {
    for (const Reply& element : reply.elements) {
      check(name, element);
    }
    if (!reply.is_error()) {
      return;
    }
    ++failed_;
    for (const std::string_view fault : kOwnFaults) {
      if (reply.text.starts_with(fault)) {
        throw std::runtime_error(name + ": " + reply.text);
      }
    }
  }

  Words words_;
  std::vector<Kind> kinds_;
  std::uint64_t total_weight_ = 0;
  RedisServer* server_ = nullptr;
  std::optional<RespClient> client_;
  std::string database_;  ///< That is selected once all that is pending has been carried out.
  std::string pending_;
  std::vector<std::string> names_;  ///< Of the pending commands.
  std::uint64_t sent_ = 0;
  std::uint64_t failed_ = 0;
};

Workload::Workload(RedisServer& server, const WorkloadOptions& options)
    : writer_(std::make_unique<Writer>(server, options)) {}

Workload::~Workload() = default;

void Workload::use(RedisServer& server) {
  writer_->use(server);
}

void Workload::step(std::uint64_t n) {
  writer_->step(n);
}

Mark Workload::mark() {
  return writer_->mark();
}

std::vector<std::string> Workload::commands() const {
  return writer_->commands();
}

std::uint64_t Workload::sent() const noexcept {
  return writer_->sent();
}

std::uint64_t Workload::failed() const noexcept {
  return writer_->failed();
}

}  // namespace keyrewind::test
