#include "support/marks.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace keyrewind::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kExpiryLimit = 1min;
constexpr auto kPollEvery = 5ms;
constexpr auto kSoon = 1h;
constexpr std::size_t kShownDifferences = 20;

using Command = std::vector<std::string>;

/// Sends all, then reads as many replies.
std::vector<Reply> call_all(RespClient& client, const std::vector<Command>& commands) {
  std::string bytes;
  for (const Command& command : commands) {
    append_command(bytes, command);
  }
  client.send(bytes);
  std::vector<Reply> replies;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    replies.push_back(client.read());
  }
  return replies;
}

std::vector<std::string> databases_of(RedisServer& server) {
  std::vector<std::string> databases;
  std::istringstream lines(server.cli({"INFO", "keyspace"}));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("db")) {
      databases.push_back(line.substr(2, line.find(':') - 2));
    }
  }
  return databases;
}

std::vector<std::string> keys_of(RespClient& client) {
  std::vector<std::string> keys;
  std::string cursor = "0";
  do {
    const Reply reply = client.call({"SCAN", cursor, "COUNT", "1000"});
    cursor = reply.elements.at(0).text;
    for (const Reply& key : reply.elements.at(1).elements) {
      keys.push_back(key.text);
    }
  } while (cursor != "0");
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::vector<Reply> ask_each(RespClient& client, const std::string& command,
                            const std::vector<std::string>& keys) {
  std::vector<Command> commands;
  for (const std::string& key : keys) {
    commands.push_back({command, key});
  }
  return call_all(client, commands);
}

/// A hash's fields that one can see, and how many it says there are: more if some have expired, but
/// are not yet deleted.
struct Fields {
  std::vector<std::string> names;
  std::vector<std::int64_t> expire_at;  ///< -1: never. Empty if the server knows no such thing.
  std::size_t counted = 0;
};

Fields fields_of(RespClient& client, const std::string& key) {
  const auto replies = call_all(client, {{"HLEN", key}, {"HKEYS", key}});
  Fields fields;
  fields.counted = std::stoull(replies[0].text);
  Command ask = {"HPEXPIRETIME", key, "FIELDS", std::to_string(replies[1].elements.size())};
  for (const Reply& field : replies[1].elements) {
    fields.names.push_back(field.text);
    ask.push_back(field.text);
  }
  if (fields.names.empty()) {
    return fields;
  }
  const Reply times = client.call(ask);
  for (const Reply& time : times.elements) {
    fields.expire_at.push_back(std::stoll(time.text));
  }
  return fields;
}

std::int64_t milliseconds_of(Timestamp time) {
  return time.time_since_epoch().count();
}

/// Whether something in the selected database expires soon, or has expired and is still there. It
/// deletes expired keys by looking at them.
bool has_volatile_things(RespClient& client) {
  const std::int64_t soon = milliseconds_of(SystemClock().now() + kSoon);
  const auto is_soon = [&](std::int64_t time) { return time >= 0 && time < soon; };
  const auto keys = keys_of(client);
  const auto times = ask_each(client, "PEXPIRETIME", keys);
  if (std::any_of(times.begin(), times.end(),
                  [&](const Reply& time) { return is_soon(std::stoll(time.text)); })) {
    return true;
  }
  const auto types = ask_each(client, "TYPE", keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (types[i].text != "hash") {
      continue;
    }
    const Fields fields = fields_of(client, keys[i]);
    if (fields.counted != fields.names.size() ||
        std::any_of(fields.expire_at.begin(), fields.expire_at.end(), is_soon)) {
      return true;
    }
  }
  return false;
}

std::string to_text(const Reply& reply) {
  if (reply.type != '*') {
    return reply.nil ? "nil" : reply.text;
  }
  std::string text = "[";
  for (const Reply& element : reply.elements) {
    text += (text.size() == 1 ? "" : " ") + to_text(element);
  }
  return text + "]";
}

/// The value that follows `name` in a reply of names and values.
const Reply& value_of(const Reply& reply, const std::string& name) {
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    if (reply.elements[i].text == name) {
      return reply.elements[i + 1];
    }
  }
  throw std::runtime_error("no " + name + " in a reply");
}

/// Notes what the digest does not say of the keys in one database.
class FactFinder {
 public:
  FactFinder(RespClient& client, std::string database, std::vector<std::string>& facts)
      : client_(client), database_(std::move(database)), facts_(facts) {}

  void find() {
    const auto keys = keys_of(client_);
    const auto times = ask_each(client_, "PEXPIRETIME", keys);
    const auto types = ask_each(client_, "TYPE", keys);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (times[i].text != "-1") {
        add(keys[i], "expires at " + times[i].text);
      }
      if (types[i].text == "hash") {
        find_in_hash(keys[i]);
      } else if (types[i].text == "stream") {
        find_in_stream(keys[i]);
      }
    }
  }

 private:
  void add(const std::string& key, const std::string& fact) {
    facts_.push_back("database " + database_ + ", key '" + key + "': " + fact);
  }

  void find_in_hash(const std::string& key) {
    const Fields fields = fields_of(client_, key);
    for (std::size_t i = 0; i < fields.expire_at.size(); ++i) {
      if (fields.expire_at[i] != -1) {
        add(key,
            "field '" + fields.names[i] + "' expires at " + std::to_string(fields.expire_at[i]));
      }
    }
  }

  void find_in_stream(const std::string& key) {
    const Reply stream = client_.call({"XINFO", "STREAM", key});
    for (const std::string name : {"last-generated-id", "max-deleted-entry-id", "entries-added"}) {
      add(key, name + " " + to_text(value_of(stream, name)));
    }
    for (const Reply& group : client_.call({"XINFO", "GROUPS", key}).elements) {
      const std::string name = value_of(group, "name").text;
      add(key, "group " + name + " has come to " + to_text(value_of(group, "last-delivered-id")));
      find_pending(key, name);
    }
  }

  /// Consumers show by what they have pending only: a server does not tell its replicas of one that
  /// came to be by a read or claim which gave it nothing.
  void find_pending(const std::string& key, const std::string& group) {
    for (const Reply& entry : client_.call({"XPENDING", key, group, "-", "+", "100000"}).elements) {
      // Id, consumer, time since, count: the time goes on.
      add(key, "group " + group + " waits for " + entry.elements.at(0).text + " from " +
                   entry.elements.at(1).text + ", delivered " + entry.elements.at(3).text);
    }
  }

  RespClient& client_;
  const std::string database_;
  std::vector<std::string>& facts_;
};

std::vector<std::string> facts_of(RedisServer& server) {
  RespClient client = server.connect();
  std::vector<std::string> facts;
  for (const std::string& database : databases_of(server)) {
    client.call({"SELECT", database});
    FactFinder(client, database, facts).find();
  }
  std::sort(facts.begin(), facts.end());
  return facts;
}

/// A time with at least a millisecond before and after it in which nothing is written.
Timestamp quiet_moment() {
  const SystemClock clock;
  const auto wait_for_next = [&] {
    const Timestamp now = clock.now();
    while (clock.now() <= now) {
      std::this_thread::yield();
    }
    return clock.now();
  };
  const Timestamp moment = wait_for_next();
  wait_for_next();
  return moment;
}

void add_differences(std::vector<std::string>& lines, const std::string& what,
                     const std::vector<std::string>& marked,
                     const std::vector<std::string>& found) {
  std::vector<std::string> missing;
  std::set_difference(marked.begin(), marked.end(), found.begin(), found.end(),
                      std::back_inserter(missing));
  std::vector<std::string> extra;
  std::set_difference(found.begin(), found.end(), marked.begin(), marked.end(),
                      std::back_inserter(extra));
  const auto add = [&](const std::string& how, const std::vector<std::string>& some) {
    for (std::size_t i = 0; i < std::min(some.size(), kShownDifferences); ++i) {
      lines.push_back(what + " " + how + ": " + some[i]);
    }
    if (some.size() > kShownDifferences) {
      lines.push_back(what + " " + how + ": " + std::to_string(some.size()) + " in all");
    }
  };
  add("missing", missing);
  add("too many", extra);
}

}  // namespace

Mark take_mark(RedisServer& server) {
  Mark mark;
  mark.facts = facts_of(server);
  mark.digest = server.digest();
  mark.functions = server.functions();
  mark.offset = std::stoll(server.info("master_repl_offset"));
  mark.time = quiet_moment();
  return mark;
}

void let_expire(RedisServer& server, bool active_expiry) {
  server.cli({"DEBUG", "SET-ACTIVE-EXPIRE", "1"});
  RespClient client = server.connect();
  const auto deadline = std::chrono::steady_clock::now() + kExpiryLimit;
  for (const std::string& database : databases_of(server)) {
    client.call({"SELECT", database});
    while (has_volatile_things(client)) {
      if (std::chrono::steady_clock::now() > deadline) {
        throw std::runtime_error("something in database " + database + " does not expire");
      }
      std::this_thread::sleep_for(kPollEvery);
    }
  }
  server.cli({"DEBUG", "SET-ACTIVE-EXPIRE", active_expiry ? "1" : "0"});
}

std::vector<std::string> differences(const Mark& mark, RedisServer& server) {
  std::vector<std::string> lines;
  const std::string digest = server.digest();
  if (digest != mark.digest) {
    lines.push_back("digest " + digest + " instead of " + mark.digest);
  }
  add_differences(lines, "function", mark.functions, server.functions());
  add_differences(lines, "fact", mark.facts, facts_of(server));
  return lines;
}

}  // namespace keyrewind::test
