#include "url_settings.hpp"

#include <weft/base/saturating.hpp>

#include <algorithm>
#include <charconv>

namespace weft::storage {

namespace {

std::unexpected<error> wrong(std::string_view name, std::string_view why) {
  return fail(errc::invalid_argument, "the database's URL: " + std::string{name} + " " + std::string{why});
}

// A whole number, and what stands behind it.
result<std::pair<std::int64_t, std::string_view>> number_of(std::string_view name, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || value < 0) return wrong(name, "must be a number");
  return std::pair{value, text.substr(static_cast<std::size_t>(end - text.data()))};
}

using set_setting = result<> (*)(postgres_options&, std::string_view name, std::string_view text);

template <auto Member, std::int64_t Min>
result<> set_count(postgres_options& o, std::string_view name, std::string_view text) {
  WEFT_TRY(const auto number, number_of(name, text));
  if (!number.second.empty()) return wrong(name, "must be a whole number");
  if (number.first < Min) return wrong(name, "must be at least " + std::to_string(Min));
  o.*Member = static_cast<std::size_t>(number.first);
  return {};
}

// A number alone has the unit that PostgreSQL gives the setting of that name.
template <auto Member, class Unit>
result<> set_time(postgres_options& o, std::string_view name, std::string_view text) {
  WEFT_TRY(const auto number, number_of(name, text));
  const auto& [count, unit] = number;
  using target = std::remove_cvref_t<decltype(o.*Member)>;
  if (unit.empty())
    o.*Member = saturating_cast<target>(Unit{count});
  else if (unit == "ms")
    o.*Member = saturating_cast<target>(std::chrono::milliseconds{count});
  else if (unit == "s")
    o.*Member = saturating_cast<target>(std::chrono::seconds{count});
  else if (unit == "m" || unit == "min")
    o.*Member = saturating_cast<target>(std::chrono::minutes{count});
  else
    return wrong(name, "must be a time such as 500ms, 10s or 2m");
  return {};
}

struct setting {
  std::string_view name;
  set_setting set;
};

constexpr setting settings[] = {
    {"connections", set_count<&postgres_options::connections, 1>},
    {"queue", set_count<&postgres_options::queue, 1>},
    {"statements", set_count<&postgres_options::statements, 0>},
    {"result_bytes", set_count<&postgres_options::result_bytes, 1>},
    {"connect_timeout", set_time<&postgres_options::connect_timeout, std::chrono::seconds>},
    {"statement_timeout", set_time<&postgres_options::statement_timeout, std::chrono::milliseconds>},
    {"cancel_grace", set_time<&postgres_options::cancel_grace, std::chrono::milliseconds>},
    {"max_pause", set_time<&postgres_options::longest_pause, std::chrono::milliseconds>},
};

}  // namespace

result<> take_pool_settings(postgres_options& options) {
  const auto question = options.url.find('?');
  if (question == std::string::npos) return {};
  std::string left;
  std::string_view rest = std::string_view{options.url}.substr(question + 1);
  while (!rest.empty()) {
    const auto pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const auto equals = std::min(pair.find('='), pair.size());
    const auto name = pair.substr(0, equals);
    const auto* found = std::ranges::find(settings, name, &setting::name);
    if (found == std::end(settings)) {
      left.append(left.empty() ? "?" : "&").append(pair);
      continue;
    }
    WEFT_TRY_VOID(found->set(options, name, pair.substr(std::min(equals + 1, pair.size()))));
  }
  options.url = options.url.substr(0, question) + left;
  if (options.connect_timeout == duration::zero()) options.connect_timeout = duration::max();  // as libpq means it
  return {};
}

}  // namespace weft::storage
