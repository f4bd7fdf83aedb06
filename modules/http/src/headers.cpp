#include <weft/http/headers.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace weft::http {

namespace {
constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  return true;
}

headers::headers(std::initializer_list<field> fields) {
  for (const auto& f : fields) add(f.name, f.value);
}

headers::headers(headers&& other) noexcept
    : size_{std::exchange(other.size_, 0)},
      spilled_{std::move(other.spilled_)},
      blocks_{std::move(other.blocks_)},
      block_used_{std::exchange(other.block_used_, 0)},
      block_size_{std::exchange(other.block_size_, 0)} {
  if (spilled_.empty()) std::copy_n(other.inline_.begin(), size_, inline_.begin());
  other.spilled_.clear();
  other.blocks_.clear();
}

headers& headers::operator=(headers&& other) noexcept {
  if (this == &other) return *this;
  size_ = std::exchange(other.size_, 0);
  spilled_ = std::exchange(other.spilled_, {});
  blocks_ = std::exchange(other.blocks_, {});
  block_used_ = std::exchange(other.block_used_, 0);
  block_size_ = std::exchange(other.block_size_, 0);
  if (spilled_.empty()) std::copy_n(other.inline_.begin(), size_, inline_.begin());
  return *this;
}

headers::headers(const headers& other) {
  for (const auto& f : other) add(f.name, f.value);
}

headers& headers::operator=(const headers& other) {
  if (this != &other) *this = headers{other};
  return *this;
}

std::string_view headers::keep(std::string_view text) {
  if (text.empty()) return {};
  if (text.size() > block_size_ - block_used_) {
    block_size_ = std::max<std::size_t>(text.size(), 240);
    block_used_ = 0;
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_size_));
  }
  char* place = blocks_.back().get() + block_used_;
  std::memcpy(place, text.data(), text.size());
  block_used_ += text.size();
  return {place, text.size()};
}

void headers::add_view(std::string_view name, std::string_view value) {
  if (spilled_.empty() && size_ < inline_fields) {
    inline_[size_++] = {name, value};
    return;
  }
  if (spilled_.empty()) {
    spilled_.reserve(inline_fields * 3);
    spilled_.assign(inline_.begin(), inline_.end());
  }
  spilled_.push_back({name, value});
  ++size_;
}

void headers::add(std::string_view name, std::string_view value) {
  const auto kept = keep(name);
  add_view(kept, keep(value));
}

void headers::set(std::string_view name, std::string_view value) {
  // The value may be a view of a field that is about to go, which stays readable: blocks are never freed here.
  remove(name);
  add(name, value);
}

std::size_t headers::remove(std::string_view name) noexcept {
  auto* first = fields();
  auto* last = std::remove_if(first, first + size_, [&](const field& f) { return equal_ignoring_case(f.name, name); });
  const auto kept = static_cast<std::size_t>(last - first);
  const auto removed = size_ - kept;
  if (removed != 0 && !spilled_.empty()) {
    if (kept <= inline_fields) {
      std::copy_n(spilled_.begin(), kept, inline_.begin());
      spilled_.clear();
    } else {
      spilled_.resize(kept);
    }
  }
  size_ = kept;
  return removed;
}

void headers::clear() noexcept {
  size_ = 0;
  spilled_.clear();
  if (blocks_.size() > 1) {
    blocks_.clear();
    block_size_ = 0;
  }
  block_used_ = 0;
}

const headers::field* headers::find(std::string_view name) const noexcept {
  for (const auto& f : *this)
    if (equal_ignoring_case(f.name, name)) return &f;
  return nullptr;
}

std::optional<std::string_view> headers::get(std::string_view name) const noexcept {
  const auto* f = find(name);
  return f != nullptr ? std::optional{f->value} : std::nullopt;
}

std::size_t headers::count(std::string_view name) const noexcept {
  return static_cast<std::size_t>(
      std::count_if(begin(), end(), [&](const field& f) { return equal_ignoring_case(f.name, name); }));
}

std::string headers::joined(std::string_view name) const {
  std::string all;
  for (const auto& f : *this)
    if (equal_ignoring_case(f.name, name)) all.append(all.empty() ? "" : ", ").append(f.value);
  return all;
}

bool headers::has_token(std::string_view name, std::string_view token) const noexcept {
  bool found = false;
  for (const auto& f : *this)
    if (equal_ignoring_case(f.name, name))
      for_each_element(f.value, [&](std::string_view element) {
        found = found || equal_ignoring_case(element, token);
        return !found;
      });
  return found;
}

}  // namespace weft::http
