#pragma once
// Content codings (RFC 9110 8.4, 12.5.3): gzip, brotli (RFC 7932) and zstd (RFC 8878).
//
//     routes.use(compress_responses());
//     routes.use(decompress_requests({.max_bytes = 1 << 20}));
//
// Responses are coded as the client asks, its q-values first, then the order of `codings`. Left as they are: content
// that is coded already, partial, smaller than `min_bytes`, of a type that does not compress, or marked no-transform.
// What is or could be coded says `Vary: Accept-Encoding`; a strong ETag becomes weak, since the bytes are others. A
// client that refuses identity and every coding there is gets 406. Streamed content is coded piece by piece, each piece
// flushed, so that what waits for the next event is not held back.
//
// Requests are decoded as they are read, in bounded memory. Beyond `max_bytes` of decoded content reading fails with
// errc::resource_exhausted, and an answer that is an error becomes 413; an unknown coding is answered 415 with what
// there is; content that is not what it says fails with errc::invalid_argument.
//
// On the loop of the request. A stream being coded takes up to 300 KiB (gzip), 2 MiB (br) or 3 MiB (zstd).
#include <weft/http/message.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::http {

enum class coding : std::uint8_t { identity, gzip, br, zstd };
[[nodiscard]] std::string_view to_string(coding c) noexcept;
// Without case; "x-gzip" is gzip. Empty for one that is not here.
[[nodiscard]] std::optional<coding> coding_of(std::string_view name) noexcept;

// What the client takes, of identity and `offered`, which is in the server's order of preference. `accept` is the value
// of Accept-Encoding; without the field, identity. Empty: nothing is acceptable.
[[nodiscard]] std::optional<coding> choose_coding(std::optional<std::string_view> accept,
                                                  std::span<const coding> offered);

struct compression_options {
  std::vector<coding> codings{coding::zstd, coding::br, coding::gzip};
  std::size_t min_bytes = 1024;  // below that it costs more than it saves
  int gzip_level = 5;            // 1 to 9
  int br_quality = 4;            // 0 to 11; above 5 is for content that is coded once and kept
  int zstd_level = 3;            // 1 to 19
};
[[nodiscard]] middleware compress_responses(compression_options options = {});

struct decompression_options {
  std::size_t max_bytes = 8 << 20;  // decoded
};
[[nodiscard]] middleware decompress_requests(decompression_options options = {});

// The same for content in one's own hands; identity gives it back as it is.
[[nodiscard]] body compressed(body content, coding c, const compression_options& options = {});
[[nodiscard]] body decompressed(body content, coding c, std::size_t max_bytes = decompression_options{}.max_bytes);

// Whether content of that type gets smaller: text, JSON, XML, JavaScript, SVG, WebAssembly, protobuf, and the like.
[[nodiscard]] bool compressible(std::string_view media_type) noexcept;

}  // namespace weft::http
