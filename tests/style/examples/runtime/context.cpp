struct http_request {
  weft::context context();
};
struct http_client {
  task<result<int>> get(context ctx, std::string_view path);
};
extern http_request request;
extern http_client client;
