#pragma once
// The shapes of the market's answers: {"data":...,"success":true}, {"data":[...],"meta":{...},"success":true} and
// {"error":{"code":"USER_NOT_FOUND","message":"...","details":[...]}}.
#include <weft/http/message.hpp>

#include <boost/describe/class.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace market {

struct page_meta {
  std::uint64_t page = 1, limit = 20, total = 0, pages = 0;
};
BOOST_DESCRIBE_STRUCT(page_meta, (), (page, limit, total, pages))

// What a caller asks for: ?page=1&limit=20.
struct page_query {
  std::uint64_t page = 1;  // from 1
  std::uint64_t limit = 20;
};
[[nodiscard]] page_meta make_meta(page_query asked, std::uint64_t total) noexcept;

struct field_problem {
  std::string field, message;
};
BOOST_DESCRIBE_STRUCT(field_problem, (), (field, message))

// {"data":<json>,"success":true}
[[nodiscard]] weft::http::response data_answer(std::string_view data_json, weft::http::status s);
[[nodiscard]] weft::http::response list_answer(std::string_view data_json, const page_meta& meta);
// 400 VALIDATION_FAILED with what is wrong with each field.
[[nodiscard]] weft::http::response validation_answer(const std::vector<field_problem>& problems);

template <class T>
[[nodiscard]] weft::http::response answer(const T& data, weft::http::status s = weft::http::status::ok) {
  return data_answer(weft::json::encode(data), s);
}
template <class T>
[[nodiscard]] weft::http::response answer_page(const std::vector<T>& data, const page_meta& meta) {
  return list_answer(weft::json::encode(data), meta);
}

}  // namespace market
