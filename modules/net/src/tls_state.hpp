#pragma once
// What a tls_context holds at one time, and what its connections share.
#include <weft/net/tls.hpp>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <list>
#include <map>
#include <mutex>
#include <optional>

namespace weft::net {

struct openssl_free {
  void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); }
  void operator()(SSL* p) const noexcept { SSL_free(p); }
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
  void operator()(BIO* p) const noexcept { BIO_free_all(p); }
  void operator()(SSL_SESSION* p) const noexcept { SSL_SESSION_free(p); }
  void operator()(GENERAL_NAMES* p) const noexcept { GENERAL_NAMES_free(p); }
};
template <class T>
using openssl_ptr = std::unique_ptr<T, openssl_free>;

enum class tls_role : std::uint8_t { client, server };

// The sessions that servers gave to a client, the latest for each server; bounded.
class session_store {
 public:
  void keep(const std::string& server, openssl_ptr<SSL_SESSION> session);
  // Takes it out: a ticket used twice would let an observer link the connections (RFC 8446, C.4).
  [[nodiscard]] openssl_ptr<SSL_SESSION> take(const std::string& server);

 private:
  static constexpr std::size_t capacity = 1024;
  struct entry {
    std::string server;
    openssl_ptr<SSL_SESSION> session;
  };
  std::mutex mutex_;  // held for a look-up; tasks of several threads share a context
  std::list<entry> entries_;
  std::map<std::string, std::list<entry>::iterator> by_server_;
};

struct tls_state {
  struct identity {
    openssl_ptr<SSL_CTX> ssl;
    std::vector<std::string> names;  // of the certificate, lower case
  };
  tls_role role = tls_role::client;
  tls_options options;
  std::vector<identity> identities;  // at least one, without certificates for a client that has none
  std::string alpn;                  // as the protocol has it: each with its length before it
  wall_time expires = wall_time::max();
  std::string fingerprint;  // of all that the options' certificates and keys held
  mutable session_store sessions;

  [[nodiscard]] static result<std::shared_ptr<const tls_state>> make(tls_role role, tls_options options);
  [[nodiscard]] SSL_CTX* choose(std::string_view server_name) const;
};

struct tls_context::impl {
  [[nodiscard]] std::shared_ptr<const tls_state> now() const {
    const std::lock_guard lock{mutex};
    return current;
  }
  mutable std::mutex mutex;  // guards the pointer, once for each handshake
  std::shared_ptr<const tls_state> current;
};

// OpenSSL calls it when a server gave its client a session.
int keep_session(SSL* ssl, SSL_SESSION* session);

// A digest of what the files of the options hold now.
[[nodiscard]] result<std::string> fingerprint_of(const tls_options& options);

// What a certificate says of itself.
[[nodiscard]] std::string subject_of(const X509& certificate);
[[nodiscard]] std::vector<std::string> dns_names_of(const X509& certificate);  // DNS and IP names; else the common name
[[nodiscard]] std::vector<std::string> peer_names_of(const X509& certificate);  // DNS and URI names
[[nodiscard]] wall_time end_of(const X509& certificate);
[[nodiscard]] wall_time begin_of(const X509& certificate);

}  // namespace weft::net
