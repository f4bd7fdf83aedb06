#include <weft/messaging_amqp/amqp_broker.hpp>

#include <algorithm>
#include <charconv>

namespace weft::messaging {

namespace {

std::unexpected<error> wrong(std::string_view field, std::string_view why) {
  return fail(errc::invalid_argument, "amqp_options: " + std::string{field} + ": " + std::string{why});
}

constexpr std::string_view own_parameters[] = {"exchange",       "prefix",         "queues",
                                               "partitions",     "confirm_window", "lookahead",
                                               "delivery_limit", "max_length",     "max_message_bytes"};

template <class Number>
result<> read_number(std::string_view name, std::string_view value, Number& into) {
  Number number{};
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != value.data() + value.size())
    return wrong(name, "'" + std::string{value} + "' is no whole number, or too large");
  into = number;
  return {};
}

result<> read_own(amqp_options& o, std::string_view name, std::string_view value) {
  if (name == "exchange") return o.exchange = value, result<>{};
  if (name == "prefix") return o.prefix = value, result<>{};
  if (name == "partitions") return read_number(name, value, o.partitions);
  if (name == "confirm_window") return read_number(name, value, o.confirm_window);
  if (name == "lookahead") return read_number(name, value, o.lookahead);
  if (name == "delivery_limit") return read_number(name, value, o.delivery_limit);
  if (name == "max_length") return read_number(name, value, o.max_length);
  if (name == "max_message_bytes") return read_number(name, value, o.max_message_bytes);
  if (value != "quorum" && value != "classic")
    return wrong(name, "'" + std::string{value} + "' is not quorum or classic");
  o.queues = value == "quorum" ? amqp_queues::quorum : amqp_queues::classic;
  return {};
}

// Into `o` what is ours; the URL without it.
result<std::string> take_own_parameters(amqp_options& o, std::string_view url) {
  const auto question = url.find('?');
  std::string rest{url.substr(0, question)};
  auto query = question == url.npos ? std::string_view{} : url.substr(question + 1);
  char before = '?';
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    const auto name = pair.substr(0, equals);
    if (std::ranges::find(own_parameters, name) == std::end(own_parameters)) {
      rest += before;
      rest += pair;
      before = '&';
    } else {
      WEFT_TRY_VOID(read_own(o, name, equals == pair.npos ? std::string_view{} : pair.substr(equals + 1)));
    }
  }
  return rest;
}

result<amqp_options> merge(amqp_options o, std::string_view url) {
  WEFT_TRY(const auto rest, take_own_parameters(o, url));
  WEFT_TRY(auto connection, amqp::connection_options::parse(rest));
  // What a URL does not say stays as the program set it.
  connection.connection_name = std::move(o.connection.connection_name);
  connection.on_event = std::move(o.connection.on_event);
  connection.backoff_first = o.connection.backoff_first;
  connection.backoff_most = o.connection.backoff_most;
  connection.first = o.connection.first;
  connection.message_max = o.connection.message_max;
  connection.output_max = o.connection.output_max;
  connection.unread_max = o.connection.unread_max;
  o.connection = std::move(connection);
  WEFT_TRY_VOID(o.validate());
  return o;
}

task<result<std::unique_ptr<broker>>> open_from_url(loop& l, context ctx, std::shared_ptr<const amqp_options> defaults,
                                                    std::string url) {
  WEFT_CO_TRY(auto options, merge(*defaults, url));
  WEFT_CO_TRY(auto made, co_await amqp_broker::open(l, std::move(ctx), std::move(options)));
  co_return std::unique_ptr<broker>{std::move(made)};
}

}  // namespace

result<amqp_options> amqp_options::parse(std::string_view url) { return merge({}, url); }

result<> amqp_options::validate() const {
  WEFT_TRY_VOID(connection.validate());
  if (exchange.empty() || exchange.size() > 200) return wrong("exchange", "from 1 to 200 bytes");
  if (exchange.starts_with("amq.")) return wrong("exchange", "names that begin with amq. belong to the broker");
  if (prefix.size() > 100) return wrong("prefix", "longer than 100 bytes");
  if (prefix.starts_with("amq.")) return wrong("prefix", "names that begin with amq. belong to the broker");
  if (partitions == 0 || partitions > 256) return wrong("partitions", "from 1 to 256");
  if (share_every <= duration::zero()) return wrong("share_every", "more than nothing");
  if (confirm_window == 0) return wrong("confirm_window", "at least 1");
  if (lookahead > 10'000) return wrong("lookahead", "at most 10000");
  if (max_message_bytes == 0 || max_message_bytes > connection.message_max)
    return wrong("max_message_bytes", "at least 1, and no more than connection.message_max");
  if (max_browse == 0) return wrong("max_browse", "at least 1");
  return {};
}

broker_opener amqp_brokers(amqp_options options) {
  return [defaults = std::make_shared<const amqp_options>(std::move(options))](loop& l, context ctx, std::string url) {
    return open_from_url(l, std::move(ctx), defaults, std::move(url));
  };
}

}  // namespace weft::messaging
