/* Planets under gravity: floating-point arithmetic with square roots and divisions. */
#include "bench.h"

#define BODIES 5
static struct body {
    double x, y, z, vx, vy, vz, mass;
} bodies[BODIES];

static NOINLINE void advance(double dt)
{
    for (int i = 0; i < BODIES; i++) {
        struct body *a = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            struct body *b = &bodies[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double square = dx * dx + dy * dy + dz * dz;
            double pull = dt / (square * __builtin_sqrt(square));
            a->vx -= dx * b->mass * pull;
            a->vy -= dy * b->mass * pull;
            a->vz -= dz * b->mass * pull;
            b->vx += dx * a->mass * pull;
            b->vy += dy * a->mass * pull;
            b->vz += dz * a->mass * pull;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        struct body *a = &bodies[i];
        a->x += dt * a->vx;
        a->y += dt * a->vy;
        a->z += dt * a->vz;
    }
}

int32_t run(int32_t n)
{
    for (int i = 0; i < BODIES; i++) {
        struct body body = {i * 3.0, i * 1.5 - 2.0, 0.25 * i * i, 0.1 * i, 0.3 - 0.05 * i, 0.02, 1.0 / (1 + i)};
        bodies[i] = body;
    }
    for (int32_t i = 0; i < n; i++) {
        advance(0.001);
        DID_WORK();
    }
    double sum = 0;
    for (int i = 0; i < BODIES; i++)
        sum += bodies[i].x + bodies[i].y * 2 + bodies[i].z * 3;
    return (int32_t)(sum * 1e6);
}
