// What compiled code does not have.
#ifdef THREAD
__thread int variable = 1;
#endif
#ifdef CONSTRUCTOR
int variable;
__attribute__((constructor)) void start(void) { *(volatile int *)&variable = 1; }
#endif
#ifdef COMMON
int variable;
#endif
int *get(void) { return &variable; }
