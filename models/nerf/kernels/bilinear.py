"""What a bilinear lookup with border padding needs of one coordinate: torch's grid_sample, align_corners=False."""

import triton
import triton.language as tl


@triton.jit
def texel(coordinate, size):
    """coordinate in -1..1 over ``size`` texels -> the lower texel, the upper one (held inside), the upper one's
    share, and whether the coordinate lies between texel centres (else the lookup does not change with it)."""
    place = ((coordinate + 1) * size - 1) * 0.5
    last = size * 1.0 - 1.0  # no method call: a size of 1 is a compile-time constant
    between = (place > 0) & (place < last)
    place = tl.minimum(tl.maximum(place, 0.0), last)
    low = tl.floor(place)
    share = place - low
    lower = tl.minimum(tl.maximum(low.to(tl.int32), 0), size - 1)  # a NaN must not lead outside
    return lower, tl.minimum(lower + 1, size - 1), share, between
