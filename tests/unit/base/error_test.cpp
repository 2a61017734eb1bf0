#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

namespace keyrewind {
namespace {

const std::vector<ErrorKind>& all_kinds() {
  static const std::vector<ErrorKind> kinds = {
      ErrorKind::config,    ErrorKind::unavailable,  ErrorKind::denied,
      ErrorKind::protocol,  ErrorKind::no_backup,    ErrorKind::target_not_empty,
      ErrorKind::corrupt,   ErrorKind::incompatible, ErrorKind::busy,
      ErrorKind::cancelled, ErrorKind::failed,       ErrorKind::internal};
  return kinds;
}

int status_of(Side side, ErrorKind kind) {
  return static_cast<int>(exit_status(Error(side, kind, "message")));
}

// Scripts rely on these numbers.
TEST(ExitStatus, IsWhatTheTableSays) {
  struct Row {
    ErrorKind kind;
    int here;
    int source;
    int repository;
  };
  const std::vector<Row> table = {
      {ErrorKind::config, 2, 2, 2},    {ErrorKind::unavailable, 1, 6, 5},
      {ErrorKind::denied, 1, 6, 5},    {ErrorKind::protocol, 1, 6, 5},
      {ErrorKind::no_backup, 4, 4, 4}, {ErrorKind::target_not_empty, 7, 7, 7},
      {ErrorKind::corrupt, 8, 8, 8},   {ErrorKind::incompatible, 8, 8, 8},
      {ErrorKind::busy, 9, 9, 9},      {ErrorKind::cancelled, 130, 130, 130},
      {ErrorKind::failed, 1, 6, 5},    {ErrorKind::internal, 1, 1, 1},
  };
  EXPECT_EQ(table.size(), all_kinds().size());
  for (const Row& row : table) {
    EXPECT_EQ(status_of(Side::here, row.kind), row.here) << to_string(row.kind);
    EXPECT_EQ(status_of(Side::source, row.kind), row.source) << to_string(row.kind);
    EXPECT_EQ(status_of(Side::repository, row.kind), row.repository) << to_string(row.kind);
  }
}

TEST(ErrorKind, HasAWordOfItsOwn) {
  std::set<std::string_view> words;
  for (const ErrorKind kind : all_kinds()) {
    words.insert(to_string(kind));
  }
  EXPECT_EQ(words.size(), all_kinds().size());
  EXPECT_EQ(to_string(ErrorKind::target_not_empty), "target_not_empty");
}

TEST(Error, PutsContextInFrontOfItsMessage) {
  Error error(Side::source, ErrorKind::denied, "wrong password");

  error.add_context("log in to 127.0.0.1:6379");
  error.add_context("take a snapshot");

  EXPECT_STREQ(error.what(), "take a snapshot: log in to 127.0.0.1:6379: wrong password");
  EXPECT_EQ(error.side(), Side::source);
  EXPECT_EQ(error.kind(), ErrorKind::denied);
}

TEST(Error, IsOfThisMachineUnlessSaidOtherwise) {
  EXPECT_EQ(Error(ErrorKind::failed, "message").side(), Side::here);
}

TEST(ErrnoText, IsWhatTheSystemSays) {
  EXPECT_EQ(errno_text(ENOSPC), "No space left on device");
  EXPECT_EQ(errno_text(EACCES), "Permission denied");
}

}  // namespace
}  // namespace keyrewind
