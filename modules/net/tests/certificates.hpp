#pragma once
// Certificates for tests, made on the spot: an authority, and what it signs.
//
//     const test_authority authority;
//     const auto server = authority.issue({.names = {"users.test"}});
//     net::tls_options{.identities = {server.identity()}, .authorities = authority.trust()}
#include <weft/net/tls.hpp>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <chrono>

namespace weft::net {

struct certificate_request {
  std::vector<std::string> names{"localhost"};  // "IP:..." and "URI:..." have their prefix
  std::string subject = "a test";
  wall_time begin = std::chrono::sys_days{std::chrono::January / 1 / 2020};
  wall_time end = std::chrono::sys_days{std::chrono::January / 1 / 2099};
};

struct test_certificate {
  std::string certificate, key;
  [[nodiscard]] tls_identity identity() const { return {.chain = pem::text(certificate), .key = pem::text(key)}; }
};

class test_authority {
 public:
  explicit test_authority(const std::string& name = "a test authority") : key_{EVP_EC_gen("P-256")} {
    own_ = make({.names = {}, .subject = name}, key_, true);
  }
  test_authority(const test_authority&) = delete;
  test_authority& operator=(const test_authority&) = delete;
  ~test_authority() {
    X509_free(own_);
    EVP_PKEY_free(key_);
  }

  [[nodiscard]] pem trust() const { return pem::text(text_of(own_)); }
  [[nodiscard]] test_certificate issue(const certificate_request& request = {}) const {
    auto* key = EVP_EC_gen("P-256");
    auto* certificate = make(request, key, false);
    test_certificate made{text_of(certificate), {}};
    auto* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    made.key = drain(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return made;
  }

 private:
  static std::string drain(BIO* bio) {
    char* data = nullptr;
    const auto size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
  }
  static std::string text_of(X509* certificate) {
    auto* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    return drain(bio);
  }
  static void extend(X509* certificate, X509V3_CTX& about, int kind, const std::string& value) {
    auto* extension = X509V3_EXT_conf_nid(nullptr, &about, kind, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509* make(const certificate_request& request, EVP_PKEY* key, bool authority) const {
    auto* c = X509_new();
    X509_set_version(c, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial_);
    ASN1_TIME_set(X509_getm_notBefore(c), std::chrono::system_clock::to_time_t(request.begin));
    ASN1_TIME_set(X509_getm_notAfter(c), std::chrono::system_clock::to_time_t(request.end));
    auto* name = X509_get_subject_name(c);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(request.subject.data()),
                               static_cast<int>(request.subject.size()), -1, 0);
    X509_set_issuer_name(c, authority ? name : X509_get_subject_name(own_));
    X509_set_pubkey(c, key);
    X509V3_CTX about;
    X509V3_set_ctx(&about, authority ? c : own_, c, nullptr, nullptr, 0);
    extend(c, about, NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
    std::string names;
    for (const auto& each : request.names) {
      if (!names.empty()) names += ',';
      names += each.starts_with("IP:") || each.starts_with("URI:") ? each : "DNS:" + each;
    }
    if (!names.empty()) extend(c, about, NID_subject_alt_name, names);
    X509_sign(c, key_, EVP_sha256());
    return c;
  }

  EVP_PKEY* key_;
  X509* own_ = nullptr;
  mutable long serial_ = 0;
};

}  // namespace weft::net
