// A function that gives way to another's definition, unless WEAK is empty; who was it?
WEAK int who(void) { return NUMBER; }
int CALL(void) { return who(); }
