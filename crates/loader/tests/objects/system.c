// Uses a function that compiled code has no business with.
int system(const char *); int run(void) { return system("true"); }
