// The Debian package, and the service units in it.

#include "support/keyrewind.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace keyrewind::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Runs it, expects success and gives what it printed.
std::string done(const std::vector<std::string>& command) {
  const RunResult result = run(command, std::chrono::seconds(240));
  EXPECT_EQ(result.status, 0) << command[0] << ": " << result.out << result.err;
  return result.out;
}

class Units : public testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path file() const { return source_dir() / "deploy/systemd" / GetParam(); }
};

TEST_P(Units, AreHardened) {
  const std::string report =
      done({"systemd-analyze", "security", "--offline=true", "--no-pager", file().string()});

  static const std::regex level(R"(Overall exposure level for \S+: (\d+\.\d+))");
  std::smatch match;
  ASSERT_TRUE(std::regex_search(report, match, level)) << report;
  EXPECT_LT(std::stod(match[1]), 2.0) << report;
}

TEST_P(Units, AreWatchedAndNotified) {
  const std::string unit = read_text(file());

  for (const char* line : {"Type=notify", "WatchdogSec=30", "Restart=on-failure",
                           "ExecReload=/bin/kill -HUP $MAINPID", "TimeoutStopSec=90"}) {
    EXPECT_THAT(unit, HasSubstr(std::string(line) + "\n"));
  }
}

INSTANTIATE_TEST_SUITE_P(Both, Units, testing::Values("keyrewind.service", "keyrewind@.service"),
                         [](const auto& one) {
                           return std::string(one.param).find('@') == std::string::npos
                                      ? "keyrewind"
                                      : "template";
                         });

/// The package, built once for all tests of it that run in one process.
class Package : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempDir>();
    const std::filesystem::path build = std::filesystem::path(program_path()).parent_path();
    done({"cpack", "-G", "DEB", "--config", (build / "CPackConfig.cmake").string(), "-B",
          (*folder_ / "cpack").string()});
    for (const auto& entry : std::filesystem::directory_iterator(*folder_ / "cpack")) {
      if (entry.path().extension() == ".deb") {
        package_ = entry.path();
      }
    }
    ASSERT_FALSE(package_.empty());
    done({"dpkg-deb", "-R", package_.string(), root().string()});
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::filesystem::path root() { return *folder_ / "root"; }

  static std::string field(const std::string& name) {
    const std::string value = done({"dpkg-deb", "-f", package_.string(), name});
    return value.substr(0, value.find('\n'));
  }

  /// Mode and owner of each file, by name: "-rw-r--r-- root/root".
  static std::map<std::string, std::string> contents() {
    std::map<std::string, std::string> files;
    std::istringstream lines(done({"dpkg-deb", "-c", package_.string()}));
    for (std::string line; std::getline(lines, line);) {
      static const std::regex entry(R"((\S+ \S+)\s+\d+ \S+ \S+ \.(\S*))");
      std::smatch match;
      if (std::regex_match(line, match, entry)) {
        files[match[2]] = match[1];
      }
    }
    return files;
  }

  inline static std::unique_ptr<TempDir> folder_;
  inline static std::filesystem::path package_;
};

TEST_F(Package, SaysWhatItIs) {
  EXPECT_EQ(field("Package"), "keyrewind");
  EXPECT_THAT(field("Version"), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+.*"));
  EXPECT_EQ(field("Section"), "database");
  EXPECT_THAT(field("Depends"), AllOf(HasSubstr("libc6"), HasSubstr("libssl3"),
                                      HasSubstr("libcurl4"), HasSubstr("ca-certificates")));
  EXPECT_THAT(field("Description"), HasSubstr("Redis and Valkey"));
  EXPECT_EQ(package_.filename().string().substr(0, 10), "keyrewind_");
}

TEST_F(Package, PutsEverythingWhereItBelongs) {
  const auto files = contents();

  const std::map<std::string, std::string> expected{
      {"/usr/bin/keyrewind", "-rwxr-xr-x root/root"},
      {"/etc/keyrewind/config.yaml", "-rw-r----- root/root"},
      {"/usr/lib/systemd/system/keyrewind.service", "-rw-r--r-- root/root"},
      {"/usr/lib/systemd/system/keyrewind@.service", "-rw-r--r-- root/root"},
      {"/usr/lib/sysusers.d/keyrewind.conf", "-rw-r--r-- root/root"},
      {"/usr/lib/tmpfiles.d/keyrewind.conf", "-rw-r--r-- root/root"},
      {"/usr/share/man/man1/keyrewind.1.gz", "-rw-r--r-- root/root"},
      {"/usr/share/man/man5/keyrewind.yaml.5.gz", "-rw-r--r-- root/root"},
      {"/usr/share/bash-completion/completions/keyrewind", "-rw-r--r-- root/root"},
      {"/usr/share/zsh/vendor-completions/_keyrewind", "-rw-r--r-- root/root"},
      {"/usr/share/fish/vendor_completions.d/keyrewind.fish", "-rw-r--r-- root/root"},
      {"/usr/share/doc/keyrewind/copyright", "-rw-r--r-- root/root"},
      {"/usr/share/doc/keyrewind/changelog.gz", "-rw-r--r-- root/root"},
      {"/usr/share/doc/keyrewind/examples/reference.yaml", "-rw-r--r-- root/root"},
      {"/usr/share/doc/keyrewind/examples/FORMAT.md", "-rw-r--r-- root/root"},
      {"/usr/share/doc/keyrewind/examples/grafana/keyrewind.json", "-rw-r--r-- root/root"},
      {"/usr/share/doc/keyrewind/examples/prometheus/rules/KeyrewindDown.yaml",
       "-rw-r--r-- root/root"},
  };
  for (const auto& [name, mode] : expected) {
    ASSERT_TRUE(files.contains(name)) << name;
    EXPECT_EQ(files.at(name), mode) << name;
  }
  for (const auto& [name, mode] : files) {
    EXPECT_THAT(mode, testing::EndsWith(" root/root")) << name;
    if (mode.starts_with("d")) {
      EXPECT_EQ(mode, "drwxr-xr-x root/root") << name;
    }
    EXPECT_FALSE(name.starts_with("/usr/local") || name.starts_with("/var")) << name;
    EXPECT_FALSE(name.ends_with(".a") || name.ends_with(".h")) << name;
  }
}

TEST_F(Package, HasScriptsThatAShellUnderstands) {
  EXPECT_EQ(read_text(root() / "DEBIAN/conffiles"), "/etc/keyrewind/config.yaml\n");
  for (const char* name : {"postinst", "prerm", "postrm"}) {
    const std::filesystem::path script = root() / "DEBIAN" / name;
    done({"sh", "-n", script.string()});
    EXPECT_THAT(read_text(script), HasSubstr("set -e\n")) << name;
    struct stat info {};
    ASSERT_EQ(::stat(script.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0755U) << name;
  }
}

TEST_F(Package, HasAProgramThatRuns) {
  const std::string program = (root() / "usr/bin/keyrewind").string();

  EXPECT_THAT(done({program, "version"}), HasSubstr("keyrewind "));
  EXPECT_THAT(
      done({program, "config", "check", "-c", (root() / "etc/keyrewind/config.yaml").string()}),
      HasSubstr("ok"));
  // Nothing of the machine that it was built on.
  const RunResult sections = run({"readelf", "-d", "-S", program});
  EXPECT_EQ(sections.status, 0);
  EXPECT_THAT(sections.out, Not(HasSubstr("RUNPATH")));
  EXPECT_THAT(sections.out, Not(HasSubstr(".debug_info")));
}

TEST_F(Package, HasManualsThatCanBeRead) {
  for (const char* page : {"man1/keyrewind.1.gz", "man5/keyrewind.yaml.5.gz"}) {
    const RunResult result =
        run({.command = {"man", "--warnings", "-l", (root() / "usr/share/man" / page).string()},
             .env = {{"LC_ALL", "C.UTF-8"}}});
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.err, "") << page;
  }
}

class InstalledPackage : public Package {
 protected:
  /// Installs and removes in a tree of its own, as another root.
  RunResult dpkg(const std::vector<std::string>& words) const {
    std::vector<std::string> command{"dpkg", "--root=" + tree().string(),
                                     "--log=" + (tree() / "log").string(), "--force-depends",
                                     "--force-script-chrootless"};
    command.insert(command.end(), words.begin(), words.end());
    return run({.command = command,
                .env = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}});
  }

  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "only root installs packages";
    }
    for (const char* folder : {"var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"}) {
      std::filesystem::create_directories(tree() / folder);
    }
    write_text(tree() / "var/lib/dpkg/status", "");
    write_text(tree() / "var/lib/dpkg/available", "");
  }

  std::filesystem::path tree() const { return tree_ / "t"; }

  TempDir tree_;
};

TEST_F(InstalledPackage, MakesItsUserAndLeavesDataBehind) {
  const RunResult installed = dpkg({"-i", package_.string()});
  ASSERT_EQ(installed.status, 0) << installed.out << installed.err;
  EXPECT_THAT(installed.out, HasSubstr("systemctl enable --now keyrewind"));

  EXPECT_THAT(read_text(tree() / "etc/passwd"), HasSubstr("keyrewind:"));
  EXPECT_TRUE(std::filesystem::is_directory(tree() / "var/lib/keyrewind"));
  EXPECT_THAT(done({(tree() / "usr/bin/keyrewind").string(), "version"}), HasSubstr("keyrewind "));

  // What an operator has changed survives an upgrade.
  write_text(tree() / "etc/keyrewind/config.yaml", "version: 1\n# mine\n");
  const RunResult again = dpkg({"--force-confold", "-i", package_.string()});
  EXPECT_EQ(again.status, 0) << again.out << again.err;
  EXPECT_THAT(read_text(tree() / "etc/keyrewind/config.yaml"), HasSubstr("# mine"));

  write_text(tree() / "var/lib/keyrewind/spooled", "precious");
  const RunResult removed = dpkg({"-r", "keyrewind"});
  EXPECT_EQ(removed.status, 0) << removed.out << removed.err;
  EXPECT_FALSE(std::filesystem::exists(tree() / "usr/bin/keyrewind"));
  EXPECT_TRUE(std::filesystem::exists(tree() / "etc/keyrewind/config.yaml"));

  const RunResult purged = dpkg({"-P", "keyrewind"});
  EXPECT_EQ(purged.status, 0) << purged.out << purged.err;
  EXPECT_FALSE(std::filesystem::exists(tree() / "etc/keyrewind/config.yaml"));
  EXPECT_EQ(read_text(tree() / "var/lib/keyrewind/spooled"), "precious");
}

}  // namespace
}  // namespace keyrewind::test
