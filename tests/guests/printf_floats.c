/* Formatting and parsing of floating-point numbers, which runs through long double arithmetic in software. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    double x = 1;
    for (int i = 1; i <= 12; i++) {
        x = x * 3.25 + sin(i) / i;
        char text[64];
        snprintf(text, sizeof text, "%.17g", x);
        double back = strtod(text, NULL);
        printf("%2d %s %.6f %e %a %s\n", i, text, exp(-i), pow(x, 0.1), (double)(float)x, back == x ? "same" : "differs");
    }
    return 0;
}
