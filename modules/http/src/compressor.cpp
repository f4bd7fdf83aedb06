#include "compressor.hpp"

#include <weft/base/assert.hpp>

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>
#include <algorithm>
#include <new>

namespace weft::http::detail {

namespace {

const std::uint8_t* bytes_of(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }

std::unexpected<error> broken(coding c) {
  return fail(errc::invalid_argument, "the content is not " + std::string{to_string(c)} + ", as Content-Encoding says");
}

// Room for one step at the end of a text; what was not used is given back.
class output {
 public:
  explicit output(std::string& out) : out_{out}, used_{out.size()} { out_.resize(used_ + coding_step_bytes); }
  ~output() { out_.resize(used_); }
  output(const output&) = delete;
  output& operator=(const output&) = delete;
  [[nodiscard]] std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(out_.data() + used_); }
  [[nodiscard]] std::size_t size() const { return out_.size() - used_; }
  void use(std::size_t bytes) { used_ += bytes; }

 private:
  std::string& out_;
  std::size_t used_;
};

class gzip_compressor final : public compressor {
 public:
  explicit gzip_compressor(int level) {
    if (deflateInit2(&z_, level, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc{};
  }
  ~gzip_compressor() override { deflateEnd(&z_); }
  gzip_compressor(const gzip_compressor&) = delete;
  gzip_compressor& operator=(const gzip_compressor&) = delete;

  result<> run(std::string_view in, ending e, std::string& out) override {
    do {  // avail_in is 32 bits wide
      const auto piece = in.substr(0, std::size_t{1} << 30);
      in.remove_prefix(piece.size());
      z_.next_in = const_cast<Bytef*>(bytes_of(piece));  // zlib does not write to it
      z_.avail_in = static_cast<uInt>(piece.size());
      const int mode = !in.empty() ? Z_NO_FLUSH : e == ending::finish ? Z_FINISH : Z_SYNC_FLUSH;
      bool full = true;
      while (full) {
        output room{out};
        z_.next_out = room.data();
        z_.avail_out = static_cast<uInt>(room.size());
        if (deflate(&z_, mode) == Z_STREAM_ERROR) return fail(errc::internal, "gzip: a stream in disorder");
        room.use(room.size() - z_.avail_out);
        full = z_.avail_out == 0;
      }
    } while (!in.empty());
    return {};
  }

 private:
  z_stream z_{};
};

class br_compressor final : public compressor {
 public:
  explicit br_compressor(int quality) : state_{BrotliEncoderCreateInstance(nullptr, nullptr, nullptr)} {
    if (state_ == nullptr) throw std::bad_alloc{};
    BrotliEncoderSetParameter(state_, BROTLI_PARAM_QUALITY, static_cast<std::uint32_t>(quality));
    BrotliEncoderSetParameter(state_, BROTLI_PARAM_LGWIN, 18);  // 256 KiB, which bounds the decoder's memory too
  }
  ~br_compressor() override { BrotliEncoderDestroyInstance(state_); }
  br_compressor(const br_compressor&) = delete;
  br_compressor& operator=(const br_compressor&) = delete;

  result<> run(std::string_view in, ending e, std::string& out) override {
    const auto operation = e == ending::finish ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH;
    auto left = in.size();
    const auto* next = bytes_of(in);
    do {
      output room{out};
      auto space = room.size();
      auto* to = room.data();
      if (BrotliEncoderCompressStream(state_, operation, &left, &next, &space, &to, nullptr) == BROTLI_FALSE)
        return fail(errc::internal, "brotli: a stream in disorder");
      room.use(room.size() - space);
    } while (left > 0 || BrotliEncoderHasMoreOutput(state_) == BROTLI_TRUE);
    return {};
  }

 private:
  BrotliEncoderState* state_;
};

class zstd_compressor final : public compressor {
 public:
  explicit zstd_compressor(int level) : state_{ZSTD_createCCtx()} {
    if (state_ == nullptr) throw std::bad_alloc{};
    ZSTD_CCtx_setParameter(state_, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(state_, ZSTD_c_windowLog, 19);
  }
  ~zstd_compressor() override { ZSTD_freeCCtx(state_); }
  zstd_compressor(const zstd_compressor&) = delete;
  zstd_compressor& operator=(const zstd_compressor&) = delete;

  result<> run(std::string_view in, ending e, std::string& out) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    for (;;) {
      output room{out};
      ZSTD_outBuffer to{room.data(), room.size(), 0};
      const auto left = ZSTD_compressStream2(state_, &to, &from, e == ending::finish ? ZSTD_e_end : ZSTD_e_flush);
      if (ZSTD_isError(left) != 0) return fail(errc::internal, "zstd: " + std::string{ZSTD_getErrorName(left)});
      room.use(to.pos);
      if (left == 0 && from.pos == from.size) return {};
    }
  }

 private:
  ZSTD_CCtx* state_;
};

class gzip_decompressor final : public decompressor {
 public:
  gzip_decompressor() {
    if (inflateInit2(&z_, MAX_WBITS + 16) != Z_OK) throw std::bad_alloc{};
  }
  ~gzip_decompressor() override { inflateEnd(&z_); }
  gzip_decompressor(const gzip_decompressor&) = delete;
  gzip_decompressor& operator=(const gzip_decompressor&) = delete;

  result<state> step(std::string_view& in, std::string& out) override {
    if (ended_ && in.empty()) return state::finished;
    if (ended_) inflateReset(&z_);  // another member (RFC 1952 2.2)
    ended_ = false;
    const auto offered = std::min(in.size(), std::size_t{1} << 30);
    output room{out};
    z_.next_in = const_cast<Bytef*>(bytes_of(in));
    z_.avail_in = static_cast<uInt>(offered);
    z_.next_out = room.data();
    z_.avail_out = static_cast<uInt>(room.size());
    const int outcome = inflate(&z_, Z_NO_FLUSH);
    if (outcome != Z_OK && outcome != Z_STREAM_END && outcome != Z_BUF_ERROR) return broken(coding::gzip);
    in.remove_prefix(offered - z_.avail_in);
    const bool full = z_.avail_out == 0;
    room.use(room.size() - z_.avail_out);
    if (outcome == Z_STREAM_END) {
      ended_ = true;
      return in.empty() ? state::finished : state::more_output;
    }
    return full || !in.empty() ? state::more_output : state::more_input;
  }

 private:
  z_stream z_{};
  bool ended_ = false;
};

class br_decompressor final : public decompressor {
 public:
  br_decompressor() : state_{BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)} {
    if (state_ == nullptr) throw std::bad_alloc{};
  }
  ~br_decompressor() override { BrotliDecoderDestroyInstance(state_); }
  br_decompressor(const br_decompressor&) = delete;
  br_decompressor& operator=(const br_decompressor&) = delete;

  result<state> step(std::string_view& in, std::string& out) override {
    output room{out};
    auto left = in.size();
    const auto* next = bytes_of(in);
    auto space = room.size();
    auto* to = room.data();
    const auto outcome = BrotliDecoderDecompressStream(state_, &left, &next, &space, &to, nullptr);
    in.remove_prefix(in.size() - left);
    room.use(room.size() - space);
    switch (outcome) {
      case BROTLI_DECODER_RESULT_SUCCESS:
        return state::finished;
      case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
        return state::more_input;
      case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
        return state::more_output;
      case BROTLI_DECODER_RESULT_ERROR:
        break;
    }
    return broken(coding::br);
  }

 private:
  BrotliDecoderState* state_;
};

class zstd_decompressor final : public decompressor {
 public:
  zstd_decompressor() : state_{ZSTD_createDCtx()} {
    if (state_ == nullptr) throw std::bad_alloc{};
    ZSTD_DCtx_setParameter(state_, ZSTD_d_windowLogMax, 23);  // 8 MiB, as RFC 9659 has it for HTTP
  }
  ~zstd_decompressor() override { ZSTD_freeDCtx(state_); }
  zstd_decompressor(const zstd_decompressor&) = delete;
  zstd_decompressor& operator=(const zstd_decompressor&) = delete;

  result<state> step(std::string_view& in, std::string& out) override {
    if (in.empty() && at_frame_end_) return state::finished;
    output room{out};
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{room.data(), room.size(), 0};
    const auto left = ZSTD_decompressStream(state_, &to, &from);
    if (ZSTD_isError(left) != 0) return broken(coding::zstd);
    in.remove_prefix(from.pos);
    const bool full = to.pos == to.size;
    room.use(to.pos);
    at_frame_end_ = left == 0;
    if (at_frame_end_ && in.empty()) return state::finished;  // further frames may follow
    return full || !in.empty() ? state::more_output : state::more_input;
  }

 private:
  ZSTD_DCtx* state_;
  bool at_frame_end_ = false;
};

}  // namespace

std::unique_ptr<compressor> make_compressor(coding c, const compression_options& options) {
  switch (c) {
    case coding::gzip:
      return std::make_unique<gzip_compressor>(options.gzip_level);
    case coding::br:
      return std::make_unique<br_compressor>(options.br_quality);
    case coding::zstd:
      return std::make_unique<zstd_compressor>(options.zstd_level);
    case coding::identity:
      break;
  }
  WEFT_ASSERT(false, "identity needs no compressor");
}

std::unique_ptr<decompressor> make_decompressor(coding c) {
  switch (c) {
    case coding::gzip:
      return std::make_unique<gzip_decompressor>();
    case coding::br:
      return std::make_unique<br_decompressor>();
    case coding::zstd:
      return std::make_unique<zstd_decompressor>();
    case coding::identity:
      break;
  }
  WEFT_ASSERT(false, "identity needs no decompressor");
}

}  // namespace weft::http::detail
