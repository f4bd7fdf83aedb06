#include "users/user_input.hpp"

namespace market::users {

using namespace weft;

namespace {

constexpr std::size_t max_name = 100, max_email = 254, max_search = 100;

// Only what is certainly wrong: whether an address exists is found out by writing to it.
void check_email(const std::string& email, problem_list& problems) {
  const auto at = email.find('@');
  const bool shaped = at != email.npos && at > 0 && at + 1 < email.size() && email.find('@', at + 1) == email.npos;
  bool plain = true;
  for (const char c : email) plain = plain && static_cast<unsigned char>(c) > ' ' && c != 127;
  if (!shaped || !plain || email.size() > max_email)
    problems.push_back({"email", "expected an email address such as ada@example.com"});
}

}  // namespace

checked<new_user> read_new_user(std::string_view content) {
  auto read = decode<new_user>(content);
  if (!read) return read;
  problem_list problems;
  check_text("name", read->name, max_name, problems);
  check_email(read->email, problems);
  return unless(std::move(problems), *std::move(read));
}

checked<user_change> read_change(std::string_view content) {
  auto read = decode<user_change>(content);
  if (!read) return read;
  problem_list problems;
  if (read->name) check_text("name", *read->name, max_name, problems);
  if (read->email) check_email(*read->email, problems);
  if (!read->name && !read->email && !read->status)
    problems.push_back({"", "nothing to change: give name, email or status"});
  return unless(std::move(problems), *std::move(read));
}

checked<user_query> read_query(const http::request& r) {
  problem_list problems;
  user_query query{.page = read_page(r, problems)};
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
