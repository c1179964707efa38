"""HDR and wide-gamut pictures to the BT.709 picture that everything else here works on.  Pure functions.

HDR to SDR: Report ITU-R BT.2446-1, method A (an HDR master of 1,000 cd/m² to SDR of 100 cd/m²).  PQ: Recommendation
ITU-R BT.2100-2, table 4; what is brighter than 1,000 cd/m² becomes white.  HLG: BT.2100-2, table 5, shown on a display
of 1,000 cd/m² (system gamma 1.2).  Gamut: the matrix of BT.2087-0 with what lies outside BT.709 clipped.
"""

import numpy as np

PEAK = 1000.0  # cd/m² of the HDR display the picture is mapped from
SDR_PEAK = 100.0  # cd/m²
GAMMA = 2.4  # of an SDR display, BT.1886
LUMA = np.array([0.2627, 0.6780, 0.0593])  # of BT.2020
TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
TRANSFERS = ("pq", "hlg", "wide")  # wide: BT.2020 colours with an SDR transfer curve


def to_bt709(code: np.ndarray, transfer: str) -> np.ndarray:
    """BT.709 R'G'B' (0..1) of BT.2020 R'G'B' ``code`` [..., 3] (0..1) whose transfer is one of TRANSFERS."""
    if transfer == "wide":
        return _narrow(np.clip(code, 0, 1))
    if transfer not in TRANSFERS:
        raise ValueError(f"transfer {transfer!r}: expected one of {', '.join(TRANSFERS)}")
    light = pq_light(code) if transfer == "pq" else hlg_light(code)
    return _narrow(method_a(np.clip(light / PEAK, 0, 1) ** (1 / GAMMA)))


def pq_light(code: np.ndarray) -> np.ndarray:
    """cd/m² of PQ code values (0..1): the EOTF of BT.2100-2, table 4."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = np.clip(code, 0, 1) ** (1 / m2)
    return 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def hlg_light(code: np.ndarray) -> np.ndarray:
    """cd/m² of HLG code values [..., 3] (0..1) on a display of PEAK: inverse OETF, then OOTF, BT.2100-2, table 5."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    code = np.clip(code, 0, 1)
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    luminance = (scene @ LUMA)[..., None]
    return PEAK * np.maximum(luminance, 1e-12) ** 0.2 * scene


def method_a(display: np.ndarray) -> np.ndarray:
    """SDR R'G'B' [..., 3] (BT.2020 colours, gamma 2.4) of HDR R'G'B' (linear over PEAK, to the power 1/2.4).

    Report ITU-R BT.2446-1, section 4.
    """
    luma = (display @ LUMA)[..., None]
    rho_hdr = 1 + 32 * (PEAK / 10000) ** (1 / GAMMA)
    rho_sdr = 1 + 32 * (SDR_PEAK / 10000) ** (1 / GAMMA)
    perceived = np.log1p((rho_hdr - 1) * luma) / np.log(rho_hdr)
    knee = np.where(perceived <= 0.7399, 1.0770 * perceived, -1.1510 * perceived**2 + 2.7811 * perceived - 0.6302)
    compressed = np.where(perceived >= 0.9909, 0.5 * perceived + 0.5, knee)
    mapped = (rho_sdr**compressed - 1) / (rho_sdr - 1)
    scale = mapped / (1.1 * np.maximum(luma, 1e-6))
    blue = scale * (display[..., 2:] - luma) / 1.8814
    red = scale * (display[..., :1] - luma) / 1.4746
    toned = mapped - np.maximum(0.1 * red, 0)
    green = toned - (0.0593 * 1.8814 * blue + 0.2627 * 1.4746 * red) / 0.6780
    return np.clip(np.concatenate([toned + 1.4746 * red, green, toned + 1.8814 * blue], -1), 0, 1)


def cube(transfer: str, side: int = 33) -> str:
    """``to_bt709`` as the text of a .cube file: a table of side³ colours, red fastest."""
    axis = np.linspace(0, 1, side)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    colours = to_bt709(np.stack([red, green, blue], -1).reshape(-1, 3), transfer)
    lines = [f"LUT_3D_SIZE {side}", *(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in colours)]
    return "\n".join(lines) + "\n"


def _narrow(code: np.ndarray) -> np.ndarray:
    """BT.709 R'G'B' of BT.2020 R'G'B', both of display gamma 2.4."""
    return np.clip(code**GAMMA @ TO_709.T, 0, 1) ** (1 / GAMMA)
