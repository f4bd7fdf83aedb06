#include <weft/runtime/name_servers.hpp>

#include "resolver.hpp"

namespace weft {

namespace {

constexpr std::uint16_t dns_port = 53;

result<address> read_server(std::string_view text) {
  if (auto at = address::parse_host(text, dns_port)) return at;
  auto at = address::parse(text);
  if (at && at->type() != address::kind::unix_path && at->port() != 0) return at;
  return fail(error{errc::invalid_argument, "'" + std::string{text} + "' is no address of a name server"}.with_remedy(
      "expected one such as 127.0.0.1:8600 or [::1]:8600"));
}

}  // namespace

result<std::unique_ptr<name_servers>> name_servers::open(loop& l, std::string_view servers) {
  std::string list;
  for (std::size_t begin = 0; begin <= servers.size();) {
    const auto end = std::min(servers.find(',', begin), servers.size());
    WEFT_TRY(const auto at, read_server(servers.substr(begin, end - begin)));
    list.append(list.empty() ? "" : ",").append(at.to_string());
    begin = end + 1;
  }
  return std::unique_ptr<name_servers>{new name_servers{l, list}};
}

name_servers::name_servers(loop& l, const std::string& servers) : loop_{l} {
  if (auto* real = dynamic_cast<epoll_loop*>(&l))
    own_ = std::make_unique<resolver>(*real, epoll_loop_options{.dns_servers = servers});
}

name_servers::~name_servers() = default;

task<result<std::vector<dns_record>>> name_servers::query(context ctx, std::string name, dns_type type) {
  return own_ ? own_->query(std::move(ctx), std::move(name), type)
              : loop_.query_dns(std::move(ctx), std::move(name), type);
}

}  // namespace weft
