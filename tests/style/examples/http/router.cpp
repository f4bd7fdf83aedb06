#include <weft/http/server.hpp>
#include <weft/http/static_files.hpp>
using user_id = strong<struct user_id_tag>;
task<result<response>> show_user(request& r, user_id id);
task<result<response>> create_user(request& r);
router api_routes();
middleware access_log(int log);
extern int log;
