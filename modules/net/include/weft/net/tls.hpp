#pragma once
// TLS 1.2 and 1.3 over any stream: TCP, Unix sockets, pipes, the simulator's network.
//
//     net::tls_identity own{net::pem::file("tls.crt"), net::pem::file("tls.key")};
//     WEFT_CO_TRY(auto tls, net::tls_context::server({.identities = {own}, .alpn = {"h2", "http/1.1"}}));
//     auto secure = co_await net::tls_accept(loop, ctx.with_timeout(loop, 10s), std::move(accepted), tls);
//
// The handshake ends with its context; give it a deadline. Afterwards the stream is used like any other: try_read and
// try_write never wait and make no coroutine frame, one read and one write may wait at the same time. An end of the
// connection without the peer's close_notify is a failure (errc::unavailable), never the end of the stream: what came
// before may have been cut short by an attacker (RFC 8446, 6.1). Destroying a stream says close_notify; reset() does
// not. Certificates are judged at the loop's wall clock. Renegotiation, compression and early data are off.
#include <weft/runtime/loop.hpp>

#include <memory>
#include <string>
#include <vector>

namespace weft::net {

// One or more PEM blocks: the text itself, or a file that is read when the context is made and when it is reloaded.
class pem {
 public:
  pem() = default;
  [[nodiscard]] static pem file(std::string path);
  [[nodiscard]] static pem text(std::string blocks);

  [[nodiscard]] bool empty() const noexcept { return path_.empty() && text_.empty(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] result<std::string> load() const;

 private:
  std::string path_, text_;
};

// A certificate, the intermediates that lead to its authority, and its private key (not encrypted).
struct tls_identity {
  pem chain;  // the own certificate first
  pem key;
};

enum class tls_version : std::uint8_t { tls_1_2, tls_1_3 };
enum class client_certificates : std::uint8_t {
  none,      // not asked for
  optional,  // verified when the client sends one
  required,
};
enum class server_verification : std::uint8_t {
  full,  // the chain and the name
  none,  // anyone may answer: for experiments only
};
enum class session_resumption : std::uint8_t { on, off };

struct tls_options {
  // Servers need at least one: the one whose certificate names what the client asked for is used, else the first.
  // Clients: at most one, sent when the server asks for it.
  std::vector<tls_identity> identities;
  // Who may have signed the peer's certificate. Clients: empty means the system's authorities. Servers need it to
  // accept client certificates.
  pem authorities;
  client_certificates clients = client_certificates::none;       // servers
  server_verification verification = server_verification::full;  // clients
  // Protocols by ALPN, the preferred first. A server with a list refuses clients that offer none of it, and takes
  // clients that do not use ALPN.
  std::vector<std::string> alpn;
  tls_version min_version = tls_version::tls_1_2;
  session_resumption resumption = session_resumption::on;
};

// What handshakes need; made once and shared by all connections, also those of several loops: its functions may be
// called from any thread. Reading files blocks, so make and reload it at the start, or inside blocking().
class tls_context {
 public:
  // errc::invalid_argument names the file, or the field, and what is wrong with it.
  [[nodiscard]] static result<tls_context> server(tls_options options);
  [[nodiscard]] static result<tls_context> client(tls_options options = {});

  // Certificates change without a restart: new handshakes use what the files (or `options`) hold now, and sessions of
  // before are not resumed. On an error all stays as it was.
  result<> reload();
  result<> reload(tls_options options);

  // When the first of the own certificates ends; wall_time::max() without one.
  [[nodiscard]] wall_time expires() const;

  struct impl;
  explicit tls_context(std::shared_ptr<impl> made) noexcept : impl_{std::move(made)} {}
  [[nodiscard]] impl& internals() const noexcept { return *impl_; }  // for this module

 private:
  std::shared_ptr<impl> impl_;
};

// A failed handshake says why: errc::unauthenticated for what is wrong with a certificate, ours or theirs ("the
// certificate expired at ...", "expected users.internal, the certificate is for posts.internal"),
// errc::failed_precondition when the peer does not speak TLS or shares no version or protocol with us,
// errc::unavailable when it left.
[[nodiscard]] task<result<std::unique_ptr<stream>>> tls_accept(loop& l, context ctx, std::unique_ptr<stream> under,
                                                               tls_context tls);
// `server_name`: the name, or literal address, that the server's certificate must be for.
[[nodiscard]] task<result<std::unique_ptr<stream>>> tls_connect(loop& l, context ctx, std::unique_ptr<stream> under,
                                                                tls_context tls, std::string server_name);

}  // namespace weft::net
