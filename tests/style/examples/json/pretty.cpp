extern json::value v;
