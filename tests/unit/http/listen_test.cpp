#include "http/listen.h"

#include "base/error.h"
#include "support/raw_http.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

namespace keyrewind::http {
namespace {

using testing::HasSubstr;

ErrorKind kind_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::internal;
}

TEST(ListenAddress, IsHostAndPort) {
  EXPECT_EQ(parse_listen_address("0.0.0.0:8379").host, "0.0.0.0");
  EXPECT_EQ(parse_listen_address("0.0.0.0:8379").port, 8379);
  EXPECT_EQ(parse_listen_address("[::]:0").host, "::");
  EXPECT_EQ(parse_listen_address("localhost:1").host, "localhost");
  EXPECT_EQ(parse_listen_address(":8379").host, "");
  EXPECT_EQ(parse_listen_address(":8379").port, 8379);
}

TEST(ListenAddress, ThatIsNoneIsAnError) {
  for (const char* text : {"", "8379", ":", "host:", "host:x", "host:65536", "::1:80", "[::1]",
                           "[host]:80", "host:80 ", "[]:80"}) {
    EXPECT_EQ(kind_of([&] { parse_listen_address(text); }), ErrorKind::config) << text;
  }
}

TEST(ListenOn, NamesTheAddressThatIsTaken) {
  const io::Fd first = listen_on({"127.0.0.1", 0});
  const std::uint16_t port = port_of(first);

  try {
    listen_on({"127.0.0.1", port});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("127.0.0.1:" + std::to_string(port)));
    EXPECT_EQ(error.kind(), ErrorKind::failed);
  }
}

TEST(ListenOn, TakesAllInterfacesWithoutAHost) {
  const io::Fd all = listen_on({"", 0});

  EXPECT_NO_THROW(test::RawHttp::over_tcp(port_of(all)));
}

TEST(ListenOn, RefusesAForeignAddress) {
  EXPECT_EQ(kind_of([] { listen_on({"192.0.2.1", 0}); }), ErrorKind::config);
}

class UnixListenerTest : public testing::Test {
 protected:
  const test::TempDir folder_;
  const std::filesystem::path path_ = folder_ / "s";
};

TEST_F(UnixListenerTest, IsForOwnerAndGroupAndGoesWithItsFile) {
  {
    const UnixListener listener(path_);
    struct stat info {};
    ASSERT_EQ(::stat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0660U);
    EXPECT_NO_THROW(test::RawHttp::over_unix(path_));
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixListenerTest, ReplacesASocketThatNobodyListensOn) {
  const std::filesystem::path kept = folder_ / "kept";
  {
    const UnixListener killed(path_);
    std::filesystem::rename(path_, kept);
  }
  std::filesystem::rename(kept, path_);
  ASSERT_TRUE(std::filesystem::is_socket(path_));

  const UnixListener listener(path_);

  EXPECT_NO_THROW(test::RawHttp::over_unix(path_));
}

TEST_F(UnixListenerTest, RefusesASocketThatSomebodyListensOn) {
  const UnixListener running(path_);

  EXPECT_EQ(kind_of([&] { UnixListener second(path_); }), ErrorKind::busy);
  EXPECT_NO_THROW(test::RawHttp::over_unix(path_));
}

TEST_F(UnixListenerTest, LeavesAFileAlone) {
  std::ofstream(path_) << "mine";

  EXPECT_EQ(kind_of([&] { UnixListener listener(path_); }), ErrorKind::config);
  EXPECT_EQ(std::filesystem::file_size(path_), 4U);
}

TEST_F(UnixListenerTest, NamesAFolderThatIsMissing) {
  EXPECT_EQ(kind_of([&] { UnixListener listener(folder_ / "none" / "s"); }), ErrorKind::failed);
  EXPECT_EQ(kind_of([&] { UnixListener listener(folder_ / std::string(200, 'x')); }),
            ErrorKind::config);
}

}  // namespace
}  // namespace keyrewind::http
