// Described structs from JSON text, beside simdjson's DOM parse of the same bytes, and back to text.
//
// The texts are one order, as a request carries it (600 bytes), and a page of 100 of them, as an answer does (57 KB):
// ids, times, prices, nested lines, compact.
// simdjson only finds the structure and numbers; what it leaves to the caller (copying strings into std::string,
// filling members, looking fields up) is in our figure and not in its. Of ours, a third is the allocator's: eight
// strings and two vectors for each order, made and freed again.
#include <weft/json.hpp>

#include <benchmark/benchmark.h>
#include <simdjson.h>
#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace {

namespace json = weft::json;

enum class status { placed, paid, shipped };
BOOST_DESCRIBE_ENUM(status, placed, paid, shipped)

struct line {
  std::string sku;
  std::string title;
  int quantity = 1;
  double price = 0;
};
BOOST_DESCRIBE_STRUCT(line, (), (sku, title, quantity, price))

struct address {
  std::string street;
  std::string city;
  std::string country;
  std::string postal_code;
};
BOOST_DESCRIBE_STRUCT(address, (), (street, city, country, postal_code))

struct order {
  std::uint64_t id = 0;
  std::string customer;
  status state = status::placed;
  std::string created_at;
  address ship_to;
  std::vector<line> lines;
  std::vector<std::string> tags;
  std::optional<std::string> note;
  double total = 0;
  bool gift = false;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, customer, state, created_at, ship_to, lines, tags, note, total, gift))

struct page {
  std::vector<order> data;
  bool success = true;
};
BOOST_DESCRIBE_STRUCT(page, (), (data, success))

page make_page() {
  page out;
  for (std::uint64_t i = 0; i < 100; ++i) {
    order o{.id = 100'000 + i * 7919,
            .customer = "f81d4fae-7dec-11d0-a765-00a0c91e" + std::to_string(1000 + i),
            .state = static_cast<status>(i % 3),
            .created_at = "2026-02-01T09:30:00Z",
            .ship_to = {"12 Weaver's Lane, second floor", "Aberdeen", "GB", "AB10 1XG"},
            .total = 59.97 + static_cast<double>(i),
            .gift = i % 2 == 0};
    for (int n = 0; n < 3; ++n) {
      o.lines.push_back({"SKU-" + std::to_string(i * 10 + 5), "Linen cloth, undyed, 140 cm wide", n + 1, 19.99});
    }
    o.tags = {"new", "europe"};
    if (i % 4 == 0) o.note = "Leave it with the \"neighbour\", please";
    out.data.push_back(std::move(o));
  }
  return out;
}

template <class T>
T make();
template <>
page make<page>() {
  return make_page();
}
template <>
order make<order>() {
  return make_page().data[4];
}

template <class T>
const std::string& text() {
  static const std::string out = json::encode(make<T>());
  return out;
}

template <class T>
void set_bytes(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text<T>().size()));
}

template <class T>
void json_decode_weft(benchmark::State& state) {
  for (auto _ : state) {
    auto decoded = json::decode<T>(text<T>());
    if (!decoded) return state.SkipWithError("decode failed");
    benchmark::DoNotOptimize(decoded);
  }
  set_bytes<T>(state);
}

template <class T>
void json_decode_simdjson_dom(benchmark::State& state) {
  simdjson::dom::parser parser;  // reused, as its manual advises
  const simdjson::padded_string padded{text<T>()};
  for (auto _ : state) {
    simdjson::dom::element root;
    if (parser.parse(padded).get(root) != simdjson::SUCCESS) return state.SkipWithError("parse failed");
    benchmark::DoNotOptimize(root);
  }
  set_bytes<T>(state);
}

template <class T>
void json_parse_weft_value(benchmark::State& state) {
  for (auto _ : state) {
    auto parsed = json::parse(text<T>());
    if (!parsed) return state.SkipWithError("parse failed");
    benchmark::DoNotOptimize(parsed);
  }
  set_bytes<T>(state);
}

template <class T>
void json_encode_weft(benchmark::State& state) {
  const T value = make<T>();
  for (auto _ : state) {
    auto encoded = json::encode(value);
    benchmark::DoNotOptimize(encoded);
  }
  set_bytes<T>(state);
}

BENCHMARK(json_decode_weft<order>);
BENCHMARK(json_decode_simdjson_dom<order>);
BENCHMARK(json_parse_weft_value<order>);
BENCHMARK(json_encode_weft<order>);
BENCHMARK(json_decode_weft<page>);
BENCHMARK(json_decode_simdjson_dom<page>);
BENCHMARK(json_parse_weft_value<page>);
BENCHMARK(json_encode_weft<page>);

}  // namespace
