#include "s3/bulk.h"

#include "base/error.h"
#include "s3/xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

namespace keyrewind::s3 {
namespace {

/// More are refused: DeleteObjects in the Amazon S3 API Reference.
constexpr std::size_t kMostDeletes = 1000;

ListPage list_page(Objects& objects, Query query, const std::stop_token& stop) {
  query.emplace_back("list-type", "2");
  query.emplace_back("encoding-type", "url");
  std::optional<ListPage> page;
  objects.requests().send(
      {.operation = "list",
       .action = "s3:ListBucket",
       .on_bucket = true,
       .query = std::move(query),
       .check = [&](const http::Response& response) { page = read_list_page(response.body); }},
      stop);
  return *std::move(page);
}

/// What to blame for an object that DeleteObjects could not delete.
Error not_deleted(const Objects& objects, const FailedDelete& failed) {
  const std::string name = objects.place().name(failed.key).value_or(failed.key);
  const bool denied = failed.code == "AccessDenied";
  Error error = to_error({.status = denied ? 403 : 500, .code = failed.code}, "s3:DeleteObject",
                         name, objects.place());
  error.add_context(fmt::format("{}: delete {}", objects.place().url(), name));
  return error;
}

/// Returns false if the store does not know the request.
bool remove_some(Objects& objects, std::span<const std::string> names,
                 const std::stop_token& stop) {
  std::vector<std::string> keys;
  keys.reserve(names.size());
  for (const std::string& name : names) {
    keys.push_back(objects.place().key(name));
  }
  const std::string body = write_delete(keys);
  std::vector<FailedDelete> failed;
  const Answer answer = objects.requests().send(
      {.operation = "delete_many",
       .action = "s3:DeleteObject",
       .method = "POST",
       .on_bucket = true,
       .query = {{"delete", ""}},
       .headers = {{"content-type", "application/xml"}, content_md5(as_bytes(body))},
       .body = as_bytes(body),
       .expected = {400, 404, 405, 501},
       .check =
           [&](const http::Response& response) { failed = read_delete_result(response.body); }},
      stop);
  if (!answer.ok()) {
    return false;
  }
  const auto worst = std::find_if(failed.begin(), failed.end(),
                                  [](const auto& one) { return one.code != "NoSuchKey"; });
  if (worst != failed.end()) {
    throw not_deleted(objects, *worst);
  }
  return true;
}

}  // namespace

void list_objects(Objects& objects, const std::string& prefix, const store::TakeObject& take,
                  const std::stop_token& stop) {
  std::string token;
  do {
    Query query = {{"prefix", objects.place().key(prefix)}};
    if (!token.empty()) {
      query.emplace_back("continuation-token", token);
    }
    ListPage page = list_page(objects, std::move(query), stop);
    for (const ListedObject& object : page.objects) {
      std::optional<std::string> name = objects.place().name(object.key);
      if (name && store::is_valid_name(*name)) {
        take({*std::move(name), object.bytes});
      }
    }
    if (page.next == token && !token.empty()) {
      throw Error(Side::repository, ErrorKind::protocol,
                  fmt::format("{}: list: the store gives the same page again and again",
                              objects.place().url()));
    }
    token = std::move(page.next);
  } while (!token.empty());
}

bool holds_nothing_but(Objects& objects, std::string_view folder, const std::stop_token& stop) {
  const std::string spared = objects.place().key(folder);
  const std::string itself = objects.place().key("");  // What consoles put for an empty folder.
  const ListPage page =
      list_page(objects, {{"prefix", itself}, {"delimiter", "/"}, {"max-keys", "3"}}, stop);
  return std::ranges::all_of(page.objects,
                             [&](const auto& object) { return object.key == itself; }) &&
         std::ranges::all_of(page.folders, [&](const auto& name) { return name == spared; });
}

void remove_objects(Objects& objects, const std::vector<std::string>& names,
                    const std::stop_token& stop) {
  const std::span<const std::string> all(names);
  for (std::size_t at = 0; at < all.size(); at += kMostDeletes) {
    const auto some = all.subspan(at, std::min(kMostDeletes, all.size() - at));
    if (remove_some(objects, some, stop)) {
      continue;
    }
    for (const std::string& name : some) {
      objects.remove(name, stop);
    }
  }
}

}  // namespace keyrewind::s3
