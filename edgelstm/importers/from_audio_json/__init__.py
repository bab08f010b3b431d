"""Networks that model guitar amplifiers and pedals, as JSON: GuitarML, RTNeural with AIDA-X, Neural Amp Modeler."""
