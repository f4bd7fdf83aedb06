namespace weft::http {
struct response;
}
