#include "invitation.hpp"

#include <optional>
#include <string_view>

namespace market {

using namespace weft;

namespace {

constexpr std::string_view nobody = "00000000-0000-7000-8000-000000000000";

std::string url_of(const std::vector<service::bound_listener>& listeners, std::string_view name) {
  for (const auto& listener : listeners)
    if (listener.name == name) return listener.url();
  return {};
}

std::string post_json(const std::string& url, std::string_view content) {
  return "  curl -i " + url + " -H 'Content-Type: application/json' -d '" + std::string{content} + "'\n";
}

std::string try_users(const std::string& url) {
  return post_json(url + "/api/users", R"({"name":"Ada Lovelace","email":"ada@example.com"})") +  //
         "  curl '" + url + "/api/users?page=1&limit=20&search=ada'\n" +                          //
         "  curl " + url + "/api/users/" + std::string{nobody} + "\n" +                           //
         "  curl " + url + "/health\n" +                                                          //
         "  curl " + url + "/metrics\n";
}

// The ids of what is made are in the answers; $ID takes the first user's.
std::string try_profile(const std::string& users, const std::string& posts) {
  return "\nA user's profile has the posts in it, and says where they come from:\n\n  ID=$(curl -s " + users +
         "/api/users | sed 's/.*\"data\":\\[{\"id\":\"\\([^\"]*\\)\".*/\\1/')\n" +  //
         "  curl -i " + posts +
         "/api/posts -H 'Content-Type: application/json' "
         "-d \"{\\\"user_id\\\":\\\"$ID\\\",\\\"title\\\":\\\"Notes\\\",\\\"content\\\":\\\"On the engine\\\"}\"\n" +
         "  curl " + users + "/api/users/$ID/profile\n";
}

// The welcome mail of whoever was created above; the correlation id of the request is in it.
std::string try_notifications(const std::string& users, const std::string& notifications) {
  std::string text = "\nEvents go from one service to the others: a new user gets a mail, a new post is counted:\n\n";
  text += "  curl '" + notifications + "/api/notifications?page=1&limit=20'\n";
  if (!users.empty()) text += "  curl '" + users + "/api/users?search=ada'\n";
  return text + "  curl -s " + notifications + "/metrics | grep weft_messaging_handled_total\n";
}

std::string try_faults(const std::string& posts) {
  return "\nWatch a breaker open: let posts fail, then ask for the profile some times:\n\n"
         "  curl -X POST " +
         posts + "/debug/faults -d '[{\"path\":\"/api/\",\"error_percent\":100}]'\n" +  //
         "  curl -X DELETE " + posts + "/debug/faults\n";
}

}  // namespace

std::string invitation(const settings& config, const std::vector<service::bound_listener>& listeners) {
  const auto users = url_of(listeners, "users"), posts = url_of(listeners, "posts"),
             notifications = url_of(listeners, "notifications");
  std::string text = "\nThe market is open. Try, in another terminal:\n\n";
  if (!users.empty()) text += try_users(users);
  if (users.empty() && !posts.empty()) text += "  curl " + posts + "/api/posts\n  curl " + posts + "/health\n";
  if (!users.empty() && !posts.empty()) text += try_profile(users, posts);
  if (!notifications.empty()) text += try_notifications(users, notifications);
  if (!posts.empty() && config.faults.enabled) text += try_faults(posts);
  if (!posts.empty() && !config.faults.enabled)
    text += "\nTo watch a breaker open, start it with --faults.enabled=true.\n";
  return text + "\nCtrl-C finishes the requests that run and ends; a second one ends at once.\n\n";
}

}  // namespace market
