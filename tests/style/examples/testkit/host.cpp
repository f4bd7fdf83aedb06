task<void> serve(loop& l, disk& d);
