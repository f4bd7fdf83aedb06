struct user {};
extern std::string id;
