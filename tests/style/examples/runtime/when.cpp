#include <vector>
struct user {};
struct post {};
task<result<user>> get_user(context ctx);
task<result<post>> get_posts(context ctx);
extern std::vector<task<int>> vector_of_tasks;
