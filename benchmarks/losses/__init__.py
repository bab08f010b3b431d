"""What may cost samples in the field, done on purpose: kills, brokers that stop, ports pulled out, full disks, clocks set back."""
