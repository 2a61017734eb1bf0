#include "config/password.h"

#include "base/error.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>

#include <fstream>

namespace keyrewind::config {
namespace {

class LoadPassword : public testing::Test {
 protected:
  LoadPassword() { config_.source.password_file = dir_ / "password"; }

  void write(const std::string& text) const {
    std::ofstream(config_.source.password_file, std::ios::binary) << text;
  }

  std::string password() const { return std::string(load_password(config_).reveal()); }

  std::string failure() const {
    try {
      load_password(config_);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      return error.what();
    }
    return "no failure";
  }

  const test::TempDir dir_;
  Config config_;
};

TEST_F(LoadPassword, StripsOneNewline) {
  for (const std::string text : {"hunter2", "hunter2\n", "hunter2\r\n"}) {
    write(text);
    EXPECT_EQ(password(), "hunter2");
  }
  write(" hunter2 \n\n");
  EXPECT_EQ(password(), " hunter2 \n");
}

TEST_F(LoadPassword, ReadsTheFileEachTime) {
  write("before");
  EXPECT_EQ(password(), "before");

  write("after");

  EXPECT_EQ(password(), "after");
}

TEST_F(LoadPassword, TakesThePasswordThatIsConfigured) {
  config_.source.password_file.clear();
  config_.source.password = Secret("hunter2");

  EXPECT_EQ(password(), "hunter2");
}

TEST_F(LoadPassword, IsEmptyIfNoneIsConfigured) {
  config_.source.password_file.clear();

  EXPECT_EQ(password(), "");
}

TEST_F(LoadPassword, NamesAFileThatHoldsNone) {
  EXPECT_EQ(failure(), "source.password_file: open " + config_.source.password_file +
                           ": No such file or directory");
  write("\n");
  EXPECT_EQ(failure(), "source.password_file: " + config_.source.password_file +
                           " is empty; write the secret into it");
  write(std::string(64 * 1024 + 1, 'x'));
  EXPECT_THAT(failure(), testing::HasSubstr("65536 bytes"));
}

}  // namespace
}  // namespace keyrewind::config
