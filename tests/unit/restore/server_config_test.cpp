#include "restore/server_config.h"

#include "base/error.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace keyrewind::restore {
namespace {

class ServerConfigFile : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name) << content;
  }

  ServerConfig read(const std::string& content) const {
    write("server.conf", content);
    return read_server_config(folder_ / "server.conf");
  }

  std::string refusal_of(const std::string& content) const {
    try {
      read(content);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      return error.what();
    }
  }

  const test::TempDir& folder() const { return folder_; }

 private:
  test::TempDir folder_;
};

TEST_F(ServerConfigFile, HasTheServersDefaults) {
  const ServerConfig config = read("# nothing\n\n");

  EXPECT_EQ(config.appendonly, std::nullopt);
  EXPECT_EQ(config.aof.folder, "appendonlydir");
  EXPECT_EQ(config.aof.stem, "appendonly.aof");
  EXPECT_EQ(config.dbfilename, "dump.rdb");
  EXPECT_EQ(config.maxmemory, 0);
  EXPECT_EQ(config.databases, 16);
}

TEST_F(ServerConfigFile, TakesTheLastValueWhateverTheCase) {
  const ServerConfig config = read("appendonly no\nAPPENDONLY Yes\ndbfilename a.rdb\r\n");

  EXPECT_EQ(config.appendonly, true);
  EXPECT_EQ(config.dbfilename, "a.rdb");
}

TEST_F(ServerConfigFile, ReadsQuotedWords) {
  const ServerConfig config =
      read("appendfilename \"Append \\x41\\\"only.aof\"\nappenddirname 'a b\\'c'\n");

  EXPECT_EQ(config.aof.stem, "Append A\"only.aof");
  EXPECT_EQ(config.aof.folder, "a b'c");
}

TEST_F(ServerConfigFile, FollowsIncludesWhereTheyStand) {
  write("one.conf", "appendonly yes\ndbfilename one.rdb\n");
  write("two.conf", "dbfilename two.rdb\n");

  const ServerConfig config = read("include " + (folder() / "*o*e.conf").string() +
                                   "\ndbfilename mine.rdb\ninclude two.conf\n");

  EXPECT_EQ(config.appendonly, true);
  EXPECT_EQ(config.dbfilename, "two.rdb");
}

TEST_F(ServerConfigFile, ReadsMemoryAsTheServerDoes) {
  EXPECT_EQ(read("maxmemory 1k\n").maxmemory, 1000);
  EXPECT_EQ(read("maxmemory 2GB\n").maxmemory, 2ULL << 30U);
  EXPECT_EQ(read("maxmemory 100\n").maxmemory, 100);
}

TEST_F(ServerConfigFile, RefusesWhatItCannotUnderstandWithFileAndLine) {
  EXPECT_THAT(refusal_of("\nappendonly perhaps\n"), testing::HasSubstr("server.conf:2"));
  EXPECT_THAT(refusal_of("dbfilename ../x\n"), testing::HasSubstr("plain name"));
  EXPECT_THAT(refusal_of("dir \"open\n"), testing::HasSubstr("quotes"));
  EXPECT_THAT(refusal_of("include missing.conf\n"), testing::HasSubstr("missing.conf"));
  EXPECT_THAT(refusal_of("maxmemory 5 percent\nmaxmemory 5%\n"), testing::HasSubstr(":2"));
}

TEST_F(ServerConfigFile, RefusesAFileThatIncludesItself) {
  EXPECT_THAT(refusal_of("include server.conf\n"), testing::HasSubstr("too deeply"));
}

TEST_F(ServerConfigFile, RefusesAMissingFile) {
  EXPECT_THROW(read_server_config(folder() / "none.conf"), Error);
}

}  // namespace
}  // namespace keyrewind::restore
