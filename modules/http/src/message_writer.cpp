#include "message_writer.hpp"

#include <weft/runtime/guarded.hpp>

#include <algorithm>

namespace weft::http {

namespace {

bool is_framing(std::string_view name) noexcept {
  switch (name.size()) {
    case 10:
      return equal_ignoring_case(name, "connection") || equal_ignoring_case(name, "keep-alive");
    case 14:
      return equal_ignoring_case(name, "content-length");
    case 17:
      return equal_ignoring_case(name, "transfer-encoding");
    default:
      return false;
  }
}

std::unexpected<error> source_failed(const error& cause) {
  return fail(error{errc::data_loss, "the content broke off: " + cause.describe()});
}

// The content may be the user's own code, and this runs in a group of tasks of ours: what it throws is its failure.
task<result<std::string_view>> next_piece(body& content) { return content.next(); }

// Takes up to `bytes` from the front of `buffers` into `into`; how many entries that are.
std::size_t take_stretch(std::span<const_buffer>& buffers, std::span<const_buffer> into, std::size_t bytes) {
  std::size_t count = 0;
  while (!buffers.empty() && count < into.size() && bytes > 0) {
    auto& front = buffers.front();
    const auto size = std::min(front.size, bytes);
    into[count++] = {front.data, size};
    bytes -= size;
    front = {static_cast<const char*>(front.data) + size, front.size - size};
    if (front.size == 0) buffers = buffers.subspan(1);
  }
  return count;
}

}  // namespace

task<result<>> write_timed(stream& s, std::span<const_buffer> buffers, connection_deadline& deadline,
                           duration timeout) {
  result<> written;
  while (written && !buffers.empty()) {
    const_buffer stretch[4];
    const auto count = take_stretch(buffers, stretch, timed_write_bytes);
    deadline.set(timeout);
    written = co_await s.write({stretch, count});
    deadline.clear();
  }
  co_return written;
}

result<> append_fields(std::string& out, const headers& fields, date_field date) {
  for (const auto& f : fields) {
    if (!http1::valid_field(f.name, f.value)) [[unlikely]]
      return fail(errc::invalid_argument, "the field '" + std::string{f.name.substr(0, 64)} +
                                              "' has a name or value that would break the message");
    if (date == date_field::ours && equal_ignoring_case(f.name, "date")) continue;
    if (!is_framing(f.name)) http1::append_field(out, f.name, f.value);
  }
  return {};
}

task<result<>> write_content(stream& s, std::string& out, body& content, content_coding coding,
                             connection_deadline& deadline, duration timeout) {
  if (!content.streamed()) {
    const auto text = coding == content_coding::none ? std::string_view{} : content.buffered();
    const_buffer buffers[] = {out, text};
    auto written = co_await write_timed(s, buffers, deadline, timeout);
    out.clear();
    co_return written;
  }
  if (coding == content_coding::none) {
    const_buffer buffers[] = {out};
    auto written = co_await write_timed(s, buffers, deadline, timeout);
    out.clear();
    co_return written;
  }
  std::uint64_t left = coding == content_coding::length ? content.length().value_or(0) : ~std::uint64_t{0};
  for (;;) {
    auto piece = co_await guarded_await(next_piece, content);
    if (!piece) {
      if (!out.empty()) {  // the head is true so far, and the peer should see where it broke off
        const_buffer head[] = {out};
        WEFT_CO_TRY_VOID(co_await write_timed(s, head, deadline, timeout));
        out.clear();
      }
      co_return source_failed(piece.error());
    }
    if (piece->size() > left) co_return source_failed(error{errc::internal, "it is longer than its stated length"});
    left -= piece->size();
    const bool last = piece->empty();
    std::string_view tail;
    if (coding == content_coding::chunked) {
      if (last) {
        out.append("0\r\n");
        WEFT_CO_TRY_VOID(append_fields(out, content.trailers()));
        out.append("\r\n");
      } else {
        http1::append_chunk_size(out, piece->size());
        tail = "\r\n";
      }
    }
    if (last && coding == content_coding::length && left > 0)
      co_return source_failed(error{errc::internal, "it is shorter than its stated length"});
    const_buffer buffers[] = {out, *piece, tail};
    WEFT_CO_TRY_VOID(co_await write_timed(s, buffers, deadline, timeout));
    out.clear();
    if (last) co_return result<>{};
  }
}

}  // namespace weft::http
