task<void> serve(loop& l, int port);
task<result<int>> ask(loop& l, std::string_view host, int port);
struct ledger {};
