#include <vector>
extern std::vector<std::string> messages;
