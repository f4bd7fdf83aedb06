#include "users/user_input.hpp"

#include <weft/json/decode.hpp>

#include <charconv>

namespace market::users {

using namespace weft;

namespace {

constexpr std::size_t max_name = 100, max_email = 254, max_search = 100;
constexpr std::uint64_t max_limit = 100, max_page = 1'000'000;

void check_name(std::string& name, std::vector<field_problem>& problems) {
  const auto first = name.find_first_not_of(' '), last = name.find_last_not_of(' ');
  name = first == name.npos ? "" : name.substr(first, last - first + 1);
  if (name.empty()) problems.push_back({"name", "must not be empty"});
  if (name.size() > max_name) problems.push_back({"name", "at most 100 bytes"});
}

// Only what is certainly wrong: whether an address exists is found out by writing to it.
void check_email(const std::string& email, std::vector<field_problem>& problems) {
  const auto at = email.find('@');
  const bool shaped = at != email.npos && at > 0 && at + 1 < email.size() && email.find('@', at + 1) == email.npos;
  bool plain = true;
  for (const char c : email) plain = plain && static_cast<unsigned char>(c) > ' ' && c != 127;
  if (!shaped || !plain || email.size() > max_email)
    problems.push_back({"email", "expected an email address such as ada@example.com"});
}

template <class T>
checked<T> decode(std::string_view content) {
  auto decoded = json::try_decode<T>(content);
  if (decoded) return *std::move(decoded);
  std::string field;
  for (const auto& step : decoded.error().steps) field += (field.empty() ? "" : ".") + step;
  return std::unexpected{std::vector<field_problem>{{field, decoded.error().what}}};
}

std::uint64_t read_number(const http::request& r, const char* name, std::uint64_t otherwise, std::uint64_t most,
                          std::vector<field_problem>& problems) {
  const auto text = r.query(name);
  if (!text) return otherwise;
  std::uint64_t number = 0;
  const auto* end = text->data() + text->size();
  const auto [at, problem] = std::from_chars(text->data(), end, number);
  if (problem == std::errc{} && at == end && number >= 1 && number <= most) return number;
  problems.push_back({name, "expected a whole number from 1 to " + std::to_string(most)});
  return otherwise;
}

template <class T>
checked<T> unless(std::vector<field_problem> problems, T value) {
  if (!problems.empty()) return std::unexpected{std::move(problems)};
  return value;
}

}  // namespace

checked<new_user> read_new_user(std::string_view content) {
  auto read = decode<new_user>(content);
  if (!read) return read;
  std::vector<field_problem> problems;
  check_name(read->name, problems);
  check_email(read->email, problems);
  return unless(std::move(problems), *std::move(read));
}

checked<user_change> read_change(std::string_view content) {
  auto read = decode<user_change>(content);
  if (!read) return read;
  std::vector<field_problem> problems;
  if (read->name) check_name(*read->name, problems);
  if (read->email) check_email(*read->email, problems);
  if (!read->name && !read->email && !read->status)
    problems.push_back({"", "nothing to change: give name, email or status"});
  return unless(std::move(problems), *std::move(read));
}

checked<user_query> read_query(const http::request& r) {
  std::vector<field_problem> problems;
  user_query query;
  query.page = read_number(r, "page", query.page, max_page, problems);
  query.limit = read_number(r, "limit", query.limit, max_limit, problems);
  query.search = r.query("search").value_or("");
  if (query.search.size() > max_search) problems.push_back({"search", "at most 100 bytes"});
  if (const auto status = r.query("status")) {
    user_status named{};
    if (json::codec<user_status>::parse_key(*status, named))
      query.status = named;
    else
      problems.push_back({"status", "expected active or inactive"});
  }
  return unless(std::move(problems), std::move(query));
}

}  // namespace market::users
