#pragma once
// HTTP/1.1 messages as bytes (RFC 9112), without I/O: parsers that keep slices of the caller's buffer, a decoder for
// chunked content, and the writing of heads. The server, the client and the gateway share it.
//
//     http1::request_parser parser{limits};
//     switch (parser.parse(received, head)) {          // `received`: all bytes since the message's start
//       case progress::more: break;   // read on, then call again
//       case progress::done: break;   // head.fields refer to `received`; content starts at parser.head_size()
//       case progress::bad: break;    // answer parser.problem().code and close
//     }
//
// Strict where leniency is how requests are smuggled: refused are Transfer-Encoding beside Content-Length, repeated or
// malformed Content-Length, codings other than a single chunked, obsolete line folding, white space before the colon,
// bare LF or CR, NUL and other controls, chunk sizes with anything but hexadecimal digits, white space behind them (RFC
// 9112 7.1.1 allows it before an extension; parsers differ in what they make of it), malformed chunk extensions, hosts
// and targets that RFC 3986 does not know. When parsing a request ends in `bad`, `verb` is its method all the same if it
// began with one that is known: the response to HEAD has no body, whatever was wrong with it.
#include <weft/http/headers.hpp>
#include <weft/http/status.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::http::http1 {

struct limits {
  std::size_t head_bytes = 32 * 1024;       // start line and fields together: 431
  std::size_t target_bytes = 8 * 1024;      // 414
  std::size_t fields = 128;                 // 431
  std::size_t chunk_line_bytes = 1024;      // a chunk's size with its extensions: 400
  std::size_t extension_bytes = 16 * 1024;  // of all chunks of a message together: 400
  std::size_t trailer_bytes = 8 * 1024;     // 431
};

enum class progress : std::uint8_t { more, done, bad };

struct problem {
  status code = status::bad_request;
  std::string_view what;  // static text: what is wrong, never what was sent
};

// The method that a request begins with, as far as it has come: other when its name is unknown or not there yet.
[[nodiscard]] method leading_method(std::string_view buffer) noexcept;

// How the end of the content is known (RFC 9112 6.3).
enum class framing : std::uint8_t { none, length, chunked, until_close };

struct message_head {
  int minor_version = 1;
  framing content = framing::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;           // as the peer wishes; it may still be closed
  http::headers* fields = nullptr;  // where the fields go; cleared first
};

struct request_head : message_head {
  method verb = method::get;
  std::string_view method_name;
  std::string_view target;       // origin-form, "*" or, for CONNECT, the authority; absolute-form is split
  std::string_view host;         // from the target if it is absolute, else the Host field
  std::string completed_target;  // what `target` refers to when the path of an absolute one was empty
  bool expects_continue = false;
  bool unknown_expectation = false;
};

struct response_head : message_head {
  http::status code = http::status::ok;
  std::string_view reason;
};

namespace detail {
// Finds the end of a head as bytes arrive, each byte looked at once.
class head_scanner {
 public:
  progress scan(std::string_view buffer, const limits& l, problem& why);
  [[nodiscard]] std::size_t start() const noexcept { return start_; }
  [[nodiscard]] std::size_t end() const noexcept { return line_; }

 private:
  std::size_t start_ = 0, line_ = 0, searched_ = 0;
  bool first_line_ = true;
};
}  // namespace detail

class request_parser {
 public:
  explicit request_parser(const limits& l = {}) noexcept : limits_{l} {}
  progress parse(std::string_view buffer, request_head& into);
  [[nodiscard]] std::size_t head_size() const noexcept { return scanner_.end(); }
  [[nodiscard]] const http1::problem& problem() const noexcept { return problem_; }
  void reset() noexcept { scanner_ = {}; }

 private:
  progress bad(status code, std::string_view what) noexcept {
    problem_ = {code, what};
    return progress::bad;
  }
  progress start_line(std::string_view line, request_head& into);
  progress split_target(request_head& into);
  limits limits_;
  detail::head_scanner scanner_;
  http1::problem problem_;
};

class response_parser {
 public:
  explicit response_parser(const limits& l = {}) noexcept : limits_{l} {}
  // `asked` is the method of the request: the answer to HEAD has no content whatever it says.
  progress parse(std::string_view buffer, method asked, response_head& into);
  [[nodiscard]] std::size_t head_size() const noexcept { return scanner_.end(); }
  [[nodiscard]] const http1::problem& problem() const noexcept { return problem_; }
  void reset() noexcept { scanner_ = {}; }

 private:
  limits limits_;
  detail::head_scanner scanner_;
  http1::problem problem_;
};

class chunked_decoder {
 public:
  explicit chunked_decoder(const limits& l = {}) noexcept : limits_{l} {}

  struct step {
    progress state = progress::more;  // done: the content and its trailers have ended
    std::size_t consumed = 0;         // bytes of the input that were used
    std::string_view data;            // content within the input; empty when none came
  };
  // Call with what is unread until it consumes nothing and gives `more`.
  step decode(std::string_view input);
  [[nodiscard]] const headers& trailers() const noexcept { return trailers_; }
  [[nodiscard]] const http1::problem& problem() const noexcept { return problem_; }

 private:
  enum class part : std::uint8_t {
    size,
    // RFC 9112 7.1.1: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
    before_extension,  // white space was there; only ";" may follow
    before_name,
    name,
    after_name,  // white space was there; ";" or "=" may follow
    before_value,
    value,
    quoted,
    quoted_pair,
    after_quoted,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailers,
    done
  };
  step bad(std::string_view what, status code = status::bad_request);
  progress size_byte(char c);
  progress extension_byte(char c);
  progress trailer_byte(char c);

  limits limits_;
  http1::problem problem_;
  headers trailers_;
  std::string trailer_text_;
  std::uint64_t left_ = 0;
  std::size_t line_bytes_ = 0, extension_bytes_ = 0;
  int digits_ = 0;
  part part_ = part::size;
};

// Whether a name is a token and a value is free of CR, LF, NUL and other controls: what may be written as a field.
[[nodiscard]] bool valid_field(std::string_view name, std::string_view value) noexcept;
[[nodiscard]] bool valid_token(std::string_view text) noexcept;

// "HTTP/1.1 200 OK\r\n"
void append_status_line(std::string& out, status s);
// "GET /path HTTP/1.1\r\n"
void append_request_line(std::string& out, std::string_view method_name, std::string_view target);
inline void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ", 2).append(value).append("\r\n", 2);
}
void append_number(std::string& out, std::uint64_t number);
// "1a\r\n", before that many bytes of content and a CRLF.
void append_chunk_size(std::string& out, std::uint64_t size);

}  // namespace weft::http::http1
