// What reading a request's head costs: weft's parser against Boost.Beast's basic_parser with storage that allocates
// nothing (the leanest way to use it). The evidence of docs/decisions/0003-own-http1-parser.md.
#include <weft/http/http1.hpp>

#include <benchmark/benchmark.h>
#include <boost/beast/http/basic_parser.hpp>

#include <array>
#include <string_view>

namespace {

constexpr std::string_view small_head = "GET /api/users/7 HTTP/1.1\r\nHost: users:8080\r\nAccept: */*\r\n\r\n";
constexpr std::string_view browser_head =
    "GET /api/products?category=books&page=3&sort=price HTTP/1.1\r\n"
    "Host: shop.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=3f1c2b7a9e5d4c8f; theme=dark; seen=intro\r\n"
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Sec-Fetch-Mode: navigate\r\n\r\n";

void weft_parser(benchmark::State& state, std::string_view text) {
  weft::http::http1::request_parser parser;
  weft::http::headers fields;
  weft::http::http1::request_head head;
  head.fields = &fields;
  for (auto _ : state) {
    parser.reset();
    if (parser.parse(text, head) != weft::http::http1::progress::done) state.SkipWithError("not parsed");
    benchmark::DoNotOptimize(head);
  }
}

namespace beast = boost::beast;
using beast::string_view;
using beast::error_code;

class slices final : public beast::http::basic_parser<true> {
 public:
  std::array<std::pair<string_view, string_view>, 64> fields;
  std::size_t count = 0;

 private:
  void on_request_impl(beast::http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(beast::http::field, string_view name, string_view value, error_code&) override {
    if (count < fields.size()) fields[count++] = {name, value};
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view text, error_code&) override { return text.size(); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view text, error_code&) override { return text.size(); }
  void on_finish_impl(error_code&) override {}
};

void beast_parser(benchmark::State& state, std::string_view text) {
  for (auto _ : state) {
    slices parser;
    error_code problem;
    parser.put(boost::asio::buffer(text.data(), text.size()), problem);
    if (problem || !parser.is_header_done()) state.SkipWithError("not parsed");
    benchmark::DoNotOptimize(parser.count);
  }
}

BENCHMARK_CAPTURE(weft_parser, small, small_head);
BENCHMARK_CAPTURE(beast_parser, small, small_head);
BENCHMARK_CAPTURE(weft_parser, browser, browser_head);
BENCHMARK_CAPTURE(beast_parser, browser, browser_head);

}  // namespace
