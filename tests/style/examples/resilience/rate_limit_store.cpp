extern weft::loop& clock;
