"""Fits the polynomial behind native/cpu/math.h (needs mpmath): exp(r) = 1 + r + r^2 q(r), |r| <= ln(2)/2.

q is the minimax polynomial for the relative error of expm1(r) = r + r^2 q(r), found by Remez exchange and rounded to
float32 coefficient by coefficient, the remaining ones refitted after each rounding.
"""
import mpmath as mp

mp.mp.dps = 40
HALF = mp.log(2) / 2 * mp.mpf('1.0001')


def target(r):
    return (mp.expm1(r) - r) / r**2 if abs(r) > mp.mpf(10)**-9 else mp.mpf(1) / 2 + r / 6


def weight(r):  # relative error of expm1: r^2 / expm1(r)
    return abs(r**2 / mp.expm1(r)) if abs(r) > mp.mpf(10)**-9 else abs(r)


def to_float32(x):
    import struct
    return mp.mpf(struct.unpack('f', struct.pack('f', float(x)))[0])


def fit(degree, fixed):
    """Weighted least squares on Chebyshev points, sharpened by Lawson's iteration towards minimax."""
    points = [HALF * mp.cos(mp.pi * (2 * i + 1) / 400) for i in range(200)]
    free = [k for k in range(degree + 1) if k not in fixed]
    lawson = [mp.mpf(1)] * len(points)
    for _ in range(40):
        rows = mp.matrix(len(points), len(free))
        right = mp.matrix(len(points), 1)
        for i, r in enumerate(points):
            w = weight(r) * mp.sqrt(lawson[i])
            rest = target(r) - sum(c * r**k for k, c in fixed.items())
            right[i] = rest * w
            for j, k in enumerate(free):
                rows[i, j] = r**k * w
        solution = mp.lu_solve(rows, right)
        c = dict(fixed)
        c.update({k: solution[j] for j, k in enumerate(free)})
        errors = [abs(weight(r) * (sum(c[k] * r**k for k in c) - target(r))) for r in points]
        total = sum(l * e for l, e in zip(lawson, errors))
        lawson = [l * e / total * len(points) for l, e in zip(lawson, errors)]
    return c, max(errors)


fixed = {}
for k in range(5):
    c, error = fit(4, fixed)
    fixed[k] = to_float32(c[k])
error = max(abs(weight(r) * (sum(fixed[k] * r**k for k in fixed) - target(r)))
            for r in [HALF * (2 * mp.mpf(i) / 2000 - 1) for i in range(2001)])
for k in range(5):
    print(f'q{k} = {float(fixed[k]).hex()}  {float(fixed[k]):.9g}')
print('largest relative error of expm1:', mp.nstr(error, 4))
