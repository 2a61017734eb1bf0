#include "io/file.h"

#include "support/temp_dir.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

namespace keyrewind::io {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

/// What `work` throws; a test failure if it throws nothing.
template <typename Work>
Error error_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::internal, "nothing was thrown"};
}

TEST(AtomicFile, IsThereOnlyAfterCommit) {
  const test::TempDir folder;
  const fs::path path = folder / "manifest.json";
  AtomicFile file(path, Side::here);
  file.append(as_bytes("hello "));
  file.append(as_bytes("world"));
  EXPECT_FALSE(fs::exists(path));

  EXPECT_TRUE(file.commit());

  EXPECT_EQ(content_of(path), "hello world");
  EXPECT_EQ(file.size(), 11U);
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(AtomicFile, LeavesNothingWhenItIsNotCommitted) {
  const test::TempDir folder;
  {
    AtomicFile file(folder / "object", Side::here);
    file.append(as_bytes("half of it"));
    EXPECT_EQ(files_in(folder.path()), 1U);
  }
  EXPECT_EQ(files_in(folder.path()), 0U);
}

TEST(AtomicFile, WritesBesideItsNameUnderOneThatShowsItIsPartial) {
  const test::TempDir folder;
  const AtomicFile file(folder / "object", Side::here);
  const std::string name = fs::directory_iterator(folder.path())->path().filename();
  EXPECT_THAT(name, AllOf(StartsWith("object."), EndsWith(".partial")));
}

TEST(AtomicFile, LeavesATakenNameUntouched) {
  const test::TempDir folder;
  write_file(folder / "object", "the first");
  {
    AtomicFile file(folder / "object", Side::here);
    file.append(as_bytes("the second"));
    EXPECT_FALSE(file.commit(AtomicFile::IfExists::fail));
  }
  EXPECT_EQ(content_of(folder / "object"), "the first");
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(AtomicFile, ReplacesWhenAskedTo) {
  const test::TempDir folder;
  write_file(folder / "object", "the first");
  AtomicFile file(folder / "object", Side::here);
  file.append(as_bytes("the second"));

  EXPECT_TRUE(file.commit(AtomicFile::IfExists::replace));

  EXPECT_EQ(content_of(folder / "object"), "the second");
}

TEST(AtomicFile, OfTwoThatWantOneNameExactlyOneWins) {
  const test::TempDir folder;
  AtomicFile one(folder / "object", Side::here);
  AtomicFile two(folder / "object", Side::here);
  one.append(as_bytes("one"));
  two.append(as_bytes("two"));

  EXPECT_TRUE(two.commit());
  EXPECT_FALSE(one.commit());

  EXPECT_EQ(content_of(folder / "object"), "two");
}

TEST(AtomicFile, TakesTheModeItIsGivenLessTheUmask) {
  const test::TempDir folder;
  const mode_t before = ::umask(0022);
  AtomicFile file(folder / "object", Side::here, 0666);
  ::umask(before);
  file.commit();
  EXPECT_EQ(fs::status(folder / "object").permissions(), fs::perms{0644});
}

TEST(AtomicFile, KeepsEveryByteOfManyMebibytes) {
  const test::TempDir folder;
  const std::string piece(700'001, 'x');
  AtomicFile file(folder / "object", Side::here);
  for (int i = 0; i < 5; ++i) {
    file.append(as_bytes(piece));
  }
  file.commit();
  EXPECT_EQ(fs::file_size(folder / "object"), 5 * piece.size());
}

TEST(AtomicFile, CannotBeMadeWhereThereIsNoFolder) {
  const test::TempDir folder;
  const fs::path path = folder / "missing" / "object";
  const Error error = error_of([&] { AtomicFile(path, Side::repository); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_EQ(error.side(), Side::repository);
  EXPECT_EQ(error.what(), "create " + path.string() + ": No such file or directory");
}

TEST(AtomicFile, CannotBeMadeBelowAFile) {
  const test::TempDir folder;
  write_file(folder / "file", "");
  const Error error = error_of([&] { AtomicFile(folder / "file" / "object", Side::repository); });
  EXPECT_EQ(error.kind(), ErrorKind::failed);
  EXPECT_THAT(error.what(), HasSubstr("Not a directory"));
}

TEST(AtomicFile, CannotTakeTheNameOfAFolder) {
  const test::TempDir folder;
  fs::create_directory(folder / "object");
  AtomicFile file(folder / "object", Side::here);
  EXPECT_EQ(error_of([&] { file.commit(AtomicFile::IfExists::replace); }).kind(),
            ErrorKind::failed);
}

TEST(ReadFile, GivesTheWholeFile) {
  const test::TempDir folder;
  const std::string text(123'456, 'k');
  write_file(folder / "file", text);
  EXPECT_EQ(as_text(read_file(folder / "file", text.size(), Side::here)), text);
}

TEST(ReadFile, GivesNothingOfAnEmptyFile) {
  const test::TempDir folder;
  write_file(folder / "file", "");
  EXPECT_TRUE(read_file(folder / "file", 0, Side::here).empty());
}

TEST(ReadFile, RefusesAFileThatIsLargerThanAllowed) {
  const test::TempDir folder;
  write_file(folder / "file", "12345");
  const Error error = error_of([&] { read_file(folder / "file", 4, Side::repository); });
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("more than the 4 bytes"));
}

TEST(ReadFile, ReadsFilesThatDoNotTellTheirSize) {
  EXPECT_THAT(std::string(as_text(read_file("/proc/self/status", 1 << 20, Side::here))),
              HasSubstr("Pid:"));
  EXPECT_EQ(error_of([] { read_file("/dev/zero", 100'000, Side::here); }).kind(),
            ErrorKind::corrupt);
}

TEST(ReadFile, NamesTheFileThatIsNotThere) {
  const Error error = error_of([] { read_file("/nowhere/file", 10, Side::repository); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_STREQ(error.what(), "open /nowhere/file: No such file or directory");
  EXPECT_EQ(error_of([] { read_file("/nowhere/file", 10, Side::here); }).kind(), ErrorKind::failed);
}

TEST(ReadFile, CannotReadAFolder) {
  const test::TempDir folder;
  EXPECT_EQ(error_of([&] { read_file(folder.path(), 1 << 20, Side::here); }).kind(),
            ErrorKind::failed);
}

TEST(ReadExactly, ReadsFromTheOffset) {
  const test::TempDir folder;
  write_file(folder / "file", "0123456789");
  const Fd file = open_to_read(folder / "file", Side::here);
  Bytes into(4);
  read_exactly(file, 3, into, folder / "file", Side::here);
  EXPECT_EQ(as_text(into), "3456");
}

TEST(ReadExactly, CallsAFileThatEndsTooEarlyCorrupt) {
  const test::TempDir folder;
  write_file(folder / "file", "0123456789");
  const Fd file = open_to_read(folder / "file", Side::repository);
  Bytes into(4);
  const Error error =
      error_of([&] { read_exactly(file, 7, into, folder / "file", Side::repository); });
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("ends at byte 10, before byte 11"));
}

TEST(FileError, SaysWhatToDoAboutAFullDisk) {
  const Error error = file_error(Side::repository, ENOSPC, "write", "/backups/object");
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_STREQ(error.what(), "write /backups/object: No space left on device; free some space");
  EXPECT_EQ(file_error(Side::here, ENOSPC, "write", "/x").kind(), ErrorKind::failed);
}

TEST(FileError, CallsAMissingRightDenied) {
  EXPECT_EQ(file_error(Side::repository, EACCES, "open", "/x").kind(), ErrorKind::denied);
  EXPECT_EQ(file_error(Side::repository, EROFS, "create", "/x").kind(), ErrorKind::denied);
  EXPECT_EQ(file_error(Side::here, EPERM, "create", "/x").kind(), ErrorKind::denied);
}

TEST(SyncFolder, NeedsAFolder) {
  const test::TempDir folder;
  write_file(folder / "file", "");
  EXPECT_NO_THROW(sync_folder(folder.path(), Side::here));
  EXPECT_THAT(error_of([&] { sync_folder(folder / "file", Side::here); }).what(),
              HasSubstr("Not a directory"));
}

TEST(FreeBytes, IsKnownOfAFolderThatIsThere) {
  const test::TempDir folder;
  EXPECT_GT(free_bytes(folder.path(), Side::here), 0U);
  EXPECT_EQ(error_of([&] { free_bytes(folder / "missing", Side::repository); }).kind(),
            ErrorKind::unavailable);
}

TEST(Fd, ClosesWhatItOwns) {
  int number = -1;
  {
    Fd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    number = first.number();
    const Fd second = std::move(first);
    EXPECT_FALSE(first);
    EXPECT_TRUE(second);
    EXPECT_NE(::fcntl(number, F_GETFD), -1);
  }
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

}  // namespace
}  // namespace keyrewind::io
