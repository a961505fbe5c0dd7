#include <getopt.h>

/* WAMR's own getopt is for systems without one. */
