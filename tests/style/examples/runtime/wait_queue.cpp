using weft::loop;
class pool;
extern pool& places;
