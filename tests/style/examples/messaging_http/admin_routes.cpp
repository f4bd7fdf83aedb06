struct secret {
  std::string reveal() const;
};
struct admin_settings {
  secret token;
};
extern admin_settings settings;
