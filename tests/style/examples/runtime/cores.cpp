using weft::loop;
task<void> serve(loop& l, context stopping);
