#include "restore/server_data.h"

#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace keyrewind::restore {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class ServerData : public testing::Test {
 protected:
  void write(const fs::path& name) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << "x";
  }

  std::vector<std::string> found(const ServerConfig& config = {}) const {
    return find_server_data(folder_.path(), config);
  }

  const test::TempDir& folder() const { return folder_; }

 private:
  test::TempDir folder_;
};

TEST_F(ServerData, IsNotWhatChartsAndServersLeaveInAFreshFolder) {
  for (const std::string name :
       {"conf/valkey.conf", "init.log", "lost+found/x", "nodes.conf", "users.acl", "sentinel.conf",
        "temp-123.rdb", ".keyrewind-restore.json", ".keyrewind-tmp/dump.rdb"}) {
    write(name);
  }
  fs::create_directory(folder() / "appendonlydir");

  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(ServerData, IsAnyRdbAndAnyAof) {
  write("dump.rdb");
  write("other.rdb");
  write("appendonly.aof");
  write("appendonlydir/appendonly.aof.1.base.rdb");
  write("elsewhere/x.aof.manifest");

  EXPECT_THAT(found(),
              ElementsAre("appendonly.aof", "appendonlydir", "dump.rdb", "elsewhere", "other.rdb"));
}

TEST_F(ServerData, GoesByTheNamesInTheConfiguration) {
  write("data.bin");
  write("aofs/anything");
  ServerConfig config;
  config.dbfilename = "data.bin";
  config.aof.folder = "aofs";

  EXPECT_THAT(found(config), ElementsAre("aofs", "data.bin"));
}

TEST_F(ServerData, IsNotInAFolderThatIsNotThere) {
  EXPECT_THAT(find_server_data(folder() / "none", {}), IsEmpty());
}

}  // namespace
}  // namespace keyrewind::restore
