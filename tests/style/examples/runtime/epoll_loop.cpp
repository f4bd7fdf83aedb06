using weft::loop;
task<int> serve(loop& l);
