#include <weft/service/application.hpp>
extern service::application& app;
extern int db;
task<result<service::health_details>> ping(int db, context ctx);
