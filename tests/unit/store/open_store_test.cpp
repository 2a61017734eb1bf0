#include "store/open_store.h"

#include "base/error.h"

#include <gtest/gtest.h>

#include <string>

namespace keyrewind::store {
namespace {

/// What `open_store` says about `url`, "" if it takes it.
std::string complaint_about(const std::string& url) {
  try {
    (void)open_store(url);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    return error.what();
  }
}

TEST(OpenStore, TakesAFolderByItsAbsolutePath) {
  EXPECT_EQ(open_store("file:///var/backups")->url(), "file:///var/backups");
  EXPECT_EQ(open_store("file:///var/backups//")->url(), "file:///var/backups");
  EXPECT_EQ(open_store("file:///a b/100%25")->url(), "file:///a b/100%25");
}

TEST(OpenStore, ContactsNothing) {
  EXPECT_NO_THROW((void)open_store("file:///no/such/folder/anywhere"));
}

TEST(OpenStore, SaysWhatItAcceptsInstead) {
  for (const char* url : {"", "/var/backups", "file:", "file://", "file:///", "file:////",
                          "file://host/var", "file://var/backups", "file:/var/backups",
                          "s3://bucket/prefix", "FILE:///var", "file:///a\nb"}) {
    const std::string complaint = complaint_about(url);
    EXPECT_NE(complaint.find("file:///var/lib/keyrewind/repository"), std::string::npos) << url;
  }
}

TEST(OpenStore, NamesTheUrlThatItRefuses) {
  EXPECT_EQ(complaint_about("s3://bucket"),
            "repository.url 's3://bucket' is of a kind that this Keyrewind doesn't know: only "
            "file:// is; write it like file:///var/lib/keyrewind/repository");
}

}  // namespace
}  // namespace keyrewind::store
