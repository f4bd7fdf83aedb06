#include "users/user_input.hpp"

namespace market::users {

using namespace weft;

namespace {

constexpr text_rules name_rules{.min_characters = 1, .max_characters = 100};
constexpr text_rules search_rules{.max_characters = 100};
constexpr std::size_t max_email = 254;

// Only what is certainly wrong: whether an address exists is found out by writing to it.
void check_email(const std::string& email, problem_list& problems) {
  const auto at = email.find('@');
  const bool shaped = at != email.npos && at > 0 && at + 1 < email.size() && email.find('@', at + 1) == email.npos;
  const bool plain = !weft::check_text(email) && !email.contains(' ');
  if (!shaped || !plain || email.size() > max_email)
    problems.push_back({"email", "expected an email address such as ada@example.com"});
}

}  // namespace

checked<new_user> read_new_user(std::string_view content) {
  auto read = decode<new_user>(content);
  if (!read) return read;
  problem_list problems;
  check_text("name", read->name, name_rules, problems);
  check_email(read->email, problems);
  return unless(std::move(problems), *std::move(read));
}

checked<user_change> read_change(std::string_view content) {
  auto read = decode<user_change>(content);
  if (!read) return read;
  problem_list problems;
  if (read->name) check_text("name", *read->name, name_rules, problems);
  if (read->email) check_email(*read->email, problems);
  if (!read->name && !read->email && !read->status)
    problems.push_back({"", "nothing to change: give name, email or status"});
  return unless(std::move(problems), *std::move(read));
}

checked<user_query> read_query(const http::request& r) {
  problem_list problems;
  user_query query{.page = read_page(r, problems)};
  query.search = r.query("search").value_or("");
  if (auto problem = weft::check_text(query.search, search_rules)) problems.push_back({"search", *std::move(problem)});
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
