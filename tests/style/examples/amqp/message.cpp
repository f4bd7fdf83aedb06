#include <string>
extern std::string json;
