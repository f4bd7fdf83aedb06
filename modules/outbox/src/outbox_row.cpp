#include "outbox_row.hpp"

#include <weft/base/saturating.hpp>
#include <weft/base/utf8.hpp>
#include <weft/messaging/text_encoding.hpp>

#include <algorithm>
#include <chrono>

namespace weft::messaging {

namespace {

constexpr std::uint8_t meta_version = 1;

template <class Integer>
void put(std::string& to, Integer value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    to += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff);
}

void put_text(std::string& to, std::string_view text) {
  put(to, static_cast<std::uint32_t>(text.size()));
  to += text;
}

class meta_reader {
 public:
  explicit meta_reader(std::string_view bytes) : left_{bytes} {}

  template <class Integer>
  result<Integer> number() {
    if (left_.size() < sizeof(Integer)) return cut_short();
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i)
      value |= std::uint64_t{static_cast<unsigned char>(left_[i])} << (8 * i);
    left_.remove_prefix(sizeof(Integer));
    return static_cast<Integer>(value);
  }
  result<std::string_view> text() {
    WEFT_TRY(const auto size, number<std::uint32_t>());
    if (left_.size() < size) return cut_short();
    const auto found = left_.substr(0, size);
    left_.remove_prefix(size);
    return found;
  }
  [[nodiscard]] bool at_end() const noexcept { return left_.empty(); }

 private:
  static std::unexpected<error> cut_short() { return fail(errc::data_loss, "the envelope in the outbox is cut short"); }
  std::string_view left_;
};

}  // namespace

unsigned shard_of(const message& m, unsigned shards) noexcept {
  const auto& text = m.key.empty() ? m.id : m.key;
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, its bits mixed as by murmur3's end
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  hash ^= hash >> 33;
  return static_cast<unsigned>(hash % shards);
}

std::string encode_meta(const outgoing& what) {
  const auto& m = what.what;
  std::string bytes;
  put(bytes, meta_version);
  put(bytes, static_cast<std::uint8_t>(what.if_unroutable == unroutable::refuse ? 1 : 0));
  put(bytes, m.priority);
  put(bytes, std::int64_t{m.time_to_live / std::chrono::nanoseconds{1}});
  put(bytes, std::int64_t{what.delay / std::chrono::nanoseconds{1}});
  put_text(bytes, m.content_type);
  put(bytes, static_cast<std::uint32_t>(m.fields.size()));
  for (const auto& h : m.fields) {
    put_text(bytes, h.name);
    put_text(bytes, h.value);
  }
  return bytes;
}

result<> decode_meta(std::string_view bytes, outgoing& into) {
  meta_reader from{bytes};
  WEFT_TRY(const auto version, from.number<std::uint8_t>());
  if (version != meta_version)
    return fail(error{errc::data_loss, "the envelope in the outbox has version " + std::to_string(version)}.with_remedy(
        "run a program as new as the one that wrote it"));
  auto& m = into.what;
  WEFT_TRY(const auto refuse, from.number<std::uint8_t>());
  into.if_unroutable = refuse != 0 ? unroutable::refuse : unroutable::drop;
  WEFT_TRY(m.priority, from.number<std::uint8_t>());
  WEFT_TRY(const auto time_to_live, from.number<std::int64_t>());
  WEFT_TRY(const auto delay, from.number<std::int64_t>());
  m.time_to_live = std::chrono::nanoseconds{time_to_live};
  into.delay = std::chrono::nanoseconds{delay};
  WEFT_TRY(m.content_type, from.text());
  WEFT_TRY(const auto count, from.number<std::uint32_t>());
  for (std::uint32_t i = 0; i < count; ++i) {
    WEFT_TRY(const auto header_name, from.text());
    WEFT_TRY(const auto value, from.text());
    m.fields.append(header_name, std::string{value});
  }
  if (!from.at_end()) return fail(errc::data_loss, "the envelope in the outbox has more than it should");
  return {};
}

result<outbox_row> read_row(const storage::row& r) {
  outbox_row made;
  WEFT_TRY(made.seq, r.get<std::int64_t>(0));
  WEFT_TRY(made.shard, r.get<unsigned>(1));
  auto& m = made.what.what;
  WEFT_TRY(m.id, r.get<std::string>(2));
  WEFT_TRY(m.topic, r.get<std::string>(3));
  WEFT_TRY(m.key, r.get<std::string>(4));
  const auto* meta = r[5].get_if<storage::blob>();
  const auto* body = r[6].get_if<storage::blob>();
  if (meta == nullptr || body == nullptr) return fail(errc::internal, "a row of the outbox has another shape");
  m.body = body->bytes;
  WEFT_TRY(const auto age, r.get<std::int64_t>(7));
  made.age = std::max(duration::zero(), saturating_cast<duration>(std::chrono::milliseconds{age}));
  if (auto read = decode_meta(meta->bytes, made.what); !read) made.unreadable = read.error();
  return made;
}

result<> check_for_outbox(const outgoing& what, const message_limits& limits) {
  WEFT_TRY_VOID(validate(what.what, limits));
  if (what.delay < duration::zero()) return fail(errc::invalid_argument, "the delay is negative");
  if (!valid_utf8(what.what.id)) return fail(errc::invalid_argument, "the id is not UTF-8");
  if (!valid_utf8(what.what.key)) return fail(errc::invalid_argument, "the key is not UTF-8");
  return {};
}

}  // namespace weft::messaging
