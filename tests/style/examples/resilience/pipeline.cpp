struct price_client {
  task<result<http::response>> get_raw(context ctx, std::string path);
};
extern price_client pricing;
extern std::string path;
