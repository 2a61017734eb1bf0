#include "config/repository_options.h"

#include "base/error.h"
#include "catalog/names.h"
#include "storage/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace keyrewind::config {
namespace {

constexpr std::uint64_t kSecond = 1000;  ///< In milliseconds.
constexpr std::uint64_t kHour = 3600 * kSecond;
constexpr std::uint64_t kDay = 24 * kHour;

// AWS's limits, "Object tagging" of the S3 user guide.
constexpr std::size_t kMaxTagKey = 128;
constexpr std::size_t kMaxTagValue = 256;

constexpr std::array<std::string_view, 4> kEncryptions{"", "AES256", "aws:kms", "SSE-C"};
constexpr std::array<std::string_view, 3> kLockModes{"", "GOVERNANCE", "COMPLIANCE"};

using S3 = Config::Repository::S3;

void check_url(const std::string& text) {
  const std::size_t host = text.find("://");
  const std::size_t path = host == std::string::npos ? host : text.find('/', host + 3);
  if (host != std::string::npos && text.substr(host, path - host).find('@') != std::string::npos) {
    throw Error(ErrorKind::config, "a URL must not contain a user name or password");
  }
  storage::parse_url(text);
}

void check_endpoint(const std::string& text) {
  if (!text.empty()) {
    storage::check_endpoint(text);
  }
}

void check_tag(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error(ErrorKind::config, fmt::format("'{}' is no tag; write KEY=VALUE", text));
  }
  if (equals > kMaxTagKey || text.size() - equals - 1 > kMaxTagValue) {
    throw Error(ErrorKind::config, fmt::format("the tag '{}…' is too long; a key has at most {} "
                                               "and a value at most {} bytes",
                                               text.substr(0, 32), kMaxTagKey, kMaxTagValue));
  }
}

bool is_storage_class(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

/// One of `words` that is kept as a text.
WordField word_field(std::function<std::string&(Config&)> text,
                     std::span<const std::string_view> words) {
  return {[text, words](Config& config) {
            const auto found = std::find(words.begin(), words.end(), text(config));
            return found == words.end() ? 0 : static_cast<std::size_t>(found - words.begin());
          },
          [text, words](Config& config, std::size_t word) { text(config) = words[word]; }};
}

/// Makes the options of one repository: they differ by their paths and by where they are kept.
class Table {
 public:
  Table(std::string path, RepositoryField repository)
      : path_(std::move(path)), repository_(std::move(repository)) {}

  std::vector<Option> of_repository() const;
  std::vector<Option> of_s3() const;
  Option name() const;

 private:
  std::string path(std::string_view leaf) const { return fmt::format("{}.{}", path_, leaf); }
  std::string s3_path(std::string_view leaf) const { return fmt::format("{}.s3.{}", path_, leaf); }

  template <typename Value>
  std::function<Value&(Config&)> field(Value Config::Repository::*member) const {
    return [repository = repository_, member](Config& config) -> Value& {
      return repository(config).*member;
    };
  }

  template <typename Value>
  std::function<Value&(Config&)> s3_field(Value S3::*member) const {
    return [repository = repository_, member](Config& config) -> Value& {
      return repository(config).s3.*member;
    };
  }

  const std::string path_;
  const RepositoryField repository_;
};

Option Table::name() const {
  return {.path = path("name"),
          .kind = Kind::text,
          .field = field(&Config::Repository::name),
          .description =
              "What this copy is called, in --repository and in metrics. 'primary' is the "
              "repository itself.",
          .example = "dr",
          .required = true,
          .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
          .pattern_in_words =
              "1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or digit",
          .is_valid = catalog::names::is_valid_source};
}

std::vector<Option> Table::of_repository() const {
  return {
      {.path = path("url"),
       .kind = Kind::text,
       .field = field(&Config::Repository::url),
       .description =
           "The repository: file:// and the absolute path of a folder, which is made if it does "
           "not exist, or s3://BUCKET/PREFIX in an S3-compatible store, whose bucket must be "
           "there. Several sources may share one.",
       .example = "file:///var/lib/keyrewind/repository",
       .required = true,
       .check = check_url},
      {.path = path("connections"),
       .kind = Kind::integer,
       .field = field(&Config::Repository::connections),
       .description =
           "How many requests carry data to or from an S3 store at once. Each takes some 8 MiB of "
           "memory.",
       .example = "8",
       .min = 1,
       .max = 64},
      {.path = path("retry_time"),
       .kind = Kind::duration,
       .field = field(&Config::Repository::retry_time),
       .description =
           "How long a request to an S3 store is tried again before the work that needs it fails.",
       .example = "5m",
       .min = kSecond,
       .max = kHour},
  };
}

std::vector<Option> Table::of_s3() const {
  return {
      {.path = s3_path("endpoint"),
       .kind = Kind::text,
       .field = s3_field(&S3::endpoint),
       .description =
           "Where the store is: https://HOST or https://HOST:PORT. Empty: AWS, in the region.",
       .example = "https://objects.example.com",
       .check = check_endpoint},
      {.path = s3_path("region"),
       .kind = Kind::text,
       .field = s3_field(&S3::region),
       .description =
           "The store's region, which signatures name. Empty: what AWS_REGION, AWS_DEFAULT_REGION "
           "or the profile says, else us-east-1.",
       .example = "eu-central-1"},
      {.path = s3_path("path_style"),
       .kind = Kind::boolean,
       .field = s3_field(&S3::path_style),
       .description =
           "Whether the bucket stands in the path, https://HOST/BUCKET, instead of in the host's "
           "name. Most stores other than AWS want true.",
       .example = "true"},
      {.path = s3_path("access_key_id"),
       .kind = Kind::text,
       .field = s3_field(&S3::access_key_id),
       .description = "The access key. It needs secret_access_key_file or secret_access_key.",
       .example = "AKIAIOSFODNN7EXAMPLE"},
      {.path = s3_path("secret_access_key"),
       .kind = Kind::secret,
       .field = s3_field(&S3::secret_access_key),
       .description =
           "The secret of the access key, from a variable only: written out in this file it is "
           "refused.",
       .example = "${S3_SECRET}"},
      {.path = s3_path("secret_access_key_file"),
       .kind = Kind::text,
       .field = s3_field(&S3::secret_access_key_file),
       .description =
           "File that holds the secret of the access key; a newline at its end does not count. It "
           "is read again when it changes.",
       .example = "/run/secrets/keyrewind/s3"},
      {.path = s3_path("session_token"),
       .kind = Kind::secret,
       .field = s3_field(&S3::session_token),
       .description =
           "The token of a temporary access key, from a variable only: written out in this file it "
           "is refused.",
       .example = "${S3_SESSION_TOKEN}"},
      {.path = s3_path("profile"),
       .kind = Kind::text,
       .field = s3_field(&S3::profile),
       .description =
           "The profile of AWS's shared files that has the keys. Empty: what AWS_PROFILE says, "
           "else default.",
       .example = "backup"},
      {.path = s3_path("server_side_encryption"),
       .kind = Kind::word,
       .field = word_field(s3_field(&S3::server_side_encryption), kEncryptions),
       .description =
           "How the store itself encrypts: AES256 with its own keys, aws:kms with a key of the key "
           "management, SSE-C with ours. Empty: what the bucket says.",
       .example = "AES256",
       .words = kEncryptions},
      {.path = s3_path("kms_key_id"),
       .kind = Kind::text,
       .field = s3_field(&S3::kms_key_id),
       .description = "The key of the key management. Empty: the account's default key for S3.",
       .example = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"},
      {.path = s3_path("customer_key_file"),
       .kind = Kind::text,
       .field = s3_field(&S3::customer_key_file),
       .description =
           "File that holds the key for SSE-C: its 32 bytes, or their Base64. Without it nothing "
           "can be read again.",
       .example = "/run/secrets/keyrewind/customer-key"},
      {.path = s3_path("storage_class"),
       .kind = Kind::text,
       .field = s3_field(&S3::storage_class),
       .description =
           "Storage class of snapshots and log; what is small stays in the standard class. Empty: "
           "the bucket's default. Classes that must be thawed before they are read do not do.",
       .example = "STANDARD_IA",
       .pattern = "^[A-Z0-9_-]*$",
       .pattern_in_words = "capital letters, digits, '_' and '-' only",
       .is_valid = is_storage_class},
      {.path = s3_path("tags"),
       .kind = Kind::texts,
       .field = s3_field(&S3::tags),
       .description =
           "Tags of every object, each KEY=VALUE, ten at most, for lifecycle rules and bills. In a "
           "variable they are separated by commas.",
       .example = "team=storage",
       .check = check_tag},
      {.path = s3_path("object_lock_mode"),
       .kind = Kind::word,
       .field = word_field(s3_field(&S3::object_lock_mode), kLockModes),
       .description =
           "Object lock of everything that is stored, for object_lock_duration: GOVERNANCE, which "
           "whoever has the right may lift, or COMPLIANCE, which nobody can. Empty: none.",
       .example = "GOVERNANCE",
       .words = kLockModes},
      {.path = s3_path("object_lock_duration"),
       .kind = Kind::duration,
       .field = s3_field(&S3::object_lock_duration),
       .description = "How long object_lock_mode keeps an object from being removed.",
       .example = "14d",
       .max = 36500 * kDay},
      {.path = s3_path("ca_file"),
       .kind = Kind::text,
       .field = s3_field(&S3::ca_file),
       .description =
           "Certificates of the authorities that may have signed the store's, as PEM. Empty: those "
           "that the system trusts.",
       .example = "/tls/ca.crt"},
  };
}

}  // namespace

std::vector<Option> repository_options(const std::string& path, const RepositoryField& repository) {
  const Table table(path, repository);
  std::vector<Option> all;
  if (path != "repository") {
    all.push_back(table.name());
  }
  for (std::vector<Option>& some : std::array{table.of_repository(), table.of_s3()}) {
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  return all;
}

Option copies_option() {
  return {.path = "copies",
          .kind = Kind::entries,
          .field = EntriesField{[](const Config& c) { return c.copies.size(); },
                                [](Config& c, std::size_t count) { c.copies.resize(count); }},
          .description =
              "Other repositories that every backup goes to as well, so that losing one place "
              "loses nothing. Each is a map of a name and the same options as repository. The "
              "variables of the first begin with KEYREWIND_COPIES__0__.",
          .example = R"([{"name": "dr", "url": "s3://backups-dr/prod", )"
                     R"("s3": {"region": "us-west-2"}}])"};
}

RepositoryField copy_at(std::size_t index) {
  return [index](Config& config) -> Config::Repository& {
    if (config.copies.size() <= index) {
      config.copies.resize(index + 1);
    }
    return config.copies[index];
  };
}

}  // namespace keyrewind::config
