extern std::string message;
