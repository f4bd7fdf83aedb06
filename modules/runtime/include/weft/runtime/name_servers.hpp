#pragma once
// DNS questions to name servers of one's own choice, rather than to the loop's.
//
//     WEFT_CO_TRY(const auto servers, name_servers::open(loop, "127.0.0.1:8600"));
//     WEFT_CO_TRY(const auto found, co_await servers->query(ctx, "posts.service.consul", dns_type::srv));
//
// The hosts file and search domains do not count. A server that does not answer within 2 s leaves the question to the
// next one; each is asked twice at the most. Errors are those of loop::query_dns.
//
// Belongs to its loop, which outlives it. Questions that are under way when it is destroyed end with errc::cancelled. A
// loop without sockets, as the simulator's, answers from the names that it knows, whichever servers are named.
#include <weft/runtime/loop.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

class name_servers {
 public:
  // Literal addresses, separated by commas, with a port or without (53): "10.0.0.53,[fd00::53]:5353".
  // errc::invalid_argument names the one that is wrong.
  [[nodiscard]] static result<std::unique_ptr<name_servers>> open(loop& l, std::string_view servers);
  ~name_servers();
  name_servers(const name_servers&) = delete;
  name_servers& operator=(const name_servers&) = delete;

  [[nodiscard]] task<result<std::vector<dns_record>>> query(context ctx, std::string name, dns_type type);

 private:
  name_servers(loop& l, const std::string& servers);

  loop& loop_;
  std::unique_ptr<class resolver> own_;  // null where the loop answers
};

}  // namespace weft
