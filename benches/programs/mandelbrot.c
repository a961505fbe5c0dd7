/* Escape times of the Mandelbrot set: floating-point arithmetic in registers, no memory. */
#include "bench.h"

int32_t run(int32_t n)
{
    uint32_t sum = 0;
    for (int32_t y = 0; y < n; y++) {
        for (int32_t x = 0; x < n; x++) {
            double cr = 3.0 * x / n - 2.2, ci = 2.4 * y / n - 1.2;
            double zr = 0, zi = 0;
            int32_t steps = 0;
            while (steps < 200 && zr * zr + zi * zi <= 4.0) {
                double t = zr * zr - zi * zi + cr;
                zi = 2 * zr * zi + ci;
                zr = t;
                steps++;
            }
            sum = mix(sum, steps);
            DID_WORK();
        }
    }
    return sum;
}
