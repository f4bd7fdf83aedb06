// URLs, paths, queries and forms. Properties: nothing crashes, a URL that was read is written and read again to the
// same value, a normalised path is its own normal form and has no dot segments, and what was decoded is encoded and
// decoded again to the same text.
#include <weft/http/url.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

namespace http = weft::http;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_path(std::string_view text) {
  const auto path = http::normalize_path(text);
  if (!path) return;
  require(path->starts_with('/') && http::normalize_path(*path) == *path);
  require((*path + "/").find("/../") == std::string::npos && (*path + "/").find("/./") == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (const auto u = http::url::parse(text)) {
    const auto again = http::url::parse(u->to_string());
    require(again && *again == *u);
    require(u->target.starts_with('/') && u->target.find_first_of(" \r\n") == std::string::npos);
    check_path(u->path());
  }
  check_path(text);
  if (const auto decoded = http::percent_decode(text))
    require(http::percent_decode(http::percent_encode(*decoded)) == *decoded);
  if (const auto form = http::parse_form(text)) {
    require(http::parse_form(http::build_query(*form)) == *form);
    for (const auto& [name, value] : *form) require(http::query_value(text, name).has_value());
  }
  return 0;
}
