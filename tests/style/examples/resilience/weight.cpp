#include <string>
struct picture {
  std::string pixels;
};
