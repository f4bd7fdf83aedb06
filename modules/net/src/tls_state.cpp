#include "tls_state.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace weft::net {

namespace {

// The newest reason that OpenSSL has noted.
std::string openssl_reason() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  const auto* text = ERR_reason_error_string(code);
  return text != nullptr ? text : "unknown reason";
}

std::unexpected<error> wrong(std::string_view field, const pem& source, std::string_view why) {
  auto message = "tls: " + std::string{field};
  if (!source.path().empty()) message += " (" + source.path() + ")";
  return fail(errc::invalid_argument, message + ": " + std::string{why});
}

openssl_ptr<BIO> reading(const std::string& text) {
  return openssl_ptr<BIO>{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}
// Without one, OpenSSL would ask at the terminal.
int no_password(char*, int, int, void*) { return 0; }

result<std::vector<openssl_ptr<X509>>> certificates(std::string_view field, const pem& source) {
  auto text = source.load();
  if (!text) return fail(text.error());
  std::vector<openssl_ptr<X509>> found;
  const auto bio = reading(*text);
  ERR_clear_error();
  while (openssl_ptr<X509> next{PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)})
    found.push_back(std::move(next));
  const auto last = ERR_peek_last_error();
  if (found.empty()) {
    ERR_clear_error();
    return wrong(field, source, "no certificate found: expected PEM, -----BEGIN CERTIFICATE-----");
  }
  if (ERR_GET_REASON(last) != PEM_R_NO_START_LINE) return wrong(field, source, "malformed: " + openssl_reason());
  ERR_clear_error();
  return found;
}

result<> use_identity(SSL_CTX* ssl, const tls_identity& own, tls_state::identity& into, wall_time& expires) {
  WEFT_TRY(const auto chain, certificates("certificate chain", own.chain));
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const auto done =
        i == 0 ? SSL_CTX_use_certificate(ssl, chain[i].get()) : SSL_CTX_add1_chain_cert(ssl, chain[i].get());
    if (done != 1) return wrong("certificate chain", own.chain, openssl_reason());
    expires = std::min(expires, end_of(*chain[i]));
  }
  into.names = dns_names_of(*chain.front());
  auto text = own.key.load();
  if (!text) return fail(text.error());
  const openssl_ptr<EVP_PKEY> key{PEM_read_bio_PrivateKey(reading(*text).get(), nullptr, no_password, nullptr)};
  OPENSSL_cleanse(text->data(), text->size());
  if (!key) return wrong("private key", own.key, "no readable key, in PEM and without a password: " + openssl_reason());
  if (SSL_CTX_use_PrivateKey(ssl, key.get()) != 1 || SSL_CTX_check_private_key(ssl) != 1)
    return wrong("private key", own.key, "it does not belong to the certificate: " + openssl_reason());
  return {};
}

result<> use_authorities(SSL_CTX* ssl, const tls_state& state) {
  const auto& source = state.options.authorities;
  if (source.empty()) {
    if (state.role == tls_role::client && SSL_CTX_set_default_verify_paths(ssl) != 1)
      return fail(errc::internal, "tls: the system's authorities cannot be read: " + openssl_reason());
    return {};
  }
  WEFT_TRY(const auto trusted, certificates("authorities", source));
  for (const auto& each : trusted) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), each.get()) != 1)
      return wrong("authorities", source, openssl_reason());
    if (state.role == tls_role::server) SSL_CTX_add_client_CA(ssl, each.get());
  }
  return {};
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void* own) {
  const auto& ours = static_cast<const tls_state*>(own)->alpn;
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, size, reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned>(ours.size()), offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}
int choose_certificate(SSL* ssl, int*, void* own) {
  const auto* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name != nullptr) SSL_set_SSL_CTX(ssl, static_cast<const tls_state*>(own)->choose(name));
  return SSL_TLSEXT_ERR_OK;
}

result<> set_up(SSL_CTX* ssl, const tls_state& state) {
  SSL_CTX_set_min_proto_version(ssl,
                                state.options.min_version == tls_version::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ssl, 1);  // a record in one read, not its head and then its body
  const bool resume = state.options.resumption == session_resumption::on;
  SSL_CTX_set_session_cache_mode(ssl, resume && state.role == tls_role::client
                                          ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
                                          : SSL_SESS_CACHE_OFF);
  SSL_CTX_sess_set_new_cb(ssl, keep_session);
  if (!resume) {
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ssl, 0);
  }
  if (state.role == tls_role::server) {
    constexpr unsigned char scope[] = "weft";
    SSL_CTX_set_session_id_context(ssl, scope, sizeof scope);
    SSL_CTX_set_tlsext_servername_callback(ssl, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ssl, const_cast<tls_state*>(&state));
    if (!state.alpn.empty()) SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, const_cast<tls_state*>(&state));
  } else if (!state.alpn.empty()) {
    SSL_CTX_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(state.alpn.data()),
                            static_cast<unsigned>(state.alpn.size()));
  }
  return use_authorities(ssl, state);
}

result<> check(tls_role role, const tls_options& o) {
  const auto refuse = [](std::string_view why) { return fail(errc::invalid_argument, "tls: " + std::string{why}); };
  if (role == tls_role::server && o.identities.empty()) return refuse("identities: a server needs a certificate");
  if (role == tls_role::client && o.identities.size() > 1) return refuse("identities: a client has at most one");
  if (role == tls_role::server && o.clients != client_certificates::none && o.authorities.empty())
    return refuse("authorities: needed to verify the certificates of clients");
  for (const auto& each : o.identities)
    if (each.chain.empty() || each.key.empty()) return refuse("identities: each needs a certificate chain and a key");
  for (const auto& protocol : o.alpn)
    if (protocol.empty() || protocol.size() > 255) return refuse("alpn: a protocol has 1 to 255 bytes");
  return {};
}

bool matches(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with("*.")) return pattern == name;
  const auto dot = name.find('.');  // a star stands for one label (RFC 6125, 6.4.3)
  return dot != std::string_view::npos && dot > 0 && name.substr(dot) == pattern.substr(1);
}

std::string lower(std::string_view text) {
  std::string copy{text};
  for (auto& c : copy)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return copy;
}

wall_time to_time(const ASN1_TIME* at) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(at, &parts) != 1) return wall_time::max();
  const std::chrono::year_month_day day{std::chrono::year{parts.tm_year + 1900},
                                        std::chrono::month{static_cast<unsigned>(parts.tm_mon) + 1},
                                        std::chrono::day{static_cast<unsigned>(parts.tm_mday)}};
  // Far beyond what the clock's nanoseconds can hold, as in certificates without an end (RFC 5280, 4.1.2.5).
  if (day.year() > std::chrono::year{2200}) return wall_time::max();
  return std::chrono::sys_days{day} + std::chrono::hours{parts.tm_hour} + std::chrono::minutes{parts.tm_min} +
         std::chrono::seconds{parts.tm_sec};
}

std::string text_of(const ASN1_STRING* s) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(s)), static_cast<std::size_t>(ASN1_STRING_length(s))};
}
std::string address_text(const ASN1_OCTET_STRING* s) {
  const auto bytes = text_of(s);
  if (bytes.size() == 4) {
    std::array<std::uint8_t, 4> four;
    std::ranges::copy(bytes, four.begin());
    return address::ip4(four, 0).host();
  }
  if (bytes.size() != 16) return {};
  std::array<std::uint8_t, 16> six;
  std::ranges::copy(bytes, six.begin());
  return address::ip6(six, 0).host();
}

openssl_ptr<GENERAL_NAMES> alternative_names(const X509& certificate) {
  return openssl_ptr<GENERAL_NAMES>{
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr))};
}

}  // namespace

pem pem::file(std::string path) {
  pem p;
  p.path_ = std::move(path);
  return p;
}
pem pem::text(std::string blocks) {
  pem p;
  p.text_ = std::move(blocks);
  return p;
}
result<std::string> pem::load() const {
  if (path_.empty()) return text_;
  std::ifstream in{path_, std::ios::binary};
  std::ostringstream all;
  if (!in || !(all << in.rdbuf()))
    return fail(errc::invalid_argument, "tls: " + path_ + ": the file cannot be read, or is empty");
  return std::move(all).str();
}

std::string subject_of(const X509& certificate) {
  const openssl_ptr<BIO> bio{BIO_new(BIO_s_mem())};
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::vector<std::string> dns_names_of(const X509& certificate) {
  std::vector<std::string> found;
  const auto names = alternative_names(certificate);
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto* each = sk_GENERAL_NAME_value(names.get(), i);
    if (each->type == GEN_DNS) found.push_back(lower(text_of(each->d.dNSName)));
    if (each->type == GEN_IPADD) found.push_back(address_text(each->d.iPAddress));
  }
  if (!found.empty()) return found;
  auto* subject = X509_get_subject_name(&certificate);
  if (const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1); at >= 0)
    found.push_back(lower(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)))));
  return found;
}

std::vector<std::string> peer_names_of(const X509& certificate) {
  std::vector<std::string> found;
  const auto names = alternative_names(certificate);
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto* each = sk_GENERAL_NAME_value(names.get(), i);
    if (each->type == GEN_DNS) found.push_back(text_of(each->d.dNSName));
    if (each->type == GEN_URI) found.push_back(text_of(each->d.uniformResourceIdentifier));
  }
  return found;
}

wall_time end_of(const X509& certificate) { return to_time(X509_get0_notAfter(&certificate)); }
wall_time begin_of(const X509& certificate) { return to_time(X509_get0_notBefore(&certificate)); }

void session_store::keep(const std::string& server, openssl_ptr<SSL_SESSION> session) {
  const std::lock_guard lock{mutex_};
  if (const auto known = by_server_.find(server); known != by_server_.end()) {
    entries_.erase(known->second);
    by_server_.erase(known);
  } else if (entries_.size() >= capacity) {
    by_server_.erase(entries_.front().server);
    entries_.pop_front();
  }
  entries_.push_back({server, std::move(session)});
  by_server_.emplace(server, std::prev(entries_.end()));
}

openssl_ptr<SSL_SESSION> session_store::take(const std::string& server) {
  const std::lock_guard lock{mutex_};
  const auto known = by_server_.find(server);
  if (known == by_server_.end()) return nullptr;
  auto session = std::move(known->second->session);
  entries_.erase(known->second);
  by_server_.erase(known);
  return session;
}

result<std::string> fingerprint_of(const tls_options& options) {
  struct digest_free {
    void operator()(EVP_MD_CTX* p) const noexcept { EVP_MD_CTX_free(p); }
  };
  const std::unique_ptr<EVP_MD_CTX, digest_free> digest{EVP_MD_CTX_new()};
  if (!digest || EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) != 1)
    return fail(errc::internal, "tls: " + openssl_reason());
  const auto add = [&digest](const pem& source) -> result<> {
    if (source.empty()) return {};
    WEFT_TRY(auto text, source.load());
    const auto size = text.size();
    EVP_DigestUpdate(digest.get(), &size, sizeof size);
    EVP_DigestUpdate(digest.get(), text.data(), text.size());
    OPENSSL_cleanse(text.data(), text.size());
    return {};
  };
  for (const auto& own : options.identities) {
    WEFT_TRY_VOID(add(own.chain));
    WEFT_TRY_VOID(add(own.key));
  }
  WEFT_TRY_VOID(add(options.authorities));
  std::string sum(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_DigestFinal_ex(digest.get(), reinterpret_cast<unsigned char*>(sum.data()), &size);
  sum.resize(size);
  return sum;
}

result<std::shared_ptr<const tls_state>> tls_state::make(tls_role role, tls_options options) {
  WEFT_TRY_VOID(check(role, options));
  auto state = std::make_shared<tls_state>();
  state->role = role;
  state->options = std::move(options);
  // Before they are read for use: should they change in between, the next look finds a difference and not a match.
  WEFT_TRY(state->fingerprint, fingerprint_of(state->options));
  for (const auto& protocol : state->options.alpn) {
    state->alpn.push_back(static_cast<char>(protocol.size()));
    state->alpn += protocol;
  }
  const auto count = std::max<std::size_t>(1, state->options.identities.size());
  for (std::size_t i = 0; i < count; ++i) {
    identity each;
    each.ssl.reset(SSL_CTX_new(role == tls_role::server ? TLS_server_method() : TLS_client_method()));
    if (!each.ssl) return fail(errc::internal, "tls: " + openssl_reason());
    WEFT_TRY_VOID(set_up(each.ssl.get(), *state));
    if (i < state->options.identities.size())
      WEFT_TRY_VOID(use_identity(each.ssl.get(), state->options.identities[i], each, state->expires));
    state->identities.push_back(std::move(each));
  }
  return state;
}

SSL_CTX* tls_state::choose(std::string_view server_name) const {
  const auto wanted = lower(server_name);
  for (const bool wildcards : {false, true})
    for (const auto& each : identities)
      for (const auto& name : each.names)
        if (name.starts_with("*.") == wildcards && matches(name, wanted)) return each.ssl.get();
  return identities.front().ssl.get();
}

namespace {
result<tls_context> make_context(tls_role role, tls_options options) {
  WEFT_TRY(auto state, tls_state::make(role, std::move(options)));
  auto made = std::make_shared<tls_context::impl>();
  made->current = std::move(state);
  return tls_context{std::move(made)};
}
}  // namespace

result<tls_context> tls_context::server(tls_options options) {
  return make_context(tls_role::server, std::move(options));
}
result<tls_context> tls_context::client(tls_options options) {
  return make_context(tls_role::client, std::move(options));
}

result<> tls_context::reload() { return reload(impl_->now()->options); }
result<> tls_context::reload(tls_options options) {
  WEFT_TRY(auto state, tls_state::make(impl_->now()->role, std::move(options)));
  const std::lock_guard lock{impl_->mutex};
  impl_->current.swap(state);
  return {};
}
wall_time tls_context::expires() const { return impl_->now()->expires; }

}  // namespace weft::net
