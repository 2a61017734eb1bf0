#include "s3/xml.h"

#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keyrewind::s3 {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

/// Amazon S3 API Reference, ListObjectsV2, cut.
constexpr const char* kList = R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Name>quotes</Name><Prefix>E</Prefix><EncodingType>url</EncodingType>
  <IsTruncated>true</IsTruncated><NextContinuationToken>1/a+b==</NextContinuationToken>
  <Contents><Key>ExampleObject.txt</Key><ETag>"599bab3ed2c697f1d26842727561fd94"</ETag>
    <Size>857</Size></Contents>
  <Contents><Key>a%20b%2Fc+d%zz%</Key><Size>4398046511104</Size></Contents>
  <CommonPrefixes><Prefix>photos%2F</Prefix></CommonPrefixes>
</ListBucketResult>)";

TEST(Xml, ReadsAPageOfObjects) {
  const ListPage page = read_list_page(as_bytes(kList));

  ASSERT_EQ(page.objects.size(), 2);
  EXPECT_EQ(page.objects[0].key, "ExampleObject.txt");
  EXPECT_EQ(page.objects[0].bytes, 857);
  EXPECT_EQ(page.objects[1].key, "a b/c d%zz%");
  EXPECT_EQ(page.objects[1].bytes, 4398046511104);
  EXPECT_THAT(page.folders, ElementsAre("photos/"));
  EXPECT_EQ(page.next, "1/a+b==");
}

TEST(Xml, LeavesKeysThatAreNotEncodedAsTheyAre) {
  const ListPage page = read_list_page(as_bytes(
      "<ListBucketResult><Contents><Key>a%20b</Key><Size>0</Size></Contents></ListBucketResult>"));

  EXPECT_THAT(page.objects, ElementsAre(Field(&ListedObject::key, "a%20b")));
  EXPECT_EQ(page.next, "");
}

TEST(Xml, ReadsAPageOfUploads) {
  const UploadsPage page = read_uploads_page(
      as_bytes("<ListMultipartUploadsResult><EncodingType>url</EncodingType>"
               "<Upload><Key>a%2Fb</Key><UploadId>x%2F</UploadId></Upload>"
               "<IsTruncated>true</IsTruncated><NextKeyMarker>a%2Fb</NextKeyMarker>"
               "<NextUploadIdMarker>y</NextUploadIdMarker></ListMultipartUploadsResult>"));

  ASSERT_EQ(page.uploads.size(), 1);
  EXPECT_EQ(page.uploads[0].key, "a/b");
  EXPECT_EQ(page.uploads[0].id, "x%2F");
  EXPECT_TRUE(page.truncated);
  EXPECT_EQ(page.next_key, "a/b");
  EXPECT_EQ(page.next_id, "y");
}

TEST(Xml, ReadsAnErrorWithoutWhatATerminalMightObey) {
  const auto error = read_error(
      as_bytes("<Error><Code>AuthorizationHeaderMalformed</Code><Message>bad &#27;[31m\nregion"
               "</Message><Region>eu-west-1</Region></Error>"));

  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, "AuthorizationHeaderMalformed");
  EXPECT_EQ(error->message, "bad  [31m region");
  EXPECT_EQ(error->region, "eu-west-1");
}

TEST(Xml, CutsALongMessage) {
  const auto error = read_error(
      as_bytes("<Error><Code>X</Code><Message>" + std::string(5000, 'x') + "</Message></Error>"));

  EXPECT_EQ(error->message.size(), 200);
}

TEST(Xml, TakesNothingElseForAnError) {
  for (const char* text : {"", "no xml", "<html></html>", "<Error>", "<Err/>"}) {
    EXPECT_FALSE(read_error(as_bytes(text))) << text;
  }
}

TEST(Xml, ReadsWhatCouldNotBeDeleted) {
  const auto failed = read_delete_result(
      as_bytes("<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key>"
               "<Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"));

  EXPECT_THAT(failed, ElementsAre(Field(&FailedDelete::key, "b")));
  EXPECT_EQ(failed[0].code, "AccessDenied");
  EXPECT_THAT(read_delete_result(as_bytes("<DeleteResult/>")), IsEmpty());
}

TEST(Xml, WritesWhatToDeleteAndToComplete) {
  EXPECT_EQ(write_delete({"a", "b&c"}),
            "<Delete "
            "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet><Object><Key>a</"
            "Key></Object>"
            "<Object><Key>b&amp;c</Key></Object></Delete>");
  EXPECT_EQ(write_complete({{"\"e1\"", ""}, {"\"e2\"", "c2="}}),
            "<CompleteMultipartUpload "
            "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><PartNumber>1</"
            "PartNumber><ETag>\"e1\"</ETag></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>\"e2\"</ETag><ChecksumSHA256>c2="
            "</ChecksumSHA256></Part></CompleteMultipartUpload>");
}

TEST(Xml, RefusesWhatIsNotTheAnswer) {
  const auto refuses = [](auto read, const std::string& text) {
    try {
      (void)read(as_bytes(text));
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::protocol);
      EXPECT_EQ(error.side(), Side::repository);
    }
  };
  for (const char* text : {"", "no xml", "<html></html>", "<ListBucketResult>", "<Error/>"}) {
    refuses(read_list_page, text);
    refuses(read_uploads_page, text);
    refuses(read_upload_id, text);
    refuses(read_copied_etag, text);
    refuses(read_delete_result, text);
  }
  refuses(read_list_page,
          "<ListBucketResult><Contents><Key>a</Key><Size>x</Size></Contents></ListBucketResult>");
  refuses(read_list_page, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>");
  refuses(read_upload_id, "<InitiateMultipartUploadResult/>");
  refuses(read_copied_etag, "<CopyPartResult/>");
}

TEST(Xml, SurvivesAnyTruncation) {
  const std::string whole = kList;
  for (std::size_t i = 0; i < whole.size() - 1; ++i) {
    EXPECT_THROW((void)read_list_page(as_bytes(whole.substr(0, i))), Error) << i;
  }
}

}  // namespace
}  // namespace keyrewind::s3
