#include "store/encrypted_store.h"

#include "base/error.h"
#include "codec/age_header.h"
#include "codec/age_stream.h"
#include "store/known_keys.h"
#include "store/stop.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace keyrewind::store {
namespace {

/// Objects of its own that a store can read again without an identity.
constexpr std::size_t kMostKnownKeys = 16'384;

/// Read to find the header: that of a few recipients has some hundred bytes.
constexpr std::uint64_t kLikelyHeadBytes = 4096;
constexpr std::uint64_t kMaxHeadBytes = codec::kMaxAgeHeaderBytes + codec::kAgeNonceBytes;

bool is_encrypted(const std::string& name) {
  return name.ends_with(kEncryptedSuffix);
}

Error damaged(const std::string& name, std::string_view why) {
  return {Side::repository, ErrorKind::corrupt, fmt::format("object {} is damaged: {}", name, why)};
}

/// Runs `decode`, whose errors then say which object it is.
auto of_object(const std::string& name, const auto& decode) {
  try {
    return decode();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::corrupt) {
      throw damaged(name, error.what());
    }
    throw;
  }
}

ObjectKey key_of(const codec::AgeEncryptor& encryptor) {
  return {encryptor.payload_key(), encryptor.nonce(), encryptor.payload_offset()};
}

/// After a write that failed in a way that does not say whether the object is there: whoever asks
/// for it then needs the key.
void remember_in_case(KnownKeys& keys, const std::string& name, ObjectKey key, const Error& error) {
  if (error.kind() == ErrorKind::unavailable) {
    key.sure = false;
    keys.remember(name, std::move(key));
  }
}

/// Where a stored object that has `key` holds what.
codec::AgeLayout layout_of(const std::string& name, const ObjectKey& key) {
  const auto layout = key.bytes < key.payload_offset
                          ? std::nullopt
                          : codec::AgeLayout::of(key.bytes - key.payload_offset);
  if (!layout) {
    throw damaged(name, "it is cut short, or something was added to it");
  }
  return *layout;
}

/// How many bytes an object that holds `plain` bytes has at most.
std::uint64_t most_stored_bytes(std::uint64_t plain) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t tags =
      (plain / codec::kAgeChunkBytes + 1) * codec::ChaChaPoly::kTagBytes + kMaxHeadBytes;
  return plain > kMost - tags ? kMost : plain + tags;
}

/// Encrypts on the way into the store below.
class EncryptedUpload final : public Upload {
 public:
  EncryptedUpload(std::unique_ptr<Upload> inner, const std::vector<codec::AgeRecipient>& recipients,
                  std::shared_ptr<KnownKeys> keys, std::string name, std::stop_token stop)
      : inner_(std::move(inner)),
        encryptor_(recipients),
        keys_(std::move(keys)),
        name_(std::move(name)),
        stop_(std::move(stop)) {}

  void append(ByteView bytes) override {
    throw_if_stopped(stop_);  // A small piece goes no further yet.
    encryptor_.feed(bytes, [this](ByteView sealed) { inner_->append(sealed); });
  }

  StoredBytes complete() override {
    encryptor_.finish([this](ByteView sealed) { inner_->append(sealed); });
    ObjectKey key = key_of(encryptor_);
    StoredBytes stored;
    try {
      stored = inner_->complete();
    } catch (const Error& error) {
      remember_in_case(*keys_, name_, std::move(key), error);
      throw;
    }
    key.bytes = stored.bytes;
    keys_->remember(name_, std::move(key));
    return stored;
  }

 private:
  const std::unique_ptr<Upload> inner_;
  codec::AgeEncryptor encryptor_;
  const std::shared_ptr<KnownKeys> keys_;  // It may outlive the store.
  const std::string name_;
  const std::stop_token stop_;
};

}  // namespace

/// What is done for objects that are encrypted.
class EncryptedStore::Work {
 public:
  Work(std::unique_ptr<ObjectStore> inner, std::vector<codec::AgeRecipient> recipients,
       std::vector<codec::AgeIdentity> identities)
      : inner_(std::move(inner)),
        recipients_(std::move(recipients)),
        identities_(std::move(identities)) {}

  ObjectStore& inner() const noexcept { return *inner_; }
  KnownKeys& keys() const noexcept { return *keys_; }
  bool encrypts() const noexcept { return !recipients_.empty(); }

  bool put_if_absent(const std::string& name, ByteView content, const std::stop_token& stop) const {
    check_encrypts(name);
    codec::AgeEncryptor encryptor(recipients_);
    Bytes sealed;
    const auto emit = [&](ByteView some) { sealed.insert(sealed.end(), some.begin(), some.end()); };
    encryptor.feed(content, emit);
    encryptor.finish(emit);
    ObjectKey key = key_of(encryptor);
    key.bytes = sealed.size();
    try {
      if (!inner_->put_if_absent(name, sealed, stop)) {
        return false;
      }
    } catch (const Error& error) {
      remember_in_case(*keys_, name, std::move(key), error);
      throw;
    }
    keys_->remember(name, std::move(key));
    return true;
  }

  std::unique_ptr<Upload> upload(const std::string& name, std::stop_token stop) const {
    check_encrypts(name);
    return std::make_unique<EncryptedUpload>(inner_->upload(name, stop), recipients_, keys_, name,
                                             std::move(stop));
  }

  std::optional<Bytes> get(const std::string& name, std::uint64_t max_bytes,
                           const std::stop_token& stop) const {
    const std::optional<Bytes> stored = inner_->get(name, most_stored_bytes(max_bytes), stop);
    if (!stored) {
      return std::nullopt;
    }
    const ObjectKey key = key_for(name, *stored);
    const codec::AgeLayout layout = layout_of(name, key);
    if (layout.plain_bytes > max_bytes) {
      throw Error(Side::repository, ErrorKind::corrupt,
                  fmt::format("object {} holds {} bytes where at most {} are expected", name,
                              layout.plain_bytes, max_bytes));
    }
    return of_object(name, [&] {
      return codec::open_age_chunks(key.payload_key, ByteView(*stored).subspan(key.payload_offset));
    });
  }

  void read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
            const std::stop_token& stop) const {
    const ObjectKey key = key_for(name, stop);
    const codec::AgeLayout layout = layout_of(name, key);
    if (offset > layout.plain_bytes || into.size() > layout.plain_bytes - offset) {
      throw Error(Side::repository, ErrorKind::corrupt,
                  fmt::format("object {} ends at {} bytes, before the {} bytes from {}", name,
                              layout.plain_bytes, into.size(), offset));
    }
    if (!into.empty()) {
      read_chunks(name, key, layout, offset, into, stop);
    }
  }

  bool can_read(const std::string& name) const {
    return !identities_.empty() || keys_->contains(name);
  }

 private:
  void check_encrypts(const std::string& name) const {
    if (!encrypts()) {
      throw Error(ErrorKind::internal,
                  fmt::format("object {} can't be written without recipients", name));
    }
  }

  /// The key of an object of which all bytes are at hand.
  ObjectKey key_for(const std::string& name, ByteView stored) const {
    std::optional<ObjectKey> key = keys_->find(name);
    if (key && has_nonce(*key, stored)) {
      key->bytes = stored.size();
      return *std::move(key);
    }
    key = unlock(name, stored);
    if (!key) {
      throw damaged(name, "it is cut short");
    }
    key->bytes = stored.size();
    return *std::move(key);
  }

  /// The key of an object whose beginning is fetched if it isn't known.
  ObjectKey key_for(const std::string& name, const std::stop_token& stop) const {
    const std::optional<ObjectKey> known = keys_->find(name);
    if (known && known->sure) {
      return *known;
    }
    const std::optional<ObjectInfo> info = inner_->head(name, stop);
    if (!info) {
      throw Error(Side::repository, ErrorKind::corrupt, fmt::format("object {} is missing", name));
    }
    for (const std::uint64_t most : {kLikelyHeadBytes, kMaxHeadBytes}) {
      Bytes beginning(std::min(info->bytes, most));
      inner_->read(name, 0, beginning, stop);
      std::optional<ObjectKey> key =
          known && has_nonce(*known, beginning) ? known : unlock(name, beginning);
      if (key) {
        key->bytes = info->bytes;
        key->sure = true;
        keys_->remember(name, *key);
        return *std::move(key);
      }
    }
    throw damaged(name, "it is cut short");
  }

  static bool has_nonce(const ObjectKey& key, ByteView beginning) {
    return beginning.size() >= key.payload_offset &&
           std::ranges::equal(
               beginning.subspan(key.payload_offset - key.nonce.size(), key.nonce.size()),
               key.nonce);
  }

  /// The key by one of the identities; nothing if more of the object is needed to tell.
  std::optional<ObjectKey> unlock(const std::string& name, ByteView beginning) const {
    return of_object(name, [&]() -> std::optional<ObjectKey> {
      const auto header = codec::AgeHeader::parse(beginning);
      if (!header || beginning.size() - header->bytes() < codec::kAgeNonceBytes) {
        return std::nullopt;
      }
      const std::optional<Secret> file_key = header->unlock(identities_);
      if (!file_key) {
        throw no_identity(name);
      }
      ObjectKey key;
      const ByteView nonce = beginning.subspan(header->bytes(), codec::kAgeNonceBytes);
      std::ranges::copy(nonce, key.nonce.begin());
      key.payload_key = codec::age_payload_key(*file_key, nonce);
      key.payload_offset = header->bytes() + codec::kAgeNonceBytes;
      return key;
    });
  }

  Error no_identity(const std::string& name) const {
    return {
        ErrorKind::config,
        identities_.empty()
            ? fmt::format("object {} is encrypted; set encryption.identity_file to read it", name)
            : fmt::format("object {} is encrypted to other recipients than "
                          "encryption.identity_file has",
                          name)};
  }

  /// Fetches the chunks that hold the range with one request and opens them. `into` gets nothing of
  /// a range that isn't all authentic.
  void read_chunks(const std::string& name, const ObjectKey& key, const codec::AgeLayout& layout,
                   std::uint64_t offset, std::span<std::byte> into,
                   const std::stop_token& stop) const {
    const std::uint64_t first = offset / codec::kAgeChunkBytes;
    const std::uint64_t last = (offset + into.size() - 1) / codec::kAgeChunkBytes;
    const std::uint64_t begin = key.payload_offset + first * codec::kSealedChunkBytes;
    const std::uint64_t end =
        std::min(key.bytes, key.payload_offset + (last + 1) * codec::kSealedChunkBytes);
    const std::size_t size = end - begin;
    // Not a vector: filling it with zeros first costs a tenth of what decrypting does.
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(size);
    std::span<std::byte> sealed(buffer.get(), size);
    inner_->read(name, begin, sealed, stop);

    codec::AgeChunks chunks(key.payload_key);
    std::uint64_t skip = offset % codec::kAgeChunkBytes;
    std::span<std::byte> rest = into;
    for (std::uint64_t number = first; number <= last; ++number) {
      const std::span<std::byte> chunk =
          sealed.first(std::min(sealed.size(), codec::kSealedChunkBytes));
      const std::size_t held = chunk.size() - codec::ChaChaPoly::kTagBytes;
      const std::size_t wanted = std::min<std::uint64_t>(held - skip, rest.size());
      const bool is_last = number + 1 == layout.chunks;
      // A part of a chunk is decrypted where it stands.
      const std::span<std::byte> plain = wanted == held ? rest.first(held) : chunk.first(held);
      if (!chunks.open({.number = number, .last = is_last}, chunk, plain)) {
        std::ranges::fill(into, std::byte{0});
        throw damaged(name,
                      fmt::format("chunk {} of {} is not authentic", number + 1, layout.chunks));
      }
      if (wanted != held) {
        std::ranges::copy(plain.subspan(skip, wanted), rest.begin());
      }
      rest = rest.subspan(wanted);
      skip = 0;
      sealed = sealed.subspan(chunk.size());
    }
  }

  const std::unique_ptr<ObjectStore> inner_;
  const std::vector<codec::AgeRecipient> recipients_;
  const std::vector<codec::AgeIdentity> identities_;
  const std::shared_ptr<KnownKeys> keys_ = std::make_shared<KnownKeys>(kMostKnownKeys);
};

EncryptedStore::EncryptedStore(std::unique_ptr<ObjectStore> inner,
                               std::vector<codec::AgeRecipient> recipients,
                               std::vector<codec::AgeIdentity> identities)
    : work_(
          std::make_unique<Work>(std::move(inner), std::move(recipients), std::move(identities))) {}

EncryptedStore::~EncryptedStore() = default;

std::string EncryptedStore::url() const {
  return work_->inner().url();
}

void EncryptedStore::create() {
  work_->inner().create();
}

bool EncryptedStore::put_if_absent(const std::string& name, ByteView content,
                                   std::stop_token stop) {
  throw_if_stopped(stop);
  return is_encrypted(name) ? work_->put_if_absent(name, content, stop)
                            : work_->inner().put_if_absent(name, content, std::move(stop));
}

std::unique_ptr<Upload> EncryptedStore::upload(const std::string& name, std::stop_token stop) {
  throw_if_stopped(stop);
  return is_encrypted(name) ? work_->upload(name, std::move(stop))
                            : work_->inner().upload(name, std::move(stop));
}

std::optional<Bytes> EncryptedStore::get(const std::string& name, std::uint64_t max_bytes,
                                         std::stop_token stop) const {
  return is_encrypted(name) ? work_->get(name, max_bytes, stop)
                            : work_->inner().get(name, max_bytes, std::move(stop));
}

void EncryptedStore::read(const std::string& name, std::uint64_t offset, std::span<std::byte> into,
                          std::stop_token stop) const {
  throw_if_stopped(stop);
  if (is_encrypted(name)) {
    work_->read(name, offset, into, stop);
  } else {
    work_->inner().read(name, offset, into, std::move(stop));
  }
}

std::optional<ObjectInfo> EncryptedStore::head(const std::string& name,
                                               std::stop_token stop) const {
  return work_->inner().head(name, std::move(stop));
}

std::vector<ObjectInfo> EncryptedStore::list(const std::string& prefix,
                                             std::stop_token stop) const {
  return work_->inner().list(prefix, std::move(stop));
}

void EncryptedStore::visit(const std::string& prefix, const TakeObject& take,
                           std::stop_token stop) const {
  work_->inner().visit(prefix, take, std::move(stop));
}

bool EncryptedStore::empty(std::stop_token stop) const {
  return work_->inner().empty(std::move(stop));
}

void EncryptedStore::remove(const std::string& name, std::stop_token stop) {
  work_->inner().remove(name, std::move(stop));
  work_->keys().forget(name);
}

void EncryptedStore::remove_all(const std::vector<std::string>& names, std::stop_token stop) {
  work_->inner().remove_all(names, std::move(stop));
  for (const std::string& name : names) {
    work_->keys().forget(name);
  }
}

bool EncryptedStore::copy_within(const ObjectStore& from, const std::string& name,
                                 std::stop_token stop) {
  // What is copied is the ciphertext: the stores below do it.
  const auto* encrypted = dynamic_cast<const EncryptedStore*>(&from);
  const ObjectStore& below = encrypted != nullptr ? encrypted->work_->inner() : from;
  return work_->inner().copy_within(below, name, std::move(stop));
}

std::optional<Record> EncryptedStore::read_record(const std::string& name,
                                                  std::stop_token stop) const {
  return work_->inner().read_record(name, std::move(stop));
}

std::optional<std::string> EncryptedStore::swap_record(const std::string& name, ByteView content,
                                                       const std::optional<std::string>& expected,
                                                       std::stop_token stop) {
  return work_->inner().swap_record(name, content, expected, std::move(stop));
}

ObjectStore::ConditionalWrites EncryptedStore::conditional_writes(std::stop_token stop) {
  return work_->inner().conditional_writes(std::move(stop));
}

std::optional<std::chrono::seconds> EncryptedStore::clock_ahead() const {
  return work_->inner().clock_ahead();
}

bool EncryptedStore::encrypts() const {
  return work_->encrypts();
}

bool EncryptedStore::can_read(const std::string& name) const {
  return !is_encrypted(name) || work_->can_read(name);
}

ObjectStore& EncryptedStore::stored() {
  return work_->inner().stored();
}

std::size_t EncryptedStore::remove_abandoned_uploads(const std::string& prefix,
                                                     const WhichNames& which,
                                                     std::stop_token stop) {
  return work_->inner().remove_abandoned_uploads(prefix, which, std::move(stop));
}

std::unique_ptr<StoreLock> EncryptedStore::try_lock(const std::string& name, std::stop_token stop) {
  return work_->inner().try_lock(name, std::move(stop));
}

}  // namespace keyrewind::store
