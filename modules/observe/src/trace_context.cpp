#include <weft/observe/trace_context.hpp>

#include <weft/base/hex.hpp>

#include <algorithm>

namespace weft::observe {
namespace {

constexpr std::size_t version_00_size = 55;
constexpr std::size_t trace_id_at = 3, span_id_at = 36, flags_at = 53;

std::unexpected<error> malformed(std::string_view why) {
  return fail(error{errc::invalid_argument, why}.with_operation("reading traceparent"));
}

template <std::size_t Size>
bool is_zero(const std::array<std::uint8_t, Size>& bytes) {
  return std::ranges::all_of(bytes, [](auto byte) { return byte == 0; });
}

template <std::size_t Size>
void fill(std::array<std::uint8_t, Size>& bytes, rng& random) {
  do {
    for (std::size_t at = 0; at < Size; at += 8) {
      auto word = random();
      for (std::size_t i = at; i < at + 8; ++i, word >>= 8) bytes[i] = static_cast<std::uint8_t>(word);
    }
  } while (is_zero(bytes));
}

constexpr bool is_space(char c) { return c == ' ' || c == '\t'; }
std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

constexpr bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_key_start(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }
constexpr bool is_key_char(char c) { return is_key_start(c) || c == '_' || c == '-' || c == '*' || c == '/'; }
constexpr bool is_value_char(char c) { return c >= 0x20 && c <= 0x7e && c != ',' && c != '='; }

// One part of a key.
bool is_name(std::string_view name, std::size_t max_size) {
  return !name.empty() && name.size() <= max_size && is_key_start(name.front()) &&
         std::ranges::all_of(name, is_key_char);
}

// A vendor's name, or tenant@vendor with the sizes of Trace Context Level 1: Level 2 allows an @ anywhere, and W3C's
// tests want the stricter form, which is what vendors send.
bool is_key(std::string_view key) {
  constexpr std::size_t max_tenant = 241, max_vendor = 14;
  const auto at = key.find('@');
  if (at == std::string_view::npos) return is_name(key, tracestate::max_key_size);
  const auto tenant = key.substr(0, at), vendor = key.substr(at + 1);
  return is_name(tenant, max_tenant) && is_name(vendor, max_vendor) && is_letter(vendor.front());
}

bool is_value(std::string_view value) {
  return !value.empty() && value.size() <= tracestate::max_value_size && value.back() != ' ' &&
         std::ranges::all_of(value, is_value_char);
}

std::size_t size_of(const tracestate::member& m) { return m.key.size() + 1 + m.value.size(); }

}  // namespace

result<trace_position> parse_traceparent(std::string_view value) {
  std::uint8_t version = 0, flags = 0;
  trace_position position;
  position.remote = true;
  if (value.size() < version_00_size) return malformed("shorter than 55 characters");
  if (!hex_decode(value.substr(0, 2), {&version, 1}, hex_case::lower_only) || version == 0xff)
    return malformed("the version is not two lower-case hexadecimal digits below ff");
  if (value[trace_id_at - 1] != '-' || value[span_id_at - 1] != '-' || value[flags_at - 1] != '-')
    return malformed("expected version-traceid-parentid-flags");
  if (!hex_decode(value.substr(trace_id_at, 32), position.trace_id, hex_case::lower_only) || is_zero(position.trace_id))
    return malformed("the trace id is not 32 lower-case hexadecimal digits, or all zero");
  if (!hex_decode(value.substr(span_id_at, 16), position.span_id, hex_case::lower_only) || is_zero(position.span_id))
    return malformed("the parent id is not 16 lower-case hexadecimal digits, or all zero");
  if (!hex_decode(value.substr(flags_at, 2), {&flags, 1}, hex_case::lower_only))
    return malformed("the flags are not two lower-case hexadecimal digits");
  if (value.size() > version_00_size && (version == 0 || value[version_00_size] != '-'))
    return malformed("something follows the flags");
  // Of a version that is not known yet, the sampled flag is the only one whose meaning is promised.
  position.flags = flags & (version == 0 ? flag_sampled | flag_random : flag_sampled);
  return position;
}

std::string format_traceparent(const trace_position& position) {
  std::string text(version_00_size, '-');
  const std::uint8_t flags = position.flags & (flag_sampled | flag_random);
  text[0] = text[1] = '0';
  hex_encode(position.trace_id, text.data() + trace_id_at);
  hex_encode(position.span_id, text.data() + span_id_at);
  hex_encode({&flags, 1}, text.data() + flags_at);
  return text;
}

result<tracestate> tracestate::parse(std::string_view field) { return parse(std::span{&field, 1}); }

result<tracestate> tracestate::parse(std::span<const std::string_view> fields) {
  tracestate list;
  for (auto field : fields) {
    for (;;) {
      const auto comma = field.find(',');
      WEFT_TRY_VOID(list.append(field.substr(0, comma)));
      if (comma == std::string_view::npos) break;
      field.remove_prefix(comma + 1);
    }
  }
  return list;
}

result<> tracestate::append(std::string_view text) {
  // Spaces at the start of a value belong to it, so only what surrounds the whole member goes.
  const auto entry = trim(text);
  if (entry.empty()) return {};
  const auto refuse = [](std::string_view why) {
    return fail(error{errc::invalid_argument, why}.with_operation("reading tracestate"));
  };
  if (members_.size() == max_members) return refuse("more than 32 members");
  const auto equals = entry.find('=');
  if (equals == std::string_view::npos) return refuse("a member without =");
  const auto key = entry.substr(0, equals), value = entry.substr(equals + 1);
  if (!is_key(key)) return refuse("a key that the header cannot carry");
  if (!is_value(value)) return refuse("a value that the header cannot carry");
  // The entry that was added last stands first and counts; the list stays as useful as it was.
  if (find(key)) return {};
  members_.push_back({std::string{key}, std::string{value}});
  return {};
}

std::optional<std::string_view> tracestate::find(std::string_view key) const noexcept {
  const auto found = std::ranges::find(members_, key, &member::key);
  if (found == members_.end()) return std::nullopt;
  return found->value;
}

result<> tracestate::set(std::string_view key, std::string_view value) {
  if (!is_key(key) || !is_value(value))
    return fail(error{errc::invalid_argument, "a key or value that the header cannot carry"}
                    .with_operation("changing tracestate")
                    .with_remedy("keys: a-z 0-9 _ - * / @, values: printable ASCII without , and =; 256 at most"));
  member entry{std::string{key}, std::string{value}};
  erase(entry.key);
  if (members_.size() == max_members) members_.pop_back();
  members_.insert(members_.begin(), std::move(entry));
  return {};
}

bool tracestate::erase(std::string_view key) {
  const auto found = std::ranges::find(members_, key, &member::key);
  if (found == members_.end()) return false;
  members_.erase(found);
  return true;
}

void tracestate::truncate(std::size_t max_size) {
  std::size_t size = members_.empty() ? 0 : members_.size() - 1;
  for (const auto& m : members_) size += size_of(m);
  const auto drop = [&](std::size_t at) {
    size -= size_of(members_[at]) + (members_.size() > 1 ? 1 : 0);
    members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(at));
  };
  for (auto at = members_.size(); at-- > 0 && size > max_size;)
    if (size_of(members_[at]) > 128) drop(at);
  while (size > max_size) drop(members_.size() - 1);
}

std::string tracestate::to_string() const {
  std::string text;
  for (const auto& m : members_) {
    if (!text.empty()) text += ',';
    text.append(m.key).append(1, '=').append(m.value);
  }
  return text;
}

trace_position extract(std::span<const std::string_view> traceparents, std::span<const std::string_view> tracestates) {
  if (traceparents.size() != 1) return {};
  auto position = parse_traceparent(trim(traceparents.front()));
  if (!position) return {};
  if (auto list = tracestate::parse(tracestates)) {
    list->truncate();
    position->state = list->to_string();
  }
  return *std::move(position);
}

trace_position start_trace(rng& random, sampling decision) {
  trace_position position;
  fill(position.trace_id, random);
  fill(position.span_id, random);
  position.flags = flag_random | (decision == sampling::record ? flag_sampled : 0);
  return position;
}

trace_position child_of(const trace_position& parent, rng& random) {
  auto position = parent;
  position.remote = false;
  fill(position.span_id, random);
  return position;
}

trace_position child_of(const trace_position& parent, rng& random, sampling decision) {
  auto position = child_of(parent, random);
  position.flags &= flag_random;
  if (decision == sampling::record) position.flags |= flag_sampled;
  return position;
}

trace_headers inject(const trace_position& position) {
  if (!position.valid()) return {};
  return {format_traceparent(position), position.state};
}

std::string trace_id_text(const trace_position& position) {
  return position.valid() ? hex_encode(position.trace_id) : std::string{};
}
std::string span_id_text(const trace_position& position) {
  return position.valid() ? hex_encode(position.span_id) : std::string{};
}

}  // namespace weft::observe
