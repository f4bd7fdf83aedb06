struct point {
  double x = 0, y = 0;
};
