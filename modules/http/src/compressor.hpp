#pragma once
// The compression libraries behind one interface, without I/O. Output is bounded by the step, not by the input: a bomb
// is noticed after a piece of it.
#include <weft/base/error.hpp>
#include <weft/http/compression.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace weft::http::detail {

inline constexpr std::size_t coding_step_bytes = std::size_t{64} << 10;

// The codings of a message in the order in which they were applied, identity left out; empty for one that is not known,
// or for more than two.
[[nodiscard]] std::optional<std::vector<coding>> codings_of(const headers& h);
// For Accept-Encoding in a 415 (RFC 9110 15.5.16).
inline constexpr std::string_view known_codings = "gzip, br, zstd";

class compressor {
 public:
  enum class ending { flush, finish };
  virtual ~compressor() = default;
  // Appends all that `in` becomes. With `finish` nothing may follow.
  virtual result<> run(std::string_view in, ending e, std::string& out) = 0;
};
// `c` is not identity.
[[nodiscard]] std::unique_ptr<compressor> make_compressor(coding c, const compression_options& options);

class decompressor {
 public:
  enum class state {
    more_input,   // all input is used
    more_output,  // call again with what is left of the input
    finished,     // the end of the coded content; whatever is left does not belong to it
  };
  virtual ~decompressor() = default;
  // Takes from the front of `in`, appends at most coding_step_bytes.
  virtual result<state> step(std::string_view& in, std::string& out) = 0;
};
[[nodiscard]] std::unique_ptr<decompressor> make_decompressor(coding c);

}  // namespace weft::http::detail
