// Configuration: the first line is one flag, the second the value of an environment variable, the rest a YAML file.
// Properties: nothing crashes, a problem names its place, and a configuration that was accepted is printed as YAML that
// is read as the same configuration.
#include <weft/service/config.hpp>
#include <weft/service/secret.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace {

namespace service = weft::service;

enum class level { debug, info };
BOOST_DESCRIBE_ENUM(level, debug, info)

struct memory {
  int pages = 1;
};
BOOST_DESCRIBE_STRUCT(memory, (), (pages))
struct file {
  std::string path;
};
BOOST_DESCRIBE_STRUCT(file, (), (path))

struct settings {
  std::uint16_t port = 8080;
  std::int64_t offset = 0;
  double ratio = 0.5;
  bool on = true;
  level log = level::info;
  std::string name;
  std::optional<std::string> region;
  std::chrono::milliseconds wait{250};
  std::vector<std::string> peers;
  std::map<std::string, memory> pools;
  std::variant<memory, file> store;
  service::secret token;
  std::optional<memory> cache;
};
BOOST_DESCRIBE_STRUCT(settings, (),
                      (port, offset, ratio, on, log, name, region, wait, peers, pools, store, token, cache))

void require(bool holds) {
  if (!holds) std::abort();
}

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const auto line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  // Other files than this one are this machine's.
  if (text.contains("${file:") || text.contains("--config")) return 0;
  service::config_sources sources;
  if (const auto flag = take_line(text); !flag.empty()) sources.arguments.emplace_back(flag);
  if (const auto value = take_line(text); !value.empty()) sources.environment.emplace_back("WEFT_PEERS", value);
  sources.texts.emplace_back("fuzz.yaml", text);

  const auto loaded = service::load<settings>(sources);
  if (!loaded) {
    require(!loaded.error().message().empty());
    return 0;
  }
  if (loaded->request() != service::config_request::run) return 0;
  const auto again = service::load<settings>({.texts = {{"printed.yaml", loaded->print()}}});
  require(again.has_value() && weft::json::encode(**again) == weft::json::encode(**loaded));
  require(again->changes_since(*loaded).empty() || !(*loaded)->token.empty());
  return 0;
}
