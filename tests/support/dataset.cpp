#include "support/dataset.h"

#include <algorithm>
#include <array>
#include <random>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace keyrewind::test {
namespace {

constexpr std::size_t kSendEvery = 1 << 20;
constexpr std::size_t kPoolSize = 1 << 17;
constexpr std::size_t kMebibyte = 1 << 20;
constexpr std::uint64_t kYear2100 = 4'102'444'800'000;  ///< In milliseconds.

// With the servers' defaults, a collection of this many elements is past its compact encoding
// (redis.conf: zset- and set-max-listpack-entries 128, hash- and set-max-intset 512).
constexpr std::uint64_t kManySmall = 140;
constexpr std::uint64_t kManyIntegers = 600;

using Command = std::vector<std::string>;

/// Sends commands many at a time and reads all replies; throws on the first error among them.
class Pipeline {
 public:
  explicit Pipeline(RespClient client) : client_(std::move(client)) {}

  void add(const Command& command) {
    append_command(buffer_, command);
    ++waiting_;
    if (buffer_.size() >= kSendEvery) {
      flush();
    }
  }

  void flush() {
    client_.send(buffer_);
    buffer_.clear();
    for (; waiting_ > 0; --waiting_) {
      if (const Reply reply = client_.read(); reply.is_error()) {
        throw std::runtime_error("the server refused a command of the dataset: " + reply.text);
      }
    }
  }

 private:
  RespClient client_;
  std::string buffer_;
  std::uint64_t waiting_ = 0;
};

/// Bytes and numbers that depend on the seed only.
class Values {
 public:
  explicit Values(std::uint64_t seed) : random_(seed) {
    pool_.reserve(kPoolSize + sizeof(std::uint64_t));
    while (pool_.size() < kPoolSize) {
      const std::uint64_t word = random_();
      pool_.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
  }

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  /// Bytes that do not compress.
  std::string noise(std::size_t size) {
    std::string bytes;
    while (bytes.size() < size) {
      const std::size_t piece = std::min(size - bytes.size(), kPoolSize / 2);
      bytes.append(pool_, below(kPoolSize - piece), piece);
    }
    return bytes;
  }

  /// Text that LZF makes small.
  std::string prose(std::size_t size) {
    static constexpr std::array<std::string_view, 6> kWords = {
        "the order was shipped ", "and paid in full ", "by the customer ",
        "after a delay ",         "from the depot ",   "without any claim "};
    std::string text;
    while (text.size() < size) {
      text += kWords[below(kWords.size())];
    }
    text.resize(size);
    return text;
  }

  /// Between -limit and limit, in digits.
  std::string integer(std::uint64_t limit) {
    return (below(2) == 0 ? "" : "-") + std::to_string(1 + below(limit));
  }

 private:
  std::mt19937_64 random_;
  std::string pool_;
};

class Builder {
 public:
  Builder(RedisServer& server, const DatasetOptions& options)
      : options_(options),
        values_(options.seed),
        pipeline_(server.connect()),
        has_field_ttls_(knows(server, "HPEXPIREAT")),
        has_vector_sets_(knows(server, "VADD")) {}

  DatasetCounts build();

 private:
  using Write = void (Builder::*)(const std::string& key);
  struct Kind {
    std::string_view name;
    std::string_view type;
    std::uint64_t weight;  ///< Of 1000 keys.
    Write write;
  };

  static bool knows(RedisServer& server, const std::string& command) {
    const Reply reply = server.call({"COMMAND", "INFO", command});
    return reply.elements.size() == 1 && !reply.elements.front().nil &&
           !reply.elements.front().elements.empty();
  }

  std::vector<Kind> kinds() const;
  void fill_database(int database, std::uint64_t keys);
  void write_kind(const Kind& kind, std::uint64_t keys);
  void write_giants();
  void write_functions();
  void write_expired();
  void count_key(std::string_view type);
  std::string name_key(std::string_view kind, std::uint64_t number);

  void short_string(const std::string& key) { add({"SET", key, values_.noise(1 + below(44))}); }
  void long_string(const std::string& key) { add({"SET", key, values_.noise(45 + below(600))}); }
  void compressible(const std::string& key) { add({"SET", key, values_.prose(30 + below(900))}); }
  void empty_string(const std::string& key) { add({"SET", key, ""}); }
  void integer_string(const std::string& key);
  void bitmap(const std::string& key);
  void hyperloglog(const std::string& key);
  void short_list(const std::string& key);
  void long_list(const std::string& key);
  void integer_set(const std::string& key);
  void large_integer_set(const std::string& key);
  void small_set(const std::string& key);
  void large_set(const std::string& key);
  void small_sorted_set(const std::string& key) { sorted_set(key, 3 + below(8)); }
  void large_sorted_set(const std::string& key) { sorted_set(key, kManySmall + below(60)); }
  void sorted_set(const std::string& key, std::uint64_t members);
  void places(const std::string& key);
  void small_hash(const std::string& key) { hash(key, 2 + below(6), 20); }
  void large_hash(const std::string& key) { hash(key, 3 + below(20), 200); }
  void hash(const std::string& key, std::uint64_t fields, std::size_t value_size);
  void small_hash_with_ttls(const std::string& key);
  void large_hash_with_ttls(const std::string& key);
  void expire_fields(const std::string& key, std::uint64_t fields);
  void stream(const std::string& key);
  void stream_with_groups(const std::string& key);
  void emptied_stream(const std::string& key);
  void vector_set(const std::string& key);

  void add(const Command& command) { pipeline_.add(command); }
  std::uint64_t below(std::uint64_t limit) { return values_.below(limit); }

  const DatasetOptions& options_;
  Values values_;
  Pipeline pipeline_;
  const bool has_field_ttls_;
  const bool has_vector_sets_;
  DatasetCounts counts_;
  int database_ = 0;
};

DatasetCounts Builder::build() {
  write_functions();
  // Most keys are in the first database, but every one has its share.
  std::uint64_t left = options_.scale;
  for (std::size_t i = 0; i < options_.databases.size(); ++i) {
    const bool last = i + 1 == options_.databases.size();
    const std::uint64_t share = last ? left : left * 7 / 10;
    fill_database(options_.databases[i], share);
    left -= share;
  }
  write_giants();
  write_expired();
  pipeline_.flush();
  return counts_;
}

std::vector<Builder::Kind> Builder::kinds() const {
  std::vector<Kind> kinds = {
      {"short", "string", 270, &Builder::short_string},
      {"long", "string", 100, &Builder::long_string},
      {"prose", "string", 90, &Builder::compressible},
      {"empty", "string", 20, &Builder::empty_string},
      {"integer", "string", 130, &Builder::integer_string},
      {"bitmap", "string", 10, &Builder::bitmap},
      {"visitors", "string", 10, &Builder::hyperloglog},
      {"list", "list", 50, &Builder::short_list},
      {"longlist", "list", 2, &Builder::long_list},
      {"intset", "set", 40, &Builder::integer_set},
      {"largeintset", "set", 1, &Builder::large_integer_set},
      {"set", "set", 40, &Builder::small_set},
      {"largeset", "set", 2, &Builder::large_set},
      {"zset", "zset", 60, &Builder::small_sorted_set},
      {"largezset", "zset", 3, &Builder::large_sorted_set},
      {"places", "zset", 10, &Builder::places},
      {"hash", "hash", 110, &Builder::small_hash},
      {"largehash", "hash", 10, &Builder::large_hash},
      {"stream", "stream", 20, &Builder::stream},
      {"queue", "stream", 10, &Builder::stream_with_groups},
      {"emptied", "stream", 1, &Builder::emptied_stream},
  };
  if (has_field_ttls_) {
    kinds.push_back({"session", "hash", 20, &Builder::small_hash_with_ttls});
    kinds.push_back({"largesession", "hash", 5, &Builder::large_hash_with_ttls});
  }
  if (has_vector_sets_) {
    kinds.push_back({"vectors", "vectorset", 4, &Builder::vector_set});
  }
  return kinds;
}

void Builder::fill_database(int database, std::uint64_t keys) {
  database_ = database;
  add({"SELECT", std::to_string(database)});
  for (const Kind& kind : kinds()) {
    write_kind(kind, std::max<std::uint64_t>(1, keys * kind.weight / 1000));
  }
}

void Builder::write_kind(const Kind& kind, std::uint64_t keys) {
  for (std::uint64_t number = 0; number < keys; ++number) {
    const std::string key = name_key(kind.name, number);
    (this->*kind.write)(key);
    if (number % 8 == 1) {
      add({"PEXPIREAT", key, std::to_string(kYear2100 + below(1'000'000'000))});
      ++counts_.keys_with_ttl;
    }
    count_key(kind.type);
  }
}

/// Single large things, once each, in the last database that was filled.
void Builder::write_giants() {
  const auto write = [&](std::string_view type, const Command& command) {
    add(command);
    count_key(type);
  };
  write("string", {"SET", "giant:noise", values_.noise(kMebibyte)});
  write("string", {"SET", "giant:prose", values_.prose(kMebibyte)});
  write("string", {"SET", "giant:zeros", std::string(kMebibyte, '\0')});
  write("string", {"SET", "", "the key without a name"});
  write("string", {"SET", values_.noise(70'000), "the key with the longest name"});
  write("hash", {"HSET", "giant:hash", values_.noise(20'000), values_.noise(kMebibyte / 4)});
  write("set", {"SADD", "giant:set", values_.noise(kMebibyte / 4), "small"});
  write("zset", {"ZADD", "giant:zset", "1.5", values_.noise(kMebibyte / 4), "-0.5", "small"});
  // Nodes of one element of their own: since 7.2 by size alone, in 7.0 only past this threshold.
  add({"DEBUG", "QUICKLIST-PACKED-THRESHOLD", "4096"});
  write("list", {"RPUSH", "giant:list", "small", values_.noise(kMebibyte / 4), "small",
                 values_.prose(20'000), "12345"});
  add({"DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0"});
}

void Builder::write_functions() {
  static const std::array<std::string, 2> kLibraries = {
      "#!lua name=orders\n"
      "redis.register_function('total', function(keys) return redis.call('ZCARD', keys[1]) end)\n"
      "redis.register_function{function_name='peek', flags={'no-writes'},\n"
      "  callback=function(keys) return redis.call('GET', keys[1]) end}\n",
      "#!lua name=audit\n"
      "-- \xc3\xa4\xc3\xb6\xc3\xbc \xe2\x9c\x93\n"
      "redis.register_function('audit', function(keys, args) return args[1] end)\n"};
  for (const std::string& library : kLibraries) {
    add({"FUNCTION", "LOAD", "REPLACE", library});
    ++counts_.function_libraries;
  }
}

void Builder::write_expired() {
  if (options_.expired == 0) {
    return;
  }
  add({"DEBUG", "SET-ACTIVE-EXPIRE", "0"});
  for (std::uint64_t number = 0; number < options_.expired; ++number) {
    add({"SET", "expired:" + std::to_string(number), values_.noise(20), "PX", "1"});
    ++counts_.expired;
  }
}

void Builder::count_key(std::string_view type) {
  ++counts_.keys;
  ++counts_.keys_by_type[std::string(type)];
  ++counts_.keys_by_database[database_];
}

std::string Builder::name_key(std::string_view kind, std::uint64_t number) {
  static constexpr std::array<std::string_view, 7> kTails = {
      "",
      "",
      " with a space",
      {"\0nul\0", 5},
      "\r\n$5\r\n",
      "\xff\xfe\x80",
      "\xc3\xbc\xe2\x82\xac\xf0\x9f\x97\x9d"};
  std::string key(kind);
  key += ':' + std::to_string(number);
  return key.append(kTails[number % kTails.size()]);
}

void Builder::integer_string(const std::string& key) {
  static constexpr std::array<std::string_view, 8> kEdges = {
      "0", "-1", "127", "-32768", "32768", "2147483647", "-2147483649", "9223372036854775807"};
  const std::uint64_t choice = below(2 * kEdges.size());
  add({"SET", key,
       choice < kEdges.size() ? std::string(kEdges[choice]) : values_.integer(1'000'000'000'000)});
}

void Builder::bitmap(const std::string& key) {
  add({"SETBIT", key, std::to_string(below(20'000)), "1"});
  add({"SETBIT", key, std::to_string(below(20'000)), "1"});
}

/// Sparse for a few visitors, dense for many.
void Builder::hyperloglog(const std::string& key) {
  Command command = {"PFADD", key};
  const std::uint64_t visitors = below(10) == 0 ? 2000 : 5 + below(20);
  for (std::uint64_t i = 0; i < visitors; ++i) {
    command.push_back(std::to_string(below(1'000'000'000)));
  }
  add(command);
}

void Builder::short_list(const std::string& key) {
  Command command = {"RPUSH", key};
  for (std::uint64_t i = 0; i < 1 + below(10); ++i) {
    command.push_back(i % 3 == 0 ? values_.integer(1ULL << (4 * (1 + below(15))))
                                 : values_.noise(1 + below(30)));
  }
  add(command);
}

void Builder::long_list(const std::string& key) {
  Command command = {"RPUSH", key};
  for (std::uint64_t i = 0; i < kManySmall; ++i) {
    command.push_back(values_.prose(50 + below(200)));
  }
  add(command);
}

/// With elements of 16, 32 or 64 bits.
void Builder::integer_set(const std::string& key) {
  static constexpr std::array<std::uint64_t, 3> kLimits = {30'000, 2'000'000'000,
                                                           9'000'000'000'000'000'000};
  const std::uint64_t limit = kLimits[below(kLimits.size())];
  Command command = {"SADD", key};
  for (std::uint64_t i = 0; i < 1 + below(12); ++i) {
    command.push_back(values_.integer(limit));
  }
  add(command);
}

void Builder::large_integer_set(const std::string& key) {
  Command command = {"SADD", key};
  for (std::uint64_t i = 0; i < kManyIntegers; ++i) {
    command.push_back(std::to_string(i * 3));
  }
  add(command);
}

void Builder::small_set(const std::string& key) {
  Command command = {"SADD", key, "a word"};
  for (std::uint64_t i = 0; i < 1 + below(8); ++i) {
    command.push_back(values_.noise(1 + below(20)));
  }
  add(command);
}

void Builder::large_set(const std::string& key) {
  Command command = {"SADD", key, "a word"};
  for (std::uint64_t i = 0; i < kManySmall; ++i) {
    command.push_back(values_.noise(12));
  }
  add(command);
}

/// Scores are sums of few powers of two: DEBUG DIGEST of Redis 7.0 prints others with more digits
/// than later servers do, and so differs from theirs on the same data.
void Builder::sorted_set(const std::string& key, std::uint64_t members) {
  static constexpr std::array<std::string_view, 4> kFractions = {"", ".5", ".25", ".875"};
  Command command = {"ZADD", key, "-inf", "lowest", "+inf", "highest", "-0.0625", "fraction"};
  for (std::uint64_t i = 0; i < members; ++i) {
    command.push_back(values_.integer(1'000'000) + std::string(kFractions[below(4)]));
    command.push_back(std::to_string(i) + values_.noise(8));
  }
  add(command);
}

void Builder::places(const std::string& key) {
  Command command = {"GEOADD", key};
  for (std::uint64_t i = 0; i < 1 + below(5); ++i) {
    command.push_back(values_.integer(179) + ".5");
    command.push_back(values_.integer(84) + ".25");
    command.push_back("place" + std::to_string(i));
  }
  add(command);
}

void Builder::hash(const std::string& key, std::uint64_t fields, std::size_t value_size) {
  Command command = {"HSET", key};
  for (std::uint64_t i = 0; i < fields; ++i) {
    command.push_back("field" + std::to_string(i));
    command.push_back(i % 4 == 3 ? values_.integer(100'000) : values_.noise(value_size));
  }
  add(command);
}

void Builder::small_hash_with_ttls(const std::string& key) {
  hash(key, 4, 20);
  expire_fields(key, 2);
}

void Builder::large_hash_with_ttls(const std::string& key) {
  hash(key, 10, 200);
  expire_fields(key, 5);
}

void Builder::expire_fields(const std::string& key, std::uint64_t fields) {
  for (std::uint64_t i = 0; i < fields; ++i) {
    add({"HPEXPIREAT", key, std::to_string(kYear2100 + below(1'000'000'000)), "FIELDS", "1",
         "field" + std::to_string(i)});
    ++counts_.hash_fields_with_ttl;
  }
}

void Builder::stream(const std::string& key) {
  for (std::uint64_t i = 1; i <= 2 + below(6); ++i) {
    add({"XADD", key, std::to_string(1'700'000'000'000 + i * 10) + "-" + std::to_string(i), "sku",
         std::to_string(below(10'000)), "text", values_.noise(below(40))});
  }
}

/// Two groups with consumers, entries delivered, acknowledged, pending, deleted and trimmed.
void Builder::stream_with_groups(const std::string& key) {
  for (std::uint64_t i = 1; i <= 12; ++i) {
    add({"XADD", key, std::to_string(i) + "-1", i % 5 == 0 ? "other" : "job", values_.noise(10)});
  }
  add({"XGROUP", "CREATE", key, "workers", "0"});
  add({"XGROUP", "CREATE", key, "auditors", "5-1"});
  add({"XGROUP", "CREATECONSUMER", key, "workers", "idle"});
  add({"XREADGROUP", "GROUP", "workers", "ann", "COUNT", "4", "STREAMS", key, ">"});
  add({"XREADGROUP", "GROUP", "workers", "bob", "COUNT", "3", "STREAMS", key, ">"});
  add({"XREADGROUP", "GROUP", "auditors", "eve", "NOACK", "COUNT", "2", "STREAMS", key, ">"});
  add({"XACK", key, "workers", "1-1", "5-1"});
  add({"XCLAIM", key, "workers", "bob", "0", "2-1", "TIME", "1700000000000", "RETRYCOUNT", "7"});
  add({"XDEL", key, "3-1", "9-1"});
  add({"XTRIM", key, "MAXLEN", "8"});
}

/// Nothing in it but its last id and a group.
void Builder::emptied_stream(const std::string& key) {
  add({"XADD", key, "7-7", "field", "value"});
  add({"XGROUP", "CREATE", key, "group", "$"});
  add({"XDEL", key, "7-7"});
}

void Builder::vector_set(const std::string& key) {
  static constexpr std::array<std::string_view, 3> kQuantisations = {"NOQUANT", "Q8", "BIN"};
  const std::string quantisation(kQuantisations[below(kQuantisations.size())]);
  for (std::uint64_t i = 0; i < 6; ++i) {
    add({"VADD", key, "VALUES", "3", "0." + std::to_string(1 + below(99)),
         "-0." + std::to_string(1 + below(99)), "1", "element" + std::to_string(i), quantisation});
  }
  add({"VSETATTR", key, "element0", R"({"year":1999})"});
}

}  // namespace

DatasetCounts fill(RedisServer& server, const DatasetOptions& options) {
  return Builder(server, options).build();
}

}  // namespace keyrewind::test
