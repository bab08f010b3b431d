"""The linker: object code -> ELF shared libraries and archives, without a toolchain."""
