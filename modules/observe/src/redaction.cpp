#include <weft/observe/redaction.hpp>

#include <algorithm>

namespace weft::observe {
namespace {

constexpr char plain(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  return c == '-' ? '_' : c;
}
bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return plain(x) == plain(y); });
}

}  // namespace

redaction::redaction() {
  for (const std::string_view name :
       {"authorization", "proxy_authorization", "cookie", "set_cookie", "password", "passwd", "passphrase", "secret",
        "token", "api_key", "apikey", "x_api_key", "private_key", "credentials"})
    add(name);
  for (const std::string_view ending : {"*_token", "*_secret", "*_password", "*_api_key", "*_private_key"}) add(ending);
}

redaction redaction::none() {
  redaction empty;
  empty.names_.clear();
  empty.endings_.clear();
  return empty;
}

redaction& redaction::add(std::string_view pattern) {
  if (pattern.starts_with('*'))
    endings_.emplace_back(pattern.substr(1));
  else
    names_.emplace_back(pattern);
  return *this;
}

bool redaction::covers(std::string_view name) const noexcept {
  if (const auto dot = name.rfind('.'); dot != std::string_view::npos) name.remove_prefix(dot + 1);
  return std::ranges::any_of(names_, [&](const auto& each) { return same(name, each); }) ||
         std::ranges::any_of(endings_, [&](const auto& each) {
           return name.size() >= each.size() && same(name.substr(name.size() - each.size()), each);
         });
}

}  // namespace weft::observe
