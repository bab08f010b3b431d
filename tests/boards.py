"""Files of boards as Linux shows them, cut to what matters, for tests of what reads them."""

from pathlib import Path

ARM64 = "fp asimd evtstrm crc32 cpuid"
ARM64_A76 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
ARM32 = "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm crc32"
PC = "fpu sse sse2 ssse3 fma cx16 sse4_1 sse4_2 movbe popcnt aes avx f16c bmi1 avx2 bmi2"


def _arm(part: str, features: str, cores: int = 4, name: str = "", tail: str = "") -> str:
    one = f"BogoMIPS\t: 108.00\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU part\t: {part}\nCPU revision\t: 3\n"
    named = f"model name\t: {name}\n" if name else ""
    return "\n".join(f"processor\t: {i}\n{named}{one}" for i in range(cores)) + tail


#: name: (uname's machine, bits of Python, files). A device tree's texts end with a zero byte.
BOARDS = {
    "pi3": ("aarch64", 64, {"proc/device-tree/model": "Raspberry Pi 3 Model B Plus Rev 1.3\0", "proc/cpuinfo": _arm("0xd03", ARM64)}),
    "zero2w": ("aarch64", 64, {"proc/device-tree/model": "Raspberry Pi Zero 2 W Rev 1.0\0", "proc/cpuinfo": _arm("0xd03", ARM64)}),
    "pi4": (
        "aarch64",
        64,
        {
            "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
            "proc/cpuinfo": _arm("0xd08", ARM64, tail="\nRevision\t: c03114\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n"),
            "proc/meminfo": "MemTotal:        3884312 kB\nMemFree:         2000000 kB\nMemAvailable:    3300000 kB\n",
            "proc/mounts": "/dev/root / ext4 rw,noatime 0 0\nproc /proc proc rw 0 0\noverlay / overlay ro,relatime 0 0\n",
            "sys/devices/system/cpu/online": "0-3\n",
            "sys/devices/system/cpu/isolated": "2-3\n",
            **{f"sys/devices/system/cpu/cpu{i}/cpufreq/scaling_governor": "ondemand\n" for i in range(4)},
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "600000\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "1800000\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "82300\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        },
    ),
    "pi5": ("aarch64", 64, {"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0", "proc/cpuinfo": _arm("0xd0b", ARM64_A76)}),
    "cm4": ("aarch64", 64, {"proc/device-tree/model": "Raspberry Pi Compute Module 4 Rev 1.1\0", "proc/cpuinfo": _arm("0xd08", ARM64)}),
    "pi4-32": (
        "armv7l",
        32,
        {
            "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
            "proc/cpuinfo": _arm("0xd08", ARM32, name="ARMv7 Processor rev 3 (v7l)", tail="\nHardware\t: BCM2711\n"),
        },
    ),
    "pi4-32-on-64": (
        "aarch64",
        32,
        {"proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0", "proc/cpuinfo": _arm("0xd08", ARM32), "bin/sh": "\x7fELF\x01\x01"},
    ),
    "zero": ("armv6l", 32, {"proc/device-tree/model": "Raspberry Pi Zero W Rev 1.1\0", "proc/cpuinfo": _arm("0xb76", "half thumb vfp", 1)}),
    "graviton": ("aarch64", 64, {"proc/cpuinfo": _arm("0xd40", ARM64_A76)}),
    "pc": (
        "x86_64",
        64,
        {
            "proc/cpuinfo": f"processor\t: 0\nmodel name\t: Intel(R) N100\nflags\t\t: {PC}\n\nprocessor\t: 1\nflags\t\t: {PC}\n",
            "sys/class/dmi/id/product_name": "MINI PC\n",
        },
    ),
    "riscv": (
        "riscv64",
        64,
        {
            "proc/device-tree/model": "StarFive VisionFive 2 v1.3B\0",
            "proc/cpuinfo": "processor\t: 0\nhart\t\t: 1\nisa\t\t: rv64imafdc_zicntr_zicsr\nmmu\t\t: sv39\nuarch\t\t: sifive,u74-mc\n",
        },
    ),
    "riscv-v": ("riscv64", 64, {"proc/cpuinfo": "processor\t: 0\nisa\t\t: rv64imafdcv_zicbom\nuarch\t\t: spacemit,x60\n"}),
    "bare": ("", 64, {}),
    "hostile": (
        "aarch64",
        64,
        {
            "proc/device-tree/model": "\0",
            "proc/cpuinfo": "\udcff\0:::\nprocessor\nFeatures\nCPU part: \x1b[31m\n",
            "proc/meminfo": "MemTotal: lots kB\n",
            "proc/mounts": "/ /\n",
            "sys/devices/system/cpu/online": "0-x\n",
            "sys/class/thermal/thermal_zone0/temp": "hot\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "error=1\n",
        },
    ),
}


def put(name: str, folder: Path) -> Path:
    """Write a board's files under a folder."""
    for path, text in BOARDS[name][2].items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode("utf-8", "surrogateescape") if not path.startswith("bin/") else text.encode("latin-1"))
    return folder
