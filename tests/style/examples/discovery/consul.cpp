extern std::string token;
