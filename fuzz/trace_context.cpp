// The headers of W3C Trace Context. Input: a traceparent, then lines that are tracestate fields.
#include <weft/base/assert.hpp>
#include <weft/observe/trace_context.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

using namespace weft;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  std::vector<std::string_view> lines;
  for (;;) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  const auto traceparent = std::span{lines}.first(1);
  const auto tracestates = std::span{lines}.subspan(1);

  const auto position = observe::extract(traceparent, tracestates);
  if (position.valid()) {
    const auto sent = observe::inject(position);
    WEFT_ASSERT(sent.tracestate.size() <= observe::tracestate::max_sent_size, "the tracestate sent on has its bound");
    const std::string_view out_parent = sent.traceparent, out_state = sent.tracestate;
    auto again = observe::extract({&out_parent, 1}, {&out_state, 1});
    WEFT_ASSERT(again == position, "what is sent reads the same");
  }

  if (auto list = observe::tracestate::parse(tracestates)) {
    WEFT_ASSERT(list->members().size() <= observe::tracestate::max_members, "at most 32 members");
    const auto written = list->to_string();
    const auto read = observe::tracestate::parse(written);
    WEFT_ASSERT(read && read->members() == list->members(), "a list reads as it was written");
    WEFT_ASSERT(list->set("weft", "1").has_value() && list->members().front().key == "weft", "an update is first");
    list->truncate(64);
    WEFT_ASSERT(list->to_string().size() <= 64, "truncation keeps its bound");
  }
  return 0;
}
