void connect(std::string_view user, std::string_view password);
