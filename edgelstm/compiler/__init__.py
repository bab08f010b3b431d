"""Model -> Plan: packing, arena layout, one fused function, object code, library, cache."""
