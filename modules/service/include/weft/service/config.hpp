#pragma once
// One configuration, out of a described struct and four sources.
//
//     struct settings : service::service_settings { std::string greeting = "hello"; };
//     BOOST_DESCRIBE_STRUCT(settings, (service::service_settings), (greeting))
//
//     const auto config = service::load_or_exit<settings>({.name = "hello"}, argc, argv);
//     config->http.port;                                             // 8080, unless some source says otherwise
//
// A later source wins over an earlier one, field by field (a list is replaced as a whole):
//   1. the struct's own initialisers,
//   2. YAML files: the program's own, looked for beside the program first, then each --config FILE,
//   3. the environment: WEFT_HTTP_PORT is http.port (WEFT_HTTP__PORT where one underscore would be ambiguous);
//      WEFT_CONFIG names a file, read before those of --config,
//   4. flags: --http.port=8080, --http.port 8080, --set http.port=8080.
//
// A value may be a reference, ${env:NAME} or ${file:PATH}, or hold some.
//
// An unknown key, a wrong type and a value out of range are errors that name where they stand, and the closest known
// name; all of them are reported together: "market.yaml:12:9: http.port: expected a whole number from 0 to 65535, got
// "eighty"". docs/guides/configuration.md has the rules of each source.
//
// A struct, the configuration or one within it, may have `void check(service::config_check&) const` for what its fields
// say together. Loading reads files and blocks: do it at the start, or inside blocking(). No shared state; a
// configuration is immutable.
#include <weft/json/decode.hpp>
#include <weft/json/schema.hpp>

#include <boost/describe/bases.hpp>
#include <boost/describe/members.hpp>
#include <boost/mp11/algorithm.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::service {

// Where values come from besides the struct.
struct config_sources {
  // The program's own files, weaker than all others. Each is read where it is found first: beside the program, in
  // `program_folder`, or at its path. It has to be there unless some other file is named.
  std::vector<std::string> own_files;
  std::string program_folder;
  std::vector<std::string> files;                          // YAML, the later one wins
  std::vector<std::pair<std::string, std::string>> texts;  // YAML that is no file, by a name; wins over files
  std::string environment_prefix = "WEFT_";
  std::vector<std::pair<std::string, std::string>> environment;  // all of it; references look here as well
  std::vector<std::string> arguments;                            // without the program's name
  // The names that the program asks for in `policies`: another name there is a problem, and so is one that is missing.
  // Empty: the configuration alone does not say.
  std::vector<std::string> policies;

  // Of this process.
  [[nodiscard]] static config_sources process(int argc, const char* const* argv);
};

// What the command line asks for instead of running.
enum class config_request : std::uint8_t { run, help, version, print_config, print_schema, check };

// Collects what is wrong with values that are fine one by one. Paths are relative to the struct whose check() is
// called: "tls.key", "peers[2].url".
class config_check {
 public:
  void add(std::string_view path, std::string what) {
    problems_.emplace_back(within_ + std::string{path}, std::move(what));
  }
  void require(bool holds, std::string_view path, std::string_view what) {
    if (!holds) add(path, std::string{what});
  }
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& problems() const noexcept { return problems_; }

  // For the loader: what follows is of the struct at that member.
  void enter(std::string_view member) { within_ += std::string{member} + "."; }
  void leave(std::string_view member) { within_.resize(within_.size() - member.size() - 1); }

 private:
  std::string within_;
  std::vector<std::pair<std::string, std::string>> problems_;
};

namespace detail {

// What the loader needs to know of a type; everything else is not a template.
struct config_type {
  std::string (*schema)();
  std::optional<json::decode_failure> (*decode)(std::string_view text, void* into);
  std::string (*encode)(const void* value);
  void (*check)(const void* value, config_check& problems);
};

struct config_state;
using config_state_ptr = std::shared_ptr<const config_state>;

struct program_words {
  std::string name, version, description;
};

[[nodiscard]] result<config_state_ptr> load(const config_type& type, const config_sources& sources, void* into);
// Does what the command line asks for, and ends the program if that is not to run, or if the configuration is wrong.
[[nodiscard]] config_state_ptr load_or_exit(const config_type& type, const program_words& program,
                                            const config_sources& sources, void* into);
[[nodiscard]] config_request request_of(const config_state& state) noexcept;
[[nodiscard]] const std::vector<std::string>& warnings_of(const config_state& state) noexcept;
[[nodiscard]] const config_sources& sources_of(const config_state& state) noexcept;
[[nodiscard]] std::string print(const config_state& state);
[[nodiscard]] std::vector<std::string> changes(const config_state& before, const config_state& after);

template <class T>
concept has_own_check = requires { static_cast<void (T::*)(config_check&) const>(&T::check); } &&
                        std::is_same_v<decltype(&T::check), void (T::*)(config_check&) const>;

template <class T>
void check_all(const T& v, config_check& problems);

template <class T>
void check_member(std::string_view name, const T& v, config_check& problems) {
  if constexpr (json::described_struct<T>) {
    problems.enter(name);
    check_all(v, problems);
    problems.leave(name);
  }
}
template <class T>
void check_member(std::string_view name, const std::optional<T>& v, config_check& problems) {
  if (v) check_member(name, *v, problems);
}

// The checks of the struct's bases, of the structs in it, and its own.
template <class T>
void check_all(const T& v, config_check& problems) {
  boost::mp11::mp_for_each<boost::describe::describe_bases<T, boost::describe::mod_public>>(
      [&](auto base) { check_all<typename decltype(base)::type>(v, problems); });
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>([&](auto member) {
    check_member(json::detail::field_name<T, decltype(member)>::value, v.*member.pointer, problems);
  });
  if constexpr (has_own_check<T>) v.check(problems);
}

template <class T>
const config_type& config_type_of() {
  static constexpr config_type type{
      .schema =
          [] {
            return json::schema_text<T>(
                {.unknown_fields = json::unknown_fields::refuse, .missing_fields = json::missing_fields::keep_default});
          },
      .decode = [](std::string_view text, void* into) -> std::optional<json::decode_failure> {
        auto read = json::try_decode<T>(text, {.unknown_fields = json::unknown_fields::refuse,
                                               .missing_fields = json::missing_fields::keep_default});
        if (!read) return std::move(read).error();
        *static_cast<T*>(into) = *std::move(read);
        return std::nullopt;
      },
      .encode = [](const void* value) { return json::encode(*static_cast<const T*>(value)); },
      .check = [](const void* value, config_check& problems) { check_all(*static_cast<const T*>(value), problems); },
  };
  return type;
}

}  // namespace detail

template <class T>
class configuration {
 public:
  configuration(T value, detail::config_state_ptr state) : value_{std::move(value)}, state_{std::move(state)} {}

  [[nodiscard]] const T& operator*() const noexcept { return value_; }
  [[nodiscard]] const T* operator->() const noexcept { return &value_; }

  [[nodiscard]] config_request request() const noexcept { return detail::request_of(*state_); }
  // Worth a log line: a variable with the prefix that names no setting.
  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return detail::warnings_of(*state_); }
  // YAML of every setting, with where it comes from; secrets are redacted.
  [[nodiscard]] std::string print() const { return detail::print(*state_); }

  // The same sources as they are now: files are read again. On an error this configuration is still the one to use.
  [[nodiscard]] result<configuration> reread() const;
  // The paths whose values differ, sorted; a secret's path too, but never its value.
  [[nodiscard]] std::vector<std::string> changes_since(const configuration& before) const {
    return detail::changes(*before.state_, *state_);
  }

 private:
  T value_;
  detail::config_state_ptr state_;
};

// errc::invalid_argument: one line for each problem.
template <class T>
[[nodiscard]] result<configuration<T>> load(const config_sources& sources) {
  T value{};
  WEFT_TRY(auto state, detail::load(detail::config_type_of<T>(), sources, &value));
  return configuration<T>{std::move(value), std::move(state)};
}

template <class T>
result<configuration<T>> configuration<T>::reread() const {
  return load<T>(detail::sources_of(*state_));
}

struct program_options {
  std::string name;
  std::string version;
  std::string description;  // one line for --help
  // Read first: beside the program, else at its path. Each must exist, unless --config or WEFT_CONFIG names a file.
  std::vector<std::string> config_files;
  std::string environment_prefix = "WEFT_";
  // The names of all policies that the program asks for. With them --check-config, the start and SIGHUP refuse a
  // configuration that misspells one or leaves one out.
  std::vector<std::string> policies;
};

// For main(): the configuration of this process. --help, --version, --check-config, --print-config and
// --print-config-schema are answered here and end the program with 0; a wrong configuration is told on standard error
// and ends it with 2.
template <class T>
[[nodiscard]] configuration<T> load_or_exit(const program_options& program, int argc, const char* const* argv) {
  auto sources = config_sources::process(argc, argv);
  sources.own_files = program.config_files;
  sources.environment_prefix = program.environment_prefix;
  sources.policies = program.policies;
  T value{};
  auto state = detail::load_or_exit(detail::config_type_of<T>(), {program.name, program.version, program.description},
                                    sources, &value);
  return configuration<T>{std::move(value), std::move(state)};
}

}  // namespace weft::service
