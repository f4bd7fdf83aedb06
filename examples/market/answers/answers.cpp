#include "answers/answers.hpp"

namespace market {

using namespace weft;

page_meta make_meta(page_query asked, std::uint64_t total) noexcept {
  return {asked.page, asked.limit, total, (total + asked.limit - 1) / asked.limit};
}

http::response data_answer(std::string_view data_json, http::status s) {
  return http::response::json_text("{\"data\":" + std::string{data_json} + ",\"success\":true}", s);
}

http::response list_answer(std::string_view data_json, const page_meta& meta) {
  return http::response::json_text("{\"data\":" + std::string{data_json} + ",\"meta\":" + json::encode(meta) +
                                   ",\"success\":true}");
}

http::response validation_answer(const std::vector<field_problem>& problems) {
  return http::response::json_text(
      "{\"error\":{\"code\":\"VALIDATION_FAILED\",\"message\":\"the request is not valid\",\"details\":" +
          json::encode(problems) + "}}",
      http::status::bad_request);
}

}  // namespace market
