#include "cli/support_bundle.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/version.h"
#include "cli/redaction.h"
#include "cli/self_run.h"
#include "config/load.h"
#include "http/client.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

namespace keyrewind::cli {
namespace {

using nlohmann::ordered_json;

/// A repository that hangs must not keep the rest from being told.
constexpr std::chrono::seconds kLongest{120};

struct Section {
  const char* file;
  std::vector<std::string> words;
};

const std::vector<Section>& sections() {
  static const std::vector<Section> all{
      {"version.json", {"version", "-o", "json"}},
      {"config-check.txt", {"config", "check"}},
      {"config.yaml", {"config", "show"}},
      {"status.json", {"status", "-o", "json"}},
      {"list.json", {"list", "-o", "json"}},
      {"timeline.json", {"timeline", "-o", "json"}},
      {"schedules.json", {"schedule", "list", "-o", "json"}},
      {"doctor.json", {"doctor", "-o", "json"}},
  };
  return all;
}

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The lines of a file of "Name: value" that begin with one of `names`.
std::string lines_with(const std::string& path, const std::vector<std::string>& names) {
  std::ifstream file(path);
  std::string found;
  for (std::string line; std::getline(file, line);) {
    for (const std::string& name : names) {
      if (line.starts_with(name)) {
        found += line + "\n";
      }
    }
  }
  return found;
}

ordered_json space_of(const std::string& folder) {
  struct statvfs info {};
  if (folder.empty() || ::statvfs(folder.c_str(), &info) != 0) {
    return nullptr;
  }
  return {{"total_bytes", info.f_blocks * info.f_frsize},
          {"free_bytes", info.f_bavail * info.f_frsize},
          {"free_files", info.f_favail}};
}

/// Names only: what they hold is nobody's business.
ordered_json names_of_variables() {
  ordered_json names = ordered_json::array();
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('='));
    for (const std::string_view ours : {"KEYREWIND_", "AWS_", "NOTIFY_SOCKET", "WATCHDOG_",
                                        "KUBERNETES_SERVICE_HOST", "TZ", "LANG", "HTTPS_PROXY"}) {
      if (name.starts_with(ours)) {
        names.push_back(name);
      }
    }
  }
  return names;
}

std::string environment_facts(const std::optional<std::string>& config_file) {
  utsname system{};
  ::uname(&system);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  ordered_json facts{
      {"time", to_rfc3339(SystemClock().now())},
      {"version", version()},
      {"revision", revision()},
      {"compiler", compiler()},
      {"system", fmt::format("{} {} {}", system.sysname, system.release, system.machine)},
      {"os_release", lines_with("/etc/os-release", {"PRETTY_NAME", "VERSION_ID"})},
      {"processors", ::sysconf(_SC_NPROCESSORS_ONLN)},
      {"memory", lines_with("/proc/meminfo", {"MemTotal", "MemAvailable", "SwapFree"})},
      {"memory_limit", read("/sys/fs/cgroup/memory.max")},
      {"cpu_limit", read("/sys/fs/cgroup/cpu.max")},
      {"load", read("/proc/loadavg")},
      {"user_id", ::geteuid()},
      {"open_files_limit", static_cast<std::uint64_t>(files.rlim_cur)},
      {"variables", names_of_variables()},
  };
  try {
    const config::Config config = config::load(config_file, config::environment_of_process());
    facts["spool"] = space_of(config.log.spool.dir);
  } catch (const Error&) {
    facts["spool"] = nullptr;
  }
  return facts.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

/// What a running agent tells Prometheus; why not, if none answers.
std::string metrics_of_agent(const std::optional<std::string>& config_file,
                             const std::stop_token& stop) {
  try {
    const config::Config config = config::load(config_file, config::environment_of_process());
    if (config.http.socket.empty()) {
      return "# http.socket is empty\n";
    }
    http::ClientOptions options;
    options.unix_socket = config.http.socket;
    options.total_timeout = std::chrono::seconds(10);
    http::Client client(options);
    http::Request request;
    request.method = "GET";
    request.url = "http://localhost/metrics";
    const http::Response response = client.send(request, stop);
    return std::string(as_text(response.body));
  } catch (const Error& error) {
    return fmt::format("# no agent answers: {}\n", error.what());
  }
}

/// What a command said beside its result, and how it ended, if not well.
std::string told_beside(const SelfRun& run) {
  std::string text = run.err;
  if (run.status == -1) {
    text += "(took too long)\n";
  } else if (run.status != 0) {
    text += fmt::format("(exit status {})\n", run.status);
  }
  return text;
}

}  // namespace

std::map<std::string, std::string> support_files(
    const std::optional<std::string>& config_file,
    const std::function<void(const std::string&)>& told, std::stop_token stop) {
  const Redaction redaction = Redaction::of_configuration(config_file);
  std::map<std::string, std::string> files;
  const auto add = [&](const std::string& name, std::string content) {
    files.emplace(name, redaction.apply(std::move(content)));
  };
  for (const Section& section : sections()) {
    told(section.file);
    std::vector<std::string> words = section.words;
    if (config_file) {
      words.insert(words.end(), {"-c", *config_file});
    }
    const SelfRun run = run_self(words, kLongest, stop);
    add(section.file, run.out);
    if (const std::string beside = told_beside(run); !beside.empty()) {
      add(fmt::format("log/{}.txt", section.file), beside);
    }
  }
  told("metrics.txt");
  add("metrics.txt", metrics_of_agent(config_file, stop));
  told("environment.json");
  add("environment.json", environment_facts(config_file));
  return files;
}

}  // namespace keyrewind::cli
