extern context request_ctx;
extern std::string header_value;
