#include "store/file_store.h"

#include "base/error.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace keyrewind::store {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

bool every_name(const std::string& /*name*/) {
  return true;
}

/// As long as it lives, the process has no rights but those of an ordinary user: nothing is denied
/// to root.
class OrdinaryUser {
 public:
  OrdinaryUser() {
    if (::geteuid() == 0) {
      EXPECT_EQ(::seteuid(kNobody), 0);
    }
  }
  ~OrdinaryUser() {
    if (::getuid() == 0) {
      EXPECT_EQ(::seteuid(0), 0);
    }
  }
  OrdinaryUser(const OrdinaryUser&) = delete;
  OrdinaryUser& operator=(const OrdinaryUser&) = delete;

 private:
  static constexpr uid_t kNobody = 65534;
};

class FileStoreTest : public testing::Test {
 protected:
  void plant(const fs::path& name, const std::string& content = "planted") {
    fs::create_directories((root() / name).parent_path());
    std::ofstream(root() / name) << content;
  }

  /// The Error that `call` throws.
  template <typename Call>
  static Error failure_of(const Call& call) {
    try {
      call();
    } catch (const Error& error) {
      return error;
    }
    return {ErrorKind::internal, "nothing was thrown"};
  }

  mode_t mode_of(const fs::path& name) const {
    struct stat status {};
    EXPECT_EQ(::stat((root() / name).c_str(), &status), 0);
    return status.st_mode & 07777U;
  }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const ObjectInfo& object : store_.list("", {})) {
      names.push_back(object.name);
    }
    return names;
  }

  void TearDown() override { fs::permissions(root(), fs::perms::owner_all); }

  const fs::path& root() const { return folder_.path(); }
  FileStore& store() { return store_; }
  test::TempDir& folder() { return folder_; }

 private:
  test::TempDir folder_;
  FileStore store_{folder_.path()};
};

TEST_F(FileStoreTest, KeepsAnObjectInAFileOfItsName) {
  store().put_if_absent("a/b/object", as_bytes("some bytes"), {});

  std::ifstream file(root() / "a/b/object");
  std::string content;
  std::getline(file, content);
  EXPECT_EQ(content, "some bytes");
}

TEST_F(FileStoreTest, LetsOnlyOwnerAndGroupLookAtIt) {
  const mode_t before = ::umask(0);
  store().put_if_absent("a/object", as_bytes("some bytes"), {});
  (void)store().try_lock("lock", {});
  ::umask(before);

  EXPECT_EQ(mode_of("a"), 0750U);
  EXPECT_EQ(mode_of("a/object"), 0640U);
  EXPECT_EQ(mode_of("lock.lock"), 0640U);
}

TEST_F(FileStoreTest, SaysThatItsFolderIsMissing) {
  FileStore missing(root() / "missing");
  Bytes into(1);

  const std::vector<std::function<void()>> calls = {
      [&] { (void)missing.put_if_absent("b", as_bytes("content"), {}); },
      [&] { (void)missing.upload("c", {}); },
      [&] { (void)missing.get("a", 1, {}); },
      [&] { missing.read("a", 0, into, {}); },
      [&] { (void)missing.head("a", {}); },
      [&] { (void)missing.list("", {}); },
      [&] { (void)missing.empty({}); },
      [&] { missing.remove("a", {}); },
      [&] { (void)missing.remove_abandoned_uploads("", every_name, {}); },
      [&] { (void)missing.try_lock("lock", {}); },
  };
  for (const auto& call : calls) {
    const Error error = failure_of(call);
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    EXPECT_EQ(error.side(), Side::repository);
    EXPECT_THAT(error.what(), HasSubstr("repository " + missing.url() + " is not there; check"));
  }
  EXPECT_FALSE(fs::exists(root() / "missing"));
}

TEST_F(FileStoreTest, MakesOnlyTheLastFolder) {
  FileStore fresh(root() / "fresh");
  fresh.create();
  EXPECT_TRUE(fresh.empty({}));
  EXPECT_TRUE(fs::is_directory(root() / "fresh"));

  FileStore too_deep(root() / "x/y");
  const Error error = failure_of([&] { too_deep.create(); });

  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(std::string(error.what()), "repository folder " + (root() / "x/y").native() +
                                           " can't be made: its parent " + (root() / "x").native() +
                                           " does not exist; create it");
}

TEST_F(FileStoreTest, IsNotAtHomeInAFile) {
  plant("file");
  FileStore store(root() / "file");

  const Error reading = failure_of([&] { (void)store.list("", {}); });
  const Error making = failure_of([&] { store.create(); });

  EXPECT_EQ(reading.kind(), ErrorKind::unavailable);
  EXPECT_THAT(reading.what(), HasSubstr("is not a folder"));
  EXPECT_EQ(making.kind(), ErrorKind::unavailable);
}

TEST_F(FileStoreTest, IsDeniedWhereItMayNotWrite) {
  store().put_if_absent("object", as_bytes("content"), {});
  fs::permissions(root(), fs::perms(0555));
  const OrdinaryUser user;

  EXPECT_EQ(names(), std::vector<std::string>{"object"});
  for (const std::function<void()>& call : std::vector<std::function<void()>>{
           [&] { (void)store().put_if_absent("a", {}, {}); },
           [&] { (void)store().upload("a/b", {}); },
           [&] { store().remove("object", {}); },
           [&] { (void)store().try_lock("a", {}); },
           [&] { FileStore(root() / "deeper").create(); },
       }) {
    const Error error = failure_of(call);
    EXPECT_EQ(error.kind(), ErrorKind::denied) << error.what();
    EXPECT_EQ(error.side(), Side::repository);
  }
}

TEST_F(FileStoreTest, IsDeniedWhereItMayNotRead) {
  store().put_if_absent("sources/object", as_bytes("content"), {});
  fs::permissions(root(), fs::perms::none);
  const OrdinaryUser user;
  Bytes into(1);

  for (const std::function<void()>& call : std::vector<std::function<void()>>{
           [&] { (void)store().list("", {}); },
           [&] { (void)store().empty({}); },
           [&] { (void)store().get("sources/object", 100, {}); },
           [&] { (void)store().head("sources/object", {}); },
           [&] { store().read("sources/object", 0, into, {}); },
       }) {
    const Error error = failure_of(call);
    EXPECT_EQ(error.kind(), ErrorKind::denied) << error.what();
    EXPECT_EQ(error.side(), Side::repository);
  }
}

TEST_F(FileStoreTest, ListsNothingThatCanBeNoObject) {
  plant("object");
  plant("object.0123456789abcdef.partial");
  plant("writer.lock");
  plant("no object");
  plant("lost+found/object");
  fs::create_symlink(root() / "object", root() / "link");
  fs::create_directory_symlink(root(), root() / "loop");

  EXPECT_THAT(names(), ElementsAre("object"));
}

TEST_F(FileStoreTest, IsEmptyWithWhatAKilledFirstRunLeaves) {
  plant("keyrewind.json.0123456789abcdef.partial");
  plant("writer.lock");
  fs::create_directory(root() / "lost+found");

  EXPECT_TRUE(store().empty({}));

  plant("foreign file");
  EXPECT_FALSE(store().empty({}));
}

TEST_F(FileStoreTest, IsNotEmptyWithAForeignFolder) {
  fs::create_directory(root() / "Documents");

  EXPECT_FALSE(store().empty({}));
}

TEST_F(FileStoreTest, RemovesAbandonedUploadsByTheNameTheyWouldHaveHad) {
  plant("orders/a/object.0123456789abcdef.partial");
  plant("orders/b.0123456789abcdef.partial");
  plant("orders/b");
  plant("users/a.0123456789abcdef.partial");

  EXPECT_EQ(store().remove_abandoned_uploads("orders/b.0", every_name, {}), 0);
  EXPECT_EQ(store().remove_abandoned_uploads("orders/", every_name, {}), 2);

  EXPECT_THAT(names(), ElementsAre("orders/b"));
  EXPECT_FALSE(fs::exists(root() / "orders/a"));
  EXPECT_TRUE(fs::exists(root() / "users/a.0123456789abcdef.partial"));
}

TEST_F(FileStoreTest, RemovesOnlyTheAbandonedUploadsThatAreMeant) {
  plant("orders/log/a.0123456789abcdef.partial");
  plant("orders/snapshots/b.0123456789abcdef.partial");
  std::vector<std::string> asked;

  const std::size_t removed =
      store().remove_abandoned_uploads("orders/",
                                       [&](const std::string& name) {
                                         asked.push_back(name);
                                         return name == "orders/snapshots/b";
                                       },
                                       {});

  EXPECT_EQ(removed, 1U);
  EXPECT_THAT(asked, testing::UnorderedElementsAre("orders/log/a", "orders/snapshots/b"));
  EXPECT_TRUE(fs::exists(root() / "orders/log/a.0123456789abcdef.partial"));
  EXPECT_FALSE(fs::exists(root() / "orders/snapshots"));
}

TEST_F(FileStoreTest, LeavesNoFoldersBehind) {
  store().put_if_absent("a/b/c/one", as_bytes("content"), {});
  store().put_if_absent("a/two", as_bytes("content"), {});

  store().remove("a/b/c/one", {});

  EXPECT_FALSE(fs::exists(root() / "a/b"));
  EXPECT_THAT(names(), ElementsAre("a/two"));
}

TEST_F(FileStoreTest, NotesTheHolderOfALock) {
  plant("writer.lock", "a longer note from a process that is gone\n");

  const auto lock = store().try_lock("writer", {});

  std::ifstream file(root() / "writer.lock");
  std::ostringstream content;
  content << file.rdbuf();
  const std::string note = content.str();
  EXPECT_EQ(note, std::to_string(::getpid()) + "\n");
}

TEST_F(FileStoreTest, LosesItsLocksWhenItsProcessDies) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    FileStore own(root());
    const auto lock = own.try_lock("writer", {});
    const char held = lock ? 'y' : 'n';
    [[maybe_unused]] const ssize_t written = ::write(ready[1], &held, 1);
    ::pause();
    ::_exit(0);
  }
  char held = 'n';
  ASSERT_EQ(::read(ready[0], &held, 1), 1);
  ::close(ready[0]);
  ::close(ready[1]);
  EXPECT_EQ(held, 'y');
  EXPECT_EQ(store().try_lock("writer", {}), nullptr);

  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);

  EXPECT_NE(store().try_lock("writer", {}), nullptr);
}

TEST_F(FileStoreTest, RefusesNamesThatLeadOutOfIt) {
  for (const char* name : {"../outside", "/etc/passwd", "a/../../outside", ""}) {
    EXPECT_EQ(failure_of([&] { (void)store().get(name, 100, {}); }).kind(), ErrorKind::internal);
    EXPECT_EQ(failure_of([&] { (void)store().put_if_absent(name, {}, {}); }).kind(),
              ErrorKind::internal);
    EXPECT_EQ(failure_of([&] { store().remove(name, {}); }).kind(), ErrorKind::internal);
  }
  EXPECT_THAT(store().list("../", {}), IsEmpty());
}

}  // namespace
}  // namespace keyrewind::store
