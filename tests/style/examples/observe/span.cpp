struct http_client {
  task<result<int>> get(context ctx, std::string_view path);
};
extern http_client client;
