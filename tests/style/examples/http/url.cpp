void connect(std::string_view host, std::uint16_t port);
