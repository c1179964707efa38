"""Points of mediapipe's face mesh by facial part (int64 index arrays).

The same sets that the package draws its contours from; left and right are the person's.
"""

import numpy as np


def _points(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=np.int64)


LIP_POINTS = _points(
    "0 13 14 17 37 39 40 61 78 80 81 82 84 87 88 91 95 146 178 181 185 191 267 269 270 291 308 310 311 "
    "312 314 317 318 321 324 375 402 405 409 415 "
)
LEFT_EYE_POINTS = _points("249 263 362 373 374 380 381 382 384 385 386 387 388 390 398 466")
RIGHT_EYE_POINTS = _points("7 33 133 144 145 153 154 155 157 158 159 160 161 163 173 246")
OVAL_POINTS = _points(
    "10 21 54 58 67 93 103 109 127 132 136 148 149 150 152 162 172 176 234 251 284 288 297 323 332 338 "
    "356 361 365 377 378 379 389 397 400 454 "
)
LEFT_BROW_POINTS = _points("276 282 283 285 293 295 296 300 334 336")
RIGHT_BROW_POINTS = _points("46 52 53 55 63 65 66 70 105 107")
RIGHT_IRIS_POINTS = np.arange(468, 473)
LEFT_IRIS_POINTS = np.arange(473, 478)
FACE_WIDTH_POINTS = (234, 454)
"""Right and left end of the face at the height of the ears: their distance is the face width errors refer to."""
