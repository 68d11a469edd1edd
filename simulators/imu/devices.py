"""Inertial sensors that people wear: what each adds to a signal, and how fast it is.

A comment names the source of each figure. "Read": seen in the document named when this was written; "recalled": the
document is named from memory, check it before you cite it; "rest": set so that a device at rest does as the recordings
of real ones do, whose norm is off by 2 to 5 % and whose gyroscopes are off by 0.005 to 0.08 rad/s. All other figures
are assumed. For a normal law of sd s on each axis the median norm is 1.54 s.
"""

import math
from dataclasses import dataclass

from scenarios.catalogue import nearest
from scenarios.errors import InputError
from simulators.sensor import STANDARD_GRAVITY, SensorModel

MICRO_G = 1e-6 * STANDARD_GRAVITY


@dataclass(frozen=True, kw_only=True)
class Device:
    """A worn unit: its sensors, their bandwidths, and by how much its accelerometers are off on average."""

    name: str
    text: str
    accelerometer: SensorModel
    second_accelerometer: SensorModel | None = None
    gyroscope: SensorModel | None = None
    magnetometer: SensorModel | None = None
    accelerometer_hz: float | None = None
    """-3 dB; None: half the rate"""
    gyroscope_hz: float | None = None
    gain: float = 1.0
    """Mean reading at rest over standard gravity."""
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """m/s^2: constant error of the accelerometer of the one specimen that is known, in its axes."""

    def __post_init__(self) -> None:
        """Check what must hold."""
        for field in ("accelerometer_hz", "gyroscope_hz", "gain"):
            value = getattr(self, field)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{field} of device {self.name} must be above 0; it is {value}")

    def sensor(self, quantity: str, number: int = 0) -> SensorModel:
        """The sensor of a quantity; number 1 is a second accelerometer. Raises InputError where there is none."""
        found = {
            ("accelerometer", 0): self.accelerometer,
            ("accelerometer", 1): self.second_accelerometer,
            ("body_acceleration", 0): self.accelerometer,
            ("gyroscope", 0): self.gyroscope,
            ("magnetometer", 0): self.magnetometer,
        }.get((quantity, number))
        if found is None:
            which = "second " if number else ""
            raise InputError(f"a device asked for a {which}{quantity} must have one; '{self.name}' has none")
        return found

    def bandwidths(self, rate_hz: float) -> tuple[float, float]:
        """-3 dB of accelerometer and gyroscope at a rate, Hz."""
        return (
            min(self.accelerometer_hz or math.inf, rate_hz / 2),
            min(self.gyroscope_hz or math.inf, rate_hz / 2),
        )


def _accelerometer(
    name: str, *, g: float, bits: int, density: float, offset: float = 0.12, scale: float = 0.008, white: float = 0.0,
    flicker: float = 4e-4,
) -> SensorModel:  # fmt: skip
    """An accelerometer of +-g over so many bits; density in ug/sqrt(Hz), other figures in m/s^2.

    Misalignment: a third of 2 %, which the MPU-6050's data sheet has for cross-axis sensitivity (read).
    """
    return SensorModel(
        name=f"{name} accelerometer",
        unit="m/s^2",
        lsb=2 * g * STANDARD_GRAVITY / 2**bits,
        bits=bits,
        noise_density=density * MICRO_G,
        white_sd=white,
        flicker=flicker,
        random_walk=5e-5,
        offset_sd=offset,
        scale_sd=scale,
        misalignment_sd=0.0067,
    )


def _gyroscope(
    name: str, *, dps: float, bits: int = 16, density: float = 0.01, offset: float = 0.015, white: float = 0.0,
    flicker: float = 6e-5, scale: float = 0.01,
) -> SensorModel:  # fmt: skip
    """A gyroscope of +-dps over so many bits; density in dps/sqrt(Hz), other figures in rad/s.

    Scale within 3 % (a third of it as sd), cross-axis sensitivity within 2 % and 0.1 dps/g of sensitivity to linear
    acceleration: MPU-6050 data sheet, read.
    """
    return SensorModel(
        name=f"{name} gyroscope",
        unit="rad/s",
        lsb=math.radians(2 * dps / 2**bits),
        bits=bits,
        noise_density=math.radians(density),
        white_sd=white,
        flicker=flicker,
        random_walk=1e-5,
        offset_sd=offset,
        scale_sd=scale,
        misalignment_sd=0.0067,
        cross_sd=math.radians(0.1) / STANDARD_GRAVITY,
    )


def _magnetometer(name: str, *, ut: float, bits: int, white: float, offset: float = 8.0) -> SensorModel:
    """A magnetometer of +-ut over so many bits, with what of its device's iron calibration leaves, in uT."""
    return SensorModel(
        name=f"{name} magnetometer", unit="uT", lsb=2 * ut / 2**bits, bits=bits, white_sd=white, drift_sd=0.5,
        offset_sd=offset, scale_sd=0.03, misalignment_sd=0.02,
    )  # fmt: skip


_ALL = (
    Device(
        name="galaxy_s2",
        text="Samsung Galaxy S II smartphone: K3DH accelerometer, K3G gyroscope, both of STMicroelectronics",
        # of the family of the LIS3DH: 12 bits, 1 mg a count at +-2 g (read); 220 ug/sqrt(Hz) (recalled). Recordings
        # reach beyond 2 g, so +-4 g. Rest: norm 10.01, p10 to p90 9.78 to 10.14; of standing, sitting and lying people
        # 10.13, 10.02 and 9.88 in three directions, from which gain and bias are solved
        accelerometer=_accelerometer("K3DH", g=4, bits=12, density=220, offset=0.02, scale=0.003, white=0.022),
        # of the family of the L3G4200D: +-250, 500 or 2000 dps, 16 bits (read); 0.03 dps/sqrt(Hz) (recalled). Rest:
        # 0.0078 rad/s
        gyroscope=_gyroscope("K3G", dps=500, density=0.03, offset=0.005),
        gain=1.043,
        bias=(-0.14, -0.24, -0.24),
        accelerometer_hz=20.0,  # UCI-HAR was low-pass filtered at 20 Hz: its code book, read
        gyroscope_hz=20.0,
    ),
    Device(
        name="phone",
        text="a smartphone with a six-axis sensor of the class of the BMI160 or LSM6DS3",
        # BMI160: 180 ug/sqrt(Hz), 0.007 dps/sqrt(Hz) (recalled). Rest: 9.93, 0.034 rad/s, of one phone
        accelerometer=_accelerometer("BMI160", g=8, bits=16, density=180, offset=0.06, scale=0.004),
        gyroscope=_gyroscope("BMI160", dps=2000, density=0.007, offset=0.022),
        magnetometer=_magnetometer("AK09918", ut=4912, bits=16, white=0.4, offset=15),  # +-4,912 uT (recalled)
        gain=1.012,
        accelerometer_hz=40.0,
    ),
    Device(
        name="watch",
        text="a smartwatch with a six-axis sensor",
        # rest: 9.81, p10 to p90 9.76 to 9.85, and 0.024 rad/s, of one watch
        accelerometer=_accelerometer("watch", g=8, bits=16, density=200, offset=0.05, scale=0.004, white=0.06),
        gyroscope=_gyroscope("watch", dps=2000, density=0.01, offset=0.0155),
        accelerometer_hz=40.0,
    ),
    Device(
        name="ax3",
        text="Axivity AX3 logger: ADXL345 accelerometer",
        # ADXL345: 1/256 g a count, so 12 bits at +-8 g; 290 ug/sqrt(Hz) on x and y, 430 on z, rms 343 (read). Rest:
        # 10.04, p10 to p90 9.89 to 10.17
        accelerometer=_accelerometer("ADXL345", g=8, bits=12, density=343, offset=0.09, scale=0.006),
        gain=1.023,
    ),
    Device(
        name="sisfall_board",
        text="a board with ADXL345 accelerometer and ITG3200 gyroscope",
        # ADXL345 as above, 13 bits at +-16 g. Rest: 10.02, p10 to p90 over subjects 9.57 to 10.73
        accelerometer=_accelerometer("ADXL345", g=16, bits=13, density=343, offset=0.3, scale=0.03),
        # ITG-3200: 14.375 counts a dps (read), so 16 bits reach +-2279 dps; 0.03 dps/sqrt(Hz) (recalled). Rest: 0.064
        gyroscope=_gyroscope("ITG3200", dps=2**15 / 14.375, density=0.03, offset=0.0415),
        gain=1.02,
    ),
    Device(
        name="utd_sensor",
        text="a nine-axis Bluetooth sensor",
        # +-8 g, +-1000 dps: UTD-MHAD's paper (recalled). Rest: 10.16, p10 to p90 9.83 to 10.27, and 0.044 rad/s; std
        # of a reading at most 0.093 m/s^2 and 0.041 rad/s, the latter seven times that of other boards: noise
        accelerometer=_accelerometer("utd", g=8, bits=16, density=400, offset=0.14, scale=0.01, white=0.06),
        gyroscope=_gyroscope("utd", dps=1000, density=0.05, offset=0.0285, white=0.04),
        magnetometer=_magnetometer("utd", ut=1200, bits=16, white=0.6),
        gain=1.036,
    ),
    Device(
        name="shimmer2",
        text="Shimmer2 unit: MMA7361 accelerometer, IDG500 and ISZ500 gyroscopes, HMC5843 magnetometer",
        # MMA7361: 350 ug/sqrt(Hz), +-6 g; a 12-bit converter; IDG500: +-500 dps, 0.014 dps/sqrt(Hz); HMC5843:
        # +-400 uT, 12 bits (all recalled)
        accelerometer=_accelerometer("MMA7361", g=6, bits=12, density=350, offset=0.2, scale=0.015),
        gyroscope=_gyroscope("IDG500", dps=500, bits=12, density=0.014, offset=0.05),
        magnetometer=_magnetometer("HMC5843", ut=400, bits=12, white=0.7),
    ),
    Device(
        name="colibri",
        text="Colibri wireless inertial unit of Trivisio",
        # +-16 g and +-6 g at 13 bits: PAMAP2's read-me, read; +-1500 dps, +-400 uT at 12 bits (recalled)
        accelerometer=_accelerometer("Colibri 16 g", g=16, bits=13, density=250, offset=0.15),
        second_accelerometer=_accelerometer("Colibri 6 g", g=6, bits=13, density=150, offset=0.12),
        gyroscope=_gyroscope("Colibri", dps=1500, density=0.03, offset=0.02),
        magnetometer=_magnetometer("Colibri", ut=400, bits=12, white=0.4),
    ),
    Device(
        name="xsens_mtx",
        text="Xsens MTx unit, calibrated at the factory",
        # MTx manual MT0100P: +-50 m/s^2 and +-1200 dps by default, the latter with 0.1 dps/sqrt(Hz) (read);
        # 0.002 m/s^2/sqrt(Hz), +-75 uT, bandwidths 30 and 40 Hz (recalled)
        accelerometer=_accelerometer(
            "MTx", g=50 / STANDARD_GRAVITY, bits=16, density=0.002 / MICRO_G, offset=0.03, scale=0.002
        ),
        gyroscope=_gyroscope("MTx", dps=1200, density=0.1, offset=0.004),
        magnetometer=_magnetometer("MTx", ut=75, bits=16, white=0.07, offset=2),
        accelerometer_hz=30.0,
        gyroscope_hz=40.0,
    ),
    Device(
        name="recgym_band",
        text="a wrist band with a six-axis sensor and a body capacitance electrode",
        accelerometer=_accelerometer("band", g=8, bits=16, density=180),
        gyroscope=_gyroscope("band", dps=2000, density=0.01),
        accelerometer_hz=10.0,
    ),
    Device(
        name="vtt_board",
        text="Aistin iProtoXi unit",
        accelerometer=_accelerometer("vtt", g=8, bits=16, density=220),
        gyroscope=_gyroscope("vtt", dps=2000, density=0.011),
        magnetometer=_magnetometer("vtt", ut=4912, bits=16, white=0.6),
    ),
    Device(
        name="iphone_6s",
        text="Apple iPhone 6s: six-axis sensor of the MPU-6500's class, attitude filter of the system",
        # MPU-6500: 300 ug/sqrt(Hz), 0.01 dps/sqrt(Hz) (recalled); the system removes the gyroscope's offset
        accelerometer=_accelerometer("MPU-6500", g=8, bits=16, density=300, offset=0.05, scale=0.003),
        gyroscope=_gyroscope("MPU-6500", dps=2000, density=0.01, offset=0.002),
        accelerometer_hz=25.0,
    ),
    Device(
        name="galaxy_s3",
        text="Samsung Galaxy S3 smartphone: LSM330DLC six-axis sensor",
        # LSM330DLC: 12 bits at +-2 g, 220 ug/sqrt(Hz), 0.03 dps/sqrt(Hz) (recalled)
        accelerometer=_accelerometer("LSM330DLC", g=2, bits=12, density=220, offset=0.1),
        gyroscope=_gyroscope("LSM330DLC", dps=500, density=0.03),
    ),
    Device(
        name="nexus_phone",
        text="LG Nexus 4 or 5 smartphone: MPU-6050 or MPU-6515 six-axis sensor",
        # MPU-6050: 400 ug/sqrt(Hz), 0.005 dps/sqrt(Hz), offsets within 50 and 80 mg, of which a quarter as sd (read);
        # its 20 dps of zero-rate output are calibrated by the phone
        accelerometer=_accelerometer("MPU-6050", g=2, bits=16, density=400, offset=0.15),
        gyroscope=_gyroscope("MPU-6050", dps=2000, density=0.005, offset=0.01),
    ),
    Device(
        name="kuhar_phone",
        text="a smartphone in a bag at the waist: six-axis sensor of the class of the LSM6DSL",
        # LSM6DSL: 90 ug/sqrt(Hz), 0.004 dps/sqrt(Hz) (recalled)
        accelerometer=_accelerometer("LSM6DSL", g=8, bits=16, density=90),
        gyroscope=_gyroscope("LSM6DSL", dps=1000, density=0.004, offset=0.008),
    ),
    Device(
        name="galaxy_nexus",
        text="Samsung Galaxy Nexus smartphone: BMA250 accelerometer",
        # BMA250: +-2 g at 10 bits, 256 counts a g (read); 800 ug/sqrt(Hz) (recalled)
        accelerometer=_accelerometer("BMA250", g=2, bits=10, density=800, offset=0.2, scale=0.015),
    ),
    Device(
        name="galaxy_s4",
        text="Samsung Galaxy S4 smartphone: K330 accelerometer",
        # of the family of the LSM330: +-2 g and +-500 dps among its ranges (read); its densities as of the LSM330DLC
        accelerometer=_accelerometer("K330", g=2, bits=16, density=220, offset=0.1),
        gyroscope=_gyroscope("K330", dps=500, density=0.03),
        magnetometer=_magnetometer("YAS532", ut=1200, bits=16, white=0.5),
    ),
    Device(
        name="lg_watch",
        text="LG G Watch smartwatch: MPU-6515 six-axis sensor",
        # MPU-6515 as the MPU-6500: 300 ug/sqrt(Hz), 0.01 dps/sqrt(Hz) (recalled)
        accelerometer=_accelerometer("MPU-6515", g=8, bits=16, density=300, offset=0.08),
        gyroscope=_gyroscope("MPU-6515", dps=2000, density=0.01),
    ),
)
DEVICES: dict[str, Device] = {device.name: device for device in _ALL}
"""By name."""


def device_of(name: str, measures: "tuple[str, ...] | list[str]" = ()) -> Device:
    """A device by its name. Raises InputError where there is none, or where it cannot measure what is asked of it."""
    if name not in DEVICES:
        raise InputError(f"device must be one of {', '.join(DEVICES)}; it is '{name}'{nearest(name, DEVICES)}")
    device, seen = DEVICES[name], dict[str, int]()
    for quantity in measures:
        number = seen[quantity] = seen.get(quantity, -1) + 1
        if quantity != "orientation":
            device.sensor(quantity, number)
    return device
