extern std::function<task<result<>>(std::string)> handler_;
extern std::string message;
extern std::function<result<int>(int)> hook;
extern int settings;
