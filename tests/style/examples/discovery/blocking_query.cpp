extern weft::rng& random;
extern std::uint64_t index_header;
extern bool answered;
