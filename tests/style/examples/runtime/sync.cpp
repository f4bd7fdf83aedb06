extern weft::semaphore& places;
