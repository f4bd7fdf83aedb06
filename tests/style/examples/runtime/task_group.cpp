extern std::unique_ptr<weft::stream> stream;
task<void> serve(std::unique_ptr<weft::stream> s, context ctx);
