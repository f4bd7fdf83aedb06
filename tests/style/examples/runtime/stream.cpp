extern weft::stream& s;
extern std::span<char> buffer;
extern std::span<const_buffer> buffers;
